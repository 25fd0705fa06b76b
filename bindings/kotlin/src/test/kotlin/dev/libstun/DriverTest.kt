package dev.libstun

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertInstanceOf
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTimeoutPreemptively
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import java.io.IOException
import java.lang.ref.WeakReference
import java.net.DatagramSocket
import java.net.InetSocketAddress
import java.nio.channels.Selector
import java.util.Random
import java.util.concurrent.Executor
import java.util.concurrent.atomic.AtomicBoolean
import java.util.concurrent.atomic.AtomicInteger
import java.util.concurrent.atomic.AtomicLong
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.toJavaDuration

/** The loop of a driver, its sockets and its streams. */
@Timeout(180)
class DriverTest {
    @Test
    fun `datagrams of other protocols reach the application, and its own go out`() = trial {
        openAt().use { driver ->
            driver.startServer(ServerConfig())
            Peer().use { peer ->
                val received = early(driver.datagrams)
                peer.send("hello", driver.localAddress)
                val datagram = received.await()
                assertEquals("hello", String(datagram.bytes))
                assertEquals(peer.address to driver.localAddress, datagram.remote to datagram.local)
                assertTrue(driver.send("and back".toByteArray(), peer.address))
                assertEquals("and back" to driver.localAddress, peer.receiveText())
                // Of any length, also none.
                for (length in listOf(0, 1, 1500, 65_507)) {
                    val bytes = ByteArray(length) { (it or 0x80).toByte() }
                    val next = early(driver.datagrams)
                    peer.send(bytes, driver.localAddress)
                    assertArrayEquals(bytes, next.await().bytes)
                }
            }
        }
    }

    @Test
    fun `a reader of datagrams that is slow loses some, which are counted, and stops nothing`() = trial {
        openAt().use { driver ->
            driver.startServer(ServerConfig())
            openAt().use { client ->
                Peer().use { peer ->
                    var sent = 0L
                    while (driver.counters.droppedDatagrams < 100) {
                        peer.send("%08d".format(sent++), driver.localAddress)
                        // No faster than the loop reads, so that the system's buffer loses none.
                        if (sent % 64 == 0L) client.mappedAddress(driver.localAddress)
                    }
                    val kept = driver.datagrams.take(MAX_PACKETS).toList().map { String(it.bytes).toLong() }
                    assertEquals(kept.sorted(), kept)
                    val next = early(driver.datagrams) { String(it.bytes) == "after" }
                    peer.send("after", driver.localAddress)
                    next.await()
                }
            }
        }
    }

    @Test
    fun `a reader of events that is slow loses the oldest, and never the last`() = trial {
        openAt().use { driver ->
            val reader = async(start = CoroutineStart.UNDISPATCHED) {
                driver.events.toList() // which gets its turn when the driver is closed
            }
            val ids = mutableListOf<OperationId>()
            while (driver.counters.droppedEvents < 100) {
                // Each fails at once, and each at another server: many requests to one are paced.
                val servers = List(50) { at(1000 + ids.size + it, "127.255.255.255") }
                val some = servers.map { driver.startBinding(BindingConfig(it, refresh = null)) }
                for (one in some) while (one.isRunning) Thread.sleep(1)
                ids += some.map { it.id }
            }
            driver.close()
            val told = reader.await().map { it.id }
            assertEquals(ids.size.toLong(), told.size + driver.counters.droppedEvents)
            assertEquals(ids.takeLast(100), told.takeLast(100))
        }
    }

    @Test
    fun `a storm of hostile datagrams is survived, and commands have their turn`() = trial {
        openAt().use { driver ->
            driver.startServer(ServerConfig())
            val random = Random(7)
            val requests = listOf("00010000", "01010000", "01110008", "00ff0ffc").map { it + "2112a442" } + "40000004"
            Peer().use { attacker ->
                repeat(20_000) { number ->
                    val rest = ByteArray(random.nextInt(200)).also(random::nextBytes)
                    attacker.send(bytesOf(requests[number % requests.size]) + rest, driver.localAddress)
                    if (number % 1000 == 0) driver.startBinding(BindingConfig(attacker.address)).cancel()
                }
            }
            openAt().use { client ->
                assertEquals(client.localAddress, client.mappedAddress(driver.localAddress))
                assertEquals(1, driver.operationCount)
            }
        }
    }

