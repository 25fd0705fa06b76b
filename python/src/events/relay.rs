//! Events of allocations and pools of them.

use core::net::SocketAddr;

use libstun::FiveTuple;
use libstun::turn::{AllocationEvent, CredentialsNeed, MigrationReason, PeerError, PoolEvent};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::{Built, build, failure, nanos, optional, transport};
use crate::address::Address;
use crate::words::member;

pub(super) fn allocation<'py>(py: Python<'py>, event: &AllocationEvent) -> PyResult<Built<'py>> {
    use AllocationEvent as Event;
    Ok(match *event {
        Event::Allocated { relayed, additional, mapped, lifetime, reservation, rtt } => build!(
            py,
            Allocated {
                relayed: Address(relayed),
                additional: optional(additional),
                mapped: optional(mapped),
                lifetime_ns: nanos(lifetime),
                reservation: reservation.map(|token| PyBytes::new(py, &token)),
                rtt_ns: rtt.map(nanos),
            }
        ),
        Event::FamilyRefused { is_ipv6, code } => {
            build!(py, FamilyRefused { version: if is_ipv6 { 6 } else { 4 }, code: code })
        }
        Event::Lost { relayed, ref reason } => {
            build!(
                py,
                Lost {
                    relayed: Address(relayed),
                    failure: failure::of_relay(py, reason)?,
                    was_selected: false
                }
            )
        }
        Event::Retrying { ref reason, at } => {
            build!(py, Retrying { failure: failure::of_relay(py, reason)?, at_ns: at.as_nanos() })
        }
        Event::Redirected { from, server, awaits_answer } => build!(
            py,
            Redirected { server: Address(server), previous: Address(from), awaits_answer: awaits_answer }
        ),
        Event::CredentialsNeeded { reason } => credentials_needed(py, reason)?,
        Event::Reconnect { path } => build!(
            py,
            Reconnect {
                server: Address(path.remote),
                local: Address(path.local),
                transport: transport(py, &path)?,
            }
        ),
        Event::Restarted { previous, local } => {
            build!(py, Restarted { local: Address(local), previous: Address(previous) })
        }
        Event::Moved { mapped } => build!(py, Moved { mapped: optional(mapped) }),
        Event::Closed => build!(py, Closed {}),
        Event::Failed { ref reason } => build!(py, Failed { failure: failure::of_relay(py, reason)? }),
        ref about_peer => peer(py, about_peer)?,
    })
}

/// An event of a pool, and the relay that it concerns.
pub(super) fn pool<'py>(py: Python<'py>, event: &PoolEvent) -> PyResult<(Built<'py>, Option<usize>)> {
    Ok(match *event {
        PoolEvent::Ready { relay, relayed, additional, mapped, rtt } => (
            build!(
                py,
                RelayReady {
                    relayed: Address(relayed),
                    additional: optional(additional),
                    mapped: optional(mapped),
                    rtt_ns: rtt.map(nanos),
                }
            ),
            Some(relay),
        ),
        PoolEvent::Selected { relay, relayed, additional } => (
            build!(py, RelaySelected { relayed: Address(relayed), additional: optional(additional) }),
            Some(relay),
        ),
        PoolEvent::Migrated { from, to, relayed, additional, reason } => {
            (migrated(py, from, (relayed, additional), reason)?, Some(to))
        }
        PoolEvent::Lost { relay, relayed, ref reason, was_selected } => {
            let failure = failure::of_relay(py, reason)?;
            let built =
                build!(py, Lost { relayed: Address(relayed), failure: failure, was_selected: was_selected });
            (built, Some(relay))
        }
        PoolEvent::PeerUnserved { relay, peer, error } => {
            let reason = member(py, "UnservedReason", unserved_word(error))?;
            (build!(py, PeerUnserved { peer: Address(peer), reason: reason }), Some(relay))
        }
        PoolEvent::Relay { relay, ref event } => (allocation(py, event)?, Some(relay)),
        PoolEvent::Superseded { relay, by } => (build!(py, RelaySuperseded { by: by }), Some(relay)),
        PoolEvent::Closed => (build!(py, Closed {}), None),
        PoolEvent::Failed { ref reason } => {
            (build!(py, Failed { failure: failure::of_relay(py, reason)? }), None)
        }
        _ => (build!(py, Unknown {}), None),
    })
}

fn peer<'py>(py: Python<'py>, event: &AllocationEvent) -> PyResult<Built<'py>> {
    use AllocationEvent as Event;
    Ok(match *event {
        Event::Permitted { peer } => build!(py, Permitted { host: peer.to_string() }),
        Event::ChannelBound { peer, number } => {
            build!(py, ChannelBound { peer: Address(peer), channel: number.number() })
        }
        Event::PeerRefused { peer, code } => build!(py, PeerRefused { peer: Address(peer), code: code }),
        Event::PeerUnreachable { peer, icmp } => build!(
            py,
            PeerUnreachable {
                peer: Address(peer),
                icmp_type: icmp.icmp_type,
                icmp_code: icmp.code,
                mtu: (icmp.data != 0).then_some(icmp.data),
            }
        ),
        Event::OpenConnection { connection, peer, is_incoming, path } => build!(
            py,
            OpenConnection {
                connection: connection.0,
                peer: Address(peer),
                is_incoming: is_incoming,
                server: Address(path.remote),
                local: Address(path.local),
                transport: transport(py, &path)?,
            }
        ),
        Event::ConnectionBound { connection, peer, path } => connection_bound(py, connection.0, peer, &path)?,
        Event::ConnectionFailed { peer, ref reason } => {
            build!(py, ConnectionFailed { peer: Address(peer), failure: failure::of_relay(py, reason)? })
        }
        _ => build!(py, Unknown {}),
    })
}

fn connection_bound<'py>(
    py: Python<'py>,
    connection: u32,
    peer: SocketAddr,
    path: &FiveTuple,
) -> PyResult<Built<'py>> {
    Ok(build!(
        py,
        ConnectionBound {
            connection: connection,
            peer: Address(peer),
            server: Address(path.remote),
            local: Address(path.local),
            transport: transport(py, path)?,
        }
    ))
}

fn credentials_needed(py: Python<'_>, reason: CredentialsNeed) -> PyResult<Built<'_>> {
    let (word, at) = match reason {
        CredentialsNeed::Rejected => ("rejected", None),
        CredentialsNeed::Expiring { at } => ("expiring", Some(at.as_nanos())),
        _ => ("other", None),
    };
    Ok(build!(py, CredentialsNeeded { reason: member(py, "CredentialsNeed", word)?, at_ns: at }))
}

fn migrated(
    py: Python<'_>,
    previous: usize,
    (relayed, additional): (SocketAddr, Option<SocketAddr>),
    reason: MigrationReason,
) -> PyResult<Built<'_>> {
    let (word, failure) = match reason {
        MigrationReason::Lost { reason } => ("lost", Some(failure::of_relay(py, &reason)?)),
        MigrationReason::Unresponsive => ("unresponsive", None),
        MigrationReason::Family => ("family", None),
        MigrationReason::Faster => ("faster", None),
        _ => ("other", None),
    };
    Ok(build!(
        py,
        Migrated {
            previous: previous,
            relayed: Address(relayed),
            additional: optional(additional),
            reason: member(py, "MigrationReason", word)?,
            failure: failure,
        }
    ))
}

const fn unserved_word(error: PeerError) -> &'static str {
    match error {
        PeerError::Refused(_) => "policy",
        PeerError::Full => "full",
        PeerError::OtherFamily => "family",
        _ => "other",
    }
}
