//! The server of the crate `turn-server-proto`, an implementation of others, in memory: bytes in, bytes out.
//!
//! It shares no code with ours. Like its sister `stun-proto` it counts the bits of the nonce cookie from the left,
//! as the text of RFC 8489 s18.1 does.

#![allow(missing_docs)]
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use libstun::wire::attribute::{
    ErrorCode, Lifetime, Nonce, Realm, RequestedTransport, Username, XorMappedAddress, XorRelayedAddress,
};
use libstun::wire::{Class, Integrity, IntegrityAlgorithm, Key, Message, Method, TransactionId};
use libstun::{Datagram, FiveTuple, Instant, Machine, Outcome, Transport};
use support::{addr, message, served};
use turn_server_proto::api::{SocketAllocateError, Transmit, TurnServerApi, TurnServerPollRet};
use turn_server_proto::server::TurnServer;
use turn_server_proto::stun::types::TransportType;
use turn_server_proto::types::AddressFamily;

const REALM: &str = "example.test";
const USER: &str = "alice";
const SECRET: &str = "s3cret";

/// Their server, its sockets and their addresses.
struct Theirs {
    server: TurnServer,
    listens_at: SocketAddr,
    next_port: u16,
}

/// A datagram that leaves their server: to the client if it comes from where the server listens, else to a peer.
#[derive(Debug, PartialEq, Eq)]
struct Sent {
    from: SocketAddr,
    to: SocketAddr,
    payload: Vec<u8>,
}

impl Theirs {
    fn new(listens_at: SocketAddr) -> Self {
        let mut server = TurnServer::new(TransportType::Udp, listens_at, REALM.to_owned());
        server.add_user(USER.to_owned(), SECRET.to_owned());
        // Their 438 lacks the PASSWORD-ALGORITHMS that their nonce promises, so that a client of RFC 8489 s9.2.5 has to
        // ignore it: their nonces must outlive the tests.
        server.set_nonce_expiry_duration(Duration::from_secs(86_400));
        Self { server, listens_at, next_port: 50_000 }
    }

    /// Bytes that arrive on a path, seen from the server: `path.local` is where it listens, or a relayed address.
    fn handle(&mut self, path: FiveTuple, bytes: &[u8], now: Instant) -> Vec<Sent> {
        assert_eq!(path.transport, Transport::Udp);
        let arrived = Transmit::new(bytes, TransportType::Udp, path.remote, path.local);
        let direct = self.server.recv(arrived, theirs(now)).map(|reply| sent(reply.build()));
        direct.into_iter().chain(self.progress(now)).collect()
    }

    /// Everything that time and its sockets bring about.
    fn progress(&mut self, now: Instant) -> Vec<Sent> {
        loop {
            match self.server.poll(theirs(now)) {
                TurnServerPollRet::WaitUntil(_) => break,
                TurnServerPollRet::AllocateSocket {
                    transport,
                    listen_addr,
                    client_addr,
                    allocation_transport,
                    family,
                } => {
                    let socket = self.open(family);
                    self.server.allocated_socket(
                        transport,
                        listen_addr,
                        client_addr,
                        allocation_transport,
                        family,
                        socket,
                        theirs(now),
                    );
                }
                // A socket that closes needs nothing here, and nothing asks for TCP.
                _ => {}
            }
        }
        let queue = std::iter::from_fn(|| self.server.poll_transmit(theirs(now)));
        queue.map(sent).collect()
    }

    fn open(&mut self, family: AddressFamily) -> Result<SocketAddr, SocketAllocateError> {
        if family != AddressFamily::IPV4 {
            return Err(SocketAllocateError::AddressFamilyNotSupported);
        }
        self.next_port += 1;
        Ok(SocketAddr::new(self.listens_at.ip(), self.next_port))
    }
}

fn theirs(now: Instant) -> turn_server_proto::types::Instant {
    turn_server_proto::types::Instant::from_nanos(now.as_nanos() as i64)
}

fn sent(transmit: Transmit<Vec<u8>>) -> Sent {
    Sent { from: transmit.from, to: transmit.to, payload: transmit.data }
}

/// The only datagram of a list, which goes to the client.
fn reply(mut sent: Vec<Sent>) -> Vec<u8> {
    assert_eq!(sent.len(), 1);
    let only = sent.remove(0);
    assert_eq!((only.from, only.to), (served().local, served().remote));
    only.payload
}

fn code(reply: &[u8]) -> u16 {
    Message::parse(reply).unwrap().get::<ErrorCode<'_>>().unwrap().map_or(200, |error| error.code)
}

