//! How a binding asks.

use core::time::Duration;

use crate::auth::Credentials;
use crate::net::{self, FiveTuple};
use crate::transaction::{Backoff, RedirectPolicy, RetransmissionConfig};

/// How a [`super::Binding`] asks. The fields are public: change what you need before you pass it on.
#[derive(Clone, Debug)]
pub struct BindingConfig {
    /// From which socket to which server.
    pub path: FiveTuple,
    /// The host's number for the socket; handed back in each transmit.
    pub socket_id: u32,
    /// Asks again this long after the last request was sent, so that the NAT keeps the binding; `None` asks
    /// once. 25 s; at least 1 s.
    pub refresh: Option<Duration>,
    /// How long to wait after a failure that may pass: while refreshing, and after a server error always.
    pub backoff: Backoff,
    /// Signs requests and demands signed responses; long-term ones once the server has asked for them. None.
    pub credentials: Option<Credentials>,
    /// Ends requests with FINGERPRINT, which helps others on the socket to tell STUN from the rest. Yes.
    pub fingerprint: bool,
    /// Takes MAPPED-ADDRESS where XOR-MAPPED-ADDRESS is missing, as servers of RFC 3489 send it. No: a
    /// middlebox may have rewritten it.
    pub accepts_mapped_address: bool,
    /// What to do when a server names another one in its place. Ask that one.
    pub redirects: RedirectPolicy,
    /// When to send again and when to give up.
    pub retransmission: RetransmissionConfig,
}

impl BindingConfig {
    /// The interval of RFC 8445 s11 and of NATs that forget after 30 s, with a margin.
    pub const DEFAULT_REFRESH: Duration = Duration::from_secs(25);

    /// The shortest interval that is accepted.
    pub const MIN_REFRESH: Duration = Duration::from_secs(1);

    /// Keeps the binding on `path` alive, every 25 s.
    #[must_use]
    pub fn new(path: FiveTuple) -> Self {
        Self {
            path,
            socket_id: 0,
            refresh: Some(Self::DEFAULT_REFRESH),
            backoff: Backoff::default(),
            credentials: None,
            fingerprint: true,
            accepts_mapped_address: false,
            redirects: RedirectPolicy::default(),
            retransmission: RetransmissionConfig::default(),
        }
    }

    /// The same, asking once.
    #[must_use]
    pub fn once(path: FiveTuple) -> Self {
        Self { refresh: None, ..Self::new(path) }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        Self::check_path(&self.path)?;
        if self.refresh.is_some_and(|interval| interval < Self::MIN_REFRESH) {
            return Err(ConfigError::RefreshTooShort);
        }
        Ok(())
    }

    pub(super) fn check_path(path: &FiveTuple) -> Result<(), ConfigError> {
        if !net::is_endpoint(&path.remote) {
            return Err(ConfigError::ServerAddress);
        }
        if path.local.is_ipv4() != path.remote.is_ipv4() {
            return Err(ConfigError::MixedFamilies);
        }
        Ok(())
    }
}

/// Why a binding cannot be made of its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The server's address has port 0, or is unspecified, multicast or broadcast.
    ServerAddress,
    /// Local address and server are of different families.
    MixedFamilies,
    /// The refresh interval is under [`BindingConfig::MIN_REFRESH`].
    RefreshTooShort,
}

impl core::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::ServerAddress => {
                "the server's address has port 0, or is unspecified, multicast or broadcast"
            }
            Self::MixedFamilies => "local address and server are of different families",
            Self::RefreshTooShort => "the refresh interval is under one second",
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
            BindingConfig::new(FiveTuple::udp(local.parse().unwrap(), remote.parse().unwrap()))
        };
        let good = udp("0.0.0.0:0", "192.0.2.1:3478");
        assert_eq!(good.check(), Ok(()));
        for remote in ["192.0.2.1:0", "0.0.0.0:3478", "224.0.0.1:3478"] {
            assert_eq!(udp("0.0.0.0:0", remote).check(), Err(ConfigError::ServerAddress));
        }
        assert_eq!(udp("[::]:0", "192.0.2.1:3478").check(), Err(ConfigError::MixedFamilies));
        let hasty = BindingConfig { refresh: Some(Duration::from_millis(999)), ..good };
        assert_eq!(hasty.check(), Err(ConfigError::RefreshTooShort));
    }
}
