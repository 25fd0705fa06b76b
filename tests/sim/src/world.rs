//! A whole world: hosts, NATs, servers, the networks between them, and the model that watches.

use std::net::{IpAddr, SocketAddr};

use libstun::auth::{Credentials, LongTerm, Realm, ShortTerm};
use libstun::stun::server::{Budget, ServerCredentials};
use libstun::stun::{BindingConfig, Server, ServerConfig};
use libstun::{Agent, Entropy, FiveTuple, Instant};

use crate::alg;
use crate::corpus;
use crate::host::{Guard, Host, Interface, Password, duration};
use crate::log::Log;
use crate::model::{Model, Spec};
use crate::nat::{Nat, NatConfig, embed_ipv4, embedded_ipv4};
use crate::net::{Happening, Net, NetworkId, NodeId, PortId};
use crate::packet::{BindingIndex, Packet, Verdict};
use crate::program::Program;
use crate::random::Random;
use crate::server::Script;
use crate::time::Nanos;

/// The username that bindings and guarded servers of a world share.
pub const USER: &[u8] = b"evtj:h6vY";

/// The password.
pub const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";

/// The realm of servers that challenge.
pub const REALM: &[u8] = b"example.test";

/// Everything.
#[derive(Debug)]
pub struct World {
    /// The networks and the future.
    pub net: Net,
    /// What must happen.
    pub model: Model,
    nodes: Vec<Node>,
    random: Random,
}

/// Whatever is plugged into a network.
#[derive(Debug)]
pub enum Node {
    /// A host with one of our machines.
    Host(Box<Host>),
    /// A NAT.
    Nat(Box<Nat>),
    /// A server that is not ours.
    Scripted(Script),
}

impl World {
    /// An empty world.
    #[must_use]
    pub fn new(mut random: Random) -> Self {
        let net = Net::new(random.fork());
        Self { net, model: Model::default(), nodes: Vec::new(), random }
    }

    /// Keeps a log from now on.
    pub fn keep_log(&mut self) {
        self.net.log = Some(Log::default());
    }

