"""The golden traces of `tests/vectors/traces`: every call made again, every answer the same to the bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv6Address
from pathlib import Path as File
from typing import Any

import pytest

from libstun import (
    Address,
    Agent,
    AuthenticationFailure,
    BindingConfig,
    Credentials,
    DropReason,
    Event,
    Failure,
    Integrity,
    LongTerm,
    Path,
    Retransmission,
    SendError,
    ServerConfig,
    ShortTerm,
    StunError,
    SurveyConfig,
    SurveyTarget,
    Transport,
    events,
)

FOLDER = File(__file__).resolve().parents[2] / "tests" / "vectors" / "traces"
TRACES = sorted(FOLDER.glob("*.trace"))

SEND_ERRORS = list(SendError)
DROP_REASONS = list(DropReason)
"""Both in the order of their codes in `stun.h`, from 1."""
AUTHENTICATION_FAILURES = list(AuthenticationFailure)
MAPPINGS = {"unknown": "unknown", "same-everywhere": "same", "depends-on-address": "address", "depends-on-port": "port"}


@pytest.mark.parametrize("trace", TRACES, ids=lambda path: path.stem)
def test_a_trace_happens_again_to_the_bit(trace: File) -> None:
    expected = [line for line in trace.read_text("ascii").splitlines() if not line.startswith("#")]
    done = list(Replay(expected).run())
    for place, (was, now) in enumerate(zip(expected, done, strict=False)):
        assert now == was, f"line {place + 1} without comments"
    assert len(done) == len(expected)


def test_there_are_as_many_traces_as_the_table_lists() -> None:
    table = (FOLDER / "README.md").read_text("ascii")
    listed = {line.split("|")[1].strip() for line in table.splitlines() if line.startswith("|") and ".trace" in line}
    assert {trace.name for trace in TRACES} == listed
    assert len(TRACES) >= 6


@pytest.mark.parametrize("trace", TRACES, ids=lambda path: path.stem)
def test_another_seed_is_another_trace(trace: File) -> None:
    lines = [line for line in trace.read_text("ascii").splitlines() if not line.startswith("#")]
    assert lines[1].startswith("> agent ")
    lines[1] = " ".join([*lines[1].split()[:-1], "ff" * 32])
    # A server draws nothing: its trace is the same with any.
    assert (list(Replay(lines).run()) == lines) == (trace.stem == "server")


class Replay:
    """Makes the calls of a trace, and writes the trace that comes of it."""

    def __init__(self, lines: list[str]) -> None:
        assert lines[0] == "libstun-trace 1"
        self.lines = lines
        self.words: Iterator[str] = iter(())
        self.agent: Agent
        self.now = 0

    def run(self) -> Iterator[str]:
        """The lines, those of the calls among them."""
        yield self.lines[0]
        for line in self.lines[1:]:
            if not line.startswith("> "):
                continue
            yield line
            self.words = iter(line[2:].split(" "))
            name = next(self.words)
            self.now = int(next(self.words))
            yield from self._call(name)
            assert next(self.words, None) is None, f"a word too many: {line}"

    def _call(self, name: str) -> Iterator[str]:
        if name == "agent":
            self.agent = Agent(self.now, seed=self._bytes())
            return
        call: Callable[[], str] = getattr(self, f"_{name}")
        yield f"< {call()}"
        yield from self._drain()

    def _binding(self) -> str:
        transport, local, remote = self._path()
        socket_id, refresh, flags = int(next(self.words)), self._time(), int(next(self.words))
        rto, rc, rm, ti, first, longest = (int(next(self.words)) for _ in range(6))
        assert remote is not None
        config = BindingConfig(
            remote,
            local=local,
            transport=transport,
            socket_id=socket_id,
            refresh_ns=refresh,
            credentials=self._credentials(),
            fingerprint=flags & 1 == 0,
            accepts_mapped_address=flags & 2 != 0,
            retransmission=Retransmission(initial_rto_ns=rto, rc=rc, rm=rm, ti_ns=ti),
            backoff_first_ns=first,
            backoff_max_ns=longest,
        )
        return self._started(lambda: self.agent.start_binding(config, self.now))

    def _server(self) -> str:
        local, credentials = self._address(), self._credentials()
        assert not isinstance(credentials, LongTerm)
        config = ServerConfig(local=local, credentials=credentials)
        return self._started(lambda: self.agent.start_server(config, self.now))

    def _survey(self) -> str:
        enough, deadline, delay = int(next(self.words)), self._time(), int(next(self.words))
        targets = []
        for _ in range(int(next(self.words))):
            transport, local, remote = self._path()
            assert remote is not None
            targets.append(SurveyTarget(remote, local=local, transport=transport, socket_id=int(next(self.words))))
        config = SurveyConfig(targets, enough=enough or None, deadline_ns=deadline, attempt_delay_ns=delay)
        return self._started(lambda: self.agent.start_survey(config, self.now))

    def _cancel(self) -> str:
        id = int(next(self.words))
        try:
            self.agent.cancel(id, self.now)
        except StunError:
            return "refused"
        return "ok"

    def _input(self) -> str:
        transport, local, remote = self._path()
        assert remote is not None
        path = Path(remote, local=local, transport=transport, socket_id=int(next(self.words)))
        before = [self.agent.dropped(reason) for reason in DROP_REASONS]
        total = self.agent.dropped()
        taken = self.agent.handle_input(self._bytes(), path, self.now)
        counted = [self.agent.dropped(reason) - was for reason, was in zip(DROP_REASONS, before, strict=True)]
        assert sum(counted) == self.agent.dropped() - total <= 1
        if taken is False:
            return "ignored"
        assert taken is True
        return f"consumed {counted.index(1) + 1 if any(counted) else 0}"

    def _timeout(self) -> str:
        self.agent.handle_timeout(self.now)
        return "ok"

    def _error(self) -> str:
        error = SEND_ERRORS[int(next(self.words)) - 1]
        transport, local, remote = self._path()
        assert remote is not None
        path = Path(remote, local=local, transport=transport)
        known = self.agent.handle_send_error(path, error, self.now, data=self._bytes())
        return "ok" if known else "ignored"

    def _started(self, start: Callable[[], int]) -> str:
        try:
            return f"ok {start()}"
        except (ValueError, StunError):
            return "refused"

    def _drain(self) -> Iterator[str]:
        while (transmit := self.agent.poll_transmit()) is not None:
            local, remote = show(transmit.local), show(transmit.remote)
            data = transmit.data.hex() or "-"
            yield f"< transmit {transmit.transport} {local} {remote} {transmit.socket_id} {data}"
        while (event := self.agent.poll_event()) is not None:
            yield f"< event {event.id} {show_event(event)}"
        until = self.agent.poll_timeout()
        reason = self.agent.wake_reason()
        yield f"< until {'never' if until is None else until} {'none' if reason is None else reason}"

    def _time(self) -> int | None:
        word = next(self.words)
        return None if word == "never" else int(word)

    def _bytes(self) -> bytes:
        word = next(self.words)
        return b"" if word == "-" else bytes.fromhex(word)

    def _address(self) -> Address | None:
        word = next(self.words)
        if word == "any":
            return None
        host, _, port = word.rpartition(":")
        return (host.strip("[]"), int(port))

    def _path(self) -> tuple[Transport, Address | None, Address | None]:
        return Transport(next(self.words)), self._address(), self._address()

    def _credentials(self) -> Credentials | None:
        username, password, kind = self._bytes().decode(), self._bytes().decode(), int(next(self.words))
        if not username:
            return None
        if kind == 3:
            return LongTerm(username, password)
        return ShortTerm(username, password, integrity=[None, Integrity.SHA1, Integrity.SHA256][kind])


def show(address: Address) -> str:
    """An address as traces have it."""
    if address in (("0.0.0.0", 0), ("::", 0, 0, 0)):
        return "any"
    if len(address) == 2:
        return f"{address[0]}:{address[1]}"
    packed = IPv6Address(address[0]).packed
    groups = (f"{packed[place] << 8 | packed[place + 1]:x}" for place in range(0, 16, 2))
    return f"[{':'.join(groups)}]:{address[1]}"


def show_event(event: Event) -> str:
    """What has happened, as traces have it."""
    match event:
        case events.Mapped(address=address, rtt_ns=rtt):
            return f"mapped {show(address)} - {never(rtt)} - - - -"
        case events.Refreshed(address=address, rtt_ns=rtt):
            return f"refreshed {show(address)} - {never(rtt)} - - - -"
        case events.AddressChanged(address=address, previous=previous, rtt_ns=rtt):
            return f"changed {show(address)} {show(previous)} {never(rtt)} - - - -"
        case events.Retrying(failure=failure, at_ns=at):
            return f"retrying - - - {at} {show_failure(failure)}"
        case events.Failed(failure=failure):
            return f"failed - - - - {show_failure(failure)}"
        case events.Answered(target=target, server=server, address=address, rtt_ns=rtt):
            return f"answer {show(address)} {show(server)} {never(rtt)} {target} - - -"
        case events.Unanswered(target=target, server=server, failure=failure):
            return f"no-answer - {show(server)} - {target} {show_failure(failure)}"
        case events.Surveyed(answered=answered, failed=failed, unanswered=unanswered, mapping=mapping):
            return f"surveyed - - - {unanswered} {MAPPINGS[mapping]} {failed} {answered}"
    raise AssertionError(f"the format has no word for {event!r}")


def show_failure(failure: Failure) -> str:
    """Reason, code and count."""
    detail: Any = failure.detail
    match failure.reason:
        case "send-failed":
            return f"send {SEND_ERRORS.index(detail) + 1} 0"
        case "authentication":
            return f"authentication {AUTHENTICATION_FAILURES.index(detail) + 1} 0"
    return f"{failure.reason} {failure.code or 0} {failure.count or 0}"


def never(time: int | None) -> str:
    """A time, or none."""
    return "never" if time is None else str(time)
