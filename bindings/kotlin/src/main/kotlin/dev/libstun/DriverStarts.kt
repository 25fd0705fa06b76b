package dev.libstun

import java.net.Inet4Address
import java.net.InetAddress
import java.net.InetSocketAddress
import java.net.UnknownHostException

/** A server as people write it. */
internal class ServerName(val host: String, val port: Int) {
    companion object {
        /** Raises a [StunException] for what is none. */
        fun parse(text: String): ServerName {
            val trimmed = text.trim()
            val match = FORM.matchEntire(trimmed)
            // More than one colon without brackets is an IPv6 address, which has no port then.
            if (match == null && BARE_IPV6.matches(trimmed)) return ServerName(trimmed, DEFAULT_PORT)
            val (bracketed, plain, digits) = match?.destructured ?: throw invalid(text)
            val port = if (digits.isEmpty()) DEFAULT_PORT else digits.toIntOrNull() ?: 0
            if (port !in 1..65535) throw invalid(text)
            return ServerName(bracketed.ifEmpty { plain }, port)
        }

        private fun invalid(text: String) =
            StunException(StunErrorCode.INVALID, "\"$text\" is no server: host, host:port or [address]:port")
    }
}

/** Asks once. */
internal suspend fun DriverCore.ask(server: InetSocketAddress, credentials: Credentials?): InetSocketAddress {
    val binding = startBinding(BindingConfig(server, refresh = null, credentials = credentials))
    try {
        return binding.mapped()
    } finally {
        binding.cancel()
    }
}

/** Asks the addresses of a name, and takes what is answered first. */
internal suspend fun DriverCore.ask(server: ServerName, credentials: Credentials?): InetSocketAddress {
    checkOpen()
    val found = outside { InetAddress.getAllByName(server.host).toList() }
    val addresses = inTurn(found.filter(links::canReach)).map { InetSocketAddress(it, server.port) }
    return when (addresses.size) {
        0 -> throw UnknownHostException("${server.host} has no address that there is a socket for")
        1 -> ask(addresses[0], credentials)
        else -> race(addresses.take(MAX_ADDRESSES), credentials)
    }
}

private suspend fun DriverCore.race(
    addresses: List<InetSocketAddress>,
    credentials: Credentials?,
): InetSocketAddress {
    val config = SurveyConfig(
        addresses.map { SurveyTarget(it) },
        enough = 1,
        deadline = null,
        attemptDelay = SurveyConfig.ATTEMPT_DELAY,
        credentials = credentials,
    )
    val race = startSurvey(config)
    try {
        race.finished()
        return race.answer ?: throw OperationFailedException(race.noAnswer ?: error("a survey ended without a word"))
    } finally {
        race.cancel()
    }
}

internal fun DriverCore.startBinding(config: BindingConfig): Binding {
    checkUdp(config.transport)
    if (config.socketId != 0) return beginBinding(config)
    val host = hostOf(config.server)
    val link = links.pick(host, config.local)
    return beginBinding(config.copy(local = link.localFor(host), socketId = link.id)).also { moveOn(listOf(link)) }
}

private fun DriverCore.beginBinding(config: BindingConfig): Binding =
    begin({ agent, now -> agent.startBinding(config, now) }) { Binding(this, it) }

internal fun DriverCore.startSurvey(config: SurveyConfig): Survey {
    config.targets.forEach { checkUdp(it.transport) }
    val used = mutableListOf<Link>()
    val targets = config.targets.map { if (it.socketId != 0) it else placed(it, used) }
    return begin({ agent, now -> agent.startSurvey(config.copy(targets = targets), now) }) { Survey(this, it) }
        .also { moveOn(used) }
}

internal fun DriverCore.startServer(config: ServerConfig): Operation {
    val placed = fourSockets(config)
    return begin({ agent, now -> agent.startServer(placed, now) }) { Operation(this, it) }
}

