/* A relay, from the first request to the last: its events, what peers send, what is sent to them. */

#include "turn.h"

static const uint8_t hello[5] = { 'h', 'e', 'l', 'l', 'o' };

static stun_allocation_info info_of(stun_agent *agent, uint64_t id)
{
    stun_allocation_info info;
    memset(&info, DIRT, sizeof info);
    info.struct_size = (uint32_t)sizeof info;
    CHECK_EQ(stun_allocation_read(agent, id, &info), STUN_OK);
    return info;
}

static void an_allocation_tells_where_it_is(void)
{
    stun_agent *agent = new_agent(1, 0);
    turn_server server = { 0, 0, 1, 0, { 0 }, 0 };
    stun_allocation_config config = allocation_config();
    stun_allocation_info info;
    stun_addr relayed = relayed_addr(), mapped = mapped_addr(), local = client_addr(), asked = server_addr();
    stun_event event;
    size_t len = 0;
    uint64_t id;
    config.port = STUN_PORT_EVEN_RESERVING_NEXT;
    id = start_allocation(agent, &config);
    info = info_of(agent, id);
    CHECK(info.is_allocated == 0 && info.relayed.family == 0 && info.expires == STUN_NEVER && info.rtt == STUN_NEVER);
    CHECK(same_addr(&info.server, &asked) && same_addr(&info.local, &local) && info.transport == STUN_UDP);
    CHECK_EQ(serve(&server, agent, 20 * MS), 1);
    CHECK_EQ(next_event(agent, &event), STUN_EV_ALLOCATED);
    CHECK(event.id == id && event.is_last == 0 && event.rtt == 20 * MS && event.lifetime == 600 * SECOND);
    CHECK(event.relay == STUN_NO_RELAY);
    CHECK(same_addr(&event.relayed, &relayed) && same_addr(&event.addr, &mapped) && event.additional.family == 0);
    CHECK(event.code == 1 && event.token[0] == 1 && event.token[7] == 8);
    CHECK(strcmp(stun_event_name(event.kind), "STUN_EV_ALLOCATED") == 0);
    info = info_of(agent, id);
    CHECK(info.is_allocated == 1 && same_addr(&info.relayed, &relayed) && same_addr(&info.mapped, &mapped));
    CHECK(info.additional.family == 0 && info.expires == 600 * SECOND && info.rtt == 20 * MS && info.dropped_events == 0);
    CHECK_EQ(stun_allocation_alternate_domain(agent, id, NULL, 0, &len), STUN_EMPTY);
    CHECK_EQ(stun_answer_redirect(agent, id, 1, 0), STUN_OK); /* nothing is asked */
    stun_agent_free(agent);
}

static void every_kind_of_event_has_a_name(void)
{
    uint32_t kind;
    for (kind = 1; kind <= STUN_EV_RELAY_SUPERSEDED; kind++) {
        int is_reserved = kind >= 4 && kind <= 6;
        CHECK_EQ(strcmp(stun_event_name(kind), "STUN_EV_?") == 0, is_reserved);
    }
    CHECK(strcmp(stun_event_name(STUN_EV_CLOSED), "STUN_EV_CLOSED") == 0);
    CHECK(strcmp(stun_event_name(STUN_EV_RELAY_SUPERSEDED), "STUN_EV_RELAY_SUPERSEDED") == 0);
}

static void closing_deletes_it_at_the_server(void)
{
    stun_agent *agent = new_agent(2, 0);
    turn_server server = { 0, 0, 0, 0, { 0 }, 0 };
    stun_addr peer = peer_addr();
    stun_event event;
    uint64_t id = new_relay(agent, &server);
    CHECK_EQ(stun_allocation_close(agent, id, SECOND), STUN_OK);
    CHECK_EQ(stun_allocation_permit(agent, id, &peer, SECOND), STUN_E_STATE);
    says(agent, "the allocation has ended, or is being closed");
    CHECK_EQ(serve(&server, agent, SECOND), 1);
    CHECK_EQ(server.asked[REFRESH], 1);
    CHECK_EQ(next_event(agent, &event), STUN_EV_CLOSED);
    CHECK(event.id == id && event.is_last == 1 && event.text_len == 6);
    CHECK_EQ(stun_allocation_close(agent, id, SECOND), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_poll_timeout(agent), STUN_NEVER);
    stun_agent_free(agent);
}

