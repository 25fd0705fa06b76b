//! What a server sends to those who have proved nothing, so that it is no reflector.
//!
//! Whoever forges the source of a request makes a server send its answer to somebody else. Two rules bound
//! what comes of it, for each network (IPv4 /24, IPv6 /56), since a forger can name every address of one:
//!
//! 1. *Amplification.* A network is sent no more than 2.6 times the bytes that came in its name. A plain
//!    success fits by itself (at most 52 bytes for 20). A challenge (96 bytes and the realm's name) does not
//!    fit the shortest request: it is withheld, the client asks again after its RTO, and with that request
//!    it does. An unsigned first request of 20 bytes therefore costs a client 500 ms under a realm's name of up
//!    to 20 bytes, and 1.5 s of up to 72; one of 40 bytes costs it nothing under a name of up to 20. Whoever
//!    minds sets [`Budget::amplification_limit_percent`] to `None`.
//! 2. *Rate.* Errors, challenges among them, are also limited in bytes for each second. Successes are not: a
//!    whole country may be behind one network, and who asks gets one for each question, which is no
//!    multiplication worth forging for. A client gets an error once for each lifetime of a nonce.
//!
//! Memory is constant: networks share a fixed table of buckets, placed by a keyed hash whose key changes, so
//! that nobody can choose whom to share with. A shared bucket has the budget of one: the sum over all its
//! networks keeps the first rule.

use alloc::boxed::Box;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::event::ServerEvent;
use crate::entropy::Entropy;
use crate::net;
use crate::time::Instant;

/// What a [`Server`](super::Server) may send to sources that have proved nothing. A request proves its source
/// by a nonce that was given to this very address and port, or by the signature of a short-term credential;
/// a stream proves it by itself. Bytes are those of STUN, without the headers below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes sent for a hundred received, by network. Under 160 not even a plain success fits. `None` is no
    /// limit, for operators who rather amplify than let a client ask twice for its challenge.
    pub amplification_limit_percent: Option<u32>,
    /// Bytes of errors and challenges each second, by network.
    pub error_bytes_per_second: u32,
    /// Bytes of errors and challenges that may come at once after a quiet while.
    pub error_burst: u32,
}

impl Budget {
    /// The length of an IPv4 network's prefix in bits: what is announced and filtered as one.
    pub const IPV4_PREFIX: u32 = 24;

    /// The length of an IPv6 network's prefix in bits: what one customer gets at the most.
    pub const IPV6_PREFIX: u32 = 56;

    /// 2.6: what an IPv6 success with FINGERPRINT is of the shortest request.
    pub const DEFAULT_AMPLIFICATION_LIMIT_PERCENT: u32 = 260;

    /// Half a megabit: 600 challenges each second, and no flood for anybody.
    pub const DEFAULT_ERROR_BYTES_PER_SECOND: u32 = 64 << 10;

    /// 2500 challenges at once, when a server has restarted and a campus behind one NAT comes back.
    pub const DEFAULT_ERROR_BURST: u32 = 256 << 10;

    /// Bytes that a network can save up: it cannot be flooded with what came in its name long ago.
    pub const MAX_CREDIT: u32 = 16 << 10;

    /// What events are counted in.
    pub const WINDOW: Duration = Duration::from_secs(10);

    /// Withheld replies of one network in one window that are worth an event.
    pub const THROTTLED_AFTER: u32 = 64;

    /// Failures of one network in one window that are worth an event.
    pub const FAILURES_AFTER: u32 = 16;
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            amplification_limit_percent: Some(Self::DEFAULT_AMPLIFICATION_LIMIT_PERCENT),
            error_bytes_per_second: Self::DEFAULT_ERROR_BYTES_PER_SECOND,
            error_burst: Self::DEFAULT_ERROR_BURST,
        }
    }
}

/// The budgets of all networks.
pub(super) struct Ledger {
    limits: Budget,
    entropy: Entropy,
    key: [u64; 2],
    /// How often the key has had its time, on the host's clock.
    epoch: u64,
    buckets: Box<[Bucket]>,
}

/// Names a bucket until the next request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account(usize);

#[derive(Clone, Copy)]
struct Bucket {
    /// Bytes that may be sent by the first rule.
    credit: u32,
    /// Bytes of errors that may be sent by the second.
    tokens: u32,
    refilled: Instant,
    window: u64,
    withheld: u32,
    failures: u32,
}

