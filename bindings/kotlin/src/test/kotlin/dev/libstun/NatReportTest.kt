package dev.libstun

import dev.libstun.support.CLIENT
import dev.libstun.support.Played
import dev.libstun.support.SERVER
import dev.libstun.support.address
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.jsonObject
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import java.net.InetAddress
import java.net.InetSocketAddress
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

/** A NAT probe against this library's own server of RFC 5780, from its first request to its report. */
@Timeout(120)
class NatReportTest {
    private val first = CLIENT
    private val second = address("10.0.0.2", 5001)
    private val alternate = address("192.0.2.2", 3479)
    private val config = NatConfig(SERVER, first, socketId = 1, second = second, secondSocketId = 2)

    /** A NAT that maps every socket to the same port of one public address, as long as it is used. */
    private class Nat(val public: String?, val lifetime: Duration = Duration.INFINITE, val filters: Boolean = false) {
        /** When what was sent where. */
        val sent = mutableListOf<String>()
        private val used = HashMap<InetSocketAddress, Long>()
        private val asked = HashSet<Pair<InetSocketAddress, InetSocketAddress>>()

        fun outside(inside: InetSocketAddress, to: InetSocketAddress, now: Long): InetSocketAddress {
            used[inside] = now
            asked += inside to to
            return public?.let { address(it, inside.port + 1000) } ?: inside
        }

        fun inside(
            outside: InetSocketAddress,
            from: InetSocketAddress,
            now: Long,
            sockets: List<InetSocketAddress>,
        ): InetSocketAddress? {
            val found = sockets.firstOrNull { (if (public == null) it else address(public, it.port + 1000)) == outside }
            val last = used[found] ?: return null
            if (filters && (found to from) !in asked) return null
            return found.takeIf { lifetime.isInfinite() || now - last < lifetime.inWholeNanoseconds }
        }
    }

    /** Everything that the probe tells. */
    private fun probe(nat: Nat, config: NatConfig = this.config, answers: Boolean = true): List<AgentEvent> =
        Agent(0, ByteArray(32) { 1 }).use { server ->
            if (answers) server.startServer(ServerConfig(SERVER, alternate = alternate, budget = false), 0)
            Played().use { host ->
                host.agent.startNatProbe(config, 0)
                val sockets = listOf(first, second)
                while (host.told.none { it.isLast }) {
                    host.goOn { host.sent.isNotEmpty() || host.told.any { it.isLast } }
                    val request = host.sent.removeFirstOrNull() ?: break
                    deliver(request, server, host, nat, sockets)
                }
                host.told.toList()
            }
        }

    private fun deliver(
        request: Transmit,
        server: Agent,
        host: Played,
        nat: Nat,
        sockets: List<InetSocketAddress>,
    ) {
        nat.sent += "${host.now} ${request.socketId} ${request.bytes.size} to ${request.remote}"
        val from = nat.outside(request.local!!, request.remote, host.now)
        val output = server.exchange(request.bytes, from, host.now, request.remote)
        for (answer in output.transmits) {
            val inside = nat.inside(answer.remote, answer.local!!, host.now, sockets) ?: continue
            val socket = 1 + sockets.indexOf(inside)
            host.take(host.agent.exchange(answer.bytes, answer.local, host.now, inside, socketId = socket))
        }
    }

    private fun report(events: List<AgentEvent>): NatReport = (events.last().event as NatFinished).report

    @Test
    fun `a NAT of the friendliest kind is found, property by property`() {
        val events = probe(Nat("203.0.113.9"))
        val report = report(events)
        assertEquals(first to alternate, report.local to report.other)
        assertTrue(report.requests >= report.responses && report.responses > 0, "$report")
        assertEquals(false, report.dependsOnDestination)
        assertEquals("full cone NAT", report.rfc3489Name)
        assertEquals(SERVER, report.server)
        assertEquals(InetAddress.getByName("203.0.113.9"), report.mapped!!.address)
        assertEquals(NatProperty.entries.toSet(), report.findings.keys)
        val values = report.findings.mapValues { it.value.value }
        assertEquals(NatValue.OPEN, values[NatProperty.CONNECTIVITY])
        assertEquals(NatValue.PRESENT, values[NatProperty.TRANSLATION])
        assertEquals(NatValue.ENDPOINT_INDEPENDENT, values[NatProperty.MAPPING])
        assertEquals(NatValue.ENDPOINT_INDEPENDENT, values[NatProperty.FILTERING])
        assertEquals(NatReason.NOT_TESTED, report.findings[NatProperty.LIFETIME]?.reason)
        assertNull(report.lifetimeAtLeast)
        assertTrue("203.0.113.9" in report.json, report.json)
        val json = Json.parseToJsonElement(report.json).jsonObject
        assertTrue(json.keys.containsAll(listOf("server", "mapping", "lifetime")), report.json)
        assertEquals(report.text, report.toString())
        val found = events.map { it.event }.filterIsInstance<NatFound>().associate { it.property to it.finding }
        assertEquals(report.findings[NatProperty.MAPPING], found[NatProperty.MAPPING])
        assertEquals(NatConfidence.HIGH, found[NatProperty.MAPPING]?.confidence)
    }

