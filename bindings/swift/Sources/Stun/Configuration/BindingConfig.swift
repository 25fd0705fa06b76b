internal import StunRaw

/// Asks a STUN server for the host's public address, and goes on asking so that the NAT keeps the binding.
///
///     var config = BindingConfig(server: server)
///     config.refresh = nil  // ask once
public struct BindingConfig: Hashable, Sendable {
    /// The server.
    public var server: SocketAddress
    /// What the socket is bound to; `nil` if that does not matter. The same for the `local` of every configuration.
    public var local: SocketAddress?
    /// How packets travel to the server.
    public var transport = Transport.udp
    /// The host's number for the socket, handed back in each packet.
    public var socketID: UInt32 = 0
    /// Ask again this long after the last request, at least 1 s; `nil` asks once.
    public var refresh: Duration?
    /// Sign with these.
    public var credentials: Credentials?
    /// End requests with FINGERPRINT (RFC 8489 s14.7).
    public var fingerprint = true
    /// Take MAPPED-ADDRESS where XOR-MAPPED-ADDRESS is missing, as servers of RFC 3489 send it.
    public var acceptsMappedAddress = false
    /// What to do when the server names another one.
    public var redirects = RedirectPolicy.follow
    /// When a request is sent again.
    public var retransmission = Retransmission()
    /// How long to wait after failures while refreshing.
    public var backoff = Backoff()

    /// How often a binding is refreshed that says nothing else.
    public static let defaultRefresh = Duration(nanoseconds: library.refresh)

    /// Asks that server.
    ///
    /// - Parameters:
    ///   - server: whom to ask.
    ///   - local: what the socket is bound to; `nil` if that does not matter.
    ///   - refresh: ask again this long after the last request, at least 1 s; `nil` asks once.
    ///   - credentials: what to sign with; `nil` does not sign.
    public init(
        server: SocketAddress, local: SocketAddress? = nil, refresh: Duration? = defaultRefresh,
        credentials: Credentials? = nil
    ) {
        self.server = server
        self.local = local
        self.refresh = refresh
        self.credentials = credentials
    }

    func raw() throws(StunError) -> BindingOptions {
        BindingOptions(
            server: Endpoint(server), local: Endpoint(local), transport: transport.rawValue, socketId: socketID,
            refresh: try nanoseconds(refresh, "refresh"), credentials: credentials?.raw, fingerprint: fingerprint,
            acceptsMappedAddress: acceptsMappedAddress, redirects: redirects.rawValue,
            retransmission: try retransmission.raw(), backoff: try backoff.raw())
    }
}
