//! When an agent wakes its host, how many requests it has at one server, and what it does when the network changes.

#![allow(missing_docs)]
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::net::IpAddr;
use std::time::Duration;

use libstun::agent::{PowerProfile, ReconnectError, UnknownOperation};
use libstun::stun::binding::{ConfigError, FailureReason};
use libstun::stun::{BindingConfig, BindingEvent, RedirectPolicy};
use libstun::{
    Agent, AgentEvent, Entropy, Event, FiveTuple, Instant, Machine, OperationId, Receipt, SendError,
    Transport, WakeReason,
};
use support::{MAPPED, addr, asked, at, id_of, offer, success, transmits, udp};

const SECOND: Duration = Duration::from_secs(1);

fn agent() -> Agent {
    Agent::new(Entropy::from_seed([7; 32]), Instant::ZERO)
}

/// Answers everything that is queued.
fn answer(agent: &mut Agent, now: Instant) -> usize {
    let sent = transmits(agent);
    for (path, bytes) in &sent {
        assert!(offer(agent, *path, &success(id_of(bytes), MAPPED, None), now));
    }
    sent.len()
}

fn events(agent: &mut Agent) -> Vec<(OperationId, BindingEvent)> {
    let told = std::iter::from_fn(|| agent.poll_event());
    told.map(|AgentEvent { id, event, .. }| match event {
        Event::Binding(event) => (id, event),
        other => panic!("{other:?}"),
    })
    .collect()
}

/// Bindings to as many servers, started 100 ms apart; answered.
fn started(agent: &mut Agent, count: u64) -> Vec<OperationId> {
    let ids = (0..count)
        .map(|number| {
            let path = udp("10.0.0.1:5000", &format!("192.0.2.{}:3478", number + 1));
            let id = agent.start_binding(BindingConfig::new(path), at(number * 100)).unwrap();
            assert_eq!(answer(agent, at(number * 100)), 1);
            id
        })
        .collect();
    events(agent);
    ids
}

/// How often a host is woken until `end`, and how many datagrams it sends.
fn run(agent: &mut Agent, end: Instant) -> (u64, u64) {
    let (mut wake_ups, mut packets) = (0, 0);
    while let Some(now) = agent.poll_timeout().filter(|now| *now <= end) {
        agent.handle_timeout(now);
        wake_ups += 1;
        packets += answer(agent, now) as u64;
        events(agent);
    }
    (wake_ups, packets)
}

/// Case 59.
#[test]
fn ten_thousand_starts_have_ten_requests_at_a_server_and_go_on_one_by_one() {
    let mut agent = agent();
    for _ in 0..10_000 {
        agent.start_binding(BindingConfig::once(asked()), Instant::ZERO).unwrap();
    }
    let elsewhere = udp("10.0.0.1:5000", "192.0.2.2:3478");
    agent.start_binding(BindingConfig::once(elsewhere), Instant::ZERO).unwrap();
    let sent = transmits(&mut agent);
    assert_eq!(sent.iter().filter(|(path, _)| *path == asked()).count(), 10);
    assert_eq!(sent.len(), 11, "another server is another matter");

    // One answer makes room for one, and the next has to wait for Ta as well.
    for (path, bytes) in &sent[..2] {
        offer(&mut agent, *path, &success(id_of(bytes), MAPPED, None), at(7));
    }
    assert_eq!(transmits(&mut agent).len(), 1);
    events(&mut agent);
    assert_eq!((agent.poll_timeout(), agent.wake_reason()), (Some(at(57)), Some(WakeReason::Pacing)));
    agent.handle_timeout(at(56));
    assert_eq!(transmits(&mut agent).len(), 0);
    agent.handle_timeout(at(57));
    assert_eq!(transmits(&mut agent).len(), 1);
}

#[test]
fn whoever_waits_is_served_in_turn_and_the_cancelled_leave_the_queue() {
    let mut agent = agent();
    agent.set_pacing(Duration::from_millis(5));
    let ids: Vec<OperationId> =
        (0..40).map(|_| agent.start_binding(BindingConfig::once(asked()), Instant::ZERO).unwrap()).collect();
    for id in &ids[12..38] {
        agent.cancel(*id, Instant::ZERO).unwrap();
    }
    agent.cancel(ids[0], Instant::ZERO).unwrap(); // outstanding: makes room
    let mut served = Vec::new();
    let mut now = Instant::ZERO;
    while agent.operation_count() > 0 {
        answer(&mut agent, now);
        served.extend(events(&mut agent).into_iter().map(|(id, _)| id));
        match agent.poll_timeout() {
            Some(next) => now = next,
            None => break,
        }
        agent.handle_timeout(now);
    }
    served.sort_unstable();
    assert_eq!(served, [&ids[1..12], &ids[38..]].concat());
    assert_eq!(now, at(15), "four had to wait, the first of them for a place only");
}

