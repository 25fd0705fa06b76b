//! Every field of every event comes out of the buffer as it went in, by the layout that `output` gives.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)] // tests may

use std::collections::BTreeSet;
use std::time::Duration;

use libstun::agent::StreamEvent;
use libstun::nat::{Answer, Confidence, Connectivity, Dependence, ProbeConfig, Test};
use libstun::stun::binding::FailureReason;
use libstun::stun::discovery::{DiscoveryFailure, QuestionId, QuestionKind};
use libstun::stun::survey::ObservedMapping;
use libstun::stun::{BindingConfig, BindingEvent, DiscoveryEvent, ServerEvent, SurveyEvent};
use libstun::turn::{self, AllocationEvent, CredentialsNeed, MigrationReason, PoolEvent};
use libstun::wire::ChannelNumber;
use libstun::wire::attribute::{ConnectionId, Icmp};
use libstun::wire::stream::StreamError;
use libstun::{Entropy, Instant, OperationId, Transport};

use super::*;

const NOW: Instant = Instant::from_nanos(5_000_000_000);

/// Reads one event, all of which the bytes are.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn number(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.0[at..at + 4].try_into().unwrap())
    }

    fn wide(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.0[at..at + 8].try_into().unwrap())
    }

    fn address(&self, at: usize) -> Option<SocketAddr> {
        let words = Endpoint { tag: self.wide(at), low: self.wide(at + 8), high: self.wide(at + 16) };
        words.to_optional().unwrap()
    }

    fn flat(&self) -> FlatEvent {
        assert_eq!((self.number(0) as usize, self.0[7]), (self.0.len() - 4, 0));
        FlatEvent {
            kind: u32::from(u16::from_le_bytes([self.0[4], self.0[5]])),
            is_last: self.0[6] == 1,
            id: self.wide(8),
            reason: self.number(16),
            code: self.number(20),
            count: self.number(24),
            index: self.number(28),
            detail: self.number(32),
            relay: self.number(36),
            rtt: self.wide(40),
            at: self.wide(48),
            lifetime: self.wide(56),
            addr: self.address(64),
            previous: self.address(88),
            server: self.address(112),
            relayed: self.address(136),
            additional: self.address(160),
            peer: self.address(184),
            token: self.0[208..216].try_into().unwrap(),
        }
    }

    /// The text, the name and the rest.
    fn strings(&self) -> (String, String, Vec<u8>) {
        let mut rest = &self.0[228..];
        let mut next = |length: u32| {
            let (part, others) = rest.split_at(length as usize);
            rest = others;
            part.to_vec()
        };
        let [text, name, last] = [216, 220, 224].map(|at| next(self.number(at)));
        assert!(rest.is_empty(), "nothing is left over");
        (String::from_utf8(text).unwrap(), String::from_utf8(name).unwrap(), last)
    }
}

/// Four addresses of which no two have a part in common.
fn address(place: usize) -> SocketAddr {
    let all = ["192.0.2.1:3478", "[2001:db8::1:2]:5000", "[fe80::7%9]:65535", "203.0.113.255:1"];
    all[place].parse().unwrap()
}

fn path() -> FiveTuple {
    FiveTuple { transport: Transport::Tls, local: address(3), remote: address(0) }
}

fn of_stun() -> Vec<Event> {
    let (reason, rtt) = (FailureReason::IntegrityViolated { code: 401, count: 3 }, Some(Duration::MAX));
    let (local, server, target) = (address(1), address(0), usize::MAX);
    let close = StreamEvent::Close { path: path(), error: StreamError::WrongCookie };
    let mapping = ObservedMapping::SameEverywhere;
    let question = QuestionId::from_u32(u32::MAX);
    vec![
        BindingEvent::Mapped { address: address(2), rtt: None }.into(),
        BindingEvent::Failed { reason }.into(),
        BindingEvent::Refreshed { address: address(2), rtt }.into(),
        BindingEvent::AddressChanged { previous: local, address: address(2), rtt }.into(),
        BindingEvent::Retrying { reason, at: Instant::from_nanos(u64::MAX) }.into(),
        close.into(),
        BindingEvent::Redirected { from: address(3), server, awaits_answer: true }.into(),
        BindingEvent::Restarted { previous: local, local: address(2) }.into(),
        BindingEvent::Reconnect { path: path() }.into(),
        SurveyEvent::Mapped { target, path: path(), address: address(2), rtt }.into(),
        SurveyEvent::Failed { target, path: path(), reason }.into(),
        SurveyEvent::Finished { answered: 3, failed: 2, unanswered: usize::MAX, mapping }.into(),
        DiscoveryEvent::Resolve { question, kind: QuestionKind::Srv, name: "ä.example".into() }.into(),
        DiscoveryEvent::Servers(Vec::new()).into(),
        DiscoveryEvent::Failed { reason: DiscoveryFailure::NotOffered }.into(),
        ServerEvent::Throttled { address: local.ip() }.into(),
        ServerEvent::AuthenticationFailures { address: local.ip(), is_proven: true }.into(),
        ProbeEvent::Unanswered { test: Test::ChangePort, asked: server }.into(),
        ProbeEvent::Found {
            property: Property::Connectivity,
            value: Answer::Known(Connectivity::Open.into()),
            confidence: Confidence::High,
        }
        .into(),
        ProbeEvent::Finished(Box::new(report())).into(),
    ]
}

