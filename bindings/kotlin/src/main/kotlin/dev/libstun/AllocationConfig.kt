package dev.libstun

import dev.libstun.raw.AllocationOptions
import java.net.InetAddress
import java.net.InetSocketAddress
import kotlin.time.Duration

/**
 * Stands for a port that a TURN server keeps for 30 s (RFC 8656 s18.10).
 *
 * @throws StunException if it has not 8 bytes.
 */
public class Reservation(token: ByteArray) {
    private val bytes = token.copyOf()

    init {
        if (bytes.size != LENGTH) throw invalid("a token has $LENGTH bytes, and not ${bytes.size}")
    }

    /** Its 8 bytes. */
    public fun toBytes(): ByteArray = bytes.copyOf()

    override fun equals(other: Any?): Boolean = other is Reservation && bytes.contentEquals(other.bytes)
    override fun hashCode(): Int = bytes.contentHashCode()
    override fun toString(): String = bytes.joinToString("") { "%02x".format(it) }

    private companion object {
        const val LENGTH = 8
    }
}

/**
 * A range of addresses of one family that may, or may not, be reached. Of several that match the last decides.
 *
 * @property first its first address.
 * @property last its last; `null` for a range of one.
 * @property allows whether it may be reached.
 */
public data class PeerRule(val first: InetAddress, val last: InetAddress? = null, val allows: Boolean)

/**
 * A relayed address at a TURN server, kept as a socket of the host's that lies there (RFC 8656).
 *
 * ```
 * AllocationConfig(server, credentials = LongTerm("alice", "s3cret"))
 * ```
 *
 * @property local what the socket is bound to; `null` if that does not matter.
 * @property transport between the host and the server. A TCP or TLS connection is the host's to open, before the start.
 * @property socketId the host's number for the socket.
 * @property credentials `null` for a server that asks nobody who it is.
 * @property credentialsExpire when they expire, in nanoseconds of the host's clock: a minute before,
 * [CredentialsNeeded] asks for others. `null` is never.
 * @property family of the relayed address, or addresses; not of the path to the server.
 * @property port a wish for the relayed port (RFC 8656 s7.1).
 * @property reservation another allocation's [Allocated.reservation]: the port that it stands for, and no wish in
 * [port].
 * @property dontFragment ask the server to set the DF bit of what it sends to peers (RFC 8656 s18.9).
 * @property lifetime the time-to-expiry to ask for; `null` leaves it to the server. It is renewed in any case.
 * @property mobility ask for a ticket with which the allocation can move to another network (RFC 8016).
 * @property keepalive over UDP, send something at least that often; at least 1 s; `null` sends nothing for that.
 * @property peerRules rules that go before [peerPolicy].
 * @property fingerprint end requests with FINGERPRINT.
 * @property backoff the waits after failures that may pass.
 */
