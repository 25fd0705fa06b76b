//! Our relays at a real coturn, on loopback. Run by tests/interop/relay.sh, which starts the servers and says where
//! they are; `cargo test` alone leaves them out. All of them know alice / s3cret at example.test.
//!
//! | variable | the server |
//! |---|---|
//! | `COTURN_RELAY` | relays for IPv4 and IPv6 to peers on loopback, with mobility |
//! | `COTURN_RELAY_IPV6` | the same server at its IPv6 address |
//! | `COTURN_DENY` | relays for IPv4, and not to peers on loopback |
//! | `COTURN_REDIRECT` | redirects to `COTURN_RELAY` |
//! | `COTURN_QUOTA` | one allocation for each user, and no mobility |
//! | `COTURN_BRIEF` | relays live 20 s without a refresh, nonces 30 s; mobility |
//! | `COTURN_MOVES` | mobility, for whoever moves |
//! | `COTURN_RESTART` | none yet: a test starts it with the configuration `COTURN_RESTART_CONF`; relays live 20 s |
//! | `PROXY_BIN` | not a server: the example `udp_proxy` |

#![allow(missing_docs)]
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // a host has sockets and threads

#[path = "interop/turn_connections.rs"]
mod turn_connections;
#[path = "interop/turn_host.rs"]
mod turn_host;
#[path = "interop/turn_moves.rs"]
mod turn_moves;
#[path = "interop/turn_peer.rs"]
mod turn_peer;
#[path = "interop/turn_proxy.rs"]
mod turn_proxy;

use std::net::SocketAddr;
use std::time::Duration;

use libstun::Transport;
use libstun::auth::LongTerm;
use libstun::turn::{
    AllocationEvent, CredentialsNeed, FailureReason, PeerError, PeerPolicy, PeerRefusal, RelayFamily,
    RelayPort, SendToPeerError,
};
use turn_host::{Host, config_with, server};
use turn_peer::{Peer, Tally, exchange, payload};

const PACKETS: u32 = 10_000;

/// What was sent has arrived, and its echoes have come back: all of them, unchanged and in order.
fn assert_whole((sent, received): &(Tally, Tally), peer: &Tally) {
    assert_eq!((sent.count, sent.bytes), (peer.count, peer.bytes));
    assert_eq!((received.count, received.bytes), (peer.count, peer.bytes));
    assert_eq!(sent.digest(), peer.digest(), "what the peer has heard");
    assert_eq!(sent.digest(), received.digest(), "what has come back");
}

fn ten_thousand_packets(transport: Transport) {
    let mut host = Host::start(server("COTURN_RELAY"), transport, |_| {});
    let (relayed, _) = host.allocated();
    assert_eq!(host.seen.errors, [401], "coturn challenges");
    let peer = Peer::new("127.0.0.1");
    host.permit(peer.address.ip());
    let indications = exchange(&mut host, peer.address, 0..500);
    assert_eq!((host.seen.sent_indications, host.seen.data_indications), (500, 500));
    host.bind(peer.address);
    let began = std::time::Instant::now();
    let channel = exchange(&mut host, peer.address, 500..500 + PACKETS);
    println!("{transport:?}: {PACKETS} packets each way through a channel in {:?}", began.elapsed());
    assert_eq!((host.seen.sent_channel_data, host.seen.channel_data), (PACKETS, PACKETS));
    assert_eq!(host.agent.counters().total(), 0, "nothing was dropped");
    let heard = peer.end();
    assert_eq!(heard.sources.iter().collect::<Vec<_>>(), [&relayed]);
    assert_eq!(heard.count, 500 + PACKETS);
    assert_eq!(heard.bytes, indications.0.bytes + channel.0.bytes);
    let (mut sent, mut received) = (Tally::default(), Tally::default());
    for number in 0..500 + PACKETS {
        sent.note(&payload(number));
        received.note(&payload(number));
    }
    assert_whole(&(sent, received), &heard);
    assert_eq!(channel.0.digest(), channel.1.digest(), "through the channel");
    assert_eq!(indications.0.digest(), indications.1.digest(), "in indications");
    host.close();
}

