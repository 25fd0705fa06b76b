use alloc::vec::Vec;

use super::*;
use crate::auth::ShortTerm;
use crate::wire::attribute::{ErrorCode, XorMappedAddress};
use crate::wire::{IntegrityAlgorithm, Key, MessageBuilder};

const ID: TransactionId = TransactionId::new([5; 12]);
const PASSWORD: &[u8] = b"secretpassword";

fn path() -> FiveTuple {
    FiveTuple::udp("192.0.2.1:3478".parse().unwrap(), "203.0.113.9:4242".parse().unwrap())
}

fn server(config: ServerConfig) -> Server {
    Server::new(config, Entropy::from_seed([7; 32]), Instant::ZERO)
}

fn plain() -> Server {
    server(ServerConfig::default())
}

fn guarded() -> Server {
    let credentials = ShortTerm::new(b"alice", PASSWORD).ok().map(Into::into);
    server(ServerConfig { credentials, ..ServerConfig::default() })
}

fn message(class: Class, method: Method, fill: impl FnOnce(&mut MessageBuilder<'_>)) -> Vec<u8> {
    let mut buffer = [0; 4096];
    let mut builder = MessageBuilder::new(&mut buffer, class, method, ID).unwrap();
    fill(&mut builder);
    builder.finish().to_vec()
}

fn request(fill: impl FnOnce(&mut MessageBuilder<'_>)) -> Vec<u8> {
    message(Class::Request, Method::BINDING, fill)
}

fn signed_request(user: &[u8], password: &[u8], also_sha256: bool) -> Vec<u8> {
    request(|builder| {
        builder.add(&crate::wire::attribute::Username(user)).unwrap();
        builder.sign(&Key::short_term(password)).unwrap();
        if also_sha256 {
            builder.sign_sha256(&Key::short_term(password)).unwrap();
        }
    })
}

/// The reply to one datagram, if there is one.
fn ask_from(server: &mut Server, path: FiveTuple, bytes: &[u8]) -> Option<Vec<u8>> {
    let _ = server.handle_input(&Datagram::new(path, bytes), Instant::ZERO);
    let reply = server.poll_transmit().map(|transmit| {
        assert_eq!(transmit.path, path);
        transmit.payload.to_vec()
    });
    assert!(server.poll_transmit().is_none());
    reply
}

fn ask(server: &mut Server, bytes: &[u8]) -> Option<Vec<u8>> {
    ask_from(server, path(), bytes)
}

fn code(reply: &[u8]) -> u16 {
    Message::parse(reply).unwrap().get::<ErrorCode<'_>>().unwrap().map_or(200, |error| error.code)
}

#[test]
fn a_success_names_the_source_and_nothing_else() {
    let reply = ask(&mut plain(), &request(|_| ())).unwrap();
    let message = Message::parse(&reply).unwrap();
    assert_eq!((message.class(), message.transaction_id()), (Class::SuccessResponse, ID));
    assert_eq!(message.get::<XorMappedAddress>().unwrap().unwrap().0, path().remote);
    assert_eq!((reply.len(), message.attributes().count()), (32, 1));
}

#[test]
fn the_length_of_a_success_is_as_promised() {
    let v6 = FiveTuple::udp("[2001:db8::1]:3478".parse().unwrap(), "[2001:db8::2]:4242".parse().unwrap());
    let sealed = request(|builder| builder.add_fingerprint().unwrap());
    assert_eq!(ask(&mut plain(), &sealed).unwrap().len(), 40);
    assert_eq!(ask_from(&mut plain(), v6, &request(|_| ())).unwrap().len(), 44);
    assert_eq!(ask_from(&mut plain(), v6, &sealed).unwrap().len(), 52);
}

#[test]
fn an_ipv4_source_in_an_ipv6_socket_is_told_as_what_it_is() {
    let mapped = FiveTuple::udp("[::]:3478".parse().unwrap(), "[::ffff:203.0.113.9]:4242".parse().unwrap());
    let reply = ask_from(&mut plain(), mapped, &request(|_| ())).unwrap();
    let address = Message::parse(&reply).unwrap().get::<XorMappedAddress>().unwrap().unwrap().0;
    assert_eq!(address, path().remote);
}

#[test]
fn unknown_required_attributes_are_listed_up_to_the_limit_and_the_reply_fits() {
    let strange = |count: u16| {
        request(|builder| {
            (0..count).for_each(|number| builder.add_raw(AttributeType::new(0x4000 + number), b"").unwrap());
        })
    };
    let reply = ask(&mut plain(), &strange(2)).unwrap();
    let message = Message::parse(&reply).unwrap();
    assert_eq!(code(&reply), 420);
    assert_eq!(message.find(AttributeType::UNKNOWN_ATTRIBUTES).unwrap().value, [0x40, 0, 0x40, 1]);
    let flood = ask(&mut plain(), &strange(200)).unwrap();
    let listed = Message::parse(&flood).unwrap().find(AttributeType::UNKNOWN_ATTRIBUTES).unwrap().value.len();
    assert_eq!((code(&flood), listed), (420, 2 * Server::MAX_LISTED_ATTRIBUTES));
}

#[test]
fn the_longest_replies_fit_exactly() {
    let bytes = request(|builder| {
        builder.add(&crate::wire::attribute::Username(b"alice")).unwrap();
        (0..9).for_each(|number| builder.add_raw(AttributeType::new(0x4000 + number), b"").unwrap());
        builder.sign_sha256(&Key::short_term(PASSWORD)).unwrap();
        builder.add_fingerprint().unwrap();
    });
    let reply = ask(&mut guarded(), &bytes).unwrap();
    assert_eq!((code(&reply), reply.len()), (420, 112));
    let realm = Realm::new(&[b'r'; Realm::MAX_NAME]).unwrap();
    let config = ServerConfig { credentials: Some(realm.into()), budget: None, ..ServerConfig::default() };
    let reply = ask(&mut server(config), &request(|builder| builder.add_fingerprint().unwrap())).unwrap();
    assert_eq!((code(&reply), reply.len()), (401, Server::MAX_REPLY));
}

#[test]
fn who_is_not_signed_gets_400_and_who_is_not_known_401() {
    let mut server = guarded();
    assert_eq!(code(&ask(&mut server, &request(|_| ())).unwrap()), 400);
    let unnamed = request(|builder| builder.sign(&Key::short_term(PASSWORD)).unwrap());
    assert_eq!(code(&ask(&mut server, &unnamed).unwrap()), 400);
    for (user, password) in [(b"alice" as &[u8], b"wrong" as &[u8]), (b"mallory", PASSWORD)] {
        let reply = ask(&mut server, &signed_request(user, password, true)).unwrap();
        let message = Message::parse(&reply).unwrap();
        assert_eq!(code(&reply), 401);
        assert!(
            !message.has_integrity(IntegrityAlgorithm::Sha1)
                && !message.has_integrity(IntegrityAlgorithm::Sha256)
        );
    }
}

#[test]
fn the_reply_is_signed_with_the_strongest_algorithm_of_the_request_alone() {
    for (also_sha256, used, unused) in [
        (false, IntegrityAlgorithm::Sha1, IntegrityAlgorithm::Sha256),
        (true, IntegrityAlgorithm::Sha256, IntegrityAlgorithm::Sha1),
    ] {
        let reply = ask(&mut guarded(), &signed_request(b"alice", PASSWORD, also_sha256)).unwrap();
        let message = Message::parse(&reply).unwrap();
        assert_eq!(message.class(), Class::SuccessResponse);
        assert_eq!(message.check_integrity(used, &Key::short_term(PASSWORD)), Integrity::Valid);
        assert!(!message.has_integrity(unused));
    }
}

#[test]
fn silence_has_its_reasons() {
    let mut server = plain();
    let mut bad_seal = request(|builder| builder.add_fingerprint().unwrap());
    *bad_seal.last_mut().unwrap() ^= 1;
    let malformed = request(|builder| builder.add_raw(AttributeType::XOR_MAPPED_ADDRESS, &[0; 3]).unwrap());
    for (bytes, reason) in [
        (message(Class::Indication, Method::BINDING, |_| ()), DropReason::Indication),
        (bad_seal, DropReason::BadFingerprint),
        (malformed, DropReason::MalformedAttribute),
    ] {
        assert_eq!(ask(&mut server, &bytes), None);
        assert_eq!(server.counters().dropped(reason), 1, "{reason:?}");
    }
    assert_eq!((server.answered(), server.counters().total()), (0, 3));
}

#[test]
fn nobody_can_be_behind_some_sources() {
    let mut server = plain();
    let sources = [
        "203.0.113.9:0",
        "0.0.0.0:4242",
        "255.255.255.255:4242",
        "224.0.0.1:4242",
        "[::]:4242",
        "[ff02::1]:4242",
        "[::ffff:224.0.0.1]:4242",
        "[::ffff:255.255.255.255]:4242",
    ];
    for source in sources {
        let from = FiveTuple { remote: source.parse().unwrap(), ..path() };
        assert_eq!(ask_from(&mut server, from, &request(|_| ())), None, "{source}");
    }
    assert_eq!(server.counters().dropped(DropReason::UnusableSource), sources.len() as u32);
}

#[test]
fn only_the_configured_address_is_answered() {
    let config = ServerConfig { local: "192.0.2.1:3478".parse().ok(), ..ServerConfig::default() };
    let mut server = server(config);
    assert!(ask(&mut server, &request(|_| ())).is_some());
    let elsewhere = FiveTuple { local: "192.0.2.1:3479".parse().unwrap(), ..path() };
    let bytes = request(|_| ());
    assert_eq!(server.handle_input(&Datagram::new(elsewhere, &bytes), Instant::ZERO), Outcome::Unclaimed);
}

#[test]
fn replies_beyond_the_limit_are_dropped_and_counted() {
    let mut server = plain();
    let bytes = request(|_| ());
    for _ in 0..Server::MAX_QUEUED_REPLIES + 10 {
        let _ = server.handle_input(&Datagram::new(path(), &bytes), Instant::ZERO);
    }
    assert_eq!(server.counters().dropped(DropReason::QueueFull), 10);
    assert_eq!(server.poll_timeout(), Some(Instant::ZERO));
    let replies = core::iter::from_fn(|| server.poll_transmit().map(|_| ())).count();
    assert_eq!((replies, server.poll_timeout()), (Server::MAX_QUEUED_REPLIES, None));
    assert!(ask(&mut server, &bytes).is_some(), "the room of polled replies is given back");
}

#[test]
fn a_server_with_one_algorithm_accepts_that_alone_even_beside_the_other() {
    let (sha1, sha256) = (IntegrityAlgorithm::Sha1, IntegrityAlgorithm::Sha256);
    let ask_only = |only, also_sha256| {
        let credential = ShortTerm::new(b"alice", PASSWORD).unwrap().only(only);
        let config = ServerConfig { credentials: Some(credential.into()), ..ServerConfig::default() };
        let mut server = server(config);
        ask(&mut server, &signed_request(b"alice", PASSWORD, also_sha256)).unwrap()
    };
    for (only, also_sha256, expected) in
        [(sha256, false, 401), (sha256, true, 200), (sha1, false, 200), (sha1, true, 200)]
    {
        let reply = ask_only(only, also_sha256);
        let message = Message::parse(&reply).unwrap();
        assert_eq!(code(&reply), expected, "{only:?}, {also_sha256}");
        let signed_with = [sha1, sha256].map(|algorithm| message.has_integrity(algorithm));
        assert_eq!(signed_with, [sha1, sha256].map(|algorithm| expected == 200 && algorithm == only));
    }
}

#[test]
fn a_broken_repetition_does_not_count_but_five_are_too_many() {
    for (broken, reply) in [(1, Some(200)), (4, Some(200)), (5, None)] {
        let mut server = plain();
        let bytes = request(|builder| {
            builder.add_raw(AttributeType::NONCE, b"n").unwrap();
            (0..broken).for_each(|_| builder.add_raw(AttributeType::NONCE, &[b'n'; 764]).unwrap());
        });
        assert_eq!(ask(&mut server, &bytes).map(|reply| code(&reply)), reply, "{broken} broken");
        let dropped = server.counters().dropped(DropReason::MalformedAttribute);
        assert_eq!(dropped, u32::from(reply.is_none()));
    }
}

#[test]
fn an_unknown_attribute_that_repeats_is_listed_once() {
    let bytes = request(|builder| {
        for number in [0x4000, 0x4001, 0x4000, 0x4001] {
            builder.add_raw(AttributeType::new(number), b"").unwrap();
        }
    });
    let reply = ask(&mut plain(), &bytes).unwrap();
    let listed = Message::parse(&reply).unwrap().find(AttributeType::UNKNOWN_ATTRIBUTES).unwrap();
    assert_eq!((code(&reply), listed.value), (420, &[0x40, 0, 0x40, 1][..]));
}
