package dev.libstun

import dev.libstun.raw.InternalException
import dev.libstun.raw.Refusal

/**
 * A call was refused, and nothing has changed. It is always the caller's mistake, or a shortage of this machine: what
 * arrives from the network is never an exception.
 *
 * @property code tells the mistakes apart, for programs.
 */
public class StunException(public val code: StunErrorCode, message: String?) : RuntimeException(message)

/** Why a call was refused. */
public enum class StunErrorCode(internal val number: Int) {
    /** An argument has an impossible value, or a configuration contradicts itself. */
    INVALID(-2),

    /** The call does not fit what came before it. */
    STATE(-3),

    /** There is no room for what would have to be written. */
    BUFFER(-4),

    /** There is no operation, peer or user of that name. */
    NOT_FOUND(-5),

    /** There are as many as there may be. */
    LIMIT(-6),

    /** The operating system gave no random bytes. */
    ENTROPY(-7),

    /** A bug in libstun was caught in this call. The agent takes no other one; please report it. */
    INTERNAL(-100),

    /** A bug was caught in an earlier call. Make another agent. */
    POISONED(-101),

    /** It was closed before. */
    CLOSED(-9),
}

@JvmSynthetic
internal fun invalid(message: String) = StunException(StunErrorCode.INVALID, message)

/** Makes a call of the generated layer, whose exceptions nobody else sees. */
@JvmSynthetic
internal inline fun <T> translated(call: () -> T): T = try {
    call()
} catch (refusal: Refusal) {
    throw refusal.translate()
} catch (_: CharacterCodingException) {
    throw invalid("a text has half of a character only, and so no UTF-8")
} catch (bug: InternalException) {
    throw StunException(StunErrorCode.INTERNAL, bug.message)
}

/** What it means, in this package's words. */
@JvmSynthetic
internal fun Refusal.translate(): StunException = when (this) {
    is Refusal.Refused -> {
        val known = StunErrorCode.entries.firstOrNull { it.number == code }
        StunException(known ?: StunErrorCode.INTERNAL, reason)
    }
}
