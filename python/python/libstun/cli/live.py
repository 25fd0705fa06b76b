"""What the commands that talk to the network share: options, and the end by Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from .. import LongTerm
from ..aio import LocalLike
from ..aio.names import parse_server
from .passwords import VARIABLE, add_password, password_of
from .screen import UsageError

__all__ = [
    "DEFAULT_SERVERS",
    "add_credentials",
    "add_families",
    "add_timeout",
    "check_servers",
    "credentials_of",
    "interruption",
    "local_of",
    "read_password",
    "run_until_interrupted",
    "seconds",
]

DEFAULT_SERVERS = ("stun.l.google.com:19302", "stun.cloudflare.com:3478")
"""Well-known public servers, which are asked when none is named."""


def check_servers(names: Iterable[str]) -> None:
    """Raises UsageError for what is no server."""
    for name in names:
        try:
            parse_server(name)
        except ValueError as error:
            raise UsageError(str(error)) from None


def add_families(parser: argparse.ArgumentParser) -> None:
    """Adds --local, -4 and -6."""
    parser.add_argument(
        "--local",
        action="append",
        metavar="HOST[:PORT]",
        help="ask from this local address; may be given for each family",
    )
    family = parser.add_mutually_exclusive_group()
    family.add_argument("-4", dest="family", action="store_const", const=4, help="IPv4 only")
    family.add_argument("-6", dest="family", action="store_const", const=6, help="IPv6 only")


def local_of(args: argparse.Namespace) -> LocalLike | None:
    """Where to open sockets."""
    if args.local is not None:
        if args.family is not None:
            raise UsageError("--local says the family already: leave out -4 and -6")
        return list(args.local)
    return {4: "0.0.0.0:0", 6: "[::]:0"}.get(args.family)


def add_credentials(parser: argparse.ArgumentParser) -> None:
    """Adds --user and --password, which `read_password()` looks at."""
    parser.add_argument("--user", metavar="NAME", help="for servers that want to know who asks (long-term credentials)")
    add_password(parser, "the user's password")


def read_password(args: argparse.Namespace) -> None:
    """Puts the password in the place of where it comes from: once, for it may be asked for."""
    if args.user is None and args.password is not None:
        raise UsageError("--password is for --user")
    if args.user is not None:
        args.password = password_of(args)
        if args.password is None:
            raise UsageError(f"--user needs --password, or {VARIABLE} in the environment")


def credentials_of(args: argparse.Namespace) -> LongTerm | None:
    """Who asks, after `read_password()`."""
    return None if args.user is None else LongTerm(args.user, args.password)


def add_timeout(parser: argparse.ArgumentParser, default: float | None, text: str) -> None:
    """Adds --timeout."""
    parser.add_argument("--timeout", type=seconds, default=default, metavar="SECONDS", help=text)


def seconds(text: str) -> float:
    """A number of seconds, for argparse.

    >>> seconds("2.5")
    2.5
    """
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.001 <= number <= 86400.0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds between 0.001 and 86400")
    return number


def run_until_interrupted(main: Coroutine[Any, Any, int]) -> int:
    """Runs a command that goes on until Ctrl-C, which is how it is to end; see `interruption()`."""
    with suppress(KeyboardInterrupt):
        return asyncio.run(main)
    return 0


@contextmanager
def interruption() -> Iterator[asyncio.Event]:
    """For a block, has Ctrl-C and SIGTERM set an event and do nothing else. On Windows Ctrl-C cancels the task."""
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    with suppress(NotImplementedError):
        for number in numbers:
            loop.add_signal_handler(number, event.set)
    try:
        yield event
    finally:
        with suppress(NotImplementedError):
            for number in numbers:
                loop.remove_signal_handler(number)
