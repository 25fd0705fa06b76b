internal import StunRaw

/// Answers Binding requests. The default answers everything that arrives anywhere, within a budget.
public struct ServerConfig: Hashable, Sendable {
    /// Answer only what arrives here; an unspecified IP is any IP, port 0 any port, `nil` everywhere.
    public var local: SocketAddress?
    /// Answer only requests signed with it (RFC 8489 s9.1).
    public var credentials: ShortTerm?
    /// Answer only users of this realm, who sign with long-term credentials (RFC 8489 s9.2).
    public var realm: Realm?
    /// Answer clients of RFC 3489 too, whose requests have no magic cookie. Not together with credentials.
    public var answersRFC3489 = false
    /// What networks that have proved nothing are kept to; `nil` keeps them to nothing.
    public var budget: Budget? = Budget()
    /// Serve the discovery of NATs' behaviour (RFC 5780).
    public var behavior: Behavior?

    /// Answers what arrives there.
    ///
    /// - Parameter local: an unspecified IP is any IP, port 0 any port, `nil` everywhere.
    public init(local: SocketAddress? = nil) {
        self.local = local
    }

    /// A realm and its users.
    public struct Realm: Hashable, Sendable {
        /// 1 to 127 bytes.
        public var name: String
        /// Names and passwords; see also ``Agent/addUser(_:password:to:)``.
        public var users: [String: String]
        /// How long a nonce is good for; `nil` is ten minutes.
        public var nonceLifetime: Duration?
        /// Offer SHA-256 beside MD5.
        public var passwordAlgorithms = true
        /// Take USERHASH in place of a username (RFC 8489 s14.4).
        public var usernameAnonymity = true

        /// A realm and its users, name to password.
        ///
        /// - Parameters:
        ///   - name: 1 to 127 bytes.
        ///   - users: name to password.
        public init(_ name: String, users: [String: String] = [:]) {
            self.name = name
            self.users = users
        }
    }

    /// What a network may cost that has proved nothing.
    public struct Budget: Hashable, Sendable {
        /// Bytes sent for a hundred received, at least 1; `nil` is no limit.
        public var amplificationPercent: Int? = Int(library.amplificationPercent)
        /// Bytes of errors in a second.
        public var errorBytesPerSecond = Int(library.errorBytesPerSecond)
        /// Bytes of errors at once after a while of quiet.
        public var errorBurst = Int(library.errorBurst)

        /// The library's own.
        public init() {}
    }

    /// How the discovery of NATs' behaviour is served (RFC 5780).
    public enum Behavior: Hashable, Sendable {
        /// With the one address `local`: no OTHER-ADDRESS, and 420 for CHANGE-REQUEST.
        case single
        /// With two IP addresses and two ports, which are four sockets of the host's.
        case alternate(Alternate)
    }

    /// Another IP address and another port than those of `local`. The host has four sockets then, on both addresses
    /// with both ports, and hands in what arrives with the `local` where it arrived.
    public struct Alternate: Hashable, Sendable {
        /// The other IP address and the other port.
        public var address: SocketAddress
        /// The two IP addresses as clients see them, where the server is behind a NAT that maps no ports.
        public var publicHosts: [IPAddress] = []
        /// The host's numbers for the sockets at local IP and port, local IP and other port, other IP and local port,
        /// other IP and port: 4, or none if they do not matter.
        public var socketIDs: [UInt32] = []

        /// Another IP address and another port.
        ///
        /// - Parameter address: both differ from those of `local`.
        public init(_ address: SocketAddress) {
            self.address = address
        }
    }
}

extension ServerConfig {
    func raw() throws(StunError) -> ServerOptions {
        if realm?.name == "" { throw .invalid("a realm has a name") }
        if budget?.amplificationPercent == 0 { throw .invalid("amplificationPercent is 0") }
        let limits = budget ?? Budget()
        var alternate: Alternate?
        if case let .alternate(given) = behavior { alternate = given }
        return ServerOptions(
            local: Endpoint(local), credentials: credentials?.raw, realm: realm?.name ?? "",
            users: (realm?.users ?? [:]).map { User(name: $0.key, password: $0.value) },
            nonceLifetime: try nanoseconds(realm?.nonceLifetime, "nonceLifetime"),
            passwordAlgorithms: realm?.passwordAlgorithms ?? true,
            usernameAnonymity: realm?.usernameAnonymity ?? true, answersRfc3489: answersRFC3489,
            budget: budget != nil,
            amplificationPercent: try count(limits.amplificationPercent ?? 0, "amplificationPercent"),
            errorBytesPerSecond: try count(limits.errorBytesPerSecond, "errorBytesPerSecond"),
            errorBurst: try count(limits.errorBurst, "errorBurst"), behaviorSingle: behavior == .single,
            alternate: Endpoint(alternate?.address),
            publicHosts: (alternate?.publicHosts ?? []).map { Endpoint($0) }, socketIds: alternate?.socketIDs ?? [])
    }
}

extension ServerConfig.Realm: CustomStringConvertible, CustomReflectable {
    /// The name, and how many users there are.
    public var description: String { "Realm(\"\(name)\", \(users.count) users)" }
    /// What is shown of it: all but the passwords.
    public var customMirror: Mirror {
        Mirror(
            self,
            children: [
                "name": name, "users": users.keys.sorted(), "nonceLifetime": nonceLifetime as Any,
                "passwordAlgorithms": passwordAlgorithms, "usernameAnonymity": usernameAnonymity,
            ])
    }
}
