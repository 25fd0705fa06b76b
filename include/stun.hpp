// stun.hpp - libstun for C++17 and later: RAII over stun.h, header only. SPDX-License-Identifier: MIT OR Apache-2.0
//
//     auto agent = stun::Agent::create(stun::now());                        // Result<Agent>
//     auto id = agent->start_binding(stun::BindingConfig(server).once(), stun::now());
//     for (const stun::Packet &packet : agent->transmits()) send(packet);   // drain both ...
//     for (const stun::Event &event : agent->events())                      // ... until empty
//         if (auto *mapped = event.as<stun::Mapped>()) use(mapped->address);
//     sleep_until(agent->poll_timeout());                                   // stun::never: no deadline
//     agent->handle_input(packet, stun::now());                             // or handle_timeout(stun::now())
//
// Ownership: Agent and Key own a handle and move, but do not copy; one that was moved from answers
// STUN_E_NULL to everything. Builder writes into your buffer. Packet, Message, Attribute and Bytes are views:
// they own nothing, and each says how long its bytes last. Event owns its text.
//
// Nothing here throws, and -fno-exceptions is fine, except unwrap(), which is there for those who like it;
// memory that runs out is the standard library's business.

#ifndef STUN_HPP
#define STUN_HPP

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>
#if defined(__linux__)
#  include <time.h>
#endif
#if defined(__has_include)
#  if __has_include(<version>)
#    include <version>
#  endif
#endif
#if defined(__cpp_lib_span)
#  include <span>
#endif
#if defined(__cpp_exceptions)
#  include <stdexcept>
#endif

#include "stun.h"

