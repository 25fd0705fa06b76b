import Stun
import XCTest

/// The golden traces of `tests/vectors/traces`: every call made again, every answer the same to the bit.
final class TraceTests: XCTestCase {
    func testATraceHappensAgainToTheBit() throws {
        for (name, lines) in try traces() {
            let done = try Replay(lines).run()
            for (place, (was, now)) in zip(lines, done).enumerated() where was != now {
                return XCTFail("\(name), line \(place + 1) without comments:\n\(was)\n\(now)")
            }
            XCTAssertEqual(done.count, lines.count, name)
        }
    }

    func testThereAreAsManyTracesAsTheTableLists() throws {
        let table = try String(contentsOf: folder.appendingPathComponent("README.md"), encoding: .utf8)
        let rows = table.split(separator: "\n").filter { $0.hasPrefix("|") && $0.contains(".trace") }
        let listed = rows.map { $0.split(separator: "|")[0].trimmingCharacters(in: .whitespaces) }
        XCTAssertEqual(try traces().map(\.0).sorted(), listed.sorted())
        XCTAssertGreaterThanOrEqual(listed.count, 6)
    }

    func testAnotherSeedIsAnotherTrace() throws {
        for (name, lines) in try traces() {
            var other = lines
            XCTAssertTrue(other[1].hasPrefix("> agent "))
            other[1] = other[1].split(separator: " ").dropLast().joined(separator: " ") + " "
                + String(repeating: "ff", count: 32)
            // A server draws nothing: its trace is the same with any.
            XCTAssertEqual(try Replay(other).run() == other, name == "server.trace", name)
        }
    }

    private var folder: URL { vectors.appendingPathComponent("traces") }

    private func traces() throws -> [(String, [String])] {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        return try names.filter { $0.hasSuffix(".trace") }.sorted().map { name in
            let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
            return (name, text.split(separator: "\n").map(String.init).filter { !$0.hasPrefix("#") })
        }
    }
}

/// Makes the calls of a trace, and writes the trace that comes of it.
private final class Replay {
    private let lines: [String]
    private var words: ArraySlice<Substring> = []
    private var agent: Agent?
    private var now = at(0)
    private var done: [String] = []

    init(_ lines: [String]) {
        self.lines = lines
    }

    func run() throws -> [String] {
        XCTAssertEqual(lines.first, "libstun-trace 1")
        done = [lines[0]]
        for line in lines.dropFirst() where line.hasPrefix("> ") {
            done.append(line)
            words = line.dropFirst(2).split(separator: " ")[...]
            let name = words.removeFirst()
            now = Timestamp(nanoseconds: number())
            try call(String(name))
            XCTAssertTrue(words.isEmpty, "a word too many: \(line)")
        }
        return done
    }

    private func call(_ name: String) throws {
        if name == "agent" {
            agent = try Agent(now: now, seed: bytes())
            return
        }
        let agent = try XCTUnwrap(agent)
        switch name {
        case "binding": try started { try agent.startBinding($0.binding(), now: $0.now) }
        case "server": try started { try agent.startServer($0.server(), now: $0.now) }
        case "survey": try started { try agent.startSurvey($0.survey(), now: $0.now) }
        case "cancel":
            let id = OperationID(rawValue: number())
            let refused = (try? agent.cancel(id, now: now)) == nil
            show(refused ? "refused" : "ok", try agent.drain())
        case "input": try input(agent)
        case "timeout": show("ok", try agent.tick(now: now))
        case "error":
            let kind = try XCTUnwrap(SendError(rawValue: UInt32(number())))
            let (transport, local, remote) = path()
            let known = try agent.sendFailed(
                bytes(), to: remote, kind, now: now, local: local, transport: transport)
            show(known ? "ok" : "ignored", try agent.drain())
        default: XCTFail("there is no call \(name)")
        }
    }

    private func started(_ start: (Replay) throws -> OperationID) throws {
        let answer: String
        do {
            answer = "ok \(try start(self))"
        } catch is StunError {
            answer = "refused"
        }
        show(answer, try XCTUnwrap(agent).drain())
    }

    private func input(_ agent: Agent) throws {
        let (transport, local, remote) = path()
        let socketID = UInt32(number())
        let before = try DropReason.allCases.map { try agent.dropped($0) }
        let output = try agent.exchange(
            bytes(), from: remote, now: now, local: local, transport: transport, socketID: socketID)
        let after = try DropReason.allCases.map { try agent.dropped($0) }
        let counted = zip(after, before).map { $0 - $1 }
        XCTAssertLessThanOrEqual(counted.reduce(0, +), 1)
        let reason = counted.firstIndex(of: 1).map { DropReason.allCases[$0].rawValue } ?? 0
        show(output.outcome == .ignored ? "ignored" : "consumed \(reason)", output)
    }

    // Configurations --------------------------------------------------------------------------------------------------

    private func binding() -> BindingConfig {
        let (transport, local, remote) = path()
        var config = BindingConfig(server: remote, local: local)
        config.transport = transport
        config.socketID = UInt32(number())
        config.refresh = duration()
        let flags = number()
        config.fingerprint = flags & 1 == 0
        config.acceptsMappedAddress = flags & 2 != 0
        config.retransmission.initialRTO = .nanoseconds(number())
        config.retransmission.rc = Int(number())
        config.retransmission.rm = Int(number())
        config.retransmission.ti = .nanoseconds(number())
        config.backoff.first = .nanoseconds(number())
        config.backoff.max = .nanoseconds(number())
        config.credentials = credentials()
        return config
    }

