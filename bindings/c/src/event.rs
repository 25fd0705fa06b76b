//! Events: what happened, flattened into one struct that can grow.

use core::ffi::{CStr, c_char};
use core::fmt::Write;
use core::time::Duration;

use libstun::agent::StreamEvent;
use libstun::stun::BindingEvent;
use libstun::stun::binding::FailureReason;
use libstun::{AgentEvent, Event, Machine, SendError};

use crate::config::stun_log_level::STUN_LOG_INFO;
use crate::handle::{self, Guarded, stun_agent};
use crate::pointer::{Growable, growable_size, write_growable};
use crate::status::{Answer, STUN_NEVER, stun_send_error_code, stun_status, stun_status_code::*, stun_time};
use crate::types::stun_addr;

/// Values of `stun_event.kind`. Skip kinds that you do not know. 3 to 6 are reserved for relays and ICE.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_event_code {
    /// The first mapped address: addr, rtt. The last event of a binding that asks once.
    STUN_EV_MAPPED = 1,
    /// The operation has failed for good: reason, code, count. Its last event.
    STUN_EV_FAILED = 2,
    /// The mapped address is the same as before: addr, rtt.
    STUN_EV_REFRESHED = 7,
    /// The mapped address is another: addr, previous, rtt.
    STUN_EV_ADDRESS_CHANGED = 8,
    /// An attempt has failed and another follows: reason, code, count, at.
    STUN_EV_RETRYING = 9,
    /// Close the connection: what its peer sent cannot be understood. addr is the peer, id the connection. Its last
    /// event.
    STUN_EV_CLOSE = 10,
}

/// Values of `stun_event.reason`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_failure_code {
    /// Not a failure.
    STUN_FAIL_NONE = 0,
    /// Nobody answered in time.
    STUN_FAIL_TIMEOUT = 1,
    /// `count` answers came, none signed with the password; `code` is the last one's error code.
    STUN_FAIL_INTEGRITY = 2,
    /// The server refused with error `code`.
    STUN_FAIL_ERROR_RESPONSE = 3,
    /// An error response without a usable ERROR-CODE.
    STUN_FAIL_MALFORMED_ERROR = 4,
    /// The response demands to understand attribute `code`.
    STUN_FAIL_UNKNOWN_ATTRIBUTE = 5,
    /// A success response without a usable mapped address.
    STUN_FAIL_NO_MAPPED_ADDRESS = 6,
    /// It could not be sent; `code` is the `enum stun_send_error_code` that you reported.
    STUN_FAIL_SEND = 7,
    /// A reason that is newer than this function.
    STUN_FAIL_OTHER = 255,
}

/// What happened to an operation. Fields that a kind does not name are zero.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_event {
    /// Set it to sizeof(stun_event) before each call; afterwards, how many bytes were filled.
    pub struct_size: u32,
    /// `enum stun_event_code`.
    pub kind: u32,
    /// The operation.
    pub id: u64,
    /// Your address as the server sees it.
    pub addr: stun_addr,
    /// What it was before.
    pub previous: stun_addr,
    /// The round trip in nanoseconds; STUN_NEVER where a retransmission makes it unknowable.
    pub rtt: stun_time,
    /// When the next attempt is due.
    pub at: stun_time,
    /// `enum stun_failure_code`.
    pub reason: u32,
    /// See `reason`.
    pub code: u32,
    /// See `reason`.
    pub count: u32,
    /// Bytes of `text`.
    pub text_len: u32,
    /// One line for people: UTF-8, not NUL-terminated, valid until the next call on this agent.
    pub text: *const c_char,
    /// 1 if it is the operation's last event, and its id unknown from now on; else 0.
    pub is_last: u32,
    /// Zero.
    pub reserved: u32,
}

// SAFETY: `repr(C)`, `struct_size` first, and only integers, arrays of them and a raw pointer.
unsafe impl Growable for stun_event {
    fn defaults() -> Self {
        Self {
            struct_size: 0,
            kind: 0,
            id: 0,
            addr: stun_addr::NONE,
            previous: stun_addr::NONE,
            rtt: 0,
            at: 0,
            reason: stun_failure_code::STUN_FAIL_NONE as u32,
            code: 0,
            count: 0,
            text_len: 0,
            text: core::ptr::null(),
            is_last: 0,
            reserved: 0,
        }
    }

    const MIN_SIZE: u32 = 16; // kind and id
}

/// The next event, or STUN_EMPTY. `out->struct_size` must be set before each call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_poll_event(agent: *mut stun_agent, out: *mut stun_event) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe { handle::call(agent, |guarded| poll(guarded, out)) }
}

/// The name of an event kind, such as "STUN_EV_MAPPED". Static, never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn stun_event_name(kind: u32) -> *const c_char {
    NAMES.iter().find(|(code, _)| *code as u32 == kind).map_or(c"STUN_EV_?", |(_, name)| *name).as_ptr()
}

