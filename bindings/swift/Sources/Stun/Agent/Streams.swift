internal import StunRaw

/// TCP and TLS connections of the host's, whose bytes the agent cuts into frames.
extension Agent {
    /// A connection of the host's is open.
    ///
    /// - Parameters:
    ///   - remote: where it leads to.
    ///   - now: the time.
    ///   - local: what it is bound to; `nil` if that does not matter.
    ///   - transport: ``Transport/tcp`` or ``Transport/tls``.
    ///   - socketID: the host's number for it.
    /// - Returns: its id, for the other two calls.
    /// - Throws: ``StunError`` `invalid` for UDP, which has no connections; `limit` if there are too many operations.
    public func openStream(
        to remote: SocketAddress, now: Timestamp, local: SocketAddress? = nil, transport: Transport = .tcp,
        socketID: UInt32 = 0
    ) throws(StunError) -> OperationID {
        let bits = meta(transport, socketID, .notECT)
        let id = try call { raw in
            try raw.openStream(local: Endpoint(local), remote: Endpoint(remote), meta: bits, now: now.nanoseconds)
        }
        return OperationID(rawValue: id)
    }

    /// Bytes were read from a connection, however they were split: brings back everything that came of them, as
    /// ``exchange(_:from:now:local:transport:socketID:ecn:)-([UInt8],_,_,_,_,_,_)`` does.
    ///
    /// - Parameters:
    ///   - id: the connection.
    ///   - bytes: at most 65535; hand in more in several calls.
    ///   - now: the time.
    /// - Returns: everything that came of them.
    /// - Throws: ``StunError`` `notFound` if no connection has that id, or it was closed; `invalid` for too many bytes.
    public func exchangeStream(_ id: OperationID, _ bytes: [UInt8], now: Timestamp) throws(StunError) -> Output {
        try refuseHuge(bytes.count)
        return try output { raw in
            try bytes.withData { try raw.exchangeStream(id: id.rawValue, bytes: $0, now: now.nanoseconds) }
        }
    }

    /// A connection is closed, by either end. Those who asked over it and go on ask for another with
    /// ``Event/reconnect(_:)``.
    ///
    /// - Parameters:
    ///   - id: the connection.
    ///   - now: the time.
    /// - Throws: ``StunError`` `notFound` if no connection has that id.
    public func closeStream(_ id: OperationID, now: Timestamp) throws(StunError) {
        try call { try $0.closeStream(id: id.rawValue, now: now.nanoseconds) }
    }
}
