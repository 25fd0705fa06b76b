/* Many servers: surveys, races, URIs, and finding servers by the DNS that the host asks. */

#include "support.h"

static stun_survey_config survey_config(const stun_target *targets, size_t count)
{
    stun_survey_config config;
    memset(&config, 0, sizeof config);
    config.struct_size = (uint32_t)sizeof config;
    config.targets = targets;
    config.target_count = count;
    return config;
}

static stun_target target_of(int host)
{
    stun_target target;
    memset(&target, 0, sizeof target);
    target.local = client_addr();
    target.server = v4(192, 0, 2, host, 3478);
    target.socket_id = 7;
    return target;
}

/* Answers all requests but those to the silent host, which is given by the last byte of its address. */
static void serve_all(stun_agent *client, stun_agent *server, int silent, stun_time now)
{
    stun_packet packet;
    while (stun_poll_transmit(client, &packet) == STUN_OK) {
        stun_packet arrived = packet_of(packet.remote, mapped_addr(), packet.data, packet.len);
        if (packet.remote.ip[3] == silent) continue;
        CHECK_EQ(packet.socket_id, 7);
        CHECK_EQ(stun_handle_input(server, &arrived, now, NULL), STUN_OK);
    }
    to_client(server, client, now);
}

static void a_dead_server_keeps_nobody_waiting(void)
{
    stun_agent *client = new_agent(1, 0), *server = new_server();
    stun_target targets[3];
    stun_survey_config config = survey_config(targets, 3);
    stun_addr mapped = mapped_addr();
    stun_event event;
    uint64_t id = 0;
    int n;
    for (n = 0; n < 3; n++) targets[n] = target_of(n + 1);
    config.deadline = 3 * SECOND;
    CHECK_EQ(stun_survey_start(client, &config, 0, &id), STUN_OK);
    serve_all(client, server, 2, 20 * MS);
    for (n = 0; n < 2; n++) {
        CHECK_EQ(next_event(client, &event), STUN_EV_ANSWER);
        CHECK(event.id == id && event.index == (uint32_t)n * 2 && same_addr(&event.addr, &mapped));
        CHECK(same_addr(&event.server, &targets[event.index].server) && event.rtt == 20 * MS && event.is_last == 0);
    }
    CHECK_EQ(next_event(client, &event), 0);
    while (stun_poll_timeout(client) != STUN_NEVER && next_event(client, &event) == 0) {
        CHECK_EQ(stun_handle_timeout(client, stun_poll_timeout(client)), STUN_OK);
        drain(client);
    }
    CHECK_EQ(event.kind, STUN_EV_SURVEYED);
    CHECK(event.count == 2 && event.code == 0 && event.index == 1 && event.is_last == 1);
    CHECK_EQ(event.detail, STUN_MAPPING_SAME);
    CHECK_EQ(stun_cancel(client, id, 0), STUN_E_NOT_FOUND);
    stun_agent_free(client);
    stun_agent_free(server);
}

static void a_race_ends_with_the_first_answer(void)
{
    stun_agent *client = new_agent(2, 0), *server = new_server();
    stun_target targets[2];
    stun_survey_config config = survey_config(targets, 2);
    stun_event event;
    uint64_t id = 0;
    targets[0] = target_of(1);
    targets[1] = target_of(2);
    config.enough = 1;
    config.attempt_delay = STUN_ATTEMPT_DELAY;
    CHECK_EQ(stun_survey_start(client, &config, 0, &id), STUN_OK);
    serve_all(client, server, 1, 0);
    CHECK_EQ(next_event(client, &event), 0);
    CHECK_EQ(stun_poll_timeout(client), STUN_ATTEMPT_DELAY);
    CHECK_EQ(stun_wake_reason(client), STUN_WAKE_ATTEMPT);
    CHECK_EQ(stun_handle_timeout(client, STUN_ATTEMPT_DELAY), STUN_OK);
    serve_all(client, server, 1, 260 * MS);
    CHECK_EQ(next_event(client, &event), STUN_EV_ANSWER);
    CHECK_EQ(event.index, 1);
    CHECK_EQ(next_event(client, &event), STUN_EV_SURVEYED);
    CHECK(event.count == 1 && event.index == 1 && event.detail == STUN_MAPPING_UNKNOWN);
    stun_agent_free(client);
    stun_agent_free(server);
}

