//! Where packets travel.

use libstun::{FiveTuple, Transport};
use pyo3::Borrowed;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

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
    pub(crate) fn remote(&self) -> Address {
        Address(self.tuple.remote)
    }

    /// What the host's socket is bound to.
    #[getter]
    pub(crate) fn local(&self) -> Address {
        Address(self.tuple.local)
    }

    /// The transport.
    #[getter]
    pub(crate) fn transport<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
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

impl Path {
    /// Where something is to be sent.
    pub(crate) fn of_transmit(transmit: &libstun::Transmit<'_>) -> Self {
        Self { tuple: transmit.path, socket_id: transmit.socket_id, ecn: transmit.ecn }
    }

    /// Where something has arrived.
    pub(crate) fn of_datagram(datagram: &libstun::Datagram<'_>) -> Self {
        Self { tuple: datagram.path, socket_id: datagram.socket_id, ecn: datagram.ecn }
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

/// An address as Python writes it.
pub(crate) fn repr(py: Python<'_>, address: Address) -> PyResult<String> {
    Ok(address.into_pyobject(py)?.repr()?.to_string())
}
