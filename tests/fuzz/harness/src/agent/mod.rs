//! An agent under arbitrary calls at arbitrary times, and a model of what it may do.

mod more;
mod plan;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use libstun::agent::{StartError, StreamEvent};
use libstun::auth::{Credentials, ShortTerm};
use libstun::stun::binding::Backoff;
use libstun::stun::{Binding, BindingConfig, BindingEvent, Server, ServerConfig, SurveyEvent};
use libstun::transaction::RetransmissionConfig;
use libstun::wire::IntegrityAlgorithm;
use libstun::{
    Agent, AgentEvent, Datagram, Entropy, Event, FiveTuple, Instant, Machine, OperationId, Outcome, Receipt,
    SendError, Transport, WakeReason,
};

use self::more::More;
use self::plan::{BindingPlan, Call, ERRORS, MILLI, Start, TRANSPORTS, When, endpoint, server_config};
use crate::naive;
use crate::replies::{PASSWORD, Reply, USERNAME};

/// The contract holds after every call, nothing is sent to an address that nobody named, nothing is believed
/// that nobody said, and a twin that is pestered and told clamped times does the same.
pub fn agent(data: &[u8]) {
    let mut source = Unstructured::new(data);
    let Ok((seed, limit, start)) = <(u8, u8, Start)>::arbitrary(&mut source) else { return };
    let mut world = World::new(seed, limit, start.time());
    for _ in 0..MAX_STEPS {
        if source.is_empty() {
            break;
        }
        let Ok((when, call)) = <(When, Call)>::arbitrary(&mut source) else { break };
        let now = world.time(when);
        world.step(&call, now);
    }
    world.drain();
    world.wake();
}

const MAX_STEPS: usize = 96;

/// What the model knows of an operation.
struct Operation {
    id: OperationId,
    kind: Kind,
    /// Where it may ask; the last is where it does, unless it has been redirected.
    paths: Vec<FiveTuple>,
    trust: Trust,
    asks_once: bool,
    /// Whether it was told to refresh after all.
    is_retimed: bool,
}

#[derive(PartialEq)]
enum Kind {
    Binding,
    Server,
    Survey,
    /// With the bytes that are not a whole frame yet.
    Stream {
        path: FiveTuple,
        pending: Vec<u8>,
    },
}

/// What an operation believes.
#[derive(Clone, Copy)]
enum Trust {
    Anything,
    ShortTerm,
    /// What the realm's password signed, and any answer to a request that nothing signed.
    LongTerm,
}

impl Operation {
    fn new(id: OperationId) -> Self {
        let (kind, trust) = (Kind::Server, Trust::Anything);
        Self { id, kind, paths: Vec::new(), trust, asks_once: false, is_retimed: false }
    }

    /// Whether it may ask on that path: its own, one that a server has named, from an address that it was given.
    fn may_ask(&self, path: &FiveTuple, named: &[SocketAddr], locals: &[IpAddr]) -> bool {
        self.paths.iter().any(|own| {
            let is_named = own.remote == path.remote || named.contains(&path.remote);
            let moved = locals.contains(&path.local.ip()) && own.local.port() == path.local.port();
            own.transport == path.transport && is_named && (own.local == path.local || moved)
        })
    }
}

impl Trust {
    const fn of(credentials: Option<&Credentials>) -> Self {
        match credentials {
            None => Self::Anything,
            Some(Credentials::LongTerm(_)) => Self::LongTerm,
            Some(_) => Self::ShortTerm,
        }
    }
}

struct World {
    agent: Agent,
    twin: Agent,
    limit: usize,
    latest: u64,
    operations: Vec<Operation>,
    /// Every request that was sent, by id.
    requests: BTreeMap<[u8; 12], (FiveTuple, Vec<u8>)>,
    order: Vec<[u8; 12]>,
    /// Where requests came from, and so where replies may go.
    askers: Vec<FiveTuple>,
    /// Addresses in responses that came from where they should.
    heard: Vec<SocketAddr>,
    heard_signed: Vec<SocketAddr>,
    /// The same, in answers to requests without a signature.
    heard_plain: Vec<SocketAddr>,
    /// The same, in answers that the realm's password signed.
    heard_from_realm: Vec<SocketAddr>,
    /// Local addresses that the host was said to have.
    locals: Vec<IpAddr>,
    /// Servers that valid responses have named in place of others.
    named: Vec<SocketAddr>,
    replies: u16,
    /// Whether everything was taken since the last input.
    is_drained: bool,
}

