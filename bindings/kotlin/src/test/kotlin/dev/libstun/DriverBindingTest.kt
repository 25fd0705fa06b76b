package dev.libstun

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.TimeoutCancellationException
import kotlinx.coroutines.async
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertInstanceOf
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import java.net.InetSocketAddress
import java.net.UnknownHostException
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** Bindings against this library's own server, driven by a second driver on loopback. */
@Timeout(120)
class DriverBindingTest {
    private val quick = Retransmission(initialRto = 20.milliseconds, rc = 3, rm = 2)

    @Test
    fun `a server says the address of the socket`() = trial {
        openAt().use { server ->
            server.startServer(ServerConfig())
            openAt().use { client ->
                assertEquals(client.localAddress, client.mappedAddress(server.localAddress))
                assertEquals(0, client.operationCount, "it is asked once")
            }
        }
    }

    @Test
    fun `servers of both families are asked from one driver`() = trial {
        openAt("127.0.0.1").use { four ->
            openAt("::1").use { six ->
                four.startServer(ServerConfig())
                six.startServer(ServerConfig())
                Driver.open().use { client ->
                    assertEquals(2, client.localAddresses.size)
                    assertEquals(ip("127.0.0.1"), client.mappedAddress(four.localAddress).address)
                    assertEquals(ip("::1"), client.mappedAddress(six.localAddress).address)
                }
            }
        }
    }

    @Test
    fun `a server is asked by name, and by an address as people write it`() = trial {
        openAt().use { server ->
            server.startServer(ServerConfig())
            val port = server.localAddress.port
            Driver.open().use { client ->
                val expected = ip("127.0.0.1")
                assertEquals(expected, client.mappedAddress("127.0.0.1:$port").address)
                assertEquals(expected, client.mappedAddress("localhost:$port").address)
                val unresolved = InetSocketAddress.createUnresolved("localhost", port)
                assertEquals(expected, client.mappedAddress(unresolved).address)
            }
        }
    }

    @Test
    fun `of two servers that are asked the one that answers is enough`() = trial {
        openAt("::1").use { server ->
            server.startServer(ServerConfig())
            Driver.open().use { client ->
                val found = client.raceOf("::1", "127.0.0.1", port = server.localAddress.port)
                assertEquals(ip("::1"), found.address)
            }
        }
    }

    private suspend fun Driver.raceOf(vararg hosts: String, port: Int): InetSocketAddress {
        val targets = hosts.map { SurveyTarget(at(port, it)) }
        startSurvey(SurveyConfig(targets, enough = 1)).use { return it.next<Answer>().address }
    }

    @Test
    fun `what is no server's name is refused`() = trial {
        Driver.open().use { client ->
            for (text in listOf("", "host:", "host:0", "host:65536", "two words", "[::1", "a:b", "a:-1", "a/b")) {
                val refused = assertThrows(StunException::class.java, { await { client.mappedAddress(text) } }, text)
                assertEquals(StunErrorCode.INVALID, refused.code, text)
            }
            assertThrows(UnknownHostException::class.java) { await { client.mappedAddress("name.invalid") } }
            assertEquals(0, client.operationCount)
        }
    }

    @Test
    fun `a silent server fails in its own time`() = trial {
        withSilence { silent ->
            openAt().use { client ->
                val started = System.nanoTime()
                val binding = client.startBinding(BindingConfig(silent, refresh = null, retransmission = quick))
                val failed = assertThrows(OperationFailedException::class.java) { await { binding.mapped() } }
                assertEquals(FailureReason.TIMEOUT, failed.failure.reason)
                assertTrue(System.nanoTime() - started >= 100_000_000, "20 + 40 + 2 * 20 ms, and never early")
                val last = assertInstanceOf(Failed::class.java, binding.events.toList().last().event)
                assertEquals(failed.failure, last.failure)
                assertFalse(binding.isRunning)
            }
        }
    }

    @Test
    fun `a lost request is sent again, and so is one whose answer was lost`() = trial {
        openAt().use { server ->
            server.startServer(ServerConfig())
            for ((requests, answers) in listOf(1 to 0, 0 to 1, 2 to 1)) {
                Proxy(server.localAddress, requests = requests, answers = answers).use { proxy ->
                    openAt().use { client ->
                        assertEquals(ip("127.0.0.1"), client.mappedAddress(proxy.address).address)
                        assertEquals(requests + answers, proxy.lost)
                        assertEquals(requests + answers + 1L, client.counters.sent)
                    }
                }
            }
        }
    }

