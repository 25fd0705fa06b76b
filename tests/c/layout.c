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

SIZE(stun_event, 112);

SIZE(stun_config, 40);
AT(stun_config, log, 16);
AT(stun_config, log_user, 24);
AT(stun_config, log_level, 32);
AT(stun_config, reserved, 36);

SIZE(stun_binding_config, 152);
AT(stun_binding_config, username_len, 120);
AT(stun_binding_config, password, 128);
AT(stun_binding_config, password_len, 136);
AT(stun_binding_config, integrity, 144);
AT(stun_binding_config, reserved, 148);

SIZE(stun_server_config, 64);
AT(stun_server_config, username_len, 40);
AT(stun_server_config, password, 48);
AT(stun_server_config, password_len, 56);

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
#endif

/* Numbers are permanent: a program compiled today links against every later library. */
ASSERT_AT_COMPILE_TIME(STUN_OK == 0 && STUN_EMPTY == 1 && STUN_IGNORED == 2 && STUN_APP_DATA == 3);
ASSERT_AT_COMPILE_TIME(STUN_E_NULL == -1 && STUN_E_INVALID == -2 && STUN_E_STATE == -3 && STUN_E_BUFFER == -4);
ASSERT_AT_COMPILE_TIME(STUN_E_NOT_FOUND == -5 && STUN_E_LIMIT == -6 && STUN_E_ENTROPY == -7);
ASSERT_AT_COMPILE_TIME(STUN_E_BUSY == -8 && STUN_E_HANDLE == -9);
ASSERT_AT_COMPILE_TIME(STUN_E_PANIC == -100 && STUN_E_POISONED == -101);
ASSERT_AT_COMPILE_TIME(STUN_EV_MAPPED == 1 && STUN_EV_FAILED == 2 && STUN_EV_REFRESHED == 7);
ASSERT_AT_COMPILE_TIME(STUN_EV_ADDRESS_CHANGED == 8 && STUN_EV_RETRYING == 9);
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
    CHECK(strcmp(stun_event_name(4711), "STUN_EV_?") == 0);
}

int main(void)
{
    versions_agree();
    names_are_those_of_the_header();
    return check_report();
}
