package dev.libstun

import kotlinx.coroutines.async
import kotlinx.coroutines.flow.first
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import java.net.DatagramSocket
import java.net.InetSocketAddress
import java.util.concurrent.atomic.AtomicBoolean
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** A host that moves, and a server that does. */
@Timeout(120)
class DriverNetworkTest {
    private val quick = Retransmission(initialRto = 20.milliseconds, rc = 2, rm = 1)
    private val soon = Backoff(first = 20.milliseconds, max = 50.milliseconds)

    private suspend fun withServer(test: suspend (InetSocketAddress) -> Unit) =
        openAt().use { server ->
            server.startServer(ServerConfig())
            test(server.localAddress)
        }

    @Test
    fun `a binding goes on from the address that the host has moved to`() = trial {
        withServer { server ->
            openAt("127.0.0.2").use { client ->
                val binding = client.startBinding(BindingConfig(server))
                val before = client.localAddress
                assertEquals(before, binding.mapped())
                val descriptors = openDescriptors()
                client.networkChanged(listOf(ip("127.0.0.3")))
                val restarted = binding.next<Restarted>()
                assertEquals(before, restarted.previous)
                assertEquals(at(before.port, "127.0.0.3"), restarted.local)
                assertEquals(restarted.local, binding.next<Mapped>().address)
                assertEquals(listOf(restarted.local), client.localAddresses)
                until { openDescriptors() == descriptors }
                DatagramSocket(before).close() // and nobody has that any more
                assertEquals(restarted.local, client.mappedAddress(server), "new operations ask from there")
            }
        }
    }

    @Test
    fun `a driver without operations moves as well`() = trial {
        withServer { server ->
            openAt("127.0.0.2").use { client ->
                client.networkChanged(listOf(ip("127.0.0.3")))
                until { client.localAddresses.single().address == ip("127.0.0.3") }
                assertEquals(client.localAddress, client.mappedAddress(server))
                Peer().use { peer ->
                    val received = early(client.datagrams)
                    peer.send("hello", client.localAddress)
                    assertEquals(peer.address, received.await().remote)
                }
            }
        }
    }

    @Test
    fun `an address that is still there changes nothing`() = trial {
        withServer { server ->
            openAt("127.0.0.2").use { client ->
                val binding = client.startBinding(BindingConfig(server))
                binding.mapped()
                val sent = client.counters.sent
                client.networkChanged(listOf(ip("127.0.0.3"), ip("127.0.0.2")))
                assertEquals(client.localAddress, client.mappedAddress(server))
                assertEquals(sent + 1, client.counters.sent)
            }
        }
    }

    @Test
    fun `sockets that are bound to no address stay, and their bindings ask again`() = trial {
        withServer { server ->
            Driver.open(at(0, "0.0.0.0")).use { client ->
                val binding = client.startBinding(BindingConfig(server))
                binding.mapped()
                val before = client.localAddresses
                client.networkChanged(listOf(ip("127.0.0.3")))
                assertEquals(before.single(), binding.next<Restarted>().local)
                binding.next<Refreshed>()
                assertEquals(before, client.localAddresses)
            }
        }
    }

    @Test
    fun `a network that cannot be used leaves the driver alive for the next one`() = trial {
        withServer { server ->
            openAt("127.0.0.2").use { client ->
                val binding = client.startBinding(BindingConfig(server, retransmission = quick, backoff = soon))
                binding.mapped()
                client.networkChanged(listOf(ip("192.0.2.1"))) // which this host has not
                binding.next<Restarted>()
                assertEquals(FailureReason.SEND_FAILED, binding.next<Retrying>().failure.reason)
                assertThrows(java.io.IOException::class.java) { client.startBinding(BindingConfig(server)) }
                assertTrue(binding.isRunning)
                client.networkChanged(listOf(ip("127.0.0.3")))
                assertEquals(ip("127.0.0.3"), binding.next<Mapped>().address.address)
                assertEquals(ip("127.0.0.3"), client.mappedAddress(server).address)
            }
        }
    }

    @Test
    fun `a socket that could not be bound is tried again with each request`() = trial {
        withServer { server ->
            openAt("127.0.0.2").use { client ->
                val binding = client.startBinding(BindingConfig(server, retransmission = quick, backoff = soon))
                binding.mapped()
                val taken = DatagramSocket(at(client.localAddress.port, "127.0.0.3"))
                client.networkChanged(listOf(ip("127.0.0.3")))
                assertEquals(FailureReason.SEND_FAILED, binding.next<Retrying>().failure.reason)
                assertEquals(ip("127.0.0.3"), client.mappedAddress(server).address, "from another port")
                val wanted = taken.localSocketAddress
                taken.close()
                assertEquals(wanted, binding.next<Mapped>().address)
            }
        }
    }

