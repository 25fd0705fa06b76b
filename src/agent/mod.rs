//! Houses any number of operations behind one set of calls and one deadline.

mod bindings;
mod commands;
mod event;
mod gather;
mod operation;
mod pacing;
mod pools;
mod power;
mod relays;
mod routes;
mod stream;

use alloc::vec::Vec;

use slab::Slab;

pub use bindings::ReconnectError;
pub use commands::{StartError, UnknownOperation};
pub use event::{AgentEvent, Event};
pub use operation::OperationId;
use operation::{Housed, Operation};
use pacing::Pacer;
pub use power::PowerProfile;
pub use relays::RelayError;
use routes::Routes;
pub use stream::StreamEvent;

use crate::auth::Realm;
use crate::entropy::Entropy;
use crate::hasher::AddressHasher;
use crate::machine::{Counters, Disposition, DropReason, Machine, Receipt, WakeReason};
use crate::nat::Probe;
use crate::net::{Datagram, Outcome, SendError, Transmit};
use crate::ready::ReadyQueue;
use crate::stun::{Binding, Server};
use crate::time::{Instant, Now, TimerTable, earliest};
use crate::transaction::RtoCache;
use crate::wire::{Class, Classification, Message, classify};

/// Houses operations, routes what arrives to the one it is for, and merges what they want.
///
/// ```text
///   datagram --handle_input--> [ routes: transaction id, local address ] --> operation
///                                                                               |
///   poll_transmit, poll_event <-- [ ready queues, first come first served ] <---+
///   poll_timeout              <-- [ one heap of deadlines ] <-------------------+
/// ```
///
/// # Example
/// ```
/// use libstun::{Agent, Entropy, FiveTuple, Instant, Machine, stun::BindingConfig};
///
/// let mut agent = Agent::new(Entropy::from_seed([7; 32]), Instant::ZERO);
/// for server in ["192.0.2.1:3478", "192.0.2.2:3478"] {
///     let path = FiveTuple::udp("0.0.0.0:5000".parse()?, server.parse()?);
///     agent.start_binding(BindingConfig::new(path), Instant::ZERO)?;
/// }
/// assert_eq!(core::iter::from_fn(|| agent.poll_transmit().map(|_| ())).count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Agent {
    entropy: Entropy,
    operations: Slab<Operation>,
    routes: Routes,
    /// Deadlines that must be kept.
    timers: TimerTable,
    /// Deadlines of refreshes, which may come earlier.
    refreshes: TimerTable,
    pacer: Pacer,
    power: PowerProfile,
    with_transmits: ReadyQueue,
    with_events: ReadyQueue,
    /// Operations whose last event has been polled. They go at the next input or command, because the host
    /// may still hold bytes that they lent.
    ended: Vec<u32>,
    generation: u64,
    max_operations: usize,
    round_trips: RtoCache,
    counters: Counters,
    now: Now,
}

impl Agent {
    /// Operations that an agent houses unless told otherwise.
    pub const DEFAULT_MAX_OPERATIONS: usize = 1 << 20;

    /// An agent without operations.
    #[must_use]
    pub fn new(entropy: Entropy, now: Instant) -> Self {
        let hasher = AddressHasher::new(entropy.aside(u64::MAX).bytes());
        Self {
            entropy,
            operations: Slab::new(),
            routes: Routes::new(hasher.clone()),
            timers: TimerTable::default(),
            refreshes: TimerTable::default(),
            pacer: Pacer::new(hasher),
            power: PowerProfile::ACTIVE,
            with_transmits: ReadyQueue::default(),
            with_events: ReadyQueue::default(),
            ended: Vec::new(),
            generation: 0,
            max_operations: Self::DEFAULT_MAX_OPERATIONS,
            round_trips: RtoCache::default(),
            counters: Counters::default(),
            now: Now::new(now),
        }
    }

    /// How many operations it houses.
    #[must_use]
    pub fn operation_count(&self) -> usize {
        self.operations.len().saturating_sub(self.ended.len())
    }

    /// Whether an operation is there: started, not cancelled, its last event not polled.
    #[must_use]
    pub fn contains(&self, id: OperationId) -> bool {
        self.operation(id).is_some()
    }

    /// A binding, to ask for its path or mapped address; `None` once its last event has been polled.
    #[must_use]
    pub fn binding(&self, id: OperationId) -> Option<&Binding> {
        self.operation(id)?.machine.as_binding()
    }

    /// A server, to ask for what it has answered and dropped.
    #[must_use]
    pub fn server(&self, id: OperationId) -> Option<&Server> {
        self.operation(id)?.machine.as_server()
    }

    /// The users of a server's realm, to add and remove some; `None` if it has no realm, or is no server.
    pub fn realm_mut(&mut self, id: OperationId) -> Option<&mut Realm> {
        self.operation_mut(id)?.machine.as_server_mut()?.realm_mut()
    }

