//! Channels: a number in place of a peer's transport address (RFC 8656 s12). Which number is whose, when to
//! bind and when again, and when a number may go to another peer; nothing here is sent.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use hashbrown::HashTable;

use super::permission::{Full, Wish};
use crate::hasher::AddressHasher;
use crate::ready::{Links, List, ReadyQueue};
use crate::time::{Instant, TimerTable, earliest};
use crate::wire::ChannelNumber;

/// The channels of one allocation.
///
/// The server's clock of a binding starts when the request arrives: not before it was sent, and not after its
/// answer came or was given up. A channel is *used* as if the first were true, and its number *given away* as if
/// the second were, even if no answer ever came: the request may have arrived.
#[derive(Debug)]
pub(crate) struct Channels {
    /// By number, from [`ChannelNumber::MIN`].
    slots: Vec<Option<Channel>>,
    by_peer: HashTable<u32>,
    hasher: AddressHasher,
    /// Numbers that were used and may go to any peer, the one free for longest first.
    free: ReadyQueue,
    /// Every channel that is wanted, in the order of the wishes.
    order: ReadyQueue,
    links: Links,
    wanted: List,
    renewals: TimerTable,
    retries: TimerTable,
    cooling: TimerTable,
}

/// A ChannelBind to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bind {
    pub(crate) number: ChannelNumber,
    pub(crate) peer: SocketAddr,
}

/// A channel that is bound. Its permission is installed or renewed too (RFC 8656 s12.3): see
/// [`super::permission::Permissions::covered`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) peer: SocketAddr,
    /// Whether it was not bound before.
    pub(crate) is_new: bool,
}

#[derive(Debug)]
struct Channel {
    peer: SocketAddr,
    state: State,
    /// Until when the server surely has the binding. Beside the state, because a channel stays bound while it
    /// is renewed.
    bound_until: Option<Instant>,
    /// Until when the server may have the binding.
    maybe_until: Option<Instant>,
}

/// ```text
///          want              take_next            bound
///    *  ----------> Wanted ------------> Asking ----------> Bound
///                   ^ ^  ^                |  |                |
///                   | |  |    failed      |  | retry_later    |
///                   | |  +----------------+  v                |
///                   | |        due         Waiting            |
///                   | +----------------------+                |
///                   |          due (renewal)                  |
///                   +-----------------------------------------+
///
///    release, refused (from any of them)             maybe_until + 5 min
///         never asked for, or surely unbound: gone
///         else: Released ------------------------------------------> gone
///                  |  want: to Bound if its renewal is to come, else to Wanted, under the same number
///    reset: Released is gone, all others to Wanted
/// ```
///
/// Released covers the two ages of a number nobody renews: until `maybe_until` what arrives on it is still the
/// peer's, and for five minutes more it is only kept from others (RFC 8656 s12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Wanted,
    Asking,
    Waiting,
    Bound,
    Released,
}

impl Channels {
    pub(crate) fn new(hasher: AddressHasher) -> Self {
        Self {
            slots: Vec::new(),
            by_peer: HashTable::new(),
            hasher,
            free: ReadyQueue::default(),
            order: ReadyQueue::default(),
            links: Links::default(),
            wanted: List::default(),
            renewals: TimerTable::default(),
            retries: TimerTable::default(),
            cooling: TimerTable::default(),
        }
    }

    /// Wants a channel to a peer, and its renewal from then on. A peer whose channel was released gets the same
    /// number again, as it must within 10 and 5 minutes (RFC 8656 s12).
    ///
    /// # Errors
    /// Every number is some peer's, or cools.
    pub(crate) fn want(&mut self, peer: SocketAddr, now: Instant) -> Result<Wish, Full> {
        if let Some(key) = self.key_of(&peer) {
            return Ok(self.want_again(key, now));
        }
        self.free_cooled(now);
        let key = self.unused_key().ok_or(Full)?;
        let channel = Channel { peer, state: State::Wanted, bound_until: None, maybe_until: None };
        if let Some(slot) = self.slots.get_mut(key as usize) {
            *slot = Some(channel);
        }
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.by_peer.insert_unique(hasher.hash(&peer), key, |key| {
            slots.get(*key as usize).and_then(Option::as_ref).map_or(0, |channel| hasher.hash(&channel.peer))
        });
        self.order.push(key);
        self.links.push(&mut self.wanted, key);
        Ok(Wish::New)
    }

