//! Commands of an agent to a binding that is under way.

use core::time::Duration;

use super::operation::Housed;
use super::{Agent, OperationId, UnknownOperation};
use crate::net::FiveTuple;
use crate::stun::Binding;
use crate::stun::binding::ConfigError;
use crate::time::Instant;

/// Why a binding cannot go on where the host wants it to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReconnectError {
    /// No binding of that id.
    UnknownOperation,
    /// The path contradicts itself.
    Config(ConfigError),
}

impl core::fmt::Display for ReconnectError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::UnknownOperation => UnknownOperation.fmt(f),
            Self::Config(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ReconnectError {}

impl Agent {
    /// Changes how often a binding refreshes: see [`Binding::set_refresh`]. A [`PowerProfile`](super::PowerProfile)
    /// with an interval of its own goes before it when it is next set.
    ///
    /// # Errors
    /// No binding of that id.
    pub fn set_refresh(
        &mut self,
        id: OperationId,
        interval: Option<Duration>,
        now: Instant,
    ) -> Result<(), UnknownOperation> {
        self.on_binding(id, now, |binding, now| binding.set_refresh(interval, now))
    }

    /// The connection that [`Reconnect`](crate::stun::BindingEvent::Reconnect) asked for is open: see
    /// [`Binding::reconnected`].
    ///
    /// # Errors
    /// No binding of that id, or the path contradicts itself; nothing has changed.
    pub fn reconnected(
        &mut self,
        id: OperationId,
        path: FiveTuple,
        now: Instant,
    ) -> Result<(), ReconnectError> {
        self.on_binding(id, now, |binding, now| binding.reconnected(path, now))
            .map_err(|_| ReconnectError::UnknownOperation)?
            .map_err(ReconnectError::Config)
    }

    /// Whether a binding or an allocation may ask the server that
    /// [`Redirected`](crate::stun::BindingEvent::Redirected) names: see [`Binding::answer_redirect`].
    ///
    /// # Errors
    /// No operation of that id that could ask.
    pub fn answer_redirect(
        &mut self,
        id: OperationId,
        accept: bool,
        now: Instant,
    ) -> Result<(), UnknownOperation> {
        if self.allocation(id).is_some() {
            return self.relay(id, now, |relay, now| relay.answer_redirect(accept, now));
        }
        self.on_binding(id, now, |binding, now| binding.answer_redirect(accept, now))
    }

    fn on_binding<R>(
        &mut self,
        id: OperationId,
        now: Instant,
        run: impl FnOnce(&mut Binding, Instant) -> R,
    ) -> Result<R, UnknownOperation> {
        self.command(id, now, Housed::as_binding_mut, run)
    }
}
