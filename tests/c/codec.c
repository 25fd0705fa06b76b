/* Reading and writing messages without an agent. tests/c/vectors.c does it to whole files of messages. */

#include "check.h"
#include "stun.h"

#define XOR_MAPPED_ADDRESS 0x0020
#define ERROR_CODE 0x0009
#define SOFTWARE 0x8022

static const uint8_t ID[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };

static stun_key *key_of(const char *password)
{
    stun_key *key = NULL;
    CHECK_EQ(stun_key_new(STUN_KEY_SHORT_TERM, NULL, 0, NULL, 0, (const uint8_t *)password, strlen(password), &key), STUN_OK);
    return key;
}

static stun_addr some_address(uint8_t family)
{
    static const uint8_t ip[16] = { 0xfe, 0x80, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 };
    stun_addr address;
    memset(&address, 0, sizeof address);
    address.family = family;
    address.port = 32853;
    memcpy(address.ip, ip, family == 4 ? 4 : 16);
    return address;
}

static stun_wire_builder begin(uint8_t *buf, size_t cap, uint32_t message_class)
{
    stun_wire_builder builder;
    memset(&builder, DIRT, sizeof builder);
    CHECK_EQ(stun_wire_begin(&builder, buf, cap, message_class, 1, ID), STUN_OK);
    CHECK(builder.buf == buf && builder.cap == cap && builder.len == 20 && builder.needed == 20);
    return builder;
}

static void what_is_built_is_read_again(void)
{
    static const uint8_t software[] = { 'd', 'i', 'r', 't', 'y' };
    uint8_t buf[256];
    stun_key *key = key_of("secret"), *other = key_of("Secret");
    stun_addr v4 = some_address(4), v6 = some_address(6), found;
    stun_wire_builder builder;
    stun_wire_message message;
    stun_wire_attribute attribute;
    uint32_t verdict = 99;
    memset(buf, DIRT, sizeof buf); /* nothing of what was there may show through, such as padding */
    builder = begin(buf, sizeof buf, STUN_WIRE_SUCCESS_RESPONSE);
    CHECK_EQ(stun_wire_add(&builder, SOFTWARE, software, sizeof software), STUN_OK);
    CHECK(builder.len == 32 && buf[29] == 0 && buf[30] == 0 && buf[31] == 0);
    CHECK_EQ(stun_wire_add_address(&builder, XOR_MAPPED_ADDRESS, &v4), STUN_OK);
    CHECK_EQ(stun_wire_add_address(&builder, XOR_MAPPED_ADDRESS, &v6), STUN_OK);
    CHECK_EQ(stun_wire_add(&builder, 0x8030, NULL, 0), STUN_OK);
    CHECK_EQ(stun_wire_sign(&builder, STUN_INTEGRITY_SHA1, key, 0), STUN_OK);
    CHECK_EQ(stun_wire_sign(&builder, STUN_INTEGRITY_SHA256, key, 0), STUN_OK);
    CHECK_EQ(stun_wire_add_fingerprint(&builder), STUN_OK);
    CHECK_EQ(builder.len, 20 + 12 + 12 + 24 + 4 + 24 + 36 + 8);
    CHECK(is_dirty(buf + builder.len, sizeof buf - builder.len));
    CHECK_EQ(stun_wire_parse(buf, builder.len, &message), STUN_OK);
    CHECK(message.data == buf && message.len == builder.len && message.covered_end == 72);
    CHECK(message.method == 1 && message.message_class == STUN_WIRE_SUCCESS_RESPONSE && memcmp(message.id, ID, 12) == 0);
    CHECK(message.fingerprint == STUN_CHECK_VALID && message.has_sha1 == 1 && message.has_sha256 == 1);
    CHECK_EQ(stun_wire_check(&message, STUN_INTEGRITY_SHA1, key, 0, &verdict), STUN_OK);
    CHECK_EQ(verdict, STUN_CHECK_VALID);
    CHECK_EQ(stun_wire_check(&message, STUN_INTEGRITY_SHA256, key, 0, &verdict), STUN_OK);
    CHECK_EQ(verdict, STUN_CHECK_VALID);
    CHECK_EQ(stun_wire_check(&message, STUN_INTEGRITY_SHA256, other, 0, &verdict), STUN_OK);
    CHECK_EQ(verdict, STUN_CHECK_INVALID);
    CHECK_EQ(stun_wire_find(&message, XOR_MAPPED_ADDRESS, &attribute), STUN_OK);
    CHECK_EQ(stun_wire_address(&message, &attribute, &found), STUN_OK);
    CHECK(memcmp(&found, &v4, sizeof v4) == 0); /* the first one counts */
    CHECK_EQ(stun_wire_find(&message, 0x0008, &attribute), STUN_EMPTY);
    stun_key_free(key);
    stun_key_free(other);
}

