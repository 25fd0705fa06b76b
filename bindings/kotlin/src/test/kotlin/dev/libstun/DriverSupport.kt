package dev.libstun

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Deferred
import kotlinx.coroutines.async
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.filter
import kotlinx.coroutines.flow.filterIsInstance
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import java.io.File
import java.net.DatagramPacket
import java.net.DatagramSocket
import java.net.InetAddress
import java.net.InetSocketAddress
import java.net.ServerSocket
import java.net.SocketTimeoutException
import java.nio.file.Files
import java.nio.file.Path
import java.util.concurrent.TimeUnit
import kotlin.concurrent.thread
import kotlin.time.Duration.Companion.seconds

/** After so long a test is taken for hung. No test waits for so long. */
internal val SAFETY = 60.seconds

/** Runs a test that suspends. */
internal fun trial(test: suspend CoroutineScope.() -> Unit) = runBlocking { withTimeout(SAFETY) { test() } }

internal fun ip(text: String): InetAddress = InetAddress.getByName(text)

internal fun at(port: Int, host: String = "127.0.0.1") = InetSocketAddress(ip(host), port)

internal fun openAt(host: String = "127.0.0.1", options: DriverOptions = DriverOptions()): Driver =
    Driver.open(at(0, host), options)

/** The next event of a kind. */
internal suspend inline fun <reified T : Event> Operation.next(): T =
    events.map { it.event }.filterIsInstance<T>().first()

/** Begins to collect before it returns, so that nothing is missed. */
internal fun <T> CoroutineScope.early(flow: Flow<T>, wanted: (T) -> Boolean = { true }): Deferred<T> =
    async(start = CoroutineStart.UNDISPATCHED) { flow.filter(wanted).first() }

/** What this process has open, by kind: descriptors of sockets and of selectors. */
internal fun openDescriptors(): Int = File("/proc/self/fd").listFiles().orEmpty().count { entry ->
    val target = runCatching { Files.readSymbolicLink(entry.toPath()).toString() }.getOrDefault("")
    listOf("socket:", "anon_inode:", "pipe:").any(target::startsWith)
}

internal fun driverThreads(): Int = Thread.getAllStackTraces().keys.count { it.name == "libstun-driver" }

/** A UDP socket that the test reads itself. */
internal class Peer(host: String = "127.0.0.1") : AutoCloseable {
    private val socket = DatagramSocket(InetSocketAddress(ip(host), 0)).apply { soTimeout = 30_000 }
    val address get() = socket.localSocketAddress as InetSocketAddress

    fun send(bytes: ByteArray, to: InetSocketAddress) = socket.send(DatagramPacket(bytes, bytes.size, to))

    fun send(text: String, to: InetSocketAddress) = send(text.toByteArray(), to)

    fun receive(): Pair<ByteArray, InetSocketAddress> {
        val packet = DatagramPacket(ByteArray(65536), 65536)
        socket.receive(packet)
        return packet.data.copyOf(packet.length) to packet.socketAddress as InetSocketAddress
    }

    fun receiveText(): Pair<String, InetSocketAddress> = receive().let { (bytes, from) -> String(bytes) to from }

    override fun close() = socket.close()
}

/**
 * Stands between clients and a server, like a NAT, and loses the first datagrams of each direction. The server sees
 * [outside].
 */
internal class Proxy(
    private val server: InetSocketAddress,
    near: InetSocketAddress = at(0),
    far: InetSocketAddress = at(0),
    requests: Int = 0,
    answers: Int = 0,
) : AutoCloseable {
    private val inner = DatagramSocket(near)
    private val outer = DatagramSocket(far)
    val address get() = inner.localSocketAddress as InetSocketAddress
    val outside get() = outer.localSocketAddress as InetSocketAddress

    @Volatile
    var lost = 0
        private set

    @Volatile
    private var client: InetSocketAddress? = null

    init {
        pump(inner, requests) { from -> client = from; outer to server }
        pump(outer, answers) { client?.let { inner to it } }
    }

    private fun pump(
        socket: DatagramSocket,
        lose: Int,
        onwards: (InetSocketAddress) -> Pair<DatagramSocket, InetSocketAddress>?,
    ) = thread(isDaemon = true) {
        var left = lose
        val packet = DatagramPacket(ByteArray(65536), 65536)
        while (true) {
            packet.length = 65536
            runCatching { socket.receive(packet) }.onFailure { return@thread }
            val (through, to) = onwards(packet.socketAddress as InetSocketAddress) ?: continue
            if (left-- > 0) lost++ else runCatching { through.send(DatagramPacket(packet.data, packet.length, to)) }
        }
    }

    override fun close() {
        inner.close()
        outer.close()
    }
}

