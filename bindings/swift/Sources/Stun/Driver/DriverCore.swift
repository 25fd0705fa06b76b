internal import Dispatch

/// What a ``Driver`` consists of: the agent, the sockets, the timer, and who is told what.
///
/// Everything in it is used on `queue` only, which is the driver's executor as well: never by two threads at once.
final class DriverCore: @unchecked Sendable {
    let queue = DispatchQueue(label: "libstun.driver")
    let sockets: DriverSockets
    let events: DriverListeners<AgentEvent>
    let datagrams: DriverListeners<ReceivedDatagram>
    private(set) var counters = DriverCounters()
    /// Why it is closed; `nil` while it is open.
    private(set) var closedBy: StunError?

    private let agent: Agent
    private let timer: any DispatchSourceTimer
    private let buffer: UnsafeMutableRawBufferPointer
    private var deadline: Timestamp?
    /// What the timer is set for, if it has not fired since.
    private var armed: Timestamp?
    private var isArmed = true
    private var isAwake = false
    private var hasSent = false
    private var isDrainWanted = false
    private var isTimerAlive = true

    private var records: [OperationID: OperationRecord] = [:]
    private var relays: [SocketAddress: OperationRecord] = [:]
    private var allocatedAt: Set<AllocationPlace> = []
    private var waiters: [UInt64: CheckedContinuation<Void, any Error>] = [:]
    private var closeWaiters: [CheckedContinuation<Void, Never>] = []
    private var nextTicket: UInt64 = 0

    init(_ options: DriverOptions) throws {
        agent = try Agent(now: .now, seed: options.seed, maxOperations: options.maxOperations)
        sockets = DriverSockets(queue: queue, prepare: options.prepareSocket)
        events = DriverListeners(queue: queue)
        datagrams = DriverListeners(queue: queue)
        timer = DispatchSource.makeTimerSource(flags: [], queue: queue)
        buffer = .allocate(byteCount: longestDatagram, alignment: 16)
    }

    deinit {
        buffer.deallocate()
    }

    /// Opens the sockets and begins. On the queue.
    func start(_ locals: [SocketAddress]) throws {
        sockets.whenReadable = { [unowned self] in read($0) }
        timer.setEventHandler { [self] in timerFired() }
        timer.setCancelHandler { [self] in
            isTimerAlive = false
            endOfClosing()
        }
        timer.schedule(deadline: .distantFuture)
        timer.activate()
        do {
            try sockets.openAll(locals)
        } catch {
            close(StunError.driverClosed)
            throw error
        }
    }

    // Commands --------------------------------------------------------------------------------------------------------

    /// Does something with the agent, and sends what comes of it.
    func command<T>(_ call: (Agent, Timestamp) throws -> T) throws -> T {
        try checkOpen()
        return try awake {
            let result = try call(agent, .now)
            surely { process(try agent.drain()) }
            return result
        }
    }

    /// Does something with the agent that nothing comes of.
    func query<T>(_ call: (Agent, Timestamp) throws -> T) throws -> T {
        try checkOpen()
        return try call(agent, .now)
    }

    /// Starts an operation, which is known before its first event can come.
    func begin(relayAt server: SocketAddress? = nil, _ start: (Agent, Timestamp) throws -> OperationID) throws
        -> OperationRecord
    {
        try command { agent, now in
            let record = OperationRecord(id: try start(agent, now), relay: server.map(RelayState.init))
            records[record.id] = record
            return record
        }
    }

    /// A look-up, which waits as an operation does, and which the agent does not know.
    func beginLookUp() -> OperationRecord {
        let record = OperationRecord(id: OperationID(rawValue: UInt64.max - ticket()))
        records[record.id] = record
        return record
    }

    /// The look-up is done, or nobody wants it any more.
    func endLookUp(_ record: OperationRecord) {
        records[record.id] = nil
        changed(record)
    }

    /// Ends an operation, if it has not ended.
    func cancel(_ record: OperationRecord) {
        if record.isOver || closedBy != nil { return }
        end(record, StunError(.state, "the operation was cancelled"))
        _ = try? command { agent, now in
            if try agent.contains(record.id) { try agent.cancel(record.id, now: now) }
        }
    }

