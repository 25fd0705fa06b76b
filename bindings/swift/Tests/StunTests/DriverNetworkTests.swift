import Foundation
import XCTest

@testable import Stun

final class DriverNetworkTests: XCTestCase {
    private let home = IPAddress("127.0.0.2")!
    private let away = IPAddress("127.0.0.3")!
    /// An address that this host does not have.
    private let nowhere = IPAddress("192.0.2.55")!

    func testABindingMovesWithTheHostToANewSocket() async throws {
        let (server, address) = try await openServer()
        let driver = try openDriver(SocketAddress(home, port: 0))
        let binding = try await driver.startBinding(BindingConfig(server: address))
        let before = try await within { try await binding.mapped() }
        XCTAssertEqual(before.ip, home)
        let events = driver.events()
        try await driver.networkChanged([away])
        let restart = try await first(events) { event in
            if case let .restarted(restart) = event { restart } else { nil }
        }
        XCTAssertEqual(restart.previous.ip, home)
        XCTAssertEqual(restart.local.ip, away)
        try await eventually { [away] in await binding.address?.ip == away }
        let locals = await driver.localAddresses
        XCTAssertEqual(locals, [restart.local])
        // Nobody uses the old socket any more, and it is closed.
        try await eventually { (try? PlainSocket(before)) != nil }
        let again = try await within { try await driver.mappedAddress(of: address) }
        XCTAssertEqual(again.ip, away)
        await driver.close()
        await server.close()
    }

    func testADriverWhoseNewAddressCannotBeHadYetGoesOnWhenItCan() async throws {
        let (server, address) = try await openServer()
        let driver = try openDriver(SocketAddress(home, port: 0))
        var config = BindingConfig(server: address)
        config.retransmission = hasty
        config.backoff.first = .milliseconds(100)
        config.backoff.max = .milliseconds(100)
        let binding = try await driver.startBinding(config)
        _ = try await within { try await binding.mapped() }
        try await driver.networkChanged([nowhere])
        _ = try await first(binding.events) { event in
            if case .retrying = event { true } else { nil }
        }
        let none = await driver.localAddresses
        XCTAssertEqual(none, [])
        try await driver.networkChanged([away])
        try await eventually { [away] in await binding.address?.ip == away }
        let again = try await within { try await driver.mappedAddress(of: address) }
        XCTAssertEqual(again.ip, away)
        await driver.close()
        await server.close()
    }

    func testAnIdleDriverMovesAsWell() async throws {
        let (server, address) = try await openServer()
        let driver = try openDriver(SocketAddress(home, port: 0))
        try await driver.networkChanged([away])
        let mapped = try await within { try await driver.mappedAddress(of: address) }
        XCTAssertEqual(mapped.ip, away)
        await driver.close()
        await server.close()
    }

    func testASocketThatIsBoundToNoAddressStays() async throws {
        let (server, address) = try await openServer()
        let driver = try openDriver(SocketAddress(.anyIPv4, port: 0))
        let binding = try await driver.startBinding(BindingConfig(server: address))
        _ = try await within { try await binding.mapped() }
        let before = await driver.localAddresses
        try await driver.networkChanged([away])
        // It is asked at once what its public address is now.
        _ = try await first(binding.events) { event in
            switch event {
            case .restarted, .refreshed: true
            default: nil
            }
        }
        let after = await driver.localAddresses
        XCTAssertEqual(before, after)
        await driver.close()
        await server.close()
    }

    func testARelayMovesWithTheHostAndKeepsItsAddress() async throws {
        let driver = try openDriver(SocketAddress(home, port: 0))
        let peer = try PlainSocket()
        let relay = try await driver.startAllocation(try allocation())
        let relayed = try await within { try await relay.ready() }
        try await within { try await relay.permit(peer.local.ip) }
        try await driver.networkChanged([away])
        // coturn does not say where it sees the host now, and RFC 8016 s3.2.2 does not ask it to.
        _ = try await first(relay.events) { event in
            if case .moved = event { true } else { nil }
        }
        let locals = await driver.localAddresses
        XCTAssertEqual(locals.map(\.ip), [away])
        let kept = await relay.relayed
        XCTAssertEqual(kept, relayed, "coturn moves allocations (RFC 8016)")
        let mapped = await relay.mapped
        XCTAssertNil(mapped, "what was known is of the network before")
        // Their two addresses are those of an allocation now: the next one needs others.
        _ = try await driver.startAllocation(try allocation())
        let count = driver.core.queue.sync { driver.core.sockets.all.count }
        XCTAssertEqual(count, 2)
        try await relay.send([7], to: peer.local)
        let heard = try await peer.receive()
        XCTAssertEqual(heard.bytes, [7])
        XCTAssertEqual(heard.remote, relayed)
        peer.send([8], to: relayed)
        let packet = try await within { await relay.packets.first { _ in true } }
        XCTAssertEqual(packet?.bytes, [8])
        await driver.close()
    }

