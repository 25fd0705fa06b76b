import Stun
import XCTest

/// The contract of the README, held by random schedules: equal agents are driven differently, and must say the same.
///
/// | twin | treated differently | rule |
/// |---|---|---|
/// | 1 | not at all | C8 |
/// | 2 | early and repeated ticks | C4 |
/// | 3 | never told an earlier time | C5 |
///
/// Between the calls C2 and C10 are looked at: what is wanted was put out at once, nothing is left to drain, and every
/// deadline has a reason.
final class ContractTests: XCTestCase {
    func testRandomSchedulesKeepTheContract() throws {
        var seen: Set<String> = []
        for seed in 0..<150 as Range<UInt64> {
            let rig = try Rig(seed)
            for _ in 0..<60 { try rig.step() }
            try rig.finish()
            seen.formUnion(rig.seen)
            if !rig.complaints.isEmpty { return XCTFail("seed \(seed): \(rig.complaints.prefix(3))") }
        }
        // The schedules are of use: they make much happen.
        let wanted: Set = ["mapped", "retrying", "failed", "noAnswer", "surveyed", "natFound", "restarted"]
        XCTAssertTrue(seen.isSuperset(of: wanted), "\(seen.sorted())")
    }

    func testADifferenceBetweenAgentsIsNoticed() throws {
        let rig = try Rig(1, twins: [7, 7, 7, 200])
        for _ in 0..<20 { try rig.step() }
        XCTAssertFalse(rig.complaints.isEmpty)
    }

    func testALateTickSendsOneDatagramForAllThatWasMissed() throws {
        let agent = try makeAgent()
        _ = try agent.startBinding(BindingConfig(server: server, local: local), now: at(0))
        let first = try agent.drain().transmits[0]
        _ = try agent.exchange(try answer(first.bytes), from: server, now: at(0), local: local)
        let late = at(36_000_000)
        let output = try agent.tick(now: late)
        XCTAssertEqual(output.transmits.count, 1)
        XCTAssertGreaterThan(try XCTUnwrap(output.deadline), late)
    }

    func testTimesGoUpToTheEndOfTime() throws {
        let agent = try makeAgent()
        let end = Timestamp(nanoseconds: .max - 1)
        _ = try agent.startBinding(BindingConfig(server: server, local: local), now: end)
        XCTAssertEqual(try agent.drain().transmits.count, 1)
        _ = try agent.tick(now: end)
    }
}

/// Equal agents in step through one schedule.
private final class Rig {
    private var dice: Dice
    private let agents: [Agent]
    private var latest: UInt64 = 0
    private var deadline: Timestamp?
    private var requests: [Transmit] = []
    private var ids: [OperationID] = []
    private(set) var seen: Set<String> = []
    private(set) var complaints: [String] = []

    init(_ seed: UInt64, twins: [UInt8]? = nil) throws {
        dice = Dice(seed)
        let same = UInt8(seed % 251)
        agents = try (twins ?? [same, same, same, same]).map { try makeAgent(seed: $0) }
        for which in 0..<6 where which == 0 || Bool.random(using: &dice) { try start(which, 0) }
    }

    /// Time moves, something happens, and everything that came of it is looked at.
    func step() throws {
        let now = time()
        switch Int.random(in: 0..<20, using: &dice) {
        case 0..<8: try tick(now)
        case 8..<14:
            guard let request = requests.randomElement(using: &dice) else { return try tick(now) }
            let bytes = try reply(request)
            try each(now) { try $0.exchange(bytes, from: request.remote, now: $1, local: request.local) }
        case 14..<16:
            let bytes = dice.bytes(Int.random(in: 0..<60, using: &dice))
            try each(now) { try $0.exchange(bytes, from: server, now: $1, local: local) }
        case 16:
            let id = dice.bytes(12)
            let bytes = try Message(.request, method: 1, transactionID: id).encoded()
            try each(now) { try $0.exchange(bytes, from: mapped, now: $1, local: server) }
        case 17:
            guard let failed = requests.randomElement(using: &dice) else { return try tick(now) }
            let error = SendError.allCases.randomElement(using: &dice)!
            try each(now) {
                try $0.sendFailed(failed, error, now: $1)
                return try $0.drain()
            }
        default: try command(now)
        }
    }

    /// Sleeps exactly to each deadline.
    func finish() throws {
        for _ in 0..<40 {
            guard let deadline else { break }
            try tick(max(deadline.nanoseconds, latest))
        }
    }

    /// A call to each agent, at a time that may be an earlier one; all must say the same.
    private func each(_ now: UInt64, _ call: (Agent, Timestamp) throws -> Output) throws {
        let clamped = max(now, latest)
        try pester(clamped)
        var said: [Output?] = []
        for (place, agent) in agents.enumerated() {
            let time = Timestamp(nanoseconds: place == 3 ? clamped : now)
            // A call that is refused need not have looked at the time, so all look at it first.
            _ = try agent.exchange([], from: server, now: time)
            said.append(try? call(agent, time))
        }
        latest = clamped
        for (place, output) in said.enumerated() where output != said[0] {
            complain("C8, C4, C5: twin \(place) differs")
        }
        if let output = said[0] { note(output) } else { note(try agents[0].drain()) }
        try look()
    }

