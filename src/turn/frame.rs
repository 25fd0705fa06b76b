//! The data path's bytes: application data into ChannelData or a Send indication, and out of ChannelData or a
//! Data indication. Nothing is allocated; the in-place form copies nothing either.
//!
//! ```text
//!  the caller's buffer, in place:
//!
//!  |            headroom            |        payload        |  tail room  |
//!                     | ChannelData |                       | 0..3 zeros on a stream
//!         | Send indication, to DATA |                      | 0..3 zeros
//!         \________________ what the call returns _________________/
//! ```

use core::net::SocketAddr;
use core::ops::Range;

use crate::machine::DropReason;
use crate::wire::attribute::{AttributeType, Data, DontFragment, Icmp, XorPeerAddress};
use crate::wire::{
    BuildError, ChannelData, ChannelNumber, Class, Integrity, Message, MessageBuilder, Method, TransactionId,
};

/// Bytes to leave before a payload that is sent through a channel: the header of ChannelData
/// (RFC 8656 s12.4).
pub const CHANNEL_HEADROOM: usize = 4;

/// Bytes to leave before a payload that may be sent in any way. The longest is a Send indication to an IPv6
/// peer with DONT-FRAGMENT (RFC 8656 s11.1).
pub const MAX_HEADROOM: usize = 52;

/// Bytes to leave after a payload that may be sent in any way: padding to a multiple of four (RFC 8489 s14,
/// RFC 8656 s12.5).
pub const MAX_TAILROOM: usize = 3;

/// What to wrap application data in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// ChannelData (RFC 8656 s12.5).
    Channel {
        number: ChannelNumber,
        /// Whether zeros follow up to a multiple of four: a must on a stream, and left out over UDP.
        is_padded: bool,
    },
    /// A Send indication (RFC 8656 s11.1).
    Send { peer: SocketAddr, id: TransactionId, dont_fragment: bool },
}

/// Why application data was not framed. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FrameError {
    /// The buffer has fewer bytes than the whole needs.
    BufferTooSmall {
        /// Bytes of the whole.
        needed: usize,
    },
    /// Too few bytes before the payload.
    HeadroomTooSmall {
        /// Bytes that must be there.
        needed: usize,
    },
    /// Too few bytes after the payload.
    TailroomTooSmall {
        /// Bytes that must be there.
        needed: usize,
    },
    /// The payload's range does not lie in the buffer.
    PayloadOutside,
    /// More than a length field can say.
    PayloadTooLarge,
}

/// What a Data indication brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Indication<'a> {
    /// A datagram from a peer (RFC 8656 s11.4). May be empty.
    Data { peer: SocketAddr, payload: &'a [u8] },
    /// What the relay was told of a datagram to a peer (RFC 8656 s11.6).
    Icmp { peer: SocketAddr, icmp: Icmp },
}

impl Frame {
    /// Writes header, `payload` and padding to the front of `buffer`. Returns what was written. The payload is
    /// copied once.
    ///
    /// # Errors
    /// The payload is too large, or the buffer too small.
    pub(crate) fn write<'b>(self, buffer: &'b mut [u8], payload: &[u8]) -> Result<&'b [u8], FrameError> {
        let needed = self.framed_length(payload.len())?;
        let buffer = buffer.get_mut(..needed).ok_or(FrameError::BufferTooSmall { needed })?;
        match self {
            Self::Channel { number, is_padded } => {
                ChannelData::write(buffer, number, payload, is_padded).map_err(of_wire)
            }
            Self::Send { peer, id, dont_fragment } => {
                let mut builder = send_indication(buffer, peer, id, dont_fragment)?;
                builder.add(&Data(payload)).map_err(of_wire)?;
                Ok(builder.finish())
            }
        }
    }

    /// Writes header and padding around the payload that lies in `buffer` at `payload`. Returns where the
    /// whole lies. Nothing is copied.
    ///
    /// # Errors
    /// The payload is too large, or there is too little room around it.
    pub(crate) fn write_around(
        self,
        buffer: &mut [u8],
        payload: Range<usize>,
    ) -> Result<Range<usize>, FrameError> {
        if payload.start > payload.end || payload.end > buffer.len() {
            return Err(FrameError::PayloadOutside);
        }
        let (headroom, padding) = (self.headroom(), self.padding(payload.len()));
        self.framed_length(payload.len())?;
        let start =
            payload.start.checked_sub(headroom).ok_or(FrameError::HeadroomTooSmall { needed: headroom })?;
        let end = payload.end.saturating_add(padding);
        let whole = buffer.get_mut(start..end).ok_or(FrameError::TailroomTooSmall { needed: padding })?;
        match self {
            Self::Channel { number, .. } => {
                let header = ChannelData::header(number, payload.len()).map_err(of_wire)?;
                whole.iter_mut().zip(header).for_each(|(to, from)| *to = from);
                whole.iter_mut().rev().take(padding).for_each(|to| *to = 0);
            }
            Self::Send { peer, id, dont_fragment } => send_indication(whole, peer, id, dont_fragment)?
                .add_in_place(AttributeType::DATA, payload.len())
                .map_err(of_wire)?,
        }
        Ok(start..end)
    }

    /// Bytes before the payload.
    pub(crate) const fn headroom(self) -> usize {
        match self {
            Self::Channel { .. } => CHANNEL_HEADROOM,
            Self::Send { peer: SocketAddr::V4(_), dont_fragment: false, .. } => 36,
            Self::Send { peer: SocketAddr::V4(_), dont_fragment: true, .. } => 40,
            Self::Send { peer: SocketAddr::V6(_), dont_fragment: false, .. } => 48,
            Self::Send { peer: SocketAddr::V6(_), dont_fragment: true, .. } => MAX_HEADROOM,
        }
    }

    /// Bytes after a payload of that length.
    pub(crate) const fn padding(self, length: usize) -> usize {
        match self {
            Self::Channel { is_padded: false, .. } => 0,
            Self::Channel { .. } | Self::Send { .. } => length.wrapping_neg() % 4,
        }
    }

    /// Bytes of the whole, if its length fields can say them: DATA's for a channel's header, and what follows
    /// the 20 bytes of the header for a message (RFC 8489 s5).
    fn framed_length(self, length: usize) -> Result<usize, FrameError> {
        let whole = self.headroom().saturating_add(length).saturating_add(self.padding(length));
        let counted = match self {
            Self::Channel { .. } => length,
            Self::Send { .. } => whole.saturating_sub(crate::wire::HEADER_LENGTH),
        };
        if counted > usize::from(u16::MAX) { Err(FrameError::PayloadTooLarge) } else { Ok(whole) }
    }
}

