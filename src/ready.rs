//! Keys in the order in which they became ready.

use alloc::vec::Vec;

/// A queue of small integer keys, such as a slab's, each in it at most once.
///
/// Joining at the end, taking the first and leaving from the middle cost O(1): an operation that ends while
/// it waits must not cost a search through a hundred thousand others. Memory grows with the largest key ever
/// used and is kept.
#[derive(Debug, Default)]
pub(crate) struct ReadyQueue {
    links: Links,
    list: List,
}

impl ReadyQueue {
    /// A queue with room for that many keys, counted from 0.
    pub(crate) fn with_capacity(keys: usize) -> Self {
        Self { links: Links(Vec::with_capacity(keys)), list: List::default() }
    }

    pub(crate) const fn first(&self) -> Option<u32> {
        self.list.first
    }

    pub(crate) const fn len(&self) -> usize {
        self.list.length
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn contains(&self, key: u32) -> bool {
        self.links.contains(key)
    }

    /// From the first to the last.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        self.links.iter(&self.list)
    }

    /// Joins at the end; a key that is in the queue keeps its place.
    pub(crate) fn push(&mut self, key: u32) {
        self.links.push(&mut self.list, key);
    }

    /// Leaves, wherever it stands; a key that is not in the queue changes nothing.
    pub(crate) fn remove(&mut self, key: u32) {
        self.links.remove(&mut self.list, key);
    }

    /// Takes the first.
    pub(crate) fn pop(&mut self) -> Option<u32> {
        self.links.pop(&mut self.list)
    }
}

/// The links of any number of [`List`]s of keys, of which each key is in at most one.
#[derive(Debug, Default)]
pub(crate) struct Links(Vec<Option<Link>>);

/// Where a list begins and ends in its [`Links`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct List {
    first: Option<u32>,
    last: Option<u32>,
    length: usize,
}

/// The neighbours of a key.
#[derive(Clone, Copy, Debug, Default)]
struct Link {
    before: Option<u32>,
    after: Option<u32>,
}

impl List {
    pub(crate) const fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(crate) const fn first(&self) -> Option<u32> {
        self.first
    }
}

impl Links {
    /// Whether a key is in a list.
    pub(crate) fn contains(&self, key: u32) -> bool {
        matches!(self.0.get(key as usize), Some(Some(_)))
    }

    /// Appends a key, unless it is in a list already.
    pub(crate) fn push(&mut self, list: &mut List, key: u32) {
        let wanted = (key as usize).saturating_add(1);
        if self.0.len() < wanted {
            self.0.resize(wanted, None);
        }
        let Some(slot @ None) = self.0.get_mut(key as usize) else { return };
        *slot = Some(Link { before: list.last, after: None });
        match list.last.replace(key) {
            Some(before) => self.set_after(before, Some(key)),
            None => list.first = Some(key),
        }
        list.length = list.length.saturating_add(1);
    }

    /// Takes a key out of the list that it is in.
    pub(crate) fn remove(&mut self, list: &mut List, key: u32) {
        let Some(link) = self.0.get_mut(key as usize).and_then(Option::take) else { return };
        match link.before {
            Some(before) => self.set_after(before, link.after),
            None => list.first = link.after,
        }
        match link.after {
            Some(after) => self.set_before(after, link.before),
            None => list.last = link.before,
        }
        list.length = list.length.saturating_sub(1);
    }

    /// Takes the first key of a list.
    pub(crate) fn pop(&mut self, list: &mut List) -> Option<u32> {
        let key = list.first?;
        self.remove(list, key);
        Some(key)
    }

    /// The keys of a list, from the first to the last.
    pub(crate) fn iter(&self, list: &List) -> impl Iterator<Item = u32> + use<'_> {
        core::iter::successors(list.first, |key| self.after(*key))
    }

    fn after(&self, key: u32) -> Option<u32> {
        self.0.get(key as usize)?.as_ref()?.after
    }

    fn set_after(&mut self, key: u32, after: Option<u32>) {
        if let Some(Some(link)) = self.0.get_mut(key as usize) {
            link.after = after;
        }
    }

    fn set_before(&mut self, key: u32, before: Option<u32>) {
        if let Some(Some(link)) = self.0.get_mut(key as usize) {
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
