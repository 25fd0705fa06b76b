package dev.libstun

import java.io.IOException
import java.net.BindException
import java.net.Inet4Address
import java.net.InetAddress
import java.net.InetSocketAddress
import java.net.StandardProtocolFamily
import java.nio.channels.ClosedChannelException
import java.nio.channels.DatagramChannel
import java.nio.channels.SelectionKey
import java.nio.channels.Selector
import java.util.concurrent.CopyOnWriteArrayList

/** One socket, known to the agent by [id]. One that [isPrivate] is for its [owner] only, and closed with that. */
internal class Link(val id: Int, val channel: DatagramChannel, val local: InetSocketAddress, val isPrivate: Boolean) {
    /** `null` for as long as the operation has not started. */
    @Volatile
    var owner: Operation? = null

    /** The host has left its address: nothing begins here any more, and what has begun is about to move. */
    @Volatile
    var isLeft = false

    /** What it stands for: the address that it is bound to, or the one whose port was taken. */
    var place = local

    /** Reads that have failed one after the other. */
    var errors = 0

    val isIpv4: Boolean get() = local.address is Inet4Address
    private val isAnywhere: Boolean get() = local.address.isAnyLocalAddress

    /** Whether it is of that address's family. */
    fun isOf(remote: InetAddress): Boolean = (remote is Inet4Address) == isIpv4

    /** An IPv6 socket that is bound to no address takes IPv4 as well on the JVM, which has no way to turn that off. */
    fun takesAlso(remote: InetAddress): Boolean = isAnywhere && !isIpv4 && remote is Inet4Address

    /** Whether it can stay where the host has those addresses. */
    fun isAt(present: Set<InetAddress>): Boolean = isAnywhere || local.address in present

    /** Its address on the way to and from [remote], for the agent: none for one of the other family. */
    fun localFor(remote: InetAddress): InetSocketAddress? = local.takeIf { isOf(remote) }
}

/**
 * The sockets of a driver. Any thread opens them; its loop registers and closes them, so that no selector is touched by
 * two threads.
 */
internal class Links(private val setup: SocketSetup?, private val wake: () -> Unit) {
    private val open = CopyOnWriteArrayList<Link>()
    private val opened = ArrayDeque<Link>()
    private val retired = ArrayDeque<Link>()
    private var nextId = 1
    private var isShut = false

    /** Held while it is found out what is missing somewhere, and opened there, so that it is not opened twice. */
    private val moving = Any()

    /** The host's addresses since the last [change]. */
    @Volatile
    var present: Set<InetAddress> = emptySet()
        private set

    /** Addresses to which the host has moved, where no socket could be opened yet, and whose it will be. */
    private val missing = LinkedHashMap<InetSocketAddress, Operation?>()

    /** Those of the driver itself, in the order in which they were opened. */
    val shared: List<Link> get() = open.filter { !it.isPrivate && !it.isLeft }

    /** A socket at each of the addresses; without any, one of each family that the host has. */
    @Throws(IOException::class)
    fun openAll(locals: List<InetSocketAddress>) {
        if (locals.isEmpty()) openAnywhere() else locals.forEach { open(it) }
    }

    /** Another socket. */
    @Throws(IOException::class)
    fun open(local: InetSocketAddress, owner: Operation? = null): Link {
        val link = open(local, owner != null)
        link.owner = owner
        // One that has ended meanwhile has not found this among its sockets, to close them.
        if (owner?.isRunning == false) retire(link)
        return link
    }

    /** Another socket, for an operation that will start. */
    @Throws(IOException::class)
    fun openPrivate(host: InetAddress): Link = open(InetSocketAddress(host, 0), true)

    /** Whether [pick] has a socket for it. */
    fun canReach(remote: InetAddress): Boolean =
        shared.any { it.isOf(remote) || it.takesAlso(remote) } || missingOfDriver(remote is Inet4Address) != null

    /**
     * The driver's socket to reach [remote] from, which is the one that is bound to [local] where that is given.
     * Raises IOException if there is none.
     */
    @Throws(IOException::class)
    fun pick(remote: InetAddress, local: InetSocketAddress? = null): Link {
        val bound = shared.filter { local == null || it.isBoundTo(local) }
        bound.firstOrNull { it.isOf(remote) }?.let { return it }
        if (local == null) openMissing(remote)?.let { return it }
        bound.firstOrNull { it.takesAlso(remote) }?.let { return it }
        if (synchronized(this) { isShut }) throw isClosed()
        val where = if (local == null) "" else " bound to $local"
        throw IOException("no socket$where of the family of ${remote.hostAddress}")
    }

