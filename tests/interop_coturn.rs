//! Our client against a real coturn, on loopback. Run by tests/interop/client.sh, which starts the servers and says
//! where they are; `cargo test` alone leaves them out.
//!
//! | variable | the server |
//! |---|---|
//! | `COTURN_AUTH` | long-term credentials alice / s3cret at example.test, for Binding too; stale-nonce=30 |
//! | `COTURN_REDIRECT` | redirects to `COTURN_AUTH` |
//! | `COTURN_OPEN` | no credentials, RFC 5780 on 127.0.0.1 and 127.0.0.2 |

#![allow(missing_docs)]
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, clippy::unwrap_used)]
#![allow(clippy::disallowed_types)] // a host has sockets

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use libstun::agent::OperationId;
use libstun::auth::{AuthFailure, LongTerm};
use libstun::nat::{Confidence, Dependence, Probe, ProbeConfig, ProbeEvent, ProbeSocket};
use libstun::stun::binding::FailureReason;
use libstun::stun::{BindingConfig, BindingEvent};
use libstun::wire::attribute::{ErrorCode, Nonce, RequestedTransport};
use libstun::wire::{Class, Message, MessageBuilder, Method};
use libstun::{Agent, Clock, Datagram, Entropy, Event, FiveTuple, Machine};

fn server(variable: &str) -> SocketAddr {
    let value = std::env::var(variable).unwrap_or_else(|_| panic!("{variable} says no server"));
    value.parse().unwrap()
}

fn config(path: FiveTuple, password: &str) -> BindingConfig {
    let credentials = Some(LongTerm::new("alice", password).unwrap().into());
    BindingConfig { credentials, ..BindingConfig::once(path) }
}

/// An agent on a UDP socket, and what it has sent and heard.
struct Host {
    agent: Agent,
    clock: Clock,
    socket: UdpSocket,
    nonces: Vec<Vec<u8>>,
    challenges: Vec<u16>,
    /// A server to which requests go, and from which responses come, as if they were of method Allocate.
    bent: Option<SocketAddr>,
}

impl Host {
    fn new() -> Self {
        let clock = Clock::new();
        Self {
            agent: Agent::new(Entropy::from_os().unwrap(), clock.now()),
            clock,
            socket: UdpSocket::bind("127.0.0.1:0").unwrap(),
            nonces: Vec::new(),
            challenges: Vec::new(),
            bent: None,
        }
    }

    fn path(&self, server: SocketAddr) -> FiveTuple {
        FiveTuple::udp(self.socket.local_addr().unwrap(), server)
    }

    fn start(&mut self, config: BindingConfig) -> OperationId {
        self.agent.start_binding(config, self.clock.now()).unwrap()
    }

