//! A client of TURN: asks a server for a relayed transport address, keeps it, and sends and receives through it.
//!
//! # What is done about errors
//!
//! | code | Allocate | Refresh | CreatePermission, ChannelBind | Connect, ConnectionBind |
//! |---|---|---|---|---|
//! | 300 Try Alternate | asks the other | gone | refused | failed |
//! | 400 Bad Request | fails | gone | refused | failed |
//! | 401 Unauthenticated | other credentials | other credentials | verified | verified |
//! | 403 Forbidden | fails | gone | refused | failed |
//! | 405 Mobility Forbidden | without it | gone | refused | failed |
//! | 420 Unknown Attribute | without it, or fails | gone | refused | failed |
//! | 437 Allocation Mismatch | deletes, waits a second if that was confirmed, then other ports | gone, or moves | gone | gone |
//! | 438 Stale Nonce | with the new nonce | so too | so too | so too |
//! | 440 Address Family not Supported | fails | gone | refused | failed |
//! | 441 Wrong Credentials | fails | gone | verified | verified |
//! | 442 Unsupported Transport Protocol | fails | gone | refused | failed |
//! | 443 Peer Address Family Mismatch | fails | gone | refused | failed |
//! | 446, 447 | fails | gone | refused | failed |
//! | 486 Allocation Quota Reached | a minute later | gone | a minute later | failed |
//! | 508 Insufficient Capacity | a minute later | gone | a minute later | failed |
//! | 500 to 599 | later | later, then gone | later | failed |
//! | any other | fails | gone | refused | failed |
//!
//! *Fails*: [`AllocationEvent::Failed`], the end. *Gone*: [`AllocationEvent::Lost`], and another relay is asked for, at once
//! if the lost one has lived for a minute, else after a [`Backoff`](crate::stun::binding::Backoff). *Refused*:
//! [`AllocationEvent::PeerRefused`]. *Failed*: [`AllocationEvent::ConnectionFailed`]. *Verified*: the allocation is refreshed,
//! to see whether it is still there, and the peer is asked for again later. To a request to delete, any error is as good
//! as success.
//!
//! Silence is a 500 to Allocate, gone to Refresh, verified to the others. So is a send that failed, but that a Refresh
//! over UDP is tried again like after a 500: the network may be changing under the host. An error that nobody signed is
//! none, but shortens the wait: [`Allocation::REJECTION_GRACE`]. So does ICMP, which makes the allocation ask whether the
//! server is still there.

mod answers;
mod asking;
mod command;
mod config;
mod connection;
mod data;
mod event;
mod keepalive;
mod lease;
mod life;
mod outcome;
mod response;

use alloc::boxed::Box;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use asking::{Ask, Omitted, Tag};
pub use command::{ConnectError, PeerError};
pub use config::{AllocationConfig, ConfigError, KeepaliveKind, RelayFamily, RelayPort, RelayTransport};
use connection::Connections;
pub use data::SendToPeerError;
use event::Events;
pub use event::{AllocationEvent, CredentialsNeed, FailureReason};
use keepalive::Keepalive;
use lease::Lease;

use super::channel::Channels;
use super::permission::Permissions;
use crate::auth::{AuthFailure, Credentials};
use crate::entropy::Entropy;
use crate::hasher::AddressHasher;
use crate::machine::{Counters, Disposition, Machine, Receipt, Usage, WakeReason};
use crate::net::{Datagram, FiveTuple, Outcome, SendError, Transmit};
use crate::time::{Instant, Now};
use crate::transaction::{RttEstimator, Trail, Transactions};
use crate::wire::{ChannelNumber, TransactionId};

