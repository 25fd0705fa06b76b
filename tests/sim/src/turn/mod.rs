//! A TURN server for tests: RFC 8656, the control of TCP allocations (RFC 6062), mobility (RFC 8016).
//!
//! A state machine without sockets, equal for equal seeds. It is strict where a client can be wrong and says
//! what it saw; [`Fault`]s and the switches of [`TurnServerConfig`] make it go wrong itself.
//!
//! ```text
//!   client --handle_client--> +------------+ --poll: ToPeer----> peer
//!                             | TurnServer |
//!   client <--poll: ToClient- +------------+ <--handle_peer----- peer
//!                                   ^ handle_timeout
//! ```
//!
//! ```
//! use libstun::{FiveTuple, Instant};
//! use libstun_sim::turn::{Output, TurnServer, TurnServerConfig};
//!
//! let path = FiveTuple::udp("192.0.2.1:3478".parse()?, "203.0.113.9:4242".parse()?);
//! let mut server = TurnServer::new(TurnServerConfig::default(), Instant::ZERO);
//! let binding = [&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42][..], &[7; 12]].concat();
//! server.handle_client(path, &binding, Instant::ZERO);
//! assert!(matches!(server.poll(), Some(Output::ToClient { path: to, .. }) if to == path));
//! # Ok::<(), std::net::AddrParseError>(())
//! ```

mod allocate;
mod allocation;
mod config;
mod connect;
mod control;
mod credentials;
mod record;
mod relay;
mod reply;
mod request;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::SocketAddr;

use libstun::wire::attribute::Icmp;
use libstun::wire::{ChannelData, Message, Method};
use libstun::{Entropy, FiveTuple, Instant};

pub use allocation::{Allocation, Channel, Connection, Permission, Relay};
pub use config::{Fault, Mobility, TurnServerConfig};
pub use record::{Asked, Drops, Record};

use config::Pending;
use credentials::Nonces;

/// The server.
pub struct TurnServer {
    config: TurnServerConfig,
    entropy: Entropy,
    now: Instant,
    nonces: Nonces,
    /// In the order of their creation.
    allocations: Vec<Allocation>,
    reservations: Vec<Reservation>,
    faults: Vec<Pending>,
    outputs: VecDeque<Output>,
    record: Record,
    next_connection: u32,
}

/// Something to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// To a client, from `path.local` to `path.remote`.
    ToClient {
        /// The path, as the server sees it.
        path: FiveTuple,
        /// The datagram, the frame, or the bytes of a data connection.
        payload: Vec<u8>,
    },
    /// To a peer.
    ToPeer {
        /// The relayed address.
        from: SocketAddr,
        /// The peer.
        to: SocketAddr,
        /// What the client sent.
        payload: Vec<u8>,
        /// Whether DONT-FRAGMENT came with it.
        must_not_fragment: bool,
    },
}

/// A port that waits for its token (RFC 8656 s7.2).
#[derive(Clone, Copy, Debug)]
struct Reservation {
    token: [u8; 8],
    address: SocketAddr,
    expires_at: Instant,
}

impl TurnServer {
    /// A server without allocations.
    #[must_use]
    pub fn new(config: TurnServerConfig, now: Instant) -> Self {
        let mut entropy = Entropy::from_seed(config.seed);
        let nonces = Nonces { secret: u64::from_be_bytes(entropy.bytes()) };
        Self {
            config,
            entropy,
            now,
            nonces,
            allocations: Vec::new(),
            reservations: Vec::new(),
            faults: Vec::new(),
            outputs: VecDeque::new(),
            record: Record::default(),
            next_connection: 1,
        }
    }

    /// A datagram, a frame of a stream, or bytes of a data connection from a client. `path.local` is the server's
    /// address, `path.remote` the client's.
    pub fn handle_client(&mut self, path: FiveTuple, payload: &[u8], now: Instant) {
        self.advance(now);
        if self.relay_stream(path, payload) {
            return;
        }
        let is_stream = path.transport.is_reliable();
        let channel =
            if is_stream { ChannelData::parse_frame(payload) } else { ChannelData::parse_datagram(payload) };
        match (Message::parse(payload), channel) {
            (Ok(message), _) => self.handle_message(path, &message),
            (_, Ok(data)) => self.handle_channel_data(path, &data),
            _ => self.record.drops.malformed += 1,
        }
    }

