//! A world for one NAT probe: a host with two sockets, NATs before it, and servers of NAT behaviour discovery.
//!
//! ```text
//!   host :5000 :5001 --link-- home --NAT-- carrier --NAT-- core --link-- server A1, A2
//!                                                            +--link-- further servers
//! ```

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use libstun::nat::{Probe, ProbeConfig, ProbeEvent, ProbeSocket, Report};
use libstun::stun::{BehaviorDiscovery, Server, ServerConfig};
use libstun::{Datagram, FiveTuple, Instant, Machine};

use crate::behaviour_server::{BehaviourServer, Manner};
use crate::lab::Lab;
use crate::nat::{Nat, NatConfig, embed_ipv4};
use crate::net::{Happening, Net, NodeId, PortId};
use crate::packet::{Origin, Packet};
use crate::random::Random;
use crate::time::Nanos;
use crate::world::translate;

/// The world, and what happened in it.
#[derive(Debug)]
pub struct Diagnosis {
    /// The networks and the future.
    pub net: Net,
    /// The host's cable.
    pub port: PortId,
    /// The host's address.
    pub address: IpAddr,
    /// The host's address and two ports, the first server, and those that were added.
    pub config: ProbeConfig,
    /// The host calls its sockets by `0.0.0.0`, and does not say to which of its addresses a packet came.
    pub is_wildcard: bool,
    /// Everything that the probe has told.
    pub events: Vec<ProbeEvent>,
    /// When each transaction began, whether it is retransmitted or not.
    pub starts: Vec<Nanos>,
    nodes: Vec<Node>,
    random: Random,
}

#[derive(Debug)]
enum Node {
    Host,
    Nat(Box<Nat>),
    Server(BehaviourServer),
    Ours(Box<Server>),
}

/// The host's local ports.
pub const PORTS: [u16; 2] = [5000, 5001];

/// Where the `number`th server is, and its other address.
#[must_use]
pub fn addresses(number: u8) -> (SocketAddr, SocketAddr) {
    let at = |last, port| SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), port);
    (at(2 * number, 3478), at(2 * number + 1, 3479))
}

impl Diagnosis {
    /// A host behind NATs, the innermost first, or on the core if there are none.
    #[must_use]
    pub fn new(seed: u64, configs: &[NatConfig]) -> Self {
        let mut random = Random::new(seed);
        let mut net = Net::new(random.fork());
        let mut nodes = vec![Node::Host];
        let names = ["home", "carrier", "country"];
        let networks: Vec<_> = configs.iter().zip(names).map(|(_, name)| net.add_network(name)).collect();
        let inner = networks.first().copied().unwrap_or(Net::CORE);
        let is_nat64 = configs.first().is_some_and(|first| first.is_nat64);
        let address = match configs {
            [] => Lab::PUBLIC,
            _ if is_nat64 => Lab::IPV6,
            _ => Lab::INSIDE,
        };
        let port = net.plug(0, inner);
        net.route(address, port);
        for (place, config) in configs.iter().enumerate() {
            let outer = networks.get(place + 1).copied().unwrap_or(Net::CORE);
            let id = nodes.len();
            let (inside, outside) = (net.plug(id, networks[place]), net.plug(id, outer));
            net.set_default_route(inside);
            config.pool.iter().for_each(|address| net.route(*address, outside));
            nodes.push(Node::Nat(Box::new(Nat::new(config.clone(), inside, outside, random.fork()))));
        }
        let socket = |port| ProbeSocket::new(SocketAddr::new(address, port));
        let mut config = ProbeConfig::new(socket(PORTS[0]).local, Self::seen(is_nat64, addresses(1).0));
        config.second = Some(socket(PORTS[1]));
        Self {
            net,
            port,
            address,
            config,
            is_wildcard: false,
            events: Vec::new(),
            starts: Vec::new(),
            nodes,
            random,
        }
    }

    /// Puts the `number`th server on the core; those after the first are further ones to the probe.
    pub fn add_server(&mut self, number: u8, manner: Manner) -> PortId {
        let (primary, other) = addresses(number);
        let port = self.net.plug(self.nodes.len(), Net::CORE);
        self.net.route(primary.ip(), port);
        self.net.route(other.ip(), port);
        self.nodes.push(Node::Server(BehaviourServer { manner, primary, other }));
        if number > 1 {
            let is_nat64 = self.address == Lab::IPV6;
            self.config.servers.push(Self::seen(is_nat64, primary));
        }
        port
    }

    /// Puts a server of the library there, with the budget that it has by default.
    pub fn add_our_server(&mut self, number: u8) {
        let (primary, other) = addresses(number);
        let port = self.net.plug(self.nodes.len(), Net::CORE);
        self.net.route(primary.ip(), port);
        self.net.route(other.ip(), port);
        let behavior =
            BehaviorDiscovery::new([primary.ip(), other.ip()], [primary.port(), other.port()], [0; 4]).ok();
        let config = ServerConfig { behavior, ..ServerConfig::default() };
        let server = Server::new(config, self.random.entropy(), Instant::from_nanos(self.net.now));
        self.nodes.push(Node::Ours(Box::new(server)));
    }