    @Test
    fun `without a NAT there is none`() {
        val report = report(probe(Nat(null)))
        assertEquals(NatValue.ABSENT, report.findings[NatProperty.TRANSLATION]?.value)
        assertEquals(NatReason.NO_NAT, report.findings.getValue(NatProperty.HAIRPINNING).reason)
    }

    @Test
    fun `a NAT that lets in only what was asked for filters by address and port`() {
        val report = report(probe(Nat("203.0.113.9", filters = true), config.copy(deadline = 60.minutes)))
        assertEquals(NatValue.ENDPOINT_INDEPENDENT, report.findings.getValue(NatProperty.MAPPING).value)
        val filtering = report.findings.getValue(NatProperty.FILTERING)
        assertEquals(NatValue.ADDRESS_AND_PORT_DEPENDENT, filtering.value, "$report")
    }

    @Test
    fun `a lifetime is between two bounds`() {
        val lifetime = setOf(NatProperty.LIFETIME)
        val asked = config.copy(properties = lifetime, lifetimeMax = 10.minutes, lifetimePrecision = 10.seconds)
        val report = report(probe(Nat("203.0.113.9", 90.seconds), asked))
        assertEquals(NatValue.BOUNDED, report.findings.getValue(NatProperty.LIFETIME).value)
        val (least, below) = report.lifetimeAtLeast!! to report.lifetimeBelow!!
        assertTrue(least < 90.seconds && below <= 101.seconds && below > least, "$least to $below")
        assertEquals(below.inWholeNanoseconds, report.lifetimeBelowNanos)
        val endless = report(probe(Nat("203.0.113.9"), asked.copy(lifetimeMax = 1.minutes)))
        assertTrue(endless.lifetimeAtLeast!! >= 50.seconds, "$endless")
        assertEquals(null to null, endless.lifetimeBelow to endless.lifetimeBelowNanos)
    }

    @Test
    fun `a server that is silent is named with what it was asked`() {
        val events = probe(Nat(null), answers = false)
        val silent = events.map { it.event }.filterIsInstance<NatUnanswered>()
        assertEquals(SERVER, silent.first().server)
        assertTrue(silent.first().test.isNotEmpty())
        val report = report(events)
        assertNull(report.other)
        assertNull(report.dependsOnDestination)
        assertNull(report.rfc3489Name)
        assertNull(report.mapped)
        assertNotNull(report.findings.getValue(NatProperty.MAPPING).reason)
    }

    @Test
    fun `everything that a probe is told of its patience changes what it sends`() {
        val all = config.copy(properties = NatProperty.entries.toSet(), deadline = 60.minutes)
        val changed = mapOf(
            "socketId" to all.copy(socketId = 7),
            "secondSocketId" to all.copy(secondSocketId = 7),
            "second" to all.copy(second = null),
            "properties" to all.copy(properties = null),
            "fingerprint" to all.copy(fingerprint = true),
            "deadline" to all.copy(deadline = 20.seconds),
            "pacing" to all.copy(pacing = 300.milliseconds),
            "lifetimeMax" to all.copy(lifetimeMax = 1.minutes),
            "lifetimePrecision" to all.copy(lifetimePrecision = 40.seconds),
            "attemptInterval" to all.copy(attemptInterval = 900.milliseconds),
            "lastWait" to all.copy(lastWait = 4.seconds),
            "padding" to all.copy(padding = 1200),
        )
        val usual = sends(all)
        assertEquals(usual, sends(all.copy()))
        for ((field, config) in changed) assertNotEquals(usual, sends(config), field)
        val often = all.copy(retransmission = Retransmission(initialRto = 200.milliseconds))
        assertNotEquals(sends(all, answers = false), sends(often, answers = false))
    }

    /** Behind a NAT that lets in only what was asked for, so that silence has to be measured. */
    private fun sends(config: NatConfig, answers: Boolean = true): List<String> =
        Nat("203.0.113.9", 90.seconds, filters = true).also { probe(it, config, answers) }.sent
}