    func networkChanged(_ addresses: [IPAddress]) throws {
        try awake {
            try command { agent, now in try agent.networkChanged(addresses, now: now) }
            // The operations have moved by now, and nobody uses what they have left.
            sockets.leaveAll(but: addresses)
            let locals = Set(sockets.sharedAddresses)
            allocatedAt = allocatedAt.filter { locals.contains($0.local) }
        }
    }

    /// Sends a datagram of another protocol.
    func send(_ bytes: [UInt8], to remote: SocketAddress) throws {
        try checkOpen()
        try awake {
            let socket = try sockets.pick(remote.ip)
            let code = UDPSystem.send(socket.descriptor, bytes, to: remote)
            count(code)
            if code == 0 { return }
            if SendError(errno: code) == .socketClosed { sockets.renew(socket) }
            throw SystemError("cannot send to \(remote)", code: code)
        }
    }

    /// Sends a packet that the agent has framed.
    func send(_ transmit: Transmit) throws {
        try checkOpen()
        awake { transmitted(transmit) }
    }

    func checkOpen() throws(StunError) {
        if let closedBy { throw closedBy }
    }

    // What wakes it ---------------------------------------------------------------------------------------------------

    private func awake<T>(_ body: () throws -> T) rethrows -> T {
        dispatchPrecondition(condition: .onQueue(queue))
        if isAwake { return try body() }
        counters.wakeUps += 1
        (isAwake, hasSent) = (true, false)
        defer {
            isAwake = false
            if hasSent { counters.sendingWakeUps += 1 }
            arm()
        }
        return try body()
    }

    private func timerFired() {
        if closedBy != nil { return }
        isArmed = false
        awake {
            if let deadline, deadline <= .now { surely { process(try agent.tick(now: .now)) } }
        }
    }

    private func read(_ socket: DriverSocket) {
        if closedBy != nil { return }
        awake {
            for _ in 0..<DriverLimits.readBatch where !socket.source.isCancelled {
                switch UDPSystem.receive(socket.descriptor, into: buffer) {
                case .empty: return
                case .nothing: break
                case let .failed(code):
                    // Some systems tell errors of earlier datagrams here. One that stays would keep the queue busy.
                    socket.errors += 1
                    if SendError(errno: code) == .socketClosed || socket.errors >= DriverLimits.readBatch {
                        return sockets.renew(socket)
                    }
                case let .datagram(length, remote):
                    socket.errors = 0
                    arrived(UnsafeRawBufferPointer(rebasing: buffer[..<length]), from: remote, at: socket)
                }
            }
        }
    }

    private func arrived(_ bytes: UnsafeRawBufferPointer, from remote: SocketAddress, at socket: DriverSocket) {
        surely {
            let output = try agent.exchange(
                bytes, from: remote, now: .now, local: socket.local, socketID: socket.id)
            if output.outcome == .ignored {
                pass(ReceivedDatagram(bytes: Array(bytes), remote: remote, local: socket.local))
            } else {
                counters.received += 1
            }
            process(output)
        }
    }

    private func pass(_ datagram: ReceivedDatagram) {
        let (count, missed) = datagrams.tell(datagram)
        if count == 0 || missed > 0 { counters.droppedDatagrams += 1 }
    }

    /// What the agent refuses here is a bug, and ends the driver: whoever waits shall not wait for ever.
    private func surely(_ body: () throws -> Void) {
        do {
            try body()
        } catch {
            close(StunError(.internal, "the driver has failed: \(error)"))
        }
    }

    /// Sleeps until the deadline, rounded up: an agent that is asked too early has nothing to do.
    private func arm() {
        if closedBy != nil || (isArmed && deadline == armed) { return }
        (armed, isArmed) = (deadline, true)
        guard let deadline else { return timer.schedule(deadline: .distantFuture) }
        let wait = max(.zero, min(Timestamp.now.duration(to: deadline), DriverLimits.longestSleep))
        let milliseconds = Int(wait.saturatedNanoseconds.addingReportingOverflow(999_999).partialValue / 1_000_000)
        timer.schedule(deadline: .now() + .milliseconds(milliseconds), leeway: .milliseconds(milliseconds / 50))
    }

