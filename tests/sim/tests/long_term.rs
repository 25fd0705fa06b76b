//! Bindings with long-term credentials in worlds with and without somebody on the path (RFC 8489 s9.2).

#![allow(missing_docs, reason = "tests are named as sentences")]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

use libstun::auth::AuthFailure;
use libstun::stun::BindingEvent;
use libstun::stun::binding::FailureReason;
use libstun_sim::attacker::OnPath;
use libstun_sim::host::Password;
use libstun_sim::lab::{Lab, server_ipv4};
use libstun_sim::packet::BindingIndex;
use libstun_sim::random::Random;
use libstun_sim::scenario;
use libstun_sim::time::{Nanos, SECOND};
use libstun_sim::world::How;

/// A client of a server with a realm, and its binding.
fn lab(seed: u64, nonce_lifetime: Nanos, password: Password) -> (Lab, BindingIndex) {
    let mut lab = Lab::public(seed, Lab::PUBLIC);
    lab.world.add_realm(nonce_lifetime, false, server_ipv4(1).ip());
    let binding = lab.start(server_ipv4(1), How::every(25 * SECOND).signed(password));
    (lab, binding)
}

#[test]
fn a_user_is_challenged_once_and_again_whenever_the_nonce_is_stale() {
    for (lifetime, requests) in [(600 * SECOND, 2 + 23), (60 * SECOND, 2 + 23 + 9), (SECOND, 2 + 2 * 23)] {
        let (mut lab, binding) = lab(1, lifetime, Password::User);
        lab.run(600 * SECOND - SECOND / 2);
        let tally = lab.world.model.tally();
        assert_eq!((tally.found, tally.failed), (24, 0));
        assert!(
            tally.requests.abs_diff(requests) <= 2,
            "{} requests, nonces of {lifetime} ns",
            tally.requests
        );
        assert!(lab.world.model.mapped(binding).is_some());
    }
}

#[test]
fn another_password_is_rejected_after_two_requests() {
    let (mut lab, binding) = lab(1, 600 * SECOND, Password::WrongUser);
    lab.run(600 * SECOND);
    let rejected = FailureReason::Authentication { failure: AuthFailure::Rejected };
    let events: Vec<BindingEvent> = lab.world.model.events(binding).iter().map(|(_, event)| *event).collect();
    assert_eq!(events, [BindingEvent::Failed { reason: rejected }]);
    assert_eq!(lab.world.model.tally().requests, 2);
}

/// The model breaks the run at the first address that nobody signed, and at the first end.
#[test]
fn whoever_is_on_the_path_can_neither_end_nor_deceive_a_binding_that_has_worked() {
    let mut failed = 0;
    for seed in 0..200 {
        let (mut lab, binding) = lab(seed, 60 * SECOND, Password::User);
        lab.run(10 * SECOND);
        assert!(lab.world.model.mapped(binding).is_some());
        lab.world.net.on_path = Some(OnPath::new(Random::new(seed)));
        lab.run(3600 * SECOND);
        failed += lab.world.model.tally().failed;
        lab.world.net.on_path = None;
        let found = lab.world.model.tally().found;
        lab.run(120 * SECOND);
        assert!(lab.world.model.tally().found > found && !lab.world.model.is_ended(binding));
        assert_eq!(lab.world.model.mapped(binding).map(|address| address.ip()), Some(Lab::PUBLIC));
    }
    assert!(failed > 0, "an attacker who harms nobody tests nothing");
}

/// A retry that was given up after one challenge too many is not answered by a replay of its true answer.
#[test]
fn scenarios_that_once_broke_a_rule_break_none() {
    for seed in [8131, 11_137, 11_576, 243_704, 659_976] {
        if let Err(failure) = scenario::run(seed) {
            panic!("{failure}");
        }
    }
}
