//! Commands to relays: allocations, and pools of them.

use libstun::turn::{
    Allocation, ConnectError, FrameError, MAX_HEADROOM, MAX_TAILROOM, MemberError, PeerError, SendToPeerError,
};
use libstun::wire::attribute::ConnectionId;
use pyo3::prelude::*;

use super::Agent;
use crate::address::{Address, HostOrAddress};
use crate::config;
use crate::convert::{Bytes, Id, Number, Time};
use crate::errors;
use crate::events::{AllocationInfo, PoolInfo};
use crate::packet::{Packet, Transmit};
use crate::path::{Path, PathLike};

#[pymethods]
impl Agent {
    /// What is known of an allocation now, an `AllocationInfo`; with the place of a relay, of that relay of a pool, and
    /// None for a spare that was not asked yet or a relay that nothing more will come of.
    #[pyo3(signature = (id, *, relay = None))]
    fn allocation<'py>(
        &self,
        py: Python<'py>,
        id: Id,
        relay: Option<Number<usize>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let info = self.with(py, |agent| match relay {
            None => {
                let allocation = agent.allocation(id.0).ok_or_else(errors::unknown_operation)?;
                Ok(Some(AllocationInfo::of(allocation)))
            }
            Some(relay) => member(agent, id, relay.0).map(|relay| relay.map(AllocationInfo::of)),
        })?;
        info?.map(|info: AllocationInfo| info.build(py)).transpose()
    }

    /// What is known of a pool now, a `RelayPoolInfo`.
    fn relay_pool<'py>(&self, py: Python<'py>, id: Id) -> PyResult<Bound<'py, PyAny>> {
        let info = self.with(py, |agent| agent.relay_pool(id.0).map(PoolInfo::of))?;
        info.ok_or_else(errors::unknown_operation)?.build(py)
    }

    /// Lets the peer at `host` send to the relayed address and be sent to, from any port, until it is revoked.
    ///
    /// Asked for as soon as there is a relay, and again with every new one: `Permitted` says when it is in force. Raises
    /// ValueError if the policy refuses the address, LimitError if there are too many, StateError if the relay has ended.
    fn permit(&self, py: Python<'_>, id: Id, host: HostOrAddress, now_ns: Time) -> PyResult<()> {
        let done = self.with(py, |agent| agent.permit_peer(id.0, host.0, now_ns.0))?;
        done.map_err(errors::relay(peer_refused))
    }

    /// Renews the permission of a peer no longer; what it sends is dropped from now on. False if there was none.
    fn revoke(&self, py: Python<'_>, id: Id, host: HostOrAddress, now_ns: Time) -> PyResult<bool> {
        let done = self.with(py, |agent| agent.revoke_peer(id.0, host.0, now_ns.0))?;
        done.map_err(|_| errors::unknown_operation())
    }

    /// Binds a channel to a peer and keeps it bound, which permits the peer as well: what is relayed has four bytes of
    /// overhead then instead of 36 or more. `ChannelBound` says when it is in force. Raises as permit() does.
    fn bind_channel(&self, py: Python<'_>, id: Id, peer: Address, now_ns: Time) -> PyResult<()> {
        let done = self.with(py, |agent| agent.bind_channel(id.0, peer.0, now_ns.0))?;
        done.map_err(errors::relay(peer_refused))
    }

    /// Renews the channel of a peer no longer, and sends through it no more. False if there was none.
    fn release_channel(&self, py: Python<'_>, id: Id, peer: Address, now_ns: Time) -> PyResult<bool> {
        let done = self.with(py, |agent| agent.release_channel(id.0, peer.0, now_ns.0))?;
        done.map_err(|_| errors::unknown_operation())
    }

    /// Whether the peer at `host` may be sent to now, in a pool through the selected relay.
    fn is_permitted(&self, py: Python<'_>, id: Id, host: HostOrAddress) -> PyResult<bool> {
        let peer = host.0;
        let is_permitted = self.with(py, |agent| match agent.allocation(id.0) {
            Some(allocation) => Some(allocation.is_permitted(peer)),
            None => agent.relay_pool(id.0).map(|pool| pool.is_permitted(peer)),
        })?;
        is_permitted.ok_or_else(errors::unknown_operation)
    }

    /// The number of the channel that is bound to a peer, or None.
    fn channel(&self, py: Python<'_>, id: Id, peer: Address) -> PyResult<Option<u16>> {
        let channel = self.with(py, |agent| match agent.allocation(id.0) {
            Some(allocation) => Some(allocation.channel(peer.0)),
            None => agent.relay_pool(id.0).map(|pool| pool.channel(peer.0)),
        })?;
        Ok(channel.ok_or_else(errors::unknown_operation)?.map(|number| number.number()))
    }

    /// Frames data for a peer, and returns what to send at once: nothing is queued.
    ///
    /// Read poll_timeout() after it: an answer may be waited for. Raises StateError if there is no relayed address now
    /// or the peer is not permitted yet, ValueError if the policy refuses the peer or the data is too long.
    fn send_to_peer(
        &self,
        py: Python<'_>,
        id: Id,
        peer: Address,
        data: Bytes<'_>,
        now_ns: Time,
    ) -> PyResult<Transmit> {
        // What is longer than any datagram is refused by the core, and needs no room here.
        let room = data.len().min(usize::from(u16::MAX)).saturating_add(MAX_HEADROOM + MAX_TAILROOM);
        let mut buffer = vec![0; room];
        let sent = self.with(py, |agent| agent.send_to_peer(id.0, peer.0, &data, &mut buffer, now_ns.0))?;
        sent.map(|transmit| Transmit(Packet::new(py, Path::of_transmit(&transmit), transmit.payload)))
            .map_err(errors::relay(send_refused))
    }

    /// Has the server delete an allocation, or every relay of a pool, and ends it with `Closed` when it has, or nobody
    /// answered. cancel() would leave it at the server until it expires.
    fn close_relay(&self, py: Python<'_>, id: Id, now_ns: Time) -> PyResult<()> {
        let done = self.with(py, |agent| agent.close_relay(id.0, now_ns.0))?;
        done.map_err(|_| errors::unknown_operation())
    }

    /// Gives an allocation, or the relay at place `relay` of a pool, other credentials, as `CredentialsNeeded` asks for.
    ///
    /// Where the server has rejected the present ones they are used at once, otherwise when it does. `expire_ns` is when
    /// they expire, None if they do not.
    #[pyo3(signature = (id, credentials, now_ns, *, expire_ns = None, relay = None))]
    fn set_credentials(
        &self,
        py: Python<'_>,
        id: Id,
        credentials: &Bound<'_, PyAny>,
        now_ns: Time,
        expire_ns: Option<Time>,
        relay: Option<Number<usize>>,
    ) -> PyResult<()> {
        let credentials = config::credentials(credentials)?;
        let (id, expire, now) = (id.0, expire_ns.map(|expire| expire.0), now_ns.0);
        match relay {
            Some(relay) => self
                .with(py, |agent| agent.set_pool_credentials(id, relay.0, credentials, expire, now))?
                .map_err(errors::relay(member_refused)),
            None => self
                .with(py, |agent| agent.set_credentials(id, credentials, expire, now))?
                .map_err(|_| errors::unknown_operation()),
        }
    }

    /// Asks the server of an allocation over TCP to connect to a peer (RFC 6062 s4.3). `OpenConnection` or
    /// `ConnectionFailed` follows. Raises StateError if there is no such relay, or one to that peer is being made.
    fn connect_peer(&self, py: Python<'_>, id: Id, peer: Address, now_ns: Time) -> PyResult<()> {
        let done = self.with(py, |agent| agent.connect_peer(id.0, peer.0, now_ns.0))?;
        done.map_err(errors::relay(connect_refused))
    }

    /// The connection to the server that `OpenConnection` asked for is open on `path`. ConnectionBind is sent over it at
    /// once; after `ConnectionBound` all that follows on it is the peer's. Raises UnknownOperationError if nobody waits for it
    /// any more: close it.
    fn connection_opened(
        &self,
        py: Python<'_>,
        id: Id,
        connection: Number<u32>,
        path: PathLike,
        now_ns: Time,
    ) -> PyResult<()> {
        let (connection, path) = (ConnectionId(connection.0), path.0);
        let done = self.with(py, |agent| {
            agent.peer_connection_opened(id.0, connection, path.tuple, path.socket_id, now_ns.0)
        })?;
        done.map_err(errors::relay(connect_refused))
    }
}