    /// Behind NAT64 an IPv4 server has an IPv6 address.
    fn seen(is_nat64: bool, server: SocketAddr) -> SocketAddr {
        if is_nat64 { embed_ipv4(server) } else { server }
    }

    /// All cables between the host and a server.
    #[must_use]
    pub fn ports(&self, server: PortId) -> Vec<PortId> {
        let nats = self.nodes.iter().filter_map(|node| match node {
            Node::Nat(nat) => Some([nat.inside, nat.outside]),
            Node::Host | Node::Server(_) | Node::Ours(_) => None,
        });
        nats.flatten().chain([self.port, server]).collect()
    }

    /// A NAT, the innermost is 0.
    pub fn nat(&mut self, place: usize) -> Option<&mut Nat> {
        match self.nodes.get_mut(place + 1)? {
            Node::Nat(nat) => Some(nat),
            Node::Host | Node::Server(_) | Node::Ours(_) => None,
        }
    }

    /// Runs a probe to its end, with `meddle` called before each step, and gives its report.
    ///
    /// # Panics
    /// It does not end, or breaks a rule of the driver.
    pub fn run(&mut self, mut meddle: impl FnMut(&mut Self)) -> Report {
        let now = Instant::from_nanos(self.net.now);
        let entropy = self.random.entropy();
        let Ok(mut probe) = Probe::new(self.config.clone(), entropy, now) else {
            panic!("a good configuration")
        };
        let mut wake = None;
        self.drain(&mut probe, &mut wake);
        while let Some(happening) = self.net.advance() {
            meddle(self);
            match happening {
                Happening::Arrival(port, packet) => self.arrive(port, packet, &mut probe, &mut wake),
                Happening::Departure(port, packet) => self.net.send(port, packet),
                Happening::Wake(_) if wake == Some(self.net.now) => {
                    wake = None;
                    probe.handle_timeout(Instant::from_nanos(self.net.now));
                    self.drain(&mut probe, &mut wake);
                }
                Happening::Wake(_) | Happening::Resume(_) => {}
            }
            if probe.is_ended() {
                break;
            }
        }
        assert_eq!(probe.poll_timeout(), None, "an ended probe has nothing to wait for");
        match self.events.last() {
            Some(ProbeEvent::Finished(report)) => (**report).clone(),
            other => panic!("the last event is {other:?}"),
        }
    }

    fn arrive(&mut self, port: PortId, packet: Packet, probe: &mut Probe, wake: &mut Option<Nanos>) {
        let node = self.net.node_at(port);
        match &mut self.nodes[node] {
            Node::Host if packet.destination.ip() == self.address => {
                let mut local = packet.destination;
                if self.is_wildcard {
                    local.set_ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
                }
                let path = FiveTuple::udp(local, packet.source);
                let now = Instant::from_nanos(self.net.now);
                let _ = probe.handle_input(&Datagram::new(path, &packet.payload), now);
                self.drain(probe, wake);
            }
            Node::Host => {}
            Node::Nat(nat) => translate(nat, port, packet, &mut self.net),
            Node::Server(server) => {
                if let Some(answer) = server.answer(&packet) {
                    self.net.send(port, answer);
                }
            }
            Node::Ours(server) => {
                let path = FiveTuple::udp(packet.destination, packet.source);
                let now = Instant::from_nanos(self.net.now);
                let _ = server.handle_input(&Datagram::new(path, &packet.payload), now);
                while let Some(reply) = server.poll_transmit() {
                    let (path, payload) = (reply.path, reply.payload.to_vec());
                    self.net.send(port, Packet::new(path.local, path.remote, payload, Origin::Noise));
                }
            }
        }
    }

    /// Takes all output, and sleeps exactly to the deadline.
    fn drain(&mut self, probe: &mut Probe, wake: &mut Option<Nanos>) {
        let mut ids = Vec::new();
        while let Some(transmit) = probe.poll_transmit() {
            ids.push(transmit.payload[8..20].to_vec());
            let (path, payload) = (transmit.path, transmit.payload.to_vec());
            let source = SocketAddr::new(self.address, path.local.port());
            self.net.send(self.port, Packet::new(source, path.remote, payload, Origin::Noise));
        }
        self.events.extend(std::iter::from_fn(|| probe.poll_event()));
        let begun = probe.report().requests as usize;
        self.starts.resize(begun.max(self.starts.len()), self.net.now);
        let at = probe.poll_timeout().map(|at| at.as_nanos().max(self.net.now));
        if let (Some(at), true) = (at, at != *wake) {
            self.net.schedule(at, Happening::Wake(NodeId::default()));
        }
        *wake = at;
    }
}
