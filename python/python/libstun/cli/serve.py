"""`libstun serve`: a server that says public addresses."""

from __future__ import annotations

import argparse
import asyncio
import errno
import os
import socket

from .. import DropReason, ServerConfig, aio
from ..aio.names import parse_local
from ..aliases import Address
from .live import interruption, run_until_interrupted
from .packets import address_text
from .passwords import VARIABLE, users_of_file
from .screen import Screen, UsageError

__all__ = ["add", "run"]

_EPILOG = """\
examples:
  libstun serve
  libstun serve --listen 192.0.2.1:3478 --listen "[2001:db8::1]:3478"
  libstun serve --realm example.org --users users.txt
  libstun serve --listen 192.0.2.1:3478 --alternate 192.0.2.2:3479

It answers Binding requests over UDP until Ctrl-C, and listens on port 3478 of
every address unless it is told where. Except on Linux, name the addresses of a
host with several: a server that listens everywhere may answer from another one
than was asked.

With --alternate, another address and another port, it serves NAT behaviour
discovery (RFC 5780), on four sockets.

With --realm it answers only users, who are named with --user or in a file: a
NAME:PASSWORD on each line, which others should not be able to read. On the
command line they can; --user NAME alone takes LIBSTUN_PASSWORD from the
environment. A stranger's first unsigned request gets no answer within the default
budget until it is sent again, 500 ms later: the challenge would be more than 2.6
times as long as the request.

It prints a line when it is ready and another when it ends; with --json they are
objects.

Exit code: 0 after Ctrl-C; 1 if it cannot listen."""

DEFAULT_PORT = 3478


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the parser of the command."""
    parser = commands.add_parser(
        "serve",
        help="answer Binding requests",
        description="Tells whoever asks the address that it sees: a STUN server over UDP.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "--listen", action="append", metavar="HOST[:PORT]", help="where to listen; port 0 is any (default: everywhere)"
    )
    parser.add_argument("--alternate", metavar="HOST:PORT", help="the other address and port for RFC 5780")
    parser.add_argument("--realm", help="answer only users of this realm")
    parser.add_argument("--user", action="append", metavar="NAME[:PASSWORD]", help="a user of the realm")
    parser.add_argument("--users", metavar="FILE", help="the users of the realm, a NAME:PASSWORD on each line")
    parser.add_argument("--rfc3489", action="store_true", help="answer clients of RFC 3489 too")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Serves; see the module."""
    users = _users(args)
    listen = [_address(text) for text in args.listen or []]
    alternate = None if args.alternate is None else _address(args.alternate)
    if alternate is not None and len(listen) != 1:
        raise UsageError("--alternate takes one --listen: the address and the port that go with it")
    if alternate is not None and (alternate[0] == listen[0][0] or alternate[1] == listen[0][1] or not alternate[1]):
        raise UsageError("--alternate is another IP address and another port than --listen")
    config = ServerConfig(
        local=listen[0] if alternate is not None else None,
        alternate=alternate,
        realm=args.realm,
        users=users,
        answers_rfc3489=args.rfc3489,
    )
    return run_until_interrupted(_serve(config, listen, screen))


async def _serve(config: ServerConfig, listen: list[tuple[str, int]], screen: Screen) -> int:
    local = listen
    if config.alternate is not None:
        both = (listen[0], (str(config.alternate[0]), config.alternate[1]))
        local = [(ip[0], port[1]) for ip in both for port in both]
    elif not listen:
        local = [("0.0.0.0", DEFAULT_PORT)] + ([("::", DEFAULT_PORT)] if _has_ipv6() else [])
    with interruption() as is_over:
        async with aio.open_agent(local) as agent, agent.serve(config) as server:
            _tell_ready(agent.addresses, screen)
            telling = asyncio.ensure_future(_tell(server, screen))
            try:
                await is_over.wait()
            finally:
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)
                _tell_end(agent, screen)
    return 0


def _tell_ready(addresses: list[Address], screen: Screen) -> None:
    screen.line(("listening on ", "good"), ", ".join(address_text(address) for address in addresses))
    screen.data({"event": "ready", "addresses": [address_text(address) for address in addresses]})


async def _tell(server: aio.Operation, screen: Screen) -> None:
    async for event in server:
        screen.line((str(event), "warning"))
        screen.data({"event": "warning", "text": str(event)})


def _tell_end(agent: aio.AsyncAgent, screen: Screen) -> None:
    drops = {str(reason): agent.core.dropped(reason) for reason in DropReason}
    drops = {reason: count for reason, count in drops.items() if count}
    text = f"{agent.received} messages, {agent.sent} answers"
    if drops:
        text += ", dropped: " + ", ".join(f"{count} {reason}" for reason, count in drops.items())
    screen.line(text)
    screen.data({"event": "ended", "received": agent.received, "answered": agent.sent, "dropped": drops})


def _users(args: argparse.Namespace) -> dict[str, str]:
    users = {} if args.users is None else users_of_file(args.users)
    for text in args.user or []:
        name, colon, password = text.partition(":")
        password = password if colon else os.environ.get(VARIABLE, "")
        if not (name and password):
            raise UsageError(f"--user is NAME:PASSWORD, or NAME with {VARIABLE} in the environment")
        users[name] = password
    if bool(users) != (args.realm is not None):
        raise UsageError("--realm and --user or --users go together")
    return users


def _address(text: str) -> tuple[str, int]:
    try:
        endpoint = parse_local(text, DEFAULT_PORT)
    except ValueError as error:
        raise UsageError(f"{text}: {error}") from None
    return endpoint.host, endpoint.port


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError as error:
        if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            raise
        return False
    return True
