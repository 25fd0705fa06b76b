//! The peers that a host wants, whichever relay is selected.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::RelayPool;

/// Permissions and channels that are wanted, each sorted: found in O(log n), and asked for in the same order by every
/// run (C8).
#[derive(Debug, Default)]
pub(super) struct Wishes {
    permissions: Vec<IpAddr>,
    channels: Vec<SocketAddr>,
}

/// The list is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Wishes {
    pub(super) fn is_empty(&self) -> bool {
        self.permissions.is_empty() && self.channels.is_empty()
    }

    /// Wants a permission; says whether that is new.
    pub(super) fn permit(&mut self, peer: IpAddr) -> Result<bool, Full> {
        add(&mut self.permissions, peer)
    }

    /// Wants a channel; says whether that is new.
    pub(super) fn bind(&mut self, peer: SocketAddr) -> Result<bool, Full> {
        add(&mut self.channels, peer)
    }

    /// Wants a permission no longer; says whether it did.
    pub(super) fn revoke(&mut self, peer: &IpAddr) -> bool {
        remove(&mut self.permissions, peer)
    }

    /// Wants a channel no longer; says whether it did.
    pub(super) fn release(&mut self, peer: &SocketAddr) -> bool {
        remove(&mut self.channels, peer)
    }

    pub(super) fn permissions(&self) -> &[IpAddr] {
        &self.permissions
    }

    pub(super) fn channels(&self) -> &[SocketAddr] {
        &self.channels
    }

    /// Whether a peer of IPv4, and whether one of IPv6 is wanted. Addresses sort IPv4 first.
    pub(super) fn families(&self) -> (bool, bool) {
        let permissions = (self.permissions.first(), self.permissions.last());
        let channels = (self.channels.first(), self.channels.last());
        let is_ipv4 =
            permissions.0.is_some_and(IpAddr::is_ipv4) || channels.0.is_some_and(SocketAddr::is_ipv4);
        let is_ipv6 =
            permissions.1.is_some_and(IpAddr::is_ipv6) || channels.1.is_some_and(SocketAddr::is_ipv6);
        (is_ipv4, is_ipv6)
    }
}

fn add<T: Ord>(list: &mut Vec<T>, peer: T) -> Result<bool, Full> {
    match list.binary_search(&peer) {
        Ok(_) => Ok(false),
        Err(_) if list.len() >= RelayPool::MAX_PEERS => Err(Full),
        Err(place) => {
            list.insert(place, peer);
            Ok(true)
        }
    }
}

fn remove<T: Ord>(list: &mut Vec<T>, peer: &T) -> bool {
    list.binary_search(peer).map(|place| list.remove(place)).is_ok()
}
