//! The NAT probe against our own servers, in memory and without a NAT: what each kind of server lets it find out.
//! The NATs themselves are in tests/sim.

#![allow(missing_docs)]
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use libstun::auth::{Credentials, LongTerm, Realm};
use libstun::nat::{
    Answer, Probe, ProbeConfig, ProbeEvent, ProbeSocket, Properties, Property, Reason, Report,
};
use libstun::stun::{BehaviorDiscovery, Server, ServerConfig};
use libstun::{Agent, Datagram, Entropy, Event, FiveTuple, Instant, Machine};
use support::{addr, transmits};

const SERVERS: [&str; 2] = ["192.0.2.1", "192.0.2.2"];

fn agent(seed: u8) -> Agent {
    Agent::new(Entropy::from_seed([seed; 32]), Instant::ZERO)
}

fn behavior(ips: [&str; 2]) -> Option<BehaviorDiscovery> {
    let ips = ips.map(|ip| ip.parse().unwrap());
    BehaviorDiscovery::new(ips, [3478, 3479], [1, 2, 3, 4]).ok()
}

fn config(local: &str, server: &str) -> ProbeConfig {
    let port = |port| {
        let mut socket = ProbeSocket::new(addr(local));
        socket.local.set_port(port);
        socket
    };
    ProbeConfig {
        primary: port(5000),
        second: Some(port(5001)),
        ..ProbeConfig::new(addr(local), addr(server))
    }
}

/// Runs a probe to its end on a network that only carries.
fn diagnose(config: ProbeConfig, servers: Vec<ServerConfig>) -> Report {
    let mut client = agent(7);
    let mut server = agent(8);
    for config in servers {
        server.start_server(config, Instant::ZERO).unwrap();
    }
    let ours: Vec<SocketAddr> =
        [Some(config.primary), config.second].into_iter().flatten().map(|socket| socket.local).collect();
    client.start_nat_probe(config, Instant::ZERO).unwrap();
    let mut now = Instant::ZERO;
    loop {
        let mut queue: Vec<(FiveTuple, Vec<u8>)> = transmits(&mut client);
        while let Some((path, bytes)) = queue.pop() {
            let back = FiveTuple::udp(path.remote, path.local);
            let to = if ours.contains(&path.remote) { &mut client } else { &mut server };
            let _ = to.handle_input(&Datagram::new(back, &bytes), now);
            queue.extend(transmits(&mut server));
        }
        while let Some(happened) = client.poll_event() {
            let Event::NatProbe(event) = happened.event else { panic!("{happened:?}") };
            if let ProbeEvent::Finished(report) = event {
                assert!(happened.is_last);
                return *report;
            }
        }
        now = client.poll_timeout().expect("a probe ends");
        client.handle_timeout(now);
    }
}

/// What was found, by the names that a report uses.
fn found(report: &Report, property: Property) -> String {
    match report.finding(property).value {
        Answer::Known(value) => value.to_string(),
        Answer::Unknown(reason) => format!("unknown: {}", reason.name()),
    }
}

fn realm() -> Realm {
    let mut realm = Realm::new(b"example.test").unwrap();
    realm.add_user(b"alice", b"s3cret").unwrap();
    realm
}

fn alice() -> Option<Credentials> {
    LongTerm::new("alice", "s3cret").ok().map(Into::into)
}

#[test]
fn our_server_for_behavior_discovery_tells_everything_in_both_families() {
    for (local, ips, server) in [
        ("203.0.113.9:5000", SERVERS, "192.0.2.1:3478"),
        ("[2001:db8::9]:5000", ["2001:db8:1::1", "2001:db8:1::2"], "[2001:db8:1::1]:3478"),
    ] {
        let servers = vec![ServerConfig { behavior: behavior(ips), ..ServerConfig::default() }];
        let report = diagnose(config(local, server), servers);
        println!("{report}");
        for (property, value) in [
            (Property::Translation, "absent"),
            (Property::Mapping, "endpoint-independent"),
            (Property::Filtering, "endpoint-independent"),
            (Property::Fragments, "pass"),
            (Property::Gateway, "absent"),
        ] {
            assert_eq!(found(&report, property), value, "{report}");
        }
        assert_eq!(report.other_address, Some(SocketAddr::new(ips[1].parse().unwrap(), 3479)));
        assert_eq!(report.mapped, Some(addr(local)));
    }
}

