//! Commands to allocations.

use libstun::OperationId;
use libstun::turn::{MAX_HEADROOM, MAX_TAILROOM};

use super::{RawAgent, time};
use crate::address::Endpoint;
use crate::config::{Credential, instant};
use crate::error::Refusal;
use crate::output::Output;

#[uniffi::export]
impl RawAgent {
    /// Lets a peer send to the relayed address and be sent to; its port means nothing.
    ///
    /// # Errors
    /// No such allocation, or it refuses; nothing has changed. The same for all of these.
    pub fn permit(&self, id: u64, peer: Endpoint, now: u64) -> Result<(), Refusal> {
        let (peer, now) = (peer.to_host()?, time(now)?);
        Ok(self.with(|agent| agent.permit_peer(OperationId::from_u64(id), peer, now))??)
    }

    /// Renews a permission no longer; says whether there was one.
    pub fn revoke(&self, id: u64, peer: Endpoint, now: u64) -> Result<bool, Refusal> {
        let (peer, now) = (peer.to_host()?, time(now)?);
        Ok(self.with(|agent| agent.revoke_peer(OperationId::from_u64(id), peer, now))??)
    }

    /// Binds a channel to a peer and keeps it bound.
    pub fn bind_channel(&self, id: u64, peer: Endpoint, now: u64) -> Result<(), Refusal> {
        let (peer, now) = (peer.to_required()?, time(now)?);
        Ok(self.with(|agent| agent.bind_channel(OperationId::from_u64(id), peer, now))??)
    }

    /// Renews a channel no longer; says whether there was one.
    pub fn release_channel(&self, id: u64, peer: Endpoint, now: u64) -> Result<bool, Refusal> {
        let (peer, now) = (peer.to_required()?, time(now)?);
        Ok(self.with(|agent| agent.release_channel(OperationId::from_u64(id), peer, now))??)
    }

    /// Frames data for a peer: one packet as in `output`, for the host to send. Nothing is queued.
    pub fn send_to_peer(
        &self,
        id: u64,
        peer_tag: u64,
        peer_low: u64,
        peer_high: u64,
        data: &[u8],
        now: u64,
    ) -> Result<Vec<u8>, Refusal> {
        let peer = Endpoint { tag: peer_tag, low: peer_low, high: peer_high }.to_required()?;
        let (id, now) = (OperationId::from_u64(id), time(now)?);
        // What is longer than any datagram is refused by the core, and needs no room here.
        let room = data.len().min(usize::from(u16::MAX)).saturating_add(MAX_HEADROOM + MAX_TAILROOM);
        let mut buffer = vec![0; room];
        Ok(self.with(|agent| {
            let sent = agent.send_to_peer(id, peer, data, &mut buffer, now);
            sent.map(|packet| Output::only_packet(&packet.path, packet.ecn, packet.socket_id, packet.payload))
        })??)
    }

    /// Deletes an allocation at the server, then ends it.
    pub fn close_relay(&self, id: u64, now: u64) -> Result<(), Refusal> {
        let now = time(now)?;
        Ok(self.with(|agent| agent.close_relay(OperationId::from_u64(id), now))??)
    }

    /// Gives an allocation other credentials, which expire at a time of the host's clock, or never.
    pub fn set_credentials(
        &self,
        id: u64,
        credential: Credential,
        expire: u64,
        now: u64,
    ) -> Result<(), Refusal> {
        let (credentials, now) = (credential.read()?, time(now)?);
        let expire = instant(expire);
        Ok(self.with(|agent| agent.set_credentials(OperationId::from_u64(id), credentials, expire, now))??)
    }
}
