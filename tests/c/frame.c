/* Telling protocols apart, streams a byte at a time, ChannelData, socket addresses. */

#ifndef _POSIX_C_SOURCE
#  define _POSIX_C_SOURCE 200809L
#endif

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "check.h"
#include "stun.h"

static void is_classified(const uint8_t *data, size_t len, uint32_t expected)
{
    uint32_t protocol = 99;
    CHECK_EQ(stun_classify(data, len, &protocol), STUN_OK);
    CHECK_EQ(protocol, expected);
}

static void the_first_byte_and_more_tell_protocols_apart(void)
{
    static const uint8_t stun[20] = { 0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42 }, channel[6] = { 0x4F, 0xFF, 0, 2, 1, 2 };
    static const uint8_t dtls[3] = { 22, 254, 253 }, rtp[12] = { 0x80 }, zrtp[4] = { 0x10 }, quic[21] = { 0xC3 };
    static const uint8_t wireguard[148] = { 1 };
    is_classified(NULL, 0, STUN_PROTOCOL_UNKNOWN);
    is_classified(stun, 20, STUN_PROTOCOL_STUN);
    is_classified(stun, 19, STUN_PROTOCOL_UNKNOWN);
    is_classified(channel, 6, STUN_PROTOCOL_CHANNEL_DATA);
    is_classified(channel, 5, STUN_PROTOCOL_UNKNOWN);
    is_classified(dtls, 3, STUN_PROTOCOL_DTLS);
    is_classified(rtp, 12, STUN_PROTOCOL_RTP);
    is_classified(zrtp, 4, STUN_PROTOCOL_ZRTP);
    is_classified(quic, 21, STUN_PROTOCOL_QUIC);
    is_classified(wireguard, 148, STUN_PROTOCOL_WIREGUARD);
}

/* A stream hands over what it likes; the length is known as soon as it can be. */
static void a_stream_is_framed_a_byte_at_a_time(void)
{
    static const uint8_t stun[28] = { 0, 1, 0, 8, 0x21, 0x12, 0xA4, 0x42 }, channel[12] = { 0x40, 0, 0, 5 };
    static const uint8_t lost[1] = { 0x50 }, cookie[20] = { 0, 1, 0, 8, 9 }, odd[20] = { 0, 1, 0, 7, 0x21, 0x12, 0xA4, 0x42 };
    size_t n, length;
    for (n = 0; n <= 28; n++) {
        length = 0;
        if (stun_frame_length(n == 0 ? NULL : stun, n, &length) == STUN_EMPTY) {
            CHECK(length > n && length <= 20);
        } else {
            CHECK(n >= 4);
            CHECK_EQ(length, 28);
        }
    }
    CHECK_EQ(stun_frame_length(stun, 20, &length), STUN_OK);
    for (n = 0; n <= 12; n++) {
        CHECK_EQ(stun_frame_length(n == 0 ? NULL : channel, n, &length), n < 4 ? STUN_EMPTY : STUN_OK);
        CHECK(n < 4 ? length > n && length <= 4 : length == 12);
    }
    memset(&length, DIRT, sizeof length);
    CHECK_EQ(stun_frame_length(lost, 1, &length), STUN_E_INVALID);
    CHECK_EQ(stun_frame_length(cookie, 20, &length), STUN_E_INVALID);
    CHECK_EQ(stun_frame_length(odd, 20, &length), STUN_E_INVALID);
    CHECK(is_dirty(&length, sizeof length));
}

static void channel_data_goes_there_and_back(void)
{
    static const uint8_t hello[5] = { 'h', 'e', 'l', 'l', 'o' };
    uint8_t buf[16];
    uint32_t is_stream;
    for (is_stream = 0; is_stream < 2; is_stream++) {
        size_t needed = is_stream ? 12 : 9, cap, len = 0, payload_len = 0;
        const uint8_t *payload = NULL;
        uint16_t channel = 0;
        for (cap = 0; cap < needed; cap++) {
            memset(buf, DIRT, sizeof buf);
            CHECK_EQ(stun_channel_data_write(cap == 0 ? NULL : buf, cap, 0x4001, hello, 5, is_stream, &len), STUN_E_BUFFER);
            CHECK_EQ(len, needed);
            CHECK(is_dirty(buf, sizeof buf));
        }
        CHECK_EQ(stun_channel_data_write(buf, needed, 0x4001, hello, 5, is_stream, &len), STUN_OK);
        CHECK_EQ(len, needed);
        CHECK(is_dirty(buf + needed, sizeof buf - needed) && (!is_stream || (buf[9] | buf[10] | buf[11]) == 0));
        CHECK_EQ(stun_channel_data_parse(buf, len, is_stream, &channel, &payload, &payload_len), STUN_OK);
        CHECK(channel == 0x4001 && payload == buf + 4 && payload_len == 5);
    }
}

