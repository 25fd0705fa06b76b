package dev.libstun

import dev.libstun.raw.SurveyOptions
import dev.libstun.raw.Target
import java.net.InetSocketAddress
import kotlin.time.Duration
import kotlin.time.toKotlinDuration

/**
 * One server of a survey, and the socket from which it is asked.
 *
 * @property local what the socket is bound to; `null` if that does not matter.
 * @property socketId the host's number for the socket.
 */
public data class SurveyTarget @JvmOverloads constructor(
    val server: InetSocketAddress,
    val local: InetSocketAddress? = null,
    val transport: Transport = Transport.UDP,
    val socketId: Int = 0,
)

/**
 * Asks many servers at once, or one after the other as a race.
 *
 * ```
 * val race = SurveyConfig(targets, enough = 1, attemptDelay = SurveyConfig.ATTEMPT_DELAY)
 * ```
 *
 * @property targets whom to ask, in that order: 1 to 64.
 * @property enough answers after which nobody else is asked; `null` is all.
 * @property deadline how long the whole may take; `null` leaves each the time of its request.
 * @property attemptDelay how long to wait before the next is asked; a failure does not wait. Zero asks all at once;
 * else at least 10 ms.
 * @property credentials sign with these.
 * @property fingerprint end requests with FINGERPRINT.
 * @property acceptsMappedAddress take MAPPED-ADDRESS where XOR-MAPPED-ADDRESS is missing.
 */
public data class SurveyConfig(
    val targets: List<SurveyTarget>,
    val enough: Int? = null,
    val deadline: Duration? = DEFAULTS.surveyDeadline.duration(),
    val attemptDelay: Duration = Duration.ZERO,
    val credentials: Credentials? = null,
    val fingerprint: Boolean = true,
    val acceptsMappedAddress: Boolean = false,
    val redirects: RedirectPolicy = RedirectPolicy.FOLLOW,
    val retransmission: Retransmission = Retransmission(),
) {
    /** For Java: [deadline] in nanoseconds. */
    public val deadlineNanos: Long? get() = deadline?.inWholeNanoseconds

    /** For Java: [attemptDelay] in nanoseconds. */
    public val attemptDelayNanos: Long get() = attemptDelay.inWholeNanoseconds

    /** For Java, which makes the others from this one. */
    public constructor(targets: List<SurveyTarget>) : this(targets, enough = null)

    /** The same with another [enough]. */
    public fun withEnough(enough: Int?): SurveyConfig = copy(enough = enough)

    /** The same with another [deadline]. */
    public fun withDeadline(deadline: java.time.Duration?): SurveyConfig = copy(deadline = deadline.kotlin())

    /** The same with another [attemptDelay]. */
    public fun withAttemptDelay(delay: java.time.Duration): SurveyConfig = copy(attemptDelay = delay.toKotlinDuration())

    /** The same with other [credentials]. */
    public fun withCredentials(credentials: Credentials?): SurveyConfig = copy(credentials = credentials)

    /** The same with another [fingerprint]. */
    public fun withFingerprint(fingerprint: Boolean): SurveyConfig = copy(fingerprint = fingerprint)

    /** The same with another [acceptsMappedAddress]. */
    public fun withAcceptsMappedAddress(accepts: Boolean): SurveyConfig = copy(acceptsMappedAddress = accepts)

    /** The same with other [redirects]. */
    public fun withRedirects(redirects: RedirectPolicy): SurveyConfig = copy(redirects = redirects)

    /** The same with another [retransmission]. */
    public fun withRetransmission(retransmission: Retransmission): SurveyConfig = copy(retransmission = retransmission)

    public companion object {
        /** Between two servers of a race (RFC 8305 s5). */
        public val ATTEMPT_DELAY: Duration get() = DEFAULTS.attemptDelay.duration()

        /** [ATTEMPT_DELAY] for Java. */
        @JvmStatic
        public fun attemptDelay(): java.time.Duration = java.time.Duration.ofNanos(DEFAULTS.attemptDelay.toLong())
    }
}

@JvmSynthetic
internal fun SurveyConfig.raw() = SurveyOptions(
    targets.map { Target(endpoint(it.server), endpoint(it.local), it.transport.code, it.socketId.toUInt()) },
    enough(enough),
    deadline.rawOrNever("deadline"),
    attemptDelay.raw("attemptDelay"),
    credentials?.raw(),
    fingerprint,
    acceptsMappedAddress,
    redirects.code,
    retransmission.raw(),
)

private fun enough(answers: Int?): UInt = when {
    answers == null -> 0U
    answers < 1 -> throw invalid("enough is less than one answer: $answers")
    else -> answers.toUInt()
}
