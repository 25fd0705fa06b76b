//! Long-term credentials at a client (RFC 8489 s9.2): a username and a password, and what the server's
//! challenges have taught of its realm and nonces.

mod session;

use alloc::vec::Vec;

use zeroize::Zeroizing;

pub(super) use self::session::MAX_ALGORITHMS;
use self::session::{Challenge, Session};
use super::check::{AuthFailure, ResponseCheck, SignedBy};
use super::opaque::opaque_string;
use super::short_term::{CredentialError, ShortTerm};
use crate::wire::attribute::ErrorCode;
use crate::wire::{BuildError, Class, Message, MessageBuilder};

/// A username and a password for a server that challenges with a realm and a nonce.
///
/// ```text
///              challenge to a request
///   (nothing) -----------------------> candidate: signs the retry only
///                                        |
///             authentic response         |          its retry fails, or the
///   working <----------------------------+------>   working one is answered: forgotten
/// ```
///
/// What works stays until something else has proved to work: a 401 or 438 that nobody signed teaches a
/// candidate, and that signs one retry. Only when a response to it is validly signed does it take over. The
/// password is kept, since a changed realm wants another key; it is erased when dropped and never printed.
///
/// ```
/// use libstun::auth::{Credentials, LongTerm};
/// let user = LongTerm::new("alice", "correct horse battery staple")?.require_sha256();
/// assert_eq!(format!("{user:?}"), r#"LongTerm { username: "alice", .. }"#);
/// let credentials: Credentials = user.into();
/// # Ok::<(), libstun::auth::CredentialError>(())
/// ```
#[derive(Clone)]
pub struct LongTerm {
    username: Vec<u8>,
    password: Zeroizing<Vec<u8>>,
    policy: Policy,
    working: Option<Session>,
    candidate: Option<Session>,
    /// Challenges met since the last authentic response: how many said 438, how many 401.
    stale: u32,
    unauthenticated: u32,
}

/// What the host does not do without.
#[derive(Clone, Copy, Debug, Default)]
struct Policy {
    sha256: bool,
    anonymity: bool,
}

impl LongTerm {
    /// How often one request is signed anew because the server calls its nonce stale, and as often because it
    /// changes the realm. RFC 8489 s9.2.5 has no limit.
    pub const MAX_CHALLENGES: u32 = 3;

    /// Longest REALM or NONCE in bytes that is kept and echoed (RFC 8489 s14.9, s14.10).
    pub const MAX_TEXT: usize = 763;

    /// A credential. Both strings are prepared with [`opaque_string`].
    ///
    /// # Errors
    /// A string that cannot be prepared, or a username over 508 bytes.
    pub fn new(username: &str, password: &str) -> Result<Self, CredentialError> {
        let username = opaque_string(username).map_err(CredentialError::Username)?.into_owned().into_bytes();
        if username.len() > ShortTerm::MAX_USERNAME {
            return Err(CredentialError::UsernameLength);
        }
        let password = opaque_string(password).map_err(CredentialError::Password)?;
        Ok(Self {
            username,
            password: Zeroizing::new(password.into_owned().into_bytes()),
            policy: Policy::default(),
            working: None,
            candidate: None,
            stale: 0,
            unauthenticated: 0,
        })
    }

    /// The same, failing rather than signing with HMAC-SHA1 or a key of MD5, accepting such a signature, or
    /// believing a success that was not signed at all (RFC 8489 s9.2.1).
    #[must_use]
    pub fn require_sha256(mut self) -> Self {
        self.policy.sha256 = true;
        self
    }

    /// The same, failing rather than sending USERNAME in the clear: USERHASH or nothing (RFC 8489 s14.4).
    #[must_use]
    pub fn require_anonymity(mut self) -> Self {
        self.policy.anonymity = true;
        self
    }

    /// Whether the server has proved to know the password.
    pub(crate) const fn has_worked(&self) -> bool {
        self.working.is_some()
    }

    /// A new request of an operation begins: challenges count anew.
    pub(crate) fn begin(&mut self) {
        self.candidate = None;
        (self.stale, self.unauthenticated) = (0, 0);
    }

    /// The retry has ended without an authentic response.
    pub(crate) fn forget_candidate(&mut self) {
        self.candidate = None;
    }

    /// Another server is asked: realm and nonce are not its own (RFC 8489 s9.2.3.1).
    pub(crate) fn forget_server(&mut self) {
        self.begin();
        self.working = None;
    }

    /// Names the user and signs a request (RFC 8489 s9.2.3.2, s9.2.5). Nothing is added to the first one.
    pub(crate) fn sign(&self, by: SignedBy, builder: &mut MessageBuilder<'_>) -> Result<(), BuildError> {
        self.session(by).map_or(Ok(()), |session| session.sign(&self.username, builder))
    }

