@testable import Stun
import Foundation
import XCTest

/// Events of surveys and NAT probes, each from what causes it.
final class EventTests: XCTestCase {
    private let next = SocketAddress("10.0.0.2:5001")!
    private let other = SocketAddress("192.0.2.2:3479")!

    func testANatProbeFindsThatThereIsNoNat() throws {
        let (network, host, client) = (Network(), try makeAgent(seed: 8), try makeAgent())
        var serving = ServerConfig(local: server)
        var alternate = ServerConfig.Alternate(other)
        alternate.socketIDs = [0, 1, 2, 3]
        serving.behavior = .alternate(alternate)
        _ = try host.startServer(serving, now: network.now)
        _ = try network.add(
            host,
            [server: 0, SocketAddress(server.ip, port: other.port): 1, SocketAddress(other.ip, port: server.port): 2,
                other: 3])
        var config = NatConfig(server: server, local: local)
        (config.socketID, config.second, config.secondSocketID) = (1, next, 2)
        let id = try client.startNatProbe(config, now: network.now)
        let place = try network.add(client, [local: 1, next: 2])
        try network.run(place)
        let last = try XCTUnwrap(network.events(place).last)
        XCTAssertEqual(last.id, id)
        guard case let .natFinished(report) = last.event else { return XCTFail("\(last)") }
        XCTAssertEqual([report.server, report.other, report.local, report.mapped], [server, other, local, local])
        XCTAssertEqual(report[.connectivity].value, .open)
        XCTAssertEqual(report[.translation].value, .absent)
        XCTAssertEqual(report[.mapping].value, .endpointIndependent)
        XCTAssertEqual(report[.filtering].value, .endpointIndependent)
        XCTAssertEqual(report[.filtering].confidence, .high)
        XCTAssertEqual(report[.lifetime].reason, .notTested)
        XCTAssertEqual(Set(report.findings.keys), Set(NatProperty.allCases))
        XCTAssertEqual(report.dependsOnDestination, false)
        XCTAssertEqual(report.rfc3489Name, "open Internet")
        XCTAssertEqual([report.lifetimeAtLeast, report.lifetimeBelow], [nil, nil])
        XCTAssertGreaterThan(report.requests, 3)
        XCTAssertGreaterThan(report.responses, 3)
        let object = try JSONSerialization.jsonObject(with: Data(report.json.utf8)) as? [String: Any]
        XCTAssertNotNil(object)
        XCTAssertTrue("\(report)".contains("192.0.2.1:3478"), "\(report)")
        let found = network.events(place).compactMap { happened -> NatProperty? in
            guard case let .natFound(property, finding) = happened.event else { return nil }
            XCTAssertEqual(finding, report[property])
            return property
        }
        XCTAssertEqual(Set(found), Set(NatProperty.allCases).subtracting([.lifetime]))
    }

    func testANatProbeInVainSaysWhatWasNotAnswered() throws {
        let (network, client) = (Network(), try makeAgent())
        _ = try client.startNatProbe(NatConfig(server: server, local: local), now: network.now)
        let place = try network.add(client, [local: 0])
        try network.run(place)
        let unanswered = network.events(place).compactMap { happened -> String? in
            guard case let .natUnanswered(test, asked) = happened.event else { return nil }
            XCTAssertEqual(asked, server)
            return test
        }
        XCTAssertFalse(unanswered.isEmpty)
        XCTAssertFalse(unanswered.contains(""))
        guard case let .natFinished(report) = network.events(place).last?.event else { return XCTFail() }
        XCTAssertNil(report.mapped)
        XCTAssertNil(report.dependsOnDestination)
        XCTAssertNil(report.rfc3489Name)
        XCTAssertEqual(report[.mapping].reason, .noAnswer)
        XCTAssertEqual(report.responses, 0)
    }

