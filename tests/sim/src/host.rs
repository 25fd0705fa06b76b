//! A host: interfaces, a machine, and the driver that a real host would write.
//!
//! ```text
//!   arrival --> handle_input --+
//!   wake  --> handle_timeout --+--> drain: send, feed errors back, report --> sleep EXACTLY to poll_timeout
//!   command -------------------+
//! ```

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use libstun::{Datagram, FiveTuple, Instant, OperationId, Receipt, SendError, WakeReason};

use crate::model::Model;
use crate::net::{Happening, Net, NodeId, PortId};
use crate::packet::{BindingIndex, Origin, Packet, Verdict};
use crate::program::Program;
use crate::time::Nanos;

/// A host on one or more networks.
#[derive(Debug)]
pub struct Host {
    /// Its addresses, each on a port.
    pub interfaces: Vec<Interface>,
    /// What runs on it.
    pub program: Program,
    /// If it is a server: what it demands.
    pub guards: Option<Guard>,
    /// The next sends fail like that, so many times.
    pub send_fault: Option<(SendError, u32)>,
    /// The next inputs are given a time that lies so far back.
    pub stale: Option<(Nanos, u32)>,
    id: NodeId,
    /// Which operation is which binding of the world.
    bindings: Vec<(Option<OperationId>, BindingIndex)>,
    /// How far its clock is ahead of virtual time.
    clock_ahead: Nanos,
    /// The latest time that its machine was told.
    told: Nanos,
    is_asleep: bool,
    inbox: VecDeque<Packet>,
    wake_at: Option<Nanos>,
}

/// An address of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The address.
    pub address: IpAddr,
    /// Where it is plugged in.
    pub port: PortId,
}

/// What a server is asked while it drains: whose request, and where it came from.
type Question = Option<Packet>;

impl Host {
    /// Packets that a socket keeps for a host that sleeps.
    const SOCKET_BUFFER: usize = 64;

    /// The first local port; the binding's index is added to it, so that a port tells the binding.
    pub const FIRST_PORT: u16 = 5000;

    /// A host without addresses.
    #[must_use]
    pub fn new(id: NodeId, program: Program, guards: Option<Guard>) -> Self {
        Self {
            interfaces: Vec::new(),
            program,
            guards,
            send_fault: None,
            stale: None,
            id,
            bindings: Vec::new(),
            clock_ahead: 0,
            told: 0,
            is_asleep: false,
            inbox: VecDeque::new(),
            wake_at: None,
        }
    }

    /// Its node.
    #[must_use]
    pub const fn id(&self) -> NodeId {
        self.id
    }

    /// Whether it sleeps: nothing runs, and packets wait in its socket.
    #[must_use]
    pub const fn is_asleep(&self) -> bool {
        self.is_asleep
    }

    /// What its clock shows.
    #[must_use]
    pub const fn clock(&self, net: &Net) -> Nanos {
        net.now + self.clock_ahead
    }

    /// The same, for its machine; from now on it has been told.
    pub fn tell(&mut self, net: &Net) -> Instant {
        self.told = self.told.max(self.clock(net));
        Instant::from_nanos(self.told)
    }

    /// Notes which operation is which binding.
    pub fn note_binding(&mut self, operation: Option<OperationId>, index: BindingIndex) {
        self.bindings.push((operation, index));
    }

    /// The operation of a binding.
    #[must_use]
    pub fn operation(&self, index: BindingIndex) -> Option<OperationId> {
        self.bindings.iter().find(|(_, known)| *known == index).and_then(|(operation, _)| *operation)
    }

    /// A packet arrives at one of its ports.
    pub fn receive(&mut self, packet: Packet, net: &mut Net, model: &mut Model) {
        if !self.interfaces.iter().any(|interface| interface.address == packet.destination.ip()) {
            return;
        }
        if !self.is_asleep {
            self.feed(packet, net, model);
            self.sleep(net);
        } else if self.inbox.len() < Self::SOCKET_BUFFER {
            self.inbox.push_back(packet);
        }
    }

    /// The time that it wanted to be woken at has come.
    pub fn wake(&mut self, net: &mut Net, model: &mut Model) {
        if self.wake_at != Some(net.now) || self.is_asleep {
            return;
        }
        self.wake_at = None;
        self.handle_timeout(net, model);
        self.sleep(net);
    }

    /// Stops running until it is resumed.
    pub fn pause(&mut self, model: &mut Model) {
        self.is_asleep = true;
        model.pause(self.id);
    }

