package dev.libstun

import java.net.InetSocketAddress

/** An operation of an agent. Never 0, and never used twice. */
public typealias OperationId = Long

/**
 * Everything that came of a call to an [Agent]. Send [transmits], look at [events], and call [Agent.tick] at
 * [deadline].
 *
 * @property outcome what became of the datagram; [Outcome.CONSUMED] where there was none.
 * @property transmits what to send, in that order.
 * @property events what has happened, in that order.
 * @property deadlineNanos when to call [Agent.tick] at the latest, in nanoseconds of the host's clock; [NEVER] is
 * never.
 * @property wakeReason why, or `null` where nothing is due.
 * @property allPeerData data of peers: with [Agent.exchange] one at most, with [Agent.exchangeStream] any number.
 */
public class Output internal constructor(
    public val outcome: Outcome,
    public val transmits: List<Transmit>,
    public val events: List<AgentEvent>,
    public val deadlineNanos: Long,
    public val wakeReason: WakeReason?,
    public val allPeerData: List<PeerData>,
) {
    /** When to call [Agent.tick] at the latest, in nanoseconds of the host's clock; `null` is never. */
    public val deadline: Long? get() = deadlineNanos.takeIf { it != NEVER }

    /** What a peer has sent, with [Outcome.PEER_DATA]; else `null`. */
    public val peerData: PeerData? get() = allPeerData.firstOrNull()

    override fun toString(): String =
        "$outcome, ${transmits.size} to send, ${events.size} events, deadline ${deadline ?: "never"}"

    public companion object {
        /** [deadlineNanos] where nothing is due. */
        public const val NEVER: Long = Long.MAX_VALUE
    }
}

/**
 * A packet to send.
 *
 * @property bytes its payload, which is yours.
 * @property remote where to.
 * @property local where from; `null` if that does not matter.
 * @property socketId the host's number for the socket, as it was given.
 * @property ecn the ECN bits to send it with, 0 to 3 (RFC 3168 s5).
 */
public class Transmit internal constructor(
    public val bytes: ByteArray,
    public val remote: InetSocketAddress,
    public val local: InetSocketAddress?,
    public val transport: Transport,
    public val socketId: Int,
    public val ecn: Int,
) {
    override fun toString(): String = "${bytes.size} bytes to $remote over $transport"
}

/**
 * What a peer has sent through a relay.
 *
 * @property bytes the payload, which is yours.
 * @property peer who has sent it.
 * @property relayed the relayed address that it was sent to.
 * @property socketId the host's number for the socket over which it came.
 */
public class PeerData internal constructor(
    public val bytes: ByteArray,
    public val peer: InetSocketAddress,
    public val relayed: InetSocketAddress,
    public val socketId: Int,
) {
    override fun toString(): String = "${bytes.size} bytes from $peer at $relayed"
}

/**
 * Something that has happened to an operation.
 *
 * @property id the operation.
 * @property isLast whether it is the operation's last event: its id is unknown from now on.
 * @property event what has happened.
 * @property text one line for people; of a report several.
 */
public class AgentEvent internal constructor(
    public val id: OperationId,
    public val isLast: Boolean,
    public val event: Event,
    public val text: String,
) {
    override fun toString(): String = text
}