    @Test
    fun `nothing is left of a thousand drivers`() {
        openAt().use { warmed -> warmed.startServer(ServerConfig()) }
        val (descriptors, threads) = openDescriptors() to driverThreads()
        repeat(1000) { number ->
            val driver = openAt()
            if (number % 10 == 0) driver.startServer(ServerConfig())
            driver.close()
        }
        assertEquals(threads, driverThreads())
        assertTrue(openDescriptors() <= descriptors, "${openDescriptors()} descriptors, and $descriptors before")
    }

    @Test
    fun `a driver that could not be opened leaves nothing behind`() {
        val (descriptors, threads) = openDescriptors() to driverThreads()
        DatagramSocket(at(0)).use { taken ->
            val at = at(taken.localPort)
            assertThrows(IOException::class.java) { Driver.open(at) }
            assertThrows(IOException::class.java) { Driver.open(at(0), DriverOptions(moreLocals = listOf(at))) }
        }
        assertThrows(IOException::class.java) { openAt("192.0.2.1") }
        assertThrows(StunException::class.java) { openAt(options = DriverOptions(seed = ByteArray(31))) }
        val refusing = SocketSetup { throw IllegalStateException("no") }
        assertThrows(IllegalStateException::class.java) { openAt(options = DriverOptions(socketSetup = refusing)) }
        assertEquals(threads, driverThreads())
        assertTrue(openDescriptors() <= descriptors, "${openDescriptors()} descriptors, and $descriptors before")
    }

    @Test
    fun `every socket is prepared before it is bound`() = trial {
        val prepared = AtomicInteger()
        val setup = SocketSetup { channel ->
            assertEquals(null, channel.localAddress)
            prepared.incrementAndGet()
        }
        Driver.open(options = DriverOptions(socketSetup = setup)).use { assertEquals(2, prepared.get()) }
    }

    @Test
    fun `time that has passed in suspend is noticed with whatever wakes the loop`() = trial {
        val ahead = AtomicLong()
        val clock = Clock { System.nanoTime() + Long.MAX_VALUE / 4 + ahead.get() }
        openAt().use { server ->
            server.startServer(ServerConfig())
            openAt(options = DriverOptions(clock)).use { client ->
                val binding = client.startBinding(BindingConfig(server.localAddress))
                binding.mapped()
                ahead.addAndGet(1.hours.inWholeNanoseconds)
                Peer().use { it.send("something else", client.localAddress) }
                assertEquals(client.localAddress, binding.next<Refreshed>().address)
            }
        }
    }

    @Test
    fun `a driver that does nothing does not wake up`() = trial {
        openAt().use { driver ->
            driver.startServer(ServerConfig())
            Thread.sleep(50)
            val before = driver.counters.wakeUps
            Thread.sleep(300)
            assertEquals(before, driver.counters.wakeUps)
        }
    }

    @Test
    fun `a request that waits wakes the loop once for each time that it is sent`() = trial {
        val quick = Retransmission(initialRto = 5.milliseconds, rc = 5, rm = 16)
        withSilence { silent ->
            openAt().use { client ->
                val before = client.counters.wakeUps
                val binding = client.startBinding(BindingConfig(silent, refresh = null, retransmission = quick))
                assertThrows(OperationFailedException::class.java) { await { binding.finished() } }
                val wakeUps = client.counters.wakeUps - before
                assertTrue(wakeUps in 1..16, "$wakeUps wake-ups for five deadlines")
            }
        }
    }

