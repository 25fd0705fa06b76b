package dev.libstun.agent

import dev.libstun.Agent
import dev.libstun.BindingConfig
import dev.libstun.LongTerm
import dev.libstun.Mapped
import dev.libstun.Message
import dev.libstun.StunException
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.condition.EnabledOnOs
import org.junit.jupiter.api.condition.OS
import java.io.File

/** What is made is freed again. Only Linux says how much memory a process has. */
@EnabledOnOs(OS.LINUX)
class MemoryTest {
    private val statm = File("/proc/self/statm")

    private fun resident(): Long = statm.readText().split(" ")[1].toLong() * 4096

    private fun collected(): Long {
        repeat(3) {
            System.gc()
            System.runFinalization()
        }
        return resident()
    }

    /**
     * By how many bytes the process grows in the quieter of several rounds. A leak grows in each of them, and what the
     * virtual machine does by itself, such as compiling, does not.
     */
    private fun growth(round: () -> Unit): Long {
        round()
        return List(2) {
            val before = collected()
            round()
            collected() - before
        }.sorted().first()
    }

    /** Less than 80 bytes for each agent. */
    private val flat = 50_000 * 80L

    @Test
    fun `a hundred thousand agents are made and freed`() {
        val config = BindingConfig(SERVER, refresh = null, credentials = LongTerm("alice", "s3cret"))
        val seed = ByteArray(32)
        val grown = growth {
            repeat(50_000) { place ->
                Agent(0, seed).use { agent ->
                    if (place % 50 == 0) {
                        agent.startBinding(config, 0)
                        assertEquals(1, agent.drain().transmits.size)
                        agent.exchange(byteArrayOf(1, 2, 3), SERVER, 0)
                    }
                }
            }
        }
        assertTrue(grown < flat, "$grown bytes")
    }

    @Test
    fun `requests, answers, events and refusals leave nothing`() {
        val agent = seeded()
        val grown = growth {
            repeat(10_000) {
                agent.startBinding(ONCE, 0)
                val request = agent.drain().transmits.single()
                assertTrue(agent.answer(request, mapped(request), 0).events.single().event is Mapped)
                Message.decode(request.bytes)
                runCatching { agent.cancel(99, 0) }.exceptionOrNull() as StunException
            }
        }
        assertTrue(grown < flat, "$grown bytes")
        assertEquals(0, agent.operationCount())
    }
}
