//! Everything that a probe has found, for people and for programs.

use core::fmt;
use core::net::SocketAddr;

use super::config::Property;
use super::finding::{Answer, Evidence, Finding, Reason, Seen};
use super::json::Json;
use super::value::{
    Connectivity, Dependence, Fragments, Gateway, Hairpinning, Lifetime, Pooling, PortParity,
    PortPreservation, Stability, Translation, Value,
};

/// What a probe has found: a value for each property, or why there is none.
///
/// These are observations of one moment, of all NATs on the path together, and upper bounds: a NAT may become more
/// restrictive at any time (RFC 5780 s4). [`Display`](fmt::Display) writes a report for people, and
/// [`Report::to_json`] one for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The server that answered, or else the first that was asked.
    pub server: SocketAddr,
    /// Its other address (RFC 5780 s7.4), if it gave a usable one.
    pub other_address: Option<SocketAddr>,
    /// The primary socket's local address, as far as it is known.
    pub local: SocketAddr,
    /// Its mapped address at the server.
    pub mapped: Option<SocketAddr>,
    /// Requests, each counted once, however often it was sent.
    pub requests: u32,
    /// Responses accepted.
    pub responses: u32,
    /// Whether UDP reaches servers.
    pub connectivity: Finding<Connectivity>,
    /// Whether there is a NAT.
    pub translation: Finding<Translation>,
    /// How it maps.
    pub mapping: Finding<Dependence>,
    /// How it filters.
    pub filtering: Finding<Dependence>,
    /// Whether it hairpins.
    pub hairpinning: Finding<Hairpinning>,
    /// Whether it preserves ports.
    pub port_preservation: Finding<PortPreservation>,
    /// Whether it preserves their parity.
    pub port_parity: Finding<PortParity>,
    /// Whether it gives the host one IP.
    pub pooling: Finding<Pooling>,
    /// Whether the mapped address stays.
    pub stability: Finding<Stability>,
    /// Whether something rewrites addresses in messages.
    pub gateway: Finding<Gateway>,
    /// Whether fragments pass.
    pub fragments: Finding<Fragments>,
    /// How long a binding lives.
    pub lifetime: Finding<Lifetime>,
}

/// Does the same to the finding of whichever property it is.
macro_rules! each_finding {
    ({$($borrow:tt)+} $report:expr, $property:expr, $finding:ident => $call:expr) => {
        match $property {
            Property::Connectivity => {
                let $finding = $($borrow)+ $report.connectivity;
                $call
            }
            Property::Translation => {
                let $finding = $($borrow)+ $report.translation;
                $call
            }
            Property::Mapping => {
                let $finding = $($borrow)+ $report.mapping;
                $call
            }
            Property::Filtering => {
                let $finding = $($borrow)+ $report.filtering;
                $call
            }
            Property::Hairpinning => {
                let $finding = $($borrow)+ $report.hairpinning;
                $call
            }
            Property::PortPreservation => {
                let $finding = $($borrow)+ $report.port_preservation;
                $call
            }
            Property::PortParity => {
                let $finding = $($borrow)+ $report.port_parity;
                $call
            }
            Property::Pooling => {
                let $finding = $($borrow)+ $report.pooling;
                $call
            }
            Property::Stability => {
                let $finding = $($borrow)+ $report.stability;
                $call
            }
            Property::Gateway => {
                let $finding = $($borrow)+ $report.gateway;
                $call
            }
            Property::Fragments => {
                let $finding = $($borrow)+ $report.fragments;
                $call
            }
            Property::Lifetime => {
                let $finding = $($borrow)+ $report.lifetime;
                $call
            }
        }
    };
}

impl Report {
    pub(super) fn new(server: SocketAddr, local: SocketAddr) -> Self {
        Self {
            server,
            other_address: None,
            local,
            mapped: None,
            requests: 0,
            responses: 0,
            connectivity: Finding::unknown(Reason::NotTested),
            translation: Finding::unknown(Reason::NotTested),
            mapping: Finding::unknown(Reason::NotTested),
            filtering: Finding::unknown(Reason::NotTested),
            hairpinning: Finding::unknown(Reason::NotTested),
            port_preservation: Finding::unknown(Reason::NotTested),
            port_parity: Finding::unknown(Reason::NotTested),
            pooling: Finding::unknown(Reason::NotTested),
            stability: Finding::unknown(Reason::NotTested),
            gateway: Finding::unknown(Reason::NotTested),
            fragments: Finding::unknown(Reason::NotTested),
            lifetime: Finding::unknown(Reason::NotTested),
        }
    }

