//! Every NAT of RFC 4787, diagnosed by a probe that asks servers of several kinds: exactly as far as it can be
//! known, and never wrongly.

#![allow(missing_docs, reason = "tests are named as sentences")]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

use std::net::IpAddr;
use std::time::Duration;

use libstun::nat::{
    Answer, Confidence, Connectivity, Dependence as Found, Finding, Fragments, Gateway, Hairpinning,
    PortPreservation, Properties, Property, Reason, Report, Stability, Translation,
};
use libstun_sim::behaviour_server::Manner;
use libstun_sim::diagnosis::{Diagnosis, addresses};
use libstun_sim::lab::Lab;
use libstun_sim::link::{Faults, Loss};
use libstun_sim::nat::{Behaviour, Dependence, NatConfig};
use libstun_sim::time::{MILLISECOND, SECOND};

const SEEDS: u64 = 4;

/// Whom a probe may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Servers {
    Full,
    /// The library's own, with the budget that it has by default.
    Ours,
    IgnoresChange,
    TwoPlain,
}

const SERVERS: [Servers; 4] = [Servers::Full, Servers::Ours, Servers::IgnoresChange, Servers::TwoPlain];

fn nat(behaviour: Behaviour) -> NatConfig {
    NatConfig::new(behaviour, Lab::OUTSIDE)
}

fn lab(seed: u64, nats: &[NatConfig], servers: Servers) -> Diagnosis {
    let mut lab = Diagnosis::new(seed, nats);
    match servers {
        Servers::Full => {
            lab.add_server(1, Manner::Full);
        }
        Servers::Ours => lab.add_our_server(1),
        Servers::IgnoresChange => {
            lab.add_server(1, Manner::IgnoresChange);
        }
        Servers::TwoPlain => {
            lab.add_server(1, Manner::Plain);
            lab.add_server(2, Manner::Plain);
        }
    }
    lab
}

/// Each NAT so many times, each time with a seed of its own.
fn every_nat(times: u64) -> impl Iterator<Item = (Behaviour, u64)> {
    (0..72).flat_map(move |number| {
        (0..times).map(move |time| (Behaviour::numbered(number), time * 72 + number as u64))
    })
}

fn truth(dependence: Dependence) -> Found {
    match dependence {
        Dependence::Endpoint => Found::EndpointIndependent,
        Dependence::Address => Found::AddressDependent,
        Dependence::AddressAndPort => Found::AddressAndPortDependent,
    }
}

/// All that can be known of a NAT by asking such servers.
struct Knowable {
    mapping: Answer<Found>,
    filtering: Answer<Found>,
    hairpinning: Answer<Hairpinning>,
    preservation: Answer<PortPreservation>,
}

fn knowable(behaviour: Behaviour, servers: Servers) -> Knowable {
    let (eim, eif) = (behaviour.mapping == Dependence::Endpoint, behaviour.filtering == Dependence::Endpoint);
    let mapping = match servers {
        Servers::TwoPlain if !eim => Answer::Unknown(Reason::DependsOnDestination),
        _ => Answer::Known(truth(behaviour.mapping)),
    };
    let filtering = match servers {
        Servers::Full | Servers::Ours => Answer::Known(truth(behaviour.filtering)),
        Servers::IgnoresChange => Answer::Unknown(Reason::ServerIgnoresChangeRequest),
        Servers::TwoPlain => Answer::Unknown(Reason::NoOtherAddress),
    };
    // A request that does not come back proves something only where no filter can have stopped it.
    let hairpinning = match (behaviour.hairpins, eim, eif) {
        (true, true, _) | (true, false, true) => Answer::Known(Hairpinning::Supported),
        (false, true, _) => Answer::Known(Hairpinning::Unsupported),
        (false, false, true) if matches!(servers, Servers::Full | Servers::Ours) => {
            Answer::Known(Hairpinning::Unsupported)
        }
        _ => Answer::Unknown(Reason::FilteringHides),
    };
    let preservation = Answer::Known(if behaviour.preserves_port {
        PortPreservation::Preserved
    } else {
        PortPreservation::Changed
    });
    Knowable { mapping, filtering, hairpinning, preservation }
}

