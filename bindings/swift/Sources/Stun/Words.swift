/// An operation of one agent. Ids are never given twice.
public struct OperationID: Hashable, Sendable, RawRepresentable, CustomStringConvertible {
    /// The number.
    public let rawValue: UInt64

    /// The operation of a number that came from ``rawValue``.
    ///
    /// - Parameter rawValue: of another id of the same agent.
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// The number in decimal.
    public var description: String { String(rawValue) }
}

/// How packets travel between the host and a server.
public enum Transport: UInt32, Sendable, CaseIterable {
    /// Datagrams.
    case udp = 0
    /// A byte stream; each packet is one frame.
    case tcp = 1
    /// A byte stream inside the host's TLS session; each packet is one frame.
    case tls = 2
}

/// The ECN bits of an IP header (RFC 3168 s5).
public enum ECN: UInt8, Sendable, CaseIterable {
    /// Not ECN-capable.
    case notECT = 0
    /// ECT(1).
    case ect1 = 1
    /// ECT(0).
    case ect0 = 2
    /// Congestion was experienced.
    case congestionExperienced = 3
}

/// Why a datagram could not be sent, or did not arrive. All but ``transient`` end the request that it was.
public enum SendError: UInt32, Sendable, CaseIterable {
    /// ENETUNREACH, EHOSTUNREACH.
    case noRoute = 1
    /// EAFNOSUPPORT, EADDRNOTAVAIL.
    case familyUnavailable = 2
    /// EPERM, EACCES.
    case permissionDenied = 3
    /// ECONNREFUSED, ECONNRESET, ICMP port unreachable.
    case refused = 4
    /// EMSGSIZE.
    case messageTooLarge = 5
    /// EBADF, ENOTCONN, EPIPE.
    case socketClosed = 6
    /// Everything else: a passing shortage, which the retransmission covers.
    case transient = 7
}

/// Why a deadline is wanted.
public enum WakeReason: UInt8, Sendable, CaseIterable {
    /// A datagram or an event is queued.
    case output = 1
    /// A request is due again.
    case retransmission = 2
    /// The last wait for a response ends.
    case transactionTimeout = 3
    /// A binding, an allocation, a permission or a channel has to be kept alive.
    case refresh = 4
    /// A failed request is due again.
    case retry = 5
    /// A request that had to wait for others to the same server may be sent.
    case pacing = 6
    /// The next of several addresses or servers is tried.
    case attempt = 7
    /// The next measurement of a NAT probe is due.
    case measurement = 8
    /// A deadline that the host gave an operation.
    case deadline = 9
}

/// Why a message from the network was dropped.
public enum DropReason: UInt32, Sendable, CaseIterable {
    /// A response to no outstanding request.
    case unknownTransaction = 1
    /// A response from another address than the one that was asked.
    case wrongSource = 2
    /// A response of another method than its request.
    case wrongMethod = 3
    /// FINGERPRINT does not match.
    case badFingerprint = 4
    /// A response to a signed request without a valid signature.
    case unauthenticated = 5
    /// An attribute that is known and has an impossible value.
    case malformedAttribute = 6
    /// A request of a method that is not served.
    case unsupportedMethod = 7
    /// An indication.
    case indication = 8
    /// A source that no reply may go to.
    case unusableSource = 9
    /// The queue for replies is full: drain it.
    case queueFull = 10
    /// STUN that no operation expects.
    case unexpected = 11
    /// STUN by its cookie and length, and broken inside.
    case malformed = 12
    /// The network of the source has used up what a server gives to those who have proved nothing.
    case overBudget = 13
    /// ChannelData on a channel that is not bound: late, or forged.
    case unknownChannel = 14
    /// Data of a peer that is not permitted, or that the policy refuses.
    case unpermittedPeer = 15
}

/// What to do when a server names another one in its place (300, RFC 8489 s10).
public enum RedirectPolicy: UInt32, Sendable, CaseIterable {
    /// Ask the other one, and say so with ``Event/redirected(_:)``.
    case follow = 0
    /// Fail.
    case refuse = 1
    /// Say so with ``Event/redirected(_:)``, and wait for ``Agent/answerRedirect(_:accept:now:)``.
    case ask = 2
}

/// Which peers may be reached where no rule says anything. Unspecified, multicast and broadcast addresses never are.
public enum PeerPolicy: UInt32, Sendable, CaseIterable {
    /// All but loopback and link-local addresses, which mean the relay's own machine and link (RFC 8656 s21.2.2).
    case standard = 0
    /// Loopback addresses too: for tests on one machine.
    case loopback = 1
    /// All.
    case all = 2
}

/// The families of the relayed addresses. They need not be the family of the path to the server.
public enum RelayFamily: UInt32, Sendable, CaseIterable {
    /// IPv4.
    case ipv4 = 0
    /// IPv6.
    case ipv6 = 1
    /// One of each; one of them may be refused.
    case both = 2
}

/// Which port the relayed address shall have (RFC 8656 s7.1).
public enum RelayPort: Hashable, Sendable {
    /// Any.
    case any
    /// An even one (RFC 8656 s18.7).
    case even
    /// An even one; the next is kept for 30 s for a second allocation, and ``Allocated/reservation`` stands for it.
    case evenReservingNext
    /// The one that the 8 bytes of another allocation's ``Allocated/reservation`` stand for.
    case reserved([UInt8])
}

/// What keeps the bindings of NATs alive while nothing else is sent.
public enum KeepaliveKind: UInt32, Sendable, CaseIterable {
    /// A Binding indication: one packet, and no answer.
    case indication = 0
    /// A Binding request: two packets. Its answer tells when a NAT has changed the address.
    case request = 1
}

/// What a datagram looks like (RFC 7983, with STUN's magic cookie and length checked as well).
public enum DatagramProtocol: UInt32, Sendable, CaseIterable {
    /// None of the others.
    case unknown = 0
    /// STUN (RFC 8489).
    case stun = 1
    /// TURN's ChannelData (RFC 8656 s12.4).
    case channelData = 2
    /// DTLS (RFC 9147).
    case dtls = 3
    /// RTP or RTCP (RFC 3550).
    case rtp = 4
    /// ZRTP (RFC 6189).
    case zrtp = 5
    /// QUIC (RFC 9000).
    case quic = 6
    /// WireGuard.
    case wireGuard = 7
}
