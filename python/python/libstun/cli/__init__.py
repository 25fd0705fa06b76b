"""The command `libstun`.

A command is a module of this package, named in `COMMANDS`, with two functions:

- `add(commands)` adds its parser: help, description, an epilog with examples, and `set_defaults(run=run)`.
- `run(args, screen) -> int` does the work and returns the exit code.

Only the command that was typed is imported. `--json` and `--color` are added to every one. What a command cannot go on
with it raises: `CommandError`, or `UsageError` where the arguments are wrong; `OSError`, `ValueError` and `StunError`
may pass through as well. All of them end as one line on the standard error.

Exit codes: 0 success; 1 failed, or nothing found; 2 wrong usage; 130 after Ctrl-C; 141 if nobody reads the output.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NoReturn

from .. import __version__
from ..errors import StunError
from .screen import COLORS, CommandError, Screen, UsageError, printable

__all__ = ["COMMANDS", "FAILED", "OK", "USAGE", "CommandError", "Screen", "UsageError", "main"]

OK = 0
FAILED = 1
USAGE = 2
INTERRUPTED = 130
BROKEN_PIPE = 141

COMMANDS = {
    "address": "find the public address of this host",
    "nat": "find out what the NAT does",
    "serve": "answer Binding requests",
    "decode": "show a message, or the messages of a capture",
    "trace": "draw an exchange as a sequence diagram",
}
"""The commands in the order of the help: module and a line about it."""

_DESCRIPTION = "STUN and TURN on the command line: find addresses, test NATs, read messages and captures."
_EPILOG = """\
examples:
  libstun address stun.example.org
  libstun decode 000100002112a442b7e7a701bc34d686fa87dfae
  libstun decode --password s3cret call.pcapng
  libstun trace --simulate loss

"libstun COMMAND --help" says more about a command."""
_EXTRA = '\nFor colours: pip install "libstun[cli]"'


def main(argv: Sequence[str] | None = None) -> int:
    """Does what the arguments say (`None`: those of the process), and returns the exit code.

    >>> main(["decode", "--help"])  # doctest: +ELLIPSIS
    usage: libstun decode ...
    0
    """
    words = list(sys.argv[1:] if argv is None else argv)
    _make_streams_robust()
    screen: Screen | None = None
    try:
        args = _parser(words).parse_args(words)
        screen = Screen(color=args.color, json=args.json)
        run: Callable[[argparse.Namespace, Screen], int] = args.run
        code = run(args, screen)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        _discard_output()
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as exit_:  # argparse's way of ending, after --help or wrong usage
        return exit_.code if isinstance(exit_.code, int) else FAILED
    except UsageError as error:
        return _complain(error, USAGE)
    except (CommandError, StunError, OSError, ValueError) as error:
        return _complain(error, FAILED)
    finally:
        if screen is not None:
            screen.close()


class _Parser(argparse.ArgumentParser):
    """Keeps the lines of the examples, and complains in one line."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        options.setdefault("allow_abbrev", False)
        super().__init__(*args, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f'libstun: {printable(message)} (see "{self.prog} --help")\n')


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    epilog = _EPILOG if find_spec("rich") is not None else _EPILOG + _EXTRA
    parser = _Parser(prog="libstun", description=_DESCRIPTION, epilog=epilog)
    parser.add_argument("--version", action="version", version=f"libstun {__version__}")
    _add_output_options(parser, color="auto", json=False)
    commands: argparse._SubParsersAction[argparse.ArgumentParser] = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", required=True, parser_class=_Parser
    )
    for name, summary in COMMANDS.items():
        if find_spec(f"{__name__}.{name}") is None:
            continue
        if name in words:
            import_module(f"{__name__}.{name}").add(commands)
            # Suppressed defaults leave alone what stood before the command.
            _add_output_options(commands.choices[name], color=argparse.SUPPRESS, json=argparse.SUPPRESS)
        else:
            commands.add_parser(name, help=summary)
    return parser


def _add_output_options(parser: argparse.ArgumentParser, *, color: str, json: bool | str) -> None:
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", default=json, help="print JSON, for other programs")
    group.add_argument(
        "--color", choices=COLORS, default=color, help="colours: auto is on terminals, unless NO_COLOR is set"
    )


def _complain(error: Exception, code: int) -> int:
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        name = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        text = f"{name}{error.strerror}"
    with contextlib.suppress(OSError):
        print(f"libstun: {printable(text)}", file=sys.stderr, flush=True)
    return code


def _make_streams_robust() -> None:
    """What a terminal's encoding does not have is shown as an escape; what is closed is empty, or swallows all."""
    # In the order of their numbers, which the files take over: else a capture might be opened as number 2.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(null, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - never closed
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """Python flushes at its exit, and would complain about the broken pipe there."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
