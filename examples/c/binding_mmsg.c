/*
 * Asks many servers from one socket, with one system call for all requests. Linux.
 *
 *     binding_mmsg [--count N] [server[:port]]
 *
 * stun_poll_transmit_batch() writes packets straight into an array of structs of ours, and their bytes stay
 * valid together: sendmmsg() can take them where they lie. With a server it is asked N times; without one
 * there are N embedded ones on loopback.
 */

#define _GNU_SOURCE /* sendmmsg, recvmmsg */

#include <poll.h>

#include "support.h"

enum { MAX_COUNT = 64, BUFFER_SIZE = 1500 };

/* What the batch call fills: it begins with the packet, and the stride tells the rest. */
struct slot {
    stun_packet packet;
    struct sockaddr_storage to;
    socklen_t to_len;
};

struct asked {
    uint64_t id;
    stun_addr server;
};

struct host {
    stun_agent *client;
    stun_agent *server; /* NULL unless embedded */
    int fd;
    stun_addr local;
    int server_fds[MAX_COUNT];
    size_t server_count;
    struct asked asked[MAX_COUNT];
    size_t asked_count;
    size_t running, found;
    unsigned sendmmsg_calls, recvmmsg_calls, poll_calls;
};

/* Without the datagram's bytes, a failed send concerns all requests between the two addresses. That is what
 * such an error means, and the bytes are only lent until the first of these reports. */
static void report_failed(struct host *host, stun_packet *failed, const int *errors, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        failed[i].data = NULL;
        failed[i].len = 0;
        (void)stun_handle_send_error(host->client, &failed[i], (uint32_t)stun_send_error_from_errno(errors[i]),
                                     support_now());
    }
}

/* sendmmsg() stops at the first datagram that fails; that one is skipped, and the rest is sent. */
static void send_all(struct host *host, struct mmsghdr *messages, const struct slot *slots, size_t count)
{
    stun_packet failed[MAX_COUNT];
    int errors[MAX_COUNT], sent;
    size_t at = 0, failures = 0;

    while (at < count) {
        sent = sendmmsg(host->fd, messages + at, (unsigned)(count - at), 0);
        host->sendmmsg_calls++;
        if (sent > 0) {
            at += (size_t)sent;
        } else if (errno != EINTR) {
            errors[failures] = errno;
            failed[failures++] = slots[at++].packet;
        }
    }
    report_failed(host, failed, errors, failures);
}

