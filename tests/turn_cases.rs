//! The adversarial cases 70 to 88: what goes wrong between a client, a TURN server, a peer and a NAT.

#![allow(missing_docs)]
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use libstun::auth::LongTerm;
use libstun::turn::{
    Allocation, AllocationConfig, AllocationEvent, CredentialsNeed, FailureReason, IpRange, KeepaliveKind,
    PeerError, PeerPolicy, PeerRefusal, RelayFamily, RelayPort, SendToPeerError,
};
use libstun::wire::attribute::{AttributeType, Data, XorPeerAddress};
use libstun::wire::{ChannelNumber, Class, MessageBuilder, Method, TransactionId};
use libstun::{DropReason, FiveTuple, Instant, Machine, Receipt, SendError};
use libstun_sim::turn::{Fault, Mobility, TurnServerConfig};
use support::turn_world::{World, alice, client_path, peer, seconds};

fn is_lost(event: &AllocationEvent) -> bool {
    matches!(event, AllocationEvent::Lost { .. })
}

fn is_allocated(event: &AllocationEvent) -> bool {
    matches!(event, AllocationEvent::Allocated { .. })
}

/// Case 70: every notation of an address that may not be a peer has the verdict of the plain one.
#[test]
fn no_notation_of_a_forbidden_address_gets_through() {
    let mut world = World::allocated(alice(), TurnServerConfig::default());
    let mut both = World::allocated(
        AllocationConfig { family: RelayFamily::Both, ..alice() },
        TurnServerConfig::default(),
    );
    for text in [
        "0.0.0.0:9",
        "127.0.0.1:9",
        "127.255.255.254:9",
        "224.0.0.1:9",
        "255.255.255.255:9",
        "[::]:9",
        "[::1]:9",
        "[::ffff:127.0.0.1]:9",
        "[::127.0.0.1]:9",
        "[2002:7f00:1::]:9",
        "[64:ff9b::7f00:1]:9",
        "[ff02::1]:9",
        "[::ffff:0.0.0.0]:9",
        "198.51.100.9:0",
    ] {
        let bad: SocketAddr = text.parse().unwrap();
        for world in [&mut world, &mut both] {
            assert!(
                matches!(world.client.bind_channel(bad, world.now), Err(PeerError::Refused(_))),
                "{text}"
            );
            let mut buffer = [0xAA; 64];
            let sent = world.client.send(bad, b"x", &mut buffer, world.now);
            assert!(matches!(sent, Err(SendToPeerError::Refused(_))), "{text}");
            assert_eq!(buffer, [0xAA; 64], "{text}");
            if bad.port() != 0 {
                let permitted = world.client.permit(bad.ip(), world.now);
                assert!(matches!(permitted, Err(PeerError::Refused(_))), "{text}");
            }
        }
    }
    assert_eq!(world.client.poll_transmit(), None);
}

/// Case 70: ranges are numeric, in both families.
#[test]
fn a_denied_range_is_denied_from_its_first_to_its_last_address() {
    let mut peers = PeerPolicy::default();
    let range =
        |first: &str, last: &str| IpRange::new(first.parse().unwrap(), last.parse().unwrap()).unwrap();
    peers.deny(range("10.0.0.9", "10.0.0.10"));
    peers.deny(range("2001:db8::9", "2001:db8::10"));
    let config = AllocationConfig { peers, family: RelayFamily::Both, ..alice() };
    let mut world = World::allocated(config, TurnServerConfig::default());
    let denied = Err(PeerError::Refused(PeerRefusal::Denied));
    for (text, expected) in [
        ("10.0.0.8", Ok(())),
        ("10.0.0.9", denied),
        ("10.0.0.10", denied),
        ("10.0.0.11", Ok(())),
        ("2001:db8::8", Ok(())),
        ("2001:db8::a", denied),
        ("2001:db8::10", denied),
        ("2001:db8::11", Ok(())),
    ] {
        assert_eq!(world.client.permit(text.parse().unwrap(), world.now), expected, "{text}");
    }
}

/// Case 71: the rules hold for what a server names, too.
#[test]
fn data_of_a_peer_that_the_policy_refuses_is_dropped_whoever_permitted_it() {
    let mut world = World::bound(alice(), TurnServerConfig::default());
    for text in ["127.0.0.1:7000", "[::ffff:127.0.0.1]:7000", "0.0.0.0:1"] {
        let indication = data_indication(text.parse().unwrap(), Some(b"evil"));
        assert!(!world.offer(&client_path(), &indication));
    }
    assert_eq!(world.client.counters().dropped(DropReason::UnpermittedPeer), 3);
}

