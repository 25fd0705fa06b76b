@testable import Stun
import XCTest

final class BindingTests: XCTestCase {
    func testABindingThatAsksOnceGivesTheAddressAndEnds() throws {
        let agent = try makeAgent()
        let id = try agent.startBinding(BindingConfig(server: server, local: local, refresh: nil), now: at(0))
        let request = try XCTUnwrap(try agent.drain().transmits.first)
        XCTAssertEqual([request.remote, request.local], [server, local])
        XCTAssertEqual(classify(request.bytes), .stun)
        let output = try agent.exchange(try answer(request.bytes), from: server, now: at(20), local: local)
        XCTAssertEqual(output.outcome, .consumed)
        let event = try XCTUnwrap(output.events.first)
        XCTAssertEqual(event.event, .mapped(Mapping(address: mapped, roundTrip: .milliseconds(20))))
        XCTAssertEqual([event.id], [id])
        XCTAssertTrue(event.isLast)
        XCTAssertTrue("\(event)".contains("198.51.100.7"), "\(event)")
        XCTAssertNil(output.deadline)
        XCTAssertFalse(try agent.contains(id))
    }

    func testABindingRefreshesAndTellsWhenItsAddressChanges() throws {
        let agent = try makeAgent()
        var config = BindingConfig(server: server, local: local)
        config.refresh = .seconds(10)
        config.socketID = 9
        let id = try agent.startBinding(config, now: at(0))
        let first = try XCTUnwrap(try agent.drain().transmits.first)
        XCTAssertEqual(first.socketID, 9)
        var output = try agent.exchange(try answer(first.bytes), from: server, now: at(5), local: local)
        let expected: [(SocketAddress, Event)] = [
            (mapped, .refreshed(Mapping(address: mapped, roundTrip: .milliseconds(1)))),
            (server, .addressChanged(AddressChange(address: server, previous: mapped, roundTrip: .milliseconds(1)))),
        ]
        for (address, event) in expected {
            XCTAssertEqual(output.wakeReason, .refresh)
            let due = try XCTUnwrap(output.deadline)
            let request = try XCTUnwrap(try agent.tick(now: due).transmits.first)
            output = try agent.exchange(
                try answer(request.bytes, address), from: server, now: due.advanced(by: .milliseconds(1)), local: local)
            XCTAssertEqual(output.events.map(\.event), [event])
            XCTAssertFalse(output.events[0].isLast)
        }
        try agent.setRefresh(nil, of: id, now: try XCTUnwrap(output.deadline))
        XCTAssertNil(try agent.drain().deadline)
    }

    func testSilenceFailsAfterTheWholeSchedule() throws {
        let agent = try makeAgent()
        _ = try agent.startBinding(BindingConfig(server: server, refresh: nil), now: at(0))
        let (event, when) = try untilEvent(agent, try agent.drain().deadline)
        guard case let .failed(failure) = event.event else { return XCTFail("\(event)") }
        XCTAssertEqual(failure.reason, .timeout)
        XCTAssertEqual([failure.code, failure.count], [nil, nil])
        XCTAssertEqual(when, at(39_500))
    }

    func testFailuresSayWhy() throws {
        let kinds: [(FailureReason, Int?, ([UInt8]) throws -> [UInt8])] = [
            (.errorResponse, 400, { try refusal($0, code: 400) }),
            (.notUnderstood, 0x7f42, { try refusal($0, code: 420, [Attribute(type: 0x000a, value: [0x7f, 0x42])]) }),
            (.noMappedAddress, nil, { try Message(
                .successResponse, method: 1, transactionID: try Message(decoding: $0).transactionID).encoded() }),
            (.malformedError, nil, { try Message(
                .errorResponse, method: 1, transactionID: try Message(decoding: $0).transactionID).encoded() }),
            (.unknownAttribute, 0x7f01, { try Message(
                .successResponse, method: 1, transactionID: try Message(decoding: $0).transactionID,
                attributes: [Attribute(type: 0x7f01, value: [])]).encoded() }),
        ]
        for (reason, code, reply) in kinds {
            let agent = try makeAgent()
            _ = try agent.startBinding(BindingConfig(server: server, refresh: nil), now: at(0))
            let request = try XCTUnwrap(try agent.drain().transmits.first)
            let output = try agent.exchange(try reply(request.bytes), from: server, now: at(1))
            guard case let .failed(failure) = output.events.first?.event else { return XCTFail("\(output)") }
            XCTAssertEqual(failure.reason, reason)
            XCTAssertEqual(failure.code, code)
        }
    }

    func testAnUnsignedAnswerIsCountedAndAWrongPasswordFails() throws {
        let agent = try makeAgent()
        let credentials = Credentials.shortTerm(username: "alice", password: "s3cret")
        _ = try agent.startBinding(
            BindingConfig(server: server, refresh: nil, credentials: credentials), now: at(0))
        let first = try agent.drain()
        let request = try XCTUnwrap(first.transmits.first)
        let output = try agent.exchange(try refusal(request.bytes, code: 401), from: server, now: at(1))
        XCTAssertEqual(output.events, [])
        XCTAssertEqual(try agent.dropped(.unauthenticated), 1)
        let (event, _) = try untilEvent(agent, output.deadline)
        guard case let .failed(failure) = event.event else { return XCTFail("\(event)") }
        XCTAssertEqual(failure.reason, .integrity)
        XCTAssertEqual([failure.code, failure.count], [401, 1])
    }

