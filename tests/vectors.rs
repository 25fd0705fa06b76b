//! Every entry of `tests/vectors` but those of `malformed.json`, through the public API. An entry that this
//! file does not understand fails it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
#![allow(clippy::arithmetic_side_effects)]

mod common;

use common::{bytes, hex, key, list, load, number, request_with, text};
use libstun::wire::attribute::{
    AttributeType, AttributeValue, ErrorCode, Fingerprint, IceControlled, IceControlling, MessageIntegrity,
    Nonce, PasswordAlgorithm, Priority, Realm, Software, UseCandidate, Userhash, Username, XorMappedAddress,
    XorRelayedAddress,
};
use libstun::wire::{
    ChannelNumber, Class, Classification, Integrity, IntegrityAlgorithm, Key, Message, MessageBuilder,
    Method, ParseError, TransactionId, classify, userhash,
};
use serde_json::Value;

const SHA1: IntegrityAlgorithm = IntegrityAlgorithm::Sha1;
const SHA256: IntegrityAlgorithm = IntegrityAlgorithm::Sha256;

#[test]
fn the_samples_of_rfc_5769_read_and_verify() {
    let file = load("rfc5769.json");
    let mut checked = 0;
    for vector in list(&file["vectors"]) {
        let (datagram, key) = (bytes(&vector["hex"]), key(vector));
        assert_eq!(datagram.len() as u64, number(&vector["length"]));
        let message = Message::parse(&datagram).unwrap();
        assert_eq!(classify(&datagram), Classification::Stun);
        for (field, expected) in vector["expect"].as_object().unwrap() {
            check_field(&message, field, expected, &key);
            checked += 1;
        }
        if vector["credential"] == "long-term-md5" {
            check_long_term_sample(vector, &message);
        }
    }
    assert_eq!((list(&file["vectors"]).len(), checked), (7, 9 + 6 + 6 + 4 + 2 + 2 + 2));
}

