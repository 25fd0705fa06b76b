import Foundation
import XCTest

@testable import Stun

final class DriverRelayTests: XCTestCase {
    /// A relay, and a peer that it is permitted to reach.
    private func openRelay(_ driver: Driver) async throws -> (relay: Driver.Relay, relayed: SocketAddress) {
        let relay = try await driver.startAllocation(try allocation())
        return (relay, try await within { try await relay.ready() })
    }

    func testAPermittedPeerIsSentToAndHeard() async throws {
        let driver = try openDriver()
        let peer = try PlainSocket()
        let (relay, relayed) = try await openRelay(driver)
        try await within { try await relay.permit(peer.local.ip) }
        try await relay.send(Array("there".utf8), to: peer.local)
        let heard = try await peer.receive()
        XCTAssertEqual(heard.bytes, Array("there".utf8))
        XCTAssertEqual(heard.remote, relayed)
        peer.send(Array("and back".utf8), to: relayed)
        let packet = try await within { await relay.packets.first { _ in true } }
        XCTAssertEqual(packet, PeerPacket(bytes: Array("and back".utf8), peer: peer.local, relayed: relayed))
        await driver.close()
    }

    func testAChannelCarriesDataBothWays() async throws {
        let driver = try openDriver()
        let peer = try PlainSocket()
        let (relay, relayed) = try await openRelay(driver)
        let channel = try await within { try await relay.bindChannel(peer.local) }
        XCTAssertTrue((0x4000...0x4fff).contains(channel))
        for text in ["one", "two", "three"] {
            try await relay.send(Array(text.utf8), to: peer.local)
            let heard = try await peer.receive()
            XCTAssertEqual(heard.bytes, Array(text.utf8))
            peer.send(heard.bytes, to: relayed)
        }
        let echoed = try await within {
            var texts: [String] = []
            for await packet in relay.packets {
                texts.append(String(decoding: packet.bytes, as: UTF8.self))
                if texts.count == 3 { break }
            }
            return texts
        }
        XCTAssertEqual(echoed, ["one", "two", "three"])
        let wasThere = try await relay.releaseChannel(peer.local)
        XCTAssertTrue(wasThere)
        await driver.close()
    }

    func testRefusedCredentialsAreToldAndOthersMayBeGiven() async throws {
        let driver = try openDriver()
        let wrong = Credentials.longTerm(username: "alice", password: "wrong")
        let relay = try await driver.startAllocation(try allocation(wrong))
        let error = try await failure { try await relay.ready() }
        XCTAssertEqual((error as? OperationFailedError)?.failure.detail, .authentication(.rejected))
        try await relay.setCredentials(alice)
        let relayed = try await within { try await relay.ready() }
        XCTAssertEqual(relayed.ip, .loopbackIPv4)
        await driver.close()
    }

    func testARelayThatIsReleasedIsClosedAndRefusesEverything() async throws {
        let driver = try openDriver()
        let (relay, _) = try await openRelay(driver)
        await relay.release(patience: .seconds(30))
        let last = try await within { try await relay.finished() }
        XCTAssertEqual(last.event, .closed)
        let relayed = await relay.relayed
        XCTAssertNil(relayed)
        let error = try await failure { try await relay.permit(.loopbackIPv4) }
        XCTAssertEqual((error as? StunError)?.code, .state)
        let packet = try await within { await relay.packets.first { _ in true } }
        XCTAssertNil(packet, "the stream has finished")
        await driver.close()
    }