static void a_failed_server_says_why(void)
{
    stun_agent *client = new_agent(3, 0);
    stun_binding_config request;
    stun_target target = target_of(1);
    stun_survey_config config = survey_config(&target, 1);
    stun_packet packet;
    stun_event event;
    uint64_t id = 0;
    memset(&request, 0, sizeof request); /* no server in it: only how to ask counts */
    request.struct_size = (uint32_t)sizeof request;
    request.flags = STUN_BINDING_NO_FINGERPRINT;
    config.request = &request;
    CHECK_EQ(stun_survey_start(client, &config, 0, &id), STUN_OK);
    CHECK_EQ(stun_poll_transmit(client, &packet), STUN_OK);
    CHECK_EQ(packet.len, 20);
    CHECK_EQ(stun_handle_send_error(client, &packet, STUN_SEND_NO_ROUTE, 0), STUN_OK);
    CHECK_EQ(next_event(client, &event), STUN_EV_NO_ANSWER);
    CHECK(event.index == 0 && event.reason == STUN_FAIL_SEND && event.code == STUN_SEND_NO_ROUTE);
    CHECK(same_addr(&event.server, &target.server) && event.text_len > 0);
    CHECK_EQ(next_event(client, &event), STUN_EV_SURVEYED);
    CHECK(event.count == 0 && event.code == 1);
    stun_agent_free(client);
}

/* --- URIs ----------------------------------------------------------------------------------------------- */

static stun_uri parsed(const char *text, stun_status expected)
{
    stun_uri uri;
    memset(&uri, DIRT, sizeof uri);
    uri.struct_size = (uint32_t)sizeof uri;
    CHECK_EQ(stun_uri_parse(text, strlen(text), &uri), expected);
    if (expected != STUN_OK) CHECK(is_dirty((char *)&uri + 4, sizeof uri - 4));
    return uri;
}

static int is_host(const stun_uri *uri, const char *text)
{
    return uri->host_len == strlen(text) && memcmp(uri->host, text, uri->host_len) == 0;
}

static void uris_are_read(void)
{
    stun_uri uri = parsed("stun:example.org", STUN_OK);
    CHECK(uri.struct_size == sizeof uri && uri.scheme == STUN_SCHEME_STUN && is_host(&uri, "example.org"));
    CHECK(uri.addr.family == 0 && uri.port == 0 && uri.default_port == 3478 && uri.transport == STUN_URI_ANY);
    uri = parsed("TURNS:[2001:db8::1]:443?transport=tcp", STUN_OK);
    CHECK(uri.scheme == STUN_SCHEME_TURNS && is_host(&uri, "2001:db8::1") && uri.addr.family == 6);
    CHECK(uri.addr.port == 443 && uri.port == 443 && uri.default_port == 5349 && uri.transport == STUN_URI_TCP);
    uri = parsed("turn:192.0.2.1?transport=udp", STUN_OK);
    CHECK(uri.scheme == STUN_SCHEME_TURN && is_host(&uri, "192.0.2.1") && uri.addr.port == 3478);
    CHECK(uri.port == 0 && uri.transport == STUN_URI_UDP);
    uri = parsed("turn:a.example:1?transport=sctp", STUN_OK);
    CHECK(uri.transport == STUN_URI_OTHER && is_host(&uri, "a.example") && uri.port == 1);
    uri = parsed("stuns:a.example", STUN_OK);
    CHECK(uri.scheme == STUN_SCHEME_STUNS && uri.default_port == 5349);
    parsed("", STUN_E_INVALID);
    parsed("http:example.org", STUN_E_INVALID);
    parsed("stun://example.org", STUN_E_INVALID);
    parsed("stun:example.org?transport=udp", STUN_E_INVALID);
    parsed("stun:\xFF", STUN_E_INVALID);
    uri.struct_size = (uint32_t)sizeof uri - 8;
    CHECK_EQ(stun_uri_parse("stun:a", 6, &uri), STUN_E_INVALID);
    uri.struct_size = (uint32_t)sizeof uri;
    CHECK_EQ(stun_uri_parse(NULL, 6, &uri), STUN_E_NULL);
    CHECK_EQ(stun_uri_parse("stun:a", 6, NULL), STUN_E_NULL);
}