static void a_permitted_peer_is_sent_indications(void)
{
    stun_agent *agent = new_agent(3, 0);
    turn_server server = { 0, 0, 0, 0, { 0 }, 0 };
    stun_addr peer = peer_addr(), found, to = server_addr();
    stun_wire_message message;
    stun_wire_attribute attribute;
    stun_packet packet;
    stun_event event;
    uint8_t buf[128];
    uint16_t channel = 9;
    uint64_t id = new_relay(agent, &server);
    CHECK_EQ(stun_allocation_peer(agent, id, &peer, &channel), STUN_EMPTY);
    CHECK_EQ(stun_allocation_send(agent, id, &peer, hello, 5, buf, sizeof buf, 0, &packet), STUN_E_STATE);
    says(agent, "the peer is not permitted yet");
    CHECK_EQ(stun_allocation_permit(agent, id, &peer, 0), STUN_OK);
    CHECK_EQ(serve(&server, agent, 0), 1);
    CHECK_EQ(server.asked[CREATE_PERMISSION], 1);
    CHECK_EQ(next_event(agent, &event), STUN_EV_PERMITTED);
    CHECK(event.peer.port == 0 && memcmp(event.peer.ip, peer.ip, 4) == 0);
    CHECK_EQ(stun_allocation_peer(agent, id, &peer, &channel), STUN_OK);
    CHECK_EQ(channel, 0);

    CHECK_EQ(stun_allocation_send(agent, id, &peer, hello, 5, buf, sizeof buf, 0, &packet), STUN_OK);
    CHECK(packet.data == buf && packet.len == 44 && packet.socket_id == 7 && same_addr(&packet.remote, &to));
    CHECK_EQ(stun_wire_parse(packet.data, packet.len, &message), STUN_OK);
    CHECK(message.method == SEND && message.message_class == STUN_WIRE_INDICATION);
    CHECK_EQ(stun_wire_find(&message, XOR_PEER_ADDRESS, &attribute), STUN_OK);
    CHECK(stun_wire_address(&message, &attribute, &found) == STUN_OK && same_addr(&found, &peer));
    CHECK_EQ(stun_wire_find(&message, DATA_ATTRIBUTE, &attribute), STUN_OK);
    CHECK(attribute.len == 5 && memcmp(attribute.value, hello, 5) == 0);

    memset(buf, DIRT, sizeof buf);
    memcpy(buf + STUN_MAX_HEADROOM, hello, 5);
    CHECK_EQ(stun_allocation_send_in_place(agent, id, &peer, buf, sizeof buf, STUN_MAX_HEADROOM, 5, 0, &packet), STUN_OK);
    CHECK(packet.data == buf + STUN_MAX_HEADROOM - 36 && packet.len == 44 && is_dirty(buf, STUN_MAX_HEADROOM - 36));
    CHECK(memcmp(buf + STUN_MAX_HEADROOM, hello, 5) == 0 && is_dirty(buf + STUN_MAX_HEADROOM + 8, 8));

    CHECK_EQ(stun_allocation_revoke(agent, id, &peer, 0), STUN_OK);
    CHECK_EQ(stun_allocation_revoke(agent, id, &peer, 0), STUN_EMPTY);
    CHECK_EQ(stun_allocation_send(agent, id, &peer, hello, 5, buf, sizeof buf, 0, &packet), STUN_E_STATE);
    CHECK_EQ(stun_poll_transmit(agent, &packet), STUN_EMPTY); /* data is never queued */
    stun_agent_free(agent);
}

