//! When permissions are asked for, and when again.

use core::net::Ipv4Addr;
use std::collections::BTreeSet;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const NONE: [IpAddr; 0] = [];

fn table() -> Permissions {
    Permissions::new(AddressHasher::new([7; 16]))
}

fn ip(last: u16) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0xC000_0200 + u32::from(last)))
}

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1000)
}

/// Takes a batch, and says whom it asks for.
fn take(table: &mut Permissions) -> Option<(BatchId, Vec<IpAddr>)> {
    let id = table.take_batch(MAX_BATCH)?;
    let ips = table.batch(id).collect();
    Some((id, ips))
}

fn install(table: &mut Permissions, id: BatchId, sent_at: Instant) -> Vec<IpAddr> {
    let mut newly = Vec::new();
    table.installed(id, sent_at, |ip| newly.push(ip));
    newly
}

#[test]
fn wanted_ips_go_in_order_and_never_twice_at_once() {
    let mut table = table();
    for wish in [Wish::New, Wish::Known] {
        (0..20).for_each(|last| assert_eq!(table.want(ip(last)), Ok(wish)));
    }
    let (first, ips) = take(&mut table).unwrap();
    assert_eq!(ips, (0..16).map(ip).collect::<Vec<_>>());
    let (second, ips) = take(&mut table).unwrap();
    assert_eq!(ips, (16..20).map(ip).collect::<Vec<_>>());
    assert_eq!(table.want(ip(3)), Ok(Wish::Known));
    assert_eq!(take(&mut table), None, "all are on their way");
    assert_ne!(first, second);
    assert!(!table.is_installed(ip(3), at(0)));
    assert_eq!(install(&mut table, first, at(0)).len(), 16);
    assert!(table.is_installed(ip(3), at(0)));
    assert!(!table.is_installed(ip(17), at(0)));
    assert_eq!(install(&mut table, first, at(1)), NONE, "a batch ends once");
}

#[test]
fn a_permission_is_renewed_before_it_ends_and_stays_installed_meanwhile() {
    let mut table = table();
    table.want(ip(1)).unwrap();
    let (batch, _) = take(&mut table).unwrap();
    assert_eq!(install(&mut table, batch, at(10)), [ip(1)]);
    assert_eq!(table.deadline(), Some(at(270)));
    table.due(at(269), at(269));
    assert!(!table.has_wanted());
    table.due(at(270), at(270));
    assert_eq!(table.deadline(), None);
    let (batch, ips) = take(&mut table).unwrap();
    assert_eq!(ips, [ip(1)]);
    assert!(table.is_installed(ip(1), at(309)));
    assert!(!table.is_installed(ip(1), at(310)), "counted from when the request was sent");
    assert_eq!(install(&mut table, batch, at(270)), NONE, "a renewal is no news");
    assert_eq!(table.deadline(), Some(at(530)));
}

#[test]
fn a_host_that_is_awake_renews_early_but_retries_nothing_early() {
    let mut table = table();
    table.want(ip(1)).unwrap();
    let (batch, _) = take(&mut table).unwrap();
    install(&mut table, batch, at(0));
    table.want(ip(2)).unwrap();
    let (batch, _) = take(&mut table).unwrap();
    table.retry_later(batch, at(230));
    table.due(at(220), at(260));
    assert_eq!(take(&mut table).map(|(_, ips)| ips), Some([ip(1)].into()));
    assert_eq!(table.deadline(), Some(at(230)));
    table.due(at(230), at(230));
    assert_eq!(take(&mut table).map(|(_, ips)| ips), Some([ip(2)].into()));
}

