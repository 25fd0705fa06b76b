/* Misuse of the agent's calls: NULL in each place, wrong sizes, wrong numbers, wrong handles. Whatever is
 * refused writes nothing. */

#include "support.h"

#define HUGE_LEN (SIZE_MAX / 2 + 1)

static stun_agent *agent;
static const uint8_t byte = 0;

static void null_in_each_place_of_making(void)
{
    stun_agent *made;
    stun_config config;
    memset(&made, DIRT, sizeof made);
    memset(&config, 0, sizeof config);
    CHECK_EQ(stun_agent_new(NULL, 0, NULL), STUN_E_NULL);
    CHECK_EQ(stun_agent_new(&config, 0, &made), STUN_E_INVALID); /* struct_size 0 */
    config.struct_size = 1;
    CHECK_EQ(stun_agent_new(&config, 0, &made), STUN_E_INVALID);
    config.struct_size = 7;
    CHECK_EQ(stun_agent_new(&config, 0, &made), STUN_E_INVALID);
    config.struct_size = UINT32_MAX;
    CHECK_EQ(stun_agent_new(&config, 0, &made), STUN_E_INVALID);
    config.struct_size = sizeof config;
    config.reserved = 1;
    CHECK_EQ(stun_agent_new(&config, 0, &made), STUN_E_INVALID);
    config.reserved = 0;
    config.log_level = STUN_LOG_DEBUG + 1;
    CHECK_EQ(stun_agent_new(&config, 0, &made), STUN_E_INVALID);
    CHECK(is_dirty(&made, sizeof made));
    stun_agent_free(NULL);
}

/* A header older than the library's has less, and a newer one more. */
static void configurations_of_other_sizes(void)
{
    struct { stun_config config; uint8_t newer[64]; } larger;
    struct { stun_binding_config config; uint8_t newer[64]; } larger_binding;
    stun_agent *made = NULL;
    uint64_t id = 0;
    memset(&larger, DIRT, sizeof larger); /* what lies behind struct_size must not be read */
    larger.config.struct_size = 8;
    larger.config.max_operations = 1;
    CHECK_EQ(stun_agent_new(&larger.config, 0, &made), STUN_OK);
    stun_agent_free(made);
    memset(&larger.config, 0, sizeof larger.config);
    larger.config.struct_size = (uint32_t)sizeof larger;
    CHECK_EQ(stun_agent_new(&larger.config, 0, &made), STUN_OK);
    stun_agent_free(made);
    memset(&larger_binding, DIRT, sizeof larger_binding);
    larger_binding.config = binding_config();
    memset(&larger_binding.config.socket_id, DIRT, sizeof larger_binding.config - 56);
    larger_binding.config.struct_size = 56;
    CHECK_EQ(stun_binding_start(agent, &larger_binding.config, 0, &id), STUN_OK);
    CHECK_EQ(stun_cancel(agent, id, 0), STUN_OK);
    larger_binding.config = binding_config();
    larger_binding.config.struct_size = (uint32_t)sizeof larger_binding;
    CHECK_EQ(stun_binding_start(agent, &larger_binding.config, 0, &id), STUN_OK);
    CHECK_EQ(stun_cancel(agent, id, 0), STUN_OK);
}

static void a_binding_refuses(const stun_binding_config *config)
{
    uint64_t id;
    memset(&id, DIRT, sizeof id);
    CHECK_EQ(stun_binding_start(agent, config, 0, &id), config == NULL ? STUN_E_NULL : STUN_E_INVALID);
    CHECK(is_dirty(&id, sizeof id));
}

