import Foundation
import Stun
import XCTest

final class DriverBindingTests: XCTestCase {
    func testTheMappedAddressOfASocketThatNoNATTranslatesIsItsOwn() async throws {
        let (server, address) = try await openServer()
        let driver = try openDriver()
        let mapped = try await within { try await driver.mappedAddress(of: address) }
        let local = await driver.localAddress
        XCTAssertEqual(mapped, local)
        let count = try await driver.operationCount
        XCTAssertEqual(count, 0)
        await driver.close()
        await server.close()
    }

    func testOneDriverAsksServersOfBothFamilies() async throws {
        let driver = try Driver.open()
        for text in ["127.0.0.1:0", "[::1]:0"] {
            let (server, address) = try await openServer(at: SocketAddress(text)!)
            let mapped = try await within { try await driver.mappedAddress(of: address) }
            XCTAssertEqual(mapped.ip, address.ip)
            await server.close()
        }
        let families = await driver.localAddresses.map(\.ip.family)
        XCTAssertEqual(families, [.ipv4, .ipv6])
        await driver.close()
    }

    func testAServerMayBeGivenByName() async throws {
        let (server, address) = try await openServer()
        let driver = try openDriver()
        for name in ["localhost:\(address.port)", "127.0.0.1:\(address.port)"] {
            let mapped = try await within { try await driver.mappedAddress(of: name) }
            XCTAssertEqual(mapped.ip, .loopbackIPv4)
        }
        await driver.close()
        await server.close()
    }

    func testOfSeveralAddressesOfANameTheOneThatAnswersDecides() async throws {
        let (server, address) = try await openServer()
        let driver = try Driver.open()
        // localhost is ::1 as well, where nobody listens.
        let mapped = try await within { try await driver.mappedAddress(of: "localhost:\(address.port)") }
        XCTAssertEqual(mapped.ip, .loopbackIPv4)
        await driver.close()
        await server.close()
    }

    func testWhatIsNoServerIsRefused() async throws {
        let driver = try openDriver()
        for text in ["", "a:b", "a:0", "a:65536", "a b", "[::1", "[::1]x", "a:", "stun:a/", "localhost\0.example"] {
            let error = try await failure { _ = try await driver.mappedAddress(of: text) }
            XCTAssertEqual((error as? StunError)?.code, .invalid, text)
        }
        let error = try await failure { _ = try await driver.mappedAddress(of: SocketAddress("[::1]:9")!) }
        XCTAssertTrue(error is SystemError, "the driver has no socket of that family")
        await driver.close()
    }

    func testALostAnswerIsAskedForAgain() async throws {
        let (server, address) = try await openServer()
        let path = try LossyPath(to: address, losing: 1)
        let driver = try openDriver()
        let mapped = try await within { try await driver.mappedAddress(of: path.address) }
        XCTAssertEqual(mapped.ip, .loopbackIPv4)
        XCTAssertGreaterThanOrEqual(path.requestCount, 2)
        await driver.close()
        await server.close()
    }

    func testASilentServerIsAFailureThatSaysSo() async throws {
        let silent = try PlainSocket()
        let driver = try openDriver()
        var config = BindingConfig(server: silent.local, refresh: nil)
        config.retransmission = hasty
        let binding = try await driver.startBinding(config)
        let error = try await failure { _ = try await binding.mapped() }
        XCTAssertEqual((error as? OperationFailedError)?.failure.reason, .timeout)
        let last = try await failure { try await binding.finished() }
        XCTAssertEqual((last as? OperationFailedError)?.failure.reason, .timeout)
        await driver.close()
    }

    func testADatagramThatCannotBeSentFailsItsRequestAtOnce() async throws {
        let driver = try openDriver()
        // Loopback has no route to there.
        let config = BindingConfig(server: SocketAddress("192.0.2.1:3478")!, refresh: nil)
        let binding = try await driver.startBinding(config)
        let error = try await failure { _ = try await binding.mapped() }
        let failure = try XCTUnwrap(error as? OperationFailedError).failure
        XCTAssertEqual(failure.reason, .sendFailed)
        XCTAssertNotNil(failure.detail)
        let unsent = await driver.counters.unsent
        XCTAssertEqual(unsent, 1)
        await driver.close()
    }

    func testARefreshedBindingIsKeptUntilItIsCancelled() async throws {
        let (server, address) = try await openServer()
        let driver = try openDriver()
        let binding = try await driver.startBinding(BindingConfig(server: address, refresh: .seconds(1)))
        let mapped = try await within { try await binding.mapped() }
        let refreshed = try await first(binding.events) { event in
            if case let .refreshed(mapping) = event { mapping.address } else { nil }
        }
        XCTAssertEqual(mapped, refreshed)
        let isRunning = await binding.isRunning
        XCTAssertTrue(isRunning)
        await binding.cancel()
        let error = try await failure { try await binding.finished() }
        XCTAssertEqual((error as? StunError)?.code, .state)
        let count = try await driver.operationCount
        XCTAssertEqual(count, 0)
        await driver.close()
        await server.close()
    }

