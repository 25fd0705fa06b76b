use super::*;
use crate::entropy::Entropy;
use crate::wire::{Class, Method, TransactionId};

fn realm() -> Realm {
    let mut realm = Realm::new(b"example.test").unwrap();
    realm.add_user(b"alice", b"s3cret").unwrap();
    realm
}

fn signed(realm: &[u8], nonce: &[u8]) -> Vec<u8> {
    let mut buffer = [0; 512];
    let id = TransactionId::new([3; 12]);
    let mut builder = MessageBuilder::new(&mut buffer, Class::Request, Method::BINDING, id).unwrap();
    builder.add(&Username(b"alice")).unwrap();
    builder.add(&attribute::Realm(realm)).unwrap();
    builder.add(&attribute::Nonce(nonce)).unwrap();
    builder.sign(&Key::long_term_md5(b"alice", realm, b"s3cret")).unwrap();
    builder.finish().to_vec()
}

#[test]
fn names_of_users_and_realms_have_their_limits() {
    assert_eq!(Realm::new(b"").unwrap_err(), RealmNameLength);
    assert_eq!(Realm::new(&[b'r'; Realm::MAX_NAME + 1]).unwrap_err(), RealmNameLength);
    let mut realm = Realm::new(&[b'r'; Realm::MAX_NAME]).unwrap();
    assert_eq!(realm.add_user(b"", b"x"), Err(CredentialError::UsernameLength));
    assert_eq!(realm.add_user(&[b'a'; 509], b"x"), Err(CredentialError::UsernameLength));
    assert_eq!(realm.add_user(b"a", b""), Err(CredentialError::PasswordLength));
    assert_eq!(realm.user_count(), 0);
}

#[test]
fn ten_thousand_users_are_each_found_and_each_removed() {
    let mut realm = realm();
    let name = |number: u32| alloc::format!("user-{number}");
    for number in 0..10_000 {
        realm.add_user(name(number).as_bytes(), b"x").unwrap();
    }
    realm.add_user(name(7).as_bytes(), b"y").unwrap();
    assert_eq!(realm.user_count(), 10_001, "a new password is no new user");
    for number in 0..10_000 {
        assert!(realm.remove_user(name(number).as_bytes()));
        assert!(!realm.remove_user(name(number).as_bytes()));
    }
    assert_eq!(realm.user_count(), 1);
}

#[test]
fn a_signer_signs_with_what_the_request_was_signed_with() {
    let (realm, mut nonces) = (realm(), Nonces::new(Entropy::from_seed([1; 32])));
    let source = "203.0.113.9:4242".parse().unwrap();
    let nonce = realm.nonce(source, &mut nonces, Instant::ZERO);
    let bytes = signed(b"example.test", &nonce);
    let verdict = realm.check_request(&Message::parse(&bytes).unwrap(), source, &mut nonces, Instant::ZERO);
    let Verdict::Accepted(signer) = verdict else { panic!("{verdict:?}") };
    assert_eq!(signer.algorithm, IntegrityAlgorithm::Sha1);
    assert!(!alloc::format!("{signer:?}").contains("s3cret"));
}

#[test]
fn a_valid_nonce_proves_an_address_even_under_a_wrong_signature() {
    let (realm, mut nonces) = (realm(), Nonces::new(Entropy::from_seed([1; 32])));
    let source = "203.0.113.9:4242".parse().unwrap();
    let nonce = realm.nonce(source, &mut nonces, Instant::ZERO);
    for (name, nonce, proven) in [(&b"other.test"[..], &nonce[..], true), (b"other.test", b"forged", false)] {
        let bytes = signed(name, nonce);
        let verdict =
            realm.check_request(&Message::parse(&bytes).unwrap(), source, &mut nonces, Instant::ZERO);
        let Verdict::Challenged { code, is_proven, is_failure } = verdict else { panic!("{verdict:?}") };
        assert_eq!((code, is_proven, is_failure), (401, proven, true));
    }
}
