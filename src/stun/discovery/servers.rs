//! What was found, and how to ask it.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::net::{FiveTuple, Transport};
use crate::stun::survey::{ServerSurvey, SurveyTarget};

/// One address of one server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DiscoveredServer {
    /// How to reach it.
    pub transport: Transport,
    /// Where it is.
    pub address: SocketAddr,
    /// What its certificate must be for: the host that was looked for, not the one that the records led to
    /// (RFC 8489 s6.2.3, RFC 5928 s5).
    pub host: String,
}

/// A socket of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LocalSocket {
    /// What it carries.
    pub transport: Transport,
    /// What the host calls it by; its family is the one that it reaches.
    pub local: SocketAddr,
    /// The host's number for it.
    pub socket_id: u32,
}

/// Pairs servers with sockets for a [`ServerSurvey`]: each server, in order, with each socket of its transport
/// and family. Servers that no socket reaches are passed over; at most [`ServerSurvey::MAX_TARGETS`] pairs.
///
/// ```
/// use libstun::stun::discovery::{DiscoveredServer, LocalSocket, targets};
/// use libstun::Transport;
///
/// let servers = ["[2001:db8::1]:3478", "192.0.2.1:3478"].map(|address| DiscoveredServer {
///     transport: Transport::Udp,
///     address: address.parse().expect("an address"),
///     host: "stun.example.org".to_owned(),
/// });
/// let ipv4_only = LocalSocket { transport: Transport::Udp, local: "0.0.0.0:0".parse()?, socket_id: 7 };
/// let targets = targets(&servers, &[ipv4_only]);
/// assert_eq!((targets.len(), targets[0].path.remote, targets[0].socket_id), (1, servers[1].address, 7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn targets(servers: &[DiscoveredServer], sockets: &[LocalSocket]) -> Vec<SurveyTarget> {
    let fits = |server: &DiscoveredServer, socket: &LocalSocket| {
        socket.transport == server.transport && socket.local.is_ipv4() == server.address.is_ipv4()
    };
    let mut all = Vec::new();
    for server in servers {
        for socket in sockets.iter().filter(|socket| fits(server, socket)) {
            if all.len() >= ServerSurvey::MAX_TARGETS {
                return all;
            }
            let path = FiveTuple { transport: server.transport, local: socket.local, remote: server.address };
            all.push(SurveyTarget { path, socket_id: socket.socket_id });
        }
    }
    all
}