/// Whatever is claimed is true.
fn assert_nothing_wrong(report: &Report, behaviour: Behaviour) {
    assert_behaviour_true(report, behaviour);
    let preserves = report.port_preservation.known_value().map(|found| found == PortPreservation::Preserved);
    assert!(preserves.is_none_or(|kept| kept == behaviour.preserves_port), "{behaviour:?}\n{report}");
    assert_ne!(report.connectivity.known_value(), Some(Connectivity::Blocked));
    assert_ne!(report.translation.known_value(), Some(Translation::Absent));
    assert_ne!(report.gateway.known_value(), Some(Gateway::Present));
    assert_ne!(report.stability.known_value(), Some(Stability::Changed), "{behaviour:?}\n{report}");
}

/// What is claimed of mapping, filtering and hairpinning is true.
fn assert_behaviour_true(report: &Report, behaviour: Behaviour) {
    let is_true = |found: Option<Found>, dependence| found.is_none_or(|found| found == truth(dependence));
    assert!(is_true(report.mapping.known_value(), behaviour.mapping), "{behaviour:?}\n{report}");
    assert!(is_true(report.filtering.known_value(), behaviour.filtering), "{behaviour:?}\n{report}");
    let hairpins = report.hairpinning.known_value().map(|found| found == Hairpinning::Supported);
    assert!(hairpins.is_none_or(|hairpins| hairpins == behaviour.hairpins), "{behaviour:?}\n{report}");
}

fn word<T: Copy + std::fmt::Debug>(finding: &Finding<T>, known: impl Fn(T) -> &'static str) -> &'static str {
    match finding.value {
        Answer::Known(value) => known(value),
        Answer::Unknown(Reason::DependsOnDestination) => "depends",
        Answer::Unknown(_) => "?",
    }
}

fn short(found: Found) -> &'static str {
    match found {
        Found::EndpointIndependent => "EI",
        Found::AddressDependent => "AD",
        Found::AddressAndPortDependent => "APD",
        _ => "other",
    }
}

fn row(report: &Report) -> String {
    format!(
        "{:<8}{:<5}{:<4}{:<5}",
        word(&report.mapping, short),
        word(&report.filtering, short),
        word(&report.hairpinning, |found| if found == Hairpinning::Supported { "yes" } else { "no" }),
        word(&report.port_preservation, |found| {
            if found == PortPreservation::Preserved { "kept" } else { "new" }
        })
    )
}

#[test]
fn every_nat_is_diagnosed_exactly_as_far_as_it_can_be_known() {
    println!("mapping, filtering, hairpinning and port; ? is unknown, and so it has to be\n");
    println!(
        "{:<24}  {:<22}  {:<22}  {:<22}  {:<22}",
        "the NAT", "RFC 5780 server", "our server", "ignores CHANGE-REQUEST", "two plain"
    );
    let (mut diagnoses, mut known, mut unknown) = (0, 0, 0);
    for behaviour in Behaviour::all() {
        let mut line = format!(
            "{:<5}{:<5}{:<4}{:<5}{:<5}",
            short(truth(behaviour.mapping)),
            short(truth(behaviour.filtering)),
            if behaviour.hairpins { "yes" } else { "no" },
            if behaviour.preserves_port { "kept" } else { "new" },
            if behaviour.inbound_refreshes { "in" } else { "" },
        );
        for servers in SERVERS {
            let report = lab(1, &[nat(behaviour)], servers).run(|_| ());
            let expected = knowable(behaviour, servers);
            let what = format!("{behaviour:?} {servers:?}\n{report}");
            assert_eq!(report.mapping.value, expected.mapping, "{what}");
            assert_eq!(report.filtering.value, expected.filtering, "{what}");
            assert_eq!(report.hairpinning.value, expected.hairpinning, "{what}");
            assert_eq!(report.port_preservation.value, expected.preservation, "{what}");
            assert_eq!(report.translation.known_value(), Some(Translation::Present), "{what}");
            assert_eq!(report.connectivity.known_value(), Some(Connectivity::Open), "{what}");
            assert_eq!(report.gateway.known_value(), Some(Gateway::Absent), "{what}");
            assert_eq!(report.stability.known_value(), Some(Stability::Stable), "{what}");
            assert_nothing_wrong(&report, behaviour);
            diagnoses += 1;
            for property in
                [Property::Mapping, Property::Filtering, Property::Hairpinning, Property::PortPreservation]
            {
                match report.finding(property).value {
                    Answer::Known(_) => known += 1,
                    Answer::Unknown(_) => unknown += 1,
                }
            }
            line += &format!("  {}", row(&report));
        }
        println!("{}", line.trim_end());
    }
    println!(
        "\n{diagnoses} diagnoses: {known} findings as the NAT is, {unknown} unknown as they have to be, none wrong"
    );
}

