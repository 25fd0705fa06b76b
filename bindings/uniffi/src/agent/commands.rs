//! Starting operations, and commands to them and to the agent as a whole.

use core::net::IpAddr;
use core::time::Duration;

use libstun::OperationId;
use libstun::agent::PowerProfile;
use libstun_flat::UNKNOWN_OPERATION;

use super::{RawAgent, time};
use crate::address::{Endpoint, Meta, path};
use crate::config::{
    AllocationOptions, BindingOptions, NatOptions, ServerOptions, SurveyOptions, User, duration,
};
use crate::error::Refusal;

#[uniffi::export]
impl RawAgent {
    /// Starts a binding, which asks at once. Gives its id, as all of these do.
    ///
    /// # Errors
    /// The options contradict themselves, or there are too many operations. Nothing was started; the same for all.
    pub fn start_binding(&self, options: BindingOptions, now: u64) -> Result<u64, Refusal> {
        let (config, now) = (options.read()?, time(now)?);
        Ok(self.with(|agent| agent.start_binding(config, now))??.as_u64())
    }

    /// Starts a survey of several servers.
    pub fn start_survey(&self, options: SurveyOptions, now: u64) -> Result<u64, Refusal> {
        let (config, now) = (options.read()?, time(now)?);
        Ok(self.with(|agent| agent.start_survey(config, now))??.as_u64())
    }

    /// Starts a server.
    pub fn start_server(&self, options: ServerOptions, now: u64) -> Result<u64, Refusal> {
        let (config, now) = (options.read()?, time(now)?);
        Ok(self.with(|agent| agent.start_server(config, now))??.as_u64())
    }

    /// Starts a diagnosis of the NAT.
    pub fn start_nat_probe(&self, options: NatOptions, now: u64) -> Result<u64, Refusal> {
        let (config, now) = (options.read()?, time(now)?);
        Ok(self.with(|agent| agent.start_nat_probe(config, now))??.as_u64())
    }

    /// Starts a TURN allocation.
    pub fn start_allocation(&self, options: AllocationOptions, now: u64) -> Result<u64, Refusal> {
        let (config, now) = (options.read()?, time(now)?);
        Ok(self.with(|agent| agent.start_allocation(config, now))??.as_u64())
    }

    /// Ends an operation at once and without an event.
    ///
    /// # Errors
    /// No operation of that id; the same for all that take one.
    pub fn cancel(&self, id: u64, now: u64) -> Result<(), Refusal> {
        let now = time(now)?;
        Ok(self.with(|agent| agent.cancel(OperationId::from_u64(id), now))??)
    }

    /// Keeps a binding alive that often from now on, under one second every second; never keeps it no longer.
    pub fn set_refresh(&self, id: u64, interval: u64, now: u64) -> Result<(), Refusal> {
        let (interval, now) = (duration(interval), time(now)?);
        Ok(self.with(|agent| agent.set_refresh(OperationId::from_u64(id), interval, now))??)
    }

    /// Says whether to follow a redirection.
    pub fn answer_redirect(&self, id: u64, accept: bool, now: u64) -> Result<(), Refusal> {
        let now = time(now)?;
        Ok(self.with(|agent| agent.answer_redirect(OperationId::from_u64(id), accept, now))??)
    }

    /// The socket or connection that a binding or an allocation has asked for is open.
    ///
    /// # Errors
    /// No such operation, or it cannot go there.
    pub fn reconnected(
        &self,
        id: u64,
        local: Endpoint,
        remote: Endpoint,
        meta: u64,
        now: u64,
    ) -> Result<(), Refusal> {
        let (id, meta, now) = (OperationId::from_u64(id), Meta::try_from(meta)?, time(now)?);
        let path = path(meta.transport, local, remote)?;
        self.with(|agent| {
            if agent.allocation(id).is_some() {
                return Ok(agent.relay_reconnected(id, path, meta.socket_id, now)?);
            }
            Ok(agent.reconnected(id, path, now)?)
        })?
    }

    /// The host's addresses are these from now on; their ports mean nothing.
    ///
    /// # Errors
    /// One of them is none.
    pub fn network_changed(&self, hosts: Vec<Endpoint>, now: u64) -> Result<(), Refusal> {
        let hosts: Vec<IpAddr> = hosts.into_iter().map(Endpoint::to_host).collect::<Result<_, _>>()?;
        let now = time(now)?;
        self.with(|agent| agent.network_changed(&hosts, now))
    }

    /// Trades punctuality for wake-ups: refreshes up to `max_slack` early, every `refresh` unless that is never.
    pub fn set_power(&self, max_slack: u64, refresh: u64, now: u64) -> Result<(), Refusal> {
        let profile = PowerProfile { max_slack: Duration::from_nanos(max_slack), refresh: duration(refresh) };
        let now = time(now)?;
        self.with(|agent| agent.set_power(profile, now))
    }

    /// The time between requests to one server that had to wait because ten were outstanding there.
    pub fn set_pacing(&self, interval: u64) -> Result<(), Refusal> {
        self.with(|agent| agent.set_pacing(Duration::from_nanos(interval)))
    }

    /// The domain that a redirection has named, for the certificate of a TLS server.
    pub fn alternate_domain(&self, id: u64) -> Result<Option<String>, Refusal> {
        let id = OperationId::from_u64(id);
        self.with(|agent| match agent.allocation(id) {
            Some(allocation) => Some(allocation.alternate_domain().map(str::to_owned)),
            None => Some(agent.binding(id)?.alternate_domain().map(str::to_owned)),
        })?
        .ok_or_else(|| UNKNOWN_OPERATION.into())
    }

    /// Adds a user to a server's realm, or changes a password.
    ///
    /// # Errors
    /// No server with a realm has that id, or a name or a password is none.
    pub fn add_user(&self, id: u64, user: User) -> Result<(), Refusal> {
        let prepared = user.prepare()?;
        self.with(|agent| agent.realm_mut(OperationId::from_u64(id)).map(|realm| prepared.add_to(realm)))?
            .ok_or_else(|| Refusal::from(UNKNOWN_OPERATION))?
    }

    /// Removes a user; says whether there was one.
    ///
    /// # Errors
    /// No server with a realm has that id, or the name is none.
    pub fn remove_user(&self, id: u64, name: &str) -> Result<bool, Refusal> {
        let name = crate::config::prepared(name)?;
        self.with(|agent| {
            agent.realm_mut(OperationId::from_u64(id)).map(|realm| realm.remove_user(name.as_bytes()))
        })?
        .ok_or_else(|| UNKNOWN_OPERATION.into())
    }
}
