package dev.libstun.support

import dev.libstun.AddressChanged
import dev.libstun.Agent
import dev.libstun.Answer
import dev.libstun.AuthenticationFailure
import dev.libstun.Backoff
import dev.libstun.BindingConfig
import dev.libstun.Credentials
import dev.libstun.DropReason
import dev.libstun.Event
import dev.libstun.Failed
import dev.libstun.Failure
import dev.libstun.FailureReason
import dev.libstun.Integrity
import dev.libstun.LongTerm
import dev.libstun.Mapped
import dev.libstun.NoAnswer
import dev.libstun.ObservedMapping
import dev.libstun.Outcome
import dev.libstun.Output
import dev.libstun.Refreshed
import dev.libstun.Retransmission
import dev.libstun.Retrying
import dev.libstun.SendError
import dev.libstun.ServerConfig
import dev.libstun.ShortTerm
import dev.libstun.StunException
import dev.libstun.SurveyConfig
import dev.libstun.SurveyTarget
import dev.libstun.Surveyed
import dev.libstun.Transport
import dev.libstun.WakeReason
import java.net.InetSocketAddress
import kotlin.time.Duration
import kotlin.time.Duration.Companion.nanoseconds

/**
 * Makes the calls of a trace, and writes the trace that comes of it. The format is in tests/vectors/traces/README.md.
 */
internal class Replay(private val lines: List<String>) {
    private var words: Iterator<String> = emptyList<String>().iterator()
    private lateinit var agent: Agent
    private var now = 0L
    private val done = mutableListOf(lines.first())

    private class Path(val transport: Transport, val local: InetSocketAddress?, val remote: InetSocketAddress)

    /** The lines, those of the calls among them. */
    fun run(): List<String> {
        check(lines.first() == "libstun-trace 1")
        for (line in lines.drop(1).filter { it.startsWith("> ") }) {
            done += line
            words = line.drop(2).split(" ").iterator()
            val name = words.next()
            now = words.next().toLong()
            call(name)
            check(!words.hasNext()) { "a word too many: $line" }
        }
        agent.close()
        return done
    }

    private fun call(name: String) {
        when (name) {
            "agent" -> agent = Agent(now, bytes())
            "binding" -> command { agent.startBinding(binding(), now).toString() }
            "server" -> command { agent.startServer(server(), now).toString() }
            "survey" -> command { agent.startSurvey(survey(), now).toString() }
            "cancel" -> command { agent.cancel(number().toLong(), now).let { "" } }
            "input" -> input()
            "timeout" -> told("ok", agent.tick(now))
            "error" -> error()
            else -> error("the format has no call $name")
        }
    }

    private fun command(run: () -> String) {
        val answer = try {
            "ok ${run()}".trim()
        } catch (_: StunException) {
            "refused"
        }
        told(answer, agent.drain())
    }

    private fun input() {
        val path = path()
        val socketId = number()
        val before = DropReason.entries.map(agent::dropped)
        val output = agent.exchange(bytes(), path.remote, now, path.local, path.transport, socketId)
        val counted = DropReason.entries.map(agent::dropped).zip(before) { is_, was -> is_ - was }
        check(counted.sum() <= 1)
        val reason = counted.indexOf(1L) + 1
        told(if (output.outcome == Outcome.IGNORED) "ignored" else "consumed $reason", output)
    }

    private fun error() {
        val kind = SendError.entries[number() - 1]
        val path = path()
        val isKnown = agent.sendFailed(bytes(), path.remote, kind, now, path.local, path.transport)
        told(if (isKnown) "ok" else "ignored", agent.drain())
    }

    private fun told(answer: String, output: Output) {
        done += "< $answer"
        for (transmit in output.transmits) {
            val path = "${transmit.transport.name.lowercase()} ${show(transmit.local)} ${show(transmit.remote)}"
            done += "< transmit $path ${transmit.socketId} ${hex(transmit.bytes).ifEmpty { "-" }}"
        }
        for (event in output.events) done += "< event ${event.id} ${show(event.event)}"
        done += "< until ${never(output.deadline)} ${show(output.wakeReason)}"
    }

