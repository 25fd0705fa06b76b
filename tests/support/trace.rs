//! Records what is done with an agent and what comes of it, as text, and does it again.
//!
//! The format is described in `tests/vectors/traces/README.md`.

#![allow(unreachable_pub, reason = "a module of a test crate")]

use std::fmt::{Display, Formatter, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use libstun::auth::{AuthFailure, Credentials, LongTerm, ShortTerm};
use libstun::stun::binding::{Backoff, FailureReason};
use libstun::stun::survey::{ObservedMapping, ServersDiffer, SurveyTarget};
use libstun::stun::{BindingConfig, BindingEvent, ServerConfig, SurveyConfig, SurveyEvent};
use libstun::transaction::RetransmissionConfig;
use libstun::wire::{IntegrityAlgorithm, Message, TransactionId};
use libstun::{
    Agent, Datagram, Entropy, Event, FiveTuple, Instant, Machine, OperationId, Outcome, Receipt, SendError,
    Transport, WakeReason,
};

/// The first line of every trace.
pub const VERSION: &str = "libstun-trace 1";

/// A call of the host's, with all that it takes. Times are nanoseconds.
#[derive(Clone, Debug)]
pub enum Call {
    Binding(BindingCall),
    Server { local: Option<SocketAddr>, credential: Option<Credential> },
    Survey(SurveyCall),
    Cancel(u64),
    Input { path: FiveTuple, socket_id: u32, bytes: Vec<u8> },
    Timeout,
    Error { kind: usize, path: FiveTuple, bytes: Vec<u8> },
}

/// The configuration of a binding. The C ABI takes zero for a default, so no number may be zero but `flags`
/// and `socket_id`.
#[derive(Clone, Debug)]
pub struct BindingCall {
    pub path: FiveTuple,
    pub socket_id: u32,
    pub refresh: Option<u64>,
    /// 1: no FINGERPRINT. 2: takes MAPPED-ADDRESS.
    pub flags: u32,
    pub initial_rto: u64,
    pub rc: u32,
    pub rm: u32,
    pub ti: u64,
    pub backoff: (u64, u64),
    pub credential: Option<Credential>,
}

/// A survey: everything at once, or a race. `enough` is 0 for all.
#[derive(Clone, Debug)]
pub struct SurveyCall {
    pub enough: u32,
    pub deadline: u64,
    pub attempt_delay: u64,
    pub targets: Vec<(FiveTuple, u32)>,
}

/// A short-term credential, and which algorithm it is for: 0 both, 1 SHA-1, 2 SHA-256. Or 3, a long-term one.
#[derive(Clone, Debug)]
pub struct Credential {
    pub username: Vec<u8>,
    pub password: Vec<u8>,
    pub integrity: u32,
}

/// An agent whose calls are written down.
pub struct Recorder {
    pub agent: Agent,
    text: String,
    requests: Vec<(FiveTuple, TransactionId, Vec<u8>)>,
    ids: Vec<u64>,
}

impl Recorder {
    pub fn new(seed: [u8; 32], now: Instant) -> Self {
        let text = format!("{VERSION}\n> agent {} {}\n", now.as_nanos(), Hex(&seed));
        let agent = Agent::new(Entropy::from_seed(seed), now);
        Self { agent, text, requests: Vec::new(), ids: Vec::new() }
    }

    /// A comment for whoever reads the trace.
    pub fn note(&mut self, comment: &str) {
        self.line(format_args!("# {comment}"));
    }

    /// Makes a call, then takes everything that it led to, and writes all of it down.
    pub fn call(&mut self, now: Instant, call: &Call) {
        self.line(format_args!("> {} {}{call}", call.name(), now.as_nanos()));
        let answer = self.apply(now, call);
        self.line(format_args!("< {answer}"));
        self.drain();
    }

    /// Time passes until the deadline.
    pub fn wake(&mut self) -> Instant {
        let at = self.agent.poll_timeout().expect("a deadline");
        self.call(at, &Call::Timeout);
        at
    }

    /// The latest request: its path, its id, its bytes.
    pub fn request(&self) -> (FiveTuple, TransactionId, Vec<u8>) {
        self.requests.last().expect("a request").clone()
    }

    /// One of all requests, in their order.
    pub fn request_at(&self, number: usize) -> (FiveTuple, TransactionId, Vec<u8>) {
        self.requests.get(number).expect("that many requests").clone()
    }

    /// The id of the operation that was started last.
    pub fn last_id(&self) -> u64 {
        *self.ids.last().expect("an operation")
    }

    pub fn finish(self) -> String {
        self.text
    }

    fn apply(&mut self, now: Instant, call: &Call) -> String {
        match call {
            Call::Binding(binding) => self.started(|agent| agent.start_binding(binding.config(), now).ok()),
            Call::Server { local, credential } => {
                let credentials = credential.as_ref().map(|credential| credential.short_term().into());
                let config = ServerConfig { local: *local, credentials, ..ServerConfig::default() };
                self.started(|agent| agent.start_server(config, now).ok())
            }
            Call::Survey(survey) => self.started(|agent| agent.start_survey(survey.config(), now).ok()),
            Call::Cancel(id) => match self.agent.cancel(OperationId::from_u64(*id), now) {
                Ok(()) => "ok".to_owned(),
                Err(_) => "refused".to_owned(),
            },
            Call::Input { path, socket_id, bytes } => {
                let datagram = Datagram { socket_id: *socket_id, ..Datagram::new(*path, bytes) };
                match self.agent.handle_input(&datagram, now) {
                    Outcome::Unclaimed => "ignored".to_owned(),
                    Outcome::Consumed => {
                        let dropped = self.agent.counters().latest();
                        format!("consumed {}", dropped.map_or(0, |reason| reason as usize + 1))
                    }
                    Outcome::Unwrapped(_) => panic!("the format has no word for it yet"),
                }
            }
            Call::Timeout => {
                self.agent.handle_timeout(now);
                "ok".to_owned()
            }
            Call::Error { kind, path, bytes } => {
                let Some(failed) = Receipt::of(*path, bytes) else { return "ignored".to_owned() };
                self.agent.handle_send_error(&failed, ERRORS[*kind - 1], now);
                "ok".to_owned()
            }
        }
    }

    fn started(&mut self, start: impl FnOnce(&mut Agent) -> Option<OperationId>) -> String {
        match start(&mut self.agent) {
            Some(id) => {
                self.ids.push(id.as_u64());
                format!("ok {}", id.as_u64())
            }
            None => "refused".to_owned(),
        }
    }

    fn drain(&mut self) {
        while let Some(transmit) = self.agent.poll_transmit() {
            let (path, bytes) = (transmit.path, transmit.payload.to_vec());
            let line = format!("< transmit{} {} {}", Path(&path), transmit.socket_id, Hex(&bytes));
            self.line(format_args!("{line}"));
            let message = Message::parse(&bytes).expect("what is sent is STUN");
            if !message.class().is_response() {
                self.requests.push((path, message.transaction_id(), bytes));
            }
        }
        while let Some(happened) = self.agent.poll_event() {
            let id = happened.id.as_u64();
            match happened.event {
                Event::Binding(event) => self.line(format_args!("< event {id} {}", Told(event))),
                Event::Survey(event) => self.line(format_args!("< event {id} {}", ToldBySurvey(event))),
                _ => panic!("the format has no word for it yet"),
            }
        }
        let until = Never(self.agent.poll_timeout().map(Instant::as_nanos));
        let reason = wake_name(self.agent.wake_reason());
        self.line(format_args!("< until {until} {reason}"));
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        writeln!(self.text, "{text}").expect("a string takes everything");
    }
}

/// Does everything in a trace again, and returns the trace that this makes, without comments.
pub fn replay(trace: &str) -> String {
    let mut lines = trace.lines();
    assert_eq!(lines.next(), Some(VERSION), "another format");
    let mut calls = lines.filter_map(|line| line.strip_prefix("> "));
    let mut first = Words::of(calls.next().expect("an agent"));
    assert_eq!(first.word(), "agent", "a trace begins with its agent");
    let (now, seed) = (Instant::from_nanos(first.number()), first.bytes());
    let mut recorder = Recorder::new(seed.try_into().expect("a seed of 32 bytes"), now);
    for line in calls {
        let (now, call) = Call::read(line);
        recorder.call(now, &call);
    }
    recorder.finish()
}

pub fn without_comments(trace: &str) -> String {
    trace.lines().filter(|line| !line.starts_with('#')).map(|line| line.to_owned() + "\n").collect()
}

impl BindingCall {
    /// The defaults, asking once.
    pub fn once(path: FiveTuple) -> Self {
        let second = 1_000_000_000;
        Self {
            path,
            socket_id: 0,
            refresh: None,
            flags: 0,
            initial_rto: second / 2,
            rc: 7,
            rm: 16,
            ti: 39_500_000_000,
            backoff: (second, 60 * second),
            credential: None,
        }
    }

    fn config(&self) -> BindingConfig {
        let nanos = Duration::from_nanos;
        BindingConfig {
            socket_id: self.socket_id,
            refresh: self.refresh.map(nanos),
            backoff: Backoff { first: nanos(self.backoff.0), max: nanos(self.backoff.1) },
            credentials: self.credential.as_ref().map(Credential::client),
            fingerprint: self.flags & 1 == 0,
            accepts_mapped_address: self.flags & 2 != 0,
            retransmission: RetransmissionConfig {
                initial_rto: nanos(self.initial_rto),
                rc: self.rc,
                rm: self.rm,
                ti: nanos(self.ti),
            },
            ..BindingConfig::new(self.path)
        }
    }
}

impl SurveyCall {
    fn config(&self) -> SurveyConfig {
        let target =
            |(path, socket_id): &(FiveTuple, u32)| SurveyTarget { path: *path, socket_id: *socket_id };
        let all = SurveyConfig::all(self.targets.iter().map(target).collect());
        SurveyConfig {
            enough: if self.enough == 0 { all.enough } else { self.enough as usize },
            deadline: Some(Duration::from_nanos(self.deadline)),
            attempt_delay: Duration::from_nanos(self.attempt_delay),
            ..all
        }
    }
}

impl Credential {
    fn client(&self) -> Credentials {
        if self.integrity != 3 {
            return self.short_term().into();
        }
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        LongTerm::new(&text(&self.username), &text(&self.password)).expect("a credential").into()
    }

    fn short_term(&self) -> ShortTerm {
        let both = ShortTerm::new(&self.username, &self.password).expect("a credential");
        match self.integrity {
            1 => both.only(IntegrityAlgorithm::Sha1),
            2 => both.only(IntegrityAlgorithm::Sha256),
            _ => both,
        }
    }
}

impl Call {
    fn name(&self) -> &'static str {
        match self {
            Self::Binding(_) => "binding",
            Self::Server { .. } => "server",
            Self::Survey(_) => "survey",
            Self::Cancel(_) => "cancel",
            Self::Input { .. } => "input",
            Self::Timeout => "timeout",
            Self::Error { .. } => "error",
        }
    }

    fn read(line: &str) -> (Instant, Self) {
        let mut words = Words::of(line);
        let name = words.word();
        let now = Instant::from_nanos(words.number());
        let call = match name {
            "binding" => Self::Binding(BindingCall {
                path: words.path(),
                socket_id: words.number(),
                refresh: words.or_never(),
                flags: words.number(),
                initial_rto: words.number(),
                rc: words.number(),
                rm: words.number(),
                ti: words.number(),
                backoff: (words.number(), words.number()),
                credential: words.credential(),
            }),
            "server" => Self::Server { local: words.address(), credential: words.credential() },
            "survey" => Self::Survey(SurveyCall {
                enough: words.number(),
                deadline: words.number(),
                attempt_delay: words.number(),
                targets: (0..words.number::<u32>()).map(|_| (words.path(), words.number())).collect(),
            }),
            "cancel" => Self::Cancel(words.number()),
            "input" => Self::Input { path: words.path(), socket_id: words.number(), bytes: words.bytes() },
            "timeout" => Self::Timeout,
            "error" => Self::Error { kind: words.number(), path: words.path(), bytes: words.bytes() },
            other => panic!("{other} is no call"),
        };
        (now, call)
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Binding(binding) => {
                let refresh = Never(binding.refresh);
                write!(f, "{} {} {refresh} {}", Path(&binding.path), binding.socket_id, binding.flags)?;
                write!(f, " {} {} {} {}", binding.initial_rto, binding.rc, binding.rm, binding.ti)?;
                write!(f, " {} {}", binding.backoff.0, binding.backoff.1)?;
                write!(f, "{}", Secret(binding.credential.as_ref()))
            }
            Self::Server { local, credential } => {
                write!(f, " {}{}", Address(*local), Secret(credential.as_ref()))
            }
            Self::Survey(SurveyCall { enough, deadline, attempt_delay, targets }) => {
                write!(f, " {enough} {deadline} {attempt_delay} {}", targets.len())?;
                targets.iter().try_for_each(|(path, socket_id)| write!(f, "{} {socket_id}", Path(path)))
            }
            Self::Cancel(id) => write!(f, " {id}"),
            Self::Input { path, socket_id, bytes } => {
                write!(f, "{} {socket_id} {}", Path(path), Hex(bytes))
            }
            Self::Timeout => Ok(()),
            Self::Error { kind, path, bytes } => write!(f, " {kind}{} {}", Path(path), Hex(bytes)),
        }
    }
}

