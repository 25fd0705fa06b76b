//! Straightforward NAPTR for relays (RFC 3958, RFC 5928 s3 step 4).

use alloc::string::String;
use alloc::vec::Vec;

use super::Discovery;
use super::config::valid_name;
use super::event::NaptrRecord;
use crate::net::Transport;

/// Where a record leads for some of the transports.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Branch {
    pub(super) transports: Vec<Transport>,
    /// Whether a set of records has said in what order to try the transports.
    pub(super) is_ranked: bool,
    pub(super) step: Step,
    pub(super) name: String,
}

/// What to ask for next, by the record's flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Naptr,
    Srv,
    Host,
}

/// A record that concerns relays.
struct Usable {
    rank: (u16, u16),
    transports: Vec<Transport>,
    step: Step,
    name: String,
}

/// Where the first [`Discovery::MAX_RECORDS`] records lead, in the order in which to try them.
///
/// The order of transports "is provided by the ranking of the first set of NAPTR records", and among equals by
/// the application (RFC 5928 s3). A set of one record that only points elsewhere ranks nothing: that is how
/// RFC 5928 s4.2 delegates all transports to another domain and expects the ranking of that one.
pub(super) fn branches(
    records: &[NaptrRecord<'_>],
    transports: &[Transport],
    is_ranked: bool,
) -> Vec<Branch> {
    let mut usable: Vec<Usable> =
        records.iter().take(Discovery::MAX_RECORDS).filter_map(|record| read(record, transports)).collect();
    usable.sort_by_key(|record| record.rank);
    if !is_ranked && matches!(&usable[..], [Usable { step: Step::Naptr, .. }]) {
        let whole = |Usable { transports, step, name, .. }| Branch { transports, is_ranked, step, name };
        return usable.into_iter().map(whole).collect();
    }
    let mut all = Vec::new();
    for equals in usable.chunk_by(|a, b| a.rank == b.rank) {
        for &transport in transports {
            all.extend(equals.iter().filter(|record| record.transports.contains(&transport)).map(|record| {
                let name = record.name.clone();
                Branch { transports: [transport].to_vec(), is_ranked: true, step: record.step, name }
            }));
        }
    }
    all
}

fn read(record: &NaptrRecord<'_>, wanted: &[Transport]) -> Option<Usable> {
    let mut tags = record.services.split(':');
    if !tags.next()?.eq_ignore_ascii_case("RELAY") || !record.regexp.is_empty() {
        return None;
    }
    let offered: Vec<Transport> = tags.filter_map(transport_of).collect();
    let transports: Vec<Transport> =
        wanted.iter().copied().filter(|transport| offered.contains(transport)).collect();
    let step = match record.flags {
        "" => Step::Naptr,
        "s" | "S" => Step::Srv,
        "a" | "A" => Step::Host,
        _ => return None,
    };
    let name = valid_name(record.replacement)?;
    let rank = (record.order, record.preference);
    (!transports.is_empty()).then_some(Usable { rank, transports, step, name })
}

/// RFC 5928 s6.2 to s6.4
fn transport_of(tag: &str) -> Option<Transport> {
    [("turn.udp", Transport::Udp), ("turn.tcp", Transport::Tcp), ("turn.tls", Transport::Tls)]
        .into_iter()
        .find_map(|(name, transport)| name.eq_ignore_ascii_case(tag).then_some(transport))
}
