//! Many servers at once and races: whole exchanges, as a host sees them.

#![allow(missing_docs)]
#![allow(clippy::arithmetic_side_effects, clippy::expect_used, clippy::indexing_slicing)]
#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use libstun::agent::StartError;
use libstun::auth::ShortTerm;
use libstun::stun::binding::{ConfigError, FailureReason};
use libstun::stun::survey::{ObservedMapping, ServersDiffer, SurveyError, SurveyTarget};
use libstun::stun::{RedirectPolicy, ServerSurvey, SurveyConfig, SurveyEvent};
use libstun::wire::Key;
use libstun::{
    Agent, DropReason, Entropy, Event, FiveTuple, Instant, Machine, Receipt, SendError, Transport, WakeReason,
};
use support::{
    MAPPED, PASSWORD, USER, addr, asked, at, error, events, id_of, offer, success, transmits, udp,
};

/// A survey of servers 192.0.2.1 to 192.0.2.`count` from one socket.
fn servers(count: u8) -> Vec<SurveyTarget> {
    (1..=count).map(|host| target(&format!("192.0.2.{host}:3478"))).collect()
}

fn target(server: &str) -> SurveyTarget {
    SurveyTarget::new(FiveTuple { remote: addr(server), ..asked() })
}

fn pair() -> Vec<SurveyTarget> {
    let six = udp("[2001:db8::7]:5000", "[2001:db8::1]:3478");
    vec![SurveyTarget::new(six), SurveyTarget { path: asked(), socket_id: 4 }]
}

fn start(config: SurveyConfig) -> ServerSurvey {
    ServerSurvey::new(config, Entropy::from_seed([7; 32]), Instant::ZERO).unwrap()
}

/// Who was asked by what is queued now.
fn sent(survey: &mut ServerSurvey) -> Vec<(FiveTuple, Vec<u8>)> {
    transmits(survey)
}

fn remotes(sent: &[(FiveTuple, Vec<u8>)]) -> Vec<SocketAddr> {
    sent.iter().map(|(path, _)| path.remote).collect()
}

fn answer(survey: &mut ServerSurvey, request: &(FiveTuple, Vec<u8>), mapped: &str, now: Instant) -> bool {
    offer(survey, request.0, &success(id_of(&request.1), mapped, None), now)
}

/// Sleeps exactly from deadline to deadline until the end; says when that was, and what was sent when.
fn sleep(survey: &mut ServerSurvey) -> (Instant, Vec<(Instant, SocketAddr)>) {
    let (mut now, mut log) = (Instant::ZERO, Vec::new());
    loop {
        log.extend(remotes(&sent(survey)).into_iter().map(|remote| (now, remote)));
        if survey.is_ended() {
            return (now, log);
        }
        let deadline = survey.poll_timeout().unwrap();
        assert!(deadline > now, "nothing is queued, and time goes on");
        now = deadline;
        survey.handle_timeout(now);
    }
}

fn finished(events: &[SurveyEvent]) -> (usize, usize, usize, ObservedMapping) {
    match events.last() {
        Some(SurveyEvent::Finished { answered, failed, unanswered, mapping }) => {
            (*answered, *failed, *unanswered, *mapping)
        }
        other => panic!("not finished: {other:?}"),
    }
}

#[test]
fn a_dead_a_silent_and_a_wrong_server_neither_delay_nor_fail_the_others() {
    let mut targets = servers(5);
    targets[2].path.local = addr("10.9.9.9:5000"); // an interface that leads nowhere
    let mut survey = start(SurveyConfig::all(targets));
    let asked = sent(&mut survey);
    assert_eq!(asked.len(), 5);

    let refused = Receipt::of(asked[1].0, &asked[1].1).unwrap();
    survey.handle_send_error(&refused, SendError::Refused, at(3));
    let elsewhere = FiveTuple { remote: addr("198.51.100.66:3478"), ..asked[3].0 };
    assert!(offer(&mut survey, elsewhere, &success(id_of(&asked[3].1), "198.51.100.1:1", None), at(5)));
    assert_eq!(survey.counters().dropped(DropReason::WrongSource), 1);
    assert!(answer(&mut survey, &asked[0], MAPPED, at(12)));
    assert!(answer(&mut survey, &asked[4], MAPPED, at(30)));

    let so_far = events(&mut survey);
    let [refusal, first, fifth] = &so_far[..] else { panic!("{so_far:?}") };
    let reason = FailureReason::SendFailed { error: SendError::Refused };
    assert_eq!(*refusal, SurveyEvent::Failed { target: 1, path: asked[1].0, reason });
    let mapped = |target: usize, millis| SurveyEvent::Mapped {
        target,
        path: asked[target].0,
        address: addr(MAPPED),
        rtt: Some(Duration::from_millis(millis)),
    };
    assert_eq!((*first, *fifth), (mapped(0, 12), mapped(4, 30)));
    assert_eq!(survey.answers().count(), 2);

    let (end, log) = sleep(&mut survey);
    assert_eq!(end, at(10_000), "the deadline of the whole");
    assert!(log.iter().all(|(_, remote)| [asked[2].0.remote, asked[3].0.remote].contains(remote)));
    assert_eq!(finished(&events(&mut survey)), (2, 1, 2, ObservedMapping::SameEverywhere));
    assert_eq!((survey.poll_timeout(), survey.wake_reason()), (None, None));
}

