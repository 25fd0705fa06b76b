internal import Foundation
internal import StunRaw

/// Any number of STUN and TURN operations behind one set of calls. It does no input and output of its own: its host
/// hands in what arrives and the time, sends what comes back, and calls ``tick(now:)`` at the deadline.
///
///     let agent = try Agent(now: .now)
///     let id = try agent.startBinding(BindingConfig(server: server), now: .now)
///     let output = try agent.drain()  // what a command wants sent
///
/// Any thread may call; each call is atomic. Times are those of the host's monotonic clock, and one that is earlier
/// than one already seen counts as the latest seen. A refused call throws and has changed nothing.
public final class Agent: Sendable {
    // The lock guards the reference alone: the library's agent has a lock of its own.
    private let handle: Locked<RawAgent?>

    /// An agent without operations.
    ///
    /// - Parameters:
    ///   - now: the time.
    ///   - seed: 32 secret bytes that all its randomness comes from; `nil` takes the operating system's.
    ///   - maxOperations: how many operations there may be at once, at least 1; `nil` is the library's default.
    /// - Throws: ``StunError`` `invalid`, or `entropy` if the system gave no random bytes.
    public init(now: Timestamp, seed: [UInt8]? = nil, maxOperations: Int? = nil) throws(StunError) {
        if let seed, seed.count != 32 { throw .invalid("a seed has 32 bytes") }
        if let maxOperations, maxOperations < 1 { throw .invalid("maxOperations is not at least 1") }
        let raw = try refusing {
            try RawAgent(now: now.nanoseconds, seed: (seed ?? []).data, maxOperations: UInt64(maxOperations ?? 0))
        }
        handle = Locked(raw)
    }

    /// Ends everything at once, without a word to servers. Every later call throws `closed`, while one that is under
    /// way in another thread ends as usual; closing again is fine.
    public func close() {
        // Freed outside the lock, once the last call that is under way has returned.
        let last = handle.withLock { raw in
            defer { raw = nil }
            return raw
        }
        withExtendedLifetime(last) {}
    }

    /// Whether ``close()`` was called.
    public var isClosed: Bool { handle.withLock { $0 == nil } }

    /// A datagram has arrived: hands it in, and brings back everything that came of it.
    ///
    /// Nothing in a datagram is ever an error. With ``Outcome/ignored`` it is another protocol's.
    ///
    /// - Parameters:
    ///   - datagram: at most 65535 bytes; over TCP and TLS one frame, which ``exchangeStream(_:_:now:)`` cuts.
    ///   - remote: where it came from.
    ///   - now: the time.
    ///   - local: what the socket is bound to; `nil` if that does not matter.
    ///   - transport: how it came.
    ///   - socketID: the host's number for the socket.
    ///   - ecn: the ECN bits that it came with.
    /// - Returns: everything that came of it.
    /// - Throws: ``StunError`` `invalid`: the two addresses are of different families, or there are more bytes than a
    ///   datagram has.
    public func exchange(
        _ datagram: [UInt8], from remote: SocketAddress, now: Timestamp, local: SocketAddress? = nil,
        transport: Transport = .udp, socketID: UInt32 = 0, ecn: ECN = .notECT
    ) throws(StunError) -> Output {
        try refusing {
            try datagram.withUnsafeBytes { bytes in
                try exchange(
                    bytes, from: remote, now: now, local: local, transport: transport, socketID: socketID, ecn: ecn)
            }
        }
    }

    /// The same with bytes that lie in a buffer of the host's: they are not copied, and not kept.
    ///
    /// - Parameters:
    ///   - datagram: at most 65535 bytes; over TCP and TLS one frame, which ``exchangeStream(_:_:now:)`` cuts.
    ///   - remote: where it came from.
    ///   - now: the time.
    ///   - local: what the socket is bound to; `nil` if that does not matter.
    ///   - transport: how it came.
    ///   - socketID: the host's number for the socket.
    ///   - ecn: the ECN bits that it came with.
    /// - Returns: everything that came of it.
    /// - Throws: ``StunError`` `invalid`, as the other one.
    public func exchange(
        _ datagram: UnsafeRawBufferPointer, from remote: SocketAddress, now: Timestamp, local: SocketAddress? = nil,
        transport: Transport = .udp, socketID: UInt32 = 0, ecn: ECN = .notECT
    ) throws(StunError) -> Output {
        try refuseHuge(datagram.count)
        let (near, far) = (Endpoint(local), Endpoint(remote))
        let bits = meta(transport, socketID, ecn)
        return try output { raw in
            try datagram.withData { data in
                try raw.exchange(
                    datagram: data, localTag: near.tag, localLow: near.low, localHigh: near.high, remoteTag: far.tag,
                    remoteLow: far.low, remoteHigh: far.high, meta: bits, now: now.nanoseconds)
            }
        }
    }

