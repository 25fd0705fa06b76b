//! Allocations: relayed addresses at TURN servers.

use core::ffi::c_char;
use core::mem::offset_of;
use core::time::Duration;

use libstun::transaction::{Backoff, RetransmissionConfig};
use libstun::turn::{Allocation, AllocationConfig};
use libstun::{FiveTuple, Instant, OperationId};
use libstun_flat::codes::{
    keepalive_kind, redirect_policy, relay_family, relay_port, relay_transport, transport_code,
};
use libstun_flat::{UNKNOWN_OPERATION, nanos};

use crate::agent::copy_text;
use crate::binding::or_default;
use crate::credential::stun_credentials;
use crate::handle::{self, Guarded, stun_agent};
use crate::peers::{self, stun_peer_rule};
use crate::pointer::{Growable, Slot, buffer, growable_size, read_growable, reference, write_growable};

use crate::status::{Answer, Misuse, STUN_NEVER, instant, stun_status, stun_status_code::*, stun_time};
use crate::types::{path, stun_addr, stun_packet};

/// Values of `flags` in a stun_allocation_config.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum stun_allocation_flag {
    /// Leave FINGERPRINT out of requests.
    STUN_ALLOCATION_NO_FINGERPRINT = 1,
    /// Ask the server to set the DF bit of what it sends to peers (RFC 8656 s18.9). One that cannot is asked again
    /// without.
    STUN_ALLOCATION_DONT_FRAGMENT = 2,
    /// Do not ask for a ticket with which the allocation can move to another network (RFC 8016).
    STUN_ALLOCATION_NO_MOBILITY = 4,
}

/// An allocation's configuration. Zero in a field is its default; everything is copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_allocation_config {
    /// sizeof(stun_allocation_config).
    pub struct_size: u32,
    /// Between you and the server: `enum stun_transport_code`.
    pub transport: u32,
    /// What your socket is bound to; family 0 if you do not care.
    pub local: stun_addr,
    /// The server. For its name, see stun_discovery_start().
    pub server: stun_addr,
    /// Your number for the socket, handed back in each packet.
    pub socket_id: u32,
    /// `enum stun_allocation_flag`, or-ed.
    pub flags: u32,
    /// NULL for a server that asks nobody who it is.
    pub credentials: *const stun_credentials,
    /// `enum stun_relay_family`.
    pub family: u32,
    /// Between the server and peers: STUN_UDP, or STUN_TCP for connections (RFC 6062), to which you connect over TCP
    /// or TLS only.
    pub relay_transport: u32,
    /// `enum stun_relay_port`.
    pub port: u32,
    /// `enum stun_keepalive_kind`.
    pub keepalive_kind: u32,
    /// With STUN_PORT_RESERVED: the token of another allocation's STUN_EV_ALLOCATED.
    pub token: [u8; 8],
    /// The time-to-expiry to ask for, at least 1 s. 0 leaves it to the server, which mostly gives ten minutes. It is
    /// renewed in any case.
    pub lifetime: stun_time,
    /// Over UDP, send something at least that often. 0 is 25 s; at least 1 s; STUN_NEVER sends nothing for that.
    pub keepalive: stun_time,
    /// `enum stun_redirect_code`.
    pub redirects: u32,
    /// `enum stun_peer_policy_code`.
    pub peer_policy: u32,
    /// The wait after the first failure that may pass, doubling from there. 0 is 1 s.
    pub backoff_first: stun_time,
    /// The longest such wait. 0 is 60 s.
    pub backoff_max: stun_time,
    /// The first RTO. 0 is 500 ms.
    pub initial_rto: stun_time,
    /// How long to wait for an answer over TCP or TLS. 0 is 39.5 s.
    pub ti: stun_time,
    /// How often a request is sent in all. 0 is 7.
    pub rc: u32,
    /// How many RTOs to wait after the last send. 0 is 16.
    pub rm: u32,
    /// Rules that go before peer_policy.
    pub peer_rules: *const stun_peer_rule,
    /// How many.
    pub peer_rule_count: usize,
}

