//! What a probe tells its host.

use alloc::boxed::Box;
use core::fmt;
use core::net::SocketAddr;

use super::config::Property;
use super::finding::{Answer, Confidence, Test};
use super::report::Report;
use super::value::Value;

/// What a [`super::Probe`] tells its host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProbeEvent {
    /// A request that should have been answered was not: the probe goes on without it.
    Unanswered {
        /// What was asked.
        test: Test,
        /// Who was asked.
        asked: SocketAddr,
    },
    /// A property has been decided. [`super::Probe::report`] has the evidence.
    Found {
        /// Which.
        property: Property,
        /// Its value, or why it is unknown.
        value: Answer<Value>,
        /// How sure a known value is.
        confidence: Confidence,
    },
    /// Everything is decided. The last event.
    Finished(Box<Report>),
}

impl fmt::Display for ProbeEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unanswered { test, asked } => write!(f, "no answer from {asked} to {test}"),
            Self::Found { property, value: Answer::Known(value), confidence } => {
                write!(f, "{}: {value} (confidence {confidence})", property.name())
            }
            Self::Found { property, value: Answer::Unknown(reason), .. } => {
                write!(f, "{}: unknown, {reason}", property.name())
            }
            Self::Finished(_) => f.write_str("finished"),
        }
    }
}
