//! Relays over streams: TCP to the server, cut anywhere, and TCP to peers (RFC 6062).

#![allow(missing_docs)]
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::collections::VecDeque;
use std::net::SocketAddr;

use libstun::agent::OperationId;
use libstun::turn::{AllocationConfig, AllocationEvent, ConnectError, FailureReason, RelayTransport};
use libstun::wire::attribute::ConnectionId;
use libstun::{Agent, Entropy, Event, FiveTuple, Instant, Machine, Transport};
use libstun_sim::turn::{Output, TurnServer, TurnServerConfig};
use support::relay::{grant_all, relay_config};
use support::turn_world::{alice, client_path, peer, seconds};

/// An agent with a relay over a stream, and a server behind streams.
struct Streams {
    agent: Agent,
    relay: OperationId,
    server: TurnServer,
    now: Instant,
    /// The connections that are open: the path and the agent's id of it.
    open: Vec<(FiveTuple, OperationId)>,
    events: VecDeque<AllocationEvent>,
    /// What came over connections that carry a peer's bytes.
    raw: Vec<(FiveTuple, Vec<u8>)>,
    to_peers: Vec<(SocketAddr, Vec<u8>)>,
}

fn control() -> FiveTuple {
    FiveTuple::tcp(client_path().local, client_path().remote)
}

fn second() -> FiveTuple {
    FiveTuple { local: "10.0.0.2:5001".parse().unwrap(), ..control() }
}

impl Streams {
    fn new(config: AllocationConfig) -> Self {
        let now = Instant::from_millis(1);
        let mut agent = Agent::new(Entropy::from_seed([7; 32]), now);
        let config = AllocationConfig { path: control(), ..config };
        let relay = agent.start_allocation(config, now).unwrap();
        let refusing_peers = vec!["203.0.113.78:7000".parse().unwrap()];
        let server = TurnServerConfig { has_tcp: true, refusing_peers, ..TurnServerConfig::default() };
        let server = TurnServer::new(server, now);
        let open = vec![(control(), agent.open_stream(control(), 0, now).unwrap())];
        let (events, raw, to_peers) = (VecDeque::new(), Vec::new(), Vec::new());
        let mut world = Self { agent, relay, server, now, open, events, raw, to_peers };
        world.settle();
        world
    }

    fn settle(&mut self) {
        for _ in 0..100 {
            let mut is_moving = false;
            while let Some(transmit) = self.agent.poll_transmit() {
                is_moving = true;
                let path =
                    FiveTuple { local: transmit.path.remote, remote: transmit.path.local, ..transmit.path };
                self.server.handle_client(path, transmit.payload, self.now);
            }
            while let Some(output) = self.server.poll() {
                is_moving = true;
                match output {
                    Output::ToPeer { to, payload, .. } => self.to_peers.push((to, payload)),
                    Output::ToClient { path, payload } => {
                        self.read(FiveTuple { local: path.remote, remote: path.local, ..path }, &payload);
                    }
                }
            }
            while let Some(event) = self.agent.poll_event() {
                if let Event::Allocation(event) = event.event {
                    self.events.push_back(event);
                }
            }
            if !is_moving {
                return;
            }
        }
        panic!("no end");
    }

    fn read(&mut self, path: FiveTuple, bytes: &[u8]) {
        let Some((_, id)) = self.open.iter().find(|(open, _)| *open == path) else { return };
        let (taken, data) = self.agent.unwrap_stream(*id, bytes, self.now).unwrap();
        assert!(data.is_none());
        if taken < bytes.len() {
            self.raw.push((path, bytes[taken..].to_vec()));
        }
    }

    fn connect(&mut self, path: FiveTuple, connection: ConnectionId) {
        let id = self.agent.open_stream(path, 1, self.now).unwrap();
        self.open.push((path, id));
        self.agent.peer_connection_opened(self.relay, connection, path, 1, self.now).unwrap();
        self.settle();
    }
}

fn to_peers() -> AllocationConfig {
    AllocationConfig { transport: RelayTransport::Tcp, ..alice() }
}

