//! What a discovery asks its host, what the host answers, and what comes of it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use super::servers::DiscoveredServer;

/// What a [`super::Discovery`] tells its host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiscoveryEvent {
    /// Ask the DNS, and pass on what it says with [`super::Discovery::answer`]. A host that cannot ask for
    /// that kind of record answers [`Answer::NotFound`].
    Resolve {
        /// Names the question.
        question: QuestionId,
        /// What to ask for, without a dot at its end.
        name: String,
        /// The kind of record.
        kind: QuestionKind,
    },
    /// The servers, in the order in which to try them; at least one, none twice. The last event.
    Servers(Vec<DiscoveredServer>),
    /// No server was found. The last event.
    Failed {
        /// Why.
        reason: DiscoveryFailure,
    },
}

impl fmt::Display for DiscoveryEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve { name, kind, .. } => write!(f, "resolve {kind} of {name}"),
            Self::Servers(servers) => write!(f, "{} servers", servers.len()),
            Self::Failed { reason } => reason.fmt(f),
        }
    }
}

/// Names a question of one discovery. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QuestionId(pub(super) u32);

impl QuestionId {
    /// From the number that [`QuestionId::as_u32`] gave, across a border such as a C ABI.
    #[must_use]
    pub const fn from_u32(number: u32) -> Self {
        Self(number)
    }

    /// As a number.
    #[must_use]
    pub const fn as_u32(self) -> u32 {
        self.0
    }
}

/// A kind of DNS record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QuestionKind {
    /// Which transports a domain offers relays over (RFC 3958, RFC 5928 s3). Asked for TURN alone.
    Naptr,
    /// Which hosts and ports serve (RFC 2782).
    Srv,
    /// The IPv4 addresses of a host.
    A,
    /// The IPv6 addresses of a host (RFC 3596).
    Aaaa,
}

impl fmt::Display for QuestionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Naptr => "NAPTR",
            Self::Srv => "SRV",
            Self::A => "A",
            Self::Aaaa => "AAAA",
        })
    }
}

/// What the DNS said. Records of another kind than was asked for count as none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// The addresses of a host; those of the family that was not asked for are ignored.
    Addresses(&'a [IpAddr]),
    /// SRV records, in any order.
    Services(&'a [SrvRecord<'a>]),
    /// NAPTR records, in any order.
    Naptr(&'a [NaptrRecord<'a>]),
    /// There is no such name, or it has no such record.
    NotFound,
    /// The resolver gave up, or said that the server had failed.
    Failed,
}

/// An SRV record (RFC 2782).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SrvRecord<'a> {
    /// Lower ones are tried first.
    pub priority: u16,
    /// The share of clients among records of equal priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host; `.` says that there is no such service.
    pub target: &'a str,
}

/// A NAPTR record (RFC 3403 s4.1), as S-NAPTR uses it (RFC 3958 s2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NaptrRecord<'a> {
    /// Lower ones are tried first.
    pub order: u16,
    /// The same among records of equal order.
    pub preference: u16,
    /// `s`: an SRV record is next; `a`: an address; empty: another NAPTR record.
    pub flags: &'a str,
    /// As in `RELAY:turn.udp`.
    pub services: &'a str,
    /// Empty in S-NAPTR; records with one are passed over.
    pub regexp: &'a str,
    /// The next name.
    pub replacement: &'a str,
}

/// The discovery waits for no answer to that question: it was answered already, has never been asked, or the
/// discovery has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownQuestion;

impl fmt::Display for UnknownQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody waits for an answer to that question")
    }
}

impl core::error::Error for UnknownQuestion {}

/// Why no server was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DiscoveryFailure {
    /// The DNS has no usable address of a server.
    NotFound,
    /// The domain says that it does not offer the service (RFC 2782, "Target").
    NotOffered,
    /// The resolver has failed, and nothing else led to a server.
    ResolverFailed,
    /// Time was up before any address was known.
    Timeout,
}

impl fmt::Display for DiscoveryFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "no server was found",
            Self::NotOffered => "the domain does not offer the service",
            Self::ResolverFailed => "the resolver has failed",
            Self::Timeout => "the resolver did not answer in time",
        })
    }
}
