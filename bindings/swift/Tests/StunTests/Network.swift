import Stun
import XCTest

/// Agents and the datagrams on their way between them, each a millisecond long. Whoever is not there does not answer.
final class Network {
    private(set) var now = at(1_000)
    private var nodes: [Node] = []
    private var flying: [(Int, Transmit, SocketAddress)] = []

    private struct Node {
        let agent: Agent
        let addresses: [SocketAddress: UInt32]
        var deadline: Timestamp?
        var events: [AgentEvent] = []
    }

    /// Puts an agent at addresses, each with the number of its socket. Gives its place.
    func add(_ agent: Agent, _ addresses: [SocketAddress: UInt32]) throws -> Int {
        nodes.append(Node(agent: agent, addresses: addresses))
        try take(nodes.count - 1, try agent.drain())
        return nodes.count - 1
    }

    func events(_ place: Int) -> [AgentEvent] { nodes[place].events }

    /// Takes what a command has left in an agent.
    func drain(_ place: Int) throws { try take(place, try nodes[place].agent.drain()) }

    /// Lets time pass until an agent has said its last word.
    func run(_ place: Int) throws {
        for _ in 0..<100_000 {
            if nodes[place].events.last?.isLast == true { return }
            if flying.isEmpty {
                now = try XCTUnwrap(nodes.compactMap(\.deadline).min(), "nothing more will happen")
            } else {
                now = now.advanced(by: .milliseconds(1))
            }
            try step()
        }
        XCTFail("the agents do not come to rest")
    }

    private func step() throws {
        let arriving = flying
        flying = []
        for (_, sent, from) in arriving {
            guard let place = nodes.firstIndex(where: { $0.addresses[sent.remote] != nil }) else { continue }
            let socketID = nodes[place].addresses[sent.remote] ?? 0
            let output = try nodes[place].agent.exchange(
                sent.bytes, from: from, now: now, local: sent.remote, socketID: socketID)
            try take(place, output)
        }
        for place in nodes.indices {
            guard let deadline = nodes[place].deadline, deadline <= now else { continue }
            try take(place, try nodes[place].agent.tick(now: now))
        }
    }

    private func take(_ place: Int, _ output: Output) throws {
        nodes[place].deadline = output.deadline
        nodes[place].events += output.events
        for sent in output.transmits {
            let from = try XCTUnwrap(sent.local ?? nodes[place].addresses.keys.first)
            XCTAssertEqual(nodes[place].addresses[from], sent.socketID)
            flying.append((place, sent, from))
        }
    }
}
