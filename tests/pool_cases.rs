//! A pool of relays against several servers in virtual time: who is chosen, and what happens when one dies.

#![allow(missing_docs)]
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use libstun::auth::LongTerm;
use libstun::turn::{
    AllocationConfig, AllocationEvent, CredentialsNeed, FailureReason, MigrationReason, PoolConfig,
    PoolEvent, RelayPool, Switching,
};
use libstun::wire::Method;
use libstun::{
    Agent, Datagram, Entropy, Event, FiveTuple, Instant, Machine, OperationId, Outcome, Transport,
};
use libstun_sim::turn::{Fault, Output, TurnServer, TurnServerConfig};
use support::{addr, at};

const PEER: &str = "203.0.113.77:7000";
const LOCAL: &str = "10.0.0.2:5000";

/// A server at the end of a path.
struct Site {
    server: TurnServer,
    /// One way.
    delay: Duration,
    is_dead: bool,
}

enum Packet {
    ToServer(usize, FiveTuple, Vec<u8>),
    ToClient(FiveTuple, Vec<u8>),
}

/// A pool, its servers, and the paths between them. Peers are next to the servers, and send back what they get.
struct World {
    pool: RelayPool,
    sites: Vec<Site>,
    now: Instant,
    wire: BTreeMap<(Instant, u64), Packet>,
    sent: u64,
    /// How many packets of a hundred are lost.
    loss: u64,
    dice: u64,
    events: Vec<(Instant, PoolEvent)>,
    /// What came back from peers: when, to which relayed address, what.
    received: Vec<(Instant, SocketAddr, Vec<u8>)>,
}

fn server_address(index: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1 + index as u8], 3478))
}

fn relay_ip(index: usize) -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, 1 + index as u8)
}

fn site(index: usize, delay: u64) -> Site {
    let config = TurnServerConfig {
        seed: [index as u8 + 1; 32],
        relay_v4: Some(relay_ip(index)),
        ..TurnServerConfig::default()
    };
    let server = TurnServer::new(config, Instant::ZERO);
    Site { server, delay: Duration::from_millis(delay), is_dead: false }
}

fn relays(count: usize) -> Vec<AllocationConfig> {
    let user = || LongTerm::new("alice", "s3cret").unwrap();
    (0..count)
        .map(|index| AllocationConfig::new(FiveTuple::udp(addr(LOCAL), server_address(index)), user()))
        .collect()
}

impl World {
    /// A pool of as many servers as there are delays, one way and in milliseconds.
    fn new(delays: &[u64], change: impl FnOnce(&mut PoolConfig, &mut [Site])) -> Self {
        let mut sites: Vec<Site> =
            delays.iter().enumerate().map(|(index, delay)| site(index, *delay)).collect();
        let mut config = PoolConfig::new(relays(delays.len()));
        change(&mut config, &mut sites);
        let pool = RelayPool::new(config, Entropy::from_seed([7; 32]), Instant::ZERO).unwrap();
        let (wire, events, received) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { pool, sites, now: Instant::ZERO, wire, sent: 0, loss: 0, dice: 7, events, received }
    }

    fn put(&mut self, index: usize, packet: Packet) {
        self.sent += 1;
        // An LCG of Knuth's: each packet is lost or not in every run.
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if (self.dice >> 33) % 100 < self.loss {
            return;
        }
        let arrives = self.now.saturating_add(self.sites[index].delay);
        self.wire.insert((arrives, self.sent), packet);
    }

    fn carry(&mut self, path: FiveTuple, bytes: Vec<u8>) {
        let index = (0..self.sites.len()).find(|index| server_address(*index) == path.remote).unwrap();
        let seen = FiveTuple { local: path.remote, remote: path.local, ..path };
        self.put(index, Packet::ToServer(index, seen, bytes));
    }

