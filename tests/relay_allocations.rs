//! What a relay costs: nothing on the heap for a packet or a day, no copy beyond the caller's own, and so many bytes
//! while it is idle. `cargo test --test relay_allocations -- --nocapture` prints the figures.

#![allow(missing_docs)]
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::net::SocketAddr;

use libstun::turn::{Allocation, CHANNEL_HEADROOM, MAX_HEADROOM};
use libstun::{Agent, Datagram, Entropy, FiveTuple, Instant, Machine, Outcome};
use support::heap::{self, Counting};
use support::relay::{PEER, data_indication, grant_all, relay_config, relay_path};

#[global_allocator]
static HEAP: Counting = Counting;

const ROUNDS: u32 = 1000;
const PAYLOAD: usize = 1200;

/// The tests share one count, so that they are one test.
#[test]
fn a_relay_costs_no_allocation_and_no_copy() {
    let peer: SocketAddr = PEER.parse().unwrap();
    let mut relay = Allocation::new(relay_config(0), Entropy::from_seed([7; 32]), Instant::ZERO).unwrap();
    relay.permit(peer.ip(), Instant::ZERO).unwrap();
    grant_all(&mut relay, Instant::ZERO);
    packets("permission", &mut relay);
    relay.bind_channel(peer, Instant::ZERO).unwrap();
    grant_all(&mut relay, Instant::ZERO);
    packets("channel", &mut relay);
    days("an idle allocation with a channel, an hour", &mut relay);
    agent();
    stream();
    idle();
}

fn none(name: &str, mut round: impl FnMut(u32)) {
    (0..ROUNDS).for_each(&mut round);
    let before = heap::allocations();
    (ROUNDS..2 * ROUNDS).for_each(&mut round);
    let count = heap::allocations() - before;
    println!("{name}: {count} allocations in {ROUNDS} rounds");
    assert_eq!(count, 0, "{name}");
}

fn packets(how: &str, relay: &mut Allocation) {
    let peer: SocketAddr = PEER.parse().unwrap();
    let payload = [7; PAYLOAD];
    let mut buffer = [0; 1500];
    none(&format!("{how}: send 1200 bytes, one copy"), |_| {
        relay.send(peer, &payload, &mut buffer, Instant::ZERO).unwrap();
    });
    let room = if how == "channel" { CHANNEL_HEADROOM } else { MAX_HEADROOM };
    buffer[room..room + PAYLOAD].copy_from_slice(&payload);
    none(&format!("{how}: send them in place, no copy"), |_| {
        let place = buffer.as_ptr_range();
        let sent = relay.send_in_place(peer, &mut buffer, room..room + PAYLOAD, Instant::ZERO).unwrap();
        assert!(place.contains(&sent.payload.as_ptr()));
    });
    assert_eq!(buffer[room..room + PAYLOAD], payload, "where they were");
    let inbound = match how {
        "channel" => [&[0x40, 0, 4, 0xB0], &payload[..]].concat(),
        _ => data_indication(&payload, &mut buffer).to_vec(),
    };
    none(&format!("{how}: receive them, no copy"), |_| {
        let datagram = Datagram::new(relay_path(0), &inbound);
        let Outcome::Unwrapped(data) = relay.handle_input(&datagram, Instant::ZERO) else { panic!() };
        assert!(inbound.as_ptr_range().contains(&data.payload.as_ptr()));
        assert_eq!(data.payload.len(), PAYLOAD);
    });
}

/// Everything that is renewed in an hour, again and again.
fn days<M: Machine>(name: &str, machine: &mut M) {
    none(name, |round| {
        let end = Instant::from_millis(3_600_000 * u64::from(round + 1));
        while let Some(at) = machine.poll_timeout().filter(|at| *at <= end) {
            machine.handle_timeout(at);
            grant_all(machine, at);
        }
    });
}

