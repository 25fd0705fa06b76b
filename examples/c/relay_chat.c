/*
 * Two peers talk through a TURN server. C99 and POSIX.
 *
 *     relay_chat [--tcp] [--lines N] [--user NAME --password SECRET] server[:port]
 *
 * Alice allocates a relayed address at the server and binds a channel to Bob; Bob is a plain UDP socket that knows
 * nothing of STUN and talks to the relayed address. Both are in this program, so that one command shows the whole way:
 *
 *     Alice's socket <----UDP or TCP----> server <----UDP from the relayed address----> Bob's socket
 *
 * They exchange N lines in each direction. The program ends with 0 only if all have arrived and the server has
 * deleted the allocation.
 */

#define _POSIX_C_SOURCE 200809L

#include <poll.h>
#include <signal.h>

#include "support.h"

enum {
    BUFFER_SIZE = 2048,
    ATTEMPTS = 10 /* how often a line is said before it is given up; UDP loses some */
};

static const stun_time PATIENCE = 500000000u; /* for one attempt */

struct options {
    const char *server;
    const char *user; /* NULL for a server that asks nobody */
    const char *password;
    int is_tcp;
    unsigned lines;
};

struct chat {
    const struct options *options;
    stun_agent *agent;
    uint64_t allocation;
    uint64_t stream; /* with --tcp */
    int alice;       /* the socket to the server */
    int bob;
    stun_addr alice_addr;
    stun_addr bob_addr;
    stun_addr server;
    unsigned line;     /* the line that is being said, 0 before the first */
    unsigned attempts; /* to say it */
    unsigned heard;    /* by Bob */
    unsigned answered; /* to Alice */
    stun_time said_at;
    stun_time again_at; /* STUN_NEVER while nothing is awaited */
    int is_closed;
    int is_over;
};

static int fail(struct chat *chat, const char *what, stun_status status)
{
    char sentence[128] = "";
    size_t len = 0;

    (void)stun_last_error(chat->agent, sentence, sizeof sentence, &len);
    fprintf(stderr, "%s: %s: %s\n", what, stun_status_name(status), sentence);
    chat->is_over = 1;
    return -1;
}

/* --- Alice -------------------------------------------------------------------------------------------- */

static void send_packet(struct chat *chat, const stun_packet *packet)
{
    ssize_t sent = send(chat->alice, packet->data, packet->len, 0);

    if (sent >= 0 && (size_t)sent != packet->len)
        errno = EPIPE; /* a part of a frame would put the server out of step */
    if (sent != (ssize_t)packet->len)
        (void)stun_handle_send_error(chat->agent, packet, (uint32_t)stun_send_error_from_errno(errno), support_now());
}

/* Writes the line where it will lie in the message, and has the agent write the rest around it. */
static void say(struct chat *chat)
{
    uint8_t buf[STUN_MAX_HEADROOM + 64 + STUN_MAX_TAILROOM];
    stun_packet packet;
    stun_status status;
    int len = snprintf((char *)buf + STUN_MAX_HEADROOM, 64, "line %u of %u", chat->line, chat->options->lines);

    chat->said_at = support_now();
    chat->again_at = chat->said_at + PATIENCE;
    status = stun_allocation_send_in_place(chat->agent, chat->allocation, &chat->bob_addr, buf, sizeof buf,
                                           STUN_MAX_HEADROOM, (size_t)len, chat->said_at, &packet);
    if (status != STUN_OK)
        (void)fail(chat, "cannot send to the peer", status);
    else
        send_packet(chat, &packet);
}

static void say_next(struct chat *chat)
{
    stun_status status;

    chat->attempts = 1;
    if (chat->line < chat->options->lines) {
        chat->line++;
        say(chat);
        return;
    }
    chat->again_at = STUN_NEVER;
    status = stun_allocation_close(chat->agent, chat->allocation, support_now());
    if (status != STUN_OK)
        (void)fail(chat, "cannot close the allocation", status);
}

