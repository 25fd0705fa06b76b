//! Data to peers: framed in the caller's buffer, and sent by the caller.

use libstun::agent::RelayError;
use libstun::turn::{CHANNEL_HEADROOM, FrameError, MAX_HEADROOM, MAX_TAILROOM, SendToPeerError};
use libstun::{OperationId, Transmit};

use crate::handle::{self, Guarded, stun_agent};
use crate::pointer::{Slot, buffer, bytes, reference};
use crate::status::{Answer, Misuse, instant, stun_status, stun_status_code::*, stun_time};
use crate::types::{stun_addr, stun_packet};

/// Bytes before a payload that goes through a channel.
pub const STUN_CHANNEL_HEADROOM: usize = 4;

/// Bytes before a payload that are enough in any case.
pub const STUN_MAX_HEADROOM: usize = 52;

/// Bytes behind a payload that are enough in any case.
pub const STUN_MAX_TAILROOM: usize = 3;

/// Frames data for a peer in `buf`, and says in `*out` what to send at once: nothing is queued. Through a channel that is
/// four bytes and the data, else a Send indication; STUN_MAX_HEADROOM + STUN_MAX_TAILROOM bytes more than the data are
/// enough in any case. `data` and `buf` must not overlap. A pool sends through the selected relay, whose socket `*out`
/// names.
///
/// STUN_E_STATE: there is no relayed address now, or the peer is not permitted yet. STUN_E_INVALID: the policy refuses
/// the peer, or the data is too long. STUN_E_BUFFER: `out->len` is what is needed, and all else in it zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_allocation_send(
    agent: *mut stun_agent,
    id: u64,
    peer: *const stun_addr,
    data: *const u8,
    len: usize,
    buf: *mut u8,
    cap: usize,
    now: stun_time,
    out: *mut stun_packet,
) -> stun_status {
    if overlap((data, len), (buf.cast_const(), cap)) {
        // SAFETY: the caller's agent is NULL or live.
        return unsafe {
            handle::call(agent, |_| Err(Misuse(STUN_E_INVALID, "data and buf must not overlap")))
        };
    }
    // SAFETY: the caller's pointers are NULL or valid for their types and lengths; the two slices are apart.
    unsafe {
        handle::call(agent, |guarded| {
            let (peer, out) = (reference(peer)?.to_required()?, Slot::new(out)?);
            let (data, buf) = (bytes(data, len)?, buffer(buf, cap)?);
            let id = OperationId::from_u64(id);
            let now = instant(now)?;
            let framed = guarded.agent.send_to_peer(id, peer, data, buf, now);
            answer(framed, &out)
        })
    }
}

/// The same where the data already lies in `buf`, `len` bytes at `offset`, with free room around it: at least
/// STUN_CHANNEL_HEADROOM bytes before it where a channel is bound, STUN_MAX_HEADROOM in any case, and STUN_MAX_TAILROOM
/// behind it. Copies nothing; `out->data` lies in `buf`. With STUN_E_BUFFER `out->len` is the room that is needed: up to
/// STUN_MAX_TAILROOM behind the data, more than that before it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_allocation_send_in_place(
    agent: *mut stun_agent,
    id: u64,
    peer: *const stun_addr,
    buf: *mut u8,
    cap: usize,
    offset: usize,
    len: usize,
    now: stun_time,
    out: *mut stun_packet,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types and lengths.
    unsafe {
        handle::call(agent, |guarded: &mut Guarded| {
            let (peer, out) = (reference(peer)?.to_required()?, Slot::new(out)?);
            let (buf, end) = (buffer(buf, cap)?, offset.checked_add(len).ok_or(FrameError::PayloadOutside)?);
            let id = OperationId::from_u64(id);
            let now = instant(now)?;
            let framed = guarded.agent.send_to_peer_in_place(id, peer, buf, offset..end, now);
            answer(framed, &out)
        })
    }
}

/// What to send, or why it was not framed; of a buffer that is too small, also how large it has to be.
fn answer(framed: Result<Transmit<'_>, RelayError<SendToPeerError>>, out: &Slot<stun_packet>) -> Answer {
    let error = match framed {
        Ok(transmit) => {
            out.put(stun_packet::from_transmit(&transmit));
            return Ok(STUN_OK);
        }
        Err(error) => error,
    };
    if let RelayError::Refused(SendToPeerError::Frame(
        FrameError::BufferTooSmall { needed }
        | FrameError::HeadroomTooSmall { needed }
        | FrameError::TailroomTooSmall { needed },
    )) = error
    {
        out.put(stun_packet { len: needed, ..stun_packet::NONE });
    }
    Err(error.into())
}

/// Whether two areas of the caller's have a byte in common.
fn overlap((first, len): (*const u8, usize), (second, cap): (*const u8, usize)) -> bool {
    let (first, second) = (first.addr(), second.addr());
    len > 0 && cap > 0 && first < second.saturating_add(cap) && second < first.saturating_add(len)
}

const _: () = assert!(STUN_CHANNEL_HEADROOM == CHANNEL_HEADROOM);
const _: () = assert!(STUN_MAX_HEADROOM == MAX_HEADROOM && STUN_MAX_TAILROOM == MAX_TAILROOM);