    func testASurveyTellsOfEachServerAndOfAll() throws {
        let (network, client) = (Network(), try makeAgent())
        let (second, silent) = (SocketAddress("198.51.100.2:3478")!, SocketAddress("203.0.113.3:3478")!)
        for address in [server, second] {
            let host = try makeAgent(seed: 8)
            _ = try host.startServer(ServerConfig(), now: network.now)
            _ = try network.add(host, [address: 0])
        }
        let targets = [server, silent, second].map { SurveyTarget(server: $0, local: local) }
        var config = SurveyConfig(targets: targets)
        config.deadline = nil
        _ = try client.startSurvey(config, now: network.now)
        let place = try network.add(client, [local: 0])
        try network.run(place)
        var answers: [Int: SurveyAnswer] = [:]
        for happened in network.events(place) {
            switch happened.event {
            case let .answer(answer): answers[answer.target] = answer
            case let .noAnswer(target, asked, failure):
                XCTAssertEqual(target, 1)
                XCTAssertEqual(asked, silent)
                XCTAssertEqual(failure.reason, .timeout)
            case let .surveyed(summary):
                XCTAssertEqual(
                    summary, SurveySummary(answered: 2, failed: 1, unanswered: 0, mapping: .sameEverywhere))
            default: XCTFail("\(happened)")
            }
        }
        XCTAssertEqual(answers.keys.sorted(), [0, 2])
        XCTAssertEqual(answers[2]?.server, second)
        XCTAssertEqual(answers[0]?.address, local)
        XCTAssertEqual(answers[0]?.roundTrip, .milliseconds(2))
        XCTAssertEqual(network.events(place).count, 4)
    }

    func testRefreshesThatFailAreTriedAgain() throws {
        let agent = try makeAgent()
        _ = try agent.startBinding(BindingConfig(server: server, local: local), now: at(0))
        let first = try agent.drain().transmits[0]
        let output = try agent.exchange(try answer(first.bytes), from: server, now: at(1), local: local)
        let (event, when) = try untilEvent(agent, output.deadline)
        guard case let .retrying(failure, next) = event.event else { return XCTFail("\(event)") }
        XCTAssertEqual(failure.reason, .timeout)
        XCTAssertGreaterThan(try XCTUnwrap(next), when)
        XCTAssertFalse(event.isLast)
    }

    func testAuthenticationThatKeepsFailingIsTold() throws {
        let host = try makeAgent(seed: 8)
        var config = ServerConfig(local: server)
        config.credentials = ShortTerm(username: "alice", password: "s3cret")
        config.budget?.errorBytesPerSecond = 1 << 20
        _ = try host.startServer(config, now: at(0))
        let name = Attribute(type: 0x0006, value: Array("alice".utf8))
        var told: [Event] = []
        for round in 0..<1_000 where told.isEmpty {
            let request = try Message(.request, method: 1, attributes: [name]).encoded(
                key: .shortTerm(password: "guess \(round)"), integrity: [.sha1])
            let output = try host.exchange(request, from: local, now: at(1_000), local: server)
            told += output.events.map(\.event)
        }
        XCTAssertEqual(told, [.authenticationFailures(local.ip, isProven: false)])
    }

    func testAConnectionIsAskedForAgainWhenItIsClosed() throws {
        let agent = try makeAgent()
        var config = BindingConfig(server: server, local: local)
        config.transport = .tcp
        let stream = try agent.openStream(to: server, now: at(0), local: local)
        let id = try agent.startBinding(config, now: at(0))
        let request = try agent.drain().transmits[0]
        XCTAssertEqual(request.transport, .tcp)
        let reply = try answer(request.bytes)
        XCTAssertEqual(try agent.exchangeStream(stream, Array(reply.prefix(7)), now: at(1)).events, [])
        let output = try agent.exchangeStream(stream, Array(reply.dropFirst(7)), now: at(2))
        XCTAssertEqual(
            output.events.map(\.event), [.mapped(Mapping(address: mapped, roundTrip: .milliseconds(2)))])
        try agent.closeStream(stream, now: at(3))
        let closed = try agent.drain()
        guard case let .retrying(failure, _) = closed.events.first?.event else { return XCTFail("\(closed)") }
        XCTAssertEqual(failure.detail, .sendError(.socketClosed))
        let (event, _) = try untilEvent(agent, closed.deadline)
        XCTAssertEqual([event.id], [id])
        guard case let .reconnect(connection) = event.event else { return XCTFail("\(event)") }
        XCTAssertEqual(connection.server, server)
        XCTAssertEqual(connection.transport, .tcp)
        let again = SocketAddress("10.0.0.2:5002")!
        try agent.reconnected(id, to: server, now: at(50_000), local: again, transport: .tcp)
        XCTAssertEqual(try agent.drain().transmits.map(\.local), [again])
    }

    func testAConnectionThatCannotBeUnderstoodIsToBeClosed() throws {
        let agent = try makeAgent()
        let stream = try agent.openStream(to: server, now: at(0), local: local)
        let output = try agent.exchangeStream(stream, [UInt8](repeating: 0xff, count: 64), now: at(1))
        XCTAssertEqual(output.events.map(\.event), [.close(peer: server)])
        XCTAssertEqual(output.events.map(\.isLast), [true])
        assertRefused(.notFound) { try agent.exchangeStream(stream, [1], now: at(2)) }
    }
}
