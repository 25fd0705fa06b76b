package dev.libstun.agent

import dev.libstun.AllocationConfig
import dev.libstun.Attribute
import dev.libstun.DropReason
import dev.libstun.LongTerm
import dev.libstun.Mapped
import dev.libstun.MessageBuilder
import dev.libstun.MessageClass
import dev.libstun.Outcome
import dev.libstun.ServerConfig
import dev.libstun.SurveyConfig
import dev.libstun.SurveyTarget
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.nio.ByteBuffer
import kotlin.random.Random

/** What hostile networks send. */
class StormTest {
    @Test
    fun `a hundred thousand hostile datagrams raise nothing, and the agent still works`() {
        val random = Random(7)
        val agent = seeded()
        agent.startServer(ServerConfig(local = SERVER, realm = "example.org", users = mapOf("a" to "b")), 0)
        agent.startBinding(CONFIG, 0)
        agent.startSurvey(SurveyConfig(listOf(SurveyTarget(OTHER, CLIENT))), 0)
        agent.startAllocation(AllocationConfig(PEER, local = CLIENT, credentials = LongTerm("alice", "s3cret")), 0)
        val samples = agent.drain().transmits.map { it.bytes } + listOf(
            MessageBuilder(MessageClass.REQUEST, BINDING).build(fingerprint = true),
            MessageBuilder(MessageClass.SUCCESS_RESPONSE, BINDING).add(Attribute.XOR_MAPPED_ADDRESS, MAPPED).build(),
            byteArrayOf(0x40, 0, 0, 4, 1, 2, 3, 4),
        )
        val sources = listOf(SERVER, OTHER, PEER, MAPPED)
        val direct = ByteBuffer.allocateDirect(2048)
        var (ignored, taken) = listOf(0, 0)
        repeat(100_000) { place ->
            val bytes = if (place % 4 == 0) random.nextBytes(random.nextInt(200)) else mutated(samples.random(random), random)
            val from = sources.random(random)
            val to = if (random.nextBoolean()) SERVER else CLIENT
            val output = if (place % 2 == 0) {
                agent.exchange(bytes, from, place * 1000L, to)
            } else {
                direct.clear()
                direct.put(bytes).flip()
                agent.exchange(direct, from, place * 1000L, to)
            }
            if (output.outcome == Outcome.IGNORED) ignored++ else taken++
        }
        assertTrue(ignored > 1000 && taken > 1000, "$ignored $taken")
        assertTrue(agent.dropped() > 1000)
        assertEquals(agent.dropped(), DropReason.entries.sumOf(agent::dropped))
        val id = agent.startBinding(ONCE.copy(server = MAPPED), SECOND)
        val request = agent.drain().transmits.single { it.remote == MAPPED }
        val told = agent.answer(request, mapped(request), SECOND).events.single { it.id == id }
        assertTrue(told.event is Mapped)
        agent.close()
    }

    private fun mutated(sample: ByteArray, random: Random): ByteArray {
        val bytes = sample.copyOf(maxOf(0, sample.size + random.nextInt(-8, 9)))
        repeat(random.nextInt(4)) { if (bytes.isNotEmpty()) bytes[random.nextInt(bytes.size)] = random.nextInt().toByte() }
        return bytes
    }
}
