// Asks a STUN server for this host's public address, over UDP, with poll(2). C++17 and POSIX.
//
//     binding [server[:port]]
//
// Without a server it asks one of its own, in the same loop. What arrives goes into handle_input(), what the
// agents want goes out through sendto(), and between the two the program sleeps until poll_timeout().

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <netdb.h>
#include <poll.h>
#include <unistd.h>

#include "stun.hpp"
#include "stun_sockaddr.h"

namespace {

/// A socket, closed when it goes.
class Socket {
public:
    explicit Socket(int family) noexcept : fd_(::socket(family, SOCK_DGRAM, 0)) {}
    Socket(Socket &&other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Socket &operator=(Socket &&) = delete;
    ~Socket() {
        if (fd_ >= 0) ::close(fd_);
    }
    [[nodiscard]] int fd() const noexcept { return fd_; }
    [[nodiscard]] bool bind(const stun::Address &address) const noexcept {
        sockaddr_storage storage{};
        const auto len = address.to_sockaddr(&storage, sizeof storage);
        return len && ::bind(fd_, reinterpret_cast<sockaddr *>(&storage), static_cast<socklen_t>(*len)) == 0;
    }
    /// For UDP this sends nothing, but tells which local address will be used, and lets ICMP errors through.
    [[nodiscard]] bool connect(const stun::Address &address) const noexcept {
        sockaddr_storage storage{};
        const auto len = address.to_sockaddr(&storage, sizeof storage);
        return len && ::connect(fd_, reinterpret_cast<sockaddr *>(&storage), static_cast<socklen_t>(*len)) == 0;
    }
    [[nodiscard]] stun::Address local() const noexcept {
        sockaddr_storage storage{};
        socklen_t len = sizeof storage;
        if (::getsockname(fd_, reinterpret_cast<sockaddr *>(&storage), &len) != 0) return {};
        return stun::Address::from_sockaddr(&storage, len).value_or(stun::Address());
    }

private:
    int fd_;
};

/// A socket, and the agent that its datagrams belong to. Its index is the packets' socket_id.
struct Line {
    Socket socket;
    stun::Agent *agent;
    stun::Address local;
    stun::Address server{};       // of a client's line; it is connected there
    stun::OperationId binding{};
};

class Host {
public:
    explicit Host(stun::Agent client) noexcept : client_(std::move(client)) {}

    /// Opens a socket towards a server and starts a binding on it.
    void ask(const stun::Address &server) {
        Socket socket(server.is_v6() ? AF_INET6 : AF_INET);
        if (!socket.connect(server)) {
            std::fprintf(stderr, "cannot ask server %s: %s\n", server.to_string().c_str(), std::strerror(errno));
            return;
        }
        const stun::Address local = socket.local();
        const auto config =
            stun::BindingConfig(server).local(local).socket_id(static_cast<std::uint32_t>(lines_.size())).once();
        const auto id = client_.start_binding(config, stun::now());
        if (!id) {
            std::fprintf(stderr, "cannot ask server %s: %s\n", server.to_string().c_str(), client_.last_error().c_str());
            return;
        }
        lines_.push_back({std::move(socket), &client_, local, server, *id});
        ++running_;
    }

    /// A server of our own, on loopback; its address.
    [[nodiscard]] std::optional<stun::Address> embed_server() {
        auto agent = stun::Agent::create(stun::now());
        Socket socket(AF_INET);
        if (!agent || !socket.bind(stun::Address::v4({127, 0, 0, 1}, 0))) return std::nullopt;
        const stun::Address local = socket.local();
        if (!agent->start_server(stun::ServerConfig().local(local), stun::now())) return std::nullopt;
        server_ = *std::move(agent);
        lines_.push_back({std::move(socket), &*server_, local});
        return local;
    }

    /// Runs until every binding has said its last word. True if an address was found.
    [[nodiscard]] bool run() {
        for (;;) {
            drain();
            if (running_ == 0) return is_found_;
            wait_and_read();
            // After input as well: under a flood of it, poll() never times out. Early calls change nothing.
            (void)client_.handle_timeout(stun::now());
        }
    }

private:
    void drain() {
        // A failed send ends the inner loop's borrow and may queue more: start over until nothing comes.
        while (auto packet = client_.poll_transmit())
            if (!send(*packet)) (void)client_.handle_send_error(*packet, stun_send_error_from_errno(errno), stun::now());
        if (server_)
            for (const stun::Packet &reply : server_->transmits()) (void)send(reply); // lost replies are lost datagrams
        for (const stun::Event &event : client_.events()) act_on(event);
    }

    [[nodiscard]] bool send(const stun::Packet &packet) const noexcept {
        const Line &line = lines_[packet.socket_id];
        if (line.server) return ::send(line.socket.fd(), packet.data.data(), packet.data.size(), 0) >= 0;
        sockaddr_storage to{};
        const auto len = packet.remote.to_sockaddr(&to, sizeof to);
        return len && ::sendto(line.socket.fd(), packet.data.data(), packet.data.size(), 0,
                               reinterpret_cast<sockaddr *>(&to), static_cast<socklen_t>(*len)) >= 0;
    }

