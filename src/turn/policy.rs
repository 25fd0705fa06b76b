//! Which peers may be reached through a relay. Every peer address goes through here, and nowhere else.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::net::canonical;

/// Which peers may be reached through a relay: the one place that every peer address passes, whether the
/// host names it (permit, bind, send, connect) or the server reports it.
///
/// A server has rules of its own (RFC 8656 s21.2.2); these are the client's, for applications that take
/// addresses from strangers. In this order:
///
/// 1. What is no single host is never a peer: unspecified (0.0.0.0/8, `::`), multicast and broadcast
///    addresses, and port 0.
/// 2. The host's rules, [`PeerPolicy::allow`] and [`PeerPolicy::deny`]. The one added *last* among those that
///    contain the address decides.
/// 3. Where no rule says anything, loopback and link-local addresses are refused, and all else is allowed.
///    Both mean the relay's own machine or link, not the client's: 127.0.0.1 is the relay's local
///    services, 169.254.169.254 its cloud's, and fe80::/10 lacks the zone that makes it an address (RFC 4007
///    s6), which no attribute can carry.
///
/// Private addresses are allowed: a relay inside an organisation reaches peers inside it. Deny them where that
/// is not wanted.
///
/// An IPv6 address in which an IPv4 address is embedded needs both to be allowed, so that no notation gets
/// around a rule: IPv4-mapped, which counts as the IPv4 address itself, IPv4-compatible (RFC 4291 s2.5.5),
/// IPv4-translated (RFC 7915), 6to4 (RFC 3056 s2), Teredo (RFC 4380 s4), NAT64 with its well-known (RFC 6052
/// s2.1) and its local prefix (RFC 8215), and ISATAP (RFC 5214 s6.1).
///
/// ```
/// use libstun::turn::{IpRange, PeerPolicy, PeerRefusal};
/// let mut policy = PeerPolicy::default();
/// policy.deny(IpRange::prefix("10.0.0.0".parse()?, 8)?);
/// policy.allow(IpRange::new("10.1.0.1".parse()?, "10.1.0.9".parse()?)?);
/// assert_eq!(policy.check("10.2.0.1:9".parse()?), Err(PeerRefusal::Denied));
/// assert_eq!(policy.check("[::ffff:10.1.0.7]:9".parse()?), Ok("10.1.0.7:9".parse()?));
/// assert_eq!(policy.check("[64:ff9b::7f00:1]:9".parse()?), Err(PeerRefusal::Loopback));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerPolicy {
    rules: Vec<Rule>,
}

/// Addresses of one family from a first to a last one, both included, in numeric order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IpRange {
    first: IpAddr,
    last: IpAddr,
}

/// Why two addresses, or an address and a length, are not a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IpRangeError {
    /// One end is IPv4, the other IPv6.
    MixedFamilies,
    /// The last address is before the first.
    Reversed,
    /// The prefix is longer than an address.
    PrefixTooLong {
        /// The longest of that family: 32 or 128 bits.
        max: u8,
    },
    /// The address has bits behind the prefix, as in `10.0.0.1/8`: one address, or many?
    HostBits,
}

/// Why an address may not be a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerRefusal {
    /// `::`, or in 0.0.0.0/8.
    Unspecified,
    /// The relay's own machine: 127.0.0.0/8 or `::1`.
    Loopback,
    /// 169.254.0.0/16 or fe80::/10: it means something only on the relay's link.
    LinkLocal,
    /// A group, not a host.
    Multicast,
    /// 255.255.255.255.
    Broadcast,
    /// Port 0, where a port matters.
    PortZero,
    /// A rule of the host's.
    Denied,
    /// The client's own relayed transport address: the relay would send to itself (RFC 8656 s21.1.7).
    OwnRelay,
}

impl PeerPolicy {
    /// Allows whatever can be a single host, loopback and link-local addresses too. For tests on one machine,
    /// and for relays whose own rules are trusted.
    #[must_use]
    pub fn allow_all() -> Self {
        let mut policy = Self::default();
        policy.allow(IpRange::ALL_V4);
        policy.allow(IpRange::ALL_V6);
        policy
    }

    /// The default, with loopback allowed. For tests on one machine.
    #[must_use]
    pub fn with_loopback() -> Self {
        let mut policy = Self::default();
        policy.allow(IpRange::LOOPBACK_V4);
        policy.allow(IpRange::LOOPBACK_V6);
        policy
    }

    /// Allows a range, whatever earlier rules say of it.
    pub fn allow(&mut self, range: IpRange) {
        self.rules.push(Rule { range, allows: true });
    }

    /// Refuses a range, whatever earlier rules say of it.
    pub fn deny(&mut self, range: IpRange) {
        self.rules.push(Rule { range, allows: false });
    }

