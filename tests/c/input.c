/* What may arrive: other protocols, strays, wrong signatures, send errors. */

#include "support.h"

static uint32_t dropped(stun_agent *agent, uint32_t reason)
{
    uint32_t count = UINT32_MAX;
    CHECK_EQ(stun_dropped(agent, reason, &count), STUN_OK);
    return count;
}

static void other_protocols_are_left_to_others(void)
{
    static const uint8_t dtls[13] = { 22, 254, 253 }, rtp[12] = { 0x80 }, text[5] = { 'h', 'e', 'l', 'l', 'o' };
    static const uint8_t channel[4] = { 0x40, 0, 0, 0 }, wrong_cookie[20] = { 0, 1, 0, 0, 1, 2, 3, 4 };
    stun_agent *agent = new_server();
    stun_packet packets[5], app;
    int n;
    packets[0] = packet_of(server_addr(), mapped_addr(), dtls, sizeof dtls);
    packets[1] = packet_of(server_addr(), mapped_addr(), rtp, sizeof rtp);
    packets[2] = packet_of(server_addr(), mapped_addr(), text, sizeof text);
    packets[3] = packet_of(server_addr(), mapped_addr(), channel, sizeof channel);
    packets[4] = packet_of(server_addr(), mapped_addr(), wrong_cookie, sizeof wrong_cookie);
    memset(&app, DIRT, sizeof app);
    for (n = 0; n < 5; n++) CHECK_EQ(stun_handle_input(agent, &packets[n], 0, &app), STUN_IGNORED);
    CHECK(is_dirty(&app, sizeof app));
    CHECK_EQ(drain(agent), 0);
    CHECK_EQ(dropped(agent, STUN_DROP_ANY), 0);
    stun_agent_free(agent);
}

/* Offers bytes that are STUN, and says whether exactly that counter rose. */
static void is_dropped(stun_agent *agent, stun_packet packet, uint32_t reason)
{
    uint32_t before = dropped(agent, reason), any = dropped(agent, STUN_DROP_ANY);
    CHECK_EQ(stun_handle_input(agent, &packet, 0, NULL), STUN_OK);
    CHECK_EQ(dropped(agent, reason), before + 1);
    CHECK_EQ(dropped(agent, STUN_DROP_ANY), any + 1);
}

static void strays_are_dropped_and_counted(void)
{
    stun_agent *client = new_agent(1, 0), *server = new_server();
    stun_binding_config config = binding_config();
    stun_packet request, reply;
    uint8_t bytes[64];
    start_binding(client, &config, 0);
    CHECK_EQ(stun_poll_transmit(client, &request), STUN_OK);
    request = packet_of(server_addr(), mapped_addr(), request.data, request.len);
    CHECK_EQ(stun_handle_input(server, &request, 0, NULL), STUN_OK);
    CHECK_EQ(stun_poll_transmit(server, &reply), STUN_OK);
    memcpy(bytes, reply.data, reply.len);
    is_dropped(client, packet_of(client_addr(), v4(192, 0, 2, 66, 3478), bytes, reply.len), STUN_DROP_WRONG_SOURCE);
    is_dropped(client, packet_of(client_addr(), server_addr(), request.data, request.len), STUN_DROP_UNEXPECTED);
    is_dropped(server, packet_of(server_addr(), mapped_addr(), bytes, reply.len), STUN_DROP_UNKNOWN_TRANSACTION);
    is_dropped(server, packet_of(server_addr(), v4(203, 0, 113, 9, 0), request.data, request.len), STUN_DROP_UNUSABLE_SOURCE);
    bytes[reply.len - 1] ^= 1;
    is_dropped(client, packet_of(client_addr(), server_addr(), bytes, reply.len), STUN_DROP_BAD_FINGERPRINT);
    bytes[reply.len - 1] ^= 1;
    bytes[1] = 0x02; /* method 2 */
    bytes[0] = 0x01;
    is_dropped(client, packet_of(client_addr(), server_addr(), bytes, reply.len), STUN_DROP_WRONG_METHOD);
    bytes[0] = 0, bytes[1] = 0x11, bytes[2] = 0, bytes[3] = 0;
    is_dropped(server, packet_of(server_addr(), mapped_addr(), bytes, 20), STUN_DROP_INDICATION);
    bytes[1] = 0x03;
    is_dropped(server, packet_of(server_addr(), mapped_addr(), bytes, 20), STUN_DROP_UNSUPPORTED_METHOD);
    bytes[1] = 0x01, bytes[3] = 4, bytes[20] = 0, bytes[21] = 0x20, bytes[22] = 0, bytes[23] = 0; /* no address in it */
    is_dropped(server, packet_of(server_addr(), mapped_addr(), bytes, 24), STUN_DROP_MALFORMED_ATTRIBUTE);
    CHECK_EQ(drain(server), 0);
    CHECK_EQ(stun_poll_timeout(client), 500 * MS); /* nothing of that ended the request */
    stun_agent_free(client);
    stun_agent_free(server);
}

