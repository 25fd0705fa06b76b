internal import StunRaw

/// Starting operations, and commands to them and to the agent as a whole. Drain after a command: it says what to send.
extension Agent {
    /// Starts a binding, which asks at once.
    ///
    /// - Returns: its id.
    /// - Throws: ``StunError`` `invalid` if the configuration contradicts itself, `limit` if there are too many
    ///   operations. The same for all of these.
    public func startBinding(_ config: BindingConfig, now: Timestamp) throws(StunError) -> OperationID {
        let options = try config.raw()
        return OperationID(rawValue: try call { try $0.startBinding(options: options, now: now.nanoseconds) })
    }

    /// Starts a survey of several servers.
    public func startSurvey(_ config: SurveyConfig, now: Timestamp) throws(StunError) -> OperationID {
        let options = try config.raw()
        return OperationID(rawValue: try call { try $0.startSurvey(options: options, now: now.nanoseconds) })
    }

    /// Starts a server.
    public func startServer(_ config: ServerConfig, now: Timestamp) throws(StunError) -> OperationID {
        let options = try config.raw()
        return OperationID(rawValue: try call { try $0.startServer(options: options, now: now.nanoseconds) })
    }

    /// Starts a diagnosis of the NAT (RFC 5780).
    public func startNatProbe(_ config: NatConfig, now: Timestamp) throws(StunError) -> OperationID {
        let options = try config.raw()
        return OperationID(rawValue: try call { try $0.startNatProbe(options: options, now: now.nanoseconds) })
    }

    /// Starts a TURN allocation (RFC 8656).
    public func startAllocation(_ config: AllocationConfig, now: Timestamp) throws(StunError) -> OperationID {
        let options = try config.raw()
        return OperationID(rawValue: try call { try $0.startAllocation(options: options, now: now.nanoseconds) })
    }

    /// Ends an operation at once, without an event and without a word to the server.
    ///
    /// - Throws: ``StunError`` `notFound`. The same for all that take an id.
    public func cancel(_ id: OperationID, now: Timestamp) throws(StunError) {
        try call { try $0.cancel(id: id.rawValue, now: now.nanoseconds) }
    }

    /// Keeps a binding alive that often from now on, at least 1 s; `nil` keeps it no longer.
    public func setRefresh(_ interval: Duration?, of id: OperationID, now: Timestamp) throws(StunError) {
        let interval = try nanoseconds(interval, "the interval")
        try call { try $0.setRefresh(id: id.rawValue, interval: interval, now: now.nanoseconds) }
    }

    /// Says whether to follow a redirection, after ``Redirection/awaitsAnswer``. Unasked it does nothing.
    ///
    /// - Throws: ``StunError`` `notFound` if no operation of that id could ask.
    public func answerRedirect(_ id: OperationID, accept: Bool, now: Timestamp) throws(StunError) {
        try call { try $0.answerRedirect(id: id.rawValue, accept: accept, now: now.nanoseconds) }
    }

    /// The socket or connection that a binding or an allocation has asked for with ``Event/reconnect(_:)`` is open.
    ///
    /// - Throws: ``StunError`` `state` or `invalid` if it cannot go there.
    public func reconnected(
        _ id: OperationID, to remote: SocketAddress, now: Timestamp, local: SocketAddress? = nil,
        transport: Transport = .udp, socketID: UInt32 = 0
    ) throws(StunError) {
        let bits = meta(transport, socketID, .notECT)
        try call { raw in
            try raw.reconnected(
                id: id.rawValue, local: Endpoint(local), remote: Endpoint(remote), meta: bits, now: now.nanoseconds)
        }
    }

    /// The host's addresses are these from now on. Operations whose local address is gone begin again from another
    /// one, and say so with ``Event/restarted(_:)``.
    public func networkChanged(_ hosts: [IPAddress], now: Timestamp) throws(StunError) {
        try call { try $0.networkChanged(hosts: hosts.map { Endpoint($0) }, now: now.nanoseconds) }
    }

    /// Trades punctuality for wake-ups.
    public func setPower(_ profile: PowerProfile, now: Timestamp) throws(StunError) {
        let slack = try nanoseconds(profile.maxSlack, "maxSlack")
        let refresh = try nanoseconds(profile.refresh, "refresh")
        try call { try $0.setPower(maxSlack: slack, refresh: refresh, now: now.nanoseconds) }
    }

    /// The time between requests to one server that had to wait because ten were outstanding there (RFC 8489 s6.2.1).
    public func setPacing(_ interval: Duration) throws(StunError) {
        let interval = try nanoseconds(interval, "the interval")
        try call { try $0.setPacing(interval: interval) }
    }

    /// The domain that a redirection has named, for the certificate of a TLS server (RFC 8489 s14.16); `nil` if it has
    /// named none.
    public func alternateDomain(of id: OperationID) throws(StunError) -> String? {
        try call { try $0.alternateDomain(id: id.rawValue) }
    }

    /// Adds a user to a server's realm, or changes a password.
    ///
    /// - Throws: ``StunError`` `notFound` if no server with a realm has that id, `invalid` for an impossible name or
    ///   password.
    public func addUser(_ name: String, password: String, to server: OperationID) throws(StunError) {
        try call { try $0.addUser(id: server.rawValue, user: User(name: name, password: password)) }
    }

    /// Removes a user of a server's realm.
    ///
    /// - Returns: whether there was one.
    /// - Throws: ``StunError`` `notFound` if no server with a realm has that id.
    @discardableResult
    public func removeUser(_ name: String, from server: OperationID) throws(StunError) -> Bool {
        try call { try $0.removeUser(id: server.rawValue, name: name) }
    }
}
