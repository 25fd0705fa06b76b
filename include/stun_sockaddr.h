/*
 * stun_sockaddr.h - between libstun and the sockets of POSIX and Windows. C99 and C++11, header only.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * stun.h knows no platform; this header does, so that a host with ordinary sockets need not write these
 * conversions again. Nothing here keeps a pointer, allocates or aborts, and no pointer needs to be aligned:
 * a socket address may lie anywhere in a buffer of yours.
 *
 * stun_addr_from_sockaddr() and stun_addr_to_sockaddr() in the library do the same for hosts that bind at run
 * time; these here are checked by the compiler against your system's own structs.
 */

#ifndef STUN_SOCKADDR_H
#define STUN_SOCKADDR_H

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#ifdef _WIN32
#  include <winsock2.h>
#  include <ws2tcpip.h>
#else
#  include <arpa/inet.h>
#  include <netinet/in.h>
#  include <sys/socket.h>
#endif

#include "stun.h"

/* Room for every text of stun_addr_format(), NUL included. */
#define STUN_ADDR_TEXT_SIZE 72

/* BSD systems keep a struct's length in its first byte and some of their calls look at it. */
#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__) || defined(__DragonFly__)
#  define STUN_SOCKADDR_HAS_LEN 1
#else
#  define STUN_SOCKADDR_HAS_LEN 0
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A `struct sockaddr_in` or `sockaddr_in6` of `len` bytes as a stun_addr: what recvfrom(), getsockname() and
 * getaddrinfo() give. STUN_E_INVALID for another family, or a length too short for its own. */
static inline stun_status stun_sockaddr_to_addr(const struct sockaddr *sockaddr, socklen_t len, stun_addr *out)
{
    const size_t size = (size_t)len;
    const unsigned char *bytes = (const unsigned char *)sockaddr;
    struct sockaddr head;
    stun_addr addr;

    if (sockaddr == NULL || out == NULL)
        return STUN_E_NULL;
    if (size < offsetof(struct sockaddr, sa_family) + sizeof head.sa_family)
        return STUN_E_INVALID;
    memset(&addr, 0, sizeof addr);
    memcpy(&head.sa_family, bytes + offsetof(struct sockaddr, sa_family), sizeof head.sa_family);
    if (head.sa_family == AF_INET && size >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in4;
        memcpy(&in4, bytes, sizeof in4);
        addr.family = 4;
        addr.port = ntohs(in4.sin_port);
        memcpy(addr.ip, &in4.sin_addr, 4);
    } else if (head.sa_family == AF_INET6 && size >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in6;
        memcpy(&in6, bytes, sizeof in6);
        addr.family = 6;
        addr.port = ntohs(in6.sin6_port);
        addr.scope_id = (uint32_t)in6.sin6_scope_id;
        memcpy(addr.ip, &in6.sin6_addr, 16);
    } else {
        return STUN_E_INVALID;
    }
    *out = addr;
    return STUN_OK;
}

/* A stun_addr as what sendto(), connect() and bind() take. `*len` gets the length to pass with it.
 * STUN_E_INVALID for family 0, and for a family that does not exist. */
static inline stun_status stun_addr_to_sockaddr_storage(const stun_addr *addr, struct sockaddr_storage *out,
                                                        socklen_t *len)
{
    if (addr == NULL || out == NULL || len == NULL)
        return STUN_E_NULL;
    if (addr->family == 4) {
        struct sockaddr_in in4;
        memset(&in4, 0, sizeof in4);
#if STUN_SOCKADDR_HAS_LEN
        in4.sin_len = sizeof in4;
#endif
        in4.sin_family = AF_INET;
        in4.sin_port = htons(addr->port);
        memcpy(&in4.sin_addr, addr->ip, 4);
        memset(out, 0, sizeof *out);
        memcpy(out, &in4, sizeof in4);
        *len = (socklen_t)sizeof in4;
        return STUN_OK;
    }
    if (addr->family == 6) {
        struct sockaddr_in6 in6;
        memset(&in6, 0, sizeof in6);
#if STUN_SOCKADDR_HAS_LEN
        in6.sin6_len = sizeof in6;
#endif
        in6.sin6_family = AF_INET6;
        in6.sin6_port = htons(addr->port);
        in6.sin6_scope_id = addr->scope_id;
        memcpy(&in6.sin6_addr, addr->ip, 16);
        memset(out, 0, sizeof *out);
        memcpy(out, &in6, sizeof in6);
        *len = (socklen_t)sizeof in6;
        return STUN_OK;
    }
    return STUN_E_INVALID;
}

