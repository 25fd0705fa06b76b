/* What a host takes out: single datagrams, batches, copies; and the log, which must not call back. */

#include "support.h"

static stun_agent *with_requests(int count)
{
    stun_agent *agent = new_agent(1, 0);
    stun_binding_config config = binding_config();
    int n;
    for (n = 0; n < count; n++) {
        config.server.port = (uint16_t)(4000 + n);
        start_binding(agent, &config, 0);
    }
    return agent;
}

static void a_batch_of_larger_structs(void)
{
    struct mine { stun_packet packet; uint64_t mine[3]; } batch[8];
    stun_agent *agent = with_requests(5), *same = with_requests(5);
    stun_packet single;
    size_t n = 99, at;
    memset(batch, DIRT, sizeof batch);
    CHECK_EQ(stun_poll_transmit_batch(agent, &batch[0].packet, 8, sizeof batch[0], &n), STUN_OK);
    CHECK_EQ(n, 5);
    for (at = 0; at < 5; at++) { /* all are read after the last was polled */
        CHECK_EQ(stun_poll_transmit(same, &single), STUN_OK);
        CHECK_EQ(batch[at].packet.remote.port, 4000 + at);
        CHECK_EQ(batch[at].packet.len, single.len);
        CHECK(memcmp(batch[at].packet.data, single.data, single.len) == 0);
        CHECK(is_dirty(batch[at].mine, sizeof batch[at].mine));
    }
    CHECK(is_dirty(&batch[5], 3 * sizeof batch[5]));
    CHECK_EQ(stun_poll_transmit_batch(agent, &batch[0].packet, 8, sizeof batch[0], &n), STUN_EMPTY);
    CHECK_EQ(n, 0);
    stun_agent_free(agent);
    stun_agent_free(same);
}

static void a_batch_takes_no_more_than_there_is_room_for(void)
{
    stun_packet batch[4];
    stun_agent *agent = with_requests(5);
    size_t n = 99;
    memset(batch, DIRT, sizeof batch);
    CHECK_EQ(stun_poll_transmit_batch(agent, batch, 3, sizeof *batch, &n), STUN_OK);
    CHECK_EQ(n, 3);
    CHECK(is_dirty(&batch[3], sizeof batch[3]));
    CHECK_EQ(stun_poll_transmit_batch(agent, batch, 3, sizeof *batch, &n), STUN_OK);
    CHECK_EQ(n, 2);
    CHECK_EQ(batch[1].remote.port, 4004);
    stun_agent_free(agent);
}

static void polls_do_not_move_what_was_lent(void)
{
    stun_agent *agent = with_requests(3);
    stun_packet first, next;
    stun_event event;
    uint8_t copy[64];
    CHECK_EQ(stun_poll_transmit(agent, &first), STUN_OK);
    memcpy(copy, first.data, first.len);
    CHECK_EQ(stun_poll_transmit(agent, &next), STUN_OK);
    CHECK_EQ(stun_poll_transmit(agent, &next), STUN_OK);
    CHECK_EQ(stun_poll_transmit(agent, &next), STUN_EMPTY);
    CHECK_EQ(next_event(agent, &event), 0);
    CHECK(memcmp(copy, first.data, first.len) == 0);
    stun_agent_free(agent);
}

static void a_copy_that_does_not_fit_is_not_lost(void)
{
    stun_agent *agent = with_requests(2);
    stun_packet meta;
    uint8_t buf[64];
    size_t len = 0, cap;
    memset(&meta, DIRT, sizeof meta), memset(buf, DIRT, sizeof buf);
    for (cap = 0; cap < 28; cap++) {
        CHECK_EQ(stun_poll_transmit_into(agent, cap == 0 ? NULL : buf, cap, &meta, &len), STUN_E_BUFFER);
        CHECK_EQ(len, 28);
        CHECK(is_dirty(&meta, sizeof meta) && is_dirty(buf, sizeof buf));
    }
    CHECK_EQ(stun_poll_transmit_into(agent, buf, 28, &meta, &len), STUN_OK);
    CHECK(len == 28 && meta.len == 28 && meta.data == buf && meta.remote.port == 4000 && meta.socket_id == 7);
    CHECK(buf[0] == 0 && buf[1] == 1 && is_dirty(buf + 28, sizeof buf - 28));
    CHECK_EQ(stun_poll_transmit_into(agent, buf, sizeof buf, &meta, &len), STUN_OK);
    CHECK_EQ(meta.remote.port, 4001);
    CHECK_EQ(stun_poll_transmit_into(agent, buf, sizeof buf, &meta, &len), STUN_EMPTY);
    stun_agent_free(agent);
}

