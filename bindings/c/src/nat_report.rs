//! What a NAT probe has found, flattened into one struct that can grow.

use libstun::nat::Report;
use libstun_flat::{FlatFinding, FlatReport};

use crate::pointer::Growable;
use crate::status::{Misuse, STUN_NEVER, stun_status_code::*, stun_time};
use crate::types::stun_addr;

/// How to write a report.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum stun_nat_report_format {
    /// For people: a line for each property, and below it what was asked and seen.
    STUN_NAT_TEXT = 0,
    /// For programs: one JSON object.
    STUN_NAT_JSON = 1,
    /// What RFC 3489 would have called it, such as "full cone NAT", where it has a word for it.
    STUN_NAT_RFC3489 = 2,
}

/// What was found of one property. Frozen.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_nat_finding {
    /// `enum stun_nat_value`.
    pub value: u32,
    /// `enum stun_nat_confidence`.
    pub confidence: u32,
    /// `enum stun_nat_reason`.
    pub reason: u32,
    /// See `reason`.
    pub detail: u32,
}

/// What a probe has found.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stun_nat_report {
    /// Set it to sizeof(stun_nat_report) before each call; afterwards, how many bytes were filled.
    pub struct_size: u32,
    /// Requests, each counted once, however often it was sent.
    pub requests: u32,
    /// Responses accepted.
    pub responses: u32,
    /// Whether the mapped address depends on the destination, which is known more often than on what of it: 1 yes,
    /// 0 no, 2 unknown.
    pub depends_on_destination: u32,
    /// The server that answered, or else the first that was asked.
    pub server: stun_addr,
    /// Its other address; family 0 if it has none.
    pub other: stun_addr,
    /// The local address of the socket, as far as it is known.
    pub local: stun_addr,
    /// Its mapped address; family 0 if it is not known.
    pub mapped: stun_addr,
    /// How long a binding lives at least; 0 if that is not known.
    pub lifetime_at_least: stun_time,
    /// And below what; STUN_NEVER if that is not known.
    pub lifetime_below: stun_time,
    /// By `enum stun_nat_property`.
    pub findings: [stun_nat_finding; 16],
}

impl stun_nat_report_format {
    pub(crate) fn of(code: u32) -> Result<Self, Misuse> {
        match code {
            0 => Ok(Self::STUN_NAT_TEXT),
            1 => Ok(Self::STUN_NAT_JSON),
            2 => Ok(Self::STUN_NAT_RFC3489),
            _ => Err(Misuse(STUN_E_INVALID, "format is no stun_nat_report_format")),
        }
    }

    pub(crate) fn write(self, report: &Report) -> Option<String> {
        match self {
            Self::STUN_NAT_TEXT => Some(report.to_string()),
            Self::STUN_NAT_JSON => Some(report.to_json().to_string()),
            Self::STUN_NAT_RFC3489 => report.rfc3489_name().map(str::to_owned),
        }
    }
}

impl From<FlatFinding> for stun_nat_finding {
    fn from(found: FlatFinding) -> Self {
        let FlatFinding { value, confidence, reason, detail } = found;
        Self { value, confidence, reason, detail }
    }
}

/// A report as C reads it, but for the size.
impl From<FlatReport> for stun_nat_report {
    fn from(report: FlatReport) -> Self {
        Self {
            struct_size: 0,
            requests: report.requests,
            responses: report.responses,
            depends_on_destination: report.depends_on_destination,
            server: report.server.into(),
            other: report.other.into(),
            local: report.local.into(),
            mapped: report.mapped.into(),
            lifetime_at_least: report.lifetime_at_least,
            lifetime_below: report.lifetime_below,
            findings: report.findings.map(Into::into),
        }
    }
}

// SAFETY: `repr(C)`, `struct_size` first, and only integers and arrays of them.
unsafe impl Growable for stun_nat_report {
    fn defaults() -> Self {
        Self {
            struct_size: 0,
            requests: 0,
            responses: 0,
            depends_on_destination: 2,
            server: stun_addr::NONE,
            other: stun_addr::NONE,
            local: stun_addr::NONE,
            mapped: stun_addr::NONE,
            lifetime_at_least: 0,
            lifetime_below: STUN_NEVER,
            findings: [FlatFinding::UNKNOWN.into(); 16],
        }
    }

    const MIN_SIZE: u32 = 112; // up to and with `mapped`
}
