//! NAT probes.

use core::time::Duration;

use libstun::nat::{LifetimeLimits, Patience, ProbeConfig, ProbeSocket, Properties, Property};

use super::{Credential, Schedule, at_most, credentials, duration};
use crate::address::{Endpoint, path};
use crate::error::{Refusal, invalid};

/// See `libstun::nat::ProbeConfig`.
#[derive(Clone, uniffi::Record)]
pub struct NatOptions {
    /// The server, best one of RFC 5780.
    pub server: Endpoint,
    /// What the socket is bound to.
    pub local: Endpoint,
    /// The host's number for it.
    pub socket_id: u32,
    /// A second socket on another port.
    pub second: Endpoint,
    /// The host's number for it.
    pub second_socket_id: u32,
    /// The host's IP address on the way to the server, if the sockets are bound to an unspecified one.
    pub own: Endpoint,
    /// Further, ordinary servers.
    pub servers: Vec<Endpoint>,
    /// What to find out: bits by `stun_nat_property`; 0 is all but the lifetime.
    pub properties: u32,
    /// Sign with these.
    pub credentials: Option<Credential>,
    /// When a request is sent again.
    pub retransmission: Schedule,
    /// End requests with FINGERPRINT.
    pub fingerprint: bool,
    /// When to report what is known; never is the core's own deadline.
    pub deadline: u64,
    /// Time between the starts of two requests.
    pub pacing: u64,
    /// The longest wait for the lifetime.
    pub lifetime_max: u64,
    /// How exact to be about it.
    pub lifetime_precision: u64,
    /// Time between two attempts where silence is measured.
    pub attempt_interval: u64,
    /// How long to wait for the answer to such an attempt.
    pub last_wait: u64,
    /// How often to try at most.
    pub max_attempts: u32,
    /// Bytes of PADDING.
    pub padding: u16,
}

impl NatOptions {
    pub(crate) fn read(self) -> Result<ProbeConfig, Refusal> {
        at_most(&self.servers, ProbeConfig::MAX_SERVERS, "further servers")?;
        let path = path(0, Endpoint::from(self.local.to_required()?), self.server)?;
        let own = self.own.to_optional()?.map(|own| own.ip());
        let socket = |local, socket_id| ProbeSocket { socket_id, address: own, ..ProbeSocket::new(local) };
        let mut config = ProbeConfig::new(path.local, path.remote);
        config.primary = socket(path.local, self.socket_id);
        config.second = self.second.to_optional()?.map(|second| socket(second, self.second_socket_id));
        config.servers = self.servers.into_iter().map(Endpoint::to_required).collect::<Result<_, _>>()?;
        config.properties = properties(self.properties)?;
        config.credentials = credentials(self.credentials)?;
        config.retransmission = self.retransmission.read()?;
        config.fingerprint = self.fingerprint;
        config.deadline = duration(self.deadline);
        config.pacing = Duration::from_nanos(self.pacing);
        config.lifetime = LifetimeLimits {
            max: Duration::from_nanos(self.lifetime_max),
            precision: Duration::from_nanos(self.lifetime_precision),
        };
        config.patience = Patience {
            interval: Duration::from_nanos(self.attempt_interval),
            last_wait: Duration::from_nanos(self.last_wait),
            max_attempts: self.max_attempts,
        };
        config.padding = self.padding;
        Ok(config)
    }
}

fn properties(bits: u32) -> Result<Properties, Refusal> {
    if bits == 0 {
        return Ok(Properties::QUICK);
    }
    let known = Property::ALL.len();
    if bits.checked_shr(u32::try_from(known).unwrap_or(u32::MAX)).unwrap_or(0) != 0 {
        return Err(invalid("there is no such property of a NAT"));
    }
    let asked = Property::ALL.into_iter().enumerate().filter(|(place, _)| bits >> place & 1 == 1);
    Ok(asked.fold(Properties::NONE, |all, (_, property)| all.with(property)))
}
