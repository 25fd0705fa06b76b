//! The catalogue of hostile inputs, as far as the wire goes: a test each. Where a case is a property of one
//! file, the test beside that file is the long form and the one here the short one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]
#![allow(clippy::arithmetic_side_effects)]

mod common;

use common::{authenticates, every_message, request_with, signed_messages};
use libstun::wire::attribute::{
    AlternateServer, AttributeError, AttributeType, AttributeValue, ErrorCode, EvenPort, IceControlled,
    Lifetime, Nonce, Priority, RawAttribute, Software, UnknownAttributes, UseCandidate, Username,
    XorMappedAddress, XorPeerAddress,
};
use libstun::wire::stream::{StreamDecoder, StreamError};
use libstun::wire::{
    ChannelData, ChannelNumber, Class, Classification, Integrity, IntegrityAlgorithm, Key, Message,
    MessageBuilder, Method, ParseError, TransactionId, classify,
};
use proptest::prelude::*;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const SHA1: IntegrityAlgorithm = IntegrityAlgorithm::Sha1;
const SHA256: IntegrityAlgorithm = IntegrityAlgorithm::Sha256;
const ID: TransactionId = TransactionId::new([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);

/// Case 1.
#[test]
fn header_prefixes_are_not_messages() {
    let message = request_with(&[]);
    for length in 0..20 {
        assert_eq!(Message::parse(&message[..length]).unwrap_err(), ParseError::TooShort);
        assert_ne!(classify(&message[..length]), Classification::Stun);
    }
}

/// Case 2.
#[test]
fn no_message_survives_truncation_at_any_byte() {
    let messages = every_message();
    let mut truncations = 0;
    for message in &messages {
        // The longest ones byte by byte at their ends, where the interesting lengths are.
        for length in (0..message.len()).filter(|length| *length < 2000 || message.len() - length < 100) {
            assert!(Message::parse(&message[..length]).is_err());
            truncations += 1;
        }
    }
    assert!(messages.len() > 150 && truncations > 10_000, "{} {truncations}", messages.len());
}

/// Case 3.
#[test]
fn top_bits_other_than_zero_are_another_protocol() {
    for bits in [0x40, 0x80, 0xC0] {
        let mut message = request_with(&[]);
        message[0] |= bits;
        assert_eq!(Message::parse(&message).unwrap_err(), ParseError::NotStun);
        assert_ne!(classify(&message), Classification::Stun);
    }
}

/// Case 4.
#[test]
fn a_wrong_cookie_is_not_stun() {
    for bit in 32..64 {
        let mut message = request_with(&[]);
        message[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Message::parse(&message).unwrap_err(), ParseError::WrongCookie);
        assert_ne!(classify(&message), Classification::Stun);
    }
}

/// Case 5.
#[test]
fn an_unaligned_length_is_rejected() {
    for length in (0..64_u8).filter(|length| length % 4 != 0) {
        let mut message = request_with(&[]);
        message[3] = length;
        message.extend(vec![0; length.into()]);
        assert_eq!(Message::parse(&message).unwrap_err(), ParseError::UnalignedLength);
    }
}

/// Case 6.
#[test]
fn a_length_that_disagrees_with_the_datagram_is_rejected_and_a_stream_waits() {
    let message = request_with(&[(AttributeType::SOFTWARE, b"software")]);
    assert_eq!(Message::parse(&message[..28]).unwrap_err(), ParseError::WrongLength);
    let long = [&message[..], &[0; 4]].concat();
    assert_eq!(Message::parse(&long).unwrap_err(), ParseError::WrongLength);
    let mut decoder = StreamDecoder::new();
    assert_eq!(decoder.push(&message[..28]), Ok(28));
    assert_eq!(decoder.next_frame(), Ok(None));
    assert_eq!(decoder.push(&message[28..]), Ok(message.len() - 28));
    assert_eq!(decoder.next_frame(), Ok(Some(&message[..])));
}

/// Case 7.
#[test]
fn the_largest_lengths_do_not_wrap() {
    for length in (0xFFEC..=0xFFFC_u16).step_by(4) {
        let mut message = request_with(&[]);
        message[2..4].copy_from_slice(&length.to_be_bytes());
        assert_eq!(Message::parse(&message).unwrap_err(), ParseError::WrongLength);
        assert_ne!(classify(&message), Classification::Stun);
    }
}

/// Case 8.
#[test]
fn an_attribute_that_runs_over_the_end_is_rejected() {
    for length in [5, 8, 0x100, 0xFFFC, 0xFFFD, 0xFFFE, 0xFFFF_u16] {
        let mut message = request_with(&[(AttributeType::SOFTWARE, b"abcd")]);
        message[22..24].copy_from_slice(&length.to_be_bytes());
        assert_eq!(Message::parse(&message).unwrap_err(), ParseError::AttributeOverrun, "{length}");
    }
}

/// Case 9.
#[test]
fn padding_may_be_anything_and_is_covered_as_it_came() {
    let key = Key::short_term(b"password");
    for padding in [0x20, 0xFF, 0x00] {
        let plain = request_with(&[(AttributeType::SOFTWARE, b"abc")]);
        let mut buffer = [0; 128];
        buffer[..plain.len()].copy_from_slice(&plain);
        buffer[27] = padding;
        let mut builder = MessageBuilder::resume(&mut buffer, plain.len()).unwrap();
        builder.sign(&key).unwrap();
        let mut message = builder.finish().to_vec();
        let read = Message::parse(&message).unwrap();
        assert_eq!(read.get(), Ok(Some(Software(b"abc"))));
        assert_eq!(read.check_integrity(SHA1, &key), Integrity::Valid);
        message[27] ^= 1;
        assert_eq!(Message::parse(&message).unwrap().check_integrity(SHA1, &key), Integrity::Invalid);
    }
}

/// Case 10.
#[test]
fn nothing_of_a_dirty_buffer_gets_into_a_message() {
    let build = |fill: u8| {
        let mut buffer = [fill; 512];
        let key = Key::short_term(b"password");
        let mut builder =
            MessageBuilder::new(&mut buffer, Class::ErrorResponse, Method::ALLOCATE, ID).unwrap();
        builder.add(&ErrorCode { code: 420, reason: b"no" }).unwrap();
        builder.add(&UnknownAttributes::from_types(&[AttributeType::DATA])).unwrap();
        builder.add(&EvenPort { reserves_next: true }).unwrap();
        builder.add(&XorMappedAddress("[2001:db8::1]:9".parse().unwrap())).unwrap();
        builder.add(&Nonce(b"n")).unwrap();
        builder.add_raw(AttributeType::new(0xC057), b"raw").unwrap();
        builder.sign(&key).unwrap();
        builder.sign_sha256(&key).unwrap();
        builder.add_fingerprint().unwrap();
        builder.finish().to_vec()
    };
    assert_eq!(build(0x00), build(0xFF));
    assert_eq!(build(0x00), build(0xA5));
}

/// Case 11. The iterator gives each attribute once and each header starts after the one before: the walk
/// cannot be more than linear.
#[test]
fn a_message_of_16383_empty_attributes_is_walked_once() {
    let message =
        [&[0, 1, 0xFF, 0xFC, 0x21, 0x12, 0xA4, 0x42][..], &[0; 12], &[0xFF, 0xFE, 0, 0].repeat(16_383)]
            .concat();
    let message = Message::parse(&message).unwrap();
    let offsets: Vec<_> = message.attributes().map(|raw| raw.offset).collect();
    assert_eq!(offsets.len(), 16_383);
    assert!(offsets.iter().zip((20..).step_by(4)).all(|(offset, expected)| *offset == expected));
}

/// Case 12.
#[test]
fn an_address_of_fewer_than_eight_bytes_is_an_error() {
    for length in 0..8 {
        let message =
            request_with(&[(AttributeType::XOR_MAPPED_ADDRESS, &[0, 1, 2, 3, 4, 5, 6, 7][..length])]);
        let message = Message::parse(&message).unwrap();
        assert_eq!(message.get::<XorMappedAddress>(), Err(AttributeError::WrongLength));
    }
}

/// Case 13.
#[test]
fn an_address_has_a_known_family_and_its_length() {
    let read = |family: u8, length: usize| {
        let value = [&[0xFF, family, 0, 0][..], &vec![0; length - 4]].concat();
        let message = request_with(&[(AttributeType::XOR_MAPPED_ADDRESS, &value)]);
        Message::parse(&message).unwrap().get::<XorMappedAddress>().map(|address| address.is_some())
    };
    assert_eq!(read(0, 8), Err(AttributeError::UnknownFamily));
    assert_eq!(read(3, 8), Err(AttributeError::UnknownFamily));
    assert_eq!(read(1, 20), Err(AttributeError::WrongLength));
    assert_eq!(read(2, 8), Err(AttributeError::WrongLength));
    assert_eq!((read(1, 8), read(2, 20)), (Ok(true), Ok(true)));
}

proptest! {
    /// Case 14.
    #[test]
    fn an_xored_address_comes_back_as_it_was(ip: IpAddr, port: u16, id: [u8; 12]) {
        let address = SocketAddr::new(ip, port);
        let mut buffer = [0xAA; 64];
        let mut builder =
            MessageBuilder::new(&mut buffer, Class::SuccessResponse, Method::BINDING, TransactionId::new(id)).unwrap();
        builder.add(&XorMappedAddress(address)).unwrap();
        let message = Message::parse(builder.finish()).unwrap();
        prop_assert_eq!(message.get(), Ok(Some(XorMappedAddress(address))));
    }

    /// Case 23.
    #[test]
    fn what_reads_is_written_again_with_the_same_meaning(
        attributes in proptest::collection::vec((any::<u16>(), any::<Vec<u8>>()), 0..12),
    ) {
        let attributes: Vec<_> = attributes
            .iter()
            .map(|(ty, value)| (AttributeType::new(*ty), &value[..]))
            .filter(|(ty, _)| !SEALS.contains(ty))
            .collect();
        let message = request_with(&attributes);
        let read = Message::parse(&message).unwrap();
        let again: Vec<_> = read.attributes().map(|raw| (raw.ty, raw.value)).collect();
        prop_assert_eq!(&again, &attributes);
        prop_assert_eq!(request_with(&again), message);
    }

    /// The global oracle: whatever arrives, nothing panics.
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, key: Vec<u8>) {
        exercise(&bytes, &Key::from_bytes(&key));
        let mut framed = vec![0, 1, (bytes.len() >> 8) as u8, bytes.len() as u8 & !3, 0x21, 0x12, 0xA4, 0x42];
        framed.extend([0; 12]);
        framed.extend(&bytes[..bytes.len() & !3]);
        exercise(&framed, &Key::from_bytes(&key));
    }
}

