/* Long-term credentials, both sides; redirections, refreshes and streams: what a binding is told meanwhile. */

#include "support.h"

static const uint8_t *bytes_of(const char *text) { return (const uint8_t *)text; }

static stun_user user_of(const char *name, const char *password)
{
    stun_user user;
    user.name = bytes_of(name);
    user.name_len = strlen(name);
    user.password = bytes_of(password);
    user.password_len = strlen(password);
    return user;
}

/* A server of a realm, with one user; it answers every first request with a challenge. */
static stun_agent *new_realm(stun_server_config config, const stun_user *users, size_t count, uint64_t *id)
{
    stun_agent *server = new_agent(99, 0);
    config.realm = bytes_of("example.org");
    config.realm_len = 11;
    config.users = users;
    config.user_count = count;
    config.amplification_percent = UINT32_MAX;
    CHECK_EQ(stun_server_start(server, &config, 0, id), STUN_OK);
    return server;
}

static stun_binding_config long_term(const char *name, const char *password)
{
    stun_binding_config config = binding_config();
    config.username = bytes_of(name);
    config.username_len = strlen(name);
    config.password = bytes_of(password);
    config.password_len = strlen(password);
    config.credential_kind = STUN_LONG_TERM;
    return config;
}

static int contains(const stun_packet *packet, const char *text)
{
    size_t at, len = strlen(text);
    for (at = 0; at + len <= packet->len; at++) {
        if (memcmp(packet->data + at, text, len) == 0) return 1;
    }
    return 0;
}

static void a_challenge_is_met(void)
{
    stun_user user = user_of("alice", "s3cret");
    stun_binding_config config = long_term("alice", "s3cret");
    stun_event event;
    uint64_t id;
    stun_agent *client = new_agent(1, 0), *server = new_realm(server_config(), &user, 1, &id);
    config.refresh = 5 * SECOND;
    start_binding(client, &config, 0);
    exchange(client, server, 0); /* unsigned, and challenged */
    CHECK_EQ(next_event(client, &event), 0);
    exchange(client, server, 10 * MS);
    CHECK_EQ(next_event(client, &event), STUN_EV_MAPPED);
    CHECK_EQ(stun_handle_timeout(client, stun_poll_timeout(client)), STUN_OK);
    exchange(client, server, 6 * SECOND); /* signed at once */
    CHECK_EQ(next_event(client, &event), STUN_EV_REFRESHED);
    stun_agent_free(client);
    stun_agent_free(server);
}

static void a_stale_nonce_costs_one_round_trip(void)
{
    stun_user user = user_of("alice", "s3cret");
    stun_binding_config config = long_term("alice", "s3cret");
    stun_server_config serving = server_config();
    stun_event event;
    stun_time at;
    uint64_t id;
    stun_agent *client = new_agent(2, 0), *server;
    serving.nonce_lifetime = SECOND;
    server = new_realm(serving, &user, 1, &id);
    config.refresh = 60 * SECOND;
    start_binding(client, &config, 0);
    exchange(client, server, 0);
    exchange(client, server, 0);
    CHECK_EQ(next_event(client, &event), STUN_EV_MAPPED);
    at = stun_poll_timeout(client);
    CHECK_EQ(stun_handle_timeout(client, at), STUN_OK);
    exchange(client, server, at); /* 438 */
    CHECK_EQ(next_event(client, &event), 0);
    exchange(client, server, at);
    CHECK_EQ(next_event(client, &event), STUN_EV_REFRESHED);
    stun_agent_free(client);
    stun_agent_free(server);
}

static void a_wrong_password_is_rejected(void)
{
    stun_user user = user_of("alice", "s3cret");
    stun_binding_config config = long_term("alice", "secret");
    stun_event event;
    uint64_t id;
    stun_agent *client = new_agent(3, 0), *server = new_realm(server_config(), &user, 1, &id);
    config.refresh = STUN_NEVER;
    start_binding(client, &config, 0);
    exchange(client, server, 0);
    exchange(client, server, 0);
    while (stun_poll_timeout(client) != STUN_NEVER && next_event(client, &event) == 0) {
        CHECK_EQ(stun_handle_timeout(client, stun_poll_timeout(client)), STUN_OK);
        drain(client);
    }
    CHECK_EQ(event.kind, STUN_EV_FAILED);
    CHECK_EQ(event.reason, STUN_FAIL_AUTHENTICATION);
    CHECK_EQ(event.code, STUN_AUTH_REJECTED);
    CHECK_EQ(event.is_last, 1);
    stun_agent_free(client);
    stun_agent_free(server);
}

