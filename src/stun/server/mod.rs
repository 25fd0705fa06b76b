//! The server side of the Binding method: answers with the source address of the request.
//!
//! | file | what it is |
//! |---|---|
//! | `config` | what the host decides |
//! | `admission` | who may ask (RFC 8489 s9) |
//! | `behavior` | answers from elsewhere (RFC 5780) |
//! | `reply` | what is written |
//! | `budget`, `event` | what strangers may be sent, and who wants too much |
//! | `outbox` | replies that wait for the host |

mod admission;
mod behavior;
mod budget;
mod config;
mod event;
mod outbox;
mod reply;

use core::net::SocketAddr;

use admission::Admission;
use behavior::Detour;
pub use behavior::{BehaviorDiscovery, BehaviorError};
pub use budget::Budget;
use budget::{Account, Ledger};
pub use config::{ServerConfig, ServerCredentials};
use event::Events;
pub use event::ServerEvent;
use outbox::Outbox;
use reply::{Content, Extras, Reply, Seal};

use crate::auth::Realm;
use crate::auth::nonce::Nonces;
use crate::entropy::Entropy;
use crate::machine::{Counters, Disposition, DropReason, Machine, Receipt, Usage, WakeReason};
use crate::net::{self, Datagram, FiveTuple, Outcome, SendError, Transmit};
use crate::time::{Instant, Now};
use crate::wire::attribute::{AttributeType, AttributeValue, ChangeRequest};
use crate::wire::classic::{self, ClassicId, MAX_CLASSIC_LENGTH};
use crate::wire::{Class, Integrity, Message, Method, TransactionId};

/// Answers Binding requests. Keeps nothing about anybody: nonces are recognised, not remembered, and what
/// strangers may be sent is counted in a table of fixed size.
///
/// A reply is never longer than [`Server::MAX_REPLY`] bytes, or than its request where that has PADDING.
/// Responses, indications, garbage, and sources that nobody can be behind get silence, so that two servers
/// cannot be set upon each other. SOFTWARE is never sent: it would only amplify.
///
/// ```text
///  request --> FINGERPRINT? --> source usable? --> signed? ------> attributes known? --> success
///                 | no             | no           | no                | no                 |
///               silence          silence         400, 401, 438       420, 400              |
///                                                     \________________/                   |
///                                                       within the budget?   <-------------+
///                                                         | no
///                                                       silence, and perhaps an event
/// ```
///
/// # Where the RFCs leave a choice, and where it differs
///
/// - A request with both USERNAME and USERHASH is 400: they could name two users (RFC 8489 s9.2.4 says nothing).
/// - REALM of another realm is 401: no such user there (RFC 8489 s9.2.4 does not look at it).
/// - A 401 or 438 is neither signed nor has a reason phrase; both would lengthen what strangers can ask for.
/// - Under a PASSWORD-ALGORITHM of MD5 the answer has MESSAGE-INTEGRITY-SHA256, as RFC 8489 s9.2.4 wants it; only
///   without any PASSWORD-ALGORITHM it has MESSAGE-INTEGRITY.
/// - What does not fit its [`Budget`] is withheld, or leaves out what RFC 5780 s6.1 adds to it.
/// - PADDING of a reply has the length of the request's at most, not that of the MTU (RFC 5780 s6.1).
/// - RESPONSE-PORT 0 is 400; over a stream, CHANGE-REQUEST, RESPONSE-PORT and PADDING are 420 (RFC 5780 s6.1).
/// - RESPONSE-ADDRESS of RFC 3489 s11.2.2 is 420: it would send replies to whomever a stranger names.
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    outbox: Outbox,
    ledger: Option<Ledger>,
    nonces: Nonces,
    events: Events,
    counters: Counters,
    answered: u64,
    now: Now,
}

/// A request, and how it came.
struct Asked<'a, 'd> {
    request: &'a Message<'a>,
    datagram: &'a Datagram<'d>,
    /// The id of a client of RFC 3489.
    classic: Option<ClassicId>,
}

impl Server {
    /// Longest reply in bytes, PADDING aside: a challenge with the longest name of a realm. A plain success is
    /// 32 (IPv4) or 44 (IPv6), and 8 more with FINGERPRINT.
    pub const MAX_REPLY: usize = 220;

    /// Longest reply to a request with PADDING: that of Ethernet's MTU, and RFC 5780's attributes, signed.
    pub const MAX_PADDED_REPLY: usize = 1664;

    /// Replies kept for a host that does not poll; more are dropped and counted.
    pub const MAX_QUEUED_REPLIES: usize = 256;

