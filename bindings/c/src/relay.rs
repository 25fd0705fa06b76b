//! What an allocation, or a pool of them, can be told about peers.

use libstun::OperationId;
use libstun::wire::attribute::ConnectionId;
use libstun_flat::UNKNOWN_OPERATION;

use crate::handle::{self, stun_agent};
use crate::pointer::{Slot, reference};
use crate::status::{instant, stun_status, stun_status_code::*, stun_time};
use crate::types::{stun_addr, stun_packet};

/// Lets a peer send to the relayed address and be sent to, from any port, until it is revoked; its port is not looked
/// at. Asked for as soon as there is a relay, and again with every new one: STUN_EV_PERMITTED says when it is in
/// force; in a pool, at which relay. STUN_E_INVALID: the policy refuses the address, or it is of another family;
/// STUN_E_LIMIT: too many.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_allocation_permit(
    agent: *mut stun_agent,
    id: u64,
    peer: *const stun_addr,
    now: stun_time,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe {
        handle::call(agent, |guarded| {
            let peer = reference(peer)?.to_required()?.ip();
            let (id, now) = (OperationId::from_u64(id), instant(now)?);
            guarded.agent.permit_peer(id, peer, now)?;
            Ok(STUN_OK)
        })
    }
}

/// Renews the permission of a peer no longer; what it sends is dropped from now on. STUN_EMPTY if there was none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_allocation_revoke(
    agent: *mut stun_agent,
    id: u64,
    peer: *const stun_addr,
    now: stun_time,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe {
        handle::call(agent, |guarded| {
            let peer = reference(peer)?.to_required()?.ip();
            let (id, now) = (OperationId::from_u64(id), instant(now)?);
            let was = guarded.agent.revoke_peer(id, peer, now)?;
            Ok(if was { STUN_OK } else { STUN_EMPTY })
        })
    }
}

/// Binds a channel to a peer and keeps it bound, which permits the peer as well: with it, what is relayed has four
/// bytes of overhead instead of 36 or more. STUN_EV_CHANNEL_BOUND says when it is in force. Refuses as
/// stun_allocation_permit() does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_allocation_bind_channel(
    agent: *mut stun_agent,
    id: u64,
    peer: *const stun_addr,
    now: stun_time,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe {
        handle::call(agent, |guarded| {
            let peer = reference(peer)?.to_required()?;
            let (id, now) = (OperationId::from_u64(id), instant(now)?);
            guarded.agent.bind_channel(id, peer, now)?;
            Ok(STUN_OK)
        })
    }
}

/// Renews the channel of a peer no longer, and sends through it no more. STUN_EMPTY if there was none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_allocation_release_channel(
    agent: *mut stun_agent,
    id: u64,
    peer: *const stun_addr,
    now: stun_time,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe {
        handle::call(agent, |guarded| {
            let peer = reference(peer)?.to_required()?;
            let (id, now) = (OperationId::from_u64(id), instant(now)?);
            let was = guarded.agent.release_channel(id, peer, now)?;
            Ok(if was { STUN_OK } else { STUN_EMPTY })
        })
    }
}

/// Whether a peer may be sent to, in a pool through the selected relay: STUN_OK, and `*channel` is the number of the
/// channel that is bound to it, or 0.
/// STUN_EMPTY if it may not, or not yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_allocation_peer(
    agent: *const stun_agent,
    id: u64,
    peer: *const stun_addr,
    channel: *mut u16,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe {
        handle::call(agent, |guarded| {
            let (peer, channel) = (reference(peer)?.to_required()?, Slot::new(channel)?);
            let id = OperationId::from_u64(id);
            let (bound, is_permitted) = match guarded.agent.relay_pool(id) {
                Some(pool) => (pool.channel(peer), pool.is_permitted(peer.ip())),
                None => {
                    let allocation = guarded.agent.allocation(id).ok_or(UNKNOWN_OPERATION)?;
                    (allocation.channel(peer), allocation.is_permitted(peer.ip()))
                }
            };
            if bound.is_none() && !is_permitted {
                return Ok(STUN_EMPTY);
            }
            channel.put(bound.map_or(0, |bound| bound.number()));
            Ok(STUN_OK)
        })
    }
}

/// With relay_transport STUN_TCP: asks the server to connect to a peer (RFC 6062 s4.3). STUN_EV_OPEN_CONNECTION or
/// STUN_EV_CONNECTION_FAILED follows. STUN_E_STATE: there is no such relay, or one to that peer is being made.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_allocation_connect(
    agent: *mut stun_agent,
    id: u64,
    peer: *const stun_addr,
    now: stun_time,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe {
        handle::call(agent, |guarded| {
            let peer = reference(peer)?.to_required()?;
            guarded.agent.connect_peer(OperationId::from_u64(id), peer, instant(now)?)?;
            Ok(STUN_OK)
        })
    }
}

/// The connection to the server that STUN_EV_OPEN_CONNECTION asked for is open; `connection` is the event's index. Of
/// `path`, local, remote, transport and socket_id count. ConnectionBind is sent over it at once. Read exactly one frame
/// from it for stun_handle_input(), or use stun_stream_open() and stun_unwrap_stream(): after STUN_EV_CONNECTION_BOUND
/// all that follows is the peer's. STUN_E_NOT_FOUND: nobody waits for it any more; close it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_allocation_connection_opened(
    agent: *mut stun_agent,
    id: u64,
    connection: u32,
    path: *const stun_packet,
    now: stun_time,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe {
        handle::call(agent, |guarded| {
            let (path, socket_id) = reference(path)?.to_path()?;
            let (id, connection) = (OperationId::from_u64(id), ConnectionId(connection));
            guarded.agent.peer_connection_opened(id, connection, path, socket_id, instant(now)?)?;
            Ok(STUN_OK)
        })
    }
}