    void act_on(const stun::Event &event) {
        for (const Line &line : lines_) {
            if (line.binding != event.id) continue;
            const std::string server = line.server.to_string();
            if (const auto *mapped = event.as<stun::Mapped>()) {
                report(*mapped, server);
            } else if (event.as<stun::Failed>() != nullptr) {
                std::fprintf(stderr, "no mapped address: %s  (udp, server %s)\n", event.text.c_str(), server.c_str());
            }
            running_ -= event.is_last ? 1 : 0;
        }
    }

    void report(const stun::Mapped &mapped, const std::string &server) {
        char rtt[32] = "unknown"; // a request that was sent more than once does not say which one was answered
        if (mapped.rtt) std::snprintf(rtt, sizeof rtt, "%.1f ms", static_cast<double>(mapped.rtt->count()) / 1e6);
        std::printf("mapped address %s  rtt %s  (udp, server %s)\n", mapped.address.to_string().c_str(), rtt, server.c_str());
        is_found_ = true;
    }

    void wait_and_read() {
        std::vector<pollfd> fds;
        for (const Line &line : lines_) fds.push_back({line.socket.fd(), POLLIN, 0});
        if (::poll(fds.data(), static_cast<nfds_t>(fds.size()), stun::poll_milliseconds(client_.poll_timeout(), stun::now())) <= 0)
            return;
        for (std::size_t i = 0; i < fds.size(); ++i)
            if (fds[i].revents != 0) read(static_cast<std::uint32_t>(i));
    }

    void read(std::uint32_t index) {
        const Line &line = lines_[index];
        sockaddr_storage from{};
        socklen_t len = sizeof from;
        std::uint8_t buffer[1500]; // a longer datagram arrives cut and is no STUN
        const ssize_t got = ::recvfrom(line.socket.fd(), buffer, sizeof buffer, MSG_DONTWAIT,
                                       reinterpret_cast<sockaddr *>(&from), &len);
        stun::Packet packet;
        packet.local = line.local;
        packet.remote = line.server;
        packet.socket_id = index;
        if (got >= 0) {
            packet.remote = stun::Address::from_sockaddr(&from, len).value_or(stun::Address());
            packet.data = stun::Bytes(buffer, static_cast<std::size_t>(got));
            (void)line.agent->handle_input(packet, stun::now()); // whatever is not STUN has no other taker here
        } else if (line.server && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
            (void)line.agent->handle_send_error(packet, stun_send_error_from_errno(errno), stun::now());
        }
    }

    stun::Agent client_;
    std::optional<stun::Agent> server_;
    std::vector<Line> lines_;
    std::size_t running_ = 0;
    bool is_found_ = false;
};

/// "host", "host:port", "[v6]", "[v6]:port" or "v6"; at most one address of each family, for these are two
/// networks with two public addresses.
std::vector<stun::Address> resolve(const std::string &text) {
    std::string host = text, port = "3478";
    const auto bracket = text.find(']');
    const auto colon = text.rfind(':');
    const bool has_port = text.front() == '[' ? colon == bracket + 1 && bracket != text.npos
                                              : colon != text.npos && text.find(':') == colon;
    if (has_port) host = text.substr(0, colon), port = text.substr(colon + 1);
    if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);

    addrinfo hints{}, *list = nullptr;
    hints.ai_socktype = SOCK_DGRAM;
    std::vector<stun::Address> found;
    if (const int error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &list); error != 0) {
        std::fprintf(stderr, "cannot resolve %s: %s\n", text.c_str(), ::gai_strerror(error));
        return found;
    }
    for (const addrinfo *at = list; at != nullptr; at = at->ai_next)
        if (const auto address = stun::Address::from_sockaddr(at->ai_addr, at->ai_addrlen))
            if (found.empty() || (found.size() == 1 && found.front().is_v4() != address->is_v4())) found.push_back(*address);
    ::freeaddrinfo(list);
    return found;
}

} // namespace

int main(int argc, char **argv) {
    if (argc > 2 || (argc == 2 && (argv[1][0] == '-' || argv[1][0] == '\0'))) {
        std::fprintf(stderr, "usage: binding [server[:port]]\n");
        return 2;
    }
    std::printf("libstun %s through stun.hpp\n", stun::version().data());
    auto agent = stun::Agent::create(stun::now());
    if (!stun::is_compatible() || !agent) return 1;
    Host host(*std::move(agent));
    std::vector<stun::Address> servers;
    if (argc == 2) {
        servers = resolve(argv[1]);
    } else if (const auto embedded = host.embed_server()) {
        std::printf("no server given: asking an embedded one on %s\n", embedded->to_string().c_str());
        servers.push_back(*embedded);
    }
    for (const stun::Address &server : servers) host.ask(server);
    return host.run() ? 0 : 1;
}