    func testSeveralListenersHearOfEveryOperation() async throws {
        let (server, address) = try await openServer()
        let driver = try openDriver()
        let streams = [driver.events(), driver.events()]
        let binding = try await driver.startBinding(BindingConfig(server: address, refresh: nil))
        let config = SurveyConfig(targets: [SurveyTarget(server: address)])
        let survey = try await driver.startSurvey(config)
        for stream in streams {
            let ids = try await within {
                var ids: Set<OperationID> = []
                for await event in stream where event.isLast {
                    ids.insert(event.id)
                    if ids.count == 2 { break }
                }
                return ids
            }
            XCTAssertEqual(ids, [binding.id, survey.id])
        }
        let last = try await within { try await survey.finished() }
        guard case let .surveyed(summary) = last.event else { return XCTFail("\(last)") }
        XCTAssertEqual(summary.answered, 1)
        await driver.close()
        await server.close()
    }

    func testRefusedCredentialsAreAFailureThatSaysSo() async throws {
        var config = ServerConfig()
        config.credentials = ShortTerm(username: "alice", password: "s3cret")
        let (server, address) = try await openServer(config)
        let driver = try openDriver()
        let right = Credentials.shortTerm(username: "alice", password: "s3cret")
        let mapped = try await within { try await driver.mappedAddress(of: address, credentials: right) }
        XCTAssertEqual(mapped.ip, .loopbackIPv4)
        let wrong = Credentials.shortTerm(username: "alice", password: "wrong")
        var asks = BindingConfig(server: address, refresh: nil, credentials: wrong)
        asks.retransmission = hasty
        let binding = try await driver.startBinding(asks)
        let error = try await failure { _ = try await binding.mapped() }
        XCTAssertNotNil(error as? OperationFailedError)
        await driver.close()
        await server.close()
    }

    func testUsersComeAndGoWhileAServerRuns() async throws {
        let driver = try openDriver()
        var config = ServerConfig()
        config.realm = .init("example.test", users: [:])
        let server = try await driver.startServer(config)
        let address = await driver.localAddress!
        let client = try openDriver()
        let asks = { @Sendable in _ = try await client.mappedAddress(of: address, credentials: alice) }
        let unknown = try await failure(asks)
        XCTAssertNotNil(unknown as? OperationFailedError)
        try await server.addUser("alice", password: "s3cret")
        let known = try await failure(asks)
        XCTAssertNil(known)
        let wasThere = try await server.removeUser("alice")
        XCTAssertTrue(wasThere)
        let gone = try await failure(asks)
        XCTAssertNotNil(gone as? OperationFailedError)
        await client.close()
        await driver.close()
    }

    func testCoturnTellsTheMappedAddressToWhomItKnows() async throws {
        let turn = try turnServer()
        let driver = try openDriver()
        let mapped = try await within { try await driver.mappedAddress(of: turn, credentials: alice) }
        let local = await driver.localAddress
        XCTAssertEqual(mapped, local)
        let wrong = Credentials.longTerm(username: "alice", password: "wrong")
        let error = try await failure { _ = try await driver.mappedAddress(of: turn, credentials: wrong) }
        XCTAssertEqual((error as? OperationFailedError)?.failure.detail, .authentication(.rejected))
        await driver.close()
    }

    func testAProbeOfTheNATHasSocketsOfItsOwnAndGivesThemBack() async throws {
        let (server, address) = try await openServer()
        let driver = try openDriver()
        var config = NatConfig(server: address, local: loopback)
        config.retransmission = hasty
        config.properties = [.mapping]
        config.deadline = .seconds(20)
        let probe = try await driver.startNatProbe(config)
        let last = try await within { try await probe.finished() }
        guard case .natFinished = last.event else { return XCTFail("\(last)") }
        let locals = await driver.localAddresses
        XCTAssertEqual(locals.count, 1)
        await driver.close()
        await server.close()
    }

    func testAServerOfRFC5780NeedsTheSocketsThatItNames() async throws {
        let ports = try [PlainSocket(), PlainSocket()].map(\.local.port)
        var locals = ports.flatMap { port in
            ["127.0.0.1", "127.0.0.2"].map { SocketAddress(IPAddress($0)!, port: port) }
        }
        var config = ServerConfig()
        config.local = locals[0]
        config.behavior = .alternate(.init(SocketAddress(IPAddress("127.0.0.2")!, port: ports[1])))
        let one = try openDriver()
        let error = try await failure { [config] in _ = try await one.startServer(config) }
        XCTAssertEqual((error as? StunError)?.code, .invalid)
        await one.close()

        var options = DriverOptions()
        let local = locals.removeFirst()
        options.moreLocals = locals
        let server = try Driver.open(local: local, options: options)
        _ = try await server.startServer(config)
        let driver = try openDriver()
        let mapped = try await within { try await driver.mappedAddress(of: local) }
        XCTAssertEqual(mapped.ip, .loopbackIPv4)
        await driver.close()
        await server.close()
    }
}
