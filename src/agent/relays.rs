//! Relays of an agent: TURN allocations, each a virtual socket.

use alloc::boxed::Box;
use core::net::{IpAddr, SocketAddr};
use core::ops::Range;

use super::operation::Housed;
use super::{Agent, OperationId, StartError, UnknownOperation};
use crate::auth::Credentials;
use crate::net::{FiveTuple, Transmit};
use crate::time::Instant;
use crate::turn::{Allocation, AllocationConfig, ConfigError, ConnectError, PeerError, SendToPeerError};
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
        crate::machine::Usage::override_refresh(&mut allocation, self.power.refresh, now);
        Ok(self.house(Housed::Allocation(Box::new(allocation))))
    }

    /// An allocation, to ask for its addresses; `None` once its last event has been polled.
    #[must_use]
    pub fn allocation(&self, id: OperationId) -> Option<&Allocation> {
        self.operation(id)?.machine.as_allocation()
    }

    /// Lets a peer send to the relayed address and be sent to: see [`Allocation::permit`].
    ///
    /// # Errors
    /// No such relay, or it refuses; nothing has changed.
    pub fn permit_peer(
        &mut self,
        id: OperationId,
        peer: IpAddr,
        now: Instant,
    ) -> Result<(), RelayError<PeerError>> {
        self.relay(id, now, |relay, now| relay.permit(peer, now))?.map_err(RelayError::Refused)
    }

    /// Renews a permission no longer: see [`Allocation::revoke`]. Says whether there was one.
    ///
    /// # Errors
    /// No such relay.
    pub fn revoke_peer(
        &mut self,
        id: OperationId,
        peer: IpAddr,
        now: Instant,
    ) -> Result<bool, UnknownOperation> {
        self.relay(id, now, |relay, now| relay.revoke(peer, now))
    }

    /// Binds a channel to a peer and keeps it bound: see [`Allocation::bind_channel`].
    ///
    /// # Errors
    /// No such relay, or it refuses; nothing has changed.
    pub fn bind_channel(
        &mut self,
        id: OperationId,
        peer: SocketAddr,
        now: Instant,
    ) -> Result<(), RelayError<PeerError>> {
        self.relay(id, now, |relay, now| relay.bind_channel(peer, now))?.map_err(RelayError::Refused)
    }

    /// Renews a channel no longer: see [`Allocation::release_channel`]. Says whether there was one.
    ///
    /// # Errors
    /// No such relay.
    pub fn release_channel(
        &mut self,
        id: OperationId,
        peer: SocketAddr,
        now: Instant,
    ) -> Result<bool, UnknownOperation> {
        self.relay(id, now, |relay, now| relay.release_channel(peer, now))
    }

    /// Frames data for a peer in the caller's buffer: see [`Allocation::send`]. Nothing is queued: send what is
    /// returned.
    ///
    /// # Errors
    /// No such relay, or it cannot; nothing was written.
    pub fn send_to_peer<'b>(
        &mut self,
        id: OperationId,
        peer: SocketAddr,
        payload: &[u8],
        buffer: &'b mut [u8],
        now: Instant,
    ) -> Result<Transmit<'b>, RelayError<SendToPeerError>> {
        let now = self.begin(now);
        let relay = self.relay_mut(id)?;
        relay.send(peer, payload, buffer, now).map_err(RelayError::Refused)
    }

    /// The same where the data already lies in the buffer: see [`Allocation::send_in_place`].
    ///
    /// # Errors
    /// No such relay, or it cannot; nothing was written.
    pub fn send_to_peer_in_place<'b>(
        &mut self,
        id: OperationId,
        peer: SocketAddr,
        buffer: &'b mut [u8],
        payload: Range<usize>,
        now: Instant,
    ) -> Result<Transmit<'b>, RelayError<SendToPeerError>> {
        let now = self.begin(now);
        let relay = self.relay_mut(id)?;
        relay.send_in_place(peer, buffer, payload, now).map_err(RelayError::Refused)
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

    /// Deletes an allocation at its server, then ends it: see [`Allocation::close`]. [`Agent::cancel`] leaves it there
    /// until it expires.
    ///
    /// # Errors
    /// No such relay.
    pub fn close_allocation(&mut self, id: OperationId, now: Instant) -> Result<(), UnknownOperation> {
        self.relay(id, now, |relay, now| relay.close(now))
    }

    pub(super) fn relay<R>(
        &mut self,
        id: OperationId,
        now: Instant,
        run: impl FnOnce(&mut Allocation, Instant) -> R,
    ) -> Result<R, UnknownOperation> {
        let now = self.begin(now);
        let result = run(self.relay_mut(id)?, now);
        self.note(id.slot());
        self.finish();
        Ok(result)
    }

    fn relay_mut(&mut self, id: OperationId) -> Result<&mut Allocation, UnknownOperation> {
        self.operation_mut(id)
            .and_then(|operation| operation.machine.as_allocation_mut())
            .ok_or(UnknownOperation)
    }
}
