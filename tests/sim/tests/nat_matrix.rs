//! Every NAT of RFC 4787, and the other ways in which an address may not be what it seems.

#![allow(missing_docs, reason = "tests are named as sentences")]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

use std::net::{IpAddr, SocketAddr};

use libstun::stun::BindingEvent;
use libstun_sim::host::Password;
use libstun_sim::lab::{Lab, server_ipv4};
use libstun_sim::link::{Faults, Loss};
use libstun_sim::nat::{Behaviour, Dependence, NatConfig, embed_ipv4};
use libstun_sim::packet::BindingIndex;
use libstun_sim::server::Script;
use libstun_sim::time::{Nanos, SECOND};
use libstun_sim::world::How;

const SEEDS: u64 = 4;

fn nat(behaviour: Behaviour) -> NatConfig {
    NatConfig::new(behaviour, Lab::OUTSIDE)
}

/// Bindings to so many open servers.
fn bindings(lab: &mut Lab, servers: u8, how: How) -> Vec<BindingIndex> {
    (1..=servers)
        .map(|number| {
            lab.world.add_server(false, server_ipv4(number).ip());
            lab.start(server_ipv4(number), how)
        })
        .collect()
}

fn assert_truth(lab: &mut Lab, binding: BindingIndex, what: &str) {
    let truth = lab.truth(binding);
    assert!(truth.is_some(), "{what}: the NAT has forgotten");
    assert_eq!(lab.world.model.mapped(binding), truth, "{what}");
}

#[test]
fn every_nat_gives_each_binding_the_address_of_its_table() {
    for behaviour in Behaviour::all() {
        for (servers, seed) in [1, 2].into_iter().flat_map(|n| (0..SEEDS).map(move |seed| (n, seed))) {
            let mut lab = Lab::behind(seed, &[nat(behaviour)]);
            let found = bindings(&mut lab, servers, How::every(25 * SECOND));
            lab.run(70 * SECOND);
            for binding in found {
                assert_truth(&mut lab, binding, &format!("{behaviour:?}"));
                let changes = lab.events(binding).into_iter().filter(is_change).count();
                assert_eq!(changes, 0, "{behaviour:?}");
            }
        }
    }
}

/// The same local port to two servers tells how the NAT maps.
#[test]
fn one_port_to_two_servers_sees_the_mapping_behaviour() {
    for behaviour in Behaviour::all() {
        let mut lab = Lab::behind(1, &[nat(behaviour)]);
        let found = bindings(&mut lab, 2, How::ONCE);
        lab.run(SECOND);
        let internal = SocketAddr::new(Lab::INSIDE, 7000);
        let outer = lab.nats[0];
        let now = lab.world.net.now;
        let [one, two] =
            [1, 2].map(|n| lab.world.nat(outer).unwrap().outbound(internal, server_ipv4(n), now).unwrap());
        assert_eq!(one == two, behaviour.mapping == Dependence::Endpoint);
        assert!(found.iter().all(|binding| lab.world.model.is_ended(*binding)));
    }
}

#[test]
fn a_keepalive_of_25_s_keeps_a_mapping_of_30_s_and_not_one_of_20_s() {
    for behaviour in Behaviour::all() {
        for (timeout, is_kept) in [(30 * SECOND, true), (20 * SECOND, false)] {
            let mut lab = Lab::behind(2, &[NatConfig { timeout, ..nat(behaviour) }]);
            let binding = bindings(&mut lab, 1, How::every(25 * SECOND))[0];
            lab.run(301 * SECOND);
            assert_truth_unless_expired(&mut lab, binding);
            let changes = lab.events(binding).into_iter().filter(is_change).count();
            // A NAT that preserves ports gives the same address again.
            let expected = if is_kept || behaviour.preserves_port { 0 } else { 12 };
            assert_eq!(changes, expected, "{behaviour:?}, {timeout} ns");
        }
    }
}

#[test]
fn two_nats_in_a_row_give_the_address_of_the_outer_one() {
    for inner in Behaviour::all() {
        for outer in [0, 4, 8, 35, 71].map(Behaviour::numbered) {
            let inner = NatConfig::new(inner, Lab::BETWEEN);
            let mut lab = Lab::behind(3, &[inner, nat(outer)]);
            for binding in bindings(&mut lab, 2, How::every(25 * SECOND)) {
                lab.run(60 * SECOND);
                assert_truth(&mut lab, binding, "double NAT");
                assert_eq!(lab.world.model.mapped(binding).unwrap().ip(), Lab::OUTSIDE);
            }
        }
    }
}

#[test]
fn an_ipv6_host_behind_nat64_finds_its_ipv4_address() {
    for behaviour in Behaviour::all() {
        let mut lab = Lab::behind(4, &[NatConfig { is_nat64: true, ..nat(behaviour) }]);
        lab.world.add_server(true, server_ipv4(1).ip());
        let server = embed_ipv4(server_ipv4(1));
        let binding = lab.start(server, How::every(25 * SECOND).signed(Password::Right));
        lab.run(60 * SECOND);
        assert_truth(&mut lab, binding, "NAT64");
        assert!(lab.world.model.mapped(binding).unwrap().is_ipv4());
    }
}

