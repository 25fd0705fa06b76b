//! Events of NAT probes, and their report.

use libstun::nat::{Answer, Confidence, ProbeEvent, Property, Reason, Report, Value};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::{Built, build, failure, nanos, optional};
use crate::address::Address;
use crate::words::member;

pub(super) fn probe<'py>(py: Python<'py>, event: &ProbeEvent) -> PyResult<Built<'py>> {
    Ok(match event {
        ProbeEvent::Unanswered { test, asked } => {
            build!(py, NatUnanswered { test: test.name(), server: Address(*asked) })
        }
        ProbeEvent::Found { property, value, confidence } => build!(
            py,
            NatFound {
                property: member(py, "NatProperty", property.name())?,
                finding: finding(py, *value, *confidence, &[])?,
            }
        ),
        ProbeEvent::Finished(found) => build!(py, NatFinished { report: report(py, found)? }),
        _ => build!(py, Unknown {}),
    })
}

/// Everything that a probe has found.
pub(crate) fn report<'py>(py: Python<'py>, found: &Report) -> PyResult<Bound<'py, PyAny>> {
    let findings = PyDict::new(py);
    for property in Property::ALL {
        let of = found.finding(property);
        let mut evidence = Vec::with_capacity(of.evidence.len());
        for seen in &of.evidence {
            let (test, asked) = (seen.test.name(), Address(seen.asked));
            let text = seen.to_string();
            evidence.push(build!(py, NatEvidence { test: test, asked: asked, text: text }).finish()?);
        }
        findings.set_item(
            member(py, "NatProperty", property.name())?,
            finding(py, of.value, of.confidence, &evidence)?,
        )?;
    }
    build!(
        py,
        NatReport {
            server: Address(found.server),
            other: optional(found.other_address),
            local: Address(found.local),
            mapped: optional(found.mapped),
            requests: found.requests,
            responses: found.responses,
            depends_on_destination: found.depends_on_destination(),
            rfc3489_name: found.rfc3489_name(),
            findings: findings,
            json: found.to_json().to_string(),
            text: found.to_string(),
        }
    )
    .finish()
}

fn finding<'py>(
    py: Python<'py>,
    found: Answer<Value>,
    confidence: Confidence,
    evidence: &[Bound<'py, PyAny>],
) -> PyResult<Bound<'py, PyAny>> {
    let (value, reason) = match found {
        Answer::Known(value) => (Some(value), None),
        Answer::Unknown(reason) => (None, Some(reason)),
    };
    let lifetime =
        value.and_then(|value| if let Value::Lifetime(lifetime) = value { Some(lifetime) } else { None });
    let word = value.map(|value| lifetime.map_or_else(|| value.to_string(), |_| "bounded".into()));
    let confidence = value.map(|_| member(py, "NatConfidence", confidence.name())).transpose()?;
    let (code, error) = match reason {
        Some(Reason::ErrorResponse { code }) => (Some(code), None),
        Some(Reason::SendFailed { error }) => (None, Some(failure::send_error(py, error)?)),
        _ => (None, None),
    };
    build!(
        py,
        NatFinding {
            value: word.map(|word| member(py, "NatValue", &word)).transpose()?,
            confidence: confidence,
            reason: reason.map(|reason| member(py, "NatReason", reason.name())).transpose()?,
            code: code,
            send_error: error,
            lifetime_at_least_ns: lifetime.map(|lifetime| nanos(lifetime.at_least)),
            lifetime_below_ns: lifetime.and_then(|lifetime| lifetime.below).map(nanos),
            evidence: PyTuple::new(py, evidence)?,
        }
    )
    .finish()
}
