//! What a host decides about its server.

use core::net::SocketAddr;

use super::behavior::BehaviorDiscovery;
use super::budget::Budget;
use crate::auth::{Realm, ShortTerm};

/// How a [`Server`](super::Server) answers. The fields are public: change what you need before you pass it on.
///
/// ```
/// use libstun::auth::Realm;
/// use libstun::stun::ServerConfig;
/// let mut realm = Realm::new(b"example.test")?;
/// realm.add_user(b"alice", b"s3cret")?;
/// let config = ServerConfig { credentials: Some(realm.into()), ..ServerConfig::default() };
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Answers only what arrives at this address (an unspecified IP is any, port 0 is any); `None` answers
    /// everything. Not looked at where [`behavior`](Self::behavior) names the addresses.
    pub local: Option<SocketAddr>,
    /// Answers only requests that are signed, and signs its answers (RFC 8489 s9.1.3, s9.2.4).
    pub credentials: Option<ServerCredentials>,
    /// Lets clients find out how their NAT behaves (RFC 5780 s6). It needs sockets of its own.
    pub behavior: Option<BehaviorDiscovery>,
    /// Answers clients of RFC 3489 too: Binding requests without the magic cookie (RFC 8489 s11). They cannot
    /// authenticate, so that it means nothing beside credentials.
    pub answers_rfc3489: bool,
    /// What strangers may be sent over UDP; `None` is no limit, and no [`ServerEvent`](super::ServerEvent).
    pub budget: Option<Budget>,
}

impl Default for ServerConfig {
    /// Answers everybody everywhere, within the default budget.
    fn default() -> Self {
        Self {
            local: None,
            credentials: None,
            behavior: None,
            answers_rfc3489: false,
            budget: Some(Budget::default()),
        }
    }
}

/// Whose requests a server answers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ServerCredentials {
    /// Whoever knows this one credential (RFC 8489 s9.1).
    ShortTerm(ShortTerm),
    /// The users of a realm (RFC 8489 s9.2).
    LongTerm(Realm),
}

impl From<ShortTerm> for ServerCredentials {
    fn from(credential: ShortTerm) -> Self {
        Self::ShortTerm(credential)
    }
}

impl From<Realm> for ServerCredentials {
    fn from(realm: Realm) -> Self {
        Self::LongTerm(realm)
    }
}
