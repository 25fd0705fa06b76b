//! The contract C1 to C10 as code, for any [`Machine`].
//!
//! A [`Rig`] drives six equal machines through one schedule. One is driven plainly; each of the others is
//! treated differently in a way that a rule says makes no difference, and must put out the same:
//!
//! | twin | treated differently | rule |
//! |---|---|---|
//! | `TWIN` | not at all | C8 |
//! | `REORDERED` | drained in another order | C1 |
//! | `PESTERED` | early and repeated `handle_timeout` | C4 |
//! | `CLAMPED` | never told an earlier time | C5 |
//! | `SPARED` | does not see garbage | C9 |

use std::sync::OnceLock;
use std::time::Duration;

use libstun::wire::{Class, Classification, Key, Message, Method, TransactionId, classify};
use libstun::{Datagram, FiveTuple, Instant, Machine, Outcome, Receipt, SendError, Transport, WakeReason};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

/// A machine, and the commands of its own that a schedule may call.
pub trait Subject: Machine {
    /// Calls one, and says whether there was one to call.
    fn command(&mut self, _choice: u8, _now: Instant) -> bool {
        false
    }

    /// Whether ChannelData is its own: then it is not garbage to it.
    fn relays(&self) -> bool {
        false
    }
}

/// One step of a schedule: time moves, then something happens.
pub type Step = (Jump, Action);

#[derive(Clone, Debug)]
pub enum Jump {
    Stay,
    Ahead(u32),
    /// To the deadline, to the nanosecond.
    Exact,
    /// Past the deadline by so many milliseconds.
    Late(u32),
    Back(u32),
    ToZero,
    Year,
    EndOfTime,
}

#[derive(Clone, Debug)]
pub enum Action {
    /// A response, of that kind, to one of the requests seen lately.
    Answer {
        which: u8,
        kind: u8,
    },
    /// A malformed vector as it is.
    Vector(u8),
    /// A malformed vector under the transaction id of a request seen lately.
    Forgery {
        vector: u8,
        which: u8,
    },
    Garbage(Vec<u8>),
    ChannelData(u8),
    /// A request to the machine.
    Ask {
        kind: u8,
        from: u8,
    },
    SendError {
        which: Option<u8>,
        error: u8,
    },
    Timeout,
    Command(u8),
    Drain,
}

/// An action as the machines see it.
enum Input {
    Datagram(FiveTuple, Vec<u8>),
    SendError(Receipt, SendError),
    Timeout,
    Command(u8),
}

pub fn schedule() -> impl Strategy<Value = Vec<Step>> {
    let jump = prop_oneof![
        6 => Just(Jump::Stay),
        6 => (0u32..3000).prop_map(Jump::Ahead),
        12 => Just(Jump::Exact),
        4 => (0u32..100_000).prop_map(Jump::Late),
        3 => (0u32..100_000).prop_map(Jump::Back),
        1 => Just(Jump::ToZero),
        1 => Just(Jump::Year),
    ];
    let action = prop_oneof![
        8 => (0u8..4, 0u8..20).prop_map(|(which, kind)| Action::Answer { which, kind }),
        2 => any::<u8>().prop_map(Action::Vector),
        2 => (any::<u8>(), 0u8..4).prop_map(|(vector, which)| Action::Forgery { vector, which }),
        1 => proptest::collection::vec(any::<u8>(), 0..64).prop_map(Action::Garbage),
        1 => any::<u8>().prop_map(Action::ChannelData),
        4 => (0u8..8, 0u8..6).prop_map(|(kind, from)| Action::Ask { kind, from }),
        2 => (proptest::option::of(0u8..4), 0u8..7).prop_map(|(which, error)| Action::SendError { which, error }),
        12 => Just(Action::Timeout),
        3 => any::<u8>().prop_map(Action::Command),
        14 => Just(Action::Drain),
    ];
    let end = proptest::option::weighted(0.1, Just((Jump::EndOfTime, Action::Timeout)));
    (proptest::collection::vec((jump, action), 0..80), end).prop_map(|(mut steps, end)| {
        steps.extend(end);
        steps
    })
}

