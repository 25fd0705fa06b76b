#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, clippy::arithmetic_side_effects)] // tests may

use core::net::SocketAddr;

use super::*;
use crate::config::{BindingOptions, Schedule, ServerOptions, Waits};
use crate::defaults::defaults;

const SECOND: u64 = 1_000_000_000;
const HEADER: usize = 24;
const PACKET: usize = 60;

/// What a buffer says, read by the layout that `output` gives.
struct Read {
    deadline: u64,
    outcome: u8,
    packets: Vec<Vec<u8>>,
    events: Vec<Vec<u8>>,
}

impl Read {
    fn of(buffer: &[u8]) -> Self {
        let wide = |at: usize| u64::from_le_bytes(buffer[at..at + 8].try_into().unwrap());
        let number = |at: usize| u32::from_le_bytes(buffer[at..at + 4].try_into().unwrap()) as usize;
        let (outcome, mut at) = (buffer[8], HEADER);
        let (mut packets, mut events) = (Vec::new(), Vec::new());
        assert_eq!(outcome == 2, number(20) > 0);
        for _ in 0..number(20) + number(12) {
            let length = number(at + 56);
            packets.push(buffer[at..at + PACKET + length].to_vec());
            at += PACKET + length;
        }
        for _ in 0..number(16) {
            let length = number(at);
            events.push(buffer[at + 4..at + 4 + length].to_vec());
            at += 4 + length;
        }
        assert_eq!(at, buffer.len(), "nothing is left over");
        Self { deadline: wide(0), outcome, packets, events }
    }
}

fn endpoint(text: &str) -> Endpoint {
    text.parse::<SocketAddr>().unwrap().into()
}

fn agent(seed: u8) -> Arc<RawAgent> {
    RawAgent::new(0, vec![seed; 32], 0).unwrap()
}

fn give(agent: &RawAgent, payload: &[u8], local: &str, remote: &str, now: u64) -> Read {
    let (local, remote) = (endpoint(local), endpoint(remote));
    let buffer = agent.exchange(
        payload,
        local.tag,
        local.low,
        local.high,
        remote.tag,
        remote.low,
        remote.high,
        7 << 32,
        now,
    );
    Read::of(&buffer.unwrap())
}

fn binding(server: &str) -> BindingOptions {
    let defaults = defaults();
    BindingOptions {
        server: endpoint(server),
        local: Endpoint::NONE,
        transport: 0,
        socket_id: 7,
        refresh: defaults.refresh,
        credentials: None,
        fingerprint: true,
        accepts_mapped_address: false,
        redirects: 0,
        retransmission: defaults.retransmission,
        backoff: defaults.backoff,
    }
}

fn server() -> ServerOptions {
    let defaults = defaults();
    ServerOptions {
        local: Endpoint::NONE,
        credentials: None,
        realm: String::new(),
        users: Vec::new(),
        nonce_lifetime: NEVER,
        password_algorithms: true,
        username_anonymity: true,
        answers_rfc3489: false,
        budget: true,
        amplification_percent: defaults.amplification_percent,
        error_bytes_per_second: defaults.error_bytes_per_second,
        error_burst: defaults.error_burst,
        behavior_single: false,
        alternate: Endpoint::NONE,
        public_hosts: Vec::new(),
        socket_ids: Vec::new(),
    }
}

fn code(refused: Refusal) -> i32 {
    let Refusal::Refused { code, .. } = refused;
    code
}

#[test]
fn a_whole_binding_is_four_crossings() {
    let (client, served) = (agent(1), agent(2));
    let id = client.start_binding(binding("192.0.2.1:3478"), 0).unwrap();
    served.start_server(server(), 0).unwrap();
    let asked = Read::of(&client.drain().unwrap());
    assert_eq!((asked.packets.len(), asked.events.len(), asked.deadline), (1, 0, SECOND / 2));
    let request = &asked.packets[0];
    assert_eq!(request[..24], [0; 24], "no local address was given");
    assert_eq!(request[24..36], [4, 0, 0x96, 0x0d, 0, 0, 0, 0, 192, 0, 2, 1]);
    assert_eq!(request[48..56], [0, 0, 0, 0, 7, 0, 0, 0]);

    let reply = give(&served, &request[PACKET..], "192.0.2.1:3478", "203.0.113.7:5000", 0);
    assert_eq!((reply.outcome, reply.packets.len()), (1, 1));
    let told = give(&client, &reply.packets[0][PACKET..], "0.0.0.0:0", "192.0.2.1:3478", SECOND / 100);
    let event = &told.events[0];
    assert_eq!((told.outcome, told.deadline, event[..4].to_vec()), (1, 25 * SECOND, vec![1, 0, 0, 0]));
    assert_eq!(event[4..12], id.to_le_bytes());
    assert_eq!(event[36..44], (SECOND / 100).to_le_bytes(), "the round trip");
    assert_eq!(event[60..72], [4, 0, 0x88, 0x13, 0, 0, 0, 0, 203, 0, 113, 7]);
    assert!(client.contains(id).unwrap() && client.operation_count() == Ok(1));
}

