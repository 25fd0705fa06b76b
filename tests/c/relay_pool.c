/* A pool of relays: which is selected, what happens when its server dies, and what its calls and events say. */

#include "pool.h"

static const uint8_t hello[5] = { 'h', 'e', 'l', 'l', 'o' };

static stun_relay_pool_info info_of(stun_agent *agent, uint64_t id)
{
    stun_relay_pool_info info;
    memset(&info, DIRT, sizeof info);
    info.struct_size = (uint32_t)sizeof info;
    CHECK_EQ(stun_relay_pool_read(agent, id, &info), STUN_OK);
    return info;
}

/* Two that are ready, of which the first is selected, and a spare; their events are taken. */
static uint64_t new_pool(stun_agent *agent, turn_server *servers)
{
    pool_plan plan;
    stun_event event;
    uint64_t id;
    memset(servers, 0, RELAYS * sizeof *servers);
    plan_pool(&plan, RELAYS);
    plan.config.ready = 2;
    id = start_pool(agent, &plan);
    memset(&plan, DIRT, sizeof plan); /* everything was copied */
    CHECK_EQ(serve_pool(servers, agent, 0, 0), 2);
    CHECK_EQ(next_event(agent, &event), STUN_EV_RELAY_READY);
    CHECK_EQ(next_event(agent, &event), STUN_EV_RELAY_SELECTED);
    CHECK_EQ(next_event(agent, &event), STUN_EV_RELAY_READY);
    CHECK_EQ(next_event(agent, &event), 0);
    return id;
}

static void the_first_that_is_ready_is_selected(void)
{
    stun_agent *agent = new_agent(1, 0);
    turn_server servers[RELAYS];
    pool_plan plan;
    stun_relay_pool_info info;
    stun_allocation_info relay;
    stun_addr mapped = mapped_addr(), first = relayed_of(0), second = relayed_of(1), server = server_of(1);
    stun_event event;
    size_t len = 0;
    uint64_t id;
    memset(servers, 0, sizeof servers);
    plan_pool(&plan, RELAYS);
    plan.config.ready = 2;
    id = start_pool(agent, &plan);
    info = info_of(agent, id);
    CHECK(info.selected == STUN_NO_RELAY && info.relay_count == 3 && info.ready_count == 0 && info.relayed.family == 0);
    CHECK_EQ(serve_pool(servers, agent, 1, 10 * MS), 2); /* the first server is slow */
    CHECK_EQ(next_event(agent, &event), STUN_EV_RELAY_READY);
    CHECK(event.id == id && event.relay == 1 && event.rtt == 10 * MS && same_addr(&event.relayed, &second));
    CHECK(same_addr(&event.addr, &mapped) && event.additional.family == 0 && event.is_last == 0);
    CHECK_EQ(next_event(agent, &event), STUN_EV_RELAY_SELECTED);
    CHECK(event.id == id && event.relay == 1 && same_addr(&event.relayed, &second));
    CHECK(event.text_len > 0 && strcmp(stun_event_name(event.kind), "STUN_EV_RELAY_SELECTED") == 0);
    CHECK_EQ(stun_handle_timeout(agent, 500 * MS), STUN_OK);
    CHECK_EQ(serve_pool(servers, agent, 0, 500 * MS), 1);
    CHECK_EQ(next_event(agent, &event), STUN_EV_RELAY_READY);
    CHECK(event.relay == 0 && same_addr(&event.relayed, &first));

    info = info_of(agent, id);
    CHECK(info.selected == 1 && info.ready_count == 2 && same_addr(&info.relayed, &second));
    CHECK(info.additional.family == 0 && info.dropped_events == 0 && info.struct_size == sizeof info);
    memset(&relay, DIRT, sizeof relay);
    relay.struct_size = (uint32_t)sizeof relay;
    CHECK_EQ(stun_relay_pool_relay(agent, id, 1, &relay), STUN_OK);
    CHECK(relay.is_allocated == 1 && same_addr(&relay.relayed, &second) && same_addr(&relay.server, &server));
    CHECK_EQ(stun_relay_pool_relay(agent, id, 2, &relay), STUN_EMPTY);
    CHECK_EQ(stun_relay_pool_alternate_domain(agent, id, 1, NULL, 0, &len), STUN_EMPTY);
    CHECK_EQ(stun_relay_pool_alternate_domain(agent, id, 2, NULL, 0, &len), STUN_EMPTY);
    CHECK_EQ(servers[2].asked[ALLOCATE], 0);
    stun_agent_free(agent);
}