    /// Unknown attributes that a 420 lists at most.
    pub const MAX_LISTED_ATTRIBUTES: usize = 8;

    /// Events kept for a host that does not poll; more are dropped and counted.
    pub const MAX_EVENTS: usize = 64;

    /// A server. Its nonces and its hash are as unpredictable as `entropy`.
    #[must_use]
    pub fn new(config: ServerConfig, mut entropy: Entropy, now: Instant) -> Self {
        let ledger = config.budget.map(|budget| Ledger::new(budget, entropy.fork()));
        Self {
            outbox: Outbox::default(),
            nonces: Nonces::new(entropy.fork()),
            events: Events::with_room(if ledger.is_some() { Self::MAX_EVENTS } else { 0 }),
            ledger,
            config,
            counters: Counters::default(),
            answered: 0,
            now: Now::new(now),
        }
    }

    /// The local addresses whose requests it answers; an unspecified IP is any, port 0 is any.
    pub(crate) fn listening(&self) -> impl Iterator<Item = SocketAddr> + use<> {
        let behavior = self.config.behavior;
        let local = behavior.is_none().then(|| self.config.local.unwrap_or(net::EVERYWHERE));
        behavior.into_iter().flat_map(|behavior| behavior.sockets()).map(|(local, _)| local).chain(local)
    }

    /// Where it answers; `None` is everywhere.
    #[must_use]
    pub const fn local(&self) -> Option<SocketAddr> {
        self.config.local
    }

    /// The users of its realm, to add and remove some; `None` if it has no realm.
    pub fn realm_mut(&mut self) -> Option<&mut Realm> {
        match &mut self.config.credentials {
            Some(ServerCredentials::LongTerm(realm)) => Some(realm),
            Some(ServerCredentials::ShortTerm(_)) | None => None,
        }
    }

    /// Whether it answers clients of RFC 3489, which can prove nothing.
    pub(crate) fn answers_rfc3489(&self) -> bool {
        self.config.answers_rfc3489 && self.config.credentials.is_none()
    }

    /// How many requests it has answered, with success or an error.
    #[must_use]
    pub const fn answered(&self) -> u64 {
        self.answered
    }

    /// What was dropped, by reason.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Events that the host has not taken in time. Sticks at `u32::MAX`.
    #[must_use]
    pub const fn dropped_events(&self) -> u32 {
        self.events.dropped()
    }

    fn consider(&mut self, datagram: &Datagram<'_>, now: Instant) -> Disposition<'static> {
        self.now.advance(now);
        self.outbox.forget_polled();
        if let Ok(message) = Message::parse(datagram.payload) {
            return self.receive_message(&Asked { request: &message, datagram, classic: None });
        }
        if !self.answers_rfc3489() {
            return Disposition::Unclaimed;
        }
        let mut copy = [0; MAX_CLASSIC_LENGTH];
        match classic::read(datagram.payload, &mut copy) {
            Some((message, id)) => {
                self.receive_message(&Asked { request: &message, datagram, classic: Some(id) })
            }
            None => Disposition::Unclaimed,
        }
    }

    fn receive_message(&mut self, asked: &Asked<'_, '_>) -> Disposition<'static> {
        let is_binding = asked.request.method() == Method::BINDING && !asked.request.class().is_response();
        if !is_binding || !self.listens_on(&asked.datagram.path.local) {
            return Disposition::Unclaimed;
        }
        match check(asked).and_then(|()| self.answer(asked)) {
            Ok(()) => {
                self.answered = self.answered.saturating_add(1);
                Disposition::Done
            }
            Err(reason) => Disposition::Dropped(reason),
        }
    }

    /// Admits, charges, writes.
    fn answer(&mut self, asked: &Asked<'_, '_>) -> Result<(), DropReason> {
        if self.outbox.is_full() {
            return Err(DropReason::QueueFull);
        }
        let now = self.now.get();
        let credentials = self.config.credentials.as_ref();
        let admission = Admission::of(credentials, &mut self.nonces, asked, now);
        let is_free = admission.is_proven() || asked.datagram.path.transport.is_reliable();
        let account = enter(&mut self.ledger, &mut self.events, asked, &admission, is_free, now);
        let detour = Detour::of(self.config.behavior.as_ref(), asked.request, asked.datagram);
        let unknown = Unknown::of(asked, &detour);
        let reply = compose(asked, &admission, &detour, &unknown);
        // An error goes straight back: what it refuses is not acted upon.
        let detour = if reply.is_error() { Detour::none(asked.datagram) } else { detour };
        let allowance = match (&self.ledger, account) {
            (Some(ledger), Some(account)) => ledger.allowance(account, reply.is_error()),
            _ => usize::MAX,
        };
        let Some(length) = write(&mut self.outbox, reply, allowance) else {
            if let (Some(ledger), Some(account)) = (&mut self.ledger, account) {
                self.events.push(ledger.withhold(account, net::canonical(asked.datagram.path.remote).ip()));
            }
            return Err(DropReason::OverBudget);
        };
        if let (Some(ledger), Some(account)) = (&mut self.ledger, account) {
            ledger.spend(account, length, reply.is_error());
        }
        self.outbox.push(detour.path, detour.socket_id, length);
        Ok(())
    }