/// What is known of an allocation now.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_allocation_info {
    /// Set it to sizeof(stun_allocation_info) before each call; afterwards, how many bytes were filled.
    pub struct_size: u32,
    /// 1 if the server relays, so that stun_allocation_send() can work; else 0.
    pub is_allocated: u32,
    /// The relayed address, of two the IPv4 one; family 0 while there is none.
    pub relayed: stun_addr,
    /// The other one, of the other family, or family 0.
    pub additional: stun_addr,
    /// Your address as the server sees it, or family 0.
    pub mapped: stun_addr,
    /// The server, which is another than you named if it has redirected.
    pub server: stun_addr,
    /// Your own address, or family 0.
    pub local: stun_addr,
    /// When the server takes the relay back unless it is refreshed, which happens long before; STUN_NEVER if there is
    /// none.
    pub expires: stun_time,
    /// The smoothed round trip to the server in nanoseconds; STUN_NEVER until one is measured.
    pub rtt: stun_time,
    /// Between you and the server: `enum stun_transport_code`.
    pub transport: u32,
    /// Events that were dropped because you did not poll.
    pub dropped_events: u32,
}

/// Asks a TURN server for a relayed address, and keeps it: as a socket of yours that lies there. The first request is
/// queued at once; STUN_EV_ALLOCATED says when there is one. Over TCP or TLS the connection is yours to open, before
/// this call. What peers send comes out of stun_handle_input() as STUN_APP_DATA, or out of stun_unwrap_stream().
/// STUN_E_STATE if another allocation is on that path. `*out_id` names it in events; it is written on success only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_allocation_start(
    agent: *mut stun_agent,
    cfg: *const stun_allocation_config,
    now: stun_time,
    out_id: *mut u64,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe { handle::call(agent, |guarded| start(guarded, cfg, now, out_id)) }
}

/// What is known of an allocation now.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_allocation_read(
    agent: *const stun_agent,
    id: u64,
    out: *mut stun_allocation_info,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe { handle::call(agent, |guarded| read(guarded, id, out)) }
}

/// The name that the certificate of the server must carry to which an allocation was redirected (ALTERNATE-DOMAIN);
/// STUN_EMPTY if there was none. Writes and measures as stun_last_error() does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_allocation_alternate_domain(
    agent: *const stun_agent,
    id: u64,
    buf: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types and lengths.
    unsafe {
        handle::call(agent, |guarded| {
            let (len, buf) = (Slot::new(len)?, buffer(buf.cast(), cap)?);
            let allocation = guarded.agent.allocation(OperationId::from_u64(id)).ok_or(UNKNOWN_OPERATION)?;
            let Some(domain) = allocation.alternate_domain() else { return Ok(STUN_EMPTY) };
            len.put(copy_text(domain, buf));
            Ok(STUN_OK)
        })
    }
}

/// Gives an allocation other credentials, as STUN_EV_CREDENTIALS_NEEDED asks for. Where the server has rejected the
/// present ones they are used at once, otherwise when it does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_allocation_set_credentials(
    agent: *mut stun_agent,
    id: u64,
    credentials: *const stun_credentials,
    now: stun_time,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types and lengths.
    unsafe {
        handle::call(agent, |guarded| {
            let (credentials, expire) = read_growable(credentials)?.to_core()?;
            let id = OperationId::from_u64(id);
            guarded.agent.set_credentials(id, credentials, expire, instant(now)?)?;
            Ok(STUN_OK)
        })
    }
}

