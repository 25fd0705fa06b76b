internal import Foundation
internal import StunRaw

/// An IP address and a port.
///
///     let server = SocketAddress("192.0.2.1:3478")
public struct SocketAddress: Hashable, Sendable, LosslessStringConvertible {
    /// The host.
    public let ip: IPAddress
    /// The port.
    public let port: UInt16

    /// An address and a port.
    ///
    /// - Parameters:
    ///   - ip: the host.
    ///   - port: the port.
    public init(_ ip: IPAddress, port: UInt16) {
        self.ip = ip
        self.port = port
    }

    /// An address as people write it, such as `192.0.2.1:3478` or `[2001:db8::1]:3478`; `nil` if it is none. Names are
    /// not looked up.
    ///
    /// - Parameter description: the address, a colon and the port in decimal.
    public init?(_ description: String) {
        guard let colon = description.lastIndex(of: ":") else { return nil }
        guard let port: UInt16 = number(description[description.index(after: colon)...]) else { return nil }
        var host = description[..<colon]
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = host.dropFirst().dropLast() }
        guard let ip = IPAddress(String(host)), isBracketed == (ip.family == .ipv6) else { return nil }
        self.init(ip, port: port)
    }

    /// The address as people write it: an IPv6 address is in brackets.
    public var description: String { ip.family == .ipv4 ? "\(ip):\(port)" : "[\(ip)]:\(port)" }
}

// For the library -----------------------------------------------------------------------------------------------------

extension Endpoint {
    /// No address.
    static let none = Endpoint(tag: 0, low: 0, high: 0)

    init(_ address: SocketAddress?) {
        guard let address else {
            self = .none
            return
        }
        let family: UInt64 = address.ip.family == .ipv4 ? 4 : 6
        let tag = family | UInt64(address.port) << 16 | UInt64(address.ip.zone) << 32
        self.init(tag: tag, low: address.ip.low, high: address.ip.high)
    }

    init(_ host: IPAddress?) {
        self.init(host.map { SocketAddress($0, port: 0) })
    }
}

extension SocketAddress {
    /// The address that three words of the library's are; `nil` if they stand for none.
    init?(tag: UInt64, low: UInt64, high: UInt64) {
        let port = UInt16(truncatingIfNeeded: tag >> 16)
        switch UInt8(truncatingIfNeeded: tag) {
        case 4:
            let host = UInt64(UInt32(truncatingIfNeeded: low))
            self.init(IPAddress(family: .ipv4, zone: 0, low: host, high: 0), port: port)
        case 6:
            let zone = UInt32(truncatingIfNeeded: tag >> 32)
            self.init(IPAddress(family: .ipv6, zone: zone, low: low, high: high), port: port)
        default: return nil
        }
    }

    init?(_ endpoint: Endpoint) {
        self.init(tag: endpoint.tag, low: endpoint.low, high: endpoint.high)
    }
}

// For the operating system --------------------------------------------------------------------------------------------

extension SocketAddress {
    /// The address that the operating system gives; `nil` if it is of no family of IP.
    init?(_ storage: sockaddr_storage) {
        var storage = storage
        let found = withUnsafeBytes(of: &storage) { bytes -> SocketAddress? in
            switch Int32(storageFamily(bytes)) {
            case AF_INET:
                let address = bytes.loadUnaligned(as: sockaddr_in.self)
                let low = UInt64(UInt32(littleEndian: address.sin_addr.s_addr))
                let ip = IPAddress(family: .ipv4, zone: 0, low: low, high: 0)
                return SocketAddress(ip, port: UInt16(bigEndian: address.sin_port))
            case AF_INET6:
                let address = bytes.loadUnaligned(as: sockaddr_in6.self)
                let (low, high) = withUnsafeBytes(of: address.sin6_addr) {
                    ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                }
                let ip = IPAddress(
                    family: .ipv6, zone: address.sin6_scope_id,
                    low: UInt64(littleEndian: low), high: UInt64(littleEndian: high))
                return SocketAddress(ip, port: UInt16(bigEndian: address.sin6_port))
            default:
                return nil
            }
        }
        guard let found else { return nil }
        self = found
    }

    /// Lends the address as the operating system takes it, with its length.
    func withSockaddr<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) throws -> R) rethrows -> R {
        switch ip.family {
        case .ipv4:
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = UInt32(truncatingIfNeeded: ip.low).littleEndian
            return try lend(&address, body)
        case .ipv6:
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            address.sin6_scope_id = ip.zone
            withUnsafeMutableBytes(of: &address.sin6_addr) {
                $0.storeBytes(of: ip.low.littleEndian, as: UInt64.self)
                $0.storeBytes(of: ip.high.littleEndian, toByteOffset: 8, as: UInt64.self)
            }
            return try lend(&address, body)
        }
    }
}

/// Apple's structures begin with a length, Linux's with the family.
private func storageFamily(_ bytes: UnsafeRawBufferPointer) -> sa_family_t {
    bytes.loadUnaligned(as: sockaddr.self).sa_family
}

private func lend<A, R>(_ address: inout A, _ body: (UnsafePointer<sockaddr>, socklen_t) throws -> R) rethrows -> R {
    let length = socklen_t(MemoryLayout<A>.size)
    return try withUnsafePointer(to: &address) { pointer in
        try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { try body($0, length) }
    }
}
