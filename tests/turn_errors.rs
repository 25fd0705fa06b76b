//! What a relay does about errors, stale nonces, credentials that run out, other families, other networks.

#![allow(missing_docs)]
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::net::{IpAddr, SocketAddr};

use libstun::auth::LongTerm;
use libstun::stun::RedirectPolicy;
use libstun::turn::{
    AllocationConfig, AllocationEvent, CredentialsNeed, FailureReason, KeepaliveKind, RelayFamily, RelayPort,
};
use libstun::wire::Method;
use libstun::wire::attribute::AttributeType;
use libstun::{FiveTuple, Machine, Receipt, SendError};
use libstun_sim::turn::{Fault, Mobility, Output, TurnServerConfig};
use support::turn_world::{World, alice, client_path, peer, seconds};

const CODES: [u16; 18] =
    [300, 400, 401, 403, 405, 420, 437, 438, 440, 441, 442, 443, 446, 447, 486, 500, 508, 699];

fn is_lost(event: &AllocationEvent) -> bool {
    matches!(event, AllocationEvent::Lost { .. })
}

/// What a virtual hour of the same signed error to the same method leads to.
fn an_hour_of(method: Method, code: u16) -> (World, Vec<AllocationEvent>, usize) {
    let mut world = match method {
        Method::ALLOCATE => World::new(alice(), TurnServerConfig::default()),
        Method::REFRESH => World::bound(alice(), TurnServerConfig::default()),
        _ => World::allocated(alice(), TurnServerConfig::default()),
    };
    world.told();
    if method == Method::ALLOCATE {
        world.server.restart();
        world.client.reconnected(client_path(), 0, world.now).unwrap();
        world.told();
    }
    world.server.clear_record();
    world.server.inject(Some(method), Fault::Error(code), 1_000_000);
    match method {
        Method::CREATE_PERMISSION => world.client.permit(peer().ip(), world.now).unwrap(),
        Method::CHANNEL_BIND => world.client.bind_channel(peer(), world.now).unwrap(),
        _ => {}
    }
    world.pass(seconds(3600));
    let told = world.told();
    let asked = world.record().count(method);
    (world, told, asked)
}

#[test]
fn no_error_makes_a_relay_spin_and_none_leaves_it_stuck() {
    for method in [Method::ALLOCATE, Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND] {
        for code in CODES {
            let (mut world, told, asked) = an_hour_of(method, code);
            println!("{method:?} {code}: {asked} requests, {} events", told.len());
            assert!(asked <= 400, "{method:?} {code}: {asked} requests in an hour");
            world.assert_lawful();
            // Whatever happens next is known: a deadline, an end, or something that the host was asked for.
            let waits_for_host = told.iter().any(|event| {
                matches!(event, AllocationEvent::CredentialsNeeded { .. } | AllocationEvent::Reconnect { .. })
            });
            let is_over = world.client.is_ended();
            assert!(world.client.poll_timeout().is_some() || waits_for_host || is_over, "{method:?} {code}");
            // When the server is well again, so is the relay, unless it has ended.
            world.server.clear_faults();
            if let Some(AllocationEvent::Reconnect { path }) = told.last() {
                world.client.reconnected(*path, 0, world.now).unwrap();
            }
            if told.iter().any(|event| matches!(event, AllocationEvent::CredentialsNeeded { .. })) {
                let credentials = LongTerm::new("alice", "s3cret").unwrap();
                world.client.set_credentials(credentials.into(), None, world.now);
            }
            world.pass(seconds(600));
            assert_ne!(world.client.is_allocated(), is_over, "{method:?} {code}: {told:?}");
        }
    }
}

#[test]
fn final_errors_to_allocate_end_it_with_their_code() {
    for code in [400, 403, 440, 441, 442, 443, 446, 447, 699] {
        let (_, told, asked) = an_hour_of(Method::ALLOCATE, code);
        let failed = AllocationEvent::Failed { reason: FailureReason::ErrorResponse { code } };
        // The first met a nonce of before the restart.
        assert_eq!((told.last(), asked), (Some(&failed), 2), "{code}");
    }
}

