package dev.libstun.support

import java.net.InetSocketAddress
import java.nio.ByteBuffer

/*
 * The other end, written by hand: the tests that use it then do not depend on the codec that they share a library with.
 */

internal const val BINDING = 0x001
internal const val REQUEST = 0x000
internal const val INDICATION = 0x010
internal const val SUCCESS = 0x100
internal const val ERROR = 0x110

private const val COOKIE = 0x2112A442
private const val XOR_MAPPED_ADDRESS = 0x0020

/** A message (RFC 8489 s5): `type` is a method and a class. */
internal fun message(type: Int, transaction: ByteArray, vararg attributes: ByteArray): ByteArray {
    require(transaction.size == 12)
    val length = attributes.sumOf { it.size }
    return ByteBuffer.allocate(20 + length).apply {
        putShort(type.toShort()).putShort(length.toShort()).putInt(COOKIE).put(transaction)
        attributes.forEach(::put)
    }.array()
}

/** An attribute with its padding (RFC 8489 s14). */
internal fun attribute(type: Int, value: ByteArray): ByteArray =
    ByteBuffer.allocate(4 + (value.size + 3) / 4 * 4)
        .putShort(type.toShort()).putShort(value.size.toShort()).put(value).array()

internal fun transactionOf(message: ByteArray): ByteArray = message.copyOfRange(8, 20)

internal fun typeOf(message: ByteArray): Int = ByteBuffer.wrap(message).short.toInt()

/** A Binding request. The transaction is that number. */
internal fun request(transaction: Long): ByteArray =
    message(BINDING or REQUEST, ByteBuffer.allocate(12).putLong(4, transaction).array())

/** What a server answers that sees the host at an IPv4 `address` (RFC 8489 s14.2). */
internal fun mapped(request: ByteArray, address: InetSocketAddress = MAPPED): ByteArray {
    val ip = ByteBuffer.wrap(address.address.address).int xor COOKIE
    val port = address.port xor (COOKIE ushr 16)
    val value = ByteBuffer.allocate(8).putShort(1).putShort(port.toShort()).putInt(ip).array()
    return message(BINDING or SUCCESS, transactionOf(request), attribute(XOR_MAPPED_ADDRESS, value))
}

/** A refusal (RFC 8489 s14.8). */
internal fun refusal(request: ByteArray, code: Int): ByteArray {
    return message(typeOf(request) or ERROR, transactionOf(request), attribute(ERROR_CODE, errorCode(code)))
}

/** Whether it is a request: of any method. */
internal fun isRequest(message: ByteArray): Boolean = message.size >= 20 && typeOf(message) and 0xC110 == 0
