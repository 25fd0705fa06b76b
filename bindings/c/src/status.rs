//! What a call answers, and the constants that travel as integers. Numbers are permanent and never reused.

use core::ffi::{CStr, c_char};

use libstun::{DropReason, Instant, SendError, WakeReason};

/// The answer of a call: 0 is done, above 0 is done but there is nothing for you, below 0 is misuse, and
/// then nothing has changed. See `enum stun_status_code`.
pub type stun_status = i32;

/// Nanoseconds on any monotonic clock of yours; the same clock for every call to one agent. Take one that
/// runs through suspend (CLOCK_BOOTTIME, mach_continuous_time). A `now` earlier than one already seen counts
/// as the latest seen; STUN_NEVER is no time, and refused. Round up when you convert a deadline to milliseconds, or you will spin.
pub type stun_time = u64;

/// No deadline: only input or a command can change anything.
pub const STUN_NEVER: stun_time = u64::MAX;

/// Rises when a program that was compiled against an older header may misbehave; see stun_abi_version().
pub const STUN_ABI_VERSION: u32 = 1;

/// Values of `stun_status`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_status_code {
    /// Done.
    STUN_OK = 0,
    /// The queue is empty, or there is nothing of that kind.
    STUN_EMPTY = 1,
    /// Not ours: offer the datagram to your next protocol.
    STUN_IGNORED = 2,
    /// Application data was inside; `*app` is a slice of your own buffer.
    STUN_APP_DATA = 3,
    /// A pointer that must not be NULL is.
    STUN_E_NULL = -1,
    /// An argument has an impossible value: a struct_size, family, port, code or length.
    STUN_E_INVALID = -2,
    /// The call does not fit what came before it.
    STUN_E_STATE = -3,
    /// Your buffer is too small; nothing was consumed, and the size needed is said where there is room for it.
    STUN_E_BUFFER = -4,
    /// No operation of that id: never started, ended, or cancelled.
    STUN_E_NOT_FOUND = -5,
    /// A limit is reached.
    STUN_E_LIMIT = -6,
    /// The operating system gave no random bytes.
    STUN_E_ENTROPY = -7,
    /// The handle is in use: by another thread, or by the call that runs your log callback.
    STUN_E_BUSY = -8,
    /// Not a handle of this library, or one that was freed.
    STUN_E_HANDLE = -9,
    /// A bug in libstun was caught. The handle is poisoned: free it.
    STUN_E_PANIC = -100,
    /// An earlier call was caught in a bug; only stun_agent_free() is still allowed.
    STUN_E_POISONED = -101,
}

/// Why a deadline is wanted; see stun_wake_reason().
#[repr(C)]
#[derive(Clone, Copy)]
pub enum stun_wake_code {
    /// No deadline.
    STUN_WAKE_NONE = 0,
    /// A datagram or an event is queued.
    STUN_WAKE_OUTPUT = 1,
    /// A request is due again.
    STUN_WAKE_RETRANSMISSION = 2,
    /// The last wait for a response ends.
    STUN_WAKE_TRANSACTION_TIMEOUT = 3,
    /// A binding, an allocation, a permission or a channel has to be kept alive.
    STUN_WAKE_REFRESH = 4,
    /// A failed request is due again.
    STUN_WAKE_RETRY = 5,
    /// A request that had to wait for others to the same server may be sent.
    STUN_WAKE_PACING = 6,
    /// The next of several addresses or servers is tried.
    STUN_WAKE_ATTEMPT = 7,
    /// The next measurement of a NAT probe is due.
    STUN_WAKE_MEASUREMENT = 8,
    /// A deadline that you gave an operation.
    STUN_WAKE_DEADLINE = 9,
}

/// Why a datagram could not be sent; for stun_handle_send_error().
#[repr(C)]
#[derive(Clone, Copy)]
pub enum stun_send_error_code {
    /// ENETUNREACH, EHOSTUNREACH.
    STUN_SEND_NO_ROUTE = 1,
    /// EAFNOSUPPORT, EADDRNOTAVAIL: no address of that family.
    STUN_SEND_NO_FAMILY = 2,
    /// EPERM, EACCES.
    STUN_SEND_NOT_PERMITTED = 3,
    /// ECONNREFUSED, ECONNRESET, ICMP port unreachable.
    STUN_SEND_REFUSED = 4,
    /// EMSGSIZE.
    STUN_SEND_TOO_LARGE = 5,
    /// EBADF, ENOTCONN, EPIPE.
    STUN_SEND_CLOSED = 6,
    /// EAGAIN, ENOBUFS, soft ICMP errors: the retransmission covers it.
    STUN_SEND_TRANSIENT = 7,
}

