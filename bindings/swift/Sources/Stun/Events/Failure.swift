/// Why something has failed.
public struct Failure: Hashable, Sendable {
    /// Why; it says which of the others are there.
    public let reason: FailureReason
    /// An error code (RFC 8489 s14.8) or the type of an attribute.
    public let code: Int?
    /// How many unsigned answers came, for ``FailureReason/integrity``.
    public let count: Int?
    /// More, for ``FailureReason/authentication``, ``FailureReason/redirected`` and ``FailureReason/sendFailed``.
    public let detail: FailureDetail?

    init(reason: UInt32, code: UInt32, count: UInt32) {
        let known = FailureReason(rawValue: reason) ?? .other
        self.reason = known
        switch known {
        case .integrity:
            (self.code, self.count, detail) = (code == 0 ? nil : Int(clamping: code), Int(clamping: count), nil)
        case .errorResponse, .unknownAttribute, .notUnderstood:
            (self.code, self.count, detail) = (Int(clamping: code), nil, nil)
        case .sendFailed:
            (self.code, self.count) = (nil, nil)
            detail = .sendError(SendError(rawValue: code) ?? .transient)
        case .authentication:
            (self.code, self.count) = (nil, nil)
            detail = .authentication(AuthenticationFailure(rawValue: code) ?? .other)
        case .redirected:
            (self.code, self.count) = (nil, nil)
            detail = .redirect(RedirectRefusal(rawValue: code) ?? .other)
        default:
            (self.code, self.count, detail) = (nil, nil, nil)
        }
    }
}

/// More about a failure.
public enum FailureDetail: Hashable, Sendable {
    /// Why a challenge was not met.
    case authentication(AuthenticationFailure)
    /// Why a redirection was not followed.
    case redirect(RedirectRefusal)
    /// Why it could not be sent.
    case sendError(SendError)
}

/// Why something has failed; ``Failure`` says more.
public enum FailureReason: UInt32, Sendable, CaseIterable {
    /// Nobody answered in time.
    case timeout = 1
    /// ``Failure/count`` answers came, none signed with the password; ``Failure/code`` is the last one's error code.
    case integrity = 2
    /// The server refused with error ``Failure/code``.
    case errorResponse = 3
    /// An error response without a usable ERROR-CODE.
    case malformedError = 4
    /// The response demands to understand attribute ``Failure/code``.
    case unknownAttribute = 5
    /// A success response without a usable mapped address.
    case noMappedAddress = 6
    /// It could not be sent: see ``Failure/detail``.
    case sendFailed = 7
    /// The server does not understand attribute ``Failure/code`` of the request (420).
    case notUnderstood = 8
    /// The server's challenge was not met: see ``Failure/detail``.
    case authentication = 9
    /// The server named another one that was not asked: see ``Failure/detail``. With ``RedirectPolicy/refuse`` it is an
    /// ``errorResponse`` with code 300 like any other.
    case redirected = 10
    /// The local address is gone, and there is none of its family.
    case networkChanged = 11
    /// A success response without a usable relayed address.
    case noRelayedAddress = 15
    /// The relayed address is of a family that was not asked for.
    case wrongFamily = 16
    /// The server gave no lifetime, or an impossible one.
    case impossibleLifetime = 17
    /// The relay's lifetime ended before the server could be asked.
    case expired = 18
    /// The relay that it belongs to is gone.
    case allocationLost = 19
    /// A reason that is newer than this module.
    case other = 255
}

/// Why a challenge was not met (RFC 8489 s9.2.5).
public enum AuthenticationFailure: UInt32, Sendable, CaseIterable {
    /// A reason that is newer than this module.
    case other = 0
    /// The server rejects the credentials.
    case rejected = 1
    /// The challenge names no realm.
    case noRealm = 2
    /// The challenge has no nonce.
    case noNonce = 3
    /// The nonce that is called stale is offered again.
    case sameNonce = 4
    /// The server challenges again and again.
    case tooManyChallenges = 5
    /// Somebody on the path takes security away.
    case bidDown = 6
    /// The server offers no algorithm that is known.
    case noKnownAlgorithm = 7
    /// SHA-256 was demanded, and is not offered.
    case sha256NotOffered = 8
    /// USERHASH was demanded, and is not taken.
    case anonymityNotOffered = 9
}

/// Why a redirection was not followed.
public enum RedirectRefusal: UInt32, Sendable, CaseIterable {
    /// A reason that is newer than this module.
    case other = 0
    /// The host declined.
    case declined = 1
    /// The other server is of another family.
    case otherFamily = 2
    /// Nothing may be sent to the other server's address.
    case unusableAddress = 3
    /// It leads back to a server that was asked in the last five minutes.
    case loop = 4
    /// Four servers in a row have redirected.
    case tooMany = 5
}

/// Why an allocation needs other credentials.
public enum CredentialsNeed: UInt32, Sendable, CaseIterable {
    /// A reason that is newer than this module.
    case other = 0
    /// The server rejects those that it was given. Nothing is sent until there are others.
    case rejected = 1
    /// They expire. What is there goes on meanwhile.
    case expiring = 2
}

/// What the answers to one socket tell of the NAT.
public enum ObservedMapping: UInt32, Sendable, CaseIterable {
    /// Too few answers to compare.
    case unknown = 0
    /// All servers saw the same address.
    case sameEverywhere = 1
    /// Servers of different IP addresses saw different addresses: peers need a relay.
    case dependsOnAddress = 2
    /// Even two ports of one server saw different ones.
    case dependsOnPort = 3
}
