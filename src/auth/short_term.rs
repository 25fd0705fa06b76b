//! Short-term credentials (RFC 8489 s9.1): a username and a password that both ends know beforehand.

use alloc::vec::Vec;

use super::opaque::PrepareError;
use crate::crypto;
use crate::wire::attribute::Username;
use crate::wire::{BuildError, Integrity, IntegrityAlgorithm, Key, Message, MessageBuilder};

/// A username and its prepared key.
///
/// Both strings must already be prepared as an OpaqueString (RFC 8265 s4.2), which
/// [`opaque_string`](super::opaque_string) does; ASCII is as it is. The password is not kept, only the key made
/// of it, which is erased when dropped and never printed.
///
/// A client signs with both algorithms until a response shows which one the server knows, and with that one
/// from then on (RFC 8489 s9.1.5); [`ShortTerm::only`] fixes it beforehand.
///
/// ```
/// use libstun::auth::ShortTerm;
/// let credential = ShortTerm::new(b"evtj:h6vY", b"VOkJxbRl1RmTxUk/WvJxBt")?;
/// assert_eq!(format!("{credential:?}"), r#"ShortTerm { username: "evtj:h6vY", .. }"#);
/// # Ok::<(), libstun::auth::CredentialError>(())
/// ```
#[derive(Clone)]
pub struct ShortTerm {
    username: Vec<u8>,
    key: Key,
    algorithm: Option<IntegrityAlgorithm>,
}

/// Why a credential cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialError {
    /// Empty, or longer than 508 bytes (RFC 8489 s14.3).
    UsernameLength,
    /// Empty.
    PasswordLength,
    /// The username cannot be prepared (RFC 8265 s4.2).
    Username(PrepareError),
    /// The password cannot be prepared.
    Password(PrepareError),
}

impl core::fmt::Display for CredentialError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::UsernameLength => f.write_str("a username has 1 to 508 bytes"),
            Self::PasswordLength => f.write_str("a password has at least 1 byte"),
            Self::Username(error) => write!(f, "username: {error}"),
            Self::Password(error) => write!(f, "password: {error}"),
        }
    }
}

impl core::error::Error for CredentialError {}

/// Why a server refuses a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 400: USERNAME or the signature is missing.
    BadRequest,
    /// 401: unknown user, or not signed with its password.
    Unauthenticated,
}

impl ShortTerm {
    /// Longest username in bytes (RFC 8489 s14.3: "less than 509 bytes").
    pub const MAX_USERNAME: usize = 508;

    /// A credential that signs with both algorithms until the server's is known.
    ///
    /// # Errors
    /// An empty string, or a username over 508 bytes.
    pub fn new(username: &[u8], password: &[u8]) -> Result<Self, CredentialError> {
        if username.is_empty() || username.len() > Self::MAX_USERNAME {
            return Err(CredentialError::UsernameLength);
        }
        if password.is_empty() {
            return Err(CredentialError::PasswordLength);
        }
        Ok(Self { username: username.to_vec(), key: Key::short_term(password), algorithm: None })
    }

    /// The same, signing with one algorithm only and accepting no other: both ends know it beforehand.
    #[must_use]
    pub fn only(mut self, algorithm: IntegrityAlgorithm) -> Self {
        self.algorithm = Some(algorithm);
        self
    }

    /// Adds USERNAME to a request.
    pub(crate) fn identify(&self, builder: &mut MessageBuilder<'_>) -> Result<(), BuildError> {
        builder.add(&Username(&self.username))
    }

    /// Signs a request (RFC 8489 s9.1.2, s9.1.5).
    pub(crate) fn sign(&self, builder: &mut MessageBuilder<'_>) -> Result<(), BuildError> {
        if self.algorithm != Some(IntegrityAlgorithm::Sha256) {
            builder.sign(&self.key)?;
        }
        if self.algorithm != Some(IntegrityAlgorithm::Sha1) {
            builder.sign_sha256(&self.key)?;
        }
        Ok(())
    }

    /// Signs a response with the algorithm of its request (RFC 8489 s9.1.3).
    pub(crate) fn sign_response(
        &self,
        algorithm: IntegrityAlgorithm,
        builder: &mut MessageBuilder<'_>,
    ) -> Result<(), BuildError> {
        match algorithm {
            IntegrityAlgorithm::Sha1 => builder.sign(&self.key),
            IntegrityAlgorithm::Sha256 => builder.sign_sha256(&self.key),
        }
    }

    /// Checks a response, and says which algorithm signed it; `None` if it is to be discarded (RFC 8489
    /// s9.1.4). Where both attributes are present the stronger decides, and nothing falls back to the weaker.
    pub(crate) fn check_response(&self, response: &Message<'_>) -> Option<IntegrityAlgorithm> {
        let carried = strongest(response)?;
        let acceptable = self.algorithm.is_none_or(|sent| sent == carried);
        (acceptable && response.check_integrity(carried, &self.key) == Integrity::Valid).then_some(carried)
    }