#[test]
fn not_a_property_is_left_without_a_finding() {
    let report = lab(1, &[nat(Behaviour::numbered(0))], Servers::Full).run(|_| ());
    for property in Property::ALL {
        let is_untested = report.finding(property).reason() == Some(Reason::NotTested);
        assert_eq!(is_untested, property == Property::Lifetime, "{property:?}");
    }
}

/// Loses so many of a thousand of the host's packets, each way.
fn make_lossy(lab: &mut Diagnosis, permille: u16) {
    let faults = Faults { loss: Loss::Uniform(permille), jitter: 30 * MILLISECOND, ..Faults::default() };
    *lab.net.up(lab.port) = faults.clone();
    *lab.net.down(lab.port) = faults;
}

#[test]
fn loss_makes_findings_unknown_or_less_sure_and_never_wrong() {
    let (mut known, mut unknown, mut sure) = (0, 0, 0);
    for (behaviour, seed) in every_nat(SEEDS) {
        for servers in SERVERS {
            let mut lab = lab(seed, &[nat(behaviour)], servers);
            make_lossy(&mut lab, 200);
            let report = lab.run(|_| ());
            assert_nothing_wrong(&report, behaviour);
            if servers == Servers::Full {
                let is_filtered = behaviour.filtering != Dependence::Endpoint;
                match report.filtering.known_value() {
                    Some(_) => known += 1,
                    None => unknown += 1,
                }
                sure += usize::from(is_filtered && report.filtering.confidence == Confidence::High);
            }
        }
    }
    println!("filtering at 20 % loss each way: {known} known, {unknown} unknown");
    assert!(known > 9 * unknown, "{known} known, {unknown} unknown");
    assert!(sure < 72 * SEEDS as usize / 20, "{sure} findings from silence on a lossy path claim to be sure");
}

/// Seven unanswered requests, as many as RFC 8489 sends, would here be lost once in a hundred times.
#[test]
fn heavy_loss_is_not_taken_for_a_filter() {
    let (mut known, mut unknown) = (0, 0);
    for (behaviour, seed) in every_nat(32).filter(|(one, _)| one.filtering == Dependence::Endpoint) {
        let mut lab = lab(seed, &[nat(behaviour)], Servers::Full);
        lab.config.properties = Properties::NONE.with(Property::Filtering).with(Property::Hairpinning);
        make_lossy(&mut lab, 300);
        let report = lab.run(|_| ());
        assert_nothing_wrong(&report, behaviour);
        match report.filtering.known_value() {
            Some(_) => known += 1,
            None => unknown += 1,
        }
    }
    println!("filtering at 30 % loss each way: {known} known, {unknown} unknown");
    assert!(known > unknown);
}

#[test]
fn bursts_of_loss_are_not_taken_for_filters() {
    for (behaviour, seed) in every_nat(SEEDS) {
        let mut lab = lab(seed, &[nat(behaviour)], Servers::Full);
        let loss = Loss::Bursty { to_bad: 50, to_good: 100, in_bad: 950 };
        *lab.net.down(lab.port) = Faults { loss, ..Faults::default() };
        assert_nothing_wrong(&lab.run(|_| ()), behaviour);
    }
}

/// The more restrictive one shows.
#[test]
fn two_nats_in_a_row_are_diagnosed_as_the_one_that_they_make() {
    for inner in Behaviour::all() {
        for outer in [0, 4, 8, 12, 20, 35, 44, 71].map(Behaviour::numbered) {
            let config = NatConfig::new(inner, Lab::BETWEEN);
            let report = lab(2, &[config, nat(outer)], Servers::Full).run(|_| ());
            let what = format!("{inner:?} {outer:?}\n{report}");
            let both = |of: fn(Behaviour) -> Dependence| {
                let rank = |behaviour| match of(behaviour) {
                    Dependence::Endpoint => 0,
                    Dependence::Address => 1,
                    Dependence::AddressAndPort => 2,
                };
                if rank(inner) > rank(outer) { truth(of(inner)) } else { truth(of(outer)) }
            };
            assert_eq!(report.mapping.known_value(), Some(both(|one| one.mapping)), "{what}");
            assert_eq!(report.filtering.known_value(), Some(both(|one| one.filtering)), "{what}");
            assert_eq!(report.translation.known_value(), Some(Translation::Present), "{what}");
            assert_eq!(report.mapped.unwrap().ip(), Lab::OUTSIDE);
            if let Some(found) = report.hairpinning.known_value() {
                assert_eq!(found == Hairpinning::Supported, outer.hairpins, "{what}");
            }
            if let Some(kept) = report.port_preservation.known_value() {
                let is_kept = inner.preserves_port && outer.preserves_port;
                assert_eq!(kept == PortPreservation::Preserved, is_kept, "{what}");
            }
        }
    }
}

