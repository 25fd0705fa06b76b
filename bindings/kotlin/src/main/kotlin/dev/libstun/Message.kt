package dev.libstun

import dev.libstun.raw.RawAttribute
import dev.libstun.raw.RawKey
import dev.libstun.raw.RawMessage
import dev.libstun.raw.checkFingerprint
import dev.libstun.raw.checkIntegrity
import dev.libstun.raw.decodeAddress
import dev.libstun.raw.decodeMessage
import dev.libstun.raw.encodeAddress
import dev.libstun.raw.encodeMessage
import java.net.InetSocketAddress

/** The library as a whole. */
public object Stun {
    /** The version of the library, such as "0.1.0". */
    @JvmStatic
    public val version: String get() = dev.libstun.raw.libraryVersion()

    /** What a datagram looks like, for hosts that share a socket. No promise that it is well formed. */
    @JvmStatic
    public fun classify(datagram: ByteArray): Protocol {
        val code = translated { dev.libstun.raw.classify(lent(datagram)) }
        return decoded<Protocol>(code.toInt()) ?: Protocol.UNKNOWN
    }
}

/**
 * What integrity is computed with (RFC 8489 s9.1.1, s9.2.2). Names and passwords are prepared as OpaqueStrings by the
 * library (RFC 8265 s4.2). Printed without the password.
 */
public class Key private constructor(internal val raw: RawKey) {
    override fun toString(): String = if (raw.kind == 0U) "Key(short-term)" else "Key(${raw.username}, ${raw.realm})"

    public companion object {
        /** Of a short-term credential. */
        @JvmStatic
        public fun shortTerm(password: String): Key = Key(RawKey(0U, "", "", password))

        /** Of a long-term credential: with MD5, or with SHA-256 if the server has chosen that. */
        @JvmStatic
        @JvmOverloads
        public fun longTerm(username: String, realm: String, password: String, isSha256: Boolean = false): Key =
            Key(RawKey(if (isSha256) 2U else 1U, username, realm, password))
    }
}

/**
 * An attribute of a message.
 *
 * @property type its type, 0 to 65535.
 * @property value as on the wire, without padding.
 */
public class Attribute(public val type: Int, public val value: ByteArray) {
    override fun equals(other: Any?): Boolean =
        other is Attribute && type == other.type && value.contentEquals(other.value)

    override fun hashCode(): Int = 31 * type + value.contentHashCode()
    override fun toString(): String = "0x%04x, %d bytes".format(type, value.size)

    /** The types of attributes that have an address. */
    public companion object {
        /** The address that a client has, as old servers say it (RFC 8489 s14.1). */
        public const val MAPPED_ADDRESS: Int = 0x0001

        /** A peer (RFC 8656 s18.3). */
        public const val XOR_PEER_ADDRESS: Int = 0x0012

        /** A relayed address (RFC 8656 s18.5). */
        public const val XOR_RELAYED_ADDRESS: Int = 0x0016

        /** The address that a client has (RFC 8489 s14.2). */
        public const val XOR_MAPPED_ADDRESS: Int = 0x0020

        /** The server to ask instead (RFC 8489 s14.15). */
        public const val ALTERNATE_SERVER: Int = 0x8023

        /** Where an answer was sent from (RFC 5780 s7.3). */
        public const val RESPONSE_ORIGIN: Int = 0x802B

        /** The server's other IP address and port (RFC 5780 s7.4). */
        public const val OTHER_ADDRESS: Int = 0x802C
    }
}

/**
 * A STUN message, taken apart (RFC 8489 s5).
 *
 * ```
 * val message = Message.decode(datagram)
 * if (message.messageClass == MessageClass.SUCCESS_RESPONSE) println(message.mappedAddress)
 * ```
 *
 * @property attributes in their order, integrity and FINGERPRINT among them.
 */
public class Message private constructor(private val bytes: ByteArray, private val raw: RawMessage) {
    /** Whether it asks or answers. */
    public val messageClass: MessageClass get() = MessageClass.values()[raw.messageClass.toInt()]

    /** 0 to 4095; 1 is Binding. */
    public val method: Int get() = raw.method.toInt()
    public val attributes: List<Attribute> = raw.attributes.map { Attribute(it.attributeType.toInt(), it.value) }

    /** Its 12 bytes. */
    public val transactionId: ByteArray get() = raw.transactionId.copyOf()

    /** XOR-MAPPED-ADDRESS, else MAPPED-ADDRESS, else `null`. Throws [StunException] if the value is impossible. */
    public val mappedAddress: InetSocketAddress?
        get() = address(Attribute.XOR_MAPPED_ADDRESS) ?: address(Attribute.MAPPED_ADDRESS)

