/// What can be found out about a NAT.
public enum NatProperty: UInt32, Sendable, CaseIterable {
    /// Whether UDP reaches servers.
    case connectivity = 0
    /// Whether there is a NAT.
    case translation = 1
    /// How it maps (RFC 4787 s4.1).
    case mapping = 2
    /// How it filters (RFC 4787 s5).
    case filtering = 3
    /// Whether two sockets behind it reach each other by their mapped addresses.
    case hairpinning = 4
    /// Whether the mapped port is the local one.
    case portPreservation = 5
    /// Whether even ports stay even, and odd ones odd.
    case portParity = 6
    /// Whether all mapped addresses of the host have one IP.
    case pooling = 7
    /// Whether the mapped address stays.
    case stability = 8
    /// Whether something rewrites addresses inside messages.
    case gateway = 9
    /// What becomes of datagrams that are longer than the path's MTU.
    case fragments = 10
    /// How long a binding lives without traffic. Takes up to two hours, and is not tested unless asked for.
    case lifetime = 11
}

/// What a property of a NAT is.
public enum NatValue: UInt32, Sendable, CaseIterable {
    /// Connectivity: a server has answered.
    case open = 1
    /// Connectivity: servers at several addresses were silent.
    case blocked = 2
    /// Translation, gateway: there is none.
    case absent = 3
    /// Translation, gateway: there is one, or several.
    case present = 4
    /// Mapping, filtering: depends on nothing.
    case endpointIndependent = 5
    /// Mapping, filtering: depends on the remote IP address.
    case addressDependent = 6
    /// Mapping, filtering: depends on the remote IP address and port.
    case addressAndPortDependent = 7
    /// Hairpinning: it works.
    case supported = 8
    /// Hairpinning: it does not.
    case unsupported = 9
    /// Ports, parity: it is kept.
    case preserved = 10
    /// Ports, parity, stability: it is not.
    case changed = 11
    /// Pooling: one IP address.
    case oneAddress = 12
    /// Pooling: several.
    case severalAddresses = 13
    /// Stability: it stays.
    case stable = 14
    /// Fragments: they pass both ways.
    case pass = 15
    /// Fragments: they pass outwards; the server sent none back.
    case passOutbound = 16
    /// Fragments: they are lost, here or elsewhere on the path.
    case lost = 17
    /// Lifetime: between ``NatReport/lifetimeAtLeast`` and ``NatReport/lifetimeBelow``.
    case bounded = 18
}

/// How sure a known value is.
public enum NatConfidence: UInt32, Sendable, CaseIterable {
    /// Something does not fit, or could not be confirmed.
    case low = 1
    /// One observation, or one that other causes could explain.
    case medium = 2
    /// It was seen to happen, or several observations agree.
    case high = 3
}

/// Why a value is unknown.
public enum NatReason: UInt32, Sendable, CaseIterable {
    /// Nobody asked for it, or it has not been decided yet.
    case notTested = 1
    /// The deadline came first.
    case deadline = 2
    /// Nobody answered.
    case noAnswer = 3
    /// The path loses too much for silence to say anything.
    case lossy = 4
    /// It could not be sent: see ``NatFinding/sendError``.
    case sendFailed = 5
    /// The server answered with error ``NatFinding/code``.
    case errorResponse = 6
    /// Responses were altered or not signed.
    case responsesAltered = 7
    /// The server does not give the mapped addresses that it takes.
    case noMappedAddress = 8
    /// The server has no other address to answer from.
    case noOtherAddress = 9
    /// The server's other address does not answer.
    case alternateSilent = 10
    /// The server does not answer from elsewhere when asked to.
    case serverIgnoresChangeRequest = 11
    /// The server refuses to.
    case changeRequestUnsupported = 12
    /// The server does not answer to another port when asked to.
    case serverIgnoresResponsePort = 13
    /// The server refuses to.
    case responsePortUnsupported = 14
    /// The server refuses PADDING.
    case paddingUnsupported = 15
    /// It takes a second socket.
    case noSecondSocket = 16
    /// The local address is not known.
    case localAddressUnknown = 17
    /// There is no NAT.
    case noNat = 18
    /// Observations contradict each other.
    case contradiction = 19
    /// Only one server address could be asked.
    case oneServerOnly = 20
    /// Only one IP address could be asked; it does not depend on the port.
    case oneAddressOnly = 21
    /// It depends on the destination; on the address alone or also on the port cannot be told.
    case dependsOnDestination = 22
    /// What was sent may have been filtered.
    case filteringHides = 23
    /// Too few observations: they may agree by chance.
    case tooFewObservations = 24
    /// The two sockets have different public IP addresses.
    case differentAddresses = 25
    /// The mapped addresses are of another family than the sockets.
    case otherFamily = 26
    /// The host's network changed first.
    case networkChanged = 27
    /// A reason that is newer than this module.
    case other = 255
}

/// What was found of one property: a value and how sure it is, or the reason why there is none.
public struct NatFinding: Hashable, Sendable {
    /// What it is, if that is known.
    public let value: NatValue?
    /// How sure a known value is.
    public let confidence: NatConfidence?
    /// Why it is unknown.
    public let reason: NatReason?
    /// The server's error code, for ``NatReason/errorResponse``.
    public let code: Int?
    /// Why, for ``NatReason/sendFailed``.
    public let sendError: SendError?

    init(value: UInt32, confidence: UInt32, reason: UInt32, detail: UInt32) {
        self.value = NatValue(rawValue: value)
        self.confidence = NatConfidence(rawValue: confidence)
        self.reason = reason == 0 ? nil : NatReason(rawValue: reason) ?? .other
        code = self.reason == .errorResponse ? Int(clamping: detail) : nil
        sendError = self.reason == .sendFailed ? SendError(rawValue: detail) : nil
    }
}

/// Everything that a probe has found. Its description is the whole report for people.
public struct NatReport: Hashable, Sendable, CustomStringConvertible {
    /// The server that answered, or else the first that was asked.
    public let server: SocketAddress
    /// Its other address, if it has one.
    public let other: SocketAddress?
    /// The local address of the socket, as far as it is known.
    public let local: SocketAddress
    /// Its mapped address, if it is known.
    public let mapped: SocketAddress?
    /// Requests, each counted once, however often it was sent.
    public let requests: Int
    /// Responses accepted.
    public let responses: Int
    /// Whether the mapped address depends on the destination, which is known more often than on what of it.
    public let dependsOnDestination: Bool?
    /// How long a binding lives at least, if that is known.
    public let lifetimeAtLeast: Duration?
    /// And below what, if that is known.
    public let lifetimeBelow: Duration?
    /// What RFC 3489 s5 calls such a NAT, such as "full cone NAT"; `nil` if it has no name for what was found.
    public let rfc3489Name: String?
    /// What was found of each property; every property is there.
    public let findings: [NatProperty: NatFinding]
    /// The same, and what each finding rests on, as one JSON object.
    public let json: String
    /// The same for people.
    public let description: String

    /// What was found of one property.
    public subscript(property: NatProperty) -> NatFinding {
        findings[property] ?? NatFinding(value: 0, confidence: 0, reason: NatReason.notTested.rawValue, detail: 0)
    }
}
