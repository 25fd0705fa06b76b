/* Misuse of the calls for relays: NULL in each place, wrong sizes, wrong numbers, wrong handles, wrong moments.
 * Whatever is refused writes nothing. */

#include "turn.h"

#define HUGE_LEN (SIZE_MAX / 2 + 1)

static const uint8_t hello[5] = { 'h', 'e', 'l', 'l', 'o' };
static stun_agent *agent;
static uint64_t id;

static void ids_stay(void) { CHECK(is_dirty(&id, sizeof id)); }

static stun_credentials credentials_of(const uint8_t *text, size_t len)
{
    stun_credentials credentials;
    memset(&credentials, 0, sizeof credentials);
    credentials.struct_size = (uint32_t)sizeof credentials;
    credentials.username = credentials.password = text;
    credentials.username_len = credentials.password_len = len;
    return credentials;
}

static void no_agent_at_all(void)
{
    uint8_t no_handle[64], buf[64];
    stun_agent *wrong[2];
    stun_packet packet = packet_of(client_addr(), server_addr(), NULL, 0);
    stun_allocation_config config = allocation_config();
    stun_credentials credentials = credentials_of(hello, 5);
    stun_allocation_info info;
    stun_addr peer = peer_addr();
    uint16_t channel;
    size_t len;
    char text[8];
    int n;
    memset(no_handle, 0, sizeof no_handle);
    memset(&info, DIRT, sizeof info);
    memset(&channel, DIRT, sizeof channel);
    memset(&len, DIRT, sizeof len);
    wrong[0] = NULL;
    wrong[1] = (stun_agent *)(void *)no_handle;
    for (n = 0; n < 2; n++) {
        stun_status expected = n == 0 ? STUN_E_NULL : STUN_E_HANDLE;
        CHECK_EQ(stun_allocation_start(wrong[n], &config, 0, &id), expected);
        CHECK_EQ(stun_allocation_read(wrong[n], 1, &info), expected);
        CHECK_EQ(stun_allocation_alternate_domain(wrong[n], 1, text, 8, &len), expected);
        CHECK_EQ(stun_allocation_set_credentials(wrong[n], 1, &credentials, 0), expected);
        CHECK_EQ(stun_allocation_reconnected(wrong[n], 1, &packet, 0), expected);
        CHECK_EQ(stun_allocation_close(wrong[n], 1, 0), expected);
        CHECK_EQ(stun_allocation_permit(wrong[n], 1, &peer, 0), expected);
        CHECK_EQ(stun_allocation_revoke(wrong[n], 1, &peer, 0), expected);
        CHECK_EQ(stun_allocation_bind_channel(wrong[n], 1, &peer, 0), expected);
        CHECK_EQ(stun_allocation_release_channel(wrong[n], 1, &peer, 0), expected);
        CHECK_EQ(stun_allocation_peer(wrong[n], 1, &peer, &channel), expected);
        CHECK_EQ(stun_allocation_connect(wrong[n], 1, &peer, 0), expected);
        CHECK_EQ(stun_allocation_connection_opened(wrong[n], 1, 1, &packet, 0), expected);
        CHECK_EQ(stun_allocation_send(wrong[n], 1, &peer, hello, 5, buf, 64, 0, &packet), expected);
        CHECK_EQ(stun_allocation_send(wrong[n], 1, &peer, buf, 5, buf, 64, 0, &packet), expected);
        CHECK_EQ(stun_allocation_send_in_place(wrong[n], 1, &peer, buf, 64, 52, 5, 0, &packet), expected);
        CHECK_EQ(stun_unwrap_stream(wrong[n], 1, hello, 5, 0, &len, &packet), expected);
    }
    CHECK(is_dirty(&info, sizeof info) && is_dirty(&channel, sizeof channel) && is_dirty(&len, sizeof len));
    ids_stay();
}

