package dev.libstun

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import java.io.File
import java.lang.reflect.Executable
import java.lang.reflect.Field
import java.lang.reflect.Member
import java.lang.reflect.Modifier
import java.lang.reflect.Type

/** What programs see of this package, in Java as well, and that its numbers are those of the library. */
@Timeout(60)
class SignaturesTest {
    private val classes: List<Class<*>> = run {
        val folder = File(Agent::class.java.protectionDomain.codeSource.location.toURI()).resolve("dev/libstun")
        folder.listFiles { file -> file.extension == "class" }!!
            .map { Class.forName("dev.libstun.${it.nameWithoutExtension}") }
            .filter { Modifier.isPublic(it.modifiers) && !it.isSynthetic }
    }

    /** Those that Java can name. What is internal has a name that Kotlin has made up, or is synthetic. */
    private fun members(of: Class<*>): List<Member> =
        (of.declaredMethods.toList() + of.declaredConstructors + of.declaredFields).filter {
            val isSeen = Modifier.isPublic(it.modifiers) || Modifier.isProtected(it.modifiers)
            isSeen && !it.isSynthetic && '$' !in it.name
        }

    private fun types(member: Member): List<Type> = when (member) {
        is Executable -> member.genericParameterTypes.toList() + member.genericExceptionTypes +
            listOfNotNull((member as? java.lang.reflect.Method)?.genericReturnType)
        is Field -> listOf(member.genericType)
        else -> emptyList()
    }

    @Test
    fun `nothing of the generated layer shows in a public signature`() {
        assertTrue(classes.size > 50, "${classes.size}")
        val shown = classes.flatMap { of -> members(of).map { of to it } }
            .filter { (_, member) -> types(member).any { "dev.libstun.raw" in it.typeName } }
        assertEquals(emptyList<Any>(), shown)
        val above = classes.filter { "dev.libstun.raw" in "${it.genericSuperclass} ${it.genericInterfaces.toList()}" }
        assertEquals(emptyList<Any>(), above)
    }

    @Test
    fun `files of functions show Java nothing`() {
        val files = classes.filter { it.simpleName.endsWith("Kt") && !it.simpleName.startsWith("Driver") }
        assertTrue(files.size > 8, "$files")
        val shown = files.flatMap { members(it) }
        assertEquals(emptyList<Any>(), shown)
    }

    @Test
    fun `Java can name every function of the agent that is not there for it under another name`() {
        val mangled = Agent::class.java.declaredMethods.filter { '-' in it.name && Modifier.isPublic(it.modifiers) }
        val names = Agent::class.java.declaredMethods.map { it.name }.toSet()
        assertEquals(setOf("setRefresh", "setPacing"), mangled.map { it.name.substringBefore('-') }.toSet())
        for (method in mangled) assertTrue(method.name.substringBefore('-') + "Nanos" in names, method.name)
    }

    @Test
    fun `Java can read every duration`() {
        val hidden = classes.flatMap { members(it) }
            .filter { it.name.startsWith("get") && '-' in it.name }
            .map { it.declaringClass to it.name.substringBefore('-') }
            .filter { (_, name) -> name != "getATTEMPT_DELAY" } // SurveyConfig.attemptDelay()
        assertTrue(hidden.size > 25, "$hidden")
        val unread = hidden.filter { (of, name) -> of.declaredMethods.none { it.name == name + "Nanos" } }
        assertEquals(emptyList<Any>(), unread)
    }

    @Test
    fun `Java can make every configuration with a duration`() {
        val configs = listOf(
            BindingConfig::class, SurveyConfig::class, ServerConfig::class, NatConfig::class, AllocationConfig::class,
        )
        for (config in configs.map { it.java }) {
            val hidden = config.declaredMethods.filter { it.name.startsWith("get") && '-' in it.name }
            assertTrue(hidden.isNotEmpty(), "$config")
            val withs = config.declaredMethods.filter { it.name.startsWith("with") && '-' !in it.name }
            val taken = withs.sumOf { with -> with.parameterTypes.count { it == java.time.Duration::class.java } }
            assertEquals(hidden.size, taken, "$config")
        }
    }

