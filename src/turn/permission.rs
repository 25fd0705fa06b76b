//! Permissions: which peers' datagrams the relay lets through, by IP (RFC 8656 s9). When to ask for them, and
//! when to ask again; nothing here is sent.

use core::net::IpAddr;
use core::time::Duration;

use hashbrown::HashTable;
use slab::Slab;

use crate::hasher::AddressHasher;
use crate::ready::{Links, List, ReadyQueue};
use crate::time::{Instant, TimerTable, earliest};

/// The permissions of one allocation.
///
/// Times count from when a request was *sent*: the server's clock starts when it arrives, which is later, so
/// that a permission is never believed to live longer than it does.
#[derive(Debug)]
pub(crate) struct Permissions {
    entries: Slab<Permission>,
    by_ip: HashTable<u32>,
    hasher: AddressHasher,
    /// Every entry, in the order in which they were wanted.
    order: ReadyQueue,
    /// Each entry is in at most one list: `wanted`, or that of its batch.
    links: Links,
    wanted: List,
    batches: Slab<Batch>,
    batch_count: u32,
    renewals: TimerTable,
    /// When to ask again, and when what nobody wants has ended.
    retries: TimerTable,
}

/// One CreatePermission that is on its way. Of those that are over, none is ever mistaken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BatchId {
    slot: u32,
    serial: u32,
}

/// What became of a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// To be asked for.
    New,
    /// Asked for before: installed, on its way, or waiting.
    Known,
}

/// The table is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

#[derive(Debug)]
struct Permission {
    ip: IpAddr,
    state: State,
    /// Until when the relay lets datagrams through, as far as is known. Beside the state, because a permission
    /// stays installed while it is renewed.
    installed_until: Option<Instant>,
    /// To be asked for in a request of its own, since one for several was refused.
    is_alone: bool,
    /// Whether somebody wants it; otherwise a channel has brought it along, and it ends with that.
    is_wanted: bool,
}

/// ```text
///          want                take_batch               installed
///    *  ----------> Wanted ------------------> Asking -------------> Installed
///                    ^  ^                       |  |                     |
///                    |  |       failed          |  | retry_later         |
///                    |  +-----------------------+  v                     |
///                    |            due            Waiting                 |
///                    +------------------------------+                    |
///                    |            due (renewal)                          |
///                    +---------------------------------------------------+
///    remove, refuse: gone, from any state      reset: all to Wanted
///    covered: Wanted, Waiting and Installed to Installed, since a channel's binding renews it
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Wanted,
    Asking { batch: u32 },
    Waiting,
    Installed,
}

#[derive(Debug)]
struct Batch {
    serial: u32,
    asked: List,
}

impl Permissions {
    pub(crate) fn new(hasher: AddressHasher) -> Self {
        Self {
            entries: Slab::new(),
            by_ip: HashTable::new(),
            hasher,
            order: ReadyQueue::default(),
            links: Links::default(),
            wanted: List::default(),
            batches: Slab::new(),
            batch_count: 0,
            renewals: TimerTable::default(),
            retries: TimerTable::default(),
        }
    }

    /// Wants a permission for an IP, and its renewal from then on.
    ///
    /// # Errors
    /// There are [`MAX_PERMISSIONS`] already.
    pub(crate) fn want(&mut self, ip: IpAddr) -> Result<Wish, Full> {
        if let Some(key) = self.key_of(ip) {
            return Ok(self.want_known(key));
        }
        let key = self.insert(ip, true).ok_or(Full)?;
        self.links.push(&mut self.wanted, key);
        Ok(Wish::New)
    }

    /// Forgets an IP. The server is not told: a permission cannot be taken back, it ends when it is not renewed
    /// (RFC 8656 s9). Whether there was one.
    pub(crate) fn remove(&mut self, ip: IpAddr) -> bool {
        let key = self.key_of(ip);
        key.into_iter().for_each(|key| self.forget(key));
        key.is_some()
    }