    /// Runs again: first what waits in the socket, then what is due, as poll(2) would have it.
    pub fn resume(&mut self, net: &mut Net, model: &mut Model) {
        self.is_asleep = false;
        model.resume(self.id, self.clock(net));
        while let Some(packet) = self.inbox.pop_front() {
            self.feed(packet, net, model);
        }
        self.handle_timeout(net, model);
        self.sleep(net);
    }

    /// Its clock jumps forward.
    pub fn jump(&mut self, by: Nanos, net: &mut Net, model: &mut Model) {
        self.clock_ahead += by;
        if self.is_asleep {
            return;
        }
        model.resume(self.id, self.clock(net));
        self.handle_timeout(net, model);
        self.sleep(net);
    }

    /// ICMP says that nothing arrives on a path.
    pub fn icmp(&mut self, index: BindingIndex, error: SendError, net: &mut Net, model: &mut Model) {
        let now = self.tell(net);
        let path = model.path(index);
        // ICMP names only the path. No request is too large for one: that was another protocol's datagram.
        if error != SendError::MessageTooLarge {
            model.send_failed(index, error);
        }
        self.program.handle_send_error(&Receipt { path, transaction_id: None }, error, now);
        self.drain(None, net, model);
        self.sleep(net);
    }

    /// After a command: send what it made, and sleep.
    pub fn run(&mut self, net: &mut Net, model: &mut Model) {
        self.drain(None, net, model);
        self.sleep(net);
    }

    fn feed(&mut self, packet: Packet, net: &mut Net, model: &mut Model) {
        let path = FiveTuple::udp(packet.destination, packet.source);
        let mut now = Instant::from_nanos(self.clock(net));
        if let Some((back, times)) = self.stale {
            now = Instant::from_nanos(now.as_nanos().saturating_sub(back));
            self.stale = (times > 1).then(|| (back, times - 1));
            // Deadlines that follow from an earlier time may be past at once.
            model.resume(self.id, self.clock(net));
        }
        self.told = self.told.max(now.as_nanos());
        if self.guards.is_none() {
            model.input(self.binding_at(packet.destination.port()), &packet, self.told);
        }
        let _ = self.program.handle_input(&Datagram::new(path, &packet.payload), now);
        self.drain(Some(packet), net, model);
    }

    fn handle_timeout(&mut self, net: &mut Net, model: &mut Model) {
        let (before, reason) = (self.program.poll_timeout(), self.program.wake_reason());
        let now = self.tell(net);
        self.program.handle_timeout(now);
        let produced = self.drain(None, net, model);
        let after = self.program.poll_timeout();
        if after.is_some_and(|at| at <= now) {
            model.violate(format!("busy loop: woken at {now:?}, the next deadline is {after:?}"));
        }
        let is_quiet = reason == Some(WakeReason::TransactionTimeout) && model.may_end_quietly(self.id);
        if before.is_some_and(|at| at <= now) && produced == 0 && !is_quiet {
            model.violate(format!("woken at {now:?} for {reason:?}, and nothing came of it"));
        }
    }

    /// Takes all output: sends, feeds errors back, reports events. Says how much there was.
    fn drain(&mut self, question: Question, net: &mut Net, model: &mut Model) -> usize {
        let mut produced = 0;
        let mut replies = 0;
        loop {
            let before = produced;
            let mut failed = Vec::new();
            while let Some(transmit) = self.program.poll_transmit() {
                produced += 1;
                let (path, receipt, payload) = (transmit.path, transmit.receipt(), transmit.payload.to_vec());
                let (origin, is_intact) = match (&question, self.guards) {
                    (Some(asked), Some(guards)) => {
                        replies += 1;
                        model.reply(asked, guards, &path, payload.len(), replies);
                        (answer(asked, &payload, guards, model), asked.is_intact)
                    }
                    _ => (self.request(&path, &payload, model), true),
                };
                if let Err(error) = self.send(path, payload, origin, is_intact, net) {
                    if let Origin::Request { binding, .. } = origin {
                        model.send_failed(binding, error);
                    }
                    failed.push((receipt, error));
                }
            }
            let now = Instant::from_nanos(self.told);
            for (receipt, error) in failed {
                self.program.handle_send_error(&receipt, error, now);
            }
            while let Some((operation, event)) = self.program.poll_event() {
                produced += 1;
                match self.bindings.iter().find(|(known, _)| *known == operation) {
                    Some((_, index)) => model.event(*index, &event, self.told, net),
                    None => model.violate(format!("an event of no binding: {event:?}")),
                }
            }
            if produced == before {
                break;
            }
        }
        if let Some(asked) = &question {
            if let Some(guards) = self.guards {
                model.answered(asked, guards, replies);
            }
        }
        model.settle();
        produced
    }