/// The other address of an IPv4 server is none that an IPv6 socket could write to.
#[test]
fn behind_nat64_two_servers_tell_what_one_cannot() {
    for behaviour in Behaviour::all() {
        let config = NatConfig { is_nat64: true, ..nat(behaviour) };
        let one = lab(2, std::slice::from_ref(&config), Servers::Full).run(|_| ());
        assert_eq!(one.filtering.reason(), Some(Reason::NoOtherAddress), "{one}");
        assert_eq!(one.mapping.reason(), Some(Reason::OneServerOnly), "{one}");
        assert_eq!(one.translation.known_value(), Some(Translation::Present));
        assert!(one.mapped.unwrap().is_ipv4());

        let two = lab(2, &[config], Servers::TwoPlain).run(|_| ());
        let depends = behaviour.mapping != Dependence::Endpoint;
        assert_eq!(two.depends_on_destination(), Some(depends), "{two}");
        assert_eq!(two.hairpinning.reason(), Some(Reason::OtherFamily));
        assert_nothing_wrong(&two, behaviour);
    }
}

#[test]
fn a_host_without_a_nat_is_told_so() {
    let report = lab(3, &[], Servers::Full).run(|_| ());
    assert_eq!(report.translation.known_value(), Some(Translation::Absent), "{report}");
    assert_eq!(report.mapping.known_value(), Some(Found::EndpointIndependent));
    assert_eq!(report.filtering.known_value(), Some(Found::EndpointIndependent));
    assert_eq!(report.rfc3489_name(), Some("open Internet"));
    for property in
        [Property::Hairpinning, Property::PortPreservation, Property::PortParity, Property::Pooling]
    {
        assert_eq!(report.finding(property).reason(), Some(Reason::NoNat), "{property:?}");
    }
}

#[test]
fn a_wildcard_local_address_does_not_tell_whether_there_is_a_nat_unless_the_port_does() {
    let wildcard = |lab: &mut Diagnosis| {
        lab.config.primary.local.set_ip(IpAddr::from([0, 0, 0, 0]));
        lab.config.second.as_mut().unwrap().local.set_ip(IpAddr::from([0, 0, 0, 0]));
        // The driver sends from its address, and does not say where a packet has arrived.
        lab.is_wildcard = true;
    };
    let mut open = lab(3, &[], Servers::Full);
    wildcard(&mut open);
    let report = open.run(|_| ());
    assert_eq!(report.translation.reason(), Some(Reason::LocalAddressUnknown), "{report}");

    let mut told = lab(3, &[], Servers::Full);
    wildcard(&mut told);
    told.config.primary.address = Some(Lab::PUBLIC);
    assert_eq!(told.run(|_| ()).translation.known_value(), Some(Translation::Absent));

    for (number, reason) in [(0, None), (9, Some(Reason::LocalAddressUnknown))] {
        let mut behind = lab(3, &[nat(Behaviour::numbered(number))], Servers::Full);
        wildcard(&mut behind);
        assert_eq!(behind.run(|_| ()).translation.reason(), reason);
    }
}

#[test]
fn blocked_udp_is_found_where_several_servers_are_silent_and_one_silent_server_proves_nothing() {
    let mut blocked = lab(4, &[nat(Behaviour::numbered(0))], Servers::TwoPlain);
    blocked.net.up(blocked.port).is_cut = true;
    let report = blocked.run(|_| ());
    assert_eq!(report.connectivity.known_value(), Some(Connectivity::Blocked), "{report}");
    assert_eq!(report.connectivity.confidence, Confidence::Medium);
    for property in Property::ALL {
        let reason = report.finding(property).reason();
        let expected = match property {
            Property::Connectivity => None,
            Property::Lifetime => Some(Reason::NotTested),
            _ => Some(Reason::NoAnswer),
        };
        assert_eq!(reason, expected, "{property:?}");
    }

    let mut alone = Diagnosis::new(4, &[nat(Behaviour::numbered(0))]);
    alone.add_server(1, Manner::Silent);
    let report = alone.run(|_| ());
    assert_eq!(report.connectivity.reason(), Some(Reason::NoAnswer), "{report}");
}

