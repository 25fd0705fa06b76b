package dev.libstun.agent

import dev.libstun.AuthenticationFailure
import dev.libstun.AuthenticationFailures
import dev.libstun.BindingConfig
import dev.libstun.Check
import dev.libstun.Credentials
import dev.libstun.DropReason
import dev.libstun.Event
import dev.libstun.Failed
import dev.libstun.FailureReason
import dev.libstun.Integrity
import dev.libstun.Key
import dev.libstun.LongTerm
import dev.libstun.Mapped
import dev.libstun.Message
import dev.libstun.MessageBuilder
import dev.libstun.MessageClass
import dev.libstun.NatConfig
import dev.libstun.NatConfidence
import dev.libstun.NatFinished
import dev.libstun.NatFound
import dev.libstun.NatProperty
import dev.libstun.NatReason
import dev.libstun.NatReport
import dev.libstun.NatValue
import dev.libstun.Outcome
import dev.libstun.ServerConfig
import dev.libstun.ShortTerm
import dev.libstun.StunErrorCode
import dev.libstun.Throttled
import org.json.JSONObject
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.net.InetSocketAddress
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** Two agents in one memory: the library's client and its server, NAT probes among them. */
class ServerTest {
    private val users = ServerConfig(local = SERVER, realm = "example.org", users = mapOf("alice" to "s3cret"))

    /** What a client with these credentials is told in the end. */
    private fun told(config: ServerConfig, credentials: Credentials?, edit: (dev.libstun.Agent, Long) -> Unit = { _, _ -> }): Event {
        val net = Net()
        val server = seeded(9)
        edit(server, server.startServer(config, 0))
        net.add(server, mapOf(SERVER to 0))
        val client = net.add(seeded(), mapOf(CLIENT to 7))
        client.agent.startBinding(ONCE.copy(credentials = credentials), 0)
        net.run(60 * SECOND) { client.events.isNotEmpty() }
        return client.events.single().event
    }

    private fun reason(event: Event) = (event as Failed).failure.reason

    @Test
    fun `an open server tells everybody their address`() {
        val mapped = told(ServerConfig(), null) as Mapped
        assertEquals(CLIENT to 20.milliseconds, mapped.address to mapped.rtt)
        assertTrue(told(ServerConfig(local = SERVER), null) is Mapped)
        assertEquals(FailureReason.TIMEOUT, reason(told(ServerConfig(local = OTHER), null)))
    }

    @Test
    fun `a server with a short-term credential answers whoever has it`() {
        val alice = ShortTerm("alice", "s3cret")
        assertTrue(told(ServerConfig(credentials = alice), alice) is Mapped)
        assertTrue(told(ServerConfig(credentials = alice), ShortTerm("alice", "s3cret", Integrity.SHA256)) is Mapped)
        assertFalse(told(ServerConfig(credentials = alice), ShortTerm("alice", "wrong")) is Mapped)
        assertFalse(told(ServerConfig(credentials = alice), null) is Mapped)
    }

    @Test
    fun `a server with a realm answers its users`() {
        assertTrue(told(users, LongTerm("alice", "s3cret")) is Mapped)
        assertTrue(told(users, LongTerm("alice", "s3cret", requireSha256 = true, requireAnonymity = true)) is Mapped)
        for (wrong in listOf(LongTerm("alice", "wrong"), LongTerm("bob", "s3cret"))) {
            val failure = (told(users, wrong) as Failed).failure
            assertEquals(FailureReason.AUTHENTICATION to AuthenticationFailure.REJECTED, failure.reason to failure.detail)
        }
    }

    @Test
    fun `what a server does not offer cannot be demanded`() {
        val weak = users.copy(passwordAlgorithms = false, usernameAnonymity = false)
        assertTrue(told(weak, LongTerm("alice", "s3cret")) is Mapped)
        val cases = mapOf(
            LongTerm("alice", "s3cret", requireSha256 = true) to AuthenticationFailure.SHA256_NOT_OFFERED,
            LongTerm("alice", "s3cret", requireAnonymity = true) to AuthenticationFailure.ANONYMITY_NOT_OFFERED,
        )
        for ((credentials, why) in cases) assertEquals(why, (told(weak, credentials) as Failed).failure.detail)
    }

    @Test
    fun `users come and go`() {
        assertTrue(told(users, LongTerm("bob", "pw")) { agent, id -> agent.addUser(id, "bob", "pw") } is Mapped)
        val removed = told(users, LongTerm("alice", "s3cret")) { agent, id ->
            assertTrue(agent.removeUser(id, "alice"))
            assertFalse(agent.removeUser(id, "alice"))
        }
        assertFalse(removed is Mapped)
    }

