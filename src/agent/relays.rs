//! Relays of an agent: TURN allocations, each a virtual socket.

use alloc::boxed::Box;
use core::net::{IpAddr, SocketAddr};
use core::ops::Range;

use super::operation::Housed;
use super::{Agent, OperationId, StartError, UnknownOperation};
use crate::auth::Credentials;
use crate::machine::{Usage as _, WakeReason};
use crate::net::{FiveTuple, Transmit};
use crate::time::Instant;
use crate::turn::{
    Allocation, AllocationConfig, ConfigError, ConnectError, PeerError, RelayPool, SendToPeerError,
};
use crate::wire::attribute::ConnectionId;

/// Why a command to a relay has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayError<E> {
    /// No relay of that id.
    UnknownOperation,
    /// The relay itself says why.
    Refused(E),
}

impl<E: core::fmt::Display> core::fmt::Display for RelayError<E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::UnknownOperation => UnknownOperation.fmt(f),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl<E: core::error::Error> core::error::Error for RelayError<E> {}

impl<E> From<UnknownOperation> for RelayError<E> {
    fn from(_: UnknownOperation) -> Self {
        Self::UnknownOperation
    }
}

/// A relay or a pool of them: what is done with peers is the same.
enum RelayMut<'a> {
    One(&'a mut Allocation),
    Many(&'a mut RelayPool),
}

/// The same call to either.
macro_rules! either {
    ($relay:expr, $name:ident => $call:expr) => {
        match $relay {
            RelayMut::One($name) => $call,
            RelayMut::Many($name) => $call,
        }
    };
}

impl RelayMut<'_> {
    fn reborrow(&mut self) -> RelayMut<'_> {
        match self {
            Self::One(relay) => RelayMut::One(relay),
            Self::Many(pool) => RelayMut::Many(pool),
        }
    }

    /// The deadline that sending may move.
    fn doubts_at(&self) -> Option<(Instant, WakeReason)> {
        match self {
            Self::One(_) => None,
            Self::Many(pool) => pool.deadline(),
        }
    }
}

impl Agent {
    /// Starts a TURN allocation, which asks at once. What peers send to it comes out of
    /// [`handle_input`](crate::Machine::handle_input) as [`Outcome::Unwrapped`](crate::Outcome::Unwrapped), with the
    /// relayed address as the local one. Its id stays valid until its last event has been polled:
    /// [`Closed`](crate::turn::AllocationEvent::Closed) or [`Failed`](crate::turn::AllocationEvent::Failed).
    ///
    /// # Errors
    /// The configuration contradicts itself, another allocation has that path, or there are too many operations;
    /// nothing was started.
    pub fn start_allocation(
        &mut self,
        config: AllocationConfig,
        now: Instant,
    ) -> Result<OperationId, StartError> {
        let now = self.begin(now);
        self.check_room()?;
        if self.routes.relays_on(&config.path) {
            return Err(StartError::PathTaken);
        }
        let known = self.round_trips.get(config.path.remote.ip(), now);
        let mut allocation = Allocation::start_gated(config, self.entropy.fork(), known, now)
            .map_err(StartError::Allocation)?;
        allocation.override_refresh(self.power.refresh, now);
        Ok(self.house(Housed::Allocation(Box::new(allocation))))
    }

    /// An allocation, to ask for its addresses; `None` once its last event has been polled.
    #[must_use]
    pub fn allocation(&self, id: OperationId) -> Option<&Allocation> {
        self.operation(id)?.machine.as_allocation()
    }

    /// Lets a peer send to a relayed address and be sent to: see [`Allocation::permit`], [`RelayPool::permit`].
    ///
    /// # Errors
    /// No allocation or pool of that id, or it refuses; nothing has changed.
    pub fn permit_peer(
        &mut self,
        id: OperationId,
        peer: IpAddr,
        now: Instant,
    ) -> Result<(), RelayError<PeerError>> {
        self.either(id, now, |relay, now| either!(relay, relay => relay.permit(peer, now)))?
            .map_err(RelayError::Refused)
    }

    /// Renews a permission no longer: see [`Allocation::revoke`], [`RelayPool::revoke`]. Says whether there was one.
    ///
    /// # Errors
    /// No allocation or pool of that id.
    pub fn revoke_peer(
        &mut self,
        id: OperationId,
        peer: IpAddr,
        now: Instant,
    ) -> Result<bool, UnknownOperation> {
        self.either(id, now, |relay, now| either!(relay, relay => relay.revoke(peer, now)))
    }

    /// Binds a channel to a peer and keeps it bound: see [`Allocation::bind_channel`], [`RelayPool::bind_channel`].
    ///
    /// # Errors
    /// No allocation or pool of that id, or it refuses; nothing has changed.
    pub fn bind_channel(
        &mut self,
        id: OperationId,
        peer: SocketAddr,
        now: Instant,
    ) -> Result<(), RelayError<PeerError>> {
        self.either(id, now, |relay, now| either!(relay, relay => relay.bind_channel(peer, now)))?
            .map_err(RelayError::Refused)
    }

    /// Renews a channel no longer: see [`Allocation::release_channel`], [`RelayPool::release_channel`]. Says whether
    /// there was one.
    ///
    /// # Errors
    /// No allocation or pool of that id.
    pub fn release_channel(
        &mut self,
        id: OperationId,
        peer: SocketAddr,
        now: Instant,
    ) -> Result<bool, UnknownOperation> {
        self.either(id, now, |relay, now| either!(relay, relay => relay.release_channel(peer, now)))
    }

