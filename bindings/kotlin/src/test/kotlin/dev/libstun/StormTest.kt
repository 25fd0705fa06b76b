package dev.libstun

import dev.libstun.support.BINDING
import dev.libstun.support.CLIENT
import dev.libstun.support.INDICATION
import dev.libstun.support.MAPPED
import dev.libstun.support.MILLISECOND
import dev.libstun.support.OTHER
import dev.libstun.support.PEER
import dev.libstun.support.SECOND
import dev.libstun.support.SERVER
import dev.libstun.support.attribute
import dev.libstun.support.mapped
import dev.libstun.support.message
import dev.libstun.support.only
import dev.libstun.support.refusal
import dev.libstun.support.request
import dev.libstun.support.seeded
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.nio.ByteBuffer
import kotlin.random.Random

/** What arrives from the network never throws, and costs nobody else anything. */
internal class StormTest {
    @Test
    fun `a hundred thousand random and mutated datagrams throw nothing, are counted, and leave a working agent`() {
        seeded().use { agent ->
            val storm = Storm(agent, Random(7))
            repeat(DATAGRAMS) { storm.step() }
            assertEquals(DATAGRAMS, storm.outcomes.values.sum())
            for (outcome in listOf(Outcome.IGNORED, Outcome.CONSUMED)) {
                assertTrue(storm.outcomes.getValue(outcome) > DATAGRAMS / 20, "${storm.outcomes}")
            }
            assertDropsAreCounted(agent, storm)
            assertTrue(storm.replies > DATAGRAMS / 100, "the server has answered what was whole: ${storm.replies}")
            assertBindingWorks(agent, storm.now)
        }
    }

    @Test
    fun `a signed binding that was asked before a storm is answered after it`() {
        seeded().use { agent ->
            val config = BindingConfig(SERVER, local = CLIENT, credentials = ShortTerm("alice", "s3cret"))
            val id = agent.startBinding(config, 0)
            val asked = agent.drain().only()
            val random = Random(8)
            repeat(DATAGRAMS / 10) {
                // Forged answers to it, from where it was sent: none is signed.
                agent.exchange(mutated(random, answers(asked.bytes).random(random)), SERVER, MILLISECOND, CLIENT)
            }
            val whole = Message.decode(mapped(asked.bytes))
            val builder = MessageBuilder(whole.messageClass, whole.method, whole.transactionId)
            whole.attributes.forEach { builder.add(it.type, it.value) }
            val answer = builder.build(Key.shortTerm("s3cret"))
            val output = agent.exchange(answer, SERVER, 2 * MILLISECOND, CLIENT)
            val event = output.events.single { it.id == id }
            assertEquals(MAPPED, (event.event as Mapped).address)
        }
    }

    private fun assertDropsAreCounted(agent: Agent, storm: Storm) {
        val byReason = DropReason.entries.associateWith { agent.dropped(it) }
        assertEquals(agent.dropped(), byReason.values.sum())
        assertTrue(agent.dropped() > DATAGRAMS / 50L, "$byReason")
        // What is ignored is another protocol's, and dropped by nobody here.
        assertTrue(agent.dropped() <= storm.outcomes.getValue(Outcome.CONSUMED) + storm.replies, "$byReason")
        assertTrue(byReason.values.count { it > 0 } >= 5, "$byReason")
    }

    private fun assertBindingWorks(agent: Agent, now: Long) {
        val id = agent.startBinding(BindingConfig(OTHER, local = CLIENT, refresh = null), now)
        val asked = agent.drain().transmits.single { it.remote == OTHER }
        val output = agent.exchange(mapped(asked.bytes), OTHER, now, CLIENT)
        val event = output.events.single { it.id == id }
        assertEquals(MAPPED, (event.event as Mapped).address)
        assertTrue(event.isLast)
    }