    fn drain(&mut self) {
        while let Some(transmit) = self.pool.poll_transmit() {
            let (path, bytes) = (transmit.path, transmit.payload.to_vec());
            self.carry(path, bytes);
        }
        while let Some(event) = self.pool.poll_event() {
            self.events.push((self.now, event));
        }
    }

    fn arrive(&mut self, packet: Packet) {
        match packet {
            Packet::ToServer(index, path, bytes) => {
                if self.sites[index].is_dead {
                    return;
                }
                self.sites[index].server.handle_client(path, &bytes, self.now);
                while let Some(output) = self.sites[index].server.poll() {
                    match output {
                        Output::ToClient { path, payload } => {
                            let path = FiveTuple { local: path.remote, remote: path.local, ..path };
                            self.put(index, Packet::ToClient(path, payload));
                        }
                        Output::ToPeer { from, to, payload, .. } => {
                            self.sites[index].server.handle_peer(from, to, &payload, self.now);
                        }
                    }
                }
            }
            Packet::ToClient(path, bytes) => {
                let outcome = self.pool.handle_input(&Datagram::new(path, &bytes), self.now);
                if let Outcome::Unwrapped(data) = outcome {
                    assert_eq!(data.path.remote, addr(PEER));
                    self.received.push((self.now, data.path.local, data.payload.to_vec()));
                }
            }
        }
    }

    /// Lets time pass, each thing at its time.
    fn run(&mut self, time: Duration) {
        let until = self.now.saturating_add(time);
        loop {
            self.drain();
            let arrives = self.wire.keys().next().map(|(at, _)| *at);
            let wakes = self.pool.poll_timeout();
            let next = [arrives, wakes].into_iter().flatten().min().filter(|at| *at <= until);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            if arrives == Some(next) {
                let (_, packet) = self.wire.pop_first().unwrap();
                self.arrive(packet);
            } else {
                self.pool.handle_timeout(self.now);
            }
        }
        self.now = until;
    }

    fn run_seconds(&mut self, seconds: u64) {
        self.run(Duration::from_secs(seconds));
    }

    /// Sends through whichever relay is selected; says whether that was possible.
    fn send(&mut self, payload: &[u8]) -> bool {
        let mut buffer = [0; 256];
        let Ok(transmit) = self.pool.send(addr(PEER), payload, &mut buffer, self.now) else { return false };
        let (path, bytes) = (transmit.path, transmit.payload.to_vec());
        self.carry(path, bytes);
        true
    }

    /// Sends every 100 ms until a time, and says when the last came back before a gap and the first after it.
    fn talk(&mut self, time: Duration) {
        for _ in 0..time.as_millis() / 100 {
            self.send(b"tick");
            self.run(Duration::from_millis(100));
        }
    }

    fn migrations(&self) -> Vec<(usize, usize, MigrationReason)> {
        self.events
            .iter()
            .filter_map(|(_, event)| match event {
                PoolEvent::Migrated { from, to, reason, .. } => Some((*from, *to, *reason)),
                _ => None,
            })
            .collect()
    }

    fn count(&self, is_such: impl Fn(&PoolEvent) -> bool) -> usize {
        self.events.iter().filter(|(_, event)| is_such(event)).count()
    }

    fn requests(&self, index: usize, method: Method) -> usize {
        self.sites[index].server.record().count(method)
    }
}

#[test]
fn relayed_addresses_are_there_before_anybody_asks_for_a_peer() {
    let mut world = World::new(&[20, 30, 40], |_, _| ());
    world.run(Duration::from_millis(200));
    let relayed: Vec<_> =
        world.pool.relayed_addresses().map(|(relay, address)| (relay, address.ip())).collect();
    assert_eq!(relayed, [0, 1, 2].map(|index| (index, relay_ip(index).into())));
    assert_eq!(world.count(|event| matches!(event, PoolEvent::Ready { .. })), 3);
    for site in &world.sites {
        assert_eq!(site.server.allocations().len(), 1);
        assert!(site.server.allocations()[0].permissions.is_empty());
    }
}

