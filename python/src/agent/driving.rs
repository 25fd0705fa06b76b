//! The loop: input, output and time.

use core::panic::AssertUnwindSafe;
use std::collections::VecDeque;
use std::panic::catch_unwind;

use libstun::wire::HEADER_LENGTH;
use libstun::{AgentEvent, Datagram, DropReason, Machine, Outcome, Receipt, SendError, WakeReason};
use pyo3::Borrowed;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyBool;

use super::{Agent, Inner};
use crate::convert::{Bytes, Time, word, word_of};
use crate::errors;
use crate::events;
use crate::packet::{Owned, Packet, PeerData, Transmit};
use crate::path::{Path, PathLike};
use crate::words::{DROP_REASONS, SEND_ERRORS, WAKE_REASONS, member, send_error_of};

#[pymethods]
impl Agent {
    /// Offers a received datagram, or one frame of a stream, that arrived on `path` (or from that address, over UDP).
    ///
    /// Whatever arrives is no error. Returns True if it was for this agent, False if it was not: then offer it to the
    /// next protocol on the socket. Data that a peer has sent through a relay comes as a `PeerData`, which is true too.
    ///
    /// >>> import libstun
    /// >>> agent = libstun.Agent(now_ns=0)
    /// >>> agent.handle_input(b"not STUN", ("192.0.2.1", 3478), now_ns=0)
    /// False
    fn handle_input<'py>(
        &self,
        py: Python<'py>,
        data: Bytes<'_>,
        path: PathLike,
        now_ns: Time,
    ) -> PyResult<Bound<'py, PyAny>> {
        let Path { tuple, socket_id, ecn } = path.0;
        let datagram = Datagram { path: tuple, ecn, socket_id, payload: &data };
        let outcome = self.with(py, |agent| agent.handle_input(&datagram, now_ns.0))?;
        Ok(match outcome {
            Outcome::Unwrapped(inner) => {
                let packet = Packet::new(py, Path::of_datagram(&inner), inner.payload);
                PeerData(packet).into_pyobject(py)?.into_any()
            }
            outcome => PyBool::new(py, outcome == Outcome::Consumed).to_owned().into_any(),
        })
    }

    /// The next datagram to send, or None.
    fn poll_transmit(&self, py: Python<'_>) -> PyResult<Option<Transmit>> {
        let outgoing = self.with(py, |agent| agent.poll_transmit().map(Owned::from))?;
        Ok(outgoing.map(|outgoing| Transmit(outgoing.into_packet(py))))
    }

    /// All datagrams that are to be sent now, in their order.
    fn poll_transmits(&self, py: Python<'_>) -> PyResult<Vec<Transmit>> {
        let all = self.with(py, |agent| {
            let mut all = Vec::new();
            while let Some(transmit) = agent.poll_transmit() {
                all.push(Owned::from(transmit));
            }
            all
        })?;
        Ok(all.into_iter().map(|outgoing| Transmit(outgoing.into_packet(py))).collect())
    }

    /// The next thing that happened, an instance of a class in `libstun.events`, or None.
    fn poll_event<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let next = |inner: &mut Inner| inner.undelivered.pop_front().or_else(|| inner.agent.poll_event());
        let Some(happened) = self.with_inner(py, next)? else { return Ok(None) };
        match build(py, &happened) {
            Ok(event) => Ok(Some(event)),
            Err(error) => {
                self.with_inner(py, |inner| inner.undelivered.push_front(happened))?;
                Err(error)
            }
        }
    }

    /// All that has happened, in its order.
    fn poll_events<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let mut happened: VecDeque<_> = self.with_inner(py, |inner| {
            let mut all = core::mem::take(&mut inner.undelivered);
            all.extend(core::iter::from_fn(|| inner.agent.poll_event()));
            all
        })?;
        let built = happened.iter().map(|happened| build(py, happened)).collect();
        if let Err(error) = built {
            self.with_inner(py, |inner| {
                happened.append(&mut inner.undelivered);
                inner.undelivered = happened;
            })?;
            return Err(error);
        }
        built
    }

    /// When to call handle_timeout() next, in nanoseconds of the host's clock, or None: only input or a command can
    /// change anything then. Read it after draining. While output is queued it is not later than the latest now_ns.
    pub(super) fn poll_timeout(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        self.with_inner(py, |inner| {
            let deadline = inner.agent.poll_timeout().map(|at| at.as_nanos());
            if inner.undelivered.is_empty() { deadline } else { Some(0) }
        })
    }

    /// Time has come. An early call changes nothing, so call it whenever you woke up; a late one loses nothing.
    fn handle_timeout(&self, py: Python<'_>, now_ns: Time) -> PyResult<()> {
        self.with(py, |agent| agent.handle_timeout(now_ns.0))
    }

    /// A datagram could not be sent, or ICMP said later that it did not arrive.
    ///
    /// `failed` is the transmit or, with its first 20 bytes or more as `data`, its path; without them it concerns all
    /// that is outstanding there. `error` is a `SendError`, or the exception of the socket. Returns False if the bytes
    /// are no STUN: another protocol's, or data for a peer in a channel, which nobody waits for.
    ///
    /// >>> import libstun
    /// >>> agent = libstun.Agent(now_ns=0)
    /// >>> config = libstun.BindingConfig(("192.0.2.1", 3478), refresh_ns=None)
    /// >>> binding = agent.start_binding(config, now_ns=0)
    /// >>> request = agent.poll_transmit()
    /// >>> agent.handle_send_error(request, ConnectionRefusedError(111, "refused"), now_ns=0)
    /// True
    /// >>> print(agent.poll_event())
    /// sending failed: nobody listens there
    #[pyo3(signature = (failed, error, now_ns, *, data = None))]
    fn handle_send_error(
        &self,
        py: Python<'_>,
        failed: Failed,
        error: SendErrorLike,
        now_ns: Time,
        data: Option<Bytes<'_>>,
    ) -> PyResult<bool> {
        let bytes: &[u8] = match &data {
            Some(data) => data,
            None => failed.header.as_deref().unwrap_or_default(),
        };
        let Some(receipt) = Receipt::of(failed.path.tuple, bytes) else { return Ok(false) };
        self.with(py, |agent| agent.handle_send_error(&receipt, error.0, now_ns.0))?;
        Ok(true)
    }

    /// Why poll_timeout() wants to be woken then, a `WakeReason`; None when it does not.
    fn wake_reason<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let reason = self.with_inner(py, |inner| match inner.undelivered.is_empty() {
            true => inner.agent.wake_reason(),
            false => Some(WakeReason::Output),
        })?;
        reason.map(|reason| member(py, "WakeReason", word_of(reason, WAKE_REASONS))).transpose()
    }

    /// How many messages from the network were dropped, for a `DropReason` or in all.
    #[pyo3(signature = (reason = None))]
    fn dropped(&self, py: Python<'_>, reason: Option<DropReasonWord>) -> PyResult<u32> {
        self.with(py, |agent| match reason {
            Some(reason) => agent.counters().dropped(reason.0),
            None => agent.counters().total(),
        })
    }
}

