package dev.libstun

import dev.libstun.support.CLIENT
import dev.libstun.support.CONFIG
import dev.libstun.support.SERVER
import dev.libstun.support.refused
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.time.Duration

/** Buffers of another library than this package was made with: a precise error, or what says that it is newer. */
internal class DecoderTest {
    /** Outcome 1, a packet and an event, as they are in output.rs. */
    private val whole: ByteArray = run {
        val from = AddressWords(SERVER)
        val packet = numbers(60 + 20) { putLong(24, from.tag).putLong(32, from.low).putInt(56, 20) }
        val event = numbers(228 + 4) {
            putInt(0, 228).putShort(4, 1).putLong(8, 5)
            putLong(64, from.tag).putLong(72, from.low).putInt(216, 4)
        }
        numbers(24) { put(8, 1).putInt(12, 1).putInt(16, 1) } + packet + event
    }

    private class AddressWords(address: java.net.InetSocketAddress) {
        val tag = tag(address.address, address.port)
        val low = word(address.address.address, 0)
    }

    private fun numbers(size: Int, put: ByteBuffer.() -> Unit): ByteArray =
        ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN).apply(put).array()

    private fun changed(at: Int, number: Int): ByteArray =
        whole.copyOf().also { ByteBuffer.wrap(it).order(ByteOrder.LITTLE_ENDIAN).putInt(at, number) }

    @Test
    fun `a buffer that ends too early is a precise error wherever it ends`() {
        val output = decodeOutput(whole)
        assertEquals(SERVER, output.transmits.single().remote)
        assertEquals(SERVER, (output.events.single().event as Mapped).address)
        for (size in whole.indices) {
            val sentence = refused(StunErrorCode.INTERNAL) { decodeOutput(whole.copyOf(size)) }
            assertTrue("buffer" in sentence, sentence)
        }
    }

    @Test
    fun `lengths and counts that cannot be are a precise error, and take no memory`() {
        val event = 24 + 80
        for (at in listOf(12, 16, 20, 24 + 56, event, event + 216, event + 220)) {
            for (number in listOf(Int.MAX_VALUE, Int.MIN_VALUE, -1, 1 shl 24)) {
                refused(StunErrorCode.INTERNAL) { decodeOutput(changed(at, number)) }
            }
        }
    }

    @Test
    fun `an outcome or a transport that is newer is a precise error`() {
        for (at in listOf(8, 24 + 48)) refused(StunErrorCode.INTERNAL) { decodeOutput(changed(at, 200)) }
        for (size in 0 until 60) refused(StunErrorCode.INTERNAL) { decodeTransmit(ByteArray(size)) }
    }

    @Test
    fun `a kind of event and a reason to wake that are newer are told, also with more fields than are known`() {
        val longer = numbers(228 + 40) { putInt(0, 264).putShort(4, 99).putLong(8, 5).putInt(224, 40) }
        val bytes = numbers(24) { put(8, 1).put(9, 77).putInt(16, 2) } + longer + whole.copyOfRange(104, whole.size)
        val output = decodeOutput(bytes)
        assertEquals(listOf(Unknown(99), Mapped(SERVER, Duration.ZERO)), output.events.map { it.event })
        assertEquals(WakeReason.OTHER, output.wakeReason)
    }

    @Test
    fun `what is newer in a finding is a reason that is newer, and no value`() {
        val newer = natFinding(value = 99, confidence = 3, reason = 0, detail = 0)
        assertEquals(null to NatReason.OTHER, newer.value to newer.reason)
        assertEquals(NatReason.OTHER, natFinding(value = 0, confidence = 0, reason = 99, detail = 0).reason)
    }

    @Test
    fun `a duration that does not end is no negative one`() {
        assertEquals(Duration.INFINITE, ULong.MAX_VALUE.duration())
        assertEquals(Duration.ZERO, 0UL.duration())
    }

    @Test
    fun `a text that has no UTF-8 is misuse like any other`() {
        val half = "\uD800"
        Agent(0).use { agent ->
            val id = agent.startServer(ServerConfig(realm = "x", users = mapOf("a" to "b")), 0)
            val calls = listOf<() -> Unit>(
                { agent.addUser(id, half, "x") },
                { agent.addUser(id, "x", half) },
                { agent.removeUser(id, half) },
                { agent.startBinding(CONFIG.copy(credentials = LongTerm("alice", half)), 0) },
                { agent.startServer(ServerConfig(realm = half), 0) },
                { MessageBuilder(MessageClass.REQUEST, 1).build(Key.shortTerm(half)) },
            )
            for (call in calls) refused(StunErrorCode.INVALID, call)
            assertEquals(1, agent.operationCount())
            agent.exchange(ByteArray(20), CLIENT, 0, SERVER)
        }
    }
}
