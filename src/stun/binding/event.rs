//! What a binding tells its host.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use crate::net::SendError;
use crate::time::Instant;
use crate::wire::attribute::AttributeType;

/// What a [`super::Binding`] tells its host.
///
/// `rtt` is the round trip, or `None` where a retransmission makes it unknowable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BindingEvent {
    /// The first mapped address. The last event of a binding that asks once.
    Mapped {
        /// The host's address as the server sees it.
        address: SocketAddr,
        /// The round trip.
        rtt: Option<Duration>,
    },
    /// The mapped address is the same as before: the NAT keeps it.
    Refreshed {
        /// The address.
        address: SocketAddr,
        /// The round trip.
        rtt: Option<Duration>,
    },
    /// The mapped address is another: the NAT has rebooted, forgotten, or the network has changed.
    AddressChanged {
        /// The address before.
        previous: SocketAddr,
        /// The address now.
        address: SocketAddr,
        /// The round trip.
        rtt: Option<Duration>,
    },
    /// An attempt has failed, and another follows.
    Retrying {
        /// Why it failed.
        reason: FailureReason,
        /// When the next one is due.
        at: Instant,
    },
    /// The binding has failed for good. The last event.
    Failed {
        /// Why.
        reason: FailureReason,
    },
}

impl fmt::Display for BindingEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mapped { address, .. } => write!(f, "mapped address {address}"),
            Self::Refreshed { address, .. } => write!(f, "mapped address {address}, as before"),
            Self::AddressChanged { previous, address, .. } => {
                write!(f, "mapped address {address}, no longer {previous}")
            }
            Self::Retrying { reason, .. } => write!(f, "{reason}; trying again"),
            Self::Failed { reason } => reason.fmt(f),
        }
    }
}

/// Why a request has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureReason {
    /// Nobody answered in time.
    Timeout,
    /// Answers came, but none was signed with the password (RFC 8489 s9.1.4).
    IntegrityViolated {
        /// The error code of the last one, 0 for a success.
        code: u16,
        /// How many.
        count: u32,
    },
    /// The server refused.
    ErrorResponse {
        /// Its code, 300 to 699 (RFC 8489 s14.8).
        code: u16,
    },
    /// An error response without a usable ERROR-CODE.
    MalformedError,
    /// A response with an attribute that one would have to understand, and does not (RFC 8489 s6.3.3).
    UnknownAttribute {
        /// The first such attribute.
        attribute: AttributeType,
    },
    /// A success response without a usable mapped address.
    NoMappedAddress,
    /// The host could not send, or ICMP said that nobody is there.
    SendFailed {
        /// What the host reported.
        error: SendError,
    },
}

impl FailureReason {
    /// Whether the same request may fare better later.
    pub(super) const fn may_pass(self) -> bool {
        // Unsigned answers prove nothing, so they are no worse than silence.
        matches!(
            self,
            Self::Timeout
                | Self::IntegrityViolated { .. }
                | Self::SendFailed { .. }
                | Self::ErrorResponse { code: 500..=599 }
        )
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("nobody answered"),
            Self::IntegrityViolated { code: 0, count } => {
                write!(f, "integrity violated: saw {count} unsigned responses")
            }
            Self::IntegrityViolated { code, count } => {
                write!(f, "integrity violated: saw {code} x{count} unsigned")
            }
            Self::ErrorResponse { code } => write!(f, "the server answered {code}"),
            Self::MalformedError => f.write_str("the server answered an error without a code"),
            Self::UnknownAttribute { attribute } => {
                write!(f, "the response demands to understand {attribute:?}")
            }
            Self::NoMappedAddress => f.write_str("the response has no usable mapped address"),
            Self::SendFailed { error } => write!(f, "sending failed: {error}"),
        }
    }
}
