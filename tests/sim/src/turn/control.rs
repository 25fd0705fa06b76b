//! Refresh (RFC 8656 s8.2, RFC 8016 s3.2.2), CreatePermission (s10.2) and ChannelBind (s12.2).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use libstun::FiveTuple;
use libstun::wire::attribute::{
    AddressFamily, ChannelNumberAttribute, Lifetime, MobilityTicket, RequestedAddressFamily, XorPeerAddress,
};
use libstun::wire::{ChannelNumber, Message, Method};

use super::allocation::Channel;
use super::config::Mobility;
use super::credentials::Caller;
use super::reply::{Extra, Handled, Refusal};
use super::{Allocation, TurnServer};

impl TurnServer {
    pub(super) fn refresh(&mut self, path: FiveTuple, message: &Message<'_>, caller: &Caller) -> Handled {
        let mut extras = Vec::new();
        let ticket = message.get::<MobilityTicket<'_>>().ok().flatten();
        let position = match (ticket, self.config.mobility) {
            (None, _) | (_, Mobility::Unknown) => self.owned(path, caller)?,
            (_, Mobility::Forbidden) => return Err(Refusal::from(405)),
            (Some(ticket), Mobility::Allowed) => {
                let (position, next) = self.relocate(path, ticket.0, caller)?;
                extras.push(Extra::Ticket(next));
                position
            }
        };
        let family = message.get::<RequestedAddressFamily>().map_err(|_| 443)?.map(|family| family.0);
        let asked = message.get::<Lifetime>().map_err(|_| 400)?;
        let is_deletion = asked.is_some_and(|lifetime| lifetime.0.is_zero());
        let lifetime = if is_deletion { Duration::ZERO } else { self.lifetime(message)? };
        let expires_at = self.now.saturating_add(lifetime);
        let Some(allocation) = self.allocations.get_mut(position) else { return Err(Refusal::from(437)) };
        let affected = relays_of(allocation, family);
        if affected.is_empty() {
            return Err(Refusal::from(443));
        }
        if is_deletion {
            affected.iter().for_each(|address| allocation.release(*address));
        } else {
            let relays = allocation.relays.iter_mut().filter(|relay| affected.contains(&relay.address));
            relays.for_each(|relay| relay.expires_at = expires_at);
        }
        self.allocations.retain(|allocation| !allocation.relays.is_empty());
        extras.push(Extra::Lifetime(lifetime));
        Ok(extras)
    }

    /// Finds the allocation of a ticket and moves it to `path`. Its position, and its next ticket.
    fn relocate(
        &mut self,
        path: FiveTuple,
        ticket: &[u8],
        caller: &Caller,
    ) -> Result<(usize, Vec<u8>), Refusal> {
        let is_last = |one: &Allocation| one.ticket.as_deref() == Some(ticket);
        let is_former = |one: &Allocation| one.previous_ticket.as_ref().is_some_and(|(old, _)| old == ticket);
        let position = self.allocations.iter().position(|one| is_last(one) || is_former(one));
        let next = self.new_ticket();
        let Some(position) = position else {
            // It could have been one of an allocation that has ended: this server keeps no list of those.
            return Err(Refusal::from(if ticket.len() == next.len() { 437 } else { 400 }));
        };
        if self.position(path).is_some_and(|there| there != position) {
            return Err(Refusal::from(437));
        }
        let until = self.now.saturating_add(OLD_TICKET_LIFETIME);
        let Some(allocation) = self.allocations.get_mut(position) else { return Err(Refusal::from(437)) };
        if allocation.username != caller.username {
            return Err(Refusal::from(441));
        }
        if is_former(allocation) {
            // A retransmission gets the same answer; anything else may not use the old ticket.
            let same = allocation.ticket.clone().filter(|_| allocation.path == path).ok_or(400)?;
            return Ok((position, same));
        }
        if allocation.path == path {
            self.record.refused(Method::REFRESH, "MOBILITY-TICKET although the address has not changed");
            return Err(Refusal::from(400));
        }
        let old = allocation.ticket.replace(next.clone());
        allocation.previous_ticket = old.map(|old| (old, until));
        // Data goes on where it went until data comes from the new place, even after two moves.
        allocation.previous_path = Some(allocation.data_path());
        allocation.path = path;
        Ok((position, next))
    }

