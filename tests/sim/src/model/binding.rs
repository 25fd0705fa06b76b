//! What is expected of one binding.

use std::net::SocketAddr;

use libstun::stun::BindingEvent;
use libstun::stun::binding::FailureReason;
use libstun::{FiveTuple, SendError};

use super::Spec;
use crate::host::Password;
use crate::packet::{BindingIndex, Origin, Packet, Verdict};
use crate::time::{MILLISECOND, Nanos, SECOND};

/// A binding as it must be.
///
/// ```text
///   Idle{due} --request, at due--> Asking --answer that it may believe--> Idle{last send + interval} or Ended
///     ^                             | 7 sends, gaps doubling from RTO, then 16 RTO of silence
///     +-----Retrying, at------------+--------------------------------> Ended
/// ```
#[derive(Debug)]
pub(super) struct Expectation {
    spec: Spec,
    phase: Phase,
    serial: u32,
    mapped: Option<SocketAddr>,
    failures: u32,
    answer: Answer,
    hard_error: Option<SendError>,
    was_deceived: bool,
    last_success: Option<Nanos>,
    events: Vec<(Nanos, BindingEvent)>,
}

#[derive(Debug)]
enum Phase {
    /// The next request is due then.
    Idle { due: Nanos },
    /// One is outstanding.
    Asking(Asking),
    /// It has said its last, or was cancelled.
    Ended,
}

#[derive(Debug)]
struct Asking {
    request: Vec<u8>,
    sends: u32,
    first: Nanos,
    last: Nanos,
    /// Between these the RTO lies; the first retransmission tells it.
    rto: (Nanos, Nanos),
    /// Responses have certainly, or perhaps, been discarded because nobody signed them.
    discarded: (bool, bool),
}

/// What has arrived since the machine was last drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Nothing that it may act on.
    None,
    /// This address must be reported.
    Success(SocketAddr),
    /// This address, or nothing.
    MaybeSuccess(SocketAddr),
    /// The request must fail, with this reason.
    Failure(FailureReason),
    /// It may fail, and must not succeed.
    MaybeFailure,
    /// Forged or damaged, and nobody asked for a signature.
    Anything,
}

impl Expectation {
    /// RFC 8489 s6.2.1: Rc, Rm, and the least RTO.
    pub(super) const MAX_SENDS: u32 = 7;
    pub(super) const LAST_WAIT: u64 = 16;
    pub(super) const MIN_RTO: Nanos = 500 * MILLISECOND;
    /// What a slow path may raise it to.
    pub(super) const MAX_RTO: Nanos = 8 * SECOND;
    /// RFC 8489 s6.3.4.
    pub(super) const MAX_SERVER_ERRORS: u32 = 4;

