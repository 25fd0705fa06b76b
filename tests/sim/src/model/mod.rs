//! The reference model: what has to happen and what never may, from the truth that the simulator knows and
//! the machines do not. It reads no message: which bytes belong to which request, who really sent a packet
//! and whether it was damaged comes with each packet, out of band.
//!
//! ```text
//!   truth: who asked, seen from where, what came back, intact? --+
//!                                                                v
//!   machine: datagrams, events, deadlines --------------> compared after every step
//! ```

mod binding;
mod challenged;
mod expected;

use std::net::{IpAddr, SocketAddr};

use libstun::stun::BindingEvent;
use libstun::{FiveTuple, SendError};

use crate::host::{Guard, Password};
use crate::net::{Net, NodeId};
use crate::packet::{BindingIndex, Origin, Packet};
use crate::time::Nanos;
use expected::Expected;

/// What the model has to know of a binding.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The host that it runs on.
    pub host: NodeId,
    /// From where to where it asks.
    pub path: FiveTuple,
    /// How often it asks again; `None` is never.
    pub refresh: Option<Nanos>,
    /// What it signs with.
    pub password: Password,
    /// Whether it takes MAPPED-ADDRESS.
    pub accepts_mapped_address: bool,
}

/// Everything that is expected of everybody.
#[derive(Debug, Default)]
pub struct Model {
    bindings: Vec<Expected>,
    hosts: Vec<HostState>,
    /// Every IP that a host or NAT of the topology has or has had outside.
    addresses: Vec<IpAddr>,
    /// The longest round trip so far: the upper bound of every RTO rests on it.
    longest_round_trip: Nanos,
    violation: Option<String>,
    tally: Tally,
}

/// What has happened in a world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Steps taken.
    pub steps: u64,
    /// Requests sent, retransmissions included.
    pub requests: u64,
    /// Answers that a server gave.
    pub replies: u64,
    /// Mapped addresses found, first ones and refreshed ones.
    pub found: u64,
    /// Of these, addresses that had changed.
    pub changed: u64,
    /// Attempts that failed.
    pub failed: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct HostState {
    is_asleep: bool,
    /// When it last woke from a pause, on its clock: what was due before counts as due then.
    resumed: Nanos,
}

impl Model {
    /// Longest reply of a server in bytes; RFC 8489 needs far less, and more would amplify.
    pub const MAX_REPLY: usize = 112;

    /// The same of one with a realm, whose challenges are longer.
    pub const MAX_CHALLENGE: usize = 160;

    /// The first rule that was broken, as a sentence.
    #[must_use]
    pub fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    /// Notes a broken rule; the first one counts.
    pub fn violate(&mut self, sentence: String) {
        self.violation.get_or_insert(sentence);
    }

    /// What has happened so far.
    #[must_use]
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// Makes room for a host.
    pub fn add_host(&mut self, host: NodeId) {
        if self.hosts.len() <= host {
            self.hosts.resize_with(host + 1, HostState::default);
        }
    }

    /// The topology may give that address from now on.
    pub fn add_address(&mut self, address: IpAddr) {
        if !self.addresses.contains(&address) {
            self.addresses.push(address);
        }
    }

    /// A binding starts on a host whose clock shows `now`. Its requests must follow at once.
    pub fn start(&mut self, spec: Spec, now: Nanos) -> BindingIndex {
        self.bindings.push(Expected::new(spec, now));
        self.bindings.len() - 1
    }

    /// A binding is cancelled: not one packet more.
    pub fn cancel(&mut self, index: BindingIndex) {
        self.bindings[index].cancel();
    }

    /// How many bindings there have been.
    #[must_use]
    pub fn binding_count(&self) -> usize {
        self.bindings.len()
    }

    /// What is known of a binding.
    #[must_use]
    pub fn spec(&self, index: BindingIndex) -> &Spec {
        self.bindings[index].spec()
    }

    /// The path that a binding asks on.
    #[must_use]
    pub fn path(&self, index: BindingIndex) -> FiveTuple {
        self.spec(index).path
    }

    /// What a binding signs with.
    #[must_use]
    pub fn password(&self, index: BindingIndex) -> Password {
        self.spec(index).password
    }

    /// The address that a binding knows, and must know.
    #[must_use]
    pub fn mapped(&self, index: BindingIndex) -> Option<SocketAddr> {
        self.bindings[index].mapped()
    }

    /// The events of a binding, in order.
    #[must_use]
    pub fn events(&self, index: BindingIndex) -> &[(Nanos, BindingEvent)] {
        self.bindings[index].events()
    }

    /// Whether a binding has given its last event.
    #[must_use]
    pub fn is_ended(&self, index: BindingIndex) -> bool {
        self.bindings[index].is_ended()
    }

    /// When it must act next at the latest, on its host's clock.
    #[must_use]
    pub fn due(&self, index: BindingIndex) -> Option<Nanos> {
        self.bindings[index].due()
    }

    /// The request that a binding waits for an answer to: its number and the id in its bytes.
    #[must_use]
    pub fn outstanding(&self, index: BindingIndex) -> Option<(u32, [u8; 12])> {
        self.bindings[index].outstanding()
    }

