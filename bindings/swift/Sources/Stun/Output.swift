/// What became of a datagram that was handed in.
public enum Outcome: UInt8, Sendable, CaseIterable {
    /// It was none of the agent's: it is another protocol's.
    case ignored = 0
    /// The agent has dealt with it.
    case consumed = 1
    /// It carried data of a peer: see ``Output/peerData``.
    case peerData = 2
}

/// Everything that came of a call to an agent: send the packets, read the events, and call ``Agent/tick(now:)`` at the
/// deadline.
public struct Output: Hashable, Sendable {
    /// What became of the datagram; of other calls ``Outcome/consumed``.
    public let outcome: Outcome
    /// Data of peers: one with ``Outcome/peerData``, or more out of a connection.
    public let peerData: [PeerData]
    /// What to send, in that order.
    public let transmits: [Transmit]
    /// What happened, in that order.
    public let events: [AgentEvent]
    /// When to call ``Agent/tick(now:)`` at the latest; `nil` is never. Earlier calls are harmless.
    public let deadline: Timestamp?
    /// Why the deadline is wanted; `nil` if there is none.
    public let wakeReason: WakeReason?
}

/// A packet to send.
public struct Transmit: Hashable, Sendable {
    /// One datagram, or one frame of a stream.
    public let bytes: [UInt8]
    /// To where.
    public let remote: SocketAddress
    /// From where; `nil` if that does not matter.
    public let local: SocketAddress?
    /// Over what.
    public let transport: Transport
    /// The host's number for the socket, as it was given in a configuration.
    public let socketID: UInt32
    /// The ECN bits to send it with.
    public let ecn: ECN
}

/// Data of a peer, out of a relay.
public struct PeerData: Hashable, Sendable {
    /// What the peer has sent.
    public let bytes: [UInt8]
    /// Who has sent it.
    public let peer: SocketAddress
    /// The relayed address that it was sent to; `nil` if that is not known.
    public let relayed: SocketAddress?
    /// The host's number for the socket at which it arrived.
    public let socketID: UInt32
    /// Its ECN bits.
    public let ecn: ECN
}