static void say_again(struct chat *chat)
{
    if (chat->attempts++ < ATTEMPTS) {
        say(chat);
        return;
    }
    fprintf(stderr, "line %u was not answered\n", chat->line);
    chat->is_over = 1;
}

/* What Bob sent to the relayed address, unwrapped. */
static void hear(struct chat *chat, const stun_packet *app)
{
    char text[64];
    unsigned line = 0;

    snprintf(text, sizeof text, "%.*s", (int)app->len, (const char *)app->data);
    if (memcmp(&app->remote, &chat->bob_addr, sizeof app->remote) != 0 || sscanf(text, "line %u", &line) != 1 ||
        line != chat->line)
        return; /* an answer to a line that was said twice, or somebody else's */
    printf("bob > alice  %s  round trip %.2f ms\n", text, (double)(support_now() - chat->said_at) / 1e6);
    chat->answered++;
    say_next(chat);
}

static void start_talking(struct chat *chat, const stun_event *event)
{
    char text[STUN_ADDR_TEXT_SIZE];

    stun_addr_format(&event->peer, text, sizeof text);
    printf("peer %s through channel 0x%04x\n", text, (unsigned)event->detail);
    if (chat->line == 0)
        say_next(chat);
}

static void act_on(struct chat *chat, const stun_event *event)
{
    char text[STUN_ADDR_TEXT_SIZE], mapped[STUN_ADDR_TEXT_SIZE];

    switch (event->kind) {
    case STUN_EV_ALLOCATED:
        stun_addr_format(&event->relayed, text, sizeof text);
        stun_addr_format(&event->addr, mapped, sizeof mapped);
        printf("relayed address %s  (mapped address %s, for %" PRIu64 " s)\n", text, mapped,
               (uint64_t)(event->lifetime / 1000000000u));
        break;
    case STUN_EV_CHANNEL_BOUND:
        start_talking(chat, event);
        break;
    case STUN_EV_CLOSED:
        chat->is_closed = 1;
        break;
    /* A program that runs for longer would open a new connection, ask for other credentials, or wait: the allocation
     * goes on by itself where it can. This one is only to show the way. */
    case STUN_EV_FAILED:
    case STUN_EV_RETRYING:
    case STUN_EV_LOST:
    case STUN_EV_RECONNECT:
    case STUN_EV_PEER_REFUSED:
    case STUN_EV_CREDENTIALS_NEEDED:
        fprintf(stderr, "%.*s\n", (int)event->text_len, event->text);
        chat->is_over = 1;
        break;
    default: /* permitted, or what this program does not know: skip it */
        break;
    }
    chat->is_over |= (int)event->is_last && event->id == chat->allocation;
}

/* Until nothing comes any more: a failed send can make an event. */
static void drain(struct chat *chat)
{
    stun_packet packet;
    stun_event event;
    int count;

    do {
        for (count = 0; stun_poll_transmit(chat->agent, &packet) == STUN_OK; count++)
            send_packet(chat, &packet);
        memset(&event, 0, sizeof event);
        for (event.struct_size = sizeof event; stun_poll_event(chat->agent, &event) == STUN_OK; count++) {
            act_on(chat, &event);
            event.struct_size = sizeof event;
        }
    } while (count > 0);
}

static void read_stream(struct chat *chat, const uint8_t *bytes, size_t len)
{
    stun_packet app;
    size_t taken = 0;
    stun_status status;

    do {
        bytes += taken;
        len -= taken;
        status = stun_unwrap_stream(chat->agent, chat->stream, bytes, len, support_now(), &taken, &app);
        if (status == STUN_APP_DATA)
            hear(chat, &app);
    } while (status == STUN_APP_DATA);
}

