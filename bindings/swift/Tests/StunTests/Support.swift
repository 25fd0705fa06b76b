import Foundation
import Stun
import XCTest

let server = SocketAddress("192.0.2.1:3478")!
let local = SocketAddress("10.0.0.2:5000")!
let mapped = SocketAddress("198.51.100.7:40000")!

/// A time so many milliseconds after the origin.
func at(_ milliseconds: UInt64) -> Timestamp { Timestamp(nanoseconds: milliseconds * 1_000_000) }

func makeAgent(seed: UInt8 = 7) throws -> Agent {
    try Agent(now: at(0), seed: [UInt8](repeating: seed, count: 32))
}

/// A success response to a request, which says that address.
func answer(_ request: [UInt8], _ address: SocketAddress = mapped) throws -> [UInt8] {
    let asked = try Message(decoding: request)
    let xor = try Attribute(type: 0x0020, address: address, transactionID: asked.transactionID)
    return try Message(
        .successResponse, method: asked.method, transactionID: asked.transactionID, attributes: [xor]
    ).encoded(fingerprint: true)
}

/// An error response to a request.
func refusal(_ request: [UInt8], code: Int, _ more: [Attribute] = []) throws -> [UInt8] {
    let asked = try Message(decoding: request)
    let error = Attribute(type: 0x0009, value: [0, 0, UInt8(code / 100), UInt8(code % 100)])
    return try Message(
        .errorResponse, method: asked.method, transactionID: asked.transactionID, attributes: [error] + more
    ).encoded()
}

/// Calls `tick` at each deadline until something has happened, and gives what happened and when.
func untilEvent(_ agent: Agent, _ deadline: Timestamp?) throws -> (AgentEvent, Timestamp) {
    var next = deadline
    for _ in 0..<100 {
        let now = try XCTUnwrap(next, "nothing is due any more")
        let output = try agent.tick(now: now)
        if let event = output.events.first { return (event, now) }
        next = output.deadline
    }
    throw StunError(.state, "nothing happened at a hundred deadlines")
}

/// Hands what an agent sends to another one at its address, and back, until nobody sends any more.
func converse(_ client: Agent, _ first: [Transmit], _ host: Agent, now: Timestamp) throws -> [AgentEvent] {
    var events: [AgentEvent] = []
    var waiting = first
    while !waiting.isEmpty {
        let sent = waiting.removeFirst()
        let from = sent.local ?? local
        for reply in try host.exchange(sent.bytes, from: from, now: now, local: sent.remote).transmits {
            XCTAssertEqual(reply.remote, from)
            let output = try client.exchange(reply.bytes, from: sent.remote, now: now, local: from)
            events += output.events
            waiting += output.transmits
        }
    }
    return events
}

/// That a call is refused, and how.
func assertRefused<T>(
    _ code: StunError.Code, file: StaticString = #filePath, line: UInt = #line, _ body: () throws -> T
) {
    XCTAssertThrowsError(try body(), file: file, line: line) { error in
        XCTAssertEqual((error as? StunError)?.code, code, "\(error)", file: file, line: line)
        XCTAssertFalse("\(error)".isEmpty, file: file, line: line)
    }
}

/// The folder of the vectors that all languages share.
let vectors: URL = {
    if let named = ProcessInfo.processInfo.environment["LIBSTUN_VECTORS"] { return URL(fileURLWithPath: named) }
    let here = URL(fileURLWithPath: #filePath)
    return URL(fileURLWithPath: "../../../../tests/vectors", relativeTo: here.deletingLastPathComponent())
        .standardizedFileURL
}()

/// Bytes in hexadecimal.
func hex(_ text: some StringProtocol) -> [UInt8] {
    let digits = text.utf8.map { Int($0) - ($0 > 96 ? 87 : 48) }
    return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

/// Numbers that look random and are the same in every run.
struct Dice: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }

    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) } }
}