    /** The IP address to reach [remote] from: that of [local] if there is a socket at it. */
    @Throws(IOException::class)
    fun hostFor(remote: InetAddress, local: InetSocketAddress): InetAddress =
        (shared.firstOrNull { it.isOf(remote) && it.local.address == local.address } ?: pick(remote)).local.address

    /** The host's IP address on the way to a server, which the system says without sending anything. */
    fun addressTowards(server: InetSocketAddress): InetAddress? = try {
        bound(InetSocketAddress(if (server.isIpv4()) ANY_IPV4 else ANY_IPV6, 0)).use { channel ->
            channel.connect(server)
            (channel.localAddress as InetSocketAddress).address.takeUnless { it.isAnyLocalAddress }
        }
    } catch (_: Exception) {
        null
    }

    /** What a packet of the agent goes out on. Raises IOException if there is nothing. */
    @Throws(IOException::class)
    fun forTransmit(transmit: Transmit): Link {
        val local = transmit.local
        open.firstOrNull { it.id == transmit.socketId && (local == null || local == it.local) }?.let { return it }
        if (local == null) return pick(transmit.remote.address)
        open.firstOrNull { it.local == local }?.let { return it }
        val (isMissing, owner) = synchronized(this) { (local in missing) to missing[local] }
        // It could not be bound when the host moved there. Perhaps the address is there by now.
        if (isMissing) return openAgain(local, owner)
        throw ClosedChannelException()
    }

    /** An operation has moved with the host: from now on there is a socket at [local], at the latest when it can be. */
    fun move(local: InetSocketAddress, owner: Operation?): Unit = synchronized(moving) {
        if (local.address.isAnyLocalAddress || open.any { it.local == local }) return
        try {
            open(local, owner)
        } catch (_: Exception) {
            // Its requests fail then, which the agent is told with each of them, and each tries again to open it.
            synchronized(this) { missing[local] = owner }
        }
    }

    /**
     * The host has these addresses: what begins from now on begins there. Then the agent is told. Sockets at others
     * stay until [leaveAllBut], because who is there has yet to move.
     */
    fun change(present: Set<InetAddress>, tell: () -> Unit): Unit = synchronized(moving) {
        enter(present)
        tell()
    }

    /** Those who had to move have done so. Sockets at addresses that the host has not are closed. */
    fun leaveAllBut(present: Set<InetAddress>): Unit = synchronized(moving) {
        if (present !== this.present) return // the host has moved on, and that comes next
        enter(present) // again, for who has moved meanwhile as an earlier change wanted it
        open.filter { it.isLeft || it.isPrivate && !it.isAt(present) }.forEach(::retire)
    }

    /** Whether an operation has a socket of its own, or waits for one. */
    fun hasOf(owner: Operation): Boolean =
        open.any { it.owner === owner } || synchronized(this) { missing.values.any { it === owner } }

    /** An operation goes on at that socket of its own: others of it are closed. */
    fun leaveFor(link: Link): Unit = open.filter { it.owner === link.owner && it !== link }.forEach(::retire)

    /** Closes what belongs to an operation that has ended. */
    fun release(owner: Operation) {
        synchronized(this) { missing.values.removeAll { it === owner } }
        open.filter { it.owner === owner }.forEach(::retire)
    }

    /** Nothing goes out on it any more, and the loop closes it. */
    fun retire(link: Link) {
        if (!open.remove(link)) return
        synchronized(this) { retired += link }
        wake()
    }

    /** Has the selector watch new sockets, and closes those that are not needed any more. For the loop. */
    fun settle(selector: Selector) {
        val (new, old) = synchronized(this) {
            (opened.toList() to retired.toList()).also { opened.clear(); retired.clear() }
        }
        for (link in new) {
            try {
                link.channel.register(selector, SelectionKey.OP_READ, link)
            } catch (_: ClosedChannelException) {
                open.remove(link)
            }
        }
        // Each gives back its descriptor when the loop selects next. To select here would swallow a wake-up.
        old.forEach { it.channel.close() }
    }

    /** Closes all. No other can be opened then. */
    fun shutDown() {
        val all = synchronized(this) {
            isShut = true
            (open + retired).also { opened.clear(); retired.clear(); missing.clear() }
        }
        open.clear()
        all.forEach { runCatching { it.channel.close() } }
    }

