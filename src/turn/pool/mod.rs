//! Several relays at once: allocations on several servers that are ready before any connection needs one, of which the
//! fastest is used, and another one as soon as that dies.

mod choice;
mod command;
mod config;
mod event;
mod life;
mod member;
mod wishes;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use choice::Selection;
pub use command::MemberError;
pub use config::{PoolConfig, PoolConfigError, Switching};
pub use event::{MigrationReason, PoolEvent};
use member::{Member, Progress};
use wishes::Wishes;

use super::allocation::{Allocation, FailureReason};
use crate::entropy::Entropy;
use crate::machine::{Counters, Disposition, Machine, Receipt, Usage, WakeReason};
use crate::net::{Datagram, FiveTuple, Outcome, SendError, Transmit};
use crate::ready::ReadyQueue;
use crate::time::{Instant, Now, TimerTable};
use crate::transaction::RttEstimator;
use crate::wire::{ChannelNumber, TransactionId};

/// Houses several [`Allocation`]s (RFC 8656) as one virtual socket.
///
/// ```text
///   the host's sockets          TURN servers
///         |--- 35 ms --------> 0: 192.0.2.1   stands by, kept alive
///         |--- 12 ms --------> 1: 192.0.2.2   selected <------> peers
///         |     (spare)        2: 192.0.2.3   asked when one of the others fails
/// ```
///
/// # Which relay
/// - The first one that is ready is selected at once: nothing waits for the others.
/// - For [`PoolConfig::settling`], while no peer is wanted, one that is faster by a quarter takes over. After that only
///   one that is much faster for long: see [`Switching`].
/// - When the selected one is lost, or does not answer for [`PoolConfig::patience`], the next best is selected at
///   once, and every peer that is wanted is asked for there. [`PoolEvent::Migrated`] gives the address that peers have
///   to be told.
/// - Best is who reaches the most of the families that are wanted, then who has the shortest smoothed round trip.
///
/// # How soon it notices
/// A server that is gone is found out by the next request. Idle, that is the next keepalive, 25 s away at most; while
/// data is sent and nothing comes back, the server is asked when the patience has passed. With the defaults, data
/// goes through another relay 8 s after the first datagram that was lost, or 29 s after the death of an idle relay.
/// ICMP errors ([`handle_send_error`](Machine::handle_send_error)) make it two seconds. Over a stream there are no keepalives:
/// there the system tells the host that the connection is gone, and the host tells the pool in the same way.
///
/// # Example
/// ```
/// use libstun::auth::LongTerm;
/// use libstun::turn::{AllocationConfig, PoolConfig, RelayPool};
/// use libstun::{Entropy, FiveTuple, Instant, Machine};
///
/// let relay = |server: &str| -> Result<_, Box<dyn std::error::Error>> {
///     let path = FiveTuple::udp("10.0.0.2:5000".parse()?, server.parse()?);
///     Ok(AllocationConfig::new(path, LongTerm::new("alice", "s3cret")?))
/// };
/// let relays = vec![relay("192.0.2.1:3478")?, relay("192.0.2.2:3478")?, relay("192.0.2.3:3478")?];
/// let config = PoolConfig { ready: 2, ..PoolConfig::new(relays) };
/// let mut pool = RelayPool::new(config, Entropy::from_seed([7; 32]), Instant::ZERO)?;
/// pool.bind_channel("198.51.100.9:4000".parse()?, Instant::ZERO)?; // at whichever is selected
/// assert_eq!(core::iter::from_fn(|| pool.poll_transmit().map(|_| ())).count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RelayPool {
    members: Vec<Member>,
    ready: usize,
    warm_standby: bool,
    patience: Option<Duration>,
    settling: Duration,
    switching: Option<Switching>,
    entropy: Entropy,
    is_gated: bool,
    state: State,
    wishes: Wishes,
    selection: Selection,
    /// Whose wish to send is told first.
    turn: usize,
    /// How often to refresh instead of as configured.
    refresh: Option<Duration>,
    /// When data was last sent to a peer.
    sent_at: Instant,
    /// By place of the relay; then see [`SILENCE`] and what follows it.
    timers: TimerTable,
    with_transmits: ReadyQueue,
    events: VecDeque<PoolEvent>,
    dropped_events: u32,
    /// Why a relay has failed last.
    failure: FailureReason,
    counters: Counters,
    now: Now,
}