#[test]
fn enough_answers_end_it_and_take_back_what_is_outstanding() {
    let mut survey = start(SurveyConfig { enough: 2, ..SurveyConfig::all(servers(5)) });
    let asked = sent(&mut survey);
    survey.handle_timeout(at(500));
    assert_eq!(survey.wake_reason(), Some(WakeReason::Output), "five retransmissions are queued");
    answer(&mut survey, &asked[3], MAPPED, at(510));
    answer(&mut survey, &asked[1], "203.0.113.9:4243", at(520));
    assert!(survey.is_ended());
    assert!(sent(&mut survey).is_empty(), "nobody is asked in vain");
    let depends = ObservedMapping::DependsOnDestination { servers: ServersDiffer::Address };
    assert_eq!(finished(&events(&mut survey)), (2, 0, 3, depends));
    assert!(!answer(&mut survey, &asked[0], MAPPED, at(530)), "a late answer is nobody's");
    assert_eq!((events(&mut survey).len(), survey.poll_timeout()), (0, None));
}

#[test]
fn enough_is_never_more_than_can_come() {
    let mut survey = start(SurveyConfig { enough: 3, ..SurveyConfig::all(servers(3)) });
    let asked = sent(&mut survey);
    answer(&mut survey, &asked[0], MAPPED, at(1));
    offer(&mut survey, asked[1].0, &error(id_of(&asked[1].1), 400, None), at(2));
    assert!(!survey.is_ended());
    answer(&mut survey, &asked[2], MAPPED, at(3));
    assert_eq!(finished(&events(&mut survey)), (2, 1, 0, ObservedMapping::SameEverywhere));
}

#[test]
fn without_a_deadline_a_silent_server_gets_the_time_of_its_transaction() {
    let mut survey = start(SurveyConfig { deadline: None, ..SurveyConfig::all(servers(1)) });
    let (end, log) = sleep(&mut survey);
    assert_eq!(end, at(39_500));
    let times: Vec<Instant> = log.iter().map(|(when, _)| *when).collect();
    assert_eq!(times, [0, 500, 1500, 3500, 7500, 15_500, 31_500].map(at));
    let all = events(&mut survey);
    assert!(matches!(all[0], SurveyEvent::Failed { target: 0, reason: FailureReason::Timeout, .. }));
    assert_eq!(finished(&all), (0, 1, 0, ObservedMapping::Unknown));
}

#[test]
fn a_race_tries_ipv4_a_quarter_of_a_second_after_a_broken_ipv6() {
    let mut survey = start(SurveyConfig::race(pair()));
    assert_eq!(remotes(&sent(&mut survey)), [addr("[2001:db8::1]:3478")]);
    assert_eq!((survey.poll_timeout(), survey.wake_reason()), (Some(at(250)), Some(WakeReason::Attempt)));
    survey.handle_timeout(at(249));
    assert!(sent(&mut survey).is_empty());
    survey.handle_timeout(at(250));
    let second = survey.poll_transmit().unwrap();
    assert_eq!((second.path, second.socket_id), (asked(), 4));
    let request = (second.path, second.payload.to_vec());
    assert!(answer(&mut survey, &request, MAPPED, at(270)));
    let all = events(&mut survey);
    let rtt = Some(Duration::from_millis(20));
    assert_eq!(all[0], SurveyEvent::Mapped { target: 1, path: asked(), address: addr(MAPPED), rtt });
    assert_eq!(finished(&all), (1, 0, 1, ObservedMapping::Unknown));
}

