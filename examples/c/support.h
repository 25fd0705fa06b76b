/*
 * What the C examples share and a reader need not see twice: the clock, names of servers, how things are
 * printed. The event loops themselves stand in the examples.
 */

#ifndef SUPPORT_H
#define SUPPORT_H

#include <inttypes.h>
#include <netdb.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "stun_sockaddr.h"

#define SUPPORT_UNUSED_OK __attribute__((unused)) /* every example takes what it needs */

/* Nanoseconds on a clock that runs through suspend where the system has one: a laptop that wakes up has lost
 * its NAT binding, and a clock that stood still would not notice. */
SUPPORT_UNUSED_OK static stun_time support_now(void)
{
    struct timespec t;
#ifdef CLOCK_BOOTTIME
    clock_gettime(CLOCK_BOOTTIME, &t);
#else
    clock_gettime(CLOCK_MONOTONIC, &t);
#endif
    return (stun_time)t.tv_sec * 1000000000u + (stun_time)t.tv_nsec;
}

/* Splits "host", "host:port", "[v6]", "[v6]:port" and "v6"; the port is 3478 where none is given. */
SUPPORT_UNUSED_OK static int support_split(const char *text, char *host, size_t cap, const char **port)
{
    const char *end = text + strlen(text), *start = text, *colon = strchr(text, ':');

    *port = "3478";
    if (*text == '[') {
        start = text + 1;
        end = strchr(text, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':'))
            return -1;
        if (end[1] == ':')
            *port = end + 2;
    } else if (colon != NULL && strchr(colon + 1, ':') == NULL) {
        end = colon; /* two colons and no brackets are an IPv6 address without a port */
        *port = colon + 1;
    }
    if (end == start || (size_t)(end - start) >= cap || **port == '\0')
        return -1;
    memcpy(host, start, (size_t)(end - start));
    host[end - start] = '\0';
    return 0;
}

/* Looks a server up: at most one address of each family, because IPv4 and IPv6 are two networks in which you
 * have two public addresses. Returns how many; says on stderr why there are none. */
SUPPORT_UNUSED_OK static size_t support_resolve(const char *text, int socktype, stun_addr out[2])
{
    char host[256];
    const char *port;
    struct addrinfo hints, *list = NULL, *at;
    stun_addr addr;
    size_t count = 0;
    int error;

    if (support_split(text, host, sizeof host, &port) != 0) {
        fprintf(stderr, "not a server: %s\n", text);
        return 0;
    }
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = socktype;
    error = getaddrinfo(host, port, &hints, &list);
    if (error != 0) {
        fprintf(stderr, "cannot resolve %s: %s\n", text, gai_strerror(error));
        return 0;
    }
    for (at = list; at != NULL && count < 2; at = at->ai_next) {
        if (stun_sockaddr_to_addr(at->ai_addr, at->ai_addrlen, &addr) != STUN_OK)
            continue;
        if (count == 0 || out[0].family != addr.family)
            out[count++] = addr;
    }
    freeaddrinfo(list);
    return count;
}

/* What a socket is bound to. */
SUPPORT_UNUSED_OK static int support_local(int fd, stun_addr *out)
{
    struct sockaddr_storage storage;
    socklen_t len = sizeof storage;

    if (getsockname(fd, (struct sockaddr *)&storage, &len) != 0)
        return -1;
    return stun_sockaddr_to_addr((struct sockaddr *)&storage, len, out) == STUN_OK ? 0 : -1;
}

/* A socket of a server of our own: on 127.0.0.1, on a port of the system's choosing. */
SUPPORT_UNUSED_OK static int support_loopback(int type, stun_addr *local)
{
    const stun_addr any = {4, 0, 0, 0, {127, 0, 0, 1}};
    struct sockaddr_storage storage;
    socklen_t len;
    int fd = socket(AF_INET, type, 0);

    if (fd < 0)
        return -1;
    if (stun_addr_to_sockaddr_storage(&any, &storage, &len) == STUN_OK &&
        bind(fd, (struct sockaddr *)&storage, len) == 0 && (type != SOCK_STREAM || listen(fd, 8) == 0) &&
        support_local(fd, local) == 0)
        return fd;
    close(fd);
    return -1;
}

/* The file that the library's code came from, by asking the system where one of its strings lies. */
SUPPORT_UNUSED_OK static void support_library_file(char *out, size_t cap)
{
    const uintptr_t wanted = (uintptr_t)stun_version();
    FILE *maps = fopen("/proc/self/maps", "r"); /* Linux; elsewhere the file stays unknown */
    char text[1024], path[512];
    uintptr_t from, to;

    snprintf(out, cap, "libstun");
    while (maps != NULL && fgets(text, sizeof text, maps) != NULL)
        if (sscanf(text, "%" SCNxPTR "-%" SCNxPTR " %*s %*s %*s %*s %511s", &from, &to, path) == 3 &&
            wanted >= from && wanted < to)
            snprintf(out, cap, "%s", path);
    if (maps != NULL)
        fclose(maps);
}

/* Says which library answers, and refuses one that this program was not compiled for. */
SUPPORT_UNUSED_OK static int support_print_library(void)
{
    char file[512];

    support_library_file(file, sizeof file);
    printf("libstun %s (ABI %u) from %s\n", stun_version(), (unsigned)stun_abi_version(), file);
    if (stun_abi_version() == STUN_ABI_VERSION)
        return 0;
    fprintf(stderr, "compiled for ABI %d\n", STUN_ABI_VERSION);
    return -1;
}

/* "mapped address 203.0.113.7:54321  rtt 12.3 ms  (udp, server 192.0.2.1:3478)", or why there is none. */
SUPPORT_UNUSED_OK static void support_print_event(const stun_event *event, const char *transport,
                                                  const stun_addr *server)
{
    char mapped[STUN_ADDR_TEXT_SIZE], peer[STUN_ADDR_TEXT_SIZE], rtt[32] = "unknown";

    stun_addr_format(&event->addr, mapped, sizeof mapped);
    stun_addr_format(server, peer, sizeof peer);
    if (event->kind == STUN_EV_FAILED || event->kind == STUN_EV_RETRYING) {
        fprintf(stderr, "no mapped address: %.*s  (%s, server %s)\n", (int)event->text_len, event->text, transport,
                peer);
        return;
    }
    /* A request that was sent more than once does not say which one was answered. */
    if (event->rtt != STUN_NEVER)
        snprintf(rtt, sizeof rtt, "%.1f ms", (double)event->rtt / 1e6);
    printf("mapped address %s  rtt %s  (%s, server %s)\n", mapped, rtt, transport, peer);
}

#endif /* SUPPORT_H */
