/*
 * stun.h - STUN, TURN and ICE as pure state machines. C99 and C++11. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The host owns sockets, threads, clock and event loop. One opaque agent, five calls:
 *
 *     bytes arrived ----> stun_handle_input(agent, &packet, now, &app)
 *     time has come ----> stun_handle_timeout(agent, now)
 *                         then drain, in any order, until STUN_EMPTY:
 *                         stun_poll_transmit(agent, &packet) ----> send it
 *                         stun_poll_event(agent, &event)     ----> act on it
 *                         then sleep until input or stun_poll_timeout(agent)
 *
 * Answers: 0 is done, above 0 is done but there is nothing for you, below 0 is misuse, and then nothing has
 * changed. What arrives from the network is never an error. Results are written on success only, never in
 * part. Strings and bytes come with lengths; NULL with length 0 is empty. No function keeps a pointer of
 * yours. Generated from bindings/c; do not edit.
 */

#ifndef STUN_H
#define STUN_H

#include <stddef.h>
#include <stdint.h>

#ifndef STUN_API /* __declspec(dllimport) for users of a Windows DLL */
#  define STUN_API
#endif

/* The version of this header: major << 16 | minor << 8 | patch. */
#define STUN_VERSION_NUMBER 0x000100

/* Bytes before a payload that goes through a channel. */
#define STUN_CHANNEL_HEADROOM 4

/* Bytes before a payload that are enough in any case. */
#define STUN_MAX_HEADROOM 52

/* Bytes behind a payload that are enough in any case. */
#define STUN_MAX_TAILROOM 3

/* Instead of the index of a relay: none. */
#define STUN_NO_RELAY UINT32_MAX

/* Rises when a program that was compiled against an older header may misbehave; see stun_abi_version(). */
#define STUN_ABI_VERSION 1

/* Values of `stun_status`. */
typedef enum stun_status_code {
    /* Done. */
    STUN_OK = 0,
    /* The queue is empty, or there is nothing of that kind. */
    STUN_EMPTY = 1,
    /* Not ours: offer the datagram to your next protocol. */
    STUN_IGNORED = 2,
    /* Application data was inside; `*app` is a slice of your own buffer. */
    STUN_APP_DATA = 3,
    /* A pointer that must not be NULL is. */
    STUN_E_NULL = -1,
    /* An argument has an impossible value: a struct_size, family, port, code or length. */
    STUN_E_INVALID = -2,
    /* The call does not fit what came before it. */
    STUN_E_STATE = -3,
    /* Your buffer is too small; nothing was consumed, and the size needed is said where there is room for it. */
    STUN_E_BUFFER = -4,
    /* No operation of that id: never started, ended, or cancelled. */
    STUN_E_NOT_FOUND = -5,
    /* A limit is reached. */
    STUN_E_LIMIT = -6,
    /* The operating system gave no random bytes. */
    STUN_E_ENTROPY = -7,
    /* The handle is in use: by another thread, or by the call that runs your log callback. */
    STUN_E_BUSY = -8,
    /* Not a handle of this library, or one that was freed. */
    STUN_E_HANDLE = -9,
    /* A bug in libstun was caught. The handle is poisoned: free it. */
    STUN_E_PANIC = -100,
    /* An earlier call was caught in a bug; only stun_agent_free() is still allowed. */
    STUN_E_POISONED = -101,
} stun_status_code;

/* Why a deadline is wanted; see stun_wake_reason(). */
typedef enum stun_wake_code {
    /* No deadline. */
    STUN_WAKE_NONE = 0,
    /* A datagram or an event is queued. */
    STUN_WAKE_OUTPUT = 1,
    /* A request is due again. */
    STUN_WAKE_RETRANSMISSION = 2,
    /* The last wait for a response ends. */
    STUN_WAKE_TRANSACTION_TIMEOUT = 3,
    /* A binding, an allocation, a permission or a channel has to be kept alive. */
    STUN_WAKE_REFRESH = 4,
    /* A failed request is due again. */
    STUN_WAKE_RETRY = 5,
    /* A request that had to wait for others to the same server may be sent. */
    STUN_WAKE_PACING = 6,
    /* The next of several addresses or servers is tried. */
    STUN_WAKE_ATTEMPT = 7,
    /* The next measurement of a NAT probe is due. */
    STUN_WAKE_MEASUREMENT = 8,
    /* A deadline that you gave an operation. */
    STUN_WAKE_DEADLINE = 9,
} stun_wake_code;

/* Why a datagram could not be sent; for stun_handle_send_error(). */
typedef enum stun_send_error_code {
    /* ENETUNREACH, EHOSTUNREACH. */
    STUN_SEND_NO_ROUTE = 1,
    /* EAFNOSUPPORT, EADDRNOTAVAIL: no address of that family. */
    STUN_SEND_NO_FAMILY = 2,
    /* EPERM, EACCES. */
    STUN_SEND_NOT_PERMITTED = 3,
    /* ECONNREFUSED, ECONNRESET, ICMP port unreachable. */
    STUN_SEND_REFUSED = 4,
    /* EMSGSIZE. */
    STUN_SEND_TOO_LARGE = 5,
    /* EBADF, ENOTCONN, EPIPE. */
    STUN_SEND_CLOSED = 6,
    /* EAGAIN, ENOBUFS, soft ICMP errors: the retransmission covers it. */
    STUN_SEND_TRANSIENT = 7,
} stun_send_error_code;

/* Why a message from the network was dropped; for stun_dropped(). */
typedef enum stun_drop_code {
    /* Any reason. */
    STUN_DROP_ANY = 0,
    /* A response to no outstanding request. */
    STUN_DROP_UNKNOWN_TRANSACTION = 1,
    /* A response from another address than the one that was asked. */
    STUN_DROP_WRONG_SOURCE = 2,
    /* A response of another method than its request. */
    STUN_DROP_WRONG_METHOD = 3,
    /* FINGERPRINT does not match. */
    STUN_DROP_BAD_FINGERPRINT = 4,
    /* A response to a signed request without a valid signature. */
    STUN_DROP_UNAUTHENTICATED = 5,
    /* An attribute that is known and has an impossible value. */
    STUN_DROP_MALFORMED_ATTRIBUTE = 6,
    /* A request of a method that is not served. */
    STUN_DROP_UNSUPPORTED_METHOD = 7,
    /* An indication. */
    STUN_DROP_INDICATION = 8,
    /* A source that no reply may go to. */
    STUN_DROP_UNUSABLE_SOURCE = 9,
    /* The queue for replies is full: drain it. */
    STUN_DROP_QUEUE_FULL = 10,
    /* STUN that no operation expects. */
    STUN_DROP_UNEXPECTED = 11,
    /* STUN by its cookie and length, and broken inside. */
    STUN_DROP_MALFORMED = 12,
    /* The network of the source has used up what a server gives to those who have proved nothing. */
    STUN_DROP_OVER_BUDGET = 13,
    /* ChannelData on a channel that is not bound: late, or forged. */
    STUN_DROP_UNKNOWN_CHANNEL = 14,
    /* Data of a peer that is not permitted, or that the policy refuses. */
    STUN_DROP_UNPERMITTED_PEER = 15,
} stun_drop_code;

/* Values of `stun_packet.transport`. */
typedef enum stun_transport_code {
    /* Datagrams. */
    STUN_UDP = 0,
    /* A byte stream; each packet is one frame, see stun_frame_length(). */
    STUN_TCP = 1,
    /* A byte stream inside your TLS session; each packet is one frame. */
    STUN_TLS = 2,
} stun_transport_code;

/* How much to log; each level includes those before it. */
typedef enum stun_log_level {
    /* Nothing. */
    STUN_LOG_OFF = 0,
    /* Calls that were refused. */
    STUN_LOG_WARN = 1,
    /* And what happened to operations. */
    STUN_LOG_INFO = 2,
    /* And what was dropped. */
    STUN_LOG_DEBUG = 3,
} stun_log_level;

/* Values of `flags` in a stun_binding_config. */
typedef enum stun_binding_flag {
    /* Leave FINGERPRINT out of requests. */
    STUN_BINDING_NO_FINGERPRINT = 1,
    /* Take MAPPED-ADDRESS where XOR-MAPPED-ADDRESS is missing, as servers of RFC 3489 send it. */
    STUN_BINDING_ACCEPT_MAPPED_ADDRESS = 2,
} stun_binding_flag;

/* Which integrity attribute to sign with and to accept, of a short-term credential. */
typedef enum stun_integrity_code {
    /* Both, until the server has shown which one it knows (RFC 8489 s9.1.5). */
    STUN_INTEGRITY_BOTH = 0,
    /* MESSAGE-INTEGRITY. */
    STUN_INTEGRITY_SHA1 = 1,
    /* MESSAGE-INTEGRITY-SHA256. */
    STUN_INTEGRITY_SHA256 = 2,
} stun_integrity_code;

/* Values of `stun_event.kind`. Skip kinds that you do not know. 4 to 6 are reserved for ICE. */
typedef enum stun_event_code {
    /* The first mapped address: addr, rtt. The last event of a binding that asks once. */
    STUN_EV_MAPPED = 1,
    /* The operation has failed for good: reason, code, count. Its last event, unless is_last is 0: then a relay of a pool
     * has, and is never asked again. */
    STUN_EV_FAILED = 2,
    /* A TURN server relays: relayed, additional, addr, lifetime, rtt; token, if code is 1. Tell your peers relayed, and
     * permit them. Comes again after STUN_EV_LOST. */
    STUN_EV_ALLOCATED = 3,
    /* The mapped address is the same as before: addr, rtt. */
    STUN_EV_REFRESHED = 7,
    /* The mapped address is another: addr, previous, rtt. */
    STUN_EV_ADDRESS_CHANGED = 8,
    /* An attempt has failed and another follows: reason, code, count, at. */
    STUN_EV_RETRYING = 9,
    /* Close the connection: what its peer sent cannot be understood. addr is the peer, id the connection. Its last
     * event. */
    STUN_EV_CLOSE = 10,
    /* The server `previous` names `addr` in its place, which is asked from now on; with code 1 only if you agree with
     * stun_answer_redirect(), for a relay of a pool stun_relay_pool_answer_redirect(). See also
     * stun_binding_alternate_domain() and its like. */
    STUN_EV_REDIRECTED = 11,
    /* The network has changed, and the binding or allocation asks again at once: addr is its local address now, previous the one
     * before. If they differ, have a socket at the new one. */
    STUN_EV_RESTARTED = 12,
    /* Open a connection to the server addr from local address `previous` (any port does), then call stun_reconnected(),
     * for an allocation stun_allocation_reconnected(), for a relay of a pool stun_relay_pool_reconnected(); code is its
     * `enum stun_transport_code`, with STUN_UDP it is a socket at another port. Nothing is due until then. */
    STUN_EV_RECONNECT = 13,
    /* A server of a survey has answered: index is its place in the targets, server, addr, rtt. */
    STUN_EV_ANSWER = 14,
    /* A server of a survey will not answer: index, server, reason, code, count. */
    STUN_EV_NO_ANSWER = 15,
    /* A survey is over: count servers have answered, code have failed, index were not asked or not waited for; detail is
     * an `enum stun_mapping_code`. Its last event. */
    STUN_EV_SURVEYED = 16,
    /* Ask the DNS for records of kind detail (`enum stun_record_code`) of name, and answer question index. */
    STUN_EV_RESOLVE = 17,
    /* count servers were found: see stun_discovered_server(). The last event of a discovery. */
    STUN_EV_SERVERS = 18,
    /* A server has refused the network of addr many replies: it has used up its budget. */
    STUN_EV_THROTTLED = 19,
    /* The network of addr keeps failing to authenticate at a server; code is 1 if addr is proved not to be forged. */
    STUN_EV_AUTHENTICATION_FAILURES = 20,
    /* A request of a NAT probe was not answered: server was asked, name is what, in a word. */
    STUN_EV_NAT_UNANSWERED = 21,
    /* A property of the NAT is decided: index is the `enum stun_nat_property`, detail its `enum stun_nat_value`, count the
     * `enum stun_nat_confidence`; reason is an `enum stun_nat_reason` here, with its detail in code. */
    STUN_EV_NAT_FOUND = 22,
    /* Everything is decided: see stun_nat_report_read() and stun_nat_report_text(). The last event of a NAT probe. */
    STUN_EV_NAT_REPORT = 23,
    /* Of two families of relayed addresses the server gave one: detail, 4 or 6, is missing, code is the server's reason. */
    STUN_EV_FAMILY_REFUSED = 24,
    /* The peer may send and be sent to, whatever its port, which is 0 here. */
    STUN_EV_PERMITTED = 25,
    /* What is sent to the peer from now on goes through channel detail. */
    STUN_EV_CHANNEL_BOUND = 26,
    /* The server will not relay to the peer, for reason code: 403 is its policy, 443 the family. Port 0 where it was a
     * permission. It is forgotten, and may be asked for again. */
    STUN_EV_PEER_REFUSED = 27,
    /* What was sent to the peer did not arrive: detail is the type of the ICMP message that came back, code its code,
     * count the MTU where it was too big. A hint, which anybody could have sent. */
    STUN_EV_PEER_UNREACHABLE = 28,
    /* The relayed address is gone: relayed; reason, code, count. Another is asked for, and the same peers permitted there. In
     * a pool, detail is 1 if data went through it: STUN_EV_MIGRATED follows as soon as another relay is ready. */
    STUN_EV_LOST = 29,
    /* Call stun_allocation_set_credentials(), for a relay of a pool stun_relay_pool_set_credentials(): code is an
     * `enum stun_credentials_need_code`, at when they expire. */
    STUN_EV_CREDENTIALS_NEEDED = 30,
    /* An allocation has moved with you to another network: relayed address, permissions and channels are as before; addr. */
    STUN_EV_MOVED = 31,
    /* A connection to the peer is there on the server's side: within 30 s open one to the server addr from local address
     * `previous`, from another port than any other, and call stun_allocation_connection_opened() with index; code is the
     * `enum stun_transport_code`, detail 1 if the peer has connected and 0 if you have. */
    STUN_EV_OPEN_CONNECTION = 32,
    /* From now on your connection from `previous` to the server addr, index, carries the bytes of the peer and nothing
     * else; code is its `enum stun_transport_code`. */
    STUN_EV_CONNECTION_BOUND = 33,
    /* A connection to the peer was not made, or not taken in time: reason, code, count. Close yours to the server, if you
     * have one. */
    STUN_EV_CONNECTION_FAILED = 34,
    /* The allocation or pool was closed, as you wished. Its last event. */
    STUN_EV_CLOSED = 35,
    /* A relay of a pool is there: relay, relayed, additional, addr, rtt. Its address is a candidate, selected or not. */
    STUN_EV_RELAY_READY = 36,
    /* The first relay through which data of a pool goes: relay, relayed, additional. Tell your peers relayed. */
    STUN_EV_RELAY_SELECTED = 37,
    /* Data of a pool goes through another relayed address, which peers have to be told: relay now, index before, relayed,
     * additional; detail is an `enum stun_migration_code`, with its reason, code and count if the relay was lost. Every
     * peer has been asked for there. */
    STUN_EV_MIGRATED = 38,
    /* The peer, of port 0 where it was a permission, cannot be asked for at the relay that was selected just now: detail is
     * an `enum stun_unserved_code`. */
    STUN_EV_PEER_UNSERVED = 39,
    /* A relay of a pool has come to the path of relay index, by a redirection or with your network: relay ends without a
     * word to the server, and is never asked again. */
    STUN_EV_RELAY_SUPERSEDED = 40,
} stun_event_code;