#[test]
fn the_fastest_of_three_is_selected_whoever_is_first_in_the_list() {
    let mut world = World::new(&[60, 10, 30], |_, _| ());
    world.run_seconds(5);
    assert_eq!(world.pool.selected(), Some(1));
    assert_eq!(world.migrations(), []);
    let [first, ..] = world.events[..] else { panic!() };
    assert!(matches!(first.1, PoolEvent::Ready { relay: 1, .. }), "{first:?}");
    let selected = world.events[1].1;
    assert!(matches!(selected, PoolEvent::Selected { relay: 1, .. }), "nothing waits: {selected:?}");
}

#[test]
fn a_faster_one_whose_first_request_was_lost_takes_over_while_no_peer_is_wanted() {
    for wants_peer in [false, true] {
        let mut world = World::new(&[60, 10], |_, sites| {
            sites[1].server.inject(Some(Method::ALLOCATE), Fault::LoseRequest, 1);
        });
        if wants_peer {
            world.pool.bind_channel(addr(PEER), world.now).unwrap();
        }
        world.run_seconds(5);
        let expected: &[_] = if wants_peer { &[] } else { &[(0, 1, MigrationReason::Faster)] };
        assert_eq!(world.migrations(), expected);
    }
}

#[test]
fn data_flows_again_within_nine_seconds_of_the_silent_death_of_the_selected_relay() {
    for warm_standby in [false, true] {
        let mut world = World::new(&[10, 20, 30], |config, _| config.warm_standby = warm_standby);
        world.pool.bind_channel(addr(PEER), world.now).unwrap();
        world.run_seconds(1);
        world.talk(Duration::from_secs(10));
        assert_eq!(world.pool.selected(), Some(0));
        assert!(world.received.iter().all(|(_, relayed, _)| relayed.ip() == relay_ip(0)));
        let died_at = world.now;
        world.sites[0].is_dead = true;
        world.talk(Duration::from_secs(20));
        assert_eq!(world.migrations(), [(0, 1, MigrationReason::Unresponsive)]);
        let again = world.received.iter().find(|(_, relayed, _)| relayed.ip() == relay_ip(1)).unwrap().0;
        let recovery = again.saturating_since(died_at);
        println!("warm standby {warm_standby}: data flows again after {recovery:?}");
        assert!(recovery < Duration::from_secs(9), "{recovery:?}");
        // The dead one is lost for good minutes later, and tried again; the pool stays where it is.
        world.run_seconds(900);
        let lost = |event: &PoolEvent| matches!(event, PoolEvent::Lost { relay: 0, was_selected: false, .. });
        assert_eq!(world.count(lost), 1);
        assert_eq!(world.pool.selected(), Some(1));
        // It comes back, and is no better than what there is.
        world.sites[0].is_dead = false;
        world.run_seconds(3600);
        assert_eq!(world.migrations().len(), 1, "10 ms are not worth another address");
        assert_eq!(world.count(|event| matches!(event, PoolEvent::Ready { relay: 0, .. })), 2);
    }
}

#[test]
fn an_idle_relay_that_dies_is_left_within_half_a_minute() {
    let mut world = World::new(&[10, 20], |_, _| ());
    world.pool.bind_channel(addr(PEER), world.now).unwrap();
    world.run_seconds(100);
    world.sites[0].is_dead = true;
    world.run_seconds(30);
    assert_eq!(world.migrations(), [(0, 1, MigrationReason::Unresponsive)]);
    assert!(world.pool.channel(addr(PEER)).is_some(), "bound at the new one without being asked");
    assert!(world.send(b"hello"));
    world.run_seconds(1);
    assert_eq!(world.received.len(), 1);
}

