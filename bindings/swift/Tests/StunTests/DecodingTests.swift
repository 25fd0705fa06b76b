@testable import Stun
import XCTest

/// The library's buffers, written by hand as bindings/uniffi/src/output.rs says.
final class DecodingTests: XCTestCase {
    func testAKindThatIsNewerThanThisModuleIsUnknown() {
        for kind in [0, 17, 36, 999, 65_535] {
            XCTAssertEqual(decoded(kind).event, .unknown(kind: kind))
        }
        let event = decoded(999)
        XCTAssertEqual(event.text, "hello")
        XCTAssertEqual(event.id, OperationID(rawValue: 77))
        XCTAssertTrue(event.isLast)
    }

    func testAnEventWithoutTheAddressThatItIsAboutIsUnknown() {
        let kinds = [1, 3, 7, 8, 10, 11, 12, 13, 14, 15, 19, 20, 21, 25, 26, 27, 28, 29]
        for kind in kinds {
            XCTAssertEqual(decoded(kind).event, .unknown(kind: kind))
            XCTAssertNotEqual(decoded(kind, hasAddresses: true).event, .unknown(kind: kind))
        }
    }

    func testNumbersThatAreNewerThanThisModuleAreOther() {
        guard case let .failed(failure) = decoded(2, number: 200).event else { return XCTFail() }
        XCTAssertEqual(failure.reason, .other)
        XCTAssertEqual([failure.code, failure.count], [nil, nil])
        let finding = NatFinding(value: 200, confidence: 200, reason: 200, detail: 200)
        XCTAssertEqual([finding.value == nil, finding.confidence == nil], [true, true])
        XCTAssertEqual(finding.reason, .other)
        XCTAssertEqual(decoded(30, number: 200).event, .credentialsNeeded(.other, at: nil))
    }

    func testDataOfSeveralPeersComesInItsOrder() {
        var bytes = words(UInt64.max) + [2, 0, 0, 0] + words(UInt32(1)) + words(UInt32(0)) + words(UInt32(2))
        for number in 1...3 as ClosedRange<UInt8> {
            bytes += address(number) + address(10 + number) + [0, 3, 0, 0] + words(UInt32(number))
            bytes += words(UInt32(number)) + [UInt8](repeating: number, count: Int(number))
        }
        let output = bytes.withUnsafeBytes { Output($0) }
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

    // Helpers ---------------------------------------------------------------------------------------------------------

    /// An event whose numbers are all the same.
    private func decoded(_ kind: Int, number: UInt32 = 1, hasAddresses: Bool = false) -> AgentEvent {
        var bytes = words(UInt16(kind)) + [1, 0] + words(UInt64(77))
        for _ in 0..<6 { bytes += words(number) }
        for _ in 0..<3 { bytes += words(UInt64(5)) }
        for place in 1...6 as ClosedRange<UInt8> {
            bytes += hasAddresses ? address(place) : [UInt8](repeating: 0, count: 24)
        }
        bytes += [UInt8](repeating: 9, count: 8) + words(UInt32(5)) + words(UInt32(0)) + words(UInt32(0))
        bytes += Array("hello".utf8)
        bytes = words(UInt32(bytes.count)) + bytes
        return bytes.withUnsafeBytes { pointer in
            var reader = Reader(pointer)
            let event = AgentEvent(&reader)
            XCTAssertEqual(reader.offset, bytes.count)
            return event
        }
    }

    private func address(_ last: UInt8) -> [UInt8] {
        [4, 0] + words(UInt16(3478)) + words(UInt32(0)) + [192, 0, 2, last] + [UInt8](repeating: 0, count: 12)
    }

    private func words(_ number: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }
}
