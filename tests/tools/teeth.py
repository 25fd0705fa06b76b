#!/usr/bin/env python3
"""Breaks the core on purpose, one way at a time, and says which check notices. Usage: teeth.py [FOLDER]

Works in a copy of the tree in FOLDER (default: target/teeth). A break that nothing notices is a failure, and so is
one that cannot be applied any more: the list below has to follow the code.
"""

import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# What is broken, in which file, and how.
BREAKS = [
    ("a deadline fires a nanosecond late", "src/time/timer_table.rs", "if at > now {", "if at >= now {"),
    ("a response is accepted from any address", "src/transaction/table.rs",
     "if entry.path.admits(path) { Ok(entry.tag) }", "if entry.path.admits(path) || true { Ok(entry.tag) }"),
    ("the last wait is dropped", "src/transaction/rto.rs",
     "if self.has_sends_left() { self.wait } else { self.last_wait }", "self.wait"),
    ("now may run backwards", "src/time/mod.rs", "self.0 = self.0.max(now);", "self.0 = now;"),
    ("the server's queue has no bound", "src/stun/server/outbox.rs",
     "use super::Server;", "struct Server; impl Server { const MAX_QUEUED_REPLIES: usize = usize::MAX; "
     "const MAX_PADDED_REPLY: usize = super::Server::MAX_PADDED_REPLY; }"),
    ("queued output does not count as a deadline", "src/machine.rs",
     "if self.queued_transmits() > 0 || self.queued_events() > 0 {\n            let at",
     "if false {\n            let at"),
    ("unsigned responses are accepted", "src/stun/binding/answer.rs",
     "ResponseCheck::Accept => self", "ResponseCheck::Accept | ResponseCheck::Discard => self"),
    ("the refresh comes twice as late", "src/stun/binding/answer.rs",
     "last_sent.deadline_after(interval)", "last_sent.deadline_after(interval.saturating_mul(2))"),
    ("the agent hides output behind an ended request", "src/agent/mod.rs",
     "            self.with_transmits.remove(slot);\n        }\n        if operation.queued_events",
     "        }\n        if operation.queued_events"),
    ("the RTO doubles once too early", "src/transaction/rto.rs",
     "let wait = if self", "self.wait = self.wait.saturating_mul(2);\n        let wait = if self"),
    ("a transaction id is used twice", "src/stun/binding/asking.rs",
     "TransactionId::new(self.entropy.bytes())", "TransactionId::new([7; 12])"),
    ("a covered attribute may stand behind the signature", "src/wire/message.rs",
     "self.landmarks.first_seal().unwrap_or(self.bytes.len())", "self.bytes.len()"),
    ("an unsigned 438 replaces the session that works", "src/auth/long_term.rs",
     "self.candidate = Some(session);",
     "self.working = self.working.is_some().then(|| session.clone()); self.candidate = Some(session);"),
    ("a signed request believes what nobody signed", "src/auth/long_term.rs",
     "SignedBy::Working | SignedBy::Candidate => ResponseCheck::Discard",
     "SignedBy::Working | SignedBy::Candidate => ResponseCheck::Accept"),
    ("a challenge ends a binding that has worked", "src/stun/binding/event.rs",
     "Self::Authentication { .. } => has_worked,", "Self::Authentication { .. } => has_worked && false,"),
    ("an eleventh request at a server is let through", "src/agent/pacing.rs",
     "const MAX_OUTSTANDING: u32 = 10;", "const MAX_OUTSTANDING: u32 = 11;"),
    ("a slack makes refreshes late", "src/agent/mod.rs",
     "Some((at, WakeReason::Refresh)) => (Some(at), None),",
     "Some((at, WakeReason::Refresh)) => (Some(at.saturating_add(self.power.max_slack)), None),"),
    ("a redirection may lead in circles", "src/transaction/redirect.rs",
     "if self.has_asked(&server, &asked, now) =>", "if false && self.has_asked(&server, &asked, now) =>"),
    ("a nonce is good from any address", "src/auth/nonce.rs",
     "key.sha256([&head, &address_bytes(terms.source)])", "key.sha256([&head, &address_bytes(net::EVERYWHERE)])"),
    ("a server sends more than it was sent", "src/stun/server/budget.rs",
     "let allowed = if is_error { earned.min(bucket.tokens) } else { earned };",
     "let allowed = if is_error { bucket.tokens } else { earned.max(u32::MAX) };"),
    ("an answer from the address that was asked proves that nothing is filtered", "src/nat/ask.rs",
     "Some(_) => is_from(&tag.asked).then_some((tag.from, false)),",
     "Some(_) => is_from(&tag.asked).then_some((tag.from, true)),"),
    ("the probe believes responses from anywhere", "src/nat/ask.rs",
     "let is_from = |remote: &SocketAddr| net::same_endpoint(remote, arrived);",
     "let is_from = |remote: &SocketAddr| net::same_endpoint(remote, arrived) || true;"),
    ("an unsigned 437 ends a relay at once", "src/turn/allocation/response.rs",
     "if self.config.path.transport.is_reliable() {\n            // RFC",
     "if error_code(message) == Some(437) || self.config.path.transport.is_reliable() {\n            // RFC"),
    ("a channel's number goes to another peer as soon as it has expired", "src/turn/channel.rs",
     "pub(crate) const COOLING: Duration = Duration::from_secs(300);",
     "pub(crate) const COOLING: Duration = Duration::from_secs(0);"),
    ("a permission is renewed when it has ended", "src/turn/permission.rs",
     "pub(crate) const RENEWAL: Duration = Duration::from_secs(260);",
     "pub(crate) const RENEWAL: Duration = Duration::from_secs(310);"),
    ("what a server reports passes by the policy", "src/turn/allocation/data.rs",
     "        let Ok(peer) = self.admit(peer) else { return Disposition::Dropped(DropReason::UnpermittedPeer) };\n",
     ""),
    ("a failed refresh is asked again for ever", "src/turn/allocation/life.rs",
     "const MAX_REFRESH_RETRIES: u32 = 4;", "const MAX_REFRESH_RETRIES: u32 = u32::MAX;"),
]