/// The words of a line.
struct Words<'a>(std::str::Split<'a, char>);

impl<'a> Words<'a> {
    fn of(line: &'a str) -> Self {
        Self(line.split(' '))
    }

    fn word(&mut self) -> &'a str {
        self.0.next().expect("another word")
    }

    fn number<N: std::str::FromStr>(&mut self) -> N {
        let word = self.word();
        word.parse().unwrap_or_else(|_| panic!("{word} is no number"))
    }

    fn or_never(&mut self) -> Option<u64> {
        let word = self.word();
        (word != "never").then(|| word.parse().expect("a time"))
    }

    fn bytes(&mut self) -> Vec<u8> {
        let word = self.word();
        let digits: Vec<u8> = match word {
            "-" => Vec::new(),
            word => word.chars().map(|digit| digit.to_digit(16).expect("hexadecimal") as u8).collect(),
        };
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    fn address(&mut self) -> Option<SocketAddr> {
        match self.word() {
            "any" => None,
            word => Some(word.parse().expect("an address")),
        }
    }

    fn path(&mut self) -> FiveTuple {
        let transport = match self.word() {
            "udp" => Transport::Udp,
            "tcp" => Transport::Tcp,
            "tls" => Transport::Tls,
            other => panic!("{other} is no transport"),
        };
        let (local, remote) = (self.address(), self.address().expect("a remote address"));
        FiveTuple { transport, local: local.unwrap_or(any(remote)), remote }
    }

    fn credential(&mut self) -> Option<Credential> {
        let (username, password, integrity) = (self.bytes(), self.bytes(), self.number());
        (!username.is_empty()).then_some(Credential { username, password, integrity })
    }
}

