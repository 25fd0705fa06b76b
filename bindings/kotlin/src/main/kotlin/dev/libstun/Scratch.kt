package dev.libstun

import java.nio.ByteBuffer

/**
 * Lends bytes to the library, which takes direct buffers only, and those from their first byte on: a buffer whose
 * position is not 0 would be read from 0. Not for two threads at once.
 */
internal class Scratch(private val longest: Int = MAX_DATAGRAM) {
    private var buffer: ByteBuffer = EMPTY

    /**
     * What the library reads at the moment, which knows an address only: a direct buffer that nobody else needs any
     * more must not be freed meanwhile.
     */
    private var lent: ByteBuffer? = null

    /** A copy, which is good until the next call. */
    fun of(bytes: ByteArray): ByteBuffer = lend(roomFor(bytes.size).put(bytes).also { it.flip() })

    /** The bytes between position and limit, which stay as they are: the same ones if they are direct, else a copy. */
    fun of(bytes: ByteBuffer): ByteBuffer = when {
        bytes.remaining() > longest -> throw tooLong(bytes.remaining())
        !bytes.isDirect -> lend(roomFor(bytes.remaining()).put(bytes.duplicate()).also { it.flip() })
        bytes.position() != 0 -> lend(bytes.slice())
        else -> lend(bytes)
    }

    /** The library has read what was lent. */
    fun takeBack() {
        lent = null
    }

    fun release() {
        buffer = EMPTY
    }

    private fun lend(bytes: ByteBuffer): ByteBuffer = bytes.also { lent = it }

    private fun roomFor(length: Int): ByteBuffer {
        if (length > longest) throw tooLong(length)
        if (buffer.capacity() < length) buffer = ByteBuffer.allocateDirect(if (length <= USUAL) USUAL else longest)
        buffer.clear()
        return buffer
    }

    private fun tooLong(length: Int) = invalid("a datagram has at most $longest bytes, and not $length")

    companion object {
        const val MAX_DATAGRAM = 65535

        /** The header and the longest body there is (RFC 8489 s5): more than a datagram has, but a stream can. */
        const val MAX_MESSAGE = 20 + 65532

        /** Most agents never see a longer one. */
        private const val USUAL = 2048
        private val EMPTY: ByteBuffer = ByteBuffer.allocateDirect(0)
    }
}
