"""`libstun nat`: what the NAT does."""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
from dataclasses import replace

from .. import NatConfig, NatProperty, NatReport, NatValue, Transport, aio, events
from ..aio.names import transport_of
from .live import (
    DEFAULT_SERVERS,
    add_credentials,
    add_families,
    add_timeout,
    check_servers,
    credentials_of,
    local_of,
    read_password,
)
from .screen import CommandError, Screen, Span, UsageError

__all__ = ["add", "run"]

_EPILOG = f"""\
examples:
  libstun nat stun.example.org
  libstun nat stun.example.org other.example.net --json
  libstun nat --lifetime stun.example.org

The first SERVER is best one of RFC 5780, which can answer from another address:
it tells everything. Further, ordinary servers are for when it cannot; two of them
tell how the NAT maps, and not how it filters. Without a SERVER it asks
{" and ".join(DEFAULT_SERVERS)}, which are ordinary ones.

The report says how sure each finding is and what it rests on. It takes some
seconds, up to 3 minutes where packets are lost; with --lifetime up to 2 hours.

With "--password -" the password is asked for, and without the option it is that
of the environment's LIBSTUN_PASSWORD: on the command line others can see it.

Exit code: 0; 1 if no server has answered."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the parser of the command."""
    parser = commands.add_parser(
        "nat",
        help="find out what the NAT does",
        description="Finds out how the NAT before this host maps, filters and keeps what passes it (RFC 5780).",
        epilog=_EPILOG,
    )
    parser.add_argument("server", nargs="*", metavar="SERVER", help="whom to ask")
    parser.add_argument("--lifetime", action="store_true", help="measure how long a binding lives, too, which is slow")
    add_timeout(parser, None, "report what is known after so long")
    add_families(parser)
    add_credentials(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Tests; see the module."""
    check_servers(args.server)
    if others := [name for name in args.server if transport_of(name) != Transport.UDP]:
        raise UsageError(f"{others[0]}: NATs are told by UDP, and that server is asked over TCP or TLS")
    read_password(args)
    report = asyncio.run(_probe(args, screen))
    _show(report, screen)
    screen.data(json.loads(report.json), pretty=screen.is_terminal)
    return 0 if report.findings[NatProperty.CONNECTIVITY].value == NatValue.OPEN else 1


async def _probe(args: argparse.Namespace, screen: Screen) -> NatReport:
    names = args.server or list(DEFAULT_SERVERS)
    properties = list(NatProperty) if args.lifetime else None
    async with aio.open_agent(local_of(args)) as agent:
        with screen.status(f"looking up {names[0]}") as status:
            servers = await _servers(agent, names, screen)
            config = NatConfig(servers[0], local=servers[0], properties=properties, credentials=credentials_of(args))
            if args.timeout is not None:
                config = replace(config, deadline_ns=round(args.timeout * 1e9))
            async with agent.nat_probe(servers[0], servers=servers[1:], config=config) as probe:
                status.update("asking the first server")
                decided = 0
                async for event in probe:
                    if isinstance(event, events.NatFound):
                        decided += 1
                        status.update(f"{decided} known: {event}")
                return probe.report


async def _servers(agent: aio.AsyncAgent, names: list[str], screen: Screen) -> list[tuple[str, int]]:
    """An address of each server, of one family: that of the first, IPv4 if it can be, where NATs are."""
    found = []
    for name in names:
        try:
            found.append([(address[0], address[1]) for address in await agent.resolve(name)])
        except (OSError, aio.OperationFailed) as error:
            reason = error.strerror if isinstance(error, socket.gaierror) else str(error)
            screen.warn(f"{name}: {reason}")
    if not found:
        raise CommandError("no server to ask")
    is_ipv6 = all(":" in host for host, _ in found[0])
    return [address for of_one in found for address in _first(of_one, is_ipv6)]


def _first(addresses: list[tuple[str, int]], is_ipv6: bool) -> list[tuple[str, int]]:
    return [address for address in addresses if (":" in address[0]) == is_ipv6][:1]


def _show(report: NatReport, screen: Screen) -> None:
    for line in str(report).splitlines():
        screen.line(*_styled(line))


def _styled(line: str) -> list[Span]:
    """A line of the report: what a finding rests on is indented, and everything else a name and what is known."""
    if line.startswith(" "):
        return [(line, "dim")]
    name, gap, value = line.partition("  ")
    if not gap:
        return [line]
    rest = value.lstrip()
    style = "warning" if rest.startswith("unknown") else "value"
    known, paren, remark = rest.partition("  (")
    return [(name, "name"), gap, " " * (len(value) - len(rest)), (known, style), (paren + remark, "dim")]
