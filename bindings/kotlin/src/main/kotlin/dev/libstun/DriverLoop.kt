package dev.libstun

import java.io.IOException
import java.net.InetAddress
import java.net.InetSocketAddress
import java.nio.ByteBuffer
import java.nio.channels.ClosedChannelException
import java.nio.channels.ClosedSelectorException
import java.nio.channels.SelectionKey
import java.nio.channels.Selector
import java.util.concurrent.ArrayBlockingQueue
import java.util.concurrent.atomic.AtomicBoolean
import java.util.concurrent.atomic.AtomicLong

/** Who is told what comes of a driver's loop. On the loop's thread, which nothing here may hold up. */
internal interface LoopListener {
    fun happened(event: AgentEvent)
    fun arrived(data: PeerData)
    fun arrived(datagram: ReceivedDatagram)
}

/**
 * The loop of a driver: it waits for packets, for time and for commands, and tells the agent.
 *
 * The agent is called under its lock, by commands from any thread; everything else, such as what is sent and received,
 * is done by the one thread that is in [run].
 */
internal class DriverLoop(
    private val agent: Agent,
    private val clock: Clock,
    private val mayJump: Boolean,
    private val selector: Selector,
    private val listener: LoopListener,
) {
    val wakeUps = AtomicLong()
    val sendingWakeUps = AtomicLong()
    val received = AtomicLong()
    val sent = AtomicLong()
    val unsent = AtomicLong()

    private val buffer = ByteBuffer.allocateDirect(MAX_DATAGRAM)
    private val outbox = ArrayBlockingQueue<Outgoing>(MAX_OUTBOX)
    private val isWanted = AtomicBoolean(true)
    private var deadline: Long? = null
    private var hasSent = false

    @Volatile
    private var isClosing = false

    lateinit var links: Links

    /**
     * The host's addresses, when they have changed: once the agent's events have told who moves where, sockets at
     * others are closed. Changed with the agent only, under its lock, so that no older ones are taken for them.
     */
    var present: Set<InetAddress>? = null

    /** A packet that the agent has framed, or a datagram of another protocol. */
    private class Outgoing(
        val bytes: ByteArray,
        val remote: InetSocketAddress,
        val from: InetSocketAddress? = null,
        val transmit: Transmit? = null,
    )

    /** Does something with the agent, on any thread, and has the loop send and tell what comes of it. */
    fun <T> command(call: (Agent, Long) -> T): T {
        val result = query(call)
        isWanted.set(true)
        wake()
        return result
    }

    /** Does something with the agent that nothing comes of. */
    fun <T> query(call: (Agent, Long) -> T): T = synchronized(agent) { call(agent, clock.nanoseconds()) }

    /** Sends a packet that the agent has framed. False if there are too many already. */
    fun send(transmit: Transmit): Boolean = post(Outgoing(transmit.bytes, transmit.remote, transmit = transmit))

    /** Sends a datagram of another protocol. False if there are too many already. */
    fun send(bytes: ByteArray, remote: InetSocketAddress, from: InetSocketAddress?): Boolean =
        post(Outgoing(bytes, remote, from))

    fun wake() {
        selector.wakeup()
    }

    /** Lets [run] end. */
    fun stop() {
        isClosing = true
        wake()
    }

    /** Until [stop]. What it raises is a bug. */
    fun run() {
        while (!isClosing) {
            sendQueued()
            links.settle(selector)
            try {
                select()
            } catch (_: ClosedSelectorException) {
                return
            }
            wakeUps.incrementAndGet()
            readAll()
            if (isDue()) process(synchronized(agent) { agent.tick(clock.nanoseconds()) })
        }
        sendQueued()
    }

    private fun post(outgoing: Outgoing): Boolean {
        val hasRoom = outbox.offer(outgoing)
        if (hasRoom) wake() else unsent.incrementAndGet()
        return hasRoom
    }

    /** What commands have led to. */
    private fun sendQueued() {
        if (isWanted.getAndSet(false)) {
            var addresses: Set<InetAddress>? = null
            val output = synchronized(agent) {
                addresses = present
                present = null
                agent.drain()
            }
            process(output)
            addresses?.let(links::leaveAllBut)
        }
        // No more than that at once: those who send without a pause would keep the loop from everything else.
        for (number in 1..MAX_OUTBOX) send(outbox.poll() ?: break)
        if (hasSent) sendingWakeUps.incrementAndGet()
        hasSent = false
    }

    private fun select() {
        val until = deadline
        val wait = if (until == null) Long.MAX_VALUE else until - clock.nanoseconds()
        val longest = if (mayJump) LONGEST_SLEEP.inWholeMilliseconds else MAX_SLEEP_MS
        when {
            isWanted.get() || outbox.isNotEmpty() || wait <= 0 -> selector.selectNow()
            until == null -> selector.select() // which 0 milliseconds would mean as well
            else -> selector.select(minOf(longest, 1 + (wait - 1) / NANOS_PER_MS)) // never too early
        }
    }

    private fun isDue(): Boolean = deadline?.let { it <= clock.nanoseconds() } ?: false

    // What arrives

    private fun readAll() {
        val keys = selector.selectedKeys().iterator()
        while (keys.hasNext()) {
            val key: SelectionKey = keys.next()
            keys.remove()
            if (key.isValid) read(key.attachment() as Link)
        }
    }

    private fun read(link: Link) {
        repeat(READ_BATCH) {
            buffer.clear()
            val remote = try {
                link.channel.receive(buffer) ?: return
            } catch (_: ClosedChannelException) {
                return
            } catch (_: IOException) {
                // Some systems tell errors of earlier datagrams here. One that does not pass would keep the loop busy.
                if (++link.errors >= READ_BATCH) return links.retire(link)
                return@repeat
            }
            link.errors = 0
            buffer.flip()
            receive(link, remote as InetSocketAddress)
        }
    }

    private fun receive(link: Link, remote: InetSocketAddress) {
        val output = synchronized(agent) {
            val local = link.localFor(remote.address)
            agent.exchange(buffer, remote, clock.nanoseconds(), local = local, socketId = link.id)
        }
        when (output.outcome) {
            Outcome.IGNORED -> pass(link, remote)
            else -> received.incrementAndGet()
        }
        process(output)
    }

    private fun pass(link: Link, remote: InetSocketAddress) {
        buffer.rewind()
        val bytes = ByteArray(buffer.remaining())
        buffer.get(bytes)
        listener.arrived(ReceivedDatagram(bytes, remote, link.local))
    }

    // What is sent

    private fun process(output: Output) {
        deadline = output.deadline
        output.peerData?.let(listener::arrived)
        for (event in output.events) listener.happened(event)
        output.transmits.forEach(::sendNow)
    }

    private fun send(next: Outgoing) {
        if (next.transmit != null) return sendNow(next.transmit)
        put(next.bytes, next.remote) { links.pick(next.remote.address, next.from) }
    }

    private fun sendNow(transmit: Transmit) {
        val error = put(transmit.bytes, transmit.remote) { links.forTransmit(transmit) } ?: return
        synchronized(agent) { agent.sendFailed(transmit, sendErrorOf(error), clock.nanoseconds()) }
        isWanted.set(true)
    }

    /** Sends on what [find] finds. Gives what was in the way, which also is whatever a [SocketSetup] has raised. */
    private inline fun put(bytes: ByteArray, remote: InetSocketAddress, find: () -> Link): Exception? = try {
        count(find().channel.send(ByteBuffer.wrap(bytes), remote))
        null
    } catch (error: Exception) {
        unsent.incrementAndGet()
        error
    }

    /** What the socket has no room for is lost, as datagrams may be. */
    private fun count(bytes: Int) {
        if (bytes == 0) unsent.incrementAndGet() else sent.incrementAndGet()
        hasSent = true
    }
}

/** More than any UDP datagram has. */
private const val MAX_DATAGRAM = 65536

private const val NANOS_PER_MS = 1_000_000L

/** A selector takes more, and systems below it do not always. */
private const val MAX_SLEEP_MS = 24L * 3600 * 1000