struct Hex<'a>(&'a [u8]);

impl Display for Hex<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return f.write_str("-");
        }
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

struct Never(Option<u64>);

impl Display for Never {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(nanos) => write!(f, "{nanos}"),
            None => f.write_str("never"),
        }
    }
}

/// An address; IPv6 in eight groups without abbreviation, so that no reader needs to know the rules for it.
struct Address(Option<SocketAddr>);

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            None => f.write_str("any"),
            Some(SocketAddr::V4(v4)) => write!(f, "{v4}"),
            Some(SocketAddr::V6(v6)) => {
                let groups: Vec<String> =
                    v6.ip().segments().iter().map(|group| format!("{group:x}")).collect();
                write!(f, "[{}]:{}", groups.join(":"), v6.port())
            }
        }
    }
}

struct Path<'a>(&'a FiveTuple);

impl Display for Path<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let FiveTuple { transport, local, remote } = *self.0;
        let transport = match transport {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            _ => "other",
        };
        let local = Some(local).filter(|local| *local != any(*local));
        write!(f, " {transport} {} {}", Address(local), Address(Some(remote)))
    }
}

struct Secret<'a>(Option<&'a Credential>);

impl Display for Secret<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            None => f.write_str(" - - 0"),
            Some(it) => write!(f, " {} {} {}", Hex(&it.username), Hex(&it.password), it.integrity),
        }
    }
}

