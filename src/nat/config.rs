//! What a probe asks, from where, and how patiently.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use crate::auth::Credentials;
use crate::net;
use crate::transaction::RetransmissionConfig;

/// How a [`super::Probe`] asks. The fields are public: change what you need before you pass it on.
///
/// ```
/// use libstun::nat::{ProbeConfig, ProbeSocket, Property};
/// let mut config = ProbeConfig::new("10.0.0.2:50000".parse()?, "192.0.2.1:3478".parse()?);
/// config.second = Some(ProbeSocket::new("10.0.0.2:50001".parse()?));
/// config.servers.push("198.51.100.1:3478".parse()?); // in case the first one is an ordinary server
/// config.properties = config.properties.with(Property::Lifetime); // takes an hour
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ProbeConfig {
    /// The socket whose NAT is diagnosed. For the filtering behaviour it must be fresh: nothing was sent from it
    /// lately, least of all to the server (RFC 5780 s4.1).
    pub primary: ProbeSocket,
    /// Another socket on another port, for hairpinning and the binding lifetime. None.
    pub second: Option<ProbeSocket>,
    /// The server. Whether it has what RFC 5780 adds shows in its answers.
    pub server: SocketAddr,
    /// Further, ordinary servers, best at other IP addresses: they take the server's place if it is silent, and
    /// tell how the NAT maps if it has no other address. None; at most [`ProbeConfig::MAX_SERVERS`].
    pub servers: Vec<SocketAddr>,
    /// What to find out. Everything but [`Property::Lifetime`].
    pub properties: Properties,
    /// How far to look for the binding lifetime.
    pub lifetime: LifetimeLimits,
    /// How to measure silence.
    pub patience: Patience,
    /// When to send a request again that should be answered. The first request to the first server has all of it;
    /// later ones stop after five sends and half the last wait.
    pub retransmission: RetransmissionConfig,
    /// Time between the starts of two transactions. 100 ms, and no less counts (RFC 5780 s5: ten a second).
    pub pacing: Duration,
    /// When to end at the latest, and report what is known. `None` is [`ProbeConfig::DEFAULT_DEADLINE`], plus what
    /// the lifetime may take.
    pub deadline: Option<Duration>,
    /// Signs requests and demands signed responses. None.
    pub credentials: Option<Credentials>,
    /// Ends requests with FINGERPRINT: wanted where other protocols share the socket (RFC 5780 s5). No: a gateway
    /// that rewrites addresses breaks it, and then its responses count for nothing.
    pub fingerprint: bool,
    /// Bytes of PADDING: the MTU of the outgoing interface (RFC 5780 s7.6). 1500; 4 to
    /// [`ProbeConfig::MAX_PADDING`], others count as the nearer end; rounded up to a multiple of four.
    pub padding: u16,
}

/// A socket of the host, as the probe calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeSocket {
    /// Its local address; may be a wildcard.
    pub local: SocketAddr,
    /// The host's number for it; handed back in each transmit.
    pub socket_id: u32,
    /// The host's own IP on the way to the server, if `local` is a wildcard and the host knows it. Without it the
    /// server's view cannot be compared with anything.
    pub address: Option<IpAddr>,
}

impl ProbeSocket {
    /// The socket at that address, number 0.
    #[must_use]
    pub const fn new(local: SocketAddr) -> Self {
        Self { local, socket_id: 0, address: None }
    }
}

/// How far to look for the binding lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LifetimeLimits {
    /// The longest wait. 10 minutes; 15 s to 24 h, others count as the nearer end.
    pub max: Duration,
    /// How far apart the bounds may stay. 5 s; at least 4 s, because silence takes a while to be sure of.
    pub precision: Duration,
}

impl Default for LifetimeLimits {
    fn default() -> Self {
        Self { max: Duration::from_secs(600), precision: Duration::from_secs(5) }
    }
}

/// How to measure silence, where a filter may be what answers.
///
/// Each attempt is one request that may be filtered and one to the same server that may not, a control. Silence means
/// "filtered" only if no path, whatever share it loses, would lose all attempts and just as many controls as it has,
/// more often than once in a million times. That takes ten attempts where no control is lost, and about twenty-five
/// where a third is; after `max_attempts` silence says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Time between two attempts. 500 ms; 300 ms to 10 s, others count as the nearer end.
    pub interval: Duration,
    /// How long to wait for an answer. 1.5 s; 100 ms to 60 s, others count as the nearer end.
    pub last_wait: Duration,
    /// How often to try at most. 40; 10 to 100, others count as the nearer end.
    pub max_attempts: u32,
}

