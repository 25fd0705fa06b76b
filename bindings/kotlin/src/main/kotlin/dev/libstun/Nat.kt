package dev.libstun

import java.net.InetSocketAddress
import kotlin.time.Duration

/** What can be found out about a NAT. */
public enum class NatProperty {
    /** Whether UDP reaches servers. */
    CONNECTIVITY,

    /** Whether there is a NAT. */
    TRANSLATION,

    /** How it maps (RFC 4787 s4.1). */
    MAPPING,

    /** How it filters (RFC 4787 s5). */
    FILTERING,

    /** Whether two sockets behind it reach each other by their mapped addresses. */
    HAIRPINNING,

    /** Whether the mapped port is the local one. */
    PORT_PRESERVATION,

    /** Whether even ports stay even, and odd ones odd. */
    PORT_PARITY,

    /** Whether all mapped addresses of the host have one IP. */
    POOLING,

    /** Whether the mapped address stays. */
    STABILITY,

    /** Whether something rewrites addresses inside messages. */
    GATEWAY,

    /** What becomes of datagrams that are longer than the path's MTU. */
    FRAGMENTS,

    /** How long a binding lives without traffic. Takes up to two hours, and is not tested unless asked for. */
    LIFETIME,
}

/** What a property of a NAT is. */
public enum class NatValue {
    /** Connectivity: a server has answered. */
    OPEN,

    /** Connectivity: servers at several addresses were silent. */
    BLOCKED,

    /** Translation, gateway: there is none. */
    ABSENT,

    /** Translation, gateway: there is one, or several. */
    PRESENT,

    /** Mapping, filtering: depends on nothing. */
    ENDPOINT_INDEPENDENT,

    /** Mapping, filtering: depends on the remote IP address. */
    ADDRESS_DEPENDENT,

    /** Mapping, filtering: depends on the remote IP address and port. */
    ADDRESS_AND_PORT_DEPENDENT,

    /** Hairpinning: it works. */
    SUPPORTED,

    /** Hairpinning: it does not. */
    UNSUPPORTED,

    /** Ports, parity: it is kept. */
    PRESERVED,

    /** Ports, parity, stability: it is not. */
    CHANGED,

    /** Pooling: one IP address. */
    ONE_ADDRESS,

    /** Pooling: several. */
    SEVERAL_ADDRESSES,

    /** Stability: it stays. */
    STABLE,

    /** Fragments: they pass both ways. */
    PASS,

    /** Fragments: they pass outwards; the server sent none back. */
    PASS_OUTBOUND,

    /** Fragments: they are lost, here or elsewhere on the path. */
    LOST,

    /** Lifetime: between [NatReport.lifetimeAtLeast] and [NatReport.lifetimeBelow]. */
    BOUNDED,
}

/** How sure a known value is. */
public enum class NatConfidence {
    /** Something does not fit, or could not be confirmed. */
    LOW,

    /** One observation, or one that other causes could explain. */
    MEDIUM,

    /** It was seen to happen, or several observations agree. */
    HIGH,
}

/** Why a value is unknown. */
public enum class NatReason {
    /** Nobody asked for it, or it has not been decided yet. */
    NOT_TESTED,

    /** The deadline came first. */
    DEADLINE,

    /** Nobody answered. */
    NO_ANSWER,

    /** The path loses too much for silence to say anything. */
    LOSSY,

    /** It could not be sent: see [NatFinding.sendError]. */
    SEND_FAILED,

    /** The server answered with error [NatFinding.code]. */
    ERROR_RESPONSE,

    /** Responses were altered or not signed. */
    RESPONSES_ALTERED,

    /** The server does not give the mapped addresses that it takes. */
    NO_MAPPED_ADDRESS,

    /** The server has no other address to answer from. */
    NO_OTHER_ADDRESS,

    /** The server's other address does not answer. */
    ALTERNATE_SILENT,

    /** The server does not answer from elsewhere when asked to. */
    SERVER_IGNORES_CHANGE_REQUEST,

    /** The server refuses to. */
    CHANGE_REQUEST_UNSUPPORTED,

    /** The server does not answer to another port when asked to. */
    SERVER_IGNORES_RESPONSE_PORT,

