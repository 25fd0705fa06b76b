/* Making and freeing does not add up. The argument is how often; a checker of memory wants it less often. */

#ifndef _POSIX_C_SOURCE
#  define _POSIX_C_SOURCE 200809L
#endif

#include <stdlib.h>
#include <unistd.h>

#include "support.h"

/* Bytes in memory, 0 where the system does not say. */
static unsigned long resident(void)
{
    unsigned long size = 0, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL) return 0;
    if (fscanf(file, "%lu %lu", &size, &pages) != 2) pages = 0;
    fclose(file);
    return pages * (unsigned long)sysconf(_SC_PAGESIZE);
}

static unsigned long failures;

static void one_life(int with_operation)
{
    static uint8_t seed[32];
    stun_config config = seeded(seed, 1);
    stun_agent *agent = NULL;
    if (stun_agent_new(&config, 0, &agent) != STUN_OK) failures++;
    if (with_operation) {
        stun_binding_config binding = binding_config();
        stun_packet packet;
        uint64_t id;
        if (stun_binding_start(agent, &binding, 0, &id) != STUN_OK) failures++;
        if (stun_poll_transmit(agent, &packet) != STUN_OK || packet.data[1] != 1) failures++;
    }
    stun_agent_free(agent);
}

static void one_key(void)
{
    stun_key *key = NULL;
    if (stun_key_new(STUN_KEY_LONG_TERM_MD5, (const uint8_t *)"u", 1, (const uint8_t *)"r", 1, (const uint8_t *)"p", 1, &key) != STUN_OK) failures++;
    stun_key_free(key);
}

/* Operations come and go in an agent that stays. */
static void one_operation(stun_agent *agent)
{
    stun_binding_config binding = binding_config();
    uint64_t id = 0;
    if (stun_binding_start(agent, &binding, 0, &id) != STUN_OK) failures++;
    drain(agent);
    if (stun_cancel(agent, id, 0) != STUN_OK) failures++;
}

int main(int argc, char **argv)
{
    unsigned long lives = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000, n, before, after;
    stun_agent *agent = new_agent(1, 0);
    for (n = 0; n < lives / 10 + 10; n++) one_life(n % 8 == 0), one_key(), one_operation(agent);
    before = resident();
    for (n = 0; n < lives; n++) {
        one_life(n % 8 == 0);
        if (n % 8 == 1) one_key();
        if (n % 8 == 2) one_operation(agent);
    }
    after = resident();
    CHECK_EQ(failures, 0);
    /* A byte lost in each life would be a megabyte in a million; checkers of memory keep what was freed. */
    CHECK(lives < 1000000 || after < before + 512 * 1024);
    printf("%lu lives, %lu KiB before, %lu KiB after\n", lives, before / 1024, after / 1024);
    stun_agent_free(agent);
    return check_report();
}
