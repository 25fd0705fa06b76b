package dev.libstun

import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.consumeAsFlow
import kotlinx.coroutines.flow.emitAll
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.receiveAsFlow
import java.io.IOException
import java.net.InetAddress
import java.net.InetSocketAddress
import java.util.concurrent.CompletableFuture
import java.util.concurrent.Executor
import java.util.function.Consumer
import kotlin.time.Duration
import kotlin.time.Duration.Companion.nanoseconds

/**
 * An [Agent] with UDP sockets and a loop of its own.
 *
 * ```
 * Driver.open().use { driver ->
 *     println(driver.mappedAddress("stun.example.org"))
 * }
 * ```
 *
 * Any thread may call it. Commands take effect before they return, and misuse raises a [StunException] there; what
 * comes of them is sent by the driver's own thread, a daemon, which ends with [close]. Suspending functions are for
 * Kotlin, and those whose name ends in `Async` the same for Java; whoever cancels a coroutine, or such a future, that
 * waits for what it has started cancels that as well. A driver that is not closed keeps its thread and its sockets.
 *
 * Without a local address it has a socket for IPv4 and one for IPv6, or the one that the host can have: servers of
 * either family are asked from one driver. A network that changes is told to [networkChanged].
 *
 * The JVM tells a socket that is not connected of no ICMP error, and these are not: a port that is closed looks like a
 * server that is silent. It does not say either to which of the host's addresses a datagram came: a server on a host
 * with several is opened with each of them, rather than with none.
 */
public class Driver private constructor(private val core: DriverCore) : AutoCloseable {
    /** What the sockets are bound to, in the order in which they were opened. */
    public val localAddresses: List<InetSocketAddress> get() = core.links.shared.map { it.local }

    /** What the first socket is bound to. Raises a [StunException] if there is none (any more). */
    public val localAddress: InetSocketAddress
        get() = localAddresses.firstOrNull() ?: throw core.hasNoSocket()

    /** What it has done since it was opened. */
    public val counters: DriverCounters get() = core.counters()

    /**
     * The events of all operations, from when the flow is collected on. For any number of collectors, each of which has
     * 1024 events kept; of more the oldest are dropped, and counted. Completes with the driver.
     */
    public val events: Flow<AgentEvent> = flow {
        val reader = core.subscribe()
        try {
            emitAll(reader.receiveAsFlow())
        } finally {
            core.unsubscribe(reader)
        }
    }

    /**
     * Datagrams that are not the agent's: other protocols' on the same sockets. For one reader; 1024 are kept, and
     * those beyond are lost and counted, as in the buffer of a socket. Completes with the driver.
     */
    public val datagrams: Flow<ReceivedDatagram> = core.datagrams.receiveAsFlow()

    /**
     * Sends a datagram of another protocol. False if it was lost at once: too many are waiting already.
     *
     * @param bytes are copied.
     * @param from the socket to send from, by what it is bound to, such as [ReceivedDatagram.local] for an answer.
     * `null` is the first of the family.
     * @throws StunException if [to] is a name, or the driver is closed.
     */
    @JvmOverloads
    public fun send(bytes: ByteArray, to: InetSocketAddress, from: InetSocketAddress? = null): Boolean {
        hostOf(to)
        core.checkOpen()
        return core.send(bytes.copyOf(), to, from)
    }

    /** Tells the listener every event from now on, on that executor, which must not be the calling thread's. Until the
     * returned handle is closed. */
    public fun listen(executor: Executor, listener: Consumer<AgentEvent>): Subscription {
        val reader = core.subscribe()
        val job = core.listen(reader.consumeAsFlow(), executor, listener)
        return Subscription {
            core.unsubscribe(reader)
            job.close()
        }
    }

    /** Tells the listener everything of [datagrams], in the same way. */
    public fun listenDatagrams(executor: Executor, listener: Consumer<ReceivedDatagram>): Subscription =
        core.listen(datagrams, executor, listener)

    // The public address

    /**
     * Asks a server once for the public address of this driver's socket.
     *
     * A server that is silent is given up after 39.5 s; `withTimeout` ends it earlier, and cancels the request.
     *
     * @throws OperationFailedException which says why there is none.
     * @throws StunException if the driver is closed, also meanwhile.
     */
    @JvmSynthetic
    public suspend fun mappedAddress(server: InetSocketAddress, credentials: Credentials? = null): InetSocketAddress =
        if (server.isUnresolved) {
            core.ask(ServerName(server.hostString, server.port), credentials)
        } else {
            core.ask(server, credentials)
        }

    /**
     * The same for a name: `"stun.example.org"`, `"stun.example.org:3478"`, `"192.0.2.1"`, `"[2001:db8::1]:3478"`. The
     * port is 3478 unless given. If a name has several addresses they are raced, IPv6 and IPv4 in turn (RFC 8305).
     *
     * @throws java.net.UnknownHostException if the name has no address that there is a socket for.
     * @throws StunException also if it is no name.
     */
    @JvmSynthetic
    public suspend fun mappedAddress(server: String, credentials: Credentials? = null): InetSocketAddress =
        core.ask(ServerName.parse(server), credentials)

