package dev.libstun

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import java.net.InetSocketAddress
import kotlin.time.Duration
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

/** A NAT probe against this library's own server of RFC 5780, from its first request to its report. */
@Timeout(120)
class NatReportTest {
    private val first = CLIENT
    private val second = address("198.51.100.7", 5001)
    private val alternate = address("192.0.2.2", 3479)
    private val config = NatConfig(SERVER, first, socketId = 1, second = second, secondSocketId = 2)

    /** A NAT that maps every socket to the same port of one public address, as long as it is used. */
    private class Nat(val public: String?, val lifetime: Duration = Duration.INFINITE) {
        private val used = HashMap<InetSocketAddress, Long>()

        fun outside(inside: InetSocketAddress, now: Long): InetSocketAddress {
            used[inside] = now
            return public?.let { address(it, inside.port + 1000) } ?: inside
        }

        fun inside(outside: InetSocketAddress, now: Long, sockets: List<InetSocketAddress>): InetSocketAddress? {
            val found = sockets.firstOrNull { (if (public == null) it else address(public, it.port + 1000)) == outside }
            val last = used[found] ?: return null
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
        val from = nat.outside(request.local!!, host.now)
        val output = server.exchange(request.bytes, from, host.now, request.remote)
        for (answer in output.transmits) {
            val inside = nat.inside(answer.remote, host.now, sockets) ?: continue
            host.take(host.agent.exchange(answer.bytes, answer.local!!, host.now, inside, socketId = 1 + sockets.indexOf(inside)))
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
        assertEquals(NatProperty.entries.toSet(), report.findings.keys)
        val values = report.findings.mapValues { it.value.value }
        assertEquals(NatValue.OPEN, values[NatProperty.CONNECTIVITY])
        assertEquals(NatValue.PRESENT, values[NatProperty.TRANSLATION])
        assertEquals(NatValue.ENDPOINT_INDEPENDENT, values[NatProperty.MAPPING])
        assertEquals(NatValue.ENDPOINT_INDEPENDENT, values[NatProperty.FILTERING])
        assertEquals(NatReason.NOT_TESTED, report.findings[NatProperty.LIFETIME]?.reason)
        assertNull(report.lifetimeAtLeast)
        assertTrue(report.json.startsWith("{") && report.json.contains("203.0.113.9"), report.json)
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
    fun `a lifetime is between two bounds`() {
        val asked = config.copy(properties = setOf(NatProperty.LIFETIME), lifetimeMax = 10.minutes, lifetimePrecision = 10.seconds)
        val report = report(probe(Nat("203.0.113.9", 90.seconds), asked))
        assertEquals(NatValue.BOUNDED, report.findings.getValue(NatProperty.LIFETIME).value)
        val (least, below) = report.lifetimeAtLeast!! to report.lifetimeBelow!!
        assertTrue(least < 90.seconds && below <= 101.seconds && below > least, "$least to $below")
        assertEquals(below.inWholeNanoseconds, report.lifetimeBelowNanos)
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
        assertNotNull(report.findings.getValue(NatProperty.MAPPING).reason)
    }
}
