use super::*;
use crate::net::{SendError, Transport};

const RETRANSMISSION: RetransmissionConfig = RetransmissionConfig {
    initial_rto: Duration::from_millis(500),
    rc: 7,
    rm: 16,
    ti: Duration::from_millis(39_500),
};

fn path(transport: Transport) -> FiveTuple {
    let (local, remote) = ("10.0.0.1:5000".parse().unwrap(), "192.0.2.1:3478".parse().unwrap());
    FiveTuple { transport, local, remote }
}

fn id(number: u8) -> TransactionId {
    TransactionId::new([number; 12])
}

fn start(table: &mut Transactions<u8>, number: u8, transport: Transport, now: Instant) {
    let request =
        Request { id: id(number), bytes: &[number; 20], path: path(transport), socket_id: 9, tag: number };
    table.start(&request, &RETRANSMISSION, Duration::ZERO, now).unwrap();
}

fn one(transport: Transport) -> Transactions<u8> {
    let mut table = Transactions::new(8);
    start(&mut table, 1, transport, Instant::ZERO);
    table
}

fn sent(table: &mut Transactions<u8>) -> Vec<u8> {
    core::iter::from_fn(|| table.poll_transmit().map(|transmit| transmit.payload[0])).collect()
}

/// Sleeps exactly to each deadline; the times of the sends, and of the end.
fn run(mut table: Transactions<u8>) -> (Vec<u64>, u64) {
    let (mut sends, mut now) = (Vec::new(), Instant::ZERO);
    loop {
        sends.extend(sent(&mut table).iter().map(|_| now.as_nanos() / 1_000_000));
        match table.deadline() {
            Some((at, _)) => now = at,
            None => return (sends, now.as_nanos() / 1_000_000),
        }
        table.handle_timeout(now);
        if let Some(tag) = table.take_expired() {
            assert_eq!((tag, table.is_empty()), (1, true));
        }
    }
}

#[test]
fn a_request_over_udp_is_sent_seven_times_and_given_up_after_39_500_ms() {
    assert_eq!(run(one(Transport::Udp)), (alloc::vec![0, 500, 1500, 3500, 7500, 15500, 31500], 39_500));
}

#[test]
fn a_request_over_a_stream_is_sent_once_and_given_up_after_ti() {
    assert_eq!(run(one(Transport::Tcp)), (alloc::vec![0], 39_500));
    assert_eq!(run(one(Transport::Tls)), (alloc::vec![0], 39_500));
}

#[test]
fn the_last_deadline_is_a_timeout_and_the_others_are_retransmissions() {
    let mut table = one(Transport::Udp);
    assert_eq!(table.deadline(), Some((Instant::from_millis(500), WakeReason::Retransmission)));
    table.handle_timeout(Instant::from_millis(500));
    for _ in 0..5 {
        let (at, _) = table.deadline().unwrap();
        table.handle_timeout(at);
    }
    assert_eq!(table.deadline(), Some((Instant::from_millis(39_500), WakeReason::TransactionTimeout)));
}

#[test]
fn a_wake_up_one_nanosecond_early_sends_nothing() {
    let mut table = one(Transport::Udp);
    assert_eq!(sent(&mut table), [1]);
    table.handle_timeout(Instant::from_nanos(499_999_999));
    assert!(sent(&mut table).is_empty());
    table.handle_timeout(Instant::from_millis(500));
    assert_eq!(sent(&mut table), [1]);
}

#[test]
fn a_wake_up_a_minute_late_sends_once_and_keeps_the_rest_of_the_schedule() {
    let mut table = one(Transport::Udp);
    assert_eq!(sent(&mut table), [1]);
    table.handle_timeout(Instant::from_millis(60_000));
    assert_eq!(sent(&mut table), [1]);
    assert_eq!(table.deadline(), Some((Instant::from_millis(61_000), WakeReason::Retransmission)));
}