static void read_alice(struct chat *chat)
{
    uint8_t bytes[BUFFER_SIZE];
    ssize_t got = recv(chat->alice, bytes, sizeof bytes, 0);
    stun_packet packet, app;

    memset(&packet, 0, sizeof packet);
    packet.local = chat->alice_addr;
    packet.remote = chat->server;
    if (chat->options->is_tcp) {
        if (got <= 0)
            (void)stun_stream_close(chat->agent, chat->stream, support_now());
        else
            read_stream(chat, bytes, (size_t)got);
        return;
    }
    if (got < 0) { /* the system passes ICMP errors on: nobody listens there, or no route */
        (void)stun_handle_send_error(chat->agent, &packet, (uint32_t)stun_send_error_from_errno(errno), support_now());
        return;
    }
    packet.data = bytes;
    packet.len = (size_t)got;
    if (stun_handle_input(chat->agent, &packet, support_now(), &app) == STUN_APP_DATA)
        hear(chat, &app);
}

/* --- Bob ---------------------------------------------------------------------------------------------- */

/* Sends each line back to where it came from, as a line of his own. */
static void read_bob(struct chat *chat)
{
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    char text[BUFFER_SIZE];
    unsigned line = 0;
    ssize_t got = recvfrom(chat->bob, text, sizeof text - 1, 0, (struct sockaddr *)&from, &len);

    if (got < 0)
        return;
    text[got] = '\0';
    if (sscanf(text, "line %u", &line) != 1)
        return;
    if (line == chat->heard + 1) {
        printf("alice > bob  %s\n", text);
        chat->heard = line;
    }
    (void)sendto(chat->bob, text, (size_t)got, 0, (struct sockaddr *)&from, len); /* a lost answer is asked for again */
}

/* --- Both --------------------------------------------------------------------------------------------- */

/* Sleeps until something arrives or is due, and reads what has arrived. */
static void wait_and_read(struct chat *chat)
{
    struct pollfd fds[2];
    stun_time deadline = stun_poll_timeout(chat->agent);

    if (chat->again_at < deadline)
        deadline = chat->again_at;
    memset(fds, 0, sizeof fds);
    fds[0].fd = chat->alice;
    fds[1].fd = chat->bob;
    fds[0].events = fds[1].events = POLLIN;
    if (poll(fds, 2, stun_poll_milliseconds(deadline, support_now())) <= 0)
        return;
    if (fds[0].revents != 0)
        read_alice(chat);
    if (fds[1].revents != 0)
        read_bob(chat);
}

static void run(struct chat *chat)
{
    for (;;) {
        drain(chat);
        if (chat->is_over)
            return;
        wait_and_read(chat);
        /* After input as well: under a flood of it, poll() never times out. An early call changes nothing. */
        (void)stun_handle_timeout(chat->agent, support_now());
        if (support_now() >= chat->again_at)
            say_again(chat);
    }
}

/* --- Set-up ------------------------------------------------------------------------------------------- */