    private fun open(local: InetSocketAddress, isPrivate: Boolean): Link {
        if (local.isUnresolved) throw IOException("a socket is bound to an IP address, and $local is a name")
        val channel = bound(local)
        val link = synchronized(this) {
            if (isShut) {
                channel.close()
                throw isClosed()
            }
            Link(nextId++, channel, channel.localAddress as InetSocketAddress, isPrivate).also {
                open += it
                opened += it
                missing.keys.removeAll { wanted -> wanted == it.local }
            }
        }
        wake()
        return link
    }

    private fun enter(present: Set<InetAddress>) {
        this.present = present
        for (local in missingOutside(present)) {
            if (replace(local, present)) synchronized(this) { missing.remove(local) }
        }
        for (link in open.filter { !it.isPrivate }) {
            link.isLeft = !link.isAt(present) && replace(link.place, present)
        }
    }

    /**
     * Has the driver go on from the first of those addresses that is of the same family. False if there is none: then
     * there is nothing to move to yet.
     */
    private fun replace(gone: InetSocketAddress, present: Set<InetAddress>): Boolean {
        val host = present.firstOrNull { (it is Inet4Address) == gone.isIpv4() } ?: return false
        val local = InetSocketAddress(host, gone.port)
        if (open.any { !it.isPrivate && (it.local == local || it.place == local) }) return true
        // Where that very port is waited for, a socket near it would be one too many.
        if (isMissingOfDriver(local)) return true
        try {
            openAtOrNear(local)
        } catch (_: Exception) {
            synchronized(this) { missing[local] = null } // pick() tries again
        }
        return true
    }

    /** What the driver itself misses at addresses that the host has not any more. Operations that do will move. */
    private fun missingOutside(present: Set<InetAddress>): List<InetSocketAddress> = synchronized(this) {
        missing.entries.removeAll { (local, owner) -> owner != null && local.address !in present }
        missing.keys.filter { it.address !in present }
    }

    /** At that address or, where the port is taken, at another port of the same IP address. */
    private fun openAtOrNear(local: InetSocketAddress): Link =
        try {
            open(local)
        } catch (_: IOException) {
            open(InetSocketAddress(local.address, 0)).also { it.place = local }
        }

    private fun openAgain(local: InetSocketAddress, owner: Operation?): Link = try {
        synchronized(moving) { open.firstOrNull { it.local == local } ?: open(local, owner) }
    } catch (error: RuntimeException) { // of a SocketSetup
        throw BindException("cannot bind $local: $error").apply { initCause(error) }
    }

    /** A socket where the driver itself has moved to and could not open one yet. */
    private fun openMissing(remote: InetAddress): Link? = synchronized(moving) {
        shared.firstOrNull { it.isOf(remote) } ?: missingOfDriver(remote is Inet4Address)?.let(::openAtOrNear)
    }

    private fun missingOfDriver(isIpv4: Boolean): InetSocketAddress? = synchronized(this) {
        missing.entries.firstOrNull { (local, owner) -> owner == null && local.isIpv4() == isIpv4 }?.key
    }

    private fun isMissingOfDriver(local: InetSocketAddress): Boolean =
        synchronized(this) { local in missing && missing[local] == null }

    private fun openAnywhere() {
        var failure: Exception? = null
        for (host in listOf(ANY_IPV4, ANY_IPV6)) {
            try {
                open(InetSocketAddress(host, 0))
            } catch (error: IOException) {
                failure = error // the host has no such family
            } catch (error: UnsupportedOperationException) {
                failure = error // or the JVM was told to do without
            }
        }
        if (open.isEmpty()) throw IOException("no UDP socket could be opened", failure)
    }

    private fun bound(local: InetSocketAddress): DatagramChannel {
        val family = if (local.isIpv4()) StandardProtocolFamily.INET else StandardProtocolFamily.INET6
        val channel = DatagramChannel.open(family)
        try {
            setup?.prepare(channel)
            channel.configureBlocking(false)
            if (channel.localAddress == null) channel.bind(local)
        } catch (error: IOException) {
            channel.close()
            throw BindException("cannot bind $local: ${error.message}").apply { initCause(error) }
        } catch (error: Throwable) {
            channel.close()
            throw error
        }
        return channel
    }
}

private val ANY_IPV4 = InetAddress.getByAddress(ByteArray(4))
private val ANY_IPV6 = InetAddress.getByAddress(ByteArray(16))

private fun InetSocketAddress.isIpv4() = address is Inet4Address

private fun Link.isBoundTo(wanted: InetSocketAddress) =
    local.address == wanted.address && (wanted.port == 0 || wanted.port == local.port)
