//! The client of the crate `turn-client-proto`, an implementation of others, against the TURN server that our
//! tests use: what that server is worth is seen by eyes that are not ours.

#![allow(missing_docs)]
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use libstun::Instant;
use libstun::wire::Method;
use libstun_sim::turn::{Output, TurnServer, TurnServerConfig};
use support::{addr, served};
use turn_client_proto::api::{Transmit, TurnClientApi, TurnConfig, TurnEvent, TurnPollRet, TurnRecvRet};
use turn_client_proto::types::stun::TransportType;
use turn_client_proto::types::stun::message::IntegrityAlgorithm;
use turn_client_proto::types::{AddressFamily, TurnCredentials};
use turn_client_proto::udp::TurnClientUdp;

const PEER: &str = "192.0.2.77:7000";
/// Their client sends no more than one request in 50 ms.
const MOMENT: Duration = Duration::from_secs(1);

/// Their client, our server, and a network that loses nothing and takes no time.
struct World {
    client: TurnClientUdp,
    server: TurnServer,
    now: Instant,
    events: Vec<TurnEvent>,
    /// What the client got from peers, and what peers got from the client.
    to_client: Vec<(SocketAddr, Vec<u8>)>,
    to_peers: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    /// When their client wants to be called again.
    wakes_at: Instant,
}

impl World {
    fn new(config: TurnServerConfig, families: &[AddressFamily], algorithm: IntegrityAlgorithm) -> Self {
        let mut asked = TurnConfig::new(TurnCredentials::new("alice", "s3cret"));
        asked.set_address_family(families[0]);
        families.iter().for_each(|family| asked.add_address_family(*family));
        asked.set_supported_integrity(algorithm);
        let client = TurnClientUdp::allocate(served().remote, served().local, asked);
        let now = Instant::from_millis(1);
        let server = TurnServer::new(config, now);
        let (events, to_client, to_peers) = (Vec::new(), Vec::new(), Vec::new());
        let mut world = Self { client, server, now, events, to_client, to_peers, wakes_at: now };
        world.pass(MOMENT);
        world
    }

    /// Everything that happens before time passes.
    fn settle(&mut self) {
        for _ in 0..100 {
            let wait = match self.client.poll(theirs(self.now)) {
                TurnPollRet::WaitUntil(at) => at,
                TurnPollRet::Closed => theirs(Instant::from_nanos(i64::MAX as u64)),
                other => panic!("{other:?}"),
            };
            self.wakes_at = Instant::from_nanos(wait.as_nanos() as u64);
            let sent: Vec<_> = std::iter::from_fn(|| self.client.poll_transmit(theirs(self.now))).collect();
            sent.iter().for_each(|sent| self.server.handle_client(served(), &sent.data, self.now));
            self.deliver();
            self.events.extend(std::iter::from_fn(|| self.client.poll_event()));
            if sent.is_empty() && self.wakes_at > self.now {
                return;
            }
        }
        panic!("their client never rests");
    }

    fn deliver(&mut self) {
        while let Some(output) = self.server.poll() {
            match output {
                Output::ToPeer { from, to, payload, .. } => self.to_peers.push((from, to, payload)),
                Output::ToClient { path, payload } => {
                    assert_eq!(path, served());
                    let arrived = Transmit::new(payload, TransportType::Udp, path.local, path.remote);
                    if let TurnRecvRet::PeerData(data) = self.client.recv(arrived, theirs(self.now)) {
                        self.to_client.push((data.peer, data.data().to_vec()));
                    }
                }
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now.saturating_add(time);
        while self.wakes_at < until {
            self.now = self.now.max(self.wakes_at);
            self.settle();
        }
        self.now = until;
        self.settle();
    }

    fn send(&mut self, data: &[u8]) {
        let sent = self.client.send_to(TransportType::Udp, addr(PEER), data, theirs(self.now)).unwrap();
        self.server.handle_client(served(), &sent.unwrap().build().data, self.now);
        self.deliver();
    }

    fn relayed(&self) -> SocketAddr {
        self.server.allocations()[0].relays[0].address
    }
}

fn theirs(now: Instant) -> stun_proto::Instant {
    stun_proto::Instant::from_nanos(now.as_nanos() as i64)
}

#[test]
fn their_client_allocates_talks_and_leaves() {
    for (offers_sha256, algorithm) in [(false, IntegrityAlgorithm::Sha1), (true, IntegrityAlgorithm::Sha256)]
    {
        let config =
            TurnServerConfig { has_password_algorithms: offers_sha256, ..TurnServerConfig::default() };
        let mut world = World::new(config, &[AddressFamily::IPV4], algorithm);
        let created = |event: &TurnEvent| matches!(event, TurnEvent::AllocationCreated(..));
        assert!(world.events.iter().any(created), "{:?}", world.events);
        assert_eq!(world.client.relayed_addresses().next().unwrap().1, world.relayed());

        world.client.create_permission(TransportType::Udp, addr(PEER).ip(), theirs(world.now)).unwrap();
        world.pass(MOMENT);
        world.send(b"by an indication");
        world.server.handle_peer(world.relayed(), addr(PEER), b"and back", world.now);
        world.deliver();
        world.client.bind_channel(TransportType::Udp, addr(PEER), theirs(world.now)).unwrap();
        world.pass(MOMENT);
        world.send(b"by a channel");
        world.server.handle_peer(world.relayed(), addr(PEER), b"and back again", world.now);
        world.deliver();

        let relayed = world.relayed();
        let sent = [&b"by an indication"[..], b"by a channel"];
        assert_eq!(world.to_peers, sent.map(|data| (relayed, addr(PEER), data.to_vec())));
        let received = [&b"and back"[..], b"and back again"];
        assert_eq!(world.to_client, received.map(|data| (addr(PEER), data.to_vec())));
        assert_eq!(world.server.allocations()[0].channels.len(), 1);
        world.client.delete(theirs(world.now)).unwrap();
        world.pass(MOMENT);
        assert!(world.server.allocations().is_empty());
        assert!(world.server.record().violations.is_empty(), "{:?}", world.server.record().violations);
    }
}

#[test]
fn their_client_gets_both_families() {
    let families = [AddressFamily::IPV4, AddressFamily::IPV6];
    let world = World::new(TurnServerConfig::default(), &families, IntegrityAlgorithm::Sha1);
    assert_eq!(world.server.allocations()[0].relays.len(), 2);
    assert_eq!(world.client.relayed_addresses().count(), 2);
}

/// Case 88.
#[test]
fn their_client_keeps_everything_alive_for_a_day() {
    let mut world = World::new(TurnServerConfig::default(), &[AddressFamily::IPV4], IntegrityAlgorithm::Sha1);
    let relayed = world.relayed();
    world.client.bind_channel(TransportType::Udp, addr(PEER), theirs(world.now)).unwrap();
    world.pass(MOMENT);
    for _ in 0..24 {
        world.pass(Duration::from_secs(3600));
        world.server.handle_peer(relayed, addr(PEER), b"still there", world.now);
        world.deliver();
    }
    assert_eq!(world.to_client.len(), 24);
    let record = world.server.record();
    let stale = record.asked.iter().filter(|asked| asked.code == 438).count();
    // A channel lives for 10 minutes, a nonce too.
    assert!(stale > 24 && record.count(Method::CHANNEL_BIND) > 144 && record.count(Method::REFRESH) > 24);
    assert!(world.server.record().violations.is_empty(), "{:?}", world.server.record().violations);
}
