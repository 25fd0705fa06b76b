// Agents in virtual time: two of them in one process, joined by a function instead of a network.

#include <type_traits>

#include "check.hpp"
#include "stun.hpp"

using namespace std::chrono_literals;

namespace {

const stun::Address client_address = stun::Address::v4({192, 0, 2, 1}, 40000);
const stun::Address server_address = stun::Address::v4({198, 51, 100, 1}, 3478);
const stun::TimePoint start{1h};

stun::Agent agent_of(std::uint8_t seed, stun::AgentConfig config = {}) {
    config.seed.emplace().fill(seed);
    auto agent = stun::Agent::create(start, std::move(config));
    if (!agent) std::abort();
    return *std::move(agent);
}

/// Carries everything that `from` wants to send to `to`, through a NAT: it shows the address `seen` outside,
/// and what comes in from the server reaches the client's own address.
std::size_t carry(stun::Agent &from, stun::Agent &to, const stun::Address &seen, stun::TimePoint at) {
    std::size_t count = 0;
    for (const stun::Packet &packet : from.transmits()) {
        stun::Packet arrived = packet;
        arrived.local = packet.remote == server_address ? server_address : client_address;
        arrived.remote = seen;
        (void)to.handle_input(arrived, at);
        ++count;
    }
    return count;
}

std::vector<stun::Event> events_of(stun::Agent &agent) {
    std::vector<stun::Event> all;
    for (const stun::Event &event : agent.events()) all.push_back(event);
    return all;
}

static_assert(!std::is_copy_constructible_v<stun::Agent> && std::is_nothrow_move_constructible_v<stun::Agent>);
static_assert(!std::is_copy_assignable_v<stun::Agent> && std::is_nothrow_move_assignable_v<stun::Agent>);

} // namespace

TEST(binding_is_answered_through_a_nat) {
    stun::Agent client = agent_of(1), server = agent_of(2);
    const auto nat = stun::Address::v4({203, 0, 113, 7}, 54321);
    CHECK(server.start_server(stun::ServerConfig().local(server_address), start));
    const auto id = client.start_binding(stun::BindingConfig(server_address).local(client_address).socket_id(7).once(), start);
    CHECK(id);
    CHECK(client.wake_reason() == STUN_WAKE_OUTPUT && client.poll_timeout() <= start);
    CHECK(carry(client, server, nat, start + 10ms) == 1);
    CHECK(carry(server, client, server_address, start + 20ms) == 1);
    const auto events = events_of(client);
    CHECK(events.size() == 1 && events[0].id == *id);
    const auto *mapped = events[0].as<stun::Mapped>();
    CHECK(mapped != nullptr && mapped->address == nat && mapped->rtt == 20ms);
    CHECK(events[0].text.find("203.0.113.7:54321") != std::string::npos);
    CHECK(events[0].as<stun::Failed>() == nullptr);
    CHECK(client.poll_timeout() == stun::never && client.wake_reason() == STUN_WAKE_NONE);
}

TEST(refresh_notices_that_the_address_has_changed) {
    stun::Agent client = agent_of(3), server = agent_of(4);
    CHECK(server.start_server(stun::ServerConfig(), start));
    CHECK(client.start_binding(stun::BindingConfig(server_address).local(client_address).refresh(10s), start));
    const stun::Address seen[] = {stun::Address::v4({203, 0, 113, 7}, 1000), stun::Address::v4({203, 0, 113, 7}, 1000),
                                  stun::Address::v4({203, 0, 113, 7}, 2000)};
    std::vector<stun::Event> all;
    stun::TimePoint at = start;
    for (const stun::Address &nat : seen) {
        CHECK(carry(client, server, nat, at) == 1);
        CHECK(carry(server, client, server_address, at) == 1);
        for (auto &event : events_of(client)) all.push_back(event);
        CHECK(client.wake_reason() == STUN_WAKE_REFRESH && client.poll_timeout() > at);
        at = client.poll_timeout();
        CHECK(client.handle_timeout(at));
    }
    CHECK(at > start + 15s && at < start + 45s);
    CHECK(all.size() == 3);
    CHECK(all[0].as<stun::Mapped>() && all[1].as<stun::Refreshed>());
    const auto *changed = all[2].as<stun::AddressChanged>();
    CHECK(changed && changed->previous == seen[0] && changed->address == seen[2]);
}

