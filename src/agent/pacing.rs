//! How many requests may be outstanding at one server, and how fast those that had to wait follow.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use hashbrown::HashTable;
use slab::Slab;

use super::routes::normal;
use crate::hasher::AddressHasher;
use crate::ready::{Links, List};
use crate::time::{Instant, TimerTable};

/// Counts the requests that are outstanding at each server, and keeps those that have to wait, first come
/// first served.
///
/// RFC 8489 s6.2 lets a client have ten at a server. Up to ten go at once; whatever has to wait for them
/// goes no faster than one in Ta (RFC 8445 s14.2), so that a server which answers late is not met by a
/// burst. The retry of a challenge takes the place of the request that it retries, and waits for nobody. Everything
/// costs O(1), the next release O(log n) in the number of servers that are waited for.
///
/// ```text
///   wish --admit--> [ fewer than ten, nobody waits ] --> granted
///            \----> [ queue of the server ] --one answered, Ta passed--> granted
/// ```
#[derive(Debug)]
pub(super) struct Pacer {
    servers: Slab<Server>,
    by_address: HashTable<u32>,
    hasher: AddressHasher,
    links: Links,
    /// For each operation that waits, by slot, the server that it waits for.
    waits_for: Vec<Option<u32>>,
    timers: TimerTable,
    interval: Duration,
}

#[derive(Debug)]
struct Server {
    address: SocketAddr,
    outstanding: u32,
    waiting: List,
    /// The earliest time of the next release out of the queue.
    next: Instant,
}

impl Pacer {
    /// Requests outstanding at one server at a time (RFC 8489 s6.2).
    pub(super) const MAX_OUTSTANDING: u32 = 10;

    /// Ta of RFC 8445 s14.2.
    pub(super) const DEFAULT_INTERVAL: Duration = Duration::from_millis(50);

    pub(super) fn new(hasher: AddressHasher) -> Self {
        Self {
            servers: Slab::new(),
            by_address: HashTable::new(),
            hasher,
            links: Links::default(),
            waits_for: Vec::new(),
            timers: TimerTable::default(),
            interval: Self::DEFAULT_INTERVAL,
        }
    }