    /// Whether the relay lets that IP's datagrams through now.
    pub(crate) fn is_installed(&self, ip: IpAddr, now: Instant) -> bool {
        self.key_of(ip)
            .and_then(|key| self.entries.get(key as usize))
            .is_some_and(|entry| entry.is_installed(now))
    }

    /// Whether the IP is wanted, in whatever state.
    #[cfg(test)]
    pub(crate) fn is_known(&self, ip: IpAddr) -> bool {
        self.key_of(ip).is_some()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is something to ask for: [`Permissions::take_batch`] gives it.
    pub(crate) fn has_wanted(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// Every IP that is wanted and whether it is installed, in the order in which they were wanted.
    #[cfg(test)]
    pub(crate) fn iter(&self, now: Instant) -> impl Iterator<Item = (IpAddr, bool)> + '_ {
        let entries = self.order.iter().filter_map(|key| self.entries.get(key as usize));
        let entries = entries.filter(|entry| entry.is_wanted);
        entries.map(move |entry| (entry.ip, entry.is_installed(now)))
    }

    /// Wants again what is to be retried at `now`, and what is to be renewed by `horizon`: a host that is awake
    /// renews early what would wake it up soon.
    pub(crate) fn due(&mut self, now: Instant, horizon: Instant) {
        while let Some(key) = self.retries.pop_due(now) {
            if self.entries.get(key as usize).is_some_and(|entry| entry.is_wanted) {
                self.set_wanted(key);
            } else {
                self.forget(key);
            }
        }
        while let Some(key) = self.renewals.pop_due(horizon.max(now)) {
            self.set_wanted(key);
        }
    }

    /// When [`Permissions::due`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let at = |timers: &TimerTable| timers.earliest().map(|(at, _)| at);
        earliest(at(&self.renewals), at(&self.retries))
    }

    /// Takes up to `max` wanted IPs for one request, in the order in which they were wanted. One that was in a
    /// refused batch goes alone.
    pub(crate) fn take_batch(&mut self, max: usize) -> Option<BatchId> {
        let first_is_alone = self.entries.get(self.wanted.first()? as usize)?.is_alone;
        let room = if first_is_alone { 1 } else { max.max(1) };
        self.batch_count = self.batch_count.wrapping_add(1);
        let serial = self.batch_count;
        let slot = self.batches.insert(Batch { serial, asked: List::default() }) as u32;
        let batch = self.batches.get_mut(slot as usize)?;
        for taken in 0..room {
            let Some(key) = self.wanted.first() else { break };
            let Some(entry) = self.entries.get_mut(key as usize) else { break };
            if entry.is_alone && taken > 0 {
                break;
            }
            entry.state = State::Asking { batch: slot };
            self.links.remove(&mut self.wanted, key);
            self.links.push(&mut batch.asked, key);
        }
        Some(BatchId { slot, serial })
    }

