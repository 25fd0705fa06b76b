//! Many clients in one agent, kept alive for a long time: how often the host is woken and how many packets leave, with
//! and without a slack. Time is virtual, so the counts are exact and repeat.
//!
//!     cargo bench --bench keepalives -- --clients 100000 --hours 24
//!
//! Each client is a `Binding` with a refresh of 25 s that was started at some moment of the first 25 s; ten clients
//! share a server, which answers after 20 ms. With more (`--per-server`) a burst is stretched by the rule that only
//! ten requests may be outstanding at a server, one wake-up for each 50 ms of it.

#![allow(missing_docs, clippy::unwrap_used, clippy::arithmetic_side_effects)]
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unreachable)]

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use libstun::agent::PowerProfile;
use libstun::stun::{BindingConfig, BindingEvent};
use libstun::wire::attribute::XorMappedAddress;
use libstun::wire::{Class, MessageBuilder, Method, TransactionId};
use libstun::{Agent, Datagram, Entropy, Event, FiveTuple, Instant, Machine};

const ROUND_TRIP: Duration = Duration::from_millis(20);
const HOUR: u64 = 3600;

fn main() {
    let (clients, hours) = (argument("--clients").unwrap_or(1000), argument("--hours").unwrap_or(1));
    let per_server = argument("--per-server").unwrap_or(10) as u32;
    println!("| slack | wake-ups an hour | packets an hour | longest silence of a client |");
    println!("|---|---|---|---|");
    for slack in [0, 10] {
        let mut world = World::new(clients, per_server, Duration::from_secs(slack));
        world.run(Instant::from_nanos(hours * HOUR * 1_000_000_000));
        println!(
            "| {slack} s | {} | {} | {:.2} s |",
            world.wake_ups / hours,
            world.packets / hours,
            world.longest.as_secs_f64()
        );
    }
}

fn argument(name: &str) -> Option<u64> {
    let mut all = std::env::args().skip_while(|argument| argument != name).skip(1);
    all.next().map(|value| value.parse().unwrap())
}

struct World {
    agent: Agent,
    /// Responses under way, in the order in which they arrive.
    arriving: VecDeque<(Instant, FiveTuple, TransactionId)>,
    /// When each client last sent, by local port and address.
    last_sent: Vec<Instant>,
    longest: Duration,
    wake_ups: u64,
    packets: u64,
    buffer: [u8; 64],
}

impl World {
    fn new(clients: u64, per_server: u32, slack: Duration) -> Self {
        let mut entropy = Entropy::from_seed([9; 32]);
        let mut starts: Vec<u64> = (0..clients).map(|_| entropy.below(25_000_000_000)).collect();
        starts.sort_unstable();
        let agent = Agent::new(entropy, Instant::ZERO);
        let mut world = Self {
            agent,
            arriving: VecDeque::new(),
            last_sent: vec![Instant::ZERO; starts.len()],
            longest: Duration::ZERO,
            wake_ups: 0,
            packets: 0,
            buffer: [0; 64],
        };
        world.agent.set_power(PowerProfile { max_slack: slack, ..PowerProfile::ACTIVE }, Instant::ZERO);
        for (number, start) in starts.into_iter().enumerate() {
            let now = Instant::from_nanos(start);
            world.run(now);
            world.last_sent[number] = now;
            world.agent.start_binding(BindingConfig::new(path(number as u32, per_server)), now).unwrap();
            world.drain(now);
        }
        (world.wake_ups, world.packets, world.longest) = (0, 0, Duration::ZERO);
        world
    }

    /// Sleeps exactly, until `end`.
    fn run(&mut self, end: Instant) {
        loop {
            let arrival = self.arriving.front().map_or(Instant::MAX, |(at, ..)| *at);
            let deadline = self.agent.poll_timeout().unwrap_or(Instant::MAX);
            if arrival.min(deadline) > end {
                return;
            }
            if arrival <= deadline {
                let (now, path, id) = self.arriving.pop_front().unwrap();
                self.arrive(path, id, now);
                self.drain(now);
            } else {
                self.wake_ups += 1;
                self.agent.handle_timeout(deadline);
                self.drain(deadline);
            }
        }
    }

    fn arrive(&mut self, path: FiveTuple, id: TransactionId, now: Instant) {
        let mut builder =
            MessageBuilder::new(&mut self.buffer, Class::SuccessResponse, Method::BINDING, id).unwrap();
        builder.add(&XorMappedAddress("203.0.113.9:4242".parse().unwrap())).unwrap();
        let _ = self.agent.handle_input(&Datagram::new(path, builder.finish()), now);
    }

    fn drain(&mut self, now: Instant) {
        while let Some(transmit) = self.agent.poll_transmit() {
            let id = transmit.receipt().transaction_id.unwrap();
            self.arriving.push_back((now.saturating_add(ROUND_TRIP), transmit.path, id));
            let last = &mut self.last_sent[number(&transmit.path)];
            self.longest = self.longest.max(now.saturating_since(*last));
            *last = now;
            self.packets += 1;
        }
        while let Some(happened) = self.agent.poll_event() {
            let Event::Binding(event) = happened.event else { panic!("{happened:?}") };
            assert!(
                matches!(event, BindingEvent::Mapped { .. } | BindingEvent::Refreshed { .. }),
                "{event:?}"
            );
        }
    }
}

/// A client has an address of its own, and shares its server.
fn path(number: u32, per_server: u32) -> FiveTuple {
    let at =
        |first: u32, offset: u32, port| SocketAddr::new(Ipv4Addr::from_bits(first + offset).into(), port);
    FiveTuple::udp(at(0x0A00_0000, number, 5000), at(0x0B00_0000, number / per_server, 3478))
}

fn number(path: &FiveTuple) -> usize {
    let std::net::IpAddr::V4(ip) = path.local.ip() else { unreachable!("every client has IPv4") };
    (ip.to_bits() - 0x0A00_0000) as usize
}