#[test]
fn a_failed_refresh_loses_the_relay_at_once() {
    for code in [400, 403, 440, 441, 442, 443, 486, 508, 699] {
        let (_, told, _) = an_hour_of(Method::REFRESH, code);
        let reason = FailureReason::ErrorResponse { code };
        assert!(
            matches!(told[0], AllocationEvent::Lost { reason: given, .. } if given == reason),
            "{code}: {told:?}"
        );
    }
    // A server error is worth four more (RFC 8489 s6.3.4).
    let (_, told, _) = an_hour_of(Method::REFRESH, 500);
    let retries = told.iter().position(is_lost).unwrap();
    assert_eq!(retries, 4, "{told:?}");
}

#[test]
fn a_refused_peer_is_refused_and_the_relay_stays() {
    for method in [Method::CREATE_PERMISSION, Method::CHANNEL_BIND] {
        for code in [300, 400, 403, 420, 440, 442, 443, 446, 699] {
            let (world, told, asked) = an_hour_of(method, code);
            let [AllocationEvent::PeerRefused { peer: refused, code: given }] = told[..] else {
                panic!("{method:?} {code}: {told:?}")
            };
            assert_eq!((refused.ip(), given, asked), (peer().ip(), code, 1));
            assert!(world.client.is_allocated());
        }
        // What may pass is asked again, ever later, and the relay stays as well.
        for code in [486, 500, 508] {
            let (world, told, asked) = an_hour_of(method, code);
            assert!(
                told.is_empty() && asked > 30 && world.client.is_allocated(),
                "{method:?} {code}: {asked}"
            );
        }
    }
}

#[test]
fn a_nonce_that_goes_stale_under_many_requests_costs_no_peer() {
    for signs_stale_nonces in [false, true] {
        let server = TurnServerConfig { signs_stale_nonces, ..TurnServerConfig::default() };
        let mut world = World::allocated(alice(), server);
        for round in 0..5 {
            world.server.expire_nonces();
            world.server.clear_record();
            for host in 0..20 {
                world.client.permit(IpAddr::from([203, 0, round, host]), world.now).unwrap();
                let peer = SocketAddr::from(([203, 1, round, host], 9));
                world.client.bind_channel(peer, world.now).unwrap();
            }
            world.pass(seconds(120));
            for host in 0..20 {
                assert!(world.client.is_permitted(IpAddr::from([203, 0, round, host])), "{host}");
                assert!(
                    world.client.channel(SocketAddr::from(([203, 1, round, host], 9))).is_some(),
                    "{host}"
                );
            }
            let asked = world.record().asked.len();
            // The wishes of earlier rounds are renewed beside.
            assert!(round > 0 || asked <= 60, "{asked} requests for 40 wishes");
        }
        assert!(!world.told().iter().any(is_lost));
        world.assert_lawful();
    }
}

#[test]
fn a_peer_that_is_revoked_while_it_is_asked_for_is_not_asked_for_again() {
    let mut world = World::allocated(alice(), TurnServerConfig::default());
    world.server.expire_nonces();
    world.client.permit(peer().ip(), world.now).unwrap();
    let request = world.client.poll_transmit().unwrap().payload.to_vec();
    assert!(world.client.revoke(peer().ip(), world.now));
    let path = FiveTuple { local: client_path().remote, remote: client_path().local, ..client_path() };
    world.server.handle_client(path, &request, world.now);
    world.pass(seconds(60));
    assert_eq!(world.record().count(Method::CREATE_PERMISSION), 1);
    world.assert_lawful();
    world.client.bind_channel(peer(), world.now).unwrap();
    world.settle();
    world.assert_talks();
}