    /// Checks a response, in the order of RFC 8489 s9.2.5. Only an authentic one changes what works.
    pub(crate) fn check(&mut self, response: &Message<'_>, by: SignedBy) -> ResponseCheck {
        let is_authentic = self.is_authentic(response, by);
        let code = error_code(response);
        if let Some(code @ (UNAUTHENTICATED | STALE_NONCE)) = code {
            return self.challenged(response, by, code == STALE_NONCE, is_authentic);
        }
        if is_authentic {
            self.settle(by, response);
            return ResponseCheck::Accept;
        }
        // RFC 8489 has even signed ones ignored; but out of those nobody can have taken anything.
        if session::lacks_promised_algorithms(response) {
            return ResponseCheck::Discard;
        }
        match by {
            SignedBy::Nobody if code == Some(BAD_REQUEST) => ResponseCheck::Discard,
            // What asks for no credentials would be weaker than the weakest that is refused.
            SignedBy::Nobody if self.policy.sha256 && response.class() == Class::SuccessResponse => {
                ResponseCheck::Reject { failure: AuthFailure::Sha256NotOffered, is_authentic }
            }
            SignedBy::Nobody => ResponseCheck::Accept,
            SignedBy::Working | SignedBy::Candidate => ResponseCheck::Discard,
        }
    }

    /// Whether a response is signed with what its request was.
    pub(crate) fn is_authentic(&self, response: &Message<'_>, by: SignedBy) -> bool {
        self.session(by).is_some_and(|session| session.has_signed(response))
    }

    /// Learns from a 401 or 438, if it may be met.
    fn challenged(
        &mut self,
        response: &Message<'_>,
        by: SignedBy,
        is_stale: bool,
        is_authentic: bool,
    ) -> ResponseCheck {
        let ends = is_authentic || by != SignedBy::Working;
        if !ends && self.candidate.is_some() {
            return ResponseCheck::Discard; // one retry at a time
        }
        match self.learn(response, by, is_stale, is_authentic) {
            Ok(session) => {
                self.candidate = Some(session);
                let met = if is_stale { &mut self.stale } else { &mut self.unauthenticated };
                *met = met.saturating_add(1);
                ResponseCheck::Retry { ends }
            }
            Err(failure) => ResponseCheck::Reject { failure, is_authentic },
        }
    }

    fn learn(
        &self,
        response: &Message<'_>,
        by: SignedBy,
        is_stale: bool,
        is_authentic: bool,
    ) -> Result<Session, AuthFailure> {
        let challenge = Challenge::read(response, self.session(by).filter(|_| !is_stale))?;
        let met = if is_stale { self.stale } else { self.unauthenticated };
        if met >= Self::MAX_CHALLENGES {
            return Err(AuthFailure::TooManyChallenges);
        }
        if is_stale && self.session(by).is_some_and(|signed| signed.has_nonce(&challenge)) {
            return Err(AuthFailure::SameNonce);
        }
        let session = challenge.accept(&self.username, &self.password, self.policy)?;
        match &self.working {
            Some(working) if !is_authentic && session.is_weaker_than(working) => Err(AuthFailure::BidDown),
            _ => Ok(session),
        }
    }

    /// An authentic response: what signed its request works.
    fn settle(&mut self, by: SignedBy, response: &Message<'_>) {
        if let (SignedBy::Candidate, Some(proved)) = (by, self.candidate.take()) {
            self.working = Some(proved);
        }
        if let Some(working) = &mut self.working {
            working.note_authentic(response);
        }
        (self.stale, self.unauthenticated) = (0, 0);
    }

    fn session(&self, by: SignedBy) -> Option<&Session> {
        match by {
            SignedBy::Nobody => None,
            SignedBy::Working => self.working.as_ref(),
            SignedBy::Candidate => self.candidate.as_ref(),
        }
    }
}

impl core::fmt::Debug for LongTerm {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let username = alloc::format!("{}", self.username.escape_ascii());
        f.debug_struct("LongTerm").field("username", &username).finish_non_exhaustive()
    }
}

fn error_code(response: &Message<'_>) -> Option<u16> {
    if response.class() != Class::ErrorResponse {
        return None;
    }
    response.get::<ErrorCode<'_>>().ok().flatten().map(|error| error.code)
}

const BAD_REQUEST: u16 = 400;
const UNAUTHENTICATED: u16 = 401;
const STALE_NONCE: u16 = 438;

#[cfg(test)]
mod tests;
