//! One operation of an agent, whatever it is, and the id it is known by.

use alloc::boxed::Box;

use super::Event;
use crate::machine::{Disposition, Machine, Receipt, WakeReason};
use crate::net::{Datagram, FiveTuple, SendError, Transmit};
use crate::stun::{Binding, Server};
use crate::time::Instant;
use crate::wire::TransactionId;

/// Names an operation of one agent. Never reused: the id of an operation that has ended stays unknown for
/// ever, even when its slot houses another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperationId(u64);

impl OperationId {
    /// From the number that [`OperationId::as_u64`] gave, across a border such as a C ABI.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// As a number; never 0.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// 44 bits of generation last for 500 years of a thousand starts a second; slots need 20 bits.
    pub(super) const fn new(slot: u32, generation: u64) -> Self {
        Self(generation << SLOT_BITS | slot as u64)
    }

    pub(super) const fn slot(self) -> u32 {
        (self.0 & ((1 << SLOT_BITS) - 1)) as u32
    }
}

/// As many as [`super::Agent::DEFAULT_MAX_OPERATIONS`] needs.
const SLOT_BITS: u32 = 20;

/// An operation and what the agent has noted of it.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) id: OperationId,
    pub(super) machine: Housed,
    /// The transaction id under which the agent routes responses to it.
    pub(super) routed: Option<TransactionId>,
    pub(super) is_in_ended: bool,
}

/// The machines that an agent houses. One arm for each usage; nothing else in the agent knows them.
#[derive(Debug)]
pub(super) enum Housed {
    Binding(Box<Binding>),
    Server(Box<Server>),
}

impl Operation {
    pub(super) fn new(id: OperationId, machine: Housed) -> Self {
        Self { id, machine, routed: None, is_in_ended: false }
    }

    pub(super) fn receive(&mut self, datagram: &Datagram<'_>, now: Instant) -> Disposition {
        match &mut self.machine {
            Housed::Binding(binding) => binding.receive(datagram, now),
            Housed::Server(server) => server.receive(datagram, now),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        match &mut self.machine {
            Housed::Binding(binding) => binding.handle_timeout(now),
            Housed::Server(server) => server.handle_timeout(now),
        }
    }

    /// Whether it asks on that path: only then can an error there concern it.
    pub(super) fn asks_on(&self, path: &FiveTuple) -> bool {
        match &self.machine {
            Housed::Binding(binding) => binding.path().admits(path),
            Housed::Server(_) => false,
        }
    }

    pub(super) fn handle_send_error(&mut self, failed: &Receipt, error: SendError, now: Instant) {
        match &mut self.machine {
            Housed::Binding(binding) => binding.handle_send_error(failed, error, now),
            Housed::Server(server) => server.handle_send_error(failed, error, now),
        }
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        match &mut self.machine {
            Housed::Binding(binding) => binding.poll_transmit(),
            Housed::Server(server) => server.poll_transmit(),
        }
    }

    pub(super) fn transmits(&self) -> impl Iterator<Item = Transmit<'_>> {
        let (binding, server) = match &self.machine {
            Housed::Binding(binding) => (Some(binding), None),
            Housed::Server(server) => (None, Some(server)),
        };
        let of_binding = binding.into_iter().flat_map(|binding| binding.transmits());
        of_binding.chain(server.into_iter().flat_map(|server| server.transmits()))
    }

    pub(super) fn poll_event(&mut self) -> Option<Event> {
        match &mut self.machine {
            Housed::Binding(binding) => binding.poll_event().map(Event::Binding),
            Housed::Server(server) => server.poll_event().map(|never| match never {}),
        }
    }

    pub(super) fn queued_transmits(&self) -> usize {
        match &self.machine {
            Housed::Binding(binding) => binding.queued_transmits(),
            Housed::Server(server) => server.queued_transmits(),
        }
    }

    pub(super) fn queued_events(&self) -> usize {
        match &self.machine {
            Housed::Binding(binding) => binding.queued_events(),
            Housed::Server(_) => 0,
        }
    }

    pub(super) fn deadline(&self) -> Option<(Instant, WakeReason)> {
        match &self.machine {
            Housed::Binding(binding) => binding.deadline(),
            Housed::Server(_) => None,
        }
    }

    pub(super) fn outstanding(&self) -> Option<TransactionId> {
        match &self.machine {
            Housed::Binding(binding) => binding.outstanding(),
            Housed::Server(_) => None,
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        match &self.machine {
            Housed::Binding(binding) => binding.is_ended(),
            Housed::Server(_) => false,
        }
    }
}
