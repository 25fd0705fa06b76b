/// Reads the library's buffers, whose layout bindings/uniffi/src/output.rs tells. Beyond the end there are zeros and
/// ``isBroken``: that is a bug, and must not end the host's program.
struct Reader {
    /// Whether something did not fit. Nothing is read any more then.
    private(set) var isBroken = false
    private let bytes: UnsafeRawBufferPointer
    private var offset = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    mutating func read<T: FixedWidthInteger>(_ type: T.Type = T.self) -> T {
        let start = offset
        skip(MemoryLayout<T>.size)
        return isBroken ? 0 : T(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: T.self))
    }

    mutating func skip(_ count: Int) {
        if isBroken || bytes.count - offset < count { return fail() }
        offset += count
    }

    /// So many bytes, or none if there are fewer.
    mutating func slice(_ count: UInt32) -> UnsafeRawBufferPointer {
        let start = offset
        guard let count = Int(exactly: count) else {
            fail()
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        skip(count)
        return UnsafeRawBufferPointer(rebasing: bytes[start..<offset])
    }

    mutating func array(_ count: UInt32) -> [UInt8] { Array(slice(count)) }

    mutating func text(_ count: UInt32) -> String { String(decoding: slice(count), as: UTF8.self) }

    /// So many things one after the other. What cannot be there is not waited for, and no place is made for it.
    mutating func list<T>(_ count: UInt32, _ read: (inout Reader) -> T) -> [T] {
        var list: [T] = []  // empty it costs nothing, and most of them are
        for _ in 0..<count {
            let next = read(&self)
            if isBroken { break }
            list.append(next)
        }
        return list
    }

    /// What was read is impossible.
    mutating func fail() {
        isBroken = true
    }

    mutating func address() -> SocketAddress? {
        let tag = read(UInt64.self)
        let low = read(UInt64.self)
        let high = read(UInt64.self)
        return SocketAddress(tag: tag, low: low, high: high)
    }
}

extension Output {
    /// What a buffer of the library's says.
    ///
    /// - Throws: ``StunError`` `internal` if it ends too early, or a packet goes nowhere.
    init(_ bytes: UnsafeRawBufferPointer) throws(StunError) {
        var reader = Reader(bytes)
        deadline = timestamp(reader.read())
        outcome = Outcome(rawValue: reader.read()) ?? .ignored
        wakeReason = WakeReason(rawValue: reader.read())
        reader.skip(2)
        let packets = reader.read(UInt32.self)
        let happened = reader.read(UInt32.self)
        let received = reader.read(UInt32.self)
        peerData = reader.list(received) { PeerData(&$0) }
        transmits = reader.list(packets) { Transmit(&$0) }
        events = reader.list(happened) { AgentEvent(&$0) }
        if reader.isBroken { throw .broken }
    }
}

/// A packet as it lies in a buffer.
private struct Packet {
    let local: SocketAddress?
    let remote: SocketAddress
    let transport: Transport
    let ecn: ECN
    let socketID: UInt32
    let bytes: [UInt8]

    init(_ reader: inout Reader) {
        local = reader.address()
        let remote = reader.address()
        if remote == nil { reader.fail() }
        self.remote = remote ?? SocketAddress(.anyIPv4, port: 0)
        transport = Transport(rawValue: UInt32(reader.read(UInt8.self))) ?? .udp
        ecn = ECN(rawValue: reader.read()) ?? .notECT
        reader.skip(2)
        socketID = reader.read()
        bytes = reader.array(reader.read())
    }
}

extension Transmit {
    init(_ reader: inout Reader) {
        let packet = Packet(&reader)
        self.init(
            bytes: packet.bytes, remote: packet.remote, local: packet.local, transport: packet.transport,
            socketID: packet.socketID, ecn: packet.ecn)
    }
}

extension PeerData {
    init(_ reader: inout Reader) {
        let packet = Packet(&reader)
        self.init(
            bytes: packet.bytes, peer: packet.remote, relayed: packet.local, socketID: packet.socketID,
            ecn: packet.ecn)
    }
}
