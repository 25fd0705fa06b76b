//! Where packets travel, and what is to be sent there.

use std::hash::{Hash, Hasher};

use libstun::{Datagram, FiveTuple, Transport};
use pyo3::Borrowed;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use crate::address::Address;
use crate::convert::{Number, word, word_of};
use crate::errors;
use crate::words::{TRANSPORTS, member};

/// From where to where a packet travels, and on which socket of the host's.
///
/// `local` is what the host's socket is bound to; None stands for the unspecified address, if that does not matter.
/// `socket_id` is the host's own number for a socket, from 0 to 2**32 - 1, handed back untouched, and `ecn` the two ECN
/// bits of the IP header. Where a path is asked for, the address of the other end alone will do for UDP, as long as
/// it can be meant for one operation only: with two sockets, or several servers or relays, say which `local` it is.
///
/// >>> import libstun
/// >>> libstun.Path(("192.0.2.1", 3478), socket_id=7)
/// Path(('192.0.2.1', 3478), local=('0.0.0.0', 0), transport='udp', socket_id=7)
#[pyclass(frozen, eq, hash, module = "libstun")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Path {
    pub(crate) tuple: FiveTuple,
    pub(crate) socket_id: u32,
    pub(crate) ecn: u8,
}

#[pymethods]
impl Path {
    #[classattr]
    fn __match_args__() -> (&'static str,) {
        ("remote",)
    }

    #[new]
    #[pyo3(
        signature = (remote, *, local = None, transport = None, socket_id = Number(0), ecn = Number(0)),
        text_signature = "(remote, *, local=None, transport=None, socket_id=0, ecn=0)"
    )]
    fn new(
        remote: Address,
        local: Option<Address>,
        transport: Option<TransportWord>,
        socket_id: Number<u32>,
        ecn: Number<u8>,
    ) -> PyResult<Self> {
        if ecn.0 > 3 {
            return Err(errors::value(format_args!("{} is not two ECN bits: 0 to 3 are", ecn.0)));
        }
        let transport = transport.map_or(Transport::Udp, |word| word.0);
        let tuple = five_tuple(remote, local, transport)?;
        Ok(Self { tuple, socket_id: socket_id.0, ecn: ecn.0 })
    }

    /// The other end.
    #[getter]
    fn remote(&self) -> Address {
        Address(self.tuple.remote)
    }

    /// What the host's socket is bound to.
    #[getter]
    fn local(&self) -> Address {
        Address(self.tuple.local)
    }

    /// The transport.
    #[getter]
    fn transport<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        member(py, "Transport", word_of(self.tuple.transport, TRANSPORTS))
    }

    /// The host's number for the socket.
    #[getter]
    fn socket_id(&self) -> u32 {
        self.socket_id
    }

    /// The two ECN bits of the IP header.
    #[getter]
    fn ecn(&self) -> u8 {
        self.ecn
    }

    /// For pickle and copy.
    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
        let keywords = PyDict::new(py);
        keywords.set_item("local", self.local())?;
        keywords.set_item("transport", self.transport(py)?)?;
        keywords.set_item("socket_id", self.socket_id)?;
        keywords.set_item("ecn", self.ecn)?;
        Ok(((self.remote(),).into_pyobject(py)?, keywords))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (remote, local) = (repr(py, self.remote())?, repr(py, self.local())?);
        let transport = word_of(self.tuple.transport, TRANSPORTS);
        let ecn = if self.ecn == 0 { String::new() } else { format!(", ecn={}", self.ecn) };
        Ok(format!(
            "Path({remote}, local={local}, transport='{transport}', socket_id={}{ecn})",
            self.socket_id
        ))
    }
}

/// A path, or the address of its other end.
pub(crate) struct PathLike(pub(crate) Path);

impl<'a, 'py> FromPyObject<'a, 'py> for PathLike {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if given.cast::<PyTuple>().is_ok() {
            let tuple = five_tuple(given.extract()?, None, Transport::Udp)?;
            return Ok(Self(Path { tuple, socket_id: 0, ecn: 0 }));
        }
        match given.cast::<Path>() {
            Ok(path) => Ok(Self(*path.get())),
            Err(_) => Err(errors::kind(format_args!(
                "{} is neither a Path nor an address (host, port)",
                crate::convert::kind_of(given)
            ))),
        }
    }
}

/// A transport, or the word for it.
pub(crate) struct TransportWord(pub(crate) Transport);

impl<'a, 'py> FromPyObject<'a, 'py> for TransportWord {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        word(given, "Transport", TRANSPORTS).map(Self)
    }
}

/// One datagram, or one frame of a stream, to send from `local` to `remote`.
///
/// >>> import libstun
/// >>> agent = libstun.Agent(now_ns=0)
/// >>> binding = agent.start_binding(libstun.BindingConfig(("192.0.2.1", 3478)), now_ns=0)
/// >>> agent.poll_transmit()
/// Transmit(28 bytes to ('192.0.2.1', 3478))
#[pyclass(frozen, module = "libstun")]
pub(crate) struct Transmit {
    pub(crate) path: Path,
    pub(crate) data: Py<PyBytes>,
}

/// A transmit whose bytes are still Rust's, for as long as an agent is locked.
pub(crate) struct Outgoing(Path, Vec<u8>);

impl From<libstun::Transmit<'_>> for Outgoing {
    fn from(transmit: libstun::Transmit<'_>) -> Self {
        Self(Path::of(&transmit), transmit.payload.to_vec())
    }
}