impl Ledger {
    /// Draws its key, and allocates all that it ever will.
    pub(super) fn new(limits: Budget, mut entropy: Entropy) -> Self {
        let key = draw(&mut entropy);
        let buckets = alloc::vec![Bucket::new(&limits); BUCKETS].into_boxed_slice();
        Self { limits, entropy, key, epoch: 0, buckets }
    }

    /// Enters a request of so many bytes.
    pub(super) fn enter(&mut self, remote: &SocketAddr, received: usize, now: Instant) -> Account {
        self.turn_to(now.as_nanos() / REKEY_NANOS);
        let network = network(net::canonical(*remote).ip());
        let account = Account(place(&self.key, network));
        let limits = self.limits;
        if let Some(bucket) = self.buckets.get_mut(account.0) {
            bucket.earn(received, &limits);
            bucket.refill(&limits, now);
            bucket.open_window(now);
        }
        account
    }

    /// The longest reply that it may be sent.
    pub(super) fn allowance(&self, account: Account, is_error: bool) -> usize {
        let Some(bucket) = self.buckets.get(account.0) else { return 0 };
        let earned = if self.limits.amplification_limit_percent.is_some() { bucket.credit } else { u32::MAX };
        let allowed = if is_error { earned.min(bucket.tokens) } else { earned };
        usize::try_from(allowed).unwrap_or(usize::MAX)
    }

    /// Notes a reply that is sent.
    pub(super) fn spend(&mut self, account: Account, length: usize, is_error: bool) {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        if let Some(bucket) = self.buckets.get_mut(account.0) {
            bucket.credit = bucket.credit.saturating_sub(length);
            if is_error {
                bucket.tokens = bucket.tokens.saturating_sub(length);
            }
        }
    }

    /// Notes a reply that is not sent.
    pub(super) fn withhold(&mut self, account: Account, address: IpAddr) -> Option<ServerEvent> {
        let bucket = self.buckets.get_mut(account.0)?;
        bucket.withheld = bucket.withheld.saturating_add(1);
        (bucket.withheld == Budget::THROTTLED_AFTER).then_some(ServerEvent::Throttled { address })
    }

    /// Notes a wrong signature.
    pub(super) fn fail(&mut self, account: Account, address: IpAddr, is_proven: bool) -> Option<ServerEvent> {
        let bucket = self.buckets.get_mut(account.0)?;
        bucket.failures = bucket.failures.saturating_add(1);
        (bucket.failures == Budget::FAILURES_AFTER)
            .then_some(ServerEvent::AuthenticationFailures { address, is_proven })
    }

    /// With another key every network has another bucket: nobody keeps what others have saved up there.
    fn turn_to(&mut self, epoch: u64) {
        if epoch != self.epoch {
            self.epoch = epoch;
            self.key = draw(&mut self.entropy);
            self.buckets.fill(Bucket::new(&self.limits));
        }
    }
}

impl core::fmt::Debug for Ledger {
    /// Without its key.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Ledger").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Bucket {
    fn new(limits: &Budget) -> Self {
        let (window, withheld, failures) = (0, 0, 0);
        Self { credit: 0, tokens: limits.error_burst, refilled: Instant::ZERO, window, withheld, failures }
    }

    fn earn(&mut self, received: usize, limits: &Budget) {
        let percent = u64::from(limits.amplification_limit_percent.unwrap_or(0));
        let earned = (received as u64).saturating_mul(percent) / 100;
        let earned = u32::try_from(earned).unwrap_or(u32::MAX);
        self.credit = self.credit.saturating_add(earned).min(Budget::MAX_CREDIT);
    }

    fn refill(&mut self, limits: &Budget, now: Instant) {
        let nanos = now.saturating_since(self.refilled).as_nanos();
        let gained = nanos.saturating_mul(u128::from(limits.error_bytes_per_second)) / 1_000_000_000;
        let gained = u32::try_from(gained).unwrap_or(u32::MAX);
        // Time that is too short for a byte is kept for later.
        if gained > 0 {
            self.refilled = now;
            self.tokens = self.tokens.saturating_add(gained).min(limits.error_burst);
        }
    }

    fn open_window(&mut self, now: Instant) {
        let window = now.as_nanos() / WINDOW_NANOS;
        if window != self.window {
            (self.window, self.withheld, self.failures) = (window, 0, 0);
        }
    }
}

/// The network of an address, as a number that is no other's.
fn network(ip: IpAddr) -> u64 {
    match ip {
        IpAddr::V4(ip) => u64::from(ip.to_bits() >> (32 - Budget::IPV4_PREFIX)) | 1 << 63,
        IpAddr::V6(ip) => (ip.to_bits() >> (128 - Budget::IPV6_PREFIX)) as u64,
    }
}

