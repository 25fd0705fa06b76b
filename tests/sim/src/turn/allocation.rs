//! What the server keeps for a client (RFC 8656 s6): public, because tests look at it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use libstun::wire::attribute::AddressFamily;
use libstun::wire::{ChannelNumber, TransactionId};
use libstun::{FiveTuple, Instant};

use super::reply::Reply;

/// An allocation, or the two of a dual one.
#[derive(Clone)]
pub struct Allocation {
    /// Where the client is: `local` is the server's address, `remote` the client's.
    pub path: FiveTuple,
    /// Where a mobile client was, until it sends data from where it is (RFC 8016 s3.2.2).
    pub previous_path: Option<FiveTuple>,
    /// Whose it is.
    pub username: Vec<u8>,
    /// Its relayed addresses, IPv4 before IPv6.
    pub relays: Vec<Relay>,
    /// Whether it relays connections (RFC 6062) and not datagrams.
    pub is_tcp: bool,
    /// Whom it talks to. Those that have run out are not here.
    pub permissions: Vec<Permission>,
    /// Its channels, and those that have run out but must not be bound otherwise yet.
    pub channels: Vec<Channel>,
    /// Its connections with peers.
    pub connections: Vec<Connection>,
    /// The ticket to move it with.
    pub ticket: Option<Vec<u8>>,
    /// The ticket before that, and when it is forgotten: good for retransmissions only.
    pub(super) previous_ticket: Option<(Vec<u8>, Instant)>,
    pub(super) created_by: TransactionId,
    pub(super) created_with: Option<Reply>,
}

/// A relayed address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relay {
    /// The address.
    pub address: SocketAddr,
    /// From then on it is nobody's.
    pub expires_at: Instant,
}

/// A peer's IP that may be talked to (RFC 8656 s9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    /// The peer, with any port.
    pub ip: IpAddr,
    /// From then on it is not there.
    pub expires_at: Instant,
}

/// A channel (RFC 8656 s12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its number.
    pub number: ChannelNumber,
    /// Its peer.
    pub peer: SocketAddr,
    /// From then on it carries nothing.
    pub expires_at: Instant,
}

/// A connection with a peer (RFC 6062).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its CONNECTION-ID.
    pub id: u32,
    /// The peer.
    pub peer: SocketAddr,
    /// The relayed address at this end.
    pub relayed: SocketAddr,
    /// The client's data connection, once it is bound.
    pub client: Option<FiveTuple>,
    /// When it is closed unless it is bound by then (RFC 6062 s5.2).
    pub bind_until: Instant,
    /// What the peer sent before it was bound.
    pub buffered: Vec<u8>,
}

impl Allocation {
    /// Whether what arrives there is for this allocation.
    #[must_use]
    pub fn is_at(&self, path: FiveTuple) -> bool {
        self.path == path || self.previous_path == Some(path)
    }

    /// Where data for the client goes: the old path until data has come from the new one (RFC 8016 s3.2.2).
    #[must_use]
    pub fn data_path(&self) -> FiveTuple {
        self.previous_path.unwrap_or(self.path)
    }

    /// Its relayed address of a peer's family.
    #[must_use]
    pub fn relayed_for(&self, peer: IpAddr) -> Option<SocketAddr> {
        self.relays.iter().map(|relay| relay.address).find(|address| address.is_ipv4() == peer.is_ipv4())
    }

    /// Its relayed address of a family.
    #[must_use]
    pub fn relayed(&self, family: AddressFamily) -> Option<SocketAddr> {
        self.relays.iter().map(|relay| relay.address).find(|it| AddressFamily::of(&it.ip()) == family)
    }

    /// Whether a peer may be talked to.
    #[must_use]
    pub fn permits(&self, ip: IpAddr) -> bool {
        self.permissions.iter().any(|permission| permission.ip == ip)
    }

    /// The peer of a channel that carries data at `now`.
    #[must_use]
    pub fn peer_of(&self, number: ChannelNumber, now: Instant) -> Option<SocketAddr> {
        self.live(now).find(|channel| channel.number == number).map(|channel| channel.peer)
    }

    /// The channel that carries a peer's data at `now`.
    #[must_use]
    pub fn channel_to(&self, peer: SocketAddr, now: Instant) -> Option<ChannelNumber> {
        self.live(now).find(|channel| channel.peer == peer).map(|channel| channel.number)
    }

    /// When the last of its relayed addresses runs out.
    #[must_use]
    pub fn expires_at(&self) -> Instant {
        self.relays.iter().map(|relay| relay.expires_at).max().unwrap_or(Instant::ZERO)
    }

    /// Its channels that carry data at `now`.
    pub fn live(&self, now: Instant) -> impl Iterator<Item = &Channel> {
        self.channels.iter().filter(move |channel| now < channel.expires_at)
    }

    pub(super) fn permit(&mut self, ip: IpAddr, expires_at: Instant) {
        match self.permissions.iter_mut().find(|permission| permission.ip == ip) {
            Some(permission) => permission.expires_at = expires_at,
            None => self.permissions.push(Permission { ip, expires_at }),
        }
    }

    /// Forgets a relayed address, and what belongs to its family (RFC 8656 s8.1).
    pub(super) fn release(&mut self, relayed: SocketAddr) {
        self.relays.retain(|relay| relay.address != relayed);
        let is_other = |ip: IpAddr| ip.is_ipv4() != relayed.is_ipv4();
        self.permissions.retain(|permission| is_other(permission.ip));
        self.channels.retain(|channel| is_other(channel.peer.ip()));
        self.connections.retain(|connection| connection.relayed != relayed);
    }

    /// Forgets everything that has run out; `cooldown` is how long a channel's end is remembered.
    pub(super) fn expire(&mut self, now: Instant, cooldown: Duration) {
        let gone: Vec<_> = self.relays.iter().filter(|relay| relay.expires_at <= now).copied().collect();
        gone.iter().for_each(|relay| self.release(relay.address));
        self.permissions.retain(|permission| now < permission.expires_at);
        self.channels.retain(|channel| now < channel.expires_at.saturating_add(cooldown));
        self.connections.retain(|connection| connection.client.is_some() || now < connection.bind_until);
        if self.previous_ticket.as_ref().is_some_and(|(_, until)| *until <= now) {
            self.previous_ticket = None;
        }
    }

    /// When the next of that happens.
    pub(super) fn deadline(&self, cooldown: Duration) -> Option<Instant> {
        let relays = self.relays.iter().map(|relay| relay.expires_at);
        let permissions = self.permissions.iter().map(|permission| permission.expires_at);
        let channels = self.channels.iter().map(|channel| channel.expires_at.saturating_add(cooldown));
        let pending = self.connections.iter().filter(|connection| connection.client.is_none());
        relays
            .chain(permissions)
            .chain(channels)
            .chain(pending.map(|connection| connection.bind_until))
            .chain(self.previous_ticket.iter().map(|(_, until)| *until))
            .min()
    }
}

impl std::fmt::Debug for Allocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Allocation")
            .field("path", &self.path)
            .field("previous_path", &self.previous_path)
            .field("relays", &self.relays)
            .field("permissions", &self.permissions)
            .field("channels", &self.channels)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}