    func testASecondRelayAtOneServerHasASocketOfItsOwnAndGivesItBack() async throws {
        let driver = try openDriver()
        let peer = try PlainSocket()
        let (one, first) = try await openRelay(driver)
        let (other, second) = try await openRelay(driver)
        XCTAssertNotEqual(first, second)
        for (relay, relayed) in [(one, first), (other, second)] {
            try await within { try await relay.permit(peer.local.ip) }
            try await relay.send([1, 2, 3], to: peer.local)
            let heard = try await peer.receive()
            XCTAssertEqual(heard.remote, relayed)
        }
        let shared = await driver.localAddress
        let (near, far) = (await one.mapped, await other.mapped)
        XCTAssertEqual(near, shared)
        XCTAssertNotEqual(far, shared)
        await other.release(patience: .seconds(30))
        // Its port is free again.
        let port = try XCTUnwrap(far)
        try await eventually { (try? PlainSocket(port)) != nil }
        await driver.close()
    }

    func testAPeerThatThePolicyForbidsIsRefusedAtOnce() async throws {
        let driver = try openDriver()
        var config = try allocation()
        config.peerPolicy = .standard
        let relay = try await driver.startAllocation(config)
        _ = try await within { try await relay.ready() }
        let error = try await failure { try await relay.permit(.loopbackIPv4) }
        XCTAssertNotNil(error as? StunError)
        let unpermitted = try await failure { try await relay.send([1], to: SocketAddress("192.0.2.1:9")!) }
        XCTAssertNotNil(unpermitted as? StunError)
        await driver.close()
    }

    func testADriverThatClosesGivesItsRelaysBack() async throws {
        let driver = try openDriver()
        let peer = try PlainSocket()
        let (relay, relayed) = try await openRelay(driver)
        try await within { try await relay.permit(peer.local.ip) }
        await driver.close()
        // As soon as the server has let go of the port, anybody can have it.
        try await eventually { (try? PlainSocket(relayed)) != nil }
    }

    func testCancellingWhoWaitsForARelayCancelsTheRelay() async throws {
        let silent = try PlainSocket()
        let driver = try openDriver()
        var config = try allocation()
        config.server = silent.local
        let relay = try await driver.startAllocation(config)
        let waiting = Task { try await relay.ready() }
        _ = try await silent.receive()
        waiting.cancel()
        let error = try await failure { _ = try await waiting.value }
        XCTAssertTrue(error is CancellationError)
        let count = try await driver.operationCount
        XCTAssertEqual(count, 0)
        await driver.close()
    }

    func testASlowReaderOfPacketsLosesSomeAndStopsNothing() async throws {
        let driver = try openDriver()
        let peer = try PlainSocket()
        let (relay, relayed) = try await openRelay(driver)
        _ = try await within { try await relay.bindChannel(peer.local) }
        try await eventually {
            for number in 0..<50 { peer.send([UInt8(number)], to: relayed) }
            return await driver.counters.droppedPackets > 0
        }
        try await relay.send([9], to: peer.local)
        let heard = try await peer.receive()
        XCTAssertEqual(heard.bytes, [9])
        await driver.close()
        let kept = try await within { await relay.packets.reduce(0) { count, _ in count + 1 } }
        XCTAssertEqual(kept, 1024)
    }

    func testAConfigurationThatIsRefusedTakesNoSocketFromTheNext() async throws {
        let driver = try openDriver()
        var config = try allocation()
        config.lifetime = .seconds(-1)
        let error = try await failure { [config] in _ = try await driver.startAllocation(config) }
        XCTAssertEqual((error as? StunError)?.code, .invalid)
        _ = try await openRelay(driver)
        let count = driver.core.queue.sync { driver.core.sockets.all.count }
        XCTAssertEqual(count, 1)
        await driver.close()
    }

    func testCredentialsThatAreRefusedChangeNothing() async throws {
        let driver = try openDriver()
        let wrong = Credentials.longTerm(username: "alice", password: "wrong")
        let relay = try await driver.startAllocation(try allocation(wrong))
        let rejected = try await failure { try await relay.ready() }
        XCTAssertNotNil(rejected as? OperationFailedError)
        let huge = Credentials.longTerm(username: String(repeating: "x", count: 10_000), password: "s3cret")
        let refused = try await failure { try await relay.setCredentials(huge) }
        XCTAssertEqual((refused as? StunError)?.code, .invalid)
        let again = try await failure { try await relay.ready() }
        XCTAssertNotNil(again as? OperationFailedError, "it still waits for credentials")
        await driver.close()
    }

