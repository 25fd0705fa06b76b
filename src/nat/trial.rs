//! The trials of the probe: attempts that may be filtered, beside controls.

use core::net::SocketAddr;
use core::time::Duration;

use super::ask::{Reply, Role, Tag};
use super::finding::{Seen, Test};
use super::probe::{Probe, Stage, Upshot};
use super::silence::{Due, Verdict};
use crate::auth::SignedBy;
use crate::machine::Receipt;
use crate::net::SendError;
use crate::time::Instant;

impl Probe {
    /// Does what is due in the trial, if there is one.
    pub(super) fn run_trial(&mut self, now: Instant) {
        // A look may order more attempts, of which the first is due at once.
        for _ in 0..2 {
            let Some(trial) = &mut self.trial else { return };
            if !self.queue.is_empty() {
                return; // the host is late: what was to be sent is sent first
            }
            match trial.due(now) {
                Due::Nothing => return,
                Due::Attempt => return self.make_attempt(now),
                Due::Look => match trial.look(now) {
                    Verdict::More => {}
                    verdict => return self.end_in_silence(verdict),
                },
            }
        }
    }

    fn make_attempt(&mut self, now: Instant) {
        self.withdraw_old_attempts(now);
        self.queue_attempt();
        let spread = self.config.pacing.saturating_mul(self.queue.len() as u32);
        if let Some(trial) = &mut self.trial {
            trial.note_attempt(spread, now);
        }
    }

    /// The requests of one attempt: a control, and what has not been answered yet.
    fn queue_attempt(&mut self) {
        let server = self.facts.server;
        let control = if self.stage == Stage::Lasting { Role::Second } else { Role::Primary };
        match self.stage {
            Stage::Filtering => {
                self.attempt(Test::ChangeBoth, Role::Primary, server, None);
                if self.facts.change_port == Upshot::Pending {
                    self.attempt(Test::ChangePort, Role::Primary, server, None);
                }
            }
            // Each socket opens its filter for the other one (RFC 4787 s5), if its mapping does not depend on whom
            // it writes to; the first request that comes back decides.
            Stage::Hairpinning => {
                let (Some(first), Some(second)) = (self.facts.mapped, self.facts.second_mapped) else {
                    return;
                };
                self.attempt(Test::Hairpin, Role::Primary, second, None);
                self.attempt(Test::Hairpin, Role::Second, first, None);
            }
            Stage::Fragmenting => {
                self.attempt(Test::Padding, Role::Primary, server, None);
                if self.facts.short_padding == Upshot::Pending {
                    self.attempt(Test::ShortPadding, Role::Primary, server, None);
                }
            }
            Stage::Lasting => {
                let port = self.search.as_ref().and_then(|search| search.port());
                self.attempt(Test::ResponsePort, Role::Second, server, port);
            }
            _ => {}
        }
        self.attempt(Test::Control, control, server, None);
    }

    pub(super) fn note_attempt_reply(&mut self, tag: &Tag, reply: &Reply) {
        if tag.test == Test::Control {
            if let Some(trial) = &mut self.trial {
                trial.note_control();
            }
            return;
        }
        if tag.test == Test::Padding {
            self.facts.is_padded_back = reply.said.is_ok_and(|success| success.is_padded);
        }
        self.note_upshot(tag, reply.upshot());
    }

    pub(super) fn note_own_request(&mut self, tag: &Tag, from: SocketAddr) {
        self.note_evidence(tag, Seen::OwnRequest { from });
        self.note_upshot(tag, Upshot::Answered);
    }

    /// An attempt could not be sent: then silence is the host's own.
    pub(super) fn note_failed_attempt(&mut self, tag: Tag, error: SendError) {
        // A NAT may refuse what it does not hairpin; for anybody else a control tells.
        let is_refused = error == SendError::Refused;
        if tag.test == Test::Control || (tag.test == Test::Hairpin && is_refused) {
            return;
        }
        self.note_evidence(&tag, Seen::SendFailed(error));
        self.note_upshot(&tag, Upshot::Failed(error));
    }

    /// A passing shortage: the datagram may not have left.
    pub(super) fn note_soft_error(&mut self, failed: &Receipt, error: SendError) {
        let is_attempt =
            failed.transaction_id.is_some_and(|id| self.attempts.iter().any(|(one, _)| *one == id));
        if let (Some(trial), true, false) = (&mut self.trial, is_attempt, error.is_hard()) {
            trial.note_unsent();
        }
    }

    fn note_upshot(&mut self, tag: &Tag, upshot: Upshot) {
        let slot = match tag.test {
            Test::ChangeBoth => &mut self.facts.change_both,
            Test::ChangePort => &mut self.facts.change_port,
            Test::Hairpin => &mut self.facts.hairpin,
            Test::Padding => &mut self.facts.padding,
            Test::ShortPadding => &mut self.facts.short_padding,
            Test::ResponsePort => {
                if let Some(search) = &mut self.search {
                    search.note(upshot, tag.started);
                }
                return self.end_trial();
            }
            _ => return,
        };
        if *slot == Upshot::Pending {
            *slot = upshot;
        }
        // These say nothing about the test beside them, unless the server shows that it does not know it.
        let is_side_test = matches!(tag.test, Test::ChangePort | Test::ShortPadding);
        if !is_side_test || upshot != Upshot::Answered {
            self.end_trial();
        }
    }

    /// Nothing has answered to any attempt.
    fn end_in_silence(&mut self, verdict: Verdict) {
        let upshot = match verdict {
            Verdict::Silent { is_clean } => Upshot::Silent { is_clean },
            Verdict::More | Verdict::Lossy => Upshot::Lossy,
        };
        let requests = self.trial.map_or(0, |trial| trial.sent());
        let server = self.facts.server;
        let tests: &[(Test, Option<SocketAddr>)] = match self.stage {
            Stage::Filtering => &[(Test::ChangeBoth, Some(server)), (Test::ChangePort, Some(server))],
            Stage::Hairpinning => {
                &[(Test::Hairpin, self.facts.mapped), (Test::Hairpin, self.facts.second_mapped)]
            }
            Stage::Fragmenting => &[(Test::Padding, Some(server)), (Test::ShortPadding, Some(server))],
            Stage::Lasting => &[(Test::ResponsePort, Some(server))],
            _ => &[],
        };
        for (test, asked) in tests {
            let is_answered = match test {
                Test::ChangePort => self.facts.change_port != Upshot::Pending,
                Test::ShortPadding => self.facts.short_padding != Upshot::Pending,
                _ => false,
            };
            if let (Some(asked), false) = (*asked, is_answered) {
                let started = self.last_start;
                let tag = Tag {
                    test: *test,
                    from: Role::Primary,
                    asked,
                    is_attempt: true,
                    response_port: None,
                    signed: SignedBy::Nobody,
                    started,
                };
                self.note_evidence(&tag, Seen::Silence { requests });
                self.note_upshot(&tag, upshot);
            }
        }
        self.end_trial();
    }

    /// Withdraws what is still outstanding.
    fn end_trial(&mut self) {
        self.trial = None;
        self.queue.clear();
        while let Some((id, _)) = self.attempts.pop_front() {
            self.transactions.cancel(id);
        }
    }

    fn withdraw_old_attempts(&mut self, now: Instant) {
        let wait = self.trial.map_or(Duration::ZERO, |trial| trial.last_wait());
        while let Some((id, sent)) = self.attempts.front().copied() {
            if now.saturating_since(sent) < wait {
                return;
            }
            self.attempts.pop_front();
            self.transactions.cancel(id);
        }
    }
}