#[test]
fn a_race_that_is_won_at_once_asks_nobody_else() {
    let mut survey = start(SurveyConfig::race(pair()));
    let asked = sent(&mut survey);
    answer(&mut survey, &asked[0], "[2001:db8::9]:1", at(30));
    assert!(survey.is_ended());
    assert_eq!(finished(&events(&mut survey)), (1, 0, 1, ObservedMapping::Unknown));
    survey.handle_timeout(at(250));
    assert!(sent(&mut survey).is_empty());
}

#[test]
fn an_attempt_that_fails_starts_the_next_at_once() {
    let mut survey = start(SurveyConfig::race(servers(3)));
    let first = sent(&mut survey);
    survey.handle_send_error(&Receipt::of(first[0].0, b"").unwrap(), SendError::NoRoute, at(4));
    let second = sent(&mut survey);
    assert_eq!(remotes(&second), [addr("192.0.2.2:3478")]);
    assert!(matches!(events(&mut survey)[..], [SurveyEvent::Failed { target: 0, .. }]));
    assert_eq!(survey.poll_timeout(), Some(at(254)), "the delay begins anew (RFC 8305 s5)");
    // A server error is asked again later, and the next server meanwhile.
    offer(&mut survey, second[0].0, &error(id_of(&second[0].1), 500, None), at(10));
    assert_eq!(remotes(&sent(&mut survey)), [addr("192.0.2.3:3478")]);
    assert!(events(&mut survey).is_empty() && !survey.is_ended());
}

#[test]
fn all_addresses_that_fail_end_a_race_before_its_deadline() {
    let mut survey = start(SurveyConfig::race(servers(3)));
    for number in 1..=3 {
        let asked = sent(&mut survey);
        assert_eq!(asked.len(), 1);
        survey.handle_send_error(
            &Receipt::of(asked[0].0, &asked[0].1).unwrap(),
            SendError::NoRoute,
            at(number),
        );
    }
    let all = events(&mut survey);
    assert_eq!((all.len(), finished(&all)), (4, (0, 3, 0, ObservedMapping::Unknown)));
}

#[test]
fn a_host_that_wakes_a_minute_late_starts_one_attempt_and_ends_at_its_deadline() {
    let mut survey = start(SurveyConfig { deadline: None, ..SurveyConfig::race(servers(3)) });
    sent(&mut survey);
    survey.handle_timeout(at(20_000));
    assert_eq!(remotes(&sent(&mut survey)), [addr("192.0.2.2:3478"), addr("192.0.2.1:3478")]);
    assert_eq!(survey.poll_timeout(), Some(at(20_250)));

    let mut survey = start(SurveyConfig::race(servers(3)));
    sent(&mut survey);
    survey.handle_timeout(at(60_000));
    assert!(survey.is_ended() && sent(&mut survey).len() <= 2);
    assert_eq!(finished(&events(&mut survey)).0, 0);
}

#[test]
fn ipv6_comes_first_and_the_families_take_turns() {
    let four = |host: u8| target(&format!("192.0.2.{host}:3478"));
    let six = |host: u8| SurveyTarget::new(udp("[::]:5000", &format!("[2001:db8::{host}]:3478")));
    let config = SurveyConfig::race(vec![four(1), four(2), four(3), six(1), six(2)]).ipv6_first();
    assert_eq!(config.targets, [six(1), four(1), six(2), four(2), four(3)]);
}

#[test]
fn every_server_is_asked_as_the_template_says() {
    let mut config = SurveyConfig::all(servers(2));
    config.request.credentials = ShortTerm::new(USER, PASSWORD).ok().map(Into::into);
    config.request.refresh = Some(Duration::from_secs(5));
    let mut survey = start(config);
    let asked = sent(&mut survey);
    assert_ne!(id_of(&asked[0].1), id_of(&asked[1].1));
    answer(&mut survey, &asked[0], MAPPED, at(1));
    assert_eq!(survey.counters().dropped(DropReason::Unauthenticated), 1);
    let key = Key::short_term(PASSWORD);
    for (path, bytes) in &asked {
        offer(&mut survey, *path, &success(id_of(bytes), MAPPED, Some(&key)), at(2));
    }
    assert_eq!(finished(&events(&mut survey)), (2, 0, 0, ObservedMapping::SameEverywhere));
    assert_eq!(survey.poll_timeout(), None, "each is asked once");
}