    @Test
    fun `a server that contradicts itself is refused`() {
        val alice = ShortTerm("alice", "s3cret")
        val wrong = listOf(
            users.copy(credentials = alice),
            users.copy(realm = null),
            users.copy(realm = ""),
            users.copy(realm = "x".repeat(200)),
            users.copy(answersRfc3489 = true),
            ServerConfig(behaviorSingle = true),
            ServerConfig(local = SERVER, alternate = SERVER),
            ServerConfig(local = SERVER, alternate = OTHER, socketIds = listOf(1, 2)),
            ServerConfig(publicHosts = SERVER.address to OTHER.address),
            ServerConfig(amplificationPercent = 0),
            ServerConfig(errorBurst = -1),
            ServerConfig(errorBytesPerSecond = -1),
            ServerConfig(nonceLifetime = (-1).seconds),
        )
        seeded().use { agent -> wrong.forEach { refused(StunErrorCode.INVALID) { agent.startServer(it, 0) } } }
    }

    @Test
    fun `old clients are answered if that is wished`() {
        val old = bytes("00010000" + "00".repeat(16))
        for (answers in listOf(false, true)) {
            val agent = seeded()
            agent.startServer(ServerConfig(answersRfc3489 = answers), 0)
            assertEquals(if (answers) 1 else 0, agent.exchange(old, CLIENT, 0, SERVER).transmits.size)
        }
    }

    private val request = MessageBuilder(MessageClass.REQUEST, BINDING).build()

    @Test
    fun `a network that has proved nothing is kept to its budget, and that is told`() {
        val small = ServerConfig(realm = "x", errorBytesPerSecond = 1, errorBurst = 200)
        for (config in listOf(small, small.copy(budget = false))) {
            val agent = seeded()
            agent.startServer(config, 0)
            val outputs = List(300) { agent.exchange(request, CLIENT, 0, SERVER) }
            val throttled = outputs.flatMap { it.events }.of<Throttled>()
            assertEquals(if (config.budget) listOf(CLIENT.address) else emptyList(), throttled.map { it.host }.distinct())
            assertEquals(!config.budget, outputs.last().transmits.isNotEmpty())
            assertEquals(config.budget, agent.dropped(DropReason.OVER_BUDGET) > 0)
        }
    }

    @Test
    fun `little amplification is none for a long answer`() {
        val sizes = listOf(100, null).map { percent ->
            val agent = seeded()
            agent.startServer(ServerConfig(amplificationPercent = percent), 0)
            agent.exchange(request, CLIENT, 0, SERVER).transmits.size
        }
        assertEquals(listOf(0, 1), sizes)
    }

    @Test
    fun `a network that keeps failing to authenticate is told of`() {
        val server = seeded(9)
        server.startServer(users, 0)
        val told = (1..1000).firstNotNullOf { place ->
            val local = InetSocketAddress(CLIENT.address, 10_000 + place)
            val wrong = ONCE.copy(local = local, credentials = LongTerm("alice", "wrong"))
            guess(server, wrong, place * 100 * MS).firstOrNull()
        }
        assertEquals(AuthenticationFailures(CLIENT.address, true), told)
    }

    /** What the server tells when a client asks, is challenged, and tries a password. */
    private fun guess(server: dev.libstun.Agent, config: BindingConfig, now: Long): List<AuthenticationFailures> {
        seeded((now / (100 * MS) % 200).toInt(), now).use { client ->
            client.startBinding(config, now)
            val request = client.drain().transmits.single()
            val challenge = server.exchange(request.bytes, config.local!!, now, SERVER).transmits
            val signed = challenge.flatMap { client.answer(request, it.bytes, now).transmits }
            return signed.flatMap { server.exchange(it.bytes, config.local, now, SERVER).events }.of()
        }
    }

    @Test
    fun `a builder is checked like any message`() {
        val key = Key.shortTerm("s3cret")
        val both = MessageBuilder(MessageClass.INDICATION, 1, ByteArray(12)).add(0x8022, "x".toByteArray())
            .build(key, setOf(Integrity.SHA1, Integrity.SHA256), fingerprint = true)
        val message = Message.decode(both)
        val checks = Integrity.entries.map { message.checkIntegrity(key, it) } + message.checkFingerprint()
        assertEquals(List(3) { Check.VALID }, checks)
        assertArrayEquals(ByteArray(12), message.transactionId)
        val builder = MessageBuilder(MessageClass.REQUEST, 1)
        val wrong = listOf<() -> Unit>(
            { MessageBuilder(MessageClass.REQUEST, 4096) },
            { MessageBuilder(MessageClass.REQUEST, 1, ByteArray(11)) },
            { builder.add(0x10000, ByteArray(0)) },
            { builder.add(0x0006, CLIENT) },
            { builder.build(null, setOf(Integrity.SHA1)) },
            { MessageBuilder(MessageClass.REQUEST, 1).add(0x0008, ByteArray(20)).build() },
            { MessageBuilder(MessageClass.REQUEST, 1).add(0x7000, ByteArray(65533)).build() },
            { Message.decode(ByteArray(70_000)) },
            { message.address(0x0006) },
        )
        for (call in wrong) refused(StunErrorCode.INVALID, call)
    }

