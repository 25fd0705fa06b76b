//! What an allocation asks for.

use core::net::SocketAddr;
use core::time::Duration;

use crate::auth::Credentials;
use crate::net::{self, FiveTuple};
use crate::time::Instant;
use crate::transaction::{Backoff, RedirectPolicy, RetransmissionConfig};
use crate::turn::PeerPolicy;

/// What an [`Allocation`](super::Allocation) asks for. The fields are public: change what you need before you
/// pass it on.
#[derive(Clone, Debug)]
pub struct AllocationConfig {
    /// From which socket to which server. The transport is that between host and server (RFC 8656 s3.1).
    pub path: FiveTuple,
    /// The host's number for the socket; handed back in each transmit.
    pub socket_id: u32,
    /// Whom the server shall know. `None` for a server that asks nobody.
    pub credentials: Option<Credentials>,
    /// When those credentials expire by the host's clock, as time-limited ones do. A minute before,
    /// [`CredentialsNeeded`](super::AllocationEvent::CredentialsNeeded) asks for others. Never.
    pub credentials_expire: Option<Instant>,
    /// The families of the relayed addresses. IPv4.
    pub family: RelayFamily,
    /// How the server and the peers talk. UDP.
    pub transport: RelayTransport,
    /// Which port the relayed address shall have. Any.
    pub port: RelayPort,
    /// Asks the server to set the DF bit of what it sends to peers (RFC 8656 s18.9). No. A server that cannot is
    /// asked again without.
    pub dont_fragment: bool,
    /// The time-to-expiry to ask for; the server may give less or more (RFC 8656 s7.1). Its own choice, which is
    /// mostly ten minutes.
    pub lifetime: Option<Duration>,
    /// Asks for a ticket with which the allocation can move to another network (RFC 8016). Yes; servers that do not
    /// know it give none.
    pub mobility: bool,
    /// Over UDP, sends something at least that often, so that the NATs on the way to the server keep their
    /// bindings. 25 s; at least 1 s. Whatever else is sent counts as well.
    pub keepalive: Option<Duration>,
    /// What is sent then.
    pub keepalive_kind: KeepaliveKind,
    /// Which peers may be reached.
    pub peers: PeerPolicy,
    /// How long to wait after a failure that may pass.
    pub backoff: Backoff,
    /// What to do when the server names another one in its place. Ask that one.
    pub redirects: RedirectPolicy,
    /// Ends requests with FINGERPRINT, which helps others on the socket to tell STUN from the rest. Yes.
    pub fingerprint: bool,
    /// When to send again and when to give up.
    pub retransmission: RetransmissionConfig,
}

impl AllocationConfig {
    /// As for a Binding: NATs that forget after 30 s, with a margin.
    pub const DEFAULT_KEEPALIVE: Duration = Duration::from_secs(25);

    /// The shortest interval that is accepted.
    pub const MIN_KEEPALIVE: Duration = Duration::from_secs(1);

    /// An IPv4 address at the server at the end of `path`, for UDP to peers.
    #[must_use]
    pub fn new(path: FiveTuple, credentials: impl Into<Credentials>) -> Self {
        Self { credentials: Some(credentials.into()), ..Self::open(path) }
    }

    /// The same, at a server that asks for no credentials. RFC 8656 s5 has servers ask; few do not.
    #[must_use]
    pub fn open(path: FiveTuple) -> Self {
        Self {
            path,
            socket_id: 0,
            credentials: None,
            credentials_expire: None,
            family: RelayFamily::default(),
            transport: RelayTransport::default(),
            port: RelayPort::default(),
            dont_fragment: false,
            lifetime: None,
            mobility: true,
            keepalive: Some(Self::DEFAULT_KEEPALIVE),
            keepalive_kind: KeepaliveKind::default(),
            peers: PeerPolicy::default(),
            backoff: Backoff::default(),
            redirects: RedirectPolicy::default(),
            fingerprint: true,
            retransmission: RetransmissionConfig::default(),
        }
    }

    pub(in crate::turn) fn check(&self) -> Result<(), ConfigError> {
        Self::check_path(&self.path)?;
        if self.keepalive.is_some_and(|interval| interval < Self::MIN_KEEPALIVE) {
            return Err(ConfigError::KeepaliveTooShort);
        }
        if self
            .lifetime
            .is_some_and(|lifetime| lifetime.as_secs() == 0 || lifetime.as_secs() > u32::MAX.into())
        {
            return Err(ConfigError::Lifetime);
        }
        if self.transport == RelayTransport::Tcp {
            // RFC 6062 s4.1
            if !self.path.transport.is_reliable() {
                return Err(ConfigError::TcpOverUdp);
            }
            if self.dont_fragment || self.port != RelayPort::Any || self.family == RelayFamily::Both {
                return Err(ConfigError::NotForTcp);
            }
        }
        // RFC 8656 s7.1
        let has_token = matches!(self.port, RelayPort::Reserved(_));
        if has_token && self.family != RelayFamily::V4
            || self.family == RelayFamily::Both && self.port != RelayPort::Any
        {
            return Err(ConfigError::PortOfBoth);
        }
        Ok(())
    }

