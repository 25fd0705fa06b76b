//! Servers against their adversaries: cases 37, 46, 48 and 61 to 69, with every kind of server.
//!
//! 66 is TURN's (a retransmitted Allocate gets the same allocation). What it says of a Binding is that the same
//! request gets the same answer.

#![allow(missing_docs)]
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, clippy::string_slice, clippy::unwrap_used)]

mod support;

use std::time::Duration;

use libstun::auth::{Realm, SecurityFeatures, ShortTerm};
use libstun::stun::{BehaviorDiscovery, Budget, Server, ServerConfig, ServerEvent};
use libstun::wire::attribute::{
    AttributeType, ChangeRequest, ErrorCode, MappedAddress, Nonce, OtherAddress, Padding, PasswordAlgorithm,
    PasswordAlgorithms, ResponseOrigin, ResponsePort, Userhash, Username, XorMappedAddress,
};
use libstun::wire::{
    Class, Integrity, IntegrityAlgorithm, Key, Message, MessageBuilder, Method, TransactionId,
};
use libstun::{
    Agent, AgentEvent, Datagram, DropReason, Entropy, Event, FiveTuple, Instant, Machine, Outcome, Transport,
};
use proptest::prelude::*;
use support::{addr, at, events, offer, request, served, transmits, udp};

const ID: TransactionId = TransactionId::new([5; 12]);
const REALM: &[u8] = b"example.test";
const ALICE: &[u8] = b"alice";
const SECRET: &[u8] = b"s3cret";
const BOTH: [PasswordAlgorithm<'static>; 2] = [PasswordAlgorithm::SHA256, PasswordAlgorithm::MD5];

fn entropy() -> Entropy {
    Entropy::from_seed([7; 32])
}

fn server(config: ServerConfig) -> Server {
    Server::new(config, entropy(), Instant::ZERO)
}

fn realm() -> Realm {
    let mut realm = Realm::new(REALM).unwrap();
    realm.add_user(ALICE, SECRET).unwrap();
    realm.add_user(b"bob", b"other").unwrap();
    realm
}

fn long_term() -> Server {
    server(ServerConfig { credentials: Some(realm().into()), ..ServerConfig::default() })
}

/// One that gives a challenge to whoever asks.
fn generous() -> Server {
    let budget = Budget { amplification_limit_percent: None, ..Budget::default() };
    let credentials = Some(realm().into());
    server(ServerConfig { credentials, budget: Some(budget), ..ServerConfig::default() })
}

fn short_term() -> Server {
    let credentials = ShortTerm::new(ALICE, SECRET).ok().map(Into::into);
    server(ServerConfig { credentials, ..ServerConfig::default() })
}

fn behavior() -> BehaviorDiscovery {
    let addresses = ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse().unwrap());
    BehaviorDiscovery::new(addresses, [3478, 3479], [10, 11, 20, 21]).unwrap()
}

fn discovering() -> Server {
    server(ServerConfig { behavior: Some(behavior()), ..ServerConfig::default() })
}

fn classic(behavior: Option<BehaviorDiscovery>) -> Server {
    server(ServerConfig { behavior, answers_rfc3489: true, ..ServerConfig::default() })
}

fn every_kind() -> Vec<Server> {
    let plain = server(ServerConfig::default());
    vec![plain, short_term(), long_term(), discovering(), classic(None), classic(Some(behavior()))]
}

fn ask_from(server: &mut Server, path: FiveTuple, bytes: &[u8], now: Instant) -> Option<Vec<u8>> {
    offer(server, path, bytes, now);
    let replies = transmits(server);
    assert!(replies.len() <= 1);
    replies.into_iter().next().map(|(_, reply)| reply)
}

fn ask(server: &mut Server, bytes: &[u8]) -> Option<Vec<u8>> {
    ask_from(server, served(), bytes, Instant::ZERO)
}

fn code(reply: &[u8]) -> u16 {
    Message::parse(reply).unwrap().get::<ErrorCode<'_>>().unwrap().map_or(200, |error| error.code)
}

fn nonce_of(reply: &[u8]) -> Vec<u8> {
    Message::parse(reply).unwrap().get::<Nonce<'_>>().unwrap().unwrap().0.to_vec()
}

fn challenge_at(server: &mut Server, path: FiveTuple, now: Instant) -> Vec<u8> {
    // The second time it is within the budget.
    let plain = request(ID, |_| ());
    let reply = ask_from(server, path, &plain, now).or_else(|| ask_from(server, path, &plain, now)).unwrap();
    assert_eq!(code(&reply), 401);
    nonce_of(&reply)
}

fn challenge(server: &mut Server) -> Vec<u8> {
    challenge_at(server, served(), Instant::ZERO)
}

/// How a request is signed.
#[derive(Clone, Copy)]
struct Signing<'a> {
    user: &'a [u8],
    password: &'a [u8],
    realm: &'a [u8],
    is_anonymous: bool,
    list: Option<&'a [PasswordAlgorithm<'a>]>,
    choice: Option<PasswordAlgorithm<'a>>,
}

const SHA256: Signing<'static> = Signing {
    user: ALICE,
    password: SECRET,
    realm: REALM,
    is_anonymous: false,
    list: Some(&BOTH),
    choice: Some(PasswordAlgorithm::SHA256),
};
const MD5: Signing<'static> = Signing { list: None, choice: None, ..SHA256 };

impl Signing<'_> {
    fn key(&self) -> Key {
        if self.choice == Some(PasswordAlgorithm::SHA256) {
            Key::long_term_sha256(self.user, self.realm, self.password)
        } else {
            Key::long_term_md5(self.user, self.realm, self.password)
        }
    }

    fn fill(&self, nonce: &[u8], builder: &mut MessageBuilder<'_>) {
        if self.is_anonymous {
            builder.add(&Userhash(libstun::wire::userhash(self.user, self.realm))).unwrap();
        } else {
            builder.add(&Username(self.user)).unwrap();
        }
        builder.add(&libstun::wire::attribute::Realm(self.realm)).unwrap();
        builder.add(&Nonce(nonce)).unwrap();
        if let Some(list) = self.list {
            builder.add(&PasswordAlgorithms::from_list(list)).unwrap();
        }
        if let Some(choice) = self.choice {
            builder.add(&choice).unwrap();
        }
    }

    fn request(&self, nonce: &[u8]) -> Vec<u8> {
        request(ID, |builder| {
            self.fill(nonce, builder);
            if self.choice.is_some() {
                builder.sign_sha256(&self.key()).unwrap();
            } else {
                builder.sign(&self.key()).unwrap();
            }
        })
    }
}

