//! Bindings: how to ask, and what can be told to one that is under way.

use core::ffi::c_char;
use core::time::Duration;

use libstun::auth::Credentials;
use libstun::stun::BindingConfig;
use libstun::stun::binding::Backoff;
use libstun::transaction::RetransmissionConfig;
use libstun::{FiveTuple, OperationId};
use libstun_flat::UNKNOWN_OPERATION;
use libstun_flat::codes::redirect_policy;

use crate::agent::copy_text;
use crate::credential;
use crate::handle::{self, Guarded, stun_agent};
use crate::pointer::{Growable, Slot, buffer, read_growable, reference};
use crate::status::{Answer, Misuse, STUN_NEVER, instant, stun_status, stun_status_code::*, stun_time};
use crate::types::{path, stun_addr, stun_packet};

/// Values of `flags` in a stun_binding_config.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum stun_binding_flag {
    /// Leave FINGERPRINT out of requests.
    STUN_BINDING_NO_FINGERPRINT = 1,
    /// Take MAPPED-ADDRESS where XOR-MAPPED-ADDRESS is missing, as servers of RFC 3489 send it.
    STUN_BINDING_ACCEPT_MAPPED_ADDRESS = 2,
}

/// A binding's configuration. Zero in a field is its default. Strings are copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_binding_config {
    /// sizeof(stun_binding_config).
    pub struct_size: u32,
    /// `enum stun_transport_code`.
    pub transport: u32,
    /// What your socket is bound to; family 0 if you do not care.
    pub local: stun_addr,
    /// The server. For its name, see stun_discovery_start().
    pub server: stun_addr,
    /// Your number for the socket, handed back in each packet.
    pub socket_id: u32,
    /// `enum stun_binding_flag`, or-ed.
    pub flags: u32,
    /// Ask again this long after the last request. 0 is 25 s; at least 1 s; STUN_NEVER asks once.
    pub refresh: stun_time,
    /// The first RTO. 0 is 500 ms.
    pub initial_rto: stun_time,
    /// How long to wait for an answer over TCP or TLS. 0 is 39.5 s.
    pub ti: stun_time,
    /// How often a request is sent in all. 0 is 7.
    pub rc: u32,
    /// How many RTOs to wait after the last send. 0 is 16.
    pub rm: u32,
    /// The wait after the first failure while refreshing, doubling from there. 0 is 1 s.
    pub backoff_first: stun_time,
    /// The longest such wait. 0 is 60 s.
    pub backoff_max: stun_time,
    /// The username of a credential, UTF-8; NULL is none. A short-term one is taken as it is, so prepare it as an
    /// OpaqueString; a long-term one is prepared here (RFC 8265 s4.2).
    pub username: *const u8,
    /// 1 to 508.
    pub username_len: usize,
    /// Its password.
    pub password: *const u8,
    /// At least 1.
    pub password_len: usize,
    /// `enum stun_integrity_code`.
    pub integrity: u32,
    /// Set it to 0.
    pub reserved: u32,
    /// `enum stun_credential_kind`.
    pub credential_kind: u32,
    /// `enum stun_credential_flag`, or-ed.
    pub credential_flags: u32,
    /// `enum stun_redirect_code`.
    pub redirects: u32,
    /// Set it to 0.
    pub reserved2: u32,
}

/// Asks a STUN server for your public address, and goes on asking so that the NAT keeps the binding. The
/// first request is queued at once. Over TCP or TLS the connection is yours to open, before this call.
/// `*out_id` names it in events; it is written on success only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_binding_start(
    agent: *mut stun_agent,
    cfg: *const stun_binding_config,
    now: stun_time,
    out_id: *mut u64,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe { handle::call(agent, |guarded| start(guarded, cfg, now, out_id)) }
}

/// Whether a binding or an allocation may ask the server that STUN_EV_REDIRECTED has named: 1 or 0. Refused, it fails.
/// Without effect if it does not wait for an answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_answer_redirect(
    agent: *mut stun_agent,
    id: u64,
    accept: u32,
    now: stun_time,
) -> stun_status {
    // SAFETY: the caller's agent is NULL or live.
    unsafe {
        handle::call(agent, |guarded| {
            if accept > 1 {
                return Err(Misuse(STUN_E_INVALID, "accept is neither 0 nor 1"));
            }
            guarded.agent.answer_redirect(OperationId::from_u64(id), accept == 1, instant(now)?)?;
            Ok(STUN_OK)
        })
    }
}

/// The connection that a binding has asked for with STUN_EV_RECONNECT is open. Of `path`, local, remote and transport
/// count. If you use stun_stream_open(), call that first. For allocations, see stun_allocation_reconnected().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_reconnected(
    agent: *mut stun_agent,
    id: u64,
    path: *const stun_packet,
    now: stun_time,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe {
        handle::call(agent, |guarded| {
            let (path, _) = reference(path)?.to_path()?;
            guarded.agent.reconnected(OperationId::from_u64(id), path, instant(now)?)?;
            Ok(STUN_OK)
        })
    }
}