/**
 * A coturn on loopback with those lines of configuration. It is no test without one: tests/tools/deps.sh installs it.
 */
internal class Coturn(vararg lines: String) : AutoCloseable {
    private val directory: Path = Files.createTempDirectory("libstun-coturn")
    private val port = freePort()
    private val process: Process
    val address = at(port)

    init {
        process = start(lines)
        Runtime.getRuntime().addShutdownHook(Thread(process::destroy)) // for tests that are ended halfway
        untilItAnswers()
    }

    private fun start(lines: Array<out String>): Process {
        val first = 20_000 + (ProcessHandle.current().pid() * 64 + port).mod(10_000)
        val configuration = listOf(
            "listening-ip=127.0.0.1", "relay-ip=127.0.0.1", "listening-port=$port",
            "min-port=$first", "max-port=${first + 199}",
            "no-tls", "no-dtls", "no-cli", "fingerprint", "log-file=stdout",
            "userdb=$directory/turndb", "pidfile=$directory/turnserver.pid", *lines,
        )
        val file = directory.resolve("turnserver.conf")
        Files.write(file, configuration)
        return ProcessBuilder("turnserver", "-c", file.toString())
            .directory(directory.toFile())
            .redirectErrorStream(true)
            .redirectOutput(directory.resolve("turnserver.log").toFile())
            .start()
    }

    private fun untilItAnswers(): Unit = DatagramSocket(at(0)).use { socket ->
        socket.soTimeout = 200
        val request = bytesOf("000100002112a442000102030405060708090a0b")
        val end = System.nanoTime() + SAFETY.inWholeNanoseconds
        while (System.nanoTime() < end) {
            check(process.isAlive) { "turnserver has ended: " + Files.readString(directory.resolve("turnserver.log")) }
            try {
                socket.send(DatagramPacket(request, request.size, address))
                socket.receive(DatagramPacket(ByteArray(2048), 2048))
                return
            } catch (_: SocketTimeoutException) {
                continue
            }
        }
        error("turnserver does not answer")
    }

    override fun close() {
        process.destroy()
        if (!process.waitFor(10, TimeUnit.SECONDS)) process.destroyForcibly().waitFor()
        directory.toFile().deleteRecursively()
    }

    companion object {
        /** Credentials, with nonces that live half a minute. */
        val LONG_TERM = arrayOf("lt-cred-mech", "user=alice:s3cret", "realm=example.test", "stale-nonce=30")

        /** A port of loopback that nobody has now, for UDP and TCP. */
        fun freePort(): Int {
            while (true) {
                DatagramSocket(at(0)).use { datagrams ->
                    runCatching { ServerSocket(datagrams.localPort, 1, ip("127.0.0.1")).close() }
                        .onSuccess { return datagrams.localPort }
                }
            }
        }
    }
}

internal fun bytesOf(hex: String) = hex.chunked(2).map { it.toInt(16).toByte() }.toByteArray()

/** A port of loopback where nobody answers. */
internal inline fun <T> withSilence(block: (InetSocketAddress) -> T): T = Peer().use { block(it.address) }

/** Calls a function that suspends from where none can be, such as `assertThrows`. */
internal fun <T> await(block: suspend () -> T): T = runBlocking { withTimeout(SAFETY) { block() } }

/** Waits for something that no event tells. */
internal suspend fun until(condition: () -> Boolean) {
    while (!condition()) delay(2)
}

/** A server that sends whoever asks to another one (RFC 8489 s10). */
internal class Redirector(private val other: InetSocketAddress) : AutoCloseable {
    private val peer = Peer()
    val address get() = peer.address

    init {
        thread(isDaemon = true) {
            while (true) {
                val (request, from) = runCatching { peer.receive() }.getOrElse { return@thread }
                runCatching { peer.send(answer(request), from) }
            }
        }
    }

    private fun answer(request: ByteArray): ByteArray {
        val attributes = bytesOf("000900040000" + "0300") +
            bytesOf("80230008" + "0001" + "%04x".format(other.port)) + other.address.address
        return bytesOf("0111" + "%04x".format(attributes.size)) + request.copyOfRange(4, 20) + attributes
    }

    override fun close() = peer.close()
}
