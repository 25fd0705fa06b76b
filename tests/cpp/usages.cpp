// Credentials, surveys, discovery, NAT probes and streams, against the library's own servers in memory.

#include "check.hpp"
#include "stun.hpp"

using namespace std::chrono_literals;

namespace {

const stun::Address client_address = stun::Address::v4({10, 0, 0, 2}, 5000);
const stun::Address server_address = stun::Address::v4({192, 0, 2, 1}, 3478);
const stun::Address other_address = stun::Address::v4({192, 0, 2, 2}, 3479);
const stun::TimePoint start{1h};

stun::Agent agent_of(std::uint8_t seed) {
    stun::AgentConfig config;
    config.seed.emplace().fill(seed);
    auto agent = stun::Agent::create(start, std::move(config));
    if (!agent) std::abort();
    return *std::move(agent);
}

/// One round trip without a NAT: requests to the server they name, answers to the socket they came from.
std::size_t exchange(stun::Agent &client, stun::Agent &server, stun::TimePoint at) {
    std::size_t count = 0;
    for (const stun::Packet &packet : client.transmits()) {
        stun::Packet arrived = packet;
        std::swap(arrived.local, arrived.remote);
        (void)server.handle_input(arrived, at);
        ++count;
    }
    for (const stun::Packet &packet : server.transmits()) {
        stun::Packet arrived = packet;
        std::swap(arrived.local, arrived.remote);
        arrived.socket_id = arrived.local.port(); // as this test numbers sockets
        (void)client.handle_input(arrived, at);
    }
    return count;
}

template <class Kind> std::optional<Kind> next(stun::Agent &agent) {
    const auto event = agent.poll_event();
    const Kind *kind = event ? event->as<Kind>() : nullptr;
    return kind ? std::optional<Kind>(*kind) : std::nullopt;
}

} // namespace

TEST(a_challenge_is_met_and_users_come_and_go) {
    stun::Agent client = agent_of(1), server = agent_of(2);
    const auto serving = server.start_server(stun::ServerConfig().local(server_address).realm("example.org")
                                                 .user("bob", "b0b").budget(UINT32_MAX).nonce_lifetime(60s), start);
    CHECK(serving && server.add_user(*serving, "alice", "s3cret"));
    const auto id = client.start_binding(stun::BindingConfig(server_address).local(client_address)
                                             .long_term({"alice", "s3cret", true, true}), start);
    CHECK(id);
    CHECK(exchange(client, server, start) == 1 && !client.poll_event());
    CHECK(exchange(client, server, start) == 1);
    const auto mapped = next<stun::Mapped>(client);
    CHECK(mapped && mapped->address == client_address);
    CHECK(server.remove_user(*serving, "alice"));
    CHECK(server.remove_user(*serving, "alice") == STUN_EMPTY);
    CHECK(server.remove_user(*serving, "bob"));
    CHECK(client.alternate_domain(*id).empty());
    CHECK(client.set_refresh(*id, 5s, start) && client.poll_timeout() == start + 5s);
    CHECK(!client.set_refresh(*id, 0s, start + 1s).is_misuse());
    CHECK(client.answer_redirect(*id, true, start) && client.answer_redirect(*id + 1, true, start) == STUN_E_NOT_FOUND);
}

TEST(a_wrong_credential_is_refused_before_anything_is_sent) {
    stun::Agent client = agent_of(3);
    CHECK(!client.start_binding(stun::BindingConfig(server_address).long_term({"", "x"}), start));
    CHECK(!client.start_binding(stun::BindingConfig(server_address).long_term({"a\xff", "x"}), start));
    CHECK(!client.poll_transmit());
}

