package dev.libstun

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout

/** What servers tell, and what is newer than this package. */
@Timeout(120)
class ServerEventTest {
    @Test
    fun `a server tells of networks that ask too much`() = Agent(0).use { server ->
        server.startServer(ServerConfig(amplificationPercent = 1, errorBytesPerSecond = 1, errorBurst = 1), 0)
        val events = (1..2000).flatMap {
            val request = MessageBuilder(MessageClass.REQUEST, 1).build()
            server.exchange(request, CLIENT, 0, SERVER).events
        }
        assertTrue(events.any { it.event == Throttled(CLIENT.address) }, "$events")
        assertTrue(server.dropped(DropReason.OVER_BUDGET) > 0)
    }

    @Test
    fun `a server tells of networks that keep failing to authenticate`() = Agent(0).use { server ->
        server.startServer(ServerConfig(realm = "example.org", users = mapOf("alice" to "s3cret")), 0)
        val events = (1..50).flatMap { Played().use { host -> authenticate(host, server, it) } }
        assertTrue(events.any { it.event == AuthenticationFailures(CLIENT.address, isProven = true) }, "$events")
    }

    private fun authenticate(host: Played, server: Agent, round: Int): List<AgentEvent> {
        val now = round * 100_000_000L // many in the ten seconds that are counted together
        host.now = now
        val wrong = LongTerm("alice", "wrong$round")
        host.agent.startBinding(BindingConfig(SERVER, CLIENT, refresh = null, credentials = wrong), now)
        val events = mutableListOf<AgentEvent>()
        while (true) {
            host.goOn { host.sent.isNotEmpty() || host.told.isNotEmpty() }
            val request = host.sent.removeFirstOrNull() ?: break
            val output = server.exchange(request.bytes, CLIENT, host.now, SERVER)
            events += output.events
            output.transmits.forEach { host.arrive(it.bytes, request) }
        }
        return events
    }

    @Test
    fun `a kind that is newer is unknown, and says its number`() {
        val header = ByteArray(24).also { it[8] = 1; it[16] = 1 }
        val event = ByteArray(228).also { it[0] = 224.toByte(); it[4] = 99; it[8] = 5 }
        val happened = decodeOutput(header + event).events.single()
        assertEquals(Unknown(99) to 5L, happened.event to happened.id)
    }
}