    /** The server refuses to. */
    RESPONSE_PORT_UNSUPPORTED,

    /** The server refuses PADDING. */
    PADDING_UNSUPPORTED,

    /** It takes a second socket. */
    NO_SECOND_SOCKET,

    /** The local address is not known. */
    LOCAL_ADDRESS_UNKNOWN,

    /** There is no NAT. */
    NO_NAT,

    /** Observations contradict each other. */
    CONTRADICTION,

    /** Only one server address could be asked. */
    ONE_SERVER_ONLY,

    /** Only one IP address could be asked; it does not depend on the port. */
    ONE_ADDRESS_ONLY,

    /** It depends on the destination; on the address alone or also on the port cannot be told. */
    DEPENDS_ON_DESTINATION,

    /** What was sent may have been filtered. */
    FILTERING_HIDES,

    /** Too few observations: they may agree by chance. */
    TOO_FEW_OBSERVATIONS,

    /** The two sockets have different public IP addresses. */
    DIFFERENT_ADDRESSES,

    /** The mapped addresses are of another family than the sockets. */
    OTHER_FAMILY,

    /** The host's network changed first. */
    NETWORK_CHANGED,

    /** A reason that is newer than this package. */
    OTHER,
}

/**
 * What was found of one property: a value and how sure it is, or the reason why there is none.
 *
 * @property code the server's error code, for [NatReason.ERROR_RESPONSE].
 * @property sendError why, for [NatReason.SEND_FAILED].
 */
public data class NatFinding(
    val value: NatValue?,
    val confidence: NatConfidence?,
    val reason: NatReason?,
    val code: Int?,
    val sendError: SendError?,
)

/**
 * Everything that a NAT probe has found. Its text is the whole report for people.
 *
 * @property server the server that answered, or else the first that was asked.
 * @property mapped the mapped address, if it is known.
 * @property local the address that the probe was made from.
 * @property other the server's other address (RFC 5780), if it has said one.
 * @property requests how many there were, each counted once, however often it was sent.
 * @property responses how many of them were answered.
 * @property dependsOnDestination whether the mapped address depends on the destination, which is known more often than
 * on what of it; `null` where it is not.
 * @property findings every property is there.
 * @property lifetimeAtLeast how long a binding lives at least, for [NatValue.BOUNDED].
 * @property lifetimeBelow and below what, if that is known.
 * @property rfc3489Name what RFC 3489 s5 calls such a NAT, such as "full cone NAT"; `null` if it has no name for it.
 * @property json the same and what it rests on, as one JSON object.
 * @property text the same for people, several lines.
 */
public data class NatReport(
    val server: InetSocketAddress,
    val mapped: InetSocketAddress?,
    val local: InetSocketAddress,
    val other: InetSocketAddress?,
    val requests: Int,
    val responses: Int,
    val dependsOnDestination: Boolean?,
    val findings: Map<NatProperty, NatFinding>,
    val lifetimeAtLeast: Duration?,
    val lifetimeBelow: Duration?,
    val rfc3489Name: String?,
    val json: String,
    val text: String,
) {
    /** [lifetimeAtLeast] in nanoseconds. */
    public val lifetimeAtLeastNanos: Long? get() = lifetimeAtLeast?.inWholeNanoseconds

    /** [lifetimeBelow] in nanoseconds. */
    public val lifetimeBelowNanos: Long? get() = lifetimeBelow?.inWholeNanoseconds

    override fun toString(): String = text
}

/** Of the numbers of a finding. */
@JvmSynthetic
internal fun natFinding(value: Int, confidence: Int, reason: Int, detail: Int): NatFinding {
    val known = decoded<NatValue>(value - 1)
    val isKnown = reason == 0 && (value == 0 || known != null)
    val why = if (isKnown) null else decoded<NatReason>(reason - 1) ?: NatReason.OTHER
    return NatFinding(
        known,
        decoded<NatConfidence>(confidence - 1),
        why,
        detail.takeIf { why == NatReason.ERROR_RESPONSE },
        if (why == NatReason.SEND_FAILED) decoded<SendError>(detail - 1) else null,
    )
}
