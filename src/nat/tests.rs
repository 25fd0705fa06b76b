//! A probe on its own, answered by hand. What it makes of whole NATs is tested in the simulator.

use std::net::SocketAddr;
use std::string::ToString;
use std::time::Duration;
use std::vec::Vec;

use super::*;
use crate::auth::{LongTerm, ShortTerm};
use crate::wire::attribute::{
    AttributeType, ChangeRequest, ErrorCode, MappedAddress, Nonce, OtherAddress, Realm, XorMappedAddress,
};
use crate::wire::{Class, Key, Message, MessageBuilder, Method, TransactionId};
use crate::{
    Agent, AgentEvent, Datagram, DropReason, Entropy, Event, FiveTuple, Instant, Machine, Outcome, Receipt,
    SendError, WakeReason,
};

const LOCAL: &str = "10.0.0.2:5000";
const SECOND: &str = "10.0.0.2:5001";
const SERVER: &str = "192.0.2.1:3478";
const OTHER: &str = "192.0.2.2:3479";
const MAPPED: &str = "203.0.113.1:6000";

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn config() -> ProbeConfig {
    ProbeConfig::new(addr(LOCAL), addr(SERVER))
}

fn probe(config: ProbeConfig) -> Probe {
    Probe::new(config, Entropy::from_seed([7; 32]), Instant::ZERO).unwrap()
}

/// A request that was sent.
#[derive(Clone, Debug)]
struct Sent {
    path: FiveTuple,
    bytes: Vec<u8>,
}

impl Sent {
    fn id(&self) -> TransactionId {
        self.message().transaction_id()
    }

    fn message(&self) -> Message<'_> {
        Message::parse(&self.bytes).unwrap()
    }

    fn change(&self) -> Option<ChangeRequest> {
        self.message().get().unwrap()
    }
}

fn sent(machine: &mut impl Machine) -> Vec<Sent> {
    let mut all = Vec::new();
    while let Some(transmit) = machine.poll_transmit() {
        all.push(Sent { path: transmit.path, bytes: transmit.payload.to_vec() });
    }
    all
}

