package dev.libstun

import dev.libstun.raw.Schedule
import dev.libstun.raw.Waits
import kotlin.time.Duration
import kotlin.time.Duration.Companion.nanoseconds
import kotlin.time.toJavaDuration
import kotlin.time.toKotlinDuration

/** The library's own defaults. */
@get:JvmSynthetic
internal val DEFAULTS by lazy { dev.libstun.raw.defaults() }

/**
 * When a request is sent again (RFC 8489 s6.2.1). Nothing in it can be 0.
 *
 * @property initialRto the first retransmission timeout; it doubles.
 * @property rc how often a request is sent in all.
 * @property rm how many times the first RTO to wait after the last send.
 * @property ti how long to wait for an answer over TCP or TLS.
 */
public data class Retransmission(
    val initialRto: Duration = DEFAULTS.retransmission.initialRto.duration(),
    val rc: Int = DEFAULTS.retransmission.rc.toInt(),
    val rm: Int = DEFAULTS.retransmission.rm.toInt(),
    val ti: Duration = DEFAULTS.retransmission.ti.duration(),
) {
    /** For Java: [initialRto] in nanoseconds. */
    public val initialRtoNanos: Long get() = initialRto.inWholeNanoseconds

    /** For Java: [ti] in nanoseconds. */
    public val tiNanos: Long get() = ti.inWholeNanoseconds

    public companion object {
        /** For Java: the same of Java's durations. */
        @JvmStatic
        public fun of(initialRto: java.time.Duration, rc: Int, rm: Int, ti: java.time.Duration): Retransmission =
            Retransmission(initialRto.toKotlinDuration(), rc, rm, ti.toKotlinDuration())
    }
}

/**
 * How long to wait after failures.
 *
 * @property first after the first; it doubles from there.
 * @property max the longest wait.
 */
public data class Backoff(
    val first: Duration = DEFAULTS.backoff.first.duration(),
    val max: Duration = DEFAULTS.backoff.max.duration(),
) {
    /** For Java: [first] in nanoseconds. */
    public val firstNanos: Long get() = first.inWholeNanoseconds

    /** For Java: [max] in nanoseconds. */
    public val maxNanos: Long get() = max.inWholeNanoseconds

    public companion object {
        /** For Java: the same of Java's durations. */
        @JvmStatic
        public fun of(first: java.time.Duration, max: java.time.Duration): Backoff =
            Backoff(first.toKotlinDuration(), max.toKotlinDuration())
    }
}

/**
 * How an agent trades punctuality for wake-ups.
 *
 * @property maxSlack refreshes may be sent so much early, together with what is due now. Zero is never early.
 * @property refresh bindings and allocations are kept alive that often in place of what they were told; `null` as told.
 */
public data class PowerProfile(val maxSlack: Duration, val refresh: Duration? = null) {
    /** For Java: [maxSlack] in nanoseconds. */
    public val maxSlackNanos: Long get() = maxSlack.inWholeNanoseconds

    /** For Java: [refresh] in nanoseconds. */
    public val refreshNanos: Long? get() = refresh?.inWholeNanoseconds

    public companion object {
        /** Everything when it is due. What an agent begins with. */
        @JvmField
        public val ACTIVE: PowerProfile = PowerProfile(Duration.ZERO)

        /** For a phone in a pocket: what is due soon is sent along with what is due now. */
        @JvmField
        public val IDLE: PowerProfile = PowerProfile(DEFAULTS.idleSlack.duration())

        /** For Java: the same of Java's durations. */
        @JvmStatic
        @JvmOverloads
        public fun of(maxSlack: java.time.Duration, refresh: java.time.Duration? = null): PowerProfile =
            PowerProfile(maxSlack.toKotlinDuration(), refresh?.toKotlinDuration())
    }
}

/** A duration that came. One that is longer than 292 years does not end. */
@JvmSynthetic
internal fun ULong.duration(): Duration =
    if (this > Long.MAX_VALUE.toULong()) Duration.INFINITE else toLong().nanoseconds

@JvmSynthetic
internal fun java.time.Duration?.kotlin(): Duration? = this?.toKotlinDuration()

/** A duration as it crosses. One that does not end is as long as can be. */
@JvmSynthetic
internal fun Duration.raw(what: String): ULong {
    if (isNegative()) throw invalid("$what is negative: ${toJavaDuration()}")
    return inWholeNanoseconds.toULong()
}

/** The same of one that may be never. */
@JvmSynthetic
internal fun Duration?.rawOrNever(what: String): ULong =
    if (this == null || this == Duration.INFINITE) NEVER else raw(what)

/** A time of the host's clock. */
@JvmSynthetic
internal fun time(now: Long): ULong = if (now < 0) throw invalid("a time is negative: $now") else now.toULong()

@JvmSynthetic
internal fun timeOrNever(at: Long?): ULong = if (at == null || at == Output.NEVER) NEVER else time(at)

/** A number that cannot be negative. */
@JvmSynthetic
internal fun count(number: Int, what: String): UInt =
    if (number < 0) throw invalid("$what is negative: $number") else number.toUInt()

/** No time and no duration. */
@field:JvmSynthetic
internal const val NEVER: ULong = ULong.MAX_VALUE

@JvmSynthetic
internal fun Retransmission.raw() =
    Schedule(initialRto.raw("initialRto"), count(rc, "rc"), count(rm, "rm"), ti.raw("ti"))

@JvmSynthetic
internal fun Backoff.raw() = Waits(first.raw("the first wait"), max.raw("the longest wait"))
