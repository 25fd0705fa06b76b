//! Who asks: the long-term credential mechanism, check by check in the order of RFC 8489 s9.2.4.

use std::net::SocketAddr;

use libstun::wire::attribute::{Nonce, PasswordAlgorithm, PasswordAlgorithms, Realm, Userhash, Username};
use libstun::wire::{Integrity, IntegrityAlgorithm, Key, Message, userhash};
use libstun::{FiveTuple, Instant};

use super::config::TurnServerConfig;
use super::reply::{ALGORITHMS, Extra, Refusal, Seal};

/// Who passed, and what its response is signed with: nothing where nobody is asked for credentials.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) username: Vec<u8>,
    pub(super) seal: Option<Seal>,
}

/// Nonces that need no memory: when and for whom they were made, and a mark that only this server can make.
///
/// ```text
///  [obMatJos2 and four characters of feature bits] [time, 16 hex] [client, 16 hex] [mark, 16 hex]
/// ```
#[derive(Clone, Copy, Debug)]
pub(super) struct Nonces {
    pub(super) secret: u64,
}

impl Nonces {
    pub(super) fn issue(self, config: &TurnServerConfig, client: SocketAddr, now: Instant) -> Vec<u8> {
        self.made_at(config, client, now.as_nanos())
    }

    fn made_at(self, config: &TurnServerConfig, client: SocketAddr, nanos: u64) -> Vec<u8> {
        let client = hash(0, client.to_string().as_bytes());
        self.write(config, nanos, client)
    }

    fn write(self, config: &TurnServerConfig, nanos: u64, client: u64) -> Vec<u8> {
        let mark = hash(self.secret, format!("{nanos} {client}").as_bytes());
        format!("{}{nanos:016x}{client:016x}{mark:016x}", cookie(config)).into_bytes()
    }

    /// Whether it is one of ours, young enough, and that client's if that matters.
    fn is_valid(self, nonce: &[u8], config: &TurnServerConfig, client: SocketAddr, now: Instant) -> bool {
        let field = |at: usize| {
            let at = cookie(config).len() + at;
            let text = std::str::from_utf8(nonce.get(at..at + 16)?).ok()?;
            u64::from_str_radix(text, 16).ok()
        };
        let (Some(nanos), Some(for_whom)) = (field(0), field(16)) else { return false };
        let is_ours = nonce == self.write(config, nanos, for_whom);
        let is_young = now.saturating_since(Instant::from_nanos(nanos)) < config.nonce_lifetime;
        let is_theirs = nonce == self.made_at(config, client, nanos) || !config.binds_nonces_to_clients;
        is_ours && is_young && is_theirs
    }
}

/// What the first part of a nonce says about the server (RFC 8489 s9.2, erratum 6290: bit 0 is the rightmost).
fn cookie(config: &TurnServerConfig) -> &'static str {
    match (config.has_password_algorithms, config.has_username_anonymity) {
        (false, false) => "",
        (true, false) => "obMatJos2AAAB",
        (false, true) => "obMatJos2AAAC",
        (true, true) => "obMatJos2AAAD",
    }
}

/// Everything that a challenge carries.
pub(super) fn challenge(config: &TurnServerConfig, nonce: Vec<u8>) -> Vec<Extra> {
    let mut extras = vec![Extra::Realm(config.realm.clone().into_bytes()), Extra::Nonce(nonce)];
    extras.extend(config.has_password_algorithms.then_some(Extra::Algorithms));
    extras
}

