//! What a NAT probe finds out.

use libstun::nat::{Confidence, Property, Reason, Value};

use super::send_error_code;

/// What can be found out. As a bit of a stun_nat_config's `properties`: 1u << it.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum stun_nat_property {
    /// Whether UDP reaches servers.
    STUN_NAT_CONNECTIVITY = 0,
    /// Whether there is a NAT.
    STUN_NAT_TRANSLATION = 1,
    /// How it maps (RFC 4787 s4.1).
    STUN_NAT_MAPPING = 2,
    /// How it filters (RFC 4787 s5).
    STUN_NAT_FILTERING = 3,
    /// Whether two sockets behind it reach each other by their mapped addresses.
    STUN_NAT_HAIRPINNING = 4,
    /// Whether the mapped port is the local one.
    STUN_NAT_PORT_PRESERVATION = 5,
    /// Whether even ports stay even, and odd ones odd.
    STUN_NAT_PORT_PARITY = 6,
    /// Whether all mapped addresses of the host have one IP.
    STUN_NAT_POOLING = 7,
    /// Whether the mapped address stays.
    STUN_NAT_STABILITY = 8,
    /// Whether something rewrites addresses inside messages.
    STUN_NAT_GATEWAY = 9,
    /// What becomes of datagrams that are longer than the path's MTU.
    STUN_NAT_FRAGMENTS = 10,
    /// How long a binding lives without traffic. Takes up to two hours, and is not tested unless asked for.
    STUN_NAT_LIFETIME = 11,
}

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

/// The code of a property.
#[must_use]
pub fn property_code(property: Property) -> u32 {
    Property::ALL.iter().position(|known| *known == property).map_or(u32::MAX, |place| place as u32)
}

/// The code of a value.
#[must_use]
pub fn value_code(value: Value) -> stun_nat_value {
    let name = match value {
        Value::Connectivity(value) => value.name(),
        Value::Translation(value) => value.name(),
        Value::Dependence(value) => value.name(),
        Value::Hairpinning(value) => value.name(),
        Value::PortPreservation(value) => value.name(),
        Value::PortParity(value) => value.name(),
        Value::Pooling(value) => value.name(),
        Value::Stability(value) => value.name(),
        Value::Gateway(value) => value.name(),
        Value::Fragments(value) => value.name(),
        Value::Lifetime(_) => return stun_nat_value::STUN_NAT_BOUNDED,
        _ => return stun_nat_value::STUN_NAT_UNKNOWN,
    };
    let known = VALUES.iter().find(|(known, _)| *known == name);
    known.map_or(stun_nat_value::STUN_NAT_UNKNOWN, |(_, code)| *code)
}

/// The code of how sure a known value is.
#[must_use]
pub fn confidence_code(confidence: Confidence) -> stun_nat_confidence {
    match confidence {
        Confidence::High => stun_nat_confidence::STUN_NAT_HIGH,
        Confidence::Medium => stun_nat_confidence::STUN_NAT_MEDIUM,
        _ => stun_nat_confidence::STUN_NAT_LOW,
    }
}

/// The code of why a value is unknown, and its detail or 0.
#[must_use]
pub fn reason_code(reason: Reason) -> (stun_nat_reason, u32) {
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
