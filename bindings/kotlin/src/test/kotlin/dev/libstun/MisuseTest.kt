package dev.libstun

import dev.libstun.support.CLIENT
import dev.libstun.support.CONFIG
import dev.libstun.support.MAPPED
import dev.libstun.support.MILLISECOND
import dev.libstun.support.PEER
import dev.libstun.support.SERVER
import dev.libstun.support.Started
import dev.libstun.support.V6
import dev.libstun.support.answer
import dev.libstun.support.mapped
import dev.libstun.support.refused
import dev.libstun.support.seeded
import dev.libstun.support.told
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.net.InetSocketAddress
import java.nio.ByteBuffer
import kotlin.time.Duration.Companion.seconds

/** What is refused, that nothing has changed then, and buffers of all kinds. */
class MisuseTest {
    private val unresolved = InetSocketAddress.createUnresolved("example.org", 3478)

    @Test
    fun `a seed has 32 bytes, and a time is not negative`() {
        for (size in listOf(0, 1, 31, 33)) refused(StunErrorCode.INVALID) { Agent(0, ByteArray(size)) }
        refused(StunErrorCode.INVALID) { Agent(-1) }
        refused(StunErrorCode.INVALID) { Agent(0, maxOperations = -1) }
    }

    @Test
    fun `what is impossible is refused, and changes nothing`() {
        val started = Started()
        val agent = started.agent
        val before = agent.drain().toString()
        val response = mapped(started.request)
        val calls = listOf<() -> Unit>(
            { agent.tick(-1) },
            { agent.exchange(response, SERVER, -1, CLIENT) },
            { agent.exchange(response, SERVER, 0, V6) },
            { agent.exchange(response, V6, 0, CLIENT) },
            { agent.exchange(response, unresolved, 0, CLIENT) },
            { agent.exchange(response, SERVER, 0, unresolved) },
            { agent.exchange(response, SERVER, 0, CLIENT, ecn = 4) },
            { agent.exchange(response, SERVER, 0, CLIENT, ecn = -1) },
            { agent.exchange(ByteArray(65536), SERVER, 0, CLIENT) },
            { agent.exchange(ByteBuffer.allocate(65536), SERVER, 0, CLIENT) },
            { agent.exchange(ByteBuffer.allocateDirect(65536), SERVER, 0, CLIENT) },
            { agent.sendFailed(started.request, SendError.REFUSED, -1) },
            { agent.startBinding(BindingConfig(unresolved), 0) },
            { agent.startBinding(BindingConfig(SERVER, local = V6), 0) },
            { agent.startBinding(BindingConfig(SERVER, refresh = (-1).seconds), 0) },
            { agent.startSurvey(SurveyConfig(emptyList()), 0) },
            { agent.startSurvey(SurveyConfig(listOf(SurveyTarget(SERVER)), enough = 0), 0) },
            { agent.setRefresh(started.id, (-1).seconds, 0) },
            { agent.setPower(PowerProfile((-1).seconds), 0) },
            { agent.openStream(SERVER, 0, transport = Transport.UDP) },
            { agent.addUser(started.id, "", "x") },
        )
        for ((place, call) in calls.withIndex()) {
            assertTrue(refused(StunErrorCode.INVALID, call).isNotEmpty(), "call $place")
            assertEquals(before, agent.drain().toString(), "call $place")
        }
        assertEquals(MAPPED, agent.answer(started.request, response, MILLISECOND).told<Mapped>().address)
        agent.close()
    }

    @Test
    fun `an operation that is not there is not found`() {
        seeded().use { agent ->
            val calls = listOf<() -> Unit>(
                { agent.cancel(99, 0) },
                { agent.setRefresh(99, 1.seconds, 0) },
                { agent.answerRedirect(99, true, 0) },
                { agent.reconnected(99, SERVER, 0) },
                { agent.alternateDomain(99) },
                { agent.addUser(99, "a", "b") },
                { agent.removeUser(99, "a") },
                { agent.permit(99, PEER.address, 0) },
                { agent.revoke(99, PEER.address, 0) },
                { agent.bindChannel(99, PEER, 0) },
                { agent.releaseChannel(99, PEER, 0) },
                { agent.sendToPeer(99, PEER, ByteArray(1), 0) },
                { agent.closeRelay(99, 0) },
                { agent.setCredentials(99, LongTerm("a", "b"), null, 0) },
                { agent.exchangeStream(99, ByteArray(1), 0) },
                { agent.closeStream(99, 0) },
            )
            for (call in calls) refused(StunErrorCode.NOT_FOUND, call)
            assertFalse(agent.contains(99))
        }
    }

