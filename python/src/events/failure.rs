//! Why something has failed.

use libstun::SendError;
use libstun::auth::AuthFailure;
use libstun::stun::binding::{self, RedirectRefusal};
use libstun::stun::discovery::DiscoveryFailure;
use libstun::turn;
use pyo3::prelude::*;

use super::build;
use crate::convert::word_of;
use crate::words::{AUTHENTICATION_FAILURES, REDIRECT_REFUSALS, SEND_ERRORS, member};

/// A binding's reason, or a survey's.
pub(super) fn of_binding<'py>(
    py: Python<'py>,
    failure: &binding::FailureReason,
) -> PyResult<Bound<'py, PyAny>> {
    use binding::FailureReason as Reason;
    let parts = match *failure {
        Reason::Timeout => Parts::only("timeout"),
        Reason::IntegrityViolated { code, count } => Parts::unsigned(code, count),
        Reason::ErrorResponse { code } => Parts::with("error-response", code),
        Reason::NotUnderstood { attribute } => Parts::with("not-understood", attribute.number()),
        Reason::Authentication { failure } => Parts::authentication(failure),
        Reason::Redirected { refusal } => Parts::redirected(refusal),
        Reason::NetworkChanged => Parts::only("network-changed"),
        Reason::MalformedError => Parts::only("malformed-error"),
        Reason::UnknownAttribute { attribute } => Parts::with("unknown-attribute", attribute.number()),
        Reason::NoMappedAddress => Parts::only("no-mapped-address"),
        Reason::SendFailed { error } => Parts::send_failed(error),
        _ => Parts::only("other"),
    };
    parts.build(py, failure.to_string())
}

/// A discovery's reason.
pub(super) fn of_discovery<'py>(py: Python<'py>, failure: &DiscoveryFailure) -> PyResult<Bound<'py, PyAny>> {
    let parts = Parts::only(match failure {
        DiscoveryFailure::NotFound => "not-found",
        DiscoveryFailure::NotOffered => "not-offered",
        DiscoveryFailure::ResolverFailed => "resolver-failed",
        DiscoveryFailure::Timeout => "timeout",
        _ => "other",
    });
    parts.build(py, failure.to_string())
}

/// A relay's reason.
pub(super) fn of_relay<'py>(py: Python<'py>, failure: &turn::FailureReason) -> PyResult<Bound<'py, PyAny>> {
    use turn::FailureReason as Reason;
    let parts = match *failure {
        Reason::Timeout => Parts::only("timeout"),
        Reason::IntegrityViolated { code, count } => Parts::unsigned(code, count),
        Reason::ErrorResponse { code } => Parts::with("error-response", code),
        Reason::NotUnderstood { attribute } => Parts::with("not-understood", attribute.number()),
        Reason::Authentication { failure } => Parts::authentication(failure),
        Reason::Redirected { refusal } => Parts::redirected(refusal),
        Reason::NetworkChanged => Parts::only("network-changed"),
        Reason::MalformedError => Parts::only("malformed-error"),
        Reason::UnknownAttribute { attribute } => Parts::with("unknown-attribute", attribute.number()),
        Reason::NoRelayedAddress => Parts::only("no-relayed-address"),
        Reason::WrongFamily => Parts::only("wrong-family"),
        Reason::ImpossibleLifetime => Parts::only("impossible-lifetime"),
        Reason::Expired => Parts::only("expired"),
        Reason::SendFailed { error } => Parts::send_failed(error),
        Reason::AllocationLost => Parts::only("allocation-lost"),
        _ => Parts::only("other"),
    };
    parts.build(py, failure.to_string())
}

/// The word of a failure to send.
pub(super) fn send_error<'py>(py: Python<'py>, error: SendError) -> PyResult<Bound<'py, PyAny>> {
    member(py, "SendError", send_error_word(error))
}

/// One that is newer than this module passes, like all that it does not know.
fn send_error_word(error: SendError) -> &'static str {
    SEND_ERRORS.iter().find(|(_, known)| *known == error).map_or("transient", |(word, _)| *word)
}

/// The fields of a `Failure`.
#[derive(Clone, Copy)]
struct Parts {
    reason: &'static str,
    code: Option<u16>,
    count: Option<u32>,
    /// An enum and its word.
    detail: Option<(&'static str, &'static str)>,
}

impl Parts {
    const fn only(reason: &'static str) -> Self {
        Self { reason, code: None, count: None, detail: None }
    }

    const fn with(reason: &'static str, code: u16) -> Self {
        Self { code: Some(code), ..Self::only(reason) }
    }

    /// `code` is 0 where the unsigned answers were no errors.
    fn unsigned(code: u16, count: u32) -> Self {
        Self { code: (code != 0).then_some(code), count: Some(count), ..Self::only("integrity") }
    }

    fn authentication(failure: AuthFailure) -> Self {
        let word = word_of(failure, AUTHENTICATION_FAILURES);
        Self { detail: Some(("AuthenticationFailure", word)), ..Self::only("authentication") }
    }

    fn redirected(refusal: RedirectRefusal) -> Self {
        let word = word_of(refusal, REDIRECT_REFUSALS);
        Self { detail: Some(("RedirectRefusal", word)), ..Self::only("redirected") }
    }

    fn send_failed(error: SendError) -> Self {
        Self { detail: Some(("SendError", send_error_word(error))), ..Self::only("send-failed") }
    }

    fn build(self, py: Python<'_>, text: String) -> PyResult<Bound<'_, PyAny>> {
        let detail = self.detail.map(|(class, word)| member(py, class, word)).transpose()?;
        build!(
            py,
            Failure {
                reason: member(py, "FailureReason", self.reason)?,
                code: self.code,
                count: self.count,
                detail: detail,
                text: text,
            }
        )
        .finish()
    }
}
