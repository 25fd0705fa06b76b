//! Messages in a byte stream: TCP, or TLS over it (RFC 8489 s6.2.2, RFC 8656 s12.5).
//!
//! STUN and ChannelData messages follow one another without any framing but their own lengths. Nothing
//! marks where a message begins, so a stream that has lost its place cannot find it again: the host closes
//! the connection. The framing of ICE over TCP (RFC 4571) is another one.

use alloc::vec::Vec;

use super::channel_data::CHANNEL_HEADER_LENGTH;
use super::header::padded_length;
use super::header::{HEADER_LENGTH, MAGIC_COOKIE};

/// Length in bytes of the longest frame that a prefix can announce: a STUN header and 65 532 bytes.
pub const MAX_FRAME: usize = HEADER_LENGTH + 65_532;

/// What a prefix says about its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameLength {
    /// Nothing yet.
    NeedMore {
        /// Bytes that the prefix must have before it can say more.
        at_least: usize,
    },
    /// The frame's length in bytes, padding included.
    Known(usize),
}

/// Why a stream cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamError {
    /// A frame begins like neither STUN nor ChannelData.
    UnknownProtocol,
    /// A STUN header without its magic cookie.
    WrongCookie,
    /// A STUN header whose Length is not a multiple of four.
    UnalignedLength,
    /// There was an error before; the connection is to be closed.
    Desynchronized,
}

impl core::fmt::Display for StreamError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::UnknownProtocol => "a frame begins like neither STUN nor ChannelData",
            Self::WrongCookie => "a frame begins like STUN without the magic cookie",
            Self::UnalignedLength => "the length of a STUN message is not a multiple of four",
            Self::Desynchronized => "the stream has lost its place",
        })
    }
}

impl core::error::Error for StreamError {}

/// Reads a frame's length from its first bytes, for hosts that keep a buffer of their own: give it what has
/// arrived, and it says when there is enough.
///
/// # Errors
/// No further byte can make the prefix a frame.
pub fn frame_length(prefix: &[u8]) -> Result<FrameLength, StreamError> {
    match prefix.first() {
        None => Ok(FrameLength::NeedMore { at_least: 1 }),
        Some(0..=0x3F) => stun_length(prefix),
        Some(0x40..=0x4F) => Ok(channel_data_length(prefix)),
        // 0x50 to 0xFF is reserved (RFC 8656 s12): its length cannot be known.
        Some(0x50..) => Err(StreamError::UnknownProtocol),
    }
}

/// Cuts a stream into frames, however it was split on the way.
///
/// It holds one frame at a time, at most [`MAX_FRAME`] bytes, which grow only with what arrives; each byte
/// is copied once. Take the frames as they come:
///
/// ```
/// use libstun::wire::stream::{StreamDecoder, StreamError};
/// fn received(decoder: &mut StreamDecoder, mut bytes: &[u8]) -> Result<Vec<Vec<u8>>, StreamError> {
///     let mut frames = Vec::new();
///     while !bytes.is_empty() {
///         let taken = decoder.push(bytes)?;
///         bytes = &bytes[taken..];
///         if let Some(frame) = decoder.next_frame()? {
///             frames.push(frame.to_vec());
///         }
///     }
///     Ok(frames)
/// }
/// let mut decoder = StreamDecoder::new();
/// assert!(received(&mut decoder, b"\x40\x00\x00\x02h")?.is_empty());
/// assert_eq!(received(&mut decoder, b"i\0\0\x40")?, [b"\x40\x00\x00\x02hi\0\0"]);
/// # Ok::<(), StreamError>(())
/// ```
#[derive(Debug, Default)]
pub struct StreamDecoder {
    buffer: Vec<u8>,
    state: State,
}

/// ```text
///  Filling --frame complete--> Complete --next_frame--> Taken --push--> Filling
///     \--------------------- error ---------------------> Broken
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Filling,
    Complete,
    Taken,
    Broken,
}