/// A keyed mix, twice folded over 128 bits. Nobody outside sees its result; what leaks of it, by budgets that
/// are found used up, is worth nothing once the key has changed.
fn place(key: &[u64; 2], network: u64) -> usize {
    let [a, b] = *key;
    let fold = |x: u64, y: u64| {
        let wide = u128::from(x).wrapping_mul(u128::from(y));
        (wide as u64) ^ ((wide >> 64) as u64)
    };
    let mixed = fold(fold(network ^ a, b | 1).wrapping_add(a), 0x9E37_79B9_7F4A_7C15 ^ b);
    (mixed >> (u64::BITS - BUCKET_BITS)) as usize
}

fn draw(entropy: &mut Entropy) -> [u64; 2] {
    [entropy.bytes(), entropy.bytes()].map(u64::from_le_bytes)
}

/// 32 KiB in all.
const BUCKETS: usize = 1 << BUCKET_BITS;
const BUCKET_BITS: u32 = 10;

/// How long a key of the hash is used: as long as the key of nonces is by default.
const REKEY_NANOS: u64 = 600_000_000_000;

const WINDOW_NANOS: u64 = Budget::WINDOW.as_nanos() as u64;

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        Ledger::new(Budget::default(), Entropy::from_seed([5; 32]))
    }

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn from(ip: &str) -> SocketAddr {
        SocketAddr::new(ip.parse().unwrap(), 4242)
    }

    #[test]
    fn two_short_requests_earn_a_challenge_and_one_does_not() {
        let mut ledger = ledger();
        let account = ledger.enter(&from("203.0.113.9"), 20, at(0));
        assert_eq!(ledger.allowance(account, true), 52);
        let account = ledger.enter(&from("203.0.113.200"), 20, at(500));
        assert_eq!(ledger.allowance(account, true), 104, "the same network");
        ledger.spend(account, 100, true);
        assert_eq!(ledger.allowance(account, true), 4);
    }

    #[test]
    fn a_network_saves_up_no_more_than_its_limit() {
        let mut ledger = ledger();
        let mut account = Account(0);
        for _ in 0..10_000 {
            account = ledger.enter(&from("203.0.113.9"), 548, at(0));
        }
        assert_eq!(ledger.allowance(account, false), Budget::MAX_CREDIT as usize);
    }

    #[test]
    fn errors_are_limited_in_time_and_successes_are_not() {
        let limits =
            Budget { amplification_limit_percent: None, error_bytes_per_second: 1000, error_burst: 2000 };
        let mut ledger = Ledger::new(limits, Entropy::from_seed([5; 32]));
        let remote = from("2001:db8::1");
        let account = ledger.enter(&remote, 20, at(0));
        assert_eq!(ledger.allowance(account, true), 2000);
        ledger.spend(account, 2000, true);
        assert_eq!(ledger.allowance(account, true), 0);
        assert_eq!(ledger.allowance(account, false), u32::MAX as usize);
        for millis in 1..=500 {
            ledger.enter(&remote, 20, at(millis));
        }
        assert_eq!(ledger.allowance(account, true), 500);
        ledger.enter(&remote, 20, at(599_000));
        assert_eq!(ledger.allowance(account, true), 2000, "no more than the burst");
    }

    #[test]
    fn networks_spread_over_the_table_and_change_places_with_the_key() {
        let mut ledger = ledger();
        let places = |ledger: &Ledger| -> alloc::vec::Vec<usize> {
            (0..1024_u64).map(|number| place(&ledger.key, number << 20)).collect()
        };
        let before = places(&ledger);
        let mut used = before.clone();
        used.sort_unstable();
        used.dedup();
        assert!(used.len() > 500, "{} of 1024: a random placing uses 647", used.len());
        ledger.enter(&from("203.0.113.9"), 20, at(600_000));
        let same = places(&ledger).iter().zip(&before).filter(|(new, old)| new == old).count();
        assert!(same < 20, "{same}");
    }

    #[test]
    fn a_window_has_one_event_of_each_kind() {
        let mut ledger = ledger();
        let remote = from("203.0.113.9");
        let mut told = [0, 0];
        for millis in 0..20_000 {
            let account = ledger.enter(&remote, 20, at(millis));
            told[0] += u32::from(ledger.withhold(account, remote.ip()).is_some());
            told[1] += u32::from(ledger.fail(account, remote.ip(), true).is_some());
        }
        assert_eq!(told, [2, 2]);
    }
}
