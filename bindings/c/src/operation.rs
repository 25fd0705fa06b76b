//! Starting and ending operations.

use core::time::Duration;

use libstun::OperationId;
use libstun::stun::binding::Backoff;
use libstun::stun::{BindingConfig, ServerConfig};
use libstun::transaction::RetransmissionConfig;

use crate::config::{credentials, start_misuse, stun_binding_config, stun_binding_flag, stun_server_config};
use crate::handle::{self, Guarded, stun_agent};
use crate::pointer::{Slot, read_growable};
use crate::status::{Answer, Misuse, STUN_NEVER, instant, stun_status, stun_status_code::*, stun_time};
use crate::types::path;

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
    unsafe { handle::call(agent, |guarded| start_binding(guarded, cfg, now, out_id)) }
}

/// Answers Binding requests that arrive at an address. Holds no state about anybody.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_server_start(
    agent: *mut stun_agent,
    cfg: *const stun_server_config,
    now: stun_time,
    out_id: *mut u64,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe { handle::call(agent, |guarded| start_server(guarded, cfg, now, out_id)) }
}

/// Ends an operation at once and without an event. STUN_E_NOT_FOUND if it has ended already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_cancel(agent: *mut stun_agent, id: u64, now: stun_time) -> stun_status {
    // SAFETY: the caller's agent is NULL or live.
    unsafe {
        handle::call(agent, |guarded| {
            guarded
                .agent
                .cancel(OperationId::from_u64(id), instant(now)?)
                .map(|()| STUN_OK)
                .map_err(|_| Misuse(STUN_E_NOT_FOUND, "no operation of that id"))
        })
    }
}

/// # Safety
/// The pointers must be NULL or valid for their types; strings readable for their lengths.
unsafe fn start_binding(
    guarded: &mut Guarded,
    cfg: *const stun_binding_config,
    now: stun_time,
    out_id: *mut u64,
) -> Answer {
    // SAFETY: passed on from the caller.
    let (out, config) = unsafe { (Slot::new(out_id)?, read_growable(cfg)?) };
    // SAFETY: passed on from the caller.
    let config = unsafe { binding_config(&config)? };
    let id = guarded.agent.start_binding(config, instant(now)?).map_err(start_misuse)?;
    out.put(id.as_u64());
    Ok(STUN_OK)
}

/// # Safety
/// As for [`start_binding`].
unsafe fn start_server(
    guarded: &mut Guarded,
    cfg: *const stun_server_config,
    now: stun_time,
    out_id: *mut u64,
) -> Answer {
    // SAFETY: passed on from the caller.
    let (out, config) = unsafe { (Slot::new(out_id)?, read_growable(cfg)?) };
    let (username, password) =
        ((config.username, config.username_len), (config.password, config.password_len));
    // SAFETY: passed on from the caller.
    let credentials = unsafe { credentials(username, password, config.integrity)? }.map(Into::into);
    let config = ServerConfig { local: config.local.to_optional()?, credentials, ..ServerConfig::default() };
    let id = guarded.agent.start_server(config, instant(now)?).map_err(start_misuse)?;
    out.put(id.as_u64());
    Ok(STUN_OK)
}

/// # Safety
/// The strings must be readable for their lengths.
unsafe fn binding_config(given: &stun_binding_config) -> Result<BindingConfig, Misuse> {
    const NO_FINGERPRINT: u32 = stun_binding_flag::STUN_BINDING_NO_FINGERPRINT as u32;
    const ACCEPT_MAPPED: u32 = stun_binding_flag::STUN_BINDING_ACCEPT_MAPPED_ADDRESS as u32;
    if given.flags & !(NO_FINGERPRINT | ACCEPT_MAPPED) != 0 || given.reserved != 0 {
        return Err(Misuse(STUN_E_INVALID, "an unknown flag is set, or reserved is not 0"));
    }
    let (username, password) = ((given.username, given.username_len), (given.password, given.password_len));
    let defaults = BindingConfig::new(path(given.transport, given.local, given.server)?);
    let schedule = RetransmissionConfig::default();
    Ok(BindingConfig {
        socket_id: given.socket_id,
        refresh: (given.refresh != STUN_NEVER)
            .then(|| or_default(given.refresh, BindingConfig::DEFAULT_REFRESH)),
        backoff: Backoff {
            first: or_default(given.backoff_first, defaults.backoff.first),
            max: or_default(given.backoff_max, defaults.backoff.max),
        },
        // SAFETY: passed on from the caller.
        credentials: unsafe { credentials(username, password, given.integrity)? }.map(Into::into),
        fingerprint: given.flags & NO_FINGERPRINT == 0,
        accepts_mapped_address: given.flags & ACCEPT_MAPPED != 0,
        retransmission: RetransmissionConfig {
            initial_rto: or_default(given.initial_rto, schedule.initial_rto),
            rc: if given.rc == 0 { schedule.rc } else { given.rc },
            rm: if given.rm == 0 { schedule.rm } else { given.rm },
            ti: or_default(given.ti, schedule.ti),
        },
        ..defaults
    })
}

fn or_default(nanos: u64, default: Duration) -> Duration {
    if nanos == 0 { default } else { Duration::from_nanos(nanos) }
}
