/* A NAT probe against the library's own server of RFC 5780, in memory: without a NAT, behind one, and in vain. */

#include "support.h"

static stun_addr first_addr(void) { return v4(192, 0, 2, 1, 3478); }
static stun_addr other_addr(void) { return v4(192, 0, 2, 2, 3479); }

/* Behind the NAT every socket has the same port, and whoever may write to it is let through. */
static stun_addr outside_of(stun_addr local, int has_nat)
{
    return has_nat ? v4(203, 0, 113, 9, local.port) : local;
}

static stun_agent *new_behavior_server(uint64_t *id)
{
    stun_server_config config = server_config();
    stun_agent *server = new_agent(99, 0);
    int n;
    config.local = first_addr();
    config.alternate = other_addr();
    for (n = 0; n < 4; n++) config.socket_ids[n] = (uint32_t)n;
    CHECK_EQ(stun_server_start(server, &config, 0, id), STUN_OK);
    return server;
}

static stun_nat_config nat_config(void)
{
    stun_nat_config config;
    memset(&config, 0, sizeof config);
    config.struct_size = (uint32_t)sizeof config;
    config.local = client_addr();
    config.server = first_addr();
    config.socket_id = 1;
    config.second = client_addr();
    config.second.port++;
    config.second_socket_id = 2;
    return config;
}

static int is_server(const stun_addr *address) { return address->ip[0] == 192; }

/* One round: what the probe sends arrives at the server or, hairpinned, at nobody; answers come back. */
static void network(stun_agent *client, stun_agent *server, int has_nat, stun_time now)
{
    stun_packet packet, arrived;
    while (stun_poll_transmit(client, &packet) == STUN_OK) {
        if (!is_server(&packet.remote)) continue;
        arrived = packet_of(packet.remote, outside_of(packet.local, has_nat), packet.data, packet.len);
        arrived.socket_id = (uint32_t)((packet.remote.ip[3] - 1) * 2 + (packet.remote.port - 3478));
        CHECK_EQ(stun_handle_input(server, &arrived, now, NULL), STUN_OK);
    }
    while (stun_poll_transmit(server, &packet) == STUN_OK) {
        stun_addr inside = client_addr();
        inside.port = packet.remote.port;
        CHECK_EQ(packet.socket_id, (packet.local.ip[3] - 1) * 2 + (packet.local.port - 3478));
        arrived = packet_of(inside, packet.local, packet.data, packet.len);
        arrived.socket_id = inside.port == client_addr().port ? 1 : 2;
        (void)stun_handle_input(client, &arrived, now, NULL);
    }
}

/* Runs a probe to its end; how many properties it told. The report is that of the last event. */
static int run(stun_agent *client, stun_agent *server, int has_nat, uint64_t id, stun_event *event)
{
    stun_time now = 0;
    int steps, found = 0;
    for (steps = 0; steps < 5000; steps++) {
        network(client, server, has_nat, now);
        while (next_event(client, event) != 0) {
            CHECK(event->id == id && event->text_len > 0);
            if (event->kind == STUN_EV_NAT_FOUND) found++;
            if (event->kind == STUN_EV_NAT_UNANSWERED) CHECK(event->name_len > 0 && is_server(&event->server));
            if (event->kind == STUN_EV_NAT_REPORT) return found;
        }
        if (stun_poll_timeout(client) == STUN_NEVER) break;
        if (stun_poll_timeout(client) > now) now = stun_poll_timeout(client);
        CHECK_EQ(stun_handle_timeout(client, now), STUN_OK);
    }
    CHECK_EQ(event->kind, STUN_EV_NAT_REPORT); /* it ends with one */
    return found;
}

static stun_nat_report report_of(stun_agent *client, uint64_t id)
{
    stun_nat_report report;
    memset(&report, DIRT, sizeof report);
    report.struct_size = (uint32_t)sizeof report;
    CHECK_EQ(stun_nat_report_read(client, id, &report), STUN_OK);
    CHECK_EQ(report.struct_size, sizeof report);
    return report;
}

static void is_known(const stun_nat_report *report, int property, uint32_t value)
{
    CHECK_EQ(report->findings[property].value, value);
    CHECK(report->findings[property].confidence >= STUN_NAT_LOW && report->findings[property].reason == 0);
}

static void the_texts(stun_agent *client, uint64_t id)
{
    static char text[65536];
    size_t len = 0, again = 0;
    CHECK_EQ(stun_nat_report_text(client, id, STUN_NAT_TEXT, NULL, 0, &len), STUN_OK);
    CHECK(len > 100 && len < sizeof text);
    memset(text, DIRT, sizeof text);
    CHECK_EQ(stun_nat_report_text(client, id, STUN_NAT_TEXT, text, len, &again), STUN_OK); /* no room for the NUL */
    CHECK(again == len && strlen(text) == len - 1 && is_dirty(text + len, 16));
    CHECK_EQ(stun_nat_report_text(client, id, STUN_NAT_TEXT, text, sizeof text, &len), STUN_OK);
    CHECK(strlen(text) == len && strncmp(text, "server  ", 8) == 0);
    CHECK_EQ(stun_nat_report_text(client, id, STUN_NAT_JSON, text, sizeof text, &len), STUN_OK);
    CHECK(strlen(text) == len && text[0] == '{' && text[len - 1] == '}');
    CHECK_EQ(stun_nat_report_text(client, id, 3, text, sizeof text, &len), STUN_E_INVALID);
    CHECK_EQ(stun_nat_report_text(client, id + 1, STUN_NAT_TEXT, text, sizeof text, &len), STUN_E_NOT_FOUND);
}