/* Binds a channel at the selected relay, for a pool as for an allocation. */
static void bind_in_pool(stun_agent *agent, turn_server *servers, uint64_t id, uint32_t selected)
{
    stun_addr peer = peer_addr();
    stun_event event;
    uint16_t channel = 0;
    CHECK_EQ(stun_allocation_bind_channel(agent, id, &peer, 0), STUN_OK);
    serve_pool(servers, agent, 0, 0);
    CHECK_EQ(next_event(agent, &event), STUN_EV_CHANNEL_BOUND);
    CHECK(event.id == id && event.relay == selected && same_addr(&event.peer, &peer));
    CHECK_EQ(stun_allocation_peer(agent, id, &peer, &channel), STUN_OK);
    CHECK_EQ(channel, servers[selected].channel);
    while (next_event(agent, &event) != 0) { }
}

/* The peer's answer through a relay: from the peer, to that relay's address. */
static void peer_is_heard(stun_agent *agent, const turn_server *servers, int n, stun_time now)
{
    stun_addr peer = peer_addr(), relayed = relayed_of(n);
    uint8_t buf[16];
    size_t len = 0;
    stun_packet in, app;
    CHECK_EQ(stun_channel_data_write(buf, sizeof buf, servers[n].channel, hello, 5, 0, &len), STUN_OK);
    in = packet_of(local_of(n), server_of(n), buf, len);
    CHECK_EQ(stun_handle_input(agent, &in, now, &app), STUN_APP_DATA);
    CHECK(app.data == buf + 4 && app.len == 5 && same_addr(&app.remote, &peer) && same_addr(&app.local, &relayed));
}

static void a_server_that_dies_is_left_and_data_goes_on(void)
{
    stun_agent *agent = new_agent(2, 0);
    turn_server servers[RELAYS];
    stun_addr peer = peer_addr(), to = server_of(0), next = server_of(1), relayed = relayed_of(1);
    stun_packet packet;
    stun_event event;
    stun_time now = SECOND;
    uint8_t buf[64];
    uint64_t id = new_pool(agent, servers);
    bind_in_pool(agent, servers, id, 0);
    CHECK_EQ(stun_allocation_send(agent, id, &peer, hello, 5, buf, sizeof buf, now, &packet), STUN_OK);
    CHECK(packet.len == 9 && packet.socket_id == 7 && same_addr(&packet.remote, &to));
    peer_is_heard(agent, servers, 0, now);

    /* From here on the first server is silent. What is sent is to be answered: that is looked at. */
    now = 2 * SECOND;
    CHECK_EQ(stun_allocation_send(agent, id, &peer, hello, 5, buf, sizeof buf, now, &packet), STUN_OK);
    CHECK(pass_until(servers, agent, 1, STUN_EV_MIGRATED, &now, 60 * SECOND, &event));
    CHECK(now > 5 * SECOND && now < 12 * SECOND);
    CHECK(event.id == id && event.relay == 1 && event.index == 0 && event.detail == STUN_MIGRATION_UNRESPONSIVE);
    CHECK(event.reason == STUN_FAIL_NONE && same_addr(&event.relayed, &relayed) && event.is_last == 0);
    CHECK(pass_until(servers, agent, 1, STUN_EV_CHANNEL_BOUND, &now, 60 * SECOND, &event));
    CHECK(event.relay == 1 && same_addr(&event.peer, &peer));
    CHECK_EQ(info_of(agent, id).selected, 1);

    CHECK_EQ(stun_allocation_send(agent, id, &peer, hello, 5, buf, sizeof buf, now, &packet), STUN_OK);
    CHECK(packet.data == buf && packet.len == 9 && packet.socket_id == 8 && same_addr(&packet.remote, &next));
    peer_is_heard(agent, servers, 1, now);
    memcpy(buf + STUN_CHANNEL_HEADROOM, hello, 5);
    CHECK_EQ(stun_allocation_send_in_place(agent, id, &peer, buf, 9, STUN_CHANNEL_HEADROOM, 5, now, &packet), STUN_OK);
    CHECK(packet.data == buf && same_addr(&packet.remote, &next));
    CHECK(pass_until(servers, agent, 1, STUN_EV_LOST, &now, 120 * SECOND, &event)); /* the first is given up */
    CHECK(event.relay == 0 && event.detail == 0 && event.reason == STUN_FAIL_TIMEOUT);
    stun_agent_free(agent);
}