fn of_relays() -> Vec<AllocationEvent> {
    let (peer, reason) = (address(2), turn::FailureReason::ErrorResponse { code: 437 });
    let (connection, icmp) = (ConnectionId(u32::MAX), Icmp { icmp_type: 3, code: 4, data: 1400 });
    vec![
        AllocationEvent::Allocated {
            relayed: address(0),
            additional: Some(address(1)),
            mapped: Some(peer),
            lifetime: Duration::from_secs(600),
            reservation: Some([1, 2, 3, 4, 5, 6, 7, 8]),
            rtt: Some(Duration::from_nanos(1)),
        },
        AllocationEvent::FamilyRefused { is_ipv6: true, code: 440 },
        AllocationEvent::Permitted { peer: peer.ip() },
        AllocationEvent::ChannelBound { peer, number: ChannelNumber::new(0x4fff).unwrap() },
        AllocationEvent::PeerRefused { peer, code: 403 },
        AllocationEvent::PeerUnreachable { peer, icmp },
        AllocationEvent::Lost { relayed: address(0), reason },
        AllocationEvent::CredentialsNeeded { reason: CredentialsNeed::Expiring { at: NOW } },
        AllocationEvent::Moved { mapped: Some(peer) },
        AllocationEvent::OpenConnection { connection, peer, is_incoming: true, path: path() },
        AllocationEvent::ConnectionBound { connection, peer, path: path() },
        AllocationEvent::ConnectionFailed { peer, reason },
        AllocationEvent::Closed,
    ]
}

fn of_pools() -> Vec<PoolEvent> {
    let (relayed, additional, relay) = (address(0), Some(address(1)), 3);
    let reason = MigrationReason::Lost { reason: turn::FailureReason::ErrorResponse { code: 437 } };
    vec![
        PoolEvent::Ready { relay, relayed, additional, mapped: Some(address(2)), rtt: None },
        PoolEvent::Selected { relay, relayed, additional },
        PoolEvent::Migrated { from: 1, to: 2, relayed, additional, reason },
        PoolEvent::PeerUnserved { relay, peer: address(2), error: turn::PeerError::Full },
        PoolEvent::Superseded { relay, by: 4 },
    ]
}

fn report() -> Report {
    let mut agent = agent();
    let id = agent.start_nat_probe(ProbeConfig::new(address(3), address(0)), NOW).unwrap();
    let mut report = agent.nat_probe(id).unwrap().report().clone();
    report.mapping.value = Answer::Known(Dependence::EndpointIndependent);
    report.filtering.value = Answer::Known(Dependence::AddressDependent);
    (report.requests, report.responses, report.other_address) = (9, u32::MAX, Some(address(2)));
    report
}

fn agent() -> Agent {
    Agent::new(Entropy::from_seed([1; 32]), NOW)
}

fn written(event: Event, is_last: bool) -> (AgentEvent, Vec<u8>) {
    let happened = AgentEvent { id: OperationId::from_u64(u64::MAX - 1), event, is_last };
    let mut output = Output(Vec::new());
    output.event(&happened);
    (happened, output.0)
}

#[test]
fn every_kind_of_event_is_read_as_it_was_written() {
    let events = of_stun().into_iter();
    let events = events.chain(of_relays().into_iter().map(Event::from));
    let events = events.chain(of_pools().into_iter().map(Event::from));
    let mut kinds = BTreeSet::new();
    for (place, event) in events.enumerate() {
        let (happened, bytes) = written(event, place % 2 == 0);
        let (reader, expected) = (Reader(&bytes), flatten(&happened));
        assert_eq!(reader.flat(), expected, "{happened:?}");
        let (text, name, rest) = reader.strings();
        if let Event::NatProbe(ProbeEvent::Finished(report)) = &happened.event {
            assert_eq!((text, name), (report.to_string(), report.to_json().to_string()));
            assert_eq!(rest, report_in_numbers(report));
        } else {
            let mut line = String::new();
            write_text(&mut line, &happened.event).unwrap();
            assert_eq!((text.as_str(), name.as_str(), rest.len()), (line.as_str(), name_of(&happened), 0));
        }
        kinds.insert(expected.kind);
    }
    // 4 to 6 are no kinds.
    assert_eq!(kinds, (1..=3).chain(7..=40).collect());
}

