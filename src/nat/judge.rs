//! What the facts mean. Where they do not fit, or something else would explain them, the value is unknown.

use core::net::SocketAddr;

use super::ask::Role;
use super::config::Property;
use super::event::ProbeEvent;
use super::finding::{Confidence, Finding, Reason, Seen, Test};
use super::probe::{Probe, Upshot};
use super::report::Report;
use super::value::{
    Connectivity, Dependence, Fragments, Gateway, Hairpinning, Pooling, PortParity, PortPreservation,
    Stability, Translation,
};

impl Probe {
    /// Decides a property once, if anybody wants to know it.
    pub(super) fn settle(&mut self, property: Property, set: impl FnOnce(&mut Report)) {
        if !self.wants(property) || self.settled.contains(property) {
            return;
        }
        self.settled = self.settled.with(property);
        set(&mut self.report);
        // What would have been evidence of a NAT's behaviour is none where there is no NAT.
        let is_of_interest = self.report.finding(property).reason() != Some(Reason::NoNat);
        for evidence in self.log.iter().filter(|one| is_of_interest && concerns(property, one.test)) {
            self.report.add_evidence(property, *evidence);
        }
        let finding = self.report.finding(property);
        self.push(ProbeEvent::Found { property, value: finding.value, confidence: finding.confidence });
    }

    /// RFC 5780 s4.2 takes one silent server for blocked UDP; but a server may be down.
    pub(super) fn connectivity_without_answer(&self) -> Finding<Connectivity> {
        if self.facts.is_reached {
            Finding::known(Connectivity::Open, Confidence::High)
        } else if self.facts.silent.len() >= 2 && !self.facts.is_altered && !self.has_send_errors() {
            Finding::known(Connectivity::Blocked, Confidence::Medium)
        } else {
            Finding::unknown(self.facts.failure.unwrap_or(Reason::NoAnswer))
        }
    }

    /// An ICMP error has found its way back, or nothing has left at all: that is not silence.
    fn has_send_errors(&self) -> bool {
        self.log.iter().any(|evidence| matches!(evidence.seen, Seen::SendFailed(_)))
    }

    pub(super) fn settle_translation(&mut self) {
        let finding = self.translation();
        self.settle(Property::Translation, |report| report.translation = finding);
    }

    pub(super) fn translation(&self) -> Finding<Translation> {
        let local = self.local(Role::Primary);
        let Some(mapped) = self.facts.mapped else { return Finding::unknown(Reason::NoAnswer) };
        let same_port = local.port() == mapped.port();
        match (local.ip().is_unspecified(), local.port()) {
            (true, 0) => Finding::unknown(Reason::LocalAddressUnknown),
            (true, _) if same_port => Finding::unknown(Reason::LocalAddressUnknown),
            (true, _) => Finding::known(Translation::Present, Confidence::High),
            (false, _) if local.ip() != mapped.ip() => Finding::known(Translation::Present, Confidence::High),
            (false, 0) => Finding::known(Translation::Absent, Confidence::Medium),
            (false, _) if same_port => Finding::known(Translation::Absent, Confidence::High),
            (false, _) => Finding::known(Translation::Present, Confidence::High),
        }
    }

    pub(super) fn settle_gateway(&mut self) {
        let finding = match self.facts.is_rewritten {
            Some(true) => Finding::known(Gateway::Present, Confidence::High),
            Some(false) => Finding::known(Gateway::Absent, Confidence::High),
            None => Finding::unknown(Reason::NoMappedAddress),
        };
        self.settle(Property::Gateway, |report| report.gateway = finding);
    }

    pub(super) fn settle_mapping(&mut self) {
        let finding = self.mapping();
        self.settle(Property::Mapping, |report| report.mapping = finding);
    }