#[test]
fn a_peer_is_connected_to_and_its_bytes_follow_the_bind() {
    let mut world = Streams::new(to_peers());
    assert!(matches!(world.events.pop_front(), Some(AllocationEvent::Allocated { .. })));
    world.agent.permit_peer(world.relay, peer().ip(), world.now).unwrap();
    world.settle();
    world.events.clear();
    world.agent.connect_peer(world.relay, peer(), world.now).unwrap();
    let again = world.agent.connect_peer(world.relay, peer(), world.now).unwrap_err();
    assert_eq!(again, libstun::agent::RelayError::Refused(ConnectError::AlreadyConnecting));
    world.settle();
    let Some(AllocationEvent::OpenConnection { connection, peer: to, is_incoming: false, path }) =
        world.events.pop_front()
    else {
        panic!("{:?}", world.events)
    };
    assert_eq!((to, path.remote), (peer(), control().remote));
    // The peer is faster than the bind: its bytes come in the same read as the answer.
    world.server.handle_peer(
        world.agent.allocation(world.relay).unwrap().relayed_address().unwrap(),
        peer(),
        b"early",
        world.now,
    );
    let wrong = world.agent.peer_connection_opened(world.relay, connection, control(), 0, world.now);
    assert_eq!(wrong.unwrap_err(), libstun::agent::RelayError::Refused(ConnectError::Path));
    world.connect(second(), connection);
    let bound = AllocationEvent::ConnectionBound { connection, peer: peer(), path: second() };
    assert_eq!(world.events.pop_front(), Some(bound));
}

#[test]
fn a_peer_that_connects_is_announced_and_waits_half_a_minute() {
    let mut world = Streams::new(to_peers());
    world.agent.permit_peer(world.relay, peer().ip(), world.now).unwrap();
    world.settle();
    world.events.clear();
    let relayed = world.agent.allocation(world.relay).unwrap().relayed_address().unwrap();
    world.server.handle_peer_connection(relayed, peer(), world.now);
    world.settle();
    let Some(AllocationEvent::OpenConnection { connection, is_incoming: true, .. }) =
        world.events.pop_front()
    else {
        panic!("{:?}", world.events)
    };
    world.connect(second(), connection);
    assert!(matches!(world.events.pop_front(), Some(AllocationEvent::ConnectionBound { .. })));
    // One that the host does not want.
    world.server.handle_peer_connection(relayed, SocketAddr::new(peer().ip(), 7001), world.now);
    world.settle();
    assert!(matches!(world.events.pop_front(), Some(AllocationEvent::OpenConnection { .. })));
    world.now = world.now.saturating_add(seconds(30));
    world.agent.handle_timeout(world.now);
    world.settle();
    let late = world.events.pop_front();
    let reason = FailureReason::Timeout;
    assert!(matches!(late, Some(AllocationEvent::ConnectionFailed { reason: given, .. }) if given == reason));
    let gone = world.agent.peer_connection_opened(world.relay, ConnectionId(999), second(), 1, world.now);
    assert_eq!(gone.unwrap_err(), libstun::agent::RelayError::Refused(ConnectError::UnknownConnection));
}

#[test]
fn a_peer_that_does_not_answer_is_told_and_the_relay_stays() {
    let mut world = Streams::new(to_peers());
    world.events.clear();
    let silent: SocketAddr = "203.0.113.78:7000".parse().unwrap();
    world.agent.permit_peer(world.relay, silent.ip(), world.now).unwrap();
    world.agent.connect_peer(world.relay, silent, world.now).unwrap();
    world.settle();
    let reason = FailureReason::ErrorResponse { code: 447 };
    let failed = AllocationEvent::ConnectionFailed { peer: silent, reason };
    assert!(world.events.contains(&failed), "{:?}", world.events);
    assert!(world.agent.allocation(world.relay).unwrap().is_allocated());
}

