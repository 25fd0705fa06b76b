//! What is expected of a binding with a long-term credential (RFC 8489 s9.2).
//!
//! It may have two requests outstanding, and whoever is on the path may cause more of them, so that less can be
//! said of when it sends than of what it believes: nothing that nobody signed, once a signed answer has come.

use std::net::SocketAddr;

use libstun::auth::{AuthFailure, LongTerm};
use libstun::stun::binding::FailureReason;
use libstun::stun::{Binding, BindingEvent};
use libstun::{FiveTuple, SendError};

use super::Spec;
use super::binding::{Expectation, is_right_kind};
use crate::host::Password;
use crate::packet::{BindingIndex, Origin, Packet, Verdict};
use crate::time::{MILLISECOND, Nanos, SECOND};

/// A binding as it must be.
///
/// ```text
///   Idle{due} --request, at due--> Asking --challenge: signed retry--+
///     ^                             |  ^                             |
///     |                             |  +-----------------------------+
///     +--signed answer, or any to the first request ever; a failure--+--> Ended
/// ```
#[derive(Debug)]
pub(super) struct Challenged {
    spec: Spec,
    phase: Phase,
    serial: u32,
    mapped: Option<SocketAddr>,
    failures: u32,
    /// An answer was signed: from now on nothing else counts.
    has_worked: bool,
    arrived: Arrived,
    hard_error: Option<SendError>,
    /// The longest that the round trip of a challenge can have been.
    longest: Nanos,
    was_deceived: bool,
    last_success: Option<Nanos>,
    events: Vec<(Nanos, BindingEvent)>,
}

#[derive(Debug)]
enum Phase {
    /// The next request is due then.
    Idle { due: Nanos },
    /// Asking, since the first of these.
    Asking(Round),
    /// It has said its last, or was cancelled.
    Ended,
}

/// A request, and the retries that challenges to it have caused.
#[derive(Debug)]
struct Round {
    outstanding: Vec<Sent>,
    /// How many requests, the first one included.
    count: u32,
    /// Something came that nobody signed, or that was damaged: it may say so.
    is_touched: bool,
    /// Somebody lied, or something was damaged.
    is_disturbed: bool,
    /// What it had to give up soon has gone by then.
    grace: Nanos,
}

#[derive(Debug)]
struct Sent {
    serial: u32,
    request: Vec<u8>,
    is_first: bool,
    sends: u32,
    first: Nanos,
    last: Nanos,
    /// The highest RTO that it can have begun with.
    highest: Nanos,
    /// From then on it may have been given up, because of what nobody signed.
    doubtful: Option<Nanos>,
}

/// What has arrived since the machine was last drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrived {
    /// Nothing that could count.
    Nothing,
    /// This address must be reported; it was signed, or the request was not.
    Success { address: SocketAddr, is_signed: bool, serial: u32 },
    /// This address, or nothing: it was damaged, perhaps where nothing matters.
    Maybe { address: SocketAddr, serial: u32 },
    /// A true challenge: the signed retry must follow at once, or only may.
    Challenge { is_due: bool },
    /// An answer to a request without a signature. It may believe it.
    Believable,
    /// An answer without a signature to a request that had one. It must not believe it.
    Unsigned,
}

impl Challenged {
    pub(super) fn new(spec: Spec, now: Nanos) -> Self {
        Self {
            spec,
            phase: Phase::Idle { due: now },
            serial: 0,
            mapped: None,
            failures: 0,
            has_worked: false,
            arrived: Arrived::Nothing,
            hard_error: None,
            longest: 0,
            was_deceived: false,
            last_success: None,
            events: Vec::new(),
        }
    }

    pub(super) const fn spec(&self) -> &Spec {
        &self.spec
    }

    pub(super) const fn mapped(&self) -> Option<SocketAddr> {
        self.mapped
    }

    pub(super) fn events(&self) -> &[(Nanos, BindingEvent)] {
        &self.events
    }

    pub(super) const fn last_success(&self) -> Option<Nanos> {
        self.last_success
    }

    pub(super) const fn longest(&self) -> Nanos {
        self.longest
    }

    pub(super) const fn was_deceived(&self) -> bool {
        self.was_deceived
    }

    pub(super) const fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    pub(super) fn cancel(&mut self) {
        self.phase = Phase::Ended;
    }