    @Test
    fun `what the system refuses to send fails the request, and nothing else`() = trial {
        openAt("127.0.0.1").use { driver ->
            // The address of a broadcast, which the socket has not asked for leave to send.
            val config = BindingConfig(at(3478, "127.255.255.255"), refresh = null)
            val failed = assertThrows(OperationFailedException::class.java) {
                await { driver.startBinding(config).mapped() }
            }
            assertEquals(FailureReason.SEND_FAILED, failed.failure.reason)
            assertEquals(SendError.PERMISSION_DENIED, failed.failure.detail)
            assertEquals(0, driver.operationCount)
            assertThrows(IOException::class.java) { driver.startBinding(BindingConfig(at(3478, "::1"))) }
            assertTrue(driver.send(byteArrayOf(1), at(3478, "127.255.255.255")))
            until { driver.counters.unsent >= 2 }
            driver.startServer(ServerConfig())
            openAt().use { assertEquals(it.localAddress, it.mappedAddress(driver.localAddress)) }
        }
    }

    @Test
    fun `a loop that fails leaves nobody waiting and nothing open`() = trial {
        val (descriptors, told) = openDescriptors() to CompletableDeferred<Throwable>()
        val before = Thread.getDefaultUncaughtExceptionHandler()
        Thread.setDefaultUncaughtExceptionHandler { _, error -> told.complete(error) }
        try {
            withSilence { silent ->
                val isBroken = AtomicBoolean()
                val clock = Clock { check(!isBroken.get()) { "the clock is broken" }; System.nanoTime() }
                val client = openAt(options = DriverOptions(clock))
                val server = client.startServer(ServerConfig())
                client.startBinding(BindingConfig(silent))
                val waiting = async(Dispatchers.IO) { runCatching { server.finished() } }
                isBroken.set(true)
                val error = assertInstanceOf(StunException::class.java, waiting.await().exceptionOrNull())
                assertEquals(StunErrorCode.INTERNAL, error.code)
                assertEquals("the clock is broken", told.await().message)
                assertEquals(0, client.events.toList().size)
                client.close()
            }
            assertTrue(openDescriptors() <= descriptors)
        } finally {
            Thread.setDefaultUncaughtExceptionHandler(before)
        }
    }

    @Test
    fun `a socket of IPv6 takes IPv4 as well, and answers there`() = trial {
        openAt("::").use { server ->
            server.startServer(ServerConfig())
            val port = server.localAddress.port
            openAt("127.0.0.1").use { assertEquals(it.localAddress, it.mappedAddress(at(port))) }
            openAt("::1").use { assertEquals(it.localAddress, it.mappedAddress(at(port, "::1"))) }
        }
    }

    @Test
    fun `events of all operations come to every reader`() = trial {
        openAt().use { server ->
            server.startServer(ServerConfig())
            openAt().use { client ->
                val readers = List(3) { early(client.events) { it.event is Mapped } }
                val binding = client.startBinding(BindingConfig(server.localAddress, refresh = null))
                for (reader in readers) assertEquals(binding.id, reader.await().id)
                assertInstanceOf(Mapped::class.java, binding.finished().event)
            }
        }
    }

    @Test
    fun `threads that start and cancel at once do not meet`() = trial {
        openAt().use { server ->
            server.startServer(ServerConfig())
            openAt().use { client ->
                val workers = List(4) {
                    async(Dispatchers.IO) {
                        repeat(100) { number ->
                            if (number % 3 == 0) client.startBinding(BindingConfig(server.localAddress)).cancel()
                            assertEquals(client.localAddress, client.mappedAddress(server.localAddress))
                        }
                    }
                }
                workers.forEach { it.await() }
                assertEquals(0, client.operationCount)
            }
        }
    }

