package dev.libstun.support

import com.sun.jna.Native
import com.sun.jna.Pointer
import dev.libstun.Agent
import dev.libstun.BindingConfig
import dev.libstun.LongTerm
import dev.libstun.Mapped
import dev.libstun.Message
import dev.libstun.ServerConfig
import dev.libstun.StunException
import java.io.File
import java.net.InetAddress
import java.net.InetSocketAddress
import java.nio.ByteBuffer
import kotlin.system.exitProcess

/**
 * Does something many times in a process of its own, and prints by how many bytes that has grown: what is resident, and
 * what is used of the heap. The heap has one size and is touched at the start, so it is no part of what grows.
 *
 * The arguments: the name of the work, how often to do it before it is warm, and how often after.
 */
internal object MemoryProbe {
    @JvmStatic
    fun main(arguments: Array<String>) {
        val work = checkNotNull(WORKS[arguments[0]]) { "no such work: ${arguments[0]}" }()
        val (warm, count) = arguments[1].toLong() to arguments[2].toLong()
        var done = 0L
        while (done < warm) work(done++)
        val before = measured()
        while (done < warm + count) work(done++)
        val after = measured()
        println("resident ${after.first - before.first} heap ${after.second - before.second}")
        exitProcess(0) // without waiting for the threads that free
    }

    /** By how much a process grows, run for `count` times after `warm` times, in which compilers and arenas settle. */
    fun growth(work: String, count: Int, warm: Int): Growth {
        require(work in WORKS)
        val java = File(System.getProperty("java.home"), "bin/java").path
        val path = listOf("-cp", System.getProperty("java.class.path"))
        val command = listOf(java) + FLAGS + path + listOf(javaClass.name, work, "$warm", "$count")
        val builder = ProcessBuilder(command).redirectErrorStream(true)
        builder.environment()["MALLOC_ARENA_MAX"] = "1" // one that settles
        val process = builder.start()
        val said = process.inputStream.bufferedReader().readText()
        check(process.waitFor() == 0) { "the probe has failed: $said" }
        val words = said.trim().lines().last().split(" ")
        return Growth(words[1].toLong(), words[3].toLong())
    }

    /** In bytes. */
    data class Growth(val resident: Long, val heap: Long)

    /** One compiler and one collector that begin no threads later on, whose stacks would count. */
    private val FLAGS = listOf(
        "-Xms96m", "-Xmx96m", "-XX:+AlwaysPreTouch", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
        "-XX:-UsePerfData", "-XX:ReservedCodeCacheSize=32m", "-Xshare:auto",
    )

    /**
     * Bytes that are resident, and bytes of the heap that are used, once nothing more is freed. What is not reachable
     * is freed by a thread of its own, which needs a while after each collection.
     */
    private fun measured(): Pair<Long, Long> {
        var least = Long.MAX_VALUE to Long.MAX_VALUE
        var quiet = 0
        while (quiet < 5) {
            System.gc()
            Thread.sleep(50)
            val runtime = Runtime.getRuntime()
            val used = runtime.totalMemory() - runtime.freeMemory()
            quiet = if (used < least.second - SETTLED) 0 else quiet + 1
            val resident = File("/proc/self/statm").readText().split(" ")[1].toLong() * PAGE
            least = minOf(least.first, resident) to minOf(least.second, used)
        }
        return least
    }

    private const val SETTLED = 1 shl 16
    private const val PAGE = 4096
    private val kept = mutableListOf<ByteArray>()
    private val keptAgents = mutableListOf<Agent>()

    /** Each makes what it needs, and gives what is done again and again, with a number that goes up. */
    private val WORKS: Map<String, () -> (Long) -> Unit> = mapOf(
        "agents" to { agents { it.close() } },
        "dropped-agents" to { agents { } },
        "kept-agents" to { agents { keptAgents += it } },
        "exchanges" to ::exchanges,
        "others" to ::others,
        "leak-native" to { { number -> Pointer(Native.malloc(100)).setLong(0, number) } },
        "leak-heap" to { { _ -> kept += ByteArray(84) } }, // with its header 100 bytes
    )

    private fun agents(end: (Agent) -> Unit): (Long) -> Unit {
        val config = BindingConfig(SERVER, refresh = null, credentials = LongTerm("alice", "s3cret"))
        return { number ->
            val agent = seeded()
            if (number % 10 == 0L) {
                agent.startBinding(config, 0)
                agent.drain().only()
            }
            end(agent)
        }
    }

    private fun exchanges(): (Long) -> Unit {
        val agent = seeded()
        agent.startServer(ServerConfig(budget = false), 0)
        val direct = ByteBuffer.allocateDirect(1_200)
        val other = ByteArray(1_200) { 0x80.toByte() }
        return { number ->
            val request = request(number)
            direct.clear().put(request).flip()
            when (number % 3) {
                0L -> agent.exchange(direct, MAPPED, number, SERVER).only()
                1L -> agent.exchange(request, MAPPED, number, SERVER).only()
                else -> check(agent.exchange(other, MAPPED, number, SERVER).transmits.isEmpty())
            }
        }
    }

    private fun bindings(): (Long) -> Unit {
        val agent = seeded()
        val config = BindingConfig(SERVER, local = CLIENT, refresh = null)
        return {
            agent.startBinding(config, 0)
            check(agent.exchange(mapped(agent.drain().only().bytes), SERVER, 0, CLIENT).onlyEvent().event is Mapped)
        }
    }

    private fun others(): (Long) -> Unit {
        val all = listOf(bindings(), strangers(), refusals(), messages())
        return { number -> all.forEach { it(number) } }
    }

    /** Every request comes from another network. */
    private fun strangers(): (Long) -> Unit {
        val agent = seeded()
        agent.startServer(ServerConfig(realm = "x"), 0)
        return { number ->
            val ip = number((11 + number % 89).toInt() shl 24 or (number.toInt() and 0xFFFFFF))
            agent.exchange(request(number), InetSocketAddress(InetAddress.getByAddress(ip), 1_000), number, SERVER)
        }
    }

    private fun refusals(): (Long) -> Unit {
        val agent = seeded()
        return { number ->
            val isRefused = try {
                when (number % 3) {
                    0L -> agent.cancel(7, number)
                    1L -> agent.permit(7, PEER.address, number)
                    else -> agent.tick(-1)
                }
                false
            } catch (_: StunException) {
                true
            }
            check(isRefused)
        }
    }

    private fun messages(): (Long) -> Unit = { number ->
        val request = request(number)
        check(Message.decode(mapped(request)).mappedAddress == MAPPED)
        val isRefused = try {
            Message.decode(request.copyOf(19))
            false
        } catch (_: StunException) {
            true
        }
        check(isRefused)
    }
}
