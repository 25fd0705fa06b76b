/* A relay over TCP: data of peers out of a stream, and connections to peers (RFC 6062). */

#include "turn.h"

static const uint8_t hello[5] = { 'h', 'e', 'l', 'l', 'o' };

static stun_packet tcp_path(int port)
{
    stun_packet path = packet_of(v4(10, 0, 0, 2, port), server_addr(), NULL, 0);
    path.transport = STUN_TCP;
    path.socket_id = (uint32_t)port;
    return path;
}

static uint64_t open_stream(stun_agent *agent, int port)
{
    stun_packet path = tcp_path(port);
    uint64_t stream = 0;
    CHECK_EQ(stun_stream_open(agent, &path, 0, &stream), STUN_OK);
    return stream;
}

static uint64_t start_on_stream(stun_agent *agent, uint32_t relay_transport)
{
    stun_allocation_config config = allocation_config();
    config.transport = STUN_TCP;
    config.local = v4(10, 0, 0, 2, 5001);
    config.socket_id = 5001;
    config.relay_transport = relay_transport;
    return start_allocation(agent, &config);
}

/* Answers what is asked on one connection, `step` bytes at a time. */
static void serve_stream(turn_server *server, stun_agent *agent, uint64_t stream, uint32_t socket_id, size_t step)
{
    uint8_t reply[256];
    stun_packet packet, app;
    while (stun_poll_transmit(agent, &packet) == STUN_OK) {
        size_t len = turn_answer(server, &packet, reply, sizeof reply), at, taken = 9;
        CHECK(packet.transport == STUN_TCP && packet.socket_id == socket_id);
        for (at = 0; at < len; at += taken) {
            size_t part = len - at < step ? len - at : step;
            CHECK_EQ(stun_unwrap_stream(agent, stream, reply + at, part, 0, &taken, &app), STUN_OK);
            CHECK_EQ(taken, part);
        }
    }
}

static uint64_t relay_on_stream(stun_agent *agent, turn_server *server, uint64_t stream, uint32_t relay_transport)
{
    stun_event event;
    uint64_t id = start_on_stream(agent, relay_transport);
    serve_stream(server, agent, stream, 5001, 1);
    CHECK_EQ(next_event(agent, &event), STUN_EV_ALLOCATED);
    return id;
}

static void permit(stun_agent *agent, turn_server *server, uint64_t stream, uint64_t id, int with_channel)
{
    stun_addr peer = peer_addr();
    stun_event event;
    CHECK_EQ(with_channel ? stun_allocation_bind_channel(agent, id, &peer, 0) : stun_allocation_permit(agent, id, &peer, 0), STUN_OK);
    serve_stream(server, agent, stream, 5001, 7);
    CHECK_EQ(next_event(agent, &event), with_channel ? STUN_EV_CHANNEL_BOUND : STUN_EV_PERMITTED);
    while (next_event(agent, &event) != 0) { }
}

/* Two frames of data, and the beginning of a third, in one piece. */
static size_t two_frames_and_a_bit(const turn_server *server, uint8_t *out, size_t cap)
{
    size_t len = 0, all = 0;
    int n;
    for (n = 0; n < 3; n++) {
        CHECK_EQ(stun_channel_data_write(out + all, cap - all, server->channel, hello, (size_t)n + 3, 1, &len), STUN_OK);
        all += len;
    }
    return all - len + 2;
}