    @Test
    fun `whoever is cancelled has asked for nothing any more`() = trial {
        withSilence { silent ->
            openAt().use { client ->
                val waiting = async { client.mappedAddress(silent) }
                until { client.operationCount == 1 }
                waiting.cancel()
                waiting.join()
                assertEquals(0, client.operationCount)
                assertThrows(TimeoutCancellationException::class.java) {
                    await { withTimeout(20.milliseconds) { client.mappedAddress(silent) } }
                }
                assertEquals(0, client.operationCount)
            }
        }
    }

    @Test
    fun `everybody who waits is told when the driver is closed`() = trial {
        withSilence { silent ->
            val client = openAt()
            val server = client.startServer(ServerConfig())
            val binding = client.startBinding(BindingConfig(silent))
            val begun = CompletableDeferred<Unit>()
            val waiting = listOf(
                async { runCatching { client.mappedAddress(silent) } },
                async { runCatching { binding.mapped() } },
                async { runCatching { server.finished() } },
            )
            val flows = listOf(
                async { client.events.toList() },
                async { binding.events.toList() },
                async { begun.complete(Unit); client.datagrams.toList() },
            )
            begun.await()
            until { client.operationCount == 3 }
            client.close()
            for (one in waiting) {
                val error = assertInstanceOf(StunException::class.java, one.await().exceptionOrNull())
                assertEquals(StunErrorCode.CLOSED, error.code)
            }
            flows.forEach { assertEquals(0, it.await().size) }
            assertRefused { client.startServer(ServerConfig()) }
            assertRefused { client.send(byteArrayOf(1), silent) }
            assertRefused { await { client.mappedAddress("localhost") } }
            assertRefused { client.networkChanged(emptyList()) }
            client.close()
            binding.close()
            assertEquals(0, client.events.toList().size)
        }
    }

    private fun assertRefused(call: () -> Unit) {
        assertEquals(StunErrorCode.CLOSED, assertThrows(StunException::class.java, call).code)
    }

    @Test
    fun `a cancelled operation ends for whoever waits, and for nobody else`() = trial {
        withSilence { silent ->
            openAt().use { client ->
                val (one, other) = List(2) { client.startBinding(BindingConfig(silent)) }
                val waiting = async { runCatching { one.finished() } }
                launch { one.cancel() }
                val error = assertInstanceOf(StunException::class.java, waiting.await().exceptionOrNull())
                assertEquals(StunErrorCode.STATE, error.code)
                one.cancel()
                assertTrue(other.isRunning && !one.isRunning)
                assertEquals(1, client.operationCount)
            }
        }
    }

    @Test
    fun `a binding is kept alive, and its address known`() = trial {
        openAt().use { server ->
            server.startServer(ServerConfig())
            openAt().use { client ->
                client.startBinding(BindingConfig(server.localAddress, refresh = 1.seconds)).use { binding ->
                    assertEquals(client.localAddress, binding.mapped())
                    assertEquals(client.localAddress, binding.next<Refreshed>().address)
                    assertTrue(client.counters.sendingWakeUps >= 2)
                }
            }
        }
    }

    @Test
    fun `a survey tells of each server`() = trial {
        val servers = List(3) { openAt().apply { startServer(ServerConfig()) } }
        withSilence { silent ->
            openAt().use { client ->
                val targets = (servers.map { it.localAddress } + silent).map { SurveyTarget(it) }
                val survey = client.startSurvey(SurveyConfig(targets, retransmission = quick))
                val told = survey.events.toList().map { it.event }
                assertEquals(3, told.filterIsInstance<Answer>().size)
                assertEquals(listOf(silent), told.filterIsInstance<NoAnswer>().map { it.server })
                assertEquals(3, (told.last() as Surveyed).answered)
            }
        }
        servers.forEach { it.close() }
    }

    @Test
    fun `a redirection is followed, or asked about`() = trial {
        openAt().use { server ->
            server.startServer(ServerConfig())
            Redirector(server.localAddress).use { redirector ->
                openAt().use { client ->
                    assertEquals(client.localAddress, client.mappedAddress(redirector.address))
                    val config = BindingConfig(redirector.address, refresh = null, redirects = RedirectPolicy.ASK)
                    val asking = client.startBinding(config)
                    val wish = asking.next<Redirected>()
                    assertEquals(server.localAddress to true, wish.server to wish.awaitsAnswer)
                    client.answerRedirect(asking, true)
                    assertEquals(client.localAddress, asking.mapped())
                    val declining = client.startBinding(config)
                    declining.next<Redirected>()
                    client.answerRedirect(declining, false)
                    val failed = assertThrows(OperationFailedException::class.java) { await { declining.mapped() } }
                    assertEquals(FailureReason.REDIRECTED, failed.failure.reason)
                }
            }
        }
    }
}
