//! The server's half of long-term credentials (RFC 8489 s9.2): who its users are, and what it demands of them.

use alloc::vec::Vec;
use core::time::Duration;

use hashbrown::HashTable;

use super::cookie::SecurityFeatures;
use super::nonce::{Nonce, NonceTerms, Nonces};
use super::short_term::{CredentialError, ShortTerm};
use crate::time::Instant;
use crate::wire::attribute::{self, PasswordAlgorithm, PasswordAlgorithms, Userhash, Username};
use crate::wire::{BuildError, Integrity, IntegrityAlgorithm, Key, Message, MessageBuilder, userhash};

/// The users of a server, under the name of its realm.
///
/// All strings must already be prepared as an OpaqueString (RFC 8265 s4.2); ASCII is as it is. Neither names
/// nor passwords are kept: a user is a hash and two keys, found in O(1) by USERNAME as by USERHASH, and erased
/// when removed.
///
/// Unless told otherwise it offers both features of RFC 8489 s18.1: password algorithms (SHA-256, then MD5)
/// and anonymous users.
///
/// ```
/// use libstun::auth::Realm;
/// let mut realm = Realm::new(b"example.test")?;
/// realm.add_user(b"alice", b"s3cret")?;
/// assert_eq!(realm.user_count(), 1);
/// assert!(realm.remove_user(b"alice"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Realm {
    name: Vec<u8>,
    users: HashTable<User>,
    features: SecurityFeatures,
    nonce_lifetime: Duration,
    /// What the signature of an unknown user is checked with, so that it takes as long.
    decoy: User,
}

/// The name of a realm is empty or longer than [`Realm::MAX_NAME`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RealmNameLength;

impl core::fmt::Display for RealmNameLength {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("a realm's name has 1 to 127 bytes")
    }
}

impl core::error::Error for RealmNameLength {}

impl Realm {
    /// Longest name in bytes. RFC 8489 s14.9 allows 127 characters; a name goes into every challenge, which
    /// strangers can ask for, so that these are bytes here.
    pub const MAX_NAME: usize = 127;

    /// How long a nonce is valid unless told otherwise: ten minutes.
    pub const DEFAULT_NONCE_LIFETIME: Duration = Duration::from_secs(600);

    /// A realm without users. RFC 8489 s9.2.4 recommends the domain name of the provider. A short name makes
    /// a small challenge.
    ///
    /// # Errors
    /// The name is empty or too long.
    pub fn new(name: &[u8]) -> Result<Self, RealmNameLength> {
        if name.is_empty() || name.len() > Self::MAX_NAME {
            return Err(RealmNameLength);
        }
        Ok(Self {
            name: name.to_vec(),
            users: HashTable::new(),
            features: SecurityFeatures { password_algorithms: true, username_anonymity: true },
            nonce_lifetime: Self::DEFAULT_NONCE_LIFETIME,
            decoy: User::new(b"", name, b""),
        })
    }

    /// The same, with other features: without password algorithms every key is MD5's, without anonymity
    /// USERHASH names nobody.
    #[must_use]
    pub fn offering(mut self, features: SecurityFeatures) -> Self {
        self.features = features;
        self
    }

    /// The same, with nonces that live that long, in whole seconds and at least one. Afterwards a client gets
    /// 438 and goes on with a new one.
    #[must_use]
    pub fn with_nonce_lifetime(mut self, lifetime: Duration) -> Self {
        self.nonce_lifetime = lifetime;
        self
    }

    /// Adds a user, or changes the password of one.
    ///
    /// # Errors
    /// An empty string, or a username over 508 bytes.
    pub fn add_user(&mut self, username: &[u8], password: &[u8]) -> Result<(), CredentialError> {
        if username.is_empty() || username.len() > ShortTerm::MAX_USERNAME {
            return Err(CredentialError::UsernameLength);
        }
        if password.is_empty() {
            return Err(CredentialError::PasswordLength);
        }
        self.remove_user(username);
        let user = User::new(username, &self.name, password);
        self.users.insert_unique(hash(&user.userhash), user, |known| hash(&known.userhash));
        Ok(())
    }