    /// The first outstanding request: its number and its id.
    pub(super) fn outstanding(&self) -> Option<(u32, [u8; 12])> {
        let Phase::Asking(round) = &self.phase else { return None };
        round.outstanding.first().map(|sent| (sent.serial, crate::corpus::id_of(&sent.request)))
    }

    /// Whether a retry may end without a word, because the request that it was made for may still be answered.
    pub(super) fn may_end_quietly(&self) -> bool {
        matches!(&self.phase, Phase::Asking(round) if round.outstanding.len() > 1)
    }

    /// When it must act next at the latest.
    pub(super) fn due(&self) -> Option<Nanos> {
        match &self.phase {
            Phase::Idle { due } => Some(*due),
            Phase::Asking(round) => round
                .outstanding
                .iter()
                .map(|sent| sent.last + sent.highest * sent.factor())
                .max()
                .map(|latest| latest.max(round.grace)),
            Phase::Ended => None,
        }
    }

    /// A packet for its port, at a time of its host's: what must, may and must not come of it.
    pub(super) fn input(&mut self, index: BindingIndex, packet: &Packet, told: Nanos) {
        self.arrived = Arrived::Nothing;
        let Origin::Reply { binding, serial, verdict, is_signed } = packet.origin else { return };
        let Phase::Asking(round) = &mut self.phase else { return };
        let FiveTuple { local, remote, .. } = self.spec.path;
        let is_at_home = local.ip().is_unspecified() || local.ip() == packet.destination.ip();
        let answered = round.outstanding.iter_mut().find(|sent| sent.serial == serial);
        let Some(answered) = answered.filter(|_| binding == index) else { return };
        if packet.source != remote || !is_at_home {
            return;
        }
        let is_plain = answered.is_first && !self.has_worked;
        let is_doubtful = answered.doubtful.is_some_and(|since| told >= since);
        self.arrived = match verdict {
            Verdict::Success(address) if is_signed && packet.is_intact && !is_doubtful => {
                Arrived::Success { address, is_signed, serial }
            }
            Verdict::Success(address) if is_signed => Arrived::Maybe { address, serial },
            Verdict::Success(address) if is_plain && packet.is_intact => {
                Arrived::Success { address, is_signed, serial }
            }
            Verdict::Challenge if packet.is_intact => Arrived::Challenge { is_due: is_plain },
            _ if is_plain => Arrived::Believable,
            _ => Arrived::Unsigned,
        };
        let is_sound = matches!(self.arrived, Arrived::Success { .. } | Arrived::Challenge { .. });
        round.is_disturbed |= !is_sound;
        round.is_touched |= !matches!(self.arrived, Arrived::Success { .. });
        let grace = told + Binding::REJECTION_GRACE.as_nanos() as Nanos;
        if !matches!(self.arrived, Arrived::Success { .. } | Arrived::Maybe { .. }) {
            answered.doubtful.get_or_insert(grace);
        }
        round.grace = round.grace.max(grace);
    }

    /// A datagram of it. Says which request that is, or which rule it breaks.
    pub(super) fn transmit(
        &mut self,
        path: &FiveTuple,
        payload: &[u8],
        told: Nanos,
        resumed: Nanos,
        longest_round_trip: Nanos,
    ) -> Result<u32, String> {
        if *path != self.spec.path {
            return Err(format!("a packet to {}, which nobody asked for", path.remote));
        }
        if let Phase::Asking(round) = &self.phase {
            // A challenge measures the path as well as an answer does.
            let longest = round.outstanding.iter().map(|sent| told - sent.first).max().unwrap_or(0);
            self.longest = self.longest.max(longest);
        }
        let highest = (5 * longest_round_trip.max(self.longest) + MILLISECOND)
            .clamp(Expectation::MIN_RTO, Expectation::MAX_RTO);
        let serial = self.serial + 1;
        let sent = |is_first| Sent {
            serial,
            request: payload.to_vec(),
            is_first,
            sends: 1,
            first: told,
            last: told,
            highest,
            doubtful: None,
        };
        match &mut self.phase {
            Phase::Ended => return Err("a packet after the end".to_owned()),
            Phase::Idle { due } => {
                if told < *due || told > (*due).max(resumed) {
                    return Err(format!("a request at {told} ns that was due at {due} ns"));
                }
                let (is_touched, is_disturbed) = (false, false);
                let outstanding = vec![sent(true)];
                self.phase =
                    Phase::Asking(Round { outstanding, count: 1, is_touched, is_disturbed, grace: 0 });
            }
            Phase::Asking(round) => {
                if let Some(known) = round.outstanding.iter_mut().find(|sent| sent.request == payload) {
                    return known.resend(told, resumed).map(|()| known.serial);
                }
                if !matches!(
                    self.arrived,
                    Arrived::Challenge { .. } | Arrived::Believable | Arrived::Unsigned
                ) {
                    return Err(
                        "another request while one is outstanding, and nobody has challenged".to_owned()
                    );
                }
                if round.count > 2 * LongTerm::MAX_CHALLENGES {
                    return Err(format!("{} retries", round.count));
                }
                // One that was signed with what works may still be answered; every other one is over.
                round.outstanding.retain(|sent| sent.is_first && self.has_worked);
                round.outstanding.push(sent(false));
                round.count += 1;
                self.arrived = Arrived::Nothing;
            }
        }
        self.serial = serial;
        Ok(serial)
    }