#[test]
fn finding_changes_nothing_and_taking_ends() {
    let mut table = one(Transport::Udp);
    let udp = path(Transport::Udp);
    for _ in 0..3 {
        assert_eq!(table.find(&udp, id(1)), Ok(1));
    }
    assert_eq!(table.find(&udp, id(2)), Err(NoMatch::UnknownId));
    let elsewhere = FiveTuple { remote: "192.0.2.9:3478".parse().unwrap(), ..udp };
    assert_eq!(table.find(&elsewhere, id(1)), Err(NoMatch::WrongPath));
    assert_eq!(table.find(&path(Transport::Tcp), id(1)), Err(NoMatch::WrongPath));
    assert_eq!(table.len(), 1);
    let completed = table.take(id(1), Instant::from_millis(30)).unwrap();
    assert_eq!((completed.tag, completed.rtt), (1, Some(Duration::from_millis(30))));
    assert_eq!(table.take(id(1), Instant::from_millis(31)), None);
    assert_eq!((table.deadline(), table.queued()), (None, 0));
}

#[test]
fn a_response_to_a_retransmitted_request_measures_nothing() {
    let mut table = one(Transport::Udp);
    table.poll_transmit();
    table.handle_timeout(Instant::from_millis(500));
    table.poll_transmit();
    let completed = table.take(id(1), Instant::from_millis(510)).unwrap();
    assert_eq!((completed.rtt, completed.last_sent), (None, Instant::from_millis(500)));
    assert_eq!(completed.retransmitted_after, Some(Duration::from_millis(500)));
}

#[test]
fn a_retransmission_that_was_never_polled_is_not_counted_as_sent() {
    let mut table = one(Transport::Udp);
    table.poll_transmit();
    table.handle_timeout(Instant::from_millis(500));
    let completed = table.take(id(1), Instant::from_millis(510)).unwrap();
    assert_eq!((completed.rtt, completed.last_sent), (Some(Duration::from_millis(510)), Instant::ZERO));
    assert_eq!(completed.retransmitted_after, None);
}

#[test]
fn a_host_that_was_late_does_not_measure_itself() {
    let mut table = one(Transport::Udp);
    table.poll_transmit();
    assert_eq!(table.take(id(1), Instant::from_millis(8 * 3_600_000)).unwrap().rtt, None);
}

#[test]
fn a_response_during_the_last_wait_is_still_accepted() {
    let mut table = one(Transport::Udp);
    while table.deadline().unwrap().1 == WakeReason::Retransmission {
        let (at, _) = table.deadline().unwrap();
        table.handle_timeout(at);
    }
    table.handle_timeout(Instant::from_nanos(39_499_999_999));
    assert_eq!(table.take_expired(), None);
    assert!(table.take(id(1), Instant::from_millis(39_499)).is_some());
}

#[test]
fn an_ended_request_takes_back_what_it_had_queued_and_lets_the_others_through() {
    let mut table = Transactions::new(8);
    (1..=4).for_each(|number| start(&mut table, number, Transport::Udp, Instant::ZERO));
    assert_eq!(table.cancel(id(2)), Some(2));
    assert!(table.take(id(3), Instant::ZERO).is_some());
    assert_eq!(table.queued(), 2);
    assert_eq!(sent(&mut table), [1, 4]);
    assert_eq!(table.cancel(id(2)), None);
}

#[test]
fn the_limit_refuses_and_keeps_what_is_there() {
    let mut table = Transactions::new(1);
    start(&mut table, 1, Transport::Udp, Instant::ZERO);
    let request = Request { id: id(2), bytes: &[], path: path(Transport::Udp), socket_id: 0, tag: 2 };
    let refused = table.start(&request, &RETRANSMISSION, Duration::ZERO, Instant::ZERO);
    assert_eq!(refused, Err(TransactionLimitReached));
    assert_eq!(sent(&mut table), [1]);
    table.cancel(id(1));
    assert_eq!(table.start(&request, &RETRANSMISSION, Duration::ZERO, Instant::ZERO), Ok(()));
}

#[test]
fn a_failed_send_ends_its_own_request_or_all_on_its_path() {
    assert!(SendError::Refused.is_hard() && !SendError::Transient.is_hard());
    let mut table = Transactions::new(8);
    (1..=3).for_each(|number| start(&mut table, number, Transport::Udp, Instant::ZERO));
    let own = Receipt { path: path(Transport::Udp), transaction_id: Some(id(2)) };
    assert_eq!(failed(&mut table, &own), [2]);
    assert!(failed(&mut table, &own).is_empty());
    let elsewhere = Receipt { path: path(Transport::Tcp), transaction_id: Some(id(1)) };
    assert!(failed(&mut table, &elsewhere).is_empty());
    let whole_path = Receipt { path: path(Transport::Udp), transaction_id: None };
    assert_eq!(failed(&mut table, &whole_path), [1, 3]);
    assert!(failed(&mut table, &whole_path).is_empty());
    assert!(table.is_empty());
}

