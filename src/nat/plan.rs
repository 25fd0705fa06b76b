//! What is asked when: the stages, one after the other, and what each answer adds to the facts.

use core::net::SocketAddr;

use super::ask::{Reply, Role, Success, Tag};
use super::config::Property;
use super::event::ProbeEvent;
use super::finding::{Confidence, Evidence, Finding, Reason, Seen, Test};
use super::lifetime::Search;
use super::probe::{Probe, Stage, Upshot};
use super::silence::Trial;
use super::value::{Connectivity, Translation};
use crate::net::SendError;
use crate::time::Instant;

impl Probe {
    /// Observations kept: each server address once.
    const MAX_OBSERVATIONS: usize = 16;
    /// Evidence kept until it belongs to a finding.
    const MAX_LOG: usize = 48;

    /// Goes on as far as it can without waiting.
    pub(super) fn proceed(&mut self, now: Instant) {
        // Stages only go forward; the last one may wait between many turns, but not make many at once.
        const MAX_TURNS: usize = 16;
        for _ in 0..MAX_TURNS {
            if self.stage == Stage::Ended || self.is_busy(now) {
                break;
            }
            self.conclude(now);
        }
        self.start_due(now);
    }

    /// Whether it waits for something: an answer, its turn, a trial, or a binding to die.
    fn is_busy(&self, now: Instant) -> bool {
        let waits = self.search.as_ref().and_then(Search::waits_until).is_some_and(|until| until > now);
        !self.queue.is_empty() || !self.transactions.is_empty() || self.trial.is_some() || waits
    }

    /// Draws the conclusions of a stage that has nothing to wait for, and enters the next one.
    fn conclude(&mut self, now: Instant) {
        match self.stage {
            Stage::Connecting => self.conclude_connecting(now),
            Stage::Filtering => {
                if self.filtering().is_some() {
                    self.settle_filtering();
                }
                self.enter_mapping();
            }
            Stage::Mapping => self.enter_comparing(),
            Stage::Comparing => self.enter_repeating(),
            Stage::Repeating => {
                self.settle_mapping();
                self.enter_confirming();
            }
            Stage::Confirming => {
                self.settle_filtering();
                self.enter_pairing();
            }
            Stage::Pairing => {
                self.settle_ports();
                self.enter_hairpinning(now);
            }
            Stage::Hairpinning => {
                self.settle_hairpinning();
                self.enter_fragmenting(now);
            }
            Stage::Fragmenting => {
                self.settle_fragments();
                self.settle_stability();
                self.enter_lasting();
            }
            Stage::Lasting => self.search_on(now),
            Stage::Ended => {}
        }
    }

    fn conclude_connecting(&mut self, now: Instant) {
        if self.facts.mapped.is_some() {
            self.report.server = self.facts.server;
            self.report.mapped = self.facts.mapped;
            self.report.other_address = self.facts.other;
            self.report.local = self.local(Role::Primary);
            self.settle(Property::Connectivity, |report| {
                report.connectivity = Finding::known(Connectivity::Open, Confidence::High);
            });
            self.settle_translation();
            self.settle_gateway();
            self.stage = Stage::Filtering;
            if self.wants(Property::Filtering) && self.facts.other.is_some() {
                self.trial = Some(Trial::new(self.config.patience, now));
                self.run_trial(now);
            }
            return;
        }
        match self.config.servers.get(self.facts.tried).copied() {
            Some(next) => {
                self.facts.tried = self.facts.tried.saturating_add(1);
                self.facts.server = next;
                self.ask(Test::Binding, Role::Primary, next);
            }
            None => self.give_up(),
        }
    }

    /// No server gave a mapped address: nothing else can be found out.
    fn give_up(&mut self) {
        let finding = self.connectivity_without_answer();
        self.settle(Property::Connectivity, |report| report.connectivity = finding);
        let reason = self.facts.failure.unwrap_or(Reason::NoAnswer);
        self.finish(reason);
    }

