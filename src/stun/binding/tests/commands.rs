//! What a host and an agent command: grants, refreshes, networks and connections.

use super::*;
use crate::auth::LongTerm;
use crate::wire::attribute::{AlternateServer, Nonce, Realm};

fn gated(config: BindingConfig) -> Binding {
    Binding::start_gated(config, Entropy::from_seed([7; 32]), None, Instant::ZERO).unwrap()
}

fn stream() -> FiveTuple {
    FiveTuple { transport: Transport::Tcp, ..path() }
}

/// A binding that has its mapped address, and was asked about it at 0.
fn mapped(config: BindingConfig) -> Binding {
    let mut binding = start(config);
    sent(&mut binding);
    answer(&mut binding, ms(10), |id| success(id, MAPPED));
    events(&mut binding);
    binding
}

fn challenge(id: TransactionId) -> Vec<u8> {
    response(Class::ErrorResponse, id, |builder| {
        builder.add(&ErrorCode { code: 401, reason: b"" }).unwrap();
        builder.add(&Realm(b"r")).unwrap();
        builder.add(&Nonce(b"n")).unwrap();
    })
}

fn ips(texts: &[&str]) -> Vec<core::net::IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn a_gated_binding_wishes_for_each_new_request_and_sends_none_before_it_is_granted() {
    let credentials = LongTerm::new("u", "p").ok().map(Into::into);
    let mut binding = gated(BindingConfig { credentials, ..BindingConfig::new(path()) });
    let wishes = |binding: &mut Binding, now: u64| {
        assert_eq!((binding.wish(), binding.poll_timeout()), (Some(path().remote), None));
        binding.handle_timeout(ms(now + 5));
        assert!(sent(binding).is_empty() && binding.outstanding().count() == 0);
        binding.grant(ms(now + 10));
        assert_eq!((sent(binding).len(), binding.wish()), (1, None));
        binding.grant(ms(now + 10));
        assert!(sent(binding).is_empty(), "one grant, one request");
    };
    wishes(&mut binding, 0);
    assert_eq!(binding.poll_timeout(), Some(ms(510)), "retransmissions need no grant");
    answer(&mut binding, ms(20), challenge);
    wishes(&mut binding, 20);
    answer(&mut binding, ms(40), |id| {
        response(Class::SuccessResponse, id, |builder| {
            builder.add(&XorMappedAddress(MAPPED.parse().unwrap())).unwrap();
            builder.sign(&Key::long_term_md5(b"u", b"r", b"p")).unwrap();
        })
    });
    events(&mut binding);
    assert_eq!((binding.wish(), binding.poll_timeout()), (None, Some(ms(25_030))));
    binding.handle_timeout(ms(25_030));
    wishes(&mut binding, 25_030);
}

#[test]
fn a_wish_ends_with_the_request_that_it_was_to_replace() {
    let credentials = LongTerm::new("u", "p").ok().map(Into::into);
    let mut binding = gated(BindingConfig { credentials, ..BindingConfig::new(path()) });
    let success = |id| {
        response(Class::SuccessResponse, id, |builder| {
            builder.add(&XorMappedAddress(MAPPED.parse().unwrap())).unwrap();
            builder.sign(&Key::long_term_md5(b"u", b"r", b"p")).unwrap();
        })
    };
    binding.grant(ms(0));
    answer(&mut binding, ms(1), challenge);
    binding.grant(ms(1));
    answer(&mut binding, ms(2), success);
    events(&mut binding);
    wake(&mut binding);
    binding.grant(ms(25_001));
    sent(&mut binding);
    answer(&mut binding, ms(25_010), |id| {
        response(Class::ErrorResponse, id, |builder| {
            builder.add(&ErrorCode { code: 438, reason: b"" }).unwrap();
            builder.add(&Realm(b"r")).unwrap();
            builder.add(&Nonce(b"forged")).unwrap();
        })
    });
    assert!(binding.wish().is_some());
    assert!(binding.poll_timeout().is_some(), "the original is still outstanding");
    answer(&mut binding, ms(25_020), success);
    assert_eq!(binding.wish(), None);
    assert!(matches!(events(&mut binding)[..], [BindingEvent::Refreshed { .. }]));
}

