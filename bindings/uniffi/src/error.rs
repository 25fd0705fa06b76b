//! What misuse is answered with.

use core::fmt::{self, Display};

use libstun_flat::Misuse;
use libstun_flat::codes::stun_status_code as code;

/// A call was refused, and nothing has changed. Datagrams are never refused: what arrives from the network is no error.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Error)]
pub enum Refusal {
    /// The only kind there is, so that a number tells them apart in every language.
    Refused {
        /// An `enum stun_status_code` of `include/stun.h`; always negative.
        code: i32,
        /// One sentence for people.
        reason: String,
    },
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Refused { reason, .. } = self;
        f.write_str(reason)
    }
}

impl core::error::Error for Refusal {}

/// What the core refuses.
impl<E: Into<Misuse>> From<E> for Refusal {
    fn from(error: E) -> Self {
        let Misuse(code, reason) = error.into();
        refused(code, reason)
    }
}

/// An argument has an impossible value.
pub(crate) fn invalid(reason: impl Display) -> Refusal {
    refused(code::STUN_E_INVALID, reason)
}

/// The call does not fit what came before it.
pub(crate) fn state(reason: impl Display) -> Refusal {
    refused(code::STUN_E_STATE, reason)
}

/// The operating system gave no random bytes.
pub(crate) fn no_entropy(reason: impl Display) -> Refusal {
    refused(code::STUN_E_ENTROPY, format_args!("the operating system gave no random bytes: {reason}"))
}

/// A bug was caught in this call.
pub(crate) fn caught() -> Refusal {
    refused(code::STUN_E_PANIC, "a bug in libstun was caught")
}

/// A bug was caught in an earlier call.
pub(crate) fn poisoned() -> Refusal {
    refused(code::STUN_E_POISONED, "an earlier call was caught in a bug; make another agent")
}

fn refused(code: code, reason: impl Display) -> Refusal {
    Refusal::Refused { code: code as i32, reason: reason.to_string() }
}