internal fun DriverCore.startNatProbe(config: NatConfig): Operation {
    val host = links.hostFor(hostOf(config.server), config.local)
    val first = links.openPrivate(host)
    val second = try {
        links.openPrivate(host)
    } catch (error: Throwable) {
        links.retire(first)
        throw error
    }
    try {
        val placed = config.copy(
            local = first.local,
            socketId = first.id,
            second = second.local,
            secondSocketId = second.id,
            own = config.own ?: links.addressTowards(config.server),
        )
        return begin({ agent, now -> agent.startNatProbe(placed, now) }) { id ->
            Operation(this, id).also { first.owner = it; second.owner = it }
        }
    } catch (error: Throwable) {
        links.retire(first)
        links.retire(second)
        throw error
    }
}

internal fun DriverCore.startAllocation(config: AllocationConfig): Relay {
    checkUdp(config.transport)
    if (config.socketId != 0) return beginRelay(config)
    val host = hostOf(config.server)
    val shared = links.pick(host, config.local)
    if (!isTakenForRelay(shared, config.server)) {
        try {
            return beginRelay(config.copy(local = shared.localFor(host), socketId = shared.id))
                .also { moveOn(listOf(shared)) }
        } catch (error: Throwable) {
            isFreeForRelay(shared, config.server)
            throw error
        }
    }
    val own = links.openPrivate(shared.local.address)
    try {
        return beginRelay(config.copy(local = own.localFor(host), socketId = own.id), own)
            .also { moveOn(listOf(shared)) }
    } catch (error: Throwable) {
        links.retire(own)
        throw error
    }
}

private fun DriverCore.beginRelay(config: AllocationConfig, own: Link? = null): Relay =
    begin({ agent, now -> agent.startAllocation(config, now) }) { id ->
        Relay(this, id, config.server).also { own?.owner = it }
    }

/** What has begun at an address just when the host left it is told so, for the agent may have known before. */
private fun DriverCore.moveOn(used: List<Link>) {
    if (used.any { it.isLeft }) networkChanged(links.present)
}

private fun DriverCore.placed(target: SurveyTarget, used: MutableList<Link>): SurveyTarget {
    val host = hostOf(target.server)
    val link = links.pick(host, target.local).also(used::add)
    return target.copy(local = link.localFor(host), socketId = link.id)
}

private fun checkUdp(transport: Transport) {
    if (transport != Transport.UDP) {
        throw StunException(StunErrorCode.INVALID, "a driver has UDP sockets, and no connections over $transport")
    }
}

/** The configuration with the numbers of the four sockets that RFC 5780 needs, which the driver was opened with. */
private fun DriverCore.fourSockets(config: ServerConfig): ServerConfig {
    val (first, second) = (config.local ?: return config) to (config.alternate ?: return config)
    if (config.socketIds.any { it != 0 }) return config
    val numbers = listOf(first, second).flatMap { ip -> listOf(first, second).map { port -> hostOf(ip) to port.port } }
        .map { (ip, port) -> numberAt(InetSocketAddress(ip, port)) }
    return config.copy(socketIds = numbers)
}

private fun DriverCore.numberAt(local: InetSocketAddress): Int =
    links.shared.firstOrNull { it.local == local }?.id
        ?: throw StunException(StunErrorCode.INVALID, "RFC 5780 needs a socket at $local: open the driver with it")

/** IPv6 and IPv4 in turn, beginning with what the system has put first. */
private fun inTurn(found: List<InetAddress>): List<InetAddress> {
    val (same, other) = found.partition { (it is Inet4Address) == (found[0] is Inet4Address) }
    return (0 until maxOf(same.size, other.size)).flatMap { listOfNotNull(same.getOrNull(it), other.getOrNull(it)) }
}

private const val DEFAULT_PORT = 3478

/** As many as are raced: what follows would have no time left. */
private const val MAX_ADDRESSES = 8

private val BARE_IPV6 = Regex("""[\w.%-]*(?::[\w.%-]*){2,}""")

private val FORM = Regex("""(?:\[([\w:.%-]+)]|([^:\s\[\]/]+))(?::(\d{1,5}))?""")
