package dev.libstun

import dev.libstun.raw.NatOptions
import java.net.InetAddress
import java.net.InetSocketAddress
import kotlin.time.Duration
import kotlin.time.toKotlinDuration

/**
 * Finds out what the NAT before the host does (RFC 5780).
 *
 * To tell how it filters, the socket at [local] must be fresh: nothing was sent from it before.
 *
 * @property server the server, best one of RFC 5780.
 * @property local what the socket is bound to.
 * @property socketId the host's number for it.
 * @property second a second socket on another port, for hairpinning and the lifetime.
 * @property secondSocketId the host's number for it.
 * @property own the host's IP address on the way to the server, if the sockets are bound to an unspecified one.
 * @property servers further, ordinary servers, for when [server] is an ordinary one or silent; at most 8.
 * @property properties what to find out; `null` is all but the lifetime.
 * @property credentials sign with these.
 * @property fingerprint end requests with FINGERPRINT, for sockets that other protocols share.
 * @property deadline when to report what is known; `null` is 3 minutes, and longer with the lifetime.
 * @property pacing time between the starts of two requests.
 * @property lifetimeMax the longest wait for the lifetime.
 * @property lifetimePrecision how exact to be about it.
 * @property attemptInterval time between two attempts where silence is measured.
 * @property lastWait how long to wait for the answer to such an attempt.
 * @property maxAttempts how often to try at most: 10 to 100.
 * @property padding bytes of PADDING: the MTU of the interface.
 */
public data class NatConfig(
    val server: InetSocketAddress,
    val local: InetSocketAddress,
    val socketId: Int = 0,
    val second: InetSocketAddress? = null,
    val secondSocketId: Int = 0,
    val own: InetAddress? = null,
    val servers: List<InetSocketAddress> = emptyList(),
    val properties: Set<NatProperty>? = null,
    val credentials: Credentials? = null,
    val retransmission: Retransmission = Retransmission(),
    val fingerprint: Boolean = false,
    val deadline: Duration? = null,
    val pacing: Duration = DEFAULTS.natPacing.duration(),
    val lifetimeMax: Duration = DEFAULTS.natLifetimeMax.duration(),
    val lifetimePrecision: Duration = DEFAULTS.natLifetimePrecision.duration(),
    val attemptInterval: Duration = DEFAULTS.natAttemptInterval.duration(),
    val lastWait: Duration = DEFAULTS.natLastWait.duration(),
    val maxAttempts: Int = DEFAULTS.natMaxAttempts.toInt(),
    val padding: Int = DEFAULTS.natPadding.toInt(),
) {
    /** For Java: [deadline] in nanoseconds. */
    public val deadlineNanos: Long? get() = deadline?.inWholeNanoseconds

    /** For Java: [pacing] in nanoseconds. */
    public val pacingNanos: Long get() = pacing.inWholeNanoseconds

    /** For Java: [lifetimeMax] in nanoseconds. */
    public val lifetimeMaxNanos: Long get() = lifetimeMax.inWholeNanoseconds

    /** For Java: [lifetimePrecision] in nanoseconds. */
    public val lifetimePrecisionNanos: Long get() = lifetimePrecision.inWholeNanoseconds

    /** For Java: [attemptInterval] in nanoseconds. */
    public val attemptIntervalNanos: Long get() = attemptInterval.inWholeNanoseconds

    /** For Java: [lastWait] in nanoseconds. */
    public val lastWaitNanos: Long get() = lastWait.inWholeNanoseconds

    /** For Java, which makes the others from this one. */
    public constructor(server: InetSocketAddress, local: InetSocketAddress) : this(server, local, socketId = 0)

    /** The same with another [socketId]. */
    public fun withSocketId(socketId: Int): NatConfig = copy(socketId = socketId)

    /** The same with another [second] socket. */
    public fun withSecond(second: InetSocketAddress?, socketId: Int): NatConfig =
        copy(second = second, secondSocketId = socketId)

    /** The same with another [own]. */
    public fun withOwn(own: InetAddress?): NatConfig = copy(own = own)

    /** The same with other [servers]. */
    public fun withServers(servers: List<InetSocketAddress>): NatConfig = copy(servers = servers)

    /** The same with other [properties]. */
    public fun withProperties(properties: Set<NatProperty>?): NatConfig = copy(properties = properties)

    /** The same with other [credentials]. */
    public fun withCredentials(credentials: Credentials?): NatConfig = copy(credentials = credentials)

    /** The same with another [retransmission]. */
    public fun withRetransmission(retransmission: Retransmission): NatConfig = copy(retransmission = retransmission)

    /** The same with another [fingerprint]. */
    public fun withFingerprint(fingerprint: Boolean): NatConfig = copy(fingerprint = fingerprint)

    /** The same with another [deadline]. */
    public fun withDeadline(deadline: java.time.Duration?): NatConfig = copy(deadline = deadline.kotlin())

    /** The same with another [pacing]. */
    public fun withPacing(pacing: java.time.Duration): NatConfig = copy(pacing = pacing.toKotlinDuration())

    /** The same with another [lifetimeMax] and [lifetimePrecision]. */
    public fun withLifetime(max: java.time.Duration, precision: java.time.Duration): NatConfig =
        copy(lifetimeMax = max.toKotlinDuration(), lifetimePrecision = precision.toKotlinDuration())

    /** The same with another [attemptInterval], [lastWait] and [maxAttempts]. */
    public fun withPatience(interval: java.time.Duration, lastWait: java.time.Duration, maxAttempts: Int): NatConfig =
        copy(
            attemptInterval = interval.toKotlinDuration(),
            lastWait = lastWait.toKotlinDuration(),
            maxAttempts = maxAttempts,
        )

    /** The same with another [padding]. */
    public fun withPadding(padding: Int): NatConfig = copy(padding = padding)
}

@JvmSynthetic
internal fun NatConfig.raw() = NatOptions(
    endpoint(server),
    endpoint(local),
    socketId.toUInt(),
    endpoint(second),
    secondSocketId.toUInt(),
    endpoint(own),
    servers.map { endpoint(it) },
    bits(properties),
    credentials?.raw(),
    retransmission.raw(),
    fingerprint,
    deadline.rawOrNever("deadline"),
    pacing.raw("pacing"),
    lifetimeMax.raw("lifetimeMax"),
    lifetimePrecision.raw("lifetimePrecision"),
    attemptInterval.raw("attemptInterval"),
    lastWait.raw("lastWait"),
    count(maxAttempts, "maxAttempts"),
    if (padding in 0..0xFFFF) padding.toUShort() else throw invalid("padding is no length of a datagram: $padding"),
)

/** The default is 0 there, so that nothing at all cannot be said. */
private fun bits(properties: Set<NatProperty>?): UInt {
    if (properties == null) return 0U
    if (properties.isEmpty()) throw invalid("a NAT probe needs a property to find out")
    return properties.fold(0U) { bits, property -> bits or (1U shl property.ordinal) }
}