impl World {
    fn new(seed: u8, limit: u8, start: u64) -> Self {
        let make = || Agent::new(Entropy::from_seed([seed; 32]), Instant::from_nanos(start));
        let mut world = Self {
            agent: make(),
            twin: make(),
            limit: usize::from(limit % 8) + 1,
            latest: start,
            operations: Vec::new(),
            requests: BTreeMap::new(),
            order: Vec::new(),
            askers: Vec::new(),
            heard: Vec::new(),
            heard_signed: Vec::new(),
            heard_plain: Vec::new(),
            heard_from_realm: Vec::new(),
            locals: Vec::new(),
            named: Vec::new(),
            replies: 0,
            is_drained: true,
        };
        world.agent.set_max_operations(world.limit);
        world.twin.set_max_operations(world.limit);
        world
    }

    fn time(&self, when: When) -> u64 {
        let deadline = self.agent.poll_timeout().map_or(self.latest, Instant::as_nanos);
        let millis = |count: u16| u64::from(count) * MILLI;
        match when {
            When::Same => self.latest,
            When::Ahead(by) => self.latest.saturating_add(millis(by)),
            When::Exact => deadline,
            When::JustBefore => deadline.saturating_sub(1),
            When::Late(by) => deadline.saturating_add(millis(by)),
            When::Back(by) => self.latest.saturating_sub(millis(by)),
            When::Zero => 0,
            When::Far(days) if days >= 250 => u64::MAX,
            When::Far(days) => self.latest.saturating_add(u64::from(days) * 86_400_000 * MILLI),
        }
    }

    fn step(&mut self, call: &Call, now: u64) {
        match call {
            Call::Drain => return self.drain(),
            Call::PollTransmit => {
                self.poll_transmit();
                return;
            }
            Call::PollEvent => {
                self.poll_event();
                return;
            }
            _ => {}
        }
        self.pester();
        let before = self.agent.poll_timeout();
        let (now, clamped) = (Instant::from_nanos(now), Instant::from_nanos(now.max(self.latest)));
        self.latest = clamped.as_nanos();
        let was_drained = std::mem::replace(&mut self.is_drained, false);
        match call {
            Call::Timeout => {
                self.agent.handle_timeout(now);
                self.twin.handle_timeout(clamped);
                if was_drained {
                    self.check_progress(before);
                }
            }
            Call::Binding(plan) => self.start_binding(plan, now, clamped),
            Call::Server { local, is_signed } => self.start_server(*local, *is_signed, now, clamped),
            Call::Cancel(which) => self.cancel(*which, now, clamped),
            Call::SendError { which, error, knows_bytes } => {
                self.send_error(*which, *error, *knows_bytes, now, clamped);
            }
            Call::Reply { .. } | Call::Ask { .. } | Call::Raw { .. } | Call::Forge { .. } => {
                let (path, bytes) = self.datagram(call);
                self.feed(path, &bytes, now, clamped);
            }
            Call::More(more) => self.more(more, now, clamped),
            Call::Drain | Call::PollTransmit | Call::PollEvent => {}
        }
        self.check();
    }

    fn start_binding(&mut self, plan: &BindingPlan, now: Instant, clamped: Instant) {
        let config = plan.config();
        let started = self.agent.start_binding(config.clone(), now);
        assert_eq!(self.twin.start_binding(config.clone(), clamped), started, "C8");
        self.check_limit(started);
        if let Ok(id) = started {
            self.operations.push(Operation {
                kind: Kind::Binding,
                paths: vec![config.path],
                trust: Trust::of(config.credentials.as_ref()),
                asks_once: config.refresh.is_none(),
                ..Operation::new(id)
            });
        }
    }

    fn start_server(&mut self, local: u8, is_signed: bool, now: Instant, clamped: Instant) {
        let config = server_config(local, is_signed);
        let started = self.agent.start_server(config.clone(), now);
        assert_eq!(self.twin.start_server(config, clamped), started, "C8");
        self.check_limit(started);
        if let Ok(id) = started {
            self.operations.push(Operation::new(id));
        }
    }

    fn check_limit(&self, started: Result<OperationId, StartError>) {
        let is_full = self.operations.len() >= self.limit;
        assert_eq!(started == Err(StartError::TooManyOperations), is_full, "C7: the limit of operations");
    }