/// One relay of a pool; `None` for a spare that was not asked yet, and for one that nothing more will come of.
pub(super) fn member(agent: &libstun::Agent, id: Id, relay: usize) -> PyResult<Option<&Allocation>> {
    let pool = agent.relay_pool(id.0).ok_or_else(errors::unknown_operation)?;
    if relay >= pool.len() {
        return Err(errors::unknown(format_args!("the pool has {} relays", pool.len())));
    }
    Ok(pool.relay(relay).filter(|allocation| !allocation.is_ended()))
}

/// What a relay of a pool was told in vain.
pub(super) fn member_refused(error: MemberError) -> PyErr {
    match error {
        MemberError::UnknownRelay => errors::unknown(error),
        MemberError::SamePath => errors::state(error),
        _ => errors::value(error),
    }
}

fn peer_refused(error: PeerError) -> PyErr {
    match error {
        PeerError::Full => errors::limit(error),
        PeerError::NotForTcp | PeerError::Ended => errors::state(error),
        _ => errors::value(error),
    }
}

fn connect_refused(error: ConnectError) -> PyErr {
    match error {
        ConnectError::Refused(_) | ConnectError::Path => errors::value(error),
        ConnectError::Full => errors::limit(error),
        ConnectError::UnknownConnection => errors::unknown(error),
        _ => errors::state(error),
    }
}

fn send_refused(error: SendToPeerError) -> PyErr {
    match error {
        SendToPeerError::Refused(_) | SendToPeerError::Frame(FrameError::PayloadTooLarge) => {
            errors::value(error)
        }
        _ => errors::state(error),
    }
}