static int open_sockets(struct chat *chat)
{
    const int family = chat->server.family == 6 ? AF_INET6 : AF_INET;
    struct sockaddr_storage storage;
    socklen_t len;

    chat->alice = socket(family, chat->options->is_tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
    chat->bob = socket(family, SOCK_DGRAM, 0);
    if (chat->alice < 0 || chat->bob < 0 ||
        stun_addr_to_sockaddr_storage(&chat->server, &storage, &len) != STUN_OK ||
        connect(chat->alice, (struct sockaddr *)&storage, len) != 0 || support_local(chat->alice, &chat->alice_addr) != 0)
        return -1;
    /* Bob is on this machine, at the address from which it reaches the server. */
    chat->bob_addr = chat->alice_addr;
    chat->bob_addr.port = 0;
    return stun_addr_to_sockaddr_storage(&chat->bob_addr, &storage, &len) == STUN_OK &&
                   bind(chat->bob, (struct sockaddr *)&storage, len) == 0 && support_local(chat->bob, &chat->bob_addr) == 0
               ? 0
               : -1;
}

static int open_stream(struct chat *chat)
{
    stun_packet path;
    stun_status status;

    memset(&path, 0, sizeof path);
    path.local = chat->alice_addr;
    path.remote = chat->server;
    path.transport = STUN_TCP;
    status = stun_stream_open(chat->agent, &path, support_now(), &chat->stream);
    return status == STUN_OK ? 0 : fail(chat, "cannot open a stream", status);
}

static int allocate(struct chat *chat)
{
    const struct options *options = chat->options;
    stun_credentials credentials;
    stun_allocation_config config;
    stun_status status;

    if (options->is_tcp && open_stream(chat) != 0)
        return -1;
    memset(&credentials, 0, sizeof credentials);
    memset(&config, 0, sizeof config); /* zero is every field's default */
    config.struct_size = sizeof config;
    config.transport = options->is_tcp ? STUN_TCP : STUN_UDP;
    config.local = chat->alice_addr;
    config.server = chat->server;
    config.redirects = STUN_REDIRECT_REFUSE; /* the socket is connected to this one */
    config.family = chat->server.family == 6 ? STUN_RELAY_IPV6 : STUN_RELAY_IPV4; /* Bob's */
    /* A program that takes its peers' addresses from strangers leaves this out. */
    config.peer_policy = STUN_PEERS_LOOPBACK;
    if (options->user != NULL) {
        credentials.struct_size = sizeof credentials;
        credentials.username = (const uint8_t *)options->user;
        credentials.username_len = strlen(options->user);
        credentials.password = (const uint8_t *)options->password;
        credentials.password_len = strlen(options->password);
        config.credentials = &credentials;
    }
    status = stun_allocation_start(chat->agent, &config, support_now(), &chat->allocation);
    if (status != STUN_OK)
        return fail(chat, "cannot allocate", status);
    status = stun_allocation_bind_channel(chat->agent, chat->allocation, &chat->bob_addr, support_now());
    return status == STUN_OK ? 0 : fail(chat, "cannot bind a channel", status);
}

static int parse_options(int argc, char **argv, struct options *options)
{
    int i;

    memset(options, 0, sizeof *options);
    options->lines = 5;
    for (i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--tcp") == 0)
            options->is_tcp = 1;
        else if (strcmp(argv[i], "--lines") == 0 && i + 1 < argc)
            options->lines = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--user") == 0 && i + 1 < argc)
            options->user = argv[++i];
        else if (strcmp(argv[i], "--password") == 0 && i + 1 < argc)
            options->password = argv[++i];
        else if (argv[i][0] == '-' || options->server != NULL)
            return -1;
        else
            options->server = argv[i];
    }
    return options->server != NULL && (options->user == NULL) == (options->password == NULL) ? 0 : -1;
}

int main(int argc, char **argv)
{
    static struct options options;
    static struct chat chat;
    stun_addr servers[2];
    int is_done;

    if (parse_options(argc, argv, &options) != 0) {
        fprintf(stderr, "usage: relay_chat [--tcp] [--lines N] [--user NAME --password SECRET] server[:port]\n");
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN); /* a closed connection is an errno like any other */
    (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    if (support_print_library() != 0 || support_resolve(options.server, SOCK_DGRAM, servers) == 0)
        return 1;
    chat.options = &options;
    chat.server = servers[0];
    chat.again_at = STUN_NEVER;
    if (open_sockets(&chat) != 0) {
        perror("cannot reach the server");
        return 1;
    }
    if (stun_agent_new(NULL, support_now(), &chat.agent) != STUN_OK)
        return 1;
    if (allocate(&chat) == 0)
        run(&chat);

    is_done = chat.is_closed && chat.heard == options.lines && chat.answered == options.lines;
    printf("%u of %u lines there, %u back; the allocation is %s\n", chat.heard, options.lines, chat.answered,
           chat.is_closed ? "closed" : "left");
    close(chat.alice);
    close(chat.bob);
    stun_agent_free(chat.agent);
    return is_done ? 0 : 1;
}