    fn cancel(&mut self, which: u8, now: Instant, clamped: Instant) {
        let place = usize::from(which) % (self.operations.len() + 1);
        let id = self.operations.get(place).map_or(OperationId::from_u64(u64::from(which)), |it| it.id);
        let cancelled = self.agent.cancel(id, now);
        assert_eq!(self.twin.cancel(id, clamped), cancelled, "C8");
        assert_eq!(cancelled.is_ok(), place < self.operations.len());
        if cancelled.is_ok() {
            self.operations.remove(place);
        }
    }

    fn send_error(&mut self, which: u8, error: u8, knows_bytes: bool, now: Instant, clamped: Instant) {
        let receipt = match self.request(which).map(|id| &self.requests[&id]) {
            Some((path, bytes)) if knows_bytes => Receipt::of(*path, bytes).expect("a request is STUN"),
            Some((path, _)) => Receipt { path: *path, transaction_id: None },
            None => Receipt { path: FiveTuple::udp(endpoint(which), endpoint(error)), transaction_id: None },
        };
        let error = ERRORS[usize::from(error) % ERRORS.len()];
        self.agent.handle_send_error(&receipt, error, now);
        self.twin.handle_send_error(&receipt, error, clamped);
    }

    fn datagram(&mut self, call: &Call) -> (FiveTuple, Vec<u8>) {
        let strange = |from: u8, to: u8| FiveTuple::udp(endpoint(to), endpoint(from));
        match call {
            Call::Reply { which, reply, from } => {
                let Some(id) = self.request(*which) else { return (strange(*from, 0), Vec::new()) };
                self.replies = (self.replies + 1) % 40_000;
                let mut path = self.requests[&id].0;
                if *from >= 0xF0 {
                    path.remote = endpoint(*from);
                }
                if reply.is_signed() {
                    self.heard_signed.push(reply.address(self.replies));
                }
                (path, reply.write(id, self.replies))
            }
            Call::Forge { which, bytes } => {
                let mut bytes = bytes.clone();
                let Some(id) = self.request(*which) else { return (strange(*which, 0), bytes) };
                if let Some(place) = bytes.get_mut(8..20) {
                    place.copy_from_slice(&id);
                }
                (self.requests[&id].0, bytes)
            }
            Call::Ask { from, to, transport, id, extra } => {
                let transport = TRANSPORTS[usize::from(*transport) % 3];
                (FiveTuple { transport, ..strange(*from, *to) }, extra.write(*id))
            }
            Call::Raw { from, to, bytes } => (strange(*from, *to), bytes.clone()),
            _ => unreachable!("no datagram"),
        }
    }

    /// Reads a message as the naive reader does, and notes what it says.
    fn note_input(&mut self, path: FiveTuple, bytes: &[u8]) -> Option<naive::Message> {
        let message = naive::read(bytes)?;
        if message.class >= 2 {
            self.hear(path, &message);
        } else if message.class == 0 && !self.askers.contains(&path) {
            self.askers.push(path);
        }
        Some(message)
    }

    fn feed(&mut self, path: FiveTuple, bytes: &[u8], now: Instant, clamped: Instant) {
        let read = self.note_input(path, bytes);
        let total = self.agent.counters().total();
        let (datagram, deadline) = (Datagram::new(path, bytes), self.agent.poll_timeout());
        let outcome = self.agent.handle_input(&datagram, now);
        assert_eq!(self.twin.handle_input(&datagram, clamped), outcome, "C8");
        let dropped = self.agent.counters().total() - total;
        assert_eq!(dropped, u32::from(self.agent.counters().latest().is_some()), "C9: a drop counts once");
        match outcome {
            Outcome::Unwrapped(_) => panic!("nothing unwraps"),
            Outcome::Consumed => {
                assert!(read.is_some() || naive::is_framed(bytes), "C9: garbage was claimed");
                assert!(read.is_some() || dropped == 1, "C9: malformed STUN was not counted");
            }
            Outcome::Unclaimed => {
                assert!(dropped == 0, "C9: dropped and not claimed");
                let same = self.agent.poll_timeout();
                // Only the time of queued output may move.
                assert!(same == deadline || self.agent.wake_reason() == Some(WakeReason::Output), "{same:?}");
            }
        }
    }

    /// Notes the addresses of a response that comes from where a request under its id went.
    fn hear(&mut self, path: FiveTuple, message: &naive::Message) {
        let asked = self.requests.get(&message.id);
        let request = asked.and_then(|(_, bytes)| naive::read(bytes));
        let is_plain = request.is_some_and(|request| !request.has_sha1 && !request.has_sha256);
        if !asked.is_some_and(|(asked, _)| asked.remote == path.remote && asked.transport == path.transport) {
            return;
        }
        for attribute in &message.attributes[..message.covered] {
            let said = naive::address_type(attribute.number)
                .and_then(|is_xored| naive::address(&attribute.value, is_xored, &message.id));
            match attribute.number {
                0x0001 | 0x0020 => {
                    self.heard.extend(said);
                    self.heard_plain.extend(said.filter(|_| is_plain));
                }
                0x8023 => self.named.extend(said),
                _ => {}
            }
        }
    }