    pub(in crate::turn) fn check_path(path: &FiveTuple) -> Result<(), ConfigError> {
        if !net::is_endpoint(&path.remote) {
            return Err(ConfigError::ServerAddress);
        }
        if path.local.is_ipv4() != path.remote.is_ipv4() {
            return Err(ConfigError::MixedFamilies);
        }
        Ok(())
    }
}

/// The families of the relayed addresses. They need not be the family of the path to the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RelayFamily {
    /// One IPv4 address. Nothing is asked for, because that is what a server gives (RFC 8656 s7.1).
    #[default]
    V4,
    /// One IPv6 address (REQUESTED-ADDRESS-FAMILY, RFC 8656 s18.6).
    V6,
    /// One of each, in one allocation (ADDITIONAL-ADDRESS-FAMILY, RFC 8656 s18.11); one of them may be refused.
    Both,
}

impl RelayFamily {
    /// Whether an address of that family was asked for.
    pub(in crate::turn) const fn includes(self, address: &SocketAddr) -> bool {
        match self {
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
            Self::Both => true,
        }
    }
}

/// How the server and the peers talk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RelayTransport {
    /// Datagrams (RFC 8656).
    #[default]
    Udp,
    /// Connections, each over a connection of its own between host and server (RFC 6062). The path must be a
    /// stream.
    Tcp,
}

/// Which port the relayed address shall have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RelayPort {
    /// Any.
    #[default]
    Any,
    /// An even one (EVEN-PORT, RFC 8656 s18.7).
    Even,
    /// An even one, the next being kept for 30 s for a second allocation: the token comes with
    /// [`Allocated`](super::AllocationEvent::Allocated).
    EvenReservingNext,
    /// The one that a token stands for (RESERVATION-TOKEN, RFC 8656 s18.10).
    Reserved([u8; 8]),
}

/// What keeps the NATs' bindings alive while nothing else is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeepaliveKind {
    /// A Binding indication: one packet, and no answer.
    #[default]
    Indication,
    /// A Binding request: two packets. Its answer tells when a NAT has changed the host's address, upon which the
    /// server knows the allocation no more; an indication lets that be found with the next refresh only.
    Request,
}

/// Why an allocation cannot be made of its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The server's address has port 0, or is unspecified, multicast or broadcast.
    ServerAddress,
    /// Local address and server are of different families.
    MixedFamilies,
    /// The keepalive interval is under [`AllocationConfig::MIN_KEEPALIVE`].
    KeepaliveTooShort,
    /// The lifetime is under a second, or over 2^32 - 1.
    Lifetime,
    /// Connections to peers need a stream to the server (RFC 6062 s4.1).
    TcpOverUdp,
    /// With connections to peers go neither DONT-FRAGMENT nor EVEN-PORT nor RESERVATION-TOKEN (RFC 6062 s4.1), nor
    /// two families.
    NotForTcp,
    /// A token already stands for an address, and with both families go no wishes for a port (RFC 8656 s7.1).
    PortOfBoth,
}

impl core::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::ServerAddress => {
                "the server's address has port 0, or is unspecified, multicast or broadcast"
            }
            Self::MixedFamilies => "local address and server are of different families",
            Self::KeepaliveTooShort => "the keepalive interval is under one second",
            Self::Lifetime => "the lifetime is not 1 to 2^32 - 1 seconds",
            Self::TcpOverUdp => "connections to peers need a stream to the server",
            Self::NotForTcp => {
                "DONT-FRAGMENT, wishes for a port and two families are not for connections to peers"
            }
            Self::PortOfBoth => "a token goes without a family, and two families without wishes for a port",
        })
    }
}

impl core::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contradictions_are_named() {
        let udp = |local: &str, remote: &str| {
            AllocationConfig::open(FiveTuple::udp(local.parse().unwrap(), remote.parse().unwrap()))
        };
        let good = udp("0.0.0.0:0", "192.0.2.1:3478");
        let but = |change: &dyn Fn(&mut AllocationConfig)| {
            let mut config = good.clone();
            change(&mut config);
            config.check().unwrap_err()
        };
        assert_eq!(good.check(), Ok(()));
        assert_eq!(udp("0.0.0.0:0", "192.0.2.1:0").check(), Err(ConfigError::ServerAddress));
        assert_eq!(udp("[::]:0", "192.0.2.1:3478").check(), Err(ConfigError::MixedFamilies));
        assert_eq!(but(&|c| c.keepalive = Some(Duration::from_millis(999))), ConfigError::KeepaliveTooShort);
        assert_eq!(but(&|c| c.lifetime = Some(Duration::ZERO)), ConfigError::Lifetime);
        assert_eq!(but(&|c| c.lifetime = Some(Duration::MAX)), ConfigError::Lifetime);
        assert_eq!(but(&|c| c.transport = RelayTransport::Tcp), ConfigError::TcpOverUdp);
        let tcp = |c: &mut AllocationConfig| {
            c.path.transport = net::Transport::Tcp;
            c.transport = RelayTransport::Tcp;
        };
        assert_eq!(but(&|c| (tcp(c), c.dont_fragment = true).1), ConfigError::NotForTcp);
        let both = |c: &mut AllocationConfig| c.family = RelayFamily::Both;
        assert_eq!(but(&|c| (both(c), c.port = RelayPort::Even).1), ConfigError::PortOfBoth);
        assert_eq!(but(&|c| (both(c), c.port = RelayPort::Reserved([0; 8])).1), ConfigError::PortOfBoth);
    }
}