    fn request(&self, path: &FiveTuple, payload: &[u8], model: &mut Model) -> Origin {
        match self.binding_at(path.local.port()) {
            Some(binding) => {
                let serial = model.transmit(binding, path, payload, self.told);
                Origin::Request { binding, serial }
            }
            None => {
                model.violate(format!("a packet to {} from a port of no binding", path.remote));
                Origin::Noise
            }
        }
    }

    /// What the system's `sendto` does.
    fn send(
        &mut self,
        path: FiveTuple,
        payload: Vec<u8>,
        origin: Origin,
        is_intact: bool,
        net: &mut Net,
    ) -> Result<(), SendError> {
        if let Some((error, times)) = self.send_fault {
            self.send_fault = (times > 1).then(|| (error, times - 1));
            return Err(error);
        }
        let wanted = path.local.ip();
        let usable = |interface: &&Interface| {
            interface.address.is_ipv4() == path.remote.is_ipv4()
                && (wanted.is_unspecified() || wanted == interface.address)
        };
        let interface = self.interfaces.iter().find(usable).ok_or({
            if wanted.is_unspecified() { SendError::NoRoute } else { SendError::FamilyUnavailable }
        })?;
        let source = SocketAddr::new(interface.address, path.local.port());
        let mut packet = Packet::new(source, path.remote, payload, origin);
        packet.is_intact = is_intact;
        net.send(interface.port, packet);
        Ok(())
    }

    /// Arms the one timer of the host, exactly.
    fn sleep(&mut self, net: &mut Net) {
        let deadline = self.program.poll_timeout();
        let at = deadline.map(|at| at.as_nanos().saturating_sub(self.clock_ahead).max(net.now));
        if at != self.wake_at {
            self.wake_at = at;
            if let Some(at) = at {
                net.schedule(at, Happening::Wake(self.id));
            }
        }
    }

    fn binding_at(&self, port: u16) -> Option<BindingIndex> {
        let index = usize::from(port.checked_sub(Self::FIRST_PORT)?);
        self.bindings.iter().find(|(_, known)| *known == index).map(|(_, known)| *known)
    }
}

/// What our server's answer to a request must say: the truth for the model.
fn answer(asked: &Packet, said: &[u8], guards: Guard, model: &Model) -> Origin {
    let Origin::Request { binding, serial } = asked.origin else { return Origin::Noise };
    let success = Verdict::Success(asked.source);
    let (verdict, is_signed) = match (guards, model.password(binding)) {
        (Guard::Open, _) => (success, false),
        (Guard::ShortTerm, Password::Right) => (success, true),
        (Guard::ShortTerm, Password::Wrong) => (Verdict::Error(401), false),
        (Guard::ShortTerm, _) => (Verdict::Error(400), false),
        // When a nonce is stale is the server's to say; whoever is not a user gets no success in any case.
        (Guard::Realm, Password::User) if said.starts_with(&[1, 1]) => (success, true),
        (Guard::Realm, Password::None | Password::User | Password::WrongUser) => (Verdict::Challenge, false),
        (Guard::Realm, Password::Right | Password::Wrong) => (Verdict::Error(401), false),
    };
    Origin::Reply { binding, serial, verdict, is_signed }
}

/// What a server of ours demands of those who ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Nothing.
    Open,
    /// The password that both ends know beforehand.
    ShortTerm,
    /// That they are users of its realm.
    Realm,
}

impl From<bool> for Guard {
    fn from(guards: bool) -> Self {
        if guards { Self::ShortTerm } else { Self::Open }
    }
}

/// What a binding signs its requests with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Password {
    /// Nothing.
    None,
    /// The password that servers of the world demand.
    Right,
    /// Another one.
    Wrong,
    /// As a user of the realm that servers of the world have, once they ask for it.
    User,
    /// As that user, with another password.
    WrongUser,
}

impl Password {
    /// Whether servers have to ask for it.
    #[must_use]
    pub const fn is_long_term(self) -> bool {
        matches!(self, Self::User | Self::WrongUser)
    }
}

/// A span of virtual time for the library.
#[must_use]
pub const fn duration(nanos: Nanos) -> Duration {
    Duration::from_nanos(nanos)
}