public data class AllocationConfig(
    val server: InetSocketAddress,
    val local: InetSocketAddress? = null,
    val transport: Transport = Transport.UDP,
    val socketId: Int = 0,
    val credentials: Credentials? = null,
    val credentialsExpire: Long? = null,
    val family: RelayFamily = RelayFamily.IPV4,
    val port: RelayPort = RelayPort.ANY,
    val reservation: Reservation? = null,
    val dontFragment: Boolean = false,
    val lifetime: Duration? = null,
    val mobility: Boolean = true,
    val keepalive: Duration? = DEFAULTS.keepalive.duration(),
    val keepaliveKind: KeepaliveKind = KeepaliveKind.INDICATION,
    val peerPolicy: PeerPolicy = PeerPolicy.DEFAULT,
    val peerRules: List<PeerRule> = emptyList(),
    val redirects: RedirectPolicy = RedirectPolicy.FOLLOW,
    val fingerprint: Boolean = true,
    val retransmission: Retransmission = Retransmission(),
    val backoff: Backoff = Backoff(),
) {
    /** For Java: [lifetime] in nanoseconds. */
    public val lifetimeNanos: Long? get() = lifetime?.inWholeNanoseconds

    /** For Java: [keepalive] in nanoseconds. */
    public val keepaliveNanos: Long? get() = keepalive?.inWholeNanoseconds

    /** For Java, which makes the others from this one. */
    public constructor(server: InetSocketAddress) : this(server, local = null)

    /** The same with another [local]. */
    public fun withLocal(local: InetSocketAddress?): AllocationConfig = copy(local = local)

    /** The same with another [transport]. */
    public fun withTransport(transport: Transport): AllocationConfig = copy(transport = transport)

    /** The same with another [socketId]. */
    public fun withSocketId(socketId: Int): AllocationConfig = copy(socketId = socketId)

    /** The same with other [credentials]. */
    public fun withCredentials(credentials: Credentials?): AllocationConfig = copy(credentials = credentials)

    /** The same with another [credentialsExpire]. */
    public fun withCredentialsExpire(at: Long?): AllocationConfig = copy(credentialsExpire = at)

    /** The same with another [family]. */
    public fun withFamily(family: RelayFamily): AllocationConfig = copy(family = family)

    /** The same with another [port]. */
    public fun withPort(port: RelayPort): AllocationConfig = copy(port = port)

    /** The same with another [reservation]. */
    public fun withReservation(reservation: Reservation?): AllocationConfig = copy(reservation = reservation)

    /** The same with another [dontFragment]. */
    public fun withDontFragment(asks: Boolean): AllocationConfig = copy(dontFragment = asks)

    /** The same with another [lifetime]. */
    public fun withLifetime(lifetime: java.time.Duration?): AllocationConfig = copy(lifetime = lifetime.kotlin())

    /** The same with another [mobility]. */
    public fun withMobility(asks: Boolean): AllocationConfig = copy(mobility = asks)

    /** The same with another [keepalive]. */
    public fun withKeepalive(keepalive: java.time.Duration?): AllocationConfig = copy(keepalive = keepalive.kotlin())

    /** The same with another [keepaliveKind]. */
    public fun withKeepaliveKind(kind: KeepaliveKind): AllocationConfig = copy(keepaliveKind = kind)

    /** The same with another [peerPolicy]. */
    public fun withPeerPolicy(policy: PeerPolicy): AllocationConfig = copy(peerPolicy = policy)

    /** The same with other [peerRules]. */
    public fun withPeerRules(rules: List<PeerRule>): AllocationConfig = copy(peerRules = rules)

    /** The same with other [redirects]. */
    public fun withRedirects(redirects: RedirectPolicy): AllocationConfig = copy(redirects = redirects)

    /** The same with another [fingerprint]. */
    public fun withFingerprint(fingerprint: Boolean): AllocationConfig = copy(fingerprint = fingerprint)

    /** The same with another [retransmission]. */
    public fun withRetransmission(retransmission: Retransmission): AllocationConfig =
        copy(retransmission = retransmission)

    /** The same with another [backoff]. */
    public fun withBackoff(backoff: Backoff): AllocationConfig = copy(backoff = backoff)
}

@JvmSynthetic
internal fun AllocationConfig.raw() = AllocationOptions(
    endpoint(server),
    endpoint(local),
    transport.code,
    socketId.toUInt(),
    credentials?.raw(),
    timeOrNever(credentialsExpire),
    family.code,
    port.code,
    reservation?.toBytes() ?: ByteArray(0),
    dontFragment,
    lifetime.rawOrNever("lifetime"),
    mobility,
    keepalive.rawOrNever("keepalive"),
    keepaliveKind.code,
    peerPolicy.code,
    peerRules.map { dev.libstun.raw.PeerRule(endpoint(it.first), endpoint(it.last), it.allows) },
    redirects.code,
    fingerprint,
    retransmission.raw(),
    backoff.raw(),
)
