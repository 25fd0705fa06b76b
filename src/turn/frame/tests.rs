//! Frames there and back.

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::wire::attribute::Software;

const ID: TransactionId = TransactionId::new([7, 6, 5, 4, 3, 2, 1, 0, 255, 254, 253, 252]);

fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn every_frame() -> Vec<Frame> {
    let channel = |is_padded| Frame::Channel { number: ChannelNumber::MIN, is_padded };
    let send = |peer, dont_fragment| Frame::Send { peer: socket(peer), id: ID, dont_fragment };
    let (v4, v6) = ("192.0.2.9:4000", "[2001:db8::9]:4000");
    vec![channel(false), channel(true), send(v4, false), send(v4, true), send(v6, false), send(v6, true)]
}

/// A message of the server's.
fn indication(fill: impl FnOnce(&mut MessageBuilder<'_>) -> Result<(), BuildError>) -> Vec<u8> {
    let mut buffer = [0; 256];
    let mut builder = MessageBuilder::new(&mut buffer, Class::Indication, Method::DATA, ID).unwrap();
    fill(&mut builder).unwrap();
    builder.finish().to_vec()
}

fn read(bytes: &[u8]) -> Result<Indication<'_>, DropReason> {
    data_indication(&Message::parse(bytes).unwrap())
}

/// The payload that a server finds in a frame.
fn unwrapped(frame: Frame, bytes: &[u8]) -> Vec<u8> {
    match frame {
        Frame::Channel { number, is_padded } => {
            let data = channel_data(bytes, is_padded).unwrap();
            assert_eq!(data.number, number);
            data.data.to_vec()
        }
        Frame::Send { peer, id, dont_fragment } => {
            let message = Message::parse(bytes).unwrap();
            assert_eq!((message.class(), message.method()), (Class::Indication, Method::SEND));
            assert_eq!(message.transaction_id(), id);
            assert_eq!(message.get(), Ok(Some(XorPeerAddress(peer))));
            assert_eq!(message.get::<DontFragment>().unwrap().is_some(), dont_fragment);
            let last = message.attributes().last().unwrap();
            assert_eq!(last.ty, AttributeType::DATA);
            last.value.to_vec()
        }
    }
}

proptest! {
    #[test]
    fn both_forms_write_the_same_bytes_and_nothing_else(
        payload in proptest::collection::vec(any::<u8>(), 0..200), spare in 0usize..9, which in 0usize..6,
    ) {
        let frame = every_frame()[which];
        let mut copied = vec![0xAA; 300];
        let copied = frame.write(&mut copied, &payload).unwrap().to_vec();
        prop_assert_eq!(unwrapped(frame, &copied), payload.clone());

        let start = frame.headroom() + spare;
        let mut buffer = vec![0xAA; start + payload.len() + frame.padding(payload.len()) + spare];
        buffer[start..start + payload.len()].copy_from_slice(&payload);
        let whole = frame.write_around(&mut buffer, start..start + payload.len()).unwrap();
        prop_assert_eq!(&buffer[whole.clone()], &copied[..]);
        prop_assert_eq!(whole.start, spare);
        prop_assert!(buffer[..whole.start].iter().chain(&buffer[whole.end..]).all(|byte| *byte == 0xAA));
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes: Vec<u8>, is_stream: bool) {
        let _ = channel_data(&bytes, is_stream);
        if let Ok(message) = Message::parse(&bytes) {
            let _ = data_indication(&message);
        }
    }
}

#[test]
fn the_headroom_is_what_the_header_takes() {
    let longest = every_frame().into_iter().map(Frame::headroom).max();
    assert_eq!(longest, Some(MAX_HEADROOM));
    for frame in every_frame() {
        let mut buffer = [0; 64];
        assert_eq!(frame.write(&mut buffer, b"").unwrap().len(), frame.headroom());
    }
}

#[test]
fn too_little_room_says_how_much_is_needed_and_writes_nothing() {
    for frame in every_frame() {
        let (headroom, padding) = (frame.headroom(), frame.padding(5));
        let mut buffer = vec![0xAA; headroom + 5 + padding];
        let short = buffer.len() - 1;
        let needed = buffer.len();
        assert_eq!(frame.write(&mut buffer[..short], b"hello"), Err(FrameError::BufferTooSmall { needed }));
        let early = headroom - 1..headroom + 4;
        let result = frame.write_around(&mut buffer, early);
        assert_eq!(result, Err(FrameError::HeadroomTooSmall { needed: headroom }));
        if padding > 0 {
            let result = frame.write_around(&mut buffer[..short], headroom..headroom + 5);
            assert_eq!(result, Err(FrameError::TailroomTooSmall { needed: padding }));
        }
        assert_eq!(frame.write_around(&mut buffer, 3..needed + 1), Err(FrameError::PayloadOutside));
        assert!(buffer.iter().all(|byte| *byte == 0xAA), "{frame:?}");
    }
}