#[test]
fn udp_carries_ten_thousand_packets_each_way_and_loses_none() {
    ten_thousand_packets(Transport::Udp);
}

/// Every length is padded to a multiple of four on a stream (RFC 8656 s12.5): one that were not would end it.
#[test]
fn tcp_carries_ten_thousand_packets_each_way_and_loses_none() {
    ten_thousand_packets(Transport::Tcp);
}

/// Sends a few packets to a peer of that address, through a channel.
fn reaches(host: &mut Host, ip: &str, relayed: SocketAddr) {
    let peer = Peer::new(ip);
    host.bind(peer.address);
    let counts = exchange(host, peer.address, 0..100);
    let heard = peer.end();
    assert_whole(&counts, &heard);
    assert_eq!(heard.sources.iter().collect::<Vec<_>>(), [&relayed]);
}

/// coturn 4.6 has no RFC 8656 yet: it knows ADDITIONAL-ADDRESS-FAMILY by the number of a draft (0x8032), passes over
/// 0x8000 as an attribute that it need not understand, and gives the IPv4 address alone. Two allocations do it.
#[test]
fn of_both_families_a_server_that_does_not_know_how_gives_one() {
    for variable in ["COTURN_RELAY", "COTURN_DENY"] {
        let mut host = Host::udp(server(variable), |config| config.family = RelayFamily::Both);
        let (relayed, additional) = host.allocated();
        assert!(relayed.is_ipv4() && additional.is_none(), "{relayed} {additional:?}");
        host.close();
    }
    let mut both = [RelayFamily::V4, RelayFamily::V6]
        .map(|family| Host::udp(server("COTURN_RELAY"), |config| config.family = family));
    for (host, ip) in both.iter_mut().zip(["127.0.0.1", "::1"]) {
        let (relayed, _) = host.allocated();
        reaches(host, ip, relayed);
    }
    both.into_iter().for_each(Host::close);
}

#[test]
fn an_ipv6_address_is_given_to_whoever_asks_for_one() {
    let mut host = Host::udp(server("COTURN_RELAY"), |config| config.family = RelayFamily::V6);
    let (relayed, additional) = host.allocated();
    assert!(relayed.is_ipv6() && additional.is_none(), "{relayed} {additional:?}");
    let peer = "127.0.0.1:9".parse().unwrap();
    let refused = host.agent.bind_channel(host.relay, peer, host.clock.now()).unwrap_err();
    assert_eq!(refused, libstun::agent::RelayError::Refused(PeerError::OtherFamily));
    reaches(&mut host, "::1", relayed);
    host.close();
}

#[test]
fn over_ipv6_an_ipv4_address_is_relayed_too() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut host = Host::start(server("COTURN_RELAY_IPV6"), transport, |_| {});
        let (relayed, _) = host.allocated();
        reaches(&mut host, "127.0.0.1", relayed);
        host.close();
    }
}

/// coturn has no address of that family there.
#[test]
fn a_family_that_the_server_lacks_is_refused() {
    let mut host = Host::udp(server("COTURN_DENY"), |config| config.family = RelayFamily::V6);
    let limit = host.in_seconds(10);
    let reason = FailureReason::ErrorResponse { code: 440 };
    assert_eq!(host.event(limit), Some(AllocationEvent::Failed { reason }));
}

