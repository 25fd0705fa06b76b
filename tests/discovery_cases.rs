//! Discovery of servers: the procedures of RFC 8489 s8, the examples of RFC 5928 s4, and hostile answers.

#![allow(missing_docs)]
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::net::IpAddr;
use std::time::Duration;

use libstun::agent::StartError;
use libstun::stun::discovery::{
    Answer, DiscoveryError, DiscoveryFailure, LocalSocket, NaptrRecord, QuestionId, QuestionKind, Service,
    SrvRecord, UnknownQuestion, targets,
};
use libstun::stun::{Discovery, DiscoveryConfig, DiscoveryEvent, SurveyConfig, SurveyEvent};
use libstun::wire::uri::Uri;
use libstun::{Agent, Entropy, Event, Instant, Machine, OperationId, Transport, WakeReason};
use support::{MAPPED, addr, at, events, id_of, offer, success, transmits};

use QuestionKind::{A, Aaaa, Naptr, Srv};
use Transport::{Tcp, Tls, Udp};

/// The DNS of a test.
#[derive(Default)]
struct Zone<'a> {
    naptr: Vec<(&'a str, NaptrRecord<'a>)>,
    srv: Vec<(&'a str, SrvRecord<'a>)>,
    addresses: Vec<(&'a str, &'a str)>,
}

impl<'a> Zone<'a> {
    fn naptr(
        mut self,
        name: &'a str,
        order: u16,
        flags: &'a str,
        services: &'a str,
        replacement: &'a str,
    ) -> Self {
        let record = NaptrRecord { order, preference: 10, flags, services, regexp: "", replacement };
        self.naptr.push((name, record));
        self
    }

    fn srv(mut self, name: &'a str, priority: u16, port: u16, target: &'a str) -> Self {
        self.srv.push((name, SrvRecord { priority, weight: 0, port, target }));
        self
    }

    fn host(mut self, name: &'a str, addresses: &[&'a str]) -> Self {
        self.addresses.extend(addresses.iter().map(|address| (name, *address)));
        self
    }

    fn answer(
        &self,
        discovery: &mut Discovery,
        question: QuestionId,
        name: &str,
        kind: QuestionKind,
        now: Instant,
    ) {
        let naptr: Vec<_> =
            self.naptr.iter().filter(|(of, _)| *of == name).map(|(_, record)| *record).collect();
        let srv: Vec<_> = self.srv.iter().filter(|(of, _)| *of == name).map(|(_, record)| *record).collect();
        let addresses: Vec<IpAddr> = self
            .addresses
            .iter()
            .filter(|(of, _)| *of == name)
            .map(|(_, address)| address.parse().unwrap())
            .filter(|ip: &IpAddr| ip.is_ipv6() == (kind == Aaaa))
            .collect();
        let answer = match kind {
            Naptr if !naptr.is_empty() => Answer::Naptr(&naptr),
            Srv if !srv.is_empty() => Answer::Services(&srv),
            A | Aaaa if !addresses.is_empty() => Answer::Addresses(&addresses),
            _ => Answer::NotFound,
        };
        discovery.answer(question, answer, now).unwrap();
    }
}

/// RFC 5928, figure 1.
fn figure_1<'a>() -> Zone<'a> {
    Zone::default()
        .naptr("example.net", 100, "", "RELAY:turn.udp", "datagram.example.net.")
        .naptr("example.net", 200, "", "RELAY:turn.tcp:turn.tls", "stream.example.net.")
        .naptr("datagram.example.net", 100, "S", "RELAY:turn.udp", "_turn._udp.example.net.")
        .naptr("stream.example.net", 100, "S", "RELAY:turn.tcp", "_turn._tcp.example.net.")
        .naptr("stream.example.net", 200, "A", "RELAY:turn.tls", "a.example.net.")
        .srv("_turn._udp.example.net", 0, 3478, "a.example.net.")
        .srv("_turn._tcp.example.net", 0, 5000, "a.example.net.")
        .host("a.example.net", &["192.0.2.1"])
}

