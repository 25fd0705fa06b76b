//! Any event as one struct, whichever operation it is of.

use core::fmt::{self, Write};
use core::net::SocketAddr;
use core::time::Duration;

use libstun::agent::StreamEvent;
use libstun::nat::ProbeEvent;
use libstun::stun::DiscoveryEvent;
use libstun::{AgentEvent, Event};

use crate::codes::{stun_event_code, stun_failure_code};
use crate::{flatten as stun, flatten_pool, flatten_relay};

/// No deadline, and a duration that is not known.
pub const NEVER: u64 = u64::MAX;

/// Instead of the index of a relay: none.
pub const NO_RELAY: u32 = u32::MAX;

/// What happened to an operation. What each field says depends on the kind, as [`stun_event_code`] tells; fields that a
/// kind does not name are 0 or `None`, and `relay` is [`NO_RELAY`].
///
/// Times are in nanoseconds: moments on the clock of whoever drives the agent, durations by themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlatEvent {
    /// A [`stun_event_code`], or 0 for an event that is newer than this crate.
    pub kind: u32,
    /// The operation.
    pub id: u64,
    /// Whether it is the operation's last event, and its id unknown from now on.
    pub is_last: bool,
    /// The relay of a pool that it concerns. What a relay of a pool tells has the kinds of an allocation's events.
    pub relay: u32,
    /// The host's address as the server sees it, unless the kind says otherwise.
    pub addr: Option<SocketAddr>,
    /// What it was before, unless the kind says otherwise.
    pub previous: Option<SocketAddr>,
    /// The server that it concerns.
    pub server: Option<SocketAddr>,
    /// The relayed address, of two the IPv4 one.
    pub relayed: Option<SocketAddr>,
    /// The other one, of the other family.
    pub additional: Option<SocketAddr>,
    /// The peer.
    pub peer: Option<SocketAddr>,
    /// The round trip; [`NEVER`] where a retransmission makes it unknowable.
    pub rtt: u64,
    /// When the next attempt is due.
    pub at: u64,
    /// How long the server keeps a relay without a refresh.
    pub lifetime: u64,
    /// A [`stun_failure_code`], unless the kind says otherwise.
    pub reason: u32,
    /// See `reason`.
    pub code: u32,
    /// See `reason`.
    pub count: u32,
    /// See the kind.
    pub index: u32,
    /// See the kind.
    pub detail: u32,
    /// The token that the next port is kept for.
    pub token: [u8; 8],
}

/// The event in one struct. Names, servers and reports are not in it: see [`name_of`], and the event itself.
#[must_use]
pub fn flatten(happened: &AgentEvent) -> FlatEvent {
    let event = match &happened.event {
        Event::Binding(event) => stun::binding(*event),
        Event::Server(event) => stun::server(*event),
        Event::Stream(StreamEvent::Close { path, .. }) => {
            FlatEvent { addr: Some(path.remote), ..of(stun_event_code::STUN_EV_CLOSE) }
        }
        Event::Survey(event) => stun::survey(*event),
        Event::Discovery(event) => stun::discovery(event),
        Event::NatProbe(event) => stun::nat_probe(event),
        Event::Allocation(event) => flatten_relay::allocation(event),
        Event::RelayPool(event) => flatten_pool::pool(event),
        _ => FlatEvent::NOTHING,
    };
    FlatEvent { id: happened.id.as_u64(), is_last: happened.is_last, ..event }
}

/// The name in an event: what to ask the DNS for, or what a NAT probe has asked in vain; empty in other events.
#[must_use]
pub fn name_of(happened: &AgentEvent) -> &str {
    match &happened.event {
        Event::Discovery(DiscoveryEvent::Resolve { name, .. }) => name,
        Event::NatProbe(ProbeEvent::Unanswered { test, .. }) => test.name(),
        _ => "",
    }
}

/// Writes what happened as one line for people.
///
/// # Errors
/// Those of `out`.
pub fn write_text(out: &mut impl Write, event: &Event) -> fmt::Result {
    match event {
        Event::Binding(event) => write!(out, "{event}"),
        Event::Server(event) => write!(out, "{event}"),
        Event::Stream(event) => write!(out, "{event}"),
        Event::Survey(event) => write!(out, "{event}"),
        Event::Discovery(event) => write!(out, "{event}"),
        Event::NatProbe(event) => write!(out, "{event}"),
        Event::Allocation(event) => write!(out, "{event}"),
        Event::RelayPool(event) => write!(out, "{event}"),
        _ => Ok(()),
    }
}

/// A duration in nanoseconds, [`NEVER`] for none.
#[must_use]
pub fn nanos(duration: Option<Duration>) -> u64 {
    duration.map_or(NEVER, |duration| u64::try_from(duration.as_nanos()).unwrap_or(NEVER))
}

pub(crate) fn of(kind: stun_event_code) -> FlatEvent {
    FlatEvent { kind: kind as u32, ..FlatEvent::NOTHING }
}

pub(crate) fn two(kind: stun_event_code, address: SocketAddr, previous: SocketAddr) -> FlatEvent {
    FlatEvent { addr: Some(address), previous: Some(previous), ..of(kind) }
}

impl FlatEvent {
    /// Of no kind, no operation and no relay.
    pub(crate) const NOTHING: Self = Self {
        kind: 0,
        id: 0,
        is_last: false,
        relay: NO_RELAY,
        addr: None,
        previous: None,
        server: None,
        relayed: None,
        additional: None,
        peer: None,
        rtt: 0,
        at: 0,
        lifetime: 0,
        reason: stun_failure_code::STUN_FAIL_NONE as u32,
        code: 0,
        count: 0,
        index: 0,
        detail: 0,
        token: [0; 8],
    };
}