/// Why a message from the network was dropped; for stun_dropped().
#[repr(C)]
#[derive(Clone, Copy)]
pub enum stun_drop_code {
    /// Any reason.
    STUN_DROP_ANY = 0,
    /// A response to no outstanding request.
    STUN_DROP_UNKNOWN_TRANSACTION = 1,
    /// A response from another address than the one that was asked.
    STUN_DROP_WRONG_SOURCE = 2,
    /// A response of another method than its request.
    STUN_DROP_WRONG_METHOD = 3,
    /// FINGERPRINT does not match.
    STUN_DROP_BAD_FINGERPRINT = 4,
    /// A response to a signed request without a valid signature.
    STUN_DROP_UNAUTHENTICATED = 5,
    /// An attribute that is known and has an impossible value.
    STUN_DROP_MALFORMED_ATTRIBUTE = 6,
    /// A request of a method that is not served.
    STUN_DROP_UNSUPPORTED_METHOD = 7,
    /// An indication.
    STUN_DROP_INDICATION = 8,
    /// A source that no reply may go to.
    STUN_DROP_UNUSABLE_SOURCE = 9,
    /// The queue for replies is full: drain it.
    STUN_DROP_QUEUE_FULL = 10,
    /// STUN that no operation expects.
    STUN_DROP_UNEXPECTED = 11,
    /// STUN by its cookie and length, and broken inside.
    STUN_DROP_MALFORMED = 12,
    /// The network of the source has used up what a server gives to those who have proved nothing.
    STUN_DROP_OVER_BUDGET = 13,
    /// ChannelData on a channel that is not bound: late, or forged.
    STUN_DROP_UNKNOWN_CHANNEL = 14,
    /// Data of a peer that is not permitted, or that the policy refuses.
    STUN_DROP_UNPERMITTED_PEER = 15,
}

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

/// Misuse: the status, and a sentence for stun_last_error().
#[derive(Clone, Copy, Debug)]
pub(crate) struct Misuse(pub(crate) stun_status_code, pub(crate) &'static str);

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

pub(crate) fn wake_code(reason: Option<WakeReason>) -> stun_wake_code {
    match reason {
        None => stun_wake_code::STUN_WAKE_NONE,
        Some(WakeReason::Retransmission) => stun_wake_code::STUN_WAKE_RETRANSMISSION,
        Some(WakeReason::TransactionTimeout) => stun_wake_code::STUN_WAKE_TRANSACTION_TIMEOUT,
        Some(WakeReason::Refresh) => stun_wake_code::STUN_WAKE_REFRESH,
        Some(WakeReason::Retry) => stun_wake_code::STUN_WAKE_RETRY,
        Some(WakeReason::Pacing) => stun_wake_code::STUN_WAKE_PACING,
        Some(WakeReason::Attempt) => stun_wake_code::STUN_WAKE_ATTEMPT,
        Some(WakeReason::Measurement) => stun_wake_code::STUN_WAKE_MEASUREMENT,
        Some(WakeReason::Deadline) => stun_wake_code::STUN_WAKE_DEADLINE,
        Some(_) => stun_wake_code::STUN_WAKE_OUTPUT,
    }
}

pub(crate) fn send_error(kind: u32) -> Result<SendError, Misuse> {
    Ok(match kind {
        1 => SendError::NoRoute,
        2 => SendError::FamilyUnavailable,
        3 => SendError::PermissionDenied,
        4 => SendError::Refused,
        5 => SendError::MessageTooLarge,
        6 => SendError::SocketClosed,
        7 => SendError::Transient,
        _ => return Err(Misuse(STUN_E_INVALID, "kind is no stun_send_error_code")),
    })
}

/// The core's reason behind a code, `None` for any.
pub(crate) fn drop_reason(code: u32) -> Result<Option<DropReason>, Misuse> {
    match (code as usize).checked_sub(1) {
        None => Ok(None),
        Some(index) => DropReason::ALL
            .get(index)
            .copied()
            .map(Some)
            .ok_or(Misuse(STUN_E_INVALID, "reason is no stun_drop_code")),
    }
}