    /// The finding of a property, whichever it is.
    #[must_use]
    pub fn finding(&self, property: Property) -> Finding<Value> {
        each_finding!({ & } self, property, finding => Finding {
            value: match finding.value {
                Answer::Known(value) => Answer::Known(value.into()),
                Answer::Unknown(reason) => Answer::Unknown(reason),
            },
            confidence: finding.confidence,
            evidence: finding.evidence.clone(),
        })
    }

    pub(super) fn set_unknown(&mut self, property: Property, reason: Reason) {
        each_finding!({ &mut } self, property, finding => *finding = Finding::unknown(reason));
    }

    pub(super) fn add_evidence(&mut self, property: Property, evidence: Evidence) {
        each_finding!({ &mut } self, property, finding => if finding.evidence.len() < Finding::<()>::MAX_EVIDENCE {
            finding.evidence.push(evidence);
        });
    }

    /// Whether the mapped address depends on the destination, which is known more often than on what of it.
    #[must_use]
    pub const fn depends_on_destination(&self) -> Option<bool> {
        match self.mapping.value {
            Answer::Known(Dependence::EndpointIndependent) => Some(false),
            Answer::Known(_) | Answer::Unknown(Reason::DependsOnDestination) => Some(true),
            Answer::Unknown(_) => None,
        }
    }

    /// What RFC 3489 s5 would have called it, for those who must compare. Only where mapping and filtering are both
    /// known, and they fit one of its words: it has none for most combinations, and RFC 4787 s3 says why these words
    /// mislead.
    #[must_use]
    pub const fn rfc3489_name(&self) -> Option<&'static str> {
        use Dependence::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
        let (Answer::Known(mapping), Answer::Known(filtering)) = (self.mapping.value, self.filtering.value)
        else {
            return None;
        };
        let is_open = matches!(self.translation.value, Answer::Known(Translation::Absent));
        match (mapping, filtering) {
            (EndpointIndependent, EndpointIndependent) if is_open => Some("open Internet"),
            (EndpointIndependent, _) if is_open => Some("symmetric UDP firewall"),
            (EndpointIndependent, EndpointIndependent) => Some("full cone NAT"),
            (EndpointIndependent, AddressDependent) => Some("restricted cone NAT"),
            (EndpointIndependent, AddressAndPortDependent) => Some("port restricted cone NAT"),
            (AddressAndPortDependent, AddressAndPortDependent) => Some("symmetric NAT"),
            _ => None,
        }
    }

    /// The report as one JSON object, on one line. Keys and words are fixed, and nothing in it needs escaping.
    ///
    /// ```json
    /// {"server":"192.0.2.1:3478", ..., "mapping":{"value":"endpoint-independent","confidence":"high",
    ///  "evidence":[{"test":"binding","asked":"192.0.2.1:3478","seen":"answer","from":"192.0.2.1:3478", ...}]}, ...}
    /// ```
    #[must_use]
    pub const fn to_json(&self) -> Json<'_> {
        Json(self)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "server             {}", self.server)?;
        match self.other_address {
            Some(other) => writeln!(f, "  its other address  {other}")?,
            None => writeln!(f, "  its other address  none")?,
        }
        writeln!(f, "local address      {}", self.local)?;
        if let Some(mapped) = self.mapped {
            writeln!(f, "mapped address     {mapped}")?;
        }
        writeln!(f, "requests           {}, of which {} were answered", self.requests, self.responses)?;
        for property in Property::ALL {
            let finding = self.finding(property);
            match finding.value {
                Answer::Unknown(Reason::NotTested) => continue,
                Answer::Unknown(reason) => writeln!(f, "{:<18} unknown: {reason}", property.name())?,
                Answer::Known(value) => {
                    writeln!(f, "{:<18} {value}  (confidence: {})", property.name(), finding.confidence)?;
                }
            }
            for evidence in &finding.evidence {
                writeln!(f, "  {evidence}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}: ", self.test, self.asked)?;
        match self.seen {
            Seen::Answer { from, mapped } if from == self.asked => write!(f, "mapped address {mapped}"),
            Seen::Answer { from, mapped } => write!(f, "mapped address {mapped}, answered from {from}"),
            Seen::Error { from, code } => write!(f, "error {code} from {from}"),
            Seen::OwnRequest { from } => write!(f, "came back, from {from}"),
            Seen::Silence { requests } => write!(f, "no answer to {requests} requests"),
            Seen::SendFailed(error) => write!(f, "sending failed: {error}"),
        }
    }
}