/* Users come and go while the server runs; their names are prepared as the clients' are. */
static void users_come_and_go(void)
{
    stun_user user = user_of("J\xC3\xBCrgen", "p\xC3\xA4ss"), decomposed = user_of("Ju\xCC\x88rgen", "pa\xCC\x88ss");
    stun_binding_config config = long_term("Ju\xCC\x88rgen", "pa\xCC\x88ss");
    stun_event event;
    uint64_t id, other;
    stun_server_config plain = server_config();
    stun_agent *client = new_agent(4, 0), *server = new_realm(server_config(), NULL, 0, &id);
    CHECK_EQ(stun_server_add_user(server, id, &user), STUN_OK);
    start_binding(client, &config, 0);
    exchange(client, server, 0);
    exchange(client, server, 0);
    CHECK_EQ(next_event(client, &event), STUN_EV_MAPPED);
    CHECK_EQ(stun_server_remove_user(server, id, decomposed.name, decomposed.name_len), STUN_OK);
    CHECK_EQ(stun_server_remove_user(server, id, user.name, user.name_len), STUN_EMPTY);
    CHECK_EQ(stun_server_add_user(server, id + 1, &user), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_server_remove_user(server, 4711, user.name, user.name_len), STUN_E_NOT_FOUND);
    user.password_len = 0;
    CHECK_EQ(stun_server_add_user(server, id, &user), STUN_E_INVALID);
    user = user_of("a\xFF", "b");
    CHECK_EQ(stun_server_add_user(server, id, &user), STUN_E_INVALID);
    CHECK_EQ(stun_cancel(server, id, 0), STUN_OK);
    CHECK_EQ(stun_server_start(server, &plain, 0, &other), STUN_OK);
    CHECK_EQ(stun_server_remove_user(server, other, user.name, 1), STUN_E_NOT_FOUND); /* it has no realm */
    stun_agent_free(client);
    stun_agent_free(server);
}

static void what_is_required_fails_closed(void)
{
    static const uint32_t required[] = { STUN_CREDENTIAL_REQUIRE_SHA256, STUN_CREDENTIAL_REQUIRE_ANONYMITY };
    static const uint32_t codes[] = { STUN_AUTH_SHA256_NOT_OFFERED, STUN_AUTH_ANONYMITY_NOT_OFFERED };
    stun_user user = user_of("alice", "s3cret");
    stun_binding_config config = long_term("alice", "s3cret");
    stun_server_config serving = server_config();
    stun_packet packet;
    stun_event event;
    uint64_t id;
    int n;
    config.refresh = STUN_NEVER;
    for (n = 0; n < 2; n++) {
        stun_agent *client = new_agent(5, 0), *server;
        serving.flags = STUN_SERVER_NO_PASSWORD_ALGORITHMS | STUN_SERVER_NO_ANONYMITY;
        server = new_realm(serving, &user, 1, &id);
        config.credential_flags = required[n];
        start_binding(client, &config, 0);
        exchange(client, server, 0);
        while (next_event(client, &event) == 0 && stun_poll_timeout(client) != STUN_NEVER) {
            CHECK_EQ(stun_handle_timeout(client, stun_poll_timeout(client)), STUN_OK);
            while (stun_poll_transmit(client, &packet) == STUN_OK) CHECK(!contains(&packet, "alice"));
        }
        CHECK_EQ(event.reason, STUN_FAIL_AUTHENTICATION);
        CHECK_EQ(event.code, codes[n]);
        stun_agent_free(client);
        stun_agent_free(server);
    }
    config.credential_flags = STUN_CREDENTIAL_REQUIRE_SHA256 | STUN_CREDENTIAL_REQUIRE_ANONYMITY;
    serving.flags = 0;
    {
        stun_agent *client = new_agent(6, 0), *server = new_realm(serving, &user, 1, &id);
        start_binding(client, &config, 0);
        exchange(client, server, 0);
        exchange(client, server, 0);
        CHECK_EQ(next_event(client, &event), STUN_EV_MAPPED);
        stun_agent_free(client);
        stun_agent_free(server);
    }
}

