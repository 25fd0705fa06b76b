//! A property's value or why it is unknown, how sure that is, and what was seen.

use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;

use super::value::words;
use crate::net::SendError;

/// What was found of one property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding<T> {
    /// The value, or why there is none.
    pub value: Answer<T>,
    /// How sure the value is. Says nothing where it is unknown.
    pub confidence: Confidence,
    /// What was asked and seen, oldest first; at most [`Finding::MAX_EVIDENCE`] entries.
    pub evidence: Vec<Evidence>,
}

/// Known or not. An unknown value is an honest answer: nothing is guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer<T> {
    /// The value.
    Known(T),
    /// Why there is none.
    Unknown(Reason),
}

words! {
    /// How sure a known value is.
    Confidence {
        /// Something does not fit, or what would confirm it could not be tried: a server that was never seen to
        /// answer from its other address, a mapped address that changed later.
        Low = "low",
        /// It rests on one observation, on silence on a path that loses packets, or on something that other causes
        /// could explain.
        Medium = "medium",
        /// It was seen to happen, or several observations agree, or silence is beyond doubt.
        High = "high",
    }

    /// What was asked.
    Test {
        /// An ordinary request from the primary socket (RFC 5780 s4.2, test I).
        Binding = "binding",
        /// The same again, later.
        Repeated = "repeated",
        /// From the primary socket to the server's other IP address and its primary port (RFC 5780 s4.3, test II).
        AlternateAddress = "alternate-address",
        /// From the primary socket to the server's other IP address and port (RFC 5780 s4.3, test III).
        AlternateBoth = "alternate-both",
        /// From the primary socket to another, ordinary server.
        OtherServer = "other-server",
        /// A request to be answered from the other IP address and port (RFC 5780 s4.4, test II).
        ChangeBoth = "change-both",
        /// A request to be answered from the other port (RFC 5780 s4.4, test III).
        ChangePort = "change-port",
        /// `ChangeBoth` once more where no filter can be in the way: does the server answer from elsewhere at all?
        Confirmation = "confirmation",
        /// An ordinary request from the second socket.
        SecondSocket = "second-socket",
        /// From one socket to the mapped address of the other (RFC 5780 s3.4).
        Hairpin = "hairpin",
        /// A request with PADDING (RFC 5780 s3.5).
        Padding = "padding",
        /// A request with four bytes of PADDING: does the server know it at all?
        ShortPadding = "short-padding",
        /// A request that starts the life of a binding anew.
        Renewal = "renewal",
        /// A request from the second socket to answer to the first one's binding (RFC 5780 s4.6).
        ResponsePort = "response-port",
        /// An ordinary request that shows what the path loses while silence is measured.
        Control = "control",
    }
}

/// One observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Evidence {
    /// What was asked.
    pub test: Test,
    /// Who was asked.
    pub asked: SocketAddr,
    /// What came of it.
    pub seen: Seen,
}

/// What came of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Seen {
    /// A success response.
    Answer {
        /// Its real source.
        from: SocketAddr,
        /// The mapped address that it gave.
        mapped: SocketAddr,
    },
    /// An error response.
    Error {
        /// Its real source.
        from: SocketAddr,
        /// Its code.
        code: u16,
    },
    /// The probe's own request came back.
    OwnRequest {
        /// Its source.
        from: SocketAddr,
    },
    /// Nothing, after so many requests.
    Silence {
        /// How many were sent.
        requests: u32,
    },
    /// It could not be sent, or ICMP refused it.
    SendFailed(SendError),
}

/// Why a value is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The configuration did not ask for it.
    NotTested,
    /// The probe's deadline came first.
    Deadline,
    /// The host's network changed first.
    NetworkChanged,
    /// Nobody answered.
    NoAnswer,
    /// The path loses so much that silence says nothing.
    Lossy,
    /// Requests could not be sent, or ICMP refused them.
    SendFailed {
        /// What the host reported.
        error: SendError,
    },
    /// The server answered with an error.
    ErrorResponse {
        /// Its code, 0 where it had none.
        code: u16,
    },
    /// Responses came without a valid signature, or with a wrong FINGERPRINT.
    ResponsesAltered,
    /// The server gave no usable mapped address, or not both of MAPPED-ADDRESS and XOR-MAPPED-ADDRESS.
    NoMappedAddress,
    /// The server has no usable OTHER-ADDRESS: it cannot answer from elsewhere (RFC 5780 s7.4).
    NoOtherAddress,
    /// The server's other address does not answer.
    AlternateSilent,
    /// The server answers from the address that was asked, or not at all, whatever CHANGE-REQUEST says.
    ServerIgnoresChangeRequest,
    /// The server refuses CHANGE-REQUEST (420).
    ChangeRequestUnsupported,
    /// The server answers to the port that asked, or not at all, whatever RESPONSE-PORT says.
    ServerIgnoresResponsePort,
    /// The server refuses RESPONSE-PORT (420).
    ResponsePortUnsupported,
    /// The server refuses PADDING (420).
    PaddingUnsupported,
    /// The test needs a second socket.
    NoSecondSocket,
    /// The local address is a wildcard, or its port is not known.
    LocalAddressUnknown,
    /// There is no NAT that could do it.
    NoNat,
    /// Observations contradict each other.
    Contradiction,
    /// Only one server address could be asked.
    OneServerOnly,
    /// Only one IP address could be asked, at several ports: the mapping does not depend on the port.
    OneAddressOnly,
    /// The mapping depends on the destination. Whether on its IP address alone or also on its port cannot be told.
    DependsOnDestination,
    /// What was sent may have been filtered: silence does not tell.
    FilteringHides,
    /// Too few observations: they could agree by chance.
    TooFewObservations,
    /// The two sockets have mapped addresses with different IPs.
    DifferentAddresses,
    /// The mapped addresses are of another family, which the sockets cannot write to (RFC 6146).
    OtherFamily,
}

