@testable import Stun
import Foundation
import XCTest

final class AddressTests: XCTestCase {
    func testAnAddressComesBackAsItWent() {
        for text in [
            "192.0.2.1:3478", "255.255.255.255:65535", "[2001:db8::1:2]:1", "[fe80::1%7]:9", "0.0.0.0:0", "[::]:0",
        ] {
            XCTAssertEqual(SocketAddress(text)?.description, text)
        }
    }

    func testWhatIsNoAddressIsNil() {
        for text in [
            "", ":", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:-1", "192.0.2.1:+1", "2001:db8::1:80",
            "[192.0.2.1]:80", "[::1]", "[::1]:", "[::1%]:1", "[::1%+1]:1", "[::1%eth0]:1", "localhost:80",
            "192.0.2.1:\u{FF18}\u{FF10}",
            "1.2.3:4", "[::1]:80 ", "192.0.2.1%7:80", "192.0.2.1\0:80", "192.0.2.1\0.example.org:80",
            "[::1\0]:80",
            "[::1\0%1]:80", "192.0.2.1:80\0", "[fe80::1%-0]:9", "[fe80::1%4294967296]:9", "[fe80::1%7%7]:9",
            "[", "[]:80",
            "[:80", "[[::1]]:80", "[::1]\u{301}:80", "192.0.2.1:\u{301}80", "192.0.2.1:123456789012345678901234567890",
        ] {
            XCTAssertNil(SocketAddress(text), text)
        }
        for text in [
            "192.0.2.1\0", "::1\0", "fe80::1%-0", "fe80::1%", "%1", "\0", "192.0.2.1 ", "0x7f.1", "1.2.3.4.5",
        ] {
            XCTAssertNil(IPAddress(text), text)
        }
        XCTAssertNil(IPAddress(bytes: [1, 2, 3]))
        XCTAssertNil(IPAddress(bytes: []))
    }

    func testBytesAreInTheOrderOfTheNetwork() {
        XCTAssertEqual(IPAddress("192.0.2.1")?.bytes, [192, 0, 2, 1])
        XCTAssertEqual(IPAddress(bytes: [192, 0, 2, 1]), IPAddress("192.0.2.1"))
        let six = IPAddress("2001:db8::f")!
        XCTAssertEqual(six.bytes, [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xf])
        XCTAssertEqual(IPAddress(bytes: six.bytes), six)
        XCTAssertEqual([IPAddress.loopbackIPv4, .loopbackIPv6, .anyIPv4, .anyIPv6].map(\.description),
            ["127.0.0.1", "::1", "0.0.0.0", "::"])
        XCTAssertTrue(IPAddress.anyIPv6.isUnspecified)
    }

    func testTheOperatingSystemsStructuresHoldTheSame() {
        for text in ["192.0.2.1:3478", "[2001:db8::1:2]:513", "[fe80::1%7]:9"] {
            let address = SocketAddress(text)!
            var storage = sockaddr_storage()
            address.withSockaddr { pointer, length in
                XCTAssertEqual(Int(length), address.ip.family == .ipv4 ? 16 : 28)
                withUnsafeMutableBytes(of: &storage) {
                    $0.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: Int(length)))
                }
            }
            XCTAssertEqual(SocketAddress(storage), address)
        }
        XCTAssertNil(SocketAddress(sockaddr_storage()))
    }

    func testAMappedIPv4AddressStaysOneOfIPv6() throws {
        let mapped = try XCTUnwrap(SocketAddress("[::ffff:192.0.2.1]:80"))
        XCTAssertEqual(mapped.ip.family, .ipv6)
        XCTAssertEqual("\(mapped)", "[::ffff:192.0.2.1]:80")
        XCTAssertNotEqual(mapped, SocketAddress("192.0.2.1:80"))
    }

    func testDurationsAndTimesThatAreTooLongForTheLibraryStopShortOfNever() throws {
        let endless = Duration.seconds(Int64.max) * 2
        for duration in [endless, .seconds(Int64.max), .seconds(18_446_744_074), Duration(nanoseconds: .max)] {
            XCTAssertEqual(duration.saturatedNanoseconds, .max - 1)
            XCTAssertEqual(at(1).advanced(by: duration).nanoseconds, .max - 1)
            XCTAssertEqual(at(1).advanced(by: .zero - duration).nanoseconds, 0)
            assertRefused(.invalid) { try nanoseconds(.zero - duration, "it") }
        }
        XCTAssertEqual(Duration.seconds(18_446_744_073).saturatedNanoseconds, 18_446_744_073_000_000_000)
        // The shortest there is has no opposite.
        let rest = Duration(
            secondsComponent: 4_120_486_797_083_267_205, attosecondsComponent: 687_303_715_884_105_728)
        let shortest = Duration.zero - endless * 9 - rest
        XCTAssertEqual(at(1).advanced(by: shortest).nanoseconds, 0)
        XCTAssertEqual(shortest.saturatedNanoseconds, 0)
        let agent = try makeAgent()
        var config = BindingConfig(server: server, refresh: endless)
        (config.retransmission.initialRTO, config.backoff.first, config.backoff.max) = (endless, endless, endless)
        _ = try agent.startBinding(config, now: Timestamp(nanoseconds: .max - 1))
        try agent.setPower(PowerProfile(maxSlack: endless, refresh: endless), now: at(0))
        try agent.setPacing(endless)
    }

    func testDurationsAreRoundedDownToNanoseconds() throws {
        let attoseconds = Duration(secondsComponent: 1, attosecondsComponent: 1_999_999_999)
        XCTAssertEqual(attoseconds.saturatedNanoseconds, 1_000_000_001)
        let short = Duration(secondsComponent: 0, attosecondsComponent: -1)
        XCTAssertEqual(short.saturatedNanoseconds, 0)
        assertRefused(.invalid) { try nanoseconds(short, "it") }
        XCTAssertEqual(try nanoseconds(nil, "it"), .max)
        XCTAssertNil(duration(.max))
        XCTAssertNil(timestamp(.max))
    }

    func testEveryTimeIsAnInstant() {
        for nanoseconds in [0, 1 << 62, 1 << 63, UInt64.max - 1] {
            let time = Timestamp(nanoseconds: nanoseconds)
            XCTAssertEqual(Timestamp(time.instant), time)
        }
        XCTAssertEqual(Timestamp(Timestamp.now.instant.advanced(by: .seconds(-1 << 32))).nanoseconds, 0)
    }

    func testTimesAreWholeNanoseconds() {
        let time = Timestamp(nanoseconds: 1_500_000_000)
        XCTAssertEqual(time.advanced(by: .milliseconds(1)).nanoseconds, 1_501_000_000)
        XCTAssertEqual(time.advanced(by: .seconds(-2)).nanoseconds, 0)
        XCTAssertEqual(time.advanced(by: .seconds(Int64.max)).nanoseconds, .max - 1)
        let latest = Timestamp(nanoseconds: .max - 1)
        XCTAssertEqual(time.duration(to: latest) + .nanoseconds(1_500_000_001), Duration(nanoseconds: .max))
        XCTAssertEqual(latest.duration(to: time), .zero - time.duration(to: latest))
        XCTAssertEqual(time.advanced(by: time.duration(to: latest)), latest)
        XCTAssertLessThan(time, latest)
        let now = Timestamp.now
        XCTAssertLessThanOrEqual(now, .now)
        XCTAssertEqual(Timestamp(now.instant), now)
    }
}
