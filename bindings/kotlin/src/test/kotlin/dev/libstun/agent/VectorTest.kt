package dev.libstun.agent

import dev.libstun.Attribute
import dev.libstun.Check
import dev.libstun.Integrity
import dev.libstun.Key
import dev.libstun.Message
import dev.libstun.MessageBuilder
import dev.libstun.MessageClass
import dev.libstun.Protocol
import dev.libstun.Stun
import dev.libstun.StunErrorCode
import org.json.JSONArray
import org.json.JSONObject
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File
import java.net.InetSocketAddress

private const val USERNAME = 0x0006
private const val MESSAGE_INTEGRITY = 0x0008
private const val SHA256 = 0x001C
private const val FINGERPRINT = 0x8028
private const val SOFTWARE = 0x8022
private const val PRIORITY = 0x0024

/**
 * The codec against the repository's vectors: those of the RFCs, captured ones, and malformed ones. An expectation that
 * this file does not understand fails it.
 */
class VectorTest {
    private val classes = mapOf(
        "request" to MessageClass.REQUEST,
        "indication" to MessageClass.INDICATION,
        "success" to MessageClass.SUCCESS_RESPONSE,
        "error" to MessageClass.ERROR_RESPONSE,
    )

    @Test
    fun `the samples of RFC 5769 read and verify`() {
        val vectors = load("rfc5769.json").vectors()
        for (vector in vectors) {
            val data = bytes(vector.getString("hex"))
            assertEquals(vector.getInt("length"), data.size)
            assertEquals(Protocol.STUN, Stun.classify(data))
            val message = Message.decode(data)
            assertArrayEquals(data, message.toBytes())
            val key = if (vector.optString("credential") == "long-term-md5") longTerm(vector) else shortTerm(vector)
            val expected = vector.getJSONObject("expect")
            for (field in expected.keySet()) checkField(message, key, field, expected[field])
        }
        assertEquals(7, vectors.size)
    }

    private fun longTerm(vector: JSONObject): Key {
        val (username, realm) = vector.getString("username") to vector.getString("realm")
        // RFC 5769 s2.4 prepares its password with SASLprep; OpaqueString refuses what that drops.
        val unprepared = Key.longTerm(username, realm, vector.getString("password_raw"))
        val message = Message.decode(bytes(vector.getString("hex")))
        refused(StunErrorCode.INVALID) { message.checkIntegrity(unprepared) }
        return Key.longTerm(username, realm, vector.getString("password_prepared"))
    }

    private fun checkField(message: Message, key: Key, field: String, expected: Any) {
        when (field) {
            "class" -> assertEquals(classes[expected], message.messageClass)
            "method" -> assertEquals("binding" to BINDING, expected to message.method)
            "transaction_id" -> assertEquals(expected, hex(message.transactionId))
            "SOFTWARE" -> assertEquals(expected, String(message[SOFTWARE]!!))
            "USERNAME" -> assertEquals(expected, String(message[USERNAME]!!))
            "PRIORITY" -> assertArrayEquals(number((expected as Number).toInt()), message[PRIORITY])
            "ICE-CONTROLLED" -> assertEquals(expected, hex(message[0x8029]!!))
            "XOR-MAPPED-ADDRESS" -> assertEquals(address(expected as String), message.mappedAddress)
            "MESSAGE-INTEGRITY" -> assertEquals(verdict(expected), message.checkIntegrity(key))
            "FINGERPRINT" -> assertEquals(verdict(expected), message.checkFingerprint())
            else -> error("not understood: $field")
        }
    }

    @Test
    fun `the sample of RFC 8489 reads and verifies once corrected`() {
        val vectors = load("rfc8489_b1.json").vectors()
        val sample = vectors.first()
        val (username, realm) = sample.getString("username") to sample.getString("realm")
        val key = Key.longTerm(username, realm, sample.getString("password_prepared"), true)
        val seen = HashMap<Check, Int>()
        var malformed = 0
        for (vector in vectors) {
            val data = bytes(vector.getString("hex"))
            val seal = vector.getJSONObject("expect").getString("MESSAGE-INTEGRITY-SHA256")
            if (vector.getString("name") == "rfc8489-B.1-as-printed" || seal.startsWith("malformed")) {
                refused(StunErrorCode.INVALID) { Message.decode(data) }
                malformed++
                continue
            }
            // "policy ...: valid" or "reject" is of a receiver that takes the full length only.
            val verdict = if (seal.substringAfterLast(": ") == "valid") Check.VALID else Check.INVALID
            assertEquals(verdict, Message.decode(data).checkIntegrity(key, Integrity.SHA256), vector.getString("name"))
            seen.merge(verdict, 1, Int::plus)
        }
        assertTrue(malformed > 1 && seen.size == 2, "$malformed $seen")
    }

