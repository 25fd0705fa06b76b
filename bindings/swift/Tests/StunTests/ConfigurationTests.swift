@testable import Stun
import XCTest

/// Every field of every configuration reaches the library, and the defaults are the library's.
final class ConfigurationTests: XCTestCase {
    private let other = SocketAddress("192.0.2.9:9")!
    private let credentials = Credentials.longTerm(username: "alice", password: "s3cret")

    func testEveryFieldOfABindingReachesTheLibrary() throws {
        try assertReaching(BindingConfig(server: server), { try $0.raw() }, [
            { $0.server = self.other }, { $0.local = local }, { $0.transport = .tls }, { $0.socketID = 1 },
            { $0.refresh = nil }, { $0.credentials = self.credentials }, { $0.fingerprint = false },
            { $0.acceptsMappedAddress = true }, { $0.redirects = .refuse }, { $0.retransmission.rc = 1 },
            { $0.backoff.first = .seconds(9) },
        ])
    }

    func testEveryFieldOfASurveyReachesTheLibrary() throws {
        try assertReaching(SurveyConfig(targets: [SurveyTarget(server: server)]), { try $0.raw() }, [
            { $0.targets = [SurveyTarget(server: self.other)] }, { $0.enough = 1 }, { $0.deadline = nil },
            { $0.attemptDelay = .seconds(9) }, { $0.credentials = self.credentials }, { $0.fingerprint = false },
            { $0.acceptsMappedAddress = true }, { $0.redirects = .ask }, { $0.retransmission.rm = 1 },
        ])
        try assertReaching(SurveyTarget(server: server), { $0.raw }, [
            { $0.server = self.other }, { $0.local = local }, { $0.transport = .tcp }, { $0.socketID = 1 },
        ])
    }

    func testEveryFieldOfAServerReachesTheLibrary() throws {
        try assertReaching(ServerConfig(), { try $0.raw() }, [
            { $0.local = local }, { $0.credentials = ShortTerm(username: "alice", password: "s3cret") },
            { $0.realm = ServerConfig.Realm("example.org") }, { $0.answersRFC3489 = true }, { $0.budget = nil },
            { $0.behavior = .single },
        ])
        func serving(_ realm: ServerConfig.Realm) -> ServerConfig {
            var config = ServerConfig()
            config.realm = realm
            return config
        }
        try assertReaching(ServerConfig.Realm("example.org"), { try serving($0).raw() }, fields: 5, [
            { $0.name = "example.net" }, { $0.users = ["alice": "s3cret"] }, { $0.nonceLifetime = .seconds(9) },
            { $0.passwordAlgorithms = false }, { $0.usernameAnonymity = false },
        ])
        func keeping(_ budget: ServerConfig.Budget) -> ServerConfig {
            var config = ServerConfig()
            config.budget = budget
            return config
        }
        try assertReaching(ServerConfig.Budget(), { try keeping($0).raw() }, [
            { $0.amplificationPercent = nil }, { $0.errorBytesPerSecond = 9 }, { $0.errorBurst = 9 },
        ])
        func finding(_ alternate: ServerConfig.Alternate) -> ServerConfig {
            var config = ServerConfig(local: server)
            config.behavior = .alternate(alternate)
            return config
        }
        try assertReaching(ServerConfig.Alternate(other), { try finding($0).raw() }, [
            { $0.address = local }, { $0.publicHosts = [server.ip, local.ip] }, { $0.socketIDs = [1, 2, 3, 4] },
        ])
    }

    func testEveryFieldOfANatProbeReachesTheLibrary() throws {
        try assertReaching(NatConfig(server: server, local: local), { try $0.raw() }, [
            { $0.server = self.other }, { $0.local = self.other }, { $0.socketID = 1 }, { $0.second = self.other },
            { $0.secondSocketID = 1 }, { $0.own = local.ip }, { $0.servers = [self.other] },
            { $0.properties = [.lifetime] }, { $0.credentials = self.credentials }, { $0.retransmission.rc = 1 },
            { $0.fingerprint = true }, { $0.deadline = .seconds(9) }, { $0.pacing = .seconds(9) },
            { $0.lifetimeMax = .seconds(9) }, { $0.lifetimePrecision = .seconds(9) },
            { $0.attemptInterval = .seconds(9) }, { $0.lastWait = .seconds(9) }, { $0.maxAttempts = 99 },
            { $0.padding = 99 },
        ])
    }

    func testEveryFieldOfAnAllocationReachesTheLibrary() throws {
        try assertReaching(AllocationConfig(server: server), { try $0.raw() }, [
            { $0.server = self.other }, { $0.local = local }, { $0.transport = .tcp }, { $0.socketID = 1 },
            { $0.credentials = self.credentials }, { $0.credentialsExpire = at(9) }, { $0.family = .both },
            { $0.port = .even }, { $0.dontFragment = true }, { $0.lifetime = .seconds(9) }, { $0.mobility = false },
            { $0.keepalive = nil }, { $0.keepaliveKind = .request }, { $0.peerPolicy = .loopback },
            { $0.peerRules = [.deny(server.ip)] }, { $0.redirects = .ask }, { $0.fingerprint = false },
            { $0.retransmission.rc = 1 }, { $0.backoff.max = .seconds(9) },
        ])
        XCTAssertNotEqual(PeerRule.deny(server.ip).raw, PeerRule.allow(server.ip).raw)
        XCTAssertNotEqual(PeerRule.deny(server.ip).raw, PeerRule.deny(server.ip, through: local.ip).raw)
    }

    func testEveryFieldOfCredentialsAndTimingReachesTheLibrary() throws {
        try assertReaching(ShortTerm(username: "alice", password: "s3cret"), { $0.raw }, fields: 3, [
            { $0.username = "bob" }, { $0.password = "hunter2" }, { $0.integrity = .sha256 },
        ])
        try assertReaching(LongTerm(username: "alice", password: "s3cret"), { $0.raw }, fields: 4, [
            { $0.username = "bob" }, { $0.password = "hunter2" }, { $0.requireSHA256 = true },
            { $0.requireAnonymity = true },
        ])
        try assertReaching(Retransmission(), { try $0.raw() }, [
            { $0.initialRTO = .seconds(9) }, { $0.rc = 1 }, { $0.rm = 1 }, { $0.ti = .seconds(9) },
        ])
        try assertReaching(Backoff(), { try $0.raw() }, [{ $0.first = .seconds(9) }, { $0.max = .seconds(9) }])
    }

    func testTheDefaultsAreThoseOfTheRFCs() {
        let schedule = Retransmission()
        XCTAssertEqual([schedule.initialRTO, schedule.ti], [.milliseconds(500), .milliseconds(39_500)])
        XCTAssertEqual([schedule.rc, schedule.rm], [7, 16])
        XCTAssertEqual(SurveyConfig.raceDelay, .milliseconds(250))
        XCTAssertFalse(libraryVersion.isEmpty)
    }

    /// That each change of a configuration is another one to the library, and that there is one for each field.
    private func assertReaching<Config, Raw: Hashable>(
        _ config: Config, _ raw: (Config) throws -> Raw, fields: Int? = nil, _ changes: [(inout Config) -> Void],
        line: UInt = #line
    ) throws {
        XCTAssertEqual(changes.count, fields ?? Mirror(reflecting: config).children.count, line: line)
        var seen: Set = [try raw(config)]
        for (place, change) in changes.enumerated() {
            var changed = config
            change(&changed)
            XCTAssertTrue(seen.insert(try raw(changed)).inserted, "change \(place)", line: line)
        }
    }
}
