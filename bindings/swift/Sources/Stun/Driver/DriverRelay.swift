internal import Dispatch

extension Driver {
    /// A relayed address at a TURN server (RFC 8656), as a socket that lies there.
    ///
    ///     let relay = try await driver.startAllocation(config)
    ///     print("peers may send to", try await relay.ready())
    ///     try await relay.permit(peer.ip)
    ///     try await relay.send(Array("hello".utf8), to: peer)
    ///     for await packet in relay.packets { print(packet.peer, packet.bytes.count, "bytes") }
    ///
    /// ``Operation/events`` has what happens to it: ``Event/lost(relayed:_:)`` and ``Event/allocated(_:)`` when it was
    /// lost and there is another one, with another address and the same peers.
    public final class Relay: Operation, @unchecked Sendable {
        /// What permitted peers send. For one reader; 1024 packets are kept, and those beyond are lost and counted.
        /// Finishes with the relay, and when a task that reads it is cancelled.
        public var packets: AsyncStream<PeerPacket> { record.packets }

        /// The relayed address, for peers to be told; `nil` while there is none.
        public var relayed: SocketAddress? { get async { await driver.relay(record)?.relayed } }

        /// The relayed address of the other family, if there are two.
        public var additional: SocketAddress? { get async { await driver.relay(record)?.additional } }

        /// The host's own public address, if the server has said it; `nil` again after a move to another network, if it
        /// has not said it there.
        public var mapped: SocketAddress? { get async { await driver.address(record) } }

        /// Waits for the relayed address.
        ///
        /// Throws an ``OperationFailedError`` if the first attempt to get one fails, though another may follow; one
        /// whose credentials were refused waits for ``setCredentials(_:expire:)``. Throws a ``StunError`` if the relay
        /// was closed, or the driver. Cancelling the task cancels the relay.
        @discardableResult
        public func ready() async throws -> SocketAddress { try await driver.ready(record) }

        /// Lets the host send to the relay, whatever its port, and be sent to. Returns when that is so.
        ///
        /// Throws an ``OperationFailedError`` if the server refuses, a ``StunError`` if the policy for peers forbids it
        /// or the relay is closed. Cancelling the task leaves the permission being asked for; see ``revoke(_:)``.
        public func permit(_ host: IPAddress) async throws { try await driver.permit(host, at: record) }

        /// Renews the permission no longer: the server forgets it within five minutes. False if there is none.
        @discardableResult
        public func revoke(_ host: IPAddress) async throws -> Bool { try await driver.revoke(host, at: record) }

        /// Permits the peer, and has four bytes of overhead with it instead of 36 or more. Returns the channel's
        /// number. Throws as ``permit(_:)`` does.
        @discardableResult
        public func bindChannel(_ peer: SocketAddress) async throws -> UInt16 {
            try await driver.bindChannel(peer, at: record)
        }

        /// Renews the channel no longer. False if there is none.
        @discardableResult
        public func releaseChannel(_ peer: SocketAddress) async throws -> Bool {
            try await driver.releaseChannel(peer, at: record)
        }

        /// Sends a packet to a peer. As with any datagram, nobody says whether it arrives. Throws a ``StunError`` if
        /// the peer is not permitted, there is no relay at the moment, or the packet is too long.
        public func send(_ bytes: [UInt8], to peer: SocketAddress) async throws {
            try await driver.send(bytes, to: peer, at: record)
        }

        /// Gives other credentials, best after ``Event/credentialsNeeded(_:at:)``.
        public func setCredentials(_ credentials: Credentials, expire: Timestamp? = nil) async throws {
            try await driver.setCredentials(credentials, expire, of: record)
        }

        /// Gives the relay back to the server, and waits for so long at most until that has taken it.
        public func release(patience: Duration = .seconds(1)) async { await driver.release(record, patience) }
    }

    /// Gets a relayed address at a TURN server, and keeps it. A second one at the same server has a socket of its own.
    public func startAllocation(_ config: AllocationConfig) throws -> Relay {
        try core.checkOpen()
        try refuseStreams(config.transport)
        if config.socketID != 0 { return Relay(self, try beginRelay(config)) }
        var placed = config
        let shared = try core.sockets.pick(config.server.ip, local: config.local)
        if core.takeForRelay(shared.local, config.server) {
            (placed.local, placed.socketID) = (shared.local, shared.id)
            do {
                return Relay(self, try beginRelay(placed))
            } catch {
                core.giveBackForRelay(shared.local, config.server)
                throw error
            }
        }
        let own = try core.sockets.open(SocketAddress(shared.local.ip, port: 0), isPrivate: true)
        (placed.local, placed.socketID) = (own.local, own.id)
        do {
            return Relay(self, try beginRelay(placed, own))
        } catch {
            core.sockets.retire(own)
            throw error
        }
    }

