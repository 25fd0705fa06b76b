//! What runs on a host: any machine of the library, behind one set of calls.

use libstun::stun::{Binding, BindingEvent, Server};
use libstun::{
    Agent, Datagram, Event, Instant, Machine, OperationId, Outcome, Receipt, SendError, Transmit, WakeReason,
};

/// A machine.
#[derive(Debug)]
pub enum Program {
    /// Any number of operations.
    Agent(Box<Agent>),
    /// A binding on its own.
    Binding(Box<Binding>),
    /// A server on its own.
    Server(Box<Server>),
}

/// What a program says, and of which operation if it is an agent.
pub type Said = (Option<OperationId>, BindingEvent);

/// Calls the same method of whichever machine it is.
macro_rules! each {
    ($program:expr, $machine:ident => $call:expr) => {
        match $program {
            Program::Agent($machine) => $call,
            Program::Binding($machine) => $call,
            Program::Server($machine) => $call,
        }
    };
}

impl Program {
    /// See [`Machine::handle_input`].
    pub fn handle_input<'a>(&mut self, datagram: &Datagram<'a>, now: Instant) -> Outcome<'a> {
        each!(self, machine => machine.handle_input(datagram, now))
    }

    /// See [`Machine::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) {
        each!(self, machine => machine.handle_timeout(now));
    }

    /// See [`Machine::handle_send_error`].
    pub fn handle_send_error(&mut self, failed: &Receipt, error: SendError, now: Instant) {
        each!(self, machine => machine.handle_send_error(failed, error, now));
    }

    /// See [`Machine::poll_transmit`].
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        each!(self, machine => machine.poll_transmit())
    }

    /// See [`Machine::poll_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        each!(self, machine => machine.poll_timeout())
    }

    /// See [`Machine::wake_reason`].
    #[must_use]
    pub fn wake_reason(&self) -> Option<WakeReason> {
        each!(self, machine => machine.wake_reason())
    }

    /// See [`Machine::poll_event`].
    pub fn poll_event(&mut self) -> Option<Said> {
        match self {
            Self::Agent(agent) => loop {
                let said = agent.poll_event()?;
                if let Event::Binding(event) = said.event {
                    return Some((Some(said.id), event));
                }
            },
            Self::Binding(binding) => binding.poll_event().map(|event| (None, event)),
            // Who asks too much is the business of the server's own tests.
            Self::Server(server) => {
                while server.poll_event().is_some() {}
                None
            }
        }
    }
}
