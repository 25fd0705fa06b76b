//! Who may ask, and who signs the answer.

use super::{Asked, ServerCredentials};
use crate::auth::nonce::{Nonce, Nonces};
use crate::auth::realm::{Signer, Verdict};
use crate::auth::{Realm, Refusal, ShortTerm};
use crate::time::Instant;
use crate::wire::IntegrityAlgorithm;

/// What the credentials of a server make of a request.
#[derive(Debug)]
pub(super) enum Admission<'c> {
    /// Everybody may ask.
    Open,
    /// Signed, short-term (RFC 8489 s9.1.3).
    ShortTerm(&'c ShortTerm, IntegrityAlgorithm),
    /// Signed, long-term (RFC 8489 s9.2.4).
    LongTerm(Signer),
    /// 400: something is missing.
    BadRequest,
    /// 401, short-term.
    Unauthenticated,
    /// 401 or 438, long-term.
    Challenged { code: u16, realm: &'c Realm, nonce: Nonce, is_proven: bool, is_failure: bool },
}

impl<'c> Admission<'c> {
    pub(super) fn of(
        credentials: Option<&'c ServerCredentials>,
        nonces: &mut Nonces,
        asked: &Asked<'_, '_>,
        now: Instant,
    ) -> Self {
        match credentials {
            None => Self::Open,
            Some(ServerCredentials::ShortTerm(credential)) => match credential.check_request(asked.request) {
                Ok(algorithm) => Self::ShortTerm(credential, algorithm),
                Err(Refusal::BadRequest) => Self::BadRequest,
                Err(Refusal::Unauthenticated) => Self::Unauthenticated,
            },
            Some(ServerCredentials::LongTerm(realm)) => {
                let source = asked.datagram.path.remote;
                match realm.check_request(asked.request, source, nonces, now) {
                    Verdict::Accepted(signer) => Self::LongTerm(signer),
                    Verdict::BadRequest => Self::BadRequest,
                    Verdict::Challenged { code, is_proven, is_failure } => {
                        let nonce = realm.nonce(source, nonces, now);
                        Self::Challenged { code, realm, nonce, is_proven, is_failure }
                    }
                }
            }
        }
    }

    /// Whether somebody is at the address that the request came from.
    pub(super) const fn is_proven(&self) -> bool {
        match self {
            Self::ShortTerm(..) | Self::LongTerm(_) => true,
            Self::Challenged { is_proven, .. } => *is_proven,
            Self::Open | Self::BadRequest | Self::Unauthenticated => false,
        }
    }

    /// Whether it was signed wrongly.
    pub(super) const fn is_failure(&self) -> bool {
        match self {
            Self::Unauthenticated => true,
            Self::Challenged { is_failure, .. } => *is_failure,
            Self::Open | Self::ShortTerm(..) | Self::LongTerm(_) | Self::BadRequest => false,
        }
    }
}