/// A relayed transport address at one server (RFC 8656), as a virtual socket: what peers send to it comes out of
/// [`Machine::handle_input`] as [`Outcome::Unwrapped`], from the peer and to the relayed address, and
/// [`Allocation::send`] sends from it.
///
/// It renews whatever runs out: the allocation itself, permissions, channels, the nonce and the bindings of NATs on
/// the way. When the relay is lost it says so and asks for another one, where the same peers are permitted again.
/// Every error code has one answer: see [the table](crate::turn::allocation).
///
/// # Example
/// ```
/// use libstun::auth::LongTerm;
/// use libstun::turn::{Allocation, AllocationConfig};
/// use libstun::{Entropy, FiveTuple, Instant, Machine};
///
/// let path = FiveTuple::udp("10.0.0.2:5000".parse()?, "192.0.2.1:3478".parse()?);
/// let user = LongTerm::new("alice", "s3cret")?;
/// let entropy = Entropy::from_seed([7; 32]); // a host takes `Entropy::from_os()`
/// let mut relay = Allocation::new(AllocationConfig::new(path, user), entropy, Instant::ZERO)?;
/// relay.bind_channel("198.51.100.9:4000".parse()?, Instant::ZERO)?; // as soon as there is a relay
///
/// let request = relay.poll_transmit().expect("an allocation asks at once");
/// assert_eq!(request.path.remote, "192.0.2.1:3478".parse()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Allocation {
    config: AllocationConfig,
    entropy: Entropy,
    state: State,
    lease: Option<Lease>,
    transactions: Transactions<Tag>,
    /// The next request of the allocation's own life.
    wanted: Option<Ask>,
    /// What is asked again, signed with what a challenge has taught.
    retry: Option<Ask>,
    /// How often what signs requests has changed.
    epoch: u32,
    /// Sends a request only when it is granted.
    is_gated: bool,
    permissions: Permissions,
    channels: Channels,
    connections: Connections,
    keepalive: Keepalive,
    omitted: Omitted,
    /// For when the server takes the present ones no longer.
    next_credentials: Option<Credentials>,
    /// Whether the host has been asked for other credentials since it last gave some.
    has_asked_credentials: bool,
    trail: Trail,
    domain: Option<Box<str>>,
    /// Failed attempts since a relay that lived long enough, or a changed network.
    failures: u32,
    /// Refreshes in a row that the server could not answer.
    refresh_failures: u32,
    /// Requests about peers that failed for now, since the last that did not.
    peer_failures: u32,
    /// How often Allocate was answered 437 since the last success.
    mismatches: u32,
    /// Grants without a usable address, in a row.
    unusable_grants: u32,
    /// Whether the server has just deleted what was in the way.
    has_freed: bool,
    /// The code of the last response that was discarded because nobody signed it, and how many there were.
    unsigned: Option<(u16, u32)>,
    /// Why the first challenge that could not be met could not.
    rejection: Option<AuthFailure>,
    /// What made the host a stranger to the server, which is asked to move the allocation: the reason if it does not.
    moves_because: Option<FailureReason>,
    /// What ICMP has said of the path while a request was outstanding.
    unreachable: Option<SendError>,
    round_trips: RttEstimator,
    events: Events,
    counters: Counters,
    now: Now,
}

/// Everything that decides what the next input means is here.
///
/// ```text
///                     +---------------- refused for now, silence -----------> Waiting
///                     |  +------------- at the deadline ------------------------+
///                     |  v
///   Freeing ------> Allocating -- success --> Allocated <---- moved ---- Moving
///     ^  deleted      |  ^  ^                  |  |  |                    ^  |
///     +-- in use -----+  |  +--- gone, Lost ---+--|--|--------------------|--+
///     |                  |                        |  +- network changed --+
///     |                  |                        +- close --> Closing ------> Ended
///     +-- not what was asked for: deleted, then Failed ------------------------> ^
///                        |                                                       |
///   Unauthorized --------+ the host has other credentials                        |
///   Redirected ----------+ the host agrees                                       |
///   Disconnected --------+ the host has a new socket      final error, Failed ---+
/// ```
///
/// `Unauthorized`, `Redirected` and `Disconnected` are entered from `Allocating` and, with the relay lost, from
/// `Allocated`; from each of them `close` leads to `Ended`. There is a lease in `Allocated` and `Moving` only.
/// A challenged request and its retry may be outstanding side by side (RFC 8489 s9.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Allocate is wanted or outstanding.
    Allocating,
    /// What the server holds for this 5-tuple is deleted first; then it is asked, or the end has come.
    Freeing { then: Option<FailureReason> },
    /// The server relays.
    Allocated,
    /// The server is asked to relay to another address of the host (RFC 8016). `is_connecting`: as soon as the
    /// host has a connection.
    Moving { is_connecting: bool },
    /// The server is asked to relay no longer.
    Closing,
    /// Nothing is outstanding; the next Allocate is due then, over a new connection if the old one is lost.
    Waiting { until: Option<Instant>, is_disconnected: bool },
    /// The host is to give other credentials.
    Unauthorized { is_disconnected: bool },
    /// The host is to say whether that server may be asked.
    Redirected(SocketAddr),
    /// The host is to open a socket or a connection.
    Disconnected,
    /// The last event has been given.
    Ended,
}

