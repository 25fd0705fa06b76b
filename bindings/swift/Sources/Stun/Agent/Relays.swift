internal import StunRaw

/// Commands to allocations (RFC 8656). Drain after each but ``sendToPeer(_:to:at:now:)``.
///
/// Each throws ``StunError`` `notFound` if no allocation has that id, `invalid` if `now` stands for never, and `closed`
/// after ``close()``.
extension Agent {
    /// Lets a peer send to the relayed address and be sent to, whatever its port (RFC 8656 s9). The permission is
    /// renewed until ``revoke(_:at:now:)``.
    ///
    /// - Parameters:
    ///   - peer: whom.
    ///   - id: the allocation.
    ///   - now: the time.
    /// - Throws: ``StunError`` `invalid` if the policy refuses the peer, `limit` if there are too many.
    public func permit(_ peer: IPAddress, at id: OperationID, now: Timestamp) throws(StunError) {
        try call { try $0.permit(id: id.rawValue, peer: Endpoint(peer), now: now.nanoseconds) }
    }

    /// Renews a permission no longer. The server forgets it within five minutes (RFC 8656 s9).
    ///
    /// - Parameters:
    ///   - peer: whose.
    ///   - id: the allocation.
    ///   - now: the time.
    /// - Returns: whether there was one.
    /// - Throws: ``StunError`` only as every command here does.
    @discardableResult
    public func revoke(_ peer: IPAddress, at id: OperationID, now: Timestamp) throws(StunError) -> Bool {
        try call { try $0.revoke(id: id.rawValue, peer: Endpoint(peer), now: now.nanoseconds) }
    }

    /// Binds a channel to a peer and keeps it bound: what is sent has four bytes of overhead then (RFC 8656 s12).
    ///
    /// - Parameters:
    ///   - peer: to whom.
    ///   - id: the allocation.
    ///   - now: the time.
    /// - Throws: ``StunError`` `invalid` if the policy refuses the peer, `limit` if there are too many.
    public func bindChannel(_ peer: SocketAddress, at id: OperationID, now: Timestamp) throws(StunError) {
        try call { try $0.bindChannel(id: id.rawValue, peer: Endpoint(peer), now: now.nanoseconds) }
    }

    /// Renews a channel no longer.
    ///
    /// - Parameters:
    ///   - peer: whose.
    ///   - id: the allocation.
    ///   - now: the time.
    /// - Returns: whether there was one.
    /// - Throws: ``StunError`` only as every command here does.
    @discardableResult
    public func releaseChannel(
        _ peer: SocketAddress, at id: OperationID, now: Timestamp
    ) throws(StunError) -> Bool {
        try call { try $0.releaseChannel(id: id.rawValue, peer: Endpoint(peer), now: now.nanoseconds) }
    }

    /// Frames data for a peer, for the host to send. Nothing is queued.
    ///
    /// - Parameters:
    ///   - data: what the peer shall get.
    ///   - peer: whom it is for.
    ///   - id: the allocation.
    ///   - now: the time.
    /// - Returns: what to send to the server.
    /// - Throws: ``StunError`` `state` if there is no relayed address, or the peer is not permitted; `invalid` or
    ///   `buffer` if there is more data than a datagram has room for.
    public func sendToPeer(
        _ data: [UInt8], to peer: SocketAddress, at id: OperationID, now: Timestamp
    ) throws(StunError) -> Transmit {
        try refuseHuge(data.count)
        let far = Endpoint(peer)
        let packet = try call { raw in
            try data.withData { lent in
                try raw.sendToPeer(
                    id: id.rawValue, peerTag: far.tag, peerLow: far.low, peerHigh: far.high, data: lent,
                    now: now.nanoseconds)
            }
        }
        return try refusing {
            try packet.withUnsafeBytes { bytes in
                var reader = Reader(bytes)
                let transmit = Transmit(&reader)
                if reader.isBroken { throw StunError.broken }
                return transmit
            }
        }
    }

    /// Deletes an allocation at the server (RFC 8656 s8), then ends it with ``Event/closed``.
    ///
    /// - Parameters:
    ///   - id: the allocation.
    ///   - now: the time.
    /// - Throws: ``StunError`` only as every command here does.
    public func closeRelay(_ id: OperationID, now: Timestamp) throws(StunError) {
        try call { try $0.closeRelay(id: id.rawValue, now: now.nanoseconds) }
    }

    /// Gives an allocation other credentials.
    ///
    /// - Parameters:
    ///   - credentials: from now on.
    ///   - expire: when they expire; `nil` is never.
    ///   - id: the allocation.
    ///   - now: the time.
    /// - Throws: ``StunError`` `invalid` for an impossible name or password.
    public func setCredentials(
        _ credentials: Credentials, expire: Timestamp? = nil, of id: OperationID, now: Timestamp
    ) throws(StunError) {
        try call { raw in
            try raw.setCredentials(
                id: id.rawValue, credential: credentials.raw, expire: expire?.nanoseconds ?? never,
                now: now.nanoseconds)
        }
    }
}
