//! Houses any number of operations behind one set of calls and one deadline.

mod event;
mod operation;
mod routes;

use alloc::boxed::Box;
use alloc::vec::Vec;

use slab::Slab;

pub use event::{AgentEvent, Event};
pub use operation::OperationId;
use operation::{Housed, Operation};
use routes::Routes;

use crate::entropy::Entropy;
use crate::machine::{Counters, Disposition, DropReason, Machine, Receipt, WakeReason};
use crate::nat::{self, Probe, ProbeConfig};
use crate::net::{Datagram, Outcome, SendError, Transmit};
use crate::ready::ReadyQueue;
use crate::stun::binding::ConfigError;
use crate::stun::{Binding, BindingConfig, Server, ServerConfig};
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
    timers: TimerTable,
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

/// Why an operation cannot be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// The binding's configuration contradicts itself.
    Config(ConfigError),
    /// The NAT probe's configuration contradicts itself.
    NatProbe(nat::ConfigError),
    /// The agent houses as many operations as it may.
    TooManyOperations,
    /// Another server already answers at exactly that address.
    AddressTaken,
}

impl core::fmt::Display for StartError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::NatProbe(error) => error.fmt(f),
            Self::TooManyOperations => f.write_str("the agent houses as many operations as it may"),
            Self::AddressTaken => f.write_str("another server already answers at that address"),
        }
    }
}

impl core::error::Error for StartError {}

/// The agent knows no operation of that id: it never existed, has ended, or was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownOperation;

impl core::fmt::Display for UnknownOperation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the agent knows no operation of that id")
    }
}

impl core::error::Error for UnknownOperation {}

impl Agent {
    /// Operations that an agent houses unless told otherwise.
    pub const DEFAULT_MAX_OPERATIONS: usize = 1 << 20;

