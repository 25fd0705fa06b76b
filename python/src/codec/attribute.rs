//! Attributes of messages that arrived.

use core::net::SocketAddr;

use libstun::wire::TransactionId;
use libstun::wire::attribute::{
    AddressFamily, AttributeType, AttributeValue, PasswordAlgorithm, RawAttribute,
};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};

use super::contained;
use crate::address::Address;
use crate::errors;

/// An attribute of a message, as it stands there.
///
/// >>> import libstun
/// >>> request = libstun.MessageBuilder(libstun.MessageClass.REQUEST, 1).add(libstun.attribute_type("USERNAME"), "alice")
/// >>> for attribute in libstun.Message.parse(bytes(request)):
/// ...     print(attribute.name, attribute.value, attribute.decode())
/// USERNAME b'alice' alice
#[pyclass(frozen, module = "libstun")]
pub(crate) struct Attribute {
    /// The whole message.
    message: Py<PyBytes>,
    ty: AttributeType,
    offset: u32,
    is_covered: bool,
}

impl Attribute {
    /// One that stands in the message; `covered_end` is where those end that may be acted on.
    pub(super) fn new(message: Py<PyBytes>, raw: &RawAttribute<'_>, covered_end: usize) -> Self {
        let is_covered = (raw.offset as usize) < covered_end;
        Self { message, ty: raw.ty, offset: raw.offset, is_covered }
    }

    fn raw<'a>(&'a self, py: Python<'a>) -> PyResult<RawAttribute<'a>> {
        let found = RawAttribute::at(self.message.as_bytes(py), self.offset);
        found.map(|(raw, _)| raw).ok_or_else(|| errors::internal("the attribute is gone"))
    }
}

#[pymethods]
impl Attribute {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("type", "value")
    }

    /// The number of its type, 0 to 0xFFFF.
    #[getter]
    fn r#type(&self) -> u16 {
        self.ty.number()
    }

    /// Its name in the RFC that registered it, such as `'XOR-MAPPED-ADDRESS'`; None if this library knows none.
    #[getter]
    fn name(&self) -> Option<&'static str> {
        self.ty.name()
    }

    /// The bytes of its value, without padding.
    #[getter]
    fn value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, self.raw(py)?.value))
    }

    /// Where its header starts in the message, in bytes from the first.
    #[getter]
    fn offset(&self) -> u32 {
        self.offset
    }

    /// Whether it may be acted on: it stands before the first integrity attribute, and before FINGERPRINT. Anybody on
    /// the path can add attributes after that (RFC 8489 s14.5).
    #[getter]
    fn is_covered(&self) -> bool {
        self.is_covered
    }

    /// Whether somebody who does not know the type must refuse the message: below 0x8000 (RFC 8489 s14).
    #[getter]
    fn is_comprehension_required(&self) -> bool {
        self.ty.is_comprehension_required()
    }

    /// What the value means.
    ///
    /// Addresses are tuples, also those that are XORed. Texts are str, or bytes if they are not UTF-8. Numbers and
    /// seconds are int; address families 4 or 6; EVEN-PORT is a bool, whether the next port is to be reserved;
    /// CHANGE-REQUEST is `(change_ip, change_port)`, each 0 or 1; flags without a value are None; ERROR-CODE and
    /// ADDRESS-ERROR-CODE are an `ErrorCode`; UNKNOWN-ATTRIBUTES is a tuple of types; PASSWORD-ALGORITHM and
    /// PASSWORD-ALGORITHMS are tuples of pairs `(number, parameters)`; ICMP is `(type, code, data)`. Everything else
    /// is bytes: data, tokens, hashes, signatures, reserved and unknown types. The address family that
    /// ADDRESS-ERROR-CODE is about is the first byte of its `value`: 1 for IPv4, 2 for IPv6.
    ///
    /// Raises ParseError if a value of a known type is impossible.
    ///
    /// >>> import libstun
    /// >>> builder = libstun.MessageBuilder("success-response", 3)
    /// >>> _ = builder.add(libstun.attribute_type("LIFETIME"), (600).to_bytes(4))
    /// >>> _ = builder.add_address(libstun.attribute_type("XOR-RELAYED-ADDRESS"), ("2001:db8::1", 50000))
    /// >>> [attribute.decode() for attribute in libstun.Message.parse(bytes(builder))]
    /// [600, ('2001:db8::1', 50000, 0, 0)]
    fn decode<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let value = self.typed(py)?;
        let value = value.map_err(|error| errors::parse(format_args!("{:?}: {error}", self.ty)))?;
        into_python(py, value, self.raw(py)?.value)
    }

    fn __eq__(&self, py: Python<'_>, other: &Self) -> bool {
        self.offset == other.offset && self.message.as_bytes(py) == other.message.as_bytes(py)
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        (self.message.bind(py).hash()?, self.offset).into_pyobject(py)?.hash()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let raw = self.raw(py)?;
        let (name, length) = (self.ty, raw.value.len());
        let Ok(value) = self.typed(py)? else {
            return Ok(format!("Attribute({name:?}, {length} bytes, malformed)"));
        };
        let value = into_python(py, value, raw.value)?;
        if value.is_none() {
            return Ok(format!("Attribute({name:?})"));
        }
        if value.is_instance_of::<PyBytes>() {
            return Ok(format!("Attribute({name:?}, {length} bytes)"));
        }
        Ok(format!("Attribute({name:?}, {})", value.repr()?))
    }
}

