//! What a binding tells its host.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use super::RedirectRefusal;
use crate::auth::AuthFailure;
use crate::net::{FiveTuple, SendError};
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
    /// The server names another in its place (RFC 8489 s10), which is asked from now on; or only if the host
    /// agrees. [`Binding::alternate_domain`](super::Binding::alternate_domain) is the name that its
    /// certificate must carry.
    Redirected {
        /// The server that redirects.
        from: SocketAddr,
        /// The server to ask.
        server: SocketAddr,
        /// Whether the binding waits for [`Binding::answer_redirect`](super::Binding::answer_redirect).
        awaits_answer: bool,
    },
    /// The network has changed, and it asks again at once, from another address if the one it had has gone. What
    /// was known of the mapped address is then forgotten, and the host must open a socket at `local`.
    Restarted {
        /// The local address before.
        previous: SocketAddr,
        /// The local address now; the same if it is unspecified.
        local: SocketAddr,
    },
    /// The host is to open a connection along `path` (any local port does) and to call
    /// [`Binding::reconnected`](super::Binding::reconnected). Nothing is due until then.
    Reconnect {
        /// Where to.
        path: FiveTuple,
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
            Self::Redirected { from, server, awaits_answer: false } => {
                write!(f, "{from} redirects to {server}")
            }
            Self::Redirected { from, server, .. } => write!(f, "{from} redirects to {server}; follow?"),
            Self::Restarted { previous, local } => {
                write!(f, "the network has changed; asking from {local}, no longer {previous}")
            }
            Self::Reconnect { path } => write!(f, "the connection to {} is needed anew", path.remote),
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
    /// The server refused because it does not understand an attribute that it must (RFC 8489 s6.3.1).
    NotUnderstood {
        /// The first such attribute.
        attribute: AttributeType,
    },
    /// The server's challenge was not met (RFC 8489 s9.2.5).
    Authentication {
        /// Why.
        failure: AuthFailure,
    },
    /// The server named another that was not asked (RFC 8489 s10).
    Redirected {
        /// Why.
        refusal: RedirectRefusal,
    },
    /// The local address has gone, and the host has none of its family.
    NetworkChanged,
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
    pub(super) const fn may_pass(self, has_worked: bool) -> bool {
        match self {
            // Unsigned answers prove nothing, so they are no worse than silence.
            Self::Timeout
            | Self::IntegrityViolated { .. }
            | Self::SendFailed { .. }
            | Self::ErrorResponse { code: 500..=599 }
            | Self::Redirected { refusal: RedirectRefusal::Loop | RedirectRefusal::TooMany } => true,
            // Nor do challenges, to credentials that the server has already accepted.
            Self::Authentication { .. } => has_worked,
            _ => false,
        }
    }

    /// Whether a stream is of no more use after it.
    pub(super) const fn ends_connection(self) -> bool {
        matches!(
            self,
            Self::Timeout | Self::SendFailed { error: SendError::SocketClosed | SendError::Refused }
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
            Self::NotUnderstood { attribute } => {
                write!(f, "the server does not understand {attribute:?}")
            }
            Self::Authentication { failure } => failure.fmt(f),
            Self::Redirected { refusal } => write!(f, "redirected, and not followed: {refusal}"),
            Self::NetworkChanged => f.write_str("the local address has gone"),
            Self::MalformedError => f.write_str("the server answered an error without a code"),
            Self::UnknownAttribute { attribute } => {
                write!(f, "the response demands to understand {attribute:?}")
            }
            Self::NoMappedAddress => f.write_str("the response has no usable mapped address"),
            Self::SendFailed { error } => write!(f, "sending failed: {error}"),
        }
    }
}
