//! Arguments: integers, bytes and words, refused with a reason instead of being bent into shape.

use core::ops::Deref;
use core::time::Duration;

use libstun::{Instant, OperationId};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyBufferError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyString};
use pyo3::{Borrowed, PyTypeInfo};

use crate::errors;

/// A time of the host's, in nanoseconds.
pub(crate) struct Time(pub(crate) Instant);

/// The latest time there is: the number after it stands for never, in C.
const LATEST: u64 = u64::MAX - 1;

impl<'a, 'py> FromPyObject<'a, 'py> for Time {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        integer(given, LATEST, "a time in nanoseconds").map(|nanos| Self(Instant::from_nanos(nanos)))
    }
}

/// A duration in nanoseconds.
pub(crate) struct Nanos(pub(crate) Duration);

impl<'a, 'py> FromPyObject<'a, 'py> for Nanos {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        integer(given, LATEST, "a duration in nanoseconds").map(|nanos| Self(Duration::from_nanos(nanos)))
    }
}

/// The id of an operation.
pub(crate) struct Id(pub(crate) OperationId);

impl<'a, 'py> FromPyObject<'a, 'py> for Id {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        integer(given, u64::MAX, "the id of an operation").map(|id| Self(OperationId::from_u64(id)))
    }
}

/// Any other number, at most `T`'s largest.
pub(crate) struct Number<T>(pub(crate) T);

impl<'a, 'py, T: TryFrom<u64> + Bounded> FromPyObject<'a, 'py> for Number<T> {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let number = integer(given, T::LARGEST, "this number")?;
        T::try_from(number).map(Self).map_err(|_| out_of_range(given, T::LARGEST, "this number"))
    }
}

/// A type of numbers that knows its largest.
pub(crate) trait Bounded {
    /// As the widest type.
    const LARGEST: u64;
}

macro_rules! bounded {
    ($($type:ty),*) => { $(impl Bounded for $type { const LARGEST: u64 = <$type>::MAX as u64; })* };
}

bounded!(u8, u16, u32, u64, usize);

/// Bytes of an argument: lent where it is `bytes`, which nobody can change; copied from everything else with a buffer.
pub(crate) enum Bytes<'a> {
    /// The caller's own.
    Lent(&'a [u8]),
    /// Of a `bytearray`, a `memoryview` or the like, which another thread may change at any time.
    Copied(Vec<u8>),
}

impl Deref for Bytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Lent(bytes) => bytes,
            Self::Copied(bytes) => bytes,
        }
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Bytes<'a> {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if PyBytes::is_type_of(&given) {
            return Ok(Self::Lent(given.extract()?));
        }
        let buffer = PyBuffer::<u8>::get(&given);
        let copied = buffer.and_then(|buffer| buffer.to_vec(given.py()));
        copied.map(Self::Copied).map_err(|error| no_bytes(given, error))
    }
}

/// The words of one of the enums in `libstun.enums`, and what each stands for.
pub(crate) type Words<T> = [(&'static str, T)];

/// What a word stands for.
///
/// # Errors
/// `TypeError` if it is no string, `ValueError` if it is another one.
pub(crate) fn word<T: Copy>(given: Borrowed<'_, '_, PyAny>, what: &str, words: &Words<T>) -> PyResult<T> {
    let Ok(text) = given.cast::<PyString>() else {
        return Err(errors::kind(format_args!("{} is no {what}", kind_of(given))));
    };
    let text = text.to_cow()?;
    let known = words.iter().find(|(word, _)| *word == text);
    known.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let all: Vec<_> = words.iter().map(|(word, _)| format!("'{word}'")).collect();
        errors::value(format_args!("{text:?} is no {what}: {}", all.join(", ")))
    })
}

/// The word that stands for something.
pub(crate) fn word_of<T: Copy + PartialEq>(meaning: T, words: &Words<T>) -> &'static str {
    words.iter().find(|(_, known)| *known == meaning).map_or("other", |(word, _)| *word)
}

/// The name of an object's type, for messages.
pub(crate) fn kind_of(given: Borrowed<'_, '_, PyAny>) -> String {
    given.get_type().name().map_or_else(|_| "this".into(), |name| name.to_string())
}

/// A whole number from 0 to `largest`; everything else is refused, floats most of all: after 97 days of uptime they
/// cannot tell nanoseconds apart, and a deadline rounded down would be asked for again and again.
fn integer(given: Borrowed<'_, '_, PyAny>, largest: u64, what: &str) -> PyResult<u64> {
    if !PyInt::is_type_of(&given) {
        return Err(errors::kind(format_args!("{} is not {what}: an int is", kind_of(given))));
    }
    match given.extract::<u64>() {
        Ok(number) if number <= largest => Ok(number),
        _ => Err(out_of_range(given, largest, what)),
    }
}

/// `given` is not asked for its text: one of 5000 digits has none, and a subclass's may be anything.
fn out_of_range(given: Borrowed<'_, '_, PyAny>, largest: u64, what: &str) -> PyErr {
    let given = given
        .extract::<i128>()
        .map_or_else(|_| "an int of so many digits".into(), |number| number.to_string());
    errors::value(format_args!("{given} is out of range for {what}: 0 to {largest}"))
}

/// Why something is no bytes; what went wrong otherwise, such as a signal, is not hidden.
fn no_bytes(given: Borrowed<'_, '_, PyAny>, error: PyErr) -> PyErr {
    let py = given.py();
    if !error.is_instance_of::<PyBufferError>(py) && !error.is_instance_of::<PyTypeError>(py) {
        return error;
    }
    let what = format!("{} is neither bytes, bytearray nor a memoryview of bytes", kind_of(given));
    let refusal = errors::kind(what);
    refusal.set_cause(py, Some(error));
    refusal
}