impl Attribute {
    fn typed<'a>(&'a self, py: Python<'a>) -> PyResult<Result<AttributeValue<'a>, impl core::fmt::Display>> {
        let raw = self.raw(py)?;
        let id = TransactionId::of_message(self.message.as_bytes(py))
            .ok_or_else(|| errors::internal("the message is gone"))?;
        contained(|| Ok(AttributeValue::decode(raw, &id)))
    }
}

/// What ERROR-CODE says (RFC 8489 s14.8), or ADDRESS-ERROR-CODE (RFC 8656 s18.12).
///
/// >>> import libstun
/// >>> refusal = libstun.MessageBuilder("error-response", 1).add_error(438)
/// >>> libstun.Message.parse(bytes(refusal)).error
/// ErrorCode(438, 'Stale Nonce')
#[pyclass(frozen, eq, hash, module = "libstun")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct ErrorCode {
    code: u16,
    reason: String,
}

impl ErrorCode {
    /// The phrase is for people and must not make a code unreadable, whatever it holds. Some servers pad it with NULs.
    pub(super) fn new(code: u16, reason: &[u8]) -> Self {
        Self { code, reason: String::from_utf8_lossy(reason).trim_end_matches('\0').to_owned() }
    }
}

#[pymethods]
impl ErrorCode {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("code", "reason")
    }

    /// 300 to 699.
    #[getter]
    fn code(&self) -> u16 {
        self.code
    }

    /// The phrase, for people only: whatever the server wrote, without NULs at its end; U+FFFD stands for what is not
    /// UTF-8.
    #[getter]
    fn reason(&self) -> &str {
        &self.reason
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("ErrorCode({}, {})", self.code, PyString::new(py, &self.reason).repr()?))
    }
}

/// A value as Python has it; `raw` are its bytes.
fn into_python<'py>(py: Python<'py>, value: AttributeValue<'_>, raw: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    use AttributeValue as Value;
    if let Some(address) = address(&value) {
        return Address(address).into_bound_py_any(py);
    }
    match value {
        Value::Username(_)
        | Value::Realm(_)
        | Value::Nonce(_)
        | Value::Software(_)
        | Value::AlternateDomain(_) => text(py, raw),
        Value::Lifetime(lifetime) => lifetime.0.as_secs().into_bound_py_any(py),
        Value::CacheTimeout(timeout) => timeout.0.as_secs().into_bound_py_any(py),
        Value::ChannelNumber(channel) => channel.0.number().into_bound_py_any(py),
        Value::Priority(priority) => priority.0.into_bound_py_any(py),
        Value::IceControlled(tie_breaker) => tie_breaker.0.into_bound_py_any(py),
        Value::IceControlling(tie_breaker) => tie_breaker.0.into_bound_py_any(py),
        Value::ResponsePort(port) => port.0.into_bound_py_any(py),
        Value::ConnectionId(id) => id.0.into_bound_py_any(py),
        Value::RequestedTransport(protocol) => protocol.0.into_bound_py_any(py),
        Value::Fingerprint(crc) => crc.0.into_bound_py_any(py),
        Value::RequestedAddressFamily(family) => version(family.0).into_bound_py_any(py),
        Value::AdditionalAddressFamily(family) => version(family.0).into_bound_py_any(py),
        Value::EvenPort(port) => port.reserves_next.into_bound_py_any(py),
        Value::ChangeRequest(change) => {
            (u8::from(change.change_ip), u8::from(change.change_port)).into_bound_py_any(py)
        }
        Value::DontFragment(_) | Value::UseCandidate(_) => Ok(py.None().into_bound(py)),
        Value::ErrorCode(error) => ErrorCode::new(error.code, error.reason).into_bound_py_any(py),
        Value::AddressErrorCode(error) => ErrorCode::new(error.code, error.reason).into_bound_py_any(py),
        Value::UnknownAttributes(types) => {
            let numbers: Vec<_> = types.iter().map(AttributeType::number).collect();
            PyTuple::new(py, numbers)?.into_bound_py_any(py)
        }
        Value::PasswordAlgorithm(algorithm) => algorithms(py, [algorithm]),
        Value::PasswordAlgorithms(list) => algorithms(py, list.iter()),
        Value::Icmp(icmp) => (icmp.icmp_type, icmp.code, icmp.data).into_bound_py_any(py),
        _ => PyBytes::new(py, raw).into_bound_py_any(py),
    }
}

fn address(value: &AttributeValue<'_>) -> Option<SocketAddr> {
    Some(match value {
        AttributeValue::MappedAddress(found) => found.0,
        AttributeValue::XorMappedAddress(found) => found.0,
        AttributeValue::XorPeerAddress(found) => found.0,
        AttributeValue::XorRelayedAddress(found) => found.0,
        AttributeValue::AlternateServer(found) => found.0,
        AttributeValue::ResponseOrigin(found) => found.0,
        AttributeValue::OtherAddress(found) => found.0,
        _ => return None,
    })
}

/// A peer may send what is not UTF-8, and a NONCE like that must be echoed too.
fn text<'py>(py: Python<'py>, raw: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    match core::str::from_utf8(raw) {
        Ok(text) => text.into_bound_py_any(py),
        Err(_) => PyBytes::new(py, raw).into_bound_py_any(py),
    }
}

fn version(family: AddressFamily) -> u8 {
    match family {
        AddressFamily::V4 => 4,
        AddressFamily::V6 => 6,
    }
}

fn algorithms<'py, 'a>(
    py: Python<'py>,
    list: impl IntoIterator<Item = PasswordAlgorithm<'a>>,
) -> PyResult<Bound<'py, PyAny>> {
    let pairs: Vec<_> =
        list.into_iter().map(|entry| (entry.number, PyBytes::new(py, entry.parameters))).collect();
    PyTuple::new(py, pairs)?.into_bound_py_any(py)
}
