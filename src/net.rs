//! Where a datagram comes from and goes to: the words that every machine shares with its host.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

/// How bytes travel between the host's socket and the remote.
///
/// The host owns the socket, and the TLS session of [`Transport::Tls`]; the machines see plain bytes and
/// only need to know whether the transport is reliable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub enum Transport {
    /// Datagrams that may be lost, repeated or reordered.
    #[default]
    Udp,
    /// A byte stream. Every payload handed in or out is exactly one frame (see [`crate::wire::stream`]).
    Tcp,
    /// A byte stream inside TLS that the host terminates. Framed like [`Transport::Tcp`].
    Tls,
}

impl Transport {
    /// Whether the transport itself retransmits, so that a request is sent once (RFC 8489 s6.2.2).
    #[must_use]
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }
}

/// A path: transport, local address and remote address.
///
/// `local` is whatever the host calls its socket by. A host that binds one socket per family may leave it
/// unspecified (`0.0.0.0:0` or `[::]:0`): an unspecified IP matches every IP and port 0 every port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FiveTuple {
    /// How the bytes travel.
    pub transport: Transport,
    /// The host's own address.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
}

impl FiveTuple {
    /// A path over UDP.
    #[must_use]
    pub const fn udp(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { transport: Transport::Udp, local, remote }
    }

    /// A path over TCP.
    #[must_use]
    pub const fn tcp(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { transport: Transport::Tcp, local, remote }
    }

    /// Whether a datagram that arrived on `arrived` may answer one that was sent on `self`: the same
    /// transport, the very remote that was asked, and a local address that does not contradict.
    #[must_use]
    pub fn admits(&self, arrived: &Self) -> bool {
        self.transport == arrived.transport
            && same_endpoint(&self.remote, &arrived.remote)
            && same_or_wildcard(&self.local, &arrived.local)
    }
}

/// One received datagram, or one frame of a stream. Borrows the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Where it arrived.
    pub path: FiveTuple,
    /// The two ECN bits of the IP header, 0 where unknown.
    pub ecn: u8,
    /// A number of the host's choosing for its socket; handed back untouched.
    pub socket_id: u32,
    /// The bytes.
    pub payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// A datagram on `path`, without ECN marks and with socket number 0.
    #[must_use]
    pub const fn new(path: FiveTuple, payload: &'a [u8]) -> Self {
        Self { path, ecn: 0, socket_id: 0, payload }
    }
}

/// One datagram, or one frame of a stream, to send. Borrows the machine that owns the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit<'a> {
    /// Where to send it: from `path.local` to `path.remote`.
    pub path: FiveTuple,
    /// The number of the host's socket that it belongs to.
    pub socket_id: u32,
    /// The two ECN bits to set in the IP header.
    pub ecn: u8,
    /// The bytes, valid until the machine is next given input, time or a command.
    pub payload: &'a [u8],
}

/// What became of a datagram that was offered to a machine.
#[must_use = "an unclaimed datagram belongs to the host's next protocol"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// Not for this machine: offer it to the next protocol. Nothing changed.
    Unclaimed,
    /// It was for this machine, or was STUN that nobody may act on, and is done with.
    Consumed,
    /// Application data was inside; the payload is a slice of the caller's own buffer.
    Unwrapped(Datagram<'a>),
}

/// Why the host could not send, or learnt later that a datagram did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendError {
    /// No route to the network or host (`ENETUNREACH`, `EHOSTUNREACH`). Hard.
    NoRoute,
    /// The host has no address of that family (`EAFNOSUPPORT`, `EADDRNOTAVAIL`). Hard.
    FamilyUnavailable,
    /// A firewall or the system forbids it (`EPERM`, `EACCES`). Hard.
    PermissionDenied,
    /// Nobody listens there (ICMP port unreachable, `ECONNREFUSED`, `ECONNRESET`). Hard.
    Refused,
    /// Larger than the path allows (`EMSGSIZE`). Hard: a retransmission has the same size.
    MessageTooLarge,
    /// The socket is gone (`EBADF`, `ENOTCONN`, `EPIPE`). Hard.
    SocketClosed,
    /// A passing shortage (`EAGAIN`, `ENOBUFS`), or a soft ICMP error (RFC 1122 s3.2.2.1). Soft: the
    /// retransmission schedule covers it.
    Transient,
}

impl SendError {
    /// Whether the transaction should fail at once (RFC 8489 s6.2.1: "a hard ICMP error").
    #[must_use]
    pub const fn is_hard(self) -> bool {
        !matches!(self, Self::Transient)
    }
}

impl core::fmt::Display for SendError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NoRoute => "no route to the remote",
            Self::FamilyUnavailable => "the host has no address of that family",
            Self::PermissionDenied => "not permitted",
            Self::Refused => "nobody listens there",
            Self::MessageTooLarge => "larger than the path allows",
            Self::SocketClosed => "the socket is closed",
            Self::Transient => "a passing shortage",
        })
    }
}

