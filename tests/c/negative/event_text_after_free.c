/* Expected to fail under AddressSanitizer: reads an event's text after its agent. */

#include "../support.h"

int main(void)
{
    stun_agent *client = new_agent(1, 0), *server = new_server();
    stun_binding_config config = binding_config();
    stun_event event;
    start_binding(client, &config, 0);
    exchange(client, server, 0);
    next_event(client, &event);
    stun_agent_free(client);
    stun_agent_free(server);
    printf("%d\n", event.text[0]);
    return 0;
}
