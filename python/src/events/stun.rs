//! Events of bindings, servers, surveys and discoveries.

use libstun::stun::discovery::QuestionKind;
use libstun::stun::survey::{ObservedMapping, ServersDiffer};
use libstun::stun::{BindingEvent, DiscoveryEvent, ServerEvent, SurveyEvent};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::{Built, build, failure, nanos, transport};
use crate::address::Address;
use crate::convert::word_of;
use crate::words::{TRANSPORTS, member};

pub(super) fn binding<'py>(py: Python<'py>, event: &BindingEvent) -> PyResult<Built<'py>> {
    Ok(match *event {
        BindingEvent::Mapped { address, rtt } => {
            build!(py, Mapped { address: Address(address), rtt_ns: rtt.map(nanos) })
        }
        BindingEvent::Refreshed { address, rtt } => {
            build!(py, Refreshed { address: Address(address), rtt_ns: rtt.map(nanos) })
        }
        BindingEvent::AddressChanged { previous, address, rtt } => build!(
            py,
            AddressChanged { address: Address(address), previous: Address(previous), rtt_ns: rtt.map(nanos) }
        ),
        BindingEvent::Retrying { ref reason, at } => {
            build!(py, Retrying { failure: failure::of_binding(py, reason)?, at_ns: at.as_nanos() })
        }
        BindingEvent::Redirected { from, server, awaits_answer } => build!(
            py,
            Redirected { server: Address(server), previous: Address(from), awaits_answer: awaits_answer }
        ),
        BindingEvent::Restarted { previous, local } => {
            build!(py, Restarted { local: Address(local), previous: Address(previous) })
        }
        BindingEvent::Reconnect { path } => build!(
            py,
            Reconnect {
                server: Address(path.remote),
                local: Address(path.local),
                transport: transport(py, &path)?,
            }
        ),
        BindingEvent::Failed { ref reason } => {
            build!(py, Failed { failure: failure::of_binding(py, reason)? })
        }
        _ => build!(py, Unknown {}),
    })
}

pub(super) fn server<'py>(py: Python<'py>, event: &ServerEvent) -> PyResult<Built<'py>> {
    Ok(match event {
        ServerEvent::Throttled { address } => build!(py, Throttled { host: address.to_string() }),
        ServerEvent::AuthenticationFailures { address, is_proven } => {
            build!(py, AuthenticationFailures { host: address.to_string(), is_proven: *is_proven })
        }
        _ => build!(py, Unknown {}),
    })
}

pub(super) fn survey<'py>(py: Python<'py>, event: &SurveyEvent) -> PyResult<Built<'py>> {
    Ok(match *event {
        SurveyEvent::Mapped { target, path, address, rtt } => build!(
            py,
            Answered {
                target: target,
                server: Address(path.remote),
                address: Address(address),
                rtt_ns: rtt.map(nanos),
            }
        ),
        SurveyEvent::Failed { target, path, ref reason } => build!(
            py,
            Unanswered {
                target: target,
                server: Address(path.remote),
                failure: failure::of_binding(py, reason)?,
            }
        ),
        SurveyEvent::Finished { answered, failed, unanswered, mapping } => build!(
            py,
            Surveyed {
                answered: answered,
                failed: failed,
                unanswered: unanswered,
                mapping: member(py, "ObservedMapping", mapping_word(mapping))?,
            }
        ),
        _ => build!(py, Unknown {}),
    })
}

pub(super) fn discovery<'py>(py: Python<'py>, event: &DiscoveryEvent) -> PyResult<Built<'py>> {
    Ok(match event {
        DiscoveryEvent::Resolve { question, name, kind } => build!(
            py,
            Resolve {
                question: question.as_u32(),
                name: name.as_str(),
                kind: member(py, "RecordKind", record_word(*kind))?,
            }
        ),
        DiscoveryEvent::Servers(servers) => {
            let mut all = Vec::with_capacity(servers.len());
            for server in servers {
                let transport = member(py, "Transport", word_of(server.transport, TRANSPORTS))?;
                let (address, host) = (Address(server.address), server.host.as_str());
                all.push(
                    build!(py, DiscoveredServer { address: address, transport: transport, host: host })
                        .finish()?,
                );
            }
            build!(py, ServersFound { servers: PyTuple::new(py, all)? })
        }
        DiscoveryEvent::Failed { reason } => {
            build!(py, Failed { failure: failure::of_discovery(py, reason)? })
        }
        _ => build!(py, Unknown {}),
    })
}

const fn mapping_word(mapping: ObservedMapping) -> &'static str {
    match mapping {
        ObservedMapping::SameEverywhere => "same-everywhere",
        ObservedMapping::DependsOnDestination { servers: ServersDiffer::Address } => "depends-on-address",
        ObservedMapping::DependsOnDestination { servers: ServersDiffer::PortOnly } => "depends-on-port",
        _ => "unknown",
    }
}

const fn record_word(kind: QuestionKind) -> &'static str {
    match kind {
        QuestionKind::Naptr => "NAPTR",
        QuestionKind::Srv => "SRV",
        QuestionKind::Aaaa => "AAAA",
        _ => "A",
    }
}
