//! The nonces of a server, which it does not remember (RFC 8489 s9.2.4): a million strangers cost it nothing.
//!
//! ```text
//!  o b M a t J o s 2 A A A D | base64 of: seconds, 5 bytes | HMAC-SHA256 over all of it and the address, 12 bytes
//!  cookie, 13 characters     | 23 characters
//! ```
//!
//! Address and port are those that the nonce was given to: from any other it is not valid (RFC 8489 s9.2.4:
//! never the same nonce for two addresses). The cookie is covered too, so that nobody takes a feature out of it
//! (RFC 8489 s9.2.1). 96 bits are far beyond what can be tried against a server.

use core::net::{IpAddr, SocketAddr};
use core::num::NonZeroU64;
use core::time::Duration;

use base64ct::{Base64Unpadded, Encoding};
use zeroize::Zeroize;

use super::cookie::{NONCE_COOKIE_LENGTH, SecurityFeatures};
use crate::crypto::{self, HmacKey};
use crate::entropy::Entropy;
use crate::net;
use crate::time::Instant;

/// Length of a nonce in characters: as short as it can be, since a challenge goes to whoever asks.
pub(crate) const NONCE_LENGTH: usize = 36;

/// A nonce as it is sent.
pub(crate) type Nonce = [u8; NONCE_LENGTH];

/// Makes nonces and recognises them, under a key that changes with every lifetime of a nonce. The key before
/// it counts as well, so that no nonce dies early.
pub(crate) struct Nonces {
    entropy: Entropy,
    /// How many lifetimes of a nonce have passed on the host's clock.
    epoch: u64,
    current: HmacKey,
    previous: Option<HmacKey>,
}

/// What a nonce is bound to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NonceTerms {
    pub(crate) features: SecurityFeatures,
    /// In whole seconds; 0 counts as 1.
    pub(crate) lifetime: Duration,
    /// Where the request came from.
    pub(crate) source: SocketAddr,
}

impl Nonces {
    /// Keys out of that source.
    pub(crate) fn new(mut entropy: Entropy) -> Self {
        let current = draw(&mut entropy);
        Self { entropy, epoch: 0, current, previous: None }
    }

    /// A nonce that is valid from now on, for whoever asks from that address.
    pub(crate) fn make(&mut self, terms: &NonceTerms, now: Instant) -> Nonce {
        let seconds = whole_seconds(now);
        self.turn_to(seconds / terms.seconds());
        write(&self.current, terms, seconds)
    }

    /// Whether it was made here, for that address, and no longer ago than its lifetime.
    pub(crate) fn is_valid(&mut self, nonce: &[u8], terms: &NonceTerms, now: Instant) -> bool {
        let (seconds, lifetime) = (whole_seconds(now), terms.seconds());
        let epoch = seconds / lifetime;
        self.turn_to(epoch);
        // Whatever is unreadable, or lies in the future, is compared with what cannot be equal to it.
        let made = time_of(nonce).filter(|made| *made <= seconds).unwrap_or(seconds);
        let key = match (&self.previous, epoch.saturating_sub(made / lifetime)) {
            (_, 0) => &self.current,
            (Some(previous), 1) => previous,
            _ => return false,
        };
        let is_fresh = seconds.saturating_sub(made) < lifetime.get();
        crypto::equal_in_constant_time(&write(key, terms, made), nonce) && is_fresh
    }

    /// Changes the keys when their time has come. Aligned to the clock and not to when somebody asks, so that
    /// nobody's questions move it.
    fn turn_to(&mut self, epoch: u64) {
        if epoch == self.epoch {
            return;
        }
        let former = core::mem::replace(&mut self.current, draw(&mut self.entropy));
        self.previous = (epoch == self.epoch.saturating_add(1)).then_some(former);
        self.epoch = epoch;
    }
}

impl core::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Nonces(..)")
    }
}

impl NonceTerms {
    fn seconds(&self) -> NonZeroU64 {
        NonZeroU64::new(self.lifetime.as_secs()).unwrap_or(NonZeroU64::MIN)
    }
}

/// The nonce that `key` makes at that time: the only one that it recognises.
fn write(key: &HmacKey, terms: &NonceTerms, seconds: u64) -> Nonce {
    let [_, _, _, time @ ..] = seconds.to_be_bytes();
    let cookie = terms.features.to_cookie();
    let mut head = [0; NONCE_COOKIE_LENGTH + TIME_LENGTH];
    let (front, back) = head.split_at_mut(NONCE_COOKIE_LENGTH);
    front.copy_from_slice(&cookie);
    back.copy_from_slice(&time);
    let tag = key.sha256([&head, &address_bytes(terms.source)]);
    let mut opaque = [0; TIME_LENGTH + TAG_LENGTH];
    let (front, back) = opaque.split_at_mut(TIME_LENGTH);
    front.copy_from_slice(&time);
    back.iter_mut().zip(tag).for_each(|(to, from)| *to = from);
    let mut nonce = [0; NONCE_LENGTH];
    let (front, back) = nonce.split_at_mut(NONCE_COOKIE_LENGTH);
    front.copy_from_slice(&cookie);
    // 17 bytes fill 23 characters, which is the room there is.
    let _ = Base64Unpadded::encode(&opaque, back);
    nonce
}

