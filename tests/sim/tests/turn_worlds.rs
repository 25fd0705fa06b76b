//! Relays in random worlds: loss, delay, copies and reordering, a NAT that forgets, a server that restarts and errs, and
//! a host that changes its mind. Whatever happens, rules hold; and when it is over, all that is wished for is there.

#![allow(missing_docs, reason = "tests are named as sentences")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use libstun::auth::LongTerm;
use libstun::turn::{Allocation, AllocationConfig, AllocationEvent, KeepaliveKind};
use libstun::wire::Method;
use libstun::{Datagram, FiveTuple, Instant, Machine, Outcome, Receipt, SendError, WakeReason};
use libstun_sim::random::Random;
use libstun_sim::turn::{Fault, Mobility, Output, TurnServer, TurnServerConfig};

const SERVER: &str = "192.0.2.1:3478";
const PEERS: u64 = 6;
/// As long as something may go wrong.
const TROUBLE: Duration = Duration::from_secs(1800);
/// Within that everything is in order again: two minutes may have to pass after 437 (RFC 8656 s7.4), and a number that
/// was released is cooling down meanwhile.
const RECOVERY: Duration = Duration::from_secs(600);
/// Requests to a server are no storm as long as there are no more of them in all that time.
const MAX_SENT: usize = 2500;

const NOT_MOVED: &str = "MOBILITY-TICKET although the address has not changed";

const OLD_TICKET: &str = "Refresh Request: the server had to answer 400";

enum Flight {
    ToServer(FiveTuple, Vec<u8>),
    ToClient(FiveTuple, Vec<u8>),
}

struct World {
    seed: u64,
    random: Random,
    client: Allocation,
    server: TurnServer,
    now: Instant,
    flights: BTreeMap<(Instant, u64), Flight>,
    serial: u64,
    /// How the server sees the client.
    mapped: SocketAddr,
    /// Of a thousand datagrams.
    loss: u16,
    copies: u16,
    delay: u64,
    is_cut: bool,
    permitted: BTreeSet<IpAddr>,
    bound: BTreeSet<SocketAddr>,
    /// All that was ever wished for, and may come through for a while.
    known: BTreeSet<IpAddr>,
    counter: u32,
    /// From whom the client got what since the last time that was looked.
    heard: BTreeSet<(SocketAddr, Vec<u8>)>,
    /// What peers got.
    told: BTreeSet<(SocketAddr, Vec<u8>)>,
    sent: usize,
    trace: Vec<String>,
}