#[test]
fn contradictions_are_named() {
    let new = |config| ServerSurvey::new(config, Entropy::from_seed([7; 32]), Instant::ZERO).map(|_| ());
    let with = |target| new(SurveyConfig::all(vec![servers(1)[0], target]));
    assert_eq!(new(SurveyConfig::all(vec![])), Err(SurveyError::NoTargets));
    assert_eq!(new(SurveyConfig::all(vec![target("192.0.2.1:1"); 65])), Err(SurveyError::TooManyTargets));
    assert_eq!(new(SurveyConfig::all(servers(64))), Ok(()));
    let at_one = |count| SurveyConfig::all(vec![target("192.0.2.1:1"); count]);
    assert_eq!(new(at_one(10)), Ok(()));
    let server = addr("192.0.2.1:1");
    assert_eq!(new(at_one(11)), Err(SurveyError::TooManyAtOneServer { server }));
    let mut asking = SurveyConfig::all(servers(1));
    asking.request.redirects = RedirectPolicy::Ask;
    assert_eq!(new(asking), Err(SurveyError::AsksHost));
    let nothing = SurveyConfig { enough: 0, ..SurveyConfig::all(servers(1)) };
    assert_eq!(new(nothing), Err(SurveyError::NothingWanted));
    let hasty = SurveyConfig { attempt_delay: Duration::from_millis(9), ..SurveyConfig::all(servers(1)) };
    assert_eq!(new(hasty), Err(SurveyError::AttemptDelayTooShort));
    let port_zero = SurveyError::Target { index: 1, error: ConfigError::ServerAddress };
    assert_eq!(with(target("192.0.2.2:0")), Err(port_zero));
    let mixed = SurveyError::Target { index: 1, error: ConfigError::MixedFamilies };
    assert_eq!(with(target("[2001:db8::1]:3478")), Err(mixed));
}

#[test]
fn streams_are_asked_once_and_silence_on_them_ends_at_the_deadline() {
    let path = FiveTuple { transport: Transport::Tcp, ..asked() };
    let mut survey = start(SurveyConfig::race(vec![SurveyTarget::new(path)]));
    let (end, log) = sleep(&mut survey);
    assert_eq!((end, log.len()), (at(10_000), 1));
}

#[test]
fn an_agent_houses_a_survey_beside_everything_else() {
    let mut agent = Agent::new(Entropy::from_seed([7; 32]), Instant::ZERO);
    let wrong = agent.start_survey(SurveyConfig::all(vec![]), Instant::ZERO);
    assert_eq!(wrong, Err(StartError::Survey(SurveyError::NoTargets)));
    let id = agent.start_survey(SurveyConfig::all(servers(3)), Instant::ZERO).unwrap();
    let asked = transmits(&mut agent);
    for (number, (path, bytes)) in asked.iter().enumerate() {
        assert_eq!(agent.survey(id).unwrap().answers().count(), number);
        assert!(offer(&mut agent, *path, &success(id_of(bytes), MAPPED, None), at(5)));
    }
    let all = events(&mut agent);
    assert_eq!(all.len(), 4);
    assert!(all.iter().all(|event| event.id == id));
    assert!(all.iter().take(3).all(|event| !event.is_last));
    let Some(Event::Survey(last @ SurveyEvent::Finished { .. })) = all.last().map(|last| last.event.clone())
    else {
        panic!("{all:?}")
    };
    assert_eq!(
        last.to_string(),
        "3 answered, 0 failed, 0 did not answer; the mapping does not depend on the destination"
    );
    assert!(!agent.contains(id) && agent.poll_timeout().is_none());
}

#[test]
fn ten_thousand_answers_that_nobody_takes_pile_up_no_more_than_targets() {
    let mut survey = start(SurveyConfig { deadline: None, ..SurveyConfig::all(servers(64)) });
    let asked = sent(&mut survey);
    for round in 0..10_000 {
        let request = &asked[round % asked.len()];
        answer(&mut survey, request, MAPPED, at(round as u64));
        survey.handle_timeout(at(round as u64));
    }
    assert_eq!(events(&mut survey).len(), ServerSurvey::MAX_EVENTS);
}
