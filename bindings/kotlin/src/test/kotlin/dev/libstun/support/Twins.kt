package dev.libstun.support

import dev.libstun.Agent
import dev.libstun.Output
import dev.libstun.StunException
import dev.libstun.Transmit
import dev.libstun.WakeReason
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import kotlin.random.Random

/**
 * Equal agents that are driven differently through one schedule, and must say the same.
 *
 * | twin | treated differently | rule |
 * |---|---|---|
 * | `plain` | not at all | C2, C3, C10 are looked at here |
 * | `twin` | not at all | C8 |
 * | `pestered` | early and repeated `tick()` | C4 |
 * | `clamped` | never told an earlier time | C5 |
 */
internal class Twins(seed: Int, private val name: String) : AutoCloseable {
    val agents: MutableMap<String, Agent> = NAMES.associateWithTo(linkedMapOf()) { seeded(seed) }
    val seen = mutableSetOf<String>()
    var deadline: Long? = null
        private set
    private var reason: WakeReason? = null
    private var latest = 0L

    /** Makes one call to each, at a time that may be an earlier one, and takes what comes of it. */
    fun each(now: Long, call: (Agent, Long) -> Output): Output {
        val clamped = maxOf(now, latest)
        pester(clamped)
        val outputs = agents.mapValues { (twin, agent) ->
            // A call that is refused need not have looked at the time.
            agent.tick(if (twin == "clamped") latest else minOf(now, latest))
            call(agent, if (twin == "clamped") clamped else now)
        }
        latest = clamped
        val plain = outputs.getValue("plain")
        for ((twin, output) in outputs) assertEquals(told(plain), told(output), "$name: $twin differs")
        assertSettled(plain)
        return plain
    }

    /** A command, and what is queued after it. Refusals count as an answer. */
    fun command(now: Long, call: (Agent, Long) -> Any?): Output {
        val said = mutableListOf<Any?>()
        val output = each(now) { agent, at ->
            said += try {
                call(agent, at)
            } catch (error: StunException) {
                "${error.code} ${error.message}"
            }
            agent.drain()
        }
        assertEquals(1, said.toSet().size, "$name: the twins say $said")
        return output
    }

    /** Time has come, or not: C3 and C4. */
    fun wake(now: Long): Output {
        val (before, why) = deadline to reason
        val output = each(now) { agent, at -> agent.tick(at) }
        val isSilent = output.transmits.isEmpty() && output.events.isEmpty()
        if (before == null || latest < before) {
            assertTrue(isSilent, "$name, C4: a call that was not due has put something out")
            assertEquals(before to why, output.deadline to output.wakeReason, "$name: $MOVED")
        } else {
            val isLater = output.deadline.let { it == null || it > latest }
            assertTrue(!isSilent || isLater, "$name, C3: woken in vain, and to be woken at once")
        }
        return output
    }

    override fun close() = agents.values.forEach(Agent::close)

    /** Calls that come too early, and once more: none of them may matter (C4). */
    private fun pester(until: Long) {
        val end = deadline?.let { minOf(until, it - 1) } ?: until
        if (end < latest) return
        val random = Random(end)
        val early = List(3) { random.nextLong(latest, end + 1) }.sorted()
        for (at in early + early.last()) {
            val output = agents.getValue("pestered").tick(at)
            assertTrue(output.transmits.isEmpty() && output.events.isEmpty(), "$name: $SPOKE")
            assertEquals(deadline to reason, output.deadline to output.wakeReason, "$name: $MOVED")
        }
    }

    /** All is out: nothing is queued that nobody would be woken for (C2), and every wake-up has a reason (C10). */
    private fun assertSettled(output: Output) {
        assertEquals(output.deadline == null, output.wakeReason == null, "$name, C10: a wake-up without a reason")
        assertTrue(output.wakeReason != WakeReason.OUTPUT, "$name, C2: there is output yet")
        val again = agents.getValue("plain").drain()
        assertTrue(again.transmits.isEmpty() && again.events.isEmpty(), "$name, C2: output was left in the agent")
        val (due, why) = again.deadline to again.wakeReason
        assertEquals(output.deadline to output.wakeReason, due to why, "$name: draining has changed something")
        if (again.deadline == null) assertNull(again.wakeReason)
        deadline = output.deadline
        reason = output.wakeReason
        output.events.forEach { seen += it.event.javaClass.simpleName }
    }

    private fun told(output: Output): List<Any?> =
        listOf(output.outcome, output.deadline, output.wakeReason, output.transmits.map(::told)) +
            output.events.map { listOf(it.id, it.isLast, it.event, it.text) }

    private fun told(transmit: Transmit): List<Any?> = listOf(
        transmit.transport, transmit.local, transmit.remote, transmit.socketId, transmit.ecn, hex(transmit.bytes),
    )

    companion object {
        private const val MOVED = "an early call moved the deadline (C4)"
        private const val SPOKE = "an early call has put something out (C4)"
        val NAMES = listOf("plain", "twin", "pestered", "clamped")
    }
}
