//! What is behind `stun_agent *`: the core's agent, guarded against panics, two users at once, and use of
//! what is no handle.

use core::cell::UnsafeCell;
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::panic::catch_unwind;

use libstun::nat::Report;
use libstun::stun::discovery::DiscoveredServer;
use libstun::{Agent, Machine};
use libstun_flat::codes::wake_code;

use crate::config::Logger;
use crate::status::{
    Answer, Misuse, STUN_NEVER, stun_status, stun_status_code::*, stun_time, stun_wake_code,
};

/// An agent: opaque, made by stun_agent_new() and freed by stun_agent_free().
///
/// It may move between threads, and must not be used by two at once: whoever comes second gets
/// STUN_E_BUSY. stun_poll_timeout() and stun_wake_reason() are free to be called from anywhere.
pub struct stun_agent {
    _private: [u8; 0],
}

/// The memory that a `stun_agent` pointer really points to.
#[repr(C)] // the number first, so that looking at it needs no more than eight bytes
pub(crate) struct Handle {
    /// [`LIVE`] from `new` to `free`.
    magic: AtomicU64,
    is_busy: AtomicBool,
    is_poisoned: AtomicBool,
    /// Copies of the agent's answers, so that reading them needs no exclusive access.
    deadline: AtomicU64,
    wake: AtomicU32,
    guarded: UnsafeCell<Guarded>,
}

/// What only the holder of `is_busy` may touch.
pub(crate) struct Guarded {
    pub(crate) agent: Agent,
    pub(crate) logger: Logger,
    pub(crate) last_error: &'static str,
    /// The sentence of the last event, lent to the host.
    pub(crate) event_text: String,
    /// The name in the last event, lent to the host.
    pub(crate) event_name: String,
    /// The servers of the last event, if it was about servers.
    pub(crate) servers: Vec<DiscoveredServer>,
    /// The report of the last event, if it was about one, and the probe that it is of.
    pub(crate) report: Option<(u64, Box<Report>)>,
}

const LIVE: u64 = u64::from_be_bytes(*b"stun_ag\x01");
const FREED: u64 = u64::from_be_bytes(*b"stun_ag\x00");

impl Handle {
    /// A handle on the heap, as C will hold it.
    pub(crate) fn into_raw(agent: Agent, logger: Logger) -> *mut stun_agent {
        let guarded = Guarded {
            agent,
            logger,
            last_error: "",
            event_text: String::new(),
            event_name: String::new(),
            servers: Vec::new(),
            report: None,
        };
        let handle = Self {
            magic: AtomicU64::new(LIVE),
            is_busy: AtomicBool::new(false),
            is_poisoned: AtomicBool::new(false),
            deadline: AtomicU64::new(STUN_NEVER),
            wake: AtomicU32::new(0),
            guarded: UnsafeCell::new(guarded),
        };
        Box::into_raw(Box::new(handle)).cast()
    }

    /// The handle behind a pointer of C's.
    ///
    /// # Safety
    /// `agent` must be NULL, or point to at least eight readable bytes: a handle, or something mistaken for
    /// one. It must not be freed meanwhile.
    unsafe fn of<'a>(agent: *const stun_agent) -> Result<&'a Self, Misuse> {
        if agent.is_null() {
            return Err(Misuse(STUN_E_NULL, "the agent is NULL"));
        }
        let handle = agent.cast::<Self>();
        if !handle.is_aligned() {
            return Err(Misuse(STUN_E_HANDLE, "not an agent"));
        }
        // SAFETY: aligned, not NULL and readable for the length of the first field, whose atomicity makes
        // the read sound even while another thread uses the handle.
        let magic = unsafe { (*core::ptr::addr_of!((*handle).magic)).load(Ordering::Relaxed) };
        if magic != LIVE {
            return Err(Misuse(STUN_E_HANDLE, "not an agent, or one that was freed"));
        }
        // SAFETY: only `into_raw` writes that number, into the first field of a `Handle`.
        Ok(unsafe { &*handle })
    }