    fn listens_on(&self, local: &SocketAddr) -> bool {
        if let Some(behavior) = &self.config.behavior {
            return behavior.is_at(local);
        }
        self.config.local.is_none_or(|own| {
            (own.port() == 0 || own.port() == local.port())
                && (own.ip().is_unspecified() || own.ip() == local.ip())
        })
    }
}

impl Usage for Server {
    fn receive(&mut self, datagram: &Datagram<'_>, now: Instant) -> Disposition<'static> {
        let disposition = self.consider(datagram, now);
        self.counters.note(disposition);
        disposition
    }

    fn deadline(&self) -> Option<(Instant, WakeReason)> {
        None
    }

    fn transmits(&self) -> impl Iterator<Item = Transmit<'_>> {
        self.outbox.iter()
    }

    fn queued_transmits(&self) -> usize {
        self.outbox.queued()
    }

    fn queued_events(&self) -> usize {
        self.events.len()
    }

    fn outstanding(&self) -> impl Iterator<Item = (TransactionId, SocketAddr)> {
        core::iter::empty()
    }

    fn is_ended(&self) -> bool {
        false
    }

    fn asks_on(&self, _: &FiveTuple) -> bool {
        false
    }
}

impl Machine for Server {
    type Event = ServerEvent;

    fn handle_input<'a>(&mut self, datagram: &Datagram<'a>, now: Instant) -> Outcome<'a> {
        self.receive(datagram, now).outcome()
    }

    fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        self.outbox.poll()
    }

    fn poll_event(&mut self) -> Option<ServerEvent> {
        self.events.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.wake(self.now.get()).map(|(at, _)| at)
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now.advance(now);
        self.outbox.forget_polled();
    }

    fn handle_send_error(&mut self, _: &Receipt, _: SendError, now: Instant) {
        self.now.advance(now); // the client asks again
    }

    fn wake_reason(&self) -> Option<WakeReason> {
        self.wake(self.now.get()).map(|(_, reason)| reason)
    }
}

/// The checks of RFC 8489 s6.3 that end in silence.
fn check(asked: &Asked<'_, '_>) -> Result<(), DropReason> {
    let request = asked.request;
    if request.class() == Class::Indication {
        return Err(DropReason::Indication);
    }
    // RFC 3489 has no FINGERPRINT: there, the same number means nothing.
    if asked.classic.is_none() && request.check_fingerprint() == Integrity::Invalid {
        return Err(DropReason::BadFingerprint);
    }
    if !net::is_endpoint(&asked.datagram.path.remote) {
        return Err(DropReason::UnusableSource);
    }
    if has_malformed_attribute(request) {
        return Err(DropReason::MalformedAttribute);
    }
    Ok(())
}

/// Enters the request with its network, if that has to pay for the reply.
fn enter(
    ledger: &mut Option<Ledger>,
    events: &mut Events,
    asked: &Asked<'_, '_>,
    admission: &Admission<'_>,
    is_free: bool,
    now: Instant,
) -> Option<Account> {
    let ledger = ledger.as_mut()?;
    let remote = &asked.datagram.path.remote;
    // What is free earns nothing either. It is entered for the sake of its failures.
    let received = if is_free { 0 } else { asked.datagram.payload.len() };
    if is_free && !admission.is_failure() {
        return None;
    }
    let account = ledger.enter(remote, received, now);
    if admission.is_failure() {
        events.push(ledger.fail(account, net::canonical(*remote).ip(), is_free));
    }
    (!is_free).then_some(account)
}

