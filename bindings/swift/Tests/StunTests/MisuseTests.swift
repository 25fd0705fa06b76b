import Foundation
import Stun
import XCTest

final class MisuseTests: XCTestCase {
    func testAClosedAgentRefusesEveryCall() throws {
        let agent = try makeAgent()
        let id = try agent.startBinding(BindingConfig(server: server), now: at(0))
        let sent = try agent.drain().transmits[0]
        XCTAssertFalse(agent.isClosed)
        agent.close()
        agent.close()
        XCTAssertTrue(agent.isClosed)
        let calls: [() throws -> Void] = [
            { _ = try agent.exchange([], from: server, now: at(1)) }, { _ = try agent.tick(now: at(1)) },
            { _ = try agent.drain() }, { try agent.sendFailed(sent, .refused, now: at(1)) },
            { _ = try agent.dropped() }, { _ = try agent.operationCount }, { _ = try agent.contains(id) },
            { _ = try agent.startBinding(BindingConfig(server: server), now: at(1)) },
            { _ = try agent.startSurvey(SurveyConfig(targets: [SurveyTarget(server: server)]), now: at(1)) },
            { _ = try agent.startServer(ServerConfig(), now: at(1)) },
            { _ = try agent.startNatProbe(NatConfig(server: server, local: local), now: at(1)) },
            { _ = try agent.startAllocation(AllocationConfig(server: server), now: at(1)) },
            { try agent.cancel(id, now: at(1)) }, { try agent.setRefresh(nil, of: id, now: at(1)) },
            { try agent.answerRedirect(id, accept: true, now: at(1)) },
            { try agent.reconnected(id, to: server, now: at(1)) }, { try agent.networkChanged([], now: at(1)) },
            { try agent.setPower(.idle, now: at(1)) }, { try agent.setPacing(.seconds(1)) },
            { _ = try agent.alternateDomain(of: id) }, { try agent.addUser("a", password: "b", to: id) },
            { try agent.removeUser("a", from: id) }, { try agent.permit(server.ip, at: id, now: at(1)) },
            { try agent.revoke(server.ip, at: id, now: at(1)) },
            { try agent.bindChannel(server, at: id, now: at(1)) },
            { try agent.releaseChannel(server, at: id, now: at(1)) },
            { _ = try agent.sendToPeer([], to: server, at: id, now: at(1)) },
            { try agent.closeRelay(id, now: at(1)) },
            { try agent.setCredentials(.longTerm(username: "a", password: "b"), of: id, now: at(1)) },
            { _ = try agent.openStream(to: server, now: at(1)) },
            { _ = try agent.exchangeStream(id, [], now: at(1)) }, { try agent.closeStream(id, now: at(1)) },
        ]
        for call in calls { assertRefused(.closed, call) }
    }

    func testWrongSizesAndFamiliesAreRefused() throws {
        assertRefused(.invalid) { try Agent(now: at(0), seed: [UInt8](repeating: 1, count: 31)) }
        assertRefused(.invalid) { try Agent(now: at(0), seed: []) }
        assertRefused(.invalid) { try Agent(now: at(0), maxOperations: 0) }
        assertRefused(.invalid) { try Agent(now: Timestamp(nanoseconds: .max)) }
        let agent = try makeAgent()
        let six = SocketAddress("[2001:db8::1]:3478")!
        assertRefused(.invalid) { try agent.exchange([1], from: six, now: at(0), local: local) }
        assertRefused(.invalid) { try agent.startBinding(BindingConfig(server: six, local: local), now: at(0)) }
        assertRefused(.invalid) { try agent.tick(now: Timestamp(nanoseconds: .max)) }
        let target = SurveyTarget(server: six, local: local)
        assertRefused(.invalid) { try agent.startSurvey(SurveyConfig(targets: [target]), now: at(0)) }
        assertRefused(.invalid) { try agent.startNatProbe(NatConfig(server: six, local: local), now: at(0)) }
        assertRefused(.invalid) { try agent.startAllocation(AllocationConfig(server: six, local: local), now: at(0)) }
        assertRefused(.invalid) { try agent.sendFailed([1], to: six, .refused, now: at(0), local: local) }
        let never = Timestamp(nanoseconds: .max)
        assertRefused(.invalid) { try agent.exchange([1], from: server, now: never) }
        assertRefused(.invalid) { try agent.startBinding(BindingConfig(server: server), now: never) }
        let huge = [UInt8](repeating: 0, count: 65_536)
        assertRefused(.invalid) { try agent.exchange(huge, from: server, now: at(0)) }
        assertRefused(.invalid) { try agent.sendFailed(huge, to: server, .refused, now: at(0)) }
        assertRefused(.invalid) { try Message(decoding: huge) }
        XCTAssertEqual(try agent.exchange(huge.dropLast(), from: server, now: at(0)).outcome, .ignored)
        XCTAssertEqual(try agent.operationCount, 0)
    }

