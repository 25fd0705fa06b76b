// A relay through stun.hpp, against a scripted server in memory.

#include <cstdlib>

#include "check.hpp"
#include "stun.hpp"

using namespace std::chrono_literals;

namespace {

const stun::Address client_address = stun::Address::v4({10, 0, 0, 2}, 5000);
const stun::Address server_address = stun::Address::v4({192, 0, 2, 1}, 3478);
const stun::Address relayed_address = stun::Address::v4({192, 0, 2, 1}, 49160);
const stun::Address mapped_address = stun::Address::v4({203, 0, 113, 9}, 4242);
const stun::Address peer_address = stun::Address::v4({198, 51, 100, 9}, 4000);
const stun::TimePoint start{1h};

enum : std::uint16_t { allocate = 3, refresh = 4, connect = 10 };

/// Relayed addresses are on the server's own.
stun::Address relayed_by(const stun::Address &server) {
    const auto ip = server.ip();
    return stun::Address::v4({ip[0], ip[1], ip[2], ip[3]}, relayed_address.port());
}

/// The server below has no say in what fails: CHECK is for tests.
void must(bool is_so) {
    if (!is_so) std::abort();
}

stun::Agent agent_of(std::uint8_t seed) {
    stun::AgentConfig config;
    config.seed.emplace().fill(seed);
    auto agent = stun::Agent::create(start, std::move(config));
    if (!agent) std::abort();
    return *std::move(agent);
}

/// Knows nobody, and grants whatever it is asked for, except one method.
struct Server {
    std::uint16_t refused = 0;
    /// Answers nothing at that address.
    stun::Address dead{};
    std::array<std::uint8_t, 256> reply{};

    /// The answer to a packet, empty for none.
    stun::Bytes answer(const stun::Packet &packet) {
        const auto request = stun::Message::parse(packet.data);
        if (!request || request->message_class() != STUN_WIRE_REQUEST) return {};
        const std::uint16_t method = request->method();
        auto builder = stun::Builder::begin(reply, method == refused ? STUN_WIRE_ERROR_RESPONSE : STUN_WIRE_SUCCESS_RESPONSE,
                                            method, request->id());
        if (method == refused) {
            must(builder && builder->add_error(403, "no"));
        } else if (method == allocate) {
            must(builder->add_address(0x0016, relayed_by(packet.remote)) && builder->add_address(0x0020, mapped_address));
            must(add_number(*builder, 0x000D, 600));
            must(!builder->add(0x0022, stun::bytes("12345678")).is_misuse());
        } else if (method == refresh) {
            const auto lifetime = request->find(0x000D);
            must(add_number(*builder, 0x000D, lifetime && lifetime->value()[2] == 0 && lifetime->value()[3] == 0 ? 0 : 600));
        } else if (method == connect) {
            must(add_number(*builder, 0x002A, 7));
        }
        return builder->message();
    }
    static bool add_number(stun::Builder &builder, std::uint16_t type, std::uint32_t value) {
        const std::array<std::uint8_t, 4> bytes{0, 0, static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)};
        return static_cast<bool>(builder.add(type, bytes));
    }
    /// Answers everything over UDP; how many packets there were.
    int serve(stun::Agent &agent, stun::TimePoint at) {
        int count = 0;
        for (const stun::Packet &packet : agent.transmits()) {
            const stun::Packet arrived{packet.local, packet.remote, answer(packet)};
            if (packet.remote != dead && !arrived.data.empty()) must(!agent.handle_input(arrived, at).is_misuse());
            ++count;
        }
        return count;
    }
    /// The same over a connection.
    void serve(stun::Agent &agent, stun::OperationId stream, stun::TimePoint at) {
        while (const auto packet = agent.poll_transmit()) must(!agent.handle_stream(stream, answer(*packet), at).is_misuse());
    }
};

template <class Kind> std::optional<Kind> next(stun::Agent &agent) {
    const auto event = agent.poll_event();
    const Kind *kind = event ? event->as<Kind>() : nullptr;
    return kind ? std::optional<Kind>(*kind) : std::nullopt;
}

stun::AllocationConfig config() { return stun::AllocationConfig(server_address).local(client_address); }

stun::Packet tcp_path(std::uint16_t port) {
    stun::Packet path{stun::Address::v4({10, 0, 0, 2}, port), server_address};
    path.transport = stun::Transport::tcp;
    return path;
}

} // namespace