/// RFC 5928, figure 3.
fn figure_3<'a>() -> Zone<'a> {
    figure_1()
        .srv("_turn._udp.example.com", 0, 3478, "a.example.net.")
        .srv("_turn._tcp.example.com", 0, 5000, "a.example.net.")
        .srv("_turns._tcp.example.com", 0, 5349, "a.example.net.")
}

/// RFC 5928, table 2.
const TABLE_2: [(Transport, &str); 3] =
    [(Udp, "192.0.2.1:3478"), (Tls, "192.0.2.1:5349"), (Tcp, "192.0.2.1:5000")];

fn of_uri(uri: &str) -> DiscoveryConfig {
    DiscoveryConfig::from_uri(&Uri::parse(uri).unwrap()).unwrap()
}

fn start(config: DiscoveryConfig) -> Discovery {
    Discovery::new(config, Entropy::from_seed([7; 32]), Instant::ZERO).unwrap()
}

fn error_of(config: DiscoveryConfig) -> DiscoveryError {
    Discovery::new(config, Entropy::from_seed([7; 32]), Instant::ZERO).expect_err("it cannot be resolved")
}

/// Answers everything from the zone; the questions that were asked, and the last event.
fn resolve(config: DiscoveryConfig, zone: &Zone<'_>) -> (Vec<(QuestionKind, String)>, DiscoveryEvent) {
    let mut discovery = start(config);
    let mut asked = Vec::new();
    loop {
        match discovery.poll_event().expect("either a question or the end") {
            DiscoveryEvent::Resolve { question, name, kind } => {
                zone.answer(&mut discovery, question, &name, kind, Instant::ZERO);
                asked.push((kind, name));
            }
            last => {
                assert!(discovery.is_ended() && discovery.poll_timeout().is_none());
                return (asked, last);
            }
        }
    }
}

fn found(config: DiscoveryConfig, zone: &Zone<'_>) -> Vec<(Transport, String)> {
    match resolve(config, zone).1 {
        DiscoveryEvent::Servers(servers) => {
            servers.into_iter().map(|server| (server.transport, server.address.to_string())).collect()
        }
        other => panic!("{other}"),
    }
}

fn failure(config: DiscoveryConfig, zone: &Zone<'_>) -> DiscoveryFailure {
    match resolve(config, zone).1 {
        DiscoveryEvent::Failed { reason } => reason,
        other => panic!("{other}"),
    }
}

fn list(expected: &[(Transport, &str)]) -> Vec<(Transport, String)> {
    expected.iter().map(|(transport, address)| (*transport, (*address).to_owned())).collect()
}

fn questions(asked: &[(QuestionKind, String)]) -> Vec<(QuestionKind, &str)> {
    asked.iter().map(|(kind, name)| (*kind, name.as_str())).collect()
}

/// Takes the questions that are queued.
fn take_questions(discovery: &mut Discovery) -> Vec<(QuestionId, QuestionKind, String)> {
    let all = events(discovery).into_iter();
    all.map(|event| match event {
        DiscoveryEvent::Resolve { question, name, kind } => (question, kind, name),
        other => panic!("{other}"),
    })
    .collect()
}

mod stun {
    use super::*;

    #[test]
    fn srv_records_come_before_addresses_and_both_families_are_asked_for() {
        let zone = Zone::default()
            .srv("_stun._udp.example.org", 20, 3479, "b.example.org")
            .srv("_stun._udp.example.org", 10, 3478, "a.example.org")
            .host("a.example.org", &["192.0.2.1", "192.0.2.2", "2001:db8::1"])
            .host("b.example.org", &["192.0.2.3", "2001:db8::3"]);
        let (asked, _) = resolve(of_uri("stun:example.org"), &zone);
        let expected = [
            (Srv, "_stun._udp.example.org"),
            (Aaaa, "a.example.org"),
            (A, "a.example.org"),
            (Aaaa, "b.example.org"),
            (A, "b.example.org"),
        ];
        assert_eq!(questions(&asked), expected);
        // By SRV order, and of each host IPv6 and IPv4 by turns (RFC 8305 s4).
        let expected = [
            (Udp, "[2001:db8::1]:3478"),
            (Udp, "192.0.2.1:3478"),
            (Udp, "192.0.2.2:3478"),
            (Udp, "[2001:db8::3]:3479"),
            (Udp, "192.0.2.3:3479"),
        ];
        assert_eq!(found(of_uri("stun:example.org"), &zone), list(&expected));
    }

