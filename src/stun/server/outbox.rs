//! Replies that wait for the host, in one piece of memory.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::Server;
use crate::net::{FiveTuple, Transmit};

/// A queue of replies. They stay until the next input after they were polled, since their bytes are lent.
///
/// ```text
///   bytes:   | gone | polled, lent | queued | draft |
///                   ^ first entry           ^ `end`
/// ```
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// Where the latest reply ends, and a draft begins.
    end: usize,
    replies: VecDeque<Reply>,
    /// How many of `replies`, from the front, have been polled.
    polled: usize,
}

#[derive(Debug)]
struct Reply {
    path: FiveTuple,
    socket_id: u32,
    start: usize,
    length: usize,
}

impl Outbox {
    /// Whether too much waits already for one more, however long.
    pub(super) fn is_full(&self) -> bool {
        self.replies.len() >= Server::MAX_QUEUED_REPLIES
            || self.end.saturating_add(Server::MAX_PADDED_REPLY) > MAX_BYTES
    }

    /// Room for a draft of that length; `None` where too much waits already.
    pub(super) fn draft(&mut self, room: usize) -> Option<&mut [u8]> {
        let needed = self.end.saturating_add(room);
        if self.replies.len() >= Server::MAX_QUEUED_REPLIES || needed > MAX_BYTES {
            return None;
        }
        if self.bytes.len() < needed {
            self.bytes.resize(needed, 0);
        }
        self.bytes.get_mut(self.end..needed)
    }

    /// Queues the first `length` bytes of the draft.
    pub(super) fn push(&mut self, path: FiveTuple, socket_id: u32, length: usize) {
        self.replies.push_back(Reply { path, socket_id, start: self.end, length });
        self.end = self.end.saturating_add(length);
    }

    pub(super) fn queued(&self) -> usize {
        self.replies.len().saturating_sub(self.polled)
    }

    pub(super) fn poll(&mut self) -> Option<Transmit<'_>> {
        let next = self.polled;
        self.polled = next.saturating_add(1).min(self.replies.len());
        self.replies.get(next).map(|reply| self.lend(reply))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Transmit<'_>> {
        self.replies.iter().skip(self.polled).map(|reply| self.lend(reply))
    }

    /// Gives back the room of replies that the host has been lent and is done with.
    pub(super) fn forget_polled(&mut self) {
        self.replies.drain(..self.polled.min(self.replies.len()));
        self.polled = 0;
        let gone = self.replies.front().map_or(self.end, |first| first.start);
        // Moving what is left is worth it once half of the room is gone.
        if self.replies.is_empty() || gone > MAX_BYTES / 2 {
            self.bytes.copy_within(gone..self.end, 0);
            self.end = self.end.saturating_sub(gone);
            self.replies.iter_mut().for_each(|reply| reply.start = reply.start.saturating_sub(gone));
        }
    }

    fn lend(&self, reply: &Reply) -> Transmit<'_> {
        let end = reply.start.saturating_add(reply.length);
        let payload = self.bytes.get(reply.start..end).unwrap_or_default();
        Transmit { path: reply.path, socket_id: reply.socket_id, ecn: 0, payload }
    }
}

/// Twice what [`Server::MAX_QUEUED_REPLIES`] of the usual replies need.
const MAX_BYTES: usize = 128 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_keep_their_bytes_through_every_order_of_pushes_and_polls() {
        let path = FiveTuple::udp("192.0.2.1:1".parse().unwrap(), "192.0.2.2:2".parse().unwrap());
        let (mut outbox, mut pushed, mut polled) = (Outbox::default(), 0_u32, 0_u32);
        for round in 0..3000_u32 {
            outbox.forget_polled();
            for _ in 0..round % 3 {
                let Some(draft) = outbox.draft(220) else { continue };
                draft.fill(pushed as u8);
                outbox.push(path, pushed, 200);
                pushed += 1;
            }
            if round % 4 != 0 {
                if let Some(reply) = outbox.poll() {
                    assert_eq!((reply.socket_id, reply.payload), (polled, &[polled as u8; 200][..]));
                    polled += 1;
                }
            }
        }
        assert!(polled > 2000 && outbox.queued() == (pushed - polled) as usize);
        assert!(outbox.bytes.len() <= MAX_BYTES);
    }
}
