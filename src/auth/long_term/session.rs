//! What a challenge says, and what a client signs with once it has accepted one.

use alloc::vec::Vec;

use super::Policy;
use crate::auth::check::AuthFailure;
use crate::auth::cookie::SecurityFeatures;
use crate::auth::opaque::opaque_string;
use crate::auth::short_term::strongest;
use crate::wire::attribute::{
    AttributeType, Nonce, PasswordAlgorithm, PasswordAlgorithms, Realm, Userhash, Username,
};
use crate::wire::{self, BuildError, Integrity, IntegrityAlgorithm, Key, Message, MessageBuilder};

/// What a 401 or 438 says, borrowed from it (RFC 8489 s9.2.4).
pub(super) struct Challenge<'a> {
    realm: &'a [u8],
    nonce: &'a [u8],
    is_anonymous: bool,
    /// PASSWORD-ALGORITHMS: its bytes, to be echoed, and what they say.
    algorithms: Option<(&'a [u8], PasswordAlgorithms<'a>)>,
}

/// What requests are signed with at one realm, until the server calls the nonce stale.
#[derive(Clone)]
pub(super) struct Session {
    realm: Vec<u8>,
    nonce: Vec<u8>,
    /// In place of USERNAME where the server offers anonymity.
    userhash: Option<[u8; 32]>,
    /// PASSWORD-ALGORITHMS as it came.
    pub(super) algorithms: Option<Vec<u8>>,
    /// PASSWORD-ALGORITHM, which goes with it.
    algorithm: Option<KeyAlgorithm>,
    key: Key,
    integrity: IntegrityAlgorithm,
}

/// How the key is made of the password (RFC 8489 s18.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum KeyAlgorithm {
    Md5,
    Sha256,
}

impl<'a> Challenge<'a> {
    /// Reads a challenge. `unauthenticated` is what signed the request that is answered with 401.
    pub(super) fn read(
        response: &Message<'a>,
        unauthenticated: Option<&Session>,
    ) -> Result<Self, AuthFailure> {
        let realm = response.get::<Realm<'a>>().ok().flatten().map(|realm| realm.0);
        let realm = realm.filter(|realm| !realm.is_empty()).ok_or(AuthFailure::NoRealm)?;
        let nonce = response.get::<Nonce<'a>>().ok().flatten().map(|nonce| nonce.0);
        let nonce = nonce.filter(|nonce| !nonce.is_empty());
        let features = nonce.and_then(SecurityFeatures::of_nonce).unwrap_or_default();
        let is_anonymous = features.username_anonymity;
        // "The client MUST NOT perform this retry if it is not changing the USERNAME, USERHASH, REALM": and
        // from USERHASH back to USERNAME is a change that only an attacker would want.
        let is_repeated = |sent: &Session| sent.realm == realm && (sent.userhash.is_some() || !is_anonymous);
        if unauthenticated.is_some_and(is_repeated) {
            return Err(AuthFailure::Rejected);
        }
        let nonce = nonce.ok_or(AuthFailure::NoNonce)?;
        if lacks_promised_algorithms(response) {
            return Err(AuthFailure::BidDown);
        }
        let algorithms = match response.find(AttributeType::PASSWORD_ALGORITHMS) {
            None => None,
            Some(raw) if raw.value.len() > MAX_ALGORITHMS => return Err(AuthFailure::NoKnownAlgorithm),
            Some(raw) => {
                let list = response.get().ok().flatten().ok_or(AuthFailure::NoKnownAlgorithm)?;
                Some((raw.value, list))
            }
        };
        Ok(Self { realm, nonce, is_anonymous, algorithms })
    }

    /// What to sign with from now on, if the policy allows what is offered.
    pub(super) fn accept(
        &self,
        username: &[u8],
        password: &[u8],
        policy: Policy,
    ) -> Result<Session, AuthFailure> {
        if policy.anonymity && !self.is_anonymous {
            return Err(AuthFailure::AnonymityNotOffered);
        }
        let algorithm = self.choose(policy)?;
        let realm = realm_in_key(self.realm);
        let key = match algorithm {
            Some(KeyAlgorithm::Sha256) => Key::long_term_sha256(username, &realm, password),
            Some(KeyAlgorithm::Md5) | None => Key::long_term_md5(username, &realm, password),
        };
        Ok(Session {
            realm: self.realm.to_vec(),
            nonce: self.nonce.to_vec(),
            userhash: self.is_anonymous.then(|| wire::userhash(username, &prepared(self.realm))),
            algorithms: self.algorithms.map(|(bytes, _)| bytes.to_vec()),
            algorithm,
            key,
            // s9.2.5: after PASSWORD-ALGORITHMS, MESSAGE-INTEGRITY-SHA256 only. Without it the server answers
            // with MESSAGE-INTEGRITY (s9.2.4).
            integrity: match algorithm {
                Some(_) => IntegrityAlgorithm::Sha256,
                None => IntegrityAlgorithm::Sha1,
            },
        })
    }

