//! A report as JSON. Keys are fixed, and values are numbers, addresses and names of this crate: nothing needs
//! escaping.

use core::fmt::{self, Display, Formatter};
use core::time::Duration;

use super::config::Property;
use super::finding::{Answer, Evidence, Finding, Seen};
use super::report::Report;
use super::value::Value;

/// Writes a [`Report`] as JSON where it is displayed.
#[derive(Clone, Copy, Debug)]
pub struct Json<'a>(pub(super) &'a Report);

impl Display for Json<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let report = self.0;
        write!(f, "{{\"server\":\"{}\"", report.server)?;
        optional(f, "other_address", report.other_address.as_ref())?;
        write!(f, ",\"local\":\"{}\"", report.local)?;
        optional(f, "mapped", report.mapped.as_ref())?;
        write!(f, ",\"requests\":{},\"responses\":{}", report.requests, report.responses)?;
        for property in Property::ALL {
            f.write_str(",\"")?;
            // Keys are what the languages of most readers call a name.
            property.name().chars().try_for_each(|c| write!(f, "{}", if c == '-' { '_' } else { c }))?;
            f.write_str("\":")?;
            finding(f, &report.finding(property))?;
        }
        f.write_str("}")
    }
}

fn optional(f: &mut Formatter<'_>, key: &str, value: Option<&impl Display>) -> fmt::Result {
    match value {
        Some(value) => write!(f, ",\"{key}\":\"{value}\""),
        None => write!(f, ",\"{key}\":null"),
    }
}

fn finding(f: &mut Formatter<'_>, finding: &Finding<Value>) -> fmt::Result {
    match finding.value {
        Answer::Unknown(reason) => {
            write!(f, "{{\"value\":null,\"reason\":\"{}\"", reason.name())?;
        }
        Answer::Known(Value::Lifetime(lifetime)) => {
            write!(f, "{{\"value\":{{\"at_least_seconds\":")?;
            seconds(f, lifetime.at_least)?;
            f.write_str(",\"below_seconds\":")?;
            match lifetime.below {
                Some(below) => seconds(f, below)?,
                None => f.write_str("null")?,
            }
            write!(f, "}},\"confidence\":\"{}\"", finding.confidence)?;
        }
        Answer::Known(value) => {
            write!(f, "{{\"value\":\"{value}\",\"confidence\":\"{}\"", finding.confidence)?;
        }
    }
    f.write_str(",\"evidence\":[")?;
    for (place, one) in finding.evidence.iter().enumerate() {
        f.write_str(if place > 0 { "," } else { "" })?;
        evidence(f, one)?;
    }
    f.write_str("]}")
}

fn evidence(f: &mut Formatter<'_>, evidence: &Evidence) -> fmt::Result {
    write!(f, "{{\"test\":\"{}\",\"asked\":\"{}\"", evidence.test, evidence.asked)?;
    match evidence.seen {
        Seen::Answer { from, mapped } => {
            write!(f, ",\"seen\":\"answer\",\"from\":\"{from}\",\"mapped\":\"{mapped}\"}}")
        }
        Seen::Error { from, code } => {
            write!(f, ",\"seen\":\"error\",\"from\":\"{from}\",\"code\":{code}}}")
        }
        Seen::OwnRequest { from } => write!(f, ",\"seen\":\"own-request\",\"from\":\"{from}\"}}"),
        Seen::Silence { requests } => write!(f, ",\"seen\":\"silence\",\"requests\":{requests}}}"),
        Seen::SendFailed(_) => write!(f, ",\"seen\":\"send-failed\"}}"),
    }
}

/// With milliseconds: a number that every reader takes.
fn seconds(f: &mut Formatter<'_>, duration: Duration) -> fmt::Result {
    write!(f, "{}.{:03}", duration.as_secs(), duration.subsec_millis())
}