#[test]
fn a_silent_server_is_replaced_by_the_next_one() {
    for behaviour in Behaviour::all() {
        let mut lab = Diagnosis::new(4, &[nat(behaviour)]);
        lab.add_server(1, Manner::Silent);
        lab.add_server(2, Manner::Full);
        let report = lab.run(|_| ());
        assert_eq!(report.server, addresses(2).0);
        assert_eq!(report.mapping.known_value(), Some(truth(behaviour.mapping)), "{report}");
        assert_eq!(report.filtering.known_value(), Some(truth(behaviour.filtering)), "{report}");
    }
}

/// RFC 5780 s3.6.
#[test]
fn a_gateway_that_rewrites_addresses_is_found_and_spoils_nothing() {
    for behaviour in Behaviour::all() {
        let mut lab = lab(5, &[NatConfig { has_alg: true, ..nat(behaviour) }], Servers::Full);
        let report = lab.run(|_| ());
        assert_eq!(report.gateway.known_value(), Some(Gateway::Present), "{report}");
        assert_eq!(report.mapping.known_value(), Some(truth(behaviour.mapping)), "{report}");
        assert_eq!(report.filtering.known_value(), Some(truth(behaviour.filtering)), "{report}");
    }
    let mut bare = Diagnosis::new(5, &[nat(Behaviour::numbered(0))]);
    bare.add_server(1, Manner::Bare);
    assert_eq!(bare.run(|_| ()).gateway.reason(), Some(Reason::NoMappedAddress));
}

#[test]
fn a_server_that_goes_wrong_makes_filtering_unknown_and_nothing_wrong() {
    for behaviour in Behaviour::all() {
        let ask = |manner| {
            let mut lab = Diagnosis::new(6, &[nat(behaviour)]);
            lab.add_server(1, manner);
            let report = lab.run(|_| ());
            assert_nothing_wrong(&report, behaviour);
            report
        };
        let reason = |manner| ask(manner).filtering.reason();
        assert_eq!(reason(Manner::DropsChange), Some(Reason::ServerIgnoresChangeRequest), "{behaviour:?}");
        assert_eq!(reason(Manner::IgnoresChange), Some(Reason::ServerIgnoresChangeRequest));
        assert_eq!(reason(Manner::RefusesChange), Some(Reason::ChangeRequestUnsupported));
        assert_eq!(reason(Manner::Plain), Some(Reason::NoOtherAddress));
        assert_eq!(
            reason(Manner::DeadAlternate),
            match behaviour.filtering {
                // It does answer from there, where it does not listen.
                Dependence::Endpoint => None,
                _ => Some(Reason::AlternateSilent),
            }
        );
        // Nobody can open a mapping that depends on the destination for the answer that would confirm silence.
        let unconfirmed = ask(Manner::NoResponsePort).filtering;
        let is_low = behaviour.mapping != Dependence::Endpoint && behaviour.filtering != Dependence::Endpoint;
        assert_eq!(unconfirmed.known_value(), Some(truth(behaviour.filtering)));
        assert_eq!(unconfirmed.confidence == Confidence::Low, is_low, "{behaviour:?}");
    }
}

#[test]
fn one_ordinary_server_says_nothing_of_mapping_and_filtering() {
    let mut lab = Diagnosis::new(6, &[nat(Behaviour::numbered(0))]);
    lab.add_server(1, Manner::Plain);
    let report = lab.run(|_| ());
    assert_eq!(report.mapping.reason(), Some(Reason::OneServerOnly));
    assert_eq!(report.filtering.reason(), Some(Reason::NoOtherAddress));
    assert_eq!(report.rfc3489_name(), None);
}

