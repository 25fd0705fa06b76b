package dev.libstun

import dev.libstun.support.BINDING
import dev.libstun.support.CLIENT
import dev.libstun.support.VECTORS
import dev.libstun.support.address
import dev.libstun.support.bytes
import dev.libstun.support.hex
import dev.libstun.support.number
import dev.libstun.support.refused
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.boolean
import kotlinx.serialization.json.contentOrNull
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File

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
            val data = bytes(vector.text("hex"))
            assertEquals(vector.getValue("length").jsonPrimitive.int, data.size)
            assertEquals(Protocol.STUN, Stun.classify(data))
            val message = Message.decode(data)
            assertArrayEquals(data, message.toBytes())
            val key = if (vector.textOrNull("credential") == "long-term-md5") longTerm(vector) else shortTerm(vector)
            val expected = vector.under("expect")
            for ((field, value) in expected) checkField(message, key, field, value.jsonPrimitive.content)
        }
        assertEquals(7, vectors.size)
    }

    private fun longTerm(vector: JsonObject): Key {
        val (username, realm) = vector.text("username") to vector.text("realm")
        // RFC 5769 s2.4 prepares its password with SASLprep; OpaqueString refuses what that drops.
        val unprepared = Key.longTerm(username, realm, vector.text("password_raw"))
        val message = Message.decode(bytes(vector.text("hex")))
        refused(StunErrorCode.INVALID) { message.checkIntegrity(unprepared) }
        return Key.longTerm(username, realm, vector.text("password_prepared"))
    }

    private fun checkField(message: Message, key: Key, field: String, expected: String) {
        when (field) {
            "class" -> assertEquals(classes[expected], message.messageClass)
            "method" -> assertEquals("binding" to BINDING, expected to message.method)
            "transaction_id" -> assertEquals(expected, hex(message.transactionId))
            "SOFTWARE" -> assertEquals(expected, String(message[SOFTWARE]!!))
            "USERNAME" -> assertEquals(expected, String(message[USERNAME]!!))
            "PRIORITY" -> assertArrayEquals(number(expected.toInt()), message[PRIORITY])
            "ICE-CONTROLLED" -> assertEquals(expected, hex(message[0x8029]!!))
            "XOR-MAPPED-ADDRESS" -> assertEquals(address(expected), message.mappedAddress)
            "MESSAGE-INTEGRITY" -> assertEquals(verdict(expected), message.checkIntegrity(key))
            "FINGERPRINT" -> assertEquals(verdict(expected), message.checkFingerprint())
            else -> error("not understood: $field")
        }
    }

    @Test
    fun `the sample of RFC 8489 reads and verifies once corrected`() {
        val vectors = load("rfc8489_b1.json").vectors()
        val sample = vectors.first()
        val (username, realm) = sample.text("username") to sample.text("realm")
        val key = Key.longTerm(username, realm, sample.text("password_prepared"), true)
        val seen = HashMap<Check, Int>()
        var malformed = 0
        for (vector in vectors) {
            val data = bytes(vector.text("hex"))
            val seal = vector.under("expect").text("MESSAGE-INTEGRITY-SHA256")
            if (vector.text("name") == "rfc8489-B.1-as-printed" || seal.startsWith("malformed")) {
                refused(StunErrorCode.INVALID) { Message.decode(data) }
                malformed++
                continue
            }
            // "policy ...: valid" or "reject" is of a receiver that takes the full length only.
            val verdict = if (seal.substringAfterLast(": ") == "valid") Check.VALID else Check.INVALID
            assertEquals(verdict, Message.decode(data).checkIntegrity(key, Integrity.SHA256), vector.text("name"))
            seen.merge(verdict, 1, Int::plus)
        }
        assertTrue(malformed > 1 && seen.size == 2, "$malformed $seen")
    }

    @Test
    fun `what real servers sent reads and verifies`() {
        val file = load("captured_servers.json")
        val credentials = file.under("credentials")
        val (username, realm) = credentials.text("username") to credentials.text("realm")
        val key = Key.longTerm(username, realm, credentials.text("password"))
        val servers = file.under("servers")
        var (read, unread, signed) = listOf(0, 0, 0)
        for (entry in servers.values.flatMap { list -> list.jsonArray.map { it.jsonObject } }) {
            val response = entry.textOrNull("response")?.takeIf { it.isNotEmpty() } ?: continue
            val data = bytes(response)
            if (entry.text("name") == "binding-rfc3489-no-cookie") {
                refused(StunErrorCode.INVALID) { Message.decode(data) }
                unread++
                continue
            }
            checkResponse(Message.decode(data), data, entry, key)
            read++
            if (entry.getValue("has_integrity").jsonPrimitive.boolean) signed++
        }
        assertEquals(listOf(48, 2, 23), listOf(read, unread, signed))
    }

    private fun checkResponse(message: Message, data: ByteArray, entry: JsonObject, key: Key) {
        assertEquals(entry.text("response_type"), "0x" + hex(data.copyOf(2)))
        val pairs = entry.getValue("response_attrs").jsonArray
        val expected = pairs.map { pair -> pair.jsonArray.map { it.jsonPrimitive.content } }
        assertEquals(expected, message.attributes.map { listOf("0x%04x".format(it.type), hex(it.value)) })
        assertEquals(present(entry.getValue("has_fingerprint").jsonPrimitive.boolean), message.checkFingerprint())
        assertEquals(present(entry.getValue("has_integrity").jsonPrimitive.boolean), message.checkIntegrity(key))
        if ("xor_mapped" in entry) assertEquals(address(entry.text("xor_mapped")), message.mappedAddress)
        if ("xor_relayed" in entry) {
            assertEquals(address(entry.text("xor_relayed")), message.address(Attribute.XOR_RELAYED_ADDRESS))
        }
        if (isPaddedWithZeros(data)) assertArrayEquals(data, rebuilt(message, key))
    }

    @Test
    fun `what real ICE agents sent reads, verifies, and is built again to the same bytes`() {
        val vectors = load("captured_ice.json").vectors()
        var built = 0
        for (vector in vectors) {
            val data = bytes(vector.text("hex"))
            val message = Message.decode(data)
            val order = vector.getValue("attr_order").jsonArray.map { it.jsonPrimitive.content }
            assertEquals(order, message.attributes.map { "0x%04x".format(it.type) })
            assertEquals(Check.VALID, message.checkFingerprint())
            val key = vector.textOrNull("MI_key")?.takeIf { it.isNotEmpty() }?.let(Key::shortTerm)
            if (key == null) assertEquals(null, message[MESSAGE_INTEGRITY])
            if (key != null) assertEquals(Check.VALID, message.checkIntegrity(key))
            (vector["XOR-MAPPED-ADDRESS"] as? JsonArray)?.let { (ip, port) ->
                assertEquals(address(ip.jsonPrimitive.content, port.jsonPrimitive.int), message.mappedAddress)
            }
            if ("USERNAME" in vector) assertEquals(vector.text("USERNAME"), String(message[USERNAME]!!))
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
            val data = bytes(vector.text("hex"))
            assertEquals(vector.getValue("length").jsonPrimitive.int, data.size)
            val expected = vector.under("expect").text("decode")
            when {
                expected.startsWith("error") -> {
                    refused(StunErrorCode.INVALID) { Message.decode(data) }
                    refusals++
                }
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

    @Test
    fun `a builder is checked like any message`() {
        val key = Key.shortTerm("s3cret")
        val both = MessageBuilder(MessageClass.INDICATION, 1, ByteArray(12)).add(0x8022, "x".toByteArray())
            .build(key, setOf(Integrity.SHA1, Integrity.SHA256), fingerprint = true)
        val message = Message.decode(both)
        val checks = Integrity.entries.map { message.checkIntegrity(key, it) } + message.checkFingerprint()
        assertEquals(List(3) { Check.VALID }, checks)
        assertArrayEquals(ByteArray(12), message.transactionId)
        val builder = MessageBuilder(MessageClass.REQUEST, 1)
        val wrong = listOf<() -> Unit>(
            { MessageBuilder(MessageClass.REQUEST, 4096) },
            { MessageBuilder(MessageClass.REQUEST, 1, ByteArray(11)) },
            { builder.add(0x10000, ByteArray(0)) },
            { builder.add(0x0006, CLIENT) },
            { builder.build(null, setOf(Integrity.SHA1)) },
            { MessageBuilder(MessageClass.REQUEST, 1).add(0x0008, ByteArray(20)).build() },
            { MessageBuilder(MessageClass.REQUEST, 1).add(0x7000, ByteArray(65533)).build() },
            { Message.decode(ByteArray(70_000)) },
            { message.address(0x0006) },
        )
        for (call in wrong) refused(StunErrorCode.INVALID, call)
    }

    private fun checkBroken(data: ByteArray, vector: JsonObject) {
        val message = runCatching { Message.decode(data) }.getOrNull() ?: return
        assertEquals(Check.INVALID, message.checkIntegrity(shortTerm(vector)))
        assertNotEquals(Check.VALID, message.checkFingerprint())
    }

    /** What is malformed inside is read as bytes, or refused: as an address it is never anything. */
    private fun checkAttributes(data: ByteArray) {
        val message = runCatching { Message.decode(data) }.getOrNull() ?: return
        if (message[Attribute.XOR_MAPPED_ADDRESS] != null) refused(StunErrorCode.INVALID) { message.mappedAddress }
    }

    private fun checkWellFormed(vector: JsonObject, data: ByteArray) {
        val message = Message.decode(data)
        assertArrayEquals(data, message.toBytes())
        when (vector.text("name")) {
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
            else -> if ("hmac_key_hex" in vector) {
                assertEquals(Check.VALID, message.checkIntegrity(shortTerm(vector)), vector.text("name"))
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

    private fun shortTerm(vector: JsonObject) = Key.shortTerm(String(bytes(vector.text("hmac_key_hex"))))

    private fun verdict(text: String) = Check.valueOf(text.uppercase())

    private fun present(isThere: Boolean) = if (isThere) Check.VALID else Check.ABSENT

    private fun load(name: String) = Json.parseToJsonElement(File(VECTORS, name).readText()).jsonObject

    private fun JsonObject.vectors() = getValue("vectors").jsonArray.map { it.jsonObject }

    private fun JsonObject.under(name: String) = getValue(name).jsonObject

    private fun JsonObject.text(name: String) = getValue(name).jsonPrimitive.content

    private fun JsonObject.textOrNull(name: String) = this[name]?.jsonPrimitive?.contentOrNull
}