/// Changes how often a binding asks again, at once. 0 is 25 s, less than 1 s counts as that. With STUN_NEVER it stays,
/// and asks no more until this is called again. stun_set_power() with an interval goes before it when it is called next.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_set_refresh(
    agent: *mut stun_agent,
    id: u64,
    refresh: stun_time,
    now: stun_time,
) -> stun_status {
    // SAFETY: the caller's agent is NULL or live.
    unsafe {
        handle::call(agent, |guarded| {
            guarded.agent.set_refresh(OperationId::from_u64(id), interval(refresh), instant(now)?)?;
            Ok(STUN_OK)
        })
    }
}

/// The name that the certificate of the server must carry to which a binding was redirected (ALTERNATE-DOMAIN);
/// STUN_EMPTY if there was none. Of a redirection that was not signed it is as trustworthy as the network. Writes and
/// measures as stun_last_error() does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_binding_alternate_domain(
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
            let binding = guarded.agent.binding(OperationId::from_u64(id)).ok_or(UNKNOWN_OPERATION)?;
            let Some(domain) = binding.alternate_domain() else { return Ok(STUN_EMPTY) };
            len.put(copy_text(domain, buf));
            Ok(STUN_OK)
        })
    }
}

/// # Safety
/// The pointers must be NULL or valid for their types; strings readable for their lengths.
unsafe fn start(
    guarded: &mut Guarded,
    cfg: *const stun_binding_config,
    now: stun_time,
    out_id: *mut u64,
) -> Answer {
    // SAFETY: passed on from the caller.
    let (out, config) = unsafe { (Slot::new(out_id)?, read_growable(cfg)?) };
    let path = path(config.transport, config.local, config.server)?;
    // SAFETY: passed on from the caller.
    let config = unsafe { config.to_request(path)? };
    let id = guarded.agent.start_binding(config, instant(now)?)?;
    out.put(id.as_u64());
    Ok(STUN_OK)
}

impl stun_binding_config {
    /// How to ask along a path: everything but the path that it names itself.
    ///
    /// # Safety
    /// The strings must be readable for their lengths.
    pub(crate) unsafe fn to_request(self, path: FiveTuple) -> Result<BindingConfig, Misuse> {
        const NO_FINGERPRINT: u32 = stun_binding_flag::STUN_BINDING_NO_FINGERPRINT as u32;
        const ACCEPT_MAPPED: u32 = stun_binding_flag::STUN_BINDING_ACCEPT_MAPPED_ADDRESS as u32;
        if self.flags & !(NO_FINGERPRINT | ACCEPT_MAPPED) != 0 || self.reserved != 0 || self.reserved2 != 0 {
            return Err(Misuse(STUN_E_INVALID, "an unknown flag is set, or reserved is not 0"));
        }
        let defaults = BindingConfig::new(path);
        Ok(BindingConfig {
            socket_id: self.socket_id,
            refresh: interval(self.refresh),
            backoff: Backoff {
                first: or_default(self.backoff_first, defaults.backoff.first),
                max: or_default(self.backoff_max, defaults.backoff.max),
            },
            // SAFETY: passed on from the caller.
            credentials: unsafe { self.credentials()? },
            fingerprint: self.flags & NO_FINGERPRINT == 0,
            accepts_mapped_address: self.flags & ACCEPT_MAPPED != 0,
            redirects: redirect_policy(self.redirects)?,
            retransmission: self.retransmission(),
            ..defaults
        })
    }

    /// # Safety
    /// The strings must be readable for their lengths.
    unsafe fn credentials(&self) -> Result<Option<Credentials>, Misuse> {
        let what = (self.credential_kind, self.credential_flags, self.integrity);
        let (username, password) = ((self.username, self.username_len), (self.password, self.password_len));
        // SAFETY: passed on from the caller.
        unsafe { credential::client(what, username, password) }
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

/// A duration of the caller's, where 0 is the default.
pub(crate) fn or_default(nanos: u64, default: Duration) -> Duration {
    if nanos == 0 { default } else { Duration::from_nanos(nanos) }
}

fn interval(refresh: stun_time) -> Option<Duration> {
    (refresh != STUN_NEVER).then(|| or_default(refresh, BindingConfig::DEFAULT_REFRESH))
}

// SAFETY: `repr(C)`, `struct_size` first, and only integers, arrays of them and raw pointers.
unsafe impl Growable for stun_binding_config {
    fn defaults() -> Self {
        Self {
            struct_size: 0,
            transport: 0,
            local: stun_addr::NONE,
            server: stun_addr::NONE,
            socket_id: 0,
            flags: 0,
            refresh: 0,
            initial_rto: 0,
            ti: 0,
            rc: 0,
            rm: 0,
            backoff_first: 0,
            backoff_max: 0,
            username: core::ptr::null(),
            username_len: 0,
            password: core::ptr::null(),
            password_len: 0,
            integrity: 0,
            reserved: 0,
            credential_kind: 0,
            credential_flags: 0,
            redirects: 0,
            reserved2: 0,
        }
    }

    const MIN_SIZE: u32 = 56; // up to and with `server`
}
