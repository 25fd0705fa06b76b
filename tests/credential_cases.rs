//! The adversarial cases of long-term credentials and redirections, at a Binding: one test each, named as a
//! sentence, with the number of the case. The rules behind them, one by one, are in `src/auth/long_term`.

#![allow(missing_docs)]
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::time::Duration;

use libstun::auth::{AuthFailure, LongTerm};
use libstun::stun::binding::{FailureReason, RedirectRefusal};
use libstun::stun::{Binding, BindingConfig, BindingEvent, RedirectPolicy};
use libstun::wire::attribute::{
    AlternateDomain, AlternateServer, AttributeType, ErrorCode, Nonce, PasswordAlgorithm, PasswordAlgorithms,
    Realm, Userhash, Username, XorMappedAddress,
};
use libstun::wire::{Class, Integrity, IntegrityAlgorithm, Key, Message, Method, TransactionId};
use libstun::{DropReason, Entropy, FiveTuple, Instant, Machine, Transport, WakeReason};
use support::{MAPPED, addr, asked, at, error, events, id_of, message, offer, success, transmits};

const NAME: &str = "alice";
const SECRET: &str = "correct horse battery staple";
const REALM: &[u8] = b"example.org";
const ALGORITHMS: &[u8] = b"obMatJos2AAAB-one";
const LIST: &[PasswordAlgorithm<'_>] = &[PasswordAlgorithm::SHA256, PasswordAlgorithm::MD5];
const RETRY_AT: Instant = Instant::from_millis(10);

fn user() -> LongTerm {
    LongTerm::new(NAME, SECRET).unwrap()
}

fn config(user: LongTerm) -> BindingConfig {
    BindingConfig { credentials: Some(user.into()), ..BindingConfig::once(asked()) }
}

fn binding(config: BindingConfig) -> Binding {
    Binding::new(config, Entropy::from_seed([7; 32]), Instant::ZERO).unwrap()
}

fn sha256_key(realm: &[u8]) -> Key {
    Key::long_term_sha256(NAME.as_bytes(), realm, SECRET.as_bytes())
}

fn md5_key(realm: &[u8]) -> Key {
    Key::long_term_md5(NAME.as_bytes(), realm, SECRET.as_bytes())
}

/// A 401 or 438.
fn challenge(
    id: TransactionId,
    code: u16,
    realm: &[u8],
    nonce: &[u8],
    list: Option<&[PasswordAlgorithm<'_>]>,
) -> Vec<u8> {
    message(Class::ErrorResponse, Method::BINDING, id, |builder| {
        builder.add(&ErrorCode { code, reason: b"" }).unwrap();
        builder.add_raw(AttributeType::REALM, realm).unwrap();
        builder.add_raw(AttributeType::NONCE, nonce).unwrap();
        if let Some(list) = list {
            builder.add(&PasswordAlgorithms::from_list(list)).unwrap();
        }
    })
}

fn redirection(id: TransactionId, servers: &[&str], key: Option<&Key>) -> Vec<u8> {
    message(Class::ErrorResponse, Method::BINDING, id, |builder| {
        builder.add(&ErrorCode { code: 300, reason: b"" }).unwrap();
        servers.iter().for_each(|server| builder.add(&AlternateServer(addr(server))).unwrap());
        builder.add(&AlternateDomain(b"other.example.org")).unwrap();
        if let Some(key) = key {
            builder.sign_sha256(key).unwrap();
        }
    })
}

/// What was sent since, which is one request.
fn one_request(binding: &mut Binding) -> (FiveTuple, Vec<u8>) {
    let mut sent = transmits(binding);
    assert_eq!(sent.len(), 1, "one request");
    sent.remove(0)
}

fn answer(binding: &mut Binding, bytes: &[u8], now: Instant) {
    let path = *binding.path();
    offer(binding, path, bytes, now);
}

/// Challenges the first request; gives the retry.
fn challenged(
    binding: &mut Binding,
    realm: &[u8],
    nonce: &[u8],
    list: Option<&[PasswordAlgorithm<'_>]>,
) -> Vec<u8> {
    let (_, first) = one_request(binding);
    answer(binding, &challenge(id_of(&first), 401, realm, nonce, list), RETRY_AT);
    one_request(binding).1
}

/// A binding that refreshes, whose session has worked: it has just sent its second request.
fn refreshing() -> (Binding, TransactionId) {
    let mut binding = binding(BindingConfig { refresh: Some(Duration::from_secs(25)), ..config(user()) });
    let retry = challenged(&mut binding, REALM, ALGORITHMS, Some(LIST));
    answer(&mut binding, &success(id_of(&retry), MAPPED, Some(&sha256_key(REALM))), at(20));
    assert!(matches!(events(&mut binding)[..], [BindingEvent::Mapped { .. }]));
    let due = wake(&mut binding);
    assert_eq!(due, at(25_010), "an interval after the request that was answered");
    let id = id_of(&one_request(&mut binding).1);
    (binding, id)
}

fn wake(binding: &mut Binding) -> Instant {
    let due = binding.poll_timeout().unwrap();
    binding.handle_timeout(due);
    due
}

/// Sleeps exactly to each deadline until something has happened; says when, what, and how much was sent.
fn run_out(binding: &mut Binding) -> (Instant, Vec<BindingEvent>, usize) {
    let (mut now, mut sent) = (Instant::ZERO, 0);
    loop {
        sent += transmits(binding).len();
        let told = events(binding);
        if !told.is_empty() {
            return (now, told, sent);
        }
        now = wake(binding);
    }
}

fn failed(failure: AuthFailure) -> BindingEvent {
    BindingEvent::Failed { reason: FailureReason::Authentication { failure } }
}

#[test]
fn a_challenge_is_met_under_a_new_id_and_the_session_is_kept_for_the_next_request() {
    let mut binding = binding(BindingConfig { refresh: Some(Duration::from_secs(25)), ..config(user()) });
    let (_, first) = one_request(&mut binding);
    let first = Message::parse(&first).unwrap();
    assert_eq!(first.attributes().count(), 1, "FINGERPRINT");
    answer(&mut binding, &challenge(first.transaction_id(), 401, REALM, ALGORITHMS, Some(LIST)), at(10));
    assert!(events(&mut binding).is_empty());
    let (_, retry) = one_request(&mut binding);
    assert_ne!(id_of(&retry), first.transaction_id());
    assert_eq!(
        Message::parse(&retry).unwrap().check_integrity(IntegrityAlgorithm::Sha256, &sha256_key(REALM)),
        Integrity::Valid
    );
    answer(&mut binding, &success(id_of(&retry), MAPPED, Some(&sha256_key(REALM))), at(30));
    let (address, rtt) = (addr(MAPPED), Some(Duration::from_millis(20)));
    assert_eq!(events(&mut binding), [BindingEvent::Mapped { address, rtt }]);
    wake(&mut binding);
    let (_, next) = one_request(&mut binding);
    let next = Message::parse(&next).unwrap();
    assert_eq!((next.get(), next.get()), (Ok(Some(Nonce(ALGORITHMS))), Ok(Some(Realm(REALM)))));
    assert_eq!(next.check_integrity(IntegrityAlgorithm::Sha256, &sha256_key(REALM)), Integrity::Valid);
}

/// Case 34, for long-term credentials: what was not sent is not accepted.
#[test]
fn a_response_signed_otherwise_than_its_request_is_discarded() {
    let mut binding = binding(config(user()));
    let retry = challenged(&mut binding, REALM, ALGORITHMS, Some(LIST));
    let weaker = message(Class::SuccessResponse, Method::BINDING, id_of(&retry), |builder| {
        builder.add(&XorMappedAddress(addr(MAPPED))).unwrap();
        builder.sign(&sha256_key(REALM)).unwrap();
    });
    answer(&mut binding, &weaker, at(20));
    assert!(events(&mut binding).is_empty());
    answer(&mut binding, &success(id_of(&retry), MAPPED, Some(&sha256_key(REALM))), at(30));
    assert!(matches!(events(&mut binding)[..], [BindingEvent::Mapped { .. }]));
}

/// Case 35, for long-term credentials.
#[test]
fn unsigned_replies_only_end_as_a_violated_integrity_and_not_as_silence() {
    let mut binding = binding(config(user()));
    let retry = challenged(&mut binding, REALM, ALGORITHMS, Some(LIST));
    answer(&mut binding, &error(id_of(&retry), 400, None), at(20));
    answer(&mut binding, &success(id_of(&retry), MAPPED, None), at(30));
    answer(&mut binding, &error(id_of(&retry), 500, None), at(40));
    let (end, told, sent) = run_out(&mut binding);
    let reason = FailureReason::IntegrityViolated { code: 500, count: 3 };
    assert_eq!((end, told, sent), (at(39_510), vec![BindingEvent::Failed { reason }], 6));
    assert_eq!(binding.counters().dropped(DropReason::Unauthenticated), 3);
}

/// Case 36, once credentials exist.
#[test]
fn forged_replies_before_the_true_one_change_nothing() {
    let wrong = Key::short_term(b"guess");
    let forged: [fn(TransactionId) -> Vec<u8>; 9] = [
        |id| success(id, "198.51.100.66:1", None),
        |id| success(id, "198.51.100.66:1", Some(&Key::short_term(b"guess"))),
        |id| error(id, 420, None),
        |id| error(id, 500, None),
        |id| redirection(id, &["198.51.100.66:3478"], None),
        |id| challenge(id, 401, REALM, b"obMatJos2AAABforged", Some(LIST)),
        |id| challenge(id, 401, b"evil", b"obMatJos2AAABforged", Some(LIST)),
        |id| challenge(id, 438, REALM, b"obMatJos2AAABforged", Some(LIST)),
        |id| challenge(id, 438, REALM, b"bid-down", None),
    ];
    for forge in forged {
        let (mut binding, id) = refreshing();
        answer(&mut binding, &forge(id), at(25_011));
        for (_, retry) in transmits(&mut binding) {
            answer(&mut binding, &success(id_of(&retry), "198.51.100.66:1", Some(&wrong)), at(25_012));
        }
        assert!(events(&mut binding).is_empty());
        answer(&mut binding, &success(id, MAPPED, Some(&sha256_key(REALM))), at(25_020));
        let (address, rtt) = (addr(MAPPED), Some(Duration::from_millis(10)));
        assert_eq!(events(&mut binding), [BindingEvent::Refreshed { address, rtt }]);
        assert_eq!((binding.poll_timeout(), binding.path().remote), (Some(at(50_010)), asked().remote));
        wake(&mut binding);
        let (_, next) = one_request(&mut binding);
        assert_eq!(Message::parse(&next).unwrap().get(), Ok(Some(Nonce(ALGORITHMS))), "and leave no trace");
    }
}

/// Case 36: while a forged challenge is being met, the original is still sent again.
#[test]
fn the_original_is_retransmitted_beside_the_retry_that_a_forged_challenge_has_caused() {
    let (mut binding, id) = refreshing();
    answer(&mut binding, &challenge(id, 438, REALM, b"obMatJos2AAABforged", Some(LIST)), at(25_100));
    let retry = id_of(&one_request(&mut binding).1);
    assert_ne!(retry, id);
    assert_eq!(wake(&mut binding), at(25_510));
    assert_eq!(id_of(&one_request(&mut binding).1), id);
    assert_eq!(wake(&mut binding), at(25_600));
    assert_eq!(id_of(&one_request(&mut binding).1), retry);
    answer(&mut binding, &success(id, MAPPED, Some(&sha256_key(REALM))), at(25_700));
    assert!(matches!(events(&mut binding)[..], [BindingEvent::Refreshed { .. }]));
    let late = success(retry, "198.51.100.66:1", Some(&sha256_key(REALM)));
    let path = *binding.path();
    assert!(!offer(&mut binding, path, &late, at(25_800)), "the retry has ended with it");
}

/// Case 38.
#[test]
fn a_401_for_the_same_realm_and_credentials_gets_no_third_request_and_a_quick_end() {
    let mut binding = binding(config(user()));
    let retry = challenged(&mut binding, REALM, ALGORITHMS, Some(LIST));
    answer(&mut binding, &challenge(id_of(&retry), 401, REALM, b"obMatJos2AAAB-two", Some(LIST)), at(20));
    assert_eq!(binding.poll_timeout(), Some(at(20).saturating_add(Binding::REJECTION_GRACE)));
    let (end, told, sent) = run_out(&mut binding);
    assert_eq!((end, told, sent), (at(2_020), vec![failed(AuthFailure::Rejected)], 0));
    assert_eq!(AuthFailure::Rejected.to_string(), "the server rejects the credentials");
}

/// Case 38: nobody signed the 401.
#[test]
fn during_the_grace_after_an_unsigned_rejection_the_true_reply_still_wins() {
    let mut binding = binding(config(user()));
    let retry = challenged(&mut binding, REALM, ALGORITHMS, Some(LIST));
    for millis in [20, 900, 1_900] {
        let forged = challenge(id_of(&retry), 401, REALM, b"obMatJos2AAAB-two", Some(LIST));
        answer(&mut binding, &forged, at(millis));
        assert_eq!(binding.poll_timeout(), Some(at(2_020)), "repeating it does not prolong the wait");
    }
    answer(&mut binding, &success(id_of(&retry), MAPPED, Some(&sha256_key(REALM))), at(2_019));
    assert!(matches!(events(&mut binding)[..], [BindingEvent::Mapped { .. }]));
}

/// Case 38: credentials that have worked are tried again later.
#[test]
fn a_binding_that_has_been_accepted_outlives_an_unsigned_rejection() {
    let (mut binding, id) = refreshing();
    answer(&mut binding, &challenge(id, 401, REALM, b"obMatJos2AAAB-two", Some(LIST)), at(25_020));
    let (end, told, _) = run_out(&mut binding);
    let reason = FailureReason::Authentication { failure: AuthFailure::Rejected };
    assert!(
        end == at(27_020)
            && matches!(told[..], [BindingEvent::Retrying { reason: why, .. }] if why == reason)
    );
}

/// Case 39.
#[test]
fn a_nonce_that_is_always_stale_is_answered_three_times_for_each_request() {
    let (mut binding, mut id) = refreshing();
    let mut now = at(25_020);
    for refresh in 0..2 {
        for round in 0..3 {
            let nonce = format!("obMatJos2AAAB-{refresh}-{round}");
            answer(&mut binding, &challenge(id, 438, REALM, nonce.as_bytes(), Some(LIST)), now);
            let (_, retry) = one_request(&mut binding);
            assert_eq!(Message::parse(&retry).unwrap().get(), Ok(Some(Nonce(nonce.as_bytes()))));
            id = id_of(&retry);
        }
        if refresh == 0 {
            answer(&mut binding, &success(id, MAPPED, Some(&sha256_key(REALM))), now);
            assert_eq!(events(&mut binding).len(), 1);
            now = wake(&mut binding);
            id = id_of(&one_request(&mut binding).1);
        }
    }
    answer(&mut binding, &challenge(id, 438, REALM, b"obMatJos2AAAB-fourth", Some(LIST)), now);
    assert!(transmits(&mut binding).is_empty());
    let reason = FailureReason::Authentication { failure: AuthFailure::TooManyChallenges };
    let (_, told, _) = run_out(&mut binding);
    assert!(matches!(told[..], [BindingEvent::Retrying { reason: why, .. }] if why == reason), "{told:?}");
    wake(&mut binding);
    let again = id_of(&one_request(&mut binding).1);
    answer(&mut binding, &challenge(again, 438, REALM, b"obMatJos2AAAB-anew", Some(LIST)), now);
    assert_eq!(transmits(&mut binding).len(), 1, "the next request is another one");
}

/// Case 40.
#[test]
fn a_438_without_nonce_or_realm_or_with_the_same_nonce_fails_and_says_which() {
    let bare = |id, nonce: bool, realm: bool| {
        message(Class::ErrorResponse, Method::BINDING, id, |builder| {
            builder.add(&ErrorCode { code: 438, reason: b"" }).unwrap();
            if nonce {
                builder.add(&Nonce(b"fresh")).unwrap();
            }
            if realm {
                builder.add(&Realm(REALM)).unwrap();
            }
        })
    };
    for (which, failure) in
        [AuthFailure::NoNonce, AuthFailure::NoRealm, AuthFailure::SameNonce].into_iter().enumerate()
    {
        let mut binding = binding(config(user()));
        let id = id_of(&challenged(&mut binding, REALM, ALGORITHMS, Some(LIST)));
        let reply = match which {
            0 => bare(id, false, true),
            1 => bare(id, true, false),
            _ => challenge(id, 438, REALM, ALGORITHMS, Some(LIST)),
        };
        answer(&mut binding, &reply, at(20));
        let (end, told, sent) = run_out(&mut binding);
        assert_eq!((end, told, sent), (at(2_020), vec![failed(failure)], 0));
    }
}

/// Case 41.
#[test]
fn an_unsigned_challenge_with_a_new_realm_serves_the_retry_only() {
    let (mut binding, id) = refreshing();
    answer(&mut binding, &challenge(id, 401, b"evil", b"obMatJos2AAABevil", Some(LIST)), at(25_020));
    let (_, retry) = one_request(&mut binding);
    assert_eq!(Message::parse(&retry).unwrap().get(), Ok(Some(Realm(b"evil"))));
    let (_, told, _) = run_out(&mut binding);
    assert!(
        matches!(
            told[..],
            [BindingEvent::Retrying { reason: FailureReason::IntegrityViolated { code: 401, count: 1 }, .. }]
        ),
        "{told:?}"
    );
    wake(&mut binding);
    let (_, next) = one_request(&mut binding);
    let next = Message::parse(&next).unwrap();
    assert_eq!((next.get(), next.get()), (Ok(Some(Realm(REALM))), Ok(Some(Nonce(ALGORITHMS)))));
}

/// Case 41: the server itself was slower than whoever forged the first challenge.
#[test]
fn a_signed_challenge_takes_the_place_of_the_retry_that_an_unsigned_one_has_caused() {
    let (mut binding, id) = refreshing();
    answer(&mut binding, &challenge(id, 401, b"evil", b"obMatJos2AAABevil", Some(LIST)), at(25_020));
    let evil = id_of(&one_request(&mut binding).1);
    let again = challenge(evil, 401, b"evil", b"obMatJos2AAABevil", Some(LIST));
    answer(&mut binding, &again, at(25_021));
    let signed = message(Class::ErrorResponse, Method::BINDING, id, |builder| {
        builder.add(&ErrorCode { code: 438, reason: b"" }).unwrap();
        builder.add(&Realm(REALM)).unwrap();
        builder.add(&Nonce(b"obMatJos2AAABfresh")).unwrap();
        builder.add(&PasswordAlgorithms::from_list(LIST)).unwrap();
        builder.sign_sha256(&sha256_key(REALM)).unwrap();
    });
    answer(&mut binding, &signed, at(25_022));
    let (_, retry) = one_request(&mut binding);
    assert_eq!(Message::parse(&retry).unwrap().get(), Ok(Some(Nonce(b"obMatJos2AAABfresh"))));
    let path = *binding.path();
    assert!(!offer(&mut binding, path, &success(evil, MAPPED, Some(&sha256_key(b"evil"))), at(25_030)));
    binding.handle_timeout(at(27_100));
    answer(&mut binding, &success(id_of(&retry), MAPPED, Some(&sha256_key(REALM))), at(27_200));
    assert!(matches!(events(&mut binding)[..], [BindingEvent::Refreshed { .. }]));
}

/// Case 41: a forged challenge whose retry has been rejected does not keep the true one from being met.
#[test]
fn after_a_forged_challenge_has_led_nowhere_the_next_one_is_met() {
    let (mut binding, id) = refreshing();
    answer(&mut binding, &challenge(id, 401, b"evil", b"obMatJos2AAABevil", Some(LIST)), at(25_020));
    let evil = id_of(&one_request(&mut binding).1);
    answer(&mut binding, &challenge(evil, 401, b"evil", b"obMatJos2AAABevil", Some(LIST)), at(25_021));
    answer(&mut binding, &challenge(id, 438, REALM, b"obMatJos2AAABearly", Some(LIST)), at(25_022));
    assert!(transmits(&mut binding).is_empty(), "one retry at a time");
    binding.handle_timeout(at(27_021));
    transmits(&mut binding);
    answer(&mut binding, &challenge(id, 438, REALM, b"obMatJos2AAABfresh", Some(LIST)), at(27_100));
    let (_, retry) = one_request(&mut binding);
    assert_eq!(Message::parse(&retry).unwrap().get(), Ok(Some(Nonce(b"obMatJos2AAABfresh"))));
    answer(&mut binding, &success(id_of(&retry), MAPPED, Some(&sha256_key(REALM))), at(27_200));
    assert!(matches!(events(&mut binding)[..], [BindingEvent::Refreshed { .. }]));
}

/// Case 41: a server that has really moved.
#[test]
fn a_new_realm_whose_retry_succeeds_takes_over_with_a_key_of_its_own() {
    let (mut binding, id) = refreshing();
    answer(&mut binding, &challenge(id, 401, b"new.org", b"obMatJos2AAABnew", Some(LIST)), at(25_020));
    let (_, retry) = one_request(&mut binding);
    answer(&mut binding, &success(id_of(&retry), MAPPED, Some(&sha256_key(b"new.org"))), at(25_030));
    assert!(matches!(events(&mut binding)[..], [BindingEvent::Refreshed { .. }]));
    wake(&mut binding);
    let (_, next) = one_request(&mut binding);
    let next = Message::parse(&next).unwrap();
    assert_eq!(next.get(), Ok(Some(Realm(b"new.org"))));
    assert_eq!(next.check_integrity(IntegrityAlgorithm::Sha256, &sha256_key(b"new.org")), Integrity::Valid);
}

/// Case 42.
#[test]
fn a_promised_list_of_algorithms_that_is_missing_stops_the_retry_and_voids_other_replies() {
    for nonce in [&b"obMatJos2AAABx"[..], b"obMatJos2gAAAx"] {
        let mut binding = binding(config(user()));
        let (_, first) = one_request(&mut binding);
        answer(&mut binding, &challenge(id_of(&first), 401, REALM, nonce, None), at(10));
        let stripped = message(Class::SuccessResponse, Method::BINDING, id_of(&first), |builder| {
            builder.add(&XorMappedAddress(addr(MAPPED))).unwrap();
            builder.add(&Nonce(nonce)).unwrap();
        });
        answer(&mut binding, &stripped, at(20));
        assert_eq!(binding.counters().dropped(DropReason::Unauthenticated), 1);
        let (end, told, sent) = run_out(&mut binding);
        assert_eq!((end, told, sent), (at(2_010), vec![failed(AuthFailure::BidDown)], 0));
    }
}

/// Case 42: whoever took the list out was quicker than the server.
#[test]
fn after_a_stripped_challenge_the_true_one_is_still_met() {
    let mut binding = binding(config(user()));
    let (_, first) = one_request(&mut binding);
    answer(&mut binding, &challenge(id_of(&first), 401, REALM, ALGORITHMS, None), at(10));
    answer(&mut binding, &challenge(id_of(&first), 401, REALM, ALGORITHMS, Some(LIST)), at(20));
    let (_, retry) = one_request(&mut binding);
    answer(&mut binding, &success(id_of(&retry), MAPPED, Some(&sha256_key(REALM))), at(30));
    assert!(matches!(events(&mut binding)[..], [BindingEvent::Mapped { .. }]));
}

/// Case 42: and what was forged is not the reason if the server then falls silent.
#[test]
fn a_stripped_challenge_is_forgotten_once_the_true_one_is_met() {
    let mut binding = binding(config(user()));
    let (_, first) = one_request(&mut binding);
    answer(&mut binding, &challenge(id_of(&first), 401, REALM, ALGORITHMS, None), at(10));
    answer(&mut binding, &challenge(id_of(&first), 401, REALM, ALGORITHMS, Some(LIST)), at(20));
    let (end, told, _) = run_out(&mut binding);
    let reason = FailureReason::Timeout;
    assert_eq!((end, told), (at(39_520), vec![BindingEvent::Failed { reason }]));
}

/// Case 43. Somebody on the path takes SHA-256 out of the challenge, cookie and all.
#[test]
fn a_stripped_sha256_is_refused_by_policy_and_otherwise_leaves_the_400_of_the_server_unheard() {
    let mut strict = binding(config(user().require_sha256()));
    let (_, first) = one_request(&mut strict);
    for list in [None, Some(&[PasswordAlgorithm::MD5][..])] {
        answer(&mut strict, &challenge(id_of(&first), 401, REALM, b"stripped", list), at(10));
    }
    let (_, told, sent) = run_out(&mut strict);
    assert_eq!((told, sent), (vec![failed(AuthFailure::Sha256NotOffered)], 0));

    let mut lenient = binding(config(user()));
    let retry = challenged(&mut lenient, REALM, b"obMatJos2AAAAstripped", None);
    assert_eq!(
        Message::parse(&retry).unwrap().check_integrity(IntegrityAlgorithm::Sha1, &md5_key(REALM)),
        Integrity::Valid
    );
    answer(&mut lenient, &error(id_of(&retry), 400, None), at(20));
    let (_, told, _) = run_out(&mut lenient);
    let reason = FailureReason::IntegrityViolated { code: 400, count: 1 };
    assert_eq!(told, [BindingEvent::Failed { reason }]);
}

/// One row of `vectors/nonce_cookie.json`.
fn nonce_vectors(table: &str) -> Vec<(Vec<u8>, serde_json::Value)> {
    let all: serde_json::Value = serde_json::from_str(include_str!("vectors/nonce_cookie.json")).unwrap();
    let rows = all[table].as_array().unwrap();
    rows.iter().map(|row| (nonce_of(row), row.clone())).collect()
}

fn nonce_of(row: &serde_json::Value) -> Vec<u8> {
    if let Some(length) = row["nonce_len"].as_u64() {
        return vec![b'n'; length as usize];
    }
    if let Some(hex) = row["nonce_hex"].as_str() {
        return support::unhex(hex);
    }
    row["nonce_utf8"].as_str().or(row["prefix"].as_str()).unwrap().as_bytes().to_vec()
}

/// Cases 44 and 45.
#[test]
fn hostile_nonces_are_echoed_to_the_byte_or_refused_through_a_whole_exchange() {
    let vectors = nonce_vectors("hostile");
    assert_eq!(vectors.len(), 9);
    for (nonce, row) in vectors {
        let expected = row["expect"].as_str().unwrap();
        let mut binding = binding(config(user()));
        let (_, first) = one_request(&mut binding);
        answer(&mut binding, &challenge(id_of(&first), 401, REALM, &nonce, None), at(10));
        if expected.contains("reject") {
            let (_, told, sent) = run_out(&mut binding);
            assert_eq!((told, sent), (vec![failed(AuthFailure::NoNonce)], 0), "{expected}");
            continue;
        }
        let (_, retry) = one_request(&mut binding);
        let message = Message::parse(&retry).unwrap();
        assert_eq!(message.find(AttributeType::NONCE).unwrap().value, nonce, "{expected}");
        assert_eq!(message.get(), Ok(Some(Username(NAME.as_bytes()))), "no cookie, no anonymity: {expected}");
        let reply = message_signed_sha1(id_of(&retry));
        answer(&mut binding, &reply, at(20));
        assert!(matches!(events(&mut binding)[..], [BindingEvent::Mapped { .. }]), "{expected}");
    }
}

fn message_signed_sha1(id: TransactionId) -> Vec<u8> {
    message(Class::SuccessResponse, Method::BINDING, id, |builder| {
        builder.add(&XorMappedAddress(addr(MAPPED))).unwrap();
        builder.sign(&md5_key(REALM)).unwrap();
    })
}

/// Case 44: what a cookie says in either order of its bits decides what is sent.
#[test]
fn a_cookie_is_heeded_in_either_order_of_its_bits() {
    let vectors = nonce_vectors("rows");
    assert_eq!(vectors.len(), 7);
    for (nonce, row) in vectors {
        let says = |feature: &str| {
            ["lsb_first", "msb_first"].iter().any(|order| {
                let said = row[order].as_str().unwrap();
                said == feature || said == "both"
            })
        };
        let mut binding = binding(config(user()));
        let (_, first) = one_request(&mut binding);
        answer(&mut binding, &challenge(id_of(&first), 401, REALM, &nonce, None), at(10));
        assert_eq!(transmits(&mut binding).is_empty(), says("password-algorithms"), "{row}");
        answer(&mut binding, &challenge(id_of(&first), 401, REALM, &nonce, Some(LIST)), at(20));
        if says("password-algorithms") {
            let (_, retry) = one_request(&mut binding);
            let retry = Message::parse(&retry).unwrap();
            assert_eq!(retry.get::<Userhash>().unwrap().is_some(), says("username-anonymity"), "{row}");
            assert_eq!(retry.get::<Username<'_>>().unwrap().is_none(), says("username-anonymity"), "{row}");
        }
    }
}

/// Case 45.
#[test]
fn realms_and_nonces_that_grow_are_kept_up_to_763_bytes_and_no_longer() {
    let mut binding = binding(config(user()));
    let (_, mut request) = one_request(&mut binding);
    for length in [100, 508, 763] {
        let (realm, nonce) = (vec![b'r'; length], vec![b'n'; length]);
        answer(&mut binding, &challenge(id_of(&request), 401, &realm, &nonce, None), at(10));
        request = one_request(&mut binding).1;
        let retry = Message::parse(&request).unwrap();
        assert_eq!((retry.get(), retry.get()), (Ok(Some(Realm(&realm))), Ok(Some(Nonce(&nonce)))));
    }
    answer(&mut binding, &challenge(id_of(&request), 438, &[b'r'; 764], &[b'n'; 764], None), at(10));
    let (_, told, sent) = run_out(&mut binding);
    assert_eq!((told, sent), (vec![failed(AuthFailure::NoRealm)], 0));
}

/// Case 46, as far as a server of short-term credentials goes.
#[test]
fn a_signed_request_that_names_nobody_is_a_bad_request() {
    use libstun::auth::ShortTerm;
    use libstun::stun::{Server, ServerConfig};
    let credentials = ShortTerm::new(support::USER, support::PASSWORD).ok().map(Into::into);
    let mut server = Server::new(
        ServerConfig { credentials, ..ServerConfig::default() },
        Entropy::from_seed([9; 32]),
        Instant::ZERO,
    );
    let bytes = support::request(TransactionId::new([1; 12]), |builder| {
        builder.sign_sha256(&Key::short_term(support::PASSWORD)).unwrap();
    });
    offer(&mut server, support::served(), &bytes, Instant::ZERO);
    let (_, reply) = transmits(&mut server).remove(0);
    assert_eq!(Message::parse(&reply).unwrap().get::<ErrorCode<'_>>().unwrap().unwrap().code, 400);
}

/// Case 47, for long-term credentials.
#[test]
fn a_long_term_password_stands_in_no_debug_output() {
    let (binding, _) = refreshing();
    let shown = format!("{binding:?} {:?} {:?}", user(), config(user()));
    assert!(!shown.contains(SECRET) && !shown.contains(&format!("{:?}", SECRET.as_bytes())));
    assert!(!shown.contains("obMatJos2") && shown.contains(r#"username: "alice""#));
}

/// Case 49, at the vector itself: the raw password makes another key than the one that SASLprep prepared.
#[cfg(feature = "precis")]
#[test]
fn the_raw_password_of_rfc_5769_does_not_sign_its_vector() {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("vectors/rfc5769.json")).unwrap();
    let vector = vectors["vectors"]
        .as_array()
        .unwrap()
        .iter()
        .find(|v| v["name"].as_str().unwrap().contains("2.4"))
        .unwrap();
    let hex = vector["hex"].as_str().unwrap();
    let bytes: Vec<u8> = support::unhex(hex);
    let message = Message::parse(&bytes).unwrap();
    let (user, realm) =
        (message.get::<Username<'_>>().unwrap().unwrap(), message.get::<Realm<'_>>().unwrap().unwrap());
    let raw = "The\u{AD}M\u{AA}tr\u{2168}";
    assert!(libstun::auth::opaque_string(raw).is_err());
    let opaque = libstun::auth::opaque_string("TheM\u{AA}tr\u{2168}").unwrap();
    let check = |password: &str| {
        let key = Key::long_term_md5(user.0, realm.0, password.as_bytes());
        message.check_integrity(IntegrityAlgorithm::Sha1, &key)
    };
    assert_eq!(
        (check("TheMatrIX"), check(&opaque), check(raw)),
        (Integrity::Valid, Integrity::Invalid, Integrity::Invalid)
    );
}

/// Every entry of `vectors/rfc8489_b1.json`, by the default policy: the full 32 bytes or nothing.
#[test]
fn the_samples_of_rfc_8489_verify_or_are_rejected_as_their_vectors_say() {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("vectors/rfc8489_b1.json")).unwrap();
    let vectors = vectors["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 11);
    for vector in vectors {
        let (name, bytes) =
            (vector["name"].as_str().unwrap(), support::unhex(vector["hex"].as_str().unwrap()));
        let key = Key::from_bytes(&support::unhex(vector["hmac_key_hex"].as_str().unwrap()));
        let expected = vector["expect"]["MESSAGE-INTEGRITY-SHA256"].as_str().unwrap();
        let is_refused = expected.starts_with("malformed")
            || vector["expect"]["parse"].as_str().is_some_and(|text| text.starts_with("error"));
        let Ok(message) = Message::parse(&bytes) else {
            assert!(is_refused, "{name}");
            continue;
        };
        assert!(!is_refused, "{name}");
        let is_valid = message.check_integrity(IntegrityAlgorithm::Sha256, &key) == Integrity::Valid;
        assert_eq!(is_valid, expected == "valid" || expected.ends_with(": valid"), "{name}: {expected}");
    }
}

/// Case 57.
#[test]
fn a_redirection_is_followed_with_the_same_credentials() {
    let mut binding = binding(config(user()));
    let (_, first) = one_request(&mut binding);
    let reply = redirection(id_of(&first), &["[2001:db8::2]:3478", "192.0.2.2:3479"], None);
    answer(&mut binding, &reply, at(10));
    let (from, server) = (asked().remote, addr("192.0.2.2:3479"));
    assert_eq!(events(&mut binding), [BindingEvent::Redirected { from, server, awaits_answer: false }]);
    assert_eq!((binding.path().remote, binding.alternate_domain()), (server, Some("other.example.org")));
    let (path, second) = one_request(&mut binding);
    assert_eq!(path, FiveTuple { remote: server, ..asked() });
    answer(&mut binding, &challenge(id_of(&second), 401, REALM, ALGORITHMS, Some(LIST)), at(20));
    let (_, retry) = one_request(&mut binding);
    answer(&mut binding, &success(id_of(&retry), MAPPED, Some(&sha256_key(REALM))), at(30));
    assert!(matches!(events(&mut binding)[..], [BindingEvent::Mapped { .. }]));
}

/// Case 57: once credentials exist only the server itself can redirect.
#[test]
fn a_signed_redirection_is_followed_and_begins_without_the_old_session() {
    let (mut binding, id) = refreshing();
    answer(&mut binding, &redirection(id, &["192.0.2.2:3479"], Some(&sha256_key(REALM))), at(25_020));
    assert!(matches!(events(&mut binding)[..], [BindingEvent::Redirected { .. }]));
    let (path, first) = one_request(&mut binding);
    assert_eq!(path.remote, addr("192.0.2.2:3479"));
    assert!(Message::parse(&first).unwrap().find(AttributeType::NONCE).is_none(), "RFC 8489 s9.2.3.1");
}

/// Case 57.
#[test]
fn redirections_to_nowhere_in_circles_or_without_end_are_refused() {
    let refused = |servers: &[&str]| {
        let mut binding = binding(BindingConfig::once(asked()));
        let (_, first) = one_request(&mut binding);
        answer(&mut binding, &redirection(id_of(&first), servers, None), at(10));
        assert!(transmits(&mut binding).is_empty());
        events(&mut binding)
    };
    let failure = |refusal| vec![BindingEvent::Failed { reason: FailureReason::Redirected { refusal } }];
    for server in [
        "127.0.0.1:3478",
        "224.0.0.1:3478",
        "192.0.2.2:0",
        "169.254.0.1:3478",
        "0.0.0.0:3478",
        "255.255.255.255:1",
    ] {
        assert_eq!(refused(&[server]), failure(RedirectRefusal::UnusableAddress), "{server}");
    }
    assert_eq!(refused(&["[2001:db8::2]:3478"]), failure(RedirectRefusal::OtherFamily));
    assert_eq!(refused(&["192.0.2.1:3478"]), failure(RedirectRefusal::Loop));
    let reason = FailureReason::ErrorResponse { code: 300 };
    assert_eq!(refused(&[]), [BindingEvent::Failed { reason }]);

    let mut chained = binding(BindingConfig::once(asked()));
    for next in ["192.0.2.2:3478", "192.0.2.3:3478", "192.0.2.4:3478", "192.0.2.5:3478", "192.0.2.6:3478"] {
        let (_, request) = one_request(&mut chained);
        answer(&mut chained, &redirection(id_of(&request), &[next], None), at(10));
    }
    assert_eq!(events(&mut chained).last(), failure(RedirectRefusal::TooMany).last());
}

/// Case 57: the limit is for one request.
#[test]
fn a_request_after_too_many_redirections_may_be_redirected_again() {
    let mut binding = binding(BindingConfig::new(asked()));
    let redirect = |binding: &mut Binding, next: &str| {
        let (_, request) = one_request(binding);
        answer(binding, &redirection(id_of(&request), &[next], None), at(10));
        events(binding).pop().unwrap()
    };
    for number in 2..6 {
        let told = redirect(&mut binding, &format!("192.0.2.{number}:3478"));
        assert!(matches!(told, BindingEvent::Redirected { .. }));
    }
    let told = redirect(&mut binding, "192.0.2.6:3478");
    let reason = FailureReason::Redirected { refusal: RedirectRefusal::TooMany };
    assert!(matches!(told, BindingEvent::Retrying { reason: why, .. } if why == reason), "{told:?}");
    wake(&mut binding);
    assert!(matches!(redirect(&mut binding, "192.0.2.6:3478"), BindingEvent::Redirected { .. }));
}

/// Case 57.
#[test]
fn back_to_a_server_that_was_asked_within_five_minutes_is_a_loop_and_later_it_is_not() {
    for (wait, is_loop) in [(0, true), (299_990, true), (300_010, false)] {
        let mut binding =
            binding(BindingConfig { refresh: Some(Duration::from_secs(400)), ..BindingConfig::new(asked()) });
        let (_, first) = one_request(&mut binding);
        answer(&mut binding, &redirection(id_of(&first), &["192.0.2.2:3478"], None), at(5));
        let (_, second) = one_request(&mut binding);
        events(&mut binding);
        answer(&mut binding, &redirection(id_of(&second), &["192.0.2.1:3478"], None), at(5 + wait));
        let told = events(&mut binding);
        assert_eq!(
            matches!(
                told[..],
                [BindingEvent::Retrying {
                    reason: FailureReason::Redirected { refusal: RedirectRefusal::Loop },
                    ..
                }]
            ),
            is_loop,
            "{told:?}"
        );
    }
}

/// Case 57: the host's policy.
#[test]
fn a_host_may_refuse_redirections_or_decide_each() {
    let ask = || {
        let mut binding =
            binding(BindingConfig { redirects: RedirectPolicy::Ask, ..BindingConfig::once(asked()) });
        let (_, first) = one_request(&mut binding);
        answer(&mut binding, &redirection(id_of(&first), &["192.0.2.2:3478"], None), at(10));
        assert!(matches!(events(&mut binding)[..], [BindingEvent::Redirected { awaits_answer: true, .. }]));
        assert_eq!(
            (transmits(&mut binding).len(), binding.poll_timeout(), binding.path().remote),
            (0, None, asked().remote)
        );
        binding
    };
    let mut accepted = ask();
    accepted.answer_redirect(true, at(5_000));
    assert_eq!(one_request(&mut accepted).0.remote, addr("192.0.2.2:3478"));
    let mut declined = ask();
    declined.answer_redirect(false, at(5_000));
    let reason = FailureReason::Redirected { refusal: RedirectRefusal::Declined };
    assert_eq!(events(&mut declined), [BindingEvent::Failed { reason }]);
    declined.answer_redirect(true, at(5_001));
    assert!(transmits(&mut declined).is_empty());

    let mut refusing =
        binding(BindingConfig { redirects: RedirectPolicy::Refuse, ..BindingConfig::once(asked()) });
    let (_, first) = one_request(&mut refusing);
    answer(&mut refusing, &redirection(id_of(&first), &["192.0.2.2:3478"], None), at(10));
    let reason = FailureReason::ErrorResponse { code: 300 };
    assert_eq!(events(&mut refusing), [BindingEvent::Failed { reason }]);
}

/// RFC 8489 s6.3.4: a 420 names what the server did not understand.
#[test]
fn a_420_names_the_first_attribute_that_was_not_understood() {
    use libstun::wire::attribute::UnknownAttributes;
    let mut binding = binding(BindingConfig::new(asked()));
    let (_, first) = one_request(&mut binding);
    let list = [AttributeType::USERHASH, AttributeType::NONCE];
    let reply = message(Class::ErrorResponse, Method::BINDING, id_of(&first), |builder| {
        builder.add(&ErrorCode { code: 420, reason: b"" }).unwrap();
        builder.add(&UnknownAttributes::from_types(&list)).unwrap();
    });
    answer(&mut binding, &reply, at(10));
    let reason = FailureReason::NotUnderstood { attribute: AttributeType::USERHASH };
    assert_eq!(events(&mut binding), [BindingEvent::Failed { reason }]);
    assert_eq!(reason.to_string(), "the server does not understand USERHASH");
}

/// RFC 8489 s9.2.5: on a stream an unsigned answer ends the request, but for a challenge.
#[test]
fn on_a_stream_challenges_are_met_and_rejections_and_unsigned_answers_end_at_once() {
    let stream = FiveTuple { transport: Transport::Tcp, ..asked() };
    let start = || {
        let mut binding = binding(BindingConfig { path: stream, ..config(user()) });
        let retry = challenged(&mut binding, REALM, ALGORITHMS, Some(LIST));
        (binding, id_of(&retry))
    };
    let (mut accepted, id) = start();
    answer(&mut accepted, &success(id, MAPPED, Some(&sha256_key(REALM))), at(20));
    assert!(matches!(events(&mut accepted)[..], [BindingEvent::Mapped { .. }]));
    let (mut rejected, id) = start();
    answer(&mut rejected, &challenge(id, 401, REALM, b"obMatJos2AAAB-two", Some(LIST)), at(20));
    assert_eq!(events(&mut rejected), [failed(AuthFailure::Rejected)]);
    let (mut unsigned, id) = start();
    answer(&mut unsigned, &success(id, MAPPED, None), at(20));
    let reason = FailureReason::IntegrityViolated { code: 0, count: 1 };
    assert_eq!(events(&mut unsigned), [BindingEvent::Failed { reason }]);
}

/// A challenge to a request that works is lost with its retry: the wake-ups of both are told apart.
#[test]
fn the_request_fails_only_when_neither_the_original_nor_its_retry_is_answered() {
    let (mut binding, id) = refreshing();
    answer(&mut binding, &challenge(id, 438, REALM, b"obMatJos2AAABfresh", Some(LIST)), at(30_000));
    let (mut now, mut sent) = (Instant::ZERO, 0);
    while events(&mut binding).is_empty() {
        sent += transmits(&mut binding).len();
        now = wake(&mut binding);
        assert_ne!(binding.wake_reason(), Some(WakeReason::Refresh));
    }
    assert_eq!((now, sent), (at(30_000 + 39_500), 6 + 7));
}
