@testable import Stun
import XCTest

/// Allocations against the answers of a TURN server, made by hand.
final class RelayTests: XCTestCase {
    private let relayed = SocketAddress("203.0.113.1:49152")!
    private let peer = SocketAddress("198.51.100.99:7000")!

    func testAnAllocationRelaysBothWays() throws {
        let (agent, id) = try allocated()
        try agent.permit(peer.ip, at: id, now: at(10))
        XCTAssertEqual(try reply(agent, try agent.drain(), []).events.map(\.event), [.permitted(peer.ip)])
        let sent = try agent.sendToPeer([1, 2, 3], to: peer, at: id, now: at(11))
        XCTAssertEqual([sent.remote, sent.local], [server, local])
        let indication = try Message(decoding: sent.bytes)
        XCTAssertEqual(indication.messageClass, .indication)
        XCTAssertEqual(indication.method, 6)
        XCTAssertEqual(try indication.address(0x0012), peer)
        let output = try agent.exchange(
            try data([Attribute(type: 0x0013, value: [9, 8])]), from: server, now: at(12), local: local, socketID: 3)
        XCTAssertEqual(output.outcome, .peerData)
        XCTAssertEqual(
            output.peerData, [PeerData(bytes: [9, 8], peer: peer, relayed: relayed, socketID: 3, ecn: .notECT)])
        XCTAssertTrue(try agent.revoke(peer.ip, at: id, now: at(13)))
        XCTAssertFalse(try agent.revoke(peer.ip, at: id, now: at(13)))
    }

    func testAChannelHasFourBytesOfOverhead() throws {
        let (agent, id) = try allocated()
        try agent.bindChannel(peer, at: id, now: at(10))
        let output = try reply(agent, try agent.drain(), [])
        guard case let .channelBound(bound, channel)? = output.events.map(\.event).first(where: {
            if case .channelBound = $0 { true } else { false }
        }) else { return XCTFail("\(output)") }
        XCTAssertEqual(bound, peer)
        let sent = try agent.sendToPeer([1, 2, 3], to: peer, at: id, now: at(11))
        XCTAssertEqual(sent.bytes.prefix(7), [UInt8(channel >> 8), UInt8(channel & 255), 0, 3, 1, 2, 3])
        XCTAssertEqual(classify(sent.bytes), .channelData)
        XCTAssertTrue(try agent.releaseChannel(peer, at: id, now: at(12)))
    }

    func testAServerThatRefusesAPeerIsHeard() throws {
        let (agent, id) = try allocated()
        try agent.permit(peer.ip, at: id, now: at(10))
        let request = try agent.drain().transmits[0]
        let output = try agent.exchange(
            try refusal(request.bytes, code: 403), from: server, now: at(11), local: local)
        XCTAssertEqual(output.events.map(\.event), [.peerRefused(SocketAddress(peer.ip, port: 0), code: 403)])
        assertRefused(.invalid) { try agent.permit(.loopbackIPv4, at: id, now: at(12)) }
    }

    func testAnICMPErrorBehindTheServerIsAHint() throws {
        let (agent, id) = try allocated()
        try agent.permit(peer.ip, at: id, now: at(10))
        _ = try reply(agent, try agent.drain(), [])
        let icmp = Attribute(type: 0x8004, value: [0, 0, 3, 4, 0, 0, 0x05, 0x00])
        let output = try agent.exchange(try data([icmp]), from: server, now: at(12), local: local)
        XCTAssertEqual(
            output.events.map(\.event),
            [.peerUnreachable(PeerUnreachable(peer: peer, icmpType: 3, icmpCode: 4, mtu: 1280))])
    }

    func testALostRelayIsAskedForAgain() throws {
        let (agent, id) = try allocated()
        try agent.permit(peer.ip, at: id, now: at(10))
        let request = try agent.drain().transmits[0]
        let output = try agent.exchange(
            try refusal(request.bytes, code: 437), from: server, now: at(11), local: local)
        guard case let .lost(gone, failure) = output.events.first?.event else { return XCTFail("\(output)") }
        XCTAssertEqual(gone, relayed)
        XCTAssertFalse(output.events[0].isLast)
        XCTAssertEqual(failure.reason, .errorResponse)
        XCTAssertEqual(failure.code, 437)
        XCTAssertTrue(try agent.contains(id))
    }

    func testARelayIsClosedAtTheServer() throws {
        let (agent, id) = try allocated()
        try agent.closeRelay(id, now: at(10))
        let output = try reply(agent, try agent.drain(), [Attribute(type: 0x000d, value: [0, 0, 0, 0])])
        XCTAssertEqual(output.events.map(\.event), [.closed])
        XCTAssertEqual(output.events.map(\.isLast), [true])
        XCTAssertFalse(try agent.contains(id))
    }

