//! Outstanding requests by transaction id.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use hashbrown::HashTable;
use slab::Slab;

use super::rto::{RetransmissionConfig, Schedule};
use crate::machine::{Receipt, WakeReason};
use crate::net::{FiveTuple, SendError, Transmit};
use crate::ready::ReadyQueue;
use crate::time::{Instant, TimerTable, earliest};
use crate::wire::TransactionId;

/// Outstanding requests, each with the tag of the usage that asked.
///
/// ```text
///            start                    Rc sends, then Rm x RTO
///   (none) --------> Outstanding ------------------------------> Expired --take_expired--> (none)
///                     |  ^   |
///        retransmit   |  |   | find + take, cancel
///        (queued) ----+--+   +----------------------> (none)
/// ```
///
/// [`find`](Transactions::find) changes nothing; only [`take`](Transactions::take) ends a transaction, after
/// the usage has authenticated the response, so that a forged one closes nothing. A response counts only
/// from the address that was asked. Finding costs O(1), timers O(log n), the next deadline O(1). Buffers are
/// reused: the steady state allocates nothing.
#[derive(Debug)]
pub struct Transactions<Tag> {
    entries: Slab<Entry<Tag>>,
    by_id: HashTable<u32>,
    timers: TimerTable,
    outbox: ReadyQueue,
    expired: ReadyQueue,
    spare_buffers: Vec<Vec<u8>>,
    limit: usize,
}

#[derive(Debug)]
struct Entry<Tag> {
    id: TransactionId,
    path: FiveTuple,
    socket_id: u32,
    tag: Tag,
    request: Vec<u8>,
    schedule: Schedule,
    rto: Duration,
    started: Instant,
    last_sent: Instant,
    /// The send before the last, which is the last one while that is still queued.
    previous_sent: Instant,
    send_count: u32,
}

/// A request to start.
#[derive(Debug)]
pub struct Request<'a, Tag> {
    /// Its transaction id, freshly drawn.
    pub id: TransactionId,
    /// Its bytes, header included; copied.
    pub bytes: &'a [u8],
    /// Where to send it, and where the response must come from.
    pub path: FiveTuple,
    /// The host's number for the socket.
    pub socket_id: u32,
    /// Why it is asked.
    pub tag: Tag,
}

/// The end of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Completed<Tag> {
    /// Why it was asked.
    pub tag: Tag,
    /// The round trip, if the request was sent once; otherwise nobody knows which send was answered
    /// (Karn's rule). `None` too when the answer was read only after the next send was due: then the host
    /// was late, and would measure itself.
    pub rtt: Option<Duration>,
    /// When it was first sent. What a server has granted runs from then on, or from later.
    pub first_sent: Instant,
    /// When it was last sent.
    pub last_sent: Instant,
    /// The RTO that it was first sent with, if it had to be sent again.
    pub retransmitted_after: Option<Duration>,
}

/// Why a response answers nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoMatch {
    /// No such transaction is outstanding.
    UnknownId,
    /// It is, but another address was asked.
    WrongPath,
}

impl core::fmt::Display for NoMatch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::UnknownId => "no such transaction is outstanding",
            Self::WrongPath => "another address was asked",
        })
    }
}

impl core::error::Error for NoMatch {}

/// The table holds as many requests as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionLimitReached;

impl core::fmt::Display for TransactionLimitReached {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("as many requests are outstanding as may be")
    }
}

impl core::error::Error for TransactionLimitReached {}

impl<Tag: Copy> Transactions<Tag> {
    /// Buffers of finished requests kept for the next ones.
    const MAX_SPARE_BUFFERS: usize = 64;

