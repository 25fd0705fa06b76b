//! What a NAT probe has found, flattened into one struct that can grow.

use libstun::nat::{Answer, Confidence, Finding, Property, Reason, Report, Value};

use crate::event::send_error_code;
use crate::pointer::Growable;
use crate::status::{Misuse, STUN_NEVER, stun_status_code::*, stun_time};
use crate::types::stun_addr;

/// What a property is. The names are those of the report as text.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_nat_value {
    /// It is not known: see the reason.
    STUN_NAT_UNKNOWN = 0,
    /// Connectivity: a server has answered.
    STUN_NAT_OPEN = 1,
    /// Connectivity: servers at several addresses were silent.
    STUN_NAT_BLOCKED = 2,
    /// Translation, gateway: there is none.
    STUN_NAT_ABSENT = 3,
    /// Translation, gateway: there is one, or several.
    STUN_NAT_PRESENT = 4,
    /// Mapping, filtering: depends on nothing.
    STUN_NAT_ENDPOINT_INDEPENDENT = 5,
    /// Mapping, filtering: depends on the remote IP address.
    STUN_NAT_ADDRESS_DEPENDENT = 6,
    /// Mapping, filtering: depends on the remote IP address and port.
    STUN_NAT_ADDRESS_AND_PORT_DEPENDENT = 7,
    /// Hairpinning: it works.
    STUN_NAT_SUPPORTED = 8,
    /// Hairpinning: it does not.
    STUN_NAT_UNSUPPORTED = 9,
    /// Ports, parity: it is kept.
    STUN_NAT_PRESERVED = 10,
    /// Ports, parity, stability: it is not.
    STUN_NAT_CHANGED = 11,
    /// Pooling: one IP address.
    STUN_NAT_ONE_ADDRESS = 12,
    /// Pooling: several.
    STUN_NAT_SEVERAL_ADDRESSES = 13,
    /// Stability: it stays.
    STUN_NAT_STABLE = 14,
    /// Fragments: they pass both ways.
    STUN_NAT_PASS = 15,
    /// Fragments: they pass outwards; the server sent none back.
    STUN_NAT_PASS_OUTBOUND = 16,
    /// Fragments: they are lost, here or elsewhere on the path.
    STUN_NAT_LOST = 17,
    /// Lifetime: between lifetime_at_least and lifetime_below.
    STUN_NAT_BOUNDED = 18,
}

/// How sure a known value is.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_nat_confidence {
    /// The value is not known.
    STUN_NAT_NO_CONFIDENCE = 0,
    /// Something does not fit, or could not be confirmed.
    STUN_NAT_LOW = 1,
    /// One observation, or one that other causes could explain.
    STUN_NAT_MEDIUM = 2,
    /// It was seen to happen, or several observations agree.
    STUN_NAT_HIGH = 3,
}

/// Why a value is unknown.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_nat_reason {
    /// It is known.
    STUN_NAT_NO_REASON = 0,
    /// You did not ask for it, or it has not been decided yet.
    STUN_NAT_NOT_TESTED = 1,
    /// The deadline came first.
    STUN_NAT_DEADLINE = 2,
    /// Nobody answered.
    STUN_NAT_NO_ANSWER = 3,
    /// The path loses too much for silence to say anything.
    STUN_NAT_LOSSY = 4,
    /// It could not be sent; `detail` is the `enum stun_send_error_code`.
    STUN_NAT_SEND_FAILED = 5,
    /// The server answered with error `detail`.
    STUN_NAT_ERROR_RESPONSE = 6,
    /// Responses were altered or not signed.
    STUN_NAT_RESPONSES_ALTERED = 7,
    /// The server does not give the mapped addresses that it takes.
    STUN_NAT_NO_MAPPED_ADDRESS = 8,
    /// The server has no other address to answer from.
    STUN_NAT_NO_OTHER_ADDRESS = 9,
    /// The server's other address does not answer.
    STUN_NAT_ALTERNATE_SILENT = 10,
    /// The server does not answer from elsewhere when asked to.
    STUN_NAT_IGNORES_CHANGE_REQUEST = 11,
    /// The server refuses to.
    STUN_NAT_REFUSES_CHANGE_REQUEST = 12,
    /// The server does not answer to another port when asked to.
    STUN_NAT_IGNORES_RESPONSE_PORT = 13,
    /// The server refuses to.
    STUN_NAT_REFUSES_RESPONSE_PORT = 14,
    /// The server refuses PADDING.
    STUN_NAT_REFUSES_PADDING = 15,
    /// It takes a second socket.
    STUN_NAT_NO_SECOND_SOCKET = 16,
    /// The local address is not known.
    STUN_NAT_LOCAL_UNKNOWN = 17,
    /// There is no NAT.
    STUN_NAT_NO_NAT = 18,
    /// Observations contradict each other.
    STUN_NAT_CONTRADICTION = 19,
    /// Only one server address could be asked.
    STUN_NAT_ONE_SERVER_ONLY = 20,
    /// Only one IP address could be asked; it does not depend on the port.
    STUN_NAT_ONE_ADDRESS_ONLY = 21,
    /// It depends on the destination; on the address alone or also on the port cannot be told.
    STUN_NAT_DEPENDS_ON_DESTINATION = 22,
    /// What was sent may have been filtered.
    STUN_NAT_FILTERING_HIDES = 23,
    /// Too few observations: they may agree by chance.
    STUN_NAT_TOO_FEW = 24,
    /// The two sockets have different public IP addresses.
    STUN_NAT_DIFFERENT_ADDRESSES = 25,
    /// The mapped addresses are of another family than the sockets.
    STUN_NAT_OTHER_FAMILY = 26,
    /// Your network changed first.
    STUN_NAT_NETWORK_CHANGED = 27,
    /// A reason that is newer than this function.
    STUN_NAT_OTHER_REASON = 255,
}

