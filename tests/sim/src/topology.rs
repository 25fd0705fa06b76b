//! Random worlds: where the clients are, what stands between them and the core, and who answers there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::corpus;
use crate::host::Password;
use crate::nat::{Behaviour, NatConfig, embed_ipv4};
use crate::net::{Net, NetworkId, NodeId};
use crate::random::Random;
use crate::server::Script;
use crate::time::{MILLISECOND, Nanos, SECOND};
use crate::world::World;

/// A world with clients that have nothing to do yet.
#[derive(Debug)]
pub struct Topology {
    /// The world.
    pub world: World,
    /// The hosts that will ask.
    pub clients: Vec<Client>,
    /// The NATs, the innermost first.
    pub nats: Vec<NodeId>,
    /// The servers that they may ask.
    pub servers: Vec<Answerer>,
    /// The number of the last address that was given to a client.
    pub next_number: u16,
}

/// A host that asks.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Its node.
    pub host: NodeId,
    /// Where it has IPv4, if anywhere.
    pub ipv4: Option<NetworkId>,
    /// Where it has IPv6, if anywhere.
    pub ipv6: Option<NetworkId>,
    /// Whether it reaches IPv4 servers by NAT64 only.
    pub has_nat64: bool,
}

/// A server of the world.
#[derive(Clone, Copy, Debug)]
pub struct Answerer {
    /// Its address.
    pub address: SocketAddr,
    /// How it answers.
    pub manner: Manner,
}

/// How a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Ours, to everybody.
    Open,
    /// Ours, to those who know the password.
    Guarded,
    /// Ours, to users of its realm, with nonces that live that long, perhaps within a budget.
    Realm {
        /// How long.
        nonce_lifetime: Nanos,
        /// Whether strangers may be sent no more than the default.
        has_budget: bool,
    },
    /// Not ours.
    Scripted(Script),
}

impl Answerer {
    /// Whether somebody with that password gets true answers that he can believe.
    #[must_use]
    pub fn satisfies(&self, password: Password) -> bool {
        match self.manner {
            // Nor long-term ones: after a forged challenge a server that never asks for them cannot be believed until
            // the retry has been given up.
            Manner::Open => password == Password::None,
            Manner::Guarded => password == Password::Right,
            Manner::Realm { .. } => password == Password::User,
            Manner::Scripted(Script::Slow(_)) => password == Password::None,
            Manner::Scripted(_) => false,
        }
    }
}

impl Client {
    /// The address at which this client knows a server, if it can reach it at all. Behind NAT64 there is no
    /// other way out.
    #[must_use]
    pub fn sees(&self, server: SocketAddr) -> Option<SocketAddr> {
        match (server.is_ipv4(), self.ipv4, self.ipv6) {
            (true, _, _) if self.has_nat64 => Some(embed_ipv4(server)),
            (true, Some(_), _) => Some(server),
            (false, _, Some(_)) if !self.has_nat64 => Some(server),
            _ => None,
        }
    }
}

impl Topology {
    /// A random one.
    #[must_use]
    pub fn random(random: &mut Random) -> Self {
        let mut world = World::new(random.fork());
        let mut nats = Vec::new();
        let (ipv4, ipv6, has_nat64) = match random.below(8) {
            0 => (Some(Net::CORE), None, false),
            1 => (None, Some(Net::CORE), false),
            2 => (Some(Net::CORE), Some(Net::CORE), false),
            3 => (None, Some(nat64(&mut world, &mut nats, random)), true),
            4 | 5 => (Some(carrier(&mut world, &mut nats, random)), None, false),
            6 => (Some(home(&mut world, &mut nats, random)), Some(Net::CORE), false),
            _ => (Some(home(&mut world, &mut nats, random)), None, false),
        };
        let count = if random.chance(250) { 2 } else { 1 };
        let clients = (0..count).map(|number| client(&mut world, ipv4, ipv6, has_nat64, number)).collect();
        let servers = (1..=random.between(1, 4))
            .map(|number| {
                let is_ipv4 = match (ipv4.is_some() || has_nat64, ipv6.is_some() && !has_nat64) {
                    (true, true) => random.chance(500),
                    (is_ipv4, _) => is_ipv4,
                };
                server(&mut world, number as u8, is_ipv4, random)
            })
            .collect();
        Self { world, clients, nats, servers, next_number: count }
    }
}