/* Values of `stun_event.reason`. */
typedef enum stun_failure_code {
    /* Not a failure. */
    STUN_FAIL_NONE = 0,
    /* Nobody answered in time. */
    STUN_FAIL_TIMEOUT = 1,
    /* `count` answers came, none signed with the password; `code` is the last one's error code. */
    STUN_FAIL_INTEGRITY = 2,
    /* The server refused with error `code`. */
    STUN_FAIL_ERROR_RESPONSE = 3,
    /* An error response without a usable ERROR-CODE. */
    STUN_FAIL_MALFORMED_ERROR = 4,
    /* The response demands to understand attribute `code`. */
    STUN_FAIL_UNKNOWN_ATTRIBUTE = 5,
    /* A success response without a usable mapped address. */
    STUN_FAIL_NO_MAPPED_ADDRESS = 6,
    /* It could not be sent; `code` is the `enum stun_send_error_code` that you reported. */
    STUN_FAIL_SEND = 7,
    /* The server does not understand attribute `code` of the request (420). */
    STUN_FAIL_NOT_UNDERSTOOD = 8,
    /* The server's challenge was not met; `code` is the `enum stun_auth_failure_code`. */
    STUN_FAIL_AUTHENTICATION = 9,
    /* The server named another that was not asked; `code` is the `enum stun_redirect_refusal_code`. */
    STUN_FAIL_REDIRECTED = 10,
    /* The local address has gone, and you have none of its family. */
    STUN_FAIL_NETWORK_CHANGED = 11,
    /* The DNS has no usable address of a server. */
    STUN_FAIL_NOT_FOUND = 12,
    /* The domain says that it does not offer the service. */
    STUN_FAIL_NOT_OFFERED = 13,
    /* The resolver has failed, and nothing else led to a server. */
    STUN_FAIL_RESOLVER = 14,
    /* A success response without a usable relayed address. */
    STUN_FAIL_NO_RELAYED_ADDRESS = 15,
    /* The relayed address is of a family that was not asked for. */
    STUN_FAIL_WRONG_FAMILY = 16,
    /* The server gave no lifetime, or an impossible one. */
    STUN_FAIL_LIFETIME = 17,
    /* The relay's lifetime ended before the server could be asked. */
    STUN_FAIL_EXPIRED = 18,
    /* The relay that it belongs to is gone. */
    STUN_FAIL_ALLOCATION_LOST = 19,
    /* A reason that is newer than this function. */
    STUN_FAIL_OTHER = 255,
} stun_failure_code;

/* What a key is made of. */
typedef enum stun_key_kind {
    /* `password` is the short-term password (RFC 8489 s9.1.1); username and realm are not looked at. */
    STUN_KEY_SHORT_TERM = 0,
    /* MD5(username ":" realm ":" password) (RFC 8489 s9.2.2). */
    STUN_KEY_LONG_TERM_MD5 = 1,
    /* SHA-256 of the same (RFC 8489 s18.5.1.2). */
    STUN_KEY_LONG_TERM_SHA256 = 2,
} stun_key_kind;

/* Values of `stun_wire_message.message_class`. */
typedef enum stun_wire_class {
    /* Asks for an answer. */
    STUN_WIRE_REQUEST = 0,
    /* Asks for none. */
    STUN_WIRE_INDICATION = 1,
    /* The answer: done. */
    STUN_WIRE_SUCCESS_RESPONSE = 2,
    /* The answer: not done. */
    STUN_WIRE_ERROR_RESPONSE = 3,
} stun_wire_class;

/* The result of a check. */
typedef enum stun_check_code {
    /* The message does not carry it. */
    STUN_CHECK_ABSENT = 0,
    /* It is what it should be. */
    STUN_CHECK_VALID = 1,
    /* It is not. */
    STUN_CHECK_INVALID = 2,
} stun_check_code;

/* What a datagram looks like (RFC 7983, with the magic cookie and the length of STUN checked as well). */
typedef enum stun_protocol_code {
    /* None of these. */
    STUN_PROTOCOL_UNKNOWN = 0,
    /* STUN. */
    STUN_PROTOCOL_STUN = 1,
    /* TURN ChannelData. */
    STUN_PROTOCOL_CHANNEL_DATA = 2,
    /* DTLS. */
    STUN_PROTOCOL_DTLS = 3,
    /* RTP or RTCP. */
    STUN_PROTOCOL_RTP = 4,
    /* ZRTP. */
    STUN_PROTOCOL_ZRTP = 5,
    /* QUIC. */
    STUN_PROTOCOL_QUIC = 6,
    /* WireGuard. */
    STUN_PROTOCOL_WIREGUARD = 7,
} stun_protocol_code;

/* How a credential is used. */
typedef enum stun_credential_kind {
    /* Both ends know it beforehand, and every message is signed (RFC 8489 s9.1). */
    STUN_SHORT_TERM = 0,
    /* The server challenges for it, and names the realm and the algorithms (RFC 8489 s9.2). */
    STUN_LONG_TERM = 1,
} stun_credential_kind;

/* What a long-term credential demands, or-ed. Without it the request fails. */
typedef enum stun_credential_flag {
    /* SHA-256 for keys and signatures; what is not signed so is not believed (RFC 8489 s9.2.1). */
    STUN_CREDENTIAL_REQUIRE_SHA256 = 1,
    /* USERHASH: the username is never sent in the clear (RFC 8489 s14.4). */
    STUN_CREDENTIAL_REQUIRE_ANONYMITY = 2,
} stun_credential_flag;

/* What to do when a server names another one in its place (300, RFC 8489 s10). Whoever can forge an answer to an
 * unsigned request can send you elsewhere. */
typedef enum stun_redirect_code {
    /* Ask the other one, and say so with STUN_EV_REDIRECTED. */
    STUN_REDIRECT_FOLLOW = 0,
    /* Fail. */
    STUN_REDIRECT_REFUSE = 1,
    /* Ask you with STUN_EV_REDIRECTED, and wait for stun_answer_redirect(). */
    STUN_REDIRECT_ASK = 2,
} stun_redirect_code;

/* Values of `flags` in a stun_server_config. */
typedef enum stun_server_flag {
    /* Answer clients of RFC 3489 too, whose requests have no magic cookie. Not together with credentials. */
    STUN_SERVER_RFC3489 = 1,
    /* Offer no password algorithm but MD5. */
    STUN_SERVER_NO_PASSWORD_ALGORITHMS = 2,
    /* Take no USERHASH in place of a username. */
    STUN_SERVER_NO_ANONYMITY = 4,
    /* Send strangers whatever they ask for, without a budget and its events. */
    STUN_SERVER_NO_BUDGET = 8,
    /* Serve NAT behaviour discovery with the one address `local`: no OTHER-ADDRESS, and 420 for CHANGE-REQUEST. */
    STUN_SERVER_BEHAVIOR_SINGLE = 16,
} stun_server_flag;

/* What the answers to one socket tell of the NAT, in STUN_EV_SURVEYED. */
typedef enum stun_mapping_code {
    /* Too few answers to compare. */
    STUN_MAPPING_UNKNOWN = 0,
    /* Servers of different IP addresses saw the same address. */
    STUN_MAPPING_SAME = 1,
    /* Servers of different IP addresses saw different ones: peers need a relay. */
    STUN_MAPPING_DEPENDS_ON_ADDRESS = 2,
    /* Even two ports of one server saw different ones. */
    STUN_MAPPING_DEPENDS_ON_PORT = 3,
} stun_mapping_code;

/* The schemes of URIs. */
typedef enum stun_scheme_code {
    /* stun: */
    STUN_SCHEME_STUN = 0,
    /* stuns:, inside TLS. */
    STUN_SCHEME_STUNS = 1,
    /* turn: */
    STUN_SCHEME_TURN = 2,
    /* turns:, inside TLS. */
    STUN_SCHEME_TURNS = 3,
} stun_scheme_code;

/* What a URI says behind `?transport=`. */
typedef enum stun_uri_transport_code {
    /* Nothing. */
    STUN_URI_ANY = 0,
    /* udp */
    STUN_URI_UDP = 1,
    /* tcp */
    STUN_URI_TCP = 2,
    /* Another one. */
    STUN_URI_OTHER = 3,
} stun_uri_transport_code;

/* What a server is to do, which is what its SRV records are named after. */
typedef enum stun_service_code {
    /* Binding requests. */
    STUN_SERVICE_STUN = 0,
    /* Relays. */
    STUN_SERVICE_TURN = 1,
    /* NAT behaviour discovery. */
    STUN_SERVICE_BEHAVIOR = 2,
} stun_service_code;

/* Values of `flags` in a stun_discovery_config. */
typedef enum stun_discovery_flag {
    /* Only TLS will do. */
    STUN_DISCOVERY_SECURE = 1,
} stun_discovery_flag;

/* Kinds of DNS records, by their numbers in the DNS; `detail` of STUN_EV_RESOLVE. */
typedef enum stun_record_code {
    /* IPv4 addresses: stun_answer_addresses(). */
    STUN_RECORD_A = 1,
    /* IPv6 addresses: stun_answer_addresses(). */
    STUN_RECORD_AAAA = 28,
    /* Hosts and ports of a service: stun_answer_services(). */
    STUN_RECORD_SRV = 33,
    /* Transports of relays: stun_answer_naptr(). */
    STUN_RECORD_NAPTR = 35,
} stun_record_code;

