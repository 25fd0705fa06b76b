//! Many relays of one agent at one server, where ten requests may be outstanding (RFC 8489 s6.2).

#![allow(missing_docs)]
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use libstun::agent::OperationId;
use libstun::turn::{AllocationConfig, AllocationEvent};
use libstun::wire::{Class, Message, TransactionId};
use libstun::{Agent, Datagram, Entropy, Event, FiveTuple, Instant, Machine, Outcome, WakeReason};
use libstun_sim::turn::{Output, TurnServer, TurnServerConfig};
use support::turn_world::{alice, client_path, peer, seconds};

/// An agent and a server, with so long between them.
struct World {
    agent: Agent,
    server: TurnServer,
    now: Instant,
    delay: Duration,
    /// What is on its way: when it arrives, whether at the server, and how.
    flying: Vec<(Instant, bool, FiveTuple, Vec<u8>)>,
    outstanding: BTreeSet<TransactionId>,
    most_outstanding: usize,
    events: Vec<(OperationId, AllocationEvent)>,
    heard: usize,
}

impl World {
    fn new(server: TurnServerConfig, delay: Duration) -> Self {
        let now = Instant::from_millis(1);
        Self {
            agent: Agent::new(Entropy::from_seed([7; 32]), now),
            server: TurnServer::new(server, now),
            now,
            delay,
            flying: Vec::new(),
            outstanding: BTreeSet::new(),
            most_outstanding: 0,
            events: Vec::new(),
            heard: 0,
        }
    }

    fn start(&mut self, count: u16) -> Vec<OperationId> {
        let ids = (0..count).map(|number| {
            let local = SocketAddr::new(client_path().local.ip(), 20_000 + number);
            let config = AllocationConfig { path: FiveTuple { local, ..client_path() }, ..alice() };
            let id = self.agent.start_allocation(config, self.now).unwrap();
            self.agent.bind_channel(id, peer(), self.now).unwrap();
            id
        });
        ids.collect()
    }

    fn drain(&mut self) {
        while let Some(transmit) = self.agent.poll_transmit() {
            let message = Message::parse(transmit.payload).ok();
            if let Some(request) = message.filter(|message| message.class() == Class::Request) {
                self.outstanding.insert(request.transaction_id());
            }
            let path =
                FiveTuple { local: transmit.path.remote, remote: transmit.path.local, ..transmit.path };
            self.flying.push((self.now.saturating_add(self.delay), true, path, transmit.payload.to_vec()));
        }
        self.most_outstanding = self.most_outstanding.max(self.outstanding.len());
        while let Some(event) = self.agent.poll_event() {
            if let Event::Allocation(told) = event.event {
                self.events.push((event.id, told));
            }
        }
    }

    fn arrive(&mut self) {
        let (due, flying): (Vec<_>, Vec<_>) = self.flying.drain(..).partition(|(at, ..)| *at <= self.now);
        self.flying = flying;
        for (_, is_at_server, path, bytes) in due {
            if is_at_server {
                self.server.handle_client(path, &bytes, self.now);
                continue;
            }
            if let Some(id) = TransactionId::of_message(&bytes) {
                self.outstanding.remove(&id);
            }
            if let Outcome::Unwrapped(_) = self.agent.handle_input(&Datagram::new(path, &bytes), self.now) {
                self.heard += 1;
            }
            self.drain();
        }
        while let Some(Output::ToClient { path, payload }) = self.server.poll() {
            let back = FiveTuple { local: path.remote, remote: path.local, ..path };
            self.flying.push((self.now.saturating_add(self.delay), false, back, payload));
        }
    }

    fn pass(&mut self, duration: Duration) {
        let end = self.now.saturating_add(duration);
        self.drain();
        self.arrive();
        loop {
            let arrival = self.flying.iter().map(|(at, ..)| *at).min();
            let next =
                [self.agent.poll_timeout(), self.server.poll_timeout(), arrival].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            self.server.handle_timeout(self.now);
            self.arrive();
            if self.agent.poll_timeout().is_some_and(|at| at <= self.now) {
                self.agent.handle_timeout(self.now);
                let is_late = self.agent.poll_timeout().is_some_and(|at| at <= self.now);
                assert!(!is_late || self.agent.wake_reason() == Some(WakeReason::Output), "it spins");
            }
            self.drain();
        }
        self.now = end;
    }
}

