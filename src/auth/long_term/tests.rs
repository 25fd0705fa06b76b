use alloc::vec::Vec;
use std::format;

use super::*;
use crate::wire::attribute::{
    AttributeType, Nonce, PasswordAlgorithm, PasswordAlgorithms, Realm, Userhash, Username,
};
use crate::wire::{Integrity, IntegrityAlgorithm, Key, Method, TransactionId, userhash};

const ID: TransactionId = TransactionId::new([3; 12]);
const USER: &str = "alice";
const PASSWORD: &str = "s3cret";
const SHA256: &[PasswordAlgorithm<'_>] = &[PasswordAlgorithm::SHA256];
const MD5: &[PasswordAlgorithm<'_>] = &[PasswordAlgorithm::MD5];
const BOTH: &[PasswordAlgorithm<'_>] = &[PasswordAlgorithm::SHA256, PasswordAlgorithm::MD5];

/// Cookies that promise nothing, password algorithms, anonymity, both.
const PLAIN: &str = "nonce";
const ALGORITHMS: &str = "obMatJos2AAABnonce";
const ANONYMITY: &str = "obMatJos2AAACnonce";
const ALL: &str = "obMatJos2AAADnonce";

/// A message in which a server challenges.
#[derive(Clone, Copy)]
struct Challenging<'a> {
    code: u16,
    realm: Option<&'a [u8]>,
    nonce: Option<&'a [u8]>,
    algorithms: Option<&'a [PasswordAlgorithm<'a>]>,
    key: Option<&'a Key>,
}

fn challenge<'a>(
    nonce: &'a str,
    algorithms: impl Into<Option<&'a [PasswordAlgorithm<'a>]>>,
) -> Challenging<'a> {
    let (realm, nonce) = (Some(&b"example.org"[..]), Some(nonce.as_bytes()));
    Challenging { code: 401, realm, nonce, algorithms: algorithms.into(), key: None }
}

impl<'a> Challenging<'a> {
    fn stale(self) -> Self {
        Self { code: 438, ..self }
    }

    fn realm(self, realm: &'a str) -> Self {
        Self { realm: Some(realm.as_bytes()), ..self }
    }

    fn bytes(&self) -> Vec<u8> {
        message(Class::ErrorResponse, |builder| {
            builder.add(&ErrorCode { code: self.code, reason: b"" }).unwrap();
            if let Some(realm) = self.realm {
                builder.add_raw(AttributeType::REALM, realm).unwrap();
            }
            if let Some(nonce) = self.nonce {
                builder.add_raw(AttributeType::NONCE, nonce).unwrap();
            }
            if let Some(list) = self.algorithms {
                builder.add(&PasswordAlgorithms::from_list(list)).unwrap();
            }
            if let Some(key) = self.key {
                builder.sign_sha256(key).unwrap();
            }
        })
    }
}

