package dev.libstun

import java.net.InetAddress
import java.net.InetSocketAddress

/** The agent's host, as servers see it. */
internal val CLIENT = address("198.51.100.7", 5000)
internal val SERVER = address("192.0.2.1", 3478)

internal fun address(ip: String, port: Int): InetSocketAddress = InetSocketAddress(InetAddress.getByName(ip), port)

/** The value of an ERROR-CODE (RFC 8489 s14.8), without a reason phrase. */
internal fun errorCode(code: Int): ByteArray = byteArrayOf(0, 0, (code / 100).toByte(), (code % 100).toByte())

/** The value of a LIFETIME (RFC 8656 s18.2). */
internal fun seconds(number: Int): ByteArray = number(number)

/** 32 bits as on the wire. */
internal fun number(number: Int): ByteArray = ByteArray(4) { (number ushr (24 - 8 * it)).toByte() }

/**
 * An agent whose other side the test plays: time goes from deadline to deadline, and what the agent sends and tells
 * waits until the test asks for it.
 */
internal class Played(maxOperations: Int = 0) : AutoCloseable {
    val agent = Agent(0, ByteArray(32) { (it + 1).toByte() }, maxOperations)
    val sent = ArrayDeque<Transmit>()
    val told = ArrayDeque<AgentEvent>()
    var now = 0L
    private var deadline: Long? = 0

    fun take(output: Output): Output {
        sent += output.transmits
        told += output.events
        deadline = output.deadline
        return output
    }

    /** The next packet that the agent wants sent. */
    fun request(): Transmit {
        goOn { sent.isNotEmpty() }
        return sent.removeFirst()
    }

    /** The next packet of that method, others being lost. */
    fun request(method: Int): Transmit {
        repeat(100) {
            val next = request()
            if (next.bytes[0] < 0x40 && Message.decode(next.bytes).method == method) return next
        }
        throw AssertionError("no request of method $method")
    }

    /** The next event of that kind, with those before it dropped. */
    inline fun <reified E : Event> event(): E = happened<E>().event as E

    inline fun <reified E : Event> happened(): AgentEvent {
        goOn { told.any { it.event is E } }
        while (told.first().event !is E) told.removeFirst()
        return told.removeFirst()
    }

    /** Answers a request from where it went to. */
    fun answer(
        request: Transmit,
        messageClass: MessageClass = MessageClass.SUCCESS_RESPONSE,
        fill: MessageBuilder.() -> Unit = {},
    ): Output {
        val asked = Message.decode(request.bytes)
        val answer = MessageBuilder(messageClass, asked.method, asked.transactionId).apply(fill).build()
        return arrive(answer, request)
    }

    fun refuse(request: Transmit, code: Int, fill: MessageBuilder.() -> Unit = {}): Output =
        answer(request, MessageClass.ERROR_RESPONSE) {
            add(ERROR_CODE, errorCode(code))
            fill()
        }

    /** Something comes back on the path of a packet. */
    fun arrive(bytes: ByteArray, path: Transmit): Output =
        take(agent.exchange(bytes, path.remote, now, path.local, path.transport, path.socketId))

    fun goOn(isDone: () -> Boolean) {
        take(agent.drain())
        repeat(10_000) {
            if (isDone()) return
            now = maxOf(now, deadline ?: throw AssertionError("nothing is due any more: $told"))
            take(agent.tick(now))
        }
        throw AssertionError("nothing comes of 10000 deadlines")
    }

    override fun close() = agent.close()

    companion object {
        const val ERROR_CODE = 0x0009
    }
}
