import Foundation
import Stun
import XCTest

/// The vectors of `tests/vectors`, which all languages share.
final class VectorTests: XCTestCase {
    func testTheMessagesOfRFC5769AreReadCheckedAndRebuilt() throws {
        var rebuilt = 0
        for vector in try load("rfc5769.json") {
            let expect = try XCTUnwrap(vector["expect"] as? [String: Any])
            let bytes = hex(try string(vector, "hex"))
            XCTAssertEqual(classify(bytes), .stun)
            let message = try Message(decoding: bytes)
            let key = key(vector) ?? .shortTerm(password: "VOkJxbRl1RmTxUk/WvJxBt")
            try check(message, expect, key: key, name: try string(vector, "name"))
            // Padding of spaces is read and not written: only what pads with zeros, or needs no padding, is the same.
            rebuilt += try rebuild(message, bytes, key: key) ? 1 : 0
        }
        XCTAssertGreaterThanOrEqual(rebuilt, 1)
    }

    func testTheMessagesOfRFC8489AreReadAndChecked() throws {
        var checked = 0
        for vector in try load("rfc8489_b1.json") {
            guard let expect = vector["expect"] as? [String: Any], let text = vector["hex"] as? String else { continue }
            guard let message = try? Message(decoding: hex(text)) else { continue }
            try check(message, expect, key: key(vector), name: try string(vector, "name"))
            checked += 1
        }
        XCTAssertGreaterThanOrEqual(checked, 3)
    }

    func testWhatServersHaveSentIsReadAndItsSignaturesHold() throws {
        let file = try json("captured_servers.json")
        let credentials = try XCTUnwrap(file["credentials"] as? [String: String])
        let key = Key.longTermMD5(
            username: credentials["username"]!, realm: credentials["realm"]!, password: credentials["password"]!)
        var signed = 0
        for (name, exchanges) in try XCTUnwrap(file["servers"] as? [String: [[String: Any]]]) {
            for exchange in exchanges where exchange["response"] is String {
                let bytes = hex(try string(exchange, "response"))
                if classify(bytes) != .stun { continue }
                let message = try Message(decoding: bytes)
                let asked = try Message(decoding: hex(try string(exchange, "request")))
                XCTAssertEqual(message.transactionID, asked.transactionID, name)
                XCTAssertEqual(message.attributes.map(\.type), attributeTypes(exchange["response_attrs"]), name)
                XCTAssertEqual(try message.address(0x0020)?.description, exchange["xor_mapped"] as? String, name)
                let hasFingerprint = exchange["has_fingerprint"] as? Bool ?? false
                XCTAssertEqual(try message.checkFingerprint(), hasFingerprint ? .valid : .absent, name)
                let hasIntegrity = exchange["has_integrity"] as? Bool ?? false
                XCTAssertEqual(try message.checkIntegrity(.sha1, key: key), hasIntegrity ? .valid : .absent, name)
                signed += hasIntegrity ? 1 : 0
            }
        }
        XCTAssertGreaterThan(signed, 5)
    }

    func testWhatBrowsersHaveSentIsReadCheckedAndRebuilt() throws {
        var rebuilt = 0
        for vector in try load("captured_ice.json") {
            let bytes = hex(try string(vector, "hex"))
            let message = try Message(decoding: bytes)
            let key = Key.shortTerm(password: vector["MI_key"] as? String ?? "none")
            let isSigned = vector["MI_key"] is String
            XCTAssertEqual(try message.checkIntegrity(.sha1, key: key), isSigned ? .valid : .absent)
            let other = Key.shortTerm(password: "another")
            XCTAssertEqual(try message.checkIntegrity(.sha1, key: other), isSigned ? .invalid : .absent)
            XCTAssertEqual(try message.checkFingerprint(), .valid)
            XCTAssertEqual(message.attributes.map(\.type), (vector["attr_order"] as? [String])?.compactMap(number))
            var broken = bytes
            broken[8] ^= 1  // in the transaction id, which both seals cover
            XCTAssertEqual(try Message(decoding: broken).checkFingerprint(), .invalid)
            let padding = (vector["padding_bytes"] as? [Any]) ?? []
            // Padding of spaces is read and not written: only what is padded with zeros comes out the same.
            if padding.allSatisfy({ ($0 as? String)?.allSatisfy { $0 == "0" } == true }) {
                XCTAssertEqual(hex(try seal(message, key: key)), hex(bytes))
                rebuilt += 1
            }
        }
        XCTAssertEqual(rebuilt, 4)
    }