TEST(silence_ends_in_a_timeout_after_39_and_a_half_seconds) {
    stun::Agent client = agent_of(5);
    CHECK(client.start_binding(stun::BindingConfig(server_address).once(), start));
    std::size_t sent = 0;
    stun::TimePoint at = start;
    for (int steps = 0; client.poll_timeout() != stun::never; ++steps) {
        CHECK(steps < 100);
        for (const stun::Packet &packet : client.transmits()) sent += packet.remote == server_address;
        for (const stun::Event &event : client.events()) {
            const auto *failed_event = event.as<stun::Failed>();
            CHECK(failed_event && failed_event->failure.reason == STUN_FAIL_TIMEOUT);
        }
        if (client.poll_timeout() == stun::never) break;
        at = client.poll_timeout();
        CHECK(client.handle_timeout(at));
    }
    CHECK(sent == 7 && at == start + 39500ms);
}

TEST(retransmission_settings_reach_the_library) {
    stun::Agent client = agent_of(6);
    CHECK(client.start_binding(stun::BindingConfig(server_address).once().initial_rto(100ms).retransmissions(2, 3), start));
    std::size_t sent = 0;
    stun::TimePoint at = start;
    for (int steps = 0; steps < 20; ++steps) {
        for ([[maybe_unused]] const stun::Packet &packet : client.transmits()) ++sent;
        (void)events_of(client);
        if (client.poll_timeout() == stun::never) break;
        CHECK(client.handle_timeout(at = client.poll_timeout()));
    }
    CHECK(sent == 2 && at == start + 400ms); // one RTO, then three
}

TEST(refusals_say_why) {
    stun::Agent client = agent_of(7);
    const auto refused = client.start_binding(stun::BindingConfig(stun::Address()), start);
    CHECK(!refused && refused.status() == STUN_E_INVALID && refused.status().is_misuse());
    CHECK(!client.last_error().empty());
    CHECK(!client.start_binding(stun::BindingConfig(server_address).refresh(500ms), start));
    CHECK(!client.start_binding(stun::BindingConfig(server_address).refresh(0s), start)); // zero is no default
    CHECK(!client.start_binding(stun::BindingConfig(server_address).credential({"", "password"}), start));
    CHECK(client.cancel(4711, start) == STUN_E_NOT_FOUND);
    CHECK(std::string_view(client.cancel(4711, start).name()) == "STUN_E_NOT_FOUND");
}

TEST(cancel_ends_without_an_event) {
    stun::Agent client = agent_of(8);
    const auto id = client.start_binding(stun::BindingConfig(server_address), start);
    CHECK(id && client.cancel(*id, start));
    CHECK(!client.poll_event() && client.cancel(*id, start) == STUN_E_NOT_FOUND);
}

TEST(batch_lends_all_packets_together) {
    stun::Agent client = agent_of(9);
    for (std::uint16_t port = 1; port <= 5; ++port)
        CHECK(client.start_binding(stun::BindingConfig(stun::Address::v4({198, 51, 100, 1}, port)).once(), start));
    std::array<stun_packet, 3> room{};
    CHECK(client.poll_transmits(room) == 3);
    for (const stun_packet &raw : room) {
        const auto packet = stun::Packet::from_c(raw);
        CHECK(stun::classify(packet.data) == STUN_PROTOCOL_STUN);
    }
    CHECK(client.poll_transmits(room) == 2 && client.poll_transmits(room) == 0);
}

TEST(failed_send_ends_the_request) {
    stun::Agent client = agent_of(10);
    CHECK(client.start_binding(stun::BindingConfig(server_address).local(client_address).once(), start));
    const auto packet = client.poll_transmit();
    CHECK(packet && client.handle_send_error(*packet, STUN_SEND_REFUSED, start));
    const auto event = client.poll_event();
    const auto *why = event ? event->as<stun::Failed>() : nullptr;
    CHECK(why && why->failure.reason == STUN_FAIL_SEND && why->failure.code == STUN_SEND_REFUSED);
}