/* --- Discovery ------------------------------------------------------------------------------------------ */

static stun_discovery_config discovery_config(const char *uri)
{
    stun_discovery_config config;
    memset(&config, 0, sizeof config);
    config.struct_size = (uint32_t)sizeof config;
    config.uri = uri;
    config.uri_len = strlen(uri);
    return config;
}

static int asks_for(const stun_event *event, uint32_t kind, const char *name)
{
    return event->kind == STUN_EV_RESOLVE && event->detail == kind && event->name_len == strlen(name) &&
           memcmp(event->name, name, event->name_len) == 0;
}

static stun_srv_record srv_record(const char *target, uint16_t port)
{
    stun_srv_record record;
    memset(&record, 0, sizeof record);
    record.port = port;
    record.target = target;
    record.target_len = strlen(target);
    return record;
}

static void a_uri_leads_to_servers(void)
{
    stun_agent *client = new_agent(4, 0);
    stun_discovery_config config = discovery_config("stun:example.org");
    stun_srv_record records[2];
    stun_discovered found;
    stun_event event;
    stun_addr four = v4(192, 0, 2, 7, 0), six;
    uint64_t id = 0;
    uint32_t questions[2];
    int n;
    memset(&six, 0, sizeof six);
    six.family = 6;
    six.ip[0] = 0x20, six.ip[1] = 0x01, six.ip[15] = 7;
    CHECK_EQ(stun_discovery_start(client, &config, 0, &id), STUN_OK);
    CHECK_EQ(next_event(client, &event), STUN_EV_RESOLVE);
    CHECK(event.id == id && asks_for(&event, STUN_RECORD_SRV, "_stun._udp.example.org"));
    records[0] = srv_record("\xFF", 1); /* what comes from the network is never an error */
    records[1] = srv_record("s.example.org", 3479);
    CHECK_EQ(stun_answer_services(client, id, event.index, records, 2, 0), STUN_OK);
    CHECK_EQ(stun_answer_services(client, id, event.index, records, 2, 0), STUN_E_NOT_FOUND); /* once is enough */
    for (n = 0; n < 2; n++) {
        CHECK_EQ(next_event(client, &event), STUN_EV_RESOLVE);
        CHECK(asks_for(&event, STUN_RECORD_A, "s.example.org") || asks_for(&event, STUN_RECORD_AAAA, "s.example.org"));
        questions[event.detail == STUN_RECORD_AAAA] = event.index;
    }
    CHECK_EQ(stun_answer_addresses(client, id, questions[0], &four, 1, 0), STUN_OK);
    CHECK_EQ(stun_answer_addresses(client, id, questions[1], &six, 1, 0), STUN_OK);
    CHECK_EQ(next_event(client, &event), STUN_EV_SERVERS);
    CHECK(event.count == 2 && event.is_last == 1);
    memset(&found, DIRT, sizeof found);
    found.struct_size = (uint32_t)sizeof found;
    CHECK_EQ(stun_discovered_server(client, 0, &found), STUN_OK);
    CHECK(found.struct_size == sizeof found && found.transport == STUN_UDP && found.addr.family == 6);
    CHECK(found.addr.port == 3479 && found.host_len == 11 && memcmp(found.host, "example.org", 11) == 0);
    CHECK_EQ(stun_discovered_server(client, 1, &found), STUN_OK);
    CHECK(found.addr.family == 4 && found.addr.port == 3479 && found.addr.ip[3] == 7);
    CHECK_EQ(stun_discovered_server(client, 2, &found), STUN_EMPTY);
    CHECK_EQ(stun_answer_failed(client, id, questions[0], STUN_DNS_FAILED, 0), STUN_E_NOT_FOUND);
    CHECK_EQ(next_event(client, &event), 0); /* nothing new, so that what was lent stays */
    CHECK_EQ(stun_discovered_server(client, 1, &found), STUN_OK);
    stun_agent_free(client);
}

