//! Functions: telling protocols apart, framing streams, names and numbers.

use std::sync::LazyLock;

use libstun::wire::attribute::AttributeType;
use libstun::wire::stream::FrameLength;
use libstun::wire::{Method, classify as classification, stream};
use pyo3::prelude::*;

use crate::convert::{Bytes, Number, word_of};
use crate::errors;
use crate::words::{PROTOCOLS, member};

/// What a datagram looks like, where several protocols share a port: a `Protocol` (RFC 7983, RFC 9443).
///
/// STUN's magic cookie and length are checked as well. An empty or unknown datagram is `Protocol.UNKNOWN`.
///
/// >>> import libstun
/// >>> libstun.classify(b"\x40\x00\x00\x02hi")
/// <Protocol.CHANNEL_DATA: 'channel-data'>
#[pyfunction]
pub(crate) fn classify<'py>(py: Python<'py>, data: Bytes<'_>) -> PyResult<Bound<'py, PyAny>> {
    member(py, "Protocol", word_of(classification(&data), PROTOCOLS))
}

/// How long the frame is that a stream's next bytes begin, in bytes, padding included (RFC 8489 s6.2.2, RFC 8656 s12.5).
///
/// None if the prefix is too short to tell; 20 bytes always suffice. Raises ParseError if no frame begins like that:
/// the stream is out of step, and has to be closed.
///
/// >>> import libstun
/// >>> libstun.frame_length(b"\x40\x00\x00\x05")
/// 12
#[pyfunction]
pub(crate) fn frame_length(prefix: Bytes<'_>) -> PyResult<Option<usize>> {
    match stream::frame_length(&prefix) {
        Ok(FrameLength::Known(length)) => Ok(Some(length)),
        Ok(FrameLength::NeedMore { .. }) => Ok(None),
        Err(error) => Err(errors::parse(error)),
    }
}

/// The name of an attribute in the RFC that registered it; None if this library knows none.
///
/// Raises ValueError if `type` is not 0 to 0xFFFF.
///
/// >>> import libstun
/// >>> libstun.attribute_name(0x0020)
/// 'XOR-MAPPED-ADDRESS'
#[pyfunction]
pub(crate) fn attribute_name(r#type: Number<u16>) -> Option<&'static str> {
    AttributeType::new(r#type.0).name()
}

/// The number of an attribute by its name in the RFC that registered it.
///
/// Raises ValueError if this library knows no such name.
///
/// >>> import libstun
/// >>> hex(libstun.attribute_type("XOR-MAPPED-ADDRESS"))
/// '0x20'
#[pyfunction]
pub(crate) fn attribute_type(name: &str) -> PyResult<u16> {
    static NAMED: LazyLock<Vec<AttributeType>> =
        LazyLock::new(|| (0..=u16::MAX).map(AttributeType::new).filter(|ty| ty.name().is_some()).collect());
    let found = NAMED.iter().find(|ty| ty.name() == Some(name));
    found
        .map(|ty| ty.number())
        .ok_or_else(|| errors::value(format_args!("{name:?} is no attribute that is known here")))
}

/// The name of a method in the RFC that registered it; None if this library knows none.
///
/// Raises ValueError if `method` is not 0 to 0xFFF.
///
/// >>> import libstun
/// >>> libstun.method_name(3)
/// 'Allocate'
#[pyfunction]
pub(crate) fn method_name(method: Number<u16>) -> PyResult<Option<&'static str>> {
    let known = Method::new(method.0);
    known
        .map(Method::name)
        .ok_or_else(|| errors::value(format_args!("{} is no method: 0 to 4095 are", method.0)))
}