/// Case 15.
#[test]
fn attributes_of_a_fixed_size_have_that_size() {
    let sizes = [
        (AttributeType::CHANNEL_NUMBER, 4),
        (AttributeType::LIFETIME, 4),
        (AttributeType::REQUESTED_ADDRESS_FAMILY, 4),
        (AttributeType::ADDITIONAL_ADDRESS_FAMILY, 4),
        (AttributeType::EVEN_PORT, 1),
        (AttributeType::REQUESTED_TRANSPORT, 4),
        (AttributeType::DONT_FRAGMENT, 0),
        (AttributeType::RESERVATION_TOKEN, 8),
        (AttributeType::ICMP, 8),
        (AttributeType::CONNECTION_ID, 4),
        (AttributeType::PRIORITY, 4),
        (AttributeType::USE_CANDIDATE, 0),
        (AttributeType::ICE_CONTROLLED, 8),
        (AttributeType::ICE_CONTROLLING, 8),
        (AttributeType::CHANGE_REQUEST, 4),
        (AttributeType::CACHE_TIMEOUT, 4),
        (AttributeType::USERHASH, 32),
        (AttributeType::MESSAGE_INTEGRITY, 20),
        (AttributeType::FINGERPRINT, 4),
    ];
    // Starts like a channel's number and like an address family, so that only the length can be wrong.
    let value = |ty: AttributeType| if ty == AttributeType::CHANNEL_NUMBER { [0x40; 40] } else { [1; 40] };
    for (ty, size) in sizes {
        for length in [0, size.max(1) - 1, size, size + 1] {
            let raw = RawAttribute { ty, value: &value(ty)[..length], offset: 20 };
            assert_eq!(AttributeValue::decode(raw, &ID).is_ok(), length == size, "{ty:?} of {length} bytes");
        }
    }
    for length in 0..4 {
        let raw = RawAttribute { ty: AttributeType::ERROR_CODE, value: &[0, 0, 4, 0][..length], offset: 20 };
        assert_eq!(AttributeValue::decode(raw, &ID), Err(AttributeError::WrongLength));
    }
}