    func testMalformedMessagesAreRefusedAndNothingElse() throws {
        var refused = 0
        let agent = try makeAgent()
        _ = try agent.startServer(ServerConfig(), now: at(0))
        for vector in try load("malformed.json") {
            let bytes = hex(try string(vector, "hex"))
            let expect = try XCTUnwrap(vector["expect"] as? [String: Any])
            let decode = try string(expect, "decode")
            let name = try string(vector, "name")
            if decode.hasPrefix("error") {
                assertRefused(.invalid) { try Message(decoding: bytes) }
                refused += 1
            } else if decode.hasPrefix("ok") {
                XCTAssertNoThrow(try Message(decoding: bytes), name)
            }
            if bytes.count <= 65_535 { _ = try agent.exchange(bytes, from: local, now: at(1), local: server) }
        }
        XCTAssertGreaterThan(refused, 20)
    }

    func testKeysAreThoseOfTheRFCs() throws {
        let key = Key.longTermSHA256(username: "user", realm: "realm", password: "pass")
        let sent = try Message(.request, method: 1, transactionID: [UInt8](1...12)).encoded(
            key: key, integrity: [.sha256, .sha1], fingerprint: true)
        let message = try Message(decoding: sent)
        XCTAssertEqual(message.attributes.map(\.type), [0x0008, 0x001c, 0x8028])
        XCTAssertEqual(try message.checkIntegrity(.sha256, key: key), .valid)
        XCTAssertEqual(try message.checkIntegrity(.sha1, key: key), .valid)
        let md5 = Key.longTermMD5(username: "user", realm: "realm", password: "pass")
        XCTAssertEqual(try message.checkIntegrity(.sha256, key: md5), .invalid)
        let facts = try json("facts.json")["crc32"] as? [String: Any]
        let empty = try XCTUnwrap((facts?["empty_binding_fingerprint"] as? [[String: String]])?.first)
        let plain = Message(.request, method: 1, transactionID: hex(empty["transaction_id"]!))
        XCTAssertEqual(hex(try plain.encoded(fingerprint: true)), empty["message"])
    }

    func testMisuseOfMessagesIsRefused() throws {
        let message = Message(.request, method: 1)
        XCTAssertEqual(try Message(decoding: try message.encoded()).transactionID.count, 12)
        XCTAssertNotEqual(try message.encoded(), try message.encoded(), "transaction ids are random")
        assertRefused(.state) { try message.checkFingerprint() }
        assertRefused(.state) { try message.mappedAddress() }
        assertRefused(.invalid) { try message.encoded(key: .shortTerm(password: "x")) }
        assertRefused(.invalid) { try message.encoded(integrity: [.sha1]) }
        assertRefused(.invalid) { try Message(.request, method: 4096).encoded() }
        assertRefused(.invalid) { try Message(.request, method: 1, transactionID: [1]).encoded() }
        let seal = Attribute(type: 0x0008, value: [UInt8](repeating: 0, count: 20))
        assertRefused(.invalid) { try Message(.request, method: 1, attributes: [seal]).encoded() }
        let long = Attribute(type: 0x8022, value: [UInt8](repeating: 0, count: 65_536))
        assertRefused(.invalid) { try Message(.request, method: 1, attributes: [long]).encoded() }
        assertRefused(.invalid) { try Attribute(type: 0x8022, address: server, transactionID: [UInt8](1...12)) }
        assertRefused(.invalid) { try Attribute(type: 0x0020, address: server, transactionID: [1]) }
        let bound = try Message(decoding: try answer(try message.encoded()))
        XCTAssertEqual(try bound.mappedAddress(), mapped)
        XCTAssertNil(try bound.address(0x0001))
        assertRefused(.invalid) { try bound.address(0x8022) }
    }

