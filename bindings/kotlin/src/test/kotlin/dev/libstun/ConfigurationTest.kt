package dev.libstun

import dev.libstun.support.CLIENT
import dev.libstun.support.Played
import dev.libstun.support.SERVER
import dev.libstun.support.V6
import dev.libstun.support.address
import dev.libstun.support.answer
import dev.libstun.support.request
import dev.libstun.support.seconds
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.nanoseconds
import kotlin.time.Duration.Companion.seconds

/** Every field of the configurations of clients changes what the agent does. Those of servers are in another test. */
@Timeout(120)
class ConfigurationTest {
    private val binding = BindingConfig(SERVER, refresh = null)
    private val allocation = AllocationConfig(SERVER, mobility = false)
    private val mapped = address("203.0.113.9", 40000)

    /** What a host sends first, started in some way. */
    private fun first(start: Agent.() -> Unit): Transmit = Agent(0).use { it.start(); it.drain().transmits.first() }

    private fun first(config: BindingConfig): Transmit = first { startBinding(config, 0) }

    private fun asked(config: AllocationConfig): Message = Message.decode(first { startAllocation(config, 0) }.bytes)

    /** When a host that nobody answers does something: seconds. */
    private fun times(start: Agent.() -> Unit): List<Double> = Agent(0).use { agent ->
        agent.start()
        var now = 0L
        val times = mutableListOf<Double>()
        while (times.size < 20) {
            val output = agent.tick(now)
            if (output.transmits.isNotEmpty() || output.events.isNotEmpty()) times += now / 1e9
            now = output.deadline ?: break
        }
        times
    }

    @Test
    fun `a binding goes where it is told, from where it is told, and over what`() {
        fun Transmit.way() = listOf(remote, local, transport, socketId)
        assertEquals(listOf(SERVER, null, Transport.UDP, 0), first(binding).way())
        val told = binding.copy(local = CLIENT, transport = Transport.TLS, socketId = -2)
        assertEquals(listOf(SERVER, CLIENT, Transport.TLS, -2), first(told).way())
    }

    @Test
    fun `requests are signed and end with a FINGERPRINT if they shall`() {
        assertEquals(Check.VALID, Message.decode(first(binding).bytes).checkFingerprint())
        assertEquals(Check.ABSENT, Message.decode(first(binding.copy(fingerprint = false)).bytes).checkFingerprint())
        val key = Key.shortTerm("s3cret")
        for ((only, expected) in mapOf(
            null to listOf(Check.VALID, Check.VALID),
            Integrity.SHA1 to listOf(Check.VALID, Check.ABSENT),
            Integrity.SHA256 to listOf(Check.ABSENT, Check.VALID),
        )) {
            val signed = Message.decode(first(binding.copy(credentials = ShortTerm("alice", "s3cret", only))).bytes)
            assertEquals(expected, Integrity.entries.map { signed.checkIntegrity(key, it) }, "$only")
        }
        val unsigned = Message.decode(first(binding.copy(credentials = LongTerm("alice", "s3cret"))).bytes)
        assertNull(unsigned[USERNAME])
    }

    @Test
    fun `what a long-term credential demands is not given up`() {
        val plain = LongTerm("alice", "s3cret")
        for ((credentials, expected) in mapOf(
            plain.copy(requireSha256 = true) to AuthenticationFailure.SHA256_NOT_OFFERED,
            plain.copy(requireAnonymity = true) to AuthenticationFailure.ANONYMITY_NOT_OFFERED,
        )) Played().use { host ->
            host.agent.startBinding(binding.copy(credentials = credentials), 0)
            host.refuse(host.request(), 401) {
                add(REALM, "example.org".toByteArray()).add(NONCE, "nonce".toByteArray())
            }
            assertEquals(expected, host.event<Failed>().failure.detail)
        }
    }