    #[test]
    fn without_srv_records_the_host_itself_serves_at_the_default_port() {
        let zone = Zone::default().host("example.org", &["192.0.2.1", "2001:db8::1"]);
        let (asked, last) = resolve(of_uri("stun:Example.Org"), &zone);
        let expected = [(Srv, "_stun._udp.example.org"), (Aaaa, "example.org"), (A, "example.org")];
        assert_eq!(questions(&asked), expected);
        let DiscoveryEvent::Servers(servers) = last else { panic!("{last}") };
        assert_eq!(servers[0].address, addr("[2001:db8::1]:3478"));
        assert_eq!(servers[1].address, addr("192.0.2.1:3478"));
        assert_eq!(servers[1].host, "example.org");
        let rooted = DiscoveryConfig::new(Service::Stun, "example.org.");
        let DiscoveryEvent::Servers(servers) = resolve(rooted, &zone).1 else { panic!() };
        assert_eq!(servers[0].host, "example.org", "as certificates write it");
    }

    #[test]
    fn a_port_in_the_uri_asks_for_addresses_alone() {
        let zone = Zone::default().host("example.org", &["192.0.2.1"]);
        let (asked, _) = resolve(of_uri("stun:example.org:3478"), &zone);
        assert_eq!(questions(&asked), [(Aaaa, "example.org"), (A, "example.org")]);
        assert_eq!(found(of_uri("stun:example.org:19302"), &zone), list(&[(Udp, "192.0.2.1:19302")]));
    }

    #[test]
    fn an_address_asks_nothing_and_stuns_refuses_it() {
        let (asked, _) = resolve(of_uri("stun:[2001:db8::1]"), &Zone::default());
        assert!(asked.is_empty());
        assert_eq!(
            found(of_uri("stun:[2001:db8::1]"), &Zone::default()),
            list(&[(Udp, "[2001:db8::1]:3478")])
        );
        assert_eq!(error_of(of_uri("stuns:192.0.2.1")), DiscoveryError::SecureAddress);
    }

    #[test]
    fn stuns_is_a_service_of_its_own_whose_certificate_is_for_the_name_in_the_uri() {
        let zone = Zone::default()
            .srv("_stuns._tcp.example.org", 0, 443, "server.example.net")
            .host("server.example.net", &["192.0.2.1"]);
        let (_, last) = resolve(of_uri("stuns:example.org"), &zone);
        let DiscoveryEvent::Servers(servers) = last else { panic!("{last}") };
        assert_eq!((servers[0].transport, servers[0].address), (Tls, addr("192.0.2.1:443")));
        assert_eq!(servers[0].host, "example.org");
        let bare = Zone::default().host("example.org", &["192.0.2.1"]);
        assert_eq!(found(of_uri("stuns:example.org"), &bare), list(&[(Tls, "192.0.2.1:5349")]));
    }

    #[test]
    fn each_transport_that_the_host_can_use_has_records_of_its_own() {
        let zone = Zone::default()
            .srv("_stun._tcp.example.org", 0, 3480, "a.example.org")
            .host("a.example.org", &["192.0.2.1"])
            .host("example.org", &["192.0.2.9"]);
        let config = DiscoveryConfig { transports: vec![Tcp, Udp, Tcp, Tls], ..of_uri("stun:example.org") };
        assert_eq!(found(config, &zone), list(&[(Tcp, "192.0.2.1:3480"), (Udp, "192.0.2.9:3478")]));
    }