    fn enter_mapping(&mut self) {
        self.stage = Stage::Mapping;
        let Some(other) = self.facts.other.filter(|_| self.needs_mapping()) else { return };
        let alternate = SocketAddr::new(other.ip(), self.facts.server.port());
        self.ask(Test::AlternateAddress, Role::Primary, alternate);
        self.ask(Test::AlternateBoth, Role::Primary, other);
    }

    fn enter_comparing(&mut self) {
        self.stage = Stage::Comparing;
        if !self.needs_mapping() || self.mapping().known_value().is_some() {
            return;
        }
        for place in self.facts.tried..self.config.servers.len() {
            let Some(server) = self.config.servers.get(place).copied() else { return };
            if server != self.facts.server {
                self.ask(Test::OtherServer, Role::Primary, server);
            }
        }
    }

    fn enter_repeating(&mut self) {
        self.stage = Stage::Repeating;
        if self.needs_mapping() || self.wants(Property::Stability) {
            self.ask(Test::Repeated, Role::Primary, self.facts.server);
        }
    }

    /// Asks for an answer from elsewhere where the NAT has been opened for it: towards the mapping that was used to
    /// write there, whose port RESPONSE-PORT names if it is another one (RFC 5780 s7.5).
    fn enter_confirming(&mut self) {
        self.stage = Stage::Confirming;
        let (Some(other), Some(mapped)) = (self.facts.other, self.facts.mapped) else { return };
        if !matches!(self.facts.change_both, Upshot::Silent { .. }) || !self.wants(Property::Filtering) {
            return;
        }
        let Some(there) = self.observed(other).filter(|there| there.ip() == mapped.ip()) else { return };
        self.facts.confirms_by_port = there != mapped;
        self.ask(Test::Confirmation, Role::Primary, self.facts.server);
        if let (true, Some(question)) = (self.facts.confirms_by_port, self.queue.back_mut()) {
            question.response_port = Some(there.port());
        }
    }

    fn enter_pairing(&mut self) {
        self.stage = Stage::Pairing;
        let wants = [
            Property::Hairpinning,
            Property::PortPreservation,
            Property::PortParity,
            Property::Pooling,
            Property::Lifetime,
        ];
        if self.config.second.is_some() && wants.into_iter().any(|property| self.wants(property)) {
            self.ask(Test::SecondSocket, Role::Second, self.facts.server);
        }
    }

    fn enter_hairpinning(&mut self, now: Instant) {
        self.stage = Stage::Hairpinning;
        let can_try = self.facts.second_mapped.is_some() && self.has_own_family();
        let has_nat = self.translation().known_value() != Some(Translation::Absent);
        if self.wants(Property::Hairpinning) && can_try && has_nat {
            self.trial = Some(Trial::new(self.config.patience, now));
            self.run_trial(now);
        }
    }

    fn enter_fragmenting(&mut self, now: Instant) {
        self.stage = Stage::Fragmenting;
        if self.wants(Property::Fragments) {
            self.trial = Some(Trial::new(self.config.patience, now));
            self.run_trial(now);
        }
    }

    fn enter_lasting(&mut self) {
        self.stage = Stage::Lasting;
        if self.wants(Property::Lifetime) {
            self.begin_search();
        }
    }

    /// Whether the sockets can write to their own mapped addresses.
    pub(super) fn has_own_family(&self) -> bool {
        let is_ipv4 = self.config.primary.local.is_ipv4();
        let mut all = self.facts.mapped.into_iter().chain(self.facts.second_mapped);
        all.all(|mapped| mapped.is_ipv4() == is_ipv4)
    }

    pub(super) fn wants(&self, property: Property) -> bool {
        self.config.properties.contains(property)
    }

    /// Whether what the mapping is matters: for itself, or for what others mean.
    fn needs_mapping(&self) -> bool {
        [Property::Mapping, Property::Hairpinning, Property::Pooling]
            .into_iter()
            .any(|property| self.wants(property))
            || matches!(self.facts.change_both, Upshot::Silent { .. })
    }