    /// Renews a peer's channel no more. What arrives on it is the peer's until the server has surely forgotten
    /// it. Whoever has a ChannelBind on its way cancels that first, and tells its end as if it were not
    /// cancelled if it does not. Whether the channel was wanted.
    pub(crate) fn release(&mut self, peer: SocketAddr, now: Instant) -> bool {
        let Some(key) = self.key_of(&peer) else { return false };
        let Some(channel) = self.channel_mut(key) else { return false };
        if channel.state == State::Released {
            return false;
        }
        if channel.state == State::Asking {
            channel.note_possible(now);
        }
        self.retire(key, now);
        true
    }

    /// The number to send to a peer under: bound, and to be renewed.
    pub(crate) fn number_of(&self, peer: &SocketAddr, now: Instant) -> Option<ChannelNumber> {
        let key = self.key_of(peer)?;
        let channel = self.channel(key).filter(|channel| channel.state != State::Released)?;
        if now < channel.bound_until? { number(key) } else { None }
    }

    /// The number that a peer's channel has, bound or not.
    pub(crate) fn number(&self, peer: &SocketAddr) -> Option<ChannelNumber> {
        number(self.key_of(peer)?)
    }

    /// Whose data arrives under a number: from the moment the first request is sent, since the binding may
    /// outrun its answer (RFC 8656 s12), and as long as the server may have the binding.
    pub(crate) fn peer_of(&self, number: ChannelNumber, now: Instant) -> Option<SocketAddr> {
        let channel = self.channel(key(number))?;
        let may_be_bound = channel.maybe_until.is_some_and(|until| now < until);
        (channel.state == State::Asking || may_be_bound).then_some(channel.peer)
    }

    /// Whether a channel to that peer is wanted, in whatever state.
    #[cfg(test)]
    pub(crate) fn is_known(&self, peer: &SocketAddr) -> bool {
        let channel = self.key_of(peer).and_then(|key| self.channel(key));
        channel.is_some_and(|channel| channel.state != State::Released)
    }

    /// How many channels are wanted.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is something to ask for: [`Channels::take_next`] gives it.
    pub(crate) fn has_wanted(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// What to send for a number that was taken, to build its request again.
    pub(crate) fn binding(&self, number: ChannelNumber) -> Option<Bind> {
        self.bind(key(number))
    }

    /// Wants again what is to be retried at `now`, and what is to be renewed by `horizon`: a host that is awake
    /// renews early what would wake it up soon. Frees the numbers that have cooled.
    pub(crate) fn due(&mut self, now: Instant, horizon: Instant) {
        self.free_cooled(now);
        while let Some(key) = self.retries.pop_due(now) {
            self.set_wanted(key);
        }
        while let Some(key) = self.renewals.pop_due(horizon.max(now)) {
            self.set_wanted(key);
        }
    }

    /// When [`Channels::due`] has something to ask for. A number that has cooled wakes nobody up.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let at = |timers: &TimerTable| timers.earliest().map(|(at, _)| at);
        earliest(at(&self.renewals), at(&self.retries))
    }

    /// Takes the next channel to bind. It stays out of the way of a second one until its end is told.
    pub(crate) fn take_next(&mut self) -> Option<Bind> {
        let key = self.links.pop(&mut self.wanted)?;
        self.channel_mut(key)?.state = State::Asking;
        self.bind(key)
    }

