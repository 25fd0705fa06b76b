package dev.libstun

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import java.io.File
import java.util.concurrent.TimeUnit

/** The programs of examples/kotlin run as they stand there, each in a JVM of its own. */
@Timeout(180)
class DriverExamplesTest {
    private val examples = File(System.getProperty("libstun.examples", "../../examples/kotlin"))

    private fun <T> withServer(test: (String) -> T): T = openAt().use { server ->
        server.startServer(ServerConfig())
        test("127.0.0.1:${server.localAddress.port}")
    }

    private fun output(main: String, vararg arguments: String): String {
        val java = File(System.getProperty("java.home"), "bin/java").path
        val flags = listOf("jna.library.path").mapNotNull { key -> System.getProperty(key)?.let { "-D$key=$it" } }
        val command = listOf(java) + flags + listOf("-cp", System.getProperty("java.class.path"), main) + arguments
        val told = File.createTempFile("libstun", ".out")
        val process = ProcessBuilder(command).redirectErrorStream(true).redirectOutput(told).start()
        try {
            assertTrue(process.waitFor(1, TimeUnit.MINUTES), told.readText())
            assertEquals(0, process.exitValue(), told.readText())
            return told.readText()
        } finally {
            process.destroyForcibly()
            told.delete()
        }
    }

    @Test
    fun `the public address takes at most ten lines in each language`() {
        for (name in listOf("Address.kt", "Address.java")) {
            val lines = examples.resolve(name).readLines().size
            assertTrue(lines in 1..10, "$name has $lines lines")
        }
    }

    @Test
    fun `the program in Kotlin prints the address`() = withServer { server ->
        assertTrue(Regex("/127\\.0\\.0\\.1:\\d+\n").matches(output("AddressKt", server)))
    }

    @Test
    fun `the program in Java prints the address`() = withServer { server ->
        assertTrue(Regex("/127\\.0\\.0\\.1:\\d+\n").matches(output("Address", server)))
    }

    @Test
    fun `the app on a phone survives a network change, and wakes the radio less when idle`() = withServer { server ->
        val told = output("MobileKt", server, "127.0.0.2", "127.0.0.3")
        val expected = Regex(
            ".*public address: /127.0.0.2:\\d+\n.*kept alive: /127.0.0.2:(\\d+)\n.*the network changes\n" +
                ".*public address on the other network: /127.0.0.3:\\1\n.*",
            RegexOption.DOT_MATCHES_ALL,
        )
        assertTrue(expected.matches(told), told)
        val (active, idle) = listOf("active", "idle").map { wakeUps(told, it) }
        assertTrue(active > 400, "three bindings, each every 25 s: $told")
        assertTrue(idle in 100..active / 2, "and all three at once: $told")
    }

    @Test
    fun `the app on a phone whose sockets are bound to no address goes on too`() = withServer { server ->
        assertTrue("public address on the other network: /127.0.0.1" in output("MobileKt", server))
    }

    private fun wakeUps(told: String, profile: String): Int =
        Regex("$profile profile: +(\\d+)").find(told)!!.groupValues[1].toInt()
}
