package dev.libstun.support

import dev.libstun.Agent
import dev.libstun.AgentEvent
import dev.libstun.Attribute
import dev.libstun.BindingConfig
import dev.libstun.Event
import dev.libstun.Message
import dev.libstun.MessageBuilder
import dev.libstun.MessageClass
import dev.libstun.Output
import dev.libstun.StunErrorCode
import dev.libstun.StunException
import dev.libstun.Transmit
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertInstanceOf
import org.junit.jupiter.api.assertThrows
import java.io.File
import java.net.Inet6Address
import java.net.InetAddress
import java.net.InetSocketAddress

internal const val MILLISECOND = 1_000_000L
internal const val SECOND = 1_000 * MILLISECOND
internal const val HOUR = 3_600 * SECOND

internal const val ERROR_CODE = 0x0009
internal const val LIFETIME = 0x000D
internal const val REALM = 0x0014
internal const val NONCE = 0x0015

internal val CLIENT = address("10.0.0.2:5000")
internal val SERVER = address("192.0.2.1:3478")
internal val OTHER = address("192.0.2.2:3479")
internal val MAPPED = address("203.0.113.7:50000")
internal val PEER = address("198.51.100.9:4000")
internal val V6 = address("[2001:db8::1]:3478")

internal val CONFIG by lazy { BindingConfig(SERVER, local = CLIENT, socketId = 7) }
internal val ONCE by lazy { CONFIG.copy(refresh = null) }

/** The folder of the vectors that all languages share. */
internal val VECTORS: File =
    File(System.getProperty("libstun.vectors") ?: System.getenv("LIBSTUN_VECTORS") ?: "../../tests/vectors")

/** An agent whose bytes are the same in every run. */
internal fun seeded(number: Int = 1, now: Long = 0): Agent = Agent(now, ByteArray(32) { number.toByte() })

/** An IP address; one of eight groups stays one of IPv6 even where Java would make one of IPv4 of it. */
internal fun host(text: String): InetAddress {
    require(text.all { it in "0123456789abcdefABCDEF.:" }) { "a name, not an address: $text" }
    val groups = text.split(":")
    if (groups.size != 8) return InetAddress.getByName(text)
    return Inet6Address.getByAddress(null, groups.flatMap { number(it.toInt(16), 2).asList() }.toByteArray(), -1)
}

internal fun address(ip: String, port: Int): InetSocketAddress = InetSocketAddress(host(ip), port)

/** `192.0.2.1:3478`, or `[2001:db8::1]:3478`. */
internal fun address(text: String): InetSocketAddress =
    address(text.substringBeforeLast(":").removeSurrounding("[", "]"), text.substringAfterLast(":").toInt())

private const val DIGITS = "0123456789abcdef"

internal fun hex(bytes: ByteArray): String = buildString {
    for (byte in bytes) append(DIGITS[byte.toInt() shr 4 and 15]).append(DIGITS[byte.toInt() and 15])
}

internal fun bytes(hex: String): ByteArray {
    require(hex.length % 2 == 0) { "half a byte is missing: $hex" }
    return ByteArray(hex.length / 2) { hex.substring(2 * it, 2 * it + 2).toInt(16).toByte() }
}

/** A number as on the wire. */
internal fun number(value: Int, size: Int = 4) = ByteArray(size) { (value ushr 8 * (size - 1 - it)).toByte() }

/** The value of a LIFETIME (RFC 8656 s18.2). */
internal fun seconds(number: Int): ByteArray = number(number)

/** The value of an ERROR-CODE (RFC 8489 s14.8), without a reason phrase. */
internal fun errorCode(code: Int): ByteArray = byteArrayOf(0, 0, (code / 100).toByte(), (code % 100).toByte())

/** An answer to a request; `build` adds what is in it. */
internal fun respond(request: ByteArray, error: Int? = null, build: MessageBuilder.() -> Unit = {}): ByteArray {
    val asked = Message.decode(request)
    val kind = if (error == null) MessageClass.SUCCESS_RESPONSE else MessageClass.ERROR_RESPONSE
    val answer = MessageBuilder(kind, asked.method, asked.transactionId)
    if (error != null) answer.add(ERROR_CODE, errorCode(error))
    return answer.apply(build).build()
}

/** The answer of a Binding server that sees the host at `address`. */
internal fun mapped(request: Transmit, address: InetSocketAddress = MAPPED): ByteArray =
    respond(request.bytes) { add(Attribute.XOR_MAPPED_ADDRESS, address) }

/** Hands in what the server of a request has to say to it. */
internal fun Agent.answer(request: Transmit, bytes: ByteArray, now: Long): Output =
    exchange(bytes, request.remote, now, request.local, request.transport, request.socketId)

/** A binding that has asked. */
internal class Started(config: BindingConfig = CONFIG, seed: Int = 1) {
    val agent = seeded(seed)
    val id = agent.startBinding(config, 0)
    val request: Transmit = agent.drain().only()
}

/** The one datagram that is to be sent. */
internal fun Output.only(): Transmit = transmits.single()

/** The one event. */
internal fun Output.onlyEvent(): AgentEvent = events.single()

/** The one event, which is of that kind. */
internal inline fun <reified E : Event> Output.told(): E = assertInstanceOf(E::class.java, onlyEvent().event)

internal inline fun <reified E : Event> List<AgentEvent>.of(): List<E> = map { it.event }.filterIsInstance<E>()

/** That a call is refused, and for what reason. Gives the sentence. */
internal fun refused(code: StunErrorCode, call: () -> Unit): String {
    val error = assertThrows<StunException> { call() }
    assertEquals(code, error.code, error.message)
    return error.message!!
}
