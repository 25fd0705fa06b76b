//! Bindings, surveys and discoveries.

use libstun::stun::discovery::Service;
use libstun::stun::survey::SurveyTarget;
use libstun::stun::{BindingConfig, DiscoveryConfig, ServerSurvey, SurveyConfig};
use libstun::wire::uri::Uri;
use libstun::{FiveTuple, Transport};
use pyo3::prelude::*;

use super::{Fields, credentials};
use crate::convert::{Number, Words, word};
use crate::errors;
use crate::words::TRANSPORTS;

/// A binding's.
pub(crate) fn binding(given: &Bound<'_, PyAny>) -> PyResult<BindingConfig> {
    let fields = Fields::of(given, "BindingConfig")?;
    let path = fields.path(fields.transport()?)?;
    Ok(BindingConfig {
        socket_id: fields.number("socket_id")?,
        refresh: fields.optional_duration("refresh_ns")?,
        backoff: fields.backoff()?,
        ..request(&fields, path)?
    })
}

/// A survey's.
pub(crate) fn survey(given: &Bound<'_, PyAny>) -> PyResult<SurveyConfig> {
    let fields = Fields::of(given, "SurveyConfig")?;
    let targets = fields.each("targets", ServerSurvey::MAX_TARGETS, |target| {
        let fields = Fields::of(target, "SurveyTarget")?;
        let path = fields.path(fields.transport()?)?;
        Ok(SurveyTarget { path, socket_id: fields.number("socket_id")? })
    })?;
    let defaults = SurveyConfig::all(targets);
    let path = defaults.request.path;
    Ok(SurveyConfig {
        request: BindingConfig { refresh: None, ..request(&fields, path)? },
        enough: fields.get::<Option<Number<usize>>>("enough")?.map_or(defaults.enough, |enough| enough.0),
        deadline: fields.optional_duration("deadline_ns")?,
        attempt_delay: fields.duration("attempt_delay_ns")?,
        ..defaults
    })
}

/// What bindings and surveys say alike.
fn request(fields: &Fields<'_, '_>, path: FiveTuple) -> PyResult<BindingConfig> {
    Ok(BindingConfig {
        credentials: credentials::optional(fields)?,
        fingerprint: fields.get("fingerprint")?,
        accepts_mapped_address: fields.get("accepts_mapped_address")?,
        redirects: fields.redirects()?,
        retransmission: fields.retransmission()?,
        ..BindingConfig::new(path)
    })
}

/// A discovery's.
pub(crate) fn discovery(given: &Bound<'_, PyAny>) -> PyResult<DiscoveryConfig> {
    let fields = Fields::of(given, "DiscoveryConfig")?;
    let host = fields.get::<Option<String>>("host")?;
    let service = fields.word("service", "Service", SERVICES)?;
    let port = fields.get::<Option<Number<u16>>>("port")?.map(|port| port.0);
    let is_secure: bool = fields.get("is_secure")?;
    let mut config = match (uri(&fields)?, host) {
        (Some(uri), None) if service == Service::Stun && port.is_none() && !is_secure => {
            let parsed = fields.within("uri", Uri::parse(&uri).map_err(errors::value))?;
            fields.within("uri", DiscoveryConfig::from_uri(&parsed).map_err(errors::value))?
        }
        (Some(_), _) => {
            return Err(errors::value("a URI says host, service, port and is_secure itself"));
        }
        (None, None) => return Err(errors::value("DiscoveryConfig: there is neither a uri nor a host")),
        (None, Some(host)) => {
            let mut config = DiscoveryConfig { port, is_secure, ..DiscoveryConfig::new(service, &host) };
            if is_secure {
                config.transports = vec![Transport::Tls];
            }
            config
        }
    };
    if !fields.raw("transports")?.is_none() {
        config.transports = fields.each("transports", MAX_TRANSPORTS, |transport| {
            word(transport.as_borrowed(), "Transport", TRANSPORTS)
        })?;
    }
    config.deadline = fields.duration("deadline_ns")?;
    config.resolution_delay = fields.duration("resolution_delay_ns")?;
    Ok(config)
}

/// A `Uri`, or the text of one.
fn uri(fields: &Fields<'_, '_>) -> PyResult<Option<String>> {
    let field = fields.raw("uri")?;
    if field.is_instance_of::<crate::codec::Uri>() {
        return Ok(Some(field.str()?.extract()?));
    }
    fields.get("uri")
}

const SERVICES: &Words<Service> =
    &[("stun", Service::Stun), ("turn", Service::Turn), ("stun-behavior", Service::StunBehavior)];

/// More than there are would only repeat some.
const MAX_TRANSPORTS: usize = 8;