TEST(a_relay_carries_data_both_ways_and_is_closed) {
    stun::Agent agent = agent_of(1);
    Server server;
    const auto id = agent.start_allocation(config().even_port(true).socket_id(7), start);
    CHECK(id && !agent.allocation(*id)->is_allocated && !agent.allocation(*id)->rtt);
    CHECK(!agent.start_allocation(config(), start) && agent.last_error() == "another allocation already relays on that path");
    CHECK(server.serve(agent, start + 10ms) == 1);
    const auto allocated = next<stun::Allocated>(agent);
    CHECK(allocated && allocated->relayed == relayed_address && allocated->mapped == mapped_address);
    CHECK(!allocated->additional && allocated->lifetime == 600s && allocated->rtt == stun::Duration(10ms));
    CHECK(allocated->reservation && (*allocated->reservation)[7] == '8');
    const auto info = agent.allocation(*id);
    CHECK(info && info->is_allocated && info->relayed == relayed_address && info->server == server_address);
    CHECK(info->local == client_address && info->rtt == stun::Duration(10ms) && info->expires > start + 9min);
    CHECK(agent.alternate_domain(*id).empty() && agent.answer_redirect(*id, true, start));

    std::array<std::uint8_t, 100> buffer{};
    CHECK(agent.send_to_peer(*id, peer_address, stun::bytes("hello"), buffer, start).status() == STUN_E_STATE);
    CHECK(!agent.channel(*id, peer_address));
    CHECK(agent.permit(*id, peer_address, start) && server.serve(agent, start) == 1);
    const auto permitted = next<stun::Permitted>(agent);
    CHECK(permitted && permitted->peer.port() == 0 && agent.channel(*id, peer_address) == std::uint16_t{0});
    auto packet = agent.send_to_peer(*id, peer_address, stun::bytes("hello"), buffer, start);
    CHECK(packet && packet->data.size() == 44 && packet->remote == server_address && packet->socket_id == 7);

    CHECK(agent.bind_channel(*id, peer_address, start) && server.serve(agent, start) == 1);
    const auto bound = next<stun::ChannelBound>(agent);
    CHECK(bound && bound->peer == peer_address && agent.channel(*id, peer_address) == bound->channel);
    packet = agent.send_in_place(*id, peer_address, buffer, stun::max_headroom, 5, start);
    CHECK(packet && packet->data.data() == buffer.data() + stun::max_headroom - stun::channel_headroom);
    CHECK(packet->data.size() == 9);
    CHECK(agent.send_in_place(*id, peer_address, buffer, 3, 5, start).status() == STUN_E_BUFFER);

    const auto written = stun::ChannelData{bound->channel, stun::bytes("world")}.write(buffer);
    stun::Packet app, arrived{client_address, server_address, stun::Bytes(buffer.data(), *written)};
    CHECK(agent.handle_input(arrived, start, &app) == STUN_APP_DATA);
    CHECK(app.data.data() == buffer.data() + 4 && app.data.size() == 5 && app.local == relayed_address);
    CHECK(app.remote == peer_address);

    CHECK(agent.release_channel(*id, peer_address, start) && agent.revoke(*id, peer_address, start));
    CHECK(agent.revoke(*id, peer_address, start) == STUN_EMPTY);
    CHECK(agent.close_allocation(*id, start) && server.serve(agent, start) == 1);
    const auto closed = agent.poll_event();
    CHECK(closed && closed->as<stun::Closed>() && closed->is_last && closed->text == "closed");
    CHECK(agent.allocation(*id).status() == STUN_E_NOT_FOUND);
}

TEST(a_policy_is_a_value) {
    stun::Agent agent = agent_of(2);
    const auto loopback = stun::Address::v4({127, 0, 0, 1}, 9), link = stun::Address::v4({169, 254, 1, 1}, 9);
    const auto permits = [&](stun::PeerPolicy policy, const stun::Address &peer) {
        const auto id = agent.start_allocation(config().peers(std::move(policy)), start);
        const bool is_permitted = id && agent.permit(*id, peer, start);
        if (id) must(!agent.cancel(*id, start).is_misuse());
        return is_permitted;
    };
    CHECK(permits({}, peer_address) && !permits({}, loopback) && !permits({}, link));
    CHECK(permits(stun::PeerPolicy::with_loopback(), loopback) && !permits(stun::PeerPolicy::with_loopback(), link));
    CHECK(permits(stun::PeerPolicy::allow_all(), link));
    const auto zero = stun::Address::v4({198, 51, 100, 0}, 0), last = stun::Address::v4({198, 51, 100, 255}, 0);
    CHECK(!permits(stun::PeerPolicy().deny(zero, last), peer_address));
    CHECK(permits(stun::PeerPolicy().deny(zero, last).allow(peer_address), peer_address));
    CHECK(!agent.start_allocation(config().peers(stun::PeerPolicy().deny(last, zero)), start));
}

