/* A TURN server of few words: it knows nobody, and answers what it is asked with what its script says. */

#ifndef TURN_H
#define TURN_H

#include "support.h"

enum { ALLOCATE = 3, REFRESH = 4, SEND = 6, DATA = 7, CREATE_PERMISSION = 8, CHANNEL_BIND = 9, CONNECT = 10, CONNECTION_BIND = 11, CONNECTION_ATTEMPT = 12 };

enum {
    CHANNEL_NUMBER = 0x000C,
    LIFETIME = 0x000D,
    XOR_PEER_ADDRESS = 0x0012,
    DATA_ATTRIBUTE = 0x0013,
    XOR_RELAYED_ADDRESS = 0x0016,
    XOR_MAPPED_ADDRESS = 0x0020,
    RESERVATION_TOKEN = 0x0022,
    CONNECTION_ID = 0x002A,
    ICMP = 0x8004
};

typedef struct turn_server {
    uint16_t refused; /* a method, with error `code` */
    uint32_t code;
    uint8_t gives_token;
    uint8_t connection; /* the next CONNECTION-ID */
    unsigned asked[16]; /* by method */
    uint16_t channel;   /* the last one that was bound */
} turn_server;

static inline stun_addr relayed_addr(void) { return v4(192, 0, 2, 1, 49160); }
static inline stun_addr peer_addr(void) { return v4(198, 51, 100, 9, 4000); }

static inline void number(stun_wire_builder *message, uint16_t type, uint32_t value)
{
    uint8_t bytes[4];
    bytes[0] = (uint8_t)(value >> 24), bytes[1] = (uint8_t)(value >> 16);
    bytes[2] = (uint8_t)(value >> 8), bytes[3] = (uint8_t)value;
    CHECK_EQ(stun_wire_add(message, type, bytes, 4), STUN_OK);
}

static inline void turn_grant(turn_server *server, stun_addr at, const stun_wire_message *request, stun_wire_builder *reply)
{
    static const uint8_t token[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    stun_addr relayed = at, mapped = mapped_addr();
    stun_wire_attribute found;
    int has_lifetime = stun_wire_find(request, LIFETIME, &found) == STUN_OK;
    relayed.port = relayed_addr().port; /* on the server's own address */
    switch (request->method) {
    case ALLOCATE:
        CHECK_EQ(stun_wire_add_address(reply, XOR_RELAYED_ADDRESS, &relayed), STUN_OK);
        CHECK_EQ(stun_wire_add_address(reply, XOR_MAPPED_ADDRESS, &mapped), STUN_OK);
        number(reply, LIFETIME, 600);
        if (server->gives_token) CHECK_EQ(stun_wire_add(reply, RESERVATION_TOKEN, token, 8), STUN_OK);
        break;
    case REFRESH:
        number(reply, LIFETIME, has_lifetime && found.value[3] == 0 && found.value[2] == 0 ? 0 : 600);
        break;
    case CHANNEL_BIND:
        CHECK_EQ(stun_wire_find(request, CHANNEL_NUMBER, &found), STUN_OK);
        server->channel = (uint16_t)(found.value[0] << 8 | found.value[1]);
        break;
    case CONNECT:
        number(reply, CONNECTION_ID, server->connection);
        break;
    default:
        break;
    }
}

/* What the server says to a packet; the length, 0 for nothing. */
static inline size_t turn_answer(turn_server *server, const stun_packet *packet, uint8_t *out, size_t cap)
{
    stun_wire_message request;
    stun_wire_builder reply;
    int is_refused;
    if (stun_wire_parse(packet->data, packet->len, &request) != STUN_OK) return 0;
    if (request.message_class != STUN_WIRE_REQUEST) return 0;
    CHECK(request.method < 16);
    server->asked[request.method & 15]++;
    is_refused = request.method == server->refused;
    CHECK_EQ(stun_wire_begin(&reply, out, cap, is_refused ? STUN_WIRE_ERROR_RESPONSE : STUN_WIRE_SUCCESS_RESPONSE,
                             request.method, request.id), STUN_OK);
    if (is_refused) CHECK_EQ(stun_wire_add_error(&reply, server->code, NULL, 0), STUN_OK);
    else turn_grant(server, packet->remote, &request, &reply);
    return reply.len;
}

/* Answers everything that is asked over UDP; how many packets there were. */
static inline int serve(turn_server *server, stun_agent *agent, stun_time now)
{
    uint8_t reply[256];
    stun_packet packet;
    int count = 0;
    for (; stun_poll_transmit(agent, &packet) == STUN_OK; count++) {
        stun_packet arrived = packet_of(client_addr(), packet.remote, reply, turn_answer(server, &packet, reply, sizeof reply));
        CHECK(packet.socket_id == 7 && packet.transport == STUN_UDP);
        if (arrived.len > 0) CHECK_EQ(stun_handle_input(agent, &arrived, now, NULL), STUN_OK);
    }
    return count;
}

/* A Data indication from a peer; its length. */
static inline size_t data_indication(uint8_t *out, size_t cap, stun_addr peer, const char *text)
{
    static const uint8_t id[12] = { 9 };
    stun_wire_builder message;
    CHECK_EQ(stun_wire_begin(&message, out, cap, STUN_WIRE_INDICATION, DATA, id), STUN_OK);
    CHECK_EQ(stun_wire_add_address(&message, XOR_PEER_ADDRESS, &peer), STUN_OK);
    CHECK_EQ(stun_wire_add(&message, DATA_ATTRIBUTE, (const uint8_t *)text, strlen(text)), STUN_OK);
    return message.len;
}

static inline stun_allocation_config allocation_config(void)
{
    stun_allocation_config config;
    memset(&config, 0, sizeof config);
    config.struct_size = (uint32_t)sizeof config;
    config.local = client_addr();
    config.server = server_addr();
    config.socket_id = 7;
    return config;
}

static inline uint64_t start_allocation(stun_agent *agent, const stun_allocation_config *config)
{
    uint64_t id = 0;
    CHECK_EQ(stun_allocation_start(agent, config, 0, &id), STUN_OK);
    return id;
}

/* A relay that is there; its events are taken. */
static inline uint64_t new_relay(stun_agent *agent, turn_server *server)
{
    stun_allocation_config config = allocation_config();
    stun_event event;
    uint64_t id = start_allocation(agent, &config);
    CHECK_EQ(serve(server, agent, 0), 1);
    CHECK_EQ(next_event(agent, &event), STUN_EV_ALLOCATED);
    return id;
}

/* A peer with a channel, whose number is in server->channel. */
static inline void bind_channel(stun_agent *agent, turn_server *server, uint64_t id, stun_addr peer)
{
    stun_event event;
    CHECK_EQ(stun_allocation_bind_channel(agent, id, &peer, 0), STUN_OK);
    serve(server, agent, 0);
    CHECK_EQ(next_event(agent, &event), STUN_EV_CHANNEL_BOUND);
    CHECK(event.detail == server->channel && same_addr(&event.peer, &peer));
    while (next_event(agent, &event) != 0) { }
}

static inline void says(const stun_agent *agent, const char *sentence)
{
    char text[128] = "";
    size_t len = 0;
    CHECK_EQ(stun_last_error(agent, text, sizeof text, &len), STUN_OK);
    CHECK(strcmp(text, sentence) == 0);
    if (strcmp(text, sentence) != 0) fprintf(stderr, "    %s\n", text);
}

#endif