/// # Safety
/// `out` must be NULL or valid for as many bytes as its `struct_size` says.
unsafe fn poll(guarded: &mut Guarded, out: *mut stun_event) -> Answer {
    // SAFETY: passed on from the caller. Checked before the event is taken, so that none is lost.
    let struct_size = unsafe { growable_size(out.cast_const())? };
    let Some(happened) = guarded.agent.poll_event() else { return Ok(STUN_EMPTY) };
    let mut event = flatten(&happened);
    guarded.event_text.clear();
    let _ = write_line(&mut guarded.event_text, &happened); // writing to a String cannot fail
    event.struct_size = struct_size;
    event.is_last = u32::from(happened.is_last);
    event.text = guarded.event_text.as_ptr().cast();
    event.text_len = u32::try_from(guarded.event_text.len()).unwrap_or(0);
    guarded.logger.write(STUN_LOG_INFO, &guarded.event_text);
    // SAFETY: passed on from the caller.
    unsafe { write_growable(out, &event)? };
    Ok(STUN_OK)
}

fn flatten(happened: &AgentEvent) -> stun_event {
    let empty = stun_event { id: happened.id.as_u64(), ..stun_event::defaults() };
    match happened.event {
        Event::Binding(event) => flatten_binding(event, empty),
        Event::Stream(StreamEvent::Close { path, .. }) => {
            stun_event { kind: stun_event_code::STUN_EV_CLOSE as u32, addr: path.remote.into(), ..empty }
        }
        _ => empty,
    }
}

fn flatten_binding(event: BindingEvent, empty: stun_event) -> stun_event {
    let of = |kind: stun_event_code| stun_event { kind: kind as u32, ..empty };
    let nanos = |rtt: Option<Duration>| {
        rtt.map_or(STUN_NEVER, |rtt| u64::try_from(rtt.as_nanos()).unwrap_or(u64::MAX))
    };
    match event {
        BindingEvent::Mapped { address, rtt } => {
            stun_event { addr: address.into(), rtt: nanos(rtt), ..of(stun_event_code::STUN_EV_MAPPED) }
        }
        BindingEvent::Refreshed { address, rtt } => {
            stun_event { addr: address.into(), rtt: nanos(rtt), ..of(stun_event_code::STUN_EV_REFRESHED) }
        }
        BindingEvent::AddressChanged { previous, address, rtt } => stun_event {
            addr: address.into(),
            previous: previous.into(),
            rtt: nanos(rtt),
            ..of(stun_event_code::STUN_EV_ADDRESS_CHANGED)
        },
        BindingEvent::Retrying { reason, at } => {
            with_reason(reason, stun_event { at: at.as_nanos(), ..of(stun_event_code::STUN_EV_RETRYING) })
        }
        BindingEvent::Failed { reason } => with_reason(reason, of(stun_event_code::STUN_EV_FAILED)),
        _ => empty,
    }
}

fn with_reason(reason: FailureReason, event: stun_event) -> stun_event {
    let (failure, code, count) = match reason {
        FailureReason::Timeout => (stun_failure_code::STUN_FAIL_TIMEOUT, 0, 0),
        FailureReason::IntegrityViolated { code, count } => {
            (stun_failure_code::STUN_FAIL_INTEGRITY, u32::from(code), count)
        }
        FailureReason::ErrorResponse { code } => {
            (stun_failure_code::STUN_FAIL_ERROR_RESPONSE, u32::from(code), 0)
        }
        FailureReason::MalformedError => (stun_failure_code::STUN_FAIL_MALFORMED_ERROR, 0, 0),
        FailureReason::UnknownAttribute { attribute } => {
            (stun_failure_code::STUN_FAIL_UNKNOWN_ATTRIBUTE, u32::from(attribute.number()), 0)
        }
        FailureReason::NoMappedAddress => (stun_failure_code::STUN_FAIL_NO_MAPPED_ADDRESS, 0, 0),
        FailureReason::SendFailed { error } => {
            (stun_failure_code::STUN_FAIL_SEND, send_error_code(error) as u32, 0)
        }
        _ => (stun_failure_code::STUN_FAIL_OTHER, 0, 0),
    };
    stun_event { reason: failure as u32, code, count, ..event }
}

fn send_error_code(error: SendError) -> stun_send_error_code {
    match error {
        SendError::NoRoute => stun_send_error_code::STUN_SEND_NO_ROUTE,
        SendError::FamilyUnavailable => stun_send_error_code::STUN_SEND_NO_FAMILY,
        SendError::PermissionDenied => stun_send_error_code::STUN_SEND_NOT_PERMITTED,
        SendError::Refused => stun_send_error_code::STUN_SEND_REFUSED,
        SendError::MessageTooLarge => stun_send_error_code::STUN_SEND_TOO_LARGE,
        SendError::SocketClosed => stun_send_error_code::STUN_SEND_CLOSED,
        _ => stun_send_error_code::STUN_SEND_TRANSIENT,
    }
}

fn write_line(out: &mut String, happened: &AgentEvent) -> core::fmt::Result {
    match happened.event {
        Event::Binding(event) => write!(out, "{event}"),
        Event::Stream(event) => write!(out, "{event}"),
        _ => Ok(()),
    }
}

const NAMES: [(stun_event_code, &CStr); 6] = [
    (stun_event_code::STUN_EV_MAPPED, c"STUN_EV_MAPPED"),
    (stun_event_code::STUN_EV_FAILED, c"STUN_EV_FAILED"),
    (stun_event_code::STUN_EV_REFRESHED, c"STUN_EV_REFRESHED"),
    (stun_event_code::STUN_EV_ADDRESS_CHANGED, c"STUN_EV_ADDRESS_CHANGED"),
    (stun_event_code::STUN_EV_RETRYING, c"STUN_EV_RETRYING"),
    (stun_event_code::STUN_EV_CLOSE, c"STUN_EV_CLOSE"),
];
