//! Connections whose bytes an agent cuts into frames itself (RFC 8489 s6.2.2), and what their end means to those who
//! asked over them.

#![allow(missing_docs)]
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use libstun::agent::{StreamEvent, UnknownOperation};
use libstun::stun::binding::FailureReason;
use libstun::stun::{BindingConfig, BindingEvent, ServerConfig};
use libstun::wire::stream::StreamError;
use libstun::{
    Agent, AgentEvent, DropReason, Entropy, Event, FiveTuple, Instant, Machine, OperationId, SendError,
    WakeReason,
};
use support::{addr, at};

const CLIENT: &str = "10.0.0.2:50000";
const SERVER: &str = "192.0.2.1:3478";

fn path() -> FiveTuple {
    FiveTuple::tcp(addr(CLIENT), addr(SERVER))
}

fn back() -> FiveTuple {
    FiveTuple::tcp(addr(SERVER), addr(CLIENT))
}

/// A client with a binding over a connection, and the connection.
fn client(config: BindingConfig) -> (Agent, OperationId, OperationId) {
    let mut agent = Agent::new(Entropy::from_seed([7; 32]), Instant::ZERO);
    let stream = agent.open_stream(path(), 3, Instant::ZERO).unwrap();
    let binding = agent.start_binding(config, Instant::ZERO).unwrap();
    (agent, stream, binding)
}

fn sent(agent: &mut Agent) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(transmit) = agent.poll_transmit() {
        bytes.extend_from_slice(transmit.payload);
    }
    bytes
}

fn events(agent: &mut Agent) -> Vec<AgentEvent> {
    std::iter::from_fn(|| agent.poll_event()).collect()
}

/// What a server of ours answers to what a client has written, through a connection of its own.
fn answer(written: &[u8], now: Instant) -> Vec<u8> {
    let mut server = Agent::new(Entropy::from_seed([8; 32]), Instant::ZERO);
    let stream = server.open_stream(back(), 0, Instant::ZERO).unwrap();
    server.start_server(ServerConfig::default(), Instant::ZERO).unwrap();
    server.handle_stream(stream, written, now).unwrap();
    sent(&mut server)
}

#[test]
fn an_answer_is_found_however_the_stream_was_split() {
    let whole = {
        let (mut agent, ..) = client(BindingConfig::once(path()));
        answer(&sent(&mut agent), at(5))
    };
    for cut in 0..=whole.len() {
        let (mut agent, stream, binding) = client(BindingConfig::once(path()));
        sent(&mut agent);
        let (head, tail) = whole.split_at(cut);
        agent.handle_stream(stream, head, at(5)).unwrap();
        agent.handle_stream(stream, &[], at(5)).unwrap();
        agent.handle_stream(stream, tail, at(6)).unwrap();
        let told = events(&mut agent);
        let Event::Binding(BindingEvent::Mapped { address, .. }) = told[0].event else { panic!("{told:?}") };
        assert_eq!((told.len(), told[0].id, address), (1, binding, addr(CLIENT)));
    }
}

#[test]
fn many_frames_arrive_byte_by_byte() {
    let mut agent = Agent::new(Entropy::from_seed([7; 32]), Instant::ZERO);
    let stream = agent.open_stream(path(), 0, Instant::ZERO).unwrap();
    for _ in 0..5 {
        agent.start_binding(BindingConfig::once(path()), Instant::ZERO).unwrap();
    }
    let answers = answer(&sent(&mut agent), at(5));
    for byte in answers.chunks(1) {
        agent.handle_stream(stream, byte, at(9)).unwrap();
    }
    assert_eq!(events(&mut agent).iter().filter(|told| told.is_last).count(), 5);
    assert_eq!((agent.operation_count(), agent.poll_timeout(), agent.counters().total()), (1, None, 0));
}

#[test]
fn a_stream_that_has_lost_its_place_is_to_be_closed_and_ends_what_asked_over_it() {
    for (garbage, error) in
        [(&[0; 20][..], StreamError::WrongCookie), (&[0xFF; 40], StreamError::UnknownProtocol)]
    {
        let (mut agent, stream, binding) = client(BindingConfig::once(path()));
        sent(&mut agent);
        agent.handle_stream(stream, garbage, at(5)).unwrap();
        assert_eq!((agent.poll_timeout(), agent.wake_reason()), (Some(at(5)), Some(WakeReason::Output)));
        let told = events(&mut agent);
        let failed =
            BindingEvent::Failed { reason: FailureReason::SendFailed { error: SendError::SocketClosed } };
        let close = StreamEvent::Close { path: path(), error };
        let of = |id, event| AgentEvent { id, event, is_last: true };
        assert!(told.contains(&of(binding, Event::Binding(failed))), "{told:?}");
        assert!(told.contains(&of(stream, Event::Stream(close))), "{told:?}");
        assert_eq!(told.len(), 2);
        assert_eq!(agent.handle_stream(stream, b"more", at(6)), Err(UnknownOperation));
        assert_eq!(agent.close_stream(stream, at(6)), Err(UnknownOperation));
        assert_eq!((agent.operation_count(), agent.poll_timeout()), (0, None));
    }
}