/// What STUN_EV_RECONNECT asked for is open, or another socket or connection of your own accord: the allocation goes
/// on there, if it can, and is lost otherwise. Of `path`, local, remote, transport and socket_id count. If you use
/// stun_stream_open(), call that first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_allocation_reconnected(
    agent: *mut stun_agent,
    id: u64,
    path: *const stun_packet,
    now: stun_time,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe {
        handle::call(agent, |guarded| {
            let (path, socket_id) = reference(path)?.to_path()?;
            let id = OperationId::from_u64(id);
            guarded.agent.relay_reconnected(id, path, socket_id, instant(now)?)?;
            Ok(STUN_OK)
        })
    }
}

/// Has the server delete an allocation, and ends it with STUN_EV_CLOSED when it has, or nobody answered. Nothing can be
/// sent to peers any more. stun_cancel() leaves it at the server until it expires. With a pool's id, every relay of it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_allocation_close(
    agent: *mut stun_agent,
    id: u64,
    now: stun_time,
) -> stun_status {
    // SAFETY: the caller's agent is NULL or live.
    unsafe {
        handle::call(agent, |guarded| {
            guarded.agent.close_relay(OperationId::from_u64(id), instant(now)?)?;
            Ok(STUN_OK)
        })
    }
}

/// # Safety
/// The pointers must be NULL or valid for their types; arrays and strings readable for their lengths.
unsafe fn start(
    guarded: &mut Guarded,
    cfg: *const stun_allocation_config,
    now: stun_time,
    out_id: *mut u64,
) -> Answer {
    // SAFETY: passed on from the caller.
    let (out, given) = unsafe { (Slot::new(out_id)?, read_growable(cfg)?) };
    let path = path(given.transport, given.local, given.server)?;
    // SAFETY: passed on from the caller.
    let config = unsafe { given.to_core(path)? };
    let id = guarded.agent.start_allocation(config, instant(now)?)?;
    out.put(id.as_u64());
    Ok(STUN_OK)
}

/// # Safety
/// `out` must be NULL or valid for as many bytes as its `struct_size` says.
unsafe fn read(guarded: &Guarded, id: u64, out: *mut stun_allocation_info) -> Answer {
    // SAFETY: passed on from the caller.
    let struct_size = unsafe { growable_size(out.cast_const())? };
    let allocation = guarded.agent.allocation(OperationId::from_u64(id)).ok_or(UNKNOWN_OPERATION)?;
    let info = stun_allocation_info { struct_size, ..stun_allocation_info::of(allocation) };
    // SAFETY: passed on from the caller.
    unsafe { write_growable(out, &info)? };
    Ok(STUN_OK)
}

impl stun_allocation_info {
    /// All but the size.
    pub(crate) fn of(allocation: &Allocation) -> Self {
        let relayed = allocation.relayed_address();
        let additional = allocation.relayed_addresses().find(|address| Some(*address) != relayed);
        let optional = |address: Option<_>| address.map_or(stun_addr::NONE, Into::into);
        let path = stun_packet::on(allocation.path());
        Self {
            is_allocated: u32::from(allocation.is_allocated()),
            relayed: optional(relayed),
            additional: optional(additional),
            mapped: optional(allocation.mapped_address()),
            server: path.remote,
            local: path.local,
            expires: allocation.expires_at().map_or(STUN_NEVER, Instant::as_nanos),
            rtt: nanos(allocation.round_trip()),
            transport: transport_code(allocation.path().transport) as u32,
            dropped_events: allocation.dropped_events(),
            ..Self::defaults()
        }
    }
}