/// Case 16.
#[test]
fn an_error_code_is_from_300_to_699_whatever_the_reserved_bits_say() {
    let read = |value: [u8; 4]| {
        let message = request_with(&[(AttributeType::ERROR_CODE, &value)]);
        Message::parse(&message).unwrap().get::<ErrorCode<'_>>().map(|error| error.unwrap().code)
    };
    for value in [[0, 0, 0, 0], [0, 0, 2, 99], [0, 0, 7, 0], [0, 0, 4, 100], [0, 0, 3, 255]] {
        assert_eq!(read(value), Err(AttributeError::OutOfRange));
    }
    assert_eq!(
        (read([0, 0, 3, 0]), read([0, 0, 6, 99]), read([0xFF, 0xFF, 0xFC, 1])),
        (Ok(300), Ok(699), Ok(401))
    );
}

/// Case 17.
#[test]
fn a_reason_may_hold_anything_and_is_displayed_all_the_same() {
    for reason in [&b"\xFF\xFE\x80"[..], b"\0\0\0", b"a\0b\0", &[b'a'; 764], &[0xC3; 764], b""] {
        let message = request_with(&[(AttributeType::ERROR_CODE, &[&[0, 0, 4, 0], reason].concat())]);
        let error = Message::parse(&message)
            .unwrap()
            .get::<ErrorCode<'_>>()
            .unwrap()
            .map(|error| error.reason.to_vec());
        assert_eq!(error.as_deref(), Some(reason));
        let shown = ErrorCode { code: 400, reason }.to_string();
        assert!(shown.starts_with("400 ") && !shown.chars().any(char::is_control), "{shown}");
    }
}

