/// A time on the host's monotonic clock, in nanoseconds since an origin that the host chooses.
///
/// An agent compares times only with each other, so any origin does; ``now`` counts from the process's first use of it.
///
///     let output = try agent.tick(now: .now)
///     let wait = output.deadline.map { Timestamp.now.duration(to: $0) }
public struct Timestamp: InstantProtocol, Sendable, CustomStringConvertible {
    /// Since the origin. The largest number stands for never, and agents refuse it.
    public let nanoseconds: UInt64

    /// A time so many nanoseconds after the origin.
    ///
    /// - Parameter nanoseconds: since the origin; the largest number stands for never.
    public init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    /// What `ContinuousClock`, which goes on while the device sleeps, says now.
    public static var now: Timestamp { Timestamp(.now) }

    /// The time that an instant of `ContinuousClock` is, rounded down; the origin for one that is earlier.
    ///
    /// - Parameter instant: any.
    public init(_ instant: ContinuousClock.Instant) {
        nanoseconds = Self.origin.duration(to: instant).saturatedNanoseconds
    }

    /// The instant of `ContinuousClock` that it is, if it was counted from the origin of ``now``.
    public var instant: ContinuousClock.Instant {
        Self.origin.advanced(by: Duration(nanoseconds: nanoseconds))
    }

    /// A time later by `duration`, or earlier if that is negative. It stops at the origin and before never.
    ///
    /// - Parameter duration: how much later; what is less than a nanosecond does not count.
    /// - Returns: the other time.
    public func advanced(by duration: Duration) -> Timestamp {
        if duration >= .zero {
            let (sum, overflows) = nanoseconds.addingReportingOverflow(duration.saturatedNanoseconds)
            return Timestamp(nanoseconds: overflows ? never - 1 : min(sum, never - 1))
        }
        // The shortest duration has no opposite.
        if duration <= .zero - Duration(nanoseconds: nanoseconds) { return Timestamp(nanoseconds: 0) }
        return Timestamp(nanoseconds: nanoseconds - (Duration.zero - duration).saturatedNanoseconds)
    }

    /// How long it is until `other`; negative if that is earlier.
    ///
    /// - Parameter other: any time with the same origin.
    /// - Returns: the time between them.
    public func duration(to other: Timestamp) -> Duration {
        Duration(nanoseconds: other.nanoseconds) - Duration(nanoseconds: nanoseconds)
    }

    /// Whether one is earlier.
    public static func < (left: Timestamp, right: Timestamp) -> Bool { left.nanoseconds < right.nanoseconds }

    /// Seconds since the origin.
    public var description: String { "\(Duration(nanoseconds: nanoseconds))" }

    private static let origin = ContinuousClock.now
}

/// How the library says never, no limit, or unknown.
let never = UInt64.max

extension Duration {
    /// Any number of nanoseconds, also those that an `Int64` does not hold.
    init(nanoseconds: UInt64) {
        let (seconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        self.init(secondsComponent: Int64(seconds), attosecondsComponent: Int64(rest) * 1_000_000_000)
    }

    /// In nanoseconds, rounded down; 0 if it is negative, and short of never if it is too long.
    var saturatedNanoseconds: UInt64 {
        if self <= .zero { return 0 }
        // The components of a duration may be too long for their own type, so this comes first.
        if self >= Duration(nanoseconds: never) { return never - 1 }
        let (seconds, attoseconds) = components
        return UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
    }
}

/// A duration for the library, `nil` being never.
func nanoseconds(_ duration: Duration?, _ what: String) throws(StunError) -> UInt64 {
    guard let duration else { return never }
    if duration < .zero { throw .invalid("\(what) is negative") }
    return duration.saturatedNanoseconds
}

/// A duration of the library's, never being `nil`.
func duration(_ nanoseconds: UInt64) -> Duration? {
    nanoseconds == never ? nil : Duration(nanoseconds: nanoseconds)
}

/// A time of the library's, never being `nil`.
func timestamp(_ nanoseconds: UInt64) -> Timestamp? {
    nanoseconds == never ? nil : Timestamp(nanoseconds: nanoseconds)
}
