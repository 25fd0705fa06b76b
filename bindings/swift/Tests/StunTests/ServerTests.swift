@testable import Stun
import XCTest

final class ServerTests: XCTestCase {
    func testAServerAnswersTheAddressThatItSees() throws {
        let (client, host) = (try makeAgent(), try makeAgent(seed: 8))
        _ = try host.startServer(ServerConfig(local: server), now: at(1_000))
        _ = try client.startBinding(BindingConfig(server: server, local: local, refresh: nil), now: at(1_000))
        let events = try converse(client, try client.drain().transmits, host, now: at(1_001))
        XCTAssertEqual(events.map(\.event), [.mapped(Mapping(address: local, roundTrip: .milliseconds(1)))])
    }

    func testARealmKnowsItsUsersAndNobodyElse() throws {
        let host = try makeAgent(seed: 8)
        var config = ServerConfig(local: server)
        config.realm = ServerConfig.Realm("example.org", users: ["alice": "s3cret"])
        config.budget = nil  // or the first challenge waits for a second request
        let id = try host.startServer(config, now: at(1_000))
        XCTAssertEqual(try outcome(host, "alice", "s3cret"), "mapped")
        XCTAssertEqual(try outcome(host, "alice", "guessed"), "rejected")
        XCTAssertEqual(try outcome(host, "bob", "hunter2"), "rejected")
        try host.addUser("bob", password: "hunter2", to: id)
        XCTAssertEqual(try outcome(host, "bob", "hunter2"), "mapped")
        XCTAssertTrue(try host.removeUser("bob", from: id))
        XCTAssertFalse(try host.removeUser("bob", from: id))
        XCTAssertEqual(try outcome(host, "bob", "hunter2"), "rejected")
    }

    func testAShortTermCredentialIsAskedOfEveryRequest() throws {
        let host = try makeAgent(seed: 8)
        var config = ServerConfig(local: server)
        config.credentials = ShortTerm(username: "alice", password: "s3cret")
        let id = try host.startServer(config, now: at(1_000))
        assertRefused(.notFound) { try host.addUser("bob", password: "hunter2", to: id) }
        let client = try makeAgent()
        let credentials = Credentials.shortTerm(username: "alice", password: "s3cret")
        _ = try client.startBinding(
            BindingConfig(server: server, local: local, refresh: nil, credentials: credentials), now: at(1_000))
        let events = try converse(client, try client.drain().transmits, host, now: at(1_001))
        XCTAssertEqual(events.map(\.event), [.mapped(Mapping(address: local, roundTrip: .milliseconds(1)))])
    }

    func testContradictionsOfAServerAreRefused() throws {
        let agent = try makeAgent()
        var both = ServerConfig()
        both.realm = ServerConfig.Realm("example.org")
        both.credentials = ShortTerm(username: "alice", password: "s3cret")
        var old = ServerConfig()
        old.answersRFC3489 = true
        old.credentials = both.credentials
        var nameless = ServerConfig()
        nameless.realm = ServerConfig.Realm("")
        var alone = ServerConfig()
        alone.behavior = .single
        var ids = ServerConfig(local: server)
        var alternate = ServerConfig.Alternate(SocketAddress("192.0.2.2:3479")!)
        alternate.socketIDs = [1, 2, 3]
        ids.behavior = .alternate(alternate)
        for config in [both, old, nameless, alone, ids] {
            assertRefused(.invalid) { try agent.startServer(config, now: at(1_000)) }
        }
        alternate.socketIDs = [1, 2, 3, 4]
        ids.behavior = .alternate(alternate)
        _ = try agent.startServer(ids, now: at(1_000))
    }

    func testAServerSaysWhomItThrottles() throws {
        let host = try makeAgent(seed: 8)
        var config = ServerConfig(local: server)
        config.realm = ServerConfig.Realm("example.org", users: ["alice": "s3cret"])
        config.budget?.errorBytesPerSecond = 1
        config.budget?.errorBurst = 1
        _ = try host.startServer(config, now: at(1_000))
        let request = try Message(.request, method: 1).encoded()
        var events: [Event] = []
        for time in 0..<10_000 where events.isEmpty {
            let output = try host.exchange(request, from: local, now: at(UInt64(time)), local: server)
            events += output.events.map(\.event)
        }
        guard case let .throttled(network) = events.first else { return XCTFail("\(events)") }
        XCTAssertEqual(network, IPAddress("10.0.0.2"))
    }

    /// What comes of asking a server with a long-term credential.
    private func outcome(_ host: Agent, _ username: String, _ password: String) throws -> String {
        let client = try makeAgent()
        let credentials = Credentials.longTerm(username: username, password: password)
        _ = try client.startBinding(
            BindingConfig(server: server, local: local, refresh: nil, credentials: credentials), now: at(1_000))
        var events = try converse(client, try client.drain().transmits, host, now: at(1_001))
        // A refusal could be forged, so nobody gives up before the time of the request is over.
        if events.isEmpty { events = [try untilEvent(client, try client.drain().deadline).0] }
        switch events.first?.event {
        case .mapped: return "mapped"
        case let .failed(failure):
            XCTAssertEqual(failure.reason, .authentication)
            XCTAssertEqual(failure.detail, .authentication(.rejected))
            return "rejected"
        default: return "\(events)"
        }
    }
}
