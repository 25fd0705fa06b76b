package dev.libstun.support

import dev.libstun.Agent
import dev.libstun.AgentEvent
import dev.libstun.Output
import dev.libstun.StunErrorCode
import dev.libstun.StunException
import dev.libstun.Transmit
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.assertThrows
import java.io.File
import java.net.InetAddress
import java.net.InetSocketAddress

internal const val MILLISECOND = 1_000_000L
internal const val SECOND = 1_000 * MILLISECOND
internal const val HOUR = 3_600 * SECOND

internal val CLIENT = address("10.0.0.2:5000")
internal val SERVER = address("192.0.2.1:3478")
internal val OTHER = address("192.0.2.2:3479")
internal val MAPPED = address("203.0.113.7:50000")
internal val PEER = address("198.51.100.9:4000")

/** The folder of the vectors that all languages share. */
internal val VECTORS: File =
    File(System.getProperty("libstun.vectors") ?: System.getenv("LIBSTUN_VECTORS") ?: "../../tests/vectors")

/** An agent whose bytes are the same in every run. */
internal fun seeded(number: Int = 1, now: Long = 0): Agent = Agent(now, ByteArray(32) { number.toByte() })

/** `192.0.2.1:3478`, or `[2001:db8::1]:3478`. */
internal fun address(text: String): InetSocketAddress {
    val host = text.substringBeforeLast(":").removeSurrounding("[", "]")
    require(host.all { it in "0123456789abcdefABCDEF.:" }) { "a name, not an address: $text" }
    return InetSocketAddress(InetAddress.getByName(host), text.substringAfterLast(":").toInt())
}

internal fun hex(bytes: ByteArray): String = buildString {
    for (byte in bytes) append("0123456789abcdef"[byte.toInt() shr 4 and 15]).append("0123456789abcdef"[byte.toInt() and 15])
}

internal fun bytes(hex: String): ByteArray {
    require(hex.length % 2 == 0) { "half a byte is missing: $hex" }
    return ByteArray(hex.length / 2) { hex.substring(2 * it, 2 * it + 2).toInt(16).toByte() }
}

/** The one datagram that is to be sent. */
internal fun Output.only(): Transmit = transmits.single()

/** The one event. */
internal fun Output.onlyEvent(): AgentEvent = events.single()

/** A call is misuse, of that kind. */
internal fun assertRefused(code: StunErrorCode, call: () -> Unit) {
    assertEquals(code, assertThrows<StunException> { call() }.code)
}