    @Test
    fun `MAPPED-ADDRESS is taken if it shall be`() {
        for (accepts in listOf(true, false)) Played().use { host ->
            host.agent.startBinding(binding.copy(acceptsMappedAddress = accepts), 0)
            host.answer(host.request()) { add(Attribute.MAPPED_ADDRESS, mapped) }
            if (accepts) assertEquals(mapped, host.event<Mapped>().address) else host.event<Failed>()
        }
    }

    @Test
    fun `requests are sent again when the schedule says so`() {
        val default = times { startBinding(binding, 0) }
        assertEquals(listOf(0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 39.5), default)
        val schedule = Retransmission(initialRto = 100.milliseconds, rc = 3, rm = 5, ti = 9.seconds)
        assertEquals(listOf(0.0, 0.1, 0.3, 0.8), times { startBinding(binding.copy(retransmission = schedule), 0) })
        val reliable = binding.copy(retransmission = schedule, transport = Transport.TCP)
        assertEquals(listOf(0.0, 9.0), times { startBinding(reliable, 0) })
    }

    @Test
    fun `a binding is refreshed, and waits after failures, for as long as it is told`() = Played().use { host ->
        val backoff = Backoff(first = 3.seconds, max = 5.seconds)
        host.agent.startBinding(binding.copy(refresh = 7.seconds, backoff = backoff), 0)
        host.answer(host.request()) { add(Attribute.XOR_MAPPED_ADDRESS, mapped) }
        val refresh = host.request()
        assertEquals(7.seconds.inWholeNanoseconds, host.now)
        host.refuse(refresh, 500)
        val waits = List(3) {
            val wait = (host.event<Retrying>().at - host.now).nanoseconds
            host.refuse(host.request(), 500)
            wait
        }
        // They are spread, so that hosts do not come together.
        for ((wait, expected) in waits.zip(listOf(3.seconds, 5.seconds, 5.seconds))) {
            assertTrue(wait in expected * 0.5..expected * 1.5, "$waits")
        }
        assertEquals(3, waits.size)
    }

    @Test
    fun `a survey asks in the order, at the pace and for as long as it is told`() {
        val targets = (1..3).map { SurveyTarget(address("192.0.2.$it", 3478), CLIENT, socketId = it) }
        val race = SurveyConfig(targets, attemptDelay = 2.seconds, deadline = 5.seconds, fingerprint = false)
        Played().use { host ->
            host.agent.startSurvey(race, 0)
            val starts = LinkedHashMap<Int, Long>()
            while (host.told.none { it.isLast }) {
                host.goOn { host.sent.isNotEmpty() || host.told.any { it.isLast } }
                host.sent.removeFirstOrNull()?.let { starts.putIfAbsent(it.socketId, host.now / 1_000_000_000) }
            }
            assertEquals(mapOf(1 to 0L, 2 to 2L, 3 to 4L), starts)
            assertEquals(5.seconds.inWholeNanoseconds, host.now)
        }
        Played().use { host ->
            host.agent.startSurvey(race.copy(enough = 1, deadline = null), 0)
            host.answer(host.request()) { add(Attribute.XOR_MAPPED_ADDRESS, mapped) }
            assertEquals(Surveyed(1, 0, 2, ObservedMapping.UNKNOWN), host.event<Surveyed>())
        }
        val signed = race.copy(credentials = ShortTerm("alice", "s3cret"), fingerprint = true)
        val request = Message.decode(first { startSurvey(signed, 0) }.bytes)
        val checks = request.checkFingerprint() to request.checkIntegrity(Key.shortTerm("s3cret"))
        assertEquals(Check.VALID to Check.VALID, checks)
        assertThrows(StunException::class.java) { first { startSurvey(race.copy(enough = 0), 0) } }
    }