fn data_indication(peer: SocketAddr, payload: Option<&[u8]>) -> Vec<u8> {
    let mut buffer = [0; 256];
    let id = TransactionId::new([5; 12]);
    let mut builder = MessageBuilder::new(&mut buffer, Class::Indication, Method::DATA, id).unwrap();
    builder.add(&XorPeerAddress(peer)).unwrap();
    if let Some(payload) = payload {
        builder.add(&Data(payload)).unwrap();
    }
    builder.finish().to_vec()
}

/// Case 72.
#[test]
fn data_from_and_to_an_unpermitted_peer_goes_nowhere() {
    let mut world = World::bound(alice(), TurnServerConfig::default());
    let stranger: SocketAddr = "203.0.113.78:7000".parse().unwrap();
    let sent = world.client.send(stranger, b"x", &mut [0; 64], world.now).map(|_| ());
    assert_eq!(sent.unwrap_err(), SendToPeerError::NotPermitted);
    assert!(!world.offer(&client_path(), &data_indication(stranger, Some(b"x"))));
    assert_eq!(world.client.counters().dropped(DropReason::UnpermittedPeer), 1);
    // The same IP at another port is permitted: a channel permits the IP (RFC 8656 s9).
    let neighbour = SocketAddr::new(peer().ip(), 7001);
    assert!(world.hear(neighbour, b"from another port"));
    // Nobody but the server relays.
    let elsewhere = FiveTuple { remote: "192.0.2.99:3478".parse().unwrap(), ..client_path() };
    assert!(!world.offer(&elsewhere, &data_indication(peer(), Some(b"x"))));
    assert!(!world.offer(&elsewhere, b"\x40\x00\x00\x01x"));
}

/// Case 73.
#[test]
fn two_clients_with_the_same_peer_and_channel_number_hear_their_own_data_only() {
    use libstun::{Agent, Datagram, Entropy, Outcome};
    let mut agent = Agent::new(Entropy::from_seed([7; 32]), Instant::ZERO);
    let ids: Vec<_> = (0..2)
        .map(|number| agent.start_allocation(support::relay::relay_config(number), Instant::ZERO).unwrap())
        .collect();
    ids.iter().for_each(|id| agent.bind_channel(*id, peer(), Instant::ZERO).unwrap());
    support::relay::grant_all(&mut agent, Instant::ZERO);
    let relayed: Vec<_> =
        ids.iter().map(|id| agent.allocation(*id).unwrap().relayed_address().unwrap()).collect();
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(agent.allocation(*id).unwrap().channel(peer()), Some(ChannelNumber::MIN));
        let path = support::relay::relay_path(number as u16);
        let inbound = [0x40, 0, 0, 1, number as u8];
        let Outcome::Unwrapped(data) = agent.handle_input(&Datagram::new(path, &inbound), Instant::ZERO)
        else {
            panic!("not unwrapped")
        };
        assert_eq!((data.path.local, data.payload), (relayed[number], &[number as u8][..]));
    }
}

/// Case 74: 9, 11, 14 and 16 minutes after its last ChannelBind.
#[test]
fn a_released_number_goes_to_another_peer_after_ten_and_five_minutes_only() {
    let other: SocketAddr = "203.0.113.99:1".parse().unwrap();
    for minutes in [9, 11, 14, 16] {
        let mut world = World::bound(alice(), TurnServerConfig::default());
        assert!(world.client.release_channel(peer(), world.now));
        world.pass(seconds(60 * minutes));
        world.client.bind_channel(other, world.now).unwrap();
        world.settle();
        let expected = if minutes > 15 { 0x4000 } else { 0x4001 };
        let given = world.client.channel(other).unwrap();
        assert_eq!(given.number(), expected, "after {minutes} minutes");
        world.assert_lawful();
        // The first peer gets its own number again as long as nobody else has it.
        world.client.bind_channel(peer(), world.now).unwrap();
        world.settle();
        let again = world.client.channel(peer()).unwrap().number();
        assert_eq!(again, if minutes > 15 { 0x4001 } else { 0x4000 });
        world.assert_lawful();
        world.assert_talks();
    }
}

/// Case 75.
#[test]
fn a_channel_bind_whose_reply_was_lost_is_tried_again_under_the_same_number() {
    let mut world = World::allocated(alice(), TurnServerConfig::default());
    world.server.inject(Some(Method::CHANNEL_BIND), Fault::LoseResponse, 20);
    world.client.bind_channel(peer(), world.now).unwrap();
    world.pass(seconds(200));
    assert_eq!(world.client.channel(peer()), Some(ChannelNumber::MIN));
    world.assert_lawful();
    world.assert_talks();
}