static void a_stream_gives_data_frame_by_frame(void)
{
    stun_agent *agent = new_agent(1, 0);
    turn_server server = { 0, 0, 0, 0, { 0 }, 0 };
    uint64_t stream = open_stream(agent, 5001), id = relay_on_stream(agent, &server, stream, STUN_UDP);
    stun_addr peer = peer_addr(), relayed = relayed_addr();
    stun_packet app, echo;
    stun_event event;
    uint8_t bytes[64], buf[64];
    size_t len, taken = 9, at = 0;
    permit(agent, &server, stream, id, 1);
    len = two_frames_and_a_bit(&server, bytes, sizeof bytes);

    CHECK_EQ(stun_unwrap_stream(agent, stream, bytes, len, 0, &taken, &app), STUN_APP_DATA);
    CHECK_EQ(taken, 8);
    CHECK(app.len == 3 && memcmp(app.data, hello, 3) == 0 && app.socket_id == 5001 && app.transport == STUN_UDP);
    CHECK(same_addr(&app.local, &relayed) && same_addr(&app.remote, &peer));
    memset(bytes, DIRT, taken); /* it does not lie there */
    CHECK_EQ(next_event(agent, &event), 0);
    CHECK_EQ(stun_poll_transmit(agent, &echo), STUN_EMPTY);
    CHECK_EQ(stun_allocation_send(agent, id, &peer, app.data, app.len, buf, sizeof buf, 0, &echo), STUN_OK);
    CHECK(echo.len == 8 && memcmp(echo.data + 4, hello, 3) == 0 && echo.data[7] == 0 && echo.transport == STUN_TCP);
    CHECK(memcmp(app.data, hello, 3) == 0);
    at += taken;

    CHECK_EQ(stun_unwrap_stream(agent, stream, bytes + at, len - at, 0, &taken, &app), STUN_APP_DATA);
    CHECK(taken == 8 && app.len == 4 && memcmp(app.data, hello, 4) == 0);
    at += taken;
    memset(&app, DIRT, sizeof app);
    CHECK_EQ(stun_unwrap_stream(agent, stream, bytes + at, len - at, 0, &taken, &app), STUN_OK);
    CHECK(taken == 2 && is_dirty(&app, sizeof app));
    CHECK_EQ(stun_unwrap_stream(agent, stream, NULL, 0, 0, &taken, &app), STUN_OK);
    CHECK_EQ(taken, 0);
    stun_agent_free(agent);
}

/* The older call knows of no data, and what follows is understood all the same. */
static void handle_stream_skips_data(void)
{
    stun_agent *agent = new_agent(2, 0);
    turn_server server = { 0, 0, 0, 0, { 0 }, 0 };
    uint64_t stream = open_stream(agent, 5001), id = relay_on_stream(agent, &server, stream, STUN_UDP);
    stun_packet app;
    uint8_t bytes[64];
    size_t len, taken = 0;
    permit(agent, &server, stream, id, 1);
    len = two_frames_and_a_bit(&server, bytes, sizeof bytes);
    CHECK_EQ(stun_handle_stream(agent, stream, bytes, len, 0), STUN_OK);
    bytes[0] = 0, bytes[1] = 5, memcpy(bytes + 2, "12345\0\0", 8);
    CHECK_EQ(stun_unwrap_stream(agent, stream, bytes, 10, 0, &taken, &app), STUN_APP_DATA);
    CHECK(taken == 10 && app.len == 5 && memcmp(app.data, "12345", 5) == 0);
    CHECK_EQ(stun_unwrap_stream(agent, id, bytes, 10, 0, &taken, &app), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_unwrap_stream(agent, stream, bytes, 10, STUN_NEVER, &taken, &app), STUN_E_INVALID);
    stun_agent_free(agent);
}

static void a_lost_connection_wants_another(void)
{
    stun_agent *agent = new_agent(3, 0);
    turn_server server = { 0, 0, 0, 0, { 0 }, 0 };
    uint64_t stream = open_stream(agent, 5001), id = relay_on_stream(agent, &server, stream, STUN_UDP);
    stun_packet path = tcp_path(5002);
    stun_addr asked = server_addr();
    stun_event event;
    CHECK_EQ(stun_stream_close(agent, stream, SECOND), STUN_OK);
    CHECK_EQ(next_event(agent, &event), STUN_EV_LOST);
    CHECK_EQ(event.reason, STUN_FAIL_SEND);
    while (next_event(agent, &event) != STUN_EV_RECONNECT && stun_poll_timeout(agent) != STUN_NEVER)
        CHECK_EQ(stun_handle_timeout(agent, stun_poll_timeout(agent)), STUN_OK);
    CHECK(event.kind == STUN_EV_RECONNECT && event.id == id && event.code == STUN_TCP && same_addr(&event.addr, &asked));
    CHECK_EQ(stun_reconnected(agent, id, &path, 5 * SECOND), STUN_E_NOT_FOUND); /* that is for bindings */
    stream = open_stream(agent, 5002);
    path.remote.port = 0;
    CHECK_EQ(stun_allocation_reconnected(agent, id, &path, 5 * SECOND), STUN_E_INVALID);
    path.remote.port = 3478;
    CHECK_EQ(stun_allocation_reconnected(agent, id, &path, 5 * SECOND), STUN_OK);
    serve_stream(&server, agent, stream, 5002, 64);
    CHECK_EQ(next_event(agent, &event), STUN_EV_ALLOCATED);
    stun_agent_free(agent);
}