    /// Checks a peer, and returns the form of its address that tables use: IPv4-mapped addresses as IPv4,
    /// without flow label and zone. Costs one comparison a rule, and allocates nothing.
    ///
    /// # Errors
    /// The address may not be a peer.
    pub fn check(&self, peer: SocketAddr) -> Result<SocketAddr, PeerRefusal> {
        let ip = self.check_ip(peer.ip())?;
        if peer.port() == 0 { Err(PeerRefusal::PortZero) } else { Ok(SocketAddr::new(ip, peer.port())) }
    }

    /// Checks a peer as [`PeerPolicy::check`] does, and that it is none of the client's own relayed transport
    /// addresses: what is sent there comes back to be sent again (RFC 8656 s21.1.7).
    ///
    /// # Errors
    /// The address may not be a peer.
    pub fn check_beyond(&self, relayed: &[SocketAddr], peer: SocketAddr) -> Result<SocketAddr, PeerRefusal> {
        let peer = self.check(peer)?;
        let is_it = |relayed: &SocketAddr| plain(*relayed) == peer;
        if relayed.iter().any(is_it) { Err(PeerRefusal::OwnRelay) } else { Ok(peer) }
    }

    /// Checks the IP of a peer, for permissions, which have no port (RFC 8656 s9). An IPv4-mapped address
    /// comes back as IPv4.
    ///
    /// # Errors
    /// The address may not be a peer.
    pub fn check_ip(&self, ip: IpAddr) -> Result<IpAddr, PeerRefusal> {
        let ip = ip.to_canonical();
        self.judge(ip)?;
        if let IpAddr::V6(ip) = ip {
            embedded(ip).into_iter().flatten().try_for_each(|inner| self.judge(inner.into()))?;
        }
        Ok(ip)
    }

    /// The verdict about one notation of an address.
    fn judge(&self, ip: IpAddr) -> Result<(), PeerRefusal> {
        if let Some(refusal) = no_single_host(ip) {
            return Err(refusal);
        }
        match self.rules.iter().rev().find(|rule| rule.range.contains(ip)) {
            Some(rule) if rule.allows => Ok(()),
            Some(_) => Err(PeerRefusal::Denied),
            None if ip.is_loopback() => Err(PeerRefusal::Loopback),
            None if is_link_local(ip) => Err(PeerRefusal::LinkLocal),
            None => Ok(()),
        }
    }
}

impl IpRange {
    const ALL_V4: Self = Self::v4([0; 4], [255; 4]);
    const ALL_V6: Self = Self::v6(0, u128::MAX);
    const LOOPBACK_V4: Self = Self::v4([127, 0, 0, 0], [127, 255, 255, 255]);
    const LOOPBACK_V6: Self = Self::v6(1, 1);

    /// From `first` to `last`, both included. IPv4-mapped ends count as IPv4.
    ///
    /// # Errors
    /// The ends are of two families, or in the wrong order.
    pub fn new(first: IpAddr, last: IpAddr) -> Result<Self, IpRangeError> {
        let (first, last) = (first.to_canonical(), last.to_canonical());
        if first.is_ipv4() != last.is_ipv4() {
            return Err(IpRangeError::MixedFamilies);
        }
        if last < first { Err(IpRangeError::Reversed) } else { Ok(Self { first, last }) }
    }

    /// Every address that begins with the first `length` bits of `ip`.
    ///
    /// # Errors
    /// The prefix is longer than an address, or the address has bits behind it; a prefix of IPv6 that begins
    /// inside the IPv4-mapped addresses and ends outside is of [`IpRangeError::MixedFamilies`].
    pub fn prefix(ip: IpAddr, length: u8) -> Result<Self, IpRangeError> {
        let max: u8 = if ip.is_ipv4() { 32 } else { 128 };
        let host_bits = max.checked_sub(length).ok_or(IpRangeError::PrefixTooLong { max })?;
        let host = u128::MAX.checked_shr(128_u32.saturating_sub(host_bits.into())).unwrap_or(0);
        let (bits, last) = match ip {
            IpAddr::V4(v4) => {
                (u128::from(v4.to_bits()), IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() | host as u32)))
            }
            IpAddr::V6(v6) => (v6.to_bits(), IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() | host))),
        };
        if bits & host != 0 { Err(IpRangeError::HostBits) } else { Self::new(ip, last) }
    }

    /// The first address.
    #[must_use]
    pub const fn first(&self) -> IpAddr {
        self.first
    }

    /// The last address.
    #[must_use]
    pub const fn last(&self) -> IpAddr {
        self.last
    }

    /// Whether an address is in the range; an IPv4-mapped one counts as IPv4.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        ip.is_ipv4() == self.first.is_ipv4() && self.first <= ip && ip <= self.last
    }

    const fn v4([a, b, c, d]: [u8; 4], [w, x, y, z]: [u8; 4]) -> Self {
        Self { first: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), last: IpAddr::V4(Ipv4Addr::new(w, x, y, z)) }
    }

    const fn v6(first: u128, last: u128) -> Self {
        Self { first: IpAddr::V6(Ipv6Addr::from_bits(first)), last: IpAddr::V6(Ipv6Addr::from_bits(last)) }
    }
}

