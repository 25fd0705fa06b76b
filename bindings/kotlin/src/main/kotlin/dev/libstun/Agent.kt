package dev.libstun

import dev.libstun.raw.RawAgent
import dev.libstun.raw.User
import java.net.InetAddress
import java.net.InetSocketAddress
import java.nio.ByteBuffer
import kotlin.time.Duration
import kotlin.time.Duration.Companion.nanoseconds

/**
 * Any number of STUN and TURN operations, without any I/O: you hand in what arrives, send what it gives, and call it
 * when its deadline has come. `Driver` is the same with sockets and a thread.
 *
 * ```
 * Agent(clock.nanoseconds()).use { agent ->
 *     agent.startBinding(BindingConfig(server), clock.nanoseconds())
 *     var output = agent.drain()
 *     while (true) {
 *         output.transmits.forEach(::send)
 *         output.events.forEach(::println)
 *         val datagram = receive(until = output.deadline)
 *         val now = clock.nanoseconds()
 *         output = if (datagram == null) agent.tick(now) else agent.exchange(datagram.bytes, datagram.remote, now)
 *     }
 * }
 * ```
 *
 * Times are nanoseconds of the host's monotonic clock, not negative: of `System.nanoTime()`, which may be, take the
 * difference to its first value. A time that is earlier than one already seen counts as the latest seen. Any thread may
 * call, and each call is atomic. What arrives from the network is never an exception; misuse is a [StunException], and
 * nothing has changed then. After [close] every call is refused with [StunErrorCode.CLOSED].
 *
 * @constructor An agent without operations.
 * @param seed 32 secret bytes that all its randomness comes from, for tests; `null` is the operating system's.
 * @param maxOperations how many operations there can be at once; 0 is the library's default.
 * @throws StunException if the seed has another length, [now] is negative, or the system gave no random bytes.
 */
