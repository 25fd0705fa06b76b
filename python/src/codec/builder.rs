//! Messages to send.

use std::sync::{Mutex, PoisonError};

use libstun::Entropy;
use libstun::wire::attribute::{
    AlternateServer, Attribute, AttributeType, ErrorCode, MappedAddress, OtherAddress, ResponseOrigin,
    XorMappedAddress, XorPeerAddress, XorRelayedAddress, default_reason,
};
use libstun::wire::{
    BuildError, Class, IntegrityAlgorithm, Message, MessageBuilder as WireBuilder, Method, TransactionId,
};
use pyo3::Borrowed;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt as _;
use pyo3::types::{PyBytes, PyString};

use super::key::Key;
use super::{Algorithm, contained};
use crate::address::Address;
use crate::convert::{Bytes, Number, kind_of, word, word_of};
use crate::errors;
use crate::words::CLASSES;

/// Writes a message, attribute by attribute. `bytes(builder)` is a complete message after each call.
///
/// `message_class` is a `MessageClass`, `method` a number from 0 to 0xFFF (Binding is 1), `transaction_id` the 12 bytes
/// of the request that is answered; None draws new ones from the operating system. Methods that add something return
/// the builder. One that raises has changed nothing. Raises ValueError for a method or an id that is impossible.
///
/// >>> import libstun
/// >>> key = libstun.Key.short_term("s3cret")
/// >>> builder = (
/// ...     libstun.MessageBuilder(libstun.MessageClass.REQUEST, 1)
/// ...     .add(libstun.attribute_type("USERNAME"), "alice")
/// ...     .sign(libstun.Integrity.SHA1, key)
/// ...     .add_fingerprint()
/// ... )
/// >>> libstun.Message.parse(bytes(builder))
/// Message(request Binding, 3 attributes, 64 bytes)
#[pyclass(frozen, module = "libstun")]
pub(crate) struct MessageBuilder {
    id: TransactionId,
    state: Mutex<Unfinished>,
}

/// A message in the first `length` bytes of a buffer.
struct Unfinished {
    buffer: Vec<u8>,
    length: usize,
}

#[pymethods]
impl MessageBuilder {
    #[new]
    #[pyo3(signature = (message_class, method, transaction_id = None))]
    fn new(
        message_class: ClassWord,
        method: Number<u16>,
        transaction_id: Option<Bytes<'_>>,
    ) -> PyResult<Self> {
        let method = Method::new(method.0)
            .ok_or_else(|| errors::value(format_args!("{} is no method: 0 to 4095 are", method.0)))?;
        let id = TransactionId::new(match transaction_id {
            Some(bytes) => <[u8; 12]>::try_from(&*bytes).map_err(|_| {
                errors::value(format_args!("a transaction id has 12 bytes, not {}", bytes.len()))
            })?,
            None => Entropy::from_os().map_err(|error| PyOSError::new_err(error.to_string()))?.bytes(),
        });
        let mut buffer = vec![0; FIRST_ROOM];
        let begun = WireBuilder::new(&mut buffer, message_class.0, method, id).map_err(refused)?;
        let length = begun.finish().len();
        Ok(Self { id, state: Mutex::new(Unfinished { buffer, length }) })
    }

    /// Adds an attribute of any type from its bytes, or from a str as UTF-8. Padding is added.
    ///
    /// Raises ValueError if the type is not 0 to 0xFFFF, is that of an integrity attribute or FINGERPRINT, which have
    /// calls of their own, or if the message becomes longer than 65 552 bytes; StateError after either of them.
    ///
    /// >>> import libstun
    /// >>> builder = libstun.MessageBuilder(libstun.MessageClass.REQUEST, 1)
    /// >>> len(builder.add(libstun.attribute_type("SOFTWARE"), "doctest"))
    /// 32
    fn add<'py>(slf: PyRef<'py, Self>, r#type: Number<u16>, value: Value<'_>) -> PyResult<PyRef<'py, Self>> {
        let ty = AttributeType::new(r#type.0);
        if SEALS.contains(&ty) {
            return Err(errors::value(format_args!(
                "{ty:?} is not added but made: by sign() or add_fingerprint()"
            )));
        }
        slf.extend(slf.py(), |message| message.add_raw(ty, value.bytes()))?;
        Ok(slf)
    }

