//! ChannelData.

use libstun::wire::{BuildError, ChannelData as View, ChannelNumber};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyType};

use super::{Kept, contained};
use crate::convert::{Bytes, Number};
use crate::errors;

/// ChannelData: application data to or from a peer through a channel of a TURN relay (RFC 8656 s12.4).
///
/// `channel` is 0x4000 to 0x4FFF, `data` at most 65 535 bytes. Raises ValueError for others.
///
/// >>> import libstun
/// >>> libstun.ChannelData(0x4000, b"hello").to_bytes()
/// b'@\x00\x00\x05hello'
#[pyclass(frozen, module = "libstun")]
pub(crate) struct ChannelData {
    channel: ChannelNumber,
    data: Py<PyBytes>,
}

#[pymethods]
impl ChannelData {
    #[new]
    fn new(py: Python<'_>, channel: Number<u16>, data: Kept) -> PyResult<Self> {
        let channel = ChannelNumber::new(channel.0).ok_or_else(|| {
            errors::value(format_args!("{:#06x} is no channel: 0x4000 to 0x4fff are", channel.0))
        })?;
        View::header(channel, data.0.as_bytes(py).len())
            .map_err(|_| errors::value("ChannelData holds at most 65535 bytes"))?;
        Ok(Self { channel, data: data.0 })
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("channel", "data")
    }

    /// Reads a datagram, which may be padded, or with `is_stream` one frame of a stream, which must be.
    ///
    /// Raises ParseError if it is no ChannelData.
    ///
    /// >>> import libstun
    /// >>> libstun.ChannelData.parse(b"@\x00\x00\x05hello\x00\x00\x00", is_stream=True).data
    /// b'hello'
    #[classmethod]
    #[pyo3(signature = (data, *, is_stream = false))]
    fn parse(class: &Bound<'_, PyType>, data: Bytes<'_>, is_stream: bool) -> PyResult<Self> {
        let read = if is_stream { View::parse_frame } else { View::parse_datagram };
        let found = contained(|| read(&data).map_err(errors::parse))?;
        Ok(Self { channel: found.number, data: PyBytes::new(class.py(), found.data).unbind() })
    }

    /// The number of the channel, 0x4000 to 0x4FFF.
    #[getter]
    fn channel(&self) -> u16 {
        self.channel.number()
    }

    /// What the peer has sent, or shall receive.
    #[getter]
    fn data(&self, py: Python<'_>) -> Py<PyBytes> {
        self.data.clone_ref(py)
    }

    /// The message as a datagram, or with `is_stream` as a frame, padded to a multiple of four.
    #[pyo3(signature = (*, is_stream = false))]
    fn to_bytes<'py>(&self, py: Python<'py>, is_stream: bool) -> PyResult<Bound<'py, PyBytes>> {
        let data = self.data.as_bytes(py);
        let length = match View::write(&mut [], self.channel, data, is_stream) {
            Err(BuildError::BufferTooSmall { needed }) => needed,
            Err(error) => return Err(errors::internal(error)),
            Ok(nothing) => nothing.len(),
        };
        PyBytes::new_with(py, length, |room| {
            View::write(room, self.channel, data, is_stream).map(|_| ()).map_err(errors::internal)
        })
    }

    fn __eq__(&self, py: Python<'_>, other: &Self) -> bool {
        self.channel == other.channel && self.data.as_bytes(py) == other.data.as_bytes(py)
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        (self.channel(), self.data(py)).into_pyobject(py)?.hash()
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("ChannelData({:?}, {} bytes)", self.channel, self.data.as_bytes(py).len())
    }
}