    private fun binding(): BindingConfig {
        val path = path()
        val socketId = number()
        val refresh = duration()
        val flags = number()
        val retransmission = Retransmission(duration()!!, number(), number(), duration()!!)
        return BindingConfig(
            path.remote,
            path.local,
            path.transport,
            socketId,
            refresh,
            fingerprint = flags and 1 == 0,
            acceptsMappedAddress = flags and 2 != 0,
            retransmission = retransmission,
            backoff = Backoff(duration()!!, duration()!!),
            credentials = credentials(),
        )
    }

    private fun server() = ServerConfig(local = address(), credentials = credentials() as ShortTerm?)

    private fun survey(): SurveyConfig {
        val enough = number().takeIf { it > 0 }
        val deadline = duration()
        val delay = duration()!!
        val targets = List(number()) { path().let { SurveyTarget(it.remote, it.local, it.transport, number()) } }
        return SurveyConfig(targets, enough, deadline, delay)
    }

    private fun number() = words.next().toInt()

    private fun duration(): Duration? = words.next().takeIf { it != "never" }?.toLong()?.nanoseconds

    private fun bytes(): ByteArray = words.next().let { if (it == "-") ByteArray(0) else bytes(it) }

    private fun address(): InetSocketAddress? = words.next().takeIf { it != "any" }?.let { address(it) }

    private fun path() = Path(Transport.valueOf(words.next().uppercase()), address(), address()!!)

    private fun credentials(): Credentials? {
        val username = String(bytes())
        val password = String(bytes())
        val kind = number()
        return when {
            username.isEmpty() -> null
            kind == 3 -> LongTerm(username, password)
            else -> ShortTerm(username, password, listOf(null, Integrity.SHA1, Integrity.SHA256)[kind])
        }
    }
}

private fun show(address: InetSocketAddress?): String = when {
    address == null || address.address.isAnyLocalAddress && address.port == 0 -> "any"
    else -> address.address.hostAddress.let { if (':' in it) "[$it]" else it } + ":${address.port}"
}

private fun show(reason: WakeReason?) = reason?.name?.lowercase()?.replace('_', '-') ?: "none"

private fun show(event: Event): String = when (event) {
    is Mapped -> "mapped ${show(event.address)} - ${never(event.rttNanos)} - - - -"
    is Refreshed -> "refreshed ${show(event.address)} - ${never(event.rttNanos)} - - - -"
    is AddressChanged -> "changed ${show(event.address)} ${show(event.previous)} ${never(event.rttNanos)} - - - -"
    is Retrying -> "retrying - - - ${event.at} ${show(event.failure)}"
    is Failed -> "failed - - - - ${show(event.failure)}"
    is Answer -> "answer ${show(event.address)} ${show(event.server)} ${never(event.rttNanos)} ${event.target} - - -"
    is NoAnswer -> "no-answer - ${show(event.server)} - ${event.target} ${show(event.failure)}"
    is Surveyed -> "surveyed - - - ${event.unanswered} ${show(event.mapping)} ${event.failed} ${event.answered}"
    else -> error("the format has no word for $event")
}

private fun show(mapping: ObservedMapping) = when (mapping) {
    ObservedMapping.UNKNOWN -> "unknown"
    ObservedMapping.SAME_EVERYWHERE -> "same"
    ObservedMapping.DEPENDS_ON_ADDRESS -> "address"
    ObservedMapping.DEPENDS_ON_PORT -> "port"
}

private fun show(failure: Failure): String = when (failure.reason) {
    FailureReason.SEND_FAILED -> "send ${(failure.detail as SendError).ordinal + 1} 0"
    FailureReason.AUTHENTICATION -> "authentication ${(failure.detail as AuthenticationFailure).ordinal} 0"
    else -> {
        val reason = failure.reason.name.lowercase().replace('_', '-')
        "$reason ${failure.code ?: 0} ${failure.count ?: 0}"
    }
}

private fun never(time: Long?) = time?.toString() ?: "never"