/// How to write a report.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum stun_nat_report_format {
    /// For people: a line for each property, and below it what was asked and seen.
    STUN_NAT_TEXT = 0,
    /// For programs: one JSON object.
    STUN_NAT_JSON = 1,
    /// What RFC 3489 would have called it, such as "full cone NAT", where it has a word for it.
    STUN_NAT_RFC3489 = 2,
}

/// What was found of one property. Frozen.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_nat_finding {
    /// `enum stun_nat_value`.
    pub value: u32,
    /// `enum stun_nat_confidence`.
    pub confidence: u32,
    /// `enum stun_nat_reason`.
    pub reason: u32,
    /// See `reason`.
    pub detail: u32,
}

/// What a probe has found.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_nat_report {
    /// Set it to sizeof(stun_nat_report) before each call; afterwards, how many bytes were filled.
    pub struct_size: u32,
    /// Requests, each counted once, however often it was sent.
    pub requests: u32,
    /// Responses accepted.
    pub responses: u32,
    /// Whether the mapped address depends on the destination, which is known more often than on what of it: 1 yes,
    /// 0 no, 2 unknown.
    pub depends_on_destination: u32,
    /// The server that answered, or else the first that was asked.
    pub server: stun_addr,
    /// Its other address; family 0 if it has none.
    pub other: stun_addr,
    /// The local address of the socket, as far as it is known.
    pub local: stun_addr,
    /// Its mapped address; family 0 if it is not known.
    pub mapped: stun_addr,
    /// How long a binding lives at least; 0 if that is not known.
    pub lifetime_at_least: stun_time,
    /// And below what; STUN_NEVER if that is not known.
    pub lifetime_below: stun_time,
    /// By `enum stun_nat_property`.
    pub findings: [stun_nat_finding; 16],
}

impl stun_nat_report_format {
    pub(crate) fn of(code: u32) -> Result<Self, Misuse> {
        match code {
            0 => Ok(Self::STUN_NAT_TEXT),
            1 => Ok(Self::STUN_NAT_JSON),
            2 => Ok(Self::STUN_NAT_RFC3489),
            _ => Err(Misuse(STUN_E_INVALID, "format is no stun_nat_report_format")),
        }
    }

    pub(crate) fn write(self, report: &Report) -> Option<String> {
        match self {
            Self::STUN_NAT_TEXT => Some(report.to_string()),
            Self::STUN_NAT_JSON => Some(report.to_json().to_string()),
            Self::STUN_NAT_RFC3489 => report.rfc3489_name().map(str::to_owned),
        }
    }
}