static void bindings_that_cannot_be(void)
{
    static const uint32_t sizes[] = { 0, 1, 55, 4097, UINT32_MAX };
    stun_binding_config config = binding_config();
    size_t n;
    a_binding_refuses(NULL);
    CHECK_EQ(stun_binding_start(agent, &config, 0, NULL), STUN_E_NULL);
    for (n = 0; n < sizeof sizes / sizeof *sizes; n++) {
        config.struct_size = sizes[n];
        a_binding_refuses(&config);
    }
    config = binding_config(), config.transport = 3, a_binding_refuses(&config);
    config = binding_config(), config.transport = UINT32_MAX, a_binding_refuses(&config);
    config = binding_config(), config.flags = 4, a_binding_refuses(&config);
    config = binding_config(), config.reserved = 1, a_binding_refuses(&config);
    config = binding_config(), config.integrity = 3, a_binding_refuses(&config);
    config = binding_config(), config.server.family = 0, a_binding_refuses(&config);
    config = binding_config(), config.server.family = 5, a_binding_refuses(&config);
    config = binding_config(), config.local.family = 255, a_binding_refuses(&config);
    config = binding_config(), config.local.family = 6, a_binding_refuses(&config);
    config = binding_config(), config.server.port = 0, a_binding_refuses(&config);
    config = binding_config(), config.server.ip[0] = 224, a_binding_refuses(&config);
    config = binding_config(), config.refresh = SECOND - 1, a_binding_refuses(&config);
    config = binding_config(), config.username = &byte, config.username_len = 1, a_binding_refuses(&config);
    config = binding_config(), config.password = &byte, config.password_len = 1, a_binding_refuses(&config);
    config.username = &byte, config.username_len = HUGE_LEN, a_binding_refuses(&config);
    config.username_len = SIZE_MAX, a_binding_refuses(&config);
    config.username = NULL, config.username_len = 1;
    CHECK_EQ(stun_binding_start(agent, &config, 0, NULL), STUN_E_NULL);
    CHECK_EQ(drain(agent), 0);
}

static void a_server_refuses(const stun_server_config *config, stun_status expected)
{
    uint64_t id;
    memset(&id, DIRT, sizeof id);
    CHECK_EQ(stun_server_start(agent, config, 0, &id), expected);
    CHECK(is_dirty(&id, sizeof id));
}

static void servers_that_cannot_be(void)
{
    stun_server_config config = server_config();
    uint64_t id = 0;
    a_server_refuses(NULL, STUN_E_NULL);
    CHECK_EQ(stun_server_start(agent, &config, 0, NULL), STUN_E_NULL);
    config.struct_size = 7, a_server_refuses(&config, STUN_E_INVALID);
    config = server_config(), config.integrity = 9, a_server_refuses(&config, STUN_E_INVALID);
    config = server_config(), config.local.family = 46, a_server_refuses(&config, STUN_E_INVALID);
    config = server_config(), config.password = &byte, config.password_len = 1, a_server_refuses(&config, STUN_E_INVALID);
    config = server_config();
    CHECK_EQ(stun_server_start(agent, &config, 0, &id), STUN_OK);
    a_server_refuses(&config, STUN_E_STATE);
    CHECK_EQ(stun_cancel(agent, id, 0), STUN_OK);
    CHECK_EQ(stun_cancel(agent, id, 0), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_cancel(agent, 0, 0), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_cancel(agent, UINT64_MAX, 0), STUN_E_NOT_FOUND);
}

static void input_refuses(const stun_packet *packet, stun_status expected)
{
    stun_packet app;
    memset(&app, DIRT, sizeof app);
    CHECK_EQ(stun_handle_input(agent, packet, 0, &app), expected);
    CHECK(is_dirty(&app, sizeof app));
    CHECK_EQ(stun_handle_send_error(agent, packet, STUN_SEND_REFUSED, 0), expected);
}

