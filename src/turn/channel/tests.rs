//! Who has which number, and for how long.

use std::collections::BTreeMap;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

fn table() -> Channels {
    Channels::new(AddressHasher::new([7; 16]))
}

fn peer(last: u16) -> SocketAddr {
    SocketAddr::new([192, 0, 2, 1].into(), 1000 + last)
}

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1000)
}

fn nth(key: u32) -> ChannelNumber {
    number(key).unwrap()
}

/// Wants a channel and binds it at once.
fn bind(table: &mut Channels, to: SocketAddr, now: Instant) -> ChannelNumber {
    table.want(to, now).unwrap();
    let next = table.take_next().unwrap();
    assert_eq!(next.peer, to);
    table.bound(next.number, now, now).unwrap();
    next.number
}

#[test]
fn numbers_ascend_and_each_is_asked_for_once_at_a_time() {
    let mut table = table();
    for last in 0..3 {
        assert_eq!(table.want(peer(last), at(0)), Ok(Wish::New));
        assert_eq!(table.want(peer(last), at(0)), Ok(Wish::Known));
    }
    for last in 0..3 {
        let next = Bind { number: nth(last.into()), peer: peer(last) };
        assert_eq!(table.take_next(), Some(next));
        assert_eq!(table.binding(next.number), Some(next));
    }
    table.want(peer(1), at(1)).unwrap();
    assert_eq!(table.take_next(), None, "all are on their way");
    assert_eq!(table.number_of(&peer(1), at(1)), None, "not before the server says so");
    assert_eq!(table.peer_of(nth(1), at(1)), Some(peer(1)), "data may outrun the answer");
    assert_eq!(table.peer_of(nth(3), at(1)), None);
    assert_eq!(table.bound(nth(1), at(0), at(1)), Some(Bound { peer: peer(1), is_new: true }));
    assert_eq!(table.number_of(&peer(1), at(1)), Some(nth(1)));
}

#[test]
fn a_channel_is_renewed_with_its_permission_and_stays_bound_meanwhile() {
    let mut table = table();
    let number = bind(&mut table, peer(0), at(0));
    assert_eq!(table.deadline(), Some(at(260)));
    table.due(at(259), at(259));
    assert!(!table.has_wanted());
    table.due(at(250), at(260));
    assert_eq!(table.take_next().map(|next| next.number), Some(number));
    assert_eq!(table.deadline(), None);
    assert_eq!(table.number_of(&peer(0), at(599)), Some(number));
    assert_eq!(table.number_of(&peer(0), at(600)), None, "counted from when the request was sent");
    assert_eq!(table.bound(number, at(230), at(231)), Some(Bound { peer: peer(0), is_new: false }));
    assert_eq!(table.deadline(), Some(at(490)));
}

/// Case 75.
#[test]
fn a_bind_without_an_answer_is_tried_again_under_the_same_number() {
    let mut table = table();
    table.want(peer(0), at(0)).unwrap();
    let first = table.take_next().unwrap();
    table.failed(first.number, at(40));
    table.want(peer(1), at(40)).unwrap();
    assert_eq!(table.take_next(), Some(first));
    assert_eq!(table.take_next().map(|next| next.number), Some(nth(1)));
    table.retry_later(first.number, at(90), at(80));
    assert_eq!(table.deadline(), Some(at(90)));
    table.due(at(89), at(200));
    assert_eq!(table.take_next(), None, "a retry is never early");
    table.due(at(90), at(90));
    assert_eq!(table.take_next(), Some(first));
    // Perhaps it was bound: nobody else gets the number while the server may think so.
    table.refused(first.number, at(91)).unwrap();
    table.want(peer(2), at(979)).unwrap();
    assert_eq!(table.take_next().map(|next| next.number), Some(nth(2)));
    table.want(peer(3), at(980)).unwrap();
    assert_eq!(table.take_next().map(|next| next.number), Some(first.number));
}

/// Case 74.
#[test]
fn a_number_goes_to_another_peer_only_after_ten_and_five_minutes() {
    for (minutes, is_free) in [(9, false), (11, false), (14, false), (16, true)] {
        let mut table = table();
        let number = bind(&mut table, peer(0), at(0));
        assert!(table.release(peer(0), at(1)));
        assert!(!table.release(peer(0), at(2)));
        let now = at(minutes * 60);
        table.want(peer(1), now).unwrap();
        let other = table.take_next().unwrap();
        assert_eq!(other.number == number, is_free, "after {minutes} minutes");
        if !is_free {
            table.want(peer(0), now).unwrap();
            assert_eq!(table.take_next(), Some(Bind { number, peer: peer(0) }), "its own number again");
        }
    }
}

#[test]
fn a_released_channel_is_heard_until_it_ends_and_spoken_to_no_more() {
    let mut table = table();
    let number = bind(&mut table, peer(0), at(0));
    table.release(peer(0), at(10));
    assert_eq!((table.len(), table.deadline()), (0, None));
    assert!(!table.is_known(&peer(0)));
    assert_eq!(table.number_of(&peer(0), at(10)), None);
    assert_eq!(table.peer_of(number, at(599)), Some(peer(0)));
    assert_eq!(table.peer_of(number, at(600)), None);
    // Wanted again before its renewal would have come, it needs no request.
    assert_eq!(table.want(peer(0), at(100)), Ok(Wish::New));
    assert_eq!(table.number_of(&peer(0), at(100)), Some(number));
    assert_eq!((table.has_wanted(), table.deadline()), (false, Some(at(260))));
    table.release(peer(0), at(101));
    table.want(peer(0), at(300)).unwrap();
    assert_eq!(table.number_of(&peer(0), at(300)), Some(number), "still bound");
    assert_eq!(table.take_next(), Some(Bind { number, peer: peer(0) }), "and to be renewed");
}