    // NAT probes

    private val four = listOf(SERVER, address("192.0.2.1:3479"), address("192.0.2.2:3478"), OTHER)
    private val next = address("10.0.0.2:5001")
    private val probe = NatConfig(SERVER, local = CLIENT, socketId = 1, second = next, secondSocketId = 2)

    private fun probed(nat: Nat? = null, config: NatConfig = probe): Pair<Node, NatReport> {
        val net = Net()
        val server = seeded(9)
        server.startServer(ServerConfig(local = SERVER, alternate = OTHER, socketIds = listOf(0, 1, 2, 3)), 0)
        net.add(server, four.withIndex().associate { (place, address) -> address to place })
        val client = net.add(seeded(), mapOf(CLIENT to 1, next to 2), nat)
        val id = client.agent.startNatProbe(config, 0)
        net.run(8 * 3600 * SECOND) { client.events.of<NatFinished>().isNotEmpty() }
        assertTrue(client.events.last().isLast && client.events.last().id == id)
        return client to client.events.of<NatFinished>().single().report
    }

    private fun values(report: NatReport, vararg properties: NatProperty) = properties.map { report.findings[it]!!.value }

    @Test
    fun `an open host is told from one behind a NAT`() {
        val asked = arrayOf(NatProperty.CONNECTIVITY, NatProperty.TRANSLATION, NatProperty.MAPPING, NatProperty.FILTERING)
        val (client, open) = probed()
        val independent = NatValue.ENDPOINT_INDEPENDENT
        assertEquals(listOf(NatValue.OPEN, NatValue.ABSENT, independent, independent), values(open, *asked))
        assertEquals(Triple(CLIENT, OTHER, false), Triple(open.local, open.other, open.dependsOnDestination))
        assertTrue(open.requests >= open.responses && open.responses > 3)
        assertEquals(NatProperty.entries.toSet(), open.findings.keys)
        assertEquals(NatReason.NOT_TESTED, open.findings[NatProperty.LIFETIME]!!.reason)
        assertEquals(NatConfidence.HIGH, open.findings[NatProperty.CONNECTIVITY]!!.confidence)
        assertTrue(JSONObject(open.json).keySet().containsAll(listOf("server", "mapping", "lifetime")), open.json)
        assertTrue(open.text.lines().size > 5, open.text)
        assertEquals(open.text, open.toString())
        assertEquals(NatProperty.entries.toSet() - NatProperty.LIFETIME, client.events.of<NatFound>().map { it.property }.toSet())
        val (other, behind) = probed(Nat(host("203.0.113.9"), filters = true))
        assertEquals(listOf(NatValue.OPEN, NatValue.PRESENT, independent), values(behind, *asked).take(3))
        assertEquals(NatValue.ADDRESS_AND_PORT_DEPENDENT, behind.findings[NatProperty.FILTERING]!!.value)
        assertTrue(other.events.of<NatFound>().size >= 10)
    }

    @Test
    fun `the lifetime of a NAT that forgets nothing is bounded from below`() {
        val config = probe.copy(
            properties = setOf(NatProperty.LIFETIME),
            lifetimeMax = 60.seconds,
            lifetimePrecision = 10.seconds,
            deadline = 2.hours,
        )
        val (_, report) = probed(Nat(host("203.0.113.9")), config)
        assertEquals(NatValue.BOUNDED, report.findings[NatProperty.LIFETIME]!!.value, report.text)
        assertTrue(report.lifetimeAtLeast!! >= 50.seconds && report.lifetimeBelow == null, report.text)
        assertEquals(report.lifetimeAtLeast.inWholeNanoseconds, report.lifetimeAtLeastNanos)
        assertNull(report.lifetimeBelowNanos)
    }

    @Test
    fun `a probe that contradicts itself is refused`() {
        val wrong = listOf(
            probe.copy(properties = emptySet()),
            probe.copy(servers = List(9) { InetSocketAddress(OTHER.address, 1 + it) }),
            probe.copy(maxAttempts = -1),
            probe.copy(padding = 70_000),
            probe.copy(pacing = (-1).seconds),
            probe.copy(local = V6),
        )
        seeded().use { agent -> wrong.forEach { config ->
            assertTrue(refused(StunErrorCode.INVALID) { agent.startNatProbe(config, 0) }.isNotEmpty())
        } }
    }
}
