"""`libstun address`: the public addresses of this host."""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import ssl
import time
from dataclasses import dataclass

from .. import BindingConfig, ObservedMapping, SurveyConfig, SurveyTarget, Transport, aio, events
from ..aio.names import transport_of
from ..aliases import Address
from .live import (
    DEFAULT_SERVERS,
    add_credentials,
    add_families,
    add_timeout,
    check_servers,
    credentials_of,
    interruption,
    local_of,
    read_password,
    run_until_interrupted,
    seconds,
)
from .packets import address_text
from .screen import CommandError, Screen, Span, Status, UsageError

__all__ = ["add", "run"]

_EPILOG = f"""\
examples:
  libstun address
  libstun address stun.example.org turn:relay.example.net:3478
  libstun address -6 --timeout 2 "[2001:db8::1]:3478"
  libstun address --tcp --user alice --password - stun.example.org
  libstun address --watch --json stun.example.org | jq .address

Without a SERVER it asks {" and ".join(DEFAULT_SERVERS)}.
A server is a name or an address, with or without port, or a stun: or turn: URI;
it is asked over IPv4 and IPv6, as far as it has both. Several servers that are
asked from one socket tell whether the NAT gives each of them another address.

With --watch the addresses are kept alive, and a line tells of each change, until
Ctrl-C. With --json it is one object per line then.

With "--password -" the password is asked for, and without the option it is that
of the environment's LIBSTUN_PASSWORD: on the command line others can see it.

Exit code: 0 if an address was found, else 1."""

