internal import Dispatch

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Android)
    internal import Android
#endif

/// One socket, known to the agent by `id`. It is used on the driver's queue only.
final class DriverSocket {
    let id: UInt32
    let descriptor: Int32
    let local: SocketAddress
    /// For its owner only, and closed with that.
    let isPrivate: Bool
    /// `nil` for as long as the operation has not started.
    var owner: OperationID?
    /// Reads that have failed one after the other.
    var errors = 0
    let source: any DispatchSourceRead

    init(
        id: UInt32, descriptor: Int32, local: SocketAddress, isPrivate: Bool, owner: OperationID?,
        source: any DispatchSourceRead
    ) {
        self.id = id
        self.descriptor = descriptor
        self.local = local
        self.isPrivate = isPrivate
        self.owner = owner
        self.source = source
    }

    func isBound(to wanted: SocketAddress) -> Bool {
        local.ip == wanted.ip && (wanted.port == 0 || wanted.port == local.port)
    }
}

/// The sockets of a driver, used on its queue only.
final class DriverSockets {
    private(set) var all: [DriverSocket] = []
    /// Called when a socket has something to read.
    var whenReadable: (DriverSocket) -> Void = { _ in }
    /// Called when the last one is closed, once that is wanted.
    private var whenNoneIsLeft: (() -> Void)?

    private let queue: DispatchQueue
    private let prepare: ((Int32) throws -> Void)?
    private var nextID: UInt32 = 1
    private var undead = 0
    private var isShut = false
    /// Addresses to which the host has moved, where no socket could be opened yet, and whose it will be.
    private var missing: [(local: SocketAddress, owner: OperationID?)] = []

    init(queue: DispatchQueue, prepare: ((Int32) throws -> Void)?) {
        self.queue = queue
        self.prepare = prepare
    }

    /// Those of the driver itself, in the order in which they were opened.
    var shared: [DriverSocket] { all.filter { !$0.isPrivate } }

    /// Where these are, or will be as soon as they can.
    var sharedAddresses: [SocketAddress] {
        shared.map(\.local) + missing.filter { $0.owner == nil }.map(\.local)
    }

    // Opening ---------------------------------------------------------------------------------------------------------

    /// A socket at each of the addresses; without any, one of each family that the host has.
    func openAll(_ locals: [SocketAddress]) throws {
        if !locals.isEmpty {
            for local in locals { try open(local) }
            return
        }
        var failure: (any Error)?
        for any in [IPAddress.anyIPv4, .anyIPv6] {
            do {
                try open(SocketAddress(any, port: 0))
            } catch {
                failure = error  // the host has no such family
            }
        }
        if all.isEmpty, let failure { throw failure }
    }

    /// Another socket.
    @discardableResult
    func open(_ local: SocketAddress, owner: OperationID? = nil, isPrivate: Bool = false) throws -> DriverSocket {
        if isShut { throw StunError.driverClosed }
        let (descriptor, bound) = try UDPSystem.open(local, prepare: prepare)
        let source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
        let socket = DriverSocket(
            id: nextID, descriptor: descriptor, local: bound, isPrivate: isPrivate || owner != nil, owner: owner,
            source: source)
        nextID += 1
        undead += 1
        all.append(socket)
        missing.removeAll { $0.local == bound }
        // Both run on the queue, as everything here does. A source may watch its descriptor until it is cancelled, and
        // so that is closed no earlier.
        nonisolated(unsafe) let (sockets, unsafeSocket) = (self, socket)
        source.setEventHandler { sockets.whenReadable(unsafeSocket) }
        source.setCancelHandler {
            close(descriptor)
            sockets.closed()
        }
        source.activate()
        return socket
    }

    /// At that address or, where the port is taken, at another port of the same IP address.
    @discardableResult
    func openAtOrNear(_ local: SocketAddress) throws -> DriverSocket {
        do {
            return try open(local)
        } catch is SystemError {
            return try open(SocketAddress(local.ip, port: 0))
        }
    }

    // Choosing --------------------------------------------------------------------------------------------------------

    /// The driver's socket to reach `remote` from, which is the one that is bound to `local` where that is given.
    func pick(_ remote: IPAddress, local: SocketAddress? = nil) throws -> DriverSocket {
        let found = shared.first { socket in
            socket.local.ip.family == remote.family && local.map { socket.isBound(to: $0) } ?? true
        }
        if let found { return found }
        if local == nil, let wanted = missing.first(where: { $0.owner == nil && $0.local.ip.family == remote.family }) {
            return try openAtOrNear(wanted.local)
        }
        let place = local.map { " bound to \($0)" } ?? ""
        throw SystemError("there is no socket\(place) of the family of \(remote)", code: 0)
    }