    pub(super) fn send_failed(&mut self, error: SendError) {
        if error != SendError::Transient && matches!(self.phase, Phase::Asking(_)) {
            self.hard_error = Some(error);
        }
    }

    /// What it says; gives the longest that a round trip can have been, 0 if there was none.
    pub(super) fn event(
        &mut self,
        event: &BindingEvent,
        told: Nanos,
        resumed: Nanos,
    ) -> Result<Nanos, String> {
        self.events.push((told, *event));
        let Phase::Asking(round) = &self.phase else {
            return Err("an event while nothing is outstanding".to_owned());
        };
        let longest = round.outstanding.iter().map(|sent| told - sent.first).max().unwrap_or(0);
        match *event {
            BindingEvent::Mapped { address, rtt }
            | BindingEvent::Refreshed { address, rtt }
            | BindingEvent::AddressChanged { address, rtt, .. } => {
                let rtt = rtt.map(|rtt| rtt.as_nanos() as Nanos);
                let is_measured = |sent: &Sent| rtt == Some(told - sent.first) && sent.sends == 1;
                if rtt.is_some() && !round.outstanding.iter().any(is_measured) {
                    return Err(format!("the round trip was {rtt:?}"));
                }
                let serial = self.check_address(address)?;
                if !is_right_kind(event, self.mapped) {
                    return Err(format!("the address before was {:?}", self.mapped));
                }
                self.succeed(address, serial, told);
            }
            BindingEvent::Retrying { reason, .. } | BindingEvent::Failed { reason } => {
                self.check_reason(reason, told, resumed)?;
                self.fail(event, reason, told)?;
            }
            _ => return Err("an event that the model does not know".to_owned()),
        }
        Ok(longest)
    }