/// Case 18.
#[test]
fn unknown_attributes_are_two_bytes_each_and_padded_with_zeros() {
    let types = [AttributeType::new(0x7FFE), AttributeType::new(0x7FFD), AttributeType::new(0x7FFC)];
    let mut buffer = [0xAA; 64];
    let mut builder = MessageBuilder::new(&mut buffer, Class::ErrorResponse, Method::BINDING, ID).unwrap();
    builder.add(&UnknownAttributes::from_types(&types)).unwrap();
    let bytes = builder.finish();
    assert_eq!(bytes[20..], [0, 0x0A, 0, 6, 0x7F, 0xFE, 0x7F, 0xFD, 0x7F, 0xFC, 0, 0]);
    let read = Message::parse(bytes).unwrap().get::<UnknownAttributes<'_>>().unwrap().unwrap();
    assert!(read.iter().eq(types));
    let odd = request_with(&[(AttributeType::UNKNOWN_ATTRIBUTES, &[0x7F, 0xFE, 0x7F])]);
    let odd = Message::parse(&odd).unwrap();
    assert_eq!(odd.get::<UnknownAttributes<'_>>(), Err(AttributeError::WrongLength));
}

/// Case 19.
#[test]
fn the_first_of_duplicates_counts_except_where_many_are_meant() {
    let mut buffer = [0; 256];
    let mut builder =
        MessageBuilder::new(&mut buffer, Class::Request, Method::CREATE_PERMISSION, ID).unwrap();
    let addresses: [SocketAddr; 2] = ["192.0.2.1:1".parse().unwrap(), "192.0.2.2:2".parse().unwrap()];
    for (address, lifetime) in addresses.into_iter().zip([600, 777]) {
        builder.add(&Lifetime(Duration::from_secs(lifetime))).unwrap();
        builder.add(&XorPeerAddress(address)).unwrap();
        builder.add(&AlternateServer(address)).unwrap();
    }
    let message = Message::parse(builder.finish()).unwrap();
    assert_eq!(message.get(), Ok(Some(Lifetime(Duration::from_secs(600)))));
    assert!(message.get_all::<XorPeerAddress>().eq(addresses.map(|address| Ok(XorPeerAddress(address)))));
    assert!(message.get_all::<AlternateServer>().eq(addresses.map(|address| Ok(AlternateServer(address)))));
}

/// Case 20.
#[test]
fn the_order_of_attributes_does_not_matter() {
    let attributes: [(AttributeType, &[u8]); 4] = [
        (AttributeType::USERNAME, b"l:r"),
        (AttributeType::PRIORITY, &[0x6E, 0, 1, 0xFF]),
        (AttributeType::USE_CANDIDATE, b""),
        (AttributeType::ICE_CONTROLLED, &[7; 8]),
    ];
    for first in 0..4 {
        for swap in 1..4 {
            let mut order = attributes;
            order.rotate_left(first);
            order.swap(0, swap);
            let bytes = request_with(&order);
            let message = Message::parse(&bytes).unwrap();
            assert_eq!(message.get(), Ok(Some(Username(b"l:r"))));
            assert_eq!(message.get(), Ok(Some(Priority(0x6E00_01FF))));
            assert_eq!(message.get(), Ok(Some(UseCandidate)));
            assert_eq!(message.get(), Ok(Some(IceControlled(0x0707_0707_0707_0707))));
        }
    }
}

/// Case 21.
#[test]
fn a_message_reads_alike_at_every_alignment() {
    for (message, key) in signed_messages() {
        for offset in 0..8 {
            let buffer = [&vec![0xAA; offset][..], &message].concat();
            let shifted = Message::parse(&buffer[offset..]).unwrap();
            assert!(shifted.attributes().eq(Message::parse(&message).unwrap().attributes()));
            assert!(authenticates(&buffer[offset..], &key));
        }
    }
}

/// Case 22.
#[test]
fn hostile_names_are_displayed_escaped() {
    let username = Username("%n\u{1B}[2J\r\n\u{202E}gnp.exe".as_bytes());
    assert_eq!(username.to_string(), r"\x25n\u{1b}[2J\r\n\u{202e}gnp.exe");
    assert_eq!(format!("{username:?}"), r#"Username("\x25n\u{1b}[2J\r\n\u{202e}gnp.exe")"#);
}

/// Case 24.
#[test]
fn bad_channel_data_is_discarded() {
    for datagram in
        [&b"\x40\0\0\x06hello"[..], b"\x40\0\xFF\xFF", b"\x40\0\0", b"", b"\x50\0\0\x01A", b"\xFF\xFF\0\0"]
    {
        assert!(ChannelData::parse_datagram(datagram).is_err());
        assert_ne!(classify(datagram), Classification::ChannelData);
    }
}

/// Case 25.
#[test]
fn a_stream_gives_exact_messages_at_every_split_and_breaks_when_it_loses_its_place() {
    let mut buffer = [0; 64];
    let data = ChannelData::write(&mut buffer, ChannelNumber::MIN, b"hello", true).unwrap();
    let frames = [request_with(&[(AttributeType::SOFTWARE, b"abc")]), data.to_vec(), request_with(&[])];
    let stream = frames.concat();
    for split in 0..=stream.len() {
        assert_eq!(decode_stream(&[&stream[..split], &stream[split..]]), Ok(frames.to_vec()));
    }
    assert_eq!(decode_stream(&stream.chunks(1).collect::<Vec<_>>()), Ok(frames.to_vec()));
    assert_eq!(decode_stream(&[&stream, b"\xFFjunk"]), Err(StreamError::UnknownProtocol));
}

/// Case 26.
#[test]
fn other_protocols_are_not_stun() {
    for first in 4..=u8::MAX {
        let mut datagram = vec![first; 1400];
        datagram[1..4].copy_from_slice(&[0xFE, 0xFD, 0]);
        assert_ne!(classify(&datagram), Classification::Stun);
        assert!(Message::parse(&datagram).is_err());
    }
}

const SEALS: [AttributeType; 3] =
    [AttributeType::MESSAGE_INTEGRITY, AttributeType::MESSAGE_INTEGRITY_SHA256, AttributeType::FINGERPRINT];

fn decode_stream(pieces: &[&[u8]]) -> Result<Vec<Vec<u8>>, StreamError> {
    let (mut decoder, mut frames) = (StreamDecoder::new(), Vec::new());
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let taken = decoder.push(rest)?;
            rest = &rest[taken..];
            frames.extend(decoder.next_frame()?.map(<[u8]>::to_vec));
        }
    }
    Ok(frames)
}

/// Calls everything that reads.
fn exercise(bytes: &[u8], key: &Key) {
    let _ = (classify(bytes), ChannelData::parse_datagram(bytes), ChannelData::parse_frame(bytes));
    let _ = decode_stream(&[bytes]);
    if let Ok(message) = Message::parse(bytes) {
        let id = message.transaction_id();
        let _ = message.attributes().map(|raw| format!("{:?}", AttributeValue::decode(raw, &id))).count();
        let _ = (
            message.check_integrity(SHA1, key),
            message.check_integrity(SHA256, key),
            message.check_fingerprint(),
        );
        let _ = (message.covered().count(), message.uncovered().count(), format!("{message:?}"));
    }
}