    /** The value of the first attribute of a type, or `null`. */
    public operator fun get(type: Int): ByteArray? = attributes.firstOrNull { it.type == type }?.value

    /**
     * The address in the first attribute of a type that has one, or `null` if there is no such attribute.
     *
     * @throws StunException if it is no type of an address, or the value is impossible.
     */
    public fun address(type: Int): InetSocketAddress? =
        socketAddress(translated { decodeAddress(lent(bytes), attributeType(type)) })

    /** Checks FINGERPRINT (RFC 8489 s14.7). */
    public fun checkFingerprint(): Check = check(translated { checkFingerprint(lent(bytes)) })

    /**
     * Checks MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256. The time that takes does not depend on the value.
     *
     * @throws StunException if a name or a password of the key is none.
     */
    @JvmOverloads
    public fun checkIntegrity(key: Key, integrity: Integrity = Integrity.SHA1): Check =
        check(translated { checkIntegrity(lent(bytes), key.raw, integrity == Integrity.SHA256) })

    /** The message as it came. */
    public fun toBytes(): ByteArray = bytes.copyOf()

    override fun toString(): String = "$messageClass of method $method with ${attributes.size} attributes"

    private fun check(code: UInt) = decoded<Check>(code.toInt()) ?: Check.INVALID

    public companion object {
        /**
         * Takes a message apart: one datagram, or one frame of a stream.
         *
         * @throws StunException if it is none, or is broken.
         */
        @JvmStatic
        public fun decode(datagram: ByteArray): Message {
            val copy = datagram.copyOf()
            return Message(copy, translated { decodeMessage(lent(copy)) })
        }
    }
}

/**
 * Puts a message together.
 *
 * ```
 * val answer = MessageBuilder(MessageClass.SUCCESS_RESPONSE, request.method, request.transactionId)
 *     .add(Attribute.XOR_MAPPED_ADDRESS, remote)
 *     .build()
 * ```
 *
 * @param method 0 to 4095; 1 is Binding.
 * @param transactionId its 12 bytes; `null` is a random one.
 * @throws StunException if one of them is impossible.
 */
public class MessageBuilder @JvmOverloads constructor(
    private val messageClass: MessageClass,
    private val method: Int,
    transactionId: ByteArray? = null,
) {
    private val id: ByteArray
    private val attributes = mutableListOf<RawAttribute>()

    init {
        if (method !in 0..0xFFF) throw invalid("a method is 0 to 4095, and not $method")
        if (transactionId != null && transactionId.size != ID) throw invalid("a transaction id has $ID bytes")
        id = transactionId?.copyOf() ?: encoded(ByteArray(0), null, 0U, false).copyOfRange(ID_AT, ID_AT + ID)
    }

    /** Adds an attribute of any type but those of integrity and FINGERPRINT, which are made. */
    public fun add(type: Int, value: ByteArray): MessageBuilder {
        attributes += RawAttribute(attributeType(type), value.copyOf())
        return this
    }

    /** Adds an attribute of a type that has an address. */
    public fun add(type: Int, address: InetSocketAddress): MessageBuilder =
        add(type, translated { encodeAddress(attributeType(type), endpoint(address), lent(id)) })

    /**
     * The message: its attributes, then what integrity it shall have, then FINGERPRINT.
     *
     * @param integrity one of them, or both, in this order; none without a key.
     * @throws StunException if an attribute is none, integrity has no key, or it would be too long.
     */
    @JvmOverloads
    public fun build(
        key: Key? = null,
        integrity: Set<Integrity> = if (key == null) emptySet() else setOf(Integrity.SHA1),
        fingerprint: Boolean = false,
    ): ByteArray = encoded(id, key, integrity.fold(0U) { bits, one -> bits or (1U shl one.ordinal) }, fingerprint)

    private fun encoded(id: ByteArray, key: Key?, integrity: UInt, fingerprint: Boolean): ByteArray = translated {
        val message = RawMessage(messageClass.code, method.toUShort(), id, attributes.toList())
        encodeMessage(message, key?.raw, integrity, fingerprint)
    }

    private companion object {
        const val ID = 12
        const val ID_AT = 8
    }
}

private fun attributeType(type: Int): UShort =
    if (type in 0..0xFFFF) type.toUShort() else throw invalid("a type of an attribute is 0 to 65535, and not $type")

/** The bytes where the library can read them, until this thread's next call. */
private fun lent(bytes: ByteArray) = SCRATCHES.get().of(bytes)

private val SCRATCHES: ThreadLocal<Scratch> = ThreadLocal.withInitial { Scratch(Scratch.MAX_MESSAGE) }