    #[test]
    fn behavior_discovery_has_records_of_its_own() {
        let zone = Zone::default()
            .srv("_stun-behavior._udp.example.org", 0, 3500, "a.example.org")
            .srv("_stun-behaviors._tcp.example.org", 0, 3501, "a.example.org")
            .host("a.example.org", &["192.0.2.1"]);
        let plain = DiscoveryConfig::new(Service::StunBehavior, "example.org");
        assert_eq!(found(plain, &zone), list(&[(Udp, "192.0.2.1:3500")]));
        let secure = DiscoveryConfig { service: Service::StunBehavior, ..of_uri("stuns:example.org") };
        assert_eq!(found(secure, &zone), list(&[(Tls, "192.0.2.1:3501")]));
    }
}

mod turn {
    use super::*;

    fn preferring(transports: &[Transport], uri: &str) -> DiscoveryConfig {
        DiscoveryConfig { transports: transports.to_vec(), ..of_uri(uri) }
    }

    #[test]
    fn multiple_protocols_give_table_2() {
        let config = preferring(&[Tls, Tcp, Udp], "turn:example.net");
        assert_eq!(found(config, &figure_1()), list(&TABLE_2));
    }

    #[test]
    fn remote_hosting_gives_table_2() {
        let zone =
            figure_1().naptr("example.com", 100, "", "RELAY:turn.udp:turn.tcp:turn.tls", "example.net.");
        let config = preferring(&[Tls, Tcp, Udp], "turn:example.com");
        assert_eq!(found(config, &zone), list(&TABLE_2));
    }

    #[test]
    fn without_naptr_records_srv_records_serve_in_the_order_of_the_application() {
        let expected = [(Tls, "192.0.2.1:5349"), (Tcp, "192.0.2.1:5000"), (Udp, "192.0.2.1:3478")];
        assert_eq!(found(preferring(&[Tls, Tcp, Udp], "turn:example.com"), &figure_3()), list(&expected));
    }

    #[test]
    fn equal_ranks_leave_the_order_to_the_application_and_lower_ones_come_first() {
        let zone = Zone::default()
            .naptr("example.org", 200, "A", "RELAY:turn.udp:turn.tcp", "b.example.org")
            .naptr("example.org", 100, "a", "relay:TURN.UDP:TURN.TCP", "a.example.org")
            .host("a.example.org", &["192.0.2.1"])
            .host("b.example.org", &["192.0.2.2"]);
        let expected = [
            (Tcp, "192.0.2.1:3478"),
            (Udp, "192.0.2.1:3478"),
            (Tcp, "192.0.2.2:3478"),
            (Udp, "192.0.2.2:3478"),
        ];
        assert_eq!(found(preferring(&[Tcp, Udp], "turn:example.org"), &zone), list(&expected));
    }

    #[test]
    fn where_naptr_records_lead_to_nothing_there_is_no_second_guess() {
        let zone =
            figure_3().naptr("example.com", 1, "S", "RELAY:turn.udp", "_turn._udp.nowhere.example.com.");
        assert_eq!(failure(preferring(&[Udp, Tcp], "turn:example.com"), &zone), DiscoveryFailure::NotFound);
    }

    #[test]
    fn naptr_records_of_other_services_count_as_none() {
        let zone = figure_3()
            .naptr("example.com", 1, "S", "SIP+D2U", "_sip._udp.example.com.")
            .naptr("example.com", 2, "U", "RELAY:turn.udp", "example.com.")
            .naptr("example.com", 3, "S", "RELAY:turn.sctp", "_turn._sctp.example.com.");
        assert_eq!(found(preferring(&[Udp], "turn:example.com"), &zone), list(&[(Udp, "192.0.2.1:3478")]));
    }