struct Told(BindingEvent);

impl Display for Told {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let rtt = |rtt: Option<Duration>| Never(rtt.map(|rtt| rtt.as_nanos() as u64));
        match self.0 {
            BindingEvent::Mapped { address, rtt: time } => {
                write!(f, "mapped {} - {} - - - -", Address(Some(address)), rtt(time))
            }
            BindingEvent::Refreshed { address, rtt: time } => {
                write!(f, "refreshed {} - {} - - - -", Address(Some(address)), rtt(time))
            }
            BindingEvent::AddressChanged { previous, address, rtt: time } => {
                let (now, before) = (Address(Some(address)), Address(Some(previous)));
                write!(f, "changed {now} {before} {} - - - -", rtt(time))
            }
            BindingEvent::Retrying { reason, at } => {
                write!(f, "retrying - - - {} {}", at.as_nanos(), Why(reason))
            }
            BindingEvent::Failed { reason } => write!(f, "failed - - - - {}", Why(reason)),
            _ => f.write_str("unknown - - - - none 0 0"),
        }
    }
}

struct ToldBySurvey(SurveyEvent);

impl Display for ToldBySurvey {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            SurveyEvent::Mapped { target, path, address, rtt } => {
                let (address, server) = (Address(Some(address)), Address(Some(path.remote)));
                let rtt = Never(rtt.map(|rtt| rtt.as_nanos() as u64));
                write!(f, "answer {address} {server} {rtt} {target} - - -")
            }
            SurveyEvent::Failed { target, path, reason } => {
                write!(f, "no-answer - {} - {target} {}", Address(Some(path.remote)), Why(reason))
            }
            SurveyEvent::Finished { answered, failed, unanswered, mapping } => {
                let mapping = match mapping {
                    ObservedMapping::SameEverywhere => "same",
                    ObservedMapping::DependsOnDestination { servers: ServersDiffer::Address } => "address",
                    ObservedMapping::DependsOnDestination { servers: ServersDiffer::PortOnly } => "port",
                    _ => "unknown",
                };
                write!(f, "surveyed - - - {unanswered} {mapping} {failed} {answered}")
            }
            _ => f.write_str("unknown - - - - none 0 0"),
        }
    }
}