fn has_integrity(reply: &[u8]) -> [bool; 2] {
    let message = Message::parse(reply).unwrap();
    [IntegrityAlgorithm::Sha1, IntegrityAlgorithm::Sha256].map(|algorithm| message.has_integrity(algorithm))
}

// --- RFC 8489 s9.2.4 ------------------------------------------------------------------------------------------

#[test]
fn an_unsigned_request_gets_401_and_all_that_it_takes_to_sign() {
    let reply = ask(&mut generous(), &request(ID, |_| ())).unwrap();
    let message = Message::parse(&reply).unwrap();
    assert_eq!(code(&reply), 401);
    assert_eq!(message.get(), Ok(Some(libstun::wire::attribute::Realm(REALM))));
    assert_eq!(message.get(), Ok(Some(PasswordAlgorithms::from_list(&BOTH))));
    let features = SecurityFeatures { password_algorithms: true, username_anonymity: true };
    let nonce = nonce_of(&reply);
    assert_eq!((SecurityFeatures::of_nonce(&nonce), nonce.len()), (Some(features), 36));
    assert_eq!((has_integrity(&reply), reply.len()), ([false, false], 96));
}

#[test]
fn who_signs_with_the_nonce_is_answered_and_signed_alike() {
    let md5_by_name = Signing { choice: Some(PasswordAlgorithm::MD5), ..SHA256 };
    for (signing, integrity) in [
        (SHA256, [false, true]),
        (Signing { is_anonymous: true, ..SHA256 }, [false, true]),
        (md5_by_name, [false, true]),
        (MD5, [true, false]),
        (Signing { is_anonymous: true, ..MD5 }, [true, false]),
    ] {
        let mut server = long_term();
        let nonce = challenge(&mut server);
        let reply = ask(&mut server, &signing.request(&nonce)).unwrap();
        let message = Message::parse(&reply).unwrap();
        assert_eq!((code(&reply), has_integrity(&reply)), (200, integrity));
        let algorithm = if integrity[0] { IntegrityAlgorithm::Sha1 } else { IntegrityAlgorithm::Sha256 };
        assert_eq!(message.check_integrity(algorithm, &signing.key()), Integrity::Valid);
        for absent in [AttributeType::REALM, AttributeType::NONCE, AttributeType::USERNAME] {
            assert!(message.find(absent).is_none());
        }
    }
}

/// Case 43: somebody on the way has taken the better algorithm out of the challenge.
#[test]
fn a_list_of_algorithms_that_was_not_sent_is_400() {
    let mut server = long_term();
    let nonce = challenge(&mut server);
    let (md5, sha256) = (PasswordAlgorithm::MD5, PasswordAlgorithm::SHA256);
    let strange = PasswordAlgorithm { number: 9, parameters: &[] };
    for (list, choice) in [
        (Some(&[md5][..]), Some(md5)),
        (Some(&[md5, sha256]), Some(sha256)),
        (Some(&[sha256, md5, strange]), Some(sha256)),
        (Some(&BOTH), Some(strange)),
        (Some(&BOTH), None),
        (None, Some(sha256)),
    ] {
        let reply = ask(&mut server, &Signing { list, choice, ..SHA256 }.request(&nonce)).unwrap();
        assert_eq!((code(&reply), has_integrity(&reply)), (400, [false, false]), "{list:?} {choice:?}");
        assert!(Message::parse(&reply).unwrap().find(AttributeType::NONCE).is_none());
    }
}

#[test]
fn a_feature_taken_out_of_the_nonce_makes_it_stale() {
    let mut server = long_term();
    let mut nonce = challenge(&mut server);
    nonce[12] = b'A'; // no features, says the cookie now
    let reply = ask(&mut server, &MD5.request(&nonce)).unwrap();
    assert_eq!(code(&reply), 438);
    assert_eq!(nonce_of(&reply)[..13], *b"obMatJos2AAAD");
}

/// Case 46. Both names: 400 too, since they could name two users.
#[test]
fn neither_username_nor_userhash_is_400_and_so_are_both() {
    let mut server = long_term();
    let nonce = challenge(&mut server);
    let key = SHA256.key();
    for names in [0, 2] {
        let bytes = request(ID, |builder| {
            if names == 2 {
                builder.add(&Username(ALICE)).unwrap();
                builder.add(&Userhash(libstun::wire::userhash(ALICE, REALM))).unwrap();
            }
            builder.add(&libstun::wire::attribute::Realm(REALM)).unwrap();
            builder.add(&Nonce(&nonce)).unwrap();
            builder.add(&PasswordAlgorithms::from_list(&BOTH)).unwrap();
            builder.add(&PasswordAlgorithm::SHA256).unwrap();
            builder.sign_sha256(&key).unwrap();
        });
        assert_eq!(code(&ask(&mut server, &bytes).unwrap()), 400, "{names}");
    }
}

#[test]
fn a_signature_without_realm_or_nonce_is_400_and_what_stands_after_it_does_not_count() {
    let mut server = long_term();
    let nonce = challenge(&mut server);
    for missing in [AttributeType::REALM, AttributeType::NONCE] {
        let bytes = request(ID, |builder| {
            builder.add(&Username(ALICE)).unwrap();
            for (ty, value) in [(AttributeType::REALM, REALM), (AttributeType::NONCE, &nonce)] {
                if ty != missing {
                    builder.add_raw(ty, value).unwrap();
                }
            }
            builder.sign(&MD5.key()).unwrap();
        });
        assert_eq!(code(&ask(&mut server, &bytes).unwrap()), 400);
    }
}