impl Patience {
    /// Attempts on a path that loses nothing; an ordinary request has seven sends (RFC 8489 s6.2.1).
    pub const MIN_ATTEMPTS: u32 = 10;
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(500),
            last_wait: Duration::from_millis(1500),
            max_attempts: 40,
        }
    }
}

/// One thing to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Property {
    /// Whether UDP reaches servers.
    Connectivity,
    /// Whether there is a NAT.
    Translation,
    /// How the NAT maps.
    Mapping,
    /// How the NAT filters.
    Filtering,
    /// Whether it hairpins.
    Hairpinning,
    /// Whether it preserves ports.
    PortPreservation,
    /// Whether it preserves the parity of ports.
    PortParity,
    /// Whether it gives the host one IP.
    Pooling,
    /// Whether the mapped address stays.
    Stability,
    /// Whether something rewrites addresses in messages.
    Gateway,
    /// Whether fragments pass.
    Fragments,
    /// How long a binding lives. Slow: not tested unless asked for.
    Lifetime,
}

impl Property {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Connectivity,
        Self::Translation,
        Self::Mapping,
        Self::Filtering,
        Self::Hairpinning,
        Self::PortPreservation,
        Self::PortParity,
        Self::Pooling,
        Self::Stability,
        Self::Gateway,
        Self::Fragments,
        Self::Lifetime,
    ];

    /// Its name in reports: lower case, with hyphens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connectivity => "connectivity",
            Self::Translation => "translation",
            Self::Mapping => "mapping",
            Self::Filtering => "filtering",
            Self::Hairpinning => "hairpinning",
            Self::PortPreservation => "port-preservation",
            Self::PortParity => "port-parity",
            Self::Pooling => "pooling",
            Self::Stability => "stability",
            Self::Gateway => "gateway",
            Self::Fragments => "fragments",
            Self::Lifetime => "lifetime",
        }
    }
}

/// A set of properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Properties(u16);

impl Properties {
    /// None.
    pub const NONE: Self = Self(0);

    /// Everything that takes seconds.
    pub const QUICK: Self = Self(((1 << Property::ALL.len()) - 1) & !(1 << Property::Lifetime as u16));

    /// These and that one.
    #[must_use]
    pub const fn with(self, property: Property) -> Self {
        Self(self.0 | 1 << property as u16)
    }

    /// These but that one.
    #[must_use]
    pub const fn without(self, property: Property) -> Self {
        Self(self.0 & !(1 << property as u16))
    }

    /// Whether that one is among them.
    #[must_use]
    pub const fn contains(self, property: Property) -> bool {
        self.0 & (1 << property as u16) != 0
    }
}

impl ProbeConfig {
    /// Further servers at most.
    pub const MAX_SERVERS: usize = 8;
    /// Bytes of PADDING at most: a jumbo frame.
    pub const MAX_PADDING: u16 = 9216;
    /// When a probe ends at the latest unless told otherwise, without the lifetime.
    pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(180);

