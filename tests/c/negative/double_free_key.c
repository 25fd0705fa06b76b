/* Expected to fail under valgrind: frees a key twice. The second call looks for the mark of a live key, finds
 * it gone and does nothing, but looking is already one read too many. */

#include "../support.h"

int main(void)
{
    stun_key *key = NULL;
    stun_key_new(STUN_KEY_SHORT_TERM, NULL, 0, NULL, 0, (const uint8_t *)"k", 1, &key);
    stun_key_free(key);
    stun_key_free(key);
    return 0;
}