#[test]
fn what_is_under_way_through_the_old_relay_still_arrives() {
    let mut world = World::new(&[100, 110], |_, _| ());
    world.pool.bind_channel(addr(PEER), world.now).unwrap();
    world.run_seconds(1);
    let old = world.pool.relayed_address().unwrap();
    // The way to the server is cut, the way back is not.
    world.sites[0].is_dead = true;
    world.talk(Duration::from_secs(10));
    assert_eq!(world.pool.selected(), Some(1));
    let before = world.received.len();
    let now = world.now;
    world.sites[0].server.handle_peer(old, addr(PEER), b"late", now);
    let Some(Output::ToClient { path, payload }) = world.sites[0].server.poll() else { panic!() };
    let path = FiveTuple { local: path.remote, remote: path.local, ..path };
    world.put(0, Packet::ToClient(path, payload));
    world.run_seconds(1);
    assert!(world.received[before..].iter().any(|(_, relayed, data)| *relayed == old && data == b"late"));
}

#[test]
fn icmp_errors_migrate_within_three_seconds() {
    let mut world = World::new(&[10, 20], |_, _| ());
    world.pool.bind_channel(addr(PEER), world.now).unwrap();
    world.run_seconds(1);
    world.sites[0].is_dead = true;
    let path = FiveTuple::udp(addr(LOCAL), server_address(0));
    let error = libstun::SendError::Refused;
    // Anybody can send ICMP: the server is asked, and asked once more when that comes back as well.
    for _ in 0..2 {
        let failed = libstun::Receipt { path, transaction_id: None };
        world.pool.handle_send_error(&failed, error, world.now);
        world.run(Duration::from_millis(20));
    }
    world.run(Duration::from_millis(2500));
    let migrations = world.migrations();
    assert!(matches!(migrations[..], [(0, 1, MigrationReason::Lost { .. })]), "{migrations:?}");
    assert!(world.send(b"hello"));
}

#[test]
fn a_server_that_restarts_is_left_and_stands_by_again() {
    let mut world = World::new(&[10, 20], |_, _| ());
    world.pool.bind_channel(addr(PEER), world.now).unwrap();
    world.run_seconds(60);
    world.sites[0].server.restart();
    world.run_seconds(600);
    let migrations = world.migrations();
    assert!(matches!(migrations[..], [(0, 1, MigrationReason::Lost { .. })]), "{migrations:?}");
    assert_eq!(world.sites[0].server.allocations().len(), 1, "asked for anew");
    assert!(world.sites[0].server.allocations()[0].channels.is_empty(), "and it stands by");
    assert_eq!(world.sites[1].server.allocations()[0].channels.len(), 1);
}

#[test]
fn a_server_that_refuses_for_good_is_asked_no_more_and_a_spare_is() {
    let mut world = World::new(&[10, 20, 30], |config, sites| {
        config.ready = 2;
        sites[0].server.inject(Some(Method::ALLOCATE), Fault::Error(403), 100);
    });
    world.run_seconds(3600);
    let failed = |event: &PoolEvent| {
        let reason = FailureReason::ErrorResponse { code: 403 };
        *event == PoolEvent::Relay { relay: 0, event: AllocationEvent::Failed { reason } }
    };
    assert_eq!(world.count(failed), 1);
    assert_eq!(world.requests(0, Method::ALLOCATE), 2, "the challenge and the refusal");
    let relayed: Vec<_> = world.pool.relayed_addresses().map(|(relay, _)| relay).collect();
    assert_eq!(relayed, [1, 2]);
    assert_eq!(world.pool.selected(), Some(1));
}

#[test]
fn a_spare_is_not_asked_while_nobody_needs_it() {
    let mut world = World::new(&[10, 20, 30], |config, _| config.ready = 2);
    world.run_seconds(3600);
    assert_eq!(world.requests(2, Method::ALLOCATE), 0);
    world.sites[0].is_dead = true;
    world.run_seconds(60);
    assert_eq!(world.pool.selected(), Some(1));
    assert_eq!(world.sites[2].server.allocations().len(), 1);
}