#[test]
fn an_even_port_is_given_and_the_next_is_kept_for_the_token() {
    let mut first = Host::udp(server("COTURN_RELAY"), |config| config.port = RelayPort::EvenReservingNext);
    let (even, token) = first.expect(10, "relay", |event| match event {
        AllocationEvent::Allocated { relayed, reservation, .. } => Some((*relayed, *reservation)),
        _ => None,
    });
    assert_eq!(even.port() % 2, 0);
    let token = token.expect("a reservation");
    let mut second = Host::udp(server("COTURN_RELAY"), |config| config.port = RelayPort::Reserved(token));
    let (odd, _) = second.allocated();
    assert_eq!(odd.port(), even.port() + 1);
    reaches(&mut first, "127.0.0.1", even);
    reaches(&mut second, "127.0.0.1", odd);
    first.close();
    second.close();

    let mut plain = Host::udp(server("COTURN_RELAY"), |config| config.port = RelayPort::Even);
    let (relayed, _) = plain.allocated();
    assert_eq!(relayed.port() % 2, 0);
    plain.close();
}

/// coturn knows DONT-FRAGMENT, in Allocate and in Send indications.
#[test]
fn packets_that_shall_not_be_fragmented_arrive() {
    let mut host = Host::udp(server("COTURN_RELAY"), |config| config.dont_fragment = true);
    host.allocated();
    let peer = Peer::new("127.0.0.1");
    host.permit(peer.address.ip());
    let counts = exchange(&mut host, peer.address, 0..100);
    assert_whole(&counts, &peer.end());
    assert_eq!(host.seen.sent_indications, 100);
    host.close();
}

/// 45 s of traffic over a relay that is refreshed every 10 s, at a server whose nonces live 30 s. coturn gives 20 s at
/// most there, but only to whoever asks for more than 600 s: a Refresh without LIFETIME gets those.
#[test]
fn a_nonce_that_goes_stale_under_traffic_costs_no_packet() {
    let lifetime = Some(Duration::from_secs(700));
    let mut host = Host::udp(server("COTURN_BRIEF"), |config| config.lifetime = lifetime);
    let given = host.expect(10, "relay", |event| match event {
        AllocationEvent::Allocated { lifetime, .. } => Some(*lifetime),
        _ => None,
    });
    assert_eq!(given, Duration::from_secs(20), "what relay.sh says to coturn");
    let peer = Peer::new("127.0.0.1");
    host.bind(peer.address);
    let (end, mut packets) = (host.in_seconds(45), 0);
    while host.clock.now() < end {
        exchange(&mut host, peer.address, packets..packets + 16);
        packets += 16;
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(peer.end().count, packets);
    assert!(host.seen.count(438) >= 1, "{:?}", host.seen.errors);
    assert_eq!(host.seen.count(401), 1, "{:?}", host.seen.errors);
    assert!(!host.seen.events.iter().any(|event| matches!(event, AllocationEvent::Lost { .. })));
    println!("{packets} packets each way in 45 s, challenges {:?}", host.seen.errors);
    host.close();
}

/// coturn answers 403 to permission and channel for a peer that it denies.
#[test]
fn a_peer_that_the_server_forbids_is_refused_and_the_relay_lives() {
    let mut host = Host::udp(server("COTURN_DENY"), |_| {});
    host.allocated();
    let peer: SocketAddr = "127.0.0.1:9".parse().unwrap();
    host.agent.permit_peer(host.relay, peer.ip(), host.clock.now()).unwrap();
    let refused = |event: &AllocationEvent| match event {
        AllocationEvent::PeerRefused { peer, code } => Some((*peer, *code)),
        _ => None,
    };
    assert_eq!(host.expect(10, "refusal", refused), (SocketAddr::new(peer.ip(), 0), 403));
    host.agent.bind_channel(host.relay, peer, host.clock.now()).unwrap();
    assert_eq!(host.expect(10, "refusal", refused), (peer, 403));
    let mut buffer = [0; 100];
    let sent = host.agent.send_to_peer(host.relay, peer, b"no", &mut buffer, host.clock.now());
    assert_eq!(sent.unwrap_err(), libstun::agent::RelayError::Refused(SendToPeerError::NotPermitted));
    // Other peers are not concerned: nobody is there, but the server permits it.
    host.permit("192.0.2.1".parse().unwrap());
    assert!(host.agent.allocation(host.relay).unwrap().is_allocated());
    host.close();
}

/// The choke point: without a word to the server.
#[test]
fn a_peer_on_the_servers_own_machine_is_refused_here_unless_the_policy_allows_it() {
    let mut host = Host::udp(server("COTURN_RELAY"), |config| config.peers = PeerPolicy::default());
    host.allocated();
    let refused = host.agent.permit_peer(host.relay, "127.0.0.1".parse().unwrap(), host.clock.now());
    let refusal = PeerError::Refused(PeerRefusal::Loopback);
    assert_eq!(refused.unwrap_err(), libstun::agent::RelayError::Refused(refusal));
    host.close();
}

#[test]
fn a_redirection_is_followed_over_udp_and_tcp() {
    let (from, to) = (server("COTURN_REDIRECT"), server("COTURN_RELAY"));
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut host = Host::start(from, transport, |_| {});
        let redirected = host.expect(10, "redirection", |event| match event {
            AllocationEvent::Redirected { from, server, awaits_answer } => {
                Some((*from, *server, *awaits_answer))
            }
            _ => None,
        });
        assert_eq!(redirected, (from, to, false));
        if transport.is_reliable() {
            let path = reconnect_path(&mut host);
            assert_eq!(path.remote, to);
            host.reconnect(path);
        }
        let (relayed, _) = host.allocated();
        assert_eq!(host.agent.allocation(host.relay).unwrap().path().remote, to);
        reaches(&mut host, "127.0.0.1", relayed);
        println!("{transport:?}: {:?}", host.seen.errors);
        host.close();
    }
}

