/* Expected to fail under LeakSanitizer: forgets an agent. */

#include "../support.h"

int main(void)
{
    stun_agent *volatile agent = new_agent(1, 0);
    agent = new_agent(2, 0);
    stun_agent_free(agent);
    return 0;
}
