@testable import Stun
import XCTest

/// The library's buffers, written by hand as bindings/uniffi/src/output.rs says.
enum FlatBuffer {
    /// A whole buffer: its header, and what follows that.
    static func output(packets: UInt32 = 0, events: UInt32 = 0, peerData: UInt32 = 0, _ rest: [UInt8]) -> [UInt8] {
        var bytes = words(UInt64.max)
        bytes += [2, 0, 0, 0] as [UInt8]
        for count in [packets, events, peerData] { bytes += words(count) }
        return bytes + rest
    }

    /// A packet with a byte that it consists of, as often as that byte says.
    static func packet(_ number: UInt8) -> [UInt8] {
        var bytes = address(number)
        bytes += address(10 + number)
        bytes += [0, 3, 0, 0] as [UInt8]
        bytes += words(UInt32(number))
        bytes += words(UInt32(number))
        return bytes + [UInt8](repeating: number, count: Int(number))
    }

    /// An event whose numbers are all the same.
    static func event(
        kind: Int, number: UInt32 = 1, hasAddresses: Bool = false, rest: [UInt8] = []
    ) -> [UInt8] {
        var bytes = words(UInt16(kind))
        bytes += [1, 0] as [UInt8]
        bytes += words(UInt64(77))
        for _ in 0..<6 { bytes += words(number) }
        for _ in 0..<3 { bytes += words(UInt64(5)) }
        for place in 1...6 as ClosedRange<UInt8> {
            bytes += hasAddresses ? address(place) : [UInt8](repeating: 0, count: 24)
        }
        bytes += [UInt8](repeating: 9, count: 8)
        for length in [5, 0, UInt32(rest.count)] { bytes += words(length) }
        bytes += Array("hello".utf8)
        bytes += rest
        return words(UInt32(bytes.count)) + bytes
    }

    /// The report of a NAT probe in numbers.
    static func report(findings: UInt32 = 12) -> [UInt8] {
        var bytes: [UInt8] = []
        for number in [3, 2, 1, findings] { bytes += words(number) }
        bytes += address(1)
        bytes += [UInt8](repeating: 0, count: 24)
        for lifetime in [0, UInt64.max] { bytes += words(lifetime) }
        for property in 0..<12 as Range<UInt32> {
            for number in [property, 1, 0, 0] { bytes += words(number) }
        }
        let name = Array("full cone NAT".utf8)
        return bytes + words(UInt32(name.count)) + name
    }

    /// Reads one event.
    static func decode(_ event: [UInt8]) throws -> AgentEvent {
        let output = try output(event)
        return try XCTUnwrap(output.events.first)
    }

    private static func output(_ event: [UInt8]) throws -> Output {
        try output(events: 1, event).withUnsafeBytes { try Output($0) }
    }

    static func address(_ last: UInt8) -> [UInt8] {
        var bytes: [UInt8] = [4, 0]
        bytes += words(UInt16(3478))
        bytes += [0, 0, 0, 0, 192, 0, 2, last] as [UInt8]
        return bytes + [UInt8](repeating: 0, count: 12)
    }

    static func words(_ number: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }
}