static void packets_that_cannot_be(void)
{
    stun_packet packet = packet_of(client_addr(), server_addr(), NULL, 0), app;
    memset(&app, DIRT, sizeof app);
    CHECK_EQ(stun_handle_input(agent, &packet, 0, NULL), STUN_IGNORED); /* NULL of length 0 is empty */
    CHECK_EQ(stun_handle_input(agent, &packet, 0, &app), STUN_IGNORED);
    CHECK(is_dirty(&app, sizeof app));
    input_refuses(NULL, STUN_E_NULL);
    packet.len = 1, input_refuses(&packet, STUN_E_NULL);
    packet.data = &byte;
    packet.len = HUGE_LEN, input_refuses(&packet, STUN_E_INVALID);
    packet.len = SIZE_MAX, input_refuses(&packet, STUN_E_INVALID);
    packet.len = 1;
    packet.transport = 3, input_refuses(&packet, STUN_E_INVALID), packet.transport = 0;
    packet.flags = 1, input_refuses(&packet, STUN_E_INVALID), packet.flags = 0;
    packet.remote.family = 0, input_refuses(&packet, STUN_E_INVALID);
    packet.remote.family = 2, input_refuses(&packet, STUN_E_INVALID), packet.remote.family = 4;
    packet.local.family = 7, input_refuses(&packet, STUN_E_INVALID), packet.local.family = 0;
    CHECK_EQ(stun_handle_input(agent, &packet, 0, NULL), STUN_IGNORED);
    CHECK_EQ(stun_handle_send_error(agent, &packet, 0, 0), STUN_E_INVALID);
    CHECK_EQ(stun_handle_send_error(agent, &packet, 8, 0), STUN_E_INVALID);
    CHECK_EQ(stun_handle_send_error(agent, &packet, STUN_SEND_TRANSIENT, UINT64_MAX), STUN_E_INVALID);
    CHECK_EQ(stun_handle_input(agent, &packet, UINT64_MAX, NULL), STUN_E_INVALID);
    packet.ecn = 4, input_refuses(&packet, STUN_E_INVALID), packet.ecn = 3;
    packet.remote.reserved = 1, input_refuses(&packet, STUN_E_INVALID), packet.remote.reserved = 0;
    /* Another protocol's bytes concern nobody here; with none known, the path as a whole is meant. */
    CHECK_EQ(stun_handle_send_error(agent, &packet, STUN_SEND_TRANSIENT, 0), STUN_IGNORED);
    packet.data = NULL, packet.len = 0;
    CHECK_EQ(stun_handle_send_error(agent, &packet, STUN_SEND_TRANSIENT, 0), STUN_OK);
}

static void polls_that_cannot_be(void)
{
    stun_packet packet;
    size_t n;
    uint8_t buf[4];
    memset(&packet, DIRT, sizeof packet), memset(&n, DIRT, sizeof n), memset(buf, DIRT, sizeof buf);
    CHECK_EQ(stun_poll_transmit(agent, NULL), STUN_E_NULL);
    CHECK_EQ(stun_poll_transmit(agent, &packet), STUN_EMPTY);
    CHECK_EQ(stun_poll_transmit_batch(agent, NULL, 1, sizeof packet, &n), STUN_E_NULL);
    CHECK_EQ(stun_poll_transmit_batch(agent, &packet, 1, sizeof packet, NULL), STUN_E_NULL);
    CHECK_EQ(stun_poll_transmit_batch(agent, &packet, 1, 0, &n), STUN_E_INVALID);
    CHECK_EQ(stun_poll_transmit_batch(agent, &packet, 1, sizeof packet - 8, &n), STUN_E_INVALID);
    CHECK_EQ(stun_poll_transmit_batch(agent, &packet, 1, sizeof packet + 1, &n), STUN_E_INVALID);
    CHECK_EQ(stun_poll_transmit_batch(agent, &packet, SIZE_MAX, sizeof packet, &n), STUN_E_INVALID);
    CHECK_EQ(stun_poll_transmit_batch(agent, &packet, HUGE_LEN / 64, sizeof packet, &n), STUN_E_INVALID);
    CHECK_EQ(stun_poll_transmit_into(agent, NULL, 1, &packet, &n), STUN_E_NULL);
    CHECK_EQ(stun_poll_transmit_into(agent, buf, sizeof buf, NULL, &n), STUN_E_NULL);
    CHECK_EQ(stun_poll_transmit_into(agent, buf, sizeof buf, &packet, NULL), STUN_E_NULL);
    CHECK_EQ(stun_poll_transmit_into(agent, buf, HUGE_LEN, &packet, &n), STUN_E_INVALID);
    CHECK_EQ(stun_poll_transmit_into(agent, buf, sizeof buf, &packet, &n), STUN_EMPTY);
    CHECK_EQ(stun_poll_transmit_into(agent, NULL, 0, &packet, &n), STUN_EMPTY);
    CHECK(is_dirty(&packet, sizeof packet) && is_dirty(&n, sizeof n) && is_dirty(buf, sizeof buf));
    CHECK_EQ(stun_poll_transmit_batch(agent, NULL, 0, sizeof packet, &n), STUN_EMPTY);
    CHECK_EQ(n, 0);
}