    func testImpossibleConfigurationsAreRefused() throws {
        let agent = try makeAgent()
        var binding = BindingConfig(server: server, refresh: .milliseconds(999))
        assertRefused(.invalid) { try agent.startBinding(binding, now: at(0)) }
        binding.refresh = .seconds(-1)
        assertRefused(.invalid) { try agent.startBinding(binding, now: at(0)) }
        binding.refresh = nil
        binding.retransmission.rc = 0
        assertRefused(.invalid) { try agent.startBinding(binding, now: at(0)) }
        binding.retransmission.rc = -1
        assertRefused(.invalid) { try agent.startBinding(binding, now: at(0)) }
        binding.retransmission = Retransmission()
        binding.credentials = .shortTerm(username: "", password: "x")
        assertRefused(.invalid) { try agent.startBinding(binding, now: at(0)) }
        var survey = SurveyConfig(targets: [])
        assertRefused(.invalid) { try agent.startSurvey(survey, now: at(0)) }
        survey.targets = Array(repeating: SurveyTarget(server: server), count: 65)
        assertRefused(.invalid) { try agent.startSurvey(survey, now: at(0)) }
        survey.targets = [SurveyTarget(server: server)]
        survey.enough = 0
        assertRefused(.invalid) { try agent.startSurvey(survey, now: at(0)) }
        var probe = NatConfig(server: server, local: local)
        probe.properties = []
        assertRefused(.invalid) { try agent.startNatProbe(probe, now: at(0)) }
        probe.properties = nil
        probe.servers = Array(repeating: server, count: 9)
        assertRefused(.invalid) { try agent.startNatProbe(probe, now: at(0)) }
        XCTAssertEqual(try agent.operationCount, 0)
    }

    func testWhatContradictsItselfStartsNothing() throws {
        let agent = try makeAgent()
        let bindings: [(inout BindingConfig) -> Void] = [
            { $0.retransmission.rm = 0 }, { $0.retransmission.rm = -1 }, { $0.retransmission.initialRTO = .zero },
            { $0.retransmission.ti = .zero }, { $0.retransmission.rc = 1 << 32 }, { $0.backoff.first = .seconds(-1) },
            { $0.backoff.max = .nanoseconds(-1) }, { $0.credentials = .longTerm(username: "", password: "secret") },
            { $0.credentials = .shortTerm(username: "alice", password: "") },
        ]
        for change in bindings {
            var config = BindingConfig(server: server)
            change(&config)
            assertRefused(.invalid) { try agent.startBinding(config, now: at(0)) }
        }
        let probes: [(inout NatConfig) -> Void] = [
            { $0.maxAttempts = -1 }, { $0.pacing = .seconds(-1) }, { $0.deadline = .seconds(-1) },
        ]
        for change in probes {
            var config = NatConfig(server: server, local: local)
            change(&config)
            assertRefused(.invalid) { try agent.startNatProbe(config, now: at(0)) }
        }
        let allocations: [(inout AllocationConfig) -> Void] = [
            { $0.keepalive = .zero }, { $0.lifetime = .seconds(-1) },
            { $0.peerRules = [.allow(IPAddress("10.0.0.2")!, through: IPAddress("10.0.0.1")!)] },
            { $0.peerRules = [.allow(IPAddress("10.0.0.2")!, through: .anyIPv6)] },
        ]
        for change in allocations {
            var config = AllocationConfig(server: server)
            change(&config)
            assertRefused(.invalid) { try agent.startAllocation(config, now: at(0)) }
        }
        var survey = SurveyConfig(targets: [SurveyTarget(server: server)])
        survey.attemptDelay = .milliseconds(1)
        assertRefused(.invalid) { try agent.startSurvey(survey, now: at(0)) }
        var serving = ServerConfig()
        for budget: (inout ServerConfig.Budget) -> Void in [
            { $0.amplificationPercent = 0 }, { $0.amplificationPercent = -1 }, { $0.errorBurst = -1 },
            { $0.errorBytesPerSecond = 1 << 32 },
        ] {
            serving.budget = ServerConfig.Budget()
            budget(&serving.budget!)
            assertRefused(.invalid) { try agent.startServer(serving, now: at(0)) }
        }
        XCTAssertEqual(try agent.operationCount, 0)
        XCTAssertEqual(try agent.drain().transmits, [])
    }

