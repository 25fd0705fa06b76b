package dev.libstun.agent

import dev.libstun.Agent
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File
import java.lang.reflect.Modifier

/** The generated layer shows nowhere. */
class HiddenTest {
    @Test
    fun `no public class has the generated layer in a signature`() {
        val folder = File(Agent::class.java.protectionDomain.codeSource.location.toURI()).resolve("dev/libstun")
        val names = folder.listFiles { file -> file.extension == "class" }!!.map { "dev.libstun." + it.nameWithoutExtension }
        // Files of functions hold internal ones only, which Kotlin does not show.
        val classes = names.map { Class.forName(it, false, javaClass.classLoader) }
            .filter { Modifier.isPublic(it.modifiers) && !it.simpleName.endsWith("Kt") }
        assertTrue(classes.size > 60, "${classes.size}")
        val shown = classes.flatMap { type ->
            val members = type.methods.filterNot { it.isSynthetic } + type.constructors.filterNot { it.isSynthetic }
            // A name with a $ is mangled, because it is internal.
            (members.map { it.toGenericString() } + type.fields.map { it.toGenericString() })
                .filter { "libstun.raw" in it && "\$libstun" !in it }
        }
        assertEquals(emptyList<String>(), shown)
    }
}
