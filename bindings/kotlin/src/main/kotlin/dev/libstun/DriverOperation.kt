package dev.libstun

import kotlinx.coroutines.Job
import kotlinx.coroutines.channels.BufferOverflow
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.mapNotNull
import kotlinx.coroutines.flow.receiveAsFlow
import kotlinx.coroutines.flow.update
import java.net.InetSocketAddress
import java.util.concurrent.CompletableFuture
import java.util.concurrent.Executor
import java.util.function.Consumer

/**
 * An operation that runs on a [Driver].
 *
 * [events] are for one reader, who misses none since the start; [Driver.events] are for any number. An operation that
 * nobody reads goes on all the same: 1024 events are kept, and of more the oldest are dropped, so that the last one is
 * always there.
 */
public open class Operation internal constructor(internal val core: DriverCore, public val id: OperationId) :
    AutoCloseable {
    private val queue = Channel<AgentEvent>(MAX_EVENTS, BufferOverflow.DROP_OLDEST) { core.lostEvent() }
    private val version = MutableStateFlow(0L)
    private var end: StunException? = null
    private val jobs = mutableListOf<Job>()

    /** The last event, once that has come. */
    @Volatile
    public var last: AgentEvent? = null
        private set

    /** Whether events can still come. */
    public val isRunning: Boolean get() = synchronized(this) { last == null && end == null }

    /** What happens to it, in that order. Completes after the last event, when it is cancelled, and with the driver. */
    public val events: Flow<AgentEvent> = queue.receiveAsFlow()

    /** Waits for the last event.
     *
     * @throws OperationFailedException if that is a failure.
     * @throws StunException if it was cancelled, or the driver closed.
     */
    @JvmSynthetic
    public suspend fun finished(): AgentEvent {
        val event = until {
            if (last == null) checkRunning()
            last
        }
        val failed = event.event as? Failed ?: return event
        throw OperationFailedException(failed.failure)
    }

    /** The same for Java. Cancelling the future does not cancel the operation. */
    public fun finishedAsync(): CompletableFuture<AgentEvent> = core.future { finished() }

    /** Tells the listener every event of [events], on that executor. Until the returned handle is closed. */
    public fun listen(executor: Executor, listener: Consumer<AgentEvent>): Subscription =
        core.listen(events, executor, listener)

    /** Ends it without another event. Does nothing if it has ended. What a server keeps for it is left to expire. */
    public fun cancel() {
        if (end(StunException(StunErrorCode.STATE, "the operation was cancelled"))) core.cancel(this)
    }

    /** The same as [cancel]; a [Relay] is given back to its server. */
    override fun close(): Unit = cancel()

    /** What a kind of operation wants to know itself. On the loop's thread, under the operation's lock. */
    internal open fun notice(event: AgentEvent) {}

    /** Nothing comes any more. Under the operation's lock. */
    internal open fun ended() {}

    /** Something has happened. For the loop. */
    internal fun push(event: AgentEvent) {
        synchronized(this) {
            if (end != null || last != null) return
            notice(event)
            if (event.isLast) last = event
        }
        queue.trySend(event)
        if (event.isLast) finish()
        changed()
    }

    /** Nothing will happen any more. False if that was so before. */
    internal fun end(cause: StunException): Boolean {
        synchronized(this) {
            if (end != null || last != null) return false
            end = cause
        }
        finish()
        changed()
        return true
    }

    /** Waits until [check], which is asked whenever something has happened, gives something or raises. */
    internal suspend fun <T : Any> until(check: () -> T?): T =
        version.mapNotNull { synchronized(this) { check() } }.first()

    /** Raises the reason why nothing can come any more, if there is one. */
    internal fun checkRunning() {
        end?.let { throw StunException(it.code, it.message) }
    }

    internal fun changed(): Unit = version.update { it + 1 }

    /** Runs something that ends with the operation. */
    internal fun attach(job: Job) {
        val isOver = synchronized(this) {
            jobs.removeAll { it.isCompleted }
            jobs += job
            end != null || last != null
        }
        if (isOver) job.cancel()
    }

    private fun finish() {
        queue.close()
        val running = synchronized(this) {
            ended()
            jobs.toList().also { jobs.clear() }
        }
        running.forEach(Job::cancel)
    }
}

/** A binding that is kept alive: what happens to it, and what is known of it. */
public class Binding internal constructor(core: DriverCore, id: OperationId) : Operation(core, id) {
    private var failure: Failure? = null

    /** The public address as the server saw it last; `null` until it has. */
    @Volatile
    public var address: InetSocketAddress? = null
        private set

    /** Waits for the address.
     *
     * @throws OperationFailedException if the first attempt to ask for it fails. One that is refreshed asks again.
     * @throws StunException if it was cancelled, or the driver closed.
     */
    @JvmSynthetic
    public suspend fun mapped(): InetSocketAddress = until {
        if (address == null) {
            failure?.let { throw OperationFailedException(it) }
            checkRunning()
        }
        address
    }

    /** The same for Java. */
    public fun mappedAsync(): CompletableFuture<InetSocketAddress> = core.future { mapped() }

    override fun notice(event: AgentEvent) {
        when (val happened = event.event) {
            is Mapped -> known(happened.address)
            is Refreshed -> known(happened.address)
            is AddressChanged -> known(happened.address)
            is Retrying -> failure = happened.failure
            is Failed -> failure = happened.failure
            else -> {}
        }
    }

    private fun known(seen: InetSocketAddress) {
        address = seen
        failure = null
    }
}

/** A survey, of which one answer is enough for whoever asks a name. */
internal class Survey(core: DriverCore, id: OperationId) : Operation(core, id) {
    /** The first address that was answered. */
    @Volatile
    var answer: InetSocketAddress? = null
        private set

    /** What the last server that has not answered has failed of. */
    @Volatile
    var noAnswer: Failure? = null
        private set

    override fun notice(event: AgentEvent) {
        when (val happened = event.event) {
            is Answer -> answer = answer ?: happened.address
            is NoAnswer -> noAnswer = happened.failure
            else -> {}
        }
    }
}
