//! What the core tells, as instances of the classes in `libstun.events`.

mod failure;
mod info;
mod nat;
mod relay;
mod stun;

use core::net::SocketAddr;
use core::time::Duration;

use libstun::agent::StreamEvent;
use libstun::{AgentEvent, Event, FiveTuple};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use crate::address::Address;
use crate::convert::word_of;
use crate::words::{TRANSPORTS, member, module};

pub(crate) use info::{AllocationInfo, PoolInfo};
pub(crate) use nat::report;

/// An instance of `libstun.events.$class` under construction: a dictionary of its fields, and its class.
///
/// Written as the class is, so that a test can hold the two against each other.
macro_rules! build {
    ($py:expr, $class:ident { $($field:ident: $value:expr),* $(,)? }) => {{
        let fields = pyo3::types::PyDict::new($py);
        $(fields.set_item(stringify!($field), $value)?;)*
        $crate::events::Built { class: stringify!($class), fields }
    }};
}
pub(crate) use build;

/// A class of `libstun.events`, and the fields of an instance to be.
pub(crate) struct Built<'py> {
    class: &'static str,
    fields: Bound<'py, PyDict>,
}

impl<'py> Built<'py> {
    /// The instance.
    fn finish(self) -> PyResult<Bound<'py, PyAny>> {
        let py = self.fields.py();
        module(py, &EVENTS, "libstun.events")?.getattr(self.class)?.call((), Some(&self.fields))
    }
}

/// An event as an instance of its class.
pub(crate) fn event<'py>(py: Python<'py>, happened: &AgentEvent) -> PyResult<Bound<'py, PyAny>> {
    let (built, text, relay) = match &happened.event {
        Event::Binding(event) => (stun::binding(py, event)?, event.to_string(), None),
        Event::Server(event) => (stun::server(py, event)?, event.to_string(), None),
        Event::Stream(event @ StreamEvent::Close { path, .. }) => {
            (build!(py, Close { peer: Address(path.remote) }), event.to_string(), None)
        }
        Event::Survey(event) => (stun::survey(py, event)?, event.to_string(), None),
        Event::Discovery(event) => (stun::discovery(py, event)?, event.to_string(), None),
        Event::NatProbe(event) => (nat::probe(py, event)?, event.to_string(), None),
        Event::Allocation(event) => (relay::allocation(py, event)?, event.to_string(), None),
        Event::RelayPool(event) => {
            let (built, relay) = relay::pool(py, event)?;
            (built, event.to_string(), relay)
        }
        _ => (build!(py, Unknown {}), String::new(), None),
    };
    built.fields.set_item("id", happened.id.as_u64())?;
    built.fields.set_item("is_last", happened.is_last)?;
    built.fields.set_item("relay", relay)?;
    built.fields.set_item("text", text)?;
    built.finish()
}

/// Nanoseconds, as many as there are.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// An address, or `None`.
pub(crate) fn optional(address: Option<SocketAddr>) -> Option<Address> {
    address.map(Address)
}

/// A path's transport as a word.
pub(crate) fn transport<'py>(py: Python<'py>, path: &FiveTuple) -> PyResult<Bound<'py, PyAny>> {
    member(py, "Transport", word_of(path.transport, TRANSPORTS))
}

static EVENTS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
