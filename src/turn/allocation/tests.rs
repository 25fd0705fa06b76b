use std::vec::Vec;

use super::answers::{Answer, Subject, answer_to};
use super::*;
use crate::net::Transport;
use crate::wire::attribute::{
    Attribute, ErrorCode, Lifetime, MobilityTicket, RequestedTransport, XorMappedAddress, XorPeerAddress,
    XorRelayedAddress,
};
use crate::wire::{Class, Message, MessageBuilder, Method};

const RELAYED: &str = "192.0.2.1:49160";
const MAPPED: &str = "203.0.113.9:5000";
const PEER: &str = "198.51.100.9:4000";

fn path() -> FiveTuple {
    FiveTuple::udp("10.0.0.2:5000".parse().unwrap(), "192.0.2.1:3478".parse().unwrap())
}

fn ms(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn start(config: AllocationConfig) -> Allocation {
    Allocation::new(config, Entropy::from_seed([7; 32]), Instant::ZERO).unwrap()
}

fn sent(relay: &mut Allocation) -> Vec<Vec<u8>> {
    core::iter::from_fn(|| relay.poll_transmit().map(|transmit| transmit.payload.to_vec())).collect()
}

fn events(relay: &mut Allocation) -> Vec<AllocationEvent> {
    core::iter::from_fn(|| relay.poll_event()).collect()
}

/// Answers the one request that is sent now, which must be of that method.
fn answer(
    relay: &mut Allocation,
    now: Instant,
    method: Method,
    class: Class,
    fill: impl FnOnce(&mut MessageBuilder<'_>),
) {
    let requests = sent(relay);
    let [request] = &requests[..] else { panic!("{} requests", requests.len()) };
    let request = Message::parse(request).unwrap();
    assert_eq!(request.method(), method);
    let mut buffer = [0; 512];
    let mut builder = MessageBuilder::new(&mut buffer, class, method, request.transaction_id()).unwrap();
    fill(&mut builder);
    let bytes = builder.finish();
    assert_eq!(relay.handle_input(&Datagram::new(path(), bytes), now), Outcome::Consumed);
}

fn add<'a>(builder: &mut MessageBuilder<'_>, attribute: &impl Attribute<'a>) {
    builder.add(attribute).unwrap();
}

fn grant(builder: &mut MessageBuilder<'_>) {
    add(builder, &XorRelayedAddress(RELAYED.parse().unwrap()));
    add(builder, &XorMappedAddress(MAPPED.parse().unwrap()));
    add(builder, &Lifetime(Duration::from_secs(600)));
}

fn allocated(config: AllocationConfig) -> Allocation {
    let mut relay = start(config);
    answer(&mut relay, ms(10), Method::ALLOCATE, Class::SuccessResponse, grant);
    assert!(matches!(events(&mut relay)[..], [AllocationEvent::Allocated { .. }]));
    relay
}

fn refuse(code: u16) -> impl FnOnce(&mut MessageBuilder<'_>) {
    move |builder| add(builder, &ErrorCode { code, reason: b"" })
}

#[test]
fn an_allocation_asks_for_udp_and_says_what_it_got() {
    let mut relay = start(AllocationConfig::open(path()));
    let request = relay.transmits().next().unwrap().payload.to_vec();
    let request = Message::parse(&request).unwrap();
    assert_eq!(request.get(), Ok(Some(RequestedTransport::UDP)));
    answer(&mut relay, ms(10), Method::ALLOCATE, Class::SuccessResponse, grant);
    let expected = AllocationEvent::Allocated {
        relayed: RELAYED.parse().unwrap(),
        additional: None,
        mapped: MAPPED.parse().ok(),
        lifetime: Duration::from_secs(600),
        reservation: None,
        rtt: Some(Duration::from_millis(10)),
    };
    assert_eq!(events(&mut relay), [expected]);
    assert_eq!(relay.expires_at(), Some(ms(600_000)));
}

#[test]
fn every_response_that_grants_nothing_usable_is_deleted_at_the_server_and_fails() {
    type Fill = fn(&mut MessageBuilder<'_>);
    let relayed =
        |builder: &mut MessageBuilder<'_>| add(builder, &XorRelayedAddress(RELAYED.parse().unwrap()));
    let lifetime = |seconds| Lifetime(Duration::from_secs(seconds));
    let cases: [(Fill, FailureReason); 5] = [
        (|builder| add(builder, &Lifetime(Duration::from_secs(600))), FailureReason::NoRelayedAddress),
        (
            |builder| {
                add(builder, &XorRelayedAddress("[2001:db8::1]:5".parse().unwrap()));
                add(builder, &Lifetime(Duration::from_secs(600)));
            },
            FailureReason::WrongFamily,
        ),
        (
            |builder| {
                add(builder, &XorRelayedAddress("0.0.0.0:5".parse().unwrap()));
                add(builder, &Lifetime(Duration::from_secs(600)));
            },
            FailureReason::NoRelayedAddress,
        ),
        (relayed, FailureReason::ImpossibleLifetime),
        (
            |builder| {
                add(builder, &XorRelayedAddress(RELAYED.parse().unwrap()));
                add(builder, &Lifetime(Duration::ZERO));
            },
            FailureReason::ImpossibleLifetime,
        ),
    ];
    for (fill, reason) in cases {
        let mut relay = start(AllocationConfig::open(path()));
        answer(&mut relay, ms(10), Method::ALLOCATE, Class::SuccessResponse, fill);
        let request = relay.transmits().next().unwrap().payload.to_vec();
        assert_eq!(Message::parse(&request).unwrap().get(), Ok(Some(lifetime(0))), "{reason:?}");
        answer(&mut relay, ms(20), Method::REFRESH, Class::SuccessResponse, |_| ());
        let mut told = events(&mut relay);
        // No address may be a passing fault of the server's.
        for _ in 0..4 {
            let [AllocationEvent::Retrying { at, reason: FailureReason::NoRelayedAddress }] = told[..] else {
                break;
            };
            relay.handle_timeout(at);
            answer(&mut relay, at, Method::ALLOCATE, Class::SuccessResponse, fill);
            answer(&mut relay, at, Method::REFRESH, Class::SuccessResponse, |_| ());
            told = events(&mut relay);
        }
        assert_eq!(told, [AllocationEvent::Failed { reason }]);
        assert!(relay.is_ended());
    }
}

#[test]
fn a_lifetime_of_a_century_is_refreshed_within_the_hour() {
    let mut relay = start(AllocationConfig::open(path()));
    answer(&mut relay, ms(10), Method::ALLOCATE, Class::SuccessResponse, |builder| {
        add(builder, &XorRelayedAddress(RELAYED.parse().unwrap()));
        add(builder, &Lifetime(Duration::from_secs(u32::MAX.into())));
    });
    assert_eq!(relay.expires_at(), Some(ms(3_600_000)));
}

#[test]
fn data_goes_through_indications_until_the_channel_is_bound() {
    let peer: SocketAddr = PEER.parse().unwrap();
    let mut relay = allocated(AllocationConfig::open(path()));
    let mut buffer = [0xAA; 64];
    let error = relay.send(peer, b"hello", &mut buffer, ms(11)).unwrap_err();
    assert_eq!((error, buffer), (SendToPeerError::NotPermitted, [0xAA; 64]));
    relay.permit(peer.ip(), ms(11)).unwrap();
    answer(&mut relay, ms(20), Method::CREATE_PERMISSION, Class::SuccessResponse, |_| ());
    assert_eq!(events(&mut relay), [AllocationEvent::Permitted { peer: peer.ip() }]);
    let transmit = relay.send(peer, b"hello", &mut buffer, ms(20)).unwrap();
    let indication = Message::parse(transmit.payload).unwrap();
    assert_eq!((indication.method(), indication.class()), (Method::SEND, Class::Indication));
    assert_eq!(indication.get(), Ok(Some(XorPeerAddress(peer))));
    relay.bind_channel(peer, ms(21)).unwrap();
    answer(&mut relay, ms(30), Method::CHANNEL_BIND, Class::SuccessResponse, |_| ());
    let number = ChannelNumber::MIN;
    assert_eq!(events(&mut relay), [AllocationEvent::ChannelBound { peer, number }]);
    let transmit = relay.send(peer, b"hello", &mut buffer, ms(30)).unwrap();
    assert_eq!(transmit.payload, b"\x40\x00\x00\x05hello");
    let inbound = *b"\x40\x00\x00\x05world";
    let Outcome::Unwrapped(data) = relay.handle_input(&Datagram::new(path(), &inbound), ms(31)) else {
        panic!("not unwrapped")
    };
    let virtual_path = FiveTuple::udp(RELAYED.parse().unwrap(), peer);
    assert_eq!((data.payload, data.path), (&b"world"[..], virtual_path));
    assert!(core::ptr::eq(data.payload, &inbound[4..]), "a slice of the caller's own buffer");
}

#[test]
fn a_refused_peer_is_told_and_nothing_else_changes() {
    let peer: SocketAddr = PEER.parse().unwrap();
    let mut relay = allocated(AllocationConfig::open(path()));
    relay.bind_channel(peer, ms(11)).unwrap();
    answer(&mut relay, ms(20), Method::CHANNEL_BIND, Class::ErrorResponse, refuse(403));
    assert_eq!(events(&mut relay), [AllocationEvent::PeerRefused { peer, code: 403 }]);
    assert!(relay.is_allocated());
    assert_eq!(sent(&mut relay).len(), 0);
}

#[test]
fn of_several_permissions_that_are_refused_each_is_asked_for_alone() {
    let mut relay = allocated(AllocationConfig::open(path()));
    let peers: [IpAddr; 3] = [1, 2, 3].map(|last| IpAddr::from([198, 51, 100, last]));
    // The first takes the first request; the others wait for nothing and go each in their own.
    for peer in peers {
        relay.permit(peer, ms(11)).unwrap();
    }
    let mut now = 20;
    let mut refused = Vec::new();
    let mut permitted = Vec::new();
    for _ in 0..20 {
        let requests = sent(&mut relay);
        for request in requests {
            let request = Message::parse(&request).unwrap();
            let named: Vec<IpAddr> =
                request.get_all::<XorPeerAddress>().map(|peer| peer.unwrap().0.ip()).collect();
            let is_bad = named.contains(&peers[1]);
            let class = if is_bad { Class::ErrorResponse } else { Class::SuccessResponse };
            let mut buffer = [0; 128];
            let mut builder =
                MessageBuilder::new(&mut buffer, class, request.method(), request.transaction_id()).unwrap();
            if is_bad {
                refuse(403)(&mut builder);
            }
            now += 1;
            let _ = relay.handle_input(&Datagram::new(path(), builder.finish()), ms(now));
        }
        for event in events(&mut relay) {
            match event {
                AllocationEvent::PeerRefused { peer, code: 403 } => refused.push(peer.ip()),
                AllocationEvent::Permitted { peer } => permitted.push(peer),
                other => panic!("{other:?}"),
            }
        }
    }
    permitted.sort();
    assert_eq!((refused, permitted), (std::vec![peers[1]], std::vec![peers[0], peers[2]]));
}

#[test]
fn a_relay_that_is_gone_is_told_at_once_and_asked_for_anew() {
    let mut relay = allocated(AllocationConfig::open(path()));
    let (due, _) = relay.deadline().unwrap();
    relay.handle_timeout(due);
    let mut now = due;
    while relay.keepalive.queued(&relay.config).is_some() {
        sent(&mut relay);
        now = relay.poll_timeout().unwrap();
        relay.handle_timeout(now);
    }
    answer(&mut relay, now, Method::REFRESH, Class::ErrorResponse, refuse(437));
    let (relayed, reason) = (RELAYED.parse().unwrap(), FailureReason::ErrorResponse { code: 437 });
    assert_eq!(events(&mut relay), [AllocationEvent::Lost { relayed, reason }]);
    answer(&mut relay, now, Method::ALLOCATE, Class::SuccessResponse, grant);
    assert!(relay.is_allocated());
}

#[test]
fn an_allocation_in_the_way_is_deleted_then_other_ports_are_tried() {
    let mut relay = start(AllocationConfig::open(path()));
    answer(&mut relay, ms(10), Method::ALLOCATE, Class::ErrorResponse, refuse(437));
    answer(&mut relay, ms(20), Method::REFRESH, Class::ErrorResponse, refuse(437));
    for port in 1..=3 {
        answer(&mut relay, ms(20), Method::ALLOCATE, Class::ErrorResponse, refuse(437));
        assert_eq!(events(&mut relay), [AllocationEvent::Reconnect { path: path() }], "{port}");
        relay.reconnected(path(), 0, ms(20)).unwrap();
    }
    answer(&mut relay, ms(20), Method::ALLOCATE, Class::ErrorResponse, refuse(437));
    let [AllocationEvent::Retrying { at, .. }] = events(&mut relay)[..] else { panic!() };
    assert!(at >= ms(120_020), "two minutes");
}

/// coturn 4.6 says that it has deleted an allocation, and answers 437 for a second more.
#[test]
fn a_server_that_is_slow_to_forget_what_it_has_deleted_is_asked_again_on_the_same_port() {
    let mut relay = start(AllocationConfig::open(path()));
    answer(&mut relay, ms(10), Method::ALLOCATE, Class::ErrorResponse, refuse(437));
    answer(&mut relay, ms(20), Method::REFRESH, Class::SuccessResponse, |_| {});
    answer(&mut relay, ms(30), Method::ALLOCATE, Class::ErrorResponse, refuse(437));
    let [AllocationEvent::Retrying { at, .. }] = events(&mut relay)[..] else { panic!() };
    assert_eq!(at, ms(1030));
    relay.handle_timeout(at);
    answer(&mut relay, at, Method::ALLOCATE, Class::ErrorResponse, refuse(437));
    assert_eq!(events(&mut relay), [AllocationEvent::Reconnect { path: path() }], "it is not ours after all");
}

/// coturn 4.6 answers the Refresh of a move over TCP with eight bytes that are no message.
#[test]
fn a_connection_that_ends_while_the_relay_moves_over_it_loses_the_relay() {
    let mut config = AllocationConfig::open(path());
    config.path.transport = Transport::Tcp;
    let path = config.path;
    let mut relay = start(config);
    let request = relay.poll_transmit().unwrap().payload.to_vec();
    let id = Message::parse(&request).unwrap().transaction_id();
    let mut buffer = [0; 512];
    let mut builder = MessageBuilder::new(&mut buffer, Class::SuccessResponse, Method::ALLOCATE, id).unwrap();
    grant(&mut builder);
    add(&mut builder, &MobilityTicket(b"ticket"));
    let _ = relay.handle_input(&Datagram::new(path, builder.finish()), ms(10));
    assert!(matches!(events(&mut relay)[..], [AllocationEvent::Allocated { .. }]));

    let closed = Receipt { path, transaction_id: None };
    relay.handle_send_error(&closed, SendError::SocketClosed, ms(20));
    assert_eq!(events(&mut relay), [AllocationEvent::Reconnect { path }]);
    relay.reconnected(path, 1, ms(30)).unwrap();
    assert_eq!(sent(&mut relay).len(), 1);
    relay.handle_send_error(&closed, SendError::SocketClosed, ms(40));
    let happened = events(&mut relay);
    let [AllocationEvent::Lost { .. }, AllocationEvent::Retrying { .. }] = happened[..] else {
        panic!("{happened:?}")
    };
}

#[test]
fn the_table_answers_every_code_for_every_subject() {
    let subjects =
        [Subject::Allocation, Subject::Refresh, Subject::Deletion, Subject::Peer, Subject::Connection];
    for subject in subjects {
        for code in 300..700 {
            let answer = answer_to(subject, code);
            let may_retry = matches!(code, 486 | 508 | 500..=599);
            assert!(may_retry || !matches!(answer, Answer::Retry(_)), "{subject:?} {code}: {answer:?}");
        }
    }
    let minute = Answer::Retry(Duration::from_secs(60));
    assert_eq!(answer_to(Subject::Allocation, 486), minute);
    assert_eq!(answer_to(Subject::Peer, 508), minute);
    assert_eq!(answer_to(Subject::Refresh, 437), Answer::Gone);
    assert_eq!(answer_to(Subject::Allocation, 300), Answer::Alternate);
    assert_eq!(answer_to(Subject::Peer, 443), Answer::Refuse);
}
