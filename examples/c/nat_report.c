/*
 * Finds out what the NAT before this host does (RFC 5780), with poll(2), and prints a report. C99 and POSIX.
 *
 *     nat_report [--json] [--lifetime] [server[:port]]...
 *
 * The first server is best one of RFC 5780; further, ordinary ones help where it is not. Without a server the
 * program asks one of its own on the loopback interface, on four sockets as RFC 5780 wants them. Progress goes to
 * stderr, the report to stdout. --lifetime adds the slow test: how long a binding lives takes up to two hours.
 */

#define _POSIX_C_SOURCE 200809L

#include <fcntl.h>
#include <poll.h>

#include "support.h"

enum {
    PROBING = 2, /* sockets of the probe: the one whose NAT it is about, and a second one */
    SERVING = 4, /* sockets of the embedded server: two addresses with two ports each */
    MAX_SERVERS = 9,
    BUFFER_SIZE = 65536 /* padded responses are longer than an MTU */
};

/* A socket, and the agent that what arrives on it belongs to. Its index is the packets' socket_id. */
struct line {
    int fd;
    stun_agent *agent;
    stun_addr local;
};

struct host {
    stun_agent *client;
    stun_agent *server; /* NULL unless embedded */
    struct line lines[PROBING + SERVING];
    size_t count;
    uint64_t probe;
    int is_over;
    int is_json;
};

struct options {
    const char *servers[MAX_SERVERS];
    size_t count;
    int is_json;
    int is_slow;
};