static void a_walk_sees_all_and_says_what_is_covered(void)
{
    uint8_t buf[128];
    stun_key *key = key_of("k");
    stun_wire_builder builder = begin(buf, sizeof buf, STUN_WIRE_REQUEST);
    stun_wire_message message;
    stun_wire_attribute attribute;
    uint32_t cursor = 0;
    CHECK_EQ(stun_wire_add(&builder, 0x0006, (const uint8_t *)"me", 2), STUN_OK);
    CHECK_EQ(stun_wire_sign(&builder, STUN_INTEGRITY_SHA256, key, 16), STUN_OK);
    CHECK_EQ(stun_wire_add_fingerprint(&builder), STUN_OK);
    CHECK_EQ(stun_wire_parse(buf, builder.len, &message), STUN_OK);
    CHECK_EQ(stun_wire_next(&message, &cursor, &attribute), STUN_OK);
    CHECK(attribute.attribute_type == 0x0006 && attribute.offset == 20 && attribute.len == 2 && attribute.is_covered == 1);
    CHECK(attribute.value == buf + 24 && attribute.reserved == 0);
    CHECK_EQ(stun_wire_next(&message, &cursor, &attribute), STUN_OK);
    CHECK(attribute.attribute_type == 0x001C && attribute.len == 16 && attribute.is_covered == 0);
    CHECK_EQ(stun_wire_next(&message, &cursor, &attribute), STUN_OK);
    CHECK(attribute.attribute_type == 0x8028 && attribute.len == 4 && attribute.is_covered == 0);
    memset(&attribute, DIRT, sizeof attribute);
    CHECK_EQ(stun_wire_next(&message, &cursor, &attribute), STUN_EMPTY);
    CHECK_EQ(stun_wire_next(&message, &cursor, &attribute), STUN_EMPTY);
    CHECK(is_dirty(&attribute, sizeof attribute));
    cursor = UINT32_MAX;
    CHECK_EQ(stun_wire_next(&message, &cursor, &attribute), STUN_EMPTY);
    stun_key_free(key);
}

static uint32_t verdict_of(const stun_wire_message *message, const stun_key *key, size_t min_len)
{
    uint32_t verdict = 99;
    CHECK_EQ(stun_wire_check(message, STUN_INTEGRITY_SHA256, key, min_len, &verdict), STUN_OK);
    return verdict;
}

static void a_truncated_signature_is_for_those_who_ask_for_it(void)
{
    uint8_t buf[128];
    stun_key *key = key_of("secret");
    stun_wire_message message;
    size_t len;
    uint32_t sha1 = 99;
    for (len = 0; len <= 36; len++) {
        stun_wire_builder builder = begin(buf, sizeof buf, STUN_WIRE_REQUEST);
        int possible = len == 0 || (len >= 16 && len <= 32 && len % 4 == 0);
        CHECK_EQ(stun_wire_sign(&builder, STUN_INTEGRITY_SHA256, key, len), possible ? STUN_OK : STUN_E_INVALID);
        if (!possible || len == 0) continue;
        CHECK_EQ(stun_wire_parse(buf, builder.len, &message), STUN_OK);
        CHECK_EQ(verdict_of(&message, key, 0), len == 32 ? STUN_CHECK_VALID : STUN_CHECK_INVALID);
        CHECK_EQ(verdict_of(&message, key, 1), STUN_CHECK_VALID); /* below 16 counts as 16 */
        CHECK_EQ(verdict_of(&message, key, len), STUN_CHECK_VALID);
        if (len < 32) CHECK_EQ(verdict_of(&message, key, len + 1), STUN_CHECK_INVALID);
        CHECK_EQ(stun_wire_check(&message, STUN_INTEGRITY_SHA1, key, 0, &sha1), STUN_OK);
        CHECK_EQ(sha1, STUN_CHECK_ABSENT);
    }
    stun_key_free(key);
}

