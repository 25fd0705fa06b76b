//! Pools of relays of an agent: several TURN allocations as one virtual socket.

use alloc::boxed::Box;
use core::net::{IpAddr, SocketAddr};
use core::ops::Range;

use super::operation::Housed;
use super::{Agent, OperationId, RelayError, StartError, UnknownOperation};
use crate::auth::Credentials;
use crate::machine::Usage as _;
use crate::net::{FiveTuple, Transmit};
use crate::time::Instant;
use crate::turn::{MemberError, PeerError, PoolConfig, RelayPool, SendToPeerError};

impl Agent {
    /// Starts a pool of TURN allocations, which asks at once. What peers send to any of them comes out of
    /// [`handle_input`](crate::Machine::handle_input) as [`Outcome::Unwrapped`](crate::Outcome::Unwrapped), with the
    /// relayed address as the local one. Its id stays valid until its last event has been polled:
    /// [`Closed`](crate::turn::PoolEvent::Closed) or [`Failed`](crate::turn::PoolEvent::Failed).
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

    /// Lets a peer send and be sent to, whichever relay is selected: see [`RelayPool::permit`].
    ///
    /// # Errors
    /// No such pool, or it refuses; nothing has changed.
    pub fn permit_peer_in_pool(
        &mut self,
        id: OperationId,
        peer: IpAddr,
        now: Instant,
    ) -> Result<(), RelayError<PeerError>> {
        self.pool(id, now, |pool, now| pool.permit(peer, now))?.map_err(RelayError::Refused)
    }

    /// Wants a permission no longer: see [`RelayPool::revoke`]. Says whether it did.
    ///
    /// # Errors
    /// No such pool.
    pub fn revoke_peer_in_pool(
        &mut self,
        id: OperationId,
        peer: IpAddr,
        now: Instant,
    ) -> Result<bool, UnknownOperation> {
        self.pool(id, now, |pool, now| pool.revoke(peer, now))
    }

    /// Binds a channel to a peer, whichever relay is selected: see [`RelayPool::bind_channel`].
    ///
    /// # Errors
    /// No such pool, or it refuses; nothing has changed.
    pub fn bind_channel_in_pool(
        &mut self,
        id: OperationId,
        peer: SocketAddr,
        now: Instant,
    ) -> Result<(), RelayError<PeerError>> {
        self.pool(id, now, |pool, now| pool.bind_channel(peer, now))?.map_err(RelayError::Refused)
    }

    /// Wants a channel no longer: see [`RelayPool::release_channel`]. Says whether it did.
    ///
    /// # Errors
    /// No such pool.
    pub fn release_channel_in_pool(
        &mut self,
        id: OperationId,
        peer: SocketAddr,
        now: Instant,
    ) -> Result<bool, UnknownOperation> {
        self.pool(id, now, |pool, now| pool.release_channel(peer, now))
    }

    /// Frames data for a peer in the caller's buffer: see [`RelayPool::send`]. Nothing is queued: send what is
    /// returned.
    ///
    /// # Errors
    /// No such pool, or it cannot; nothing was written.
    pub fn send_through_pool<'b>(
        &mut self,
        id: OperationId,
        peer: SocketAddr,
        payload: &[u8],
        buffer: &'b mut [u8],
        now: Instant,
    ) -> Result<Transmit<'b>, RelayError<SendToPeerError>> {
        self.sending(id, now, |pool, now| pool.send(peer, payload, buffer, now))
    }

    /// The same where the data already lies in the buffer: see [`RelayPool::send_in_place`].
    ///
    /// # Errors
    /// No such pool, or it cannot; nothing was written.
    pub fn send_through_pool_in_place<'b>(
        &mut self,
        id: OperationId,
        peer: SocketAddr,
        buffer: &'b mut [u8],
        payload: Range<usize>,
        now: Instant,
    ) -> Result<Transmit<'b>, RelayError<SendToPeerError>> {
        self.sending(id, now, |pool, now| pool.send_in_place(peer, buffer, payload, now))
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

    /// Deletes every allocation of a pool at its server, then ends it: see [`RelayPool::close`]. [`Agent::cancel`]
    /// leaves them there until they expire.
    ///
    /// # Errors
    /// No such pool.
    pub fn close_relay_pool(&mut self, id: OperationId, now: Instant) -> Result<(), UnknownOperation> {
        self.pool(id, now, RelayPool::close)
    }

    /// Data on its way out changes nothing but when the pool doubts that its relay is there.
    fn sending<'b>(
        &mut self,
        id: OperationId,
        now: Instant,
        send: impl FnOnce(&mut RelayPool, Instant) -> Result<Transmit<'b>, SendToPeerError>,
    ) -> Result<Transmit<'b>, RelayError<SendToPeerError>> {
        let now = self.begin(now);
        let pool = self.pool_mut(id)?;
        let before = pool.deadline();
        let sent = send(pool, now);
        if pool.deadline() != before {
            self.note(id.slot());
        }
        sent.map_err(RelayError::Refused)
    }

    fn pool<R>(
        &mut self,
        id: OperationId,
        now: Instant,
        run: impl FnOnce(&mut RelayPool, Instant) -> R,
    ) -> Result<R, UnknownOperation> {
        let now = self.begin(now);
        let result = run(self.pool_mut(id)?, now);
        self.note(id.slot());
        self.finish();
        Ok(result)
    }

    fn pool_mut(&mut self, id: OperationId) -> Result<&mut RelayPool, UnknownOperation> {
        self.operation_mut(id)
            .and_then(|operation| operation.machine.as_relay_pool_mut())
            .ok_or(UnknownOperation)
    }
}