    /// A NAT probe, to ask for what it has found so far; `None` once its last event has been polled.
    #[must_use]
    pub fn nat_probe(&self, id: OperationId) -> Option<&Probe> {
        self.operation(id)?.machine.as_nat_probe()
    }

    /// What was dropped, by reason, by the agent and all its operations.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The datagrams to send, in the order of [`Machine::poll_transmit`], all lent at once: for `sendmmsg`
    /// and its like. They stay queued until [`Agent::forget_transmits`] says how many were sent.
    ///
    /// ```
    /// # use libstun::{Agent, Entropy, FiveTuple, Instant, Machine, stun::BindingConfig};
    /// # let mut agent = Agent::new(Entropy::from_seed([7; 32]), Instant::ZERO);
    /// # let path = FiveTuple::udp("0.0.0.0:5000".parse()?, "192.0.2.1:3478".parse()?);
    /// # agent.start_binding(BindingConfig::new(path), Instant::ZERO)?;
    /// let sent = agent.transmits().take(32).map(|transmit| { /* one system call for all */ }).count();
    /// agent.forget_transmits(sent);
    /// assert_eq!(agent.poll_transmit(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn transmits(&self) -> impl Iterator<Item = Transmit<'_>> {
        self.with_transmits
            .iter()
            .filter_map(|slot| self.operations.get(slot as usize))
            .flat_map(Operation::transmits)
    }

    /// Drains the next `count` datagrams, which the host has sent out of [`Agent::transmits`]. Before any other
    /// call: an answer takes back what it makes superfluous.
    pub fn forget_transmits(&mut self, count: usize) {
        for _ in 0..count {
            if self.poll_transmit().is_none() {
                return;
            }
        }
    }

    /// Brings a command or input to the latest time, and lets go of what the host can no longer hold.
    fn begin(&mut self, now: Instant) -> Instant {
        self.let_go();
        self.now.advance(now)
    }

    /// The end of a command or input: whoever waited for what has ended now may go on.
    fn finish(&mut self) {
        let now = self.now.get();
        // Each operation once, whatever they do.
        for _ in 0..self.operations.len() {
            let Some(slot) = self.pacer.pop(now) else { return };
            if let Some(operation) = self.operations.get_mut(slot as usize) {
                operation.grant(now);
                self.note(slot);
            }
        }
    }

    fn let_go(&mut self) {
        while let Some(slot) = self.ended.pop() {
            self.remove(slot);
        }
    }

    fn check_room(&self) -> Result<(), StartError> {
        if self.operations.len() < self.max_operations { Ok(()) } else { Err(StartError::TooManyOperations) }
    }

    fn operation(&self, id: OperationId) -> Option<&Operation> {
        self.operations
            .get(id.slot() as usize)
            .filter(|operation| operation.id == id && !operation.is_in_ended)
    }

    fn operation_mut(&mut self, id: OperationId) -> Option<&mut Operation> {
        self.operations
            .get_mut(id.slot() as usize)
            .filter(|operation| operation.id == id && !operation.is_in_ended)
    }

    /// Gives a command to the machine that `find` takes out of an operation, and sees to what follows.
    fn command<M, R>(
        &mut self,
        id: OperationId,
        now: Instant,
        find: impl FnOnce(&mut Housed) -> Option<&mut M>,
        run: impl FnOnce(&mut M, Instant) -> R,
    ) -> Result<R, UnknownOperation> {
        let now = self.begin(now);
        let operation = self.operation_mut(id).ok_or(UnknownOperation)?;
        let result = run(find(&mut operation.machine).ok_or(UnknownOperation)?, now);
        self.note(id.slot());
        self.finish();
        Ok(result)
    }

    fn house(&mut self, machine: Housed) -> OperationId {
        self.generation = self.generation.wrapping_add(1);
        let entry = self.operations.vacant_entry();
        let id = OperationId::new(entry.key() as u32, self.generation);
        entry.insert(Operation::new(id, machine));
        self.note(id.slot());
        id
    }

    fn remove(&mut self, slot: u32) {
        let Some(mut operation) = self.operations.try_remove(slot as usize) else { return };
        let now = self.now.get();
        for (id, server) in operation.routed.drain(..) {
            self.routes.remove_response(id, slot);
            self.pacer.end(server, now);
        }
        self.pacer.forget(slot, now);
        for path in operation.relays.drain(..) {
            self.routes.remove_relay(slot, path);
        }
        if let Some(server) = operation.machine.as_server() {
            server.listening().for_each(|local| self.routes.remove_request(slot, local));
        }
        self.timers.set(slot, None);
        self.refreshes.set(slot, None);
        self.with_transmits.remove(slot);
        self.with_events.remove(slot);
    }

    /// After every call to an operation: what it waits for, what it wishes, its deadline, and its place in the
    /// ready queues.
    fn note(&mut self, slot: u32) {
        let now = self.now.get();
        let Some(operation) = self.operations.get_mut(slot as usize) else { return };
        // A redirection or another network has brought two to one path: the one that comes goes elsewhere.
        if let Some(path) = operation.route_relays(&mut self.routes) {
            operation.path_taken(&path, now);
            operation.route_relays(&mut self.routes);
        }
        let freed = operation.route(&mut self.routes, &mut self.pacer, now);
        // A machine asks a bounded number of servers; were it never satisfied, it must not hang the host.
        for _ in 0..MAX_GRANTS {
            let Some(server) = operation.wish() else {
                self.pacer.forget(slot, now);
                break;
            };
            let has_place = operation.wishes_retry() || self.pacer.takes_over(freed, &server);
            if !has_place && !self.pacer.admit(slot, server, now) {
                break;
            }
            operation.grant(now);
            operation.route(&mut self.routes, &mut self.pacer, now);
        }
        let (refresh, other) = match operation.deadline() {
            Some((at, WakeReason::Refresh)) => (Some(at), None),
            Some((at, _)) => (None, Some(at)),
            None => (None, None),
        };
        self.refreshes.set(slot, refresh);
        self.timers.set(slot, other);
        // A response or an error takes back a retransmission that nobody has polled.
        if operation.queued_transmits() > 0 {
            self.with_transmits.push(slot);
        } else {
            self.with_transmits.remove(slot);
        }
        if operation.queued_events() > 0 {
            self.with_events.push(slot);
        }
    }

    /// Finds the operation that a message is for. Well-formed STUN that nobody claims is dropped: it is never
    /// anybody's application data.
    fn dispatch<'a>(
        &mut self,
        message: &Message<'_>,
        datagram: &Datagram<'a>,
        now: Instant,
    ) -> Disposition<'a> {
        let is_response = message.class().is_response();
        // A request under an id of ours is one that a NAT has turned back: it goes to whoever sent it.
        if let Some(slot) = self.routes.response(message.transaction_id()) {
            match self.deliver(slot, datagram, now) {
                Disposition::Unclaimed if is_response => return Disposition::Dropped(DropReason::Unexpected),
                Disposition::Unclaimed => {}
                disposition => return disposition,
            }
        }
        if is_response {
            return Disposition::Dropped(DropReason::UnknownTransaction);
        }
        if message.class() == Class::Indication {
            if let Some(slot) = self.routes.relay(&datagram.path) {
                match self.deliver(slot, datagram, now) {
                    Disposition::Unclaimed => {}
                    disposition => return disposition,
                }
            }
        }
        let Some(slot) = self.routes.request(&datagram.path.local) else {
            return Disposition::Dropped(DropReason::Unexpected);
        };
        match (self.deliver(slot, datagram, now), message.class()) {
            (Disposition::Unclaimed, Class::Request) => Disposition::Dropped(DropReason::UnsupportedMethod),
            (Disposition::Unclaimed, _) => Disposition::Dropped(DropReason::Unexpected),
            (disposition, _) => disposition,
        }
    }

    /// What is no STUN: ChannelData of a server through which an operation relays, or a request of RFC 3489.
    fn dispatch_other<'a>(&mut self, datagram: &Datagram<'a>, now: Instant) -> Disposition<'a> {
        if classify(datagram.payload) != Classification::ChannelData {
            return self.dispatch_classic(datagram, now);
        }
        self.routes
            .relay(&datagram.path)
            .map_or(Disposition::Unclaimed, |slot| self.deliver(slot, datagram, now))
    }

    /// A server that answers clients of RFC 3489 is offered their requests, which have no cookie to tell them by.
    fn dispatch_classic<'a>(&mut self, datagram: &Datagram<'a>, now: Instant) -> Disposition<'a> {
        let slot = self.routes.request(&datagram.path.local).filter(|slot| {
            let operation = self.operations.get(*slot as usize);
            operation.and_then(|operation| operation.machine.as_server()).is_some_and(Server::answers_rfc3489)
        });
        slot.map_or(Disposition::Unclaimed, |slot| self.deliver(slot, datagram, now))
    }

    fn deliver<'a>(&mut self, slot: u32, datagram: &Datagram<'a>, now: Instant) -> Disposition<'a> {
        let Some(operation) = self.operations.get_mut(slot as usize) else { return Disposition::Unclaimed };
        let asked = operation.machine.as_binding().map(|binding| binding.path().remote);
        let disposition = operation.receive(datagram, now);
        if let Disposition::Unwrapped(_) = disposition {
            return disposition; // data changes nothing
        }
        if let Some(binding) = operation.machine.as_binding() {
            // Of a server that it has just been redirected to it knows nothing, and others may.
            if disposition == Disposition::Done && asked == Some(binding.path().remote) {
                self.round_trips.put(binding.path().remote.ip(), binding.round_trips(), now);
            }
        }
        self.note(slot);
        disposition
    }

    /// Hands a send error to the operation whose request it was, or to all on that path.
    fn deliver_send_error(&mut self, slot: u32, failed: &Receipt, error: SendError, now: Instant) {
        if let Some(operation) = self.operations.get_mut(slot as usize) {
            operation.handle_send_error(failed, error, now);
            self.note(slot);
        }
    }

    /// The earliest deadline of all, and whose it is.
    fn next_deadline(&self) -> Option<(Instant, WakeReason)> {
        let refresh = self.refreshes.earliest().map(|(at, _)| (at, WakeReason::Refresh));
        let pacing = self.pacer.deadline().map(|at| (at, WakeReason::Pacing));
        let other = self.timers.earliest().and_then(|(at, slot)| {
            self.operations.get(slot as usize)?.deadline().map(|(_, reason)| (at, reason))
        });
        [other, refresh, pacing].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// Takes the operation whose deadline is the earliest, if it is due.
    fn pop_due(&mut self, now: Instant) -> Option<u32> {
        let refresh = self.refreshes.earliest().map(|(at, _)| at);
        let other = self.timers.earliest().map(|(at, _)| at);
        let is_refresh = refresh.is_some_and(|at| other.is_none_or(|other| at < other));
        if is_refresh { self.refreshes.pop_due(now) } else { self.timers.pop_due(now) }
    }

    fn has_output(&self) -> bool {
        !self.with_transmits.is_empty() || !self.with_events.is_empty()
    }
}