    /// Compares what different servers saw (RFC 5780 s4.3). The server's other addresses and other servers count
    /// alike: what matters is whether IP address and port differ.
    pub(super) fn mapping(&self) -> Finding<Dependence> {
        use Dependence::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
        if self.facts.has_changed {
            return Finding::unknown(Reason::Contradiction);
        }
        let seen = Comparison::of(&self.facts.observations);
        let confidence = if self.facts.repeats > 0 { Confidence::High } else { Confidence::Medium };
        let known = |value| Finding::known(value, confidence);
        match seen {
            // RFC 5780 s4.3: "the effective mapping will be Endpoint-Independent".
            Comparison { other_for_ips: 0, other_for_ports: 0, .. } if self.is_without_nat() => {
                let is_alone = seen == Comparison::default();
                let confidence = if is_alone { Confidence::Medium } else { Confidence::High };
                Finding::known(EndpointIndependent, confidence)
            }
            // One mapped address for two IP addresses, and another for a third destination.
            Comparison { same_for_ips: 1.., other_for_ips: 1.., .. }
            | Comparison { same_for_ips: 1.., other_for_ports: 1.., .. }
            | Comparison { same_for_ports: 1.., other_for_ports: 1.., .. } => {
                Finding::unknown(Reason::Contradiction)
            }
            Comparison { same_for_ips: 1, .. } => Finding::known(EndpointIndependent, Confidence::Medium),
            Comparison { same_for_ips: 2.., .. } => known(EndpointIndependent),
            Comparison { other_for_ports: 1.., .. } => known(AddressAndPortDependent),
            Comparison { other_for_ips: 1.., same_for_ports: 1.., .. } => known(AddressDependent),
            Comparison { other_for_ips: 1.., .. } => Finding::unknown(Reason::DependsOnDestination),
            Comparison { same_for_ports: 1.., .. } => Finding::unknown(Reason::OneAddressOnly),
            Comparison { .. } => Finding::unknown(self.why_nothing_to_compare()),
        }
    }

    fn why_nothing_to_compare(&self) -> Reason {
        let is_unanswered = |test| self.log.iter().any(|evidence| evidence.test == test);
        if is_unanswered(Test::OtherServer) {
            Reason::NoAnswer
        } else if self.facts.other.is_some() {
            Reason::AlternateSilent
        } else {
            Reason::OneServerOnly
        }
    }

    pub(super) fn settle_filtering(&mut self) {
        let finding = self.filtering().unwrap_or_else(|| self.filtering_after_silence());
        self.settle(Property::Filtering, |report| report.filtering = finding);
    }

    /// What the trial says of filtering; `None` if there was silence, which might be the server's.
    pub(super) fn filtering(&self) -> Option<Finding<Dependence>> {
        let unknown = |reason| Some(Finding::unknown(reason));
        if self.facts.other.is_none() {
            return unknown(Reason::NoOtherAddress);
        }
        match (self.facts.change_both, self.facts.change_port) {
            (Upshot::Answered, _) => {
                Some(Finding::known(Dependence::EndpointIndependent, self.unless_changed(Confidence::High)))
            }
            (Upshot::Elsewhere, _) | (_, Upshot::Elsewhere) => unknown(Reason::ServerIgnoresChangeRequest),
            (Upshot::Refused(420), _) | (_, Upshot::Refused(420)) => {
                unknown(Reason::ChangeRequestUnsupported)
            }
            (Upshot::Refused(code), _) | (_, Upshot::Refused(code)) => {
                unknown(Reason::ErrorResponse { code })
            }
            (Upshot::Failed(error), _) | (_, Upshot::Failed(error)) => unknown(Reason::SendFailed { error }),
            (Upshot::Lossy, _) => unknown(Reason::Lossy),
            (Upshot::Pending, _) => unknown(Reason::NotTested),
            (Upshot::Silent { .. }, _) => None,
        }
    }

    /// RFC 5780 s4.4 takes silence for a filter. It may as well be a server that never answers from elsewhere, so
    /// it must be seen to do so.
    fn filtering_after_silence(&self) -> Finding<Dependence> {
        let value = if self.facts.change_port == Upshot::Answered {
            Dependence::AddressDependent
        } else {
            Dependence::AddressAndPortDependent
        };
        if self.facts.has_changed {
            return Finding::unknown(Reason::Contradiction);
        }
        if self.facts.other.and_then(|other| self.observed(other)).is_none() {
            return Finding::unknown(Reason::AlternateSilent);
        }
        let is_clean = self.facts.change_both == Upshot::Silent { is_clean: true };
        match self.facts.confirmation {
            Upshot::Answered if is_clean => Finding::known(value, Confidence::High),
            Upshot::Answered => Finding::known(value, Confidence::Medium),
            Upshot::Elsewhere | Upshot::Silent { .. } | Upshot::Lossy => {
                Finding::unknown(Reason::ServerIgnoresChangeRequest)
            }
            Upshot::Refused(420) if !self.facts.confirms_by_port => {
                Finding::unknown(Reason::ChangeRequestUnsupported)
            }
            Upshot::Refused(_) | Upshot::Failed(_) | Upshot::Pending => {
                Finding::known(value, Confidence::Low)
            }
        }
    }

    const fn unless_changed(&self, confidence: Confidence) -> Confidence {
        if self.facts.has_changed { Confidence::Low } else { confidence }
    }