static void relays_are_looked_for_by_naptr(void)
{
    stun_agent *client = new_agent(5, 0);
    stun_discovery_config config = discovery_config("turn:example.org");
    stun_naptr_record record;
    stun_event event;
    uint64_t id = 0;
    CHECK_EQ(stun_discovery_start(client, &config, 0, &id), STUN_OK);
    CHECK_EQ(next_event(client, &event), STUN_EV_RESOLVE);
    CHECK(asks_for(&event, STUN_RECORD_NAPTR, "example.org"));
    memset(&record, 0, sizeof record);
    record.flags = "s", record.flags_len = 1;
    record.services = "RELAY:turn.tcp", record.services_len = 14;
    record.replacement = "_turn._tcp.r.example.org", record.replacement_len = 24;
    CHECK_EQ(stun_answer_naptr(client, id, event.index, &record, 1, 0), STUN_OK);
    CHECK_EQ(next_event(client, &event), STUN_EV_RESOLVE);
    CHECK(asks_for(&event, STUN_RECORD_SRV, "_turn._tcp.r.example.org"));
    stun_agent_free(client);
}

static void a_host_of_its_own_needs_no_uri(void)
{
    static const uint32_t tcp = STUN_TCP;
    stun_agent *client = new_agent(6, 0);
    stun_discovery_config config = discovery_config("");
    stun_discovered found;
    stun_event event;
    uint64_t id = 0;
    config.host = "192.0.2.9";
    config.host_len = 9;
    config.port = 3480;
    config.transports = &tcp;
    config.transport_count = 1;
    CHECK_EQ(stun_discovery_start(client, &config, 0, &id), STUN_OK);
    CHECK_EQ(next_event(client, &event), STUN_EV_SERVERS);
    found.struct_size = (uint32_t)sizeof found;
    CHECK_EQ(stun_discovered_server(client, 0, &found), STUN_OK);
    CHECK(found.transport == STUN_TCP && found.addr.port == 3480 && found.addr.ip[3] == 9);
    stun_agent_free(client);
}

static void nothing_found_says_why(void)
{
    static const uint32_t reasons[] = { STUN_FAIL_NOT_FOUND, STUN_FAIL_RESOLVER };
    stun_discovery_config config = discovery_config("stun:example.org");
    stun_event event;
    uint32_t failure;
    for (failure = STUN_DNS_NOT_FOUND; failure <= STUN_DNS_FAILED; failure++) {
        stun_agent *client = new_agent(7, 0);
        uint64_t id = 0;
        CHECK_EQ(stun_discovery_start(client, &config, 0, &id), STUN_OK);
        while (next_event(client, &event) == STUN_EV_RESOLVE)
            CHECK_EQ(stun_answer_failed(client, id, event.index, failure, 0), STUN_OK);
        CHECK_EQ(event.kind, STUN_EV_FAILED);
        CHECK_EQ(event.reason, reasons[failure - 1]);
        CHECK_EQ(event.is_last, 1);
        stun_agent_free(client);
    }
}

static void a_resolver_that_is_silent_is_not_waited_for(void)
{
    stun_agent *client = new_agent(8, 0);
    stun_discovery_config config = discovery_config("stun:example.org");
    stun_event event;
    uint64_t id = 0;
    config.deadline = 2 * SECOND;
    CHECK_EQ(stun_discovery_start(client, &config, 0, &id), STUN_OK);
    CHECK_EQ(next_event(client, &event), STUN_EV_RESOLVE);
    CHECK_EQ(stun_poll_timeout(client), 2 * SECOND);
    CHECK_EQ(stun_wake_reason(client), STUN_WAKE_DEADLINE);
    CHECK_EQ(stun_handle_timeout(client, 2 * SECOND), STUN_OK);
    CHECK_EQ(next_event(client, &event), STUN_EV_FAILED);
    CHECK_EQ(event.reason, STUN_FAIL_TIMEOUT);
    stun_agent_free(client);
}

int main(void)
{
    a_dead_server_keeps_nobody_waiting();
    a_race_ends_with_the_first_answer();
    a_failed_server_says_why();
    uris_are_read();
    a_uri_leads_to_servers();
    relays_are_looked_for_by_naptr();
    a_host_of_its_own_needs_no_uri();
    nothing_found_says_why();
    a_resolver_that_is_silent_is_not_waited_for();
    return check_report();
}