impl Machine for Agent {
    type Event = AgentEvent;

    fn handle_input<'a>(&mut self, datagram: &Datagram<'a>, now: Instant) -> Outcome<'a> {
        let now = self.now.advance(now);
        let disposition = match Message::parse(datagram.payload) {
            Ok(message) => self.dispatch(&message, datagram, now),
            // By cookie and length it is STUN, and nobody else's.
            Err(_) if classify(datagram.payload) == Classification::Stun => {
                Disposition::Dropped(DropReason::Malformed)
            }
            Err(_) => self.dispatch_other(datagram, now),
        };
        self.counters.note(disposition);
        self.finish();
        self.let_go(); // last: behind a C ABI the datagram may be one that this agent has lent
        disposition.outcome()
    }

    fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        let slot = self.with_transmits.first()?;
        let operation = self.operations.get_mut(slot as usize)?;
        if operation.queued_transmits() <= 1 {
            self.with_transmits.remove(slot);
        }
        operation.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<AgentEvent> {
        let slot = self.with_events.first()?;
        let operation = self.operations.get_mut(slot as usize)?;
        let mut is_last = false;
        if operation.queued_events() <= 1 {
            self.with_events.remove(slot);
            if operation.is_ended() {
                is_last = true;
                operation.is_in_ended = true;
                self.ended.push(slot);
            }
        }
        let event = operation.poll_event()?;
        Some(AgentEvent { id: operation.id, event, is_last })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let output = self.has_output().then_some(self.now.get());
        earliest(output, self.next_deadline().map(|(at, _)| at))
    }

    fn handle_timeout(&mut self, now: Instant) {
        let now = self.begin(now);
        let mut is_awake = self.pacer.deadline().is_some_and(|at| at <= now);
        // Each operation once: were one to leave its deadline in the past, the host would see it, not hang.
        for _ in 0..self.operations.len() {
            let Some(slot) = self.pop_due(now) else { break };
            is_awake = true;
            if let Some(operation) = self.operations.get_mut(slot as usize) {
                operation.handle_timeout(now);
                self.note(slot);
            }
        }
        if is_awake {
            self.refresh_early(now);
        }
        self.finish();
    }

    fn handle_send_error(&mut self, failed: &Receipt, error: SendError, now: Instant) {
        let now = self.begin(now);
        if let Some(id) = failed.transaction_id {
            if let Some(slot) = self.routes.response(id) {
                self.deliver_send_error(slot, failed, error, now);
            }
        } else {
            // Rare, and over all operations: nobody said whose datagram it was.
            for slot in 0..self.operations.capacity() as u32 {
                let operation = self.operations.get(slot as usize);
                if operation.is_some_and(|operation| operation.asks_on(&failed.path)) {
                    self.deliver_send_error(slot, failed, error, now);
                }
            }
        }
        self.finish();
    }

    fn wake_reason(&self) -> Option<WakeReason> {
        if self.has_output() {
            return Some(WakeReason::Output);
        }
        self.next_deadline().map(|(_, reason)| reason)
    }
}

/// Requests that one operation may begin in one step.
const MAX_GRANTS: usize = 64;

#[cfg(test)]
mod tests;