/* Why the DNS has no answer; for stun_answer_failed(). */
typedef enum stun_dns_failure_code {
    /* There is no such name, or no such record, or you cannot ask for that kind of record. */
    STUN_DNS_NOT_FOUND = 1,
    /* The resolver gave up, or the server had failed. */
    STUN_DNS_FAILED = 2,
} stun_dns_failure_code;

/* What can be found out. As a bit of a stun_nat_config's `properties`: 1u << it. */
typedef enum stun_nat_property {
    /* Whether UDP reaches servers. */
    STUN_NAT_CONNECTIVITY = 0,
    /* Whether there is a NAT. */
    STUN_NAT_TRANSLATION = 1,
    /* How it maps (RFC 4787 s4.1). */
    STUN_NAT_MAPPING = 2,
    /* How it filters (RFC 4787 s5). */
    STUN_NAT_FILTERING = 3,
    /* Whether two sockets behind it reach each other by their mapped addresses. */
    STUN_NAT_HAIRPINNING = 4,
    /* Whether the mapped port is the local one. */
    STUN_NAT_PORT_PRESERVATION = 5,
    /* Whether even ports stay even, and odd ones odd. */
    STUN_NAT_PORT_PARITY = 6,
    /* Whether all mapped addresses of the host have one IP. */
    STUN_NAT_POOLING = 7,
    /* Whether the mapped address stays. */
    STUN_NAT_STABILITY = 8,
    /* Whether something rewrites addresses inside messages. */
    STUN_NAT_GATEWAY = 9,
    /* What becomes of datagrams that are longer than the path's MTU. */
    STUN_NAT_FRAGMENTS = 10,
    /* How long a binding lives without traffic. Takes up to two hours, and is not tested unless asked for. */
    STUN_NAT_LIFETIME = 11,
} stun_nat_property;

/* Values of `flags` in a stun_nat_config. */
typedef enum stun_nat_flag {
    /* End requests with FINGERPRINT, for sockets that other protocols share. Gateways that rewrite addresses break it. */
    STUN_NAT_FINGERPRINT = 1,
} stun_nat_flag;

/* What a property is. The names are those of the report as text. */
typedef enum stun_nat_value {
    /* It is not known: see the reason. */
    STUN_NAT_UNKNOWN = 0,
    /* Connectivity: a server has answered. */
    STUN_NAT_OPEN = 1,
    /* Connectivity: servers at several addresses were silent. */
    STUN_NAT_BLOCKED = 2,
    /* Translation, gateway: there is none. */
    STUN_NAT_ABSENT = 3,
    /* Translation, gateway: there is one, or several. */
    STUN_NAT_PRESENT = 4,
    /* Mapping, filtering: depends on nothing. */
    STUN_NAT_ENDPOINT_INDEPENDENT = 5,
    /* Mapping, filtering: depends on the remote IP address. */
    STUN_NAT_ADDRESS_DEPENDENT = 6,
    /* Mapping, filtering: depends on the remote IP address and port. */
    STUN_NAT_ADDRESS_AND_PORT_DEPENDENT = 7,
    /* Hairpinning: it works. */
    STUN_NAT_SUPPORTED = 8,
    /* Hairpinning: it does not. */
    STUN_NAT_UNSUPPORTED = 9,
    /* Ports, parity: it is kept. */
    STUN_NAT_PRESERVED = 10,
    /* Ports, parity, stability: it is not. */
    STUN_NAT_CHANGED = 11,
    /* Pooling: one IP address. */
    STUN_NAT_ONE_ADDRESS = 12,
    /* Pooling: several. */
    STUN_NAT_SEVERAL_ADDRESSES = 13,
    /* Stability: it stays. */
    STUN_NAT_STABLE = 14,
    /* Fragments: they pass both ways. */
    STUN_NAT_PASS = 15,
    /* Fragments: they pass outwards; the server sent none back. */
    STUN_NAT_PASS_OUTBOUND = 16,
    /* Fragments: they are lost, here or elsewhere on the path. */
    STUN_NAT_LOST = 17,
    /* Lifetime: between lifetime_at_least and lifetime_below. */
    STUN_NAT_BOUNDED = 18,
} stun_nat_value;

/* How sure a known value is. */
typedef enum stun_nat_confidence {
    /* The value is not known. */
    STUN_NAT_NO_CONFIDENCE = 0,
    /* Something does not fit, or could not be confirmed. */
    STUN_NAT_LOW = 1,
    /* One observation, or one that other causes could explain. */
    STUN_NAT_MEDIUM = 2,
    /* It was seen to happen, or several observations agree. */
    STUN_NAT_HIGH = 3,
} stun_nat_confidence;

/* Why a value is unknown. */
typedef enum stun_nat_reason {
    /* It is known. */
    STUN_NAT_NO_REASON = 0,
    /* You did not ask for it, or it has not been decided yet. */
    STUN_NAT_NOT_TESTED = 1,
    /* The deadline came first. */
    STUN_NAT_DEADLINE = 2,
    /* Nobody answered. */
    STUN_NAT_NO_ANSWER = 3,
    /* The path loses too much for silence to say anything. */
    STUN_NAT_LOSSY = 4,
    /* It could not be sent; `detail` is the `enum stun_send_error_code`. */
    STUN_NAT_SEND_FAILED = 5,
    /* The server answered with error `detail`. */
    STUN_NAT_ERROR_RESPONSE = 6,
    /* Responses were altered or not signed. */
    STUN_NAT_RESPONSES_ALTERED = 7,
    /* The server does not give the mapped addresses that it takes. */
    STUN_NAT_NO_MAPPED_ADDRESS = 8,
    /* The server has no other address to answer from. */
    STUN_NAT_NO_OTHER_ADDRESS = 9,
    /* The server's other address does not answer. */
    STUN_NAT_ALTERNATE_SILENT = 10,
    /* The server does not answer from elsewhere when asked to. */
    STUN_NAT_IGNORES_CHANGE_REQUEST = 11,
    /* The server refuses to. */
    STUN_NAT_REFUSES_CHANGE_REQUEST = 12,
    /* The server does not answer to another port when asked to. */
    STUN_NAT_IGNORES_RESPONSE_PORT = 13,
    /* The server refuses to. */
    STUN_NAT_REFUSES_RESPONSE_PORT = 14,
    /* The server refuses PADDING. */
    STUN_NAT_REFUSES_PADDING = 15,
    /* It takes a second socket. */
    STUN_NAT_NO_SECOND_SOCKET = 16,
    /* The local address is not known. */
    STUN_NAT_LOCAL_UNKNOWN = 17,
    /* There is no NAT. */
    STUN_NAT_NO_NAT = 18,
    /* Observations contradict each other. */
    STUN_NAT_CONTRADICTION = 19,
    /* Only one server address could be asked. */
    STUN_NAT_ONE_SERVER_ONLY = 20,
    /* Only one IP address could be asked; it does not depend on the port. */
    STUN_NAT_ONE_ADDRESS_ONLY = 21,
    /* It depends on the destination; on the address alone or also on the port cannot be told. */
    STUN_NAT_DEPENDS_ON_DESTINATION = 22,
    /* What was sent may have been filtered. */
    STUN_NAT_FILTERING_HIDES = 23,
    /* Too few observations: they may agree by chance. */
    STUN_NAT_TOO_FEW = 24,
    /* The two sockets have different public IP addresses. */
    STUN_NAT_DIFFERENT_ADDRESSES = 25,
    /* The mapped addresses are of another family than the sockets. */
    STUN_NAT_OTHER_FAMILY = 26,
    /* Your network changed first. */
    STUN_NAT_NETWORK_CHANGED = 27,
    /* A reason that is newer than this function. */
    STUN_NAT_OTHER_REASON = 255,
} stun_nat_reason;

/* How to write a report. */
typedef enum stun_nat_report_format {
    /* For people: a line for each property, and below it what was asked and seen. */
    STUN_NAT_TEXT = 0,
    /* For programs: one JSON object. */
    STUN_NAT_JSON = 1,
    /* What RFC 3489 would have called it, such as "full cone NAT", where it has a word for it. */
    STUN_NAT_RFC3489 = 2,
} stun_nat_report_format;

/* Why a challenge was not met (RFC 8489 s9.2.5). */
typedef enum stun_auth_failure_code {
    /* A reason that is newer than this function. */
    STUN_AUTH_OTHER = 0,
    /* The server rejects the credentials. */
    STUN_AUTH_REJECTED = 1,
    /* No usable REALM. */
    STUN_AUTH_NO_REALM = 2,
    /* No usable NONCE. */
    STUN_AUTH_NO_NONCE = 3,
    /* The nonce that is called stale is offered again. */
    STUN_AUTH_SAME_NONCE = 4,
    /* The server challenges again and again. */
    STUN_AUTH_TOO_MANY_CHALLENGES = 5,
    /* Somebody on the path takes security away. */
    STUN_AUTH_BID_DOWN = 6,
    /* None of the server's password algorithms is known here. */
    STUN_AUTH_NO_KNOWN_ALGORITHM = 7,
    /* STUN_CREDENTIAL_REQUIRE_SHA256, and it is not offered. */
    STUN_AUTH_SHA256_NOT_OFFERED = 8,
    /* STUN_CREDENTIAL_REQUIRE_ANONYMITY, and it is not offered. */
    STUN_AUTH_ANONYMITY_NOT_OFFERED = 9,
} stun_auth_failure_code;

/* Why a redirection was not followed. */
typedef enum stun_redirect_refusal_code {
    /* A reason that is newer than this function. */
    STUN_REFUSED_OTHER = 0,
    /* You declined it. */
    STUN_REFUSED_DECLINED = 1,
    /* It names no server of the family that was asked. */
    STUN_REFUSED_OTHER_FAMILY = 2,
    /* It names an address that no server can have. */
    STUN_REFUSED_UNUSABLE_ADDRESS = 3,
    /* It leads back to a server that was asked in the last five minutes. */
    STUN_REFUSED_LOOP = 4,
    /* Four servers in a row have redirected. */
    STUN_REFUSED_TOO_MANY = 5,
} stun_redirect_refusal_code;

/* Why an allocation needs other credentials. */
typedef enum stun_credentials_need_code {
    /* A reason that is newer than this function. */
    STUN_CREDENTIALS_OTHER = 0,
    /* The server rejects those that it was given. Nothing is sent until there are others. */
    STUN_CREDENTIALS_REJECTED = 1,
    /* They expire. What is there goes on meanwhile. */
    STUN_CREDENTIALS_EXPIRING = 2,
} stun_credentials_need_code;

/* Which peers may be reached where no stun_peer_rule says anything. Unspecified, multicast and broadcast addresses
 * never are. */
typedef enum stun_peer_policy_code {
    /* All but loopback and link-local addresses, which mean the relay's own machine and link (RFC 8656 s21.2.2). */
    STUN_PEERS_DEFAULT = 0,
    /* Loopback addresses too: for tests on one machine. */
    STUN_PEERS_LOOPBACK = 1,
    /* All. */
    STUN_PEERS_ALL = 2,
} stun_peer_policy_code;

/* Values of `flags` in a stun_allocation_config. */
typedef enum stun_allocation_flag {
    /* Leave FINGERPRINT out of requests. */
    STUN_ALLOCATION_NO_FINGERPRINT = 1,
    /* Ask the server to set the DF bit of what it sends to peers (RFC 8656 s18.9). One that cannot is asked again
     * without. */
    STUN_ALLOCATION_DONT_FRAGMENT = 2,
    /* Do not ask for a ticket with which the allocation can move to another network (RFC 8016). */
    STUN_ALLOCATION_NO_MOBILITY = 4,
} stun_allocation_flag;

/* The families of the relayed addresses. They need not be the family of the path to the server. */
typedef enum stun_relay_family {
    /* One IPv4 address. */
    STUN_RELAY_IPV4 = 0,
    /* One IPv6 address. */
    STUN_RELAY_IPV6 = 1,
    /* One of each; one of them may be refused. */
    STUN_RELAY_BOTH = 2,
} stun_relay_family;

/* Which port the relayed address shall have. */
typedef enum stun_relay_port {
    /* Any. */
    STUN_PORT_ANY = 0,
    /* An even one (RFC 8656 s18.7). */
    STUN_PORT_EVEN = 1,
    /* An even one, the next being kept for 30 s for a second allocation: its token comes with STUN_EV_ALLOCATED. */
    STUN_PORT_EVEN_RESERVING_NEXT = 2,
    /* The one that `token` stands for (RFC 8656 s18.10). */
    STUN_PORT_RESERVED = 3,
} stun_relay_port;

