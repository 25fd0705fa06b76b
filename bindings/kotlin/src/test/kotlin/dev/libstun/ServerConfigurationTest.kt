package dev.libstun

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import java.net.InetSocketAddress
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

/** Every field of a server's configuration changes how it answers. */
@Timeout(120)
class ServerConfigurationTest {
    private val open = ServerConfig(budget = false)
    private val closed = open.copy(realm = "example.org", users = mapOf("alice" to "s3cret"))
    private val alternate = address("192.0.2.2", 3479)

    private fun request(fill: MessageBuilder.() -> Unit = {}): ByteArray =
        MessageBuilder(MessageClass.REQUEST, 1).apply(fill).build()

    private fun Agent.ask(request: ByteArray = request(), at: InetSocketAddress = SERVER, now: Long = 0): Transmit? =
        exchange(request, CLIENT, now, at).transmits.singleOrNull()

    private fun <T> serving(config: ServerConfig, ask: Agent.(OperationId) -> T): T =
        Agent(0).use { it.ask(it.startServer(config, 0)) }

    private fun answer(config: ServerConfig, at: InetSocketAddress = SERVER, request: ByteArray = request()): Message? =
        serving(config) { ask(request, at)?.let { Message.decode(it.bytes) } }

    private fun errorOf(message: Message?): Int? = message?.get(ERROR_CODE)?.let { it[2] * 100 + it[3] }

    @Test
    fun `only what arrives there is answered`() {
        assertEquals(CLIENT, answer(open)?.mappedAddress)
        val there = open.copy(local = SERVER)
        assertEquals(CLIENT, answer(there)?.mappedAddress)
        assertNull(answer(there, address("192.0.2.1", 3479)))
        assertEquals(CLIENT, answer(open.copy(local = address("0.0.0.0", 3478)))?.mappedAddress)
        assertNull(answer(open.copy(local = address("0.0.0.0", 3479))))
    }

    @Test
    fun `only who has the short-term credential is answered`() {
        val credential = ShortTerm("alice", "s3cret")
        val key = Key.shortTerm("s3cret")
        val signed = MessageBuilder(MessageClass.REQUEST, 1).add(USERNAME, "alice".toByteArray()).build(key)
        val strange = signed.copyOf().also { it[24] = 'b'.code.toByte() }
        assertEquals(401, errorOf(answer(open.copy(credentials = credential), request = strange)))
        val answered = answer(open.copy(credentials = credential), request = signed)!!
        assertEquals(CLIENT to Check.VALID, answered.mappedAddress to answered.checkIntegrity(key))
    }

    @Test
    fun `a challenge offers what the server is told to`() {
        val full = answer(closed)!!
        assertEquals(401 to "example.org", errorOf(full) to String(full[REALM]!!))
        assertNotNull(full[PASSWORD_ALGORITHMS])
        assertNull(answer(closed.copy(passwordAlgorithms = false))!![PASSWORD_ALGORITHMS])
        val features = listOf(true, false).map { features(answer(closed.copy(usernameAnonymity = it))!!) }
        assertNotEquals(features[0], features[1])
    }

    /** The four characters of the nonce's security features (RFC 8489 s9.2). */
    private fun features(challenge: Message): String = String(challenge[NONCE]!!).substring(9, 13)

    @Test
    fun `a nonce is stale after its lifetime`() {
        for ((lifetime, expected) in mapOf(null to null, 30.seconds to 438)) {
            val error = serving(closed.copy(nonceLifetime = lifetime, passwordAlgorithms = false)) {
                val nonce = Message.decode(ask()!!.bytes)[NONCE]!!
                val signed = MessageBuilder(MessageClass.REQUEST, 1)
                    .add(USERNAME, "alice".toByteArray())
                    .add(REALM, "example.org".toByteArray())
                    .add(NONCE, nonce)
                    .build(Key.longTerm("alice", "example.org", "s3cret"))
                errorOf(Message.decode(ask(signed, now = 1.minutes.inWholeNanoseconds)!!.bytes))
            }
            assertEquals(expected, error, "$lifetime")
        }
    }

