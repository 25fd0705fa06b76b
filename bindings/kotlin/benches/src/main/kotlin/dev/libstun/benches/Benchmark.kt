package dev.libstun.benches

import java.util.Locale

/**
 * What one crossing for a datagram costs, and what the loop of five calls does that C and Python have.
 *
 * All ways of doing a work take turns in one run, so that a noisy machine is as noisy for each. A figure is the median
 * of many turns, in microseconds; where it matters look at the ratios.
 */
fun main() {
    val works = listOf(OtherProtocol(), Refresh(), Request())
    val ways = works.map { it.ways.keys.toList() }.distinct().single()
    println("microseconds".padEnd(TITLE) + ways.joinToString("") { it.padStart(COLUMN) })
    for (work in works) {
        val figures = measure(work)
        val cells = figures.map { "%.2f".format(Locale.ROOT, it) }
        val ratios = figures.map { "x %.2f".format(Locale.ROOT, it / figures.first()) }
        println(work.title.padEnd(TITLE) + cells.joinToString("") { it.padStart(COLUMN) })
        println("".padEnd(TITLE) + ratios.joinToString("") { it.padStart(COLUMN) })
        work.close()
    }
}

/** Microseconds of each way. */
private fun measure(work: Work): List<Double> {
    val ways = work.ways.values.toList()
    repeat(WARM) { for (way in ways) repeat(ROUNDS) { way() } }
    val turns = List(TURNS) { ways.map { way -> nanoseconds { repeat(ROUNDS) { way() } } / ROUNDS / 1e3 } }
    return ways.indices.map { place -> turns.map { it[place] }.sorted()[TURNS / 2] }
}

private inline fun nanoseconds(work: () -> Unit): Double {
    val start = System.nanoTime()
    work()
    return (System.nanoTime() - start).toDouble()
}

private const val TITLE = 36
private const val COLUMN = 18
private const val WARM = 20
private const val ROUNDS = 300
private const val TURNS = 31