namespace stun {
// Where std::span is missing the types differ, so that objects of both kinds may be linked into one program.
#if defined(__cpp_lib_span)
inline namespace with_std_span {
template <class T> using Span = std::span<T>;
#else
inline namespace with_own_span {
/// A pointer and a length, as much of std::span as is needed here.
template <class T> class Span {
public:
    constexpr Span() noexcept = default;
    constexpr Span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    /// Any container with data() and size(): std::vector, std::array, std::string_view of the right type.
    template <class C, class = decltype(static_cast<T *>(std::declval<C &>().data()))>
    constexpr Span(C &&container) noexcept : data_(container.data()), size_(container.size()) {}
    template <std::size_t N> constexpr Span(T (&array)[N]) noexcept : data_(array), size_(N) {}
    [[nodiscard]] constexpr T *data() const noexcept { return data_; }
    [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
    [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] constexpr T *begin() const noexcept { return data_; }
    [[nodiscard]] constexpr T *end() const noexcept { return data_ + size_; }
    [[nodiscard]] constexpr T &operator[](std::size_t index) const noexcept { return data_[index]; }

private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};
#endif

/// Bytes that somebody else owns.
using Bytes = Span<const std::uint8_t>;

/// The bytes of a text, as long as the text lives.
[[nodiscard]] inline Bytes bytes(std::string_view text) noexcept {
    return Bytes(reinterpret_cast<const std::uint8_t *>(text.data()), text.size());
}

// --- Answers ------------------------------------------------------------------------------------------------

/// The answer of a call. True if it was done; compare it with STUN_IGNORED and the like for the rest.
class [[nodiscard]] Status {
public:
    constexpr Status(stun_status code = STUN_OK) noexcept : code_(code) {}
    [[nodiscard]] constexpr stun_status code() const noexcept { return code_; }
    /// Below zero: the caller is wrong, and nothing has changed. See Agent::last_error().
    [[nodiscard]] constexpr bool is_misuse() const noexcept { return code_ < 0; }
    [[nodiscard]] const char *name() const noexcept { return stun_status_name(code_); }
    constexpr explicit operator bool() const noexcept { return code_ == STUN_OK; }
    friend constexpr bool operator==(Status a, Status b) noexcept { return a.code_ == b.code_; }
    friend constexpr bool operator!=(Status a, Status b) noexcept { return a.code_ != b.code_; }

private:
    stun_status code_;
};

/// A value, or the status that says why there is none. Look before you take: * and -> want a value.
template <class T> class [[nodiscard]] Result {
public:
    Result(T value) noexcept : value_(std::move(value)) {}
    Result(Status status) noexcept : status_(status) {}
    [[nodiscard]] Status status() const noexcept { return status_; }
    explicit operator bool() const noexcept { return value_.has_value(); }
    T &operator*() & noexcept { return *value_; }
    T &&operator*() && noexcept { return *std::move(value_); }
    const T &operator*() const & noexcept { return *value_; }
    T *operator->() noexcept { return &*value_; }
    const T *operator->() const noexcept { return &*value_; }

private:
    Status status_;
    std::optional<T> value_;
};

#if defined(__cpp_exceptions)
/// What unwrap() throws.
class Error : public std::runtime_error {
public:
    explicit Error(Status status) : std::runtime_error(status.name()), status_(status) {}
    [[nodiscard]] Status status() const noexcept { return status_; }

private:
    Status status_;
};

/// The value, or an exception.
template <class T> [[nodiscard]] T unwrap(Result<T> result) {
    if (!result) throw Error(result.status());
    return *std::move(result);
}
#endif

// --- Time ---------------------------------------------------------------------------------------------------

using Duration = std::chrono::nanoseconds;

/// The clock that now() reads. It runs through suspend on Linux (CLOCK_BOOTTIME), because NATs do not sleep
/// either; elsewhere it is std::chrono::steady_clock. Simulations make TimePoints of their own.
struct Clock {
    using duration = Duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<Clock>;
    static constexpr bool is_steady = true;
    [[nodiscard]] static time_point now() noexcept {
#if defined(__linux__)
        timespec t{};
        if (clock_gettime(CLOCK_BOOTTIME, &t) == 0)
            return time_point(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec));
#endif
        return time_point(std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
    }
};
using TimePoint = Clock::time_point;

[[nodiscard]] inline TimePoint now() noexcept { return Clock::now(); }

/// No deadline.
inline constexpr TimePoint never = TimePoint::max();

[[nodiscard]] constexpr stun_time to_c(TimePoint at) noexcept {
    const auto count = at.time_since_epoch().count();
    return at == never ? STUN_NEVER : count < 0 ? 0 : static_cast<stun_time>(count);
}
[[nodiscard]] constexpr TimePoint from_c(stun_time at) noexcept {
    return at >= static_cast<stun_time>(Duration::max().count()) ? never
                                                                : TimePoint(Duration(static_cast<Duration::rep>(at)));
}

/// For poll(2): whole milliseconds, rounded up so that the loop does not spin; -1 for never.
[[nodiscard]] constexpr int poll_milliseconds(TimePoint deadline, TimePoint at) noexcept {
    constexpr std::int64_t most = 0x7fffffff;
    if (deadline == never) return -1;
    if (deadline <= at) return 0;
    const std::uint64_t wait = to_c(deadline) - to_c(at);
    const auto rounded = static_cast<std::int64_t>(wait / 1000000 + (wait % 1000000 != 0));
    return static_cast<int>(rounded > most ? most : rounded);
}

// --- Addresses and packets ----------------------------------------------------------------------------------

/// A transport address, or none. A value: copy it.
class Address {
public:
    constexpr Address() noexcept = default;
    constexpr Address(const stun_addr &address) noexcept : raw_(address) {}
    [[nodiscard]] static constexpr Address v4(std::array<std::uint8_t, 4> ip, std::uint16_t port) noexcept {
        return stun_addr{4, 0, port, 0, {ip[0], ip[1], ip[2], ip[3]}};
    }
    [[nodiscard]] static constexpr Address v6(std::array<std::uint8_t, 16> ip, std::uint16_t port,
                                              std::uint32_t scope = 0) noexcept {
        stun_addr raw{6, 0, port, scope, {}};
        for (std::size_t i = 0; i < 16; ++i) raw.ip[i] = ip[i];
        return raw;
    }
    /// From a `struct sockaddr_in` or `sockaddr_in6`.
    [[nodiscard]] static std::optional<Address> from_sockaddr(const void *sockaddr, std::size_t len) noexcept {
        stun_addr raw{};
        if (stun_addr_from_sockaddr(sockaddr, len, &raw) != STUN_OK) return std::nullopt;
        return Address(raw);
    }
    /// Into a `struct sockaddr_storage` of yours; the length to pass with it.
    [[nodiscard]] std::optional<std::size_t> to_sockaddr(void *out, std::size_t cap) const noexcept {
        std::size_t len = 0;
        if (stun_addr_to_sockaddr(&raw_, out, cap, &len) != STUN_OK) return std::nullopt;
        return len;
    }
    [[nodiscard]] constexpr bool is_v4() const noexcept { return raw_.family == 4; }
    [[nodiscard]] constexpr bool is_v6() const noexcept { return raw_.family == 6; }
    [[nodiscard]] constexpr std::uint16_t port() const noexcept { return raw_.port; }
    [[nodiscard]] constexpr std::uint32_t scope_id() const noexcept { return raw_.scope_id; }
    /// 4, 16 or no bytes, as long as this address lives.
    [[nodiscard]] Bytes ip() const noexcept { return Bytes(raw_.ip, is_v4() ? 4u : is_v6() ? 16u : 0u); }
    [[nodiscard]] constexpr const stun_addr &c() const noexcept { return raw_; }
    /// Whether there is one.
    constexpr explicit operator bool() const noexcept { return raw_.family != 0; }
    /// "192.0.2.1:3478", "[2001:db8::1]:3478", "[fe80::1%3]:3478", "none".
    [[nodiscard]] std::string to_string() const;

    friend constexpr bool operator==(const Address &a, const Address &b) noexcept {
        for (std::size_t i = 0; i < (a.is_v4() ? 4u : 16u); ++i) // behind an IPv4 address may be anything
            if (a.raw_.ip[i] != b.raw_.ip[i]) return false;
        return a.raw_.family == b.raw_.family && a.raw_.port == b.raw_.port && a.raw_.scope_id == b.raw_.scope_id;
    }
    friend constexpr bool operator!=(const Address &a, const Address &b) noexcept { return !(a == b); }

private:
    stun_addr raw_{};
};

enum class Transport : std::uint8_t { udp = STUN_UDP, tcp = STUN_TCP, tls = STUN_TLS };

/// One datagram, or one frame of a stream, in either direction. `data` is a view: of your buffer on the way
/// in, of the agent's on the way out.
struct Packet {
    Address local{};
    Address remote{};
    Bytes data{};
    Transport transport = Transport::udp;
    std::uint8_t ecn = 0;
    std::uint32_t socket_id = 0;

    [[nodiscard]] stun_packet c() const noexcept {
        return {local.c(), remote.c(), data.data(), data.size(), static_cast<std::uint8_t>(transport), ecn, 0, socket_id};
    }
    [[nodiscard]] static Packet from_c(const stun_packet &raw) noexcept {
        return {raw.local, raw.remote, Bytes(raw.data, raw.len), static_cast<Transport>(raw.transport), raw.ecn,
                raw.socket_id};
    }
};

// --- Events -------------------------------------------------------------------------------------------------

using OperationId = std::uint64_t;

/// Why an attempt has failed; `code` and `count` as stun_failure_code says.
struct Failure {
    stun_failure_code reason = STUN_FAIL_NONE;
    std::uint32_t code = 0;
    std::uint32_t count = 0;
};
/// The first mapped address. `rtt` is empty where a retransmission makes it unknowable.
struct Mapped { Address address; std::optional<Duration> rtt; };
/// The mapped address is the same as before.
struct Refreshed { Address address; std::optional<Duration> rtt; };
/// The mapped address is another.
struct AddressChanged { Address address; Address previous; std::optional<Duration> rtt; };
/// An attempt has failed, and another follows.
struct Retrying { Failure failure; TimePoint at; };
/// The operation has failed for good; or one relay of a pool, where it is not the last event.
struct Failed { Failure failure; };
/// The server `from` names `server` in its place. If `awaits_answer`, see Agent::answer_redirect().
struct Redirected { Address server; Address from; bool awaits_answer; };
/// The network has changed, and the binding or allocation asks again from `local`: have a socket there.
struct Restarted { Address local; Address previous; };
/// Open a connection to `server` from `local` (any port does), then call Agent::reconnected() or, for an allocation,
/// Agent::allocation_reconnected(), or for a relay of a pool Agent::pool_reconnected(). Over UDP it is a socket at another
/// port.
struct Reconnect { Address server; Address local; Transport transport; };
/// Close the connection: what its peer sent cannot be understood.
struct Close { Address peer; };
/// A server of a survey has answered; `index` is its place in the targets.
struct Answered { std::size_t index; Address server; Address address; std::optional<Duration> rtt; };
/// A server of a survey will not answer.
struct Unanswered { std::size_t index; Address server; Failure failure; };
/// A survey is over.
struct Surveyed { std::size_t answered; std::size_t failed; std::size_t unanswered; stun_mapping_code mapping; };
/// Names a question of a discovery.
using QuestionId = std::uint32_t;
/// Ask the DNS, and answer with Agent::answer_addresses() and its like.
struct Resolve { QuestionId question; stun_record_code record; std::string name; };
/// So many servers were found: see Agent::discovered_servers(), before the next event is polled.
struct Servers { std::size_t count; };
/// A server has refused the network of `address` many replies.
struct Throttled { Address address; };
/// The network of `address` keeps failing to authenticate.
struct AuthenticationFailures { Address address; bool is_proven; };
/// A request of a NAT probe was not answered.
struct NatUnanswered { Address server; std::string test; };
/// What was found of a property of a NAT; `reason` and `detail` say why a value is unknown.
struct NatFinding {
    stun_nat_value value = STUN_NAT_UNKNOWN;
    stun_nat_confidence confidence = STUN_NAT_NO_CONFIDENCE;
    stun_nat_reason reason = STUN_NAT_NOT_TESTED;
    std::uint32_t detail = 0;
    [[nodiscard]] bool is_known() const noexcept { return value != STUN_NAT_UNKNOWN; }
};
/// A property of the NAT is decided.
struct NatFound { stun_nat_property property; NatFinding finding; };
/// Everything is decided: see Agent::nat_report() and nat_report_text(), before the next event is polled.
struct NatFinished { Address server; Address mapped; };
/// A TURN server relays: tell the peers `relayed`, and permit them. `additional` is of the other family, if there are two;
/// `mapped` is your address as the server sees it; `reservation` stands for the next port, if that was asked for.
struct Allocated {
    Address relayed;
    Address additional;
    Address mapped;
    Duration lifetime;
    std::optional<std::array<std::uint8_t, 8>> reservation;
    std::optional<Duration> rtt;
};
/// Of two families of relayed addresses the server gave one, for reason `code`.
struct FamilyRefused { bool is_v6; std::uint32_t code; };
/// The peer may send and be sent to, whatever its port.
struct Permitted { Address peer; };
/// What is sent to the peer from now on has four bytes of overhead.
struct ChannelBound { Address peer; std::uint16_t channel; };
/// The server will not relay to the peer, for reason `code`; port 0 where it was a permission.
struct PeerRefused { Address peer; std::uint32_t code; };
/// What was sent to the peer did not arrive. A hint, which anybody could have sent; `mtu` is 0 if that is not why.
struct PeerUnreachable { Address peer; std::uint32_t icmp_type; std::uint32_t icmp_code; std::uint32_t mtu; };
/// The relayed address is gone. Another is asked for, and the same peers permitted there. In a pool, `was_selected` says
/// whether data went through it: Migrated follows as soon as another relay is ready.
struct Lost { Address relayed; Failure failure; bool was_selected = false; };
/// Call Agent::set_credentials(), or for a relay of a pool Agent::set_pool_credentials(). `at` is when they expire, if that is why.
struct CredentialsNeeded { stun_credentials_need_code reason; TimePoint at; };
/// An allocation has moved with you to another network: relayed address, permissions and channels are as before.
struct Moved { Address mapped; };
/// Names a connection to a peer.
using ConnectionId = std::uint32_t;
/// Open a connection to `server` from `local` at another port than any other, then call Agent::connection_opened().
struct OpenConnection {
    ConnectionId connection;
    Address peer;
    bool is_incoming;
    Address server;
    Address local;
    Transport transport;
};
/// From now on your connection from `local` to `server` carries the bytes of the peer and nothing else.
struct ConnectionBound { ConnectionId connection; Address peer; Address server; Address local; Transport transport; };
/// A connection to the peer was not made, or not taken in time.
struct ConnectionFailed { Address peer; Failure failure; };
/// The allocation or pool was closed, as you wished.
struct Closed {};
/// A relay of a pool is there: its address is a candidate, selected or not.
struct RelayReady { Address relayed; Address additional; Address mapped; std::optional<Duration> rtt; };
/// The first relay through which data of a pool goes. Tell the peers `relayed`.
struct RelaySelected { Address relayed; Address additional; };
/// Data of a pool goes through another relayed address, which peers have to be told; `from` is the relay before, and
/// `failure` why, if that was lost. Every peer has been asked for there.
struct Migrated { std::size_t from; Address relayed; Address additional; stun_migration_code reason; Failure failure; };
/// The peer, of port 0 where it was a permission, cannot be asked for at the relay that was selected just now.
struct PeerUnserved { Address peer; stun_unserved_code reason; };
/// A relay of a pool has come to the path of relay `by`: it is never asked again.
struct RelaySuperseded { std::size_t by; };
/// A kind that is newer than this header. Skip it.
struct Unknown { std::uint32_t kind; };

/// What happened to an operation. Owns everything that it says.
struct Event {
    OperationId id = 0;
    /// Grows with the library: look with as(), or visit with a case for everything else.
    std::variant<Unknown, Mapped, Refreshed, AddressChanged, Retrying, Failed, Redirected, Restarted, Reconnect, Close,
                 Answered, Unanswered, Surveyed, Resolve, Servers, Throttled, AuthenticationFailures, NatUnanswered,
                 NatFound, NatFinished, Allocated, FamilyRefused, Permitted, ChannelBound, PeerRefused, PeerUnreachable, Lost,
                 CredentialsNeeded, Moved, OpenConnection, ConnectionBound, ConnectionFailed, Closed, RelayReady, RelaySelected,
                 Migrated, PeerUnserved, RelaySuperseded>
        what{};
    /// One line for people.
    std::string text{};
    /// Whether it is the operation's last: its id is unknown from now on.
    bool is_last = false;
    /// The relay of a pool that it concerns, by its place in the configuration; empty where it is none of a pool.
    std::optional<std::size_t> relay{};

    /// The event as a kind of event, or nullptr.
    template <class Kind> [[nodiscard]] const Kind *as() const noexcept { return std::get_if<Kind>(&what); }
    [[nodiscard]] static Event from_c(const stun_event &raw);

private:
    [[nodiscard]] static decltype(what) of_relay(const stun_event &raw, std::optional<Duration> rtt,
                                                 const Failure &failure) noexcept;
};

// --- Configurations -----------------------------------------------------------------------------------------

enum class Integrity : std::uint32_t { both = STUN_INTEGRITY_BOTH, sha1 = STUN_INTEGRITY_SHA1, sha256 = STUN_INTEGRITY_SHA256 };

/// A short-term credential: UTF-8, prepared as an OpaqueString. The strings are not erased: keep it short.
struct Credential {
    std::string username;
    std::string password;
    Integrity integrity = Integrity::both;
};

/// A long-term credential (RFC 8489 s9.2): UTF-8, prepared by the library. The strings are not erased: keep it short.
struct LongTermCredential {
    std::string username;
    std::string password;
    /// Fail rather than sign with less, or believe what is signed with less.
    bool require_sha256 = false;
    /// Fail rather than send the username in the clear.
    bool require_anonymity = false;
};

enum class Redirects : std::uint32_t { follow = STUN_REDIRECT_FOLLOW, refuse = STUN_REDIRECT_REFUSE, ask = STUN_REDIRECT_ASK };

/// How to ask a server. What is not set has stun.h's default; a duration of zero or less is not a default but
/// a mistake, and is refused or rounded up as one nanosecond would be.
class BindingConfig {
public:
    explicit BindingConfig(Address server, Transport transport = Transport::udp) noexcept {
        raw_.struct_size = sizeof raw_;
        raw_.server = server.c();
        raw_.transport = static_cast<std::uint32_t>(transport);
    }
    /// What your socket is bound to.
    BindingConfig &local(Address address) noexcept { return raw_.local = address.c(), *this; }
    /// Your number for the socket, handed back in each packet.
    BindingConfig &socket_id(std::uint32_t id) noexcept { return raw_.socket_id = id, *this; }
    /// Ask again this long after the last request.
    BindingConfig &refresh(Duration interval) noexcept { return raw_.refresh = given(interval), *this; }
    /// Ask once: the first event is the last.
    BindingConfig &once() noexcept { return raw_.refresh = STUN_NEVER, *this; }
    BindingConfig &initial_rto(Duration rto) noexcept { return raw_.initial_rto = given(rto), *this; }
    /// How long to wait for an answer over TCP or TLS.
    BindingConfig &stream_timeout(Duration ti) noexcept { return raw_.ti = given(ti), *this; }
    /// How often a request is sent in all (Rc), and how many RTOs to wait after the last (Rm).
    BindingConfig &retransmissions(std::uint32_t rc, std::uint32_t rm) noexcept { return raw_.rc = rc, raw_.rm = rm, *this; }
    /// The first and the longest wait after a failure while refreshing.
    BindingConfig &backoff(Duration first, Duration longest) noexcept {
        return raw_.backoff_first = given(first), raw_.backoff_max = given(longest), *this;
    }
    BindingConfig &credential(Credential credential) {
        raw_.credential_kind = STUN_SHORT_TERM, raw_.credential_flags = 0;
        return credential_ = std::move(credential), has_credential_ = true, *this;
    }
    /// Meets the server's challenge; in place of a short-term credential.
    BindingConfig &long_term(LongTermCredential credential) {
        raw_.credential_kind = STUN_LONG_TERM;
        raw_.credential_flags = (credential.require_sha256 ? std::uint32_t{STUN_CREDENTIAL_REQUIRE_SHA256} : 0u) |
                                (credential.require_anonymity ? std::uint32_t{STUN_CREDENTIAL_REQUIRE_ANONYMITY} : 0u);
        credential_ = {std::move(credential.username), std::move(credential.password), Integrity::both};
        return has_credential_ = true, *this;
    }
    /// What to do when a server names another one in its place.
    BindingConfig &redirects(Redirects policy) noexcept { return raw_.redirects = static_cast<std::uint32_t>(policy), *this; }
    BindingConfig &without_fingerprint() noexcept { return raw_.flags |= STUN_BINDING_NO_FINGERPRINT, *this; }
    BindingConfig &accept_mapped_address() noexcept { return raw_.flags |= STUN_BINDING_ACCEPT_MAPPED_ADDRESS, *this; }
    /// For C: its strings point into this object.
    [[nodiscard]] stun_binding_config c() const noexcept;

private:
    static constexpr stun_time given(Duration d) noexcept { return d.count() <= 0 ? 1 : static_cast<stun_time>(d.count()); }
    stun_binding_config raw_{};
    Credential credential_{};
    bool has_credential_ = false;
};

/// How to serve. Without any setting, whatever arrives anywhere is answered, within the default budget.
class ServerConfig {
public:
    ServerConfig() noexcept { raw_.struct_size = sizeof raw_; }
    /// Answer only what arrives here.
    ServerConfig &local(Address address) noexcept { return raw_.local = address.c(), *this; }
    /// Answer only requests that are signed with this.
    ServerConfig &credential(Credential credential) {
        return credential_ = std::move(credential), has_credential_ = true, *this;
    }
    /// Answer only the users of a realm, who sign with long-term credentials.
    ServerConfig &realm(std::string name) { return realm_ = std::move(name), *this; }
    /// A user of the realm; as often as there are some. See also Agent::add_user().
    ServerConfig &user(std::string name, std::string password) {
        return users_.push_back({std::move(name), std::move(password), Integrity::both}), *this;
    }
    ServerConfig &nonce_lifetime(Duration lifetime) noexcept { return raw_.nonce_lifetime = given(lifetime), *this; }
    /// `enum stun_server_flag`, or-ed.
    ServerConfig &flags(std::uint32_t flags) noexcept { return raw_.flags = flags, *this; }
    /// What strangers may be sent: bytes for a hundred received, bytes of errors in a second, and at once. 0 is the
    /// default, UINT32_MAX in the first one no limit.
    ServerConfig &budget(std::uint32_t percent, std::uint32_t error_rate = 0, std::uint32_t error_burst = 0) noexcept {
        raw_.amplification_percent = percent, raw_.error_rate = error_rate, raw_.error_burst = error_burst;
        return *this;
    }
    /// Serve NAT behaviour discovery with another IP address and port than those of local(); the sockets are those of
    /// both, local IP and other port, other IP and local port, other IP and port.
    ServerConfig &behavior(Address other, const std::array<std::uint32_t, 4> &socket_ids) noexcept {
        raw_.alternate = other.c();
        for (std::size_t i = 0; i < socket_ids.size(); ++i) raw_.socket_ids[i] = socket_ids[i];
        return *this;
    }
    /// The two IP addresses as clients see them, behind a NAT that maps no ports.
    ServerConfig &known_as(Address local, Address other) noexcept {
        return raw_.public_addrs[0] = local.c(), raw_.public_addrs[1] = other.c(), *this;
    }
    /// For C: its strings point into this object, and into `users` if there are any.
    [[nodiscard]] stun_server_config c(std::vector<stun_user> &users) const;
    /// The same without users.
    [[nodiscard]] stun_server_config c() const noexcept;

private:
    static constexpr stun_time given(Duration d) noexcept { return d.count() <= 0 ? 1 : static_cast<stun_time>(d.count()); }
    stun_server_config raw_{};
    Credential credential_{};
    std::string realm_{};
    std::vector<Credential> users_{};
    bool has_credential_ = false;
};

/// One server, and the socket from which it is asked.
struct Target {
    Address server{};
    Address local{};
    Transport transport = Transport::udp;
    std::uint32_t socket_id = 0;

    [[nodiscard]] stun_target c() const noexcept {
        return {local.c(), server.c(), static_cast<std::uint32_t>(transport), socket_id};
    }
};

/// Whom to ask, and when there were enough answers. What is not set has stun.h's default.
class SurveyConfig {
public:
    explicit SurveyConfig(std::vector<Target> targets) noexcept : targets_(std::move(targets)) {
        raw_.struct_size = sizeof raw_;
    }
    /// Ask one after the other, until the first answers.
    SurveyConfig &race() noexcept { return enough(1).attempt_delay(std::chrono::nanoseconds(STUN_ATTEMPT_DELAY)); }
    /// Answers after which nobody else is asked.
    SurveyConfig &enough(std::uint32_t answers) noexcept { return raw_.enough = answers, *this; }
    /// How long the whole may take; never leaves each the time of its request.
    SurveyConfig &deadline(Duration limit) noexcept { return raw_.deadline = given(limit), *this; }
    SurveyConfig &without_deadline() noexcept { return raw_.deadline = STUN_NEVER, *this; }
    /// How long to wait before the next one is asked; zero asks all at once.
    SurveyConfig &attempt_delay(Duration delay) noexcept {
        return raw_.attempt_delay = delay.count() <= 0 ? 0 : static_cast<stun_time>(delay.count()), *this;
    }
    /// How each is asked; its server and sockets are not looked at.
    SurveyConfig &request(BindingConfig config) {
        return request_ = std::move(config), has_request_ = true, *this;
    }

private:
    friend class Agent;
    static constexpr stun_time given(Duration d) noexcept { return d.count() <= 0 ? 1 : static_cast<stun_time>(d.count()); }
    stun_survey_config raw_{};
    std::vector<Target> targets_;
    BindingConfig request_{Address()};
    bool has_request_ = false;
};

/// A URI of RFC 7064 or RFC 7065, read.
struct Uri {
    stun_scheme_code scheme = STUN_SCHEME_STUN;
    /// A name or an IP address, without brackets: a view of the text that was read.
    std::string_view host{};
    /// The host and port, if the host is an IP address.
    Address address{};
    /// The port, 0 if there is none; and the one where nothing says otherwise.
    std::uint16_t port = 0;
    std::uint16_t default_port = 0;
    stun_uri_transport_code transport = STUN_URI_ANY;

    [[nodiscard]] static std::optional<Uri> parse(std::string_view text) noexcept {
        stun_uri raw{};
        raw.struct_size = sizeof raw;
        if (stun_uri_parse(text.data(), text.size(), &raw) != STUN_OK) return std::nullopt;
        return Uri{static_cast<stun_scheme_code>(raw.scheme), std::string_view(raw.host, raw.host_len), raw.addr,
                   static_cast<std::uint16_t>(raw.port), static_cast<std::uint16_t>(raw.default_port),
                   static_cast<stun_uri_transport_code>(raw.transport)};
    }
};

/// What to look for: a URI, or a service at a host.
class DiscoveryConfig {
public:
    explicit DiscoveryConfig(std::string uri) noexcept : uri_(std::move(uri)) { raw_.struct_size = sizeof raw_; }
    DiscoveryConfig(stun_service_code service, std::string host) noexcept : host_(std::move(host)) {
        raw_.struct_size = sizeof raw_;
        raw_.service = static_cast<std::uint32_t>(service);
    }
    /// With a host: the port, which is not asked for then.
    DiscoveryConfig &port(std::uint16_t port) noexcept { return raw_.port = port, *this; }
    /// With a host: only TLS will do.
    DiscoveryConfig &secure() noexcept { return raw_.flags |= STUN_DISCOVERY_SECURE, *this; }
    /// What you can use, best first.
    DiscoveryConfig &transports(const std::vector<Transport> &all) {
        transports_.clear();
        for (const Transport each : all) transports_.push_back(static_cast<std::uint32_t>(each));
        return *this;
    }
    DiscoveryConfig &deadline(Duration limit) noexcept { return raw_.deadline = given(limit), *this; }
    /// How long to wait for more once an address is known.
    DiscoveryConfig &resolution_delay(Duration delay) noexcept { return raw_.resolution_delay = given(delay), *this; }
    /// For C: it points into this object.
    [[nodiscard]] stun_discovery_config c() const noexcept {
        stun_discovery_config raw = raw_;
        raw.uri = uri_.data(), raw.uri_len = uri_.size();
        raw.host = host_.data(), raw.host_len = host_.size();
        raw.transports = transports_.data(), raw.transport_count = transports_.size();
        return raw;
    }

private:
    static constexpr stun_time given(Duration d) noexcept { return d.count() <= 0 ? 1 : static_cast<stun_time>(d.count()); }
    stun_discovery_config raw_{};
    std::string uri_{}, host_{};
    std::vector<std::uint32_t> transports_{};
};

/// An SRV record. Its text is only read during the call.
struct SrvRecord { std::uint16_t priority = 0, weight = 0, port = 0; std::string_view target{}; };
/// A NAPTR record. Its texts are only read during the call.
struct NaptrRecord {
    std::uint16_t order = 0, preference = 0;
    std::string_view flags{}, services{}, regexp{}, replacement{};
};
/// One address of one server that was found. `host` is what its certificate must be for.
struct DiscoveredServer { Transport transport = Transport::udp; Address address{}; std::string host{}; };

/// What to find out about a NAT, and from where. What is not set has stun.h's default.
class NatConfig {
public:
    NatConfig(Address local, Address server) noexcept {
        raw_.struct_size = sizeof raw_;
        raw_.local = local.c(), raw_.server = server.c();
    }
    NatConfig &socket_id(std::uint32_t id) noexcept { return raw_.socket_id = id, *this; }
    /// A second socket on another port.
    NatConfig &second(Address local, std::uint32_t socket_id) noexcept {
        return raw_.second = local.c(), raw_.second_socket_id = socket_id, *this;
    }
    /// Your own IP address, if the sockets are bound to an unspecified one.
    NatConfig &own(Address address) noexcept { return raw_.own = address.c(), *this; }
    /// Further, ordinary servers.
    NatConfig &server(Address address) { return servers_.push_back(address.c()), *this; }
    /// `1u << enum stun_nat_property`, or-ed.
    NatConfig &properties(std::uint32_t bits) noexcept { return raw_.properties = bits, *this; }
    NatConfig &deadline(Duration limit) noexcept { return raw_.deadline = given(limit), *this; }
    /// The longest wait for the binding lifetime, and how exact to be about it.
    NatConfig &lifetime(Duration longest, Duration precision) noexcept {
        return raw_.lifetime_max = given(longest), raw_.lifetime_precision = given(precision), *this;
    }
    /// Credentials and retransmissions; nothing else in it is looked at.
    NatConfig &request(BindingConfig config) {
        return request_ = std::move(config), has_request_ = true, *this;
    }
    NatConfig &with_fingerprint() noexcept { return raw_.flags |= STUN_NAT_FINGERPRINT, *this; }
    /// Everything else, for C.
    [[nodiscard]] stun_nat_config &raw() noexcept { return raw_; }

private:
    friend class Agent;
    static constexpr stun_time given(Duration d) noexcept { return d.count() <= 0 ? 1 : static_cast<stun_time>(d.count()); }
    stun_nat_config raw_{};
    std::vector<stun_addr> servers_{};
    BindingConfig request_{Address()};
    bool has_request_ = false;
};

/// What a NAT probe has found.
class NatReport {
public:
    explicit NatReport(const stun_nat_report &raw) noexcept : raw_(raw) {}
    [[nodiscard]] NatFinding finding(stun_nat_property property) const noexcept {
        const auto place = static_cast<std::size_t>(property);
        if (place >= std::size(raw_.findings)) return {};
        const stun_nat_finding &found = raw_.findings[place];
        return {static_cast<stun_nat_value>(found.value), static_cast<stun_nat_confidence>(found.confidence),
                static_cast<stun_nat_reason>(found.reason), found.detail};
    }
    /// Whether the mapped address depends on the destination, which is known more often than on what of it.
    [[nodiscard]] std::optional<bool> depends_on_destination() const noexcept {
        return raw_.depends_on_destination > 1 ? std::nullopt : std::optional<bool>(raw_.depends_on_destination == 1);
    }
    [[nodiscard]] Address server() const noexcept { return raw_.server; }
    [[nodiscard]] Address other() const noexcept { return raw_.other; }
    [[nodiscard]] Address local() const noexcept { return raw_.local; }
    [[nodiscard]] Address mapped() const noexcept { return raw_.mapped; }
    [[nodiscard]] const stun_nat_report &c() const noexcept { return raw_; }

private:
    stun_nat_report raw_;
};

/// Which peers may be reached through a relay: by default all but loopback and link-local addresses. Of several rules that
/// contain an address the last one decides.
class PeerPolicy {
public:
    PeerPolicy() noexcept = default;
    /// Loopback addresses too: for tests on one machine.
    [[nodiscard]] static PeerPolicy with_loopback() noexcept { return PeerPolicy(STUN_PEERS_LOOPBACK); }
    /// All that can be a single host.
    [[nodiscard]] static PeerPolicy allow_all() noexcept { return PeerPolicy(STUN_PEERS_ALL); }
    /// Addresses from `first` to `last`, or only `first`. Ports are not looked at.
    PeerPolicy &allow(Address first, Address last = {}) { return rules_.push_back({first.c(), last.c(), 1, 0}), *this; }
    PeerPolicy &deny(Address first, Address last = {}) { return rules_.push_back({first.c(), last.c(), 0, 0}), *this; }

private:
    friend class AllocationConfig;
    explicit PeerPolicy(stun_peer_policy_code code) noexcept : code_(code) {}
    stun_peer_policy_code code_ = STUN_PEERS_DEFAULT;
    std::vector<stun_peer_rule> rules_{};
};

enum class RelayFamily : std::uint32_t { v4 = STUN_RELAY_IPV4, v6 = STUN_RELAY_IPV6, both = STUN_RELAY_BOTH };

/// A relayed address to ask a TURN server for. What is not set has stun.h's default.
class AllocationConfig {
public:
    explicit AllocationConfig(Address server, Transport transport = Transport::udp) noexcept {
        raw_.struct_size = sizeof raw_;
        raw_.server = server.c();
        raw_.transport = static_cast<std::uint32_t>(transport);
    }
    /// What your socket is bound to.
    AllocationConfig &local(Address address) noexcept { return raw_.local = address.c(), *this; }
    /// Your number for the socket, handed back in each packet.
    AllocationConfig &socket_id(std::uint32_t id) noexcept { return raw_.socket_id = id, *this; }
    /// Whom the server shall know, and when that expires, as time-limited credentials do.
    AllocationConfig &credentials(LongTermCredential credential, TimePoint expire = never) {
        return credential_ = std::move(credential), expire_ = expire, has_credential_ = true, *this;
    }
    /// The families of the relayed addresses.
    AllocationConfig &family(RelayFamily family) noexcept { return raw_.family = static_cast<std::uint32_t>(family), *this; }
    /// Connections to peers instead of datagrams (RFC 6062); the server is reached over TCP or TLS then.
    AllocationConfig &for_connections() noexcept { return raw_.relay_transport = STUN_TCP, *this; }
    /// An even port; and the next one for a second allocation, whose token comes with Allocated.
    AllocationConfig &even_port(bool reserving_next = false) noexcept {
        const stun_relay_port port = reserving_next ? STUN_PORT_EVEN_RESERVING_NEXT : STUN_PORT_EVEN;
        return raw_.port = static_cast<std::uint32_t>(port), *this;
    }
    /// The port that a token stands for.
    AllocationConfig &reserved_port(const std::array<std::uint8_t, 8> &token) noexcept {
        raw_.port = STUN_PORT_RESERVED;
        for (std::size_t i = 0; i < token.size(); ++i) raw_.token[i] = token[i];
        return *this;
    }
    AllocationConfig &dont_fragment() noexcept { return raw_.flags |= STUN_ALLOCATION_DONT_FRAGMENT, *this; }
    AllocationConfig &without_mobility() noexcept { return raw_.flags |= STUN_ALLOCATION_NO_MOBILITY, *this; }
    AllocationConfig &without_fingerprint() noexcept { return raw_.flags |= STUN_ALLOCATION_NO_FINGERPRINT, *this; }
    /// The time-to-expiry to ask for. It is renewed in any case.
    AllocationConfig &lifetime(Duration lifetime) noexcept { return raw_.lifetime = given(lifetime), *this; }
    /// Over UDP, send something at least that often; empty is never.
    AllocationConfig &keepalive(std::optional<Duration> interval, stun_keepalive_kind kind = STUN_KEEPALIVE_INDICATION) noexcept {
        raw_.keepalive = interval ? given(*interval) : STUN_NEVER;
        return raw_.keepalive_kind = static_cast<std::uint32_t>(kind), *this;
    }
    /// Which peers may be reached.
    AllocationConfig &peers(PeerPolicy policy) noexcept { return peers_ = std::move(policy), *this; }
    /// What to do when the server names another one in its place.
    AllocationConfig &redirects(Redirects policy) noexcept { return raw_.redirects = static_cast<std::uint32_t>(policy), *this; }
    /// The first and the longest wait after a failure that may pass.
    AllocationConfig &backoff(Duration first, Duration longest) noexcept {
        return raw_.backoff_first = given(first), raw_.backoff_max = given(longest), *this;
    }
    AllocationConfig &initial_rto(Duration rto) noexcept { return raw_.initial_rto = given(rto), *this; }
    /// How long to wait for an answer over TCP or TLS.
    AllocationConfig &stream_timeout(Duration ti) noexcept { return raw_.ti = given(ti), *this; }
    /// How often a request is sent in all (Rc), and how many RTOs to wait after the last (Rm).
    AllocationConfig &retransmissions(std::uint32_t rc, std::uint32_t rm) noexcept { return raw_.rc = rc, raw_.rm = rm, *this; }
    /// For C: it points into this object, and to `credentials`.
    [[nodiscard]] stun_allocation_config c(stun_credentials &credentials) const noexcept;

private:
    static constexpr stun_time given(Duration d) noexcept { return d.count() <= 0 ? 1 : static_cast<stun_time>(d.count()); }
    stun_allocation_config raw_{};
    LongTermCredential credential_{};
    TimePoint expire_ = never;
    bool has_credential_ = false;
    PeerPolicy peers_{};
};

/// Several relays as one socket: the best that is ready carries the data, and another when it dies. What is not set has
/// stun.h's default.
class RelayPoolConfig {
public:
    RelayPoolConfig() noexcept { raw_.struct_size = sizeof raw_; }
    /// One more relay, on a path of its own; 16 at most. Events and calls name it by its place, from 0. Its kind of keepalive
    /// is not looked at: a pool needs requests.
    RelayPoolConfig &relay(AllocationConfig config) { return relays_.push_back(std::move(config)), *this; }
    /// How many are kept ready, the others being spares; 0 is all.
    RelayPoolConfig &ready(std::uint32_t count) noexcept { return raw_.ready = count, *this; }
    /// Ask for every peer at every relay that is ready: a migration costs no round trip then.
    RelayPoolConfig &warm_standby() noexcept { return raw_.flags |= STUN_RELAY_POOL_WARM_STANDBY, *this; }
    /// How long a relay may not answer before another is selected; empty waits until it is lost.
    RelayPoolConfig &patience(std::optional<Duration> time) noexcept { return raw_.patience = or_never(time), *this; }
    /// For how long after the first selection a relay that is faster by a quarter takes over at once.
    RelayPoolConfig &settling(Duration time) noexcept { return raw_.settling = given(time), *this; }
    /// By how much another must be faster after that, besides by half, and for how long, to take over.
    RelayPoolConfig &switching(Duration least_gain, Duration hold) noexcept {
        return raw_.least_gain = given(least_gain), raw_.hold = given(hold), *this;
    }
    /// No relay takes over because it is faster.
    RelayPoolConfig &without_switching() noexcept { return raw_.hold = STUN_NEVER, *this; }
    /// What a configuration for C points to, besides this object.
    struct Parts {
        std::vector<stun_credentials> credentials{};
        std::vector<stun_allocation_config> relays{};
        std::vector<const stun_allocation_config *> pointers{};
    };
    /// For C: it points into this object, and into `parts`.
    [[nodiscard]] stun_relay_pool_config c(Parts &parts) const;

private:
    static constexpr stun_time given(Duration d) noexcept { return d.count() <= 0 ? 1 : static_cast<stun_time>(d.count()); }
    static constexpr stun_time or_never(std::optional<Duration> d) noexcept { return d ? given(*d) : STUN_NEVER; }
    stun_relay_pool_config raw_{};
    std::vector<AllocationConfig> relays_{};
};

/// Bytes to leave before a payload for Agent::send_in_place(): through a channel, and in any case; and behind it.
inline constexpr std::size_t channel_headroom = STUN_CHANNEL_HEADROOM;
inline constexpr std::size_t max_headroom = STUN_MAX_HEADROOM;
inline constexpr std::size_t max_tailroom = STUN_MAX_TAILROOM;

/// What is known of an allocation now.
struct AllocationInfo {
    /// Whether the server relays, so that Agent::send_to_peer() can work.
    bool is_allocated = false;
    /// The relayed address, of two the IPv4 one, and the other one; none while there is none.
    Address relayed{}, additional{};
    /// Your address as the server sees it.
    Address mapped{};
    /// The server, which is another than you named if it has redirected.
    Address server{};
    Address local{};
    Transport transport = Transport::udp;
    /// When the server takes the relay back unless it is refreshed.
    TimePoint expires = never;
    /// The smoothed round trip to the server, once measured.
    std::optional<Duration> rtt{};
    /// Events that were dropped because you did not poll.
    std::uint32_t dropped_events = 0;
};

/// What is known of a pool of relays now.
struct RelayPoolInfo {
    /// The relay through which data goes; empty while there is none.
    std::optional<std::size_t> selected{};
    /// How many relays there are, and how many of them have a relayed address.
    std::size_t relays = 0, ready = 0;
    /// The relayed address through which data goes, of two the IPv4 one, and the other one.
    Address relayed{}, additional{};
    /// Events that were dropped because you did not poll.
    std::uint32_t dropped_events = 0;
};

/// What came out of a connection.
struct [[nodiscard]] Unwrapped {
    /// STUN_APP_DATA: `data` is data of a peer; call again with the bytes that were not taken. STUN_OK: there was none.
    Status status{};
    /// How many bytes were taken.
    std::size_t taken = 0;
    /// Lies in the agent, until the next input, start or cancel there.
    Packet data{};
    explicit operator bool() const noexcept { return status == STUN_APP_DATA; }
};

/// Receives log lines. It must not call the agent that it logs for.
using Log = std::function<void(stun_log_level level, std::string_view text)>;

/// An agent's configuration.
struct AgentConfig {
    /// All randomness comes from here; never the same seed twice outside tests. Empty asks the system.
    std::optional<std::array<std::uint8_t, 32>> seed{};
    /// Operations at a time; 0 is the most there can be.
    std::uint32_t max_operations = 0;
    stun_log_level log_level = STUN_LOG_OFF;
    Log log{};
};

// --- The agent ----------------------------------------------------------------------------------------------

/// Walks what a function yields until it yields nothing: for range-for, once.
template <class T, class Owner, std::optional<T> (Owner::*next)()> class Drain {
public:
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = T;
        using difference_type = std::ptrdiff_t;
        using pointer = const T *;
        using reference = const T &;
        iterator() = default;
        explicit iterator(Owner *owner) : owner_(owner) { ++*this; }
        reference operator*() const noexcept { return *item_; }
        pointer operator->() const noexcept { return &*item_; }
        iterator &operator++() { return item_ = (owner_->*next)(), *this; }
        void operator++(int) { ++*this; }
        friend bool operator==(const iterator &a, const iterator &b) noexcept { return !a.item_ && !b.item_; }
        friend bool operator!=(const iterator &a, const iterator &b) noexcept { return !(a == b); }

    private:
        Owner *owner_ = nullptr;
        std::optional<T> item_{};
    };
    explicit Drain(Owner &owner) noexcept : owner_(&owner) {}
    [[nodiscard]] iterator begin() const { return iterator(owner_); }
    [[nodiscard]] iterator end() const { return {}; }

private:
    Owner *owner_;
};

/// An agent: houses operations, owns no socket and no thread. It may move between threads and must not be
/// used by two at once.
class Agent {
public:
    [[nodiscard]] static Result<Agent> create(TimePoint at, AgentConfig config = {});
    Agent(Agent &&other) noexcept = default;
    /// Frees what was here before, and then the log that it may still have written to.
    Agent &operator=(Agent &&other) noexcept {
        handle_ = std::move(other.handle_);
        log_ = std::move(other.log_);
        return *this;
    }

    /// Starts asking; the id names it in events. The configuration is copied.
    [[nodiscard]] Result<OperationId> start_binding(const BindingConfig &config, TimePoint at) noexcept {
        const auto raw = config.c();
        OperationId id = 0;
        const Status status = stun_binding_start(handle_.get(), &raw, to_c(at), &id);
        return status ? Result<OperationId>(id) : status;
    }
    [[nodiscard]] Result<OperationId> start_server(const ServerConfig &config, TimePoint at) {
        std::vector<stun_user> users;
        const auto raw = config.c(users);
        return started(stun_server_start, raw, at);
    }
    /// Asks many servers: Answered or Unanswered for each, then Surveyed.
    [[nodiscard]] Result<OperationId> start_survey(const SurveyConfig &config, TimePoint at) {
        std::vector<stun_target> targets;
        for (const Target &target : config.targets_) targets.push_back(target.c());
        auto raw = config.raw_;
        stun_binding_config request{};
        raw.targets = targets.data(), raw.target_count = targets.size();
        if (config.has_request_) request = config.request_.c(), raw.request = &request;
        return started(stun_survey_start, raw, at);
    }
    /// Looks for servers: Resolve for each question to the DNS, then Servers or Failed.
    [[nodiscard]] Result<OperationId> start_discovery(const DiscoveryConfig &config, TimePoint at) noexcept {
        return started(stun_discovery_start, config.c(), at);
    }
    /// Finds out what the NAT does: NatFound for each property, then NatFinished.
    [[nodiscard]] Result<OperationId> start_nat_probe(const NatConfig &config, TimePoint at) noexcept {
        auto raw = config.raw_;
        stun_binding_config request{};
        raw.servers = config.servers_.data(), raw.server_count = config.servers_.size();
        if (config.has_request_) request = config.request_.c(), raw.request = &request;
        return started(stun_nat_probe_start, raw, at);
    }
    /// A connection of yours is open: give what you read from it to handle_stream(). The path's data is not looked at.
    [[nodiscard]] Result<OperationId> open_stream(const Packet &path, TimePoint at) noexcept {
        return started(stun_stream_open, path.c(), at);
    }
    Status handle_stream(OperationId id, Bytes bytes, TimePoint at) noexcept {
        return stun_handle_stream(handle_.get(), id, bytes.data(), bytes.size(), to_c(at));
    }
    /// The same up to the first data of a peer that was relayed, where handle_stream() would lose it.
    Unwrapped unwrap_stream(OperationId id, Bytes bytes, TimePoint at) noexcept {
        Unwrapped out;
        stun_packet inner{};
        out.status = stun_unwrap_stream(handle_.get(), id, bytes.data(), bytes.size(), to_c(at), &out.taken, &inner);
        if (out) out.data = Packet::from_c(inner);
        return out;
    }
    Status close_stream(OperationId id, TimePoint at) noexcept { return stun_stream_close(handle_.get(), id, to_c(at)); }

    /// Asks a TURN server for a relayed address, and keeps it: Allocated says when there is one. What peers send comes out
    /// of handle_input() or unwrap_stream().
    [[nodiscard]] Result<OperationId> start_allocation(const AllocationConfig &config, TimePoint at) noexcept {
        stun_credentials credentials{};
        return started(stun_allocation_start, config.c(credentials), at);
    }
    [[nodiscard]] Result<AllocationInfo> allocation(OperationId id) const noexcept;
    /// Starts a pool of relays: RelaySelected says when there is the first, Migrated when another takes over. permit() and
    /// what follows it, send_to_peer(), send_in_place() and close_allocation() take its id as an allocation's, and concern
    /// the selected relay. Look at poll_timeout() after sending: an answer is waited for.
    [[nodiscard]] Result<OperationId> start_relay_pool(const RelayPoolConfig &config, TimePoint at) {
        RelayPoolConfig::Parts parts;
        return started(stun_relay_pool_start, config.c(parts), at);
    }
    [[nodiscard]] Result<RelayPoolInfo> relay_pool(OperationId id) const noexcept;
    /// One relay of a pool; STUN_EMPTY for a spare that was not asked yet, and one that nothing more will come of.
    [[nodiscard]] Result<AllocationInfo> relay_of_pool(OperationId id, std::size_t relay) const noexcept {
        return allocation_info([&](stun_allocation_info *raw) {
            return stun_relay_pool_relay(handle_.get(), id, place(relay), raw);
        });
    }
    /// Gives one relay of a pool other credentials, as CredentialsNeeded asks for.
    Status set_pool_credentials(OperationId id, std::size_t relay, const LongTermCredential &credential, TimePoint at,
                                TimePoint expire = never) noexcept;
    /// What Reconnect asked for one relay of a pool is open along this path.
    Status pool_reconnected(OperationId id, std::size_t relay, const Packet &path, TimePoint at) noexcept {
        const auto raw = path.c();
        return stun_relay_pool_reconnected(handle_.get(), id, place(relay), &raw, to_c(at));
    }
    /// Whether one relay of a pool may ask the server that Redirected names.
    Status answer_pool_redirect(OperationId id, std::size_t relay, bool accept, TimePoint at) noexcept {
        return stun_relay_pool_answer_redirect(handle_.get(), id, place(relay), accept ? 1 : 0, to_c(at));
    }
    /// As alternate_domain(), for one relay of a pool.
    [[nodiscard]] std::string pool_alternate_domain(OperationId id, std::size_t relay) const {
        return text([&](char *buf, std::size_t cap, std::size_t *len) {
            return stun_relay_pool_alternate_domain(handle_.get(), id, place(relay), buf, cap, len);
        });
    }
    /// Lets a peer send to the relayed address and be sent to, whatever its port: Permitted says when.
    Status permit(OperationId id, const Address &peer, TimePoint at) noexcept {
        return stun_allocation_permit(handle_.get(), id, &peer.c(), to_c(at));
    }
    /// STUN_EMPTY if it was not permitted.
    Status revoke(OperationId id, const Address &peer, TimePoint at) noexcept {
        return stun_allocation_revoke(handle_.get(), id, &peer.c(), to_c(at));
    }
    /// Binds a channel to a peer, which permits it as well: ChannelBound says when.
    Status bind_channel(OperationId id, const Address &peer, TimePoint at) noexcept {
        return stun_allocation_bind_channel(handle_.get(), id, &peer.c(), to_c(at));
    }
    /// STUN_EMPTY if there was none.
    Status release_channel(OperationId id, const Address &peer, TimePoint at) noexcept {
        return stun_allocation_release_channel(handle_.get(), id, &peer.c(), to_c(at));
    }
    /// The channel of a peer that may be sent to, 0 if it has none; empty if it may not be sent to.
    [[nodiscard]] std::optional<std::uint16_t> channel(OperationId id, const Address &peer) const noexcept {
        std::uint16_t number = 0;
        if (stun_allocation_peer(handle_.get(), id, &peer.c(), &number) != STUN_OK) return std::nullopt;
        return number;
    }
    /// Frames data for a peer in a buffer of yours, which is apart from the data; max_headroom + max_tailroom bytes more
    /// than the data are enough. Send what is returned: nothing is queued.
    [[nodiscard]] Result<Packet> send_to_peer(OperationId id, const Address &peer, Bytes data, Span<std::uint8_t> buffer,
                                              TimePoint at) noexcept {
        stun_packet out{};
        const Status status = stun_allocation_send(handle_.get(), id, &peer.c(), data.data(), data.size(), buffer.data(),
                                                   buffer.size(), to_c(at), &out);
        return status ? Result<Packet>(Packet::from_c(out)) : status;
    }
    /// The same where the data lies in the buffer already, with room around it. Copies nothing.
    [[nodiscard]] Result<Packet> send_in_place(OperationId id, const Address &peer, Span<std::uint8_t> buffer,
                                               std::size_t offset, std::size_t len, TimePoint at) noexcept {
        stun_packet out{};
        const Status status = stun_allocation_send_in_place(handle_.get(), id, &peer.c(), buffer.data(), buffer.size(),
                                                            offset, len, to_c(at), &out);
        return status ? Result<Packet>(Packet::from_c(out)) : status;
    }
    /// Asks the server to connect to a peer (RFC 6062): OpenConnection or ConnectionFailed follows.
    Status connect_peer(OperationId id, const Address &peer, TimePoint at) noexcept {
        return stun_allocation_connect(handle_.get(), id, &peer.c(), to_c(at));
    }
    /// The connection that OpenConnection asked for is open along this path.
    Status connection_opened(OperationId id, ConnectionId connection, const Packet &path, TimePoint at) noexcept {
        const auto raw = path.c();
        return stun_allocation_connection_opened(handle_.get(), id, connection, &raw, to_c(at));
    }
    /// Gives an allocation other credentials, as CredentialsNeeded asks for.
    Status set_credentials(OperationId id, const LongTermCredential &credential, TimePoint at, TimePoint expire = never) noexcept;
    /// What Reconnect asked an allocation for is open along this path.
    Status allocation_reconnected(OperationId id, const Packet &path, TimePoint at) noexcept {
        const auto raw = path.c();
        return stun_allocation_reconnected(handle_.get(), id, &raw, to_c(at));
    }
    /// Has the server delete an allocation: Closed says when. cancel() leaves it there until it expires.
    Status close_allocation(OperationId id, TimePoint at) noexcept {
        return stun_allocation_close(handle_.get(), id, to_c(at));
    }

    /// Whether a binding or an allocation may ask the server that Redirected names.
    Status answer_redirect(OperationId id, bool accept, TimePoint at) noexcept {
        return stun_answer_redirect(handle_.get(), id, accept ? 1 : 0, to_c(at));
    }
    /// The connection that Reconnect asked a binding for is open along this path.
    Status reconnected(OperationId id, const Packet &path, TimePoint at) noexcept {
        const auto raw = path.c();
        return stun_reconnected(handle_.get(), id, &raw, to_c(at));
    }
    /// Changes how often a binding asks again; empty is no more.
    Status set_refresh(OperationId id, std::optional<Duration> interval, TimePoint at) noexcept {
        const stun_time refresh = !interval ? STUN_NEVER : interval->count() <= 0 ? 1 : static_cast<stun_time>(interval->count());
        return stun_set_refresh(handle_.get(), id, refresh, to_c(at));
    }
    /// The name that the certificate of the server must carry to which a binding or an allocation was redirected; empty if
    /// none.
    [[nodiscard]] std::string alternate_domain(OperationId id) const {
        return text([&](char *buf, std::size_t cap, std::size_t *len) {
            const stun_status status = stun_binding_alternate_domain(handle_.get(), id, buf, cap, len);
            if (status != STUN_E_NOT_FOUND) return status;
            return stun_allocation_alternate_domain(handle_.get(), id, buf, cap, len);
        });
    }
    /// How much earlier than due a refresh may be sent, and how often every binding refreshes: zero leaves it.
    Status set_power(Duration max_slack, Duration refresh, TimePoint at) noexcept {
        return stun_set_power(handle_.get(), static_cast<stun_time>(max_slack.count() < 0 ? 0 : max_slack.count()),
                              static_cast<stun_time>(refresh.count() < 0 ? 0 : refresh.count()), to_c(at));
    }
    /// The time between requests to one server that had to wait for others.
    Status set_pacing(Duration interval) noexcept {
        return stun_set_pacing(handle_.get(), static_cast<stun_time>(interval.count() < 0 ? 0 : interval.count()));
    }
    /// Your local addresses are these from now on; ports are not looked at.
    Status network_changed(const std::vector<Address> &addresses, TimePoint at) {
        const auto raw = raw_addresses(addresses);
        return stun_network_changed(handle_.get(), raw.data(), raw.size(), to_c(at));
    }
    /// Adds a user to the realm of a server, or changes a password.
    Status add_user(OperationId id, std::string_view name, std::string_view password) noexcept {
        const stun_user user{bytes(name).data(), name.size(), bytes(password).data(), password.size()};
        return stun_server_add_user(handle_.get(), id, &user);
    }
    /// Removes a user; STUN_EMPTY if there was none of that name.
    Status remove_user(OperationId id, std::string_view name) noexcept {
        return stun_server_remove_user(handle_.get(), id, bytes(name).data(), name.size());
    }

    /// Answers to the questions of a discovery. STUN_E_NOT_FOUND: nobody waits for it any more.
    Status answer_addresses(OperationId id, QuestionId question, const std::vector<Address> &addresses, TimePoint at) {
        const auto raw = raw_addresses(addresses);
        return stun_answer_addresses(handle_.get(), id, question, raw.data(), raw.size(), to_c(at));
    }
    Status answer_services(OperationId id, QuestionId question, const std::vector<SrvRecord> &records, TimePoint at);
    Status answer_naptr(OperationId id, QuestionId question, const std::vector<NaptrRecord> &records, TimePoint at);
    Status answer_failed(OperationId id, QuestionId question, stun_dns_failure_code failure, TimePoint at) noexcept {
        return stun_answer_failed(handle_.get(), id, question, static_cast<std::uint32_t>(failure), to_c(at));
    }
    /// The servers of the Servers that was polled last, in the order in which to try them.
    [[nodiscard]] std::vector<DiscoveredServer> discovered_servers() const;

    /// What a NAT probe has found so far or, until the next event is polled, at last.
    [[nodiscard]] Result<NatReport> nat_report(OperationId id) const noexcept {
        stun_nat_report raw{};
        raw.struct_size = sizeof raw;
        const Status status = stun_nat_report_read(handle_.get(), id, &raw);
        return status ? Result<NatReport>(NatReport(raw)) : status;
    }
    /// The same as text; empty if there is none.
    [[nodiscard]] std::string nat_report_text(OperationId id, stun_nat_report_format format = STUN_NAT_TEXT) const {
        return text([&](char *buf, std::size_t cap, std::size_t *len) {
            return stun_nat_report_text(handle_.get(), id, static_cast<std::uint32_t>(format), buf, cap, len);
        });
    }
    /// Ends an operation at once and without an event.
    Status cancel(OperationId id, TimePoint at) noexcept { return stun_cancel(handle_.get(), id, to_c(at)); }

    /// A datagram arrived; it is only read during the call. STUN_OK: it was ours. STUN_IGNORED: offer it to
    /// your next protocol. STUN_APP_DATA: application data was inside, and `*app` is that slice of your bytes.
    Status handle_input(const Packet &packet, TimePoint at, Packet *app = nullptr) noexcept {
        const auto raw = packet.c();
        stun_packet inner{};
        const Status status = stun_handle_input(handle_.get(), &raw, to_c(at), &inner);
        if (app != nullptr && status == STUN_APP_DATA) *app = Packet::from_c(inner);
        return status;
    }
    /// Time has come. An early call changes nothing.
    Status handle_timeout(TimePoint at) noexcept { return stun_handle_timeout(handle_.get(), to_c(at)); }
    /// A datagram could not be sent. With empty data it concerns all requests between the two addresses.
    Status handle_send_error(const Packet &failed, stun_send_error_code error, TimePoint at) noexcept {
        const auto raw = failed.c();
        return stun_handle_send_error(handle_.get(), &raw, static_cast<std::uint32_t>(error), to_c(at));
    }

    /// The next datagram to send. Its bytes last until the next call here that is not a poll.
    [[nodiscard]] std::optional<Packet> poll_transmit() noexcept {
        stun_packet raw{};
        if (stun_poll_transmit(handle_.get(), &raw) != STUN_OK) return std::nullopt;
        return Packet::from_c(raw);
    }
    /// Fills as many packets as there are, and says how many: their bytes stay valid together.
    [[nodiscard]] std::size_t poll_transmits(Span<stun_packet> out) noexcept {
        std::size_t count = 0;
        const Status status = stun_poll_transmit_batch(handle_.get(), out.data(), out.size(), sizeof(stun_packet), &count);
        return status ? count : 0;
    }
    /// The next event.
    [[nodiscard]] std::optional<Event> poll_event() {
        stun_event raw{};
        raw.struct_size = sizeof raw;
        raw.relay = STUN_NO_RELAY; // for a library that is older than this header
        if (stun_poll_event(handle_.get(), &raw) != STUN_OK) return std::nullopt;
        return Event::from_c(raw);
    }
    /// All datagrams, taken one by one. A packet lasts for its turn of the loop, if that only polls and sends.
    [[nodiscard]] auto transmits() noexcept { return Drain<Packet, Agent, &Agent::poll_transmit>(*this); }
    /// All events, taken one by one.
    [[nodiscard]] auto events() noexcept { return Drain<Event, Agent, &Agent::poll_event>(*this); }

    /// When to call handle_timeout() next, or never. Read it after draining.
    [[nodiscard]] TimePoint poll_timeout() const noexcept { return from_c(stun_poll_timeout(handle_.get())); }
    [[nodiscard]] stun_wake_code wake_reason() const noexcept {
        return static_cast<stun_wake_code>(stun_wake_reason(handle_.get()));
    }
    /// How many messages were dropped for a reason.
    [[nodiscard]] std::uint32_t dropped(stun_drop_code reason = STUN_DROP_ANY) const noexcept {
        std::uint32_t count = 0;
        return stun_dropped(handle_.get(), static_cast<std::uint32_t>(reason), &count) == STUN_OK ? count : 0;
    }
    /// What the last refused call got wrong, as a sentence.
    [[nodiscard]] std::string last_error() const;
    /// For C. Still owned here.
    [[nodiscard]] stun_agent *c() noexcept { return handle_.get(); }

private:
    struct Free { void operator()(stun_agent *agent) const noexcept { stun_agent_free(agent); } };
    template <class Start, class Raw> Result<OperationId> started(Start start, const Raw &raw, TimePoint at) noexcept {
        OperationId id = 0;
        const Status status = start(handle_.get(), &raw, to_c(at), &id);
        return status ? Result<OperationId>(id) : status;
    }
    /// A place beyond every relay stays so.
    static constexpr std::uint32_t place(std::size_t relay) noexcept {
        return relay < STUN_NO_RELAY ? static_cast<std::uint32_t>(relay) : STUN_NO_RELAY;
    }
    template <class Read> static Result<AllocationInfo> allocation_info(Read read) noexcept;
    /// Asks for a length, then for the text.
    template <class Write> static std::string text(Write write) {
        std::size_t len = 0;
        if (write(nullptr, 0, &len) != STUN_OK) return {};
        std::string out(len + 1, '\0');
        if (write(out.data(), out.size(), &len) != STUN_OK) return {};
        return out.resize(len < out.size() ? len : out.size() - 1), out;
    }
    static std::vector<stun_addr> raw_addresses(const std::vector<Address> &addresses) {
        std::vector<stun_addr> raw;
        for (const Address &address : addresses) raw.push_back(address.c());
        return raw;
    }
    static void forward_log(void *user, std::uint32_t level, const char *text, std::size_t len) noexcept;
    Agent() noexcept = default;
    std::unique_ptr<Log> log_{}; // at a fixed address, for C to hold; freed after the agent that calls it
    std::unique_ptr<stun_agent, Free> handle_{};
};

// --- Codec --------------------------------------------------------------------------------------------------

/// What a datagram looks like.
[[nodiscard]] inline stun_protocol_code classify(Bytes datagram) noexcept {
    std::uint32_t code = STUN_PROTOCOL_UNKNOWN;
    const Status status = stun_classify(datagram.data(), datagram.size(), &code);
    return status ? static_cast<stun_protocol_code>(code) : STUN_PROTOCOL_UNKNOWN;
}

/// How long the frame is that a stream's next bytes begin.
struct FrameLength {
    /// STUN_OK: `length` is the frame's. STUN_EMPTY: `length` bytes are needed to tell. STUN_E_INVALID: the
    /// stream is out of step and has to be closed.
    Status status;
    std::size_t length = 0;
    /// Whether a buffer holds the whole frame.
    [[nodiscard]] bool is_in(Bytes buffer) const noexcept { return status && length <= buffer.size(); }
};
[[nodiscard]] inline FrameLength frame_length(Bytes prefix) noexcept {
    std::size_t length = 0;
    const Status status = stun_frame_length(prefix.data(), prefix.size(), &length);
    return {status, length};
}

/// A TURN ChannelData message: a view of your bytes.
struct ChannelData {
    std::uint16_t channel = 0;
    Bytes payload{};

    [[nodiscard]] static std::optional<ChannelData> parse(Bytes bytes, bool is_stream = false) noexcept {
        std::uint16_t channel = 0;
        const std::uint8_t *payload = nullptr;
        std::size_t len = 0;
        if (stun_channel_data_parse(bytes.data(), bytes.size(), is_stream, &channel, &payload, &len) != STUN_OK)
            return std::nullopt;
        return ChannelData{channel, Bytes(payload, len)};
    }
    /// Writes it into a buffer; how many bytes it has become.
    [[nodiscard]] Result<std::size_t> write(Span<std::uint8_t> out, bool is_stream = false) const noexcept {
        std::size_t written = 0;
        const Status status = stun_channel_data_write(out.data(), out.size(), channel, payload.data(), payload.size(),
                                                      is_stream, &written);
        return status ? Result<std::size_t>(written) : status;
    }
};

/// A prepared key, erased when it goes. It never changes: any number of threads may use it at once.
class Key {
public:
    [[nodiscard]] static Result<Key> short_term(std::string_view password) noexcept {
        return create(STUN_KEY_SHORT_TERM, {}, {}, password);
    }
    [[nodiscard]] static Result<Key> long_term_md5(std::string_view username, std::string_view realm,
                                                   std::string_view password) noexcept {
        return create(STUN_KEY_LONG_TERM_MD5, username, realm, password);
    }
    [[nodiscard]] static Result<Key> long_term_sha256(std::string_view username, std::string_view realm,
                                                      std::string_view password) noexcept {
        return create(STUN_KEY_LONG_TERM_SHA256, username, realm, password);
    }
    [[nodiscard]] const stun_key *c() const noexcept { return handle_.get(); }

private:
    struct Free { void operator()(stun_key *key) const noexcept { stun_key_free(key); } };
    explicit Key(stun_key *raw) noexcept : handle_(raw) {}
    [[nodiscard]] static Result<Key> create(stun_key_kind kind, std::string_view username, std::string_view realm,
                                            std::string_view password) noexcept {
        const Bytes u = bytes(username), r = bytes(realm), p = bytes(password);
        stun_key *raw = nullptr;
        const Status status = stun_key_new(static_cast<std::uint32_t>(kind), u.data(), u.size(), r.data(), r.size(),
                                           p.data(), p.size(), &raw);
        return status ? Result<Key>(Key(raw)) : status;
    }
    std::unique_ptr<stun_key, Free> handle_;
};

using TransactionId = std::array<std::uint8_t, 12>;

/// The RFC's name of an attribute, such as "XOR-MAPPED-ADDRESS"; empty if it has none.
[[nodiscard]] inline std::string attribute_name(std::uint16_t type) {
    char name[64];
    std::size_t len = 0;
    return stun_wire_attribute_name(type, name, sizeof name, &len) == STUN_OK ? std::string(name, len) : std::string();
}
/// The RFC's name of a method, such as "Binding"; empty if it has none.
[[nodiscard]] inline std::string method_name(std::uint16_t method) {
    char name[64];
    std::size_t len = 0;
    return stun_wire_method_name(method, name, sizeof name, &len) == STUN_OK ? std::string(name, len) : std::string();
}

/// An attribute: a view of the bytes that its message was parsed from.
class Attribute {
public:
    explicit Attribute(const stun_wire_attribute &raw) noexcept : raw_(raw) {}
    [[nodiscard]] std::uint16_t type() const noexcept { return raw_.attribute_type; }
    [[nodiscard]] Bytes value() const noexcept { return Bytes(raw_.value, raw_.len); }
    [[nodiscard]] std::string_view text() const noexcept {
        return {reinterpret_cast<const char *>(raw_.value), raw_.len};
    }
    [[nodiscard]] std::size_t offset() const noexcept { return raw_.offset; }
    /// False behind the integrity attribute, where anybody may have appended it.
    [[nodiscard]] bool is_covered() const noexcept { return raw_.is_covered != 0; }
    [[nodiscard]] std::string name() const { return attribute_name(type()); }
    [[nodiscard]] const stun_wire_attribute &c() const noexcept { return raw_; }

private:
    stun_wire_attribute raw_;
};

/// What ERROR-CODE says. `reason` is a view of the message's bytes, not checked to be UTF-8.
struct ErrorCode { std::uint32_t code = 0; std::string_view reason{}; };

/// The attributes of a message in their order, for range-for. It may outlive its Message, not the bytes.
class Attributes {
public:
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = Attribute;
        using difference_type = std::ptrdiff_t;
        using pointer = const Attribute *;
        using reference = const Attribute &;
        iterator() = default;
        explicit iterator(const stun_wire_message &message) noexcept : message_(message) { ++*this; }
        reference operator*() const noexcept { return *item_; }
        pointer operator->() const noexcept { return &*item_; }
        iterator &operator++() noexcept {
            stun_wire_attribute raw{};
            item_.reset();
            if (stun_wire_next(&message_, &cursor_, &raw) == STUN_OK) item_.emplace(raw);
            return *this;
        }
        iterator operator++(int) noexcept { iterator before = *this; ++*this; return before; }
        friend bool operator==(const iterator &a, const iterator &b) noexcept {
            return a.item_.has_value() == b.item_.has_value() && (!a.item_ || a.item_->c().value == b.item_->c().value);
        }
        friend bool operator!=(const iterator &a, const iterator &b) noexcept { return !(a == b); }

    private:
        stun_wire_message message_{};
        std::uint32_t cursor_ = 0;
        std::optional<Attribute> item_{};
    };
    explicit Attributes(const stun_wire_message &message) noexcept : message_(message) {}
    [[nodiscard]] iterator begin() const noexcept { return iterator(message_); }
    [[nodiscard]] iterator end() const noexcept { return {}; }

private:
    stun_wire_message message_;
};

/// A parsed message: a view of your bytes, which must stay as they are while you use it. Copy it freely.
class Message {
public:
    /// STUN_IGNORED if the bytes are not STUN at all, STUN_E_INVALID if they are and malformed.
    [[nodiscard]] static Result<Message> parse(Bytes bytes) noexcept {
        Message message;
        const Status status = stun_wire_parse(bytes.data(), bytes.size(), &message.raw_);
        return status ? Result<Message>(message) : status;
    }
    [[nodiscard]] stun_wire_class message_class() const noexcept { return static_cast<stun_wire_class>(raw_.message_class); }
    [[nodiscard]] std::uint16_t method() const noexcept { return raw_.method; }
    [[nodiscard]] TransactionId id() const noexcept {
        TransactionId id{};
        for (std::size_t i = 0; i < id.size(); ++i) id[i] = raw_.id[i];
        return id;
    }
    [[nodiscard]] stun_check_code fingerprint() const noexcept { return static_cast<stun_check_code>(raw_.fingerprint); }
    [[nodiscard]] bool has_sha1() const noexcept { return raw_.has_sha1 != 0; }
    [[nodiscard]] bool has_sha256() const noexcept { return raw_.has_sha256 != 0; }
    [[nodiscard]] Attributes attributes() const noexcept { return Attributes(raw_); }
    /// The first attribute of a type that may be acted on.
    [[nodiscard]] std::optional<Attribute> find(std::uint16_t type) const noexcept {
        stun_wire_attribute raw{};
        if (stun_wire_find(&raw_, type, &raw) != STUN_OK) return std::nullopt;
        return Attribute(raw);
    }
    /// The address in an attribute of this message.
    [[nodiscard]] std::optional<Address> address(const Attribute &attribute) const noexcept {
        stun_addr raw{};
        if (stun_wire_address(&raw_, &attribute.c(), &raw) != STUN_OK) return std::nullopt;
        return Address(raw);
    }
    [[nodiscard]] std::optional<Address> address(std::uint16_t type) const noexcept {
        const auto attribute = find(type);
        return attribute ? address(*attribute) : std::nullopt;
    }
    [[nodiscard]] std::optional<ErrorCode> error() const noexcept {
        const auto attribute = find(0x0009);
        std::uint32_t code = 0;
        const std::uint8_t *reason = nullptr;
        std::size_t len = 0;
        if (!attribute || stun_wire_error(&attribute->c(), &code, &reason, &len) != STUN_OK) return std::nullopt;
        return ErrorCode{code, {reinterpret_cast<const char *>(reason), len}};
    }
    /// Checks a signature. `shortest` is 0, or the shortest truncated SHA-256 that your usage accepts.
    [[nodiscard]] Result<stun_check_code> check(Integrity integrity, const Key &key, std::size_t shortest = 0) const noexcept {
        std::uint32_t code = STUN_CHECK_ABSENT;
        const Status status = stun_wire_check(&raw_, static_cast<std::uint32_t>(integrity), key.c(), shortest, &code);
        return status ? Result<stun_check_code>(static_cast<stun_check_code>(code)) : status;
    }
    [[nodiscard]] const stun_wire_message &c() const noexcept { return raw_; }

private:
    Message() noexcept = default;
    stun_wire_message raw_{};
};

/// Writes a message into a buffer of yours, which must outlive it. A call that fails leaves the message as it
/// was. It moves and does not copy: two writers in one buffer would be a mistake.
class Builder {
public:
    [[nodiscard]] static Result<Builder> begin(Span<std::uint8_t> buffer, stun_wire_class message_class,
                                               std::uint16_t method, const TransactionId &id) noexcept {
        Builder builder;
        const Status status = stun_wire_begin(&builder.raw_, buffer.data(), buffer.size(),
                                              static_cast<std::uint32_t>(message_class), method, id.data());
        return status ? Result<Builder>(std::move(builder)) : status;
    }
    Builder(Builder &&other) noexcept : raw_(std::exchange(other.raw_, {})) {}
    Builder &operator=(Builder &&other) noexcept { return raw_ = std::exchange(other.raw_, {}), *this; }

    Status add(std::uint16_t type, Bytes value) noexcept { return stun_wire_add(&raw_, type, value.data(), value.size()); }
    Status add_text(std::uint16_t type, std::string_view value) noexcept { return add(type, bytes(value)); }
    Status add_address(std::uint16_t type, const Address &address) noexcept {
        return stun_wire_add_address(&raw_, type, &address.c());
    }
    Status add_error(std::uint32_t code, std::string_view reason) noexcept {
        return stun_wire_add_error(&raw_, code, bytes(reason).data(), reason.size());
    }
    /// `len` is 0 for the full length.
    Status sign(Integrity integrity, const Key &key, std::size_t len = 0) noexcept {
        return stun_wire_sign(&raw_, static_cast<std::uint32_t>(integrity), key.c(), len);
    }
    Status add_fingerprint() noexcept { return stun_wire_add_fingerprint(&raw_); }
    /// The message so far, which is complete after every call: a view of your buffer.
    [[nodiscard]] Bytes message() const noexcept { return Bytes(raw_.buf, raw_.len); }
    /// After STUN_E_BUFFER: the size that the message would have had.
    [[nodiscard]] std::size_t needed() const noexcept { return raw_.needed; }

private:
    Builder() noexcept = default;
    stun_wire_builder raw_{};
};

/// The library's version, such as "0.1.0".
[[nodiscard]] inline std::string_view version() noexcept { return stun_version(); }
/// Whether the library at hand is one that this header was made for.
[[nodiscard]] inline bool is_compatible() noexcept { return stun_abi_version() == STUN_ABI_VERSION; }

// --- Longer bodies ------------------------------------------------------------------------------------------

inline std::string Address::to_string() const {
    char text[32];
    if (is_v4()) {
        std::snprintf(text, sizeof text, "%u.%u.%u.%u:%u", unsigned{raw_.ip[0]}, unsigned{raw_.ip[1]},
                      unsigned{raw_.ip[2]}, unsigned{raw_.ip[3]}, unsigned{raw_.port});
        return text;
    }
    if (!is_v6()) return "none";
    // RFC 5952: the longest run of at least two zero groups, and the first of equals, becomes "::".
    const auto group = [this](std::size_t i) { return unsigned{raw_.ip[2 * i]} << 8 | raw_.ip[2 * i + 1]; };
    std::size_t run_at = 8, run = 1;
    for (std::size_t i = 0; i < 8; ++i) {
        std::size_t zeros = 0;
        while (i + zeros < 8 && group(i + zeros) == 0) ++zeros;
        if (zeros > run) run_at = i, run = zeros;
    }
    std::string out = "[";
    for (std::size_t i = 0; i < 8; ++i) {
        if (i == run_at) {
            out += "::";
            i += run - 1;
            continue;
        }
        std::snprintf(text, sizeof text, "%s%x", out.back() == ':' || i == 0 ? "" : ":", group(i));
        out += text;
    }
    if (raw_.scope_id != 0) out += '%' + std::to_string(raw_.scope_id);
    return out + "]:" + std::to_string(raw_.port);
}

inline decltype(Event::what) Event::of_relay(const stun_event &raw, std::optional<Duration> rtt,
                                             const Failure &failure) noexcept {
    const auto transport = static_cast<Transport>(raw.code);
    std::optional<std::array<std::uint8_t, 8>> token;
    switch (raw.kind) {
    case STUN_EV_ALLOCATED:
        if (raw.code == 1)
            for (std::size_t i = 0; i < 8; ++i) (i == 0 ? token.emplace() : *token)[i] = raw.token[i];
        return Allocated{raw.relayed, raw.additional, raw.addr, Duration(static_cast<Duration::rep>(raw.lifetime)), token, rtt};
    case STUN_EV_FAMILY_REFUSED: return FamilyRefused{raw.detail == 6, raw.code};
    case STUN_EV_PERMITTED: return Permitted{raw.peer};
    case STUN_EV_CHANNEL_BOUND: return ChannelBound{raw.peer, static_cast<std::uint16_t>(raw.detail)};
    case STUN_EV_PEER_REFUSED: return PeerRefused{raw.peer, raw.code};
    case STUN_EV_PEER_UNREACHABLE: return PeerUnreachable{raw.peer, raw.detail, raw.code, raw.count};
    case STUN_EV_LOST: return Lost{raw.relayed, failure, raw.detail == 1};
    case STUN_EV_CREDENTIALS_NEEDED:
        return CredentialsNeeded{static_cast<stun_credentials_need_code>(raw.code), stun::from_c(raw.at)};
    case STUN_EV_MOVED: return Moved{raw.addr};
    case STUN_EV_OPEN_CONNECTION:
        return OpenConnection{raw.index, raw.peer, raw.detail == 1, raw.addr, raw.previous, transport};
    case STUN_EV_CONNECTION_BOUND: return ConnectionBound{raw.index, raw.peer, raw.addr, raw.previous, transport};
    case STUN_EV_CONNECTION_FAILED: return ConnectionFailed{raw.peer, failure};
    case STUN_EV_CLOSED: return Closed{};
    case STUN_EV_RELAY_READY: return RelayReady{raw.relayed, raw.additional, raw.addr, rtt};
    case STUN_EV_RELAY_SELECTED: return RelaySelected{raw.relayed, raw.additional};
    case STUN_EV_MIGRATED:
        return Migrated{raw.index, raw.relayed, raw.additional, static_cast<stun_migration_code>(raw.detail), failure};
    case STUN_EV_PEER_UNSERVED: return PeerUnserved{raw.peer, static_cast<stun_unserved_code>(raw.detail)};
    case STUN_EV_RELAY_SUPERSEDED: return RelaySuperseded{raw.index};
    default: return Unknown{raw.kind};
    }
}

inline Event Event::from_c(const stun_event &raw) {
    const auto rtt = raw.rtt == STUN_NEVER ? std::optional<Duration>() : Duration(static_cast<Duration::rep>(raw.rtt));
    const Failure failure{static_cast<stun_failure_code>(raw.reason), raw.code, raw.count};
    const std::string name(raw.name == nullptr ? "" : raw.name, raw.name_len);
    Event event;
    event.id = raw.id;
    event.is_last = raw.is_last != 0;
    if (raw.relay != STUN_NO_RELAY) event.relay = raw.relay;
    if (raw.text != nullptr) event.text.assign(raw.text, raw.text_len);
    switch (raw.kind) {
    case STUN_EV_MAPPED: event.what = Mapped{raw.addr, rtt}; break;
    case STUN_EV_REFRESHED: event.what = Refreshed{raw.addr, rtt}; break;
    case STUN_EV_ADDRESS_CHANGED: event.what = AddressChanged{raw.addr, raw.previous, rtt}; break;
    case STUN_EV_RETRYING: event.what = Retrying{failure, stun::from_c(raw.at)}; break;
    case STUN_EV_FAILED: event.what = Failed{failure}; break;
    case STUN_EV_CLOSE: event.what = Close{raw.addr}; break;
    case STUN_EV_REDIRECTED: event.what = Redirected{raw.addr, raw.previous, raw.code == 1}; break;
    case STUN_EV_RESTARTED: event.what = Restarted{raw.addr, raw.previous}; break;
    case STUN_EV_RECONNECT: event.what = Reconnect{raw.addr, raw.previous, static_cast<Transport>(raw.code)}; break;
    case STUN_EV_ANSWER: event.what = Answered{raw.index, raw.server, raw.addr, rtt}; break;
    case STUN_EV_NO_ANSWER: event.what = Unanswered{raw.index, raw.server, failure}; break;
    case STUN_EV_SURVEYED:
        event.what = Surveyed{raw.count, raw.code, raw.index, static_cast<stun_mapping_code>(raw.detail)};
        break;
    case STUN_EV_RESOLVE: event.what = Resolve{raw.index, static_cast<stun_record_code>(raw.detail), name}; break;
    case STUN_EV_SERVERS: event.what = Servers{raw.count}; break;
    case STUN_EV_THROTTLED: event.what = Throttled{raw.addr}; break;
    case STUN_EV_AUTHENTICATION_FAILURES: event.what = AuthenticationFailures{raw.addr, raw.code == 1}; break;
    case STUN_EV_NAT_UNANSWERED: event.what = NatUnanswered{raw.server, name}; break;
    case STUN_EV_NAT_FOUND:
        event.what = NatFound{static_cast<stun_nat_property>(raw.index),
                              {static_cast<stun_nat_value>(raw.detail), static_cast<stun_nat_confidence>(raw.count),
                               static_cast<stun_nat_reason>(raw.reason), raw.code}};
        break;
    case STUN_EV_NAT_REPORT: event.what = NatFinished{raw.server, raw.addr}; break;
    default: event.what = of_relay(raw, rtt, failure); break;
    }
    return event;
}

/// Points a C configuration at a credential.
template <class Raw> void lend(const Credential &from, Raw &to) noexcept {
    to.username = bytes(from.username).data();
    to.username_len = from.username.size();
    to.password = bytes(from.password).data();
    to.password_len = from.password.size();
    to.integrity = static_cast<std::uint32_t>(from.integrity);
}

inline stun_binding_config BindingConfig::c() const noexcept {
    stun_binding_config raw = raw_;
    if (has_credential_) lend(credential_, raw);
    return raw;
}

inline stun_server_config ServerConfig::c() const noexcept {
    stun_server_config raw = raw_;
    raw.realm = bytes(realm_).data();
    raw.realm_len = realm_.size();
    if (has_credential_) lend(credential_, raw);
    return raw;
}

inline stun_server_config ServerConfig::c(std::vector<stun_user> &users) const {
    stun_server_config raw = c();
    users.clear();
    for (const Credential &user : users_)
        users.push_back({bytes(user.username).data(), user.username.size(), bytes(user.password).data(), user.password.size()});
    raw.users = users.data();
    raw.user_count = users.size();
    return raw;
}

/// A credential for C, which points into it.
inline stun_credentials to_c(const LongTermCredential &from, TimePoint expire) noexcept {
    stun_credentials raw{};
    raw.struct_size = sizeof raw;
    raw.flags = (from.require_sha256 ? std::uint32_t{STUN_CREDENTIAL_REQUIRE_SHA256} : 0u) |
                (from.require_anonymity ? std::uint32_t{STUN_CREDENTIAL_REQUIRE_ANONYMITY} : 0u);
    raw.username = bytes(from.username).data(), raw.username_len = from.username.size();
    raw.password = bytes(from.password).data(), raw.password_len = from.password.size();
    raw.expire = to_c(expire);
    return raw;
}

inline stun_allocation_config AllocationConfig::c(stun_credentials &credentials) const noexcept {
    stun_allocation_config raw = raw_;
    if (has_credential_) credentials = to_c(credential_, expire_), raw.credentials = &credentials;
    raw.peer_policy = static_cast<std::uint32_t>(peers_.code_);
    raw.peer_rules = peers_.rules_.data(), raw.peer_rule_count = peers_.rules_.size();
    return raw;
}

inline Status Agent::set_credentials(OperationId id, const LongTermCredential &credential, TimePoint at,
                                     TimePoint expire) noexcept {
    const stun_credentials raw = to_c(credential, expire);
    return stun_allocation_set_credentials(handle_.get(), id, &raw, to_c(at));
}

inline stun_relay_pool_config RelayPoolConfig::c(Parts &parts) const {
    stun_relay_pool_config raw = raw_;
    parts.credentials.assign(relays_.size(), {});
    parts.relays.clear(), parts.pointers.clear();
    parts.relays.reserve(relays_.size()); // pointed to
    for (std::size_t i = 0; i < relays_.size(); ++i) {
        parts.relays.push_back(relays_[i].c(parts.credentials[i]));
        parts.pointers.push_back(&parts.relays.back());
    }
    raw.relays = parts.pointers.data(), raw.relay_count = parts.pointers.size();
    return raw;
}

inline Status Agent::set_pool_credentials(OperationId id, std::size_t relay, const LongTermCredential &credential,
                                          TimePoint at, TimePoint expire) noexcept {
    const stun_credentials raw = to_c(credential, expire);
    return stun_relay_pool_set_credentials(handle_.get(), id, place(relay), &raw, to_c(at));
}

inline Result<RelayPoolInfo> Agent::relay_pool(OperationId id) const noexcept {
    stun_relay_pool_info raw{};
    raw.struct_size = sizeof raw;
    const Status status = stun_relay_pool_read(handle_.get(), id, &raw);
    if (!status) return status;
    RelayPoolInfo info{};
    if (raw.selected != STUN_NO_RELAY) info.selected = raw.selected;
    info.relays = raw.relay_count, info.ready = raw.ready_count;
    info.relayed = raw.relayed, info.additional = raw.additional;
    info.dropped_events = raw.dropped_events;
    return info;
}

inline Result<AllocationInfo> Agent::allocation(OperationId id) const noexcept {
    return allocation_info([&](stun_allocation_info *raw) { return stun_allocation_read(handle_.get(), id, raw); });
}

template <class Read> Result<AllocationInfo> Agent::allocation_info(Read read) noexcept {
    stun_allocation_info raw{};
    raw.struct_size = sizeof raw;
    const Status status = read(&raw);
    if (status != STUN_OK) return status;
    AllocationInfo info{raw.is_allocated == 1, raw.relayed, raw.additional, raw.mapped, raw.server, raw.local};
    info.transport = static_cast<Transport>(raw.transport);
    info.expires = from_c(raw.expires);
    if (raw.rtt != STUN_NEVER) info.rtt = Duration(static_cast<Duration::rep>(raw.rtt));
    info.dropped_events = raw.dropped_events;
    return info;
}

inline Status Agent::answer_services(OperationId id, QuestionId question, const std::vector<SrvRecord> &records,
                                     TimePoint at) {
    std::vector<stun_srv_record> raw;
    for (const SrvRecord &record : records)
        raw.push_back({record.priority, record.weight, record.port, 0, record.target.data(), record.target.size()});
    return stun_answer_services(handle_.get(), id, question, raw.data(), raw.size(), to_c(at));
}

inline Status Agent::answer_naptr(OperationId id, QuestionId question, const std::vector<NaptrRecord> &records,
                                  TimePoint at) {
    std::vector<stun_naptr_record> raw;
    for (const NaptrRecord &record : records)
        raw.push_back({record.order, record.preference, 0, record.flags.data(), record.flags.size(),
                       record.services.data(), record.services.size(), record.regexp.data(), record.regexp.size(),
                       record.replacement.data(), record.replacement.size()});
    return stun_answer_naptr(handle_.get(), id, question, raw.data(), raw.size(), to_c(at));
}

inline std::vector<DiscoveredServer> Agent::discovered_servers() const {
    std::vector<DiscoveredServer> all;
    stun_discovered raw{};
    for (raw.struct_size = sizeof raw; stun_discovered_server(handle_.get(), all.size(), &raw) == STUN_OK;
         raw.struct_size = sizeof raw)
        all.push_back({static_cast<Transport>(raw.transport), raw.addr, std::string(raw.host, raw.host_len)});
    return all;
}

inline void Agent::forward_log(void *user, std::uint32_t level, const char *text, std::size_t len) noexcept {
    (*static_cast<Log *>(user))(static_cast<stun_log_level>(level), std::string_view(text, len));
}

inline Result<Agent> Agent::create(TimePoint at, AgentConfig config) {
    Agent agent;
    stun_config raw{};
    raw.struct_size = sizeof raw;
    raw.max_operations = config.max_operations;
    raw.seed = config.seed ? config.seed->data() : nullptr;
    if (config.log) {
        agent.log_ = std::make_unique<Log>(std::move(config.log));
        raw.log = &forward_log; // noexcept: an exception must not travel through the library, so it ends here
        raw.log_user = agent.log_.get();
        raw.log_level = static_cast<std::uint32_t>(config.log_level);
    }
    stun_agent *handle = nullptr;
    const Status status = stun_agent_new(&raw, to_c(at), &handle);
    agent.handle_.reset(handle);
    return status ? Result<Agent>(std::move(agent)) : status;
}

inline std::string Agent::last_error() const {
    char text[256];
    std::size_t len = 0;
    if (stun_last_error(handle_.get(), text, sizeof text, &len) != STUN_OK) return {};
    return std::string(text, len < sizeof text ? len : sizeof text - 1);
}

} // inline namespace
} // namespace stun

#endif // STUN_HPP