impl core::fmt::Display for IpRangeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::MixedFamilies => f.write_str("one end is IPv4, the other IPv6"),
            Self::Reversed => f.write_str("the last address is before the first"),
            Self::PrefixTooLong { max } => write!(f, "a prefix has at most {max} bits"),
            Self::HostBits => f.write_str("the address has bits behind its prefix"),
        }
    }
}

impl core::error::Error for IpRangeError {}

impl core::fmt::Display for PeerRefusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "the peer is an unspecified address",
            Self::Loopback => "the peer is a loopback address of the relay",
            Self::LinkLocal => "the peer is an address on the link of the relay",
            Self::Multicast => "the peer is a multicast address",
            Self::Broadcast => "the peer is the broadcast address",
            Self::PortZero => "the peer has port 0",
            Self::Denied => "a rule of the host denies the peer",
            Self::OwnRelay => "the peer is the client's own relayed address",
        })
    }
}

impl core::error::Error for PeerRefusal {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rule {
    range: IpRange,
    allows: bool,
}

/// The address without flow label and zone, an IPv4-mapped one as IPv4.
fn plain(address: SocketAddr) -> SocketAddr {
    let address = canonical(address);
    SocketAddr::new(address.ip(), address.port())
}

/// Why no single host has that address.
fn no_single_host(ip: IpAddr) -> Option<PeerRefusal> {
    match ip {
        // "This network": many systems take any of 0.0.0.0/8 for the machine itself (RFC 1122 s3.2.1.3).
        IpAddr::V4(v4) if v4.to_bits() >> 24 == 0 => Some(PeerRefusal::Unspecified),
        IpAddr::V4(v4) if v4.is_broadcast() => Some(PeerRefusal::Broadcast),
        _ if ip.is_unspecified() => Some(PeerRefusal::Unspecified),
        _ if ip.is_multicast() => Some(PeerRefusal::Multicast),
        _ => None,
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// The IPv4 addresses that an IPv6 address carries within it. IPv4-mapped ones are IPv4 before they come here.
fn embedded(ip: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let bits = ip.to_bits();
    let at = |shift: u32| Some(Ipv4Addr::from_bits((bits >> shift) as u32));
    let begins = |prefix: u128, length: u32| (bits ^ prefix) >> 128_u32.saturating_sub(length) == 0;
    if ip.is_loopback() || ip.is_unspecified() {
        return [None; 2]; // inside ::/96, and addresses of their own (RFC 4291 s2.5.2, s2.5.3)
    }
    if begins(IPV4_COMPATIBLE, 96) || begins(IPV4_TRANSLATED, 96) || begins(NAT64_WELL_KNOWN, 96) {
        return [at(0), None];
    }
    if begins(NAT64_LOCAL, 48) {
        // Whoever runs the translator chooses a prefix in it. After one of 96 bits the address is last, after
        // one of 48 bits it is split around the eighth byte (RFC 6052 s2.2). Where one place is zero, it is
        // the other.
        let (last, split) = (bits as u32, ((bits >> 64) as u32) << 16 | u32::from((bits >> 40) as u16));
        let is_there = |place: &u32| *place != 0;
        return [
            Some(last).filter(|last| is_there(last) || split == 0).map(Ipv4Addr::from_bits),
            Some(split).filter(is_there).map(Ipv4Addr::from_bits),
        ];
    }
    if begins(SIX_TO_FOUR, 16) {
        return [at(80), isatap(bits)];
    }
    if begins(TEREDO, 32) {
        return [at(64), Some(Ipv4Addr::from_bits(!(bits as u32)))]; // server, and client inverted
    }
    [isatap(bits), None]
}

/// The IPv4 address in an interface identifier of ISATAP: 0000:5efe or 0200:5efe before it (RFC 5214 s6.1).
fn isatap(bits: u128) -> Option<Ipv4Addr> {
    let is_isatap = (bits >> 32) as u32 & !0x0200_0000 == 0x0000_5EFE;
    is_isatap.then(|| Ipv4Addr::from_bits(bits as u32))
}

const IPV4_COMPATIBLE: u128 = 0;
const IPV4_TRANSLATED: u128 = 0xFFFF_0000 << 32;
const NAT64_WELL_KNOWN: u128 = 0x0064_FF9B << 96;
const NAT64_LOCAL: u128 = 0x0064_FF9B_0001 << 80;
const SIX_TO_FOUR: u128 = 0x2002 << 112;
const TEREDO: u128 = 0x2001_0000 << 96;

#[cfg(test)]
mod tests;