#[test]
fn a_server_that_never_answers_holds_up_nobody_else_and_gives_its_places_back() {
    let mut agent = agent();
    (0..11).for_each(|_| {
        agent.start_binding(BindingConfig::once(asked()), Instant::ZERO).unwrap();
    });
    assert_eq!(transmits(&mut agent).len(), 10);
    while agent.poll_timeout().is_some_and(|next| next <= at(39_500)) {
        let next = agent.poll_timeout().unwrap();
        agent.handle_timeout(next);
        transmits(&mut agent);
        events(&mut agent);
    }
    assert_eq!(agent.operation_count(), 1);
    assert_eq!(agent.poll_timeout(), Some(at(40_000)), "the eleventh was sent when the ten were given up");
}

#[test]
fn a_slack_brings_keepalives_together_and_none_is_late() {
    let hour = at(3_600_000);
    let [exact, slack] = [PowerProfile::ACTIVE, PowerProfile::IDLE].map(|profile| {
        let mut agent = agent();
        agent.set_power(profile, Instant::ZERO);
        assert_eq!(agent.power(), profile);
        started(&mut agent, 50);
        run(&mut agent, hour)
    });
    // Due every 25 s: 144 times in the hour for the first, which was started with it, 143 times for the others.
    assert_eq!(exact, (144 + 49 * 143, 144 + 49 * 143), "a wake-up for each");
    assert_eq!(slack, (144, 144 * 50), "one wake-up for all");
    println!("wake-ups an hour: {} without, {} with a slack of 10 s", exact.0, slack.0);
}

#[test]
fn an_early_wake_up_sends_nothing_early() {
    let mut agent = agent();
    agent.set_power(PowerProfile::IDLE, Instant::ZERO);
    started(&mut agent, 3);
    assert_eq!(agent.poll_timeout(), Some(at(25_000)));
    agent.handle_timeout(at(24_999));
    assert_eq!((transmits(&mut agent).len(), agent.poll_timeout()), (0, Some(at(25_000))));
    agent.handle_timeout(at(25_000));
    assert_eq!(transmits(&mut agent).len(), 3);
}

#[test]
fn another_profile_takes_effect_at_once() {
    let mut agent = agent();
    let ids = started(&mut agent, 1);
    let once = agent.start_binding(BindingConfig::once(asked()), at(0)).unwrap();
    answer(&mut agent, at(0));
    events(&mut agent);
    assert!(!agent.contains(once));
    let slow = PowerProfile { refresh: Some(120 * SECOND), ..PowerProfile::IDLE };
    agent.set_power(slow, at(1000));
    assert_eq!(agent.poll_timeout(), Some(at(120_000)));
    agent.set_power(PowerProfile { refresh: Some(5 * SECOND), ..PowerProfile::ACTIVE }, at(10_000));
    assert!(agent.poll_timeout().is_some_and(|due| due <= at(10_000)), "overdue by the new interval");
    agent.handle_timeout(at(10_000));
    assert_eq!(answer(&mut agent, at(10_000)), 1);
    events(&mut agent);
    agent.set_power(PowerProfile::ACTIVE, at(11_000));
    assert_eq!(agent.poll_timeout(), Some(at(35_000)), "the configuration's own interval again");
    agent.set_refresh(ids[0], Some(60 * SECOND), at(12_000)).unwrap();
    assert_eq!(agent.poll_timeout(), Some(at(70_000)));
    assert_eq!(agent.set_refresh(once, None, at(12_000)), Err(UnknownOperation));
}

