/* The name of a server that was found lives until the next event is polled: read too late, it is gone. */

#include <stdio.h>
#include <string.h>

#include "stun.h"

int main(void)
{
    stun_discovery_config config;
    stun_discovered found;
    stun_event event;
    stun_agent *agent = NULL;
    uint64_t id;
    int n;
    memset(&config, 0, sizeof config);
    memset(&event, 0, sizeof event);
    config.struct_size = (uint32_t)sizeof config;
    config.host = "192.0.2.1";
    config.host_len = strlen(config.host);
    config.port = 3478;
    found.struct_size = (uint32_t)sizeof found;
    event.struct_size = (uint32_t)sizeof event;
    if (stun_agent_new(NULL, 0, &agent) != STUN_OK) return 0;
    for (n = 0; n < 2; n++) {
        if (stun_discovery_start(agent, &config, 0, &id) != STUN_OK) return 0;
    }
    if (stun_poll_event(agent, &event) != STUN_OK || stun_discovered_server(agent, 0, &found) != STUN_OK) return 0;
    if (stun_poll_event(agent, &event) != STUN_OK) return 0;
    printf("%c\n", found.host[0]);
    stun_agent_free(agent);
    return 0;
}