    @Test
    fun `what real servers sent reads and verifies`() {
        val file = load("captured_servers.json")
        val credentials = file.getJSONObject("credentials")
        val (username, realm) = credentials.getString("username") to credentials.getString("realm")
        val key = Key.longTerm(username, realm, credentials.getString("password"))
        val servers = file.getJSONObject("servers")
        var (read, unread, signed) = listOf(0, 0, 0)
        for (entry in servers.keySet().flatMap { servers.getJSONArray(it).objects() }) {
            val response = entry.optString("response").takeIf { it.isNotEmpty() && it != "null" } ?: continue
            val data = bytes(response)
            if (entry.getString("name") == "binding-rfc3489-no-cookie") {
                refused(StunErrorCode.INVALID) { Message.decode(data) }
                unread++
                continue
            }
            checkResponse(Message.decode(data), data, entry, key)
            read++
            if (entry.getBoolean("has_integrity")) signed++
        }
        assertEquals(listOf(48, 2, 23), listOf(read, unread, signed))
    }

    private fun checkResponse(message: Message, data: ByteArray, entry: JSONObject, key: Key) {
        assertEquals(entry.getString("response_type"), "0x" + hex(data.copyOf(2)))
        val expected = entry.getJSONArray("response_attrs").map { it as JSONArray }.map { it.toList() }
        assertEquals(expected, message.attributes.map { listOf("0x%04x".format(it.type), hex(it.value)) })
        assertEquals(present(entry.getBoolean("has_fingerprint")), message.checkFingerprint())
        assertEquals(present(entry.getBoolean("has_integrity")), message.checkIntegrity(key))
        if (entry.has("xor_mapped")) assertEquals(address(entry.getString("xor_mapped")), message.mappedAddress)
        if (entry.has("xor_relayed")) {
            assertEquals(address(entry.getString("xor_relayed")), message.address(Attribute.XOR_RELAYED_ADDRESS))
        }
        if (isPaddedWithZeros(data)) assertArrayEquals(data, rebuilt(message, key))
    }

    @Test
    fun `what real ICE agents sent reads, verifies, and is built again to the same bytes`() {
        val vectors = load("captured_ice.json").vectors()
        var built = 0
        for (vector in vectors) {
            val data = bytes(vector.getString("hex"))
            val message = Message.decode(data)
            val order = vector.getJSONArray("attr_order").map { it as String }
            assertEquals(order, message.attributes.map { "0x%04x".format(it.type) })
            assertEquals(Check.VALID, message.checkFingerprint())
            val key = vector.optString("MI_key").takeIf { it.isNotEmpty() && it != "null" }?.let(Key::shortTerm)
            if (key == null) assertEquals(null, message[MESSAGE_INTEGRITY])
            if (key != null) assertEquals(Check.VALID, message.checkIntegrity(key))
            vector.optJSONArray("XOR-MAPPED-ADDRESS")?.let {
                assertEquals(InetSocketAddress(host(it.getString(0)), it.getInt(1)), message.mappedAddress)
            }
            if (vector.has("USERNAME")) assertEquals(vector.getString("USERNAME"), String(message[USERNAME]!!))
            if (isPaddedWithZeros(data)) {
                assertArrayEquals(data, rebuilt(message, key))
                built++
            }
        }
        assertEquals(8, vectors.size)
        assertTrue(built >= 4, "$built")
    }

