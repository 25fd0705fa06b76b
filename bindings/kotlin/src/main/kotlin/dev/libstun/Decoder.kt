package dev.libstun

import java.net.InetAddress
import java.net.InetSocketAddress
import kotlin.time.Duration
import kotlin.time.Duration.Companion.nanoseconds

// The flat buffer that exchange, tick and drain bring back. Its layout is in bindings/uniffi/src/output.rs.

private const val OUTCOME = 8
private const val WAKE_REASON = 9
private const val PACKETS = 12
private const val EVENTS = 16
private const val PEER_DATA = 20
private const val HEADER = 24
private const val ADDRESS = 24
private const val PACKET = 60
private const val EVENT = 228

@JvmSynthetic
internal fun ByteArray.byteAt(at: Int): Int = this[at].toInt() and 0xFF

@JvmSynthetic
internal fun ByteArray.intAt(at: Int): Int =
    byteAt(at) or (byteAt(at + 1) shl 8) or (byteAt(at + 2) shl 16) or (byteAt(at + 3) shl 24)

@JvmSynthetic
internal fun ByteArray.longAt(at: Int): Long =
    (intAt(at).toLong() and 0xFFFF_FFFFL) or (intAt(at + 4).toLong() shl 32)

@JvmSynthetic
internal fun ByteArray.addressAt(at: Int): InetSocketAddress? =
    socketAddress(longAt(at), longAt(at + 8), longAt(at + 16))

/** A time, of which those that no host's clock will reach are never. */
@JvmSynthetic
internal fun ByteArray.timeAt(at: Int): Long = longAt(at).let { if (it < 0) Output.NEVER else it }

private fun ByteArray.durationAt(at: Int): Duration? = longAt(at).takeIf { it >= 0 }?.nanoseconds

/**
 * Takes the buffer apart. Nothing is made for what is not there.
 *
 * @throws StunException if it is no buffer that this package understands ([StunErrorCode.INTERNAL]).
 */
@JvmSynthetic
internal fun decodeOutput(bytes: ByteArray): Output = understood {
    val packets = bytes.countAt(PACKETS, PACKET)
    val events = bytes.countAt(EVENTS, EVENT)
    val peerData = bytes.countAt(PEER_DATA, PACKET)
    val reader = if (packets or events or peerData == 0) null else OutputReader(bytes, HEADER)
    Output(
        allPeerData = List(reader, peerData) { peerData() },
        transmits = List(reader, packets) { transmit() },
        events = List(reader, events) { event() },
        outcome = OUTCOMES[bytes.byteAt(OUTCOME)],
        deadlineNanos = bytes.timeAt(0),
        wakeReason = wakeReason(bytes.byteAt(WAKE_REASON)),
    )
}

/** One packet and nothing else. */
@JvmSynthetic
internal fun decodeTransmit(bytes: ByteArray): Transmit = understood { OutputReader(bytes, 0).transmit() }

/**
 * Reading goes by lengths and numbers that are in the buffer: what they lead out of it says that it is none of ours.
 */
private inline fun <T> understood(read: () -> T): T = try {
    read()
} catch (error: IndexOutOfBoundsException) {
    throw StunException(StunErrorCode.INTERNAL, "the library's buffer is not understood: ${error.message}")
}

/** How many things of a size at least follow: no more than there is room for. */
private fun ByteArray.countAt(at: Int, size: Int): Int {
    val count = intAt(at)
    if (count !in 0..this.size / size) throw IndexOutOfBoundsException("$count things in ${this.size} bytes")
    return count
}

/** Where something ends that begins there, if that is in the buffer. */
private fun ByteArray.endOf(from: Int, length: Int): Int {
    if (length !in 0..size - from) throw IndexOutOfBoundsException("$length bytes at $from of $size")
    return from + length
}

private inline fun <T> List(reader: OutputReader?, count: Int, read: OutputReader.() -> T): List<T> {
    if (reader == null || count == 0) return emptyList()
    return ArrayList<T>(count).apply { repeat(count) { add(reader.read()) } }
}

private fun wakeReason(number: Int): WakeReason? =
    if (number == 0) null else WAKE_REASONS.getOrElse(number - 1) { WakeReason.OTHER }

private val OUTCOMES = Outcome.values()
private val WAKE_REASONS = WakeReason.values()
private val TRANSPORTS = Transport.values()

/** Reads on from [at]. */
private class OutputReader(private val bytes: ByteArray, private var at: Int) {
    fun transmit(): Transmit {
        val start = at
        val payload = payload()
        return Transmit(
            payload,
            bytes.requiredAt(start + ADDRESS),
            bytes.addressAt(start),
            TRANSPORTS[bytes.byteAt(start + 48)],
            bytes.intAt(start + 52),
            bytes.byteAt(start + 49),
        )
    }

    fun peerData(): PeerData {
        val start = at
        val payload = payload()
        return PeerData(payload, bytes.requiredAt(start + ADDRESS), bytes.requiredAt(start), bytes.intAt(start + 52))
    }

    fun event(): AgentEvent {
        val start = at
        at = bytes.endOf(start + 4, bytes.intAt(start))
        return FlatEvent(bytes, start, at).decode()
    }

    private fun payload(): ByteArray {
        val from = at + PACKET
        at = bytes.endOf(from, bytes.intAt(at + 56))
        return bytes.copyOfRange(from, at)
    }
}

private fun ByteArray.requiredAt(at: Int): InetSocketAddress =
    addressAt(at) ?: throw StunException(StunErrorCode.INTERNAL, "an address is missing")

