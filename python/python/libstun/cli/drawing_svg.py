"""Sequence diagrams as SVG: text stays text, the colours suit light and dark pages, equal diagrams are equal bytes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import replace
from html import escape
from itertools import pairwise

from .diagram import Diagram, Participant, Step, seconds, spread
from .screen import cells, printable

__all__ = ["draw_svg"]

CHAR = 7.9
"""The width of a letter of the 13 px font, a little more than any usual one has."""
SMALL_CHAR = 6.7
"""And of the 11 px one."""
LINE = 15
MARGIN = 24
TIME_COLUMN = 90
MIN_GAP = 200
GAP = 22
"""The height of what stands for a long wait."""
MAX_NOTE = 40
LONG_WAIT_NS = 1_000_000_000
LOST_AFTER = 0.75
"""How far a lost packet gets, of the way between two lifelines."""

_STYLE = """\
svg{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace}
text{font-size:13px}
.page{fill:#fff}.over{paint-order:stroke;stroke:#fff;stroke-width:4px;stroke-linejoin:round}
.box{fill:#f6f8fa;stroke:#d0d7de}.life{stroke:#afb8c1;stroke-dasharray:3 4}.gap{fill:#fff}
text{fill:#1f2328}.title{font-size:15px;font-weight:600}.name{font-weight:600}.section{font-weight:600}
.small,.time,.wait,.said{font-size:11px}.small,.time,.wait{fill:#59636e}.rule{stroke:#d0d7de}
.wait{font-style:italic}
.arrow{stroke-width:1.5;fill:none}.again{stroke-dasharray:6 4}
.request{stroke:#0969da}.response{stroke:#1a7f37}.error{stroke:#cf222e}.indication{stroke:#8250df}
.warning{stroke:#9a6700}.data{stroke:#59636e}.lost{stroke:#cf222e}
.head.request{fill:#0969da}.head.response{fill:#1a7f37}.head.error{fill:#cf222e}.head.indication{fill:#8250df}
.head.warning{fill:#9a6700}.head.data{fill:#59636e}text.lost{fill:#cf222e;stroke:none;font-size:11px}
.note{fill:#fff8c5;stroke-width:1}
@media (prefers-color-scheme:dark){
.page,.gap{fill:#0d1117}.over{stroke:#0d1117}.box{fill:#151b23;stroke:#3d444d}.life{stroke:#656c76}.rule{stroke:#3d444d}
text{fill:#e6edf3}.small,.time,.wait{fill:#9198a1}
.request{stroke:#4493f8}.response{stroke:#3fb950}.error{stroke:#f85149}.indication{stroke:#ab7df8}
.warning{stroke:#d29922}.data{stroke:#9198a1}.lost{stroke:#f85149}
.head.request{fill:#4493f8}.head.response{fill:#3fb950}.head.error{fill:#f85149}.head.indication{fill:#ab7df8}
.head.warning{fill:#d29922}.head.data{fill:#9198a1}text.lost{fill:#f85149}.note{fill:#272115}
}"""


def draw_svg(diagram: Diagram) -> str:
    """The diagram as an SVG document."""
    places = _places(diagram)
    body: list[str] = []
    top = MARGIN + 20
    box_height = 46 if any(participant.name for participant in diagram.participants) else 30
    y = float(top + box_height + 12)
    now: int | None = None
    digits = diagram.digits
    for step in diagram.steps:
        waited = step.time_ns - now if now is not None else 0
        if waited >= LONG_WAIT_NS and step.kind != "section":
            # The lifelines are broken, so that it is not taken for one of the times, which count from the start.
            body.append(f'<rect class="gap" x="0" y="{y + 4:g}" width="{_right(diagram, places):g}" height="{GAP}"/>')
            body.append(_text(MARGIN, y + 4 + GAP / 2 + 4, f"… {seconds(waited)} later", "wait"))
            y += GAP + 8
        time = "" if step.time_ns == now else seconds(step.time_ns, digits)
        parts, height = _step(step, places, y, time, _right(diagram, places))
        body += parts
        y += height
        now = step.time_ns if step.kind != "section" else now
    bottom = y + 12
    width, height = round(_right(diagram, places)), round(bottom + MARGIN)
    lifelines = [f'<line class="life" x1="{x:g}" y1="{top + box_height}" x2="{x:g}" y2="{bottom:g}"/>' for x in places]
    heads = [
        line
        for participant, x in zip(diagram.participants, places, strict=True)
        for line in _head(participant, x, top, box_height)
    ]
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
                f' height="{height}" role="img" aria-labelledby="title">'
            ),
            f'<title id="title">{_clean(diagram.title)}</title>',
            f"<style>\n{_STYLE}\n</style>",
            f'<rect class="page" width="{width}" height="{height}"/>',
            _text(MARGIN, MARGIN + 4, diagram.title, "title"),
            *lifelines,
            *heads,
            *body,
            "</svg>\n",
        ]
    )


def _places(diagram: Diagram) -> list[float]:
    """Where the lifelines stand: so far apart that everything between them fits."""
    heads = [_head_width(participant) for participant in diagram.participants]
    gaps = [max(float(MIN_GAP), (one + other) / 2 + 24) for one, other in pairwise(heads)]
    spread(gaps, (_need(step, len(heads)) for step in diagram.steps))
    places = [MARGIN + TIME_COLUMN + heads[0] / 2] if heads else []
    for gap in gaps:
        places.append(round(places[-1] + gap, 1))
    return places


def _need(step: Step, count: int) -> tuple[float, int, int]:
    if step.kind == "message" and step.source is not None and step.destination is not None:
        first, last = sorted((step.source, step.destination))
        label = cells(printable(step.title)) * CHAR
        details = max((cells(printable(detail)) * SMALL_CHAR for detail in step.details), default=0.0)
        return max(label, details) / (LOST_AFTER if step.is_lost else 1) + 48, first, last
    if step.kind == "note" and step.source is not None and count > 1:
        first = min(step.source, count - 2)
        return max(map(cells, _note_lines(step))) * SMALL_CHAR + 44, first, first + 1
    return 0, 0, 0


def _right(diagram: Diagram, places: list[float]) -> float:
    """The width of the picture."""
    edge = MARGIN + max(cells(printable(diagram.title)) * 9.5, 300)
    if places:
        edge = max(edge, places[-1] + _head_width(diagram.participants[-1]) / 2)
    if len(places) == 1:
        edge = max(edge, places[0] + MAX_NOTE * SMALL_CHAR + 40)
    return edge + MARGIN


def _head_width(participant: Participant) -> float:
    return max(cells(participant.name), cells(participant.address)) * CHAR + 24


def _head(participant: Participant, x: float, top: float, height: float) -> Iterator[str]:
    width = _head_width(participant)
    yield f'<rect class="box" x="{x - width / 2:g}" y="{top:g}" width="{width:g}" height="{height:g}" rx="6"/>'
    if participant.name:
        yield _text(x, top + 19, participant.name, "name", "middle")
        yield _text(x, top + 36, participant.address, "small", "middle")
    else:
        yield _text(x, top + height / 2 + 4, participant.address, "", "middle")


def _step(step: Step, places: list[float], y: float, time: str, right: float) -> tuple[list[str], float]:
    """The elements of a step that begins at `y`, and its height."""
    if step.kind == "section":
        return _section(step, y, right)
    parts, height = _message(step, places, y) if step.kind == "message" else _note(step, places, y)
    if time:
        baseline = y + (29 if step.kind == "message" else 18)
        parts.append(_text(MARGIN + TIME_COLUMN - 18, baseline, time, "time", "end"))
    return parts, height


def _section(step: Step, y: float, right: float) -> tuple[list[str], float]:
    lines = textwrap.wrap(printable(step.label), max(20, int((right - 2 * MARGIN) / CHAR))) or [""]
    height = 16 + LINE * len(lines)
    parts = [f'<rect class="gap" x="0" y="{y + 6:g}" width="{right:g}" height="{height:g}"/>']
    parts += [_text(MARGIN, y + 24 + LINE * number, line, "section") for number, line in enumerate(lines)]
    return parts, height + 10


def _message(step: Step, places: list[float], y: float) -> tuple[list[str], float]:
    assert step.source is not None
    assert step.destination is not None
    if step.source == step.destination:
        return _note(replace(step, label=f"{step.title} (to itself)"), places, y)
    start, end = places[step.source], places[step.destination]
    line = y + 25
    kind = "lost" if step.is_lost else step.style
    way = 1 if end > start else -1
    reach = start + (end - start) * LOST_AFTER if step.is_lost else end - way
    dashes = " again" if step.repeat else ""
    parts = [f'<line class="arrow {kind}{dashes}" x1="{start:g}" y1="{line:g}" x2="{reach:g}" y2="{line:g}"/>']
    if step.is_lost:
        x = reach
        parts.append(
            f'<path class="arrow lost" d="M{x - 5:g} {line - 5:g}L{x + 5:g} {line + 5:g}'
            f'M{x - 5:g} {line + 5:g}L{x + 5:g} {line - 5:g}"/>'
        )
        parts.append(_text(x + way * 12, line + 4, "lost", "lost", "start" if way > 0 else "end"))
    else:
        parts.append(
            f'<polygon class="head {kind}" points="{end:g},{line:g} {end - way * 9:g},{line - 4.5:g} '
            f'{end - way * 9:g},{line + 4.5:g}"/>'
        )
    middle = (start + reach) / 2
    parts.append(_text(middle, line - 7, step.title, "over", "middle"))
    for number, detail in enumerate(step.details):
        parts.append(_text(middle, line + 14 + LINE * number, detail, "small over", "middle"))
    return parts, 37 + LINE * len(step.details)


def _note(step: Step, places: list[float], y: float) -> tuple[list[str], float]:
    assert step.source is not None
    lines = _note_lines(step)
    width = max(map(cells, lines)) * SMALL_CHAR + 20
    height = 10 + LINE * len(lines)
    is_last = step.source == len(places) - 1 and len(places) > 1
    x = places[step.source] + 10 - width if is_last else places[step.source] - 10
    parts = [
        f'<rect class="note {step.style}" x="{x:g}" y="{y + 4:g}" width="{width:g}" height="{height:g}" rx="4"/>',
    ]
    parts += [_text(x + 10, y + 20.5 + LINE * number, line, "said") for number, line in enumerate(lines)]
    return parts, height + 12


def _note_lines(step: Step) -> list[str]:
    return textwrap.wrap(printable(step.label), MAX_NOTE, break_on_hyphens=False) or [" "]


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    classes = f' class="{kind}"' if kind else ""
    anchors = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x:g}" y="{y:g}"{classes}{anchors}>{_clean(text)}</text>'


def _clean(text: str) -> str:
    """Fit for XML, whatever the network has put into it."""
    return escape(printable(text), quote=True)
