package dev.libstun

import dev.libstun.support.CLIENT
import dev.libstun.support.CONFIG
import dev.libstun.support.MAPPED
import dev.libstun.support.MILLISECOND
import dev.libstun.support.NONCE
import dev.libstun.support.ONCE
import dev.libstun.support.OTHER
import dev.libstun.support.PEER
import dev.libstun.support.SECOND
import dev.libstun.support.SERVER
import dev.libstun.support.Started
import dev.libstun.support.V6
import dev.libstun.support.address
import dev.libstun.support.answer
import dev.libstun.support.host
import dev.libstun.support.mapped
import dev.libstun.support.of
import dev.libstun.support.refused
import dev.libstun.support.respond
import dev.libstun.support.seeded
import dev.libstun.support.told
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.EnumSource
import org.junit.jupiter.params.provider.ValueSource
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** The events of bindings and surveys, with all that they carry. */
class EventTest {
    private fun redirected(request: Transmit, to: java.net.InetSocketAddress = OTHER) =
        respond(request.bytes, 300) { add(Attribute.ALTERNATE_SERVER, to) }

    @Test
    fun `a binding that asks once tells the address and ends`() {
        val (agent, id, request) = Started(ONCE).let { Triple(it.agent, it.id, it.request) }
        assertEquals(SERVER to CLIENT, request.remote to request.local)
        assertEquals(Triple(7, Transport.UDP, 0), Triple(request.socketId, request.transport, request.ecn))
        val output = agent.answer(request, mapped(request), 30 * MILLISECOND)
        assertEquals(Outcome.CONSUMED, output.outcome)
        assertEquals(Mapped(MAPPED, 30.milliseconds), output.told<Mapped>())
        assertEquals(30 * MILLISECOND, output.told<Mapped>().rttNanos)
        val event = output.events.single()
        assertTrue(event.isLast && event.id == id && "203.0.113.7:50000" in event.text, event.text)
        assertNull(output.deadline)
        assertNull(output.wakeReason)
        assertEquals(0, agent.operationCount())
    }

    @Test
    fun `a binding is refreshed, and tells when the address changes`() {
        val started = Started()
        val agent = started.agent
        val first = agent.answer(started.request, mapped(started.request), 0)
        assertEquals(WakeReason.REFRESH, first.wakeReason)
        val again = agent.tick(first.deadline!!).transmits.single()
        val now = first.deadline!! + MILLISECOND
        assertEquals(Refreshed(MAPPED, 1.milliseconds), agent.answer(again, mapped(again), now).told<Refreshed>())
        agent.setRefresh(started.id, 1.seconds, now)
        val at = agent.drain().deadline!!
        assertTrue(at <= now + SECOND)
        val third = agent.tick(at).transmits.single()
        val changed = agent.answer(third, mapped(third, PEER), at).told<AddressChanged>()
        assertEquals(AddressChanged(PEER, MAPPED, 0.seconds), changed)
        agent.setRefreshNanos(started.id, null, at)
        assertNull(agent.drain().deadline)
    }

    @Test
    fun `a round trip that a retransmission hides is unknown`() {
        val started = Started()
        val again = started.agent.tick(started.agent.drain().deadline!!).transmits.single()
        val output = started.agent.answer(again, mapped(again), SECOND)
        assertNull(output.told<Mapped>().rtt)
        assertNull(output.told<Mapped>().rttNanos)
    }

    @Test
    fun `IPv6 addresses and their zones come back as they went`() {
        val local = address("[2001:db8::2]:5000")
        val scoped = java.net.InetSocketAddress(java.net.Inet6Address.getByAddress(null, host("fe80::1").address, 7), 9)
        val started = Started(ONCE.copy(server = scoped, local = address("[fe80::2]:1")))
        assertEquals(7, (started.request.remote.address as java.net.Inet6Address).scopeId)
        assertEquals(scoped, started.request.remote)
        val plain = Started(ONCE.copy(server = V6, local = local))
        assertFalse('%' in plain.request.remote.toString())
        val output = plain.agent.answer(plain.request, mapped(plain.request, address("[2001:db8::ff]:77")), 0)
        assertEquals(address("[2001:db8::ff]:77"), output.told<Mapped>().address)
    }

    @Test
    fun `nobody answers`() {
        val quick = Retransmission(100.milliseconds, 2, 3, 1.seconds)
        val started = Started(ONCE.copy(retransmission = quick))
        assertEquals(WakeReason.RETRANSMISSION, started.agent.drain().wakeReason)
        assertEquals(1, started.agent.tick(100 * MILLISECOND).transmits.size)
        val last = started.agent.drain()
        assertEquals(WakeReason.TRANSACTION_TIMEOUT, last.wakeReason)
        val failure = started.agent.tick(last.deadline!!).told<Failed>().failure
        assertEquals(FailureReason.TIMEOUT, failure.reason)
        assertTrue(failure.toString().isNotEmpty() && failure.code == null && failure.detail == null)
    }