TEST(a_survey_tells_each_answer_and_the_sum) {
    stun::Agent client = agent_of(4), server = agent_of(5);
    CHECK(server.start_server(stun::ServerConfig(), start));
    const auto id = client.start_survey(
        stun::SurveyConfig({{server_address, client_address}, {other_address, client_address}}).deadline(5s)
            .request(stun::BindingConfig(stun::Address()).without_fingerprint()), start);
    CHECK(id && exchange(client, server, start) == 2);
    for (std::size_t index = 0; index < 2; ++index) {
        const auto answered = next<stun::Answered>(client);
        CHECK(answered && answered->index == index && answered->address == client_address);
        CHECK(answered->server == (index == 0 ? server_address : other_address));
    }
    const auto surveyed = next<stun::Surveyed>(client);
    CHECK(surveyed && surveyed->answered == 2 && surveyed->failed == 0 && surveyed->mapping == STUN_MAPPING_SAME);
}

TEST(a_race_asks_the_second_after_a_while) {
    stun::Agent client = agent_of(6);
    CHECK(client.start_survey(stun::SurveyConfig({{server_address}, {other_address}}).race(), start));
    CHECK(client.poll_transmit() && !client.poll_transmit());
    CHECK(client.poll_timeout() == start + 250ms && client.wake_reason() == STUN_WAKE_ATTEMPT);
    CHECK(!client.start_survey(stun::SurveyConfig({}), start));
}

TEST(a_uri_is_read) {
    const auto uri = stun::Uri::parse("turns:[2001:db8::1]:443?transport=tcp");
    CHECK(uri && uri->scheme == STUN_SCHEME_TURNS && uri->host == "2001:db8::1" && uri->port == 443);
    CHECK(uri->address.is_v6() && uri->default_port == 5349 && uri->transport == STUN_URI_TCP);
    CHECK(!stun::Uri::parse("stun://example.org") && !stun::Uri::parse(""));
}

TEST(a_discovery_asks_and_is_answered) {
    stun::Agent client = agent_of(7);
    const auto id = client.start_discovery(stun::DiscoveryConfig("stun:example.org"), start);
    const auto srv = next<stun::Resolve>(client);
    CHECK(id && srv && srv->record == STUN_RECORD_SRV && srv->name == "_stun._udp.example.org");
    CHECK(client.answer_services(*id, srv->question, {{0, 0, 3479, "a.example"}}, start));
    CHECK(client.answer_services(*id, srv->question, {}, start) == STUN_E_NOT_FOUND);
    for (int n = 0; n < 2; ++n) {
        const auto question = next<stun::Resolve>(client);
        CHECK(question && question->name == "a.example");
        if (question->record == STUN_RECORD_A)
            CHECK(client.answer_addresses(*id, question->question, {server_address}, start));
        else
            CHECK(client.answer_failed(*id, question->question, STUN_DNS_NOT_FOUND, start));
    }
    const auto servers = next<stun::Servers>(client);
    const auto all = client.discovered_servers();
    CHECK(servers && servers->count == 1 && all.size() == 1);
    CHECK(all[0].host == "example.org" && all[0].address == stun::Address::v4({192, 0, 2, 1}, 3479));
    CHECK(!client.start_discovery(stun::DiscoveryConfig(STUN_SERVICE_STUN, ""), start));
    const auto relay = client.start_discovery(stun::DiscoveryConfig(STUN_SERVICE_TURN, "a.example").transports({stun::Transport::tls}), start);
    const auto naptr = next<stun::Resolve>(client);
    CHECK(relay && naptr && naptr->record == STUN_RECORD_NAPTR);
    CHECK(client.answer_naptr(*relay, naptr->question, {{0, 0, "s", "RELAY:turn.tls", "", "_turns._tcp.b.example"}}, start));
    CHECK(next<stun::Resolve>(client)->name == "_turns._tcp.b.example");
}

