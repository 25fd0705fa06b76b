//! Many deadlines, the earliest known at once: a binary heap that also knows where each key stands.
//!
//! Setting, moving and cancelling cost O(log n), the earliest deadline O(1). Equal deadlines fire in the
//! order in which they were set, so that a run can be repeated to the bit (C8). Memory grows with the
//! largest key ever used and is kept: nothing is allocated in the steady state.

use alloc::vec::Vec;

use super::Instant;

/// Deadlines by small integer key, such as a slab's.
#[derive(Debug, Default)]
pub(crate) struct TimerTable {
    heap: Vec<Timer>,
    /// For each key, its place in `heap`, or [`ABSENT`].
    place: Vec<u32>,
    set_count: u64,
}

#[derive(Clone, Copy, Debug)]
struct Timer {
    at: Instant,
    order: u64,
    key: u32,
}

const ABSENT: u32 = u32::MAX;

impl TimerTable {
    /// A table with room for that many keys, counted from 0.
    pub(crate) fn with_capacity(keys: usize) -> Self {
        Self { heap: Vec::with_capacity(keys), place: Vec::with_capacity(keys), set_count: 0 }
    }

    /// The earliest deadline and its key.
    pub(crate) fn earliest(&self) -> Option<(Instant, u32)> {
        self.heap.first().map(|timer| (timer.at, timer.key))
    }

    /// The deadline of a key.
    pub(crate) fn get(&self, key: u32) -> Option<Instant> {
        let place = self.place.get(key as usize).copied().filter(|place| *place != ABSENT)?;
        self.heap.get(place as usize).map(|timer| timer.at)
    }

    /// Sets, moves or (with `None`) cancels the deadline of a key. Setting the deadline that a key already
    /// has keeps its turn among equals.
    pub(crate) fn set(&mut self, key: u32, at: Option<Instant>) {
        let place = self.place.get(key as usize).copied().unwrap_or(ABSENT);
        match at {
            None => self.remove(key, place),
            Some(at) if place == ABSENT => self.insert(key, at),
            Some(at) => self.reschedule(place, at),
        }
    }

    /// Takes the earliest key whose deadline is not after `now`.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<u32> {
        let (at, key) = self.earliest()?;
        if at > now {
            return None;
        }
        self.set(key, None);
        Some(key)
    }

    fn insert(&mut self, key: u32, at: Instant) {
        let wanted = (key as usize).saturating_add(1);
        if self.place.len() < wanted {
            self.place.resize(wanted, ABSENT);
        }
        let place = self.heap.len() as u32;
        let order = self.next_order();
        self.heap.push(Timer { at, order, key });
        self.note(place);
        self.sift_up(place);
    }

    fn reschedule(&mut self, place: u32, at: Instant) {
        if self.heap.get(place as usize).is_some_and(|timer| timer.at == at) {
            return;
        }
        let order = self.next_order();
        if let Some(timer) = self.heap.get_mut(place as usize) {
            timer.at = at;
            timer.order = order;
        }
        self.settle(place);
    }

    fn remove(&mut self, key: u32, place: u32) {
        if place == ABSENT || place as usize >= self.heap.len() {
            return;
        }
        self.heap.swap_remove(place as usize);
        if let Some(entry) = self.place.get_mut(key as usize) {
            *entry = ABSENT;
        }
        if (place as usize) < self.heap.len() {
            self.note(place);
            self.settle(place);
        }
    }

    fn next_order(&mut self) -> u64 {
        self.set_count = self.set_count.wrapping_add(1);
        self.set_count
    }

    /// Moves the timer at `place` to where it belongs.
    fn settle(&mut self, place: u32) {
        self.sift_up(place);
        self.sift_down(place);
    }

    fn sift_up(&mut self, mut place: u32) {
        while place > 0 {
            let parent = place.saturating_sub(1) / 2;
            if !self.fires_before(place, parent) {
                return;
            }
            self.swap(place, parent);
            place = parent;
        }
    }

    fn sift_down(&mut self, mut place: u32) {
        loop {
            let left = place.saturating_mul(2).saturating_add(1);
            let right = left.saturating_add(1);
            let child = if self.fires_before(right, left) { right } else { left };
            if !self.fires_before(child, place) {
                return;
            }
            self.swap(place, child);
            place = child;
        }
    }

    /// Whether the timer at `a` fires before the one at `b`; a place beyond the end never does.
    fn fires_before(&self, a: u32, b: u32) -> bool {
        match (self.heap.get(a as usize), self.heap.get(b as usize)) {
            (Some(a), Some(b)) => (a.at, a.order) < (b.at, b.order),
            _ => false,
        }
    }

    fn swap(&mut self, a: u32, b: u32) {
        self.heap.swap(a as usize, b as usize);
        self.note(a);
        self.note(b);
    }

    fn note(&mut self, place: u32) {
        if let Some(timer) = self.heap.get(place as usize) {
            if let Some(entry) = self.place.get_mut(timer.key as usize) {
                *entry = place;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_sorted_map(steps in proptest::collection::vec((0u32..40, proptest::option::of(0u64..50)), 0..400)) {
            let mut table = TimerTable::default();
            let mut model: BTreeMap<u32, u64> = BTreeMap::new();
            for (key, at) in steps {
                table.set(key, at.map(Instant::from_nanos));
                match at {
                    Some(at) => model.insert(key, at),
                    None => model.remove(&key),
                };
                prop_assert_eq!(table.earliest().map(|(at, _)| at.as_nanos()), model.values().min().copied());
            }
            let mut last = 0;
            while let Some((at, key)) = table.earliest() {
                prop_assert!(at.as_nanos() >= last);
                last = at.as_nanos();
                prop_assert_eq!(table.pop_due(at), Some(key));
                prop_assert_eq!(model.remove(&key), Some(last));
            }
            prop_assert!(model.is_empty());
        }
    }

    #[test]
    fn equal_deadlines_fire_in_the_order_they_were_set() {
        let mut table = TimerTable::default();
        for key in [4, 1, 3, 0, 2] {
            table.set(key, Some(Instant::from_nanos(7)));
        }
        table.set(4, Some(Instant::from_nanos(7)));
        let fired: Vec<u32> = core::iter::from_fn(|| table.pop_due(Instant::from_nanos(7))).collect();
        assert_eq!(fired, [4, 1, 3, 0, 2]);
    }

    #[test]
    fn nothing_fires_before_its_time() {
        let mut table = TimerTable::default();
        table.set(0, Some(Instant::from_nanos(7)));
        assert_eq!(table.pop_due(Instant::from_nanos(6)), None);
        assert_eq!(table.pop_due(Instant::from_nanos(7)), Some(0));
        assert_eq!(table.earliest(), None);
    }
}
