/* Two threads on one handle, which the header forbids: whoever comes second is told so, and nothing else
 * happens. Asking for the deadline is free to all. */

#ifndef _POSIX_C_SOURCE
#  define _POSIX_C_SOURCE 200809L
#endif

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "support.h"

/* How often each thread calls: the argument, since a checker of memory wants it less often. */
static int rounds = 50000;

static stun_agent *shared;
static stun_key *shared_key;

struct tally { unsigned long ok, busy, other; };

static void count(struct tally *tally, stun_status status)
{
    if (status == STUN_E_BUSY) tally->busy++, sched_yield(); /* whoever is in may be waiting for the processor */
    else if (status == STUN_OK || status == STUN_EMPTY || status == STUN_IGNORED) tally->ok++;
    else tally->other++;
}

static void *user(void *argument)
{
    static const uint8_t request[20] = { 0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42 }, rtp[4] = { 0x80 };
    struct tally *tally = (struct tally *)argument;
    stun_packet asked = packet_of(server_addr(), mapped_addr(), request, sizeof request), out;
    stun_packet foreign = packet_of(server_addr(), mapped_addr(), rtp, sizeof rtp);
    stun_event event;
    uint8_t buf[128];
    size_t len;
    uint32_t dropped;
    int round;
    for (round = 0; round < rounds; round++) {
        count(tally, stun_handle_input(shared, &asked, (stun_time)round, NULL));
        count(tally, stun_handle_input(shared, &foreign, (stun_time)round, NULL));
        count(tally, stun_poll_transmit_into(shared, buf, sizeof buf, &out, &len));
        event.struct_size = (uint32_t)sizeof event;
        count(tally, stun_poll_event(shared, &event));
        count(tally, stun_handle_timeout(shared, (stun_time)round));
        count(tally, stun_dropped(shared, STUN_DROP_ANY, &dropped));
        (void)stun_poll_timeout(shared);
    }
    return NULL;
}

static void *watcher(void *argument)
{
    unsigned long *wrong = (unsigned long *)argument;
    int round;
    for (round = 0; round < 10 * rounds; round++) {
        stun_time deadline = stun_poll_timeout(shared);
        if (deadline != STUN_NEVER && deadline > (stun_time)rounds) ++*wrong;
        if (stun_wake_reason(shared) > STUN_WAKE_OUTPUT) ++*wrong;
    }
    return NULL;
}

/* A key never changes, so any number of threads may sign with it. */
static void *signer(void *argument)
{
    unsigned long *wrong = (unsigned long *)argument;
    uint8_t buf[64];
    static const uint8_t id[12] = { 0 };
    int round;
    for (round = 0; round < rounds / 10; round++) {
        stun_wire_builder builder;
        stun_wire_message message;
        uint32_t verdict = 0;
        if (stun_wire_begin(&builder, buf, sizeof buf, 0, 1, id) != STUN_OK) ++*wrong;
        if (stun_wire_sign(&builder, STUN_INTEGRITY_SHA1, shared_key, 0) != STUN_OK) ++*wrong;
        if (stun_wire_parse(buf, builder.len, &message) != STUN_OK) ++*wrong;
        (void)stun_wire_check(&message, STUN_INTEGRITY_SHA1, shared_key, 0, &verdict);
        if (verdict != STUN_CHECK_VALID) ++*wrong;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct tally tallies[2] = { { 0, 0, 0 }, { 0, 0, 0 } };
    unsigned long wrong[3] = { 0, 0, 0 };
    pthread_t threads[5];
    int n;
    if (argc > 1) rounds = atoi(argv[1]);
    shared = new_server();
    CHECK_EQ(stun_key_new(STUN_KEY_SHORT_TERM, NULL, 0, NULL, 0, (const uint8_t *)"k", 1, &shared_key), STUN_OK);
    for (n = 0; n < 2; n++) CHECK_EQ(pthread_create(&threads[n], NULL, user, &tallies[n]), 0);
    CHECK_EQ(pthread_create(&threads[2], NULL, watcher, &wrong[0]), 0);
    CHECK_EQ(pthread_create(&threads[3], NULL, signer, &wrong[1]), 0);
    CHECK_EQ(pthread_create(&threads[4], NULL, signer, &wrong[2]), 0);
    for (n = 0; n < 5; n++) CHECK_EQ(pthread_join(threads[n], NULL), 0);
    for (n = 0; n < 2; n++) {
        CHECK_EQ(tallies[n].other, 0);
        CHECK_EQ(tallies[n].ok + tallies[n].busy, 6UL * (unsigned long)rounds);
    }
    CHECK(tallies[0].ok + tallies[1].ok > 0); /* which of them got through is up to the scheduler */
    CHECK(wrong[0] == 0 && wrong[1] == 0 && wrong[2] == 0);
    CHECK_EQ(stun_handle_timeout(shared, 0), STUN_OK); /* nobody is in any more */
    stun_agent_free(shared);
    stun_key_free(shared_key);
    return check_report();
}
