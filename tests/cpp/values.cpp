// Addresses, time, results, and the C helpers for sockets as C++ sees them.

#include <cstring>

#include "check.hpp"
#include "stun.hpp"
#include "stun_sockaddr.h"

using namespace std::chrono_literals;

namespace {

std::string formatted(const stun::Address &address) {
    char text[STUN_ADDR_TEXT_SIZE];
    stun_addr_format(&address.c(), text, sizeof text);
    return text;
}

stun::Address v6_of(const char *text, std::uint32_t scope = 0) {
    in6_addr raw{};
    inet_pton(AF_INET6, text, &raw);
    std::array<std::uint8_t, 16> ip{};
    std::memcpy(ip.data(), &raw, ip.size());
    return stun::Address::v6(ip, 3478, scope);
}

} // namespace

TEST(addresses_are_values) {
    const auto a = stun::Address::v4({192, 0, 2, 1}, 3478);
    stun::Address b = a;
    CHECK(a == b && a && !stun::Address() && a.is_v4() && !a.is_v6() && a.port() == 3478 && a.ip().size() == 4);
    b = stun::Address::v4({192, 0, 2, 1}, 3479);
    stun_addr untidy = a.c();
    untidy.ip[15] = 1;
    CHECK(a == stun::Address(untidy));
    CHECK(a != b && a != v6_of("::ffff:192.0.2.1") && v6_of("::1").ip().size() == 16);
}

