/*
 * What an app on a phone does: it learns its public address, keeps it with as few wake-ups of the radio as can be, and
 * goes on when the network changes.
 *
 *     MobileKt SERVER:PORT [ADDRESS NEXT_ADDRESS]
 *
 * With two of the host's addresses it begins at the first, which goes away then; on Linux 127.0.0.2 and 127.0.0.3 will
 * do for a server on loopback. Without them its sockets are bound to no address, as they mostly are on a phone.
 *
 * On Android pass `Clock { SystemClock.elapsedRealtimeNanos() }`, because NATs do not sleep when the phone does, and call
 * `networkChanged()` from a `ConnectivityManager.NetworkCallback`.
 */

import dev.libstun.Agent
import dev.libstun.AgentEvent
import dev.libstun.BindingConfig
import dev.libstun.Driver
import dev.libstun.Mapped
import dev.libstun.PowerProfile
import dev.libstun.Refreshed
import dev.libstun.Restarted
import dev.libstun.ServerConfig
import dev.libstun.Transmit
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.launch
import java.net.InetAddress
import java.net.InetSocketAddress
import java.net.NetworkInterface
import kotlin.system.exitProcess
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.seconds

suspend fun main(arguments: Array<String>) {
    if (arguments.size != 1 && arguments.size != 3) {
        System.err.println("usage: MobileKt SERVER:PORT [ADDRESS NEXT_ADDRESS]")
        exitProcess(2)
    }
    val (host, port) = arguments[0].substringBeforeLast(':') to arguments[0].substringAfterLast(':').toInt()
    val server = InetSocketAddress(InetAddress.getByName(host.trim('[', ']')), port)
    val addresses = arguments.drop(1).map(InetAddress::getByName)
    Driver.open(addresses.firstOrNull()?.let { InetSocketAddress(it, 0) }).use { driver ->
        live(driver, server, addresses.drop(1).ifEmpty { hostAddresses() })
    }
    println("radio wake-ups in an hour of three bindings:")
    println("  active profile: ${sendingWakeUpsOfAnHour(PowerProfile.ACTIVE)}")
    println("  idle profile:   ${sendingWakeUpsOfAnHour(PowerProfile.IDLE)}")
}

/** Discover, keep alive, survive a network change. Every event is printed as it happens. */
private suspend fun live(driver: Driver, server: InetSocketAddress, next: List<InetAddress>) = coroutineScope {
    val printing = launch(start = CoroutineStart.UNDISPATCHED) { driver.events.collect { println(it) } }
    println("public address: ${driver.mappedAddress(server)}")

    driver.setPower(PowerProfile.IDLE) // in the pocket: what is due soon is sent along with what is due now
    val binding = driver.startBinding(BindingConfig(server, refresh = 2.seconds))
    println("kept alive: ${binding.mapped()}")
    binding.events.first { it.event !is Mapped } // the first refresh

    println("the network changes")
    driver.networkChanged(next)
    binding.events.first { it.event is Restarted }
    binding.events.first { it.event is Mapped || it.event is Refreshed } // the answer to what was asked again
    println("public address on the other network: ${binding.address}")

    val counters = driver.counters
    println("${counters.sendingWakeUps} of ${counters.wakeUps} wake-ups have sent something")
    driver.close()
    printing.join()
}

/** Those that lead to a server elsewhere, which an operation may be moved to. */
private fun hostAddresses(): List<InetAddress> =
    NetworkInterface.networkInterfaces().toList()
        .filter { it.isUp && !it.isLoopback }
        .flatMap { it.inetAddresses().toList() }
        .filter { !it.isLinkLocalAddress }

/**
 * How often the radio would be woken in an hour that passes at once: an agent does no I/O and asks nobody for the time,
 * so that it can be driven through any time by whoever calls it.
 */
private fun sendingWakeUpsOfAnHour(profile: PowerProfile): Int {
    val hour = VirtualHour(profile)
    hour.use { it.run() }
    return hour.sendingWakeUps
}

private class VirtualHour(profile: PowerProfile) : AutoCloseable {
    private val client = Agent(0).apply { setPower(profile, 0) }
    private val server = Agent(0).apply { startServer(ServerConfig(), 0) }
    private val here = InetSocketAddress(InetAddress.getByName("198.51.100.7"), 5000)

    /** Three parts of an app, which began one after the other and keep their bindings as often as is usual. */
    private val starts = ArrayDeque(listOf(0.seconds, 4.seconds, 9.seconds).map { it.inWholeNanoseconds })

    var sendingWakeUps = 0
        private set

    fun run() {
        var now = 0L
        while (now < 1.hours.inWholeNanoseconds) {
            if (starts.firstOrNull() == now) start(now)
            val due = client.tick(now)
            if (due.transmits.isNotEmpty()) sendingWakeUps++
            val deadline = due.transmits.fold(due.deadline) { _, transmit -> answered(transmit, now) }
            now = listOfNotNull(deadline, starts.firstOrNull()).min()
        }
    }

    private fun start(now: Long) {
        val place = starts.size
        starts.removeFirst()
        client.startBinding(BindingConfig(InetSocketAddress(InetAddress.getByName("192.0.2.$place"), 3478)), now)
    }

    /** Has the server answer at once. Returns the deadline of the client after that. */
    private fun answered(request: Transmit, now: Long): Long? {
        val answer = server.exchange(request.bytes, here, now, local = request.remote).transmits.single()
        return client.exchange(answer.bytes, answer.local!!, now).deadline
    }

    override fun close() {
        client.close()
        server.close()
    }
}
