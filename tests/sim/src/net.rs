//! Networks, the ports that nodes have on them, and the heap of what happens next.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::net::IpAddr;

use crate::attacker::OnPath;
use crate::link::{Faults, Link};
use crate::log::Log;
use crate::packet::{Origin, Packet};
use crate::random::Random;
use crate::time::Nanos;

/// A host, NAT or server.
pub type NodeId = usize;

/// A network: a home, a carrier's, the core.
pub type NetworkId = usize;

/// Where a node is plugged into a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortId(usize);

/// What happens at a point in time.
#[derive(Debug)]
pub enum Happening {
    /// A packet arrives at a port.
    Arrival(PortId, Packet),
    /// A node sends a packet that it has held back.
    Departure(PortId, Packet),
    /// A host wanted to be woken.
    Wake(NodeId),
    /// A host that slept goes on.
    Resume(NodeId),
}

/// All networks, and the future.
#[derive(Debug)]
pub struct Net {
    /// Now.
    pub now: Nanos,
    /// Every packet, if anybody wants to know.
    pub log: Option<Log>,
    /// Somebody on the core who sees everything.
    pub on_path: Option<OnPath>,
    /// Answers that have passed the core lately.
    passed: VecDeque<Packet>,
    sequence: u64,
    future: BinaryHeap<Reverse<Scheduled>>,
    ports: Vec<Port>,
    networks: Vec<Network>,
    random: Random,
}

#[derive(Debug)]
struct Port {
    node: NodeId,
    network: NetworkId,
    up: Link,
    down: Link,
}

#[derive(Debug)]
struct Network {
    name: &'static str,
    routes: BTreeMap<IpAddr, PortId>,
    default_route: Option<PortId>,
}

/// Ordered by time, then by the order of scheduling.
#[derive(Debug)]
struct Scheduled {
    at: Nanos,
    sequence: u64,
    happening: Happening,
}

impl Net {
    /// The network that every other one leads to.
    pub const CORE: NetworkId = 0;

    /// Answers that [`Net::replay`] sends again.
    const MEMORY: usize = 4;

    /// An empty core.
    #[must_use]
    pub fn new(random: Random) -> Self {
        let mut net = Self {
            now: 0,
            log: None,
            on_path: None,
            passed: VecDeque::new(),
            sequence: 0,
            future: BinaryHeap::new(),
            ports: Vec::new(),
            networks: Vec::new(),
            random,
        };
        net.add_network("core");
        net
    }

    /// A new, empty network.
    pub fn add_network(&mut self, name: &'static str) -> NetworkId {
        self.networks.push(Network { name, routes: BTreeMap::new(), default_route: None });
        self.networks.len() - 1
    }

    /// Plugs a node into a network, by a healthy cable.
    pub fn plug(&mut self, node: NodeId, network: NetworkId) -> PortId {
        let mut link = || Link::new(Faults::default(), self.random.fork());
        let (up, down) = (link(), link());
        self.ports.push(Port { node, network, up, down });
        PortId(self.ports.len() - 1)
    }

    /// Packets for `address` on the port's network go to it.
    pub fn route(&mut self, address: IpAddr, port: PortId) {
        let network = self.ports[port.0].network;
        self.networks[network].routes.insert(address, port);
    }

    /// They go nowhere any more.
    pub fn unroute(&mut self, address: IpAddr, port: PortId) {
        let network = self.ports[port.0].network;
        self.networks[network].routes.remove(&address);
    }

    /// Packets for unknown addresses on the port's network go to it.
    pub fn set_default_route(&mut self, port: PortId) {
        let network = self.ports[port.0].network;
        self.networks[network].default_route = Some(port);
    }

    /// Whose port it is.
    #[must_use]
    pub fn node_at(&self, port: PortId) -> NodeId {
        self.ports[port.0].node
    }

    /// What happens to packets that the node sends on this port.
    pub fn up(&mut self, port: PortId) -> &mut Faults {
        &mut self.ports[port.0].up.faults
    }

    /// What happens to packets that the node receives on this port.
    pub fn down(&mut self, port: PortId) -> &mut Faults {
        &mut self.ports[port.0].down.faults
    }

    /// Makes every cable healthy.
    pub fn heal(&mut self) {
        for port in &mut self.ports {
            port.up.heal();
            port.down.heal();
        }
    }

    /// Sends a packet from a port: up its cable, through the network, down the cable of whoever has the
    /// address.
    ///
    /// ```text
    ///   node --up--> network --(on-path attacker)--> route --down--> node
    /// ```
    pub fn send(&mut self, from: PortId, mut packet: Packet) {
        let network = self.ports[from.0].network;
        let (first, second) = self.ports[from.0].up.carry(&mut packet, self.now);
        self.note(network, &packet, if first.is_none() { "lost on the way up" } else { "" });
        let Some(first) = first else { return };
        if let Some(second) = second {
            self.forward(network, from, packet.clone(), second);
        }
        self.forward(network, from, packet, first);
    }

    /// Somebody on the core sends a packet with whatever source address it says.
    pub fn inject(&mut self, packet: Packet) {
        self.note(Self::CORE, &packet, "injected");
        self.forward(Self::CORE, PortId(usize::MAX), packet, self.now);
    }

    /// Sends the last answers once more.
    pub fn replay(&mut self) {
        for packet in self.passed.clone() {
            self.inject(packet);
        }
    }

    /// Lets something happen later.
    pub fn schedule(&mut self, at: Nanos, happening: Happening) {
        self.sequence += 1;
        self.future.push(Reverse(Scheduled { at: at.max(self.now), sequence: self.sequence, happening }));
    }

    /// When the next thing happens.
    #[must_use]
    pub fn next_at(&self) -> Option<Nanos> {
        self.future.peek().map(|next| next.0.at)
    }

    /// Goes to the next thing that happens.
    pub fn advance(&mut self) -> Option<Happening> {
        let next = self.future.pop()?.0;
        self.now = next.at;
        Some(next.happening)
    }

    fn forward(&mut self, network: NetworkId, from: PortId, mut packet: Packet, at: Nanos) {
        if network == Self::CORE {
            let injected = self.on_path.as_mut().map(|attacker| attacker.observe(&mut packet));
            if matches!(packet.origin, Origin::Reply { .. }) {
                self.passed.truncate(Self::MEMORY - 1);
                self.passed.push_front(packet.clone());
            }
            for forged in injected.into_iter().flatten() {
                self.note(network, &forged, "forged on the path");
                // It did not come from there: an answer goes back to whoever has asked.
                self.deliver(network, None, forged, at);
            }
        }
        self.deliver(network, Some(from), packet, at);
    }

    fn deliver(&mut self, network: NetworkId, from: Option<PortId>, mut packet: Packet, at: Nanos) {
        let Network { routes, default_route, .. } = &self.networks[network];
        let to =
            routes.get(&packet.destination.ip()).copied().or(*default_route).filter(|to| Some(*to) != from);
        let Some(to) = to else { return self.note(network, &packet, "nobody has that address") };
        let (first, second) = self.ports[to.0].down.carry(&mut packet, at);
        if first.is_none() {
            self.note(network, &packet, "lost on the way down");
        }
        if let Some(second) = second {
            self.schedule(second, Happening::Arrival(to, packet.clone()));
        }
        if let Some(first) = first {
            self.schedule(first, Happening::Arrival(to, packet));
        }
    }

    fn note(&mut self, network: NetworkId, packet: &Packet, remark: &'static str) {
        if let Some(log) = &mut self.log {
            log.packet(self.now, self.networks[network].name, packet, remark);
        }
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.sequence) == (other.at, other.sequence)
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}