#[test]
fn when_all_have_failed_for_good_the_pool_has() {
    let mut world = World::new(&[10, 20, 30], |config, sites| {
        config.ready = 1;
        for site in sites {
            site.server.inject(Some(Method::ALLOCATE), Fault::Error(403), 100);
        }
    });
    world.run_seconds(60);
    let reason = FailureReason::ErrorResponse { code: 403 };
    assert_eq!(world.events.last().unwrap().1, PoolEvent::Failed { reason });
    assert!(world.pool.is_ended());
    assert_eq!(world.pool.poll_timeout(), None);
    assert_eq!(world.count(|event| matches!(event, PoolEvent::Relay { .. })), 3);
}

#[test]
fn credentials_that_one_server_rejects_concern_that_one_alone() {
    let mut world = World::new(&[10, 20], |_, sites| {
        sites[0].server.config_mut().users = vec![("alice".to_owned(), "another".to_owned())];
    });
    world.run_seconds(10);
    let (relay, reason) = (0, CredentialsNeed::Rejected);
    let event = AllocationEvent::CredentialsNeeded { reason };
    assert_eq!(world.count(|told| *told == PoolEvent::Relay { relay, event }), 1);
    assert_eq!(world.pool.selected(), Some(1));
    let asked = world.requests(0, Method::ALLOCATE);
    world.run_seconds(600);
    assert_eq!(world.requests(0, Method::ALLOCATE), asked, "nothing is asked until there are others");
    let credentials = LongTerm::new("alice", "another").unwrap().into();
    world.pool.set_credentials(0, credentials, None, world.now).unwrap();
    world.run_seconds(1);
    assert_eq!(world.pool.relayed_addresses().count(), 2);
    assert_eq!(world.migrations(), []);
}

#[test]
fn two_relays_that_are_as_good_as_each_other_do_not_flap() {
    let mut world = World::new(&[30, 30], |_, _| ());
    world.pool.bind_channel(addr(PEER), world.now).unwrap();
    // Round trips that vary between 40 and 100 ms, in turns.
    for round in 0..500_u64 {
        world.sites[0].delay = Duration::from_millis(20 + round * 7 % 31);
        world.sites[1].delay = Duration::from_millis(20 + round * 11 % 31);
        world.run_seconds(25);
    }
    assert_eq!(world.migrations(), []);
}

#[test]
fn one_that_is_much_faster_for_a_minute_takes_over_and_one_that_is_for_a_moment_does_not() {
    let mut world = World::new(&[30, 40], |_, _| ());
    world.pool.bind_channel(addr(PEER), world.now).unwrap();
    world.run_seconds(100);
    world.sites[0].delay = Duration::from_millis(200);
    world.run_seconds(30);
    world.sites[0].delay = Duration::from_millis(30);
    world.run_seconds(600);
    assert_eq!(world.migrations(), []);
    world.sites[0].delay = Duration::from_millis(200);
    world.run_seconds(600);
    assert_eq!(world.migrations(), [(0, 1, MigrationReason::Faster)]);
    assert!(world.pool.channel(addr(PEER)).is_some());
    let left = &world.sites[0].server.allocations()[0];
    assert!(left.permissions.is_empty(), "a cold standby renews no permission");
}

#[test]
fn paths_of_more_than_two_seconds_are_not_taken_for_dead() {
    let mut world = World::new(&[1200, 1250], |_, _| ());
    world.pool.bind_channel(addr(PEER), world.now).unwrap();
    world.run_seconds(7200);
    assert_eq!(world.migrations(), []);
}

#[test]
fn a_path_that_loses_a_fifth_is_hardly_ever_left_for_one_that_is_no_better() {
    let mut world = World::new(&[10, 20], |_, _| ());
    world.pool.bind_channel(addr(PEER), world.now).unwrap();
    world.run_seconds(1);
    world.loss = 20;
    world.run_seconds(24 * 3600);
    let count = world.migrations().len();
    println!("a fifth of the packets is lost each way: {count} migrations in a day");
    assert!(count < 24, "{count}");
}

