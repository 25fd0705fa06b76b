import Foundation
import XCTest

@testable import Stun

final class DriverLifeTests: XCTestCase {
    func testOtherProtocolsShareTheSocket() async throws {
        let (server, address) = try await openServer()
        let driver = try openDriver()
        let other = try PlainSocket()
        let local = await driver.localAddress!
        let streams = [driver.datagrams(), driver.datagrams()]
        let binding = try await driver.startBinding(BindingConfig(server: address))
        _ = try await within { try await binding.mapped() }
        other.send(Array("hello".utf8), to: local)
        for stream in streams {
            let heard = try await within { await stream.first { _ in true } }
            XCTAssertEqual(heard, ReceivedDatagram(bytes: Array("hello".utf8), remote: other.local, local: local))
        }
        try await driver.send(Array("and back".utf8), to: other.local)
        let back = try await other.receive()
        XCTAssertEqual(back.bytes, Array("and back".utf8))
        XCTAssertEqual(back.remote, local)
        await driver.close()
        await server.close()
    }

    func testASlowReaderLosesDatagramsAndStopsNothing() async throws {
        let (server, address) = try await openServer()
        let driver = try openDriver()
        let other = try PlainSocket()
        let local = await driver.localAddress!
        let slow = driver.datagrams()
        for round in 1...40 {
            for number in 0..<50 { other.send([UInt8(number)], to: local) }
            // All that arrives is taken from the socket, whoever reads.
            let mapped = try await within { try await driver.mappedAddress(of: address) }
            XCTAssertEqual(mapped, local, "round \(round)")
        }
        try await eventually { await driver.counters.droppedDatagrams > 0 }
        await driver.close()
        let kept = try await within { await slow.reduce(0) { count, _ in count + 1 } }
        XCTAssertEqual(kept, 1024)
        await server.close()
    }