/* What keeps the NATs' bindings alive while nothing else is sent. */
typedef enum stun_keepalive_kind {
    /* A Binding indication: one packet, and no answer. */
    STUN_KEEPALIVE_INDICATION = 0,
    /* A Binding request: two packets. Its answer tells when a NAT has changed your address. */
    STUN_KEEPALIVE_REQUEST = 1,
} stun_keepalive_kind;

/* Values of `flags` in a stun_relay_pool_config. */
typedef enum stun_relay_pool_flag {
    /* Ask for every peer at every relay that is ready, and not only at the selected one: a migration costs no round trip
     * then, and every standby the packets of its permissions and channels. */
    STUN_RELAY_POOL_WARM_STANDBY = 1,
} stun_relay_pool_flag;

/* Why data goes through another relay, in STUN_EV_MIGRATED. */
typedef enum stun_migration_code {
    /* A reason that is newer than this function. */
    STUN_MIGRATION_OTHER = 0,
    /* The relay before is gone, for the reason in reason, code and count. */
    STUN_MIGRATION_LOST = 1,
    /* The relay before has not answered for as long as `patience` says. What still comes through it is unwrapped. */
    STUN_MIGRATION_UNRESPONSIVE = 2,
    /* More of the peers can be reached from this one, for their family. */
    STUN_MIGRATION_FAMILY = 3,
    /* This one is faster. */
    STUN_MIGRATION_FASTER = 4,
} stun_migration_code;

/* Why a peer cannot be asked for at a relay, in STUN_EV_PEER_UNSERVED. */
typedef enum stun_unserved_code {
    /* A reason that is newer than this function. */
    STUN_UNSERVED_OTHER = 0,
    /* The policy of this relay refuses the address, or it is the relayed address itself. */
    STUN_UNSERVED_POLICY = 1,
    /* As many peers are permitted or bound there as may be. */
    STUN_UNSERVED_FULL = 2,
    /* The relayed address is of another family. */
    STUN_UNSERVED_FAMILY = 3,
} stun_unserved_code;

/* An agent: opaque, made by stun_agent_new() and freed by stun_agent_free().
 *
 * It may move between threads, and must not be used by two at once: whoever comes second gets
 * STUN_E_BUSY. stun_poll_timeout() and stun_wake_reason() are free to be called from anywhere. */
typedef struct stun_agent stun_agent;

/* A credential's key with its HMAC pads hashed ahead, for any number of messages: opaque, made by
 * stun_key_new(), erased and freed by stun_key_free(). It never changes, so any number of threads may use
 * it at once. */
typedef struct stun_key stun_key;

/* The answer of a call: 0 is done, above 0 is done but there is nothing for you, below 0 is misuse, and
 * then nothing has changed. See `enum stun_status_code`. */
typedef int32_t stun_status;

/* Receives a line of text: UTF-8, `len` bytes, not NUL-terminated, valid during the call. It must not call
 * the agent that it logs for: such a call answers STUN_E_BUSY. */
typedef void (*stun_log_fn)(void *user, uint32_t level, const char *text, size_t len);

/* An agent's configuration. All zeros but struct_size is the default. */
typedef struct stun_config {
    /* sizeof(stun_config). */
    uint32_t struct_size;
    /* Operations at a time; 0 is 1048576, the most there can be. */
    uint32_t max_operations;
    /* 32 secret bytes that all randomness comes from, copied; NULL asks the operating system. Never the
     * same seed twice outside tests: whoever knows it can forge answers. */
    const uint8_t *seed;
    /* Receives log lines; NULL is off. */
    stun_log_fn log;
    /* Passed to `log`. */
    void *log_user;
    /* `enum stun_log_level`. */
    uint32_t log_level;
    /* Set it to 0. */
    uint32_t reserved;
} stun_config;

/* Nanoseconds on any monotonic clock of yours; the same clock for every call to one agent. Take one that
 * runs through suspend (CLOCK_BOOTTIME, mach_continuous_time). A `now` earlier than one already seen counts
 * as the latest seen; STUN_NEVER is no time, and refused. Round up when you convert a deadline to milliseconds, or you will spin. */
typedef uint64_t stun_time;

/* A transport address. 24 bytes, frozen. stun_sockaddr.h converts it from and to sockaddr. */
typedef struct stun_addr {
    /* 4, 6, or 0 for none. */
    uint8_t family;
    /* Set it to 0. */
    uint8_t reserved;
    /* In host byte order. */
    uint16_t port;
    /* The zone of a link-local IPv6 address, else 0. */
    uint32_t scope_id;
    /* In network order; IPv4 in the first four bytes, the rest not looked at, and 0 in results. */
    uint8_t ip[16];
} stun_addr;

/* A binding's configuration. Zero in a field is its default. Strings are copied. */
typedef struct stun_binding_config {
    /* sizeof(stun_binding_config). */
    uint32_t struct_size;
    /* `enum stun_transport_code`. */
    uint32_t transport;
    /* What your socket is bound to; family 0 if you do not care. */
    struct stun_addr local;
    /* The server. For its name, see stun_discovery_start(). */
    struct stun_addr server;
    /* Your number for the socket, handed back in each packet. */
    uint32_t socket_id;
    /* `enum stun_binding_flag`, or-ed. */
    uint32_t flags;
    /* Ask again this long after the last request. 0 is 25 s; at least 1 s; STUN_NEVER asks once. */
    stun_time refresh;
    /* The first RTO. 0 is 500 ms. */
    stun_time initial_rto;
    /* How long to wait for an answer over TCP or TLS. 0 is 39.5 s. */
    stun_time ti;
    /* How often a request is sent in all. 0 is 7. */
    uint32_t rc;
    /* How many RTOs to wait after the last send. 0 is 16. */
    uint32_t rm;
    /* The wait after the first failure while refreshing, doubling from there. 0 is 1 s. */
    stun_time backoff_first;
    /* The longest such wait. 0 is 60 s. */
    stun_time backoff_max;
    /* The username of a credential, UTF-8; NULL is none. A short-term one is taken as it is, so prepare it as an
     * OpaqueString; a long-term one is prepared here (RFC 8265 s4.2). */
    const uint8_t *username;
    /* 1 to 508. */
    size_t username_len;
    /* Its password. */
    const uint8_t *password;
    /* At least 1. */
    size_t password_len;
    /* `enum stun_integrity_code`. */
    uint32_t integrity;
    /* Set it to 0. */
    uint32_t reserved;
    /* `enum stun_credential_kind`. */
    uint32_t credential_kind;
    /* `enum stun_credential_flag`, or-ed. */
    uint32_t credential_flags;
    /* `enum stun_redirect_code`. */
    uint32_t redirects;
    /* Set it to 0. */
    uint32_t reserved2;
} stun_binding_config;

/* One datagram, or one frame of a stream, in either direction. 72 bytes on 64-bit systems, frozen. */
typedef struct stun_packet {
    /* Your own address: what your socket is bound to. Family 0 if you do not care. */
    struct stun_addr local;
    /* The other end. */
    struct stun_addr remote;
    /* The bytes. NULL only with length 0. */
    const uint8_t *data;
    /* How many. */
    size_t len;
    /* `enum stun_transport_code`. */
    uint8_t transport;
    /* The two ECN bits of the IP header, or 0. */
    uint8_t ecn;
    /* Set it to 0. */
    uint16_t flags;
    /* A number of your choosing for your socket, handed back as it is. */
    uint32_t socket_id;
} stun_packet;

/* A user of a realm. Frozen. */
typedef struct stun_user {
    /* UTF-8, prepared here as an OpaqueString. */
    const uint8_t *name;
    /* 1 to 508. */
    size_t name_len;
    /* The same. */
    const uint8_t *password;
    /* At least 1. */
    size_t password_len;
} stun_user;

/* A server's configuration. All zeros but struct_size answers everything that arrives anywhere, within the default
 * budget. Strings are copied. */
typedef struct stun_server_config {
    /* sizeof(stun_server_config). */
    uint32_t struct_size;
    /* `enum stun_integrity_code`, of a short-term credential. */
    uint32_t integrity;
    /* Answer only what arrives here; family 0 is everywhere, an unspecified IP any IP, port 0 any port. */
    struct stun_addr local;
    /* Answer only requests signed with this short-term credential; NULL is none. */
    const uint8_t *username;
    /* 1 to 508. */
    size_t username_len;
    /* Its password. */
    const uint8_t *password;
    /* At least 1. */
    size_t password_len;
    /* Answer only users of this realm, who sign with long-term credentials; NULL is none. Best your domain's name; a
     * short one makes short challenges. */
    const uint8_t *realm;
    /* 1 to 127. */
    size_t realm_len;
    /* The realm's users; see also stun_server_add_user(). */
    const struct stun_user *users;
    /* How many. */
    size_t user_count;
    /* How long a nonce is good for. 0 is ten minutes. */
    stun_time nonce_lifetime;
    /* `enum stun_server_flag`, or-ed. */
    uint32_t flags;
    /* Bytes sent for a hundred received from a network that has proved nothing. 0 is 260; UINT32_MAX no limit. */
    uint32_t amplification_percent;
    /* Bytes of errors that such a network may be sent in a second. 0 is 65536. */
    uint32_t error_rate;
    /* Bytes of errors that it may be sent at once after a while of quiet. 0 is 262144. */
    uint32_t error_burst;
    /* Serve NAT behaviour discovery (RFC 5780): another IP address and another port than those of `local`. You have
     * four sockets then, on both addresses with both ports, and each packet says in `local` on which it arrived.
     * Family 0 serves none. */
    struct stun_addr alternate;
    /* The two IP addresses as clients see them, where the server is behind a NAT that maps no ports; else family 0. */
    struct stun_addr public_addrs[2];
    /* The sockets at local IP and port, local IP and other port, other IP and local port, other IP and port. */
    uint32_t socket_ids[4];
} stun_server_config;

/* One server, and the socket from which it is asked. Frozen. */
typedef struct stun_target {
    /* What your socket is bound to; family 0 if you do not care. */
    struct stun_addr local;
    /* The server. */
    struct stun_addr server;
    /* `enum stun_transport_code`. A connection is yours to open, before the survey starts. */
    uint32_t transport;
    /* Your number for the socket, handed back in each packet. */
    uint32_t socket_id;
} stun_target;

/* A survey's configuration. Zero in a field is its default; everything is copied. */
typedef struct stun_survey_config {
    /* sizeof(stun_survey_config). */
    uint32_t struct_size;
    /* Answers after which nobody else is asked; 0 is all. */
    uint32_t enough;
    /* Whom to ask, in that order. */
    const struct stun_target *targets;
    /* 1 to 64. */
    size_t target_count;
    /* How each is asked: credentials, flags, redirects, retransmissions; transport, addresses, socket_id, refresh and
     * backoff are not looked at. NULL is the default. */
    const struct stun_binding_config *request;
    /* How long the whole may take. 0 is 10 s; STUN_NEVER leaves each the time of its request. */
    stun_time deadline;
    /* How long to wait before the next one is asked; a failure does not wait. 0 asks all at once; else at least
     * 10 ms, best STUN_ATTEMPT_DELAY, with `enough` 1 for a race. */
    stun_time attempt_delay;
} stun_survey_config;

/* A URI of RFC 7064 or RFC 7065, read. Its text is a slice of yours. */
typedef struct stun_uri {
    /* Set it to sizeof(stun_uri) before the call; afterwards, how many bytes were filled. */
    uint32_t struct_size;
    /* `enum stun_scheme_code`. */
    uint32_t scheme;
    /* The host as it was written, without brackets. */
    const char *host;
    /* How many bytes. */
    size_t host_len;
    /* The host and the port, or the scheme's port, if the host is an IP address; family 0 if it is a name. */
    struct stun_addr addr;
    /* The port, 0 if the URI has none: then SRV records are to be asked for. */
    uint32_t port;
    /* The port where nothing says otherwise: 3478, or 5349 inside TLS. */
    uint32_t default_port;
    /* `enum stun_uri_transport_code`. */
    uint32_t transport;
    /* Zero. */
    uint32_t reserved;
} stun_uri;

/* What to look for. Zero in a field is its default; everything is copied. */
typedef struct stun_discovery_config {
    /* sizeof(stun_discovery_config). */
    uint32_t struct_size;
    /* `enum stun_service_code`; with a URI, 0. */
    uint32_t service;
    /* A stun:, stuns:, turn: or turns: URI, or NULL and a host. */
    const char *uri;
    /* How many bytes. */
    size_t uri_len;
    /* A name, or an IP address without brackets; with a URI, NULL. */
    const char *host;
    /* How many bytes. */
    size_t host_len;
    /* The port; 0 asks the DNS. With a URI, 0. */
    uint32_t port;
    /* `enum stun_discovery_flag`, or-ed; with a URI, 0. */
    uint32_t flags;
    /* What you can use, best first: `enum stun_transport_code`. NULL is UDP for STUN, and UDP, TCP, TLS for relays. */
    const uint32_t *transports;
    /* How many. */
    size_t transport_count;
    /* How long the whole may take. 0 is 5 s. */
    stun_time deadline;
    /* How long to wait for more once an address is known. 0 is 1 s. */
    stun_time resolution_delay;
} stun_discovery_config;

