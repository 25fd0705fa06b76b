/// Something that happened to an operation. Its description is one line for people.
public struct AgentEvent: Hashable, Sendable, CustomStringConvertible {
    /// The operation.
    public let id: OperationID
    /// Whether it is the operation's last event: its id is unknown from now on.
    public let isLast: Bool
    /// What happened.
    public let event: Event
    /// One line for people.
    public let text: String

    /// One line for people.
    public var description: String { text }
}

/// What happened to an operation, made to be matched:
///
///     switch happened.event {
///     case let .mapped(mapping): print("public address", mapping.address)
///     case let .failed(failure): print("no address:", failure.reason)
///     default: break  // there will be more
///     }
public enum Event: Hashable, Sendable {
    // Bindings

    /// The mapped address: the first one, also of another network. The last event of a binding that asks once.
    case mapped(Mapping)
    /// The mapped address is the same as before.
    case refreshed(Mapping)
    /// The mapped address is another.
    case addressChanged(AddressChange)
    /// An attempt has failed, and another follows at that time.
    case retrying(Failure, at: Timestamp?)
    /// The operation has failed.
    case failed(Failure)
    /// A server names another one, which is asked from now on, or once ``Agent/answerRedirect(_:accept:now:)`` agrees.
    case redirected(Redirection)
    /// The network has changed, and the operation asks again.
    case restarted(Restart)
    /// Open a connection (with UDP: a socket at another port), then call
    /// ``Agent/reconnected(_:to:now:local:transport:socketID:)``.
    case reconnect(Reconnection)
    /// Close the connection: what its peer sent cannot be understood.
    case close(peer: SocketAddress)

    // Surveys

    /// A server of a survey has answered.
    case answer(SurveyAnswer)
    /// A server of a survey will not answer; `target` is its place in the configuration.
    case noAnswer(target: Int, server: SocketAddress, Failure)
    /// A survey is over.
    case surveyed(SurveySummary)

    // Servers

    /// A server has refused the network of that host many replies: it has used up its budget.
    case throttled(IPAddress)
    /// The network of that host keeps failing to authenticate; `isProven` if the address is not forged.
    case authenticationFailures(IPAddress, isProven: Bool)

    // NAT probes

    /// A request of a NAT probe was not answered; `test` is what was asked, in a word.
    case natUnanswered(test: String, server: SocketAddress)
    /// A property of the NAT is decided.
    case natFound(NatProperty, NatFinding)
    /// Everything is decided.
    case natFinished(NatReport)

    // Relays

    /// A TURN server relays: tell the peers ``Allocated/relayed``, and permit them. Comes again after
    /// ``lost(relayed:_:)``.
    case allocated(Allocated)
    /// Of two families of relayed addresses the server gave one: that one is missing, for the reason of an error code.
    case familyRefused(IPAddress.Family, code: Int)
    /// The peer may send and be sent to, whatever its port.
    case permitted(IPAddress)
    /// What is sent to the peer from now on has four bytes of overhead.
    case channelBound(peer: SocketAddress, channel: UInt16)
    /// The server will not relay to the peer, for the reason of an error code; its port is 0 where it was a permission.
    case peerRefused(SocketAddress, code: Int)
    /// What was sent to the peer did not arrive. A hint, which anybody could have sent.
    case peerUnreachable(PeerUnreachable)
    /// The relayed address is gone. Another is asked for, and the same peers permitted there.
    case lost(relayed: SocketAddress, Failure)
    /// Call ``Agent/setCredentials(_:expire:of:now:)``; `at` is when the present ones expire, if that is why.
    case credentialsNeeded(CredentialsNeed, at: Timestamp?)
    /// An allocation has moved with the host to another network, where this is its mapped address; relayed address,
    /// permissions and channels are kept.
    case moved(mapped: SocketAddress?)
    /// The allocation was closed, as the host wished.
    case closed

    /// A kind that is newer than this module. Skip it.
    case unknown(kind: Int)
}

/// A mapped address.
public struct Mapping: Hashable, Sendable {
    /// The host's address as the server sees it.
    public let address: SocketAddress
    /// How long the answer took; `nil` where a retransmission makes that unknowable.
    public let roundTrip: Duration?
}

/// Another mapped address than before.
public struct AddressChange: Hashable, Sendable {
    /// The host's address as the server sees it.
    public let address: SocketAddress
    /// What it was before.
    public let previous: SocketAddress
    /// How long the answer took; `nil` where a retransmission makes that unknowable.
    public let roundTrip: Duration?
}

/// Another server.
public struct Redirection: Hashable, Sendable {
    /// The server that was named.
    public let server: SocketAddress
    /// The one that named it.
    public let previous: SocketAddress
    /// Whether it is asked only once the host agrees.
    public let awaitsAnswer: Bool
}

/// A new begin from another local address. If ``local`` differs from ``previous``, have a socket there.
public struct Restart: Hashable, Sendable {
    /// The local address from now on.
    public let local: SocketAddress
    /// The one before.
    public let previous: SocketAddress
}

/// A connection that is needed.
public struct Reconnection: Hashable, Sendable {
    /// To where.
    public let server: SocketAddress
    /// From where; any port does. `nil` if that does not matter.
    public let local: SocketAddress?
    /// What to open.
    public let transport: Transport
}

/// The answer of one server of a survey.
public struct SurveyAnswer: Hashable, Sendable {
    /// The server's place in the configuration.
    public let target: Int
    /// The server.
    public let server: SocketAddress
    /// The host's address as the server sees it.
    public let address: SocketAddress
    /// How long the answer took; `nil` where a retransmission makes that unknowable.
    public let roundTrip: Duration?
}

/// The end of a survey.
public struct SurveySummary: Hashable, Sendable {
    /// How many servers have answered.
    public let answered: Int
    /// How many have failed.
    public let failed: Int
    /// How many were not asked or not waited for.
    public let unanswered: Int
    /// What the answers tell of the NAT.
    public let mapping: ObservedMapping
}

/// A relayed address.
public struct Allocated: Hashable, Sendable {
    /// The relayed address; of two, the IPv4 one.
    public let relayed: SocketAddress
    /// The relayed address of the other family, if there are two.
    public let additional: SocketAddress?
    /// The host's address as the server sees it.
    public let mapped: SocketAddress?
    /// How long the server keeps it without a refresh.
    public let lifetime: Duration
    /// 8 bytes that stand for the next port, if that was asked for: ``RelayPort/reserved(_:)`` of another allocation.
    public let reservation: [UInt8]?
    /// How long the answer took; `nil` where a retransmission makes that unknowable.
    public let roundTrip: Duration?
}

/// An ICMP error on the way from a TURN server to a peer.
public struct PeerUnreachable: Hashable, Sendable {
    /// The peer.
    public let peer: SocketAddress
    /// The type of the ICMP message.
    public let icmpType: Int
    /// Its code.
    public let icmpCode: Int
    /// The MTU of the path in bytes, where the packet was too big.
    public let mtu: Int?
}
