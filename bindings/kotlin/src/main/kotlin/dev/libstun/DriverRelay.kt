package dev.libstun

import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.receiveAsFlow
import kotlinx.coroutines.withTimeoutOrNull
import java.net.InetAddress
import java.net.InetSocketAddress
import java.util.concurrent.CompletableFuture
import java.util.concurrent.Executor
import java.util.function.Consumer
import kotlin.time.Duration
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

/**
 * A relayed address at a TURN server (RFC 8656), as a socket that lies there.
 *
 * ```
 * val relay = driver.startAllocation(AllocationConfig(server, credentials = LongTerm("alice", "s3cret")))
 * relay.ready()
 * relay.permit(peer.address)
 * relay.send("hello".toByteArray(), peer)
 * relay.packets.collect { println("${it.peer}: ${it.bytes.size} bytes") }
 * ```
 *
 * [events] has what happens to it: [Lost] and [Allocated] when it was lost and there is another one, with another
 * address and the same peers.
 */
public class Relay internal constructor(core: DriverCore, id: OperationId, internal val server: InetSocketAddress) :
    Operation(core, id) {
    private val arrived = Channel<PeerData>(MAX_PACKETS)
    private val permitted = HashSet<InetAddress>()
    private val channels = HashMap<InetSocketAddress, Int>()
    private val refused = HashMap<InetSocketAddress, Failure>()
    private var failure: Failure? = null
    private var hasChangedPort = false

    /** Attempts to go on from another socket. Only the last one counts. */
    @Volatile
    private var attempts = 0

    /** What permitted peers send. For one reader; 1024 packets are kept, and those beyond are lost and counted. */
    public val packets: Flow<PeerData> = arrived.receiveAsFlow()

    /** The relayed address, for peers to be told; `null` while there is none. */
    @Volatile
    public var relayed: InetSocketAddress? = null
        private set

    /** The relayed address of the other family, if there are two. */
    @Volatile
    public var additional: InetSocketAddress? = null
        private set

    /**
     * The host's own public address, if the server has said it; `null` again after a move to another network, if it has
     * not said it there.
     */
    @Volatile
    public var mapped: InetSocketAddress? = null
        private set

    /** Waits for the relayed address.
     *
     * @throws OperationFailedException if the first attempt to get one fails. One whose credentials were refused waits
     * for [setCredentials].
     * @throws StunException if the relay was closed, or the driver.
     */
    @JvmSynthetic
    public suspend fun ready(): InetSocketAddress = until {
        if (relayed == null) {
            failure?.let { throw OperationFailedException(it) }
            checkOpen()
        }
        relayed
    }

    /** The same for Java. */
    public fun readyAsync(): CompletableFuture<InetSocketAddress> = core.future { ready() }

    /** Lets the host send to the relay, whatever its port, and be sent to. Returns when that is so.
     *
     * @throws OperationFailedException if the server refuses.
     * @throws StunException if the agent's policy for peers forbids it, or the relay is closed.
     */
    @JvmSynthetic
    public suspend fun permit(host: InetAddress) {
        val name = canonical(host)
        val key = InetSocketAddress(name, 0)
        ask({ agent, now -> agent.permit(id, host, now) }) { refused.remove(key) }
        until {
            val isPermitted = name in permitted
            if (!isPermitted) checkRefusal(key)
            isPermitted.takeIf { it }
        }
    }

    /** The same for Java. */
    public fun permitAsync(host: InetAddress): CompletableFuture<Void?> = core.future { permit(host); null }

    /** Renews the permission no longer: the server forgets it within five minutes. False if there is none. */
    public fun revoke(host: InetAddress): Boolean =
        ask({ agent, now -> agent.revoke(id, host, now) }) { permitted.remove(canonical(host)) }

    /** Permits the peer, and has four bytes of overhead with it instead of 36 or more. Returns the channel's number.
     *
     * @throws OperationFailedException if the server refuses.
     * @throws StunException if the agent's policy for peers forbids it, or the relay is closed.
     */
    @JvmSynthetic
    public suspend fun bindChannel(peer: InetSocketAddress): Int {
        val key = canonical(peer)
        ask({ agent, now -> agent.bindChannel(id, peer, now) }) { refused.remove(key) }
        return until {
            val number = channels[key]
            if (number == null) checkRefusal(key)
            number
        }
    }

    /** The same for Java. */
    public fun bindChannelAsync(peer: InetSocketAddress): CompletableFuture<Int> = core.future { bindChannel(peer) }

    /** Renews the channel no longer. False if there is none. */
    public fun releaseChannel(peer: InetSocketAddress): Boolean =
        ask({ agent, now -> agent.releaseChannel(id, peer, now) }) { channels.remove(canonical(peer)) }

    /** Sends a packet to a peer. As with any datagram, nobody says whether it arrives.
     *
     * @throws StunException if the peer is not permitted, there is no relay at the moment, or the packet is too long.
     */
    public fun send(bytes: ByteArray, peer: InetSocketAddress) {
        core.send(core.query { agent, now -> agent.sendToPeer(id, peer, bytes, now) })
    }

    /** Gives other credentials, best after [CredentialsNeeded]; `expire` is when they do, by the driver's clock. */
    @JvmOverloads
    public fun setCredentials(credentials: Credentials, expire: Long? = null) {
        ask({ agent, now -> agent.setCredentials(id, credentials, expire, now) }) { failure = null }
    }

    /** Gives the relay back to the server, and waits for so long at most until that has taken it. */
    @JvmSynthetic
    public suspend fun release(patience: Duration = 1.seconds) {
        try {
            giveBack()
            withTimeoutOrNull(patience) {
                until {
                    if (last == null) checkRunning()
                    last
                }
            }
        } catch (_: StunException) {
            // It was closed meanwhile.
        } finally {
            cancel()
        }
    }

    /** The same for Java, with a second of patience. */
    public fun releaseAsync(): CompletableFuture<Void?> = core.future { release(); null }

    /** Gives the relay back to the server, and waits for nothing: nobody is told anything of it any more. */
    override fun close() {
        try {
            if (isRunning) giveBack()
        } catch (error: StunException) {
            if (error.code != StunErrorCode.CLOSED) throw error
        } finally {
            end(StunException(StunErrorCode.STATE, "the relay was closed"))
        }
    }

    /** Tells the listener everything of [packets], on that executor. Until the returned handle is closed. */
    public fun listenPackets(executor: Executor, listener: Consumer<PeerData>): Subscription =
        core.listen(packets, executor, listener)

    /**
     * Asks the agent, and forgets what is out of date with that; nothing if the agent refuses. What comes of it cannot
     * be noticed in between.
     */
    private inline fun <T> ask(noinline call: (Agent, Long) -> T, forget: () -> Unit): T =
        synchronized(this) { core.command(call).also { forget() } }

    /** A peer has sent something. False if there is too much already. For the loop. */
    internal fun arrived(data: PeerData): Boolean = arrived.trySend(data).isSuccess

    /** Asks the server to take it back. */
    internal fun giveBack() {
        core.command { agent, now -> if (agent.contains(id)) agent.closeRelay(id, now) }
    }

    override fun ended() {
        gone()
        arrived.close()
    }

    override fun notice(event: AgentEvent) {
        when (val happened = event.event) {
            is Allocated -> allocated(happened)
            is Moved -> mapped = happened.mapped // the one before is of the other network
            is Lost -> gone()
            is Permitted -> permitted += happened.host
            is ChannelBound -> channels[happened.peer] = happened.channel
            is PeerRefused -> refuse(happened, event.text)
            is CredentialsNeeded -> if (happened.reason == CredentialsNeed.REJECTED) failure = rejection(event.text)
            is Retrying -> retrying(happened.failure)
            is Failed -> failure = happened.failure
            is Reconnect -> changePort(happened.server, happened.local)
            else -> {}
        }
    }

    private fun allocated(event: Allocated) {
        relayed = event.relayed
        additional = event.additional
        mapped = event.mapped ?: mapped
        failure = null
        core.listenAt(this, listOfNotNull(event.relayed, event.additional))
    }

    private fun gone() {
        relayed = null
        additional = null
        permitted.clear()
        channels.clear()
        core.listenAt(this, emptyList())
    }

    private fun refuse(event: PeerRefused, text: String) {
        if (event.peer.port == 0) permitted.remove(event.peer.address) else channels.remove(event.peer)
        refused[event.peer] = Failure(FailureReason.ERROR_RESPONSE, code = event.code, text = text)
    }

    private fun rejection(text: String) =
        Failure(FailureReason.AUTHENTICATION, detail = AuthenticationFailure.REJECTED, text = text)

    private fun retrying(why: Failure) {
        if (why.code != ALLOCATION_MISMATCH || hasChangedPort) {
            failure = why
            return
        }
        // The server still knows an allocation of before on this port, such as one of a program that has crashed.
        hasChangedPort = true
        changePort(server, null) { relayed == null }
    }

    /**
     * Goes on from another socket, when there can be one and if that is still wanted. An earlier attempt that waits for
     * that is given up.
     */
    internal fun changePort(
        server: InetSocketAddress,
        local: InetSocketAddress?,
        isWanted: () -> Boolean = { true },
    ) {
        val attempt = synchronized(this) { ++attempts }
        core.launchFor(this) { goOnElsewhere(server, local) { attempt == attempts && isWanted() } }
    }

    private suspend fun goOnElsewhere(server: InetSocketAddress, local: InetSocketAddress?, isWanted: () -> Boolean) {
        var wait = RECONNECT_FIRST
        while (isWanted()) {
            val link = openElsewhere(server, local)
            if (link != null) return goOnAt(link, server, isWanted)
            delay(wait)
            wait = minOf(wait * 2, RECONNECT_LONGEST)
        }
    }

    /** `null` if there can be none at the moment. */
    private fun openElsewhere(server: InetSocketAddress, local: InetSocketAddress?): Link? = try {
        val host = local?.address ?: core.links.pick(server.address).local.address
        core.links.open(InetSocketAddress(host, 0), this)
    } catch (_: Exception) { // whatever a SocketSetup raises
        null
    }

    private fun goOnAt(link: Link, server: InetSocketAddress, isWanted: () -> Boolean) {
        try {
            core.command { agent, now ->
                if (agent.contains(id) && isWanted()) {
                    agent.reconnected(id, server, now, local = link.localFor(server.address), socketId = link.id)
                    // Before another attempt can tell the agent of its own socket, which has to stay.
                    core.links.leaveFor(link)
                } else {
                    core.links.retire(link)
                }
            }
        } catch (error: StunException) {
            core.links.retire(link)
            if (end(error)) core.cancel(this)
        }
    }

    private fun checkRefusal(key: InetSocketAddress) {
        refused[key]?.let { throw OperationFailedException(it) }
        checkOpen()
    }

    private fun checkOpen() {
        if (last != null) throw StunException(StunErrorCode.STATE, "the relay is closed")
        checkRunning()
    }
}

/** As the agent's events name the host: an IPv4 address in the guise of IPv6 is that IPv4 address. */
private fun canonical(host: InetAddress): InetAddress = InetAddress.getByAddress(host.address)

private fun canonical(peer: InetSocketAddress) = InetSocketAddress(canonical(hostOf(peer)), peer.port)

/** The error code of a server that has an allocation for those two addresses already (RFC 8656 s19). */
private const val ALLOCATION_MISMATCH = 437

/** Waits between two attempts to open a socket; they double in between. */
private val RECONNECT_FIRST = 1.seconds
private val RECONNECT_LONGEST = 1.minutes