#[test]
fn their_server_challenges_an_allocate_request_and_then_grants_it() {
    let mut server = Theirs::new(served().local);
    let plain = message(Class::Request, Method::ALLOCATE, TransactionId::new([1; 12]), |builder| {
        builder.add(&RequestedTransport::UDP).unwrap();
    });
    let challenge = reply(server.handle(served(), &plain, Instant::ZERO));
    assert_eq!(code(&challenge), 401);
    let challenge = Message::parse(&challenge).unwrap();
    let (realm, nonce) =
        (challenge.get::<Realm<'_>>().unwrap().unwrap(), challenge.get::<Nonce<'_>>().unwrap().unwrap());
    assert_eq!(realm.0, REALM.as_bytes());

    let key = Key::long_term_md5(USER.as_bytes(), realm.0, SECRET.as_bytes());
    let signed = message(Class::Request, Method::ALLOCATE, TransactionId::new([2; 12]), |builder| {
        builder.add(&RequestedTransport::UDP).unwrap();
        builder.add(&Username(USER.as_bytes())).unwrap();
        builder.add(&realm).unwrap();
        builder.add(&nonce).unwrap();
        builder.sign(&key).unwrap();
    });
    let granted = reply(server.handle(served(), &signed, Instant::ZERO));
    let granted = Message::parse(&granted).unwrap();
    assert_eq!((granted.class(), granted.method()), (Class::SuccessResponse, Method::ALLOCATE));
    assert_eq!(granted.check_integrity(IntegrityAlgorithm::Sha1, &key), Integrity::Valid);
    assert_eq!(granted.get(), Ok(Some(XorRelayedAddress(addr("192.0.2.1:50001")))));
    assert_eq!(granted.get(), Ok(Some(XorMappedAddress(served().remote))));
    assert_eq!(granted.get(), Ok(Some(Lifetime(Duration::from_secs(600)))));
}

/// Our client and their server, with no time on the way.
struct Pair {
    client: libstun::turn::Allocation,
    server: Theirs,
    now: Instant,
    events: Vec<libstun::turn::AllocationEvent>,
    to_peers: Vec<Sent>,
    to_client: Vec<(SocketAddr, Vec<u8>)>,
}

impl Pair {
    fn new() -> Self {
        let path = FiveTuple { local: served().remote, remote: served().local, ..served() };
        let user = libstun::auth::LongTerm::new(USER, SECRET).unwrap();
        let config = libstun::turn::AllocationConfig::new(path, user);
        let now = Instant::from_millis(1);
        let entropy = libstun::Entropy::from_seed([7; 32]);
        let client = libstun::turn::Allocation::new(config, entropy, now).unwrap();
        let (events, to_peers, to_client) = (Vec::new(), Vec::new(), Vec::new());
        let mut pair = Self { client, server: Theirs::new(path.remote), now, events, to_peers, to_client };
        pair.settle(Vec::new());
        pair
    }

    fn settle(&mut self, mut sent: Vec<Sent>) {
        loop {
            while let Some(transmit) = self.client.poll_transmit() {
                sent.extend(self.server.handle(served(), transmit.payload, self.now));
            }
            sent.extend(self.server.progress(self.now));
            if sent.is_empty() {
                break;
            }
            for one in sent.drain(..) {
                if one.from != served().local {
                    self.to_peers.push(one);
                    continue;
                }
                let arrived = Datagram::new(*self.client.path(), &one.payload);
                if let Outcome::Unwrapped(data) = self.client.handle_input(&arrived, self.now) {
                    self.to_client.push((data.path.remote, data.payload.to_vec()));
                }
            }
        }
        self.events.extend(std::iter::from_fn(|| self.client.poll_event()));
    }

    fn pass(&mut self, duration: Duration) {
        let end = self.now.saturating_add(duration);
        while let Some(at) = self.client.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.client.handle_timeout(self.now);
            self.settle(Vec::new());
        }
        self.now = end;
    }
}

#[test]
fn our_client_relays_through_their_server_for_hours() {
    let mut pair = Pair::new();
    let relayed = pair.client.relayed_address().expect("their server grants it");
    let peer = addr("203.0.113.77:7000");
    pair.client.permit(peer.ip(), pair.now).unwrap();
    pair.settle(Vec::new());
    let mut buffer = [0; 128];
    for (round, is_bound) in [(&b"by an indication"[..], false), (b"through a channel", true)] {
        if is_bound {
            pair.client.bind_channel(peer, pair.now).unwrap();
            pair.settle(Vec::new());
        }
        assert_eq!(pair.client.channel(peer).is_some(), is_bound);
        let out = pair.client.send(peer, round, &mut buffer, pair.now).unwrap().payload.to_vec();
        let sent = pair.server.handle(served(), &out, pair.now);
        pair.settle(sent);
        let expected = Sent { from: relayed, to: peer, payload: round.to_vec() };
        assert_eq!(pair.to_peers.pop(), Some(expected));
        let path = FiveTuple { local: relayed, remote: peer, ..served() };
        let sent = pair.server.handle(path, round, pair.now);
        pair.settle(sent);
        assert_eq!(pair.to_client.pop(), Some((peer, round.to_vec())));
    }
    pair.events.clear();
    for _ in 0..12 {
        pair.pass(Duration::from_secs(3600));
        assert_eq!(pair.events, [], "whatever runs out is renewed");
        let out = pair.client.send(peer, b"still there", &mut buffer, pair.now).unwrap().payload.to_vec();
        let sent = pair.server.handle(served(), &out, pair.now);
        pair.settle(sent);
        assert_eq!(pair.to_peers.pop().map(|sent| sent.payload), Some(b"still there".to_vec()));
    }
    pair.client.close(pair.now);
    pair.settle(Vec::new());
    assert_eq!(pair.events, [libstun::turn::AllocationEvent::Closed]);
}