impl stun_allocation_config {
    /// How to ask along a path: everything but the path that it names itself.
    ///
    /// # Safety
    /// What the pointers point to must be readable for its length.
    pub(crate) unsafe fn to_core(self, path: FiveTuple) -> Result<AllocationConfig, Misuse> {
        const ALL: u32 = 7;
        if self.flags & !ALL != 0 {
            return Err(Misuse(STUN_E_INVALID, "an unknown flag is set"));
        }
        let has = |flag: stun_allocation_flag| self.flags & flag as u32 != 0;
        // SAFETY: passed on from the caller.
        let (credentials, peers) = unsafe {
            let peers = peers::policy(self.peer_policy, self.peer_rules, self.peer_rule_count)?;
            let given = !self.credentials.is_null();
            (given.then(|| read_growable(self.credentials)?.to_core()).transpose()?, peers)
        };
        let (credentials, credentials_expire) = credentials.unzip();
        Ok(AllocationConfig {
            socket_id: self.socket_id,
            credentials,
            credentials_expire: credentials_expire.flatten(),
            family: relay_family(self.family)?,
            transport: relay_transport(self.relay_transport)?,
            port: relay_port(self.port, self.token)?,
            dont_fragment: has(stun_allocation_flag::STUN_ALLOCATION_DONT_FRAGMENT),
            lifetime: (self.lifetime != 0).then(|| Duration::from_nanos(self.lifetime)),
            mobility: !has(stun_allocation_flag::STUN_ALLOCATION_NO_MOBILITY),
            keepalive: (self.keepalive != STUN_NEVER)
                .then(|| or_default(self.keepalive, AllocationConfig::DEFAULT_KEEPALIVE)),
            keepalive_kind: keepalive_kind(self.keepalive_kind)?,
            peers,
            backoff: self.backoff(),
            redirects: redirect_policy(self.redirects)?,
            fingerprint: !has(stun_allocation_flag::STUN_ALLOCATION_NO_FINGERPRINT),
            retransmission: self.retransmission(),
            ..AllocationConfig::open(path)
        })
    }

    fn backoff(&self) -> Backoff {
        let defaults = Backoff::default();
        Backoff {
            first: or_default(self.backoff_first, defaults.first),
            max: or_default(self.backoff_max, defaults.max),
        }
    }

    fn retransmission(&self) -> RetransmissionConfig {
        let schedule = RetransmissionConfig::default();
        RetransmissionConfig {
            initial_rto: or_default(self.initial_rto, schedule.initial_rto),
            rc: if self.rc == 0 { schedule.rc } else { self.rc },
            rm: if self.rm == 0 { schedule.rm } else { self.rm },
            ti: or_default(self.ti, schedule.ti),
        }
    }
}

// SAFETY: `repr(C)`, `struct_size` first, and only integers, arrays of them and raw pointers.
unsafe impl Growable for stun_allocation_config {
    fn defaults() -> Self {
        Self {
            struct_size: 0,
            transport: 0,
            local: stun_addr::NONE,
            server: stun_addr::NONE,
            socket_id: 0,
            flags: 0,
            credentials: core::ptr::null(),
            family: 0,
            relay_transport: 0,
            port: 0,
            keepalive_kind: 0,
            token: [0; 8],
            lifetime: 0,
            keepalive: 0,
            redirects: 0,
            peer_policy: 0,
            backoff_first: 0,
            backoff_max: 0,
            initial_rto: 0,
            ti: 0,
            rc: 0,
            rm: 0,
            peer_rules: core::ptr::null(),
            peer_rule_count: 0,
        }
    }

    // The whole of the first version, which later ones only extend; so in the struct below.
    const MIN_SIZE: u32 = (offset_of!(Self, peer_rule_count) + size_of::<usize>()) as u32;
}

// SAFETY: `repr(C)`, `struct_size` first, and only integers and arrays of them.
unsafe impl Growable for stun_allocation_info {
    fn defaults() -> Self {
        Self {
            struct_size: 0,
            is_allocated: 0,
            relayed: stun_addr::NONE,
            additional: stun_addr::NONE,
            mapped: stun_addr::NONE,
            server: stun_addr::NONE,
            local: stun_addr::NONE,
            expires: STUN_NEVER,
            rtt: STUN_NEVER,
            transport: 0,
            dropped_events: 0,
        }
    }

    const MIN_SIZE: u32 = (offset_of!(Self, dropped_events) + size_of::<u32>()) as u32;
}