#[test]
fn two_ports_of_one_address_tell_only_whether_the_port_matters() {
    for behaviour in Behaviour::all() {
        let mut lab = Diagnosis::new(7, &[nat(behaviour)]);
        lab.add_server(1, Manner::Plain);
        let mut other_port = addresses(1).0;
        other_port.set_port(3479);
        lab.config.servers.push(other_port);
        let report = lab.run(|_| ());
        let expected = if behaviour.mapping == Dependence::AddressAndPort {
            Answer::Known(Found::AddressAndPortDependent)
        } else {
            Answer::Unknown(Reason::OneAddressOnly)
        };
        assert_eq!(report.mapping.value, expected, "{behaviour:?}\n{report}");
    }
}

#[test]
fn a_nat_that_changes_ports_while_it_is_asked_is_not_given_a_mapping() {
    for behaviour in Behaviour::all() {
        // In the middle of the requests to the other addresses.
        let mut lab = lab(8, &[nat(behaviour)], Servers::Full);
        lab.config.properties = Properties::NONE.with(Property::Mapping).with(Property::Stability);
        let mut steps = 0;
        let report = lab.run(|lab| {
            steps += 1;
            if steps == 9 {
                lab.nat(0).unwrap().flip_ports();
            }
        });
        assert_eq!(report.mapping.reason(), Some(Reason::Contradiction), "{report}");
        assert_eq!(report.stability.known_value(), Some(Stability::Changed), "{report}");
    }
}

/// Whatever it does to the probe, it is not taken for a behaviour.
#[test]
fn a_nat_that_reboots_or_forgets_at_any_moment_is_not_diagnosed_wrongly() {
    for behaviour in Behaviour::all() {
        for moment in (1..400).step_by(29) {
            for is_flip in [false, true] {
                let mut lab = lab(8, &[nat(behaviour)], Servers::Full);
                let mut steps = 0;
                let report = lab.run(|lab| {
                    steps += 1;
                    if steps == moment && is_flip {
                        lab.nat(0).unwrap().flip_ports();
                    } else if steps == moment {
                        lab.nat(0).unwrap().reboot();
                    }
                });
                // That a flipped port is not the local one is true.
                let kept = report.port_preservation.known_value() == Some(PortPreservation::Preserved);
                assert!(!kept || behaviour.preserves_port);
                assert_behaviour_true(&report, behaviour);
            }
        }
        let mut lab = lab(8, &[NatConfig { table_limit: 2, ..nat(behaviour) }], Servers::Full);
        assert_behaviour_true(&lab.run(|_| ()), behaviour);
    }
}

/// RFC 5780 s4.6: "if the NAT should reboot [...] the process may discover a lifetime that is shorter".
#[test]
fn a_reboot_does_not_shorten_the_lifetime_that_is_found() {
    for moment in (10..400).step_by(30) {
        let behaviour = Behaviour::numbered(moment as usize % 72);
        let mut lab = lab(10, &[nat(behaviour)], Servers::Full);
        lab.config.properties = Properties::NONE.with(Property::Lifetime);
        let mut has_rebooted = false;
        let report = lab.run(|lab| {
            if !has_rebooted && lab.net.now >= moment * SECOND {
                lab.nat(0).unwrap().reboot();
                has_rebooted = true;
            }
        });
        let Some(lifetime) = report.lifetime.known_value() else { continue };
        let truth = Duration::from_secs(120);
        let is_within = lifetime.at_least <= truth && lifetime.below.is_none_or(|below| truth <= below);
        assert!(is_within, "{moment} s: {lifetime}\n{report}");
    }
}

#[test]
fn fragments_pass_where_the_path_takes_them_and_are_lost_where_it_does_not() {
    for (mtu, expected) in [(65_000, Fragments::Pass), (1472, Fragments::Lost)] {
        let mut lab = Diagnosis::new(9, &[nat(Behaviour::numbered(4))]);
        let server = lab.add_server(1, Manner::Full);
        for port in lab.ports(server) {
            lab.net.up(port).mtu = mtu;
            lab.net.down(port).mtu = mtu;
        }
        let report = lab.run(|_| ());
        assert_eq!(report.fragments.known_value(), Some(expected), "{report}");
    }
    let mut plain = Diagnosis::new(9, &[nat(Behaviour::numbered(4))]);
    let server = plain.add_server(1, Manner::Plain);
    for port in plain.ports(server) {
        plain.net.up(port).mtu = 65_000;
        plain.net.down(port).mtu = 65_000;
    }
    assert_eq!(plain.run(|_| ()).fragments.reason(), Some(Reason::PaddingUnsupported));
}