    /// A datagram, or bytes of a connection, from a peer to a relayed address.
    pub fn handle_peer(&mut self, relayed: SocketAddr, peer: SocketAddr, payload: &[u8], now: Instant) {
        self.advance(now);
        self.relay_from_peer(relayed, peer, payload);
    }

    /// An ICMP message about a datagram from a relayed address to a peer (RFC 8656 s11.5).
    pub fn handle_icmp(&mut self, relayed: SocketAddr, peer: SocketAddr, icmp: Icmp, now: Instant) {
        self.advance(now);
        self.relay_icmp(relayed, peer, icmp);
    }

    /// A peer connects to a relayed address of a TCP allocation (RFC 6062 s5.3). The connection's id; `None` if it
    /// is closed at once.
    pub fn handle_peer_connection(
        &mut self,
        relayed: SocketAddr,
        peer: SocketAddr,
        now: Instant,
    ) -> Option<u32> {
        self.advance(now);
        self.accept(relayed, peer)
    }

    /// The client or the peer of a connection has closed it, or the test has.
    pub fn close_connection(&mut self, id: u32, now: Instant) {
        self.advance(now);
        for allocation in &mut self.allocations {
            allocation.connections.retain(|connection| connection.id != id);
        }
    }

    /// Time passes: forgets allocations, permissions, channels and connections that have run out.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
    }

    /// The next thing to send.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When the next thing runs out. Nobody has to call by then: every call sees to it first.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let cooldown = self.config.channel_cooldown;
        let allocations = self.allocations.iter().filter_map(|allocation| allocation.deadline(cooldown));
        allocations.chain(self.reservations.iter().map(|reservation| reservation.expires_at)).min()
    }

    /// The allocations that have not run out at the time of the last call, the oldest first.
    #[must_use]
    pub fn allocations(&self) -> &[Allocation] {
        &self.allocations
    }

    /// The allocation of a client.
    #[must_use]
    pub fn allocation(&self, path: FiveTuple) -> Option<&Allocation> {
        self.allocations.iter().find(|allocation| allocation.is_at(path))
    }

    /// What it has seen.
    #[must_use]
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// Forgets what it has seen.
    pub fn clear_record(&mut self) {
        self.record = Record::default();
    }

    /// What it was told.
    #[must_use]
    pub const fn config(&self) -> &TurnServerConfig {
        &self.config
    }

    /// Its switches, to be turned at any time. What is already granted stays.
    pub const fn config_mut(&mut self) -> &mut TurnServerConfig {
        &mut self.config
    }

    /// Makes that fault strike the next `times` requests of a method, or of any. Faults strike in the order in which
    /// they were added, one a request.
    pub fn inject(&mut self, method: Option<Method>, fault: Fault, times: u32) {
        self.faults.push(Pending { method, fault, times });
    }

    /// Takes back the faults that have not struck.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// All nonces are stale from now on.
    pub fn expire_nonces(&mut self) {
        self.nonces = Nonces { secret: u64::from_be_bytes(self.entropy.bytes()) };
    }

    /// The server starts anew: no allocation, no reservation, another nonce key, nothing to send.
    pub fn restart(&mut self) {
        self.allocations.clear();
        self.reservations.clear();
        self.outputs.clear();
        self.expire_nonces();
    }

    /// Ends a client's allocation as an administrator would. Whether there was one.
    pub fn drop_allocation(&mut self, path: FiveTuple) -> bool {
        let before = self.allocations.len();
        self.allocations.retain(|allocation| !allocation.is_at(path));
        self.allocations.len() < before
    }

    /// Sends any bytes to a client.
    pub fn push_to_client(&mut self, path: FiveTuple, payload: Vec<u8>) {
        self.outputs.push_back(Output::ToClient { path, payload });
    }

    /// Time never runs back. What has run out is gone before anything else is looked at.
    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
        let (now, cooldown) = (self.now, self.config.channel_cooldown);
        self.allocations.iter_mut().for_each(|allocation| allocation.expire(now, cooldown));
        self.allocations.retain(|allocation| !allocation.relays.is_empty());
        self.reservations.retain(|reservation| now < reservation.expires_at);
    }

    fn position(&self, path: FiveTuple) -> Option<usize> {
        self.allocations.iter().position(|allocation| allocation.is_at(path))
    }
}

impl std::fmt::Debug for TurnServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TurnServer").field("allocations", &self.allocations).finish_non_exhaustive()
    }
}
