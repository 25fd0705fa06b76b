/* Sizes and offsets are the ABI. bindings/c/src/tests/layout.rs asserts the same numbers from Rust. */

#include "check.h"
#include "stun.h"

/* C99 has no static_assert: an array of negative length stops the compiler. */
#define JOIN_(left, right) left##right
#define JOIN(left, right) JOIN_(left, right)
#define ASSERT_AT_COMPILE_TIME(condition) typedef char JOIN(assertion_, __LINE__)[(condition) ? 1 : -1]

#if defined(__GNUC__)
#  pragma GCC diagnostic ignored "-Wunused-local-typedefs"
#endif

#define SIZE(type, size) ASSERT_AT_COMPILE_TIME(sizeof(type) == (size))
#define AT(type, field, offset) ASSERT_AT_COMPILE_TIME(offsetof(type, field) == (offset))

SIZE(stun_status, 4);
SIZE(stun_time, 8);

SIZE(stun_addr, 24);
AT(stun_addr, family, 0);
AT(stun_addr, reserved, 1);
AT(stun_addr, port, 2);
AT(stun_addr, scope_id, 4);
AT(stun_addr, ip, 8);

AT(stun_packet, local, 0);
AT(stun_packet, remote, 24);
AT(stun_packet, data, 48);

AT(stun_event, kind, 4);
AT(stun_event, id, 8);
AT(stun_event, addr, 16);
AT(stun_event, previous, 40);
AT(stun_event, rtt, 64);
AT(stun_event, at, 72);
AT(stun_event, reason, 80);
AT(stun_event, code, 84);
AT(stun_event, count, 88);
AT(stun_event, text_len, 92);
AT(stun_event, text, 96);
AT(stun_event, is_last, 104);
AT(stun_event, reserved, 108);

AT(stun_config, max_operations, 4);
AT(stun_config, seed, 8);

AT(stun_binding_config, transport, 4);
AT(stun_binding_config, local, 8);
AT(stun_binding_config, server, 32);
AT(stun_binding_config, socket_id, 56);
AT(stun_binding_config, flags, 60);
AT(stun_binding_config, refresh, 64);
AT(stun_binding_config, initial_rto, 72);
AT(stun_binding_config, ti, 80);
AT(stun_binding_config, rc, 88);
AT(stun_binding_config, rm, 92);
AT(stun_binding_config, backoff_first, 96);
AT(stun_binding_config, backoff_max, 104);
AT(stun_binding_config, username, 112);

AT(stun_server_config, integrity, 4);
AT(stun_server_config, local, 8);
AT(stun_server_config, username, 32);

#if UINTPTR_MAX > 0xFFFFFFFFu
SIZE(stun_packet, 72);
AT(stun_packet, len, 56);
AT(stun_packet, transport, 64);
AT(stun_packet, ecn, 65);
AT(stun_packet, flags, 66);
AT(stun_packet, socket_id, 68);

SIZE(stun_event, 256);
AT(stun_event, is_last, 104);
AT(stun_event, reserved, 108);
AT(stun_event, index, 112);
AT(stun_event, detail, 116);
AT(stun_event, server, 120);
AT(stun_event, name, 144);
AT(stun_event, name_len, 152);
AT(stun_event, relayed, 160);
AT(stun_event, additional, 184);
AT(stun_event, peer, 208);
AT(stun_event, lifetime, 232);
AT(stun_event, token, 240);
AT(stun_event, relay, 248);
AT(stun_event, reserved2, 252);

SIZE(stun_config, 40);
AT(stun_config, log, 16);
AT(stun_config, log_user, 24);
AT(stun_config, log_level, 32);
AT(stun_config, reserved, 36);

SIZE(stun_binding_config, 168);
AT(stun_binding_config, username_len, 120);
AT(stun_binding_config, password, 128);
AT(stun_binding_config, password_len, 136);
AT(stun_binding_config, integrity, 144);
AT(stun_binding_config, reserved, 148);
AT(stun_binding_config, credential_kind, 152);
AT(stun_binding_config, credential_flags, 156);
AT(stun_binding_config, redirects, 160);
AT(stun_binding_config, reserved2, 164);

SIZE(stun_server_config, 208);
AT(stun_server_config, username_len, 40);
AT(stun_server_config, password, 48);
AT(stun_server_config, password_len, 56);
AT(stun_server_config, realm, 64);
AT(stun_server_config, realm_len, 72);
AT(stun_server_config, users, 80);
AT(stun_server_config, user_count, 88);
AT(stun_server_config, nonce_lifetime, 96);
AT(stun_server_config, flags, 104);
AT(stun_server_config, amplification_percent, 108);
AT(stun_server_config, error_rate, 112);
AT(stun_server_config, error_burst, 116);
AT(stun_server_config, alternate, 120);
AT(stun_server_config, public_addrs, 144);
AT(stun_server_config, socket_ids, 192);

