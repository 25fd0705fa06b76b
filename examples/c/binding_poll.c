/*
 * Asks a STUN server for this host's public address, with poll(2). C99 and POSIX.
 *
 *     binding_poll [--tcp] [--watch[=SECONDS]] [--user NAME --password SECRET] [server[:port]]
 *
 * Without a server it asks one of its own, which shows both sides: two agents, one loop. What poll() reports
 * goes into stun_handle_input(), what the agents want goes out through send(), and between the two the
 * program sleeps until stun_poll_timeout(). That loop stays the same for every usage of the library.
 */

#define _POSIX_C_SOURCE 200809L

#include <fcntl.h>
#include <poll.h>
#include <signal.h>

#include "support.h"

enum {
    MAX_LINES = 8,         /* two servers, or an embedded one with its listener and its connections */
    BUFFER_SIZE = 2048,    /* a Binding response has some hundred bytes */
    CONNECT_PATIENCE = 5000 /* milliseconds */
};

enum kind { DATAGRAMS, STREAM, LISTENER };

/* A socket, and the agent that what arrives on it belongs to. Its index is the packets' socket_id. */
struct line {
    int fd; /* -1 once closed, which poll() skips */
    enum kind kind;
    stun_agent *agent;
    stun_addr local;
    stun_addr remote; /* family 0 where the socket talks to anybody */
    uint64_t binding; /* 0 for a server's */
    size_t filled;    /* a stream's bytes that no whole frame has come of yet */
    uint8_t bytes[BUFFER_SIZE];
};

struct host {
    stun_agent *client;
    stun_agent *server; /* NULL unless embedded */
    struct line lines[MAX_LINES];
    size_t count;
    size_t running; /* bindings that have not said their last word */
    int is_found;
};

struct options {
    const char *server;
    int is_tcp;
    int is_watching;
    const char *user; /* a long-term credential, or NULL */
    const char *password;
    stun_time refresh; /* 0 is the library's default */
};

static struct line *add_line(struct host *host, int fd, enum kind kind, stun_agent *agent)
{
    struct line *line;

    if (fd < 0 || host->count == MAX_LINES || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        return NULL;
    line = &host->lines[host->count++];
    memset(line, 0, sizeof *line);
    line->fd = fd;
    line->kind = kind;
    line->agent = agent;
    (void)support_local(fd, &line->local);
    return line;
}

static stun_packet packet_of(const struct host *host, const struct line *line, const uint8_t *data, size_t len)
{
    stun_packet packet;

    memset(&packet, 0, sizeof packet);
    packet.local = line->local;
    packet.remote = line->remote;
    packet.data = data;
    packet.len = len;
    packet.transport = line->kind == DATAGRAMS ? STUN_UDP : STUN_TCP;
    packet.socket_id = (uint32_t)(line - host->lines);
    return packet;
}

/* Something on this line is broken, without word of a certain datagram: whatever is under way on it hears of
 * that now, and not when its timeout comes after half a minute. */
static void report_error(struct host *host, struct line *line, stun_send_error_code error)
{
    stun_packet packet = packet_of(host, line, NULL, 0);

    if (line->remote.family != 0)
        (void)stun_handle_send_error(line->agent, &packet, (uint32_t)error, support_now());
}

static void close_line(struct host *host, struct line *line, stun_send_error_code error)
{
    close(line->fd);
    line->fd = -1;
    report_error(host, line, error);
}

/* --- Output ------------------------------------------------------------------------------------------- */

static int connect_to(int fd, const stun_addr *server);

/* A server may name another one in its place, which the agent then asks from the same socket. */
static int follow(struct line *line, const stun_addr *server)
{
    if (line->kind != DATAGRAMS || line->remote.family == 0 || memcmp(&line->remote, server, sizeof *server) == 0)
        return 0;
    line->remote = *server;
    errno = connect_to(line->fd, server);
    return errno == 0 ? 0 : -1;
}

/* Sends one datagram, or one frame. A frame is a few dozen bytes: a connection whose buffer is full of them
 * is stuck, and a part of a frame would put the other end out of step. */
static int send_packet(struct line *line, const stun_packet *packet)
{
    struct sockaddr_storage to;
    socklen_t len;
    ssize_t sent;

    if (line->fd < 0) {
        errno = ENOTCONN;
        return -1;
    }
    if (follow(line, &packet->remote) != 0)
        return -1;
    if (line->remote.family != 0)
        sent = send(line->fd, packet->data, packet->len, 0);
    else if (stun_addr_to_sockaddr_storage(&packet->remote, &to, &len) == STUN_OK)
        sent = sendto(line->fd, packet->data, packet->len, 0, (struct sockaddr *)&to, len);
    else
        return -1;
    if (sent >= 0 && (size_t)sent != packet->len)
        errno = EPIPE;
    return sent == (ssize_t)packet->len ? 0 : -1;
}

static int drain_transmits(struct host *host, stun_agent *agent)
{
    stun_packet packet;
    int count = 0;

    for (; stun_poll_transmit(agent, &packet) == STUN_OK; count++)
        /* The packet's bytes are lent until the next stun_handle_* call: report an error at once or keep a
         * copy. The agent knows whether that error is the end or only a lost packet. */
        if (packet.socket_id < host->count && send_packet(&host->lines[packet.socket_id], &packet) != 0)
            (void)stun_handle_send_error(agent, &packet, (uint32_t)stun_send_error_from_errno(errno), support_now());
    return count;
}

static struct line *line_of(struct host *host, uint64_t binding)
{
    size_t i;