    @Test
    fun `malformed messages get the reaction that they deserve`() {
        val vectors = load("malformed.json").vectors()
        var (refusals, reads) = listOf(0, 0)
        for (vector in vectors) {
            val data = bytes(vector.getString("hex"))
            assertEquals(vector.getInt("length"), data.size)
            val expected = vector.getJSONObject("expect").getString("decode")
            when {
                expected.startsWith("error") -> refused(StunErrorCode.INVALID) { Message.decode(data) }.also { refusals++ }
                expected == "parse error, FINGERPRINT mismatch or MI invalid" -> checkBroken(data, vector)
                expected == "FINGERPRINT mismatch" -> {
                    assertEquals(Check.INVALID, Message.decode(data).checkFingerprint())
                }
                expected.startsWith("attribute error") -> checkAttributes(data)
                else -> checkWellFormed(vector, data).also { reads++ }
            }
        }
        assertEquals(124, vectors.size)
        assertTrue(refusals > 20 && reads > 20, "$refusals $reads")
    }

    private fun checkBroken(data: ByteArray, vector: JSONObject) {
        val message = runCatching { Message.decode(data) }.getOrNull() ?: return
        assertEquals(Check.INVALID, message.checkIntegrity(shortTerm(vector)))
        assertNotEquals(Check.VALID, message.checkFingerprint())
    }

    /** What is malformed inside is read as bytes, or refused: as an address it is never anything. */
    private fun checkAttributes(data: ByteArray) {
        val message = runCatching { Message.decode(data) }.getOrNull() ?: return
        if (message[Attribute.XOR_MAPPED_ADDRESS] != null) refused(StunErrorCode.INVALID) { message.mappedAddress }
    }

    private fun checkWellFormed(vector: JSONObject, data: ByteArray) {
        val message = Message.decode(data)
        assertArrayEquals(data, message.toBytes())
        when (vector.getString("name")) {
            "xor-mapped-duplicate-different", "success-with-unknown-required" ->
                assertEquals(address("192.0.2.9:4660"), message.mappedAddress)
            "mapped-address-only" -> assertEquals(message.address(Attribute.MAPPED_ADDRESS), message.mappedAddress)
            "mi-and-mi-sha256-both-valid" -> {
                assertEquals(Check.VALID, message.checkIntegrity(shortTerm(vector)))
                assertEquals(Check.VALID, message.checkIntegrity(shortTerm(vector), Integrity.SHA256))
            }
            "mi-valid-sha256-invalid" -> {
                assertEquals(Check.VALID, message.checkIntegrity(shortTerm(vector)))
                assertEquals(Check.INVALID, message.checkIntegrity(shortTerm(vector), Integrity.SHA256))
            }
            "binding-indication-fingerprint-only" -> assertEquals(Check.VALID, message.checkFingerprint())
            "max-length-65532-real" -> assertEquals(65_552, data.size)
            else -> if (vector.has("hmac_key_hex")) {
                assertEquals(Check.VALID, message.checkIntegrity(shortTerm(vector)), vector.getString("name"))
            }
        }
    }

    // Building again

    private fun rebuilt(message: Message, key: Key?): ByteArray {
        val seals = setOf(MESSAGE_INTEGRITY, SHA256, FINGERPRINT)
        val builder = MessageBuilder(message.messageClass, message.method, message.transactionId)
        message.attributes.filter { it.type !in seals }.forEach { builder.add(it.type, it.value) }
        val integrity = buildSet {
            if (message[MESSAGE_INTEGRITY] != null) add(Integrity.SHA1)
            if (message[SHA256] != null) add(Integrity.SHA256)
        }
        return builder.build(key.takeIf { integrity.isNotEmpty() }, integrity, message[FINGERPRINT] != null)
    }

    private fun isPaddedWithZeros(data: ByteArray): Boolean {
        var at = 20
        while (at < data.size) {
            val length = (data[at + 2].toInt() and 0xFF shl 8) or (data[at + 3].toInt() and 0xFF)
            val next = at + 4 + (length + 3) / 4 * 4
            if ((at + 4 + length until next).any { data[it] != 0.toByte() }) return false
            at = next
        }
        return true
    }

    private fun shortTerm(vector: JSONObject) = Key.shortTerm(String(bytes(vector.getString("hmac_key_hex"))))

    private fun verdict(text: Any) = Check.valueOf((text as String).uppercase())

    private fun present(isThere: Boolean) = if (isThere) Check.VALID else Check.ABSENT

    private fun load(name: String) = JSONObject(File(VECTORS, name).readText())

    private fun JSONObject.vectors() = getJSONArray("vectors").objects()

    private fun JSONArray.objects() = map { it as JSONObject }
}
