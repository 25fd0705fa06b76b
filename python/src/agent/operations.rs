//! Starting operations, and commands to bindings, servers and the agent as a whole.

use libstun::agent::{PowerProfile, ReconnectError, UnknownOperation};
use pyo3::prelude::*;

use super::Agent;
use crate::address::hosts as hosts_of;
use crate::config::{self, add_user, prepared};
use crate::convert::{Id, Nanos, Number, Time};
use crate::errors;
use crate::events;
use crate::path::PathLike;

#[pymethods]
impl Agent {
    /// Asks a STUN server for the host's public address, and goes on asking so that the NAT keeps the binding.
    ///
    /// Returns the operation's id, which events and commands name it by. Events: `Mapped`, then `Refreshed` or
    /// `AddressChanged`, `Retrying`; `Failed` is the last. Raises ValueError if the configuration contradicts itself,
    /// LimitError if there are too many operations.
    fn start_binding(&self, py: Python<'_>, config: &Bound<'_, PyAny>, now_ns: Time) -> PyResult<u64> {
        let config = config::binding(config)?;
        let started = self.with(py, |agent| agent.start_binding(config, now_ns.0))?;
        started.map(|id| id.as_u64()).map_err(errors::start)
    }

    /// Answers Binding requests that arrive. Holds no state about anybody.
    ///
    /// Raises StateError if another server answers at exactly that address.
    ///
    /// >>> import libstun
    /// >>> agent = libstun.Agent(now_ns=0)
    /// >>> server = agent.start_server(libstun.ServerConfig(), now_ns=0)
    /// >>> request = libstun.MessageBuilder(libstun.MessageClass.REQUEST, 1)
    /// >>> agent.handle_input(bytes(request), ("203.0.113.7", 50000), now_ns=0)
    /// True
    /// >>> libstun.Message.parse(agent.poll_transmit().data).mapped_address
    /// ('203.0.113.7', 50000)
    fn start_server(&self, py: Python<'_>, config: &Bound<'_, PyAny>, now_ns: Time) -> PyResult<u64> {
        let config = config::server(config)?;
        let started = self.with(py, |agent| agent.start_server(config, now_ns.0))?;
        started.map(|id| id.as_u64()).map_err(errors::start)
    }

    /// Asks many servers, over one or several sockets. Each ends with `Answered` or `Unanswered`; `Surveyed` is the last.
    fn start_survey(&self, py: Python<'_>, config: &Bound<'_, PyAny>, now_ns: Time) -> PyResult<u64> {
        let config = config::survey(config)?;
        let started = self.with(py, |agent| agent.start_survey(config, now_ns.0))?;
        started.map(|id| id.as_u64()).map_err(errors::start)
    }

    /// Finds servers by name. `Resolve` events ask the host to ask the DNS; `ServersFound` or `Failed` is the last.
    ///
    /// >>> import libstun
    /// >>> agent = libstun.Agent(now_ns=0)
    /// >>> id = agent.start_discovery(libstun.DiscoveryConfig(host="example.org", port=3478), now_ns=0)
    /// >>> [(event.kind.value, event.name) for event in agent.poll_events()]
    /// [('AAAA', 'example.org'), ('A', 'example.org')]
    fn start_discovery(&self, py: Python<'_>, config: &Bound<'_, PyAny>, now_ns: Time) -> PyResult<u64> {
        let config = config::discovery(config)?;
        let started = self.with(py, |agent| agent.start_discovery(config, now_ns.0))?;
        started.map(|id| id.as_u64()).map_err(errors::start)
    }

    /// Finds out what the NAT before the host does (RFC 5780). `NatFound` tells each property; `NatFinished` is the last.
    fn start_nat_probe(&self, py: Python<'_>, config: &Bound<'_, PyAny>, now_ns: Time) -> PyResult<u64> {
        let config = config::nat_probe(config)?;
        let started = self.with(py, |agent| agent.start_nat_probe(config, now_ns.0))?;
        started.map(|id| id.as_u64()).map_err(errors::start)
    }

