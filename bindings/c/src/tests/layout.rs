//! The layout of every struct, as `tests/c/layout.c` asserts it from the other side.

use core::mem::{align_of, offset_of, size_of};

use crate::codec::build::stun_wire_builder;
use crate::codec::parse::{stun_wire_attribute, stun_wire_message};
use crate::config::{stun_binding_config, stun_config, stun_server_config};
use crate::event::stun_event;
use crate::types::{stun_addr, stun_packet};

macro_rules! at {
    ($ty:ty: $($field:ident $offset:expr),+) => { $(assert!(offset_of!($ty, $field) == $offset);)+ };
}

const _: () = {
    assert!(size_of::<stun_addr>() == 24 && align_of::<stun_addr>() == 4);
    at!(stun_addr: family 0, reserved 1, port 2, scope_id 4, ip 8);
    at!(stun_packet: local 0, remote 24, data 48);
    at!(stun_event: struct_size 0, kind 4, id 8, addr 16, previous 40, rtt 64, at 72, reason 80, code 84, count 88);
    at!(stun_event: text_len 92, text 96);
    at!(stun_config: struct_size 0, max_operations 4, seed 8);
    at!(stun_binding_config: struct_size 0, transport 4, local 8, server 32, socket_id 56, flags 60, refresh 64);
    at!(stun_binding_config: initial_rto 72, ti 80, rc 88, rm 92, backoff_first 96, backoff_max 104, username 112);
    at!(stun_server_config: struct_size 0, integrity 4, local 8, username 32);
};

#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<stun_packet>() == 72);
    at!(stun_packet: len 56, transport 64, ecn 65, flags 66, socket_id 68);
    assert!(size_of::<stun_event>() == 112 && size_of::<stun_config>() == 40);
    at!(stun_event: is_last 104, reserved 108);
    at!(stun_config: log 16, log_user 24, log_level 32, reserved 36);
    assert!(size_of::<stun_binding_config>() == 152 && size_of::<stun_server_config>() == 64);
    at!(stun_binding_config: username_len 120, password 128, password_len 136, integrity 144, reserved 148);
    at!(stun_server_config: username_len 40, password 48, password_len 56);
    assert!(size_of::<stun_wire_builder>() == 32);
    at!(stun_wire_builder: buf 0, cap 8, len 16, needed 24);
    assert!(size_of::<stun_wire_message>() == 40);
    at!(stun_wire_message: data 0, len 8, covered_end 16, method 20, message_class 22, fingerprint 23);
    at!(stun_wire_message: has_sha1 24, has_sha256 25, reserved 26, id 28);
    assert!(size_of::<stun_wire_attribute>() == 24);
    at!(stun_wire_attribute: value 0, offset 8, len 12, attribute_type 14, is_covered 16, reserved 20);
};
