package dev.libstun

import dev.libstun.raw.Credential

/** Who a host says it is. Printed without the password. */
public sealed interface Credentials

/**
 * A credential that both ends know beforehand; every message is signed (RFC 8489 s9.1).
 *
 * Both are prepared as OpaqueStrings by the library (RFC 8265 s4.2).
 *
 * @property username 1 to 508 bytes of UTF-8.
 * @property password at least one.
 * @property integrity the only attribute to sign with and to accept; `null` is both, until the server has shown which
 * one it knows.
 */
public data class ShortTerm @JvmOverloads constructor(
    val username: String,
    val password: String,
    val integrity: Integrity? = null,
) : Credentials {
    override fun toString(): String = "ShortTerm(username=$username, integrity=$integrity)"
}

/**
 * A credential for which the server challenges, naming the realm and the algorithms (RFC 8489 s9.2).
 *
 * Both are prepared as OpaqueStrings by the library (RFC 8265 s4.2).
 *
 * @property username 1 to 508 bytes of UTF-8.
 * @property password at least one.
 * @property requireSha256 fail unless the server offers SHA-256; nothing else is believed (RFC 8489 s9.2.1).
 * @property requireAnonymity fail unless the server takes a USERHASH, so that nobody on the path reads the username.
 */
public data class LongTerm @JvmOverloads constructor(
    val username: String,
    val password: String,
    val requireSha256: Boolean = false,
    val requireAnonymity: Boolean = false,
) : Credentials {
    override fun toString(): String =
        "LongTerm(username=$username, requireSha256=$requireSha256, requireAnonymity=$requireAnonymity)"
}

@JvmSynthetic
internal fun Credentials.raw(): Credential = when (this) {
    is ShortTerm -> Credential(false, username, password, (integrity?.ordinal?.plus(1) ?: 0).toUInt(), false, false)
    is LongTerm -> Credential(true, username, password, 0U, requireSha256, requireAnonymity)
}
