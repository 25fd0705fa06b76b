//! What a server tells its host: who asks too much.

use alloc::collections::VecDeque;
use core::net::IpAddr;

/// Something that a host may want to act on, such as by a rule of its firewall.
///
/// Addresses come without a port: the next datagram has another one. One is the latest of its network, an IPv4
/// /24 or an IPv6 /56, and may be forged where nothing has proved it. At most one event of each kind comes for
/// one network in [`Budget::WINDOW`](super::Budget::WINDOW).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerEvent {
    /// A network has been refused [`Budget::THROTTLED_AFTER`](super::Budget::THROTTLED_AFTER) replies that
    /// were beyond its budget.
    Throttled {
        /// One of that network.
        address: IpAddr,
    },
    /// A network has signed wrongly, or for users that do not exist,
    /// [`Budget::FAILURES_AFTER`](super::Budget::FAILURES_AFTER) times.
    AuthenticationFailures {
        /// One of that network.
        address: IpAddr,
        /// Whether the latest request carried a nonce that was given to this very address and port: it is not
        /// forged then.
        is_proven: bool,
    },
}

impl core::fmt::Display for ServerEvent {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Throttled { address } => write!(f, "throttled the network of {address}"),
            Self::AuthenticationFailures { address, .. } => {
                write!(f, "the network of {address} keeps failing to authenticate")
            }
        }
    }
}

/// Events that wait for the host. More than [`super::Server::MAX_EVENTS`] are dropped and counted.
#[derive(Debug)]
pub(super) struct Events {
    queue: VecDeque<ServerEvent>,
    dropped: u32,
}

impl Events {
    /// Allocates once, so that nobody's requests do.
    pub(super) fn with_room(events: usize) -> Self {
        Self { queue: VecDeque::with_capacity(events), dropped: 0 }
    }

    pub(super) fn push(&mut self, event: Option<ServerEvent>) {
        let Some(event) = event else { return };
        if self.queue.len() < super::Server::MAX_EVENTS {
            self.queue.push_back(event);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    pub(super) fn pop(&mut self) -> Option<ServerEvent> {
        self.queue.pop_front()
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) const fn dropped(&self) -> u32 {
        self.dropped
    }
}
