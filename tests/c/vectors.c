/* The vectors of tests/vectors through the C ABI alone; make_vectors.py wrote the file that is the argument,
 * with a second decoder's opinion of every message. A line that is not understood fails. */

#include <stdlib.h>

#include "check.h"
#include "stun.h"

#define MAX_MESSAGE 65552
#define MAX_LINE (2 * MAX_MESSAGE + 256)

static char line[MAX_LINE];
static unsigned long line_number, messages;

/* The message that the lines speak of. */
static uint8_t bytes[MAX_MESSAGE], rebuilt[MAX_MESSAGE];
static size_t len;
static char name[128];
static stun_wire_message message;
static uint32_t cursor;
static unsigned long attributes;

static void check_line(int ok, const char *what)
{
    if (!ok) fprintf(stderr, "line %lu, %s: ", line_number, name);
    check_note(ok, __FILE__, __LINE__, what);
}

static char *next_word(void)
{
    static char none[] = "";
    char *word = strtok(NULL, " \n");
    return word == NULL ? none : word;
}

static unsigned long next_number(void)
{
    return strtoul(next_word(), NULL, 10);
}

static unsigned digit(char c)
{
    return c >= 'a' ? (unsigned)(c - 'a') + 10 : (unsigned)(c - '0');
}

/* The next word's bytes; "-" is none. */
static size_t next_hex(uint8_t *out, size_t cap)
{
    const char *word = next_word();
    size_t count = 0;
    if (word[0] == '-') return 0;
    for (; word[0] != 0 && word[1] != 0 && count < cap; word += 2) out[count++] = (uint8_t)(digit(word[0]) << 4 | digit(word[1]));
    check_line(word[0] == 0, "hexadecimal");
    return count;
}

static uint32_t verdict_named(const char *word)
{
    if (strcmp(word, "absent") == 0) return STUN_CHECK_ABSENT;
    if (strcmp(word, "valid") == 0) return STUN_CHECK_VALID;
    return strcmp(word, "invalid") == 0 ? STUN_CHECK_INVALID : 99;
}

static stun_key *short_term(const uint8_t *key, size_t key_len)
{
    stun_key *made = NULL;
    check_line(stun_key_new(STUN_KEY_SHORT_TERM, NULL, 0, NULL, 0, key, key_len, &made) == STUN_OK, "a key");
    return made;
}

static void on_parse(void)
{
    const char *word = next_word();
    stun_status wanted = strcmp(word, "ok") == 0 ? STUN_OK : strcmp(word, "ignored") == 0 ? STUN_IGNORED : STUN_E_INVALID;
    memset(&message, DIRT, sizeof message);
    check_line(stun_wire_parse(bytes, len, &message) == wanted, word);
    check_line(wanted == STUN_OK || is_dirty(&message, sizeof message), "nothing is written");
    cursor = 0;
    attributes = 0;
    messages++;
}

static void on_head(void)
{
    uint8_t id[12];
    check_line(message.message_class == next_number(), "class");
    check_line(message.method == next_number(), "method");
    check_line(next_hex(id, 12) == 12 && memcmp(id, message.id, 12) == 0, "id");
    check_line(message.covered_end == next_number(), "covered_end");
    check_line(message.fingerprint == verdict_named(next_word()), "fingerprint");
    check_line(message.data == bytes && message.len == len && message.reserved[0] == 0 && message.reserved[1] == 0, "view");
}

static void on_attribute(void)
{
    static uint8_t value[MAX_MESSAGE];
    stun_wire_attribute attribute;
    size_t value_len;
    check_line(stun_wire_next(&message, &cursor, &attribute) == STUN_OK, "next");
    check_line(attribute.attribute_type == next_number(), "type");
    check_line(attribute.offset == next_number(), "offset");
    check_line(attribute.is_covered == next_number(), "is_covered");
    value_len = next_hex(value, sizeof value);
    check_line(attribute.len == value_len && memcmp(attribute.value, value, value_len) == 0, "value");
    check_line(attribute.value == bytes + attribute.offset + 4, "a slice of the message");
    attributes++;
}

static void on_attributes(void)
{
    stun_wire_attribute attribute;
    check_line(attributes == next_number(), "as many attributes");
    check_line(stun_wire_next(&message, &cursor, &attribute) == STUN_EMPTY, "and no more");
}