/// A report as C reads it.
pub(crate) fn flatten(report: &Report) -> stun_nat_report {
    let optional = |addr: Option<core::net::SocketAddr>| addr.map_or(stun_addr::NONE, Into::into);
    let nanos = |time: core::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(STUN_NEVER);
    let lifetime = report.lifetime.known_value();
    let mut flat = stun_nat_report {
        struct_size: 0,
        requests: report.requests,
        responses: report.responses,
        depends_on_destination: report.depends_on_destination().map_or(2, u32::from),
        server: report.server.into(),
        other: optional(report.other_address),
        local: report.local.into(),
        mapped: optional(report.mapped),
        lifetime_at_least: lifetime.map_or(0, |lifetime| nanos(lifetime.at_least)),
        lifetime_below: lifetime.and_then(|lifetime| lifetime.below).map_or(STUN_NEVER, nanos),
        findings: [UNKNOWN; 16],
    };
    for (place, property) in flat.findings.iter_mut().zip(Property::ALL) {
        *place = finding(&report.finding(property));
    }
    flat
}

/// The code of a property.
pub(crate) fn property_code(property: Property) -> u32 {
    Property::ALL.iter().position(|known| *known == property).map_or(u32::MAX, |place| place as u32)
}

fn finding(found: &Finding<Value>) -> stun_nat_finding {
    found_value(found.value, found.confidence)
}

/// A value and how sure it is, or why it is unknown.
pub(crate) fn found_value(found: Answer<Value>, confidence: Confidence) -> stun_nat_finding {
    match found {
        Answer::Known(value) => stun_nat_finding {
            value: value_code(value) as u32,
            confidence: match confidence {
                Confidence::High => stun_nat_confidence::STUN_NAT_HIGH,
                Confidence::Medium => stun_nat_confidence::STUN_NAT_MEDIUM,
                _ => stun_nat_confidence::STUN_NAT_LOW,
            } as u32,
            reason: 0,
            detail: 0,
        },
        Answer::Unknown(reason) => {
            let (reason, detail) = reason_code(reason);
            stun_nat_finding { reason: reason as u32, detail, ..UNKNOWN }
        }
    }
}

fn value_code(value: Value) -> stun_nat_value {
    if let Value::Lifetime(_) = value {
        return stun_nat_value::STUN_NAT_BOUNDED;
    }
    let name = value.to_string();
    let known = VALUES.iter().find(|(known, _)| *known == name);
    known.map_or(stun_nat_value::STUN_NAT_UNKNOWN, |(_, code)| *code)
}

fn reason_code(reason: Reason) -> (stun_nat_reason, u32) {
    use stun_nat_reason as code;
    let code = match reason {
        Reason::SendFailed { error } => return (code::STUN_NAT_SEND_FAILED, send_error_code(error) as u32),
        Reason::ErrorResponse { code: error } => return (code::STUN_NAT_ERROR_RESPONSE, u32::from(error)),
        Reason::NotTested => code::STUN_NAT_NOT_TESTED,
        Reason::Deadline => code::STUN_NAT_DEADLINE,
        Reason::NoAnswer => code::STUN_NAT_NO_ANSWER,
        Reason::Lossy => code::STUN_NAT_LOSSY,
        Reason::ResponsesAltered => code::STUN_NAT_RESPONSES_ALTERED,
        Reason::NoMappedAddress => code::STUN_NAT_NO_MAPPED_ADDRESS,
        Reason::NoOtherAddress => code::STUN_NAT_NO_OTHER_ADDRESS,
        Reason::AlternateSilent => code::STUN_NAT_ALTERNATE_SILENT,
        Reason::ServerIgnoresChangeRequest => code::STUN_NAT_IGNORES_CHANGE_REQUEST,
        Reason::ChangeRequestUnsupported => code::STUN_NAT_REFUSES_CHANGE_REQUEST,
        Reason::ServerIgnoresResponsePort => code::STUN_NAT_IGNORES_RESPONSE_PORT,
        Reason::ResponsePortUnsupported => code::STUN_NAT_REFUSES_RESPONSE_PORT,
        Reason::PaddingUnsupported => code::STUN_NAT_REFUSES_PADDING,
        Reason::NoSecondSocket => code::STUN_NAT_NO_SECOND_SOCKET,
        Reason::LocalAddressUnknown => code::STUN_NAT_LOCAL_UNKNOWN,
        Reason::NoNat => code::STUN_NAT_NO_NAT,
        Reason::Contradiction => code::STUN_NAT_CONTRADICTION,
        Reason::OneServerOnly => code::STUN_NAT_ONE_SERVER_ONLY,
        Reason::OneAddressOnly => code::STUN_NAT_ONE_ADDRESS_ONLY,
        Reason::DependsOnDestination => code::STUN_NAT_DEPENDS_ON_DESTINATION,
        Reason::FilteringHides => code::STUN_NAT_FILTERING_HIDES,
        Reason::TooFewObservations => code::STUN_NAT_TOO_FEW,
        Reason::DifferentAddresses => code::STUN_NAT_DIFFERENT_ADDRESSES,
        Reason::OtherFamily => code::STUN_NAT_OTHER_FAMILY,
        Reason::NetworkChanged => code::STUN_NAT_NETWORK_CHANGED,
        _ => code::STUN_NAT_OTHER_REASON,
    };
    (code, 0)
}

