/* Misuse of the codec: NULL in each place, impossible lengths and numbers. Whatever is refused writes
 * nothing. */

#include "check.h"
#include "stun.h"

#define HUGE_LEN (SIZE_MAX / 2 + 1)

static const uint8_t byte[20] = { 0 };
static stun_key *key;
static stun_wire_message message;
static stun_wire_builder builder;
static uint8_t buf[64];

static void make_them(void)
{
    CHECK_EQ(stun_key_new(STUN_KEY_SHORT_TERM, NULL, 0, NULL, 0, byte, 3, &key), STUN_OK);
    CHECK_EQ(stun_wire_begin(&builder, buf, sizeof buf, STUN_WIRE_REQUEST, 1, byte), STUN_OK);
    CHECK_EQ(stun_wire_add(&builder, 0x8022, byte, 3), STUN_OK);
    CHECK_EQ(stun_wire_parse(buf, builder.len, &message), STUN_OK);
}

static void keys(void)
{
    stun_key *made;
    memset(&made, DIRT, sizeof made);
    CHECK_EQ(stun_key_new(0, NULL, 0, NULL, 0, NULL, 0, NULL), STUN_E_NULL);
    CHECK_EQ(stun_key_new(0, NULL, 1, NULL, 0, NULL, 0, &made), STUN_E_NULL);
    CHECK_EQ(stun_key_new(0, NULL, 0, NULL, 1, NULL, 0, &made), STUN_E_NULL);
    CHECK_EQ(stun_key_new(0, NULL, 0, NULL, 0, NULL, 1, &made), STUN_E_NULL);
    CHECK_EQ(stun_key_new(0, byte, SIZE_MAX, NULL, 0, NULL, 0, &made), STUN_E_INVALID);
    CHECK_EQ(stun_key_new(0, NULL, 0, byte, HUGE_LEN, NULL, 0, &made), STUN_E_INVALID);
    CHECK_EQ(stun_key_new(0, NULL, 0, NULL, 0, byte, HUGE_LEN, &made), STUN_E_INVALID);
    CHECK_EQ(stun_key_new(3, NULL, 0, NULL, 0, NULL, 0, &made), STUN_E_INVALID);
    CHECK_EQ(stun_key_new(UINT32_MAX, NULL, 0, NULL, 0, NULL, 0, &made), STUN_E_INVALID);
    CHECK(is_dirty(&made, sizeof made));
    CHECK_EQ(stun_key_new(STUN_KEY_LONG_TERM_SHA256, NULL, 0, NULL, 0, NULL, 0, &made), STUN_OK);
    stun_key_free(made);
    stun_key_free(NULL);
}

