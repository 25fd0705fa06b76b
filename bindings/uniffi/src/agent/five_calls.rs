//! The loop as C and Python have it, each call crossing by itself: only to measure what one crossing saves.
//!
//! What is polled comes as flat bytes too, which is the cheapest way across.

use libstun::{Datagram, Machine, Outcome};
use libstun_flat::NEVER;

use super::{RawAgent, time};
use crate::address::{Endpoint, Meta, path};
use crate::error::Refusal;
use crate::output::Output;

#[uniffi::export]
impl RawAgent {
    /// A datagram has arrived: 0 ignored, 1 consumed, 2 data of a peer, which is lost here.
    #[allow(clippy::too_many_arguments)] // those of `exchange`
    pub fn handle_input(
        &self,
        datagram: &[u8],
        local_tag: u64,
        local_low: u64,
        local_high: u64,
        remote_tag: u64,
        remote_low: u64,
        remote_high: u64,
        meta: u64,
        now: u64,
    ) -> Result<u8, Refusal> {
        let local = Endpoint { tag: local_tag, low: local_low, high: local_high };
        let remote = Endpoint { tag: remote_tag, low: remote_low, high: remote_high };
        let (meta, now) = (Meta::try_from(meta)?, time(now)?);
        let path = path(meta.transport, local, remote)?;
        let arrived = Datagram { path, ecn: meta.ecn, socket_id: meta.socket_id, payload: datagram };
        self.with(|agent| match agent.handle_input(&arrived, now) {
            Outcome::Unclaimed => 0,
            Outcome::Consumed => 1,
            Outcome::Unwrapped(_) => 2,
        })
    }

    /// Time has come.
    pub fn handle_timeout(&self, now: u64) -> Result<(), Refusal> {
        let now = time(now)?;
        self.with(|agent| agent.handle_timeout(now))
    }

    /// The next datagram to send as a packet of `output`, or nothing.
    pub fn poll_transmit(&self) -> Result<Vec<u8>, Refusal> {
        self.with(|agent| {
            let next = agent.poll_transmit();
            next.map(|packet| Output::only_packet(&packet.path, packet.ecn, packet.socket_id, packet.payload))
                .unwrap_or_default()
        })
    }

    /// The next event as one of `output`, or nothing.
    pub fn poll_event(&self) -> Result<Vec<u8>, Refusal> {
        self.with(|agent| {
            agent.poll_event().map(|happened| Output::only_event(&happened)).unwrap_or_default()
        })
    }

    /// When to call `handle_timeout` at the latest.
    pub fn poll_timeout(&self) -> Result<u64, Refusal> {
        self.with(|agent| agent.poll_timeout().map_or(NEVER, |at| at.as_nanos()))
    }
}
