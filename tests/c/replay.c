/* Replays traces through the C ABI, and compares every answer. The format: tests/vectors/traces/README.md.
 *
 *     replay tests/vectors/traces/binding.trace ...
 */

#include "check.h"
#include "stun.h"

#include <stdarg.h>
#include <stdlib.h>

#define LINE_SIZE 4096
#define BYTES_SIZE (LINE_SIZE / 2)
#define ADDRESS_SIZE 64

typedef struct replay {
    const char *name;
    FILE *file;
    int number;                /* of the line that was read last */
    char line[LINE_SIZE];
    char *rest;                /* of the words of the current call */
    stun_agent *agent;
    int is_broken;             /* a difference was found: the rest means nothing */
} replay;

/* The lines. */

static void differ(replay *trace, const char *what, const char *got)
{
    check_note(0, trace->name, trace->number, what);
    fprintf(stderr, "    in the trace: %s\n    now:          %s\n", trace->line, got);
    trace->is_broken = 1;
}

/* The next line that is no comment, without its end; 0 at the end of the file. */
static int next_line(replay *trace)
{
    do {
        if (fgets(trace->line, (int)sizeof trace->line, trace->file) == NULL) {
            trace->line[0] = '\0';
            return 0;
        }
        trace->number++;
        trace->line[strcspn(trace->line, "\r\n")] = '\0';
    } while (trace->line[0] == '#');
    return 1;
}

/* Says what happened, and compares it with the next line. */
static void answer(replay *trace, const char *format, ...)
{
    char got[LINE_SIZE];
    va_list arguments;
    if (trace->is_broken) return;
    va_start(arguments, format);
    vsnprintf(got, sizeof got, format, arguments);
    va_end(arguments);
    next_line(trace);
    if (strcmp(trace->line, got) == 0) {
        checks_passed++;
    } else {
        differ(trace, "another answer", got);
    }
}

/* The words of a call. */

static const char *word(replay *trace)
{
    char *start = trace->rest;
    size_t length = strcspn(start, " ");
    trace->rest = start + length;
    if (*trace->rest == ' ') *trace->rest++ = '\0';
    return start;
}

static uint64_t number(replay *trace)
{
    const char *text = word(trace);
    return strcmp(text, "never") == 0 ? STUN_NEVER : (uint64_t)strtoull(text, NULL, 10);
}

static uint32_t number32(replay *trace)
{
    return (uint32_t)number(trace);
}