/* An SRV record (RFC 2782). Frozen. One whose text is not UTF-8 is passed over. */
typedef struct stun_srv_record {
    /* Lower ones are tried first. */
    uint16_t priority;
    /* The share among records of equal priority. */
    uint16_t weight;
    /* The port. */
    uint16_t port;
    /* Set it to 0. */
    uint16_t reserved;
    /* The host; "." says that there is no such service. */
    const char *target;
    /* How many bytes. */
    size_t target_len;
} stun_srv_record;

/* A NAPTR record (RFC 3403 s4.1). Frozen. One whose text is not UTF-8 is passed over. */
typedef struct stun_naptr_record {
    /* Lower ones are tried first. */
    uint16_t order;
    /* The same among records of equal order. */
    uint16_t preference;
    /* Set it to 0. */
    uint32_t reserved;
    /* "s", "a" or "". */
    const char *flags;
    /* How many bytes. */
    size_t flags_len;
    /* As in "RELAY:turn.udp". */
    const char *services;
    /* How many bytes. */
    size_t services_len;
    /* Records with one are passed over. */
    const char *regexp;
    /* How many bytes. */
    size_t regexp_len;
    /* The next name. */
    const char *replacement;
    /* How many bytes. */
    size_t replacement_len;
} stun_naptr_record;

/* One address of one server that was found. */
typedef struct stun_discovered {
    /* Set it to sizeof(stun_discovered) before the call; afterwards, how many bytes were filled. */
    uint32_t struct_size;
    /* `enum stun_transport_code`. */
    uint32_t transport;
    /* Where it is. */
    struct stun_addr addr;
    /* What its certificate must be for, if it is TLS. */
    const char *host;
    /* How many bytes. */
    size_t host_len;
} stun_discovered;

/* What a probe asks, and from where. Zero in a field is its default; everything is copied. */
typedef struct stun_nat_config {
    /* sizeof(stun_nat_config). */
    uint32_t struct_size;
    /* `1u << enum stun_nat_property`, or-ed; 0 is all but STUN_NAT_LIFETIME. */
    uint32_t properties;
    /* What the socket is bound to whose NAT is diagnosed. To tell how it filters, it must be fresh: nothing was sent
     * from it before. */
    struct stun_addr local;
    /* The server, best one of RFC 5780. */
    struct stun_addr server;
    /* Your number for the socket. */
    uint32_t socket_id;
    /* Your number for the second socket. */
    uint32_t second_socket_id;
    /* A second socket on another port, for hairpinning and the lifetime; family 0 is none. */
    struct stun_addr second;
    /* Your own IP address on the way to the server, if the sockets are bound to an unspecified one; the port is not
     * looked at. Family 0 if you do not know it. */
    struct stun_addr own;
    /* Further, ordinary servers, best at other IP addresses, for when `server` is an ordinary one or silent. */
    const struct stun_addr *servers;
    /* At most 8. */
    size_t server_count;
    /* Credentials and retransmissions; nothing else in it is looked at. NULL is the default. */
    const struct stun_binding_config *request;
    /* When to report what is known. 0 is 3 minutes, and longer with STUN_NAT_LIFETIME. */
    stun_time deadline;
    /* The longest wait for the lifetime. 0 is 10 minutes. */
    stun_time lifetime_max;
    /* How exact to be about it. 0 is 5 s. */
    stun_time lifetime_precision;
    /* Time between the starts of two requests. 0 is 100 ms, the least that RFC 5780 s5 allows. */
    stun_time pacing;
    /* Time between two attempts where silence is measured. 0 is 500 ms. */
    stun_time attempt_interval;
    /* How long to wait for the answer to such an attempt. 0 is 1.5 s. */
    stun_time last_wait;
    /* How often to try at most. 0 is 40; 10 to 100. */
    uint32_t max_attempts;
    /* Bytes of PADDING: the MTU of your interface. 0 is 1500. */
    uint32_t padding;
    /* `enum stun_nat_flag`, or-ed. */
    uint32_t flags;
    /* Set it to 0. */
    uint32_t reserved;
} stun_nat_config;

/* What was found of one property. Frozen. */
typedef struct stun_nat_finding {
    /* `enum stun_nat_value`. */
    uint32_t value;
    /* `enum stun_nat_confidence`. */
    uint32_t confidence;
    /* `enum stun_nat_reason`. */
    uint32_t reason;
    /* See `reason`. */
    uint32_t detail;
} stun_nat_finding;

/* What a probe has found. */
typedef struct stun_nat_report {
    /* Set it to sizeof(stun_nat_report) before each call; afterwards, how many bytes were filled. */
    uint32_t struct_size;
    /* Requests, each counted once, however often it was sent. */
    uint32_t requests;
    /* Responses accepted. */
    uint32_t responses;
    /* Whether the mapped address depends on the destination, which is known more often than on what of it: 1 yes,
     * 0 no, 2 unknown. */
    uint32_t depends_on_destination;
    /* The server that answered, or else the first that was asked. */
    struct stun_addr server;
    /* Its other address; family 0 if it has none. */
    struct stun_addr other;
    /* The local address of the socket, as far as it is known. */
    struct stun_addr local;
    /* Its mapped address; family 0 if it is not known. */
    struct stun_addr mapped;
    /* How long a binding lives at least; 0 if that is not known. */
    stun_time lifetime_at_least;
    /* And below what; STUN_NEVER if that is not known. */
    stun_time lifetime_below;
    /* By `enum stun_nat_property`. */
    struct stun_nat_finding findings[16];
} stun_nat_report;

/* A long-term credential (RFC 8489 s9.2), as TURN servers ask for one (RFC 8656 s5). Zero in a field is its default.
 * Strings are copied, and prepared as OpaqueStrings. */
typedef struct stun_credentials {
    /* sizeof(stun_credentials). */
    uint32_t struct_size;
    /* `enum stun_credential_flag`, or-ed. */
    uint32_t flags;
    /* UTF-8. */
    const uint8_t *username;
    /* 1 to 508. */
    size_t username_len;
    /* UTF-8. */
    const uint8_t *password;
    /* At least 1. */
    size_t password_len;
    /* When they expire by your clock, as time-limited ones do: a minute before, STUN_EV_CREDENTIALS_NEEDED asks for
     * others. 0 and STUN_NEVER are never. */
    stun_time expire;
} stun_credentials;

/* A range of addresses of one family that may, or may not, be reached. Of several rules that contain an address the
 * last one decides. Ports are not looked at. An IPv6 address in which an IPv4 address is embedded needs both to be
 * allowed. Frozen. */
typedef struct stun_peer_rule {
    /* The first address. */
    struct stun_addr first;
    /* The last address; family 0 for a range of one. */
    struct stun_addr last;
    /* 1 to allow, 0 to deny. */
    uint32_t allows;
    /* Set it to 0. */
    uint32_t reserved;
} stun_peer_rule;

/* An allocation's configuration. Zero in a field is its default; everything is copied. */
typedef struct stun_allocation_config {
    /* sizeof(stun_allocation_config). */
    uint32_t struct_size;
    /* Between you and the server: `enum stun_transport_code`. */
    uint32_t transport;
    /* What your socket is bound to; family 0 if you do not care. */
    struct stun_addr local;
    /* The server. For its name, see stun_discovery_start(). */
    struct stun_addr server;
    /* Your number for the socket, handed back in each packet. */
    uint32_t socket_id;
    /* `enum stun_allocation_flag`, or-ed. */
    uint32_t flags;
    /* NULL for a server that asks nobody who it is. */
    const struct stun_credentials *credentials;
    /* `enum stun_relay_family`. */
    uint32_t family;
    /* Between the server and peers: STUN_UDP, or STUN_TCP for connections (RFC 6062), to which you connect over TCP
     * or TLS only. */
    uint32_t relay_transport;
    /* `enum stun_relay_port`. */
    uint32_t port;
    /* `enum stun_keepalive_kind`. */
    uint32_t keepalive_kind;
    /* With STUN_PORT_RESERVED: the token of another allocation's STUN_EV_ALLOCATED. */
    uint8_t token[8];
    /* The time-to-expiry to ask for, at least 1 s. 0 leaves it to the server, which mostly gives ten minutes. It is
     * renewed in any case. */
    stun_time lifetime;
    /* Over UDP, send something at least that often. 0 is 25 s; at least 1 s; STUN_NEVER sends nothing for that. */
    stun_time keepalive;
    /* `enum stun_redirect_code`. */
    uint32_t redirects;
    /* `enum stun_peer_policy_code`. */
    uint32_t peer_policy;
    /* The wait after the first failure that may pass, doubling from there. 0 is 1 s. */
    stun_time backoff_first;
    /* The longest such wait. 0 is 60 s. */
    stun_time backoff_max;
    /* The first RTO. 0 is 500 ms. */
    stun_time initial_rto;
    /* How long to wait for an answer over TCP or TLS. 0 is 39.5 s. */
    stun_time ti;
    /* How often a request is sent in all. 0 is 7. */
    uint32_t rc;
    /* How many RTOs to wait after the last send. 0 is 16. */
    uint32_t rm;
    /* Rules that go before peer_policy. */
    const struct stun_peer_rule *peer_rules;
    /* How many. */
    size_t peer_rule_count;
} stun_allocation_config;

/* What is known of an allocation now. */
typedef struct stun_allocation_info {
    /* Set it to sizeof(stun_allocation_info) before each call; afterwards, how many bytes were filled. */
    uint32_t struct_size;
    /* 1 if the server relays, so that stun_allocation_send() can work; else 0. */
    uint32_t is_allocated;
    /* The relayed address, of two the IPv4 one; family 0 while there is none. */
    struct stun_addr relayed;
    /* The other one, of the other family, or family 0. */
    struct stun_addr additional;
    /* Your address as the server sees it, or family 0. */
    struct stun_addr mapped;
    /* The server, which is another than you named if it has redirected. */
    struct stun_addr server;
    /* Your own address, or family 0. */
    struct stun_addr local;
    /* When the server takes the relay back unless it is refreshed, which happens long before; STUN_NEVER if there is
     * none. */
    stun_time expires;
    /* The smoothed round trip to the server in nanoseconds; STUN_NEVER until one is measured. */
    stun_time rtt;
    /* Between you and the server: `enum stun_transport_code`. */
    uint32_t transport;
    /* Events that were dropped because you did not poll. */
    uint32_t dropped_events;
} stun_allocation_info;

/* A pool's configuration. Zero in a field is its default; everything is copied. */
typedef struct stun_relay_pool_config {
    /* sizeof(stun_relay_pool_config). */
    uint32_t struct_size;
    /* `enum stun_relay_pool_flag`, or-ed. */
    uint32_t flags;
    /* Pointers to the configurations of 1 to 16 relays, each on a path of its own and over STUN_UDP to peers. Events and
     * calls name a relay by its place here. keepalive_kind is not looked at: a pool keeps alive with requests, whose
     * answers tell that a server is there and how far. */
    const struct stun_allocation_config *const *relays;
    /* How many. */
    size_t relay_count;
    /* How many are kept ready. The first so many are asked at once; the others are spares, asked when fewer than that are
     * well. 0 is all. */
    uint32_t ready;
    /* Set it to 0. */
    uint32_t reserved;
    /* A relay that has not answered a request for so long is unresponsive, and another one is selected. On slow paths it
     * is longer, 30 s at most. 0 is 4 s; at least 1 s; STUN_NEVER waits until the relay is lost, 39.5 s and more. */
    stun_time patience;
    /* For so long after the first selection, and while no peer is wanted, a relay that is faster by a quarter takes over
     * at once. 0 is 2 s. */
    stun_time settling;
    /* After that a faster relay takes over if its round trip is at most half as long, and shorter by this. 0 is 50 ms. */
    stun_time least_gain;
    /* And has been for so long. 0 is 60 s; at least 1 s; STUN_NEVER: none takes over because it is faster, since every
     * migration gives peers another address. */
    stun_time hold;
} stun_relay_pool_config;

