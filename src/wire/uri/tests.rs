use std::collections::hash_map::DefaultHasher;
use std::string::{String, ToString};
use std::{format, vec::Vec};

use proptest::prelude::*;

use super::*;

fn name(scheme: Scheme, host: &str) -> Uri<'_> {
    Uri { scheme, host: Host::Name(host), port: None, transport: None }
}

fn refused(text: &str) -> UriError {
    match Uri::parse(text) {
        Err(error) => error,
        Ok(uri) => panic!("{text:?} is {uri:?}"),
    }
}

fn host(text: &str) -> Result<Host<'_>, UriError> {
    Uri::parse(text).map(|uri| uri.host)
}

fn ip(text: &str) -> Host<'static> {
    Host::Ip(text.parse().unwrap())
}

fn hash(uri: &Uri<'_>) -> u64 {
    let mut state = DefaultHasher::new();
    uri.hash(&mut state);
    state.finish()
}

fn assert_round_trip(uri: &Uri<'_>) {
    let shown = uri.to_string();
    let again = Uri::parse(&shown);
    assert_eq!(again.as_ref(), Ok(uri), "{shown}");
    assert_eq!(again.map(|uri| (uri.to_string(), hash(&uri))), Ok((shown.clone(), hash(uri))));
}

#[test]
fn the_examples_of_rfc_7064_appendix_a_are_read_and_written() {
    let plain = name(Scheme::Stun, "example.org");
    let table = [
        ("stun:example.org", plain, 3478),
        ("stuns:example.org", name(Scheme::Stuns, "example.org"), 5349),
        ("stun:example.org:8000", Uri { port: Some(8000), ..plain }, 8000),
    ];
    for (text, uri, port) in table {
        assert_eq!(Uri::parse(text), Ok(uri));
        assert_eq!((uri.to_string().as_str(), uri.port_or_default()), (text, port));
    }
}

#[test]
fn the_examples_of_rfc_7065_appendix_a_are_read_and_written() {
    let table = [
        ("turn:example.org", false, None, None),
        ("turns:example.org", true, None, None),
        ("turn:example.org:8000", false, Some(8000), None),
        ("turn:example.org?transport=udp", false, None, Some(UriTransport::Udp)),
        ("turn:example.org?transport=tcp", false, None, Some(UriTransport::Tcp)),
        ("turns:example.org?transport=tcp", true, None, Some(UriTransport::Tcp)),
    ];
    for (text, secure, port, transport) in table {
        let uri = Uri::parse(text).unwrap();
        assert_eq!((uri.is_secure(), uri.port, uri.transport), (secure, port, transport), "{text}");
        assert_eq!(uri.host, Host::Name("example.org"));
        assert_eq!(uri.default_port(), if secure { 5349 } else { 3478 });
        assert_eq!(uri.to_string(), text);
    }
}

#[test]
fn case_matters_only_in_an_extension_transport() {
    let (upper, lower) = ("TURNS:EXAMPLE.org?TRANSPORT=Udp", "turns:example.org?transport=udp");
    let (a, b) = (Uri::parse(upper).unwrap(), Uri::parse(lower).unwrap());
    assert_eq!((a, hash(&a), a.to_string().as_str()), (b, hash(&b), lower));
    assert!(matches!(a.host, Host::Name("EXAMPLE.org")), "the resolver gets what was written");
    let sctp = Uri::parse("turn:h?transport=SCTP").unwrap();
    assert_eq!(sctp.transport, Some(UriTransport::Extension("SCTP")));
    assert_ne!(Ok(sctp), Uri::parse("turn:h?transport=sctp"));
}

#[test]
fn addresses_are_recognised() {
    assert_eq!(host("stun:192.0.2.1"), Ok(ip("192.0.2.1")));
    assert_eq!(host("stun:192.0.2.1:3478"), Ok(ip("192.0.2.1")));
    assert_eq!(host("stun:[2001:DB8::1]:3478"), Ok(ip("2001:db8::1")));
    assert_eq!(host("turn:[::ffff:192.0.2.1]?transport=udp"), Ok(ip("::ffff:192.0.2.1")));
    let canonical = |text| Uri::parse(text).map(|uri| uri.to_string());
    assert_eq!(canonical("stun:[2001:DB8:0:0:0:0:0:1]:0099").as_deref(), Ok("stun:[2001:db8::1]:99"));
    for text in ["stun:[192.0.2.1]", "stun:[]", "stun:[1::2::3]", "stun:[v1.x]", "stun:[::1", "stun:[[::1]]"]
    {
        assert_eq!(refused(text), UriError::InvalidIpv6, "{text}");
    }
    for text in ["stun:[fe80::1%eth0]", "stun:[fe80::1%25eth0]", "stun:[%]"] {
        assert_eq!(refused(text), UriError::ZoneId, "{text}");
    }
    for text in ["stun:2001:db8::1", "stun:::1", "stun:::"] {
        assert_eq!(refused(text), UriError::UnbracketedIpv6, "{text}");
    }
}

