//! The events of allocations.

use core::net::SocketAddr;

use libstun::FiveTuple;
use libstun::turn::{AllocationEvent, CredentialsNeed, FailureReason};

use crate::codes::{
    auth_failure_code, redirect_refusal_code, send_error_code, stun_credentials_need_code, stun_event_code,
    stun_failure_code, transport_code,
};
use crate::event::{FlatEvent, nanos, of, two};

pub(crate) fn allocation(event: &AllocationEvent) -> FlatEvent {
    match *event {
        AllocationEvent::Allocated { relayed, additional, mapped, lifetime, reservation, rtt } => FlatEvent {
            relayed: Some(relayed),
            additional,
            addr: mapped,
            lifetime: nanos(Some(lifetime)),
            code: u32::from(reservation.is_some()),
            token: reservation.unwrap_or_default(),
            rtt: nanos(rtt),
            ..of(stun_event_code::STUN_EV_ALLOCATED)
        },
        AllocationEvent::FamilyRefused { is_ipv6, code } => FlatEvent {
            detail: if is_ipv6 { 6 } else { 4 },
            code: u32::from(code),
            ..of(stun_event_code::STUN_EV_FAMILY_REFUSED)
        },
        AllocationEvent::Lost { relayed, reason } => {
            with_reason(reason, FlatEvent { relayed: Some(relayed), ..of(stun_event_code::STUN_EV_LOST) })
        }
        AllocationEvent::Retrying { reason, at } => {
            with_reason(reason, FlatEvent { at: at.as_nanos(), ..of(stun_event_code::STUN_EV_RETRYING) })
        }
        AllocationEvent::Redirected { from, server, awaits_answer } => FlatEvent {
            code: u32::from(awaits_answer),
            ..two(stun_event_code::STUN_EV_REDIRECTED, server, from)
        },
        AllocationEvent::CredentialsNeeded { reason } => credentials_needed(reason),
        AllocationEvent::Reconnect { path } => on(path, stun_event_code::STUN_EV_RECONNECT),
        AllocationEvent::Restarted { previous, local } => {
            two(stun_event_code::STUN_EV_RESTARTED, local, previous)
        }
        AllocationEvent::Moved { mapped } => FlatEvent { addr: mapped, ..of(stun_event_code::STUN_EV_MOVED) },
        AllocationEvent::Closed => of(stun_event_code::STUN_EV_CLOSED),
        AllocationEvent::Failed { reason } => with_reason(reason, of(stun_event_code::STUN_EV_FAILED)),
        _ => about_peer(event),
    }
}

fn about_peer(event: &AllocationEvent) -> FlatEvent {
    let about = |kind, peer: SocketAddr| FlatEvent { peer: Some(peer), ..of(kind) };
    match *event {
        AllocationEvent::Permitted { peer } => {
            about(stun_event_code::STUN_EV_PERMITTED, SocketAddr::new(peer, 0))
        }
        AllocationEvent::ChannelBound { peer, number } => FlatEvent {
            detail: u32::from(number.number()),
            ..about(stun_event_code::STUN_EV_CHANNEL_BOUND, peer)
        },
        AllocationEvent::PeerRefused { peer, code } => {
            FlatEvent { code: u32::from(code), ..about(stun_event_code::STUN_EV_PEER_REFUSED, peer) }
        }
        AllocationEvent::PeerUnreachable { peer, icmp } => FlatEvent {
            detail: u32::from(icmp.icmp_type),
            code: u32::from(icmp.code),
            count: icmp.data,
            ..about(stun_event_code::STUN_EV_PEER_UNREACHABLE, peer)
        },
        AllocationEvent::OpenConnection { connection, peer, is_incoming, path } => FlatEvent {
            peer: Some(peer),
            index: connection.0,
            detail: u32::from(is_incoming),
            ..on(path, stun_event_code::STUN_EV_OPEN_CONNECTION)
        },
        AllocationEvent::ConnectionBound { connection, peer, path } => FlatEvent {
            peer: Some(peer),
            index: connection.0,
            ..on(path, stun_event_code::STUN_EV_CONNECTION_BOUND)
        },
        AllocationEvent::ConnectionFailed { peer, reason } => {
            with_reason(reason, about(stun_event_code::STUN_EV_CONNECTION_FAILED, peer))
        }
        _ => FlatEvent::NOTHING,
    }
}

