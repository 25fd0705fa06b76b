//! What may happen to a world. One function applies it; a random plan, proptest and a fuzzer all go through
//! it. Numbers are taken modulo what there is, so that every value means something.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use libstun::SendError;

use crate::attacker::{self, OnPath};
use crate::corpus;
use crate::host::{Interface, Password};
use crate::link::{Faults, Loss};
use crate::net::{Happening, NetworkId};
use crate::packet::{BindingIndex, Origin, Packet};
use crate::random::Random;
use crate::time::{MILLISECOND, Nanos, SECOND};
use crate::topology::{Client, Topology, address};
use crate::world::How;

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// So many milliseconds pass.
    Idle(u32),
    /// A client starts to ask a server.
    StartBinding {
        /// Which client.
        client: u8,
        /// Which server.
        server: u8,
        /// How often, and signed with what.
        how: u8,
    },
    /// A binding is cancelled.
    Cancel(u8),
    /// A client gets one more address.
    AddInterface(u8),
    /// A client loses its first address.
    RemoveInterface(u8),
    /// A client's addresses are replaced: it roams.
    ReplaceAddress(u8),
    /// A NAT forgets its table.
    NatReboot(u8),
    /// A NAT gives every mapping another port.
    NatPortFlip(u8),
    /// A client's cable is cut: up, down, or both.
    Partition {
        /// Which client.
        client: u8,
        /// Which way.
        way: u8,
    },
    /// Every cable is healthy again.
    Heal,
    /// A client's cable gets faults of some kind.
    Fault {
        /// Which client.
        client: u8,
        /// Which kind.
        kind: u8,
        /// How bad.
        strength: u8,
    },
    /// A client sleeps for so many milliseconds.
    Pause {
        /// Which client.
        client: u8,
        /// How long.
        millis: u32,
    },
    /// A client's clock jumps forward.
    ClockJump {
        /// Which client.
        client: u8,
        /// How far, in milliseconds.
        millis: u32,
    },
    /// A client gives its next inputs an earlier time.
    StaleClock {
        /// Which client.
        client: u8,
        /// How much earlier, in milliseconds.
        millis: u32,
    },
    /// A client's next sends fail.
    SendError {
        /// Which client.
        client: u8,
        /// Why.
        error: u8,
        /// How many.
        times: u8,
    },
    /// ICMP says that a binding's server is not reached.
    Icmp {
        /// Which binding.
        binding: u8,
        /// Why.
        error: u8,
    },
    /// A malformed message is sent to a binding, from its server's address.
    Inject {
        /// Which binding.
        binding: u8,
        /// Which entry of `malformed.json`.
        vector: u8,
    },
    /// The same, under the right transaction id.
    Forge {
        /// Which binding.
        binding: u8,
        /// Which entry of `malformed.json`.
        vector: u8,
    },
    /// Somebody off the path sends guesses to a binding.
    Guess {
        /// Which binding.
        binding: u8,
        /// How many.
        count: u8,
    },
    /// An attacker sits down on the path, or leaves.
    OnPath(bool),
    /// Old answers are sent once more.
    Replay,
}

impl Transition {
    /// Kinds of transition.
    pub const KINDS: u8 = 20;

    /// From three numbers. Every kind is reached, every value means something.
    #[must_use]
    pub fn decode(kind: u8, a: u8, b: u8) -> Self {
        // Roughly logarithmic: short and long spans are both common.
        let millis = (u32::from(b) + 1) << (a >> 4).min(9);
        match kind % Self::KINDS {
            0 => Self::Idle(millis),
            1 => Self::StartBinding { client: a & 1, server: a >> 1, how: b },
            2 => Self::Cancel(a),
            3 => Self::AddInterface(a),
            4 => Self::RemoveInterface(a),
            5 => Self::ReplaceAddress(a),
            6 => Self::NatReboot(a),
            7 => Self::NatPortFlip(a),
            8 => Self::Partition { client: a, way: b },
            9 => Self::Heal,
            10 => Self::Fault { client: a & 1, kind: a >> 1, strength: b },
            11 => Self::Pause { client: a & 1, millis: millis / 4 },
            12 => Self::ClockJump { client: a & 1, millis },
            13 => Self::StaleClock { client: a & 1, millis },
            14 => Self::SendError { client: a & 1, error: a >> 1, times: b },
            15 => Self::Icmp { binding: a, error: b },
            16 => Self::Inject { binding: a, vector: b },
            17 => Self::Forge { binding: a, vector: b },
            18 => Self::Guess { binding: a, count: b },
            _ if b < 64 => Self::Replay,
            _ => Self::OnPath(a < 128),
        }
    }