/// Case 76.
#[test]
fn what_cannot_be_sent_yet_is_an_error_that_says_why_and_writes_nothing() {
    let mut world = World::new(alice(), TurnServerConfig { redirect: None, ..TurnServerConfig::default() });
    world.is_cut = true;
    let mut early = World::new(alice(), TurnServerConfig::default());
    early.is_cut = true;
    let mut buffer = [0xAA; 64];
    world.client.permit(peer().ip(), world.now).unwrap();
    world.settle();
    let error = world.client.send(peer(), b"x", &mut buffer, world.now).unwrap_err();
    assert_eq!((error, buffer), (SendToPeerError::NotPermitted, [0xAA; 64]), "asked for, not answered");
    let config = AllocationConfig::open(client_path());
    let mut unborn = Allocation::new(config, libstun::Entropy::from_seed([1; 32]), Instant::ZERO).unwrap();
    let error = unborn.send(peer(), b"x", &mut buffer, Instant::ZERO).unwrap_err();
    assert_eq!((error, buffer), (SendToPeerError::NotAllocated, [0xAA; 64]));
    world.is_cut = false;
    world.pass(seconds(2));
    let error = world.client.send(peer(), &[0; 64], &mut buffer, world.now).unwrap_err();
    let SendToPeerError::Frame(libstun::turn::FrameError::BufferTooSmall { needed }) = error else {
        panic!()
    };
    assert_eq!(buffer, [0xAA; 64]);
    assert!(world.client.send(peer(), &[0; 64], &mut vec![0; needed], world.now).is_ok());
}

/// Case 77.
#[test]
fn closing_deletes_the_allocation_and_closing_again_changes_nothing() {
    let mut world = World::bound(alice(), TurnServerConfig::default());
    world.client.close(world.now);
    world.client.close(world.now);
    assert!(!world.client.is_allocated());
    assert_eq!(world.client.bind_channel(peer(), world.now), Err(PeerError::Ended));
    world.settle();
    assert_eq!(world.told(), [AllocationEvent::Closed]);
    assert!(world.server.allocations().is_empty());
    world.client.close(world.now);
    world.pass(seconds(3600));
    assert_eq!((world.told().len(), world.client.poll_timeout()), (0, None));
    // 437 is as good as success: what was to be deleted is not there.
    let mut world = World::bound(alice(), TurnServerConfig::default());
    world.server.restart();
    world.client.close(world.now);
    world.pass(seconds(60));
    assert_eq!(world.told(), [AllocationEvent::Closed]);
}

/// Case 78: the server sees another address from then on; with signed and with unsigned 437.
#[test]
fn a_nat_that_changes_the_client_costs_one_relay_and_no_flapping() {
    for unsigned_codes in [vec![], vec![437]] {
        let server = TurnServerConfig { unsigned_codes, ..TurnServerConfig::default() };
        let mut world = World::bound(alice(), server);
        world.pass(seconds(100));
        world.mapped = Some("198.51.100.200:1234".parse().unwrap());
        world.pass(seconds(3600));
        let told = world.told();
        assert_eq!(told.iter().filter(|event| is_lost(event)).count(), 1, "{told:?}");
        assert_eq!(told.iter().filter(|event| is_allocated(event)).count(), 1, "{told:?}");
        world.assert_talks();
        world.assert_lawful();
    }
}

/// Case 78, with mobility: the relay moves with the client.
#[test]
fn a_nat_that_changes_the_client_moves_an_allocation_that_can_move() {
    for unsigned_codes in [vec![], vec![437]] {
        let server =
            TurnServerConfig { unsigned_codes, mobility: Mobility::Allowed, ..TurnServerConfig::default() };
        let mut world = World::bound(alice(), server);
        let relayed = world.client.relayed_address();
        for port in [1234, 1235, 1236] {
            world.mapped = Some(SocketAddr::from(([198, 51, 100, 200], port)));
            world.pass(seconds(600));
            let told = world.told();
            assert!(matches!(told[..], [AllocationEvent::Moved { .. }]), "{told:?}");
            assert_eq!(world.client.relayed_address(), relayed);
            world.assert_talks();
        }
        world.assert_lawful();
    }
}

