/* Misuse of the calls for servers, surveys, discoveries and NAT probes: NULL in each place, wrong sizes, wrong
 * numbers, wrong handles. Whatever is refused writes nothing. null.c has the rest. */

#include "support.h"

#define HUGE_LEN (SIZE_MAX / 2 + 1)

static stun_agent *agent;
static uint64_t id;

static void ids_stay(void) { CHECK(is_dirty(&id, sizeof id)); }

static stun_target target_of(void)
{
    stun_target target;
    memset(&target, 0, sizeof target);
    target.server = server_addr();
    return target;
}

static void no_agent_at_all(void)
{
    uint8_t no_handle[64];
    stun_agent *wrong[2];
    stun_packet packet = packet_of(client_addr(), server_addr(), NULL, 0);
    stun_survey_config survey;
    stun_discovery_config discovery;
    stun_nat_config nat;
    stun_discovered found;
    stun_nat_report report;
    stun_user user;
    size_t len;
    char text[8];
    int n;
    memset(no_handle, 0, sizeof no_handle);
    memset(&survey, 0, sizeof survey);
    memset(&discovery, 0, sizeof discovery);
    memset(&nat, 0, sizeof nat);
    memset(&user, 0, sizeof user);
    wrong[0] = NULL;
    wrong[1] = (stun_agent *)(void *)no_handle;
    for (n = 0; n < 2; n++) {
        stun_status expected = n == 0 ? STUN_E_NULL : STUN_E_HANDLE;
        CHECK_EQ(stun_answer_redirect(wrong[n], 1, 1, 0), expected);
        CHECK_EQ(stun_reconnected(wrong[n], 1, &packet, 0), expected);
        CHECK_EQ(stun_set_refresh(wrong[n], 1, 0, 0), expected);
        CHECK_EQ(stun_binding_alternate_domain(wrong[n], 1, text, 8, &len), expected);
        CHECK_EQ(stun_server_add_user(wrong[n], 1, &user), expected);
        CHECK_EQ(stun_server_remove_user(wrong[n], 1, NULL, 0), expected);
        CHECK_EQ(stun_survey_start(wrong[n], &survey, 0, &id), expected);
        CHECK_EQ(stun_discovery_start(wrong[n], &discovery, 0, &id), expected);
        CHECK_EQ(stun_answer_addresses(wrong[n], 1, 0, NULL, 0, 0), expected);
        CHECK_EQ(stun_answer_services(wrong[n], 1, 0, NULL, 0, 0), expected);
        CHECK_EQ(stun_answer_naptr(wrong[n], 1, 0, NULL, 0, 0), expected);
        CHECK_EQ(stun_answer_failed(wrong[n], 1, 0, STUN_DNS_FAILED, 0), expected);
        CHECK_EQ(stun_discovered_server(wrong[n], 0, &found), expected);
        CHECK_EQ(stun_nat_probe_start(wrong[n], &nat, 0, &id), expected);
        CHECK_EQ(stun_nat_report_read(wrong[n], 1, &report), expected);
        CHECK_EQ(stun_nat_report_text(wrong[n], 1, 0, text, 8, &len), expected);
    }
    ids_stay();
}

