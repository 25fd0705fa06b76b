use std::vec::Vec;

use super::*;
use crate::turn::{
    AllocationConfig, AllocationEvent, ConfigError, KeepaliveKind, PeerError, RelayFamily, RelayTransport,
    SendToPeerError,
};
use crate::wire::attribute::{ErrorCode, Lifetime, XorRelayedAddress};
use crate::wire::{Class, Message, MessageBuilder, Method};

const PEER: &str = "198.51.100.9:4000";
const PEER6: &str = "[2001:db8:77::9]:4000";

fn ms(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn relay(host: u8) -> AllocationConfig {
    let server = SocketAddr::from(([192, 0, 2, host], 3478));
    AllocationConfig::open(FiveTuple::udp("10.0.0.2:5000".parse().unwrap(), server))
}

fn relayed(index: usize, is_ipv6: bool) -> SocketAddr {
    let port = 49_160_u16.saturating_add(index as u16);
    if is_ipv6 { ([0x2001, 0xDB8, 0, 0, 0, 0, 0, 1], port).into() } else { ([203, 0, 113, 1], port).into() }
}

fn start(config: PoolConfig) -> RelayPool {
    RelayPool::new(config, Entropy::from_seed([7; 32]), Instant::ZERO).unwrap()
}

fn pool(count: u8) -> RelayPool {
    start(PoolConfig::new((1..=count).map(relay).collect()))
}

fn events(pool: &mut RelayPool) -> Vec<PoolEvent> {
    core::iter::from_fn(|| pool.poll_event()).collect()
}

/// The requests that are sent now: to which relay's server, what, and under which id.
fn sent(pool: &mut RelayPool) -> Vec<(usize, Method, TransactionId)> {
    core::iter::from_fn(|| {
        let transmit = pool.poll_transmit()?;
        let SocketAddr::V4(server) = transmit.path.remote else { panic!() };
        let message = Message::parse(transmit.payload).unwrap();
        Some((
            usize::from(server.ip().octets()[3]).saturating_sub(1),
            message.method(),
            message.transaction_id(),
        ))
    })
    .collect()
}

fn reply(
    pool: &mut RelayPool,
    (index, method, id): (usize, Method, TransactionId),
    class: Class,
    now: Instant,
    fill: impl FnOnce(&mut MessageBuilder<'_>),
) {
    let mut buffer = [0; 256];
    let mut builder = MessageBuilder::new(&mut buffer, class, method, id).unwrap();
    fill(&mut builder);
    let path = relay((index as u8).saturating_add(1)).path;
    let bytes = builder.finish();
    assert_eq!(pool.handle_input(&Datagram::new(path, bytes), now), Outcome::Consumed);
}

fn grant(pool: &mut RelayPool, asked: (usize, Method, TransactionId), is_ipv6: bool, now: Instant) {
    reply(pool, asked, Class::SuccessResponse, now, |builder| {
        if asked.1 == Method::ALLOCATE {
            builder.add(&XorRelayedAddress(relayed(asked.0, is_ipv6))).unwrap();
        }
        builder.add(&Lifetime(Duration::from_secs(600))).unwrap();
    });
}

fn refuse(pool: &mut RelayPool, asked: (usize, Method, TransactionId), code: u16, now: Instant) {
    reply(pool, asked, Class::ErrorResponse, now, |builder| {
        builder.add(&ErrorCode { code, reason: b"" }).unwrap();
    });
}

/// Grants whatever is asked, at the given time.
fn grant_all(pool: &mut RelayPool, now: Instant) {
    for asked in sent(pool) {
        grant(pool, asked, false, now);
    }
}

#[test]
fn contradictions_are_named_with_their_place() {
    let check = |config: PoolConfig| config.check().unwrap_err();
    let but = |change: &dyn Fn(&mut PoolConfig)| {
        let mut config = PoolConfig::new([1, 2, 3].map(relay).to_vec());
        assert_eq!(config.check(), Ok(()));
        change(&mut config);
        config.check().unwrap_err()
    };
    assert_eq!(check(PoolConfig::new(Vec::new())), PoolConfigError::NoRelays);
    assert_eq!(check(PoolConfig::new((1..=17).map(relay).collect())), PoolConfigError::TooManyRelays);
    assert_eq!(but(&|config| config.ready = 0), PoolConfigError::NoneReady);
    let short = Duration::from_millis(999);
    assert_eq!(but(&|config| config.patience = Some(short)), PoolConfigError::PatienceTooShort);
    let hasty = Switching { hold: short, ..Switching::default() };
    assert_eq!(but(&|config| config.switching = Some(hasty)), PoolConfigError::HoldTooShort);
    let same = PoolConfigError::SamePath { first: 0, second: 2 };
    assert_eq!(but(&|config| config.relays[2].path = config.relays[0].path), same);
    let error = ConfigError::Lifetime;
    let inner = PoolConfigError::Relay { index: 1, error };
    assert_eq!(but(&|config| config.relays[1].lifetime = Some(Duration::ZERO)), inner);
    let connections = PoolConfigError::Connections { index: 1 };
    let to_tcp = |config: &mut PoolConfig| {
        config.relays[1].path.transport = crate::net::Transport::Tcp;
        config.relays[1].transport = RelayTransport::Tcp;
    };
    assert_eq!(but(&to_tcp), connections);
}

#[test]
fn keepalives_of_a_pool_are_requests_unless_its_host_says_otherwise() {
    let config = PoolConfig::new([1, 2].map(relay).to_vec());
    assert!(config.relays.iter().all(|relay| relay.keepalive_kind == KeepaliveKind::Request));
}

#[test]
fn the_first_that_is_ready_is_selected_at_once_and_says_so_after_it_is_ready() {
    let mut pool = pool(3);
    let asked = sent(&mut pool);
    assert_eq!(asked.iter().map(|(index, ..)| *index).collect::<Vec<_>>(), [0, 1, 2]);
    grant(&mut pool, asked[1], false, ms(30));
    let (at, rtt) = (relayed(1, false), Some(Duration::from_millis(30)));
    let ready = PoolEvent::Ready { relay: 1, relayed: at, additional: None, mapped: None, rtt };
    let selected = PoolEvent::Selected { relay: 1, relayed: at, additional: None };
    assert_eq!(events(&mut pool), [ready, selected]);
    assert_eq!((pool.selected(), pool.relayed_address()), (Some(1), Some(at)));
}

#[test]
fn peers_are_asked_for_at_the_selected_relay_alone_unless_standbys_are_warm() {
    for warm_standby in [false, true] {
        let relays = [1, 2].map(relay).to_vec();
        let mut pool = start(PoolConfig { warm_standby, ..PoolConfig::new(relays) });
        pool.bind_channel(PEER.parse().unwrap(), ms(1)).unwrap();
        grant_all(&mut pool, ms(10));
        let asked: Vec<_> = sent(&mut pool).iter().map(|(index, method, _)| (*index, *method)).collect();
        let expected = [(0, Method::CHANNEL_BIND), (1, Method::CHANNEL_BIND)];
        assert_eq!(asked, expected[..if warm_standby { 2 } else { 1 }]);
    }
}

#[test]
fn a_lost_relay_is_replaced_at_once_and_every_peer_is_asked_for_anew() {
    let (peer, other): (SocketAddr, IpAddr) = (PEER.parse().unwrap(), "198.51.100.10".parse().unwrap());
    let mut pool = pool(2);
    pool.bind_channel(peer, ms(1)).unwrap();
    pool.permit(other, ms(1)).unwrap();
    grant_all(&mut pool, ms(10));
    let asked = sent(&mut pool);
    events(&mut pool);
    refuse(&mut pool, asked[0], 437, ms(20)); // ChannelBind: the server knows the allocation no more
    let reason = FailureReason::ErrorResponse { code: 437 };
    let [lost, setback, migrated] = events(&mut pool)[..] else { panic!() };
    let relayed_before = relayed(0, false);
    let was_selected = true;
    assert_eq!(lost, PoolEvent::Lost { relay: 0, relayed: relayed_before, reason, was_selected });
    assert!(matches!(setback, PoolEvent::Relay { relay: 0, event: AllocationEvent::Retrying { .. } }));
    let (at, reason) = (relayed(1, false), MigrationReason::Lost { reason });
    assert_eq!(migrated, PoolEvent::Migrated { from: 0, to: 1, relayed: at, additional: None, reason });
    let asked: Vec<_> = sent(&mut pool).iter().map(|(index, method, _)| (*index, *method)).collect();
    assert_eq!(asked, [(1, Method::CHANNEL_BIND), (1, Method::CREATE_PERMISSION)]);
}

#[test]
fn while_there_is_no_relay_nothing_is_sent_and_the_first_that_comes_back_is_a_migration() {
    let peer = PEER.parse().unwrap();
    let mut pool = pool(1);
    pool.bind_channel(peer, ms(1)).unwrap();
    assert_eq!(pool.send(peer, b"x", &mut [0; 64], ms(2)), Err(SendToPeerError::NotAllocated));
    grant_all(&mut pool, ms(10));
    let asked = sent(&mut pool);
    refuse(&mut pool, asked[0], 437, ms(20));
    assert_eq!((pool.selected(), pool.relayed_address()), (None, None));
    assert_eq!(pool.send(peer, b"x", &mut [0; 64], ms(21)), Err(SendToPeerError::NotAllocated));
    let at = pool.poll_timeout().unwrap();
    pool.handle_timeout(at);
    events(&mut pool);
    let at = pool.poll_timeout().unwrap();
    pool.handle_timeout(at);
    grant_all(&mut pool, at);
    let last = events(&mut pool).pop().unwrap();
    assert!(matches!(last, PoolEvent::Migrated { from: 0, to: 0, .. }), "{last:?}");
    assert_eq!(sent(&mut pool)[0].1, Method::CHANNEL_BIND);
}

#[test]
fn a_peer_of_the_other_family_selects_the_relay_that_reaches_it() {
    let mut relays = [1, 2].map(relay).to_vec();
    relays[1].family = RelayFamily::V6;
    let mut pool = start(PoolConfig::new(relays));
    let asked = sent(&mut pool);
    grant(&mut pool, asked[0], false, ms(10));
    grant(&mut pool, asked[1], true, ms(90));
    assert_eq!(pool.selected(), Some(0));
    pool.bind_channel(PEER6.parse().unwrap(), ms(100)).unwrap();
    assert_eq!(pool.selected(), Some(1));
    let last = events(&mut pool).pop().unwrap();
    assert!(matches!(last, PoolEvent::Migrated { reason: MigrationReason::Family, .. }), "{last:?}");
    assert_eq!(sent(&mut pool)[0].1, Method::CHANNEL_BIND);
    // One of each family: either relay reaches one, and nothing changes.
    pool.permit("198.51.100.9".parse().unwrap(), ms(110)).unwrap();
    assert_eq!((pool.selected(), events(&mut pool)), (Some(1), Vec::new()));
}

#[test]
fn a_peer_that_no_relay_could_serve_is_refused() {
    let mut pool = pool(2);
    let peer = PEER6.parse().unwrap();
    assert_eq!(pool.bind_channel(peer, ms(1)), Err(PeerError::OtherFamily));
    assert!(matches!(pool.permit("127.0.0.1".parse().unwrap(), ms(1)), Err(PeerError::Refused(_))));
    assert!(pool.wishes.is_empty());
    pool.close(ms(2));
    assert_eq!(pool.permit(peer.ip(), ms(3)), Err(PeerError::Ended));
}

#[test]
fn a_peer_that_is_wanted_no_longer_is_asked_for_nowhere() {
    let peer: SocketAddr = PEER.parse().unwrap();
    let mut pool = pool(2);
    pool.bind_channel(peer, ms(1)).unwrap();
    pool.permit(peer.ip(), ms(1)).unwrap();
    assert!(pool.release_channel(peer, ms(2)) && pool.revoke(peer.ip(), ms(2)));
    assert!(!pool.release_channel(peer, ms(3)) && !pool.revoke(peer.ip(), ms(3)));
    grant_all(&mut pool, ms(10));
    assert_eq!(sent(&mut pool), []);
}

#[test]
fn a_spare_is_asked_as_soon_as_one_is_refused_and_each_but_once() {
    let mut pool = start(PoolConfig { ready: 1, ..PoolConfig::new([1, 2, 3].map(relay).to_vec()) });
    for index in 0..3 {
        let [asked] = sent(&mut pool)[..] else { panic!() };
        assert_eq!((asked.0, asked.1), (index, Method::ALLOCATE));
        refuse(&mut pool, asked, 403, ms(10));
    }
    let reason = FailureReason::ErrorResponse { code: 403 };
    assert_eq!(events(&mut pool).pop(), Some(PoolEvent::Failed { reason }));
    assert_eq!((pool.is_ended(), pool.poll_timeout(), sent(&mut pool)), (true, None, Vec::new()));
}

#[test]
fn a_spare_follows_its_host_to_another_network() {
    let mut pool = start(PoolConfig { ready: 1, ..PoolConfig::new([1, 2].map(relay).to_vec()) });
    pool.network_changed(&["10.0.0.77".parse().unwrap()], ms(1));
    let restarted = events(&mut pool)
        .into_iter()
        .filter(|event| matches!(event, PoolEvent::Relay { event: AllocationEvent::Restarted { .. }, .. }));
    assert_eq!(restarted.count(), 2);
    assert!(pool.relay_paths().all(|path| path.local == "10.0.0.77:5000".parse().unwrap()));
    assert!(pool.relay(1).is_none());
}

#[test]
fn commands_about_one_relay_name_what_is_wrong() {
    let mut pool = start(PoolConfig { ready: 1, ..PoolConfig::new([1, 2].map(relay).to_vec()) });
    let other = FiveTuple { local: "10.0.0.2:6000".parse().unwrap(), ..relay(2).path };
    assert_eq!(pool.reconnected(9, other, 0, ms(1)), Err(MemberError::UnknownRelay));
    assert_eq!(pool.reconnected(0, relay(2).path, 0, ms(1)), Err(MemberError::SamePath));
    let broken = FiveTuple::udp("[::]:1".parse().unwrap(), other.remote);
    let error = ConfigError::MixedFamilies;
    assert_eq!(pool.reconnected(0, broken, 0, ms(1)), Err(MemberError::Path(error)));
    assert_eq!(pool.reconnected(1, other, 3, ms(1)), Ok(()), "a spare goes there when it is asked");
    assert_eq!(pool.relay_paths().nth(1), Some(other));
    let asked = sent(&mut pool);
    refuse(&mut pool, asked[0], 403, ms(2));
    assert_eq!(pool.answer_redirect(0, true, ms(3)), Err(MemberError::UnknownRelay), "it has failed");
    let transmit = pool.poll_transmit().unwrap();
    assert_eq!((transmit.path, transmit.socket_id), (other, 3));
}

#[test]
fn grants_go_round_the_relays() {
    let config = PoolConfig::new([1, 2, 3].map(relay).to_vec());
    let entropy = Entropy::from_seed([7; 32]);
    let mut pool = RelayPool::start_gated(config, entropy, |_| None, None, Instant::ZERO).unwrap();
    assert_eq!(sent(&mut pool), []);
    let server = |host: u8| Some(relay(host).path.remote);
    assert_eq!(pool.wish(), server(1));
    pool.grant(ms(1));
    assert_eq!(pool.wish(), server(2));
    pool.grant(ms(1));
    assert_eq!(pool.wish(), server(3));
    assert_eq!(sent(&mut pool).len(), 2);
    pool.grant(ms(1));
    assert_eq!(pool.wish(), None);
    assert_eq!(sent(&mut pool).len(), 1);
}

#[test]
fn a_busy_server_does_not_keep_the_other_relays_waiting_for_long() {
    let config = PoolConfig::new([1, 2].map(relay).to_vec());
    let entropy = Entropy::from_seed([7; 32]);
    let mut pool = RelayPool::start_gated(config, entropy, |_| None, None, Instant::ZERO).unwrap();
    pool.grant(ms(1));
    let [asked] = sent(&mut pool)[..] else { panic!() };
    // The second one waits for a place at its server. The first one is to ask again after a while.
    refuse(&mut pool, asked, 500, ms(2));
    let mut wishes = Vec::new();
    for _ in 0..4 {
        let Some(at) = pool.poll_timeout() else { break };
        pool.handle_timeout(at);
        events(&mut pool);
        wishes.extend(pool.wish());
    }
    assert!(wishes.contains(&relay(1).path.remote), "{wishes:?}");
}

#[test]
fn events_that_nobody_polls_are_counted() {
    let peer: SocketAddr = PEER.parse().unwrap();
    let mut pool = pool(1);
    grant_all(&mut pool, ms(1));
    for round in 0..RelayPool::MAX_EVENTS as u64 {
        pool.bind_channel(peer, ms(10 + round)).unwrap();
        for asked in sent(&mut pool) {
            refuse(&mut pool, asked, 403, ms(10 + round));
        }
    }
    assert_eq!(pool.dropped_events(), 2, "one for each before");
    assert_eq!(events(&mut pool).len(), RelayPool::MAX_EVENTS);
}

#[test]
fn peers_are_bounded() {
    let mut pool = pool(1);
    for number in 0..RelayPool::MAX_PEERS as u32 {
        pool.permit(IpAddr::from((0x0A01_0000 + number).to_be_bytes()), ms(1)).unwrap();
    }
    assert_eq!(pool.permit("198.51.100.1".parse().unwrap(), ms(1)), Err(PeerError::Full));
    assert!(pool.revoke("10.1.0.0".parse().unwrap(), ms(1)));
    assert_eq!(pool.permit("198.51.100.1".parse().unwrap(), ms(1)), Ok(()));
}

#[test]
fn a_connection_that_is_gone_migrates_and_is_asked_of_the_host() {
    let mut relays = [1, 2].map(relay).to_vec();
    relays[0].path.transport = crate::net::Transport::Tcp;
    let path = relays[0].path;
    let mut pool = start(PoolConfig::new(relays));
    for (index, method, id) in sent(&mut pool) {
        let mut buffer = [0; 256];
        let mut builder = MessageBuilder::new(&mut buffer, Class::SuccessResponse, method, id).unwrap();
        builder.add(&XorRelayedAddress(relayed(index, false))).unwrap();
        builder.add(&Lifetime(Duration::from_secs(600))).unwrap();
        let arrived = if index == 0 { path } else { relay(2).path };
        let now = ms(10 + 80 * index as u64);
        let bytes = builder.finish();
        assert_eq!(pool.handle_input(&Datagram::new(arrived, bytes), now), Outcome::Consumed);
    }
    events(&mut pool);
    let failed = Receipt { path, transaction_id: None };
    pool.handle_send_error(&failed, SendError::SocketClosed, ms(200));
    let told = events(&mut pool);
    assert!(told.iter().any(|event| matches!(event, PoolEvent::Migrated { from: 0, to: 1, .. })), "{told:?}");
    for _ in 0..4 {
        let at = pool.poll_timeout().unwrap();
        pool.handle_timeout(at);
        if events(&mut pool)
            .contains(&PoolEvent::Relay { relay: 0, event: AllocationEvent::Reconnect { path } })
        {
            let at = FiveTuple { local: "10.0.0.2:6000".parse().unwrap(), ..path };
            assert_eq!(pool.reconnected(0, at, 7, ms(100_000)), Ok(()));
            assert!(pool.transmits().any(|transmit| (transmit.path, transmit.socket_id) == (at, 7)));
            return;
        }
    }
    panic!("nobody has asked for a connection");
}
