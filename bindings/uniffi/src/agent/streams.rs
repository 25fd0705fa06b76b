//! TCP and TLS connections of the host's, whose bytes the agent cuts into frames.

use libstun::{OperationId, Outcome};

use super::{RawAgent, time};
use crate::address::{Endpoint, Meta, path};
use crate::error::{Refusal, invalid};
use crate::output::Output;

#[uniffi::export]
impl RawAgent {
    /// A connection of the host's is open. Gives its id, for the other two calls.
    ///
    /// # Errors
    /// The path is one of UDP, an address is none, or there are too many operations.
    pub fn open_stream(
        &self,
        local: Endpoint,
        remote: Endpoint,
        meta: u64,
        now: u64,
    ) -> Result<u64, Refusal> {
        let (meta, now) = (Meta::try_from(meta)?, time(now)?);
        let path = path(meta.transport, local, remote)?;
        if !path.transport.is_reliable() {
            return Err(invalid("UDP has no connections"));
        }
        Ok(self.with(|agent| agent.open_stream(path, meta.socket_id, now))??.as_u64())
    }

    /// Bytes were read from a connection, however they were split: brings back all that came of them, as `exchange`
    /// does, with any number of peers' data.
    ///
    /// # Errors
    /// No connection has that id, or it was closed before.
    pub fn exchange_stream(&self, id: u64, bytes: &[u8], now: u64) -> Result<Vec<u8>, Refusal> {
        let (id, now) = (OperationId::from_u64(id), time(now)?);
        Ok(self.with(|agent| {
            let (mut output, mut rest, mut count) = (Output::of(&Outcome::Consumed), bytes, 0_u32);
            loop {
                let (taken, inner) = agent.unwrap_stream(id, rest, now)?;
                let Some(inner) = inner else { break };
                count = count.saturating_add(1);
                output.peer_data(&inner, count);
                rest = rest.get(taken..).unwrap_or_default();
            }
            Ok::<_, libstun::agent::UnknownOperation>(output.drain(agent))
        })??)
    }

    /// A connection is closed, by either end. Those who asked over it and go on ask for another one with an event.
    ///
    /// # Errors
    /// No connection has that id.
    pub fn close_stream(&self, id: u64, now: u64) -> Result<(), Refusal> {
        let now = time(now)?;
        Ok(self.with(|agent| agent.close_stream(OperationId::from_u64(id), now))??)
    }
}
