package dev.libstun

import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import java.nio.ByteBuffer
import kotlin.time.Duration.Companion.minutes

/** What allocations tell. The tests play the TURN server (RFC 8656). */
@Timeout(120)
class RelayEventTest {
    private val config = AllocationConfig(SERVER, local = CLIENT, socketId = 3)
    private val relayed = address("192.0.2.1", 50000)
    private val relayed6 = address("2001:db8::5", 50001)
    private val mapped = address("203.0.113.9", 40000)
    private val peer = address("198.51.100.200", 7000)
    private val token = ByteArray(8) { (it + 1).toByte() }

    private fun Played.allocate(request: Transmit = request(ALLOCATE), fill: MessageBuilder.() -> Unit = {}): Output =
        answer(request) {
            add(Attribute.XOR_RELAYED_ADDRESS, relayed)
            add(LIFETIME, seconds(600))
            add(Attribute.XOR_MAPPED_ADDRESS, mapped)
            fill()
        }

    private fun allocated(config: AllocationConfig = this.config, play: Played.(OperationId) -> Unit) = Played().use {
        val id = it.agent.startAllocation(config, 0)
        it.allocate()
        it.event<Allocated>()
        it.play(id)
    }

    @Test
    fun `an allocation tells the relayed address, its lifetime, and the port that is kept beside it`() = Played().use {
        it.agent.startAllocation(config.copy(port = RelayPort.EVEN_RESERVING_NEXT), 0)
        it.allocate { add(RESERVATION_TOKEN, token) }
        val event = it.event<Allocated>()
        assertEquals(Triple(relayed, null, mapped), Triple(event.relayed, event.additional, event.mapped))
        assertEquals(10.minutes to 600_000_000_000, event.lifetime to event.lifetimeNanos)
        assertArrayEquals(token, event.reservation!!.toBytes())
        assertEquals(0, event.rttNanos)
    }

    @Test
    fun `a reservation takes the place of a wish for a port`() = Played().use {
        it.agent.startAllocation(config.copy(reservation = Reservation(token)), 0)
        assertArrayEquals(token, Message.decode(it.request(ALLOCATE).bytes)[RESERVATION_TOKEN])
        assertThrows(StunException::class.java) { Reservation(ByteArray(7)) }
    }

    @Test
    fun `two families are told together, and the one that was refused with its reason`() = Played().use { host ->
        host.agent.startAllocation(config.copy(family = RelayFamily.BOTH), 0)
        host.allocate { add(Attribute.XOR_RELAYED_ADDRESS, relayed6) }
        val both = host.event<Allocated>()
        assertEquals(relayed to relayed6, both.relayed to both.additional)
        assertNull(both.reservation)
        Played().use {
            it.agent.startAllocation(config.copy(family = RelayFamily.BOTH), 0)
            it.allocate { add(ADDRESS_ERROR_CODE, byteArrayOf(2, 0, 4, 40)) }
            assertEquals(FamilyRefused(6, 440), it.event<FamilyRefused>())
        }
    }

    @Test
    fun `a peer is permitted, sends, and is sent to`() = allocated { id ->
        agent.permit(id, peer.address, now)
        answer(request(CREATE_PERMISSION))
        assertEquals(Permitted(peer.address), event<Permitted>())
        val out = agent.sendToPeer(id, peer, "hello".toByteArray(), now)
        assertEquals(Triple(SERVER, CLIENT, 3), Triple(out.remote, out.local, out.socketId))
        val sent = Message.decode(out.bytes)
        assertEquals(MessageClass.INDICATION to SEND, sent.messageClass to sent.method)
        assertEquals(peer, sent.address(Attribute.XOR_PEER_ADDRESS))
        val data = MessageBuilder(MessageClass.INDICATION, DATA_METHOD)
            .add(Attribute.XOR_PEER_ADDRESS, peer).add(DATA, "back".toByteArray()).build()
        val output = arrive(data, out)
        assertEquals(Outcome.PEER_DATA, output.outcome)
        val packet = output.peerData!!
        assertEquals("back", String(packet.bytes))
        assertEquals(Triple(peer, relayed, 3), Triple(packet.peer, packet.relayed, packet.socketId))
        assertTrue(agent.revoke(id, peer.address, now))
        assertFalse(agent.revoke(id, peer.address, now))
    }

    @Test
    fun `a channel has four bytes of overhead`() = allocated { id ->
        agent.bindChannel(id, peer, now)
        val request = request(CHANNEL_BIND)
        answer(request)
        val bound = event<ChannelBound>()
        assertEquals(peer, bound.peer)
        assertTrue(bound.channel in 0x4000..0x4FFF)
        val shifted = ByteBuffer.allocateDirect(20).also { it.position(7).limit(10) }
        val out = agent.sendToPeer(id, peer, shifted.put(7, 1).put(8, 2).put(9, 3), now)
        assertEquals(7 to 10, shifted.position() to shifted.limit())
        assertArrayEquals(byteArrayOf(1, 2, 3), out.bytes.copyOfRange(4, 7))
        val output = arrive(out.bytes, request)
        assertArrayEquals(byteArrayOf(1, 2, 3), output.peerData!!.bytes)
        assertTrue(agent.releaseChannel(id, peer, now))
        assertFalse(agent.releaseChannel(id, peer, now))
    }

