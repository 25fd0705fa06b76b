//! What a host commands an allocation that is under way.

use core::net::{IpAddr, SocketAddr};

use super::asking::Ask;
use super::connection::Connections;
use super::{
    Allocation, AllocationConfig, AllocationEvent, ConfigError, FailureReason, RelayTransport, State,
};
use crate::auth::Credentials;
use crate::net::{self, FiveTuple};
use crate::time::Instant;
use crate::transaction::RedirectRefusal;
use crate::turn::PeerRefusal;
use crate::turn::permission::{BatchId, Wish};
use crate::wire::attribute::ConnectionId;

/// Why a peer cannot be permitted or bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerError {
    /// The policy refuses the address ([`AllocationConfig::peers`]).
    Refused(PeerRefusal),
    /// As many peers are permitted, or channels bound, as may be; a channel of a peer that was released is free for
    /// another one a quarter of an hour later at the latest (RFC 8656 s12).
    Full,
    /// The relayed addresses are of the other family (RFC 8656 s9.1, s12.1).
    OtherFamily,
    /// Channels are for datagrams (RFC 6062 s3).
    NotForTcp,
    /// The allocation has ended or is being closed.
    Ended,
}

impl core::fmt::Display for PeerError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Full => f.write_str("as many peers are permitted or bound as may be"),
            Self::OtherFamily => f.write_str("the relayed address is of the other family"),
            Self::NotForTcp => f.write_str("channels are not for connections to peers"),
            Self::Ended => f.write_str("the allocation has ended"),
        }
    }
}

impl core::error::Error for PeerError {}

/// Why a connection to a peer cannot be asked for or bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// The policy refuses the address.
    Refused(PeerRefusal),
    /// There is no relay for connections: [`AllocationConfig::transport`] is UDP, or it is not allocated.
    NoRelay,
    /// One to that peer is being made (RFC 6062 s4.3).
    AlreadyConnecting,
    /// As many are being made as may be.
    Full,
    /// No such connection waits for the host.
    UnknownConnection,
    /// The path is not one to the server, over a stream and from another port.
    Path,
}

impl core::fmt::Display for ConnectError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::NoRelay => f.write_str("there is no relay for connections"),
            Self::AlreadyConnecting => f.write_str("a connection to that peer is being made"),
            Self::Full => f.write_str("as many connections are being made as may be"),
            Self::UnknownConnection => f.write_str("no such connection waits for the host"),
            Self::Path => f.write_str("not another connection to the server"),
        }
    }
}

impl core::error::Error for ConnectError {}

impl Allocation {
    /// Peers that may be permitted at a time.
    pub const MAX_PERMISSIONS: usize = crate::turn::permission::MAX_PERMISSIONS;

    /// Lets a peer send to the relayed address and be sent to, from any port, until it is revoked (RFC 8656 s9). Asked
    /// for as soon as there is a relay, and again with every new one; [`Permitted`](AllocationEvent::Permitted) says
    /// when it is in force. Once more for the same peer changes nothing.
    ///
    /// # Errors
    /// See [`PeerError`]; nothing has changed.
    pub fn permit(&mut self, peer: IpAddr, now: Instant) -> Result<(), PeerError> {
        let now = self.now.advance(now);
        self.check_open()?;
        let peer = self.config.peers.check_ip(peer).map_err(PeerError::Refused)?;
        self.check_family(&SocketAddr::new(peer, 0))?;
        let wish = self.permissions.want(peer).map_err(|_| PeerError::Full)?;
        if wish == Wish::New && self.permissions.is_installed(peer, now) {
            self.push(AllocationEvent::Permitted { peer }); // a channel has brought it along
        }
        self.pump(now);
        Ok(())
    }