    #[test]
    fn a_transport_in_the_uri_asks_for_its_srv_records_alone() {
        let (asked, _) = resolve(of_uri("turn:example.com?transport=tcp"), &figure_3());
        let expected = [(Srv, "_turn._tcp.example.com"), (Aaaa, "a.example.net"), (A, "a.example.net")];
        assert_eq!(questions(&asked), expected);
        let secure = of_uri("turns:example.com?transport=tcp");
        assert_eq!(found(secure, &figure_3()), list(&[(Tls, "192.0.2.1:5349")]));
        let zone = Zone::default().host("example.org", &["192.0.2.7"]);
        let bare = of_uri("turn:example.org?transport=udp");
        assert_eq!(found(bare, &zone), list(&[(Udp, "192.0.2.7:3478")]));
    }

    #[test]
    fn an_address_or_a_port_leaves_only_the_transports_to_try() {
        let expected = [(Tcp, "192.0.2.7:3478"), (Udp, "192.0.2.7:3478")];
        assert_eq!(found(preferring(&[Tcp, Udp], "turn:192.0.2.7"), &Zone::default()), list(&expected));
        let zone = Zone::default().host("example.org", &["192.0.2.7"]);
        let expected = [(Tcp, "192.0.2.7:443"), (Udp, "192.0.2.7:443")];
        let (asked, _) = resolve(preferring(&[Tcp, Udp], "turn:example.org:443"), &zone);
        assert_eq!(questions(&asked), [(Aaaa, "example.org"), (A, "example.org")], "asked once for both");
        assert_eq!(found(preferring(&[Tcp, Udp], "turn:example.org:443"), &zone), list(&expected));
        assert_eq!(found(of_uri("turns:192.0.2.7"), &Zone::default()), list(&[(Tls, "192.0.2.7:5349")]));
    }

    #[test]
    fn what_the_host_cannot_use_is_an_error() {
        let from = |uri: &str| DiscoveryConfig::from_uri(&Uri::parse(uri).unwrap());
        assert_eq!(from("turns:example.org?transport=udp"), Err(DiscoveryError::SecureUdp));
        assert_eq!(from("turn:example.org?transport=sctp"), Err(DiscoveryError::UnknownTransport));
        for (uri, transports) in [
            ("turn:example.org?transport=udp", &[Tcp, Tls][..]),
            ("turn:example.org?transport=tcp", &[Udp, Tls]),
            ("turns:example.org?transport=tcp", &[Udp, Tcp]),
            ("turns:example.org", &[Udp, Tcp]),
            ("turn:example.org", &[]),
            ("stun:example.org", &[Tls]),
        ] {
            assert_eq!(error_of(preferring(transports, uri)), DiscoveryError::UnsupportedTransport, "{uri}");
        }
    }
}

mod hostile {
    use super::*;

    fn stun() -> DiscoveryConfig {
        of_uri("stun:example.org")
    }

    #[test]
    fn a_root_as_the_only_target_says_that_there_is_no_such_service() {
        let zone =
            Zone::default().srv("_stun._udp.example.org", 0, 0, ".").host("example.org", &["192.0.2.1"]);
        assert_eq!(failure(stun(), &zone), DiscoveryFailure::NotOffered);
    }

    #[test]
    fn useless_records_lead_nowhere_and_not_to_a_guess() {
        let long = "a".repeat(256);
        for (port, target) in [
            (0, "a.example.org"),
            (1, "10.0.0.1"),
            (1, "0x7f000001"),
            (1, "a..b"),
            (1, "a b"),
            (1, ""),
            (1, long.as_str()),
        ] {
            let zone = Zone::default()
                .srv("_stun._udp.example.org", 0, port, target)
                .host("example.org", &["192.0.2.1"]);
            assert_eq!(failure(stun(), &zone), DiscoveryFailure::NotFound, "{port} {target}");
        }
    }

    #[test]
    fn addresses_that_no_server_can_have_are_dropped() {
        let zone = Zone::default().host(
            "example.org",
            &["0.0.0.0", "255.255.255.255", "224.0.0.1", "::", "ff02::1", "::ffff:192.0.2.1", "192.0.2.1"],
        );
        assert_eq!(found(stun(), &zone), list(&[(Udp, "192.0.2.1:3478")]));
    }

