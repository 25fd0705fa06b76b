//! Random transitions that proptest shrinks to the few that matter, over the same model as the sweep.

#![allow(missing_docs, reason = "tests are named as sentences")]

use libstun_sim::random::Random;
use libstun_sim::scenario::{apply_bytes, carry_out_plan};
use libstun_sim::topology::Topology;
use libstun_sim::transition::Transition;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

fn transitions() -> impl Strategy<Value = Vec<Transition>> {
    let start = (any::<u8>(), any::<u8>()).prop_map(|(a, b)| Transition::decode(1, a, b));
    let any_one = (0..Transition::KINDS, any::<u8>(), any::<u8>())
        .prop_map(|(kind, a, b)| Transition::decode(kind, a, b));
    let idle = (0u32..60_000).prop_map(Transition::Idle);
    let later = prop_oneof![3 => any_one, 2 => idle];
    (proptest::collection::vec(start, 1..3), proptest::collection::vec(later, 0..30))
        .prop_map(|(starts, later)| [starts, later].concat())
}

/// The same cases in every run; `PROPTEST_CASES` gives more of them.
fn runner() -> TestRunner {
    let cases = Config { cases: 2000, ..Config::default() };
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases = Config { cases: asked.unwrap_or(cases.cases), ..cases };
    TestRunner::new(Config { failure_persistence: None, rng_seed: RngSeed::Fixed(4787), ..cases })
}

#[test]
fn no_sequence_of_transitions_breaks_a_rule() {
    let result = runner().run(&(any::<u64>(), transitions()), |(seed, plan)| {
        let mut topology = Topology::random(&mut Random::new(seed));
        carry_out_plan(&mut topology, &plan).map(|_| ()).map_err(TestCaseError::fail)
    });
    assert!(result.is_ok(), "{}", result.err().map(|error| error.to_string()).unwrap_or_default());
}

#[test]
fn no_bytes_of_a_fuzzer_break_a_rule() {
    let result = runner().run(&proptest::collection::vec(any::<u8>(), 0..100), |bytes| {
        apply_bytes(&bytes).map(|_| ()).map_err(TestCaseError::fail)
    });
    assert!(result.is_ok(), "{}", result.err().map(|error| error.to_string()).unwrap_or_default());
}
