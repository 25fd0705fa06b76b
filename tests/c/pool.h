/* Pools of relays at servers of few words, each at an address of its own. */

#ifndef POOL_H
#define POOL_H

#include "turn.h"

enum { RELAYS = 3 };

/* Server and socket of relay n: 192.0.2.1+n, from port 5000+n, socket 7+n. */
static inline stun_addr server_of(int n) { return v4(192, 0, 2, 1 + n, 3478); }
static inline stun_addr local_of(int n) { return v4(10, 0, 0, 2, 5000 + n); }
static inline stun_addr relayed_of(int n) { return v4(192, 0, 2, 1 + n, 49160); }

typedef struct pool_plan {
    stun_relay_pool_config config;
    stun_allocation_config relays[RELAYS];
    const stun_allocation_config *pointers[RELAYS];
} pool_plan;

static inline void plan_pool(pool_plan *plan, int count)
{
    int n;
    memset(plan, 0, sizeof *plan);
    for (n = 0; n < RELAYS; n++) {
        plan->relays[n] = allocation_config();
        plan->relays[n].local = local_of(n);
        plan->relays[n].server = server_of(n);
        plan->relays[n].socket_id = (uint32_t)(7 + n);
        plan->pointers[n] = &plan->relays[n];
    }
    plan->config.struct_size = (uint32_t)sizeof plan->config;
    plan->config.relays = plan->pointers;
    plan->config.relay_count = (size_t)count;
}

static inline uint64_t start_pool(stun_agent *agent, const pool_plan *plan)
{
    uint64_t id = 0;
    CHECK_EQ(stun_relay_pool_start(agent, &plan->config, 0, &id), STUN_OK);
    return id;
}

/* Which server a packet is for. */
static inline int asked(const stun_packet *packet)
{
    int n = packet->remote.ip[3] - 1;
    stun_addr server = server_of(n), local = local_of(n);
    CHECK(n >= 0 && n < RELAYS && same_addr(&packet->remote, &server) && same_addr(&packet->local, &local));
    CHECK_EQ(packet->socket_id, 7 + n);
    return n;
}

/* Every server but those in `dead`, a set of bits, answers what it is asked; how many packets there were. */
static inline int serve_pool(turn_server *servers, stun_agent *agent, unsigned dead, stun_time now)
{
    uint8_t reply[256];
    stun_packet packet;
    int count = 0;
    for (; stun_poll_transmit(agent, &packet) == STUN_OK; count++) {
        int n = asked(&packet);
        size_t len;
        stun_packet arrived;
        if (dead >> n & 1) continue;
        len = turn_answer(&servers[n], &packet, reply, sizeof reply);
        arrived = packet_of(local_of(n), packet.remote, reply, len);
        if (len > 0) CHECK_EQ(stun_handle_input(agent, &arrived, now, NULL), STUN_OK);
    }
    return count;
}

/* Lets time pass until an event of that kind, or `end`; whether there was one. */
static inline int pass_until(turn_server *servers, stun_agent *agent, unsigned dead, uint32_t kind, stun_time *now,
                             stun_time end, stun_event *event)
{
    uint32_t found;
    for (;;) {
        while ((found = next_event(agent, event)) != 0) {
            if (found == kind) return 1;
        }
        if (stun_poll_timeout(agent) > end) return 0;
        *now = stun_poll_timeout(agent) > *now ? stun_poll_timeout(agent) : *now;
        CHECK_EQ(stun_handle_timeout(agent, *now), STUN_OK);
        serve_pool(servers, agent, dead, *now);
    }
}

#endif