#[test]
fn a_redirection_to_another_server_is_followed_and_one_to_the_next_relay_is_not() {
    for target in [1, 2] {
        let mut world = World::new(&[10, 20, 30], |config, sites| {
            config.relays.truncate(2);
            sites[0].server.config_mut().redirect = Some(server_address(target));
        });
        world.pool.bind_channel(addr(PEER), world.now).unwrap();
        world.run_seconds(600);
        let superseded = world.count(|event| *event == PoolEvent::Superseded { relay: 0, by: 1 });
        assert_eq!(superseded, usize::from(target == 1));
        assert_eq!(world.pool.relayed_addresses().count(), target);
        assert_eq!(world.pool.selected(), Some(1));
        assert_eq!(world.count(|event| matches!(event, PoolEvent::Lost { .. })), 0);
        assert_eq!(world.requests(1, Method::ALLOCATE), 2, "nobody else has asked there");
        assert!(world.send(b"hello"));
    }
}

#[test]
fn two_relays_whose_networks_become_one_become_one() {
    let mut world = World::new(&[10, 20], |config, _| {
        config.relays[1].path.local = addr("10.0.0.3:5000");
        config.relays[1].path.remote = server_address(0);
    });
    world.pool.bind_channel(addr(PEER), world.now).unwrap();
    world.run_seconds(5);
    assert_eq!(world.sites[0].server.allocations().len(), 2);
    world.pool.network_changed(&[addr(LOCAL).ip()], world.now);
    world.run_seconds(60);
    assert_eq!(world.count(|event| *event == PoolEvent::Superseded { relay: 1, by: 0 }), 1);
    assert!(world.send(b"hello"));
    assert_eq!((world.pool.selected(), world.migrations()), (Some(0), Vec::new()));
}

#[test]
fn without_switching_a_relay_that_works_is_never_left() {
    let mut world = World::new(&[30, 40], |config, _| config.switching = None::<Switching>);
    world.pool.bind_channel(addr(PEER), world.now).unwrap();
    world.run_seconds(100);
    world.sites[0].delay = Duration::from_millis(200);
    world.run_seconds(3600);
    assert_eq!(world.migrations(), []);
}

#[test]
fn a_standby_costs_its_keepalives_and_refreshes_alone() {
    let mut world = World::new(&[10, 20], |_, _| ());
    world.pool.bind_channel(addr(PEER), world.now).unwrap();
    world.run_seconds(10);
    world.sites[1].server.clear_record();
    world.run_seconds(24 * 3600);
    let asked = &world.sites[1].server.record().asked;
    println!("a standby asks {} requests in a day", asked.len());
    assert!(asked.iter().all(|asked| matches!(asked.method, Method::BINDING | Method::REFRESH)));
    assert!(asked.len() <= 24 * 3600 / 25 + 24 * 6, "{}", asked.len());
    assert_eq!(world.migrations(), []);
}

#[test]
fn closing_a_pool_leaves_nothing_at_any_server() {
    let mut world = World::new(&[10, 20, 30], |config, _| config.ready = 2);
    world.pool.bind_channel(addr(PEER), world.now).unwrap();
    world.run_seconds(10);
    world.pool.close(world.now);
    assert!(!world.send(b"hello"));
    world.run_seconds(10);
    assert_eq!(world.events.last().unwrap().1, PoolEvent::Closed);
    assert!(world.sites.iter().all(|site| site.server.allocations().is_empty()));
    assert_eq!(world.pool.poll_timeout(), None);
    assert_eq!(world.requests(2, Method::ALLOCATE), 0);
}

