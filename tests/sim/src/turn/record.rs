//! What a test may ask of a server: who asked for what, what was dropped, and what no client may do.

use libstun::wire::{Class, Method, TransactionId};
use libstun::{FiveTuple, Instant};

/// A request, and how it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// When.
    pub at: Instant,
    /// On which path, as the server sees it.
    pub path: FiveTuple,
    /// For what.
    pub method: Method,
    /// Under which id.
    pub id: TransactionId,
    /// Whether it carried integrity.
    pub is_signed: bool,
    /// The code of the answer, 200 for a success, 0 if the request was lost on purpose.
    pub code: u16,
}

/// What the server dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// Neither STUN nor ChannelData, or an indication without what it needs.
    pub malformed: u64,
    /// Data from a client that has no allocation.
    pub without_allocation: u64,
    /// ChannelData on a number that is not bound.
    pub unbound_channel: u64,
    /// Data for a peer without permission, of a family that is not relayed, or that is denied.
    pub unpermitted_to_peer: u64,
    /// Data from a peer without permission.
    pub unpermitted_from_peer: u64,
    /// Data from a peer to an address that is nobody's.
    pub unallocated: u64,
}

/// The records of a server.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Every request, in order.
    pub asked: Vec<Asked>,
    /// What was dropped.
    pub drops: Drops,
    /// What a client did although it must not, a sentence each. A right client leaves this empty.
    pub violations: Vec<String>,
    /// Send indications that were well-formed, whatever became of them.
    pub send_indications: u64,
    /// ChannelData from clients that was well-formed, whatever became of it.
    pub channel_data: u64,
    /// Datagrams from a client that went on to a peer.
    pub relayed_to_peer: u64,
    /// Datagrams from a peer that went on to a client.
    pub relayed_to_client: u64,
}

impl Record {
    /// How many requests of a method there were, retransmissions included.
    #[must_use]
    pub fn count(&self, method: Method) -> usize {
        self.asked.iter().filter(|asked| asked.method == method).count()
    }

    /// How many requests of a method were answered with that code; 200 is success.
    #[must_use]
    pub fn answered(&self, method: Method, code: u16) -> usize {
        self.asked.iter().filter(|asked| asked.method == method && asked.code == code).count()
    }

    pub(super) fn refused(&mut self, method: Method, why: &str) {
        self.violations.push(format!("{method:?} {:?}: {why}", Class::Request));
    }
}
