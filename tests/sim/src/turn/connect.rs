//! TCP allocations (RFC 6062 s5): Connect, ConnectionAttempt, ConnectionBind, and the bytes of bound connections.
//! Connections with peers are numbers here; they open at once or not at all.

use std::net::SocketAddr;
use std::time::Duration;

use libstun::FiveTuple;
use libstun::wire::attribute::{ConnectionId, XorPeerAddress};
use libstun::wire::{Message, Method};

use super::credentials::Caller;
use super::reply::{Extra, Handled, Refusal};
use super::{Connection, Output, TurnServer};

impl TurnServer {
    /// RFC 6062 s5.2. Needs no permission.
    pub(super) fn connect(&mut self, path: FiveTuple, message: &Message<'_>, caller: &Caller) -> Handled {
        let position = self.owned(path, caller)?;
        let peer = message.get::<XorPeerAddress>().ok().flatten().ok_or(400)?.0;
        let Some(allocation) = self.allocations.get(position) else { return Err(Refusal::from(437)) };
        if !allocation.is_tcp {
            return Err(Refusal::from(400));
        }
        if allocation.connections.iter().any(|connection| connection.peer == peer) {
            return Err(Refusal::from(446));
        }
        self.check_peer(position, peer)?;
        if self.config.refusing_peers.contains(&peer) {
            return Err(Refusal::from(447));
        }
        let id = self.open(position, peer).ok_or(447)?;
        Ok(vec![Extra::Connection(id)])
    }

    /// RFC 6062 s5.4. Arrives on a connection of its own, which carries data from then on.
    pub(super) fn connection_bind(
        &mut self,
        path: FiveTuple,
        message: &Message<'_>,
        caller: &Caller,
    ) -> Handled {
        let id = message.get::<ConnectionId>().ok().flatten().ok_or(400)?.0;
        if !path.transport.is_reliable() || self.position(path).is_some() {
            return Err(Refusal::from(400));
        }
        let mut theirs = self.allocations.iter_mut().filter(|one| one.username == caller.username);
        let pending = theirs.find_map(|one| {
            one.connections.iter_mut().find(|connection| connection.id == id && connection.client.is_none())
        });
        pending.ok_or(400)?.client = Some(path);
        Ok(Vec::new())
    }

    /// RFC 6062 s5.3.
    pub(super) fn accept(&mut self, relayed: SocketAddr, peer: SocketAddr) -> Option<u32> {
        let position = self.position_of_relay(relayed)?;
        let allocation = self.allocations.get(position)?;
        if !allocation.is_tcp || !allocation.permits(peer.ip()) {
            self.record.drops.unpermitted_from_peer += 1;
            return None;
        }
        let path = allocation.path;
        let id = self.open(position, peer)?;
        let extras = vec![Extra::Peer(peer), Extra::Connection(id)];
        let payload = self.indication(Method::CONNECTION_ATTEMPT, extras);
        self.outputs.push_back(Output::ToClient { path, payload });
        Some(id)
    }

    /// What a peer sends before its connection is bound waits for that (RFC 6062 s5.2).
    pub(super) fn relay_stream_from_peer(&mut self, position: usize, peer: SocketAddr, bytes: &[u8]) {
        let Some(allocation) = self.allocations.get_mut(position) else { return };
        let connection = allocation.connections.iter_mut().find(|connection| connection.peer == peer);
        let Some(connection) = connection else {
            self.record.drops.unpermitted_from_peer += 1;
            return;
        };
        match connection.client {
            None => connection.buffered.extend(bytes),
            Some(path) => {
                self.record.relayed_to_client += 1;
                self.outputs.push_back(Output::ToClient { path, payload: bytes.to_vec() });
            }
        }
    }

    /// Bytes of a bound data connection. Whether they were.
    pub(super) fn relay_stream(&mut self, path: FiveTuple, bytes: &[u8]) -> bool {
        let mut all = self.allocations.iter().flat_map(|allocation| &allocation.connections);
        let Some(connection) = all.find(|connection| connection.client == Some(path)) else { return false };
        let (from, to) = (connection.relayed, connection.peer);
        self.record.relayed_to_peer += 1;
        self.outputs.push_back(Output::ToPeer {
            from,
            to,
            payload: bytes.to_vec(),
            must_not_fragment: false,
        });
        true
    }

    /// What waited for a ConnectionBind, after its response.
    pub(super) fn flush(&mut self, path: FiveTuple) {
        let mut all = self.allocations.iter_mut().flat_map(|allocation| &mut allocation.connections);
        let Some(connection) = all.find(|connection| connection.client == Some(path)) else { return };
        let payload = std::mem::take(&mut connection.buffered);
        if !payload.is_empty() {
            self.record.relayed_to_client += 1;
            self.outputs.push_back(Output::ToClient { path, payload });
        }
    }

    fn open(&mut self, position: usize, peer: SocketAddr) -> Option<u32> {
        let bind_until = self.now.saturating_add(BIND_TIMEOUT);
        let allocation = self.allocations.get_mut(position)?;
        let relayed = allocation.relayed_for(peer.ip())?;
        let id = self.next_connection;
        self.next_connection += 1;
        let buffered = Vec::new();
        allocation.connections.push(Connection { id, peer, relayed, client: None, bind_until, buffered });
        Some(id)
    }
}

/// RFC 6062 s5.2: 30 s.
const BIND_TIMEOUT: Duration = Duration::from_secs(30);