#[test]
fn bindings_restart_on_the_new_network_and_end_where_there_is_none() {
    let mut agent = agent();
    let start = |agent: &mut Agent, local, remote| {
        agent.start_binding(BindingConfig::new(udp(local, remote)), Instant::ZERO).unwrap()
    };
    let stays = start(&mut agent, "10.0.0.1:5000", "192.0.2.1:3478");
    let moves = start(&mut agent, "10.9.9.9:5000", "192.0.2.1:3478");
    let anywhere = start(&mut agent, "0.0.0.0:5001", "192.0.2.1:3478");
    let ends = start(&mut agent, "[2001:db8::9]:5000", "[2001:db8::1]:3478");
    assert_eq!(answer(&mut agent, at(20)), 4);
    events(&mut agent);
    let now: [IpAddr; 1] = ["10.0.0.1".parse().unwrap()];
    agent.network_changed(&now, at(1000));
    let mut told = events(&mut agent);
    told.sort_by_key(|(id, _)| *id);
    let restarted =
        |previous, local| BindingEvent::Restarted { previous: addr(previous), local: addr(local) };
    let expected = [
        (moves, restarted("10.9.9.9:5000", "10.0.0.1:5000")),
        (anywhere, restarted("0.0.0.0:5001", "0.0.0.0:5001")),
        (ends, BindingEvent::Failed { reason: FailureReason::NetworkChanged }),
    ];
    let mut expected = expected.to_vec();
    expected.sort_by_key(|(id, _)| *id);
    assert_eq!(told, expected);
    assert!(agent.contains(stays) && !agent.contains(ends));
    let mut paths: Vec<FiveTuple> = transmits(&mut agent).into_iter().map(|(path, _)| path).collect();
    paths.sort_by_key(|path| path.local);
    assert_eq!(paths, [udp("0.0.0.0:5001", "192.0.2.1:3478"), asked()]);
}

#[test]
fn a_lost_connection_is_asked_for_and_the_binding_goes_on_there() {
    let mut agent = agent();
    let path = FiveTuple { transport: Transport::Tcp, ..asked() };
    let id = agent.start_binding(BindingConfig::new(path), Instant::ZERO).unwrap();
    answer(&mut agent, at(10));
    events(&mut agent);
    agent.handle_send_error(&Receipt { path, transaction_id: None }, SendError::SocketClosed, at(2000));
    let told = events(&mut agent);
    assert!(matches!(told[..], [(told, BindingEvent::Retrying { .. })] if told == id), "{told:?}");
    let due = agent.poll_timeout().unwrap();
    agent.handle_timeout(due);
    assert_eq!(events(&mut agent), [(id, BindingEvent::Reconnect { path })]);
    assert_eq!((agent.poll_timeout(), transmits(&mut agent).len()), (None, 0));
    let fresh = FiveTuple { local: addr("10.0.0.1:5001"), ..path };
    let nowhere = FiveTuple { remote: addr("192.0.2.1:0"), ..fresh };
    let refused = Err(ReconnectError::Config(ConfigError::ServerAddress));
    assert_eq!(agent.reconnected(id, nowhere, due), refused);
    assert_eq!(agent.reconnected(id, fresh, due), Ok(()));
    assert_eq!(answer(&mut agent, due), 1);
    assert!(matches!(events(&mut agent)[..], [(_, BindingEvent::Refreshed { .. })]));
    assert_eq!(agent.binding(id).unwrap().path(), &fresh);
    agent.cancel(id, due).unwrap();
    assert_eq!(agent.reconnected(id, fresh, due), Err(ReconnectError::UnknownOperation));
}

#[test]
fn the_host_is_asked_before_a_binding_follows_a_redirection() {
    use libstun::wire::attribute::{AlternateServer, ErrorCode};
    use libstun::wire::{Class, Method};
    for accept in [true, false] {
        let mut agent = agent();
        let config = BindingConfig { redirects: RedirectPolicy::Ask, ..BindingConfig::once(asked()) };
        let id = agent.start_binding(config, Instant::ZERO).unwrap();
        let request = transmits(&mut agent).remove(0).1;
        let response = support::message(Class::ErrorResponse, Method::BINDING, id_of(&request), |message| {
            message.add(&ErrorCode { code: 300, reason: b"" }).unwrap();
            message.add(&AlternateServer(addr("192.0.2.77:3479"))).unwrap();
        });
        offer(&mut agent, asked(), &response, at(5));
        let (from, server) = (addr("192.0.2.1:3478"), addr("192.0.2.77:3479"));
        assert_eq!(
            events(&mut agent),
            [(id, BindingEvent::Redirected { from, server, awaits_answer: true })]
        );
        assert_eq!((agent.poll_timeout(), transmits(&mut agent).len()), (None, 0));
        agent.answer_redirect(id, accept, at(6)).unwrap();
        let sent = transmits(&mut agent);
        assert_eq!(
            sent.iter().map(|(path, _)| path.remote).collect::<Vec<_>>(),
            [server][..usize::from(accept)]
        );
        assert_eq!(events(&mut agent).len(), usize::from(!accept));
    }
}

