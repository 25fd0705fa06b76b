//! ChannelData: application data to or from a peer, with four bytes in front.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |         Channel Number        |            Length             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                       Application Data                        /
//! ```
//!
//! RFC 8656 s12.4. Length counts the data alone: neither the header nor the padding that streams need.

use super::header::padded_length;
use super::writer::BuildError;

/// Length of the header in bytes.
pub(crate) const CHANNEL_HEADER_LENGTH: usize = 4;

/// The number of a channel, 0x4000 to 0x4FFF (RFC 8656 s12).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelNumber(u16);

impl ChannelNumber {
    /// The lowest.
    pub const MIN: Self = Self(0x4000);
    /// The highest. RFC 5766 went on to 0x7FFF, which now belongs to other protocols.
    pub const MAX: Self = Self(0x4FFF);

    /// The channel of that number; `None` outside the range.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number >= Self::MIN.0 && number <= Self::MAX.0 { Some(Self(number)) } else { None }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl core::fmt::Debug for ChannelNumber {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:#06x}", self.0)
    }
}

/// A ChannelData message, borrowed from the caller's buffer.
///
/// ```
/// use libstun::wire::ChannelData;
/// let message = ChannelData::parse_datagram(b"\x40\x00\x00\x05hello").unwrap();
/// assert_eq!(message.data, b"hello");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelData<'a> {
    /// The channel.
    pub number: ChannelNumber,
    /// What the peer sent or shall receive. May be empty.
    pub data: &'a [u8],
}

/// Why bytes are not a ChannelData message. RFC 8656 s12.6 discards them silently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelDataError {
    /// Shorter than a header of four bytes, or than Length says.
    TooShort,
    /// Not a channel's number: another protocol, or a reserved one.
    NotChannel,
    /// More follows than padding to a multiple of four.
    TrailingBytes,
}

impl core::fmt::Display for ChannelDataError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::TooShort => "shorter than its header says",
            Self::NotChannel => "not the number of a channel",
            Self::TrailingBytes => "more than padding follows the data",
        })
    }
}

impl core::error::Error for ChannelDataError {}

impl<'a> ChannelData<'a> {
    /// Reads a datagram. It may end with up to three bytes of padding, which are not looked at
    /// (RFC 8656 s12.5).
    ///
    /// # Errors
    /// Says what to count; the datagram is to be dropped.
    pub fn parse_datagram(datagram: &'a [u8]) -> Result<Self, ChannelDataError> {
        let (message, tail) = Self::split(datagram)?;
        if tail.len() > 3 { Err(ChannelDataError::TrailingBytes) } else { Ok(message) }
    }

    /// Reads one frame of a stream, where padding to a multiple of four is a must (RFC 8656 s12.5).
    ///
    /// # Errors
    /// The frame is not exactly as long as its header says.
    pub fn parse_frame(frame: &'a [u8]) -> Result<Self, ChannelDataError> {
        let (message, tail) = Self::split(frame)?;
        let padding = padded_length(message.data.len()).saturating_sub(message.data.len());
        match tail.len().cmp(&padding) {
            core::cmp::Ordering::Less => Err(ChannelDataError::TooShort),
            core::cmp::Ordering::Equal => Ok(message),
            core::cmp::Ordering::Greater => Err(ChannelDataError::TrailingBytes),
        }
    }

    /// The header for `length` bytes of data, for hosts that gather header and data in one send call.
    ///
    /// # Errors
    /// [`BuildError::ValueTooLong`] beyond 65 535 bytes.
    pub fn header(number: ChannelNumber, length: usize) -> Result<[u8; 4], BuildError> {
        let [n0, n1] = number.number().to_be_bytes();
        let [l0, l1] = u16::try_from(length).map_err(|_| BuildError::ValueTooLong)?.to_be_bytes();
        Ok([n0, n1, l0, l1])
    }

