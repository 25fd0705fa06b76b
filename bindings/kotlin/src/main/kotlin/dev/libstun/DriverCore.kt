package dev.libstun

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.async
import kotlinx.coroutines.channels.BufferOverflow
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.future.future
import kotlinx.coroutines.launch
import kotlinx.coroutines.selects.select
import java.net.InetAddress
import java.net.InetSocketAddress
import java.nio.channels.Selector
import java.util.concurrent.CompletableFuture
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.Executor
import java.util.concurrent.RejectedExecutionException
import java.util.concurrent.atomic.AtomicLong
import java.util.function.Consumer

/** What a [Driver] consists of: the agent, the loop in its own thread, the sockets, and who is told what. */
internal class DriverCore(locals: List<InetSocketAddress>, options: DriverOptions) : LoopListener {
    private val clock = options.clock ?: Clock.monotonic()
    private val agent = Agent(clock.nanoseconds(), options.seed, options.maxOperations)
    private val selector: Selector
    private val loop: DriverLoop
    val links: Links

    private val operations = ConcurrentHashMap<OperationId, Operation>()
    private val relays = ConcurrentHashMap<InetSocketAddress, Relay>()
    private val allocatedAt = HashSet<Pair<Int, InetSocketAddress>>()
    private val readers = CopyOnWriteArrayList<Channel<AgentEvent>>()
    val datagrams: Channel<ReceivedDatagram> = Channel(MAX_PACKETS)