public class Agent @JvmOverloads constructor(
    now: Long,
    seed: ByteArray? = null,
    maxOperations: Int = 0,
) : AutoCloseable {
    private val lock = Any()
    private val scratch = Scratch()
    private var raw: RawAgent? = make(now, seed, maxOperations)

    // What arrives, and time

    /**
     * A datagram has arrived: hands it in, and gives all that came of it. Nothing in it is ever an exception.
     *
     * @param remote who has sent it.
     * @param local what the socket is bound to; `null` if that does not matter. Of the remote's family.
     * @param socketId the host's number for the socket.
     * @param ecn the ECN bits that it came with, 0 to 3.
     * @throws StunException if it is longer than 65535 bytes, or another argument has an impossible value.
     */
    @JvmOverloads
    public fun exchange(
        datagram: ByteArray,
        remote: InetSocketAddress,
        now: Long,
        local: InetSocketAddress? = null,
        transport: Transport = Transport.UDP,
        socketId: Int = 0,
        ecn: Int = 0,
    ): Output = call { exchanged(it, scratch.of(datagram), remote, now, local, meta(transport, socketId, ecn)) }

    /**
     * The same of the bytes between position and limit, which stay as they are. A direct buffer is not copied.
     */
    @JvmOverloads
    public fun exchange(
        datagram: ByteBuffer,
        remote: InetSocketAddress,
        now: Long,
        local: InetSocketAddress? = null,
        transport: Transport = Transport.UDP,
        socketId: Int = 0,
        ecn: Int = 0,
    ): Output = call { exchanged(it, scratch.of(datagram), remote, now, local, meta(transport, socketId, ecn)) }

    /** Time has come, or may have: gives all that came of it. An early call changes nothing. */
    public fun tick(now: Long): Output = call { decodeOutput(it.tick(time(now))) }

    /** What is queued, whatever the time: after a command. */
    public fun drain(): Output = call { decodeOutput(it.drain()) }

    /** A packet could not be sent, or an ICMP error has come for it. False if it was none of STUN. [drain] after it. */
    public fun sendFailed(transmit: Transmit, error: SendError, now: Long): Boolean =
        sendFailed(transmit.bytes, transmit.remote, error, now, transmit.local, transmit.transport)

    /** The same of a packet's bytes, of which the first 20 are enough, and its path. */
    @JvmOverloads
    public fun sendFailed(
        datagram: ByteArray,
        remote: InetSocketAddress,
        error: SendError,
        now: Long,
        local: InetSocketAddress? = null,
        transport: Transport = Transport.UDP,
    ): Boolean = call {
        it.sendFailed(scratch.of(datagram), endpoint(local), endpoint(remote), transport.code, error.number, time(now))
    }

    // Operations. All of these give the operation's id, and what comes of the start with the next drain.

    /**
     * Starts a binding, which asks at once (RFC 8489 s2).
     *
     * @throws StunException if the configuration contradicts itself ([StunErrorCode.INVALID]), or there are too many
     * operations ([StunErrorCode.LIMIT]); the same for all that start something.
     */
    public fun startBinding(config: BindingConfig, now: Long): OperationId =
        call { it.startBinding(config.raw(), time(now)).toLong() }

    /** Starts a survey of several servers. */
    public fun startSurvey(config: SurveyConfig, now: Long): OperationId =
        call { it.startSurvey(config.raw(), time(now)).toLong() }

    /** Starts a server, which answers Binding requests. */
    public fun startServer(config: ServerConfig, now: Long): OperationId =
        call { it.startServer(config.raw(), time(now)).toLong() }

    /** Starts a diagnosis of the NAT before the host (RFC 5780). */
    public fun startNatProbe(config: NatConfig, now: Long): OperationId =
        call { it.startNatProbe(config.raw(), time(now)).toLong() }

    /** Starts a relayed address at a TURN server (RFC 8656). */
    public fun startAllocation(config: AllocationConfig, now: Long): OperationId =
        call { it.startAllocation(config.raw(), time(now)).toLong() }

    /**
     * Ends an operation at once and without an event. An allocation is left to expire: [closeRelay] gives it back.
     *
     * @throws StunException if there is no such operation ([StunErrorCode.NOT_FOUND]); the same for all that take an
     * id.
     */
    public fun cancel(id: OperationId, now: Long): Unit = call { it.cancel(id.toULong(), time(now)) }

    /** Whether an operation has that id and has not ended. */
    public fun contains(id: OperationId): Boolean = call { it.contains(id.toULong()) }

    /** How many operations there are. */
    public fun operationCount(): Int = call { it.operationCount().coerceAtMost(Int.MAX_VALUE.toULong()).toInt() }

    /** How many messages from the network were dropped, for a reason or, with `null`, for any. Sticks at 2^32 - 1. */
    @JvmOverloads
    public fun dropped(reason: DropReason? = null): Long =
        call { it.dropped(if (reason == null) 0U else reason.code + 1U).toLong() }

    // Bindings

    /** Keeps a binding alive that often from now on, at least every second; `null` keeps it no longer. */
    public fun setRefresh(id: OperationId, interval: Duration?, now: Long): Unit =
        call { it.setRefresh(id.toULong(), interval.rawOrNever("the interval"), time(now)) }

    /** For Java: the same in nanoseconds. */
    public fun setRefreshNanos(id: OperationId, interval: Long?, now: Long): Unit =
        setRefresh(id, interval?.nanoseconds, now)

    /** Answers [Redirected] where that waits for it: follows, or fails. */
    public fun answerRedirect(id: OperationId, accept: Boolean, now: Long): Unit =
        call { it.answerRedirect(id.toULong(), accept, time(now)) }

    /** The socket or connection that a binding or an allocation has asked for with [Reconnect] is open. */
    @JvmOverloads
    public fun reconnected(
        id: OperationId,
        remote: InetSocketAddress,
        now: Long,
        local: InetSocketAddress? = null,
        transport: Transport = Transport.UDP,
        socketId: Int = 0,
    ): Unit = call {
        val meta = meta(transport, socketId, 0).toULong()
        it.reconnected(id.toULong(), endpoint(local), endpoint(remote), meta, time(now))
    }

    /** The domain that a redirection has named, for the certificate of a TLS server (RFC 8489 s14.16); else `null`. */
    public fun alternateDomain(id: OperationId): String? = call { it.alternateDomain(id.toULong()) }

    // The agent as a whole

    /** The host's addresses are these from now on. Operations whose address is gone go on from another one. */
    public fun networkChanged(addresses: Collection<InetAddress>, now: Long): Unit =
        call { agent -> agent.networkChanged(addresses.map { endpoint(it) }, time(now)) }

    /** Trades punctuality for wake-ups. */
    public fun setPower(profile: PowerProfile, now: Long): Unit = call {
        it.setPower(profile.maxSlack.raw("maxSlack"), profile.refresh.rawOrNever("refresh"), time(now))
    }

    /** The time between requests to one server that had to wait because ten were outstanding there. */
    public fun setPacing(interval: Duration): Unit = call { it.setPacing(interval.raw("the interval")) }

    /** For Java: the same in nanoseconds. */
    public fun setPacingNanos(interval: Long): Unit = setPacing(interval.nanoseconds)

    // Servers

    /** Adds a user to a server's realm, or changes a password. */
    public fun addUser(id: OperationId, username: String, password: String): Unit =
        call { it.addUser(id.toULong(), User(username, password)) }

    /** Removes a user. False if there was none. */
    public fun removeUser(id: OperationId, username: String): Boolean = call { it.removeUser(id.toULong(), username) }

    // Relays

    /**
     * Lets a peer, whatever its port, send to the relayed address and be sent to: [Permitted] says when (RFC 8656 s9).
     */
    public fun permit(id: OperationId, peer: InetAddress, now: Long): Unit =
        call { it.permit(id.toULong(), endpoint(peer), time(now)) }

    /** Renews a permission no longer: the server forgets it within five minutes. False if there was none. */
    public fun revoke(id: OperationId, peer: InetAddress, now: Long): Boolean =
        call { it.revoke(id.toULong(), endpoint(peer), time(now)) }

    /**
     * Binds a channel to a peer and keeps it bound: [ChannelBound] says when (RFC 8656 s12). It permits the peer too.
     */
    public fun bindChannel(id: OperationId, peer: InetSocketAddress, now: Long): Unit =
        call { it.bindChannel(id.toULong(), endpoint(peer), time(now)) }

    /** Renews a channel no longer. False if there was none. */
    public fun releaseChannel(id: OperationId, peer: InetSocketAddress, now: Long): Boolean =
        call { it.releaseChannel(id.toULong(), endpoint(peer), time(now)) }

    /**
     * Frames data for a peer. Send what it gives; nothing is queued.
     *
     * @throws StunException if the peer is not permitted or there is no relay at the moment ([StunErrorCode.STATE]), or
     * the data are too long.
     */
    public fun sendToPeer(id: OperationId, peer: InetSocketAddress, data: ByteArray, now: Long): Transmit =
        call { framed(it, id, peer, scratch.of(data), now) }

    /** The same of the bytes between position and limit, which stay as they are. A direct buffer is not copied. */
    public fun sendToPeer(id: OperationId, peer: InetSocketAddress, data: ByteBuffer, now: Long): Transmit =
        call { framed(it, id, peer, scratch.of(data), now) }

    /** Deletes an allocation at the server, then ends it with [Closed]. */
    public fun closeRelay(id: OperationId, now: Long): Unit = call { it.closeRelay(id.toULong(), time(now)) }

    /** Gives an allocation other credentials, which expire at a time of the host's clock, or with `null` never. */
    public fun setCredentials(id: OperationId, credentials: Credentials, expire: Long?, now: Long): Unit =
        call { it.setCredentials(id.toULong(), credentials.raw(), timeOrNever(expire), time(now)) }

    // Connections

    /**
     * A TCP or TLS connection of the host's is open. Gives its id, for the other two calls.
     *
     * @throws StunException if the transport is UDP, or there are too many operations.
     */
    @JvmOverloads
    public fun openStream(
        remote: InetSocketAddress,
        now: Long,
        local: InetSocketAddress? = null,
        transport: Transport = Transport.TCP,
        socketId: Int = 0,
    ): OperationId = call {
        it.openStream(endpoint(local), endpoint(remote), meta(transport, socketId, 0).toULong(), time(now)).toLong()
    }

    /**
     * Bytes were read from a connection, however they were split, at most 65535 at once: gives all that came of them.
     */
    public fun exchangeStream(id: OperationId, bytes: ByteArray, now: Long): Output =
        call { decodeOutput(it.exchangeStream(id.toULong(), scratch.of(bytes), time(now))) }

    /** The same of the bytes between position and limit, which stay as they are. */
    public fun exchangeStream(id: OperationId, bytes: ByteBuffer, now: Long): Output =
        call { decodeOutput(it.exchangeStream(id.toULong(), scratch.of(bytes), time(now))) }

    /**
     * A connection is closed, by either end. Those who asked over it and go on ask for another one with [Reconnect].
     */
    public fun closeStream(id: OperationId, now: Long): Unit = call { it.closeStream(id.toULong(), time(now)) }

    /** Frees the agent, once calls of other threads have returned. Its operations end without a word. Twice is fine. */
    override fun close(): Unit = synchronized(lock) {
        raw?.close()
        raw = null
        scratch.release()
    }

    private fun make(now: Long, seed: ByteArray?, maxOperations: Int): RawAgent = translated {
        if (seed != null && seed.isEmpty()) throw invalid("a seed has 32 bytes")
        val most = count(maxOperations, "maxOperations").toULong()
        RawAgent(time(now), seed ?: ByteArray(0), most)
    }

    /** One call at a time, so that the scratch is one call's, and the agent is not freed in the middle of one. */
    private inline fun <T> call(block: (RawAgent) -> T): T = synchronized(lock) {
        val agent = raw ?: throw StunException(StunErrorCode.CLOSED, "the agent is closed")
        try {
            translated { block(agent) }
        } finally {
            scratch.takeBack()
        }
    }

    /** Numbers only, so that nothing is made on the way. */
    private fun exchanged(
        agent: RawAgent,
        datagram: ByteBuffer,
        remote: InetSocketAddress,
        now: Long,
        local: InetSocketAddress?,
        meta: Long,
    ): Output {
        val from = hostOf(remote)
        val fromBytes = from.address
        val at = local?.let { hostOf(it) }
        val atBytes = at?.address
        val output = agent.exchange(
            datagram,
            if (at == null) 0UL else tag(at, local.port).toULong(),
            if (atBytes == null) 0UL else word(atBytes, 0).toULong(),
            if (atBytes == null) 0UL else word(atBytes, 8).toULong(),
            tag(from, remote.port).toULong(),
            word(fromBytes, 0).toULong(),
            word(fromBytes, 8).toULong(),
            meta.toULong(),
            time(now),
        )
        return decodeOutput(output)
    }

    private fun framed(raw: RawAgent, id: OperationId, peer: InetSocketAddress, data: ByteBuffer, now: Long): Transmit {
        val words = endpoint(peer)
        return decodeTransmit(raw.sendToPeer(id.toULong(), words.tag, words.low, words.high, data, time(now)))
    }
}

/** What a packet says beside its addresses and bytes, in one number. */
private fun meta(transport: Transport, socketId: Int, ecn: Int): Long {
    if (ecn !in 0..3) throw invalid("ECN has two bits: $ecn")
    return transport.ordinal.toLong() or (ecn.toLong() shl 8) or (socketId.toLong() shl 32)
}