#[test]
fn keepalives_go_on_while_requests_wait_for_an_answer() {
    for keepalive_kind in [KeepaliveKind::Indication, KeepaliveKind::Request] {
        let config = AllocationConfig { keepalive: Some(seconds(3)), keepalive_kind, ..alice() };
        let mut world = World::allocated(config, TurnServerConfig::default());
        world.server.expire_nonces();
        world.client.permit(peer().ip(), world.now).unwrap();
        let request = world.client.poll_transmit().unwrap().payload.to_vec();
        let path = FiveTuple { local: client_path().remote, remote: client_path().local, ..client_path() };
        world.server.handle_client(path, &request, world.now);
        let Some(Output::ToClient { payload, .. }) = world.server.poll() else { panic!("no challenge") };
        world.offer(&client_path(), &payload);
        world.client.bind_channel(peer(), world.now).unwrap();
        // The proof of the new nonce is lost, and lost again; the channel waits for it.
        world.is_cut = true;
        for _ in 0..9 {
            let before = world.sent;
            world.pass(seconds(4));
            assert!(world.sent > before, "{keepalive_kind:?}: nothing was sent in four seconds");
        }
    }
}

#[test]
fn nonces_of_a_minute_are_replaced_unnoticed_for_hours() {
    let server = TurnServerConfig { nonce_lifetime: seconds(60), ..TurnServerConfig::default() };
    let mut world = World::bound(alice(), server);
    for _ in 0..60 {
        world.pass(seconds(240));
        world.assert_talks();
    }
    assert_eq!(world.told(), []);
    assert!(world.record().asked.iter().any(|asked| asked.code == 438));
}

#[test]
fn credentials_that_expire_are_asked_for_a_minute_before_and_used_when_they_must() {
    let users =
        [("alice", "s3cret"), ("bob", "other")].map(|(name, word)| (name.to_owned(), word.to_owned()));
    let server = TurnServerConfig { users: users.into(), ..TurnServerConfig::default() };
    let expire = libstun::Instant::from_millis(1_000_000);
    let config = AllocationConfig { credentials_expire: Some(expire), ..alice() };
    let mut world = World::bound(config, server);
    world.pass(seconds(939));
    assert_eq!(world.told(), []);
    world.pass(seconds(2));
    let needed = AllocationEvent::CredentialsNeeded { reason: CredentialsNeed::Expiring { at: expire } };
    assert_eq!(world.told(), [needed]);
    world.client.set_credentials(LongTerm::new("bob", "other").unwrap().into(), None, world.now);
    world.pass(seconds(1000));
    assert_eq!(world.told(), [], "the relay lives on under its old name: the server takes no other (441)");
    world.assert_talks();
    // The old ones are worth nothing any more: bob's are tried, for which the server has another allocation only.
    world.server.inject(Some(Method::REFRESH), Fault::Error(401), 1);
    world.pass(seconds(700));
    let told = world.told();
    assert_eq!(told.iter().filter(|event| is_lost(event)).count(), 1, "{told:?}");
    // alice's allocation is in the way, and bob cannot delete it: another port is needed.
    let Some(AllocationEvent::Reconnect { path }) = told.last() else { panic!("{told:?}") };
    let local = SocketAddr::new(path.local.ip(), 5001);
    world.client.reconnected(FiveTuple { local, ..*path }, 0, world.now).unwrap();
    world.settle();
    assert!(world.client.is_allocated());
    assert_eq!(world.server.allocations().last().unwrap().username, b"bob");
    world.assert_talks();
}

#[test]
fn a_server_that_restarts_is_noticed_with_the_next_request() {
    for users in [vec![("alice".to_owned(), "s3cret".to_owned())], Vec::new()] {
        let config = if users.is_empty() { AllocationConfig::open(client_path()) } else { alice() };
        let mut world = World::bound(config, TurnServerConfig { users, ..TurnServerConfig::default() });
        world.pass(seconds(100));
        world.server.restart();
        world.pass(seconds(300));
        assert!(world.told().iter().any(is_lost));
        world.assert_talks();
        world.assert_lawful();
    }
}

