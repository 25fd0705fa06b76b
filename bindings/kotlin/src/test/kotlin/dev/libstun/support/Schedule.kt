package dev.libstun.support

import dev.libstun.Agent
import dev.libstun.AllocationConfig
import dev.libstun.BindingConfig
import dev.libstun.LongTerm
import dev.libstun.NatConfig
import dev.libstun.Output
import dev.libstun.PowerProfile
import dev.libstun.SendError
import dev.libstun.ServerConfig
import dev.libstun.SurveyConfig
import dev.libstun.SurveyTarget
import dev.libstun.Transmit
import java.net.InetSocketAddress
import java.util.PriorityQueue
import kotlin.random.Random
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/**
 * A client and a server with a network between them that loses, delays, reorders and repeats, in virtual time. All of
 * it comes from a seed.
 */
internal class Schedule(seed: Int) : AutoCloseable {
    private val random = Random(seed)
    val client = Twins(1 + seed % 250, "client")
    val server = Twins(1 + (seed + 1) % 250, "server")
    private val loss = random.nextDouble(0.6)
    private val flights = PriorityQueue<Flight>(compareBy({ it.at }, { it.number }))
    private val ids = mutableListOf<Long>()
    private val asked = ArrayDeque<Transmit>()
    private var sent = 0

    /** Where the server sees the client: its NAT may forget it. */
    private var nat = MAPPED
    private var now = 0L

    private class Flight(
        val at: Long,
        val number: Int,
        val from: InetSocketAddress,
        val to: InetSocketAddress,
        val bytes: ByteArray,
    )

    init {
        val isClosed = random.nextInt(3) == 0
        val config = if (isClosed) ServerConfig(realm = "x", users = mapOf("alice" to "s3cret")) else ServerConfig()
        carry(SERVER, server.command(0) { agent, at -> agent.startServer(config, at) })
        repeat(3) { start() }
    }

    /** Time moves, and something happens. */
    fun step() {
        when (random.nextInt(20)) {
            in 0..8 -> advance(next() ?: (now + random.nextLong(SECOND)))
            in 9..11 -> advance(now + random.nextLong(3 * SECOND))
            in 12..13 -> late()
            14 -> earlier()
            15 -> garbage()
            16 -> fail()
            17 -> nat = InetSocketAddress(MAPPED.address, random.nextInt(50_000, 50_004))
            18 -> command()
            else -> start()
        }
    }

    /**
     * Sleeps exactly to each deadline, without any loss of time: it comes to rest, or goes on for ever with refreshes.
     */
    fun finish() {
        repeat(60) { advance(next() ?: return) }
    }

    override fun close() {
        client.close()
        server.close()
    }

    /** When the next thing happens. */
    private fun next(): Long? = listOfNotNull(client.deadline, server.deadline, flights.peek()?.at).minOrNull()

    private fun advance(at: Long) {
        now = maxOf(now, at)
        while (flights.isNotEmpty() && flights.peek().at <= now) arrive(flights.poll())
        carry(CLIENT, client.wake(now))
        carry(SERVER, server.wake(now))
    }

    /** Nobody looked for a while, such as in a phone that slept. */
    private fun late() = advance((next() ?: now) + random.nextLong(120 * SECOND))

    /** A clock that went back. */
    private fun earlier() {
        val then = if (random.nextBoolean()) 0 else maxOf(0, now - random.nextLong(60 * SECOND))
        carry(CLIENT, client.wake(then))
        carry(SERVER, server.wake(then))
    }

    private fun arrive(flight: Flight) {
        val (twins, here) = if (flight.to == SERVER) server to SERVER else client to CLIENT
        val from = if (flight.to == SERVER) nat else flight.from
        carry(here, twins.each(now) { agent, at -> agent.exchange(flight.bytes, from, at, here) })
    }

    private fun carry(from: InetSocketAddress, output: Output) {
        for (transmit in output.transmits) {
            if (from == CLIENT) asked.addLast(transmit)
            if (asked.size > 6) asked.removeFirst()
            repeat(if (random.nextInt(20) == 0) 2 else 1) {
                if (random.nextDouble() < loss) return@repeat
                val to = if (from == CLIENT) transmit.remote else CLIENT
                if (to != SERVER && to != CLIENT) return@repeat
                flights += Flight(now + random.nextLong(400 * MILLISECOND), sent++, from, to, transmit.bytes)
            }
        }
    }

    private fun garbage() {
        val isRandom = asked.isEmpty() || random.nextBoolean()
        val bytes = if (isRandom) random.nextBytes(random.nextInt(60)) else forged(asked.random(random).bytes)
        carry(CLIENT, client.each(now) { agent, at -> agent.exchange(bytes, SERVER, at, CLIENT) })
        carry(SERVER, server.each(now) { agent, at -> agent.exchange(bytes, MAPPED, at, SERVER) })
    }

    private fun forged(request: ByteArray): ByteArray =
        if (random.nextBoolean()) mapped(request) else refusal(request, listOf(300, 400, 401, 438, 500).random(random))

    private fun fail() {
        val failed = asked.randomOrNull(random) ?: return
        val error = SendError.entries.random(random)
        carry(CLIENT, client.command(now) { agent, at -> agent.sendFailed(failed, error, at) })
    }

    private fun command() {
        val id = ids.randomOrNull(random) ?: 0
        val number = random.nextInt(1, 60)
        val calls = listOf<(Agent, Long) -> Any?>(
            { agent, at -> agent.cancel(id, at) },
            { agent, at -> agent.setRefresh(id, number.seconds, at) },
            { agent, at -> agent.setPower(PowerProfile(maxSlack = number.seconds), at) },
            { agent, _ -> agent.setPacing(number.milliseconds) },
            { agent, at -> agent.networkChanged(listOf(host(if (number % 2 == 0) "10.0.0.2" else "10.9.0.2")), at) },
            { agent, at -> agent.permit(id, PEER.address, at) },
            { agent, at -> agent.bindChannel(id, PEER, at) },
            { agent, at -> agent.closeRelay(id, at) },
        )
        carry(CLIENT, client.command(now, calls.random(random)))
    }

    private fun start() {
        val which = random.nextInt(6)
        carry(CLIENT, client.command(now) { agent, at -> started(which, agent, at).also { ids += it } })
    }

    private fun started(which: Int, agent: Agent, at: Long): Long = when (which) {
        0 -> agent.startBinding(BindingConfig(SERVER, local = CLIENT), at)
        1 -> agent.startBinding(BindingConfig(SERVER, local = CLIENT, credentials = LongTerm("alice", "s3cret")), at)
        2 -> agent.startBinding(BindingConfig(OTHER, local = CLIENT, refresh = null), at)
        3 -> {
            val targets = listOf(SERVER, OTHER).map { SurveyTarget(it, local = CLIENT) }
            agent.startSurvey(SurveyConfig(targets, attemptDelay = 200.milliseconds), at)
        }
        4 -> agent.startNatProbe(NatConfig(SERVER, local = CLIENT), at)
        else -> {
            val credentials = LongTerm("alice", "s3cret")
            agent.startAllocation(AllocationConfig(SERVER, local = CLIENT, credentials = credentials), at)
        }
    }
}