/// The whole pool.
///
/// ```text
///            new             close              every relay has ended
///   (none) -------> Running -------> Closing -----------------------> Ended
///                      |     every relay has failed for good            ^
///                      +------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Relays are asked, kept, and chosen from.
    Running,
    /// The servers are asked to relay no longer.
    Closing,
    /// The last event has been given.
    Ended,
}

impl RelayPool {
    /// Relays of one pool at most.
    pub const MAX_RELAYS: usize = 16;

    /// Permissions that may be wanted at a time, and as many channels.
    pub const MAX_PEERS: usize = Allocation::MAX_PERMISSIONS;

    /// Events kept for a host that does not poll; the oldest goes first, and is counted.
    pub const MAX_EVENTS: usize = 256;

    /// How long a relay that was left alive still lets peers through, unless standbys are warm.
    pub const LINGER: Duration = Duration::from_secs(30);

    /// A pool that asks at once.
    ///
    /// # Errors
    /// The configuration contradicts itself; the error says where.
    pub fn new(config: PoolConfig, entropy: Entropy, now: Instant) -> Result<Self, PoolConfigError> {
        let mut pool = Self::prepare(config, entropy, now)?;
        pool.is_gated = false;
        pool.open(|_| None, now);
        Ok(pool)
    }

    /// The same, each new request waiting for its grant (RFC 8489 s6.2), and starting with what is known of the paths
    /// to the servers.
    pub(crate) fn start_gated(
        config: PoolConfig,
        entropy: Entropy,
        known: impl Fn(IpAddr) -> Option<RttEstimator>,
        refresh: Option<Duration>,
        now: Instant,
    ) -> Result<Self, PoolConfigError> {
        let mut pool = Self::prepare(config, entropy, now)?;
        pool.refresh = refresh;
        pool.open(known, now);
        Ok(pool)
    }

    fn prepare(config: PoolConfig, entropy: Entropy, now: Instant) -> Result<Self, PoolConfigError> {
        config.check()?;
        let members: Vec<Member> = config.relays.into_iter().map(|relay| Member::new(relay, now)).collect();
        Ok(Self {
            ready: config.ready.min(members.len()),
            warm_standby: config.warm_standby,
            patience: config.patience,
            settling: config.settling,
            switching: config.switching,
            entropy,
            is_gated: true,
            state: State::Running,
            wishes: Wishes::default(),
            selection: Selection::default(),
            turn: 0,
            refresh: None,
            sent_at: now,
            timers: TimerTable::with_capacity(LAST_KEY as usize),
            with_transmits: ReadyQueue::with_capacity(members.len()),
            events: VecDeque::with_capacity(1),
            dropped_events: 0,
            failure: FailureReason::Timeout,
            counters: Counters::default(),
            now: Now::new(now),
            members,
        })
    }

    /// How many relays it houses, spares and those that have failed among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Never: a pool has a relay.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// One relay; `None` for a spare that was not asked yet.
    #[must_use]
    pub fn relay(&self, relay: usize) -> Option<&Allocation> {
        self.members.get(relay)?.allocation()
    }

    /// The relay through which data goes; `None` while there is none.
    #[must_use]
    pub fn selected(&self) -> Option<usize> {
        self.selection.current()
    }

    /// The relayed address through which data goes; of two, the IPv4 one.
    #[must_use]
    pub fn relayed_address(&self) -> Option<SocketAddr> {
        self.relay(self.selected()?)?.relayed_address()
    }

    /// Every relayed address that is there, each with its relay: the selected one and the standbys.
    pub fn relayed_addresses(&self) -> impl Iterator<Item = (usize, SocketAddr)> {
        let relays = self.members.iter().enumerate();
        let asked = relays.filter_map(|(index, member)| Some((index, member.allocation()?)));
        asked.flat_map(|(index, relay)| relay.relayed_addresses().map(move |address| (index, address)))
    }

