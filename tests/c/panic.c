/* A bug inside the library takes one agent with it and nothing else. Needs a library built with the feature
 * panic-injection, and STUN_PANIC_INJECTION defined. */

#include "support.h"

static void everything_is_poisoned(stun_agent *agent)
{
    stun_packet packet = packet_of(client_addr(), server_addr(), NULL, 0), out;
    stun_binding_config binding = binding_config();
    stun_server_config server = server_config();
    stun_event event;
    uint8_t buf[8];
    uint64_t id;
    size_t n;
    uint32_t count;
    memset(&out, DIRT, sizeof out), memset(&event, DIRT, sizeof event), memset(&id, DIRT, sizeof id);
    memset(&n, DIRT, sizeof n), memset(&count, DIRT, sizeof count);
    event.struct_size = (uint32_t)sizeof event;
    CHECK(stun_poll_timeout(agent) == STUN_NEVER);
    CHECK_EQ(stun_wake_reason(agent), STUN_WAKE_NONE);
    CHECK_EQ(stun_handle_input(agent, &packet, 0, &out), STUN_E_POISONED);
    CHECK_EQ(stun_handle_timeout(agent, 0), STUN_E_POISONED);
    CHECK_EQ(stun_handle_send_error(agent, &packet, STUN_SEND_REFUSED, 0), STUN_E_POISONED);
    CHECK_EQ(stun_poll_transmit(agent, &out), STUN_E_POISONED);
    CHECK_EQ(stun_poll_transmit_batch(agent, &out, 1, sizeof out, &n), STUN_E_POISONED);
    CHECK_EQ(stun_poll_transmit_into(agent, buf, sizeof buf, &out, &n), STUN_E_POISONED);
    CHECK_EQ(stun_poll_event(agent, &event), STUN_E_POISONED);
    CHECK_EQ(stun_binding_start(agent, &binding, 0, &id), STUN_E_POISONED);
    CHECK_EQ(stun_server_start(agent, &server, 0, &id), STUN_E_POISONED);
    CHECK_EQ(stun_cancel(agent, 1, 0), STUN_E_POISONED);
    CHECK_EQ(stun_dropped(agent, 0, &count), STUN_E_POISONED);
    CHECK_EQ(stun_last_error(agent, NULL, 0, &n), STUN_E_POISONED);
    CHECK_EQ(stun_test_panic(agent), STUN_E_POISONED);
    CHECK(is_dirty(&out, sizeof out) && is_dirty(&n, sizeof n) && is_dirty(&id, sizeof id) && is_dirty(&count, sizeof count));
    CHECK(is_dirty(&event.kind, sizeof event - 4));
}

int main(void)
{
    stun_agent *agent = new_agent(1, 0), *other = new_agent(2, 0), *server = new_server();
    stun_binding_config config = binding_config();
    stun_event event;
    CHECK_EQ(stun_test_panic(NULL), STUN_E_NULL);
    start_binding(agent, &config, 0);
    start_binding(other, &config, 0);
    CHECK_EQ(stun_test_panic(agent), STUN_E_PANIC);
    everything_is_poisoned(agent);
    exchange(other, server, 0);
    CHECK_EQ(next_event(other, &event), STUN_EV_MAPPED);
    CHECK_EQ(stun_test_panic(other), STUN_E_PANIC); /* with operations and lent bytes inside */
    stun_agent_free(agent);
    stun_agent_free(other);
    stun_agent_free(server);
    return check_report();
}
