//! TCP and TLS connections of the host's, whose bytes the agent frames.

use pyo3::prelude::*;

use super::Agent;
use crate::convert::{Bytes, Id, Time};
use crate::errors;
use crate::packet::{Owned, PeerData};
use crate::path::{Path, PathLike};

#[pymethods]
impl Agent {
    /// A TCP or TLS connection of the host's is open on `path`. From now on give what is read from it to handle_stream(),
    /// and write each transmit for it whole. A host that cuts frames itself, with frame_length(), needs none of this.
    ///
    /// Returns the id of the connection. Raises ValueError if the path is one of UDP, as that of an address alone is.
    fn open_stream(&self, py: Python<'_>, path: PathLike, now_ns: Time) -> PyResult<u64> {
        let Path { tuple, socket_id, .. } = path.0;
        if !tuple.transport.is_reliable() {
            return Err(errors::value("UDP has no connections: give a Path with its transport"));
        }
        let opened = self.with(py, |agent| agent.open_stream(tuple, socket_id, now_ns.0))?;
        opened.map(|id| id.as_u64()).map_err(errors::start)
    }

    /// Bytes that were read from a connection, however they were split. Returns what peers have sent through a relay.
    ///
    /// Where the other end has lost its place, the event `Close` tells to close the connection. Raises
    /// UnknownOperationError if it was closed before. For connections to peers (RFC 6062) use unwrap_stream().
    fn handle_stream(
        &self,
        py: Python<'_>,
        id: Id,
        data: Bytes<'_>,
        now_ns: Time,
    ) -> PyResult<Vec<PeerData>> {
        let all = self.with(py, |agent| {
            let (mut all, mut rest) = (Vec::new(), &*data);
            loop {
                let (taken, inner) = agent.unwrap_stream(id.0, rest, now_ns.0)?;
                rest = rest.get(taken..).unwrap_or_default();
                match inner {
                    Some(inner) => all.push(Owned::from(inner)),
                    None => return Ok(all),
                }
            }
        })?;
        let all = all.map_err(|_: libstun::agent::UnknownOperation| errors::unknown_operation())?;
        Ok(all.into_iter().map(|inner: Owned| PeerData(inner.into_packet(py))).collect())
    }

    /// The same up to the first data of a peer. Returns how many of the bytes were taken, and the data or None: call it
    /// again with the others until no data comes.
    ///
    /// If some are left over then, the connection has become one to a peer (`ConnectionBound`, RFC 6062 s4.5): those and
    /// all that follow are the peer's, and cancel() ends what the agent knows of it.
    fn unwrap_stream(
        &self,
        py: Python<'_>,
        id: Id,
        data: Bytes<'_>,
        now_ns: Time,
    ) -> PyResult<(usize, Option<PeerData>)> {
        let unwrapped = self.with(py, |agent| {
            let (taken, inner) = agent.unwrap_stream(id.0, &data, now_ns.0)?;
            Ok((taken, inner.map(Owned::from)))
        })?;
        let unwrapped = unwrapped.map_err(|_: libstun::agent::UnknownOperation| errors::unknown_operation());
        unwrapped.map(|(taken, inner)| (taken, inner.map(|inner: Owned| PeerData(inner.into_packet(py)))))
    }

    /// A connection is closed, by the other end, by the host, or because it failed. Bindings and allocations that asked
    /// over it and go on ask for another one with `Reconnect`.
    fn close_stream(&self, py: Python<'_>, id: Id, now_ns: Time) -> PyResult<()> {
        let closed = self.with(py, |agent| agent.close_stream(id.0, now_ns.0))?;
        closed.map_err(|_| errors::unknown_operation())
    }
}
