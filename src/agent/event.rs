//! What an agent tells its host.

use super::{OperationId, StreamEvent};
use crate::nat::ProbeEvent;
use crate::stun::{BindingEvent, DiscoveryEvent, ServerEvent, SurveyEvent};
use crate::turn::{AllocationEvent, PoolEvent};

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

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident($event:ty),)*) => {
        /// What an operation tells its host.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Event {
            $($(#[$doc])* $name($event),)*
        }

        $(impl From<$event> for Event {
            fn from(event: $event) -> Self {
                Self::$name(event)
            }
        })*
    };
}

events! {
    /// A binding's.
    Binding(BindingEvent),
    /// A server's.
    Server(ServerEvent),
    /// A connection's.
    Stream(StreamEvent),
    /// A survey's.
    Survey(SurveyEvent),
    /// A discovery's.
    Discovery(DiscoveryEvent),
    /// A NAT probe's.
    NatProbe(ProbeEvent),
    /// A TURN allocation's.
    Allocation(AllocationEvent),
    /// Of a pool of relays.
    RelayPool(PoolEvent),
}
