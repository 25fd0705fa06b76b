package dev.libstun.benches

import dev.libstun.Agent
import dev.libstun.BindingConfig
import dev.libstun.Outcome
import dev.libstun.Refreshed
import dev.libstun.ServerConfig
import java.net.InetAddress
import java.net.InetSocketAddress
import java.nio.ByteBuffer
import kotlin.time.Duration.Companion.nanoseconds

internal val CLIENT = InetSocketAddress(InetAddress.getByName("10.0.0.2"), 5000)
internal val SERVER = InetSocketAddress(InetAddress.getByName("192.0.2.1"), 3478)
internal const val REFRESH = 25_000_000_000L

/** Something that is done in several ways, each with an agent of its own that never rests. */
internal abstract class Work(val title: String) : AutoCloseable {
    protected val direct: Agent = Agent(0, ByteArray(32) { 1 })
    protected val heap: Agent = Agent(0, ByteArray(32) { 1 })
    protected val flat = Raw()
    protected val five = Raw()
    protected val client = endpoint(CLIENT)
    protected val server = endpoint(SERVER)

    /** By name. Each checks that it has done what it should. */
    abstract val ways: Map<String, () -> Unit>

    protected fun ways(direct: () -> Unit, heap: () -> Unit, flat: () -> Unit, five: () -> Unit) = mapOf(
        "Agent, direct" to direct,
        "Agent, ByteArray" to heap,
        "generated layer" to flat,
        "five calls" to five,
    )

    override fun close() {
        listOf(direct, heap, flat, five).forEach(AutoCloseable::close)
    }
}

/** A datagram of another protocol at an agent that keeps a binding: what media costs that share a socket with it. */
internal class OtherProtocol : Work("another protocol's 1200 bytes") {
    private val bytes = ByteArray(1_200) { 0x80.toByte() }
    private val buffer: ByteBuffer = ByteBuffer.allocateDirect(bytes.size).put(bytes).flip()

    init {
        for (agent in listOf(direct, heap)) {
            agent.startBinding(BindingConfig(SERVER, CLIENT), 0)
            agent.drain()
        }
        for (raw in listOf(flat, five)) {
            raw.startBinding()
            raw.agent.drain()
        }
    }

    override val ways = ways(
        direct = { check(direct.exchange(buffer, SERVER, 0, CLIENT).outcome == Outcome.IGNORED) },
        heap = { check(heap.exchange(bytes, SERVER, 0, CLIENT).outcome == Outcome.IGNORED) },
        flat = { check(flat.exchange(buffer, client, server, 0)[8].toInt() == 0) },
        five = { check(five.turn(buffer, client, server, 0) == null) },
    )
}

/** A binding asks again, is answered, and says so: two crossings, or two turns of the loop. */
internal class Refresh : Work("a refresh: time, answer, event") {
    private val bytes = ByteArray(32)
    private val buffer: ByteBuffer = ByteBuffer.allocateDirect(bytes.size)
    private val now = mutableMapOf<Any, Long>()

    init {
        for (agent in listOf(direct, heap)) {
            agent.startBinding(BindingConfig(SERVER, CLIENT, refresh = REFRESH.nanoseconds), 0)
            answer(agent.drain().transmits.single().bytes, 0)
            check(agent.exchange(bytes, SERVER, 0, CLIENT).events.size == 1)
        }
        for (raw in listOf(flat, five)) {
            raw.startBinding()
            answer(raw.agent.drain(), IN_BUFFER)
            raw.exchange(buffer, client, server, 0)
        }
    }

    override val ways = ways(
        direct = {
            val at = next(direct)
            answer(direct.tick(at).transmits.single().bytes, 0)
            check(direct.exchange(buffer, SERVER, at, CLIENT).events.single().event is Refreshed)
        },
        heap = {
            val at = next(heap)
            answer(heap.tick(at).transmits.single().bytes, 0)
            check(heap.exchange(bytes, SERVER, at, CLIENT).events.single().event is Refreshed)
        },
        flat = {
            val at = next(flat)
            answer(flat.agent.tick(at.toULong()), IN_BUFFER)
            check(flat.exchange(buffer, client, server, at)[16].toInt() == 1)
        },
        five = {
            val at = next(five)
            five.agent.handleTimeout(at.toULong())
            answer(checkNotNull(five.poll(at)), IN_PACKET)
            check(five.turn(buffer, client, server, at) == null)
        },
    )

    private fun next(who: Any): Long = ((now[who] ?: 0) + REFRESH).also { now[who] = it }

    /** An answer to the request that begins there: XOR-MAPPED-ADDRESS and nothing else. */
    private fun answer(request: ByteArray, from: Int) {
        ByteBuffer.wrap(bytes).putInt(0x0101_000C).put(request, from + 4, 16)
            .putInt(0x0020_0008).putInt(0x0001_1234).putInt(0x0102_0304)
        buffer.clear().put(bytes).flip()
    }
}

/** A Binding request at a server, and its answer. */
internal class Request : Work("a request at a server, answered") {
    private val bytes: ByteArray =
        ByteBuffer.allocate(20).putInt(0x0001_0000).putInt(0x2112_A442).putLong(7).putInt(7).array()
    private val buffer: ByteBuffer = ByteBuffer.allocateDirect(bytes.size).put(bytes).flip()

    init {
        for (agent in listOf(direct, heap)) agent.startServer(ServerConfig(budget = false), 0)
        for (raw in listOf(flat, five)) raw.startServer()
    }

    override val ways = ways(
        direct = { check(direct.exchange(buffer, CLIENT, 0, SERVER).transmits.single().remote == CLIENT) },
        heap = { check(heap.exchange(bytes, CLIENT, 0, SERVER).transmits.single().remote == CLIENT) },
        flat = { check(flat.exchange(buffer, server, client, 0)[12].toInt() == 1) },
        five = { check(five.turn(buffer, server, client, 0) != null) },
    )
}
