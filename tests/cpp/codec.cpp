// The codec: messages, keys, frames, ChannelData.

#include <algorithm>
#include <type_traits>

#include "check.hpp"
#include "stun.hpp"

namespace {

constexpr std::uint16_t USERNAME = 0x0006, SOFTWARE = 0x8022, XOR_MAPPED = 0x0020, ALTERNATE = 0x8023;
const stun::TransactionId id{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
const stun::Address address = stun::Address::v6({0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 3478);

static_assert(!std::is_copy_constructible_v<stun::Key> && std::is_move_constructible_v<stun::Key>);
static_assert(!std::is_copy_constructible_v<stun::Builder> && std::is_move_constructible_v<stun::Builder>);
static_assert(std::is_trivially_copyable_v<stun::Message>);

/// A signed response, written into `room`.
stun::Bytes response(stun::Span<std::uint8_t> room, const stun::Key &key) {
    auto builder = stun::Builder::begin(room, STUN_WIRE_SUCCESS_RESPONSE, 1, id);
    const bool is_done = builder && builder->add_text(SOFTWARE, "a test") && builder->add_address(XOR_MAPPED, address) &&
                         builder->sign(stun::Integrity::sha1, key) && builder->sign(stun::Integrity::sha256, key) &&
                         builder->add_fingerprint();
    return is_done ? builder->message() : stun::Bytes();
}

} // namespace

TEST(message_survives_the_round_trip) {
    std::array<std::uint8_t, 256> room{};
    const auto key = stun::Key::short_term("s3cret");
    CHECK(key);
    const auto bytes = response(room, *key);
    const auto message = stun::Message::parse(bytes);
    CHECK(message && message->message_class() == STUN_WIRE_SUCCESS_RESPONSE && message->method() == 1);
    CHECK(message->id() == id && message->fingerprint() == STUN_CHECK_VALID);
    CHECK(message->has_sha1() && message->has_sha256());
    CHECK(message->address(XOR_MAPPED) == address && !message->address(SOFTWARE) && !message->address(ALTERNATE));
    CHECK(message->find(SOFTWARE)->text() == "a test" && !message->find(USERNAME) && !message->error());
}

TEST(range_walks_attributes_in_their_order) {
    std::array<std::uint8_t, 256> room{};
    const auto key = stun::Key::short_term("s3cret");
    const auto bytes = response(room, *key);
    std::string names;
    for (const stun::Attribute &attribute : stun::Message::parse(bytes)->attributes()) names += attribute.name() + " ";
    CHECK(names == "SOFTWARE XOR-MAPPED-ADDRESS MESSAGE-INTEGRITY MESSAGE-INTEGRITY-SHA256 FINGERPRINT ");
    const auto attributes = stun::Message::parse(bytes)->attributes();
    CHECK(std::distance(attributes.begin(), attributes.end()) == 5);
    auto at = attributes.begin();
    CHECK(at++->type() == SOFTWARE && at->type() == XOR_MAPPED && at->is_covered() && at->offset() == 32);
    CHECK(std::count_if(attributes.begin(), attributes.end(), [](const auto &a) { return a.type() < 0x8000; }) == 3);
}

TEST(message_without_attributes_is_an_empty_range) {
    std::array<std::uint8_t, 20> room{};
    const auto builder = stun::Builder::begin(room, STUN_WIRE_REQUEST, 1, id);
    CHECK(builder && builder->message().size() == 20);
    const auto message = stun::Message::parse(builder->message());
    CHECK(message && message->attributes().begin() == message->attributes().end());
}

TEST(signature_holds_for_its_key_only) {
    std::array<std::uint8_t, 256> room{};
    const auto right = stun::Key::short_term("s3cret"), wrong = stun::Key::short_term("secret");
    const auto bytes = response(room, *right);
    const auto message = stun::Message::parse(bytes);
    for (const auto kind : {stun::Integrity::sha1, stun::Integrity::sha256}) {
        CHECK(*message->check(kind, *right) == STUN_CHECK_VALID);
        CHECK(*message->check(kind, *wrong) == STUN_CHECK_INVALID);
    }
    CHECK(!message->check(stun::Integrity::both, *right));
    room[25] ^= 1; // inside the covered text: the view is of these bytes
    CHECK(*message->check(stun::Integrity::sha1, *right) == STUN_CHECK_INVALID);
}

TEST(long_term_keys_differ_by_algorithm_and_realm) {
    std::array<std::uint8_t, 256> room{};
    const auto md5 = stun::Key::long_term_md5("user", "realm", "pass");
    const auto sha256 = stun::Key::long_term_sha256("user", "realm", "pass");
    const auto other = stun::Key::long_term_md5("user", "moor", "pass");
    CHECK(md5 && sha256 && other);
    const auto bytes = response(room, *md5);
    const auto message = stun::Message::parse(bytes);
    CHECK(*message->check(stun::Integrity::sha1, *md5) == STUN_CHECK_VALID);
    CHECK(*message->check(stun::Integrity::sha1, *sha256) == STUN_CHECK_INVALID);
    CHECK(*message->check(stun::Integrity::sha1, *other) == STUN_CHECK_INVALID);
}

TEST(moved_key_goes_on_and_its_shell_answers_null) {
    std::array<std::uint8_t, 256> room{};
    auto key = *stun::Key::short_term("s3cret");
    const stun::Key moved = std::move(key);
    const auto bytes = response(room, moved);
    const auto message = stun::Message::parse(bytes);
    CHECK(message && *message->check(stun::Integrity::sha1, moved) == STUN_CHECK_VALID);
    // The shell is used on purpose: it must be harmless.
    CHECK(message->check(stun::Integrity::sha1, key).status() == STUN_E_NULL);
}

TEST(builder_says_how_much_room_it_needs_and_keeps_what_it_has) {
    std::array<std::uint8_t, 32> small{};
    auto builder = stun::Builder::begin(small, STUN_WIRE_REQUEST, 1, id);
    CHECK(builder && builder->add_text(SOFTWARE, "abc"));
    const std::size_t before = builder->message().size();
    CHECK(builder->add_text(SOFTWARE, "twelve bytes") == STUN_E_BUFFER && builder->needed() == before + 16);
    CHECK(builder->message().size() == before && stun::Message::parse(builder->message()));
    CHECK(builder->add_fingerprint() == STUN_E_BUFFER);
    CHECK(stun::Builder::begin(stun::Span<std::uint8_t>(small.data(), 19), STUN_WIRE_REQUEST, 1, id).status() == STUN_E_BUFFER);
    CHECK(stun::Builder::begin(small, STUN_WIRE_REQUEST, 0x1000, id).status() == STUN_E_INVALID);
}

TEST(moved_builder_goes_on_and_its_shell_is_empty) {
    std::array<std::uint8_t, 64> room{};
    auto first = stun::Builder::begin(room, STUN_WIRE_ERROR_RESPONSE, 1, id);
    CHECK(first);
    stun::Builder second = *std::move(first);
    CHECK(second.add_error(420, "Unknown Attribute") && !first->add_error(420, "") && first->message().empty());
    const auto error = stun::Message::parse(second.message())->error();
    CHECK(error && error->code == 420 && error->reason == "Unknown Attribute");
    CHECK(second.add_error(200, "") == STUN_E_INVALID);
}

TEST(parser_tells_garbage_from_malformed) {
    CHECK(stun::Message::parse({}).status() == STUN_IGNORED);
    CHECK(stun::Message::parse(stun::bytes("no STUN at all, but long enough")).status() == STUN_IGNORED);
    const std::array<std::uint8_t, 24> longer{0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42};
    CHECK(stun::Message::parse(longer).status() == STUN_E_INVALID);
    const stun::Result<stun::Message> result = stun::Message::parse({});
    CHECK(!result.status().is_misuse());
}

TEST(classify_tells_protocols_apart) {
    const std::array<std::uint8_t, 20> stun_bytes{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};
    const std::array<std::uint8_t, 13> dtls{22, 254, 253};
    CHECK(stun::classify(stun_bytes) == STUN_PROTOCOL_STUN && stun::classify(dtls) == STUN_PROTOCOL_DTLS);
    CHECK(stun::classify({}) == STUN_PROTOCOL_UNKNOWN);
}

TEST(frames_are_cut_from_a_stream) {
    const std::array<std::uint8_t, 20> whole{0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42};
    const auto known = stun::frame_length(whole);
    CHECK(known.status && known.length == 28 && !known.is_in(whole));
    const auto more = stun::frame_length(stun::Bytes(whole.data(), 1));
    CHECK(more.status == STUN_EMPTY && more.length > 1);
    CHECK(stun::frame_length(stun::bytes("\xff\xff\xff\xff")).status == STUN_E_INVALID);
}

TEST(channel_data_survives_the_round_trip) {
    std::array<std::uint8_t, 16> room{};
    const stun::ChannelData data{0x4001, stun::bytes("hello")};
    const auto datagram = data.write(room), frame = data.write(room, true);
    CHECK(datagram && *datagram == 9 && frame && *frame == 12);
    const auto parsed = stun::ChannelData::parse(stun::Bytes(room.data(), 12), true);
    CHECK(parsed && parsed->channel == 0x4001 && std::string(parsed->payload.begin(), parsed->payload.end()) == "hello");
    CHECK(!stun::ChannelData::parse(stun::bytes("x")) && !stun::ChannelData{1, {}}.write(room));
    CHECK(data.write(stun::Span<std::uint8_t>(room.data(), 8)).status() == STUN_E_BUFFER);
}

TEST(names_are_the_rfcs) {
    CHECK(stun::attribute_name(XOR_MAPPED) == "XOR-MAPPED-ADDRESS" && stun::attribute_name(0x7fff).empty());
    CHECK(stun::method_name(1) == "Binding" && stun::method_name(0xfff).empty());
}
