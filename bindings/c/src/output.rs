//! Output: datagrams to send.

use core::mem::{align_of, size_of};

use libstun::Machine;

use crate::handle::{self, Guarded, stun_agent};
use crate::pointer::{Slot, buffer};
use crate::status::{Answer, Misuse, stun_status, stun_status_code::*};
use crate::types::stun_packet;

/// The next datagram to send, or STUN_EMPTY. `out->data` stays valid until the next stun_handle_* call,
/// start or cancel on this agent; polls do not move it, so you may collect several and send them at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_poll_transmit(agent: *mut stun_agent, out: *mut stun_packet) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe {
        handle::call(agent, |guarded| {
            let out = Slot::new(out)?;
            Ok(next(guarded, &out))
        })
    }
}

/// Up to `cap` datagrams, whose bytes stay valid together, so that they can go into one sendmmsg(). `stride`
/// is sizeof(stun_packet) or, for an array of larger structs that begin with one, their size. `*n` says how
/// many were written; STUN_EMPTY if none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_poll_transmit_batch(
    agent: *mut stun_agent,
    out: *mut stun_packet,
    cap: usize,
    stride: usize,
    n: *mut usize,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types; `out` for `cap` times `stride`.
    unsafe { handle::call(agent, |guarded| batch(guarded, out, cap, stride, n)) }
}

/// Copies the next datagram into `buf`, for hosts with buffers of their own: `*meta` gets everything but the
/// bytes, `*len` the length. STUN_E_BUFFER leaves it queued and still sets `*len` to what is needed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_poll_transmit_into(
    agent: *mut stun_agent,
    buf: *mut u8,
    cap: usize,
    meta: *mut stun_packet,
    len: *mut usize,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types and lengths.
    unsafe { handle::call(agent, |guarded| copy(guarded, buf, cap, meta, len)) }
}

/// # Safety
/// `out` must be NULL or writable for `cap` packets that lie `stride` bytes apart, `n` NULL or writable.
unsafe fn batch(
    guarded: &mut Guarded,
    out: *mut stun_packet,
    cap: usize,
    stride: usize,
    n: *mut usize,
) -> Answer {
    // SAFETY: passed on from the caller.
    let n = unsafe { Slot::new(n)? };
    if stride < size_of::<stun_packet>() || stride & ALIGN_MASK != 0 {
        return Err(Misuse(STUN_E_INVALID, "stride is smaller than a packet, or would misalign one"));
    }
    if cap.checked_mul(stride).is_none_or(|size| isize::try_from(size).is_err()) {
        return Err(Misuse(STUN_E_INVALID, "cap times stride is beyond every object"));
    }
    if cap > 0 && out.is_null() {
        return Err(Misuse(STUN_E_NULL, "cap was given without packets"));
    }
    let mut count = 0;
    while count < cap {
        // SAFETY: `count < cap`, so the place lies inside what the caller gave; the product was checked.
        let slot = unsafe { Slot::new(out.byte_add(count.wrapping_mul(stride)))? };
        if next(guarded, &slot) == STUN_EMPTY {
            break;
        }
        count = count.saturating_add(1);
    }
    n.put(count);
    Ok(if count > 0 { STUN_OK } else { STUN_EMPTY })
}

/// # Safety
/// The pointers must be NULL or writable for their types and lengths.
unsafe fn copy(
    guarded: &mut Guarded,
    buf: *mut u8,
    cap: usize,
    meta: *mut stun_packet,
    len: *mut usize,
) -> Answer {
    // SAFETY: passed on from the caller.
    let (buf, meta, len) = unsafe { (buffer(buf, cap)?, Slot::new(meta)?, Slot::new(len)?) };
    let Some(transmit) = guarded.agent.transmits().next() else { return Ok(STUN_EMPTY) };
    let needed = transmit.payload.len();
    let Some(room) = buf.get_mut(..needed) else {
        len.put(needed);
        return Err(Misuse(STUN_E_BUFFER, "the buffer is smaller than the datagram"));
    };
    room.copy_from_slice(transmit.payload);
    meta.put(stun_packet { data: room.as_ptr(), ..stun_packet::from_transmit(&transmit) });
    len.put(needed);
    guarded.agent.poll_transmit();
    Ok(STUN_OK)
}

/// Bits that are zero in every multiple of a packet's alignment.
const ALIGN_MASK: usize = align_of::<stun_packet>() - 1;

/// Lends the next datagram.
///
/// The pointer outlives the borrow of the core's `Transmit` on purpose: polling only moves cursors, and the
/// bytes lie in heap blocks that nothing writes, moves or frees before the next input, time or command
/// (`Machine::poll_transmit` promises it; tests/c runs the promise under AddressSanitizer).
fn next(guarded: &mut Guarded, out: &Slot<stun_packet>) -> crate::status::stun_status_code {
    match guarded.agent.poll_transmit() {
        Some(transmit) => {
            out.put(stun_packet::from_transmit(&transmit));
            STUN_OK
        }
        None => STUN_EMPTY,
    }
}
