//! What is looked for.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

use super::Discovery;
use crate::net::Transport;
use crate::wire::uri::{Host, Uri, UriTransport, ends_in_a_number};

/// What a server is to do, which is what its SRV records are named after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Service {
    /// Binding requests: `_stun`, and `_stuns` over TLS (RFC 8489 s8.1).
    Stun,
    /// Relays: `_turn`, and `_turns` over TLS (RFC 5928 s3).
    Turn,
    /// Discovery of NAT behaviour: `_stun-behavior`, and `_stun-behaviors` over TLS (RFC 5780 s5.1).
    StunBehavior,
}

/// What a [`Discovery`] looks for. The fields are public: change what you need before you pass it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveryConfig {
    /// What the server is to do.
    pub service: Service,
    /// Whether only TLS will do.
    pub is_secure: bool,
    /// The server's name, or its address. Also what its certificate must be for, whatever name the records
    /// lead to (RFC 8489 s6.2.3, RFC 5928 s5).
    pub host: String,
    /// The port; `None` asks the DNS for it.
    pub port: Option<u16>,
    /// The only transport that will do.
    pub transport: Option<Transport>,
    /// The transports that the host can use, best first (RFC 5928 s3). Those that do not fit to the service
    /// are passed over.
    pub transports: Vec<Transport>,
    /// How long the whole may take. 5 s, as long as a stub resolver waits for its first server.
    pub deadline: Duration,
    /// Once an address is known, how long to wait for the rest. 1 s: one more round trip of a slow network,
    /// so that a lost question does not cost the whole deadline (the idea of RFC 8305 s3, whose 50 ms are for
    /// A after AAAA alone).
    pub resolution_delay: Duration,
}

impl DiscoveryConfig {
    /// How long the whole may take, unless told otherwise.
    pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(5);

    /// How long to wait for more once an address is known, unless told otherwise.
    pub const DEFAULT_RESOLUTION_DELAY: Duration = Duration::from_secs(1);

    /// Looks for a service at a host: a name, or an address without brackets.
    ///
    /// STUN is looked for over UDP, TURN over UDP, then TCP, then TLS.
    #[must_use]
    pub fn new(service: Service, host: &str) -> Self {
        let transports = match service {
            Service::Turn => [Transport::Udp, Transport::Tcp, Transport::Tls].to_vec(),
            Service::Stun | Service::StunBehavior => [Transport::Udp].to_vec(),
        };
        Self {
            service,
            is_secure: false,
            host: host.to_owned(),
            port: None,
            transport: None,
            transports,
            deadline: Self::DEFAULT_DEADLINE,
            resolution_delay: Self::DEFAULT_RESOLUTION_DELAY,
        }
    }

    /// Looks for what a URI names (RFC 7064, RFC 7065).
    ///
    /// # Errors
    /// The URI asks for a transport that there is none of: an extension, or UDP inside TLS (RFC 5928 s3).
    pub fn from_uri(uri: &Uri<'_>) -> Result<Self, DiscoveryError> {
        let service = if uri.scheme.is_turn() { Service::Turn } else { Service::Stun };
        let host = match uri.host {
            Host::Name(name) => name.to_ascii_lowercase(),
            Host::Ip(ip) => ip.to_string(),
        };
        // RFC 5928 s3, table 1
        let transport = match (uri.is_secure(), uri.transport) {
            (_, None) => None,
            (false, Some(UriTransport::Udp)) => Some(Transport::Udp),
            (false, Some(UriTransport::Tcp)) => Some(Transport::Tcp),
            (true, Some(UriTransport::Tcp)) => Some(Transport::Tls),
            (true, Some(UriTransport::Udp)) => return Err(DiscoveryError::SecureUdp),
            (_, Some(UriTransport::Extension(_))) => return Err(DiscoveryError::UnknownTransport),
        };
        let mut config = Self { port: uri.port, transport, ..Self::new(service, &host) };
        if uri.is_secure() {
            config.is_secure = true;
            config.transports = [Transport::Tls].to_vec();
        }
        Ok(config)
    }

