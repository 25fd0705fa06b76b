//! The one shape of every machine, and the words it answers with.

use core::fmt::Debug;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use crate::net::{Datagram, FiveTuple, Outcome, SendError, Transmit};
use crate::time::Instant;
use crate::wire::TransactionId;

/// A sans-IO state machine: a [`crate::stun::Binding`], a [`crate::stun::Server`], a whole
/// [`crate::Agent`], and everything added later.
///
/// # The calls
///
/// - *Input*: [`handle_input`](Machine::handle_input), [`handle_timeout`](Machine::handle_timeout),
///   [`handle_send_error`](Machine::handle_send_error) and the machine's own commands. All progress happens
///   here.
/// - *Output*: [`poll_transmit`](Machine::poll_transmit), [`poll_event`](Machine::poll_event). They only
///   drain, in any order.
/// - *When*: [`poll_timeout`](Machine::poll_timeout), [`wake_reason`](Machine::wake_reason). Read them after
///   draining.
///
/// # The contract
///
/// - C1 All progress happens in `handle_*` and in commands. Polls only drain; their order does not matter.
/// - C2 While output is queued, `poll_timeout()` is not after the latest `now`.
/// - C3 After `handle_timeout(t)` with `t = poll_timeout()`, the next deadline is later, or output is
///   queued, or nothing is scheduled.
/// - C4 Early and repeated calls of `handle_timeout` change nothing. A late one loses nothing and sends one
///   catch-up datagram.
/// - C5 A `now` earlier than one already seen counts as the latest seen. Arithmetic saturates.
/// - C6 `None` means that only input or a command can change the state.
/// - C7 No input panics or grows memory without bound; every queue has a named limit and its drops are
///   counted.
/// - C8 Equal seed and equal calls give equal bytes and events.
/// - C9 Garbage from the network is dropped and counted. Misuse is an `Err` of the command that was
///   misused. The end of an operation is an event with its reason.
/// - C10 Every wake-up has a reason.
pub trait Machine {
    /// What the machine tells its host.
    type Event: Debug + PartialEq;

    /// Offers a received datagram, or one frame of a stream.
    fn handle_input<'a>(&mut self, datagram: &Datagram<'a>, now: Instant) -> Outcome<'a>;

    /// The next datagram to send, until `None`. Its bytes stay where they are until the next `handle_*`
    /// call or command.
    fn poll_transmit(&mut self) -> Option<Transmit<'_>>;

    /// The next thing that happened, until `None`.
    fn poll_event(&mut self) -> Option<Self::Event>;

    /// When to call [`handle_timeout`](Machine::handle_timeout) next; `None` is never. Not after the latest
    /// `now` while output is queued. Costs O(1).
    fn poll_timeout(&self) -> Option<Instant>;

    /// Time has come, or not: an early call changes nothing.
    fn handle_timeout(&mut self, now: Instant);

    /// A datagram could not be sent, or ICMP said that it did not arrive.
    fn handle_send_error(&mut self, failed: &Receipt, error: SendError, now: Instant);

    /// Why [`poll_timeout`](Machine::poll_timeout) wants to be woken then; `None` when it does not.
    fn wake_reason(&self) -> Option<WakeReason>;
}