static void events_of_other_sizes(void)
{
    static const uint32_t bad[] = { 0, 1, 15, 4097, UINT32_MAX };
    struct { stun_event event; uint8_t newer[32]; } larger;
    stun_binding_config config = binding_config();
    uint64_t id = start_binding(agent, &config, 0);
    stun_packet packet = packet_of(client_addr(), server_addr(), NULL, 0);
    size_t n;
    CHECK_EQ(stun_handle_send_error(agent, &packet, STUN_SEND_NO_ROUTE, 0), STUN_OK);
    CHECK_EQ(stun_poll_event(agent, NULL), STUN_E_NULL);
    memset(&larger, DIRT, sizeof larger);
    for (n = 0; n < sizeof bad / sizeof *bad; n++) {
        larger.event.struct_size = bad[n];
        CHECK_EQ(stun_poll_event(agent, &larger.event), STUN_E_INVALID);
        CHECK_EQ(larger.event.struct_size, bad[n]);
        CHECK(is_dirty(&larger.event.kind, sizeof larger - 4));
    }
    larger.event.struct_size = 16; /* an older header's: the event was not lost above */
    CHECK_EQ(stun_poll_event(agent, &larger.event), STUN_OK);
    CHECK(larger.event.struct_size == 16 && larger.event.kind == STUN_EV_RETRYING && larger.event.id == id);
    CHECK(is_dirty(&larger.event.addr, sizeof larger - 16));
    CHECK_EQ(stun_poll_event(agent, &larger.event), STUN_EMPTY);
    CHECK_EQ(stun_handle_timeout(agent, 2 * SECOND), STUN_OK);
    CHECK_EQ(stun_handle_send_error(agent, &packet, STUN_SEND_CLOSED, 2 * SECOND), STUN_OK);
    larger.event.struct_size = (uint32_t)sizeof larger;
    CHECK_EQ(stun_poll_event(agent, &larger.event), STUN_OK);
    CHECK(larger.event.struct_size == sizeof larger.event && larger.event.code == STUN_SEND_CLOSED);
    CHECK(is_dirty(larger.newer, sizeof larger.newer));
    CHECK_EQ(stun_cancel(agent, id, 0), STUN_OK);
}

