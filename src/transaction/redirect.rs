//! ALTERNATE-SERVER: when a binding asks the server that another one names (RFC 8489 s10).

use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use crate::net;
use crate::time::Instant;
use crate::wire::Message;
use crate::wire::attribute::{AlternateDomain, AlternateServer};

/// What a binding does when a server names another one in its place (300 and ALTERNATE-SERVER, RFC 8489 s10).
///
/// Whoever answers an unsigned request can redirect it, so that a host with a reason to trust only its own
/// servers refuses or asks. A request signed by what has worked is redirected by a signed response only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RedirectPolicy {
    /// Fails, as with any other error.
    Refuse,
    /// Asks the host, by [`BindingEvent::Redirected`](crate::stun::BindingEvent::Redirected), and waits for
    /// [`Binding::answer_redirect`](crate::stun::Binding::answer_redirect).
    Ask,
    /// Asks the other server, and tells the host.
    #[default]
    Follow,
}

/// Why a redirection was not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RedirectRefusal {
    /// The host declined it.
    Declined,
    /// It names no server of the family that was asked.
    OtherFamily,
    /// It names port 0, an unspecified, multicast or broadcast address, or one inside the host or on its link.
    UnusableAddress,
    /// It leads back to a server that was asked in the last five minutes.
    Loop,
    /// Four servers in a row have redirected.
    TooMany,
}

impl fmt::Display for RedirectRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Declined => "the host declined it",
            Self::OtherFamily => "it names no server of the same family",
            Self::UnusableAddress => "it names an address that no server can have",
            Self::Loop => "it leads back to a server that was asked in the last five minutes",
            Self::TooMany => "too many servers in a row have redirected",
        })
    }
}

impl core::error::Error for RedirectRefusal {}

/// Where redirections have led: small, and empty until the first.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    /// Servers that have redirected, and when.
    left: Vec<(SocketAddr, Instant)>,
    /// How many in a row.
    depth: u32,
}

impl Trail {
    /// Redirections in a row, one server to the next. RFC 8489 s10 has no limit.
    const MAX_DEPTH: u32 = 4;

    /// How long a server counts as asked (RFC 8489 s10).
    const MEMORY: Duration = Duration::from_secs(300);

    /// The server that a response of `asked` names, if it may be followed; `None` where it names none.
    pub(crate) fn target(
        &self,
        response: &Message<'_>,
        asked: SocketAddr,
        now: Instant,
    ) -> Option<Result<SocketAddr, RedirectRefusal>> {
        let mut named = response.get_all::<AlternateServer>().flatten().map(|server| server.0).peekable();
        named.peek()?;
        Some(match named.find(|server| server.is_ipv4() == asked.is_ipv4()) {
            None => Err(RedirectRefusal::OtherFamily),
            Some(server) if !is_allowed(&server, &asked) => Err(RedirectRefusal::UnusableAddress),
            Some(server) if self.has_asked(&server, &asked, now) => Err(RedirectRefusal::Loop),
            Some(_) if self.depth >= Self::MAX_DEPTH => Err(RedirectRefusal::TooMany),
            Some(server) => Ok(server),
        })
    }

    /// Leaves a server for another.
    pub(crate) fn leave(&mut self, server: SocketAddr, now: Instant) {
        self.left.retain(|(_, at)| now.saturating_since(*at) < Self::MEMORY);
        if self.left.len() > Self::MAX_DEPTH as usize {
            self.left.remove(0);
        }
        self.left.push((server, now));
        self.depth = self.depth.saturating_add(1);
    }

    /// A request begins that no redirection has caused.
    pub(crate) fn begin(&mut self) {
        self.depth = 0;
    }

    fn has_asked(&self, server: &SocketAddr, asked: &SocketAddr, now: Instant) -> bool {
        let recent = self.left.iter().filter(|(_, at)| now.saturating_since(*at) < Self::MEMORY);
        net::same_endpoint(server, asked) || recent.clone().any(|(left, _)| net::same_endpoint(server, left))
    }
}

/// ALTERNATE-DOMAIN: the name that the certificate of the other server has to carry (RFC 8489 s10).
pub(crate) fn domain<'a>(response: &Message<'a>) -> Option<&'a str> {
    response.get::<AlternateDomain<'a>>().ok().flatten()?.as_str().ok()
}

/// Nobody may point the host at itself or at its neighbours: a server that is itself inside is an exception.
fn is_allowed(server: &SocketAddr, asked: &SocketAddr) -> bool {
    net::is_endpoint(server) && (is_loopback(asked) || !is_loopback(server) && !is_link_local(server))
}

fn is_loopback(address: &SocketAddr) -> bool {
    match address.ip() {
        IpAddr::V4(v4) => v4.is_loopback(),
        // Also `::ffff:127.0.0.1` and the old `::127.0.0.1`.
        IpAddr::V6(v6) => v6.is_loopback() || v6.to_ipv4().is_some_and(|v4| v4.is_loopback()),
    }
}

fn is_link_local(address: &SocketAddr) -> bool {
    match net::canonical(*address).ip() {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_himself_or_to_his_neighbours() {
        let allowed = |server: &str, asked: &str| {
            is_allowed(&server.parse().unwrap(), &asked.parse::<SocketAddr>().unwrap())
        };
        for server in ["192.0.2.2:3478", "10.0.0.9:1"] {
            assert!(allowed(server, "192.0.2.1:3478"), "{server}");
        }
        assert!(allowed("[2001:db8::2]:3478", "[2001:db8::1]:3478"));
        for server in [
            "127.0.0.1:3478",
            "169.254.1.1:3478",
            "192.0.2.2:0",
            "224.0.0.1:3478",
            "255.255.255.255:1",
            "0.0.0.0:1",
        ] {
            assert!(!allowed(server, "192.0.2.1:3478"), "{server}");
        }
        for server in
            ["[::1]:1", "[fe80::1]:1", "[ff02::1]:1", "[::]:1", "[::ffff:127.0.0.1]:1", "[::7f00:1]:1"]
        {
            assert!(!allowed(server, "[2001:db8::1]:3478"), "{server}");
        }
        assert!(allowed("127.0.0.1:3479", "127.0.0.1:3478"));
        assert!(!allowed("127.0.0.1:0", "127.0.0.1:3478"));
    }

    #[test]
    fn the_trail_forgets_after_five_minutes_and_stays_short() {
        let at = |n: u16| SocketAddr::new(IpAddr::from([192, 0, 2, 1]), n);
        let mut trail = Trail::default();
        for number in 1..100 {
            trail.leave(at(number), Instant::ZERO);
        }
        assert!(trail.left.len() <= 5);
        assert!(trail.has_asked(&at(99), &at(100), Instant::from_millis(299_999)));
        assert!(!trail.has_asked(&at(99), &at(100), Instant::from_millis(300_000)));
        assert!(trail.has_asked(&at(100), &at(100), Instant::from_millis(300_000)), "the one that is asked");
    }
}