    /// Runs until something happens, or until `until` has passed.
    fn next(&mut self, until: libstun::Instant) -> Option<BindingEvent> {
        loop {
            while let Some(transmit) = self.agent.poll_transmit() {
                let message = Message::parse(transmit.payload).unwrap();
                self.nonces.extend(message.get::<Nonce<'_>>().unwrap().map(|nonce| nonce.0.to_vec()));
                let bytes = bend(self.bent, transmit.payload, transmit.path.remote);
                self.socket.send_to(&bytes, transmit.path.remote).unwrap();
            }
            if let Some(happened) = self.agent.poll_event() {
                let Event::Binding(event) = happened.event else { panic!("{happened:?}") };
                return Some(event);
            }
            let now = self.clock.now();
            if now >= until {
                return None;
            }
            let deadline = self.agent.poll_timeout().map_or(until, |at| at.min(until));
            self.socket.set_read_timeout(self.clock.read_timeout(Some(deadline))).unwrap();
            let mut buffer = [0; 2048];
            if let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
                let bytes = bend(self.bent, &buffer[..length], from);
                let message = Message::parse(&bytes).unwrap();
                self.challenges.extend(message.get::<ErrorCode<'_>>().unwrap().map(|error| error.code));
                let _ = self.agent.handle_input(&Datagram::new(self.path(from), &bytes), self.clock.now());
            }
            self.agent.handle_timeout(self.clock.now());
        }
    }

    fn event(&mut self) -> BindingEvent {
        let limit = self.clock.now().saturating_add(Duration::from_secs(20));
        self.next(limit).expect("something happens")
    }
}

/// Turns a Binding request into an Allocate request, and its response back, for the server `bent`.
fn bend(bent: Option<SocketAddr>, bytes: &[u8], server: SocketAddr) -> Vec<u8> {
    if bent != Some(server) {
        return bytes.to_vec();
    }
    let message = Message::parse(bytes).unwrap();
    let is_request = message.class() == Class::Request;
    let method = if is_request { Method::new(3).unwrap() } else { Method::BINDING };
    let mut buffer = [0; 2048];
    let mut builder =
        MessageBuilder::new(&mut buffer, message.class(), method, message.transaction_id()).unwrap();
    message.covered().for_each(|raw| builder.add_raw(raw.ty, raw.value).unwrap());
    if is_request {
        builder.add(&RequestedTransport::UDP).unwrap();
    }
    builder.add_fingerprint().unwrap();
    builder.finish().to_vec()
}

fn is_mapped(event: &BindingEvent, local: SocketAddr) -> bool {
    matches!(event, BindingEvent::Mapped { address, .. } if *address == local)
}

#[test]
fn coturn_challenges_and_the_signed_retry_is_answered() {
    let mut host = Host::new();
    let path = host.path(server("COTURN_AUTH"));
    host.start(config(path, "s3cret"));
    let event = host.event();
    assert!(is_mapped(&event, path.local), "{event:?}");
    assert_eq!((host.challenges.as_slice(), host.nonces.len()), (&[401][..], 1));
}

#[test]
fn coturn_rejects_a_wrong_password_and_is_asked_no_third_time() {
    let mut host = Host::new();
    let path = host.path(server("COTURN_AUTH"));
    host.start(config(path, "wrong"));
    let reason = FailureReason::Authentication { failure: AuthFailure::Rejected };
    assert_eq!(host.event(), BindingEvent::Failed { reason });
    assert_eq!(host.nonces.len(), 1);
}

#[test]
fn coturn_cannot_give_what_is_required_and_nothing_weaker_is_sent() {
    for (credentials, failure) in [
        (LongTerm::new("alice", "s3cret").unwrap().require_sha256(), AuthFailure::Sha256NotOffered),
        (LongTerm::new("alice", "s3cret").unwrap().require_anonymity(), AuthFailure::AnonymityNotOffered),
    ] {
        let mut host = Host::new();
        let path = host.path(server("COTURN_AUTH"));
        let credentials = Some(credentials.into());
        host.start(BindingConfig { credentials, ..BindingConfig::once(path) });
        let reason = FailureReason::Authentication { failure };
        assert_eq!(host.event(), BindingEvent::Failed { reason });
        assert_eq!(host.nonces.len(), 0);
    }
}

/// 40 s of a binding that refreshes every 2 s at a server whose nonces live 30 s.
#[test]
fn a_nonce_that_goes_stale_is_replaced_without_the_host_noticing() {
    let mut host = Host::new();
    let path = host.path(server("COTURN_AUTH"));
    host.start(BindingConfig { refresh: Some(Duration::from_secs(2)), ..config(path, "s3cret") });
    let end = host.clock.now().saturating_add(Duration::from_secs(40));
    let mut answers = 0;
    while let Some(event) = host.next(end) {
        let is_answer = matches!(event, BindingEvent::Refreshed { .. }) || is_mapped(&event, path.local);
        assert!(is_answer, "{event:?}");
        answers += 1;
    }
    assert!(answers >= 19, "{answers} answers");
    assert!(host.challenges.contains(&438), "{:?}", host.challenges);
    host.nonces.dedup();
    assert!(host.nonces.len() >= 2);
    println!("{answers} answers, challenges {:?}", host.challenges);
}

/// coturn 4.6 redirects Allocate only. So the method, and FINGERPRINT with it, is changed on the way there and back;
/// the rest of the answer is coturn's.
#[test]
fn coturn_redirects_and_the_binding_follows_with_its_credentials() {
    let mut host = Host::new();
    let (from, to) = (server("COTURN_REDIRECT"), server("COTURN_AUTH"));
    let path = host.path(from);
    host.bent = Some(from);
    host.start(config(path, "s3cret"));
    let redirected = BindingEvent::Redirected { from, server: to, awaits_answer: false };
    assert_eq!(host.event(), redirected);
    let event = host.event();
    assert!(is_mapped(&event, path.local), "{event:?}");
    assert_eq!(host.challenges, [300, 401]);
}

/// On loopback there is no NAT, and nothing that could filter: what counts is that coturn's answers from elsewhere are
/// taken from where it says it has another address, and from nowhere else.
#[test]
fn coturn_shows_the_probe_that_there_is_no_nat_and_no_filter() {
    let server = server("COTURN_OPEN");
    let sockets = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let locals = [0, 1].map(|number: usize| sockets[number].local_addr().unwrap());
    let socket = |number: usize| ProbeSocket { socket_id: number as u32, ..ProbeSocket::new(locals[number]) };
    let config = ProbeConfig {
        primary: socket(0),
        second: Some(socket(1)),
        pacing: Duration::from_millis(100),
        ..ProbeConfig::new(locals[0], server)
    };
    let clock = Clock::new();
    let mut probe = Probe::new(config, Entropy::from_os().unwrap(), clock.now()).unwrap();
    let report = loop {
        while let Some(transmit) = probe.poll_transmit() {
            let socket = &sockets[transmit.socket_id as usize];
            socket.send_to(transmit.payload, transmit.path.remote).unwrap();
        }
        match probe.poll_event() {
            Some(ProbeEvent::Finished(report)) => break report,
            Some(_) => continue,
            None => {}
        }
        for (number, socket) in sockets.iter().enumerate() {
            socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let path = FiveTuple::udp(locals[number], from);
                let socket_id = number as u32;
                let datagram = Datagram { socket_id, ..Datagram::new(path, &buffer[..length]) };
                let _ = probe.handle_input(&datagram, clock.now());
            }
        }
        probe.handle_timeout(clock.now());
    };
    print!("{report}");
    assert_eq!(report.translation.known_value().map(|value| value.to_string()).as_deref(), Some("absent"));
    for finding in [&report.mapping, &report.filtering] {
        assert_eq!(finding.known_value(), Some(Dependence::EndpointIndependent), "{report}");
        assert_eq!(finding.confidence, Confidence::High, "{report}");
    }
    let other = report.other_address.expect("coturn has another address");
    assert_eq!(other.ip().to_string(), "127.0.0.2");
    let from_elsewhere =
        report.filtering.evidence.iter().any(|evidence| evidence.to_string().contains(&other.to_string()));
    assert!(from_elsewhere, "{report}");
}

#[test]
fn coturn_challenges_over_tcp_and_the_agent_cuts_the_stream() {
    let clock = Clock::new();
    let mut agent = Agent::new(Entropy::from_os().unwrap(), clock.now());
    let mut connection = TcpStream::connect(server("COTURN_AUTH")).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let path = FiveTuple::tcp(connection.local_addr().unwrap(), connection.peer_addr().unwrap());
    let stream = agent.open_stream(path, 0, clock.now()).unwrap();
    agent.start_binding(config(path, "s3cret"), clock.now()).unwrap();
    let event = loop {
        while let Some(transmit) = agent.poll_transmit() {
            connection.write_all(transmit.payload).unwrap();
        }
        if let Some(happened) = agent.poll_event() {
            break happened.event;
        }
        // A few bytes at a time, as a slow network would bring them.
        let mut buffer = [0; 7];
        let length = connection.read(&mut buffer).unwrap();
        assert_ne!(length, 0, "the connection stays open");
        agent.handle_stream(stream, &buffer[..length], clock.now()).unwrap();
    };
    let Event::Binding(event) = event else { panic!("{event:?}") };
    assert!(is_mapped(&event, path.local), "{event:?}");
}