/// Case 37. The same path for both: one lookup, one HMAC, one comparison; the replies differ in nothing.
#[test]
fn an_unknown_user_and_a_wrong_password_get_the_same_reply() {
    let strange = Signing { realm: b"elsewhere.test", ..SHA256 };
    let wrong = Signing { password: b"wrong", ..SHA256 };
    let unknown = Signing { user: b"mallo", ..SHA256 };
    let empty = Signing { user: b"", password: b"", ..SHA256 };
    let replies: Vec<Vec<u8>> = [wrong, unknown, empty, strange]
        .into_iter()
        .map(|signing| {
            let mut server = long_term();
            let nonce = challenge(&mut server);
            ask(&mut server, &signing.request(&nonce)).unwrap()
        })
        .collect();
    assert_eq!((code(&replies[0]), replies[0].len()), (401, 96));
    assert!(replies.iter().all(|reply| *reply == replies[0]));
}

#[test]
fn a_request_for_another_realm_is_401_even_under_the_right_key() {
    let mut server = long_term();
    let nonce = challenge(&mut server);
    let bytes = request(ID, |builder| {
        Signing { realm: b"elsewhere.test", ..MD5 }.fill(&nonce, builder);
        builder.sign(&MD5.key()).unwrap();
    });
    assert_eq!(code(&ask(&mut server, &bytes).unwrap()), 401);
}

/// Case 48.
#[test]
fn a_signed_request_replayed_from_another_address_gets_438() {
    let mut server = long_term();
    let nonce = challenge(&mut server);
    let signed = SHA256.request(&nonce);
    assert_eq!(code(&ask(&mut server, &signed).unwrap()), 200);
    for remote in ["203.0.113.9:4243", "203.0.113.10:4242", "198.51.100.1:4242"] {
        let path = udp("192.0.2.1:3478", remote);
        let reply = ask_from(&mut server, path, &signed, Instant::ZERO).unwrap();
        assert_eq!((code(&reply), has_integrity(&reply)), (438, [false, false]), "{remote}");
        assert_ne!(nonce_of(&reply), nonce);
        let again = SHA256.request(&nonce_of(&reply));
        assert_eq!(code(&ask_from(&mut server, path, &again, Instant::ZERO).unwrap()), 200);
    }
}

/// Case 68.
#[test]
fn a_nonce_that_is_changed_expired_or_of_the_future_gets_438_and_a_good_one_with_it() {
    let mut server = long_term();
    let nonce = challenge_at(&mut server, served(), at(1000));
    for place in 0..nonce.len() {
        for bit in 0..8 {
            let mut changed = nonce.clone();
            changed[place] ^= 1 << bit;
            let reply = ask_from(&mut server, served(), &MD5.request(&changed), at(1000)).unwrap();
            assert_eq!(code(&reply), 438, "{place} {bit}");
        }
    }
    let lifetime = Realm::DEFAULT_NONCE_LIFETIME.as_millis() as u64;
    let late = ask_from(&mut server, served(), &MD5.request(&nonce), at(lifetime)).unwrap();
    assert_eq!(code(&late), 200);
    let stale = ask_from(&mut server, served(), &MD5.request(&nonce), at(1000 + lifetime)).unwrap();
    assert_eq!(code(&stale), 438);
    let next = nonce_of(&stale);
    assert_eq!(
        code(&ask_from(&mut server, served(), &MD5.request(&next), at(1000 + lifetime)).unwrap()),
        200
    );
    // A server with the same seed, whose clock is behind.
    let early = ask_from(&mut long_term(), served(), &MD5.request(&nonce), at(0)).unwrap();
    assert_eq!(code(&early), 438);
}

#[test]
fn users_come_and_go_at_run_time_in_a_server_and_in_an_agent() {
    let mut agent = Agent::new(entropy(), Instant::ZERO);
    let budget = Budget { amplification_limit_percent: None, ..Budget::default() };
    let (credentials, budget) = (Some(realm().into()), Some(budget));
    let id = agent
        .start_server(ServerConfig { credentials, budget, ..ServerConfig::default() }, Instant::ZERO)
        .unwrap();
    let ask = |agent: &mut Agent, bytes: &[u8]| {
        offer(agent, served(), bytes, Instant::ZERO);
        transmits(agent).remove(0).1
    };
    let nonce = nonce_of(&ask(&mut agent, &request(ID, |_| ())));
    let carol = Signing { user: b"carol", password: b"new", ..SHA256 };
    assert_eq!(code(&ask(&mut agent, &carol.request(&nonce))), 401);
    agent.realm_mut(id).unwrap().add_user(b"carol", b"old").unwrap();
    assert_eq!(code(&ask(&mut agent, &carol.request(&nonce))), 401);
    agent.realm_mut(id).unwrap().add_user(b"carol", b"new").unwrap();
    assert_eq!(code(&ask(&mut agent, &carol.request(&nonce))), 200);
    assert_eq!(agent.realm_mut(id).unwrap().user_count(), 3);
    assert!(agent.realm_mut(id).unwrap().remove_user(b"carol"));
    assert!(!agent.realm_mut(id).unwrap().remove_user(b"carol"));
    assert_eq!(code(&ask(&mut agent, &carol.request(&nonce))), 401);
    assert_eq!(code(&ask(&mut agent, &SHA256.request(&nonce))), 200);
}

#[test]
fn a_realm_can_offer_less() {
    let features = SecurityFeatures::default();
    let budget = Budget { amplification_limit_percent: None, ..Budget::default() };
    let credentials = Some(realm().offering(features).into());
    let mut server = server(ServerConfig { credentials, budget: Some(budget), ..ServerConfig::default() });
    let reply = ask(&mut server, &request(ID, |_| ())).unwrap();
    let nonce = nonce_of(&reply);
    assert_eq!(SecurityFeatures::of_nonce(&nonce), Some(features));
    assert!(Message::parse(&reply).unwrap().find(AttributeType::PASSWORD_ALGORITHMS).is_none());
    assert_eq!(code(&ask(&mut server, &MD5.request(&nonce)).unwrap()), 200);
    let anonymous = Signing { is_anonymous: true, ..MD5 };
    assert_eq!(code(&ask(&mut server, &anonymous.request(&nonce)).unwrap()), 400);
}