impl StreamDecoder {
    /// A decoder at the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes up to the end of a frame, and says how many. It takes none while a complete frame waits in
    /// [`StreamDecoder::next_frame`], and otherwise at least one.
    ///
    /// # Errors
    /// The stream is broken; from then on only [`StreamError::Desynchronized`] comes.
    pub fn push(&mut self, bytes: &[u8]) -> Result<usize, StreamError> {
        match self.state {
            State::Broken => return Err(StreamError::Desynchronized),
            State::Complete => return Ok(0),
            State::Taken => self.buffer.clear(),
            State::Filling => {}
        }
        self.state = State::Filling;
        let mut rest = bytes;
        // Three rounds at most: first byte, rest of the prefix, rest of the frame.
        loop {
            let wanted = match frame_length(&self.buffer) {
                Ok(FrameLength::NeedMore { at_least }) => at_least,
                Ok(FrameLength::Known(length)) if length == self.buffer.len() => {
                    self.state = State::Complete;
                    break;
                }
                Ok(FrameLength::Known(length)) => length,
                Err(error) => {
                    self.state = State::Broken;
                    return Err(error);
                }
            };
            if rest.is_empty() {
                break;
            }
            let missing = wanted.saturating_sub(self.buffer.len());
            let (taken, left) = rest.split_at_checked(missing).unwrap_or((rest, &[]));
            self.buffer.extend_from_slice(taken);
            rest = left;
        }
        Ok(bytes.len().saturating_sub(rest.len()))
    }

    /// The frame that the last push completed, once. A ChannelData frame comes with its padding.
    ///
    /// # Errors
    /// [`StreamError::Desynchronized`] after an error of [`StreamDecoder::push`].
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, StreamError> {
        match self.state {
            State::Broken => Err(StreamError::Desynchronized),
            State::Filling | State::Taken => Ok(None),
            State::Complete => {
                self.state = State::Taken;
                Ok(Some(&self.buffer))
            }
        }
    }

    /// The frame that [`StreamDecoder::next_frame`] gave last, until the next push.
    pub(crate) fn taken_frame(&self) -> Option<&[u8]> {
        (self.state == State::Taken).then_some(&self.buffer)
    }

    /// Whether the stream may end here without losing the beginning of a frame.
    #[must_use]
    pub fn is_between_frames(&self) -> bool {
        self.state == State::Taken || (self.state == State::Filling && self.buffer.is_empty())
    }
}

fn stun_length(prefix: &[u8]) -> Result<FrameLength, StreamError> {
    let Some([_, _, l0, l1, cookie @ ..]) = prefix.first_chunk::<STUN_PREFIX_LENGTH>() else {
        return Ok(FrameLength::NeedMore { at_least: STUN_PREFIX_LENGTH });
    };
    let length = usize::from(u16::from_be_bytes([*l0, *l1]));
    if *cookie != MAGIC_COOKIE.to_be_bytes() {
        return Err(StreamError::WrongCookie);
    }
    if length % 4 != 0 {
        return Err(StreamError::UnalignedLength);
    }
    Ok(FrameLength::Known(HEADER_LENGTH.saturating_add(length)))
}

fn channel_data_length(prefix: &[u8]) -> FrameLength {
    match prefix.first_chunk::<CHANNEL_HEADER_LENGTH>() {
        None => FrameLength::NeedMore { at_least: CHANNEL_HEADER_LENGTH },
        Some([_, _, l0, l1]) => {
            let length = usize::from(u16::from_be_bytes([*l0, *l1]));
            FrameLength::Known(CHANNEL_HEADER_LENGTH.saturating_add(padded_length(length)))
        }
    }
}

