/* Expected to fail under AddressSanitizer: reads lent bytes of an agent that is gone. */

#include "../support.h"

int main(void)
{
    stun_agent *client = new_agent(1, 0);
    stun_binding_config config = binding_config();
    stun_packet packet;
    start_binding(client, &config, 0);
    stun_poll_transmit(client, &packet);
    stun_agent_free(client);
    printf("%d\n", packet.data[0]);
    return 0;
}