    /// Notes which algorithm the server answered with (RFC 8489 s9.1.5).
    pub(crate) fn settle_on(&mut self, algorithm: IntegrityAlgorithm) {
        self.algorithm = Some(algorithm);
    }

    /// Checks a request, and says which algorithm the reply has to use (RFC 8489 s9.1.3). An unknown user
    /// costs the same HMAC as a known one.
    pub(crate) fn check_request(&self, request: &Message<'_>) -> Result<IntegrityAlgorithm, Refusal> {
        let username = request.get::<Username<'_>>().ok().flatten().ok_or(Refusal::BadRequest)?;
        // A client that does not know the server yet sends both (s9.1.2): look at the one that counts here.
        let demanded = self.algorithm.filter(|only| request.has_integrity(*only));
        let carried = demanded.or(strongest(request)).ok_or(Refusal::BadRequest)?;
        let is_signed = request.check_integrity(carried, &self.key) == Integrity::Valid;
        let is_user = crypto::equal_in_constant_time(username.0, &self.username);
        let is_allowed = self.algorithm.is_none_or(|only| only == carried);
        if is_signed & is_user & is_allowed { Ok(carried) } else { Err(Refusal::Unauthenticated) }
    }
}

impl core::fmt::Debug for ShortTerm {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let username = alloc::format!("{}", self.username.escape_ascii());
        f.debug_struct("ShortTerm").field("username", &username).finish_non_exhaustive()
    }
}

/// The integrity attribute that decides.
pub(super) fn strongest(message: &Message<'_>) -> Option<IntegrityAlgorithm> {
    [IntegrityAlgorithm::Sha256, IntegrityAlgorithm::Sha1]
        .into_iter()
        .find(|algorithm| message.has_integrity(*algorithm))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Class, Method, TransactionId};

    const ID: TransactionId = TransactionId::new([3; 12]);

    fn request(credential: &ShortTerm) -> Vec<u8> {
        let mut buffer = [0; 256];
        let mut builder = MessageBuilder::new(&mut buffer, Class::Request, Method::BINDING, ID).unwrap();
        credential.identify(&mut builder).unwrap();
        credential.sign(&mut builder).unwrap();
        builder.finish().to_vec()
    }

    #[test]
    fn both_algorithms_are_sent_until_the_server_has_chosen() {
        let mut client = ShortTerm::new(b"alice", b"s3cret").unwrap();
        let server = client.clone();
        let first = request(&client);
        let message = Message::parse(&first).unwrap();
        assert!(
            message.has_integrity(IntegrityAlgorithm::Sha1)
                && message.has_integrity(IntegrityAlgorithm::Sha256)
        );
        assert_eq!(server.check_request(&message), Ok(IntegrityAlgorithm::Sha256));
        client.settle_on(IntegrityAlgorithm::Sha1);
        let next = request(&client);
        let message = Message::parse(&next).unwrap();
        assert!(!message.has_integrity(IntegrityAlgorithm::Sha256));
        assert_eq!(server.check_request(&message), Ok(IntegrityAlgorithm::Sha1));
    }

    #[test]
    fn a_wrong_password_and_a_wrong_user_are_refused_alike() {
        let server = ShortTerm::new(b"alice", b"s3cret").unwrap();
        for (user, password) in [(b"alice" as &[u8], b"wrong" as &[u8]), (b"mallory", b"s3cret")] {
            let bytes = request(&ShortTerm::new(user, password).unwrap());
            assert_eq!(server.check_request(&Message::parse(&bytes).unwrap()), Err(Refusal::Unauthenticated));
        }
    }

    #[test]
    fn an_algorithm_that_was_not_sent_is_not_accepted_in_the_response() {
        let both = ShortTerm::new(b"alice", b"s3cret").unwrap();
        let mut buffer = [0; 128];
        let mut builder =
            MessageBuilder::new(&mut buffer, Class::SuccessResponse, Method::BINDING, ID).unwrap();
        both.sign_response(IntegrityAlgorithm::Sha1, &mut builder).unwrap();
        let response = Message::parse(builder.finish()).unwrap();
        assert_eq!(both.check_response(&response), Some(IntegrityAlgorithm::Sha1));
        assert_eq!(both.clone().only(IntegrityAlgorithm::Sha256).check_response(&response), None);
    }

    #[test]
    fn empty_and_oversized_strings_are_refused() {
        assert_eq!(ShortTerm::new(b"", b"x").unwrap_err(), CredentialError::UsernameLength);
        assert_eq!(ShortTerm::new(&[b'a'; 509], b"x").unwrap_err(), CredentialError::UsernameLength);
        assert_eq!(ShortTerm::new(b"a", b"").unwrap_err(), CredentialError::PasswordLength);
        assert!(ShortTerm::new(&[b'a'; 508], b"x").is_ok());
    }
}