    /// Removes a user, whose next request gets 401; says whether there was one.
    pub fn remove_user(&mut self, username: &[u8]) -> bool {
        let userhash = userhash(username, &self.name);
        let entry = self.users.find_entry(hash(&userhash), |known| known.userhash == userhash);
        entry.map(|entry| drop(entry.remove())).is_ok()
    }

    /// How many users it has.
    #[must_use]
    pub fn user_count(&self) -> usize {
        self.users.len()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The checks of RFC 8489 s9.2.4 in their order.
    pub(crate) fn check_request(
        &self,
        request: &Message<'_>,
        source: core::net::SocketAddr,
        nonces: &mut Nonces,
        now: Instant,
    ) -> Verdict {
        let strongest = [IntegrityAlgorithm::Sha256, IntegrityAlgorithm::Sha1]
            .into_iter()
            .find(|algorithm| request.has_integrity(*algorithm));
        let Some(carried) = strongest else {
            return Verdict::Challenged { code: 401, is_proven: false, is_failure: false };
        };
        let Some(given) = self.read(request) else { return Verdict::BadRequest };
        let Some(derivation) = self.derivation(request, given.nonce) else { return Verdict::BadRequest };
        let is_proven = nonces.is_valid(given.nonce, &self.terms(source), now);
        // One lookup, one comparison of a realm and one HMAC, whoever it is (case 37 of the guide is a test).
        let found = self.users.find(hash(&given.userhash), |known| known.userhash == given.userhash);
        let key = found.unwrap_or(&self.decoy).key(derivation);
        let is_signed = request.check_integrity(carried, key) == Integrity::Valid;
        let is_ours = given.realm == self.name.as_slice();
        if !(is_signed & is_ours & found.is_some()) {
            return Verdict::Challenged { code: 401, is_proven, is_failure: true };
        }
        if !is_proven {
            return Verdict::Challenged { code: 438, is_proven, is_failure: false };
        }
        // "unless the request was processed as though PASSWORD-ALGORITHM was MD5" (RFC 8489 s9.2.4)
        let algorithm = match derivation {
            Derivation::Implied => IntegrityAlgorithm::Sha1,
            Derivation::Md5 | Derivation::Sha256 => IntegrityAlgorithm::Sha256,
        };
        Verdict::Accepted(Signer { key: key.clone(), algorithm })
    }

    /// A nonce for a challenge that goes to `source`.
    pub(crate) fn nonce(&self, source: core::net::SocketAddr, nonces: &mut Nonces, now: Instant) -> Nonce {
        nonces.make(&self.terms(source), now)
    }

    /// Adds what a client needs in order to sign: REALM, NONCE and PASSWORD-ALGORITHMS (RFC 8489 s9.2.4).
    pub(crate) fn challenge(
        &self,
        nonce: &Nonce,
        builder: &mut MessageBuilder<'_>,
    ) -> Result<(), BuildError> {
        builder.add(&attribute::Realm(&self.name))?;
        builder.add(&attribute::Nonce(nonce))?;
        if self.features.password_algorithms {
            builder.add(&PasswordAlgorithms::from_list(&OFFERED))?;
        }
        Ok(())
    }

    fn terms(&self, source: core::net::SocketAddr) -> NonceTerms {
        NonceTerms { features: self.features, lifetime: self.nonce_lifetime, source }
    }

    /// What must be there; `None` is 400. Two names are as wrong as none: a client puts USERHASH *in place of*
    /// USERNAME (RFC 8489 s9.2.3.1), and two that differ would name two users.
    fn read<'a>(&self, request: &Message<'a>) -> Option<Given<'a>> {
        let username = request.get::<Username<'_>>().ok()?;
        let anonymous = request.get::<Userhash>().ok()?;
        let userhash = match (username, anonymous) {
            (Some(username), None) => userhash(username.0, &self.name),
            (None, Some(userhash)) if self.features.username_anonymity => userhash.0,
            _ => return None,
        };
        let realm = request.get::<attribute::Realm<'_>>().ok()??.0;
        let nonce = request.get::<attribute::Nonce<'_>>().ok()??.0;
        Some(Given { userhash, realm, nonce })
    }

    /// How the key was derived; `None` is 400. "Neither PASSWORD-ALGORITHMS nor PASSWORD-ALGORITHM" means MD5;
    /// otherwise both must be there, the list must be the one that was sent, so that nobody on the way took
    /// the better one out, and the choice must stand in it (RFC 8489 s9.2.4).
    fn derivation(&self, request: &Message<'_>, nonce: &[u8]) -> Option<Derivation> {
        let list = request.get::<PasswordAlgorithms<'_>>().ok()?;
        let choice = request.get::<PasswordAlgorithm<'_>>().ok()?;
        let is_offered = SecurityFeatures::of_nonce(nonce).is_some_and(|said| said.password_algorithms);
        if !is_offered || (list.is_none() && choice.is_none()) {
            return Some(Derivation::Implied);
        }
        let (list, choice) = (list?, choice?);
        if !self.features.password_algorithms || list != PasswordAlgorithms::from_list(&OFFERED) {
            return None;
        }
        match choice {
            PasswordAlgorithm::MD5 => Some(Derivation::Md5),
            PasswordAlgorithm::SHA256 => Some(Derivation::Sha256),
            _ => None,
        }
    }
}

