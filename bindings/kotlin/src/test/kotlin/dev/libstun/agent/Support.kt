package dev.libstun.agent

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
import org.junit.jupiter.api.Assertions.assertThrows
import java.io.File
import java.net.Inet6Address
import java.net.InetAddress
import java.net.InetSocketAddress

internal const val MS = 1_000_000L
internal const val SECOND = 1000 * MS

internal const val BINDING = 1
internal const val ERROR_CODE = 0x0009
internal const val LIFETIME = 0x000D
internal const val REALM = 0x0014
internal const val NONCE = 0x0015

/** Of eight groups, it stays an IPv6 address even where Java would make an IPv4 one of it. */
internal fun host(text: String): InetAddress {
    val groups = text.split(":")
    if (groups.size != 8) return InetAddress.getByName(text)
    return Inet6Address.getByAddress(null, groups.flatMap { number(it.toInt(16), 2).asList() }.toByteArray(), -1)
}

internal fun address(text: String): InetSocketAddress =
    InetSocketAddress(host(text.substringBeforeLast(':').trim('[', ']')), text.substringAfterLast(':').toInt())

internal val CLIENT = address("10.0.0.2:5000")
internal val SERVER = address("192.0.2.1:3478")
internal val OTHER = address("192.0.2.2:3479")
internal val MAPPED = address("203.0.113.7:50000")
internal val PEER = address("198.51.100.9:4000")
internal val V6 = address("[2001:db8::1]:3478")

internal val CONFIG by lazy { BindingConfig(SERVER, local = CLIENT, socketId = 7) }
internal val ONCE by lazy { CONFIG.copy(refresh = null) }

/** The folder of what all languages are tested with. */
internal val VECTORS = File(
    System.getProperty("libstun.vectors") ?: System.getenv("LIBSTUN_VECTORS") ?: "../../tests/vectors",
)

/** An agent whose bytes are the same in every run. */
internal fun seeded(number: Int = 1, now: Long = 0): Agent = Agent(now, ByteArray(32) { number.toByte() })

internal fun bytes(hex: String): ByteArray = hex.chunked(2).map { it.toInt(16).toByte() }.toByteArray()

internal fun hex(bytes: ByteArray): String = bytes.joinToString("") { "%02x".format(it) }

/** The value of an attribute that is a number. */
internal fun number(value: Int, size: Int = 4) = ByteArray(size) { (value ushr 8 * (size - 1 - it)).toByte() }

internal fun errorCode(code: Int) = byteArrayOf(0, 0, (code / 100).toByte(), (code % 100).toByte())

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
    val request: Transmit = agent.drain().transmits.single()
}

/** The only event there is, which is of that kind. */
internal inline fun <reified E : Event> Output.only(): E = assertInstanceOf(E::class.java, events.single().event)

internal inline fun <reified E : Event> List<AgentEvent>.of(): List<E> = map { it.event }.filterIsInstance<E>()

/** That a call is refused, and for what reason. */
internal fun refused(code: StunErrorCode, call: () -> Unit): String {
    val error = assertThrows(StunException::class.java) { call() }
    assertEquals(code, error.code, error.message)
    return error.message!!
}