/* What is known of a pool now. */
typedef struct stun_relay_pool_info {
    /* Set it to sizeof(stun_relay_pool_info) before each call; afterwards, how many bytes were filled. */
    uint32_t struct_size;
    /* The relay through which data goes; STUN_NO_RELAY while there is none. */
    uint32_t selected;
    /* How many relays there are, spares and those that have failed among them. */
    uint32_t relay_count;
    /* How many of them have a relayed address now. */
    uint32_t ready_count;
    /* The relayed address through which data goes, of two the IPv4 one; family 0 while there is none. */
    struct stun_addr relayed;
    /* The other one, of the other family, or family 0. */
    struct stun_addr additional;
    /* Events that were dropped because you did not poll. */
    uint32_t dropped_events;
    /* Zero. */
    uint32_t reserved;
} stun_relay_pool_info;

/* What happened to an operation. Fields that a kind does not name are zero; see `relay`. */
typedef struct stun_event {
    /* Set it to sizeof(stun_event) before each call; afterwards, how many bytes were filled. */
    uint32_t struct_size;
    /* `enum stun_event_code`. */
    uint32_t kind;
    /* The operation. */
    uint64_t id;
    /* Your address as the server sees it, unless the kind says otherwise. */
    struct stun_addr addr;
    /* What it was before, unless the kind says otherwise. */
    struct stun_addr previous;
    /* The round trip in nanoseconds; STUN_NEVER where a retransmission makes it unknowable. */
    stun_time rtt;
    /* When the next attempt is due. */
    stun_time at;
    /* `enum stun_failure_code`, unless the kind says otherwise. */
    uint32_t reason;
    /* See `reason`. */
    uint32_t code;
    /* See `reason`. */
    uint32_t count;
    /* Bytes of `text`. */
    uint32_t text_len;
    /* One line for people: UTF-8, not NUL-terminated, valid until the next call on this agent. */
    const char *text;
    /* 1 if it is the operation's last event, and its id unknown from now on; else 0. */
    uint32_t is_last;
    /* Zero. */
    uint32_t reserved;
    /* See the kind. */
    uint32_t index;
    /* See the kind. */
    uint32_t detail;
    /* The server that it concerns. */
    struct stun_addr server;
    /* A name: UTF-8, not NUL-terminated, valid until the next call on this agent. */
    const char *name;
    /* Bytes of `name`. */
    size_t name_len;
    /* The relayed address, of two the IPv4 one. */
    struct stun_addr relayed;
    /* The other one, of the other family, or family 0. */
    struct stun_addr additional;
    /* The peer. */
    struct stun_addr peer;
    /* How long the server keeps a relay without a refresh. */
    stun_time lifetime;
    /* The token that the next port is kept for: for `token` in a stun_allocation_config. */
    uint8_t token[8];
    /* The relay of a pool that it concerns; STUN_NO_RELAY where it is none of a pool. What a relay of a pool tells has the
     * kinds of an allocation's events. */
    uint32_t relay;
    /* Zero. */
    uint32_t reserved2;
} stun_event;

/* A message under construction in your own buffer. Plain data, nothing to free; each call reads again what
 * is there, so that nothing but the bytes is trusted. After every call the first
 * `len` bytes are a complete message; a call that fails leaves them as they were. */
typedef struct stun_wire_builder {
    /* Your buffer. */
    uint8_t *buf;
    /* Its size. */
    size_t cap;
    /* Bytes written so far. */
    size_t len;
    /* After STUN_E_BUFFER of a call that adds: the size that the message would have had. */
    size_t needed;
} stun_wire_builder;

/* A parsed message: a view of your own bytes, which must stay as they are while you use it. Plain data,
 * nothing to free. 40 bytes on 64-bit systems, frozen. */
typedef struct stun_wire_message {
    /* The bytes it was parsed from. */
    const uint8_t *data;
    /* How many. */
    size_t len;
    /* Where the attributes end that anybody may act on: at the first integrity attribute, else at
     * FINGERPRINT, else at the end. What stands behind it may have been appended by anybody. */
    uint32_t covered_end;
    /* 0 to 0xFFF; Binding is 1. */
    uint16_t method;
    /* `enum stun_wire_class`. */
    uint8_t message_class;
    /* `enum stun_check_code`: FINGERPRINT. */
    uint8_t fingerprint;
    /* Whether it carries MESSAGE-INTEGRITY: 0 or 1. Check it with stun_wire_check(). */
    uint8_t has_sha1;
    /* Whether it carries MESSAGE-INTEGRITY-SHA256: 0 or 1. */
    uint8_t has_sha256;
    /* Zero. */
    uint8_t reserved[2];
    /* The transaction id. */
    uint8_t id[12];
} stun_wire_message;

/* An attribute: a view of the message's bytes. 24 bytes on 64-bit systems, frozen. */
typedef struct stun_wire_attribute {
    /* Its value, without padding; never NULL. */
    const uint8_t *value;
    /* Where its header starts in the message. */
    uint32_t offset;
    /* Bytes of the value. */
    uint16_t len;
    /* Its type. */
    uint16_t attribute_type;
    /* 1 if it may be acted on, 0 if it stands behind the integrity attribute. */
    uint32_t is_covered;
    /* Zero. */
    uint32_t reserved;
} stun_wire_attribute;

/* The attempt_delay of a race: half as long as people notice, and as RFC 8305 s8 has it. */
#define STUN_ATTEMPT_DELAY 250000000

/* The slack of an idle phone: whenever it is woken, refreshes due within ten seconds are sent too. */
#define STUN_SLACK_IDLE 10000000000

/* No deadline: only input or a command can change anything. */
#define STUN_NEVER UINT64_MAX

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/* Makes an agent. `cfg` may be NULL for defaults. `now` is the time on your clock. `*out` is yours, to be
 * freed with stun_agent_free(); it is written on success only. */
STUN_API stun_status stun_agent_new(const struct stun_config *cfg, stun_time now, struct stun_agent **out);

/* Frees an agent and everything in it. NULL is a no-op. */
STUN_API void stun_agent_free(struct stun_agent *agent);

/* When to call stun_handle_timeout() next: an absolute time on your clock, STUN_NEVER for never. Not after
 * the latest `now` while output is queued. Read it after you have drained. */
STUN_API stun_time stun_poll_timeout(const struct stun_agent *agent);

/* Why that deadline is wanted: `enum stun_wake_code`. */
STUN_API uint32_t stun_wake_reason(const struct stun_agent *agent);

/* How many messages were dropped for `reason`: `enum stun_drop_code`. Counts stick at UINT32_MAX. */
STUN_API stun_status stun_dropped(const struct stun_agent *agent, uint32_t reason, uint32_t *out);

/* What the last refused call got wrong, as a sentence. Writes at most `cap` bytes, NUL included, and sets
 * `*len` to the length without it; `buf` may be NULL with `cap` 0 to ask for the length. */
STUN_API stun_status stun_last_error(const struct stun_agent *agent, char *buf, size_t cap, size_t *len);

#if defined(STUN_PANIC_INJECTION)
/* Panics inside the library, to show that the panic is contained. Only in test builds. */
STUN_API stun_status stun_test_panic(struct stun_agent *agent);
#endif

/* Ends an operation at once and without an event. STUN_E_NOT_FOUND if it has ended already. */
STUN_API stun_status stun_cancel(struct stun_agent *agent, uint64_t id, stun_time now);

/* Asks a STUN server for your public address, and goes on asking so that the NAT keeps the binding. The
 * first request is queued at once. Over TCP or TLS the connection is yours to open, before this call.
 * `*out_id` names it in events; it is written on success only. */
STUN_API
stun_status stun_binding_start(struct stun_agent *agent,
                               const struct stun_binding_config *cfg,
                               stun_time now,
                               uint64_t *out_id);

/* Whether a binding or an allocation may ask the server that STUN_EV_REDIRECTED has named: 1 or 0. Refused, it fails.
 * Without effect if it does not wait for an answer. */
STUN_API
stun_status stun_answer_redirect(struct stun_agent *agent,
                                 uint64_t id,
                                 uint32_t accept,
                                 stun_time now);

/* The connection that a binding has asked for with STUN_EV_RECONNECT is open. Of `path`, local, remote and transport
 * count. If you use stun_stream_open(), call that first. For allocations, see stun_allocation_reconnected(). */
STUN_API
stun_status stun_reconnected(struct stun_agent *agent,
                             uint64_t id,
                             const struct stun_packet *path,
                             stun_time now);

/* Changes how often a binding asks again, at once. 0 is 25 s, less than 1 s counts as that. With STUN_NEVER it stays,
 * and asks no more until this is called again. stun_set_power() with an interval goes before it when it is called next. */
STUN_API
stun_status stun_set_refresh(struct stun_agent *agent,
                             uint64_t id,
                             stun_time refresh,
                             stun_time now);

/* The name that the certificate of the server must carry to which a binding was redirected (ALTERNATE-DOMAIN);
 * STUN_EMPTY if there was none. Of a redirection that was not signed it is as trustworthy as the network. Writes and
 * measures as stun_last_error() does. */
STUN_API
stun_status stun_binding_alternate_domain(const struct stun_agent *agent,
                                          uint64_t id,
                                          char *buf,
                                          size_t cap,
                                          size_t *len);

/* Answers Binding requests that arrive at an address. Holds no state about anybody. */
STUN_API
stun_status stun_server_start(struct stun_agent *agent,
                              const struct stun_server_config *cfg,
                              stun_time now,
                              uint64_t *out_id);

/* Adds a user to the realm of a server that runs, or changes a password. Both are prepared as OpaqueStrings.
 * STUN_E_NOT_FOUND if there is no such server, or it has no realm. */
STUN_API
stun_status stun_server_add_user(struct stun_agent *agent,
                                 uint64_t id,
                                 const struct stun_user *user);

/* Removes a user, whose next request is refused. STUN_EMPTY if there was none of that name. */
STUN_API
stun_status stun_server_remove_user(struct stun_agent *agent,
                                    uint64_t id,
                                    const uint8_t *name,
                                    size_t name_len);

/* Asks many servers, over one or several sockets. Each ends with STUN_EV_ANSWER or STUN_EV_NO_ANSWER and disturbs
 * no other; STUN_EV_SURVEYED is the last event. `*out_id` names it; written on success only. */
STUN_API
stun_status stun_survey_start(struct stun_agent *agent,
                              const struct stun_survey_config *cfg,
                              stun_time now,
                              uint64_t *out_id);

/* Reads a URI, the whole of `text`. STUN_E_INVALID if it is none; `out->struct_size` must be set. */
STUN_API stun_status stun_uri_parse(const char *text, size_t len, struct stun_uri *out);

/* Looks for servers. Each question to the DNS is an event, STUN_EV_RESOLVE; ask it in any way, answer it with one of
 * the calls below, and go on with others meanwhile. STUN_EV_SERVERS or STUN_EV_FAILED is the last event. An IP address
 * needs no question. `*out_id` names it; written on success only. */
STUN_API
stun_status stun_discovery_start(struct stun_agent *agent,
                                 const struct stun_discovery_config *cfg,
                                 stun_time now,
                                 uint64_t *out_id);

/* Answers a question for A or AAAA records: the addresses, whose ports are not looked at. STUN_E_NOT_FOUND if
 * nobody waits for it any more, which is no mistake of yours if the discovery has ended meanwhile. */
STUN_API
stun_status stun_answer_addresses(struct stun_agent *agent,
                                  uint64_t id,
                                  uint32_t question,
                                  const struct stun_addr *addrs,
                                  size_t count,
                                  stun_time now);

/* Answers a question for SRV records, in any order; as stun_answer_addresses() does. */
STUN_API
stun_status stun_answer_services(struct stun_agent *agent,
                                 uint64_t id,
                                 uint32_t question,
                                 const struct stun_srv_record *records,
                                 size_t count,
                                 stun_time now);

/* Answers a question for NAPTR records, in any order; as stun_answer_addresses() does. */
STUN_API
stun_status stun_answer_naptr(struct stun_agent *agent,
                              uint64_t id,
                              uint32_t question,
                              const struct stun_naptr_record *records,
                              size_t count,
                              stun_time now);

/* Says that a question has no answer: `enum stun_dns_failure_code`; as stun_answer_addresses() does. */
STUN_API
stun_status stun_answer_failed(struct stun_agent *agent,
                               uint64_t id,
                               uint32_t question,
                               uint32_t failure,
                               stun_time now);

/* A server of the STUN_EV_SERVERS that was polled last, in the order in which to try them; STUN_EMPTY behind the
 * last one. Its text is valid until the next stun_poll_event(). `out->struct_size` must be set. */
STUN_API
stun_status stun_discovered_server(const struct stun_agent *agent,
                                   size_t index,
                                   struct stun_discovered *out);

