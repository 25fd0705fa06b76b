//! What a NAT probe has found, as numbers and addresses.

use core::net::SocketAddr;
use core::time::Duration;

use libstun::nat::{Answer, Confidence, Property, Report, Value};

use crate::codes::{confidence_code, reason_code, stun_nat_reason, stun_nat_value, value_code};
use crate::event::{NEVER, nanos};

/// What was found of one property.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlatFinding {
    /// A [`stun_nat_value`].
    pub value: u32,
    /// A [`stun_nat_confidence`](crate::codes::stun_nat_confidence).
    pub confidence: u32,
    /// A [`stun_nat_reason`].
    pub reason: u32,
    /// See the reason.
    pub detail: u32,
}

/// What a NAT probe has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlatReport {
    /// Requests, each counted once, however often it was sent.
    pub requests: u32,
    /// Responses accepted.
    pub responses: u32,
    /// Whether the mapped address depends on the destination, which is known more often than on what of it: 1 yes,
    /// 0 no, 2 unknown.
    pub depends_on_destination: u32,
    /// The server that answered, or else the first that was asked.
    pub server: SocketAddr,
    /// Its other address, if it has one.
    pub other: Option<SocketAddr>,
    /// The local address of the socket, as far as it is known.
    pub local: SocketAddr,
    /// Its mapped address, if it is known.
    pub mapped: Option<SocketAddr>,
    /// How long a binding lives at least, in nanoseconds; 0 if that is not known.
    pub lifetime_at_least: u64,
    /// And below what; [`NEVER`] if that is not known.
    pub lifetime_below: u64,
    /// By [`stun_nat_property`](crate::codes::stun_nat_property); places that no property has are unknown.
    pub findings: [FlatFinding; 16],
}

impl FlatFinding {
    /// Of a property that was not tested.
    pub const UNKNOWN: Self = Self {
        value: stun_nat_value::STUN_NAT_UNKNOWN as u32,
        confidence: 0,
        reason: stun_nat_reason::STUN_NAT_NOT_TESTED as u32,
        detail: 0,
    };
}

/// A report as numbers and addresses.
#[must_use]
pub fn flatten(report: &Report) -> FlatReport {
    let duration = |time: Duration| nanos(Some(time));
    let lifetime = report.lifetime.known_value();
    let mut findings = [FlatFinding::UNKNOWN; 16];
    for (place, property) in findings.iter_mut().zip(Property::ALL) {
        let found = report.finding(property);
        *place = found_value(found.value, found.confidence);
    }
    FlatReport {
        requests: report.requests,
        responses: report.responses,
        depends_on_destination: report.depends_on_destination().map_or(2, u32::from),
        server: report.server,
        other: report.other_address,
        local: report.local,
        mapped: report.mapped,
        lifetime_at_least: lifetime.map_or(0, |lifetime| duration(lifetime.at_least)),
        lifetime_below: lifetime.and_then(|lifetime| lifetime.below).map_or(NEVER, duration),
        findings,
    }
}

/// A value and how sure it is, or why it is unknown.
#[must_use]
pub fn found_value(found: Answer<Value>, confidence: Confidence) -> FlatFinding {
    match found {
        Answer::Known(value) => FlatFinding {
            value: value_code(value) as u32,
            confidence: confidence_code(confidence) as u32,
            reason: stun_nat_reason::STUN_NAT_NO_REASON as u32,
            detail: 0,
        },
        Answer::Unknown(reason) => {
            let (reason, detail) = reason_code(reason);
            FlatFinding { reason: reason as u32, detail, ..FlatFinding::UNKNOWN }
        }
    }
}

#[cfg(test)]
mod tests {
    use libstun::nat::ProbeConfig;
    use libstun::{Agent, Entropy, Instant};

    use super::*;

    #[test]
    fn before_the_first_answer_nothing_is_known() {
        let (local, server) = ("10.0.0.2:5000".parse().unwrap(), "192.0.2.1:3478".parse().unwrap());
        let now = Instant::from_nanos(1);
        let mut agent = Agent::new(Entropy::from_seed([1; 32]), now);
        let id = agent.start_nat_probe(ProbeConfig::new(local, server), now).unwrap();
        let report = flatten(agent.nat_probe(id).unwrap().report());
        assert_eq!((report.server, report.local, report.mapped, report.other), (server, local, None, None));
        assert_eq!((report.responses, report.depends_on_destination), (0, 2));
        assert_eq!((report.lifetime_at_least, report.lifetime_below), (0, NEVER));
        assert_eq!(report.findings, [FlatFinding::UNKNOWN; 16]);
    }
}
