//! The client of the crate `stun-proto`, an implementation of others, against our server in memory: long-term
//! credentials with SHA-256, PASSWORD-ALGORITHMS and USERHASH.
//!
//! That client counts the bits of the nonce cookie from the left, as the text of RFC 8489 s18.1 does; our server
//! writes them at the right, as its example and erratum 6290 do. It takes PASSWORD-ALGORITHMS for what they are
//! nevertheless, so that SHA-256 works; but it sees no anonymity in our nonce and sends USERNAME, even where it
//! was told that anonymity is required. What it would send is written with its codec instead, `stun-types`,
//! which shares no code with ours.

#![allow(missing_docs)]
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use libstun::auth::Realm as ServerRealm;
use libstun::stun::{Budget, Server, ServerConfig};
use libstun::{Entropy, Instant};
use stun_proto::auth::{Feature, LongTermClientAuth, LongTermClientValidation};
use stun_proto::types::attribute::{
    AttributeStaticType as _, ErrorCode, Nonce, PasswordAlgorithm, PasswordAlgorithmValue,
    PasswordAlgorithms, Realm, Userhash, Username, XorMappedAddress,
};
use stun_proto::types::message::{
    BINDING, IntegrityAlgorithm, LongTermCredentials, Message, MessageWrite, MessageWriteExt as _,
    MessageWriteVec,
};
use support::{offer, served, transmits};

const REALM: &str = "example.test";

fn server() -> Server {
    let mut realm = ServerRealm::new(REALM.as_bytes()).unwrap();
    realm.add_user(b"alice", b"s3cret").unwrap();
    // Theirs is the authentication, not the loop that retransmits.
    let budget = Budget { amplification_limit_percent: None, ..Budget::default() };
    let config =
        ServerConfig { credentials: Some(realm.into()), budget: Some(budget), ..ServerConfig::default() };
    Server::new(config, Entropy::from_seed([7; 32]), Instant::ZERO)
}

fn credentials() -> LongTermCredentials {
    LongTermCredentials::new("alice".to_owned(), "s3cret".to_owned())
}

fn client(algorithms: &[IntegrityAlgorithm]) -> LongTermClientAuth {
    let mut client = LongTermClientAuth::new();
    client.set_credentials(credentials());
    client.set_supported_integrity(algorithms[0]);
    algorithms.iter().for_each(|algorithm| client.add_supported_integrity(*algorithm));
    client
}

fn ask(server: &mut Server, request: &[u8], now: Instant) -> Vec<u8> {
    assert!(offer(server, served(), request, now));
    transmits(server).remove(0).1
}

fn request(client: &mut LongTermClientAuth) -> Vec<u8> {
    client.sign_outgoing_message(Message::builder_request(BINDING, MessageWriteVec::new())).unwrap().finish()
}

fn code(reply: &[u8]) -> u16 {
    let message = Message::from_bytes(reply).unwrap();
    message.attribute::<ErrorCode>().map_or(200, |error| error.code())
}

#[test]
fn their_client_is_challenged_and_answered_under_sha256_and_under_md5() {
    let (sha1, sha256) = (IntegrityAlgorithm::Sha1, IntegrityAlgorithm::Sha256);
    for (known, expected) in [(&[sha256][..], sha256), (&[sha1, sha256], sha256), (&[sha1], sha1)] {
        let (mut server, mut client) = (server(), client(known));
        let first = ask(&mut server, &request(&mut client), Instant::ZERO);
        let challenge = Message::from_bytes(&first).unwrap();
        assert_eq!(code(&first), 401);
        let offered = challenge.attribute::<PasswordAlgorithms>().unwrap();
        assert_eq!(offered.algorithms(), [PasswordAlgorithmValue::SHA256, PasswordAlgorithmValue::MD5]);
        let retry = client.validate_incoming_message(&challenge).unwrap();
        assert!(matches!(retry, LongTermClientValidation::ResendRequest(None)));

        let signed = request(&mut client);
        let second = ask(&mut server, &signed, Instant::ZERO);
        let success = Message::from_bytes(&second).unwrap();
        assert_eq!(code(&second), 200, "{known:?}");
        // MD5 was chosen out of the list, so that even its answer is signed with SHA-256 (RFC 8489 s9.2.4); their
        // client knows one HMAC for each key, and cannot check it.
        let validated = client.validate_incoming_message(&success);
        assert_eq!(validated.is_ok(), expected == sha256);
        let address = success.attribute::<XorMappedAddress>().unwrap().addr(success.transaction_id());
        assert_eq!(address, served().remote);
    }
}

