package dev.libstun.support

import dev.libstun.Agent
import dev.libstun.AgentEvent
import dev.libstun.Event
import dev.libstun.Message
import dev.libstun.MessageBuilder
import dev.libstun.MessageClass
import dev.libstun.Output
import dev.libstun.Transmit

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
}