static void an_open_host_is_told_from_one_behind_a_nat(void)
{
    int has_nat;
    for (has_nat = 0; has_nat < 2; has_nat++) {
        uint64_t serving, id = 0;
        stun_agent *client = new_agent(1, 0), *server = new_behavior_server(&serving);
        stun_nat_config config = nat_config();
        stun_nat_report report;
        stun_event event;
        stun_addr mapped = outside_of(client_addr(), has_nat), first = first_addr(), other = other_addr();
        char name[32];
        size_t len = 0;
        CHECK_EQ(stun_nat_probe_start(client, &config, 0, &id), STUN_OK);
        report = report_of(client, id); /* nothing yet */
        CHECK_EQ(report.findings[STUN_NAT_TRANSLATION].reason, STUN_NAT_NOT_TESTED);
        CHECK_EQ(run(client, server, has_nat, id, &event), 11);
        CHECK_EQ(event.is_last, 1);
        CHECK(same_addr(&event.addr, &mapped) && same_addr(&event.server, &first));
        report = report_of(client, id);
        CHECK(same_addr(&report.mapped, &mapped) && same_addr(&report.other, &other) && report.requests > 3);
        is_known(&report, STUN_NAT_CONNECTIVITY, STUN_NAT_OPEN);
        is_known(&report, STUN_NAT_TRANSLATION, has_nat ? STUN_NAT_PRESENT : STUN_NAT_ABSENT);
        is_known(&report, STUN_NAT_MAPPING, STUN_NAT_ENDPOINT_INDEPENDENT);
        is_known(&report, STUN_NAT_FILTERING, STUN_NAT_ENDPOINT_INDEPENDENT);
        CHECK_EQ(report.depends_on_destination, 0);
        CHECK_EQ(report.findings[STUN_NAT_LIFETIME].reason, STUN_NAT_NOT_TESTED);
        CHECK(report.lifetime_at_least == 0 && report.lifetime_below == STUN_NEVER);
        CHECK_EQ(report.findings[15].value, STUN_NAT_UNKNOWN);
        CHECK_EQ(stun_nat_report_text(client, id, STUN_NAT_RFC3489, name, sizeof name, &len), STUN_OK);
        CHECK(strcmp(name, has_nat ? "full cone NAT" : "open Internet") == 0);
        the_texts(client, id);
        CHECK_EQ(next_event(client, &event), 0); /* no event has come, yet the report has had its time */
        stun_agent_free(client);
        stun_agent_free(server);
    }
}

static void a_smaller_report_is_filled_as_far_as_it_goes(void)
{
    uint64_t serving, id = 0;
    stun_agent *client = new_agent(2, 0), *server = new_behavior_server(&serving);
    stun_nat_config config = nat_config();
    stun_nat_report report;
    config.properties = 1u << STUN_NAT_MAPPING;
    CHECK_EQ(stun_nat_probe_start(client, &config, 0, &id), STUN_OK);
    memset(&report, DIRT, sizeof report);
    report.struct_size = 112;
    CHECK_EQ(stun_nat_report_read(client, id, &report), STUN_OK);
    CHECK(report.struct_size == 112 && is_dirty((char *)&report + 112, sizeof report - 112));
    report.struct_size = 104;
    CHECK_EQ(stun_nat_report_read(client, id, &report), STUN_E_INVALID);
    CHECK_EQ(stun_cancel(client, id, 0), STUN_OK);
    report.struct_size = 112;
    CHECK_EQ(stun_nat_report_read(client, id, &report), STUN_E_NOT_FOUND);
    stun_agent_free(client);
    stun_agent_free(server);
}

/* An ordinary server cannot tell how a NAT filters, and the report says so and why. */
static void what_cannot_be_known_says_why(void)
{
    uint64_t id = 0;
    stun_agent *client = new_agent(3, 0), *server = new_server();
    stun_nat_config config = nat_config();
    stun_nat_report report;
    stun_event event;
    CHECK_EQ(stun_nat_probe_start(client, &config, 0, &id), STUN_OK);
    run(client, server, 1, id, &event);
    report = report_of(client, id);
    CHECK_EQ(report.findings[STUN_NAT_FILTERING].value, STUN_NAT_UNKNOWN);
    CHECK_EQ(report.findings[STUN_NAT_FILTERING].reason, STUN_NAT_NO_OTHER_ADDRESS);
    CHECK_EQ(report.other.family, 0);
    stun_agent_free(client);
    stun_agent_free(server);
}

