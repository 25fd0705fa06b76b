//! Data both ways: Send and Data indications (RFC 8656 s11), ChannelData (s12.4 to s12.7).

use std::net::SocketAddr;

use libstun::FiveTuple;
use libstun::wire::attribute::{Data, DontFragment, Icmp, XorPeerAddress};
use libstun::wire::{ChannelData, Class, Message, Method, TransactionId};

use super::reply::{Extra, Reply};
use super::{Output, TurnServer};

impl TurnServer {
    pub(super) fn handle_send(&mut self, path: FiveTuple, message: &Message<'_>) {
        let peer = message.get::<XorPeerAddress>().ok().flatten();
        let data = message.get::<Data<'_>>().ok().flatten();
        let (Some(peer), Some(data)) = (peer, data) else {
            self.record.drops.malformed += 1;
            return;
        };
        if !self.unknown_attributes(message).is_empty() {
            self.record.drops.malformed += 1;
            return;
        }
        self.record.send_indications += 1;
        let must_not_fragment = message.get::<DontFragment>().is_ok_and(|flag| flag.is_some());
        self.settle(path);
        self.relay_to_peer(path, peer.0, data.0, must_not_fragment);
    }

    pub(super) fn handle_channel_data(&mut self, path: FiveTuple, message: &ChannelData<'_>) {
        self.record.channel_data += 1;
        self.settle(path);
        let Some(allocation) = self.allocation(path) else {
            self.record.drops.without_allocation += 1;
            return;
        };
        match allocation.peer_of(message.number, self.now) {
            Some(peer) => self.relay_to_peer(path, peer, message.data, false),
            None => self.record.drops.unbound_channel += 1,
        }
    }

    pub(super) fn relay_from_peer(&mut self, relayed: SocketAddr, peer: SocketAddr, payload: &[u8]) {
        let Some(position) = self.position_of_relay(relayed) else {
            self.record.drops.unallocated += 1;
            return;
        };
        let Some(allocation) = self.allocations.get(position) else { return };
        if allocation.is_tcp {
            return self.relay_stream_from_peer(position, peer, payload);
        }
        if !allocation.permits(peer.ip()) {
            self.record.drops.unpermitted_from_peer += 1;
            return;
        }
        let path = allocation.data_path();
        let payload = match allocation.channel_to(peer, self.now) {
            Some(number) => {
                let is_padded = path.transport.is_reliable();
                let mut buffer = vec![0; payload.len() + CHANNEL_OVERHEAD];
                let bytes = ChannelData::write(&mut buffer, number, payload, is_padded);
                bytes.map(<[u8]>::to_vec).unwrap_or_default()
            }
            None => self.indication(Method::DATA, vec![Extra::Peer(peer), Extra::Data(payload.to_vec())]),
        };
        self.record.relayed_to_client += 1;
        self.outputs.push_back(Output::ToClient { path, payload });
    }

    pub(super) fn relay_icmp(&mut self, relayed: SocketAddr, peer: SocketAddr, icmp: Icmp) {
        let allocation = self.position_of_relay(relayed).and_then(|position| self.allocations.get(position));
        let Some(allocation) = allocation.filter(|allocation| allocation.permits(peer.ip())) else {
            self.record.drops.unpermitted_from_peer += 1;
            return;
        };
        let path = allocation.data_path();
        let payload = self.indication(Method::DATA, vec![Extra::Peer(peer), Extra::Icmp(icmp)]);
        self.outputs.push_back(Output::ToClient { path, payload });
    }

    /// An indication, which nobody signs (RFC 8656 s5).
    pub(super) fn indication(&mut self, method: Method, extras: Vec<Extra>) -> Vec<u8> {
        let id = TransactionId::new(self.entropy.bytes());
        let has_fingerprint = self.config.has_fingerprint;
        Reply { class: Class::Indication, method, id, extras, seal: None, has_fingerprint }.encode()
    }

    pub(super) fn position_of_relay(&self, relayed: SocketAddr) -> Option<usize> {
        let owns = |relays: &[super::Relay]| relays.iter().any(|relay| relay.address == relayed);
        self.allocations.iter().position(|allocation| owns(&allocation.relays))
    }

    /// Data from where a mobile client is now: the old place is forgotten (RFC 8016 s3.2.2).
    fn settle(&mut self, path: FiveTuple) {
        if let Some(allocation) = self.allocations.iter_mut().find(|allocation| allocation.path == path) {
            allocation.previous_path = None;
        }
    }

    /// Neither refreshes anything (RFC 8656 s11.2, s12.6).
    fn relay_to_peer(&mut self, path: FiveTuple, peer: SocketAddr, data: &[u8], must_not_fragment: bool) {
        let Some(allocation) = self.allocation(path) else {
            self.record.drops.without_allocation += 1;
            return;
        };
        let is_allowed = !allocation.is_tcp
            && allocation.permits(peer.ip())
            && !self.config.denied_peers.contains(&peer.ip());
        let Some(from) = allocation.relayed_for(peer.ip()).filter(|_| is_allowed) else {
            self.record.drops.unpermitted_to_peer += 1;
            return;
        };
        self.record.relayed_to_peer += 1;
        self.outputs.push_back(Output::ToPeer { from, to: peer, payload: data.to_vec(), must_not_fragment });
    }
}

/// A header of four bytes, and up to three of padding.
const CHANNEL_OVERHEAD: usize = 7;