/// The `number`th address of that family on a network, fresh for each `number`.
#[must_use]
pub fn address(network: NetworkId, is_ipv4: bool, number: u16) -> IpAddr {
    let [high, low] = number.to_be_bytes();
    match (is_ipv4, network) {
        (true, Net::CORE) => IpAddr::V4(Ipv4Addr::new(203, 0, 114 + high, low + 2)),
        (true, _) => IpAddr::V4(Ipv4Addr::new(10, 0, high, low + 2)),
        (false, _) => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, network as u16, 0, 0, 0, 1, number + 2)),
    }
}

fn client(
    world: &mut World,
    ipv4: Option<NetworkId>,
    ipv6: Option<NetworkId>,
    has_nat64: bool,
    number: u16,
) -> Client {
    let host = world.add_client();
    for (network, is_ipv4) in [(ipv4, true), (ipv6, false)] {
        if let Some(network) = network {
            world.add_interface(host, network, address(network, is_ipv4, number));
        }
    }
    Client { host, ipv4, ipv6, has_nat64 }
}

fn server(world: &mut World, number: u8, is_ipv4: bool, random: &mut Random) -> Answerer {
    let ip = if is_ipv4 {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, number))
    } else {
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, u16::from(number)))
    };
    let manner = match random.below(20) {
        0..=5 => Manner::Open,
        6..=8 => Manner::Guarded,
        9 => Manner::Scripted(Script::Silent),
        10 => Manner::Scripted(Script::Slow(random.between(1, 45_000) * MILLISECOND)),
        11 => Manner::Scripted(Script::Captured(random.below(corpus::captured().len() as u64) as usize)),
        12 => Manner::Scripted(Script::Malformed(random.below(124) as usize)),
        13 => Manner::Scripted(Script::WrongKey),
        14 => Manner::Scripted(Script::Error(random.pick(&[300, 400, 401, 420, 438, 500, 503, 600]))),
        15 => Manner::Scripted(random.pick(&[Script::Legacy, Script::Elsewhere])),
        _ => Manner::Realm {
            nonce_lifetime: random.pick(&[1, 5, 30, 60, 600]) * SECOND,
            has_budget: random.chance(500),
        },
    };
    match manner {
        Manner::Open | Manner::Guarded => {
            world.add_server(manner == Manner::Guarded, ip);
        }
        Manner::Realm { nonce_lifetime, has_budget } => {
            world.add_realm(nonce_lifetime, has_budget, ip);
        }
        Manner::Scripted(script) => {
            world.add_script(script, ip);
        }
    }
    Answerer { address: SocketAddr::new(ip, 3478), manner }
}

fn home(world: &mut World, nats: &mut Vec<NodeId>, random: &mut Random) -> NetworkId {
    let inside = world.net.add_network("home");
    let config = config(random, [203, 0, 113, 1]);
    nats.push(world.add_nat(config, inside, Net::CORE));
    inside
}

fn carrier(world: &mut World, nats: &mut Vec<NodeId>, random: &mut Random) -> NetworkId {
    let (inside, carrier) = (world.net.add_network("home"), world.net.add_network("carrier"));
    let (near, far) = (config(random, [100, 64, 0, 1]), config(random, [203, 0, 113, 1]));
    nats.push(world.add_nat(near, inside, carrier));
    nats.push(world.add_nat(far, carrier, Net::CORE));
    inside
}

fn nat64(world: &mut World, nats: &mut Vec<NodeId>, random: &mut Random) -> NetworkId {
    let inside = world.net.add_network("mobile");
    let config = NatConfig { is_nat64: true, ..config(random, [203, 0, 113, 1]) };
    nats.push(world.add_nat(config, inside, Net::CORE));
    inside
}

/// Any NAT, with one to four addresses from `first` on.
fn config(random: &mut Random, first: [u8; 4]) -> NatConfig {
    let behaviour = Behaviour::numbered(random.below(72) as usize);
    let [a, b, c, d] = first;
    let pool = (0..random.pick(&[1, 1, 1, 4])).map(|n| IpAddr::V4(Ipv4Addr::new(a, b, c, d + n))).collect();
    NatConfig {
        pool,
        timeout: random.pick(&[20 * SECOND, 30 * SECOND, 120 * SECOND, 300 * SECOND]),
        table_limit: random.pick(&[1024, 1024, 4]),
        has_alg: random.chance(200),
        ..NatConfig::new(behaviour, IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
    }
}
