//! Snapshots of relays: the classes of `libstun.info`.

use core::net::SocketAddr;

use libstun::FiveTuple;
use libstun::turn::{Allocation, RelayPool};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use super::{nanos, optional, transport};
use crate::address::Address;
use crate::words::module;

/// What is known of an allocation.
pub(crate) struct AllocationInfo {
    is_allocated: bool,
    relayed: Option<SocketAddr>,
    additional: Option<SocketAddr>,
    mapped: Option<SocketAddr>,
    path: FiveTuple,
    expires_ns: Option<u64>,
    rtt_ns: Option<u64>,
    dropped_events: u32,
}

impl AllocationInfo {
    /// Of an allocation.
    pub(crate) fn of(allocation: &Allocation) -> Self {
        let relayed = allocation.relayed_address();
        Self {
            is_allocated: allocation.is_allocated(),
            relayed,
            additional: allocation.relayed_addresses().find(|address| Some(*address) != relayed),
            mapped: allocation.mapped_address(),
            path: *allocation.path(),
            expires_ns: allocation.expires_at().map(libstun::Instant::as_nanos),
            rtt_ns: allocation.round_trip().map(nanos),
            dropped_events: allocation.dropped_events(),
        }
    }

    /// For Python.
    pub(crate) fn build<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let fields = PyDict::new(py);
        fields.set_item("is_allocated", self.is_allocated)?;
        fields.set_item("relayed", optional(self.relayed))?;
        fields.set_item("additional", optional(self.additional))?;
        fields.set_item("mapped", optional(self.mapped))?;
        fields.set_item("server", Address(self.path.remote))?;
        fields.set_item("local", Address(self.path.local))?;
        fields.set_item("transport", transport(py, &self.path)?)?;
        fields.set_item("expires_ns", self.expires_ns)?;
        fields.set_item("rtt_ns", self.rtt_ns)?;
        fields.set_item("dropped_events", self.dropped_events)?;
        instance("AllocationInfo", &fields)
    }
}

/// What is known of a pool.
pub(crate) struct PoolInfo {
    selected: Option<usize>,
    relay_count: usize,
    ready_count: usize,
    relayed: Option<SocketAddr>,
    additional: Option<SocketAddr>,
    dropped_events: u32,
}

impl PoolInfo {
    /// Of a pool.
    pub(crate) fn of(pool: &RelayPool) -> Self {
        let relayed = pool.relayed_address();
        let selected = pool.selected().and_then(|selected| pool.relay(selected));
        let mut others = selected.into_iter().flat_map(Allocation::relayed_addresses);
        Self {
            selected: pool.selected(),
            relay_count: pool.len(),
            ready_count: (0..pool.len()).filter(|relay| is_ready(pool, *relay)).count(),
            relayed,
            additional: others.find(|address| Some(*address) != relayed),
            dropped_events: pool.dropped_events(),
        }
    }

    /// For Python.
    pub(crate) fn build<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let fields = PyDict::new(py);
        fields.set_item("selected", self.selected)?;
        fields.set_item("relay_count", self.relay_count)?;
        fields.set_item("ready_count", self.ready_count)?;
        fields.set_item("relayed", optional(self.relayed))?;
        fields.set_item("additional", optional(self.additional))?;
        fields.set_item("dropped_events", self.dropped_events)?;
        instance("RelayPoolInfo", &fields)
    }
}

fn is_ready(pool: &RelayPool, relay: usize) -> bool {
    pool.relay(relay).is_some_and(Allocation::is_allocated)
}

fn instance<'py>(class: &str, fields: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
    module(fields.py(), &INFO, "libstun.info")?.getattr(class)?.call((), Some(fields))
}

static INFO: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
