/// An event's fields as they lie in a buffer; what they mean depends on the kind (`stun_event_code` of stun.h).
struct FlatEvent {
    let kind: UInt16
    let isLast: Bool
    let id: OperationID
    let reason, code, count, index, detail: UInt32
    let roundTrip, at, lifetime: UInt64
    let address, previous, server, relayed, additional, peer: SocketAddress?
    let token: UInt64
    let text: String
    let name: String

    /// Reads one that begins after its length, and lends what is too long for fields.
    init(_ reader: inout Reader, _ rest: inout UnsafeRawBufferPointer) {
        kind = reader.read()
        isLast = reader.read(UInt8.self) != 0
        reader.skip(1)
        id = OperationID(rawValue: reader.read())
        reason = reader.read()
        code = reader.read()
        count = reader.read()
        index = reader.read()
        detail = reader.read()
        reader.skip(4)
        roundTrip = reader.read()
        at = reader.read()
        lifetime = reader.read()
        address = reader.address()
        previous = reader.address()
        server = reader.address()
        relayed = reader.address()
        additional = reader.address()
        peer = reader.address()
        token = reader.read()
        let lengths = (reader.read(UInt32.self), reader.read(UInt32.self), reader.read(UInt32.self))
        text = reader.text(lengths.0)
        name = reader.text(lengths.1)
        rest = reader.slice(lengths.2)
    }
}

extension AgentEvent {
    /// Reads one. What is newer at its end is skipped, and one that is broken inside is one of an unknown kind.
    init(_ reader: inout Reader) {
        var inside = Reader(reader.slice(reader.read()))
        var rest = UnsafeRawBufferPointer(start: nil, count: 0)
        let flat = FlatEvent(&inside, &rest)
        id = flat.id
        isLast = flat.isLast
        text = flat.text
        event = (inside.isBroken ? nil : flat.event(rest)) ?? .unknown(kind: Int(flat.kind))
    }
}

// An address that a kind names and that is missing makes the event one of an unknown kind: there is no such event.
extension FlatEvent {
    private var failure: Failure { Failure(reason: reason, code: code, count: count) }
    private var reservation: [UInt8]? { code == 1 ? withUnsafeBytes(of: token.littleEndian) { Array($0) } : nil }
    private var mapping: Mapping? { address.map { Mapping(address: $0, roundTrip: duration(roundTrip)) } }

    /// The event, if it is one that is known.
    fileprivate func event(_ rest: UnsafeRawBufferPointer) -> Event? {
        common ?? survey ?? nat(rest) ?? relay ?? peers
    }

    /// Of bindings, connections and servers.
    private var common: Event? {
        switch kind {
        case 1: return mapping.map { .mapped($0) }
        case 2: return .failed(failure)
        case 7: return mapping.map { .refreshed($0) }
        case 8:
            guard let address, let previous else { return nil }
            return .addressChanged(
                AddressChange(address: address, previous: previous, roundTrip: duration(roundTrip)))
        case 9: return .retrying(failure, at: timestamp(at))
        case 10: return address.map { .close(peer: $0) }
        case 11:
            guard let address, let previous else { return nil }
            return .redirected(Redirection(server: address, previous: previous, awaitsAnswer: code == 1))
        case 12:
            guard let address, let previous else { return nil }
            return .restarted(Restart(local: address, previous: previous))
        case 13:
            guard let address, let transport = Transport(rawValue: code) else { return nil }
            return .reconnect(Reconnection(server: address, local: previous, transport: transport))
        case 19: return address.map { .throttled($0.ip) }
        case 20: return address.map { .authenticationFailures($0.ip, isProven: code == 1) }
        default: return nil
        }
    }

    private var survey: Event? {
        switch kind {
        case 14:
            guard let server, let address else { return nil }
            return .answer(
                SurveyAnswer(
                    target: Int(clamping: index), server: server, address: address, roundTrip: duration(roundTrip)))
        case 15: return server.map { .noAnswer(target: Int(clamping: index), server: $0, failure) }
        case 16:
            return .surveyed(
                SurveySummary(
                    answered: Int(clamping: count), failed: Int(clamping: code), unanswered: Int(clamping: index),
                    mapping: ObservedMapping(rawValue: detail) ?? .unknown))
        default: return nil
        }
    }

    private func nat(_ rest: UnsafeRawBufferPointer) -> Event? {
        switch kind {
        case 21: return server.map { .natUnanswered(test: name, server: $0) }
        case 22:
            guard let property = NatProperty(rawValue: index) else { return nil }
            return .natFound(property, NatFinding(value: detail, confidence: count, reason: reason, detail: code))
        case 23: return report(rest).map { .natFinished($0) }
        default: return nil
        }
    }

    /// Of what an allocation is as a whole.
    private var relay: Event? {
        switch kind {
        case 3:
            guard let relayed else { return nil }
            return .allocated(
                Allocated(
                    relayed: relayed, additional: additional, mapped: address,
                    lifetime: Duration(nanoseconds: lifetime), reservation: reservation,
                    roundTrip: duration(roundTrip)))
        case 24:
            guard let family = [4: IPAddress.Family.ipv4, 6: .ipv6][detail] else { return nil }
            return .familyRefused(family, code: Int(clamping: code))
        case 29: return relayed.map { .lost(relayed: $0, failure) }
        case 30:
            let need = CredentialsNeed(rawValue: code) ?? .other
            return .credentialsNeeded(need, at: need == .expiring ? timestamp(at) : nil)
        case 31: return .moved(mapped: address)
        case 35: return .closed
        default: return nil
        }
    }

    /// Of an allocation's peers.
    private var peers: Event? {
        guard let peer else { return nil }
        switch kind {
        case 25: return .permitted(peer.ip)
        case 26: return .channelBound(peer: peer, channel: UInt16(truncatingIfNeeded: detail))
        case 27: return .peerRefused(peer, code: Int(clamping: code))
        case 28:
            return .peerUnreachable(
                PeerUnreachable(
                    peer: peer, icmpType: Int(clamping: detail), icmpCode: Int(clamping: code),
                    mtu: count == 0 ? nil : Int(clamping: count)))
        default: return nil
        }
    }

    private func report(_ rest: UnsafeRawBufferPointer) -> NatReport? {
        var reader = Reader(rest)
        let requests = reader.read(UInt32.self)
        let responses = reader.read(UInt32.self)
        let depends = reader.read(UInt32.self)
        let count = reader.read(UInt32.self)
        let local = reader.address()
        let other = reader.address()
        let atLeast = reader.read(UInt64.self)
        let below = reader.read(UInt64.self)
        let found = reader.list(count) { reader in
            NatFinding(
                value: reader.read(), confidence: reader.read(), reason: reader.read(), detail: reader.read())
        }
        let rfc3489Name = reader.text(reader.read())
        // There may be more properties than are known here.
        let findings = Dictionary(uniqueKeysWithValues: zip(NatProperty.allCases, found))
        if reader.isBroken { return nil }
        guard let server, let local else { return nil }
        return NatReport(
            server: server, other: other, local: local, mapped: address, requests: Int(clamping: requests),
            responses: Int(clamping: responses), dependsOnDestination: depends < 2 ? depends == 1 : nil,
            lifetimeAtLeast: atLeast == 0 ? nil : Duration(nanoseconds: atLeast), lifetimeBelow: duration(below),
            rfc3489Name: rfc3489Name.isEmpty ? nil : rfc3489Name, findings: findings, json: name, description: text)
    }
}
