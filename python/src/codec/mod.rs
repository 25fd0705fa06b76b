//! The codec: messages, attributes, keys, ChannelData and URIs. The core does the work.

mod attribute;
mod builder;
mod channel_data;
mod key;
mod message;
mod names;
mod uri;

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::Borrowed;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

pub(crate) use attribute::{Attribute, ErrorCode};
pub(crate) use builder::MessageBuilder;
pub(crate) use channel_data::ChannelData;
pub(crate) use key::Key;
pub(crate) use message::Message;
pub(crate) use names::{attribute_name, attribute_type, classify, frame_length, method_name};
pub(crate) use uri::Uri;

use crate::convert::{Bytes, word};
use crate::errors;
use crate::words::ALGORITHMS;

/// Bytes to keep: the caller's own object where it is `bytes`, a copy where it is anything else.
struct Kept(Py<PyBytes>);

impl<'a, 'py> FromPyObject<'a, 'py> for Kept {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        // Not of a subclass, whose methods could say something else.
        if let Ok(bytes) = given.cast_exact::<PyBytes>() {
            return Ok(Self(bytes.to_owned().unbind()));
        }
        let copied = given.extract::<Bytes<'_>>()?;
        Ok(Self(PyBytes::new(given.py(), &copied).unbind()))
    }
}

/// An integrity attribute, or the word for it.
struct Algorithm(libstun::wire::IntegrityAlgorithm);

impl<'a, 'py> FromPyObject<'a, 'py> for Algorithm {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        word(given, "Integrity", ALGORITHMS).map(Self)
    }
}

/// Turns a panic, which `except Exception` would not catch, into `InternalError`.
fn contained<T>(body: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(body))
        .unwrap_or_else(|_| Err(errors::internal("a bug in the codec was caught")))
}