    /// Notes something in the log, if there is one.
    pub fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(log) = &mut self.net.log {
            log.note(self.net.now, text());
        }
    }

    /// The world's randomness.
    pub fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// A host with an agent, and no address yet.
    pub fn add_client(&mut self) -> NodeId {
        let agent = Agent::new(self.random.entropy(), Instant::from_nanos(self.net.now));
        self.add_host(Program::Agent(Box::new(agent)), None)
    }

    /// A host that runs something.
    pub fn add_host(&mut self, program: Program, guards: Option<Guard>) -> NodeId {
        let id = self.nodes.len();
        self.nodes.push(Node::Host(Box::new(Host::new(id, program, guards))));
        self.model.add_host(id);
        id
    }

    /// One of our servers on the core; `guards` demands the password.
    pub fn add_server(&mut self, guards: bool, address: IpAddr) -> NodeId {
        let credentials = if guards { ShortTerm::new(USER, PASSWORD).ok().map(Into::into) } else { None };
        self.add_guarded(guards.into(), credentials, Some(Budget::default()), address)
    }

    /// One with a realm, whose nonces live that long; with the default budget, or none.
    pub fn add_realm(&mut self, nonce_lifetime: Nanos, has_budget: bool, address: IpAddr) -> NodeId {
        let realm = Realm::new(REALM).ok().map(|realm| {
            let mut realm = realm.with_nonce_lifetime(duration(nonce_lifetime));
            let _the_strings_are_good = realm.add_user(USER, PASSWORD);
            realm.into()
        });
        self.add_guarded(Guard::Realm, realm, has_budget.then(Budget::default), address)
    }

    fn add_guarded(
        &mut self,
        guard: Guard,
        credentials: Option<ServerCredentials>,
        budget: Option<Budget>,
        address: IpAddr,
    ) -> NodeId {
        let config = ServerConfig { credentials, budget, ..ServerConfig::default() };
        let server = Server::new(config, Entropy::from_seed([7; 32]), Instant::ZERO);
        let id = self.add_host(Program::Server(Box::new(server)), Some(guard));
        self.add_interface(id, Net::CORE, address);
        id
    }

    /// A scripted server on the core.
    pub fn add_script(&mut self, script: Script, address: IpAddr) -> NodeId {
        let id = self.nodes.len();
        self.nodes.push(Node::Scripted(script));
        let port = self.net.plug(id, Net::CORE);
        self.net.route(address, port);
        // What a server recorded in another world says; whoever asks it unsigned has to take it.
        match script {
            Script::Captured(index) => self.admit(corpus::captured(), index),
            Script::Malformed(index) => self.admit(corpus::malformed(), index),
            _ => {}
        }
        id
    }

    /// The address that a canned message gives is possible from now on.
    pub fn admit(&mut self, list: &[corpus::Canned], index: usize) {
        if let Verdict::Success(said) | Verdict::Legacy(said) = list[index % list.len()].verdict {
            self.model.add_address(said.ip());
        }
    }

    /// A NAT between two networks, the way out of the inner one.
    pub fn add_nat(&mut self, config: NatConfig, inside: NetworkId, outside: NetworkId) -> NodeId {
        let id = self.nodes.len();
        let (inner, outer) = (self.net.plug(id, inside), self.net.plug(id, outside));
        self.net.set_default_route(inner);
        for address in &config.pool {
            self.net.route(*address, outer);
            self.model.add_address(*address);
        }
        let random = self.random.fork();
        self.nodes.push(Node::Nat(Box::new(Nat::new(config, inner, outer, random))));
        id
    }

    /// Gives a host an address on a network.
    pub fn add_interface(&mut self, host: NodeId, network: NetworkId, address: IpAddr) -> PortId {
        let port = self.net.plug(host, network);
        self.plug_address(host, port, address);
        port
    }

    /// Gives a host an address on a port that it has.
    pub fn plug_address(&mut self, host: NodeId, port: PortId, address: IpAddr) {
        self.net.route(address, port);
        self.model.add_address(address);
        if let Some(host) = self.host_mut(host) {
            host.interfaces.push(Interface { address, port });
        }
    }

    /// Takes an address from a host.
    pub fn remove_address(&mut self, host: NodeId, address: IpAddr) -> Option<PortId> {
        let interfaces = &mut self.host_mut(host)?.interfaces;
        let at = interfaces.iter().position(|interface| interface.address == address)?;
        let port = interfaces.remove(at).port;
        self.net.unroute(address, port);
        Some(port)
    }

    /// Starts a binding on a host. Its local port tells the binding; the IP may be unspecified.
    pub fn start(&mut self, host: NodeId, local: IpAddr, remote: SocketAddr, how: How) -> BindingIndex {
        let index = self.model.binding_count();
        let path = FiveTuple::udp(SocketAddr::new(local, Host::FIRST_PORT + index as u16), remote);
        let Node::Host(node) = &mut self.nodes[host] else { return index };
        let clock = node.clock(&self.net);
        let spec = Spec {
            host,
            path,
            refresh: how.refresh,
            password: how.password,
            accepts_mapped_address: how.accepts_mapped_address,
        };
        self.model.start(spec, clock);
        let now = node.tell(&self.net);
        match &mut node.program {
            Program::Agent(agent) => match agent.start_binding(how.config(path), now) {
                Ok(id) => node.note_binding(Some(id), index),
                Err(error) => self.model.violate(format!("a binding to {remote} cannot start: {error}")),
            },
            // Made by the caller with the same configuration.
            Program::Binding(_) => node.note_binding(None, index),
            Program::Server(_) => {}
        }
        node.run(&mut self.net, &mut self.model);
        index
    }

    /// Cancels a binding of an agent that still knows it.
    pub fn cancel(&mut self, index: BindingIndex) {
        let host = self.model.spec(index).host;
        let Node::Host(node) = &mut self.nodes[host] else { return };
        let now = node.tell(&self.net);
        let Some(id) = node.operation(index) else { return };
        if let Program::Agent(agent) = &mut node.program {
            if agent.cancel(id, now).is_ok() == self.model.is_ended(index) {
                self.model.violate(format!("binding {index}: cancel and the end disagree"));
            }
        }
        self.model.cancel(index);
        node.run(&mut self.net, &mut self.model);
    }

    /// Takes one step; false if nothing will ever happen again.
    ///
    /// # Errors
    /// The sentence of a broken rule.
    pub fn step(&mut self) -> Result<bool, String> {
        let Some(happening) = self.net.advance() else { return Ok(false) };
        match happening {
            Happening::Arrival(port, packet) => self.arrive(port, packet),
            Happening::Departure(port, packet) => self.net.send(port, packet),
            Happening::Wake(node) => {
                if let Node::Host(host) = &mut self.nodes[node] {
                    host.wake(&mut self.net, &mut self.model);
                }
            }
            Happening::Resume(node) => {
                if let Node::Host(host) = &mut self.nodes[node] {
                    host.resume(&mut self.net, &mut self.model);
                }
            }
        }
        self.check()?;
        Ok(true)
    }

    /// Lets so much time pass.
    ///
    /// # Errors
    /// The sentence of a broken rule.
    pub fn run_for(&mut self, time: Nanos) -> Result<(), String> {
        let end = self.net.now + time;
        while self.net.next_at().is_some_and(|at| at <= end) {
            self.step()?;
        }
        self.net.now = end;
        self.check()
    }

    /// Compares the world with the model.
    ///
    /// # Errors
    /// The sentence of a broken rule.
    pub fn check(&mut self) -> Result<(), String> {
        let (nodes, net) = (&self.nodes, &self.net);
        self.model.check(|host| match &nodes[host] {
            Node::Host(host) => host.clock(net),
            Node::Nat(_) | Node::Scripted(_) => net.now,
        });
        self.model.violation().map_or(Ok(()), |sentence| Err(sentence.to_owned()))
    }

    /// A host, to look at.
    #[must_use]
    pub fn host(&self, id: NodeId) -> Option<&Host> {
        match self.nodes.get(id)? {
            Node::Host(host) => Some(host),
            Node::Nat(_) | Node::Scripted(_) => None,
        }
    }

    /// A host, to change.
    pub fn host_mut(&mut self, id: NodeId) -> Option<&mut Host> {
        match self.nodes.get_mut(id)? {
            Node::Host(host) => Some(host),
            Node::Nat(_) | Node::Scripted(_) => None,
        }
    }

    /// A host together with what it needs to act.
    pub fn with_host(&mut self, id: NodeId, act: impl FnOnce(&mut Host, &mut Net, &mut Model)) {
        if let Some(Node::Host(host)) = self.nodes.get_mut(id) {
            act(host, &mut self.net, &mut self.model);
        }
    }

    /// A NAT, to reboot and to ask.
    pub fn nat(&mut self, id: NodeId) -> Option<&mut Nat> {
        match self.nodes.get_mut(id)? {
            Node::Nat(nat) => Some(nat),
            Node::Host(_) | Node::Scripted(_) => None,
        }
    }

    fn arrive(&mut self, port: PortId, packet: Packet) {
        match &mut self.nodes[self.net.node_at(port)] {
            Node::Host(host) => host.receive(packet, &mut self.net, &mut self.model),
            Node::Nat(nat) => translate(nat, port, packet, &mut self.net),
            Node::Scripted(script) => {
                if let Some(answer) = script.answer(&packet) {
                    let at = self.net.now + script.delay();
                    self.net.schedule(at, Happening::Departure(port, answer));
                }
            }
        }
    }
}

