"""The golden traces of libstun as diagrams: `tests/vectors/traces/README.md` describes their format."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address

from .. import AuthenticationFailure, DropReason, SendError
from .diagram import Diagram, Recorder, seconds
from .inputs import TRACE_MAGIC
from .keys import Keys
from .screen import CommandError

__all__ = ["diagram_of_trace", "is_trace"]

_STARTS = {"binding": "starts a binding", "server": "serves", "survey": "starts a survey"}


def is_trace(start: bytes) -> bool:
    """Whether a file that starts so is a trace."""
    return start.startswith(TRACE_MAGIC)


def diagram_of_trace(title: str, content: bytes, keys: Keys) -> Diagram:
    """The diagram of a trace of format version 1. Raises `CommandError` for what is none."""
    lines = content.decode("ascii", "replace").splitlines()
    if not lines or lines[0] != "libstun-trace 1":
        raise CommandError(f"{title}: not a trace of version 1")
    reader = _Reader(Recorder(title, keys))
    for number, line in enumerate(lines[1:], 2):
        try:
            reader.read(line)
        except (ValueError, IndexError):
            raise CommandError(f"{title}: line {number} is not as the format wants it") from None
    return reader.finish()


class _Reader:
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._now = 0
        self._local = ""
        self._call: list[str] = []
        self._clients: set[str] = set()
        self._servers: set[str] = set()

    def read(self, line: str) -> None:
        words = line.split(" ")
        if line.startswith("#"):
            self._recorder.section(self._now, line.removeprefix("#").strip())
        elif words[0] == ">":
            self._call = words[1:]
            self._now = max(self._now, int(words[2]))
            self._do(words[1], words[3:])
        elif words[0] == "<":
            self._see(words[1], words[2:])
        elif line:
            raise ValueError(line)

    def finish(self) -> Diagram:
        for address in self._clients - self._servers:
            self._recorder.participant(address, "client")
        for address in self._servers - self._clients:
            self._recorder.participant(address, "server")
        return self._recorder.finish()

    def _do(self, call: str, words: list[str]) -> None:
        if call == "binding":
            self._local = _address(words[1])
            self._clients.add(self._local)
            self._servers.add(_address(words[2]))
        elif call == "survey":
            targets = list(_targets(words[4:]))
            self._local = targets[0][0] if targets else self._local
            self._clients |= {local for local, _ in targets}
            self._servers |= {remote for _, remote in targets}
        elif call == "server":
            self._local = _address(words[0])
        elif call == "input":
            self._local = _address(words[1])
            step = self._recorder.message(self._now, _address(words[2]), self._local, _bytes(words[4]))
            if step.style == "request":
                self._servers.add(self._local)
                self._clients.add(_address(words[2]))
        elif call == "error":
            kind = list(SendError)[int(words[0]) - 1]
            self._local = _address(words[2])
            self._note(f"cannot send to {_address(words[3])}: {kind}", "warning")
        elif call == "cancel":
            self._note("cancels the operation")
        elif call not in ("agent", "timeout"):
            raise ValueError(call)
        if call in _STARTS and self._local != "any":
            self._note(_STARTS[call])

    def _see(self, answer: str, words: list[str]) -> None:
        if answer == "transmit":
            self._local = _address(words[1])
            self._recorder.message(self._now, self._local, _address(words[2]), _bytes(words[4]))
        elif answer == "event":
            styles = {"failed": "error", "no-answer": "error", "retrying": "warning"}
            self._note(_event(words[1:]), styles.get(words[1], "response"))
        elif answer == "refused":
            self._note("the call is refused", "warning")
        elif answer == "ignored":
            self._note("ignores it", "warning")
        elif answer == "consumed" and words[0] != "0":
            self._note(f"drops it: {list(DropReason)[int(words[0]) - 1]}", "warning")
        elif answer not in ("ok", "consumed", "until"):
            raise ValueError(answer)

    def _note(self, text: str, style: str = "data") -> None:
        if self._local:
            self._recorder.note(self._now, self._local, text, style)


def _event(words: list[str]) -> str:
    """An event in a line."""
    kind, address, previous, rtt, at, reason, code, count = words
    if kind == "surveyed":
        return f"surveyed: answers {count}, failures {code}, mapping {reason}"
    parts = [kind]
    if address != "-":
        parts.append(_address(address))
    if previous != "-":
        parts.append(f"{'from' if kind in ('answer', 'no-answer') else 'was'} {_address(previous)}")
    if rtt not in ("-", "never"):
        parts.append(f"after {int(rtt) / 1e6:g} ms")
    if reason == "authentication":
        known = list(AuthenticationFailure)
        parts.append(f"authentication: {known[int(code) - 1] if 0 < int(code) <= len(known) else 'other'}")
    elif reason == "send":
        parts.append(f"send: {list(SendError)[int(code) - 1]}")
    elif reason != "-":
        parts.append(f"{reason} {code}" if code not in ("-", "0") else reason)
    if kind == "retrying" and at != "-":
        parts.append(f"again at {seconds(int(at))}")
    return f"{parts[0]}: {', '.join(parts[1:])}" if len(parts) > 1 else kind


def _targets(words: list[str]) -> Iterator[tuple[str, str]]:
    for start in range(0, len(words) - 3, 4):
        yield _address(words[start + 1]), _address(words[start + 2])


def _bytes(word: str) -> bytes:
    return b"" if word == "-" else bytes.fromhex(word)


def _address(word: str) -> str:
    """The same without the eight groups that traces have always: as people write it."""
    if not word.startswith("["):
        return word
    host, _, port = word[1:].rpartition("]:")
    return f"[{IPv6Address(host)}]:{port}"
