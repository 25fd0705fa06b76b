extension Driver {
    /// An operation that runs on a driver.
    ///
    /// One that nobody refers to any more goes on all the same, until ``cancel()`` or the driver's end. It keeps its
    /// driver open.
    public class Operation: @unchecked Sendable {
        // Sendable, since nothing in it changes: the record is for the driver's queue.
        /// The driver that it runs on.
        public let driver: Driver
        let record: OperationRecord

        init(_ driver: Driver, _ record: OperationRecord) {
            self.driver = driver
            self.record = record
        }

        /// Its number, as in ``AgentEvent/id``.
        public var id: OperationID { record.id }

        /// What happens to it, from its start. For one reader; ``Driver/events()`` is for any number. Finishes after
        /// the last event, when it is cancelled, with the driver, and when a task that reads it is cancelled. 1024
        /// events are kept; of more the oldest are dropped and counted, so that the last one is always there.
        public var events: AsyncStream<AgentEvent> { record.events }

        /// Whether events can still come.
        public var isRunning: Bool { get async { await driver.isRunning(record) } }

        /// Waits for the last event. Throws an ``OperationFailedError`` if that is a failure, and a ``StunError`` if it
        /// was cancelled or the driver closed. Cancelling the task cancels the operation.
        @discardableResult
        public func finished() async throws -> AgentEvent { try await driver.finished(record) }

        /// Ends it without another event. Does nothing if it has ended.
        public func cancel() async { await driver.cancel(record) }
    }

    /// A binding that is kept alive.
    public final class Binding: Operation, @unchecked Sendable {
        /// The public address as the server saw it last; `nil` until it has.
        public var address: SocketAddress? { get async { await driver.address(record) } }

        /// Waits for the public address.
        ///
        /// Throws an ``OperationFailedError`` if the first attempt to ask for it fails, though one that is refreshed
        /// asks again, and a ``StunError`` if it was cancelled or the driver closed. Cancelling the task cancels it.
        public func mapped() async throws -> SocketAddress { try await driver.mapped(record) }

        /// Keeps it alive that often from now on, at least 1 s; `nil` keeps it no longer.
        public func setRefresh(_ interval: Duration?) async throws { try await driver.setRefresh(interval, of: record) }

        /// Answers ``Event/redirected(_:)`` where that waits for it: follows, or fails.
        public func answerRedirect(accept: Bool) async throws { try await driver.answerRedirect(record, accept) }
    }

    /// A server of Binding requests.
    public final class Server: Operation, @unchecked Sendable {
        /// Adds a user to its realm, or changes a password.
        public func addUser(_ name: String, password: String) async throws {
            try await driver.addUser(name, password, to: record)
        }

        /// Removes a user from its realm. False if there was none.
        @discardableResult
        public func removeUser(_ name: String) async throws -> Bool { try await driver.removeUser(name, from: record) }
    }
}

// Starting ------------------------------------------------------------------------------------------------------------

extension Driver {
    /// Asks for the public address, and goes on asking so that the NAT keeps it.
    ///
    /// The socket is that of the server's family, or the one at `local`; where `socketID` is given, the configuration
    /// is taken as it is. The same for all of these. They throw a ``SystemError`` if there is no such socket, and a
    /// ``StunError`` for what contradicts itself; nothing has started then. The driver speaks UDP only.
    public func startBinding(_ config: BindingConfig) throws -> Binding {
        Binding(self, try beginBinding(config))
    }

    /// Asks many servers at once, or one after the other as a race.
    public func startSurvey(_ config: SurveyConfig) throws -> Operation {
        Operation(self, try beginSurvey(config))
    }

    /// Answers Binding requests that arrive at this driver's sockets, until it is cancelled. With
    /// ``ServerConfig/Alternate`` the driver was opened with all four addresses (RFC 5780).
    public func startServer(_ config: ServerConfig) throws -> Server {
        let placed = try withSockets(config)
        return Server(self, try core.begin { agent, now in try agent.startServer(placed, now: now) })
    }

