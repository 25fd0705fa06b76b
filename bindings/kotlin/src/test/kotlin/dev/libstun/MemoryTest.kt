package dev.libstun

import dev.libstun.support.MemoryProbe
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.condition.EnabledOnOs
import org.junit.jupiter.api.condition.OS
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.ValueSource
import java.util.concurrent.Callable
import java.util.concurrent.Executors
import java.util.concurrent.Future

/**
 * What is made is freed again. Each work is done many times in a process of its own, and what that grows by is less
 * than if each time left a hundred bytes.
 */
@EnabledOnOs(OS.LINUX, disabledReason = "only Linux says how much memory a process has")
internal class MemoryTest {
    @ParameterizedTest
    @ValueSource(strings = ["agents", "exchanges"])
    fun `a hundred thousand times leave nothing`(work: String) {
        val growth = growth(work)
        assertTrue(growth.resident < MOST * COUNT && growth.heap < MOST * COUNT, "$work: $growth")
    }

    @Test
    fun `bindings, strangers, refusals and messages leave nothing`() {
        val growth = growth("others")
        assertTrue(growth.resident < MOST * FEWER && growth.heap < MOST * FEWER, "$growth")
    }

    /** By a thread of JNA's, and only after a collection: what waits to be freed is less than what was made. */
    @Test
    fun `agents that nobody has closed are freed when the collector finds them`() {
        val (kept, dropped) = growth("kept-agents") to growth("dropped-agents")
        assertTrue(kept.resident > MOST * COUNT, "an agent is not small: $kept")
        assertTrue(dropped.resident < kept.resident / 2, "$dropped, and $kept if they are kept")
        assertTrue(dropped.heap < MOST * FEWER, "$dropped")
    }

    @Test
    fun `a leak of a hundred bytes each time would be seen`() {
        val (native, heap) = growth("leak-native") to growth("leak-heap")
        assertTrue(native.resident > LEAK * FEWER && native.heap < MOST * FEWER, "$native")
        assertTrue(heap.heap > LEAK * FEWER, "$heap")
    }

    companion object {
        private const val COUNT = 100_000
        private const val FEWER = 20_000

        /** Bytes each time that nobody asks after: what compilers and arenas still take. */
        private const val MOST = 80L

        /** Bytes each time that a leak of a hundred is seen to have. */
        private const val LEAK = 95L

        private val pool = Executors.newFixedThreadPool(Runtime.getRuntime().availableProcessors().coerceAtMost(4))

        /** All begin with the first test, as many at once as there are processors; the long ones first. */
        private val growths: Map<String, Future<MemoryProbe.Growth>> = listOf(
            Triple("others", FEWER / 2, FEWER),
            Triple("agents", COUNT / 5, COUNT),
            Triple("exchanges", COUNT / 5, COUNT),
            Triple("dropped-agents", FEWER / 2, FEWER / 2),
            Triple("kept-agents", FEWER / 5, FEWER / 2),
            Triple("leak-native", FEWER, FEWER),
            Triple("leak-heap", FEWER, FEWER),
        ).associate { (work, warm, count) -> work to pool.submit(Callable { MemoryProbe.growth(work, count, warm) }) }

        private fun growth(work: String): MemoryProbe.Growth = growths.getValue(work).get()

        @JvmStatic
        @AfterAll
        fun end() {
            pool.shutdownNow()
        }
    }
}
