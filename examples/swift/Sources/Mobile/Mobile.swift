// What an app on a phone does: it learns its public address, keeps it with as few wake-ups of the radio as can be, and
// goes on when the network changes.
//
//     Mobile SERVER:PORT [ADDRESS NEXT_ADDRESS]
//
// It begins at the first of two of the host's addresses, which goes away then. Unless they are given they are 127.0.0.2
// and 127.0.0.3, which Linux has, for a server on this machine.
//
// On iOS `networkChanged` is called from NWPathMonitor's handler, and the sockets are bound to no address.

import Foundation
import Stun

@main
struct Mobile {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        let hosts = arguments.count == 3 ? arguments.dropFirst() : ["127.0.0.2", "127.0.0.3"]
        let addresses = hosts.compactMap { IPAddress($0) }
        guard arguments.count == 1 || arguments.count == 3, addresses.count == 2,
            let server = arguments.first.flatMap({ SocketAddress($0) })
        else {
            FileHandle.standardError.write(Data("usage: Mobile SERVER:PORT [ADDRESS NEXT_ADDRESS]\n".utf8))
            exit(2)
        }
        try await live(server, at: addresses[0], then: addresses[1])
        print("wake-ups of the radio in an hour of three bindings:")
        print("  active profile: \(try wakeUpsOfAnHour(.active))")
        print("  idle profile:   \(try wakeUpsOfAnHour(.idle))")
    }

    /// Discovers, keeps alive, survives a change of the network. Every event is printed as it happens.
    private static func live(_ server: SocketAddress, at address: IPAddress, then next: IPAddress) async throws {
        let driver = try Driver.open(local: SocketAddress(address, port: 0))
        let events = driver.events()
        let printing = Task {
            for await event in events { print("  \(event)") }
        }
        print("public address: \(try await driver.mappedAddress(of: server))")

        try await driver.setPower(.idle)  // in the pocket: what is due soon is sent along with what is due now
        var bindings: [Driver.Binding] = []
        for _ in 0..<3 {
            bindings.append(try await driver.startBinding(BindingConfig(server: server, refresh: .seconds(2))))
        }
        await bindings[0].isTold { event in if case .refreshed = event { true } else { false } }

        print("the network changes")
        try await driver.networkChanged([next])
        await bindings[0].isTold { event in if case .restarted = event { true } else { false } }
        await bindings[0].isTold { event in
            switch event {
            case .mapped, .refreshed, .addressChanged: true
            default: false
            }
        }
        if let address = await bindings[0].address { print("public address on the other network: \(address)") }

        let counters = await driver.counters
        print("\(counters.sendingWakeUps) of \(counters.wakeUps) wake-ups have sent something")
        await driver.close()
        await printing.value
    }

    /// How often the radio would be woken in an hour that passes at once: an agent does no I/O and asks nobody for the
    /// time, so that whoever calls it can drive it through any time.
    private static func wakeUpsOfAnHour(_ profile: PowerProfile) throws -> Int {
        var hour = try VirtualHour(profile)
        return try hour.run()
    }
}

extension Driver.Operation {
    /// Waits for an event of a kind. What comes before it is skipped.
    fileprivate func isTold(_ isWanted: @Sendable (Event) -> Bool) async {
        for await event in events where isWanted(event.event) { return }
    }
}

private struct VirtualHour {
    private let client: Agent
    private let server: Agent
    private let here = SocketAddress("198.51.100.7:5000")!
    private let end = Timestamp(nanoseconds: 0).advanced(by: .seconds(3600))

    /// When the three begin, one after the other as the parts of an app do; their refresh is the usual one.
    private var starts = [0, 4, 9].map { Timestamp(nanoseconds: $0 * 1_000_000_000) }

    init(_ profile: PowerProfile) throws {
        let start = Timestamp(nanoseconds: 0)
        client = try Agent(now: start)
        server = try Agent(now: start)
        try client.setPower(profile, now: start)
        _ = try server.startServer(ServerConfig(), now: start)
    }

    /// Gives how many of the times at which it was woken had something to send.
    mutating func run() throws -> Int {
        var (now, wakeUps) = (Timestamp(nanoseconds: 0), 0)
        while now < end {
            if starts.first == now { try start(now) }
            let due = try client.tick(now: now)
            if !due.transmits.isEmpty { wakeUps += 1 }
            var deadline = due.deadline
            for request in due.transmits { deadline = try answer(request, now) }
            guard let next = [deadline, starts.first].compactMap({ $0 }).min() else { break }
            now = next
        }
        return wakeUps
    }

    private mutating func start(_ now: Timestamp) throws {
        let address = SocketAddress("192.0.2.\(starts.count):3478")!
        starts.removeFirst()
        _ = try client.startBinding(BindingConfig(server: address), now: now)
    }

    /// Has the server answer at once. Gives the deadline of the client after that.
    private func answer(_ request: Transmit, _ now: Timestamp) throws -> Timestamp? {
        let answers = try server.exchange(request.bytes, from: here, now: now, local: request.remote).transmits
        var deadline: Timestamp?
        for answer in answers {
            deadline = try client.exchange(answer.bytes, from: request.remote, now: now).deadline
        }
        return deadline
    }
}