static void a_server_that_nobody_drains_fills_up(void)
{
    static const uint8_t request[20] = { 0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 1 };
    stun_agent *server = new_server();
    stun_packet packet = packet_of(server_addr(), mapped_addr(), request, sizeof request);
    int n;
    for (n = 0; n < 256; n++) CHECK_EQ(stun_handle_input(server, &packet, 0, NULL), STUN_OK);
    is_dropped(server, packet, STUN_DROP_QUEUE_FULL);
    CHECK_EQ(drain(server), 256);
    CHECK_EQ(stun_handle_input(server, &packet, 0, NULL), STUN_OK);
    CHECK_EQ(drain(server), 1);
    stun_agent_free(server);
}

static stun_event fail_with(uint32_t kind, int named)
{
    stun_agent *client = new_agent(2, 0);
    stun_binding_config config = binding_config();
    stun_packet packet;
    stun_event event;
    config.refresh = STUN_NEVER;
    start_binding(client, &config, 0);
    CHECK_EQ(stun_poll_transmit(client, &packet), STUN_OK);
    if (!named) packet.data = NULL, packet.len = 0;
    CHECK_EQ(stun_handle_send_error(client, &packet, kind, 10 * MS), STUN_OK);
    next_event(client, &event);
    event.text = NULL; /* lent by the agent */
    if (event.kind == 0) CHECK_EQ(stun_poll_timeout(client), 500 * MS);
    stun_agent_free(client);
    return event;
}

static void send_errors_end_what_they_must(void)
{
    uint32_t kind;
    int named;
    for (kind = STUN_SEND_NO_ROUTE; kind <= STUN_SEND_CLOSED; kind++) {
        for (named = 0; named < 2; named++) {
            stun_event event = fail_with(kind, named);
            if (kind == STUN_SEND_TOO_LARGE && !named) {
                CHECK_EQ(event.kind, 0); /* no request is too large: it was another protocol's datagram */
                continue;
            }
            CHECK_EQ(event.kind, STUN_EV_FAILED);
            CHECK(event.reason == STUN_FAIL_SEND && event.code == kind);
        }
    }
    CHECK_EQ(fail_with(STUN_SEND_TRANSIENT, 1).kind, 0); /* the retransmission covers it */
    CHECK_EQ(fail_with(STUN_SEND_TRANSIENT, 0).kind, 0);
}

static void a_cancelled_operation_is_silent(void)
{
    stun_agent *client = new_agent(3, 0), *server = new_server();
    stun_binding_config config = binding_config();
    stun_event event;
    uint64_t first = start_binding(client, &config, 0), second = start_binding(client, &config, 0);
    CHECK(first != second);
    CHECK_EQ(stun_cancel(client, first, 0), STUN_OK);
    CHECK_EQ(stun_cancel(client, first, 0), STUN_E_NOT_FOUND);
    exchange(client, server, 0);
    CHECK_EQ(next_event(client, &event), STUN_EV_MAPPED);
    CHECK(event.id == second);
    CHECK_EQ(next_event(client, &event), 0);
    CHECK_EQ(stun_cancel(client, second, 0), STUN_OK);
    CHECK(stun_poll_timeout(client) == STUN_NEVER);
    CHECK(start_binding(client, &config, 0) != first);
    stun_agent_free(client);
    stun_agent_free(server);
}

