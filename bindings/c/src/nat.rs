//! NAT probes: what to find out, and what was found.

use core::ffi::c_char;
use core::net::SocketAddr;

use libstun::OperationId;
use libstun::nat::{
    ConfigError, LifetimeLimits, Patience, ProbeConfig, ProbeSocket, Properties, Property, Report,
};
use libstun_flat::{UNKNOWN_OPERATION, flatten_report};

use crate::agent::copy_text;
use crate::binding::{or_default, stun_binding_config};
use crate::handle::{self, Guarded, stun_agent};
use crate::nat_report::{stun_nat_report, stun_nat_report_format};
use crate::pointer::{Growable, Slot, buffer, growable_size, read_growable, structs, write_growable};
use crate::status::{Misuse, instant, stun_status, stun_status_code::*, stun_time};
use crate::types::{path, stun_addr};

/// Values of `flags` in a stun_nat_config.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum stun_nat_flag {
    /// End requests with FINGERPRINT, for sockets that other protocols share. Gateways that rewrite addresses break it.
    STUN_NAT_FINGERPRINT = 1,
}

/// What a probe asks, and from where. Zero in a field is its default; everything is copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_nat_config {
    /// sizeof(stun_nat_config).
    pub struct_size: u32,
    /// `1u << enum stun_nat_property`, or-ed; 0 is all but STUN_NAT_LIFETIME.
    pub properties: u32,
    /// What the socket is bound to whose NAT is diagnosed. To tell how it filters, it must be fresh: nothing was sent
    /// from it before.
    pub local: stun_addr,
    /// The server, best one of RFC 5780.
    pub server: stun_addr,
    /// Your number for the socket.
    pub socket_id: u32,
    /// Your number for the second socket.
    pub second_socket_id: u32,
    /// A second socket on another port, for hairpinning and the lifetime; family 0 is none.
    pub second: stun_addr,
    /// Your own IP address on the way to the server, if the sockets are bound to an unspecified one; the port is not
    /// looked at. Family 0 if you do not know it.
    pub own: stun_addr,
    /// Further, ordinary servers, best at other IP addresses, for when `server` is an ordinary one or silent.
    pub servers: *const stun_addr,
    /// At most 8.
    pub server_count: usize,
    /// Credentials and retransmissions; nothing else in it is looked at. NULL is the default.
    pub request: *const stun_binding_config,
    /// When to report what is known. 0 is 3 minutes, and longer with STUN_NAT_LIFETIME.
    pub deadline: stun_time,
    /// The longest wait for the lifetime. 0 is 10 minutes.
    pub lifetime_max: stun_time,
    /// How exact to be about it. 0 is 5 s.
    pub lifetime_precision: stun_time,
    /// Time between the starts of two requests. 0 is 100 ms, the least that RFC 5780 s5 allows.
    pub pacing: stun_time,
    /// Time between two attempts where silence is measured. 0 is 500 ms.
    pub attempt_interval: stun_time,
    /// How long to wait for the answer to such an attempt. 0 is 1.5 s.
    pub last_wait: stun_time,
    /// How often to try at most. 0 is 40; 10 to 100.
    pub max_attempts: u32,
    /// Bytes of PADDING: the MTU of your interface. 0 is 1500.
    pub padding: u32,
    /// `enum stun_nat_flag`, or-ed.
    pub flags: u32,
    /// Set it to 0.
    pub reserved: u32,
}

/// Finds out what the NAT before you does (RFC 5780). STUN_EV_NAT_FOUND tells each property as it is decided;
/// STUN_EV_NAT_REPORT is the last event. `*out_id` names it; written on success only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_nat_probe_start(
    agent: *mut stun_agent,
    cfg: *const stun_nat_config,
    now: stun_time,
    out_id: *mut u64,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe {
        handle::call(agent, |guarded| {
            let (out, given) = (Slot::new(out_id)?, read_growable(cfg)?);
            let config = config(&given)?;
            let id = guarded.agent.start_nat_probe(config, instant(now)?)?;
            out.put(id.as_u64());
            Ok(STUN_OK)
        })
    }
}

/// What a probe has found so far, or at last: after its STUN_EV_NAT_REPORT, until the next stun_poll_event().
/// `out->struct_size` must be set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_nat_report_read(
    agent: *const stun_agent,
    id: u64,
    out: *mut stun_nat_report,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe {
        handle::call(agent, |guarded| {
            let struct_size = growable_size(out.cast_const())?;
            let report = report(guarded, id)?;
            write_growable(out, &stun_nat_report { struct_size, ..flatten_report(report).into() })?;
            Ok(STUN_OK)
        })
    }
}