static void a_channel_has_four_bytes_of_overhead(void)
{
    stun_agent *agent = new_agent(4, 0);
    turn_server server = { 0, 0, 0, 0, { 0 }, 0 };
    stun_addr peer = peer_addr();
    stun_packet packet;
    uint8_t buf[16];
    uint16_t channel = 0;
    uint64_t id = new_relay(agent, &server);
    bind_channel(agent, &server, id, peer);
    CHECK_EQ(stun_allocation_peer(agent, id, &peer, &channel), STUN_OK);
    CHECK_EQ(channel, server.channel);
    CHECK_EQ(stun_allocation_send(agent, id, &peer, hello, 5, buf, 9, 0, &packet), STUN_OK);
    CHECK(packet.len == 9 && buf[0] == 0x40 && buf[3] == 5 && memcmp(buf + 4, hello, 5) == 0);
    CHECK_EQ(stun_allocation_send(agent, id, &peer, NULL, 0, buf, 4, 0, &packet), STUN_OK);
    CHECK(packet.len == 4 && buf[3] == 0);
    memcpy(buf + 4, hello, 5);
    CHECK_EQ(stun_allocation_send_in_place(agent, id, &peer, buf, 9, STUN_CHANNEL_HEADROOM, 5, 0, &packet), STUN_OK);
    CHECK(packet.data == buf && packet.len == 9 && buf[3] == 5 && memcmp(buf + 4, hello, 5) == 0);
    CHECK_EQ(stun_allocation_release_channel(agent, id, &peer, 0), STUN_OK);
    CHECK_EQ(stun_allocation_release_channel(agent, id, &peer, 0), STUN_EMPTY);
    stun_agent_free(agent);
}

/* Whatever is too small is left as it was, and what is needed is said. */
static void no_room_writes_nothing(void)
{
    stun_agent *agent = new_agent(5, 0);
    turn_server server = { 0, 0, 0, 0, { 0 }, 0 };
    stun_addr peer = peer_addr();
    stun_packet packet, zero;
    uint8_t buf[64];
    size_t cap;
    uint64_t id = new_relay(agent, &server);
    memset(&zero, 0, sizeof zero);
    bind_channel(agent, &server, id, peer);
    memset(buf, DIRT, sizeof buf);
    for (cap = 0; cap < 9; cap++) {
        memset(&packet, DIRT, sizeof packet);
        CHECK_EQ(stun_allocation_send(agent, id, &peer, hello, 5, cap == 0 ? NULL : buf, cap, 0, &packet), STUN_E_BUFFER);
        CHECK_EQ(packet.len, 9);
        packet.len = 0;
        CHECK(memcmp(&packet, &zero, sizeof zero) == 0 && is_dirty(buf, sizeof buf));
    }
    for (cap = 0; cap < 4; cap++) {
        CHECK_EQ(stun_allocation_send_in_place(agent, id, &peer, buf, sizeof buf, cap, 5, 0, &packet), STUN_E_BUFFER);
        CHECK_EQ(packet.len, STUN_CHANNEL_HEADROOM);
    }
    says(agent, "there is too little room before the data");
    memset(&packet, DIRT, sizeof packet);
    CHECK_EQ(stun_allocation_send_in_place(agent, id, &peer, buf, 8, 4, 5, 0, &packet), STUN_E_INVALID);
    CHECK_EQ(stun_allocation_send_in_place(agent, id, &peer, buf, 8, SIZE_MAX, 5, 0, &packet), STUN_E_INVALID);
    says(agent, "the data does not lie in the buffer");
    CHECK_EQ(stun_allocation_send(agent, id, &peer, buf, 5, buf + 4, 9, 0, &packet), STUN_E_INVALID);
    CHECK_EQ(stun_allocation_send(agent, id, &peer, buf + 8, 5, buf, 9, 0, &packet), STUN_E_INVALID);
    says(agent, "data and buf must not overlap");
    CHECK(is_dirty(&packet, sizeof packet) && is_dirty(buf, sizeof buf));
    stun_agent_free(agent);
}