/// RFC 5780 s4.6.
#[test]
fn binding_lifetimes_are_found_within_the_precision() {
    for timeout in NatConfig::TIMEOUTS {
        for behaviour in Behaviour::all() {
            let mut lab = lab(10, &[NatConfig { timeout, ..nat(behaviour) }], Servers::Full);
            lab.config.properties = Properties::NONE.with(Property::Lifetime);
            let report = lab.run(|_| ());
            let lifetime = report.lifetime.known_value().unwrap_or_else(|| panic!("{behaviour:?}\n{report}"));
            let truth = Duration::from_nanos(timeout);
            let below = lifetime.below.unwrap();
            assert!(lifetime.at_least <= truth && truth <= below, "{truth:?} {lifetime} {behaviour:?}");
            assert!(below - lifetime.at_least <= lab.config.lifetime.precision, "{lifetime}");
            assert_eq!(report.lifetime.confidence, Confidence::High);
        }
    }
}

#[test]
fn a_binding_that_outlives_the_search_is_reported_as_such() {
    let mut lab = lab(10, &[nat(Behaviour::numbered(4))], Servers::Full);
    lab.config.properties = Properties::NONE.with(Property::Lifetime);
    lab.config.lifetime.max = Duration::from_secs(60);
    let lifetime = lab.run(|_| ()).lifetime.known_value().unwrap();
    assert!(lifetime.below.is_none() && lifetime.at_least > Duration::from_secs(59), "{lifetime}");
}

#[test]
fn binding_lifetimes_are_never_wrong_at_20_percent_loss() {
    let mut known = 0;
    for (behaviour, seed) in every_nat(SEEDS).step_by(5) {
        let timeout = 120 * SECOND;
        let mut lab = lab(seed, &[NatConfig { timeout, ..nat(behaviour) }], Servers::Full);
        make_lossy(&mut lab, 200);
        lab.config.properties = Properties::NONE.with(Property::Lifetime);
        let report = lab.run(|_| ());
        if let Some(lifetime) = report.lifetime.known_value() {
            let truth = Duration::from_nanos(timeout);
            assert!(lifetime.at_least <= truth, "{lifetime}\n{report}");
            assert!(lifetime.below.is_none_or(|below| truth <= below), "{lifetime}\n{report}");
            known += 1;
        }
    }
    assert!(known > 0);
}

#[test]
fn a_server_without_response_port_leaves_the_lifetime_unknown() {
    for (manner, reason) in [
        (Manner::NoResponsePort, Reason::ResponsePortUnsupported),
        (Manner::Plain, Reason::ResponsePortUnsupported),
        (Manner::IgnoresResponsePort, Reason::ServerIgnoresResponsePort),
    ] {
        let mut lab = Diagnosis::new(11, &[nat(Behaviour::numbered(8))]);
        lab.add_server(1, manner);
        lab.config.properties = Properties::NONE.with(Property::Lifetime);
        assert_eq!(lab.run(|_| ()).lifetime.reason(), Some(reason), "{manner:?}");
    }
}

/// RFC 5780 s5.
#[test]
fn never_more_than_ten_transactions_begin_in_a_second() {
    for (number, seed) in (0..72).flat_map(|number| (0..2).map(move |seed| (number, seed))) {
        let mut lab = lab(seed, &[nat(Behaviour::numbered(number))], SERVERS[number % SERVERS.len()]);
        if seed == 1 {
            make_lossy(&mut lab, 200);
        }
        lab.config.properties = Properties::QUICK.with(Property::Lifetime);
        lab.config.lifetime.max = Duration::from_secs(30);
        lab.run(|_| ());
        let crowded = lab.starts.windows(11).find(|eleven| eleven[10] - eleven[0] < SECOND);
        assert_eq!(crowded, None, "{number}");
    }
}

#[test]
fn the_deadline_ends_a_probe_with_what_it_knows() {
    let mut lab = lab(12, &[nat(Behaviour::numbered(8))], Servers::Full);
    lab.config.deadline = Some(Duration::from_secs(2));
    let report = lab.run(|_| ());
    assert_eq!(lab.net.now, 2 * SECOND);
    assert_eq!(report.connectivity.known_value(), Some(Connectivity::Open));
    assert_eq!(report.filtering.reason(), Some(Reason::Deadline), "{report}");
}