SIZE(stun_wire_builder, 32);
AT(stun_wire_builder, buf, 0);
AT(stun_wire_builder, cap, 8);
AT(stun_wire_builder, len, 16);
AT(stun_wire_builder, needed, 24);

SIZE(stun_wire_message, 40);
AT(stun_wire_message, data, 0);
AT(stun_wire_message, len, 8);
AT(stun_wire_message, covered_end, 16);
AT(stun_wire_message, method, 20);
AT(stun_wire_message, message_class, 22);
AT(stun_wire_message, fingerprint, 23);
AT(stun_wire_message, has_sha1, 24);
AT(stun_wire_message, has_sha256, 25);
AT(stun_wire_message, reserved, 26);
AT(stun_wire_message, id, 28);

SIZE(stun_wire_attribute, 24);
AT(stun_wire_attribute, value, 0);
AT(stun_wire_attribute, offset, 8);
AT(stun_wire_attribute, len, 12);
AT(stun_wire_attribute, attribute_type, 14);
AT(stun_wire_attribute, is_covered, 16);
AT(stun_wire_attribute, reserved, 20);

SIZE(stun_user, 32);
AT(stun_user, name, 0);
AT(stun_user, name_len, 8);
AT(stun_user, password, 16);
AT(stun_user, password_len, 24);

SIZE(stun_target, 56);
AT(stun_target, local, 0);
AT(stun_target, server, 24);
AT(stun_target, transport, 48);
AT(stun_target, socket_id, 52);

SIZE(stun_credentials, 48);
AT(stun_credentials, flags, 4);
AT(stun_credentials, username, 8);
AT(stun_credentials, username_len, 16);
AT(stun_credentials, password, 24);
AT(stun_credentials, password_len, 32);
AT(stun_credentials, expire, 40);

SIZE(stun_peer_rule, 56);
AT(stun_peer_rule, first, 0);
AT(stun_peer_rule, last, 24);
AT(stun_peer_rule, allows, 48);
AT(stun_peer_rule, reserved, 52);

SIZE(stun_allocation_config, 176);
AT(stun_allocation_config, transport, 4);
AT(stun_allocation_config, local, 8);
AT(stun_allocation_config, server, 32);
AT(stun_allocation_config, socket_id, 56);
AT(stun_allocation_config, flags, 60);
AT(stun_allocation_config, credentials, 64);
AT(stun_allocation_config, family, 72);
AT(stun_allocation_config, relay_transport, 76);
AT(stun_allocation_config, port, 80);
AT(stun_allocation_config, keepalive_kind, 84);
AT(stun_allocation_config, token, 88);
AT(stun_allocation_config, lifetime, 96);
AT(stun_allocation_config, keepalive, 104);
AT(stun_allocation_config, redirects, 112);
AT(stun_allocation_config, peer_policy, 116);
AT(stun_allocation_config, backoff_first, 120);
AT(stun_allocation_config, backoff_max, 128);
AT(stun_allocation_config, initial_rto, 136);
AT(stun_allocation_config, ti, 144);
AT(stun_allocation_config, rc, 152);
AT(stun_allocation_config, rm, 156);
AT(stun_allocation_config, peer_rules, 160);
AT(stun_allocation_config, peer_rule_count, 168);

SIZE(stun_allocation_info, 152);
AT(stun_allocation_info, is_allocated, 4);
AT(stun_allocation_info, relayed, 8);
AT(stun_allocation_info, additional, 32);
AT(stun_allocation_info, mapped, 56);
AT(stun_allocation_info, server, 80);
AT(stun_allocation_info, local, 104);
AT(stun_allocation_info, expires, 128);
AT(stun_allocation_info, rtt, 136);
AT(stun_allocation_info, transport, 144);
AT(stun_allocation_info, dropped_events, 148);

SIZE(stun_relay_pool_config, 64);
AT(stun_relay_pool_config, flags, 4);
AT(stun_relay_pool_config, relays, 8);
AT(stun_relay_pool_config, relay_count, 16);
AT(stun_relay_pool_config, ready, 24);
AT(stun_relay_pool_config, reserved, 28);
AT(stun_relay_pool_config, patience, 32);
AT(stun_relay_pool_config, settling, 40);
AT(stun_relay_pool_config, least_gain, 48);
AT(stun_relay_pool_config, hold, 56);

SIZE(stun_relay_pool_info, 72);
AT(stun_relay_pool_info, selected, 4);
AT(stun_relay_pool_info, relay_count, 8);
AT(stun_relay_pool_info, ready_count, 12);
AT(stun_relay_pool_info, relayed, 16);
AT(stun_relay_pool_info, additional, 40);
AT(stun_relay_pool_info, dropped_events, 64);
AT(stun_relay_pool_info, reserved, 68);