    private val droppedDatagrams = AtomicLong()
    private val droppedPackets = AtomicLong()
    private val droppedEvents = AtomicLong()

    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)
    private val closed = CompletableDeferred<Unit>()
    private val thread = Thread(::run, "libstun-driver").apply { isDaemon = true }

    init {
        try {
            selector = Selector.open()
        } catch (error: Throwable) {
            agent.close()
            throw error
        }
        loop = DriverLoop(agent, clock, options.clock != null, selector, this)
        links = Links(options.socketSetup, loop::wake)
        loop.links = links
        try {
            links.openAll(locals)
            thread.start()
        } catch (error: Throwable) {
            free()
            throw error
        }
    }

    // Commands

    /** Does something with the agent, and sends what comes of it. Refused once the driver is closed. */
    fun <T> command(call: (Agent, Long) -> T): T = loop.command(call)

    /** Does something with the agent that nothing comes of. Refused once the driver is closed. */
    fun <T> query(call: (Agent, Long) -> T): T = loop.query(call)

    /** Starts an operation, which is known before its first event can come. */
    fun <T : Operation> begin(start: (Agent, Long) -> OperationId, make: (OperationId) -> T): T =
        loop.command { agent, now -> make(start(agent, now)).also { operations[it.id] = it } }

    fun cancel(operation: Operation) {
        try {
            command { agent, now -> if (agent.contains(operation.id)) agent.cancel(operation.id, now) }
        } catch (error: StunException) {
            if (error.code != StunErrorCode.CLOSED) throw error
        } finally {
            // Only now: until then it could be given another socket, which would be left behind.
            forget(operation)
        }
    }

    fun networkChanged(addresses: Collection<InetAddress>) {
        // Systems list the others too, and often first: they do not lead to a server elsewhere.
        val present = addresses.sortedBy { it.isLoopbackAddress || it.isLinkLocalAddress }.toSet()
        checkOpen()
        links.change(present) {
            command { agent, now ->
                agent.networkChanged(present, now)
                loop.present = present
            }
        }
    }

    /** Why there is no socket: the driver is closed, or the network has changed to what it can have none at. */
    fun hasNoSocket(): StunException =
        if (closed.isCompleted) isClosed() else StunException(StunErrorCode.STATE, "there is no socket at the moment")

    /** Raises a [StunException] once the driver is closed. */
    fun checkOpen() {
        if (closed.isCompleted) throw isClosed()
    }

    fun send(bytes: ByteArray, remote: InetSocketAddress, from: InetSocketAddress?): Boolean =
        loop.send(bytes, remote, from)

    fun send(transmit: Transmit): Boolean = loop.send(transmit)

    // Sockets of operations

    /**
     * The socket for an allocation, of which there is one between two addresses: the first has the driver's socket, and
     * every other one to that server a socket of its own, which `true` asks for.
     */
    fun isTakenForRelay(link: Link, server: InetSocketAddress): Boolean = synchronized(allocatedAt) {
        val present = links.shared.map { it.id }
        allocatedAt.removeAll { (id, _) -> id !in present }
        !allocatedAt.add(link.id to server)
    }

    /** It has not become one after all. */
    fun isFreeForRelay(link: Link, server: InetSocketAddress): Unit = synchronized(allocatedAt) {
        allocatedAt.remove(link.id to server)
    }

    /** From now on what is sent to those relayed addresses is that relay's. */
    fun listenAt(relay: Relay, addresses: List<InetSocketAddress>) {
        relays.values.removeAll { it === relay }
        addresses.forEach { relays[it] = relay }
    }

    // Who waits

    /** For callers without coroutines. Whoever cancels the future cancels what it waits for. */
    fun <T> future(block: suspend CoroutineScope.() -> T): CompletableFuture<T> = scope.future(block = block)

    /** Tells a listener everything that a flow has, on its executor. */
    fun <T> listen(flow: Flow<T>, executor: Executor, listener: Consumer<in T>): Subscription {
        val careful = Executor { task -> refusing { executor.execute(task) } }
        val job = scope.launch(careful.asCoroutineDispatcher()) { flow.collect { listener.accept(it) } }
        return Subscription { job.cancel() }
    }

    /** An executor that raises anything does no more harm than one that refuses, which ends the listening. */
    private inline fun refusing(call: () -> Unit): Unit = try {
        call()
    } catch (error: RuntimeException) {
        throw RejectedExecutionException(error)
    }

    /** Something that ends with the operation, or with the driver. */
    fun launchFor(operation: Operation, block: suspend CoroutineScope.() -> Unit) {
        operation.attach(scope.launch(block = block))
    }

    /** Waits for what nothing can interrupt, such as the look-up of a name, at most until the driver closes. */
    suspend fun <T> outside(block: () -> T): T {
        val work = scope.async(Dispatchers.IO) { block() }
        try {
            return select {
                closed.onAwait { throw isClosed() }
                work.onAwait { it }
            }
        } finally {
            work.cancel()
        }
    }

    /** A reader of all events from now on. */
    fun subscribe(): Channel<AgentEvent> {
        val reader = Channel<AgentEvent>(MAX_EVENTS, BufferOverflow.DROP_OLDEST) { lostEvent() }
        readers += reader
        if (closed.isCompleted) reader.close()
        return reader
    }

    fun unsubscribe(reader: Channel<AgentEvent>) {
        readers -= reader
    }

    fun lostEvent() {
        droppedEvents.incrementAndGet()
    }

    fun counters(): DriverCounters = DriverCounters(
        wakeUps = loop.wakeUps.get(),
        sendingWakeUps = loop.sendingWakeUps.get(),
        received = loop.received.get(),
        sent = loop.sent.get(),
        unsent = loop.unsent.get(),
        droppedDatagrams = droppedDatagrams.get(),
        droppedPackets = droppedPackets.get(),
        droppedEvents = droppedEvents.get(),
    )

    // What the loop tells

    override fun happened(event: AgentEvent) {
        val operation = operations[event.id]
        (event.event as? Restarted)?.let { moved(operation, it.local) }
        operation?.push(event)
        // One whose listener has failed takes nothing any more.
        for (reader in readers) if (reader.trySend(event).isClosed) unsubscribe(reader)
        if (event.isLast && operation != null) forget(operation)
    }

    override fun arrived(data: PeerData) {
        val relay = relays[data.relayed]
        if (relay == null || !relay.arrived(data)) droppedPackets.incrementAndGet()
    }

    override fun arrived(datagram: ReceivedDatagram) {
        if (!datagrams.trySend(datagram).isSuccess) droppedDatagrams.incrementAndGet()
    }

    // Its life

    /** Ends everything, and waits until the loop's thread is done. */
    fun close() {
        // Their servers need not keep for minutes what nobody uses. Nobody waits for the answers.
        for (relay in operations.values.filterIsInstance<Relay>()) runCatching { relay.giveBack() }
        loop.stop()
        var isInterrupted = false
        while (Thread.currentThread() !== thread) {
            try {
                thread.join()
                break
            } catch (_: InterruptedException) {
                isInterrupted = true
            }
        }
        if (isInterrupted) Thread.currentThread().interrupt()
    }

    private fun run() {
        try {
            loop.run()
        } catch (bug: Throwable) {
            end(StunException(StunErrorCode.INTERNAL, "the driver has failed: $bug"))
            throw bug // to the handler of uncaught exceptions
        }
        end(isClosed())
    }

    private fun free() {
        links.shutDown()
        runCatching { selector.close() }
        synchronized(agent) { agent.close() }
    }

    private fun end(cause: StunException) {
        free()
        closed.complete(Unit)
        operations.values.toList().forEach { it.end(cause) }
        operations.clear()
        relays.clear()
        readers.forEach { it.close() }
        readers.clear()
        datagrams.close()
    }

    /** An operation has moved with the host. If it had a socket of its own it has one there. */
    private fun moved(operation: Operation?, local: InetSocketAddress) {
        links.move(local, operation?.takeIf { links.hasOf(it) })
        val relay = operation as? Relay ?: return
        links.shared.firstOrNull { it.local == local }?.let { isTakenForRelay(it, relay.server) }
    }

    private fun forget(operation: Operation) {
        operations.remove(operation.id)
        links.release(operation)
    }
}

internal fun isClosed() = StunException(StunErrorCode.CLOSED, "the driver is closed")