    @Test
    fun `without any address bindings end, and the driver goes on when there is one`() = trial {
        withServer { server ->
            openAt("127.0.0.2").use { client ->
                val binding = client.startBinding(BindingConfig(server))
                binding.mapped()
                client.networkChanged(emptyList())
                val failed = assertThrows(OperationFailedException::class.java) { await { binding.finished() } }
                assertEquals(FailureReason.NETWORK_CHANGED, failed.failure.reason)
                client.networkChanged(listOf(ip("127.0.0.3")))
                until { client.localAddresses.singleOrNull()?.address == ip("127.0.0.3") }
                assertEquals(client.localAddress, client.mappedAddress(server))
            }
        }
    }

    @Test
    fun `relays move with their sockets`() = trial {
        Coturn(*Coturn.LONG_TERM, "allow-loopback-peers", "mobility").use { coturn ->
            openAt("127.0.0.2").use { client ->
                val config = AllocationConfig(
                    coturn.address,
                    credentials = LongTerm("alice", "s3cret"),
                    peerPolicy = PeerPolicy.LOOPBACK,
                )
                val relays = List(2) { client.startAllocation(config) }
                relays.forEach { it.ready() }
                val descriptors = openDescriptors()
                client.networkChanged(listOf(ip("127.0.0.3")))
                Peer().use { peer ->
                    for (relay in relays) {
                        assertEquals(ip("127.0.0.3"), relay.next<Restarted>().local.address)
                        val moved = relay.events.first { it.event is Moved || it.event is Allocated }
                        assertTrue(moved.event is Moved, "coturn gives tickets: $moved")
                        assertNull(relay.mapped, "what was known is of the network before")
                        relay.permit(ip("127.0.0.1"))
                        relay.send("moved".toByteArray(), peer.address)
                        assertEquals("moved" to relay.relayed, peer.receiveText())
                    }
                }
                assertEquals(1, client.localAddresses.size)
                until { openDescriptors() == descriptors }
                val another = client.startAllocation(config)
                assertEquals(ip("127.0.0.1"), another.ready().address)
                another.release()
                relays.forEach { it.release() }
                until { openDescriptors() == descriptors - 1 }
            }
        }
    }

    @Test
    fun `another address after the server was started anew is told`() = trial {
        val port = Coturn.freePort()
        openAt("127.0.0.2").use { client ->
            val first = Driver.open(at(port)).apply { startServer(ServerConfig()) }
            val config = BindingConfig(at(port), refresh = 1.seconds, retransmission = quick, backoff = soon)
            val binding = client.startBinding(config)
            assertEquals(client.localAddress, binding.mapped())
            first.close()
            assertEquals(FailureReason.TIMEOUT, binding.next<Retrying>().failure.reason)
            // The server is there again, and sees the client from elsewhere: a NAT that was started anew as well.
            openAt().use { hidden ->
                hidden.startServer(ServerConfig())
                Proxy(hidden.localAddress, near = at(port), far = at(0, "127.0.0.9")).use { nat ->
                    val changed = binding.next<AddressChanged>()
                    assertEquals(client.localAddress to nat.outside, changed.previous to changed.address)
                    assertEquals(nat.outside, binding.address)
                }
            }
        }
    }

    @Test
    fun `wishes for addresses that come fast end at the last one`() = trial {
        withServer { server ->
            openAt("127.0.0.2").use { client ->
                val binding = client.startBinding(BindingConfig(server))
                binding.mapped()
                repeat(50) { client.networkChanged(listOf(ip("127.0.0.${3 + it % 5}"))) }
                val last = ip("127.0.0.${3 + 49 % 5}")
                until { client.localAddresses.singleOrNull()?.address == last }
                until { binding.address?.address == last }
                assertFalse(async { client.mappedAddress(server) }.await().address != last)
            }
        }
    }

    @Test
    fun `what begins after the network has changed begins at the new address`() = trial {
        withServer { server ->
            openAt("127.0.0.2").use { client ->
                for (last in 3..60) {
                    val host = ip("127.0.0.$last")
                    client.networkChanged(listOf(host))
                    assertEquals(host, client.localAddress.address)
                    val config = BindingConfig(server, refresh = null)
                    assertEquals(host, client.startBinding(config).mapped().address)
                }
                client.networkChanged(listOf(ip("127.0.0.3")))
                client.networkChanged(listOf(ip("127.0.0.60")))
                assertEquals(ip("127.0.0.60"), client.mappedAddress(server).address)
                assertEquals(1, client.localAddresses.size)
            }
        }
    }