fn reconnect_path(host: &mut Host) -> libstun::FiveTuple {
    host.expect(10, "wish for another connection", |event| match event {
        AllocationEvent::Reconnect { path } => Some(*path),
        _ => None,
    })
}

#[test]
fn after_a_wrong_password_the_right_one_works() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut host = Host::start(server("COTURN_RELAY"), transport, |config| {
            *config = config_with(config.path, "wrong")
        });
        let limit = host.in_seconds(10);
        let reason = CredentialsNeed::Rejected;
        assert_eq!(host.event(limit), Some(AllocationEvent::CredentialsNeeded { reason }));
        assert_eq!(host.seen.errors, [401, 401], "and no third time");
        let right = LongTerm::new("alice", "s3cret").unwrap().into();
        host.agent.set_credentials(host.relay, right, None, host.clock.now()).unwrap();
        let (relayed, _) = host.allocated();
        reaches(&mut host, "127.0.0.1", relayed);
        host.close();
    }
}

/// coturn says 486 to the second one, and the first one's end makes room, a second later.
#[test]
fn a_full_quota_is_waited_out_and_closing_makes_room() {
    let mut first = Host::udp(server("COTURN_QUOTA"), |_| {});
    first.allocated();
    let mut second = Host::udp(server("COTURN_QUOTA"), |_| {});
    let (reason, at) = second.expect(10, "refusal", |event| match event {
        AllocationEvent::Retrying { reason, at } => Some((*reason, *at)),
        _ => None,
    });
    assert_eq!(reason, FailureReason::ErrorResponse { code: 486 });
    assert!(at.saturating_since(second.clock.now()) > Duration::from_secs(55), "a minute (RFC 8656 s7.4)");
    second.close();
    first.close();
    std::thread::sleep(Duration::from_millis(2500));
    let mut third = Host::udp(server("COTURN_QUOTA"), |_| {});
    third.allocated();
    third.close();
}

/// A program that was killed and comes back on the same port is in its own way: the server answers 437, unsigned.
#[test]
fn a_program_that_comes_back_on_its_old_port_deletes_what_it_left_and_allocates_again() {
    let mut host = Host::udp(server("COTURN_RELAY"), |_| {});
    host.allocated();
    let mut host = host.forget();
    let (relayed, _) = host.allocated();
    assert!(host.seen.count(437) >= 1, "{:?}", host.seen.errors);
    println!("on the same port again: {:?}", host.seen.errors);
    reaches(&mut host, "127.0.0.1", relayed);
    host.close();
}