#[test]
fn a_hundred_relays_at_one_server_take_turns_and_all_live() {
    const COUNT: u16 = 100;
    let mut world = World::new(TurnServerConfig::default(), Duration::from_millis(20));
    let ids = world.start(COUNT);
    world.pass(seconds(60));
    let is_well = |agent: &Agent, id: &OperationId| {
        let relay = agent.allocation(*id).unwrap();
        relay.is_allocated() && relay.channel(peer()).is_some()
    };
    assert!(ids.iter().all(|id| is_well(&world.agent, id)), "within a minute");
    assert!(world.most_outstanding <= 10, "{} requests outstanding at one server", world.most_outstanding);
    world.events.clear();
    // Two hours of renewals, with a nonce that goes stale for all of them.
    for _ in 0..24 {
        world.pass(seconds(300));
        assert!(ids.iter().all(|id| is_well(&world.agent, id)));
    }
    assert!(world.events.is_empty(), "{:?}", world.events.first());
    assert!(world.most_outstanding <= 10, "{} requests outstanding at one server", world.most_outstanding);
    assert_eq!(world.server.record().violations, [""; 0]);
    // Each has its own peer's data.
    let mut relayed: Vec<_> =
        ids.iter().map(|id| world.agent.allocation(*id).unwrap().relayed_address().unwrap()).collect();
    for relayed in &relayed {
        world.server.handle_peer(*relayed, peer(), b"to you", world.now);
    }
    world.pass(seconds(1));
    assert_eq!(world.heard, usize::from(COUNT));
    relayed.sort();
    relayed.dedup();
    assert_eq!(relayed.len(), usize::from(COUNT));
    // And all are closed in turn.
    for id in &ids {
        world.agent.close_relay(*id, world.now).unwrap();
    }
    world.pass(seconds(60));
    assert_eq!(world.agent.operation_count(), 0);
    assert!(world.server.allocations().is_empty());
    assert!(world.most_outstanding <= 10);
}

#[test]
fn a_server_that_restarts_gets_its_hundred_relays_back_in_good_order() {
    const COUNT: u16 = 100;
    let mut world = World::new(TurnServerConfig::default(), Duration::from_millis(20));
    let ids = world.start(COUNT);
    world.pass(seconds(200));
    world.server.restart();
    world.server.clear_record();
    world.pass(seconds(600));
    let lost = world.events.iter().filter(|(_, event)| matches!(event, AllocationEvent::Lost { .. })).count();
    assert_eq!(lost, usize::from(COUNT));
    for id in &ids {
        let relay = world.agent.allocation(*id).unwrap();
        assert!(relay.is_allocated() && relay.channel(peer()).is_some());
    }
    assert!(world.most_outstanding <= 10);
    let asked = world.server.record().asked.len();
    assert!(asked <= 20 * usize::from(COUNT), "{asked} requests");
}

#[test]
fn a_host_that_does_not_say_where_a_datagram_arrived_hears_its_only_relay_at_a_server() {
    use support::relay::{PEER, data_indication, grant_all, relay_config, relay_path};
    let (mut agent, now) = (Agent::new(Entropy::from_seed([7; 32]), Instant::ZERO), Instant::ZERO);
    let id = agent.start_allocation(relay_config(1), now).unwrap();
    agent.bind_channel(id, PEER.parse().unwrap(), now).unwrap();
    grant_all(&mut agent, now);
    let arrived = FiveTuple { local: "0.0.0.0:0".parse().unwrap(), ..relay_path(1) };
    let mut buffer = [0; 128];
    let indication = data_indication(b"data", &mut buffer).to_vec();
    let channel = [&[0x40, 0, 0, 4][..], b"data"].concat();
    let heard =
        |agent: &mut Agent, frame: &[u8]| match agent.handle_input(&Datagram::new(arrived, frame), now) {
            Outcome::Unwrapped(inner) => inner.payload == b"data" && inner.path.remote.to_string() == PEER,
            _ => false,
        };
    assert!(heard(&mut agent, &indication) && heard(&mut agent, &channel));
    // From another socket to the same server, and whose it is, nobody can tell.
    let local = "10.0.0.2:5001".parse().unwrap();
    let second = AllocationConfig { path: FiveTuple { local, ..relay_path(1) }, ..relay_config(1) };
    let second = agent.start_allocation(second, now).unwrap();
    assert!(!heard(&mut agent, &indication) && !heard(&mut agent, &channel));
    agent.cancel(second, now).unwrap();
    assert!(heard(&mut agent, &indication) && heard(&mut agent, &channel));
}
