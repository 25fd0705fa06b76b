internal import StunRaw

/// One server of a survey, and the socket from which it is asked.
public struct SurveyTarget: Hashable, Sendable {
    /// The server.
    public var server: SocketAddress
    /// What the socket is bound to; `nil` if that does not matter.
    public var local: SocketAddress?
    /// How packets travel to the server.
    public var transport = Transport.udp
    /// The host's number for the socket.
    public var socketID: UInt32 = 0

    /// Asks that server.
    ///
    /// - Parameters:
    ///   - server: whom to ask.
    ///   - local: what the socket is bound to; `nil` if that does not matter.
    public init(server: SocketAddress, local: SocketAddress? = nil) {
        self.server = server
        self.local = local
    }

    var raw: Target {
        Target(server: Endpoint(server), local: Endpoint(local), transport: transport.rawValue, socketId: socketID)
    }
}

/// Asks many servers at once, or one after the other as a race.
///
///     var race = SurveyConfig(targets: servers.map { SurveyTarget(server: $0) })
///     race.enough = 1
///     race.attemptDelay = SurveyConfig.raceDelay
public struct SurveyConfig: Hashable, Sendable {
    /// Whom to ask, in that order: 1 to 64.
    public var targets: [SurveyTarget]
    /// Answers after which nobody else is asked, at least 1; `nil` is all.
    public var enough: Int?
    /// How long the whole may take; `nil` leaves each the time of its request.
    public var deadline: Duration? = Duration(nanoseconds: library.surveyDeadline)
    /// How long to wait before the next is asked; a failure does not wait. Zero asks all at once; else at least 10 ms.
    public var attemptDelay = Duration.zero
    /// Sign with these.
    public var credentials: Credentials?
    /// End requests with FINGERPRINT (RFC 8489 s14.7).
    public var fingerprint = true
    /// Take MAPPED-ADDRESS where XOR-MAPPED-ADDRESS is missing, as servers of RFC 3489 send it.
    public var acceptsMappedAddress = false
    /// What to do when a server names another one.
    public var redirects = RedirectPolicy.follow
    /// When a request is sent again.
    public var retransmission = Retransmission()

    /// An ``attemptDelay`` that suits a race (RFC 8305 s5).
    public static let raceDelay = Duration(nanoseconds: library.attemptDelay)

    /// Asks those servers.
    ///
    /// - Parameter targets: 1 to 64, in the order of asking.
    public init(targets: [SurveyTarget]) {
        self.targets = targets
    }

    func raw() throws(StunError) -> SurveyOptions {
        if enough == 0 { throw .invalid("enough is 0") }
        return SurveyOptions(
            targets: targets.map(\.raw), enough: try count(enough ?? 0, "enough"),
            deadline: try nanoseconds(deadline, "deadline"),
            attemptDelay: try nanoseconds(attemptDelay, "attemptDelay"), credentials: credentials?.raw,
            fingerprint: fingerprint, acceptsMappedAddress: acceptsMappedAddress, redirects: redirects.rawValue,
            retransmission: try retransmission.raw())
    }
}
