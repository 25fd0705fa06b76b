package dev.libstun

import kotlinx.coroutines.async
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertInstanceOf
import org.junit.jupiter.api.Assertions.assertNotEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestInstance
import org.junit.jupiter.api.Timeout
import java.net.Inet6Address
import java.net.InetSocketAddress
import java.util.concurrent.atomic.AtomicBoolean
import java.util.concurrent.atomic.AtomicInteger

/** Bindings and relays at coturn. */
@Timeout(180)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class DriverRelayTest {
    private val coturn = Coturn(*Coturn.LONG_TERM, "allow-loopback-peers", "mobility")

    @AfterAll
    fun stop() = coturn.close()

    private fun config(credentials: Credentials? = LongTerm("alice", "s3cret")) =
        AllocationConfig(coturn.address, credentials = credentials, peerPolicy = PeerPolicy.LOOPBACK)

    @Test
    fun `coturn says the address of the socket`() = trial {
        openAt().use { client -> assertEquals(client.localAddress, client.mappedAddress(coturn.address)) }
    }

    @Test
    fun `coturn's challenge for a binding is met`() = trial {
        Coturn(*Coturn.LONG_TERM, "secure-stun").use { strict ->
            openAt().use { client ->
                val credentials = LongTerm("alice", "s3cret")
                assertEquals(client.localAddress, client.mappedAddress(strict.address, credentials))
                val refused = assertThrows(OperationFailedException::class.java) {
                    await { client.mappedAddress(strict.address, LongTerm("alice", "wrong")) }
                }
                assertEquals(FailureReason.AUTHENTICATION, refused.failure.reason)
            }
        }
    }

    @Test
    fun `a peer is talked to through a relay, and over a channel`() = trial {
        Peer().use { peer ->
            openAt().use { client ->
                val relay = client.startAllocation(config())
                val relayed = relay.ready()
                assertEquals(ip("127.0.0.1"), relayed.address)
                assertEquals(client.localAddress, relay.mapped)
                val early = assertThrows(StunException::class.java) { relay.send(byteArrayOf(1), peer.address) }
                assertEquals(StunErrorCode.STATE, early.code)
                relay.permit(peer.address.address)
                relay.permit(peer.address.address) // once more is fine
                relay.send("hello".toByteArray(), peer.address)
                assertEquals("hello" to relayed, peer.receiveText())
                peer.send("and back", relayed)
                val back = relay.packets.first()
                assertEquals("and back" to peer.address, String(back.bytes) to back.peer)
                assertTrue(relay.bindChannel(peer.address) >= 0x4000)
                relay.send("shorter".toByteArray(), peer.address)
                assertEquals("shorter" to relayed, peer.receiveText())
                repeat(100) { peer.send("$it", relayed) }
                val numbers = relay.packets.take(100).toList().map { String(it.bytes).toInt() }
                assertEquals((0 until 100).toList(), numbers)
                relay.release()
                assertInstanceOf(Closed::class.java, relay.last?.event)
                assertEquals(0, client.operationCount)
                assertEquals(0, relay.packets.toList().size)
            }
        }
    }

    @Test
    fun `two relays of one driver talk to each other`() = trial {
        openAt().use { client ->
            val (one, other) = List(2) { client.startAllocation(config()) }
            assertNotEquals(one.ready(), other.ready())
            assertEquals(1, client.localAddresses.size, "the second has a socket of its own")
            listOf(one, other).map { async { it.permit(ip("127.0.0.1")) } }.forEach { it.await() }
            one.send("from one".toByteArray(), other.relayed!!)
            assertEquals("from one" to one.relayed, other.packets.first().let { String(it.bytes) to it.peer })
            other.send("from the other".toByteArray(), one.relayed!!)
            assertEquals("from the other" to other.relayed, one.packets.first().let { String(it.bytes) to it.peer })
        }
    }

    @Test
    fun `wrong credentials are told, and others can follow`() = trial {
        openAt().use { client ->
            val relay = client.startAllocation(config(LongTerm("alice", "wrong")))
            val refused = assertThrows(OperationFailedException::class.java) { await { relay.ready() } }
            assertEquals(FailureReason.AUTHENTICATION, refused.failure.reason)
            assertFalse(refused.toString().contains("wrong"))
            relay.setCredentials(LongTerm("alice", "s3cret"))
            assertEquals(ip("127.0.0.1"), relay.ready().address)
            relay.cancel()
            val without = client.startAllocation(config(null))
            assertThrows(OperationFailedException::class.java) { await { without.ready() } }
        }
    }

    @Test
    fun `a peer that the policy or the server forbids is refused`() = trial {
        Coturn(*Coturn.LONG_TERM).use { strict -> // whose peers are not on loopback
            openAt().use { client ->
                val careful = AllocationConfig(strict.address, credentials = LongTerm("alice", "s3cret"))
                val relay = client.startAllocation(careful.copy(peerPolicy = PeerPolicy.LOOPBACK))
                relay.ready()
                val refused = assertThrows(OperationFailedException::class.java) {
                    await { relay.permit(ip("127.0.0.1")) }
                }
                assertEquals(403, refused.failure.code)
                assertThrows(OperationFailedException::class.java) { await { relay.bindChannel(at(9)) } }
                val cautious = client.startAllocation(careful)
                cautious.ready()
                val forbidden = assertThrows(StunException::class.java) { await { cautious.permit(ip("127.0.0.1")) } }
                assertTrue(forbidden.code in setOf(StunErrorCode.INVALID, StunErrorCode.STATE), "${forbidden.code}")
            }
        }
    }

    @Test
    fun `a relay can be had again at once after it was closed, also with its driver`() = trial {
        val local = at(Coturn.freePort())
        repeat(3) {
            Driver.open(local).use { client ->
                val relay = client.startAllocation(config())
                assertEquals(ip("127.0.0.1"), relay.ready().address)
            }
        }
    }

    @Test
    fun `a relay that the server still knows is had from another port`() = trial {
        val local = at(Coturn.freePort())
        Driver.open(local).use { client ->
            val relay = client.startAllocation(config())
            relay.ready()
            relay.cancel() // as after a crash: nothing is given back
        }
        Driver.open(local).use { client ->
            val relay = client.startAllocation(config())
            assertEquals(ip("127.0.0.1"), relay.ready().address)
            assertNotEquals(local, relay.mapped)
        }
    }

    @Test
    fun `closing ends whoever waits for a relay`() = trial {
        withSilence { silent ->
            val client = openAt()
            val relay = client.startAllocation(AllocationConfig(silent))
            val waiting = async { runCatching { relay.ready() } }
            until { client.operationCount == 1 }
            client.close()
            val error = assertInstanceOf(StunException::class.java, waiting.await().exceptionOrNull())
            assertEquals(StunErrorCode.CLOSED, error.code)
        }
    }

    @Test
    fun `a relay whose packets nobody reads stops nothing`() = trial {
        Peer().use { peer ->
            openAt().use { client ->
                val relay = client.startAllocation(config())
                val relayed = relay.ready()
                relay.bindChannel(peer.address)
                while (client.counters.droppedPackets == 0L) {
                    repeat(50) { peer.send("much", relayed) }
                    client.mappedAddress(coturn.address) // and so no faster than the loop reads
                }
                assertEquals(MAX_PACKETS, relay.packets.take(MAX_PACKETS).toList().size)
                relay.send("still here".toByteArray(), peer.address)
                assertEquals("still here", peer.receiveText().first)
            }
        }
    }

    @Test
    fun `a relay that is closed is given back to the server`() = trial {
        openAt().use { client ->
            val relay = client.startAllocation(config())
            relay.ready()
            val given = early(client.events) { it.id == relay.id && it.event is Closed }
            relay.close()
            assertFalse(relay.isRunning)
            assertEquals(0, relay.packets.toList().size)
            assertTrue(given.await().isLast)
            relay.close()
            assertEquals(0, client.operationCount)
        }
    }

    @Test
    fun `a relay whose next socket cannot be prepared waits for it`() = trial {
        val local = at(Coturn.freePort())
        Driver.open(local).use { client ->
            val relay = client.startAllocation(config())
            relay.ready()
            relay.cancel()
        }
        val (prepared, uncaught) = AtomicInteger() to AtomicInteger()
        val setup = SocketSetup { check(prepared.getAndIncrement() != 1) { "not now" } }
        val before = Thread.getDefaultUncaughtExceptionHandler()
        Thread.setDefaultUncaughtExceptionHandler { _, _ -> uncaught.incrementAndGet() }
        try {
            Driver.open(local, DriverOptions(socketSetup = setup)).use { client ->
                val relay = client.startAllocation(config())
                assertEquals(ip("127.0.0.1"), relay.ready().address)
                assertTrue(prepared.get() >= 2, "it has tried another one, or had it")
                assertEquals(0, uncaught.get())
            }
        } finally {
            Thread.setDefaultUncaughtExceptionHandler(before)
        }
    }

    @Test
    fun `a relay that was refused at the start leaves the driver's socket to the next`() = trial {
        openAt().use { client ->
            val contradiction = config().copy(family = RelayFamily.BOTH, port = RelayPort.EVEN)
            assertEquals(StunErrorCode.INVALID, refusal { client.startAllocation(contradiction) })
            val relay = client.startAllocation(config())
            relay.ready()
            assertEquals(client.localAddress, relay.mapped)
        }
    }

    @Test
    fun `credentials that are refused change nothing`() = trial {
        openAt().use { client ->
            val relay = client.startAllocation(config(LongTerm("alice", "wrong")))
            assertThrows(OperationFailedException::class.java) { await { relay.ready() } }
            val huge = LongTerm("x".repeat(10_000), "s3cret")
            assertEquals(StunErrorCode.INVALID, refusal { relay.setCredentials(huge) })
            // It still waits for credentials, and nobody for it.
            assertThrows(OperationFailedException::class.java) { await { relay.ready() } }
        }
    }

    @Test
    fun `a relay that cannot go on elsewhere keeps no socket there`() = trial {
        withSilence { silent ->
            val prepared = AtomicInteger()
            openAt(options = DriverOptions(socketSetup = { prepared.incrementAndGet() })).use { client ->
                val relay = client.startAllocation(AllocationConfig(silent))
                val descriptors = openDescriptors()
                relay.changePort(at(0), at(0)) // which is no server's port
                assertEquals(StunErrorCode.INVALID, refusal { await { relay.finished() } })
                until { openDescriptors() == descriptors }
                assertEquals(2, prepared.get(), "and it has tried once")
            }
        }
    }

    @Test
    fun `of two attempts to go on elsewhere the later one counts`() = trial {
        val isForbidden = AtomicBoolean()
        val prepared = AtomicInteger()
        val setup = SocketSetup {
            prepared.incrementAndGet()
            check(!isForbidden.get()) { "not now" }
        }
        Peer().use { silent ->
            openAt(options = DriverOptions(socketSetup = setup)).use { client ->
                val relay = client.startAllocation(AllocationConfig(silent.address))
                isForbidden.set(true)
                relay.changePort(silent.address, at(0, "127.0.0.2"))
                until { prepared.get() == 2 } // and now it waits for a second
                isForbidden.set(false)
                relay.changePort(silent.address, at(0, "127.0.0.3"))
                val asked = List(6) { silent.receive().second.address }.dropWhile { it == ip("127.0.0.1") }
                assertEquals(setOf(ip("127.0.0.3")), asked.toSet())
            }
        }
    }

    @Test
    fun `an IPv4 address in the guise of IPv6 is that peer`() = trial {
        Peer().use { peer ->
            openAt().use { client ->
                val relay = client.startAllocation(config())
                relay.ready()
                val bytes = ByteArray(10) + byteArrayOf(-1, -1) + peer.address.address.address
                // Whatever else there is in java.net makes it an IPv4 address.
                val guise = Inet6Address.getByAddress("peer", bytes, 0)
                relay.permit(guise)
                val disguised = InetSocketAddress(guise, peer.address.port)
                assertTrue(relay.bindChannel(disguised) >= 0x4000)
                relay.send("hello".toByteArray(), peer.address)
                assertEquals("hello", peer.receiveText().first)
                assertTrue(relay.releaseChannel(disguised))
                assertTrue(relay.revoke(guise))
            }
        }
    }

    private fun refusal(call: () -> Unit) = assertThrows(StunException::class.java, call).code
}
