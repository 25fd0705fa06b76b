@testable import Stun
import XCTest

/// The library's buffers, written by hand as bindings/uniffi/src/output.rs says.
final class DecodingTests: XCTestCase {
    func testAKindThatIsNewerThanThisModuleIsUnknown() throws {
        for kind in [0, 17, 24, 36, 999, 65_535] {
            XCTAssertEqual(try decoded(kind).event, .unknown(kind: kind))
        }
        let event = try decoded(999)
        XCTAssertEqual(event.text, "hello")
        XCTAssertEqual(event.id, OperationID(rawValue: 77))
        XCTAssertTrue(event.isLast)
    }

    func testAnEventWithoutTheAddressThatItIsAboutIsUnknown() throws {
        let kinds = [1, 3, 7, 8, 10, 11, 12, 13, 14, 15, 19, 20, 21, 25, 26, 27, 28, 29]
        for kind in kinds {
            XCTAssertEqual(try decoded(kind).event, .unknown(kind: kind))
            XCTAssertNotEqual(try decoded(kind, hasAddresses: true).event, .unknown(kind: kind))
        }
    }

    func testNumbersThatAreNewerThanThisModuleAreOther() throws {
        guard case let .failed(failure) = try decoded(2, number: 200).event else { return XCTFail() }
        XCTAssertEqual(failure.reason, .other)
        XCTAssertEqual([failure.code, failure.count], [nil, nil])
        let finding = NatFinding(value: 200, confidence: 200, reason: 200, detail: 200)
        XCTAssertEqual([finding.value == nil, finding.confidence == nil], [true, true])
        XCTAssertEqual(finding.reason, .other)
        XCTAssertEqual(try decoded(30, number: 200).event, .credentialsNeeded(.other, at: nil))
    }

    func testDataOfSeveralPeersComesInItsOrder() throws {
        let packets = (1...3).flatMap { FlatBuffer.packet($0) }
        let bytes = FlatBuffer.output(packets: 1, peerData: 2, packets)
        let output = try bytes.withUnsafeBytes { try Output($0) }
        XCTAssertNil(output.deadline)
        XCTAssertNil(output.wakeReason)
        XCTAssertEqual(output.outcome, .peerData)
        XCTAssertEqual(output.peerData.map(\.bytes), [[1], [2, 2]])
        XCTAssertEqual(output.peerData[1].peer, SocketAddress("192.0.2.12:3478"))
        XCTAssertEqual(output.peerData[1].relayed, SocketAddress("192.0.2.2:3478"))
        XCTAssertEqual(
            output.transmits,
            [Transmit(
                bytes: [3, 3, 3], remote: SocketAddress("192.0.2.13:3478")!, local: SocketAddress("192.0.2.3:3478"),
                transport: .udp, socketID: 3, ecn: .congestionExperienced)])
    }

    func testABufferThatEndsTooEarlyIsAnErrorWhereverItEnds() throws {
        let whole = FlatBuffer.output(
            packets: 1, events: 2, peerData: 1,
            FlatBuffer.packet(1) + FlatBuffer.packet(2) + FlatBuffer.event(kind: 1, hasAddresses: true)
                + FlatBuffer.event(kind: 23, hasAddresses: true, rest: FlatBuffer.report()))
        XCTAssertEqual(try whole.withUnsafeBytes { try Output($0) }.events.count, 2)
        for count in 0..<whole.count {
            assertRefused(.internal) { try Array(whole.prefix(count)).withUnsafeBytes { try Output($0) } }
        }
    }

    func testCountsThatNothingFollowsAreAnErrorAndTakeNoMemory() throws {
        for (packets, events, received) in [(UInt32.max, 0, 0), (0, UInt32.max, 0), (0, 0, UInt32.max)] {
            let bytes = FlatBuffer.output(packets: packets, events: events, peerData: received, [])
            assertRefused(.internal) { try bytes.withUnsafeBytes { try Output($0) } }
        }
    }