/// When a nonce says that it was made; `None` if it is none of ours by its form.
fn time_of(nonce: &[u8]) -> Option<u64> {
    let encoded: &[u8; NONCE_LENGTH - NONCE_COOKIE_LENGTH] =
        nonce.get(NONCE_COOKIE_LENGTH..)?.first_chunk()?;
    let mut opaque = [0; TIME_LENGTH + TAG_LENGTH];
    let [t0, t1, t2, t3, t4] = *Base64Unpadded::decode(encoded, &mut opaque).ok()?.first_chunk()?;
    Some(u64::from_be_bytes([0, 0, 0, t0, t1, t2, t3, t4]))
}

/// Address and port, in one form for both families.
fn address_bytes(source: SocketAddr) -> [u8; 18] {
    let source = net::canonical(source);
    let ip = match source.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    let mut bytes = [0; 18];
    let (front, back) = bytes.split_at_mut(16);
    front.copy_from_slice(&ip.octets());
    back.copy_from_slice(&source.port().to_be_bytes());
    bytes
}

fn draw(entropy: &mut Entropy) -> HmacKey {
    let mut secret = entropy.bytes::<32>();
    let key = HmacKey::new(&secret);
    secret.zeroize();
    key
}

fn whole_seconds(now: Instant) -> u64 {
    now.as_nanos() / 1_000_000_000
}

/// Enough for the whole of the host's clock, which ends after 584 years.
const TIME_LENGTH: usize = 5;
const TAG_LENGTH: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: u64 = 600;

    fn nonces() -> Nonces {
        Nonces::new(Entropy::from_seed([3; 32]))
    }

    fn terms(source: &str) -> NonceTerms {
        NonceTerms {
            features: SecurityFeatures { password_algorithms: true, username_anonymity: true },
            lifetime: Duration::from_secs(LIFETIME),
            source: source.parse().unwrap(),
        }
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds.saturating_mul(1000))
    }

    #[test]
    fn a_nonce_lives_for_its_lifetime_across_the_change_of_keys() {
        let terms = terms("203.0.113.9:4242");
        for made in [0, 1, 599, 600, 601, 1_000_000_007] {
            let mut nonces = nonces();
            let nonce = nonces.make(&terms, at(made));
            for age in [0, 1, LIFETIME / 2, LIFETIME - 1] {
                assert!(nonces.is_valid(&nonce, &terms, at(made + age)), "{made} + {age}");
            }
            for age in [LIFETIME, LIFETIME + 1, 10 * LIFETIME] {
                assert!(!nonces.is_valid(&nonce, &terms, at(made + age)), "{made} + {age}");
            }
        }
    }

    #[test]
    fn no_bit_and_no_letter_of_a_nonce_can_be_changed() {
        let (mut nonces, terms) = (nonces(), terms("203.0.113.9:4242"));
        let nonce = nonces.make(&terms, at(1000));
        for place in 0..nonce.len() {
            for other in (0..=u8::MAX).filter(|other| *other != nonce[place]) {
                let mut changed = nonce;
                changed[place] = other;
                assert!(!nonces.is_valid(&changed, &terms, at(1000)), "{place}: {other}");
            }
        }
        for end in 0..nonce.len() {
            assert!(!nonces.is_valid(&nonce[..end], &terms, at(1000)));
        }
        assert!(!nonces.is_valid(&[&nonce[..], b"A"].concat(), &terms, at(1000)));
    }

    #[test]
    fn a_nonce_of_the_future_of_another_address_or_of_another_server_is_not_valid() {
        let (mut nonces, ours) = (nonces(), terms("203.0.113.9:4242"));
        let later = nonces.make(&ours, at(100));
        assert!(!nonces.is_valid(&later, &ours, at(99)));
        for other in ["203.0.113.9:4243", "203.0.113.8:4242", "[2001:db8::1]:4242"] {
            assert!(!nonces.is_valid(&later, &terms(other), at(100)), "{other}");
        }
        assert!(nonces.is_valid(&later, &terms("[::ffff:203.0.113.9]:4242"), at(100)), "it is the same");
        let fewer = NonceTerms { features: SecurityFeatures::default(), ..ours };
        assert!(!nonces.is_valid(&later, &fewer, at(100)));
        assert_ne!(nonces.make(&fewer, at(100))[NONCE_COOKIE_LENGTH..], later[NONCE_COOKIE_LENGTH..]);
        assert!(!Nonces::new(Entropy::from_seed([4; 32])).is_valid(&later, &ours, at(100)));
    }

    #[test]
    fn a_nonce_says_its_features_and_stays_short() {
        let nonce = nonces().make(&terms("203.0.113.9:4242"), Instant::MAX);
        assert_eq!(SecurityFeatures::of_nonce(&nonce), Some(terms("1.1.1.1:1").features));
        assert!(nonce.is_ascii());
        let mut end = nonces();
        let nonce = end.make(&terms("203.0.113.9:4242"), Instant::MAX);
        assert!(end.is_valid(&nonce, &terms("203.0.113.9:4242"), Instant::MAX));
    }
}
