/* Addresses, agents and the network between them, for the tests of the loop. */

#ifndef SUPPORT_H
#define SUPPORT_H

#include "check.h"
#include "stun.h"

#define MS ((stun_time)1000000)
#define SECOND (1000 * MS)

static inline stun_addr v4(int a, int b, int c, int d, int port)
{
    stun_addr address;
    memset(&address, 0, sizeof address);
    address.family = 4;
    address.port = (uint16_t)port;
    address.ip[0] = (uint8_t)a;
    address.ip[1] = (uint8_t)b;
    address.ip[2] = (uint8_t)c;
    address.ip[3] = (uint8_t)d;
    return address;
}

static inline int same_addr(const stun_addr *left, const stun_addr *right)
{
    return memcmp(left, right, sizeof *left) == 0;
}

/* The client behind its NAT, the NAT's outside, the server. */
static inline stun_addr client_addr(void) { return v4(10, 0, 0, 2, 5000); }
static inline stun_addr mapped_addr(void) { return v4(203, 0, 113, 9, 4242); }
static inline stun_addr server_addr(void) { return v4(192, 0, 2, 1, 3478); }

static inline stun_config seeded(uint8_t *seed, uint8_t number)
{
    stun_config config;
    memset(seed, number, 32);
    memset(&config, 0, sizeof config);
    config.struct_size = (uint32_t)sizeof config;
    config.seed = seed;
    return config;
}

static inline stun_agent *new_agent(uint8_t number, stun_time now)
{
    uint8_t seed[32];
    stun_config config = seeded(seed, number);
    stun_agent *agent = NULL;
    CHECK_EQ(stun_agent_new(&config, now, &agent), STUN_OK);
    return agent;
}

static inline stun_binding_config binding_config(void)
{
    stun_binding_config config;
    memset(&config, 0, sizeof config);
    config.struct_size = (uint32_t)sizeof config;
    config.local = client_addr();
    config.server = server_addr();
    config.socket_id = 7;
    return config;
}

static inline stun_server_config server_config(void)
{
    stun_server_config config;
    memset(&config, 0, sizeof config);
    config.struct_size = (uint32_t)sizeof config;
    return config;
}

static inline uint64_t start_binding(stun_agent *agent, const stun_binding_config *config, stun_time now)
{
    uint64_t id = 0;
    CHECK_EQ(stun_binding_start(agent, config, now, &id), STUN_OK);
    return id;
}

static inline stun_agent *new_server(void)
{
    stun_server_config config = server_config();
    stun_agent *server = new_agent(99, 0);
    uint64_t id = 0;
    CHECK_EQ(stun_server_start(server, &config, 0, &id), STUN_OK);
    return server;
}

static inline stun_packet packet_of(stun_addr local, stun_addr remote, const uint8_t *data, size_t len)
{
    stun_packet packet;
    memset(&packet, 0, sizeof packet);
    packet.local = local;
    packet.remote = remote;
    packet.data = data;
    packet.len = len;
    return packet;
}

/* Takes one event; its kind, 0 if there is none. */
static inline uint32_t next_event(stun_agent *agent, stun_event *event)
{
    memset(event, 0, sizeof *event);
    event->struct_size = (uint32_t)sizeof *event;
    return stun_poll_event(agent, event) == STUN_OK ? event->kind : 0;
}

/* Throws away what is queued to send; how many there were. */
static inline int drain(stun_agent *agent)
{
    stun_packet packet;
    int count = 0;
    while (stun_poll_transmit(agent, &packet) == STUN_OK) count++;
    return count;
}

/* Takes all requests of the client to the server, through a NAT; how many there were. */
static inline int to_server(stun_agent *client, stun_agent *server, stun_addr seen_as, stun_time now)
{
    stun_packet packet;
    int count = 0;
    while (stun_poll_transmit(client, &packet) == STUN_OK) {
        stun_packet arrived = packet_of(packet.remote, seen_as, packet.data, packet.len);
        CHECK_EQ(stun_handle_input(server, &arrived, now, NULL), STUN_OK);
        count++;
    }
    return count;
}

/* And the replies back. */
static inline int to_client(stun_agent *server, stun_agent *client, stun_time now)
{
    stun_packet packet;
    int count = 0;
    while (stun_poll_transmit(server, &packet) == STUN_OK) {
        stun_packet arrived = packet_of(client_addr(), packet.local, packet.data, packet.len);
        CHECK_EQ(stun_handle_input(client, &arrived, now, NULL), STUN_OK);
        count++;
    }
    return count;
}

/* A round trip at one instant. */
static inline void exchange(stun_agent *client, stun_agent *server, stun_time now)
{
    CHECK_EQ(to_server(client, server, mapped_addr(), now), 1);
    CHECK_EQ(to_client(server, client, now), 1);
}

#endif