    /// Adds an address, XORed where the type says so.
    ///
    /// The types are MAPPED-ADDRESS, XOR-MAPPED-ADDRESS, XOR-PEER-ADDRESS, XOR-RELAYED-ADDRESS, ALTERNATE-SERVER,
    /// RESPONSE-ORIGIN and OTHER-ADDRESS. Raises ValueError for another type or an impossible address, StateError
    /// after an integrity attribute or FINGERPRINT.
    ///
    /// >>> import libstun
    /// >>> builder = libstun.MessageBuilder("success-response", 1, bytes(12))
    /// >>> _ = builder.add_address(libstun.attribute_type("XOR-MAPPED-ADDRESS"), ("192.0.2.1", 32853))
    /// >>> libstun.Message.parse(bytes(builder)).mapped_address
    /// ('192.0.2.1', 32853)
    fn add_address<'py>(
        slf: PyRef<'py, Self>,
        r#type: Number<u16>,
        address: Address,
    ) -> PyResult<PyRef<'py, Self>> {
        let (ty, Address(address)) = (AttributeType::new(r#type.0), address);
        let py = slf.py();
        match ty {
            AttributeType::MAPPED_ADDRESS => slf.put(py, &MappedAddress(address)),
            AttributeType::XOR_MAPPED_ADDRESS => slf.put(py, &XorMappedAddress(address)),
            AttributeType::XOR_PEER_ADDRESS => slf.put(py, &XorPeerAddress(address)),
            AttributeType::XOR_RELAYED_ADDRESS => slf.put(py, &XorRelayedAddress(address)),
            AttributeType::ALTERNATE_SERVER => slf.put(py, &AlternateServer(address)),
            AttributeType::RESPONSE_ORIGIN => slf.put(py, &ResponseOrigin(address)),
            AttributeType::OTHER_ADDRESS => slf.put(py, &OtherAddress(address)),
            _ => Err(errors::value(format_args!("{ty:?} is not the type of an address"))),
        }?;
        Ok(slf)
    }

    /// Adds ERROR-CODE: a code from 300 to 699, and a phrase for people of fewer than 128 characters; None is the
    /// phrase of the RFC that defines the code, empty if none does.
    ///
    /// Raises ValueError for another code or a longer phrase, StateError after an integrity attribute or FINGERPRINT.
    #[pyo3(signature = (code, reason = None))]
    fn add_error<'py>(
        slf: PyRef<'py, Self>,
        code: Number<u16>,
        reason: Option<&str>,
    ) -> PyResult<PyRef<'py, Self>> {
        let code = code.0;
        if !(300..=699).contains(&code) {
            return Err(errors::value(format_args!("{code} is no error code: 300 to 699 are")));
        }
        let reason = reason.unwrap_or(default_reason(code)).as_bytes();
        slf.put(slf.py(), &ErrorCode { code, reason })?;
        Ok(slf)
    }

    /// Adds an integrity attribute over everything so far: MESSAGE-INTEGRITY (`Integrity.SHA1`) or
    /// MESSAGE-INTEGRITY-SHA256 (`Integrity.SHA256`). Where both are wanted SHA-1 goes first.
    ///
    /// `length` truncates the latter: 16 to 32 bytes in steps of 4 (RFC 8489 s14.6); None is all of it. Raises
    /// ValueError for another length, StateError if it is there already or may not follow what is there.
    ///
    /// >>> import libstun
    /// >>> key = libstun.Key.long_term_sha256("alice", "example.org", "s3cret")
    /// >>> len(libstun.MessageBuilder(libstun.MessageClass.REQUEST, 3).sign(libstun.Integrity.SHA256, key))
    /// 56
    #[pyo3(signature = (integrity, key, *, length = None))]
    fn sign<'py>(
        slf: PyRef<'py, Self>,
        integrity: Algorithm,
        key: &Key,
        length: Option<Number<usize>>,
    ) -> PyResult<PyRef<'py, Self>> {
        let (py, key, length) = (slf.py(), &key.key, length.map(|length| length.0));
        match (integrity.0, length) {
            (IntegrityAlgorithm::Sha1, None | Some(20)) => slf.extend(py, |message| message.sign(key)),
            (IntegrityAlgorithm::Sha256, None) => slf.extend(py, |message| message.sign_sha256(key)),
            (IntegrityAlgorithm::Sha256, Some(length)) if length <= 32 && length % 4 == 0 && length >= 16 => {
                slf.extend(py, |message| message.sign_sha256_truncated(key, length))
            }
            (IntegrityAlgorithm::Sha1, Some(_)) => Err(errors::value("MESSAGE-INTEGRITY has 20 bytes")),
            (IntegrityAlgorithm::Sha256, Some(_)) => {
                Err(errors::value("MESSAGE-INTEGRITY-SHA256 has 16 to 32 bytes, a multiple of four"))
            }
        }?;
        Ok(slf)
    }

    /// Adds FINGERPRINT (RFC 8489 s14.7). Nothing can follow it.
    ///
    /// Raises StateError if there is one already.
    fn add_fingerprint(slf: PyRef<'_, Self>) -> PyResult<PyRef<'_, Self>> {
        slf.extend(slf.py(), |message| message.add_fingerprint())?;
        Ok(slf)
    }

    /// The 12 bytes that pair a response with its request.
    #[getter]
    fn transaction_id<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.id.as_bytes())
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.snapshot(py))
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.lock(py).length
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let bytes = self.snapshot(py);
        let message = Message::parse(&bytes).map_err(errors::internal)?;
        let class = word_of(message.class(), CLASSES);
        Ok(format!("MessageBuilder({class} {:?}, {} bytes)", message.method(), bytes.len()))
    }
}

