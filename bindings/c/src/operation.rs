//! Ending operations.

use libstun::OperationId;

use crate::handle::{self, stun_agent};
use crate::status::{Misuse, instant, stun_status, stun_status_code::*, stun_time};

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
                .map_err(|_| UNKNOWN_OPERATION)
        })
    }
}

/// There is none of that kind by that id.
pub(crate) const UNKNOWN_OPERATION: Misuse = Misuse(STUN_E_NOT_FOUND, "no operation of that id");
