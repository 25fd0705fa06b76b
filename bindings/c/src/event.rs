//! Events: what happened, flattened into one struct that can grow.

use core::ffi::{CStr, c_char};

use libstun::nat::ProbeEvent;
use libstun::stun::DiscoveryEvent;
use libstun::{AgentEvent, Event, Machine};
pub use libstun_flat::codes::stun_event_code;
use libstun_flat::codes::stun_failure_code;
use libstun_flat::{FlatEvent, flatten, name_of, write_text};

use crate::config::stun_log_level::STUN_LOG_INFO;
use crate::handle::{self, Guarded, stun_agent};
use crate::pointer::{Growable, growable_size, write_growable};
use crate::relay_pool::STUN_NO_RELAY;
use crate::status::{Answer, stun_status, stun_status_code::*, stun_time};
use crate::types::stun_addr;

/// What happened to an operation. Fields that a kind does not name are zero; see `relay`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_event {
    /// Set it to sizeof(stun_event) before each call; afterwards, how many bytes were filled.
    pub struct_size: u32,
    /// `enum stun_event_code`.
    pub kind: u32,
    /// The operation.
    pub id: u64,
    /// Your address as the server sees it, unless the kind says otherwise.
    pub addr: stun_addr,
    /// What it was before, unless the kind says otherwise.
    pub previous: stun_addr,
    /// The round trip in nanoseconds; STUN_NEVER where a retransmission makes it unknowable.
    pub rtt: stun_time,
    /// When the next attempt is due.
    pub at: stun_time,
    /// `enum stun_failure_code`, unless the kind says otherwise.
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
    /// See the kind.
    pub index: u32,
    /// See the kind.
    pub detail: u32,
    /// The server that it concerns.
    pub server: stun_addr,
    /// A name: UTF-8, not NUL-terminated, valid until the next call on this agent.
    pub name: *const c_char,
    /// Bytes of `name`.
    pub name_len: usize,
    /// The relayed address, of two the IPv4 one.
    pub relayed: stun_addr,
    /// The other one, of the other family, or family 0.
    pub additional: stun_addr,
    /// The peer.
    pub peer: stun_addr,
    /// How long the server keeps a relay without a refresh.
    pub lifetime: stun_time,
    /// The token that the next port is kept for: for `token` in a stun_allocation_config.
    pub token: [u8; 8],
    /// The relay of a pool that it concerns; STUN_NO_RELAY where it is none of a pool. What a relay of a pool tells has the
    /// kinds of an allocation's events.
    pub relay: u32,
    /// Zero.
    pub reserved2: u32,
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
            index: 0,
            detail: 0,
            server: stun_addr::NONE,
            name: core::ptr::null(),
            name_len: 0,
            relayed: stun_addr::NONE,
            additional: stun_addr::NONE,
            peer: stun_addr::NONE,
            lifetime: 0,
            token: [0; 8],
            relay: STUN_NO_RELAY,
            reserved2: 0,
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
    guarded.event_text.clear();
    let _ = write_text(&mut guarded.event_text, &happened.event); // writing to a String cannot fail
    guarded.event_name.clear();
    guarded.event_name.push_str(name_of(&happened));
    let mut event = stun_event { struct_size, ..flatten(&happened).into() };
    event.text = guarded.event_text.as_ptr().cast();
    event.text_len = u32::try_from(guarded.event_text.len()).unwrap_or(0);
    if !guarded.event_name.is_empty() {
        event.name = guarded.event_name.as_ptr().cast();
        event.name_len = guarded.event_name.len();
    }
    keep(guarded, happened);
    guarded.logger.write(STUN_LOG_INFO, &guarded.event_text);
    // SAFETY: passed on from the caller.
    unsafe { write_growable(out, &event)? };
    Ok(STUN_OK)
}

/// Keeps what the event leads to until the next one.
fn keep(guarded: &mut Guarded, happened: AgentEvent) {
    guarded.servers.clear();
    guarded.report = None;
    match happened.event {
        Event::Discovery(DiscoveryEvent::Servers(servers)) => guarded.servers = servers,
        Event::NatProbe(ProbeEvent::Finished(report)) => {
            guarded.report = Some((happened.id.as_u64(), report));
        }
        _ => {}
    }
}

/// Everything but the size and what is lent.
impl From<FlatEvent> for stun_event {
    fn from(event: FlatEvent) -> Self {
        Self {
            kind: event.kind,
            id: event.id,
            addr: event.addr.into(),
            previous: event.previous.into(),
            rtt: event.rtt,
            at: event.at,
            reason: event.reason,
            code: event.code,
            count: event.count,
            is_last: u32::from(event.is_last),
            index: event.index,
            detail: event.detail,
            server: event.server.into(),
            relayed: event.relayed.into(),
            additional: event.additional.into(),
            peer: event.peer.into(),
            lifetime: event.lifetime,
            token: event.token,
            relay: event.relay,
            ..Self::defaults()
        }
    }
}

