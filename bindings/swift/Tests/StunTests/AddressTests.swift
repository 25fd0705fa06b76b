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
            "1.2.3:4", "[::1]:80 ", "192.0.2.1%7:80",
        ] {
            XCTAssertNil(SocketAddress(text), text)
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
