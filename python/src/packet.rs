//! Bytes and where they travel: what is to be sent, and what peers have sent through a relay.

use std::hash::{DefaultHasher, Hash, Hasher};

use libstun::Datagram;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::address::Address;
use crate::path::{Path, PathLike, repr};

/// One datagram, or one frame of a stream, to send from `local` to `remote`.
///
/// >>> import libstun
/// >>> agent = libstun.Agent(now_ns=0)
/// >>> binding = agent.start_binding(libstun.BindingConfig(("192.0.2.1", 3478)), now_ns=0)
/// >>> agent.poll_transmit()
/// Transmit(28 bytes to ('192.0.2.1', 3478))
#[pyclass(frozen, module = "libstun")]
pub(crate) struct Transmit(pub(crate) Packet);

#[pymethods]
impl Transmit {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("data", "remote")
    }

    /// For tests of hosts: an agent makes its own.
    #[new]
    fn new(data: Bound<'_, PyBytes>, path: PathLike) -> Self {
        Self(Packet { path: path.0, data: data.unbind() })
    }

    /// For pickle and copy.
    fn __getnewargs__(&self, py: Python<'_>) -> (Py<PyBytes>, Path) {
        (self.data(py), self.0.path)
    }

    fn __eq__(&self, py: Python<'_>, other: &Self) -> bool {
        self.0.equals(py, &other.0)
    }

    fn __hash__(&self, py: Python<'_>) -> u64 {
        self.0.hash(py)
    }

    /// The bytes.
    #[getter]
    fn data(&self, py: Python<'_>) -> Py<PyBytes> {
        self.0.data.clone_ref(py)
    }

    /// Where to send them.
    #[getter]
    fn remote(&self) -> Address {
        self.0.path.remote()
    }

    /// What the socket is bound to from which to send them; an unspecified address where that does not matter.
    #[getter]
    fn local(&self) -> Address {
        self.0.path.local()
    }

    /// The transport.
    #[getter]
    fn transport<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.0.path.transport(py)
    }

    /// The host's number for the socket.
    #[getter]
    fn socket_id(&self) -> u32 {
        self.0.path.socket_id
    }

    /// The two ECN bits to set in the IP header.
    #[getter]
    fn ecn(&self) -> u8 {
        self.0.path.ecn
    }

    /// All of that but the bytes.
    #[getter]
    fn path(&self) -> Path {
        self.0.path
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        self.0.describe(py, "Transmit", "to")
    }
}

/// Data that a peer has sent through a relay, as if it had arrived at the relayed address.
#[pyclass(frozen, module = "libstun")]
pub(crate) struct PeerData(pub(crate) Packet);

#[pymethods]
impl PeerData {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("data", "peer")
    }

    /// For tests of hosts: an agent makes its own. The path is from the peer to the relayed address.
    #[new]
    fn new(data: Bound<'_, PyBytes>, path: PathLike) -> Self {
        Self(Packet { path: path.0, data: data.unbind() })
    }

    /// For pickle and copy.
    fn __getnewargs__(&self, py: Python<'_>) -> (Py<PyBytes>, Path) {
        (self.data(py), self.0.path)
    }

    fn __eq__(&self, py: Python<'_>, other: &Self) -> bool {
        self.0.equals(py, &other.0)
    }

    fn __hash__(&self, py: Python<'_>) -> u64 {
        self.0.hash(py)
    }

    /// All of that but the bytes: from the peer, to the relayed address, with the transport to the server.
    #[getter]
    fn path(&self) -> Path {
        self.0.path
    }

    /// The bytes.
    #[getter]
    fn data(&self, py: Python<'_>) -> Py<PyBytes> {
        self.0.data.clone_ref(py)
    }

    /// Who has sent them.
    #[getter]
    fn peer(&self) -> Address {
        self.0.path.remote()
    }

    /// The relayed address that they were sent to.
    #[getter]
    fn relayed(&self) -> Address {
        self.0.path.local()
    }

    /// The host's number for the socket that they arrived at.
    #[getter]
    fn socket_id(&self) -> u32 {
        self.0.path.socket_id
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        self.0.describe(py, "PeerData", "from")
    }
}

/// Bytes of Python's, and where they travel.
pub(crate) struct Packet {
    pub(crate) path: Path,
    pub(crate) data: Py<PyBytes>,
}

/// The same with bytes of Rust's, for as long as an agent is locked.
pub(crate) struct Owned {
    path: Path,
    data: Vec<u8>,
}

impl From<libstun::Transmit<'_>> for Owned {
    fn from(transmit: libstun::Transmit<'_>) -> Self {
        Self { path: Path::of_transmit(&transmit), data: transmit.payload.to_vec() }
    }
}

impl From<Datagram<'_>> for Owned {
    fn from(inner: Datagram<'_>) -> Self {
        Self { path: Path::of_datagram(&inner), data: inner.payload.to_vec() }
    }
}

impl Owned {
    /// For Python.
    pub(crate) fn into_packet(self, py: Python<'_>) -> Packet {
        Packet::new(py, self.path, &self.data)
    }
}

impl Packet {
    /// Copies bytes that are lent.
    pub(crate) fn new(py: Python<'_>, path: Path, data: &[u8]) -> Self {
        Self { path, data: PyBytes::new(py, data).unbind() }
    }

    fn bytes<'py>(&'py self, py: Python<'py>) -> &'py [u8] {
        self.data.bind(py).as_bytes()
    }

    fn equals(&self, py: Python<'_>, other: &Self) -> bool {
        self.path == other.path && self.bytes(py) == other.bytes(py)
    }

    fn hash(&self, py: Python<'_>) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.path, self.bytes(py)).hash(&mut hasher);
        hasher.finish()
    }

    fn describe(&self, py: Python<'_>, class: &str, preposition: &str) -> PyResult<String> {
        let remote = repr(py, self.path.remote())?;
        Ok(format!("{class}({} bytes {preposition} {remote})", self.bytes(py).len()))
    }
}
