/// What a driver knows of an operation. It is used on the driver's queue only, but for what never changes.
final class OperationRecord: @unchecked Sendable {
    let id: OperationID
    let events: AsyncStream<AgentEvent>
    let packets: AsyncStream<PeerPacket>
    /// `nil` of what is no relay.
    var relay: RelayState?

    /// The last event, once that has come.
    private(set) var last: AgentEvent?
    /// Why no other event comes, other than that the last one has.
    private(set) var end: StunError?
    /// The public address, as the server saw it last.
    private(set) var address: SocketAddress?
    /// Why there is none, or no relay.
    var failure: Failure?
    /// Who waits for a change, by the number that it has in the core.
    var waiting: [UInt64] = []

    private let eventContinuation: AsyncStream<AgentEvent>.Continuation
    private let packetContinuation: AsyncStream<PeerPacket>.Continuation

    init(id: OperationID, relay: RelayState? = nil) {
        self.id = id
        self.relay = relay
        (events, eventContinuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(DriverLimits.events))
        (packets, packetContinuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(DriverLimits.packets))
    }

    var isOver: Bool { last != nil || end != nil }

    /// Something has happened. Says whether a reader has missed something.
    func push(_ event: AgentEvent) -> Bool {
        note(event.event)
        if event.isLast { last = event }
        let hasDropped = eventContinuation.yield(event).isDropped
        if event.isLast { finish() }
        return hasDropped
    }

    /// A peer has sent something. Says whether there was room for it.
    func push(_ packet: PeerPacket) -> Bool { packetContinuation.yield(packet).isEnqueued }

    /// Nothing will happen any more.
    func finish(_ why: StunError) {
        if isOver { return }
        end = why
        finish()
    }

    private func finish() {
        relay?.isGone()
        eventContinuation.finish()
        packetContinuation.finish()
    }

    private func note(_ event: Event) {
        switch event {
        case let .mapped(mapping), let .refreshed(mapping): know(mapping.address)
        case let .addressChanged(change): know(change.address)
        case let .answer(answer): address = address ?? answer.address
        case let .noAnswer(_, _, why), let .retrying(why, _), let .failed(why): failure = why
        default: noteRelay(event)
        }
    }

    private func know(_ seen: SocketAddress) {
        address = seen
        failure = nil
    }

    private func noteRelay(_ event: Event) {
        switch event {
        case let .allocated(allocated):
            relay?.relayed = allocated.relayed
            relay?.additional = allocated.additional
            address = allocated.mapped ?? address
            failure = nil
        case let .moved(mapped): address = mapped  // the one before is of the other network
        case .lost: relay?.isGone()
        case let .permitted(host): relay?.permitted.insert(host)
        case let .channelBound(peer, channel): relay?.channels[peer] = channel
        case let .peerRefused(peer, code): relay?.refuse(peer, code)
        case .credentialsNeeded(.rejected, _):
            failure = Failure(
                reason: FailureReason.authentication.rawValue, code: AuthenticationFailure.rejected.rawValue, count: 0)
        default: break
        }
    }
}

/// What is known of a relay.
struct RelayState {
    let server: SocketAddress
    var relayed: SocketAddress?
    var additional: SocketAddress?
    var permitted: Set<IPAddress> = []
    var channels: [SocketAddress: UInt16] = [:]
    /// Whom the server refuses, and with which error code; port 0 is a permission.
    var refused: [SocketAddress: Int] = [:]
    /// It has gone to another port already, since the server knew the first one from before.
    var hasChangedPort = false
    /// The last attempt to go on from another socket.
    var attempt: UInt64 = 0

    init(server: SocketAddress) {
        self.server = server
    }

    /// The relayed addresses that there are.
    var addresses: [SocketAddress] { [relayed, additional].compactMap { $0 } }

    mutating func isGone() {
        (relayed, additional) = (nil, nil)
        permitted = []
        channels = [:]
    }

    mutating func refuse(_ peer: SocketAddress, _ code: Int) {
        if peer.port == 0 { permitted.remove(peer.ip) } else { channels[peer] = nil }
        refused[peer] = code
    }
}

extension AsyncStream.Continuation.YieldResult {
    var isDropped: Bool { if case .dropped = self { true } else { false } }
    var isEnqueued: Bool { if case .enqueued = self { true } else { false } }
}
