//! Servers and the users of their realms.

use libstun::auth::{Realm, SecurityFeatures};
use libstun::stun::{BehaviorDiscovery, Budget, ServerConfig, ServerCredentials};

use super::{Credential, duration, prepared};
use crate::address::Endpoint;
use crate::error::{Refusal, invalid};
use crate::secret::Secret;

/// See `libstun::stun::ServerConfig`.
#[derive(Clone, uniffi::Record)]
pub struct ServerOptions {
    /// Answer only what arrives here.
    pub local: Endpoint,
    /// Answer only requests signed with this short-term one.
    pub credentials: Option<Credential>,
    /// Answer only users of this realm; empty for none.
    pub realm: String,
    /// The realm's users.
    pub users: Vec<User>,
    /// How long a nonce is good for; never is the default.
    pub nonce_lifetime: u64,
    /// Offer SHA-256 beside MD5.
    pub password_algorithms: bool,
    /// Take USERHASH in place of a username.
    pub username_anonymity: bool,
    /// Answer clients of RFC 3489 too.
    pub answers_rfc3489: bool,
    /// Keep networks that have proved nothing to a budget.
    pub budget: bool,
    /// Bytes sent for a hundred received; 0 is no limit.
    pub amplification_percent: u32,
    /// Bytes of errors in a second.
    pub error_bytes_per_second: u32,
    /// Bytes of errors at once.
    pub error_burst: u32,
    /// Serve behaviour discovery with the one address.
    pub behavior_single: bool,
    /// Serve behaviour discovery: the other IP address and the other port.
    pub alternate: Endpoint,
    /// The two IP addresses as clients see them: none, or two.
    pub public_hosts: Vec<Endpoint>,
    /// The four sockets of behaviour discovery: none, or four.
    pub socket_ids: Vec<u32>,
}

/// A user of a realm.
#[derive(Clone, uniffi::Record)]
pub struct User {
    /// In UTF-8, prepared here (RFC 8265 s4.2).
    pub name: String,
    /// The same.
    pub password: Secret,
}

impl User {
    /// With name and password prepared.
    ///
    /// # Errors
    /// One of them is none.
    pub(crate) fn prepare(&self) -> Result<Self, Refusal> {
        Ok(Self { name: prepared(&self.name)?, password: self.password.prepared()? })
    }

    /// Adds one that is prepared, or changes its password.
    pub(crate) fn add_to(&self, realm: &mut Realm) -> Result<(), Refusal> {
        realm.add_user(self.name.as_bytes(), self.password.as_bytes()).map_err(invalid)
    }
}

impl ServerOptions {
    pub(crate) fn read(self) -> Result<ServerConfig, Refusal> {
        let (local, behavior, budget) = (self.local.to_optional()?, self.behavior()?, self.read_budget());
        let answers_rfc3489 = self.answers_rfc3489;
        let credentials = self.server_credentials()?;
        if answers_rfc3489 && credentials.is_some() {
            return Err(invalid("clients of RFC 3489 cannot authenticate"));
        }
        Ok(ServerConfig { local, credentials, behavior, answers_rfc3489, budget })
    }

    fn server_credentials(self) -> Result<Option<ServerCredentials>, Refusal> {
        if self.realm.is_empty() {
            return match (self.users.is_empty(), self.credentials) {
                (true, None) => Ok(None),
                (true, Some(given)) if !given.is_long_term => given.short_term().map(|one| Some(one.into())),
                (true, Some(_)) => Err(invalid("long-term credentials need a realm and its users")),
                (false, _) => Err(invalid("users need a realm")),
            };
        }
        if self.credentials.is_some() {
            return Err(invalid("a server has a short-term credential or a realm"));
        }
        let features = SecurityFeatures {
            password_algorithms: self.password_algorithms,
            username_anonymity: self.username_anonymity,
        };
        let mut realm = Realm::new(self.realm.as_bytes()).map_err(invalid)?.offering(features);
        if let Some(lifetime) = duration(self.nonce_lifetime) {
            realm = realm.with_nonce_lifetime(lifetime);
        }
        for user in self.users {
            user.prepare()?.add_to(&mut realm)?;
        }
        Ok(Some(realm.into()))
    }

    fn behavior(&self) -> Result<Option<BehaviorDiscovery>, Refusal> {
        let sockets: [u32; 4] = match self.socket_ids.as_slice() {
            [] => [0; 4],
            ids => ids.try_into().map_err(|_| invalid("behaviour discovery has four sockets"))?,
        };
        let [first, ..] = sockets;
        let behavior = match (self.local.to_optional()?, self.alternate.to_optional()?, self.behavior_single)
        {
            (_, None, false) => None,
            (Some(local), None, true) => Some(BehaviorDiscovery::single(local, first)),
            (Some(local), Some(other), false) => {
                Some(BehaviorDiscovery::new([local.ip(), other.ip()], [local.port(), other.port()], sockets))
            }
            _ => return Err(invalid(UNREACHABLE)),
        };
        let behavior = behavior.transpose().map_err(|_| invalid(UNREACHABLE))?;
        match (behavior, self.public_hosts.as_slice()) {
            (behavior, []) => Ok(behavior),
            (Some(behavior), [one, other]) => Ok(Some(behavior.known_as([one.to_host()?, other.to_host()?]))),
            _ => Err(invalid(UNREACHABLE)),
        }
    }

    fn read_budget(&self) -> Option<Budget> {
        let percent = self.amplification_percent;
        self.budget.then_some(Budget {
            amplification_limit_percent: (percent > 0).then_some(percent),
            error_bytes_per_second: self.error_bytes_per_second,
            error_burst: self.error_burst,
        })
    }
}

const UNREACHABLE: &str = "behaviour discovery needs one local address, or two IP addresses and two ports of one family that clients can reach";