/// Bytes of a STUN header up to and with the cookie.
const STUN_PREFIX_LENGTH: usize = 8;

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use std::{vec, vec::Vec};

    use proptest::prelude::*;

    use super::super::{
        ChannelData, ChannelNumber, Class, MessageBuilder, Method, TransactionId, attribute::Data,
    };
    use super::*;

    /// Frames and the first error, with the stream cut into pieces of those lengths, over and over.
    fn decode(stream: &[u8], cuts: &[usize]) -> (Vec<Vec<u8>>, Option<StreamError>) {
        let (mut decoder, mut frames, mut stream) = (StreamDecoder::new(), Vec::new(), stream);
        for cut in cuts.iter().cycle() {
            let (mut piece, rest) = stream.split_at_checked(*cut).unwrap_or((stream, &[]));
            stream = rest;
            while !piece.is_empty() {
                match decoder.push(piece) {
                    Ok(taken) => piece = &piece[taken..],
                    Err(error) => {
                        assert_eq!(decoder.push(&[0]), Err(StreamError::Desynchronized));
                        assert_eq!(decoder.next_frame(), Err(StreamError::Desynchronized));
                        return (frames, Some(error));
                    }
                }
                frames.extend(decoder.next_frame().unwrap().map(Vec::from));
            }
            if stream.is_empty() {
                break;
            }
        }
        (frames, None)
    }

    fn stun(data: &[u8]) -> Vec<u8> {
        let mut buffer = vec![0; data.len() + 32];
        let id = TransactionId::new([1; 12]);
        let mut builder = MessageBuilder::new(&mut buffer, Class::Indication, Method::SEND, id).unwrap();
        builder.add(&Data(data)).unwrap();
        builder.finish().to_vec()
    }

    fn channel_data(data: &[u8]) -> Vec<u8> {
        let mut buffer = vec![0; data.len() + 8];
        ChannelData::write(&mut buffer, ChannelNumber::MIN, data, true).unwrap().to_vec()
    }

    #[test]
    fn no_prefix_announces_more_than_the_largest_frame() {
        let largest = [&[0, 1, 0xFF, 0xFC][..], &MAGIC_COOKIE.to_be_bytes()].concat();
        assert_eq!(frame_length(&largest), Ok(FrameLength::Known(MAX_FRAME)));
        assert_eq!(frame_length(&[0x40, 0, 0xFF, 0xFF]), Ok(FrameLength::Known(65_540)));
    }

    #[test]
    fn a_stream_that_lost_its_place_breaks_at_once_and_stays_broken() {
        let good = stun(b"before");
        for (garbage, expected) in [
            (&b"\x50"[..], StreamError::UnknownProtocol),
            (b"\x80\x01", StreamError::UnknownProtocol),
            (b"\xC0", StreamError::UnknownProtocol),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01", StreamError::WrongCookie),
            (b"\x00\x01\x00\x02\x21\x12\xA4\x42", StreamError::UnalignedLength),
        ] {
            let stream = [&good, garbage, &good].concat();
            assert_eq!(decode(&stream, &[1]), (vec![good.clone()], Some(expected)));
            assert_eq!(decode(&stream, &[stream.len()]), (vec![good.clone()], Some(expected)));
        }
    }

    #[test]
    fn a_waiting_frame_stops_the_intake() {
        let stream = [channel_data(b"one"), channel_data(b"two")].concat();
        let mut decoder = StreamDecoder::new();
        assert!(decoder.is_between_frames());
        assert_eq!(decoder.push(&stream), Ok(8));
        assert!(!decoder.is_between_frames());
        assert_eq!(decoder.push(&stream[8..]), Ok(0));
        assert_eq!(decoder.next_frame(), Ok(Some(&stream[..8])));
        assert_eq!(decoder.next_frame(), Ok(None));
        assert!(decoder.is_between_frames());
        assert_eq!(decoder.push(&stream[8..11]), Ok(3));
        assert_eq!(decoder.next_frame(), Ok(None));
        assert!(!decoder.is_between_frames());
    }

    proptest! {
        #[test]
        fn every_split_gives_the_same_frames(
            messages in proptest::collection::vec((any::<bool>(), any::<Vec<u8>>()), 0..8),
            cuts in proptest::collection::vec(1usize..64, 1..8),
        ) {
            let frames: Vec<_> =
                messages.iter().map(|(is_stun, data)| if *is_stun { stun(data) } else { channel_data(data) }).collect();
            let stream = frames.concat();
            prop_assert_eq!(decode(&stream, &[1]), (frames.clone(), None));
            prop_assert_eq!(decode(&stream, &cuts), (frames, None));
        }

        #[test]
        fn any_bytes_decode_alike_however_they_are_split(stream: Vec<u8>, cuts in proptest::collection::vec(1usize..9, 1..8)) {
            prop_assert_eq!(decode(&stream, &cuts), decode(&stream, &[usize::MAX]));
        }
    }
}