#[test]
fn a_closed_stream_ends_what_asked_over_it_and_nothing_else() {
    let (mut agent, stream, binding) = client(BindingConfig::once(path()));
    let elsewhere = FiveTuple::tcp(addr("10.0.0.2:50001"), addr(SERVER));
    let other = agent.start_binding(BindingConfig::once(elsewhere), Instant::ZERO).unwrap();
    sent(&mut agent);
    agent.close_stream(stream, at(5)).unwrap();
    let told = events(&mut agent);
    assert_eq!((told.len(), told[0].id, told[0].is_last), (1, binding, true));
    assert!(agent.contains(other) && !agent.contains(stream));
    assert_eq!(agent.close_stream(stream, at(6)), Err(UnknownOperation));
}

#[test]
fn a_request_on_a_stream_is_sent_once_and_waits_ti() {
    let (mut agent, ..) = client(BindingConfig::once(path()));
    assert_eq!(sent(&mut agent).len(), 28);
    assert_eq!(
        (agent.poll_timeout(), agent.wake_reason()),
        (Some(at(39_500)), Some(WakeReason::TransactionTimeout))
    );
    agent.handle_timeout(at(39_500));
    let told = events(&mut agent);
    let timeout = Event::Binding(BindingEvent::Failed { reason: FailureReason::Timeout });
    assert_eq!((told.len(), &told[0].event, sent(&mut agent).len()), (1, &timeout, 0));
}

#[test]
fn frames_that_nobody_expects_are_counted_and_the_stream_goes_on() {
    let (mut agent, stream, binding) = client(BindingConfig::once(path()));
    let written = sent(&mut agent);
    let mut bytes = vec![0x40, 0x01, 0, 3, 1, 2, 3, 0]; // ChannelData with its padding
    bytes.extend(answer(&written[..], at(1)));
    let mut stray = answer(&written[..], at(1));
    stray[10] ^= 1; // another transaction id
    agent.handle_stream(stream, &stray, at(2)).unwrap();
    agent.handle_stream(stream, &bytes, at(3)).unwrap();
    let told = events(&mut agent);
    assert_eq!((told.len(), told[0].id), (1, binding));
    assert_eq!(agent.counters().dropped(DropReason::UnknownTransaction), 1);
    assert!(agent.contains(stream));
}

#[test]
fn a_binding_hears_of_its_lost_connection_while_its_request_waits_for_its_turn() {
    let mut agent = Agent::new(Entropy::from_seed([7; 32]), Instant::ZERO);
    let stream = agent.open_stream(path(), 3, Instant::ZERO).unwrap();
    for _ in 0..10 {
        let elsewhere = FiveTuple::udp(addr(CLIENT), addr(SERVER));
        agent.start_binding(BindingConfig::once(elsewhere), Instant::ZERO).unwrap();
    }
    let kept = agent.start_binding(BindingConfig::new(path()), Instant::ZERO).unwrap();
    let once = agent.start_binding(BindingConfig::once(path()), Instant::ZERO).unwrap();
    assert_eq!(sent(&mut agent).len(), 10 * 28);
    agent.close_stream(stream, at(5)).unwrap();
    let told = events(&mut agent);
    let reason = FailureReason::SendFailed { error: SendError::SocketClosed };
    let of = |id| &told.iter().find(|told| told.id == id).unwrap().event;
    assert!(matches!(*of(kept), Event::Binding(BindingEvent::Retrying { reason: why, .. }) if why == reason));
    assert_eq!(*of(once), Event::Binding(BindingEvent::Failed { reason }));
    assert_eq!(told.len(), 2);
}

#[test]
fn a_connection_that_is_lost_while_nothing_is_asked_is_asked_for_before_the_next_request() {
    let (mut agent, stream, binding) = client(BindingConfig::new(path()));
    let request = sent(&mut agent);
    let id = support::id_of(&request);
    agent.handle_stream(stream, &support::error(id, 500, None), at(5)).unwrap();
    assert!(matches!(
        events(&mut agent)[..],
        [AgentEvent { event: Event::Binding(BindingEvent::Retrying { .. }), .. }]
    ));
    agent.close_stream(stream, at(6)).unwrap();
    assert_eq!(events(&mut agent), []);
    let due = agent.poll_timeout().unwrap();
    agent.handle_timeout(due);
    let reconnect = Event::Binding(BindingEvent::Reconnect { path: path() });
    assert_eq!(events(&mut agent), [AgentEvent { id: binding, event: reconnect, is_last: false }]);
    assert_eq!((sent(&mut agent).len(), agent.poll_timeout()), (0, None));
}