#[test]
fn a_redirection_is_followed_refused_or_asked_about() {
    let other: SocketAddr = "192.0.2.2:3478".parse().unwrap();
    let server = || TurnServerConfig { redirect: Some(other), ..TurnServerConfig::default() };
    let with = |redirects| World::new(AllocationConfig { redirects, ..alice() }, server());
    let mut followed = with(RedirectPolicy::Follow);
    assert_eq!(followed.client.path().remote, other);
    assert!(
        matches!(followed.told()[0], AllocationEvent::Redirected { server, awaits_answer: false, .. } if server == other)
    );
    followed.pass(seconds(3600));
    let asked = followed.record().count(Method::ALLOCATE);
    assert!(asked <= 130, "a loop between two servers is no storm: {asked}");
    let mut refused = with(RedirectPolicy::Refuse);
    let failed = AllocationEvent::Failed { reason: FailureReason::ErrorResponse { code: 300 } };
    assert_eq!(refused.told(), [failed]);
    let mut asked = with(RedirectPolicy::Ask);
    assert!(matches!(asked.told()[..], [AllocationEvent::Redirected { awaits_answer: true, .. }]));
    assert_eq!(asked.client.poll_timeout(), None);
    asked.client.answer_redirect(true, asked.now);
    assert_eq!(asked.client.path().remote, other);
}

#[test]
fn both_families_come_in_one_allocation_and_one_of_them_may_be_refused() {
    let config = || AllocationConfig { family: RelayFamily::Both, ..alice() };
    let mut world = World::new(config(), TurnServerConfig::default());
    let AllocationEvent::Allocated { relayed, additional: Some(additional), .. } = world.told()[0] else {
        panic!()
    };
    assert!(relayed.is_ipv4() && additional.is_ipv6());
    let v6: SocketAddr = "[2001:db8::7]:7000".parse().unwrap();
    world.client.bind_channel(v6, world.now).unwrap();
    world.client.bind_channel(peer(), world.now).unwrap();
    world.settle();
    world.assert_talks();
    world.server.handle_peer(additional, v6, b"six", world.now);
    world.settle();
    assert_eq!(world.to_client.last(), Some(&(v6, b"six".to_vec())));
    for (relay_v4, relay_v6, is_missing) in [(true, false, true), (false, true, false)] {
        let default = TurnServerConfig::default();
        let server = TurnServerConfig {
            relay_v4: default.relay_v4.filter(|_| relay_v4),
            relay_v6: default.relay_v6.filter(|_| relay_v6),
            ..default
        };
        let mut world = World::new(config(), server);
        let told = world.told();
        assert!(matches!(told[0], AllocationEvent::Allocated { additional: None, .. }), "{told:?}");
        assert_eq!(told[1], AllocationEvent::FamilyRefused { is_ipv6: is_missing, code: 440 });
    }
    let only = AllocationConfig { family: RelayFamily::V6, ..alice() };
    let world = World::new(only, TurnServerConfig::default());
    assert!(world.client.relayed_address().unwrap().is_ipv6());
}

#[test]
fn a_reserved_port_goes_to_whoever_has_its_token() {
    let mut world = World::new(
        AllocationConfig { port: RelayPort::EvenReservingNext, ..alice() },
        TurnServerConfig::default(),
    );
    let AllocationEvent::Allocated { relayed, reservation: Some(token), .. } = world.told()[0] else {
        panic!()
    };
    assert_eq!(relayed.port() % 2, 0);
    // Another client at the same server.
    let path = FiveTuple { local: "10.0.0.2:5001".parse().unwrap(), ..client_path() };
    let config = AllocationConfig { path, port: RelayPort::Reserved(token), ..alice() };
    world.client =
        libstun::turn::Allocation::new(config, libstun::Entropy::from_seed([4; 32]), world.now).unwrap();
    world.settle();
    assert_eq!(world.client.relayed_address(), Some(SocketAddr::new(relayed.ip(), relayed.port() + 1)));
    world.assert_lawful();
}

#[test]
fn what_a_server_does_not_know_is_left_out() {
    let server = TurnServerConfig {
        unknown_attributes: vec![AttributeType::DONT_FRAGMENT],
        mobility: Mobility::Forbidden,
        ..TurnServerConfig::default()
    };
    let mut world = World::bound(AllocationConfig { dont_fragment: true, ..alice() }, server);
    world.assert_talks();
    let codes: Vec<u16> = world.record().asked.iter().map(|asked| asked.code).collect();
    assert_eq!(codes, [401, 420, 405, 200, 200]);
    // What it must be asked for and does not know is an end.
    let server = TurnServerConfig {
        unknown_attributes: vec![AttributeType::REQUESTED_ADDRESS_FAMILY],
        ..TurnServerConfig::default()
    };
    let mut world = World::new(AllocationConfig { family: RelayFamily::V6, ..alice() }, server);
    let attribute = AttributeType::REQUESTED_ADDRESS_FAMILY;
    assert_eq!(
        world.told(),
        [AllocationEvent::Failed { reason: FailureReason::NotUnderstood { attribute } }]
    );
}

