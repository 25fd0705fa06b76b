/* Expected to fail under AddressSanitizer: reads lent bytes after a call that took them back. */

#include "../support.h"

int main(void)
{
    stun_agent *client = new_agent(1, 0), *server = new_server();
    stun_binding_config config = binding_config();
    stun_packet packet;
    stun_event event;
    uint64_t id = start_binding(client, &config, 0);
    stun_poll_transmit(client, &packet);
    next_event(client, &event);
    stun_cancel(client, id, 0);
    printf("%d\n", packet.data[0]);
    stun_agent_free(client);
    stun_agent_free(server);
    return 0;
}