    #[test]
    fn the_family_that_was_not_asked_for_and_duplicates_are_dropped() {
        let mut discovery = start(of_uri("stun:example.org:3478"));
        let both: Vec<IpAddr> =
            ["192.0.2.1", "2001:db8::1", "192.0.2.1"].iter().map(|ip| ip.parse().unwrap()).collect();
        for (question, _, _) in take_questions(&mut discovery) {
            discovery.answer(question, Answer::Addresses(&both), Instant::ZERO).unwrap();
        }
        let last = events(&mut discovery).pop();
        let Some(DiscoveryEvent::Servers(servers)) = last else { panic!("{last:?}") };
        let addresses: Vec<_> = servers.iter().map(|server| server.address.to_string()).collect();
        assert_eq!(addresses, ["[2001:db8::1]:3478", "192.0.2.1:3478"]);
    }

    #[test]
    fn naptr_records_that_lead_to_each_other_end() {
        let zone = Zone::default()
            .naptr("example.org", 1, "", "RELAY:turn.udp:turn.tcp", "example.net.")
            .naptr("example.net", 1, "", "RELAY:turn.udp:turn.tcp", "example.org.");
        let (asked, last) = resolve(of_uri("turn:example.org"), &zone);
        assert_eq!(asked.len(), 1 + Discovery::MAX_NAPTR_DEPTH as usize);
        assert_eq!(last, DiscoveryEvent::Failed { reason: DiscoveryFailure::NotFound });

        let mut bush = Zone::default();
        for order in 0..100 {
            bush = bush.naptr("example.org", order, "", "RELAY:turn.udp", "example.org.");
        }
        let (asked, _) = resolve(of_uri("turn:example.org"), &bush);
        assert!(asked.len() <= Discovery::MAX_QUESTIONS, "{} questions", asked.len());
    }

    #[test]
    fn ten_thousand_records_cost_no_more_than_the_first_few() {
        let names: Vec<String> = (0..10_000).map(|number| format!("h{number}.example.org")).collect();
        let records: Vec<SrvRecord<'_>> =
            names.iter().map(|target| SrvRecord { priority: 1, weight: 1, port: 3478, target }).collect();
        let addresses: Vec<IpAddr> =
            (0..10_000u32).map(|n| IpAddr::from((0x0A00_0001 + n).to_be_bytes())).collect();
        let mut discovery = start(stun());
        let (question, _, _) = take_questions(&mut discovery).remove(0);
        discovery.answer(question, Answer::Services(&records), Instant::ZERO).unwrap();
        let asked = take_questions(&mut discovery);
        assert!(asked.len() < Discovery::MAX_QUESTIONS, "{} questions", asked.len());
        for (question, _, _) in asked {
            discovery.answer(question, Answer::Addresses(&addresses), Instant::ZERO).unwrap();
        }
        let last = events(&mut discovery).pop();
        let Some(DiscoveryEvent::Servers(servers)) = last else { panic!("{last:?}") };
        assert_eq!(servers.len(), Discovery::MAX_ADDRESSES, "every host had the same addresses");
    }

    #[test]
    fn answers_that_come_twice_late_or_unasked_change_nothing() {
        let mut discovery = start(of_uri("stun:example.org:3478"));
        let address = ["192.0.2.1".parse().unwrap()];
        let asked = take_questions(&mut discovery);
        let (v6, v4) = (asked[0].0, asked[1].0);
        let unknown = discovery.answer(QuestionId::from_u32(99), Answer::NotFound, Instant::ZERO);
        assert_eq!(unknown, Err(UnknownQuestion));
        assert_eq!(discovery.answer(v4, Answer::Addresses(&address), at(1)), Ok(()));
        assert_eq!(discovery.answer(v4, Answer::NotFound, at(1)), Err(UnknownQuestion));
        assert_eq!(discovery.answer(v6, Answer::Naptr(&[]), at(2)), Ok(()), "another kind counts as none");
        assert!(matches!(events(&mut discovery)[..], [DiscoveryEvent::Servers(_)]));
        assert_eq!(discovery.answer(v6, Answer::NotFound, at(3)), Err(UnknownQuestion));
        assert_eq!((events(&mut discovery).len(), discovery.poll_timeout()), (0, None));
    }