fn response(id: TransactionId, class: Class, fill: impl FnOnce(&mut MessageBuilder<'_>)) -> Vec<u8> {
    let mut buffer = [0; 256];
    let mut builder = MessageBuilder::new(&mut buffer, class, Method::BINDING, id).unwrap();
    fill(&mut builder);
    builder.finish().to_vec()
}

/// What a server of RFC 5780 answers.
fn success(id: TransactionId) -> Vec<u8> {
    response(id, Class::SuccessResponse, |builder| {
        builder.add(&XorMappedAddress(addr(MAPPED))).unwrap();
        builder.add(&MappedAddress(addr(MAPPED))).unwrap();
        builder.add(&OtherAddress(addr(OTHER))).unwrap();
    })
}

fn refusal(id: TransactionId, code: u16) -> Vec<u8> {
    response(id, Class::ErrorResponse, |builder| builder.add(&ErrorCode { code, reason: b"" }).unwrap())
}

fn answer_from(probe: &mut impl Machine, to: &Sent, remote: &str, bytes: &[u8], now: Instant) {
    let path = FiveTuple { remote: addr(remote), ..to.path };
    let _ = probe.handle_input(&Datagram::new(path, bytes), now);
}

/// Drives a probe to its end: `answer` says from where each request is answered, and with what.
fn run(probe: &mut Probe, mut answer: impl FnMut(&Sent) -> Option<(&'static str, Vec<u8>)>) -> Report {
    let mut now = Instant::ZERO;
    for _ in 0..10_000 {
        for request in sent(probe) {
            if let Some((remote, bytes)) = answer(&request) {
                answer_from(probe, &request, remote, &bytes, now);
            }
        }
        while let Some(event) = probe.poll_event() {
            if let ProbeEvent::Finished(report) = event {
                return *report;
            }
        }
        now = probe.poll_timeout().unwrap().max(now);
        probe.handle_timeout(now);
    }
    panic!("it does not end");
}

/// Who answers what from where: everything as the RFC has it, but what carries CHANGE-REQUEST from `elsewhere`.
fn obedient(request: &Sent, elsewhere: &'static str) -> Option<(&'static str, Vec<u8>)> {
    let here = ["192.0.2.1:3478", "192.0.2.2:3478", OTHER].into_iter();
    let here = here.into_iter().find(|one| addr(one) == request.path.remote)?;
    Some((if request.change().is_some() { elsewhere } else { here }, success(request.id())))
}

#[test]
fn an_answer_from_the_other_address_proves_that_nobody_is_filtered() {
    let report = run(&mut probe(config()), |request| obedient(request, OTHER));
    assert_eq!(report.filtering.known_value(), Some(Dependence::EndpointIndependent), "{report}");
    assert_eq!(report.rfc3489_name(), Some("full cone NAT"));
}

/// What naive tools report as "full cone" behind every NAT.
#[test]
fn an_answer_from_the_address_that_was_asked_proves_nothing_of_filtering() {
    let report = run(&mut probe(config()), |request| obedient(request, SERVER));
    assert_eq!(report.filtering.reason(), Some(Reason::ServerIgnoresChangeRequest), "{report}");
    assert_eq!(report.mapping.known_value(), Some(Dependence::EndpointIndependent));
    assert_eq!(report.rfc3489_name(), None);
}

#[test]
fn an_answer_from_a_stranger_is_dropped_and_counted() {
    for stranger in ["192.0.2.1:3479", "192.0.2.2:3478", "198.51.100.66:3478"] {
        let mut probe = probe(config());
        let report = run(&mut probe, |request| match request.change() {
            Some(ChangeRequest { change_ip: true, .. }) => Some((stranger, success(request.id()))),
            Some(_) => None,
            None => obedient(request, OTHER),
        });
        assert_eq!(report.filtering.known_value(), None, "{report}");
        assert!(probe.counters().dropped(DropReason::WrongSource) > 0);
    }
    let mut probe = probe(config());
    let request = sent(&mut probe).remove(0);
    answer_from(&mut probe, &request, OTHER, &success(request.id()), Instant::ZERO);
    assert_eq!(probe.report().mapped, None);
}

#[test]
fn a_filter_that_lets_the_port_in_is_address_dependent_once_the_server_was_seen_to_change_both() {
    let mut asked_elsewhere = false;
    let report = run(&mut probe(config()), |request| match request.change() {
        Some(ChangeRequest { change_ip: false, change_port: true }) => {
            Some(("192.0.2.1:3479", success(request.id())))
        }
        // Filtered, until the other address has been written to.
        Some(_) if !asked_elsewhere => None,
        _ => {
            asked_elsewhere |= request.path.remote == addr(OTHER);
            obedient(request, OTHER)
        }
    });
    assert_eq!(report.filtering.known_value(), Some(Dependence::AddressDependent), "{report}");
    assert_eq!(report.filtering.confidence, Confidence::High);
    assert_eq!(report.rfc3489_name(), Some("restricted cone NAT"));
}

/// RFC 5780 s4.5.
#[test]
fn nothing_is_sent_to_the_other_address_before_filtering_is_decided() {
    let mut changes_after = 0;
    let mut has_written = false;
    run(&mut probe(config()), |request| {
        has_written |= request.path.remote.ip() == addr(OTHER).ip();
        changes_after += usize::from(has_written && request.change().is_some());
        if request.change().is_some() { None } else { obedient(request, OTHER) }
    });
    let schedule = 5; // the confirmation, and its retransmissions
    assert!(has_written && changes_after <= schedule, "{changes_after}");
}

#[test]
fn an_other_address_that_cannot_be_one_is_not_written_to() {
    for bad in ["192.0.2.1:3479", "192.0.2.2:3478", "127.0.0.1:3479", "224.0.0.1:3479", "192.0.2.2:0"] {
        let report = run(&mut probe(config()), |request| {
            assert_eq!(request.path.remote, addr(SERVER));
            let bytes = response(request.id(), Class::SuccessResponse, |builder| {
                builder.add(&XorMappedAddress(addr(MAPPED))).unwrap();
                builder.add(&OtherAddress(addr(bad))).unwrap();
            });
            Some((SERVER, bytes))
        });
        assert_eq!(report.other_address, None, "{bad}");
        assert_eq!(report.filtering.reason(), Some(Reason::NoOtherAddress));
    }
}

#[test]
fn a_server_that_refuses_says_why_nothing_is_known() {
    let report = run(&mut probe(config()), |request| Some((SERVER, refusal(request.id(), 401))));
    assert_eq!(report.connectivity.known_value(), Some(Connectivity::Open));
    assert_eq!(report.mapping.reason(), Some(Reason::ErrorResponse { code: 401 }), "{report}");
}

#[test]
fn unsigned_answers_to_signed_requests_count_for_nothing_and_are_told_from_silence() {
    let signed =
        || ProbeConfig { credentials: ShortTerm::new(b"user", b"password").ok().map(Into::into), ..config() };
    let report = run(&mut probe(signed()), |request| obedient(request, OTHER));
    assert_eq!(report.mapping.reason(), Some(Reason::ResponsesAltered), "{report}");

    let key = Key::short_term(b"password");
    let report = run(&mut probe(signed()), |request| {
        let bytes = response(request.id(), Class::SuccessResponse, |builder| {
            builder.add(&XorMappedAddress(addr(MAPPED))).unwrap();
            builder.sign_sha256(&key).unwrap();
        });
        Some((SERVER, bytes))
    });
    assert_eq!(report.mapped, Some(addr(MAPPED)));
}

#[test]
fn a_wrong_fingerprint_is_dropped_and_told_from_silence() {
    let mut probe = probe(ProbeConfig { fingerprint: true, ..config() });
    let report = run(&mut probe, |request| {
        assert!(request.message().attributes().any(|raw| raw.ty == AttributeType::FINGERPRINT));
        let mut bytes =
            response(request.id(), Class::SuccessResponse, |builder| builder.add_fingerprint().unwrap());
        *bytes.last_mut().unwrap() ^= 1;
        Some((SERVER, bytes))
    });
    assert_eq!(report.connectivity.reason(), Some(Reason::ResponsesAltered), "{report}");
    assert!(probe.counters().dropped(DropReason::BadFingerprint) > 0);
}

#[test]
fn a_send_error_ends_what_it_concerns_and_is_reported() {
    let mut probe = probe(config());
    let request = sent(&mut probe).remove(0);
    let elsewhere = FiveTuple { remote: addr(OTHER), ..request.path };
    for path in [elsewhere, request.path] {
        let failed = Receipt { path, transaction_id: None };
        probe.handle_send_error(&failed, SendError::Refused, Instant::ZERO);
        assert_eq!(probe.is_ended(), path == request.path);
    }
    let reason = Some(Reason::SendFailed { error: SendError::Refused });
    assert_eq!(probe.report().connectivity.reason(), reason);
}

/// Then silence is the host's own, and not a filter.
#[test]
fn requests_that_the_host_cannot_send_are_not_taken_for_filtered_ones() {
    for error in [SendError::PermissionDenied, SendError::Transient] {
        let mut probe = probe(config());
        let mut now = Instant::ZERO;
        while !probe.is_ended() {
            for request in sent(&mut probe) {
                if request.change().is_some() {
                    let failed = Receipt::of(request.path, &request.bytes).unwrap();
                    probe.handle_send_error(&failed, error, now);
                } else if let Some((remote, bytes)) = obedient(&request, OTHER) {
                    answer_from(&mut probe, &request, remote, &bytes, now);
                }
            }
            while probe.poll_event().is_some() {}
            now = probe.poll_timeout().map_or(now, |at| at.max(now));
            probe.handle_timeout(now);
        }
        let expected = match error {
            SendError::Transient => Reason::Lossy,
            error => Reason::SendFailed { error },
        };
        assert_eq!(probe.report().filtering.reason(), Some(expected));
    }
}

/// Behind an agent, whose server must not answer the probe's own request when a NAT turns it back.
#[test]
fn an_agent_hands_a_hairpinned_request_to_the_probe_that_sent_it() {
    let mut agent = Agent::new(Entropy::from_seed([1; 32]), Instant::ZERO);
    agent.start_server(crate::stun::ServerConfig::default(), Instant::ZERO).unwrap();
    let mut config = config();
    config.second = Some(ProbeSocket::new(addr(SECOND)));
    config.properties = Properties::NONE.with(Property::Hairpinning);
    let id = agent.start_nat_probe(config, Instant::ZERO).unwrap();
    assert!(agent.nat_probe(id).is_some());
    let (mut now, mut last) = (Instant::ZERO, None);
    while last.is_none() {
        for request in sent(&mut agent) {
            assert_eq!(request.message().class(), Class::Request, "nobody has answered it");
            let answered = obedient(&request, OTHER);
            match answered {
                Some((remote, bytes)) => answer_from(&mut agent, &request, remote, &bytes, now),
                None => {
                    // To a mapped address: it comes back at the other socket.
                    let local = if request.path.local == addr(LOCAL) { SECOND } else { LOCAL };
                    let path = FiveTuple::udp(addr(local), addr("203.0.113.1:7000"));
                    let datagram = Datagram::new(path, &request.bytes);
                    assert_eq!(agent.handle_input(&datagram, now), Outcome::Consumed);
                }
            }
        }
        while let Some(AgentEvent { event, is_last, .. }) = agent.poll_event() {
            if let (Event::NatProbe(ProbeEvent::Finished(report)), true) = (event, is_last) {
                last = Some(report);
            }
        }
        now = agent.poll_timeout().map_or(now, |at| at.max(now));
        agent.handle_timeout(now);
    }
    assert_eq!(last.unwrap().hairpinning.known_value(), Some(Hairpinning::Supported));
    assert!(!agent.contains(id));
}

#[test]
fn every_wait_says_what_it_waits_for() {
    let mut probe = probe(config());
    assert_eq!(probe.wake_reason(), Some(WakeReason::Output));
    let request = sent(&mut probe).remove(0);
    assert_eq!(probe.wake_reason(), Some(WakeReason::Retransmission));
    answer_from(&mut probe, &request, SERVER, &success(request.id()), Instant::ZERO);
    while probe.poll_event().is_some() {}
    let mut seen = Vec::new();
    let mut now = Instant::ZERO;
    for _ in 0..8 {
        sent(&mut probe);
        seen.push(probe.wake_reason().unwrap());
        now = probe.poll_timeout().unwrap().max(now);
        probe.handle_timeout(now);
    }
    assert!(seen.contains(&WakeReason::Pacing) && seen.contains(&WakeReason::Measurement), "{seen:?}");

    let mut hasty = super::tests::probe(ProbeConfig { deadline: Some(Duration::from_millis(1)), ..config() });
    sent(&mut hasty);
    assert_eq!(hasty.wake_reason(), Some(WakeReason::Deadline));
}

#[test]
fn a_host_that_never_polls_still_gets_the_last_event() {
    let mut probe = probe(config());
    let mut now = Instant::ZERO;
    for _ in 0..1000 {
        now = now.saturating_add(Duration::from_secs(1));
        probe.handle_timeout(now);
    }
    assert!(probe.is_ended());
    let events: Vec<_> = std::iter::from_fn(|| probe.poll_event()).collect();
    assert!(matches!(events.last(), Some(ProbeEvent::Finished(_))));
    assert!(events.len() <= Probe::MAX_EVENTS);
}

#[test]
fn a_report_as_json_has_a_fixed_form() {
    let mut report = Report::new(addr(SERVER), addr(LOCAL));
    report.mapped = Some(addr("[2001:db8::1]:7"));
    report.mapping = Finding::known(Dependence::AddressDependent, Confidence::Medium);
    report.lifetime =
        Finding::known(Lifetime { at_least: Duration::from_millis(29_050), below: None }, Confidence::High);
    let evidence = Evidence { test: Test::Binding, asked: addr(SERVER), seen: Seen::Silence { requests: 7 } };
    report.add_evidence(Property::Mapping, evidence);
    let json: serde_json::Value = serde_json::from_str(&report.to_json().to_string()).unwrap();
    assert_eq!(json["mapped"], "[2001:db8::1]:7");
    assert_eq!(json["other_address"], serde_json::Value::Null);
    assert_eq!(json["mapping"]["value"], "address-dependent");
    assert_eq!(json["mapping"]["confidence"], "medium");
    assert_eq!(json["mapping"]["evidence"][0]["requests"], 7);
    assert_eq!(json["lifetime"]["value"]["at_least_seconds"], 29.05);
    assert_eq!(json["filtering"]["value"], serde_json::Value::Null);
    assert_eq!(json["port_preservation"]["reason"], "not-tested");
    let names = ["cone", "symmetric"];
    let texts = [report.to_json().to_string(), report.to_string()];
    assert!(texts.iter().all(|text| names.iter().all(|name| !text.contains(name))));
}

#[test]
fn evidence_is_bounded() {
    let mut report = Report::new(addr(SERVER), addr(LOCAL));
    for requests in 0..100 {
        let seen = Seen::Silence { requests };
        report.add_evidence(Property::Mapping, Evidence { test: Test::Binding, asked: addr(SERVER), seen });
    }
    assert_eq!(report.mapping.evidence.len(), Finding::<Dependence>::MAX_EVIDENCE);
}

fn challenge(id: TransactionId, nonce: &[u8]) -> Vec<u8> {
    response(id, Class::ErrorResponse, |builder| {
        builder.add(&ErrorCode { code: 401, reason: b"" }).unwrap();
        builder.add(&Realm(b"example.test")).unwrap();
        builder.add(&Nonce(nonce)).unwrap();
    })
}

fn is_signed(request: &Sent) -> bool {
    request.message().find(AttributeType::USERNAME).is_some()
}

#[test]
fn an_unsigned_success_is_not_believed_where_the_host_demands_sha256() {
    let user = LongTerm::new("alice", "s3cret").unwrap().require_sha256();
    let mut probe = probe(ProbeConfig { credentials: Some(user.into()), ..config() });
    let report = run(&mut probe, |request| Some((SERVER, success(request.id()))));
    assert_eq!(report.mapped, None);
    assert_eq!(report.translation.reason(), Some(Reason::ResponsesAltered), "{report}");
    assert!(probe.counters().dropped(DropReason::Unauthenticated) > 0);
}

#[test]
fn servers_that_challenge_and_then_are_silent_do_not_show_that_udp_is_blocked() {
    let user = LongTerm::new("alice", "s3cret").unwrap();
    let servers = std::vec![addr("192.0.2.9:3478")];
    let mut probe = probe(ProbeConfig { credentials: Some(user.into()), servers, ..config() });
    let mut retries = 0;
    let report = run(&mut probe, |request| {
        retries += u32::from(is_signed(request));
        let from = if request.path.remote == addr(SERVER) { SERVER } else { "192.0.2.9:3478" };
        (!is_signed(request)).then(|| (from, challenge(request.id(), b"nonce")))
    });
    assert_eq!(report.connectivity.known_value(), Some(Connectivity::Open), "{report}");
    assert!(retries >= 2, "{report}");
}

#[test]
fn a_server_that_challenges_for_ever_is_given_up() {
    let user = LongTerm::new("alice", "s3cret").unwrap();
    let mut probe = probe(ProbeConfig { credentials: Some(user.into()), ..config() });
    let mut count = 0_u32;
    let report = run(&mut probe, |request| {
        count += 1;
        assert!(count < 20, "it goes on and on");
        Some((SERVER, challenge(request.id(), &count.to_be_bytes())))
    });
    assert_eq!(report.mapping.reason(), Some(Reason::ErrorResponse { code: 401 }), "{report}");
}
