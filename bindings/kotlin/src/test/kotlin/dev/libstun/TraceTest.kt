package dev.libstun

import dev.libstun.agent.Replay
import dev.libstun.support.VECTORS
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.MethodSource
import java.io.File

/** That the replay of golden traces can fail: whatever is changed in one, it is noticed, and where. */
internal class TraceTest {
    @ParameterizedTest
    @MethodSource("traces")
    fun `a trace in which one answer was changed is noticed at that answer`(trace: File) {
        val lines = read(trace)
        assertNull(firstDifference(lines))
        for (place in answers(lines)) {
            val changed = lines.toMutableList()
            changed[place] = changed[place].dropLast(1) + if (changed[place].endsWith("1")) "2" else "1"
            assertNotEquals(lines[place], changed[place])
            assertEquals(place, firstDifference(changed), "line ${place + 1} without comments")
        }
    }

    @ParameterizedTest
    @MethodSource("traces")
    fun `a trace from which one answer was taken is noticed`(trace: File) {
        val lines = read(trace)
        for (place in answers(lines)) {
            assertNotEquals(null, firstDifference(lines.filterIndexed { at, _ -> at != place }), lines[place])
        }
    }

    @ParameterizedTest
    @MethodSource("traces")
    fun `a trace in which time goes otherwise is noticed`(trace: File) {
        val lines = read(trace).toMutableList()
        // A nanosecond before a deadline nothing is sent.
        val place = lines.indices.firstOrNull { lines[it].startsWith("> timeout ") && sends(lines, it) } ?: return
        val at = lines[place].substringAfterLast(" ").toLong()
        lines[place] = "> timeout ${at - 1}"
        assertTrue(checkNotNull(firstDifference(lines)) > place)
    }

    private fun answers(lines: List<String>) = lines.indices.filter { lines[it].startsWith("< ") }.also { check(it.isNotEmpty()) }

    /** Whether it is a call at the very deadline, of which a packet comes. */
    private fun sends(lines: List<String>, call: Int): Boolean {
        val deadline = lines.subList(0, call).last { it.startsWith("< until ") }.split(" ")[2]
        return lines[call].endsWith(" $deadline") && lines[call + 2].startsWith("< transmit ")
    }

    private fun read(trace: File): List<String> = trace.readLines(Charsets.US_ASCII).filterNot { it.startsWith("#") }

    /** The place of the first line that is another now, or null. */
    private fun firstDifference(lines: List<String>): Int? {
        val now = Replay(lines).run()
        return (0 until maxOf(lines.size, now.size)).firstOrNull { lines.getOrNull(it) != now.getOrNull(it) }
    }

    companion object {
        @JvmStatic
        fun traces(): List<File> = VECTORS.resolve("traces").listFiles { file -> file.extension == "trace" }.orEmpty().sorted()
    }
}