/// RFC 5769 s2.4: the raw password and its SASLprep form give different keys, and only the latter verifies.
/// OpaqueString (RFC 8265), which RFC 8489 asks for, leaves the raw one as it is.
fn check_long_term_sample(vector: &Value, message: &Message<'_>) {
    let (username, realm) = (text(&vector["username"]), text(&vector["realm"]));
    assert_eq!(bytes(&vector["username_utf8_hex"]), username.as_bytes());
    assert_eq!(message.get::<Username<'_>>(), Ok(Some(Username(username.as_bytes()))));
    assert_eq!(message.get::<Realm<'_>>(), Ok(Some(Realm(realm.as_bytes()))));
    assert_eq!(message.get::<Nonce<'_>>(), Ok(Some(Nonce(text(&vector["nonce"]).as_bytes()))));
    for (password, expected) in
        [("password_prepared", Integrity::Valid), ("password_raw", Integrity::Invalid)]
    {
        let key =
            Key::long_term_md5(username.as_bytes(), realm.as_bytes(), text(&vector[password]).as_bytes());
        assert_eq!(message.check_integrity(SHA1, &key), expected);
    }
}

#[test]
fn the_sample_of_rfc_8489_reads_and_verifies_once_corrected() {
    let file = load("rfc8489_b1.json");
    let vectors = list(&file["vectors"]);
    for vector in vectors {
        let (datagram, key) = (bytes(&vector["hex"]), key(vector));
        assert_eq!(datagram.len() as u64, number(&vector["length"]));
        let expect = vector["expect"].as_object().unwrap();
        if text(&vector["name"]) == "rfc8489-B.1-as-printed" {
            assert!(text(&expect["parse"]).starts_with("error: header length 0x9c(156) but only 136 bytes"));
            assert_eq!(Message::parse(&datagram).unwrap_err(), ParseError::WrongLength);
            continue;
        }
        let seal = text(&expect["MESSAGE-INTEGRITY-SHA256"]);
        if seal.starts_with("malformed") {
            assert_eq!(Message::parse(&datagram).unwrap_err(), ParseError::IntegrityLength);
            continue;
        }
        let message = Message::parse(&datagram).unwrap();
        let strict = message.check_integrity(SHA256, &key);
        let lenient = message.check_integrity_of_length(SHA256, &key, 16);
        match seal {
            "valid" => {
                assert_eq!((strict, lenient), (Integrity::Valid, Integrity::Valid));
                check_corrected_sample(vector, &message);
            }
            "invalid" => assert_eq!((strict, lenient), (Integrity::Invalid, Integrity::Invalid)),
            _ if seal.ends_with("default policy (full 32 required): valid") => {
                assert_eq!((strict, lenient), (Integrity::Valid, Integrity::Valid));
            }
            _ if seal.ends_with("default policy (full 32 required): reject") => {
                assert_eq!((strict, lenient), (Integrity::Invalid, Integrity::Valid));
            }
            _ => panic!("not understood: {seal}"),
        }
    }
    assert_eq!(vectors.len(), 11);
}

fn check_corrected_sample(vector: &Value, message: &Message<'_>) {
    let expect = &vector["expect"];
    assert_eq!((text(&expect["class"]), text(&expect["method"])), ("request", "binding"));
    assert_eq!((message.class(), message.method()), (Class::Request, Method::BINDING));
    let (username, realm) = (text(&vector["username"]).as_bytes(), text(&vector["realm"]).as_bytes());
    let hash = userhash(username, realm);
    assert_eq!(hex(&hash), text(&expect["USERHASH"]));
    assert_eq!(message.get::<Userhash>(), Ok(Some(Userhash(hash))));
    assert_eq!(message.get::<Nonce<'_>>(), Ok(Some(Nonce(text(&vector["nonce"]).as_bytes()))));
    assert_eq!(expect["PASSWORD-ALGORITHM"], "0x0002 params_len 0");
    assert_eq!(message.get::<PasswordAlgorithm<'_>>(), Ok(Some(PasswordAlgorithm::SHA256)));
    let key = Key::long_term_sha256(username, realm, text(&vector["password_prepared"]).as_bytes());
    assert_eq!(message.check_integrity(SHA256, &key), Integrity::Valid);
}

/// What the wire says of nonces: bytes are kept and echoed exactly, whatever they are, up to the limits.
/// The cookie inside, the rows of `rows`, and what a client makes of an empty nonce belong to the layer that
/// authenticates.
#[test]
fn hostile_nonces_are_kept_and_echoed_byte_for_byte() {
    let file = load("nonce_cookie.json");
    let mut nonces: Vec<(Vec<u8>, &str)> = list(&file["hostile"])
        .iter()
        .map(|row| {
            let nonce = match (row.get("nonce_hex"), row.get("nonce_utf8"), row.get("nonce_len")) {
                (Some(hex), _, _) => bytes(hex),
                (None, Some(utf8), _) => text(utf8).as_bytes().to_vec(),
                (None, None, length) => vec![b'n'; number(length.unwrap()) as usize],
            };
            (nonce, text(&row["expect"]))
        })
        .collect();
    nonces.extend(list(&file["rows"]).iter().map(|row| (text(&row["prefix"]).as_bytes().to_vec(), "cookie")));
    for (nonce, expect) in &nonces {
        let datagram = request_with(&[(AttributeType::NONCE, nonce)]);
        let read =
            Message::parse(&datagram).unwrap().get::<Nonce<'_>>().map(|nonce| nonce.map(|nonce| nonce.0));
        if expect.starts_with("reject / ignore") {
            assert!(read.is_err() && nonce.len() == 764);
            continue;
        }
        assert_eq!(read, Ok(Some(&nonce[..])));
        let mut buffer = [0; 900];
        let mut builder =
            MessageBuilder::new(&mut buffer, Class::Request, Method::ALLOCATE, TransactionId::new([1; 12]))
                .unwrap();
        if nonce.len() < 128 {
            builder.add(&Nonce(nonce)).unwrap();
            let echo = Message::parse(builder.finish()).unwrap();
            assert_eq!(echo.get::<Nonce<'_>>(), Ok(Some(Nonce(nonce))));
        } else {
            // Longer than a client may write of its own, but to be echoed: RFC 8489 s9.2.5.
            builder.add_raw(AttributeType::NONCE, nonce).unwrap();
            assert_eq!(
                Message::parse(builder.finish()).unwrap().find(AttributeType::NONCE).unwrap().value,
                nonce
            );
        }
    }
    assert_eq!(nonces.len(), 9 + 7);
}

#[test]
fn what_real_servers_sent_reads_and_verifies() {
    let file = load("captured_servers.json");
    let credentials = &file["credentials"];
    let [username, realm, password] =
        ["username", "realm", "password"].map(|name| text(&credentials[name]).as_bytes());
    let long_term = Key::long_term_md5(username, realm, password);
    let (mut entries, mut responses, mut without_cookie, mut signed) = (0, 0, 0, 0);
    for entry in file["servers"].as_object().unwrap().values().flat_map(list) {
        entries += 1;
        let Some(response) = entry["response"].as_str().map(|_| bytes(&entry["response"])) else { continue };
        responses += 1;
        if text(&entry["name"]) == "binding-rfc3489-no-cookie" {
            assert_eq!(Message::parse(&bytes(&entry["request"])).unwrap_err(), ParseError::WrongCookie);
            assert_eq!(Message::parse(&response).unwrap_err(), ParseError::WrongCookie);
            without_cookie += 1;
            continue;
        }
        let request = bytes(&entry["request"]);
        let message = Message::parse(&response).unwrap();
        assert_eq!(message.transaction_id(), Message::parse(&request).unwrap().transaction_id());
        check_response(&message, entry);
        if entry["has_integrity"] == true {
            assert_eq!(message.check_integrity(SHA1, &key(entry)), Integrity::Valid);
            assert_eq!(message.check_integrity(SHA1, &long_term), Integrity::Valid);
            signed += 1;
        } else {
            assert_eq!(message.check_integrity(SHA1, &long_term), Integrity::Absent);
        }
    }
    assert_eq!((entries, responses, without_cookie, signed), (9 + 24 + 24, 7 + 22 + 21, 2, 23));
}

fn check_response(message: &Message<'_>, entry: &Value) {
    assert_eq!(format!("0x{}", hex(&message.as_bytes()[..2])), text(&entry["response_type"]));
    let expected: Vec<(String, String)> = list(&entry["response_attrs"])
        .iter()
        .map(|pair| (text(&pair[0]).to_owned(), text(&pair[1]).to_owned()))
        .collect();
    let read: Vec<(String, String)> =
        message.attributes().map(|raw| (format!("{:#06x}", raw.ty.number()), hex(raw.value))).collect();
    assert_eq!(read, expected);
    let id = message.transaction_id();
    assert!(message.attributes().all(|raw| AttributeValue::decode(raw, &id).is_ok()));
    let fingerprint = if entry["has_fingerprint"] == true { Integrity::Valid } else { Integrity::Absent };
    assert_eq!(message.check_fingerprint(), fingerprint);
    let address = |name: &str| entry.get(name).map(|value| text(value).parse().unwrap());
    assert_eq!(message.get(), Ok(address("xor_mapped").map(XorMappedAddress)));
    assert_eq!(message.get(), Ok(address("xor_relayed").map(XorRelayedAddress)));
    let error = message.get::<ErrorCode<'_>>().unwrap();
    assert_eq!(error.map(|error| u64::from(error.code)), entry.get("error").map(number));
    assert_eq!(
        error.map(|error| hex(error.reason)),
        entry.get("reason_hex").map(|reason| text(reason).to_owned())
    );
}

#[test]
fn what_real_ice_agents_sent_reads_and_verifies() {
    let file = load("captured_ice.json");
    for vector in list(&file["vectors"]) {
        let datagram = bytes(&vector["hex"]);
        let message = Message::parse(&datagram).unwrap();
        assert_eq!(format!("0x{}", hex(&datagram[..2])), text(&vector["type"]));
        let order: Vec<_> = message.attributes().map(|raw| format!("{:#06x}", raw.ty.number())).collect();
        let expected: Vec<_> = list(&vector["attr_order"]).iter().map(text).collect();
        assert_eq!(order, expected);
        assert!(expected.ends_with(&list(&vector["trailing"]).iter().map(text).collect::<Vec<_>>()));
        match vector["MI_key"].as_str() {
            Some(password) => {
                assert_eq!(vector["integrity"], true);
                assert_eq!(
                    message.check_integrity(SHA1, &Key::short_term(password.as_bytes())),
                    Integrity::Valid
                );
            }
            None => assert!(!message.has_integrity(SHA1) && vector["integrity"].is_null()),
        }
        assert_eq!(vector["fingerprint"], true);
        assert_eq!(message.check_fingerprint(), Integrity::Valid);
        check_ice_fields(&message, vector);
    }
    assert_eq!(list(&file["vectors"]).len(), 8);
}

fn check_ice_fields(message: &Message<'_>, vector: &Value) {
    let field = |name: &str| vector.get(name);
    let mapped = field("XOR-MAPPED-ADDRESS")
        .map(|pair| format!("[{}]:{}", text(&pair[0]), number(&pair[1])).parse().unwrap());
    assert_eq!(message.get(), Ok(mapped.map(XorMappedAddress)));
    assert_eq!(message.get(), Ok(field("USERNAME").map(|name| Username(text(name).as_bytes()))));
    assert_eq!(message.get(), Ok(field("PRIORITY").map(|priority| Priority(number(priority) as u32))));
    assert_eq!(message.get(), Ok(field("USE-CANDIDATE").map(|_| UseCandidate)));
    let tie_breaker = |name: &str| field(name).map(|hex| u64::from_str_radix(text(hex), 16).unwrap());
    assert_eq!(message.get(), Ok(tie_breaker("ICE-CONTROLLED").map(IceControlled)));
    assert_eq!(message.get(), Ok(tie_breaker("ICE-CONTROLLING").map(IceControlling)));
    let unknown = message.covered().filter(|raw| raw.ty.name().is_none());
    let unknown: Vec<_> = unknown.map(|raw| format!("{:#06x}", raw.ty.number())).collect();
    assert_eq!(unknown, list(&vector["other_attrs"]).iter().map(text).collect::<Vec<_>>());
    let padding = message.attributes().filter(|raw| raw.value.len() % 4 != 0).map(|raw| {
        let end = raw.offset as usize + 4 + raw.value.len();
        hex(&message.as_bytes()[end..end.next_multiple_of(4)])
    });
    assert_eq!(
        padding.collect::<Vec<_>>(),
        list(&vector["padding_bytes"]).iter().map(text).collect::<Vec<_>>()
    );
}

#[test]
fn message_types_and_keys_are_those_computed_from_the_rfc() {
    let file = load("facts.json");
    let types = file["message_types"].as_object().unwrap();
    for (name, expected) in types {
        let (method, class) = name.split_once('/').unwrap();
        let method = (0..=0xFFF).filter_map(Method::new).find(|known| known.name() == Some(method)).unwrap();
        let datagram = empty_message(class_named(class), method);
        assert_eq!(format!("0x{}", hex(&datagram[..2])), text(expected), "{name}");
    }
    assert_eq!(types.len(), 40);
    for entry in list(&file["keys"]) {
        let [username, realm, password] =
            ["username", "realm", "password"].map(|name| text(&entry[name]).as_bytes());
        assert_eq!(hex(&userhash(username, realm)), text(&entry["userhash"]));
        let md5 = (Key::long_term_md5(username, realm, password), Key::from_bytes(&bytes(&entry["md5"])));
        let sha256 =
            (Key::long_term_sha256(username, realm, password), Key::from_bytes(&bytes(&entry["sha256"])));
        assert_eq!(signed(&md5.0), signed(&md5.1));
        assert_eq!(signed(&sha256.0), signed(&sha256.1));
        assert_ne!(signed(&md5.0), signed(&sha256.0));
    }
    assert_eq!(list(&file["keys"]).len(), 2);
}

/// `stun_retransmission`, `ice`, `mtu` and the timers of `turn` are asserted by the layers that own them.
#[test]
fn every_method_checksum_and_range_is_as_computed_from_the_rfc() {
    let file = load("facts.json");
    let sections: Vec<_> = file.as_object().unwrap().keys().map(String::as_str).collect();
    let mut known = [
        "source",
        "message_types",
        "all_4096_methods_roundtrip",
        "keys",
        "crc32",
        "stun_retransmission",
        "ice",
        "turn",
        "mtu",
    ];
    known.sort_unstable();
    assert_eq!(sections, known);
    for method in (0..=0xFFF).filter_map(Method::new) {
        for class in ["request", "indication", "success", "error"].map(class_named) {
            let datagram = empty_message(class, method);
            let message = Message::parse(&datagram).unwrap();
            assert_eq!((message.class(), message.method(), datagram[0] & 0xC0), (class, method, 0));
        }
    }
    assert_eq!(
        (text(&file["crc32"]["check_123456789"]), text(&file["crc32"]["fingerprint_xor"])),
        ("cbf43926", "5354554e")
    );
    let examples = list(&file["crc32"]["empty_binding_fingerprint"]);
    for example in examples {
        let id = TransactionId::new(bytes(&example["transaction_id"]).try_into().unwrap());
        let mut buffer = [0; 28];
        let mut builder = MessageBuilder::new(&mut buffer, Class::Request, Method::BINDING, id).unwrap();
        builder.add_fingerprint().unwrap();
        assert_eq!(hex(builder.finish()), text(&example["message"]));
    }
    assert_eq!(examples.len(), 1);
    let range = [ChannelNumber::MIN, ChannelNumber::MAX].map(|number| format!("{number:?}"));
    assert_eq!(range.to_vec(), list(&file["turn"]["channel_range"]).iter().map(text).collect::<Vec<_>>());
}

fn check_field(message: &Message<'_>, field: &str, expected: &Value, key: &Key) {
    match field {
        "class" => assert_eq!(message.class(), class_named(text(expected))),
        "method" => assert_eq!(message.method().name().unwrap().to_lowercase(), text(expected)),
        "transaction_id" => assert_eq!(hex(message.transaction_id().as_bytes()), text(expected)),
        "SOFTWARE" => assert_eq!(message.get(), Ok(Some(Software(text(expected).as_bytes())))),
        "USERNAME" => assert_eq!(message.get(), Ok(Some(Username(text(expected).as_bytes())))),
        "PRIORITY" => assert_eq!(message.get(), Ok(Some(Priority(number(expected) as u32)))),
        "ICE-CONTROLLED" => {
            let tie_breaker = u64::from_str_radix(text(expected), 16).unwrap();
            assert_eq!(message.get(), Ok(Some(IceControlled(tie_breaker))));
        }
        "XOR-MAPPED-ADDRESS" => {
            assert_eq!(message.get(), Ok(Some(XorMappedAddress(text(expected).parse().unwrap()))));
        }
        "MESSAGE-INTEGRITY" => {
            assert_eq!(message.check_integrity(SHA1, key), integrity_named(text(expected)));
            let is_there = message.attributes().any(|raw| {
                matches!(
                    AttributeValue::decode(raw, &message.transaction_id()),
                    Ok(AttributeValue::MessageIntegrity(MessageIntegrity(_)))
                )
            });
            assert!(is_there);
        }
        "FINGERPRINT" => {
            assert_eq!(message.check_fingerprint(), integrity_named(text(expected)));
            let last =
                message.attributes().last().map(|raw| AttributeValue::decode(raw, &message.transaction_id()));
            let is_there = matches!(last, Some(Ok(AttributeValue::Fingerprint(Fingerprint(_)))));
            assert_eq!(is_there, text(expected) != "absent");
        }
        _ => panic!("not understood: {field}"),
    }
}

fn integrity_named(name: &str) -> Integrity {
    match name {
        "valid" => Integrity::Valid,
        "invalid" => Integrity::Invalid,
        "absent" => Integrity::Absent,
        _ => panic!("not understood: {name}"),
    }
}

fn class_named(name: &str) -> Class {
    match name {
        "request" => Class::Request,
        "indication" => Class::Indication,
        "success" => Class::SuccessResponse,
        "error" => Class::ErrorResponse,
        _ => panic!("not understood: {name}"),
    }
}

fn empty_message(class: Class, method: Method) -> Vec<u8> {
    let mut buffer = [0; 20];
    MessageBuilder::new(&mut buffer, class, method, TransactionId::new([1; 12])).unwrap().finish().to_vec()
}

fn signed(key: &Key) -> Vec<u8> {
    let mut buffer = [0; 80];
    let id = TransactionId::new([1; 12]);
    let mut builder = MessageBuilder::new(&mut buffer, Class::Request, Method::BINDING, id).unwrap();
    builder.sign(key).unwrap();
    builder.sign_sha256(key).unwrap();
    builder.finish().to_vec()
}