    /// Renews the permission of a peer no longer. The server forgets it within five minutes; what the peer sends
    /// meanwhile is dropped here, unless a channel is bound to it, which permits it as well. Says whether there was one.
    pub fn revoke(&mut self, peer: IpAddr, now: Instant) -> bool {
        let now = self.now.advance(now);
        let was_known = self.permissions.remove(net::canonical(SocketAddr::new(peer, 0)).ip());
        // Challenged, a request that names nobody any more would be asked again for nobody.
        while let Some(batch) = self.nameless_batch() {
            self.withdraw(|ask| ask == Ask::Permissions(batch));
            self.permissions.failed(batch, false);
        }
        self.pump(now);
        was_known
    }

    fn nameless_batch(&self) -> Option<BatchId> {
        let nameless = |ask: Ask| match ask {
            Ask::Permissions(batch) if self.permissions.batch(batch).next().is_none() => Some(batch),
            _ => None,
        };
        let found = self.transactions.find_tag(|tag| nameless(tag.ask).is_some());
        self.retry.and_then(nameless).or_else(|| found.and_then(|(_, tag)| nameless(tag.ask)))
    }

    /// Binds a channel to a peer and keeps it bound, which permits the peer's IP address as well (RFC 8656 s12).
    /// [`ChannelBound`](AllocationEvent::ChannelBound) says when it is in force; until then a permitted peer is sent
    /// to with Send indications.
    ///
    /// # Errors
    /// See [`PeerError`]; nothing has changed.
    pub fn bind_channel(&mut self, peer: SocketAddr, now: Instant) -> Result<(), PeerError> {
        let now = self.now.advance(now);
        self.check_open()?;
        if self.config.transport == RelayTransport::Tcp {
            return Err(PeerError::NotForTcp);
        }
        let peer = self.admit(peer).map_err(PeerError::Refused)?;
        self.check_family(&peer)?;
        let wish = self.channels.want(peer, now).map_err(|_| PeerError::Full)?;
        if let (Wish::New, Some(number)) = (wish, self.channels.number_of(&peer, now)) {
            self.push(AllocationEvent::ChannelBound { peer, number }); // released, and still bound
        }
        self.pump(now);
        Ok(())
    }

    /// Renews the channel of a peer no longer. It is used no more for sending, and its number is kept for that peer
    /// until it can be given to another (RFC 8656 s12: five minutes after it has expired). Says whether there was
    /// one.
    pub fn release_channel(&mut self, peer: SocketAddr, now: Instant) -> bool {
        let now = self.now.advance(now);
        let peer = net::canonical(peer);
        if let Some(number) = self.channels.number(&peer) {
            self.withdraw(|ask| ask == Ask::Channel(number));
        }
        let was_known = self.channels.release(peer, now);
        self.pump(now);
        was_known
    }

    /// Asks the server to connect to a peer (RFC 6062 s4.3). [`OpenConnection`](AllocationEvent::OpenConnection) or
    /// [`ConnectionFailed`](AllocationEvent::ConnectionFailed) follows.
    ///
    /// # Errors
    /// See [`ConnectError`]; nothing has changed.
    pub fn connect(&mut self, peer: SocketAddr, now: Instant) -> Result<(), ConnectError> {
        let now = self.now.advance(now);
        if self.config.transport != RelayTransport::Tcp || self.state != State::Allocated {
            return Err(ConnectError::NoRelay);
        }
        let peer = self.admit(peer).map_err(ConnectError::Refused)?;
        if self.connections.is_connecting_to(&peer) {
            return Err(ConnectError::AlreadyConnecting);
        }
        if self.connections.is_full() {
            return Err(ConnectError::Full);
        }
        self.connections.want(peer);
        self.pump(now);
        Ok(())
    }

