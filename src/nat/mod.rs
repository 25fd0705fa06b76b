//! Diagnosis of the NAT between the host's sockets and the Internet (RFC 5780).
//!
//! A [`Probe`] asks a server, in an order in which no test spoils the next, and ends with a [`Report`]: a value or
//! the reason why there is none for each [`Property`], with the confidence and what was seen. It takes the words of
//! RFC 4787. It believes a response only if it comes from where it has to come from: a server that ignores
//! CHANGE-REQUEST would otherwise make every NAT look as if it filtered nothing.
//!
//! A server of RFC 5780 tells everything. Ordinary servers, best at different IP addresses, tell whether the mapping
//! depends on the destination, and most of what does not concern the destination; they say nothing of filtering.

mod ask;
mod config;
mod event;
mod finding;
mod json;
mod judge;
mod lifetime;
mod plan;
mod probe;
mod report;
mod silence;
mod trial;
mod value;

pub use config::{ConfigError, LifetimeLimits, Patience, ProbeConfig, ProbeSocket, Properties, Property};
pub use event::ProbeEvent;
pub use finding::{Answer, Confidence, Evidence, Finding, Reason, Seen, Test};
pub use json::Json;
pub use probe::Probe;
pub use report::Report;
pub use value::{
    Connectivity, Dependence, Fragments, Gateway, Hairpinning, Lifetime, Pooling, PortParity,
    PortPreservation, Stability, Translation, Value,
};

#[cfg(test)]
mod tests;