    @Test
    fun `a server refuses, and is asked again later`() {
        val once = Started(ONCE)
        val failure = once.agent.answer(once.request, respond(once.request.bytes, 400), 0).told<Failed>().failure
        assertEquals(FailureReason.ERROR_RESPONSE to 400, failure.reason to failure.code)
        val kept = Started()
        val output = kept.agent.answer(kept.request, respond(kept.request.bytes, 500), 0)
        val retrying = output.told<Retrying>()
        assertEquals(500, retrying.failure.code)
        assertEquals(output.deadline to WakeReason.RETRY, retrying.at to output.wakeReason)
    }

    @Test
    fun `broken answers are told apart`() {
        val cases = mapOf<FailureReason, (Transmit) -> ByteArray>(
            FailureReason.NO_MAPPED_ADDRESS to { respond(it.bytes) },
            FailureReason.UNKNOWN_ATTRIBUTE to { asked ->
                respond(asked.bytes) { add(0x7FFE, ByteArray(4)).add(Attribute.XOR_MAPPED_ADDRESS, MAPPED) }
            },
            FailureReason.NOT_UNDERSTOOD to { asked ->
                respond(asked.bytes, 420) { add(0x000A, byteArrayOf(0, 0x24)) }
            },
        )
        for ((reason, answer) in cases) {
            val started = Started(ONCE)
            val failure = started.agent.answer(started.request, answer(started.request), 0).told<Failed>().failure
            assertEquals(reason, failure.reason)
            val code = mapOf(FailureReason.UNKNOWN_ATTRIBUTE to 0x7FFE, FailureReason.NOT_UNDERSTOOD to 0x24)[reason]
            assertEquals(code, failure.code)
        }
    }

    @Test
    fun `unsigned answers are counted`() {
        val quick = Retransmission(100.milliseconds, 1, 1, 1.seconds)
        val signed = ONCE.copy(credentials = ShortTerm("alice", "s3cret"), retransmission = quick)
        val started = Started(signed)
        repeat(3) { started.agent.answer(started.request, respond(started.request.bytes, 401), 0) }
        val failure = started.agent.tick(SECOND).told<Failed>().failure
        assertEquals(FailureReason.INTEGRITY, failure.reason)
        assertTrue(failure.count!! >= 1 && failure.code == 401, "$failure")
    }

    @Test
    fun `a challenge that is not met says why`() {
        val quick = Retransmission(100.milliseconds, 1, 1, 1.seconds)
        val started = Started(ONCE.copy(credentials = LongTerm("alice", "s3cret"), retransmission = quick))
        val challenge = respond(started.request.bytes, 401) { add(NONCE, "nonce".toByteArray()) }
        val early = started.agent.answer(started.request, challenge, 0).events
        val failure = (early + started.agent.tick(SECOND).events).of<Failed>().single().failure
        assertEquals(FailureReason.AUTHENTICATION to AuthenticationFailure.NO_REALM, failure.reason to failure.detail)
        assertNull(failure.code)
    }

    @ParameterizedTest
    @EnumSource(SendError::class)
    fun `what cannot be sent fails, unless it may pass`(error: SendError) {
        val started = Started(ONCE)
        assertTrue(started.agent.sendFailed(started.request, error, 0))
        val output = started.agent.drain()
        if (error == SendError.TRANSIENT) return assertTrue(output.events.isEmpty())
        val failure = output.told<Failed>().failure
        assertEquals(FailureReason.SEND_FAILED to error, failure.reason to failure.detail)
    }

    @Test
    fun `what another protocol could not send is not the agent's`() {
        val started = Started()
        assertFalse(started.agent.sendFailed(ByteArray(30) { -1 }, SERVER, SendError.REFUSED, 0))
    }

    @Test
    fun `a redirection is followed`() {
        val started = Started()
        val output = started.agent.answer(started.request, redirected(started.request), 0)
        assertEquals(Redirected(OTHER, SERVER, false), output.told<Redirected>())
        assertEquals(OTHER, output.transmits.single().remote)
        assertNull(started.agent.alternateDomain(started.id))
    }

    @ParameterizedTest
    @ValueSource(booleans = [true, false])
    fun `the host may be asked about a redirection`(accept: Boolean) {
        val started = Started(ONCE.copy(redirects = RedirectPolicy.ASK))
        val agent = started.agent
        val asked = agent.answer(started.request, redirected(started.request), 0)
        assertTrue(asked.told<Redirected>().awaitsAnswer && asked.transmits.isEmpty())
        agent.answerRedirect(started.id, accept, 0)
        val output = agent.drain()
        if (accept) return assertEquals(OTHER, output.transmits.single().remote)
        val failure = output.told<Failed>().failure
        assertEquals(FailureReason.REDIRECTED to RedirectRefusal.DECLINED, failure.reason to failure.detail)
    }