    /// What a packet of the agent goes out on; `nil` if that socket is closed.
    func find(for transmit: Transmit) throws -> DriverSocket? {
        let local = transmit.local
        if let found = all.first(where: { $0.id == transmit.socketID && (local == nil || local == $0.local) }) {
            return found
        }
        guard let local else { return try pick(transmit.remote.ip) }
        if let found = all.first(where: { $0.local == local }) { return found }
        // It could not be bound when the host moved there. Perhaps the address is there by now.
        guard let wanted = missing.first(where: { $0.local == local }) else { return nil }
        return try open(wanted.local, owner: wanted.owner)
    }

    // A network that changes ------------------------------------------------------------------------------------------

    /// An operation has moved with the host: from now on there is a socket at `local`, at the latest when it can be.
    func move(to local: SocketAddress, of operation: OperationID) {
        if all.contains(where: { $0.local == local }) || missing.contains(where: { $0.local == local }) { return }
        let owner = hasOwn(operation) ? operation : nil
        if (try? open(local, owner: owner)) == nil {
            // Its requests fail then, which the agent is told with each of them, and each tries again to open it.
            missing.append((local, owner))
        }
    }

    /// The host has these addresses. Sockets at others are closed, and the driver's own ones replaced.
    func leaveAll(but present: [IPAddress]) {
        func isLeft(_ local: SocketAddress) -> Bool { !local.ip.isUnspecified && !present.contains(local.ip) }
        // Without an address of its family there is nothing to move to. A socket stays then, to be moved later.
        func next(_ local: SocketAddress) -> SocketAddress? {
            present.first { $0.family == local.ip.family }.map { SocketAddress($0, port: local.port) }
        }
        for wanted in missing where isLeft(wanted.local) {
            let place = wanted.owner == nil ? next(wanted.local) : nil
            if wanted.owner == nil && place == nil { continue }
            missing.removeAll { $0.local == wanted.local }
            if let place { replace(by: place) }
        }
        for socket in all where isLeft(socket.local) {
            if !socket.isPrivate {
                guard let place = next(socket.local) else { continue }
                replace(by: place)
            }
            retire(socket)
        }
    }

    /// The system has taken it away, as from an app that was suspended: it is closed, and opened again.
    func renew(_ socket: DriverSocket) {
        missing.append((socket.local, socket.owner))
        retire(socket)
    }

    private func replace(by local: SocketAddress) {
        if all.contains(where: { $0.local == local && !$0.isPrivate }) { return }
        // Where an operation waits for that very port, a socket near it would be one too many.
        if missing.contains(where: { $0.local == local }) { return }
        if (try? openAtOrNear(local)) == nil { missing.append((local, nil)) }  // pick() tries again
    }

    // Closing ---------------------------------------------------------------------------------------------------------

    /// Whether an operation has a socket of its own, or waits for one.
    func hasOwn(_ operation: OperationID) -> Bool {
        all.contains { $0.owner == operation } || missing.contains { $0.owner == operation }
    }

    /// An operation goes on at that socket of its own: others of it are closed.
    func leave(for socket: DriverSocket) {
        for other in all where other.owner == socket.owner && other !== socket { retire(other) }
    }

    /// Closes what belongs to an operation that has ended.
    func release(_ operation: OperationID) {
        missing.removeAll { $0.owner == operation }
        for socket in all where socket.owner == operation { retire(socket) }
    }

    /// Nothing goes in or out on it any more.
    func retire(_ socket: DriverSocket) {
        guard let place = all.firstIndex(where: { $0 === socket }) else { return }
        all.remove(at: place)
        socket.source.cancel()
    }

    /// Whether there is no descriptor any more.
    var areAllClosed: Bool { undead == 0 }

    /// Closes all, and says when that is done. No other can be opened then.
    func shut(_ done: @escaping () -> Void) {
        isShut = true
        missing = []
        all.forEach(retire)
        whenNoneIsLeft = done
        if undead == 0 { closed(0) }
    }

    private func closed(_ count: Int = 1) {
        undead -= count
        if isShut { missing = [] }
        // An address that was taken until now may be what is waited for.
        for wanted in missing { _ = try? open(wanted.local, owner: wanted.owner) }
        guard areAllClosed, let done = whenNoneIsLeft else { return }
        whenNoneIsLeft = nil
        done()
    }
}
