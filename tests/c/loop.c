/* The five calls under virtual time: what is sent when, what is told, and why to wake. */

#include "support.h"

static void the_mapped_address_is_found(void)
{
    stun_agent *client = new_agent(1, 1000 * SECOND), *server = new_server();
    stun_binding_config config = binding_config();
    stun_packet packet;
    stun_event event;
    stun_addr mapped = mapped_addr(), asked = server_addr(), local = client_addr();
    uint64_t id = start_binding(client, &config, 1000 * SECOND);
    CHECK_EQ(stun_poll_timeout(client), 1000 * SECOND);
    CHECK_EQ(stun_wake_reason(client), STUN_WAKE_OUTPUT);
    CHECK_EQ(stun_poll_transmit(client, &packet), STUN_OK);
    CHECK(same_addr(&packet.remote, &asked) && same_addr(&packet.local, &local));
    CHECK(packet.transport == STUN_UDP && packet.ecn == 0 && packet.flags == 0 && packet.socket_id == 7);
    CHECK_EQ(packet.len, 28);
    CHECK_EQ(stun_poll_timeout(client), 1000 * SECOND + 500 * MS);
    CHECK_EQ(stun_wake_reason(client), STUN_WAKE_RETRANSMISSION);
    packet.local = packet.remote;
    packet.remote = mapped;
    packet.socket_id = 3;
    CHECK_EQ(stun_handle_input(server, &packet, 0, NULL), STUN_OK);
    CHECK_EQ(stun_poll_transmit(server, &packet), STUN_OK);
    CHECK(packet.socket_id == 3 && same_addr(&packet.remote, &mapped) && same_addr(&packet.local, &asked));
    packet = packet_of(local, asked, packet.data, packet.len);
    CHECK_EQ(stun_handle_input(client, &packet, 1000 * SECOND + 30 * MS, NULL), STUN_OK);
    CHECK_EQ(stun_wake_reason(client), STUN_WAKE_OUTPUT);
    CHECK_EQ(next_event(client, &event), STUN_EV_MAPPED);
    CHECK(event.struct_size == sizeof event && event.id == id && same_addr(&event.addr, &mapped));
    CHECK(event.previous.family == 0 && event.rtt == 30 * MS && event.at == 0);
    CHECK(event.reason == STUN_FAIL_NONE && event.code == 0 && event.count == 0);
    CHECK(event.text_len > 10 && event.text != NULL && memchr(event.text, 0, event.text_len) == NULL);
    CHECK_EQ(next_event(client, &event), 0);
    CHECK_EQ(stun_poll_timeout(client), 1025 * SECOND);
    CHECK_EQ(stun_wake_reason(client), STUN_WAKE_REFRESH);
    stun_agent_free(client);
    stun_agent_free(server);
}

static void it_is_asked_again_every(stun_time refresh, stun_time expected)
{
    stun_agent *client = new_agent(2, 0), *server = new_server();
    stun_binding_config config = binding_config();
    stun_addr elsewhere = v4(203, 0, 113, 10, 9), mapped = mapped_addr();
    stun_event event;
    config.refresh = refresh;
    start_binding(client, &config, 0);
    exchange(client, server, 0);
    CHECK_EQ(next_event(client, &event), STUN_EV_MAPPED);
    CHECK_EQ(stun_poll_timeout(client), expected);
    CHECK_EQ(stun_handle_timeout(client, expected - 1), STUN_OK);
    CHECK_EQ(drain(client), 0);
    CHECK_EQ(stun_handle_timeout(client, expected), STUN_OK);
    exchange(client, server, expected);
    CHECK_EQ(next_event(client, &event), STUN_EV_REFRESHED);
    CHECK(same_addr(&event.addr, &mapped) && event.rtt == 0);
    CHECK_EQ(stun_poll_timeout(client), 2 * expected);
    CHECK_EQ(stun_handle_timeout(client, 2 * expected), STUN_OK);
    CHECK_EQ(to_server(client, server, elsewhere, 2 * expected), 1);
    CHECK_EQ(to_client(server, client, 2 * expected), 1);
    CHECK_EQ(next_event(client, &event), STUN_EV_ADDRESS_CHANGED);
    CHECK(same_addr(&event.addr, &elsewhere) && same_addr(&event.previous, &mapped));
    CHECK_EQ(stun_poll_timeout(client), 3 * expected);
    stun_agent_free(client);
    stun_agent_free(server);
}

