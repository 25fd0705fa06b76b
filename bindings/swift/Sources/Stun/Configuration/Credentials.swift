internal import StunRaw

/// Whom a server shall know. Both strings are UTF-8 and prepared as OpaqueStrings by the library (RFC 8265 s4.2):
/// usernames of 1 to 508 bytes, passwords of at least 1.
///
/// No description shows a password.
public enum Credentials: Hashable, Sendable {
    /// Both ends know it beforehand, and every message is signed (RFC 8489 s9.1).
    case shortTerm(ShortTerm)
    /// The server challenges for it, naming the realm and the algorithms (RFC 8489 s9.2).
    case longTerm(LongTerm)

    /// A short-term credential; see ``ShortTerm``.
    ///
    /// - Parameters:
    ///   - username: 1 to 508 bytes of UTF-8.
    ///   - password: at least 1 byte.
    ///   - integrity: the only attribute to sign with and to accept; `nil` is both.
    /// - Returns: the credential.
    public static func shortTerm(
        username: String, password: String, integrity: Integrity? = nil
    ) -> Credentials {
        .shortTerm(ShortTerm(username: username, password: password, integrity: integrity))
    }

    /// A long-term credential; see ``LongTerm``.
    ///
    /// - Parameters:
    ///   - username: 1 to 508 bytes of UTF-8.
    ///   - password: at least 1 byte.
    ///   - requireSHA256: fail unless the server offers SHA-256.
    ///   - requireAnonymity: fail unless the server takes USERHASH.
    /// - Returns: the credential.
    public static func longTerm(
        username: String, password: String, requireSHA256: Bool = false, requireAnonymity: Bool = false
    ) -> Credentials {
        var credential = LongTerm(username: username, password: password)
        credential.requireSHA256 = requireSHA256
        credential.requireAnonymity = requireAnonymity
        return .longTerm(credential)
    }
}

/// An integrity attribute.
public enum Integrity: UInt32, Sendable, CaseIterable {
    /// MESSAGE-INTEGRITY (RFC 8489 s14.5).
    case sha1 = 1
    /// MESSAGE-INTEGRITY-SHA256 (RFC 8489 s14.6).
    case sha256 = 2
}

/// A credential that both ends know beforehand; every message is signed (RFC 8489 s9.1).
public struct ShortTerm: Hashable, Sendable {
    /// 1 to 508 bytes.
    public var username: String
    /// At least 1 byte.
    public var password: String
    /// The only attribute to sign with and to accept; `nil` is both, until the server has shown which one it knows.
    public var integrity: Integrity?

    /// A username and its password.
    ///
    /// - Parameters:
    ///   - username: 1 to 508 bytes of UTF-8.
    ///   - password: at least 1 byte.
    ///   - integrity: the only attribute to sign with and to accept; `nil` is both.
    public init(username: String, password: String, integrity: Integrity? = nil) {
        self.username = username
        self.password = password
        self.integrity = integrity
    }

    var raw: Credential {
        Credential(
            isLongTerm: false, username: username, password: password, integrity: integrity?.rawValue ?? 0,
            requireSha256: false, requireAnonymity: false)
    }
}

/// A credential for which the server challenges, naming the realm and the algorithms (RFC 8489 s9.2).
public struct LongTerm: Hashable, Sendable {
    /// 1 to 508 bytes.
    public var username: String
    /// At least 1 byte.
    public var password: String
    /// Fail unless the server offers SHA-256; nothing else is believed (RFC 8489 s9.2.1).
    public var requireSHA256 = false
    /// Fail unless the server takes USERHASH: the username is never sent in the clear (RFC 8489 s14.4).
    public var requireAnonymity = false

    /// A username and its password.
    ///
    /// - Parameters:
    ///   - username: 1 to 508 bytes of UTF-8.
    ///   - password: at least 1 byte.
    public init(username: String, password: String) {
        self.username = username
        self.password = password
    }

    var raw: Credential {
        Credential(
            isLongTerm: true, username: username, password: password, integrity: 0,
            requireSha256: requireSHA256, requireAnonymity: requireAnonymity)
    }
}

extension Credentials {
    var raw: Credential {
        switch self {
        case let .shortTerm(credential): credential.raw
        case let .longTerm(credential): credential.raw
        }
    }
}

// Passwords are in no description, also not in those that `dump` and string interpolation make of their holders.

extension ShortTerm: CustomStringConvertible, CustomReflectable {
    /// The username.
    public var description: String { "ShortTerm(username: \"\(username)\")" }
    /// What is shown of it: all but the password.
    public var customMirror: Mirror {
        Mirror(self, children: ["username": username, "integrity": integrity as Any])
    }
}

extension LongTerm: CustomStringConvertible, CustomReflectable {
    /// The username.
    public var description: String { "LongTerm(username: \"\(username)\")" }
    /// What is shown of it: all but the password.
    public var customMirror: Mirror {
        Mirror(
            self,
            children: [
                "username": username, "requireSHA256": requireSHA256, "requireAnonymity": requireAnonymity,
            ])
    }
}