#[test]
fn an_allocation_moves_with_the_host_where_the_server_lets_it() {
    let addresses: [IpAddr; 1] = ["10.9.9.9".parse().unwrap()];
    for mobility in [Mobility::Allowed, Mobility::Unknown, Mobility::Forbidden] {
        let mut world = World::bound(alice(), TurnServerConfig { mobility, ..TurnServerConfig::default() });
        let relayed = world.client.relayed_address();
        world.client.network_changed(&["10.0.0.2".parse().unwrap()], world.now);
        world.settle();
        assert_eq!(world.told(), [], "the address is still there");
        world.client.network_changed(&addresses, world.now);
        let mut buffer = [0; 64];
        assert!(
            world.client.send(peer(), b"x", &mut buffer, world.now).is_err(),
            "not before the server knows"
        );
        world.settle();
        let told = world.told();
        assert!(matches!(told[0], AllocationEvent::Restarted { local, .. } if local.ip() == addresses[0]));
        let has_moved = matches!(told[1], AllocationEvent::Moved { .. });
        assert_eq!(has_moved, mobility == Mobility::Allowed, "{told:?}");
        assert_eq!(world.client.relayed_address() == relayed, has_moved);
        world.assert_talks();
        world.pass(seconds(1000));
        world.assert_talks();
        world.assert_lawful();
        world.client.network_changed(&["2001:db8::1".parse().unwrap()], world.now);
        let failed = AllocationEvent::Failed { reason: FailureReason::NetworkChanged };
        world.settle();
        assert_eq!(world.told().last(), Some(&failed));
    }
}

type Prepare = fn() -> World;

