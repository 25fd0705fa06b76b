use alloc::vec::Vec;
use core::time::Duration;

use super::*;
use crate::net::FiveTuple;
use crate::stun::binding::ConfigError;
use crate::stun::binding::FailureReason;
use crate::stun::{BindingConfig, BindingEvent, ServerConfig};
use crate::wire::attribute::XorMappedAddress;
use crate::wire::{MessageBuilder, Method, TransactionId};

const MAPPED: &str = "203.0.113.9:4242";

fn path(remote: &str) -> FiveTuple {
    FiveTuple::udp("10.0.0.1:5000".parse().unwrap(), remote.parse().unwrap())
}

fn ms(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn agent() -> Agent {
    Agent::new(Entropy::from_seed([7; 32]), Instant::ZERO)
}

fn at(local: &str) -> ServerConfig {
    ServerConfig { local: local.parse().ok(), ..ServerConfig::default() }
}

fn message(class: Class, id: TransactionId, fill: impl FnOnce(&mut MessageBuilder<'_>)) -> Vec<u8> {
    let mut buffer = [0; 256];
    let mut builder = MessageBuilder::new(&mut buffer, class, Method::BINDING, id).unwrap();
    fill(&mut builder);
    builder.finish().to_vec()
}

fn success(id: TransactionId) -> Vec<u8> {
    message(Class::SuccessResponse, id, |builder| {
        builder.add(&XorMappedAddress(MAPPED.parse().unwrap())).unwrap();
    })
}

fn sent(agent: &mut Agent) -> Vec<(FiveTuple, TransactionId)> {
    let next = |agent: &mut Agent| {
        let transmit = agent.poll_transmit()?;
        Some((transmit.path, Message::parse(transmit.payload).unwrap().transaction_id()))
    };
    core::iter::from_fn(|| next(agent)).collect()
}

fn events(agent: &mut Agent) -> Vec<AgentEvent> {
    core::iter::from_fn(|| agent.poll_event()).collect()
}

fn offer(agent: &mut Agent, path: FiveTuple, bytes: &[u8], now: Instant) {
    assert_eq!(agent.handle_input(&Datagram::new(path, bytes), now), Outcome::Consumed);
}

#[test]
fn five_bindings_are_called_in_order_and_answered_in_any() {
    let mut agent = agent();
    let servers = [1, 2, 3, 4, 5].map(|n| path(&alloc::format!("192.0.2.{n}:3478")));
    let ids = servers.map(|path| agent.start_binding(BindingConfig::once(path), Instant::ZERO).unwrap());
    let requests = sent(&mut agent);
    assert_eq!(requests.iter().map(|(path, _)| *path).collect::<Vec<_>>(), servers);
    for (path, id) in requests.iter().rev() {
        offer(&mut agent, *path, &success(*id), ms(9));
    }
    let told: Vec<_> = events(&mut agent).iter().map(|told| told.id).collect();
    assert_eq!(told, ids.iter().rev().copied().collect::<Vec<_>>());
    assert_eq!((agent.operation_count(), agent.poll_timeout()), (0, None));
}

#[test]
fn silence_is_asked_on_schedule_and_fails_at_39_500() {
    let mut agent = agent();
    let id = agent.start_binding(BindingConfig::once(path("192.0.2.1:3478")), Instant::ZERO).unwrap();
    let mut sends = Vec::new();
    let mut now = Instant::ZERO;
    loop {
        sends.extend(sent(&mut agent).iter().map(|_| now));
        let told = events(&mut agent);
        if !told.is_empty() {
            let event = Event::Binding(BindingEvent::Failed { reason: FailureReason::Timeout });
            assert_eq!(told, [AgentEvent { id, event, is_last: true }]);
            break;
        }
        now = agent.poll_timeout().unwrap();
        agent.handle_timeout(now);
    }
    assert_eq!((sends, now), ([0, 500, 1500, 3500, 7500, 15_500, 31_500].map(ms).to_vec(), ms(39_500)));
}

#[test]
fn the_round_trip_to_a_server_is_remembered_for_the_next_binding() {
    let mut agent = agent();
    let config = BindingConfig::once(path("192.0.2.1:3478"));
    agent.start_binding(config.clone(), Instant::ZERO).unwrap();
    let (asked, id) = sent(&mut agent)[0];
    offer(&mut agent, asked, &success(id), ms(400));
    events(&mut agent);
    let other_port = BindingConfig::once(path("192.0.2.1:3479"));
    let other_server = BindingConfig::once(path("192.0.2.2:3478"));
    // SRTT 400 ms + 4 * 200 ms; by IP address (RFC 8489 s6.2.1)
    for (config, rto) in [(config.clone(), 1200), (other_port, 1200), (other_server, 500)] {
        let id = agent.start_binding(config, ms(1000)).unwrap();
        sent(&mut agent);
        assert_eq!(agent.poll_timeout(), Some(ms(1000 + rto)));
        agent.cancel(id, ms(1000)).unwrap();
    }
    agent.start_binding(config, ms(400 + 600_000)).unwrap();
    sent(&mut agent);
    assert_eq!(agent.poll_timeout(), Some(ms(400 + 600_000 + 500)), "stale after ten minutes");
}

#[test]
fn a_retransmitted_request_teaches_no_round_trip() {
    let mut agent = agent();
    let config = BindingConfig::once(path("192.0.2.1:3478"));
    agent.start_binding(config.clone(), Instant::ZERO).unwrap();
    let (asked, id) = sent(&mut agent)[0];
    agent.handle_timeout(ms(500));
    sent(&mut agent);
    offer(&mut agent, asked, &success(id), ms(900));
    events(&mut agent);
    agent.start_binding(config, ms(1000)).unwrap();
    sent(&mut agent);
    assert_eq!(agent.poll_timeout(), Some(ms(2000)), "but keeps the longer RTO until one is measured");
}

#[test]
fn an_answer_takes_back_a_queued_retransmission_without_hiding_the_next_operation() {
    let mut agent = agent();
    for server in ["192.0.2.1:3478", "192.0.2.2:3478"] {
        agent.start_binding(BindingConfig::new(path(server)), Instant::ZERO).unwrap();
    }
    let first = sent(&mut agent);
    agent.handle_timeout(ms(500));
    offer(&mut agent, first[0].0, &success(first[0].1), ms(510));
    assert_eq!(sent(&mut agent), [first[1]]);
    assert_eq!(events(&mut agent).len(), 1);
    assert_eq!(
        (agent.poll_timeout(), agent.wake_reason()),
        (Some(ms(1500)), Some(WakeReason::Retransmission))
    );
}

#[test]
fn cancelling_takes_everything_with_it_and_says_nothing() {
    let mut agent = agent();
    let id = agent.start_binding(BindingConfig::new(path("192.0.2.1:3478")), Instant::ZERO).unwrap();
    let other = agent.start_binding(BindingConfig::new(path("192.0.2.2:3478")), Instant::ZERO).unwrap();
    assert_eq!(agent.cancel(id, Instant::ZERO), Ok(()));
    assert_eq!(agent.cancel(id, Instant::ZERO), Err(UnknownOperation));
    let sent = sent(&mut agent);
    assert_eq!((sent.len(), sent[0].0.remote), (1, "192.0.2.2:3478".parse().unwrap()));
    assert!(!agent.contains(id) && agent.contains(other));
    agent.cancel(other, ms(1)).unwrap();
    assert_eq!((agent.poll_timeout(), agent.operation_count(), events(&mut agent).len()), (None, 0, 0));
    offer(&mut agent, sent[0].0, &success(sent[0].1), ms(2));
    assert_eq!(agent.counters().dropped(DropReason::UnknownTransaction), 1);
}

#[test]
fn the_id_of_an_operation_that_has_ended_is_stale_for_ever() {
    let mut agent = agent();
    let config = BindingConfig::once(path("192.0.2.1:3478"));
    let mut seen = Vec::new();
    for round in 0..5 {
        let id = agent.start_binding(config.clone(), ms(round)).unwrap();
        assert_ne!(id.as_u64(), 0);
        assert_eq!(OperationId::from_u64(id.as_u64()), id);
        assert!(!seen.contains(&id));
        let (asked, transaction) = sent(&mut agent)[0];
        offer(&mut agent, asked, &success(transaction), ms(round));
        assert!(agent.contains(id), "until its last event has been polled");
        assert_eq!(events(&mut agent).len(), 1);
        assert!(!agent.contains(id));
        seen.push(id);
    }
    let fresh = agent.start_binding(config, ms(9)).unwrap();
    assert!(seen.iter().all(|old| agent.cancel(*old, ms(9)) == Err(UnknownOperation)));
    assert!(agent.contains(fresh));
    assert_eq!(agent.cancel(OperationId::from_u64(0), ms(9)), Err(UnknownOperation));
    assert_eq!(agent.cancel(OperationId::from_u64(u64::MAX), ms(9)), Err(UnknownOperation));
}

#[test]
fn two_servers_share_the_requests_and_the_most_specific_answers() {
    let mut agent = agent();
    let exact = agent.start_server(at("192.0.2.1:3478"), Instant::ZERO).unwrap();
    agent.start_server(ServerConfig::default(), Instant::ZERO).unwrap();
    let request = message(Class::Request, TransactionId::new([1; 12]), |_| ());
    let from = |local: &str| FiveTuple::udp(local.parse().unwrap(), MAPPED.parse().unwrap());
    offer(&mut agent, from("192.0.2.1:3478"), &request, ms(1));
    offer(&mut agent, from("192.0.2.2:9"), &request, ms(1));
    assert_eq!(sent(&mut agent).len(), 2);
    agent.cancel(exact, ms(2)).unwrap();
    offer(&mut agent, from("192.0.2.1:3478"), &request, ms(2));
    assert_eq!(sent(&mut agent).len(), 1, "the other takes over");
    assert_eq!(agent.counters().total(), 0);
}

#[test]
fn an_address_has_one_server() {
    let mut agent = agent();
    let first = agent.start_server(at("192.0.2.1:3478"), Instant::ZERO).unwrap();
    agent.start_server(at("0.0.0.0:3478"), Instant::ZERO).unwrap();
    agent.start_server(ServerConfig::default(), Instant::ZERO).unwrap();
    for taken in [at("192.0.2.1:3478"), at("0.0.0.0:3478"), at("[::]:0"), ServerConfig::default()] {
        assert_eq!(agent.start_server(taken, Instant::ZERO), Err(StartError::AddressTaken));
    }
    agent.cancel(first, Instant::ZERO).unwrap();
    assert!(agent.start_server(at("192.0.2.1:3478"), Instant::ZERO).is_ok());
}

#[test]
fn the_limit_of_operations_refuses_and_gives_room_again() {
    let mut agent = agent();
    agent.set_max_operations(2);
    let config = BindingConfig::once(path("192.0.2.1:3478"));
    let id = agent.start_binding(config.clone(), Instant::ZERO).unwrap();
    agent.start_server(ServerConfig::default(), Instant::ZERO).unwrap();
    assert_eq!(agent.start_binding(config.clone(), Instant::ZERO), Err(StartError::TooManyOperations));
    assert_eq!(agent.start_server(at("192.0.2.1:1"), Instant::ZERO), Err(StartError::TooManyOperations));
    agent.cancel(id, Instant::ZERO).unwrap();
    assert!(agent.start_binding(config, Instant::ZERO).is_ok());
}

#[test]
fn a_contradictory_configuration_starts_nothing() {
    let mut agent = agent();
    let refused = agent.start_binding(BindingConfig::new(path("192.0.2.1:0")), Instant::ZERO);
    assert_eq!(refused, Err(StartError::Config(ConfigError::ServerAddress)));
    assert_eq!((agent.operation_count(), agent.poll_timeout()), (0, None));
}

#[test]
fn a_send_error_reaches_its_own_binding_or_all_on_its_path() {
    let mut agent = agent();
    let (shared, other) = (path("192.0.2.1:3478"), path("192.0.2.2:3478"));
    for path in [shared, shared, other] {
        agent.start_binding(BindingConfig::once(path), Instant::ZERO).unwrap();
    }
    let requests = sent(&mut agent);
    let own = Receipt { path: shared, transaction_id: Some(requests[0].1) };
    agent.handle_send_error(&own, SendError::Refused, ms(1));
    assert_eq!(events(&mut agent).len(), 1);
    agent.handle_send_error(&Receipt { path: shared, transaction_id: None }, SendError::Refused, ms(2));
    let told = events(&mut agent);
    let event = Event::Binding(BindingEvent::Failed {
        reason: FailureReason::SendFailed { error: SendError::Refused },
    });
    assert_eq!((told.len(), told[0].event.clone()), (1, event));
    assert_eq!(agent.operation_count(), 1);
}

#[test]
fn application_data_is_unclaimed_and_stray_stun_is_not() {
    let mut agent = agent();
    let path = path("192.0.2.1:3478");
    for payload in [&b"hello"[..], &[0x40, 1, 0, 0], &[0x80; 40], &[]] {
        assert_eq!(agent.handle_input(&Datagram::new(path, payload), ms(1)), Outcome::Unclaimed);
    }
    offer(&mut agent, path, &success(TransactionId::new([1; 12])), ms(1));
    offer(&mut agent, path, &message(Class::Request, TransactionId::new([1; 12]), |_| ()), ms(1));
    let reasons = [DropReason::UnknownTransaction, DropReason::Unexpected]
        .map(|reason| agent.counters().dropped(reason));
    assert_eq!((reasons, agent.counters().total()), ([1, 1], 2));
}

#[test]
fn one_deadline_stands_for_all_and_a_host_a_year_late_sends_one_datagram_each() {
    let mut agent = agent();
    for (number, seconds) in [(1, 5), (2, 3), (3, 9)] {
        let config = BindingConfig {
            refresh: Some(Duration::from_secs(seconds)),
            ..BindingConfig::new(path(&alloc::format!("192.0.2.{number}:3478")))
        };
        agent.start_binding(config, Instant::ZERO).unwrap();
    }
    for (asked, id) in sent(&mut agent) {
        offer(&mut agent, asked, &success(id), ms(10));
    }
    events(&mut agent);
    assert_eq!((agent.poll_timeout(), agent.wake_reason()), (Some(ms(3000)), Some(WakeReason::Refresh)));
    agent.handle_timeout(ms(365 * 86_400_000));
    let order: Vec<u8> = sent(&mut agent)
        .iter()
        .map(|(path, _)| match path.remote.ip() {
            core::net::IpAddr::V4(ip) => ip.octets()[3],
            core::net::IpAddr::V6(_) => 0,
        })
        .collect();
    assert_eq!(order, [2, 1, 3], "in the order of their deadlines");
}

#[test]
fn a_dropped_response_teaches_no_round_trip() {
    let mut agent = agent();
    let config = BindingConfig::once(path("192.0.2.1:3478"));
    // The second knows nothing of the path, and must not overwrite what the first one learns.
    let ids = [(); 2].map(|()| agent.start_binding(config.clone(), Instant::ZERO).unwrap());
    let requests = sent(&mut agent);
    offer(&mut agent, requests[0].0, &success(requests[0].1), ms(400));
    let mut forged = message(Class::SuccessResponse, requests[1].1, |builder| {
        builder.add_fingerprint().unwrap();
    });
    *forged.last_mut().unwrap() ^= 1;
    offer(&mut agent, requests[1].0, &forged, ms(401));
    offer(&mut agent, path("192.0.2.9:3478"), &success(requests[1].1), ms(402));
    let reasons =
        [DropReason::BadFingerprint, DropReason::WrongSource].map(|reason| agent.counters().dropped(reason));
    assert_eq!((reasons, events(&mut agent).len()), ([1, 1], 1));
    agent.cancel(ids[1], ms(403)).unwrap();
    agent.start_binding(config, ms(1000)).unwrap();
    sent(&mut agent);
    assert_eq!(agent.poll_timeout(), Some(ms(1000 + 1200)));
}

#[test]
fn an_error_of_a_whole_path_that_speaks_of_size_ends_nothing() {
    let mut agent = agent();
    let path = path("192.0.2.1:3478");
    agent.start_binding(BindingConfig::once(path), Instant::ZERO).unwrap();
    sent(&mut agent);
    let whole_path = Receipt::of(path, &[]).unwrap();
    agent.handle_send_error(&whole_path, SendError::MessageTooLarge, ms(1));
    assert_eq!((events(&mut agent).len(), agent.operation_count()), (0, 1));
    agent.handle_send_error(&whole_path, SendError::Refused, ms(2));
    assert_eq!((events(&mut agent).len(), agent.operation_count()), (1, 0));
}

#[test]
fn the_header_of_a_request_names_it_and_other_protocols_bytes_name_nothing() {
    let mut agent = agent();
    let path = path("192.0.2.1:3478");
    let start = |agent: &mut Agent| agent.start_binding(BindingConfig::once(path), Instant::ZERO).unwrap();
    let [_, ended, _] = [(); 3].map(|()| start(&mut agent));
    let requests: Vec<Vec<u8>> = agent.transmits().map(|transmit| transmit.payload.to_vec()).collect();
    for payload in [&[0x80; 40][..], b"hello", &requests[1][..19]] {
        assert_eq!(Receipt::of(path, payload), None);
    }
    let receipt = Receipt::of(path, &requests[1][..20]).unwrap();
    agent.handle_send_error(&receipt, SendError::MessageTooLarge, ms(1));
    let told: Vec<_> = events(&mut agent).iter().map(|told| (told.id, told.is_last)).collect();
    assert_eq!((told, agent.operation_count()), (alloc::vec![(ended, true)], 2));
}

#[test]
fn a_thousand_operations_in_one_slot_have_a_thousand_ids() {
    let mut agent = agent();
    let config = BindingConfig::once(path("192.0.2.1:3478"));
    let mut ids: Vec<_> = (0..500)
        .flat_map(|_| {
            let binding = agent.start_binding(config.clone(), Instant::ZERO).unwrap();
            assert!(agent.binding(binding).is_some() && agent.server(binding).is_none());
            agent.cancel(binding, Instant::ZERO).unwrap();
            let server = agent.start_server(ServerConfig::default(), Instant::ZERO).unwrap();
            assert!(agent.server(server).is_some() && agent.binding(server).is_none());
            agent.cancel(server, Instant::ZERO).unwrap();
            [binding, server]
        })
        .collect();
    let server = agent.start_server(ServerConfig::default(), Instant::ZERO).unwrap();
    assert!(ids.iter().all(|id| agent.server(*id).is_none()));
    agent.cancel(server, Instant::ZERO).unwrap();
    agent.start_binding(config, Instant::ZERO).unwrap();
    assert!(ids.iter().all(|id| agent.binding(*id).is_none()));
    assert!(ids.iter().all(|id| id.as_u64() != 0));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 1000);
}

#[test]
fn malformed_stun_is_consumed_and_counted_and_changes_nothing() {
    let mut agent = agent();
    let id = agent.start_binding(BindingConfig::once(path("192.0.2.1:3478")), Instant::ZERO).unwrap();
    agent.start_server(ServerConfig::default(), Instant::ZERO).unwrap();
    let (asked, transaction) = sent(&mut agent)[0];
    for class in [Class::SuccessResponse, Class::ErrorResponse, Class::Request] {
        let mut overrun = message(class, transaction, |builder| {
            builder.add(&XorMappedAddress(MAPPED.parse().unwrap())).unwrap();
        });
        overrun[23] += 4; // the attribute's length, beyond the end of the message
        offer(&mut agent, asked, &overrun, ms(1));
    }
    assert_eq!((agent.counters().dropped(DropReason::Malformed), agent.counters().total()), (3, 3));
    assert_eq!(agent.binding(id).unwrap().counters().total(), 0);
    assert_eq!(
        (agent.poll_timeout(), sent(&mut agent).len(), events(&mut agent).len()),
        (Some(ms(500)), 0, 0)
    );
    offer(&mut agent, asked, &success(transaction), ms(2));
    assert_eq!((events(&mut agent).len(), agent.counters().latest()), (1, None));
}