static void null_in_each_other_place(void)
{
    stun_target target = target_of();
    stun_survey_config survey;
    stun_discovery_config discovery;
    stun_nat_config nat;
    stun_srv_record srv;
    stun_naptr_record naptr;
    stun_user user;
    char text[8];
    size_t len;
    memset(&survey, 0, sizeof survey);
    survey.struct_size = (uint32_t)sizeof survey;
    survey.targets = &target;
    survey.target_count = 1;
    memset(&discovery, 0, sizeof discovery);
    discovery.struct_size = (uint32_t)sizeof discovery;
    memset(&nat, 0, sizeof nat);
    nat.struct_size = (uint32_t)sizeof nat;
    nat.server = server_addr();
    memset(&user, 0, sizeof user);
    user.name_len = 1;
    CHECK_EQ(stun_reconnected(agent, 1, NULL, 0), STUN_E_NULL);
    CHECK_EQ(stun_binding_alternate_domain(agent, 1, text, 8, NULL), STUN_E_NULL);
    CHECK_EQ(stun_binding_alternate_domain(agent, 1, NULL, 8, &len), STUN_E_NULL);
    CHECK_EQ(stun_server_add_user(agent, 1, NULL), STUN_E_NULL);
    CHECK_EQ(stun_server_remove_user(agent, 1, NULL, 1), STUN_E_NULL);
    CHECK_EQ(stun_survey_start(agent, NULL, 0, &id), STUN_E_NULL);
    CHECK_EQ(stun_survey_start(agent, &survey, 0, NULL), STUN_E_NULL);
    survey.targets = NULL;
    CHECK_EQ(stun_survey_start(agent, &survey, 0, &id), STUN_E_NULL);
    CHECK_EQ(stun_discovery_start(agent, NULL, 0, &id), STUN_E_NULL);
    discovery.host = "a.example", discovery.host_len = 9;
    CHECK_EQ(stun_discovery_start(agent, &discovery, 0, NULL), STUN_E_NULL);
    discovery.host = NULL;
    CHECK_EQ(stun_discovery_start(agent, &discovery, 0, &id), STUN_E_NULL);
    discovery.host_len = 0, discovery.uri_len = 3;
    CHECK_EQ(stun_discovery_start(agent, &discovery, 0, &id), STUN_E_NULL);
    discovery.uri_len = 0, discovery.transport_count = 1;
    CHECK_EQ(stun_discovery_start(agent, &discovery, 0, &id), STUN_E_NULL);
    CHECK_EQ(stun_answer_addresses(agent, 1, 0, NULL, 1, 0), STUN_E_NULL);
    CHECK_EQ(stun_answer_services(agent, 1, 0, NULL, 1, 0), STUN_E_NULL);
    CHECK_EQ(stun_answer_naptr(agent, 1, 0, NULL, 1, 0), STUN_E_NULL);
    memset(&srv, 0, sizeof srv);
    srv.target_len = 1;
    CHECK_EQ(stun_answer_services(agent, 1, 0, &srv, 1, 0), STUN_E_NULL);
    memset(&naptr, 0, sizeof naptr), naptr.flags_len = 1;
    CHECK_EQ(stun_answer_naptr(agent, 1, 0, &naptr, 1, 0), STUN_E_NULL);
    memset(&naptr, 0, sizeof naptr), naptr.services_len = 1;
    CHECK_EQ(stun_answer_naptr(agent, 1, 0, &naptr, 1, 0), STUN_E_NULL);
    memset(&naptr, 0, sizeof naptr), naptr.regexp_len = 1;
    CHECK_EQ(stun_answer_naptr(agent, 1, 0, &naptr, 1, 0), STUN_E_NULL);
    memset(&naptr, 0, sizeof naptr), naptr.replacement_len = 1;
    CHECK_EQ(stun_answer_naptr(agent, 1, 0, &naptr, 1, 0), STUN_E_NULL);
    CHECK_EQ(stun_discovered_server(agent, 0, NULL), STUN_E_NULL);
    CHECK_EQ(stun_nat_probe_start(agent, NULL, 0, &id), STUN_E_NULL);
    CHECK_EQ(stun_nat_probe_start(agent, &nat, 0, NULL), STUN_E_NULL);
    nat.server_count = 1;
    CHECK_EQ(stun_nat_probe_start(agent, &nat, 0, &id), STUN_E_NULL);
    CHECK_EQ(stun_nat_report_read(agent, 1, NULL), STUN_E_NULL);
    CHECK_EQ(stun_nat_report_text(agent, 1, 0, text, 8, NULL), STUN_E_NULL);
    CHECK_EQ(stun_nat_report_text(agent, 1, 0, NULL, 8, &len), STUN_E_NULL);
    ids_stay();
}

static void a_survey_refuses(const stun_survey_config *config)
{
    CHECK_EQ(stun_survey_start(agent, config, 0, &id), STUN_E_INVALID);
    ids_stay();
}