static void null_in_each_other_place(void)
{
    stun_allocation_config config = allocation_config();
    stun_packet packet;
    stun_addr peer = peer_addr();
    uint8_t buf[64];
    uint16_t channel;
    size_t len;
    char text[8];
    memset(&packet, DIRT, sizeof packet);
    CHECK_EQ(stun_allocation_start(agent, NULL, 0, &id), STUN_E_NULL);
    CHECK_EQ(stun_allocation_start(agent, &config, 0, NULL), STUN_E_NULL);
    config.peer_rule_count = 1;
    CHECK_EQ(stun_allocation_start(agent, &config, 0, &id), STUN_E_NULL);
    CHECK_EQ(stun_allocation_read(agent, 1, NULL), STUN_E_NULL);
    CHECK_EQ(stun_allocation_alternate_domain(agent, 1, text, 8, NULL), STUN_E_NULL);
    CHECK_EQ(stun_allocation_alternate_domain(agent, 1, NULL, 8, &len), STUN_E_NULL);
    CHECK_EQ(stun_allocation_set_credentials(agent, 1, NULL, 0), STUN_E_NULL);
    CHECK_EQ(stun_allocation_reconnected(agent, 1, NULL, 0), STUN_E_NULL);
    CHECK_EQ(stun_allocation_permit(agent, 1, NULL, 0), STUN_E_NULL);
    CHECK_EQ(stun_allocation_revoke(agent, 1, NULL, 0), STUN_E_NULL);
    CHECK_EQ(stun_allocation_bind_channel(agent, 1, NULL, 0), STUN_E_NULL);
    CHECK_EQ(stun_allocation_release_channel(agent, 1, NULL, 0), STUN_E_NULL);
    CHECK_EQ(stun_allocation_peer(agent, 1, NULL, &channel), STUN_E_NULL);
    CHECK_EQ(stun_allocation_peer(agent, 1, &peer, NULL), STUN_E_NULL);
    CHECK_EQ(stun_allocation_connect(agent, 1, NULL, 0), STUN_E_NULL);
    CHECK_EQ(stun_allocation_connection_opened(agent, 1, 1, NULL, 0), STUN_E_NULL);
    CHECK_EQ(stun_allocation_send(agent, 1, NULL, hello, 5, buf, 64, 0, &packet), STUN_E_NULL);
    CHECK_EQ(stun_allocation_send(agent, 1, &peer, NULL, 5, buf, 64, 0, &packet), STUN_E_NULL);
    CHECK_EQ(stun_allocation_send(agent, 1, &peer, hello, 5, NULL, 64, 0, &packet), STUN_E_NULL);
    CHECK_EQ(stun_allocation_send(agent, 1, &peer, hello, 5, buf, 64, 0, NULL), STUN_E_NULL);
    CHECK_EQ(stun_allocation_send_in_place(agent, 1, NULL, buf, 64, 52, 5, 0, &packet), STUN_E_NULL);
    CHECK_EQ(stun_allocation_send_in_place(agent, 1, &peer, NULL, 64, 52, 5, 0, &packet), STUN_E_NULL);
    CHECK_EQ(stun_allocation_send_in_place(agent, 1, &peer, buf, 64, 52, 5, 0, NULL), STUN_E_NULL);
    CHECK_EQ(stun_unwrap_stream(agent, 1, NULL, 5, 0, &len, &packet), STUN_E_NULL);
    CHECK_EQ(stun_unwrap_stream(agent, 1, hello, 5, 0, NULL, &packet), STUN_E_NULL);
    CHECK_EQ(stun_unwrap_stream(agent, 1, hello, 5, 0, &len, NULL), STUN_E_NULL);
    CHECK(is_dirty(&packet, sizeof packet));
    ids_stay();
}

/* An id that was never given; and that of something else. */
static void no_such_relay(uint64_t unknown)
{
    stun_allocation_info info;
    stun_credentials credentials = credentials_of(hello, 5);
    stun_packet path = packet_of(client_addr(), server_addr(), NULL, 0), packet;
    stun_addr peer = peer_addr();
    uint8_t buf[64];
    uint16_t channel;
    size_t len;
    memset(&info, DIRT, sizeof info);
    info.struct_size = (uint32_t)sizeof info;
    CHECK_EQ(stun_allocation_read(agent, unknown, &info), STUN_E_NOT_FOUND);
    CHECK(is_dirty((char *)&info + 4, sizeof info - 4));
    CHECK_EQ(stun_allocation_alternate_domain(agent, unknown, NULL, 0, &len), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_allocation_set_credentials(agent, unknown, &credentials, 0), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_allocation_reconnected(agent, unknown, &path, 0), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_allocation_close(agent, unknown, 0), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_allocation_permit(agent, unknown, &peer, 0), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_allocation_revoke(agent, unknown, &peer, 0), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_allocation_bind_channel(agent, unknown, &peer, 0), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_allocation_release_channel(agent, unknown, &peer, 0), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_allocation_peer(agent, unknown, &peer, &channel), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_allocation_connect(agent, unknown, &peer, 0), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_allocation_connection_opened(agent, unknown, 1, &path, 0), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_allocation_send(agent, unknown, &peer, hello, 5, buf, 64, 0, &packet), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_allocation_send_in_place(agent, unknown, &peer, buf, 64, 52, 5, 0, &packet), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_unwrap_stream(agent, unknown, hello, 5, 0, &len, &packet), STUN_E_NOT_FOUND);
}