#[test]
fn granted_at_once_a_gated_binding_is_like_any_other() {
    let run =
        |mut binding: Binding| {
            let mut log = Vec::new();
            for round in 0..200 {
                binding.grant(binding.now.get());
                log.extend(sent(&mut binding).iter().map(|bytes| alloc::format!("{bytes:?}")));
                if round % 3 == 1 && binding.outstanding().next().is_some() {
                    let now = binding.now.get();
                    answer(&mut binding, now, |id| {
                        if round % 2 == 0 { error(id, 500) } else { success(id, MAPPED) }
                    });
                }
                log.extend(events(&mut binding).iter().map(|event| alloc::format!("{event:?}")));
                let at = wake(&mut binding);
                log.push(alloc::format!("{at:?}"));
            }
            log
        };
    assert_eq!(run(gated(BindingConfig::new(path()))), run(start(BindingConfig::new(path()))));
}

#[test]
fn a_refresh_may_be_early_and_another_try_may_not() {
    let mut binding = mapped(BindingConfig::new(path()));
    assert!(!binding.refresh_early(ms(24_999), ms(20_000)));
    assert!(sent(&mut binding).is_empty());
    assert!(binding.refresh_early(ms(25_000), ms(20_000)));
    assert_eq!(sent(&mut binding).len(), 1);
    assert!(!binding.refresh_early(Instant::MAX, ms(20_000)), "it is under way");
    answer(&mut binding, ms(20_010), |id| error(id, 500));
    assert!(!binding.refresh_early(Instant::MAX, ms(20_020)));
    assert_eq!(sent(&mut binding).len(), 0);
}

#[test]
fn another_interval_counts_at_once_and_from_the_last_request() {
    let mut binding = mapped(BindingConfig::new(path()));
    binding.set_refresh(Some(Duration::from_secs(60)), ms(1_000));
    assert_eq!(binding.poll_timeout(), Some(ms(60_000)));
    binding.set_refresh(Some(Duration::ZERO), ms(1_000));
    assert_eq!((binding.poll_timeout(), binding.wake_reason()), (Some(ms(1_000)), Some(WakeReason::Refresh)));
    wake(&mut binding);
    assert_eq!(sent(&mut binding).len(), 1);
    answer(&mut binding, ms(1_010), |id| success(id, MAPPED));
    events(&mut binding);
    assert_eq!(binding.poll_timeout(), Some(ms(2_000)), "and for the requests after");
}

#[test]
fn without_an_interval_a_binding_stays_and_sleeps_until_it_has_one() {
    let mut binding = mapped(BindingConfig::new(path()));
    binding.set_refresh(None, ms(1_000));
    assert_eq!((binding.poll_timeout(), binding.wake_reason(), binding.is_ended()), (None, None, false));
    binding.handle_timeout(ms(1_000_000));
    assert!(sent(&mut binding).is_empty());
    binding.set_refresh(Some(Duration::from_secs(25)), ms(1_000_000));
    wake(&mut binding);
    sent(&mut binding);
    binding.set_refresh(None, ms(1_000_000));
    answer(&mut binding, ms(1_000_010), |id| success(id, MAPPED));
    assert!(matches!(events(&mut binding)[..], [BindingEvent::Refreshed { .. }]));
    assert_eq!((binding.poll_timeout(), binding.is_ended()), (None, false));
}

#[test]
fn a_binding_that_asks_once_is_kept_once_it_is_given_an_interval() {
    let mut binding = start(BindingConfig::once(path()));
    sent(&mut binding);
    binding.set_refresh(Some(Duration::from_secs(25)), ms(1));
    answer(&mut binding, ms(10), |id| success(id, MAPPED));
    assert!(matches!(events(&mut binding)[..], [BindingEvent::Mapped { .. }]));
    assert_eq!((binding.poll_timeout(), binding.is_ended()), (Some(ms(25_000)), false));
    wake(&mut binding);
    sent(&mut binding);
    binding.set_refresh(None, ms(25_000));
    answer(&mut binding, ms(25_010), |id| success(id, MAPPED));
    assert_eq!((binding.deadline(), binding.is_ended()), (None, false));
}