static void a_relay_that_is_taken_away_is_replaced_at_once(void)
{
    stun_agent *agent = new_agent(3, 0);
    turn_server servers[RELAYS];
    stun_addr first = relayed_of(0), second = relayed_of(1);
    stun_event event;
    stun_time now = 0;
    uint64_t id = new_pool(agent, servers);
    servers[0].refused = REFRESH, servers[0].code = 437;
    CHECK(pass_until(servers, agent, 0, STUN_EV_LOST, &now, 600 * SECOND, &event));
    CHECK(event.id == id && event.relay == 0 && event.detail == 1 && same_addr(&event.relayed, &first));
    CHECK(event.reason == STUN_FAIL_ERROR_RESPONSE && event.code == 437);
    CHECK_EQ(next_event(agent, &event), STUN_EV_MIGRATED);
    CHECK(event.relay == 1 && event.index == 0 && event.detail == STUN_MIGRATION_LOST && event.code == 437);
    CHECK(event.reason == STUN_FAIL_ERROR_RESPONSE && same_addr(&event.relayed, &second));
    stun_agent_free(agent);
}

static void peers_are_permitted_and_revoked_by_the_same_calls(void)
{
    stun_agent *agent = new_agent(4, 0);
    turn_server servers[RELAYS];
    stun_addr peer = peer_addr(), loopback = v4(127, 0, 0, 1, 9);
    stun_packet packet;
    stun_event event;
    uint8_t buf[64];
    uint16_t channel = 9;
    uint64_t id = new_pool(agent, servers);
    CHECK_EQ(stun_allocation_permit(agent, id, &loopback, 0), STUN_E_INVALID);
    says(agent, "the peer is a loopback address of the relay, which peer_policy refuses");
    CHECK_EQ(stun_allocation_peer(agent, id, &peer, &channel), STUN_EMPTY);
    CHECK_EQ(stun_allocation_send(agent, id, &peer, hello, 5, buf, sizeof buf, 0, &packet), STUN_E_STATE);
    says(agent, "the peer is not permitted yet");
    CHECK_EQ(stun_allocation_permit(agent, id, &peer, 0), STUN_OK);
    CHECK_EQ(serve_pool(servers, agent, 0, 0), 1); /* the standby is cold */
    CHECK_EQ(next_event(agent, &event), STUN_EV_PERMITTED);
    CHECK(event.relay == 0 && event.peer.port == 0 && memcmp(event.peer.ip, peer.ip, 4) == 0);
    CHECK(stun_allocation_peer(agent, id, &peer, &channel) == STUN_OK && channel == 0);
    CHECK_EQ(stun_allocation_send(agent, id, &peer, hello, 5, buf, sizeof buf, 0, &packet), STUN_OK);
    CHECK_EQ(packet.len, 44);
    CHECK_EQ(stun_allocation_send(agent, id, &peer, hello, 5, buf, 9, 0, &packet), STUN_E_BUFFER);
    CHECK_EQ(packet.len, 44);
    CHECK_EQ(stun_allocation_revoke(agent, id, &peer, 0), STUN_OK);
    CHECK_EQ(stun_allocation_revoke(agent, id, &peer, 0), STUN_EMPTY);
    CHECK_EQ(stun_allocation_release_channel(agent, id, &peer, 0), STUN_EMPTY);
    CHECK_EQ(stun_allocation_bind_channel(agent, id, &peer, 0), STUN_OK);
    CHECK_EQ(stun_allocation_release_channel(agent, id, &peer, 0), STUN_OK);
    stun_agent_free(agent);
}