    @Test
    fun `clients of RFC 3489 are answered if they shall be`() {
        val old = request().also { for (place in 4 until 8) it[place] = 7 }
        for (answers in listOf(true, false)) {
            serving(open.copy(answersRfc3489 = answers)) { assertEquals(answers, ask(old) != null) }
        }
    }

    @Test
    fun `a budget is as large as it is told`() {
        val unknown = request { add(0x7FFF, ByteArray(0)) }
        fun errors(config: ServerConfig): Int = serving(config) { (1..200).count { ask(unknown) != null } }
        val few = open.copy(budget = true, amplificationPercent = null, errorBytesPerSecond = 1, errorBurst = 300)
        assertEquals(200, errors(open))
        assertTrue(errors(few) in 1..10, "${errors(few)}")
        assertTrue(errors(few.copy(errorBurst = 3000)) > 2 * errors(few))
        assertEquals(0, errors(few.copy(amplificationPercent = 1)))
        fun later(perSecond: Int): Int = serving(few.copy(errorBytesPerSecond = perSecond)) {
            repeat(200) { ask(unknown) }
            (1..200).count { ask(unknown, now = 1.seconds.inWholeNanoseconds) != null }
        }
        assertEquals(0, later(1))
        assertTrue(later(200) > 0)
    }

    @Test
    fun `behaviour discovery has four sockets, and may be known by other addresses`() {
        val full = open.copy(local = SERVER, alternate = alternate, socketIds = listOf(1, 2, 3, 4))
        serving(full) {
            assertEquals(alternate, Message.decode(ask()!!.bytes).address(Attribute.OTHER_ADDRESS))
            for ((change, expected) in mapOf(
                2 to (address("192.0.2.1", 3479) to 2),
                4 to (address("192.0.2.2", 3478) to 3),
                6 to (alternate to 4),
            )) {
                val changed = ask(request { add(CHANGE_REQUEST, number(change)) })!!
                assertEquals(expected, changed.local to changed.socketId)
            }
        }
        val public = listOf(address("203.0.113.1", 0).address, address("203.0.113.2", 0).address)
        val known = full.copy(publicHosts = public[0] to public[1])
        val origin = answer(known)!!.address(Attribute.RESPONSE_ORIGIN)
        assertEquals(public[0], origin!!.address)
        assertEquals(public[1], answer(known)!!.address(Attribute.OTHER_ADDRESS)!!.address)
    }

    @Test
    fun `behaviour discovery with one address says that there is no other`() {
        val change = request { add(CHANGE_REQUEST, number(6)) }
        val single = open.copy(local = SERVER, behaviorSingle = true)
        assertEquals(420, errorOf(answer(single, request = change)))
        assertNull(answer(single)!!.address(Attribute.OTHER_ADDRESS))
        assertNotNull(answer(single)!!.address(Attribute.RESPONSE_ORIGIN))
    }

    @Test
    fun `what contradicts itself does not start`() {
        val long = listOf(1, 2, 3)
        for (wrong in listOf(
            open.copy(users = mapOf("alice" to "s3cret")),
            closed.copy(credentials = ShortTerm("alice", "s3cret")),
            closed.copy(answersRfc3489 = true),
            open.copy(realm = ""),
            open.copy(amplificationPercent = 0),
            open.copy(errorBurst = -1),
            open.copy(nonceLifetime = (-1).seconds),
            open.copy(alternate = alternate),
            open.copy(local = SERVER, alternate = alternate, socketIds = long),
            open.copy(behaviorSingle = true),
            open.copy(local = InetSocketAddress.createUnresolved("stun.example.org", 3478)),
            closed.copy(users = mapOf("" to "s3cret")),
        )) serving(open) {
            val refused = assertThrows(StunException::class.java, { startServer(wrong, 0) }, "$wrong")
            assertEquals(StunErrorCode.INVALID, refused.code, "$wrong")
            assertFalse(refused.message.isNullOrEmpty())
            assertEquals(1, operationCount())
        }
    }

    private companion object {
        const val CHANGE_REQUEST = 0x0003
        const val USERNAME = 0x0006
        const val ERROR_CODE = 0x0009
        const val REALM = 0x0014
        const val NONCE = 0x0015
        const val PASSWORD_ALGORITHMS = 0x8002
    }
}