static void failures_to_sign_become_an_event(void)
{
    stun_user user = user_of("alice", "s3cret");
    stun_event event;
    uint64_t id;
    int n;
    stun_agent *server = new_realm(server_config(), &user, 1, &id);
    for (n = 0; n < 20; n++) {
        stun_agent *client = new_agent((uint8_t)(100 + n), 0);
        stun_binding_config config = long_term("alice", "wrong");
        start_binding(client, &config, 0);
        exchange(client, server, 0);
        exchange(client, server, 0);
        stun_agent_free(client);
    }
    CHECK_EQ(next_event(server, &event), STUN_EV_AUTHENTICATION_FAILURES);
    CHECK(event.id == id && event.code == 1 && event.addr.family == 4 && event.addr.port == 0);
    CHECK_EQ(event.is_last, 0);
    stun_agent_free(server);
}

static void strangers_have_a_budget(void)
{
    stun_user user = user_of("alice", "s3cret");
    stun_server_config serving = server_config();
    stun_binding_config config = binding_config();
    stun_event event;
    uint64_t id;
    int n;
    stun_agent *server = new_agent(99, 0);
    serving.realm = bytes_of("example.org");
    serving.realm_len = 11;
    serving.users = &user;
    serving.user_count = 1;
    serving.amplification_percent = 100;
    CHECK_EQ(stun_server_start(server, &serving, 0, &id), STUN_OK);
    for (n = 0; n < 400; n++) {
        stun_agent *client = new_agent((uint8_t)n, 0);
        start_binding(client, &config, 0);
        to_server(client, server, mapped_addr(), 0);
        drain(server);
        stun_agent_free(client);
    }
    CHECK_EQ(next_event(server, &event), STUN_EV_THROTTLED);
    CHECK(event.id == id && event.addr.ip[0] == 203 && event.addr.port == 0);
    stun_agent_free(server);
}

/* --- Redirections, made with the codec ------------------------------------------------------------------ */

static void redirect(stun_agent *client, const char *domain)
{
    uint8_t reply[128];
    stun_packet request, arrived;
    stun_wire_builder builder;
    stun_addr other = v4(198, 51, 100, 2, 3479);
    CHECK_EQ(stun_poll_transmit(client, &request), STUN_OK);
    CHECK_EQ(stun_wire_begin(&builder, reply, sizeof reply, STUN_WIRE_ERROR_RESPONSE, 1, request.data + 8), STUN_OK);
    CHECK_EQ(stun_wire_add_error(&builder, 300, NULL, 0), STUN_OK);
    CHECK_EQ(stun_wire_add_address(&builder, 0x8023, &other), STUN_OK);
    if (domain != NULL) CHECK_EQ(stun_wire_add(&builder, 0x8003, bytes_of(domain), strlen(domain)), STUN_OK);
    arrived = packet_of(client_addr(), server_addr(), reply, builder.len);
    CHECK_EQ(stun_handle_input(client, &arrived, 0, NULL), STUN_OK);
}