impl core::error::Error for SendError {}

/// What an error of `send_to` or `recv_from` means. Errors that it does not know are passing ones: the
/// retransmission schedule decides.
#[cfg(feature = "std")]
impl From<&std::io::Error> for SendError {
    fn from(error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        /// `EMSGSIZE` has no `ErrorKind`: Linux, Apple and BSD, Windows.
        const MESSAGE_TOO_LARGE: [i32; 3] = [90, 40, 10_040];
        match error.kind() {
            ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::NetworkDown => {
                Self::NoRoute
            }
            ErrorKind::AddrNotAvailable | ErrorKind::Unsupported => Self::FamilyUnavailable,
            ErrorKind::PermissionDenied => Self::PermissionDenied,
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Self::Refused,
            ErrorKind::NotConnected | ErrorKind::BrokenPipe => Self::SocketClosed,
            _ if error.raw_os_error().is_some_and(|code| MESSAGE_TOO_LARGE.contains(&code)) => {
                Self::MessageTooLarge
            }
            _ => Self::Transient,
        }
    }
}

/// Equality of transport addresses, without the flow label that some systems put into `SocketAddrV6`.
pub(crate) fn same_endpoint(a: &SocketAddr, b: &SocketAddr) -> bool {
    match (a, b) {
        (SocketAddr::V4(a), SocketAddr::V4(b)) => a == b,
        (SocketAddr::V6(a), SocketAddr::V6(b)) => {
            a.ip() == b.ip()
                && a.port() == b.port()
                && (a.scope_id() == b.scope_id() || a.scope_id() == 0 || b.scope_id() == 0)
        }
        _ => false,
    }
}

/// Stands for every local address.
pub(crate) const EVERYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Whether a single host can be there: no port 0, no unspecified, multicast or broadcast address.
pub(crate) fn is_endpoint(address: &SocketAddr) -> bool {
    let ip = canonical(*address).ip();
    let is_broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !is_broadcast
}

/// An IPv4 address carried in an IPv6 socket (`::ffff:a.b.c.d`) as what it is.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::new(IpAddr::V4(v4), v6.port()),
            None => address,
        },
        SocketAddr::V4(_) => address,
    }
}

/// Whether a local address is one of the host's, in whatever notation. An unspecified one is none.
pub(crate) fn is_among(local: &SocketAddr, addresses: &[IpAddr]) -> bool {
    let bound = canonical(*local).ip();
    !bound.is_unspecified() && addresses.iter().any(|ip| canonical(SocketAddr::new(*ip, 0)).ip() == bound)
}

fn same_or_wildcard(asked: &SocketAddr, arrived: &SocketAddr) -> bool {
    let ports = asked.port() == arrived.port() || asked.port() == 0 || arrived.port() == 0;
    let any = asked.ip().is_unspecified() || arrived.ip().is_unspecified();
    ports && (any || asked.ip() == arrived.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_answer_must_come_from_the_very_remote_that_was_asked() {
        let asked = FiveTuple::udp(addr("10.0.0.1:5000"), addr("192.0.2.1:3478"));
        assert!(asked.admits(&asked));
        for remote in ["192.0.2.2:3478", "192.0.2.1:3479", "[::ffff:192.0.2.1]:3478"] {
            assert!(!asked.admits(&FiveTuple { remote: addr(remote), ..asked }), "{remote}");
        }
        assert!(!asked.admits(&FiveTuple { transport: Transport::Tcp, ..asked }));
    }

    #[test]
    fn an_unspecified_local_address_matches_any_but_a_different_one_does_not() {
        let asked = FiveTuple::udp(addr("0.0.0.0:5000"), addr("192.0.2.1:3478"));
        assert!(asked.admits(&FiveTuple { local: addr("10.0.0.1:5000"), ..asked }));
        assert!(!asked.admits(&FiveTuple { local: addr("10.0.0.1:5001"), ..asked }));
        let bound = FiveTuple { local: addr("10.0.0.1:5000"), ..asked };
        assert!(!bound.admits(&FiveTuple { local: addr("10.0.0.2:5000"), ..asked }));
        assert!(bound.admits(&FiveTuple { local: addr("0.0.0.0:0"), ..asked }));
    }

    #[test]
    fn the_ipv6_flow_label_is_not_part_of_an_endpoint_and_the_scope_only_when_both_know_it() {
        use core::net::{Ipv6Addr, SocketAddrV6};
        let at = |flow, scope| SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 7, flow, scope));
        assert!(same_endpoint(&at(0, 0), &at(9, 0)));
        assert!(same_endpoint(&at(0, 2), &at(0, 0)));
        assert!(!same_endpoint(&at(0, 2), &at(0, 3)));
    }
}
