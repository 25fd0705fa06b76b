#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Android)
    internal import Android
#endif

/// A server as people write it.
struct ServerName: Sendable {
    let host: String
    let port: UInt16

    /// As many as are raced: what follows would have no time left.
    static let mostAddresses = 8
    private static let defaultPort: UInt16 = 3478

    /// Throws for what is none.
    init(_ text: String) throws(StunError) {
        func split() -> (Substring, Substring?)? {
            if text.hasPrefix("[") {
                guard let end = text.firstIndex(of: "]") else { return nil }
                let (host, rest) = (text[text.index(after: text.startIndex)..<end], text[text.index(after: end)...])
                if rest.isEmpty { return (host, nil) }
                return rest.hasPrefix(":") ? (host, rest.dropFirst()) : nil
            }
            guard let colon = text.firstIndex(of: ":") else { return (text[...], nil) }
            // More than one colon without brackets is an IPv6 address, which has no port then.
            if text.lastIndex(of: ":") != colon { return (text[...], nil) }
            return (text[..<colon], text[text.index(after: colon)...])
        }
        let wrong = StunError.invalid("\"\(text)\" is no server: host, host:port or [address]:port")
        guard let (host, digits) = split(), !host.isEmpty,
            !host.contains(where: { $0.isWhitespace || "[]/\0".contains($0) })
        else { throw wrong }
        self.host = String(host)
        guard let digits else {
            port = Self.defaultPort
            return
        }
        guard digits.utf8.allSatisfy({ (48...57).contains($0) }), let port = UInt16(digits), port > 0 else {
            throw wrong
        }
        self.port = port
    }

    /// Its addresses in the order in which the system would try them. Blocks for as long as the system asks.
    func lookUp() throws(SystemError) -> [SocketAddress] {
        if let ip = IPAddress(host) { return [SocketAddress(ip, port: port)] }
        var hints = addrinfo()
        #if canImport(Glibc)
            hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        #else
            hints.ai_socktype = SOCK_DGRAM
        #endif
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &list)
        if code != 0 { throw SystemError("\(host) has no address: \(String(cString: gai_strerror(code)))", code: 0) }
        defer { freeaddrinfo(list) }
        var found: [SocketAddress] = []
        var next = list
        while let entry = next {
            var storage = sockaddr_storage()
            let length = min(Int(entry.pointee.ai_addrlen), MemoryLayout<sockaddr_storage>.size)
            let bytes = UnsafeRawBufferPointer(start: entry.pointee.ai_addr, count: length)
            withUnsafeMutableBytes(of: &storage) { $0.copyMemory(from: bytes) }
            if let address = SocketAddress(storage), !found.contains(address) { found.append(address) }
            next = entry.pointee.ai_next
        }
        return found
    }

    /// IPv6 and IPv4 in turn, beginning with what the system has put first (RFC 8305 s4).
    static func inTurn(_ found: [SocketAddress]) -> [SocketAddress] {
        let same = found.filter { $0.ip.family == found[0].ip.family }
        let other = found.filter { $0.ip.family != found[0].ip.family }
        return (0..<max(same.count, other.count)).flatMap { place in
            [same, other].compactMap { place < $0.count ? $0[place] : nil }
        }
    }
}