    @Test
    fun `a socket whose preparation fails is tried again, and the driver lives on`() = trial {
        withServer { server ->
            val isForbidden = AtomicBoolean()
            val setup = SocketSetup { check(!isForbidden.get()) { "no" } }
            openAt("127.0.0.2", DriverOptions(socketSetup = setup)).use { client ->
                val binding = client.startBinding(BindingConfig(server, retransmission = quick, backoff = soon))
                binding.mapped()
                isForbidden.set(true)
                client.networkChanged(listOf(ip("127.0.0.3")))
                assertEquals(FailureReason.SEND_FAILED, binding.next<Retrying>().failure.reason)
                val none = assertThrows(StunException::class.java) { client.localAddress }
                assertEquals(StunErrorCode.STATE, none.code)
                isForbidden.set(false)
                assertEquals(ip("127.0.0.3"), binding.next<Mapped>().address.address)
            }
        }
    }

    @Test
    fun `what begins while the network changes moves with it`() = trial {
        withServer { server ->
            // The only way to be between the choice of a socket and the start, which two threads may be in earnest.
            val starter = Thread.currentThread()
            var change: (() -> Unit)? = null
            val clock = Clock {
                if (Thread.currentThread() === starter) change?.also { change = null }?.invoke() // in between
                System.nanoTime()
            }
            openAt("127.0.0.2", DriverOptions(clock)).use { client ->
                for (last in 3..6) {
                    val host = ip("127.0.0.$last")
                    change = { client.networkChanged(listOf(host)) }
                    val binding = client.startBinding(BindingConfig(server))
                    until { binding.address?.address == host }
                }
            }
        }
    }

    @Test
    fun `a driver without operations survives a network that it could not use`() = trial {
        withServer { server ->
            openAt("127.0.0.2").use { client ->
                client.networkChanged(listOf(ip("192.0.2.1")))
                client.networkChanged(emptyList())
                client.networkChanged(listOf(ip("127.0.0.3")))
                assertEquals(ip("127.0.0.3"), client.mappedAddress(server).address)
            }
        }
    }

    @Test
    fun `loopback and addresses of a link are moved to only if there is nothing else`() = trial {
        openAt("127.0.0.2").use { client ->
            client.networkChanged(listOf(ip("127.0.0.3"), ip("198.51.100.1"))) // which this host has not
            assertEquals(StunErrorCode.STATE, assertThrows(StunException::class.java) { client.localAddress }.code)
            client.networkChanged(listOf(ip("fe80::1"), ip("127.0.0.3")))
            assertEquals(ip("127.0.0.3"), client.localAddress.address)
        }
    }

    @Test
    fun `a socket that could not be opened is opened for a name as well`() = trial {
        withServer { server ->
            val isForbidden = AtomicBoolean()
            val setup = SocketSetup { check(!isForbidden.get()) { "no" } }
            openAt("127.0.0.2", DriverOptions(socketSetup = setup)).use { client ->
                val descriptors = openDescriptors()
                isForbidden.set(true)
                client.networkChanged(listOf(ip("127.0.0.3")))
                until { openDescriptors() == descriptors - 1 }
                client.networkChanged(listOf(ip("127.0.0.4"))) // what is missing moves along
                isForbidden.set(false)
                assertEquals(ip("127.0.0.4"), client.mappedAddress("127.0.0.1:${server.port}").address)
            }
        }
    }

    @Test
    fun `a port that is taken at the new address is replaced by one other`() = trial {
        withServer { server ->
            openAt("127.0.0.2").use { client ->
                DatagramSocket(at(client.localAddress.port, "127.0.0.3")).use {
                    client.networkChanged(listOf(ip("127.0.0.3")))
                    client.mappedAddress(server) // after which everything has moved
                    assertEquals(1, client.localAddresses.size)
                }
            }
        }
    }

    @Test
    fun `a host that is back at once has its old socket, and no other`() = trial {
        withServer { server ->
            openAt("127.0.0.2").use { client ->
                val before = client.localAddress
                DatagramSocket(at(before.port, "127.0.0.3")).use {
                    repeat(3) { // the socket that was left is still open then
                        client.networkChanged(listOf(ip("127.0.0.3")))
                        client.networkChanged(listOf(ip("127.0.0.2")))
                    }
                    assertEquals(ip("127.0.0.2"), client.mappedAddress(server).address)
                    assertEquals(1, client.localAddresses.size)
                    val binding = client.startBinding(BindingConfig(server))
                    binding.mapped()
                    client.networkChanged(listOf(ip("127.0.0.3")))
                    client.networkChanged(listOf(ip("127.0.0.2")))
                    until { binding.address?.address == ip("127.0.0.2") }
                    client.mappedAddress(server)
                    assertEquals(1, client.localAddresses.size)
                }
            }
        }
    }
}
