package dev.libstun

import java.io.IOException
import java.net.InetSocketAddress
import java.nio.channels.DatagramChannel
import kotlin.time.Duration.Companion.seconds

/**
 * The clock that a [Driver] tells its agent the time of: nanoseconds, never fewer than before, from any origin that is
 * not negative.
 *
 * NATs and relays do not sleep when the host does. A clock that stands still in suspend makes an agent take a binding
 * for fresh that is long gone. `System.nanoTime()` stands still in suspend on Linux and Android. On Android pass
 * `Clock { SystemClock.elapsedRealtimeNanos() }`, in Java `SystemClock::elapsedRealtimeNanos`, which does not.
 */
public fun interface Clock {
    /** The time now. Asked often, by any thread and under a lock: it answers at once, and does not call the driver. */
    public fun nanoseconds(): Long

    public companion object {
        /**
         * `System.nanoTime()`, counted from now on so that it is not negative. Plain Java has no clock that goes on in
         * suspend and never jumps.
         */
        @JvmStatic
        public fun monotonic(): Clock {
            val start = System.nanoTime()
            return Clock { System.nanoTime() - start }
        }
    }
}

/** What is done to a socket after it was opened and before it is bound. */
public fun interface SocketSetup {
    /**
     * May also bind it, which is not done again then. An exception means that there is no such socket.
     *
     * Sockets that are opened later, after [Driver.networkChanged] or for a relay, may be prepared on the driver's own
     * thread, which waits for it.
     */
    @Throws(IOException::class)
    public fun prepare(channel: DatagramChannel)
}

/** A listener that is told something, until this is closed. */
public fun interface Subscription : AutoCloseable {
    /** Tells it nothing more, but for what it is being told. Once more does nothing. */
    override fun close()
}

/**
 * What can be said when a [Driver] is opened, beside the local address.
 *
 * @property clock the agent's time; `null` is [Clock.monotonic].
 * @property moreLocals further local addresses, each of which gets a socket. A server of RFC 5780 needs four in all.
 * @property socketSetup for every socket: on Android `Network.bindSocket()` and `VpnService.protect()` belong here.
 * @property seed 32 secret bytes that make what is sent repeatable, for tests; `null` is the operating system's.
 * @property maxOperations how many operations there can be at once; 0 is the agent's default.
 */
public class DriverOptions @JvmOverloads constructor(
    public val clock: Clock? = null,
    public val moreLocals: List<InetSocketAddress> = emptyList(),
    public val socketSetup: SocketSetup? = null,
    public val seed: ByteArray? = null,
    public val maxOperations: Int = 0,
) {
    /** The same with another [clock]. */
    public fun withClock(clock: Clock?): DriverOptions =
        DriverOptions(clock, moreLocals, socketSetup, seed, maxOperations)

    /** The same with other [moreLocals]. */
    public fun withMoreLocals(moreLocals: List<InetSocketAddress>): DriverOptions =
        DriverOptions(clock, moreLocals, socketSetup, seed, maxOperations)

    /** The same with another [socketSetup]. */
    public fun withSocketSetup(socketSetup: SocketSetup?): DriverOptions =
        DriverOptions(clock, moreLocals, socketSetup, seed, maxOperations)

    /** The same with another [seed]. */
    public fun withSeed(seed: ByteArray?): DriverOptions =
        DriverOptions(clock, moreLocals, socketSetup, seed, maxOperations)

    /** The same with another [maxOperations]. */
    public fun withMaxOperations(maxOperations: Int): DriverOptions =
        DriverOptions(clock, moreLocals, socketSetup, seed, maxOperations)
}

/**
 * What a driver has done since it was opened.
 *
 * @property wakeUps how often its thread was woken: by a timer, a packet or a command.
 * @property sendingWakeUps how many of these sent something: each may wake a radio.
 * @property received datagrams that were the agent's.
 * @property sent datagrams that went out, of the agent and of [Driver.send].
 * @property unsent datagrams for which the socket or the queue had no room, or which the system refused.
 * @property droppedDatagrams datagrams of other protocols that nobody has read in time.
 * @property droppedPackets packets of peers that nobody has read in time.
 * @property droppedEvents events that nobody has read in time, of those whose reader was 1024 behind.
 */
public data class DriverCounters(
    public val wakeUps: Long,
    public val sendingWakeUps: Long,
    public val received: Long,
    public val sent: Long,
    public val unsent: Long,
    public val droppedDatagrams: Long,
    public val droppedPackets: Long,
    public val droppedEvents: Long,
)

/**
 * A datagram of another protocol that has arrived at a socket of a [Driver].
 *
 * @property bytes the payload, which is yours.
 * @property remote who has sent it.
 * @property local what the socket is bound to where it arrived.
 */
public class ReceivedDatagram(
    public val bytes: ByteArray,
    public val remote: InetSocketAddress,
    public val local: InetSocketAddress,
) {
    override fun toString(): String = "${bytes.size} bytes from $remote"
}

/** Events that are kept for one reader. Of more the oldest are dropped, so that the last event is always there. */
internal const val MAX_EVENTS = 1024

/** Datagrams and packets of peers that are kept for a reader. What comes beyond is lost, as in a socket's buffer. */
internal const val MAX_PACKETS = 1024

/** Datagrams that wait to be sent. What comes beyond is lost, as in a socket's buffer. */
internal const val MAX_OUTBOX = 1024

/** Datagrams that are read from one socket before commands, timers and the other sockets have their turn. */
internal const val READ_BATCH = 64

/**
 * Timers of the system stand still in suspend, and a clock that was passed may not. Waking up so often is how deadlines
 * that have passed meanwhile are noticed.
 */
internal val LONGEST_SLEEP = 60.seconds
