package dev.libstun.agent

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.MethodSource
import java.io.File

/** The golden traces of tests/vectors/traces: every call made again, every answer the same to the bit. */
class TraceTest {
    @ParameterizedTest
    @MethodSource("traces")
    fun `a trace happens again to the bit`(trace: File) {
        val expected = lines(trace)
        val done = Replay(expected).run()
        for ((place, pair) in expected.zip(done).withIndex()) {
            assertEquals(pair.first, pair.second, "${trace.name}, line ${place + 1} without comments")
        }
        assertEquals(expected.size, done.size)
    }

    @ParameterizedTest
    @MethodSource("traces")
    fun `another seed is another trace`(trace: File) {
        val lines = lines(trace).toMutableList()
        lines[1] = lines[1].substringBeforeLast(' ') + " " + "ff".repeat(32)
        // A server draws nothing: its trace is the same with any.
        assertEquals(trace.name == "server.trace", Replay(lines).run() == lines)
    }

    @Test
    fun `there are as many traces as the table lists`() {
        val table = File(FOLDER, "README.md").readLines().filter { it.startsWith("|") && ".trace" in it }
        assertEquals(table.map { it.split("|")[1].trim() }.toSet(), traces().map { it.name }.toSet())
        assertTrue(traces().size >= 6)
    }

    companion object {
        private val FOLDER = File(VECTORS, "traces")

        @JvmStatic
        fun traces(): List<File> = FOLDER.listFiles { file -> file.extension == "trace" }!!.sorted()

        private fun lines(trace: File) = trace.readLines(Charsets.US_ASCII).filterNot { it.startsWith("#") }
    }
}