    // What comes of it ------------------------------------------------------------------------------------------------

    private func process(_ output: Output) {
        deadline = output.deadline
        for data in output.peerData { arrived(data) }
        for event in output.events { happened(event) }
        for transmit in output.transmits { transmitted(transmit) }
    }

    private func arrived(_ data: PeerData) {
        guard let relayed = data.relayed, let record = relays[relayed],
            record.push(PeerPacket(bytes: data.bytes, peer: data.peer, relayed: relayed))
        else {
            counters.droppedPackets += 1
            return
        }
    }

    private func transmitted(_ transmit: Transmit) {
        do {
            guard let socket = try sockets.find(for: transmit) else { return failed(transmit, .socketClosed) }
            let code = UDPSystem.send(socket.descriptor, transmit.bytes, to: transmit.remote)
            count(code)
            // What the socket has no room for is lost, as datagrams may be.
            if code == 0 || code == UDPSystem.full { return }
            let error = SendError(errno: code)
            if error == .socketClosed { sockets.renew(socket) }
            failed(transmit, error)
        } catch let error as SystemError {
            failed(transmit, SendError(errno: error.code))
        } catch {
            failed(transmit, .socketClosed)
        }
    }

    private func count(_ code: Int32) {
        if code == 0 { counters.sent += 1 } else { counters.unsent += 1 }
        hasSent = hasSent || code == 0
    }

    private func failed(_ transmit: Transmit, _ error: SendError) {
        surely { _ = try agent.sendFailed(transmit, error, now: .now) }
        // Later, since what comes of it may be sent, and fail, again.
        if isDrainWanted { return }
        isDrainWanted = true
        queue.async { [self] in
            isDrainWanted = false
            if closedBy == nil { awake { surely { process(try agent.drain()) } } }
        }
    }

    private func happened(_ event: AgentEvent) {
        if case let .restarted(restart) = event.event { moved(event.id, to: restart.local) }
        let record = records[event.id]
        if let record {
            if record.push(event) { counters.droppedEvents += 1 }
            followRelay(record, event.event)
        }
        counters.droppedEvents += events.tell(event).missed
        guard let record else { return }
        if event.isLast { forget(record) }
        changed(record)
    }

    private func forget(_ record: OperationRecord) {
        records[record.id] = nil
        sockets.release(record.id)
        listen(record)
    }

    private func end(_ record: OperationRecord, _ why: StunError) {
        record.finish(why)
        forget(record)
        changed(record)
    }

    // Relays ----------------------------------------------------------------------------------------------------------

    /// There is one allocation between two addresses: the first has the driver's socket, and every other one to that
    /// server a socket of its own, which `false` asks for.
    func takeForRelay(_ local: SocketAddress, _ server: SocketAddress) -> Bool {
        allocatedAt.insert(AllocationPlace(local: local, server: server)).inserted
    }

    /// No relay has started there.
    func giveBackForRelay(_ local: SocketAddress, _ server: SocketAddress) {
        allocatedAt.remove(AllocationPlace(local: local, server: server))
    }

    private struct AllocationPlace: Hashable {
        let local: SocketAddress
        let server: SocketAddress
    }

    /// An operation has moved with the host.
    private func moved(_ id: OperationID, to local: SocketAddress) {
        sockets.move(to: local, of: id)
        if let server = records[id]?.relay?.server, !sockets.hasOwn(id) { _ = takeForRelay(local, server) }
    }

    /// From now on what is sent to its relayed addresses is that relay's.
    private func listen(_ record: OperationRecord) {
        if record.relay == nil { return }
        relays = relays.filter { $0.value !== record }
        for address in record.relay?.addresses ?? [] { relays[address] = record }
    }

    private func followRelay(_ record: OperationRecord, _ event: Event) {
        guard let relay = record.relay else { return }
        switch event {
        case .allocated, .lost: listen(record)
        case let .reconnect(wish): goOnLater(record, at: wish.server, from: wish.local?.ip)
        case let .retrying(why, _) where why.code == allocationMismatch && !relay.hasChangedPort:
            // The server still knows an allocation of before on this port, such as one of a program that has crashed.
            record.relay?.hasChangedPort = true
            record.failure = nil
            goOnLater(record, at: relay.server, from: nil)
        default: break
        }
    }