/// A socket or connection between host and server.
fn on(path: FiveTuple, kind: stun_event_code) -> FlatEvent {
    FlatEvent { code: transport_code(path.transport) as u32, ..two(kind, path.remote, path.local) }
}

fn credentials_needed(reason: CredentialsNeed) -> FlatEvent {
    let (code, at) = match reason {
        CredentialsNeed::Rejected => (stun_credentials_need_code::STUN_CREDENTIALS_REJECTED, 0),
        CredentialsNeed::Expiring { at } => {
            (stun_credentials_need_code::STUN_CREDENTIALS_EXPIRING, at.as_nanos())
        }
        _ => (stun_credentials_need_code::STUN_CREDENTIALS_OTHER, 0),
    };
    FlatEvent { code: code as u32, at, ..of(stun_event_code::STUN_EV_CREDENTIALS_NEEDED) }
}

pub(crate) fn with_reason(reason: FailureReason, event: FlatEvent) -> FlatEvent {
    let (failure, code, count) = match reason {
        FailureReason::Timeout => (stun_failure_code::STUN_FAIL_TIMEOUT, 0, 0),
        FailureReason::IntegrityViolated { code, count } => {
            (stun_failure_code::STUN_FAIL_INTEGRITY, u32::from(code), count)
        }
        FailureReason::ErrorResponse { code } => {
            (stun_failure_code::STUN_FAIL_ERROR_RESPONSE, u32::from(code), 0)
        }
        FailureReason::NotUnderstood { attribute } => {
            (stun_failure_code::STUN_FAIL_NOT_UNDERSTOOD, u32::from(attribute.number()), 0)
        }
        FailureReason::Authentication { failure } => {
            (stun_failure_code::STUN_FAIL_AUTHENTICATION, auth_failure_code(failure) as u32, 0)
        }
        FailureReason::Redirected { refusal } => {
            (stun_failure_code::STUN_FAIL_REDIRECTED, redirect_refusal_code(refusal) as u32, 0)
        }
        FailureReason::NetworkChanged => (stun_failure_code::STUN_FAIL_NETWORK_CHANGED, 0, 0),
        FailureReason::MalformedError => (stun_failure_code::STUN_FAIL_MALFORMED_ERROR, 0, 0),
        FailureReason::UnknownAttribute { attribute } => {
            (stun_failure_code::STUN_FAIL_UNKNOWN_ATTRIBUTE, u32::from(attribute.number()), 0)
        }
        FailureReason::NoRelayedAddress => (stun_failure_code::STUN_FAIL_NO_RELAYED_ADDRESS, 0, 0),
        FailureReason::WrongFamily => (stun_failure_code::STUN_FAIL_WRONG_FAMILY, 0, 0),
        FailureReason::ImpossibleLifetime => (stun_failure_code::STUN_FAIL_LIFETIME, 0, 0),
        FailureReason::Expired => (stun_failure_code::STUN_FAIL_EXPIRED, 0, 0),
        FailureReason::SendFailed { error } => {
            (stun_failure_code::STUN_FAIL_SEND, send_error_code(error) as u32, 0)
        }
        FailureReason::AllocationLost => (stun_failure_code::STUN_FAIL_ALLOCATION_LOST, 0, 0),
        _ => (stun_failure_code::STUN_FAIL_OTHER, 0, 0),
    };
    FlatEvent { reason: failure as u32, code, count, ..event }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use libstun::auth::AuthFailure;
    use libstun::stun::binding::RedirectRefusal;
    use libstun::wire::ChannelNumber;
    use libstun::wire::attribute::{AttributeType, ConnectionId, Icmp};
    use libstun::{Instant, SendError};

    use super::*;

    fn peer() -> SocketAddr {
        "192.0.2.9:99".parse().unwrap()
    }

    fn every_event() -> Vec<AllocationEvent> {
        let path = FiveTuple::udp("10.0.0.2:5000".parse().unwrap(), "192.0.2.1:3478".parse().unwrap());
        let (relayed, connection, reason) = (peer(), ConnectionId(7), FailureReason::Timeout);
        vec![
            AllocationEvent::Allocated {
                relayed,
                additional: Some(relayed),
                mapped: Some(relayed),
                lifetime: Duration::from_secs(600),
                reservation: Some([1; 8]),
                rtt: Some(Duration::from_millis(1)),
            },
            AllocationEvent::FamilyRefused { is_ipv6: true, code: 440 },
            AllocationEvent::Permitted { peer: peer().ip() },
            AllocationEvent::ChannelBound { peer: peer(), number: ChannelNumber::new(0x4001).unwrap() },
            AllocationEvent::PeerRefused { peer: peer(), code: 403 },
            AllocationEvent::PeerUnreachable {
                peer: peer(),
                icmp: Icmp { icmp_type: 3, code: 4, data: 1400 },
            },
            AllocationEvent::Lost { relayed, reason },
            AllocationEvent::Retrying { reason, at: Instant::from_nanos(5) },
            AllocationEvent::Redirected { from: peer(), server: peer(), awaits_answer: true },
            AllocationEvent::CredentialsNeeded { reason: CredentialsNeed::Rejected },
            AllocationEvent::Reconnect { path },
            AllocationEvent::Restarted { previous: peer(), local: peer() },
            AllocationEvent::Moved { mapped: Some(peer()) },
            AllocationEvent::OpenConnection { connection, peer: peer(), is_incoming: true, path },
            AllocationEvent::ConnectionBound { connection, peer: peer(), path },
            AllocationEvent::ConnectionFailed { peer: peer(), reason },
            AllocationEvent::Closed,
            AllocationEvent::Failed { reason },
        ]
    }

    #[test]
    fn every_event_has_a_kind_of_its_own() {
        let kinds: BTreeSet<u32> = every_event().iter().map(|event| allocation(event).kind).collect();
        assert_eq!(kinds.len(), every_event().len());
        assert!(!kinds.contains(&0));
    }

    #[test]
    fn what_an_event_says_can_be_read() {
        let find = |kind: stun_event_code| {
            let events = every_event();
            events.iter().map(allocation).find(|event| event.kind == kind as u32).unwrap()
        };
        let event = find(stun_event_code::STUN_EV_ALLOCATED);
        let there = Some(peer());
        assert_eq!((event.relayed, event.additional, event.addr), (there, there, there));
        assert_eq!((event.lifetime, event.token, event.code), (600_000_000_000, [1; 8], 1));
        assert_eq!(event.rtt, 1_000_000);
        let event = find(stun_event_code::STUN_EV_PEER_UNREACHABLE);
        assert_eq!((event.peer, event.detail, event.code, event.count), (there, 3, 4, 1400));
        let event = find(stun_event_code::STUN_EV_OPEN_CONNECTION);
        assert_eq!((event.peer, event.index, event.detail, event.addr.unwrap().port()), (there, 7, 1, 3478));
        assert_eq!(event.previous.unwrap().port(), 5000);
        let event = find(stun_event_code::STUN_EV_CONNECTION_FAILED);
        assert_eq!((event.peer, event.reason), (there, stun_failure_code::STUN_FAIL_TIMEOUT as u32));
        let at = Instant::from_nanos(9);
        let event =
            allocation(&AllocationEvent::CredentialsNeeded { reason: CredentialsNeed::Expiring { at } });
        assert_eq!((event.code, event.at), (2, 9));
    }

    #[test]
    fn every_reason_has_a_code_of_its_own() {
        let attribute = AttributeType::new(0x8022);
        let reasons = [
            FailureReason::Timeout,
            FailureReason::IntegrityViolated { code: 401, count: 2 },
            FailureReason::ErrorResponse { code: 486 },
            FailureReason::NotUnderstood { attribute },
            FailureReason::Authentication { failure: AuthFailure::Rejected },
            FailureReason::Redirected { refusal: RedirectRefusal::Loop },
            FailureReason::NetworkChanged,
            FailureReason::MalformedError,
            FailureReason::UnknownAttribute { attribute },
            FailureReason::NoRelayedAddress,
            FailureReason::WrongFamily,
            FailureReason::ImpossibleLifetime,
            FailureReason::Expired,
            FailureReason::SendFailed { error: SendError::NoRoute },
            FailureReason::AllocationLost,
        ];
        let event = |reason| allocation(&AllocationEvent::Failed { reason });
        let codes: BTreeSet<u32> = reasons.iter().map(|reason| event(*reason).reason).collect();
        assert_eq!(codes.len(), reasons.len());
        assert!(!codes.contains(&0) && !codes.contains(&255));
    }
}