/* Writes "192.0.2.1:3478", "[2001:db8::1]:3478", "[fe80::1%3]:3478", or "none" for family 0. Returns the
 * length of the whole text without NUL, as snprintf() does; a text that does not fit is cut, and ends with
 * NUL if `cap` is not 0. STUN_ADDR_TEXT_SIZE is always enough. */
static inline size_t stun_addr_format(const stun_addr *addr, char *buf, size_t cap)
{
    char ip[INET6_ADDRSTRLEN] = "?";
    int written;

    if (buf == NULL)
        cap = 0;
    if (addr == NULL || (addr->family != 4 && addr->family != 6)) {
        written = snprintf(buf, cap, "none");
    } else if (addr->family == 4) {
        written = snprintf(buf, cap, "%u.%u.%u.%u:%u", (unsigned)addr->ip[0], (unsigned)addr->ip[1],
                           (unsigned)addr->ip[2], (unsigned)addr->ip[3], (unsigned)addr->port);
    } else {
        struct in6_addr in6;
        memcpy(&in6, addr->ip, 16);
        (void)inet_ntop(AF_INET6, &in6, ip, sizeof ip);
        if (addr->scope_id != 0)
            written = snprintf(buf, cap, "[%s%%%lu]:%u", ip, (unsigned long)addr->scope_id, (unsigned)addr->port);
        else
            written = snprintf(buf, cap, "[%s]:%u", ip, (unsigned)addr->port);
    }
    return written < 0 ? 0 : (size_t)written;
}

/* How long poll(2) may sleep, for its timeout argument: from `now` to a deadline of stun_poll_timeout() on the
 * same clock. Rounded up, because a poll that returns just before the deadline would only poll again; -1 for
 * STUN_NEVER; 0 for what is due. A deadline too far away for an int comes back as INT_MAX: waking up early
 * changes nothing. */
static inline int stun_poll_milliseconds(stun_time deadline, stun_time now)
{
    stun_time wait, milliseconds;

    if (deadline == STUN_NEVER)
        return -1;
    if (deadline <= now)
        return 0;
    wait = deadline - now;
    milliseconds = wait / 1000000u + (wait % 1000000u != 0);
    return milliseconds > (stun_time)INT_MAX ? INT_MAX : (int)milliseconds;
}

/* What stun_handle_send_error() wants to know of an errno, or of WSAGetLastError() on Windows. What is not
 * listed counts as transient: the retransmission covers it, or the timeout ends it. */
static inline stun_send_error_code stun_send_error_from_errno(int error)
{
    switch (error) {
#ifdef _WIN32
    case WSAENETUNREACH: case WSAEHOSTUNREACH: case WSAENETDOWN: case WSAEHOSTDOWN:
        return STUN_SEND_NO_ROUTE;
    case WSAEAFNOSUPPORT: case WSAEADDRNOTAVAIL:
        return STUN_SEND_NO_FAMILY;
    case WSAEACCES:
        return STUN_SEND_NOT_PERMITTED;
    case WSAECONNREFUSED: case WSAECONNRESET: case WSAENETRESET:
        return STUN_SEND_REFUSED;
    case WSAEMSGSIZE:
        return STUN_SEND_TOO_LARGE;
    case WSAENOTSOCK: case WSAENOTCONN: case WSAESHUTDOWN: case WSAECONNABORTED: case WSANOTINITIALISED:
        return STUN_SEND_CLOSED;
#else
    case ENETUNREACH: case EHOSTUNREACH: case ENETDOWN:
#  ifdef EHOSTDOWN
    case EHOSTDOWN:
#  endif
        return STUN_SEND_NO_ROUTE;
    case EAFNOSUPPORT: case EADDRNOTAVAIL:
        return STUN_SEND_NO_FAMILY;
    case EPERM: case EACCES:
        return STUN_SEND_NOT_PERMITTED;
    case ECONNREFUSED: case ECONNRESET:
        return STUN_SEND_REFUSED;
    case EMSGSIZE:
        return STUN_SEND_TOO_LARGE;
    case EBADF: case ENOTSOCK: case ENOTCONN: case EPIPE: case ECONNABORTED:
#  ifdef ESHUTDOWN
    case ESHUTDOWN:
#  endif
        return STUN_SEND_CLOSED;
#endif
    default:
        return STUN_SEND_TRANSIENT;
    }
}

#ifdef __cplusplus
}
#endif

#endif /* STUN_SOCKADDR_H */
