/* Misuse of the calls for pools of relays: NULL in each place, wrong sizes, wrong numbers, wrong ids. */

#include "pool.h"

static const uint8_t hello[5] = { 'h', 'e', 'l', 'l', 'o' };
static stun_agent *agent;
static uint64_t id;

static void ids_stay(void) { CHECK(is_dirty(&id, sizeof id)); }

static stun_credentials credentials_of(void)
{
    stun_credentials credentials;
    memset(&credentials, 0, sizeof credentials);
    credentials.struct_size = (uint32_t)sizeof credentials;
    credentials.username = credentials.password = hello;
    credentials.username_len = credentials.password_len = 5;
    return credentials;
}

static void no_agent_at_all(void)
{
    uint8_t no_handle[64];
    stun_agent *wrong[2];
    pool_plan plan;
    stun_packet path = packet_of(local_of(0), server_of(0), NULL, 0);
    stun_credentials credentials = credentials_of();
    stun_relay_pool_info info;
    stun_allocation_info relay;
    size_t len;
    int n;
    plan_pool(&plan, RELAYS);
    memset(no_handle, 0, sizeof no_handle);
    memset(&info, DIRT, sizeof info);
    memset(&relay, DIRT, sizeof relay);
    memset(&len, DIRT, sizeof len);
    wrong[0] = NULL;
    wrong[1] = (stun_agent *)(void *)no_handle;
    for (n = 0; n < 2; n++) {
        stun_status expected = n == 0 ? STUN_E_NULL : STUN_E_HANDLE;
        CHECK_EQ(stun_relay_pool_start(wrong[n], &plan.config, 0, &id), expected);
        CHECK_EQ(stun_relay_pool_read(wrong[n], 1, &info), expected);
        CHECK_EQ(stun_relay_pool_relay(wrong[n], 1, 0, &relay), expected);
        CHECK_EQ(stun_relay_pool_alternate_domain(wrong[n], 1, 0, NULL, 0, &len), expected);
        CHECK_EQ(stun_relay_pool_set_credentials(wrong[n], 1, 0, &credentials, 0), expected);
        CHECK_EQ(stun_relay_pool_reconnected(wrong[n], 1, 0, &path, 0), expected);
        CHECK_EQ(stun_relay_pool_answer_redirect(wrong[n], 1, 0, 1, 0), expected);
    }
    CHECK(is_dirty(&info, sizeof info) && is_dirty(&relay, sizeof relay) && is_dirty(&len, sizeof len));
    ids_stay();
}

static void null_in_each_other_place(void)
{
    pool_plan plan;
    char text[8];
    size_t len;
    plan_pool(&plan, 2);
    CHECK_EQ(stun_relay_pool_start(agent, NULL, 0, &id), STUN_E_NULL);
    CHECK_EQ(stun_relay_pool_start(agent, &plan.config, 0, NULL), STUN_E_NULL);
    plan.pointers[1] = NULL;
    CHECK_EQ(stun_relay_pool_start(agent, &plan.config, 0, &id), STUN_E_NULL);
    plan.config.relays = NULL;
    CHECK_EQ(stun_relay_pool_start(agent, &plan.config, 0, &id), STUN_E_NULL);
    CHECK_EQ(stun_relay_pool_read(agent, 1, NULL), STUN_E_NULL);
    CHECK_EQ(stun_relay_pool_relay(agent, 1, 0, NULL), STUN_E_NULL);
    CHECK_EQ(stun_relay_pool_alternate_domain(agent, 1, 0, text, 8, NULL), STUN_E_NULL);
    CHECK_EQ(stun_relay_pool_alternate_domain(agent, 1, 0, NULL, 8, &len), STUN_E_NULL);
    CHECK_EQ(stun_relay_pool_set_credentials(agent, 1, 0, NULL, 0), STUN_E_NULL);
    CHECK_EQ(stun_relay_pool_reconnected(agent, 1, 0, NULL, 0), STUN_E_NULL);
    ids_stay();
    CHECK_EQ(drain(agent), 0);
}

