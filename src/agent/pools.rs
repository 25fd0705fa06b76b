//! Pools of relays of an agent: several TURN allocations as one virtual socket.

use alloc::boxed::Box;

use super::operation::Housed;
use super::{Agent, OperationId, RelayError, StartError, UnknownOperation};
use crate::auth::Credentials;
use crate::net::FiveTuple;
use crate::time::Instant;
use crate::turn::{MemberError, PoolConfig, RelayPool};

impl Agent {
    /// Starts a pool of TURN allocations, which asks at once. What peers send to any of them comes out of
    /// [`handle_input`](crate::Machine::handle_input) as [`Outcome::Unwrapped`](crate::Outcome::Unwrapped), with the
    /// relayed address as the local one. Its id stays valid until its last event has been polled:
    /// [`Closed`](crate::turn::PoolEvent::Closed) or [`Failed`](crate::turn::PoolEvent::Failed). Peers are permitted and
    /// sent to as with a single allocation: [`Agent::permit_peer`] and what follows it there.
    ///
    /// # Errors
    /// The configuration contradicts itself, an allocation has one of the paths, or there are too many operations;
    /// nothing was started.
    pub fn start_relay_pool(&mut self, config: PoolConfig, now: Instant) -> Result<OperationId, StartError> {
        let now = self.begin(now);
        self.check_room()?;
        if config.relays.iter().any(|relay| self.routes.relays_on(&relay.path)) {
            return Err(StartError::PathTaken);
        }
        let entropy = self.entropy.fork();
        let known = |server| self.round_trips.get(server, now);
        let pool = RelayPool::start_gated(config, entropy, known, self.power.refresh, now)
            .map_err(StartError::RelayPool)?;
        Ok(self.house(Housed::RelayPool(Box::new(pool))))
    }

    /// A pool, to ask for its addresses; `None` once its last event has been polled.
    #[must_use]
    pub fn relay_pool(&self, id: OperationId) -> Option<&RelayPool> {
        self.operation(id)?.machine.as_relay_pool()
    }

    /// Gives one relay of a pool other credentials: see [`RelayPool::set_credentials`].
    ///
    /// # Errors
    /// No such pool or relay.
    pub fn set_pool_credentials(
        &mut self,
        id: OperationId,
        relay: usize,
        credentials: Credentials,
        expire: Option<Instant>,
        now: Instant,
    ) -> Result<(), RelayError<MemberError>> {
        self.pool(id, now, |pool, now| pool.set_credentials(relay, credentials, expire, now))?
            .map_err(RelayError::Refused)
    }

    /// The socket or connection that one relay of a pool has asked for is open: see [`RelayPool::reconnected`].
    ///
    /// # Errors
    /// No such pool or relay, or it cannot go there; nothing has changed.
    pub fn pool_reconnected(
        &mut self,
        id: OperationId,
        relay: usize,
        path: FiveTuple,
        socket_id: u32,
        now: Instant,
    ) -> Result<(), RelayError<MemberError>> {
        self.pool(id, now, |pool, now| pool.reconnected(relay, path, socket_id, now))?
            .map_err(RelayError::Refused)
    }

    /// Answers the question of one relay of a pool whether to follow a redirection: see
    /// [`RelayPool::answer_redirect`].
    ///
    /// # Errors
    /// No such pool or relay.
    pub fn answer_redirect_in_pool(
        &mut self,
        id: OperationId,
        relay: usize,
        accept: bool,
        now: Instant,
    ) -> Result<(), RelayError<MemberError>> {
        self.pool(id, now, |pool, now| pool.answer_redirect(relay, accept, now))?.map_err(RelayError::Refused)
    }

    fn pool<R>(
        &mut self,
        id: OperationId,
        now: Instant,
        run: impl FnOnce(&mut RelayPool, Instant) -> R,
    ) -> Result<R, UnknownOperation> {
        self.command(id, now, Housed::as_relay_pool_mut, run)
    }
}