/// Reason, code, count.
struct Why(FailureReason);

impl Display for Why {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            FailureReason::Timeout => f.write_str("timeout 0 0"),
            FailureReason::IntegrityViolated { code, count } => write!(f, "integrity {code} {count}"),
            FailureReason::ErrorResponse { code } => write!(f, "error-response {code} 0"),
            FailureReason::MalformedError => f.write_str("malformed-error 0 0"),
            FailureReason::UnknownAttribute { attribute } => {
                write!(f, "unknown-attribute {} 0", attribute.number())
            }
            FailureReason::NoMappedAddress => f.write_str("no-mapped-address 0 0"),
            FailureReason::SendFailed { error } => {
                let kind = ERRORS.iter().position(|known| *known == error).expect("a known error") + 1;
                write!(f, "send {kind} 0")
            }
            FailureReason::Authentication { failure } => {
                let code = AUTH_FAILURES.iter().position(|known| *known == failure).expect("a known failure");
                write!(f, "authentication {} 0", code + 1)
            }
            _ => panic!("the format has no word for it yet"),
        }
    }
}

/// In the order of their numbers in the C ABI, which begin with 1.
const AUTH_FAILURES: [AuthFailure; 9] = [
    AuthFailure::Rejected,
    AuthFailure::NoRealm,
    AuthFailure::NoNonce,
    AuthFailure::SameNonce,
    AuthFailure::TooManyChallenges,
    AuthFailure::BidDown,
    AuthFailure::NoKnownAlgorithm,
    AuthFailure::Sha256NotOffered,
    AuthFailure::AnonymityNotOffered,
];

/// In the order of their numbers, which begin with 1 and are those of the C ABI.
const ERRORS: [SendError; 7] = [
    SendError::NoRoute,
    SendError::FamilyUnavailable,
    SendError::PermissionDenied,
    SendError::Refused,
    SendError::MessageTooLarge,
    SendError::SocketClosed,
    SendError::Transient,
];

fn wake_name(reason: Option<WakeReason>) -> &'static str {
    match reason {
        None => "none",
        Some(WakeReason::Output) => "output",
        Some(WakeReason::Retransmission) => "retransmission",
        Some(WakeReason::TransactionTimeout) => "transaction-timeout",
        Some(WakeReason::Refresh) => "refresh",
        Some(WakeReason::Retry) => "retry",
        Some(WakeReason::Pacing) => "pacing",
        Some(WakeReason::Attempt) => "attempt",
        Some(WakeReason::Measurement) => "measurement",
        Some(WakeReason::Deadline) => "deadline",
        Some(_) => panic!("the format has no word for it yet"),
    }
}

/// The unspecified address of the same family.
fn any(like: SocketAddr) -> SocketAddr {
    match like {
        SocketAddr::V4(_) => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        SocketAddr::V6(_) => SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0),
    }
}
