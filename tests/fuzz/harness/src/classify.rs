//! Telling protocols apart, against a table.

use libstun::wire::stream::{FrameLength, frame_length};
use libstun::wire::{ChannelData, Classification, Message, classify as ours};

use crate::naive;

/// The table says the same, and what is classified can be read as what it is called.
pub fn classify(data: &[u8]) {
    let found = ours(data);
    assert_eq!(found, by_table(data), "{data:02x?}");
    let length = frame_length(data);
    match found {
        Classification::Stun => assert_eq!(length, Ok(FrameLength::Known(data.len()))),
        Classification::ChannelData => {
            let message = ChannelData::parse_datagram(data).expect("classified as ChannelData");
            assert_eq!(message.data, &data[4..4 + message.data.len()]);
        }
        _ => {}
    }
    if data.first().is_some_and(|first| *first <= 3) && Message::parse(data).is_ok() {
        assert_eq!(found, Classification::Stun, "a message is not taken for anything else");
    }
    assert_eq!(
        ChannelData::parse_frame(data).is_ok(),
        data.first().is_some_and(|first| first >> 4 == 4)
            && naive::frame(data) == naive::Frame::Whole(data.len())
    );
}

type Rule = (std::ops::RangeInclusive<u8>, fn(&[u8]) -> bool, Classification);

/// The figure of RFC 7983 s7 as RFC 9443 changes it, with what is checked beyond the first byte. The first
/// rule that holds is it.
const TABLE: [Rule; 11] = [
    (0..=3, is_stun, Classification::Stun),
    (1..=1, |d| d.len() == 148 && d[1..4] == [0; 3], Classification::WireGuard),
    (2..=2, |d| d.len() == 92 && d[1..4] == [0; 3], Classification::WireGuard),
    (3..=3, |d| d.len() == 64 && d[1..4] == [0; 3], Classification::WireGuard),
    (4..=4, |d| d.len() >= 32 && d.len() % 16 == 0 && d[1..4] == [0; 3], Classification::WireGuard),
    (16..=19, |_| true, Classification::Zrtp),
    (20..=63, |_| true, Classification::Dtls),
    (64..=79, is_channel_data, Classification::ChannelData),
    (64..=127, |d| d.len() > 20, Classification::Quic),
    (128..=191, |_| true, Classification::Rtp),
    (192..=255, |d| d.len() > 20, Classification::Quic),
];

fn by_table(data: &[u8]) -> Classification {
    let Some(first) = data.first() else { return Classification::Unknown };
    let rule = TABLE.iter().find(|(range, holds, _)| range.contains(first) && holds(data));
    rule.map_or(Classification::Unknown, |(_, _, name)| *name)
}

fn is_stun(data: &[u8]) -> bool {
    data.len() >= 20
        && data.len() % 4 == 0
        && data[4..8] == [0x21, 0x12, 0xA4, 0x42]
        && usize::from(data[2]) * 256 + usize::from(data[3]) == data.len() - 20
}

fn is_channel_data(data: &[u8]) -> bool {
    data.len() >= 4 && {
        let length = usize::from(data[2]) * 256 + usize::from(data[3]);
        (length..=length + 3).contains(&(data.len() - 4))
    }
}