    @Test
    fun `the numbers are those of the library's header`() {
        val header = header()
        val enums = mapOf(
            "stun_transport_code" to Transport.entries.size,
            "stun_send_error_code" to SendError.entries.size,
            "stun_drop_code" to DropReason.entries.size + 1,
            "stun_wake_code" to WakeReason.entries.size, // NONE there, OTHER here
            "stun_redirect_code" to RedirectPolicy.entries.size,
            "stun_mapping_code" to ObservedMapping.entries.size,
            "stun_nat_property" to NatProperty.entries.size,
            "stun_nat_value" to NatValue.entries.size + 1,
            "stun_nat_confidence" to NatConfidence.entries.size + 1,
            "stun_nat_reason" to NatReason.entries.size + 1,
            "stun_auth_failure_code" to AuthenticationFailure.entries.size,
            "stun_redirect_refusal_code" to RedirectRefusal.entries.size,
            "stun_credentials_need_code" to CredentialsNeed.entries.size,
            "stun_peer_policy_code" to PeerPolicy.entries.size,
            "stun_relay_family" to RelayFamily.entries.size,
            "stun_relay_port" to RelayPort.entries.size + 1,
            "stun_keepalive_kind" to KeepaliveKind.entries.size,
            "stun_protocol_code" to Protocol.entries.size,
            "stun_wire_class" to MessageClass.entries.size,
            "stun_check_code" to Check.entries.size,
        )
        for ((name, size) in enums) assertEquals(size, header.getValue(name).size, name)
        for ((name, values) in header.filterKeys { it in enums }) {
            val ordered = values.values.filter { it != 255 }
            assertEquals(List(ordered.size) { ordered.first() + it }, ordered, "$name has a gap")
        }
    }

    @Test
    fun `the words are those of the library's header`() {
        val header = header()
        val reasons = header.getValue("stun_failure_code").values - setOf(0, 12, 13, 14) // not a failure; discoveries'
        assertEquals(reasons.sorted(), FailureReason.entries.map { it.number }.sorted())
        val words = listOf(
            "stun_transport_code" to Transport.entries.map { "STUN_$it" },
            "stun_drop_code" to listOf("STUN_DROP_ANY") + DropReason.entries.map { "STUN_DROP_$it" },
            "stun_wake_code" to listOf("STUN_WAKE_NONE") + WakeReason.entries.dropLast(1).map { "STUN_WAKE_$it" },
            "stun_nat_property" to NatProperty.entries.map { "STUN_NAT_$it" },
            "stun_nat_value" to listOf("STUN_NAT_UNKNOWN") + NatValue.entries.map { "STUN_NAT_$it" },
            "stun_auth_failure_code" to AuthenticationFailure.entries.map { "STUN_AUTH_$it" },
            "stun_redirect_refusal_code" to RedirectRefusal.entries.map { "STUN_REFUSED_$it" },
            "stun_protocol_code" to Protocol.entries.map { "STUN_PROTOCOL_$it" },
            "stun_wire_class" to MessageClass.entries.map { "STUN_WIRE_$it" },
        )
        for ((name, expected) in words) assertEquals(expected, header.getValue(name).keys.toList(), name)
        val codes = header.getValue("stun_status_code").filterKeys { it.removePrefix("STUN_E_") in ERRORS }
        val known = ERRORS.mapValues { (_, code) -> code.number }
        assertEquals(codes.mapKeys { it.key.removePrefix("STUN_E_") }, known)
    }

    /** The enums of include/stun.h: the names and numbers of each, in their order. */
    private fun header(): Map<String, Map<String, Int>> {
        val text = generateSequence(File("").absoluteFile) { it.parentFile }
            .map { it.resolve("include/stun.h") }.first { it.exists() }.readText()
        val enums = Regex("""typedef enum (\w+) \{(.*?)\n\} """, RegexOption.DOT_MATCHES_ALL)
        return enums.findAll(text).associate { found ->
            val (name, body) = found.destructured
            name to Regex("""^ +(STUN_\w+) = (-?\d+),""", RegexOption.MULTILINE).findAll(body)
                .associate { it.groupValues[1] to it.groupValues[2].toInt() }
        }
    }

    private companion object {
        val ERRORS = mapOf(
            "INVALID" to StunErrorCode.INVALID,
            "STATE" to StunErrorCode.STATE,
            "BUFFER" to StunErrorCode.BUFFER,
            "NOT_FOUND" to StunErrorCode.NOT_FOUND,
            "LIMIT" to StunErrorCode.LIMIT,
            "ENTROPY" to StunErrorCode.ENTROPY,
            "PANIC" to StunErrorCode.INTERNAL,
            "POISONED" to StunErrorCode.POISONED,
        )
    }
}