/* An id that was never given; and that of an allocation. */
static void no_such_pool(uint64_t unknown)
{
    stun_packet path = packet_of(local_of(0), server_of(0), NULL, 0);
    stun_credentials credentials = credentials_of();
    stun_relay_pool_info info;
    stun_allocation_info relay;
    size_t len;
    memset(&info, DIRT, sizeof info);
    memset(&relay, DIRT, sizeof relay);
    info.struct_size = (uint32_t)sizeof info;
    relay.struct_size = (uint32_t)sizeof relay;
    CHECK_EQ(stun_relay_pool_read(agent, unknown, &info), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_relay_pool_relay(agent, unknown, 0, &relay), STUN_E_NOT_FOUND);
    CHECK(is_dirty((char *)&info + 4, sizeof info - 4) && is_dirty((char *)&relay + 4, sizeof relay - 4));
    CHECK_EQ(stun_relay_pool_alternate_domain(agent, unknown, 0, NULL, 0, &len), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_relay_pool_set_credentials(agent, unknown, 0, &credentials, 0), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_relay_pool_reconnected(agent, unknown, 0, &path, 0), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_relay_pool_answer_redirect(agent, unknown, 0, 1, 0), STUN_E_NOT_FOUND);
}

static void a_pool_refuses(const pool_plan *plan, const char *sentence)
{
    CHECK_EQ(stun_relay_pool_start(agent, &plan->config, 0, &id), STUN_E_INVALID);
    says(agent, sentence);
    ids_stay();
}

static void pools_that_cannot_be(void)
{
    pool_plan plan;
    plan_pool(&plan, RELAYS);
    plan.config.struct_size = 0, a_pool_refuses(&plan, "struct_size is not the size of that struct");
    plan.config.struct_size = 56, a_pool_refuses(&plan, "struct_size is not the size of that struct");
    plan.config.struct_size = 8192, a_pool_refuses(&plan, "struct_size is not the size of that struct");
    plan_pool(&plan, RELAYS), plan.relays[1].struct_size = 168;
    a_pool_refuses(&plan, "struct_size is not the size of that struct");
    plan_pool(&plan, RELAYS), plan.config.flags = 2, a_pool_refuses(&plan, "an unknown flag is set");
    plan_pool(&plan, RELAYS), plan.config.reserved = 1, a_pool_refuses(&plan, "reserved is not 0");
    plan_pool(&plan, 0), a_pool_refuses(&plan, "there is no relay");
    plan_pool(&plan, 17), a_pool_refuses(&plan, "there are more than 16 relays"); /* nothing is read */
    plan.config.relay_count = SIZE_MAX, a_pool_refuses(&plan, "there are more than 16 relays");
    plan_pool(&plan, RELAYS), plan.config.patience = SECOND - 1, a_pool_refuses(&plan, "patience is under one second");
    plan_pool(&plan, RELAYS), plan.config.hold = SECOND - 1, a_pool_refuses(&plan, "hold is under one second");
    plan_pool(&plan, RELAYS), plan.pointers[2] = plan.pointers[0], a_pool_refuses(&plan, "two relays are on the same path");
    plan_pool(&plan, RELAYS), plan.relays[2].transport = STUN_TCP, plan.relays[2].relay_transport = STUN_TCP;
    a_pool_refuses(&plan, "a relay is for connections to peers, which cannot migrate");
    plan_pool(&plan, RELAYS), plan.relays[2].keepalive = SECOND - 1, a_pool_refuses(&plan, "keepalive is under one second");
    plan_pool(&plan, RELAYS), plan.relays[2].transport = 3;
    CHECK_EQ(stun_relay_pool_start(agent, &plan.config, 0, &id), STUN_E_INVALID);
    plan_pool(&plan, RELAYS);
    CHECK_EQ(stun_relay_pool_start(agent, &plan.config, STUN_NEVER, &id), STUN_E_INVALID);
    ids_stay();
    CHECK_EQ(drain(agent), 0);
}

/* STUN_NEVER turns off what can be; a larger struct is accepted; keepalive_kind is not looked at. */
static uint64_t a_pool_that_can_be(void)
{
    struct { pool_plan plan; uint64_t newer; } larger;
    memset(&larger, 0, sizeof larger);
    plan_pool(&larger.plan, RELAYS);
    larger.plan.config.patience = larger.plan.config.hold = STUN_NEVER;
    larger.plan.config.settling = larger.plan.config.least_gain = STUN_NEVER;
    larger.plan.config.ready = UINT32_MAX;
    larger.plan.config.struct_size += 8;
    return start_pool(agent, &larger.plan);
}

