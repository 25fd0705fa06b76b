internal import StunRaw

/// Finds out what the NAT before the host does (RFC 5780).
///
/// To tell how it filters, the socket at ``local`` must be fresh: nothing was sent from it before.
public struct NatConfig: Hashable, Sendable {
    /// The server, best one of RFC 5780.
    public var server: SocketAddress
    /// What the socket is bound to.
    public var local: SocketAddress
    /// The host's number for the socket.
    public var socketID: UInt32 = 0
    /// What a second socket on another port is bound to, for hairpinning and the lifetime.
    public var second: SocketAddress?
    /// The host's number for the second socket.
    public var secondSocketID: UInt32 = 0
    /// The host's IP address on the way to the server, if the sockets are bound to an unspecified one.
    public var own: IPAddress?
    /// Further, ordinary servers, for when ``server`` is an ordinary one or silent; at most 8.
    public var servers: [SocketAddress] = []
    /// What to find out; `nil` is all but the lifetime.
    public var properties: Set<NatProperty>?
    /// Sign with these.
    public var credentials: Credentials?
    /// When a request is sent again.
    public var retransmission = Retransmission()
    /// End requests with FINGERPRINT, for sockets that other protocols share.
    public var fingerprint = false
    /// When to report what is known; `nil` is 3 minutes, and longer with the lifetime.
    public var deadline: Duration?
    /// Time between the starts of two requests.
    public var pacing = Duration(nanoseconds: library.natPacing)
    /// The longest wait for the lifetime.
    public var lifetimeMax = Duration(nanoseconds: library.natLifetimeMax)
    /// How exact to be about the lifetime.
    public var lifetimePrecision = Duration(nanoseconds: library.natLifetimePrecision)
    /// Time between two attempts where silence is measured.
    public var attemptInterval = Duration(nanoseconds: library.natAttemptInterval)
    /// How long to wait for the answer to such an attempt.
    public var lastWait = Duration(nanoseconds: library.natLastWait)
    /// How often to try at most: 10 to 100.
    public var maxAttempts = Int(library.natMaxAttempts)
    /// Bytes of PADDING: the MTU of the interface.
    public var padding = library.natPadding

    /// Asks that server from that socket.
    ///
    /// - Parameters:
    ///   - server: best one of RFC 5780.
    ///   - local: what the socket is bound to.
    public init(server: SocketAddress, local: SocketAddress) {
        self.server = server
        self.local = local
    }

    func raw() throws(StunError) -> NatOptions {
        if properties?.isEmpty == true { throw .invalid("there is no property to find out") }
        let bits = (properties ?? []).reduce(UInt32(0)) { $0 | 1 << $1.rawValue }
        return NatOptions(
            server: Endpoint(server), local: Endpoint(local), socketId: socketID, second: Endpoint(second),
            secondSocketId: secondSocketID, own: Endpoint(own), servers: servers.map { Endpoint($0) },
            properties: bits, credentials: credentials?.raw, retransmission: try retransmission.raw(),
            fingerprint: fingerprint, deadline: try nanoseconds(deadline, "deadline"),
            pacing: try nanoseconds(pacing, "pacing"), lifetimeMax: try nanoseconds(lifetimeMax, "lifetimeMax"),
            lifetimePrecision: try nanoseconds(lifetimePrecision, "lifetimePrecision"),
            attemptInterval: try nanoseconds(attemptInterval, "attemptInterval"),
            lastWait: try nanoseconds(lastWait, "lastWait"), maxAttempts: try count(maxAttempts, "maxAttempts"),
            padding: padding)
    }
}
