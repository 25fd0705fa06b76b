//! The agent: the core's under a lock, so that any thread may use it.

mod driving;
mod operations;
mod questions;
mod relays;
mod streams;

use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::VecDeque;
use std::panic::catch_unwind;
use std::sync::Mutex;

use libstun::{AgentEvent, Entropy};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;

use crate::convert::{Bytes, Number, Time};
use crate::errors;

/// Any number of operations behind one set of calls: bindings, servers, surveys, discoveries, NAT probes, relays.
///
/// It has no socket and no clock. The host tells it what arrived and what time it is, sends what it wants sent, and
/// comes back at the time that it names:
///
///     agent.handle_input(data, path, now_ns)    a datagram arrived
///     agent.handle_timeout(now_ns)              time has come; early calls change nothing
///     agent.poll_transmits()                    what to send
///     agent.poll_events()                       what happened
///     agent.poll_timeout()                      when to call handle_timeout() next, or None
///
/// Times are integers: nanoseconds of any monotonic clock of the host's, best one that runs through suspend, such as
/// `time.clock_gettime_ns(time.CLOCK_BOOTTIME)` on Linux. One that is
/// earlier than one already seen counts as the latest seen. `seed` is 32 secret bytes that all randomness comes from;
/// without it the operating system gives them. Equal seeds and equal calls give equal bytes and events: never use one
/// twice outside tests. `max_operations` is how many operations there may be at a time.
///
/// Drain both queues before you sleep: an event that nobody has polled is output, like a datagram, and keeps
/// poll_timeout() from rising. A call that is refused changes nothing, and need not have told the agent the time.
///
/// Any number of threads may use one agent; each call is atomic. After a fork the child's copy refuses every call with
/// `StateError`, because it would repeat the parent's secrets: make another one there.
///
/// >>> import libstun
/// >>> agent = libstun.Agent(now_ns=0, seed=bytes(32))
/// >>> id = agent.start_binding(libstun.BindingConfig(("192.0.2.1", 3478)), now_ns=0)
/// >>> [transmit.remote for transmit in agent.poll_transmits()]
/// [('192.0.2.1', 3478)]
/// >>> agent.poll_timeout()
/// 500000000
#[pyclass(frozen, module = "libstun")]
pub(crate) struct Agent {
    inner: Mutex<Inner>,
    /// Which process, counted in forks, it was made in.
    generation: u64,
}

struct Inner {
    agent: libstun::Agent,
    /// Events that Python could not be given, for a signal or for want of stack: none is lost.
    undelivered: VecDeque<AgentEvent>,
    /// A call was caught in a bug: what the agent knows may be half written.
    is_broken: bool,
}

#[pymethods]
impl Agent {
    #[new]
    #[pyo3(signature = (now_ns, *, seed = None, max_operations = None))]
    fn new(now_ns: Time, seed: Option<Bytes<'_>>, max_operations: Option<Number<usize>>) -> PyResult<Self> {
        let entropy = match seed {
            Some(seed) => {
                Entropy::from_seed((*seed).try_into().map_err(|_| errors::value("a seed has 32 bytes"))?)
            }
            None => Entropy::from_os().map_err(|error| {
                errors::state(format_args!("the operating system gave no random bytes: {error}"))
            })?,
        };
        let mut agent = libstun::Agent::new(entropy, now_ns.0);
        if let Some(limit) = max_operations {
            agent.set_max_operations(limit.0);
        }
        Ok(Self {
            inner: Mutex::new(Inner { agent, undelivered: VecDeque::new(), is_broken: false }),
            generation: FORKS.load(Ordering::Relaxed),
        })
    }

    /// How many operations there are.
    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, |agent| agent.operation_count())
    }

    /// An agent is always true, also one without operations.
    fn __bool__(&self) -> bool {
        true
    }

    /// Whether an operation has that id and has not ended.
    fn __contains__(&self, py: Python<'_>, id: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(id) = id.extract::<crate::convert::Id>() else { return Ok(false) };
        self.with(py, |agent| agent.contains(id.0))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let count = self.with(py, |agent| agent.operation_count())?;
        let timeout = self.poll_timeout(py)?.map_or_else(|| "None".into(), |at| at.to_string());
        Ok(format!("<libstun.Agent: {count} operations, poll_timeout {timeout}>"))
    }
}

impl Agent {
    /// Does something with the core's agent.
    ///
    /// Nothing in `f` may call into Python: a finalizer that runs there could call this agent again, and wait for ever.
    /// (A `PyErr` is made lazily, when it is raised.)
    ///
    /// # Errors
    /// `StateError` after a fork, `InternalError` if there was a bug, in this call or an earlier one.
    fn with<R>(&self, py: Python<'_>, f: impl FnOnce(&mut libstun::Agent) -> R) -> PyResult<R> {
        self.with_inner(py, |inner| f(&mut inner.agent))
    }

    fn with_inner<R>(&self, py: Python<'_>, f: impl FnOnce(&mut Inner) -> R) -> PyResult<R> {
        if self.generation != FORKS.load(Ordering::Relaxed) {
            return Err(errors::state(
                "this agent was made before a fork, whose parent uses the same secrets: make another",
            ));
        }
        let outcome = {
            let mut inner = match self.inner.lock_py_attached(py) {
                Ok(inner) => inner,
                Err(poisoned) => poisoned.into_inner(),
            };
            if inner.is_broken {
                Err("an earlier call was caught in a bug; make another agent")
            } else {
                catch_unwind(AssertUnwindSafe(|| f(&mut inner))).map_err(|_| {
                    inner.is_broken = true;
                    "a bug in libstun was caught; this agent is of no use any more"
                })
            }
        };
        outcome.map_err(errors::internal)
    }
}

/// The process has forked, and this is the child: agents made before are the parent's.
#[pyfunction]
pub(crate) fn _forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// How often this process and those before it have forked since the module was loaded.
static FORKS: AtomicU64 = AtomicU64::new(0);
