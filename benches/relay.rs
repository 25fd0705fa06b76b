//! What relaying a packet of 1200 bytes costs: nanoseconds, the best of several runs. `cargo bench --bench relay`.
//!
//! Nothing is allocated and nothing copied but by `send`, which copies the payload once: tests/relay_allocations.rs
//! holds that.

#![allow(clippy::disallowed_methods)] // a benchmark is a host: it reads the clock
#![allow(missing_docs, clippy::unwrap_used, clippy::arithmetic_side_effects)]
#![allow(clippy::indexing_slicing, clippy::panic, unreachable_pub)]

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Instant as Wall;

use libstun::turn::{Allocation, MAX_HEADROOM};
use libstun::{Agent, Datagram, Entropy, Instant, Machine, OperationId, Outcome};

#[path = "../tests/support/relay.rs"]
mod relay;
use relay::{PEER, data_indication, grant_all, relay_config, relay_path};

const RUNS: u32 = 9;
const ROUNDS: u32 = 200_000;
const PAYLOAD: usize = 1200;
const NOW: Instant = Instant::ZERO;

fn main() {
    alone();
    for relays in [1, 100, 1000] {
        in_agent(relays, 1);
    }
    in_agent(1, 1000);
}

fn peer(number: u32) -> SocketAddr {
    let mut peer: SocketAddr = PEER.parse().unwrap();
    peer.set_port(4000 + u16::try_from(number).unwrap());
    peer
}

/// An allocation without an agent around it.
fn alone() {
    let mut relay = Allocation::new(relay_config(0), Entropy::from_seed([7; 32]), NOW).unwrap();
    relay.permit(peer(0).ip(), NOW).unwrap();
    grant_all(&mut relay, NOW);
    let (payload, mut buffer) = ([7; PAYLOAD], [0; 1500]);
    let inside = MAX_HEADROOM..MAX_HEADROOM + PAYLOAD;
    time("wrap in a Send indication, one copy", || {
        black_box(relay.send(peer(0), black_box(&payload), &mut buffer, NOW).unwrap());
    });
    time("wrap in a Send indication in place", || {
        black_box(relay.send_in_place(peer(0), &mut buffer, inside.clone(), NOW).unwrap());
    });
    let mut other = [0; 1500];
    let inbound = data_indication(&payload, &mut other);
    time("unwrap a Data indication", || {
        let Outcome::Unwrapped(data) =
            relay.handle_input(&Datagram::new(relay_path(0), black_box(inbound)), NOW)
        else {
            panic!("not unwrapped")
        };
        black_box(data);
    });
    relay.bind_channel(peer(0), NOW).unwrap();
    grant_all(&mut relay, NOW);
    time("wrap in ChannelData, one copy", || {
        black_box(relay.send(peer(0), black_box(&payload), &mut buffer, NOW).unwrap());
    });
    time("wrap in ChannelData in place", || {
        black_box(relay.send_in_place(peer(0), &mut buffer, inside.clone(), NOW).unwrap());
    });
    let inbound = [&[0x40, 0, 4, 0xB0], &payload[..]].concat();
    time("unwrap ChannelData", || {
        let Outcome::Unwrapped(data) =
            relay.handle_input(&Datagram::new(relay_path(0), black_box(&inbound)), NOW)
        else {
            panic!("not unwrapped")
        };
        black_box(data);
    });
}

/// The same through an agent that houses many allocations, each with many channels, one after the other.
fn in_agent(relays: u16, channels: u32) {
    let mut agent = Agent::new(Entropy::from_seed([7; 32]), NOW);
    let ids: Vec<OperationId> =
        (0..relays).map(|number| agent.start_allocation(relay_config(number), NOW).unwrap()).collect();
    grant_all(&mut agent, NOW);
    for id in &ids {
        for channel in 0..channels {
            agent.bind_channel(*id, peer(channel), NOW).unwrap();
            grant_all(&mut agent, NOW);
        }
    }
    let mut buffer = [0; 1500];
    let inside = MAX_HEADROOM..MAX_HEADROOM + PAYLOAD;
    let mut round = 0;
    time(&format!("agent, {relays} x {channels} channels: wrap in place"), || {
        round += 1;
        let id = ids[round % ids.len()];
        let to = peer(round as u32 % channels);
        black_box(agent.send_to_peer_in_place(id, to, &mut buffer, inside.clone(), NOW).unwrap());
    });
    let mut inbound = [&[0x40, 0, 4, 0xB0], &[7; PAYLOAD][..]].concat();
    time(&format!("agent, {relays} x {channels} channels: unwrap"), || {
        round += 1;
        let number = 0x4000 + (round as u32 % channels) as u16;
        inbound[..2].copy_from_slice(&number.to_be_bytes());
        let path = relay_path((round % ids.len()) as u16);
        let Outcome::Unwrapped(data) = agent.handle_input(&Datagram::new(path, black_box(&inbound)), NOW)
        else {
            panic!("not unwrapped")
        };
        black_box(data);
    });
}

fn time(name: &str, mut round: impl FnMut()) {
    let best = (0..RUNS)
        .map(|_| {
            let start = Wall::now();
            (0..ROUNDS).for_each(|_| round());
            start.elapsed().as_nanos() / u128::from(ROUNDS)
        })
        .min();
    println!("{:>6} ns  {name}", best.unwrap_or_default());
}
