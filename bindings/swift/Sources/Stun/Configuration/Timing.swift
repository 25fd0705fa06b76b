internal import StunRaw

/// The library's defaults, asked for once.
let library = defaults()

/// When a request is sent again, and when it is given up (RFC 8489 s6.2.1).
public struct Retransmission: Hashable, Sendable {
    /// The first retransmission timeout; it doubles.
    public var initialRTO = Duration(nanoseconds: library.retransmission.initialRto)
    /// How often a request is sent in all; at least once.
    public var rc = Int(library.retransmission.rc)
    /// How many times the first RTO to wait after the last send; at least once.
    public var rm = Int(library.retransmission.rm)
    /// How long to wait for an answer over TCP or TLS.
    public var ti = Duration(nanoseconds: library.retransmission.ti)

    /// The library's own.
    public init() {}

    func raw() throws(StunError) -> Schedule {
        Schedule(
            initialRto: try nanoseconds(initialRTO, "initialRTO"), rc: try count(rc, "rc"), rm: try count(rm, "rm"),
            ti: try nanoseconds(ti, "ti"))
    }
}

/// How long to wait after failures.
public struct Backoff: Hashable, Sendable {
    /// After the first failure; it doubles.
    public var first = Duration(nanoseconds: library.backoff.first)
    /// The longest wait.
    public var max = Duration(nanoseconds: library.backoff.max)

    /// The library's own.
    public init() {}

    func raw() throws(StunError) -> Waits {
        Waits(first: try nanoseconds(first, "backoff.first"), max: try nanoseconds(max, "backoff.max"))
    }
}

/// Trades punctuality for wake-ups.
public struct PowerProfile: Hashable, Sendable {
    /// Refreshes may come up to so much early, so that several share one wake-up; zero keeps each at its own time.
    public var maxSlack: Duration
    /// How often all bindings are refreshed meanwhile; `nil` leaves each its own interval.
    public var refresh: Duration?

    /// A slack, and an interval for all bindings.
    ///
    /// - Parameters:
    ///   - maxSlack: how much earlier refreshes may come.
    ///   - refresh: how often all bindings are refreshed; `nil` leaves each its own interval.
    public init(maxSlack: Duration, refresh: Duration? = nil) {
        self.maxSlack = maxSlack
        self.refresh = refresh
    }

    /// Everything at its own time, as agents begin.
    public static let active = PowerProfile(maxSlack: .zero)
    /// A slack that suits a phone in a pocket.
    public static let idle = PowerProfile(maxSlack: Duration(nanoseconds: library.idleSlack))
}

/// A number for the library, which takes no negative ones and none above 2^32 - 1.
func count(_ number: Int, _ what: String) throws(StunError) -> UInt32 {
    guard let number = UInt32(exactly: number) else { throw .invalid("\(what) is not from 0 to 4294967295") }
    return number
}