/* What peers send comes out of the caller's own buffer, from the peer and to the relayed address. */
static void data_of_peers_is_a_slice_of_the_input(void)
{
    stun_agent *agent = new_agent(6, 0);
    turn_server server = { 0, 0, 0, 0, { 0 }, 0 };
    stun_addr peer = peer_addr(), relayed = relayed_addr(), stranger = v4(198, 51, 100, 10, 4000);
    stun_packet in, app;
    uint32_t dropped = 0;
    size_t len = 0;
    uint8_t buf[128];
    uint64_t id = new_relay(agent, &server);
    bind_channel(agent, &server, id, peer);

    CHECK_EQ(stun_channel_data_write(buf, sizeof buf, server.channel, hello, 5, 0, &len), STUN_OK);
    in = packet_of(client_addr(), server_addr(), buf, len);
    in.ecn = 2;
    in.socket_id = 7;
    memset(&app, DIRT, sizeof app);
    CHECK_EQ(stun_handle_input(agent, &in, 0, &app), STUN_APP_DATA);
    CHECK(app.data == buf + 4 && app.len == 5 && same_addr(&app.local, &relayed) && same_addr(&app.remote, &peer));
    CHECK(app.transport == STUN_UDP && app.ecn == 2 && app.flags == 0 && app.socket_id == 7);
    CHECK_EQ(stun_handle_input(agent, &in, 0, NULL), STUN_APP_DATA);
    app = in; /* one packet for both */
    CHECK_EQ(stun_handle_input(agent, &app, 0, &app), STUN_APP_DATA);
    CHECK(app.data == buf + 4 && same_addr(&app.remote, &peer));

    in = packet_of(client_addr(), server_addr(), buf, data_indication(buf, sizeof buf, peer, "hello"));
    CHECK_EQ(stun_handle_input(agent, &in, 0, &app), STUN_APP_DATA);
    CHECK(app.data == buf + 36 && app.len == 5 && same_addr(&app.local, &relayed) && same_addr(&app.remote, &peer));
    in.len = data_indication(buf, sizeof buf, peer, "");
    CHECK_EQ(stun_handle_input(agent, &in, 0, &app), STUN_APP_DATA);
    CHECK_EQ(app.len, 0);

    memset(&app, DIRT, sizeof app);
    in.len = data_indication(buf, sizeof buf, stranger, "hello");
    CHECK_EQ(stun_handle_input(agent, &in, 0, &app), STUN_OK);
    CHECK(stun_dropped(agent, STUN_DROP_UNPERMITTED_PEER, &dropped) == STUN_OK && dropped == 1);
    CHECK_EQ(stun_channel_data_write(buf, sizeof buf, 0x4FFF, hello, 5, 0, &in.len), STUN_OK);
    CHECK_EQ(stun_handle_input(agent, &in, 0, &app), STUN_OK);
    CHECK(stun_dropped(agent, STUN_DROP_UNKNOWN_CHANNEL, &dropped) == STUN_OK && dropped == 1);
    in.remote = stranger; /* another host's ChannelData is somebody else's */
    CHECK_EQ(stun_handle_input(agent, &in, 0, &app), STUN_IGNORED);
    CHECK(is_dirty(&app, sizeof app));
    stun_agent_free(agent);
}