    /// The host has opened the connection to the server that [`OpenConnection`](AllocationEvent::OpenConnection) asks
    /// for. ConnectionBind is sent over it at once, and is answered over it. Read exactly one STUN message from it
    /// and offer that to [`handle_input`](crate::Machine::handle_input): after
    /// [`ConnectionBound`](AllocationEvent::ConnectionBound) everything that follows is the peer's.
    ///
    /// # Errors
    /// See [`ConnectError`]; nothing has changed.
    pub fn connection_opened(
        &mut self,
        connection: ConnectionId,
        path: FiveTuple,
        socket_id: u32,
        now: Instant,
    ) -> Result<(), ConnectError> {
        let now = self.now.advance(now);
        let is_to_server = net::same_endpoint(&path.remote, &self.config.path.remote);
        if !is_to_server || !path.transport.is_reliable() || path == self.config.path {
            return Err(ConnectError::Path);
        }
        if !self.connections.opened(connection, path, socket_id) {
            return Err(ConnectError::UnknownConnection);
        }
        self.pump(now);
        Ok(())
    }

    /// Gives other credentials, and when they expire by the host's clock. Where the server has rejected the present
    /// ones they are used at once; otherwise when it does, so that a relay lives as long as it can: most servers take
    /// it away when another user name asks for it (441, RFC 8656 s5).
    pub fn set_credentials(&mut self, credentials: Credentials, expire: Option<Instant>, now: Instant) {
        let now = self.now.advance(now);
        self.config.credentials_expire = expire;
        self.has_asked_credentials = false;
        if self.lease.is_some() || matches!(self.state, State::Freeing { .. } | State::Closing) {
            self.next_credentials = Some(credentials);
            return;
        }
        self.next_credentials = None;
        self.config.credentials = Some(credentials);
        match self.state {
            State::Unauthorized { is_disconnected } => self.start_over(is_disconnected),
            State::Allocating => self.start_over(false),
            _ => {}
        }
        self.pump(now);
    }

    /// The host has opened what [`Reconnect`](AllocationEvent::Reconnect) asked for, or another socket or connection
    /// of its own accord: the allocation goes on there. A relay that cannot move with it is lost. Does nothing once it
    /// has ended.
    ///
    /// # Errors
    /// The path contradicts itself; nothing has changed.
    pub fn reconnected(&mut self, path: FiveTuple, socket_id: u32, now: Instant) -> Result<(), ConfigError> {
        let now = self.now.advance(now);
        AllocationConfig::check_path(&path)?;
        if self.config.transport == RelayTransport::Tcp && !path.transport.is_reliable() {
            return Err(ConfigError::TcpOverUdp);
        }
        if matches!(self.state, State::Ended) {
            return Ok(());
        }
        (self.config.path, self.config.socket_id) = (path, socket_id);
        match (&self.lease, self.state) {
            (_, State::Closing) => self.finish_close(),
            (Some(lease), _) if lease.ticket.is_some() => self.start_move(),
            (Some(_), _) => {
                self.lose_lease(FailureReason::NetworkChanged);
                self.start_over(false);
            }
            (None, State::Unauthorized { .. }) => self.state = State::Unauthorized { is_disconnected: false },
            (None, State::Redirected(_)) => {}
            (None, _) => self.start_over(false),
        }
        self.pump(now);
        Ok(())
    }

    /// Answers [`Redirected`](AllocationEvent::Redirected) where the allocation waits for it
    /// ([`RedirectPolicy::Ask`](crate::stun::RedirectPolicy::Ask)): follows the redirection, or fails. Does nothing
    /// otherwise.
    pub fn answer_redirect(&mut self, accept: bool, now: Instant) {
        let now = self.now.advance(now);
        match self.state {
            State::Redirected(server) if accept => self.follow(server, now),
            State::Redirected(_) => {
                self.end(FailureReason::Redirected { refusal: RedirectRefusal::Declined })
            }
            _ => {}
        }
        self.pump(now);
    }

