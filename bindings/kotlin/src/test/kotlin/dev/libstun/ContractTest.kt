package dev.libstun

import dev.libstun.support.CLIENT
import dev.libstun.support.HOUR
import dev.libstun.support.MILLISECOND
import dev.libstun.support.SERVER
import dev.libstun.support.Schedule
import dev.libstun.support.Twins
import dev.libstun.support.mapped
import dev.libstun.support.only
import dev.libstun.support.request
import dev.libstun.support.seeded
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.opentest4j.AssertionFailedError
import java.net.InetSocketAddress
import java.util.stream.Collectors

/** The contract of the README, held by random schedules: see [Twins] for who is treated how. */
internal class ContractTest {
    /** Schedules that did nothing would keep it too: so most kinds of events have to come. */
    @Test
    fun `random schedules of two agents with loss between them keep the contract`() {
        val seen = (0 until SCHEDULES).toList().parallelStream().map { seed ->
            try {
                run(seed)
            } catch (error: AssertionFailedError) {
                throw AssertionError("the schedule of seed $seed: ${error.message}", error)
            }
        }.collect(Collectors.toList()).flatten().toSet()
        val wanted = setOf(
            "Mapped", "Refreshed", "AddressChanged", "Retrying", "Failed", "Answer", "NoAnswer", "Surveyed",
            "Restarted", "NatFound", "NatFinished",
        )
        assertEquals(emptySet<String>(), wanted - seen, "of all that happened: $seen")
    }

    @Test
    fun `a difference between twins is noticed`() {
        Twins(1, "client").use { twins ->
            twins.agents.replace("twin", seeded(2))?.close()
            assertThrows<AssertionFailedError> {
                twins.command(0) { agent, at -> agent.startBinding(BindingConfig(SERVER, local = CLIENT), at) }
            }
        }
    }

    @Test
    fun `whoever sleeps strictly by the deadline sleeps through no output, however much there is`() {
        seeded().use { agent ->
            val count = 4_000
            for (port in 1_000 until 1_000 + count) {
                agent.startBinding(BindingConfig(InetSocketAddress(SERVER.address, port), local = CLIENT), 0)
            }
            var (seen, buffers) = 0 to 0
            do {
                val output = agent.drain()
                seen += output.transmits.size
                buffers++
                val isDue = checkNotNull(output.deadline) <= 0
                assertEquals(seen < count, isDue, "due at once until all is out")
                if (isDue) assertEquals(WakeReason.OUTPUT, output.wakeReason)
            } while (isDue)
            assertTrue(buffers > 1)
        }
    }

    @Test
    fun `a late call sends one datagram for all that was missed`() {
        seeded().use { agent ->
            agent.startBinding(BindingConfig(SERVER, local = CLIENT), 0)
            agent.exchange(mapped(agent.drain().only().bytes), SERVER, 0, CLIENT)
            val late = agent.tick(10 * HOUR)
            late.only()
            assertTrue(checkNotNull(late.deadline) > 10 * HOUR)
        }
    }

    @Test
    fun `times go up to the end of time`() {
        seeded().use { agent ->
            agent.startBinding(BindingConfig(SERVER, local = CLIENT), Long.MAX_VALUE)
            assertNotNull(agent.drain().only())
            agent.tick(Long.MAX_VALUE)
        }
    }

    @Test
    fun `draining changes nothing`() {
        seeded().use { agent ->
            agent.startBinding(BindingConfig(SERVER, local = CLIENT), 0)
            agent.drain().only()
            repeat(3) {
                val output = agent.drain()
                assertTrue(output.transmits.isEmpty() && output.events.isEmpty())
                assertEquals(500 * MILLISECOND to WakeReason.RETRANSMISSION, output.deadline to output.wakeReason)
            }
        }
    }

    @Test
    fun `an agent without operations never wants to be woken`() {
        seeded().use { agent ->
            val output = agent.exchange(request(1), SERVER, 0, CLIENT)
            assertNull(output.deadline)
            assertNull(output.wakeReason)
        }
    }

    /** What the client was told in a schedule. */
    private fun run(seed: Int): Set<String> = Schedule(seed).use { schedule ->
        repeat(60) { schedule.step() }
        schedule.finish()
        schedule.client.seen
    }

    private companion object {
        const val SCHEDULES = 30
    }
}