    pub(super) fn create_permission(
        &mut self,
        path: FiveTuple,
        message: &Message<'_>,
        caller: &Caller,
    ) -> Handled {
        let position = self.owned(path, caller)?;
        let peers = message.get_all::<XorPeerAddress>().collect::<Result<Vec<_>, _>>().map_err(|_| 400)?;
        if peers.is_empty() {
            return Err(Refusal::from(400));
        }
        // All of them or none.
        peers.iter().try_for_each(|peer| self.check_peer(position, peer.0))?;
        let expires_at = self.now.saturating_add(self.config.permission_lifetime);
        let capacity = self.config.permission_capacity.unwrap_or(usize::MAX);
        let Some(allocation) = self.allocations.get_mut(position) else { return Err(Refusal::from(437)) };
        let mut fresh: Vec<IpAddr> = peers.iter().map(|peer| peer.0.ip()).collect();
        fresh.sort_unstable();
        fresh.dedup();
        fresh.retain(|ip| !allocation.permits(*ip));
        if allocation.permissions.len() + fresh.len() > capacity {
            return Err(Refusal::from(508));
        }
        peers.iter().for_each(|peer| allocation.permit(peer.0.ip(), expires_at));
        Ok(Vec::new())
    }

    pub(super) fn channel_bind(
        &mut self,
        path: FiveTuple,
        message: &Message<'_>,
        caller: &Caller,
    ) -> Handled {
        let position = self.owned(path, caller)?;
        let number = message.get::<ChannelNumberAttribute>().ok().flatten().ok_or(400)?.0;
        let peer = message.get::<XorPeerAddress>().ok().flatten().ok_or(400)?.0;
        let now = self.now;
        let Some(allocation) = self.allocations.get(position) else { return Err(Refusal::from(437)) };
        if allocation.is_tcp || allocation.live(now).any(|one| contradicts(one, number, peer)) {
            return Err(Refusal::from(400));
        }
        if allocation.channels.iter().any(|one| contradicts(one, number, peer)) {
            self.record.refused(
                Method::CHANNEL_BIND,
                &format!("{number:?} to {peer} within 5 minutes after the end of another binding"),
            );
        }
        self.check_peer(position, peer)?;
        let capacity = self.config.permission_capacity.unwrap_or(usize::MAX);
        let permitted_until = now.saturating_add(self.config.permission_lifetime);
        let expires_at = now.saturating_add(self.config.channel_lifetime);
        let Some(allocation) = self.allocations.get_mut(position) else { return Err(Refusal::from(437)) };
        let is_new = !allocation.channels.iter().any(|one| one.number == number && one.peer == peer);
        if is_new && allocation.channels.len() >= capacity {
            return Err(Refusal::from(508));
        }
        allocation.channels.retain(|one| one.number != number && one.peer != peer);
        allocation.channels.push(Channel { number, peer, expires_at });
        allocation.permit(peer.ip(), permitted_until);
        Ok(Vec::new())
    }

    /// Whether the allocation can and may talk to a peer: 443, 403.
    pub(super) fn check_peer(&self, position: usize, peer: SocketAddr) -> Result<(), Refusal> {
        let allocation = self.allocations.get(position).ok_or(437)?;
        if allocation.relayed_for(peer.ip()).is_none() {
            return Err(Refusal::from(443));
        }
        if self.config.denied_peers.contains(&peer.ip()) { Err(Refusal::from(403)) } else { Ok(()) }
    }
}

/// The relayed addresses that a Refresh is about: all, or that of a family.
fn relays_of(allocation: &Allocation, family: Option<AddressFamily>) -> Vec<SocketAddr> {
    let all = allocation.relays.iter().map(|relay| relay.address);
    all.filter(|address| family.is_none_or(|family| AddressFamily::of(&address.ip()) == family)).collect()
}

/// Whether a binding is of that number or that peer, but not of both.
fn contradicts(channel: &Channel, number: ChannelNumber, peer: SocketAddr) -> bool {
    (channel.number == number) != (channel.peer == peer)
}

/// RFC 8016 s3.2.2: at least 30 s.
const OLD_TICKET_LIFETIME: Duration = Duration::from_secs(30);