    /// The server bound a channel, by a request that was first sent at `sent_at` and answered at `now`.
    pub(crate) fn bound(&mut self, number: ChannelNumber, sent_at: Instant, now: Instant) -> Option<Bound> {
        let key = key(number);
        let channel = self.channel_mut(key)?;
        let is_new = channel.bound_until.is_none_or(|until| until <= sent_at);
        channel.bound_until = channel.bound_until.max(Some(sent_at.saturating_add(LIFETIME)));
        channel.note_possible(now);
        let peer = channel.peer;
        if channel.state == State::Released {
            self.retire(key, now);
            return None;
        }
        channel.state = State::Bound;
        self.links.remove(&mut self.wanted, key);
        self.retries.set(key, None);
        self.renewals.set(key, sent_at.deadline_after(RENEWAL));
        Some(Bound { peer, is_new })
    }

    /// A request had no answer, or none that says what the server has. It may have been received: the channel is
    /// wanted again under the same number, behind the others.
    pub(crate) fn failed(&mut self, number: ChannelNumber, now: Instant) {
        if self.end_unsure(number, now) {
            self.set_wanted(key(number));
        }
    }

    /// The same, to be asked for again at `at`.
    pub(crate) fn retry_later(&mut self, number: ChannelNumber, at: Instant, now: Instant) {
        let key = key(number);
        if self.end_unsure(number, now) {
            if let Some(channel) = self.channel_mut(key) {
                channel.state = State::Waiting;
            }
            self.retries.set(key, Some(at));
        }
    }

    /// The server refuses the channel for good. Returns whose it was. Its number cools if an earlier request may
    /// have bound it; this one has not.
    pub(crate) fn refused(&mut self, number: ChannelNumber, now: Instant) -> Option<SocketAddr> {
        let key = key(number);
        let channel = self.channel_mut(key)?;
        channel.bound_until = None; // nobody builds on it any more, even if the server still has it
        let (peer, was_wanted) = (channel.peer, channel.state != State::Released);
        self.retire(key, now);
        was_wanted.then_some(peer)
    }

    /// What is on its way will not be answered: it is wanted again.
    pub(crate) fn put_back_all(&mut self, now: Instant) {
        for key in 0..self.slots.len() as u32 {
            let is_asked = self.channel(key).is_some_and(|channel| channel.state == State::Asking);
            if let Some(number) = number(key).filter(|_| is_asked) {
                self.failed(number, now);
            }
        }
    }

    /// The allocation is lost, and with it every binding and every reason to wait: the next allocation is
    /// another (RFC 8656 s12). What is wanted is wanted again under the numbers it has, in the order of the
    /// wishes. What becomes of requests to the old allocation must not be told any more.
    pub(crate) fn reset(&mut self) {
        while let Some((_, key)) = self.cooling.earliest() {
            self.forget(key);
        }
        self.links = Links::default();
        self.wanted = List::default();
        for key in self.order.iter() {
            self.renewals.set(key, None);
            self.retries.set(key, None);
            if let Some(Some(channel)) = self.slots.get_mut(key as usize) {
                let peer = channel.peer;
                *channel = Channel { peer, state: State::Wanted, bound_until: None, maybe_until: None };
                self.links.push(&mut self.wanted, key);
            }
        }
    }

    fn channel(&self, key: u32) -> Option<&Channel> {
        self.slots.get(key as usize)?.as_ref()
    }

    fn channel_mut(&mut self, key: u32) -> Option<&mut Channel> {
        self.slots.get_mut(key as usize)?.as_mut()
    }

    fn key_of(&self, peer: &SocketAddr) -> Option<u32> {
        let is_it = |key: &u32| self.channel(*key).is_some_and(|channel| channel.peer == *peer);
        self.by_peer.find(self.hasher.hash(peer), is_it).copied()
    }

    fn bind(&self, key: u32) -> Option<Bind> {
        Some(Bind { number: number(key)?, peer: self.channel(key)?.peer })
    }

    /// A number that is nobody's: one that has cooled, or the lowest that was never used.
    fn unused_key(&mut self) -> Option<u32> {
        if let Some(key) = self.free.pop() {
            return Some(key);
        }
        let key = self.slots.len() as u32;
        number(key)?;
        self.slots.push(None);
        Some(key)
    }