    /// What the primary socket is known as to `remote`.
    pub(super) fn observed(&self, remote: SocketAddr) -> Option<SocketAddr> {
        self.facts.observations.iter().find(|(asked, _)| *asked == remote).map(|(_, mapped)| *mapped)
    }

    /// The local address of a socket, as far as it is known.
    pub(super) fn local(&self, role: Role) -> SocketAddr {
        let socket = self.socket(role);
        let known = socket.address.or(self.facts.local_ip).filter(|_| socket.local.ip().is_unspecified());
        SocketAddr::new(known.unwrap_or(socket.local.ip()), socket.local.port())
    }

    /// Takes a response into the facts.
    pub(super) fn note_reply(&mut self, tag: &Tag, reply: &Reply, now: Instant) {
        self.facts.is_reached = true;
        if tag.test != Test::Control {
            self.note_evidence(
                tag,
                match reply.said {
                    Ok(success) => Seen::Answer { from: reply.from, mapped: success.mapped },
                    Err(code) => Seen::Error { from: reply.from, code },
                },
            );
        }
        if let (Ok(success), Role::Primary) = (&reply.said, tag.from) {
            self.note_mapped(tag, success);
        }
        if tag.is_attempt {
            return self.note_attempt_reply(tag, reply);
        }
        match (tag.test, reply.said) {
            (Test::Binding, Ok(success)) => {
                self.facts.mapped = Some(success.mapped);
                self.facts.other = success.other;
            }
            (Test::Binding, Err(code)) => self.facts.failure = Some(refusal(code)),
            (Test::SecondSocket, Ok(success)) => self.facts.second_mapped = Some(success.mapped),
            (Test::Confirmation, _) => self.facts.confirmation = reply.upshot(),
            (Test::Renewal, Ok(success)) => self.note_renewal(tag, success.mapped, now),
            _ => {}
        }
    }

    /// The same socket asking the same server must have the same mapped address.
    fn note_mapped(&mut self, tag: &Tag, success: &Success) {
        if let Some(plain) = success.plain {
            let differs = plain != success.mapped;
            self.facts.is_rewritten = Some(self.facts.is_rewritten.unwrap_or(false) | differs);
        }
        if self.stage == Stage::Lasting {
            return; // there a binding dies on purpose
        }
        match self.observed(tag.asked) {
            Some(before) if before != success.mapped => self.facts.has_changed = true,
            Some(_) => self.facts.repeats = self.facts.repeats.saturating_add(1),
            None if self.facts.observations.len() < Self::MAX_OBSERVATIONS => {
                self.facts.observations.push((tag.asked, success.mapped));
            }
            None => {}
        }
    }

    /// An ordinary request was not answered, or not sent.
    pub(super) fn note_unanswered(&mut self, tag: Tag, error: Option<SendError>) {
        let requests = self.sends(&tag);
        let seen = error.map_or(Seen::Silence { requests }, Seen::SendFailed);
        self.note_evidence(&tag, seen);
        match tag.test {
            Test::Binding => {
                self.facts.failure = Some(match error {
                    Some(error) => Reason::SendFailed { error },
                    None if self.facts.is_altered => Reason::ResponsesAltered,
                    None => self.facts.failure.unwrap_or(Reason::NoAnswer),
                });
                if error.is_none() && !self.facts.silent.contains(&tag.asked.ip()) {
                    self.facts.silent.push(tag.asked.ip());
                }
            }
            Test::Confirmation => {
                self.facts.confirmation = error.map_or(Upshot::Silent { is_clean: false }, Upshot::Failed);
            }
            _ => {}
        }
        self.push(ProbeEvent::Unanswered { test: tag.test, asked: tag.asked });
    }

    pub(super) fn note_evidence(&mut self, tag: &Tag, seen: Seen) {
        let evidence = Evidence { test: tag.test, asked: tag.asked, seen };
        if self.log.len() < Self::MAX_LOG && !self.log.contains(&evidence) {
            self.log.push(evidence);
        }
    }
}

/// What an error response to an ordinary request means.
fn refusal(code: u16) -> Reason {
    if code == 0 { Reason::NoMappedAddress } else { Reason::ErrorResponse { code } }
}
