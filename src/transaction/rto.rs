//! The retransmission schedule as data, and the RTO that adapts to the path.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use crate::net::Transport;
use crate::time::{Instant, nanos};

/// How requests are retransmitted (RFC 8489 s6.2.1, s6.2.2).
///
/// With the defaults a request over UDP is sent at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s, and given up at
/// 39.5 s; over a stream it is sent once and given up at 39.5 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetransmissionConfig {
    /// RTO before the path has been measured, and the least RTO ever used. 500 ms; the RFC wants no less
    /// on the Internet. 1 ms to 60 s, others count as the nearer end.
    pub initial_rto: Duration,
    /// Rc: how often a request is sent in all. 7; 1 to 16, others count as the nearer end.
    pub rc: u32,
    /// Rm: how many RTOs to wait after the last send. 16; 1 to 64, others count as the nearer end.
    pub rm: u32,
    /// Ti: how long to wait on a reliable transport. 39.5 s; at least 1 ms.
    pub ti: Duration,
}

impl Default for RetransmissionConfig {
    fn default() -> Self {
        Self { initial_rto: Duration::from_millis(500), rc: 7, rm: 16, ti: Duration::from_millis(39_500) }
    }
}

const MIN_RTO: Duration = Duration::from_millis(1);
const MAX_RTO: Duration = Duration::from_secs(60);
/// What a slow path may raise the RTO to: beyond it a request would live for a quarter of an hour.
const MAX_ADAPTIVE_RTO: Duration = Duration::from_secs(8);
const MAX_RC: u32 = 16;
const MAX_RM: u32 = 64;

/// What remains of one request's schedule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    wait: Duration,
    last_wait: Duration,
    sends_left: u32,
}

impl Schedule {
    /// The schedule of a request over `transport` on a path with that RTO.
    pub(crate) fn new(config: &RetransmissionConfig, transport: Transport, rto: Duration) -> Self {
        if transport.is_reliable() {
            let ti = config.ti.max(MIN_RTO);
            return Self { wait: ti, last_wait: ti, sends_left: 1 };
        }
        let rto = rto.min(MAX_ADAPTIVE_RTO).max(config.initial_rto).clamp(MIN_RTO, MAX_RTO);
        let rm = config.rm.clamp(1, MAX_RM);
        Self { wait: rto, last_wait: rto.saturating_mul(rm), sends_left: config.rc.clamp(1, MAX_RC) }
    }

    /// The next wait: before the first send, the RTO.
    pub(crate) const fn rto(&self) -> Duration {
        self.wait
    }

    /// Whether the request may be sent again.
    pub(crate) const fn has_sends_left(&self) -> bool {
        self.sends_left > 0
    }

    /// Takes away the sends that are left.
    pub(crate) fn stop(&mut self) {
        self.sends_left = 0;
    }

    /// Notes a send, and says how long to wait for what comes next: doubling, then Rm times RTO.
    pub(crate) fn note_send(&mut self) -> Duration {
        self.sends_left = self.sends_left.saturating_sub(1);
        let wait = if self.has_sends_left() { self.wait } else { self.last_wait };
        self.wait = self.wait.saturating_mul(2);
        wait
    }
}

/// The RTO of a path from its round trips (RFC 6298 s2, without rounding up to a second), by Karn's rule:
/// a request that was sent more than once measures nothing, but its longer RTO is kept until one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RttEstimator {
    /// SRTT and RTTVAR in nanoseconds.
    smoothed: Option<(u64, u64)>,
    /// The RTO that a retransmission has left, until the next round trip.
    backed_off: Duration,
}

impl RttEstimator {
    /// Takes a measured round trip.
    pub fn note(&mut self, rtt: Duration) {
        self.backed_off = Duration::ZERO;
        let rtt = nanos(rtt);
        self.smoothed = Some(match self.smoothed {
            // RFC 6298 s2.2
            None => (rtt, rtt / 2),
            // RFC 6298 s2.3: alpha = 1/8, beta = 1/4
            Some((srtt, rttvar)) => (
                srtt.saturating_mul(7).saturating_add(rtt) / 8,
                rttvar.saturating_mul(3).saturating_add(srtt.abs_diff(rtt)) / 4,
            ),
        });
    }

    /// Takes a request that was answered after it had been sent again, with the RTO it was first sent with:
    /// without this a path that is slower than its RTO would never be measured (RFC 6298 s5.5 to s5.7).
    pub fn note_retransmitted(&mut self, rto: Duration) {
        self.backed_off = rto.saturating_mul(2).min(MAX_ADAPTIVE_RTO);
    }

    /// SRTT, once a round trip has been measured.
    #[must_use]
    pub fn smoothed(&self) -> Option<Duration> {
        self.smoothed.map(|(srtt, _)| Duration::from_nanos(srtt))
    }

    /// SRTT + max(G, 4 RTTVAR) with a granularity of 1 ms, or what a retransmission has left; zero while
    /// nothing is known.
    #[must_use]
    pub fn rto(&self) -> Duration {
        self.measured().max(self.backed_off)
    }

    fn measured(&self) -> Duration {
        self.smoothed.map_or(Duration::ZERO, |(srtt, rttvar)| {
            Duration::from_nanos(srtt.saturating_add(rttvar.saturating_mul(4).max(nanos(MIN_RTO))))
        })
    }
}

/// Estimators by server, so that the next operation starts with what the last one learnt
/// (RFC 8489 s6.2.1: by IP address, stale after 10 minutes).
#[derive(Debug, Default)]
pub struct RtoCache {
    servers: Vec<CachedServer>,
}

#[derive(Debug)]
struct CachedServer {
    address: IpAddr,
    estimator: RttEstimator,
    last_used: Instant,
}