#[test]
fn a_realm_shows_no_user_and_no_password() {
    let shown =
        format!("{:?}", ServerConfig { credentials: Some(realm().into()), ..ServerConfig::default() });
    assert!(shown.contains("example.test") && shown.contains("users: 2"));
    assert!(!shown.contains("alice") && !shown.contains("s3cret"));
    let shown = format!("{:?}", long_term());
    assert!(!shown.contains("alice") && !shown.contains("s3cret") && shown.contains("Nonces(..)"));
}

// --- Nobody's reflector ---------------------------------------------------------------------------------------

/// Case 61.
#[test]
fn whatever_arrives_no_reply_is_longer_than_its_cap_or_than_2_6_of_what_came() {
    let captured: serde_json::Value =
        serde_json::from_str(include_str!("vectors/captured_servers.json")).unwrap();
    let mut datagrams: Vec<Vec<u8>> = support::malformed().into_iter().map(|vector| vector.bytes).collect();
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
    };
    for exchange in captured["servers"].as_object().unwrap().values().flat_map(|all| all.as_array().unwrap())
    {
        let texts = ["request", "response"].map(|which| exchange[which].as_str().map(hex));
        datagrams.extend(texts.into_iter().flatten());
    }
    assert!(datagrams.len() > 140);
    for mut server in every_kind() {
        let (mut received, mut sent) = (0, 0);
        for bytes in &datagrams {
            received += bytes.len();
            let Some(reply) = ask(&mut server, bytes) else { continue };
            sent += reply.len();
            assert!(reply.len() <= Server::MAX_REPLY);
            assert!(sent * 100 <= received * 260);
            let class = Message::parse(bytes).map(|message| message.class());
            assert!(class.is_err() || class == Ok(Class::Request), "no reply to anything else");
        }
    }
}

/// The rule holds for every network, request by request, whatever it asks for.
#[test]
fn a_network_is_never_sent_more_than_2_6_of_what_came_in_its_name() {
    let requests = [
        request(ID, |_| ()),
        request(ID, |builder| builder.add_fingerprint().unwrap()),
        request(ID, |builder| builder.add(&ChangeRequest { change_ip: true, change_port: true }).unwrap()),
        request(ID, |builder| builder.add(&Padding(&[0; 40])).unwrap()),
        request(ID, |builder| builder.add_raw(AttributeType::new(0x7FFE), b"").unwrap()),
        SHA256.request(&[b'x'; 36]),
    ];
    for mut server in every_kind() {
        for network in 0..8_u8 {
            let (mut received, mut sent) = (0, 0);
            for round in 0..200_usize {
                let remote = format!("198.51.{network}.{}:{}", round % 254 + 1, round + 1);
                let bytes = &requests[(round * 7 + usize::from(network)) % requests.len()];
                received += bytes.len();
                let reply = ask_from(&mut server, udp("192.0.2.1:3478", &remote), bytes, at(round as u64));
                sent += reply.map_or(0, |reply| reply.len());
                assert!(sent * 100 <= received * 260, "{sent} for {received}");
            }
            assert!(sent > 0);
        }
    }
}

#[test]
fn a_longer_name_of_a_realm_waits_for_more_retransmissions() {
    for (length, asked) in [(20, 2), (21, 3), (72, 3), (73, 4), (Realm::MAX_NAME, 5)] {
        let credentials = Some(Realm::new(&vec![b'r'; length]).unwrap().into());
        let mut server = server(ServerConfig { credentials, ..ServerConfig::default() });
        let attempts = (1..=9).position(|_| ask(&mut server, &request(ID, |_| ())).is_some()).unwrap() + 1;
        assert_eq!(attempts, asked, "{length}");
    }
}

#[test]
fn a_challenge_waits_for_the_retransmission_unless_the_request_is_long_enough() {
    let short = request(ID, |_| ());
    let sealed = request(ID, |builder| builder.add_fingerprint().unwrap());
    let named = request(ID, |builder| builder.add(&Username(&[b'u'; 16])).unwrap());
    for (bytes, asked) in [(short, 2), (sealed, 2), (named, 1)] {
        let mut server = long_term();
        let attempts = (1..=3).position(|_| ask(&mut server, &bytes).is_some()).unwrap() + 1;
        assert_eq!(attempts, asked, "{} bytes", bytes.len());
        assert_eq!(server.counters().dropped(DropReason::OverBudget), asked as u32 - 1);
    }
    assert!(ask(&mut generous(), &request(ID, |_| ())).is_some());
}

#[test]
fn who_has_proved_its_address_pays_nothing_and_earns_nothing_for_others() {
    let mut server = long_term();
    let nonce = challenge(&mut server);
    for _ in 0..1000 {
        assert_eq!(code(&ask(&mut server, &SHA256.request(&nonce)).unwrap()), 200);
        let wrong = Signing { password: b"wrong", ..SHA256 }.request(&nonce);
        assert_eq!(code(&ask(&mut server, &wrong).unwrap()), 401);
    }
    let neighbour = udp("192.0.2.1:3478", "203.0.113.10:1");
    assert!(ask_from(&mut server, neighbour, &request(ID, |_| ()), Instant::ZERO).is_none());
    let stream = FiveTuple { transport: Transport::Tcp, ..udp("192.0.2.1:3478", "198.51.100.1:1") };
    let reply = ask_from(&mut server, stream, &request(ID, |_| ()), Instant::ZERO).unwrap();
    assert_eq!(code(&reply), 401, "a stream proves its address by itself");
}

#[test]
fn ten_thousand_clients_behind_one_nat_are_all_answered() {
    let mut server = server(ServerConfig::default());
    let bytes = request(ID, |builder| builder.add_fingerprint().unwrap());
    for client in 0..10_000_u32 {
        let remote = format!("203.0.113.{}:{}", client % 4 + 1, 1024 + client);
        assert!(ask_from(&mut server, udp("192.0.2.1:3478", &remote), &bytes, Instant::ZERO).is_some());
    }
    assert_eq!((server.counters().total(), server.poll_event()), (0, None));
}

/// Case 62.
#[test]
fn sources_that_nobody_can_be_behind_get_silence() {
    for remote in [
        "203.0.113.9:0",
        "224.0.0.1:5000",
        "255.255.255.255:5000",
        "0.0.0.0:5000",
        "[ff02::1]:5000",
        "[::]:1",
        "[::ffff:224.0.0.1]:7",
    ] {
        for mut server in every_kind() {
            let reply = ask_from(&mut server, udp("192.0.2.1:3478", remote), &request(ID, |_| ()), at(0));
            assert_eq!(reply, None, "{remote}");
            assert_eq!(server.counters().dropped(DropReason::UnusableSource), 1);
        }
    }
}

