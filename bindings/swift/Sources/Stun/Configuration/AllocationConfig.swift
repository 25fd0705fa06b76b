internal import StunRaw

/// A range of addresses of one family that may, or may not, be reached. Of several that match the last decides.
public struct PeerRule: Hashable, Sendable {
    /// The first address.
    public var first: IPAddress
    /// The last; `nil` for a range of one.
    public var last: IPAddress?
    /// Whether they may be reached.
    public var allows: Bool

    /// Addresses that may be reached.
    ///
    /// - Parameters:
    ///   - first: the first address.
    ///   - last: the last one, of the same family; `nil` for a range of one.
    /// - Returns: the rule.
    public static func allow(_ first: IPAddress, through last: IPAddress? = nil) -> PeerRule {
        PeerRule(first: first, last: last, allows: true)
    }

    /// Addresses that may not be reached.
    ///
    /// - Parameters:
    ///   - first: the first address.
    ///   - last: the last one, of the same family; `nil` for a range of one.
    /// - Returns: the rule.
    public static func deny(_ first: IPAddress, through last: IPAddress? = nil) -> PeerRule {
        PeerRule(first: first, last: last, allows: false)
    }

    var raw: StunRaw.PeerRule {
        StunRaw.PeerRule(first: Endpoint(first), last: Endpoint(last), allows: allows)
    }
}

/// A relayed address at a TURN server, kept as a socket of the host's that lies there (RFC 8656).
///
///     let config = AllocationConfig(server: server, credentials: .longTerm(username: "alice", password: secret))
public struct AllocationConfig: Hashable, Sendable {
    /// The server.
    public var server: SocketAddress
    /// What the socket is bound to; `nil` if that does not matter.
    public var local: SocketAddress?
    /// Between the host and the server. A TCP or TLS connection is the host's to open, before the start.
    public var transport = Transport.udp
    /// The host's number for the socket, handed back in each packet.
    public var socketID: UInt32 = 0
    /// `nil` for a server that asks nobody who it is.
    public var credentials: Credentials?
    /// When they expire: a minute before, ``Event/credentialsNeeded(_:at:)`` asks for others. `nil` is never.
    public var credentialsExpire: Timestamp?
    /// Of the relayed address, or addresses; not of the path to the server.
    public var family = RelayFamily.ipv4
    /// A wish for the relayed port (RFC 8656 s7.1).
    public var port = RelayPort.any
    /// Ask the server to set the DF bit of what it sends to peers (RFC 8656 s18.9).
    public var dontFragment = false
    /// The time-to-expiry to ask for; `nil` leaves it to the server. It is renewed in any case.
    public var lifetime: Duration?
    /// Ask for a ticket with which the allocation can move to another network (RFC 8016).
    public var mobility = true
    /// Over UDP, send something at least that often; at least 1 s. `nil` sends nothing for that.
    public var keepalive: Duration? = Duration(nanoseconds: library.keepalive)
    /// What is sent then.
    public var keepaliveKind = KeepaliveKind.indication
    /// Which peers may be reached.
    public var peerPolicy = PeerPolicy.standard
    /// Rules that go before ``peerPolicy``.
    public var peerRules: [PeerRule] = []
    /// What to do when the server names another one.
    public var redirects = RedirectPolicy.follow
    /// End requests with FINGERPRINT (RFC 8489 s14.7).
    public var fingerprint = true
    /// When a request is sent again.
    public var retransmission = Retransmission()
    /// How long to wait after failures that may pass.
    public var backoff = Backoff()

    /// Asks that server.
    ///
    /// - Parameters:
    ///   - server: the TURN server.
    ///   - local: what the socket is bound to; `nil` if that does not matter.
    ///   - credentials: `nil` for a server that asks nobody who it is.
    public init(server: SocketAddress, local: SocketAddress? = nil, credentials: Credentials? = nil) {
        self.server = server
        self.local = local
        self.credentials = credentials
    }

    func raw() throws(StunError) -> AllocationOptions {
        let (wish, token) = try port.raw()
        return AllocationOptions(
            server: Endpoint(server), local: Endpoint(local), transport: transport.rawValue, socketId: socketID,
            credentials: credentials?.raw, credentialsExpire: credentialsExpire?.nanoseconds ?? never,
            family: family.rawValue, port: wish, reservation: token.data, dontFragment: dontFragment,
            lifetime: try nanoseconds(lifetime, "lifetime"), mobility: mobility,
            keepalive: try nanoseconds(keepalive, "keepalive"), keepaliveKind: keepaliveKind.rawValue,
            peerPolicy: peerPolicy.rawValue, peerRules: peerRules.map(\.raw), redirects: redirects.rawValue,
            fingerprint: fingerprint, retransmission: try retransmission.raw(), backoff: try backoff.raw())
    }
}

extension RelayPort {
    fileprivate func raw() throws(StunError) -> (UInt32, [UInt8]) {
        switch self {
        case .any: return (0, [])
        case .even: return (1, [])
        case .evenReservingNext: return (2, [])
        case let .reserved(token):
            if token.count != 8 { throw .invalid("a token has 8 bytes") }
            return (3, token)
        }
    }
}