static void building(void)
{
    stun_wire_builder untouched, before = builder;
    stun_addr address;
    memset(&untouched, DIRT, sizeof untouched);
    memset(&address, 0, sizeof address);
    CHECK_EQ(stun_wire_begin(NULL, buf, sizeof buf, 0, 1, byte), STUN_E_NULL);
    CHECK_EQ(stun_wire_begin(&untouched, NULL, 1, 0, 1, byte), STUN_E_NULL);
    CHECK_EQ(stun_wire_begin(&untouched, buf, sizeof buf, 0, 1, NULL), STUN_E_NULL);
    CHECK_EQ(stun_wire_begin(&untouched, buf, SIZE_MAX, 0, 1, byte), STUN_E_INVALID);
    CHECK_EQ(stun_wire_begin(&untouched, buf, sizeof buf, 4, 1, byte), STUN_E_INVALID);
    CHECK_EQ(stun_wire_begin(&untouched, buf, sizeof buf, 0, 0x1000, byte), STUN_E_INVALID);
    CHECK(is_dirty(&untouched, sizeof untouched));
    CHECK_EQ(stun_wire_add(NULL, 0x8022, byte, 1), STUN_E_NULL);
    CHECK_EQ(stun_wire_add(&builder, 0x8022, NULL, 1), STUN_E_NULL);
    CHECK_EQ(stun_wire_add(&builder, 0x8022, byte, SIZE_MAX), STUN_E_INVALID);
    CHECK_EQ(stun_wire_add_address(NULL, 0x0020, &address), STUN_E_NULL);
    CHECK_EQ(stun_wire_add_address(&builder, 0x0020, NULL), STUN_E_NULL);
    CHECK_EQ(stun_wire_add_address(&builder, 0x0020, &address), STUN_E_INVALID); /* family 0 */
    address.family = 4;
    CHECK_EQ(stun_wire_add_address(&builder, 0x8022, &address), STUN_E_INVALID);
    CHECK_EQ(stun_wire_add_error(NULL, 400, NULL, 0), STUN_E_NULL);
    CHECK_EQ(stun_wire_add_error(&builder, 400, NULL, 1), STUN_E_NULL);
    CHECK_EQ(stun_wire_add_error(&builder, 400, byte, HUGE_LEN), STUN_E_INVALID);
    CHECK_EQ(stun_wire_sign(NULL, STUN_INTEGRITY_SHA1, key, 0), STUN_E_NULL);
    CHECK_EQ(stun_wire_sign(&builder, STUN_INTEGRITY_SHA1, NULL, 0), STUN_E_NULL);
    CHECK_EQ(stun_wire_sign(&builder, STUN_INTEGRITY_BOTH, key, 0), STUN_E_INVALID);
    CHECK_EQ(stun_wire_sign(&builder, 3, key, 0), STUN_E_INVALID);
    CHECK_EQ(stun_wire_sign(&builder, STUN_INTEGRITY_SHA1, key, 16), STUN_E_INVALID);
    CHECK_EQ(stun_wire_sign(&builder, STUN_INTEGRITY_SHA256, key, SIZE_MAX), STUN_E_INVALID);
    CHECK_EQ(stun_wire_add_fingerprint(NULL), STUN_E_NULL);
    CHECK(builder.len == before.len && builder.needed == before.len && builder.cap == before.cap);
}

/* Plain data, so a host can make up any of it. */
static void made_up_builders(void)
{
    stun_wire_builder zeros, dirt;
    memset(&zeros, 0, sizeof zeros);
    CHECK_EQ(stun_wire_add(&zeros, 0x8022, byte, 1), STUN_E_STATE);
    CHECK_EQ(stun_wire_add_fingerprint(&zeros), STUN_E_STATE);
    dirt = builder;
    dirt.cap = SIZE_MAX;
    CHECK_EQ(stun_wire_add(&dirt, 0x8022, byte, 1), STUN_E_INVALID);
    dirt.cap = 8;
    CHECK_EQ(stun_wire_add(&dirt, 0x8022, byte, 1), STUN_E_STATE);
}

static void framing(void)
{
    uint32_t protocol;
    size_t length, payload_len;
    uint16_t channel;
    const uint8_t *payload;
    memset(&protocol, DIRT, sizeof protocol), memset(&length, DIRT, sizeof length);
    CHECK_EQ(stun_classify(byte, 1, NULL), STUN_E_NULL);
    CHECK_EQ(stun_classify(NULL, 1, &protocol), STUN_E_NULL);
    CHECK_EQ(stun_classify(byte, SIZE_MAX, &protocol), STUN_E_INVALID);
    CHECK_EQ(stun_frame_length(byte, 1, NULL), STUN_E_NULL);
    CHECK_EQ(stun_frame_length(NULL, 1, &length), STUN_E_NULL);
    CHECK_EQ(stun_frame_length(byte, HUGE_LEN, &length), STUN_E_INVALID);
    CHECK_EQ(stun_channel_data_parse(NULL, 1, 0, &channel, &payload, &payload_len), STUN_E_NULL);
    CHECK_EQ(stun_channel_data_parse(byte, 4, 0, NULL, &payload, &payload_len), STUN_E_NULL);
    CHECK_EQ(stun_channel_data_parse(byte, 4, 0, &channel, NULL, &payload_len), STUN_E_NULL);
    CHECK_EQ(stun_channel_data_parse(byte, 4, 0, &channel, &payload, NULL), STUN_E_NULL);
    CHECK_EQ(stun_channel_data_parse(byte, SIZE_MAX, 0, &channel, &payload, &payload_len), STUN_E_INVALID);
    CHECK_EQ(stun_channel_data_write(NULL, 1, 0x4000, byte, 1, 0, &length), STUN_E_NULL);
    CHECK_EQ(stun_channel_data_write(buf, 8, 0x4000, NULL, 1, 0, &length), STUN_E_NULL);
    CHECK_EQ(stun_channel_data_write(buf, 8, 0x4000, byte, 1, 0, NULL), STUN_E_NULL);
    CHECK_EQ(stun_channel_data_write(buf, SIZE_MAX, 0x4000, byte, 1, 0, &length), STUN_E_INVALID);
    CHECK_EQ(stun_channel_data_write(buf, 8, 0x4000, byte, SIZE_MAX, 0, &length), STUN_E_INVALID);
    CHECK(is_dirty(&protocol, sizeof protocol) && is_dirty(&length, sizeof length));
}