    /// An agent without operations.
    #[must_use]
    pub fn new(entropy: Entropy, now: Instant) -> Self {
        Self {
            entropy,
            operations: Slab::new(),
            routes: Routes::default(),
            timers: TimerTable::default(),
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

    /// Changes how many operations it houses at most; those that it has stay.
    pub fn set_max_operations(&mut self, limit: usize) {
        self.max_operations = limit.min(Self::DEFAULT_MAX_OPERATIONS);
    }

    /// Starts a binding, which asks at once. Its id stays valid until its last event has been polled:
    /// [`Failed`](crate::stun::BindingEvent::Failed), or the first
    /// [`Mapped`](crate::stun::BindingEvent::Mapped) if it asks once.
    ///
    /// # Errors
    /// The configuration contradicts itself, or there are too many operations; nothing was started.
    pub fn start_binding(&mut self, config: BindingConfig, now: Instant) -> Result<OperationId, StartError> {
        let now = self.begin(now);
        self.check_room()?;
        let known = self.round_trips.get(config.path.remote.ip(), now);
        let binding = Binding::start(config, self.entropy.fork(), known, now).map_err(StartError::Config)?;
        Ok(self.house(Housed::Binding(Box::new(binding))))
    }

    /// Starts a server, which answers requests that arrive at its local address. Where several would answer,
    /// the most specific address does.
    ///
    /// # Errors
    /// The address is taken, or there are too many operations; nothing was started.
    pub fn start_server(&mut self, config: ServerConfig, now: Instant) -> Result<OperationId, StartError> {
        let now = self.begin(now);
        self.check_room()?;
        let server = Server::new(config, now);
        if server.listening().any(|local| self.routes.requests_at(&local).is_some()) {
            return Err(StartError::AddressTaken);
        }
        let listening = server.listening();
        let id = self.house(Housed::Server(Box::new(server)));
        listening.for_each(|local| self.routes.add_request(id.slot(), local));
        Ok(id)
    }

    /// Starts a diagnosis of the NAT before the host, which asks at once. Its id stays valid until its last event,
    /// [`Finished`](crate::nat::ProbeEvent::Finished), has been polled.
    ///
    /// # Errors
    /// The configuration contradicts itself, or there are too many operations; nothing was started.
    pub fn start_nat_probe(&mut self, config: ProbeConfig, now: Instant) -> Result<OperationId, StartError> {
        let now = self.begin(now);
        self.check_room()?;
        let probe = Probe::new(config, self.entropy.fork(), now).map_err(StartError::NatProbe)?;
        Ok(self.house(Housed::NatProbe(Box::new(probe))))
    }

    /// Ends an operation at once and without an event; what it had queued is gone with it.
    ///
    /// # Errors
    /// No such operation.
    pub fn cancel(&mut self, id: OperationId, now: Instant) -> Result<(), UnknownOperation> {
        self.begin(now);
        self.operation(id).ok_or(UnknownOperation)?;
        self.remove(id.slot());
        Ok(())
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
        self.routes.set_responses(slot, &mut operation.routed, core::iter::empty);
        if let Some(server) = operation.machine.as_server() {
            server.listening().for_each(|local| self.routes.remove_request(slot, local));
        }
        self.timers.set(slot, None);
        self.with_transmits.remove(slot);
        self.with_events.remove(slot);
    }

    /// After every call to an operation: its route, its deadline, and its place in the ready queues.
    fn note(&mut self, slot: u32) {
        let Some(operation) = self.operations.get_mut(slot as usize) else { return };
        operation.route(&mut self.routes);
        self.timers.set(slot, operation.deadline().map(|(at, _)| at));
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
    fn dispatch(&mut self, message: &Message<'_>, datagram: &Datagram<'_>, now: Instant) -> Disposition {
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
        let Some(slot) = self.routes.request(&datagram.path.local) else {
            return Disposition::Dropped(DropReason::Unexpected);
        };
        match (self.deliver(slot, datagram, now), message.class()) {
            (Disposition::Unclaimed, Class::Request) => Disposition::Dropped(DropReason::UnsupportedMethod),
            (Disposition::Unclaimed, _) => Disposition::Dropped(DropReason::Unexpected),
            (disposition, _) => disposition,
        }
    }

    fn deliver(&mut self, slot: u32, datagram: &Datagram<'_>, now: Instant) -> Disposition {
        let Some(operation) = self.operations.get_mut(slot as usize) else { return Disposition::Unclaimed };
        let disposition = operation.receive(datagram, now);
        if let Some(binding) = operation.machine.as_binding() {
            if disposition == Disposition::Done {
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
            Err(_) => Disposition::Unclaimed,
        };
        self.counters.note(disposition);
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
        earliest(output, self.timers.earliest().map(|(at, _)| at))
    }

    fn handle_timeout(&mut self, now: Instant) {
        let now = self.begin(now);
        // Each operation once: were one to leave its deadline in the past, the host would see it, not hang.
        for _ in 0..self.operations.len() {
            let Some(slot) = self.timers.pop_due(now) else { return };
            if let Some(operation) = self.operations.get_mut(slot as usize) {
                operation.handle_timeout(now);
                self.note(slot);
            }
        }
    }

    fn handle_send_error(&mut self, failed: &Receipt, error: SendError, now: Instant) {
        let now = self.begin(now);
        if let Some(id) = failed.transaction_id {
            if let Some(slot) = self.routes.response(id) {
                self.deliver_send_error(slot, failed, error, now);
            }
            return;
        }
        // Rare, and over all operations: nobody said whose datagram it was.
        for slot in 0..self.operations.capacity() as u32 {
            let operation = self.operations.get(slot as usize);
            if operation.is_some_and(|operation| operation.asks_on(&failed.path)) {
                self.deliver_send_error(slot, failed, error, now);
            }
        }
    }

    fn wake_reason(&self) -> Option<WakeReason> {
        if self.has_output() {
            return Some(WakeReason::Output);
        }
        let (_, slot) = self.timers.earliest()?;
        self.operations.get(slot as usize)?.deadline().map(|(_, reason)| reason)
    }
}

#[cfg(test)]
mod tests;