    /// What nobody may see after a call: something left, or a deadline without a reason.
    private func look() throws {
        for agent in agents {
            let rest = try agent.drain()
            if !rest.transmits.isEmpty || !rest.events.isEmpty { complain("C2: something was left to drain") }
            if rest.wakeReason == .output { complain("C2: there is no output any more") }
            if (rest.deadline == nil) != (rest.wakeReason == nil) { complain("C10: a wake-up without a reason") }
            if rest.deadline != deadline { complain("C2: draining has moved the deadline") }
        }
    }

    private func note(_ output: Output) {
        deadline = output.deadline
        let asked = output.transmits.filter { (try? Message(decoding: $0.bytes).messageClass) == .request }
        requests = (requests + asked).suffix(6)
        for event in output.events { seen.insert(String("\(event.event)".prefix { $0.isLetter })) }
    }

    /// Calls that come too early, and once more: none of them may matter.
    private func pester(_ until: UInt64) throws {
        let before = try agents[2].drain().deadline
        let end = min(until, before.map { $0.nanoseconds &- 1 } ?? until)
        guard end >= latest, before?.nanoseconds != 0 else { return }
        let early = (0..<3).map { _ in UInt64.random(in: latest...end, using: &dice) }.sorted()
        for time in early + [early[2]] {
            let output = try agents[2].tick(now: Timestamp(nanoseconds: time))
            if output.deadline != before { complain("C4: an early call has moved the deadline") }
            if !output.transmits.isEmpty || !output.events.isEmpty { complain("C4: an early call was not idle") }
        }
    }

    private func tick(_ now: UInt64) throws {
        let before = deadline
        let wasDue = before.map { $0.nanoseconds <= max(now, latest) } ?? false
        var output: Output?
        try each(now) { agent, time in
            let said = try agent.tick(now: time)
            if agent === agents[0] { output = said }
            return said
        }
        let isIdle = output.map { $0.transmits.isEmpty && $0.events.isEmpty } ?? true
        if !wasDue, !isIdle || deadline != before { complain("C4: a call that was not due has done something") }
        if wasDue, isIdle, let deadline, deadline.nanoseconds <= latest { complain("C3: woken in vain, again") }
    }

    private func command(_ now: UInt64) throws {
        let number = Int64.random(in: 1..<60, using: &dice)
        let id = ids.randomElement(using: &dice) ?? OperationID(rawValue: 0)
        let calls: [(Agent, Timestamp) throws -> Void] = [
            { try $0.cancel(id, now: $1) }, { try $0.setRefresh(.seconds(number), of: id, now: $1) },
            { try $0.setPower(PowerProfile(maxSlack: .seconds(number)), now: $1) },
            { agent, _ in try agent.setPacing(.milliseconds(number)) },
            { try $0.networkChanged([IPAddress(number % 2 == 0 ? "10.9.0.2" : "10.0.0.2")!], now: $1) },
            { try $0.permit(IPAddress("198.51.100.99")!, at: id, now: $1) },
        ]
        let choice = Int.random(in: 0...calls.count, using: &dice)
        if choice == calls.count { return try start(Int(number % 6), now) }
        try each(now) { agent, time in
            try calls[choice](agent, time)
            return try agent.drain()
        }
    }

    private func start(_ which: Int, _ now: UInt64) throws {
        var started: Set<OperationID> = []
        try each(now) { agent, time in
            started.insert(try startOne(which, agent, time))
            return try agent.drain()
        }
        if started.count > 1 { complain("C8: other ids") }
        ids += started
    }

    /// Now: as before, ahead, exactly or late at the deadline, or a clock that went back.
    private func time() -> UInt64 {
        let due = deadline?.nanoseconds ?? latest
        let ahead = UInt64.random(in: 0..<3_000_000_000, using: &dice)
        let back = latest > ahead * 30 ? latest - ahead * 30 : 0
        return [latest, latest + ahead, due, due, due, due + ahead * 30, back, 0].randomElement(using: &dice)!
    }

    private func reply(_ request: Transmit) throws -> [UInt8] {
        switch Int.random(in: 0..<6, using: &dice) {
        case 0: try refusal(request.bytes, code: 500)
        case 1: try refusal(request.bytes, code: 400)
        default: try answer(request.bytes)
        }
    }

    private func complain(_ text: String) { complaints.append(text) }
}

/// One of six operations.
private func startOne(_ which: Int, _ agent: Agent, _ now: Timestamp) throws -> OperationID {
    switch which {
    case 0: return try agent.startBinding(BindingConfig(server: server, local: local), now: now)
    case 1:
        let credentials = Credentials.longTerm(username: "alice", password: "s3cret")
        let other = SocketAddress("192.0.2.2:3479")!
        return try agent.startBinding(
            BindingConfig(server: other, local: local, credentials: credentials), now: now)
    case 2:
        var config = ServerConfig()
        config.realm = ServerConfig.Realm("x", users: ["alice": "s3cret"])
        return try agent.startServer(config, now: now)
    case 3:
        let targets = (1...4).map { SurveyTarget(server: SocketAddress("192.0.2.\($0):3478")!, local: local) }
        var config = SurveyConfig(targets: targets)
        config.attemptDelay = .milliseconds(200)
        return try agent.startSurvey(config, now: now)
    case 4: return try agent.startNatProbe(NatConfig(server: server, local: local), now: now)
    default: return try agent.startAllocation(AllocationConfig(server: server, local: local), now: now)
    }
}