/// Checks who sent a request, up to its integrity. Refusals of these checks have no integrity themselves.
pub(super) fn identify(
    config: &TurnServerConfig,
    nonces: Nonces,
    message: &Message<'_>,
    path: FiveTuple,
    now: Instant,
) -> Result<Caller, Refusal> {
    if config.users.is_empty() {
        return Ok(Caller { username: Vec::new(), seal: None });
    }
    let refused = |code| {
        let extras = challenge(config, nonces.issue(config, path.remote, now));
        Refusal { code, extras }
    };
    let has_sha256 = message.has_integrity(IntegrityAlgorithm::Sha256);
    if !has_sha256 && !message.has_integrity(IntegrityAlgorithm::Sha1) {
        return Err(refused(401));
    }
    let (Ok(Some(realm)), Ok(Some(nonce))) = (message.get::<Realm<'_>>(), message.get::<Nonce<'_>>()) else {
        return Err(Refusal::from(400));
    };
    let (username, userhash) = (message.get::<Username<'_>>(), message.get::<Userhash>());
    if !matches!(username, Ok(Some(_))) && !matches!(userhash, Ok(Some(_))) {
        return Err(Refusal::from(400));
    }
    let chosen = chosen_algorithm(config, message, nonce.0)?;
    let named = username.ok().flatten().map(|name| name.0.to_vec());
    let hashed = userhash.ok().flatten().filter(|_| config.has_username_anonymity);
    let user = config.users.iter().find(|(name, _)| match (&named, hashed) {
        (Some(named), _) => name.as_bytes() == named,
        (None, Some(hashed)) => self::userhash(name.as_bytes(), config.realm.as_bytes()) == hashed.0,
        (None, None) => false,
    });
    let Some((name, password)) = user.filter(|_| realm.0 == config.realm.as_bytes()) else {
        return Err(refused(401));
    };
    let key = key_of(chosen, name, &config.realm, password);
    let carried = if has_sha256 { IntegrityAlgorithm::Sha256 } else { IntegrityAlgorithm::Sha1 };
    if message.check_integrity(carried, &key) != Integrity::Valid {
        return Err(refused(401));
    }
    let algorithm = if chosen.is_some() { IntegrityAlgorithm::Sha256 } else { IntegrityAlgorithm::Sha1 };
    Ok(Caller { username: name.clone().into_bytes(), seal: Some(Seal { key, algorithm }) })
}

/// The last check: whether the nonce of a request whose sender is known is still good.
pub(super) fn has_valid_nonce(
    config: &TurnServerConfig,
    nonces: Nonces,
    message: &Message<'_>,
    path: FiveTuple,
    now: Instant,
) -> bool {
    let nonce = message.get::<Nonce<'_>>().ok().flatten();
    config.users.is_empty() || nonce.is_some_and(|nonce| nonces.is_valid(nonce.0, config, path.remote, now))
}

/// The algorithm that the request names, if it may: both attributes, the list as it was offered, and one of it.
fn chosen_algorithm<'a>(
    config: &TurnServerConfig,
    message: &Message<'a>,
    nonce: &[u8],
) -> Result<Option<PasswordAlgorithm<'a>>, Refusal> {
    let list = message.get::<PasswordAlgorithms<'_>>().map_err(|_| 400)?;
    let choice = message.get::<PasswordAlgorithm<'_>>().map_err(|_| 400)?;
    let was_offered = config.has_password_algorithms && nonce.starts_with(cookie(config).as_bytes());
    match (list, choice) {
        (None, None) => Ok(None),
        _ if !was_offered => Ok(None),
        (Some(list), Some(choice)) if list.iter().eq(ALGORITHMS) && ALGORITHMS.contains(&choice) => {
            Ok(Some(choice))
        }
        _ => Err(Refusal::from(400)),
    }
}

fn key_of(chosen: Option<PasswordAlgorithm<'_>>, name: &str, realm: &str, password: &str) -> Key {
    let (name, realm, password) = (name.as_bytes(), realm.as_bytes(), password.as_bytes());
    if chosen == Some(PasswordAlgorithm::SHA256) {
        Key::long_term_sha256(name, realm, password)
    } else {
        Key::long_term_md5(name, realm, password)
    }
}

/// FNV-1a: nobody attacks these nonces.
fn hash(seed: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(seed ^ 0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    })
}
