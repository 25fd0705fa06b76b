//! What operations are told, as flat records. Durations and times are nanoseconds, [`NEVER`] where there is none; an
//! address that is not there is all zeros; codes are those of `include/stun.h`.
//!
//! The idiomatic packages fill every field: their defaults come from [`crate::Defaults`], which asks the core.

mod allocation;
mod nat;
mod server;
mod stun;

use core::time::Duration;

use crate::error::{Refusal, invalid};
use crate::secret::Secret;
use libstun::Instant;
use libstun::auth::{Credentials, LongTerm, ShortTerm, opaque_string};
use libstun::transaction::{Backoff, RetransmissionConfig};
use libstun_flat::NEVER;
use libstun_flat::codes::integrity;

pub use allocation::{AllocationOptions, PeerRule};
pub use nat::NatOptions;
pub use server::{ServerOptions, User};
pub use stun::{BindingOptions, SurveyOptions, Target};

/// A credential of either kind.
#[derive(Clone, uniffi::Record)]
pub struct Credential {
    /// Whether the server challenges for it (RFC 8489 s9.2), or both ends know it beforehand (s9.1).
    pub is_long_term: bool,
    /// In UTF-8, prepared here (RFC 8265 s4.2).
    pub username: String,
    /// The same.
    pub password: Secret,
    /// Of a short-term one: 0 both attributes, 1 MESSAGE-INTEGRITY, 2 MESSAGE-INTEGRITY-SHA256.
    pub integrity: u32,
    /// Of a long-term one: demand SHA-256.
    pub require_sha256: bool,
    /// Of a long-term one: demand USERHASH.
    pub require_anonymity: bool,
}

impl Credential {
    /// The core's.
    ///
    /// # Errors
    /// A name or a password is none, or there is no such attribute.
    pub(crate) fn read(self) -> Result<Credentials, Refusal> {
        if self.is_long_term { self.long_term() } else { self.short_term().map(Into::into) }
    }

    pub(crate) fn short_term(&self) -> Result<ShortTerm, Refusal> {
        let (username, password) = (prepared(&self.username)?, self.password.prepared()?);
        let credential = ShortTerm::new(username.as_bytes(), password.as_bytes()).map_err(invalid)?;
        Ok(match integrity(self.integrity)? {
            Some(one) => credential.only(one),
            None => credential,
        })
    }

    fn long_term(&self) -> Result<Credentials, Refusal> {
        let mut credential = LongTerm::new(&self.username, self.password.as_str()).map_err(invalid)?;
        if self.require_sha256 {
            credential = credential.require_sha256();
        }
        if self.require_anonymity {
            credential = credential.require_anonymity();
        }
        Ok(credential.into())
    }
}

/// When a request is sent again, and when it is given up (RFC 8489 s6.2.1).
#[derive(Clone, uniffi::Record)]
pub struct Schedule {
    /// The first retransmission timeout; it doubles.
    pub initial_rto: u64,
    /// How often a request is sent in all.
    pub rc: u32,
    /// How many times the first RTO to wait after the last send.
    pub rm: u32,
    /// How long to wait over TCP or TLS.
    pub ti: u64,
}

impl Schedule {
    fn read(&self) -> Result<RetransmissionConfig, Refusal> {
        if [self.initial_rto, self.ti, self.rc.into(), self.rm.into()].contains(&0) {
            return Err(invalid("nothing in a retransmission schedule can be 0"));
        }
        Ok(RetransmissionConfig {
            initial_rto: Duration::from_nanos(self.initial_rto),
            rc: self.rc,
            rm: self.rm,
            ti: Duration::from_nanos(self.ti),
        })
    }
}

/// How long to wait after failures.
#[derive(Clone, uniffi::Record)]
pub struct Waits {
    /// After the first; it doubles.
    pub first: u64,
    /// The longest.
    pub max: u64,
}

impl Waits {
    const fn read(&self) -> Backoff {
        Backoff { first: Duration::from_nanos(self.first), max: Duration::from_nanos(self.max) }
    }
}

/// A name as an OpaqueString (RFC 8265 s4.2).
pub(crate) fn prepared(text: &str) -> Result<String, Refusal> {
    opaque_string(text).map(|text| text.to_string()).map_err(invalid)
}

/// A duration that may be never.
pub(crate) fn duration(nanos: u64) -> Option<Duration> {
    (nanos != NEVER).then_some(Duration::from_nanos(nanos))
}

/// A time that may be never.
pub(crate) fn instant(nanos: u64) -> Option<Instant> {
    (nanos != NEVER).then_some(Instant::from_nanos(nanos))
}

fn credentials(given: Option<Credential>) -> Result<Option<Credentials>, Refusal> {
    given.map(Credential::read).transpose()
}

/// Whether there are no more of something than there may be, before anything is made of them.
fn at_most<T>(given: &[T], most: usize, what: &str) -> Result<(), Refusal> {
    if given.len() > most {
        return Err(invalid(format_args!("there are more than {most} {what}")));
    }
    Ok(())
}