#[test]
fn an_address_that_is_still_there_is_no_reason_to_do_anything() {
    let mut binding = mapped(BindingConfig::new(path()));
    binding.network_changed(&ips(&["192.0.2.77", "10.0.0.1"]), ms(100));
    assert_eq!((binding.poll_timeout(), events(&mut binding).len()), (Some(ms(25_000)), 0));
}

#[test]
fn a_binding_whose_address_has_gone_moves_and_knows_nothing_any_more() {
    let mut binding = mapped(BindingConfig::new(path()));
    binding.network_changed(&ips(&["2001:db8::5", "10.9.9.9", "10.8.8.8"]), ms(100));
    let (previous, local) = (path().local, "10.9.9.9:5000".parse().unwrap());
    assert_eq!(events(&mut binding), [BindingEvent::Restarted { previous, local }]);
    assert_eq!((binding.mapped_address(), binding.path().local), (None, local));
    assert_eq!(binding.poll_transmit().map(|transmit| transmit.path.local), Some(local));
    answer(&mut binding, ms(110), |id| success(id, MAPPED));
    assert!(matches!(events(&mut binding)[..], [BindingEvent::Mapped { .. }]));
}

#[test]
fn failures_on_the_old_network_do_not_delay_those_on_the_new_one() {
    let mut binding = start(BindingConfig::new(path()));
    for _ in 0..4 {
        sent(&mut binding);
        let now = binding.now.get();
        answer(&mut binding, now, |id| error(id, 500));
        events(&mut binding);
        wake(&mut binding);
    }
    let now = binding.now.get();
    binding.network_changed(&ips(&["10.9.9.9"]), now);
    sent(&mut binding);
    answer(&mut binding, now, |id| error(id, 500));
    let (due, _) = binding.deadline().unwrap();
    assert!(due.saturating_since(now) <= Duration::from_secs(1));
}

#[test]
fn a_binding_whose_family_has_gone_fails_with_that_reason() {
    for addresses in [&[][..], &["2001:db8::5"]] {
        let mut binding = mapped(BindingConfig::new(path()));
        binding.network_changed(&ips(addresses), ms(100));
        assert_eq!(events(&mut binding), failed(FailureReason::NetworkChanged));
        assert_eq!((binding.poll_timeout(), binding.is_ended()), (None, true));
        binding.network_changed(&ips(&["10.0.0.7"]), ms(200));
        assert!(events(&mut binding).is_empty(), "and that was the end");
    }
}

#[test]
fn a_binding_on_an_unspecified_address_asks_again_at_once() {
    let anywhere = FiveTuple { local: "0.0.0.0:5000".parse().unwrap(), ..path() };
    let mut binding = start(BindingConfig::new(anywhere));
    let old = Message::parse(&sent(&mut binding)[0]).unwrap().transaction_id();
    binding.network_changed(&ips(&["10.9.9.9"]), ms(100));
    let local = anywhere.local;
    assert_eq!(events(&mut binding), [BindingEvent::Restarted { previous: local, local }]);
    assert_eq!(sent(&mut binding).len(), 1);
    let late = success(old, MAPPED);
    assert_eq!(binding.handle_input(&Datagram::new(anywhere, &late), ms(110)), Outcome::Unclaimed);
}

