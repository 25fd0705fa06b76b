"""`libstun decode`: what a message says, or all messages of a capture."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from .. import Check
from .describe import AttributeFacts, PacketFacts, describe
from .inputs import Source, open_source, packets_of
from .keys import Keys
from .packets import Packet, address_text
from .passwords import add_password, password_of
from .screen import Node, Screen, Span, UsageError, cells, count_of
from .values import short_hex

__all__ = ["add", "message_tree", "run"]

_EPILOG = """\
examples:
  libstun decode 0001 0000 2112a442 b7e7a701bc34d686fa87dfae
  libstun decode --password s3cret message.bin
  libstun decode --user alice --realm example.org --password s3cret call.pcapng
  libstun decode --filter 192.0.2.1:3478 --json call.pcap | jq .class
  tcpdump -w - udp port 3478 | libstun decode -

Signatures are checked with --password: as a short-term credential and, where
the user and the realm are known from the options or the messages, as a
long-term one. With "--password -" it is asked for, and without the option taken
from LIBSTUN_PASSWORD in the environment: a command line can be seen by others.

With --json a message is one object, and a capture one object per
line. In a capture ChannelData is looked for between addresses that have
exchanged STUN before.

Exit code: 0; 1 if a message is malformed or a check has failed, or if a capture
has no STUN."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the parser of the command."""
    parser = commands.add_parser(
        "decode",
        help="show a message, or the messages of a capture",
        description="Shows every attribute of a STUN or TURN message, or of all those in a packet capture.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "input",
        nargs="+",
        metavar="INPUT",
        help='hexadecimal text, a file with a message (binary or hexadecimal), a capture (pcap or pcapng), or "-"',
    )
    add_password(parser, "check MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256 with it")
    parser.add_argument("--user", help="the username, where messages do not say it")
    parser.add_argument("--realm", help="the realm, where messages do not say it; makes the credential a long-term one")
    parser.add_argument(
        "--filter", metavar="WHAT", help="of a capture only this address (with or without port) or transaction id"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Shows the input; see the module."""
    keys = Keys(password_of(args), args.user, args.realm)
    with open_source(args.input) as source:
        if source.is_capture:
            return _show_capture(source, args.filter, keys, screen)
        if args.filter is not None:
            raise UsageError(f"--filter is for captures, and {source.name} is none")
        facts = describe(source.content, keys)
    screen.tree(message_tree(facts))
    screen.data(facts.as_json(), pretty=screen.is_terminal)
    return 0 if facts.is_flawless else 1


def message_tree(facts: PacketFacts, *before: Span) -> Node:
    """The facts as a tree; `before` begins its first line."""
    root = Node([*before, *_title(facts), (f"  {count_of(len(facts.raw), 'bytes')}", "dim")])
    if facts.error is not None:
        root.add(("malformed: ", "bad"), (facts.error, "bad"))
    width = max(len("transaction"), *(cells(attribute.title) for attribute in facts.attributes), 0)
    if facts.transaction_id:
        root.add(("transaction".ljust(width), "name"), "  ", facts.transaction_id.hex())
    for attribute in facts.attributes:
        node = root.add(*_attribute(attribute, width), hang=width + 2)
        if attribute.payload is not None:
            node.children.append(_payload(attribute.payload))
    if facts.stopped is not None:
        root.add(("stopped: ", "bad"), facts.stopped)
    if facts.payload is not None:
        root.children.append(_payload(facts.payload))
    if facts.method is None and facts.channel is None:
        root.add(("bytes", "name"), "  ", short_hex(facts.raw))
    return root


def _show_capture(source: Source, wanted: str | None, keys: Keys, screen: Screen) -> int:
    start: int | None = None
    count, is_flawless = 0, True
    for packet in packets_of(source, screen, wanted, are_shown=True):
        start = packet.time_ns if start is None else start
        place = _place(packet, packet.time_ns - start)
        if packet.note is not None:
            screen.line(*place, (packet.note, "warning"))
            screen.data({**_place_json(packet), "note": packet.note})
            continue
        count += 1
        facts = describe(packet.data, keys, packet.conversation)
        is_flawless = is_flawless and facts.is_flawless
        screen.tree(message_tree(facts, *place))
        screen.data({**_place_json(packet), **facts.as_json()})
    if count == 0:
        screen.warn(f"{source.name}: no STUN in it" if wanted is None else f"{source.name}: nothing matches {wanted}")
    return 0 if count and is_flawless else 1


def _place(packet: Packet, since_start_ns: int) -> Iterator[Span]:
    yield (f"#{packet.number}  {since_start_ns / 1e9:+.6f}  ", "dim")
    yield (address_text(packet.source), "address")
    yield " -> "
    yield (address_text(packet.destination), "address")
    yield (f"  {packet.transport}  ", "dim")


def _place_json(packet: Packet) -> dict[str, object]:
    return {
        "number": packet.number,
        "time_ns": packet.time_ns,
        "transport": packet.transport,
        "source": address_text(packet.source),
        "destination": address_text(packet.destination),
    }


def _title(facts: PacketFacts) -> Iterator[Span]:
    if facts.method is not None:
        style = {"request": "request", "indication": "indication", "error-response": "error"}
        yield (facts.title, style.get(facts.message_class or "", "response"))
    else:
        yield (facts.title, "bad" if facts.error is not None else "heading")


def _attribute(attribute: AttributeFacts, width: int) -> Iterator[Span]:
    padding = " " * (width - cells(attribute.title))
    yield (attribute.title, "name" if attribute.name else "warning")
    yield f"{padding}  "
    yield from _value(attribute)
    traits = [] if attribute.name is None else [f"0x{attribute.type:04x}"]
    traits += [f"at {attribute.offset}", count_of(len(attribute.raw), "bytes")]
    traits.append("required" if attribute.is_required else "optional")
    if attribute.is_covered is not None:
        traits.append("covered" if attribute.is_covered else "not covered")
    yield (f"  {', '.join(traits)}", "dim")


def _value(attribute: AttributeFacts) -> Iterator[Span]:
    if attribute.error is not None:
        yield (f"malformed: {attribute.error}", "bad")
        yield f" ({short_hex(attribute.raw)})"
    elif attribute.name in ("MESSAGE-INTEGRITY", "MESSAGE-INTEGRITY-SHA256", "FINGERPRINT"):
        yield from _check(attribute)
    elif attribute.payload is not None:
        yield f"{count_of(len(attribute.raw), 'bytes')} of payload"
    else:
        is_address = attribute.title.endswith(("ADDRESS", "SERVER", "ORIGIN"))
        yield (attribute.text or ("present" if attribute.name else "empty"), "address" if is_address else "value")


def _check(attribute: AttributeFacts) -> Iterator[Span]:
    verdict = attribute.verdict
    if verdict is None:
        yield ("not checked", "warning")
        yield " (needs --password)"
    elif verdict.check is Check.VALID:
        yield ("valid", "good")
        yield f" ({verdict.credential})" if verdict.credential else ""
    else:
        yield ("INVALID", "bad")
        yield f" (tried {verdict.credential})" if verdict.credential else ""
    yield f" {attribute.text}"


def _payload(facts: PacketFacts) -> Node:
    return message_tree(facts, ("carries ", "dim"))
