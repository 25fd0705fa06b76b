//! What the answers of several ordinary servers tell about the NAT.

use core::fmt;
use core::net::SocketAddr;

use super::config::SurveyTarget;
use crate::net;

/// What several servers saw of one socket.
///
/// Less than a probe of RFC 5780 finds out, and enough for many: whether an address that one server has seen
/// is good for others ("endpoint-independent mapping", RFC 4787 s4.1). Only answers to one local socket in one
/// family are compared with each other. On a host with several uplinks, bind the socket to the address of one:
/// else two servers may be reached through two NATs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ObservedMapping {
    /// Fewer than two answers from servers of different IP addresses: nothing to compare.
    Unknown,
    /// Servers of different IP addresses saw the same address.
    SameEverywhere,
    /// The mapped address depends on the server, or one of them has not told the truth: peers need a relay.
    DependsOnDestination {
        /// In what the servers differ that saw different addresses.
        servers: ServersDiffer,
    },
}

/// In what two servers differ that saw different mapped addresses of one socket (RFC 4787 s4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServersDiffer {
    /// In their IP addresses: the mapping is address-dependent at least.
    Address,
    /// In their ports alone: the mapping is address- and port-dependent.
    PortOnly,
}

impl fmt::Display for ObservedMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "nothing to compare",
            Self::SameEverywhere => "the mapping does not depend on the destination",
            Self::DependsOnDestination { servers: ServersDiffer::Address } => {
                "the mapping depends on the destination"
            }
            Self::DependsOnDestination { servers: ServersDiffer::PortOnly } => {
                "the mapping depends on the destination, even on its port"
            }
        })
    }
}

/// One answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) target: SurveyTarget,
    pub(super) mapped: SocketAddr,
}

/// Compares each answer with each: a survey has few (64 at most), and does so once.
pub(super) fn observe(answers: impl Iterator<Item = Answer> + Clone) -> ObservedMapping {
    let (mut is_same, mut differ) = (false, None);
    let mut rest = answers;
    while let Some(one) = rest.next() {
        for other in rest.clone().filter(|other| is_comparable(&one, other)) {
            let is_one_ip = one.target.path.remote.ip() == other.target.path.remote.ip();
            match (one.mapped == other.mapped, is_one_ip) {
                (true, true) => {}
                (true, false) => is_same = true,
                (false, true) => differ = Some(ServersDiffer::PortOnly),
                (false, false) => differ = differ.or(Some(ServersDiffer::Address)),
            }
        }
    }
    match differ {
        Some(servers) => ObservedMapping::DependsOnDestination { servers },
        None if is_same => ObservedMapping::SameEverywhere,
        None => ObservedMapping::Unknown,
    }
}

/// Whether two answers concern one socket, one family and two servers. Streams from a port of the system's
/// choosing are two sockets, even under one name.
fn is_comparable(one: &Answer, other: &Answer) -> bool {
    let (a, b) = (&one.target, &other.target);
    let is_one_port = !a.path.transport.is_reliable() || a.path.local.port() != 0;
    a.path.transport == b.path.transport
        && a.socket_id == b.socket_id
        && net::same_endpoint(&a.path.local, &b.path.local)
        && is_one_port
        && one.mapped.is_ipv4() == other.mapped.is_ipv4()
        && !net::same_endpoint(&a.path.remote, &b.path.remote)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::net::{FiveTuple, Transport};

    fn answer(local: &str, remote: &str, mapped: &str) -> Answer {
        let path = FiveTuple::udp(local.parse().unwrap(), remote.parse().unwrap());
        Answer { target: SurveyTarget::new(path), mapped: mapped.parse().unwrap() }
    }

    /// Answers to one socket: server and mapped address.
    fn seen(answers: &[(&str, &str)]) -> ObservedMapping {
        let all: Vec<Answer> =
            answers.iter().map(|(remote, mapped)| answer("10.0.0.1:5000", remote, mapped)).collect();
        observe(all.iter().copied())
    }

    const DEPENDS: fn(ServersDiffer) -> ObservedMapping =
        |servers| ObservedMapping::DependsOnDestination { servers };

    #[test]
    fn one_server_tells_nothing_not_even_on_two_ports() {
        assert_eq!(seen(&[]), ObservedMapping::Unknown);
        assert_eq!(seen(&[("192.0.2.1:3478", "203.0.113.9:1")]), ObservedMapping::Unknown);
        let twice = [("192.0.2.1:3478", "203.0.113.9:1"), ("192.0.2.1:3479", "203.0.113.9:1")];
        assert_eq!(seen(&twice), ObservedMapping::Unknown);
        let moved = [("192.0.2.1:3478", "203.0.113.9:1"), ("192.0.2.1:3478", "203.0.113.9:2")];
        assert_eq!(seen(&moved), ObservedMapping::Unknown, "the same server at two times is no comparison");
    }

    #[test]
    fn two_servers_tell_whether_the_mapping_depends_on_the_destination() {
        let same = [("192.0.2.1:3478", "203.0.113.9:1"), ("192.0.2.2:3478", "203.0.113.9:1")];
        assert_eq!(seen(&same), ObservedMapping::SameEverywhere);
        let other = [("192.0.2.1:3478", "203.0.113.9:1"), ("192.0.2.2:3478", "203.0.113.9:2")];
        assert_eq!(seen(&other), DEPENDS(ServersDiffer::Address));
        let ports = [("192.0.2.1:3478", "203.0.113.9:1"), ("192.0.2.1:3479", "203.0.113.9:2")];
        assert_eq!(seen(&ports), DEPENDS(ServersDiffer::PortOnly));
    }

    #[test]
    fn different_sockets_families_and_streams_are_not_compared() {
        let first = answer("10.0.0.1:5000", "192.0.2.1:3478", "203.0.113.9:1");
        let other_port = answer("10.0.0.1:5001", "192.0.2.2:3478", "203.0.113.9:2");
        let other_family = answer("10.0.0.1:5000", "192.0.2.2:3478", "[2001:db8::9]:1");
        for other in [other_port, other_family] {
            assert_eq!(observe([first, other].into_iter()), ObservedMapping::Unknown);
        }
        let mut other_socket = answer("10.0.0.1:5000", "192.0.2.2:3478", "203.0.113.9:2");
        other_socket.target.socket_id = 1;
        assert_eq!(observe([first, other_socket].into_iter()), ObservedMapping::Unknown);
        let stream = |remote: &str, mapped: &str| {
            let mut answer = answer("0.0.0.0:0", remote, mapped);
            answer.target.path.transport = Transport::Tcp;
            answer
        };
        let streams = [stream("192.0.2.1:3478", "203.0.113.9:1"), stream("192.0.2.2:3478", "203.0.113.9:2")];
        assert_eq!(observe(streams.into_iter()), ObservedMapping::Unknown);
    }
}