TEST(a_nat_probe_reports) {
    stun::Agent client = agent_of(8), server = agent_of(9);
    CHECK(server.start_server(stun::ServerConfig().local(server_address).behavior(other_address, {0, 1, 2, 3}), start));
    const auto id = client.start_nat_probe(stun::NatConfig(client_address, server_address).socket_id(5000), start);
    CHECK(id);
    std::size_t found = 0;
    stun::TimePoint at = start;
    bool has_ended = false;
    for (int steps = 0; steps < 5000 && !has_ended; ++steps) {
        exchange(client, server, at);
        while (const auto event = client.poll_event()) {
            found += event->as<stun::NatFound>() != nullptr;
            if (const auto *finished = event->as<stun::NatFinished>()) {
                CHECK(finished->mapped == client_address && event->is_last);
                has_ended = true;
                break;
            }
        }
        if (has_ended) break;
        at = std::max(at, client.poll_timeout());
        CHECK(client.handle_timeout(at));
    }
    CHECK(has_ended && found == 11);
    const auto report = client.nat_report(*id);
    CHECK(report && report->mapped() == client_address && report->other() == other_address);
    CHECK(report->finding(STUN_NAT_TRANSLATION).value == STUN_NAT_ABSENT);
    CHECK(report->finding(STUN_NAT_MAPPING).is_known() && report->depends_on_destination() == false);
    CHECK(!report->finding(STUN_NAT_LIFETIME).is_known());
    CHECK(report->finding(STUN_NAT_HAIRPINNING).reason == STUN_NAT_NO_SECOND_SOCKET || report->finding(STUN_NAT_HAIRPINNING).reason == STUN_NAT_NO_NAT);
    CHECK(client.nat_report_text(*id).find("translation        absent") != std::string::npos);
    CHECK(client.nat_report_text(*id, STUN_NAT_JSON).front() == '{' && client.nat_report_text(*id, STUN_NAT_JSON).back() == '}');
    CHECK(client.nat_report_text(*id, STUN_NAT_RFC3489) == "open Internet");
    CHECK(!client.poll_event() && client.nat_report(*id + 1).status() == STUN_E_NOT_FOUND);
}

TEST(a_stream_is_cut_into_frames_and_asked_for_anew) {
    stun::Agent client = agent_of(10), server = agent_of(11);
    CHECK(server.start_server(stun::ServerConfig(), start));
    stun::Packet path;
    path.local = client_address, path.remote = server_address, path.transport = stun::Transport::tcp;
    const auto stream = client.open_stream(path, start);
    const auto id = client.start_binding(stun::BindingConfig(server_address, stun::Transport::tcp).local(client_address), start);
    CHECK(stream && id);
    const auto request = client.poll_transmit();
    CHECK(request && request->transport == stun::Transport::tcp);
    stun::Packet arrived = *request;
    std::swap(arrived.local, arrived.remote);
    CHECK(server.handle_input(arrived, start));
    const auto reply = server.poll_transmit();
    CHECK(reply);
    for (const std::uint8_t &byte : reply->data) CHECK(client.handle_stream(*stream, stun::Bytes(&byte, 1), start));
    CHECK(next<stun::Mapped>(client));
    CHECK(client.close_stream(*stream, start) && client.close_stream(*stream, start) == STUN_E_NOT_FOUND);
    std::optional<stun::Reconnect> wanted;
    for (int steps = 0; steps < 10 && !wanted; ++steps) {
        while (const auto event = client.poll_event())
            if (const auto *kind = event->as<stun::Reconnect>()) wanted = *kind;
        if (!wanted) CHECK(client.handle_timeout(client.poll_timeout()));
    }
    CHECK(wanted && wanted->server == server_address && wanted->transport == stun::Transport::tcp);
    CHECK(client.reconnected(*id, path, start + 1min) && client.poll_transmit());
}

TEST(another_network_restarts_a_binding) {
    stun::Agent client = agent_of(12);
    CHECK(client.start_binding(stun::BindingConfig(server_address).local(client_address), start));
    CHECK(client.set_power(10s, 0s, start) && client.set_pacing(50ms));
    CHECK(client.network_changed({other_address}, start));
    const auto restarted = next<stun::Restarted>(client);
    CHECK(restarted && restarted->previous == client_address && restarted->local.ip()[3] == 2);
}