static void on_address(void)
{
    stun_wire_attribute attribute;
    stun_addr address;
    uint8_t ip[16];
    const char *family;
    memset(&address, DIRT, sizeof address);
    check_line(stun_wire_find(&message, (uint16_t)next_number(), &attribute) == STUN_OK, "find");
    family = next_word();
    if (strcmp(family, "bad") == 0) {
        check_line(stun_wire_address(&message, &attribute, &address) == STUN_E_INVALID, "bad address");
        check_line(is_dirty(&address, sizeof address), "nothing is written");
        return;
    }
    check_line(stun_wire_address(&message, &attribute, &address) == STUN_OK, "address");
    check_line(address.family == digit(family[0]) && address.port == next_number(), "family and port");
    memset(ip, 0, sizeof ip);
    next_hex(ip, sizeof ip);
    check_line(memcmp(address.ip, ip, sizeof ip) == 0 && address.scope_id == 0 && address.reserved == 0, "ip");
}

static void on_error(void)
{
    static uint8_t phrase[1024];
    stun_wire_attribute attribute;
    const uint8_t *reason = NULL;
    size_t reason_len = 0, phrase_len;
    uint32_t code = 0;
    const char *word = next_word();
    check_line(stun_wire_find(&message, 0x0009, &attribute) == STUN_OK, "find");
    if (strcmp(word, "bad") == 0) {
        check_line(stun_wire_error(&attribute, &code, &reason, &reason_len) == STUN_E_INVALID, "bad error");
        return;
    }
    check_line(stun_wire_error(&attribute, &code, &reason, &reason_len) == STUN_OK, "error");
    check_line(code == strtoul(word, NULL, 10), "code");
    phrase_len = next_hex(phrase, sizeof phrase);
    check_line(reason_len == phrase_len && (phrase_len == 0 || memcmp(reason, phrase, phrase_len) == 0), "phrase");
}

static void on_check(void)
{
    uint32_t integrity = strcmp(next_word(), "sha1") == 0 ? STUN_INTEGRITY_SHA1 : STUN_INTEGRITY_SHA256, verdict = 99;
    uint8_t key_bytes[128];
    size_t key_len = next_hex(key_bytes, sizeof key_bytes), min_len;
    stun_key *key = short_term(key_bytes, key_len);
    min_len = next_number();
    check_line(stun_wire_check(&message, integrity, key, min_len, &verdict) == STUN_OK, "check");
    check_line(verdict == verdict_named(next_word()), "verdict");
    check_line((integrity == STUN_INTEGRITY_SHA1 ? message.has_sha1 : message.has_sha256) == (verdict != STUN_CHECK_ABSENT), "has");
    stun_key_free(key);
}

/* Builds the message again, attribute by attribute: the same bytes. */
static void on_rebuild(void)
{
    uint8_t key_bytes[128];
    size_t key_len = next_hex(key_bytes, sizeof key_bytes);
    stun_key *key = short_term(key_bytes, key_len);
    stun_wire_builder builder;
    stun_wire_attribute attribute;
    uint32_t at = 0;
    memset(rebuilt, DIRT, sizeof rebuilt);
    check_line(stun_wire_begin(&builder, rebuilt, len, message.message_class, message.method, message.id) == STUN_OK, "begin");
    while (stun_wire_next(&message, &at, &attribute) == STUN_OK) {
        stun_status status;
        if (attribute.attribute_type == 0x0008) status = stun_wire_sign(&builder, STUN_INTEGRITY_SHA1, key, 0);
        else if (attribute.attribute_type == 0x001C) status = stun_wire_sign(&builder, STUN_INTEGRITY_SHA256, key, attribute.len);
        else if (attribute.attribute_type == 0x8028) status = stun_wire_add_fingerprint(&builder);
        else status = stun_wire_add(&builder, attribute.attribute_type, attribute.value, attribute.len);
        check_line(status == STUN_OK, "add");
    }
    check_line(builder.len == len && memcmp(rebuilt, bytes, len) == 0, "the same bytes");
    stun_key_free(key);
}

static void on_channel(void)
{
    static uint8_t wanted[64];
    const uint8_t *payload = NULL;
    size_t payload_len = 99, wanted_len, written = 0;
    uint16_t channel = 0, number;
    uint32_t is_stream;
    char *text;
    stun_status status;
    snprintf(name, sizeof name, "%s", next_word());
    is_stream = (uint32_t)next_number();
    len = next_hex(bytes, sizeof bytes);
    status = stun_channel_data_parse(bytes, len, is_stream, &channel, &payload, &payload_len);
    number = (uint16_t)next_number();
    if (number == 0) {
        check_line(status == STUN_IGNORED, "no channel data");
        return;
    }
    text = next_word();
    check_line(status == STUN_OK && channel == number && payload == bytes + 4, "channel data");
    wanted_len = text[0] == '-' ? 0 : strlen(text) / 2;
    check_line(payload_len == wanted_len, "payload");
    check_line(stun_channel_data_write(wanted, sizeof wanted, channel, payload, payload_len, is_stream, &written) == STUN_OK, "write");
    check_line(memcmp(wanted, bytes, 4 + payload_len) == 0 && (!is_stream || written == len), "the same bytes");
}

