//! A hundred thousand bindings in one agent.

#![allow(missing_docs)]
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::net::{Ipv4Addr, SocketAddr};

use libstun::stun::binding::FailureReason;
use libstun::stun::{BindingConfig, BindingEvent, Server, ServerConfig};
use libstun::transaction::RetransmissionConfig;
use libstun::{Agent, AgentEvent, Datagram, Entropy, Event, FiveTuple, Instant, Machine, OperationId};
use support::heap::{self, Counting};
use support::{addr, at};

#[global_allocator]
static HEAP: Counting = Counting;

const BINDINGS: u32 = 100_000;
/// Bindings whose server never answers, and which ask twice only.
const SILENT: u32 = 5_000;
/// Bytes of heap for a binding with a request outstanding, generously.
const MAX_BYTES_PER_BINDING: i64 = 4096;

fn path(number: u32) -> FiveTuple {
    FiveTuple::udp(
        addr("10.0.0.1:5000"),
        SocketAddr::new(Ipv4Addr::from_bits(0x0B00_0000 + number).into(), 3478),
    )
}

fn is_silent(path: &FiveTuple) -> bool {
    let first = path.remote.ip();
    (0..SILENT).contains(
        &(u32::from_be_bytes(match first {
            std::net::IpAddr::V4(ip) => ip.octets(),
            std::net::IpAddr::V6(_) => [0xFF; 4],
        }) - 0x0B00_0000),
    )
}

fn start_all(agent: &mut Agent) -> Vec<OperationId> {
    let hasty = RetransmissionConfig { rc: 2, rm: 2, ..RetransmissionConfig::default() };
    let config = |number| match number < SILENT {
        true => BindingConfig { retransmission: hasty, ..BindingConfig::once(path(number)) },
        false => BindingConfig::new(path(number)),
    };
    (0..BINDINGS).map(|number| agent.start_binding(config(number), Instant::ZERO).unwrap()).collect()
}

/// Takes every datagram, and answers those to servers that answer. Says how many there were of each.
fn answer_all(agent: &mut Agent, server: &mut Server, now: Instant) -> (u32, u32) {
    let (mut sent, mut answered, mut buffer) = (0, 0, [0; 256]);
    loop {
        let Some(transmit) = agent.poll_transmit() else { return (sent, answered) };
        sent += 1;
        if is_silent(&transmit.path) {
            continue;
        }
        let (path, length) = (transmit.path, transmit.payload.len());
        buffer[..length].copy_from_slice(transmit.payload);
        let back = FiveTuple { local: path.remote, remote: addr("203.0.113.9:4242"), ..path };
        let _ = server.handle_input(&Datagram::new(back, &buffer[..length]), now);
        let reply = server.poll_transmit().unwrap();
        let _ = agent.handle_input(&Datagram::new(path, reply.payload), now);
        answered += 1;
    }
}

fn count_events(agent: &mut Agent, is_wanted: impl Fn(&BindingEvent) -> bool) -> u32 {
    let mut count = 0;
    while let Some(AgentEvent { event, .. }) = agent.poll_event() {
        let Event::Binding(event) = event else { panic!("{event:?}") };
        assert!(is_wanted(&event), "{event:?}");
        count += 1;
    }
    count
}

#[test]
fn a_hundred_thousand_bindings_are_started_answered_refreshed_given_up_and_cancelled() {
    let before = heap::live_bytes();
    let mut agent = Agent::new(Entropy::from_seed([7; 32]), Instant::ZERO);
    let mut server = Server::new(ServerConfig::default(), Entropy::from_seed([8; 32]), Instant::ZERO);
    let ids = start_all(&mut agent);
    let bytes = (heap::live_bytes() - before) / i64::from(BINDINGS);
    println!("{bytes} bytes of heap per binding");
    assert!(bytes <= MAX_BYTES_PER_BINDING, "{bytes} bytes per binding");
    assert_eq!(agent.operation_count(), BINDINGS as usize);

    assert_eq!(answer_all(&mut agent, &mut server, at(20)), (BINDINGS, BINDINGS - SILENT));
    let mapped = |event: &BindingEvent| matches!(event, BindingEvent::Mapped { .. });
    assert_eq!(count_events(&mut agent, mapped), BINDINGS - SILENT);

    // The silent ones: asked again at 500 ms, given up at 1500 ms.
    assert_eq!(agent.poll_timeout(), Some(at(500)));
    agent.handle_timeout(at(500));
    assert_eq!(answer_all(&mut agent, &mut server, at(500)), (SILENT, 0));
    assert_eq!(agent.poll_timeout(), Some(at(1500)));
    agent.handle_timeout(at(1500));
    let expired = |event: &BindingEvent| *event == BindingEvent::Failed { reason: FailureReason::Timeout };
    assert_eq!(count_events(&mut agent, expired), SILENT);

    assert_eq!(agent.poll_timeout(), Some(at(25_000)));
    agent.handle_timeout(at(25_000));
    assert_eq!(answer_all(&mut agent, &mut server, at(25_010)).1, BINDINGS - SILENT);
    let refreshed = |event: &BindingEvent| matches!(event, BindingEvent::Refreshed { .. });
    assert_eq!(count_events(&mut agent, refreshed), BINDINGS - SILENT);

    // Cancelled while every one of them has a request queued, which must not cost a search each.
    agent.handle_timeout(at(50_000));
    let cancelled = ids.iter().filter(|id| agent.cancel(**id, at(50_000)).is_ok()).count();
    assert_eq!(cancelled, (BINDINGS - SILENT) as usize);
    assert_eq!((agent.operation_count(), agent.poll_timeout(), agent.counters().total()), (0, None, 0));
    assert!(agent.poll_transmit().is_none());
}