    fn want_again(&mut self, key: u32, now: Instant) -> Wish {
        let Some(channel) = self.channel_mut(key).filter(|channel| channel.state == State::Released) else {
            return Wish::Known;
        };
        // The age of a binding is that of its last request: what is left of its renewal interval is kept.
        let renewal = channel_renewal(channel).filter(|at| now < *at);
        channel.state = if renewal.is_some() { State::Bound } else { State::Wanted };
        self.cooling.set(key, None);
        self.order.push(key);
        match renewal {
            Some(_) => self.renewals.set(key, renewal),
            None => self.links.push(&mut self.wanted, key),
        }
        Wish::New
    }

    /// Ends a request that may have bound the channel. Whether the channel is still wanted.
    fn end_unsure(&mut self, number: ChannelNumber, now: Instant) -> bool {
        let key = key(number);
        let Some(channel) = self.channel_mut(key) else { return false };
        channel.note_possible(now);
        match channel.state {
            State::Asking => true,
            State::Released => {
                self.retire(key, now);
                false
            }
            State::Wanted | State::Waiting | State::Bound => false,
        }
    }

    fn set_wanted(&mut self, key: u32) {
        if let Some(Some(channel)) = self.slots.get_mut(key as usize) {
            channel.state = State::Wanted;
            self.links.push(&mut self.wanted, key);
        }
    }

    /// Wants a channel no more: it cools as long as it may be bound and five minutes more, or is gone at once.
    fn retire(&mut self, key: u32, now: Instant) {
        self.links.remove(&mut self.wanted, key);
        self.order.remove(key);
        self.renewals.set(key, None);
        self.retries.set(key, None);
        let Some(channel) = self.channel_mut(key) else { return };
        channel.state = State::Released;
        match channel.maybe_until.map(|until| until.saturating_add(COOLING)).filter(|until| now < *until) {
            Some(until) => self.cooling.set(key, Some(until)),
            None => self.forget(key),
        }
    }

    fn free_cooled(&mut self, now: Instant) {
        while let Some(key) = self.cooling.pop_due(now) {
            self.forget(key);
        }
    }

    fn forget(&mut self, key: u32) {
        self.cooling.set(key, None);
        let Some(channel) = self.slots.get_mut(key as usize).and_then(Option::take) else { return };
        if let Ok(found) = self.by_peer.find_entry(self.hasher.hash(&channel.peer), |other| *other == key) {
            found.remove();
        }
        self.free.push(key);
    }
}

impl Channel {
    /// A request may have been received as late as now.
    fn note_possible(&mut self, now: Instant) {
        self.maybe_until = self.maybe_until.max(Some(now.saturating_add(LIFETIME)));
    }
}

impl Bound {
    /// Whose permission came with it.
    pub(crate) const fn ip(&self) -> IpAddr {
        self.peer.ip()
    }
}

/// When a bound channel is to be renewed.
fn channel_renewal(channel: &Channel) -> Option<Instant> {
    let left_at_renewal = LIFETIME.saturating_sub(RENEWAL);
    let until = channel.bound_until?.as_nanos();
    Some(Instant::from_nanos(until.saturating_sub(crate::time::nanos(left_at_renewal))))
}

fn key(number: ChannelNumber) -> u32 {
    u32::from(number.number()).saturating_sub(ChannelNumber::MIN.number().into())
}

fn number(key: u32) -> Option<ChannelNumber> {
    ChannelNumber::new(u16::try_from(key).ok()?.checked_add(ChannelNumber::MIN.number())?)
}

/// How long a binding lasts (RFC 8656 s12).
pub(crate) const LIFETIME: Duration = Duration::from_secs(600);

/// How long a number is kept from other peers after its binding's end (RFC 8656 s12).
pub(crate) const COOLING: Duration = Duration::from_secs(300);

/// When a binding is renewed. Long before its own end, because that renews its permission of 300 s too, which
/// then needs no CreatePermission.
pub(crate) const RENEWAL: Duration = super::permission::RENEWAL;

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests;