/// The first reply and data of a peer, however the stream is cut.
#[test]
fn a_stream_gives_the_same_data_wherever_it_is_cut() {
    let now = Instant::ZERO;
    let frames: [&[u8]; 3] = [b"\x40\x00\x00\x05hello\0\0\0", b"\x40\x00\x00\x00", b"\x40\x00\x00\x04four"];
    let stream = frames.concat();
    for size in 1..=stream.len() {
        let mut agent = Agent::new(Entropy::from_seed([7; 32]), now);
        let path = FiveTuple::tcp(relay_config(0).path.local, relay_config(0).path.remote);
        let id = agent.start_allocation(AllocationConfig { path, ..relay_config(0) }, now).unwrap();
        agent.bind_channel(id, peer(), now).unwrap();
        grant_all(&mut agent, now);
        let connection = agent.open_stream(path, 7, now).unwrap();
        let mut heard = Vec::new();
        for mut piece in stream.chunks(size) {
            loop {
                let (taken, data) = agent.unwrap_stream(connection, piece, now).unwrap();
                piece = &piece[taken..];
                let Some(data) = data else { break };
                assert_eq!((data.path.remote, data.socket_id), (peer(), 7));
                heard.push(data.payload.to_vec());
            }
            assert!(piece.is_empty());
        }
        assert_eq!(heard, [&b"hello"[..], b"", b"four"], "in pieces of {size}");
    }
}

/// Padding over a stream is exact, in both directions (RFC 8656 s12.5).
#[test]
fn what_is_sent_over_a_stream_is_padded() {
    let now = Instant::ZERO;
    for transport in [Transport::Tcp, Transport::Tls] {
        let mut agent = Agent::new(Entropy::from_seed([7; 32]), now);
        let path = FiveTuple { transport, ..relay_config(0).path };
        let id = agent.start_allocation(AllocationConfig { path, ..relay_config(0) }, now).unwrap();
        agent.bind_channel(id, peer(), now).unwrap();
        grant_all(&mut agent, now);
        let mut buffer = [0xAA; 64];
        let transmit = agent.send_to_peer(id, peer(), b"hello", &mut buffer, now).unwrap();
        assert_eq!((transmit.payload, transmit.path), (&b"\x40\x00\x00\x05hello\0\0\0"[..], path));
        let mut buffer = [0xAA; 64];
        buffer[4..9].copy_from_slice(b"hello");
        let transmit = agent.send_to_peer_in_place(id, peer(), &mut buffer, 4..9, now).unwrap();
        assert_eq!(transmit.payload, b"\x40\x00\x00\x05hello\0\0\0");
        assert_eq!(agent.poll_timeout(), Some(Instant::from_millis(260_000)), "no keepalive over a stream");
    }
}

/// A connection that is lost is asked for anew, and the relay with it.
#[test]
fn a_lost_connection_is_asked_for_and_the_relay_comes_back() {
    let mut world = Streams::new(alice());
    world.agent.bind_channel(world.relay, peer(), world.now).unwrap();
    world.settle();
    world.events.clear();
    world.now = world.now.saturating_add(seconds(100));
    let (_, id) = world.open.remove(0);
    world.agent.close_stream(id, world.now).unwrap();
    world.settle();
    assert!(matches!(world.events.pop_front(), Some(AllocationEvent::Lost { .. })));
    assert_eq!(world.events.pop_front(), Some(AllocationEvent::Reconnect { path: control() }));
    assert_eq!(world.events.pop_front(), None);
    let id = world.agent.open_stream(second(), 1, world.now).unwrap();
    world.open.push((second(), id));
    world.agent.relay_reconnected(world.relay, second(), 1, world.now).unwrap();
    world.settle();
    assert!(matches!(world.events.pop_front(), Some(AllocationEvent::Allocated { .. })));
    assert!(matches!(world.events.pop_front(), Some(AllocationEvent::ChannelBound { .. })));
}

/// Over a stream an unsigned 438 is the server's: each of two Connects that meet it is asked again.
#[test]
fn a_stale_nonce_costs_no_connect() {
    for signs in [false, true] {
        let mut world = Streams::new(to_peers());
        world.server.config_mut().signs_stale_nonces = signs;
        world.agent.permit_peer(world.relay, peer().ip(), world.now).unwrap();
        world.settle();
        world.events.clear();
        world.server.expire_nonces();
        for port in 1..=6 {
            world.agent.connect_peer(world.relay, SocketAddr::new(peer().ip(), port), world.now).unwrap();
        }
        world.settle();
        let offered = |event: &AllocationEvent| matches!(event, AllocationEvent::OpenConnection { .. });
        assert!(world.events.len() == 6 && world.events.iter().all(offered), "{:?}", world.events);
        assert_eq!(world.server.record().violations, [""; 0]);
    }
}

