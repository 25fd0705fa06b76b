//! Which peers may be reached through a relay.

use libstun::turn::{IpRange, IpRangeError, PeerPolicy, PeerRefusal};

use crate::pointer::structs;
use crate::status::{Misuse, stun_status_code::*};
use crate::types::stun_addr;

/// Which peers may be reached where no stun_peer_rule says anything. Unspecified, multicast and broadcast addresses
/// never are.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum stun_peer_policy_code {
    /// All but loopback and link-local addresses, which mean the relay's own machine and link (RFC 8656 s21.2.2).
    STUN_PEERS_DEFAULT = 0,
    /// Loopback addresses too: for tests on one machine.
    STUN_PEERS_LOOPBACK = 1,
    /// All.
    STUN_PEERS_ALL = 2,
}

/// A range of addresses of one family that may, or may not, be reached. Of several rules that contain an address the
/// last one decides. Ports are not looked at. An IPv6 address in which an IPv4 address is embedded needs both to be
/// allowed. Frozen.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_peer_rule {
    /// The first address.
    pub first: stun_addr,
    /// The last address; family 0 for a range of one.
    pub last: stun_addr,
    /// 1 to allow, 0 to deny.
    pub allows: u32,
    /// Set it to 0.
    pub reserved: u32,
}

/// A policy and the rules that go before it.
///
/// # Safety
/// `rules` must be readable for `count` rules.
pub(crate) unsafe fn policy(
    code: u32,
    rules: *const stun_peer_rule,
    count: usize,
) -> Result<PeerPolicy, Misuse> {
    let mut policy = match code {
        0 => PeerPolicy::default(),
        1 => PeerPolicy::with_loopback(),
        2 => PeerPolicy::allow_all(),
        _ => return Err(Misuse(STUN_E_INVALID, "peer_policy is no stun_peer_policy_code")),
    };
    // SAFETY: passed on from the caller.
    for rule in unsafe { structs(rules, count)? } {
        let range = rule.range()?;
        match rule.allows {
            0 => policy.deny(range),
            1 => policy.allow(range),
            _ => return Err(Misuse(STUN_E_INVALID, "allows in a rule is neither 0 nor 1")),
        }
    }
    Ok(policy)
}

/// Why an address may not be a peer, in C's words.
pub(crate) fn refusal_misuse(refusal: PeerRefusal) -> Misuse {
    Misuse(
        STUN_E_INVALID,
        match refusal {
            PeerRefusal::Unspecified => "the peer is an unspecified address",
            PeerRefusal::Loopback => "the peer is a loopback address of the relay, which peer_policy refuses",
            PeerRefusal::LinkLocal => {
                "the peer is an address on the link of the relay, which peer_policy refuses"
            }
            PeerRefusal::Multicast => "the peer is a multicast address",
            PeerRefusal::Broadcast => "the peer is the broadcast address",
            PeerRefusal::PortZero => "the peer has port 0",
            PeerRefusal::Denied => "one of your peer_rules denies the peer",
            PeerRefusal::OwnRelay => "the peer is the relayed address itself",
            _ => "the policy refuses the peer",
        },
    )
}

impl stun_peer_rule {
    fn range(&self) -> Result<IpRange, Misuse> {
        if self.reserved != 0 {
            return Err(Misuse(STUN_E_INVALID, "reserved in a rule is not 0"));
        }
        let first = self.first.to_required()?.ip();
        let last = self.last.to_optional()?.map_or(first, |last| last.ip());
        IpRange::new(first, last).map_err(|error| match error {
            IpRangeError::MixedFamilies => Misuse(STUN_E_INVALID, "the ends of a range are of two families"),
            _ => Misuse(STUN_E_INVALID, "a range ends before it begins"),
        })
    }
}