#[test]
fn a_refused_batch_is_asked_for_one_by_one() {
    let mut table = table();
    (0..3).for_each(|last| assert_eq!(table.want(ip(last)), Ok(Wish::New)));
    let (batch, _) = take(&mut table).unwrap();
    table.failed(batch, true);
    table.want(ip(3)).unwrap();
    let singles: Vec<_> = core::iter::from_fn(|| take(&mut table)).collect();
    let ips: Vec<_> = singles.iter().map(|(_, ips)| ips.clone()).collect();
    assert_eq!(ips, [[ip(0)], [ip(1)], [ip(2)], [ip(3)]]);
    table.refuse(singles[1].0);
    assert!(!table.is_known(ip(1)));
    install(&mut table, singles[0].0, at(0));
    table.due(at(260), at(260));
    table.want(ip(4)).unwrap();
    let (_, ips) = take(&mut table).unwrap();
    assert_eq!(ips, [ip(0), ip(4)], "what has succeeded alone goes with others again");
}

#[test]
fn a_batch_behind_one_that_goes_alone_waits_for_the_next_request() {
    let mut table = table();
    table.want(ip(0)).unwrap();
    let (batch, _) = take(&mut table).unwrap();
    table.want(ip(1)).unwrap();
    table.failed(batch, true);
    assert_eq!(take(&mut table).map(|(_, ips)| ips), Some([ip(1)].into()));
    assert_eq!(take(&mut table).map(|(_, ips)| ips), Some([ip(0)].into()));
}

#[test]
fn a_lost_allocation_has_every_ip_asked_for_again_in_the_first_order() {
    let mut table = table();
    (0..4).for_each(|last| assert_eq!(table.want(ip(last)), Ok(Wish::New)));
    let (old, _) = take(&mut table).unwrap();
    install(&mut table, old, at(0));
    table.due(at(260), at(260));
    let (lost, _) = take(&mut table).unwrap();
    table.remove(ip(0));
    table.want(ip(0)).unwrap();
    table.reset();
    assert!(!table.is_installed(ip(1), at(260)));
    assert_eq!(table.deadline(), None);
    let (again, ips) = take(&mut table).unwrap();
    assert_eq!(ips, [ip(1), ip(2), ip(3), ip(0)]);
    assert_eq!(install(&mut table, lost, at(260)), NONE, "what was asked of the old allocation is void");
    assert_eq!(table.batch(lost).count(), 0);
    assert_eq!(install(&mut table, again, at(241)).len(), 4);
}

#[test]
fn a_channel_renews_the_permission_of_its_ip() {
    let mut table = table();
    table.want(ip(1)).unwrap();
    assert!(table.covered(ip(1), at(0)));
    assert!(!table.has_wanted(), "it needs no request of its own");
    assert!(table.is_installed(ip(1), at(299)));
    // A day of the channel's renewals, a little late each time: no CreatePermission is due.
    for renewal in 1..=360 {
        let now = at(renewal * 260 + 5);
        table.due(now, now);
        assert!(!table.has_wanted());
        assert!(table.is_installed(ip(1), now));
        assert!(!table.covered(ip(1), at(renewal * 260)));
    }
    // The channel is released: the permission goes on by itself.
    let late = at(360 * 260 + 280);
    table.due(late, late);
    assert_eq!(take(&mut table).map(|(_, ips)| ips), Some([ip(1)].into()));
    // On its way, it stays on its way.
    assert!(!table.covered(ip(1), late));
    assert_eq!(take(&mut table), None);
}

#[test]
fn a_permission_that_nobody_wants_ends_with_its_channel() {
    let mut table = table();
    assert!(table.covered(ip(1), at(0)));
    assert!(table.is_installed(ip(1), at(299)));
    for now in [at(280), at(299)] {
        table.due(now, now.saturating_add(Duration::from_secs(100)));
        assert!(!table.has_wanted(), "no CreatePermission for it");
        assert_eq!(table.deadline(), Some(at(300)));
    }
    table.due(at(300), at(300));
    assert!(!table.is_known(ip(1)));
    // Somebody may come to want it.
    table.covered(ip(1), at(300));
    assert_eq!((table.want(ip(1)), table.want(ip(1))), (Ok(Wish::New), Ok(Wish::Known)));
    table.due(at(580), at(580));
    assert_eq!(take(&mut table).map(|(_, ips)| ips), Some([ip(1)].into()));
    // Of a lost allocation nothing is left that nobody wants.
    table.covered(ip(2), at(580));
    table.reset();
    assert!(table.is_known(ip(1)) && !table.is_known(ip(2)));
}