    for (i = 0; i < host->count; i++)
        if (host->lines[i].binding == binding)
            return &host->lines[i];
    return NULL;
}

/* Opens a lost connection anew. If that fails the binding goes on all the same: what it sends fails too, and so
 * it waits a while, longer each time, before it asks for a connection again. */
static void reconnect(struct host *host, struct line *line, const stun_event *event)
{
    stun_packet path;

    if (line->fd >= 0)
        close(line->fd);
    line->filled = 0;
    line->remote = event->addr;
    line->fd = socket(line->remote.family == 6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
    if (line->fd >= 0 && (fcntl(line->fd, F_SETFL, O_NONBLOCK) != 0 || connect_to(line->fd, &line->remote) != 0 ||
                          support_local(line->fd, &line->local) != 0)) {
        close(line->fd);
        line->fd = -1;
    }
    path = packet_of(host, line, NULL, 0);
    (void)stun_reconnected(host->client, line->binding, &path, support_now());
}

static void act_on(struct host *host, struct line *line, const stun_event *event)
{
    const char *transport = line->kind == STREAM ? "tcp" : "udp";

    switch (event->kind) {
    case STUN_EV_MAPPED:
        host->is_found = 1;
        support_print_event(event, transport, &line->remote);
        break;
    case STUN_EV_ADDRESS_CHANGED:
    case STUN_EV_RETRYING:
    case STUN_EV_FAILED:
        support_print_event(event, transport, &line->remote);
        break;
    case STUN_EV_RECONNECT:
        fprintf(stderr, "%.*s\n", (int)event->text_len, event->text);
        reconnect(host, line, event);
        break;
    case STUN_EV_REDIRECTED:
        fprintf(stderr, "%.*s\n", (int)event->text_len, event->text);
        break;
    default: /* the address is as before, or a newer library says what this program does not know: skip it */
        break;
    }
}

static int drain_events(struct host *host)
{
    stun_event event;
    struct line *line;
    int count = 0;

    memset(&event, 0, sizeof event);
    for (event.struct_size = sizeof event; stun_poll_event(host->client, &event) == STUN_OK; count++) {
        line = line_of(host, event.id);
        if (line != NULL)
            act_on(host, line, &event);
        host->running -= event.is_last;
        event.struct_size = sizeof event;
    }
    return count;
}

/* Until nothing comes any more: a failed send can make an event. */
static void drain(struct host *host)
{
    int count;

    do {
        count = drain_transmits(host, host->client) + drain_events(host);
        if (host->server != NULL)
            count += drain_transmits(host, host->server);
    } while (count > 0);
}

/* --- Input -------------------------------------------------------------------------------------------- */

static void read_datagrams(struct host *host, struct line *line)
{
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    stun_packet packet;
    ssize_t got = recvfrom(line->fd, line->bytes, sizeof line->bytes, 0, (struct sockaddr *)&from, &len);

    if (got < 0) {
        /* On a connected socket the system passes ICMP errors on: nobody listens there, or no route. */
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            report_error(host, line, stun_send_error_from_errno(errno));
        return;
    }
    packet = packet_of(host, line, line->bytes, (size_t)got);
    if (stun_sockaddr_to_addr((struct sockaddr *)&from, len, &packet.remote) == STUN_OK)
        (void)stun_handle_input(line->agent, &packet, support_now(), NULL); /* not STUN: no other taker here */
}

/* Cuts a stream into frames and hands them over. Returns 0, or -1 if the stream makes no sense. */
static int take_frames(struct host *host, struct line *line)
{
    size_t at = 0, length = 0;
    stun_status status = STUN_EMPTY;

    while (at < line->filled) {
        status = stun_frame_length(line->bytes + at, line->filled - at, &length);
        if (status != STUN_OK || length > line->filled - at)
            break;
        stun_packet packet = packet_of(host, line, line->bytes + at, length);
        (void)stun_handle_input(line->agent, &packet, support_now(), NULL);
        at += length;
    }
    if (status < 0 || length > sizeof line->bytes)
        return -1;
    memmove(line->bytes, line->bytes + at, line->filled - at);
    line->filled -= at;
    return 0;
}

static void read_stream(struct host *host, struct line *line)
{
    ssize_t got = recv(line->fd, line->bytes + line->filled, sizeof line->bytes - line->filled, 0);

    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (got > 0)
        line->filled += (size_t)got;
    if (got < 0)
        close_line(host, line, stun_send_error_from_errno(errno));
    else if (got == 0 || take_frames(host, line) != 0)
        close_line(host, line, STUN_SEND_CLOSED);
}

static void accept_client(struct host *host, const struct line *listener)
{
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    int fd = accept(listener->fd, (struct sockaddr *)&from, &len);
    struct line *line = add_line(host, fd, STREAM, listener->agent);

    if (line != NULL)
        (void)stun_sockaddr_to_addr((struct sockaddr *)&from, len, &line->remote);
    else if (fd >= 0)
        close(fd);
}

/* Sleeps until something arrives or the earlier of the agents' deadlines, and reads what has arrived. */
static void wait_and_read(struct host *host)
{
    struct pollfd fds[MAX_LINES];
    stun_time deadline = stun_poll_timeout(host->client);
    size_t i, count = host->count;

    if (host->server != NULL && stun_poll_timeout(host->server) < deadline)
        deadline = stun_poll_timeout(host->server);
    for (i = 0; i < count; i++) {
        fds[i].fd = host->lines[i].fd;
        fds[i].events = POLLIN;
        fds[i].revents = 0;
    }
    if (poll(fds, (nfds_t)count, stun_poll_milliseconds(deadline, support_now())) <= 0)
        return;
    for (i = 0; i < count; i++) {
        if (fds[i].revents == 0)
            continue;
        switch (host->lines[i].kind) {
        case DATAGRAMS: read_datagrams(host, &host->lines[i]); break;
        case STREAM: read_stream(host, &host->lines[i]); break;
        case LISTENER: accept_client(host, &host->lines[i]); break;
        }
    }
}

static void run(struct host *host)
{
    for (;;) {
        drain(host);
        if (host->running == 0)
            return;
        wait_and_read(host);
        /* After input as well: under a flood of it, poll() never times out. An early call changes nothing. */
        (void)stun_handle_timeout(host->client, support_now());
        if (host->server != NULL)
            (void)stun_handle_timeout(host->server, support_now());
    }
}

/* --- Set-up ------------------------------------------------------------------------------------------- */

/* Connects with a limit. For TCP that is a handshake, which the agent hears nothing of. For UDP it sends
 * nothing, but tells which local address will be used, and lets ICMP errors through. Returns an errno. */
static int connect_to(int fd, const stun_addr *server)
{
    struct sockaddr_storage to;
    struct pollfd wait;
    socklen_t len;
    int error = 0;

    if (stun_addr_to_sockaddr_storage(server, &to, &len) != STUN_OK)
        return EAFNOSUPPORT;
    if (connect(fd, (struct sockaddr *)&to, len) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    wait.fd = fd;
    wait.events = POLLOUT;
    if (poll(&wait, 1, CONNECT_PATIENCE) != 1)
        return ETIMEDOUT;
    len = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? error : errno;
}

/* Opens a socket towards a server and starts a binding on it. Returns an errno. */
static int open_line(struct host *host, const struct options *options, const stun_addr *server, stun_status *status)
{
    int fd = socket(server->family == 6 ? AF_INET6 : AF_INET, options->is_tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
    struct line *line = add_line(host, fd, options->is_tcp ? STREAM : DATAGRAMS, host->client);
    stun_binding_config config;
    int error;

    if (line == NULL)
        return fd < 0 ? errno : EMFILE;
    error = connect_to(fd, server);
    if (error == 0 && support_local(fd, &line->local) != 0)
        error = errno;
    if (error != 0) {
        close_line(host, line, STUN_SEND_CLOSED); /* reaches nobody: the agent has not heard of it */
        return error;
    }
    line->remote = *server;
    memset(&config, 0, sizeof config); /* zero is every field's default */
    config.struct_size = sizeof config;
    config.transport = options->is_tcp ? STUN_TCP : STUN_UDP;
    config.local = line->local;
    config.server = *server;
    config.socket_id = (uint32_t)(line - host->lines);
    config.refresh = options->is_watching ? options->refresh : STUN_NEVER;
    if (options->user != NULL) {
        config.credential_kind = STUN_LONG_TERM;
        config.username = (const uint8_t *)options->user;
        config.username_len = strlen(options->user);
        config.password = (const uint8_t *)options->password;
        config.password_len = strlen(options->password);
    }
    *status = stun_binding_start(host->client, &config, support_now(), &line->binding);
    host->running += *status == STUN_OK;
    return 0;
}

static void ask(struct host *host, const struct options *options, const stun_addr *server)
{
    char text[STUN_ADDR_TEXT_SIZE], sentence[128] = "";
    stun_status status = STUN_OK;
    size_t len = 0;
    int error = open_line(host, options, server, &status);

    stun_addr_format(server, text, sizeof text);
    if (error != 0)
        fprintf(stderr, "cannot ask server %s: %s\n", text, strerror(error));
    if (status != STUN_OK) {
        (void)stun_last_error(host->client, sentence, sizeof sentence, &len);
        fprintf(stderr, "cannot ask server %s: %s: %s\n", text, stun_status_name(status), sentence);
    }
}

/* A server of our own, as any host would run one. */
static int embed_server(struct host *host, const struct options *options, stun_addr *address)
{
    const int is_tcp = options->is_tcp;
    stun_server_config config;
    stun_user user;
    uint64_t id;
    int fd = support_loopback(is_tcp ? SOCK_STREAM : SOCK_DGRAM, address);

    memset(&config, 0, sizeof config);
    config.struct_size = sizeof config;
    config.local = *address;
    if (options->user != NULL) {
        user.name = (const uint8_t *)options->user;
        user.name_len = strlen(options->user);
        user.password = (const uint8_t *)options->password;
        user.password_len = strlen(options->password);
        config.realm = (const uint8_t *)"localhost";
        config.realm_len = strlen("localhost");
        config.users = &user;
        config.user_count = 1;
    }
    return fd >= 0 && stun_agent_new(NULL, support_now(), &host->server) == STUN_OK &&
                   stun_server_start(host->server, &config, support_now(), &id) == STUN_OK &&
                   add_line(host, fd, is_tcp ? LISTENER : DATAGRAMS, host->server) != NULL
               ? 0
               : -1;
}

static size_t find_servers(struct host *host, const struct options *options, stun_addr servers[2])
{
    char text[STUN_ADDR_TEXT_SIZE];

    if (options->server != NULL)
        return support_resolve(options->server, options->is_tcp ? SOCK_STREAM : SOCK_DGRAM, servers);
    if (embed_server(host, options, &servers[0]) != 0) {
        fprintf(stderr, "cannot embed a server\n");
        return 0;
    }
    stun_addr_format(&servers[0], text, sizeof text);
    printf("no server given: asking an embedded one on %s\n", text);
    return 1;
}

static int parse_options(int argc, char **argv, struct options *options)
{
    int i;

    memset(options, 0, sizeof *options);
    for (i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--tcp") == 0) {
            options->is_tcp = 1;
        } else if (strncmp(argv[i], "--watch", 7) == 0 && (argv[i][7] == '\0' || argv[i][7] == '=')) {
            options->is_watching = 1;
            options->refresh = argv[i][7] == '=' ? strtoull(argv[i] + 8, NULL, 10) * 1000000000u : 0;
        } else if (strcmp(argv[i], "--user") == 0 && i + 1 < argc) {
            options->user = argv[++i];
        } else if (strcmp(argv[i], "--password") == 0 && i + 1 < argc) {
            options->password = argv[++i];
        } else if (argv[i][0] == '-' || options->server != NULL) {
            return -1;
        } else {
            options->server = argv[i];
        }
    }
    return (options->user == NULL) == (options->password == NULL) ? 0 : -1;
}

int main(int argc, char **argv)
{
    static struct host host;
    struct options options;
    stun_addr servers[2];
    size_t i, count;

    if (parse_options(argc, argv, &options) != 0) {
        fprintf(stderr, "usage: binding_poll [--tcp] [--watch[=SECONDS]] [--user NAME --password SECRET] [server[:port]]\n");
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN); /* a closed connection is an errno like any other */
    (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    if (support_print_library() != 0 || stun_agent_new(NULL, support_now(), &host.client) != STUN_OK)
        return 1;
    count = find_servers(&host, &options, servers);
    for (i = 0; i < count; i++)
        ask(&host, &options, &servers[i]);
    run(&host);

    for (i = 0; i < host.count; i++)
        if (host.lines[i].fd >= 0)
            close(host.lines[i].fd);
    stun_agent_free(host.client);
    stun_agent_free(host.server);
    return host.is_found ? 0 : 1;
}