/* One call of a builder, whatever it is. */
typedef stun_status (*build_step)(stun_wire_builder *builder, const stun_key *key);

static stun_status add_raw(stun_wire_builder *builder, const stun_key *key)
{
    (void)key;
    return stun_wire_add(builder, SOFTWARE, (const uint8_t *)"abcde", 5);
}

static stun_status add_address(stun_wire_builder *builder, const stun_key *key)
{
    stun_addr address = some_address(6);
    (void)key;
    return stun_wire_add_address(builder, XOR_MAPPED_ADDRESS, &address);
}

static stun_status add_error(stun_wire_builder *builder, const stun_key *key)
{
    (void)key;
    return stun_wire_add_error(builder, 438, (const uint8_t *)"Stale Nonce", 11);
}

static stun_status add_sha1(stun_wire_builder *builder, const stun_key *key)
{
    return stun_wire_sign(builder, STUN_INTEGRITY_SHA1, key, 20);
}

static stun_status add_sha256(stun_wire_builder *builder, const stun_key *key)
{
    return stun_wire_sign(builder, STUN_INTEGRITY_SHA256, key, 24);
}

static stun_status add_fingerprint(stun_wire_builder *builder, const stun_key *key)
{
    (void)key;
    return stun_wire_add_fingerprint(builder);
}

/* However short the buffer, the message stays, and what is missing is said exactly. */
static void a_short_buffer_leaves_the_message_as_it_was(void)
{
    static const struct { build_step step; size_t grows; } steps[] = {
        { add_raw, 12 }, { add_address, 24 }, { add_error, 20 }, { add_sha1, 24 }, { add_sha256, 28 }, { add_fingerprint, 8 },
    };
    uint8_t buf[80], before[32];
    stun_key *key = key_of("k");
    size_t n, missing;
    for (n = 0; n < sizeof steps / sizeof *steps; n++) {
        for (missing = 1; missing <= steps[n].grows; missing++) {
            size_t cap = 32 + steps[n].grows - missing;
            stun_wire_builder builder;
            memset(buf, DIRT, sizeof buf);
            builder = begin(buf, cap, STUN_WIRE_ERROR_RESPONSE);
            CHECK_EQ(stun_wire_add(&builder, 0x0014, (const uint8_t *)"realmxyz", 8), STUN_OK);
            memcpy(before, buf, 32);
            CHECK_EQ(steps[n].step(&builder, key), STUN_E_BUFFER);
            CHECK(builder.len == 32 && builder.needed == 32 + steps[n].grows && builder.cap == cap);
            CHECK(memcmp(before, buf, 32) == 0 && is_dirty(buf + cap, sizeof buf - cap));
            builder.cap = builder.needed; /* a larger buffer goes on where the smaller ended */
            CHECK_EQ(steps[n].step(&builder, key), STUN_OK);
            CHECK_EQ(builder.len, 32 + steps[n].grows);
        }
    }
    for (n = 0; n < 20; n++) {
        stun_wire_builder builder;
        memset(&builder, DIRT, sizeof builder), memset(buf, DIRT, sizeof buf);
        CHECK_EQ(stun_wire_begin(&builder, n == 0 ? NULL : buf, n, 0, 1, ID), STUN_E_BUFFER);
        CHECK(is_dirty(&builder, sizeof builder) && is_dirty(buf, sizeof buf));
    }
    stun_key_free(key);
}

