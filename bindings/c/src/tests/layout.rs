//! The layout of every struct, as `tests/c/layout.c` asserts it from the other side.

use core::mem::{align_of, offset_of, size_of};

use crate::allocation::{stun_allocation_config, stun_allocation_info};
use crate::binding::stun_binding_config;
use crate::codec::build::stun_wire_builder;
use crate::codec::parse::{stun_wire_attribute, stun_wire_message};
use crate::config::stun_config;
use crate::credential::stun_credentials;
use crate::discovery::{stun_discovered, stun_discovery_config, stun_naptr_record, stun_srv_record};
use crate::event::stun_event;
use crate::nat::stun_nat_config;
use crate::nat_report::{stun_nat_finding, stun_nat_report};
use crate::peers::stun_peer_rule;
use crate::relay_pool::{stun_relay_pool_config, stun_relay_pool_info};
use crate::server::{stun_server_config, stun_user};
use crate::survey::{stun_survey_config, stun_target};
use crate::types::{stun_addr, stun_packet};
use crate::uri::stun_uri;

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
    assert!(size_of::<stun_event>() == 256 && size_of::<stun_config>() == 40);
    at!(stun_event: is_last 104, reserved 108, index 112, detail 116, server 120, name 144, name_len 152);
    at!(stun_event: relayed 160, additional 184, peer 208, lifetime 232, token 240, relay 248, reserved2 252);
    at!(stun_config: log 16, log_user 24, log_level 32, reserved 36);
    assert!(size_of::<stun_binding_config>() == 168 && size_of::<stun_server_config>() == 208);
    at!(stun_binding_config: username_len 120, password 128, password_len 136, integrity 144, reserved 148, credential_kind 152);
    at!(stun_binding_config: credential_flags 156, redirects 160, reserved2 164);
    at!(stun_server_config: username_len 40, password 48, password_len 56, realm 64, realm_len 72, users 80);
    at!(stun_server_config: user_count 88, nonce_lifetime 96, flags 104, amplification_percent 108, error_rate 112);
    at!(stun_server_config: error_burst 116, alternate 120, public_addrs 144, socket_ids 192);
    assert!(size_of::<stun_wire_builder>() == 32);
    at!(stun_wire_builder: buf 0, cap 8, len 16, needed 24);
    assert!(size_of::<stun_wire_message>() == 40);
    at!(stun_wire_message: data 0, len 8, covered_end 16, method 20, message_class 22, fingerprint 23);
    at!(stun_wire_message: has_sha1 24, has_sha256 25, reserved 26, id 28);
    assert!(size_of::<stun_wire_attribute>() == 24);
    at!(stun_wire_attribute: value 0, offset 8, len 12, attribute_type 14, is_covered 16, reserved 20);
    assert!(size_of::<stun_user>() == 32 && size_of::<stun_target>() == 56);
    at!(stun_user: name 0, name_len 8, password 16, password_len 24);
    at!(stun_target: local 0, server 24, transport 48, socket_id 52);
    assert!(size_of::<stun_survey_config>() == 48);
    at!(stun_survey_config: enough 4, targets 8, target_count 16, request 24, deadline 32, attempt_delay 40);
    assert!(size_of::<stun_uri>() == 64 && size_of::<stun_discovered>() == 48);
    at!(stun_uri: scheme 4, host 8, host_len 16, addr 24, port 48, default_port 52, transport 56, reserved 60);
    at!(stun_discovered: transport 4, addr 8, host 32, host_len 40);
    assert!(size_of::<stun_discovery_config>() == 80);
    at!(stun_discovery_config: service 4, uri 8, uri_len 16, host 24, host_len 32, port 40, flags 44);
    at!(stun_discovery_config: transports 48, transport_count 56, deadline 64, resolution_delay 72);
    assert!(size_of::<stun_srv_record>() == 24 && size_of::<stun_naptr_record>() == 72);
    at!(stun_srv_record: priority 0, weight 2, port 4, reserved 6, target 8, target_len 16);
    at!(stun_naptr_record: order 0, preference 2, reserved 4, flags 8, flags_len 16, services 24, services_len 32);
    at!(stun_naptr_record: regexp 40, regexp_len 48, replacement 56, replacement_len 64);
    assert!(size_of::<stun_nat_config>() == 200);
    at!(stun_nat_config: properties 4, local 8, server 32, socket_id 56, second_socket_id 60, second 64, own 88);
    at!(stun_nat_config: servers 112, server_count 120, request 128, deadline 136, lifetime_max 144);
    at!(stun_nat_config: lifetime_precision 152, pacing 160, attempt_interval 168, last_wait 176);
    at!(stun_nat_config: max_attempts 184, padding 188, flags 192, reserved 196);
    assert!(size_of::<stun_nat_finding>() == 16 && size_of::<stun_nat_report>() == 384);
    at!(stun_nat_finding: value 0, confidence 4, reason 8, detail 12);
    at!(stun_nat_report: requests 4, responses 8, depends_on_destination 12, server 16, other 40, local 64);
    at!(stun_nat_report: mapped 88, lifetime_at_least 112, lifetime_below 120, findings 128);
    assert!(size_of::<stun_credentials>() == 48 && size_of::<stun_peer_rule>() == 56);
    at!(stun_credentials: flags 4, username 8, username_len 16, password 24, password_len 32, expire 40);
    at!(stun_peer_rule: first 0, last 24, allows 48, reserved 52);
    assert!(size_of::<stun_allocation_config>() == 176 && size_of::<stun_allocation_info>() == 152);
    at!(stun_allocation_config: transport 4, local 8, server 32, socket_id 56, flags 60, credentials 64, family 72);
    at!(stun_allocation_config: relay_transport 76, port 80, keepalive_kind 84, token 88, lifetime 96, keepalive 104);
    at!(stun_allocation_config: redirects 112, peer_policy 116, backoff_first 120, backoff_max 128, initial_rto 136);
    at!(stun_allocation_config: ti 144, rc 152, rm 156, peer_rules 160, peer_rule_count 168);
    at!(stun_allocation_info: is_allocated 4, relayed 8, additional 32, mapped 56, server 80, local 104, expires 128);
    at!(stun_allocation_info: rtt 136, transport 144, dropped_events 148);
    assert!(size_of::<stun_relay_pool_config>() == 64 && size_of::<stun_relay_pool_info>() == 72);
    at!(stun_relay_pool_config: flags 4, relays 8, relay_count 16, ready 24, reserved 28, patience 32, settling 40);
    at!(stun_relay_pool_config: least_gain 48, hold 56);
    at!(stun_relay_pool_info: selected 4, relay_count 8, ready_count 12, relayed 16, additional 40);
    at!(stun_relay_pool_info: dropped_events 64, reserved 68);
};

/// The least struct_size never rises: a program that was compiled against the first header goes on.
#[test]
#[cfg(target_pointer_width = "64")]
fn the_least_size_of_each_growable_struct_is_that_of_its_first_version() {
    use crate::pointer::Growable;
    assert_eq!(<crate::survey::stun_survey_config as Growable>::MIN_SIZE, 48);
    assert_eq!(<crate::uri::stun_uri as Growable>::MIN_SIZE, 64);
    assert_eq!(<crate::discovery::stun_discovery_config as Growable>::MIN_SIZE, 80);
    assert_eq!(<crate::discovery::stun_discovered as Growable>::MIN_SIZE, 48);
    assert_eq!(<stun_credentials as Growable>::MIN_SIZE, 48);
    assert_eq!(<stun_allocation_config as Growable>::MIN_SIZE, 176);
    assert_eq!(<stun_allocation_info as Growable>::MIN_SIZE, 152);
    assert_eq!(<stun_relay_pool_config as Growable>::MIN_SIZE, 64);
    assert_eq!(<stun_relay_pool_info as Growable>::MIN_SIZE, 72);
}