    /// A random one, more often of the kinds that move things on.
    #[must_use]
    pub fn random(random: &mut Random) -> Self {
        let kind = match random.below(10) {
            0..=3 => 0,
            4 => 1,
            _ => random.below(u64::from(Self::KINDS)) as u8,
        };
        let [a, b] = random.bytes();
        Self::decode(kind, a, b)
    }
}

impl Topology {
    /// Bindings that a world starts at most: local ports and patience are limited.
    pub const MAX_BINDINGS: usize = 8;

    /// Of these, such as may have two requests outstanding: together no more than ten at one server, so that none
    /// has to wait (RFC 8489 s6.2).
    pub const MAX_CHALLENGED: usize = 2;

    /// Lets something happen.
    ///
    /// # Errors
    /// The sentence of a broken rule.
    pub fn apply(&mut self, transition: &Transition) -> Result<(), String> {
        self.world.note(|| format!("{transition:?}"));
        match *transition {
            Transition::Idle(millis) => return self.world.run_for(u64::from(millis) * MILLISECOND),
            Transition::StartBinding { client, server, how } => self.start(client, server, how),
            Transition::Cancel(binding) => self.cancel(binding),
            Transition::AddInterface(client) => self.add_interface(client),
            Transition::RemoveInterface(client) => {
                let client = self.client(client);
                if let Some(interface) = self.interfaces(client).first() {
                    self.world.remove_address(client.host, interface.address);
                }
            }
            Transition::ReplaceAddress(client) => self.replace_addresses(client),
            Transition::NatReboot(nat) => self.with_nat(nat, crate::nat::Nat::reboot),
            Transition::NatPortFlip(nat) => self.with_nat(nat, crate::nat::Nat::flip_ports),
            Transition::Heal => self.world.net.heal(),
            Transition::Inject { binding, vector } => self.inject(binding, vector),
            Transition::Forge { binding, vector } => self.forge(binding, vector),
            Transition::Guess { binding, count } => self.guess(binding, count),
            Transition::OnPath(is_there) => {
                let random = self.world.random().fork();
                self.world.net.on_path = is_there.then(|| OnPath::new(random));
            }
            Transition::Replay => self.world.net.replay(),
            _ => self.trouble(transition),
        }
        self.world.check()
    }

    /// What happens to a client's cable, clock and socket.
    fn trouble(&mut self, transition: &Transition) {
        match *transition {
            Transition::Partition { client, way } => {
                let client = self.client(client);
                for interface in self.interfaces(client) {
                    self.world.net.up(interface.port).is_cut |= way % 3 != 1;
                    self.world.net.down(interface.port).is_cut |= way % 3 != 0;
                }
            }
            Transition::Fault { client, kind, strength } => {
                let client = self.client(client);
                for interface in self.interfaces(client) {
                    worsen(self.world.net.up(interface.port), kind, strength);
                    worsen(self.world.net.down(interface.port), kind, strength);
                }
            }
            Transition::Pause { client, millis } => {
                let host = self.client(client).host;
                let until = self.world.net.now + u64::from(millis) * MILLISECOND;
                self.world.with_host(host, |host, net, model| {
                    if !host.is_asleep() {
                        host.pause(model);
                        net.schedule(until, Happening::Resume(host.id()));
                    }
                });
            }
            Transition::ClockJump { client, millis } => {
                let (host, by) = (self.client(client).host, u64::from(millis) * MILLISECOND);
                self.world.with_host(host, |host, net, model| host.jump(by, net, model));
            }
            Transition::StaleClock { client, millis } => {
                let (host, back) = (self.client(client).host, u64::from(millis) * MILLISECOND);
                self.world.with_host(host, |host, _, _| host.stale = Some((back, 3)));
            }
            Transition::SendError { client, error, times } => {
                let fault = (ERRORS[usize::from(error) % ERRORS.len()], u32::from(times % 4) + 1);
                let host = self.client(client).host;
                self.world.with_host(host, |host, _, _| host.send_fault = Some(fault));
            }
            Transition::Icmp { binding, error } => {
                let Some(index) = self.binding(binding) else { return };
                let error = ERRORS[usize::from(error) % ERRORS.len()];
                let host = self.world.model.spec(index).host;
                self.world.with_host(host, |host, net, model| {
                    if !host.is_asleep() {
                        host.icmp(index, error, net, model);
                    }
                });
            }
            _ => {}
        }
    }