    func testWithoutAnyAddressADriverWaitsForTheNextNetwork() async throws {
        let (server, address) = try await openServer()
        let driver = try openDriver(SocketAddress(home, port: 0))
        let binding = try await driver.startBinding(BindingConfig(server: address))
        _ = try await within { try await binding.mapped() }
        try await driver.networkChanged([])
        try await driver.networkChanged([away])
        let mapped = try await within { try await driver.mappedAddress(of: address) }
        XCTAssertEqual(mapped.ip, away)
        await driver.close()
        await server.close()
    }

    func testASocketThatTheSystemHasTakenAwayIsOpenedAgain() async throws {
        let (server, address) = try await openServer()
        let driver = try openDriver()
        let local = await driver.localAddress
        driver.core.queue.sync { driver.core.sockets.renew(driver.core.sockets.all[0]) }
        // At once, though nothing is sent: somebody may send something here.
        try await eventually { await driver.localAddress == local }
        let again = try await within { try await driver.mappedAddress(of: address) }
        XCTAssertEqual(again, local)
        await driver.close()
        await server.close()
    }

    func testADriverWithoutOperationsOutlivesAnAddressThatCannotBeHad() async throws {
        let (server, address) = try await openServer()
        let driver = try openDriver(SocketAddress(home, port: 0))
        // As an IPv6 address that is not assigned for good yet.
        try await driver.networkChanged([nowhere])
        try await driver.networkChanged([away])
        let mapped = try await within { try await driver.mappedAddress(of: address) }
        XCTAssertEqual(mapped.ip, away)
        await driver.close()
        await server.close()
    }

    func testAHostThatIsBackAtOnceHasASocketAtItsOldPort() async throws {
        let (server, address) = try await openServer()
        let driver = try openDriver(SocketAddress(home, port: 0))
        let local = await driver.localAddress
        let binding = try await driver.startBinding(BindingConfig(server: address))
        _ = try await within { try await binding.mapped() }
        let before = await driver.counters.wakeUps
        try driver.core.queue.sync {
            // The socket that was left is still open then.
            for ip in [away, home, away, home] { try driver.core.networkChanged([ip]) }
        }
        let mapped = try await within { try await driver.mappedAddress(of: address) }
        XCTAssertEqual(mapped.ip, home)
        // Until the socket that was left is closed its port is taken, and who asks meanwhile gets one near it.
        try await eventually { await driver.localAddresses.contains { $0 == local } }
        let addresses = await driver.localAddresses
        XCTAssertLessThanOrEqual(addresses.count, 2)
        try await eventually { await binding.address?.ip == local?.ip }
        let after = await driver.counters.wakeUps
        XCTAssertGreaterThanOrEqual(after, before + 4)
        await driver.close()
        await server.close()
    }

    func testASocketOfAnyAddressThatCouldNotBeOpenedAgainIsOpenedWhenItCan() async throws {
        struct No: Error {}
        let (server, address) = try await openServer()
        let isRefused = Locked(false)
        var options = DriverOptions()
        options.prepareSocket = { _ in if isRefused.withLock({ $0 }) { throw No() } }
        let driver = try Driver.open(local: SocketAddress(.anyIPv4, port: 0), options: options)
        isRefused.withLock { $0 = true }
        driver.core.queue.sync { driver.core.sockets.renew(driver.core.sockets.all[0]) }
        try await eventually { driver.core.queue.sync { driver.core.sockets.areAllClosed } }
        try await driver.networkChanged([away])
        isRefused.withLock { $0 = false }
        // Also by name, for which the families are asked first.
        let mapped = try await within { try await driver.mappedAddress(of: "127.0.0.1:\(address.port)") }
        XCTAssertEqual(mapped.ip, .loopbackIPv4)
        await driver.close()
        await server.close()
    }

    func testWhoSendsOnASocketThatWasTakenAwayHasItOpenedAgain() async throws {
        #if os(Linux)
            let other = try PlainSocket()
            let driver = try openDriver()
            let local = await driver.localAddress
            driver.core.queue.sync { _ = shutdown(driver.core.sockets.all[0].descriptor, Int32(SHUT_WR)) }
            let error = try await failure { try await driver.send([1], to: other.local) }
            XCTAssertEqual((error as? SystemError)?.code, EPIPE)
            try await eventually { (try? await driver.send([2], to: other.local)) != nil }
            let heard = try await other.receive()
            XCTAssertEqual(heard.bytes, [2])
            // Until the old socket is closed its port is taken, and what is sent meanwhile goes from one near it.
            XCTAssertEqual(heard.remote.ip, local?.ip)
            try await eventually { await driver.localAddresses.contains { $0 == local } }
            await driver.close()
        #endif
    }

    func testEveryErrorOfSendingHasAMeaning() {
        let meanings: [(Int32, SendError)] = [
            (ENETUNREACH, .noRoute), (EHOSTUNREACH, .noRoute), (EAFNOSUPPORT, .familyUnavailable),
            (EADDRNOTAVAIL, .familyUnavailable), (EPERM, .permissionDenied), (EACCES, .permissionDenied),
            (ECONNREFUSED, .refused), (EMSGSIZE, .messageTooLarge), (EBADF, .socketClosed), (ENOTCONN, .socketClosed),
            (ENOBUFS, .transient), (ENOMEM, .transient),
        ]
        for (code, meaning) in meanings { XCTAssertEqual(SendError(errno: code), meaning) }
    }
}