#[test]
fn near_the_end_of_the_clock_deadlines_saturate_to_never() {
    let mut table = Transactions::new(1);
    let late = Instant::from_nanos(u64::MAX - 1_000_000_000);
    start(&mut table, 1, Transport::Udp, late);
    assert_eq!(sent(&mut table), [1]);
    let (at, _) = table.deadline().unwrap();
    table.handle_timeout(at);
    assert_eq!(sent(&mut table), [1]);
    table.handle_timeout(Instant::MAX);
    assert!(table.deadline().is_none() && sent(&mut table).is_empty());
}

fn failed(table: &mut Transactions<u8>, receipt: &Receipt) -> Vec<u8> {
    let mut tags = Vec::new();
    table.fail(receipt, SendError::NoRoute, |tag| tags.push(tag));
    tags
}

#[test]
fn a_thousand_that_end_at_once_leave_few_buffers_behind() {
    let mut table = Transactions::new(1000);
    let ids: Vec<TransactionId> = (0..1000_u16)
        .map(|number| {
            let mut bytes = [0; 12];
            bytes[..2].copy_from_slice(&number.to_be_bytes());
            TransactionId::new(bytes)
        })
        .collect();
    for id in &ids {
        let request =
            Request { id: *id, bytes: &[7; 20], path: path(Transport::Udp), socket_id: 0, tag: 0_u8 };
        table.start(&request, &RETRANSMISSION, Duration::ZERO, Instant::ZERO).unwrap();
    }
    for (number, id) in ids.iter().enumerate() {
        let ended = if number % 2 == 0 {
            table.cancel(*id)
        } else {
            table.take(*id, Instant::ZERO).map(|completed| completed.tag)
        };
        assert_eq!(ended, Some(0));
    }
    assert_eq!(table.spare_buffers.len(), Transactions::<u8>::MAX_SPARE_BUFFERS);
}

#[test]
fn a_request_that_is_given_up_soon_is_sent_no_more_and_never_later_than_it_would_have_been() {
    let mut table = one(Transport::Udp);
    assert_eq!(sent(&mut table), [1]);
    table.handle_timeout(Instant::from_millis(500));
    table.give_up_within(id(1), Duration::from_secs(2), Instant::from_millis(600));
    assert!(sent(&mut table).is_empty(), "what was queued is taken back");
    let end = Some((Instant::from_millis(2_600), WakeReason::TransactionTimeout));
    assert_eq!(table.deadline(), end);
    table.give_up_within(id(1), Duration::from_secs(2), Instant::from_millis(1_000));
    assert_eq!(table.deadline(), end, "a second call does not prolong it");
    table.give_up_within(id(9), Duration::ZERO, Instant::from_millis(1_000));
    table.handle_timeout(Instant::from_millis(2_600));
    assert_eq!((table.take_expired(), table.is_empty()), (Some(1), true));

    let mut last = one(Transport::Udp);
    for millis in [500, 1500, 3500, 7500, 15_500, 31_500] {
        last.handle_timeout(Instant::from_millis(millis));
    }
    last.give_up_within(id(1), Duration::from_secs(2), Instant::from_millis(39_000));
    assert_eq!(last.deadline().map(|(at, _)| at), Some(Instant::from_millis(39_500)));
}

#[test]
fn a_request_that_is_given_up_soon_may_still_be_answered() {
    let mut table = one(Transport::Udp);
    sent(&mut table);
    table.give_up_within(id(1), Duration::from_secs(2), Instant::from_millis(100));
    assert_eq!(table.find(&path(Transport::Udp), id(1)), Ok(1));
    let completed = table.take(id(1), Instant::from_millis(2_000)).unwrap();
    assert_eq!((completed.rtt, table.deadline()), (Some(Duration::from_secs(2)), None));
}

#[test]
fn all_requests_may_be_cancelled_at_once() {
    let mut table = one(Transport::Udp);
    start(&mut table, 2, Transport::Udp, Instant::ZERO);
    table.cancel_all();
    assert!(table.is_empty() && sent(&mut table).is_empty() && table.deadline().is_none());
}