    @Test
    fun `a test of the NAT has sockets of its own, which end with it`() = trial {
        val two = listOf("127.0.0.1", "127.0.0.2").map(::ip)
        val (port, other) = List(2) { Coturn.freePort() }
        val locals = two.flatMap { host -> listOf(port, other).map { at(it, host.hostAddress) } }
        Driver.open(locals[0], DriverOptions(moreLocals = locals.drop(1))).use { server ->
            server.startServer(ServerConfig(local = locals[0], alternate = locals[3]))
            openAt().use { client ->
                val descriptors = openDescriptors()
                val probe = client.startNatProbe(NatConfig(locals[0], local = client.localAddress))
                val report = (probe.finished().event as NatFinished).report
                assertEquals(ip("127.0.0.1"), report.local.address)
                assertFalse(report.local == client.localAddress, "it is one of its own")
                until { openDescriptors() == descriptors }
                val cancelled = client.startNatProbe(NatConfig(locals[0], local = client.localAddress))
                cancelled.cancel()
                until { openDescriptors() == descriptors }
            }
        }
    }

    @Test
    fun `closing sockets does not swallow the wake-up that comes meanwhile`() {
        Selector.open().use { selector ->
            val links = Links(null, selector::wakeup)
            links.openAll(listOf(at(0), at(0)))
            links.settle(selector)
            selector.selectNow()
            val descriptors = openDescriptors()
            links.retire(links.shared.first())
            links.settle(selector)
            assertTimeoutPreemptively(SAFETY.toJavaDuration(), { selector.select() }, "the wake-up is lost")
            assertEquals(descriptors - 1, openDescriptors())
            links.shutDown()
        }
    }

    @Test
    fun `an answer goes out on the socket where the question came`() = trial {
        Driver.open(at(0), DriverOptions(moreLocals = listOf(at(0, "127.0.0.2")))).use { driver ->
            Peer().use { peer ->
                val received = early(driver.datagrams)
                peer.send("which", driver.localAddresses[1])
                val question = received.await()
                driver.send("this".toByteArray(), question.remote, question.local)
                assertEquals("this" to driver.localAddresses[1], peer.receiveText())
                driver.send("nothing".toByteArray(), question.remote, at(1, "127.0.0.3"))
                until { driver.counters.unsent == 1L }
            }
        }
    }

    @Test
    fun `a socket of IPv6 that takes IPv4 asks and answers there as well`() = trial {
        openAt().use { server ->
            server.startServer(ServerConfig())
            openAt("::").use { driver ->
                Peer().use { peer ->
                    val received = early(driver.datagrams)
                    peer.send("hello", at(driver.localAddress.port))
                    val hello = received.await()
                    assertEquals(peer.address, hello.remote)
                    driver.send("one".toByteArray(), hello.remote, hello.local)
                    driver.send("two".toByteArray(), hello.remote)
                    assertEquals(listOf("one", "two"), List(2) { peer.receiveText().first })
                }
                val expected = at(driver.localAddress.port)
                assertEquals(expected, driver.mappedAddress(server.localAddress))
                assertEquals(expected, driver.mappedAddress("127.0.0.1:${server.localAddress.port}"))
                val binding = driver.startBinding(BindingConfig(server.localAddress))
                assertEquals(expected, binding.mapped())
                driver.networkChanged(listOf(ip("127.0.0.3")))
                binding.next<Refreshed>()
                assertEquals(1, driver.localAddresses.size)
            }
        }
    }

    @Test
    fun `a closed driver says so, whatever it is asked for`() {
        val driver = openAt().apply { close() }
        val server = at(3478)
        val calls = listOf<() -> Any>(
            { driver.localAddress },
            { driver.startBinding(BindingConfig(server)) },
            { driver.startSurvey(SurveyConfig(listOf(SurveyTarget(server)))) },
            { driver.startNatProbe(NatConfig(server, at(0))) },
            { driver.startAllocation(AllocationConfig(server)) },
            { await { driver.mappedAddress(server) } },
        )
        for (call in calls) {
            assertEquals(StunErrorCode.CLOSED, assertThrows(StunException::class.java) { call() }.code)
        }
    }

