//! NAT probes.

use libstun::FiveTuple;
use libstun::Transport;
use libstun::nat::{LifetimeLimits, Patience, ProbeConfig, ProbeSocket, Properties, Property};
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::{Fields, credentials};
use crate::address::{Address, Host};
use crate::convert::kind_of;
use crate::errors;
use crate::path::five_tuple;

/// A probe's.
pub(crate) fn nat_probe(given: &Bound<'_, PyAny>) -> PyResult<ProbeConfig> {
    let fields = Fields::of(given, "NatConfig")?;
    let server = fields.get::<Address>("server")?;
    let FiveTuple { local, remote, .. } =
        five_tuple(server, Some(fields.get::<Address>("local")?), Transport::Udp)?;
    let mut config = ProbeConfig::new(local, remote);
    let own = fields.get::<Option<Host>>("own")?.map(|own| own.ip);
    let socket = |local, socket_id| ProbeSocket { socket_id, address: own, ..ProbeSocket::new(local) };
    config.primary = socket(local, fields.number("socket_id")?);
    let second_id = fields.number("second_socket_id")?;
    config.second = fields.get::<Option<Address>>("second")?.map(|second| socket(second.0, second_id));
    let read = |server: &Bound<'_, PyAny>| server.extract::<Address>().map(|server| server.0);
    config.servers = fields.each("servers", ProbeConfig::MAX_SERVERS, read)?;
    config.properties = properties(&fields)?;
    config.credentials = credentials::optional(&fields)?;
    config.retransmission = fields.retransmission()?;
    config.fingerprint = fields.get("fingerprint")?;
    config.deadline = fields.optional_duration("deadline_ns")?;
    config.pacing = fields.duration("pacing_ns")?;
    config.lifetime = LifetimeLimits {
        max: fields.duration("lifetime_max_ns")?,
        precision: fields.duration("lifetime_precision_ns")?,
    };
    config.patience = Patience {
        interval: fields.duration("attempt_interval_ns")?,
        last_wait: fields.duration("last_wait_ns")?,
        max_attempts: fields.number("max_attempts")?,
    };
    config.padding = fields.number("padding")?;
    Ok(config)
}

fn properties(fields: &Fields<'_, '_>) -> PyResult<Properties> {
    if fields.raw("properties")?.is_none() {
        return Ok(Properties::QUICK);
    }
    let asked = fields.each("properties", Property::ALL.len(), |given| {
        let Ok(name) = given.cast::<PyString>() else {
            return Err(errors::kind(format_args!("{} is no NatProperty", kind_of(given.as_borrowed()))));
        };
        let name = name.to_cow()?;
        let known = Property::ALL.into_iter().find(|property| property.name() == name);
        known.ok_or_else(|| errors::value(format_args!("{name:?} is no NatProperty")))
    })?;
    Ok(asked.into_iter().fold(Properties::NONE, Properties::with))
}
