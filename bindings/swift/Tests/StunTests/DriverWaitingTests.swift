import Foundation
import XCTest

@testable import Stun

final class DriverWaitingTests: XCTestCase {
    func testWhoWasCancelledBeforeItAsksSendsNothing() async throws {
        let silent = try PlainSocket()
        let driver = try openDriver()
        let asks: [@Sendable () async throws -> Void] = [
            { _ = try await driver.mappedAddress(of: silent.local) },
            { _ = try await driver.mappedAddress(of: "\(silent.local)") },
        ]
        for ask in asks {
            let waiting = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                try await ask()
            }
            let error = try await failure { try await waiting.value }
            XCTAssertTrue(error is CancellationError)
        }
        let sent = await driver.counters.sent
        XCTAssertEqual(sent, 0)
        await driver.close()
    }

    func testADriverThatClosesDuringARaceSaysSoThoughAServerHasFailed() async throws {
        let silent = try PlainSocket()
        let driver = try openDriver()
        let events = driver.events()
        // Loopback has no route to the first.
        let racing = Task {
            try await driver.race([SocketAddress("192.0.2.1:3478")!, silent.local], nil)
        }
        _ = try await first(events) { event in
            if case .noAnswer = event { true } else { nil }
        }
        _ = try await silent.receive()
        await driver.close()
        let error = try await failure { _ = try await racing.value }
        XCTAssertEqual((error as? StunError)?.code, .closed)
    }

    func testAStreamThatNobodyReadsAnyMoreIsForgotten() async throws {
        let driver = try openDriver()
        let other = try PlainSocket()
        let local = await driver.localAddress!
        // Before the driver has even heard of them.
        driver.core.queue.suspend()
        for _ in 0..<10 { _ = (driver.datagrams(), driver.events()) }
        driver.core.queue.resume()
        let reading = Task { for await _ in driver.datagrams() {} }
        reading.cancel()
        await reading.value
        let stream = driver.datagrams()
        other.send([0x80], to: local)
        let heard = try await within { await stream.first { _ in true } }
        XCTAssertEqual(heard?.bytes, [0x80])
        let dropped = await driver.counters.droppedDatagrams
        XCTAssertEqual(dropped, 0)
        await driver.close()
    }

    func testCallersThatComeAndGoLeaveNothingBehind() async throws {
        let silent = try PlainSocket()
        let (server, address) = try await openServer()
        let driver = try openDriver()
        try await within {
            await withTaskGroup(of: Void.self) { group in
                for number in 0..<300 {
                    group.addTask {
                        let waiting = Task {
                            try await driver.mappedAddress(of: number % 2 == 0 ? address : silent.local)
                        }
                        for _ in 0..<(number % 7) { await Task.yield() }
                        waiting.cancel()
                        _ = await waiting.result
                    }
                }
            }
        }
        let count = try await driver.operationCount
        XCTAssertEqual(count, 0)
        let mapped = try await within { try await driver.mappedAddress(of: address) }
        XCTAssertEqual(mapped.ip, .loopbackIPv4)
        await driver.close()
        await server.close()
    }

    func testClosingDuringEverythingEndsEverything() async throws {
        let silent = try PlainSocket()
        let (server, address) = try await openServer()
        for round in 0..<40 {
            let driver = try openDriver(SocketAddress("127.0.0.2:0")!)
            let doings: [@Sendable () async throws -> Void] = [
                { _ = try await driver.mappedAddress(of: silent.local) },
                { _ = try await driver.mappedAddress(of: "localhost:\(address.port)") },
                { for _ in 0..<50 { _ = try await driver.mappedAddress(of: address) } },
                { try await driver.startBinding(BindingConfig(server: silent.local)).finished() },
                { try await driver.startNatProbe(NatConfig(server: silent.local, local: loopback)).finished() },
                { try await driver.startAllocation(AllocationConfig(server: silent.local)).ready() },
                { for last in 2..<50 { try await driver.networkChanged([IPAddress("127.0.0.\(last)")!]) } },
                { while true { try await driver.send([0x80], to: silent.local) } },
                { for await _ in driver.events() {} },
                { for await _ in driver.datagrams() {} },
            ]
            let tasks = doings.map { doing in Task { try await doing() } }
            for _ in 0..<(round * 3) { await Task.yield() }
            let closing = [Task { await driver.close() }, Task { await driver.close() }]
            try await within {
                for task in tasks { _ = await task.result }
                for task in closing { await task.value }
            }
            let locals = await driver.localAddresses
            XCTAssertEqual(locals, [])
        }
        await server.close()
    }

    func testEndedOperationsTakeNoMemory() async throws {
        #if os(Linux)
            let (server, address) = try await openServer()
            let driver = try openDriver()
            func ask(_ count: Int) async throws {
                for _ in 0..<count { _ = try await driver.mappedAddress(of: address) }
            }
            try await ask(2000)
            let before = try residentKilobytes()
            try await ask(20_000)
            // A hundred bytes of each would be two megabytes.
            XCTAssertLessThan(try residentKilobytes(), before + 2000)
            await driver.close()
            await server.close()
        #endif
    }

    private func residentKilobytes() throws -> Int {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = try XCTUnwrap(status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
        return try XCTUnwrap(line.split(separator: " ").compactMap { Int($0) }.first)
    }
}