    /// Changes Ta, from the next release on.
    pub(super) fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
    }

    /// A request to a server has begun; gives the key to say with that it has ended.
    pub(super) fn begin(&mut self, address: SocketAddr) -> u32 {
        let key = self.key_of(address);
        if let Some(server) = self.servers.get_mut(key as usize) {
            server.outstanding = server.outstanding.saturating_add(1);
            if server.outstanding >= Self::MAX_OUTSTANDING {
                self.timers.set(key, None);
            }
        }
        key
    }

    /// A request has ended.
    pub(super) fn end(&mut self, key: u32, now: Instant) {
        if let Some(server) = self.servers.get_mut(key as usize) {
            server.outstanding = server.outstanding.saturating_sub(1);
        }
        self.settle(key, now);
    }

    /// Whether a request only takes the place of one that has just ended there, such as the signed retry of a
    /// challenge: at the end of the queue its nonce might be stale before its turn comes.
    pub(super) fn takes_over(&self, freed: Option<u32>, address: &SocketAddr) -> bool {
        let server = freed.and_then(|key| self.servers.get(key as usize));
        server.is_some_and(|server| {
            server.address == normal(address) && server.outstanding < Self::MAX_OUTSTANDING
        })
    }

    /// Whether an operation may send a request to a server now; if not, it waits in the server's queue, once.
    pub(super) fn admit(&mut self, slot: u32, address: SocketAddr, now: Instant) -> bool {
        let wanted = self.find(&normal(&address));
        if wanted.is_some() && wanted == self.waits_for.get(slot as usize).copied().flatten() {
            return false;
        }
        self.forget(slot, now);
        let Some(key) = wanted else { return true };
        let Some(server) = self.servers.get_mut(key as usize) else { return true };
        if server.waiting.is_empty() && server.outstanding < Self::MAX_OUTSTANDING {
            return true;
        }
        self.links.push(&mut server.waiting, slot);
        let room = (slot as usize).saturating_add(1);
        if self.waits_for.len() < room {
            self.waits_for.resize(room, None);
        }
        if let Some(waits_for) = self.waits_for.get_mut(slot as usize) {
            *waits_for = Some(key);
        }
        self.settle(key, now);
        false
    }

    /// An operation no longer waits: it has ended, or wishes something else.
    pub(super) fn forget(&mut self, slot: u32, now: Instant) {
        let Some(key) = self.waits_for.get_mut(slot as usize).and_then(Option::take) else { return };
        if let Some(server) = self.servers.get_mut(key as usize) {
            self.links.remove(&mut server.waiting, slot);
        }
        self.settle(key, now);
    }

    /// The next operation whose turn has come; it is granted what it wishes.
    pub(super) fn pop(&mut self, now: Instant) -> Option<u32> {
        let key = self.timers.pop_due(now)?;
        let server = self.servers.get_mut(key as usize)?;
        let slot = self.links.pop(&mut server.waiting)?;
        server.next = now.saturating_add(self.interval);
        if let Some(waits_for) = self.waits_for.get_mut(slot as usize) {
            *waits_for = None;
        }
        self.settle(key, now);
        Some(slot)
    }

    /// When the next operation's turn comes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.timers.earliest().map(|(at, _)| at)
    }

    /// Arms the release of a server that has room for somebody who waits, and forgets one that nobody asks.
    fn settle(&mut self, key: u32, now: Instant) {
        let Some(server) = self.servers.get(key as usize) else { return };
        let has_room = server.outstanding < Self::MAX_OUTSTANDING;
        let at = (has_room && !server.waiting.is_empty()).then(|| server.next.max(now));
        self.timers.set(key, at.filter(|at| *at < Instant::MAX));
        if server.outstanding == 0 && server.waiting.is_empty() {
            if let Ok(entry) =
                self.by_address.find_entry(self.hasher.hash(&server.address), |other| *other == key)
            {
                entry.remove();
            }
            self.servers.remove(key as usize);
        }
    }

    fn find(&self, address: &SocketAddr) -> Option<u32> {
        let is_it =
            |key: &u32| self.servers.get(*key as usize).is_some_and(|server| server.address == *address);
        self.by_address.find(self.hasher.hash(address), is_it).copied()
    }

    fn key_of(&mut self, address: SocketAddr) -> u32 {
        let address = normal(&address);
        if let Some(key) = self.find(&address) {
            return key;
        }
        let server = Server { address, outstanding: 0, waiting: List::default(), next: Instant::ZERO };
        let key = self.servers.insert(server) as u32;
        let (servers, hasher) = (&self.servers, &self.hasher);
        self.by_address.insert_unique(hasher.hash(&address), key, |key| {
            servers.get(*key as usize).map_or(0, |server| hasher.hash(&server.address))
        });
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pacer() -> Pacer {
        Pacer::new(AddressHasher::new([7; 16]))
    }

    fn server(number: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, number], 3478))
    }

    fn ms(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn ten_go_at_once_and_the_rest_follow_one_by_one() {
        let mut pacer = pacer();
        let keys: Vec<u32> = (0..10)
            .map(|slot| {
                assert!(pacer.admit(slot, server(1), ms(0)));
                pacer.begin(server(1))
            })
            .collect();
        for slot in 10..13 {
            assert!(!pacer.admit(slot, server(1), ms(0)));
            assert!(!pacer.admit(slot, server(1), ms(0)), "once");
        }
        assert!(pacer.admit(20, server(2), ms(0)), "another server");
        assert_eq!((pacer.deadline(), pacer.pop(ms(5))), (None, None));
        pacer.end(keys[0], ms(7));
        assert_eq!(pacer.deadline(), Some(ms(7)));
        assert_eq!(pacer.pop(ms(7)), Some(10));
        pacer.begin(server(1));
        assert_eq!(pacer.deadline(), None, "full again");
        pacer.end(keys[1], ms(8));
        pacer.end(keys[2], ms(9));
        assert_eq!((pacer.deadline(), pacer.pop(ms(56))), (Some(ms(57)), None));
        assert_eq!((pacer.pop(ms(57)), pacer.pop(ms(57))), (Some(11), None));
        assert_eq!(pacer.pop(ms(107)), Some(12));
    }

    #[test]
    fn who_ends_while_it_waits_leaves_the_queue_and_nothing_stays_behind() {
        let mut pacer = pacer();
        let keys: Vec<u32> = (0..10).map(|_| pacer.begin(server(1))).collect();
        for slot in 10..15 {
            assert!(!pacer.admit(slot, server(1), ms(0)));
        }
        for slot in [12, 10, 14, 99] {
            pacer.forget(slot, ms(1));
        }
        keys.into_iter().for_each(|key| pacer.end(key, ms(2)));
        assert_eq!((pacer.pop(ms(2)), pacer.pop(ms(60)), pacer.pop(ms(200))), (Some(11), Some(13), None));
        assert_eq!((pacer.servers.len(), pacer.by_address.len(), pacer.deadline()), (0, 0, None));
    }

    #[test]
    fn who_changes_its_mind_waits_elsewhere() {
        let mut pacer = pacer();
        (0..10).for_each(|_| {
            pacer.begin(server(1));
        });
        assert!(!pacer.admit(10, server(1), ms(0)));
        assert!(pacer.admit(10, server(2), ms(0)));
        assert!(!pacer.admit(10, server(1), ms(0)));
        assert_eq!(pacer.servers.len(), 1);
    }
}