static int add_line(struct host *host, stun_agent *agent, const stun_addr *local)
{
    struct line *line = &host->lines[host->count];
    struct sockaddr_storage storage;
    socklen_t len;

    if (stun_addr_to_sockaddr_storage(local, &storage, &len) != STUN_OK)
        return -1;
    line->fd = socket(local->family == 6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
    if (line->fd < 0)
        return -1;
    if (bind(line->fd, (struct sockaddr *)&storage, len) != 0 || fcntl(line->fd, F_SETFL, O_NONBLOCK) != 0 ||
        support_local(line->fd, &line->local) != 0) {
        close(line->fd);
        return -1;
    }
    line->agent = agent;
    host->count++;
    return 0;
}

/* --- The loop ----------------------------------------------------------------------------------------- */

static int drain_transmits(struct host *host, stun_agent *agent)
{
    struct sockaddr_storage to;
    stun_packet packet;
    socklen_t len;
    int count = 0;

    for (; stun_poll_transmit(agent, &packet) == STUN_OK; count++) {
        if (packet.socket_id >= host->count || stun_addr_to_sockaddr_storage(&packet.remote, &to, &len) != STUN_OK)
            continue;
        if (sendto(host->lines[packet.socket_id].fd, packet.data, packet.len, 0, (struct sockaddr *)&to, len) < 0)
            (void)stun_handle_send_error(agent, &packet, (uint32_t)stun_send_error_from_errno(errno), support_now());
    }
    return count;
}

/* The report, as it is when its last event has been polled: ask for its length, then for itself. */
static void print_report(const struct host *host)
{
    const uint32_t format = host->is_json ? STUN_NAT_JSON : STUN_NAT_TEXT;
    size_t len = 0;
    char *text;

    if (stun_nat_report_text(host->client, host->probe, format, NULL, 0, &len) != STUN_OK)
        return;
    text = (char *)malloc(len + 1);
    if (text != NULL && stun_nat_report_text(host->client, host->probe, format, text, len + 1, &len) == STUN_OK)
        printf(host->is_json ? "%s\n" : "%s", text);
    free(text);
}

static int drain_events(struct host *host)
{
    stun_event event;
    int count = 0;

    memset(&event, 0, sizeof event);
    for (event.struct_size = sizeof event; stun_poll_event(host->client, &event) == STUN_OK; count++) {
        if (event.kind == STUN_EV_NAT_REPORT) {
            print_report(host);
            host->is_over = 1;
        } else {
            fprintf(stderr, "%.*s\n", (int)event.text_len, event.text);
        }
        event.struct_size = sizeof event;
    }
    return count;
}

static void drain(struct host *host)
{
    int count;

    do {
        count = drain_transmits(host, host->client) + drain_events(host);
        if (host->server != NULL)
            count += drain_transmits(host, host->server);
    } while (count > 0 && !host->is_over);
}

static void read_line(const struct host *host, const struct line *line)
{
    static uint8_t bytes[BUFFER_SIZE];
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    stun_packet packet;
    ssize_t got = recvfrom(line->fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &len);

    memset(&packet, 0, sizeof packet);
    if (got < 0 || stun_sockaddr_to_addr((struct sockaddr *)&from, len, &packet.remote) != STUN_OK)
        return; /* the sockets are not connected, so that errors are of no certain request: its timeout covers them */
    packet.local = line->local;
    packet.data = bytes;
    packet.len = (size_t)got;
    packet.socket_id = (uint32_t)(line - host->lines);
    (void)stun_handle_input(line->agent, &packet, support_now(), NULL); /* not STUN: no other taker here */
}

static void wait_and_read(const struct host *host)
{
    struct pollfd fds[PROBING + SERVING];
    stun_time deadline = stun_poll_timeout(host->client);
    size_t i;

    if (host->server != NULL && stun_poll_timeout(host->server) < deadline)
        deadline = stun_poll_timeout(host->server);
    for (i = 0; i < host->count; i++) {
        fds[i].fd = host->lines[i].fd;
        fds[i].events = POLLIN;
        fds[i].revents = 0;
    }
    if (poll(fds, (nfds_t)host->count, stun_poll_milliseconds(deadline, support_now())) <= 0)
        return;
    for (i = 0; i < host->count; i++)
        if (fds[i].revents != 0)
            read_line(host, &host->lines[i]);
}

static void run(struct host *host)
{
    for (;;) {
        drain(host);
        if (host->is_over)
            return;
        wait_and_read(host);
        (void)stun_handle_timeout(host->client, support_now());
        if (host->server != NULL)
            (void)stun_handle_timeout(host->server, support_now());
    }
}

/* --- Set-up ------------------------------------------------------------------------------------------- */

/* The address from which this host reaches a server: connecting a UDP socket sends nothing. */
static int local_towards(const stun_addr *server, stun_addr *local)
{
    struct sockaddr_storage to;
    socklen_t len;
    int fd = socket(server->family == 6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0), error = -1;

    if (fd >= 0 && stun_addr_to_sockaddr_storage(server, &to, &len) == STUN_OK &&
        connect(fd, (struct sockaddr *)&to, len) == 0)
        error = support_local(fd, local);
    if (fd >= 0)
        close(fd);
    local->port = 0;
    return error;
}

/* Two fresh sockets, because a NAT that has seen one before may let in what it would else not. */
static int start_probe(struct host *host, const struct options *options, const stun_addr *servers, size_t count)
{
    stun_nat_config config;
    stun_addr local;
    char sentence[128] = "";
    size_t len = 0;
    stun_status status;

    if (local_towards(&servers[0], &local) != 0 || add_line(host, host->client, &local) != 0 ||
        add_line(host, host->client, &local) != 0) {
        fprintf(stderr, "cannot open a socket: %s\n", strerror(errno));
        return -1;
    }
    memset(&config, 0, sizeof config); /* zero is every field's default */
    config.struct_size = sizeof config;
    config.local = host->lines[host->count - PROBING].local;
    config.socket_id = (uint32_t)(host->count - PROBING);
    config.second = host->lines[host->count - 1].local;
    config.second_socket_id = (uint32_t)(host->count - 1);
    config.server = servers[0];
    config.servers = servers + 1;
    config.server_count = count - 1;
    if (options->is_slow)
        config.properties = (1u << (STUN_NAT_LIFETIME + 1)) - 1;
    status = stun_nat_probe_start(host->client, &config, support_now(), &host->probe);
    if (status == STUN_OK)
        return 0;
    (void)stun_last_error(host->client, sentence, sizeof sentence, &len);
    fprintf(stderr, "cannot probe: %s: %s\n", stun_status_name(status), sentence);
    return -1;
}

/* A server of RFC 5780: 127.0.0.1 and 127.0.0.2, two ports on each. Where the system has no second loopback address
 * it has one place only, and then the report says what cannot be known. */
static int embed_server(struct host *host, stun_addr *address)
{
    stun_addr places[SERVING] = {{4, 0, 0, 0, {127, 0, 0, 1}}, {4, 0, 0, 0, {127, 0, 0, 1}},
                                 {4, 0, 0, 0, {127, 0, 0, 2}}, {4, 0, 0, 0, {127, 0, 0, 2}}};
    stun_server_config config;
    uint64_t id;
    size_t i;

    if (stun_agent_new(NULL, support_now(), &host->server) != STUN_OK)
        return -1;
    memset(&config, 0, sizeof config);
    config.struct_size = sizeof config;
    for (i = 0; i < SERVING && add_line(host, host->server, &places[i]) == 0; i++) {
        config.socket_ids[i] = (uint32_t)i;
        if (i < 2)
            places[i + 2].port = host->lines[i].local.port;
    }
    if (i == 0)
        return -1;
    config.local = *address = host->lines[0].local;
    if (i == SERVING)
        config.alternate = host->lines[SERVING - 1].local;
    else
        config.flags = STUN_SERVER_BEHAVIOR_SINGLE;
    return stun_server_start(host->server, &config, support_now(), &id) == STUN_OK ? 0 : -1;
}

/* Addresses of one family: the first one's. */
static size_t find_servers(struct host *host, const struct options *options, stun_addr servers[MAX_SERVERS])
{
    char text[STUN_ADDR_TEXT_SIZE];
    stun_addr found[2];
    size_t i, n, known, count = 0;

    for (i = 0; i < options->count; i++) {
        known = support_resolve(options->servers[i], SOCK_DGRAM, found);
        for (n = 0; n < known; n++) {
            if (count > 0 && found[n].family != servers[0].family)
                continue;
            servers[count++] = found[n];
            break;
        }
    }
    if (options->count > 0)
        return count;
    if (embed_server(host, &servers[0]) != 0) {
        fprintf(stderr, "cannot embed a server\n");
        return 0;
    }
    stun_addr_format(&servers[0], text, sizeof text);
    fprintf(stderr, "no server given: asking an embedded one on %s\n", text);
    return 1;
}

static int parse_options(int argc, char **argv, struct options *options)
{
    int i;

    memset(options, 0, sizeof *options);
    for (i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            options->is_json = 1;
        else if (strcmp(argv[i], "--lifetime") == 0)
            options->is_slow = 1;
        else if (argv[i][0] == '-' || options->count == MAX_SERVERS)
            return -1;
        else
            options->servers[options->count++] = argv[i];
    }
    return 0;
}

int main(int argc, char **argv)
{
    static struct host host;
    struct options options;
    stun_addr servers[MAX_SERVERS];
    size_t count;

    if (parse_options(argc, argv, &options) != 0) {
        fprintf(stderr, "usage: nat_report [--json] [--lifetime] [server[:port]]...\n");
        return 2;
    }
    if (stun_abi_version() != STUN_ABI_VERSION || stun_agent_new(NULL, support_now(), &host.client) != STUN_OK)
        return 1;
    host.is_json = options.is_json;
    count = find_servers(&host, &options, servers);
    if (count > 0 && start_probe(&host, &options, servers, count) == 0)
        run(&host);
    stun_agent_free(host.client);
    stun_agent_free(host.server);
    while (host.count > 0)
        close(host.lines[--host.count].fd);
    return host.is_over ? 0 : 1;
}
