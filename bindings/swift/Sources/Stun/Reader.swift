/// Reads the library's buffers, whose layout bindings/uniffi/src/output.rs tells. They come from the library that these
/// sources were built with, so what does not fit is a bug, and stops the program rather than reading beyond the end.
struct Reader {
    private let bytes: UnsafeRawBufferPointer
    private(set) var offset = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    mutating func read<T: FixedWidthInteger>(_ type: T.Type = T.self) -> T {
        let end = offset + MemoryLayout<T>.size
        precondition(end <= bytes.count, "a buffer of libstun ends too early")
        defer { offset = end }
        return T(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: T.self))
    }

    mutating func skip(_ count: Int) {
        precondition(count >= 0 && offset + count <= bytes.count, "a buffer of libstun ends too early")
        offset += count
    }

    mutating func slice(_ count: Int) -> UnsafeRawBufferPointer {
        let start = offset
        skip(count)
        return UnsafeRawBufferPointer(rebasing: bytes[start..<offset])
    }

    mutating func array(_ count: Int) -> [UInt8] { Array(slice(count)) }

    mutating func text(_ count: Int) -> String { String(decoding: slice(count), as: UTF8.self) }

    mutating func address() -> SocketAddress? {
        let tag = read(UInt64.self)
        let low = read(UInt64.self)
        let high = read(UInt64.self)
        return SocketAddress(tag: tag, low: low, high: high)
    }
}

extension Output {
    init(_ bytes: UnsafeRawBufferPointer) {
        var reader = Reader(bytes)
        deadline = timestamp(reader.read())
        outcome = Outcome(rawValue: reader.read()) ?? .ignored
        wakeReason = WakeReason(rawValue: reader.read())
        reader.skip(2)
        let packets = reader.read(UInt32.self)
        let happened = reader.read(UInt32.self)
        let received = reader.read(UInt32.self)
        // An empty array costs nothing, and most of these are.
        peerData = received == 0 ? [] : (0..<received).map { _ in PeerData(&reader) }
        transmits = packets == 0 ? [] : (0..<packets).map { _ in Transmit(&reader) }
        events = happened == 0 ? [] : (0..<happened).map { _ in AgentEvent(&reader) }
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
        remote = reader.address() ?? SocketAddress(.anyIPv4, port: 0)
        transport = Transport(rawValue: UInt32(reader.read(UInt8.self))) ?? .udp
        ecn = ECN(rawValue: reader.read()) ?? .notECT
        reader.skip(2)
        socketID = reader.read()
        bytes = reader.array(Int(reader.read(UInt32.self)))
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