    func testAnICMPErrorEndsTheRequestAndOtherPacketsAreNotOurs() throws {
        let agent = try makeAgent()
        _ = try agent.startBinding(BindingConfig(server: server, local: local, refresh: nil), now: at(0))
        let request = try XCTUnwrap(try agent.drain().transmits.first)
        XCTAssertFalse(try agent.sendFailed([1, 2, 3], to: server, .refused, now: at(1)))
        XCTAssertTrue(try agent.sendFailed(request, .refused, now: at(1)))
        guard case let .failed(failure) = try agent.drain().events.first?.event else { return XCTFail() }
        XCTAssertEqual(failure.detail, .sendError(.refused))
    }

    func testARedirectionIsFollowedOnceTheHostAgrees() throws {
        let agent = try makeAgent()
        var config = BindingConfig(server: server, refresh: nil)
        config.redirects = .ask
        let id = try agent.startBinding(config, now: at(0))
        let request = try XCTUnwrap(try agent.drain().transmits.first)
        let other = SocketAddress("192.0.2.9:3479")!
        let named = try Attribute(
            type: 0x8023, address: other, transactionID: try Message(decoding: request.bytes).transactionID)
        let output = try agent.exchange(
            try refusal(request.bytes, code: 300, [named]), from: server, now: at(1))
        XCTAssertEqual(
            output.events.map(\.event),
            [.redirected(Redirection(server: other, previous: server, awaitsAnswer: true))])
        XCTAssertEqual(try agent.drain().transmits, [])
        try agent.answerRedirect(id, accept: true, now: at(2))
        XCTAssertEqual(try agent.drain().transmits.map(\.remote), [other])
        XCTAssertNil(try agent.alternateDomain(of: id))
    }

    func testEverySendErrorButAPassingOneEndsTheRequest() throws {
        for error in SendError.allCases {
            let agent = try makeAgent()
            _ = try agent.startBinding(BindingConfig(server: server, local: local, refresh: nil), now: at(0))
            XCTAssertTrue(try agent.sendFailed(try agent.drain().transmits[0], error, now: at(0)))
            let events = try agent.drain().events
            if error == .transient {
                XCTAssertEqual(events, [])
                continue
            }
            guard case let .failed(failure) = events.first?.event else { return XCTFail("\(events)") }
            XCTAssertEqual(failure.reason, .sendFailed)
            XCTAssertEqual(failure.detail, .sendError(error))
        }
    }

    func testARedirectionThatIsDeclinedFailsWithTheReason() throws {
        let agent = try makeAgent()
        var config = BindingConfig(server: server, local: local, refresh: nil)
        config.redirects = .ask
        let id = try agent.startBinding(config, now: at(0))
        let first = try agent.drain().transmits[0]
        let asked = try Message(decoding: first.bytes)
        let elsewhere = try Attribute(
            type: 0x8023, address: SocketAddress("192.0.2.9:3478")!, transactionID: asked.transactionID)
        let told = try agent.exchange(
            try refusal(first.bytes, code: 300, [elsewhere]), from: server, now: at(1), local: local)
        guard case .redirected = told.events.first?.event else { return XCTFail("\(told)") }
        try agent.answerRedirect(id, accept: false, now: at(2))
        guard case let .failed(failure) = try agent.drain().events.first?.event else { return XCTFail() }
        XCTAssertEqual(failure.reason, .redirected)
        XCTAssertEqual(failure.detail, .redirect(.declined))
    }

    func testABindingRestartsFromAnotherNetwork() throws {
        let agent = try makeAgent()
        _ = try agent.startBinding(BindingConfig(server: server, local: local), now: at(0))
        let first = try XCTUnwrap(try agent.drain().transmits.first)
        _ = try agent.exchange(try answer(first.bytes), from: server, now: at(1), local: local)
        try agent.networkChanged([IPAddress("10.9.0.1")!], now: at(1_000))
        let output = try agent.drain()
        guard case let .restarted(restart) = output.events.first?.event else { return XCTFail("\(output)") }
        XCTAssertEqual(restart.previous, local)
        XCTAssertEqual(restart.local.ip, IPAddress("10.9.0.1"))
        XCTAssertEqual(output.transmits.first?.local, restart.local)
    }

    func testASlackGathersRefreshes() throws {
        let agent = try makeAgent()
        _ = try agent.startBinding(BindingConfig(server: server, local: local), now: at(0))
        let first = try XCTUnwrap(try agent.drain().transmits.first)
        let before = try agent.exchange(try answer(first.bytes), from: server, now: at(1), local: local).deadline
        try agent.setPower(PowerProfile(maxSlack: .zero, refresh: .seconds(100)), now: at(1))
        XCTAssertNotEqual(try agent.drain().deadline, before)
        try agent.setPower(.active, now: at(1))
        XCTAssertEqual(try agent.drain().deadline, before)
        XCTAssertGreaterThan(PowerProfile.idle.maxSlack, .zero)
    }

    func testBytesInAHostsBufferGiveTheSame() throws {
        let agents = try [makeAgent(), makeAgent()]
        let outputs = try agents.enumerated().map { place, agent in
            _ = try agent.startBinding(BindingConfig(server: server), now: at(0))
            let reply = try answer(try agent.drain().transmits[0].bytes)
            if place == 0 { return try agent.exchange(reply, from: server, now: at(1)) }
            return try reply.withUnsafeBytes { try agent.exchange($0, from: server, now: at(1)) }
        }
        XCTAssertEqual(outputs[0], outputs[1])
        XCTAssertEqual(outputs[0].events.count, 1)
    }
}
