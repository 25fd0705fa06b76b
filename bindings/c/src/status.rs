//! What a call answers, and the types of what travels as integers.

use core::ffi::{CStr, c_char};

use libstun::Instant;
pub(crate) use libstun_flat::Misuse;
pub use libstun_flat::codes::{stun_status_code, stun_wake_code};

/// The answer of a call: 0 is done, above 0 is done but there is nothing for you, below 0 is misuse, and
/// then nothing has changed. See `enum stun_status_code`.
pub type stun_status = i32;

/// Nanoseconds on any monotonic clock of yours; the same clock for every call to one agent. Take one that
/// runs through suspend (CLOCK_BOOTTIME, mach_continuous_time). A `now` earlier than one already seen counts
/// as the latest seen; STUN_NEVER is no time, and refused. Round up when you convert a deadline to milliseconds, or you will spin.
pub type stun_time = u64;

/// No deadline: only input or a command can change anything.
pub const STUN_NEVER: stun_time = u64::MAX;

const _: () = assert!(STUN_NEVER == libstun_flat::NEVER);

/// Rises when a program that was compiled against an older header may misbehave; see stun_abi_version().
pub const STUN_ABI_VERSION: u32 = 1;

/// The name of a status, such as "STUN_E_NULL". Static, never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn stun_status_name(status: stun_status) -> *const c_char {
    NAMES.iter().find(|(code, _)| *code as i32 == status).map_or(c"STUN_E_?", |(_, name)| *name).as_ptr()
}

/// The version of the library, such as "0.1.0". Static, never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn stun_version() -> *const c_char {
    VERSION.as_ptr()
}

/// STUN_ABI_VERSION as the library was built. Compare it with your header's when you bind at run time.
#[unsafe(no_mangle)]
pub extern "C" fn stun_abi_version() -> u32 {
    STUN_ABI_VERSION
}

use stun_status_code::*;

const NAMES: [(stun_status_code, &CStr); 15] = [
    (STUN_OK, c"STUN_OK"),
    (STUN_EMPTY, c"STUN_EMPTY"),
    (STUN_IGNORED, c"STUN_IGNORED"),
    (STUN_APP_DATA, c"STUN_APP_DATA"),
    (STUN_E_NULL, c"STUN_E_NULL"),
    (STUN_E_INVALID, c"STUN_E_INVALID"),
    (STUN_E_STATE, c"STUN_E_STATE"),
    (STUN_E_BUFFER, c"STUN_E_BUFFER"),
    (STUN_E_NOT_FOUND, c"STUN_E_NOT_FOUND"),
    (STUN_E_LIMIT, c"STUN_E_LIMIT"),
    (STUN_E_ENTROPY, c"STUN_E_ENTROPY"),
    (STUN_E_BUSY, c"STUN_E_BUSY"),
    (STUN_E_HANDLE, c"STUN_E_HANDLE"),
    (STUN_E_PANIC, c"STUN_E_PANIC"),
    (STUN_E_POISONED, c"STUN_E_POISONED"),
];

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => c"?",
};

pub(crate) type Answer = Result<stun_status_code, Misuse>;

/// The caller's time; STUN_NEVER is a deadline and no time.
pub(crate) fn instant(now: stun_time) -> Result<Instant, Misuse> {
    if now == STUN_NEVER {
        return Err(Misuse(STUN_E_INVALID, "now is STUN_NEVER"));
    }
    Ok(Instant::from_nanos(now))
}

/// The status of a call that has no handle to remember a sentence in.
pub(crate) fn status_of(answer: Answer) -> stun_status {
    answer.unwrap_or_else(|misuse| misuse.0) as stun_status
}
