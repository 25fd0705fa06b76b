//! Messages that arrived.

use libstun::wire::attribute::{AttributeType, ErrorCode as WireError, MappedAddress, XorMappedAddress};
use libstun::wire::{
    IntegrityAlgorithm, MESSAGE_INTEGRITY_LENGTH, MESSAGE_INTEGRITY_SHA256_LENGTH,
    MESSAGE_INTEGRITY_SHA256_MIN_LENGTH, Message as View,
};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyIterator, PyList, PyType};

use super::attribute::{Attribute, ErrorCode};
use super::key::Key;
use super::{Algorithm, Kept, contained};
use crate::address::Address;
use crate::convert::{Number, word_of};
use crate::errors;
use crate::words::{CLASSES, check_word, member};

/// A well-formed STUN message (RFC 8489 s5). `Message.parse()` makes one; it never changes.
///
/// It is iterable over its attributes: `len()` and `for` work. Parsing judges nothing: whether a wrong FINGERPRINT
/// or a missing signature matters is for the caller to say, with `fingerprint` and `check()`.
///
/// >>> import libstun
/// >>> message = libstun.Message.parse(bytes.fromhex(
/// ...     "0101000c2112a442000102030405060708090a0b" "002000080001a147e112a643"))
/// >>> message
/// Message(success-response Binding, 1 attribute, 32 bytes)
/// >>> message.mapped_address
/// ('192.0.2.1', 32853)
/// >>> [attribute.name for attribute in message]
/// ['XOR-MAPPED-ADDRESS']
#[pyclass(frozen, module = "libstun")]
pub(crate) struct Message {
    data: Py<PyBytes>,
}

impl Message {
    /// The core's view of the bytes. Reading them again costs less than looking up a name in Python.
    fn view<'a>(&'a self, py: Python<'a>) -> PyResult<View<'a>> {
        View::parse(self.data.as_bytes(py)).map_err(errors::internal)
    }
}

#[pymethods]
impl Message {
    /// Reads a whole message: one datagram, or one frame of a stream.
    ///
    /// `data` is bytes, which are kept as they are, or a bytearray or memoryview, which is copied.
    /// Raises ParseError, which is a ValueError, if it is no message, saying which rule of RFC 8489 it breaks.
    ///
    /// >>> import libstun
    /// >>> libstun.Message.parse(b"GET / HTTP/1.1\r\n\r\n")
    /// Traceback (most recent call last):
    /// libstun.errors.ParseError: shorter than a STUN header
    #[classmethod]
    fn parse(class: &Bound<'_, PyType>, data: Kept) -> PyResult<Self> {
        let py = class.py();
        contained(|| View::parse(data.0.as_bytes(py)).map(|_| ()).map_err(errors::parse))?;
        Ok(Self { data: data.0 })
    }