/* Finds out what the NAT before you does (RFC 5780). STUN_EV_NAT_FOUND tells each property as it is decided;
 * STUN_EV_NAT_REPORT is the last event. `*out_id` names it; written on success only. */
STUN_API
stun_status stun_nat_probe_start(struct stun_agent *agent,
                                 const struct stun_nat_config *cfg,
                                 stun_time now,
                                 uint64_t *out_id);

/* What a probe has found so far, or at last: after its STUN_EV_NAT_REPORT, until the next stun_poll_event().
 * `out->struct_size` must be set. */
STUN_API
stun_status stun_nat_report_read(const struct stun_agent *agent,
                                 uint64_t id,
                                 struct stun_nat_report *out);

/* The same as text, with what was asked and seen: `enum stun_nat_report_format`. STUN_EMPTY where RFC 3489 has no
 * name for it. Writes and measures as stun_last_error() does. */
STUN_API
stun_status stun_nat_report_text(const struct stun_agent *agent,
                                 uint64_t id,
                                 uint32_t format,
                                 char *buf,
                                 size_t cap,
                                 size_t *len);

/* Asks a TURN server for a relayed address, and keeps it: as a socket of yours that lies there. The first request is
 * queued at once; STUN_EV_ALLOCATED says when there is one. Over TCP or TLS the connection is yours to open, before
 * this call. What peers send comes out of stun_handle_input() as STUN_APP_DATA, or out of stun_unwrap_stream().
 * STUN_E_STATE if another allocation is on that path. `*out_id` names it in events; it is written on success only. */
STUN_API
stun_status stun_allocation_start(struct stun_agent *agent,
                                  const struct stun_allocation_config *cfg,
                                  stun_time now,
                                  uint64_t *out_id);

/* What is known of an allocation now. */
STUN_API
stun_status stun_allocation_read(const struct stun_agent *agent,
                                 uint64_t id,
                                 struct stun_allocation_info *out);

/* The name that the certificate of the server must carry to which an allocation was redirected (ALTERNATE-DOMAIN);
 * STUN_EMPTY if there was none. Writes and measures as stun_last_error() does. */
STUN_API
stun_status stun_allocation_alternate_domain(const struct stun_agent *agent,
                                             uint64_t id,
                                             char *buf,
                                             size_t cap,
                                             size_t *len);

/* Gives an allocation other credentials, as STUN_EV_CREDENTIALS_NEEDED asks for. Where the server has rejected the
 * present ones they are used at once, otherwise when it does. */
STUN_API
stun_status stun_allocation_set_credentials(struct stun_agent *agent,
                                            uint64_t id,
                                            const struct stun_credentials *credentials,
                                            stun_time now);

/* What STUN_EV_RECONNECT asked for is open, or another socket or connection of your own accord: the allocation goes
 * on there, if it can, and is lost otherwise. Of `path`, local, remote, transport and socket_id count. If you use
 * stun_stream_open(), call that first. */
STUN_API
stun_status stun_allocation_reconnected(struct stun_agent *agent,
                                        uint64_t id,
                                        const struct stun_packet *path,
                                        stun_time now);

/* Has the server delete an allocation, and ends it with STUN_EV_CLOSED when it has, or nobody answered. Nothing can be
 * sent to peers any more. stun_cancel() leaves it at the server until it expires. With a pool's id, every relay of it. */
STUN_API
stun_status stun_allocation_close(struct stun_agent *agent,
                                  uint64_t id,
                                  stun_time now);

/* Lets a peer send to the relayed address and be sent to, from any port, until it is revoked; its port is not looked
 * at. Asked for as soon as there is a relay, and again with every new one: STUN_EV_PERMITTED says when it is in
 * force; in a pool, at which relay. STUN_E_INVALID: the policy refuses the address, or it is of another family;
 * STUN_E_LIMIT: too many. */
STUN_API
stun_status stun_allocation_permit(struct stun_agent *agent,
                                   uint64_t id,
                                   const struct stun_addr *peer,
                                   stun_time now);

/* Renews the permission of a peer no longer; what it sends is dropped from now on. STUN_EMPTY if there was none. */
STUN_API
stun_status stun_allocation_revoke(struct stun_agent *agent,
                                   uint64_t id,
                                   const struct stun_addr *peer,
                                   stun_time now);

/* Binds a channel to a peer and keeps it bound, which permits the peer as well: with it, what is relayed has four
 * bytes of overhead instead of 36 or more. STUN_EV_CHANNEL_BOUND says when it is in force. Refuses as
 * stun_allocation_permit() does. */
STUN_API
stun_status stun_allocation_bind_channel(struct stun_agent *agent,
                                         uint64_t id,
                                         const struct stun_addr *peer,
                                         stun_time now);

/* Renews the channel of a peer no longer, and sends through it no more. STUN_EMPTY if there was none. */
STUN_API
stun_status stun_allocation_release_channel(struct stun_agent *agent,
                                            uint64_t id,
                                            const struct stun_addr *peer,
                                            stun_time now);

/* Whether a peer may be sent to, in a pool through the selected relay: STUN_OK, and `*channel` is the number of the
 * channel that is bound to it, or 0.
 * STUN_EMPTY if it may not, or not yet. */
STUN_API
stun_status stun_allocation_peer(const struct stun_agent *agent,
                                 uint64_t id,
                                 const struct stun_addr *peer,
                                 uint16_t *channel);

/* With relay_transport STUN_TCP: asks the server to connect to a peer (RFC 6062 s4.3). STUN_EV_OPEN_CONNECTION or
 * STUN_EV_CONNECTION_FAILED follows. STUN_E_STATE: there is no such relay, or one to that peer is being made. */
STUN_API
stun_status stun_allocation_connect(struct stun_agent *agent,
                                    uint64_t id,
                                    const struct stun_addr *peer,
                                    stun_time now);

/* The connection to the server that STUN_EV_OPEN_CONNECTION asked for is open; `connection` is the event's index. Of
 * `path`, local, remote, transport and socket_id count. ConnectionBind is sent over it at once. Read exactly one frame
 * from it for stun_handle_input(), or use stun_stream_open() and stun_unwrap_stream(): after STUN_EV_CONNECTION_BOUND
 * all that follows is the peer's. STUN_E_NOT_FOUND: nobody waits for it any more; close it. */
STUN_API
stun_status stun_allocation_connection_opened(struct stun_agent *agent,
                                              uint64_t id,
                                              uint32_t connection,
                                              const struct stun_packet *path,
                                              stun_time now);

/* Frames data for a peer in `buf`, and says in `*out` what to send at once: nothing is queued. Through a channel that is
 * four bytes and the data, else a Send indication; STUN_MAX_HEADROOM + STUN_MAX_TAILROOM bytes more than the data are
 * enough in any case. `data` and `buf` must not overlap. A pool sends through the selected relay, whose socket `*out`
 * names.
 *
 * STUN_E_STATE: there is no relayed address now, or the peer is not permitted yet. STUN_E_INVALID: the policy refuses
 * the peer, or the data is too long. STUN_E_BUFFER: `out->len` is what is needed, and all else in it zero. */
STUN_API
stun_status stun_allocation_send(struct stun_agent *agent,
                                 uint64_t id,
                                 const struct stun_addr *peer,
                                 const uint8_t *data,
                                 size_t len,
                                 uint8_t *buf,
                                 size_t cap,
                                 stun_time now,
                                 struct stun_packet *out);

/* The same where the data already lies in `buf`, `len` bytes at `offset`, with free room around it: at least
 * STUN_CHANNEL_HEADROOM bytes before it where a channel is bound, STUN_MAX_HEADROOM in any case, and STUN_MAX_TAILROOM
 * behind it. Copies nothing; `out->data` lies in `buf`. With STUN_E_BUFFER `out->len` is the room that is needed: up to
 * STUN_MAX_TAILROOM behind the data, more than that before it. */
STUN_API
stun_status stun_allocation_send_in_place(struct stun_agent *agent,
                                          uint64_t id,
                                          const struct stun_addr *peer,
                                          uint8_t *buf,
                                          size_t cap,
                                          size_t offset,
                                          size_t len,
                                          stun_time now,
                                          struct stun_packet *out);

/* Starts a pool of allocations at several TURN servers, as one socket of yours: the best relay that is ready is selected,
 * and another one when that dies. STUN_EV_RELAY_SELECTED says when there is the first, STUN_EV_MIGRATED when another
 * takes over: tell your peers its address. stun_allocation_permit(), stun_allocation_revoke(),
 * stun_allocation_bind_channel(), stun_allocation_release_channel(), stun_allocation_peer(), stun_allocation_send(),
 * stun_allocation_send_in_place() and stun_allocation_close() take the pool's id, and concern the selected relay, whichever
 * it is. What peers send comes out as STUN_APP_DATA, with the relayed address as the local one. Read stun_poll_timeout()
 * after sending: an answer is waited for. STUN_E_STATE if an allocation is on one of the paths. `*out_id` names the pool in
 * events; it is written on success only. */
STUN_API
stun_status stun_relay_pool_start(struct stun_agent *agent,
                                  const struct stun_relay_pool_config *cfg,
                                  stun_time now,
                                  uint64_t *out_id);

/* What is known of a pool now. */
STUN_API
stun_status stun_relay_pool_read(const struct stun_agent *agent,
                                 uint64_t id,
                                 struct stun_relay_pool_info *out);

/* What is known of one relay of a pool now. STUN_EMPTY for a spare that was not asked yet, and for a relay that nothing
 * more will come of; STUN_E_NOT_FOUND beyond the last. */
STUN_API
stun_status stun_relay_pool_relay(const struct stun_agent *agent,
                                  uint64_t id,
                                  uint32_t relay,
                                  struct stun_allocation_info *out);

/* As stun_allocation_alternate_domain(), for one relay of a pool. */
STUN_API
stun_status stun_relay_pool_alternate_domain(const struct stun_agent *agent,
                                             uint64_t id,
                                             uint32_t relay,
                                             char *buf,
                                             size_t cap,
                                             size_t *len);

/* Gives one relay of a pool other credentials, as STUN_EV_CREDENTIALS_NEEDED asks for; a spare will use them when it is
 * asked. STUN_E_NOT_FOUND: there is no such relay, or nothing more will come of it. */
STUN_API
stun_status stun_relay_pool_set_credentials(struct stun_agent *agent,
                                            uint64_t id,
                                            uint32_t relay,
                                            const struct stun_credentials *credentials,
                                            stun_time now);

/* What STUN_EV_RECONNECT of one relay of a pool asked for is open: see stun_allocation_reconnected(). STUN_E_STATE:
 * another relay is on that path; STUN_E_NOT_FOUND: there is no such relay, or nothing more will come of it. */
STUN_API
stun_status stun_relay_pool_reconnected(struct stun_agent *agent,
                                        uint64_t id,
                                        uint32_t relay,
                                        const struct stun_packet *path,
                                        stun_time now);

/* Whether one relay of a pool may ask the server that STUN_EV_REDIRECTED names with code 1: `accept` is 1 or 0.
 * STUN_E_NOT_FOUND: there is no such relay, or nothing more will come of it. */
STUN_API
stun_status stun_relay_pool_answer_redirect(struct stun_agent *agent,
                                            uint64_t id,
                                            uint32_t relay,
                                            uint32_t accept,
                                            stun_time now);

/* A datagram arrived, or one frame of a stream. `in` is only read during the call; its bytes must not be
 * those that this agent has lent in a poll, so copy them if you loop them back.
 *
 * STUN_OK: it was ours. STUN_IGNORED: offer it to your next protocol. STUN_APP_DATA: application data was
 * inside, which a peer has sent through a relay, and `*app` is the slice of your own buffer that it is, as if it
 * had arrived there: remote is the peer, local the relayed address. `app` may be NULL if you want none.
 * Whatever arrives from the network is never an error. */
STUN_API
stun_status stun_handle_input(struct stun_agent *agent,
                              const struct stun_packet *in,
                              stun_time now,
                              struct stun_packet *app);

/* Time has come. An early call changes nothing, so call it whenever you woke up. */
STUN_API stun_status stun_handle_timeout(struct stun_agent *agent, stun_time now);

/* A datagram could not be sent, or ICMP said later that it did not arrive. `kind` is an
 * `enum stun_send_error_code`. STUN_IGNORED if the bytes are not STUN, but another protocol's. Where `failed->data` is known, or its first 20 bytes are, it concerns
 * that request, with length 0 everything outstanding between the two addresses. The call ends the loan of
 * polled bytes: keep those 20 of each packet of a batch of which several may fail. */