    /// Once everything that has happened is told.
    private func goOnLater(_ record: OperationRecord, at server: SocketAddress, from host: IPAddress?) {
        queue.async { [self] in goOn(record, at: server, from: host) }
    }

    /// Goes on from another socket, as soon as one can be opened. An earlier attempt that waits for that is given up.
    func goOn(
        _ record: OperationRecord, at server: SocketAddress, from host: IPAddress?,
        wait: Duration = DriverLimits.firstReopen
    ) {
        if record.isOver || closedBy != nil { return }
        let attempt = ticket()
        record.relay?.attempt = attempt
        do {
            let ip = try host ?? sockets.pick(server.ip).local.ip
            goOn(record, at: server, from: try sockets.open(SocketAddress(ip, port: 0), owner: record.id))
        } catch {
            let next = min(wait * 2, DriverLimits.longestReopen)
            let delay = DispatchTimeInterval.milliseconds(Int(wait.saturatedNanoseconds / 1_000_000))
            queue.asyncAfter(deadline: .now() + delay) { [weak self] in
                if record.relay?.attempt == attempt { self?.goOn(record, at: server, from: host, wait: next) }
            }
        }
    }

    private func goOn(_ record: OperationRecord, at server: SocketAddress, from socket: DriverSocket) {
        do {
            try command { agent, now in
                try agent.reconnected(record.id, to: server, now: now, local: socket.local, socketID: socket.id)
            }
            sockets.leave(for: socket)
        } catch {
            // The operation has ended, or does not wait for a socket any more.
            sockets.retire(socket)
        }
    }

    // Who waits -------------------------------------------------------------------------------------------------------

    /// A number for a waiter.
    func ticket() -> UInt64 {
        nextTicket += 1
        return nextTicket
    }

    func wait(_ ticket: UInt64, for record: OperationRecord, _ continuation: CheckedContinuation<Void, any Error>) {
        waiters[ticket] = continuation
        record.waiting.append(ticket)
    }

    /// The task of a waiter was cancelled.
    func giveUp(_ ticket: UInt64) {
        waiters.removeValue(forKey: ticket)?.resume(throwing: CancellationError())
    }

    private func changed(_ record: OperationRecord) {
        let tickets = record.waiting
        record.waiting = []
        for ticket in tickets { waiters.removeValue(forKey: ticket)?.resume() }
    }

    // Its end ---------------------------------------------------------------------------------------------------------

    /// Ends everything. Once more does nothing.
    func close(_ why: StunError) {
        if closedBy != nil { return }
        giveRelaysBack()
        closedBy = why
        timer.cancel()
        sockets.shut { [self] in endOfClosing() }
        agent.close()
        for record in records.values { end(record, why) }
        events.finish()
        datagrams.finish()
    }

    /// Says when all descriptors are closed.
    func whenClosed(_ continuation: CheckedContinuation<Void, Never>) {
        closeWaiters.append(continuation)
        endOfClosing()
    }

    /// Their server need not keep for minutes what nobody uses. Nobody waits for the answers.
    private func giveRelaysBack() {
        for record in records.values where record.relay?.relayed != nil {
            guard (try? agent.closeRelay(record.id, now: .now)) != nil, let output = try? agent.drain()
            else { continue }
            for transmit in output.transmits {
                guard let socket = try? sockets.find(for: transmit) else { continue }
                count(UDPSystem.send(socket.descriptor, transmit.bytes, to: transmit.remote))
            }
        }
    }

    private func endOfClosing() {
        if isTimerAlive || !sockets.areAllClosed { return }
        let waiting = closeWaiters
        closeWaiters = []
        for continuation in waiting { continuation.resume() }
    }
}

extension StunError {
    static let driverClosed = StunError(.closed, "the driver is closed")
}

/// The error code of a server that has an allocation for those two addresses already (RFC 8656 s19).
private let allocationMismatch = 437