#[test]
fn no_server_sees_anything_that_the_rfcs_forbid() {
    let mut world = World::new(&[10, 20, 30], |config, _| config.warm_standby = true);
    world.pool.bind_channel(addr(PEER), world.now).unwrap();
    world.pool.permit(addr("203.0.113.78:1").ip(), world.now).unwrap();
    for round in 0..40 {
        world.sites[round % 3].is_dead = round % 5 == 0;
        world.talk(Duration::from_secs(3));
        world.run_seconds(100);
    }
    for site in &world.sites {
        assert!(site.server.record().violations.is_empty(), "{:?}", site.server.record().violations);
    }
}

/// The same through an agent, whose routes and pacing are in between.
#[test]
fn an_agent_houses_a_pool_and_hears_of_its_migration() {
    let mut agent = Agent::new(Entropy::from_seed([7; 32]), Instant::ZERO);
    let id = agent.start_relay_pool(PoolConfig::new(relays(2)), Instant::ZERO).unwrap();
    assert!(
        agent.start_relay_pool(PoolConfig::new(relays(2)), Instant::ZERO).is_err(),
        "the paths are taken"
    );
    agent.bind_channel(id, addr(PEER), Instant::ZERO).unwrap();
    let mut sites = [site(0, 0), site(1, 0)];
    let mut told = Vec::new();
    let mut data = Vec::new();
    let mut now = at(1);
    for round in 0..400 {
        sites[0].is_dead = round > 100;
        let mut buffer = [0; 64];
        if let Ok(transmit) = agent.send_to_peer(id, addr(PEER), b"tick", &mut buffer, now) {
            let (path, bytes) = (transmit.path, transmit.payload.to_vec());
            exchange(&mut agent, &mut sites, path, &bytes, now, &mut data);
        }
        settle(&mut agent, &mut sites, id, now, &mut told, &mut data);
        now = now.saturating_add(Duration::from_millis(100));
        if agent.poll_timeout().is_some_and(|at| at <= now) {
            agent.handle_timeout(now);
        }
    }
    let migrated = told.iter().filter(|event| matches!(event, PoolEvent::Migrated { from: 0, to: 1, .. }));
    assert_eq!(migrated.count(), 1, "{told:?}");
    assert_eq!(data.last().map(|local: &SocketAddr| local.ip()), Some(relay_ip(1).into()));
    agent.close_relay(id, now).unwrap();
    settle(&mut agent, &mut sites, id, now, &mut told, &mut data);
    assert!(sites[1].server.allocations().is_empty());
}

fn settle(
    agent: &mut Agent,
    sites: &mut [Site],
    id: OperationId,
    now: Instant,
    told: &mut Vec<PoolEvent>,
    data: &mut Vec<SocketAddr>,
) {
    while let Some(transmit) = agent.poll_transmit() {
        assert_eq!(transmit.path.transport, Transport::Udp);
        let (path, bytes) = (transmit.path, transmit.payload.to_vec());
        exchange(agent, sites, path, &bytes, now, data);
    }
    while let Some(event) = agent.poll_event() {
        assert_eq!(event.id, id);
        let Event::RelayPool(event) = event.event else { panic!("{event:?}") };
        told.push(event);
    }
}

fn exchange(
    agent: &mut Agent,
    sites: &mut [Site],
    path: FiveTuple,
    bytes: &[u8],
    now: Instant,
    data: &mut Vec<SocketAddr>,
) {
    let site =
        sites.iter_mut().enumerate().find(|(index, _)| server_address(*index) == path.remote).unwrap().1;
    if site.is_dead {
        return;
    }
    let seen = FiveTuple { local: path.remote, remote: path.local, ..path };
    site.server.handle_client(seen, bytes, now);
    while let Some(output) = site.server.poll() {
        match output {
            Output::ToClient { path, payload } => {
                let path = FiveTuple { local: path.remote, remote: path.local, ..path };
                if let Outcome::Unwrapped(arrived) = agent.handle_input(&Datagram::new(path, &payload), now) {
                    data.push(arrived.path.local);
                }
            }
            Output::ToPeer { from, to, payload, .. } => site.server.handle_peer(from, to, &payload, now),
        }
    }
}
