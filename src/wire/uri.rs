//! `stun:`, `stuns:`, `turn:` and `turns:` URIs, read without allocation.
//!
//! ```text
//! stunURI       = scheme ":" host [ ":" port ]                              RFC 7064 s3.1
//! turnURI       = scheme ":" host [ ":" port ] [ "?transport=" transport ]  RFC 7065 s3.1
//! host          = IP-literal / IPv4address / reg-name                       RFC 3986 s3.2.2
//! port          = *DIGIT                                                    RFC 3986 s3.2.3
//! transport     = "udp" / "tcp" / 1*unreserved
//! ```
//!
//! They look like `http:` URIs but are not hierarchical, and a generic parser must not read them (RFC 7064
//! s3.1): `//`, userinfo, a path and a fragment are errors with names of their own.
//!
//! ```
//! use libstun::wire::uri::{Host, Scheme, Uri, UriError, UriTransport};
//!
//! let uri = Uri::parse("TURNS:Relay.example.org?transport=tcp")?;
//! assert_eq!((uri.scheme, uri.host), (Scheme::Turns, Host::Name("relay.example.org")));
//! assert_eq!((uri.port, uri.port_or_default()), (None, 5349));
//! assert_eq!(uri.transport, Some(UriTransport::Tcp));
//! assert_eq!(uri.to_string(), "turns:relay.example.org?transport=tcp");
//!
//! assert_eq!(Uri::parse("stun://example.org"), Err(UriError::Slashes));
//! # Ok::<(), UriError>(())
//! ```
//!
//! Three things are narrower than RFC 3986 allows:
//!
//! - Percent-encoding in a name is refused. A name of ASCII letters needs none, an international one is
//!   written in its `xn--` form, and decoding would need memory and let `%00` and `%2F` into a name.
//! - A name whose last label is a number (`127.1`, `0x7f000001`, `192.0.2.010`) is refused unless it is an
//!   IPv4 address of four plain decimals. No top-level domain is numeric, and resolvers read such names as
//!   addresses that a filter did not see (RFC 3986 s7.4).
//! - Zone ids and the IP literals of a future version are refused.

use core::fmt;
use core::hash::{Hash, Hasher};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where a server is and how to talk to it. Borrows the text that it was read from.
///
/// What [`Uri::parse`] returns and what [`Display`](fmt::Display) writes for it are equal; fields of another
/// origin are written as they are. The port is never normalised away: an absent one asks for a look-up of SRV
/// records, the default one written out does not (RFC 5928 s3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Uri<'a> {
    /// The protocol, and whether it runs inside TLS or DTLS.
    pub scheme: Scheme,
    /// The server.
    pub host: Host<'a>,
    /// The port, if the URI has one; never 0. An empty one (`stun:example.org:`) is none (RFC 3986 s3.2.3).
    pub port: Option<u16>,
    /// The transport, if the URI has one; always `None` for [`Scheme::Stun`] and [`Scheme::Stuns`].
    pub transport: Option<UriTransport<'a>>,
}

impl<'a> Uri<'a> {
    /// Reads a URI, the whole of `text`: blanks around it are errors.
    ///
    /// # Errors
    /// The first thing that is wrong with it, as a [`UriError`].
    pub fn parse(text: &'a str) -> Result<Self, UriError> {
        let (scheme, rest) = text.split_once(':').ok_or(UriError::UnknownScheme)?;
        let scheme = Scheme::parse(scheme)?;
        if rest.starts_with("//") {
            return Err(UriError::Slashes);
        }
        if rest.contains('#') {
            return Err(UriError::Fragment);
        }
        let (place, query) = match rest.split_once('?') {
            Some((place, query)) => (place, Some(query)),
            None => (rest, None),
        };
        let (host, port) = parse_place(place)?;
        let transport = query.map(|query| parse_query(scheme, query)).transpose()?;
        Ok(Self { scheme, host, port, transport })
    }

    /// Whether TLS, or DTLS over UDP, is asked for (RFC 7064 s3.2, RFC 7065 s3.2).
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.scheme.is_secure()
    }

    /// The port of a URI that names none: see [`Scheme::default_port`].
    #[must_use]
    pub const fn default_port(&self) -> u16 {
        self.scheme.default_port()
    }

    /// The port to use where no SRV record says otherwise.
    #[must_use]
    pub const fn port_or_default(&self) -> u16 {
        match self.port {
            Some(port) => port,
            None => self.default_port(),
        }
    }
}

/// The canonical form: lower case but for an extension transport, IPv6 as in RFC 5952, the port without
/// leading zeros.
impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scheme, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        if let Some(transport) = self.transport {
            write!(f, "?transport={transport}")?;
        }
        Ok(())
    }
}

/// The part before the colon. Upper and lower case are the same (RFC 3986 s3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// STUN over UDP or TCP (RFC 7064).
    Stun,
    /// STUN over TLS or DTLS (RFC 7064).
    Stuns,
    /// TURN over UDP or TCP (RFC 7065).
    Turn,
    /// TURN over TLS or DTLS (RFC 7065).
    Turns,
}