static void no_more_operations_than_allowed(void)
{
    uint8_t seed[32];
    stun_config config = seeded(seed, 1);
    stun_binding_config binding = binding_config();
    stun_agent *agent = NULL;
    uint64_t id = 0, second;
    memset(&second, DIRT, sizeof second);
    config.max_operations = 1;
    CHECK_EQ(stun_agent_new(&config, 0, &agent), STUN_OK);
    CHECK_EQ(stun_binding_start(agent, &binding, 0, &id), STUN_OK);
    CHECK_EQ(stun_binding_start(agent, &binding, 0, &second), STUN_E_LIMIT);
    CHECK(is_dirty(&second, sizeof second));
    CHECK_EQ(stun_cancel(agent, id, 0), STUN_OK);
    CHECK_EQ(stun_binding_start(agent, &binding, 0, &id), STUN_OK);
    stun_agent_free(agent);
}

static const uint8_t USER[4] = { 'u', 's', 'e', 'r' }, PASS[4] = { 'p', 'a', 's', 's' }, WRONG[4] = { 'n', 'o', 'p', 'e' };

static stun_agent *signing_server(const uint8_t *password, uint32_t integrity)
{
    stun_agent *server = new_agent(50, 0);
    stun_server_config config = server_config();
    uint64_t id = 0;
    config.username = USER, config.username_len = sizeof USER;
    config.password = password, config.password_len = 4;
    config.integrity = integrity;
    CHECK_EQ(stun_server_start(server, &config, 0, &id), STUN_OK);
    return server;
}

static stun_binding_config signing_binding(uint32_t integrity)
{
    stun_binding_config config = binding_config();
    config.username = USER, config.username_len = sizeof USER;
    config.password = PASS, config.password_len = sizeof PASS;
    config.integrity = integrity;
    config.refresh = STUN_NEVER;
    return config;
}

static void both_ends_sign(uint32_t integrity)
{
    stun_agent *client = new_agent(4, 0), *server = signing_server(PASS, integrity);
    stun_binding_config config = signing_binding(integrity);
    stun_event event;
    start_binding(client, &config, 0);
    exchange(client, server, 0);
    CHECK_EQ(next_event(client, &event), STUN_EV_MAPPED);
    CHECK_EQ(dropped(client, STUN_DROP_ANY), 0);
    stun_agent_free(client);
    stun_agent_free(server);
}

/* An answer that nobody signed ends nothing, and yet the end says that there was one. */
static void a_wrong_password_is_told_apart_from_silence(void)
{
    stun_agent *client = new_agent(5, 0), *server = signing_server(WRONG, STUN_INTEGRITY_BOTH);
    stun_binding_config config = signing_binding(STUN_INTEGRITY_BOTH);
    stun_event event;
    stun_time at;
    start_binding(client, &config, 0);
    for (at = 0; at < 39500 * MS; at = stun_poll_timeout(client)) {
        CHECK_EQ(stun_handle_timeout(client, at), STUN_OK);
        exchange(client, server, at);
    }
    CHECK_EQ(dropped(client, STUN_DROP_UNAUTHENTICATED), 7);
    CHECK_EQ(stun_handle_timeout(client, at), STUN_OK);
    CHECK_EQ(next_event(client, &event), STUN_EV_FAILED);
    CHECK(event.reason == STUN_FAIL_INTEGRITY && event.code == 401 && event.count == 7);
    stun_agent_free(client);
    stun_agent_free(server);
}

static void a_stream_is_asked_once(void)
{
    stun_agent *client = new_agent(6, 0);
    stun_binding_config config = binding_config();
    stun_packet packet;
    config.transport = STUN_TCP;
    config.ti = 3 * SECOND;
    start_binding(client, &config, 0);
    CHECK_EQ(stun_poll_transmit(client, &packet), STUN_OK);
    CHECK_EQ(packet.transport, STUN_TCP);
    CHECK_EQ(stun_poll_timeout(client), 3 * SECOND);
    CHECK_EQ(stun_wake_reason(client), STUN_WAKE_TRANSACTION_TIMEOUT);
    stun_agent_free(client);
}

int main(void)
{
    other_protocols_are_left_to_others();
    strays_are_dropped_and_counted();
    a_server_that_nobody_drains_fills_up();
    send_errors_end_what_they_must();
    a_cancelled_operation_is_silent();
    no_more_operations_than_allowed();
    both_ends_sign(STUN_INTEGRITY_BOTH);
    both_ends_sign(STUN_INTEGRITY_SHA1);
    both_ends_sign(STUN_INTEGRITY_SHA256);
    a_wrong_password_is_told_apart_from_silence();
    a_stream_is_asked_once();
    return check_report();
}
