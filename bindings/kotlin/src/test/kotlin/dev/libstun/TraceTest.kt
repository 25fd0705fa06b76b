package dev.libstun

import dev.libstun.support.Replay
import dev.libstun.support.VECTORS
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.MethodSource
import java.io.File

/**
 * The golden traces of tests/vectors/traces: every call made again, every answer the same to the bit. And that this can
 * fail: whatever is changed in one, it is noticed, and where.
 */
internal class TraceTest {
    @ParameterizedTest
    @MethodSource("traces")
    fun `a trace happens again to the bit`(trace: File) {
        val lines = read(trace)
        assertEquals(lines, Replay(lines).run())
    }

    @ParameterizedTest
    @MethodSource("traces")
    fun `another seed is another trace`(trace: File) {
        val lines = read(trace).toMutableList()
        lines[1] = lines[1].substringBeforeLast(' ') + " " + "ff".repeat(32)
        // A server draws nothing: its trace is the same with any.
        assertEquals(trace.name == "server.trace", Replay(lines).run() == lines)
    }

    @Test
    fun `there are as many traces as the table lists`() {
        val table = VECTORS.resolve("traces/README.md").readLines().filter { it.startsWith("|") && ".trace" in it }
        assertEquals(table.map { it.split("|")[1].trim() }.toSet(), traces().map { it.name }.toSet())
        assertTrue(traces().size >= 6)
    }

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

    private fun answers(lines: List<String>) =
        lines.indices.filter { lines[it].startsWith("< ") }.also { check(it.isNotEmpty()) }

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
        fun traces(): List<File> =
            VECTORS.resolve("traces").listFiles { file -> file.extension == "trace" }.orEmpty().sorted()
    }
}
