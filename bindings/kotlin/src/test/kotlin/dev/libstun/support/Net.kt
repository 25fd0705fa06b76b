package dev.libstun.support

import dev.libstun.Agent
import dev.libstun.AgentEvent
import dev.libstun.Output
import java.net.InetSocketAddress
import java.util.PriorityQueue

/** An agent on the network, with its sockets: address and number. */
internal class Node(val agent: Agent, val sockets: Map<InetSocketAddress, Int>) {
    val events = mutableListOf<AgentEvent>()
    var deadline: Long? = null
}

/** Agents, and datagrams on their way between them, in virtual time: equal runs are equal, and nobody waits. */
internal class Net(private val delay: Long = 10 * MILLISECOND) {
    private class Flight(
        val at: Long,
        val number: Int,
        val source: InetSocketAddress,
        val to: InetSocketAddress,
        val data: ByteArray,
    )

    private val nodes = mutableListOf<Node>()
    private val flights = PriorityQueue<Flight>(compareBy({ it.at }, { it.number }))
    private var sent = 0
    var now = 0L
        private set

    fun add(agent: Agent, sockets: Map<InetSocketAddress, Int>): Node = Node(agent, sockets).also { nodes += it }

    /** Lets time pass until something is so; that it is not by the end is a failure. */
    fun run(end: Long, until: () -> Boolean) {
        nodes.forEach { took(it, it.agent.drain()) }
        while (!until()) {
            val at = (nodes.mapNotNull { it.deadline } + listOfNotNull(flights.peek()?.at)).minOrNull()
            check(at != null && at <= end) { "not by $end; the next thing happens at $at" }
            now = maxOf(at, now)
            while (flights.isNotEmpty() && flights.peek().at <= now) arrive(flights.poll())
            for (node in nodes) if ((node.deadline ?: Long.MAX_VALUE) <= now) took(node, node.agent.tick(now))
        }
    }

    private fun took(node: Node, output: Output) {
        node.deadline = output.deadline
        node.events += output.events
        for (transmit in output.transmits) {
            val local = transmit.local.takeIf { it in node.sockets } ?: node.sockets.keys.first()
            check(transmit.socketId == node.sockets[local]) { "$transmit has the number of another socket" }
            flights += Flight(now + delay, sent++, local, transmit.remote, transmit.bytes)
        }
    }

    private fun arrive(flight: Flight) {
        for (node in nodes) {
            val socketId = node.sockets[flight.to] ?: continue
            took(node, node.agent.exchange(flight.data, flight.source, now, flight.to, socketId = socketId))
        }
    }
}