    /// Whether that peer may send and be sent to through the selected relay.
    #[must_use]
    pub fn is_permitted(&self, peer: IpAddr) -> bool {
        self.selected().and_then(|index| self.relay(index)).is_some_and(|relay| relay.is_permitted(peer))
    }

    /// The channel that is bound to a peer at the selected relay.
    #[must_use]
    pub fn channel(&self, peer: SocketAddr) -> Option<ChannelNumber> {
        self.relay(self.selected()?)?.channel(peer)
    }

    /// Whether it has given its last event, or will with those that are queued.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// What was dropped, by reason.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Events that were dropped because the host did not poll.
    #[must_use]
    pub const fn dropped_events(&self) -> u32 {
        self.dropped_events
    }

    fn allocation_mut(&mut self, index: usize) -> Option<&mut Allocation> {
        self.members.get_mut(index)?.allocation_mut()
    }

    fn allocations(&self) -> impl Iterator<Item = &Allocation> {
        self.members.iter().filter_map(Member::allocation)
    }

    fn push(&mut self, event: PoolEvent) {
        if self.events.len() >= Self::MAX_EVENTS {
            self.events.pop_front();
            self.dropped_events = self.dropped_events.saturating_add(1);
        }
        self.events.push_back(event);
    }

    /// Who wishes to send, from whoever's turn it is on.
    fn wishing(&self) -> Option<usize> {
        let count = self.members.len();
        let order = (0..count).map(|step| self.turn.saturating_add(step).checked_rem(count).unwrap_or(0));
        order.into_iter().find(|index| self.relay(*index).and_then(Usage::wish).is_some())
    }

    /// The relay that waits for an answer under that id. A scan over sixteen relays of eight requests at most, most
    /// of which have none.
    fn asked_under(&self, id: TransactionId) -> Option<usize> {
        let waits = |relay: &Allocation| relay.outstanding().any(|(known, _)| known == id);
        self.members.iter().position(|member| member.allocation().is_some_and(waits))
    }

    fn consider<'a>(&mut self, datagram: &Datagram<'a>, now: Instant) -> Disposition<'a> {
        let now = self.now.advance(now);
        let asked = TransactionId::of_message(datagram.payload).and_then(|id| self.asked_under(id));
        let mut disposition = asked.map_or(Disposition::Unclaimed, |index| self.offer(index, datagram, now));
        // Data says by its path through which relay it has come. Redirections can bring two to one server.
        for index in 0..self.members.len() {
            if !matches!(disposition, Disposition::Unclaimed | Disposition::Dropped(_)) {
                break;
            }
            let is_it = |member: &Member| member.path().is_some_and(|path| path.admits(&datagram.path));
            if asked != Some(index) && self.members.get(index).is_some_and(is_it) {
                match self.offer(index, datagram, now) {
                    Disposition::Unclaimed => {}
                    other => disposition = other,
                }
            }
        }
        disposition
    }

    fn offer<'a>(&mut self, index: usize, datagram: &Datagram<'a>, now: Instant) -> Disposition<'a> {
        let Some(member) = self.members.get_mut(index) else { return Disposition::Unclaimed };
        let Some(allocation) = member.allocation_mut() else { return Disposition::Unclaimed };
        let disposition = allocation.receive(datagram, now);
        match disposition {
            Disposition::Unclaimed => return disposition,
            Disposition::Unwrapped(_) => {
                member.heard_at = now; // data changes nothing else
                return disposition;
            }
            Disposition::Done => member.note_answer(now),
            Disposition::Dropped(_) => {}
        }
        self.note(index, now);
        self.settle(now);
        disposition
    }
}