/// What the server was asked from where the host no longer is has no answer, and is told.
#[test]
fn a_connect_that_is_outstanding_over_a_move_fails() {
    let mut world = Streams::new(to_peers());
    world.server.config_mut().mobility = libstun_sim::turn::Mobility::Allowed;
    let (_, id) = world.open.remove(0);
    world.agent.close_stream(id, world.now).unwrap();
    world.settle();
    let id = world.agent.open_stream(second(), 1, world.now).unwrap();
    world.open.push((second(), id));
    world.agent.relay_reconnected(world.relay, second(), 1, world.now).unwrap();
    world.settle(); // now with a ticket
    world.agent.permit_peer(world.relay, peer().ip(), world.now).unwrap();
    world.settle();
    world.events.clear();
    world.server.inject(Some(libstun::wire::Method::CONNECT), libstun_sim::turn::Fault::LoseRequest, 1);
    world.agent.connect_peer(world.relay, peer(), world.now).unwrap();
    world.settle();
    let (_, id) = world.open.remove(0);
    world.agent.close_stream(id, world.now).unwrap();
    world.settle();
    let reason = FailureReason::NetworkChanged;
    assert_eq!(world.events.pop_front(), Some(AllocationEvent::ConnectionFailed { peer: peer(), reason }));
    let third = FiveTuple { local: "10.0.0.2:5002".parse().unwrap(), ..control() };
    let id = world.agent.open_stream(third, 2, world.now).unwrap();
    world.open.push((third, id));
    world.agent.relay_reconnected(world.relay, third, 2, world.now).unwrap();
    world.settle();
    assert!(
        world.events.iter().any(|event| matches!(event, AllocationEvent::Moved { .. })),
        "{:?}",
        world.events
    );
    world.agent.connect_peer(world.relay, peer(), world.now).unwrap();
}

/// A connection that ends while the host looks for credentials is asked for anew when it has them.
#[test]
fn credentials_after_a_lost_connection_ask_for_another_one() {
    use libstun::auth::LongTerm;
    let wrong = AllocationConfig::new(control(), LongTerm::new("alice", "wrong").unwrap());
    let mut world = Streams::new(wrong);
    assert!(matches!(world.events.pop_front(), Some(AllocationEvent::CredentialsNeeded { .. })));
    let (_, id) = world.open.remove(0);
    world.agent.close_stream(id, world.now).unwrap();
    world.settle();
    assert_eq!(world.events.pop_front(), None);
    let right = LongTerm::new("alice", "s3cret").unwrap();
    world.agent.set_credentials(world.relay, right.into(), None, world.now).unwrap();
    world.settle();
    assert_eq!(world.events.pop_front(), Some(AllocationEvent::Reconnect { path: control() }));
    let id = world.agent.open_stream(second(), 1, world.now).unwrap();
    world.open.push((second(), id));
    world.agent.relay_reconnected(world.relay, second(), 1, world.now).unwrap();
    world.settle();
    assert!(matches!(world.events.pop_front(), Some(AllocationEvent::Allocated { .. })));
}

/// One step can tell of every connection in the making and of what has become of the relay.
#[test]
fn the_loss_of_a_relay_with_many_connections_is_told_in_full() {
    let mut world = Streams::new(to_peers());
    world.agent.permit_peer(world.relay, peer().ip(), world.now).unwrap();
    world.settle();
    let relayed = world.agent.allocation(world.relay).unwrap().relayed_address().unwrap();
    for port in 1..=64 {
        world.server.handle_peer_connection(relayed, SocketAddr::new(peer().ip(), port), world.now);
    }
    world.settle();
    world.events.clear();
    let (_, id) = world.open.remove(0);
    world.agent.close_stream(id, world.now).unwrap();
    world.settle();
    assert!(matches!(world.events[0], AllocationEvent::Lost { .. }), "{:?}", world.events[0]);
    let failed = |event: &&AllocationEvent| matches!(event, AllocationEvent::ConnectionFailed { .. });
    assert_eq!(world.events.iter().filter(failed).count(), 64);
    assert_eq!(world.agent.allocation(world.relay).unwrap().dropped_events(), 0);
}
