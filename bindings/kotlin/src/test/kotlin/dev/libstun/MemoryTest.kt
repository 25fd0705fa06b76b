package dev.libstun

import dev.libstun.support.MemoryProbe
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.condition.EnabledOnOs
import org.junit.jupiter.api.condition.OS
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.ValueSource

/**
 * What is made is freed again. Each work is done a hundred thousand times in a process of its own; what that grows by
 * would be ten megabytes if each time left a hundred bytes.
 */
@EnabledOnOs(OS.LINUX, disabledReason = "only Linux says how much memory a process has")
internal class MemoryTest {
    @ParameterizedTest
    @ValueSource(strings = ["agents", "exchanges", "bindings", "strangers", "refusals", "messages"])
    fun `a hundred thousand times leave nothing`(work: String) {
        val growth = MemoryProbe.growth(work, COUNT)
        assertTrue(growth.resident < MOST, "$work: $growth")
        assertTrue(growth.heap < MOST, "$work: $growth")
    }

    /**
     * By a thread of JNA's, and only after a collection, which does not know how much each has outside of the heap: so
     * many more of them are warmed up with, until what waits to be freed is as much as it ever is. close() is better.
     */
    @Test
    fun `agents that nobody has closed are freed when the collector finds them`() {
        val growth = MemoryProbe.growth("dropped-agents", COUNT, warm = 2 * COUNT)
        assertTrue(growth.resident < MOST && growth.heap < MOST, "$growth")
    }

    @Test
    fun `a leak of a hundred bytes each time would be seen`() {
        val native = MemoryProbe.growth("leak-native", COUNT)
        assertTrue(native.resident > 2 * MOST && native.heap < MOST, "$native")
        val heap = MemoryProbe.growth("leak-heap", COUNT)
        assertTrue(heap.heap > 2 * MOST && heap.resident < MOST, "$heap")
    }

    private companion object {
        const val COUNT = 100_000

        /** Forty bytes each time: less than any object has. */
        const val MOST = 4L shl 20
    }
}