/// Holds a machine to the contract over many random schedules, the same ones in every run. What is signed for
/// it is signed with `key`.
pub fn hold<M: Subject>(key: Option<&[u8]>, make: impl Fn() -> M) {
    let config = Config { failure_persistence: None, rng_seed: RngSeed::Fixed(8489), ..Config::default() };
    let result = TestRunner::new(config).run(&schedule(), |steps| {
        run(key, &make, &steps);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

fn run<M: Subject>(key: Option<&[u8]>, make: impl Fn() -> M, steps: &[Step]) {
    let mut rig = Rig::new(key.map(Key::short_term), make);
    for (jump, action) in steps {
        rig.step(jump, action);
    }
    rig.run_exactly(40);
    rig.c6_never_means_never();
}

/// Feeds a machine that nobody drains, and checks what has piled up (C7).
pub fn c7_queues_are_bounded<M: Subject>(make: impl Fn() -> M, inputs: u32, limit: usize) {
    let mut machine = make();
    let (mut now, path) = (Instant::ZERO, super::served());
    for number in 0..inputs {
        let mut id = [0; 12];
        id[..4].copy_from_slice(&number.to_be_bytes());
        let id = TransactionId::new(id);
        let bytes = match number % 4 {
            0 | 1 => super::request(id, |_| ()),
            2 => super::success(id, super::MAPPED, None),
            _ => vec![number as u8; (number % 40) as usize],
        };
        let _ = machine.handle_input(&Datagram::new(path, &bytes), now);
        if number % 16 == 0 {
            now = now.saturating_add(Duration::from_millis(700));
            machine.handle_timeout(now);
        }
    }
    let piled_up = super::transmits(&mut machine).len() + super::events(&mut machine).len();
    assert!(piled_up <= limit, "C7: {piled_up} datagrams and events are queued, {limit} are allowed");
}

const PLAIN: usize = 0;
const TWIN: usize = 1;
const REORDERED: usize = 2;
const PESTERED: usize = 3;
const CLAMPED: usize = 4;
const SPARED: usize = 5;

/// Where a difference from the plain machine would come from. C8 first: a random machine differs everywhere.
const RULES: [(usize, &str); 5] = [
    (TWIN, "C8: equal seeds and calls gave different outputs"),
    (REORDERED, "C1: the order of polls made a difference"),
    (PESTERED, "C4: an early or repeated handle_timeout made a difference"),
    (CLAMPED, "C5: an earlier time made a difference"),
    (SPARED, "C9: garbage made a difference"),
];

/// Six equal machines in step.
pub struct Rig<M: Subject> {
    probes: Vec<Probe<M>>,
    /// The latest time that was told.
    latest: Instant,
    key: Option<Key>,
    /// Requests sent lately, newest last.
    requests: Vec<(FiveTuple, Vec<u8>)>,
    is_drained: bool,
}

struct Probe<M> {
    machine: M,
    log: Log,
}

/// What a machine has put out.
#[derive(Debug, Default, PartialEq)]
struct Log {
    transmits: Vec<(FiveTuple, u32, Vec<u8>)>,
    events: Vec<String>,
}

impl<M: Subject> Rig<M> {
    pub fn new(key: Option<Key>, make: impl Fn() -> M) -> Self {
        let probes = (0..=SPARED).map(|_| Probe { machine: make(), log: Log::default() }).collect();
        let (latest, requests) = (Instant::ZERO, Vec::new());
        Self { probes, latest, key, requests, is_drained: false }
    }

    pub fn step(&mut self, jump: &Jump, action: &Action) {
        let now = self.time(jump);
        match action {
            Action::Drain => self.drain(),
            Action::Timeout => self.apply(&Input::Timeout, now),
            Action::Command(choice) => self.apply(&Input::Command(*choice), now),
            Action::SendError { which, error } => {
                let input = self.send_error(*which, *error);
                self.apply(&input, now);
            }
            input => {
                if let Some((path, bytes)) = self.datagram(input) {
                    self.apply(&Input::Datagram(path, bytes), now);
                }
            }
        }
    }

    /// Sleeps exactly to each deadline, as a host without a tick does (C3).
    pub fn run_exactly(&mut self, wakeups: u32) {
        let (mut idle, mut standing) = (0, 0);
        self.drain();
        for _ in 0..wakeups {
            let Some(deadline) = self.plain().poll_timeout() else { return };
            let before = self.latest;
            let produced = self.produced();
            self.apply(&Input::Timeout, deadline);
            self.drain();
            idle = if self.produced() == produced { idle + 1 } else { 0 };
            standing = if self.latest == before { standing + 1 } else { 0 };
            assert!(
                idle < 8,
                "C3: {idle} wake-ups in a row put nothing out, now for {:?}",
                self.plain().wake_reason()
            );
            assert!(standing < 8, "C3: {standing} wake-ups in a row at {before:?}");
        }
    }

    /// Once nothing is scheduled, the end of time itself changes nothing.
    pub fn c6_never_means_never(&mut self) {
        self.drain();
        for later in [self.latest.saturating_add(YEAR), Instant::MAX] {
            if self.plain().poll_timeout().is_none() {
                self.apply(&Input::Timeout, later);
                self.drain();
            }
        }
    }

    fn plain(&self) -> &M {
        &self.probes[PLAIN].machine
    }

    fn produced(&self) -> usize {
        let log = &self.probes[PLAIN].log;
        log.transmits.len() + log.events.len()
    }

    fn time(&self, jump: &Jump) -> Instant {
        let deadline = self.plain().poll_timeout().unwrap_or(self.latest);
        let millis = |count: u32| Duration::from_millis(u64::from(count));
        match jump {
            Jump::Stay => self.latest,
            Jump::Ahead(by) => self.latest.saturating_add(millis(*by)),
            Jump::Exact => deadline,
            Jump::Late(by) => deadline.saturating_add(millis(*by)),
            Jump::Back(by) => Instant::ZERO
                .saturating_add(self.latest.saturating_since(Instant::ZERO).saturating_sub(millis(*by))),
            Jump::ToZero => Instant::ZERO,
            Jump::Year => self.latest.saturating_add(YEAR),
            Jump::EndOfTime => Instant::MAX,
        }
    }

    /// Gives every machine the same input, each in its own way, and checks what must hold at once.
    fn apply(&mut self, input: &Input, now: Instant) {
        let (was_drained, before) = (self.is_drained, self.plain().poll_timeout());
        let reason = self.plain().wake_reason();
        let clamped = now.max(self.latest);
        let mut outcomes = Vec::new();
        for which in PLAIN..=SPARED {
            self.pester(which);
            let machine = &mut self.probes[which].machine;
            let told = if which == CLAMPED { clamped } else { now };
            outcomes.push(match input {
                Input::Datagram(path, bytes) => {
                    let is_spared = which == SPARED && is_garbage(machine, bytes);
                    let shown: &[u8] = if is_spared { &[] } else { bytes };
                    format!("{:?}", machine.handle_input(&Datagram::new(*path, shown), told))
                }
                Input::SendError(failed, error) => {
                    format!("{:?}", machine.handle_send_error(failed, *error, told))
                }
                Input::Command(choice) => format!("{:?}", machine.command(*choice, told)),
                Input::Timeout => {
                    machine.handle_timeout(told);
                    if which == PESTERED && before.is_some() {
                        machine.handle_timeout(told);
                    }
                    String::new()
                }
            });
        }
        if outcomes[PLAIN] == NOT_CALLED {
            return;
        }
        self.latest = clamped;
        self.is_drained = false;
        self.compare_outcomes(&outcomes, input);
        self.c10_every_wakeup_has_a_reason();
        self.compare_deadlines();
        if matches!(input, Input::Timeout) && was_drained {
            self.check_wakeup(before, reason);
        }
    }

    /// C3, C6, and what C4 says of late calls, after `handle_timeout` on a drained machine.
    fn check_wakeup(&mut self, before: Option<Instant>, reason: Option<WakeReason>) {
        let after = self.plain().poll_timeout();
        let is_due = before.is_some_and(|at| at <= self.latest);
        let produced = self.produced();
        self.drain();
        let is_silent = self.produced() == produced;
        if before.is_none() {
            assert!(
                is_silent && after.is_none(),
                "C6: nothing was scheduled, and yet time alone changed something"
            );
        }
        if is_due && is_silent {
            let is_later = after.is_none_or(|at| at > self.latest);
            assert!(
                is_later,
                "C3: woken at {:?} for {reason:?}: no output, and the next deadline is {after:?}",
                self.latest
            );
        }
        let promised = [
            WakeReason::Retransmission,
            WakeReason::Refresh,
            WakeReason::Retry,
            WakeReason::TransactionTimeout,
        ];
        // Of two requests that wait for one answer, one may end in silence.
        let is_one_of_two = reason == Some(WakeReason::TransactionTimeout)
            && matches!(
                self.plain().wake_reason(),
                Some(WakeReason::Retransmission | WakeReason::TransactionTimeout)
            );
        // A keepalive of a relay is put off by what was sent meanwhile, which is looked at when it is due, and a peer
        // whose request was given up is asked for later.
        let is_put_off = self.plain().relays()
            && matches!(reason, Some(WakeReason::Refresh | WakeReason::TransactionTimeout));
        let is_promised = !is_one_of_two && !is_put_off;
        if is_due && is_promised && reason.is_some_and(|reason| promised.contains(&reason)) {
            assert!(!is_silent, "C4: a late call lost the {reason:?}");
        }
    }

    /// Early calls, to the one machine that must not mind them.
    fn pester(&mut self, which: usize) {
        let machine = &mut self.probes[which].machine;
        if which == PESTERED && machine.poll_timeout().is_some_and(|at| at > self.latest) {
            machine.handle_timeout(self.latest);
            machine.handle_timeout(Instant::ZERO);
        }
    }

    /// Takes all output of every machine, and compares.
    fn drain(&mut self) {
        let (announced, was_drained) = (self.plain().poll_timeout(), self.is_drained);
        let (produced, sent) = (self.produced(), self.probes[PLAIN].log.transmits.len());
        for (which, probe) in self.probes.iter_mut().enumerate() {
            if which == REORDERED {
                probe.drain_events_first()
            } else {
                probe.drain()
            }
            probe.c1_polls_only_drain();
        }
        self.is_drained = true;
        if self.produced() > produced {
            assert!(!was_drained, "C1: output appeared between two polls");
            self.c2_output_is_announced(announced);
        }
        let reason = self.plain().wake_reason();
        assert_ne!(
            reason,
            Some(WakeReason::Output),
            "C2: output is announced, but polling gave all there is"
        );
        for (which, rule) in RULES {
            assert_eq!(self.probes[which].log, self.probes[PLAIN].log, "{rule}");
        }
        self.compare_deadlines();
        self.c10_every_wakeup_has_a_reason();
        self.note_requests(sent);
    }

    fn c2_output_is_announced(&self, announced: Option<Instant>) {
        let in_time = announced.is_some_and(|at| at <= self.latest);
        assert!(in_time, "C2: output was queued at {:?}, but poll_timeout was {announced:?}", self.latest);
    }

    fn c10_every_wakeup_has_a_reason(&self) {
        let (at, reason) = (self.plain().poll_timeout(), self.plain().wake_reason());
        assert_eq!(at.is_some(), reason.is_some(), "C10: deadline {at:?}, reason {reason:?}");
    }

    fn compare_deadlines(&self) {
        let of = |which: usize| {
            (self.probes[which].machine.poll_timeout(), self.probes[which].machine.wake_reason())
        };
        RULES.iter().for_each(|(which, rule)| assert_eq!(of(*which), of(PLAIN), "{rule} (deadline)"));
    }

    fn compare_outcomes(&self, outcomes: &[String], input: &Input) {
        let is_spared = matches!(input, Input::Datagram(_, bytes) if is_garbage(self.plain(), bytes));
        for (which, rule) in RULES {
            if which != SPARED || !is_spared {
                assert_eq!(outcomes[which], outcomes[PLAIN], "{rule} (outcome)");
            }
        }
        if let Input::Datagram(_, bytes) = input {
            if is_garbage(self.plain(), bytes) && classify(bytes) != Classification::Stun {
                assert_eq!(
                    outcomes[PLAIN],
                    format!("{:?}", Outcome::Unclaimed),
                    "C9: bytes that are not STUN were claimed"
                );
            }
        }
    }

    /// Keeps the requests of the latest drain. However late the host was, each was sent once in it.
    fn note_requests(&mut self, drained_before: usize) {
        let drained = self.probes[PLAIN].log.transmits.iter().skip(drained_before);
        let is_request =
            |bytes: &[u8]| Message::parse(bytes).is_ok_and(|message| message.class() == Class::Request);
        let fresh: Vec<_> = drained.filter(|(_, _, bytes)| is_request(bytes)).cloned().collect();
        let mut ids: Vec<_> = fresh.iter().map(|(_, _, bytes)| super::id_of(bytes)).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), fresh.len(), "C4: a request was sent more than once to catch up");
        self.requests.extend(fresh.into_iter().map(|(path, _, bytes)| (path, bytes)));
        let surplus = self.requests.len().saturating_sub(16);
        self.requests.drain(..surplus);
    }

    /// The request that a schedule means: the newest is 0.
    fn request(&self, which: u8) -> Option<(FiveTuple, TransactionId)> {
        let (path, bytes) = self.requests.iter().rev().nth(usize::from(which)).or(self.requests.last())?;
        Some((*path, super::id_of(bytes)))
    }

    fn method_of(&self, which: u8) -> Option<Method> {
        let (_, bytes) = self.requests.iter().rev().nth(usize::from(which)).or(self.requests.last())?;
        Message::parse(bytes).ok().map(|request| request.method())
    }

    fn send_error(&self, which: Option<u8>, error: u8) -> Input {
        let errors = [
            SendError::NoRoute,
            SendError::FamilyUnavailable,
            SendError::PermissionDenied,
            SendError::Refused,
            SendError::MessageTooLarge,
            SendError::SocketClosed,
            SendError::Transient,
        ];
        let known = which.and_then(|which| self.request(which));
        let (path, transaction_id) = match known {
            Some((path, id)) => (path, Some(id)),
            None => (self.request(0).map_or_else(super::asked, |(path, _)| path), None),
        };
        Input::SendError(Receipt { path, transaction_id }, errors[usize::from(error) % errors.len()])
    }

    fn datagram(&self, action: &Action) -> Option<(FiveTuple, Vec<u8>)> {
        match action {
            Action::Answer { which, kind } => {
                let (path, id) = self.request(*which)?;
                let relayed = answer_about_relay(*kind, self.method_of(*which)?, id, self.key.as_ref());
                Some(
                    relayed.map_or_else(|| answer(*kind, path, id, self.key.as_ref()), |bytes| (path, bytes)),
                )
            }
            Action::Vector(index) => Some((super::served(), vector(*index))),
            Action::Forgery { vector: index, which } => {
                let (path, id) = self.request(*which)?;
                Some((path, super::with_id(&vector(*index), id)))
            }
            Action::Garbage(bytes) => Some((super::asked(), bytes.clone())),
            Action::ChannelData(length) => {
                let mut frame = vec![0x40, 0x01, 0, *length];
                frame.resize(usize::from(*length) + 4, 0xAB);
                Some((super::asked(), frame))
            }
            Action::Ask { kind, from } => Some((asker(*from), ask(*kind, self.latest, self.key.as_ref()))),
            Action::SendError { .. } | Action::Timeout | Action::Command(_) | Action::Drain => None,
        }
    }
}

impl<M: Machine> Probe<M> {
    fn drain(&mut self) {
        while self.take_transmit() {}
        while self.take_event() {}
    }

    /// The same, events first, then by turns.
    fn drain_events_first(&mut self) {
        self.take_event();
        while self.take_event() | self.take_transmit() {}
    }

    fn take_transmit(&mut self) -> bool {
        let Some(transmit) = self.machine.poll_transmit() else { return false };
        self.log.transmits.push((transmit.path, transmit.socket_id, transmit.payload.to_vec()));
        true
    }

    fn take_event(&mut self) -> bool {
        let Some(event) = self.machine.poll_event() else { return false };
        self.log.events.push(format!("{event:?}"));
        true
    }

    fn c1_polls_only_drain(&mut self) {
        let is_empty = self.machine.poll_transmit().is_none() && self.machine.poll_event().is_none();
        assert!(is_empty, "C1: a poll that gave nothing was followed by one that gave something");
    }
}

/// The outcome of a command that was not called, so that no machine was told the time.
const NOT_CALLED: &str = "false";

const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// Bytes that no machine may react to at all, not even by counting.
fn is_garbage<M: Subject>(machine: &M, bytes: &[u8]) -> bool {
    let is_relayed = machine.relays() && classify(bytes) == Classification::ChannelData;
    Message::parse(bytes).is_err() && !is_relayed
}

fn vector(index: u8) -> Vec<u8> {
    static VECTORS: OnceLock<Vec<super::Vector>> = OnceLock::new();
    let vectors = VECTORS.get_or_init(super::malformed);
    vectors.get(usize::from(index) % vectors.len()).map(|vector| vector.bytes.clone()).unwrap_or_default()
}

/// A response of some kind to a request, and the path on which it arrives.
fn answer(kind: u8, path: FiveTuple, id: TransactionId, key: Option<&Key>) -> (FiveTuple, Vec<u8>) {
    let elsewhere = FiveTuple { remote: super::addr("198.51.100.66:3478"), ..path };
    let wrong = Key::short_term(b"not the password");
    match kind {
        0..=2 => (path, super::success(id, super::MAPPED, key)),
        3 => (path, super::success(id, "203.0.113.10:4243", key)),
        4 => (path, super::error(id, 400, None)),
        5 => (path, super::error(id, 500, key)),
        6 => (path, super::error(id, 420, key)),
        7 => (path, super::success(id, super::MAPPED, None)),
        8 => (elsewhere, super::success(id, super::MAPPED, key)),
        9 => (path, super::message(Class::SuccessResponse, Method::ALLOCATE, id, |_| ())),
        10 => {
            let mut bytes = super::message(Class::SuccessResponse, Method::BINDING, id, |builder| {
                builder.add_fingerprint().unwrap();
            });
            *bytes.last_mut().unwrap() ^= 1;
            (path, bytes)
        }
        11 => (path, super::demanding(id, key)),
        12 => (path, super::success(id, "0.0.0.0:0", key)),
        14 => (path, super::challenge(id, 401, super::REALM, b"obMatJos2AAAB-1")),
        15 => (path, super::challenge(id, 438, super::REALM, &id.as_bytes()[..])),
        16 => (path, super::challenge(id, 401, b"elsewhere", b"obMatJos2AAAB-2")),
        17 => (path, super::redirection(id, None)),
        18 => (path, super::redirection(id, key)),
        19 => (path, super::error(id, 401, None)),
        _ => (path, super::success(id, super::MAPPED, Some(&wrong))),
    }
}

/// The same to a request of TURN: grants and refusals in its own method. `None` is what [`answer`] says.
fn answer_about_relay(kind: u8, method: Method, id: TransactionId, key: Option<&Key>) -> Option<Vec<u8>> {
    use libstun::wire::attribute::{ErrorCode, Lifetime, XorMappedAddress, XorRelayedAddress};
    if method == Method::BINDING {
        return None;
    }
    let code = match kind {
        0..=3 => None,
        4 => Some(403),
        5 => Some(500),
        6 => Some(437),
        7 => Some(486),
        18 => Some(401),
        _ => return None,
    };
    let class = if code.is_some() { Class::ErrorResponse } else { Class::SuccessResponse };
    Some(super::message(class, method, id, |builder| {
        if let Some(code) = code {
            builder.add(&ErrorCode { code, reason: b"" }).unwrap();
        } else {
            builder.add(&XorRelayedAddress(super::addr("198.51.100.1:49160"))).unwrap();
            builder.add(&XorMappedAddress(super::addr(super::MAPPED))).unwrap();
            builder.add(&Lifetime(Duration::from_secs(600 >> kind))).unwrap();
        }
        if let Some(key) = key {
            builder.sign_sha256(key).unwrap();
        }
    }))
}

/// A request of some kind to a server, under an id that says when.
fn ask(kind: u8, now: Instant, key: Option<&Key>) -> Vec<u8> {
    use libstun::wire::attribute::{AttributeType, Username};
    let mut id = [kind; 12];
    id[..8].copy_from_slice(&now.as_nanos().to_be_bytes());
    let id = TransactionId::new(id);
    let wrong = Key::short_term(b"not the password");
    let signed = |key: &Key, also_sha256: bool| {
        super::request(id, |builder| {
            builder.add(&Username(super::USER)).unwrap();
            builder.sign(key).unwrap();
            if also_sha256 {
                builder.sign_sha256(key).unwrap();
            }
        })
    };
    match kind {
        0 => super::request(id, |_| ()),
        1 => super::request(id, |builder| builder.add_fingerprint().unwrap()),
        2 => signed(key.unwrap_or(&wrong), false),
        3 => signed(key.unwrap_or(&wrong), true),
        4 => signed(&wrong, true),
        5 => super::request(id, |builder| builder.add_raw(AttributeType::new(0x7FFE), b"").unwrap()),
        6 => super::message(Class::Indication, Method::BINDING, id, |_| ()),
        _ => super::message(Class::Request, Method::REFRESH, id, |_| ()),
    }
}

fn asker(from: u8) -> FiveTuple {
    let local = super::served().local;
    match from {
        0 | 1 => super::served(),
        2 => FiveTuple::udp(local, super::addr("203.0.113.9:0")),
        3 => FiveTuple::udp(super::addr("[2001:db8::1]:3478"), super::addr("[2001:db8::2]:4242")),
        4 => FiveTuple::udp(super::addr("192.0.2.77:3478"), super::addr("203.0.113.9:4242")),
        _ => FiveTuple { transport: Transport::Tcp, ..super::served() },
    }
}
