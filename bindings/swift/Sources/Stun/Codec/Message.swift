internal import Foundation
internal import StunRaw

/// The version of the library, such as "0.1.0".
public let libraryVersion: String = StunRaw.libraryVersion()

/// What a datagram looks like, for hosts that share a socket between protocols (RFC 7983).
///
/// - Parameter datagram: the whole of it.
/// - Returns: the protocol; it may be broken inside.
public func classify(_ datagram: [UInt8]) -> DatagramProtocol {
    // No more is looked at than makes sure that it is too long for STUN.
    let code = datagram.prefix(longestMessage + 1).withUnsafeBytes { bytes in
        bytes.withData { StunRaw.classify(datagram: $0) }
    }
    return DatagramProtocol(rawValue: code) ?? .unknown
}

/// The class of a message (RFC 8489 s5).
public enum MessageClass: UInt32, Sendable, CaseIterable {
    /// Asks, and is answered.
    case request = 0
    /// Tells, and is not answered.
    case indication = 1
    /// The answer of success.
    case successResponse = 2
    /// The answer of failure.
    case errorResponse = 3
}

/// What came of checking an integrity attribute or FINGERPRINT.
public enum Check: UInt32, Sendable, CaseIterable {
    /// The message does not carry it.
    case absent = 0
    /// It matches.
    case valid = 1
    /// It does not match.
    case invalid = 2
}

/// An attribute of a message (RFC 8489 s14).
public struct Attribute: Hashable, Sendable {
    /// Its type.
    public var type: UInt16
    /// Its value as on the wire, without padding.
    public var value: [UInt8]

    /// An attribute of a type and a value.
    ///
    /// - Parameters:
    ///   - type: such as 0x0006, USERNAME.
    ///   - value: without padding.
    public init(type: UInt16, value: [UInt8]) {
        self.type = type
        self.value = value
    }
}

/// A STUN message (RFC 8489 s5), for hosts that speak STUN themselves beside their agent.
///
///     let request = try Message(.request, method: 1).encoded(fingerprint: true)
public struct Message: Hashable, Sendable {
    /// The class.
    public let messageClass: MessageClass
    /// The method, 0 to 4095; 1 is Binding.
    public let method: UInt16
    /// 12 bytes; none for a message that gets a random one when it is encoded.
    public let transactionID: [UInt8]
    /// In their order.
    public let attributes: [Attribute]
    /// What it was decoded from; the checks need it.
    private let source: [UInt8]?

    /// A message to encode.
    ///
    /// - Parameters:
    ///   - messageClass: the class.
    ///   - method: 0 to 4095; 1 is Binding.
    ///   - transactionID: 12 bytes, or none for random ones.
    ///   - attributes: in their order, without integrity and FINGERPRINT, which are made.
    public init(
        _ messageClass: MessageClass, method: UInt16, transactionID: [UInt8] = [], attributes: [Attribute] = []
    ) {
        self.messageClass = messageClass
        self.method = method
        self.transactionID = transactionID
        self.attributes = attributes
        source = nil
    }

    /// Takes a message apart.
    ///
    /// - Parameter datagram: the whole message and nothing else.
    /// - Throws: ``StunError`` `invalid` if it is none, or is broken.
    public init(decoding datagram: [UInt8]) throws(StunError) {
        try refuseHuge(datagram.count, longest: longestMessage)
        let raw = try refusing { try datagram.withData { try decodeMessage(datagram: $0) } }
        messageClass = MessageClass(rawValue: raw.messageClass) ?? .request
        method = raw.method
        transactionID = [UInt8](raw.transactionId)
        attributes = raw.attributes.map { Attribute(type: $0.attributeType, value: [UInt8]($0.value)) }
        source = datagram
    }

    /// The address in XOR-MAPPED-ADDRESS, or else in MAPPED-ADDRESS, of a message that was decoded (RFC 8489 s14.2).
    ///
    /// - Returns: the address; `nil` if there is neither attribute.
    /// - Throws: ``StunError`` `invalid` if the value is impossible, `state` if the message was not decoded.
    public func mappedAddress() throws(StunError) -> SocketAddress? {
        if let mapped = try address(0x0020) { return mapped }
        return try address(0x0001)
    }

    /// The address in the first attribute of a type of a message that was decoded.
    ///
    /// - Parameter type: such as 0x0020, XOR-MAPPED-ADDRESS.
    /// - Returns: the address; `nil` if there is no such attribute.
    /// - Throws: ``StunError`` `invalid` if that is not the type of an address or the value is impossible, `state` if
    ///   the message was not decoded.
    public func address(_ type: UInt16) throws(StunError) -> SocketAddress? {
        let source = try decoded()
        return SocketAddress(
            try refusing { try source.withData { try decodeAddress(datagram: $0, attributeType: type) } })
    }