impl Outgoing {
    /// For Python.
    pub(crate) fn into_transmit(self, py: Python<'_>) -> Transmit {
        Transmit { path: self.0, data: PyBytes::new(py, &self.1).unbind() }
    }
}

impl Path {
    fn of(transmit: &libstun::Transmit<'_>) -> Self {
        Self { tuple: transmit.path, socket_id: transmit.socket_id, ecn: transmit.ecn }
    }
}

impl Transmit {
    /// Of one whose bytes are the caller's.
    pub(crate) fn new(py: Python<'_>, transmit: &libstun::Transmit<'_>) -> Self {
        Self { path: Path::of(transmit), data: PyBytes::new(py, transmit.payload).unbind() }
    }
}

#[pymethods]
impl Transmit {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("data", "remote")
    }

    /// For tests of hosts: an agent makes its own.
    #[new]
    fn of_bytes(data: Bound<'_, PyBytes>, path: PathLike) -> Self {
        Self { path: path.0, data: data.unbind() }
    }

    /// For pickle and copy.
    fn __getnewargs__(&self, py: Python<'_>) -> (Py<PyBytes>, Path) {
        (self.data(py), self.path)
    }

    fn __eq__(&self, py: Python<'_>, other: &Self) -> bool {
        self.path == other.path && self.data.bind(py).as_bytes() == other.data.bind(py).as_bytes()
    }

    fn __hash__(&self, py: Python<'_>) -> u64 {
        hash(&self.path, self.data.bind(py).as_bytes())
    }

    /// The bytes.
    #[getter]
    fn data(&self, py: Python<'_>) -> Py<PyBytes> {
        self.data.clone_ref(py)
    }

    /// Where to send them.
    #[getter]
    fn remote(&self) -> Address {
        self.path.remote()
    }

    /// What the socket is bound to from which to send them; an unspecified address where that does not matter.
    #[getter]
    fn local(&self) -> Address {
        self.path.local()
    }

    /// The transport.
    #[getter]
    fn transport<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.path.transport(py)
    }

    /// The host's number for the socket.
    #[getter]
    fn socket_id(&self) -> u32 {
        self.path.socket_id
    }

    /// The two ECN bits to set in the IP header.
    #[getter]
    fn ecn(&self) -> u8 {
        self.path.ecn
    }

    /// All of that but the bytes.
    #[getter]
    fn path(&self) -> Path {
        self.path
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let length = self.data.bind(py).as_bytes().len();
        Ok(format!("Transmit({length} bytes to {})", repr(py, self.remote())?))
    }
}

/// Data that a peer has sent through a relay, as if it had arrived at the relayed address.
#[pyclass(frozen, module = "libstun")]
pub(crate) struct PeerData {
    path: Path,
    data: Py<PyBytes>,
}

impl PeerData {
    /// What was inside a datagram or a frame of a server's.
    pub(crate) fn new(py: Python<'_>, inner: &Datagram<'_>) -> Self {
        let path = Path { tuple: inner.path, socket_id: inner.socket_id, ecn: inner.ecn };
        Self { path, data: PyBytes::new(py, inner.payload).unbind() }
    }
}

#[pymethods]
impl PeerData {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("data", "peer")
    }

    /// For tests of hosts: an agent makes its own. The path is from the peer to the relayed address.
    #[new]
    fn of_bytes(data: Bound<'_, PyBytes>, path: PathLike) -> Self {
        Self { path: path.0, data: data.unbind() }
    }

    /// For pickle and copy.
    fn __getnewargs__(&self, py: Python<'_>) -> (Py<PyBytes>, Path) {
        (self.data(py), self.path)
    }

    fn __eq__(&self, py: Python<'_>, other: &Self) -> bool {
        self.path == other.path && self.data.bind(py).as_bytes() == other.data.bind(py).as_bytes()
    }

    fn __hash__(&self, py: Python<'_>) -> u64 {
        hash(&self.path, self.data.bind(py).as_bytes())
    }

    /// All of that but the bytes: from the peer, to the relayed address, with the transport to the server.
    #[getter]
    fn path(&self) -> Path {
        self.path
    }

    /// The bytes.
    #[getter]
    fn data(&self, py: Python<'_>) -> Py<PyBytes> {
        self.data.clone_ref(py)
    }

    /// Who has sent them.
    #[getter]
    fn peer(&self) -> Address {
        self.path.remote()
    }

    /// The relayed address that they were sent to.
    #[getter]
    fn relayed(&self) -> Address {
        self.path.local()
    }

    /// The host's number for the socket that they arrived at.
    #[getter]
    fn socket_id(&self) -> u32 {
        self.path.socket_id
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let length = self.data.bind(py).as_bytes().len();
        Ok(format!("PeerData({length} bytes from {})", repr(py, self.peer())?))
    }
}

/// A path whose missing local address is the unspecified one of the remote's family.
pub(crate) fn five_tuple(
    remote: Address,
    local: Option<Address>,
    transport: Transport,
) -> PyResult<FiveTuple> {
    let (Address(remote), local) = (remote, local.map(|local| local.0));
    let any = if remote.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let Some(local) = local.or_else(|| any.parse().ok()) else {
        return Err(errors::internal("the unspecified address is no address"));
    };
    if local.is_ipv4() != remote.is_ipv4() {
        return Err(errors::value("local and remote address are of different families"));
    }
    Ok(FiveTuple { transport, local, remote })
}

fn hash(path: &Path, data: &[u8]) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    (path, data).hash(&mut hasher);
    hasher.finish()
}

fn repr(py: Python<'_>, address: Address) -> PyResult<String> {
    Ok(address.into_pyobject(py)?.repr()?.to_string())
}