    #[test]
    fn names_that_the_dns_cannot_hold_are_refused() {
        let long = "a".repeat(256);
        for host in ["", ".", " ", "a b", "a..b", "127.1", "[2001:db8::1]", "é.example.org", long.as_str()] {
            assert_eq!(
                error_of(DiscoveryConfig::new(Service::Stun, host)),
                DiscoveryError::InvalidName,
                "{host}"
            );
        }
        // With the prefix of its service it is too long to be asked for.
        let longest = format!("{}.", "a".repeat(255));
        let zone_name = "a".repeat(255);
        let zone = Zone::default().host(&zone_name, &["192.0.2.1"]);
        let (asked, last) = resolve(DiscoveryConfig::new(Service::Stun, &longest), &zone);
        assert!(asked.iter().all(|(kind, _)| *kind != Srv) && matches!(last, DiscoveryEvent::Servers(_)));
    }
}

mod in_time {
    use super::*;

    #[test]
    fn a_resolver_that_never_answers_ends_as_a_timeout() {
        let mut discovery = start(of_uri("stun:example.org"));
        let asked = take_questions(&mut discovery);
        assert_eq!(discovery.poll_timeout(), Some(at(5000)));
        assert_eq!(discovery.wake_reason(), Some(WakeReason::Deadline));
        discovery.handle_timeout(at(4999));
        assert!(!discovery.is_ended());
        discovery.handle_timeout(at(5000));
        assert_eq!(events(&mut discovery), [DiscoveryEvent::Failed { reason: DiscoveryFailure::Timeout }]);
        assert_eq!(discovery.answer(asked[0].0, Answer::NotFound, at(5001)), Err(UnknownQuestion));
    }

    #[test]
    fn a_resolver_that_fails_is_not_mistaken_for_an_empty_zone() {
        let mut discovery = start(of_uri("stun:example.org:1"));
        for (question, _, _) in take_questions(&mut discovery) {
            discovery.answer(question, Answer::Failed, at(1)).unwrap();
        }
        assert_eq!(
            events(&mut discovery),
            [DiscoveryEvent::Failed { reason: DiscoveryFailure::ResolverFailed }]
        );
        assert_eq!(failure(of_uri("stun:example.org:1"), &Zone::default()), DiscoveryFailure::NotFound);
    }

    #[test]
    fn one_lost_question_does_not_cost_the_whole_deadline() {
        let mut discovery = start(of_uri("stun:example.org:3478"));
        let asked = take_questions(&mut discovery);
        discovery.answer(asked[1].0, Answer::Addresses(&["192.0.2.1".parse().unwrap()]), at(200)).unwrap();
        assert_eq!(discovery.poll_timeout(), Some(at(1200)));
        discovery.handle_timeout(at(1200));
        assert!(
            matches!(&events(&mut discovery)[..], [DiscoveryEvent::Servers(servers)] if servers.len() == 1)
        );
    }

    #[test]
    fn questions_that_nobody_has_taken_are_taken_back_at_the_end() {
        let config = DiscoveryConfig { deadline: Duration::from_millis(10), ..of_uri("turn:example.org") };
        let mut discovery = start(config);
        discovery.handle_timeout(at(10));
        assert_eq!(events(&mut discovery), [DiscoveryEvent::Failed { reason: DiscoveryFailure::Timeout }]);
    }