const UNKNOWN: stun_nat_finding = stun_nat_finding {
    value: stun_nat_value::STUN_NAT_UNKNOWN as u32,
    confidence: 0,
    reason: stun_nat_reason::STUN_NAT_NOT_TESTED as u32,
    detail: 0,
};

/// By the names that the core writes; the same word means the same of every property.
const VALUES: [(&str, stun_nat_value); 17] = [
    ("open", stun_nat_value::STUN_NAT_OPEN),
    ("blocked", stun_nat_value::STUN_NAT_BLOCKED),
    ("absent", stun_nat_value::STUN_NAT_ABSENT),
    ("present", stun_nat_value::STUN_NAT_PRESENT),
    ("endpoint-independent", stun_nat_value::STUN_NAT_ENDPOINT_INDEPENDENT),
    ("address-dependent", stun_nat_value::STUN_NAT_ADDRESS_DEPENDENT),
    ("address-and-port-dependent", stun_nat_value::STUN_NAT_ADDRESS_AND_PORT_DEPENDENT),
    ("supported", stun_nat_value::STUN_NAT_SUPPORTED),
    ("unsupported", stun_nat_value::STUN_NAT_UNSUPPORTED),
    ("preserved", stun_nat_value::STUN_NAT_PRESERVED),
    ("changed", stun_nat_value::STUN_NAT_CHANGED),
    ("one-address", stun_nat_value::STUN_NAT_ONE_ADDRESS),
    ("several-addresses", stun_nat_value::STUN_NAT_SEVERAL_ADDRESSES),
    ("stable", stun_nat_value::STUN_NAT_STABLE),
    ("pass", stun_nat_value::STUN_NAT_PASS),
    ("pass-outbound", stun_nat_value::STUN_NAT_PASS_OUTBOUND),
    ("lost", stun_nat_value::STUN_NAT_LOST),
];

// SAFETY: `repr(C)`, `struct_size` first, and only integers and arrays of them.
unsafe impl Growable for stun_nat_report {
    fn defaults() -> Self {
        Self {
            struct_size: 0,
            requests: 0,
            responses: 0,
            depends_on_destination: 2,
            server: stun_addr::NONE,
            other: stun_addr::NONE,
            local: stun_addr::NONE,
            mapped: stun_addr::NONE,
            lifetime_at_least: 0,
            lifetime_below: STUN_NEVER,
            findings: [UNKNOWN; 16],
        }
    }

    const MIN_SIZE: u32 = 112; // up to and with `mapped`
}

#[cfg(test)]
mod tests {
    use libstun::nat::*;

    use super::*;

    #[test]
    fn every_word_of_the_core_has_its_code() {
        let values: [Value; 22] = [
            Connectivity::Open.into(),
            Connectivity::Blocked.into(),
            Translation::Absent.into(),
            Translation::Present.into(),
            Dependence::EndpointIndependent.into(),
            Dependence::AddressDependent.into(),
            Dependence::AddressAndPortDependent.into(),
            Hairpinning::Supported.into(),
            Hairpinning::Unsupported.into(),
            PortPreservation::Preserved.into(),
            PortPreservation::Changed.into(),
            PortParity::Preserved.into(),
            PortParity::Changed.into(),
            Pooling::OneAddress.into(),
            Pooling::SeveralAddresses.into(),
            Stability::Stable.into(),
            Stability::Changed.into(),
            Gateway::Absent.into(),
            Gateway::Present.into(),
            Fragments::Pass.into(),
            Fragments::PassOutbound.into(),
            Fragments::Lost.into(),
        ];
        for value in values {
            assert_ne!(value_code(value), stun_nat_value::STUN_NAT_UNKNOWN, "{value}");
        }
    }

    #[test]
    fn properties_have_the_numbers_of_the_core() {
        assert!(Property::ALL.len() <= 16);
        for (number, property) in Property::ALL.into_iter().enumerate() {
            assert_eq!((property_code(property) as usize, property as usize), (number, number));
        }
    }
}