    @Test
    fun `a peer that the server refuses is named, with port 0 for a permission`() = allocated { id ->
        agent.permit(id, peer.address, now)
        refuse(request(CREATE_PERMISSION), 403)
        assertEquals(PeerRefused(java.net.InetSocketAddress(peer.address, 0), 403), event<PeerRefused>())
    }

    @Test
    fun `a peer that cannot be reached is a hint`() = allocated { id ->
        agent.permit(id, peer.address, now)
        val request = request(CREATE_PERMISSION)
        answer(request)
        for ((icmp, expected) in mapOf(
            byteArrayOf(0, 0, 3, 1) + number(0) to PeerUnreachable(peer, 3, 1, null),
            byteArrayOf(0, 0, 3, 4) + number(1400) to PeerUnreachable(peer, 3, 4, 1400),
        )) {
            val indication = MessageBuilder(MessageClass.INDICATION, DATA_METHOD)
                .add(Attribute.XOR_PEER_ADDRESS, peer).add(ICMP, icmp).build()
            arrive(indication, request)
            assertEquals(expected, event<PeerUnreachable>())
        }
    }

    @Test
    fun `a relay that is lost says why, and another is asked for`() = allocated {
        refuse(request(REFRESH), 437)
        val lost = event<Lost>()
        assertEquals(relayed to FailureReason.ERROR_RESPONSE, lost.relayed to lost.failure.reason)
        assertEquals(437, lost.failure.code)
        allocate()
        assertEquals(relayed, event<Allocated>().relayed)
    }

    @Test
    fun `credentials that expire are asked for in time, and those that are refused at once`() {
        val soon = config.copy(credentials = LongTerm("alice", "s3cret"), credentialsExpire = 120_000_000_000)
        allocated(soon) {
            assertEquals(CredentialsNeeded(CredentialsNeed.EXPIRING, 120_000_000_000), event<CredentialsNeeded>())
            agent.setCredentials(it, LongTerm("alice", "other"), null, now)
        }
        Played().use { host ->
            val id = host.agent.startAllocation(config.copy(credentials = LongTerm("alice", "wrong")), 0)
            repeat(2) { host.challenge() }
            assertEquals(CredentialsNeeded(CredentialsNeed.REJECTED, null), host.event<CredentialsNeeded>())
            host.agent.setCredentials(id, LongTerm("alice", "s3cret"), null, host.now)
            host.challenge()
            val key = Key.longTerm("alice", "example.org", "s3cret")
            assertEquals(Check.VALID, Message.decode(host.request(ALLOCATE).bytes).checkIntegrity(key))
        }
    }

    private fun Played.challenge() = refuse(request(ALLOCATE), 401) {
        add(REALM, "example.org".toByteArray()).add(NONCE, "nonce".toByteArray())
    }

    @Test
    fun `an allocation moves with its host, and is closed at the server`() = Played().use { host ->
        val id = host.agent.startAllocation(config, 0)
        host.allocate { add(MOBILITY_TICKET, "ticket".toByteArray()) }
        host.event<Allocated>()
        val local = address("198.51.100.8", CLIENT.port)
        host.agent.networkChanged(listOf(local.address), host.now)
        assertEquals(Restarted(local, CLIENT), host.event<Restarted>())
        val move = host.request(REFRESH)
        assertEquals(local, move.local)
        host.answer(move) {
            add(LIFETIME, seconds(600)).add(Attribute.XOR_MAPPED_ADDRESS, mapped)
            add(MOBILITY_TICKET, "another".toByteArray())
        }
        assertTrue(host.event<Moved>().mapped in setOf(mapped, null))
        host.agent.closeRelay(id, host.now)
        host.answer(host.request(REFRESH)) { add(LIFETIME, seconds(0)) }
        val closed = host.happened<Closed>()
        assertTrue(closed.isLast)
        assertEquals(Closed::class.java, closed.event.javaClass)
    }

    private companion object {
        const val ALLOCATE = 3
        const val REFRESH = 4
        const val SEND = 6
        const val DATA_METHOD = 7
        const val CREATE_PERMISSION = 8
        const val CHANNEL_BIND = 9
        const val LIFETIME = 0x000D
        const val DATA = 0x0013
        const val REALM = 0x0014
        const val NONCE = 0x0015
        const val RESERVATION_TOKEN = 0x0022
        const val ADDRESS_ERROR_CODE = 0x8001
        const val ICMP = 0x8004
        const val MOBILITY_TICKET = 0x8030
    }
}