/// RFC 8489 s14.2 is why there is XOR-MAPPED-ADDRESS.
#[test]
fn a_meddling_gateway_rewrites_mapped_address_and_cannot_read_xor_mapped_address() {
    for behaviour in Behaviour::all() {
        let mut lab = Lab::behind(5, &[NatConfig { has_alg: true, ..nat(behaviour) }]);
        lab.world.add_script(Script::Legacy, server_ipv4(9).ip());
        let modern = bindings(&mut lab, 1, How::ONCE)[0];
        let legacy = lab.start(server_ipv4(9), How { accepts_mapped_address: true, ..How::ONCE });
        lab.run(SECOND);
        assert_truth(&mut lab, modern, "XOR-MAPPED-ADDRESS");
        let mapped = lab.world.model.mapped(legacy).unwrap();
        assert_eq!(mapped.ip(), Lab::INSIDE, "the private address, rewritten back");
        assert_eq!(Some(mapped.port()), lab.truth(legacy).map(|truth| truth.port()));
    }
}

#[test]
fn a_reboot_and_a_port_flip_are_reported_within_one_refresh() {
    for behaviour in Behaviour::all() {
        for is_flip in [false, true] {
            let mut lab = Lab::behind(6, &[nat(behaviour)]);
            let found = bindings(&mut lab, 2, How::every(25 * SECOND));
            lab.run(40 * SECOND);
            let before: Vec<_> = found.iter().map(|binding| lab.truth(*binding)).collect();
            let router = lab.nats[0];
            let nat = lab.world.nat(router).unwrap();
            if is_flip {
                nat.flip_ports()
            } else {
                nat.reboot()
            }
            lab.run(26 * SECOND);
            for (binding, before) in found.into_iter().zip(before) {
                assert_truth(&mut lab, binding, "after a reboot");
                let (now, last) = (lab.truth(binding), lab.events(binding).last().copied().unwrap());
                let is_reported = matches!(
                    last,
                    BindingEvent::AddressChanged { previous, address, .. }
                        if Some(previous) == before && Some(address) == now
                );
                assert_eq!(is_reported, now != before, "{behaviour:?}: {last:?}");
                assert!(!is_flip || now != before);
            }
        }
    }
}

#[test]
fn a_table_that_is_too_small_costs_addresses_and_nothing_else() {
    for behaviour in Behaviour::all() {
        let mut lab = Lab::behind(7, &[NatConfig { table_limit: 2, ..nat(behaviour) }]);
        let found = bindings(&mut lab, 4, How::every(10 * SECOND));
        lab.run(120 * SECOND);
        // A mapping may be evicted before its answer comes back; whoever has an answer knows the truth of then.
        assert!(found.iter().any(|binding| lab.world.model.mapped(*binding).is_some()));
    }
}

#[test]
fn a_pool_of_addresses_is_found_as_it_is_used() {
    for behaviour in Behaviour::all() {
        let pool = (1..=4).map(|n| IpAddr::from([203, 0, 113, n])).collect();
        let mut lab = Lab::behind(8, &[NatConfig { pool, ..nat(behaviour) }]);
        let found = bindings(&mut lab, 2, How::ONCE);
        lab.run(SECOND);
        found.into_iter().for_each(|binding| assert_truth(&mut lab, binding, "pool"));
    }
}

#[test]
fn loss_and_jitter_do_not_change_what_is_found() {
    for (behaviour, seed) in Behaviour::all().flat_map(|one| (0..SEEDS).map(move |seed| (one, seed))) {
        let mut lab = Lab::behind(seed, &[nat(behaviour)]);
        let faults =
            Faults { loss: Loss::Uniform(300), jitter: SECOND / 5, duplicate: 100, ..Faults::default() };
        *lab.world.net.up(lab.port) = faults.clone();
        *lab.world.net.down(lab.port) = faults;
        let found = bindings(&mut lab, 2, How::every(25 * SECOND));
        lab.run(200 * SECOND);
        let router = lab.nats[0];
        let table: Vec<_> =
            lab.world.nat(router).unwrap().mappings().iter().map(|one| one.external).collect();
        let mapped = found.into_iter().filter_map(|binding| lab.world.model.mapped(binding));
        mapped.for_each(|address| assert!(table.contains(&address), "{address} of {table:?}"));
    }
}

/// RFC 4787 s6: a server behind the same NAT, asked by its external address. It is reached where the NAT turns
/// packets back and lets strangers in, and answers from the same address where the mapping is independent.
#[test]
fn a_server_behind_the_same_nat_is_reached_by_a_hairpin() {
    for behaviour in Behaviour::all() {
        let mut lab = Lab::behind(9, &[nat(behaviour)]);
        let inside = SocketAddr::new(IpAddr::from([10, 0, 0, 3]), 3478);
        lab.add_server_beside(inside.ip());
        let router = lab.nats[0];
        let stranger = server_ipv4(1);
        let external = lab.world.nat(router).unwrap().outbound(inside, stranger, 0).unwrap();
        let binding = lab.start(external, How::ONCE);
        lab.run(60 * SECOND);
        let is_reached = behaviour.hairpins
            && behaviour.filtering == Dependence::Endpoint
            && behaviour.mapping == Dependence::Endpoint;
        let mapped = lab.world.model.mapped(binding);
        assert_eq!(mapped.is_some(), is_reached, "{behaviour:?}");
        assert!(mapped.is_none_or(|mapped| mapped.ip() == Lab::OUTSIDE));
    }
}

fn is_change(event: &BindingEvent) -> bool {
    matches!(event, BindingEvent::AddressChanged { .. })
}

/// A mapping of 20 s has expired by the time that a refresh of 25 s is due: what was found was true then.
fn assert_truth_unless_expired(lab: &mut Lab, binding: BindingIndex) {
    let found: Nanos = lab.world.model.last_success(binding).unwrap();
    assert!(lab.world.net.now - found <= 25 * SECOND);
    if let Some(truth) = lab.truth(binding) {
        assert_eq!(lab.world.model.mapped(binding), Some(truth));
    }
}
