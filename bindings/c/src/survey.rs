//! Surveys: many servers at once, or one after the other until enough have answered.

use core::mem::offset_of;
use core::time::Duration;

use libstun::stun::SurveyConfig;
use libstun::stun::survey::{SurveyError, SurveyTarget};

use crate::binding::{or_default, stun_binding_config};
use crate::handle::{self, Guarded, stun_agent};
use crate::pointer::{Growable, Slot, read_growable, structs};
use crate::status::{Answer, Misuse, STUN_NEVER, instant, stun_status, stun_status_code::*, stun_time};
use crate::types::{path, stun_addr};

/// The attempt_delay of a race: half as long as people notice, and as RFC 8305 s8 has it.
pub const STUN_ATTEMPT_DELAY: stun_time = 250_000_000;

/// One server, and the socket from which it is asked. Frozen.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_target {
    /// What your socket is bound to; family 0 if you do not care.
    pub local: stun_addr,
    /// The server.
    pub server: stun_addr,
    /// `enum stun_transport_code`. A connection is yours to open, before the survey starts.
    pub transport: u32,
    /// Your number for the socket, handed back in each packet.
    pub socket_id: u32,
}

/// A survey's configuration. Zero in a field is its default; everything is copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_survey_config {
    /// sizeof(stun_survey_config).
    pub struct_size: u32,
    /// Answers after which nobody else is asked; 0 is all.
    pub enough: u32,
    /// Whom to ask, in that order.
    pub targets: *const stun_target,
    /// 1 to 64.
    pub target_count: usize,
    /// How each is asked: credentials, flags, redirects, retransmissions; transport, addresses, socket_id, refresh and
    /// backoff are not looked at. NULL is the default.
    pub request: *const stun_binding_config,
    /// How long the whole may take. 0 is 10 s; STUN_NEVER leaves each the time of its request.
    pub deadline: stun_time,
    /// How long to wait before the next one is asked; a failure does not wait. 0 asks all at once; else at least
    /// 10 ms, best STUN_ATTEMPT_DELAY, with `enough` 1 for a race.
    pub attempt_delay: stun_time,
}

/// Asks many servers, over one or several sockets. Each ends with STUN_EV_ANSWER or STUN_EV_NO_ANSWER and disturbs
/// no other; STUN_EV_SURVEYED is the last event. `*out_id` names it; written on success only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_survey_start(
    agent: *mut stun_agent,
    cfg: *const stun_survey_config,
    now: stun_time,
    out_id: *mut u64,
) -> stun_status {
    // SAFETY: the caller's pointers are NULL or valid for their types.
    unsafe { handle::call(agent, |guarded| start(guarded, cfg, now, out_id)) }
}

/// # Safety
/// The pointers must be NULL or valid for their types; arrays and strings readable for their lengths.
unsafe fn start(
    guarded: &mut Guarded,
    cfg: *const stun_survey_config,
    now: stun_time,
    out_id: *mut u64,
) -> Answer {
    // SAFETY: passed on from the caller.
    let (out, given) = unsafe { (Slot::new(out_id)?, read_growable(cfg)?) };
    // SAFETY: passed on from the caller.
    let targets = unsafe { structs(given.targets, given.target_count)? };
    if targets.len() > MAX_TARGETS {
        return Err(SurveyError::TooManyTargets.into()); // before anything is read
    }
    let targets: Vec<SurveyTarget> =
        targets.iter().map(|target| target.to_target()).collect::<Result<_, _>>()?;
    let mut config = SurveyConfig::all(targets);
    if !given.request.is_null() {
        // SAFETY: passed on from the caller.
        config.request = unsafe { read_growable(given.request)?.to_request(config.request.path)? };
    }
    if given.enough != 0 {
        config.enough = given.enough as usize;
    }
    config.deadline =
        (given.deadline != STUN_NEVER).then(|| or_default(given.deadline, SurveyConfig::DEFAULT_DEADLINE));
    config.attempt_delay = Duration::from_nanos(given.attempt_delay);
    let id = guarded.agent.start_survey(config, instant(now)?)?;
    out.put(id.as_u64());
    Ok(STUN_OK)
}

const MAX_TARGETS: usize = libstun::stun::ServerSurvey::MAX_TARGETS;

const _: () = assert!(MAX_TARGETS == 64); // as the header says

impl stun_target {
    fn to_target(self) -> Result<SurveyTarget, Misuse> {
        let path = path(self.transport, self.local, self.server)?;
        Ok(SurveyTarget { path, socket_id: self.socket_id })
    }
}

// SAFETY: `repr(C)`, `struct_size` first, and only integers and raw pointers.
unsafe impl Growable for stun_survey_config {
    fn defaults() -> Self {
        Self {
            struct_size: 0,
            enough: 0,
            targets: core::ptr::null(),
            target_count: 0,
            request: core::ptr::null(),
            deadline: 0,
            attempt_delay: 0,
        }
    }

    // The whole of the first version, which later ones only extend.
    const MIN_SIZE: u32 = (offset_of!(Self, attempt_delay) + size_of::<stun_time>()) as u32;
}