SIZE(stun_survey_config, 48);
AT(stun_survey_config, enough, 4);
AT(stun_survey_config, targets, 8);
AT(stun_survey_config, target_count, 16);
AT(stun_survey_config, request, 24);
AT(stun_survey_config, deadline, 32);
AT(stun_survey_config, attempt_delay, 40);

SIZE(stun_uri, 64);
AT(stun_uri, scheme, 4);
AT(stun_uri, host, 8);
AT(stun_uri, host_len, 16);
AT(stun_uri, addr, 24);
AT(stun_uri, port, 48);
AT(stun_uri, default_port, 52);
AT(stun_uri, transport, 56);
AT(stun_uri, reserved, 60);

SIZE(stun_discovered, 48);
AT(stun_discovered, transport, 4);
AT(stun_discovered, addr, 8);
AT(stun_discovered, host, 32);
AT(stun_discovered, host_len, 40);

SIZE(stun_discovery_config, 80);
AT(stun_discovery_config, service, 4);
AT(stun_discovery_config, uri, 8);
AT(stun_discovery_config, uri_len, 16);
AT(stun_discovery_config, host, 24);
AT(stun_discovery_config, host_len, 32);
AT(stun_discovery_config, port, 40);
AT(stun_discovery_config, flags, 44);
AT(stun_discovery_config, transports, 48);
AT(stun_discovery_config, transport_count, 56);
AT(stun_discovery_config, deadline, 64);
AT(stun_discovery_config, resolution_delay, 72);

SIZE(stun_srv_record, 24);
AT(stun_srv_record, priority, 0);
AT(stun_srv_record, weight, 2);
AT(stun_srv_record, port, 4);
AT(stun_srv_record, reserved, 6);
AT(stun_srv_record, target, 8);
AT(stun_srv_record, target_len, 16);

SIZE(stun_naptr_record, 72);
AT(stun_naptr_record, order, 0);
AT(stun_naptr_record, preference, 2);
AT(stun_naptr_record, reserved, 4);
AT(stun_naptr_record, flags, 8);
AT(stun_naptr_record, flags_len, 16);
AT(stun_naptr_record, services, 24);
AT(stun_naptr_record, services_len, 32);
AT(stun_naptr_record, regexp, 40);
AT(stun_naptr_record, regexp_len, 48);
AT(stun_naptr_record, replacement, 56);
AT(stun_naptr_record, replacement_len, 64);

SIZE(stun_nat_config, 200);
AT(stun_nat_config, properties, 4);
AT(stun_nat_config, local, 8);
AT(stun_nat_config, server, 32);
AT(stun_nat_config, socket_id, 56);
AT(stun_nat_config, second_socket_id, 60);
AT(stun_nat_config, second, 64);
AT(stun_nat_config, own, 88);
AT(stun_nat_config, servers, 112);
AT(stun_nat_config, server_count, 120);
AT(stun_nat_config, request, 128);
AT(stun_nat_config, deadline, 136);
AT(stun_nat_config, lifetime_max, 144);
AT(stun_nat_config, lifetime_precision, 152);
AT(stun_nat_config, pacing, 160);
AT(stun_nat_config, attempt_interval, 168);
AT(stun_nat_config, last_wait, 176);
AT(stun_nat_config, max_attempts, 184);
AT(stun_nat_config, padding, 188);
AT(stun_nat_config, flags, 192);
AT(stun_nat_config, reserved, 196);

SIZE(stun_nat_finding, 16);
AT(stun_nat_finding, value, 0);
AT(stun_nat_finding, confidence, 4);
AT(stun_nat_finding, reason, 8);
AT(stun_nat_finding, detail, 12);

SIZE(stun_nat_report, 384);
AT(stun_nat_report, requests, 4);
AT(stun_nat_report, responses, 8);
AT(stun_nat_report, depends_on_destination, 12);
AT(stun_nat_report, server, 16);
AT(stun_nat_report, other, 40);
AT(stun_nat_report, local, 64);
AT(stun_nat_report, mapped, 88);
AT(stun_nat_report, lifetime_at_least, 112);
AT(stun_nat_report, lifetime_below, 120);
AT(stun_nat_report, findings, 128);
#endif

