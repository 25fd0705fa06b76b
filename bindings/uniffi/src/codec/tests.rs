#![allow(clippy::unreachable, clippy::unwrap_used)] // tests may

use super::*;

const LONGEST_VALUE: usize = 65_528;

fn message(attributes: Vec<RawAttribute>) -> RawMessage {
    RawMessage { message_class: 0, method: 1, transaction_id: vec![7; 12], attributes }
}

fn attribute(attribute_type: u16, length: usize) -> RawAttribute {
    RawAttribute { attribute_type, value: vec![0xab; length] }
}

fn key(kind: u32, username: &str, realm: &str, password: &str) -> RawKey {
    let password = password.to_owned().into();
    RawKey { kind, username: username.into(), realm: realm.into(), password }
}

fn code<T>(result: Result<T, Refusal>) -> i32 {
    match result {
        Ok(_) => 0,
        Err(Refusal::Refused { code, .. }) => code,
    }
}

#[test]
fn the_longest_message_there_is_comes_back_and_a_longer_one_is_refused() {
    let longest = message(vec![attribute(0x8022, LONGEST_VALUE)]);
    let bytes = encode_message(longest.clone(), None, 0, false).unwrap();
    assert_eq!((bytes.len(), decode_message(&bytes)), (MAX_MESSAGE, Ok(longest.clone())));
    for length in [LONGEST_VALUE + 1, 65_535, 65_536, 1 << 20] {
        assert_eq!(
            code(encode_message(message(vec![attribute(0x8022, length)]), None, 0, false)),
            -2,
            "{length}"
        );
    }
    assert_eq!(code(encode_message(longest, None, 0, true)), -2, "there is no room for FINGERPRINT");
    let many = message(vec![attribute(0x8022, 0); 16_384]);
    assert_eq!(code(encode_message(many, None, 0, false)), -2);
}

#[test]
fn values_of_every_length_keep_it_under_padding() {
    let all: Vec<_> = (0..9).map(|length| attribute(0xc000, length)).collect();
    let bytes = encode_message(message(all.clone()), None, 0, true).unwrap();
    assert_eq!((bytes.len() % 4, check_fingerprint(&bytes)), (0, Ok(1)));
    let decoded = decode_message(&bytes).unwrap().attributes;
    assert_eq!(decoded.get(..9), Some(all.as_slice()));
}

#[test]
fn integrity_is_valid_with_the_key_that_signed_and_no_other() {
    let keys = || [key(0, "", "", "p"), key(1, "u", "r", "p"), key(2, "u", "r", "p"), key(1, "u", "r", "q")];
    for (signer, signing) in keys().into_iter().enumerate() {
        let bytes = encode_message(message(Vec::new()), Some(signing), 3, true).unwrap();
        for (checker, checking) in keys().into_iter().enumerate() {
            for sha256 in [false, true] {
                let expected = if signer == checker { 1 } else { 2 };
                assert_eq!(check_integrity(&bytes, checking.clone(), sha256), Ok(expected));
            }
        }
    }
    let unsigned = encode_message(message(Vec::new()), Some(key(0, "", "", "p")), 0, true).unwrap();
    assert_eq!(check_integrity(&unsigned, key(0, "", "", "p"), false), Ok(0));
}

#[test]
fn keys_that_are_none_are_refused_and_the_password_is_not_in_the_sentence() {
    let signed = encode_message(message(Vec::new()), Some(key(0, "", "", "p")), 1, false).unwrap();
    let odd = [
        key(3, "u", "r", "hunter2"),
        key(u32::MAX, "u", "r", "hunter2"),
        key(1, "", "r", "hunter2"),
        key(2, "u", "", "hunter2"),
        key(0, "", "", ""),
        key(0, "", "", "hunter2\u{7}"),
        key(1, "u\u{1100}", "r", "hunter2"),
    ];
    for key in odd {
        let Err(Refusal::Refused { code, reason }) = check_integrity(&signed, key.clone(), false) else {
            unreachable!("{}", key.kind);
        };
        assert_eq!((code, reason.contains("hunter2")), (-2, false), "{reason}");
        assert_eq!(self::code(encode_message(message(Vec::new()), Some(key), 1, false)), -2);
    }
}

#[test]
fn what_is_no_message_is_refused_and_never_a_bug() {
    let whole = encode_message(message(vec![attribute(0x0006, 5)]), None, 0, true).unwrap();
    for length in 0..whole.len() {
        let part = whole.get(..length).unwrap();
        assert_eq!(code(decode_message(part)), -2, "{length}");
        assert_eq!((code(check_fingerprint(part)), code(decode_address(part, 1))), (-2, -2));
    }
    let refused = [
        RawMessage { message_class: 4, ..message(Vec::new()) },
        RawMessage { message_class: u32::MAX, ..message(Vec::new()) },
        RawMessage { method: 0x1000, ..message(Vec::new()) },
        RawMessage { transaction_id: vec![0; 11], ..message(Vec::new()) },
        message(vec![attribute(0x0008, 20)]),
        message(vec![attribute(0x8028, 4)]),
    ];
    for one in refused {
        assert_eq!(code(encode_message(one, None, 0, false)), -2);
    }
    assert_eq!(code(encode_message(message(Vec::new()), Some(key(0, "", "", "p")), 4, false)), -2);
    assert_eq!(code(encode_message(message(Vec::new()), None, 1, false)), -2);
}

#[test]
fn an_address_of_every_type_comes_back() {
    for text in ["192.0.2.1:3478", "[2001:db8::1:2]:65535"] {
        let address = Endpoint::from(text.parse::<core::net::SocketAddr>().unwrap());
        for attribute_type in [0x0001, 0x0020, 0x0012, 0x0016, 0x8023, 0x802b, 0x802c] {
            let value = encode_address(attribute_type, address, &[7; 12]).unwrap();
            let carrier = message(vec![RawAttribute { attribute_type, value }]);
            let bytes = encode_message(carrier, None, 0, false).unwrap();
            assert_eq!(decode_address(&bytes, attribute_type), Ok(address), "{attribute_type:#x}");
        }
        assert_eq!(code(encode_address(0x0006, address, &[7; 12])), -2);
        assert_eq!(code(encode_address(0x0001, Endpoint::NONE, &[7; 12])), -2);
        assert_eq!(code(encode_address(0x0020, address, &[])), -2, "it would belong to no message");
    }
}
