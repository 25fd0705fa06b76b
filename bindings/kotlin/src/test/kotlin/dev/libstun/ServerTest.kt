package dev.libstun

import dev.libstun.support.CLIENT
import dev.libstun.support.Net
import dev.libstun.support.ONCE
import dev.libstun.support.OTHER
import dev.libstun.support.SECOND
import dev.libstun.support.SERVER
import dev.libstun.support.address
import dev.libstun.support.seeded
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import kotlin.time.Duration.Companion.milliseconds

/** Two agents in one memory: the library's client and its server. */
class ServerTest {
    private val users = ServerConfig(local = SERVER, realm = "example.org", users = mapOf("alice" to "s3cret"))

    /** What a client with these credentials is told in the end. */
    private fun told(
        config: ServerConfig,
        credentials: Credentials?,
        edit: (Agent, Long) -> Unit = { _, _ -> },
    ): Event {
        val net = Net()
        val server = seeded(9)
        edit(server, server.startServer(config, 0))
        net.add(server, mapOf(SERVER to 0))
        val client = net.add(seeded(), mapOf(CLIENT to 7))
        client.agent.startBinding(ONCE.copy(credentials = credentials), 0)
        net.run(60 * SECOND) { client.events.isNotEmpty() }
        return client.events.single().event
    }

    private fun reason(event: Event) = (event as Failed).failure.reason

    @Test
    fun `an open server tells everybody their address`() {
        val mapped = told(ServerConfig(), null) as Mapped
        assertEquals(CLIENT to 20.milliseconds, mapped.address to mapped.rtt)
        assertTrue(told(ServerConfig(local = SERVER), null) is Mapped)
        assertEquals(FailureReason.TIMEOUT, reason(told(ServerConfig(local = OTHER), null)))
    }

    @Test
    fun `a server with a short-term credential answers whoever has it`() {
        val alice = ShortTerm("alice", "s3cret")
        assertTrue(told(ServerConfig(credentials = alice), alice) is Mapped)
        assertTrue(told(ServerConfig(credentials = alice), ShortTerm("alice", "s3cret", Integrity.SHA256)) is Mapped)
        assertFalse(told(ServerConfig(credentials = alice), ShortTerm("alice", "wrong")) is Mapped)
        assertFalse(told(ServerConfig(credentials = alice), null) is Mapped)
    }

    @Test
    fun `a server with a realm answers its users`() {
        assertTrue(told(users, LongTerm("alice", "s3cret")) is Mapped)
        assertTrue(told(users, LongTerm("alice", "s3cret", requireSha256 = true, requireAnonymity = true)) is Mapped)
        for (wrong in listOf(LongTerm("alice", "wrong"), LongTerm("bob", "s3cret"))) {
            val failure = (told(users, wrong) as Failed).failure
            assertEquals(FailureReason.AUTHENTICATION, failure.reason)
            assertEquals(AuthenticationFailure.REJECTED, failure.detail)
        }
    }

    @Test
    fun `what a server does not offer cannot be demanded`() {
        val weak = users.copy(passwordAlgorithms = false, usernameAnonymity = false)
        assertTrue(told(weak, LongTerm("alice", "s3cret")) is Mapped)
        val cases = mapOf(
            LongTerm("alice", "s3cret", requireSha256 = true) to AuthenticationFailure.SHA256_NOT_OFFERED,
            LongTerm("alice", "s3cret", requireAnonymity = true) to AuthenticationFailure.ANONYMITY_NOT_OFFERED,
        )
        for ((credentials, why) in cases) assertEquals(why, (told(weak, credentials) as Failed).failure.detail)
    }

    @Test
    fun `users come and go`() {
        assertTrue(told(users, LongTerm("bob", "pw")) { agent, id -> agent.addUser(id, "bob", "pw") } is Mapped)
        val removed = told(users, LongTerm("alice", "s3cret")) { agent, id ->
            assertTrue(agent.removeUser(id, "alice"))
            assertFalse(agent.removeUser(id, "alice"))
        }
        assertFalse(removed is Mapped)
    }
}
