//! The life of an agent, and what can be asked of it.

use core::ffi::c_char;
use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use libstun::{Agent, Entropy};
use libstun_flat::codes::drop_reason;
use zeroize::Zeroize;

use crate::config::{Logger, stun_config, stun_log_level};
use crate::handle::{self, Handle, stun_agent};
use crate::pointer::{Growable, Slot, buffer, bytes, read_growable};
use crate::status::{Answer, Misuse, instant, status_of, stun_status, stun_status_code::*, stun_time};

/// Makes an agent. `cfg` may be NULL for defaults. `now` is the time on your clock. `*out` is yours, to be
/// freed with stun_agent_free(); it is written on success only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_agent_new(
    cfg: *const stun_config,
    now: stun_time,
    out: *mut *mut stun_agent,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    let make = || unsafe { new_agent(cfg, now, out) };
    status_of(catch_unwind(AssertUnwindSafe(make)).unwrap_or(Ok(STUN_E_PANIC)))
}

/// # Safety
/// The pointers must be NULL or valid for their types.
unsafe fn new_agent(cfg: *const stun_config, now: stun_time, out: *mut *mut stun_agent) -> Answer {
    // SAFETY: passed on from the caller.
    let out = unsafe { Slot::new(out)? };
    // SAFETY: passed on from the caller.
    let config = if cfg.is_null() { stun_config::defaults() } else { unsafe { read_growable(cfg)? } };
    if config.reserved != 0 || config.log_level > stun_log_level::STUN_LOG_DEBUG as u32 {
        return Err(Misuse(STUN_E_INVALID, "log_level is no stun_log_level, or reserved is not 0"));
    }
    let entropy = if config.seed.is_null() {
        Entropy::from_os().map_err(|_| Misuse(STUN_E_ENTROPY, "the operating system gave no random bytes"))?
    } else {
        // SAFETY: a seed that is not NULL has 32 bytes.
        let given = unsafe { bytes(config.seed, 32)? };
        let mut seed = [0; 32];
        seed.copy_from_slice(given);
        let entropy = Entropy::from_seed(seed);
        seed.zeroize();
        entropy
    };
    let mut agent = Agent::new(entropy, instant(now)?);
    if config.max_operations != 0 {
        agent.set_max_operations(config.max_operations as usize);
    }
    out.put(Handle::into_raw(agent, Logger::new(&config)));
    Ok(STUN_OK)
}

/// Frees an agent and everything in it. NULL is a no-op.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_agent_free(agent: *mut stun_agent) {
    // SAFETY: the caller's agent is NULL or live.
    unsafe { handle::free(agent) }
}

/// When to call stun_handle_timeout() next: an absolute time on your clock, STUN_NEVER for never. Not after
/// the latest `now` while output is queued. Read it after you have drained.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_poll_timeout(agent: *const stun_agent) -> stun_time {
    // SAFETY: the caller's agent is NULL or live.
    unsafe { handle::published(agent) }.0
}

/// Why that deadline is wanted: `enum stun_wake_code`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_wake_reason(agent: *const stun_agent) -> u32 {
    // SAFETY: the caller's agent is NULL or live.
    unsafe { handle::published(agent) }.1
}

/// How many messages were dropped for `reason`: `enum stun_drop_code`. Counts stick at UINT32_MAX.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_dropped(agent: *const stun_agent, reason: u32, out: *mut u32) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe {
        handle::call(agent, |guarded| {
            let out = Slot::new(out)?;
            let counters = guarded.agent.counters();
            out.put(drop_reason(reason)?.map_or(counters.total(), |reason| counters.dropped(reason)));
            Ok(STUN_OK)
        })
    }
}

/// What the last refused call got wrong, as a sentence. Writes at most `cap` bytes, NUL included, and sets
/// `*len` to the length without it; `buf` may be NULL with `cap` 0 to ask for the length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_last_error(
    agent: *const stun_agent,
    buf: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types and lengths.
    unsafe {
        handle::call(agent, |guarded| {
            let (len, buf) = (Slot::new(len)?, buffer(buf.cast(), cap)?);
            len.put(copy_text(guarded.last_error, buf));
            Ok(STUN_OK)
        })
    }
}

/// Panics inside the library, to show that the panic is contained. Only in test builds.
#[cfg(feature = "panic-injection")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_test_panic(agent: *mut stun_agent) -> stun_status {
    // SAFETY: the caller's agent is NULL or live.
    #[allow(clippy::panic)]
    unsafe {
        handle::call(agent, |_| panic!("injected by a test"))
    }
}

/// Copies text and a NUL as far as there is room, and gives the length of the text.
pub(crate) fn copy_text(text: &str, buf: &mut [u8]) -> usize {
    let room = buf.len().saturating_sub(1);
    buf.iter_mut().zip(text.bytes().take(room).chain(core::iter::once(0))).for_each(|(to, from)| *to = from);
    text.len()
}
