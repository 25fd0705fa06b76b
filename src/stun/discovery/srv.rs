//! The order of SRV records (RFC 2782, "Usage rules").

use alloc::string::String;
use alloc::vec::Vec;

use super::Discovery;
use super::config::valid_name;
use super::event::SrvRecord;
use crate::entropy::Entropy;

/// A host and port that a record names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SrvTarget {
    pub(super) name: String,
    pub(super) port: u16,
    weight: u16,
    priority: u16,
}

/// Whether the records say that there is no such service: a single one, whose target is the root.
pub(super) fn is_refusal(records: &[SrvRecord<'_>]) -> bool {
    matches!(records, [one] if one.target == ".")
}

/// The usable ones of the first [`Discovery::MAX_RECORDS`], in the order in which to try them: by priority, and
/// among equals at random, in proportion to their weights.
pub(super) fn order(records: &[SrvRecord<'_>], entropy: &mut Entropy) -> Vec<SrvTarget> {
    let usable = records.iter().take(Discovery::MAX_RECORDS).filter(|record| record.port != 0);
    let mut left: Vec<SrvTarget> = usable
        .filter_map(|record| {
            let name = valid_name(record.target)?;
            Some(SrvTarget { name, port: record.port, weight: record.weight, priority: record.priority })
        })
        .collect();
    // Those of weight 0 stand first in each priority, so that the 0 that is drawn rarely is theirs.
    left.sort_by_key(|target| (target.priority, target.weight > 0));
    let mut ordered = Vec::with_capacity(left.len());
    while let Some(first) = left.first() {
        let place = draw(&left, first.priority, entropy);
        ordered.push(left.remove(place.min(left.len().saturating_sub(1))));
    }
    ordered
}

/// The place of the first target of that priority whose running sum of weights reaches a number drawn from 0
/// to the sum of all.
fn draw(left: &[SrvTarget], priority: u16, entropy: &mut Entropy) -> usize {
    let equals = left.iter().take_while(|target| target.priority == priority);
    let sum: u64 = equals.clone().map(|target| u64::from(target.weight)).sum();
    let drawn = entropy.below(sum.saturating_add(1));
    let mut running = 0u64;
    equals
        .take_while(|target| {
            running = running.saturating_add(u64::from(target.weight));
            running < drawn
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(priority: u16, weight: u16, target: &str) -> SrvRecord<'_> {
        SrvRecord { priority, weight, port: 3478, target }
    }

    fn names(records: &[SrvRecord<'_>], entropy: &mut Entropy) -> Vec<String> {
        order(records, entropy).into_iter().map(|target| target.name).collect()
    }

    #[test]
    fn lower_priorities_come_first_whatever_their_weight() {
        let records = [record(20, 9, "c.example"), record(10, 0, "a.example"), record(20, 0, "d.example")];
        for seed in 0..20 {
            let ordered = names(&records, &mut Entropy::from_seed([seed; 32]));
            assert_eq!((ordered.len(), ordered[0].as_str()), (3, "a.example"));
        }
    }

    #[test]
    fn among_equals_each_comes_first_in_proportion_to_its_weight() {
        let mut entropy = Entropy::from_seed([7; 32]);
        let records = [record(1, 3, "heavy.example"), record(1, 1, "light.example")];
        let heavy = (0..4000).filter(|_| names(&records, &mut entropy)[0] == "heavy.example").count();
        // Of the numbers 0 to 4, the heavy one has 0 to 3.
        assert!((3100..3300).contains(&heavy), "{heavy}");
        let zero = [record(1, 1, "light.example"), record(1, 0, "zero.example")];
        let first = (0..4000).filter(|_| names(&zero, &mut entropy)[0] == "zero.example").count();
        assert!((1900..2100).contains(&first), "{first}");
    }

    #[test]
    fn records_that_name_no_server_are_passed_over() {
        let mut records =
            [".", "", "127.1", "::1", "a/b.example", "x.example."].map(|name| record(1, 1, name));
        assert_eq!(names(&records, &mut Entropy::from_seed([7; 32])), ["x.example"]);
        records[5].port = 0;
        assert!(names(&records, &mut Entropy::from_seed([7; 32])).is_empty());
        let long = "a".repeat(256);
        assert!(names(&[record(1, 1, &long)], &mut Entropy::from_seed([7; 32])).is_empty());
    }

    #[test]
    fn only_a_root_that_stands_alone_refuses() {
        assert!(is_refusal(&[record(0, 0, ".")]));
        assert!(!is_refusal(&[record(0, 0, "."), record(0, 0, "a.example")]));
        assert!(!is_refusal(&[]));
    }
}
