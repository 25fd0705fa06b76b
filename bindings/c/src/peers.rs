//! Which peers may be reached through a relay.

use libstun::turn::{IpRange, PeerPolicy};
use libstun_flat::codes::peer_policy;

use crate::pointer::structs;
use crate::status::{Misuse, stun_status_code::*};
use crate::types::stun_addr;

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
    let mut policy = peer_policy(code)?;
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

impl stun_peer_rule {
    fn range(&self) -> Result<IpRange, Misuse> {
        if self.reserved != 0 {
            return Err(Misuse(STUN_E_INVALID, "reserved in a rule is not 0"));
        }
        let first = self.first.to_required()?.ip();
        let last = self.last.to_optional()?.map_or(first, |last| last.ip());
        Ok(IpRange::new(first, last)?)
    }
}