TEST(both_formatters_agree) {
    CHECK(formatted({}) == "none" && stun::Address().to_string() == "none");
    const stun::Address v4 = stun::Address::v4({192, 0, 2, 255}, 65535);
    CHECK(v4.to_string() == "192.0.2.255:65535" && formatted(v4) == v4.to_string());
    for (const char *text : {"2001:db8::1", "::", "::1", "1::", "fe80::1:0:0:1", "1:0:2:0:3:0:4:0", "0:0:1::", "1:2:3:4:5:6:7:8",
                             "1:0:0:2::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}) {
        CHECK(v6_of(text).to_string() == "[" + std::string(text) + "]:3478");
        CHECK(formatted(v6_of(text)) == v6_of(text).to_string());
    }
    CHECK(v6_of("fe80::1", 4294967295u).to_string() == "[fe80::1%4294967295]:3478");
    CHECK(formatted(v6_of("fe80::1", 3)) == "[fe80::1%3]:3478");
}

TEST(formatter_cuts_and_counts_like_snprintf) {
    const stun_addr address = stun::Address::v4({192, 0, 2, 1}, 3478).c();
    volatile std::size_t small = 5; // or the compiler sees, and rightly says, that the text will be cut
    std::vector<char> text(small);
    CHECK(stun_addr_format(&address, text.data(), small) == 14 && std::string(text.data()) == "192.");
    CHECK(stun_addr_format(&address, nullptr, small) == 14 && stun_addr_format(nullptr, text.data(), small) == 4);
}

TEST(socket_addresses_survive_the_round_trip_at_any_alignment) {
    for (const auto &address : {stun::Address::v4({192, 0, 2, 1}, 3478), v6_of("fe80::1", 3)}) {
        sockaddr_storage storage{};
        socklen_t len = 0;
        CHECK(stun_addr_to_sockaddr_storage(&address.c(), &storage, &len) == STUN_OK);
        unsigned char bytes[sizeof storage + 1];
        std::memcpy(bytes + 1, &storage, sizeof storage);
        stun_addr back{};
        const void *odd = bytes + 1;
        CHECK(stun_sockaddr_to_addr(static_cast<const sockaddr *>(odd), len, &back) == STUN_OK && address == back);
        CHECK(stun::Address::from_sockaddr(odd, len) == address); // the library's own conversion agrees
        sockaddr_storage other{};
        CHECK(address.to_sockaddr(&other, sizeof other) == std::size_t{len} && std::memcmp(&storage, &other, len) == 0);
        CHECK(stun_sockaddr_to_addr(static_cast<const sockaddr *>(odd), len - 1, &back) == STUN_E_INVALID);
        CHECK(!stun::Address::from_sockaddr(odd, len - 1u) && !address.to_sockaddr(&other, 3));
    }
}

TEST(socket_helpers_refuse_what_makes_no_sense) {
    sockaddr_storage storage{};
    socklen_t len = 77;
    stun_addr out{}, none{};
    storage.ss_family = AF_UNIX;
    const auto *raw = reinterpret_cast<const sockaddr *>(&storage);
    CHECK(stun_sockaddr_to_addr(raw, sizeof storage, &out) == STUN_E_INVALID);
    for (socklen_t size = 0; size < 16; ++size) CHECK(stun_sockaddr_to_addr(raw, size, &out) == STUN_E_INVALID);
    CHECK(stun_sockaddr_to_addr(nullptr, 16, &out) == STUN_E_NULL && stun_sockaddr_to_addr(raw, 16, nullptr) == STUN_E_NULL);
    CHECK(stun_addr_to_sockaddr_storage(&none, &storage, &len) == STUN_E_INVALID && len == 77);
    CHECK(stun_addr_to_sockaddr_storage(nullptr, &storage, &len) == STUN_E_NULL);
}

TEST(milliseconds_round_up) {
    CHECK(stun_poll_milliseconds(STUN_NEVER, 0) == -1 && stun_poll_milliseconds(5, 5) == 0);
    CHECK(stun_poll_milliseconds(4, 5) == 0 && stun_poll_milliseconds(1, 0) == 1);
    CHECK(stun_poll_milliseconds(1000000, 0) == 1 && stun_poll_milliseconds(1000001, 0) == 2);
    CHECK(stun_poll_milliseconds(STUN_NEVER - 1, 0) == INT_MAX);
    const stun::TimePoint at{5s};
    CHECK(stun::poll_milliseconds(stun::never, at) == -1 && stun::poll_milliseconds(at - 1ns, at) == 0);
    CHECK(stun::poll_milliseconds(at + 1ns, at) == 1 && stun::poll_milliseconds(at + 1ms, at) == 1);
    CHECK(stun::poll_milliseconds(stun::TimePoint::max() - 1ns, stun::TimePoint::min()) == INT_MAX);
}

TEST(time_maps_onto_the_c_clock) {
    CHECK(stun::to_c(stun::never) == STUN_NEVER && stun::from_c(STUN_NEVER) == stun::never);
    CHECK(stun::to_c(stun::TimePoint(-1s)) == 0 && stun::from_c(7) == stun::TimePoint(7ns));
    CHECK(stun::from_c(STUN_NEVER / 2 + 9) == stun::never); // beyond 292 years
    const auto before = stun::now();
    CHECK(before > stun::TimePoint() && stun::now() >= before);
}

TEST(errno_has_a_meaning) {
    CHECK(stun_send_error_from_errno(ENETUNREACH) == STUN_SEND_NO_ROUTE);
    CHECK(stun_send_error_from_errno(EAFNOSUPPORT) == STUN_SEND_NO_FAMILY);
    CHECK(stun_send_error_from_errno(EPERM) == STUN_SEND_NOT_PERMITTED);
    CHECK(stun_send_error_from_errno(ECONNREFUSED) == STUN_SEND_REFUSED);
    CHECK(stun_send_error_from_errno(EMSGSIZE) == STUN_SEND_TOO_LARGE);
    CHECK(stun_send_error_from_errno(EPIPE) == STUN_SEND_CLOSED);
    for (int soft : {EAGAIN, ENOBUFS, EINTR, 0, -1, 123456}) CHECK(stun_send_error_from_errno(soft) == STUN_SEND_TRANSIENT);
}

#if defined(__cpp_exceptions)
TEST(unwrap_throws_the_status) {
    CHECK(stun::unwrap(stun::Key::short_term("x")).c() != nullptr);
    try {
        (void)stun::unwrap(stun::Message::parse({}));
        CHECK(false);
    } catch (const stun::Error &error) {
        CHECK(error.status() == STUN_IGNORED && std::string(error.what()) == "STUN_IGNORED");
    }
}
#endif

TEST(library_is_the_headers) {
    CHECK(stun::is_compatible() && !stun::version().empty());
}