    @Test
    fun `there are as many operations as there may be`() {
        Agent(0, maxOperations = 2).use { agent ->
            repeat(2) { agent.startBinding(CONFIG, 0) }
            refused(StunErrorCode.LIMIT) { agent.startBinding(CONFIG, 0) }
            assertEquals(2, agent.operationCount())
        }
    }

    @Test
    fun `every call after close says so, and closing twice is fine`() {
        val started = Started()
        val agent = started.agent
        repeat(3) { agent.close() }
        val calls = listOf<() -> Unit>(
            { agent.exchange(ByteArray(1), SERVER, 0) },
            { agent.exchange(ByteBuffer.allocateDirect(1), SERVER, 0) },
            { agent.tick(0) },
            { agent.drain() },
            { agent.sendFailed(started.request, SendError.REFUSED, 0) },
            { agent.startBinding(CONFIG, 0) },
            { agent.startServer(ServerConfig(), 0) },
            { agent.cancel(started.id, 0) },
            { agent.contains(started.id) },
            { agent.operationCount() },
            { agent.dropped() },
            { agent.networkChanged(emptyList(), 0) },
            { agent.setPacing(1.seconds) },
            { agent.setPower(PowerProfile.IDLE, 0) },
            { agent.sendToPeer(started.id, PEER, ByteArray(1), 0) },
            { agent.exchangeStream(1, ByteArray(1), 0) },
        )
        for (call in calls) assertEquals("the agent is closed", refused(StunErrorCode.CLOSED, call))
    }

    @Test
    fun `buffers of all kinds and positions are read from their position, and stay as they are`() {
        for (isDirect in listOf(false, true)) {
            for (position in listOf(0, 1, 7, 64)) {
                val started = Started()
                val response = mapped(started.request)
                val whole = ByteArray(position) { 0x55 } + response + ByteArray(9) { 0x55 }
                val buffer = if (isDirect) ByteBuffer.allocateDirect(whole.size) else ByteBuffer.allocate(whole.size)
                buffer.put(whole)
                buffer.limit(position + response.size).position(position)
                for (shape in listOf(buffer, buffer.asReadOnlyBuffer(), buffer.slice())) {
                    val twin = Started()
                    val was = shape.position() to shape.limit()
                    val output = twin.agent.exchange(shape, SERVER, MILLISECOND, CLIENT, socketId = 7)
                    assertEquals(Outcome.CONSUMED, output.outcome)
                    assertEquals(MAPPED, output.told<Mapped>().address, "direct $isDirect, position $position")
                    assertEquals(was, shape.position() to shape.limit())
                    twin.agent.close()
                }
                started.agent.close()
            }
        }
    }

    @Test
    fun `the longest datagram there is and the empty one are taken`() {
        seeded().use { agent ->
            for (bytes in listOf(ByteArray(65535), ByteArray(0), ByteArray(2049))) {
                assertEquals(Outcome.IGNORED, agent.exchange(bytes, SERVER, 0).outcome)
                assertEquals(Outcome.IGNORED, agent.exchange(ByteBuffer.wrap(bytes), SERVER, 0).outcome)
            }
        }
    }

    @Test
    fun `an ignored datagram makes nothing but its output`() {
        seeded().use { agent ->
            val (one, other) = List(2) { agent.exchange(byteArrayOf(-128, 1), SERVER, 0) }
            assertTrue(one.transmits === other.transmits && one.events === other.events)
            assertTrue(one.allPeerData === other.allPeerData && one.peerData == null && one.deadline == null)
        }
    }

    @Test
    fun `no password is ever printed`() {
        val long = LongTerm("alice", "s3cret")
        val short = ShortTerm("bob", "s3cret")
        val texts = listOf(
            long,
            short,
            BindingConfig(SERVER, credentials = long),
            ServerConfig(credentials = short),
            ServerConfig(realm = "example.org", users = mapOf("alice" to "s3cret")),
            AllocationConfig(SERVER, credentials = long),
            Key.longTerm("alice", "example.org", "s3cret"),
            Key.shortTerm("s3cret"),
        ).map { it.toString() }
        assertTrue(texts.none { "s3cret" in it }, texts.toString())
        assertTrue(texts.count { "alice" in it } >= 4)
    }
}
