//! A NAT with any behaviour of RFC 4787, and its table, which is the truth that bindings have to find.
//!
//! ```text
//!   inside                      table                              outside
//!   10.0.0.2:5000 -> 192.0.2.1  internal, key ---> external        203.0.113.9:61001 -> 192.0.2.1
//!                               key: nothing (EIM), IP (ADM), IP and port (APDM)
//!   <- filtered by ------------ who was written to: nobody (EIF), IP (ADF), IP and port (APDF)
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::net::PortId;
use crate::random::Random;
use crate::time::{Nanos, SECOND};

/// On what a mapping or a filter depends (RFC 4787 s4.1, s5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependence {
    /// On nothing: EIM, EIF.
    Endpoint,
    /// On the remote IP: ADM, ADF.
    Address,
    /// On the remote IP and port: APDM, APDF.
    AddressAndPort,
}

/// How a NAT behaves. Five choices, 72 combinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// Which flows share an external address (RFC 4787 s4.1).
    pub mapping: Dependence,
    /// Who may write to it (RFC 4787 s5).
    pub filtering: Dependence,
    /// The external port is the internal one if that is free (RFC 4787 s4.2.1).
    pub preserves_port: bool,
    /// Inside hosts reach each other by external addresses (RFC 4787 s6).
    pub hairpins: bool,
    /// Packets from outside keep a mapping alive too (RFC 4787 s4.3).
    pub inbound_refreshes: bool,
}

impl Behaviour {
    const DEPENDENCES: [Dependence; 3] =
        [Dependence::Endpoint, Dependence::Address, Dependence::AddressAndPort];

    /// All 72.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..72).map(Self::numbered)
    }

    /// One of the 72.
    #[must_use]
    pub fn numbered(number: usize) -> Self {
        Self {
            mapping: Self::DEPENDENCES[number % 3],
            filtering: Self::DEPENDENCES[number / 3 % 3],
            preserves_port: number / 9 % 2 == 1,
            hairpins: number / 18 % 2 == 1,
            inbound_refreshes: number / 36 % 2 == 1,
        }
    }
}

/// What a NAT is besides its behaviour.
#[derive(Clone, Debug)]
pub struct NatConfig {
    /// How it maps and filters.
    pub behaviour: Behaviour,
    /// Its external addresses. With several, each internal IP keeps to one (RFC 4787 s4.1, "paired").
    pub pool: Vec<IpAddr>,
    /// How long an unused mapping lives.
    pub timeout: Nanos,
    /// Mappings at most; the one that would expire first makes room.
    pub table_limit: usize,
    /// Rewrites addresses in payloads.
    pub has_alg: bool,
    /// IPv6 inside, IPv4 outside (RFC 6146).
    pub is_nat64: bool,
}

impl NatConfig {
    /// Timeouts that are seen in the field.
    pub const TIMEOUTS: [Nanos; 4] = [20 * SECOND, 30 * SECOND, 120 * SECOND, 300 * SECOND];

    /// A home router: 2 minutes, a table that does not fill, no gateway tricks.
    #[must_use]
    pub fn new(behaviour: Behaviour, external: IpAddr) -> Self {
        Self {
            behaviour,
            pool: vec![external],
            timeout: 120 * SECOND,
            table_limit: 1024,
            has_alg: false,
            is_nat64: false,
        }
    }
}

/// A NAT between two networks.
#[derive(Debug)]
pub struct Nat {
    /// How it is configured; may be changed at run time.
    pub config: NatConfig,
    /// Its port on the inside network.
    pub inside: PortId,
    /// Its port on the outside network.
    pub outside: PortId,
    mappings: Vec<Mapping>,
    random: Random,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The host behind the NAT.
    pub internal: SocketAddr,
    /// What it is known as outside.
    pub external: SocketAddr,
    key: Option<SocketAddr>,
    contacted: Vec<SocketAddr>,
    expires: Nanos,
}

impl Nat {
    /// A NAT with an empty table.
    #[must_use]
    pub fn new(config: NatConfig, inside: PortId, outside: PortId, random: Random) -> Self {
        Self { config, inside, outside, mappings: Vec::new(), random }
    }

