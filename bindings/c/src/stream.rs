//! Connections whose bytes the agent cuts into frames.

use libstun::OperationId;
use libstun_flat::codes::stun_transport_code;

use crate::handle::{self, Guarded, stun_agent};
use crate::pointer::{Slot, bytes, reference};
use crate::status::{Answer, Misuse, instant, stun_status, stun_status_code::*, stun_time};
use crate::types::stun_packet;

/// A TCP or TLS connection of yours is open. Of `path`, local, remote, transport and socket_id count. From now on
/// give what you read from it to stun_handle_stream(), and write each packet polled for it whole. If you cut frames
/// yourself, with stun_frame_length(), you need none of this. `*out_id` names it; written on success only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_stream_open(
    agent: *mut stun_agent,
    path: *const stun_packet,
    now: stun_time,
    out_id: *mut u64,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe { handle::call(agent, |guarded| open(guarded, path, now, out_id)) }
}

/// Bytes that you read from a connection, however they were split; only read during the call. Where the peer has
/// lost its place, STUN_EV_CLOSE tells you to close the connection. STUN_E_NOT_FOUND if it was closed before. What
/// peers send through a relay is lost here: see stun_unwrap_stream().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_handle_stream(
    agent: *mut stun_agent,
    id: u64,
    data: *const u8,
    len: usize,
    now: stun_time,
) -> stun_status {
    // SAFETY: the caller's agent is NULL or live, and `data` readable for `len` bytes.
    unsafe {
        handle::call(agent, |guarded| {
            let (data, now) = (bytes(data, len)?, instant(now)?);
            guarded
                .agent
                .handle_stream(OperationId::from_u64(id), data, now)
                .map(|()| STUN_OK)
                .map_err(|_| UNKNOWN)
        })
    }
}

/// The same, up to the first data of a peer that was relayed. STUN_APP_DATA: `*app` is that data, from the peer and to
/// the relayed address. It lies in the agent's memory, and stays valid until the next stun_handle_*,
/// stun_unwrap_stream(), start or cancel on this agent; polls and stun_allocation_send() do not move it. `*taken` of
/// the bytes were taken: call again with the others, until it is STUN_OK.
///
/// If some are left then, the connection has become one to a peer (STUN_EV_CONNECTION_BOUND): those and all that follow
/// are the peer's, and stun_cancel() ends what the agent knows of the connection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_unwrap_stream(
    agent: *mut stun_agent,
    id: u64,
    data: *const u8,
    len: usize,
    now: stun_time,
    taken: *mut usize,
    app: *mut stun_packet,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types and lengths.
    unsafe {
        handle::call(agent, |guarded| {
            let (data, taken, app) = (bytes(data, len)?, Slot::new(taken)?, Slot::new(app)?);
            let unwrapped = guarded.agent.unwrap_stream(OperationId::from_u64(id), data, instant(now)?);
            let (count, inner) = unwrapped.map_err(|_| UNKNOWN)?;
            taken.put(count);
            let Some(inner) = inner else { return Ok(STUN_OK) };
            app.put(stun_packet::from_datagram(&inner)); // in the connection's decoder, which only input moves
            Ok(STUN_APP_DATA)
        })
    }
}

/// A connection is closed, by the peer, by you, or because it failed. Bindings and
/// allocations that asked over it and go on ask for another one with STUN_EV_RECONNECT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_stream_close(agent: *mut stun_agent, id: u64, now: stun_time) -> stun_status {
    // SAFETY: the caller's agent is NULL or live.
    unsafe {
        handle::call(agent, |guarded| {
            let now = instant(now)?;
            guarded.agent.close_stream(OperationId::from_u64(id), now).map(|()| STUN_OK).map_err(|_| UNKNOWN)
        })
    }
}

const UNKNOWN: Misuse = Misuse(STUN_E_NOT_FOUND, "no open connection of that id");

/// # Safety
/// The pointers must be NULL or valid for their types.
unsafe fn open(guarded: &mut Guarded, path: *const stun_packet, now: stun_time, out_id: *mut u64) -> Answer {
    // SAFETY: passed on from the caller.
    let (out, path) = unsafe { (Slot::new(out_id)?, reference(path)?) };
    if path.transport == stun_transport_code::STUN_UDP as u8 {
        return Err(Misuse(STUN_E_INVALID, "UDP has no connections"));
    }
    let (five_tuple, socket_id) = path.to_path()?;
    let id = guarded.agent.open_stream(five_tuple, socket_id, instant(now)?)?;
    out.put(id.as_u64());
    Ok(STUN_OK)
}