    /// The deadline has come: brings back everything that came of it. An early call changes nothing.
    ///
    /// - Parameter now: the time.
    /// - Returns: everything that came of it.
    /// - Throws: ``StunError`` `invalid` if `now` stands for never, `closed` after ``close()``.
    public func tick(now: Timestamp) throws(StunError) -> Output {
        try output { try $0.tick(now: now.nanoseconds) }
    }

    /// What a command wants sent, and what has happened.
    ///
    /// - Returns: everything that is queued; very much of it takes several calls, and the deadline is now meanwhile.
    /// - Throws: ``StunError`` `closed` after ``close()``.
    public func drain() throws(StunError) -> Output {
        try output { try $0.drain() }
    }

    /// A packet could not be sent, or an ICMP error has come for it. Drain after it.
    ///
    /// - Parameters:
    ///   - transmit: the packet.
    ///   - error: why.
    ///   - now: the time.
    /// - Returns: whether it was STUN; if not, it was another protocol's.
    /// - Throws: ``StunError`` `invalid` if `now` stands for never, `closed` after ``close()``.
    @discardableResult
    public func sendFailed(_ transmit: Transmit, _ error: SendError, now: Timestamp) throws(StunError) -> Bool {
        try sendFailed(
            transmit.bytes, to: transmit.remote, error, now: now, local: transmit.local, transport: transmit.transport)
    }

    /// The same for bytes that are no ``Transmit``, such as those in an ICMP error.
    ///
    /// - Parameters:
    ///   - datagram: its bytes, of which the first 20 are enough; none if they are not known any more.
    ///   - remote: where it was to go.
    ///   - error: why it did not get there.
    ///   - now: the time.
    ///   - local: from where it was to go; `nil` if that does not matter.
    ///   - transport: how it was to go.
    /// - Returns: whether it was STUN; if not, it was another protocol's.
    /// - Throws: ``StunError`` `invalid`: the two addresses are of different families.
    @discardableResult
    public func sendFailed(
        _ datagram: [UInt8], to remote: SocketAddress, _ error: SendError, now: Timestamp,
        local: SocketAddress? = nil, transport: Transport = .udp
    ) throws(StunError) -> Bool {
        try refuseHuge(datagram.count)
        return try call { raw in
            try datagram.withData { lent in
                try raw.sendFailed(
                    datagram: lent, local: Endpoint(local), remote: Endpoint(remote), transport: transport.rawValue,
                    kind: error.rawValue, now: now.nanoseconds)
            }
        }
    }

    /// How many messages from the network were dropped.
    ///
    /// - Parameter reason: for which reason; `nil` is any.
    /// - Returns: their number, which stops at 4294967295.
    /// - Throws: ``StunError`` `closed` after ``close()``.
    public func dropped(_ reason: DropReason? = nil) throws(StunError) -> Int {
        Int(clamping: try call { try $0.dropped(reason: reason?.rawValue ?? 0) })
    }

    /// How many operations there are.
    ///
    /// - Throws: ``StunError`` `closed` after ``close()``.
    public var operationCount: Int {
        get throws(StunError) { Int(clamping: try call { try $0.operationCount() }) }
    }

    /// Whether an operation has that id and has not ended.
    ///
    /// - Parameter id: of any operation.
    /// - Returns: whether it is there.
    /// - Throws: ``StunError`` `closed` after ``close()``.
    public func contains(_ id: OperationID) throws(StunError) -> Bool {
        try call { try $0.contains(id: id.rawValue) }
    }

    // For the other files ---------------------------------------------------------------------------------------------

    /// Calls the library. The agent is kept alive meanwhile, whoever closes it.
    func call<R>(_ body: (RawAgent) throws -> R) throws(StunError) -> R {
        guard let raw = handle.withLock({ $0 }) else { throw .closed }
        return try refusing { try body(raw) }
    }

    /// The same for calls that bring back everything that came of them.
    func output(_ body: (RawAgent) throws -> Data) throws(StunError) -> Output {
        let buffer = try call(body)
        return try refusing { try buffer.withUnsafeBytes { try Output($0) } }
    }
}

/// What a packet says beside its addresses and bytes, as the library takes it.
func meta(_ transport: Transport, _ socketID: UInt32, _ ecn: ECN) -> UInt64 {
    UInt64(transport.rawValue) | UInt64(ecn.rawValue) << 8 | UInt64(socketID) << 32
}