impl Reason {
    /// Its name in reports: lower case, with hyphens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotTested => "not-tested",
            Self::Deadline => "deadline",
            Self::NetworkChanged => "network-changed",
            Self::NoAnswer => "no-answer",
            Self::Lossy => "lossy",
            Self::SendFailed { .. } => "send-failed",
            Self::ErrorResponse { .. } => "error-response",
            Self::ResponsesAltered => "responses-altered",
            Self::NoMappedAddress => "no-mapped-address",
            Self::NoOtherAddress => "no-other-address",
            Self::AlternateSilent => "alternate-silent",
            Self::ServerIgnoresChangeRequest => "server-ignores-change-request",
            Self::ChangeRequestUnsupported => "change-request-unsupported",
            Self::ServerIgnoresResponsePort => "server-ignores-response-port",
            Self::ResponsePortUnsupported => "response-port-unsupported",
            Self::PaddingUnsupported => "padding-unsupported",
            Self::NoSecondSocket => "no-second-socket",
            Self::LocalAddressUnknown => "local-address-unknown",
            Self::NoNat => "no-nat",
            Self::Contradiction => "contradiction",
            Self::OneServerOnly => "one-server-only",
            Self::OneAddressOnly => "one-address-only",
            Self::DependsOnDestination => "depends-on-destination",
            Self::FilteringHides => "filtering-hides",
            Self::TooFewObservations => "too-few-observations",
            Self::DifferentAddresses => "different-addresses",
            Self::OtherFamily => "other-family",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SendFailed { error } => return write!(f, "sending failed: {error}"),
            Self::ErrorResponse { code } => return write!(f, "the server answered {code}"),
            Self::NotTested => "not tested",
            Self::Deadline => "the deadline came first",
            Self::NetworkChanged => "the network changed first",
            Self::NoAnswer => "nobody answered",
            Self::Lossy => "the path loses too much for silence to say anything",
            Self::ResponsesAltered => "responses were altered or not signed",
            Self::NoMappedAddress => "the server does not give the mapped addresses that this needs",
            Self::NoOtherAddress => "the server has no other address to answer from",
            Self::AlternateSilent => "the server's other address does not answer",
            Self::ServerIgnoresChangeRequest => "the server does not answer from elsewhere when asked to",
            Self::ChangeRequestUnsupported => "the server refuses to answer from elsewhere",
            Self::ServerIgnoresResponsePort => "the server does not answer to another port when asked to",
            Self::ResponsePortUnsupported => "the server refuses to answer to another port",
            Self::PaddingUnsupported => "the server refuses padding",
            Self::NoSecondSocket => "it takes a second socket",
            Self::LocalAddressUnknown => "the local address is not known",
            Self::NoNat => "there is no NAT",
            Self::Contradiction => "observations contradict each other",
            Self::OneServerOnly => "only one server address could be asked",
            Self::OneAddressOnly => "it does not depend on the port; only one IP address could be asked",
            Self::DependsOnDestination => {
                "it depends on the destination; on the address alone or also on the port cannot be told"
            }
            Self::FilteringHides => "what was sent may have been filtered",
            Self::TooFewObservations => "the ports may agree by chance",
            Self::OtherFamily => "the mapped addresses are of another family than the sockets",
            Self::DifferentAddresses => "the two sockets have different public IP addresses",
        })
    }
}

/// Observations that a finding keeps.
const MAX_EVIDENCE: usize = 8;

impl<T> Finding<T> {
    /// Observations kept at most.
    pub const MAX_EVIDENCE: usize = MAX_EVIDENCE;

    pub(super) const fn unknown(reason: Reason) -> Self {
        Self { value: Answer::Unknown(reason), confidence: Confidence::Low, evidence: Vec::new() }
    }

    pub(super) const fn known(value: T, confidence: Confidence) -> Self {
        Self { value: Answer::Known(value), confidence, evidence: Vec::new() }
    }
}

impl<T: Copy> Finding<T> {
    /// The value, if it is known.
    #[must_use]
    pub const fn known_value(&self) -> Option<T> {
        match self.value {
            Answer::Known(value) => Some(value),
            Answer::Unknown(_) => None,
        }
    }

    /// Why it is not known, if it is not.
    #[must_use]
    pub const fn reason(&self) -> Option<Reason> {
        match self.value {
            Answer::Known(_) => None,
            Answer::Unknown(reason) => Some(reason),
        }
    }
}