    /// Port preservation, parity and pooling: they need the second socket's mapped address too.
    pub(super) fn settle_ports(&mut self) {
        let pairs = self.port_pairs();
        let preservation = self.port_preservation(pairs);
        let parity = self.port_parity(&preservation, pairs);
        let pooling = self.pooling();
        self.settle(Property::PortPreservation, |report| report.port_preservation = preservation);
        self.settle(Property::PortParity, |report| report.port_parity = parity);
        self.settle(Property::Pooling, |report| report.pooling = pooling);
    }

    /// Local and mapped port of each socket.
    fn port_pairs(&self) -> [Option<(u16, u16)>; 2] {
        let pair = |role, mapped: Option<SocketAddr>| Some((self.local(role).port(), mapped?.port()));
        [pair(Role::Primary, self.facts.mapped), pair(Role::Second, self.facts.second_mapped)]
    }

    fn is_without_nat(&self) -> bool {
        self.translation().known_value() == Some(Translation::Absent)
    }

    fn port_preservation(&self, pairs: [Option<(u16, u16)>; 2]) -> Finding<PortPreservation> {
        if self.is_without_nat() {
            return Finding::unknown(Reason::NoNat);
        }
        let known = || pairs.into_iter().flatten().filter(|(local, _)| *local != 0);
        let (all, preserved) = (known().count(), known().filter(|(local, mapped)| local == mapped).count());
        let (changed, kept) = (PortPreservation::Changed, PortPreservation::Preserved);
        match (all, preserved) {
            (0, _) => Finding::unknown(Reason::LocalAddressUnknown),
            (1, 0) => Finding::known(changed, Confidence::Medium),
            (_, 0) => Finding::known(changed, Confidence::High),
            (1, 1) => Finding::known(kept, Confidence::Medium),
            (2, 2) => Finding::known(kept, Confidence::High),
            // The other port may have been taken.
            _ => Finding::known(kept, Confidence::Low),
        }
    }

    fn port_parity(
        &self,
        preservation: &Finding<PortPreservation>,
        pairs: [Option<(u16, u16)>; 2],
    ) -> Finding<PortParity> {
        match (preservation.known_value(), preservation.reason()) {
            (_, Some(reason)) => return Finding::unknown(reason),
            (Some(PortPreservation::Preserved), _) => {
                return Finding::known(PortParity::Preserved, preservation.confidence);
            }
            _ => {}
        }
        let differs = |(local, mapped): (u16, u16)| local != 0 && local % 2 != mapped % 2;
        if pairs.into_iter().flatten().any(differs) {
            Finding::known(PortParity::Changed, Confidence::High)
        } else {
            Finding::unknown(Reason::TooFewObservations)
        }
    }

    fn pooling(&self) -> Finding<Pooling> {
        if self.is_without_nat() {
            return Finding::unknown(Reason::NoNat);
        }
        let primary = self.facts.observations.iter().map(|(_, mapped)| mapped.ip());
        let mut all = primary.chain(self.facts.second_mapped.map(|mapped| mapped.ip()));
        let (Some(first), Some(second)) = (all.next(), all.next()) else {
            return Finding::unknown(Reason::OneServerOnly);
        };
        if first == second && all.all(|ip| ip == first) {
            Finding::known(Pooling::OneAddress, Confidence::Medium)
        } else {
            Finding::known(Pooling::SeveralAddresses, Confidence::High)
        }
    }

    pub(super) fn settle_stability(&mut self) {
        let finding = match (self.facts.has_changed, self.facts.repeats) {
            (true, _) => Finding::known(Stability::Changed, Confidence::High),
            (false, 0) => Finding::unknown(Reason::NoAnswer),
            (false, 1 | 2) => Finding::known(Stability::Stable, Confidence::Medium),
            (false, _) => Finding::known(Stability::Stable, Confidence::High),
        };
        self.settle(Property::Stability, |report| report.stability = finding);
    }