static void never_refreshed_is_asked_once(void)
{
    stun_agent *client = new_agent(3, 0), *server = new_server();
    stun_binding_config config = binding_config();
    stun_event event;
    uint64_t id;
    config.refresh = STUN_NEVER;
    id = start_binding(client, &config, 0);
    exchange(client, server, 0);
    CHECK_EQ(next_event(client, &event), STUN_EV_MAPPED);
    CHECK(stun_poll_timeout(client) == STUN_NEVER);
    CHECK_EQ(stun_wake_reason(client), STUN_WAKE_NONE);
    CHECK_EQ(stun_cancel(client, id, 0), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_handle_timeout(client, STUN_NEVER), STUN_E_INVALID); /* a deadline is no time */
    CHECK_EQ(stun_handle_timeout(client, STUN_NEVER - 1), STUN_OK);
    CHECK_EQ(drain(client), 0);
    stun_agent_free(client);
    stun_agent_free(server);
}

/* RFC 8489 s6.2.1: 0, 500, 1500, 3500, 7500, 15500, 31500 ms, and the end at 39500 ms. */
static void silence_is_asked_on_schedule_and_fails(void)
{
    static const unsigned sends[] = { 0, 500, 1500, 3500, 7500, 15500, 31500 };
    stun_agent *client = new_agent(4, 5);
    stun_binding_config config = binding_config();
    stun_event event;
    uint64_t id;
    size_t n;
    config.refresh = STUN_NEVER;
    id = start_binding(client, &config, 5);
    for (n = 0; n < sizeof sends / sizeof *sends; n++) {
        stun_time due = 5 + sends[n] * MS;
        CHECK_EQ(stun_poll_timeout(client), due);
        CHECK_EQ(stun_handle_timeout(client, due), STUN_OK);
        CHECK_EQ(drain(client), 1);
        CHECK_EQ(stun_wake_reason(client), n < 6 ? STUN_WAKE_RETRANSMISSION : STUN_WAKE_TRANSACTION_TIMEOUT);
    }
    CHECK_EQ(stun_poll_timeout(client), 5 + 39500 * MS);
    CHECK_EQ(stun_handle_timeout(client, 4 + 39500 * MS), STUN_OK);
    CHECK_EQ(next_event(client, &event), 0);
    CHECK_EQ(stun_handle_timeout(client, 5 + 39500 * MS), STUN_OK);
    CHECK_EQ(next_event(client, &event), STUN_EV_FAILED);
    CHECK(event.id == id && event.reason == STUN_FAIL_TIMEOUT && event.code == 0 && event.addr.family == 0);
    CHECK(stun_poll_timeout(client) == STUN_NEVER);
    stun_agent_free(client);
}

static void a_binding_that_refreshes_tries_again(void)
{
    stun_agent *client = new_agent(5, 0), *server = new_server();
    stun_binding_config config = binding_config();
    stun_event event;
    stun_time at;
    start_binding(client, &config, 0);
    for (at = stun_poll_timeout(client); at < 39500 * MS; at = stun_poll_timeout(client)) {
        CHECK_EQ(stun_handle_timeout(client, at), STUN_OK);
        drain(client);
    }
    CHECK_EQ(stun_handle_timeout(client, at), STUN_OK);
    CHECK_EQ(next_event(client, &event), STUN_EV_RETRYING);
    CHECK(event.reason == STUN_FAIL_TIMEOUT && event.at >= at + 750 * MS && event.at <= at + 1000 * MS);
    CHECK_EQ(stun_poll_timeout(client), event.at);
    CHECK_EQ(stun_wake_reason(client), STUN_WAKE_RETRY);
    at = event.at;
    CHECK_EQ(stun_handle_timeout(client, at), STUN_OK);
    exchange(client, server, at);
    CHECK_EQ(next_event(client, &event), STUN_EV_MAPPED);
    stun_agent_free(client);
    stun_agent_free(server);
}