#[test]
fn a_channel_that_was_never_asked_for_leaves_its_number_at_once() {
    let mut table = table();
    table.want(peer(0), at(0)).unwrap();
    table.release(peer(0), at(0));
    table.want(peer(1), at(0)).unwrap();
    let next = table.take_next().unwrap();
    assert_eq!(next, Bind { number: nth(0), peer: peer(1) });
    assert_eq!(table.refused(next.number, at(1)), Some(peer(1)), "no request before it was lost");
    table.want(peer(2), at(1)).unwrap();
    assert_eq!(table.take_next().map(|next| next.number), Some(nth(0)));
    // One that is released on its way may yet be bound.
    table.release(peer(2), at(2));
    table.want(peer(3), at(2)).unwrap();
    assert_eq!(table.take_next().map(|next| next.number), Some(nth(1)));
    assert_eq!(table.bound(nth(0), at(1), at(3)), None, "nobody wants it");
    assert_eq!(table.peer_of(nth(0), at(3)), Some(peer(2)));
}

#[test]
fn a_new_allocation_has_no_bindings_and_nothing_to_wait_for() {
    let mut table = table();
    let kept = bind(&mut table, peer(0), at(0));
    let released = bind(&mut table, peer(1), at(0));
    bind(&mut table, peer(2), at(0));
    table.release(peer(1), at(1));
    table.reset();
    assert_eq!(table.number_of(&peer(0), at(2)), None);
    assert_eq!(table.peer_of(kept, at(2)), None, "late data of the old allocation is dropped");
    assert_eq!(table.peer_of(released, at(2)), None);
    assert_eq!(table.deadline(), None);
    assert_eq!(table.take_next(), Some(Bind { number: kept, peer: peer(0) }));
    assert_eq!(table.take_next().map(|next| next.peer), Some(peer(2)));
    table.want(peer(3), at(2)).unwrap();
    assert_eq!(table.take_next(), Some(Bind { number: released, peer: peer(3) }));
}

#[test]
fn a_full_table_says_so_until_a_number_has_cooled() {
    let mut table = table();
    for last in 0..4096 {
        bind(&mut table, peer(last), at(0));
    }
    assert_eq!(table.number_of(&peer(4095), at(1)), Some(ChannelNumber::MAX));
    assert_eq!(table.want(peer(5000), at(1)), Err(Full));
    table.release(peer(7), at(1));
    assert_eq!(table.want(peer(5000), at(899)), Err(Full));
    assert_eq!(table.want(peer(5000), at(900)), Ok(Wish::New));
    assert_eq!(table.take_next(), Some(Bind { number: nth(7), peer: peer(5000) }));
}

/// What the server may believe: for each number and peer, the last moment at which a request may have arrived.
#[derive(Default)]
struct Server {
    possible: BTreeMap<(u16, SocketAddr), Instant>,
    on_its_way: Vec<(Bind, Instant)>,
}

impl Server {
    fn note(&mut self, bind: Bind, now: Instant) {
        self.possible.insert((bind.number.number(), bind.peer), now);
    }

    /// RFC 8656 s12: neither the number to another peer nor the peer to another number.
    fn may_see(&self, bind: Bind, now: Instant) -> bool {
        let contradicts =
            |(number, peer): &(u16, SocketAddr)| (*number == bind.number.number()) != (*peer == bind.peer);
        let is_over = |last: &Instant| now.saturating_since(*last) >= LIFETIME + COOLING;
        self.possible.iter().filter(|(pair, _)| contradicts(pair)).all(|(_, last)| is_over(last))
            && !self
                .on_its_way
                .iter()
                .any(|(other, _)| other.number == bind.number || other.peer == bind.peer)
    }
}

proptest! {
    #[test]
    fn no_request_contradicts_a_binding_that_the_server_may_have(
        steps in proptest::collection::vec((0u8..9, 0u16..5, 0u64..400), 0..300),
    ) {
        let (mut table, mut server, mut now) = (table(), Server::default(), at(0));
        for (what, who, seconds) in steps {
            let answered = server.on_its_way.first().copied();
            match what {
                0 | 1 => prop_assert!(table.want(peer(who), now).is_ok()),
                2 => {
                    table.release(peer(who), now);
                    // Its request is cancelled, and may have arrived.
                    let (gone, kept) = server.on_its_way.iter().partition(|(bind, _)| bind.peer == peer(who));
                    server.on_its_way = kept;
                    let gone: Vec<(Bind, Instant)> = gone;
                    gone.into_iter().for_each(|(bind, _)| server.note(bind, now));
                }
                3 | 4 => if let Some(bind) = table.take_next() {
                    prop_assert!(server.may_see(bind, now), "{bind:?} at {now:?}");
                    server.on_its_way.push((bind, now));
                },
                5..=7 => if let Some((bind, sent_at)) = answered {
                    server.on_its_way.remove(0);
                    match (what, who) {
                        (5, _) => {
                            table.bound(bind.number, sent_at, now);
                            server.note(bind, now);
                        }
                        (6, 0..=2) => {
                            table.failed(bind.number, now);
                            server.note(bind, now);
                        }
                        (6, _) => {
                            table.retry_later(bind.number, now.saturating_add(Duration::from_secs(9)), now);
                            server.note(bind, now);
                        }
                        _ => drop(table.refused(bind.number, now)),
                    }
                },
                _ => now = now.saturating_add(Duration::from_secs(seconds)),
            }
            table.due(now, now);
            prop_assert!(table.deadline().is_none_or(|at| at > now));
            for who in 0..5 {
                let Some(number) = table.number_of(&peer(who), now) else { continue };
                prop_assert_eq!(table.peer_of(number, now), Some(peer(who)));
            }
        }
    }
}