fn peer(number: u64) -> SocketAddr {
    SocketAddr::from(([203, 0, 113, (number / 2) as u8 + 1], 7000 + number as u16))
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let path = FiveTuple::udp("10.0.0.2:5000".parse().unwrap(), SERVER.parse().unwrap());
        let config = AllocationConfig {
            keepalive: random.pick(&[Some(25), Some(25), None]).map(seconds),
            keepalive_kind: random.pick(&[KeepaliveKind::Indication, KeepaliveKind::Request]),
            ..AllocationConfig::new(path, LongTerm::new("alice", "s3cret").unwrap())
        };
        let server = TurnServerConfig {
            seed: random.bytes(),
            nonce_lifetime: seconds(random.pick(&[60, 600, 3600])),
            signs_stale_nonces: random.chance(500),
            unsigned_codes: if random.chance(300) { vec![437] } else { Vec::new() },
            has_password_algorithms: random.chance(500),
            mobility: random.pick(&[Mobility::Unknown, Mobility::Forbidden, Mobility::Allowed]),
            ..TurnServerConfig::default()
        };
        let now = Instant::from_millis(1);
        let client = Allocation::new(config, random.entropy(), now).unwrap();
        Self {
            seed,
            client,
            server: TurnServer::new(server, now),
            now,
            flights: BTreeMap::new(),
            serial: 0,
            mapped: "198.51.100.200:20000".parse().unwrap(),
            loss: random.pick(&[0, 20, 200]),
            copies: random.pick(&[0, 50]),
            delay: random.pick(&[1, 100, 800]),
            is_cut: false,
            permitted: BTreeSet::new(),
            bound: BTreeSet::new(),
            known: BTreeSet::new(),
            counter: 0,
            heard: BTreeSet::new(),
            told: BTreeSet::new(),
            sent: 0,
            trace: Vec::new(),
            random,
        }
    }

    fn launch(&mut self, is_to_server: bool, path: FiveTuple, payload: &[u8]) {
        let count = 1 + u32::from(self.random.chance(self.copies));
        for _ in 0..count {
            if self.random.chance(self.loss) || self.is_cut {
                continue;
            }
            let delay = Duration::from_millis(self.random.below(self.delay + 1));
            let arrival = self.now.saturating_add(delay);
            let bytes = payload.to_vec();
            let flight =
                if is_to_server { Flight::ToServer(path, bytes) } else { Flight::ToClient(path, bytes) };
            self.serial += 1;
            self.flights.insert((arrival, self.serial), flight);
        }
    }

    /// Takes all that both sides have to send and to tell.
    fn drain(&mut self) {
        let announced = self.client.poll_timeout();
        let mut has_output = false;
        while let Some(transmit) = self.client.poll_transmit() {
            let path = FiveTuple::udp(transmit.path.remote, self.mapped);
            let payload = transmit.payload.to_vec();
            has_output = true;
            self.sent += 1;
            self.trace.push(format!("{} {:?} {payload:?}", self.now.as_nanos(), transmit.path));
            self.launch(true, path, &payload);
        }
        while let Some(event) = self.client.poll_event() {
            has_output = true;
            self.trace.push(format!("{} {event:?}", self.now.as_nanos()));
            self.answer_event(event);
        }
        assert!(!has_output || announced.is_some_and(|at| at <= self.now), "C2, seed {}", self.seed);
        while let Some(output) = self.server.poll() {
            match output {
                Output::ToClient { path, payload } => self.launch(false, path, &payload),
                Output::ToPeer { to, payload, .. } => {
                    assert!(
                        payload.starts_with(to.to_string().as_bytes()),
                        "seed {}: another's data",
                        self.seed
                    );
                    self.told.insert((to, payload));
                }
            }
        }
    }

    fn answer_event(&mut self, event: AllocationEvent) {
        match event {
            AllocationEvent::Reconnect { path } => {
                self.rebind();
                let local = SocketAddr::new(path.local.ip(), path.local.port() + 1);
                self.client.reconnected(FiveTuple { local, ..path }, 0, self.now).unwrap();
                self.drain();
            }
            AllocationEvent::CredentialsNeeded { .. } => {
                let credentials = LongTerm::new("alice", "s3cret").unwrap();
                self.client.set_credentials(credentials.into(), None, self.now);
                self.drain();
            }
            AllocationEvent::PeerRefused { .. }
            | AllocationEvent::Failed { .. }
            | AllocationEvent::Closed => panic!("seed {}: {event}", self.seed),
            _ => {}
        }
    }

    fn rebind(&mut self) {
        self.mapped.set_port(self.mapped.port() + 1);
    }

    fn land(&mut self, flight: Flight) {
        match flight {
            Flight::ToServer(path, bytes) => self.server.handle_client(path, &bytes, self.now),
            Flight::ToClient(path, _) if path.remote != self.mapped => {}
            Flight::ToClient(path, bytes) => {
                let path = FiveTuple::udp(self.client.path().local, path.local);
                if let Outcome::Unwrapped(data) =
                    self.client.handle_input(&Datagram::new(path, &bytes), self.now)
                {
                    let from = data.path.remote;
                    let is_own = data.payload.starts_with(from.to_string().as_bytes());
                    assert!(is_own, "seed {}: data of another peer", self.seed);
                    assert!(self.known.contains(&from.ip()), "seed {}: a stranger's data", self.seed);
                    self.heard.insert((from, data.payload.to_vec()));
                }
            }
        }
    }

    fn pass(&mut self, duration: Duration) {
        let end = self.now.saturating_add(duration);
        self.drain();
        loop {
            let wake = self.client.poll_timeout();
            let flight = self.flights.keys().next().map(|(at, _)| *at);
            let next = [wake, flight, self.server.poll_timeout()].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            self.server.handle_timeout(self.now);
            if wake.is_some_and(|at| at <= self.now) {
                self.client.handle_timeout(self.now);
                let is_due = self.client.poll_timeout().is_some_and(|at| at <= self.now);
                assert!(
                    !is_due || self.client.wake_reason() == Some(WakeReason::Output),
                    "C3, seed {}",
                    self.seed
                );
                self.drain();
            }
            while let Some(entry) = self.flights.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let flight = entry.remove();
                self.land(flight);
                self.drain();
            }
            self.drain();
        }
        self.now = end;
    }

    fn say(&mut self, to: SocketAddr) -> Vec<u8> {
        self.counter += 1;
        let payload = format!("{to} {}", self.counter).into_bytes();
        let mut buffer = [0; 256];
        if let Ok(transmit) = self.client.send(to, &payload, &mut buffer, self.now) {
            let framed = transmit.payload.to_vec();
            self.launch(true, FiveTuple::udp(transmit.path.remote, self.mapped), &framed);
        }
        payload
    }

    fn hear(&mut self, from: SocketAddr) -> Vec<u8> {
        self.counter += 1;
        let payload = format!("{from} {}", self.counter).into_bytes();
        if let Some(relayed) = self.client.relayed_address() {
            self.server.handle_peer(relayed, from, &payload, self.now);
            self.drain();
        }
        payload
    }

    fn command(&mut self) {
        let peer = peer(self.random.below(PEERS));
        let now = self.now;
        match self.random.below(24) {
            0..=2 => {
                self.client.permit(peer.ip(), now).unwrap();
                self.permitted.insert(peer.ip());
                self.known.insert(peer.ip());
            }
            3 => {
                self.client.revoke(peer.ip(), now);
                self.permitted.remove(&peer.ip());
            }
            4..=6 => {
                self.client.bind_channel(peer, now).unwrap();
                self.bound.insert(peer);
                self.known.insert(peer.ip());
            }
            7 | 8 => {
                self.client.release_channel(peer, now);
                self.bound.remove(&peer);
            }
            9..=12 => drop(self.say(peer)),
            13 | 14 => drop(self.hear(peer)),
            15 => self.rebind(),
            16 => {
                let addresses: [IpAddr; 1] = [IpAddr::from([10, 0, 0, self.random.between(2, 4) as u8])];
                if addresses[0] != self.client.path().local.ip() {
                    self.rebind();
                }
                self.client.network_changed(&addresses, now);
            }
            17 => self.server.restart(),
            18 => self.server.expire_nonces(),
            19 => self.is_cut = !self.is_cut,
            20 => {
                let transaction_id = None;
                let receipt = Receipt { path: *self.client.path(), transaction_id };
                let error = self.random.pick(&[SendError::Refused, SendError::NoRoute, SendError::Transient]);
                self.client.handle_send_error(&receipt, error, now);
            }
            _ => self.inject(),
        }
        self.drain();
    }

    fn inject(&mut self) {
        let method = self.random.pick(&[
            None,
            Some(Method::ALLOCATE),
            Some(Method::REFRESH),
            Some(Method::CREATE_PERMISSION),
            Some(Method::CHANNEL_BIND),
        ]);
        let fault = match self.random.below(9) {
            0 => Fault::LoseRequest,
            1 => Fault::LoseResponse,
            2 => Fault::Error(500),
            3 => Fault::Error(437),
            4 => Fault::UnsignedError(437),
            5 => Fault::UnsignedError(400),
            6 => Fault::Duplicate,
            7 => Fault::WrongKey,
            _ => Fault::Unsigned,
        };
        let times = self.random.between(1, 4) as u32;
        self.server.inject(method, fault, times);
    }

    /// Half an hour of it.
    fn suffer(&mut self) {
        let end = self.now.saturating_add(TROUBLE);
        while self.now < end {
            let pause = Duration::from_millis(self.random.between(0, 40_000));
            self.pass(pause);
            self.command();
        }
    }

    /// Whatever was in the way is so no longer.
    fn recover(&mut self) {
        (self.is_cut, self.loss, self.copies, self.delay) = (false, 0, 0, 20);
        self.server.clear_faults();
        self.pass(RECOVERY);
    }

    fn check(&mut self) {
        let seed = self.seed;
        assert!(self.client.is_allocated(), "seed {seed}: no relay");
        assert!(self.sent <= MAX_SENT, "seed {seed}: {} datagrams", self.sent);
        for ip in &self.permitted {
            assert!(self.client.is_permitted(*ip), "seed {seed}: {ip} is not permitted");
        }
        for peer in &self.bound {
            assert!(self.client.channel(*peer).is_some(), "seed {seed}: {peer} is not bound");
        }
        let reachable: Vec<_> = (0..PEERS)
            .map(peer)
            .filter(|peer| self.permitted.contains(&peer.ip()) || self.bound.contains(peer))
            .collect();
        for peer in reachable {
            // A server relays to where a client was before until it hears data from where it is (RFC 8016 s3.2.2).
            let out = self.say(peer);
            self.pass(seconds(1));
            let back = self.hear(peer);
            self.pass(seconds(1));
            assert!(self.told.contains(&(peer, out)), "seed {seed}: {peer} got nothing");
            assert!(self.heard.contains(&(peer, back)), "seed {seed}: nothing came from {peer}");
        }
        // A client that was told 437, which was a lie, moves to where it is already; and one whose new ticket was lost
        // on the way moves on with the old one.
        let violations = self.server.record().violations.iter();
        let violations: Vec<_> =
            violations.filter(|what| !what.ends_with(NOT_MOVED) && *what != OLD_TICKET).collect();
        assert!(violations.is_empty(), "seed {seed}: {violations:?}");
    }

    fn run(seed: u64) -> Self {
        let mut world = Self::new(seed);
        world.suffer();
        world.recover();
        world.check();
        world
    }
}

/// `TURN_WORLDS` gives the number of worlds, `TURN_WORLD` the one to look at.
#[test]
fn after_any_trouble_all_that_is_wished_for_is_there() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let worlds = match number("TURN_WORLD") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TURN_WORLDS").unwrap_or(300),
    };
    let mut failed = Vec::new();
    for seed in worlds {
        if let Err(error) = std::panic::catch_unwind(|| World::run(seed)) {
            failed.push((seed, error.downcast::<String>().map(|text| *text).unwrap_or_default()));
        }
    }
    assert!(failed.is_empty(), "{} worlds: {failed:#?}", failed.len());
}

#[test]
fn equal_seeds_make_equal_worlds() {
    for seed in [1, 77, 4242] {
        let mut worlds = [World::new(seed), World::new(seed)];
        worlds.iter_mut().for_each(World::suffer);
        assert!(!worlds[0].trace.is_empty());
        assert_eq!(worlds[0].trace, worlds[1].trace);
    }
}