/* Karn's rule: after a retransmission nobody knows which request was answered. */
static void a_retransmission_hides_the_round_trip(void)
{
    stun_agent *client = new_agent(6, 0), *server = new_server();
    stun_binding_config config = binding_config();
    stun_event event;
    config.initial_rto = 100 * MS;
    start_binding(client, &config, 0);
    CHECK_EQ(drain(client), 1);
    CHECK_EQ(stun_poll_timeout(client), 100 * MS);
    CHECK_EQ(stun_handle_timeout(client, 100 * MS), STUN_OK);
    exchange(client, server, 120 * MS);
    CHECK_EQ(next_event(client, &event), STUN_EV_MAPPED);
    CHECK(event.rtt == STUN_NEVER);
    stun_agent_free(client);
    stun_agent_free(server);
}

static void a_clock_that_goes_back_stands_still(void)
{
    stun_agent *client = new_agent(7, 100 * SECOND);
    stun_binding_config config = binding_config();
    start_binding(client, &config, 3 * SECOND);
    CHECK_EQ(stun_poll_timeout(client), 100 * SECOND);
    CHECK_EQ(drain(client), 1);
    CHECK_EQ(stun_handle_timeout(client, 0), STUN_OK);
    CHECK_EQ(drain(client), 0);
    CHECK_EQ(stun_poll_timeout(client), 100 * SECOND + 500 * MS);
    CHECK_EQ(stun_handle_timeout(client, STUN_NEVER - 1), STUN_OK);
    CHECK_EQ(stun_handle_timeout(client, 0), STUN_OK);
    drain(client);
    stun_agent_free(client);
}

static void the_end_of_time_is_survived(void)
{
    stun_agent *client = new_agent(8, STUN_NEVER - 1), *server = new_server();
    stun_binding_config config = binding_config();
    stun_event event;
    start_binding(client, &config, STUN_NEVER - 1);
    exchange(client, server, STUN_NEVER - 1);
    CHECK_EQ(next_event(client, &event), STUN_EV_MAPPED);
    CHECK(stun_poll_timeout(client) == STUN_NEVER);
    CHECK_EQ(stun_handle_timeout(client, STUN_NEVER - 1), STUN_OK);
    stun_agent_free(client);
    stun_agent_free(server);
}

static void one_seed_gives_the_same_bytes_and_another_does_not(void)
{
    stun_agent *agents[3];
    stun_packet packets[3];
    stun_binding_config config = binding_config();
    int n;
    for (n = 0; n < 3; n++) {
        agents[n] = new_agent((uint8_t)(n / 2), 0);
        start_binding(agents[n], &config, 0);
        CHECK_EQ(stun_poll_transmit(agents[n], &packets[n]), STUN_OK);
    }
    CHECK_EQ(packets[0].len, packets[1].len);
    CHECK(memcmp(packets[0].data, packets[1].data, packets[0].len) == 0);
    CHECK(memcmp(packets[0].data, packets[2].data, packets[0].len) != 0);
    for (n = 0; n < 3; n++) stun_agent_free(agents[n]);
}

static void without_a_seed_the_system_gives_one(void)
{
    stun_agent *agents[2];
    stun_packet packets[2];
    stun_binding_config config = binding_config();
    int n;
    for (n = 0; n < 2; n++) {
        CHECK_EQ(stun_agent_new(NULL, 0, &agents[n]), STUN_OK);
        start_binding(agents[n], &config, 0);
        CHECK_EQ(stun_poll_transmit(agents[n], &packets[n]), STUN_OK);
    }
    CHECK(memcmp(packets[0].data + 8, packets[1].data + 8, 12) != 0);
    for (n = 0; n < 2; n++) stun_agent_free(agents[n]);
}

int main(void)
{
    the_mapped_address_is_found();
    it_is_asked_again_every(0, 25 * SECOND);
    it_is_asked_again_every(5 * SECOND, 5 * SECOND);
    never_refreshed_is_asked_once();
    silence_is_asked_on_schedule_and_fails();
    a_binding_that_refreshes_tries_again();
    a_retransmission_hides_the_round_trip();
    a_clock_that_goes_back_stands_still();
    the_end_of_time_is_survived();
    one_seed_gives_the_same_bytes_and_another_does_not();
    without_a_seed_the_system_gives_one();
    return check_report();
}
