//! The agent: the core's under a lock, and what its host calls.

mod commands;
#[cfg(feature = "five-calls")]
mod five_calls;
mod relays;
mod streams;

use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::{Arc, Mutex, PoisonError};

use libstun::{Agent, Datagram, Entropy, Instant, Machine, OperationId, Outcome, Receipt};
use libstun_flat::NEVER;
use libstun_flat::codes::{drop_reason, send_error};
use zeroize::Zeroizing;

use crate::address::{Endpoint, Meta, path};
use crate::error::{self, Refusal, invalid};
use crate::output::Output;

/// Any number of operations behind one set of calls.
///
/// Any number of threads may use one; each call is atomic. Times are nanoseconds of the host's monotonic clock; one that
/// is earlier than one already seen counts as the latest seen.
#[derive(uniffi::Object)]
pub struct RawAgent {
    inner: Mutex<Inner>,
}

struct Inner {
    agent: Agent,
    /// A call was caught in a bug: what the agent knows may be half written.
    is_broken: bool,
}

#[uniffi::export]
impl RawAgent {
    /// An agent without operations. `seed` is 32 secret bytes that all its randomness comes from, or empty for the
    /// operating system's; `max_operations` 0 is the default, which is also the most.
    ///
    /// # Errors
    /// The seed has another length, `now` is no time, or the system gave no random bytes.
    #[uniffi::constructor]
    pub fn new(now: u64, seed: Vec<u8>, max_operations: u64) -> Result<Arc<Self>, Refusal> {
        let (seed, now) = (Zeroizing::new(seed), time(now)?);
        let entropy = match seed.as_slice() {
            [] => Entropy::from_os().map_err(error::no_entropy)?,
            given => Entropy::from_seed(given.try_into().map_err(|_| invalid("a seed has 32 bytes"))?),
        };
        let mut agent = Agent::new(entropy, now);
        if max_operations > 0 {
            agent.set_max_operations(usize::try_from(max_operations).unwrap_or(usize::MAX));
        }
        Ok(Arc::new(Self { inner: Mutex::new(Inner { agent, is_broken: false }) }))
    }

    /// A datagram has arrived: hands it in, and brings back all that came of it (see `output`).
    ///
    /// `local_*` is what the socket is bound to, zeros if that does not matter; `meta` see `address::Meta`.
    ///
    /// # Errors
    /// An address, `meta` or `now` is none. Nothing in the datagram is ever an error.
    #[allow(clippy::too_many_arguments)] // numbers cross without an object for them
    pub fn exchange(
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
    ) -> Result<Vec<u8>, Refusal> {
        let local = Endpoint { tag: local_tag, low: local_low, high: local_high };
        let remote = Endpoint { tag: remote_tag, low: remote_low, high: remote_high };
        let (meta, now) = (Meta::try_from(meta)?, time(now)?);
        let path = path(meta.transport, local, remote)?;
        let arrived = Datagram { path, ecn: meta.ecn, socket_id: meta.socket_id, payload: datagram };
        self.with(|agent| {
            let outcome = agent.handle_input(&arrived, now);
            Output::of(&outcome).drain(agent)
        })
    }

    /// Time has come, or may have: brings back all that came of it. An early call changes nothing.
    ///
    /// # Errors
    /// `now` is no time.
    pub fn tick(&self, now: u64) -> Result<Vec<u8>, Refusal> {
        let now = time(now)?;
        self.with(|agent| {
            agent.handle_timeout(now);
            Output::of(&Outcome::Consumed).drain(agent)
        })
    }

    /// What is queued, whatever the time: after a command, or when a buffer was full.
    ///
    /// # Errors
    /// Only a bug that was caught.
    pub fn drain(&self) -> Result<Vec<u8>, Refusal> {
        self.with(|agent| Output::of(&Outcome::Consumed).drain(agent))
    }

    /// A datagram could not be sent, or an ICMP error has come: `kind` is a `stun_send_error_code`, `datagram` its bytes,
    /// of which the first 20 are enough, or empty if they are not known any more. Says whether it was STUN: if not, it
    /// was another protocol's. Drain after it.
    ///
    /// # Errors
    /// An address, the transport, the kind or `now` is none.
    pub fn send_failed(
        &self,
        datagram: &[u8],
        local: Endpoint,
        remote: Endpoint,
        transport: u32,
        kind: u32,
        now: u64,
    ) -> Result<bool, Refusal> {
        let (path, error, now) = (path(transport, local, remote)?, send_error(kind)?, time(now)?);
        let receipt = Receipt::of(path, datagram);
        self.with(|agent| receipt.inspect(|receipt| agent.handle_send_error(receipt, error, now)).is_some())
    }

    /// How many messages from the network were dropped, for a `stun_drop_code`; 0 is any reason.
    ///
    /// # Errors
    /// There is no such reason.
    pub fn dropped(&self, reason: u32) -> Result<u32, Refusal> {
        let reason = drop_reason(reason)?;
        self.with(|agent| match reason {
            Some(reason) => agent.counters().dropped(reason),
            None => agent.counters().total(),
        })
    }

    /// How many operations there are.
    ///
    /// # Errors
    /// Only a bug that was caught.
    pub fn operation_count(&self) -> Result<u64, Refusal> {
        self.with(|agent| u64::try_from(agent.operation_count()).unwrap_or(u64::MAX))
    }

    /// Whether an operation has that id and has not ended.
    ///
    /// # Errors
    /// Only a bug that was caught.
    pub fn contains(&self, id: u64) -> Result<bool, Refusal> {
        self.with(|agent| agent.contains(OperationId::from_u64(id)))
    }
}

impl RawAgent {
    /// Does something with the core's agent, and keeps a bug in it from reaching the host.
    fn with<R>(&self, f: impl FnOnce(&mut Agent) -> R) -> Result<R, Refusal> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.is_broken {
            return Err(error::poisoned());
        }
        catch_unwind(AssertUnwindSafe(|| f(&mut inner.agent))).map_err(|_| {
            inner.is_broken = true;
            error::caught()
        })
    }
}

/// The host's time; the number that stands for never is none.
fn time(now: u64) -> Result<Instant, Refusal> {
    if now == NEVER {
        return Err(invalid("now is never"));
    }
    Ok(Instant::from_nanos(now))
}

#[cfg(test)]
mod tests;