impl RtoCache {
    /// Servers remembered at most; the least recently used one makes room.
    pub const MAX_SERVERS: usize = 64;

    const STALE_AFTER: Duration = Duration::from_secs(600);

    /// What is known of a server, unless it is stale.
    #[must_use]
    pub fn get(&self, server: IpAddr, now: Instant) -> Option<RttEstimator> {
        let known = self.servers.iter().find(|known| known.address == server)?;
        (now.saturating_since(known.last_used) < Self::STALE_AFTER).then_some(known.estimator)
    }

    /// Remembers what a transaction with a server has left known.
    pub fn put(&mut self, server: IpAddr, estimator: RttEstimator, now: Instant) {
        let fresh = CachedServer { address: server, estimator, last_used: now };
        if let Some(known) = self.servers.iter_mut().find(|known| known.address == server) {
            *known = fresh;
        } else if self.servers.len() < Self::MAX_SERVERS {
            self.servers.push(fresh);
        } else if let Some(oldest) = self.servers.iter_mut().min_by_key(|known| known.last_used) {
            *oldest = fresh;
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)] // a test may
mod tests {
    use core::net::Ipv4Addr;

    use super::*;

    fn sends(config: &RetransmissionConfig, transport: Transport, rto_ms: u64) -> (Vec<u64>, u64) {
        let mut schedule = Schedule::new(config, transport, Duration::from_millis(rto_ms));
        let (mut at, mut sends) = (0, Vec::new());
        while schedule.has_sends_left() {
            sends.push(at);
            at += schedule.note_send().as_millis() as u64;
        }
        (sends, at)
    }

    #[test]
    fn the_default_schedule_is_the_one_printed_in_rfc_8489() {
        let (sends, end) = sends(&RetransmissionConfig::default(), Transport::Udp, 0);
        assert_eq!(sends, [0, 500, 1500, 3500, 7500, 15500, 31500]);
        assert_eq!(end, 39500);
    }

    #[test]
    fn a_stream_is_asked_once_and_waited_for_ti() {
        assert_eq!(sends(&RetransmissionConfig::default(), Transport::Tcp, 0), (alloc::vec![0], 39500));
        assert_eq!(sends(&RetransmissionConfig::default(), Transport::Tls, 900), (alloc::vec![0], 39500));
    }

    #[test]
    fn a_slow_path_raises_the_rto_and_a_fast_one_does_not_lower_it() {
        let config = RetransmissionConfig::default();
        assert_eq!(sends(&config, Transport::Udp, 900).0[..3], [0, 900, 2700]);
        assert_eq!(sends(&config, Transport::Udp, 20).0[..3], [0, 500, 1500]);
    }

    #[test]
    fn a_slow_configuration_doubles_without_a_cap() {
        let config =
            RetransmissionConfig { initial_rto: Duration::from_secs(10), ..RetransmissionConfig::default() };
        let (sends, end) = sends(&config, Transport::Udp, 0);
        assert_eq!(sends, [0, 10_000, 30_000, 70_000, 150_000, 310_000, 630_000]);
        assert_eq!(end, 790_000);
    }

    #[test]
    fn absurd_configurations_are_clamped_and_end() {
        let zero = RetransmissionConfig { initial_rto: Duration::ZERO, rc: 0, rm: 0, ti: Duration::ZERO };
        assert_eq!(sends(&zero, Transport::Udp, 0), (alloc::vec![0], 1));
        assert_eq!(sends(&zero, Transport::Tcp, 0), (alloc::vec![0], 1));
        let huge = RetransmissionConfig {
            initial_rto: Duration::MAX,
            rc: u32::MAX,
            rm: u32::MAX,
            ti: Duration::MAX,
        };
        let mut schedule = Schedule::new(&huge, Transport::Udp, Duration::MAX);
        let count = core::iter::from_fn(|| schedule.has_sends_left().then(|| schedule.note_send())).count();
        assert_eq!(count, MAX_RC as usize);
    }

    #[test]
    fn the_estimator_follows_rfc_6298() {
        let mut path = RttEstimator::default();
        assert_eq!(path.rto(), Duration::ZERO);
        path.note(Duration::from_millis(800));
        assert_eq!(path.rto(), Duration::from_millis(800 + 4 * 400));
        path.note(Duration::from_millis(800));
        assert_eq!(path.rto(), Duration::from_millis(800 + 4 * 300));
        for _ in 0..100 {
            path.note(Duration::from_millis(800));
        }
        assert_eq!(path.rto().as_millis(), 801);
    }

    #[test]
    fn a_backed_off_rto_lasts_until_a_round_trip_is_measured() {
        let mut path = RttEstimator::default();
        path.note(Duration::from_millis(100));
        path.note_retransmitted(Duration::from_secs(2));
        assert_eq!(path.rto(), Duration::from_secs(4));
        path.note(Duration::from_millis(100));
        assert_eq!(path.rto(), Duration::from_millis(100 + 4 * 75 / 2));
    }

    #[test]
    fn the_cache_forgets_after_ten_minutes_and_never_exceeds_its_limit() {
        let mut cache = RtoCache::default();
        let server = |n: u32| IpAddr::V4(Ipv4Addr::from_bits(n));
        let mut known = RttEstimator::default();
        known.note(Duration::from_secs(1));
        cache.put(server(0), known, Instant::ZERO);
        let almost = Instant::from_millis(599_999);
        assert!(cache.get(server(0), almost).is_some());
        assert!(cache.get(server(0), Instant::from_millis(600_000)).is_none());
        for n in 1..1000 {
            cache.put(server(n), known, Instant::from_millis(u64::from(n)));
        }
        assert_eq!(cache.servers.len(), RtoCache::MAX_SERVERS);
        assert!(cache.get(server(999), almost).is_some());
        assert!(cache.get(server(0), almost).is_none());
    }
}