    @Test
    fun `an allocation asks for what it is told`() {
        val plain = asked(allocation)
        for (type in listOf(EVEN_PORT, DONT_FRAGMENT, LIFETIME, MOBILITY_TICKET, REQUESTED_FAMILY, ADDITIONAL_FAMILY)) {
            assertNull(plain[type], "0x%04x".format(type))
        }
        assertEquals(17, plain[REQUESTED_TRANSPORT]!![0].toInt())
        assertEquals(0, asked(allocation.copy(port = RelayPort.EVEN))[EVEN_PORT]!![0].toInt())
        assertEquals(-0x80, asked(allocation.copy(port = RelayPort.EVEN_RESERVING_NEXT))[EVEN_PORT]!![0].toInt())
        assertNotNull(asked(allocation.copy(dontFragment = true))[DONT_FRAGMENT])
        assertEquals(77, asked(allocation.copy(lifetime = 77.seconds))[LIFETIME]!![3].toInt())
        assertNotNull(asked(allocation.copy(mobility = true))[MOBILITY_TICKET])
        assertEquals(2, asked(allocation.copy(family = RelayFamily.IPV6))[REQUESTED_FAMILY]!![0].toInt())
        assertEquals(2, asked(allocation.copy(family = RelayFamily.BOTH))[ADDITIONAL_FAMILY]!![0].toInt())
        assertEquals(Check.ABSENT, asked(allocation.copy(fingerprint = false)).checkFingerprint())
        val elsewhere = allocation.copy(local = CLIENT, transport = Transport.TCP, socketId = 8)
        val path = first { startAllocation(elsewhere, 0) }
        assertEquals(listOf(CLIENT, Transport.TCP, 8), listOf(path.local, path.transport, path.socketId))
        val schedule = Retransmission(initialRto = 100.milliseconds, rc = 2, rm = 2)
        val times = times { startAllocation(allocation.copy(retransmission = schedule), 0) }
        assertEquals(listOf(0.0, 0.1, 0.3), times.take(3))
    }

    @Test
    fun `an allocation is kept alive as it is told`() {
        for ((kind, expected) in mapOf(
            KeepaliveKind.INDICATION to MessageClass.INDICATION,
            KeepaliveKind.REQUEST to MessageClass.REQUEST,
        )) allocated(allocation.copy(keepalive = 11.seconds, keepaliveKind = kind)) {
            val sent = Message.decode(request(BINDING).bytes)
            assertEquals(expected to 11.seconds, sent.messageClass to now.nanoseconds)
        }
        allocated(allocation.copy(keepalive = null)) {
            assertEquals(4, Message.decode(request().bytes).method) // nothing but its Refresh
            assertTrue(now.nanoseconds > 1.minutes, "$now")
        }
    }

    @Test
    fun `peers are reached as policy and rules say`() {
        val loopback = address("127.0.0.1", 9).address
        val near = (1..3).map { address("10.0.0.$it", 9).address }
        val rules = listOf(
            PeerRule(near[0], near[2], allows = false),
            PeerRule(near[1], allows = true),
        )
        for (policy in PeerPolicy.entries) {
            val isAllowed = policy != PeerPolicy.DEFAULT
            allocated(allocation.copy(peerPolicy = policy, peerRules = rules)) { id ->
                assertEquals(isAllowed, runCatching { agent.permit(id, loopback, now) }.isSuccess, "$policy")
                assertEquals(
                    listOf(false, true, false),
                    near.map { runCatching { agent.permit(id, it, now) }.isSuccess },
                    "$policy",
                )
            }
        }
    }

    private fun allocated(config: AllocationConfig, play: Played.(OperationId) -> Unit) = Played().use {
        val id = it.agent.startAllocation(config, 0)
        it.answer(it.request()) {
            add(Attribute.XOR_RELAYED_ADDRESS, address("192.0.2.1", 50000))
            add(LIFETIME, seconds(600)).add(Attribute.XOR_MAPPED_ADDRESS, mapped)
        }
        it.event<Allocated>()
        it.play(id)
    }

