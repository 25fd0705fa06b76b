//! Connections to peers on their way from the server's side to the host's (RFC 6062).

use alloc::vec::Vec;
use core::net::SocketAddr;

use super::asking::Ask;
use crate::net::{FiveTuple, same_endpoint};
use crate::time::{Instant, earliest};
use crate::wire::attribute::ConnectionId;

/// Connections that are being made. Once bound, a connection is the host's own.
#[derive(Debug, Default)]
pub(super) struct Connections {
    list: Vec<Connection>,
    next_key: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Connection {
    key: u32,
    pub(super) peer: SocketAddr,
    pub(super) id: Option<ConnectionId>,
    state: State,
}

/// ```text
///   connect --> Wanted <--> Connecting --success--> Offered <-- ConnectionAttempt
///                                                      |  the host has opened one
///                                                      v
///                            BindWanted <--> Binding --success--> (the host's)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Connect is to be asked.
    Wanted,
    /// Connect is outstanding.
    Connecting,
    /// The host is to open a connection until then.
    Offered { until: Option<Instant> },
    /// ConnectionBind is to be asked.
    BindWanted { path: FiveTuple, socket_id: u32 },
    /// ConnectionBind is outstanding.
    Binding { path: FiveTuple, socket_id: u32 },
}

impl Connections {
    /// Connections that may be in the making at a time.
    pub(super) const MAX: usize = 64;

    pub(super) fn is_full(&self) -> bool {
        self.list.len() >= Self::MAX
    }

    /// Whether Connect to that peer is under way: two at a time are forbidden (RFC 6062 s4.3).
    pub(super) fn is_connecting_to(&self, peer: &SocketAddr) -> bool {
        let is_early = |one: &&Connection| matches!(one.state, State::Wanted | State::Connecting);
        self.list.iter().filter(is_early).any(|one| same_endpoint(&one.peer, peer))
    }

    /// Wants a connection to a peer.
    pub(super) fn want(&mut self, peer: SocketAddr) {
        self.add(peer, None, State::Wanted);
    }

    /// A peer has connected (RFC 6062 s4.4). Says whether that is news, for which there is room.
    pub(super) fn offer(&mut self, peer: SocketAddr, id: ConnectionId, until: Option<Instant>) -> bool {
        let is_new = !self.is_full() && !self.list.iter().any(|one| one.id == Some(id));
        if is_new {
            self.add(peer, Some(id), State::Offered { until });
        }
        is_new
    }

    /// The server has connected to the peer: it is the host's turn. Gives the peer.
    pub(super) fn connected(
        &mut self,
        key: u32,
        id: ConnectionId,
        until: Option<Instant>,
    ) -> Option<SocketAddr> {
        let one = self.get_mut(key)?;
        (one.id, one.state) = (Some(id), State::Offered { until });
        Some(one.peer)
    }

    /// The host has opened a connection for the one that the server offers. Says whether it does.
    pub(super) fn opened(&mut self, id: ConnectionId, path: FiveTuple, socket_id: u32) -> bool {
        let is_offered =
            |one: &&mut Connection| one.id == Some(id) && matches!(one.state, State::Offered { .. });
        let found = self.list.iter_mut().find(is_offered);
        found.map(|one| one.state = State::BindWanted { path, socket_id }).is_some()
    }

    /// Takes a connection off the list.
    pub(super) fn take(&mut self, key: u32) -> Option<Connection> {
        let place = self.list.iter().position(|one| one.key == key)?;
        Some(self.list.remove(place))
    }

    /// Takes any connection off the list.
    pub(super) fn pop(&mut self) -> Option<Connection> {
        self.list.pop()
    }

    /// Takes a connection off the list about which the server is asked, or is to be.
    pub(super) fn pop_asked(&mut self) -> Option<Connection> {
        let place = self.list.iter().position(|one| !matches!(one.state, State::Offered { .. }))?;
        Some(self.list.remove(place))
    }

    /// Takes a connection off the list that the host has not opened in time.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Connection> {
        let is_due = |one: &Connection| matches!(one.state, State::Offered { until: Some(at) } if at <= now);
        let place = self.list.iter().position(is_due)?;
        Some(self.list.remove(place))
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.list.iter().fold(None, |least, one| match one.state {
            State::Offered { until } => earliest(least, until),
            _ => least,
        })
    }

    pub(super) fn has_wanted(&self) -> bool {
        self.list.iter().any(|one| matches!(one.state, State::Wanted | State::BindWanted { .. }))
    }

    /// What is to be asked next.
    pub(super) fn take_next(&mut self) -> Option<Ask> {
        self.list.iter_mut().find_map(|one| match one.state {
            State::Wanted => {
                one.state = State::Connecting;
                Some(Ask::Connect(one.key))
            }
            State::BindWanted { path, socket_id } => {
                one.state = State::Binding { path, socket_id };
                Some(Ask::ConnectionBind(one.key))
            }
            _ => None,
        })
    }

    /// What was asked has to be asked once more.
    pub(super) fn put_back(&mut self, key: u32) {
        if let Some(one) = self.get_mut(key) {
            one.state = match one.state {
                State::Connecting => State::Wanted,
                State::Binding { path, socket_id } => State::BindWanted { path, socket_id },
                other => other,
            };
        }
    }

    pub(super) fn peer(&self, key: u32) -> Option<SocketAddr> {
        self.get(key).map(|one| one.peer)
    }

    pub(super) fn id(&self, key: u32) -> Option<ConnectionId> {
        self.get(key)?.id
    }

    /// The connection between host and server.
    pub(super) fn path(&self, key: u32) -> Option<(FiveTuple, u32)> {
        self.get(key)?.path()
    }

    /// Whether one is being bound on that path.
    pub(super) fn are_on(&self, path: &FiveTuple) -> bool {
        self.list.iter().filter_map(Connection::path).any(|(own, _)| own.admits(path))
    }

    fn add(&mut self, peer: SocketAddr, id: Option<ConnectionId>, state: State) {
        let key = self.next_key;
        self.next_key = key.wrapping_add(1);
        self.list.push(Connection { key, peer, id, state });
    }

    fn get(&self, key: u32) -> Option<&Connection> {
        self.list.iter().find(|one| one.key == key)
    }

    fn get_mut(&mut self, key: u32) -> Option<&mut Connection> {
        self.list.iter_mut().find(|one| one.key == key)
    }
}

impl Connection {
    fn path(&self) -> Option<(FiveTuple, u32)> {
        match self.state {
            State::BindWanted { path, socket_id } | State::Binding { path, socket_id } => {
                Some((path, socket_id))
            }
            _ => None,
        }
    }
}
