//! Records of the DNS, as answers to a discovery's questions.

use libstun::stun::Discovery;
use libstun::stun::discovery::{NaptrRecord, SrvRecord};
use pyo3::prelude::*;

use super::Fields;

/// SRV records, owned.
pub(crate) struct Services(Vec<(u16, u16, u16, String)>);

impl Services {
    /// Reads `SrvRecord`s; more than a discovery takes are not looked at.
    pub(crate) fn read(records: &Bound<'_, PyAny>) -> PyResult<Self> {
        each(records, "SrvRecord", |record| {
            let (priority, weight) = (record.number("priority")?, record.number("weight")?);
            Ok((priority, weight, record.number("port")?, record.get("target")?))
        })
        .map(Self)
    }

    /// The same, lent.
    pub(crate) fn lend(&self) -> Vec<SrvRecord<'_>> {
        self.0
            .iter()
            .map(|(priority, weight, port, target)| SrvRecord {
                priority: *priority,
                weight: *weight,
                port: *port,
                target,
            })
            .collect()
    }
}

/// NAPTR records, owned.
pub(crate) struct Naptr(Vec<(u16, u16, [String; 4])>);

impl Naptr {
    /// Reads `NaptrRecord`s; more than a discovery takes are not looked at.
    pub(crate) fn read(records: &Bound<'_, PyAny>) -> PyResult<Self> {
        each(records, "NaptrRecord", |record| {
            let texts = [
                record.get("flags")?,
                record.get("services")?,
                record.get("regexp")?,
                record.get("replacement")?,
            ];
            Ok((record.number("order")?, record.number("preference")?, texts))
        })
        .map(Self)
    }

    /// The same, lent.
    pub(crate) fn lend(&self) -> Vec<NaptrRecord<'_>> {
        self.0
            .iter()
            .map(|(order, preference, [flags, services, regexp, replacement])| NaptrRecord {
                order: *order,
                preference: *preference,
                flags,
                services,
                regexp,
                replacement,
            })
            .collect()
    }
}

fn each<'py, T>(
    records: &Bound<'py, PyAny>,
    class: &'static str,
    read: impl Fn(Fields<'_, 'py>) -> PyResult<T>,
) -> PyResult<Vec<T>> {
    records
        .try_iter()?
        .take(Discovery::MAX_RECORDS)
        .map(|record| read(Fields::of(&record?, class)?))
        .collect()
}
