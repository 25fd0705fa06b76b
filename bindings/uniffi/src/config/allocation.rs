//! Allocations.

use libstun::turn::{AllocationConfig, IpRange, PeerPolicy, RelayPort, RelayTransport};
use libstun_flat::codes::{keepalive_kind, peer_policy, redirect_policy, relay_family, relay_port};

use super::{Credential, Schedule, Waits, at_most, credentials, duration, instant};
use crate::address::{Endpoint, path};
use crate::error::{Refusal, invalid};

/// A range of addresses of one family that may, or may not, be reached. Of several that match the last decides.
#[derive(Clone, uniffi::Record)]
pub struct PeerRule {
    /// Its first address; ports mean nothing.
    pub first: Endpoint,
    /// Its last, or all zeros for a range of one.
    pub last: Endpoint,
    /// Whether it may be reached.
    pub allows: bool,
}

/// See `libstun::turn::AllocationConfig`.
#[derive(Clone, uniffi::Record)]
pub struct AllocationOptions {
    /// The server.
    pub server: Endpoint,
    /// What the socket is bound to, if that matters.
    pub local: Endpoint,
    /// `stun_transport_code`, between the host and the server.
    pub transport: u32,
    /// The host's number for the socket.
    pub socket_id: u32,
    /// Whom the server shall know.
    pub credentials: Option<Credential>,
    /// When they expire, or never.
    pub credentials_expire: u64,
    /// `stun_relay_family`: 0 IPv4, 1 IPv6, 2 both.
    pub family: u32,
    /// `stun_relay_port`: 0 any, 1 even, 2 even and the next one reserved.
    pub port: u32,
    /// The token of a reserved port: 8 bytes, or empty.
    pub reservation: Vec<u8>,
    /// Ask for the DF bit.
    pub dont_fragment: bool,
    /// The time-to-expiry to ask for, or never to leave it to the server.
    pub lifetime: u64,
    /// Ask for a ticket to move with (RFC 8016).
    pub mobility: bool,
    /// Send something at least that often, or never.
    pub keepalive: u64,
    /// 0 an indication, 1 a request.
    pub keepalive_kind: u32,
    /// 0 the default, 1 loopback too, 2 everything.
    pub peer_policy: u32,
    /// Rules that go before the policy.
    pub peer_rules: Vec<PeerRule>,
    /// `stun_redirect_code`.
    pub redirects: u32,
    /// End requests with FINGERPRINT.
    pub fingerprint: bool,
    /// When a request is sent again.
    pub retransmission: Schedule,
    /// How long to wait after failures.
    pub backoff: Waits,
}

impl AllocationOptions {
    pub(crate) fn read(self) -> Result<AllocationConfig, Refusal> {
        let path = path(self.transport, self.local, self.server)?;
        Ok(AllocationConfig {
            socket_id: self.socket_id,
            credentials_expire: instant(self.credentials_expire),
            family: relay_family(self.family)?,
            transport: RelayTransport::Udp,
            port: wish(self.port, &self.reservation)?,
            dont_fragment: self.dont_fragment,
            lifetime: duration(self.lifetime),
            mobility: self.mobility,
            keepalive: duration(self.keepalive),
            keepalive_kind: keepalive_kind(self.keepalive_kind)?,
            peers: policy(self.peer_policy, &self.peer_rules)?,
            backoff: self.backoff.read(),
            redirects: redirect_policy(self.redirects)?,
            fingerprint: self.fingerprint,
            retransmission: self.retransmission.read()?,
            credentials: credentials(self.credentials)?,
            ..AllocationConfig::open(path)
        })
    }
}

fn wish(code: u32, reservation: &[u8]) -> Result<RelayPort, Refusal> {
    let token = match reservation {
        [] => None,
        bytes => Some(bytes.try_into().map_err(|_| invalid("a token has 8 bytes"))?),
    };
    match (relay_port(code, token.unwrap_or_default())?, token) {
        (RelayPort::Any, Some(token)) => Ok(RelayPort::Reserved(token)),
        (RelayPort::Reserved(_), None) => Err(invalid("a reserved port needs its token")),
        (RelayPort::Even | RelayPort::EvenReservingNext, Some(_)) => {
            Err(invalid("a reservation stands for a port, so none can be wished for"))
        }
        (port, _) => Ok(port),
    }
}

fn policy(code: u32, rules: &[PeerRule]) -> Result<PeerPolicy, Refusal> {
    at_most(rules, MAX_PEER_RULES, "rules")?;
    let mut policy = peer_policy(code)?;
    for rule in rules {
        let first = rule.first.to_host()?;
        let last = rule.last.to_optional()?.map_or(first, |last| last.ip());
        let range = IpRange::new(first, last).map_err(invalid)?;
        if rule.allows { policy.allow(range) } else { policy.deny(range) }
    }
    Ok(policy)
}

/// More than any policy has.
const MAX_PEER_RULES: usize = 1 << 16;