    func testOfTwoFamiliesOneMayBeRefused() throws {
        let agent = try makeAgent()
        var config = AllocationConfig(server: server, local: local)
        config.family = .both
        _ = try agent.startAllocation(config, now: at(0))
        let refused = Attribute(type: 0x8001, value: [2, 0, 4, 40])
        let output = try reply(agent, try agent.drain(), [refused], now: at(1))
        let events = output.events.map(\.event)
        XCTAssertTrue(events.contains(.familyRefused(.ipv6, code: 440)), "\(events)")
    }

    func testAReservedPortComesWithItsToken() throws {
        let agent = try makeAgent()
        var config = AllocationConfig(server: server, local: local)
        config.port = .evenReservingNext
        _ = try agent.startAllocation(config, now: at(0))
        let token = Attribute(type: 0x0022, value: [1, 2, 3, 4, 5, 6, 7, 8])
        let output = try reply(agent, try agent.drain(), [token], now: at(1))
        guard case let .allocated(relay) = output.events.first?.event else { return XCTFail("\(output)") }
        XCTAssertEqual(relay.reservation, [1, 2, 3, 4, 5, 6, 7, 8])
    }

    func testAnAllocationMovesWithItsHost() throws {
        let (agent, id) = try allocated([Attribute(type: 0x8030, value: [7, 7, 7, 7])])
        try agent.networkChanged([IPAddress("10.9.0.1")!], now: at(1_000))
        var output = try agent.drain()
        guard case let .restarted(restart) = output.events.first?.event else { return XCTFail("\(output)") }
        XCTAssertEqual(restart.previous, local)
        let request = try XCTUnwrap(output.transmits.first)
        XCTAssertEqual(request.local, restart.local)
        XCTAssertEqual(try Message(decoding: request.bytes).attributes.map(\.type).contains(0x8030), true)
        let ticket = Attribute(type: 0x8030, value: [8, 8, 8, 8])
        output = try reply(agent, output, [ticket], now: at(1_001))
        let moved = output.events.compactMap { happened -> OperationID? in
            if case .moved = happened.event { happened.id } else { nil }
        }
        XCTAssertEqual(moved, [id])
    }

    func testCredentialsThatExpireAreAskedForBefore() throws {
        let agent = try makeAgent()
        var config = AllocationConfig(server: server, local: local)
        config.credentials = .longTerm(username: "alice", password: "s3cret")
        config.credentialsExpire = at(100_000)
        let id = try agent.startAllocation(config, now: at(0))
        let output = try reply(agent, try agent.drain(), [], now: at(1))
        var (deadline, told) = (output.deadline, [Event]())
        for _ in 0..<100 where told.isEmpty {
            let next = try agent.tick(now: try XCTUnwrap(deadline))
            told = next.events.map(\.event)
            deadline = next.deadline
        }
        XCTAssertEqual(told, [.credentialsNeeded(.expiring, at: at(100_000))])
        try agent.setCredentials(.longTerm(username: "alice", password: "other"), of: id, now: at(50_000))
        assertRefused(.invalid) {
            try agent.setCredentials(.longTerm(username: "", password: ""), of: id, now: at(50_000))
        }
    }

    // Helpers ---------------------------------------------------------------------------------------------------------

    /// An agent with an allocation at a server that asks nobody who it is.
    private func allocated(_ more: [Attribute] = []) throws -> (Agent, OperationID) {
        let agent = try makeAgent()
        let id = try agent.startAllocation(AllocationConfig(server: server, local: local), now: at(0))
        let output = try reply(agent, try agent.drain(), more, now: at(1))
        XCTAssertEqual(
            output.events.map(\.event),
            [.allocated(Allocated(
                relayed: relayed, additional: nil, mapped: mapped, lifetime: .seconds(600), reservation: nil,
                roundTrip: .milliseconds(1)))])
        return (agent, id)
    }

    /// Answers all requests of an output with success.
    private func reply(_ agent: Agent, _ asked: Output, _ more: [Attribute], now: Timestamp = at(20)) throws -> Output {
        var last: Output?
        for sent in asked.transmits {
            let request = try Message(decoding: sent.bytes)
            let id = request.transactionID
            var attributes = more
            if request.method == 3 {
                attributes += [
                    try Attribute(type: 0x0016, address: relayed, transactionID: id),
                    try Attribute(type: 0x0020, address: mapped, transactionID: id),
                ]
            }
            if [3, 4].contains(request.method), !more.contains(where: { $0.type == 0x000d }) {
                attributes.append(Attribute(type: 0x000d, value: [0, 0, 2, 88]))
            }
            let bytes = try Message(
                .successResponse, method: request.method, transactionID: id, attributes: attributes
            ).encoded()
            let output = try agent.exchange(bytes, from: server, now: now, local: sent.local)
            if last == nil || !output.events.isEmpty { last = output }
        }
        return try XCTUnwrap(last, "nothing was asked")
    }

    /// A Data indication from the peer.
    private func data(_ attributes: [Attribute]) throws -> [UInt8] {
        let id = [UInt8](1...12)
        let from = try Attribute(type: 0x0012, address: peer, transactionID: id)
        return try Message(.indication, method: 7, transactionID: id, attributes: [from] + attributes).encoded()
    }
}
