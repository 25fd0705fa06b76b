@testable import Stun
import Foundation
import XCTest

/// The numbers here are those of include/stun.h, and none of its names is forgotten.
final class HeaderTests: XCTestCase {
    func testEveryNumberIsThatOfTheHeader() throws {
        try check(Transport.self, "stun_transport_code", "STUN_")
        try check(SendError.self, "stun_send_error_code", "STUN_SEND_", [
            "NO_FAMILY": "familyUnavailable", "NOT_PERMITTED": "permissionDenied", "TOO_LARGE": "messageTooLarge",
            "CLOSED": "socketClosed",
        ])
        try check(WakeReason.self, "stun_wake_code", "STUN_WAKE_", without: ["NONE"])
        try check(DropReason.self, "stun_drop_code", "STUN_DROP_", without: ["ANY"])
        try check(RedirectPolicy.self, "stun_redirect_code", "STUN_REDIRECT_")
        try check(PeerPolicy.self, "stun_peer_policy_code", "STUN_PEERS_", ["DEFAULT": "standard"])
        try check(RelayFamily.self, "stun_relay_family", "STUN_RELAY_")
        try check(KeepaliveKind.self, "stun_keepalive_kind", "STUN_KEEPALIVE_")
        try check(DatagramProtocol.self, "stun_protocol_code", "STUN_PROTOCOL_", ["WIREGUARD": "wireGuard"])
        try check(Integrity.self, "stun_integrity_code", "STUN_INTEGRITY_", without: ["BOTH"])
        try check(MessageClass.self, "stun_wire_class", "STUN_WIRE_")
        try check(Check.self, "stun_check_code", "STUN_CHECK_")
    }

    func testEveryReasonIsThatOfTheHeader() throws {
        try check(
            FailureReason.self, "stun_failure_code", "STUN_FAIL_",
            ["SEND": "sendFailed", "LIFETIME": "impossibleLifetime"],
            without: ["NONE", "NOT_FOUND", "NOT_OFFERED", "RESOLVER"])
        try check(AuthenticationFailure.self, "stun_auth_failure_code", "STUN_AUTH_")
        try check(RedirectRefusal.self, "stun_redirect_refusal_code", "STUN_REFUSED_")
        try check(CredentialsNeed.self, "stun_credentials_need_code", "STUN_CREDENTIALS_")
        try check(ObservedMapping.self, "stun_mapping_code", "STUN_MAPPING_", ["SAME": "sameEverywhere"])
        try check(NatProperty.self, "stun_nat_property", "STUN_NAT_")
        try check(NatValue.self, "stun_nat_value", "STUN_NAT_", without: ["UNKNOWN"])
        try check(NatConfidence.self, "stun_nat_confidence", "STUN_NAT_", without: ["NO_CONFIDENCE"])
        try check(
            NatReason.self, "stun_nat_reason", "STUN_NAT_",
            [
                "IGNORES_CHANGE_REQUEST": "serverIgnoresChangeRequest",
                "REFUSES_CHANGE_REQUEST": "changeRequestUnsupported",
                "IGNORES_RESPONSE_PORT": "serverIgnoresResponsePort",
                "REFUSES_RESPONSE_PORT": "responsePortUnsupported", "REFUSES_PADDING": "paddingUnsupported",
                "LOCAL_UNKNOWN": "localAddressUnknown", "TOO_FEW": "tooFewObservations", "OTHER_REASON": "other",
            ], without: ["NO_REASON"])
        try check(
            StunError.Code.self, "stun_status_code", "STUN_E_", ["HANDLE": "closed", "PANIC": "internal"],
            without: ["STUN_OK", "STUN_EMPTY", "STUN_IGNORED", "STUN_APP_DATA", "NULL", "BUSY"])
    }

    func testEveryKindOfEventIsThatOfTheHeader() throws {
        let renamed = ["NAT_REPORT": "natFinished"]
        // Of discovery, of TCP relays and of pools, none of which there is here.
        let absent: Set = [
            "RESOLVE", "SERVERS", "OPEN_CONNECTION", "CONNECTION_BOUND", "CONNECTION_FAILED", "RELAY_READY",
            "RELAY_SELECTED", "MIGRATED", "PEER_UNSERVED", "RELAY_SUPERSEDED",
        ]
        for (name, kind) in try header("stun_event_code") {
            let short = String(name.dropFirst("STUN_EV_".count))
            let number: UInt32 = short == "FAMILY_REFUSED" ? 6 : 1
            let event = FlatBuffer.event(kind: kind, number: number, hasAddresses: true, rest: FlatBuffer.report())
            let label = String("\(try FlatBuffer.decode(event).event)".prefix { $0 != "(" })
            XCTAssertEqual(label, absent.contains(short) ? "unknown" : renamed[short] ?? camel(short), name)
        }
    }

    func testEveryWishForAPortIsThatOfTheHeader() throws {
        let wishes: [String: RelayPort] = [
            "ANY": .any, "EVEN": .even, "EVEN_RESERVING_NEXT": .evenReservingNext,
            "RESERVED": .reserved([UInt8](1...8)),
        ]
        let codes = try header("stun_relay_port")
        XCTAssertEqual(codes.count, wishes.count)
        for (name, wish) in wishes {
            var config = AllocationConfig(server: server)
            config.port = wish
            XCTAssertEqual(Int(try config.raw().port), codes["STUN_PORT_\(name)"], name)
        }
    }

    // Helpers ---------------------------------------------------------------------------------------------------------

    /// That an enumeration has the names and numbers of the header's, but for those that are renamed or not here.
    private func check<E: RawRepresentable & CaseIterable>(
        _ type: E.Type, _ name: String, _ prefix: String, _ renamed: [String: String] = [:],
        without: Set<String> = [], line: UInt = #line
    ) throws where E.RawValue: BinaryInteger {
        var expected: [String: Int] = [:]
        for (constant, number) in try header(name) {
            let short = constant.hasPrefix(prefix) ? String(constant.dropFirst(prefix.count)) : constant
            if !without.contains(short) { expected[renamed[short] ?? camel(short)] = number }
        }
        let cases = Dictionary(uniqueKeysWithValues: E.allCases.map { ("\($0)", Int($0.rawValue)) })
        XCTAssertEqual(cases, expected, name, line: line)
    }

    /// The constants of an enumeration of the header.
    private func header(_ name: String) throws -> [String: Int] {
        let file = vectors.appendingPathComponent("../../include/stun.h").standardizedFileURL
        let text = try String(contentsOf: file, encoding: .utf8)
        let start = try XCTUnwrap(text.range(of: "typedef enum \(name) {"), name)
        let body = text[start.upperBound...].prefix { $0 != "}" }
        var constants: [String: Int] = [:]
        for line in body.split(separator: "\n") {
            let words = line.split(whereSeparator: { " =,".contains($0) })
            guard words.count == 2, words[0].hasPrefix("STUN_"), let number = Int(words[1]) else { continue }
            constants[String(words[0])] = number
        }
        XCTAssertGreaterThan(constants.count, 1, name)
        return constants
    }

    /// The way names are written here.
    private func camel(_ name: String) -> String {
        let words = name.lowercased().split(separator: "_")
        return words.dropFirst().reduce(String(words[0])) { $0 + $1.prefix(1).uppercased() + $1.dropFirst() }
    }
}
