//! Addresses, as sockets and `ipaddress` have them.

use core::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use pyo3::Borrowed;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyTuple, PyType};

use crate::convert::{Number, kind_of};
use crate::errors;

/// `(host, port)`, or `(host, port, flowinfo, scope_id)` as IPv6 sockets have it.
#[derive(Clone, Copy)]
pub(crate) struct Address(pub(crate) SocketAddr);

impl<'a, 'py> FromPyObject<'a, 'py> for Address {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let Ok(parts) = given.cast::<PyTuple>() else {
            return Err(errors::kind(format_args!(
                "{} is no address: a tuple (host, port) is",
                kind_of(given)
            )));
        };
        if !matches!(parts.len(), 2 | 4) {
            return Err(errors::value(format_args!("an address has two or four parts, not {}", parts.len())));
        }
        let (host, port) = (parts.get_borrowed_item(0)?, parts.get_borrowed_item(1)?);
        let (host, Number(port)) = (host.extract::<Host>()?, port.extract::<Number<u16>>()?);
        let mut scope_id = host.scope_id;
        if parts.len() == 4 {
            let Number(_flowinfo) = parts.get_borrowed_item(2)?.extract::<Number<u32>>()?;
            let Number(given) = parts.get_borrowed_item(3)?.extract::<Number<u32>>()?;
            scope_id = if given == 0 { scope_id } else { given };
        }
        Ok(Self(match host.ip {
            IpAddr::V4(_) if scope_id != 0 => return Err(errors::value("an IPv4 address has no scope")),
            IpAddr::V4(_) => SocketAddr::new(host.ip, port),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, scope_id).into(),
        }))
    }
}

impl<'py> IntoPyObject<'py> for Address {
    type Target = PyTuple;
    type Output = Bound<'py, PyTuple>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        match self.0 {
            SocketAddr::V4(address) => (address.ip().to_string(), address.port()).into_pyobject(py),
            SocketAddr::V6(address) => {
                (address.ip().to_string(), address.port(), 0, address.scope_id()).into_pyobject(py)
            }
        }
    }
}

/// An IP address without a port, and the zone that may be written behind it.
#[derive(Clone, Copy)]
pub(crate) struct Host {
    pub(crate) ip: IpAddr,
    scope_id: u32,
}

impl<'a, 'py> FromPyObject<'a, 'py> for Host {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(text) = given.cast::<PyString>() {
            return Self::parse(&text.to_cow()?);
        }
        if !is_ip_address(given)? {
            return Err(errors::kind(format_args!(
                "{} is no host: a str or an ipaddress is",
                kind_of(given)
            )));
        }
        Self::parse(&given.str()?.to_cow()?)
    }
}

impl Host {
    fn parse(text: &str) -> PyResult<Self> {
        if let Ok(ip) = text.parse() {
            return Ok(Self { ip, scope_id: 0 });
        }
        // RFC 4007 s11: the zone's number behind a percent sign. Its name is for the host to look up.
        let zoned = text.split_once('%').and_then(|(ip, zone)| {
            Some(Self { ip: IpAddr::V6(ip.parse::<Ipv6Addr>().ok()?), scope_id: zone.parse().ok()? })
        });
        zoned.ok_or_else(|| errors::value(format_args!("{text:?} is no IP address; resolve names before")))
    }
}

/// A host, or an address of which only that counts.
pub(crate) struct HostOrAddress(pub(crate) IpAddr);

impl<'a, 'py> FromPyObject<'a, 'py> for HostOrAddress {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if given.cast::<PyTuple>().is_ok() {
            return given.extract::<Address>().map(|address| Self(address.0.ip()));
        }
        given.extract::<Host>().map(|host| Self(host.ip))
    }
}

/// Hosts, at most `most` of them: an iterator without an end is a mistake, and so is a string of them.
pub(crate) fn hosts(given: &Bound<'_, PyAny>, most: usize) -> PyResult<Vec<IpAddr>> {
    if given.is_instance_of::<PyString>() {
        return Err(errors::kind("a str is not several hosts"));
    }
    let mut all = Vec::new();
    for host in given.try_iter()? {
        if all.len() == most {
            return Err(errors::value(format_args!("there are more than {most} hosts")));
        }
        all.push(host?.extract::<Host>()?.ip);
    }
    Ok(all)
}

/// An instance of `ipaddress.IPv4Address` or `IPv6Address`: what has a text of any other kind is no host.
fn is_ip_address(given: Borrowed<'_, '_, PyAny>) -> PyResult<bool> {
    let py = given.py();
    let v4 = IPV4_ADDRESS.import(py, "ipaddress", "IPv4Address")?;
    let v6 = IPV6_ADDRESS.import(py, "ipaddress", "IPv6Address")?;
    Ok(given.is_instance(v4)? || given.is_instance(v6)?)
}

static IPV4_ADDRESS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static IPV6_ADDRESS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