    /// When it last found its address, on its host's clock.
    #[must_use]
    pub fn last_success(&self, index: BindingIndex) -> Option<Nanos> {
        self.bindings[index].last_success()
    }

    /// Whether a request may end on a host without a word.
    #[must_use]
    pub fn may_end_quietly(&self, host: NodeId) -> bool {
        self.bindings.iter().any(|binding| binding.spec().host == host && binding.may_end_quietly())
    }

    /// A host sleeps: nothing can be expected of it.
    pub fn pause(&mut self, host: NodeId) {
        self.hosts[host].is_asleep = true;
    }

    /// It goes on, late; its clock shows `clock`.
    pub fn resume(&mut self, host: NodeId, clock: Nanos) {
        self.hosts[host] = HostState { is_asleep: false, resumed: clock };
    }

    /// A host is about to read a packet from a binding's port.
    pub fn input(&mut self, index: Option<BindingIndex>, packet: &Packet, told: Nanos) {
        if let Some(index) = index {
            self.bindings[index].input(index, packet, told);
        }
    }

    /// A binding sends. Says which of its requests that is.
    pub fn transmit(&mut self, index: BindingIndex, path: &FiveTuple, payload: &[u8], told: Nanos) -> u32 {
        self.tally.requests += 1;
        let resumed = self.hosts[self.bindings[index].spec().host].resumed;
        let longest = self.longest_round_trip;
        let sent = self.bindings[index].transmit(path, payload, told, resumed, longest);
        self.longest_round_trip = longest.max(self.bindings[index].longest());
        match sent {
            Ok(serial) => serial,
            Err(sentence) => {
                self.violate(format!("binding {index}: {sentence}"));
                0
            }
        }
    }

    /// A send of a binding failed, or ICMP said so.
    pub fn send_failed(&mut self, index: BindingIndex, error: SendError) {
        self.bindings[index].send_failed(error);
    }

    /// A binding says something.
    pub fn event(&mut self, index: BindingIndex, event: &BindingEvent, told: Nanos, net: &Net) {
        let resumed = self.hosts[self.bindings[index].spec().host].resumed;
        match self.bindings[index].event(event, told, resumed) {
            Ok(round_trip) => self.longest_round_trip = self.longest_round_trip.max(round_trip),
            Err(sentence) => {
                self.violate(format!("binding {index} at {} ns: {sentence}: {event:?}", net.now));
            }
        }
        match event {
            BindingEvent::Mapped { address, .. } | BindingEvent::Refreshed { address, .. } => {
                self.found(index, *address);
            }
            BindingEvent::AddressChanged { address, .. } => {
                self.tally.changed += 1;
                self.found(index, *address);
            }
            BindingEvent::Retrying { .. } | BindingEvent::Failed { .. } => self.tally.failed += 1,
            _ => self.violate(format!("an event that the model does not know: {event:?}")),
        }
    }

    /// A server sends a reply while it handles a packet.
    pub fn reply(&mut self, asked: &Packet, guard: Guard, path: &FiveTuple, length: usize, count: usize) {
        self.tally.replies += 1;
        if path.remote != asked.source || path.local != asked.destination {
            self.violate(format!("a server was asked by {} and answers {}", asked.source, path.remote));
        }
        if count > 1 {
            self.violate(format!("a server answers a packet of {} {count} times", asked.source));
        }
        if length > if guard == Guard::Realm { Self::MAX_CHALLENGE } else { Self::MAX_REPLY } {
            self.violate(format!("a server answers with {length} bytes"));
        }
    }

    /// A server has handled a packet and given so many replies.
    pub fn answered(&mut self, asked: &Packet, guard: Guard, replies: usize) {
        // A challenge may cost more than strangers may be sent.
        let is_request = matches!(asked.origin, Origin::Request { .. }) && asked.is_intact;
        let is_request = is_request && guard != Guard::Realm;
        if is_request && replies == 0 {
            self.violate(format!("a server is asked by {} and keeps silent", asked.source));
        }
        if matches!(asked.origin, Origin::Reply { .. }) && replies > 0 {
            self.violate("a server answers a response".to_owned());
        }
    }

    /// A host has drained its machine: what had to be said has been said.
    pub fn settle(&mut self) {
        for at in 0..self.bindings.len() {
            if let Err(sentence) = self.bindings[at].settle() {
                self.violate(format!("binding {at}: {sentence}"));
            }
        }
    }

    /// After every step, with the clock of each host: nobody is late.
    pub fn check(&mut self, clock: impl Fn(NodeId) -> Nanos) {
        self.tally.steps += 1;
        for at in 0..self.bindings.len() {
            let host = self.bindings[at].spec().host;
            let Some(due) = self.bindings[at].due() else { continue };
            let state = self.hosts[host];
            let (now, due) = (clock(host), due.max(state.resumed));
            if !state.is_asleep && now > due {
                self.violate(format!(
                    "binding {at} had to act at {due} ns at the latest, and it is {now} ns"
                ));
            }
        }
    }

    fn found(&mut self, index: BindingIndex, address: SocketAddr) {
        self.tally.found += 1;
        if !self.addresses.contains(&address.ip()) && !self.bindings[index].was_deceived() {
            self.violate(format!("binding {index}: nobody in the topology has {address}"));
        }
    }
}
