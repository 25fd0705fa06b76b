//! The simulator itself: it repeats itself bit for bit, its log can be read by others, and a seed can be
//! replayed.

#![allow(missing_docs, reason = "tests are named as sentences")]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::process::Command;

use libstun_sim::lab::{Lab, server_ipv4};
use libstun_sim::log::What;
use libstun_sim::scenario;
use libstun_sim::time::SECOND;
use libstun_sim::world::How;

#[test]
fn a_seed_gives_the_same_log_twice_and_another_seed_another() {
    let texts = |seed| {
        let (result, log) = scenario::replay(seed);
        (result, log.text(), log.pcapng())
    };
    for seed in 0..200 {
        assert_eq!(texts(seed), texts(seed));
    }
    assert_ne!(texts(1), texts(2));
}

#[test]
fn a_log_changes_nothing() {
    for seed in 0..500 {
        assert_eq!(scenario::run(seed).ok(), scenario::replay(seed).0.ok());
    }
}

#[test]
fn a_healthy_world_loses_nothing() {
    let mut lab = Lab::public(1, Lab::PUBLIC);
    lab.world.keep_log();
    lab.world.add_server(false, server_ipv4(1).ip());
    lab.start(server_ipv4(1), How::every(SECOND));
    lab.run(3600 * SECOND - SECOND / 2);
    let tally = lab.world.model.tally();
    assert_eq!((tally.requests, tally.replies, tally.found), (3600, 3600, 3600));
    let remarks =
        lab.world.net.log.iter().flat_map(|log| log.entries()).filter_map(|entry| match &entry.what {
            What::Packet { remark, .. } => Some(*remark),
            What::Note(_) => None,
        });
    assert!(remarks.into_iter().all(str::is_empty));
}

#[test]
fn the_first_seeds_break_no_rule() {
    for seed in 0..2000 {
        if let Err(failure) = scenario::run(seed) {
            panic!("{failure}");
        }
    }
}

/// Run it with `SIM_SEED=n ... -- --nocapture` to see a scenario, and to have it as `target/sim-n.pcapng`.
#[test]
fn replay() {
    let asked: Option<u64> = std::env::var("SIM_SEED").ok().and_then(|seed| seed.parse().ok());
    let (result, log) = scenario::replay(asked.unwrap_or(7));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let file = folder.join(format!("sim-{}.pcapng", asked.unwrap_or(7)));
    std::fs::write(&file, log.pcapng()).unwrap();
    if asked.is_some() {
        println!("{}{}", log.text(), file.display());
    }
    assert_eq!(result.err(), None);
}

#[test]
fn a_capture_file_has_the_structure_of_one() {
    let (_, log) = scenario::replay(7);
    let file = log.pcapng();
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let (mut at, mut kinds) = (0, Vec::new());
    while at < file.len() {
        let length = word(at + 4) as usize;
        assert_eq!(length % 4, 0);
        assert_eq!(word(at + length - 4) as usize, length);
        kinds.push(word(at));
        at += length;
    }
    let packets = log.entries().iter().filter(|entry| matches!(entry.what, What::Packet { .. })).count();
    assert_eq!(kinds[0], 0x0A0D_0D0A);
    assert!(kinds[1..].is_sorted(), "interfaces come before packets");
    assert_eq!(kinds.iter().filter(|kind| **kind == 6).count(), packets);
}

/// Where tshark is installed: it reads every packet and finds every checksum right.
#[test]
fn wireshark_reads_a_capture_file() {
    if Command::new("tshark").arg("--version").output().is_err() {
        println!("skipped: tshark is not installed");
        return;
    }
    let (_, log) = scenario::replay(7);
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("structure.pcapng");
    std::fs::write(&file, log.pcapng()).unwrap();
    let tshark = |filter: &str| {
        let options = ["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-Y", filter];
        let output = Command::new("tshark").arg("-r").arg(&file).args(options).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().count()
    };
    let packets = log.entries().iter().filter(|entry| matches!(entry.what, What::Packet { .. })).count();
    assert_eq!(tshark("udp"), packets);
    assert_eq!(tshark("udp.checksum.status == 0 || ip.checksum.status == 0"), 0);
    assert!(tshark("stun") > 0);
}