/// Decides what the reply says.
fn compose<'a>(
    asked: &'a Asked<'a, '_>,
    admission: &'a Admission<'a>,
    detour: &Detour,
    unknown: &'a Unknown,
) -> Reply<'a> {
    let accepted = || match (unknown.types(), detour.is_contradictory) {
        ([], false) => {
            let mapped = net::canonical(asked.datagram.path.remote);
            let extras =
                Extras { mapped: detour.origin.is_some(), origin: detour.origin, other: detour.other };
            Content::Success { mapped, extras, padding: detour.padding }
        }
        ([], true) => Content::Error { code: 400 },
        (types, _) => Content::Unknown(types),
    };
    let (content, seal) = match admission {
        Admission::Open => (accepted(), Seal::Nobody),
        Admission::ShortTerm(credential, algorithm) => (accepted(), Seal::ShortTerm(credential, *algorithm)),
        Admission::LongTerm(signer) => (accepted(), Seal::LongTerm(signer)),
        Admission::BadRequest => (Content::Error { code: 400 }, Seal::Nobody),
        Admission::Unauthenticated => (Content::Error { code: 401 }, Seal::Nobody),
        Admission::Challenged { code, realm, nonce, .. } => {
            (Content::Challenge { code: *code, realm, nonce }, Seal::Nobody)
        }
    };
    let has_fingerprint = asked.classic.is_none() && asked.request.check_fingerprint() == Integrity::Valid;
    Reply { request: asked.request, content, seal, has_fingerprint, classic: asked.classic }
}

/// Writes the reply into the outbox, as rich as `allowance` lets it be; `None` if it is too long at its
/// shortest.
fn write(outbox: &mut Outbox, mut reply: Reply<'_>, allowance: usize) -> Option<usize> {
    loop {
        let length = reply.write(outbox.draft(reply.room())?).ok()?;
        if length <= allowance {
            return Some(length);
        }
        reply = reply.shorter()?;
    }
}

/// The attributes of a request that have to be understood and are not, each once (RFC 8489 s6.3.1).
struct Unknown {
    types: [AttributeType; Server::MAX_LISTED_ATTRIBUTES],
    count: usize,
}

impl Unknown {
    fn of(asked: &Asked<'_, '_>, detour: &Detour) -> Self {
        let mut unknown = Self { types: [AttributeType::new(0); Server::MAX_LISTED_ATTRIBUTES], count: 0 };
        // A client of RFC 3489 says CHANGE-REQUEST even when it wants no change.
        let asks_no_change =
            asked.classic.is_some() && asked.request.get() == Ok(Some(ChangeRequest::default()));
        for ty in asked.request.covered().map(|raw| raw.ty) {
            let is_understood = !ty.is_comprehension_required()
                || UNDERSTOOD.contains(&ty)
                || detour.knows(ty)
                || (asks_no_change && ty == AttributeType::CHANGE_REQUEST);
            if !is_understood && !unknown.types().contains(&ty) {
                unknown.add(ty);
            }
        }
        unknown
    }

    fn add(&mut self, ty: AttributeType) {
        if let Some(slot) = self.types.get_mut(self.count) {
            *slot = ty;
            self.count = self.count.saturating_add(1);
        }
    }

    fn types(&self) -> &[AttributeType] {
        self.types.get(..self.count).unwrap_or_default()
    }
}

/// Whether a known attribute has an impossible value. Only the first of each type counts (RFC 8489 s14), but
/// looking back for it costs time that a crafted message must not buy: a few broken repetitions are enough.
fn has_malformed_attribute(request: &Message<'_>) -> bool {
    const MAX_BROKEN_REPETITIONS: usize = 4;
    let id = request.transaction_id();
    let mut broken = request.covered().filter(|raw| AttributeValue::decode(*raw, &id).is_err()).enumerate();
    broken.any(|(count, raw)| {
        count >= MAX_BROKEN_REPETITIONS
            || request.find(raw.ty).is_some_and(|first| first.offset == raw.offset)
    })
}

/// The comprehension-required attributes of RFC 8489. Those of its extensions get 420: a server that only
/// ignored CHANGE-REQUEST would make every NAT look like a full cone.
const UNDERSTOOD: [AttributeType; 11] = [
    AttributeType::MAPPED_ADDRESS,
    AttributeType::USERNAME,
    AttributeType::MESSAGE_INTEGRITY,
    AttributeType::ERROR_CODE,
    AttributeType::UNKNOWN_ATTRIBUTES,
    AttributeType::REALM,
    AttributeType::NONCE,
    AttributeType::MESSAGE_INTEGRITY_SHA256,
    AttributeType::PASSWORD_ALGORITHM,
    AttributeType::USERHASH,
    AttributeType::XOR_MAPPED_ADDRESS,
];

#[cfg(test)]
mod tests;