static void surveys_that_cannot_be(void)
{
    static stun_target targets[65];
    stun_binding_config request = binding_config();
    stun_survey_config good, config;
    size_t n;
    for (n = 0; n < 65; n++) targets[n] = target_of(), targets[n].server.port = (uint16_t)(n + 1);
    memset(&good, 0, sizeof good);
    good.struct_size = (uint32_t)sizeof good;
    good.targets = targets;
    good.target_count = 2;
    config = good, config.struct_size = 40, a_survey_refuses(&config);
    config = good, config.struct_size = 0, a_survey_refuses(&config);
    config = good, config.target_count = 0, a_survey_refuses(&config);
    config = good, config.target_count = 65, a_survey_refuses(&config);
    config = good, config.target_count = SIZE_MAX / 8, a_survey_refuses(&config);
    config = good, config.attempt_delay = 9 * MS, a_survey_refuses(&config);
    config = good, config.request = &request, request.redirects = STUN_REDIRECT_ASK, a_survey_refuses(&config);
    request.redirects = 3, a_survey_refuses(&config);
    request.redirects = 0, request.struct_size = 4, a_survey_refuses(&config);
    targets[1].transport = 3, a_survey_refuses(&good);
    targets[1].transport = 0, targets[1].server.family = 0, a_survey_refuses(&good);
    targets[1] = target_of(), targets[1].local.family = 6, a_survey_refuses(&good);
    CHECK_EQ(stun_survey_start(agent, &config, STUN_NEVER, &id), STUN_E_INVALID);
    CHECK_EQ(drain(agent), 0);
}

static void a_discovery_refuses(const stun_discovery_config *config)
{
    CHECK_EQ(stun_discovery_start(agent, config, 0, &id), STUN_E_INVALID);
    ids_stay();
}

static void discoveries_that_cannot_be(void)
{
    static const uint32_t udp = STUN_UDP, wrong = 3;
    static const char uris[][24] = { "stun:", "stuns:192.0.2.1", "turns:a?transport=udp", "turn:a?transport=x" };
    stun_discovery_config good, config;
    stun_addr none;
    size_t n;
    memset(&good, 0, sizeof good);
    memset(&none, 0, sizeof none);
    good.struct_size = (uint32_t)sizeof good;
    good.host = "a.example";
    good.host_len = 9;
    config = good, config.struct_size = 72, a_discovery_refuses(&config);
    config = good, config.service = 3, a_discovery_refuses(&config);
    config = good, config.flags = 2, a_discovery_refuses(&config);
    config = good, config.port = 65536, a_discovery_refuses(&config);
    config = good, config.host_len = 0, a_discovery_refuses(&config);
    config = good, config.host_len = HUGE_LEN, a_discovery_refuses(&config);
    config = good, config.host = "a\xFF", config.host_len = 2, a_discovery_refuses(&config);
    config = good, config.transports = &wrong, config.transport_count = 1, a_discovery_refuses(&config);
    config = good, config.transports = &udp, config.transport_count = 1;
    config.flags = STUN_DISCOVERY_SECURE, a_discovery_refuses(&config);
    config = good, config.uri = "stun:a", config.uri_len = 6, a_discovery_refuses(&config); /* both */
    for (n = 0; n < sizeof uris / sizeof *uris; n++) {
        config = good, config.host = NULL, config.host_len = 0;
        config.uri = uris[n], config.uri_len = strlen(uris[n]), a_discovery_refuses(&config);
    }
    CHECK_EQ(stun_answer_addresses(agent, 1, 0, &none, 1, 0), STUN_E_INVALID);
    CHECK_EQ(stun_answer_failed(agent, 1, 0, 0, 0), STUN_E_INVALID);
    CHECK_EQ(stun_answer_failed(agent, 1, 0, 3, 0), STUN_E_INVALID);
    CHECK_EQ(stun_answer_failed(agent, 1, 0, STUN_DNS_FAILED, 0), STUN_E_NOT_FOUND);
}

static void a_credential_refuses(const stun_binding_config *config)
{
    CHECK_EQ(stun_binding_start(agent, config, 0, &id), STUN_E_INVALID);
    ids_stay();
}

