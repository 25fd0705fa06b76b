"""What commands print on: a terminal with colours if there is one and `rich` is installed, else plain text.

The text is the same either way. A piece of it is a string, or a pair of a string and a style of `STYLES`; whatever is
not printable in it (it may come from the network) is shown as an escape.
"""

from __future__ import annotations

import dataclasses
import json as json_module
import os
import shutil
import sys
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = [
    "COLORS",
    "STYLES",
    "CommandError",
    "Node",
    "Screen",
    "Span",
    "Status",
    "UsageError",
    "cells",
    "count_of",
    "printable",
]

COLORS = ("auto", "always", "never")

STYLES = {
    "heading": "bold",
    "name": "cyan",
    "value": "bold",
    "address": "green",
    "good": "bold green",
    "bad": "bold red",
    "warning": "yellow",
    "data": "default",
    "dim": "bright_black",
    "request": "bold blue",
    "response": "bold green",
    "error": "bold red",
    "indication": "bold magenta",
}
"""The styles by name, in the words of `rich`; colours of the terminal's own palette, for light and dark ones."""

STATUS_AFTER_S = 0.5
"""Shorter work shows no status line: it would only flicker."""

Span: TypeAlias = str | tuple[str, str]
"""A text, or a text and the name of its style."""


class CommandError(Exception):
    """The command cannot go on, and says why in one line: exit code 1."""


class UsageError(CommandError):
    """The arguments do not make sense together: exit code 2."""


@dataclasses.dataclass(slots=True)
class Node:
    """A line of a tree, with those below it.

    >>> Node(["Binding ", ("request", "request")], [Node(["SOFTWARE"])]).children[0].spans
    ['SOFTWARE']
    """

    spans: Sequence[Span]
    children: list[Node] = dataclasses.field(default_factory=list)
    hang: int = 2
    """How far what does not fit on the line is indented below it."""

    def add(self, *spans: Span, hang: int = 2) -> Node:
        """Adds a line below this one, and returns it."""
        child = Node(spans, hang=hang)
        self.children.append(child)
        return child


