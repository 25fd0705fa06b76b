//! What a TURN server is told, and the ways in which it can be made to go wrong.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use libstun::wire::Method;
use libstun::wire::attribute::AttributeType;

/// How a TURN server behaves. The default is an RFC 8656 server with one user and both families, that knows
/// neither TCP allocations nor mobility.
#[derive(Clone, Debug)]
pub struct TurnServerConfig {
    /// Equal seeds give equal nonces, ports, tokens and tickets.
    pub seed: [u8; 32],
    /// Its realm.
    pub realm: String,
    /// Names and passwords. Without any, nothing is authenticated.
    pub users: Vec<(String, String)>,
    /// Whether it offers SHA-256 and MD5 in PASSWORD-ALGORITHMS (RFC 8489 s9.2.4).
    pub has_password_algorithms: bool,
    /// Whether it takes USERHASH (RFC 8489 s9.2.4).
    pub has_username_anonymity: bool,
    /// After that time a nonce is answered with 438.
    pub nonce_lifetime: Duration,
    /// Whether a 438 has integrity, which it may have (RFC 8489 s9.2.4).
    pub signs_stale_nonces: bool,
    /// Whether a nonce is good only for the address that it was given to (RFC 8489 s9.2.4 allows more).
    pub binds_nonces_to_clients: bool,
    /// Codes of errors that are sent without integrity although the request had it, as some servers do.
    /// 400 and 401 of the authentication itself never have it.
    pub unsigned_codes: Vec<u16>,
    /// Whether responses and indications end with FINGERPRINT.
    pub has_fingerprint: bool,
    /// Where it relays IPv4; without it IPv4 is refused with 440.
    pub relay_v4: Option<Ipv4Addr>,
    /// Where it relays IPv6; without it IPv6 is refused with 440.
    pub relay_v6: Option<Ipv6Addr>,
    /// The ports of its relayed addresses.
    pub ports: RangeInclusive<u16>,
    /// The least lifetime of an allocation (RFC 8656 s3.2).
    pub default_lifetime: Duration,
    /// The greatest (RFC 8656 s7.2).
    pub max_lifetime: Duration,
    /// RFC 8656 s9: 5 minutes.
    pub permission_lifetime: Duration,
    /// RFC 8656 s12: 10 minutes.
    pub channel_lifetime: Duration,
    /// For so long after its end nobody may bind a channel's number or peer otherwise (RFC 8656 s12): 5 minutes.
    pub channel_cooldown: Duration,
    /// A user's allocations; one more is refused with 486.
    pub quota: Option<usize>,
    /// Everybody's allocations; one more is refused with 508.
    pub capacity: Option<usize>,
    /// Permissions and channels of one allocation; one more is refused with 508.
    pub permission_capacity: Option<usize>,
    /// Peers that are refused with 403, whatever their port.
    pub denied_peers: Vec<IpAddr>,
    /// Every Allocate request is answered with 300 and this address.
    pub redirect: Option<SocketAddr>,
    /// Attributes that it does not understand: 420, or none of its business if they are optional.
    pub unknown_attributes: Vec<AttributeType>,
    /// TCP allocations (RFC 6062); without them 442.
    pub has_tcp: bool,
    /// Peers that refuse connections: 447.
    pub refusing_peers: Vec<SocketAddr>,
    /// Mobility (RFC 8016).
    pub mobility: Mobility,
}

/// What a server makes of MOBILITY-TICKET (RFC 8016).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mobility {
    /// It does not know the attribute.
    Unknown,
    /// 405.
    Forbidden,
    /// It gives tickets and takes them.
    Allowed,
}

/// What goes wrong with one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request is lost: no effect, no answer. Before authentication.
    LoseRequest,
    /// The request has its effect, the response is lost. Challenges too.
    LoseResponse,
    /// An unsigned error at once, before authentication: to requests with and without integrity.
    UnsignedError(u16),
    /// An error instead of the effect, after authentication and signed. 401 and 438 have REALM and NONCE.
    Error(u16),
    /// An error response without ERROR-CODE, after authentication and signed.
    ErrorWithoutCode,
    /// The response lacks every attribute of that type.
    Omit(AttributeType),
    /// The success says another lifetime; the allocation keeps its own.
    Lifetime(Duration),
    /// The success says another relayed address, such as one of the wrong family.
    Relayed(SocketAddr),
    /// The success says another mapped address.
    Mapped(SocketAddr),
    /// The response is signed with the key of another password.
    WrongKey,
    /// The response has no integrity.
    Unsigned,
    /// The response arrives twice.
    Duplicate,
}

/// A fault that waits for its requests.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) method: Option<Method>,
    pub(super) fault: Fault,
    pub(super) times: u32,
}

impl Fault {
    /// Whether it strikes before anybody looks at the credentials.
    pub(super) const fn is_early(&self) -> bool {
        matches!(self, Self::LoseRequest | Self::UnsignedError(_))
    }

    /// Whether it strikes any response, and not only those that come after authentication.
    pub(super) const fn strikes_challenges(&self) -> bool {
        matches!(self, Self::LoseResponse | Self::Duplicate)
    }
}

impl Default for TurnServerConfig {
    fn default() -> Self {
        Self {
            seed: [7; 32],
            realm: "example.org".to_owned(),
            users: vec![("alice".to_owned(), "s3cret".to_owned())],
            has_password_algorithms: false,
            has_username_anonymity: false,
            nonce_lifetime: Duration::from_secs(600),
            signs_stale_nonces: false,
            binds_nonces_to_clients: false,
            unsigned_codes: Vec::new(),
            has_fingerprint: false,
            relay_v4: Some(Ipv4Addr::new(198, 51, 100, 1)),
            relay_v6: Some(Ipv6Addr::new(0x2001, 0xDB8, 0x51, 0, 0, 0, 0, 1)),
            ports: 49_152..=65_535,
            default_lifetime: Duration::from_secs(600),
            max_lifetime: Duration::from_secs(3600),
            permission_lifetime: Duration::from_secs(300),
            channel_lifetime: Duration::from_secs(600),
            channel_cooldown: Duration::from_secs(300),
            quota: None,
            capacity: None,
            permission_capacity: None,
            denied_peers: Vec::new(),
            redirect: None,
            unknown_attributes: Vec::new(),
            has_tcp: false,
            refusing_peers: Vec::new(),
            mobility: Mobility::Unknown,
        }
    }
}