    /// Asks a TURN server for a relayed address, and keeps it. `Allocated` says when there is one.
    ///
    /// Raises StateError if another allocation is on that path.
    fn start_allocation(&self, py: Python<'_>, config: &Bound<'_, PyAny>, now_ns: Time) -> PyResult<u64> {
        let config = config::allocation(config)?;
        let started = self.with(py, |agent| agent.start_allocation(config, now_ns.0))?;
        started.map(|id| id.as_u64()).map_err(errors::start)
    }

    /// Starts several relays as one socket. `RelaySelected` says when there is the first, `Migrated` when another takes
    /// over: tell the peers its address.
    fn start_relay_pool(&self, py: Python<'_>, config: &Bound<'_, PyAny>, now_ns: Time) -> PyResult<u64> {
        let config = config::relay_pool(config)?;
        let started = self.with(py, |agent| agent.start_relay_pool(config, now_ns.0))?;
        started.map(|id| id.as_u64()).map_err(errors::start)
    }

    /// Ends an operation at once, without another event. What it has queued is not sent.
    ///
    /// Raises UnknownOperationError if there is none of that id.
    fn cancel(&self, py: Python<'_>, id: Id, now_ns: Time) -> PyResult<()> {
        self.with(py, |agent| agent.cancel(id.0, now_ns.0))?.map_err(unknown)
    }

    /// Whether an operation, or the relay at place `relay` of a pool, may ask the server that `Redirected` has named.
    /// Refused, it fails. Without effect if it does not wait for an answer.
    #[pyo3(signature = (id, accept, now_ns, *, relay = None))]
    fn answer_redirect(
        &self,
        py: Python<'_>,
        id: Id,
        accept: bool,
        now_ns: Time,
        relay: Option<Number<usize>>,
    ) -> PyResult<()> {
        match relay {
            Some(relay) => self
                .with(py, |agent| agent.answer_redirect_in_pool(id.0, relay.0, accept, now_ns.0))?
                .map_err(errors::relay(super::relays::member_refused)),
            None => self.with(py, |agent| agent.answer_redirect(id.0, accept, now_ns.0))?.map_err(unknown),
        }
    }

    /// What `Reconnect` asked for is open: a connection, or a socket at another port, on `path`.
    ///
    /// `id` is a binding's or an allocation's or, with the place of a relay, a pool's. With open_stream(), call that
    /// first. Raises ValueError if nothing can be asked on that path, StateError if another relay is there.
    #[pyo3(signature = (id, path, now_ns, *, relay = None))]
    fn reconnected(
        &self,
        py: Python<'_>,
        id: Id,
        path: PathLike,
        now_ns: Time,
        relay: Option<Number<usize>>,
    ) -> PyResult<()> {
        let (path, socket_id, id, now) = (path.0.tuple, path.0.socket_id, id.0, now_ns.0);
        if let Some(relay) = relay {
            let done = self.with(py, |agent| agent.pool_reconnected(id, relay.0, path, socket_id, now))?;
            return done.map_err(errors::relay(super::relays::member_refused));
        }
        self.with(py, |agent| {
            if agent.allocation(id).is_some() {
                agent.relay_reconnected(id, path, socket_id, now).map_err(errors::relay(errors::value))
            } else {
                agent.reconnected(id, path, now).map_err(|error| match error {
                    ReconnectError::UnknownOperation => errors::unknown_operation(),
                    ReconnectError::Config(error) => errors::value(error),
                })
            }
        })?
    }

    /// The name that the certificate of the server must carry to which a binding, an allocation or a relay of a pool was
    /// redirected (ALTERNATE-DOMAIN), or None. Of a redirection that was not signed it is as trustworthy as the network.
    #[pyo3(signature = (id, *, relay = None))]
    fn alternate_domain(
        &self,
        py: Python<'_>,
        id: Id,
        relay: Option<Number<usize>>,
    ) -> PyResult<Option<String>> {
        let Some(relay) = relay else {
            let domain = self.with(py, |agent| match agent.allocation(id.0) {
                Some(allocation) => Some(allocation.alternate_domain().map(str::to_owned)),
                None => Some(agent.binding(id.0)?.alternate_domain().map(str::to_owned)),
            })?;
            return domain.ok_or_else(errors::unknown_operation);
        };
        self.with(py, |agent| {
            let relay = super::relays::member(agent, id, relay.0)?;
            Ok(relay.and_then(|relay| relay.alternate_domain()).map(str::to_owned))
        })?
    }