static void wrong_arguments_of_a_pool(uint64_t pool)
{
    stun_credentials credentials = credentials_of();
    stun_relay_pool_info info;
    stun_allocation_info relay;
    stun_packet path = packet_of(local_of(0), server_of(0), NULL, 0);
    size_t len;
    memset(&info, DIRT, sizeof info);
    memset(&relay, DIRT, sizeof relay);
    info.struct_size = 68;
    CHECK_EQ(stun_relay_pool_read(agent, pool, &info), STUN_E_INVALID);
    relay.struct_size = 144;
    CHECK_EQ(stun_relay_pool_relay(agent, pool, 0, &relay), STUN_E_INVALID);
    relay.struct_size = (uint32_t)sizeof relay;
    CHECK_EQ(stun_relay_pool_relay(agent, pool, RELAYS, &relay), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_relay_pool_relay(agent, pool, STUN_NO_RELAY, &relay), STUN_E_NOT_FOUND);
    CHECK(is_dirty((char *)&info + 4, sizeof info - 4) && is_dirty((char *)&relay + 4, sizeof relay - 4));
    CHECK_EQ(stun_relay_pool_alternate_domain(agent, pool, RELAYS, NULL, 0, &len), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_relay_pool_answer_redirect(agent, pool, 0, 2, 0), STUN_E_INVALID);
    CHECK_EQ(stun_relay_pool_answer_redirect(agent, pool, STUN_NO_RELAY, 1, 0), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_relay_pool_answer_redirect(agent, pool, 0, 1, STUN_NEVER), STUN_E_INVALID);
    CHECK_EQ(stun_relay_pool_set_credentials(agent, pool, 0, &credentials, STUN_NEVER), STUN_E_INVALID);
    credentials.username_len = 0;
    CHECK_EQ(stun_relay_pool_set_credentials(agent, pool, 0, &credentials, 0), STUN_E_INVALID);
    path.local.port = 7000;
    CHECK_EQ(stun_relay_pool_reconnected(agent, pool, RELAYS, &path, 0), STUN_E_NOT_FOUND);
    path.remote.port = 0;
    CHECK_EQ(stun_relay_pool_reconnected(agent, pool, 0, &path, 0), STUN_E_INVALID);
}

/* What is one allocation's alone does not take a pool's id. */
static void a_pool_is_no_allocation(uint64_t pool)
{
    stun_credentials credentials = credentials_of();
    stun_packet path = packet_of(local_of(0), server_of(0), NULL, 0);
    stun_allocation_info relay;
    stun_addr peer = peer_addr();
    size_t len;
    relay.struct_size = (uint32_t)sizeof relay;
    CHECK_EQ(stun_allocation_read(agent, pool, &relay), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_allocation_alternate_domain(agent, pool, NULL, 0, &len), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_allocation_set_credentials(agent, pool, &credentials, 0), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_allocation_reconnected(agent, pool, &path, 0), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_allocation_connect(agent, pool, &peer, 0), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_allocation_connection_opened(agent, pool, 1, &path, 0), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_answer_redirect(agent, pool, 1, 0), STUN_E_NOT_FOUND);
    CHECK_EQ(stun_allocation_permit(agent, pool, NULL, 0), STUN_E_NULL);
    CHECK_EQ(stun_allocation_permit(agent, pool, &peer, STUN_NEVER), STUN_E_INVALID);
}

/* Events had 248 bytes before there were pools. */
static void older_headers_get_what_they_had(void)
{
    turn_server servers[RELAYS];
    stun_event event;
    memset(servers, 0, sizeof servers);
    CHECK_EQ(serve_pool(servers, agent, 0, 0), RELAYS);
    memset(&event, DIRT, sizeof event);
    event.struct_size = 248;
    CHECK_EQ(stun_poll_event(agent, &event), STUN_OK);
    CHECK(event.struct_size == 248 && event.kind == STUN_EV_RELAY_READY);
    CHECK(is_dirty((char *)&event + 248, sizeof event - 248));
}

int main(void)
{
    stun_allocation_config config = allocation_config();
    uint64_t other, pool;
    agent = new_agent(1, 0);
    memset(&id, DIRT, sizeof id);
    no_agent_at_all();
    null_in_each_other_place();
    no_such_pool(1);
    pools_that_cannot_be();
    other = start_allocation(agent, &config);
    no_such_pool(other);
    CHECK_EQ(stun_cancel(agent, other, 0), STUN_OK);
    pool = a_pool_that_can_be();
    wrong_arguments_of_a_pool(pool);
    a_pool_is_no_allocation(pool);
    older_headers_get_what_they_had();
    stun_agent_free(agent);
    return check_report();
}
