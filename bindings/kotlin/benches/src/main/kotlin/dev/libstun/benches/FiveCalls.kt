package dev.libstun.benches

import dev.libstun.raw.BindingOptions
import dev.libstun.raw.Endpoint
import dev.libstun.raw.RawAgent
import dev.libstun.raw.ServerOptions
import dev.libstun.raw.defaults
import java.net.InetSocketAddress
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** The generated layer, for what the package does not offer: calls without objects, and the loop of five calls. */
internal class Raw : AutoCloseable {
    val agent = RawAgent(0UL, ByteArray(32) { 1 }, 0UL)

    override fun close() = agent.close()

    fun startBinding() {
        val defaults = defaults()
        val options = BindingOptions(
            endpoint(SERVER), endpoint(CLIENT), 0U, 0U, REFRESH.toULong(), null, true, false, 0U,
            defaults.retransmission, defaults.backoff,
        )
        agent.startBinding(options, 0UL)
    }

    fun startServer() {
        val none = Endpoint(0UL, 0UL, 0UL)
        val options = ServerOptions(
            none, null, "", emptyList(), ULong.MAX_VALUE, true, true, false, false, 0U, 0U, 0U, false, none,
            emptyList(), emptyList(),
        )
        agent.startServer(options, 0UL)
    }

    /** One crossing, and no object but the buffer. */
    fun exchange(datagram: ByteBuffer, local: Endpoint, remote: Endpoint, now: Long): ByteArray =
        agent.exchange(
            datagram, local.tag, local.low, local.high, remote.tag, remote.low, remote.high, 0UL, now.toULong(),
        )

    /**
     * A turn of the loop: handleInput, pollTransmit and pollEvent until there is no more, pollTimeout, handleTimeout.
     */
    fun turn(datagram: ByteBuffer, local: Endpoint, remote: Endpoint, now: Long): ByteArray? {
        agent.handleInput(
            datagram, local.tag, local.low, local.high, remote.tag, remote.low, remote.high, 0UL, now.toULong(),
        )
        return poll(now)
    }

    /** The rest of a turn. Gives the last packet to be sent. */
    fun poll(now: Long): ByteArray? {
        var last: ByteArray? = null
        while (true) last = agent.pollTransmit().takeIf { it.isNotEmpty() } ?: break
        while (agent.pollEvent().isNotEmpty()) Unit
        check(agent.pollTimeout() > 0UL)
        agent.handleTimeout(now.toULong())
        return last
    }
}

/** An IPv4 address as the generated layer has it. */
internal fun endpoint(address: InetSocketAddress): Endpoint {
    val bytes = ByteBuffer.allocate(24).order(ByteOrder.LITTLE_ENDIAN)
    bytes.put(0, 4).putShort(2, address.port.toShort())
    address.address.address.forEachIndexed { place, byte -> bytes.put(8 + place, byte) }
    return Endpoint(bytes.getLong(0).toULong(), bytes.getLong(8).toULong(), bytes.getLong(16).toULong())
}

/** Where the bytes of the first packet begin in a buffer of a call, and in a packet alone. */
internal const val IN_BUFFER = 24 + 60
internal const val IN_PACKET = 60
