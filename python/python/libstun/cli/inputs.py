"""What `decode` and `trace` are given: hexadecimal text, files, the standard input."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

from .captures import Frame, is_capture, read_frames
from .packets import Packet, address_text, read_packets
from .screen import CommandError, Screen, Status

__all__ = ["Source", "from_hex", "is_file", "is_transaction", "matches", "no_file", "open_source", "packets_of"]

MAX_MESSAGE_FILE = 1 << 20
"""A message as text has some times as many bytes; and traces are read whole, too."""

MAX_PACKET = 65_555
"""The header of STUN, and the most that it can say follows."""
TRACE_MAGIC = b"libstun-trace "

_SEPARATORS = re.compile(rb"0[xX]|\\x|[\s:,;\"'-]")


@dataclass(slots=True)
class Source:
    """An open input: a capture to read on, or a few bytes that were read whole."""

    name: str
    file: BinaryIO
    is_capture: bool
    size: int | None
    content: bytes = b""


def from_hex(text: bytes) -> bytes | None:
    r"""The bytes that hexadecimal text stands for, whatever stands between them; `None` if it is no such text.

    >>> from_hex(b"0x00, 0x01"), from_hex(rb"\x21\x12"), from_hex(b"21:12 a4-42\n"), from_hex(b"stun")
    (b'\x00\x01', b'!\x12', b'!\x12\xa4B', None)
    """
    digits = _SEPARATORS.sub(b"", text)
    try:
        return bytes.fromhex(digits.decode("ascii")) if digits else None
    except ValueError:
        return None


@contextmanager
def open_source(words: Sequence[str]) -> Iterator[Source]:
    """The input that the words of a command line name: `-`, a file, or hexadecimal text in one or more words."""
    if list(words) == ["-"]:
        # Left open: it belongs to the process.
        yield _source("the standard input", cast(BufferedReader, sys.stdin.buffer), None)
        return
    path = Path(words[0])
    if len(words) == 1 and is_file(path):
        with path.open("rb") as file:
            yield _source(words[0], file, path.stat().st_size)
        return
    data = None if _is_folder(path) else from_hex(" ".join(words).encode("utf-8", "replace"))
    if data is None:
        raise CommandError(no_file(words))
    yield Source("the message", cast(BinaryIO, None), False, len(data), data)


def packets_of(source: Source, screen: Screen, wanted: str | None, *, are_shown: bool = False) -> Iterator[Packet]:
    """The packets of a capture, with their progress; what was skipped is said on the standard error.

    `are_shown` if each is shown at once: on a terminal that is progress enough.
    """
    is_busy = are_shown and screen.is_terminal and not wanted
    with nullcontext() if is_busy else screen.status(f"reading {source.name}") as status:
        frames = read_frames(source.file, screen.warn)
        counted = frames if status is None else _counted(frames, source, status)
        for packet in read_packets(counted, screen.warn):
            if matches(packet, wanted):
                yield packet


def matches(packet: Packet, wanted: str | None) -> bool:
    """Whether the text is an address of the packet, with or without the port, or how its transaction id begins."""
    if not wanted:
        return True
    for address in (packet.source, packet.destination):
        if wanted in (address[0], address_text(address)):
            return True
    word = _transaction(wanted)
    return len(packet.data) >= 20 and packet.data[0] < 0x40 and packet.data[8:20].hex().startswith(word)


def is_transaction(wanted: str | None) -> bool:
    """Whether the text of a filter is (the start of) a transaction id, and no address."""
    return wanted is not None and re.fullmatch("[0-9a-f]{1,24}", _transaction(wanted)) is not None


def _transaction(wanted: str) -> str:
    return wanted.lower().removeprefix("0x")


def _counted(frames: Iterator[Frame], source: Source, status: Status) -> Iterator[Frame]:
    """The same, and the status says how far they are."""
    for frame in frames:
        if frame.number % 1000 == 0:
            status.update(f"reading {source.name}: {_progress(source)}packet {frame.number}")
        yield frame


def _source(name: str, file: BufferedReader, size: int | None) -> Source:
    if is_capture(file.peek(4)):
        return Source(name, file, True, size)
    content = file.read(MAX_MESSAGE_FILE + 1)
    if len(content) > MAX_MESSAGE_FILE:
        raise CommandError(f"{name}: neither a capture nor a message, which would be shorter")
    if not content.strip():
        raise CommandError(f"{name}: empty")
    # A binary message begins with 0x00 or 0x01, which no text does.
    decoded = from_hex(content)
    data = content if decoded is None else decoded
    if len(data) > MAX_PACKET and not data.startswith(TRACE_MAGIC):
        raise CommandError(f"{name}: neither a capture nor a message, which has at most {MAX_PACKET} bytes")
    return Source(name, file, False, size, data)


def no_file(words: Sequence[str]) -> str:
    """Why these words are no input."""
    text = " ".join(words)
    shown = text if len(text) <= 200 else f"{text[:200]}..."
    if not text.strip():
        return "nothing to decode"
    if len(words) == 1 and _is_folder(Path(text)):
        return f"{shown}: is a directory"
    # What was meant for hexadecimal has mistakes in it, and what was not is the name of a file.
    is_typo = len(words) > 1 or re.fullmatch(r"(0x)?[0-9a-fA-F]{8}.*", text, re.DOTALL)
    return f"{shown}: neither a file nor hexadecimal" if is_typo else f"{shown}: no such file"


def is_file(path: Path) -> bool:
    """Whether there is something that can be read."""
    try:
        return path.exists() and not path.is_dir()
    except (OSError, ValueError):  # hexadecimal that is too long for a name
        return False


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _progress(source: Source) -> str:
    tell: Callable[[], int] = source.file.tell
    return f"{100 * tell() // source.size} %, " if source.size else ""