    /// A request that came back is proof. One that did not may have been filtered, unless the filter lets everybody
    /// in, or was opened: the sockets have written to each other, and are known by the same addresses to all.
    pub(super) fn settle_hairpinning(&mut self) {
        let is_open = self.mapping().known_value() == Some(Dependence::EndpointIndependent)
            || self.filtering().and_then(|filtering| filtering.known_value())
                == Some(Dependence::EndpointIndependent);
        let finding = match self.facts.hairpin {
            _ if self.is_without_nat() => Finding::unknown(Reason::NoNat),
            _ if self.config.second.is_none() => Finding::unknown(Reason::NoSecondSocket),
            _ if !self.has_own_family() => Finding::unknown(Reason::OtherFamily),
            Upshot::Answered | Upshot::Elsewhere => Finding::known(Hairpinning::Supported, Confidence::High),
            Upshot::Silent { .. } if self.facts.has_changed => Finding::unknown(Reason::Contradiction),
            Upshot::Silent { .. } if !is_open => Finding::unknown(Reason::FilteringHides),
            Upshot::Silent { is_clean } => Finding::known(Hairpinning::Unsupported, of_silence(is_clean)),
            Upshot::Lossy => Finding::unknown(Reason::Lossy),
            Upshot::Failed(error) => Finding::unknown(Reason::SendFailed { error }),
            Upshot::Refused(_) => Finding::unknown(Reason::Contradiction),
            Upshot::Pending => Finding::unknown(Reason::NoAnswer),
        };
        self.settle(Property::Hairpinning, |report| report.hairpinning = finding);
    }

    pub(super) fn settle_fragments(&mut self) {
        let finding = match self.facts.padding {
            _ if self.facts.short_padding == Upshot::Refused(420) => {
                Finding::unknown(Reason::PaddingUnsupported)
            }
            Upshot::Answered | Upshot::Elsewhere if self.facts.is_padded_back => {
                Finding::known(Fragments::Pass, Confidence::High)
            }
            Upshot::Answered | Upshot::Elsewhere => Finding::known(Fragments::PassOutbound, Confidence::High),
            // A server that knows PADDING may pad its responses whatever the request has (RFC 5780 s6.1).
            Upshot::Silent { .. } if self.facts.short_padding == Upshot::Answered => {
                Finding::known(Fragments::Lost, Confidence::Medium)
            }
            Upshot::Silent { .. } if self.facts.other.is_some() => {
                Finding::known(Fragments::Lost, Confidence::Low)
            }
            Upshot::Silent { .. } => Finding::unknown(Reason::NoAnswer),
            Upshot::Refused(420) => Finding::unknown(Reason::PaddingUnsupported),
            Upshot::Refused(code) => Finding::unknown(Reason::ErrorResponse { code }),
            Upshot::Lossy => Finding::unknown(Reason::Lossy),
            Upshot::Failed(error) => Finding::unknown(Reason::SendFailed { error }),
            Upshot::Pending => Finding::unknown(Reason::NoAnswer),
        };
        self.settle(Property::Fragments, |report| report.fragments = finding);
    }
}

/// Pairs of destinations by what differs, and whether the mapped address does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Comparison {
    /// Different IP addresses, the same mapped address; and different ones.
    same_for_ips: u32,
    other_for_ips: u32,
    /// The same for one IP address at different ports.
    same_for_ports: u32,
    other_for_ports: u32,
}

impl Comparison {
    fn of(observations: &[(SocketAddr, SocketAddr)]) -> Self {
        let mut seen = Self::default();
        for (place, (remote, mapped)) in observations.iter().enumerate() {
            for (other, theirs) in observations.iter().skip(place.saturating_add(1)) {
                let counter = match (remote.ip() == other.ip(), mapped == theirs) {
                    (false, true) => &mut seen.same_for_ips,
                    (false, false) => &mut seen.other_for_ips,
                    (true, true) => &mut seen.same_for_ports,
                    (true, false) => &mut seen.other_for_ports,
                };
                *counter = counter.saturating_add(1);
            }
        }
        seen
    }
}

const fn of_silence(is_clean: bool) -> Confidence {
    if is_clean { Confidence::High } else { Confidence::Medium }
}

/// Whether what a test showed is evidence for a property.
const fn concerns(property: Property, test: Test) -> bool {
    match property {
        Property::Connectivity | Property::Translation | Property::Gateway => matches!(test, Test::Binding),
        Property::Mapping => matches!(
            test,
            Test::Binding | Test::Repeated | Test::AlternateAddress | Test::AlternateBoth | Test::OtherServer
        ),
        Property::Filtering => matches!(test, Test::ChangeBoth | Test::ChangePort | Test::Confirmation),
        Property::Hairpinning => matches!(test, Test::SecondSocket | Test::Hairpin),
        Property::PortPreservation | Property::PortParity => {
            matches!(test, Test::Binding | Test::SecondSocket)
        }
        Property::Pooling => matches!(
            test,
            Test::Binding
                | Test::AlternateAddress
                | Test::AlternateBoth
                | Test::OtherServer
                | Test::SecondSocket
        ),
        Property::Stability => matches!(test, Test::Binding | Test::Repeated),
        Property::Fragments => matches!(test, Test::Padding | Test::ShortPadding),
        Property::Lifetime => matches!(test, Test::Renewal | Test::ResponsePort),
    }
}