const NAMES: [(stun_event_code, &CStr); 37] = [
    (stun_event_code::STUN_EV_MAPPED, c"STUN_EV_MAPPED"),
    (stun_event_code::STUN_EV_FAILED, c"STUN_EV_FAILED"),
    (stun_event_code::STUN_EV_ALLOCATED, c"STUN_EV_ALLOCATED"),
    (stun_event_code::STUN_EV_REFRESHED, c"STUN_EV_REFRESHED"),
    (stun_event_code::STUN_EV_ADDRESS_CHANGED, c"STUN_EV_ADDRESS_CHANGED"),
    (stun_event_code::STUN_EV_RETRYING, c"STUN_EV_RETRYING"),
    (stun_event_code::STUN_EV_CLOSE, c"STUN_EV_CLOSE"),
    (stun_event_code::STUN_EV_REDIRECTED, c"STUN_EV_REDIRECTED"),
    (stun_event_code::STUN_EV_RESTARTED, c"STUN_EV_RESTARTED"),
    (stun_event_code::STUN_EV_RECONNECT, c"STUN_EV_RECONNECT"),
    (stun_event_code::STUN_EV_ANSWER, c"STUN_EV_ANSWER"),
    (stun_event_code::STUN_EV_NO_ANSWER, c"STUN_EV_NO_ANSWER"),
    (stun_event_code::STUN_EV_SURVEYED, c"STUN_EV_SURVEYED"),
    (stun_event_code::STUN_EV_RESOLVE, c"STUN_EV_RESOLVE"),
    (stun_event_code::STUN_EV_SERVERS, c"STUN_EV_SERVERS"),
    (stun_event_code::STUN_EV_THROTTLED, c"STUN_EV_THROTTLED"),
    (stun_event_code::STUN_EV_AUTHENTICATION_FAILURES, c"STUN_EV_AUTHENTICATION_FAILURES"),
    (stun_event_code::STUN_EV_NAT_UNANSWERED, c"STUN_EV_NAT_UNANSWERED"),
    (stun_event_code::STUN_EV_NAT_FOUND, c"STUN_EV_NAT_FOUND"),
    (stun_event_code::STUN_EV_NAT_REPORT, c"STUN_EV_NAT_REPORT"),
    (stun_event_code::STUN_EV_FAMILY_REFUSED, c"STUN_EV_FAMILY_REFUSED"),
    (stun_event_code::STUN_EV_PERMITTED, c"STUN_EV_PERMITTED"),
    (stun_event_code::STUN_EV_CHANNEL_BOUND, c"STUN_EV_CHANNEL_BOUND"),
    (stun_event_code::STUN_EV_PEER_REFUSED, c"STUN_EV_PEER_REFUSED"),
    (stun_event_code::STUN_EV_PEER_UNREACHABLE, c"STUN_EV_PEER_UNREACHABLE"),
    (stun_event_code::STUN_EV_LOST, c"STUN_EV_LOST"),
    (stun_event_code::STUN_EV_CREDENTIALS_NEEDED, c"STUN_EV_CREDENTIALS_NEEDED"),
    (stun_event_code::STUN_EV_MOVED, c"STUN_EV_MOVED"),
    (stun_event_code::STUN_EV_OPEN_CONNECTION, c"STUN_EV_OPEN_CONNECTION"),
    (stun_event_code::STUN_EV_CONNECTION_BOUND, c"STUN_EV_CONNECTION_BOUND"),
    (stun_event_code::STUN_EV_CONNECTION_FAILED, c"STUN_EV_CONNECTION_FAILED"),
    (stun_event_code::STUN_EV_CLOSED, c"STUN_EV_CLOSED"),
    (stun_event_code::STUN_EV_RELAY_READY, c"STUN_EV_RELAY_READY"),
    (stun_event_code::STUN_EV_RELAY_SELECTED, c"STUN_EV_RELAY_SELECTED"),
    (stun_event_code::STUN_EV_MIGRATED, c"STUN_EV_MIGRATED"),
    (stun_event_code::STUN_EV_PEER_UNSERVED, c"STUN_EV_PEER_UNSERVED"),
    (stun_event_code::STUN_EV_RELAY_SUPERSEDED, c"STUN_EV_RELAY_SUPERSEDED"),
];