    /// The host's local addresses are these now: the network has changed.
    ///
    /// An allocation on an address that is still there does nothing. On one that is gone, it goes on from the first
    /// of its family, with the same port, where the host must open a socket
    /// ([`Restarted`](AllocationEvent::Restarted)); the server is asked to relay there, if it gave a ticket
    /// (RFC 8016), or for another relay. If there is no address of its family, it fails. On an unspecified address
    /// nobody knows, and the server is asked. A stream wants a new connection.
    pub fn network_changed(&mut self, addresses: &[IpAddr], now: Instant) {
        let now = self.now.advance(now);
        let previous = self.config.path.local;
        if self.state == State::Ended || net::is_among(&previous, addresses) {
            return;
        }
        let is_unspecified = net::canonical(previous).ip().is_unspecified();
        if !is_unspecified {
            let Some(ip) = addresses.iter().find(|ip| ip.is_ipv4() == previous.is_ipv4()) else {
                if self.state == State::Closing {
                    return self.finish_close();
                }
                return self.end(FailureReason::NetworkChanged);
            };
            self.config.path.local = SocketAddr::new(*ip, previous.port());
            self.push(AllocationEvent::Restarted { previous, local: self.config.path.local });
        }
        self.round_trips = Default::default();
        self.failures = 0;
        self.go_on_elsewhere(is_unspecified);
        self.pump(now);
    }

    fn go_on_elsewhere(&mut self, is_unspecified: bool) {
        let is_reliable = self.config.path.transport.is_reliable();
        let has_ticket = self.lease.as_ref().is_some_and(|lease| lease.ticket.is_some());
        match self.state {
            State::Redirected(_) | State::Disconnected | State::Ended => {}
            State::Unauthorized { .. } => self.state = State::Unauthorized { is_disconnected: is_reliable },
            State::Closing => self.finish_close(),
            State::Allocated if is_unspecified && !is_reliable => self.verify(),
            State::Allocated | State::Moving { .. } if has_ticket && is_reliable => self.move_to_connection(),
            State::Allocated | State::Moving { .. } if has_ticket => self.start_move(),
            State::Freeing { then: Some(reason) } => self.end(reason),
            _ => {
                self.lose_lease(FailureReason::NetworkChanged);
                self.start_over(is_reliable);
            }
        }
    }

    /// Deletes the allocation at the server (RFC 8656 s8: "it SHOULD explicitly delete"), and ends with
    /// [`Closed`](AllocationEvent::Closed) when the server has said so or nobody has answered. Nothing can be sent
    /// to peers any more. Once more changes nothing.
    pub fn close(&mut self, now: Instant) {
        let now = self.now.advance(now);
        // An Allocate that is outstanding may have been granted already.
        let is_asking = match self.state {
            State::Allocating => !self.transactions.is_empty(),
            State::Freeing { .. } => true,
            _ => false,
        };
        match self.state {
            State::Ended | State::Closing => return,
            State::Moving { is_connecting: true } => self.finish_close(), // nothing leads to the server
            _ if self.lease.is_some() || is_asking => {
                self.abandon();
                self.lease = None;
                self.state = State::Closing;
                self.wanted = Some(Ask::Close);
            }
            _ => self.finish_close(),
        }
        self.pump(now);
    }

    /// The one place through which every peer's address goes: what the host names and what the server reports.
    pub(super) fn admit(&self, peer: SocketAddr) -> Result<SocketAddr, PeerRefusal> {
        match &self.lease {
            Some(lease) => {
                let own = [lease.relayed, lease.additional.unwrap_or(lease.relayed)];
                self.config.peers.check_beyond(&own, peer)
            }
            None => self.config.peers.check(peer),
        }
    }

    fn check_open(&self) -> Result<(), PeerError> {
        let is_open = !matches!(self.state, State::Ended | State::Closing);
        if is_open { Ok(()) } else { Err(PeerError::Ended) }
    }

    /// Before there is a relay, what was asked for decides.
    fn check_family(&self, peer: &SocketAddr) -> Result<(), PeerError> {
        let is_reachable = match &self.lease {
            Some(lease) => lease.address_towards(peer).is_some(),
            None => self.config.family.includes(peer),
        };
        if is_reachable { Ok(()) } else { Err(PeerError::OtherFamily) }
    }

    /// Connections that may be in the making at a time.
    pub const MAX_CONNECTIONS: usize = Connections::MAX;
}