    private func beginRelay(_ config: AllocationConfig, _ own: DriverSocket? = nil) throws -> OperationRecord {
        try core.begin(relayAt: config.server) { agent, now in
            let id = try agent.startAllocation(config, now: now)
            own?.owner = id
            return id
        }
    }
}

// What relays ask their driver ----------------------------------------------------------------------------------------

extension Driver {
    fileprivate func relay(_ record: OperationRecord) -> RelayState? { record.relay }

    fileprivate func ready(_ record: OperationRecord) async throws -> SocketAddress {
        try await cancelling(record) { record in
            if let relayed = record.relay?.relayed { return relayed }
            if let failure = record.failure { throw OperationFailedError(failure: failure) }
            return try record.nothingYet()
        }
    }

    fileprivate func permit(_ host: IPAddress, at record: OperationRecord) async throws {
        let host = host.canonical
        let key = SocketAddress(host, port: 0)
        try change(record, key) { agent, now in try agent.permit(host, at: record.id, now: now) }
        try await until(record) { record in
            if record.relay?.permitted.contains(host) == true { return () }
            return try record.refused(key)
        }
    }

    fileprivate func bindChannel(_ peer: SocketAddress, at record: OperationRecord) async throws -> UInt16 {
        let peer = SocketAddress(peer.ip.canonical, port: peer.port)
        try change(record, peer) { agent, now in try agent.bindChannel(peer, at: record.id, now: now) }
        return try await until(record) { try $0.relay?.channels[peer] ?? $0.refused(peer) }
    }

    /// Asks again for what may have been refused before.
    private func change(
        _ record: OperationRecord, _ key: SocketAddress, _ call: (Agent, Timestamp) throws -> Void
    ) throws {
        try core.checkOpen()
        if record.isOver { throw StunError(.state, "the relay is closed") }
        record.relay?.refused[key] = nil
        try core.command(call)
    }

    fileprivate func revoke(_ host: IPAddress, at record: OperationRecord) throws -> Bool {
        record.relay?.permitted.remove(host.canonical)
        return try core.command { agent, now in try agent.revoke(host, at: record.id, now: now) }
    }

    fileprivate func releaseChannel(_ peer: SocketAddress, at record: OperationRecord) throws -> Bool {
        record.relay?.channels[SocketAddress(peer.ip.canonical, port: peer.port)] = nil
        return try core.command { agent, now in try agent.releaseChannel(peer, at: record.id, now: now) }
    }

    fileprivate func send(_ bytes: [UInt8], to peer: SocketAddress, at record: OperationRecord) throws {
        try core.send(core.query { agent, now in try agent.sendToPeer(bytes, to: peer, at: record.id, now: now) })
    }

    fileprivate func setCredentials(
        _ credentials: Credentials, _ expire: Timestamp?, of record: OperationRecord
    ) throws {
        try core.command { agent, now in
            try agent.setCredentials(credentials, expire: expire, of: record.id, now: now)
            record.failure = nil
        }
    }

    fileprivate func release(_ record: OperationRecord, _ patience: Duration) async {
        defer { core.cancel(record) }
        let isAsked: Void? = try? core.command { agent, now in
            if try agent.contains(record.id) { try agent.closeRelay(record.id, now: now) }
        }
        if isAsked == nil { return }
        let late = DispatchTimeInterval.milliseconds(Int(clamping: patience.saturatedNanoseconds / 1_000_000))
        core.queue.asyncAfter(deadline: .now() + late) { [weak core] in core?.cancel(record) }
        _ = try? await until(record) { try $0.last ?? $0.nothingYet() }
    }
}

extension IPAddress {
    /// As the agent's events name the host: an IPv4 address in the guise of IPv6 is that IPv4 address.
    fileprivate var canonical: IPAddress {
        let bytes = bytes
        let isGuise = bytes.count == 16 && bytes.prefix(12) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
        return isGuise ? IPAddress(bytes: Array(bytes.suffix(4))) ?? self : self
    }
}

extension OperationRecord {
    fileprivate func refused<T>(_ key: SocketAddress) throws -> T? {
        if let code = relay?.refused[key] {
            let failure = Failure(reason: FailureReason.errorResponse.rawValue, code: UInt32(clamping: code), count: 0)
            throw OperationFailedError(failure: failure)
        }
        if last != nil { throw StunError(.state, "the relay is closed") }
        return try nothingYet()
    }
}