    /** An agent with one operation of each kind, and what befalls it. */
    private class Storm(private val agent: Agent, private val random: Random) {
        val outcomes = mutableMapOf<Outcome, Int>()
        var replies = 0
        var now = 0L
        private val buffer = ByteBuffer.allocateDirect(2_000)
        private val asked = ArrayDeque<ByteArray>()

        init {
            agent.startBinding(BindingConfig(SERVER, local = CLIENT), 0)
            agent.startServer(ServerConfig(local = CLIENT, budget = false), 0)
            val users = mapOf("alice" to "s3cret")
            agent.startServer(ServerConfig(local = PEER, realm = "example.org", users = users, budget = false), 0)
            agent.startSurvey(SurveyConfig(listOf(SurveyTarget(OTHER, CLIENT))), 0)
            val relay = AllocationConfig(SERVER, local = CLIENT, credentials = LongTerm("alice", "s3cret"))
            agent.startAllocation(relay, 0)
            note(agent.drain())
        }

        fun step() {
            val datagram = datagram()
            val remote = listOf(SERVER, SERVER, OTHER, PEER, MAPPED).random(random)
            val local = when (random.nextInt(10)) {
                0 -> null
                1 -> PEER
                else -> CLIENT
            }
            val output = if (random.nextBoolean()) {
                buffer.clear().put(datagram).flip()
                agent.exchange(buffer, remote, now, local)
            } else {
                agent.exchange(datagram, remote, now, local)
            }
            outcomes.merge(output.outcome, 1, Int::plus)
            note(output)
            if (random.nextInt(50) == 0) {
                now += random.nextLong(SECOND)
                note(agent.tick(now))
            }
        }

        private fun note(output: Output) {
            for (transmit in output.transmits) {
                if (transmit.bytes[0].toInt() == 1) replies++ else asked.addLast(transmit.bytes)
            }
            while (asked.size > 8) asked.removeFirst()
        }

        private fun datagram(): ByteArray = when (random.nextInt(6)) {
            0 -> random.nextBytes(random.nextInt(1_500))
            1 -> template()
            else -> mutated(random, template())
        }

        /** Something whole: of a peer's or a client's, or an answer to what was asked. */
        private fun template(): ByteArray {
            val transaction = random.nextBytes(12)
            val place = random.nextInt(5 + 4 * asked.size)
            return when (place) {
                0 -> request(random.nextLong())
                1 -> message(BINDING or INDICATION, transaction)
                2 -> {
                    val (peer, data) = attribute(0x0012, random.nextBytes(8)) to attribute(0x0013, random.nextBytes(20))
                    message(0x0017, transaction, peer, data)
                }
                3 -> byteArrayOf(0x40, random.nextInt(4).toByte(), 0, 8) + random.nextBytes(8)
                4 -> {
                    val value = random.nextBytes(random.nextInt(40))
                    message(random.nextInt(0x4000), transaction, attribute(random.nextInt(0x10000), value))
                }
                else -> answers(asked[(place - 5) / 4])[(place - 5) % 4]
            }
        }
    }

    private companion object {
        const val DATAGRAMS = 100_000

        fun answers(request: ByteArray) =
            listOf(mapped(request), refusal(request, 500), refusal(request, 401), refusal(request, 300))

        /** A few bits turned, an end cut off, or something behind it. */
        fun mutated(random: Random, datagram: ByteArray): ByteArray = when (random.nextInt(5)) {
            0 -> datagram.copyOf(random.nextInt(datagram.size + 1))
            1 -> datagram + random.nextBytes(random.nextInt(1, 9))
            else -> datagram.copyOf().also { turned ->
                repeat(random.nextInt(1, 4)) {
                    // Most of the turns in the header would only make it another protocol.
                    val place = random.nextInt(if (random.nextBoolean()) 0 else minOf(8, turned.size - 1), turned.size)
                    turned[place] = (turned[place].toInt() xor (1 shl random.nextInt(8))).toByte()
                }
            }
        }
    }
}