#[test]
fn a_binding_that_starts_later_keeps_to_the_profile_in_force() {
    let mut agent = agent();
    agent.set_power(PowerProfile { refresh: Some(120 * SECOND), ..PowerProfile::ACTIVE }, Instant::ZERO);
    started(&mut agent, 1);
    assert_eq!(agent.poll_timeout(), Some(at(120_000)));
    agent.set_power(PowerProfile::ACTIVE, at(1000));
    assert_eq!(agent.poll_timeout(), Some(at(25_000)), "its own interval is not forgotten");
    agent.set_power(PowerProfile { refresh: Some(120 * SECOND), ..PowerProfile::ACTIVE }, at(2000));
    agent.start_binding(BindingConfig::once(udp("10.0.0.1:5000", "192.0.2.9:3478")), at(2000)).unwrap();
    answer(&mut agent, at(2000));
    assert!(matches!(events(&mut agent)[..], [(_, BindingEvent::Mapped { .. })]));
    assert_eq!(agent.operation_count(), 1, "what asks once still asks once");
}

#[test]
fn a_survey_and_a_probe_end_when_their_network_has_gone() {
    use libstun::nat::{ProbeConfig, ProbeEvent, Reason};
    use libstun::stun::survey::{SurveyConfig, SurveyEvent, SurveyTarget};
    let target = |local: &str, server: &str| SurveyTarget::new(udp(local, server));
    let all = [
        target("10.0.0.1:5000", "192.0.2.1:3478"),
        target("10.9.9.9:5000", "192.0.2.1:3478"),
        target("0.0.0.0:5000", "192.0.2.2:3478"),
        target("10.9.9.9:5000", "192.0.2.2:3478"),
    ];
    let probe = |local: &str| ProbeConfig::new(addr(local), addr("192.0.2.7:3478"));
    for race in [false, true] {
        let mut agent = agent();
        let config = if race { SurveyConfig::race(all.to_vec()) } else { SurveyConfig::all(all.to_vec()) };
        let survey = agent.start_survey(config, Instant::ZERO).unwrap();
        let [stays, ends] = ["10.0.0.1:6000", "10.9.9.9:6000"]
            .map(|local| agent.start_nat_probe(probe(local), Instant::ZERO).unwrap());
        transmits(&mut agent);
        agent.network_changed(&["10.0.0.1".parse().unwrap()], at(100));
        let told: Vec<AgentEvent> = std::iter::from_fn(|| agent.poll_event()).collect();
        let failed: Vec<usize> = told
            .iter()
            .filter_map(|told| match told.event {
                Event::Survey(SurveyEvent::Failed {
                    target, reason: FailureReason::NetworkChanged, ..
                }) => Some(target),
                _ => None,
            })
            .collect();
        assert_eq!(failed, [1, 2, 3]);
        let of_probe = told.iter().find(|told| told.id == ends && told.is_last).unwrap();
        let Event::NatProbe(ProbeEvent::Finished(report)) = &of_probe.event else { panic!("{of_probe:?}") };
        assert_eq!(report.mapping.reason(), Some(Reason::NetworkChanged));
        assert!(agent.contains(stays) && agent.contains(survey));
        assert!(told.iter().all(|told| told.id == ends || told.id == survey));
        assert_eq!(transmits(&mut agent).len(), 0, "nobody is asked from an address that is gone");
        agent.network_changed(&[], at(200));
        let told: Vec<AgentEvent> = std::iter::from_fn(|| agent.poll_event()).collect();
        assert!(
            matches!(
                told.iter().find(|told| told.id == survey && told.is_last).unwrap().event,
                Event::Survey(SurveyEvent::Finished { answered: 0, failed: 4, unanswered: 0, .. })
            ),
            "{told:?}"
        );
        assert_eq!((agent.operation_count(), agent.poll_timeout()), (0, None));
    }
}