    fn enter(&self) -> Result<Entered<'_>, Misuse> {
        if self.is_busy.swap(true, Ordering::Acquire) {
            return Err(Misuse(STUN_E_BUSY, "the agent is in use"));
        }
        let entered = Entered(self);
        if self.is_poisoned.load(Ordering::Relaxed) {
            return Err(Misuse(STUN_E_POISONED, "the agent is poisoned: free it"));
        }
        Ok(entered)
    }
}

/// Exclusive use of a handle, given back when dropped.
struct Entered<'a>(&'a Handle);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.is_busy.store(false, Ordering::Release);
    }
}

/// Runs a call: checks the handle, keeps others out, contains panics, and refreshes the published deadline.
///
/// # Safety
/// As for `Handle::of`.
pub(crate) unsafe fn call(
    agent: *const stun_agent,
    body: impl FnOnce(&mut Guarded) -> Answer,
) -> stun_status {
    // SAFETY: passed on from the caller.
    let handle = match unsafe { Handle::of(agent) } {
        Ok(handle) => handle,
        Err(misuse) => return misuse.0 as stun_status,
    };
    let entered = match handle.enter() {
        Ok(entered) => entered,
        Err(misuse) => return misuse.0 as stun_status,
    };
    // SAFETY: `entered` is the only one of its handle, so this reference is the only one to the cell.
    let guarded = unsafe { &mut *handle.guarded.get() };
    let status = match catch_unwind(AssertUnwindSafe(|| body(guarded))) {
        Ok(answer) => answer.unwrap_or_else(|misuse| guarded.note(misuse)),
        Err(_) => {
            // Whatever the panic interrupted may be half done: nothing of it is touched again.
            handle.is_poisoned.store(true, Ordering::Relaxed);
            handle.deadline.store(STUN_NEVER, Ordering::Relaxed);
            handle.wake.store(stun_wake_code::STUN_WAKE_NONE as u32, Ordering::Relaxed);
            return STUN_E_PANIC as stun_status;
        }
    };
    let deadline = guarded.agent.poll_timeout().map_or(STUN_NEVER, |at| at.as_nanos());
    handle.deadline.store(deadline, Ordering::Relaxed);
    handle.wake.store(wake_code(guarded.agent.wake_reason()) as u32, Ordering::Relaxed);
    drop(entered);
    status as stun_status
}

/// The deadline and the reason for it, as the last call left them.
///
/// # Safety
/// As for `Handle::of`.
pub(crate) unsafe fn published(agent: *const stun_agent) -> (stun_time, u32) {
    // SAFETY: passed on from the caller.
    match unsafe { Handle::of(agent) } {
        Ok(handle) => (handle.deadline.load(Ordering::Relaxed), handle.wake.load(Ordering::Relaxed)),
        Err(_) => (STUN_NEVER, stun_wake_code::STUN_WAKE_NONE as u32),
    }
}

/// Frees a handle; NULL, what is no handle and what is in use stay as they are.
///
/// # Safety
/// As for `Handle::of`; afterwards the pointer is dangling.
pub(crate) unsafe fn free(agent: *mut stun_agent) {
    // SAFETY: passed on from the caller.
    let Ok(handle) = (unsafe { Handle::of(agent) }) else { return };
    if handle.is_busy.swap(true, Ordering::Acquire) {
        return; // from inside the log callback, or on another thread: a leak is better than a crash
    }
    handle.magic.store(FREED, Ordering::Relaxed);
    // SAFETY: `into_raw` made it from a box; the magic number is taken away first, so it happens once. A
    // poisoned agent is only dropped, and a panic in that is contained like every other.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(unsafe { Box::from_raw(agent.cast::<Handle>()) })));
}

impl Guarded {
    /// Remembers a misuse for stun_last_error(), tells the log, and gives its status.
    fn note(&mut self, misuse: Misuse) -> crate::status::stun_status_code {
        self.last_error = misuse.1;
        self.logger.misuse(misuse.1);
        misuse.0
    }
}
