//! Credentials: who may sign what. Auth never sends, and transactions never authenticate.

mod check;
mod cookie;
mod long_term;
pub(crate) mod nonce;
mod opaque;
pub(crate) mod realm;
mod short_term;

pub use check::AuthFailure;
pub(crate) use check::{ResponseCheck, SignedBy};
pub use cookie::{NONCE_COOKIE_LENGTH, SecurityFeatures};
pub use long_term::LongTerm;
pub use opaque::{PrepareError, opaque_string};
pub use realm::{Realm, RealmNameLength};
pub(crate) use short_term::Refusal;
pub use short_term::{CredentialError, ShortTerm};

use alloc::boxed::Box;

use crate::wire::{BuildError, Message, MessageBuilder};

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
    /// Challenged for by the server (RFC 8489 s9.2). A client's only.
    LongTerm(Box<LongTerm>),
}

impl From<ShortTerm> for Credentials {
    fn from(credential: ShortTerm) -> Self {
        Self::ShortTerm(credential)
    }
}

impl From<LongTerm> for Credentials {
    fn from(credential: LongTerm) -> Self {
        Self::LongTerm(Box::new(credential))
    }
}

/// A client's side. An operation calls [`Credentials::begin`] for each request that is not a retry, signs with
/// what [`Credentials::first`] says and each retry as [`SignedBy::Candidate`], keeps that with the request, and
/// gives it back with the response.
impl Credentials {
    /// Longest addition to a request in bytes: names, echoes and signatures, each with its header.
    pub(crate) const MAX_SIGNATURE: usize = {
        let text = 4 + LongTerm::MAX_TEXT.next_multiple_of(4);
        (4 + ShortTerm::MAX_USERNAME) + text + text + (4 + long_term::MAX_ALGORITHMS) + 8 + 24 + 36
    };

    /// A request begins that is not a retry of another.
    pub(crate) fn begin(&mut self) {
        if let Self::LongTerm(credential) = self {
            credential.begin();
        }
    }

    /// What the next request that is not a retry is signed with.
    pub(crate) fn first(&self) -> SignedBy {
        match self {
            Self::LongTerm(credential) if !credential.has_worked() => SignedBy::Nobody,
            Self::LongTerm(_) | Self::ShortTerm(_) => SignedBy::Working,
        }
    }

    /// Adds the attributes that name the user, then the signatures.
    pub(crate) fn sign_request(
        &self,
        by: SignedBy,
        builder: &mut MessageBuilder<'_>,
    ) -> Result<(), BuildError> {
        match self {
            Self::ShortTerm(credential) => {
                credential.identify(builder)?;
                credential.sign(builder)
            }
            Self::LongTerm(credential) => credential.sign(by, builder),
        }
    }

    /// Whether a response was signed with what its request was, without learning from it.
    pub(crate) fn is_authentic(&self, response: &Message<'_>, by: SignedBy) -> bool {
        match self {
            Self::ShortTerm(credential) => credential.check_response(response).is_some(),
            Self::LongTerm(credential) => credential.is_authentic(response, by),
        }
    }

    /// Checks a response to a request that was signed so. Only an authentic one changes what works.
    pub(crate) fn check_response(&mut self, response: &Message<'_>, by: SignedBy) -> ResponseCheck {
        match self {
            Self::ShortTerm(credential) => match credential.check_response(response) {
                Some(algorithm) => {
                    credential.settle_on(algorithm);
                    ResponseCheck::Accept
                }
                None => ResponseCheck::Discard,
            },
            Self::LongTerm(credential) => credential.check(response, by),
        }
    }

    /// The retry has ended without an authentic response.
    pub(crate) fn forget_candidate(&mut self) {
        if let Self::LongTerm(credential) = self {
            credential.forget_candidate();
        }
    }

    /// The next request goes to another server (RFC 8489 s10): the same credentials, no session yet.
    pub(crate) fn forget_server(&mut self) {
        if let Self::LongTerm(credential) = self {
            credential.forget_server();
        }
    }
}