    @Test
    fun `a NAT probe asks whom and for what it is told, and no longer`() {
        val probe = NatConfig(SERVER, CLIENT, socketId = 6, properties = setOf(NatProperty.CONNECTIVITY))
        val request = first { startNatProbe(probe.copy(fingerprint = true), 0) }
        assertEquals(listOf(SERVER, CLIENT, 6), listOf(request.remote, request.local, request.socketId))
        assertEquals(Check.VALID, Message.decode(request.bytes).checkFingerprint())
        assertEquals(Check.ABSENT, Message.decode(first { startNatProbe(probe, 0) }.bytes).checkFingerprint())
        val signed = first { startNatProbe(probe.copy(credentials = ShortTerm("alice", "s3cret")), 0) }
        assertEquals(Check.VALID, Message.decode(signed.bytes).checkIntegrity(Key.shortTerm("s3cret")))
        val other = address("192.0.2.77", 3478)
        Played().use { host ->
            host.agent.startNatProbe(probe.copy(deadline = 50.seconds, servers = listOf(other)), 0)
            val asked = HashSet<java.net.InetSocketAddress>()
            val finished = generateSequence { host.goOn { host.sent.isNotEmpty() || host.told.any { it.isLast } } }
                .map { asked += host.sent.map { sent -> sent.remote }; host.sent.clear(); host.told.lastOrNull() }
                .first { it?.isLast == true }!!
            assertTrue(other in asked, "$asked")
            assertTrue(host.now <= 50.seconds.inWholeNanoseconds, "${host.now}")
            val report = (finished.event as NatFinished).report
            assertEquals(NatReason.NOT_TESTED, report.findings.getValue(NatProperty.MAPPING).reason)
        }
    }

    @Test
    fun `a NAT probe that contradicts itself does not start`() {
        val probe = NatConfig(SERVER, CLIENT)
        Agent(0).use { it.startNatProbe(probe, 0) }
        for (wrong in listOf(
            probe.copy(properties = emptySet()),
            probe.copy(padding = 65536),
            probe.copy(pacing = (-1).seconds),
            probe.copy(maxAttempts = -1),
            probe.copy(servers = List(9) { SERVER }),
            probe.copy(second = CLIENT),
            probe.copy(local = V6),
        )) Agent(0).use { agent ->
            val refused = assertThrows(StunException::class.java, { agent.startNatProbe(wrong, 0) }, "$wrong")
            assertEquals(StunErrorCode.INVALID, refused.code)
            assertEquals(0, agent.operationCount())
        }
    }

    @Test
    fun `power and pacing reach the agent`() = Played().use { host ->
        host.agent.setPower(PowerProfile(Duration.ZERO, refresh = 3.seconds), 0)
        val id = host.agent.startBinding(binding.copy(refresh = 1.minutes), 0)
        host.answer(host.request()) { add(Attribute.XOR_MAPPED_ADDRESS, mapped) }
        host.request()
        assertEquals(3.seconds.inWholeNanoseconds, host.now)
        host.agent.setPower(PowerProfile.ACTIVE, host.now)
        host.agent.setRefresh(id, 5.seconds, host.now)
        assertFalse(PowerProfile.IDLE.maxSlack == Duration.ZERO)
        Agent(0).use { agent ->
            agent.setPacing(2.seconds)
            repeat(11) { agent.startBinding(binding, 0) }
            val output = agent.drain()
            assertEquals(10, output.transmits.size, "ten are outstanding at one server")
        }
    }

    private companion object {
        const val BINDING = 1
        const val USERNAME = 0x0006
        const val LIFETIME = 0x000D
        const val REALM = 0x0014
        const val NONCE = 0x0015
        const val REQUESTED_FAMILY = 0x0017
        const val EVEN_PORT = 0x0018
        const val REQUESTED_TRANSPORT = 0x0019
        const val DONT_FRAGMENT = 0x001A
        const val ADDITIONAL_FAMILY = 0x8000
        const val MOBILITY_TICKET = 0x8030
    }
}