static size_t transmit(struct host *host)
{
    struct slot slots[MAX_COUNT];
    struct mmsghdr messages[MAX_COUNT];
    struct iovec parts[MAX_COUNT];
    size_t i, count = 0;

    if (stun_poll_transmit_batch(host->client, &slots[0].packet, MAX_COUNT, sizeof slots[0], &count) != STUN_OK)
        return 0;
    memset(messages, 0, count * sizeof messages[0]);
    for (i = 0; i < count; i++) {
        (void)stun_addr_to_sockaddr_storage(&slots[i].packet.remote, &slots[i].to, &slots[i].to_len);
        parts[i].iov_base = (void *)(uintptr_t)slots[i].packet.data; /* an iovec knows no const */
        parts[i].iov_len = slots[i].packet.len;
        messages[i].msg_hdr.msg_name = &slots[i].to;
        messages[i].msg_hdr.msg_namelen = slots[i].to_len;
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    send_all(host, messages, slots, count);
    return count;
}

static size_t take_events(struct host *host)
{
    stun_event event;
    size_t i, count = 0;

    memset(&event, 0, sizeof event);
    for (event.struct_size = sizeof event; stun_poll_event(host->client, &event) == STUN_OK; count++) {
        for (i = 0; i < host->asked_count; i++)
            if (host->asked[i].id == event.id)
                support_print_event(&event, "udp", &host->asked[i].server);
        host->found += event.kind == STUN_EV_MAPPED;
        host->running -= event.is_last;
        event.struct_size = sizeof event;
    }
    return count;
}

static void give(stun_agent *agent, const stun_addr *local, uint32_t socket_id, const struct msghdr *message,
                 const uint8_t *data, size_t len)
{
    stun_packet packet;

    memset(&packet, 0, sizeof packet);
    packet.local = *local;
    packet.data = data;
    packet.len = len;
    packet.socket_id = socket_id;
    if (stun_sockaddr_to_addr((const struct sockaddr *)message->msg_name, message->msg_namelen, &packet.remote) ==
        STUN_OK)
        (void)stun_handle_input(agent, &packet, support_now(), NULL);
}

static void receive(struct host *host)
{
    static uint8_t buffers[MAX_COUNT][BUFFER_SIZE];
    struct sockaddr_storage from[MAX_COUNT];
    struct mmsghdr messages[MAX_COUNT];
    struct iovec parts[MAX_COUNT];
    int i, count;

    memset(messages, 0, sizeof messages);
    for (i = 0; i < MAX_COUNT; i++) {
        parts[i].iov_base = buffers[i];
        parts[i].iov_len = BUFFER_SIZE;
        messages[i].msg_hdr.msg_name = &from[i];
        messages[i].msg_hdr.msg_namelen = sizeof from[i];
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    count = recvmmsg(host->fd, messages, MAX_COUNT, MSG_DONTWAIT, NULL);
    host->recvmmsg_calls++;
    for (i = 0; i < count; i++)
        give(host->client, &host->local, 0, &messages[i].msg_hdr, buffers[i], messages[i].msg_len);
}

/* One request at one of the embedded servers, and its answer. */
static void serve(struct host *host, size_t which)
{
    struct sockaddr_storage peer;
    struct msghdr name;
    stun_addr local;
    stun_packet reply;
    uint8_t buffer[BUFFER_SIZE];
    socklen_t len = sizeof peer;
    ssize_t got =
        recvfrom(host->server_fds[which], buffer, sizeof buffer, MSG_DONTWAIT, (struct sockaddr *)&peer, &len);

    if (got < 0 || support_local(host->server_fds[which], &local) != 0)
        return;
    memset(&name, 0, sizeof name);
    name.msg_name = &peer;
    name.msg_namelen = len;
    give(host->server, &local, (uint32_t)which, &name, buffer, (size_t)got);
    while (stun_poll_transmit(host->server, &reply) == STUN_OK)
        if (stun_addr_to_sockaddr_storage(&reply.remote, &peer, &len) == STUN_OK)
            /* A lost reply is a lost datagram: the client asks again. */
            (void)sendto(host->server_fds[reply.socket_id], reply.data, reply.len, 0, (struct sockaddr *)&peer, len);
}

static void wait_and_read(struct host *host)
{
    struct pollfd fds[1 + MAX_COUNT];
    size_t i, count = 1 + host->server_count;

    for (i = 0; i < count; i++) {
        fds[i].fd = i == 0 ? host->fd : host->server_fds[i - 1];
        fds[i].events = POLLIN;
    }
    host->poll_calls++;
    if (poll(fds, (nfds_t)count, stun_poll_milliseconds(stun_poll_timeout(host->client), support_now())) <= 0)
        return;
    if (fds[0].revents != 0)
        receive(host);
    for (i = 1; i < count; i++)
        if (fds[i].revents != 0)
            serve(host, i - 1);
}

static void run(struct host *host)
{
    for (;;) {
        while (transmit(host) + take_events(host) > 0)
            ;
        if (host->running == 0)
            return;
        wait_and_read(host);
        (void)stun_handle_timeout(host->client, support_now());
    }
}

static int ask(struct host *host, const stun_addr *server)
{
    stun_binding_config config;
    struct asked *asked = &host->asked[host->asked_count];

    memset(&config, 0, sizeof config);
    config.struct_size = sizeof config;
    config.local = host->local;
    config.server = asked->server = *server;
    config.refresh = STUN_NEVER;
    if (stun_binding_start(host->client, &config, support_now(), &asked->id) != STUN_OK)
        return -1;
    host->asked_count++;
    host->running++;
    return 0;
}

/* One agent answers for all embedded servers: an agent has no sockets, so it may have any number of them. */
static size_t embed_servers(struct host *host, stun_addr *out, size_t count)
{
    stun_server_config config;
    uint64_t id;

    memset(&config, 0, sizeof config);
    config.struct_size = sizeof config; /* all else zero: answers whatever arrives anywhere */
    if (stun_agent_new(NULL, support_now(), &host->server) != STUN_OK ||
        stun_server_start(host->server, &config, support_now(), &id) != STUN_OK)
        return 0;
    while (host->server_count < count) {
        int fd = support_loopback(SOCK_DGRAM, &out[host->server_count]);
        if (fd < 0)
            break;
        host->server_fds[host->server_count++] = fd;
    }
    printf("no server given: asking %u embedded ones on 127.0.0.1\n", (unsigned)host->server_count);
    return host->server_count;
}

static int start(struct host *host, const char *name, size_t count)
{
    stun_addr servers[MAX_COUNT];
    size_t i, known = name == NULL ? embed_servers(host, servers, count) : support_resolve(name, SOCK_DGRAM, servers);
    int is_ipv6 = known > 0 && servers[0].family == 6; /* one socket has one family */
    struct sockaddr_storage any;

    if (known == 0 || stun_agent_new(NULL, support_now(), &host->client) != STUN_OK)
        return -1;
    memset(&any, 0, sizeof any); /* zero is the unspecified address of both families, and any port */
    any.ss_family = is_ipv6 ? AF_INET6 : AF_INET;
    host->fd = socket(any.ss_family, SOCK_DGRAM, 0);
    if (host->fd < 0 || bind(host->fd, (struct sockaddr *)&any, sizeof any) != 0 ||
        support_local(host->fd, &host->local) != 0)
        return -1;
    for (i = 0; i < count; i++)
        if (ask(host, &servers[name == NULL ? i % known : 0]) != 0)
            return -1;
    return 0;
}

int main(int argc, char **argv)
{
    static struct host host;
    const char *name = NULL;
    size_t i, count = 8;
    int at;

    for (at = 1; at < argc; at++) {
        if (strcmp(argv[at], "--count") == 0 && at + 1 < argc)
            count = (size_t)strtoul(argv[++at], NULL, 10);
        else
            name = argv[at];
    }
    if (count == 0 || count > MAX_COUNT || (name != NULL && name[0] == '-')) {
        fprintf(stderr, "usage: binding_mmsg [--count N] [server[:port]], N from 1 to %d\n", MAX_COUNT);
        return 2;
    }
    if (support_print_library() != 0)
        return 1;
    host.fd = -1;
    if (start(&host, name, count) == 0)
        run(&host);
    printf("%u of %u bindings answered with %u sendmmsg, %u recvmmsg and %u poll calls\n", (unsigned)host.found,
           (unsigned)host.asked_count, host.sendmmsg_calls, host.recvmmsg_calls, host.poll_calls);

    stun_agent_free(host.client);
    stun_agent_free(host.server);
    for (i = 0; i < host.server_count; i++)
        close(host.server_fds[i]);
    if (host.fd >= 0)
        close(host.fd);
    return host.found > 0 ? 0 : 1;
}
