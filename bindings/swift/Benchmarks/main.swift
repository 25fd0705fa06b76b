// Microseconds for one datagram: through one crossing, and through the loop of five calls that C and Python have. Both
// are measured in turn in one run, so that the machine's other work falls on both. The loop's buffers are not even
// decoded, and ``Agent/exchange(_:from:now:local:transport:socketID:ecn:)`` does that.

import Foundation
import Stun
import StunRaw

let rounds = 20_000
let repetitions = 15

let server = SocketAddress("192.0.2.1:3478")!
let client = SocketAddress("198.51.100.7:40000")!
// The same as the library takes them.
let serverWords = Endpoint(tag: 4 | 3478 << 16, low: 0x0102_00c0, high: 0)
let clientWords = Endpoint(tag: 4 | 40_000 << 16, low: 0x0764_33c6, high: 0)

/// A way to hand a datagram in.
struct Way {
    let name: String
    let call: (_ datagram: [UInt8], _ now: UInt64) throws -> Int
}

func options() -> ServerOptions {
    let limits = defaults()
    return ServerOptions(
        local: serverWords, credentials: nil, realm: "", users: [], nonceLifetime: .max, passwordAlgorithms: true,
        usernameAnonymity: true, answersRfc3489: false, budget: false,
        amplificationPercent: limits.amplificationPercent, errorBytesPerSecond: limits.errorBytesPerSecond,
        errorBurst: limits.errorBurst, behaviorSingle: false, alternate: Endpoint(tag: 0, low: 0, high: 0),
        publicHosts: [], socketIds: [])
}

/// A server within no budget, so that each request is answered.
func serving() throws -> RawAgent {
    let agent = try RawAgent(now: 0, seed: Data(repeating: 7, count: 32), maxOperations: 0)
    _ = try agent.startServer(options: options(), now: 0)
    return agent
}

func oneCrossing() throws -> Way {
    let agent = try Agent(now: Timestamp(nanoseconds: 0), seed: [UInt8](repeating: 7, count: 32))
    var config = ServerConfig(local: server)
    config.budget = nil
    _ = try agent.startServer(config, now: Timestamp(nanoseconds: 0))
    return Way(name: "Agent.exchange") { datagram, now in
        try agent.exchange(datagram, from: client, now: Timestamp(nanoseconds: now), local: server).transmits.count
    }
}

func oneRawCrossing() throws -> Way {
    let agent = try serving()
    return Way(name: "generated exchange") { datagram, now in
        let output = try agent.exchange(
            datagram: Data(datagram), localTag: serverWords.tag, localLow: serverWords.low, localHigh: 0,
            remoteTag: clientWords.tag, remoteLow: clientWords.low, remoteHigh: 0, meta: 0, now: now)
        return Int(output[output.startIndex + 12])
    }
}

func fiveCrossings() throws -> Way {
    let agent = try serving()
    return Way(name: "generated five calls") { datagram, now in
        _ = try agent.handleInput(
            datagram: Data(datagram), localTag: serverWords.tag, localLow: serverWords.low, localHigh: 0,
            remoteTag: clientWords.tag, remoteLow: clientWords.low, remoteHigh: 0, meta: 0, now: now)
        var sent = 0
        while try !agent.pollTransmit().isEmpty { sent += 1 }
        while try !agent.pollEvent().isEmpty {}
        if try agent.pollTimeout() <= now { try agent.handleTimeout(now: now) }
        return sent
    }
}

/// The median microseconds of a call, each way in turn.
func measure(_ ways: [Way], _ datagram: [UInt8], answers: Int) throws -> [Double] {
    var times = [[Double]](repeating: [], count: ways.count)
    for repetition in 0...repetitions {
        for (place, way) in ways.enumerated() {
            let start = ContinuousClock.now
            var sent = 0
            for round in 0..<rounds { sent += try way.call(datagram, UInt64(round)) }
            let took = start.duration(to: .now) / rounds
            precondition(sent == answers * rounds, "\(way.name) has sent \(sent)")
            // The first is to warm up.
            if repetition > 0 { times[place].append(Double(took.components.attoseconds) / 1e12) }
        }
    }
    return times.map { $0.sorted()[repetitions / 2] }
}

let ways = try [oneCrossing(), oneRawCrossing(), fiveCrossings()]
let request = try Message(.request, method: 1, transactionID: [UInt8](1...12)).encoded(fingerprint: true)
let media = [0x80] + [UInt8](repeating: 1, count: 171)
for (name, datagram, answers) in [("a request that is answered", request, 1), ("another protocol's", media, 0)] {
    let times = try measure(ways, datagram, answers: answers)
    for (way, time) in zip(ways, times) {
        let factor = times[2] / time
        print("\(name): \(way.name): \(String(format: "%.2f us, %.1f times as fast as five", time, factor))")
    }
}