    /// Everything that takes seconds, from one socket at `local`, asking one server.
    #[must_use]
    pub fn new(local: SocketAddr, server: SocketAddr) -> Self {
        Self {
            primary: ProbeSocket::new(local),
            second: None,
            server,
            servers: Vec::new(),
            properties: Properties::QUICK,
            lifetime: LifetimeLimits::default(),
            patience: Patience::default(),
            retransmission: RetransmissionConfig::default(),
            pacing: MIN_PACING,
            deadline: None,
            credentials: None,
            fingerprint: false,
            padding: 1500,
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let servers = || core::iter::once(&self.server).chain(&self.servers);
        if self.servers.len() > Self::MAX_SERVERS {
            return Err(ConfigError::TooManyServers);
        }
        if !servers().all(net::is_endpoint) {
            return Err(ConfigError::ServerAddress);
        }
        let is_ipv4 = self.primary.local.is_ipv4();
        if servers().any(|server| server.is_ipv4() != is_ipv4) {
            return Err(ConfigError::MixedFamilies);
        }
        let Some(second) = self.second else { return Ok(()) };
        if second.local.is_ipv4() != is_ipv4 {
            return Err(ConfigError::MixedFamilies);
        }
        if !tells_apart(&self.primary, &second) {
            return Err(ConfigError::SameSocket);
        }
        Ok(())
    }

    /// Into the ranges that the fields document.
    pub(super) fn clamp(mut self) -> Self {
        let (limits, patience) = (&mut self.lifetime, &mut self.patience);
        limits.max = limits.max.clamp(Duration::from_secs(15), Duration::from_secs(86_400));
        limits.precision = limits.precision.clamp(Duration::from_secs(4), Duration::from_secs(86_400));
        patience.interval = patience.interval.clamp(Duration::from_millis(300), Duration::from_secs(10));
        patience.last_wait = patience.last_wait.clamp(Duration::from_millis(100), Duration::from_secs(60));
        patience.max_attempts = patience.max_attempts.clamp(Patience::MIN_ATTEMPTS, 100);
        self.pacing = self.pacing.clamp(MIN_PACING, Duration::from_secs(10));
        self.padding = self.padding.clamp(4, Self::MAX_PADDING).next_multiple_of(4);
        self
    }

    /// How long the whole may take.
    pub(super) fn duration(&self) -> Duration {
        self.deadline.unwrap_or_else(|| {
            let is_slow = self.properties.contains(Property::Lifetime);
            let slow = if is_slow { self.lifetime.max.saturating_mul(MAX_WAITS) } else { Duration::ZERO };
            Self::DEFAULT_DEADLINE.saturating_add(slow)
        })
    }
}

/// Whether an arrival on one of the sockets cannot be taken for one on the other.
pub(super) fn tells_apart(a: &ProbeSocket, b: &ProbeSocket) -> bool {
    differ_in_port(a, b) || a.socket_id != b.socket_id
}

/// Whether the local ports alone tell.
pub(super) fn differ_in_port(a: &ProbeSocket, b: &ProbeSocket) -> bool {
    let (a, b) = (a.local.port(), b.local.port());
    a != 0 && b != 0 && a != b
}

/// Why a probe cannot be made of its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A server's address has port 0, or is unspecified, multicast or broadcast.
    ServerAddress,
    /// Sockets and servers are of different families.
    MixedFamilies,
    /// The second socket cannot be told from the first: neither its port nor its number differs.
    SameSocket,
    /// More than [`ProbeConfig::MAX_SERVERS`] further servers.
    TooManyServers,
}

impl core::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::ServerAddress => "a server's address has port 0, or is unspecified, multicast or broadcast",
            Self::MixedFamilies => "sockets and servers are of different families",
            Self::SameSocket => "the second socket cannot be told from the first",
            Self::TooManyServers => "too many further servers",
        })
    }
}

impl core::error::Error for ConfigError {}

/// RFC 5780 s5: no more than ten new transactions a second.
const MIN_PACING: Duration = Duration::from_millis(100);

/// The waits of a search for the lifetime add up to less than so many of the longest.
const MAX_WAITS: u32 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn contradictions_are_named() {
        let good = ProbeConfig::new(addr("0.0.0.0:0"), addr("192.0.2.1:3478"));
        assert_eq!(good.check(), Ok(()));
        let with = |change: fn(&mut ProbeConfig)| {
            let mut config = good.clone();
            change(&mut config);
            config.check()
        };
        assert_eq!(with(|c| c.server.set_port(0)), Err(ConfigError::ServerAddress));
        assert_eq!(with(|c| c.servers.push(addr("224.0.0.1:1"))), Err(ConfigError::ServerAddress));
        assert_eq!(with(|c| c.servers.push(addr("[2001:db8::1]:1"))), Err(ConfigError::MixedFamilies));
        assert_eq!(with(|c| c.servers = [c.server; 9].to_vec()), Err(ConfigError::TooManyServers));
        assert_eq!(with(|c| c.second = Some(c.primary)), Err(ConfigError::SameSocket));
        let numbered = |c: &mut ProbeConfig| c.second = Some(ProbeSocket { socket_id: 1, ..c.primary });
        assert_eq!(with(numbered), Ok(()));
    }

    #[test]
    fn a_set_knows_its_members() {
        for property in Property::ALL {
            assert_eq!(Properties::QUICK.contains(property), property != Property::Lifetime);
            assert!(Properties::NONE.with(property).contains(property));
            assert!(!Properties::QUICK.without(property).contains(property));
        }
    }
}
