internal import StunRaw

/// Commands to allocations (RFC 8656). Each throws ``StunError`` `notFound` if no allocation has that id.
extension Agent {
    /// Lets a peer send to the relayed address and be sent to, whatever its port (RFC 8656 s9).
    ///
    /// - Throws: ``StunError`` `invalid` if the policy refuses the peer, `limit` if there are too many.
    public func permit(_ peer: IPAddress, at id: OperationID, now: Timestamp) throws(StunError) {
        try call { try $0.permit(id: id.rawValue, peer: Endpoint(peer), now: now.nanoseconds) }
    }

    /// Renews a permission no longer.
    ///
    /// - Returns: whether there was one.
    @discardableResult
    public func revoke(_ peer: IPAddress, at id: OperationID, now: Timestamp) throws(StunError) -> Bool {
        try call { try $0.revoke(id: id.rawValue, peer: Endpoint(peer), now: now.nanoseconds) }
    }

    /// Binds a channel to a peer and keeps it bound: what is sent has four bytes of overhead then (RFC 8656 s12).
    ///
    /// - Throws: ``StunError`` `invalid` if the policy refuses the peer, `limit` if there are too many.
    public func bindChannel(_ peer: SocketAddress, at id: OperationID, now: Timestamp) throws(StunError) {
        try call { try $0.bindChannel(id: id.rawValue, peer: Endpoint(peer), now: now.nanoseconds) }
    }

    /// Renews a channel no longer.
    ///
    /// - Returns: whether there was one.
    @discardableResult
    public func releaseChannel(
        _ peer: SocketAddress, at id: OperationID, now: Timestamp
    ) throws(StunError) -> Bool {
        try call { try $0.releaseChannel(id: id.rawValue, peer: Endpoint(peer), now: now.nanoseconds) }
    }

    /// Frames data for a peer, for the host to send. Nothing is queued.
    ///
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

    /// Deletes an allocation at the server, then ends it with ``Event/closed``.
    public func closeRelay(_ id: OperationID, now: Timestamp) throws(StunError) {
        try call { try $0.closeRelay(id: id.rawValue, now: now.nanoseconds) }
    }

    /// Gives an allocation other credentials, which expire at a time, or never with `nil`.
    ///
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
