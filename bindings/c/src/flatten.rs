//! The core's events as the one struct of C.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use libstun::agent::StreamEvent;
use libstun::auth::AuthFailure;
use libstun::nat::ProbeEvent;
use libstun::stun::binding::{FailureReason, RedirectRefusal};
use libstun::stun::discovery::DiscoveryFailure;
use libstun::stun::{BindingEvent, DiscoveryEvent, ServerEvent, SurveyEvent};
use libstun::{AgentEvent, Event, SendError};

use crate::discovery::record_code;
use crate::event::{
    stun_auth_failure_code, stun_event, stun_event_code, stun_failure_code, stun_redirect_refusal_code,
};
use crate::nat_report::{found_value, property_code};
use crate::pointer::Growable;
use crate::status::{STUN_NEVER, stun_send_error_code};
use crate::survey::mapping_code;
use crate::types::{stun_addr, transport_code};

/// Everything but the operation and what is lent.
pub(crate) fn flatten(happened: &AgentEvent) -> stun_event {
    match &happened.event {
        Event::Binding(event) => binding(*event),
        Event::Server(event) => server(*event),
        Event::Stream(StreamEvent::Close { path, .. }) => {
            stun_event { addr: path.remote.into(), ..of(stun_event_code::STUN_EV_CLOSE) }
        }
        Event::Survey(event) => survey(*event),
        Event::Discovery(event) => discovery(event),
        Event::NatProbe(event) => nat_probe(event),
        Event::Allocation(event) => crate::flatten_relay::allocation(event),
        Event::RelayPool(event) => crate::flatten_pool::pool(event),
        _ => stun_event::defaults(),
    }
}

pub(crate) fn of(kind: stun_event_code) -> stun_event {
    stun_event { kind: kind as u32, ..stun_event::defaults() }
}