static size_t bytes(replay *trace, uint8_t *out)
{
    const char *text = word(trace);
    size_t length = 0;
    if (strcmp(text, "-") == 0) return 0;
    for (; text[0] != '\0' && text[1] != '\0' && length < BYTES_SIZE; text += 2) {
        char pair[3];
        pair[0] = text[0];
        pair[1] = text[1];
        pair[2] = '\0';
        out[length++] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return length;
}

static stun_addr address(replay *trace)
{
    const char *text = word(trace);
    const int is_v6 = text[0] == '[';
    const int parts = is_v6 ? 8 : 4;
    stun_addr result;
    char *end = (char *)0;
    int part;
    memset(&result, 0, sizeof result);
    if (strcmp(text, "any") == 0) return result;
    result.family = is_v6 ? 6 : 4;
    if (is_v6) text++;
    for (part = 0; part < parts; part++, text = end + 1) {
        const unsigned long value = strtoul(text, &end, is_v6 ? 16 : 10);
        if (is_v6) result.ip[2 * part] = (uint8_t)(value >> 8);
        result.ip[is_v6 ? 2 * part + 1 : part] = (uint8_t)(value & 0xFF);
    }
    /* Behind the last part stands ":", or "]:". */
    if (is_v6) text++;
    result.port = (uint16_t)strtoul(text, NULL, 10);
    return result;
}

static uint8_t transport(replay *trace)
{
    const char *text = word(trace);
    if (strcmp(text, "tcp") == 0) return STUN_TCP;
    return strcmp(text, "tls") == 0 ? STUN_TLS : STUN_UDP;
}

/* What the library says, as words. */

static const char *show_address(const stun_addr *shown, char *out)
{
    const uint8_t *ip = shown->ip;
    if (shown->family == 4) {
        snprintf(out, ADDRESS_SIZE, "%d.%d.%d.%d:%d", ip[0], ip[1], ip[2], ip[3], shown->port);
    } else if (shown->family == 6) {
        snprintf(out, ADDRESS_SIZE, "[%x:%x:%x:%x:%x:%x:%x:%x]:%d", ip[0] << 8 | ip[1], ip[2] << 8 | ip[3],
                 ip[4] << 8 | ip[5], ip[6] << 8 | ip[7], ip[8] << 8 | ip[9], ip[10] << 8 | ip[11],
                 ip[12] << 8 | ip[13], ip[14] << 8 | ip[15], shown->port);
    } else {
        snprintf(out, ADDRESS_SIZE, "any");
    }
    return out;
}

static const char *show_time(stun_time shown, char *out)
{
    if (shown == STUN_NEVER) return "never";
    snprintf(out, ADDRESS_SIZE, "%" PRIu64, shown);
    return out;
}

static const char *show_bytes(const uint8_t *shown, size_t length, char *out)
{
    size_t at;
    if (length == 0) return "-";
    for (at = 0; at < length && at < BYTES_SIZE; at++) snprintf(out + 2 * at, 3, "%02x", shown[at]);
    return out;
}

static const char *transport_name(uint8_t code)
{
    return code == STUN_UDP ? "udp" : code == STUN_TCP ? "tcp" : "tls";
}

static const char *wake_name(uint32_t code)
{
    static const char *const names[] = { "none", "output", "retransmission", "transaction-timeout", "refresh",
                                         "retry", "pacing", "attempt", "measurement", "deadline" };
    return code < sizeof names / sizeof names[0] ? names[code] : "?";
}

static const char *mapping_name(uint32_t code)
{
    static const char *const names[] = { "unknown", "same", "address", "port" };
    return code < sizeof names / sizeof names[0] ? names[code] : "?";
}

static const char *reason_name(uint32_t code)
{
    static const char *const names[] = { "-", "timeout", "integrity", "error-response", "malformed-error",
                                         "unknown-attribute", "no-mapped-address", "send", "not-understood",
                                         "authentication" };
    /* The rest has no word yet. */
    return code < sizeof names / sizeof names[0] ? names[code] : "?";
}

/* Draining. */

static void show_event(replay *trace, const stun_event *event)
{
    char first[ADDRESS_SIZE], second[ADDRESS_SIZE], time[ADDRESS_SIZE];
    const char *reason = reason_name(event->reason);
    switch (event->kind) {
    case STUN_EV_MAPPED:
    case STUN_EV_REFRESHED:
        answer(trace, "< event %" PRIu64 " %s %s - %s - - - -", event->id,
               event->kind == STUN_EV_MAPPED ? "mapped" : "refreshed", show_address(&event->addr, first),
               show_time(event->rtt, time));
        break;
    case STUN_EV_ADDRESS_CHANGED:
        answer(trace, "< event %" PRIu64 " changed %s %s %s - - - -", event->id,
               show_address(&event->addr, first), show_address(&event->previous, second),
               show_time(event->rtt, time));
        break;
    case STUN_EV_RETRYING:
        answer(trace, "< event %" PRIu64 " retrying - - - %s %s %" PRIu32 " %" PRIu32, event->id,
               show_time(event->at, time), reason, event->code, event->count);
        break;
    case STUN_EV_FAILED:
        answer(trace, "< event %" PRIu64 " failed - - - - %s %" PRIu32 " %" PRIu32, event->id, reason,
               event->code, event->count);
        break;
    case STUN_EV_ANSWER:
        answer(trace, "< event %" PRIu64 " answer %s %s %s %" PRIu32 " - - -", event->id,
               show_address(&event->addr, first), show_address(&event->server, second), show_time(event->rtt, time),
               event->index);
        break;
    case STUN_EV_NO_ANSWER:
        answer(trace, "< event %" PRIu64 " no-answer - %s - %" PRIu32 " %s %" PRIu32 " %" PRIu32, event->id,
               show_address(&event->server, first), event->index, reason, event->code, event->count);
        break;
    case STUN_EV_SURVEYED:
        answer(trace, "< event %" PRIu64 " surveyed - - - %" PRIu32 " %s %" PRIu32 " %" PRIu32, event->id, event->index,
               mapping_name(event->detail), event->code, event->count);
        break;
    default:
        differ(trace, "an unknown kind of event", stun_event_name(event->kind));
    }
}

static void drain(replay *trace)
{
    char local[ADDRESS_SIZE], remote[ADDRESS_SIZE], data[LINE_SIZE + 1];
    stun_packet packet;
    stun_event event;
    while (stun_poll_transmit(trace->agent, &packet) == STUN_OK) {
        answer(trace, "< transmit %s %s %s %" PRIu32 " %s", transport_name(packet.transport),
               show_address(&packet.local, local), show_address(&packet.remote, remote), packet.socket_id,
               show_bytes(packet.data, packet.len, data));
    }
    memset(&event, 0, sizeof event);
    event.struct_size = (uint32_t)sizeof event;
    while (stun_poll_event(trace->agent, &event) == STUN_OK) show_event(trace, &event);
    answer(trace, "< until %s %s", show_time(stun_poll_timeout(trace->agent), local),
           wake_name(stun_wake_reason(trace->agent)));
}

/* The calls. */

static void call_agent(replay *trace)
{
    uint8_t seed[BYTES_SIZE];
    const stun_time now = number(trace);
    stun_config config;
    memset(&config, 0, sizeof config);
    config.struct_size = (uint32_t)sizeof config;
    CHECK_EQ(bytes(trace, seed), 32);
    config.seed = seed;
    stun_agent_free(trace->agent);
    trace->agent = NULL;
    CHECK_EQ(stun_agent_new(&config, now, &trace->agent), STUN_OK);
}

static void say_started(replay *trace, stun_status status, uint64_t id)
{
    if (status == STUN_OK) {
        answer(trace, "< ok %" PRIu64, id);
    } else {
        answer(trace, "< refused");
    }
}

static void call_binding(replay *trace)
{
    uint8_t username[BYTES_SIZE], password[BYTES_SIZE];
    const stun_time now = number(trace);
    stun_binding_config config;
    stun_status status;
    uint64_t id = 0;
    memset(&config, 0, sizeof config);
    config.struct_size = (uint32_t)sizeof config;
    config.transport = transport(trace);
    config.local = address(trace);
    config.server = address(trace);
    config.socket_id = number32(trace);
    config.refresh = number(trace);
    config.flags = number32(trace);
    config.initial_rto = number(trace);
    config.rc = number32(trace);
    config.rm = number32(trace);
    config.ti = number(trace);
    config.backoff_first = number(trace);
    config.backoff_max = number(trace);
    config.username_len = bytes(trace, username);
    config.username = username;
    config.password_len = bytes(trace, password);
    config.password = password;
    config.integrity = number32(trace);
    if (config.integrity == 3) {
        config.integrity = STUN_INTEGRITY_BOTH;
        config.credential_kind = STUN_LONG_TERM;
    }
    status = stun_binding_start(trace->agent, &config, now, &id);
    say_started(trace, status, id);
}

static void call_server(replay *trace)
{
    uint8_t username[BYTES_SIZE], password[BYTES_SIZE];
    const stun_time now = number(trace);
    stun_server_config config;
    stun_status status;
    uint64_t id = 0;
    memset(&config, 0, sizeof config);
    config.struct_size = (uint32_t)sizeof config;
    config.local = address(trace);
    config.username_len = bytes(trace, username);
    config.username = username;
    config.password_len = bytes(trace, password);
    config.password = password;
    config.integrity = number32(trace);
    status = stun_server_start(trace->agent, &config, now, &id);
    say_started(trace, status, id);
}

static void call_survey(replay *trace)
{
    stun_target targets[8];
    const stun_time now = number(trace);
    stun_survey_config config;
    stun_status status;
    uint64_t id = 0;
    size_t at;
    memset(&config, 0, sizeof config);
    memset(targets, 0, sizeof targets);
    config.struct_size = (uint32_t)sizeof config;
    config.enough = number32(trace);
    config.deadline = number(trace);
    config.attempt_delay = number(trace);
    config.targets = targets;
    config.target_count = (size_t)number(trace);
    for (at = 0; at < config.target_count && at < sizeof targets / sizeof *targets; at++) {
        targets[at].transport = transport(trace);
        targets[at].local = address(trace);
        targets[at].server = address(trace);
        targets[at].socket_id = number32(trace);
    }
    status = stun_survey_start(trace->agent, &config, now, &id);
    say_started(trace, status, id);
}

static void call_cancel(replay *trace)
{
    const stun_time now = number(trace);
    const uint64_t id = number(trace);
    answer(trace, stun_cancel(trace->agent, id, now) == STUN_OK ? "< ok" : "< refused");
}

static stun_packet read_path(replay *trace)
{
    stun_packet packet;
    memset(&packet, 0, sizeof packet);
    packet.transport = transport(trace);
    packet.local = address(trace);
    packet.remote = address(trace);
    return packet;
}

/* How many messages were dropped for each reason. */
static void count_drops(const replay *trace, uint32_t *counts)
{
    uint32_t reason;
    for (reason = STUN_DROP_UNKNOWN_TRANSACTION; reason <= STUN_DROP_UNEXPECTED; reason++) {
        CHECK_EQ(stun_dropped(trace->agent, reason, &counts[reason]), STUN_OK);
    }
}

static void call_input(replay *trace)
{
    uint8_t data[BYTES_SIZE];
    uint32_t before[STUN_DROP_UNEXPECTED + 1], after[STUN_DROP_UNEXPECTED + 1];
    uint32_t reason, dropped = 0;
    const stun_time now = number(trace);
    stun_packet packet = read_path(trace);
    stun_status status;
    packet.socket_id = number32(trace);
    packet.len = bytes(trace, data);
    packet.data = data;
    count_drops(trace, before);
    status = stun_handle_input(trace->agent, &packet, now, NULL);
    count_drops(trace, after);
    for (reason = STUN_DROP_UNKNOWN_TRANSACTION; reason <= STUN_DROP_UNEXPECTED; reason++) {
        if (after[reason] != before[reason]) dropped = reason;
    }
    if (status == STUN_OK) {
        answer(trace, "< consumed %" PRIu32, dropped);
    } else {
        answer(trace, status == STUN_IGNORED ? "< ignored" : "< refused");
    }
}

static void call_timeout(replay *trace)
{
    CHECK_EQ(stun_handle_timeout(trace->agent, number(trace)), STUN_OK);
    answer(trace, "< ok");
}

static void call_error(replay *trace)
{
    uint8_t data[BYTES_SIZE];
    const stun_time now = number(trace);
    const uint32_t kind = number32(trace);
    stun_packet packet = read_path(trace);
    packet.len = bytes(trace, data);
    packet.data = data;
    CHECK_EQ(stun_handle_send_error(trace->agent, &packet, kind, now), STUN_OK);
    answer(trace, "< ok");
}

static void call(replay *trace)
{
    const char *name;
    trace->rest = trace->line + 2;
    name = word(trace);
    if (strcmp(name, "agent") == 0) {
        call_agent(trace); /* the only one without answers */
        return;
    }
    if (strcmp(name, "binding") == 0) call_binding(trace);
    else if (strcmp(name, "server") == 0) call_server(trace);
    else if (strcmp(name, "survey") == 0) call_survey(trace);
    else if (strcmp(name, "cancel") == 0) call_cancel(trace);
    else if (strcmp(name, "input") == 0) call_input(trace);
    else if (strcmp(name, "timeout") == 0) call_timeout(trace);
    else if (strcmp(name, "error") == 0) call_error(trace);
    else differ(trace, "no call", name);
    if (!trace->is_broken) drain(trace);
}

static void run(const char *name)
{
    replay trace;
    memset(&trace, 0, sizeof trace);
    trace.name = name;
    trace.file = fopen(name, "r");
    CHECK(trace.file != NULL);
    if (trace.file == NULL) return;
    next_line(&trace);
    if (strcmp(trace.line, "libstun-trace 1") != 0) differ(&trace, "another format", "libstun-trace 1");
    while (!trace.is_broken && next_line(&trace)) {
        if (strncmp(trace.line, "> ", 2) == 0) call(&trace);
        else differ(&trace, "nothing more happened", "");
    }
    stun_agent_free(trace.agent);
    fclose(trace.file);
}

int main(int argc, char **argv)
{
    int at;
    CHECK(argc > 1);
    for (at = 1; at < argc; at++) run(argv[at]);
    return check_report();
}