static void channel_data_that_is_none(void)
{
    static const uint8_t bare[9] = { 0x40, 1, 0, 5, 1, 2, 3, 4, 5 }, reserved[4] = { 0x50, 0, 0, 0 };
    const uint8_t *payload;
    uint8_t buf[8];
    size_t payload_len, len;
    uint16_t channel;
    memset(&payload, DIRT, sizeof payload), memset(&payload_len, DIRT, sizeof payload_len);
    memset(&channel, DIRT, sizeof channel), memset(&len, DIRT, sizeof len), memset(buf, DIRT, sizeof buf);
    CHECK_EQ(stun_channel_data_parse(bare, 9, 1, &channel, &payload, &payload_len), STUN_IGNORED); /* not padded */
    CHECK_EQ(stun_channel_data_parse(bare, 8, 0, &channel, &payload, &payload_len), STUN_IGNORED);
    CHECK_EQ(stun_channel_data_parse(reserved, 4, 0, &channel, &payload, &payload_len), STUN_IGNORED);
    CHECK_EQ(stun_channel_data_parse(NULL, 0, 0, &channel, &payload, &payload_len), STUN_IGNORED);
    CHECK_EQ(stun_channel_data_parse(bare, 9, 2, &channel, &payload, &payload_len), STUN_E_INVALID);
    CHECK(is_dirty(&payload, sizeof payload) && is_dirty(&payload_len, sizeof payload_len) && is_dirty(&channel, 2));
    CHECK_EQ(stun_channel_data_write(buf, 8, 0x3FFF, bare, 1, 0, &len), STUN_E_INVALID);
    CHECK_EQ(stun_channel_data_write(buf, 8, 0x5000, bare, 1, 0, &len), STUN_E_INVALID);
    CHECK_EQ(stun_channel_data_write(buf, 8, 0x4000, bare, 1, 2, &len), STUN_E_INVALID);
    CHECK(is_dirty(buf, sizeof buf) && is_dirty(&len, sizeof len));
    CHECK_EQ(stun_channel_data_write(buf, 8, 0x4000, NULL, 0, 1, &len), STUN_OK);
    CHECK_EQ(len, 4);
}

static void ipv4_goes_to_the_system_and_back(void)
{
    struct sockaddr_in in;
    stun_addr address, back;
    size_t len = 0;
    memset(&in, 0, sizeof in);
    in.sin_family = AF_INET;
    in.sin_port = htons(3478);
    in.sin_addr.s_addr = htonl(0xC0000201u);
    CHECK_EQ(stun_addr_from_sockaddr(&in, sizeof in, &address), STUN_OK);
    CHECK(address.family == 4 && address.port == 3478 && address.scope_id == 0 && address.reserved == 0);
    CHECK(address.ip[0] == 192 && address.ip[1] == 0 && address.ip[2] == 2 && address.ip[3] == 1 && address.ip[4] == 0);
    memset(&in, DIRT, sizeof in);
    CHECK_EQ(stun_addr_to_sockaddr(&address, &in, sizeof in - 1, &len), STUN_E_BUFFER);
    CHECK(len == sizeof in && is_dirty(&in, sizeof in));
    CHECK_EQ(stun_addr_to_sockaddr(&address, &in, sizeof in, &len), STUN_OK);
    CHECK(len == sizeof in && in.sin_family == AF_INET && ntohs(in.sin_port) == 3478);
    CHECK_EQ(stun_addr_from_sockaddr(&in, sizeof in, &back), STUN_OK);
    CHECK(memcmp(&address, &back, sizeof back) == 0);
    memset(&back, DIRT, sizeof back);
    CHECK_EQ(stun_addr_from_sockaddr(&in, sizeof in - 1, &back), STUN_E_INVALID);
    in.sin_family = AF_UNIX;
    CHECK_EQ(stun_addr_from_sockaddr(&in, sizeof in, &back), STUN_E_INVALID);
    CHECK_EQ(stun_addr_from_sockaddr(NULL, 0, &back), STUN_E_INVALID);
    CHECK(is_dirty(&back, sizeof back));
}

static void ipv6_goes_to_the_system_and_back(void)
{
    struct sockaddr_in6 in6;
    struct sockaddr_storage storage;
    stun_addr address, back;
    size_t len = 0;
    memset(&in6, 0, sizeof in6);
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(65535);
    in6.sin6_scope_id = 3;
    CHECK_EQ(inet_pton(AF_INET6, "fe80::1", &in6.sin6_addr), 1);
    CHECK_EQ(stun_addr_from_sockaddr(&in6, sizeof in6, &address), STUN_OK);
    CHECK(address.family == 6 && address.port == 65535 && address.scope_id == 3);
    CHECK(address.ip[0] == 0xFE && address.ip[1] == 0x80 && address.ip[15] == 1);
    CHECK_EQ(stun_addr_to_sockaddr(&address, &storage, sizeof storage, &len), STUN_OK);
    CHECK(len == sizeof in6 && memcmp(&storage, &in6, sizeof in6) == 0);
    CHECK_EQ(stun_addr_from_sockaddr(&storage, sizeof storage, &back), STUN_OK);
    CHECK(memcmp(&address, &back, sizeof back) == 0);
    address.family = 0;
    memset(&len, DIRT, sizeof len);
    CHECK_EQ(stun_addr_to_sockaddr(&address, &storage, sizeof storage, &len), STUN_E_INVALID);
    CHECK(is_dirty(&len, sizeof len));
}

int main(void)
{
    the_first_byte_and_more_tell_protocols_apart();
    a_stream_is_framed_a_byte_at_a_time();
    channel_data_goes_there_and_back();
    channel_data_that_is_none();
    ipv4_goes_to_the_system_and_back();
    ipv6_goes_to_the_system_and_back();
    return check_report();
}