    fn drain(&mut self) {
        let announced = self.agent.poll_timeout();
        let (mut sent, mut told) = (Vec::new(), 0);
        while let Some(id) = self.poll_transmit() {
            sent.push(id);
        }
        while self.poll_event().is_some() {
            told += 1;
        }
        if !sent.is_empty() || told > 0 {
            assert!(!self.is_drained, "C1: output appeared between two polls");
            assert!(announced.is_some_and(|at| at.as_nanos() <= self.latest), "C2: {announced:?}");
        }
        let servers = self.operations.iter().filter(|operation| operation.kind == Kind::Server).count();
        let bindings = self.limit; // those that ended while they were drained count too
        // The request that works and the retry of a challenge, at each target of a survey.
        assert!(
            sent.len() <= bindings * 2 * 3 + servers * Server::MAX_QUEUED_REPLIES,
            "C7: {} sends",
            sent.len()
        );
        let most = bindings * Binding::MAX_EVENTS + servers * Server::MAX_EVENTS;
        assert!(told <= most, "C7: {told} events");
        sent.retain(|id| id.is_some());
        let count = sent.len();
        sent.sort_unstable();
        sent.dedup();
        assert_eq!(sent.len(), count, "C4: a request was sent twice to catch up");
        self.is_drained = true;
        assert_ne!(self.agent.wake_reason(), Some(WakeReason::Output), "C2: announced, and not there");
        self.check();
    }

    /// Takes a datagram, and checks that somebody wanted it sent; the id if it is a request.
    fn poll_transmit(&mut self) -> Option<Option<[u8; 12]>> {
        let peeked = self.agent.transmits().next().map(|transmit| (transmit.path, transmit.payload.to_vec()));
        let sent = self.agent.poll_transmit().map(|transmit| (transmit.path, transmit.payload.to_vec()));
        assert_eq!(peeked, sent, "peeking shows what comes");
        let twin = self.twin.poll_transmit().map(|transmit| (transmit.path, transmit.payload.to_vec()));
        assert_eq!(sent, twin, "C4, C5 or C8");
        let (path, bytes) = sent?;
        let message = naive::read(&bytes).expect("what is sent is STUN");
        assert_ne!(message.fingerprint, Some(false));
        if message.class != 0 {
            // For NAT behaviour discovery it may leave from elsewhere, and go to another port.
            let asked = |asker: &FiveTuple| {
                asker.remote.ip() == path.remote.ip() && asker.transport == path.transport
            };
            assert!(self.askers.iter().any(asked), "a reply to {path:?}, which asked nothing");
            assert!(bytes.len() <= Server::MAX_PADDED_REPLY);
            return Some(None);
        }
        let mut all = self.operations.iter();
        let is_wanted = all.any(|operation| operation.may_ask(&path, &self.named, &self.locals));
        assert!(is_wanted, "a request to {path:?}, which nobody named");
        match self.requests.get(&message.id) {
            Some(before) => assert_eq!(*before, (path, bytes), "a retransmission differs"),
            None => {
                self.requests.insert(message.id, (path, bytes));
                self.order.push(message.id);
            }
        }
        Some(Some(message.id))
    }

    fn poll_event(&mut self) -> Option<AgentEvent> {
        let event = self.agent.poll_event();
        assert_eq!(self.twin.poll_event(), event, "C4, C5 or C8");
        let AgentEvent { id, event: happened, is_last: is_said_last } = event.clone()?;
        let place =
            self.operations.iter().position(|operation| operation.id == id).expect("a live operation");
        let is_last = match happened {
            Event::Binding(happened) => self.check_binding(place, happened, is_said_last),
            Event::Server(_) => false,
            Event::Stream(StreamEvent::Close { path: closed, .. }) => {
                let operation = &self.operations[place];
                assert!(matches!(operation.kind, Kind::Stream { path, .. } if path == closed));
                true
            }
            Event::Survey(SurveyEvent::Mapped { address, .. }) => {
                self.check_heard(place, address);
                false
            }
            Event::Survey(happened) => matches!(happened, SurveyEvent::Finished { .. }),
            _ => panic!("an unknown event"),
        };
        assert_eq!(is_said_last, is_last);
        if is_last {
            self.operations.remove(place);
        }
        event
    }

