//! Cutting streams into frames.

use arbitrary::{Arbitrary, Unstructured};
use libstun::wire::ChannelData;
use libstun::wire::stream::{FrameLength, StreamDecoder, StreamError, frame_length};

use crate::naive;

/// However a stream is split, the same frames come out of it, and they are those of the naive reader.
pub fn stream(data: &[u8]) {
    let mut source = Unstructured::new(data);
    let Ok(splits) = <[u8; 4]>::arbitrary(&mut source) else { return };
    let bytes = source.take_rest();
    let whole = run(bytes, &mut std::iter::repeat(bytes.len()));
    assert_eq!(run(bytes, &mut std::iter::repeat(1)), whole, "byte by byte");
    let mut cycle = splits.iter().map(|size| usize::from(*size)).chain([3]).cycle();
    assert_eq!(run(bytes, &mut cycle), whole, "in pieces of {splits:?}");
    compare(bytes, &whole);
    prefixes(bytes);
}

/// Frames, how the stream ended, and whether it could end there.
#[derive(Debug, PartialEq)]
struct Cut {
    frames: Vec<Vec<u8>>,
    error: Option<StreamError>,
    is_between: bool,
}

fn run(bytes: &[u8], sizes: &mut dyn Iterator<Item = usize>) -> Cut {
    let mut decoder = StreamDecoder::new();
    let mut cut = Cut { frames: Vec::new(), error: None, is_between: true };
    let mut rest = bytes;
    'stream: while !rest.is_empty() {
        let (mut piece, after) = rest.split_at(sizes.next().unwrap_or(1).min(rest.len()));
        rest = after;
        while !piece.is_empty() {
            match decoder.push(piece) {
                Ok(taken) => {
                    assert!(taken > 0 && taken <= piece.len(), "at least one byte, and no more than given");
                    piece = &piece[taken..];
                }
                Err(error) => {
                    assert_eq!(decoder.push(piece), Err(StreamError::Desynchronized));
                    assert_eq!(decoder.next_frame(), Err(StreamError::Desynchronized));
                    cut.error = Some(error);
                    break 'stream;
                }
            }
            if let Some(frame) = decoder.next_frame().expect("a push that succeeds breaks nothing") {
                cut.frames.push(frame.to_vec());
                assert_eq!(decoder.next_frame(), Ok(None), "a frame comes once");
            }
        }
    }
    cut.is_between = decoder.is_between_frames();
    cut
}

fn compare(bytes: &[u8], cut: &Cut) {
    let mut rest = bytes;
    for frame in &cut.frames {
        assert_eq!(naive::frame(rest), naive::Frame::Whole(frame.len()));
        assert_eq!(rest[..frame.len()], frame[..]);
        if frame[0] >= 0x40 {
            assert!(ChannelData::parse_frame(frame).is_ok(), "a frame of ChannelData is one");
        }
        rest = &rest[frame.len()..];
    }
    match naive::frame(rest) {
        naive::Frame::Part => assert_eq!((cut.error, cut.is_between), (None, rest.is_empty())),
        naive::Frame::Broken => assert!(cut.error.is_some() && !cut.is_between),
        naive::Frame::Whole(_) => panic!("a frame was not cut off: {cut:?}"),
    }
}

/// What a prefix says is never taken back by a longer one.
fn prefixes(bytes: &[u8]) {
    let mut said = frame_length(&[]);
    for length in 1..=bytes.len().min(24) {
        let now = frame_length(&bytes[..length]);
        match (said, now) {
            (Ok(FrameLength::NeedMore { at_least }), _) if length < at_least => assert_eq!(now, said),
            (Ok(FrameLength::NeedMore { .. }), Ok(FrameLength::NeedMore { at_least })) => {
                assert!(at_least > length, "it asks for what it has");
            }
            (Ok(FrameLength::NeedMore { .. }), _) => {}
            (Ok(FrameLength::Known(_)) | Err(_), _) => assert_eq!(now, said),
        }
        said = now;
    }
}