STUN_API
stun_status stun_handle_send_error(struct stun_agent *agent,
                                   const struct stun_packet *failed,
                                   uint32_t kind,
                                   stun_time now);

/* The next datagram to send, or STUN_EMPTY. `out->data` stays valid until the next stun_handle_* call,
 * start or cancel on this agent; polls do not move it, so you may collect several and send them at once. */
STUN_API stun_status stun_poll_transmit(struct stun_agent *agent, struct stun_packet *out);

/* Up to `cap` datagrams, whose bytes stay valid together, so that they can go into one sendmmsg(). `stride`
 * is sizeof(stun_packet) or, for an array of larger structs that begin with one, their size. `*n` says how
 * many were written; STUN_EMPTY if none. */
STUN_API
stun_status stun_poll_transmit_batch(struct stun_agent *agent,
                                     struct stun_packet *out,
                                     size_t cap,
                                     size_t stride,
                                     size_t *n);

/* Copies the next datagram into `buf`, for hosts with buffers of their own: `*meta` gets everything but the
 * bytes, `*len` the length. STUN_E_BUFFER leaves it queued and still sets `*len` to what is needed. */
STUN_API
stun_status stun_poll_transmit_into(struct stun_agent *agent,
                                    uint8_t *buf,
                                    size_t cap,
                                    struct stun_packet *meta,
                                    size_t *len);

/* A TCP or TLS connection of yours is open. Of `path`, local, remote, transport and socket_id count. From now on
 * give what you read from it to stun_handle_stream(), and write each packet polled for it whole. If you cut frames
 * yourself, with stun_frame_length(), you need none of this. `*out_id` names it; written on success only. */
STUN_API
stun_status stun_stream_open(struct stun_agent *agent,
                             const struct stun_packet *path,
                             stun_time now,
                             uint64_t *out_id);

/* Bytes that you read from a connection, however they were split; only read during the call. Where the peer has
 * lost its place, STUN_EV_CLOSE tells you to close the connection. STUN_E_NOT_FOUND if it was closed before. What
 * peers send through a relay is lost here: see stun_unwrap_stream(). */
STUN_API
stun_status stun_handle_stream(struct stun_agent *agent,
                               uint64_t id,
                               const uint8_t *data,
                               size_t len,
                               stun_time now);

/* The same, up to the first data of a peer that was relayed. STUN_APP_DATA: `*app` is that data, from the peer and to
 * the relayed address. It lies in the agent's memory, and stays valid until the next stun_handle_*,
 * stun_unwrap_stream(), start or cancel on this agent; polls and stun_allocation_send() do not move it. `*taken` of
 * the bytes were taken: call again with the others, until it is STUN_OK.
 *
 * If some are left then, the connection has become one to a peer (STUN_EV_CONNECTION_BOUND): those and all that follow
 * are the peer's, and stun_cancel() ends what the agent knows of the connection. */
STUN_API
stun_status stun_unwrap_stream(struct stun_agent *agent,
                               uint64_t id,
                               const uint8_t *data,
                               size_t len,
                               stun_time now,
                               size_t *taken,
                               struct stun_packet *app);

/* A connection is closed, by the peer, by you, or because it failed. Bindings and
 * allocations that asked over it and go on ask for another one with STUN_EV_RECONNECT. */
STUN_API stun_status stun_stream_close(struct stun_agent *agent, uint64_t id, stun_time now);

/* How to trade packets for wake-ups, with effect at once: read stun_poll_timeout() anew.
 *
 * `max_slack` is how much earlier than due a refresh may be sent, so that one wake-up serves several; 0 wakes you
 * for each, STUN_SLACK_IDLE is for a phone in a pocket. `refresh` makes every binding refresh, and every allocation
 * send something, that often instead of as its configuration says; 0 leaves it. */
STUN_API
stun_status stun_set_power(struct stun_agent *agent,
                           stun_time max_slack,
                           stun_time refresh,
                           stun_time now);

/* The time between requests to one server that had to wait because ten were outstanding there (RFC 8489 s6.2).
 * 50 ms unless told otherwise. */
STUN_API stun_status stun_set_pacing(struct stun_agent *agent, stun_time interval);

/* Your local addresses are these from now on; ports are not looked at. Bindings and allocations on an unspecified address
 * ask again at once, those on an address that is gone move to the first one of their family, or end if there is none; each
 * says so with an event. A relay that cannot move is lost, and another is asked for. */
STUN_API
stun_status stun_network_changed(struct stun_agent *agent,
                                 const struct stun_addr *addrs,
                                 size_t count,
                                 stun_time now);

/* The next event, or STUN_EMPTY. `out->struct_size` must be set before each call. */
STUN_API stun_status stun_poll_event(struct stun_agent *agent, struct stun_event *out);

/* The name of an event kind, such as "STUN_EV_MAPPED". Static, never NULL. */
STUN_API const char *stun_event_name(uint32_t kind);

/* The name of a status, such as "STUN_E_NULL". Static, never NULL. */
STUN_API const char *stun_status_name(stun_status status);

/* The version of the library, such as "0.1.0". Static, never NULL. */
STUN_API const char *stun_version(void);

/* STUN_ABI_VERSION as the library was built. Compare it with your header's when you bind at run time. */
STUN_API uint32_t stun_abi_version(void);

/* Begins a message with its header, 20 bytes: `message_class` is an `enum stun_wire_class`, `id` 12 random bytes, or
 * those of the request that you answer. */
STUN_API
stun_status stun_wire_begin(struct stun_wire_builder *builder,
                            uint8_t *buf,
                            size_t cap,
                            uint32_t message_class,
                            uint16_t method,
                            const uint8_t *id);

/* Adds an attribute of any type from raw bytes, with zero padding. Integrity attributes and FINGERPRINT
 * have calls of their own. */
STUN_API
stun_status stun_wire_add(struct stun_wire_builder *builder,
                          uint16_t attribute_type,
                          const uint8_t *value,
                          size_t len);

/* Adds an address, XORed where the type says so; for the types that stun_wire_address() reads. */
STUN_API
stun_status stun_wire_add_address(struct stun_wire_builder *builder,
                                  uint16_t attribute_type,
                                  const struct stun_addr *address);

/* Adds ERROR-CODE: 300 to 699, and a phrase in UTF-8, which may be empty. */
STUN_API
stun_status stun_wire_add_error(struct stun_wire_builder *builder,
                                uint32_t code,
                                const uint8_t *reason,
                                size_t reason_len);

/* Adds MESSAGE-INTEGRITY (`integrity` STUN_INTEGRITY_SHA1, `len` 0 or 20) or MESSAGE-INTEGRITY-SHA256
 * (STUN_INTEGRITY_SHA256, `len` 0 for 32, or 16 to 32 in steps of 4). SHA-1 goes first. */
STUN_API
stun_status stun_wire_sign(struct stun_wire_builder *builder,
                           uint32_t integrity,
                           const struct stun_key *key,
                           size_t len);

/* Adds FINGERPRINT. Nothing can follow it. */
STUN_API stun_status stun_wire_add_fingerprint(struct stun_wire_builder *builder);

/* What a datagram looks like: `*out` gets an `enum stun_protocol_code`. */
STUN_API stun_status stun_classify(const uint8_t *data, size_t len, uint32_t *out);

/* How long the frame is that a stream's next bytes begin (RFC 8489 s6.2.2, RFC 8656 s12.5). STUN_OK: `*out`
 * is its length, padding included. STUN_EMPTY: the prefix must have at least `*out` bytes to tell.
 * STUN_E_INVALID: the stream is out of step and has to be closed. */
STUN_API stun_status stun_frame_length(const uint8_t *data, size_t len, size_t *out);

/* Reads ChannelData: `is_stream` is 1 for a frame of a stream, whose padding must be there, and 0 for a
 * datagram, where it may be. `*payload` is a slice of your own bytes. STUN_IGNORED if it is none. */
STUN_API
stun_status stun_channel_data_parse(const uint8_t *data,
                                    size_t len,
                                    uint32_t is_stream,
                                    uint16_t *channel,
                                    const uint8_t **payload,
                                    size_t *payload_len);

/* Writes ChannelData: channel 0x4000 to 0x4FFF, `is_stream` 1 to pad it for a stream. `*written` gets its
 * length; with STUN_E_BUFFER what is needed. */
STUN_API
stun_status stun_channel_data_write(uint8_t *buf,
                                    size_t cap,
                                    uint16_t channel,
                                    const uint8_t *payload,
                                    size_t payload_len,
                                    uint32_t is_stream,
                                    size_t *written);

/* Reads a whole message: one datagram, or one frame of a stream. STUN_IGNORED if the bytes are not STUN at
 * all (too short, other first bits, no magic cookie), STUN_E_INVALID if they are STUN and malformed. */
STUN_API stun_status stun_wire_parse(const uint8_t *data, size_t len, struct stun_wire_message *out);

/* Walks the attributes in their order. Set `*cursor` to 0 before the first call; STUN_EMPTY at the end. */
STUN_API
stun_status stun_wire_next(const struct stun_wire_message *message,
                           uint32_t *cursor,
                           struct stun_wire_attribute *out);

/* The first attribute of a type that may be acted on; STUN_EMPTY if there is none. */
STUN_API
stun_status stun_wire_find(const struct stun_wire_message *message,
                           uint16_t attribute_type,
                           struct stun_wire_attribute *out);

/* The address in an attribute: MAPPED-ADDRESS, XOR-MAPPED-ADDRESS, XOR-PEER-ADDRESS, XOR-RELAYED-ADDRESS,
 * ALTERNATE-SERVER, RESPONSE-ORIGIN or OTHER-ADDRESS. STUN_E_INVALID for another type or a bad value. */
STUN_API
stun_status stun_wire_address(const struct stun_wire_message *message,
                              const struct stun_wire_attribute *attribute,
                              struct stun_addr *out);

/* The code (300 to 699) of ERROR-CODE and, where `reason` is not NULL, its phrase: `*reason_len` bytes
 * inside the message. */
STUN_API
stun_status stun_wire_error(const struct stun_wire_attribute *attribute,
                            uint32_t *code,
                            const uint8_t **reason,
                            size_t *reason_len);

/* Checks MESSAGE-INTEGRITY (`integrity` STUN_INTEGRITY_SHA1) or MESSAGE-INTEGRITY-SHA256
 * (STUN_INTEGRITY_SHA256) with a key, in constant time. `min_len` is 0 for the full length, or the shortest
 * truncated MESSAGE-INTEGRITY-SHA256 that your usage accepts. `*out` gets an `enum stun_check_code`. */
STUN_API
stun_status stun_wire_check(const struct stun_wire_message *message,
                            uint32_t integrity,
                            const struct stun_key *key,
                            size_t min_len,
                            uint32_t *out);

/* The RFC's name of an attribute, such as "XOR-MAPPED-ADDRESS". Writes at most `cap` bytes, NUL included,
 * and sets `*len` to the length without it. STUN_EMPTY if the type has none. */
STUN_API stun_status stun_wire_attribute_name(uint16_t attribute_type, char *buf, size_t cap, size_t *len);

/* The RFC's name of a method, such as "Binding"; like stun_wire_attribute_name(). */
STUN_API stun_status stun_wire_method_name(uint16_t method, char *buf, size_t cap, size_t *len);

/* Prepares a key. Strings are UTF-8, prepared as OpaqueString, with lengths; none is kept. `*out` is yours,
 * to be freed with stun_key_free(); it is written on success only. */
STUN_API
stun_status stun_key_new(uint32_t kind,
                         const uint8_t *username,
                         size_t username_len,
                         const uint8_t *realm,
                         size_t realm_len,
                         const uint8_t *password,
                         size_t password_len,
                         struct stun_key **out);

/* Erases and frees a key. NULL is a no-op. */
STUN_API void stun_key_free(struct stun_key *key);

/* A `struct sockaddr_in` or `sockaddr_in6` of `len` bytes as a stun_addr. STUN_E_INVALID for another
 * family or a length that is too short for its own. */
STUN_API stun_status stun_addr_from_sockaddr(const void *sockaddr, size_t len, struct stun_addr *out);

/* A stun_addr as the operating system's `struct sockaddr_in` or `sockaddr_in6`. `*len` gets its size; with
 * STUN_E_BUFFER what is needed. `cap` is what `sockaddr` has room for; sizeof(struct sockaddr_storage) is
 * always enough. */
STUN_API
stun_status stun_addr_to_sockaddr(const struct stun_addr *address,
                                  void *sockaddr,
                                  size_t cap,
                                  size_t *len);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* STUN_H */
