//! Ending operations.

use libstun::OperationId;

use crate::handle::{self, stun_agent};
use crate::status::{instant, stun_status, stun_status_code::*, stun_time};

/// Ends an operation at once and without an event. STUN_E_NOT_FOUND if it has ended already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_cancel(agent: *mut stun_agent, id: u64, now: stun_time) -> stun_status {
    // SAFETY: the caller's agent is NULL or live.
    unsafe {
        handle::call(agent, |guarded| {
            guarded.agent.cancel(OperationId::from_u64(id), instant(now)?)?;
            Ok(STUN_OK)
        })
    }
}