#[test]
fn a_lost_connection_is_asked_for_after_the_backoff_and_the_binding_goes_on_along_it() {
    let lost: [fn(&mut Binding); 3] = [
        |binding| {
            let idle = Receipt { path: stream(), transaction_id: None };
            binding.handle_send_error(&idle, SendError::SocketClosed, ms(100));
        },
        |binding| {
            wake(binding);
            let receipt = binding.poll_transmit().unwrap().receipt();
            binding.handle_send_error(&receipt, SendError::Refused, ms(25_000));
        },
        |binding| {
            wake(binding); // the refresh
            sent(binding);
            wake(binding); // Ti
        },
    ];
    for lose in lost {
        let mut binding = mapped(BindingConfig::new(stream()));
        lose(&mut binding);
        let [BindingEvent::Retrying { at, .. }] = events(&mut binding)[..] else { panic!("not retrying") };
        assert_eq!((binding.poll_timeout(), sent(&mut binding).len()), (Some(at), 0));
        binding.handle_timeout(at);
        assert_eq!(events(&mut binding), [BindingEvent::Reconnect { path: stream() }]);
        assert_eq!((binding.poll_timeout(), sent(&mut binding).len()), (None, 0));
        let fresh = FiveTuple { local: "10.0.0.1:5001".parse().unwrap(), ..stream() };
        assert_eq!(
            binding.reconnected(FiveTuple { remote: "192.0.2.1:0".parse().unwrap(), ..fresh }, at),
            Err(ConfigError::ServerAddress)
        );
        assert_eq!((binding.poll_timeout(), binding.path().local), (None, path().local));
        binding.reconnected(fresh, at).unwrap();
        assert_eq!(binding.poll_transmit().map(|transmit| transmit.path), Some(fresh));
        answer(&mut binding, at, |id| success(id, MAPPED));
        assert!(matches!(events(&mut binding)[..], [BindingEvent::Refreshed { .. }]));
        assert_eq!(binding.wake_reason(), Some(WakeReason::Refresh));
        wake(&mut binding);
        assert_eq!((sent(&mut binding).len(), events(&mut binding).len()), (1, 0), "and stays there");
    }
}

#[test]
fn an_error_of_another_path_or_datagram_loses_no_idle_connection() {
    let mut binding = mapped(BindingConfig::new(stream()));
    for (path, transaction_id, error) in [
        (path(), None, SendError::SocketClosed),
        (stream(), Some(TransactionId::new([9; 12])), SendError::SocketClosed),
        (stream(), None, SendError::Transient),
        (stream(), None, SendError::MessageTooLarge),
    ] {
        binding.handle_send_error(&Receipt { path, transaction_id }, error, ms(100));
        assert_eq!((events(&mut binding).len(), binding.poll_timeout()), (0, Some(ms(25_000))));
    }
}

#[test]
fn over_a_stream_a_redirection_and_a_changed_network_ask_for_a_connection() {
    let mut binding = start(BindingConfig::new(stream()));
    sent(&mut binding);
    answer(&mut binding, ms(10), |id| {
        response(Class::ErrorResponse, id, |builder| {
            builder.add(&ErrorCode { code: 300, reason: b"" }).unwrap();
            builder.add(&AlternateServer("192.0.2.2:3478".parse().unwrap())).unwrap();
        })
    });
    let redirected = FiveTuple { remote: "192.0.2.2:3478".parse().unwrap(), ..stream() };
    assert!(
        matches!(events(&mut binding)[..], [BindingEvent::Redirected { .. }, BindingEvent::Reconnect { path }] if path == redirected)
    );
    assert_eq!((sent(&mut binding).len(), binding.poll_timeout()), (0, None));
    binding.reconnected(redirected, ms(20)).unwrap();
    sent(&mut binding);
    binding.network_changed(&ips(&["10.9.9.9"]), ms(30));
    let moved = FiveTuple { local: "10.9.9.9:5000".parse().unwrap(), ..redirected };
    assert!(
        matches!(events(&mut binding)[..], [BindingEvent::Restarted { .. }, BindingEvent::Reconnect { path }] if path == moved)
    );
    assert_eq!((sent(&mut binding).len(), binding.poll_timeout()), (0, None));
}

#[test]
fn what_is_told_of_redirects_and_networks_can_be_read() {
    use std::string::ToString;
    let (from, server) = (path().remote, "192.0.2.2:3478".parse().unwrap());
    for (event, text) in [
        (
            BindingEvent::Redirected { from, server, awaits_answer: false },
            "192.0.2.1:3478 redirects to 192.0.2.2:3478",
        ),
        (
            BindingEvent::Restarted { previous: path().local, local: server },
            "the network has changed; asking from 192.0.2.2:3478, no longer 10.0.0.1:5000",
        ),
        (BindingEvent::Reconnect { path: stream() }, "the connection to 192.0.2.1:3478 is needed anew"),
        (BindingEvent::Failed { reason: FailureReason::NetworkChanged }, "the local address has gone"),
    ] {
        assert_eq!(event.to_string(), text);
    }
}
