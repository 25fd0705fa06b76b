package dev.libstun

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import java.io.IOException
import java.net.BindException
import java.net.NoRouteToHostException
import java.net.PortUnreachableException
import java.net.SocketException
import java.nio.channels.ClosedChannelException
import java.nio.channels.UnsupportedAddressTypeException

/** What the JVM says of datagrams that were not sent, in the agent's words. */
class DriverErrorsTest {
    @Test
    fun `an exception has the agent's word for it`() {
        assertEquals(SendError.REFUSED, sendErrorOf(PortUnreachableException()))
        assertEquals(SendError.NO_ROUTE, sendErrorOf(NoRouteToHostException("No route to host")))
        assertEquals(SendError.SOCKET_CLOSED, sendErrorOf(ClosedChannelException()))
        assertEquals(SendError.SOCKET_CLOSED, sendErrorOf(BindException("Address already in use")))
        assertEquals(SendError.FAMILY_UNAVAILABLE, sendErrorOf(UnsupportedAddressTypeException()))
        assertEquals(SendError.PERMISSION_DENIED, sendErrorOf(SecurityException()))
    }

    @Test
    fun `so has a sentence of the system's`() {
        assertEquals(SendError.NO_ROUTE, sendErrorOf(SocketException("Network is unreachable")))
        assertEquals(SendError.PERMISSION_DENIED, sendErrorOf(SocketException("Operation not permitted")))
        assertEquals(SendError.PERMISSION_DENIED, sendErrorOf(BindException("Permission denied")))
        assertEquals(SendError.MESSAGE_TOO_LARGE, sendErrorOf(SocketException("Message too long")))
        assertEquals(SendError.FAMILY_UNAVAILABLE, sendErrorOf(IOException("Cannot assign requested address")))
    }

    @Test
    fun `what is not recognised passes, so that the request is sent again`() {
        assertEquals(SendError.TRANSIENT, sendErrorOf(IOException()))
        assertEquals(SendError.TRANSIENT, sendErrorOf(SocketException("No buffer space available")))
    }
}