static void an_allocation_refuses(const stun_allocation_config *config)
{
    CHECK_EQ(stun_allocation_start(agent, config, 0, &id), STUN_E_INVALID);
    ids_stay();
}

static void allocations_that_cannot_be(void)
{
    stun_allocation_config good = allocation_config(), config;
    config = good, config.struct_size = 0, an_allocation_refuses(&config);
    config = good, config.struct_size = 172, an_allocation_refuses(&config);
    config = good, config.struct_size = 8192, an_allocation_refuses(&config);
    config = good, config.transport = 3, an_allocation_refuses(&config);
    config = good, config.server.family = 0, an_allocation_refuses(&config);
    config = good, config.server.port = 0, an_allocation_refuses(&config);
    config = good, config.local.family = 6, an_allocation_refuses(&config);
    config = good, config.flags = 8, an_allocation_refuses(&config);
    config = good, config.family = 3, an_allocation_refuses(&config);
    config = good, config.relay_transport = STUN_TLS, an_allocation_refuses(&config);
    config = good, config.relay_transport = STUN_TCP, an_allocation_refuses(&config);
    says(agent, "connections to peers need TCP or TLS to the server");
    config.transport = STUN_TCP, config.flags = STUN_ALLOCATION_DONT_FRAGMENT, an_allocation_refuses(&config);
    config = good, config.port = 4, an_allocation_refuses(&config);
    config = good, config.port = STUN_PORT_RESERVED, config.family = STUN_RELAY_IPV6, an_allocation_refuses(&config);
    config = good, config.keepalive_kind = 2, an_allocation_refuses(&config);
    config = good, config.keepalive = SECOND - 1, an_allocation_refuses(&config);
    config = good, config.lifetime = SECOND - 1, an_allocation_refuses(&config);
    says(agent, "lifetime is under one second, or over 2^32 - 1");
    config = good, config.redirects = 3, an_allocation_refuses(&config);
    config = good, config.peer_policy = 3, an_allocation_refuses(&config);
    CHECK_EQ(stun_allocation_start(agent, &good, STUN_NEVER, &id), STUN_E_INVALID);
    ids_stay();
    CHECK_EQ(drain(agent), 0);
}

static void rules_that_cannot_be(void)
{
    stun_allocation_config config = allocation_config();
    stun_peer_rule good, rule;
    memset(&good, 0, sizeof good);
    good.first = v4(10, 0, 0, 1, 0);
    good.last = v4(10, 0, 0, 9, 0);
    config.peer_rules = &rule;
    config.peer_rule_count = 1;
    rule = good, rule.first.family = 0, an_allocation_refuses(&config);
    rule = good, rule.last.family = 6, an_allocation_refuses(&config);
    says(agent, "the ends of a range are of two families");
    rule = good, rule.last.ip[3] = 0, an_allocation_refuses(&config);
    rule = good, rule.allows = 2, an_allocation_refuses(&config);
    rule = good, rule.reserved = 1, an_allocation_refuses(&config);
    rule = good, config.peer_rule_count = SIZE_MAX / 8, an_allocation_refuses(&config);
}

static void credentials_that_cannot_be(void)
{
    stun_allocation_config config = allocation_config();
    stun_credentials good = credentials_of(hello, 5), credentials;
    config.credentials = &credentials;
    credentials = good, credentials.struct_size = 40, an_allocation_refuses(&config);
    credentials = good, credentials.flags = 4, an_allocation_refuses(&config);
    credentials = good, credentials.username_len = 0, an_allocation_refuses(&config);
    credentials = good, credentials.password_len = 0, an_allocation_refuses(&config);
    credentials = good, credentials.username_len = HUGE_LEN, an_allocation_refuses(&config);
    credentials = good, credentials.username = (const uint8_t *)"a\xFF", credentials.username_len = 2;
    an_allocation_refuses(&config);
    credentials = good, credentials.password = NULL;
    CHECK_EQ(stun_allocation_start(agent, &config, 0, &id), STUN_E_NULL);
    CHECK_EQ(stun_allocation_set_credentials(agent, 1, &credentials, 0), STUN_E_NULL);
    ids_stay();
}