    /// The first algorithm of the list that is known here (RFC 8489 s9.2.5); `None` without a list.
    fn choose(&self, policy: Policy) -> Result<Option<KeyAlgorithm>, AuthFailure> {
        let Some((_, list)) = self.algorithms else {
            return if policy.sha256 { Err(AuthFailure::Sha256NotOffered) } else { Ok(None) };
        };
        let mut known = list.iter().filter_map(KeyAlgorithm::of).peekable();
        let is_any_known = known.peek().is_some();
        match known.find(|algorithm| !policy.sha256 || *algorithm == KeyAlgorithm::Sha256) {
            Some(first) => Ok(Some(first)),
            None if is_any_known => Err(AuthFailure::Sha256NotOffered),
            None => Err(AuthFailure::NoKnownAlgorithm),
        }
    }
}

impl Session {
    /// Adds the attributes of RFC 8489 s9.2.3.2, then the signature. What the server wants back goes as it
    /// came: it may be longer than what this crate would write of its own.
    pub(super) fn sign(&self, username: &[u8], builder: &mut MessageBuilder<'_>) -> Result<(), BuildError> {
        match &self.userhash {
            Some(hash) => builder.add(&Userhash(*hash))?,
            None => builder.add(&Username(username))?,
        }
        builder.add_raw(AttributeType::NONCE, &self.nonce)?;
        builder.add_raw(AttributeType::REALM, &self.realm)?;
        if let Some(list) = &self.algorithms {
            builder.add_raw(AttributeType::PASSWORD_ALGORITHMS, list)?;
        }
        if let Some(algorithm) = self.algorithm {
            builder.add(&algorithm.attribute())?;
        }
        match self.integrity {
            IntegrityAlgorithm::Sha1 => builder.sign(&self.key),
            IntegrityAlgorithm::Sha256 => builder.sign_sha256(&self.key),
        }
    }

    /// Whether a response is signed with the key and the algorithm of its request. Where both attributes are
    /// present the stronger decides.
    pub(super) fn has_signed(&self, response: &Message<'_>) -> bool {
        strongest(response) == Some(self.integrity)
            && response.check_integrity(self.integrity, &self.key) == Integrity::Valid
    }

    pub(super) fn has_nonce(&self, challenge: &Challenge<'_>) -> bool {
        self.nonce == challenge.nonce
    }

    /// Whether it would give up a protection that the other has (RFC 8489 s9.2.1).
    pub(super) fn is_weaker_than(&self, other: &Self) -> bool {
        let strength = |session: &Self| {
            [
                session.userhash.is_some(),
                session.integrity == IntegrityAlgorithm::Sha256,
                session.algorithm == Some(KeyAlgorithm::Sha256),
            ]
        };
        strength(self).iter().zip(strength(other)).any(|(ours, theirs)| theirs && !*ours)
    }

    /// "If the response contains a PASSWORD-ALGORITHMS attribute, all the subsequent requests MUST be
    /// authenticated using MESSAGE-INTEGRITY-SHA256 only" (RFC 8489 s9.2.5).
    pub(super) fn note_authentic(&mut self, response: &Message<'_>) {
        if response.find(AttributeType::PASSWORD_ALGORITHMS).is_some() {
            self.integrity = IntegrityAlgorithm::Sha256;
        }
    }
}

impl KeyAlgorithm {
    fn of(entry: PasswordAlgorithm<'_>) -> Option<Self> {
        match entry {
            PasswordAlgorithm::MD5 => Some(Self::Md5),
            PasswordAlgorithm::SHA256 => Some(Self::Sha256),
            _ => None,
        }
    }

    const fn attribute(self) -> PasswordAlgorithm<'static> {
        match self {
            Self::Md5 => PasswordAlgorithm::MD5,
            Self::Sha256 => PasswordAlgorithm::SHA256,
        }
    }
}

/// Whether the nonce promises PASSWORD-ALGORITHMS that the response does not have: somebody has taken them
/// out (RFC 8489 s9.2.1, s9.2.5).
pub(super) fn lacks_promised_algorithms(response: &Message<'_>) -> bool {
    let nonce = response.get::<Nonce<'_>>().ok().flatten();
    let promises =
        nonce.and_then(|nonce| SecurityFeatures::of_nonce(nonce.0)).is_some_and(|f| f.password_algorithms);
    promises && response.find(AttributeType::PASSWORD_ALGORITHMS).is_none()
}

/// "The realm, with any quotes and trailing nulls removed and after processing using OpaqueString"
/// (RFC 8489 s9.2.2).
fn realm_in_key(mut realm: &[u8]) -> Vec<u8> {
    while let [rest @ .., 0] = realm {
        realm = rest;
    }
    if let [b'"', quoted @ .., b'"'] = realm {
        realm = quoted;
    }
    prepared(realm)
}

/// As an OpaqueString where that is possible; else, for a realm is the server's choice, as it is.
fn prepared(realm: &[u8]) -> Vec<u8> {
    match core::str::from_utf8(realm).ok().map(opaque_string) {
        Some(Ok(text)) => text.into_owned().into_bytes(),
        Some(Err(_)) | None => realm.to_vec(),
    }
}

/// Longest PASSWORD-ALGORITHMS in bytes that is echoed: 64 algorithms, of which RFC 8489 knows two.
pub(in crate::auth) const MAX_ALGORITHMS: usize = 256;
