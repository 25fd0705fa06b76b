//! Keys in the order in which they became ready.

use alloc::vec::Vec;

/// A queue of small integer keys, such as a slab's, each in it at most once.
///
/// Joining at the end, taking the first and leaving from the middle cost O(1): an operation that ends while
/// it waits must not cost a search through a hundred thousand others. Memory grows with the largest key ever
/// used and is kept.
#[derive(Debug, Default)]
pub(crate) struct ReadyQueue {
    /// For each key, its neighbours, or `None` outside the queue.
    links: Vec<Option<Link>>,
    first: Option<u32>,
    last: Option<u32>,
    length: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Link {
    before: Option<u32>,
    after: Option<u32>,
}

impl ReadyQueue {
    /// A queue with room for that many keys, counted from 0.
    pub(crate) fn with_capacity(keys: usize) -> Self {
        Self { links: Vec::with_capacity(keys), ..Self::default() }
    }

    pub(crate) const fn first(&self) -> Option<u32> {
        self.first
    }

    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(crate) fn contains(&self, key: u32) -> bool {
        matches!(self.links.get(key as usize), Some(Some(_)))
    }

    /// From the first to the last.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        core::iter::successors(self.first, |key| self.links.get(*key as usize)?.as_ref()?.after)
    }

    /// Joins at the end; a key that is in the queue keeps its place.
    pub(crate) fn push(&mut self, key: u32) {
        let wanted = (key as usize).saturating_add(1);
        if self.links.len() < wanted {
            self.links.resize(wanted, None);
        }
        let Some(slot @ None) = self.links.get_mut(key as usize) else { return };
        *slot = Some(Link { before: self.last, after: None });
        match self.last.replace(key) {
            Some(before) => self.set_after(before, Some(key)),
            None => self.first = Some(key),
        }
        self.length = self.length.saturating_add(1);
    }

    /// Leaves, wherever it stands; a key that is not in the queue changes nothing.
    pub(crate) fn remove(&mut self, key: u32) {
        let Some(link) = self.links.get_mut(key as usize).and_then(Option::take) else { return };
        match link.before {
            Some(before) => self.set_after(before, link.after),
            None => self.first = link.after,
        }
        match link.after {
            Some(after) => self.set_before(after, link.before),
            None => self.last = link.before,
        }
        self.length = self.length.saturating_sub(1);
    }

    /// Takes the first.
    pub(crate) fn pop(&mut self) -> Option<u32> {
        let key = self.first?;
        self.remove(key);
        Some(key)
    }

    fn set_after(&mut self, key: u32, after: Option<u32>) {
        if let Some(Some(link)) = self.links.get_mut(key as usize) {
            link.after = after;
        }
    }

    fn set_before(&mut self, key: u32, before: Option<u32>) {
        if let Some(Some(link)) = self.links.get_mut(key as usize) {
            link.before = before;
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::VecDeque;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_queue_that_is_searched(steps in proptest::collection::vec((0u8..3, 0u32..12), 0..300)) {
            let mut queue = ReadyQueue::default();
            let mut model: VecDeque<u32> = VecDeque::new();
            for (what, key) in steps {
                match what {
                    0 => {
                        queue.push(key);
                        if !model.contains(&key) {
                            model.push_back(key);
                        }
                    }
                    1 => {
                        queue.remove(key);
                        model.retain(|other| *other != key);
                    }
                    _ => prop_assert_eq!(queue.pop(), model.pop_front()),
                }
                prop_assert_eq!(queue.first(), model.front().copied());
                prop_assert!(queue.iter().eq(model.iter().copied()));
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.is_empty(), model.is_empty());
            }
        }
    }
}
