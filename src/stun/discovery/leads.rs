//! What a discovery follows: leads, and the questions that they wait for.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::Discovery;
use super::event::QuestionKind;
use crate::net::{self, Transport};

/// Something that may lead to servers.
#[derive(Debug)]
pub(super) enum Lead {
    /// NAPTR records: where to go for each of the transports.
    Naptr { question: usize, transports: Vec<Transport>, is_ranked: bool, depth: u32 },
    /// SRV records. Without any, and if it is not an NAPTR record that led here, the host itself serves.
    Srv { question: usize, transport: Transport, may_fall_back: bool },
    /// A host, which has both kinds of addresses.
    Host { aaaa: usize, a: usize, transport: Transport, port: u16 },
    /// An address.
    Ip { transport: Transport, address: SocketAddr },
}

/// A lead that has not been asked for.
pub(super) enum Seed {
    Naptr { name: String, transports: Vec<Transport>, is_ranked: bool, depth: u32 },
    Srv { name: String, transport: Transport, may_fall_back: bool },
    Host { name: String, transport: Transport, port: u16 },
    Ip { transport: Transport, address: SocketAddr },
}

#[derive(Debug)]
pub(super) struct Question {
    pub(super) name: String,
    pub(super) kind: QuestionKind,
    pub(super) is_pending: bool,
    /// What was answered to A and AAAA; the records of other kinds are used up at once.
    pub(super) addresses: Vec<IpAddr>,
}

impl Lead {
    /// Whether the answer to that question replaces it.
    pub(super) const fn waits_for(&self, asked: usize) -> bool {
        match self {
            Self::Naptr { question, .. } | Self::Srv { question, .. } => *question == asked,
            Self::Host { .. } | Self::Ip { .. } => false,
        }
    }
}

impl Question {
    /// Whether it asks the same, and its answer is kept or on its way.
    pub(super) fn is_same(&self, name: &str, kind: QuestionKind) -> bool {
        let is_kept = self.is_pending || matches!(kind, QuestionKind::A | QuestionKind::Aaaa);
        self.kind == kind && is_kept && self.name.eq_ignore_ascii_case(name)
    }

    /// Keeps the addresses of its own family that a server can have.
    pub(super) fn keep(&mut self, addresses: &[IpAddr]) {
        let wants_ipv6 = self.kind == QuestionKind::Aaaa;
        let is_usable = |ip: &&IpAddr| {
            let is_mapped = matches!(ip, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
            ip.is_ipv6() == wants_ipv6 && !is_mapped && net::is_endpoint(&SocketAddr::new(**ip, 1))
        };
        let first = addresses.iter().take(Discovery::MAX_RECORDS).filter(is_usable);
        self.addresses = first.take(Discovery::MAX_ADDRESSES).copied().collect();
    }
}
