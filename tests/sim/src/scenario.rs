//! A seed becomes a world and a plan; the plan is carried out, and the model watches every step.

use std::fmt;

use crate::log::Log;
use crate::model::Tally;
use crate::packet::BindingIndex;
use crate::random::Random;
use crate::time::{Nanos, SECOND};
use crate::topology::Topology;
use crate::transition::Transition;

/// A scenario that broke no rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// What happened in it.
    pub tally: Tally,
    /// How much virtual time passed.
    pub elapsed: Nanos,
}

/// A scenario that broke a rule.
#[derive(Debug)]
pub struct Failure {
    /// The seed that it is made of.
    pub seed: u64,
    /// The rule.
    pub sentence: String,
    /// The last packets before it.
    pub tail: String,
}

/// Runs the scenario of a seed, without a log. If it fails it is run again with one.
///
/// # Errors
/// A rule was broken.
pub fn run(seed: u64) -> Result<Summary, Failure> {
    let (result, _) = carry_out(seed, false);
    result.map_err(|sentence| {
        let tail = carry_out(seed, true).1.map(|log| log.tail(TAIL)).unwrap_or_default();
        Failure { seed, sentence, tail }
    })
}

/// Runs the scenario of a seed with a log.
///
/// # Errors
/// A rule was broken; the log comes all the same.
pub fn replay(seed: u64) -> (Result<Summary, String>, Log) {
    let (result, log) = carry_out(seed, true);
    (result, log.unwrap_or_default())
}

/// The plan of a seed: a few bindings, then things that happen.
#[must_use]
pub fn plan(random: &mut Random) -> Vec<Transition> {
    let starts = random.between(1, 3);
    let mut plan: Vec<_> = (0..starts)
        .map(|_| {
            let [a, b] = random.bytes();
            Transition::decode(1, a, b)
        })
        .collect();
    plan.extend((0..random.between(2, 24)).map(|_| Transition::random(random)));
    plan
}

/// Carries a plan out in a world of that seed, and lets it come to its end.
///
/// # Errors
/// The sentence of a broken rule.
pub fn carry_out_plan(topology: &mut Topology, plan: &[Transition]) -> Result<Summary, String> {
    for transition in plan {
        topology.apply(transition)?;
    }
    finish(topology)?;
    Ok(Summary { tally: topology.world.model.tally(), elapsed: topology.world.net.now })
}

/// A world and a plan from arbitrary bytes, for a fuzzer: eight bytes of seed, then three for each transition.
///
/// # Errors
/// The sentence of a broken rule.
pub fn apply_bytes(data: &[u8]) -> Result<Summary, String> {
    let (seed, rest) = data.split_first_chunk::<8>().unwrap_or((&[0; 8], data));
    let mut random = Random::new(u64::from_be_bytes(*seed));
    let mut topology = Topology::random(&mut random);
    let plan: Vec<_> = rest
        .chunks_exact(3)
        .take(MAX_FUZZED)
        .map(|step| Transition::decode(step[0], step[1], step[2]))
        .collect();
    carry_out_plan(&mut topology, &plan)
}

fn carry_out(seed: u64, has_log: bool) -> (Result<Summary, String>, Option<Log>) {
    let mut random = Random::new(seed);
    let mut topology = Topology::random(&mut random);
    if has_log {
        topology.world.keep_log();
    }
    let plan = plan(&mut random);
    let result = carry_out_plan(&mut topology, &plan);
    if let Err(sentence) = &result {
        topology.world.note(|| format!("BROKEN: {sentence}"));
    }
    (result, topology.world.net.log.take())
}

/// Liveness: once all faults have stopped, every binding that can find its address has found it by its next
/// request.
fn finish(topology: &mut Topology) -> Result<(), String> {
    let healed = heal(topology)?;
    let all = 0..topology.world.model.binding_count();
    let wanted: Vec<BindingIndex> = all.filter(|index| can_succeed(topology, *index)).collect();
    let clock = |topology: &Topology, index| {
        let host = topology.world.host(topology.world.model.spec(index).host);
        host.map_or(0, |host| host.clock(&topology.world.net))
    };
    let mut patience = 0;
    for index in &wanted {
        // What it does next may be to give up; then there is a wait of at most 60 s.
        let due = topology.world.model.due(*index).unwrap_or(0);
        patience = patience.max(due.saturating_sub(clock(topology, *index)) + 62 * SECOND);
    }
    topology.world.run_for(patience.clamp(SECOND, PATIENCE))?;
    for index in wanted {
        let since = topology.world.net.now - healed;
        let found = topology.world.model.last_success(index);
        let is_late = found.is_none_or(|found| found + since < clock(topology, index));
        if patience <= PATIENCE && is_late && !topology.world.model.is_ended(index) {
            return Err(format!("binding {index} did not find its address after all faults had stopped"));
        }
    }
    Ok(())
}

/// Stops all faults, wakes everybody, and says when that was.
fn heal(topology: &mut Topology) -> Result<Nanos, String> {
    topology.apply(&Transition::Heal)?;
    topology.world.net.on_path = None;
    for client in topology.clients.clone() {
        topology.world.with_host(client.host, |host, net, model| {
            (host.send_fault, host.stale) = (None, None);
            if host.is_asleep() {
                host.resume(net, model);
            }
        });
        topology.world.check()?;
    }
    // What was under way with its faults has arrived.
    let healed = topology.world.net.now;
    topology.world.run_for(SECOND)?;
    Ok(healed)
}

/// Whether a binding lives, repeats its request, and asks somebody who answers what it can believe.
fn can_succeed(topology: &mut Topology, index: BindingIndex) -> bool {
    for id in topology.nats.clone() {
        // A mapping may be evicted before its answer comes back.
        if topology.world.nat(id).is_some_and(|nat| nat.config.table_limit <= Topology::MAX_BINDINGS) {
            return false;
        }
    }
    let (model, world) = (&topology.world.model, &topology.world);
    let spec = model.spec(index);
    let asks = |address| {
        topology
            .clients
            .iter()
            .any(|client| client.host == spec.host && client.sees(address) == Some(spec.path.remote))
    };
    let is_answered = topology
        .servers
        .iter()
        .any(|server| asks(server.address) && server.satisfies(spec.password) && !is_too_slow(server.manner));
    let has_address = world.host(spec.host).is_some_and(|host| {
        host.interfaces.iter().any(|interface| {
            let wanted = spec.path.local.ip();
            interface.address.is_ipv4() == spec.path.remote.is_ipv4()
                && (wanted.is_unspecified() || wanted == interface.address)
        })
    });
    spec.refresh.is_some() && !model.is_ended(index) && is_answered && has_address
}

/// The last send may have come too late for such a server's answer.
fn is_too_slow(manner: crate::topology::Manner) -> bool {
    use crate::server::Script;
    use crate::topology::Manner;
    matches!(manner, Manner::Scripted(Script::Slow(delay)) if delay > SECOND)
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.tail)?;
        writeln!(f, "seed {}: {}", self.seed, self.sentence)?;
        write!(f, "SIM_SEED={} cargo test -p libstun-sim replay -- --nocapture", self.seed)
    }
}

/// Lines of log that come with a failure.
const TAIL: usize = 30;

/// Transitions that a fuzzer's input may have.
const MAX_FUZZED: usize = 30;

/// How long a binding is waited for at the end.
const PATIENCE: Nanos = 1200 * SECOND;