/* Each relay has its own policy. */
static void a_peer_that_the_next_relay_refuses_is_named(void)
{
    stun_agent *agent = new_agent(10, 0);
    turn_server servers[RELAYS];
    stun_addr peer = peer_addr();
    stun_peer_rule rule;
    pool_plan plan;
    stun_event event;
    stun_time now = 0;
    uint64_t id;
    memset(servers, 0, sizeof servers);
    memset(&rule, 0, sizeof rule);
    rule.first = peer; /* allows is 0 */
    plan_pool(&plan, 2);
    plan.relays[1].peer_rules = &rule;
    plan.relays[1].peer_rule_count = 1;
    id = start_pool(agent, &plan);
    CHECK_EQ(serve_pool(servers, agent, 0, 0), 2);
    CHECK_EQ(stun_allocation_permit(agent, id, &peer, 0), STUN_OK);
    servers[0].refused = REFRESH, servers[0].code = 437;
    CHECK(pass_until(servers, agent, 0, STUN_EV_MIGRATED, &now, 600 * SECOND, &event));
    CHECK_EQ(next_event(agent, &event), STUN_EV_PEER_UNSERVED);
    CHECK(event.id == id && event.relay == 1 && event.detail == STUN_UNSERVED_POLICY && event.text_len > 0);
    CHECK(event.peer.port == 0 && memcmp(event.peer.ip, peer.ip, 4) == 0);
    stun_agent_free(agent);
}

static void warm_standbys_know_the_peers(void)
{
    stun_agent *agent = new_agent(5, 0);
    turn_server servers[RELAYS];
    stun_addr peer = peer_addr();
    pool_plan plan;
    uint64_t id;
    memset(servers, 0, sizeof servers);
    plan_pool(&plan, 2);
    plan.config.flags = STUN_RELAY_POOL_WARM_STANDBY;
    id = start_pool(agent, &plan);
    CHECK_EQ(serve_pool(servers, agent, 0, 0), 2);
    CHECK_EQ(stun_allocation_permit(agent, id, &peer, 0), STUN_OK);
    CHECK_EQ(serve_pool(servers, agent, 0, 0), 2);
    CHECK(servers[0].asked[CREATE_PERMISSION] == 1 && servers[1].asked[CREATE_PERMISSION] == 1);
    stun_agent_free(agent);
}

static void closing_deletes_all_of_them(void)
{
    stun_agent *agent = new_agent(6, 0);
    turn_server servers[RELAYS];
    stun_event event;
    uint64_t id = new_pool(agent, servers);
    CHECK_EQ(stun_allocation_close(agent, id, SECOND), STUN_OK);
    CHECK_EQ(serve_pool(servers, agent, 0, SECOND), 2);
    CHECK(servers[0].asked[REFRESH] == 1 && servers[1].asked[REFRESH] == 1);
    CHECK_EQ(next_event(agent, &event), STUN_EV_CLOSED);
    CHECK(event.id == id && event.is_last == 1 && event.relay == STUN_NO_RELAY);
    CHECK_EQ(stun_allocation_close(agent, id, SECOND), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_poll_timeout(agent), STUN_NEVER);
    stun_agent_free(agent);
}

static void a_pool_fails_when_the_last_relay_has(void)
{
    stun_agent *agent = new_agent(7, 0);
    turn_server servers[RELAYS];
    pool_plan plan;
    stun_event event;
    uint64_t id;
    int n;
    memset(servers, 0, sizeof servers);
    for (n = 0; n < RELAYS; n++) servers[n].refused = ALLOCATE, servers[n].code = 403;
    plan_pool(&plan, 2);
    plan.config.ready = 1;
    id = start_pool(agent, &plan);
    CHECK_EQ(serve_pool(servers, agent, 0, 0), 2); /* the spare as soon as the first has failed */
    for (n = 0; n < 2; n++) {
        CHECK_EQ(next_event(agent, &event), STUN_EV_FAILED);
        CHECK(event.id == id && event.relay == (uint32_t)n && event.is_last == 0 && event.code == 403);
    }
    CHECK_EQ(next_event(agent, &event), STUN_EV_FAILED);
    CHECK(event.id == id && event.relay == STUN_NO_RELAY && event.is_last == 1 && event.code == 403);
    CHECK_EQ(stun_relay_pool_set_credentials(agent, id, 0, NULL, 0), STUN_E_NULL);
    stun_agent_free(agent);
}

