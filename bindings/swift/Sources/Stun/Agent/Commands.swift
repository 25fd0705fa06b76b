internal import StunRaw

/// Starting operations, and commands to them and to the agent as a whole. Drain after a command: it says what to send.
///
/// Each of them also throws ``StunError`` `invalid` if `now` stands for never, and `closed` after ``close()``.
extension Agent {
    /// Starts a binding, which asks at once (RFC 8489).
    ///
    /// - Parameters:
    ///   - config: whom to ask, and how.
    ///   - now: the time.
    /// - Returns: its id.
    /// - Throws: ``StunError`` `invalid` if the configuration contradicts itself, `limit` if there are too many
    ///   operations.
    public func startBinding(_ config: BindingConfig, now: Timestamp) throws(StunError) -> OperationID {
        let options = try config.raw()
        return OperationID(rawValue: try call { try $0.startBinding(options: options, now: now.nanoseconds) })
    }

    /// Starts a survey of several servers.
    ///
    /// - Parameters:
    ///   - config: whom to ask, and how.
    ///   - now: the time.
    /// - Returns: its id.
    /// - Throws: ``StunError`` `invalid` or `limit`, as ``startBinding(_:now:)``.
    public func startSurvey(_ config: SurveyConfig, now: Timestamp) throws(StunError) -> OperationID {
        let options = try config.raw()
        return OperationID(rawValue: try call { try $0.startSurvey(options: options, now: now.nanoseconds) })
    }

    /// Starts a server of Binding requests (RFC 8489 s12).
    ///
    /// - Parameters:
    ///   - config: whom to answer, and how.
    ///   - now: the time.
    /// - Returns: its id.
    /// - Throws: ``StunError`` `invalid` or `limit`, as ``startBinding(_:now:)``.
    public func startServer(_ config: ServerConfig, now: Timestamp) throws(StunError) -> OperationID {
        let options = try config.raw()
        return OperationID(rawValue: try call { try $0.startServer(options: options, now: now.nanoseconds) })
    }

    /// Starts a diagnosis of the NAT (RFC 5780).
    ///
    /// - Parameters:
    ///   - config: whom to ask, and what to find out.
    ///   - now: the time.
    /// - Returns: its id.
    /// - Throws: ``StunError`` `invalid` or `limit`, as ``startBinding(_:now:)``.
    public func startNatProbe(_ config: NatConfig, now: Timestamp) throws(StunError) -> OperationID {
        let options = try config.raw()
        return OperationID(rawValue: try call { try $0.startNatProbe(options: options, now: now.nanoseconds) })
    }

    /// Starts a TURN allocation (RFC 8656 s7).
    ///
    /// - Parameters:
    ///   - config: whom to ask, and for what.
    ///   - now: the time.
    /// - Returns: its id.
    /// - Throws: ``StunError`` `invalid` or `limit`, as ``startBinding(_:now:)``.
    public func startAllocation(_ config: AllocationConfig, now: Timestamp) throws(StunError) -> OperationID {
        let options = try config.raw()
        return OperationID(rawValue: try call { try $0.startAllocation(options: options, now: now.nanoseconds) })
    }

    /// Ends an operation at once, without an event and without a word to the server.
    ///
    /// - Parameters:
    ///   - id: which one.
    ///   - now: the time.
    /// - Throws: ``StunError`` `notFound` if no operation has that id, or it has ended.
    public func cancel(_ id: OperationID, now: Timestamp) throws(StunError) {
        try call { try $0.cancel(id: id.rawValue, now: now.nanoseconds) }
    }

    /// Changes how often a binding is kept alive.
    ///
    /// - Parameters:
    ///   - interval: ask again this long after the last request, at least 1 s; `nil` keeps it no longer.
    ///   - id: which binding.
    ///   - now: the time.
    /// - Throws: ``StunError`` `notFound` if no binding has that id, `invalid` if the interval is too short.
    public func setRefresh(_ interval: Duration?, of id: OperationID, now: Timestamp) throws(StunError) {
        let interval = try nanoseconds(interval, "the interval")
        try call { try $0.setRefresh(id: id.rawValue, interval: interval, now: now.nanoseconds) }
    }

