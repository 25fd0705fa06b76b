package dev.libstun

import dev.libstun.raw.BindingOptions
import java.net.InetSocketAddress
import kotlin.time.Duration

/**
 * Asks a STUN server for the host's public address, and goes on asking so that the NAT keeps the binding.
 *
 * ```
 * BindingConfig(server, refresh = null) // once
 * new BindingConfig(server).withRefresh(null) // in Java
 * ```
 *
 * What contradicts itself is refused by the call that is given it, with [StunErrorCode.INVALID].
 *
 * @property local what the socket is bound to; `null` if that does not matter.
 * @property socketId the host's number for the socket, handed back in each packet.
 * @property refresh ask again this long after the last request, at least 1 s; `null` asks once.
 * @property credentials sign with these.
 * @property fingerprint end requests with FINGERPRINT (RFC 8489 s7).
 * @property acceptsMappedAddress take MAPPED-ADDRESS where XOR-MAPPED-ADDRESS is missing, as servers of RFC 3489 send
 * it.
 * @property backoff the waits after failures while refreshing.
 */
public data class BindingConfig(
    val server: InetSocketAddress,
    val local: InetSocketAddress? = null,
    val transport: Transport = Transport.UDP,
    val socketId: Int = 0,
    val refresh: Duration? = DEFAULTS.refresh.duration(),
    val credentials: Credentials? = null,
    val fingerprint: Boolean = true,
    val acceptsMappedAddress: Boolean = false,
    val redirects: RedirectPolicy = RedirectPolicy.FOLLOW,
    val retransmission: Retransmission = Retransmission(),
    val backoff: Backoff = Backoff(),
) {
    /** For Java: [refresh] in nanoseconds. */
    public val refreshNanos: Long? get() = refresh?.inWholeNanoseconds

    /** For Java, which makes the others from this one. */
    public constructor(server: InetSocketAddress) : this(server, local = null)

    /** The same with another [local]. */
    public fun withLocal(local: InetSocketAddress?): BindingConfig = copy(local = local)

    /** The same with another [transport]. */
    public fun withTransport(transport: Transport): BindingConfig = copy(transport = transport)

    /** The same with another [socketId]. */
    public fun withSocketId(socketId: Int): BindingConfig = copy(socketId = socketId)

    /** The same with another [refresh]. */
    public fun withRefresh(refresh: java.time.Duration?): BindingConfig = copy(refresh = refresh.kotlin())

    /** The same with other [credentials]. */
    public fun withCredentials(credentials: Credentials?): BindingConfig = copy(credentials = credentials)

    /** The same with another [fingerprint]. */
    public fun withFingerprint(fingerprint: Boolean): BindingConfig = copy(fingerprint = fingerprint)

    /** The same with another [acceptsMappedAddress]. */
    public fun withAcceptsMappedAddress(accepts: Boolean): BindingConfig = copy(acceptsMappedAddress = accepts)

    /** The same with other [redirects]. */
    public fun withRedirects(redirects: RedirectPolicy): BindingConfig = copy(redirects = redirects)

    /** The same with another [retransmission]. */
    public fun withRetransmission(retransmission: Retransmission): BindingConfig = copy(retransmission = retransmission)

    /** The same with another [backoff]. */
    public fun withBackoff(backoff: Backoff): BindingConfig = copy(backoff = backoff)
}

@JvmSynthetic
internal fun BindingConfig.raw() = BindingOptions(
    endpoint(server),
    endpoint(local),
    transport.code,
    socketId.toUInt(),
    refresh.rawOrNever("refresh"),
    credentials?.raw(),
    fingerprint,
    acceptsMappedAddress,
    redirects.code,
    retransmission.raw(),
    backoff.raw(),
)
