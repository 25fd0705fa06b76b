package dev.libstun

// The numbers are those of include/stun.h.

/** How packets travel between the host and a server. */
public enum class Transport {
    /** Datagrams. */
    UDP,

    /** A byte stream; each packet is one frame. */
    TCP,

    /** A byte stream inside the host's TLS session; each packet is one frame. */
    TLS,
}

/** What became of a datagram. */
public enum class Outcome {
    /** It is another protocol's: hand it to that. */
    IGNORED,

    /** It was the agent's, or was STUN that nobody asked for and is dropped. */
    CONSUMED,

    /** It carried data of a peer: see [Output.peerData]. */
    PEER_DATA,
}

/** What a datagram looks like (RFC 7983, with STUN's magic cookie and length checked as well). */
public enum class Protocol {
    /** None of these. */
    UNKNOWN,

    /** STUN (RFC 8489). */
    STUN,

    /** ChannelData of TURN (RFC 8656 s12.4). */
    CHANNEL_DATA,

    /** DTLS. */
    DTLS,

    /** RTP or RTCP. */
    RTP,

    /** ZRTP. */
    ZRTP,

    /** QUIC. */
    QUIC,

    /** WireGuard. */
    WIREGUARD,
}

/** The class of a message (RFC 8489 s5). */
public enum class MessageClass {
    /** Asks for an answer. */
    REQUEST,

    /** Asks for none. */
    INDICATION,

    /** The answer: done. */
    SUCCESS_RESPONSE,

    /** The answer: not done. */
    ERROR_RESPONSE,
}

/** What came of checking an integrity attribute or FINGERPRINT. */
public enum class Check {
    /** The message does not carry it. */
    ABSENT,

    /** It is as it has to be. */
    VALID,

    /** It is not. */
    INVALID,
}

/** An integrity attribute. */
public enum class Integrity {
    /** MESSAGE-INTEGRITY (RFC 8489 s14.5). */
    SHA1,

    /** MESSAGE-INTEGRITY-SHA256 (RFC 8489 s14.6). */
    SHA256,
}

/** Why a datagram could not be sent, or did not arrive. All but [TRANSIENT] end the request that it was. */
public enum class SendError : FailureDetail {
    /** ENETUNREACH, EHOSTUNREACH. */
    NO_ROUTE,

    /** EAFNOSUPPORT, EADDRNOTAVAIL. */
    FAMILY_UNAVAILABLE,

    /** EPERM, EACCES. */
    PERMISSION_DENIED,

    /** ECONNREFUSED, ECONNRESET, ICMP port unreachable. */
    REFUSED,

    /** EMSGSIZE. */
    MESSAGE_TOO_LARGE,

    /** EBADF, ENOTCONN, EPIPE. */
    SOCKET_CLOSED,

    /** Everything else: a passing shortage, which the retransmission covers. */
    TRANSIENT,
    ;

    internal val number: UInt get() = (ordinal + 1).toUInt()
}

/** Why a deadline is wanted. */
public enum class WakeReason {
    /** A datagram or an event is queued. */
    OUTPUT,

    /** A request is due again. */
    RETRANSMISSION,

    /** The last wait for a response ends. */
    TRANSACTION_TIMEOUT,

    /** A binding, an allocation, a permission or a channel has to be kept alive. */
    REFRESH,

    /** A failed request is due again. */
    RETRY,

    /** A request that had to wait for others to the same server may be sent. */
    PACING,

    /** The next of several addresses or servers is tried. */
    ATTEMPT,

    /** The next measurement of a NAT probe is due. */
    MEASUREMENT,

    /** A deadline that the host gave an operation. */
    DEADLINE,

    /** A reason that is newer than this package. */
    OTHER,
}

/** Why a message from the network was dropped. */
public enum class DropReason {
    /** A response to no outstanding request. */
    UNKNOWN_TRANSACTION,

    /** A response from another address than the one that was asked. */
    WRONG_SOURCE,

    /** A response of another method than its request. */
    WRONG_METHOD,

    /** FINGERPRINT does not match. */
    BAD_FINGERPRINT,

    /** A response to a signed request without a valid signature. */
    UNAUTHENTICATED,

    /** An attribute that is known and has an impossible value. */
    MALFORMED_ATTRIBUTE,

    /** A request of a method that is not served. */
    UNSUPPORTED_METHOD,

    /** An indication. */
    INDICATION,

    /** A source that no reply may go to. */
    UNUSABLE_SOURCE,

    /** The queue for replies is full: drain it. */
    QUEUE_FULL,

    /** STUN that no operation expects. */
    UNEXPECTED,

    /** STUN by its cookie and length, and broken inside. */
    MALFORMED,

    /** The network of the source has used up what a server gives to those who have proved nothing. */
    OVER_BUDGET,

    /** ChannelData on a channel that is not bound: late, or forged. */
    UNKNOWN_CHANNEL,

    /** Data of a peer that is not permitted, or that the policy refuses. */
    UNPERMITTED_PEER,
}

/** What to do when a server names another one in its place (300, RFC 8489 s10). */
public enum class RedirectPolicy {
    /** Ask the other one, and say so with [Redirected]. */
    FOLLOW,

    /** Fail. */
    REFUSE,

    /** Say so with [Redirected], and wait for [Agent.answerRedirect]. */
    ASK,
}

/** What the answers to one socket tell of the NAT. */
public enum class ObservedMapping {
    /** Too few answers to compare. */
    UNKNOWN,

    /** All servers saw the same address. */
    SAME_EVERYWHERE,

    /** Servers of different IP addresses saw different addresses: peers need a relay. */
    DEPENDS_ON_ADDRESS,

    /** Even two ports of one server saw different ones. */
    DEPENDS_ON_PORT,
}

/** Which peers may be reached where no rule says anything. Unspecified, multicast and broadcast never are. */
public enum class PeerPolicy {
    /** All but loopback and link-local addresses, which mean the relay's own machine and link (RFC 8656 s21.2.2). */
    DEFAULT,

    /** Loopback addresses too: for tests on one machine. */
    LOOPBACK,

    /** All. */
    ALL,
}

/** The families of the relayed addresses. They need not be the family of the path to the server. */
public enum class RelayFamily {
    /** One IPv4 address. */
    IPV4,

    /** One IPv6 address. */
    IPV6,

    /** One of each; one of them may be refused. */
    BOTH,
}

/** Which port the relayed address shall have. */
public enum class RelayPort {
    /** The server chooses. */
    ANY,

    /** An even one (RFC 8656 s18.7). */
    EVEN,

    /** An even one; the next is kept for 30 s for a second allocation, and [Allocated.reservation] stands for it. */
    EVEN_RESERVING_NEXT,
}

/** What keeps the NATs' bindings alive while nothing else is sent. */
public enum class KeepaliveKind {
    /** A Binding indication: one packet, and no answer. */
    INDICATION,

    /** A Binding request: two packets. Its answer tells when a NAT has changed the address. */
    REQUEST,
}

/** Why an allocation needs other credentials. */
public enum class CredentialsNeed {
    /** A reason that is newer than this package. */
    OTHER,

    /** The server rejects those that it was given. Nothing is sent until there are others. */
    REJECTED,

    /** They expire. What is there goes on meanwhile. */
    EXPIRING,
}

internal val Enum<*>.code: UInt @JvmSynthetic get() = ordinal.toUInt()

/** What a number stands for, or `null` if that is newer than this package. */
@JvmSynthetic
internal inline fun <reified E : Enum<E>> decoded(number: Int): E? = enumValues<E>().getOrNull(number)