static void a_redirection_is_followed_asked_about_or_refused(void)
{
    stun_addr from = server_addr(), to = v4(198, 51, 100, 2, 3479);
    stun_binding_config config = binding_config();
    stun_packet packet;
    stun_event event;
    char domain[16];
    size_t len;
    uint32_t policy;
    config.refresh = STUN_NEVER;
    for (policy = STUN_REDIRECT_FOLLOW; policy <= STUN_REDIRECT_ASK; policy++) {
        stun_agent *client = new_agent(7, 0);
        uint64_t id;
        config.redirects = policy;
        id = start_binding(client, &config, 0);
        redirect(client, policy == STUN_REDIRECT_ASK ? "example.org" : NULL);
        if (policy == STUN_REDIRECT_REFUSE) {
            CHECK_EQ(next_event(client, &event), STUN_EV_FAILED);
            CHECK(event.reason == STUN_FAIL_ERROR_RESPONSE && event.code == 300);
            stun_agent_free(client);
            continue;
        }
        CHECK_EQ(next_event(client, &event), STUN_EV_REDIRECTED);
        CHECK(same_addr(&event.addr, &to) && same_addr(&event.previous, &from));
        CHECK_EQ(event.code, policy == STUN_REDIRECT_ASK);
        memset(domain, DIRT, sizeof domain);
        len = 77;
        if (policy == STUN_REDIRECT_ASK) {
            CHECK_EQ(stun_poll_transmit(client, &packet), STUN_EMPTY);
            CHECK_EQ(stun_binding_alternate_domain(client, id, domain, 11, &len), STUN_OK); /* one too few */
            CHECK(len == 11 && strcmp(domain, "example.or") == 0 && is_dirty(domain + 11, 5));
            CHECK_EQ(stun_binding_alternate_domain(client, id, domain, 12, &len), STUN_OK);
            CHECK(len == 11 && strcmp(domain, "example.org") == 0);
            CHECK_EQ(stun_binding_alternate_domain(client, id, NULL, 0, &len), STUN_OK);
            CHECK_EQ(stun_binding_alternate_domain(client, id + 1, NULL, 0, &len), STUN_E_NOT_FOUND);
            CHECK_EQ(stun_answer_redirect(client, id, 2, 0), STUN_E_INVALID);
            CHECK_EQ(stun_answer_redirect(client, id, 1, 0), STUN_OK);
            CHECK_EQ(stun_answer_redirect(client, id, 1, 0), STUN_OK); /* again: nobody waits for it */
        } else {
            CHECK_EQ(stun_binding_alternate_domain(client, id, domain, sizeof domain, &len), STUN_EMPTY);
            CHECK(len == 77 && is_dirty(domain, sizeof domain));
        }
        CHECK_EQ(stun_poll_transmit(client, &packet), STUN_OK);
        CHECK(same_addr(&packet.remote, &to));
        stun_agent_free(client);
    }
}

static void a_declined_redirection_is_the_end(void)
{
    stun_agent *client = new_agent(8, 0);
    stun_binding_config config = binding_config();
    stun_event event;
    uint64_t id;
    config.redirects = STUN_REDIRECT_ASK;
    config.refresh = STUN_NEVER;
    id = start_binding(client, &config, 0);
    redirect(client, NULL);
    CHECK_EQ(next_event(client, &event), STUN_EV_REDIRECTED);
    CHECK_EQ(stun_answer_redirect(client, id, 0, 0), STUN_OK);
    CHECK_EQ(next_event(client, &event), STUN_EV_FAILED);
    CHECK(event.reason == STUN_FAIL_REDIRECTED && event.code == STUN_REFUSED_DECLINED && event.is_last == 1);
    CHECK_EQ(stun_answer_redirect(client, id, 1, 0), STUN_E_NOT_FOUND);
    stun_agent_free(client);
}

/* --- Connections and networks --------------------------------------------------------------------------- */

