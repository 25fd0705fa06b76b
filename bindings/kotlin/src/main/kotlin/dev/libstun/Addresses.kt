package dev.libstun

import dev.libstun.raw.Endpoint
import java.net.Inet4Address
import java.net.Inet6Address
import java.net.InetAddress
import java.net.InetSocketAddress

// Addresses cross as three numbers, the 24 bytes of a stun_addr in include/stun.h read as little-endian words:
//
//   tag   bits 0 to 7 the family (4, 6, or 0 for none), 16 to 31 the port, 32 to 63 the zone
//   low   the first 8 bytes of the IP address, the first of them in bits 0 to 7
//   high  the last 8 bytes of an IPv6 address

private const val IPV4 = 4L
private const val IPV6 = 6L
private const val IPV6_BYTES = 16

/** No address. */
@get:JvmSynthetic
internal val NO_ENDPOINT = Endpoint(0UL, 0UL, 0UL)

/** The first word. A zone means something on a link only; Java has it elsewhere too. */
@JvmSynthetic
internal fun tag(host: InetAddress, port: Int): Long {
    val zone = if (host is Inet6Address && host.isLinkLocalAddress) host.scopeId.toLong() else 0L
    return (if (host is Inet4Address) IPV4 else IPV6) or (port.toLong() shl 16) or (zone shl 32)
}

/** Eight bytes of an IP address as the second or third word, 0 where there are none. */
@JvmSynthetic
internal fun word(bytes: ByteArray, from: Int): Long {
    var word = 0L
    for (place in minOf(bytes.size, from + 8) - 1 downTo from) word = (word shl 8) or (bytes[place].toLong() and 0xFF)
    return word
}

/** The IP address of a socket address, which has to be one. */
@JvmSynthetic
internal fun hostOf(address: InetSocketAddress): InetAddress =
    address.address ?: throw invalid("${address.hostString} is a name, and not an IP address: resolve it first")

@JvmSynthetic
internal fun endpoint(address: InetSocketAddress?): Endpoint =
    if (address == null) NO_ENDPOINT else endpoint(hostOf(address), address.port)

@JvmSynthetic
internal fun endpoint(host: InetAddress?, port: Int = 0): Endpoint {
    if (host == null) return NO_ENDPOINT
    val bytes = host.address
    return Endpoint(tag(host, port).toULong(), word(bytes, 0).toULong(), word(bytes, 8).toULong())
}

/** The address of three words, or `null` if they are none. */
@JvmSynthetic
internal fun socketAddress(tag: Long, low: Long, high: Long): InetSocketAddress? {
    val host = host(tag, low, high) ?: return null
    return InetSocketAddress(host, (tag ushr 16).toInt() and 0xFFFF)
}

@JvmSynthetic
internal fun socketAddress(endpoint: Endpoint): InetSocketAddress? =
    socketAddress(endpoint.tag.toLong(), endpoint.low.toLong(), endpoint.high.toLong())

private fun host(tag: Long, low: Long, high: Long): InetAddress? = when (tag and 0xFF) {
    IPV4 -> InetAddress.getByAddress(ByteArray(4).also { put(low, it, 0, 4) })
    IPV6 -> {
        val bytes = ByteArray(IPV6_BYTES)
        put(low, bytes, 0, 8)
        put(high, bytes, 8, 8)
        val zone = (tag ushr 32).toInt()
        // With 0 the address would be printed with a zone.
        Inet6Address.getByAddress(null, bytes, if (zone == 0) -1 else zone)
    }
    else -> null
}

private fun put(word: Long, bytes: ByteArray, at: Int, count: Int) {
    for (place in 0 until count) bytes[at + place] = (word ushr (8 * place)).toByte()
}