    private func server() -> ServerConfig {
        var config = ServerConfig(local: address())
        if case let .shortTerm(credential) = credentials() { config.credentials = credential }
        return config
    }

    private func survey() -> SurveyConfig {
        var config = SurveyConfig(targets: [])
        let enough = Int(number())
        config.enough = enough == 0 ? nil : enough
        config.deadline = duration()
        config.attemptDelay = .nanoseconds(number())
        for _ in 0..<number() {
            let (transport, local, remote) = path()
            var target = SurveyTarget(server: remote, local: local)
            target.transport = transport
            target.socketID = UInt32(number())
            config.targets.append(target)
        }
        return config
    }

    // Words -----------------------------------------------------------------------------------------------------------

    private func number() -> UInt64 { UInt64(words.removeFirst())! }

    private func duration() -> Duration? {
        let word = words.removeFirst()
        return word == "never" ? nil : .nanoseconds(Int64(word)!)
    }

    private func bytes() -> [UInt8] {
        let word = words.removeFirst()
        return word == "-" ? [] : hex(word)
    }

    private func address() -> SocketAddress? {
        let word = words.removeFirst()
        return word == "any" ? nil : SocketAddress(String(word))!
    }

    private func path() -> (Transport, SocketAddress?, SocketAddress) {
        let transport: Transport
        switch words.removeFirst() {
        case "tcp": transport = .tcp
        case "tls": transport = .tls
        default: transport = .udp
        }
        return (transport, address(), address()!)
    }

    private func credentials() -> Credentials? {
        let username = String(decoding: bytes(), as: UTF8.self)
        let password = String(decoding: bytes(), as: UTF8.self)
        let kind = number()
        if username.isEmpty { return nil }
        if kind == 3 { return .longTerm(username: username, password: password) }
        return .shortTerm(username: username, password: password, integrity: Integrity(rawValue: UInt32(kind)))
    }

    // Answers ---------------------------------------------------------------------------------------------------------

    private func show(_ answer: String, _ output: Output) {
        done.append("< \(answer)")
        for sent in output.transmits {
            let bytes = sent.bytes.isEmpty ? "-" : hex(sent.bytes)
            done.append(
                "< transmit \(sent.transport) \(text(sent.local)) \(text(sent.remote)) \(sent.socketID) \(bytes)")
        }
        for event in output.events { done.append("< event \(event.id) \(text(event.event))") }
        let until = output.deadline.map { String($0.nanoseconds) } ?? "never"
        done.append("< until \(until) \(output.wakeReason.map(text) ?? "none")")
    }
}

private func text(_ reason: WakeReason) -> String {
    reason == .transactionTimeout ? "transaction-timeout" : "\(reason)"
}

/// An address as traces have it: with always eight groups.
private func text(_ address: SocketAddress?) -> String {
    guard let address else { return "any" }
    if address.ip.family == .ipv4 { return "\(address)" }
    let bytes = address.ip.bytes
    let groups = stride(from: 0, to: 16, by: 2).map { String(Int(bytes[$0]) << 8 | Int(bytes[$0 + 1]), radix: 16) }
    return "[\(groups.joined(separator: ":"))]:\(address.port)"
}

private func text(_ duration: Duration?) -> String {
    guard let (seconds, attoseconds) = duration?.components else { return "never" }
    return String(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
}

private func text(_ event: Event) -> String {
    switch event {
    case let .mapped(now): "mapped \(text(now.address)) - \(text(now.roundTrip)) - - - -"
    case let .refreshed(now): "refreshed \(text(now.address)) - \(text(now.roundTrip)) - - - -"
    case let .addressChanged(now):
        "changed \(text(now.address)) \(text(now.previous)) \(text(now.roundTrip)) - - - -"
    case let .retrying(failure, when): "retrying - - - \(when.map { String($0.nanoseconds) } ?? "") \(text(failure))"
    case let .failed(failure): "failed - - - - \(text(failure))"
    case let .answer(now):
        "answer \(text(now.address)) \(text(now.server)) \(text(now.roundTrip)) \(now.target) - - -"
    case let .noAnswer(target, server, failure): "no-answer - \(text(server)) - \(target) \(text(failure))"
    case let .surveyed(end):
        "surveyed - - - \(end.unanswered) \(text(end.mapping)) \(end.failed) \(end.answered)"
    default: "the format has no word for \(event)"
    }
}

private func text(_ mapping: ObservedMapping) -> String {
    switch mapping {
    case .unknown: "unknown"
    case .sameEverywhere: "same"
    case .dependsOnAddress: "address"
    case .dependsOnPort: "port"
    }
}

private func text(_ failure: Failure) -> String {
    switch failure.detail {
    case let .sendError(error): return "send \(error.rawValue) 0"
    case let .authentication(why): return "authentication \(why.rawValue) 0"
    default: break
    }
    let words: [FailureReason: String] = [
        .timeout: "timeout", .integrity: "integrity", .errorResponse: "error-response",
        .malformedError: "malformed-error", .unknownAttribute: "unknown-attribute",
        .noMappedAddress: "no-mapped-address",
    ]
    return "\(words[failure.reason] ?? "\(failure.reason)") \(failure.code ?? 0) \(failure.count ?? 0)"
}