static void a_lost_connection_is_asked_for_anew(void)
{
    stun_agent *client = new_agent(9, 0), *server = new_server();
    stun_binding_config config = binding_config();
    stun_addr asked = server_addr(), mapped = mapped_addr();
    stun_packet packet, path = packet_of(client_addr(), server_addr(), NULL, 0);
    stun_event event;
    uint64_t id, stream;
    size_t at;
    config.transport = STUN_TCP;
    path.transport = STUN_TCP;
    path.socket_id = 7;
    CHECK_EQ(stun_stream_open(client, &path, 0, &stream), STUN_OK);
    id = start_binding(client, &config, 0);
    CHECK_EQ(stun_poll_transmit(client, &packet), STUN_OK);
    packet.local = server_addr();
    packet.remote = mapped;
    CHECK_EQ(stun_handle_input(server, &packet, 0, NULL), STUN_OK);
    CHECK_EQ(stun_poll_transmit(server, &packet), STUN_OK);
    for (at = 0; at < packet.len; at++) /* byte by byte, as the worst of networks would */
        CHECK_EQ(stun_handle_stream(client, stream, packet.data + at, 1, 0), STUN_OK);
    CHECK_EQ(next_event(client, &event), STUN_EV_MAPPED);
    CHECK(same_addr(&event.addr, &mapped));
    CHECK_EQ(stun_stream_close(client, stream, SECOND), STUN_OK);
    CHECK_EQ(stun_stream_close(client, stream, SECOND), STUN_E_NOT_FOUND);
    while (next_event(client, &event) != STUN_EV_RECONNECT && stun_poll_timeout(client) != STUN_NEVER)
        CHECK_EQ(stun_handle_timeout(client, stun_poll_timeout(client)), STUN_OK);
    CHECK_EQ(event.kind, STUN_EV_RECONNECT);
    CHECK(event.id == id && same_addr(&event.addr, &asked) && event.code == STUN_TCP);
    path.remote.port = 0;
    CHECK_EQ(stun_reconnected(client, id, &path, 2 * SECOND), STUN_E_INVALID);
    path.remote = server_addr();
    CHECK_EQ(stun_reconnected(client, id + 1, &path, 2 * SECOND), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_reconnected(client, id, &path, 2 * SECOND), STUN_OK);
    CHECK_EQ(stun_poll_transmit(client, &packet), STUN_OK);
    CHECK_EQ(packet.transport, STUN_TCP);
    stun_agent_free(client);
    stun_agent_free(server);
}

static void another_network_starts_anew(void)
{
    stun_agent *client = new_agent(10, 0), *server = new_server();
    stun_binding_config config = binding_config();
    stun_addr other = v4(10, 9, 9, 9, 0), before = client_addr();
    stun_event event;
    start_binding(client, &config, 0);
    exchange(client, server, 0);
    CHECK_EQ(next_event(client, &event), STUN_EV_MAPPED);
    CHECK_EQ(stun_network_changed(client, &other, 1, SECOND), STUN_OK);
    CHECK_EQ(next_event(client, &event), STUN_EV_RESTARTED);
    CHECK(same_addr(&event.previous, &before) && memcmp(event.addr.ip, other.ip, 4) == 0);
    CHECK_EQ(stun_network_changed(client, NULL, 0, 2 * SECOND), STUN_OK);
    CHECK_EQ(next_event(client, &event), STUN_EV_FAILED);
    CHECK_EQ(event.reason, STUN_FAIL_NETWORK_CHANGED);
    stun_agent_free(client);
    stun_agent_free(server);
}

static void the_interval_can_be_changed(void)
{
    stun_agent *client = new_agent(11, 0), *server = new_server();
    stun_binding_config config = binding_config();
    stun_event event;
    uint64_t id = start_binding(client, &config, 0);
    exchange(client, server, 0);
    CHECK_EQ(next_event(client, &event), STUN_EV_MAPPED);
    CHECK_EQ(stun_poll_timeout(client), 25 * SECOND);
    CHECK_EQ(stun_set_refresh(client, id, 5 * SECOND, 0), STUN_OK);
    CHECK_EQ(stun_poll_timeout(client), 5 * SECOND);
    CHECK_EQ(stun_set_refresh(client, id, 0, 0), STUN_OK);
    CHECK_EQ(stun_poll_timeout(client), 25 * SECOND);
    CHECK_EQ(stun_set_refresh(client, id + 1, 0, 0), STUN_E_NOT_FOUND);
    stun_agent_free(client);
    stun_agent_free(server);
}

int main(void)
{
    a_challenge_is_met();
    a_stale_nonce_costs_one_round_trip();
    a_wrong_password_is_rejected();
    users_come_and_go();
    what_is_required_fails_closed();
    failures_to_sign_become_an_event();
    strangers_have_a_budget();
    a_redirection_is_followed_asked_about_or_refused();
    a_declined_redirection_is_the_end();
    a_lost_connection_is_asked_for_anew();
    another_network_starts_anew();
    the_interval_can_be_changed();
    return check_report();
}
