internal import Foundation

/// An IPv4 or IPv6 address without a port.
///
///     let host = IPAddress("2001:db8::1")
public struct IPAddress: Hashable, Sendable, LosslessStringConvertible {
    /// The version of IP.
    public enum Family: Sendable, CaseIterable {
        /// Addresses of 4 bytes.
        case ipv4
        /// Addresses of 16 bytes.
        case ipv6
    }

    /// The version of IP.
    public let family: Family
    /// The zone, which is the number of an interface, of a link-local IPv6 address; 0 for any, and for other addresses
    /// (RFC 4007 s11).
    public let zone: UInt32
    // As the library takes them: the first byte is in the lowest bits.
    let low: UInt64
    let high: UInt64

    init(family: Family, zone: UInt32, low: UInt64, high: UInt64) {
        self.family = family
        self.zone = zone
        self.low = low
        self.high = high
    }

    /// An address of 4 or 16 bytes in the order of the network; `nil` for any other number of bytes.
    ///
    /// - Parameters:
    ///   - bytes: the address.
    ///   - zone: the number of an interface, for a link-local IPv6 address; of IPv4 it is not kept.
    public init?(bytes: [UInt8], zone: UInt32 = 0) {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        func word(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
        let isLong = bytes.count == 16
        self.init(
            family: isLong ? .ipv6 : .ipv4, zone: isLong ? zone : 0,
            low: word(bytes.prefix(8)), high: word(bytes.dropFirst(8)))
    }

    /// An address as people write it, such as `192.0.2.1`, `2001:db8::1` or `fe80::1%7`; `nil` if it is none. Zones are
    /// numbers here, and names are not looked up.
    ///
    /// - Parameter description: the address and nothing else.
    public init?(_ description: String) {
        // To C a text ends at its first zero.
        if description.utf8.contains(0) { return nil }
        let parts = description.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        var bytes = [UInt8](repeating: 0, count: 16)
        if parts.count == 1, inet_pton(AF_INET, description, &bytes) == 1 {
            self.init(bytes: Array(bytes.prefix(4)))
            return
        }
        guard inet_pton(AF_INET6, String(parts[0]), &bytes) == 1 else { return nil }
        if parts.count == 1 {
            self.init(bytes: bytes)
        } else {
            guard let zone: UInt32 = number(parts[1]) else { return nil }
            self.init(bytes: bytes, zone: zone)
        }
    }

    /// The 4 or 16 bytes in the order of the network.
    public var bytes: [UInt8] {
        let all = withUnsafeBytes(of: (low.littleEndian, high.littleEndian)) { Array($0) }
        return family == .ipv4 ? Array(all.prefix(4)) : all
    }

    /// The address as people write it (RFC 5952), with its zone if it has one.
    public var description: String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let words = (low.littleEndian, high.littleEndian)
        let code = family == .ipv4 ? AF_INET : AF_INET6
        _ = withUnsafePointer(to: words) { inet_ntop(code, $0, &text, socklen_t(INET6_ADDRSTRLEN)) }
        let host = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return zone == 0 ? host : "\(host)%\(zone)"
    }

    /// Whether it is 0.0.0.0 or ::, which stand for any address of the host.
    public var isUnspecified: Bool { low == 0 && high == 0 }

    /// Any IPv4 address of the host: 0.0.0.0.
    public static let anyIPv4 = IPAddress(family: .ipv4, zone: 0, low: 0, high: 0)
    /// Any IPv6 address of the host: ::.
    public static let anyIPv6 = IPAddress(family: .ipv6, zone: 0, low: 0, high: 0)
    /// This host itself: 127.0.0.1.
    public static let loopbackIPv4 = IPAddress(family: .ipv4, zone: 0, low: 0x0100_007f, high: 0)
    /// This host itself: ::1.
    public static let loopbackIPv6 = IPAddress(family: .ipv6, zone: 0, low: 0, high: 1 << 56)
}

/// A number that is written with the digits of ASCII and nothing else, which integers' own initializers do not demand.
func number<N: FixedWidthInteger>(_ text: Substring) -> N? {
    text.utf8.allSatisfy { (48...57).contains($0) } ? N(text) : nil
}