/// Case 78, noticed by the keepalive and not by the next refresh.
#[test]
fn a_keepalive_that_is_a_request_notices_a_changed_nat_within_its_interval() {
    let config = AllocationConfig { keepalive_kind: KeepaliveKind::Request, ..alice() };
    let mut world = World::bound(config, TurnServerConfig::default());
    world.pass(seconds(30));
    world.mapped = Some("198.51.100.200:1234".parse().unwrap());
    world.pass(seconds(25));
    assert!(world.told().iter().any(is_allocated));
    world.assert_talks();
}

/// Case 79: advisory, and a new port after a few.
#[test]
fn an_allocation_in_the_way_that_is_not_ours_leads_to_other_ports() {
    for fault in [Fault::UnsignedError(437), Fault::Error(437)] {
        let mut world = World::new(alice(), TurnServerConfig::default());
        world.server.restart();
        world.server.inject(Some(Method::ALLOCATE), fault, 1000);
        world.client.reconnected(client_path(), 0, world.now).unwrap();
        world.pass(seconds(60));
        let mut ports = 5000;
        while let Some(AllocationEvent::Reconnect { path }) = world.told().last().copied() {
            assert_eq!(path.remote, client_path().remote);
            ports += 1;
            let local = SocketAddr::new(path.local.ip(), ports);
            world.client.reconnected(FiveTuple { local, ..path }, 0, world.now).unwrap();
            world.pass(seconds(60));
        }
        assert_eq!(ports, 5003, "three other ports (RFC 8656 s7.4)");
        let asked = world.record().count(Method::ALLOCATE);
        world.pass(seconds(50));
        assert_eq!(world.record().count(Method::ALLOCATE), asked, "and not again for two minutes");
        world.server.clear_faults();
        world.pass(seconds(120));
        assert!(world.client.is_allocated());
    }
}

/// Case 79: whoever sees a request cannot end a relay with an error that he did not sign.
#[test]
fn a_forged_error_before_the_true_answer_changes_nothing() {
    for code in [300, 400, 401, 403, 437, 438, 441, 486, 500] {
        let mut world = World::bound(alice(), TurnServerConfig::default());
        let relayed = world.client.relayed_address();
        world.forges = Some(code);
        let more: SocketAddr = "203.0.113.80:1".parse().unwrap();
        world.client.bind_channel(more, world.now).unwrap();
        world.client.permit("203.0.113.81".parse().unwrap(), world.now).unwrap();
        world.pass(seconds(3600));
        let told = world.told();
        let is_peace = |event: &AllocationEvent| {
            matches!(event, AllocationEvent::Permitted { .. } | AllocationEvent::ChannelBound { .. })
        };
        assert!(told.len() == 2 && told.iter().all(is_peace), "{code}: {told:?}");
        assert_eq!(world.client.relayed_address(), relayed, "{code}");
        assert!(
            world.client.counters().dropped(DropReason::Unauthenticated) > 10 || matches!(code, 401 | 438)
        );
        world.assert_talks();
        world.assert_lawful();
    }
}

/// Case 80.
#[test]
fn an_unsigned_400_to_a_signed_request_fails_with_a_hint_and_soon() {
    let mut world = World::bound(alice(), TurnServerConfig::default());
    world.pass(seconds(200));
    world.server.inject(None, Fault::UnsignedError(400), 100);
    let begin = world.now;
    world.pass(seconds(150));
    let (at, event) = world.events[0];
    let AllocationEvent::Lost { reason: FailureReason::IntegrityViolated { code: 400, count }, .. } = event
    else {
        panic!("{event}")
    };
    assert!(count >= 1);
    let asked =
        world.record().asked.iter().find(|asked| asked.at >= begin && asked.method == Method::REFRESH);
    let waited = at.saturating_since(asked.unwrap().at);
    assert!(waited <= Allocation::REJECTION_GRACE, "{waited:?}");
}

/// Case 81.
#[test]
fn an_error_without_a_code_is_a_failure() {
    let mut world = World::new(alice(), TurnServerConfig::default());
    world.server.restart();
    world.server.inject(Some(Method::ALLOCATE), Fault::ErrorWithoutCode, 1);
    world.client.reconnected(client_path(), 0, world.now).unwrap();
    world.settle();
    let failed = AllocationEvent::Failed { reason: FailureReason::MalformedError };
    assert_eq!(world.told().last(), Some(&failed));
}

