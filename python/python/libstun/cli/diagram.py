"""Sequence diagrams as facts: who talks, and what happens when. `drawing_text`, `drawing_svg` draw them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from .describe import PacketFacts, describe
from .keys import Keys
from .packets import Packet, address_text
from .screen import CommandError, count_of

__all__ = ["Diagram", "Participant", "Recorder", "Step", "diagram_of_packets", "seconds", "spread"]

Kind: TypeAlias = Literal["message", "note", "section"]

MAIN_ATTRIBUTES = (
    "XOR-MAPPED-ADDRESS",
    "XOR-RELAYED-ADDRESS",
    "XOR-PEER-ADDRESS",
    "CHANNEL-NUMBER",
    "LIFETIME",
    "ALTERNATE-SERVER",
    "OTHER-ADDRESS",
    "CHANGE-REQUEST",
    "UNKNOWN-ATTRIBUTES",
    "USERNAME",
    "REALM",
    "NONCE",
)
"""What is shown of a message, in this order."""
MAX_DETAILS = 4
MAX_DETAIL = 44
"""Longer texts are cut."""
NONCE_ENDS = 4, 8
"""A nonce says nothing to people, but where another one comes. Those of RFC 8489 all begin with the same 13 letters."""
MAX_PARTICIPANTS = 20
"""With more nobody sees anything, and the drawing grows with their number times that of the steps."""
MAX_STEPS = 1000
"""What comes after is left out, and that is said."""


@dataclass(slots=True)
class Participant:
    """A lifeline."""

    address: str
    name: str = ""
    """What it is, where that is known."""


@dataclass(slots=True, kw_only=True)
class Step:
    """Something that happens: a message from one to another, a note at one, or a heading across all."""

    kind: Kind
    time_ns: int
    source: int | None = None
    """The place of the participant that sends, or whose note it is."""
    destination: int | None = None
    label: str
    details: list[str] = field(default_factory=list)
    style: str = "data"
    """The kind of message, in the words of `screen.STYLES`."""
    is_lost: bool = False
    repeat: int = 0
    """How often the same message was sent this way before."""
    transaction: str = ""

    @property
    def title(self) -> str:
        """The label, with what became of the message."""
        again = {0: "", 1: ", sent again"}.get(self.repeat, f", sent again ({self.repeat})")
        return f"{self.label}{again}"

    def as_json(self, participants: list[Participant]) -> dict[str, Any]:
        """The step with the keys of the JSON output."""
        facts: dict[str, Any] = {"kind": self.kind, "time_ns": self.time_ns}
        if self.kind == "message":
            assert self.source is not None
            assert self.destination is not None
            facts |= {
                "source": participants[self.source].address,
                "destination": participants[self.destination].address,
                "transaction_id": self.transaction or None,
                "lost": self.is_lost,
                "sent_before": self.repeat,
            }
        elif self.source is not None:
            facts["at"] = participants[self.source].address
        return facts | {"text": self.label, "details": self.details}


@dataclass(slots=True)
class Diagram:
    """Lifelines and steps."""

    title: str
    participants: list[Participant] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    @property
    def digits(self) -> int:
        """How exact times have to be: milliseconds, or microseconds where they would not tell packets apart."""
        times = {step.time_ns for step in self.steps if step.kind != "section"}
        return 3 if len({seconds(time) for time in times}) == len(times) else 6


class Recorder:
    """Makes a diagram of what happens, in the order in which it is told."""

    def __init__(self, title: str, keys: Keys | None = None, *, is_whole: bool = False) -> None:
        self.diagram = Diagram(title)
        self._keys = keys or Keys()
        self._is_whole = is_whole
        self.left_out = 0
        """Steps that were too many."""
        self._traffic: Counter[str] = Counter()
        self._places: dict[str, int] = {}
        self._sent: dict[Hashable, int] = {}

    def participant(self, address: str, name: str = "") -> int:
        """The place of the lifeline of that address, which is made if there is none."""
        if address not in self._places:
            self._places[address] = len(self.diagram.participants)
            self.diagram.participants.append(Participant(address))
        place = self._places[address]
        if name:
            self.diagram.participants[place].name = name
        return place

    def message(self, time_ns: int, source: str, destination: str, data: bytes, *, is_lost: bool = False) -> Step:
        """A packet from one to another."""
        facts = describe(data, self._keys, frozenset((source, destination)))
        self._traffic.update((source, destination))
        identity = (source, destination, data)
        repeat = self._sent.get(identity, 0)
        if len(self.diagram.steps) < MAX_STEPS:
            self._sent[identity] = repeat + 1
        step = Step(
            kind="message",
            time_ns=time_ns,
            source=self.participant(source),
            destination=self.participant(destination),
            label=_label(facts),
            details=_details(facts, self._is_whole),
            style=_style(facts),
            is_lost=is_lost,
            repeat=repeat if facts.transaction_id else 0,
            transaction=facts.transaction_id.hex(),
        )
        self._add(step)
        return step

    def note(self, time_ns: int, at: str, text: str, style: str = "data") -> None:
        """What one of them does or learns."""
        place = self.participant(at)
        self._add(Step(kind="note", time_ns=time_ns, source=place, label=text, style=style))

    def section(self, time_ns: int, text: str) -> None:
        """A heading."""
        self._add(Step(kind="section", time_ns=time_ns, label=text))

    def finish(self) -> Diagram:
        """The diagram. Raises `CommandError` if it has too many participants to be drawn."""
        count = len(self._places)
        if count > MAX_PARTICIPANTS:
            busiest = ", ".join(f"{address} ({packets})" for address, packets in self._traffic.most_common(5))
            raise CommandError(
                f"{self.diagram.title}: {count} participants are too many to draw, more than {MAX_PARTICIPANTS}:"
                f" try --filter with an address; the busiest, with their packets, are {busiest}"
            )
        if self.left_out:
            last = self.diagram.steps[-1].time_ns
            text = f"{count_of(self.left_out, 'steps')} more left out: {MAX_STEPS} are drawn"
            self.diagram.steps.append(Step(kind="section", time_ns=last, label=text))
        return self.diagram

    def _add(self, step: Step) -> None:
        if len(self.diagram.steps) < MAX_STEPS:
            self.diagram.steps.append(step)
        else:
            self.left_out += 1


def diagram_of_packets(title: str, packets: Iterable[Packet], keys: Keys, *, is_whole: bool = False) -> Diagram:
    """The diagram of a capture; its times count from the first packet. `is_whole` if no value is to be shortened."""
    recorder = Recorder(title, keys, is_whole=is_whole)
    roles: dict[str, set[str]] = {}
    start: int | None = None
    for packet in packets:
        start = packet.time_ns if start is None else start
        source, destination = address_text(packet.source), address_text(packet.destination)
        if packet.note is not None:
            recorder.participant(source)
            recorder.note(packet.time_ns - start, destination, packet.note, "warning")
            continue
        step = recorder.message(packet.time_ns - start, source, destination, packet.data)
        if step.style == "request":
            roles.setdefault(source, set()).add("client")
            roles.setdefault(destination, set()).add("server")
    for address, words in roles.items():
        if len(words) == 1:  # both: peers that check each other
            recorder.participant(address, next(iter(words)))
    return recorder.finish()


def spread(gaps: list[float], needs: Iterable[tuple[float, int, int]]) -> None:
    """Widens the gaps between lifelines so that each need fits: so much between one lifeline and another.

    >>> gaps = [10.0, 10.0]
    >>> spread(gaps, [(30, 0, 2), (12, 0, 1)])
    >>> gaps
    [16.0, 14.0]
    """
    # What needs one gap alone goes first, for what spans several takes what is there.
    for need, first, last in sorted(needs, key=lambda item: item[2] - item[1]):
        missing = need - sum(gaps[first:last])
        for index in range(first, last):
            gaps[index] += max(0.0, missing) / (last - first)


def seconds(time_ns: int, digits: int = 3) -> str:
    """A time for people.

    >>> seconds(1_500_000_000)
    '1.500 s'
    """
    return f"{time_ns / 1e9:.{digits}f} s"


def _label(facts: PacketFacts) -> str:
    error = facts.find("ERROR-CODE")
    if facts.error is not None:
        return f"{facts.title}, malformed" if facts.method is not None else facts.title
    if facts.channel is not None and facts.payload is not None:
        return f"{facts.title}: {facts.payload.title}, {count_of(len(facts.payload.raw), 'bytes')}"
    if facts.method is None:
        return f"{facts.title}, {count_of(len(facts.raw), 'bytes')}"
    return f"{facts.title} {_cut(error.text)}" if error is not None and error.text else facts.title


def _style(facts: PacketFacts) -> str:
    if facts.error is not None:
        return "warning"
    styles = {"request": "request", "success-response": "response", "error-response": "error"}
    return styles.get(facts.message_class or "", "indication" if facts.message_class else "data")


def _details(facts: PacketFacts, is_whole: bool) -> list[str]:
    details = [facts.error] if facts.error is not None else []
    shown = list(MAIN_ATTRIBUTES)
    if facts.find("XOR-MAPPED-ADDRESS") is None:
        shown.insert(0, "MAPPED-ADDRESS")
    for name in shown:
        attribute = facts.find(name)
        if attribute is not None and attribute.text:
            text = attribute.text
            first, last = NONCE_ENDS
            if not is_whole and name == "NONCE" and len(text) > first + last + 3:  # with its quotation marks
                text = f"{text[: first + 1]}…{text[-last - 1 :]}"
            details.append(f"{name} {text}" if is_whole else _cut(f"{name} {text}"))
    data = facts.find("DATA")
    if data is not None and data.payload is not None:
        details.append(f"DATA: {data.payload.title}, {count_of(len(data.raw), 'bytes')}")
    details = details[: MAX_DETAILS - 1]
    signatures = [
        f"{attribute.name}{f' {attribute.verdict.check}' if attribute.verdict else ''}"
        for attribute in facts.attributes
        if attribute.name in ("MESSAGE-INTEGRITY", "MESSAGE-INTEGRITY-SHA256")
    ]
    return details + signatures[:1]


def _cut(text: str) -> str:
    return text if len(text) <= MAX_DETAIL else f"{text[: MAX_DETAIL - 1]}…"