    /// Says whether to follow a redirection, after ``Redirection/awaitsAnswer``. Unasked it does nothing.
    ///
    /// - Parameters:
    ///   - id: which operation asked.
    ///   - accept: whether to ask the server that was named.
    ///   - now: the time.
    /// - Throws: ``StunError`` `notFound` if no operation of that id could ask.
    public func answerRedirect(_ id: OperationID, accept: Bool, now: Timestamp) throws(StunError) {
        try call { try $0.answerRedirect(id: id.rawValue, accept: accept, now: now.nanoseconds) }
    }

    /// The socket or connection that a binding or an allocation has asked for with ``Event/reconnect(_:)`` is open.
    ///
    /// - Parameters:
    ///   - id: which operation asked.
    ///   - remote: the server that it leads to.
    ///   - now: the time.
    ///   - local: what it is bound to; `nil` if that does not matter.
    ///   - transport: what was opened.
    ///   - socketID: the host's number for it.
    /// - Throws: ``StunError`` `notFound`, and `state` or `invalid` if it cannot go there.
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
    ///
    /// - Parameters:
    ///   - hosts: all of them; zones mean nothing.
    ///   - now: the time.
    /// - Throws: ``StunError`` only as every command does.
    public func networkChanged(_ hosts: [IPAddress], now: Timestamp) throws(StunError) {
        try call { try $0.networkChanged(hosts: hosts.map { Endpoint($0) }, now: now.nanoseconds) }
    }

    /// Trades punctuality for wake-ups.
    ///
    /// - Parameters:
    ///   - profile: such as ``PowerProfile/idle`` when the device's user turns away.
    ///   - now: the time.
    /// - Throws: ``StunError`` `invalid` if a duration is negative.
    public func setPower(_ profile: PowerProfile, now: Timestamp) throws(StunError) {
        let slack = try nanoseconds(profile.maxSlack, "maxSlack")
        let refresh = try nanoseconds(profile.refresh, "refresh")
        try call { try $0.setPower(maxSlack: slack, refresh: refresh, now: now.nanoseconds) }
    }

    /// The time between requests to one server that had to wait because ten were outstanding there (RFC 8489 s6.2).
    ///
    /// - Parameter interval: from now on.
    /// - Throws: ``StunError`` `invalid` if it is negative.
    public func setPacing(_ interval: Duration) throws(StunError) {
        let interval = try nanoseconds(interval, "the interval")
        try call { try $0.setPacing(interval: interval) }
    }

    /// The domain that a redirection has named, for the certificate of a TLS server (RFC 8489 s14.16).
    ///
    /// - Parameter id: the binding or allocation that was redirected.
    /// - Returns: the domain; `nil` if none was named.
    /// - Throws: ``StunError`` `notFound` if no binding or allocation has that id.
    public func alternateDomain(of id: OperationID) throws(StunError) -> String? {
        try call { try $0.alternateDomain(id: id.rawValue) }
    }

    /// Adds a user to a server's realm, or changes a password.
    ///
    /// - Parameters:
    ///   - name: 1 to 508 bytes of UTF-8.
    ///   - password: at least 1 byte.
    ///   - server: the server's id.
    /// - Throws: ``StunError`` `notFound` if no server with a realm has that id, `invalid` for an impossible name or
    ///   password.
    public func addUser(_ name: String, password: String, to server: OperationID) throws(StunError) {
        try call { try $0.addUser(id: server.rawValue, user: User(name: name, password: password)) }
    }

    /// Removes a user of a server's realm.
    ///
    /// - Parameters:
    ///   - name: the user's.
    ///   - server: the server's id.
    /// - Returns: whether there was one.
    /// - Throws: ``StunError`` `notFound` if no server with a realm has that id, `invalid` for an impossible name.
    @discardableResult
    public func removeUser(_ name: String, from server: OperationID) throws(StunError) -> Bool {
        try call { try $0.removeUser(id: server.rawValue, name: name) }
    }
}
