//! What is expected of a binding, by what it signs with.

use std::net::SocketAddr;

use libstun::stun::BindingEvent;
use libstun::{FiveTuple, SendError};

use super::Spec;
use super::binding::Expectation;
use super::challenged::Challenged;
use crate::host::Password;
use crate::packet::{BindingIndex, Packet};
use crate::time::Nanos;

/// Either kind of expectation.
#[derive(Debug)]
pub(super) enum Expected {
    /// It signs with nothing, or with what both ends know beforehand.
    Plain(Box<Expectation>),
    /// It signs with what a server challenges for.
    Challenged(Box<Challenged>),
}

/// Calls the same method of whichever it is.
macro_rules! each {
    ($expected:expr, $one:ident => $call:expr) => {
        match $expected {
            Expected::Plain($one) => $call,
            Expected::Challenged($one) => $call,
        }
    };
}

impl Expected {
    pub(super) fn new(spec: Spec, now: Nanos) -> Self {
        match spec.password {
            Password::User | Password::WrongUser => Self::Challenged(Box::new(Challenged::new(spec, now))),
            Password::None | Password::Right | Password::Wrong => {
                Self::Plain(Box::new(Expectation::new(spec, now)))
            }
        }
    }

    pub(super) fn spec(&self) -> &Spec {
        each!(self, one => one.spec())
    }

    pub(super) fn mapped(&self) -> Option<SocketAddr> {
        each!(self, one => one.mapped())
    }

    pub(super) fn events(&self) -> &[(Nanos, BindingEvent)] {
        each!(self, one => one.events())
    }

    pub(super) fn last_success(&self) -> Option<Nanos> {
        each!(self, one => one.last_success())
    }

    /// The longest round trip that no event told of.
    pub(super) fn longest(&self) -> Nanos {
        match self {
            Self::Plain(_) => 0,
            Self::Challenged(one) => one.longest(),
        }
    }

    /// Whether one of its requests may end without a word.
    pub(super) fn may_end_quietly(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Challenged(one) => one.may_end_quietly(),
        }
    }

    pub(super) fn was_deceived(&self) -> bool {
        each!(self, one => one.was_deceived())
    }

    pub(super) fn is_ended(&self) -> bool {
        each!(self, one => one.is_ended())
    }

    pub(super) fn cancel(&mut self) {
        each!(self, one => one.cancel());
    }

    pub(super) fn outstanding(&self) -> Option<(u32, [u8; 12])> {
        each!(self, one => one.outstanding())
    }

    pub(super) fn due(&self) -> Option<Nanos> {
        each!(self, one => one.due())
    }

    pub(super) fn input(&mut self, index: BindingIndex, packet: &Packet, told: Nanos) {
        match self {
            Self::Plain(one) => one.input(index, packet),
            Self::Challenged(one) => one.input(index, packet, told),
        }
    }

    pub(super) fn transmit(
        &mut self,
        path: &FiveTuple,
        payload: &[u8],
        told: Nanos,
        resumed: Nanos,
        longest_round_trip: Nanos,
    ) -> Result<u32, String> {
        each!(self, one => one.transmit(path, payload, told, resumed, longest_round_trip))
    }

    pub(super) fn send_failed(&mut self, error: SendError) {
        each!(self, one => one.send_failed(error));
    }

    pub(super) fn event(
        &mut self,
        event: &BindingEvent,
        told: Nanos,
        resumed: Nanos,
    ) -> Result<Nanos, String> {
        each!(self, one => one.event(event, told, resumed))
    }

    pub(super) fn settle(&mut self) -> Result<(), String> {
        each!(self, one => one.settle())
    }
}