/// Cases 82 and 83: nothing of it is left at the server.
#[test]
fn a_grant_that_is_of_no_use_is_given_back() {
    for (fault, reason) in [
        (Fault::Lifetime(Duration::ZERO), FailureReason::ImpossibleLifetime),
        (Fault::Omit(AttributeType::LIFETIME), FailureReason::ImpossibleLifetime),
        (Fault::Omit(AttributeType::XOR_RELAYED_ADDRESS), FailureReason::NoRelayedAddress),
        (Fault::Relayed("[2001:db8::1]:5".parse().unwrap()), FailureReason::WrongFamily),
        (Fault::Relayed("0.0.0.0:5".parse().unwrap()), FailureReason::NoRelayedAddress),
        (Fault::Relayed("198.51.100.1:0".parse().unwrap()), FailureReason::NoRelayedAddress),
    ] {
        let mut world = World::new(alice(), TurnServerConfig::default());
        world.server.restart();
        world.told();
        world.server.inject(Some(Method::ALLOCATE), fault.clone(), 10);
        world.client.reconnected(client_path(), 0, world.now).unwrap();
        world.pass(seconds(20));
        let told = world.told();
        assert_eq!(told.last(), Some(&AllocationEvent::Failed { reason }), "{fault:?}");
        assert!(world.server.allocations().is_empty(), "{fault:?}");
        assert_eq!(world.client.poll_timeout(), None);
    }
    let mut world = World::bound(alice(), TurnServerConfig::default());
    world.server.inject(Some(Method::REFRESH), Fault::Lifetime(Duration::from_secs(u32::MAX.into())), 1);
    world.pass(seconds(400));
    let left = world.client.expires_at().unwrap().saturating_since(world.now);
    assert!(left <= Allocation::MAX_LIFETIME, "2^32 - 1 seconds count as an hour: {left:?}");
}

/// Case 84: the client's side of a quota.
#[test]
fn whoever_has_reached_the_quota_waits_a_minute_at_least() {
    for code in [486, 508] {
        let (quota, capacity) = if code == 486 { (Some(0), None) } else { (None, Some(0)) };
        let config = AllocationConfig { port: RelayPort::EvenReservingNext, ..alice() };
        let mut world =
            World::new(config, TurnServerConfig { quota, capacity, ..TurnServerConfig::default() });
        world.pass(seconds(3600));
        let asked = world.record().answered(Method::ALLOCATE, code);
        assert!((45..=61).contains(&asked), "{code}: {asked} in an hour");
        assert!(world.server.allocations().is_empty());
    }
}

/// Case 84: the server's side. What nobody takes up is gone in half a minute, and with its client what a client holds.
#[test]
fn a_flood_of_reservations_leaves_nothing_behind() {
    let server = TurnServerConfig { ports: 50_000..=50_019, quota: Some(10), ..TurnServerConfig::default() };
    let config = |number: u16| {
        let local = SocketAddr::new(client_path().local.ip(), 6000 + number);
        let path = FiveTuple { local, ..client_path() };
        AllocationConfig { path, port: RelayPort::EvenReservingNext, ..alice() }
    };
    let mut world = World::new(config(0), server);
    for round in 0..3 {
        let mut clients = Vec::new();
        for number in 1..40 {
            let entropy = libstun::Entropy::from_seed([round + 1; 32]);
            let next = Allocation::new(config(number), entropy, world.now).unwrap();
            clients.push(std::mem::replace(&mut world.client, next));
            world.settle();
        }
        assert_eq!(world.server.allocations().len(), 10, "round {round}: the quota");
        for mut client in clients {
            std::mem::swap(&mut world.client, &mut client);
            world.client.close(world.now);
            world.settle();
        }
        world.client = Allocation::new(config(0), libstun::Entropy::from_seed([9; 32]), world.now).unwrap();
        world.settle();
        world.client.close(world.now);
        world.pass(seconds(31));
        assert!(world.server.allocations().is_empty(), "round {round}");
        world.client = Allocation::new(config(0), libstun::Entropy::from_seed([8; 32]), world.now).unwrap();
        world.settle();
        assert!(world.client.is_allocated(), "round {round}: there are ports");
    }
}