    /// An empty table for at most `limit` requests at a time.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        // Most usages have one request outstanding, and there may be a hundred thousand of them: room for
        // one is what they get, where a vector's first growth would make room for four.
        let first = limit.min(1);
        Self {
            entries: Slab::with_capacity(first),
            by_id: HashTable::new(),
            timers: TimerTable::with_capacity(first),
            outbox: ReadyQueue::with_capacity(first),
            expired: ReadyQueue::default(),
            spare_buffers: Vec::with_capacity(first),
            limit,
        }
    }

    /// Takes a request and queues its first send.
    ///
    /// # Errors
    /// The limit is reached; nothing was taken.
    pub fn start(
        &mut self,
        request: &Request<'_, Tag>,
        config: &RetransmissionConfig,
        rto: Duration,
        now: Instant,
    ) -> Result<(), TransactionLimitReached> {
        if self.entries.len() >= self.limit {
            return Err(TransactionLimitReached);
        }
        let mut buffer = self.spare_buffers.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(request.bytes);
        let schedule = Schedule::new(config, request.path.transport, rto);
        let key = self.entries.insert(Entry {
            id: request.id,
            path: request.path,
            socket_id: request.socket_id,
            tag: request.tag,
            request: buffer,
            schedule,
            rto: schedule.rto(),
            started: now,
            last_sent: now,
            previous_sent: now,
            send_count: 0,
        }) as u32;
        let entries = &self.entries;
        self.by_id.insert_unique(request.id.hash(), key, |key| hash_of(entries, *key));
        self.send(key, now);
        Ok(())
    }

    /// Looks for the request that a response on `path` under `id` may answer. Changes nothing.
    ///
    /// # Errors
    /// There is none, or another address was asked.
    pub fn find(&self, path: &FiveTuple, id: TransactionId) -> Result<Tag, NoMatch> {
        let key = self.key_of(id).ok_or(NoMatch::UnknownId)?;
        let entry = self.entries.get(key as usize).ok_or(NoMatch::UnknownId)?;
        if entry.path.admits(path) { Ok(entry.tag) } else { Err(NoMatch::WrongPath) }
    }

    /// The path and the tag of an outstanding request, whoever the answer comes from: for requests that ask to
    /// be answered from elsewhere (RFC 5780 s7.2). The caller checks the source itself.
    #[must_use]
    pub fn asked(&self, id: TransactionId) -> Option<(FiveTuple, Tag)> {
        let entry = self.entries.get(self.key_of(id)? as usize)?;
        Some((entry.path, entry.tag))
    }

    /// The first outstanding request whose tag is such, in no particular but always the same order. Costs O(n).
    pub(crate) fn find_tag(&self, is_such: impl Fn(&Tag) -> bool) -> Option<(TransactionId, Tag)> {
        self.entries.iter().find(|(_, entry)| is_such(&entry.tag)).map(|(_, entry)| (entry.id, entry.tag))
    }

    /// Ends a transaction whose response was authenticated.
    pub fn take(&mut self, id: TransactionId, now: Instant) -> Option<Completed<Tag>> {
        let key = self.key_of(id)?;
        let is_unsent = self.outbox.contains(key);
        let is_late = self.timers.get(key).is_some_and(|due| due <= now);
        let entry = self.remove(key)?;
        let sends = entry.send_count.saturating_sub(u32::from(is_unsent)).max(1);
        let completed = Completed {
            tag: entry.tag,
            rtt: (sends == 1 && !is_late).then(|| now.saturating_since(entry.started)),
            first_sent: entry.started,
            last_sent: if is_unsent { entry.previous_sent } else { entry.last_sent },
            retransmitted_after: (sends > 1).then_some(entry.rto),
        };
        self.recycle(entry);
        Some(completed)
    }

    /// Ends a transaction without a response.
    pub fn cancel(&mut self, id: TransactionId) -> Option<Tag> {
        let key = self.key_of(id)?;
        let entry = self.remove(key)?;
        let tag = entry.tag;
        self.recycle(entry);
        Some(tag)
    }

    /// Ends all transactions without a response.
    pub fn cancel_all(&mut self) {
        for key in 0..self.entries.capacity() as u32 {
            if let Some(entry) = self.remove(key) {
                self.recycle(entry);
            }
        }
    }

    /// Sends a request no more, and gives it up after `wait` if not before: for an answer that says how it
    /// will end without proving it.
    pub fn give_up_within(&mut self, id: TransactionId, wait: Duration, now: Instant) {
        if let Some(key) = self.key_of(id) {
            self.give_up_key_within(key, wait, now);
        }
    }

    /// The same for every request whose tag is such and that has been sent at all. Costs O(n).
    pub(crate) fn give_up_such_within(
        &mut self,
        is_such: impl Fn(&Tag) -> bool,
        wait: Duration,
        now: Instant,
    ) {
        for key in 0..self.entries.capacity() as u32 {
            let is_unsent = |entry: &Entry<Tag>| entry.send_count <= 1 && self.outbox.contains(key);
            let entry = self.entries.get(key as usize);
            if entry.is_some_and(|entry| is_such(&entry.tag) && !is_unsent(entry)) {
                self.give_up_key_within(key, wait, now);
            }
        }
    }

    fn give_up_key_within(&mut self, key: u32, wait: Duration, now: Instant) {
        let Some(entry) = self.entries.get_mut(key as usize) else { return };
        let is_last_wait = !entry.schedule.has_sends_left();
        entry.schedule.stop();
        self.outbox.remove(key);
        let known = self.timers.get(key).filter(|_| is_last_wait);
        self.timers.set(key, earliest(known, now.deadline_after(wait)));
    }

    /// Ends the transactions that a failed send ends, and gives each one's tag to `end`. Costs O(1) where the
    /// transaction is known, else O(n).
    pub fn fail(&mut self, failed: &Receipt, error: SendError, mut end: impl FnMut(Tag)) {
        let keys = match failed.transaction_id {
            Some(id) => self.key_of(id).map_or(0..0, |key| key..key.saturating_add(1)),
            None => 0..self.entries.capacity() as u32,
        };
        for key in keys {
            let entry = self.entries.get(key as usize);
            if entry.is_some_and(|entry| failed.ends(error, &entry.path, entry.id)) {
                if let Some(entry) = self.remove(key) {
                    end(entry.tag);
                    self.recycle(entry);
                }
            }
        }
    }

    /// Sends again what is due, and gives up what has waited long enough. One send for each request,
    /// however late the call is.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(key) = self.timers.pop_due(now) {
            match self.entries.get(key as usize) {
                Some(entry) if entry.schedule.has_sends_left() => self.send(key, now),
                Some(_) => self.expired.push(key),
                None => {}
            }
        }
    }

    /// Ends the next transaction that was given up, and gives its tag; call until `None`.
    pub fn take_expired(&mut self) -> Option<Tag> {
        let key = self.expired.first()?;
        let entry = self.remove(key)?;
        let tag = entry.tag;
        self.recycle(entry);
        Some(tag)
    }

    /// The next request to send. Its bytes stay in place until it ends.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        let key = self.outbox.pop()?;
        self.entries.get(key as usize).map(Entry::lend)
    }

    /// What [`Transactions::poll_transmit`] will give, in its order, leaving it queued.
    pub fn transmits(&self) -> impl Iterator<Item = Transmit<'_>> {
        self.outbox.iter().filter_map(|key| self.entries.get(key as usize)).map(Entry::lend)
    }

    /// How many requests wait to be sent.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.outbox.len()
    }

    /// When the next request is due or given up. Does not count queued sends.
    #[must_use]
    pub fn deadline(&self) -> Option<(Instant, WakeReason)> {
        let (at, key) = self.timers.earliest()?;
        let entry = self.entries.get(key as usize)?;
        let reason = if entry.schedule.has_sends_left() {
            WakeReason::Retransmission
        } else {
            WakeReason::TransactionTimeout
        };
        Some((at, reason))
    }

    /// The ids of all outstanding requests and who was asked, in no particular but always the same order.
    pub fn outstanding(&self) -> impl Iterator<Item = (TransactionId, SocketAddr)> {
        self.entries.iter().map(|(_, entry)| (entry.id, entry.path.remote))
    }

    /// How many requests are outstanding.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is outstanding.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn send(&mut self, key: u32, now: Instant) {
        let Some(entry) = self.entries.get_mut(key as usize) else { return };
        let wait = entry.schedule.note_send();
        entry.send_count = entry.send_count.saturating_add(1);
        entry.previous_sent = entry.last_sent;
        entry.last_sent = now;
        self.timers.set(key, now.deadline_after(wait));
        self.outbox.push(key);
    }

    fn key_of(&self, id: TransactionId) -> Option<u32> {
        self.by_id
            .find(id.hash(), |key| self.entries.get(*key as usize).is_some_and(|entry| entry.id == id))
            .copied()
    }

    fn remove(&mut self, key: u32) -> Option<Entry<Tag>> {
        let entry = self.entries.try_remove(key as usize)?;
        if let Ok(indexed) = self.by_id.find_entry(entry.id.hash(), |other| *other == key) {
            indexed.remove();
        }
        self.timers.set(key, None);
        self.outbox.remove(key);
        self.expired.remove(key);
        Some(entry)
    }

    fn recycle(&mut self, entry: Entry<Tag>) {
        if self.spare_buffers.len() < Self::MAX_SPARE_BUFFERS {
            self.spare_buffers.push(entry.request);
        }
    }
}

impl<Tag> Entry<Tag> {
    fn lend(&self) -> Transmit<'_> {
        Transmit { path: self.path, socket_id: self.socket_id, ecn: 0, payload: &self.request }
    }
}

fn hash_of<Tag>(entries: &Slab<Entry<Tag>>, key: u32) -> u64 {
    entries.get(key as usize).map_or(0, |entry| entry.id.hash())
}

#[cfg(test)]
mod tests;