    // Helpers ---------------------------------------------------------------------------------------------------------

    private func check(_ message: Message, _ expect: [String: Any], key: Key?, name: String) throws {
        if let id = expect["transaction_id"] as? String { XCTAssertEqual(hex(message.transactionID), id, name) }
        let classes: [String: MessageClass] = [
            "request": .request, "success": .successResponse, "success response": .successResponse,
            "error": .errorResponse, "indication": .indication,
        ]
        if let text = expect["class"] as? String, let known = classes[text] {
            XCTAssertEqual(message.messageClass, known, name)
        }
        if let text = expect["XOR-MAPPED-ADDRESS"] as? String {
            XCTAssertEqual(try message.mappedAddress()?.description, text, name)
        }
        if let verdict = (expect["FINGERPRINT"] as? String).flatMap(self.verdict) {
            XCTAssertEqual(try message.checkFingerprint(), verdict, name)
        }
        for (attribute, integrity) in [("MESSAGE-INTEGRITY", Integrity.sha1), ("MESSAGE-INTEGRITY-SHA256", .sha256)] {
            guard let key, let verdict = (expect[attribute] as? String).flatMap(self.verdict) else { continue }
            XCTAssertEqual(try message.checkIntegrity(integrity, key: key), verdict, "\(name) \(attribute)")
        }
    }

    private func verdict(_ text: String) -> Check? {
        ["valid": .valid, "invalid": .invalid, "absent": .absent][text]
    }

    private func rebuild(_ message: Message, _ bytes: [UInt8], key: Key) throws -> Bool {
        guard try message.checkIntegrity(.sha1, key: key) == .valid else { return false }
        return try seal(message, key: key) == bytes
    }

    /// The same message, signed and sealed again.
    private func seal(_ message: Message, key: Key) throws -> [UInt8] {
        let types = message.attributes.map(\.type)
        let open = Message(
            message.messageClass, method: message.method, transactionID: message.transactionID,
            attributes: message.attributes.filter { ![0x0008, 0x001c, 0x8028].contains($0.type) })
        return try open.encoded(
            key: types.contains(0x0008) ? key : nil, integrity: types.contains(0x0008) ? [.sha1] : [],
            fingerprint: types.contains(0x8028))
    }

    private func key(_ vector: [String: Any]) -> Key? {
        let password = (vector["password"] ?? vector["password_prepared"]) as? String
        guard let password else { return nil }
        guard let username = vector["username"] as? String, let realm = vector["realm"] as? String else {
            return .shortTerm(password: password)
        }
        let isSHA256 = (vector["credential"] as? String) == "long-term-sha256"
        return isSHA256
            ? .longTermSHA256(username: username, realm: realm, password: password)
            : .longTermMD5(username: username, realm: realm, password: password)
    }

    private func attributeTypes(_ list: Any?) -> [UInt16] {
        (list as? [[Any]] ?? []).compactMap { ($0.first as? String).flatMap(number) }
    }

    private func number(_ text: String) -> UInt16? { UInt16(text.dropFirst(2), radix: 16) }

    private func string(_ object: [String: Any], _ name: String) throws -> String {
        try XCTUnwrap(object[name] as? String, name)
    }

    private func load(_ name: String) throws -> [[String: Any]] {
        try XCTUnwrap(json(name)["vectors"] as? [[String: Any]])
    }

    private func json(_ name: String) throws -> [String: Any] {
        let data = try Data(contentsOf: vectors.appendingPathComponent(name))
        return try XCTUnwrap(JSONSerialization.jsonObject(with: data) as? [String: Any])
    }
}
