//! The words of `libstun.enums`, in both directions.

use std::collections::BTreeMap;

use libstun::auth::AuthFailure;
use libstun::stun::binding::RedirectRefusal;
use libstun::transaction::RedirectPolicy;
use libstun::wire::uri::Scheme;
use libstun::wire::{Class, Classification, Integrity, IntegrityAlgorithm};
use libstun::{DropReason, SendError, Transport, WakeReason};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::convert::Words;
use crate::errors;

pub(crate) const TRANSPORTS: &Words<Transport> =
    &[("udp", Transport::Udp), ("tcp", Transport::Tcp), ("tls", Transport::Tls)];

pub(crate) const CLASSES: &Words<Class> = &[
    ("request", Class::Request),
    ("indication", Class::Indication),
    ("success-response", Class::SuccessResponse),
    ("error-response", Class::ErrorResponse),
];

pub(crate) const ALGORITHMS: &Words<IntegrityAlgorithm> =
    &[("sha1", IntegrityAlgorithm::Sha1), ("sha256", IntegrityAlgorithm::Sha256)];

pub(crate) const REDIRECT_POLICIES: &Words<RedirectPolicy> =
    &[("follow", RedirectPolicy::Follow), ("refuse", RedirectPolicy::Refuse), ("ask", RedirectPolicy::Ask)];

pub(crate) const SEND_ERRORS: &Words<SendError> = &[
    ("no-route", SendError::NoRoute),
    ("family-unavailable", SendError::FamilyUnavailable),
    ("permission-denied", SendError::PermissionDenied),
    ("refused", SendError::Refused),
    ("message-too-large", SendError::MessageTooLarge),
    ("socket-closed", SendError::SocketClosed),
    ("transient", SendError::Transient),
];

pub(crate) const DROP_REASONS: &Words<DropReason> = &[
    ("unknown-transaction", DropReason::UnknownTransaction),
    ("wrong-source", DropReason::WrongSource),
    ("wrong-method", DropReason::WrongMethod),
    ("bad-fingerprint", DropReason::BadFingerprint),
    ("unauthenticated", DropReason::Unauthenticated),
    ("malformed-attribute", DropReason::MalformedAttribute),
    ("unsupported-method", DropReason::UnsupportedMethod),
    ("indication", DropReason::Indication),
    ("unusable-source", DropReason::UnusableSource),
    ("queue-full", DropReason::QueueFull),
    ("unexpected", DropReason::Unexpected),
    ("malformed", DropReason::Malformed),
    ("over-budget", DropReason::OverBudget),
    ("unknown-channel", DropReason::UnknownChannel),
    ("unpermitted-peer", DropReason::UnpermittedPeer),
];

pub(crate) const WAKE_REASONS: &Words<WakeReason> = &[
    ("output", WakeReason::Output),
    ("retransmission", WakeReason::Retransmission),
    ("transaction-timeout", WakeReason::TransactionTimeout),
    ("refresh", WakeReason::Refresh),
    ("retry", WakeReason::Retry),
    ("pacing", WakeReason::Pacing),
    ("attempt", WakeReason::Attempt),
    ("measurement", WakeReason::Measurement),
    ("deadline", WakeReason::Deadline),
];

pub(crate) const AUTHENTICATION_FAILURES: &Words<AuthFailure> = &[
    ("rejected", AuthFailure::Rejected),
    ("no-realm", AuthFailure::NoRealm),
    ("no-nonce", AuthFailure::NoNonce),
    ("same-nonce", AuthFailure::SameNonce),
    ("too-many-challenges", AuthFailure::TooManyChallenges),
    ("bid-down", AuthFailure::BidDown),
    ("no-known-algorithm", AuthFailure::NoKnownAlgorithm),
    ("sha256-not-offered", AuthFailure::Sha256NotOffered),
    ("anonymity-not-offered", AuthFailure::AnonymityNotOffered),
];

pub(crate) const REDIRECT_REFUSALS: &Words<RedirectRefusal> = &[
    ("declined", RedirectRefusal::Declined),
    ("other-family", RedirectRefusal::OtherFamily),
    ("unusable-address", RedirectRefusal::UnusableAddress),
    ("loop", RedirectRefusal::Loop),
    ("too-many", RedirectRefusal::TooMany),
];

pub(crate) const PROTOCOLS: &Words<Classification> = &[
    ("stun", Classification::Stun),
    ("channel-data", Classification::ChannelData),
    ("dtls", Classification::Dtls),
    ("rtp", Classification::Rtp),
    ("zrtp", Classification::Zrtp),
    ("quic", Classification::Quic),
    ("wireguard", Classification::WireGuard),
    ("unknown", Classification::Unknown),
];

pub(crate) const SCHEMES: &Words<Scheme> =
    &[("stun", Scheme::Stun), ("stuns", Scheme::Stuns), ("turn", Scheme::Turn), ("turns", Scheme::Turns)];

/// `absent`, `valid` or `invalid`.
pub(crate) const fn check_word(integrity: Integrity) -> &'static str {
    match integrity {
        Integrity::Absent => "absent",
        Integrity::Valid => "valid",
        Integrity::Invalid => "invalid",
    }
}

/// The member of the enum `class`, in `libstun.enums` or `libstun.nat`, with that word.
///
/// Looked up here: calling an enum's class costs more than parsing a message does.
pub(crate) fn member<'py>(py: Python<'py>, class: &str, word: &str) -> PyResult<Bound<'py, PyAny>> {
    let members = MEMBERS.get_or_try_init(py, || all_members(py))?;
    let member = members.get(class).and_then(|words| words.get(word));
    let member = member.ok_or_else(|| errors::internal(format_args!("{class} has no word {word:?}")))?;
    Ok(member.bind(py).clone())
}

/// Every enum's members by their words.
type Members = BTreeMap<String, BTreeMap<String, Py<PyAny>>>;

fn all_members(py: Python<'_>) -> PyResult<Members> {
    let is_enum = py.import("enum")?.getattr("EnumType")?;
    let mut all = Members::new();
    for module in ["libstun.enums", "libstun.nat"] {
        for (name, class) in py.import(module)?.dict() {
            if !class.is_instance(&is_enum)? {
                continue;
            }
            let by_word = class.try_iter()?.map(|member| {
                let member = member?;
                Ok((member.getattr("value")?.extract()?, member.unbind()))
            });
            all.insert(name.extract()?, by_word.collect::<PyResult<_>>()?);
        }
    }
    Ok(all)
}

static MEMBERS: PyOnceLock<Members> = PyOnceLock::new();

/// A module of the package, looked up once.
pub(crate) fn module<'py>(
    py: Python<'py>,
    kept: &'static PyOnceLock<Py<PyModule>>,
    name: &str,
) -> PyResult<&'py Bound<'py, PyModule>> {
    kept.get_or_try_init(py, || Ok(py.import(name)?.unbind())).map(|module| module.bind(py))
}

static ENUMS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

/// `libstun.SendError.of(error)`: which numbers of errors there are depends on the system that Python runs on.
pub(crate) fn send_error_of<'py>(error: pyo3::Borrowed<'_, 'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    module(error.py(), &ENUMS, "libstun.enums")?.getattr("SendError")?.call_method1("of", (error,))
}