impl MessageBuilder {
    fn lock(&self, py: Python<'_>) -> std::sync::MutexGuard<'_, Unfinished> {
        // After a panic the bytes are what they were, or no message, which the next call says.
        self.state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
    }

    /// What is there so far. Python's objects are made without the lock.
    fn snapshot(&self, py: Python<'_>) -> Vec<u8> {
        let state = self.lock(py);
        state.buffer.get(..state.length).unwrap_or_default().to_vec()
    }

    fn put<'a, A: Attribute<'a>>(&self, py: Python<'_>, attribute: &A) -> PyResult<()> {
        self.extend(py, |message| message.add(attribute))
    }

    /// Continues the message, in a larger buffer if there is no room.
    fn extend(
        &self,
        py: Python<'_>,
        mut body: impl FnMut(&mut WireBuilder<'_>) -> Result<(), BuildError>,
    ) -> PyResult<()> {
        contained(|| {
            let mut state = self.lock(py);
            let mut result = state.extend(&mut body);
            if let Ok(Err(BuildError::BufferTooSmall { needed })) = result {
                state.buffer.resize(needed.saturating_mul(2), 0);
                result = state.extend(&mut body);
            }
            drop(state);
            result.map_err(errors::internal)?.map_err(refused)
        })
    }
}

impl Unfinished {
    fn extend(
        &mut self,
        body: impl FnOnce(&mut WireBuilder<'_>) -> Result<(), BuildError>,
    ) -> Result<Result<(), BuildError>, libstun::wire::ParseError> {
        let mut message = WireBuilder::resume(&mut self.buffer, self.length)?;
        let result = body(&mut message);
        self.length = message.finish().len();
        Ok(result)
    }
}

/// What an attribute is made of.
enum Value<'a> {
    Text(&'a str),
    Bytes(Bytes<'a>),
}

impl Value<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Value<'a> {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if given.is_instance_of::<PyString>() {
            return given.extract().map(Self::Text);
        }
        given.extract().map(Self::Bytes).map_err(|_| {
            errors::kind(format_args!("{} is neither str, bytes, bytearray nor a memoryview", kind_of(given)))
        })
    }
}

/// A class of messages, or the word for it.
struct ClassWord(Class);

impl<'a, 'py> FromPyObject<'a, 'py> for ClassWord {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        word(given, "MessageClass", CLASSES).map(Self)
    }
}

fn refused(error: BuildError) -> PyErr {
    match error {
        BuildError::OutOfOrder => errors::state(error),
        _ => errors::value(error),
    }
}

/// What only the builder itself can make.
const SEALS: [AttributeType; 3] =
    [AttributeType::MESSAGE_INTEGRITY, AttributeType::MESSAGE_INTEGRITY_SHA256, AttributeType::FINGERPRINT];
/// Enough for most messages, in bytes.
const FIRST_ROOM: usize = 256;