static void reading(void)
{
    stun_wire_message parsed;
    stun_wire_attribute attribute;
    stun_addr address;
    uint32_t cursor = 0, code, verdict;
    memset(&parsed, DIRT, sizeof parsed), memset(&attribute, DIRT, sizeof attribute);
    memset(&address, DIRT, sizeof address), memset(&code, DIRT, sizeof code), memset(&verdict, DIRT, sizeof verdict);
    CHECK_EQ(stun_wire_parse(byte, 20, NULL), STUN_E_NULL);
    CHECK_EQ(stun_wire_parse(NULL, 20, &parsed), STUN_E_NULL);
    CHECK_EQ(stun_wire_parse(byte, SIZE_MAX, &parsed), STUN_E_INVALID);
    CHECK_EQ(stun_wire_next(NULL, &cursor, &attribute), STUN_E_NULL);
    CHECK_EQ(stun_wire_next(&message, NULL, &attribute), STUN_E_NULL);
    CHECK_EQ(stun_wire_next(&message, &cursor, NULL), STUN_E_NULL);
    CHECK_EQ(cursor, 0);
    CHECK_EQ(stun_wire_find(NULL, 1, &attribute), STUN_E_NULL);
    CHECK_EQ(stun_wire_find(&message, 1, NULL), STUN_E_NULL);
    CHECK_EQ(stun_wire_check(NULL, STUN_INTEGRITY_SHA1, key, 0, &verdict), STUN_E_NULL);
    CHECK_EQ(stun_wire_check(&message, STUN_INTEGRITY_SHA1, NULL, 0, &verdict), STUN_E_NULL);
    CHECK_EQ(stun_wire_check(&message, STUN_INTEGRITY_SHA1, key, 0, NULL), STUN_E_NULL);
    CHECK_EQ(stun_wire_check(&message, STUN_INTEGRITY_BOTH, key, 0, &verdict), STUN_E_INVALID);
    CHECK_EQ(stun_wire_check(&message, UINT32_MAX, key, 0, &verdict), STUN_E_INVALID);
    CHECK_EQ(stun_wire_check(&message, STUN_INTEGRITY_SHA256, key, 33, &verdict), STUN_E_INVALID);
    CHECK(is_dirty(&parsed, sizeof parsed) && is_dirty(&attribute, sizeof attribute) && is_dirty(&verdict, sizeof verdict));
    CHECK_EQ(stun_wire_find(&message, 0x8022, &attribute), STUN_OK);
    CHECK_EQ(stun_wire_address(NULL, &attribute, &address), STUN_E_NULL);
    CHECK_EQ(stun_wire_address(&message, NULL, &address), STUN_E_NULL);
    CHECK_EQ(stun_wire_address(&message, &attribute, NULL), STUN_E_NULL);
    attribute.attribute_type = 0x0009;
    CHECK_EQ(stun_wire_error(NULL, &code, NULL, NULL), STUN_E_NULL);
    CHECK_EQ(stun_wire_error(&attribute, NULL, NULL, NULL), STUN_E_NULL);
    CHECK(is_dirty(&address, sizeof address) && is_dirty(&code, sizeof code));
}

