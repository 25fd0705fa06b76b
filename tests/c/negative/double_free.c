/* Expected to fail under AddressSanitizer: frees a key twice. (Freeing an agent twice is refused as long as
 * its memory still says that it was freed; see double_free_agent.c.) */

#include "../support.h"

int main(void)
{
    stun_key *key = NULL;
    stun_key_new(STUN_KEY_SHORT_TERM, NULL, 0, NULL, 0, (const uint8_t *)"k", 1, &key);
    stun_key_free(key);
    stun_key_free(key);
    return 0;
}