    @Test
    fun `a redirection that is refused is an error like any other`() {
        val started = Started(ONCE.copy(redirects = RedirectPolicy.REFUSE))
        val failure = started.agent.answer(started.request, redirected(started.request), 0).told<Failed>().failure
        assertEquals(FailureReason.ERROR_RESPONSE to 300, failure.reason to failure.code)
    }

    @Test
    fun `a binding goes on from another address, or fails without one of its family`() {
        val started = Started()
        val agent = started.agent
        agent.answer(started.request, mapped(started.request), 0)
        agent.networkChanged(listOf(host("10.0.0.9")), SECOND)
        val output = agent.drain()
        val restarted = output.events.of<Restarted>().single()
        assertEquals(host("10.0.0.9") to CLIENT, restarted.local.address to restarted.previous)
        assertEquals(restarted.local, output.transmits.single().local)
        agent.networkChanged(listOf(host("2001:db8::5")), 2 * SECOND)
        val reasons = agent.drain().events.map { it.event }.mapNotNull {
            (it as? Retrying)?.failure?.reason ?: (it as? Failed)?.failure?.reason
        }
        assertEquals(listOf(FailureReason.NETWORK_CHANGED), reasons)
    }

    @Test
    fun `a binding over TCP asks for another connection when its own is closed`() {
        val agent = seeded()
        val stream = agent.openStream(SERVER, 0, CLIENT, Transport.TCP, 7)
        val id = agent.startBinding(CONFIG.copy(transport = Transport.TCP), 0)
        val request = agent.drain().transmits.single()
        assertEquals(Transport.TCP, request.transport)
        val answer = mapped(request)
        assertTrue(agent.exchangeStream(stream, answer.copyOf(5), MILLISECOND).events.isEmpty())
        val rest = agent.exchangeStream(stream, java.nio.ByteBuffer.wrap(answer, 5, answer.size - 5), MILLISECOND)
        assertEquals(MAPPED, rest.told<Mapped>().address)
        agent.closeStream(stream, SECOND)
        val closed = agent.drain()
        val events = closed.events + closed.deadline?.let { agent.tick(it).events }.orEmpty()
        val reconnect = events.of<Reconnect>().single()
        assertEquals(SERVER to Transport.TCP, reconnect.server to reconnect.transport)
        agent.openStream(SERVER, SECOND, address("10.0.0.2:5001"), Transport.TCP, 8)
        agent.reconnected(id, SERVER, SECOND, address("10.0.0.2:5001"), Transport.TCP, 8)
        assertEquals(address("10.0.0.2:5001"), agent.drain().transmits.single().local)
        agent.close()
    }

    @Test
    fun `a connection whose bytes mean nothing has to be closed`() {
        val agent = seeded()
        val stream = agent.openStream(SERVER, 0, CLIENT, Transport.TLS)
        val event = agent.exchangeStream(stream, ByteArray(64) { -1 }, 0).events.single()
        assertEquals(Close(SERVER) to true, event.event to event.isLast)
        refused(StunErrorCode.NOT_FOUND) { agent.exchangeStream(stream, ByteArray(1), 0) }
    }

    @Test
    fun `a survey tells each answer and what they say together`() {
        val agent = seeded()
        val third = address("192.0.2.3:3478")
        val targets = listOf(SERVER, OTHER, third).map { SurveyTarget(it, CLIENT, socketId = 3) }
        val id = agent.startSurvey(SurveyConfig(targets, deadline = 5.seconds), 0)
        val requests = agent.drain().transmits
        assertEquals(listOf(SERVER, OTHER, third), requests.map { it.remote })
        val one = agent.answer(requests[0], mapped(requests[0]), MILLISECOND)
        assertEquals(Answer(0, SERVER, MAPPED, 1.milliseconds), one.told<Answer>())
        val other = agent.answer(requests[1], mapped(requests[1], PEER), MILLISECOND)
        assertEquals(Answer(1, OTHER, PEER, 1.milliseconds), other.told<Answer>())
        val last = agent.answer(requests[2], respond(requests[2].bytes, 400), MILLISECOND)
        val silent = last.events.of<NoAnswer>().single()
        assertEquals(Triple(2, third, 400), Triple(silent.target, silent.server, silent.failure.code))
        assertEquals(listOf(Surveyed(2, 1, 0, ObservedMapping.DEPENDS_ON_ADDRESS)), last.events.of<Surveyed>())
        assertTrue(last.events.last().isLast && last.events.last().id == id)
    }
}
