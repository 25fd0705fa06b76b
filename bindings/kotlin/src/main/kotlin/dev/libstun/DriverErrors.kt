package dev.libstun

import java.io.IOException
import java.net.BindException
import java.net.NoRouteToHostException
import java.net.PortUnreachableException
import java.nio.channels.ClosedChannelException
import java.nio.channels.UnsupportedAddressTypeException

/**
 * What was asked for has failed, and [failure] says why: a server that is silent, or refuses. It is an outcome of the
 * network's, and so an [IOException]; misuse is a [StunException].
 */
public class OperationFailedException(public val failure: Failure) : IOException(failure.toString())

/**
 * Why a datagram could not be sent, as far as the JVM says it.
 *
 * Errors of the system reach Java as a class for a few and as a sentence for the rest, which is in English unless the
 * system was told to speak another language. What is not recognised counts as transient: it is asked again then, and
 * the request ends with its timeout.
 *
 * ICMP errors do not come here at all. A channel that is not connected is not told of them, and connecting it would tie
 * it to one server.
 */
internal fun sendErrorOf(error: Exception): SendError {
    val text = error.message.orEmpty()
    val told = BY_TEXT.entries.firstOrNull { text.contains(it.key, ignoreCase = true) }?.value
    return when {
        told != null -> told
        error is PortUnreachableException -> SendError.REFUSED
        error is NoRouteToHostException -> SendError.NO_ROUTE
        // Of bind(); what send() raises so has a sentence of its own.
        error is ClosedChannelException || error is BindException -> SendError.SOCKET_CLOSED
        error is UnsupportedAddressTypeException -> SendError.FAMILY_UNAVAILABLE
        error is SecurityException -> SendError.PERMISSION_DENIED
        else -> SendError.TRANSIENT
    }
}

private val BY_TEXT = mapOf(
    "network is unreachable" to SendError.NO_ROUTE,
    "no route to host" to SendError.NO_ROUTE,
    "network is down" to SendError.NO_ROUTE,
    "host is down" to SendError.NO_ROUTE,
    "address family not supported" to SendError.FAMILY_UNAVAILABLE,
    "cannot assign requested address" to SendError.FAMILY_UNAVAILABLE,
    "can't assign requested address" to SendError.FAMILY_UNAVAILABLE,
    "operation not permitted" to SendError.PERMISSION_DENIED,
    "permission denied" to SendError.PERMISSION_DENIED,
    "connection refused" to SendError.REFUSED,
    "message too long" to SendError.MESSAGE_TOO_LARGE,
    "bad file descriptor" to SendError.SOCKET_CLOSED,
)