    func testABadTokenIsRefused() throws {
        let agent = try makeAgent()
        var config = AllocationConfig(server: server)
        for token in [[], [1, 2, 3], [UInt8](repeating: 1, count: 9)] {
            config.port = .reserved(token)
            assertRefused(.invalid) { try agent.startAllocation(config, now: at(0)) }
        }
        config.port = .reserved([1, 2, 3, 4, 5, 6, 7, 8])
        _ = try agent.startAllocation(config, now: at(0))
    }

    func testUnknownOperationsAreRefused() throws {
        let agent = try makeAgent()
        let id = OperationID(rawValue: 12_345)
        assertRefused(.notFound) { try agent.cancel(id, now: at(0)) }
        assertRefused(.notFound) { try agent.permit(server.ip, at: id, now: at(0)) }
        assertRefused(.notFound) { try agent.exchangeStream(id, [1], now: at(0)) }
        assertRefused(.notFound) { try agent.alternateDomain(of: id) }
        assertRefused(.notFound) { try agent.setRefresh(nil, of: id, now: at(0)) }
        assertRefused(.notFound) { try agent.answerRedirect(id, accept: true, now: at(0)) }
        assertRefused(.notFound) { try agent.reconnected(id, to: server, now: at(0)) }
        assertRefused(.notFound) { try agent.addUser("a", password: "b", to: id) }
        assertRefused(.notFound) { try agent.removeUser("a", from: id) }
        assertRefused(.notFound) { try agent.revoke(server.ip, at: id, now: at(0)) }
        assertRefused(.notFound) { try agent.bindChannel(server, at: id, now: at(0)) }
        assertRefused(.notFound) { try agent.releaseChannel(server, at: id, now: at(0)) }
        assertRefused(.notFound) { try agent.sendToPeer([1], to: server, at: id, now: at(0)) }
        assertRefused(.notFound) { try agent.closeRelay(id, now: at(0)) }
        assertRefused(.notFound) {
            try agent.setCredentials(.longTerm(username: "a", password: "b"), of: id, now: at(0))
        }
        assertRefused(.notFound) { try agent.closeStream(id, now: at(0)) }
        XCTAssertFalse(try agent.contains(id))
        assertRefused(.invalid) { try agent.openStream(to: server, now: at(0), transport: .udp) }
    }

    func testThereAreNoMoreOperationsThanAllowed() throws {
        let agent = try Agent(now: at(0), maxOperations: 1)
        let id = try agent.startServer(ServerConfig(), now: at(0))
        assertRefused(.limit) { try agent.startServer(ServerConfig(), now: at(0)) }
        try agent.cancel(id, now: at(0))
        _ = try agent.startServer(ServerConfig(), now: at(0))
    }