static void questions_that_cannot_be(void)
{
    uint32_t count;
    size_t len;
    char text[8];
    memset(&count, DIRT, sizeof count), memset(&len, DIRT, sizeof len), memset(text, DIRT, sizeof text);
    CHECK_EQ(stun_dropped(agent, STUN_DROP_ANY, NULL), STUN_E_NULL);
    CHECK_EQ(stun_dropped(agent, STUN_DROP_UNPERMITTED_PEER + 1, &count), STUN_E_INVALID);
    CHECK_EQ(stun_dropped(agent, UINT32_MAX, &count), STUN_E_INVALID);
    CHECK_EQ(stun_last_error(agent, text, sizeof text, NULL), STUN_E_NULL);
    CHECK_EQ(stun_last_error(agent, NULL, 1, &len), STUN_E_NULL);
    CHECK_EQ(stun_last_error(agent, text, SIZE_MAX, &len), STUN_E_INVALID);
    CHECK(is_dirty(&count, sizeof count) && is_dirty(&len, sizeof len) && is_dirty(text, sizeof text));
    CHECK_EQ(stun_last_error(agent, NULL, 0, &len), STUN_OK);
    CHECK(len > sizeof text && len < 200);
    CHECK_EQ(stun_last_error(agent, text, 4, &len), STUN_OK);
    CHECK(text[3] == 0 && strlen(text) == 3 && is_dirty(text + 4, 4));
}

/* Every call on what is no agent. */
static void wrong_handle(stun_agent *wrong, stun_status expected)
{
    stun_packet packet = packet_of(client_addr(), server_addr(), &byte, 1), app;
    stun_binding_config binding = binding_config();
    stun_server_config server = server_config();
    stun_event event;
    uint64_t id;
    size_t n;
    uint32_t count;
    uint8_t buf[4];
    memset(&app, DIRT, sizeof app), memset(&event, DIRT, sizeof event), memset(&n, DIRT, sizeof n);
    memset(&id, DIRT, sizeof id), memset(&count, DIRT, sizeof count);
    CHECK(stun_poll_timeout(wrong) == STUN_NEVER);
    CHECK_EQ(stun_wake_reason(wrong), STUN_WAKE_NONE);
    CHECK_EQ(stun_dropped(wrong, 0, &count), expected);
    CHECK_EQ(stun_last_error(wrong, NULL, 0, &n), expected);
    CHECK_EQ(stun_binding_start(wrong, &binding, 0, &id), expected);
    CHECK_EQ(stun_server_start(wrong, &server, 0, &id), expected);
    CHECK_EQ(stun_cancel(wrong, 1, 0), expected);
    CHECK_EQ(stun_handle_input(wrong, &packet, 0, &app), expected);
    CHECK_EQ(stun_handle_timeout(wrong, 0), expected);
    CHECK_EQ(stun_handle_send_error(wrong, &packet, 1, 0), expected);
    CHECK_EQ(stun_poll_transmit(wrong, &app), expected);
    CHECK_EQ(stun_poll_transmit_batch(wrong, &app, 1, sizeof app, &n), expected);
    CHECK_EQ(stun_poll_transmit_into(wrong, buf, sizeof buf, &app, &n), expected);
    CHECK_EQ(stun_poll_event(wrong, &event), expected);
    CHECK(is_dirty(&app, sizeof app) && is_dirty(&event, sizeof event) && is_dirty(&n, sizeof n));
    CHECK(is_dirty(&id, sizeof id) && is_dirty(&count, sizeof count));
    stun_agent_free(wrong);
}

int main(void)
{
    union { uint64_t align; uint8_t bytes[64]; } zeros, text;
    memset(&zeros, 0, sizeof zeros);
    memset(&text, 'x', sizeof text);
    agent = new_agent(1, 0);
    null_in_each_place_of_making();
    configurations_of_other_sizes();
    bindings_that_cannot_be();
    servers_that_cannot_be();
    packets_that_cannot_be();
    polls_that_cannot_be();
    events_of_other_sizes();
    questions_that_cannot_be();
    wrong_handle(NULL, STUN_E_NULL);
    wrong_handle((stun_agent *)(void *)zeros.bytes, STUN_E_HANDLE);
    wrong_handle((stun_agent *)(void *)text.bytes, STUN_E_HANDLE);
    wrong_handle((stun_agent *)(void *)(zeros.bytes + 1), STUN_E_HANDLE); /* misaligned */
    CHECK_EQ(drain(agent), 0);
    stun_agent_free(agent);
    return check_report();
}
