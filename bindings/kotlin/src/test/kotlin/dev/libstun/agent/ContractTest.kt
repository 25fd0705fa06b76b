package dev.libstun.agent

import dev.libstun.Agent
import dev.libstun.AllocationConfig
import dev.libstun.LongTerm
import dev.libstun.NatConfig
import dev.libstun.Outcome
import dev.libstun.Output
import dev.libstun.PowerProfile
import dev.libstun.SendError
import dev.libstun.ServerConfig
import dev.libstun.ShortTerm
import dev.libstun.StunException
import dev.libstun.SurveyConfig
import dev.libstun.SurveyTarget
import dev.libstun.Transmit
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.ValueSource
import kotlin.random.Random
import kotlin.time.Duration.Companion.seconds

/**
 * The contract of the repository's README, held by random schedules: equal agents that are driven differently say the
 * same (C4, C8), and after a drain a deadline is in the future and has a reason (C2, C10).
 */
class ContractTest {
    @ParameterizedTest
    @ValueSource(ints = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20])
    fun `early calls change nothing, and the same seed and calls give the same bytes`(seed: Int) {
        val (plain, twin, pestered) = List(3) { Schedule(seed, pesters = it == 2).run() }
        assertEquals(plain, twin)
        assertEquals(plain, pestered)
        assertTrue(plain.size > 200)
        assertNotEquals(plain, Schedule(seed + 100, pesters = false).run())
    }

    /** One agent's random schedule, and all that it says. */
    private class Schedule(seed: Int, private val pesters: Boolean) {
        private val random = Random(seed)
        private val agent = seeded(seed)
        private val told = mutableListOf<String>()
        private val requests = mutableListOf<Transmit>()
        private val ids = mutableListOf<Long>()
        private var now = 0L
        private var deadline: Long? = null

        fun run(): List<String> {
            listOf(::start, ::start, ::start).forEach { it() }
            repeat(200) { step() }
            agent.close()
            return told
        }

        private fun step() {
            val was = now
            now += random.nextLong(SECOND)
            if (random.nextInt(3) == 0) now = maxOf(now, deadline ?: 0)
            if (pesters) pester(was)
            when (random.nextInt(10)) {
                0 -> start()
                1 -> ids.removeFirstOrNull()?.let { id -> command { if (agent.contains(id)) agent.cancel(id, now) } }
                2, 3 -> requests.randomOrNull(random)?.let(::answer)
                4 -> requests.randomOrNull(random)?.let(::fail)
                5 -> command { agent.networkChanged(listOf(host("10.0.0.${random.nextInt(2, 4)}")), now) }
                6 -> command { agent.setPower(if (random.nextBoolean()) PowerProfile.IDLE else PowerProfile.ACTIVE, now) }
                7 -> took(agent.exchange(random.nextBytes(40), SERVER, now, CLIENT))
                else -> took(agent.tick(now))
            }
        }

        private fun start() = command {
            ids += when (random.nextInt(6)) {
                0 -> agent.startBinding(CONFIG, now)
                1 -> agent.startBinding(ONCE.copy(credentials = ShortTerm("alice", "s3cret")), now)
                2 -> agent.startSurvey(SurveyConfig(listOf(SERVER, OTHER).map { SurveyTarget(it, CLIENT) }), now)
                3 -> agent.startNatProbe(NatConfig(SERVER, local = CLIENT), now)
                4 -> agent.startServer(ServerConfig(local = SERVER), now)
                else -> agent.startAllocation(AllocationConfig(PEER, local = CLIENT, credentials = LongTerm("a", "b")), now)
            }
        }

        private fun answer(request: Transmit) {
            val answer = if (random.nextInt(4) == 0) respond(request.bytes, 400) else mapped(request)
            took(agent.answer(request, answer, now))
        }

        private fun fail(request: Transmit) {
            val error = SendError.entries.random(random)
            command { agent.sendFailed(request, error, now) }
        }

        private fun command(call: () -> Unit) {
            try {
                call()
            } catch (refusal: StunException) {
                told += "refused: ${refusal.message}"
            }
            took(agent.drain())
        }

        /** Calls that come too early, since the one before: none of them may matter (C4). */
        private fun pester(was: Long) {
            val end = minOf(now, (deadline ?: Long.MAX_VALUE) - 1)
            if (end < was) return
            for (part in listOf(0, 1, 3, 4, 4)) {
                val output = agent.tick(was + (end - was) * part / 4)
                assertEquals(deadline, output.deadline)
                assertTrue(output.transmits.isEmpty() && output.events.isEmpty())
            }
        }

        private fun took(output: Output) {
            deadline = output.deadline
            assertEquals(deadline == null, output.wakeReason == null, "a wake-up without a reason (C10)")
            assertTrue(output.outcome != Outcome.PEER_DATA)
            val isDue = (deadline ?: Long.MAX_VALUE) <= now
            told += output.transmits.map { "${it.local} ${it.remote} ${hex(it.bytes)}" }
            told += output.events.map { "${it.id} ${it.event} ${it.isLast}" }
            told += "${output.outcome} $deadline ${output.wakeReason}"
            requests += output.transmits.filter { it.bytes[0] < 2 && it.bytes[1].toInt() == 1 && it.bytes[0].toInt() == 0 }
            if (isDue) {
                val next = agent.tick(now)
                assertTrue((next.deadline ?: Long.MAX_VALUE) > now, "after a tick the deadline is in the future (C2)")
                told += "then $next"
                requests += next.transmits.filter { it.bytes[0].toInt() == 0 && it.bytes[1].toInt() == 1 }
                deadline = next.deadline
            }
        }
    }
}