static void credentials_that_cannot_be(void)
{
    stun_binding_config good = binding_config(), config;
    good.username = (const uint8_t *)"alice", good.username_len = 5;
    good.password = (const uint8_t *)"s3cret", good.password_len = 6;
    config = good, config.credential_kind = 2, a_credential_refuses(&config);
    config = good, config.credential_flags = STUN_CREDENTIAL_REQUIRE_SHA256, a_credential_refuses(&config);
    config = good, config.reserved2 = 1, a_credential_refuses(&config);
    config = good, config.redirects = 3, a_credential_refuses(&config);
    good.credential_kind = STUN_LONG_TERM;
    config = good, config.credential_flags = 4, a_credential_refuses(&config);
    config = good, config.integrity = STUN_INTEGRITY_SHA1, a_credential_refuses(&config);
    config = good, config.username_len = 0, a_credential_refuses(&config);
    config = good, config.password_len = 0, a_credential_refuses(&config);
    config = good, config.username = (const uint8_t *)"a\xFF", config.username_len = 2, a_credential_refuses(&config);
    config = good, config.password = (const uint8_t *)"a\x07", config.password_len = 2, a_credential_refuses(&config);
}

static void servers_that_cannot_be(void)
{
    stun_user user;
    stun_server_config good, config;
    memset(&good, 0, sizeof good);
    memset(&user, 0, sizeof user);
    user.name = user.password = (const uint8_t *)"alice";
    user.name_len = user.password_len = 5;
    good.struct_size = (uint32_t)sizeof good;
    good.realm = (const uint8_t *)"example.org", good.realm_len = 11;
    good.users = &user, good.user_count = 1;
    config = good, config.realm_len = 128;
    config.realm = (const uint8_t *)"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";
    CHECK_EQ(stun_server_start(agent, &config, 0, &id), STUN_E_INVALID);
    config = good, config.realm_len = 0;
    CHECK_EQ(stun_server_start(agent, &config, 0, &id), STUN_E_INVALID);
    config = good, config.username = config.password = user.name, config.username_len = config.password_len = 5;
    CHECK_EQ(stun_server_start(agent, &config, 0, &id), STUN_E_INVALID);
    config = good, config.flags = STUN_SERVER_RFC3489;
    CHECK_EQ(stun_server_start(agent, &config, 0, &id), STUN_E_INVALID);
    config = good, config.users = NULL;
    CHECK_EQ(stun_server_start(agent, &config, 0, &id), STUN_E_NULL);
    user.name_len = 0;
    CHECK_EQ(stun_server_start(agent, &good, 0, &id), STUN_E_INVALID);
    ids_stay();
}

/* The first versions of these structs end where they ended then. */
static void older_headers_get_what_they_had(void)
{
    stun_server_config server;
    stun_binding_config binding;
    stun_event event;
    stun_packet packet;
    uint64_t started = 0;
    memset(&server, DIRT, sizeof server);
    memset(&server, 0, 64);
    server.struct_size = 64;
    CHECK_EQ(stun_server_start(agent, &server, 0, &started), STUN_OK);
    CHECK_EQ(stun_cancel(agent, started, 0), STUN_OK);
    memset(&binding, DIRT, sizeof binding);
    memset(&binding, 0, 152);
    binding.struct_size = 152;
    binding.server = server_addr();
    binding.refresh = STUN_NEVER;
    CHECK_EQ(stun_binding_start(agent, &binding, 0, &started), STUN_OK);
    CHECK_EQ(stun_poll_transmit(agent, &packet), STUN_OK);
    CHECK_EQ(stun_handle_send_error(agent, &packet, STUN_SEND_NO_ROUTE, 0), STUN_OK);
    memset(&event, DIRT, sizeof event);
    event.struct_size = 112;
    CHECK_EQ(stun_poll_event(agent, &event), STUN_OK);
    CHECK(event.struct_size == 112 && event.kind == STUN_EV_FAILED && is_dirty((char *)&event + 112, sizeof event - 112));
}

int main(void)
{
    agent = new_agent(1, 0);
    memset(&id, DIRT, sizeof id);
    no_agent_at_all();
    null_in_each_other_place();
    surveys_that_cannot_be();
    discoveries_that_cannot_be();
    credentials_that_cannot_be();
    servers_that_cannot_be();
    older_headers_get_what_they_had();
    stun_agent_free(agent);
    return check_report();
}
