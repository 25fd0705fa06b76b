//! What the fuzzers found, by name: the least input that showed it, or the least code that does.

use std::ptr::null_mut;

use stun_c_abi::agent::stun_agent_new;
use stun_c_abi::config::stun_config;
use stun_c_abi::status::stun_status_code::STUN_E_INVALID;

/// Target `c_abi`: a struct_size that ended inside `seed` gave half a pointer, which was followed.
#[test]
fn struct_size_that_cuts_pointer_in_two_is_refused() {
    let seed = [7; 32];
    let right = size_of::<stun_config>() as u32;
    for struct_size in (0..=right).filter(|size| size % 8 != 0) {
        let config = stun_config {
            struct_size,
            max_operations: 0,
            seed: seed.as_ptr(),
            log: None,
            log_user: null_mut(),
            log_level: 0,
            reserved: 0,
        };
        let mut agent = null_mut();
        // SAFETY: the struct is larger than it claims to be, and `agent` is a place for the result.
        let status = unsafe { stun_agent_new(&config, 0, &mut agent) };
        assert_eq!((status, agent.is_null()), (STUN_E_INVALID as i32, true), "{struct_size}");
    }
}