/* Numbers are permanent: a program compiled today links against every later library. */
ASSERT_AT_COMPILE_TIME(STUN_OK == 0 && STUN_EMPTY == 1 && STUN_IGNORED == 2 && STUN_APP_DATA == 3);
ASSERT_AT_COMPILE_TIME(STUN_E_NULL == -1 && STUN_E_INVALID == -2 && STUN_E_STATE == -3 && STUN_E_BUFFER == -4);
ASSERT_AT_COMPILE_TIME(STUN_E_NOT_FOUND == -5 && STUN_E_LIMIT == -6 && STUN_E_ENTROPY == -7);
ASSERT_AT_COMPILE_TIME(STUN_E_BUSY == -8 && STUN_E_HANDLE == -9);
ASSERT_AT_COMPILE_TIME(STUN_E_PANIC == -100 && STUN_E_POISONED == -101);
ASSERT_AT_COMPILE_TIME(STUN_EV_MAPPED == 1 && STUN_EV_FAILED == 2 && STUN_EV_REFRESHED == 7);
ASSERT_AT_COMPILE_TIME(STUN_EV_ADDRESS_CHANGED == 8 && STUN_EV_RETRYING == 9);
ASSERT_AT_COMPILE_TIME(STUN_EV_CLOSE == 10 && STUN_EV_REDIRECTED == 11 && STUN_EV_RESTARTED == 12);
ASSERT_AT_COMPILE_TIME(STUN_EV_RECONNECT == 13 && STUN_EV_ANSWER == 14 && STUN_EV_NO_ANSWER == 15);
ASSERT_AT_COMPILE_TIME(STUN_EV_SURVEYED == 16 && STUN_EV_RESOLVE == 17 && STUN_EV_SERVERS == 18);
ASSERT_AT_COMPILE_TIME(STUN_EV_THROTTLED == 19 && STUN_EV_AUTHENTICATION_FAILURES == 20);
ASSERT_AT_COMPILE_TIME(STUN_EV_NAT_UNANSWERED == 21 && STUN_EV_NAT_FOUND == 22 && STUN_EV_NAT_REPORT == 23);
ASSERT_AT_COMPILE_TIME(STUN_EV_ALLOCATED == 3 && STUN_EV_LOST == 29 && STUN_EV_CLOSED == 35);
ASSERT_AT_COMPILE_TIME(STUN_EV_RELAY_READY == 36 && STUN_EV_RELAY_SELECTED == 37 && STUN_EV_MIGRATED == 38);
ASSERT_AT_COMPILE_TIME(STUN_EV_PEER_UNSERVED == 39 && STUN_EV_RELAY_SUPERSEDED == 40);
ASSERT_AT_COMPILE_TIME(STUN_MIGRATION_LOST == 1 && STUN_MIGRATION_UNRESPONSIVE == 2 && STUN_MIGRATION_FAMILY == 3);
ASSERT_AT_COMPILE_TIME(STUN_MIGRATION_FASTER == 4 && STUN_UNSERVED_POLICY == 1 && STUN_UNSERVED_FULL == 2);
ASSERT_AT_COMPILE_TIME(STUN_UNSERVED_FAMILY == 3 && STUN_RELAY_POOL_WARM_STANDBY == 1 && STUN_NO_RELAY == UINT32_MAX);
ASSERT_AT_COMPILE_TIME(STUN_FAIL_NOT_UNDERSTOOD == 8 && STUN_FAIL_RESOLVER == 14 && STUN_FAIL_OTHER == 255);
ASSERT_AT_COMPILE_TIME(STUN_NAT_LIFETIME == 11 && STUN_NAT_BOUNDED == 18 && STUN_NAT_OTHER_FAMILY == 26);
ASSERT_AT_COMPILE_TIME(STUN_NEVER == UINT64_MAX);

static void versions_agree(void)
{
    char version[32];
    int major = STUN_VERSION_NUMBER >> 16, minor = STUN_VERSION_NUMBER >> 8 & 0xFF, patch = STUN_VERSION_NUMBER & 0xFF;
    snprintf(version, sizeof version, "%d.%d.%d", major, minor, patch);
    CHECK(strcmp(version, stun_version()) == 0);
    CHECK_EQ(stun_abi_version(), STUN_ABI_VERSION);
}

static void names_are_those_of_the_header(void)
{
    CHECK(strcmp(stun_status_name(STUN_OK), "STUN_OK") == 0);
    CHECK(strcmp(stun_status_name(STUN_E_POISONED), "STUN_E_POISONED") == 0);
    CHECK(strcmp(stun_status_name(-4711), "STUN_E_?") == 0);
    CHECK(strcmp(stun_event_name(STUN_EV_MAPPED), "STUN_EV_MAPPED") == 0);
    CHECK(strcmp(stun_event_name(STUN_EV_RETRYING), "STUN_EV_RETRYING") == 0);
    CHECK(strcmp(stun_event_name(STUN_EV_NAT_REPORT), "STUN_EV_NAT_REPORT") == 0);
    CHECK(strcmp(stun_event_name(4711), "STUN_EV_?") == 0);
}

int main(void)
{
    versions_agree();
    names_are_those_of_the_header();
    return check_report();
}