fn agent() {
    let peer: SocketAddr = PEER.parse().unwrap();
    let mut agent = Agent::new(Entropy::from_seed([7; 32]), Instant::ZERO);
    let ids: Vec<_> =
        (0..100).map(|number| agent.start_allocation(relay_config(number), Instant::ZERO).unwrap()).collect();
    ids.iter().for_each(|id| agent.bind_channel(*id, peer, Instant::ZERO).unwrap());
    grant_all(&mut agent, Instant::ZERO);
    let (payload, mut buffer) = ([7; PAYLOAD], [0; 1500]);
    none("an agent of 100: send", |round| {
        let id = ids[round as usize % ids.len()];
        agent.send_to_peer(id, peer, &payload, &mut buffer, Instant::ZERO).unwrap();
    });
    let inbound = [&[0x40, 0, 4, 0xB0], &payload[..]].concat();
    none("an agent of 100: receive", |round| {
        let datagram = Datagram::new(relay_path(round as u16 % 100), &inbound);
        let Outcome::Unwrapped(data) = agent.handle_input(&datagram, Instant::ZERO) else { panic!() };
        assert!(inbound.as_ptr_range().contains(&data.payload.as_ptr()));
    });
}

/// Over TCP the agent cuts the stream: the data is lent from its buffer, where the stream was copied once.
fn stream() {
    let peer: SocketAddr = PEER.parse().unwrap();
    let mut agent = Agent::new(Entropy::from_seed([7; 32]), Instant::ZERO);
    let mut config = relay_config(0);
    config.path = FiveTuple::tcp(config.path.local, config.path.remote);
    let path = config.path;
    let id = agent.start_allocation(config, Instant::ZERO).unwrap();
    agent.bind_channel(id, peer, Instant::ZERO).unwrap();
    grant_all(&mut agent, Instant::ZERO);
    let connection = agent.open_stream(path, 0, Instant::ZERO).unwrap();
    let inbound = [&[0x40, 0, 4, 0xB0], &[7; PAYLOAD][..]].concat().repeat(3);
    none("a stream: receive three packets in one read", |_| {
        let (mut rest, mut count) = (&inbound[..], 0);
        loop {
            let (taken, data) = agent.unwrap_stream(connection, rest, Instant::ZERO).unwrap();
            let Some(data) = data else { break };
            assert_eq!(data.payload.len(), PAYLOAD);
            (rest, count) = (&rest[taken..], count + 1);
        }
        assert_eq!(count, 3);
    });
}

/// The bytes of an idle allocation with one channel, which brings its permission.
fn idle() {
    const COUNT: u16 = 1000;
    let peer: SocketAddr = PEER.parse().unwrap();
    let before = heap::live_bytes();
    let relays: Vec<Allocation> = (0..COUNT)
        .map(|number| {
            let entropy = Entropy::from_seed([7; 32]);
            let mut relay = Allocation::new(relay_config(number), entropy, Instant::ZERO).unwrap();
            relay.bind_channel(peer, Instant::ZERO).unwrap();
            grant_all(&mut relay, Instant::ZERO);
            relay
        })
        .collect();
    let each = (heap::live_bytes() - before) / i64::from(COUNT);
    println!(
        "{each} bytes for an idle allocation with a channel, {} of them the struct",
        size_of::<Allocation>()
    );
    drop(relays);
    let before = heap::live_bytes();
    let mut agent = Agent::new(Entropy::from_seed([7; 32]), Instant::ZERO);
    for number in 0..COUNT {
        let id = agent.start_allocation(relay_config(number), Instant::ZERO).unwrap();
        agent.bind_channel(id, peer, Instant::ZERO).unwrap();
        grant_all(&mut agent, Instant::ZERO);
    }
    let in_agent = (heap::live_bytes() - before) / i64::from(COUNT);
    println!("{in_agent} bytes for the same in an agent");
    assert!(each <= 4_500 && in_agent <= 5_500);
}