/* What was seen on one network says nothing of another: the probe ends, and says what it knew. */
static void another_network_ends_a_probe(void)
{
    uint64_t id = 0;
    stun_agent *client = new_agent(6, 0);
    stun_nat_config config = nat_config();
    stun_addr other = v4(10, 9, 9, 9, 0);
    stun_nat_report report;
    stun_event event;
    CHECK_EQ(stun_nat_probe_start(client, &config, 0, &id), STUN_OK);
    CHECK_EQ(stun_network_changed(client, &other, 1, SECOND), STUN_OK);
    while (next_event(client, &event) == STUN_EV_NAT_FOUND) CHECK_EQ(event.reason, STUN_NAT_NETWORK_CHANGED);
    CHECK_EQ(event.kind, STUN_EV_NAT_REPORT);
    report = report_of(client, id);
    CHECK_EQ(report.findings[STUN_NAT_TRANSLATION].reason, STUN_NAT_NETWORK_CHANGED);
    stun_agent_free(client);
}

static void a_probe_refuses(stun_agent *client, const stun_nat_config *config)
{
    uint64_t id;
    memset(&id, DIRT, sizeof id);
    CHECK_EQ(stun_nat_probe_start(client, config, 0, &id), STUN_E_INVALID);
    CHECK(is_dirty(&id, sizeof id));
}

static void probes_that_cannot_be(void)
{
    stun_agent *client = new_agent(4, 0);
    stun_nat_config config;
    stun_addr servers[9];
    stun_binding_config request = binding_config();
    int n;
    for (n = 0; n < 9; n++) servers[n] = first_addr();
    config = nat_config(), config.struct_size = 48, a_probe_refuses(client, &config);
    config = nat_config(), config.properties = 1u << 12, a_probe_refuses(client, &config);
    config = nat_config(), config.flags = 2, a_probe_refuses(client, &config);
    config = nat_config(), config.reserved = 1, a_probe_refuses(client, &config);
    config = nat_config(), config.server.port = 0, a_probe_refuses(client, &config);
    config = nat_config(), config.second = config.local, config.second_socket_id = 1, a_probe_refuses(client, &config);
    config = nat_config(), config.second.family = 6, a_probe_refuses(client, &config);
    config = nat_config(), config.servers = servers, config.server_count = 9, a_probe_refuses(client, &config);
    servers[1].family = 0;
    config = nat_config(), config.servers = servers, config.server_count = 2, a_probe_refuses(client, &config);
    request.flags = 4;
    config = nat_config(), config.request = &request, a_probe_refuses(client, &config);
    CHECK_EQ(drain(client), 0);
    stun_agent_free(client);
}

static void behavior_servers_that_cannot_be(void)
{
    stun_agent *server = new_agent(5, 0);
    stun_server_config config, good = server_config();
    uint64_t id;
    memset(&id, DIRT, sizeof id);
    good.local = first_addr();
    good.alternate = other_addr();
    config = good, config.local.family = 0;
    CHECK_EQ(stun_server_start(server, &config, 0, &id), STUN_E_INVALID);
    config = good, config.alternate.port = 3478;
    CHECK_EQ(stun_server_start(server, &config, 0, &id), STUN_E_INVALID);
    config = good, config.alternate.ip[3] = 1;
    CHECK_EQ(stun_server_start(server, &config, 0, &id), STUN_E_INVALID);
    config = good, config.flags = 32;
    CHECK_EQ(stun_server_start(server, &config, 0, &id), STUN_E_INVALID);
    config = good, config.flags = STUN_SERVER_BEHAVIOR_SINGLE;
    CHECK_EQ(stun_server_start(server, &config, 0, &id), STUN_E_INVALID);
    config = good, config.public_addrs[0] = first_addr();
    CHECK_EQ(stun_server_start(server, &config, 0, &id), STUN_E_INVALID);
    config = server_config(), config.public_addrs[1] = first_addr();
    CHECK_EQ(stun_server_start(server, &config, 0, &id), STUN_E_INVALID);
    CHECK(is_dirty(&id, sizeof id));
    config = good, config.public_addrs[0] = first_addr(), config.public_addrs[1] = other_addr();
    CHECK_EQ(stun_server_start(server, &config, 0, &id), STUN_OK);
    CHECK_EQ(stun_cancel(server, id, 0), STUN_OK);
    config = good, config.alternate.family = 0, config.flags = STUN_SERVER_BEHAVIOR_SINGLE;
    CHECK_EQ(stun_server_start(server, &config, 0, &id), STUN_OK);
    stun_agent_free(server);
}

int main(void)
{
    an_open_host_is_told_from_one_behind_a_nat();
    a_smaller_report_is_filled_as_far_as_it_goes();
    what_cannot_be_known_says_why();
    another_network_ends_a_probe();
    probes_that_cannot_be();
    behavior_servers_that_cannot_be();
    return check_report();
}
