//! Servers and the users of their realms.

use libstun::auth::{Realm, SecurityFeatures, opaque_string};
use libstun::stun::{BehaviorDiscovery, Budget, ServerConfig, ServerCredentials};
use pyo3::prelude::*;
use pyo3::types::PyMapping;

use super::{Fields, credentials};
use crate::address::{Address, Host};
use crate::convert::Number;
use crate::errors;

/// A server's.
pub(crate) fn server(given: &Bound<'_, PyAny>) -> PyResult<ServerConfig> {
    let fields = Fields::of(given, "ServerConfig")?;
    let credentials = server_credentials(&fields)?;
    let answers_rfc3489 = fields.get("answers_rfc3489")?;
    if answers_rfc3489 && credentials.is_some() {
        return Err(errors::value("clients of RFC 3489 cannot authenticate"));
    }
    Ok(ServerConfig {
        local: fields.get::<Option<Address>>("local")?.map(|local| local.0),
        credentials,
        behavior: behavior(&fields)?,
        answers_rfc3489,
        budget: budget(&fields)?,
    })
}

/// Adds a user to a realm, or changes a password: both prepared.
pub(crate) fn add_user(realm: &mut Realm, name: &str, password: &str) -> PyResult<()> {
    realm.add_user(name.as_bytes(), password.as_bytes()).map_err(errors::value)
}

/// A name or a password as an OpaqueString (RFC 8265 s4.2).
pub(crate) fn prepared(text: &str) -> PyResult<String> {
    opaque_string(text).map(|text| text.to_string()).map_err(errors::value)
}

fn server_credentials(fields: &Fields<'_, '_>) -> PyResult<Option<ServerCredentials>> {
    let given = fields.raw("credentials")?;
    let short_term = if given.is_none() { None } else { Some(credentials::short_term(&given)?) };
    let users = fields.raw("users")?;
    let users = fields.within("users", users.cast::<PyMapping>().map_err(Into::into))?;
    let Some(name) = fields.get::<Option<String>>("realm")? else {
        return if users.len()? == 0 {
            Ok(short_term.map(Into::into))
        } else {
            Err(errors::value("ServerConfig.users: users need a realm"))
        };
    };
    if short_term.is_some() {
        return Err(errors::value("a server has a short-term credential or a realm"));
    }
    let features = SecurityFeatures {
        password_algorithms: fields.get("password_algorithms")?,
        username_anonymity: fields.get("username_anonymity")?,
    };
    let mut realm = Realm::new(name.as_bytes()).map_err(errors::value)?.offering(features);
    if let Some(lifetime) = fields.optional_duration("nonce_lifetime_ns")? {
        realm = realm.with_nonce_lifetime(lifetime);
    }
    for user in users.items()? {
        let (name, password) = fields.within("users", user.extract::<(String, String)>())?;
        let prepared = prepared(&name).and_then(|name| Ok((name, prepared(&password)?)));
        let (name, password) = fields.within("users", prepared)?;
        fields.within("users", add_user(&mut realm, &name, &password))?;
    }
    Ok(Some(realm.into()))
}

fn behavior(fields: &Fields<'_, '_>) -> PyResult<Option<BehaviorDiscovery>> {
    let local = fields.get::<Option<Address>>("local")?.map(|local| local.0);
    let alternate = fields.get::<Option<Address>>("alternate")?.map(|other| other.0);
    let is_single: bool = fields.get("behavior_single")?;
    let [first, second, third, fourth] = fields.get::<[Number<u32>; 4]>("socket_ids")?;
    let behavior = match (local, alternate) {
        (_, None) if !is_single => None,
        (Some(local), None) => Some(BehaviorDiscovery::single(local, first.0)),
        (Some(local), Some(other)) if !is_single => Some(BehaviorDiscovery::new(
            [local.ip(), other.ip()],
            [local.port(), other.port()],
            [first.0, second.0, third.0, fourth.0],
        )),
        _ => return Err(errors::value(UNREACHABLE)),
    };
    let behavior = behavior.transpose().map_err(|_| errors::value(UNREACHABLE))?;
    match (behavior, fields.get::<Option<(Host, Host)>>("public_hosts")?) {
        (Some(behavior), Some((first, second))) => Ok(Some(behavior.known_as([first.ip, second.ip]))),
        (None, Some(_)) => Err(errors::value(UNREACHABLE)),
        (behavior, None) => Ok(behavior),
    }
}

fn budget(fields: &Fields<'_, '_>) -> PyResult<Option<Budget>> {
    let percent = fields.get::<Option<Number<u32>>>("amplification_percent")?;
    let budget = Budget {
        amplification_limit_percent: percent.map(|percent| percent.0),
        error_bytes_per_second: fields.number("error_bytes_per_second")?,
        error_burst: fields.number("error_burst")?,
    };
    Ok(fields.get::<bool>("budget")?.then_some(budget))
}

const UNREACHABLE: &str = "behaviour discovery needs one local address, or two IP addresses and two ports of one family that clients can reach";
