import Foundation
import Stun
import XCTest

/// What other people write: nonces, messages that are broken, and what calls them.
final class HostileTests: XCTestCase {
    private static let addresses: [UInt16] = [0x0001, 0x0012, 0x0016, 0x0020, 0x8023, 0x802b, 0x802c]

    func testNoncesComeThroughAndGoBackByteForByte() throws {
        let all = try nonces()
        XCTAssertEqual(all.count, 16)
        var echoed = 0
        for nonce in all {
            let challenge = Attribute(type: 0x0015, value: nonce)
            let built = try Message(.request, method: 3, attributes: [challenge]).encoded()
            XCTAssertEqual(try Message(decoding: built).attributes, [challenge])
            echoed += try echo(of: challenge) == nonce ? 1 : 0
        }
        // Not the empty one, one that is too long, and those whose cookie promises what the challenge lacks.
        XCTAssertGreaterThan(echoed, 6)
        XCTAssertLessThan(echoed, all.count - 1)
    }

    func testMalformedMessagesAreReadWholeOrRefusedWhateverIsAskedOfThem() throws {
        let file = try json("malformed.json")
        let all = try XCTUnwrap(file["vectors"] as? [[String: Any]])
        XCTAssertEqual(all.count, 124)
        var (mismatches, impossible) = (0, 0)
        for vector in all {
            let bytes = hex(try XCTUnwrap(vector["hex"] as? String))
            _ = classify(bytes)
            guard let message = try? Message(decoding: bytes) else { continue }
            XCTAssertEqual(message.transactionID.count, 12)
            mismatches += try message.checkFingerprint() == .invalid ? 1 : 0
            for integrity in Integrity.allCases {
                _ = try message.checkIntegrity(integrity, key: .shortTerm(password: "x"))
            }
            for type in Self.addresses {
                do throws(StunError) { _ = try message.address(type) } catch {
                    XCTAssertEqual(error.code, .invalid)
                    impossible += 1
                }
            }
        }
        XCTAssertGreaterThan(mismatches, 0)
        XCTAssertGreaterThan(impossible, 3)
    }

    func testMessagesThatWereChangedAreReadOrRefused() throws {
        var dice = Dice(11)
        let request = try Message(
            .request, method: 1, transactionID: [UInt8](1...12), attributes: [
                Attribute(type: 0x0006, value: Array("alice".utf8)),
                try Attribute(type: 0x0020, address: mapped, transactionID: [UInt8](1...12)),
            ]
        ).encoded(key: .shortTerm(password: "s3cret"), integrity: [.sha1, .sha256], fingerprint: true)
        var (read, refused) = (0, 0)
        for _ in 0..<20_000 {
            var bytes = request
            for _ in 0..<Int.random(in: 1...3, using: &dice) {
                bytes[Int.random(in: 0..<bytes.count, using: &dice)] = UInt8.random(in: 0...255, using: &dice)
            }
            if Int.random(in: 0..<8, using: &dice) == 0 {
                bytes.removeLast(Int.random(in: 0...bytes.count, using: &dice))
            }
            do throws(StunError) {
                let message = try Message(decoding: bytes)
                _ = try message.checkFingerprint()
                read += message.attributes.isEmpty ? 0 : 1
                _ = try message.mappedAddress()
            } catch {
                XCTAssertEqual(error.code, .invalid)
                refused += 1
            }
        }
        XCTAssertGreaterThan(min(read, refused), 1_000)
    }

    func testEveryDroppedMessageHasAReason() throws {
        var dice = Dice(12)
        let agent = try makeAgent()
        _ = try agent.startBinding(BindingConfig(server: server, local: local), now: at(0))
        let reply = try answer(try agent.drain().transmits[0].bytes)
        for _ in 0..<5_000 {
            var bytes = reply
            bytes[Int.random(in: 0..<bytes.count, using: &dice)] ^= 1 << UInt8.random(in: 0..<8, using: &dice)
            _ = try agent.exchange(bytes, from: server, now: at(1), local: local)
        }
        let dropped = try agent.dropped()
        XCTAssertGreaterThan(dropped, 1_000)
        XCTAssertEqual(try DropReason.allCases.reduce(0) { $0 + (try agent.dropped($1)) }, dropped)
    }

    // Helpers ---------------------------------------------------------------------------------------------------------

    private func nonces() throws -> [[UInt8]] {
        let file = try json("nonce_cookie.json")
        let rows = try XCTUnwrap(file["rows"] as? [[String: Any]]).map { Array(($0["prefix"] as? String ?? "").utf8) }
        let hostile = try XCTUnwrap(file["hostile"] as? [[String: Any]]).map { row -> [UInt8] in
            if let text = row["nonce_hex"] as? String { return hex(text) }
            if let text = row["nonce_utf8"] as? String { return Array(text.utf8) }
            return [UInt8](repeating: 0x6e, count: row["nonce_len"] as? Int ?? 0)
        }
        return rows + hostile
    }

    /// The nonce that a client signs with after a challenge, if it takes that.
    private func echo(of challenge: Attribute) throws -> [UInt8]? {
        let agent = try makeAgent()
        let credentials = Credentials.longTerm(username: "alice", password: "s3cret")
        let config = BindingConfig(server: server, local: local, refresh: nil, credentials: credentials)
        _ = try agent.startBinding(config, now: at(0))
        let first = try agent.drain().transmits[0]
        let realm = Attribute(type: 0x0014, value: Array("example.org".utf8))
        let refused = try refusal(first.bytes, code: 401, [realm, challenge])
        let output = try agent.exchange(refused, from: server, now: at(1), local: local)
        guard let again = output.transmits.first else { return nil }
        return try Message(decoding: again.bytes).attributes.first { $0.type == challenge.type }?.value
    }

    private func json(_ name: String) throws -> [String: Any] {
        let data = try Data(contentsOf: vectors.appendingPathComponent(name))
        return try XCTUnwrap(JSONSerialization.jsonObject(with: data) as? [String: Any])
    }
}