    /// The IPs of a batch, to build its request and to build it again. Empty once it is over, or if all of its
    /// IPs were removed.
    pub(crate) fn batch(&self, id: BatchId) -> impl Iterator<Item = IpAddr> + '_ {
        let batch = self.batches.get(id.slot as usize).filter(|batch| batch.serial == id.serial);
        let keys = batch.into_iter().flat_map(|batch| self.links.iter(&batch.asked));
        keys.filter_map(|key| self.entries.get(key as usize)).map(|entry| entry.ip)
    }

    /// A batch succeeded, whose request was first sent at `sent_at`. Calls `newly` for each IP that was not
    /// installed before.
    pub(crate) fn installed(&mut self, id: BatchId, sent_at: Instant, mut newly: impl FnMut(IpAddr)) {
        let Some(mut asked) = self.end(id) else { return };
        while let Some(key) = self.links.pop(&mut asked) {
            if let Some(ip) = self.set_installed(key, sent_at, RENEWAL) {
                newly(ip);
            }
        }
    }

    /// A batch failed. Its IPs are wanted again, behind the others; each in a request of its own if it
    /// `splits`: an error for several says nothing about each (RFC 8656 s10.2).
    pub(crate) fn failed(&mut self, id: BatchId, splits: bool) {
        let Some(mut asked) = self.end(id) else { return };
        while let Some(key) = self.links.pop(&mut asked) {
            if let Some(entry) = self.entries.get_mut(key as usize) {
                entry.is_alone |= splits;
            }
            self.set_wanted(key);
        }
    }

    /// A batch failed, and its IPs are to be asked for again at `at`.
    pub(crate) fn retry_later(&mut self, id: BatchId, at: Instant) {
        let Some(mut asked) = self.end(id) else { return };
        while let Some(key) = self.links.pop(&mut asked) {
            if let Some(entry) = self.entries.get_mut(key as usize) {
                entry.state = State::Waiting;
                self.retries.set(key, Some(at));
            }
        }
    }

    /// The server refuses a batch for good, as with 403 for a single IP: its IPs are forgotten.
    pub(crate) fn refuse(&mut self, id: BatchId) {
        let Some(mut asked) = self.end(id) else { return };
        while let Some(key) = self.links.pop(&mut asked) {
            self.forget(key);
        }
    }

    /// A channel of that IP was bound by a request sent at `sent_at`, which installs or renews its permission
    /// too (RFC 8656 s12.3). The channel's renewal comes first from now on. Whether the permission is new;
    /// an IP that nobody wants is let through as long as its channel is renewed.
    pub(crate) fn covered(&mut self, ip: IpAddr, sent_at: Instant) -> bool {
        let Some(key) = self.key_of(ip).or_else(|| self.insert(ip, false)) else { return false };
        match self.entries.get(key as usize).map(|entry| entry.state) {
            Some(State::Asking { .. }) => self.extend(key, sent_at).is_some(),
            _ => {
                self.links.remove(&mut self.wanted, key);
                self.set_installed(key, sent_at, COVERED_RENEWAL).is_some()
            }
        }
    }

    /// What is on its way will not be answered: it is wanted again.
    pub(crate) fn put_back_all(&mut self) {
        for slot in 0..self.batches.capacity() as u32 {
            if let Some(serial) = self.batches.get(slot as usize).map(|batch| batch.serial) {
                self.failed(BatchId { slot, serial }, false);
            }
        }
    }

    /// The allocation is lost: nothing is installed or on its way, and everything wanted again, in the order in
    /// which it was wanted first. Ids of batches are void.
    pub(crate) fn reset(&mut self) {
        self.batches.clear();
        self.links = Links::default();
        self.wanted = List::default();
        let covered = |(key, entry): (usize, &Permission)| (!entry.is_wanted).then_some(key as u32);
        while let Some(key) = self.entries.iter().find_map(covered) {
            self.forget(key);
        }
        for key in self.order.iter() {
            self.renewals.set(key, None);
            self.retries.set(key, None);
            if let Some(entry) = self.entries.get_mut(key as usize) {
                *entry = Permission { state: State::Wanted, installed_until: None, ..*entry };
                self.links.push(&mut self.wanted, key);
            }
        }
    }

    /// What a channel has brought along is wanted for itself from now on.
    fn want_known(&mut self, key: u32) -> Wish {
        let Some(entry) = self.entries.get_mut(key as usize).filter(|entry| !entry.is_wanted) else {
            return Wish::Known;
        };
        entry.is_wanted = true;
        let rest = crate::time::nanos(LIFETIME.saturating_sub(COVERED_RENEWAL));
        let renewal =
            entry.installed_until.map(|end| Instant::from_nanos(end.as_nanos().saturating_sub(rest)));
        self.renewals.set(key, renewal);
        self.retries.set(key, None);
        Wish::New
    }

    fn insert(&mut self, ip: IpAddr, is_wanted: bool) -> Option<u32> {
        if self.entries.len() >= MAX_PERMISSIONS {
            return None;
        }
        let state = State::Wanted;
        let permission = Permission { ip, state, installed_until: None, is_alone: false, is_wanted };
        let key = self.entries.insert(permission) as u32;
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.by_ip.insert_unique(hasher.hash_ip(ip), key, |key| {
            entries.get(*key as usize).map_or(0, |entry| hasher.hash_ip(entry.ip))
        });
        self.order.push(key);
        Some(key)
    }

    fn key_of(&self, ip: IpAddr) -> Option<u32> {
        let is_it = |key: &u32| self.entries.get(*key as usize).is_some_and(|entry| entry.ip == ip);
        self.by_ip.find(self.hasher.hash_ip(ip), is_it).copied()
    }

    /// Ends a batch, and returns the list of its IPs.
    fn end(&mut self, id: BatchId) -> Option<List> {
        self.batches.get(id.slot as usize).filter(|batch| batch.serial == id.serial)?;
        self.batches.try_remove(id.slot as usize).map(|batch| batch.asked)
    }

    fn set_wanted(&mut self, key: u32) {
        if let Some(entry) = self.entries.get_mut(key as usize) {
            entry.state = State::Wanted;
            self.links.push(&mut self.wanted, key);
        }
    }

    /// Notes an installation and when to renew it; returns the IP if it was not installed.
    fn set_installed(&mut self, key: u32, sent_at: Instant, renewal: Duration) -> Option<IpAddr> {
        let newly = self.extend(key, sent_at);
        if let Some(entry) = self.entries.get_mut(key as usize) {
            entry.state = State::Installed;
            entry.is_alone = false;
            let (renewal, end) = match entry.is_wanted {
                true => (sent_at.deadline_after(renewal), None),
                false => (None, entry.installed_until),
            };
            self.renewals.set(key, renewal);
            self.retries.set(key, end);
        }
        newly
    }

    fn extend(&mut self, key: u32, sent_at: Instant) -> Option<IpAddr> {
        let entry = self.entries.get_mut(key as usize)?;
        let was_installed = entry.is_installed(sent_at);
        entry.installed_until = entry.installed_until.max(Some(sent_at.saturating_add(LIFETIME)));
        (!was_installed).then_some(entry.ip)
    }

    fn forget(&mut self, key: u32) {
        let Some(entry) = self.entries.get(key as usize) else { return };
        let hash = self.hasher.hash_ip(entry.ip);
        if let Ok(found) = self.by_ip.find_entry(hash, |other| *other == key) {
            found.remove();
        }
        match entry.state {
            State::Asking { batch } => {
                if let Some(batch) = self.batches.get_mut(batch as usize) {
                    self.links.remove(&mut batch.asked, key);
                }
            }
            _ => self.links.remove(&mut self.wanted, key),
        }
        self.order.remove(key);
        self.renewals.set(key, None);
        self.retries.set(key, None);
        self.entries.try_remove(key as usize);
    }
}

impl Permission {
    fn is_installed(&self, now: Instant) -> bool {
        self.installed_until.is_some_and(|until| now < until)
    }
}

/// How many IPs one allocation can have permissions for.
pub(crate) const MAX_PERMISSIONS: usize = 1024;

/// How many IPs one CreatePermission asks for: 16 of IPv6 take 384 bytes.
pub(crate) const MAX_BATCH: usize = 16;

/// How long a permission lasts (RFC 8656 s9).
pub(crate) const LIFETIME: Duration = Duration::from_secs(300);

/// When it is renewed: a whole transaction of 39.5 s (RFC 8489 s6.2.1) fits before its end.
pub(crate) const RENEWAL: Duration = Duration::from_secs(260);

/// When it is renewed if a channel does so already: after the channel's renewal has had 20 s and six sends.
pub(crate) const COVERED_RENEWAL: Duration = Duration::from_secs(280);

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests;