impl Scheme {
    /// Its name, in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stun => "stun",
            Self::Stuns => "stuns",
            Self::Turn => "turn",
            Self::Turns => "turns",
        }
    }

    /// Whether TLS, or DTLS over UDP, is asked for.
    #[must_use]
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Stuns | Self::Turns)
    }

    /// Whether the server is a relay.
    #[must_use]
    pub const fn is_turn(self) -> bool {
        matches!(self, Self::Turn | Self::Turns)
    }

    /// 3478, or 5349 inside TLS (RFC 7064 s3.2, RFC 7065 s3.2).
    #[must_use]
    pub const fn default_port(self) -> u16 {
        if self.is_secure() { 5349 } else { 3478 }
    }

    fn parse(text: &str) -> Result<Self, UriError> {
        [Self::Stun, Self::Stuns, Self::Turn, Self::Turns]
            .into_iter()
            .find(|scheme| scheme.as_str().eq_ignore_ascii_case(text))
            .ok_or(UriError::UnknownScheme)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A server, by name or by address (RFC 3986 s3.2.2).
///
/// Names compare without regard to case (RFC 3986 s6.2.2.1); the text itself stays as it was written, since
/// it goes to the resolver "without modification" (RFC 7065 s3.1).
#[derive(Clone, Copy, Debug, Eq)]
pub enum Host<'a> {
    /// A name to look up: 1 to 255 letters, digits and `-._~!$&'()*+,;=`. Whether it is a name that the DNS
    /// can hold is for the resolver to say.
    Name(&'a str),
    /// An address: four decimals, or IPv6 in brackets.
    Ip(IpAddr),
}

impl PartialEq for Host<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(a), Self::Name(b)) => a.eq_ignore_ascii_case(b),
            (Self::Ip(a), Self::Ip(b)) => a == b,
            _ => false,
        }
    }
}

impl Hash for Host<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Name(name) => {
                name.bytes().for_each(|byte| state.write_u8(byte.to_ascii_lowercase()));
                state.write_u8(0xFF); // in no UTF-8: ends the name
            }
            Self::Ip(ip) => ip.hash(state),
        }
    }
}

/// As in a URI: a name in lower case, IPv6 in brackets.
impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        match self {
            Self::Name(name) => name.chars().try_for_each(|c| f.write_char(c.to_ascii_lowercase())),
            Self::Ip(IpAddr::V4(v4)) => write!(f, "{v4}"),
            Self::Ip(IpAddr::V6(v6)) => write!(f, "[{v6}]"),
        }
    }
}

/// What runs between client and relay, below TLS if the scheme is [`Scheme::Turns`] (RFC 7065 s3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UriTransport<'a> {
    /// UDP; inside [`Scheme::Turns`], DTLS (RFC 7350 s4.6.1).
    Udp,
    /// TCP; inside [`Scheme::Turns`], TLS.
    Tcp,
    /// Another one, as it was written: letters, digits and `-._~`.
    Extension(&'a str),
}

impl fmt::Display for UriTransport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Extension(name) => name,
        })
    }
}

/// Why a text is no STUN or TURN URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UriError {
    /// It does not begin with `stun:`, `stuns:`, `turn:` or `turns:`.
    UnknownScheme,
    /// `//` follows the scheme, as in `stun://example.org`.
    Slashes,
    /// There is an `@`: credentials do not travel in the URI (RFC 7065 appendix B).
    UserInfo,
    /// There is a `/`.
    Path,
    /// There is a `#`.
    Fragment,
    /// No host.
    EmptyHost,
    /// A name of more than 255 bytes (RFC 3986 s3.2.2).
    NameTooLong,
    /// A name with a `%` in it: write an international name in its `xn--` form.
    PercentEncoding,
    /// A name with a character that no name may have.
    InvalidName,
    /// A name that ends in a number without being four decimals from 0 to 255.
    InvalidIpv4,
    /// No IPv6 address between `[` and `]`, or no `]`.
    InvalidIpv6,
    /// An IPv6 address with a zone id, which has a meaning on one machine only.
    ZoneId,
    /// An IPv6 address without brackets.
    UnbracketedIpv6,
    /// What follows the host is not a colon and digits.
    InvalidPort,
    /// A port of 0, or above 65 535.
    PortOutOfRange,
    /// A `?` in a `stun:` or `stuns:` URI (RFC 7064 s3.1).
    QueryNotAllowed,
    /// A `?` that `transport=` does not follow.
    UnknownQuery,
    /// Nothing follows `?transport=`.
    EmptyTransport,
    /// A transport with a character other than letters, digits and `-._~`.
    InvalidTransport,
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownScheme => "the scheme is not stun, stuns, turn or turns",
            Self::Slashes => "no // after the scheme",
            Self::UserInfo => "no user or password in the URI",
            Self::Path => "no path in the URI",
            Self::Fragment => "no fragment in the URI",
            Self::EmptyHost => "the host is missing",
            Self::NameTooLong => "the host name is longer than 255 bytes",
            Self::PercentEncoding => "no percent-encoding in the host name",
            Self::InvalidName => "the host name has a character that it may not have",
            Self::InvalidIpv4 => "the host looks like an IPv4 address but is none",
            Self::InvalidIpv6 => "the brackets hold no IPv6 address",
            Self::ZoneId => "no zone id in the IPv6 address",
            Self::UnbracketedIpv6 => "an IPv6 address needs brackets",
            Self::InvalidPort => "the port is not a decimal number",
            Self::PortOutOfRange => "the port is not in 1 to 65535",
            Self::QueryNotAllowed => "no query in a stun or stuns URI",
            Self::UnknownQuery => "the query is not transport=",
            Self::EmptyTransport => "the transport is missing",
            Self::InvalidTransport => "the transport has a character that it may not have",
        })
    }
}