    /// Writes header and data to the front of `buffer`, and zeros up to a multiple of four if `is_padded`,
    /// as streams require. Returns what was written.
    ///
    /// # Errors
    /// The data is longer than 65 535 bytes, or the buffer too small.
    pub fn write<'b>(
        buffer: &'b mut [u8],
        number: ChannelNumber,
        data: &[u8],
        is_padded: bool,
    ) -> Result<&'b [u8], BuildError> {
        let header = Self::header(number, data.len())?;
        let body = if is_padded { padded_length(data.len()) } else { data.len() };
        let needed = CHANNEL_HEADER_LENGTH.saturating_add(body);
        let message = buffer.get_mut(..needed).ok_or(BuildError::BufferTooSmall { needed })?;
        // In three pieces, each of which is one copy of memory; a chain of iterators goes byte by byte.
        let (head, rest) = message.split_at_mut_checked(header.len()).unwrap_or_default();
        let (body, padding) = rest.split_at_mut_checked(data.len()).unwrap_or_default();
        head.iter_mut().zip(header).for_each(|(to, from)| *to = from);
        body.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
        padding.fill(0);
        Ok(message)
    }

    /// The message, and what follows its data.
    fn split(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), ChannelDataError> {
        let ([n0, n1, l0, l1], rest) = bytes.split_first_chunk().ok_or(ChannelDataError::TooShort)?;
        let number =
            ChannelNumber::new(u16::from_be_bytes([*n0, *n1])).ok_or(ChannelDataError::NotChannel)?;
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        let (data, tail) = rest.split_at_checked(length).ok_or(ChannelDataError::TooShort)?;
        Ok((Self { number, data }, tail))
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use std::{vec, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn channels_are_those_of_rfc_8656() {
        for number in 0..=u16::MAX {
            assert_eq!(ChannelNumber::new(number).is_some(), (0x4000..=0x4FFF).contains(&number));
        }
    }

    #[test]
    fn a_datagram_may_be_padded_and_a_frame_must() {
        let (bare, padded) = (&b"\x40\0\0\x05hello"[..], &b"\x40\0\0\x05hello\xFF\xFF\xFF"[..]);
        let message = ChannelData { number: ChannelNumber::MIN, data: b"hello" };
        assert_eq!(ChannelData::parse_datagram(bare), Ok(message));
        assert_eq!(ChannelData::parse_datagram(padded), Ok(message));
        assert_eq!(ChannelData::parse_frame(bare), Err(ChannelDataError::TooShort));
        assert_eq!(ChannelData::parse_frame(padded), Ok(message));
        let long = [padded, b"\0"].concat();
        assert_eq!(ChannelData::parse_datagram(&long), Err(ChannelDataError::TrailingBytes));
        assert_eq!(ChannelData::parse_frame(&long), Err(ChannelDataError::TrailingBytes));
    }

    #[test]
    fn data_that_length_cannot_say_is_refused() {
        let mut buffer = vec![0; 70_000];
        let result = ChannelData::write(&mut buffer, ChannelNumber::MAX, &vec![0; 65_536], false);
        assert_eq!(result, Err(BuildError::ValueTooLong));
        let result = ChannelData::write(&mut buffer[..8], ChannelNumber::MAX, b"hello", true);
        assert_eq!(result, Err(BuildError::BufferTooSmall { needed: 12 }));
    }

    proptest! {
        #[test]
        fn what_is_written_into_a_dirty_buffer_is_read_back(number in 0x4000u16..=0x4FFF, data: Vec<u8>) {
            let number = ChannelNumber::new(number).unwrap();
            let mut buffer = vec![0xAA; data.len() + 8];
            let datagram = ChannelData::write(&mut buffer, number, &data, false).unwrap();
            prop_assert_eq!(datagram.len(), 4 + data.len());
            prop_assert_eq!(ChannelData::parse_datagram(datagram), Ok(ChannelData { number, data: &data }));
            let frame = ChannelData::write(&mut buffer, number, &data, true).unwrap();
            prop_assert!(frame.iter().skip(4 + data.len()).all(|padding| *padding == 0));
            prop_assert_eq!(ChannelData::parse_frame(frame), Ok(ChannelData { number, data: &data }));
        }

        #[test]
        fn no_bytes_read_as_more_than_they_are(bytes: Vec<u8>) {
            if let Ok(message) = ChannelData::parse_datagram(&bytes) {
                prop_assert!(message.data.len() + 4 <= bytes.len());
            }
        }
    }
}