static void a_connection_to_a_peer_is_handed_over(void)
{
    stun_agent *agent = new_agent(4, 0);
    turn_server server = { 0, 0, 0, 7, { 0 }, 0 };
    uint64_t stream = open_stream(agent, 5001), id = relay_on_stream(agent, &server, stream, STUN_TCP), other;
    stun_addr peer = peer_addr(), asked = server_addr();
    stun_packet path = tcp_path(5003), same = tcp_path(5001), packet, app;
    stun_event event;
    uint8_t bytes[64], buf[64];
    size_t len, taken = 0;
    permit(agent, &server, stream, id, 0);
    CHECK_EQ(stun_allocation_bind_channel(agent, id, &peer, 0), STUN_E_STATE);
    CHECK_EQ(stun_allocation_send(agent, id, &peer, hello, 5, buf, sizeof buf, 0, &packet), STUN_E_STATE);
    CHECK_EQ(stun_allocation_connect(agent, id, &peer, 0), STUN_OK);
    CHECK_EQ(stun_allocation_connect(agent, id, &peer, 0), STUN_E_STATE);
    says(agent, "a connection to that peer is being made");
    serve_stream(&server, agent, stream, 5001, 64);
    CHECK_EQ(next_event(agent, &event), STUN_EV_OPEN_CONNECTION);
    CHECK(event.id == id && event.index == 7 && event.detail == 0 && event.code == STUN_TCP);
    CHECK(same_addr(&event.addr, &asked) && same_addr(&event.peer, &peer));

    CHECK_EQ(stun_allocation_connection_opened(agent, id, 8, &path, 0), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_allocation_connection_opened(agent, id, 7, &same, 0), STUN_E_INVALID);
    other = open_stream(agent, 5003);
    CHECK_EQ(stun_allocation_connection_opened(agent, id, 7, &path, 0), STUN_OK);
    CHECK_EQ(stun_poll_transmit(agent, &packet), STUN_OK);
    CHECK_EQ(packet.socket_id, 5003);
    len = turn_answer(&server, &packet, bytes, sizeof bytes);
    CHECK_EQ(server.asked[CONNECTION_BIND], 1);
    memcpy(bytes + len, hello, 5); /* the peer speaks at once */
    memset(&app, DIRT, sizeof app);
    CHECK_EQ(stun_unwrap_stream(agent, other, bytes, len + 5, 0, &taken, &app), STUN_OK);
    CHECK(taken == len && is_dirty(&app, sizeof app));
    CHECK_EQ(next_event(agent, &event), STUN_EV_CONNECTION_BOUND);
    CHECK(event.index == 7 && event.previous.port == 5003 && same_addr(&event.peer, &peer));
    CHECK_EQ(stun_unwrap_stream(agent, other, hello, 5, 0, &taken, &app), STUN_OK);
    CHECK_EQ(taken, 0);
    CHECK_EQ(stun_cancel(agent, other, 0), STUN_OK);
    stun_agent_free(agent);
}

static void a_peer_that_connects_is_announced(void)
{
    static const uint8_t id_of[12] = { 5 };
    stun_agent *agent = new_agent(5, 0);
    turn_server server = { CONNECT, 447, 0, 7, { 0 }, 0 };
    uint64_t stream = open_stream(agent, 5001), id = relay_on_stream(agent, &server, stream, STUN_TCP);
    stun_addr peer = peer_addr();
    stun_wire_builder message;
    stun_event event;
    uint8_t bytes[64];
    permit(agent, &server, stream, id, 0);
    CHECK_EQ(stun_wire_begin(&message, bytes, sizeof bytes, STUN_WIRE_INDICATION, CONNECTION_ATTEMPT, id_of), STUN_OK);
    CHECK_EQ(stun_wire_add_address(&message, XOR_PEER_ADDRESS, &peer), STUN_OK);
    number(&message, CONNECTION_ID, 99);
    CHECK_EQ(stun_handle_stream(agent, stream, bytes, message.len, 0), STUN_OK);
    CHECK_EQ(next_event(agent, &event), STUN_EV_OPEN_CONNECTION);
    CHECK(event.index == 99 && event.detail == 1 && same_addr(&event.peer, &peer));
    CHECK_EQ(stun_allocation_connect(agent, id, &peer, 0), STUN_OK);
    serve_stream(&server, agent, stream, 5001, 64);
    CHECK_EQ(next_event(agent, &event), STUN_EV_CONNECTION_FAILED);
    CHECK(event.reason == STUN_FAIL_ERROR_RESPONSE && event.code == 447 && same_addr(&event.peer, &peer));
    stun_agent_free(agent);
}

int main(void)
{
    a_stream_gives_data_frame_by_frame();
    handle_stream_skips_data();
    a_lost_connection_wants_another();
    a_connection_to_a_peer_is_handed_over();
    a_peer_that_connects_is_announced();
    return check_report();
}
