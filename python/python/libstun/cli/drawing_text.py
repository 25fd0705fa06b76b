"""Sequence diagrams as text: lifelines from above to below, arrows between them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from itertools import pairwise
from math import ceil

from .diagram import Diagram, Step, seconds, spread
from .screen import Span, cells, printable

__all__ = ["draw_text"]

TIME_COLUMN = 14
MIN_GAP = 18
"""Between two lifelines, whatever the terminal: below that nothing can be read."""
MAX_NOTE = 44
LONG_WAIT_NS = 1_000_000_000

_UNICODE = {
    "line": "│",
    "wait": "┊",
    "dash": "─",
    "again": "╌",
    "right": "▶",
    "left": "◀",
    "lost": "✕",
    "note": "●",
    "crossing": "┼",
    "later": "…",
}
_ASCII = {
    "line": "|",
    "wait": ":",
    "dash": "-",
    "again": ".",
    "right": ">",
    "left": "<",
    "lost": "X",
    "note": "*",
    "crossing": "+",
    "later": "...",
}


class _Row:
    """A line of text that is written at places."""

    def __init__(self, lifelines: list[int], mark: str) -> None:
        self._cells: list[tuple[str, str]] = []
        for place in lifelines:
            self.put(place, mark, "dim")

    def put(self, start: int, text: str, style: str = "") -> None:
        place = max(0, start)
        for char in printable(text):
            width = cells(char)
            if width == 0:
                continue
            self._cells += [(" ", "")] * (place + width - len(self._cells))
            self._cells[place] = (char, style)
            for further in range(place + 1, place + width):
                self._cells[further] = ("", style)
            place += width

    def spans(self) -> list[Span]:
        spans: list[tuple[str, str]] = []
        for char, style in self._cells:
            if spans and spans[-1][1] == style:
                spans[-1] = (spans[-1][0] + char, style)
            else:
                spans.append((char, style))
        return [span if span[1] else span[0] for span in spans]


def draw_text(diagram: Diagram, *, width: int | None = None, unicode: bool = True) -> Iterator[list[Span]]:
    """The lines of the diagram, as wide as they need to be, or as `width` allows as long as that is possible."""
    signs = _UNICODE if unicode else _ASCII
    places = _places(diagram, width)
    if not places:
        return
    yield from _header(diagram, places)
    now: int | None = None
    digits = diagram.digits
    for step in diagram.steps:
        waited = 0 if now is None else step.time_ns - now
        if step.kind == "section":
            yield []
            for line in textwrap.wrap(printable(step.label), width or 100):
                yield [(line, "heading")]
            continue
        if step.kind == "message" or waited > 0:
            yield _between(places, waited, signs).spans()
        rows = list(_message(step, places, signs) if step.kind == "message" else _note(step, places, signs))
        if step.time_ns != now:
            time = seconds(step.time_ns, digits)
            rows[0].put(TIME_COLUMN - 2 - len(time), time, "dim")
        now = step.time_ns
        yield from (row.spans() for row in rows)
    yield _Row(places, signs["line"]).spans()


def _between(places: list[int], waited: int, signs: dict[str, str]) -> _Row:
    """The row before a step; after a long wait the lifelines are broken, and it says how long it was."""
    if waited < LONG_WAIT_NS:
        return _Row(places, signs["line"])
    row = _Row(places, signs["wait"])
    text = f"{signs['later']} {seconds(waited)} later"
    row.put(max(0, min(TIME_COLUMN + 3, places[0] - 1) - len(text)), text[: places[0] - 1], "dim")
    return row


def _header(diagram: Diagram, places: list[int]) -> Iterator[list[Span]]:
    names, addresses = _Row([], ""), _Row([], "")
    for participant, place in zip(diagram.participants, places, strict=True):
        names.put(place - cells(participant.name) // 2, participant.name, "heading")
        addresses.put(place - cells(participant.address) // 2, participant.address, "address")
    if any(participant.name for participant in diagram.participants):
        yield names.spans()
    yield addresses.spans()


def _places(diagram: Diagram, width: int | None) -> list[int]:
    """The columns of the lifelines."""
    heads = [max(cells(participant.address), cells(participant.name)) for participant in diagram.participants]
    if not heads:
        return []
    gaps = [max(float(MIN_GAP), (one + other) / 2 + 4) for one, other in pairwise(heads)]
    spread(gaps, (_need(step, len(heads)) for step in diagram.steps))
    start = TIME_COLUMN + heads[0] // 2
    spare = None if width is None else width - start - heads[-1] // 2 - 1
    if spare is not None and sum(gaps) > spare:
        gaps = [max(MIN_GAP, gap * spare / sum(gaps) - 1) for gap in gaps]
    places = [start]
    for gap in gaps:
        places.append(places[-1] + ceil(gap))
    return places


def _need(step: Step, count: int) -> tuple[int, int, int]:
    """How many columns a step needs, and between which lifelines."""
    if step.kind == "message" and step.source is not None and step.destination is not None:
        first, last = sorted((step.source, step.destination))
        label = cells(step.title) * 4 // 3 + 8 if step.is_lost else cells(step.title) + 8
        return max(label, *(cells(detail) + 4 for detail in step.details), 0), first, last
    if step.kind == "note" and step.source is not None and count > 1:
        first = min(step.source, count - 2)
        return min(cells(step.label), MAX_NOTE) + 5, first, first + 1
    return 0, 0, 0


def _message(step: Step, places: list[int], signs: dict[str, str]) -> Iterator[_Row]:
    assert step.source is not None
    assert step.destination is not None
    start, end = places[step.source], places[step.destination]
    first, last = sorted((start, end))
    row = _Row(places, signs["line"])
    if start == end:
        row.put(start, f"{signs['note']} {step.title} (to itself)", step.style)
        yield row
        return
    style = "bad" if step.is_lost else step.style
    dash = signs["again" if step.repeat else "dash"]
    if step.is_lost:
        reach = min((last - first) * 3 // 4, last - first - 7)
        first, last = (first, first + reach) if start < end else (last - reach, last)
    fits = cells(printable(step.title)) <= last - first - 5
    if not fits:
        yield from _lines(step.title, places, (start, end), signs, step.style)
    row.put(first + 1, dash * (last - first - 1), style)
    for place in places:
        if first < place < last:
            row.put(place, signs["crossing"], style)
    if step.is_lost and start < end:
        row.put(last, f"{signs['lost']} lost", style)
    elif step.is_lost:
        row.put(first - 5, f"lost {signs['lost']}", style)
    else:
        row.put(last - 1 if start < end else first + 1, signs["right" if start < end else "left"], style)
    if fits:
        _center(row, f" {step.title} ", first + 1, last - 1, step.style)
    yield row
    for detail in step.details:
        yield from _lines(detail, places, (start, end), signs, "dim")


def _lines(text: str, places: list[int], ends: tuple[int, int], signs: dict[str, str], style: str) -> Iterator[_Row]:
    """A text between two lifelines, on as many lines as it needs: an attribute's value must not be cut off."""
    first, last = sorted(ends)
    for line in textwrap.wrap(printable(text), last - first - 3, break_on_hyphens=False):
        row = _Row(places, signs["line"])
        _center(row, line, first + 1, last - 1, style)
        yield row


def _note(step: Step, places: list[int], signs: dict[str, str]) -> Iterator[_Row]:
    assert step.source is not None
    place = places[step.source]
    is_last = step.source == len(places) - 1 and len(places) > 1
    room = place - places[step.source - 1] if is_last else (places[step.source + 1] - place if len(places) > 1 else 60)
    lines = textwrap.wrap(printable(step.label), max(12, room - 4), break_on_hyphens=False) or [""]
    for number, line in enumerate(lines):
        row = _Row(places, signs["line"])
        if number == 0:
            row.put(place, signs["note"], step.style)
        row.put(
            place - 2 - cells(line) if is_last else place + 2, line, step.style if step.style != "data" else "value"
        )
        yield row


def _center(row: _Row, text: str, first: int, last: int, style: str) -> None:
    """Writes a text between two columns, cut if it is too long for them."""
    room = last - first + 1
    if cells(text) > room - 2:
        text = f"{text[: max(1, room - 4)].rstrip()}… "
    row.put(first + max(0, (room - cells(text)) // 2), text, style)
