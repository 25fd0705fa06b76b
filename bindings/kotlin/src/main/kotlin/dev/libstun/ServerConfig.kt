package dev.libstun

import dev.libstun.raw.ServerOptions
import dev.libstun.raw.User
import java.net.InetAddress
import java.net.InetSocketAddress
import kotlin.time.Duration

/**
 * Answers Binding requests. The default answers everything that arrives anywhere, within a budget. Printed without the
 * passwords.
 *
 * @property local answer only what arrives here; an unspecified IP is any IP, port 0 any port, `null` everywhere.
 * @property credentials answer only requests signed with it.
 * @property realm answer only users of this realm, who sign with long-term credentials; 1 to 127 bytes.
 * @property users the realm's users, name to password; see also [Agent.addUser].
 * @property nonceLifetime how long a nonce is good for; `null` is ten minutes.
 * @property passwordAlgorithms offer SHA-256 beside MD5.
 * @property usernameAnonymity take USERHASH in place of a username.
 * @property answersRfc3489 answer clients of RFC 3489 too, whose requests have no magic cookie. Not with credentials.
 * @property budget keep networks that have proved nothing to a budget (see the three below).
 * @property amplificationPercent bytes sent for a hundred received from a network that has proved nothing; `null` is no
 * limit.
 * @property errorBytesPerSecond bytes of errors that such a network may be sent in a second.
 * @property errorBurst bytes of errors that it may be sent at once after a while of quiet.
 * @property behaviorSingle serve NAT behaviour discovery with the one address [local]: no OTHER-ADDRESS, and 420 for
 * CHANGE-REQUEST.
 * @property alternate serve NAT behaviour discovery (RFC 5780): another IP address and another port than those of
 * [local]. The host has four sockets then, on both addresses with both ports, and says where a packet arrived.
 * @property publicHosts the two IP addresses as clients see them, where the server is behind a NAT that maps no ports.
 * @property socketIds the sockets at local IP and port, local IP and other port, other IP and local port, other IP and
 * port: four, or none for zeros.
 */
public data class ServerConfig(
    val local: InetSocketAddress? = null,
    val credentials: ShortTerm? = null,
    val realm: String? = null,
    val users: Map<String, String> = emptyMap(),
    val nonceLifetime: Duration? = null,
    val passwordAlgorithms: Boolean = true,
    val usernameAnonymity: Boolean = true,
    val answersRfc3489: Boolean = false,
    val budget: Boolean = true,
    val amplificationPercent: Int? = DEFAULTS.amplificationPercent.toInt(),
    val errorBytesPerSecond: Int = DEFAULTS.errorBytesPerSecond.toInt(),
    val errorBurst: Int = DEFAULTS.errorBurst.toInt(),
    val behaviorSingle: Boolean = false,
    val alternate: InetSocketAddress? = null,
    val publicHosts: Pair<InetAddress, InetAddress>? = null,
    val socketIds: List<Int> = emptyList(),
) {
    /** For Java: [nonceLifetime] in nanoseconds. */
    public val nonceLifetimeNanos: Long? get() = nonceLifetime?.inWholeNanoseconds

    /** For Java, which makes the others from this one. */
    public constructor() : this(local = null)

    /** The same with another [local]. */
    public fun withLocal(local: InetSocketAddress?): ServerConfig = copy(local = local)

    /** The same with other [credentials]. */
    public fun withCredentials(credentials: ShortTerm?): ServerConfig = copy(credentials = credentials)

    /** The same with another [realm] and its [users]. */
    public fun withRealm(realm: String?, users: Map<String, String>): ServerConfig = copy(realm = realm, users = users)

    /** The same with another [nonceLifetime]. */
    public fun withNonceLifetime(lifetime: java.time.Duration?): ServerConfig = copy(nonceLifetime = lifetime.kotlin())

    /** The same with other [passwordAlgorithms]. */
    public fun withPasswordAlgorithms(offers: Boolean): ServerConfig = copy(passwordAlgorithms = offers)

    /** The same with another [usernameAnonymity]. */
    public fun withUsernameAnonymity(takes: Boolean): ServerConfig = copy(usernameAnonymity = takes)

    /** The same with another [answersRfc3489]. */
    public fun withAnswersRfc3489(answers: Boolean): ServerConfig = copy(answersRfc3489 = answers)

    /** The same without a [budget], or with one. */
    public fun withBudget(budget: Boolean): ServerConfig = copy(budget = budget)

    /** The same with another budget. */
    public fun withBudget(amplificationPercent: Int?, errorBytesPerSecond: Int, errorBurst: Int): ServerConfig = copy(
        budget = true,
        amplificationPercent = amplificationPercent,
        errorBytesPerSecond = errorBytesPerSecond,
        errorBurst = errorBurst,
    )

    /** The same with another [behaviorSingle]. */
    public fun withBehaviorSingle(serves: Boolean): ServerConfig = copy(behaviorSingle = serves)

    /** The same with another [alternate] and its [socketIds]. */
    public fun withAlternate(alternate: InetSocketAddress?, socketIds: List<Int>): ServerConfig =
        copy(alternate = alternate, socketIds = socketIds)

    /** The same with other [publicHosts]. */
    public fun withPublicHosts(first: InetAddress, second: InetAddress): ServerConfig =
        copy(publicHosts = first to second)

    override fun toString(): String =
        "ServerConfig(local=$local, credentials=$credentials, realm=$realm, users=${users.keys}, alternate=$alternate)"
}

@JvmSynthetic
internal fun ServerConfig.raw() = ServerOptions(
    endpoint(local),
    credentials?.raw(),
    realm(realm),
    users.map { (name, password) -> User(name, password) },
    nonceLifetime.rawOrNever("nonceLifetime"),
    passwordAlgorithms,
    usernameAnonymity,
    answersRfc3489,
    budget,
    percent(amplificationPercent),
    count(errorBytesPerSecond, "errorBytesPerSecond"),
    count(errorBurst, "errorBurst"),
    behaviorSingle,
    endpoint(alternate),
    publicHosts?.toList().orEmpty().map { endpoint(it) },
    socketIds.map(Int::toUInt),
)

/** None is empty there. */
private fun realm(name: String?): String =
    if (name != null && name.isEmpty()) throw invalid("a realm has at least one byte") else name.orEmpty()

/** No limit is 0 there. */
private fun percent(limit: Int?): UInt = when {
    limit == null -> 0U
    limit < 1 -> throw invalid("amplificationPercent is less than 1: $limit")
    else -> limit.toUInt()
}