static void order_matters(void)
{
    uint8_t buf[256];
    stun_key *key = key_of("k");
    stun_wire_builder builder = begin(buf, sizeof buf, STUN_WIRE_REQUEST);
    CHECK_EQ(add_sha256(&builder, key), STUN_OK);
    CHECK_EQ(add_sha1(&builder, key), STUN_E_STATE);
    CHECK_EQ(add_sha256(&builder, key), STUN_E_STATE);
    CHECK_EQ(add_raw(&builder, key), STUN_E_STATE);
    CHECK_EQ(add_fingerprint(&builder, key), STUN_OK);
    CHECK_EQ(add_fingerprint(&builder, key), STUN_E_STATE);
    CHECK_EQ(add_address(&builder, key), STUN_E_STATE);
    CHECK_EQ(builder.len, 20 + 28 + 8);
    CHECK_EQ(stun_wire_add(&builder, 0x0008, buf, 20), STUN_E_INVALID); /* seals have calls of their own */
    CHECK_EQ(stun_wire_add(&builder, 0x8028, buf, 4), STUN_E_INVALID);
    builder.len = 19;
    CHECK_EQ(add_raw(&builder, key), STUN_E_STATE);
    builder.len = SIZE_MAX;
    CHECK_EQ(add_raw(&builder, key), STUN_E_STATE);
    stun_key_free(key);
}

static void errors_have_codes_and_phrases(void)
{
    static const uint32_t bad[] = { 0, 299, 700, 65836, UINT32_MAX };
    uint8_t buf[64];
    stun_wire_builder builder = begin(buf, sizeof buf, STUN_WIRE_ERROR_RESPONSE);
    stun_wire_message message;
    stun_wire_attribute attribute;
    const uint8_t *reason = NULL;
    size_t n, reason_len = 99;
    uint32_t code = 0;
    for (n = 0; n < sizeof bad / sizeof *bad; n++) CHECK_EQ(stun_wire_add_error(&builder, bad[n], NULL, 0), STUN_E_INVALID);
    CHECK_EQ(add_error(&builder, NULL), STUN_OK);
    CHECK_EQ(stun_wire_parse(buf, builder.len, &message), STUN_OK);
    CHECK_EQ(stun_wire_find(&message, ERROR_CODE, &attribute), STUN_OK);
    CHECK_EQ(stun_wire_error(&attribute, &code, &reason, &reason_len), STUN_OK);
    CHECK(code == 438 && reason_len == 11 && reason == buf + 28 && memcmp(reason, "Stale Nonce", 11) == 0);
    code = 0;
    CHECK_EQ(stun_wire_error(&attribute, &code, NULL, NULL), STUN_OK);
    CHECK_EQ(code, 438);
    attribute.attribute_type = SOFTWARE;
    CHECK_EQ(stun_wire_error(&attribute, &code, NULL, NULL), STUN_E_INVALID);
    attribute.attribute_type = ERROR_CODE;
    attribute.len = 3;
    CHECK_EQ(stun_wire_error(&attribute, &code, NULL, NULL), STUN_E_INVALID);
}

static void every_type_of_address_goes_there_and_back(void)
{
    static const uint16_t types[] = { 0x0001, 0x0020, 0x0012, 0x0016, 0x8023, 0x802B, 0x802C };
    uint8_t buf[64];
    size_t n;
    for (n = 0; n < 2 * sizeof types / sizeof *types; n++) {
        stun_addr address = some_address(n % 2 == 0 ? 4 : 6), found;
        stun_wire_builder builder = begin(buf, sizeof buf, STUN_WIRE_INDICATION);
        stun_wire_message message;
        stun_wire_attribute attribute;
        CHECK_EQ(stun_wire_add_address(&builder, types[n / 2], &address), STUN_OK);
        CHECK_EQ(stun_wire_parse(buf, builder.len, &message), STUN_OK);
        CHECK_EQ(stun_wire_find(&message, types[n / 2], &attribute), STUN_OK);
        CHECK_EQ(stun_wire_address(&message, &attribute, &found), STUN_OK);
        CHECK(memcmp(&found, &address, sizeof found) == 0);
        memset(&found, DIRT, sizeof found);
        attribute.len = (uint16_t)(attribute.len - 1);
        CHECK_EQ(stun_wire_address(&message, &attribute, &found), STUN_E_INVALID);
        attribute.attribute_type = SOFTWARE;
        CHECK_EQ(stun_wire_address(&message, &attribute, &found), STUN_E_INVALID);
        CHECK(is_dirty(&found, sizeof found));
    }
}