# What may notice, cheapest first.
CHECKS = [
    ("traces", ["cargo", "test", "--quiet", "--test", "trace"]),
    ("fuzz corpus", ["cargo", "test", "--quiet", "-p", "libstun-fuzz-harness"]),
    ("cases", ["cargo", "test", "--quiet", "--test", "credential_cases", "--test", "agent_power",
               "--test", "agent_streams"]),
    ("beside the code", ["cargo", "test", "--quiet", "--package", "libstun", "--lib", "--", "auth::nonce", "nat::",
                         "stun::server"]),
    ("relays", ["cargo", "test", "--quiet", "--test", "turn_cases", "--test", "turn_errors"]),
    ("contract", ["cargo", "test", "--quiet", "--test", "contract"]),
    ("simulator", ["cargo", "run", "--quiet", "-p", "libstun-sim", "--", "--seeds", "400"]),
]


def main() -> int:
    copy = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target" / "teeth"
    lines, survivors = [], 0
    for name, file, old, new in BREAKS:
        fresh(copy)
        path = copy / file
        text = path.read_text()
        if text.count(old) != 1:
            print(f"cannot be applied: {name}")
            return 1
        path.write_text(text.replace(old, new))
        caught = [check for check, command in CHECKS if not passes(copy, command)]
        survivors += not caught
        lines.append(f"| {name} | {', '.join(caught) or 'NOTHING'} |")
        print(lines[-1], flush=True)
    print(f"teeth: {len(BREAKS) - survivors} passed, {survivors} failed, 0 skipped")
    return 1 if survivors else 0


def fresh(copy: pathlib.Path) -> None:
    """Makes the copy equal to the tree, and keeps what it has built."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    for name in filter(None, files.decode().split("\0")):
        source, target = ROOT / name, copy / name
        if source.exists() and (not target.exists() or source.read_bytes() != target.read_bytes()):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def passes(copy: pathlib.Path, command: list[str]) -> bool:
    try:
        return subprocess.run(command, cwd=copy, capture_output=True, timeout=180).returncode == 0
    except subprocess.TimeoutExpired:
        return False  # a loop that does not end is noticed too


if __name__ == "__main__":
    sys.exit(main())
