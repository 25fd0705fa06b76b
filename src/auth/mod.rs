//! Credentials: who may sign what. Auth never sends, and transactions never authenticate.

mod cookie;
pub(crate) mod nonce;
pub(crate) mod realm;
mod short_term;

pub use cookie::{NONCE_COOKIE_LENGTH, SecurityFeatures};
pub use realm::{Realm, RealmNameLength};
pub use short_term::{CredentialError, ShortTerm};
pub(crate) use short_term::{Refusal, ResponseCheck};

use crate::wire::{BuildError, IntegrityAlgorithm, Message, MessageBuilder};

/// The credentials that an operation signs and checks with.
///
/// ```
/// use libstun::auth::{Credentials, ShortTerm};
/// let credentials: Credentials = ShortTerm::new(b"user", b"password")?.into();
/// # Ok::<(), libstun::auth::CredentialError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credentials {
    /// Known to both ends beforehand (RFC 8489 s9.1).
    ShortTerm(ShortTerm),
}

impl From<ShortTerm> for Credentials {
    fn from(credential: ShortTerm) -> Self {
        Self::ShortTerm(credential)
    }
}

impl Credentials {
    /// Adds the attributes that name the user, then the signatures.
    pub(crate) fn sign_request(&self, builder: &mut MessageBuilder<'_>) -> Result<(), BuildError> {
        match self {
            Self::ShortTerm(credential) => {
                credential.identify(builder)?;
                credential.sign(builder)
            }
        }
    }

    pub(crate) fn sign_response(
        &self,
        algorithm: IntegrityAlgorithm,
        builder: &mut MessageBuilder<'_>,
    ) -> Result<(), BuildError> {
        match self {
            Self::ShortTerm(credential) => credential.sign_response(algorithm, builder),
        }
    }

    /// Checks a response. An authentic one settles which algorithm the server knows; any other changes nothing.
    pub(crate) fn accept_response(&mut self, response: &Message<'_>) -> ResponseCheck {
        match self {
            Self::ShortTerm(credential) => {
                let check = credential.check_response(response);
                if let ResponseCheck::Authentic(algorithm) = check {
                    credential.settle_on(algorithm);
                }
                check
            }
        }
    }

    pub(crate) fn check_request(&self, request: &Message<'_>) -> Result<IntegrityAlgorithm, Refusal> {
        match self {
            Self::ShortTerm(credential) => credential.check_request(request),
        }
    }
}
