/// What can be said when a ``Driver`` is opened, beside the local address.
public struct DriverOptions: Sendable {
    /// Further local addresses, each of which gets a socket; all that there are where `local` is `nil`. A server of
    /// RFC 5780 needs four in all.
    public var moreLocals: [SocketAddress] = []
    /// Called with the descriptor of every socket before it is bound, such as to set `IP_BOUND_IF` or a class of
    /// service. It must not close it. What it throws means that there is no such socket. It is called on the driver's
    /// queue, which it holds up.
    public var prepareSocket: (@Sendable (_ descriptor: Int32) throws -> Void)?
    /// 32 secret bytes that make what is sent repeatable, for tests; `nil` is the operating system's randomness.
    public var seed: [UInt8]?
    /// How many operations there can be at once; `nil` is the agent's default.
    public var maxOperations: Int?

    /// Nothing out of the ordinary.
    public init() {}
}

/// What a ``Driver`` has done since it was opened.
public struct DriverCounters: Hashable, Sendable {
    /// How often it was woken: by a timer, by packets, or by a command.
    public internal(set) var wakeUps = 0
    /// How many of these have sent something: each may wake a radio.
    public internal(set) var sendingWakeUps = 0
    /// Datagrams that were the agent's.
    public internal(set) var received = 0
    /// Datagrams that went out, of the agent and of ``Driver/send(_:to:)``.
    public internal(set) var sent = 0
    /// Datagrams that the system has not taken, as when a buffer is full.
    public internal(set) var unsent = 0
    /// Datagrams of other protocols that nobody has read in time.
    public internal(set) var droppedDatagrams = 0
    /// Packets of peers that nobody has read in time.
    public internal(set) var droppedPackets = 0
    /// Events that a reader has missed, who was 1024 behind.
    public internal(set) var droppedEvents = 0
}

/// A datagram of another protocol that has arrived at a socket of a ``Driver``.
public struct ReceivedDatagram: Hashable, Sendable {
    /// The payload.
    public let bytes: [UInt8]
    /// Who has sent it, as far as the packet says.
    public let remote: SocketAddress
    /// What the socket is bound to where it arrived.
    public let local: SocketAddress
}

/// What a peer has sent to a relayed address.
public struct PeerPacket: Hashable, Sendable {
    /// The payload.
    public let bytes: [UInt8]
    /// Who has sent it.
    public let peer: SocketAddress
    /// The relayed address that it was sent to.
    public let relayed: SocketAddress
}

/// What was asked for has failed, and ``failure`` says why: a server that is silent, or refuses. This is an outcome of
/// the network's; misuse is a ``StunError``.
public struct OperationFailedError: Error, Sendable, CustomStringConvertible {
    /// Why.
    public let failure: Failure

    /// One sentence for people.
    public var description: String { "\(failure)" }
}

/// What readers may be behind, and how much is done at a time.
enum DriverLimits {
    /// Events that are kept for one reader. Of more the oldest are dropped, so that the last event is always there.
    static let events = 1024
    /// Datagrams and packets of peers that are kept for a reader. What comes beyond is lost, as in a socket's buffer.
    static let packets = 1024
    /// Datagrams that are read from one socket before commands, timers and the other sockets have their turn.
    static let readBatch = 64
    /// Timers stand still while the device sleeps, and the agent's clock does not. A timer that is never longer than
    /// this is how a deadline that has passed meanwhile is noticed.
    static let longestSleep = Duration.seconds(60)
    /// Between two attempts to open a socket; they double in between.
    static let firstReopen = Duration.seconds(1)
    static let longestReopen = Duration.seconds(60)
}