TEST(a_stream_gives_data_and_connections) {
    stun::Agent agent = agent_of(3);
    Server server;
    const auto stream = agent.open_stream(tcp_path(5001), start);
    const auto id = agent.start_allocation(
        stun::AllocationConfig(server_address, stun::Transport::tcp).local(tcp_path(5001).local), start);
    CHECK(stream && id && agent.bind_channel(*id, peer_address, start));
    server.serve(agent, *stream, start);
    CHECK(next<stun::Allocated>(agent));
    const auto bound = next<stun::ChannelBound>(agent);
    CHECK(bound);
    std::array<std::uint8_t, 64> buffer{};
    const auto written = stun::ChannelData{bound->channel, stun::bytes("data")}.write(buffer, true);
    auto unwrapped = agent.unwrap_stream(*stream, stun::Bytes(buffer.data(), *written), start);
    CHECK(unwrapped && unwrapped.taken == 8 && unwrapped.data.remote == peer_address && unwrapped.data.data.size() == 4);
    unwrapped = agent.unwrap_stream(*stream, {}, start);
    CHECK(!unwrapped && unwrapped.status && unwrapped.taken == 0);
    CHECK(agent.unwrap_stream(*id, {}, start).status == STUN_E_NOT_FOUND);

    CHECK(agent.close_stream(*stream, start));
    const auto lost = next<stun::Lost>(agent);
    CHECK(lost && lost->relayed == relayed_address && lost->failure.reason == STUN_FAIL_SEND);
    std::optional<stun::Event> event;
    while ((event = agent.poll_event()) || agent.poll_timeout() != stun::never) {
        if (event && event->as<stun::Reconnect>()) break;
        if (!event) CHECK(agent.handle_timeout(agent.poll_timeout()));
    }
    CHECK(event && event->as<stun::Reconnect>()->server == server_address);
    CHECK(agent.open_stream(tcp_path(5002), start) && agent.allocation_reconnected(*id, tcp_path(5002), start));
    const auto request = agent.poll_transmit();
    CHECK(request && request->local.port() == 5002);
}

TEST(connections_to_peers_are_made) {
    stun::Agent agent = agent_of(4);
    Server server;
    const auto stream = agent.open_stream(tcp_path(5001), start);
    const auto id = agent.start_allocation(
        stun::AllocationConfig(server_address, stun::Transport::tcp).local(tcp_path(5001).local).for_connections(), start);
    server.serve(agent, *stream, start);
    CHECK(next<stun::Allocated>(agent) && agent.connect_peer(*id, peer_address, start));
    server.serve(agent, *stream, start);
    const auto open = next<stun::OpenConnection>(agent);
    CHECK(open && open->connection == 7 && open->peer == peer_address && !open->is_incoming);
    CHECK(open->server == server_address && open->transport == stun::Transport::tcp);
    const auto other = agent.open_stream(tcp_path(5003), start);
    CHECK(agent.connection_opened(*id, 8, tcp_path(5003), start) == STUN_E_NOT_FOUND);
    CHECK(agent.connection_opened(*id, open->connection, tcp_path(5003), start));
    server.serve(agent, *other, start);
    const auto bound = next<stun::ConnectionBound>(agent);
    CHECK(bound && bound->connection == 7 && bound->local.port() == 5003 && bound->peer == peer_address);
    server.refused = connect;
    CHECK(agent.connect_peer(*id, peer_address, start));
    server.serve(agent, *stream, start);
    const auto not_made = next<stun::ConnectionFailed>(agent);
    CHECK(not_made && not_made->peer == peer_address && not_made->failure.code == 403);
}

TEST(credentials_can_expire_and_be_others) {
    stun::Agent agent = agent_of(5);
    Server server;
    const auto id = agent.start_allocation(
        config().credentials({"alice", "s3cret"}, start + 100s).keepalive(std::nullopt).without_mobility(), start);
    CHECK(id && server.serve(agent, start) == 1 && next<stun::Allocated>(agent));
    CHECK(agent.poll_timeout() == start + 40s && agent.handle_timeout(start + 40s));
    const auto needed = next<stun::CredentialsNeeded>(agent);
    CHECK(needed && needed->reason == STUN_CREDENTIALS_EXPIRING && needed->at == start + 100s);
    CHECK(agent.set_credentials(*id, {"alice", "0ther"}, start + 40s));
    CHECK(agent.set_credentials(*id, {"", "0ther"}, start + 40s) == STUN_E_INVALID);
    CHECK(!agent.start_allocation(config().credentials({"alice", ""}), start));
}

TEST(a_refused_peer_and_a_refused_allocation_say_why) {
    stun::Agent agent = agent_of(6);
    Server server;
    const auto id = agent.start_allocation(config().family(stun::RelayFamily::v4), start);
    CHECK(id && server.serve(agent, start) == 1 && next<stun::Allocated>(agent));
    server.refused = 8;
    CHECK(agent.permit(*id, peer_address, start) && server.serve(agent, start) == 1);
    const auto refused = next<stun::PeerRefused>(agent);
    CHECK(refused && refused->code == 403 && refused->peer.port() == 0);
    CHECK(agent.cancel(*id, start));
    server.refused = allocate;
    CHECK(agent.start_allocation(config(), start) && server.serve(agent, start) == 1);
    const auto end = next<stun::Failed>(agent);
    CHECK(end && end->failure.reason == STUN_FAIL_ERROR_RESPONSE && end->failure.code == 403);
}