    /// Changes how often a binding asks again, at once: at least 1 s counts, None asks no more until this is called
    /// again. set_power() with an interval goes before it when it is called next.
    fn set_refresh(&self, py: Python<'_>, id: Id, refresh_ns: Option<Nanos>, now_ns: Time) -> PyResult<()> {
        let interval = refresh_ns.map(|interval| interval.0);
        self.with(py, |agent| agent.set_refresh(id.0, interval, now_ns.0))?.map_err(unknown)
    }

    /// How to trade packets for wake-ups, with effect at once: read poll_timeout() anew.
    ///
    /// `max_slack_ns` is how much earlier than due a refresh may be sent, so that one wake-up serves several;
    /// `libstun.IDLE_SLACK_NS` suits a phone in a pocket. `refresh_ns` makes every binding refresh, and every allocation send something, that often
    /// instead of as its configuration says; None leaves it.
    #[pyo3(signature = (now_ns, *, max_slack_ns, refresh_ns = None))]
    fn set_power(
        &self,
        py: Python<'_>,
        now_ns: Time,
        max_slack_ns: Nanos,
        refresh_ns: Option<Nanos>,
    ) -> PyResult<()> {
        let refresh = refresh_ns.map(|interval| interval.0);
        let profile = PowerProfile { max_slack: max_slack_ns.0, refresh };
        self.with(py, |agent| agent.set_power(profile, now_ns.0))
    }

    /// The time between requests to one server that had to wait because ten were outstanding there (RFC 8489 s6.2).
    /// 50 ms unless told otherwise.
    fn set_pacing(&self, py: Python<'_>, interval_ns: Nanos) -> PyResult<()> {
        self.with(py, |agent| agent.set_pacing(interval_ns.0))
    }

    /// The host's local addresses are these from now on. Operations on an unspecified address ask again at once, those on
    /// an address that is gone move to the first one of their family, or end; each says so with an event.
    fn network_changed(&self, py: Python<'_>, hosts: &Bound<'_, PyAny>, now_ns: Time) -> PyResult<()> {
        let hosts = hosts_of(hosts, MAX_HOSTS)?;
        self.with(py, |agent| agent.network_changed(&hosts, now_ns.0))
    }

    /// Adds a user to the realm of a server that runs, or changes a password; both are prepared as OpaqueStrings.
    ///
    /// Raises UnknownOperationError if there is no such server, or it has no realm.
    fn add_user(&self, py: Python<'_>, id: Id, name: &str, password: &str) -> PyResult<()> {
        let (name, password) = (prepared(name)?, prepared(password)?);
        let added = self.with(py, |agent| {
            let realm = agent.realm_mut(id.0)?;
            Some(add_user(realm, &name, &password))
        })?;
        added.ok_or_else(errors::unknown_operation)?
    }

    /// Removes a user, whose next request is refused. Returns False if there was none of that name.
    fn remove_user(&self, py: Python<'_>, id: Id, name: &str) -> PyResult<bool> {
        let name = prepared(name)?;
        let removed = self.with(py, |agent| Some(agent.realm_mut(id.0)?.remove_user(name.as_bytes())))?;
        removed.ok_or_else(errors::unknown_operation)
    }

    /// What a NAT probe has found so far, a `NatReport`. What it has found at last is in `NatFinished`.
    fn nat_report<'py>(&self, py: Python<'py>, id: Id) -> PyResult<Bound<'py, PyAny>> {
        let report = self.with(py, |agent| agent.nat_probe(id.0).map(|probe| probe.report().clone()))?;
        events::report(py, &report.ok_or_else(errors::unknown_operation)?)
    }
}

/// More than any host has.
const MAX_HOSTS: usize = 4096;

fn unknown(_: UnknownOperation) -> PyErr {
    errors::unknown_operation()
}