/// Lesson 10: a client is its 5-tuple, so that IPv4 and IPv6 to one server are two.
#[test]
fn both_families_to_one_server_are_two_clients() {
    use libstun::{Agent, Entropy};
    let mut agent = Agent::new(Entropy::from_seed([7; 32]), Instant::ZERO);
    let v6 = FiveTuple::udp("[2001:db8::2]:5000".parse().unwrap(), "[2001:db8::1]:10000".parse().unwrap());
    let config = AllocationConfig { path: v6, ..support::relay::relay_config(0) };
    let ids = [support::relay::relay_config(0), config]
        .map(|one| agent.start_allocation(one, Instant::ZERO).unwrap());
    support::relay::grant_all(&mut agent, Instant::ZERO);
    assert!(ids.iter().all(|id| agent.allocation(*id).unwrap().is_allocated()));
    agent.close_relay(ids[0], Instant::ZERO).unwrap();
    support::relay::grant_all(&mut agent, Instant::ZERO);
    assert!(agent.allocation(ids[1]).unwrap().is_allocated());
    // The same 5-tuple twice is a mistake.
    let again = AllocationConfig { path: v6, ..support::relay::relay_config(0) };
    let refused = agent.start_allocation(again, Instant::ZERO).unwrap_err();
    assert_eq!(refused, libstun::agent::StartError::PathTaken);
}

/// Two allocations that a redirection brings to one 5-tuple do not delete each other's: the one that comes is asked for
/// from another port.
#[test]
fn a_redirection_onto_a_path_that_is_taken_asks_for_another_port() {
    use libstun::wire::attribute::{AlternateServer, ErrorCode};
    use libstun::{Agent, Datagram, Entropy, Event};
    use support::relay::{grant_all, relay_config, relay_path};
    let mut agent = Agent::new(Entropy::from_seed([7; 32]), Instant::ZERO);
    let first = agent.start_allocation(relay_config(0), Instant::ZERO).unwrap();
    grant_all(&mut agent, Instant::ZERO);
    let second = agent.start_allocation(relay_config(1), Instant::ZERO).unwrap();
    let id = support::id_of(agent.poll_transmit().unwrap().payload);
    let mut buffer = [0; 128];
    let mut builder = MessageBuilder::new(&mut buffer, Class::ErrorResponse, Method::ALLOCATE, id).unwrap();
    builder.add(&ErrorCode { code: 300, reason: b"" }).unwrap();
    builder.add(&AlternateServer(relay_path(0).remote)).unwrap();
    let _ = agent.handle_input(&Datagram::new(relay_path(1), builder.finish()), Instant::ZERO);
    let told: Vec<_> = std::iter::from_fn(|| agent.poll_event()).map(|told| (told.id, told.event)).collect();
    let Some((id, Event::Allocation(AllocationEvent::Reconnect { path }))) = told.last() else {
        panic!("{told:?}")
    };
    assert_eq!((*id, *path), (second, relay_path(0)));
    assert_eq!(agent.poll_transmit(), None, "nothing is asked on a path that is another's");
    let local = SocketAddr::new(path.local.ip(), 5001);
    agent.relay_reconnected(second, FiveTuple { local, ..*path }, 1, Instant::ZERO).unwrap();
    grant_all(&mut agent, Instant::ZERO);
    assert!([first, second].iter().all(|id| agent.allocation(*id).unwrap().is_allocated()));
    // So it is when the host itself names a path that is taken.
    agent.relay_reconnected(second, relay_path(0), 0, Instant::ZERO).unwrap();
    let told: Vec<_> = std::iter::from_fn(|| agent.poll_event()).map(|told| told.event).collect();
    assert!(matches!(told.last(), Some(Event::Allocation(AllocationEvent::Reconnect { .. }))), "{told:?}");
    assert!(agent.allocation(first).unwrap().is_allocated());
}

/// Case 85.
#[test]
fn a_socket_that_cannot_send_is_tried_ever_later() {
    let mut world = World::new(alice(), TurnServerConfig::default());
    world.server.restart();
    world.is_cut = true;
    world.client.reconnected(client_path(), 0, world.now).unwrap();
    let (mut sends, end) = (0, world.now.saturating_add(seconds(3600)));
    while world.now < end {
        while let Some(transmit) = world.client.poll_transmit() {
            sends += 1;
            let receipt = transmit.receipt();
            world.client.handle_send_error(&receipt, SendError::NoRoute, world.now);
        }
        while world.client.poll_event().is_some() {}
        world.now = world.client.poll_timeout().expect("it tries again");
        world.client.handle_timeout(world.now);
    }
    assert!((40..=90).contains(&sends), "{sends} in an hour");
    world.is_cut = false;
    world.pass(seconds(60));
    assert!(world.client.is_allocated());
}