    func testAnEventThatIsBrokenInsideIsUnknownAndTheNextOneIsRead() throws {
        let good = FlatBuffer.event(kind: 1, hasAddresses: true)
        let lengths = 4 + 212  // where the lengths of an event's texts are
        for place in [lengths, lengths + 4, lengths + 8] {
            var broken = good
            broken.replaceSubrange(place..<place + 4, with: FlatBuffer.words(UInt32.max))
            let bytes = FlatBuffer.output(events: 2, broken + good)
            let events = try bytes.withUnsafeBytes { try Output($0) }.events
            XCTAssertEqual(events.map(\.id), [OperationID(rawValue: 77), OperationID(rawValue: 77)])
            XCTAssertEqual(events[0].event, .unknown(kind: 1))
            XCTAssertEqual(events[1], try FlatBuffer.decode(good))
        }
        let short = FlatBuffer.words(UInt32(3)) + [1, 0, 1]
        let events = try FlatBuffer.output(events: 2, short + good).withUnsafeBytes { try Output($0) }.events
        XCTAssertEqual(events.map(\.event), [.unknown(kind: 1), try FlatBuffer.decode(good).event])
    }

    func testWhatIsNewAtTheEndOfAnEventIsSkipped() throws {
        let good = FlatBuffer.event(kind: 1, hasAddresses: true)
        let longer = FlatBuffer.words(UInt32(good.count)) + good.dropFirst(4) + [1, 2, 3, 4]
        XCTAssertEqual(try FlatBuffer.decode(longer), try FlatBuffer.decode(good))
    }

    func testAReportThatEndsTooEarlyIsUnknown() throws {
        let report = FlatBuffer.report()
        for count in 0..<report.count {
            let event = FlatBuffer.event(kind: 23, hasAddresses: true, rest: Array(report.prefix(count)))
            XCTAssertEqual(try FlatBuffer.decode(event).event, .unknown(kind: 23))
        }
        let endless = FlatBuffer.event(kind: 23, hasAddresses: true, rest: FlatBuffer.report(findings: .max))
        XCTAssertEqual(try FlatBuffer.decode(endless).event, .unknown(kind: 23))
    }

    func testAPacketWithoutARemoteAddressIsAnError() {
        var packet = FlatBuffer.packet(1)
        packet.replaceSubrange(24..<48, with: [UInt8](repeating: 0, count: 24))
        for bytes in [FlatBuffer.output(packets: 1, packet), FlatBuffer.output(peerData: 1, packet)] {
            assertRefused(.internal) { try bytes.withUnsafeBytes { try Output($0) } }
        }
    }

    func testRandomBuffersAreRefusedOrRead() throws {
        var dice = Dice(5)
        let whole = FlatBuffer.output(
            packets: 1, events: 1, peerData: 1,
            FlatBuffer.packet(1) + FlatBuffer.packet(2)
                + FlatBuffer.event(kind: 23, hasAddresses: true, rest: FlatBuffer.report()))
        var (read, refused) = (0, 0)
        for _ in 0..<20_000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...3, using: &dice) {
                bytes[Int.random(in: 0..<bytes.count, using: &dice)] = UInt8.random(in: 0...255, using: &dice)
            }
            do {
                read += try bytes.withUnsafeBytes { try Output($0) }.events.count
            } catch {
                XCTAssertEqual((error as? StunError)?.code, .internal)
                refused += 1
            }
        }
        XCTAssertGreaterThan(min(read, refused), 100)
    }

    func testAFamilyThatIsNoneIsNoAddress() {
        for family in [0, 1, 2, 5, 7, 255] as [UInt64] {
            XCTAssertNil(SocketAddress(tag: family | 80 << 16, low: 1, high: 0))
        }
        XCTAssertEqual(
            SocketAddress(tag: 4 | 80 << 16 | 7 << 32, low: 0xffff_ffff_0100_007f, high: 5)?.ip, .loopbackIPv4)
    }

    func testTextThatIsNotUTF8IsRepaired() throws {
        var event = FlatBuffer.event(kind: 999)
        event[event.count - 1] = 0xff
        XCTAssertEqual(try FlatBuffer.decode(event).text, "hell\u{fffd}")
    }

    // Helpers ---------------------------------------------------------------------------------------------------------

    private func decoded(_ kind: Int, number: UInt32 = 1, hasAddresses: Bool = false) throws -> AgentEvent {
        try FlatBuffer.decode(FlatBuffer.event(kind: kind, number: number, hasAddresses: hasAddresses))
    }
}