static void every_method_and_class_goes_there_and_back(void)
{
    uint8_t buf[20];
    uint32_t method, message_class;
    unsigned long wrong = 0;
    for (method = 0; method <= 0xFFF; method++) {
        for (message_class = 0; message_class < 4; message_class++) {
            stun_wire_builder builder;
            stun_wire_message message;
            stun_status built = stun_wire_begin(&builder, buf, sizeof buf, message_class, (uint16_t)method, ID);
            stun_status read = stun_wire_parse(buf, sizeof buf, &message);
            if (built != STUN_OK || read != STUN_OK || message.method != method || message.message_class != message_class) wrong++;
        }
    }
    CHECK_EQ(wrong, 0);
}

static void names_are_cut_to_the_buffer(void)
{
    static const char name[] = "XOR-MAPPED-ADDRESS";
    char buf[32];
    size_t len = 0, cap;
    for (cap = 0; cap < sizeof buf; cap++) {
        size_t kept = cap == 0 ? 0 : cap - 1 < sizeof name - 1 ? cap - 1 : sizeof name - 1;
        memset(buf, DIRT, sizeof buf);
        CHECK_EQ(stun_wire_attribute_name(XOR_MAPPED_ADDRESS, cap == 0 ? NULL : buf, cap, &len), STUN_OK);
        CHECK_EQ(len, sizeof name - 1);
        CHECK(memcmp(buf, name, kept) == 0 && (cap == 0 || buf[kept] == 0) && is_dirty(buf + cap, sizeof buf - cap));
    }
    CHECK_EQ(stun_wire_method_name(1, buf, sizeof buf, &len), STUN_OK);
    CHECK(strcmp(buf, "Binding") == 0 && len == 7);
    memset(&len, DIRT, sizeof len), memset(buf, DIRT, sizeof buf);
    CHECK_EQ(stun_wire_method_name(0xFFF, buf, sizeof buf, &len), STUN_EMPTY);
    CHECK_EQ(stun_wire_attribute_name(0x7FFE, buf, sizeof buf, &len), STUN_EMPTY);
    CHECK(is_dirty(buf, sizeof buf) && is_dirty(&len, sizeof len));
}

static void what_is_no_message_is_told_apart_from_what_is_malformed(void)
{
    static const uint8_t good[24] = { 0, 1, 0, 4, 0x21, 0x12, 0xA4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x80, 0x30, 0, 0 };
    uint8_t bytes[24];
    stun_wire_message message;
    size_t len;
    memset(&message, DIRT, sizeof message);
    for (len = 0; len < 24; len++) {
        CHECK_EQ(stun_wire_parse(len == 0 ? NULL : good, len, &message), len < 20 ? STUN_IGNORED : STUN_E_INVALID);
    }
    memcpy(bytes, good, 24), bytes[0] = 0x80;
    CHECK_EQ(stun_wire_parse(bytes, 24, &message), STUN_IGNORED);
    memcpy(bytes, good, 24), bytes[4] = 0;
    CHECK_EQ(stun_wire_parse(bytes, 24, &message), STUN_IGNORED);
    memcpy(bytes, good, 24), bytes[23] = 1; /* the attribute runs over the end */
    CHECK_EQ(stun_wire_parse(bytes, 24, &message), STUN_E_INVALID);
    CHECK(is_dirty(&message, sizeof message));
    CHECK_EQ(stun_wire_parse(good, 24, &message), STUN_OK);
}

int main(void)
{
    what_is_built_is_read_again();
    a_walk_sees_all_and_says_what_is_covered();
    a_truncated_signature_is_for_those_who_ask_for_it();
    a_short_buffer_leaves_the_message_as_it_was();
    order_matters();
    errors_have_codes_and_phrases();
    every_type_of_address_goes_there_and_back();
    every_method_and_class_goes_there_and_back();
    names_are_cut_to_the_buffer();
    what_is_no_message_is_told_apart_from_what_is_malformed();
    stun_key_free(NULL);
    return check_report();
}