/// Case 63.
#[test]
fn two_servers_aimed_at_each_other_fall_silent() {
    for mut one in every_kind() {
        for mut other in every_kind() {
            // Forged: as if one had asked the other.
            let (here, there) = ("192.0.2.1:3478", "192.0.2.2:3478");
            let bytes = request(ID, |builder| builder.add(&Username(&[b'u'; 60])).unwrap());
            let Some(reply) = ask_from(&mut other, udp(there, here), &bytes, at(0)) else { continue };
            assert_eq!(ask_from(&mut one, udp(here, there), &reply, at(1)), None);
        }
    }
}

/// Case 64.
#[test]
fn two_hundred_unknown_attributes_are_listed_up_to_the_limit() {
    let bytes = request(ID, |builder| {
        (0..200).for_each(|number| builder.add_raw(AttributeType::new(0x4000 + number), b"").unwrap());
    });
    for mut server in [discovering(), server(ServerConfig::default())] {
        let reply = ask(&mut server, &bytes).unwrap();
        let listed = Message::parse(&reply).unwrap().find(AttributeType::UNKNOWN_ATTRIBUTES).unwrap();
        assert_eq!((code(&reply), listed.value.len()), (420, 2 * Server::MAX_LISTED_ATTRIBUTES));
    }
}

/// Case 65.
#[test]
fn an_unknown_method_gets_silence() {
    for mut server in every_kind() {
        for method in [Method::ALLOCATE, Method::new(0xFFF).unwrap(), Method::new(0).unwrap()] {
            let bytes = support::message(Class::Request, method, ID, |_| ());
            assert!(!offer(&mut server, served(), &bytes, at(0)));
            assert_eq!(transmits(&mut server), []);
        }
    }
}

/// Case 66, as far as it concerns a Binding.
#[test]
fn a_retransmitted_request_gets_the_same_answer() {
    for mut server in every_kind() {
        let bytes = request(ID, |builder| builder.add(&Username(&[b'u'; 60])).unwrap());
        let replies =
            [0, 400, 900].map(|millis| ask_from(&mut server, served(), &bytes, at(millis)).unwrap());
        assert!(replies.iter().all(|reply| *reply == replies[0]));
    }
    let mut server = long_term();
    let signed = SHA256.request(&challenge(&mut server));
    assert_eq!(ask(&mut server, &signed), ask(&mut server, &signed));
}

/// Case 69.
#[test]
fn a_flood_of_challenges_is_throttled_and_told_once_in_a_window_without_a_port() {
    let mut server = long_term();
    let bytes = request(ID, |builder| builder.add(&Username(&[b'u'; 60])).unwrap());
    let mut sent = 0;
    for number in 0..20_000_u64 {
        let remote = format!("203.0.113.{}:{}", number % 250 + 1, 1024 + number % 60_000);
        let now = at(number / 2);
        sent +=
            ask_from(&mut server, udp("192.0.2.1:3478", &remote), &bytes, now).map_or(0, |reply| reply.len());
    }
    let told = events(&mut server);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        matches!(told[0], ServerEvent::Throttled { address } if address.to_string().starts_with("203.0.113."))
    );
    let allowed = Budget::DEFAULT_ERROR_BURST + 10 * Budget::DEFAULT_ERROR_BYTES_PER_SECOND;
    assert!(sent <= allowed as usize && sent > allowed as usize / 2, "{sent}");
    let quiet = udp("192.0.2.1:3478", "198.51.100.1:1");
    assert!(ask_from(&mut server, quiet, &bytes, at(10_000)).is_some(), "others are not concerned");
}

#[test]
fn a_flood_of_wrong_signatures_is_told_once_in_a_window_by_server_and_agent() {
    let mut agent = Agent::new(entropy(), Instant::ZERO);
    let config = ServerConfig { credentials: Some(realm().into()), ..ServerConfig::default() };
    let id = agent.start_server(config, Instant::ZERO).unwrap();
    for _ in 0..2 {
        offer(&mut agent, served(), &request(ID, |_| ()), at(0));
    }
    let nonce = nonce_of(&transmits(&mut agent)[0].1);
    let wrong = Signing { password: b"guess", ..SHA256 }.request(&nonce);
    for millis in 0..20_000 {
        offer(&mut agent, served(), &wrong, at(millis));
        transmits(&mut agent);
    }
    assert_eq!(agent.poll_timeout(), Some(at(19_999)));
    let event = ServerEvent::AuthenticationFailures { address: served().remote.ip(), is_proven: true };
    let told = AgentEvent { id, event: Event::Server(event), is_last: false };
    assert_eq!(events(&mut agent), [told.clone(), told]);
    assert_eq!(agent.poll_timeout(), None);
    // Short-term credentials prove nothing when they are wrong.
    let mut server = short_term();
    let wrong = request(ID, |builder| {
        builder.add(&Username(ALICE)).unwrap();
        builder.sign(&Key::short_term(b"guess")).unwrap();
    });
    (0..100).for_each(|_| drop(ask(&mut server, &wrong)));
    let event = ServerEvent::AuthenticationFailures { address: served().remote.ip(), is_proven: false };
    assert_eq!(events(&mut server), [event]);
}

#[test]
fn events_that_nobody_takes_are_dropped_and_counted() {
    let mut server = short_term();
    let wrong = request(ID, |builder| {
        builder.add(&Username(ALICE)).unwrap();
        builder.sign(&Key::short_term(b"guess")).unwrap();
    });
    for window in 0..Server::MAX_EVENTS as u64 + 10 {
        for _ in 0..Budget::FAILURES_AFTER {
            let now = at(window * Budget::WINDOW.as_millis() as u64);
            ask_from(&mut server, served(), &wrong, now);
        }
    }
    assert_eq!((server.dropped_events(), events(&mut server).len()), (10, Server::MAX_EVENTS));
}

