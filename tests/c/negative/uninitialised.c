/* Expected to fail under valgrind: reads an out-parameter that the call had nothing to put in. */

#include "../support.h"

int main(void)
{
    stun_agent *agent = new_agent(1, 0);
    stun_packet packet;
    stun_poll_transmit(agent, &packet);
    if (packet.len > 4) puts("long");
    stun_agent_free(agent);
    return 0;
}