class Screen:
    """The standard output. With `json` only `data()` prints, and without it everything else does.

    >>> Screen(color="never").table(["server", "address"], [["192.0.2.1", ("203.0.113.9", "address")]])
    server     address
    192.0.2.1  203.0.113.9
    """

    def __init__(self, *, color: str = "auto", json: bool = False) -> None:
        self.is_json = json
        self.is_terminal = sys.stdout.isatty()
        self._console: Console | None = None
        self._status: Status | None = None
        wants_color = color == "always" or (color == "auto" and self.is_terminal and _environment_allows_color())
        if wants_color and not json:
            if find_spec("rich") is not None:
                self._console = _console(self.is_terminal)
            elif color == "always":
                self.warn('colours need "rich": pip install "libstun[cli]"')

    @property
    def width(self) -> int | None:
        """Columns of the terminal; `None` if it is none, and nothing needs to be wrapped."""
        return max(40, shutil.get_terminal_size().columns) if self.is_terminal else None

    @property
    def has_unicode(self) -> bool:
        """Whether lines and arrows can be shown."""
        try:
            "│├└─▶✕→".encode(sys.stdout.encoding or "ascii")
        except (UnicodeEncodeError, LookupError):
            return False
        return True

    def line(self, *spans: Span) -> None:
        """Prints one line."""
        if not self.is_json:
            self._print(spans)

    def heading(self, text: str) -> None:
        """Prints a line that stands out."""
        self.line((text, "heading"))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Span]], *, right: Sequence[int] = ()) -> None:
        """Prints rows in columns as wide as their longest cell; those of the indices `right` end at the right."""
        if self.is_json:
            return
        content: list[Sequence[Span]] = [[(name, "heading") for name in columns], *rows]
        widths = [max(cells(_text([row[index]])) for row in content) for index in range(len(columns))]
        for row in content:
            self._print(_table_line(row, widths, right))

    def tree(self, root: Node) -> None:
        """Prints a line and those below it, joined by lines. On terminals what is too long goes on under its start."""
        if not self.is_json:
            guides = ("├─ ", "└─ ", "│  ", "   ") if self.has_unicode else ("|- ", "`- ", "|  ", "   ")
            for spans in _tree_lines(root, self.width, guides):
                self._print(spans)

    def data(self, value: object, *, pretty: bool = False) -> None:
        """Prints JSON on one line, or indented. Bytes become hexadecimal, dataclasses objects."""
        if self.is_json:
            indent = 2 if pretty else None
            # Everything beyond ASCII as an escape: it is JSON in any encoding, and no terminal obeys any of it.
            text = json_module.dumps(value, ensure_ascii=True, default=_to_json, indent=indent)
            sys.stdout.write(text.replace("\x7f", "\\u007f") + "\n")
            sys.stdout.flush()

    def warn(self, text: str) -> None:
        """Prints a line on the standard error, with `--json` too."""
        sys.stdout.flush()
        self._hide_status()
        print(f"libstun: {printable(text)}", file=sys.stderr, flush=True)

    @contextmanager
    def status(self, text: str) -> Iterator[Status]:
        """Shows on terminals what is being done, if it takes longer than a moment.

        with screen.status("asking 3 servers") as status:
            ...
            status.update("2 of 3 have answered")
        """
        status = self._status = Status(text, self._console)
        try:
            yield status
        finally:
            self.close()

    def close(self) -> None:
        """Takes the status line away."""
        if self._status is not None:
            self._status.close()
            self._status = None

    def _print(self, spans: Sequence[Span]) -> None:
        console = self._console
        if console is not None and (console.legacy_windows or self._status is not None):
            # It knows consoles without escapes, and prints above a status line.
            console.print(_rich_text(spans), soft_wrap=True)
            return
        self._hide_status()
        text = _text(spans) if console is None else "".join(_escaped(span) for span in spans)
        sys.stdout.write(text.rstrip() + "\n")
        sys.stdout.flush()

    def _hide_status(self) -> None:
        if self._status is not None:
            self._status.hide()


class Status:
    """The line that says what is being done. It appears on the first terminal of output and standard error."""

    def __init__(self, text: str, console: Console | None) -> None:
        self._text = printable(text)
        self._lock = threading.Lock()
        self._is_shown = self._is_closed = False
        self._console = console if console is not None and sys.stdout.isatty() else None
        self._rich = self._console.status(self._text) if self._console is not None else None
        self._timer = threading.Timer(STATUS_AFTER_S, self._show)
        self._timer.daemon = True
        if self._rich is not None or sys.stderr.isatty():
            self._timer.start()

    def update(self, text: str) -> None:
        """Says something else."""
        with self._lock:
            self._text = printable(text)
            if self._rich is not None:
                self._rich.update(self._text)
            elif self._is_shown:
                self._draw()

    def hide(self) -> None:
        """Takes the line away until the next `update()`, for something else to be printed."""
        with self._lock:
            if self._is_shown and self._rich is None:
                sys.stderr.write("\r\x1b[K")
                sys.stderr.flush()

    def close(self) -> None:
        """Takes the line away for good."""
        self._timer.cancel()
        self.hide()
        with self._lock:
            self._is_closed = True
            if self._rich is not None:
                self._rich.stop()

    def _show(self) -> None:
        with self._lock:
            if self._is_closed:
                return
            self._is_shown = True
            if self._rich is not None:
                self._rich.start()
            else:
                self._draw()

    def _draw(self) -> None:
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write(f"\r\x1b[K{self._text[:width]}")
        sys.stderr.flush()