    /** The same for Java. Cancelling the future, or its `orTimeout`, cancels the request. */
    @JvmOverloads
    public fun mappedAddressAsync(
        server: InetSocketAddress,
        credentials: Credentials? = null,
    ): CompletableFuture<InetSocketAddress> = core.future { mappedAddress(server, credentials) }

    /** The same for Java. */
    @JvmOverloads
    public fun mappedAddressAsync(
        server: String,
        credentials: Credentials? = null,
    ): CompletableFuture<InetSocketAddress> = core.future { mappedAddress(server, credentials) }

    // Operations

    /**
     * Asks for the public address, and goes on asking so that the NAT keeps it.
     *
     * The socket is that of the server's family, or the one at `local`; where `socketId` is given, the configuration is
     * taken as it is. The same for all of these. They raise an IOException if there is no such socket, and a
     * [StunException] for what contradicts itself; nothing has started then.
     */
    @Throws(IOException::class)
    public fun startBinding(config: BindingConfig): Binding = core.startBinding(config)

    /** Asks many servers at once, or one after the other as a race. */
    @Throws(IOException::class)
    public fun startSurvey(config: SurveyConfig): Operation = core.startSurvey(config)

    /** Answers Binding requests that arrive at this driver's sockets, until it is cancelled. */
    public fun startServer(config: ServerConfig): Operation = core.startServer(config)

    /**
     * Finds out what the NAT does (RFC 5780), from two sockets of its own: a test of how it filters needs sockets that
     * nothing was sent from before. They replace `local`, `second` and their numbers; of `local` the IP address is kept
     * if the driver has a socket there.
     */
    @Throws(IOException::class)
    public fun startNatProbe(config: NatConfig): Operation = core.startNatProbe(config)

    /** Gets a relayed address at a TURN server, and keeps it. Another one at the same server has its own socket. */
    @Throws(IOException::class)
    public fun startAllocation(config: AllocationConfig): Relay = core.startAllocation(config)

    // Commands

    /**
     * The host's addresses are these from now on. Call it when a network has come, gone or changed. What begins after
     * it begins at one of them. It may open sockets, and waits for nothing else.
     *
     * What was asked from an address that is gone goes on from the first of its family, where the driver opens a
     * socket; loopback and link-local addresses come last in that. Sockets at addresses that are gone are closed. If
     * the new one cannot be opened, its operations are told with each request, as of any that cannot be sent, and each
     * tries again. Sockets that are bound to no address, as without `local`, stay, and their operations ask again at
     * once what their public address is.
     */
    public fun networkChanged(addresses: Collection<InetAddress>): Unit = core.networkChanged(addresses)

    /** How the agent trades packets for wake-ups: [PowerProfile.IDLE] lets refreshes wait for each other. */
    public fun setPower(profile: PowerProfile): Unit = core.command { agent, now -> agent.setPower(profile, now) }

    /** The time between requests to one server that had to wait because ten were outstanding there. */
    public fun setPacing(interval: Duration): Unit = core.command { agent, _ -> agent.setPacing(interval) }

    /** The same for Java. */
    public fun setPacingNanos(interval: Long): Unit = setPacing(interval.nanoseconds)

    /** Keeps a binding alive that often from now on; `null` keeps it no longer. */
    public fun setRefresh(binding: Binding, interval: Duration?): Unit =
        core.command { agent, now -> agent.setRefresh(own(binding), interval, now) }

    /** The same for Java. */
    public fun setRefreshNanos(binding: Binding, interval: Long?): Unit = setRefresh(binding, interval?.nanoseconds)

    /** Answers [Redirected] where that waits for it: follows, or fails. */
    public fun answerRedirect(operation: Operation, accept: Boolean): Unit =
        core.command { agent, now -> agent.answerRedirect(own(operation), accept, now) }

    /** Adds a user to a server's realm, or changes a password. */
    public fun addUser(server: Operation, username: String, password: String): Unit =
        core.command { agent, _ -> agent.addUser(own(server), username, password) }

    /** Removes a user. False if there is none. */
    public fun removeUser(server: Operation, username: String): Boolean =
        core.command { agent, _ -> agent.removeUser(own(server), username) }

    /** How many operations run. */
    public val operationCount: Int get() = core.query { agent, _ -> agent.operationCount() }

    /**
     * Ends everything: operations without another event, whoever waits with a [StunException] of code
     * [StunErrorCode.CLOSED], flows with what is left in them. Relays are given back to their servers, without waiting
     * for an answer. Returns when thread and sockets are gone. Once more does nothing.
     */
    override fun close(): Unit = core.close()

    private fun own(operation: Operation): OperationId =
        if (operation.core === core) operation.id else throw invalid("the operation is another driver's")

    public companion object {
        /**
         * Opens the sockets and starts the loop.
         *
         * @param local an IP address and a port, 0 for any; `null` is any address of each family.
         * @throws IOException if a socket cannot be opened.
         * @throws StunException if the options contradict themselves.
         */
        @JvmStatic
        @JvmOverloads
        @Throws(IOException::class)
        public fun open(local: InetSocketAddress? = null, options: DriverOptions = DriverOptions()): Driver =
            Driver(DriverCore(listOfNotNull(local) + options.moreLocals, options))
    }
}