/* What a log callback saw, and what its calls back were told. */
struct log {
    stun_agent *agent;
    int lines;
    uint32_t level;
    char text[256];
    stun_status answers[4];
    stun_time deadline;
};

static void log_line(void *user, uint32_t level, const char *text, size_t len)
{
    struct log *log = (struct log *)user;
    stun_packet packet;
    uint64_t id = 0;
    stun_binding_config config = binding_config();
    log->lines++;
    log->level = level;
    if (len >= sizeof log->text) len = sizeof log->text - 1;
    memcpy(log->text, text, len);
    log->text[len] = 0;
    log->answers[0] = stun_handle_timeout(log->agent, 0);
    log->answers[1] = stun_poll_transmit(log->agent, &packet);
    log->answers[2] = stun_binding_start(log->agent, &config, 0, &id);
    log->answers[3] = stun_cancel(log->agent, id, 0);
    log->deadline = stun_poll_timeout(log->agent); /* allowed from anywhere */
    stun_agent_free(log->agent);                   /* refused: the agent lives on */
}

static stun_agent *logging_agent(struct log *log, uint32_t level)
{
    uint8_t seed[32];
    stun_config config = seeded(seed, 1);
    memset(log, 0, sizeof *log);
    config.log = log_line;
    config.log_user = log;
    config.log_level = level;
    CHECK_EQ(stun_agent_new(&config, 0, &log->agent), STUN_OK);
    return log->agent;
}

static void the_log_tells_and_may_not_call_back(void)
{
    static const uint8_t stray[20] = { 1, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42 };
    struct log log;
    stun_agent *agent = logging_agent(&log, STUN_LOG_DEBUG), *server = new_server();
    stun_binding_config config = binding_config();
    stun_packet packet = packet_of(client_addr(), server_addr(), stray, sizeof stray);
    stun_event event;
    size_t len = 0;
    char text[256];
    int n;
    CHECK_EQ(stun_handle_input(agent, NULL, 0, NULL), STUN_E_NULL);
    CHECK(log.lines == 1 && log.level == STUN_LOG_WARN);
    for (n = 0; n < 4; n++) CHECK_EQ(log.answers[n], STUN_E_BUSY);
    CHECK(log.deadline == STUN_NEVER);
    CHECK_EQ(stun_last_error(agent, text, sizeof text, &len), STUN_OK);
    CHECK(strcmp(text, log.text) == 0 && len == strlen(text));
    CHECK_EQ(stun_handle_input(agent, &packet, 0, NULL), STUN_OK);
    CHECK(log.lines == 2 && log.level == STUN_LOG_DEBUG && strstr(log.text, "no outstanding request") != NULL);
    start_binding(agent, &config, 0);
    exchange(agent, server, 0);
    CHECK_EQ(next_event(agent, &event), STUN_EV_MAPPED);
    CHECK(log.lines == 3 && log.level == STUN_LOG_INFO && strstr(log.text, "203.0.113.9:4242") != NULL);
    CHECK(event.text_len == strlen(log.text) && memcmp(event.text, log.text, event.text_len) == 0);
    stun_agent_free(agent);
    stun_agent_free(server);
}

static void a_quiet_log_is_quiet(void)
{
    static const uint32_t levels[] = { STUN_LOG_OFF, STUN_LOG_WARN, STUN_LOG_INFO };
    static const uint8_t stray[20] = { 1, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42 };
    stun_packet packet = packet_of(client_addr(), server_addr(), stray, sizeof stray);
    int n;
    for (n = 0; n < 3; n++) {
        struct log log;
        stun_agent *agent = logging_agent(&log, levels[n]);
        CHECK_EQ(stun_handle_input(agent, &packet, 0, NULL), STUN_OK);
        CHECK_EQ(log.lines, 0);
        CHECK_EQ(stun_handle_input(agent, NULL, 0, NULL), STUN_E_NULL);
        CHECK_EQ(log.lines, levels[n] == STUN_LOG_OFF ? 0 : 1);
        stun_agent_free(agent);
    }
}

int main(void)
{
    a_batch_of_larger_structs();
    a_batch_takes_no_more_than_there_is_room_for();
    polls_do_not_move_what_was_lent();
    a_copy_that_does_not_fit_is_not_lost();
    the_log_tells_and_may_not_call_back();
    a_quiet_log_is_quiet();
    stun_agent_free(NULL);
    return check_report();
}