/// How a binding of the world asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct How {
    /// How often; `None` is once.
    pub refresh: Option<Nanos>,
    /// What it signs with.
    pub password: Password,
    /// Whether it takes MAPPED-ADDRESS.
    pub accepts_mapped_address: bool,
}

impl How {
    /// Once, unsigned.
    pub const ONCE: Self = Self { refresh: None, password: Password::None, accepts_mapped_address: false };

    /// Again and again, unsigned.
    #[must_use]
    pub const fn every(interval: Nanos) -> Self {
        Self { refresh: Some(interval), ..Self::ONCE }
    }

    /// The same, signed.
    #[must_use]
    pub const fn signed(self, password: Password) -> Self {
        Self { password, ..self }
    }

    /// As the library wants it.
    #[must_use]
    pub fn config(&self, path: FiveTuple) -> BindingConfig {
        let credentials = match self.password {
            Password::None => None,
            Password::Right => ShortTerm::new(USER, PASSWORD).ok().map(Into::into),
            Password::Wrong => ShortTerm::new(USER, b"another password").ok().map(Into::into),
            Password::User => long_term(PASSWORD),
            Password::WrongUser => long_term(b"another password"),
        };
        BindingConfig {
            refresh: self.refresh.map(duration),
            credentials,
            accepts_mapped_address: self.accepts_mapped_address,
            ..BindingConfig::new(path)
        }
    }
}

/// A user of the realm.
fn long_term(password: &[u8]) -> Option<Credentials> {
    let [user, password] = [USER, password].map(|text| std::str::from_utf8(text).ok());
    LongTerm::new(user?, password?).ok().map(Into::into)
}

/// A packet goes through a NAT.
pub(crate) fn translate(nat: &mut Nat, port: PortId, mut packet: Packet, net: &mut Net) {
    let now = net.now;
    if port == nat.outside {
        let external = packet.destination;
        let Some(internal) = nat.inbound(external, packet.source, now) else { return };
        packet.destination = internal;
        if nat.config.is_nat64 {
            packet.source = embed_ipv4(packet.source);
        }
        rewrite(nat, &mut packet, external, internal);
        return net.send(nat.inside, packet);
    }
    let internal = packet.source;
    let remote =
        if nat.config.is_nat64 { embedded_ipv4(packet.destination) } else { Some(packet.destination) };
    let Some(external) = remote.and_then(|remote| nat.outbound(internal, remote, now)) else { return };
    let Some(remote) = remote else { return };
    (packet.source, packet.destination) = (external, remote);
    if !nat.config.pool.contains(&remote.ip()) {
        rewrite(nat, &mut packet, internal, external);
        return net.send(nat.outside, packet);
    }
    // RFC 4787 s6: the other host sees the external address.
    if nat.config.behaviour.hairpins {
        if let Some(inner) = nat.inbound(remote, external, now) {
            packet.destination = inner;
            net.send(nat.inside, packet);
        }
    }
}

fn rewrite(nat: &Nat, packet: &mut Packet, from: SocketAddr, to: SocketAddr) {
    if let (true, IpAddr::V4(from), IpAddr::V4(to)) = (nat.config.has_alg, from.ip(), to.ip()) {
        packet.is_intact &= alg::rewrite(&mut packet.payload, from, to) == 0;
    }
}
