"""`libstun trace`: who has said what to whom, drawn as a sequence diagram."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from .diagram import Diagram, diagram_of_packets
from .drawing_svg import draw_svg
from .drawing_text import draw_text
from .inputs import Source, is_file, is_transaction, no_file, open_source, packets_of
from .keys import Keys
from .passwords import add_password, password_of
from .screen import CommandError, Screen, UsageError, cells
from .simulate import SCENARIOS, simulate
from .tracefile import diagram_of_trace, is_trace

__all__ = ["add", "run"]

_EPILOG = """\
examples:
  libstun trace --simulate loss
  libstun trace --simulate long-term --svg login.svg
  libstun trace --filter 192.0.2.1:3478 call.pcapng
  libstun trace tests/vectors/traces/binding.trace

scenarios:
{scenarios}

They run in memory between real agents, in virtual time and from fixed seeds:
the picture is always the same. With "--password -" the password is asked for,
and without the option taken from LIBSTUN_PASSWORD in the environment. With
--json the steps are printed, one object per line, with their times in
nanoseconds.

Of more than 20 participants there is no diagram, and of more than 1000 steps only
the first are drawn, which is said: --filter makes it fewer.

Exit code: 0; 1 if there is nothing to draw, or too much."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the parser of the command."""
    scenarios = "\n".join(f"  {name:<14} {scenario.summary}" for name, scenario in SCENARIOS.items())
    parser = commands.add_parser(
        "trace",
        help="draw an exchange as a sequence diagram",
        description="Draws an exchange as a sequence diagram: a capture, a trace of libstun's tests, or a simulation.",
        epilog=_EPILOG.format(scenarios=scenarios),
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("input", nargs="?", metavar="INPUT", help='a capture (pcap or pcapng), a .trace file, or "-"')
    what.add_argument(
        "--simulate", choices=list(SCENARIOS), metavar="SCENARIO", help="an exchange in memory; see below"
    )
    parser.add_argument("--svg", metavar="FILE", help='write SVG there ("-" is the standard output), and no text')
    parser.add_argument(
        "--filter", metavar="WHAT", help="of a capture only this address (with or without port) or transaction id"
    )
    add_password(parser, "check signatures with it")
    parser.add_argument("--user", help="the username, where messages do not say it")
    parser.add_argument("--realm", help="the realm, where messages do not say it")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Draws the exchange; see the module."""
    if args.svg == "-" and args.json:
        raise UsageError("--json and --svg - would both write to the standard output")
    diagram = _diagram(args, screen)
    if not any(step.kind == "message" for step in diagram.steps):
        raise CommandError(f"{diagram.title}: nothing to draw")
    if args.svg is not None:
        with screen.status(f"drawing {len(diagram.steps)} steps"):
            svg = draw_svg(diagram)
        _write(svg, args.svg)
    elif not args.json:
        _show(diagram, screen)
    for step in diagram.steps:
        screen.data(step.as_json(diagram.participants))
    return 0


def _diagram(args: argparse.Namespace, screen: Screen) -> Diagram:
    if args.simulate is not None:
        if args.filter is not None:
            raise UsageError("--filter is for captures")
        return simulate(args.simulate)
    keys = Keys(password_of(args), args.user, args.realm)
    with _open(args.input) as source:
        if source.is_capture:
            packets = packets_of(source, screen, args.filter)
            whole = is_transaction(args.filter)  # who asks for one exchange wants to see all of it
            return diagram_of_packets(Path(source.name).name, packets, keys, is_whole=whole)
        if args.filter is not None:
            raise UsageError(f"--filter is for captures, and {source.name} is none")
        if is_trace(source.content):
            return diagram_of_trace(Path(source.name).name, source.content, keys)
    raise CommandError(f"{args.input}: neither a capture nor a trace")


@contextmanager
def _open(name: str) -> Iterator[Source]:
    """Only files: hexadecimal text is one message, and no exchange."""
    if name != "-" and not is_file(Path(name)):
        raise CommandError(no_file([name]) if Path(name).is_dir() else f"{name}: no such file")
    with open_source([name]) as source:
        yield source


def _show(diagram: Diagram, screen: Screen) -> None:
    widest = 0
    # On a terminal the lines are progress enough.
    with nullcontext() if screen.is_terminal else screen.status(f"drawing {len(diagram.steps)} steps") as status:
        for number, line in enumerate(draw_text(diagram, width=screen.width, unicode=screen.has_unicode)):
            screen.line(*line)
            widest = max(widest, sum(cells(span if isinstance(span, str) else span[0]) for span in line))
            if status is not None and number % 100 == 0:
                status.update(f"drawing: line {number}")
    if screen.width is not None and widest > screen.width:
        screen.warn(f"the diagram needs {widest} columns: try --filter, or --svg")


def _write(svg: str, name: str) -> None:
    if name == "-":
        print(svg, end="")
    else:
        Path(name).write_text(svg, encoding="utf-8", newline="\n")
