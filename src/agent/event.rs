//! What an agent tells its host.

use super::OperationId;
use crate::nat::ProbeEvent;
use crate::stun::BindingEvent;

/// What happened, and to which operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentEvent {
    /// The operation.
    pub id: OperationId,
    /// What happened to it.
    pub event: Event,
    /// Whether it is the operation's last: its id is unknown from now on.
    pub is_last: bool,
}

/// What an operation tells its host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A binding's.
    Binding(BindingEvent),
    /// A NAT probe's.
    NatProbe(ProbeEvent),
}

impl From<BindingEvent> for Event {
    fn from(event: BindingEvent) -> Self {
        Self::Binding(event)
    }
}

impl From<ProbeEvent> for Event {
    fn from(event: ProbeEvent) -> Self {
        Self::NatProbe(event)
    }
}

impl From<core::convert::Infallible> for Event {
    fn from(never: core::convert::Infallible) -> Self {
        match never {}
    }
}