def printable(text: str) -> str:
    r"""The text with everything that is not printable as an escape: no terminal obeys what the network says.

    >>> printable("a\x1b[31mb\n")
    'a\\x1b[31mb\\n'
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def cells(text: str) -> int:
    """How many columns of a terminal the text takes.

    >>> cells("マト"), cells("ab")
    (4, 2)
    """
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF") for char in text)


def count_of(count: int, what: str) -> str:
    """A number of things, of one in the singular.

    >>> count_of(1, "bytes"), count_of(2, "bytes")
    ('1 byte', '2 bytes')
    """
    return f"{count} {what.removesuffix('s') if count == 1 else what}"


def _environment_allows_color() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _console(is_terminal: bool) -> Console:
    from rich.console import Console

    # Not a terminal, and colours all the same: --color always. NO_COLOR has been looked at before.
    system: Literal["auto", "standard"] = "auto" if is_terminal else "standard"
    return Console(force_terminal=True, no_color=False, highlight=False, color_system=system)


def _rich_text(spans: Sequence[Span]) -> Text:
    from rich.text import Text

    text = Text()
    for span in spans:
        content, style = (span, "") if isinstance(span, str) else span
        text.append(printable(content), STYLES.get(style, ""))
    text.rstrip()
    return text


def _escaped(span: Span) -> str:
    """A span with the escapes of its style: many times as fast as a console, which captures need."""
    if isinstance(span, str):
        return printable(span)
    before, after = _escapes(STYLES.get(span[1], ""))
    return f"{before}{printable(span[0])}{after}" if span[0] else ""


@cache
def _escapes(style: str) -> tuple[str, str]:
    from rich.color import ColorSystem
    from rich.style import Style

    before, _, after = Style.parse(style).render("|", color_system=ColorSystem.STANDARD).partition("|")
    return before, after


def _text(spans: Sequence[Span]) -> str:
    return "".join(printable(span if isinstance(span, str) else span[0]) for span in spans)


def _table_line(row: Sequence[Span], widths: Sequence[int], right: Sequence[int]) -> list[Span]:
    line: list[Span] = []
    for index, cell in enumerate(row):
        padding = " " * (widths[index] - cells(_text([cell])))
        line += [padding, cell] if index in right else [cell, padding]
        line.append("  ")
    return line


def _tree_lines(
    node: Node, width: int | None, guides: tuple[str, str, str, str], first: str = "", rest: str = ""
) -> Iterator[list[Span]]:
    branch, last, through, blank = guides
    below = rest + (through if node.children else blank).rstrip()
    below += " " * (cells(first) + node.hang - cells(below))
    for number, part in enumerate(_wrap(node.spans, None if width is None else width - cells(first), node.hang)):
        yield [(first if number == 0 else below, "dim"), *part]
    for child in node.children:
        is_last = child is node.children[-1]
        yield from _tree_lines(
            child, width, guides, rest + (last if is_last else branch), rest + (blank if is_last else through)
        )


def _wrap(spans: Sequence[Span], width: int | None, hang: int) -> Iterator[list[Span]]:
    """Splits spans into lines at spaces where there are some, and anywhere where a word is too long."""
    if width is None or cells(_text(spans)) <= width:
        yield list(spans)
        return
    line: list[tuple[str, str]] = []
    used = 0
    limit = width
    for word, style in _words(spans, max(20, width - hang)):
        if used + cells(word.rstrip()) > limit and used > 0:
            yield [*line]
            line, used, limit = [], 0, max(20, width - hang)
        shown = word if line else word.lstrip()
        if line and isinstance(line[-1], tuple) and line[-1][1] == style:
            line[-1] = (line[-1][0] + shown, style)
        else:
            line.append((shown, style))
        used += cells(shown)
    yield [*line]


def _words(spans: Sequence[Span], limit: int) -> Iterator[tuple[str, str]]:
    for span in spans:
        content, style = (span, "") if isinstance(span, str) else span
        for word in printable(content).replace(" ", " \0").split("\0"):
            for start in range(0, len(word), limit):
                yield word[start : start + limit], style


def _to_json(value: object) -> object:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise TypeError(f"not for JSON: {type(value).__name__}")
