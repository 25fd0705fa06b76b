import dev.libstun.Driver

suspend fun main(arguments: Array<String>) {
    Driver.open().use { println(it.mappedAddress(arguments[0])) }
}