    /// Finds out what the NAT does (RFC 5780), from two sockets of its own: a test of how it filters needs sockets that
    /// nothing was sent from before. Of `local` the port means nothing; `second` and the numbers are replaced.
    public func startNatProbe(_ config: NatConfig) throws -> Operation {
        try core.checkOpen()
        try refuseStreams(.udp)
        let host = SocketAddress(try core.sockets.pick(config.server.ip, local: nil).local.ip, port: 0)
        var opened: [DriverSocket] = []
        do {
            for _ in 0..<2 { opened.append(try core.sockets.open(host, isPrivate: true)) }
            var placed = config
            (placed.local, placed.socketID) = (opened[0].local, opened[0].id)
            (placed.second, placed.secondSocketID) = (opened[1].local, opened[1].id)
            placed.own = config.own ?? UDPSystem.address(towards: config.server)
            let record = try core.begin { [placed] agent, now in
                let id = try agent.startNatProbe(placed, now: now)
                for socket in opened { socket.owner = id }
                return id
            }
            return Operation(self, record)
        } catch {
            opened.forEach(core.sockets.retire)
            throw error
        }
    }

    func beginBinding(_ config: BindingConfig) throws -> OperationRecord {
        try core.checkOpen()
        try refuseStreams(config.transport)
        var placed = config
        if config.socketID == 0 {
            let socket = try core.sockets.pick(config.server.ip, local: config.local)
            (placed.local, placed.socketID) = (socket.local, socket.id)
        }
        return try core.begin { [placed] agent, now in try agent.startBinding(placed, now: now) }
    }

    func beginSurvey(_ config: SurveyConfig) throws -> OperationRecord {
        try core.checkOpen()
        var placed = config
        for place in placed.targets.indices {
            let target = placed.targets[place]
            try refuseStreams(target.transport)
            if target.socketID != 0 { continue }
            let socket = try core.sockets.pick(target.server.ip, local: target.local)
            (placed.targets[place].local, placed.targets[place].socketID) = (socket.local, socket.id)
        }
        return try core.begin { [placed] agent, now in try agent.startSurvey(placed, now: now) }
    }

    func refuseStreams(_ transport: Transport) throws(StunError) {
        if transport != .udp { throw .invalid("a driver has no connections: use an Agent for TCP and TLS") }
    }

    /// The configuration with the numbers of the four sockets of RFC 5780.
    private func withSockets(_ config: ServerConfig) throws(StunError) -> ServerConfig {
        guard let first = config.local, case var .alternate(other) = config.behavior, other.socketIDs.isEmpty else {
            return config
        }
        other.socketIDs = []
        for ip in [first.ip, other.address.ip] {
            for port in [first.port, other.address.port] {
                let wanted = SocketAddress(ip, port: port)
                guard let socket = core.sockets.shared.first(where: { $0.local == wanted }) else {
                    throw .invalid("RFC 5780 needs a socket at \(wanted): open the driver with it")
                }
                other.socketIDs.append(socket.id)
            }
        }
        var placed = config
        placed.behavior = .alternate(other)
        return placed
    }
}

// What operations ask their driver ------------------------------------------------------------------------------------

extension Driver {
    func isRunning(_ record: OperationRecord) -> Bool { !record.isOver }

    func address(_ record: OperationRecord) -> SocketAddress? { record.address }

    func cancel(_ record: OperationRecord) { core.cancel(record) }

    func finished(_ record: OperationRecord) async throws -> AgentEvent {
        try await cancelling(record) { record in
            guard let last = record.last else { return try record.nothingYet() }
            if case let .failed(failure) = last.event { throw OperationFailedError(failure: failure) }
            return last
        }
    }

    func mapped(_ record: OperationRecord) async throws -> SocketAddress {
        try await cancelling(record) { try $0.mapped() }
    }

    /// Waits, and cancels the operation when its caller's task is cancelled.
    func cancelling<T>(_ record: OperationRecord, _ check: (OperationRecord) throws -> T?) async throws -> T {
        do {
            return try await until(record, check)
        } catch let error as CancellationError {
            core.cancel(record)
            throw error
        }
    }

    func setRefresh(_ interval: Duration?, of record: OperationRecord) throws {
        try core.command { agent, now in try agent.setRefresh(interval, of: record.id, now: now) }
    }

    func answerRedirect(_ record: OperationRecord, _ accept: Bool) throws {
        try core.command { agent, now in try agent.answerRedirect(record.id, accept: accept, now: now) }
    }

    func addUser(_ name: String, _ password: String, to record: OperationRecord) throws {
        try core.command { agent, _ in try agent.addUser(name, password: password, to: record.id) }
    }

    func removeUser(_ name: String, from record: OperationRecord) throws -> Bool {
        try core.command { agent, _ in try agent.removeUser(name, from: record.id) }
    }
}
