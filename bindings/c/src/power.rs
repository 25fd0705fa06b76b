//! Wake-ups, pacing, and networks that change.

use core::net::IpAddr;
use core::time::Duration;

use libstun::agent::PowerProfile;

use crate::handle::{self, Guarded, stun_agent};
use crate::pointer::structs;
use crate::status::{Answer, instant, stun_status, stun_status_code::*, stun_time};
use crate::types::stun_addr;

/// The slack of an idle phone: whenever it is woken, refreshes due within ten seconds are sent too.
pub const STUN_SLACK_IDLE: stun_time = 10_000_000_000;

/// How to trade packets for wake-ups, with effect at once: read stun_poll_timeout() anew.
///
/// `max_slack` is how much earlier than due a refresh may be sent, so that one wake-up serves several; 0 wakes you
/// for each, STUN_SLACK_IDLE is for a phone in a pocket. `refresh` makes every binding refresh, and every allocation
/// send something, that often instead of as its configuration says; 0 leaves it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_set_power(
    agent: *mut stun_agent,
    max_slack: stun_time,
    refresh: stun_time,
    now: stun_time,
) -> stun_status {
    // SAFETY: the caller's agent is NULL or live.
    unsafe {
        handle::call(agent, |guarded| {
            let refresh = (refresh != 0).then(|| Duration::from_nanos(refresh));
            let profile = PowerProfile { max_slack: Duration::from_nanos(max_slack), refresh };
            guarded.agent.set_power(profile, instant(now)?);
            Ok(STUN_OK)
        })
    }
}

/// The time between requests to one server that had to wait because ten were outstanding there (RFC 8489 s6.2).
/// 50 ms unless told otherwise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_set_pacing(agent: *mut stun_agent, interval: stun_time) -> stun_status {
    // SAFETY: the caller's agent is NULL or live.
    unsafe {
        handle::call(agent, |guarded| {
            guarded.agent.set_pacing(Duration::from_nanos(interval));
            Ok(STUN_OK)
        })
    }
}

/// Your local addresses are these from now on; ports are not looked at. Bindings and allocations on an unspecified address
/// ask again at once, those on an address that is gone move to the first one of their family, or end if there is none; each
/// says so with an event. A relay that cannot move is lost, and another is asked for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_network_changed(
    agent: *mut stun_agent,
    addrs: *const stun_addr,
    count: usize,
    now: stun_time,
) -> stun_status {
    // SAFETY: the caller's agent is NULL or live, and `addrs` readable for `count` addresses.
    unsafe { handle::call(agent, |guarded| network_changed(guarded, addrs, count, now)) }
}

/// # Safety
/// `addrs` must be readable for `count` addresses.
unsafe fn network_changed(
    guarded: &mut Guarded,
    addrs: *const stun_addr,
    count: usize,
    now: stun_time,
) -> Answer {
    // SAFETY: passed on from the caller.
    let addrs = unsafe { structs(addrs, count)? };
    let addresses: Vec<IpAddr> =
        addrs.iter().map(|addr| addr.to_required().map(|addr| addr.ip())).collect::<Result<_, _>>()?;
    guarded.agent.network_changed(&addresses, instant(now)?);
    Ok(STUN_OK)
}