static void half_a_place_for_a_phrase(void)
{
    static const uint8_t value[4] = { 0, 0, 4, 1 };
    const uint8_t *reason;
    uint32_t code;
    stun_wire_attribute attribute;
    memset(&reason, DIRT, sizeof reason), memset(&code, DIRT, sizeof code), memset(&attribute, 0, sizeof attribute);
    attribute.attribute_type = 0x0009, attribute.value = value, attribute.len = 4;
    CHECK_EQ(stun_wire_error(&attribute, &code, &reason, NULL), STUN_E_NULL);
    attribute.value = NULL;
    CHECK_EQ(stun_wire_error(&attribute, &code, NULL, NULL), STUN_E_NULL);
    CHECK(is_dirty(&code, sizeof code) && is_dirty(&reason, sizeof reason));
}

static void made_up_messages(void)
{
    stun_wire_message zeros;
    stun_wire_attribute attribute;
    uint32_t cursor = 0, verdict;
    memset(&zeros, 0, sizeof zeros), memset(&attribute, DIRT, sizeof attribute), memset(&verdict, DIRT, sizeof verdict);
    CHECK_EQ(stun_wire_next(&zeros, &cursor, &attribute), STUN_EMPTY);
    CHECK_EQ(stun_wire_find(&zeros, 1, &attribute), STUN_E_INVALID);
    CHECK_EQ(stun_wire_check(&zeros, STUN_INTEGRITY_SHA1, key, 0, &verdict), STUN_E_INVALID);
    zeros.len = 20;
    CHECK_EQ(stun_wire_next(&zeros, &cursor, &attribute), STUN_E_NULL);
    zeros.data = byte, zeros.len = SIZE_MAX;
    CHECK_EQ(stun_wire_find(&zeros, 1, &attribute), STUN_E_INVALID);
    CHECK(is_dirty(&attribute, sizeof attribute) && is_dirty(&verdict, sizeof verdict));
}

static void names_and_socket_addresses(void)
{
    char text[8];
    size_t len;
    stun_addr address;
    memset(text, DIRT, sizeof text), memset(&len, DIRT, sizeof len), memset(&address, DIRT, sizeof address);
    CHECK_EQ(stun_wire_attribute_name(1, NULL, 1, &len), STUN_E_NULL);
    CHECK_EQ(stun_wire_attribute_name(1, text, sizeof text, NULL), STUN_E_NULL);
    CHECK_EQ(stun_wire_attribute_name(1, text, SIZE_MAX, &len), STUN_E_INVALID);
    CHECK_EQ(stun_wire_method_name(1, NULL, 1, &len), STUN_E_NULL);
    CHECK_EQ(stun_wire_method_name(1, text, sizeof text, NULL), STUN_E_NULL);
    CHECK_EQ(stun_wire_method_name(UINT16_MAX, text, sizeof text, &len), STUN_EMPTY);
    CHECK_EQ(stun_addr_from_sockaddr(NULL, 16, &address), STUN_E_NULL);
    CHECK_EQ(stun_addr_from_sockaddr(byte, sizeof byte, NULL), STUN_E_NULL);
    CHECK_EQ(stun_addr_from_sockaddr(byte, SIZE_MAX, &address), STUN_E_INVALID);
    CHECK(is_dirty(&address, sizeof address));
    CHECK_EQ(stun_addr_to_sockaddr(NULL, text, sizeof text, &len), STUN_E_NULL);
    CHECK_EQ(stun_addr_to_sockaddr(&address, text, sizeof text, &len), STUN_E_INVALID);
    address.family = 4;
    CHECK_EQ(stun_addr_to_sockaddr(&address, NULL, 1, &len), STUN_E_NULL);
    CHECK_EQ(stun_addr_to_sockaddr(&address, text, sizeof text, NULL), STUN_E_NULL);
    CHECK_EQ(stun_addr_to_sockaddr(&address, text, SIZE_MAX, &len), STUN_E_INVALID);
    CHECK(is_dirty(text, sizeof text) && is_dirty(&len, sizeof len));
}

int main(void)
{
    make_them();
    keys();
    building();
    made_up_builders();
    framing();
    reading();
    half_a_place_for_a_phrase();
    made_up_messages();
    names_and_socket_addresses();
    stun_key_free(key);
    return check_report();
}