impl core::fmt::Display for FrameError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::BufferTooSmall { needed } => {
                write!(f, "the buffer is too small: {needed} bytes are needed")
            }
            Self::HeadroomTooSmall { needed } => {
                write!(f, "too little room before the payload: {needed} bytes are needed")
            }
            Self::TailroomTooSmall { needed } => {
                write!(f, "too little room after the payload: {needed} bytes are needed")
            }
            Self::PayloadOutside => f.write_str("the payload does not lie in the buffer"),
            Self::PayloadTooLarge => f.write_str("the payload is longer than a message can be"),
        }
    }
}

impl core::error::Error for FrameError {}

/// Reads ChannelData as it arrived: over UDP up to three bytes of padding are tolerated, on a stream they are
/// exact (RFC 8656 s12.5). What is broken is discarded in silence (RFC 8656 s12.6).
pub(crate) fn channel_data(bytes: &[u8], is_stream: bool) -> Result<ChannelData<'_>, DropReason> {
    let parsed = if is_stream { ChannelData::parse_frame(bytes) } else { ChannelData::parse_datagram(bytes) };
    parsed.map_err(|_| DropReason::Malformed)
}

/// Reads a Data indication. Whether its peer has a permission is for the caller to see.
///
/// # Errors
/// Why it is to be dropped: no such indication; a wrong FINGERPRINT (RFC 8489 s6.3); an unknown attribute
/// that must be understood (RFC 8489 s6.3.2); no XOR-PEER-ADDRESS, or neither DATA nor ICMP (RFC 8656 s11.4).
pub(crate) fn data_indication<'a>(message: &Message<'a>) -> Result<Indication<'a>, DropReason> {
    if message.class() != Class::Indication || message.method() != Method::DATA {
        return Err(DropReason::UnsupportedMethod);
    }
    if message.check_fingerprint() == Integrity::Invalid {
        return Err(DropReason::BadFingerprint);
    }
    if message.covered().any(|raw| raw.ty.is_unknown_and_required()) {
        return Err(DropReason::MalformedAttribute);
    }
    let broken = |_| DropReason::MalformedAttribute;
    let XorPeerAddress(peer) = message.get().map_err(broken)?.ok_or(DropReason::MalformedAttribute)?;
    if let Some(Data(payload)) = message.get().map_err(broken)? {
        return Ok(Indication::Data { peer, payload });
    }
    let icmp = message.get().map_err(broken)?.ok_or(DropReason::MalformedAttribute)?;
    Ok(Indication::Icmp { peer, icmp })
}

/// A Send indication up to its DATA, which comes last so that it can lie where it lies.
fn send_indication(
    buffer: &mut [u8],
    peer: SocketAddr,
    id: TransactionId,
    dont_fragment: bool,
) -> Result<MessageBuilder<'_>, FrameError> {
    let mut builder = MessageBuilder::new(buffer, Class::Indication, Method::SEND, id).map_err(of_wire)?;
    builder.add(&XorPeerAddress(peer)).map_err(of_wire)?;
    if dont_fragment {
        builder.add(&DontFragment).map_err(of_wire)?;
    }
    Ok(builder)
}

/// The wire's word for it. Lengths are checked before anything is written, so that it never comes to this.
fn of_wire(error: BuildError) -> FrameError {
    match error {
        BuildError::BufferTooSmall { needed } => FrameError::BufferTooSmall { needed },
        _ => FrameError::PayloadTooLarge,
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests;