    @Test
    fun `a name where an IP address is wanted is refused`() = openAt().use { driver ->
        val name = InetSocketAddress.createUnresolved("stun.example.org", 3478)
        val calls = listOf<() -> Any>(
            { driver.send(byteArrayOf(1), name) },
            { driver.startBinding(BindingConfig(name)) },
            { driver.startSurvey(SurveyConfig(listOf(SurveyTarget(name)))) },
            { driver.startNatProbe(NatConfig(name, at(0))) },
            { driver.startAllocation(AllocationConfig(name)) },
            { driver.startServer(ServerConfig(local = name, alternate = name)) },
        )
        for (call in calls) {
            assertEquals(StunErrorCode.INVALID, assertThrows(StunException::class.java) { call() }.code)
        }
    }

    @Test
    fun `what a socket's preparation leaves undone is done`() = trial {
        openAt(options = DriverOptions(socketSetup = { it.configureBlocking(true) })).use { server ->
            server.startServer(ServerConfig())
            openAt().use { assertEquals(it.localAddress, it.mappedAddress(server.localAddress)) }
        }
    }

    @Test
    fun `bytes that are sent may be changed at once`() = trial {
        openAt().use { driver ->
            Peer().use { peer ->
                repeat(200) {
                    val bytes = "as it was".toByteArray()
                    driver.send(bytes, peer.address)
                    bytes.fill(0)
                    assertEquals("as it was", peer.receiveText().first)
                }
            }
        }
    }

    @Test
    fun `an executor that fails ends its listener and not the driver`() = trial {
        openAt().use { driver ->
            driver.startServer(ServerConfig())
            val isBroken = AtomicBoolean()
            val executor = Executor { check(!isBroken.get()) { "no more" }; it.run() }
            val told = AtomicInteger()
            driver.listenDatagrams(executor) { told.incrementAndGet() }
            openAt().use { client ->
                client.send(byteArrayOf(1), driver.localAddress)
                until { told.get() == 1 }
                isBroken.set(true)
                client.send(byteArrayOf(2), driver.localAddress)
                assertEquals(client.localAddress, client.mappedAddress(driver.localAddress))
                assertEquals(1, told.get())
            }
        }
    }

    @Test
    fun `an operation of another driver is refused`() = openAt().use { one ->
        openAt().use { other ->
            val (server, _) = one.startServer(ServerConfig()) to other.startServer(ServerConfig())
            val refused = assertThrows(StunException::class.java) { other.addUser(server, "alice", "s3cret") }
            assertEquals(StunErrorCode.INVALID, refused.code)
        }
    }

    @Test
    fun `a test of the NAT prepares its sockets, and is from the address that it was told`() = trial {
        val prepared = AtomicInteger()
        val options = DriverOptions(null, listOf(at(0, "127.0.0.2")), { prepared.incrementAndGet() })
        openAt(options = options).use { driver ->
            openAt().use { server ->
                server.startServer(ServerConfig())
                val config = NatConfig(server.localAddress, at(0, "127.0.0.2"), deadline = 1.seconds)
                val probe = driver.startNatProbe(config)
                val report = (probe.finished().event as NatFinished).report
                assertEquals(ip("127.0.0.2"), report.local.address)
                assertEquals(5, prepared.get(), "two, two of the test's, and one to ask for the way")
            }
        }
    }

    @Test
    fun `nothing is left of operations that have ended`() = trial {
        openAt().use { server ->
            server.startServer(ServerConfig())
            openAt().use { client ->
                val ended = List(200) { number -> WeakReference(client.startAndEnd(server.localAddress, number)) }
                assertEquals(0, client.operationCount)
                until { System.gc(); ended.all { it.get() == null } }
            }
        }
    }

    private suspend fun Driver.startAndEnd(server: InetSocketAddress, number: Int): Operation {
        val config = BindingConfig(server, refresh = 25.seconds.takeIf { number % 2 == 0 })
        val operation = startBinding(config).also { it.mapped() }
        if (number % 2 == 0) operation.cancel() else operation.finished()
        return operation
    }
}
