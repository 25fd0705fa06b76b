//! Allocations and pools of them.

use libstun::Transport;
use libstun::turn::{
    AllocationConfig, IpRange, KeepaliveKind, PeerPolicy, PoolConfig, RelayFamily, RelayPool, RelayPort,
    RelayTransport, Switching,
};
use pyo3::prelude::*;

use super::{Fields, credentials};
use crate::address::Host;
use crate::convert::{Bytes, Number, Time, Words};
use crate::errors;
use crate::words::TRANSPORTS;

/// An allocation's.
pub(crate) fn allocation(given: &Bound<'_, PyAny>) -> PyResult<AllocationConfig> {
    let fields = Fields::of(given, "AllocationConfig")?;
    let path = fields.path(fields.transport()?)?;
    Ok(AllocationConfig {
        socket_id: fields.number("socket_id")?,
        credentials: credentials::optional(&fields)?,
        credentials_expire: fields.get::<Option<Time>>("credentials_expire_ns")?.map(|time| time.0),
        family: fields.word("family", "RelayFamily", FAMILIES)?,
        transport: relay_transport(&fields)?,
        port: relay_port(&fields)?,
        dont_fragment: fields.get("dont_fragment")?,
        lifetime: fields.optional_duration("lifetime_ns")?,
        mobility: fields.get("mobility")?,
        keepalive: fields.optional_duration("keepalive_ns")?,
        keepalive_kind: fields.word("keepalive_kind", "KeepaliveKind", KEEPALIVE_KINDS)?,
        peers: peer_policy(&fields)?,
        backoff: fields.backoff()?,
        redirects: fields.redirects()?,
        fingerprint: fields.get("fingerprint")?,
        retransmission: fields.retransmission()?,
        ..AllocationConfig::open(path)
    })
}

/// A pool's.
pub(crate) fn relay_pool(given: &Bound<'_, PyAny>) -> PyResult<PoolConfig> {
    let fields = Fields::of(given, "RelayPoolConfig")?;
    let defaults = PoolConfig::new(fields.each("relays", RelayPool::MAX_RELAYS, allocation)?);
    let least_gain = fields.duration("least_gain_ns")?;
    Ok(PoolConfig {
        ready: fields.get::<Option<Number<usize>>>("ready")?.map_or(defaults.ready, |ready| ready.0),
        warm_standby: fields.get("warm_standby")?,
        patience: fields.optional_duration("patience_ns")?,
        settling: fields.duration("settling_ns")?,
        switching: fields.optional_duration("hold_ns")?.map(|hold| Switching { least_gain, hold }),
        ..defaults
    })
}

fn relay_transport(fields: &Fields<'_, '_>) -> PyResult<RelayTransport> {
    match fields.word("relay_transport", "Transport", TRANSPORTS)? {
        Transport::Udp => Ok(RelayTransport::Udp),
        Transport::Tcp => Ok(RelayTransport::Tcp),
        _ => Err(errors::value("AllocationConfig.relay_transport: TLS is between the host and its server")),
    }
}

fn relay_port(fields: &Fields<'_, '_>) -> PyResult<RelayPort> {
    let port = fields.word("port", "RelayPort", PORTS)?;
    let reservation = fields.raw("reservation")?;
    if reservation.is_none() {
        return Ok(port);
    }
    if port != RelayPort::Any {
        return Err(errors::value(
            "AllocationConfig.reservation: it stands for a port, so none can be wished for",
        ));
    }
    let token = fields.within("reservation", reservation.extract::<Bytes<'_>>())?;
    let token = (*token).try_into().map_err(|_| errors::value("a token has 8 bytes"));
    fields.within("reservation", token.map(RelayPort::Reserved))
}

fn peer_policy(fields: &Fields<'_, '_>) -> PyResult<PeerPolicy> {
    let mut policy = match fields.word("peer_policy", "PeerPolicy", POLICIES)? {
        Policy::Default => PeerPolicy::default(),
        Policy::Loopback => PeerPolicy::with_loopback(),
        Policy::All => PeerPolicy::allow_all(),
    };
    let rules = fields.each("peer_rules", MAX_PEER_RULES, |rule| {
        let rule = Fields::of(rule, "PeerRule")?;
        let (first, last) = (rule.get::<Host>("first")?, rule.get::<Option<Host>>("last")?);
        let range = IpRange::new(first.ip, last.map_or(first.ip, |last| last.ip)).map_err(errors::value)?;
        Ok((range, rule.get::<bool>("allows")?))
    })?;
    for (range, allows) in rules {
        if allows { policy.allow(range) } else { policy.deny(range) }
    }
    Ok(policy)
}

/// More than any policy has; an iterator without an end is a mistake.
const MAX_PEER_RULES: usize = 1 << 16;

#[derive(Clone, Copy)]
enum Policy {
    Default,
    Loopback,
    All,
}

const POLICIES: &Words<Policy> =
    &[("default", Policy::Default), ("loopback", Policy::Loopback), ("all", Policy::All)];

const FAMILIES: &Words<RelayFamily> =
    &[("ipv4", RelayFamily::V4), ("ipv6", RelayFamily::V6), ("both", RelayFamily::Both)];

const KEEPALIVE_KINDS: &Words<KeepaliveKind> =
    &[("indication", KeepaliveKind::Indication), ("request", KeepaliveKind::Request)];

const PORTS: &Words<RelayPort> = &[
    ("any", RelayPort::Any),
    ("even", RelayPort::Even),
    ("even-reserving-next", RelayPort::EvenReservingNext),
];