#[cfg(test)]
mod tests {
    use libstun::OperationId;
    use libstun::nat::{Answer, Confidence, Connectivity, Property, Reason, Test};
    use libstun::stun::binding::FailureReason;
    use libstun::stun::discovery::{DiscoveryFailure, QuestionId, QuestionKind};
    use libstun::stun::survey::ObservedMapping;
    use libstun::stun::{BindingEvent, ServerEvent, SurveyEvent};
    use libstun::{FiveTuple, Instant};

    use super::*;

    fn server() -> SocketAddr {
        "192.0.2.1:3478".parse().unwrap()
    }

    fn local() -> SocketAddr {
        "[2001:db8::1]:5000".parse().unwrap()
    }

    fn happened(event: impl Into<Event>) -> AgentEvent {
        AgentEvent { id: OperationId::from_u64(77), event: event.into(), is_last: true }
    }

    #[test]
    fn an_event_says_whose_it_is_and_nothing_that_its_kind_does_not_name() {
        let address = local();
        let event = flatten(&happened(BindingEvent::Mapped { address, rtt: None }));
        let expected = FlatEvent {
            id: 77,
            is_last: true,
            kind: 1,
            addr: Some(local()),
            rtt: NEVER,
            ..FlatEvent::NOTHING
        };
        assert_eq!(event, expected);
        assert_eq!(event.relay, NO_RELAY);
        let event =
            AgentEvent { is_last: false, ..happened(ServerEvent::Throttled { address: local().ip() }) };
        let event = flatten(&event);
        assert_eq!((event.kind, event.is_last), (19, false));
        assert_eq!(event.addr, Some(SocketAddr::new(local().ip(), 0)));
    }

    #[test]
    fn bindings_say_why_and_when() {
        let reason = FailureReason::IntegrityViolated { code: 401, count: 3 };
        let event = flatten(&happened(BindingEvent::Retrying { reason, at: Instant::from_nanos(5) }));
        assert_eq!((event.kind, event.at, event.reason, event.code, event.count), (9, 5, 2, 401, 3));
        let path = FiveTuple { transport: libstun::Transport::Tls, local: local(), remote: server() };
        let event = flatten(&happened(BindingEvent::Reconnect { path }));
        assert_eq!((event.kind, event.code), (13, 2));
        assert_eq!((event.addr, event.previous), (Some(server()), Some(local())));
    }

    #[test]
    fn surveys_and_discoveries_count() {
        let mapping = ObservedMapping::SameEverywhere;
        let event =
            flatten(&happened(SurveyEvent::Finished { answered: 3, failed: 2, unanswered: 1, mapping }));
        assert_eq!((event.kind, event.count, event.code, event.index, event.detail), (16, 3, 2, 1, 1));
        let path = FiveTuple::udp("10.0.0.2:5000".parse().unwrap(), server());
        let reason = FailureReason::ErrorResponse { code: 500 };
        let event = flatten(&happened(SurveyEvent::Failed { target: 4, path, reason }));
        assert_eq!((event.kind, event.index, event.server), (15, 4, Some(server())));
        assert_eq!((event.reason, event.code), (3, 500));
        let event = flatten(&happened(DiscoveryEvent::Failed { reason: DiscoveryFailure::NotOffered }));
        assert_eq!((event.kind, event.reason), (2, 13));
    }

    #[test]
    fn questions_and_tests_have_a_name_and_other_events_none() {
        let (question, kind) = (QuestionId::from_u32(9), QuestionKind::Srv);
        let asked = happened(DiscoveryEvent::Resolve { question, kind, name: "example.org".into() });
        assert_eq!(name_of(&asked), "example.org");
        let event = flatten(&asked);
        assert_eq!((event.kind, event.index, event.detail), (17, 9, 33));
        let asked = happened(ProbeEvent::Unanswered { test: Test::ChangePort, asked: server() });
        assert_eq!(name_of(&asked), "change-port");
        assert_eq!(flatten(&asked).server, Some(server()));
        assert_eq!(name_of(&happened(DiscoveryEvent::Servers(Vec::new()))), "");
    }

    #[test]
    fn what_was_found_of_a_nat_is_in_four_numbers() {
        let (property, confidence) = (Property::Connectivity, Confidence::High);
        let value = Answer::Known(Connectivity::Open.into());
        let event = flatten(&happened(ProbeEvent::Found { property, value, confidence }));
        assert_eq!((event.kind, event.index, event.detail), (22, 0, 1));
        assert_eq!((event.count, event.reason, event.code), (3, 0, 0));
        let value = Answer::Unknown(Reason::ErrorResponse { code: 500 });
        let event = flatten(&happened(ProbeEvent::Found { property, value, confidence }));
        assert_eq!((event.detail, event.count, event.reason, event.code), (0, 0, 6, 500));
    }

    #[test]
    fn the_line_for_people_is_that_of_the_core() {
        let event = BindingEvent::Failed { reason: FailureReason::Timeout };
        let mut line = String::new();
        write_text(&mut line, &event.into()).unwrap();
        assert_eq!(line, event.to_string());
        assert!(!line.is_empty());
    }

    #[test]
    fn a_duration_beyond_64_bits_of_nanoseconds_is_never() {
        assert_eq!(nanos(Some(Duration::from_micros(3))), 3000);
        assert_eq!(nanos(Some(Duration::MAX)), NEVER);
        assert_eq!(nanos(None), NEVER);
    }
}