TIMEOUT = 5.0
"""Seconds to wait for answers."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the parser of the command."""
    parser = commands.add_parser(
        "address",
        help="find the public address of this host",
        description="Asks STUN servers for the public addresses of this host, as they see them.",
        epilog=_EPILOG,
    )
    parser.add_argument("server", nargs="*", metavar="SERVER", help="whom to ask")
    parser.add_argument("--watch", action="store_true", help="keep the addresses alive and report changes")
    parser.add_argument(
        "--every", type=seconds, metavar="SECONDS", help="with --watch: how often to ask again, at least 1 second"
    )
    parser.add_argument("--tcp", action="store_true", help="ask over TCP")
    add_timeout(parser, TIMEOUT, "how long to wait for answers (default: 5)")
    add_families(parser)
    add_credentials(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Asks; see the module."""
    if args.every is not None and (not args.watch or args.every < 1):
        raise UsageError("--every is for --watch, and at least 1 second")
    check_servers(args.server)
    if args.watch and (args.tcp or any(transport_of(name) != Transport.UDP for name in args.server)):
        raise UsageError("--watch is for UDP, whose addresses go away")
    read_password(args)
    if args.watch:
        return run_until_interrupted(_watch(args, screen))
    return asyncio.run(_ask(args, screen))


@dataclass(slots=True)
class _Asked:
    """One address of a server, and what has come of asking it."""

    name: str
    server: Address | None
    transport: Transport = Transport.UDP
    address: Address | None = None
    rtt_ns: int | None = None
    error: str | None = None
    state: str = ""
    """With --watch: what was told of it last."""

    @property
    def title(self) -> str:
        """The server, and its address where the name does not say it."""
        text = "" if self.server is None else address_text(self.server)
        return self.name if not text or self.name == text else f"{self.name} ({text})"

    def as_json(self) -> dict[str, object]:
        """For other programs."""
        return {
            "name": self.name,
            "server": self.server and address_text(self.server),
            "transport": self.transport,
            "family": None if self.server is None else _family(self.server),
            "address": self.address and address_text(self.address),
            "rtt_ms": None if self.rtt_ns is None else self.rtt_ns / 1e6,
            "error": self.error,
        }


async def _ask(args: argparse.Namespace, screen: Screen) -> int:
    async with aio.open_agent(local_of(args)) as agent:
        with screen.status("looking up servers") as status:
            asked = await _resolve(agent, args)
            mapping, _ = await asyncio.gather(
                _survey(agent, asked, args, status), _ask_over_streams(agent, asked, args)
            )
    _show(asked, mapping, screen)
    return 0 if any(one.address for one in asked) else 1


async def _resolve(agent: aio.AsyncAgent, args: argparse.Namespace) -> list[_Asked]:
    """Each server's addresses, at most one of each family; or why there are none."""

    async def resolve(name: str) -> list[_Asked]:
        transport = transport_of(name)
        if transport == Transport.UDP and args.tcp:
            transport = Transport.TCP
        if transport == Transport.TLS:
            return [_Asked(name, None, transport)]  # asked by its name, which the certificate has to be for
        try:
            async with asyncio.timeout(args.timeout):
                addresses = await agent.resolve(name, transport)
        except TimeoutError:
            return [_Asked(name, None, transport, error="the name was not found in time")]
        except (OSError, aio.OperationFailed) as error:
            return [_Asked(name, None, transport, error=_reason(error))]
        first: dict[str, Address] = {}
        for address in addresses:
            first.setdefault(_family(address), address)
        return [_Asked(name, address, transport) for address in first.values()]

    # Duplicates would be asked twice.
    found = await asyncio.gather(*(resolve(name) for name in dict.fromkeys(args.server or DEFAULT_SERVERS)))
    return [one for of_server in found for one in of_server]


async def _survey(
    agent: aio.AsyncAgent, asked: list[_Asked], args: argparse.Namespace, status: Status
) -> ObservedMapping:
    targets = [one for one in asked if one.server is not None and one.transport == Transport.UDP]
    if not targets:
        return ObservedMapping.UNKNOWN
    config = SurveyConfig(
        [SurveyTarget(one.server) for one in targets if one.server is not None],
        deadline_ns=round(args.timeout * 1e9),
        credentials=credentials_of(args),
    )
    mapping = ObservedMapping.UNKNOWN
    done = 0
    async with agent.start(config) as survey:
        status.update(f"asking {len(targets)} addresses of servers")
        async for event in survey:
            match event:
                case events.Answered():
                    targets[event.target].address, targets[event.target].rtt_ns = event.address, event.rtt_ns
                    done += 1
                case events.Unanswered():
                    targets[event.target].error = str(event.failure)
                    done += 1
                case events.Surveyed():
                    mapping = event.mapping
            status.update(f"{done} of {len(targets)} have answered")
    for one in targets:
        if one.address is None and one.error is None:
            one.error = f"no answer within {args.timeout:g} s"
    return mapping


async def _ask_over_streams(agent: aio.AsyncAgent, asked: list[_Asked], args: argparse.Namespace) -> None:
    async def ask(one: _Asked) -> None:
        try:
            mapped = await agent.binding(
                one.server or one.name,
                transport=one.transport,
                timeout=args.timeout,
                credentials=credentials_of(args),
            )
        except TimeoutError:
            one.error = f"no answer within {args.timeout:g} s"
        except (OSError, aio.OperationFailed) as error:
            one.error = _reason(error)
        else:
            one.address, one.rtt_ns = mapped.address, mapped.rtt_ns

    await asyncio.gather(*(ask(one) for one in asked if one.transport != Transport.UDP and one.error is None))


def _show(asked: list[_Asked], mapping: ObservedMapping, screen: Screen) -> None:
    rows: list[list[Span]] = []
    for one in asked:
        found: Span = ("none", "bad") if one.address is None else (address_text(one.address), "address")
        note: Span = (one.error, "warning") if one.error else _milliseconds(one.rtt_ns)
        rows.append([one.title, found, note])
    screen.table(["server", "public address", "round trip"], rows)
    if mapping in _MAPPINGS:
        text, style = _MAPPINGS[mapping]
        screen.line((text, style))
    screen.data({"servers": [one.as_json() for one in asked], "mapping": mapping}, pretty=screen.is_terminal)


_MAPPINGS = {
    ObservedMapping.SAME_EVERYWHERE: ("Servers see the same address: peers can be told it.", "good"),
    ObservedMapping.DEPENDS_ON_ADDRESS: ("Every server sees another address: peers need a relay.", "warning"),
    ObservedMapping.DEPENDS_ON_PORT: (
        "Even two ports of a server see different addresses: peers need a relay.",
        "warning",
    ),
}


# Watching


async def _watch(args: argparse.Namespace, screen: Screen) -> int:
    with interruption() as is_over:
        async with aio.open_agent(local_of(args)) as agent:
            with screen.status("looking up servers"):
                asked = await _resolve(agent, args)
            stream = agent.events()
            watched: dict[int, _Asked] = {}
            for one in asked:
                if one.server is None:
                    _tell(screen, one, "silent", one.error or "")
                else:
                    watched[agent.start(_kept(one.server, args)).id] = one
            if not watched:
                raise CommandError("no server to ask")
            tasks = [asyncio.ensure_future(is_over.wait()), asyncio.ensure_future(_follow(stream, watched, screen))]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
    return 0 if any(one.address for one in asked) else 1


def _kept(server: Address, args: argparse.Namespace) -> BindingConfig:
    config = BindingConfig(server, credentials=credentials_of(args))
    if args.every is None:
        return config
    return BindingConfig(server, credentials=credentials_of(args), refresh_ns=round(args.every * 1e9))


async def _follow(stream: aio.EventStream, watched: dict[int, _Asked], screen: Screen) -> None:
    async for event in stream:
        one = watched.get(event.id)
        if one is None:
            continue
        match event:
            case events.Mapped():
                one.address, one.rtt_ns = event.address, event.rtt_ns
                _tell(screen, one, "found", _milliseconds(event.rtt_ns))
            case events.Refreshed():
                what = "same" if one.address else "found"
                one.address, one.rtt_ns = event.address, event.rtt_ns
                _tell(screen, one, what, "")
            case events.AddressChanged():
                one.address, one.rtt_ns = event.address, event.rtt_ns
                _tell(screen, one, "changed", f"was {address_text(event.previous)}")
            case events.Retrying() | events.Failed():
                what = one.state if one.state in _DOWN else "lost" if one.address else "silent"
                one.address = one.rtt_ns = None
                _tell(screen, one, what, str(event.failure))
        if event.is_last:
            del watched[event.id]
            if not watched:
                return


def _tell(screen: Screen, one: _Asked, what: str, note: str) -> None:
    screen.data({"time": time.time(), "event": what, **one.as_json(), "note": note})
    was, one.state = one.state, what
    if what == "same" or (what == was and what in _DOWN):
        return  # nothing new for people
    style = {"found": "good", "changed": "warning"}.get(what, "bad")
    address: Span = ("none", "bad") if one.address is None else (address_text(one.address), "address")
    clock = (time.strftime("%H:%M:%S"), "dim")
    screen.line(clock, "  ", (what.ljust(7), style), "  ", one.title, "  ", address, "  ", note)


_DOWN = ("lost", "silent")


def _family(address: Address) -> str:
    return "ipv6" if ":" in address[0] else "ipv4"


def _milliseconds(rtt_ns: int | None) -> str:
    return "" if rtt_ns is None else f"{rtt_ns / 1e6:.1f} ms"


def _reason(error: Exception) -> str:
    is_plain = isinstance(error, OSError) and not isinstance(error, socket.gaierror | ssl.SSLError)
    if is_plain and isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)  # asyncio puts addresses into the text, which stand beside it here
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