    /// The external address of what `internal` sends to `remote`, making or refreshing a mapping. `None` if
    /// it cannot be translated.
    pub fn outbound(&mut self, internal: SocketAddr, remote: SocketAddr, now: Nanos) -> Option<SocketAddr> {
        self.mappings.retain(|mapping| mapping.expires > now);
        let (key, expires) = (self.key(remote), now + self.config.timeout);
        let known =
            self.mappings.iter_mut().find(|mapping| mapping.internal == internal && mapping.key == key);
        if let Some(mapping) = known {
            mapping.expires = expires;
            if !mapping.contacted.contains(&remote) {
                mapping.contacted.push(remote);
            }
            return Some(mapping.external);
        }
        if self.mappings.len() >= self.config.table_limit.max(1) {
            let first = (0..self.mappings.len()).min_by_key(|at| self.mappings[*at].expires)?;
            self.mappings.swap_remove(first);
        }
        let external = self.allocate(internal)?;
        self.mappings.push(Mapping { internal, external, key, contacted: vec![remote], expires });
        Some(external)
    }

    /// Who gets what `remote` sends to `external`, if anybody.
    pub fn inbound(&mut self, external: SocketAddr, remote: SocketAddr, now: Nanos) -> Option<SocketAddr> {
        let (filtering, refreshes) =
            (self.config.behaviour.filtering, self.config.behaviour.inbound_refreshes);
        let expires = now + self.config.timeout;
        let mapping =
            self.mappings.iter_mut().find(|mapping| mapping.external == external && mapping.expires > now)?;
        let is_allowed = match filtering {
            Dependence::Endpoint => true,
            Dependence::Address => mapping.contacted.iter().any(|known| known.ip() == remote.ip()),
            Dependence::AddressAndPort => mapping.contacted.contains(&remote),
        };
        if is_allowed && refreshes {
            mapping.expires = expires;
        }
        is_allowed.then_some(mapping.internal)
    }

    /// The truth: what `internal` is known as to `remote` now.
    #[must_use]
    pub fn lookup(&self, internal: SocketAddr, remote: SocketAddr, now: Nanos) -> Option<SocketAddr> {
        let key = self.key(remote);
        self.mappings
            .iter()
            .find(|mapping| mapping.internal == internal && mapping.key == key && mapping.expires > now)
            .map(|mapping| mapping.external)
    }

    /// The rows of the table, some of which may have expired.
    #[must_use]
    pub fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    /// Forgets everything.
    pub fn reboot(&mut self) {
        self.mappings.clear();
    }

    /// Gives every mapping another port in mid-flow, as some routers do.
    pub fn flip_ports(&mut self) {
        for at in 0..self.mappings.len() {
            let ip = self.mappings[at].external.ip();
            self.mappings[at].external = self.free_port(ip);
        }
    }

    fn key(&self, remote: SocketAddr) -> Option<SocketAddr> {
        match self.config.behaviour.mapping {
            Dependence::Endpoint => None,
            Dependence::Address => Some(SocketAddr::new(remote.ip(), 0)),
            Dependence::AddressAndPort => Some(remote),
        }
    }

    fn allocate(&mut self, internal: SocketAddr) -> Option<SocketAddr> {
        let paired = self.mappings.iter().find(|mapping| mapping.internal.ip() == internal.ip());
        let ip = match paired {
            Some(mapping) => mapping.external.ip(),
            None if self.config.pool.len() == 1 => self.config.pool[0],
            None => self.random.pick(&self.config.pool),
        };
        let preserved = SocketAddr::new(ip, internal.port());
        if self.config.behaviour.preserves_port && self.is_free(preserved) {
            return Some(preserved);
        }
        Some(self.free_port(ip))
    }

    fn free_port(&mut self, ip: IpAddr) -> SocketAddr {
        loop {
            let port = self.random.between(1024, u64::from(u16::MAX)) as u16;
            let candidate = SocketAddr::new(ip, port);
            if self.is_free(candidate) {
                return candidate;
            }
        }
    }

    fn is_free(&self, external: SocketAddr) -> bool {
        self.mappings.iter().all(|mapping| mapping.external != external)
    }
}

/// The IPv4 address inside one of `64:ff9b::/96` (RFC 6052 s2.1).
#[must_use]
pub fn embedded_ipv4(address: SocketAddr) -> Option<SocketAddr> {
    let IpAddr::V6(ip) = address.ip() else { return None };
    let octets = ip.octets();
    let ip = Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15]);
    (octets[..12] == NAT64_PREFIX).then_some(SocketAddr::new(IpAddr::V4(ip), address.port()))
}

/// The address by which an IPv6-only host knows an IPv4 one.
#[must_use]
pub fn embed_ipv4(address: SocketAddr) -> SocketAddr {
    let IpAddr::V4(ip) = address.ip() else { return address };
    let mut octets = [0; 16];
    octets[..12].copy_from_slice(&NAT64_PREFIX);
    octets[12..].copy_from_slice(&ip.octets());
    SocketAddr::new(IpAddr::V6(Ipv6Addr::from(octets)), address.port())
}

const NAT64_PREFIX: [u8; 12] = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];

#[cfg(test)]
mod tests;