TEST(credential_is_needed_where_it_is_asked_for) {
    stun::Agent client = agent_of(11), stranger = agent_of(12), server = agent_of(13);
    CHECK(server.start_server(stun::ServerConfig().credential({"alice", "s3cret"}), start));
    CHECK(client.start_binding(stun::BindingConfig(server_address).credential({"alice", "s3cret"}).once(), start));
    CHECK(stranger.start_binding(stun::BindingConfig(server_address).once(), start));
    CHECK(carry(client, server, client_address, start) == 1 && carry(server, client, server_address, start) == 1);
    CHECK(carry(stranger, server, client_address, start) == 1 && carry(server, stranger, server_address, start) == 1);
    const auto mine = client.poll_event(), theirs = stranger.poll_event();
    CHECK(mine && mine->as<stun::Mapped>());
    CHECK(theirs && theirs->as<stun::Failed>());
    CHECK(theirs->as<stun::Failed>()->failure.reason == STUN_FAIL_ERROR_RESPONSE);
}

TEST(strangers_are_ignored_and_counted) {
    stun::Agent client = agent_of(14);
    stun::Packet packet;
    packet.remote = server_address;
    packet.data = stun::bytes("hello");
    CHECK(client.handle_input(packet, start) == STUN_IGNORED);
    std::array<std::uint8_t, 20> reply{0x01, 0x01, 0, 0, 0x21, 0x12, 0xa4, 0x42};
    packet.data = reply;
    (void)client.handle_input(packet, start);
    CHECK(client.dropped() == client.dropped(STUN_DROP_UNKNOWN_TRANSACTION) + client.dropped(STUN_DROP_UNEXPECTED));
}

TEST(moved_agent_goes_on_and_its_shell_answers_null) {
    stun::Agent first = agent_of(15);
    CHECK(first.start_binding(stun::BindingConfig(server_address).once(), start));
    stun::Agent second = std::move(first);
    CHECK(second.poll_transmit());
    // The shell is used on purpose: it must be harmless.
    CHECK(first.handle_timeout(start) == STUN_E_NULL && !first.poll_transmit() && !first.poll_event());
    CHECK(first.poll_timeout() == stun::never && first.last_error().empty() && first.c() == nullptr);
    first = std::move(second);
    CHECK(first.handle_timeout(start));
    first = agent_of(16);
    CHECK(first.handle_timeout(start) && !first.poll_transmit());
}

TEST(log_survives_a_move_and_ends_with_its_agent) {
    std::vector<std::string> lines;
    stun::AgentConfig config;
    config.log_level = STUN_LOG_DEBUG;
    config.log = [&lines](stun_log_level, std::string_view text) { lines.emplace_back(text); };
    stun::Agent agent = agent_of(17, config);
    stun::Agent moved = std::move(agent);
    CHECK(!moved.start_binding(stun::BindingConfig(stun::Address()), start));
    CHECK(!lines.empty() && !lines.front().empty());
    moved = agent_of(18, config);
    CHECK(!moved.start_binding(stun::BindingConfig(stun::Address()), start));
}

TEST(limit_on_operations_is_kept) {
    stun::AgentConfig config;
    config.max_operations = 1;
    stun::Agent agent = agent_of(19, config);
    CHECK(agent.start_binding(stun::BindingConfig(server_address), start));
    CHECK(agent.start_binding(stun::BindingConfig(server_address), start).status() == STUN_E_LIMIT);
}

TEST(same_seed_makes_the_same_bytes) {
    stun::Agent a = agent_of(20), b = agent_of(20), c = agent_of(21);
    for (stun::Agent *agent : {&a, &b, &c}) CHECK(agent->start_binding(stun::BindingConfig(server_address), start));
    const auto text = [](stun::Agent &agent) {
        const auto packet = agent.poll_transmit();
        return std::string(packet->data.begin(), packet->data.end());
    };
    const std::string first = text(a);
    CHECK(first == text(b) && first != text(c));
}