static void two_on_one_path(uint64_t *first)
{
    stun_allocation_config config = allocation_config();
    *first = start_allocation(agent, &config);
    CHECK_EQ(stun_allocation_start(agent, &config, 0, &id), STUN_E_STATE);
    says(agent, "another allocation already relays on that path");
    ids_stay();
}

static void wrong_arguments_of_a_relay(uint64_t relay)
{
    stun_allocation_info info;
    stun_packet path = packet_of(client_addr(), server_addr(), NULL, 0), packet;
    stun_addr none, peer = peer_addr(), v6;
    uint8_t buf[64];
    memset(&none, 0, sizeof none);
    memset(&v6, 1, sizeof v6);
    v6.family = 6, v6.reserved = 0;
    memset(&packet, DIRT, sizeof packet);
    memset(&info, DIRT, sizeof info);
    info.struct_size = 148;
    CHECK_EQ(stun_allocation_read(agent, relay, &info), STUN_E_INVALID);
    CHECK(is_dirty((char *)&info + 4, sizeof info - 4));
    CHECK_EQ(stun_allocation_permit(agent, relay, &none, 0), STUN_E_INVALID);
    CHECK_EQ(stun_allocation_permit(agent, relay, &v6, 0), STUN_E_INVALID);
    says(agent, "the relayed address is of another family");
    CHECK_EQ(stun_allocation_permit(agent, relay, &peer, STUN_NEVER), STUN_E_INVALID);
    CHECK_EQ(stun_allocation_bind_channel(agent, relay, &none, 0), STUN_E_INVALID);
    CHECK_EQ(stun_allocation_send(agent, relay, &peer, hello, 5, buf, 64, 0, &packet), STUN_E_STATE);
    says(agent, "there is no relayed address now");
    CHECK_EQ(stun_allocation_send(agent, relay, &peer, hello, HUGE_LEN, buf, 64, 0, &packet), STUN_E_INVALID);
    CHECK_EQ(stun_allocation_send(agent, relay, &peer, hello, 5, buf, HUGE_LEN, 0, &packet), STUN_E_INVALID);
    CHECK_EQ(stun_allocation_send_in_place(agent, relay, &peer, buf, HUGE_LEN, 52, 5, 0, &packet), STUN_E_INVALID);
    CHECK_EQ(stun_allocation_connect(agent, relay, &peer, 0), STUN_E_STATE);
    peer.port = 0;
    CHECK_EQ(stun_allocation_bind_channel(agent, relay, &peer, 0), STUN_E_INVALID);
    says(agent, "the peer has port 0");
    CHECK_EQ(stun_allocation_connection_opened(agent, relay, 1, &path, 0), STUN_E_INVALID);
    path.transport = 3;
    CHECK_EQ(stun_allocation_connection_opened(agent, relay, 1, &path, 0), STUN_E_INVALID);
    CHECK_EQ(stun_allocation_reconnected(agent, relay, &path, 0), STUN_E_INVALID);
    CHECK(is_dirty(&packet, sizeof packet));
}

/* Events had 160 bytes before there were relays. */
static void older_headers_get_what_they_had(void)
{
    turn_server server = { 0, 0, 0, 0, { 0 }, 0 };
    stun_event event;
    CHECK_EQ(serve(&server, agent, 0), 1);
    memset(&event, DIRT, sizeof event);
    event.struct_size = 160;
    CHECK_EQ(stun_poll_event(agent, &event), STUN_OK);
    CHECK(event.struct_size == 160 && event.kind == STUN_EV_ALLOCATED);
    CHECK(is_dirty((char *)&event + 160, sizeof event - 160));
}

int main(void)
{
    uint64_t relay = 0, stream = 0;
    stun_packet path = packet_of(client_addr(), server_addr(), NULL, 0);
    agent = new_agent(1, 0);
    memset(&id, DIRT, sizeof id);
    no_agent_at_all();
    null_in_each_other_place();
    no_such_relay(1);
    path.transport = STUN_TCP;
    CHECK_EQ(stun_stream_open(agent, &path, 0, &stream), STUN_OK);
    CHECK_EQ(stun_cancel(agent, stream, 0), STUN_OK);
    no_such_relay(stream);
    allocations_that_cannot_be();
    rules_that_cannot_be();
    credentials_that_cannot_be();
    two_on_one_path(&relay);
    wrong_arguments_of_a_relay(relay);
    older_headers_get_what_they_had();
    stun_agent_free(agent);
    return check_report();
}