    /// Checks FINGERPRINT of a message that was decoded (RFC 8489 s14.7).
    ///
    /// - Returns: what came of it.
    /// - Throws: ``StunError`` `state` if the message was not decoded.
    public func checkFingerprint() throws(StunError) -> Check {
        let source = try decoded()
        let verdict = try refusing { try source.withData { try StunRaw.checkFingerprint(datagram: $0) } }
        return Check(rawValue: verdict) ?? .invalid
    }

    /// Checks an integrity attribute of a message that was decoded (RFC 8489 s14.5). The time it takes does not depend
    /// on the value.
    ///
    /// - Parameters:
    ///   - integrity: which of the two.
    ///   - key: what it should have been signed with.
    /// - Returns: what came of it.
    /// - Throws: ``StunError`` `invalid` if the key is impossible, `state` if the message was not decoded.
    public func checkIntegrity(_ integrity: Integrity, key: Key) throws(StunError) -> Check {
        let source = try decoded()
        let verdict = try refusing {
            try source.withData { lent in
                try StunRaw.checkIntegrity(datagram: lent, key: key.raw, sha256: integrity == .sha256)
            }
        }
        return Check(rawValue: verdict) ?? .invalid
    }

    /// The message as bytes: its attributes, then the integrity attributes, SHA-1 first, then FINGERPRINT.
    ///
    /// - Parameters:
    ///   - key: what to sign with.
    ///   - integrity: the attributes to sign with; with a key at least one.
    ///   - fingerprint: whether to end with FINGERPRINT.
    /// - Returns: the whole message.
    /// - Throws: ``StunError`` `invalid` if a part is impossible or the whole too long; `entropy` if it needs a random
    ///   transaction id, and the system gave none.
    public func encoded(
        key: Key? = nil, integrity: Set<Integrity> = [], fingerprint: Bool = false
    ) throws(StunError) -> [UInt8] {
        if (key == nil) != integrity.isEmpty { throw .invalid("a key and integrity come together") }
        let length = attributes.reduce(0) { $0 + 4 + $1.value.count }
        try refuseHuge(length, longest: longestMessage)
        let raw = RawMessage(
            messageClass: messageClass.rawValue, method: method, transactionId: transactionID.data,
            attributes: attributes.map { RawAttribute(attributeType: $0.type, value: $0.value.data) })
        let bits = integrity.reduce(UInt32(0)) { $0 | $1.rawValue }
        return [UInt8](
            try refusing {
                try encodeMessage(message: raw, key: key?.raw, integrity: bits, fingerprint: fingerprint)
            })
    }

    /// Whether they say the same, wherever they come from.
    public static func == (left: Message, right: Message) -> Bool {
        left.messageClass == right.messageClass && left.method == right.method
            && left.transactionID == right.transactionID && left.attributes == right.attributes
    }

    /// Hashes what the message says.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(messageClass)
        hasher.combine(method)
        hasher.combine(transactionID)
        hasher.combine(attributes)
    }

    private func decoded() throws(StunError) -> [UInt8] {
        guard let source else { throw StunError(.state, "the message was not decoded from bytes") }
        return source
    }
}

extension Attribute {
    /// An attribute with an address in it (RFC 8489 s14.2).
    ///
    /// - Parameters:
    ///   - type: such as 0x0020, XOR-MAPPED-ADDRESS.
    ///   - address: the address.
    ///   - transactionID: the 12 bytes of the message's.
    /// - Throws: ``StunError`` `invalid` if that is not the type of an address, or the transaction id has not 12 bytes.
    public init(type: UInt16, address: SocketAddress, transactionID: [UInt8]) throws(StunError) {
        if transactionID.count != 12 { throw .invalid("a transaction id has 12 bytes") }
        let value = try refusing {
            try transactionID.withData { id in
                try encodeAddress(attributeType: type, address: Endpoint(address), transactionId: id)
            }
        }
        self.init(type: type, value: [UInt8](value))
    }
}

/// What messages are signed with (RFC 8489 s9.1.1, s9.2.2). Its description does not show the password.
public enum Key: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    /// Of a short-term credential.
    case shortTerm(password: String)
    /// Of a long-term credential, with MD5.
    case longTermMD5(username: String, realm: String, password: String)
    /// Of a long-term credential, with SHA-256.
    case longTermSHA256(username: String, realm: String, password: String)

    /// The kind of key, and of whom.
    public var description: String {
        switch self {
        case .shortTerm: "Key.shortTerm"
        case let .longTermMD5(username, realm, _): "Key.longTermMD5(\(username), \(realm))"
        case let .longTermSHA256(username, realm, _): "Key.longTermSHA256(\(username), \(realm))"
        }
    }

    /// What is shown of it: not the password.
    public var customMirror: Mirror { Mirror(self, children: ["key": description]) }

    var raw: RawKey {
        switch self {
        case let .shortTerm(password): RawKey(kind: 0, username: "", realm: "", password: password)
        case let .longTermMD5(username, realm, password):
            RawKey(kind: 1, username: username, realm: realm, password: password)
        case let .longTermSHA256(username, realm, password):
            RawKey(kind: 2, username: username, realm: realm, password: password)
        }
    }
}