#[test]
fn a_name_that_a_resolver_may_read_as_an_address_is_refused() {
    let hostile = [
        "127.1",
        "2130706433",
        "0x7f000001",
        "0X7F.0x1",
        "0x",
        "192.0.2.010",
        "192.0.2.256",
        "1.2.3.4.5",
        "192.0.2.1.",
        "a.1",
    ];
    for text in hostile {
        assert_eq!(refused(&format!("stun:{text}")), UriError::InvalidIpv4, "{text}");
    }
    for text in ["1.example", "3com", "0xg", "a1", "1.2.3.4a", "1-2", ".", "..", "example.org."] {
        assert_eq!(Uri::parse(&format!("stun:{text}")).map(|uri| uri.host), Ok(Host::Name(text)));
    }
}

#[test]
fn names_are_those_of_rfc_3986_without_percent_encoding() {
    let all = "aZ09-._~!$&'()*+,;=x";
    assert_eq!(Uri::parse(&format!("stun:{all}")), Ok(name(Scheme::Stun, all)));
    assert_eq!(refused("stun:ex%61mple.org"), UriError::PercentEncoding);
    assert_eq!(refused("stun:a%00"), UriError::PercentEncoding);
    for c in "\0\u{1}\t\r\n \"<>\\^`{|}]\u{7F}é\u{202E}１".chars() {
        assert_eq!(refused(&format!("stun:a{c}b")), UriError::InvalidName, "{c:?}");
        assert_eq!(refused(&format!("turn:a{c}?transport=udp")), UriError::InvalidName, "{c:?}");
    }
    let longest = "a".repeat(255);
    assert_eq!(Uri::parse(&format!("stun:{longest}")), Ok(name(Scheme::Stun, &longest)));
    assert_eq!(refused(&format!("stun:{longest}a")), UriError::NameTooLong);
}

#[test]
fn ports_are_digits_from_1_to_65535() {
    let port = |text: &str| Uri::parse(&format!("stun:h:{text}")).map(|uri| uri.port);
    assert_eq!(port("1"), Ok(Some(1)));
    assert_eq!(port("65535"), Ok(Some(65535)));
    assert_eq!(port(&format!("{}7", "0".repeat(10_000))), Ok(Some(7)));
    assert_eq!(port(""), Ok(None), "RFC 3986 s3.2.3: *DIGIT");
    for text in ["0", "00000", "65536", "99999999999999999999999999"] {
        assert_eq!(port(text), Err(UriError::PortOutOfRange), "{text}");
    }
    for text in ["+1", "-1", " 1", "1 ", "0x1", "1:2", ":", "१", "3478\0"] {
        assert_eq!(port(text), Err(UriError::InvalidPort), "{text}");
    }
    assert_eq!(refused("stun:[::1]3478"), UriError::InvalidPort);
    assert_eq!(refused("stun:[::1]:+1"), UriError::InvalidPort);
}

#[test]
fn the_default_port_written_out_is_not_an_absent_one() {
    let (absent, written) = (Uri::parse("stun:h").unwrap(), Uri::parse("stun:h:3478").unwrap());
    assert_ne!(absent, written);
    assert_eq!(absent.port_or_default(), written.port_or_default());
    assert_eq!(written.to_string(), "stun:h:3478");
}

