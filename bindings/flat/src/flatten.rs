//! The events of everything but relays.

use core::net::{IpAddr, SocketAddr};

use libstun::nat::ProbeEvent;
use libstun::stun::binding::FailureReason;
use libstun::stun::discovery::DiscoveryFailure;
use libstun::stun::{BindingEvent, DiscoveryEvent, ServerEvent, SurveyEvent};

use crate::codes::{
    auth_failure_code, mapping_code, property_code, record_code, redirect_refusal_code, send_error_code,
    stun_event_code, stun_failure_code, transport_code,
};
use crate::event::{FlatEvent, nanos, of, two};
use crate::nat_report::found_value;

pub(crate) fn binding(event: BindingEvent) -> FlatEvent {
    match event {
        BindingEvent::Mapped { address, rtt } => {
            FlatEvent { addr: Some(address), rtt: nanos(rtt), ..of(stun_event_code::STUN_EV_MAPPED) }
        }
        BindingEvent::Refreshed { address, rtt } => {
            FlatEvent { addr: Some(address), rtt: nanos(rtt), ..of(stun_event_code::STUN_EV_REFRESHED) }
        }
        BindingEvent::AddressChanged { previous, address, rtt } => {
            FlatEvent { rtt: nanos(rtt), ..two(stun_event_code::STUN_EV_ADDRESS_CHANGED, address, previous) }
        }
        BindingEvent::Retrying { reason, at } => {
            with_reason(reason, FlatEvent { at: at.as_nanos(), ..of(stun_event_code::STUN_EV_RETRYING) })
        }
        BindingEvent::Redirected { from, server, awaits_answer } => FlatEvent {
            code: u32::from(awaits_answer),
            ..two(stun_event_code::STUN_EV_REDIRECTED, server, from)
        },
        BindingEvent::Restarted { previous, local } => {
            two(stun_event_code::STUN_EV_RESTARTED, local, previous)
        }
        BindingEvent::Reconnect { path } => FlatEvent {
            code: transport_code(path.transport) as u32,
            ..two(stun_event_code::STUN_EV_RECONNECT, path.remote, path.local)
        },
        BindingEvent::Failed { reason } => with_reason(reason, of(stun_event_code::STUN_EV_FAILED)),
        _ => FlatEvent::NOTHING,
    }
}

pub(crate) fn server(event: ServerEvent) -> FlatEvent {
    let of = |kind, address: IpAddr| FlatEvent { addr: Some(SocketAddr::new(address, 0)), ..of(kind) };
    match event {
        ServerEvent::Throttled { address } => of(stun_event_code::STUN_EV_THROTTLED, address),
        ServerEvent::AuthenticationFailures { address, is_proven } => FlatEvent {
            code: u32::from(is_proven),
            ..of(stun_event_code::STUN_EV_AUTHENTICATION_FAILURES, address)
        },
        _ => FlatEvent::NOTHING,
    }
}

pub(crate) fn survey(event: SurveyEvent) -> FlatEvent {
    match event {
        SurveyEvent::Mapped { target, path, address, rtt } => FlatEvent {
            index: count(target),
            server: Some(path.remote),
            addr: Some(address),
            rtt: nanos(rtt),
            ..of(stun_event_code::STUN_EV_ANSWER)
        },
        SurveyEvent::Failed { target, path, reason } => with_reason(
            reason,
            FlatEvent {
                index: count(target),
                server: Some(path.remote),
                ..of(stun_event_code::STUN_EV_NO_ANSWER)
            },
        ),
        SurveyEvent::Finished { answered, failed, unanswered, mapping } => FlatEvent {
            count: count(answered),
            code: count(failed),
            index: count(unanswered),
            detail: mapping_code(mapping) as u32,
            ..of(stun_event_code::STUN_EV_SURVEYED)
        },
        _ => FlatEvent::NOTHING,
    }
}

pub(crate) fn discovery(event: &DiscoveryEvent) -> FlatEvent {
    match event {
        DiscoveryEvent::Resolve { question, kind, .. } => FlatEvent {
            index: question.as_u32(),
            detail: record_code(*kind),
            ..of(stun_event_code::STUN_EV_RESOLVE)
        },
        DiscoveryEvent::Servers(servers) => {
            FlatEvent { count: count(servers.len()), ..of(stun_event_code::STUN_EV_SERVERS) }
        }
        DiscoveryEvent::Failed { reason } => {
            let reason = match reason {
                DiscoveryFailure::NotFound => stun_failure_code::STUN_FAIL_NOT_FOUND,
                DiscoveryFailure::NotOffered => stun_failure_code::STUN_FAIL_NOT_OFFERED,
                DiscoveryFailure::ResolverFailed => stun_failure_code::STUN_FAIL_RESOLVER,
                DiscoveryFailure::Timeout => stun_failure_code::STUN_FAIL_TIMEOUT,
                _ => stun_failure_code::STUN_FAIL_OTHER,
            };
            FlatEvent { reason: reason as u32, ..of(stun_event_code::STUN_EV_FAILED) }
        }
        _ => FlatEvent::NOTHING,
    }
}

pub(crate) fn nat_probe(event: &ProbeEvent) -> FlatEvent {
    match event {
        ProbeEvent::Unanswered { asked, .. } => {
            FlatEvent { server: Some(*asked), ..of(stun_event_code::STUN_EV_NAT_UNANSWERED) }
        }
        ProbeEvent::Found { property, value, confidence } => {
            let found = found_value(*value, *confidence);
            FlatEvent {
                index: property_code(*property),
                detail: found.value,
                count: found.confidence,
                reason: found.reason,
                code: found.detail,
                ..of(stun_event_code::STUN_EV_NAT_FOUND)
            }
        }
        ProbeEvent::Finished(report) => FlatEvent {
            addr: report.mapped,
            server: Some(report.server),
            ..of(stun_event_code::STUN_EV_NAT_REPORT)
        },
        _ => FlatEvent::NOTHING,
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn with_reason(reason: FailureReason, event: FlatEvent) -> FlatEvent {
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
        FailureReason::NoMappedAddress => (stun_failure_code::STUN_FAIL_NO_MAPPED_ADDRESS, 0, 0),
        FailureReason::SendFailed { error } => {
            (stun_failure_code::STUN_FAIL_SEND, send_error_code(error) as u32, 0)
        }
        _ => (stun_failure_code::STUN_FAIL_OTHER, 0, 0),
    };
    FlatEvent { reason: failure as u32, code, count, ..event }
}