    func testConfigurationsOfServersAreComparedWithTheirSecrets() {
        var one = ServerConfig()
        one.realm = ServerConfig.Realm("example.org", users: ["alice": "s3cret"])
        var other = one
        XCTAssertEqual(one, other)
        XCTAssertEqual(one.hashValue, other.hashValue)
        other.realm?.users["alice"] = "hunter2"
        XCTAssertNotEqual(one, other)
        XCTAssertNotEqual(
            Credentials.longTerm(username: "alice", password: "s3cret"),
            .longTerm(username: "alice", password: "hunter2"))
    }

    func testWhatIsLongerThanAnyDatagramIsOnlyClassified() {
        // A datagram's first bytes decide, but for STUN, whose length has to be right.
        XCTAssertEqual(classify([0x80] + [UInt8](repeating: 0, count: 100_000)), .rtp)
        let long: [UInt8] =
            [0, 1, 0xff, 0xfc, 0x21, 0x12, 0xa4, 0x42] + [UInt8](repeating: 0, count: 12 + 0xfffc)
        XCTAssertEqual(classify(long), .stun)
        XCTAssertNotEqual(classify(long + [0]), .stun)
        XCTAssertEqual(classify([]), .unknown)
    }

    func testNamesAndPasswordsMayBeAnyText() throws {
        let agent = try makeAgent()
        for text in ["", "\0", "a\u{7}", String(repeating: "x", count: 100_000), "\u{10ffff}", "e\u{301}"] {
            var config = ServerConfig()
            config.realm = ServerConfig.Realm("example.org", users: [text: text])
            do throws(StunError) {
                let id = try agent.startServer(config, now: at(0))
                try agent.cancel(id, now: at(0))
            } catch {
                XCTAssertEqual(error.code, .invalid)
                XCTAssertFalse(text.count > 1 && error.reason.contains(text))
            }
        }
    }

    func testAnErrorSaysItsReasonWhereverItIsShown() {
        let error: any Error = StunError(.state, "it does not fit")
        XCTAssertEqual("\(error)", "it does not fit")
        XCTAssertEqual(error.localizedDescription, "it does not fit")
    }

    func testADumpOfCredentialsShowsEverythingButThePassword() {
        let holders: [Any] = [
            ShortTerm(username: "alice", password: "s3cret"), LongTerm(username: "alice", password: "s3cret"),
            ServerConfig.Realm("example.org", users: ["alice": "s3cret"]),
        ]
        let fields: [Set] = [
            ["username", "integrity"], ["username", "requireSHA256", "requireAnonymity"],
            ["name", "users", "nonceLifetime", "passwordAlgorithms", "usernameAnonymity"],
        ]
        for (holder, expected) in zip(holders, fields) {
            XCTAssertEqual(Set(Mirror(reflecting: holder).children.compactMap(\.label)), expected)
        }
    }

    func testNoDescriptionShowsAPassword() throws {
        let secret = "correct horse"
        var realm = ServerConfig()
        realm.realm = ServerConfig.Realm("example.org", users: ["alice": secret])
        realm.credentials = ShortTerm(username: "alice", password: secret)
        let long = Credentials.longTerm(username: "alice", password: secret)
        var survey = SurveyConfig(targets: [])
        survey.credentials = long
        var probe = NatConfig(server: server, local: local)
        probe.credentials = long
        let holders: [Any] = [
            Credentials.shortTerm(username: "alice", password: secret), long, realm,
            LongTerm(username: "alice", password: secret), BindingConfig(server: server, credentials: long),
            AllocationConfig(server: server, credentials: long), Key.shortTerm(password: secret),
            Key.longTermMD5(username: "alice", realm: "r", password: secret),
            Key.longTermSHA256(username: "alice", realm: "r", password: secret),
            survey, probe,
        ]
        for holder in holders {
            var dumped = ""
            dump(holder, to: &dumped)
            for text in ["\(holder)", String(reflecting: holder), dumped] {
                XCTAssertFalse(text.contains(secret), text)
                XCTAssertFalse(text.isEmpty)
            }
        }
    }
}