pub(crate) fn nanos(rtt: Option<Duration>) -> u64 {
    rtt.map_or(STUN_NEVER, |rtt| u64::try_from(rtt.as_nanos()).unwrap_or(u64::MAX))
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn binding(event: BindingEvent) -> stun_event {
    match event {
        BindingEvent::Mapped { address, rtt } => {
            stun_event { addr: address.into(), rtt: nanos(rtt), ..of(stun_event_code::STUN_EV_MAPPED) }
        }
        BindingEvent::Refreshed { address, rtt } => {
            stun_event { addr: address.into(), rtt: nanos(rtt), ..of(stun_event_code::STUN_EV_REFRESHED) }
        }
        BindingEvent::AddressChanged { previous, address, rtt } => {
            stun_event { rtt: nanos(rtt), ..two(stun_event_code::STUN_EV_ADDRESS_CHANGED, address, previous) }
        }
        BindingEvent::Retrying { reason, at } => {
            with_reason(reason, stun_event { at: at.as_nanos(), ..of(stun_event_code::STUN_EV_RETRYING) })
        }
        BindingEvent::Redirected { from, server, awaits_answer } => stun_event {
            code: u32::from(awaits_answer),
            ..two(stun_event_code::STUN_EV_REDIRECTED, server, from)
        },
        BindingEvent::Restarted { previous, local } => {
            two(stun_event_code::STUN_EV_RESTARTED, local, previous)
        }
        BindingEvent::Reconnect { path } => stun_event {
            code: transport_code(path.transport) as u32,
            ..two(stun_event_code::STUN_EV_RECONNECT, path.remote, path.local)
        },
        BindingEvent::Failed { reason } => with_reason(reason, of(stun_event_code::STUN_EV_FAILED)),
        _ => stun_event::defaults(),
    }
}

pub(crate) fn two(kind: stun_event_code, address: SocketAddr, previous: SocketAddr) -> stun_event {
    stun_event { addr: address.into(), previous: previous.into(), ..of(kind) }
}

fn server(event: ServerEvent) -> stun_event {
    let of = |kind, address: IpAddr| stun_event { addr: SocketAddr::new(address, 0).into(), ..of(kind) };
    match event {
        ServerEvent::Throttled { address } => of(stun_event_code::STUN_EV_THROTTLED, address),
        ServerEvent::AuthenticationFailures { address, is_proven } => stun_event {
            code: u32::from(is_proven),
            ..of(stun_event_code::STUN_EV_AUTHENTICATION_FAILURES, address)
        },
        _ => stun_event::defaults(),
    }
}

fn survey(event: SurveyEvent) -> stun_event {
    match event {
        SurveyEvent::Mapped { target, path, address, rtt } => stun_event {
            index: count(target),
            server: path.remote.into(),
            addr: address.into(),
            rtt: nanos(rtt),
            ..of(stun_event_code::STUN_EV_ANSWER)
        },
        SurveyEvent::Failed { target, path, reason } => with_reason(
            reason,
            stun_event {
                index: count(target),
                server: path.remote.into(),
                ..of(stun_event_code::STUN_EV_NO_ANSWER)
            },
        ),
        SurveyEvent::Finished { answered, failed, unanswered, mapping } => stun_event {
            count: count(answered),
            code: count(failed),
            index: count(unanswered),
            detail: mapping_code(mapping) as u32,
            ..of(stun_event_code::STUN_EV_SURVEYED)
        },
        _ => stun_event::defaults(),
    }
}

fn discovery(event: &DiscoveryEvent) -> stun_event {
    match event {
        DiscoveryEvent::Resolve { question, kind, .. } => stun_event {
            index: question.as_u32(),
            detail: record_code(*kind),
            ..of(stun_event_code::STUN_EV_RESOLVE)
        },
        DiscoveryEvent::Servers(servers) => {
            stun_event { count: count(servers.len()), ..of(stun_event_code::STUN_EV_SERVERS) }
        }
        DiscoveryEvent::Failed { reason } => {
            let reason = match reason {
                DiscoveryFailure::NotFound => stun_failure_code::STUN_FAIL_NOT_FOUND,
                DiscoveryFailure::NotOffered => stun_failure_code::STUN_FAIL_NOT_OFFERED,
                DiscoveryFailure::ResolverFailed => stun_failure_code::STUN_FAIL_RESOLVER,
                DiscoveryFailure::Timeout => stun_failure_code::STUN_FAIL_TIMEOUT,
                _ => stun_failure_code::STUN_FAIL_OTHER,
            };
            stun_event { reason: reason as u32, ..of(stun_event_code::STUN_EV_FAILED) }
        }
        _ => stun_event::defaults(),
    }
}

fn nat_probe(event: &ProbeEvent) -> stun_event {
    match event {
        ProbeEvent::Unanswered { asked, .. } => {
            stun_event { server: (*asked).into(), ..of(stun_event_code::STUN_EV_NAT_UNANSWERED) }
        }
        ProbeEvent::Found { property, value, confidence } => {
            let found = found_value(*value, *confidence);
            stun_event {
                index: property_code(*property),
                detail: found.value,
                count: found.confidence,
                reason: found.reason,
                code: found.detail,
                ..of(stun_event_code::STUN_EV_NAT_FOUND)
            }
        }
        ProbeEvent::Finished(report) => stun_event {
            addr: report.mapped.map_or(stun_addr::NONE, Into::into),
            server: report.server.into(),
            ..of(stun_event_code::STUN_EV_NAT_REPORT)
        },
        _ => stun_event::defaults(),
    }
}

fn with_reason(reason: FailureReason, event: stun_event) -> stun_event {
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
            (stun_failure_code::STUN_FAIL_AUTHENTICATION, auth_failure(failure) as u32, 0)
        }
        FailureReason::Redirected { refusal } => {
            (stun_failure_code::STUN_FAIL_REDIRECTED, redirect_refusal(refusal) as u32, 0)
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
    stun_event { reason: failure as u32, code, count, ..event }
}

pub(crate) fn auth_failure(failure: AuthFailure) -> stun_auth_failure_code {
    match failure {
        AuthFailure::Rejected => stun_auth_failure_code::STUN_AUTH_REJECTED,
        AuthFailure::NoRealm => stun_auth_failure_code::STUN_AUTH_NO_REALM,
        AuthFailure::NoNonce => stun_auth_failure_code::STUN_AUTH_NO_NONCE,
        AuthFailure::SameNonce => stun_auth_failure_code::STUN_AUTH_SAME_NONCE,
        AuthFailure::TooManyChallenges => stun_auth_failure_code::STUN_AUTH_TOO_MANY_CHALLENGES,
        AuthFailure::BidDown => stun_auth_failure_code::STUN_AUTH_BID_DOWN,
        AuthFailure::NoKnownAlgorithm => stun_auth_failure_code::STUN_AUTH_NO_KNOWN_ALGORITHM,
        AuthFailure::Sha256NotOffered => stun_auth_failure_code::STUN_AUTH_SHA256_NOT_OFFERED,
        AuthFailure::AnonymityNotOffered => stun_auth_failure_code::STUN_AUTH_ANONYMITY_NOT_OFFERED,
        _ => stun_auth_failure_code::STUN_AUTH_OTHER,
    }
}

pub(crate) fn redirect_refusal(refusal: RedirectRefusal) -> stun_redirect_refusal_code {
    match refusal {
        RedirectRefusal::Declined => stun_redirect_refusal_code::STUN_REFUSED_DECLINED,
        RedirectRefusal::OtherFamily => stun_redirect_refusal_code::STUN_REFUSED_OTHER_FAMILY,
        RedirectRefusal::UnusableAddress => stun_redirect_refusal_code::STUN_REFUSED_UNUSABLE_ADDRESS,
        RedirectRefusal::Loop => stun_redirect_refusal_code::STUN_REFUSED_LOOP,
        RedirectRefusal::TooMany => stun_redirect_refusal_code::STUN_REFUSED_TOO_MANY,
        _ => stun_redirect_refusal_code::STUN_REFUSED_OTHER,
    }
}

pub(crate) fn send_error_code(error: SendError) -> stun_send_error_code {
    match error {
        SendError::NoRoute => stun_send_error_code::STUN_SEND_NO_ROUTE,
        SendError::FamilyUnavailable => stun_send_error_code::STUN_SEND_NO_FAMILY,
        SendError::PermissionDenied => stun_send_error_code::STUN_SEND_NOT_PERMITTED,
        SendError::Refused => stun_send_error_code::STUN_SEND_REFUSED,
        SendError::MessageTooLarge => stun_send_error_code::STUN_SEND_TOO_LARGE,
        SendError::SocketClosed => stun_send_error_code::STUN_SEND_CLOSED,
        _ => stun_send_error_code::STUN_SEND_TRANSIENT,
    }
}
