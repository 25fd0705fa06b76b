import Foundation
import XCTest

@testable import Stun

/// Nothing here waits for so long unless something is broken.
struct TooLate: Error {}

/// Waits for something, but not for ever.
func within<T: Sendable>(
    _ limit: Duration = .seconds(60), _ body: @escaping @Sendable () async throws -> T
) async throws -> T {
    try await withThrowingTaskGroup(of: T.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: limit)
            throw TooLate()
        }
        defer { group.cancelAll() }
        return try await group.next()!
    }
}

/// Waits until something is so.
func eventually(_ check: @escaping @Sendable () async throws -> Bool) async throws {
    try await within {
        while try await !check() { try await Task.sleep(for: .milliseconds(5)) }
    }
}

/// The first event that `pick` makes something of.
func first<T: Sendable>(
    _ events: AsyncStream<AgentEvent>, _ pick: @escaping @Sendable (Event) -> T?
) async throws -> T {
    try await within {
        for await event in events {
            if let found = pick(event.event) { return found }
        }
        throw StunError(.state, "the stream has finished")
    }
}

/// What an operation throws.
func failure(_ body: @escaping @Sendable () async throws -> Void) async throws -> (any Error)? {
    try await within {
        do {
            try await body()
            return nil
        } catch let error as TooLate {
            throw error
        } catch {
            return error
        }
    }
}

let loopback = SocketAddress("127.0.0.1:0")!

/// A driver with one socket on loopback.
func openDriver(_ local: SocketAddress = loopback, seed: UInt8? = nil) throws -> Driver {
    var options = DriverOptions()
    options.seed = seed.map { [UInt8](repeating: $0, count: 32) }
    return try Driver.open(local: local, options: options)
}

/// Our own server on loopback, and where it is.
func openServer(_ config: ServerConfig = ServerConfig(), at local: SocketAddress = loopback) async throws
    -> (driver: Driver, address: SocketAddress)
{
    let driver = try openDriver(local)
    _ = try await driver.startServer(config)
    let address = await driver.localAddress
    return (driver, try XCTUnwrap(address))
}

/// Gives up after two requests and about 150 ms.
var hasty: Retransmission {
    var schedule = Retransmission()
    schedule.initialRTO = .milliseconds(50)
    (schedule.rc, schedule.rm) = (2, 2)
    return schedule
}

/// A TURN server that Tests/coturn.sh has started. A test whose server is missing fails.
func turnServer() throws -> SocketAddress {
    let text = try XCTUnwrap(
        ProcessInfo.processInfo.environment["STUN_TEST_TURN"], "STUN_TEST_TURN is missing: run Tests/coturn.sh")
    return try XCTUnwrap(SocketAddress(text), "STUN_TEST_TURN is no address")
}

let alice = Credentials.longTerm(username: "alice", password: "s3cret")

func allocation(_ credentials: Credentials = alice) throws -> AllocationConfig {
    var config = AllocationConfig(server: try turnServer(), credentials: credentials)
    config.peerPolicy = .loopback
    return config
}

/// A socket without an agent.
final class PlainSocket: Sendable {
    let local: SocketAddress
    private let descriptor: Int32

    init(_ local: SocketAddress = loopback) throws {
        (descriptor, self.local) = try UDPSystem.open(local, prepare: nil)
    }

    deinit {
        close(descriptor)
    }

    func send(_ bytes: [UInt8], to remote: SocketAddress) {
        XCTAssertEqual(UDPSystem.send(descriptor, bytes, to: remote), 0)
    }

    /// What has arrived, if anything has.
    func poll() -> (bytes: [UInt8], remote: SocketAddress)? {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let received = buffer.withUnsafeMutableBytes { UDPSystem.receive(descriptor, into: $0) }
        guard case let .datagram(count, remote) = received else { return nil }
        return (Array(buffer[..<count]), remote)
    }

    func receive() async throws -> (bytes: [UInt8], remote: SocketAddress) {
        try await within { [self] in
            while true {
                if let found = poll() { return found }
                try await Task.sleep(for: .milliseconds(2))
            }
        }
    }
}

/// A path to a server that loses its first answers.
final class LossyPath: Sendable {
    let address: SocketAddress
    private let task: Task<Void, any Error>
    private let requests = Locked(0)

    init(to server: SocketAddress, losing count: Int) throws {
        let (near, far) = (try PlainSocket(), try PlainSocket())
        address = near.local
        let requests = requests
        task = Task {
            var (client, left) = (near.local, count)
            while true {
                if let (bytes, remote) = near.poll() {
                    client = remote
                    requests.withLock { $0 += 1 }
                    far.send(bytes, to: server)
                } else if let (bytes, _) = far.poll() {
                    left -= 1
                    if left < 0 { near.send(bytes, to: client) }
                } else {
                    try await Task.sleep(for: .milliseconds(2))
                }
            }
        }
    }

    /// How many datagrams have come from the client.
    var requestCount: Int { requests.withLock { $0 } }

    deinit {
        task.cancel()
    }
}

/// Knows whether a driver's core is still there.
final class WeakCore: @unchecked Sendable {
    private weak var core: DriverCore?

    init(_ core: DriverCore) { self.core = core }

    var isGone: Bool { core == nil }
}
