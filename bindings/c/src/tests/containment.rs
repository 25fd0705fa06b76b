//! A panic stays inside: the agent is poisoned, and everything else lives on.

use core::ptr::{null, null_mut};

use crate::agent::{stun_agent_free, stun_agent_new, stun_poll_timeout, stun_wake_reason};
use crate::config::stun_config;
use crate::handle::{call, stun_agent};
use crate::input::stun_handle_timeout;
use crate::operation::stun_cancel;
use crate::pointer::Growable;
use crate::server::{stun_server_config, stun_server_start};
use crate::status::{STUN_NEVER, stun_status_code::*};

fn agent() -> *mut stun_agent {
    let seed = [7; 32];
    let config = stun_config {
        struct_size: size_of::<stun_config>() as u32,
        seed: seed.as_ptr(),
        ..stun_config::defaults()
    };
    let mut agent = null_mut();
    // SAFETY: all pointers are to locals.
    assert_eq!(unsafe { stun_agent_new(&raw const config, 5, &raw mut agent) }, STUN_OK as i32);
    agent
}

#[test]
fn a_panic_poisons_one_agent_and_no_other() {
    let (broken, whole) = (agent(), agent());
    // SAFETY: both agents are live until they are freed at the end.
    unsafe {
        assert_eq!(call(broken, |_| panic!("injected")), STUN_E_PANIC as i32);
        assert_eq!(stun_handle_timeout(broken, 6), STUN_E_POISONED as i32);
        assert_eq!(stun_cancel(broken, 1, 6), STUN_E_POISONED as i32);
        assert_eq!((stun_poll_timeout(broken), stun_wake_reason(broken)), (STUN_NEVER, 0));
        assert_eq!(stun_handle_timeout(whole, 6), STUN_OK as i32);
        stun_agent_free(broken);
        stun_agent_free(whole);
    }
}

#[test]
fn a_call_from_inside_a_call_is_refused_and_so_is_freeing() {
    let agent = agent();
    let mut inner = 0;
    // SAFETY: the agent is live; freeing it inside a call is what is refused.
    unsafe {
        let outer = call(agent, |_| {
            inner = stun_handle_timeout(agent, 6);
            stun_agent_free(agent);
            Ok(STUN_OK)
        });
        assert_eq!((outer, inner), (STUN_OK as i32, STUN_E_BUSY as i32));
        assert_eq!(stun_handle_timeout(agent, 6), STUN_OK as i32);
        stun_agent_free(agent);
    }
}

#[test]
fn an_output_is_written_on_success_only() {
    let agent = agent();
    let mut id = 0xA5A5_A5A5;
    let config = stun_server_config { struct_size: 7, ..stun_server_config::defaults() };
    // SAFETY: the agent is live, and the pointers are NULL or to locals.
    unsafe {
        assert_eq!(stun_server_start(agent, null(), 0, &raw mut id), STUN_E_NULL as i32);
        assert_eq!(stun_server_start(agent, &raw const config, 0, &raw mut id), STUN_E_INVALID as i32);
        assert_eq!(id, 0xA5A5_A5A5);
        stun_agent_free(agent);
    }
}