/** An event from [start] to [end]. Which fields a kind has, `stun_event_code` in include/stun.h says. */
private class FlatEvent(private val bytes: ByteArray, private val start: Int, end: Int) {
    private val kind = bytes.intAt(start + 4) and 0xFFFF
    private val textLength = bytes.intAt(start + 216)
    private val nameLength = bytes.intAt(start + 220)
    private val text: String

    init {
        var at = start + EVENT
        for (length in listOf(textLength, nameLength, bytes.intAt(start + 224))) at = bytes.endOf(at, length)
        if (at > end) throw IndexOutOfBoundsException("an event of ${end - start} bytes has parts up to ${at - start}")
        text = String(bytes, start + EVENT, textLength, Charsets.UTF_8)
    }

    private val reason get() = bytes.intAt(start + 16)
    private val code get() = bytes.intAt(start + 20)
    private val count get() = bytes.intAt(start + 24)
    private val index get() = bytes.intAt(start + 28)
    private val detail get() = bytes.intAt(start + 32)
    private val rtt get() = bytes.durationAt(start + 40)
    private val at get() = bytes.timeAt(start + 48)
    private val lifetime get() = bytes.durationAt(start + 56) ?: Duration.INFINITE
    private val address get() = bytes.requiredAt(start + 64)
    private val optionalAddress get() = bytes.addressAt(start + 64)
    private val previous get() = bytes.requiredAt(start + 88)
    private val server get() = bytes.requiredAt(start + 112)
    private val relayed get() = bytes.requiredAt(start + 136)
    private val additional get() = bytes.addressAt(start + 160)
    private val peer get() = bytes.requiredAt(start + 184)
    private val name get() = String(bytes, start + EVENT + textLength, nameLength, Charsets.UTF_8)
    private val failure get() = failure(reason, code, count, text)

    fun decode(): AgentEvent = AgentEvent(
        bytes.longAt(start + 8),
        bytes.byteAt(start + 6) != 0,
        ofBinding() ?: ofServers() ?: ofRelay() ?: Unknown(kind),
        text,
    )

    private fun ofBinding(): Event? = when (kind) {
        1 -> Mapped(address, rtt)
        2 -> Failed(failure)
        7 -> Refreshed(address, rtt)
        8 -> AddressChanged(address, previous, rtt)
        9 -> Retrying(failure, at)
        10 -> Close(address)
        11 -> Redirected(address, previous, code == 1)
        12 -> Restarted(address, previous)
        13 -> Reconnect(address, previous, decoded<Transport>(code) ?: Transport.UDP)
        else -> null
    }

    private fun ofServers(): Event? = when (kind) {
        14 -> Answer(index, server, address, rtt)
        15 -> NoAnswer(index, server, failure)
        16 -> Surveyed(count, code, index, decoded<ObservedMapping>(detail) ?: ObservedMapping.UNKNOWN)
        19 -> Throttled(host(address))
        20 -> AuthenticationFailures(host(address), code == 1)
        21 -> NatUnanswered(name, server)
        22 -> decoded<NatProperty>(index)?.let { NatFound(it, natFinding(detail, count, reason, code)) }
        23 -> NatFinished(report(start + EVENT + textLength + nameLength))
        else -> null
    }

    private fun ofRelay(): Event? = when (kind) {
        3 -> Allocated(relayed, additional, optionalAddress, lifetime, reservation(), rtt)
        24 -> FamilyRefused(detail, code)
        25 -> Permitted(host(peer))
        26 -> ChannelBound(peer, detail)
        27 -> PeerRefused(peer, code)
        28 -> PeerUnreachable(peer, detail, code, count.takeIf { it != 0 })
        29 -> Lost(relayed, failure)
        30 -> credentialsNeeded(decoded<CredentialsNeed>(code) ?: CredentialsNeed.OTHER)
        31 -> Moved(optionalAddress)
        35 -> Closed()
        else -> null
    }

    /** Only those that expire have a time, and it is 0 for the others. */
    private fun credentialsNeeded(reason: CredentialsNeed) =
        CredentialsNeeded(reason, at.takeIf { reason == CredentialsNeed.EXPIRING })

    private fun host(address: InetSocketAddress): InetAddress = address.address

    private fun reservation(): Reservation? =
        if (code == 1) Reservation(bytes.copyOfRange(start + 208, start + 216)) else null

    /** A text behind its length. */
    private fun textAt(from: Int): String {
        val length = bytes.intAt(from)
        bytes.endOf(from + 4, length)
        return String(bytes, from + 4, length, Charsets.UTF_8)
    }

    private fun report(from: Int): NatReport {
        val findings = NatProperty.values().take(bytes.intAt(from + 12)).associateWith { property ->
            val at = from + 80 + 16 * property.ordinal
            natFinding(bytes.intAt(at), bytes.intAt(at + 4), bytes.intAt(at + 8), bytes.intAt(at + 12))
        }
        val isBounded = findings[NatProperty.LIFETIME]?.value == NatValue.BOUNDED
        return NatReport(
            server = server,
            mapped = optionalAddress,
            local = bytes.requiredAt(from + 16),
            other = bytes.addressAt(from + 40),
            requests = bytes.intAt(from),
            responses = bytes.intAt(from + 4),
            dependsOnDestination = bytes.intAt(from + 8).takeIf { it < 2 }?.let { it == 1 },
            findings = findings,
            lifetimeAtLeast = if (isBounded) bytes.durationAt(from + 64) else null,
            lifetimeBelow = if (isBounded) bytes.durationAt(from + 72) else null,
            rfc3489Name = textAt(from + 80 + 16 * bytes.intAt(from + 12)).ifEmpty { null },
            json = name,
            text = text,
        )
    }
}