/// Case 86.
#[test]
fn a_client_does_not_send_to_its_own_relay() {
    let mut world = World::allocated(alice(), TurnServerConfig::default());
    let own = world.client.relayed_address().unwrap();
    let refused = PeerRefusal::OwnRelay;
    assert_eq!(world.client.bind_channel(own, world.now), Err(PeerError::Refused(refused)));
    let sent = world.client.send(own, b"x", &mut [0; 64], world.now).map(|_| ());
    assert_eq!(sent.unwrap_err(), SendToPeerError::Refused(refused));
    // Another relay of the same server is a peer like any other: its IP may be permitted.
    world.client.permit(own.ip(), world.now).unwrap();
    world.settle();
    assert!(world.client.is_permitted(own.ip()));
    assert!(
        !world.offer(&client_path(), &data_indication(own, Some(b"loop"))),
        "and nothing comes back from it"
    );
}

/// Case 87.
#[test]
fn a_data_indication_that_is_none_is_dropped_and_counted() {
    let mut world = World::bound(alice(), TurnServerConfig::default());
    let path = client_path();
    assert!(!world.offer(&path, &data_indication(peer(), None)), "neither DATA nor ICMP");
    let other_family: SocketAddr = "[2001:db8::7]:7000".parse().unwrap();
    assert!(!world.offer(&path, &data_indication(other_family, Some(b"x"))));
    let mut cut = data_indication(peer(), Some(b"x"));
    cut.pop();
    assert!(!world.offer(&path, &cut));
    for short in [&b"\x40\x00\x00"[..], b"\x40\x00\x00\x09short", b"\x41\x00\x00\x01x"] {
        assert!(!world.offer(&path, short));
    }
    assert!(world.offer(&path, &data_indication(peer(), Some(b""))), "no bytes are data as well");
    assert!(world.offer(&path, b"\x40\x00\x00\x01x\0\0\0"), "padding over UDP is tolerated (RFC 8656 s12.5)");
    let counters = world.client.counters();
    assert_eq!(counters.dropped(DropReason::MalformedAttribute), 1);
    assert_eq!(counters.dropped(DropReason::UnpermittedPeer), 1);
    assert_eq!(counters.dropped(DropReason::UnknownChannel), 1);
}

/// Case 88: a day without data. `cargo test --test turn_cases a_day -- --nocapture` prints the figures.
#[test]
fn a_day_without_data_keeps_everything_alive_with_few_packets() {
    println!("24 hours idle, one channel, nonces of ten minutes:");
    println!(
        "{:>32} {:>6} {:>9} {:>6} {:>8} {:>12}",
        "", "sent", "received", "wakes", "Refresh", "ChannelBind"
    );
    let day = |name: &str, keepalive: Option<u64>, kind: KeepaliveKind| {
        let config = AllocationConfig { keepalive: keepalive.map(seconds), keepalive_kind: kind, ..alice() };
        let mut world = World::bound(config, TurnServerConfig::default());
        let relayed = world.client.relayed_address();
        (world.sent, world.received, world.wakes) = (0, 0, 0);
        world.server.clear_record();
        for _ in 0..24 {
            world.pass(seconds(3600));
            assert_eq!(world.told(), [], "nothing happens");
            world.assert_talks();
            world.to_client.clear();
        }
        assert_eq!(world.client.relayed_address(), relayed);
        world.assert_lawful();
        let count = |method| world.record().count(method);
        assert_eq!(count(Method::CREATE_PERMISSION), 0, "the channel brings its permission");
        println!(
            "{name:>32} {:>6} {:>9} {:>6} {:>8} {:>12}",
            world.sent,
            world.received - 24,
            world.wakes,
            count(Method::REFRESH),
            count(Method::CHANNEL_BIND)
        );
        (world.sent, world.received)
    };
    let (sent, received) = day("keepalive 25 s, an indication", Some(25), KeepaliveKind::Indication);
    // One datagram each 25 s, of which renewals are some, and one more for each of 144 nonces.
    assert!(sent <= 86_400 / 25 + 200, "{sent}");
    assert!(received <= 900, "{received}");
    let (sent, _) = day("keepalive 25 s, a request", Some(25), KeepaliveKind::Request);
    assert!(sent <= 86_400 / 25 + 200, "{sent}");
    let (sent, _) = day("none", None, KeepaliveKind::Indication);
    assert!(sent <= 86_400 / 300 + 86_400 / 260 + 144 + 30, "{sent}");
}

/// Lesson 10: what is sent anyway keeps the NAT's binding, and one that was sent late enough is not followed by another.
#[test]
fn traffic_takes_the_place_of_keepalives() {
    let mut world = World::bound(alice(), TurnServerConfig::default());
    (world.sent, world.wakes) = (0, 0);
    for _ in 0..360 {
        world.pass(seconds(10));
        world.say(b"data");
    }
    let renewals = world.record().count(Method::REFRESH) + world.record().count(Method::CHANNEL_BIND);
    assert_eq!(world.sent, renewals - 1, "nothing but renewals in an hour; the first bind was before");
    assert!(world.wakes <= world.sent, "{} wake-ups", world.wakes);
    world.pass(seconds(24));
    let before = world.sent;
    world.pass(seconds(2));
    assert_eq!(world.sent, before + 1, "25 s after the last data");
}