#[test]
fn what_is_not_stun_is_ignored_and_costs_a_header() {
    let ignored = give(&agent(1), b"hello", "0.0.0.0:0", "192.0.2.1:1", 0);
    assert_eq!((ignored.outcome, ignored.deadline), (0, NEVER));
    assert!(ignored.packets.is_empty() && ignored.events.is_empty());
}

#[test]
fn an_early_tick_changes_nothing() {
    let client = agent(1);
    client.start_binding(binding("192.0.2.1:3478"), 0).unwrap();
    let first = Read::of(&client.drain().unwrap());
    let early = Read::of(&client.tick(first.deadline - 1).unwrap());
    assert_eq!((early.packets.len(), early.events.len(), early.deadline), (0, 0, first.deadline));
    assert_eq!(Read::of(&client.tick(first.deadline).unwrap()).packets.len(), 1);
}

#[test]
fn what_is_too_much_for_one_buffer_comes_with_the_next() {
    let client = agent(1);
    let mut expected = 0;
    for port in 1_000..5_000 {
        client.start_binding(binding(&format!("192.0.2.1:{port}")), 0).unwrap();
        expected += 1;
    }
    let (mut seen, mut buffers) = (0, 0);
    while seen < expected {
        let buffer = client.drain().unwrap();
        let read = Read::of(&buffer);
        assert!(buffer.len() < (1 << 18) + 1024 && !read.packets.is_empty());
        assert_eq!(read.deadline == 0, seen + read.packets.len() < expected, "now, until all is out");
        seen += read.packets.len();
        buffers += 1;
    }
    assert!((seen, buffers > 1) == (expected, true));
}

#[test]
fn misuse_has_a_code_and_changes_nothing() {
    assert_eq!(code(RawAgent::new(0, vec![0; 31], 0).err().unwrap()), -2);
    assert_eq!(code(RawAgent::new(NEVER, Vec::new(), 0).err().unwrap()), -2);
    let limited = RawAgent::new(0, vec![1; 32], 1).unwrap();
    limited.start_binding(binding("192.0.2.1:3478"), 0).unwrap();
    assert_eq!(code(limited.start_binding(binding("192.0.2.2:3478"), 0).unwrap_err()), -6);
    assert_eq!(code(agent(1).start_binding(binding("192.0.2.2:0"), 0).unwrap_err()), -2);
    assert_eq!(code(limited.cancel(99, 0).unwrap_err()), -5);
    assert_eq!(code(limited.dropped(99).unwrap_err()), -2);
    assert_eq!(code(limited.permit(0, endpoint("192.0.2.1:0"), 0).unwrap_err()), -5);
    let hasty = BindingOptions { refresh: 1, ..binding("192.0.2.1:3478") };
    assert_eq!(code(agent(1).start_binding(hasty, 0).unwrap_err()), -2);
    assert_eq!(limited.operation_count(), Ok(1));
}

#[test]
fn a_bug_is_contained_and_the_agent_says_so_ever_after() {
    let broken = agent(1);
    assert_eq!(code(broken.with(|_| panic!("on purpose")).unwrap_err()), -100);
    assert_eq!(code(broken.tick(0).unwrap_err()), -101);
    assert_eq!(code(broken.cancel(0, 0).unwrap_err()), -101);
    let server = endpoint("192.0.2.1:3478");
    assert_eq!(code(broken.send_failed(b"hello", Endpoint::NONE, server, 0, 1, 0).unwrap_err()), -101);
}

#[test]
fn a_datagram_that_was_not_sent_fails_its_request() {
    let client = agent(1);
    client.start_binding(BindingOptions { refresh: NEVER, ..binding("192.0.2.1:3478") }, 0).unwrap();
    let request = Read::of(&client.drain().unwrap()).packets.remove(0);
    let (any, server) = (Endpoint::NONE, endpoint("192.0.2.1:3478"));
    assert_eq!(client.send_failed(b"hello", any, server, 0, 1, 0), Ok(false));
    assert_eq!(code(client.send_failed(b"", any, server, 0, 99, 0).unwrap_err()), -2);
    assert_eq!(client.send_failed(&request[PACKET..], any, server, 0, 1, 0), Ok(true));
    let told = Read::of(&client.drain().unwrap());
    assert_eq!((told.events.len(), &told.events[0][..3]), (1, &[2, 0, 1][..]), "failed, and its last event");
    assert_eq!(told.events[0][12..20], [7, 0, 0, 0, 1, 0, 0, 0], "it could not be sent: no route");
}

