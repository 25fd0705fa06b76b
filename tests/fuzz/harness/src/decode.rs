//! Message decoding, against the naive decoder.

use std::fmt::Write;
use std::sync::OnceLock;

use libstun::wire::attribute::{
    AlternateServer, Attribute, AttributeValue, ErrorCode, MappedAddress, OtherAddress, RawAttribute,
    ResponseOrigin, XorMappedAddress, XorPeerAddress, XorRelayedAddress,
};
use libstun::wire::stream::{FrameLength, frame_length};
use libstun::wire::{Class, Integrity, IntegrityAlgorithm, Key, Message};

use crate::naive;

/// Both decoders say the same of any bytes, and every accessor of what they accept can be called.
pub fn decode(data: &[u8]) {
    match (Message::parse(data), naive::read(data)) {
        (Ok(message), Some(naive)) => {
            compare_heads(data, &message, &naive);
            compare_lists(&message, &naive);
            compare_checks(&message, &naive);
            compare_values(&message, &naive);
        }
        (Err(_), None) => {}
        (ours, naive) => panic!("one accepts what the other refuses: {ours:?}, naively {naive:?}"),
    }
}

fn compare_heads(data: &[u8], message: &Message<'_>, naive: &naive::Message) {
    let class = match message.class() {
        Class::Request => 0,
        Class::Indication => 1,
        Class::SuccessResponse => 2,
        Class::ErrorResponse => 3,
    };
    assert_eq!(class, naive.class);
    assert_eq!(message.method().number(), naive.method);
    assert_eq!(*message.transaction_id().as_bytes(), naive.id);
    assert_eq!(message.as_bytes(), data);
    assert_eq!(frame_length(data), Ok(FrameLength::Known(data.len())), "a message is one frame");
}

fn compare_lists(message: &Message<'_>, naive: &naive::Message) {
    assert!(message.attributes().map(plain).eq(naive.attributes.iter().map(plain_naive)));
    assert!(message.covered().map(plain).eq(naive.attributes[..naive.covered].iter().map(plain_naive)));
    let uncovered = naive.uncovered.iter().map(|place| plain_naive(&naive.attributes[*place]));
    assert!(message.uncovered().map(plain).eq(uncovered));
    let covered_end =
        naive.attributes.get(naive.covered).map_or(message.as_bytes().len(), |first| first.offset);
    assert_eq!(message.covered_end(), covered_end);
    let mut at = 0;
    for attribute in message.attributes() {
        let (raw, next) =
            RawAttribute::at(message.as_bytes(), at).expect("a walk by offset finds what a walk does");
        assert_eq!(raw, attribute);
        at = next;
    }
    assert_eq!(RawAttribute::at(message.as_bytes(), at.max(20)), None);
}

fn compare_checks(message: &Message<'_>, naive: &naive::Message) {
    static KEY: OnceLock<Key> = OnceLock::new();
    let key = KEY.get_or_init(|| Key::short_term(b"known to nobody else"));
    let fingerprint = match naive.fingerprint {
        None => Integrity::Absent,
        Some(true) => Integrity::Valid,
        Some(false) => Integrity::Invalid,
    };
    assert_eq!(message.check_fingerprint(), fingerprint);
    for (algorithm, is_there) in
        [(IntegrityAlgorithm::Sha1, naive.has_sha1), (IntegrityAlgorithm::Sha256, naive.has_sha256)]
    {
        assert_eq!(message.has_integrity(algorithm), is_there);
        // Nobody can have signed with that key.
        let expected = if is_there { Integrity::Invalid } else { Integrity::Absent };
        assert_eq!(message.check_integrity(algorithm, key), expected);
        assert_eq!(message.check_integrity_of_length(algorithm, key, 0), expected);
    }
}

fn compare_values(message: &Message<'_>, naive: &naive::Message) {
    let id = message.transaction_id();
    for raw in message.attributes() {
        let value = AttributeValue::decode(raw, &id);
        let _ = write!(Nowhere, "{:?} {value:?}", raw.ty);
        if let Some(is_xored) = naive::address_type(raw.ty.number()) {
            let expected = naive::address(raw.value, is_xored, &naive.id);
            assert_eq!(value.is_ok(), expected.is_some(), "{raw:?}");
        }
    }
    compare_address::<MappedAddress>(message, naive, |found| found.0);
    compare_address::<XorMappedAddress>(message, naive, |found| found.0);
    compare_address::<XorPeerAddress>(message, naive, |found| found.0);
    compare_address::<XorRelayedAddress>(message, naive, |found| found.0);
    compare_address::<AlternateServer>(message, naive, |found| found.0);
    compare_address::<ResponseOrigin>(message, naive, |found| found.0);
    compare_address::<OtherAddress>(message, naive, |found| found.0);
    let ours = message.get::<ErrorCode<'_>>().map(|found| found.map(|error| (error.code, error.reason))).ok();
    let first = first(naive, ErrorCode::TYPE.number());
    assert_eq!(ours.flatten(), first.and_then(|attribute| naive::error_code(&attribute.value)));
}

/// The first covered attribute of a type decodes to the same address, or to none, for both.
fn compare_address<A: for<'a> Attribute<'a>>(
    message: &Message<'_>,
    naive: &naive::Message,
    address: fn(A) -> std::net::SocketAddr,
) {
    let number = <A as Attribute<'_>>::TYPE.number();
    let is_xored = naive::address_type(number).expect("the naive decoder knows every address");
    let first = first(naive, number);
    assert_eq!(message.find(<A as Attribute<'_>>::TYPE).map(plain), first.map(plain_naive));
    let ours = message.get::<A>();
    assert_eq!(
        ours.is_err(),
        first.is_some_and(|it| naive::address(&it.value, is_xored, &naive.id).is_none())
    );
    let ours = ours.ok().flatten().map(address);
    assert_eq!(ours, first.and_then(|attribute| naive::address(&attribute.value, is_xored, &naive.id)));
}

fn first(naive: &naive::Message, number: u16) -> Option<&naive::Attribute> {
    naive.attributes[..naive.covered].iter().find(|attribute| attribute.number == number)
}

fn plain(raw: RawAttribute<'_>) -> (u16, usize, &[u8]) {
    (raw.ty.number(), raw.offset as usize, raw.value)
}

fn plain_naive(attribute: &naive::Attribute) -> (u16, usize, &[u8]) {
    (attribute.number, attribute.offset, &attribute.value)
}

/// Takes formatted text and drops it: formatting must not panic.
struct Nowhere;

impl Write for Nowhere {
    fn write_str(&mut self, _: &str) -> std::fmt::Result {
        Ok(())
    }
}
