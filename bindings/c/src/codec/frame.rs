//! Telling protocols apart, framing streams, ChannelData.

use libstun::wire::stream::{FrameLength, frame_length};
use libstun::wire::{BuildError, ChannelData, ChannelNumber, classify};
use libstun_flat::codes::protocol_code;

use super::guarded;
use crate::pointer::{Slot, buffer, bytes};
use crate::status::{Answer, Misuse, stun_status, stun_status_code::*};

/// What a datagram looks like: `*out` gets an `enum stun_protocol_code`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_classify(data: *const u8, len: usize, out: *mut u32) -> stun_status {
    guarded(|| {
        // SAFETY: the caller's pointers are NULL or valid for their types and lengths.
        let (out, datagram) = unsafe { (Slot::new(out)?, bytes(data, len)?) };
        out.put(protocol_code(classify(datagram)) as u32);
        Ok(STUN_OK)
    })
}

/// How long the frame is that a stream's next bytes begin (RFC 8489 s6.2.2, RFC 8656 s12.5). STUN_OK: `*out`
/// is its length, padding included. STUN_EMPTY: the prefix must have at least `*out` bytes to tell.
/// STUN_E_INVALID: the stream is out of step and has to be closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_frame_length(data: *const u8, len: usize, out: *mut usize) -> stun_status {
    guarded(|| {
        // SAFETY: the caller's pointers are NULL or valid for their types and lengths.
        let (out, prefix) = unsafe { (Slot::new(out)?, bytes(data, len)?) };
        match frame_length(prefix) {
            Ok(FrameLength::Known(length)) => {
                out.put(length);
                Ok(STUN_OK)
            }
            Ok(FrameLength::NeedMore { at_least }) => {
                out.put(at_least);
                Ok(STUN_EMPTY)
            }
            Err(_) => Err(Misuse(STUN_E_INVALID, "the stream is out of step")),
        }
    })
}

/// Reads ChannelData: `is_stream` is 1 for a frame of a stream, whose padding must be there, and 0 for a
/// datagram, where it may be. `*payload` is a slice of your own bytes. STUN_IGNORED if it is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_channel_data_parse(
    data: *const u8,
    len: usize,
    is_stream: u32,
    channel: *mut u16,
    payload: *mut *const u8,
    payload_len: *mut usize,
) -> stun_status {
    guarded(|| {
        // SAFETY: the caller's pointers are NULL or valid for their types and lengths.
        let (frame, channel, payload, payload_len) =
            unsafe { (bytes(data, len)?, Slot::new(channel)?, Slot::new(payload)?, Slot::new(payload_len)?) };
        let parsed = match is_stream {
            0 => ChannelData::parse_datagram(frame),
            1 => ChannelData::parse_frame(frame),
            _ => return Err(Misuse(STUN_E_INVALID, "is_stream is neither 0 nor 1")),
        };
        let Ok(parsed) = parsed else { return Ok(STUN_IGNORED) };
        channel.put(parsed.number.number());
        payload.put(parsed.data.as_ptr());
        payload_len.put(parsed.data.len());
        Ok(STUN_OK)
    })
}

/// Writes ChannelData: channel 0x4000 to 0x4FFF, `is_stream` 1 to pad it for a stream. `*written` gets its
/// length; with STUN_E_BUFFER what is needed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stun_channel_data_write(
    buf: *mut u8,
    cap: usize,
    channel: u16,
    payload: *const u8,
    payload_len: usize,
    is_stream: u32,
    written: *mut usize,
) -> stun_status {
    guarded(|| -> Answer {
        // SAFETY: the caller's pointers are NULL or valid for their types and lengths.
        let (room, payload, written) =
            unsafe { (buffer(buf, cap)?, bytes(payload, payload_len)?, Slot::new(written)?) };
        let number = ChannelNumber::new(channel).ok_or(Misuse(STUN_E_INVALID, "no channel number"))?;
        if is_stream > 1 {
            return Err(Misuse(STUN_E_INVALID, "is_stream is neither 0 nor 1"));
        }
        match ChannelData::write(room, number, payload, is_stream == 1) {
            Ok(frame) => {
                written.put(frame.len());
                Ok(STUN_OK)
            }
            Err(BuildError::BufferTooSmall { needed }) => {
                written.put(needed);
                Err(Misuse(STUN_E_BUFFER, "the buffer is too small"))
            }
            Err(_) => Err(Misuse(STUN_E_INVALID, "more than 65535 bytes")),
        }
    })
}