#[test]
fn what_is_known_of_a_server_outlasts_redirections_to_it() {
    let far = udp("10.0.0.1:5000", "192.0.2.77:3479");
    let first_wait = |redirects: bool| {
        let mut agent = agent();
        agent.start_binding(BindingConfig::once(far), Instant::ZERO).unwrap();
        let request = transmits(&mut agent).remove(0).1;
        offer(&mut agent, far, &success(id_of(&request), MAPPED, None), at(400));
        if redirects {
            let id = agent.start_binding(BindingConfig::once(asked()), at(400)).unwrap();
            let request = transmits(&mut agent).remove(0).1;
            let response = support::message(
                libstun::wire::Class::ErrorResponse,
                libstun::wire::Method::BINDING,
                id_of(&request),
                |message| {
                    use libstun::wire::attribute::{AlternateServer, ErrorCode};
                    message.add(&ErrorCode { code: 300, reason: b"" }).unwrap();
                    message.add(&AlternateServer(far.remote)).unwrap();
                },
            );
            offer(&mut agent, asked(), &response, at(400));
            agent.cancel(id, at(400)).unwrap();
        }
        events(&mut agent);
        agent.start_binding(BindingConfig::once(far), at(400)).unwrap();
        transmits(&mut agent);
        agent.poll_timeout()
    };
    assert_eq!(first_wait(false), Some(at(1600)), "400 + 4 x 200 ms (RFC 6298 s2.2)");
    assert_eq!(first_wait(true), Some(at(1600)));
}

#[test]
fn the_signed_retry_of_a_challenge_does_not_wait_behind_those_that_have_not_asked_yet() {
    let mut agent = agent();
    let config = BindingConfig { credentials: Some(support::long_term()), ..BindingConfig::once(asked()) };
    let ids: Vec<OperationId> =
        (0..30).map(|_| agent.start_binding(config.clone(), Instant::ZERO).unwrap()).collect();
    let first = transmits(&mut agent);
    assert_eq!(first.len(), 10);
    for (path, bytes) in &first {
        let challenge = support::challenge(id_of(bytes), 401, b"example.test", b"nonce");
        assert!(offer(&mut agent, *path, &challenge, at(10)));
    }
    let retries = transmits(&mut agent);
    assert_eq!(retries.len(), 10, "each takes the place of the request that it retries, and no more");
    assert!(retries.iter().all(|(_, bytes)| bytes.len() > 100), "all of them are signed");
    agent.cancel(ids[0], at(20)).unwrap();
    assert_eq!(transmits(&mut agent).iter().map(|(_, bytes)| bytes.len()).collect::<Vec<_>>(), [28]);
}

/// An unsigned 438 leaves its request outstanding (RFC 8489 s9.2.5 is obeyed by nobody who may be lied to): were its retry to
/// wait for a place, ten such requests would hold all places until they are given up.
#[test]
fn ten_requests_whose_nonce_is_stale_do_not_keep_their_own_retries_waiting() {
    let mut agent = agent();
    let key = libstun::wire::Key::from_bytes(&support::long_term_key());
    let config = BindingConfig { credentials: Some(support::long_term()), ..BindingConfig::new(asked()) };
    (0..10).for_each(|_| _ = agent.start_binding(config.clone(), Instant::ZERO).unwrap());
    let answer = |agent: &mut Agent, now: Instant, how: &dyn Fn(&[u8]) -> Vec<u8>| {
        let asked = transmits(agent);
        for (path, bytes) in &asked {
            assert!(offer(agent, *path, &how(bytes), now));
        }
        asked.len()
    };
    let challenge = |code, nonce: &'static [u8]| {
        move |bytes: &[u8]| support::challenge(id_of(bytes), code, support::REALM, nonce)
    };
    let success = |bytes: &[u8]| {
        support::message(
            libstun::wire::Class::SuccessResponse,
            libstun::wire::Method::BINDING,
            id_of(bytes),
            |message| {
                let mapped = support::addr(support::MAPPED);
                message.add(&libstun::wire::attribute::XorMappedAddress(mapped)).unwrap();
                message.sign_sha256(&key).unwrap();
            },
        )
    };
    assert_eq!(answer(&mut agent, at(10), &challenge(401, b"obMatJos2gAAA-first")), 10);
    assert_eq!(answer(&mut agent, at(20), &success), 10);
    events(&mut agent);
    let due = agent.poll_timeout().unwrap();
    agent.handle_timeout(due.saturating_add(Duration::from_millis(100)));
    let now = due.saturating_add(Duration::from_millis(110));
    assert_eq!(answer(&mut agent, now, &challenge(438, b"obMatJos2gAAA-second")), 10);
    assert_eq!(answer(&mut agent, now, &success), 10, "all retries, at once");
    assert!(transmits(&mut agent).is_empty());
}