impl Allocation {
    /// Events kept for a host that does not poll; the oldest goes first, and is counted.
    pub const MAX_EVENTS: usize = Self::MAX_CONNECTIONS + 32;

    /// The shortest time-to-expiry that is accepted: RFC 8656 knows none, and a server that gives less would be
    /// asked all the time.
    pub const MIN_LIFETIME: Duration = Duration::from_secs(10);

    /// The longest time-to-expiry that is believed, RFC 8656 s7.2's maximum.
    pub const MAX_LIFETIME: Duration = Duration::from_secs(3600);

    /// How long a request over UDP still waits for its true response after an error that nobody signed. Servers
    /// send some unsigned; waiting until the request is given up would leave the host without a relay for 40 s, and
    /// obeying at once would let whoever sees a request end it.
    pub const REJECTION_GRACE: Duration = Duration::from_secs(2);

    /// How long the host has to open a connection for a peer's (RFC 6062 s5.2, s5.3).
    pub const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);

    /// How long before credentials expire the host is asked for others.
    pub const CREDENTIALS_MARGIN: Duration = Duration::from_secs(60);

    /// Requests outstanding at a time, below the ten that RFC 8489 s6.2 allows.
    const MAX_OUTSTANDING: usize = 8;

    /// An allocation that asks at once.
    ///
    /// # Errors
    /// The configuration contradicts itself; the error says where.
    pub fn new(config: AllocationConfig, entropy: Entropy, now: Instant) -> Result<Self, ConfigError> {
        let mut allocation = Self::start_gated(config, entropy, None, now)?;
        allocation.is_gated = false;
        allocation.pump(now);
        Ok(allocation)
    }

    /// The same, each new request waiting for its grant (RFC 8489 s6.2), and starting with what is known of the
    /// path to the server.
    pub(crate) fn start_gated(
        config: AllocationConfig,
        entropy: Entropy,
        known: Option<RttEstimator>,
        now: Instant,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self {
            state: State::Allocating,
            lease: None,
            transactions: Transactions::new(Self::MAX_OUTSTANDING),
            wanted: Some(Ask::Allocate),
            retry: None,
            epoch: 0,
            is_gated: true,
            permissions: Permissions::new(AddressHasher::new(entropy.aside(0).bytes())),
            channels: Channels::new(AddressHasher::new(entropy.aside(1).bytes())),
            connections: Connections::default(),
            keepalive: Keepalive::new(&config),
            omitted: Omitted::default(),
            next_credentials: None,
            has_asked_credentials: false,
            trail: Trail::default(),
            domain: None,
            failures: 0,
            refresh_failures: 0,
            peer_failures: 0,
            mismatches: 0,
            unusable_grants: 0,
            has_freed: false,
            unsigned: None,
            rejection: None,
            moves_because: None,
            unreachable: None,
            round_trips: known.unwrap_or_default(),
            events: Events::new(),
            counters: Counters::default(),
            now: Now::new(now),
            config,
            entropy,
        })
    }

    /// The path to the server.
    #[must_use]
    pub const fn path(&self) -> &FiveTuple {
        &self.config.path
    }

    /// The relayed transport address, of two the IPv4 one; `None` while there is none.
    #[must_use]
    pub fn relayed_address(&self) -> Option<SocketAddr> {
        self.lease.as_ref().map(|lease| lease.relayed)
    }

    /// All relayed transport addresses: none, one, or one of each family.
    pub fn relayed_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.lease.iter().flat_map(Lease::addresses)
    }

    /// The host's address as the server sees it.
    #[must_use]
    pub fn mapped_address(&self) -> Option<SocketAddr> {
        self.lease.as_ref()?.mapped
    }

    /// When the server takes the relay back unless it is refreshed, which happens long before.
    #[must_use]
    pub fn expires_at(&self) -> Option<Instant> {
        self.lease.as_ref()?.expires_at
    }

    /// The smoothed round trip to the server (RFC 6298 s2), once measured.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trips.smoothed()
    }

    /// The RTO that a path of such round trips has (RFC 6298 s2); zero while nothing is known.
    pub(in crate::turn) fn adaptive_rto(&self) -> Duration {
        self.round_trips.rto()
    }

    /// Whether that peer may send and be sent to.
    #[must_use]
    pub fn is_permitted(&self, peer: IpAddr) -> bool {
        self.permissions.is_installed(crate::net::canonical(SocketAddr::new(peer, 0)).ip(), self.now.get())
    }

    /// The channel that is bound to a peer.
    #[must_use]
    pub fn channel(&self, peer: SocketAddr) -> Option<ChannelNumber> {
        self.channels.number_of(&crate::net::canonical(peer), self.now.get())
    }

    /// The name that the certificate of the server must carry, if the server that redirected here gave one
    /// (ALTERNATE-DOMAIN, RFC 8489 s10).
    #[must_use]
    pub fn alternate_domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    /// Whether the server relays, so that [`Allocation::send`] can work.
    #[must_use]
    pub fn is_allocated(&self) -> bool {
        self.state == State::Allocated
    }

    /// Whether it has given its last event: it will not send again.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        Usage::is_ended(self)
    }

    /// What was dropped, by reason.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Events that were dropped because the host did not poll.
    #[must_use]
    pub const fn dropped_events(&self) -> u32 {
        self.events.dropped()
    }

    fn push(&mut self, event: AllocationEvent) {
        self.events.push(event);
    }
}

