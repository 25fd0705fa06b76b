//! URIs of servers.

use libstun::wire::uri::{Host, Uri as View, UriTransport};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyType};

use super::contained;
use crate::convert::word_of;
use crate::errors;
use crate::words::{SCHEMES, member};

/// A `stun:`, `stuns:`, `turn:` or `turns:` URI (RFC 7064, RFC 7065). `Uri.parse()` makes one.
///
/// `str(uri)` is its canonical text. Those that differ in upper and lower case of scheme and host only are equal.
///
/// >>> import libstun
/// >>> uri = libstun.Uri.parse("TURNS:Relay.example.org?transport=tcp")
/// >>> uri.host, uri.port, uri.default_port, uri.transport
/// ('Relay.example.org', None, 5349, 'tcp')
/// >>> str(uri)
/// 'turns:relay.example.org?transport=tcp'
#[pyclass(frozen, eq, hash, str, module = "libstun")]
pub(crate) struct Uri {
    /// As it was given.
    text: String,
}

#[pymethods]
impl Uri {
    /// Reads a URI, the whole of `text`.
    ///
    /// Raises ParseError, saying what is wrong with it.
    ///
    /// >>> import libstun
    /// >>> libstun.Uri.parse("stun://example.org")
    /// Traceback (most recent call last):
    /// libstun.errors.ParseError: no // after the scheme
    #[classmethod]
    fn parse(_class: &Bound<'_, PyType>, text: String) -> PyResult<Self> {
        contained(|| View::parse(&text).map(|_| ()).map_err(errors::parse))?;
        Ok(Self { text })
    }

    /// A `Scheme`.
    #[getter]
    fn scheme<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        member(py, "Scheme", word_of(self.view()?.scheme, SCHEMES))
    }

    /// The server's name as it was written, or its IP address without brackets.
    #[getter]
    fn host(&self) -> PyResult<String> {
        Ok(match self.view()?.host {
            Host::Name(name) => name.to_owned(),
            Host::Ip(ip) => ip.to_string(),
        })
    }

    /// Whether the host is an IP address.
    #[getter]
    fn is_ip(&self) -> PyResult<bool> {
        Ok(matches!(self.view()?.host, Host::Ip(_)))
    }

    /// The port, 1 to 65535; None if the URI has none: then SRV records are to be asked for (RFC 5928 s3).
    #[getter]
    fn port(&self) -> PyResult<Option<u16>> {
        Ok(self.view()?.port)
    }

    /// The port where nothing says otherwise: 3478, or 5349 inside TLS.
    #[getter]
    fn default_port(&self) -> PyResult<u16> {
        Ok(self.view()?.default_port())
    }

    /// What stands behind `?transport=`: 'udp', 'tcp', another word, or None if nothing does.
    #[getter]
    fn transport(&self) -> PyResult<Option<String>> {
        Ok(self.view()?.transport.as_ref().map(UriTransport::to_string))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Uri({})", PyString::new(py, &self.to_string()).repr()?))
    }
}

impl Uri {
    fn view(&self) -> PyResult<View<'_>> {
        View::parse(&self.text).map_err(errors::internal)
    }
}

impl PartialEq for Uri {
    fn eq(&self, other: &Self) -> bool {
        View::parse(&self.text) == View::parse(&other.text)
    }
}

impl Eq for Uri {}

impl core::hash::Hash for Uri {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        View::parse(&self.text).hash(state);
    }
}

impl core::fmt::Display for Uri {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        View::parse(&self.text).map_or(Ok(()), |uri| uri.fmt(f))
    }
}