    /// After draining: what had to be said has been said, and what had to be sent has been sent.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        let arrived = std::mem::replace(&mut self.arrived, Arrived::Nothing);
        let error = self.hard_error.take();
        let is_alone = matches!(&self.phase, Phase::Asking(round) if round.outstanding.len() == 1);
        match (arrived, error) {
            (Arrived::Success { address, .. }, _) => {
                Err(format!("a true answer gave {address}, and it was not reported"))
            }
            (Arrived::Challenge { is_due: true }, None) => {
                Err("a challenge to the first request, and no signed retry".to_owned())
            }
            (_, Some(error)) if is_alone => Err(format!("a send failed, {error}, and it was not reported")),
            _ => Ok(()),
        }
    }

    /// Gives the request that was answered, if that is known.
    fn check_address(&mut self, address: SocketAddr) -> Result<Option<u32>, String> {
        match self.arrived {
            Arrived::Success { address: truth, is_signed, serial } if truth == address => {
                self.has_worked |= is_signed;
                Ok(Some(serial))
            }
            Arrived::Maybe { address: truth, serial } if truth == address => {
                self.has_worked = true;
                Ok(Some(serial))
            }
            Arrived::Success { address: truth, .. } | Arrived::Maybe { address: truth, .. } => {
                Err(format!("the true answer gave {truth}"))
            }
            Arrived::Believable => {
                self.was_deceived = true;
                Ok(None)
            }
            Arrived::Nothing | Arrived::Challenge { .. } | Arrived::Unsigned => {
                Err("an address that no answer gave, or that nobody signed".to_owned())
            }
        }
    }

    fn succeed(&mut self, address: SocketAddr, serial: Option<u32>, told: Nanos) {
        let Phase::Asking(round) = &self.phase else { return };
        let mut outstanding = round.outstanding.iter();
        let answered = outstanding.find(|sent| serial.is_none_or(|serial| sent.serial == serial));
        let last = answered.map_or(told, |sent| sent.last);
        self.phase = match self.spec.refresh {
            None => Phase::Ended,
            Some(interval) if last + interval > told => Phase::Idle { due: last + interval },
            Some(interval) => Phase::Idle { due: told + interval },
        };
        self.mapped = Some(address);
        self.failures = 0;
        self.arrived = Arrived::Nothing;
        self.last_success = Some(told);
    }

    fn check_reason(&self, reason: FailureReason, told: Nanos, resumed: Nanos) -> Result<(), String> {
        let Phase::Asking(round) = &self.phase else { return Ok(()) };
        let waited = |sent: &Sent| sent.sends == Expectation::MAX_SENDS && told >= sent.last + sent.least();
        let is_late = told == resumed;
        let is_true = match reason {
            FailureReason::Timeout => round.outstanding.iter().any(waited),
            FailureReason::IntegrityViolated { .. } => {
                round.is_touched && (is_late || round.outstanding.iter().any(waited))
            }
            FailureReason::SendFailed { error } => self.hard_error == Some(error),
            FailureReason::Authentication { failure } => match failure {
                _ if round.is_disturbed => true,
                AuthFailure::Rejected => round.is_touched && self.spec.password == Password::WrongUser,
                AuthFailure::TooManyChallenges => round.count > LongTerm::MAX_CHALLENGES,
                _ => false,
            },
            _ => {
                self.arrived == Arrived::Believable || round.is_disturbed && self.arrived == Arrived::Nothing
            }
        };
        if is_true { Ok(()) } else { Err(format!("that is not why: {:?}", self.arrived)) }
    }

    fn fail(&mut self, event: &BindingEvent, reason: FailureReason, told: Nanos) -> Result<(), String> {
        self.failures += 1;
        (self.arrived, self.hard_error) = (Arrived::Nothing, None);
        let is_refreshing = self.spec.refresh.is_some();
        let may_retry = match reason {
            FailureReason::Timeout
            | FailureReason::IntegrityViolated { .. }
            | FailureReason::SendFailed { .. } => is_refreshing,
            FailureReason::Authentication { .. } => is_refreshing && self.has_worked,
            FailureReason::ErrorResponse { code: 500..=599 } => {
                is_refreshing || self.failures <= Expectation::MAX_SERVER_ERRORS
            }
            _ => false,
        };
        match *event {
            BindingEvent::Retrying { at, .. } if may_retry => {
                let wait = at.as_nanos().saturating_sub(told);
                let full = (SECOND << (self.failures - 1).min(6)).min(60 * SECOND);
                if wait > full || wait < full - full / 4 {
                    return Err(format!("a wait of {wait} ns after {} failures", self.failures));
                }
                self.phase = Phase::Idle { due: at.as_nanos() };
                Ok(())
            }
            BindingEvent::Failed { .. } if is_refreshing && self.has_worked => {
                Err("a binding that has worked was ended, and nobody with the password did it".to_owned())
            }
            BindingEvent::Failed { .. } if !may_retry => {
                self.phase = Phase::Ended;
                Ok(())
            }
            _ => Err(format!("whether it may try again: {may_retry}")),
        }
    }
}

impl Sent {
    /// How many RTOs there are between the last send and what comes next.
    const fn factor(&self) -> u64 {
        if self.sends < Expectation::MAX_SENDS { 1 << (self.sends - 1) } else { Expectation::LAST_WAIT }
    }

    /// The least time until that.
    const fn least(&self) -> Nanos {
        Expectation::MIN_RTO * self.factor()
    }

    fn resend(&mut self, told: Nanos, resumed: Nanos) -> Result<(), String> {
        if self.sends >= Expectation::MAX_SENDS {
            return Err("an eighth packet of one request".to_owned());
        }
        let (earliest, latest) = (self.last + self.least(), self.last + self.highest * self.factor());
        if told < earliest || told > latest.max(resumed) {
            return Err(format!("sent again at {told} ns, not between {earliest} and {latest}"));
        }
        (self.sends, self.last) = (self.sends + 1, told);
        Ok(())
    }
}