impl Usage for RelayPool {
    fn receive<'a>(&mut self, datagram: &Datagram<'a>, now: Instant) -> Disposition<'a> {
        let disposition = self.consider(datagram, now);
        self.counters.note(disposition);
        disposition
    }

    fn deadline(&self) -> Option<(Instant, WakeReason)> {
        let (at, key) = self.timers.earliest()?;
        let reason =
            if key < SILENCE { self.relay(key as usize)?.deadline()?.1 } else { WakeReason::Deadline };
        Some((at, reason))
    }

    fn transmits(&self) -> impl Iterator<Item = Transmit<'_>> {
        self.with_transmits.iter().filter_map(|index| self.relay(index as usize)).flat_map(Usage::transmits)
    }

    fn queued_transmits(&self) -> usize {
        let queued = self.with_transmits.iter().filter_map(|index| self.relay(index as usize));
        queued.map(Usage::queued_transmits).sum()
    }

    fn queued_events(&self) -> usize {
        self.events.len()
    }

    fn outstanding(&self) -> impl Iterator<Item = (TransactionId, SocketAddr)> {
        self.allocations().flat_map(Usage::outstanding)
    }

    fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    fn relay_paths(&self) -> impl Iterator<Item = FiveTuple> {
        self.members.iter().filter_map(Member::path)
    }

    fn path_taken(&mut self, path: &FiveTuple, now: Instant) {
        let now = self.now.advance(now);
        for index in 0..self.members.len() {
            self.with(index, now, |relay| relay.path_taken(path, now));
        }
    }

    fn asks_on(&self, path: &FiveTuple) -> bool {
        self.allocations().any(|relay| relay.asks_on(path))
    }

    fn wish(&self) -> Option<SocketAddr> {
        self.relay(self.wishing()?)?.wish()
    }

    fn wishes_retry(&self) -> bool {
        self.wishing().and_then(|index| self.relay(index)).is_some_and(Usage::wishes_retry)
    }

    fn grant(&mut self, now: Instant) {
        let now = self.now.advance(now);
        let Some(index) = self.wishing() else { return };
        self.turn = index.saturating_add(1);
        self.with(index, now, |relay| relay.grant(now));
    }

    fn refresh_early(&mut self, horizon: Instant, now: Instant) {
        let now = self.now.advance(now);
        for index in 0..self.members.len() {
            self.with(index, now, |relay| relay.refresh_early(horizon, now));
        }
    }

    fn override_refresh(&mut self, interval: Option<Duration>, now: Instant) {
        let now = self.now.advance(now);
        self.refresh = interval;
        for index in 0..self.members.len() {
            self.with(index, now, |relay| relay.override_refresh(interval, now));
        }
    }

    fn network_changed(&mut self, addresses: &[IpAddr], now: Instant) {
        Self::network_changed(self, addresses, now);
    }
}

impl Machine for RelayPool {
    type Event = PoolEvent;

    fn handle_input<'a>(&mut self, datagram: &Datagram<'a>, now: Instant) -> Outcome<'a> {
        self.receive(datagram, now).outcome()
    }

    fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        let index = self.with_transmits.first()?;
        let relay = self.members.get_mut(index as usize)?.allocation_mut()?;
        if relay.queued_transmits() <= 1 {
            self.with_transmits.remove(index);
        }
        relay.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<PoolEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.wake(self.now.get()).map(|(at, _)| at)
    }

    fn handle_timeout(&mut self, now: Instant) {
        let now = self.now.advance(now);
        self.pass_time(now);
    }

    fn handle_send_error(&mut self, failed: &Receipt, error: SendError, now: Instant) {
        let now = self.now.advance(now);
        if let Some(id) = failed.transaction_id {
            if let Some(index) = self.asked_under(id) {
                self.with(index, now, |relay| relay.handle_send_error(failed, error, now));
            }
            return;
        }
        // Nobody said whose datagram it was.
        for index in 0..self.members.len() {
            if self.relay(index).is_some_and(|relay| relay.asks_on(&failed.path)) {
                self.with(index, now, |relay| relay.handle_send_error(failed, error, now));
            }
        }
    }

    fn wake_reason(&self) -> Option<WakeReason> {
        self.wake(self.now.get()).map(|(_, reason)| reason)
    }
}

/// When a relay has waited for too long, by its place from here on.
const SILENCE: u32 = RelayPool::MAX_RELAYS as u32;
/// When a relay that was left lets peers through no longer, by its place from here on.
const LINGERING: u32 = 2 * RelayPool::MAX_RELAYS as u32;
/// When a relay has been faster for long enough.
const FASTER: u32 = 3 * RelayPool::MAX_RELAYS as u32;
/// When the selected relay is asked whether it is there, unless something of it has come.
const DOUBT: u32 = FASTER + 1;
const LAST_KEY: u32 = DOUBT;

#[cfg(test)]
mod tests;