    /// Frames data for a peer in the caller's buffer: see [`Allocation::send`]; of a pool through the relay that is
    /// selected. Nothing is queued: send what is returned.
    ///
    /// # Errors
    /// No allocation or pool of that id, or it cannot; nothing was written.
    pub fn send_to_peer<'b>(
        &mut self,
        id: OperationId,
        peer: SocketAddr,
        payload: &[u8],
        buffer: &'b mut [u8],
        now: Instant,
    ) -> Result<Transmit<'b>, RelayError<SendToPeerError>> {
        self.sending(id, now, |relay, now| either!(relay, relay => relay.send(peer, payload, buffer, now)))
    }

    /// The same where the data already lies in the buffer: see [`Allocation::send_in_place`].
    ///
    /// # Errors
    /// No allocation or pool of that id, or it cannot; nothing was written.
    pub fn send_to_peer_in_place<'b>(
        &mut self,
        id: OperationId,
        peer: SocketAddr,
        buffer: &'b mut [u8],
        payload: Range<usize>,
        now: Instant,
    ) -> Result<Transmit<'b>, RelayError<SendToPeerError>> {
        self.sending(
            id,
            now,
            |relay, now| either!(relay, relay => relay.send_in_place(peer, buffer, payload, now)),
        )
    }

    /// Deletes an allocation, or all of a pool, at the server, then ends it: see [`Allocation::close`].
    /// [`Agent::cancel`] leaves them there until they expire.
    ///
    /// # Errors
    /// No allocation or pool of that id.
    pub fn close_relay(&mut self, id: OperationId, now: Instant) -> Result<(), UnknownOperation> {
        self.either(id, now, |relay, now| either!(relay, relay => relay.close(now)))
    }

    /// Asks the server to connect to a peer (RFC 6062): see [`Allocation::connect`].
    ///
    /// # Errors
    /// No such relay, or it refuses; nothing has changed.
    pub fn connect_peer(
        &mut self,
        id: OperationId,
        peer: SocketAddr,
        now: Instant,
    ) -> Result<(), RelayError<ConnectError>> {
        self.relay(id, now, |relay, now| relay.connect(peer, now))?.map_err(RelayError::Refused)
    }

    /// The connection for a peer's is open: see [`Allocation::connection_opened`].
    ///
    /// # Errors
    /// No such relay, or it refuses; nothing has changed.
    pub fn peer_connection_opened(
        &mut self,
        id: OperationId,
        connection: ConnectionId,
        path: FiveTuple,
        socket_id: u32,
        now: Instant,
    ) -> Result<(), RelayError<ConnectError>> {
        self.relay(id, now, |relay, now| relay.connection_opened(connection, path, socket_id, now))?
            .map_err(RelayError::Refused)
    }

    /// Gives an allocation other credentials: see [`Allocation::set_credentials`].
    ///
    /// # Errors
    /// No such relay.
    pub fn set_credentials(
        &mut self,
        id: OperationId,
        credentials: Credentials,
        expire: Option<Instant>,
        now: Instant,
    ) -> Result<(), UnknownOperation> {
        self.relay(id, now, |relay, now| relay.set_credentials(credentials, expire, now))
    }

    /// The socket or connection that an allocation has asked for is open: see [`Allocation::reconnected`].
    ///
    /// # Errors
    /// No such relay, or the path contradicts itself; nothing has changed.
    pub fn relay_reconnected(
        &mut self,
        id: OperationId,
        path: FiveTuple,
        socket_id: u32,
        now: Instant,
    ) -> Result<(), RelayError<ConfigError>> {
        self.relay(id, now, |relay, now| relay.reconnected(path, socket_id, now))?
            .map_err(RelayError::Refused)
    }

    /// Data on its way out changes nothing, but when a pool doubts that its relay is there.
    fn sending<'b>(
        &mut self,
        id: OperationId,
        now: Instant,
        send: impl FnOnce(RelayMut<'_>, Instant) -> Result<Transmit<'b>, SendToPeerError>,
    ) -> Result<Transmit<'b>, RelayError<SendToPeerError>> {
        let now = self.begin(now);
        let mut relay = self.either_mut(id)?;
        let before = relay.doubts_at();
        let sent = send(relay.reborrow(), now);
        if relay.doubts_at() != before {
            self.note(id.slot());
        }
        sent.map_err(RelayError::Refused)
    }

    fn either<R>(
        &mut self,
        id: OperationId,
        now: Instant,
        run: impl FnOnce(RelayMut<'_>, Instant) -> R,
    ) -> Result<R, UnknownOperation> {
        let now = self.begin(now);
        let result = run(self.either_mut(id)?, now);
        self.note(id.slot());
        self.finish();
        Ok(result)
    }

    fn either_mut(&mut self, id: OperationId) -> Result<RelayMut<'_>, UnknownOperation> {
        match &mut self.operation_mut(id).ok_or(UnknownOperation)?.machine {
            Housed::Allocation(allocation) => Ok(RelayMut::One(allocation)),
            Housed::RelayPool(pool) => Ok(RelayMut::Many(pool)),
            _ => Err(UnknownOperation),
        }
    }

    pub(super) fn relay<R>(
        &mut self,
        id: OperationId,
        now: Instant,
        run: impl FnOnce(&mut Allocation, Instant) -> R,
    ) -> Result<R, UnknownOperation> {
        self.command(id, now, Housed::as_allocation_mut, run)
    }
}