#[test]
fn a_report_is_read_as_it_was_written() {
    let (report, flat) = (report(), flatten_report(&report()));
    let bytes = report_in_numbers(&report);
    let reader = Reader(&bytes);
    let numbers = [0, 4, 8, 12].map(|at| reader.number(at));
    assert_eq!(numbers, [9, u32::MAX, flat.depends_on_destination, Property::ALL.len() as u32]);
    assert_eq!((reader.address(16), reader.address(40)), (Some(flat.local), Some(address(2))));
    assert_eq!((reader.wide(64), reader.wide(72)), (flat.lifetime_at_least, flat.lifetime_below));
    for (place, found) in flat.findings.iter().take(Property::ALL.len()).enumerate() {
        let [value, confidence, reason, detail] = [0, 4, 8, 12].map(|at| reader.number(80 + 16 * place + at));
        assert_eq!(*found, FlatFinding { value, confidence, reason, detail }, "finding {place}");
    }
    let end = 80 + 16 * Property::ALL.len();
    let name = bytes.get(end + 4..).unwrap();
    assert_eq!((reader.number(end) as usize, name), (name.len(), &b"restricted cone NAT"[..]));
}

#[test]
fn a_nat_that_rfc_3489_has_no_word_for_has_an_empty_name() {
    let mut report = report();
    report.filtering.value = report.mapping.value;
    report.mapping.value = Answer::Known(Dependence::AddressDependent);
    let bytes = report_in_numbers(&report);
    assert_eq!(bytes.get(80 + 16 * Property::ALL.len()..), Some(&[0; 4][..]));
}

#[test]
fn data_of_peers_that_fills_a_buffer_keeps_the_rest_for_the_next() {
    let mut agent = agent();
    agent.start_binding(BindingConfig::new(FiveTuple::udp(address(3), address(0))), NOW).unwrap();
    let (payload, path) = (vec![7; 60_000], FiveTuple { transport: Transport::Udp, ..path() });
    let inner = Datagram { path, ecn: 2, socket_id: u32::MAX, payload: &payload };
    let mut output = Output::of(&Outcome::Consumed);
    for count in 1..=5 {
        output.peer_data(&inner, count);
    }
    let buffer = output.drain(&mut agent);
    let reader = Reader(&buffer);
    assert_eq!((reader.wide(0), buffer[OUTCOME]), (NOW.as_nanos(), 2), "there is more, at once");
    assert_eq!([PACKETS, EVENTS, PEER_DATA].map(|at| reader.number(at)), [0, 0, 5]);
    assert_eq!(buffer.len(), HEADER + 5 * (PACKET_HEADER + payload.len()));
    let at = HEADER + 4 * (PACKET_HEADER + payload.len());
    assert_eq!((reader.address(at), reader.address(at + 24)), (Some(path.local), Some(path.remote)));
    assert_eq!(buffer[at + 48..at + 60], [0, 2, 0, 0, 255, 255, 255, 255, 0x60, 0xea, 0, 0]);
    assert!(buffer[at + 60..].iter().all(|byte| *byte == 7));

    let buffer = Output::of(&Outcome::Consumed).drain(&mut agent);
    assert_eq!((Reader(&buffer).number(PACKETS), Reader(&buffer).number(PEER_DATA)), (1, 0));
}

#[test]
fn events_that_fill_a_buffer_come_one_after_the_other_and_none_is_lost() {
    let mut agent = agent();
    for port in 1_000..2_500 {
        let server = SocketAddr::new(address(0).ip(), port);
        let config =
            BindingConfig { refresh: None, ..BindingConfig::new(FiveTuple::udp(address(3), server)) };
        agent.start_binding(config, NOW).unwrap();
    }
    // Nobody answers, for longer than anybody asks.
    for second in 0..60 {
        agent.handle_timeout(Instant::from_nanos(NOW.as_nanos() + second * 1_000_000_000));
        while agent.poll_transmit().is_some() {}
    }
    let (mut seen, mut buffers) = (0, 0);
    while seen < 1_500 {
        let buffer = Output::of(&Outcome::Consumed).drain(&mut agent);
        let count = Reader(&buffer).number(EVENTS);
        assert!(count > 0 && buffer.len() < ENOUGH + 1_000);
        seen += count;
        buffers += 1;
        assert_eq!(Reader(&buffer).wide(0) == NEVER, seen == 1_500, "at once, until all is out");
    }
    assert!(buffers > 1);
}