#[test]
fn the_bytes_of_a_connection_are_framed_here() {
    let (client, served) = (agent(1), agent(2));
    served.start_server(server(), 0).unwrap();
    let (local, remote) = (endpoint("203.0.113.7:5000"), endpoint("192.0.2.1:3478"));
    assert_eq!(code(client.open_stream(local, remote, 0, 0).unwrap_err()), -2, "UDP has no connections");
    let connection = client.open_stream(local, remote, 1, 0).unwrap();
    client.start_binding(BindingOptions { transport: 1, local, ..binding("192.0.2.1:3478") }, 0).unwrap();
    let request = Read::of(&client.drain().unwrap()).packets.remove(0);
    assert_eq!(request[48], 1, "it goes over TCP");
    let buffer = served.exchange(
        &request[PACKET..],
        remote.tag,
        remote.low,
        remote.high,
        local.tag,
        local.low,
        local.high,
        1,
        0,
    );
    let reply = Read::of(&buffer.unwrap()).packets.remove(0);
    let (first, second) = reply[PACKET..].split_at(7);
    assert!(Read::of(&client.exchange_stream(connection, first, 1).unwrap()).events.is_empty());
    assert_eq!(Read::of(&client.exchange_stream(connection, second, 1).unwrap()).events.len(), 1);
    client.close_stream(connection, 2).unwrap();
    assert_eq!(code(client.exchange_stream(connection, b"", 2).unwrap_err()), -5);
    assert_eq!(code(client.close_stream(connection, 2).unwrap_err()), -5);
}

/// As far as numbers go: nothing overflows, and what the core refuses is misuse.
#[test]
fn no_number_is_so_large_that_it_is_a_bug() {
    let last = NEVER - 1;
    let schedule = || Schedule { initial_rto: NEVER, rc: u32::MAX, rm: u32::MAX, ti: NEVER };
    for now in [0, last] {
        let client = RawAgent::new(now, vec![1; 32], u64::MAX).unwrap();
        let long = BindingOptions {
            refresh: last,
            retransmission: schedule(),
            backoff: Waits { first: NEVER, max: NEVER },
            socket_id: u32::MAX,
            ..binding("192.0.2.1:3478")
        };
        let tcp = BindingOptions { transport: 1, ..long.clone() };
        let id = client.start_binding(long, now).unwrap();
        client.start_binding(tcp, now).unwrap();
        client.set_power(NEVER, NEVER, now).unwrap();
        client.set_power(last, last, now).unwrap();
        client.set_pacing(NEVER).unwrap();
        client.set_refresh(id, last, now).unwrap();
        assert_eq!(Read::of(&client.drain().unwrap()).packets.len(), 2);
        for then in [now, last - 1, last] {
            Read::of(&client.tick(then).unwrap());
            client.network_changed(vec![endpoint("203.0.113.7:0")], then).unwrap();
            Read::of(&client.drain().unwrap());
        }
        assert_eq!(code(client.cancel(NEVER, now).unwrap_err()), -5);
        assert_eq!(client.contains(NEVER), Ok(false));
    }
}

#[test]
fn what_is_refused_leaves_the_agent_as_it_was() {
    let client = agent(1);
    let id = client.start_binding(binding("192.0.2.1:3478"), 0).unwrap();
    let before = client.drain().unwrap();
    let (any, server) = (Endpoint::NONE, endpoint("192.0.2.1:3478"));
    let family = Endpoint { tag: 5, ..any };
    let later = 9 * SECOND;
    let refused = [
        client.exchange(b"", family.tag, 0, 0, server.tag, server.low, 0, 0, later).err(),
        client.exchange(b"", 0, 0, 0, server.tag, server.low, 0, 3, later).err(),
        client.exchange(b"", 0, 0, 0, 0, 0, 0, 0, later).err(),
        client.exchange(b"", 0, 0, 0, server.tag, server.low, 0, 0, NEVER).err(),
        client.tick(NEVER).err(),
        client.network_changed(vec![server, any], later).err(),
        client.set_power(0, NEVER, NEVER).err(),
        client.send_failed(b"", any, server, 9, 1, later).err(),
        client.open_stream(any, server, 0, later).err(),
        client.reconnected(id, family, server, 1, later).err(),
        client.start_binding(BindingOptions { redirects: 9, ..binding("192.0.2.2:1") }, later).err(),
    ];
    assert!(refused.iter().all(|refusal| refusal.clone().map(code) == Some(-2)), "{refused:?}");
    let first = Read::of(&before);
    let early = Read::of(&client.tick(first.deadline - 1).unwrap());
    assert_eq!((early.packets.len(), early.events.len(), early.deadline), (0, 0, first.deadline));
}