#[test]
fn removed_ips_leave_nothing_behind() {
    let mut table = table();
    (0..3).for_each(|last| assert_eq!(table.want(ip(last)), Ok(Wish::New)));
    let (batch, _) = take(&mut table).unwrap();
    assert!(table.remove(ip(1)));
    assert!(!table.remove(ip(1)));
    assert_eq!(table.batch(batch).collect::<Vec<_>>(), [ip(0), ip(2)]);
    install(&mut table, batch, at(0));
    assert!(!table.is_installed(ip(1), at(0)));
    table.remove(ip(0));
    table.remove(ip(2));
    assert_eq!((table.len(), table.deadline(), table.has_wanted()), (0, None, false));
    assert_eq!(table.iter(at(0)).count(), 0);
}

#[test]
fn a_full_table_says_so() {
    let mut table = table();
    (0..MAX_PERMISSIONS as u16).for_each(|last| assert_eq!(table.want(ip(last)), Ok(Wish::New)));
    assert_eq!(table.want(ip(2000)), Err(Full));
    assert_eq!(table.want(ip(5)), Ok(Wish::Known));
    table.remove(ip(5));
    assert_eq!(table.want(ip(2000)), Ok(Wish::New));
}

proptest! {
    #[test]
    fn nothing_is_asked_for_twice_at_once_and_nothing_is_forgotten(
        steps in proptest::collection::vec((0u8..13, 0u16..40, 0u64..90), 0..200),
    ) {
        let (mut table, mut now, mut live) = (table(), at(0), Vec::<(BatchId, Instant)>::new());
        let mut known = BTreeSet::new();
        for (what, who, seconds) in steps {
            match what {
                0..=2 => if table.want(ip(who)).is_ok() {
                    known.insert(ip(who));
                },
                3 => {
                    let was_wanted = known.remove(&ip(who));
                    prop_assert!(table.remove(ip(who)) || !was_wanted);
                }
                4 | 5 => live.extend(table.take_batch(MAX_BATCH).map(|batch| (batch, now))),
                6..=9 if !live.is_empty() => {
                    let (batch, sent_at) = live.remove(usize::from(who) % live.len());
                    match what {
                        6 => table.installed(batch, sent_at, |_| ()),
                        7 => table.failed(batch, who % 2 == 0),
                        8 => table.retry_later(batch, now.saturating_add(Duration::from_secs(seconds))),
                        _ => {
                            let refused: BTreeSet<IpAddr> = table.batch(batch).collect();
                            known.retain(|ip| !refused.contains(ip));
                            table.refuse(batch);
                        }
                    }
                }
                10 => _ = table.covered(ip(who), now),
                _ => now = now.saturating_add(Duration::from_secs(seconds)),
            }
            table.due(now, now);
            prop_assert!(table.deadline().is_none_or(|at| at > now));
            let asked: Vec<IpAddr> = live.iter().flat_map(|(batch, _)| table.batch(*batch)).collect();
            let distinct: BTreeSet<IpAddr> = asked.iter().copied().collect();
            prop_assert_eq!(distinct.len(), asked.len());
            prop_assert_eq!(table.iter(now).map(|(ip, _)| ip).collect::<BTreeSet<_>>(), known.clone());
        }
        let later = now.saturating_add(LIFETIME);
        table.due(later, later);
        live.extend(core::iter::from_fn(|| table.take_batch(MAX_BATCH)).map(|batch| (batch, later)));
        let asked: BTreeSet<IpAddr> = live.iter().flat_map(|(batch, _)| table.batch(*batch)).collect();
        prop_assert_eq!(asked, known);
    }
}