#[test]
fn a_server_that_demands_credentials_is_as_good_a_witness_to_those_who_have_them() {
    let server = || {
        let credentials = Some(realm().into());
        vec![ServerConfig { behavior: behavior(SERVERS), credentials, ..ServerConfig::default() }]
    };
    let config = config("203.0.113.9:5000", "192.0.2.1:3478");
    let report = diagnose(ProbeConfig { credentials: alice(), ..config.clone() }, server());
    for (property, value) in
        [(Property::Mapping, "endpoint-independent"), (Property::Filtering, "endpoint-independent")]
    {
        assert_eq!(found(&report, property), value, "{report}");
    }
    let stranger = diagnose(config.clone(), server());
    let challenged = Some(Reason::ErrorResponse { code: 401 });
    assert_eq!(stranger.mapping.reason(), challenged, "{stranger}");
    let wrong = LongTerm::new("alice", "wrong").ok().map(Into::into);
    let refused = diagnose(ProbeConfig { credentials: wrong, ..config }, server());
    assert_eq!(refused.mapping.reason(), challenged, "{refused}");
}

#[test]
fn two_ordinary_servers_tell_the_mapping_and_nothing_of_the_filter() {
    let server = |at: &str| ServerConfig { local: Some(addr(at)), ..ServerConfig::default() };
    let mut config = config("203.0.113.9:5000", "192.0.2.1:3478");
    config.servers = vec![addr("192.0.2.2:3478")];
    let report = diagnose(config, vec![server("192.0.2.1:3478"), server("192.0.2.2:3478")]);
    assert_eq!(report.depends_on_destination(), Some(false), "{report}");
    assert_eq!(found(&report, Property::Filtering), "unknown: no-other-address", "{report}");
}

#[test]
fn a_challenge_is_met_though_the_next_server_is_asked_meanwhile() {
    let servers = ["192.0.2.1:3478", "192.0.2.2:3478", "192.0.2.3:3478"].map(addr);
    let [first, others @ ..] = servers;
    let user = LongTerm::new("alice", "s3cret").unwrap();
    let config = ProbeConfig {
        servers: others.to_vec(),
        properties: Properties::NONE.with(Property::Mapping),
        credentials: Some(user.into()),
        ..ProbeConfig::new(addr("203.0.113.9:5000"), first)
    };
    for delay in [1, 40, 60, 80, 130, 300].map(Duration::from_millis) {
        let mut machines = servers.map(|local| {
            let mut realm = Realm::new(local.to_string().as_bytes()).unwrap();
            realm.add_user(b"alice", b"s3cret").unwrap();
            let config = ServerConfig {
                local: Some(local),
                credentials: Some(realm.into()),
                ..ServerConfig::default()
            };
            Server::new(config, Entropy::from_seed([9; 32]), Instant::ZERO)
        });
        let mut probe = Probe::new(config.clone(), Entropy::from_seed([7; 32]), Instant::ZERO).unwrap();
        let mut now = Instant::ZERO;
        let mut flying: Vec<(Instant, FiveTuple, Vec<u8>)> = Vec::new();
        while !probe.is_ended() {
            while let Some(event) = probe.poll_event() {
                assert!(!matches!(event, ProbeEvent::Unanswered { .. }), "{delay:?}: {event:?}");
            }
            while let Some(request) = probe.poll_transmit() {
                let machine =
                    &mut machines[servers.iter().position(|at| *at == request.path.remote).unwrap()];
                let back = FiveTuple::udp(request.path.remote, addr("198.51.100.7:6000"));
                let _ = machine.handle_input(&Datagram::new(back, request.payload), now);
                while let Some(reply) = machine.poll_transmit() {
                    let there = FiveTuple::udp(request.path.local, reply.path.local);
                    flying.push((now.saturating_add(delay), there, reply.payload.to_vec()));
                }
            }
            flying.sort_by_key(|(at, ..)| *at);
            let wake = probe.poll_timeout().unwrap();
            if flying.first().is_some_and(|(at, ..)| *at <= wake) {
                let (at, path, bytes) = flying.remove(0);
                now = at;
                let _ = probe.handle_input(&Datagram::new(path, &bytes), now);
            } else {
                now = wake;
                probe.handle_timeout(now);
            }
        }
        let report = probe.report();
        assert_eq!(found(report, Property::Mapping), "endpoint-independent", "{delay:?}: {report}");
    }
}
