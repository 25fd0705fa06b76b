//! Input: datagrams, time, send errors.

use libstun::{Machine, Outcome, Receipt};
use libstun_flat::codes::send_error;

use crate::config::stun_log_level::STUN_LOG_DEBUG;
use crate::handle::{self, Guarded, stun_agent};
use crate::pointer::{Slot, reference};
use crate::status::{Answer, instant, stun_status, stun_status_code::*, stun_time};
use crate::types::stun_packet;

/// A datagram arrived, or one frame of a stream. `in` is only read during the call; its bytes must not be
/// those that this agent has lent in a poll, so copy them if you loop them back.
///
/// STUN_OK: it was ours. STUN_IGNORED: offer it to your next protocol. STUN_APP_DATA: application data was
/// inside, which a peer has sent through a relay, and `*app` is the slice of your own buffer that it is, as if it
/// had arrived there: remote is the peer, local the relayed address. `app` may be NULL if you want none.
/// Whatever arrives from the network is never an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_handle_input(
    agent: *mut stun_agent,
    r#in: *const stun_packet,
    now: stun_time,
    app: *mut stun_packet,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types; the packet's bytes are readable.
    unsafe {
        handle::call(agent, |guarded| {
            let datagram = reference(r#in)?.to_datagram()?;
            let outcome = guarded.agent.handle_input(&datagram, instant(now)?);
            log_drops(guarded);
            Ok(match outcome {
                Outcome::Unclaimed => STUN_IGNORED,
                Outcome::Consumed => STUN_OK,
                Outcome::Unwrapped(inner) => {
                    if let Ok(app) = Slot::new(app) {
                        app.put(stun_packet::from_datagram(&inner));
                    }
                    STUN_APP_DATA
                }
            })
        })
    }
}

/// Time has come. An early call changes nothing, so call it whenever you woke up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_handle_timeout(agent: *mut stun_agent, now: stun_time) -> stun_status {
    // SAFETY: the caller's agent is NULL or live.
    unsafe {
        handle::call(agent, |guarded| {
            guarded.agent.handle_timeout(instant(now)?);
            Ok(STUN_OK)
        })
    }
}

/// A datagram could not be sent, or ICMP said later that it did not arrive. `kind` is an
/// `enum stun_send_error_code`. STUN_IGNORED if the bytes are not STUN, but another protocol's. Where `failed->data` is known, or its first 20 bytes are, it concerns
/// that request, with length 0 everything outstanding between the two addresses. The call ends the loan of
/// polled bytes: keep those 20 of each packet of a batch of which several may fail.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_handle_send_error(
    agent: *mut stun_agent,
    failed: *const stun_packet,
    kind: u32,
    now: stun_time,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types; the packet's bytes are readable.
    unsafe { handle::call(agent, |guarded| report(guarded, failed, kind, now)) }
}

/// # Safety
/// `failed` must be NULL or a packet whose bytes are readable.
unsafe fn report(guarded: &mut Guarded, failed: *const stun_packet, kind: u32, now: stun_time) -> Answer {
    // SAFETY: passed on from the caller.
    let failed = unsafe { reference(failed)?.to_datagram()? };
    let (error, now) = (send_error(kind)?, instant(now)?);
    let Some(receipt) = Receipt::of(failed.path, failed.payload) else { return Ok(STUN_IGNORED) };
    guarded.agent.handle_send_error(&receipt, error, now);
    Ok(STUN_OK)
}

fn log_drops(guarded: &mut Guarded) {
    if guarded.logger.is_on(STUN_LOG_DEBUG) {
        if let Some(reason) = guarded.agent.counters().latest() {
            guarded.logger.write(STUN_LOG_DEBUG, &format!("dropped: {}", reason.name()));
        }
    }
}
