//! Sweeps seeds: `cargo run --release -p libstun-sim -- --seeds 100000 --threads 2`. Prints each failure with
//! the line that replays it, and how many scenarios a core runs in a second.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test, with clock and threads"
)]

use std::process::ExitCode;
use std::time::Instant;

use libstun_sim::model::Tally;
use libstun_sim::scenario;

/// Failures after which a thread gives up.
const MAX_FAILURES: usize = 5;

fn main() -> ExitCode {
    let Some([first, seeds, threads]) = options() else {
        eprintln!("usage: libstun-sim [--first K] [--seeds N] [--threads T]");
        return ExitCode::FAILURE;
    };
    let started = Instant::now();
    let workers: Vec<_> = (0..threads)
        .map(|worker| std::thread::spawn(move || sweep(first + worker, first + seeds, threads as usize)))
        .collect();
    let (mut total, mut ran, mut failures) = (Tally::default(), 0, 0);
    for worker in workers {
        let Ok((tally, count, failed)) = worker.join() else { return ExitCode::FAILURE };
        add(&mut total, &tally);
        (ran, failures) = (ran + count, failures + failed);
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{ran} scenarios from seed {first} in {seconds:.1} s: {:.0} per second per core, {failures} failures",
        ran as f64 / seconds / threads as f64
    );
    println!("{total:?}");
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn sweep(first: u64, end: u64, step: usize) -> (Tally, u64, usize) {
    let (mut tally, mut count, mut failures) = (Tally::default(), 0, 0);
    for seed in (first..end).step_by(step) {
        count += 1;
        match scenario::run(seed) {
            Ok(summary) => add(&mut tally, &summary.tally),
            Err(failure) => {
                eprintln!("{failure}\n");
                failures += 1;
            }
        }
        if failures == MAX_FAILURES {
            break;
        }
    }
    (tally, count, failures)
}

fn add(total: &mut Tally, more: &Tally) {
    total.steps += more.steps;
    total.requests += more.requests;
    total.replies += more.replies;
    total.found += more.found;
    total.changed += more.changed;
    total.failed += more.failed;
}

/// First seed, number of seeds, threads.
fn options() -> Option<[u64; 3]> {
    let mut options = [0, 10_000, 2];
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let which = ["--first", "--seeds", "--threads"].iter().position(|known| *known == name)?;
        *options.get_mut(which)? = arguments.next()?.parse().ok()?;
    }
    (options[2] > 0).then_some(options)
}