proptest! {
    /// Case 61 for what nobody has thought of: requests that once were good, of every kind, to every server.
    #[test]
    fn no_damaged_request_brings_a_server_out_of_its_rules(
        kind in 0_usize..6,
        filler: [bool; 8],
        damage in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..4),
        cut: Option<u8>,
        port in 1_u16..,
    ) {
        let mut server = every_kind().remove(kind);
        let nonce = if kind == 2 { challenge(&mut server) } else { vec![b'x'; 36] };
        let mut bytes = request(ID, |builder| {
            if filler[0] { builder.add(&ChangeRequest { change_ip: filler[1], change_port: filler[2] }).unwrap(); }
            if filler[3] { builder.add(&ResponsePort(port)).unwrap(); }
            if filler[4] { builder.add(&Padding(&[1; 1600])).unwrap(); }
            if filler[5] {
                SHA256.fill(&nonce, builder);
                if filler[6] { builder.sign(&MD5.key()).unwrap() } else { builder.sign_sha256(&SHA256.key()).unwrap() }
            }
            if filler[7] { builder.add_fingerprint().unwrap(); }
        });
        for (place, value) in damage {
            let place = usize::from(place) % bytes.len();
            bytes[place] ^= value;
        }
        bytes.truncate(bytes.len() - usize::from(cut.unwrap_or(0)) % bytes.len());
        let path = udp("192.0.2.1:3478", "203.0.113.77:4242");
        offer(&mut server, path, &bytes, at(0));
        for (from, reply) in transmits(&mut server) {
            prop_assert_eq!(from.remote.ip(), path.remote.ip());
            prop_assert!(reply[0] & 1 == 1, "a response");
            prop_assert_eq!(&reply[4..20], &bytes[4..20]);
            prop_assert!(reply.len() <= Server::MAX_REPLY.max(bytes.len() + 100));
            // The two requests for the challenge before have left eight bytes.
            prop_assert!(reply.len() * 100 <= bytes.len() * 260 + 8 * 100);
        }
    }
}

// --- RFC 5780 -------------------------------------------------------------------------------------------------