#[test]
fn a_payload_that_no_length_field_can_say_is_refused() {
    for frame in every_frame() {
        let largest = match frame {
            Frame::Channel { .. } => 65_535,
            Frame::Send { .. } => 65_532 + 20 - frame.headroom(),
        };
        let mut buffer = vec![0; 70_000];
        let payload = vec![1; largest + 1];
        assert!(frame.write(&mut buffer, &payload[1..]).is_ok(), "{frame:?}");
        assert_eq!(frame.write(&mut buffer, &payload), Err(FrameError::PayloadTooLarge), "{frame:?}");
        let placed = 64..64 + largest + 1;
        assert_eq!(frame.write_around(&mut buffer, placed), Err(FrameError::PayloadTooLarge));
        assert!(frame.write_around(&mut buffer, 64..64 + largest).is_ok());
    }
}

#[test]
fn a_data_indication_brings_a_slice_of_the_input() {
    let peer = socket("[2001:db8::9]:4000");
    let bytes = indication(|builder| {
        builder.add(&XorPeerAddress(peer))?;
        builder.add(&Data(b"hello"))?;
        builder.add(&Software(b"x"))
    });
    let Ok(Indication::Data { peer: from, payload }) = read(&bytes) else { panic!("no data") };
    assert_eq!((from, payload), (peer, &b"hello"[..]));
    assert!(bytes.as_ptr_range().contains(&payload.as_ptr()));
    let empty = indication(|builder| {
        builder.add(&XorPeerAddress(peer))?;
        builder.add(&Data(b""))
    });
    assert_eq!(read(&empty), Ok(Indication::Data { peer, payload: b"" }), "RFC 8656 s11.4 allows no bytes");
}

#[test]
fn an_icmp_error_is_told_instead_of_data() {
    let (peer, icmp) = (socket("192.0.2.9:4000"), Icmp { icmp_type: 3, code: 4, data: 1280 });
    let bytes = indication(|builder| {
        builder.add(&XorPeerAddress(peer))?;
        builder.add(&icmp)
    });
    assert_eq!(read(&bytes), Ok(Indication::Icmp { peer, icmp }));
}

/// Case 87.
#[test]
fn an_indication_that_is_not_whole_is_dropped() {
    let peer = XorPeerAddress(socket("192.0.2.9:4000"));
    let unknown = AttributeType::new(0x7FFE);
    for (what, bytes) in [
        ("no data", indication(|builder| builder.add(&peer))),
        ("no peer", indication(|builder| builder.add(&Data(b"x")))),
        (
            "a wrong family",
            indication(|builder| {
                builder.add_raw(AttributeType::XOR_PEER_ADDRESS, &[0, 3, 0, 1, 1, 2, 3, 4])?;
                builder.add(&Data(b"x"))
            }),
        ),
        (
            "a short ICMP",
            indication(|builder| {
                builder.add(&peer)?;
                builder.add_raw(AttributeType::ICMP, &[0; 4])
            }),
        ),
        (
            "an unknown attribute that must be understood",
            indication(|builder| {
                builder.add(&peer)?;
                builder.add(&Data(b"x"))?;
                builder.add_raw(unknown, b"")
            }),
        ),
    ] {
        assert_eq!(read(&bytes), Err(DropReason::MalformedAttribute), "{what}");
    }
    let mut forged = indication(|builder| {
        builder.add(&peer)?;
        builder.add(&Data(b"x"))?;
        builder.add_fingerprint()
    });
    assert!(read(&forged).is_ok());
    if let Some(last) = forged.last_mut() {
        *last ^= 1;
    }
    assert_eq!(read(&forged), Err(DropReason::BadFingerprint));
    let mut sent = [0; 64];
    let sent = every_frame()[2].write(&mut sent, b"x").unwrap();
    assert_eq!(read(sent), Err(DropReason::UnsupportedMethod));
}

#[test]
fn padding_of_channel_data_is_tolerated_over_udp_and_exact_on_a_stream() {
    let padded = b"\x40\x00\x00\x05hello\0\0\0";
    assert_eq!(channel_data(padded, false).map(|message| message.data), Ok(&b"hello"[..]));
    assert_eq!(channel_data(padded, true).map(|message| message.data), Ok(&b"hello"[..]));
    assert!(channel_data(&padded[..9], false).is_ok());
    assert_eq!(channel_data(&padded[..9], true), Err(DropReason::Malformed));
    assert_eq!(channel_data(b"\x50\x00\x00\x00", false), Err(DropReason::Malformed));
}
