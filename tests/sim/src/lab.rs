//! Small worlds for named tests: one client, what stands before it, and servers that are added as needed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use libstun::auth::ShortTerm;
use libstun::stun::{Binding, BindingEvent, Server, ServerConfig};
use libstun::{Agent, Entropy, FiveTuple, Instant};

use crate::host::Host;
use crate::nat::NatConfig;
use crate::net::{Net, NetworkId, NodeId, PortId};
use crate::packet::BindingIndex;
use crate::program::Program;
use crate::random::Random;
use crate::time::Nanos;
use crate::world::{How, PASSWORD, USER, World};

/// A world with one client.
#[derive(Debug)]
pub struct Lab {
    /// The world.
    pub world: World,
    /// The client, an agent.
    pub client: NodeId,
    /// Its cable.
    pub port: PortId,
    /// Its address.
    pub address: IpAddr,
    /// The NATs before it, the innermost first.
    pub nats: Vec<NodeId>,
    network: NetworkId,
}

/// Where IPv4 servers of a lab are, by number.
#[must_use]
pub const fn server_ipv4(number: u8) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, number)), 3478)
}

/// Where its IPv6 servers are.
#[must_use]
pub const fn server_ipv6(number: u8) -> SocketAddr {
    SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, number as u16)), 3478)
}

/// An address that stands for every one of its family.
#[must_use]
pub const fn any(remote: SocketAddr) -> IpAddr {
    match remote {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

impl Lab {
    /// The client's address behind NATs.
    pub const INSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
    /// The external address of the outermost NAT.
    pub const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));
    /// The external address of a home NAT behind a carrier's.
    pub const BETWEEN: IpAddr = IpAddr::V4(Ipv4Addr::new(100, 64, 0, 1));
    /// The client's IPv6 address.
    pub const IPV6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 2));
    /// The client's address where there is no NAT.
    pub const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 114, 2));

    /// A client on the core.
    #[must_use]
    pub fn public(seed: u64, address: IpAddr) -> Self {
        Self::new(seed, address, &[])
    }

    /// A client behind NATs, the innermost first.
    #[must_use]
    pub fn behind(seed: u64, nats: &[NatConfig]) -> Self {
        let is_nat64 = nats.first().is_some_and(|first| first.is_nat64);
        Self::new(seed, if is_nat64 { Self::IPV6 } else { Self::INSIDE }, nats)
    }

    fn new(seed: u64, address: IpAddr, configs: &[NatConfig]) -> Self {
        let mut world = World::new(Random::new(seed));
        let networks: Vec<NetworkId> = configs
            .iter()
            .zip(["home", "carrier", "country"])
            .map(|(_, name)| world.net.add_network(name))
            .chain([Net::CORE])
            .collect();
        let nats = configs
            .iter()
            .zip(networks.windows(2))
            .map(|(config, sides)| world.add_nat(config.clone(), sides[0], sides[1]))
            .collect();
        let client = world.add_client();
        let port = world.add_interface(client, networks[0], address);
        Self { world, client, port, address, nats, network: networks[0] }
    }

    /// Starts a binding of the client's agent.
    pub fn start(&mut self, remote: SocketAddr, how: How) -> BindingIndex {
        self.world.start(self.client, any(remote), remote, how)
    }

    /// Puts a second host next to the client, with a binding on its own, without an agent. Gives the binding
    /// and its cable.
    ///
    /// # Errors
    /// The configuration contradicts itself.
    pub fn start_alone(
        &mut self,
        address: IpAddr,
        remote: SocketAddr,
        how: How,
    ) -> Result<(BindingIndex, PortId), String> {
        let local = SocketAddr::new(any(remote), Host::FIRST_PORT + self.world.model.binding_count() as u16);
        let now = Instant::from_nanos(self.world.net.now);
        let entropy = self.world.random().entropy();
        let binding = Binding::new(how.config(FiveTuple::udp(local, remote)), entropy, now)
            .map_err(|error| error.to_string())?;
        let host = self.world.add_host(Program::Binding(Box::new(binding)), None);
        let port = self.world.add_interface(host, self.network, address);
        Ok((self.world.start(host, any(remote), remote, how), port))
    }

    /// A server that an agent houses, instead of one on its own.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn add_agent_server(&mut self, guards: bool, address: IpAddr) -> Result<NodeId, String> {
        let credentials = if guards { ShortTerm::new(USER, PASSWORD).ok().map(Into::into) } else { None };
        let mut agent = Agent::new(self.world.random().entropy(), Instant::ZERO);
        agent
            .start_server(ServerConfig { credentials, ..ServerConfig::default() }, Instant::ZERO)
            .map_err(|error| error.to_string())?;
        let host = self.world.add_host(Program::Agent(Box::new(agent)), Some(guards.into()));
        self.world.add_interface(host, Net::CORE, address);
        Ok(host)
    }

    /// Puts one of our servers next to the client, behind the same NAT.
    pub fn add_server_beside(&mut self, address: IpAddr) -> NodeId {
        let server = Server::new(ServerConfig::default(), Entropy::from_seed([7; 32]), Instant::ZERO);
        let host = self.world.add_host(Program::Server(Box::new(server)), Some(false.into()));
        self.world.add_interface(host, self.network, address);
        host
    }

    /// What the outside must see of a binding now: the truth of the NATs' tables.
    #[must_use]
    pub fn truth(&mut self, index: BindingIndex) -> Option<SocketAddr> {
        let path = self.world.model.path(index);
        let remote = crate::nat::embedded_ipv4(path.remote).unwrap_or(path.remote);
        let mut address = SocketAddr::new(self.address, path.local.port());
        let now = self.world.net.now;
        for nat in self.nats.clone() {
            address = self.world.nat(nat)?.lookup(address, remote, now)?;
        }
        Some(address)
    }

    /// The events of a binding, without their times.
    #[must_use]
    pub fn events(&self, index: BindingIndex) -> Vec<BindingEvent> {
        self.world.model.events(index).iter().map(|(_, event)| *event).collect()
    }

    /// Lets time pass.
    ///
    /// # Panics
    /// A rule was broken.
    pub fn run(&mut self, time: Nanos) {
        if let Err(sentence) = self.world.run_for(time) {
            let log = self.world.net.log.as_ref().map(|log| log.tail(40)).unwrap_or_default();
            panic!("{log}{sentence}");
        }
    }
}
