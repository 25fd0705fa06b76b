package dev.libstun

import dev.libstun.support.CLIENT
import dev.libstun.support.SERVER
import dev.libstun.support.mapped
import dev.libstun.support.refused
import dev.libstun.support.request
import dev.libstun.support.seeded
import dev.libstun.support.transactionOf
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import java.net.InetSocketAddress
import java.nio.ByteBuffer
import java.util.concurrent.Callable
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.CyclicBarrier
import java.util.concurrent.ExecutionException
import java.util.concurrent.Executors
import java.util.concurrent.atomic.AtomicInteger

/** Any number of threads may use one agent, and each call is atomic. */
@Timeout(300)
internal class ThreadsTest {
    @Test
    fun `each of many threads gets the answers to what it has handed in itself`() {
        seeded().use { agent ->
            agent.startServer(ServerConfig(budget = false), 0)
            together(THREADS) { thread ->
                val here = InetSocketAddress(CLIENT.address, 5_000 + thread)
                val buffer = ByteBuffer.allocateDirect(20)
                for (number in 0 until 1_000L) {
                    val request = request(thread * 1_000_000 + number)
                    buffer.clear().put(request).flip()
                    val reply = agent.exchange(buffer, here, number, SERVER).transmits.single()
                    assertEquals(here, reply.remote)
                    assertArrayEquals(transactionOf(request), transactionOf(reply.bytes))
                }
            }
            assertEquals(0, agent.dropped())
        }
    }

    @Test
    fun `operations that many threads start, drive and end are all told and all gone`() {
        seeded().use { agent ->
            val (told, cancelled) = ConcurrentLinkedQueue<AgentEvent>() to AtomicInteger()
            together(THREADS) { thread ->
                val server = InetSocketAddress(SERVER.address, 1_000 + thread)
                repeat(500) { number ->
                    val id = agent.startBinding(BindingConfig(server, local = CLIENT, refresh = null), 0)
                    // Another thread may have taken what was queued, and answered it before.
                    if (number % 5 == 0 && refusal { agent.cancel(id, 0) } == null) cancelled.incrementAndGet()
                    told += answerAll(agent, agent.drain())
                }
            }
            // What had to wait for others to the same server is sent when its time has come.
            while (agent.operationCount() > 0) {
                told += answerAll(agent, agent.tick(checkNotNull(agent.drain().deadline)))
            }
            assertTrue(cancelled.get() in 1..THREADS * 100, "$cancelled")
            val ended = THREADS * 500 - cancelled.get()
            assertEquals(ended to ended, told.count { it.event is Mapped } to told.count { it.isLast })
            assertEquals(ended, told.map { it.id }.toSet().size)
            assertEquals(0, agent.operationCount())
        }
    }

    @Test
    fun `an agent that is closed while others call refuses them, and nothing worse`() {
        repeat(10) { round ->
            val agent = seeded(1 + round)
            agent.startServer(ServerConfig(budget = false), 0)
            val refused = AtomicInteger()
            together(THREADS) { thread ->
                if (thread == 0) {
                    repeat(round % 20) { Thread.onSpinWait() }
                    return@together agent.close()
                }
                val numbers = generateSequence(0L) { it + 1 }
                val error = numbers.firstNotNullOf { number -> refusal { call(agent, thread, number) } }
                assertEquals(StunErrorCode.CLOSED, error.code)
                refused.incrementAndGet()
            }
            assertEquals(THREADS - 1, refused.get())
            agent.close()
        }
    }

    @Test
    fun `an agent that many threads close at once is closed once`() {
        repeat(100) { round ->
            val agent = seeded(1 + round)
            together(THREADS) { agent.close() }
            refused(StunErrorCode.CLOSED) { agent.drain() }
        }
    }

    /** Answers what is to be sent, until there is no more. Gives what was told. */
    private fun answerAll(agent: Agent, first: Output): List<AgentEvent> {
        val told = first.events.toMutableList()
        val queue = ArrayDeque(first.transmits)
        while (queue.isNotEmpty()) {
            val asked = queue.removeFirst()
            val output = agent.exchange(mapped(asked.bytes), asked.remote, 0, CLIENT)
            told += output.events
            queue += output.transmits
        }
        return told
    }

    private fun call(agent: Agent, thread: Int, number: Long): Any = when (thread % 4) {
        0 -> agent.tick(number)
        1 -> agent.exchange(request(number), CLIENT, number, SERVER)
        2 -> {
            val id = agent.startBinding(BindingConfig(SERVER, local = CLIENT, refresh = null), number)
            agent.cancel(id, number)
        }
        else -> agent.dropped() + agent.operationCount()
    }

    private fun refusal(call: () -> Any): StunException? = try {
        call()
        null
    } catch (error: StunException) {
        error
    }

    /** Does the same in many threads, which all begin at once. What one of them throws is thrown here. */
    private fun together(count: Int, work: (Int) -> Unit) {
        val (pool, barrier) = Executors.newFixedThreadPool(count) to CyclicBarrier(count)
        try {
            val all = List(count) { thread ->
                Callable {
                    barrier.await()
                    work(thread)
                }
            }
            pool.invokeAll(all).forEach { it.get() }
        } catch (error: ExecutionException) {
            throw error.cause ?: error
        } finally {
            pool.shutdownNow()
        }
    }

    private companion object {
        const val THREADS = 8
    }
}