static void one_relay_can_be_told(void)
{
    stun_agent *agent = new_agent(8, 0);
    turn_server servers[RELAYS];
    stun_credentials credentials;
    stun_packet path;
    stun_event event;
    stun_addr moved = v4(10, 9, 0, 2, 6000);
    stun_packet packet;
    uint64_t id = new_pool(agent, servers);
    memset(&credentials, 0, sizeof credentials);
    credentials.struct_size = (uint32_t)sizeof credentials;
    credentials.username = credentials.password = hello;
    credentials.username_len = credentials.password_len = 5;
    credentials.expire = STUN_NEVER;
    CHECK_EQ(stun_relay_pool_set_credentials(agent, id, 0, &credentials, 0), STUN_OK);
    CHECK_EQ(stun_relay_pool_set_credentials(agent, id, 2, &credentials, 0), STUN_OK); /* a spare */
    CHECK_EQ(stun_relay_pool_set_credentials(agent, id, 3, &credentials, 0), STUN_E_NOT_FOUND);
    says(agent, "the pool has no such relay, or it is over");
    CHECK_EQ(stun_relay_pool_answer_redirect(agent, id, 0, 1, 0), STUN_OK); /* nothing is asked */
    path = packet_of(local_of(1), server_of(1), NULL, 0);
    CHECK_EQ(stun_relay_pool_reconnected(agent, id, 0, &path, 0), STUN_E_STATE);
    says(agent, "another relay of the pool is on that path");
    path = packet_of(moved, server_of(0), NULL, 0);
    path.socket_id = 77;
    CHECK_EQ(stun_relay_pool_reconnected(agent, id, 0, &path, 0), STUN_OK);
    CHECK_EQ(next_event(agent, &event), STUN_EV_LOST); /* there was no ticket (RFC 8016) */
    CHECK(event.relay == 0 && event.detail == 1);
    CHECK_EQ(next_event(agent, &event), STUN_EV_MIGRATED);
    CHECK(event.relay == 1 && event.detail == STUN_MIGRATION_LOST);
    CHECK(stun_poll_transmit(agent, &packet) == STUN_OK && packet.socket_id == 9); /* the spare is asked */
    CHECK_EQ(stun_poll_transmit(agent, &packet), STUN_OK);
    CHECK(packet.socket_id == 77 && same_addr(&packet.local, &moved));
    stun_agent_free(agent);
}

static void paths_are_not_shared_with_allocations(void)
{
    stun_agent *agent = new_agent(9, 0);
    pool_plan plan;
    uint64_t other = 0, id;
    plan_pool(&plan, 2);
    CHECK_EQ(stun_allocation_start(agent, &plan.relays[1], 0, &other), STUN_OK);
    CHECK_EQ(stun_relay_pool_start(agent, &plan.config, 0, &id), STUN_E_STATE);
    says(agent, "another allocation already relays on that path");
    CHECK_EQ(stun_cancel(agent, other, 0), STUN_OK);
    id = start_pool(agent, &plan);
    CHECK_EQ(stun_allocation_start(agent, &plan.relays[1], 0, &other), STUN_E_STATE);
    CHECK_EQ(stun_cancel(agent, id, 0), STUN_OK);
    stun_agent_free(agent);
}

int main(void)
{
    the_first_that_is_ready_is_selected();
    a_server_that_dies_is_left_and_data_goes_on();
    a_relay_that_is_taken_away_is_replaced_at_once();
    peers_are_permitted_and_revoked_by_the_same_calls();
    a_peer_that_the_next_relay_refuses_is_named();
    warm_standbys_know_the_peers();
    closing_deletes_all_of_them();
    a_pool_fails_when_the_last_relay_has();
    one_relay_can_be_told();
    paths_are_not_shared_with_allocations();
    return check_report();
}
