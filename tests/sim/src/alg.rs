//! An application level gateway of the kind that does harm: it rewrites addresses wherever it sees four such
//! bytes. XOR-MAPPED-ADDRESS was invented against it (RFC 8489 s14.2).

use std::net::Ipv4Addr;

/// Replaces every occurrence of `from` by `to`, and says how many there were.
pub fn rewrite(payload: &mut [u8], from: Ipv4Addr, to: Ipv4Addr) -> usize {
    let (from, to) = (from.octets(), to.octets());
    let mut count = 0;
    let mut at = 0;
    while at + 4 <= payload.len() {
        if payload[at..at + 4] == from {
            payload[at..at + 4].copy_from_slice(&to);
            count += 1;
            at += 4;
        } else {
            at += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_occurrence_is_rewritten_at_any_offset() {
        let mut payload = [9, 10, 0, 0, 1, 10, 0, 0, 1, 10, 0, 0];
        let (from, to) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(203, 0, 113, 9));
        assert_eq!(rewrite(&mut payload, from, to), 2);
        assert_eq!(payload, [9, 203, 0, 113, 9, 203, 0, 113, 9, 10, 0, 0]);
    }
}