#[test]
fn their_client_goes_on_after_438() {
    let (mut server, mut client) = (server(), client(&[IntegrityAlgorithm::Sha256]));
    let challenge = ask(&mut server, &request(&mut client), Instant::ZERO);
    client.validate_incoming_message(&Message::from_bytes(&challenge).unwrap()).unwrap();
    let later = Instant::ZERO.saturating_add(ServerRealm::DEFAULT_NONCE_LIFETIME);
    let stale = ask(&mut server, &request(&mut client), later);
    assert_eq!(code(&stale), 438);
    let retry = client.validate_incoming_message(&Message::from_bytes(&stale).unwrap()).unwrap();
    assert!(matches!(retry, LongTermClientValidation::ResendRequest(None)));
    let success = ask(&mut server, &request(&mut client), later);
    let validated = client.validate_incoming_message(&Message::from_bytes(&success).unwrap()).unwrap();
    assert!(matches!(validated, LongTermClientValidation::Validated(IntegrityAlgorithm::Sha256)));
}

#[test]
fn their_client_with_a_wrong_password_is_refused_for_good() {
    let mut server = server();
    let mut client = LongTermClientAuth::new();
    client.set_credentials(LongTermCredentials::new("alice".to_owned(), "wrong".to_owned()));
    client.add_supported_integrity(IntegrityAlgorithm::Sha256);
    let challenge = ask(&mut server, &request(&mut client), Instant::ZERO);
    client.validate_incoming_message(&Message::from_bytes(&challenge).unwrap()).unwrap();
    let refusal = ask(&mut server, &request(&mut client), Instant::ZERO);
    assert_eq!(code(&refusal), 401);
    assert!(client.validate_incoming_message(&Message::from_bytes(&refusal).unwrap()).is_err());
}

#[test]
fn their_client_sees_no_anonymity_in_our_nonce_and_sends_its_name() {
    let (mut server, mut client) = (server(), client(&[IntegrityAlgorithm::Sha256]));
    client.set_anonymous_username(Feature::Required);
    let challenge = ask(&mut server, &request(&mut client), Instant::ZERO);
    client.validate_incoming_message(&Message::from_bytes(&challenge).unwrap()).unwrap();
    let signed = request(&mut client);
    let message = Message::from_bytes(&signed).unwrap();
    assert!(message.has_attribute(Username::TYPE) && !message.has_attribute(Userhash::TYPE));
}

#[test]
fn a_userhash_of_their_codec_names_our_user_under_either_algorithm() {
    for (choice, algorithm) in [
        (PasswordAlgorithmValue::SHA256, IntegrityAlgorithm::Sha256),
        (PasswordAlgorithmValue::MD5, IntegrityAlgorithm::Sha1),
    ] {
        let mut server = server();
        let plain = Message::builder_request(BINDING, MessageWriteVec::new()).finish();
        let challenge = ask(&mut server, &plain, Instant::ZERO);
        let challenge = Message::from_bytes(&challenge).unwrap();
        let nonce = challenge.attribute::<Nonce>().unwrap();
        let offered = challenge.attribute::<PasswordAlgorithms>().unwrap();
        let mut builder = Message::builder_request(BINDING, MessageWriteVec::new());
        builder.add_attribute(&Userhash::new(Userhash::compute("alice", REALM))).unwrap();
        builder.add_attribute(&Realm::new(REALM).unwrap()).unwrap();
        builder.add_attribute(&nonce).unwrap();
        builder.add_attribute(&offered).unwrap();
        builder.add_attribute(&PasswordAlgorithm::new(choice)).unwrap();
        let key = credentials().to_key(REALM.to_owned()).make_key(algorithm);
        builder.add_message_integrity_with_key(&key, algorithm).unwrap();
        builder.add_fingerprint().unwrap();
        let reply = ask(&mut server, &builder.finish(), Instant::ZERO);
        let success = Message::from_bytes(&reply).unwrap();
        assert_eq!(code(&reply), 200);
        if algorithm == IntegrityAlgorithm::Sha256 {
            assert!(success.validate_integrity_with_key(&key).is_ok());
        }
    }
}