static void what_peers_lack_is_said(void)
{
    static const uint8_t id_of[12] = { 9 }, too_big[8] = { 0, 0, 3, 4, 0, 0, 5, 0x78 };
    stun_agent *agent = new_agent(7, 0);
    turn_server server = { 0, 0, 0, 0, { 0 }, 0 };
    stun_addr peer = peer_addr(), other = v4(203, 0, 113, 5, 99);
    stun_wire_builder message;
    stun_packet in;
    stun_event event;
    uint8_t buf[64];
    uint64_t id = new_relay(agent, &server);
    bind_channel(agent, &server, id, peer);
    CHECK_EQ(stun_wire_begin(&message, buf, sizeof buf, STUN_WIRE_INDICATION, DATA, id_of), STUN_OK);
    CHECK_EQ(stun_wire_add_address(&message, XOR_PEER_ADDRESS, &peer), STUN_OK);
    CHECK_EQ(stun_wire_add(&message, ICMP, too_big, 8), STUN_OK);
    in = packet_of(client_addr(), server_addr(), buf, message.len);
    CHECK_EQ(stun_handle_input(agent, &in, 0, NULL), STUN_OK);
    CHECK_EQ(next_event(agent, &event), STUN_EV_PEER_UNREACHABLE);
    CHECK(same_addr(&event.peer, &peer) && event.count == 1400);

    server.refused = CREATE_PERMISSION, server.code = 403;
    CHECK_EQ(stun_allocation_permit(agent, id, &other, 0), STUN_OK);
    CHECK_EQ(serve(&server, agent, 0), 1);
    CHECK_EQ(next_event(agent, &event), STUN_EV_PEER_REFUSED);
    CHECK(event.code == 403 && event.peer.port == 0 && memcmp(event.peer.ip, other.ip, 4) == 0);
    stun_agent_free(agent);
}

static void a_refusal_is_final_or_not(void)
{
    stun_agent *agent = new_agent(8, 0);
    turn_server server = { ALLOCATE, 486, 0, 0, { 0 }, 0 };
    stun_allocation_config config = allocation_config();
    stun_event event;
    uint64_t id = start_allocation(agent, &config);
    CHECK_EQ(serve(&server, agent, 0), 1);
    CHECK_EQ(next_event(agent, &event), STUN_EV_RETRYING);
    CHECK(event.id == id && event.reason == STUN_FAIL_ERROR_RESPONSE && event.code == 486 && event.at > 0);
    CHECK_EQ(stun_wake_reason(agent), STUN_WAKE_RETRY);
    CHECK_EQ(stun_cancel(agent, id, 0), STUN_OK);
    server.code = 403;
    id = start_allocation(agent, &config);
    CHECK_EQ(serve(&server, agent, 0), 1);
    CHECK_EQ(next_event(agent, &event), STUN_EV_FAILED);
    CHECK(event.id == id && event.reason == STUN_FAIL_ERROR_RESPONSE && event.code == 403 && event.is_last == 1);
    stun_agent_free(agent);
}

static void credentials_that_expire_are_asked_for(void)
{
    stun_agent *agent = new_agent(9, 0);
    turn_server server = { 0, 0, 0, 0, { 0 }, 0 };
    stun_allocation_config config = allocation_config();
    stun_credentials credentials;
    stun_event event;
    uint64_t id;
    memset(&credentials, 0, sizeof credentials);
    credentials.struct_size = (uint32_t)sizeof credentials;
    credentials.username = credentials.password = hello;
    credentials.username_len = credentials.password_len = 5;
    credentials.expire = 100 * SECOND;
    config.credentials = &credentials;
    config.keepalive = STUN_NEVER;
    id = start_allocation(agent, &config);
    CHECK_EQ(serve(&server, agent, 0), 1);
    CHECK_EQ(next_event(agent, &event), STUN_EV_ALLOCATED);
    CHECK_EQ(stun_poll_timeout(agent), 40 * SECOND);
    CHECK_EQ(stun_handle_timeout(agent, 40 * SECOND), STUN_OK);
    CHECK_EQ(next_event(agent, &event), STUN_EV_CREDENTIALS_NEEDED);
    CHECK(event.code == STUN_CREDENTIALS_EXPIRING && event.at == 100 * SECOND);
    credentials.expire = STUN_NEVER;
    CHECK_EQ(stun_allocation_set_credentials(agent, id, &credentials, 40 * SECOND), STUN_OK);
    CHECK(stun_poll_timeout(agent) > 100 * SECOND);
    stun_agent_free(agent);
}

