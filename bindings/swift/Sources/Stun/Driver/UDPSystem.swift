internal import Foundation

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Android)
    internal import Android
#endif

/// The operating system has refused something: a socket that cannot be opened, a name that has no address.
public struct SystemError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The `errno`; 0 where the system gave none.
    public let code: Int32
    /// One sentence for people.
    public let description: String

    init(_ what: String, code: Int32) {
        self.code = code
        description = code == 0 ? what : "\(what): \(String(cString: strerror(code)))"
    }
}

/// The calls of the operating system that a driver's sockets need.
///
/// Linux would tell of ICMP errors, if asked with `IP_RECVERR`. It is not: Dispatch does not say that a socket has
/// errors, and what waits there keeps its thread busy until somebody takes it.
enum UDPSystem {
    /// A socket that does not block, bound to `local`, and what it is bound to. `prepare` is called before it is bound.
    static func open(
        _ local: SocketAddress, prepare: ((Int32) throws -> Void)?
    ) throws -> (descriptor: Int32, local: SocketAddress) {
        let descriptor = try plainSocket(local.ip.family)
        do {
            try configure(descriptor, local.ip.family)
            try prepare?(descriptor)
            if local.withSockaddr({ bind(descriptor, $0, $1) }) != 0 {
                throw SystemError("cannot bind \(local)", code: errno)
            }
            return (descriptor, try boundAddress(descriptor))
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// What has arrived.
    enum Received {
        /// So many bytes, which are in the buffer.
        case datagram(Int, SocketAddress)
        /// Something that is no datagram of IP, or was interrupted. There may be more.
        case nothing
        /// There is nothing (more).
        case empty
        /// An error, which may be that of an earlier datagram.
        case failed(Int32)
    }

    /// Takes one datagram, without waiting for it.
    static func receive(_ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer) -> Received {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let count = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(descriptor, buffer.baseAddress, buffer.count, 0, $0, &length)
            }
        }
        if count < 0 {
            switch errno {
            case EAGAIN, EWOULDBLOCK: return .empty
            case EINTR: return .nothing
            default: return .failed(errno)
            }
        }
        guard let remote = SocketAddress(storage) else { return .nothing }
        return .datagram(count, remote)
    }

    /// The socket has no room for another datagram.
    static let full = EAGAIN

    /// Sends a datagram; 0, or the `errno` of why it was not sent.
    static func send(_ descriptor: Int32, _ bytes: [UInt8], to remote: SocketAddress) -> Int32 {
        while true {
            let sent = bytes.withUnsafeBytes { bytes in
                remote.withSockaddr { sendto(descriptor, bytes.baseAddress, bytes.count, 0, $0, $1) }
            }
            if sent >= 0 { return 0 }
            if errno != EINTR { return errno }
        }
    }

    /// The host's address on the way to `remote`, which the system says without sending anything.
    static func address(towards remote: SocketAddress) -> IPAddress? {
        guard let descriptor = try? plainSocket(remote.ip.family) else { return nil }
        defer { close(descriptor) }
        guard remote.withSockaddr({ connect(descriptor, $0, $1) }) == 0,
            let local = try? boundAddress(descriptor), !local.ip.isUnspecified
        else { return nil }
        return local.ip
    }

    private static func plainSocket(_ family: IPAddress.Family) throws(SystemError) -> Int32 {
        #if canImport(Glibc)
            let kind = Int32(SOCK_DGRAM.rawValue)
        #else
            let kind = SOCK_DGRAM
        #endif
        let descriptor = socket(family == .ipv4 ? AF_INET : AF_INET6, kind, 0)
        if descriptor < 0 { throw SystemError("cannot open a socket", code: errno) }
        return descriptor
    }

    private static func configure(_ descriptor: Int32, _ family: IPAddress.Family) throws(SystemError) {
        let flags = fcntl(descriptor, F_GETFL)
        if flags < 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0
            || fcntl(descriptor, F_SETFD, FD_CLOEXEC) < 0
        {
            throw SystemError("cannot set up a socket", code: errno)
        }
        // IPv4 has a socket of its own: an agent knows no IPv4 addresses in the guise of IPv6.
        if family == .ipv6 { try turnOn(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY) }
        #if canImport(Darwin)
            try turnOn(descriptor, SOL_SOCKET, SO_NOSIGPIPE)
        #endif
    }

    private static func turnOn(_ descriptor: Int32, _ level: Int32, _ option: Int32) throws(SystemError) {
        var on: Int32 = 1
        if setsockopt(descriptor, level, option, &on, socklen_t(MemoryLayout<Int32>.size)) != 0 {
            throw SystemError("cannot set up a socket", code: errno)
        }
    }

    private static func boundAddress(_ descriptor: Int32) throws(SystemError) -> SocketAddress {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard result == 0, let local = SocketAddress(storage) else {
            throw SystemError("a socket has no address", code: result == 0 ? 0 : errno)
        }
        return local
    }
}

extension SendError {
    /// What an `errno` of sending means for the request that was not sent. Those that it does not know are passing ones,
    /// which the retransmission covers.
    public init(errno code: Int32) {
        switch code {
        case ENETUNREACH, EHOSTUNREACH, ENETDOWN, EHOSTDOWN: self = .noRoute
        case EAFNOSUPPORT, EADDRNOTAVAIL, EINVAL: self = .familyUnavailable
        case EPERM, EACCES: self = .permissionDenied
        case ECONNREFUSED, ECONNRESET: self = .refused
        case EMSGSIZE: self = .messageTooLarge
        case EBADF, ENOTCONN, EPIPE, ENOTSOCK: self = .socketClosed
        default: self = .transient
        }
    }
}