    /// The transports to try, best first (RFC 5928 s3).
    ///
    /// # Errors
    /// None is left, or the one demanded is not among them.
    pub(super) fn usable_transports(&self) -> Result<Vec<Transport>, DiscoveryError> {
        let fits = |transport: &Transport| match transport {
            Transport::Tls => self.is_secure || self.service == Service::Turn,
            Transport::Udp | Transport::Tcp => !self.is_secure,
        };
        let mut usable: Vec<Transport> = Vec::new();
        for transport in self.transports.iter().filter(|transport| fits(transport)) {
            if !usable.contains(transport) {
                usable.push(*transport);
            }
        }
        if let Some(demanded) = self.transport {
            usable.retain(|transport| *transport == demanded);
        }
        if usable.is_empty() { Err(DiscoveryError::UnsupportedTransport) } else { Ok(usable) }
    }

    /// The host, checked.
    pub(super) fn place(&self) -> Result<Place, DiscoveryError> {
        if self.port == Some(0) {
            return Err(DiscoveryError::InvalidPort);
        }
        match self.host.parse::<IpAddr>() {
            // RFC 8489 s8.1: nothing could be in the certificate to trust. RFC 5928 s3 has no such rule.
            Ok(_) if self.is_secure && self.service != Service::Turn => Err(DiscoveryError::SecureAddress),
            Ok(ip) => Ok(Place::Ip(ip)),
            Err(_) => valid_name(&self.host).map(Place::Name).ok_or(DiscoveryError::InvalidName),
        }
    }

    /// The name under which the DNS keeps the servers of one transport (RFC 2782). What runs over TLS is a
    /// service of its own.
    pub(super) fn srv_name(&self, transport: Transport, host: &str) -> String {
        let service = match self.service {
            Service::Stun => "stun",
            Service::Turn => "turn",
            Service::StunBehavior => "stun-behavior",
        };
        let (secure, protocol) = match transport {
            Transport::Udp => ("", "udp"),
            Transport::Tcp => ("", "tcp"),
            Transport::Tls => ("s", "tcp"),
        };
        format!("_{service}{secure}._{protocol}.{host}")
    }
}

/// The host of a configuration.
#[derive(Debug)]
pub(super) enum Place {
    Name(String),
    Ip(IpAddr),
}

/// 3478, or 5349 over TLS (RFC 8489 s8.1, RFC 8656 s3).
pub(super) const fn default_port(transport: Transport) -> u16 {
    match transport {
        Transport::Udp | Transport::Tcp => 3478,
        Transport::Tls => 5349,
    }
}

/// A name that a resolver may be asked for, without the dot at its end; `None` for the root, for what no host
/// is called (RFC 1123 s2.1, with the underscore of RFC 2782), and for what some resolver reads as an address
/// that nobody has looked at (RFC 3986 s7.4).
pub(super) fn valid_name(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(is_letter);
    let is_name =
        name.len() <= Discovery::MAX_NAME && name.split('.').all(is_label) && !ends_in_a_number(name);
    is_name.then(|| name.to_owned())
}

/// Why a discovery cannot be made of its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// The host is neither a name nor an address.
    InvalidName,
    /// The port is 0.
    InvalidPort,
    /// `stuns:` with an address: nothing could authenticate the server (RFC 8489 s8.1).
    SecureAddress,
    /// UDP inside TLS (RFC 5928 s3).
    SecureUdp,
    /// A transport that nobody knows (RFC 5928 s3).
    UnknownTransport,
    /// The host supports none of the transports that would do (RFC 5928 s3).
    UnsupportedTransport,
}

impl fmt::Display for DiscoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidName => "the host is neither a name nor an address",
            Self::InvalidPort => "the port is 0",
            Self::SecureAddress => "a stuns URI needs a name that the certificate can be checked for",
            Self::SecureUdp => "there is no UDP inside TLS",
            Self::UnknownTransport => "the transport is unknown",
            Self::UnsupportedTransport => "none of the supported transports will do",
        })
    }
}

impl core::error::Error for DiscoveryError {}