    /// Whether a binding may say that; whether it is its last word.
    fn check_binding(&mut self, place: usize, happened: BindingEvent, is_said_last: bool) -> bool {
        let _ = format!("{happened}");
        let Operation { asks_once, is_retimed, .. } = self.operations[place];
        match happened {
            BindingEvent::Mapped { address, rtt } | BindingEvent::Refreshed { address, rtt } => {
                self.check_heard(place, address);
                assert!(rtt.is_none_or(|rtt| rtt.as_nanos() <= u128::from(self.latest)));
                // Where it was told to refresh in time, it stays.
                if is_retimed { is_said_last } else { asks_once }
            }
            BindingEvent::AddressChanged { previous, address, .. } => {
                self.check_heard(place, previous);
                self.check_heard(place, address);
                assert!(previous != address && (!asks_once || is_retimed));
                false
            }
            BindingEvent::Redirected { server, .. } => {
                assert!(self.named.contains(&server));
                false
            }
            BindingEvent::Reconnect { path } => {
                let is_own = self.operations[place].may_ask(&path, &self.named, &self.locals);
                assert!(path.transport.is_reliable() && is_own);
                false
            }
            BindingEvent::Restarted { local, .. } => {
                assert!(local.ip().is_unspecified() || self.locals.contains(&local.ip()));
                false
            }
            BindingEvent::Retrying { .. } => false,
            BindingEvent::Failed { .. } => true,
            _ => panic!("an event that the model does not know"),
        }
    }

    fn check_heard(&self, place: usize, address: SocketAddr) {
        let heard = |all: &[SocketAddr]| all.contains(&address);
        let is_heard = match self.operations[place].trust {
            Trust::Anything => heard(&self.heard),
            Trust::ShortTerm => heard(&self.heard_signed),
            Trust::LongTerm => heard(&self.heard_plain) || heard(&self.heard_from_realm),
        };
        assert!(is_heard, "{address}, which no valid response said");
    }

    /// After every call.
    fn check(&self) {
        let (at, reason) = (self.agent.poll_timeout(), self.agent.wake_reason());
        assert_eq!(at.is_some(), reason.is_some(), "C10: {at:?} for {reason:?}");
        assert_eq!((at, reason), (self.twin.poll_timeout(), self.twin.wake_reason()), "C4, C5 or C8");
        let is_now = at.is_some_and(|at| at.as_nanos() <= self.latest);
        if self.agent.transmits().next().is_some() {
            assert_eq!(reason, Some(WakeReason::Output));
        }
        if reason == Some(WakeReason::Output) {
            assert!(is_now, "C2: output, and yet {at:?}");
        }
        assert_eq!(self.agent.operation_count(), self.operations.len());
        assert!(self.operations.iter().all(|operation| self.agent.contains(operation.id)));
    }

    /// C3 and C6, after `handle_timeout` on a drained agent.
    fn check_progress(&self, before: Option<Instant>) {
        let (after, reason) = (self.agent.poll_timeout(), self.agent.wake_reason());
        match before {
            None => assert_eq!(after, None, "C6: time alone changed something"),
            Some(at) if at.as_nanos() > self.latest => {
                assert_eq!(after, before, "C4: an early call did something")
            }
            Some(_) => {
                let is_later = after.is_none_or(|after| after.as_nanos() > self.latest);
                assert!(reason == Some(WakeReason::Output) || is_later, "C3: {before:?}, then {after:?}");
            }
        }
    }

    /// The twin is woken early, twice, which must not matter.
    fn pester(&mut self) {
        if self.twin.poll_timeout().is_some_and(|at| at.as_nanos() > self.latest) {
            self.twin.handle_timeout(Instant::from_nanos(self.latest));
            self.twin.handle_timeout(Instant::ZERO);
        }
    }

    /// Sleeps exactly to the deadline until all comes to an end or goes round; no busy loop.
    fn wake(&mut self) {
        for _ in 0..64 {
            let Some(at) = self.agent.poll_timeout() else { return };
            self.step(&Call::Timeout, at.as_nanos());
            self.drain();
        }
    }

    /// The request that a call means: 0 is the newest.
    fn request(&self, which: u8) -> Option<[u8; 12]> {
        let count = self.order.len();
        (count > 0).then(|| self.order[count - 1 - usize::from(which) % count])
    }
}