    #[test]
    fn equal_seeds_order_equal_weights_equally() {
        let names: Vec<String> = (0..8).map(|number| format!("h{number}.example.org")).collect();
        let records: Vec<SrvRecord<'_>> =
            names.iter().map(|target| SrvRecord { priority: 1, weight: 5, port: 1, target }).collect();
        let order = |seed| {
            let mut discovery =
                Discovery::new(of_uri("stun:example.org"), Entropy::from_seed([seed; 32]), Instant::ZERO)
                    .unwrap();
            let (question, _, _) = take_questions(&mut discovery).remove(0);
            discovery.answer(question, Answer::Services(&records), Instant::ZERO).unwrap();
            take_questions(&mut discovery).into_iter().map(|(_, _, name)| name).collect::<Vec<_>>()
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
    }
}

#[test]
fn servers_are_paired_with_every_socket_that_reaches_them_up_to_the_limit_of_a_survey() {
    let DiscoveryEvent::Servers(found) = resolve(of_uri("stun:192.0.2.1"), &Zone::default()).1 else {
        panic!()
    };
    let socket = |transport, local, socket_id| LocalSocket { transport, local: addr(local), socket_id };
    let sockets = [
        socket(Udp, "10.0.0.1:5000", 1),
        socket(Tcp, "10.0.0.1:5000", 2),
        socket(Udp, "[::]:5000", 3),
        socket(Udp, "10.9.9.9:5000", 4),
    ];
    let pairs: Vec<u32> = targets(&found, &sockets).iter().map(|target| target.socket_id).collect();
    assert_eq!(pairs, [1, 4]);
    assert_eq!(targets(&vec![found[0].clone(); 100], &sockets).len(), 64);
}

fn take_event(agent: &mut Agent, id: OperationId) -> Event {
    let event = agent.poll_event().unwrap();
    assert_eq!(event.id, id);
    event.event
}

#[test]
fn an_agent_finds_servers_and_races_them_to_a_mapped_address() {
    let mut agent = Agent::new(Entropy::from_seed([7; 32]), Instant::ZERO);
    let bad = agent.start_discovery(DiscoveryConfig::new(Service::Stun, ""), Instant::ZERO);
    assert_eq!(bad, Err(StartError::Discovery(DiscoveryError::InvalidName)));
    let id = agent.start_discovery(of_uri("stun:stun.example.org"), Instant::ZERO).unwrap();
    let addresses = ["2001:db8::1", "192.0.2.1"].map(|ip| ip.parse().unwrap());
    let servers = loop {
        match take_event(&mut agent, id) {
            Event::Discovery(DiscoveryEvent::Resolve { question, kind, .. }) => {
                let answer = if kind == Srv { Answer::NotFound } else { Answer::Addresses(&addresses) };
                agent.answer_discovery(id, question, answer, at(1)).unwrap();
                assert_eq!(agent.answer_discovery(id, question, answer, at(1)), Err(UnknownQuestion));
            }
            Event::Discovery(DiscoveryEvent::Servers(servers)) => break servers,
            other => panic!("{other:?}"),
        }
    };
    assert!(!agent.contains(id));
    let late = agent.answer_discovery(id, QuestionId::from_u32(0), Answer::NotFound, at(2));
    assert_eq!(late, Err(UnknownQuestion));

    let sockets = ["[::]:5000", "0.0.0.0:5000"].map(|local| LocalSocket {
        transport: Udp,
        local: addr(local),
        socket_id: 0,
    });
    let race = agent.start_survey(SurveyConfig::race(targets(&servers, &sockets)), at(2)).unwrap();
    assert_eq!(transmits(&mut agent)[0].0.remote, addr("[2001:db8::1]:3478"));
    agent.handle_timeout(at(252));
    let (path, bytes) = transmits(&mut agent).remove(0);
    assert_eq!(path.remote, addr("192.0.2.1:3478"));
    assert!(offer(&mut agent, path, &success(id_of(&bytes), MAPPED, None), at(260)));
    assert!(matches!(take_event(&mut agent, race), Event::Survey(SurveyEvent::Mapped { target: 1, .. })));
    assert!(matches!(take_event(&mut agent, race), Event::Survey(SurveyEvent::Finished { answered: 1, .. })));
    assert_eq!((agent.operation_count(), agent.poll_timeout()), (0, None));
}