static void on_echo(void)
{
    static const uint8_t id[12] = { 0 };
    uint16_t type = (uint16_t)next_number();
    stun_wire_builder builder;
    stun_wire_attribute attribute;
    len = next_hex(bytes, sizeof bytes);
    check_line(stun_wire_begin(&builder, rebuilt, sizeof rebuilt, STUN_WIRE_REQUEST, 3, id) == STUN_OK, "begin");
    check_line(stun_wire_add(&builder, type, bytes, len) == STUN_OK, "add");
    check_line(stun_wire_parse(rebuilt, builder.len, &message) == STUN_OK, "parse");
    check_line(stun_wire_find(&message, type, &attribute) == STUN_OK, "find");
    check_line(attribute.len == len && memcmp(attribute.value, bytes, len) == 0, "byte for byte");
}

static void on_type(void)
{
    static const uint8_t id[12] = { 0 };
    const char *wanted = next_word();
    char text[32] = "";
    uint32_t message_class = (uint32_t)next_number();
    unsigned long number = next_number(), method;
    size_t text_len = 0;
    stun_wire_builder builder;
    for (method = 0; method <= 0xFFF; method++) {
        if (stun_wire_method_name((uint16_t)method, text, sizeof text, &text_len) == STUN_OK && strcmp(text, wanted) == 0) break;
    }
    check_line(stun_wire_begin(&builder, rebuilt, 20, message_class, (uint16_t)method, id) == STUN_OK, wanted);
    check_line(((unsigned long)rebuilt[0] << 8 | rebuilt[1]) == number, wanted);
}

/* A key made of a credential signs as the key that the RFC's formula gives. */
static void on_key(void)
{
    static const uint8_t id[12] = { 0 };
    uint8_t parts[3][64], digest[32], signed_messages[2][64];
    size_t lens[3], digest_len;
    uint32_t kind = (uint32_t)next_number();
    stun_key *keys[2] = { NULL, NULL };
    int n;
    for (n = 0; n < 3; n++) lens[n] = next_hex(parts[n], sizeof parts[n]);
    digest_len = next_hex(digest, sizeof digest);
    check_line(stun_key_new(kind, parts[0], lens[0], parts[1], lens[1], parts[2], lens[2], &keys[0]) == STUN_OK, "key");
    keys[1] = short_term(digest, digest_len);
    for (n = 0; n < 2; n++) {
        stun_wire_builder builder;
        check_line(stun_wire_begin(&builder, signed_messages[n], 64, STUN_WIRE_REQUEST, 1, id) == STUN_OK, "begin");
        check_line(stun_wire_sign(&builder, STUN_INTEGRITY_SHA1, keys[n], 0) == STUN_OK, "sign");
        stun_key_free(keys[n]);
    }
    check_line(memcmp(signed_messages[0], signed_messages[1], 44) == 0, "the same signature");
}

static void on_line(const char *word)
{
    if (strcmp(word, "message") == 0) snprintf(name, sizeof name, "%s", next_word());
    else if (strcmp(word, "hex") == 0) len = next_hex(bytes, sizeof bytes);
    else if (strcmp(word, "parse") == 0) on_parse();
    else if (strcmp(word, "head") == 0) on_head();
    else if (strcmp(word, "attr") == 0) on_attribute();
    else if (strcmp(word, "attrs") == 0) on_attributes();
    else if (strcmp(word, "address") == 0) on_address();
    else if (strcmp(word, "error") == 0) on_error();
    else if (strcmp(word, "check") == 0) on_check();
    else if (strcmp(word, "rebuild") == 0) on_rebuild();
    else if (strcmp(word, "channel") == 0) on_channel();
    else if (strcmp(word, "echo") == 0) on_echo();
    else if (strcmp(word, "type") == 0) on_type();
    else if (strcmp(word, "key") == 0) on_key();
    else check_line(strcmp(word, "end") == 0, "not understood");
}

int main(int argc, char **argv)
{
    FILE *file = argc > 1 ? fopen(argv[1], "r") : NULL;
    if (file == NULL) {
        fprintf(stderr, "usage: vectors <file of make_vectors.py>\n");
        return 2;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        char *word = strtok(line, " \n");
        line_number++;
        on_line(word == NULL ? "" : word);
    }
    fclose(file);
    CHECK(messages >= 258);
    return check_report();
}
