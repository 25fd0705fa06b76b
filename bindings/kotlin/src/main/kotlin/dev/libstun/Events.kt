package dev.libstun

import java.net.InetAddress
import java.net.InetSocketAddress
import kotlin.time.Duration

/**
 * What an agent tells its host, made for `when`:
 *
 * ```
 * when (val event = happened.event) {
 *     is Mapped -> println(event.address)
 *     is Failed -> println("no address: ${event.failure}")
 *     else -> {} // there will be more kinds
 * }
 * ```
 *
 * Times are nanoseconds of the host's clock. A round trip is `null` where a retransmission makes it unknowable.
 */
public sealed interface Event

/**
 * A kind that is newer than this package. Skip it.
 *
 * @property kind a `stun_event_code` of `include/stun.h`.
 */
public data class Unknown(val kind: Int) : Event

// Bindings

/** The mapped address: the first one, also of another network. The last event of a binding that asks once. */
public data class Mapped(val address: InetSocketAddress, val rtt: Duration?) : Event {
    /** The round trip in nanoseconds. */
    public val rttNanos: Long? get() = rtt?.inWholeNanoseconds
}

/** The mapped address is the same as before. */
public data class Refreshed(val address: InetSocketAddress, val rtt: Duration?) : Event {
    /** The round trip in nanoseconds. */
    public val rttNanos: Long? get() = rtt?.inWholeNanoseconds
}

/** The mapped address is another. */
public data class AddressChanged(
    val address: InetSocketAddress,
    val previous: InetSocketAddress,
    val rtt: Duration?,
) : Event {
    /** The round trip in nanoseconds. */
    public val rttNanos: Long? get() = rtt?.inWholeNanoseconds
}

/** An attempt has failed, and another follows: [at] is when, in nanoseconds of the host's clock. */
public data class Retrying(val failure: Failure, val at: Long) : Event

/** The operation has failed for good. */
public data class Failed(val failure: Failure) : Event

/** A server names another one, which is asked from now on, or once [Agent.answerRedirect] agrees. */
public data class Redirected(
    val server: InetSocketAddress,
    val previous: InetSocketAddress,
    val awaitsAnswer: Boolean,
) : Event

/** The network has changed, and the operation asks again from [local]. If it differs, have a socket there. */
public data class Restarted(val local: InetSocketAddress, val previous: InetSocketAddress) : Event

/** Open a connection (with UDP: a socket at another port) to [server], then call [Agent.reconnected]. */
public data class Reconnect(
    val server: InetSocketAddress,
    val local: InetSocketAddress,
    val transport: Transport,
) : Event

/** Close the connection: what its peer sent cannot be understood. */
public data class Close(val peer: InetSocketAddress) : Event

// Surveys

/** A server of a survey has answered; [target] is its place in the configuration. */
public data class Answer(
    val target: Int,
    val server: InetSocketAddress,
    val address: InetSocketAddress,
    val rtt: Duration?,
) : Event {
    /** The round trip in nanoseconds. */
    public val rttNanos: Long? get() = rtt?.inWholeNanoseconds
}

/** A server of a survey will not answer. */
public data class NoAnswer(val target: Int, val server: InetSocketAddress, val failure: Failure) : Event

/** A survey is over; [unanswered] servers were not asked or not waited for. */
public data class Surveyed(
    val answered: Int,
    val failed: Int,
    val unanswered: Int,
    val mapping: ObservedMapping,
) : Event

// Servers

/** A server has refused the network of [host] many replies: it has used up its budget. */
public data class Throttled(val host: InetAddress) : Event

/** The network of [host] keeps failing to authenticate; [isProven] if that address is not forged. */
public data class AuthenticationFailures(val host: InetAddress, val isProven: Boolean) : Event

// NAT probes

/** A request of a NAT probe was not answered; [test] is what was asked, in a word. */
public data class NatUnanswered(val test: String, val server: InetSocketAddress) : Event

/** A property of the NAT is decided. */
public data class NatFound(val property: NatProperty, val finding: NatFinding) : Event

/** Everything is decided. */
public data class NatFinished(val report: NatReport) : Event

// Relays

/**
 * A TURN server relays: tell the peers [relayed], and permit them. Comes again after [Lost].
 *
 * @property additional the relayed address of the other family, if there are two.
 * @property lifetime how long the server keeps it without a refresh, which the agent sends in time.
 * @property reservation stands for the next port, if that was asked for: for another allocation's configuration.
 */
public data class Allocated(
    val relayed: InetSocketAddress,
    val additional: InetSocketAddress?,
    val mapped: InetSocketAddress?,
    val lifetime: Duration,
    val reservation: Reservation?,
    val rtt: Duration?,
) : Event {
    /** The lifetime in nanoseconds. */
    public val lifetimeNanos: Long get() = lifetime.inWholeNanoseconds

    /** The round trip in nanoseconds. */
    public val rttNanos: Long? get() = rtt?.inWholeNanoseconds
}

/** Of two families of relayed addresses the server gave one: IP [version] 4 or 6 is missing, for reason [code]. */
public data class FamilyRefused(val version: Int, val code: Int) : Event

/** The peer at [host] may send and be sent to, whatever its port. */
public data class Permitted(val host: InetAddress) : Event

/** What is sent to the peer from now on has four bytes of overhead. */
public data class ChannelBound(val peer: InetSocketAddress, val channel: Int) : Event

/** The server will not relay to the peer, for reason [code]; its port is 0 where it was a permission. */
public data class PeerRefused(val peer: InetSocketAddress, val code: Int) : Event

/**
 * What was sent to the peer did not arrive. A hint, which anybody could have sent.
 *
 * @property mtu the MTU of the path in bytes, where the packet was too big.
 */
public data class PeerUnreachable(
    val peer: InetSocketAddress,
    val icmpType: Int,
    val icmpCode: Int,
    val mtu: Int?,
) : Event

/** The relayed address is gone. Another is asked for, and the same peers permitted there. */
public data class Lost(val relayed: InetSocketAddress, val failure: Failure) : Event

/** Call [Agent.setCredentials]; [at] is when the present ones expire, if that is why, in nanoseconds. */
public data class CredentialsNeeded(val reason: CredentialsNeed, val at: Long?) : Event

/** An allocation has moved with the host to another network; relayed address, permissions and channels are kept. */
public data class Moved(val mapped: InetSocketAddress?) : Event

/** The allocation was closed, as the host wished. */
public class Closed internal constructor() : Event {
    override fun equals(other: Any?): Boolean = other is Closed
    override fun hashCode(): Int = 1
    override fun toString(): String = "Closed"
}