/// The same as text, with what was asked and seen: `enum stun_nat_report_format`. STUN_EMPTY where RFC 3489 has no
/// name for it. Writes and measures as stun_last_error() does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_nat_report_text(
    agent: *const stun_agent,
    id: u64,
    format: u32,
    buf: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types and lengths.
    unsafe {
        handle::call(agent, |guarded| {
            let (len, buf) = (Slot::new(len)?, buffer(buf.cast(), cap)?);
            let format = stun_nat_report_format::of(format)?;
            let Some(text) = format.write(report(guarded, id)?) else { return Ok(STUN_EMPTY) };
            len.put(copy_text(&text, buf));
            Ok(STUN_OK)
        })
    }
}

fn report(guarded: &Guarded, id: u64) -> Result<&Report, Misuse> {
    if let Some((_, report)) = guarded.report.as_ref().filter(|(of, _)| *of == id) {
        return Ok(report);
    }
    guarded.agent.nat_probe(OperationId::from_u64(id)).map(|probe| probe.report()).ok_or(UNKNOWN_OPERATION)
}

/// # Safety
/// The arrays and strings must be readable for their lengths.
unsafe fn config(given: &stun_nat_config) -> Result<ProbeConfig, Misuse> {
    const FINGERPRINT: u32 = stun_nat_flag::STUN_NAT_FINGERPRINT as u32;
    if given.flags & !FINGERPRINT != 0 || given.reserved != 0 {
        return Err(Misuse(STUN_E_INVALID, "an unknown flag is set, or reserved is not 0"));
    }
    let path = path(0, given.local, given.server)?;
    let mut config = ProbeConfig::new(path.local, path.remote);
    if !given.request.is_null() {
        // SAFETY: passed on from the caller.
        let request = unsafe { read_growable(given.request)?.to_request(path)? };
        (config.credentials, config.retransmission) = (request.credentials, request.retransmission);
    }
    // SAFETY: passed on from the caller.
    let servers = unsafe { structs(given.servers, given.server_count)? };
    if servers.len() > ProbeConfig::MAX_SERVERS {
        return Err(ConfigError::TooManyServers.into()); // before they are read
    }
    let own = given.own.to_optional()?.map(|own| own.ip());
    let socket =
        |local: SocketAddr, socket_id| ProbeSocket { socket_id, address: own, ..ProbeSocket::new(local) };
    config.primary = socket(path.local, given.socket_id);
    config.second = given.second.to_optional()?.map(|local| socket(local, given.second_socket_id));
    config.servers = servers.iter().map(|server| server.to_required()).collect::<Result<_, _>>()?;
    config.properties = properties(given.properties)?;
    config.fingerprint = given.flags & FINGERPRINT != 0;
    config.deadline =
        (given.deadline != 0).then(|| or_default(given.deadline, ProbeConfig::DEFAULT_DEADLINE));
    config.pacing = or_default(given.pacing, config.pacing);
    config.lifetime = LifetimeLimits {
        max: or_default(given.lifetime_max, config.lifetime.max),
        precision: or_default(given.lifetime_precision, config.lifetime.precision),
    };
    config.patience = Patience {
        interval: or_default(given.attempt_interval, config.patience.interval),
        last_wait: or_default(given.last_wait, config.patience.last_wait),
        max_attempts: if given.max_attempts == 0 { config.patience.max_attempts } else { given.max_attempts },
    };
    if given.padding != 0 {
        config.padding = u16::try_from(given.padding).unwrap_or(u16::MAX);
    }
    Ok(config)
}

fn properties(bits: u32) -> Result<Properties, Misuse> {
    if bits == 0 {
        return Ok(Properties::QUICK);
    }
    if bits >> Property::ALL.len() != 0 {
        return Err(Misuse(STUN_E_INVALID, "an unknown property is asked for"));
    }
    let is_asked = |(number, _): &(usize, Property)| bits >> number & 1 != 0;
    let asked = Property::ALL.into_iter().enumerate().filter(is_asked);
    Ok(asked.fold(Properties::NONE, |all, (_, property)| all.with(property)))
}

// SAFETY: `repr(C)`, `struct_size` first, and only integers, arrays of them and raw pointers.
unsafe impl Growable for stun_nat_config {
    fn defaults() -> Self {
        Self {
            struct_size: 0,
            properties: 0,
            local: stun_addr::NONE,
            server: stun_addr::NONE,
            socket_id: 0,
            second_socket_id: 0,
            second: stun_addr::NONE,
            own: stun_addr::NONE,
            servers: core::ptr::null(),
            server_count: 0,
            request: core::ptr::null(),
            deadline: 0,
            lifetime_max: 0,
            lifetime_precision: 0,
            pacing: 0,
            attempt_interval: 0,
            last_wait: 0,
            max_attempts: 0,
            padding: 0,
            flags: 0,
            reserved: 0,
        }
    }

    const MIN_SIZE: u32 = 56; // up to and with `server`
}
