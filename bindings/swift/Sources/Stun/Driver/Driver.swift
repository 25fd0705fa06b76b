internal import Dispatch

/// An ``Agent`` with UDP sockets and a loop of its own.
///
///     let driver = try Driver.open()
///     print(try await driver.mappedAddress(of: "stun.example.org"))
///     await driver.close()
///
/// Commands have taken effect when they return, and misuse throws a ``StunError`` then. Whoever waits for what it has
/// started, and whose task is cancelled meanwhile, gets a `CancellationError`, and what it waited for is cancelled too.
///
/// Without a local address it has a socket for IPv4 and one for IPv6, or the one that the host can have: servers of
/// either family are asked from one driver. A socket of IPv6 takes no IPv4. Tell it with ``networkChanged(_:)`` when
/// the network has changed.
///
/// A driver that nobody refers to any more closes itself; ``close()`` says when that is done. It does not learn of ICMP
/// errors, and so a port that is closed looks like a server that is silent. Nor does it learn to which of the host's
/// addresses a datagram came: open a server on a host with several with each of them, rather than with none.
public actor Driver {
    nonisolated let core: DriverCore
    private let executor: QueueExecutor

    /// The queue that everything of a driver runs on.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private init(_ core: DriverCore) {
        self.core = core
        executor = QueueExecutor(core.queue)
    }

    deinit {
        core.queue.async { [core] in core.close(.driverClosed) }
    }

    /// Opens the sockets and starts the loop.
    ///
    /// `local` is an address of the host, with port 0 for any; `nil` is any address of each family. Throws a
    /// ``SystemError`` if a socket cannot be opened, and a ``StunError`` if the options contradict themselves.
    public static func open(local: SocketAddress? = nil, options: DriverOptions = DriverOptions()) throws -> Driver {
        let core = try DriverCore(options)
        try core.queue.sync { try core.start((local.map { [$0] } ?? []) + options.moreLocals) }
        return Driver(core)
    }

    /// What the sockets are bound to, in the order in which they were opened.
    public var localAddresses: [SocketAddress] { core.sockets.shared.map(\.local) }

    /// What the first socket is bound to; `nil` if there is none (any more).
    public var localAddress: SocketAddress? { localAddresses.first }

    /// What it has done since it was opened.
    public var counters: DriverCounters { core.counters }

    // What happens ----------------------------------------------------------------------------------------------------

    /// The events of all operations from now on. Every call gives another listener a stream of its own, which finishes
    /// with the driver. 1024 events are kept for each; of more the oldest are dropped, and counted.
    public nonisolated func events() -> AsyncStream<AgentEvent> {
        core.events.stream(.bufferingNewest(DriverLimits.events))
    }

    /// Datagrams that are not the agent's from now on: other protocols' on the same sockets. Every call gives another
    /// listener a stream of its own, which finishes with the driver. 1024 are kept for each, and those beyond are lost
    /// and counted, as in the buffer of a socket.
    public nonisolated func datagrams() -> AsyncStream<ReceivedDatagram> {
        core.datagrams.stream(.bufferingOldest(DriverLimits.packets))
    }

    /// Sends a datagram of another protocol, from the socket of its family. Throws a ``SystemError`` if the system does
    /// not take it; that it has taken it does not mean that it arrives.
    public func send(_ bytes: [UInt8], to remote: SocketAddress) throws {
        try core.send(bytes, to: remote)
    }

    // The public address ----------------------------------------------------------------------------------------------

    /// Asks a server once for the public address of this driver's socket.
    ///
    /// A server that is silent is given up after 39.5 s; cancelling the task ends it earlier, and the request with it.
    /// Throws an ``OperationFailedError`` which says why there is none, a ``SystemError`` if there is no socket of the
    /// server's family, a ``StunError`` if the driver is closed, also meanwhile, and a `CancellationError`.
    public func mappedAddress(
        of server: SocketAddress, credentials: Credentials? = nil
    ) async throws -> SocketAddress {
        try core.checkOpen()
        try Task.checkCancellation()
        let config = BindingConfig(server: server, refresh: nil, credentials: credentials)
        let record = try beginBinding(config)
        defer { core.cancel(record) }
        return try await until(record) { try $0.mapped() }
    }

    /// The same for a name: `stun.example.org`, `stun.example.org:3478`, `192.0.2.1`, `[2001:db8::1]:3478`. The port is
    /// 3478 unless given. If a name has several addresses they are raced, IPv6 and IPv4 in turn (RFC 8305). Throws a
    /// ``SystemError`` also if the name has no address that there is a socket for.
    ///
    /// A look-up that has begun cannot be stopped: nobody waits for it, but a thread of the system's may.
    public func mappedAddress(of server: String, credentials: Credentials? = nil) async throws -> SocketAddress {
        try core.checkOpen()
        try Task.checkCancellation()
        let name = try ServerName(server)
        let found = try await lookUp(name)
        let families = Set(core.sockets.sharedAddresses.map(\.ip.family))
        let addresses = ServerName.inTurn(found.filter { families.contains($0.ip.family) })
        guard let first = addresses.first else {
            throw SystemError("\(name.host) has no address that there is a socket for", code: 0)
        }
        if addresses.count == 1 { return try await mappedAddress(of: first, credentials: credentials) }
        return try await race(Array(addresses.prefix(ServerName.mostAddresses)), credentials)
    }

    func race(_ servers: [SocketAddress], _ credentials: Credentials?) async throws -> SocketAddress {
        var config = SurveyConfig(targets: servers.map { SurveyTarget(server: $0) })
        config.enough = 1
        config.deadline = nil
        config.attemptDelay = SurveyConfig.raceDelay
        config.credentials = credentials
        let record = try beginSurvey(config)
        defer { core.cancel(record) }
        return try await until(record) { record in
            if let address = record.address { return address }
            // Of several that fail, only the last decides.
            if record.last != nil, let failure = record.failure { throw OperationFailedError(failure: failure) }
            return try record.nothingYet()
        }
    }

    // The host --------------------------------------------------------------------------------------------------------

    /// The host's addresses are these from now on. Call it when a network has come, gone or changed.
    ///
    /// What was asked from an address that is gone goes on from the first of its family, where the driver opens a
    /// socket; sockets at addresses that are gone are closed. If that socket cannot be opened, its operations are told
    /// with each request, as of any that cannot be sent, and each tries again. Sockets that are bound to no address, as
    /// without `local`, stay, and are asked again at once what their public address is.
    public func networkChanged(_ addresses: [IPAddress]) throws {
        try core.networkChanged(addresses)
    }

    /// How the agent trades packets for wake-ups: ``PowerProfile/idle`` lets refreshes wait for each other.
    public func setPower(_ profile: PowerProfile) throws {
        try core.command { agent, now in try agent.setPower(profile, now: now) }
    }

    /// The time between requests to one server that had to wait because ten were outstanding there.
    public func setPacing(_ interval: Duration) throws {
        try core.command { agent, _ in try agent.setPacing(interval) }
    }

    /// How many operations run.
    public var operationCount: Int {
        get throws { try core.query { agent, _ in try agent.operationCount } }
    }

    /// Ends everything: whoever waits gets a ``StunError`` of code ``StunError/Code/closed``, and streams finish with
    /// what is left in them. Relays are given back to their servers, without waiting for an answer. Returns when all
    /// descriptors are closed. Once more does nothing.
    public func close() async {
        core.close(.driverClosed)
        await withCheckedContinuation { core.whenClosed($0) }
    }
}

/// Runs an actor on a dispatch queue, so that what the queue's sources call may use what the actor uses.
private final class QueueExecutor: SerialExecutor {
    private let queue: DispatchQueue

    init(_ queue: DispatchQueue) {
        self.queue = queue
    }

    #if canImport(Darwin)
        // The later form is not there in all the systems that are supported.
        func enqueue(_ job: UnownedJob) {
            queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
        }
    #else
        func enqueue(_ job: consuming ExecutorJob) {
            let job = UnownedJob(job)
            queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
        }
    #endif

    func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }
}