/// What an agent asks of a machine that it houses, beyond what a host does.
pub(crate) trait Usage: Machine {
    /// What a datagram is to this machine; acts on it if it is its own.
    fn receive<'a>(&mut self, datagram: &Datagram<'a>, now: Instant) -> Disposition<'a>;

    /// Its next deadline, queued output aside.
    fn deadline(&self) -> Option<(Instant, WakeReason)>;

    /// What `poll_transmit` will give, in its order, leaving it queued.
    fn transmits(&self) -> impl Iterator<Item = Transmit<'_>>;

    /// How many datagrams are queued.
    fn queued_transmits(&self) -> usize;

    /// How many events are queued.
    fn queued_events(&self) -> usize;

    /// When the host is to be back and why, `now` being the latest time it has told: at once while output is queued
    /// (C2), else at the deadline.
    fn wake(&self, now: Instant) -> Option<(Instant, WakeReason)> {
        let deadline = self.deadline();
        if self.queued_transmits() > 0 || self.queued_events() > 0 {
            let at = deadline.map_or(now, |(at, _)| at.min(now));
            return Some((at, WakeReason::Output));
        }
        deadline
    }

    /// The ids under which it waits for messages, each once, and who was asked.
    fn outstanding(&self) -> impl Iterator<Item = (TransactionId, SocketAddr)>;

    /// Whether it has given its last event, or will with those that are queued.
    fn is_ended(&self) -> bool;

    /// The paths to servers through which it relays: ChannelData and indications that arrive there are its own.
    fn relay_paths(&self) -> impl Iterator<Item = FiveTuple> {
        core::iter::empty()
    }

    /// Another operation relays on that path, to which this one has come: a server knows one allocation for each 5-tuple
    /// (RFC 8656 s3.2), and would be asked by each to delete the other's.
    fn path_taken(&mut self, _path: &FiveTuple, _now: Instant) {}

    /// Whether it asks on that path: only then can an error there concern it.
    fn asks_on(&self, path: &FiveTuple) -> bool;

    /// The server that it would send a new request to, if it was told to ask first: only so many may be
    /// outstanding at one server (RFC 8489 s6.2), and the agent alone knows how many are.
    fn wish(&self) -> Option<SocketAddr> {
        None
    }

    /// Whether what it wishes to send is the signed retry of a request that was challenged and still waits, because nobody
    /// signed the challenge: the two are one to the server. Were the retry to wait for a place, a server at which all ten
    /// places are taken by challenged requests would hear of none again until they are given up.
    fn wishes_retry(&self) -> bool {
        false
    }

    /// Lets it send the request that it wishes to.
    fn grant(&mut self, _now: Instant) {}

    /// Sends a refresh that is due by `horizon` now, because the host is awake anyway.
    fn refresh_early(&mut self, _horizon: Instant, _now: Instant) {}

    /// Refreshes that often until told otherwise; `None` is what its configuration says. At once.
    fn override_refresh(&mut self, _interval: Option<Duration>, _now: Instant) {}

    /// The host's local addresses are these from now on.
    fn network_changed(&mut self, _addresses: &[IpAddr], _now: Instant) {}
}

impl Transmit<'_> {
    /// What to keep of this transmit in order to report later that it failed.
    #[must_use]
    pub fn receipt(&self) -> Receipt {
        Receipt { path: self.path, transaction_id: TransactionId::of_message(self.payload) }
    }
}

/// Says which datagram failed: its path and, where its bytes are known, its transaction.
///
/// An error of `sendto` names a datagram; an ICMP error that a socket reports later often names only the
/// path, and then concerns everything outstanding on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Where it was sent.
    pub path: FiveTuple,
    /// The transaction that it belongs to, if known.
    pub transaction_id: Option<TransactionId>,
}

impl Receipt {
    /// For a datagram with those bytes, of which a STUN header is enough; `None` if they are not STUN, but
    /// another protocol's on the same socket. An empty `payload` stands for bytes that are not known any more.
    #[must_use]
    pub fn of(path: FiveTuple, payload: &[u8]) -> Option<Self> {
        let transaction_id = TransactionId::of_message(payload);
        (payload.is_empty() || transaction_id.is_some()).then_some(Self { path, transaction_id })
    }

    /// Whether it ends a request that was sent on `path` under `id`.
    pub(crate) fn ends(&self, error: SendError, path: &FiveTuple, id: TransactionId) -> bool {
        let is_it = match self.transaction_id {
            Some(failed) => failed == id,
            // Requests are far smaller than any path's limit: it was another protocol's datagram.
            None => error != SendError::MessageTooLarge,
        };
        is_it && error.is_hard() && path.admits(&self.path)
    }
}

/// Why a machine wants to be woken (C10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WakeReason {
    /// A datagram or an event is queued.
    Output,
    /// A request is due again.
    Retransmission,
    /// The last wait for a response ends.
    TransactionTimeout,
    /// A binding, an allocation, a permission or a channel has to be kept alive.
    Refresh,
    /// A failed request is due again after its backoff.
    Retry,
    /// A request that had to wait for others to the same server may be sent.
    Pacing,
    /// The next of several addresses or servers is tried.
    Attempt,
    /// The next measurement of a NAT probe is due.
    Measurement,
    /// An operation's own deadline, which the host gave it.
    Deadline,
}

impl WakeReason {
    /// A lower-case name for logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Output => "output",
            Self::Retransmission => "retransmission",
            Self::TransactionTimeout => "transaction timeout",
            Self::Refresh => "refresh",
            Self::Retry => "retry",
            Self::Pacing => "pacing",
            Self::Attempt => "attempt",
            Self::Measurement => "measurement",
            Self::Deadline => "deadline",
        }
    }
}