/// Lesson 12: ChannelData of an allocation that is gone.
#[test]
fn late_data_of_a_lost_allocation_is_dropped() {
    let mut world = World::bound(alice(), TurnServerConfig::default());
    world.pass(seconds(100));
    world.server.restart();
    world.server.inject(Some(Method::CHANNEL_BIND), Fault::LoseRequest, 100);
    world.pass(seconds(400));
    assert!(world.client.is_allocated() && world.client.channel(peer()).is_none());
    world.client.release_channel(peer(), world.now);
    assert!(!world.offer(&client_path(), b"\x40\x05\x00\x04late"));
    assert!(world.client.counters().dropped(DropReason::UnknownChannel) >= 1);
}

/// Lesson 9: a partitioned relay still holds our allocation.
#[test]
fn after_a_partition_what_is_in_the_way_is_deleted_first() {
    let server = TurnServerConfig { default_lifetime: seconds(3600), ..TurnServerConfig::default() };
    let mut world = World::bound(alice(), server);
    world.is_cut = true;
    world.pass(seconds(2200));
    assert!(
        world.told().iter().any(is_lost),
        "a failed refresh loses the relay at once, not when it expires"
    );
    world.is_cut = false;
    world.pass(seconds(100));
    assert!(world.client.is_allocated());
    assert_eq!(world.server.allocations().len(), 1, "the old one is not left behind");
    assert!(world.record().answered(Method::ALLOCATE, 437) >= 1);
    world.assert_talks();
}

/// Lesson 7.
#[test]
fn rejected_credentials_are_asked_for_and_not_tried_again() {
    let wrong = AllocationConfig::new(client_path(), LongTerm::new("alice", "wrong").unwrap());
    let mut world = World::new(wrong, TurnServerConfig::default());
    world.pass(seconds(7200));
    let needed = AllocationEvent::CredentialsNeeded { reason: CredentialsNeed::Rejected };
    assert_eq!(world.told(), [needed]);
    assert_eq!(world.record().count(Method::ALLOCATE), 2);
    let right = LongTerm::new("alice", "s3cret").unwrap();
    world.client.set_credentials(right.into(), None, world.now);
    world.settle();
    assert!(world.told().iter().any(is_allocated));
}

/// An ICMP error may come from anybody: it makes the client ask, and no more.
#[test]
fn icmp_makes_the_client_ask_and_loses_nothing() {
    let mut world = World::bound(alice(), TurnServerConfig::default());
    world.pass(seconds(40));
    let asked = world.record().count(Method::REFRESH);
    for _ in 0..100 {
        let receipt = Receipt { path: client_path(), transaction_id: None };
        world.client.handle_send_error(&receipt, SendError::Refused, world.now);
    }
    world.settle();
    assert_eq!(world.record().count(Method::REFRESH), asked + 1);
    assert_eq!(world.told(), []);
    world.assert_talks();
    // If nobody answers either, it is believed.
    world.is_cut = true;
    world.pass(seconds(40));
    let receipt = Receipt { path: client_path(), transaction_id: None };
    world.client.handle_send_error(&receipt, SendError::Refused, world.now);
    world.settle();
    world.client.handle_send_error(&receipt, SendError::Refused, world.now);
    let begin = world.now;
    world.pass(seconds(5));
    let (at, event) = world.events[0];
    let reason = FailureReason::SendFailed { error: SendError::Refused };
    assert!(matches!(event, AllocationEvent::Lost { reason: given, .. } if given == reason), "{event}");
    assert!(at.saturating_since(begin) <= Allocation::REJECTION_GRACE);
}

/// A permission that the server gives to one family does not open the other.
#[test]
fn a_peer_of_a_family_that_is_not_relayed_is_refused_before_it_is_asked_for() {
    let mut world = World::allocated(alice(), TurnServerConfig::default());
    let v6: IpAddr = "2001:db8::7".parse().unwrap();
    assert_eq!(world.client.permit(v6, world.now), Err(PeerError::OtherFamily));
    assert_eq!(world.client.bind_channel(SocketAddr::new(v6, 9), world.now), Err(PeerError::OtherFamily));
}
