/* Expected to fail under valgrind: frees an agent twice. */

#include "../support.h"

int main(void)
{
    stun_agent *agent = new_agent(1, 0);
    stun_agent_free(agent);
    stun_agent_free(agent);
    return 0;
}