impl Usage for Allocation {
    fn receive<'a>(&mut self, datagram: &Datagram<'a>, now: Instant) -> Disposition<'a> {
        let disposition = self.consider(datagram, now);
        self.counters.note(disposition);
        disposition
    }

    fn deadline(&self) -> Option<(Instant, WakeReason)> {
        self.next_deadline()
    }

    fn transmits(&self) -> impl Iterator<Item = Transmit<'_>> {
        self.transactions.transmits().chain(self.keepalive.queued(&self.config))
    }

    fn queued_transmits(&self) -> usize {
        self.transactions.queued().saturating_add(self.keepalive.queued(&self.config).iter().count())
    }

    fn queued_events(&self) -> usize {
        self.events.len()
    }

    fn outstanding(&self) -> impl Iterator<Item = (TransactionId, SocketAddr)> {
        self.transactions.outstanding()
    }

    fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    fn asks_on(&self, path: &FiveTuple) -> bool {
        self.config.path.admits(path) || self.connections.are_on(path)
    }

    fn relay_paths(&self) -> impl Iterator<Item = FiveTuple> {
        let is_nowhere =
            matches!(self.state, State::Ended | State::Disconnected | State::Moving { is_connecting: true });
        (!is_nowhere).then_some(self.config.path).into_iter()
    }

    fn path_taken(&mut self, path: &FiveTuple, now: Instant) {
        self.now.advance(now);
        if *path == self.config.path {
            self.leave_path();
        }
    }

    fn wish(&self) -> Option<SocketAddr> {
        (self.is_gated && self.has_request()).then_some(self.config.path.remote)
    }

    fn wishes_retry(&self) -> bool {
        self.retry.is_some_and(|retry| self.transactions.find_tag(|tag| tag.ask == retry).is_some())
    }

    fn grant(&mut self, now: Instant) {
        let now = self.now.advance(now);
        self.send_next(now);
    }

    fn refresh_early(&mut self, horizon: Instant, now: Instant) {
        let now = self.now.advance(now);
        self.renew(horizon, now);
        self.pump(now);
    }

    fn override_refresh(&mut self, interval: Option<Duration>, now: Instant) {
        self.now.advance(now);
        self.keepalive.set_interval(interval, &self.config);
    }

    fn network_changed(&mut self, addresses: &[IpAddr], now: Instant) {
        Self::network_changed(self, addresses, now);
    }
}

impl Machine for Allocation {
    type Event = AllocationEvent;

    fn handle_input<'a>(&mut self, datagram: &Datagram<'a>, now: Instant) -> Outcome<'a> {
        self.receive(datagram, now).outcome()
    }

    fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        if self.transactions.queued() > 0 {
            return self.transactions.poll_transmit();
        }
        self.keepalive.take(&self.config)
    }

    fn poll_event(&mut self) -> Option<AllocationEvent> {
        self.events.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.wake(self.now.get()).map(|(at, _)| at)
    }

    fn handle_timeout(&mut self, now: Instant) {
        let now = self.now.advance(now);
        self.pass_time(now);
        self.pump(now);
    }

    fn handle_send_error(&mut self, failed: &Receipt, error: SendError, now: Instant) {
        let now = self.now.advance(now);
        self.note_send_error(failed, error, now);
        self.pump(now);
    }

    fn wake_reason(&self) -> Option<WakeReason> {
        self.wake(self.now.get()).map(|(_, reason)| reason)
    }
}

#[cfg(test)]
mod tests;
