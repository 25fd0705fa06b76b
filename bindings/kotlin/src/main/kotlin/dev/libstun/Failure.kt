package dev.libstun

/**
 * Why something has failed. Its text is a sentence for people.
 *
 * @property code an error code (RFC 8489 s14.8) or the type of an attribute: see [FailureReason].
 * @property count how many unsigned answers came, for [FailureReason.INTEGRITY].
 * @property detail more, for [FailureReason.AUTHENTICATION], [FailureReason.REDIRECTED] and
 * [FailureReason.SEND_FAILED].
 * @property text one line for people.
 */
public data class Failure @JvmOverloads constructor(
    val reason: FailureReason,
    val code: Int? = null,
    val count: Int? = null,
    val detail: FailureDetail? = null,
    val text: String = "",
) {
    override fun toString(): String = text.ifEmpty { reason.name.lowercase().replace('_', ' ') }
}

/** More about a failure: an [AuthenticationFailure], a [RedirectRefusal] or a [SendError]. */
public sealed interface FailureDetail

/** Why something has failed; [Failure] says more. */
public enum class FailureReason(internal val number: Int) {
    /** Nobody answered in time. */
    TIMEOUT(1),

    /** `count` answers came, none signed with the password; `code` is the last one's error code. */
    INTEGRITY(2),

    /** The server refused with error `code`. */
    ERROR_RESPONSE(3),

    /** An error response without a usable ERROR-CODE. */
    MALFORMED_ERROR(4),

    /** The response demands to understand attribute `code`. */
    UNKNOWN_ATTRIBUTE(5),

    /** A success response without a usable mapped address. */
    NO_MAPPED_ADDRESS(6),

    /** It could not be sent: `detail` is the [SendError]. */
    SEND_FAILED(7),

    /** The server does not understand attribute `code` of the request (420). */
    NOT_UNDERSTOOD(8),

    /** The server's challenge was not met: `detail` is the [AuthenticationFailure]. */
    AUTHENTICATION(9),

    /**
     * The server named another one that was not asked: `detail` is the [RedirectRefusal]. With [RedirectPolicy.REFUSE]
     * it is an [ERROR_RESPONSE] with code 300 like any other.
     */
    REDIRECTED(10),

    /** The local address is gone, and there is none of its family. */
    NETWORK_CHANGED(11),

    /** A success response without a usable relayed address. */
    NO_RELAYED_ADDRESS(15),

    /** The relayed address is of a family that was not asked for. */
    WRONG_FAMILY(16),

    /** The server gave no lifetime, or an impossible one. */
    IMPOSSIBLE_LIFETIME(17),

    /** The relay's lifetime ended before the server could be asked. */
    EXPIRED(18),

    /** The relay that it belongs to is gone. */
    ALLOCATION_LOST(19),

    /** A reason that is newer than this package. */
    OTHER(255),
}

/** Why a challenge was not met (RFC 8489 s9.2.5). */
public enum class AuthenticationFailure : FailureDetail {
    /** A reason that is newer than this package. */
    OTHER,

    /** The server rejects the credentials. */
    REJECTED,

    /** No usable REALM. */
    NO_REALM,

    /** No usable NONCE. */
    NO_NONCE,

    /** The nonce that is called stale is offered again. */
    SAME_NONCE,

    /** The server challenges again and again. */
    TOO_MANY_CHALLENGES,

    /** Somebody on the path takes security away. */
    BID_DOWN,

    /** None of the server's password algorithms is known here. */
    NO_KNOWN_ALGORITHM,

    /** [LongTerm.requireSha256], and it is not offered. */
    SHA256_NOT_OFFERED,

    /** [LongTerm.requireAnonymity], and it is not offered. */
    ANONYMITY_NOT_OFFERED,
}

/** Why a redirection was not followed. */
public enum class RedirectRefusal : FailureDetail {
    /** A reason that is newer than this package. */
    OTHER,

    /** The host declined it. */
    DECLINED,

    /** It names no server of the family that was asked. */
    OTHER_FAMILY,

    /** It names an address that no server can have. */
    UNUSABLE_ADDRESS,

    /** It leads back to a server that was asked in the last five minutes. */
    LOOP,

    /** Four servers in a row have redirected. */
    TOO_MANY,
}

/** Of the numbers of an event. `code` is what `reason` says. */
@JvmSynthetic
internal fun failure(reason: Int, code: Int, count: Int, text: String): Failure {
    val why = FailureReason.entries.firstOrNull { it.number == reason } ?: FailureReason.OTHER
    val detail = when (why) {
        FailureReason.SEND_FAILED -> decoded<SendError>(code - 1) ?: SendError.TRANSIENT
        FailureReason.AUTHENTICATION -> decoded<AuthenticationFailure>(code) ?: AuthenticationFailure.OTHER
        FailureReason.REDIRECTED -> decoded<RedirectRefusal>(code) ?: RedirectRefusal.OTHER
        else -> null
    }
    val number = code.takeIf { it != 0 && detail == null }
    return Failure(why, number, count.takeIf { why == FailureReason.INTEGRITY }, detail, text)
}