/* RFC 8016: a relay without a ticket is lost with the address that it was asked from. */
static void another_network_is_another_relay(void)
{
    stun_agent *agent = new_agent(10, 0);
    turn_server server = { 0, 0, 0, 0, { 0 }, 0 };
    stun_addr local = v4(10, 9, 0, 2, 0), relayed = relayed_addr();
    stun_event event;
    uint64_t id = new_relay(agent, &server);
    CHECK_EQ(stun_network_changed(agent, &local, 1, SECOND), STUN_OK);
    CHECK_EQ(next_event(agent, &event), STUN_EV_RESTARTED);
    CHECK(event.id == id && event.addr.ip[1] == 9 && event.addr.port == 5000 && event.previous.ip[1] == 0);
    CHECK_EQ(next_event(agent, &event), STUN_EV_LOST);
    CHECK(event.reason == STUN_FAIL_NETWORK_CHANGED && same_addr(&event.relayed, &relayed));
    stun_agent_free(agent);
}

static stun_status permits(int a, int b, int c, int d, const stun_allocation_config *config)
{
    stun_agent *agent = new_agent(11, 0);
    stun_addr peer = v4(a, b, c, d, 4000);
    uint64_t id = start_allocation(agent, config);
    stun_status status = stun_allocation_permit(agent, id, &peer, 0);
    stun_agent_free(agent);
    return status;
}

static void the_policy_decides_who_may_be_a_peer(void)
{
    stun_allocation_config config = allocation_config();
    stun_peer_rule rules[2];
    CHECK_EQ(permits(198, 51, 100, 9, &config), STUN_OK);
    CHECK_EQ(permits(10, 0, 0, 9, &config), STUN_OK);
    CHECK_EQ(permits(127, 0, 0, 1, &config), STUN_E_INVALID);
    CHECK_EQ(permits(169, 254, 169, 254, &config), STUN_E_INVALID);
    CHECK_EQ(permits(0, 0, 0, 0, &config), STUN_E_INVALID);
    config.peer_policy = STUN_PEERS_LOOPBACK;
    CHECK_EQ(permits(127, 0, 0, 1, &config), STUN_OK);
    CHECK_EQ(permits(169, 254, 169, 254, &config), STUN_E_INVALID);
    config.peer_policy = STUN_PEERS_ALL;
    CHECK_EQ(permits(169, 254, 169, 254, &config), STUN_OK);
    CHECK_EQ(permits(224, 0, 0, 1, &config), STUN_E_INVALID);
    memset(rules, 0, sizeof rules);
    rules[0].first = v4(10, 0, 0, 0, 0);
    rules[0].last = v4(10, 255, 255, 255, 0);
    rules[1].first = v4(10, 1, 0, 7, 0);
    rules[1].allows = 1;
    config.peer_policy = STUN_PEERS_DEFAULT;
    config.peer_rules = rules;
    config.peer_rule_count = 2;
    CHECK_EQ(permits(10, 0, 0, 9, &config), STUN_E_INVALID);
    CHECK_EQ(permits(10, 1, 0, 7, &config), STUN_OK);
    CHECK_EQ(permits(10, 1, 0, 8, &config), STUN_E_INVALID);
    CHECK_EQ(permits(11, 0, 0, 1, &config), STUN_OK);
    config.peer_rule_count = 1;
    CHECK_EQ(permits(10, 1, 0, 7, &config), STUN_E_INVALID);
}

int main(void)
{
    an_allocation_tells_where_it_is();
    every_kind_of_event_has_a_name();
    closing_deletes_it_at_the_server();
    a_permitted_peer_is_sent_indications();
    a_channel_has_four_bytes_of_overhead();
    no_room_writes_nothing();
    data_of_peers_is_a_slice_of_the_input();
    what_peers_lack_is_said();
    a_refusal_is_final_or_not();
    credentials_that_expire_are_asked_for();
    another_network_is_another_relay();
    the_policy_decides_who_may_be_a_peer();
    return check_report();
}
