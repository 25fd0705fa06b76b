import Foundation
import Stun
import XCTest

/// Hostile input, memory and threads.
final class EnduranceTests: XCTestCase {
    func testAStormOfHostileDatagramsHarmsNothing() throws {
        let agent = try makeAgent()
        var random = Dice(1)
        let id = try agent.startBinding(BindingConfig(server: server, local: local), now: at(0))
        var serving = ServerConfig(local: server)
        serving.realm = ServerConfig.Realm("example.org", users: ["alice": "s3cret"])
        _ = try agent.startServer(serving, now: at(0))
        let request = try XCTUnwrap(try agent.drain().transmits.first).bytes
        let samples = [
            request, try answer(request), try refusal(request, code: 401),
            try Message(.request, method: 1).encoded(
                key: .shortTerm(password: "x"), integrity: [.sha1, .sha256], fingerprint: true),
        ]
        var counts: [Outcome: Int] = [:]
        for number in 0..<100_000 {
            var bytes = number % 4 == 0
                ? random.bytes(Int.random(in: 0..<80, using: &random)) : samples.randomElement(using: &random)!
            for _ in 0..<Int.random(in: 1...3, using: &random) where !bytes.isEmpty && number % 4 != 0 {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            // Sources are never the server's that was asked, so that nothing may be believed.
            let from = SocketAddress(IPAddress(bytes: [203, 0, 113, UInt8(number & 255)])!, port: 1)
            let to = number % 2 == 0 ? local : server
            let output = try agent.exchange(bytes, from: from, now: at(UInt64(number / 1_000)), local: to)
            XCTAssertEqual(output.peerData, [])
            counts[output.outcome, default: 0] += 1
        }
        XCTAssertGreaterThan(counts[.ignored] ?? 0, 10_000)
        XCTAssertGreaterThan(counts[.consumed] ?? 0, 10_000)
        XCTAssertTrue(try agent.contains(id))
        XCTAssertGreaterThan(try agent.dropped(), 0)
        let output = try agent.exchange(try answer(request), from: server, now: at(101), local: local)
        XCTAssertEqual(output.events.map(\.id), [id])
    }

    func testAHundredThousandAgentsAreMadeAndFreed() throws {
        let grown = try growth { count in
            for number in 0..<count {
                let agent = try makeAgent()
                if number % 50 == 0 {
                    let credentials = Credentials.longTerm(username: "alice", password: "s3cret")
                    _ = try agent.startBinding(
                        BindingConfig(server: server, credentials: credentials), now: at(0))
                    XCTAssertEqual(try agent.drain().transmits.count, 1)
                }
                if number % 2 == 0 { agent.close() }
            }
        }
        XCTAssertLessThan(grown, limit)
    }

    func testAHundredThousandRequestsAnswersAndEventsLeaveNothing() throws {
        let agent = try makeAgent()
        let config = BindingConfig(server: server, refresh: nil)
        let grown = try growth { count in
            for _ in 0..<count {
                let id = try agent.startBinding(config, now: at(0))
                let output = try agent.exchange(
                    try answer(try agent.drain().transmits[0].bytes), from: server, now: at(0))
                XCTAssertEqual(output.events.map(\.id), [id])
                assertRefused(.notFound) { try agent.cancel(id, now: at(0)) }
            }
        }
        XCTAssertLessThan(grown, limit)
        XCTAssertEqual(try agent.operationCount, 0)
    }

    func testALeakOfAHundredBytesEachWouldBeSeen() throws {
        var leaked: [UnsafeMutableRawPointer] = []
        leaked.reserveCapacity(200_000)
        defer { leaked.forEach { $0.deallocate() } }
        let grown = try growth { count in
            for _ in 0..<count {
                let block = UnsafeMutableRawPointer.allocate(byteCount: 100, alignment: 8)
                memset(block, 1, 100)
                leaked.append(block)
            }
        }
        XCTAssertGreaterThan(grown, limit)
    }

    func testAnyThreadMayCall() throws {
        let agent = try makeAgent()
        _ = try agent.startServer(ServerConfig(), now: at(0))
        let failures = Counter()
        DispatchQueue.concurrentPerform(iterations: 4) { thread in
            for _ in 0..<2_000 {
                do {
                    let id = try agent.startBinding(BindingConfig(server: server), now: .now)
                    let request = try Message(.request, method: 1).encoded()
                    let from = SocketAddress(IPAddress(bytes: [198, 51, UInt8(thread), 1])!, port: 9)
                    // Any thread may be given what another has caused, but all is given once.
                    _ = try agent.exchange(request, from: from, now: .now, local: server)
                    _ = try agent.tick(now: .now)
                    if try !agent.contains(id) { failures.add() }
                    try agent.cancel(id, now: .now)
                } catch {
                    failures.add()
                }
            }
        }
        XCTAssertEqual(failures.count, 0)
        XCTAssertEqual(try agent.operationCount, 1)
    }

    func testAnAgentMayBeClosedDuringCalls() throws {
        for _ in 0..<50 {
            let agent = try makeAgent()
            let (started, closed, others) = (Counter(), Counter(), Counter())
            DispatchQueue.concurrentPerform(iterations: 4) { thread in
                if thread == 0 {
                    while started.count < 20 && closed.count == 0 { Thread.sleep(forTimeInterval: 0.0001) }
                    agent.close()
                    return
                }
                for _ in 0..<1_000_000 {
                    do {
                        _ = try agent.startBinding(BindingConfig(server: server), now: .now)
                        _ = try agent.drain()
                        started.add()
                    } catch let error as StunError where error.code == .closed {
                        closed.add()
                        return
                    } catch let error as StunError where error.code == .limit {
                        started.add()
                    } catch {
                        others.add()
                        return
                    }
                }
            }
            XCTAssertEqual(closed.count, 3)
            XCTAssertEqual(others.count, 0)
        }
    }

    // Helpers ---------------------------------------------------------------------------------------------------------

    /// What a hundred thousand rounds may leave: much less than a hundred bytes each.
    private let limit = 4 << 20

    /// By how many bytes the process has grown after a hundred thousand rounds, once it was warm.
    private func growth(_ rounds: (Int) throws -> Void) throws -> Int {
        guard try resident() != nil else { throw XCTSkip("only Linux says how much memory a process has") }
        try rounds(10_000)
        let before = try resident() ?? 0
        try rounds(100_000)
        return (try resident() ?? 0) - before
    }

    /// Bytes of memory that the process has.
    private func resident() throws -> Int? {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return nil }
        return try XCTUnwrap(Int(text.split(separator: " ")[1])) * sysconf(Int32(_SC_PAGESIZE))
    }
}

/// Counts from several threads.
private final class Counter: @unchecked Sendable {
    private let lock = NSLock()
    private var value = 0

    var count: Int { lock.withLock { value } }

    func add() { lock.withLock { value += 1 } }
}