fn message(class: Class, fill: impl FnOnce(&mut MessageBuilder<'_>)) -> Vec<u8> {
    let mut buffer = std::vec![0; 4096];
    let mut builder = MessageBuilder::new(&mut buffer, class, Method::BINDING, ID).unwrap();
    fill(&mut builder);
    builder.finish().to_vec()
}

fn user() -> LongTerm {
    LongTerm::new(USER, PASSWORD).unwrap()
}

fn sha256_key(realm: &[u8]) -> Key {
    Key::long_term_sha256(USER.as_bytes(), realm, PASSWORD.as_bytes())
}

fn check(user: &mut LongTerm, by: SignedBy, bytes: &[u8]) -> ResponseCheck {
    user.check(&Message::parse(bytes).unwrap(), by)
}

fn challenged(user: &mut LongTerm, by: SignedBy, challenge: Challenging<'_>) -> ResponseCheck {
    check(user, by, &challenge.bytes())
}

fn request(user: &LongTerm, by: SignedBy) -> Vec<u8> {
    message(Class::Request, |builder| user.sign(by, builder).unwrap())
}

fn success(sign: impl FnOnce(&mut MessageBuilder<'_>)) -> Vec<u8> {
    message(Class::SuccessResponse, sign)
}

/// A user whose session has worked.
fn working(nonce: &str, algorithms: &[PasswordAlgorithm<'_>]) -> LongTerm {
    let mut user = user();
    assert_eq!(
        challenged(&mut user, SignedBy::Nobody, challenge(nonce, algorithms)),
        ResponseCheck::Retry { ends: true }
    );
    let key = match algorithms.first() {
        Some(&PasswordAlgorithm::MD5) => {
            Key::long_term_md5(USER.as_bytes(), b"example.org", PASSWORD.as_bytes())
        }
        _ => sha256_key(b"example.org"),
    };
    let reply = success(|builder| builder.sign_sha256(&key).unwrap());
    assert_eq!(check(&mut user, SignedBy::Candidate, &reply), ResponseCheck::Accept);
    user
}

const RETRY: ResponseCheck = ResponseCheck::Retry { ends: true };

fn rejected(failure: AuthFailure) -> ResponseCheck {
    ResponseCheck::Reject { failure, is_authentic: false }
}

#[test]
fn the_first_request_carries_no_trace_of_the_credentials() {
    assert_eq!(request(&user(), SignedBy::Nobody).len(), 20);
}

#[test]
fn the_retry_echoes_all_and_is_signed_with_the_first_known_algorithm() {
    let unknown = PasswordAlgorithm { number: 99, parameters: b"p1" };
    for (list, first) in [
        (&[unknown, PasswordAlgorithm::SHA256, PasswordAlgorithm::MD5], PasswordAlgorithm::SHA256),
        (&[PasswordAlgorithm::MD5, PasswordAlgorithm::SHA256, unknown], PasswordAlgorithm::MD5),
    ] {
        let mut user = user();
        let challenge = challenge(ALL, &list[..]);
        assert_eq!(challenged(&mut user, SignedBy::Nobody, challenge), RETRY);
        let bytes = request(&user, SignedBy::Candidate);
        let retry = Message::parse(&bytes).unwrap();
        assert_eq!(retry.get(), Ok(Some(Realm(b"example.org"))));
        assert_eq!(retry.get(), Ok(Some(Nonce(ALL.as_bytes()))));
        assert_eq!(retry.get(), Ok(Some(PasswordAlgorithms::from_list(list))));
        assert_eq!(retry.get(), Ok(Some(first)));
        assert_eq!(retry.get(), Ok(Some(Userhash(userhash(USER.as_bytes(), b"example.org")))));
        assert_eq!(retry.get::<Username<'_>>(), Ok(None));
        assert!(!retry.has_integrity(IntegrityAlgorithm::Sha1));
        let key = match first {
            PasswordAlgorithm::SHA256 => sha256_key(b"example.org"),
            _ => Key::long_term_md5(USER.as_bytes(), b"example.org", PASSWORD.as_bytes()),
        };
        assert_eq!(retry.check_integrity(IntegrityAlgorithm::Sha256, &key), Integrity::Valid);
    }
}

#[test]
fn a_server_of_rfc_5389_is_answered_with_its_own_means() {
    let mut user = user();
    assert_eq!(challenged(&mut user, SignedBy::Nobody, challenge(PLAIN, None)), RETRY);
    let bytes = request(&user, SignedBy::Candidate);
    let retry = Message::parse(&bytes).unwrap();
    let key = Key::long_term_md5(USER.as_bytes(), b"example.org", PASSWORD.as_bytes());
    assert_eq!(retry.check_integrity(IntegrityAlgorithm::Sha1, &key), Integrity::Valid);
    assert_eq!(retry.get(), Ok(Some(Username(USER.as_bytes()))));
    assert!(!retry.has_integrity(IntegrityAlgorithm::Sha256));
    assert!(retry.find(AttributeType::PASSWORD_ALGORITHM).is_none());
    let signed = |by: IntegrityAlgorithm| {
        success(|builder| match by {
            IntegrityAlgorithm::Sha1 => builder.sign(&key).unwrap(),
            IntegrityAlgorithm::Sha256 => builder.sign_sha256(&key).unwrap(),
        })
    };
    let other = check(&mut user, SignedBy::Candidate, &signed(IntegrityAlgorithm::Sha256));
    assert_eq!(other, ResponseCheck::Discard, "it was not the algorithm that was sent");
    let both = success(|builder| {
        builder.sign(&key).unwrap();
        builder.sign_sha256(&key).unwrap();
    });
    assert_eq!(check(&mut user, SignedBy::Candidate, &both), ResponseCheck::Discard, "the stronger decides");
    assert_eq!(
        check(&mut user, SignedBy::Candidate, &signed(IntegrityAlgorithm::Sha1)),
        ResponseCheck::Accept
    );
    assert!(user.has_worked());
}

#[test]
fn quotes_and_nulls_of_a_realm_are_echoed_and_kept_out_of_the_key() {
    let mut user = user();
    let challenge = challenge(ALGORITHMS, SHA256).realm("\"example.org\"\0\0");
    assert_eq!(challenged(&mut user, SignedBy::Nobody, challenge), RETRY);
    let bytes = request(&user, SignedBy::Candidate);
    let retry = Message::parse(&bytes).unwrap();
    assert_eq!(retry.get(), Ok(Some(Realm(b"\"example.org\"\0\0"))));
    let key = sha256_key(b"example.org");
    assert_eq!(retry.check_integrity(IntegrityAlgorithm::Sha256, &key), Integrity::Valid);
}

#[test]
fn the_longest_of_everything_fits_into_a_request() {
    let text = std::vec![b'x'; LongTerm::MAX_TEXT];
    let list = [PasswordAlgorithm::SHA256; MAX_ALGORITHMS / 4];
    let mut user = LongTerm::new(&"u".repeat(ShortTerm::MAX_USERNAME), PASSWORD).unwrap();
    let longest = Challenging { realm: Some(&text), nonce: Some(&text), ..challenge(PLAIN, &list[..]) };
    assert_eq!(challenged(&mut user, SignedBy::Nobody, longest), RETRY);
    let signature = request(&user, SignedBy::Candidate).len() - 20;
    // Not both signatures at once.
    assert_eq!(signature + 24, crate::auth::Credentials::MAX_SIGNATURE);
    let longer = std::vec![PasswordAlgorithm::SHA256; MAX_ALGORITHMS / 4 + 1];
    let oversized = challenge(PLAIN, &longer[..]);
    assert_eq!(
        challenged(&mut user.clone(), SignedBy::Nobody, oversized),
        rejected(AuthFailure::NoKnownAlgorithm)
    );
}

#[test]
fn what_a_policy_requires_is_refused_with_its_reason_if_it_is_not_offered() {
    let sha256 = || user().require_sha256();
    let anonymous = || user().require_anonymity();
    for (user, offer, expected) in [
        (sha256(), challenge(PLAIN, None), rejected(AuthFailure::Sha256NotOffered)),
        (sha256(), challenge(ALGORITHMS, MD5), rejected(AuthFailure::Sha256NotOffered)),
        (sha256(), challenge(ALGORITHMS, SHA256), RETRY),
        (anonymous(), challenge(ALGORITHMS, BOTH), rejected(AuthFailure::AnonymityNotOffered)),
        (anonymous(), challenge(PLAIN, None), rejected(AuthFailure::AnonymityNotOffered)),
        (anonymous(), challenge(ANONYMITY, None), RETRY),
        (anonymous().require_sha256(), challenge(ANONYMITY, None), rejected(AuthFailure::Sha256NotOffered)),
        (anonymous().require_sha256(), challenge(ALL, BOTH), RETRY),
    ] {
        assert_eq!(challenged(&mut user.clone(), SignedBy::Nobody, offer), expected);
    }
    let mut user = sha256();
    let weaker_first = &[PasswordAlgorithm::MD5, PasswordAlgorithm::SHA256];
    assert_eq!(challenged(&mut user, SignedBy::Nobody, challenge(ALGORITHMS, &weaker_first[..])), RETRY);
    let bytes = request(&user, SignedBy::Candidate);
    assert_eq!(Message::parse(&bytes).unwrap().get(), Ok(Some(PasswordAlgorithm::SHA256)));
}

#[test]
fn whoever_requires_sha256_believes_no_unsigned_success_and_others_do() {
    let unsigned = success(|_| ());
    assert_eq!(check(&mut user(), SignedBy::Nobody, &unsigned), ResponseCheck::Accept);
    let mut strict = user().require_sha256();
    assert_eq!(check(&mut strict, SignedBy::Nobody, &unsigned), rejected(AuthFailure::Sha256NotOffered));
}

#[test]
fn unknown_algorithms_only_are_not_answered() {
    let unknown = [PasswordAlgorithm { number: 3, parameters: b"" }];
    let odd = [PasswordAlgorithm { number: 2, parameters: b"salt" }];
    for list in [&unknown[..], &odd, &[]] {
        assert_eq!(
            challenged(&mut user(), SignedBy::Nobody, challenge(ALGORITHMS, list)),
            rejected(AuthFailure::NoKnownAlgorithm)
        );
    }
}

/// Case 42.
#[test]
fn a_promise_of_algorithms_without_algorithms_is_not_answered_nor_believed() {
    for cookie in [ALGORITHMS, ALL, "obMatJos2gAAAx"] {
        assert_eq!(
            challenged(&mut user(), SignedBy::Nobody, challenge(cookie, None)),
            rejected(AuthFailure::BidDown)
        );
        let promising = |key: Option<&Key>| {
            success(|builder| {
                builder.add(&Nonce(cookie.as_bytes())).unwrap();
                if let Some(key) = key {
                    builder.sign_sha256(key).unwrap();
                }
            })
        };
        assert_eq!(check(&mut user(), SignedBy::Nobody, &promising(None)), ResponseCheck::Discard);
        let mut user = working(ALGORITHMS, SHA256);
        let signed = promising(Some(&sha256_key(b"example.org")));
        assert_eq!(check(&mut user, SignedBy::Working, &promising(None)), ResponseCheck::Discard);
        assert_eq!(check(&mut user, SignedBy::Working, &signed), ResponseCheck::Accept, "the deviation");
    }
}

/// Case 40.
#[test]
fn a_challenge_without_nonce_or_realm_or_with_the_stale_nonce_is_not_answered() {
    let good = challenge(ALGORITHMS, SHA256).stale();
    for (offer, failure) in [
        (Challenging { nonce: None, ..good }, AuthFailure::NoNonce),
        (Challenging { nonce: Some(b""), ..good }, AuthFailure::NoNonce),
        (Challenging { nonce: Some(&[b'n'; 764]), ..good }, AuthFailure::NoNonce),
        (Challenging { realm: None, ..good }, AuthFailure::NoRealm),
        (Challenging { realm: Some(b""), ..good }, AuthFailure::NoRealm),
        (Challenging { realm: Some(&[b'r'; 764]), ..good }, AuthFailure::NoRealm),
        (good, AuthFailure::SameNonce),
    ] {
        let mut user = working(ALGORITHMS, SHA256);
        let before = request(&user, SignedBy::Working);
        assert_eq!(challenged(&mut user, SignedBy::Working, offer), rejected(failure));
        assert_eq!(request(&user, SignedBy::Working), before, "what works still does");
    }
}

/// Case 38.
#[test]
fn a_401_for_the_realm_that_was_signed_for_is_the_end() {
    let mut user = user();
    let offer = challenge(ALGORITHMS, SHA256);
    assert_eq!(challenged(&mut user, SignedBy::Nobody, offer), RETRY);
    let again = challenge("obMatJos2AAABanother", SHA256);
    assert_eq!(challenged(&mut user, SignedBy::Candidate, again), rejected(AuthFailure::Rejected));
    assert_eq!(challenged(&mut user, SignedBy::Candidate, offer.realm("other.org")), RETRY);
}

#[test]
fn a_401_that_offers_anonymity_now_is_answered_and_one_that_takes_it_away_is_not() {
    let mut user = user();
    assert_eq!(challenged(&mut user, SignedBy::Nobody, challenge(PLAIN, None)), RETRY);
    assert_eq!(challenged(&mut user, SignedBy::Candidate, challenge(ANONYMITY, None)), RETRY);
    assert_eq!(
        challenged(&mut user, SignedBy::Candidate, challenge("another", None)),
        rejected(AuthFailure::Rejected)
    );
}

/// Case 39.
#[test]
fn three_stale_nonces_are_answered_and_a_success_lets_them_count_anew() {
    let mut user = working(ALGORITHMS, SHA256);
    for _ in 0..2 {
        let mut by = SignedBy::Working;
        for round in 0..LongTerm::MAX_CHALLENGES {
            let nonce = format!("obMatJos2AAAB{round}");
            let ends = by == SignedBy::Candidate;
            let answer = challenged(&mut user, by, challenge(&nonce, SHA256).stale());
            assert_eq!(answer, ResponseCheck::Retry { ends });
            by = SignedBy::Candidate;
        }
        let again = challenge("obMatJos2AAABagain", SHA256).stale();
        assert_eq!(challenged(&mut user, by, again), rejected(AuthFailure::TooManyChallenges));
        let reply = success(|builder| builder.sign_sha256(&sha256_key(b"example.org")).unwrap());
        assert_eq!(check(&mut user, by, &reply), ResponseCheck::Accept);
    }
}

#[test]
fn a_realm_that_changes_for_ever_is_answered_three_times() {
    let mut user = user();
    for realm in ["a", "b", "c"] {
        let by = if realm == "a" { SignedBy::Nobody } else { SignedBy::Candidate };
        assert_eq!(challenged(&mut user, by, challenge(PLAIN, None).realm(realm)), RETRY);
    }
    let fourth = challenge(PLAIN, None).realm("d");
    assert_eq!(challenged(&mut user, SignedBy::Candidate, fourth), rejected(AuthFailure::TooManyChallenges));
}

/// Case 41.
#[test]
fn an_unsigned_challenge_replaces_what_works_only_once_its_retry_is_answered() {
    let mut user = working(ALGORITHMS, SHA256);
    let before = request(&user, SignedBy::Working);
    let moved = challenge("obMatJos2AAABnew", SHA256).realm("new.org");
    assert_eq!(challenged(&mut user, SignedBy::Working, moved), ResponseCheck::Retry { ends: false });
    assert_eq!(challenged(&mut user, SignedBy::Working, moved), ResponseCheck::Discard, "one at a time");
    assert_eq!(request(&user, SignedBy::Working), before);
    let retry = request(&user, SignedBy::Candidate);
    let unsigned = success(|_| ());
    assert_eq!(check(&mut user, SignedBy::Candidate, &unsigned), ResponseCheck::Discard);
    let mut undone = user.clone();
    undone.forget_candidate();
    assert_eq!(request(&undone, SignedBy::Working), before, "the retry failed: the old state is kept");
    let reply = success(|builder| builder.sign_sha256(&sha256_key(b"new.org")).unwrap());
    assert_eq!(check(&mut user, SignedBy::Candidate, &reply), ResponseCheck::Accept);
    assert_eq!(request(&user, SignedBy::Working), retry);
}

#[test]
fn an_unsigned_challenge_cannot_take_away_what_has_worked_and_a_signed_one_can() {
    let key = sha256_key(b"example.org");
    for weaker in [
        challenge("obMatJos2AAABweaker", SHA256),
        challenge("obMatJos2AAADweaker", MD5),
        challenge("weaker", None),
    ] {
        let mut user = working(ALL, BOTH);
        assert_eq!(challenged(&mut user, SignedBy::Working, weaker.stale()), rejected(AuthFailure::BidDown));
        let signed = Challenging { key: Some(&key), ..weaker.stale() };
        assert_eq!(challenged(&mut user, SignedBy::Working, signed), RETRY);
    }
}

#[test]
fn a_signed_401_is_final_at_once() {
    let mut user = working(ALGORITHMS, SHA256);
    let key = sha256_key(b"example.org");
    let refusal = Challenging { key: Some(&key), ..challenge("obMatJos2AAABx", SHA256) };
    let expected = ResponseCheck::Reject { failure: AuthFailure::Rejected, is_authentic: true };
    assert_eq!(challenged(&mut user, SignedBy::Working, refusal), expected);
}

#[test]
fn an_unsigned_400_is_discarded_whatever_was_asked() {
    let bytes = message(Class::ErrorResponse, |builder| {
        builder.add(&ErrorCode { code: 400, reason: b"" }).unwrap();
    });
    assert_eq!(check(&mut user(), SignedBy::Nobody, &bytes), ResponseCheck::Discard);
    assert_eq!(check(&mut working(PLAIN, SHA256), SignedBy::Working, &bytes), ResponseCheck::Discard);
}

#[test]
fn password_algorithms_in_a_signed_response_end_the_use_of_sha1() {
    let mut user = user();
    assert_eq!(challenged(&mut user, SignedBy::Nobody, challenge(PLAIN, None)), RETRY);
    let key = Key::long_term_md5(USER.as_bytes(), b"example.org", PASSWORD.as_bytes());
    let reply = success(|builder| {
        builder.add(&PasswordAlgorithms::from_list(SHA256)).unwrap();
        builder.sign(&key).unwrap();
    });
    assert_eq!(check(&mut user, SignedBy::Candidate, &reply), ResponseCheck::Accept);
    let bytes = request(&user, SignedBy::Working);
    let next = Message::parse(&bytes).unwrap();
    assert!(!next.has_integrity(IntegrityAlgorithm::Sha1) && next.has_integrity(IntegrityAlgorithm::Sha256));
}

#[test]
fn strings_are_prepared_and_their_faults_named() {
    assert_eq!(
        LongTerm::new("", "x").unwrap_err(),
        CredentialError::Username(crate::auth::PrepareError::Empty)
    );
    assert_eq!(
        LongTerm::new("x", "a\nb").unwrap_err(),
        CredentialError::Password(crate::auth::PrepareError::Forbidden)
    );
    assert_eq!(LongTerm::new(&"x".repeat(509), "x").unwrap_err(), CredentialError::UsernameLength);
}

#[test]
fn no_secret_is_shown() {
    let user = working(ALL, SHA256);
    assert_eq!(format!("{user:?}"), r#"LongTerm { username: "alice", .. }"#);
}

/// RFC 8489 appendix B.1 as erratum 6268 corrects it. Its list of algorithms was not echoed, so that this one is
/// forgotten.
#[cfg(feature = "precis")]
#[test]
fn the_sample_request_of_rfc_8489_is_made_to_the_byte() {
    let digits: Vec<u8> = SAMPLE.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    let expected: Vec<u8> = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    let sample = Message::parse(&expected).unwrap();
    let mut user = LongTerm::new("マトリックス", "TheMatrIX").unwrap();
    let offer = challenge("obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA", SHA256);
    assert_eq!(challenged(&mut user, SignedBy::Nobody, offer), RETRY);
    user.candidate.as_mut().unwrap().algorithms = None;
    let mut buffer = [0; 256];
    let mut builder =
        MessageBuilder::new(&mut buffer, Class::Request, Method::BINDING, sample.transaction_id()).unwrap();
    user.sign(SignedBy::Candidate, &mut builder).unwrap();
    assert_eq!(builder.finish(), expected);
}

#[cfg(feature = "precis")]
const SAMPLE: &str = "\
    000100902112a44278ad3433c6ad72c029da412e001e00204a3cf38fef6992bda952c6780417da0f24819415569e60b2\
    05c46e41407f1704001500296f624d61744a6f733241414143662f2f3439396b39353464364f4c33346f4c3946535476\
    79363473410000000014000b6578616d706c652e6f726700001d000400020000001c0020b5c7bf005b6c52a21c51c5e8\
    92f81924136296cb927c43149309278cc6518e65";