    pub(super) fn new(spec: Spec, now: Nanos) -> Self {
        Self {
            spec,
            phase: Phase::Idle { due: now },
            serial: 0,
            mapped: None,
            failures: 0,
            answer: Answer::None,
            hard_error: None,
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

    /// Whether it ever believed something that it could not check.
    pub(super) const fn was_deceived(&self) -> bool {
        self.was_deceived
    }

    pub(super) const fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    pub(super) fn cancel(&mut self) {
        self.phase = Phase::Ended;
    }

    /// The outstanding request: its number, and the bytes in which an attacker would look for its id.
    pub(super) fn outstanding(&self) -> Option<(u32, [u8; 12])> {
        let Phase::Asking(asking) = &self.phase else { return None };
        Some((self.serial, crate::corpus::id_of(&asking.request)))
    }

    /// When it must act next at the latest.
    pub(super) fn due(&self) -> Option<Nanos> {
        match &self.phase {
            Phase::Idle { due } => Some(*due),
            Phase::Asking(asking) => Some(asking.window().1),
            Phase::Ended => None,
        }
    }

    /// A packet for its port: what must, may and must not come of it.
    pub(super) fn input(&mut self, index: BindingIndex, packet: &Packet) {
        self.answer = Answer::None;
        let Origin::Reply { binding, serial, verdict, is_signed } = packet.origin else { return };
        let Phase::Asking(asking) = &mut self.phase else { return };
        let FiveTuple { local, remote, .. } = self.spec.path;
        let is_at_home = local.ip().is_unspecified() || local.ip() == packet.destination.ip();
        if binding != index || serial != self.serial || packet.source != remote || !is_at_home {
            return;
        }
        let is_checked = self.spec.password != Password::None;
        if is_checked && !(is_signed && self.spec.password == Password::Right) {
            let is_plain = packet.is_intact
                && matches!(
                    verdict,
                    Verdict::Success(_) | Verdict::Legacy(_) | Verdict::Error(_) | Verdict::Challenge
                );
            asking.discarded.0 |= is_plain;
            asking.discarded.1 = true;
            return;
        }
        // Whoever has no credential cannot meet it.
        let verdict = if verdict == Verdict::Challenge { Verdict::Error(401) } else { verdict };
        if !packet.is_intact {
            asking.discarded.1 |= is_checked;
        }
        self.answer = match (verdict, packet.is_intact, is_checked) {
            (Verdict::Ignored, true, _) => Answer::None,
            (Verdict::Success(address), false, true) => Answer::MaybeSuccess(address),
            (Verdict::NoSuccess, true, _) => Answer::MaybeFailure,
            (Verdict::Anything, ..) | (_, false, _) => Answer::Anything,
            (Verdict::Success(address), ..) => Answer::Success(address),
            (Verdict::Legacy(address), ..) if self.spec.accepts_mapped_address => Answer::Success(address),
            (Verdict::Legacy(_), ..) => Answer::Failure(FailureReason::NoMappedAddress),
            (Verdict::Error(code), ..) => Answer::Failure(FailureReason::ErrorResponse { code }),
            (Verdict::Challenge, ..) => Answer::Anything,
        };
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
        match &mut self.phase {
            Phase::Ended => return Err("a packet after the end".to_owned()),
            Phase::Asking(asking) if asking.request == payload => asking.resend(told, resumed)?,
            Phase::Asking(_) => return Err("a second request while one is outstanding".to_owned()),
            Phase::Idle { due } => {
                if told < *due || told > (*due).max(resumed) {
                    return Err(format!("a request at {told} ns that was due at {due} ns"));
                }
                self.serial += 1;
                let highest = (5 * longest_round_trip + MILLISECOND).clamp(Self::MIN_RTO, Self::MAX_RTO);
                self.phase = Phase::Asking(Asking {
                    request: payload.to_vec(),
                    sends: 1,
                    first: told,
                    last: told,
                    rto: (Self::MIN_RTO, highest),
                    discarded: (false, false),
                });
            }
        }
        Ok(self.serial)
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
        let Phase::Asking(asking) = &self.phase else {
            return Err("an event while nothing is outstanding".to_owned());
        };
        let round_trip = told - asking.first;
        match *event {
            BindingEvent::Mapped { address, rtt }
            | BindingEvent::Refreshed { address, rtt }
            | BindingEvent::AddressChanged { address, rtt, .. } => {
                let rtt = rtt.map(|rtt| rtt.as_nanos() as Nanos);
                if !asking.may_measure(rtt, round_trip, told) {
                    return Err(format!("the round trip was {round_trip} ns, of {} sends", asking.sends));
                }
                self.check_address(event, address)?;
                self.succeed(address, told);
                Ok(round_trip)
            }
            BindingEvent::Retrying { reason, .. } | BindingEvent::Failed { reason } => {
                self.check_reason(reason, told, resumed)?;
                self.fail(event, reason, told)?;
                // An error response measures the path as well as a success does.
                Ok(round_trip)
            }
            _ => Err("an event that the model does not know".to_owned()),
        }
    }

    /// After draining: what had to be said has been said.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        let (answer, error) = (std::mem::replace(&mut self.answer, Answer::None), self.hard_error.take());
        match (answer, error) {
            (Answer::Success(address), _) => {
                Err(format!("a true answer gave {address}, and it was not reported"))
            }
            (Answer::Failure(reason), _) => Err(format!("{reason} was not reported")),
            (_, Some(error)) => Err(format!("a send failed, {error}, and it was not reported")),
            _ => Ok(()),
        }
    }

    fn check_address(&mut self, event: &BindingEvent, address: SocketAddr) -> Result<(), String> {
        match self.answer {
            Answer::Success(truth) | Answer::MaybeSuccess(truth) if truth == address => {}
            Answer::Success(truth) | Answer::MaybeSuccess(truth) => {
                return Err(format!("the true answer gave {truth}"));
            }
            Answer::Anything => self.was_deceived = true,
            Answer::None | Answer::Failure(_) | Answer::MaybeFailure => {
                return Err("an address that no answer gave".to_owned());
            }
        }
        if is_right_kind(event, self.mapped) {
            Ok(())
        } else {
            Err(format!("the address before was {:?}", self.mapped))
        }
    }

    fn succeed(&mut self, address: SocketAddr, told: Nanos) {
        let Phase::Asking(asking) = &self.phase else { return };
        self.phase = match self.spec.refresh {
            None => Phase::Ended,
            Some(interval) if asking.last + interval > told => Phase::Idle { due: asking.last + interval },
            Some(interval) => Phase::Idle { due: told + interval },
        };
        self.mapped = Some(address);
        self.failures = 0;
        self.answer = Answer::None;
        self.last_success = Some(told);
    }

    fn check_reason(&self, reason: FailureReason, told: Nanos, resumed: Nanos) -> Result<(), String> {
        let Phase::Asking(asking) = &self.phase else { return Ok(()) };
        let is_true = match reason {
            FailureReason::Timeout => !asking.discarded.0 && asking.is_over(told, resumed)?,
            FailureReason::IntegrityViolated { .. } => asking.discarded.1 && asking.is_over(told, resumed)?,
            FailureReason::SendFailed { error } => self.hard_error == Some(error),
            other => match self.answer {
                // A 420 may name what was not understood; the packet does not say whether it did.
                Answer::Failure(FailureReason::ErrorResponse { code: 420 }) => matches!(
                    other,
                    FailureReason::ErrorResponse { code: 420 } | FailureReason::NotUnderstood { .. }
                ),
                Answer::Failure(reason) => reason == other,
                Answer::MaybeFailure | Answer::Anything => true,
                Answer::None | Answer::Success(_) | Answer::MaybeSuccess(_) => false,
            },
        };
        if is_true { Ok(()) } else { Err(format!("that is not why: {:?}", self.answer)) }
    }

    fn fail(&mut self, event: &BindingEvent, reason: FailureReason, told: Nanos) -> Result<(), String> {
        self.failures += 1;
        (self.answer, self.hard_error) = (Answer::None, None);
        let is_refreshing = self.spec.refresh.is_some();
        let may_retry = match reason {
            FailureReason::Timeout
            | FailureReason::IntegrityViolated { .. }
            | FailureReason::SendFailed { .. } => is_refreshing,
            FailureReason::ErrorResponse { code: 500..=599 } => {
                is_refreshing || self.failures <= Self::MAX_SERVER_ERRORS
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
            BindingEvent::Failed { .. } if !may_retry => {
                self.phase = Phase::Ended;
                Ok(())
            }
            _ => Err(format!("whether it may try again: {may_retry}")),
        }
    }
}

/// Whether an event with an address is the one that follows what was known before.
pub(super) fn is_right_kind(event: &BindingEvent, mapped: Option<SocketAddr>) -> bool {
    match (*event, mapped) {
        (BindingEvent::Mapped { .. }, None) => true,
        (BindingEvent::Refreshed { address, .. }, Some(before)) => before == address,
        (BindingEvent::AddressChanged { previous, address, .. }, Some(before)) => {
            previous == before && before != address
        }
        _ => false,
    }
}

impl Asking {
    /// Between which times the next send, or the end, has to be.
    fn window(&self) -> (Nanos, Nanos) {
        let factor = self.factor();
        (self.last + self.rto.0 * factor, self.last + self.rto.1 * factor)
    }

    /// Whether that may be told as the round trip: of a request that was sent once, and was answered before it
    /// was due again. A host that is later than that would measure itself.
    fn may_measure(&self, rtt: Option<Nanos>, round_trip: Nanos, told: Nanos) -> bool {
        let (earliest, latest) = self.window();
        match rtt {
            Some(rtt) => rtt == round_trip && self.sends == 1 && told < latest,
            None => self.sends > 1 || told >= earliest,
        }
    }

    /// How many RTOs there are between the last send and what comes next.
    fn factor(&self) -> u64 {
        if self.sends < Expectation::MAX_SENDS { 1 << (self.sends - 1) } else { Expectation::LAST_WAIT }
    }

    fn resend(&mut self, told: Nanos, resumed: Nanos) -> Result<(), String> {
        if self.sends >= Expectation::MAX_SENDS {
            return Err("an eighth packet of one request".to_owned());
        }
        let (earliest, latest) = self.window();
        if told < earliest || told > latest.max(resumed) {
            return Err(format!("sent again at {told} ns, not between {earliest} and {latest}"));
        }
        let measured = (told - self.last) / self.factor();
        if told == resumed {
            self.rto.1 = self.rto.1.min(measured);
        } else {
            self.rto = (measured, measured);
        }
        (self.sends, self.last) = (self.sends + 1, told);
        Ok(())
    }

    /// Whether the last wait has ended just now.
    fn is_over(&self, told: Nanos, resumed: Nanos) -> Result<bool, String> {
        let (earliest, latest) = self.window();
        if self.sends < Expectation::MAX_SENDS {
            return Err(format!("given up after {} packets", self.sends));
        }
        if told < earliest || told > latest.max(resumed) {
            return Err(format!("given up at {told} ns, not between {earliest} and {latest}"));
        }
        Ok(true)
    }
}