/// An event for Python. A bug there is caught as well.
fn build<'py>(py: Python<'py>, happened: &AgentEvent) -> PyResult<Bound<'py, PyAny>> {
    let built = catch_unwind(AssertUnwindSafe(|| events::event(py, happened)));
    built.unwrap_or_else(|_| Err(errors::internal("a bug in libstun was caught")))
}

/// What failed to be sent: where to, and the beginning of its bytes if they are known.
struct Failed {
    path: Path,
    header: Option<Vec<u8>>,
}

impl<'a, 'py> FromPyObject<'a, 'py> for Failed {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(transmit) = given.cast::<Transmit>() {
            let Packet { path, data } = &transmit.get().0;
            let data = data.bind(given.py()).as_bytes();
            let header = data.get(..HEADER_LENGTH).unwrap_or(data);
            return Ok(Self { path: *path, header: Some(header.to_vec()) });
        }
        given.extract::<PathLike>().map(|path| Self { path: path.0, header: None })
    }
}

struct SendErrorLike(SendError);

impl<'a, 'py> FromPyObject<'a, 'py> for SendErrorLike {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if given.is_instance_of::<PyOSError>() {
            let word = send_error_of(given)?;
            return self::word(word.as_borrowed(), "SendError", SEND_ERRORS).map(Self);
        }
        word(given, "SendError", SEND_ERRORS).map(Self)
    }
}

struct DropReasonWord(DropReason);

impl<'a, 'py> FromPyObject<'a, 'py> for DropReasonWord {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        word(given, "DropReason", DROP_REASONS).map(Self)
    }
}