fn discover(
    server: &mut Server,
    local: &str,
    fill: impl FnOnce(&mut MessageBuilder<'_>),
) -> (FiveTuple, u32, Vec<u8>) {
    let datagram = request(ID, fill);
    let socket_id = behavior().sockets().find(|(address, _)| *address == addr(local)).unwrap().1;
    let path = udp(local, "203.0.113.9:4242");
    let outcome =
        server.handle_input(&Datagram { socket_id, ..Datagram::new(path, &datagram) }, Instant::ZERO);
    assert_eq!(outcome, Outcome::Consumed);
    let reply = server.poll_transmit().unwrap();
    (reply.path, reply.socket_id, reply.payload.to_vec())
}

/// Table 1 of RFC 5780 s6.1.
#[test]
fn a_reply_leaves_from_the_address_and_socket_that_change_request_asks_for() {
    let places =
        [("192.0.2.1:3478", 10), ("192.0.2.1:3479", 11), ("192.0.2.2:3478", 20), ("192.0.2.2:3479", 21)];
    for asked in 0..4_usize {
        for change in 0..4_usize {
            let (change_ip, change_port) = (change & 2 != 0, change & 1 != 0);
            let (path, socket_id, reply) = discover(&mut discovering(), places[asked].0, |builder| {
                builder.add(&ChangeRequest { change_ip, change_port }).unwrap();
            });
            let expected = places[asked ^ change];
            assert_eq!((path.local, socket_id), (addr(expected.0), expected.1), "{asked} {change}");
            assert_eq!(path.remote, addr("203.0.113.9:4242"));
            let message = Message::parse(&reply).unwrap();
            assert_eq!(message.get(), Ok(Some(ResponseOrigin(addr(expected.0)))));
            assert_eq!(message.get(), Ok(Some(OtherAddress(addr(places[asked ^ 3].0)))));
            assert_eq!(message.get(), Ok(Some(MappedAddress(path.remote))));
            assert_eq!(message.get(), Ok(Some(XorMappedAddress(path.remote))));
            assert_eq!(reply.len(), 68, "within 2.6 of 28");
        }
    }
}

#[test]
fn what_does_not_fit_the_budget_is_left_out_in_its_order() {
    let has = |reply: &[u8]| {
        let message = Message::parse(reply).unwrap();
        [AttributeType::MAPPED_ADDRESS, AttributeType::RESPONSE_ORIGIN, AttributeType::OTHER_ADDRESS]
            .map(|ty| message.find(ty).is_some())
    };
    let (.., reply) = discover(&mut discovering(), "192.0.2.1:3478", |_| ());
    assert_eq!((has(&reply), reply.len()), ([false, false, true], 44));
    let (.., reply) =
        discover(&mut discovering(), "192.0.2.1:3478", |builder| builder.add_fingerprint().unwrap());
    assert_eq!((has(&reply), reply.len()), ([false, true, true], 64));
    let budget = Some(Budget { amplification_limit_percent: Some(160), ..Budget::default() });
    let mut mean = server(ServerConfig { behavior: Some(behavior()), budget, ..ServerConfig::default() });
    let (.., reply) = discover(&mut mean, "192.0.2.1:3478", |_| ());
    assert_eq!((has(&reply), reply.len()), ([false, false, false], 32));
    let mut free =
        server(ServerConfig { behavior: Some(behavior()), budget: None, ..ServerConfig::default() });
    let (.., reply) = discover(&mut free, "192.0.2.1:3478", |_| ());
    assert_eq!((has(&reply), reply.len()), ([true, true, true], 68));
}

#[test]
fn what_fits_for_ipv6_is_as_the_manual_says() {
    let addresses = ["2001:db8::1", "2001:db8::2"].map(|ip| ip.parse().unwrap());
    let behavior = BehaviorDiscovery::new(addresses, [3478, 3479], [0; 4]).ok();
    let path = udp("[2001:db8::1]:3478", "[2001:db8:9::9]:4242");
    let plain = request(ID, |_| ());
    let asking = request(ID, |builder| builder.add(&ChangeRequest::default()).unwrap());
    let long = request(ID, |builder| builder.add_raw(AttributeType::SOFTWARE, &[b's'; 24]).unwrap());
    for (bytes, percent, length) in
        [(&plain, 260, 44), (&asking, 260, 68), (&long, 260, 116), (&plain, 580, 116)]
    {
        let budget = Some(Budget { amplification_limit_percent: Some(percent), ..Budget::default() });
        let mut server = server(ServerConfig { behavior, budget, ..ServerConfig::default() });
        let reply = ask_from(&mut server, path, bytes, at(0)).unwrap();
        assert_eq!(reply.len(), length, "{} bytes, {percent} percent", bytes.len());
    }
}

#[test]
fn response_port_changes_the_port_and_never_the_address() {
    let (path, _, reply) =
        discover(&mut discovering(), "192.0.2.1:3478", |builder| builder.add(&ResponsePort(9)).unwrap());
    assert_eq!((path.remote, code(&reply)), (addr("203.0.113.9:9"), 200));
    let mapped = Message::parse(&reply).unwrap().get::<XorMappedAddress>().unwrap().unwrap().0;
    assert_eq!(mapped, addr("203.0.113.9:4242"), "it tells the port that asked");
    for contradiction in [0, 9] {
        let (path, _, reply) = discover(&mut discovering(), "192.0.2.1:3478", |builder| {
            builder.add(&ResponsePort(contradiction)).unwrap();
            if contradiction != 0 {
                builder.add(&Padding(&[0; 64])).unwrap();
            }
        });
        assert_eq!((path.remote, code(&reply)), (addr("203.0.113.9:4242"), 400));
    }
}

#[test]
fn the_padding_of_a_reply_is_no_longer_than_the_requests() {
    for (asked, expected) in [(0, 0), (3, 0), (4, 4), (100, 100), (1500, 1500), (1600, 1500)] {
        let (.., reply) = discover(&mut discovering(), "192.0.2.1:3478", |builder| {
            builder.add(&Padding(&[7; 1600][..asked])).unwrap();
        });
        let padding = Message::parse(&reply).unwrap().get::<Padding<'_>>().unwrap().unwrap().0.len();
        assert_eq!(padding, expected, "{asked}");
        assert!(reply.len() <= Server::MAX_PADDED_REPLY && reply.len() * 100 <= (24 + asked + 3) * 260);
    }
}

#[test]
fn a_server_with_one_address_refuses_change_request_and_names_no_other() {
    let single = BehaviorDiscovery::single(addr("192.0.2.1:3478"), 10).unwrap();
    let mut server = server(ServerConfig { behavior: Some(single), ..ServerConfig::default() });
    for flags in [ChangeRequest::default(), ChangeRequest { change_ip: false, change_port: true }] {
        let (path, socket_id, reply) =
            discover(&mut server, "192.0.2.1:3478", |builder| builder.add(&flags).unwrap());
        assert_eq!((code(&reply), path.local, socket_id), (420, addr("192.0.2.1:3478"), 10));
    }
    let (.., reply) =
        discover(&mut server, "192.0.2.1:3478", |builder| builder.add(&Padding(&[0; 40])).unwrap());
    let message = Message::parse(&reply).unwrap();
    assert!(message.find(AttributeType::OTHER_ADDRESS).is_none());
    assert_eq!(message.get(), Ok(Some(ResponseOrigin(addr("192.0.2.1:3478")))));
}

#[test]
fn an_agent_brings_requests_at_all_four_addresses_to_the_one_server() {
    let mut agent = Agent::new(entropy(), Instant::ZERO);
    let config = ServerConfig { behavior: Some(behavior()), ..ServerConfig::default() };
    let id = agent.start_server(config, Instant::ZERO).unwrap();
    let bytes =
        request(ID, |builder| builder.add(&ChangeRequest { change_ip: true, change_port: true }).unwrap());
    for (local, _) in behavior().sockets() {
        assert!(offer(&mut agent, FiveTuple { local, ..served() }, &bytes, at(0)));
        let (path, _) = transmits(&mut agent).remove(0);
        assert!(path.local.ip() != local.ip() && path.local.port() != local.port());
    }
    assert_eq!(agent.server(id).unwrap().answered(), 4);
    offer(&mut agent, udp("192.0.2.3:3478", "203.0.113.9:4242"), &bytes, at(0));
    assert_eq!(transmits(&mut agent), []);
    let taken = ServerConfig { local: Some(addr("192.0.2.2:3479")), ..ServerConfig::default() };
    assert!(agent.start_server(taken.clone(), Instant::ZERO).is_err());
    agent.cancel(id, Instant::ZERO).unwrap();
    assert!(agent.start_server(taken, Instant::ZERO).is_ok());
}

#[test]
fn a_server_behind_its_own_nat_names_its_public_addresses() {
    let behavior = behavior().known_as(["198.51.100.1", "198.51.100.2"].map(|ip| ip.parse().unwrap()));
    let mut server = server(ServerConfig { behavior: Some(behavior), ..ServerConfig::default() });
    let (path, _, reply) = discover(&mut server, "192.0.2.1:3478", |builder| {
        builder.add(&ChangeRequest { change_ip: true, change_port: false }).unwrap();
    });
    let message = Message::parse(&reply).unwrap();
    assert_eq!(path.local, addr("192.0.2.2:3478"));
    assert_eq!(message.get(), Ok(Some(ResponseOrigin(addr("198.51.100.2:3478")))));
    assert_eq!(message.get(), Ok(Some(OtherAddress(addr("198.51.100.2:3479")))));
}

#[test]
fn over_a_stream_nothing_can_be_answered_from_elsewhere() {
    let path = FiveTuple { transport: Transport::Tcp, ..served() };
    for ty in [AttributeType::CHANGE_REQUEST, AttributeType::RESPONSE_PORT, AttributeType::PADDING] {
        let bytes = request(ID, |builder| builder.add_raw(ty, &[0, 0, 0, 6]).unwrap());
        let mut server = discovering();
        offer(&mut server, path, &bytes, at(0));
        let (back, reply) = transmits(&mut server).remove(0);
        assert_eq!((back, code(&reply)), (path, 420), "{ty:?}");
    }
    let reply = ask_from(&mut discovering(), path, &request(ID, |_| ()), at(0)).unwrap();
    let message = Message::parse(&reply).unwrap();
    assert_eq!(message.get(), Ok(Some(OtherAddress(addr("192.0.2.2:3479")))));
}

#[test]
fn addresses_that_serve_no_discovery_are_refused() {
    let ip = |text: &str| text.parse().unwrap();
    for (addresses, ports) in [
        ([ip("192.0.2.1"), ip("192.0.2.1")], [1, 2]),
        ([ip("192.0.2.1"), ip("192.0.2.2")], [1, 1]),
        ([ip("192.0.2.1"), ip("192.0.2.2")], [0, 1]),
        ([ip("0.0.0.0"), ip("192.0.2.2")], [1, 2]),
        ([ip("192.0.2.1"), ip("2001:db8::1")], [1, 2]),
    ] {
        assert!(BehaviorDiscovery::new(addresses, ports, [0; 4]).is_err(), "{addresses:?} {ports:?}");
    }
}

#[test]
fn discovery_may_demand_credentials_and_is_signed_then() {
    let config = ServerConfig {
        behavior: Some(behavior()),
        credentials: Some(realm().into()),
        ..ServerConfig::default()
    };
    let mut server = server(config);
    let nonce = challenge(&mut server);
    let (path, socket_id, reply) = discover(&mut server, "192.0.2.1:3478", |builder| {
        builder.add(&ChangeRequest { change_ip: true, change_port: true }).unwrap();
        SHA256.fill(&nonce, builder);
        builder.sign_sha256(&SHA256.key()).unwrap();
    });
    assert_eq!((path.local, socket_id, has_integrity(&reply)), (addr("192.0.2.2:3479"), 21, [false, true]));
}

// --- RFC 3489 -------------------------------------------------------------------------------------------------

/// What `stun` 0.97 sends, with those flags of CHANGE-REQUEST.
fn old_request(flags: u8) -> Vec<u8> {
    let mut bytes = b"\0\x01\0\x08sixteen-bytes-id\0\x03\0\x04\0\0\0".to_vec();
    bytes.push(flags);
    bytes
}

#[test]
fn a_client_of_rfc_3489_reads_its_address_and_where_else_to_ask() {
    let reply = ask(&mut classic(Some(behavior())), &old_request(0)).unwrap();
    let expected = [
        &b"\x01\x01\0\x24sixteen-bytes-id"[..],
        &[0, 1, 0, 8, 0, 1, 0x10, 0x92, 203, 0, 113, 9],
        &[0, 4, 0, 8, 0, 1, 0x0D, 0x96, 192, 0, 2, 1],
        &[0, 5, 0, 8, 0, 1, 0x0D, 0x97, 192, 0, 2, 2],
    ]
    .concat();
    assert_eq!(reply, expected);
    let mut changing = classic(Some(behavior()));
    offer(&mut changing, served(), &old_request(6), at(0));
    assert_eq!(transmits(&mut changing)[0].0.local, addr("192.0.2.2:3479"));
    let plain = ask(&mut classic(None), &old_request(0)).unwrap();
    assert_eq!(
        plain,
        expected[..32]
            .iter()
            .copied()
            .enumerate()
            .map(|(at, byte)| if at == 3 { 12 } else { byte })
            .collect::<Vec<u8>>()
    );
    assert_eq!(ask(&mut classic(None), &old_request(2)).unwrap()[..2], [1, 0x11], "420");
}

#[test]
fn a_client_of_rfc_3489_gets_silence_unless_it_was_asked_for_or_where_credentials_are_demanded() {
    let signing =
        ServerConfig { credentials: Some(realm().into()), answers_rfc3489: true, ..ServerConfig::default() };
    for config in [ServerConfig::default(), signing] {
        assert!(!offer(&mut server(config), served(), &old_request(0), at(0)));
    }
}

#[test]
fn an_agent_takes_requests_without_a_cookie_only_where_a_server_wants_them() {
    let mut agent = Agent::new(entropy(), Instant::ZERO);
    let wants = |local| ServerConfig {
        local: Some(addr(local)),
        answers_rfc3489: local == "192.0.2.1:3478",
        ..ServerConfig::default()
    };
    for local in ["192.0.2.1:3478", "192.0.2.2:3478"] {
        agent.start_server(wants(local), Instant::ZERO).unwrap();
    }
    assert!(offer(&mut agent, served(), &old_request(0), at(0)));
    assert_eq!(transmits(&mut agent).len(), 1);
    for local in ["192.0.2.2:3478", "192.0.2.3:3478"] {
        assert!(!offer(&mut agent, udp(local, "203.0.113.9:4242"), &old_request(0), at(0)), "{local}");
    }
    let wireguard = [&[1, 0, 0, 0][..], &[0xC5; 144]].concat();
    let mut cut = old_request(0);
    cut.pop();
    let mut other = old_request(0);
    other[1] = 2; // a shared secret request
    for bytes in [wireguard, cut, other, vec![0; 20], vec![0, 1, 0, 0]] {
        assert!(!offer(&mut agent, served(), &bytes, at(0)), "{bytes:?}");
    }
    assert_eq!(agent.counters().total(), 0);
}

#[test]
fn response_address_of_rfc_3489_is_refused() {
    let mut bytes = b"\0\x01\0\x0Csixteen-bytes-id\0\x02\0\x08\0\x01\0\x07\xC6\x33\x64\x01".to_vec();
    let mut server = classic(None);
    offer(&mut server, served(), &bytes, at(0));
    let (path, reply) = transmits(&mut server).remove(0);
    assert_eq!((path.remote, &reply[..2]), (served().remote, &[1, 0x11][..]));
    bytes[23] = 9; // an attribute that runs past the end
    assert!(!offer(&mut server, served(), &bytes, at(0)));
}

#[test]
fn a_nonce_lifetime_of_one_second_is_kept() {
    let credentials = Some(realm().with_nonce_lifetime(Duration::ZERO).into());
    let mut server = server(ServerConfig { credentials, ..ServerConfig::default() });
    let nonce = challenge_at(&mut server, served(), at(5_000));
    let signed = SHA256.request(&nonce);
    assert_eq!(code(&ask_from(&mut server, served(), &signed, at(5_999)).unwrap()), 200);
    assert_eq!(code(&ask_from(&mut server, served(), &signed, at(6_000)).unwrap()), 438);
}
