//! What a host may tell an agent to do.

use alloc::boxed::Box;
use core::time::Duration;

use super::operation::Housed;
use super::{Agent, OperationId};
use crate::machine::Usage as _;
use crate::nat::{self, Probe, ProbeConfig};
use crate::stun::binding::ConfigError;
use crate::stun::discovery::DiscoveryError;
use crate::stun::survey::SurveyError;
use crate::stun::{Binding, BindingConfig, Server, ServerConfig};
use crate::time::Instant;
use crate::turn;

/// Why an operation cannot be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// The binding's configuration contradicts itself.
    Config(ConfigError),
    /// The survey's configuration contradicts itself.
    Survey(SurveyError),
    /// The discovery's configuration contradicts itself.
    Discovery(DiscoveryError),
    /// The NAT probe's configuration contradicts itself.
    NatProbe(nat::ConfigError),
    /// The allocation's configuration contradicts itself.
    Allocation(turn::ConfigError),
    /// The pool's configuration contradicts itself.
    RelayPool(turn::PoolConfigError),
    /// The agent houses as many operations as it may.
    TooManyOperations,
    /// Another server already answers at exactly that address.
    AddressTaken,
    /// Another allocation already relays on exactly that path: a server knows one for each 5-tuple (RFC 8656 s3.2).
    PathTaken,
}

impl core::fmt::Display for StartError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Survey(error) => error.fmt(f),
            Self::Discovery(error) => error.fmt(f),
            Self::NatProbe(error) => error.fmt(f),
            Self::Allocation(error) => error.fmt(f),
            Self::RelayPool(error) => error.fmt(f),
            Self::TooManyOperations => f.write_str("the agent houses as many operations as it may"),
            Self::AddressTaken => f.write_str("another server already answers at that address"),
            Self::PathTaken => f.write_str("another allocation already relays on that path"),
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
        let mut binding =
            Binding::start_gated(config, self.entropy.fork(), known, now).map_err(StartError::Config)?;
        binding.override_refresh(self.power.refresh, now);
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
        // Aside, so that a server among the operations changes no transaction id of theirs.
        let entropy = self.entropy.aside(self.generation.saturating_add(1));
        let server = Server::new(config, entropy, now);
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

    /// Ends an operation at once and without an event; what it had queued is gone with it. Of a connection those who
    /// asked over it hear nothing: [`Agent::close_stream`] tells them.
    ///
    /// # Errors
    /// No such operation.
    pub fn cancel(&mut self, id: OperationId, now: Instant) -> Result<(), UnknownOperation> {
        self.begin(now);
        self.operation(id).ok_or(UnknownOperation)?;
        self.remove(id.slot());
        self.finish();
        Ok(())
    }

    /// Changes Ta, the time between requests to one server that had to wait because ten were outstanding there
    /// (RFC 8489 s6.2, RFC 8445 s14.2). 50 ms. A silent server holds each of its ten places until a request is
    /// given up, after 39.5 s: its other bindings wait that long, and so do their keepalives.
    pub fn set_pacing(&mut self, interval: Duration) {
        self.pacer.set_interval(interval);
    }
}