/// A relay in each of its states.
fn states() -> [(&'static str, Prepare); 6] {
    [
        ("allocating", || {
            let mut world = World::new(alice(), TurnServerConfig::default());
            world.server.restart();
            world.is_cut = true;
            world.client.reconnected(client_path(), 0, world.now).unwrap();
            world.settle();
            world
        }),
        ("allocated", || World::bound(alice(), TurnServerConfig::default())),
        ("waiting", || {
            let mut world =
                World::new(alice(), TurnServerConfig { quota: Some(0), ..TurnServerConfig::default() });
            world.settle();
            world
        }),
        ("unauthorized", || {
            let config = AllocationConfig::new(client_path(), LongTerm::new("alice", "wrong").unwrap());
            let mut world = World::new(config, TurnServerConfig::default());
            world.pass(seconds(10));
            world
        }),
        ("redirected", || {
            let config = AllocationConfig { redirects: RedirectPolicy::Ask, ..alice() };
            World::new(
                config,
                TurnServerConfig { redirect: "192.0.2.2:1".parse().ok(), ..TurnServerConfig::default() },
            )
        }),
        ("moving", || {
            let server = TurnServerConfig { mobility: Mobility::Allowed, ..TurnServerConfig::default() };
            let mut world = World::bound(alice(), server);
            world.is_cut = true;
            world.client.network_changed(&["10.9.9.9".parse().unwrap()], world.now);
            world.settle();
            world
        }),
    ]
}

#[test]
fn a_host_that_changes_networks_in_any_state_gets_its_relay() {
    for (name, prepare) in states() {
        let mut world = prepare();
        let wants_answer =
            matches!(world.events.last(), Some((_, AllocationEvent::Redirected { awaits_answer: true, .. })));
        let config = world.server.config_mut();
        (config.quota, config.redirect) = (None, None);
        world.is_cut = false;
        world.mapped = Some("198.51.100.200:1234".parse().unwrap());
        world.client.network_changed(&["10.8.8.8".parse().unwrap()], world.now);
        if wants_answer {
            world.client.answer_redirect(true, world.now);
        }
        world.client.set_credentials(LongTerm::new("alice", "s3cret").unwrap().into(), None, world.now);
        world.pass(seconds(120));
        assert_eq!(world.client.path().local, "10.8.8.8:5000".parse().unwrap(), "{name}");
        assert!(world.client.is_allocated(), "{name}: {:?}", world.events);
        world.client.bind_channel(peer(), world.now).unwrap();
        world.settle();
        world.assert_talks();
        world.assert_lawful();
    }
}

#[test]
fn every_state_can_be_closed_and_ends_with_its_last_event() {
    for (name, prepare) in states() {
        let mut world = prepare();
        world.client.close(world.now);
        world.pass(seconds(60));
        assert_eq!(world.told().last(), Some(&AllocationEvent::Closed), "{name}");
        assert_eq!((world.client.is_ended(), world.client.poll_timeout()), (true, None), "{name}");
        let receipt = Receipt { path: client_path(), transaction_id: None };
        world.client.handle_send_error(&receipt, SendError::Refused, world.now);
        world.client.network_changed(&["10.7.7.7".parse().unwrap()], world.now);
        world.client.reconnected(client_path(), 0, world.now).unwrap();
        world.client.set_credentials(LongTerm::new("a", "b").unwrap().into(), None, world.now);
        world.client.answer_redirect(true, world.now);
        world.pass(seconds(3600));
        assert_eq!(
            (world.told().len(), world.client.poll_transmit()),
            (0, None),
            "{name}: the end is the end"
        );
    }
}

/// A signed 438 to each of many, a Refresh among them: none is one challenge too many.
#[test]
fn a_refresh_among_many_challenged_requests_is_refreshed() {
    for signs_stale_nonces in [false, true] {
        let server = TurnServerConfig { signs_stale_nonces, ..TurnServerConfig::default() };
        let mut world = World::bound(alice(), server);
        world.pass(seconds(270));
        world.server.expire_nonces();
        for host in 0..5 {
            world.client.permit(IpAddr::from([203, 0, 9, host]), world.now).unwrap();
        }
        // ICMP makes it refresh: all of them are on the way before the first answer.
        let receipt = Receipt { path: client_path(), transaction_id: None };
        world.client.handle_send_error(&receipt, SendError::Refused, world.now);
        world.pass(seconds(5));
        assert!(!world.told().iter().any(is_lost), "signed: {signs_stale_nonces}");
        for host in 0..5 {
            assert!(world.client.is_permitted(IpAddr::from([203, 0, 9, host])));
        }
        world.assert_talks();
        world.assert_lawful();
    }
}

/// What waits for another request's proof goes out when that is withdrawn, and not with the next wake-up.
#[test]
fn a_released_channel_does_not_hold_up_what_waited_behind_it() {
    let mut world = World::allocated(alice(), TurnServerConfig::default());
    world.server.expire_nonces();
    world.client.bind_channel(peer(), world.now).unwrap();
    world.is_cut = false;
    let request = world.client.poll_transmit().unwrap().payload.to_vec();
    let path = FiveTuple { local: client_path().remote, remote: client_path().local, ..client_path() };
    world.server.handle_client(path, &request, world.now);
    let Some(libstun_sim::turn::Output::ToClient { payload, .. }) = world.server.poll() else { panic!() };
    world.offer(&client_path(), &payload);
    world.is_cut = true;
    world.settle(); // the retry is lost
    world.client.permit(IpAddr::from([203, 0, 9, 9]), world.now).unwrap();
    assert_eq!(world.client.poll_transmit(), None, "it waits for the proof");
    world.client.release_channel(peer(), world.now);
    let sent = world.client.poll_transmit().map(|transmit| transmit.payload.to_vec()).unwrap();
    let sent = libstun::wire::Message::parse(&sent).unwrap();
    assert_eq!(sent.method(), Method::CREATE_PERMISSION);
}

/// The host's network is about to change: the relay and its ticket outlive a Refresh that could not be sent.
#[test]
fn a_refresh_that_could_not_be_sent_is_tried_again() {
    let server = TurnServerConfig { mobility: Mobility::Allowed, ..TurnServerConfig::default() };
    let mut world = World::bound(alice(), server);
    let relayed = world.client.relayed_address();
    world.is_cut = true;
    while world.client.poll_timeout().is_some() {
        world.now = world.client.poll_timeout().unwrap().max(world.now);
        world.client.handle_timeout(world.now);
        let mut failed = None;
        while let Some(transmit) = world.client.poll_transmit() {
            let message = libstun::wire::Message::parse(transmit.payload).unwrap();
            if message.method() == Method::REFRESH {
                failed = Some(transmit.receipt());
            }
        }
        if let Some(receipt) = failed {
            world.client.handle_send_error(&receipt, SendError::NoRoute, world.now);
            break;
        }
    }
    let told: Vec<_> = std::iter::from_fn(|| world.client.poll_event()).collect();
    assert!(matches!(told[..], [AllocationEvent::Retrying { .. }]), "{told:?}");
    world.is_cut = false;
    world.client.network_changed(&["10.9.9.9".parse().unwrap()], world.now);
    world.settle();
    assert!(world.told().iter().any(|event| matches!(event, AllocationEvent::Moved { .. })));
    assert_eq!(world.client.relayed_address(), relayed);
}

/// A token stands for a port once: whoever lost that relay gets another, and whoever comes too late is told.
#[test]
fn a_token_is_asked_for_once() {
    let config = || AllocationConfig { port: RelayPort::Reserved([7; 8]), ..alice() };
    let mut world = World::new(config(), TurnServerConfig::default());
    let failed = AllocationEvent::Failed { reason: FailureReason::ErrorResponse { code: 508 } };
    assert_eq!(world.told(), [failed]);
    let mut world = World::new(
        AllocationConfig { port: RelayPort::EvenReservingNext, ..alice() },
        TurnServerConfig::default(),
    );
    let AllocationEvent::Allocated { reservation: Some(token), .. } = world.told()[0] else { panic!() };
    let path = FiveTuple { local: "10.0.0.2:5001".parse().unwrap(), ..client_path() };
    let config = AllocationConfig { path, port: RelayPort::Reserved(token), ..alice() };
    world.client =
        libstun::turn::Allocation::new(config, libstun::Entropy::from_seed([4; 32]), world.now).unwrap();
    world.settle();
    world.pass(seconds(100));
    world.server.restart();
    world.pass(seconds(600));
    assert!(world.client.is_allocated(), "another port is better than none: {:?}", world.told());
}

/// A grant that is being given back is given back by whoever closes meanwhile.
#[test]
fn closing_gives_back_what_was_being_given_back() {
    let mut world = World::new(alice(), TurnServerConfig::default());
    world.server.restart();
    world.server.inject(Some(Method::ALLOCATE), Fault::Lifetime(seconds(0)), 1);
    world.client.reconnected(client_path(), 0, world.now).unwrap();
    world.server.inject(Some(Method::REFRESH), Fault::LoseRequest, 1);
    world.settle();
    assert_eq!(world.server.allocations().len(), 1, "the first deletion was lost");
    world.told();
    world.client.close(world.now);
    world.pass(seconds(1));
    assert_eq!(world.told(), [AllocationEvent::Closed]);
    assert!(world.server.allocations().is_empty());
}

/// Whoever is closed is closed, whatever becomes of the network.
#[test]
fn a_network_that_goes_while_a_relay_is_closed_closes_it() {
    let mut world = World::bound(alice(), TurnServerConfig::default());
    world.is_cut = true;
    world.client.close(world.now);
    world.client.network_changed(&["2001:db8::1".parse().unwrap()], world.now);
    world.settle();
    assert_eq!(world.told(), [AllocationEvent::Closed]);
}

/// Other credentials are no answer to what is being deleted with the old ones.
#[test]
fn credentials_that_come_while_a_relay_is_closed_change_nothing() {
    let mut world = World::bound(alice(), TurnServerConfig::default());
    world.client.close(world.now);
    world.client.set_credentials(LongTerm::new("bob", "other").unwrap().into(), None, world.now);
    world.settle();
    assert_eq!(world.told(), [AllocationEvent::Closed]);
    assert!(world.server.allocations().is_empty());
}