/// Why a message from the network was dropped (C9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// A response to no outstanding request: late, repeated or forged.
    UnknownTransaction,
    /// A response from another address than the one that was asked, or on another path.
    WrongSource,
    /// A response of another method than its request.
    WrongMethod,
    /// FINGERPRINT does not match (RFC 8489 s6.3).
    BadFingerprint,
    /// A response to a signed request without a valid signature (RFC 8489 s9.1.4).
    Unauthenticated,
    /// An attribute that the usage knows has an impossible value.
    MalformedAttribute,
    /// A request of a method that is not served.
    UnsupportedMethod,
    /// An indication: valid, and nothing to do.
    Indication,
    /// A source that no reply may go to: port 0, multicast, broadcast or unspecified.
    UnusableSource,
    /// The queue for replies is full: the host does not drain it.
    QueueFull,
    /// STUN that no operation of the agent expects.
    Unexpected,
    /// STUN by its cookie and length, and broken inside.
    Malformed,
    /// The network of the source has used up what a server gives to those who have proved nothing.
    OverBudget,
    /// ChannelData on a channel that is not bound: late, or forged (RFC 8656 s12.6).
    UnknownChannel,
    /// Data of a peer that is not permitted (RFC 8656 s11.4), or that the policy refuses.
    UnpermittedPeer,
}

impl DropReason {
    /// Every reason, in the order of their numbers.
    pub const ALL: &'static [Self] = &[
        Self::UnknownTransaction,
        Self::WrongSource,
        Self::WrongMethod,
        Self::BadFingerprint,
        Self::Unauthenticated,
        Self::MalformedAttribute,
        Self::UnsupportedMethod,
        Self::Indication,
        Self::UnusableSource,
        Self::QueueFull,
        Self::Unexpected,
        Self::Malformed,
        Self::OverBudget,
        Self::UnknownChannel,
        Self::UnpermittedPeer,
    ];

    /// A lower-case sentence for logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownTransaction => "response to no outstanding request",
            Self::WrongSource => "response from another address than was asked",
            Self::WrongMethod => "response of another method than its request",
            Self::BadFingerprint => "FINGERPRINT does not match",
            Self::Unauthenticated => "response without a valid signature",
            Self::MalformedAttribute => "attribute with an impossible value",
            Self::UnsupportedMethod => "request of a method that is not served",
            Self::Indication => "indication",
            Self::UnusableSource => "source that no reply may go to",
            Self::QueueFull => "queue for replies is full",
            Self::Unexpected => "STUN that no operation expects",
            Self::Malformed => "malformed STUN",
            Self::OverBudget => "the source's network has used up its budget",
            Self::UnknownChannel => "ChannelData on a channel that is not bound",
            Self::UnpermittedPeer => "data of a peer that is not permitted",
        }
    }
}

/// How many messages were dropped, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    by_reason: [u32; DropReason::ALL.len()],
    latest: Option<DropReason>,
}

impl Counters {
    /// Messages dropped for one reason. Sticks at `u32::MAX`.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u32 {
        self.by_reason.get(reason as usize).copied().unwrap_or(0)
    }

    /// Messages dropped for any reason. Sticks at `u32::MAX`.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.by_reason.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Why the latest message was dropped; `None` if it was not. For traces.
    #[must_use]
    pub const fn latest(&self) -> Option<DropReason> {
        self.latest
    }

    /// Notes what became of a message.
    pub(crate) fn note(&mut self, disposition: Disposition<'_>) {
        self.latest = match disposition {
            Disposition::Dropped(reason) => Some(reason),
            Disposition::Unclaimed | Disposition::Done | Disposition::Unwrapped(_) => None,
        };
        if let Some(count) = self.latest.and_then(|reason| self.by_reason.get_mut(reason as usize)) {
            *count = count.saturating_add(1);
        }
    }
}

/// What became of a message inside a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disposition<'a> {
    /// Not this machine's.
    Unclaimed,
    /// Acted upon.
    Done,
    /// This machine's, and not to be acted upon.
    Dropped(DropReason),
    /// Application data for the host was inside.
    Unwrapped(Datagram<'a>),
}

impl<'a> Disposition<'a> {
    /// The same in the host's words.
    pub(crate) const fn outcome(self) -> Outcome<'a> {
        match self {
            Self::Unclaimed => Outcome::Unclaimed,
            Self::Done | Self::Dropped(_) => Outcome::Consumed,
            Self::Unwrapped(data) => Outcome::Unwrapped(data),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_drop_reason_has_a_counter_of_its_own() {
        let mut counters = Counters::default();
        for (place, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, place);
            counters.note(Disposition::Dropped(*reason));
            assert_eq!((counters.dropped(*reason), counters.latest()), (1, Some(*reason)));
        }
        assert_eq!(counters.total(), 15);
        counters.note(Disposition::Done);
        assert_eq!((counters.total(), counters.latest()), (15, None));
    }

    #[test]
    fn a_full_counter_sticks() {
        let mut counters = Counters { by_reason: [u32::MAX; DropReason::ALL.len()], latest: None };
        counters.note(Disposition::Dropped(DropReason::Malformed));
        assert_eq!((counters.dropped(DropReason::Malformed), counters.total()), (u32::MAX, u32::MAX));
    }
}