    func testAStormOfHostileDatagramsChangesNothing() async throws {
        let (server, address) = try await openServer()
        let driver = try openDriver()
        let hostile = try PlainSocket()
        let local = await driver.localAddress!
        let binding = try await driver.startBinding(BindingConfig(server: address, refresh: .seconds(1)))
        let mapped = try await within { try await binding.mapped() }
        var random = SystemRandomNumberGenerator()
        for number in 0..<20_000 {
            var bytes = (0..<Int.random(in: 0..<120, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            // Half of them look like STUN: a success response, with a length that fits or does not.
            if number % 2 == 0, bytes.count >= 20 {
                let length = number % 4 == 0 ? UInt8(bytes.count - 20) & 0xfc : 0xf0
                bytes.replaceSubrange(0..<8, with: [0x01, 0x01, 0x00, length, 0x21, 0x12, 0xa4, 0x42])
            }
            hostile.send(bytes, to: local)
            hostile.send(bytes, to: address)
            if number % 500 == 0 { try await Task.sleep(for: .milliseconds(1)) }
        }
        let again = try await within { try await driver.mappedAddress(of: address) }
        XCTAssertEqual(again, mapped)
        let refreshed = try await first(binding.events) { event in
            if case let .refreshed(mapping) = event { mapping.address } else { nil }
        }
        XCTAssertEqual(refreshed, mapped)
        await driver.close()
        await server.close()
    }

    func testManyDriversAskAtOnce() async throws {
        let (server, address) = try await openServer()
        let drivers = try (0..<50).map { _ in try openDriver() }
        let found = try await within {
            try await withThrowingTaskGroup(of: (SocketAddress?, SocketAddress).self) { group in
                for driver in drivers {
                    group.addTask { (await driver.localAddress, try await driver.mappedAddress(of: address)) }
                }
                return try await group.reduce(into: 0) { count, pair in
                    XCTAssertEqual(pair.0, pair.1)
                    count += 1
                }
            }
        }
        XCTAssertEqual(found, 50)
        for driver in drivers { await driver.close() }
        await server.close()
    }

    func testCancellingWhoWaitsCancelsTheRequest() async throws {
        let silent = try PlainSocket()
        let driver = try openDriver()
        let waiting = Task { try await driver.mappedAddress(of: silent.local) }
        _ = try await silent.receive()
        waiting.cancel()
        let error = try await failure { _ = try await waiting.value }
        XCTAssertTrue(error is CancellationError)
        let count = try await driver.operationCount
        XCTAssertEqual(count, 0)
        // One that is cancelled before it begins sends nothing that anybody waits for.
        let early = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await driver.mappedAddress(of: silent.local)
        }
        let none = try await failure { _ = try await early.value }
        XCTAssertTrue(none is CancellationError)
        await driver.close()
    }

    func testWhoWaitsWhenItClosesIsTold() async throws {
        let silent = try PlainSocket()
        let driver = try openDriver()
        let events = driver.events()
        let datagrams = driver.datagrams()
        let binding = try await driver.startBinding(BindingConfig(server: silent.local))
        let waiting = [
            Task { _ = try await driver.mappedAddress(of: silent.local) },
            Task { _ = try await binding.mapped() },
            Task { _ = try await binding.finished() },
        ]
        _ = try await silent.receive()
        _ = try await silent.receive()
        try await Task.sleep(for: .milliseconds(20))
        await driver.close()
        for task in waiting {
            let error = try await failure { try await task.value }
            XCTAssertEqual((error as? StunError)?.code, .closed)
        }
        let (event, datagram, own) = try await within {
            let (one, other) = (await events.first { _ in true }, await datagrams.first { _ in true })
            return (one, other, await binding.events.first { _ in true })
        }
        XCTAssertNil(event)
        XCTAssertNil(datagram)
        XCTAssertNil(own)
    }

    func testAClosedDriverRefusesEverythingAndClosesAgain() async throws {
        let driver = try openDriver()
        await driver.close()
        await driver.close()
        let address = SocketAddress("127.0.0.1:9")!
        let calls: [@Sendable () async throws -> Void] = [
            { _ = try await driver.mappedAddress(of: address) },
            { _ = try await driver.mappedAddress(of: "localhost") },
            { _ = try await driver.startBinding(BindingConfig(server: address)) },
            { _ = try await driver.startServer(ServerConfig()) },
            { _ = try await driver.startNatProbe(NatConfig(server: address, local: loopback)) },
            { _ = try await driver.startAllocation(AllocationConfig(server: address)) },
            { try await driver.send([1], to: address) },
            { try await driver.networkChanged([]) },
            { try await driver.setPower(.idle) },
            { _ = try await driver.operationCount },
        ]
        for (place, call) in calls.enumerated() {
            let error = try await failure(call)
            XCTAssertEqual((error as? StunError)?.code, .closed, "call \(place)")
        }
        let event = try await within { await driver.events().first { _ in true } }
        XCTAssertNil(event)
        let locals = await driver.localAddresses
        XCTAssertEqual(locals, [])
    }

    func testMisuseIsRefusedAndNothingHasStarted() async throws {
        let driver = try openDriver()
        var config = BindingConfig(server: SocketAddress("127.0.0.1:9")!)
        config.transport = .tcp
        let stream = try await failure { [config] in _ = try await driver.startBinding(config) }
        XCTAssertEqual((stream as? StunError)?.code, .invalid)
        config.transport = .udp
        config.refresh = .zero
        let hasty = try await failure { [config] in _ = try await driver.startBinding(config) }
        XCTAssertEqual((hasty as? StunError)?.code, .invalid)
        let count = try await driver.operationCount
        XCTAssertEqual(count, 0)
        await driver.close()
        XCTAssertThrowsError(try Driver.open(local: SocketAddress("192.0.2.1:0")!)) { error in
            XCTAssertTrue(error is SystemError)
        }
        var options = DriverOptions()
        options.seed = [1]
        XCTAssertThrowsError(try Driver.open(options: options)) { error in
            XCTAssertEqual((error as? StunError)?.code, .invalid)
        }
    }

    func testASocketMayBePreparedAndRefused() async throws {
        struct No: Error {}
        let count = Counter()
        var options = DriverOptions()
        options.prepareSocket = { _ in count.add() }
        let driver = try Driver.open(local: loopback, options: options)
        XCTAssertEqual(count.value, 1)
        await driver.close()
        options.prepareSocket = { _ in throw No() }
        XCTAssertThrowsError(try Driver.open(local: loopback, options: options)) { XCTAssertTrue($0 is No) }
    }

    func testOpeningAndClosingLeavesNoDescriptorAndNoThread() async throws {
        #if os(Linux)
            let (server, address) = try await openServer()
            func entries(_ folder: String) throws -> Int {
                try FileManager.default.contentsOfDirectory(atPath: "/proc/self/\(folder)").count
            }
            func round(_ number: Int) async throws {
                let driver = try openDriver()
                if number % 10 == 0 { _ = try await within { try await driver.mappedAddress(of: address) } }
                await driver.close()
            }
            for number in 0..<20 { try await round(number) }
            let (descriptors, threads) = (try entries("fd"), try entries("task"))
            for number in 0..<1000 { try await round(number) }
            XCTAssertEqual(try entries("fd"), descriptors)
            // The system's pool has a few threads more or less, and none for each driver.
            XCTAssertLessThan(try entries("task"), threads + 16)
            await server.close()
        #endif
    }

    func testADriverThatNobodyRefersToClosesItself() async throws {
        var driver: Driver? = try openDriver()
        let local = await driver!.localAddress!
        XCTAssertThrowsError(try PlainSocket(local))
        driver = nil
        try await eventually { (try? PlainSocket(local)) != nil }
        XCTAssertNil(driver)
    }

    func testNothingOfAClosedDriverIsLeftInMemory() async throws {
        func openAndClose() async throws -> WeakCore {
            let driver = try openDriver()
            let events = driver.events()
            let binding = try await driver.startBinding(BindingConfig(server: SocketAddress("127.0.0.1:9")!))
            let waiting = Task { try await binding.mapped() }
            await driver.close()
            _ = try await failure { _ = try await waiting.value }
            for await _ in events {}
            return WeakCore(driver.core)
        }
        let core = try await openAndClose()
        try await eventually { core.isGone }
    }

    func testACommandIsOneWakeUpWhateverItLeadsTo() async throws {
        let (server, address) = try await openServer()
        let driver = try openDriver(SocketAddress("127.0.0.2:0")!)
        let binding = try await driver.startBinding(BindingConfig(server: address))
        _ = try await within { try await binding.mapped() }
        let (before, after) = try driver.core.queue.sync {
            let before = driver.core.counters
            try driver.core.networkChanged([IPAddress("127.0.0.3")!])
            return (before, driver.core.counters)
        }
        XCTAssertEqual(after.wakeUps, before.wakeUps + 1)
        XCTAssertEqual(after.sendingWakeUps, before.sendingWakeUps + 1)
        await driver.close()
        await server.close()
    }

    func testAnICMPErrorKeepsNoThreadBusy() async throws {
        let gone = try PlainSocket().local
        let driver = try Driver.open()
        try await driver.send([0x80], to: gone)
        let before = clock()
        try await Task.sleep(for: .milliseconds(500))
        // A thread that runs in circles would use most of the half second, on any machine.
        XCTAssertLessThan(Double(clock() - before) / 1_000_000, 0.25)
        await driver.close()
    }

    func testAnIdleDriverSleeps() async throws {
        let (server, address) = try await openServer()
        let driver = try openDriver()
        let binding = try await driver.startBinding(BindingConfig(server: address))
        _ = try await within { try await binding.mapped() }
        try await driver.setPower(.idle)
        let before = await driver.counters
        try await Task.sleep(for: .milliseconds(300))
        let after = await driver.counters
        XCTAssertEqual(before, after)
        XCTAssertGreaterThanOrEqual(after.sendingWakeUps, 1)
        XCTAssertEqual(after.received, 1)
        await driver.close()
        await server.close()
    }
}

/// Counts from any thread.
private final class Counter: @unchecked Sendable {
    private let lock = NSLock()
    private var count = 0

    func add() { lock.withLock { count += 1 } }

    var value: Int { lock.withLock { count } }
}