    func testARelayThatCannotGoOnElsewhereKeepsNoSocketThere() async throws {
        let silent = try PlainSocket()
        let driver = try openDriver()
        var config = try allocation()
        config.server = silent.local
        let relay = try await driver.startAllocation(config)
        let count = driver.core.queue.sync {
            // A server of the other family, which no address of this one reaches.
            driver.core.goOn(relay.record, at: SocketAddress("[::1]:9")!, from: .loopbackIPv4)
            return driver.core.sockets.all.count
        }
        XCTAssertEqual(count, 1)
        await driver.close()
    }

    func testOfTwoAttemptsToGoOnTheLaterOneCounts() async throws {
        struct No: Error {}
        let silent = try PlainSocket()
        let isRefused = Locked(false)
        var options = DriverOptions()
        options.prepareSocket = { _ in if isRefused.withLock({ $0 }) { throw No() } }
        let driver = try Driver.open(local: loopback, options: options)
        var config = try allocation()
        config.server = silent.local
        let relay = try await driver.startAllocation(config)
        let hosts = ["127.0.0.2", "127.0.0.3"].map { IPAddress($0)! }
        driver.core.queue.sync {
            isRefused.withLock { $0 = true }
            driver.core.goOn(relay.record, at: silent.local, from: hosts[0], wait: .milliseconds(10))
            isRefused.withLock { $0 = false }
            driver.core.goOn(relay.record, at: silent.local, from: hosts[1], wait: .milliseconds(10))
        }
        try await Task.sleep(for: .milliseconds(100))
        let own = driver.core.queue.sync { driver.core.sockets.all.filter(\.isPrivate).map(\.local.ip) }
        XCTAssertEqual(own, [hosts[1]])
        await driver.close()
    }

    func testARelayThatWasReleasedPatientlyLeavesNothingInMemory() async throws {
        func openAndClose() async throws -> WeakCore {
            let driver = try openDriver()
            let (relay, _) = try await openRelay(driver)
            await relay.release(patience: .seconds(3600))
            await driver.close()
            return WeakCore(driver.core)
        }
        let core = try await openAndClose()
        try await eventually { core.isGone }
    }

    func testAnIPv4AddressInTheGuiseOfIPv6IsThatPeer() async throws {
        let driver = try openDriver()
        let peer = try PlainSocket()
        let (relay, _) = try await openRelay(driver)
        let guise = IPAddress("::ffff:127.0.0.1")!
        try await within { try await relay.permit(guise) }
        let channel = try await within { try await relay.bindChannel(SocketAddress(guise, port: peer.local.port)) }
        XCTAssertTrue((0x4000...0x4fff).contains(channel))
        try await relay.send([5], to: peer.local)
        let heard = try await peer.receive()
        XCTAssertEqual(heard.bytes, [5])
        await driver.close()
    }

    func testAPortThatTheServerStillKnowsIsLeftForAnother() async throws {
        let crashed = try openDriver()
        let (lost, _) = try await openRelay(crashed)
        await lost.cancel()  // without a word to the server
        let local = await crashed.localAddress!
        await crashed.close()
        let driver = try openDriver(local)
        let peer = try PlainSocket()
        let (relay, _) = try await openRelay(driver)
        let mapped = await relay.mapped
        XCTAssertNotEqual(mapped, local)
        try await within { try await relay.permit(peer.local.ip) }
        try await relay.send([6], to: peer.local)
        let heard = try await peer.receive()
        XCTAssertEqual(heard.bytes, [6])
        let locals = await driver.localAddresses
        XCTAssertEqual(locals, [local])
        await driver.close()
    }
}