    fn start(&mut self, client: u8, server: u8, how: u8) {
        let client = self.client(client);
        let server = self.servers[usize::from(server) % self.servers.len()];
        let is_asleep = self.world.host(client.host).is_none_or(|host| host.is_asleep());
        let Some(remote) = client.sees(server.address) else { return };
        if is_asleep || self.world.model.binding_count() >= Self::MAX_BINDINGS {
            return;
        }
        let refresh = REFRESHES[usize::from(how) % REFRESHES.len()];
        let mut password = PASSWORDS[usize::from(how >> 3) % PASSWORDS.len()];
        if password.is_long_term() && self.challenged_count() >= Self::MAX_CHALLENGED {
            password = Password::None;
        }
        let wildcard = if remote.is_ipv4() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        } else {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        };
        let interfaces = self.interfaces(client);
        let own = interfaces.iter().find(|interface| interface.address.is_ipv4() == remote.is_ipv4());
        let local = own.filter(|_| how & 0x80 == 0).map_or(wildcard, |interface| interface.address);
        let how = How { refresh, password, accepts_mapped_address: how & 0x40 != 0 };
        self.world.start(client.host, local, remote, how);
    }

    fn challenged_count(&self) -> usize {
        let model = &self.world.model;
        (0..model.binding_count()).filter(|index| model.password(*index).is_long_term()).count()
    }

    fn cancel(&mut self, binding: u8) {
        let Some(index) = self.binding(binding) else { return };
        let host = self.world.model.spec(index).host;
        if self.world.host(host).is_some_and(|host| !host.is_asleep()) {
            self.world.cancel(index);
        }
    }

    fn add_interface(&mut self, client: u8) {
        let client = self.client(client);
        let number = self.fresh_number();
        for (network, is_ipv4) in [(client.ipv4, true), (client.ipv6, false)] {
            let has_one = |interface: &Interface| interface.address.is_ipv4() == is_ipv4;
            let Some(network) = network.filter(|_| !self.interfaces(client).iter().any(has_one)) else {
                continue;
            };
            self.world.add_interface(client.host, network, address(network, is_ipv4, number));
        }
    }

    fn replace_addresses(&mut self, client: u8) {
        let client = self.client(client);
        let number = self.fresh_number();
        for old in self.interfaces(client) {
            let is_ipv4 = old.address.is_ipv4();
            let network: Option<NetworkId> = if is_ipv4 { client.ipv4 } else { client.ipv6 };
            let port = self.world.remove_address(client.host, old.address);
            if let (Some(network), Some(port)) = (network, port) {
                self.world.plug_address(client.host, port, address(network, is_ipv4, number));
            }
        }
    }

    fn with_nat(&mut self, nat: u8, act: impl FnOnce(&mut crate::nat::Nat)) {
        if self.nats.is_empty() {
            return;
        }
        let id = self.nats[usize::from(nat) % self.nats.len()];
        if let Some(nat) = self.world.nat(id) {
            act(nat);
        }
    }

    fn inject(&mut self, binding: u8, vector: u8) {
        let Some((server, victim, _)) = self.target(binding) else { return };
        let list = corpus::malformed();
        let payload = list[usize::from(vector) % list.len()].bytes.clone();
        self.world.net.inject(Packet::new(server, victim, payload, Origin::Noise));
    }

    fn forge(&mut self, binding: u8, vector: u8) {
        let Some((server, victim, index)) = self.target(binding) else { return };
        let Some((serial, id)) = self.world.model.outstanding(index) else { return };
        let list = corpus::malformed();
        let canned = &list[usize::from(vector) % list.len()];
        self.world.admit(list, usize::from(vector));
        let payload = corpus::with_id(&canned.bytes, id);
        let origin = Origin::Reply { binding: index, serial, verdict: canned.verdict, is_signed: false };
        self.world.net.inject(Packet::new(server, victim, payload, origin));
    }

    fn guess(&mut self, binding: u8, count: u8) {
        let Some((server, victim, _)) = self.target(binding) else { return };
        let mut random = self.world.random().fork();
        for _ in 0..count % 32 {
            let packet = attacker::guess(&mut random, server, victim);
            self.world.net.inject(packet);
        }
    }

    /// A binding's server and the binding itself, as the core knows them now.
    fn target(&mut self, binding: u8) -> Option<(SocketAddr, SocketAddr, BindingIndex)> {
        let index = self.binding(binding)?;
        let path = self.world.model.path(index);
        let host = self.world.host(self.world.model.spec(index).host)?;
        let own = host.interfaces.iter().find(|one| one.address.is_ipv4() == path.remote.is_ipv4())?;
        let mut victim = SocketAddr::new(own.address, path.local.port());
        let server = crate::nat::embedded_ipv4(path.remote).unwrap_or(path.remote);
        if victim.is_ipv4() || server != path.remote {
            let now = self.world.net.now;
            for nat in self.nats.clone() {
                victim = self.world.nat(nat)?.lookup(victim, server, now)?;
            }
        }
        Some((server, victim, index))
    }

    fn binding(&self, binding: u8) -> Option<BindingIndex> {
        usize::from(binding).checked_rem(self.world.model.binding_count())
    }

    fn client(&self, client: u8) -> Client {
        self.clients[usize::from(client) % self.clients.len()]
    }

    fn interfaces(&self, client: Client) -> Vec<Interface> {
        self.world.host(client.host).map(|host| host.interfaces.clone()).unwrap_or_default()
    }

    /// No two hosts ever share an address.
    fn fresh_number(&mut self) -> u16 {
        self.next_number = self.next_number.wrapping_add(1).max(FIRST_FRESH);
        self.next_number
    }
}