impl core::error::Error for UriError {}

/// Host and port, all that stands between the scheme and the query.
fn parse_place(text: &str) -> Result<(Host<'_>, Option<u16>), UriError> {
    match text.chars().find(|c| matches!(c, '@' | '/')) {
        Some('@') => return Err(UriError::UserInfo),
        Some(_) => return Err(UriError::Path),
        None => {}
    }
    if let Some(literal) = text.strip_prefix('[') {
        let (ip, rest) = literal.split_once(']').ok_or(UriError::InvalidIpv6)?;
        let host = parse_ipv6(ip)?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, parse_port(port)?)),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(UriError::InvalidPort),
        };
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(UriError::UnbracketedIpv6);
    }
    match text.split_once(':') {
        Some((name, port)) => Ok((parse_name(name)?, parse_port(port)?)),
        None => Ok((parse_name(text)?, None)),
    }
}

fn parse_ipv6(text: &str) -> Result<Host<'_>, UriError> {
    if text.contains('%') {
        return Err(UriError::ZoneId);
    }
    let ip = text.parse::<Ipv6Addr>().map_err(|_| UriError::InvalidIpv6)?;
    Ok(Host::Ip(IpAddr::V6(ip)))
}

/// What matches an IPv4 address is one, and else it is a name (RFC 3986 s3.2.2, "first-match-wins").
fn parse_name(text: &str) -> Result<Host<'_>, UriError> {
    if text.is_empty() {
        return Err(UriError::EmptyHost);
    }
    if text.len() > LONGEST_NAME {
        return Err(UriError::NameTooLong);
    }
    if text.contains('%') {
        return Err(UriError::PercentEncoding);
    }
    if !text.bytes().all(|byte| is_unreserved(byte) || is_sub_delimiter(byte)) {
        return Err(UriError::InvalidName);
    }
    if let Ok(ip) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Ip(IpAddr::V4(ip)));
    }
    if ends_in_a_number(text) { Err(UriError::InvalidIpv4) } else { Ok(Host::Name(text)) }
}

/// Whether some resolver may read the name as an address: octal, hexadecimal, fewer parts than four
/// (RFC 3986 s7.4).
pub(crate) fn ends_in_a_number(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let label = name.rsplit('.').next().unwrap_or(name);
    let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// Digits only, any number of them, even none (RFC 3986 s3.2.3); `u16::from_str` would take a sign.
fn parse_port(text: &str) -> Result<Option<u16>, UriError> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UriError::InvalidPort);
    }
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse() {
        Ok(0) | Err(_) => Err(UriError::PortOutOfRange),
        Ok(port) => Ok(Some(port)),
    }
}

/// Literals in a grammar match in either case (RFC 5234 s2.3).
fn parse_query(scheme: Scheme, text: &str) -> Result<UriTransport<'_>, UriError> {
    if !scheme.is_turn() {
        return Err(UriError::QueryNotAllowed);
    }
    let (key, name) = text.split_once('=').ok_or(UriError::UnknownQuery)?;
    if !key.eq_ignore_ascii_case("transport") {
        return Err(UriError::UnknownQuery);
    }
    match name {
        "" => Err(UriError::EmptyTransport),
        _ if name.eq_ignore_ascii_case("udp") => Ok(UriTransport::Udp),
        _ if name.eq_ignore_ascii_case("tcp") => Ok(UriTransport::Tcp),
        _ if name.bytes().all(is_unreserved) => Ok(UriTransport::Extension(name)),
        _ => Err(UriError::InvalidTransport),
    }
}

/// RFC 3986 s2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986 s2.2.
const fn is_sub_delimiter(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}

/// "No more than 255 characters", lest the name not fit the DNS (RFC 3986 s3.2.2).
const LONGEST_NAME: usize = 255;

#[cfg(test)]
mod tests;