impl core::fmt::Debug for Realm {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let name = alloc::format!("{}", self.name.escape_ascii());
        f.debug_struct("Realm").field("name", &name).field("users", &self.users.len()).finish_non_exhaustive()
    }
}

/// What a server makes of a request.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Signed by a user, under a nonce of that address.
    Accepted(Signer),
    /// 400.
    BadRequest,
    /// 401 or 438, with a challenge.
    Challenged {
        code: u16,
        /// It carried a nonce that was given to its address: somebody is there.
        is_proven: bool,
        /// No such user, or not signed by it.
        is_failure: bool,
    },
}

/// Signs the answers to one user, with the algorithm that its request asks for.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    key: Key,
    algorithm: IntegrityAlgorithm,
}

impl Signer {
    pub(crate) fn sign(&self, builder: &mut MessageBuilder<'_>) -> Result<(), BuildError> {
        match self.algorithm {
            IntegrityAlgorithm::Sha1 => builder.sign(&self.key),
            IntegrityAlgorithm::Sha256 => builder.sign_sha256(&self.key),
        }
    }
}

#[derive(Clone)]
struct User {
    userhash: [u8; 32],
    md5: Key,
    sha256: Key,
}

impl User {
    fn new(username: &[u8], realm: &[u8], password: &[u8]) -> Self {
        Self {
            userhash: userhash(username, realm),
            md5: Key::long_term_md5(username, realm, password),
            sha256: Key::long_term_sha256(username, realm, password),
        }
    }

    fn key(&self, derivation: Derivation) -> &Key {
        match derivation {
            Derivation::Implied | Derivation::Md5 => &self.md5,
            Derivation::Sha256 => &self.sha256,
        }
    }
}

/// The attributes of a signed request.
struct Given<'a> {
    userhash: [u8; 32],
    realm: &'a [u8],
    nonce: &'a [u8],
}

/// How a key was made of the password.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Derivation {
    /// MD5, since the client said nothing.
    Implied,
    Md5,
    Sha256,
}

/// In the order of preference.
const OFFERED: [PasswordAlgorithm<'static>; 2] = [PasswordAlgorithm::SHA256, PasswordAlgorithm::MD5];

/// Eight bytes of what is a hash already.
fn hash(userhash: &[u8; 32]) -> u64 {
    userhash.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests;