    /// Request, indication, success response or error response: a `MessageClass`.
    #[getter]
    fn message_class<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        member(py, "MessageClass", word_of(self.view(py)?.class(), CLASSES))
    }

    /// The number of the method, 0 to 0xFFF; Binding is 1.
    #[getter]
    fn method(&self, py: Python<'_>) -> PyResult<u16> {
        Ok(self.view(py)?.method().number())
    }

    /// The method's name in the RFC that registered it, such as `'Binding'`; None if it has none.
    #[getter]
    fn method_name(&self, py: Python<'_>) -> PyResult<Option<&'static str>> {
        Ok(self.view(py)?.method().name())
    }

    /// The 12 bytes that pair a response with its request.
    #[getter]
    fn transaction_id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, self.view(py)?.transaction_id().as_bytes()))
    }

    /// The bytes that it was read from; `bytes(message)` are the same.
    #[getter]
    fn data(&self, py: Python<'_>) -> Py<PyBytes> {
        self.data.clone_ref(py)
    }

    /// A `Check`: whether FINGERPRINT (RFC 8489 s14.7) is valid, invalid or absent.
    #[getter]
    fn fingerprint<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let verdict = contained(|| Ok(self.view(py)?.check_fingerprint()))?;
        member(py, "Check", check_word(verdict))
    }

    /// Whether the message carries that integrity attribute, valid or not.
    fn has_integrity(&self, py: Python<'_>, integrity: Algorithm) -> PyResult<bool> {
        Ok(self.view(py)?.has_integrity(integrity.0))
    }

    /// Checks an integrity attribute with a key, in constant time. Returns a `Check`.
    ///
    /// A truncated MESSAGE-INTEGRITY-SHA256 is invalid, unless `shortest` says how few bytes are enough for the
    /// caller's usage: 16 to 32 (RFC 8489 s14.6). MESSAGE-INTEGRITY always has 20.
    /// Raises ValueError for another `shortest`.
    ///
    /// >>> import libstun
    /// >>> key = libstun.Key.short_term("s3cret")
    /// >>> signed = bytes(libstun.MessageBuilder(libstun.MessageClass.REQUEST, 1).sign(libstun.Integrity.SHA256, key))
    /// >>> message = libstun.Message.parse(signed)
    /// >>> message.check("sha256", key)
    /// <Check.VALID: 'valid'>
    /// >>> message.check("sha256", libstun.Key.short_term("guess"))
    /// <Check.INVALID: 'invalid'>
    #[pyo3(signature = (integrity, key, *, shortest = None))]
    fn check<'py>(
        &self,
        py: Python<'py>,
        integrity: Algorithm,
        key: &Key,
        shortest: Option<Number<usize>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let shortest = shortest_of(integrity.0, shortest)?;
        let verdict = contained(|| {
            let message = self.view(py)?;
            Ok(match shortest {
                None => message.check_integrity(integrity.0, &key.key),
                Some(length) => message.check_integrity_of_length(integrity.0, &key.key, length),
            })
        })?;
        member(py, "Check", check_word(verdict))
    }

    /// All attributes in their order, those among them that nobody may act on: see `Attribute.is_covered`.
    #[getter]
    fn attributes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let message = self.view(py)?;
        let list = PyList::empty(py);
        for raw in message.attributes() {
            list.append(Attribute::new(self.data.clone_ref(py), &raw, message.covered_end()))?;
        }
        Ok(list)
    }

    /// The first attribute of a type that may be acted on: one before any integrity attribute (RFC 8489 s14.5).
    ///
    /// None if there is none, and for the integrity attributes and FINGERPRINT, which check() and fingerprint are for.
    /// Raises ValueError if `type` is not 0 to 0xFFFF.
    ///
    /// >>> import libstun
    /// >>> software = libstun.attribute_type("SOFTWARE")
    /// >>> message = libstun.Message.parse(bytes(libstun.MessageBuilder(libstun.MessageClass.REQUEST, 1).add(software, "doctest")))
    /// >>> message.find(software).decode()
    /// 'doctest'
    fn find(&self, py: Python<'_>, r#type: Number<u16>) -> PyResult<Option<Attribute>> {
        let message = self.view(py)?;
        let found = message.find(AttributeType::new(r#type.0));
        Ok(found.map(|raw| Attribute::new(self.data.clone_ref(py), &raw, message.covered_end())))
    }

    /// The sender's address as the server saw it: XOR-MAPPED-ADDRESS (RFC 8489 s14.2), or MAPPED-ADDRESS of old
    /// servers where that is missing. None if there is neither, or a malformed one.
    #[getter]
    fn mapped_address(&self, py: Python<'_>) -> PyResult<Option<Address>> {
        let message = self.view(py)?;
        let found = match message.get::<XorMappedAddress>() {
            Ok(None) => message.get::<MappedAddress>().map(|found| found.map(|address| address.0)),
            found => found.map(|found| found.map(|address| address.0)),
        };
        Ok(found.ok().flatten().map(Address))
    }

    /// What ERROR-CODE says (RFC 8489 s14.8). None if there is none, or a malformed one.
    #[getter]
    fn error(&self, py: Python<'_>) -> PyResult<Option<ErrorCode>> {
        let found = self.view(py)?.get::<WireError<'_>>().ok().flatten();
        Ok(found.map(|error| ErrorCode::new(error.code, error.reason)))
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.attributes(py)?.try_iter()
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.view(py)?.attributes().count())
    }

    /// A message is true, also one without attributes.
    fn __bool__(&self) -> bool {
        true
    }

    fn __bytes__(&self, py: Python<'_>) -> Py<PyBytes> {
        self.data.clone_ref(py)
    }

    fn __eq__(&self, py: Python<'_>, other: &Self) -> bool {
        self.data.as_bytes(py) == other.data.as_bytes(py)
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        self.data.bind(py).hash()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (message, count) = (self.view(py)?, self.__len__(py)?);
        Ok(format!(
            "Message({} {:?}, {count} attribute{}, {} bytes)",
            word_of(message.class(), CLASSES),
            message.method(),
            if count == 1 { "" } else { "s" },
            message.as_bytes().len()
        ))
    }
}

/// What a caller may ask for.
fn shortest_of(algorithm: IntegrityAlgorithm, given: Option<Number<usize>>) -> PyResult<Option<usize>> {
    let Some(Number(length)) = given else { return Ok(None) };
    let (is_possible, possible) = match algorithm {
        IntegrityAlgorithm::Sha1 => (length == MESSAGE_INTEGRITY_LENGTH, "20 is"),
        IntegrityAlgorithm::Sha256 => (SHA256_LENGTHS.contains(&length), "16 to 32 are"),
    };
    if is_possible {
        return Ok(Some(length));
    }
    Err(errors::value(format_args!("{length} is not a length that the attribute can have: {possible}")))
}

const SHA256_LENGTHS: core::ops::RangeInclusive<usize> =
    MESSAGE_INTEGRITY_SHA256_MIN_LENGTH..=MESSAGE_INTEGRITY_SHA256_LENGTH;