TEST(a_pool_goes_on_at_another_relay) {
    stun::Agent agent = agent_of(7);
    Server server;
    const auto second = stun::Address::v4({192, 0, 2, 2}, 3478), spare = stun::Address::v4({192, 0, 2, 3}, 3478);
    const auto pool_of = [&](const stun::Address &last) {
        return stun::RelayPoolConfig().relay(config().socket_id(7)).relay(stun::AllocationConfig(second).local(client_address))
            .relay(stun::AllocationConfig(last).local(client_address)).ready(2).patience(3s).settling(1s).without_switching();
    };
    CHECK(agent.start_relay_pool(stun::RelayPoolConfig(), start).status() == STUN_E_INVALID);
    CHECK(agent.last_error() == "there is no relay");
    CHECK(!agent.start_relay_pool(pool_of(second), start) && agent.last_error() == "two relays are on the same path");
    CHECK(!agent.start_relay_pool(pool_of(spare).switching(10ms, 10ms), start));
    const auto id = agent.start_relay_pool(pool_of(spare), start);
    CHECK(id && !agent.relay_pool(*id)->selected && server.serve(agent, start + 10ms) == 2);

    auto event = agent.poll_event();
    const auto *ready = event ? event->as<stun::RelayReady>() : nullptr;
    CHECK(ready && event->relay == std::size_t{0} && ready->relayed == relayed_address && ready->mapped == mapped_address);
    CHECK(ready && ready->rtt == stun::Duration(10ms) && !ready->additional);
    event = agent.poll_event();
    CHECK(event && event->relay == std::size_t{0} && event->as<stun::RelaySelected>()->relayed == relayed_address);
    CHECK(next<stun::RelayReady>(agent));
    const auto info = agent.relay_pool(*id);
    CHECK(info && info->selected == std::size_t{0} && info->relays == 3 && info->ready == 2 && info->relayed == relayed_address);
    CHECK(agent.relay_of_pool(*id, 1)->server == second && agent.relay_of_pool(*id, 2).status() == STUN_EMPTY);
    CHECK(agent.relay_of_pool(*id, 3).status() == STUN_E_NOT_FOUND && agent.allocation(*id).status() == STUN_E_NOT_FOUND);
    CHECK(agent.pool_alternate_domain(*id, 0).empty() && agent.answer_pool_redirect(*id, 0, true, start));
    CHECK(agent.set_pool_credentials(*id, 2, {"alice", "s3cret"}, start));
    CHECK(agent.pool_reconnected(*id, 0, {client_address, second}, start) == STUN_E_STATE);

    CHECK(agent.permit(*id, peer_address, start) && server.serve(agent, start + 10ms) == 1);
    event = agent.poll_event();
    CHECK(event && event->relay == std::size_t{0} && event->as<stun::Permitted>());
    std::array<std::uint8_t, 100> buffer{};
    server.dead = server_address;
    const auto sent = agent.send_to_peer(*id, peer_address, stun::bytes("hello"), buffer, start + 1s);
    CHECK(sent && sent->remote == server_address && sent->socket_id == 7);
    stun::TimePoint at = start + 1s;
    const auto pass_until = [&](auto is_it) {
        while (at < start + 30s) {
            while ((event = agent.poll_event()))
                if (is_it(*event)) return true;
            at = agent.poll_timeout();
            must(!agent.handle_timeout(at).is_misuse());
            server.serve(agent, at);
        }
        return false;
    };
    CHECK(pass_until([](const stun::Event &what) { return what.as<stun::Migrated>() != nullptr; }));
    const auto *migrated = event ? event->as<stun::Migrated>() : nullptr;
    CHECK(migrated && event->relay == std::size_t{1} && migrated->from == 0 && migrated->relayed == relayed_by(second));
    CHECK(migrated && migrated->reason == STUN_MIGRATION_UNRESPONSIVE && migrated->failure.reason == STUN_FAIL_NONE);
    CHECK(pass_until([](const stun::Event &what) { return what.as<stun::Permitted>() != nullptr; }));
    CHECK(event && event->relay == std::size_t{1});
    CHECK(agent.send_to_peer(*id, peer_address, stun::bytes("hello"), buffer, at)->remote == second);

    server.dead = {};
    CHECK(agent.close_allocation(*id, at) && server.serve(agent, at) > 1);
    while ((event = agent.poll_event()) && !event->is_last) continue;
    CHECK(event && event->as<stun::Closed>() && !event->relay);
}
