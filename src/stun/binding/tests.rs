mod commands;

use alloc::vec::Vec;

use super::*;
use crate::auth::ShortTerm;
use crate::machine::DropReason;
use crate::net::Transport;
use crate::wire::attribute::{AttributeType, ErrorCode, MappedAddress, XorMappedAddress};
use crate::wire::{Class, IntegrityAlgorithm, Key, Message, MessageBuilder, Method};

const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";
const MAPPED: &str = "203.0.113.9:4242";

fn path() -> FiveTuple {
    FiveTuple::udp("10.0.0.1:5000".parse().unwrap(), "192.0.2.1:3478".parse().unwrap())
}

fn ms(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn start(config: BindingConfig) -> Binding {
    Binding::new(config, Entropy::from_seed([7; 32]), Instant::ZERO).unwrap()
}

fn signed(config: BindingConfig) -> BindingConfig {
    BindingConfig { credentials: ShortTerm::new(b"alice", PASSWORD).ok().map(Into::into), ..config }
}

/// Everything queued, as bytes.
fn sent(binding: &mut Binding) -> Vec<Vec<u8>> {
    core::iter::from_fn(|| binding.poll_transmit().map(|transmit| transmit.payload.to_vec())).collect()
}

fn events(binding: &mut Binding) -> Vec<BindingEvent> {
    core::iter::from_fn(|| binding.poll_event()).collect()
}

fn response(class: Class, id: TransactionId, fill: impl FnOnce(&mut MessageBuilder<'_>)) -> Vec<u8> {
    let mut buffer = [0; 512];
    let mut builder = MessageBuilder::new(&mut buffer, class, Method::BINDING, id).unwrap();
    fill(&mut builder);
    builder.finish().to_vec()
}

fn success(id: TransactionId, address: &str) -> Vec<u8> {
    response(Class::SuccessResponse, id, |builder| {
        builder.add(&XorMappedAddress(address.parse().unwrap())).unwrap();
    })
}

fn signed_success(id: TransactionId, algorithm: IntegrityAlgorithm) -> Vec<u8> {
    response(Class::SuccessResponse, id, |builder| {
        builder.add(&XorMappedAddress(MAPPED.parse().unwrap())).unwrap();
        let key = Key::short_term(PASSWORD);
        match algorithm {
            IntegrityAlgorithm::Sha1 => builder.sign(&key).unwrap(),
            IntegrityAlgorithm::Sha256 => builder.sign_sha256(&key).unwrap(),
        }
    })
}

fn error(id: TransactionId, code: u16) -> Vec<u8> {
    response(Class::ErrorResponse, id, |builder| builder.add(&ErrorCode { code, reason: b"" }).unwrap())
}

/// Delivers what `make` answers to the outstanding request.
fn answer(binding: &mut Binding, now: Instant, make: impl FnOnce(TransactionId) -> Vec<u8>) {
    let bytes = make(binding.outstanding().map(|(id, _)| id).next().unwrap());
    let _ = binding.handle_input(&Datagram::new(binding.config.path, &bytes), now);
}

/// Wakes at the deadline, to the nanosecond.
fn wake(binding: &mut Binding) -> Instant {
    let at = binding.poll_timeout().unwrap();
    binding.handle_timeout(at);
    at
}

fn failed(reason: FailureReason) -> [BindingEvent; 1] {
    [BindingEvent::Failed { reason }]
}

#[test]
fn silence_is_asked_seven_times_to_the_millisecond_and_fails_at_39_500() {
    let mut binding = start(BindingConfig::once(path()));
    let (mut sends, mut now) = (Vec::new(), Instant::ZERO);
    let first = sent(&mut binding);
    sends.push(now);
    while !binding.is_ended() {
        now = wake(&mut binding);
        for payload in sent(&mut binding) {
            assert_eq!(payload, first[0], "the same bytes under the same id");
            sends.push(now);
        }
    }
    assert_eq!(sends, [0, 500, 1500, 3500, 7500, 15_500, 31_500].map(ms));
    assert_eq!(now, ms(39_500));
    assert_eq!(events(&mut binding), failed(FailureReason::Timeout));
    assert_eq!(binding.poll_timeout(), None);
}

#[test]
fn a_stream_is_asked_once_and_fails_after_ti() {
    let mut binding = start(BindingConfig::once(FiveTuple { transport: Transport::Tcp, ..path() }));
    assert_eq!(sent(&mut binding).len(), 1);
    assert_eq!(binding.poll_timeout(), Some(ms(39_500)));
    assert_eq!(binding.wake_reason(), Some(WakeReason::TransactionTimeout));
    wake(&mut binding);
    assert!(sent(&mut binding).is_empty());
    assert_eq!(events(&mut binding), failed(FailureReason::Timeout));
}

#[test]
fn the_first_answer_maps_and_ends_a_binding_that_asks_once() {
    let mut binding = start(BindingConfig::once(path()));
    sent(&mut binding);
    answer(&mut binding, ms(30), |id| success(id, MAPPED));
    let (address, rtt) = (MAPPED.parse().unwrap(), Some(Duration::from_millis(30)));
    assert_eq!(events(&mut binding), [BindingEvent::Mapped { address, rtt }]);
    assert!(binding.is_ended());
    assert_eq!((binding.mapped_address(), binding.poll_timeout()), (Some(address), None));
}

#[test]
fn a_refresh_is_due_its_interval_after_the_request_to_the_nanosecond() {
    for (interval, config) in [
        (5_000, BindingConfig { refresh: Some(Duration::from_secs(5)), ..BindingConfig::new(path()) }),
        (25_000, BindingConfig::new(path())),
    ] {
        let mut binding = start(config);
        sent(&mut binding);
        answer(&mut binding, ms(40), |id| success(id, MAPPED));
        events(&mut binding);
        assert_eq!(
            (binding.poll_timeout(), binding.wake_reason()),
            (Some(ms(interval)), Some(WakeReason::Refresh))
        );
        binding.handle_timeout(ms(interval - 1));
        binding.handle_timeout(Instant::from_nanos(interval * 1_000_000 - 1));
        assert!(sent(&mut binding).is_empty(), "an early wake-up sends nothing");
        binding.handle_timeout(ms(interval));
        assert_eq!(sent(&mut binding).len(), 1);
        answer(&mut binding, ms(interval + 7), |id| success(id, MAPPED));
        let (address, rtt) = (MAPPED.parse().unwrap(), Some(Duration::from_millis(7)));
        assert_eq!(events(&mut binding), [BindingEvent::Refreshed { address, rtt }]);
    }
}

#[test]
fn an_answer_slower_than_the_interval_does_not_make_the_refresh_overdue() {
    let refresh = Some(Duration::from_secs(1));
    let mut binding = start(BindingConfig { refresh, ..BindingConfig::new(path()) });
    sent(&mut binding);
    answer(&mut binding, ms(1200), |id| success(id, MAPPED));
    events(&mut binding);
    assert_eq!(binding.poll_timeout(), Some(ms(2200)));
}

#[test]
fn a_refresh_in_flight_is_not_due_again() {
    let mut binding = start(BindingConfig::new(path()));
    sent(&mut binding);
    answer(&mut binding, ms(10), |id| success(id, MAPPED));
    events(&mut binding);
    assert_eq!(wake(&mut binding), ms(25_000));
    sent(&mut binding);
    assert_eq!(binding.poll_timeout(), Some(ms(25_500)));
    assert_eq!(binding.wake_reason(), Some(WakeReason::Retransmission));
}

#[test]
fn another_mapped_address_is_told_with_the_one_before() {
    let mut binding = start(BindingConfig::new(path()));
    answer(&mut binding, ms(10), |id| success(id, MAPPED));
    events(&mut binding);
    wake(&mut binding);
    answer(&mut binding, ms(25_010), |id| success(id, "198.51.100.1:1"));
    let (previous, address) = (MAPPED.parse().unwrap(), "198.51.100.1:1".parse().unwrap());
    let rtt = Some(Duration::from_millis(10));
    assert_eq!(events(&mut binding), [BindingEvent::AddressChanged { previous, address, rtt }]);
}

#[test]
fn a_retransmitted_request_has_no_round_trip() {
    let mut binding = start(BindingConfig::once(path()));
    sent(&mut binding);
    wake(&mut binding);
    sent(&mut binding);
    answer(&mut binding, ms(510), |id| success(id, MAPPED));
    assert_eq!(events(&mut binding), [BindingEvent::Mapped { address: MAPPED.parse().unwrap(), rtt: None }]);
}

#[test]
fn a_slow_path_is_given_more_time_by_the_next_request() {
    let mut binding = start(BindingConfig::new(path()));
    sent(&mut binding);
    answer(&mut binding, ms(400), |id| success(id, MAPPED));
    events(&mut binding);
    wake(&mut binding);
    sent(&mut binding);
    // SRTT 400 ms + 4 * 200 ms (RFC 6298 s2.2)
    assert_eq!(binding.poll_timeout(), Some(ms(25_000 + 1_200)));
}

#[test]
fn failures_that_may_pass_are_retried_ever_later_under_a_new_id() {
    let mut binding = start(BindingConfig::new(path()));
    let mut waits = Vec::new();
    for _ in 0..4 {
        let id = binding.outstanding().map(|(id, _)| id).next();
        while binding.outstanding().map(|(id, _)| id).next() == id {
            wake(&mut binding);
            sent(&mut binding);
        }
        let now = binding.now.get();
        let [BindingEvent::Retrying { reason: FailureReason::Timeout, at }] = events(&mut binding)[..] else {
            panic!("not retrying");
        };
        assert_eq!((binding.poll_timeout(), binding.wake_reason()), (Some(at), Some(WakeReason::Retry)));
        waits.push(at.saturating_since(now).as_millis());
        wake(&mut binding);
        assert_ne!(binding.outstanding().map(|(id, _)| id).next(), id);
    }
    for (wait, full) in waits.iter().zip([1000, 2000, 4000, 8000]) {
        assert!((full * 3 / 4..=full).contains(wait), "{waits:?}");
    }
}

#[test]
fn a_hard_send_error_fails_at_once_and_a_soft_one_changes_nothing() {
    let mut binding = start(BindingConfig::once(path()));
    let receipt = binding.poll_transmit().unwrap().receipt();
    binding.handle_send_error(&receipt, SendError::Transient, ms(1));
    assert_eq!((binding.poll_timeout(), events(&mut binding).len()), (Some(ms(500)), 0));
    let elsewhere =
        Receipt { path: FiveTuple { remote: "192.0.2.9:1".parse().unwrap(), ..path() }, ..receipt };
    binding.handle_send_error(&elsewhere, SendError::Refused, ms(2));
    assert!(!binding.is_ended());
    binding.handle_send_error(&receipt, SendError::Refused, ms(3));
    assert_eq!(events(&mut binding), failed(FailureReason::SendFailed { error: SendError::Refused }));
}

#[test]
fn a_hard_send_error_while_refreshing_is_retried() {
    let mut binding = start(BindingConfig::new(path()));
    let path_only = Receipt { path: path(), transaction_id: None };
    binding.handle_send_error(&path_only, SendError::NoRoute, ms(1));
    assert!(sent(&mut binding).is_empty(), "what was queued is taken back");
    let reason = FailureReason::SendFailed { error: SendError::NoRoute };
    assert!(
        matches!(events(&mut binding)[..], [BindingEvent::Retrying { reason: given, .. }] if given == reason)
    );
}

#[test]
fn seven_unsigned_errors_end_as_a_violated_integrity() {
    let mut binding = start(signed(BindingConfig::once(path())));
    let mut now = Instant::ZERO;
    while !binding.is_ended() {
        for payload in sent(&mut binding) {
            let id = Message::parse(&payload).unwrap().transaction_id();
            let _ = binding.handle_input(&Datagram::new(path(), &error(id, 400)), now);
        }
        now = wake(&mut binding);
    }
    assert_eq!(now, ms(39_500));
    let reason = FailureReason::IntegrityViolated { code: 400, count: 7 };
    assert_eq!(events(&mut binding), failed(reason));
    assert_eq!(alloc::format!("{reason}"), "integrity violated: saw 400 x7 unsigned");
    assert_eq!(binding.counters().dropped(DropReason::Unauthenticated), 7);
}

#[test]
fn an_unsigned_answer_on_a_stream_ends_at_once() {
    let tcp = FiveTuple { transport: Transport::Tcp, ..path() };
    let mut binding = start(signed(BindingConfig::once(tcp)));
    answer(&mut binding, ms(5), |id| error(id, 400));
    assert_eq!(events(&mut binding), failed(FailureReason::IntegrityViolated { code: 400, count: 1 }));
}

#[test]
fn a_forged_answer_does_not_close_the_transaction() {
    let mut binding = start(signed(BindingConfig::once(path())));
    for code in [300, 401, 420, 438, 500] {
        answer(&mut binding, ms(1), |id| error(id, code));
    }
    answer(&mut binding, ms(2), |id| success(id, "198.51.100.66:666"));
    assert!(events(&mut binding).is_empty());
    answer(&mut binding, ms(3), |id| signed_success(id, IntegrityAlgorithm::Sha256));
    assert!(matches!(events(&mut binding)[..], [BindingEvent::Mapped { .. }]));
    assert_eq!(binding.mapped_address(), MAPPED.parse().ok());
}

#[test]
fn after_the_first_signed_answer_only_its_algorithm_is_sent_and_accepted() {
    let (sha1, sha256) = (IntegrityAlgorithm::Sha1, IntegrityAlgorithm::Sha256);
    for (chosen, other) in [(sha256, sha1), (sha1, sha256)] {
        let mut binding = start(signed(BindingConfig::new(path())));
        let carries = |payload: &[u8], algorithm| Message::parse(payload).unwrap().has_integrity(algorithm);
        let first = sent(&mut binding).remove(0);
        assert!(carries(&first, sha1) && carries(&first, sha256));
        answer(&mut binding, ms(10), |id| signed_success(id, chosen));
        events(&mut binding);
        wake(&mut binding);
        let next = sent(&mut binding).remove(0);
        assert!(carries(&next, chosen) && !carries(&next, other));
        answer(&mut binding, ms(25_010), |id| signed_success(id, other));
        assert!(events(&mut binding).is_empty());
        answer(&mut binding, ms(25_020), |id| signed_success(id, chosen));
        assert!(matches!(events(&mut binding)[..], [BindingEvent::Refreshed { .. }]));
    }
}

#[test]
fn an_unknown_required_attribute_fails_and_names_itself() {
    let mut binding = start(BindingConfig::new(path()));
    let attribute = AttributeType::new(0x7FFE);
    answer(&mut binding, ms(1), |id| {
        response(Class::SuccessResponse, id, |builder| builder.add_raw(attribute, b"abcd").unwrap())
    });
    assert_eq!(events(&mut binding), failed(FailureReason::UnknownAttribute { attribute }));
}

#[test]
fn an_unusable_mapped_address_fails() {
    for address in ["0.0.0.0:4242", "203.0.113.9:0", "[::]:1"] {
        let mut binding = start(BindingConfig::once(path()));
        answer(&mut binding, ms(1), |id| success(id, address));
        assert_eq!(events(&mut binding), failed(FailureReason::NoMappedAddress));
    }
}

#[test]
fn mapped_address_is_taken_only_from_those_who_asked_for_the_legacy() {
    let legacy = |id| {
        response(Class::SuccessResponse, id, |builder| {
            builder.add(&MappedAddress(MAPPED.parse().unwrap())).unwrap();
        })
    };
    let mut strict = start(BindingConfig::once(path()));
    answer(&mut strict, ms(1), legacy);
    assert_eq!(events(&mut strict), failed(FailureReason::NoMappedAddress));
    let mut lenient = start(BindingConfig { accepts_mapped_address: true, ..BindingConfig::once(path()) });
    answer(&mut lenient, ms(1), legacy);
    assert!(matches!(events(&mut lenient)[..], [BindingEvent::Mapped { .. }]));
}

#[test]
fn a_server_error_is_worth_four_more_requests_to_a_binding_that_asks_once() {
    let mut binding = start(BindingConfig::once(path()));
    let mut requests = 0;
    while !binding.is_ended() {
        requests += sent(&mut binding).len();
        let now = binding.now.get();
        answer(&mut binding, now, |id| error(id, 500));
        if !binding.is_ended() {
            events(&mut binding);
            wake(&mut binding);
        }
    }
    assert_eq!(requests, 5);
    assert_eq!(events(&mut binding).last(), failed(FailureReason::ErrorResponse { code: 500 }).last());
}

#[test]
fn other_errors_are_final() {
    for (code, reason) in
        [(300, FailureReason::ErrorResponse { code: 300 }), (420, FailureReason::ErrorResponse { code: 420 })]
    {
        let mut binding = start(BindingConfig::new(path()));
        answer(&mut binding, ms(1), |id| error(id, code));
        assert_eq!(events(&mut binding), failed(reason));
    }
    let mut binding = start(BindingConfig::new(path()));
    answer(&mut binding, ms(1), |id| response(Class::ErrorResponse, id, |_| ()));
    assert_eq!(events(&mut binding), failed(FailureReason::MalformedError));
}

#[test]
fn the_ring_of_events_keeps_the_last_one() {
    let mut binding = start(BindingConfig::new(path()));
    for round in 0..20u64 {
        answer(&mut binding, ms(round * 25_000), |id| success(id, MAPPED));
        binding.handle_timeout(ms((round + 1) * 25_000));
    }
    answer(&mut binding, ms(600_000), |id| error(id, 400));
    assert_eq!(binding.dropped_events(), 21 - Binding::MAX_EVENTS as u32);
    let kept = events(&mut binding);
    assert_eq!(kept.len(), Binding::MAX_EVENTS);
    assert_eq!(kept.last(), failed(FailureReason::ErrorResponse { code: 400 }).last());
}

#[test]
fn strangers_repeats_and_other_methods_are_told_apart() {
    let mut binding = start(BindingConfig::once(path()));
    let id = binding.outstanding().map(|(id, _)| id).next().unwrap();
    let bytes = success(id, MAPPED);
    let elsewhere = FiveTuple { remote: "192.0.2.9:3478".parse().unwrap(), ..path() };
    assert_eq!(binding.handle_input(&Datagram::new(elsewhere, &bytes), ms(1)), Outcome::Consumed);
    assert_eq!(binding.counters().dropped(DropReason::WrongSource), 1);
    let unknown = success(TransactionId::new([9; 12]), MAPPED);
    assert_eq!(binding.handle_input(&Datagram::new(path(), &unknown), ms(1)), Outcome::Unclaimed);
    assert!(events(&mut binding).is_empty());
    assert_eq!(binding.handle_input(&Datagram::new(path(), &bytes), ms(2)), Outcome::Consumed);
    assert_eq!(binding.handle_input(&Datagram::new(path(), &bytes), ms(3)), Outcome::Unclaimed);
    assert_eq!(events(&mut binding).len(), 1);
}

#[test]
fn the_longest_username_fits_with_both_signatures_and_fingerprint() {
    let credentials = ShortTerm::new(&[b'u'; ShortTerm::MAX_USERNAME], PASSWORD).ok().map(Into::into);
    let mut binding = start(BindingConfig { credentials, ..BindingConfig::once(path()) });
    assert_eq!(sent(&mut binding)[0].len(), 20 + 4 + 508 + 24 + 36 + 8);
}

#[test]
fn a_response_with_a_broken_seal_is_dropped_and_the_true_one_wins() {
    let mut binding = start(BindingConfig::once(path()));
    let sealed = |id, address: &str| {
        response(Class::SuccessResponse, id, |builder| {
            builder.add(&XorMappedAddress(address.parse().unwrap())).unwrap();
            builder.add_fingerprint().unwrap();
        })
    };
    answer(&mut binding, ms(1), |id| {
        let mut broken = sealed(id, "198.51.100.66:666");
        *broken.last_mut().unwrap() ^= 1;
        broken
    });
    assert_eq!((events(&mut binding).len(), binding.counters().dropped(DropReason::BadFingerprint)), (0, 1));
    answer(&mut binding, ms(2), |id| sealed(id, MAPPED));
    let (address, rtt) = (MAPPED.parse().unwrap(), Some(Duration::from_millis(2)));
    assert_eq!(events(&mut binding), [BindingEvent::Mapped { address, rtt }]);
}

#[test]
fn an_unknown_required_attribute_counts_in_an_error_too() {
    let mut binding = start(BindingConfig::new(path()));
    let attribute = AttributeType::new(0x7FFE);
    answer(&mut binding, ms(1), |id| {
        response(Class::ErrorResponse, id, |builder| {
            builder.add(&ErrorCode { code: 500, reason: b"" }).unwrap();
            builder.add_raw(attribute, b"abcd").unwrap();
        })
    });
    assert_eq!(events(&mut binding), failed(FailureReason::UnknownAttribute { attribute }));
}

#[test]
fn a_success_lets_the_backoff_begin_anew() {
    let mut binding = start(BindingConfig::new(path()));
    for _ in 0..2 {
        let failed_at = binding.now.get();
        answer(&mut binding, failed_at, |id| error(id, 500));
        assert_eq!(binding.deadline().unwrap().1, WakeReason::Retry);
        let (due, _) = binding.deadline().unwrap();
        assert!(due.saturating_since(failed_at) <= Duration::from_secs(1));
        binding.handle_timeout(due);
        answer(&mut binding, due, |id| success(id, MAPPED));
        events(&mut binding);
        wake(&mut binding);
    }
}

#[test]
fn crowds_do_not_return_in_step() {
    let due = |seed| {
        let entropy = Entropy::from_seed([seed; 32]);
        let mut binding = Binding::new(BindingConfig::new(path()), entropy, Instant::ZERO).unwrap();
        answer(&mut binding, ms(1), |id| error(id, 500));
        binding.deadline().unwrap()
    };
    assert_ne!(due(1), due(2));
}

#[test]
fn unsigned_answers_count_against_their_own_request_only() {
    let mut binding = start(signed(BindingConfig::new(path())));
    answer(&mut binding, ms(1), |id| error(id, 401));
    for reason in [FailureReason::IntegrityViolated { code: 401, count: 1 }, FailureReason::Timeout] {
        while binding.outstanding().map(|(id, _)| id).next().is_some() {
            sent(&mut binding);
            wake(&mut binding);
        }
        let [BindingEvent::Retrying { reason: given, .. }] = events(&mut binding)[..] else {
            panic!("not retrying");
        };
        assert_eq!(given, reason);
        wake(&mut binding);
    }
}

#[test]
fn an_unsigned_answer_on_a_stream_that_is_kept_alive_makes_room_for_the_next_request() {
    let tcp = FiveTuple { transport: Transport::Tcp, ..path() };
    let mut binding = start(signed(BindingConfig::new(tcp)));
    sent(&mut binding);
    answer(&mut binding, ms(5), |id| error(id, 400));
    let reason = FailureReason::IntegrityViolated { code: 400, count: 1 };
    assert!(
        matches!(events(&mut binding)[..], [BindingEvent::Retrying { reason: given, .. }] if given == reason)
    );
    let now = wake(&mut binding);
    assert_eq!(sent(&mut binding).len(), 1);
    answer(&mut binding, now, |id| signed_success(id, IntegrityAlgorithm::Sha256));
    assert!(matches!(events(&mut binding)[..], [BindingEvent::Mapped { .. }]));
}

#[test]
fn a_path_slower_than_its_rto_is_asked_once_from_the_second_request_on() {
    let mut binding = start(BindingConfig::new(path()));
    let sends = [(); 5].map(|()| {
        let mut sends = sent(&mut binding).len();
        let answered = binding.now.get().deadline_after(Duration::from_millis(700)).unwrap();
        while binding.deadline().is_some_and(|(at, _)| at < answered) {
            wake(&mut binding);
            sends += sent(&mut binding).len();
        }
        answer(&mut binding, answered, |id| success(id, MAPPED));
        events(&mut binding);
        wake(&mut binding);
        sends
    });
    assert_eq!(sends, [2, 1, 1, 1, 1]);
}
