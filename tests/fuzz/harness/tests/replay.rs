//! The committed corpora, on any toolchain: what the fuzzers have found once is checked in every build.
//! `STUN_FUZZ_CORPUS=folder` replays others, to measure what they cover.

use std::path::{Path, PathBuf};

#[test]
fn every_committed_input_passes() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    let corpora = std::env::var_os("STUN_FUZZ_CORPUS").map_or(committed, PathBuf::from);
    for (name, target) in harness::TARGETS {
        let path = corpora.join(format!("{name}.hex"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{} is missing", path.display()));
        let inputs = harness::hex::corpus(&text);
        assert!(inputs.len() >= 20, "the corpus of {name} has shrunk to {}", inputs.len());
        println!("{name}: {} inputs", inputs.len());
        for input in inputs {
            if std::panic::catch_unwind(|| target(&input)).is_err() {
                panic!("{name} fails on {}", harness::hex::write(&input));
            }
        }
    }
}

#[test]
fn empty_and_tiny_inputs_pass() {
    for (_, target) in harness::TARGETS {
        target(&[]);
        (0..=255).for_each(|byte| target(&[byte]));
    }
}