/// Makes a healthy direction worse.
fn worsen(faults: &mut Faults, kind: u8, strength: u8) {
    let permille = u16::from(strength) * 2;
    match kind % 9 {
        0 => faults.loss = Loss::Uniform(permille),
        1 => faults.loss = Loss::Bursty { to_bad: 50, to_good: 150, in_bad: 900 },
        2 => faults.duplicate = permille,
        3 => (faults.reorder, faults.jitter) = (permille, 60 * MILLISECOND),
        4 => faults.delay = u64::from(strength) * 120 * MILLISECOND,
        5 => faults.jitter = u64::from(strength) * 20 * MILLISECOND,
        6 => (faults.corrupt, faults.corrupt_bits) = (permille, strength % 16 + 1),
        7 => faults.truncate = permille,
        _ => faults.mtu = usize::from(strength),
    }
}

/// Below it are the numbers of the first addresses.
const FIRST_FRESH: u16 = 16;

const ERRORS: [SendError; 7] = [
    SendError::NoRoute,
    SendError::FamilyUnavailable,
    SendError::PermissionDenied,
    SendError::Refused,
    SendError::MessageTooLarge,
    SendError::SocketClosed,
    SendError::Transient,
];

const REFRESHES: [Option<Nanos>; 6] =
    [None, Some(SECOND), Some(10 * SECOND), Some(25 * SECOND), Some(25 * SECOND), Some(60 * SECOND)];

const PASSWORDS: [Password; 8] = [
    Password::None,
    Password::Right,
    Password::None,
    Password::Right,
    Password::Wrong,
    Password::User,
    Password::User,
    Password::WrongUser,
];