#[test]
fn every_other_mistake_has_its_name() {
    let table = [
        ("", UriError::UnknownScheme),
        (":", UriError::UnknownScheme),
        ("stun", UriError::UnknownScheme),
        (" stun:h", UriError::UnknownScheme),
        ("example.org:3478", UriError::UnknownScheme),
        ("http://example.org", UriError::UnknownScheme),
        ("ſtun:h", UriError::UnknownScheme),
        ("stun:", UriError::EmptyHost),
        ("stun::", UriError::EmptyHost),
        ("stun::3478", UriError::EmptyHost),
        ("turn:?transport=udp", UriError::EmptyHost),
        ("stun:[", UriError::InvalidIpv6),
        ("stun://example.org", UriError::Slashes),
        ("stun:user@example.org", UriError::UserInfo),
        ("turn:user:pass/word@example.org", UriError::Path),
        ("turn:user:password@example.org:3478", UriError::UserInfo),
        ("stun:example.org/", UriError::Path),
        ("stun:/example.org", UriError::Path),
        ("stun:example.org#", UriError::Fragment),
        ("turn:example.org?transport=udp#x", UriError::Fragment),
        ("stun:example.org?transport=udp", UriError::QueryNotAllowed),
        ("stuns:example.org?", UriError::QueryNotAllowed),
        ("turn:h?", UriError::UnknownQuery),
        ("turn:h?transport", UriError::UnknownQuery),
        ("turn:h?proto=udp", UriError::UnknownQuery),
        ("turn:h?transport=", UriError::EmptyTransport),
        ("turn:h?transport=udp&x=1", UriError::InvalidTransport),
        ("turn:h?transport=udp?transport=tcp", UriError::InvalidTransport),
        ("turn:h?transport=%75dp", UriError::InvalidTransport),
        ("turn:h?transport=udp\0", UriError::InvalidTransport),
        ("turn:h?transport=é", UriError::InvalidTransport),
    ];
    for (text, error) in table {
        assert_eq!(Uri::parse(text), Err(error), "{text:?}");
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn a_very_long_text_is_read_or_refused_all_the_same() {
    let long = "a".repeat(1 << 20);
    assert_eq!(refused(&long), UriError::UnknownScheme);
    assert_eq!(refused(&format!("{long}:h")), UriError::UnknownScheme);
    assert_eq!(refused(&format!("stun:{long}")), UriError::NameTooLong);
    assert_eq!(refused(&format!("stun:[{long}]")), UriError::InvalidIpv6);
    assert_eq!(refused(&format!("stun:{}", ":".repeat(1 << 20))), UriError::EmptyHost);
    assert_round_trip(&Uri::parse(&format!("turn:h?transport={long}")).unwrap());
}

/// Texts that are URIs, or nearly so.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(
        [
            "stun:",
            "TURNS:",
            "turn:",
            ":",
            "//",
            "[",
            "]",
            "::1",
            "%",
            "@",
            "#",
            "?",
            "?transport=",
            "udp",
            "h",
            "1",
            ".",
            "0x",
            "65536",
            "é",
            "\0",
        ]
        .as_slice(),
    );
    prop::collection::vec(piece, 0..8).prop_map(|pieces: Vec<&str>| pieces.concat())
}

fn hosts() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9._~!$&'()*+,;=-]{0,254}[A-Za-z]",
        any::<Ipv4Addr>().prop_map(|v4| v4.to_string()),
        any::<Ipv6Addr>().prop_map(|v6| format!("[{v6}]")),
        any::<[u16; 2]>().prop_map(|[a, b]| format!("[::{a:X}:0:{b:04x}]")),
    ]
}

proptest! {
    #[test]
    fn no_text_panics_and_what_is_read_survives_a_round_trip(
        text in prop_oneof![any::<String>(), pieces(), "(?i:stun|turns):\\PC{0,40}"]
    ) {
        if let Ok(uri) = Uri::parse(&text) {
            assert_round_trip(&uri);
            prop_assert!(uri.to_string().is_ascii() && uri.port != Some(0));
            prop_assert!(uri.scheme.is_turn() || uri.transport.is_none());
        }
    }

    #[test]
    fn every_text_of_the_grammar_is_read(
        is_turn: bool,
        secure in "[sS]?",
        host in hosts().prop_filter("ends in 0x and digits", |host| !ends_in_a_number(host)
            || host.parse::<Ipv4Addr>().is_ok()),
        port in proptest::option::of(1..=u16::MAX),
        transport in proptest::option::of("[A-Za-z0-9._~-]{1,12}|[uU][dD][pP]|tcp"),
    ) {
        let scheme = if is_turn { "tUrN" } else { "StuN" };
        let mut text = format!("{scheme}{secure}:{host}");
        if let Some(port) = port {
            text.push_str(&format!(":{port}"));
        }
        let transport = transport.filter(|_| is_turn);
        if let Some(transport) = &transport {
            text.push_str(&format!("?transport={transport}"));
        }
        let uri = Uri::parse(&text);
        prop_assert!(uri.is_ok(), "{text}: {uri:?}");
        let uri = uri.unwrap();
        prop_assert_eq!((uri.is_secure(), uri.scheme.is_turn()), (!secure.is_empty(), is_turn));
        prop_assert_eq!(uri.port, port);
        prop_assert_eq!(uri.transport.is_some(), transport.is_some());
        assert_round_trip(&uri);
    }
}
