"""A small network between agents, in virtual time: equal runs are equal to the bit, and nobody waits.

`Network` carries datagrams between agents, through NATs if told so. `TurnServer` and `Relays` stand for the other end
of a relay: a server that answers what it is asked with what the test says.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from libstun import (
    Address,
    Agent,
    AllocationConfig,
    BindingConfig,
    Event,
    Integrity,
    Key,
    Message,
    MessageBuilder,
    MessageClass,
    Path,
    PeerData,
    Transmit,
    Transport,
)

MS = 1_000_000
SECOND = 1_000 * MS

CLIENT: Address = ("10.0.0.2", 5000)
SERVER: Address = ("192.0.2.1", 3478)
CONFIG = BindingConfig(SERVER, local=CLIENT, socket_id=7)
ONCE = replace(CONFIG, refresh_ns=None)
PATH = Path(SERVER, local=CLIENT, socket_id=7)
V6: Address = ("2001:db8::1", 3478, 0, 0)
OTHER: Address = ("192.0.2.2", 3479)
MAPPED: Address = ("203.0.113.7", 50000)
PEER: Address = ("198.51.100.9", 4000)

BINDING, ALLOCATE, REFRESH, SEND, DATA, CREATE_PERMISSION, CHANNEL_BIND = 1, 3, 4, 6, 7, 8, 9
CONNECT, CONNECTION_BIND, CONNECTION_ATTEMPT = 10, 11, 12

USERNAME, ERROR_CODE, CHANNEL_NUMBER, LIFETIME = 0x0006, 0x0009, 0x000C, 0x000D
XOR_PEER_ADDRESS, DATA_ATTRIBUTE, REALM, NONCE, XOR_RELAYED_ADDRESS = 0x0012, 0x0013, 0x0014, 0x0015, 0x0016
ADDITIONAL_ADDRESS_FAMILY = 0x8000
XOR_MAPPED_ADDRESS, RESERVATION_TOKEN, CONNECTION_ID = 0x0020, 0x0022, 0x002A
ADDRESS_ERROR_CODE, ICMP, ALTERNATE_SERVER, MOBILITY_TICKET = 0x8001, 0x8004, 0x8023, 0x8030
ALTERNATE_DOMAIN = 0x8003

E = TypeVar("E", bound=Event)


def seeded(number: int = 1, now_ns: int = 0) -> Agent:
    """An agent whose bytes are the same in every run."""
    return Agent(now_ns, seed=bytes([number]) * 32)


def number(value: int, size: int = 4) -> bytes:
    """The value of an attribute that is a number."""
    return value.to_bytes(size, "big")


def respond(
    request: bytes, build: Callable[[MessageBuilder], object] | None = None, *, error: int | None = None
) -> bytes:
    """An answer to a request; `build` adds what is in it."""
    asked = Message.parse(request)
    kind = MessageClass.SUCCESS_RESPONSE if error is None else MessageClass.ERROR_RESPONSE
    answer = MessageBuilder(kind, asked.method, asked.transaction_id)
    if error is not None:
        answer.add_error(error)
    if build is not None:
        build(answer)
    return bytes(answer)


def mapped(request: bytes, address: Address = MAPPED) -> bytes:
    """The answer of a Binding server that sees the host at `address`."""
    return respond(request, lambda answer: answer.add_address(XOR_MAPPED_ADDRESS, address))


def only(agent: Agent) -> Transmit:
    """The one datagram that the agent wants sent."""
    (transmit,) = agent.poll_transmits()
    return transmit


def started(config: BindingConfig = CONFIG, seed: int = 1) -> tuple[Agent, int, Transmit]:
    """A binding that has asked."""
    agent = seeded(seed)
    id = agent.start_binding(config, 0)
    return agent, id, only(agent)


def event(agent: Agent, kind: type[E]) -> E:
    """The next event, which is of that kind."""
    happened = agent.poll_event()
    assert isinstance(happened, kind), f"{happened!r} is no {kind.__name__}"
    return happened


# A network -----------------------------------------------------------------------------------------------------------


@dataclass
class Nat:
    """A NAT with one public address. It keeps ports unless `shifts` says by how much each destination moves them."""

    host: str
    shifts: bool = False
    """A mapping for each destination address and port, instead of one for all."""
    filters: bool = False
    """Let in only whom the host has sent to."""
    rebound: int = 0
    """Change it, and all mappings are others."""
    _mappings: dict[tuple[Address, Address | None, int], int] = field(default_factory=dict)
    _inside: dict[int, Address] = field(default_factory=dict)
    _allowed: set[tuple[int, Address]] = field(default_factory=set)

    def out(self, source: Address, to: Address) -> Address:
        """What a datagram's source address becomes."""
        key = (source, to if self.shifts else None, self.rebound)
        if key not in self._mappings:
            is_plain = source[1] not in self._inside and not self.shifts
            port = source[1] if is_plain else 40000 + 7 * len(self._mappings)
            self._mappings[key] = port
            self._inside[port] = source
        port = self._mappings[key]
        self._allowed.add((port, to))
        return (self.host, port)

    def inside(self, to: Address, source: Address) -> Address | None:
        """Whom a datagram from outside is for, or `None`."""
        if self.filters and (to[1], source) not in self._allowed:
            return None
        return self._inside.get(to[1])


@dataclass
class Node:
    """An agent on the network, with its sockets: address and number."""

    agent: Agent
    sockets: dict[Address, int]
    nat: Nat | None = None
    events: list[Event] = field(default_factory=list)
    wakes: int = 0

    def of(self, kind: type[E]) -> list[E]:
        """Its events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


@dataclass(order=True)
class _Flight:
    at: int
    number: int
    source: Address = field(compare=False)
    to: Address = field(compare=False)
    data: bytes = field(compare=False)


class Network:
    """Agents, and datagrams on their way between them, each as long as `delay_ns`."""

    def __init__(self, delay_ns: int = 10 * MS, loses: Callable[[int, Address, Address], bool] | None = None) -> None:
        """`loses` says whether the datagram of that number, from and to there, is lost."""
        self.now = 0
        self.delay_ns = delay_ns
        self.loses = loses
        self.nodes: list[Node] = []
        self.sent = 0
        self._flights: list[_Flight] = []

    def add(self, agent: Agent, sockets: Iterable[Address] | dict[Address, int], nat: Nat | None = None) -> Node:
        """Puts an agent on the network."""
        numbered = sockets if isinstance(sockets, dict) else dict.fromkeys(sockets, 0)
        node = Node(agent, numbered, nat)
        self.nodes.append(node)
        return node

    def run(self, until: Callable[[], bool], end_ns: int) -> None:
        """Lets time pass until something is so; that it is not by `end_ns` is a failure."""
        for _ in range(100_000):
            self._drain()
            if until():
                return
            at = self._next()
            assert at is not None, "nothing more will happen"
            assert at <= end_ns, f"not by {end_ns}; the next thing happens at {at}"
            self._advance(max(at, self.now))
        raise AssertionError("the agents do not come to rest")

    def pass_time(self, duration_ns: int) -> None:
        """Lets so much time pass."""
        end = self.now + duration_ns
        for _ in range(100_000):
            self._drain()
            at = self._next()
            if at is None or at > end:
                break
            self._advance(max(at, self.now))
        self._advance(end)
        self._drain()

    def _next(self) -> int | None:
        times = [timeout for node in self.nodes if (timeout := node.agent.poll_timeout()) is not None]
        times.extend(flight.at for flight in self._flights[:1])
        return min(times, default=None)

    def _advance(self, at: int) -> None:
        self.now = at
        while self._flights and self._flights[0].at <= at:
            self._arrive(heapq.heappop(self._flights))
        for node in self.nodes:
            timeout = node.agent.poll_timeout()
            if timeout is not None and timeout <= at:
                node.wakes += 1
                node.agent.handle_timeout(at)

    def _drain(self) -> None:
        for node in self.nodes:
            for transmit in node.agent.poll_transmits():
                source = transmit.local if transmit.local in node.sockets else next(iter(node.sockets))
                assert transmit.socket_id == node.sockets[source]
                self._send(node, source, transmit.remote, transmit.data)
            node.events.extend(node.agent.poll_events())

    def _send(self, node: Node, source: Address, to: Address, data: bytes) -> None:
        if node.nat is not None:
            source = node.nat.out(source, to)
        self.sent += 1
        if self.loses is None or not self.loses(self.sent, source, to):
            heapq.heappush(self._flights, _Flight(self.now + self.delay_ns, self.sent, source, to, data))

    def _arrive(self, flight: _Flight) -> None:
        for node in self.nodes:
            to: Address | None = flight.to
            if node.nat is not None:
                to = node.nat.inside(flight.to, flight.source) if flight.to[0] == node.nat.host else None
            if to is not None and to in node.sockets:
                path = Path(flight.source, local=to, socket_id=node.sockets[to])
                node.agent.handle_input(flight.data, path, self.now)


# Relays --------------------------------------------------------------------------------------------------------------


@dataclass
class TurnServer:
    """A TURN server of few words. Without `key` it knows nobody, and gives everybody what it is asked for."""

    address: Address = SERVER
    key: Key | None = None
    realm: str = "example.org"
    nonce: str = "first nonce"
    refused: dict[int, int] = field(default_factory=dict)
    """Methods, and the codes with which it refuses them."""
    redirects_to: Address | None = None
    mapped: Address = MAPPED
    additional: Address | None = None
    extra: dict[int, tuple[tuple[int, bytes], ...]] = field(default_factory=dict)
    """Further attributes of its answers, by method."""
    connection: int = 7
    silent: bool = False
    asked: Counter[int] = field(default_factory=Counter)
    """How often it was asked for what, by method."""
    channels: dict[int, bytes] = field(default_factory=dict)
    requests: list[Message] = field(default_factory=list)

    @property
    def relayed(self) -> Address:
        """The relayed address that it gives."""
        return (self.address[0], 49160)

    def answer(self, data: bytes) -> bytes | None:
        """What it says to a packet."""
        if data[0] >= 0x40:
            return None
        request = Message.parse(data)
        if request.message_class != MessageClass.REQUEST:
            return None
        self.asked[request.method] += 1
        self.requests.append(request)
        if self.silent:
            return None
        if (code := self._challenge(request)) is not None:
            return self._refuse(request, code)
        if request.method in self.refused:
            return self._refuse(request, self.refused[request.method])
        return respond(data, lambda answer: self._sign(self._grant(request, answer)))

    def _challenge(self, request: Message) -> int | None:
        if self.key is None or request.method == BINDING:
            return None
        if request.check(Integrity.SHA1, self.key) != "valid":
            return 401
        nonce = request.find(NONCE)
        return None if nonce is not None and nonce.value == self.nonce.encode() else 438

    def _refuse(self, request: Message, code: int) -> bytes:
        def build(answer: MessageBuilder) -> None:
            if code in (401, 438):
                answer.add(REALM, self.realm).add(NONCE, self.nonce)
            if code == 300 and self.redirects_to is not None:
                answer.add_address(ALTERNATE_SERVER, self.redirects_to)
                answer.add(ALTERNATE_DOMAIN, "other.example.org")
            if code not in (401, 438):
                self._sign(answer)

        return respond(request.data, build, error=code)

    def _sign(self, answer: MessageBuilder) -> None:
        if self.key is not None:
            answer.sign(Integrity.SHA1, self.key)

    def _grant(self, request: Message, answer: MessageBuilder) -> MessageBuilder:
        lifetime = request.find(LIFETIME)
        match request.method:
            case 3:
                answer.add_address(XOR_RELAYED_ADDRESS, self.relayed).add_address(XOR_MAPPED_ADDRESS, self.mapped)
                if self.additional is not None:
                    answer.add_address(XOR_RELAYED_ADDRESS, self.additional)
                answer.add(LIFETIME, number(600))
            case 4:
                is_end = lifetime is not None and lifetime.value == bytes(4)
                answer.add(LIFETIME, number(0 if is_end else 600))
            case 9:
                self._bind(request)
            case 10:
                answer.add(CONNECTION_ID, number(self.connection))
            case 1:
                answer.add_address(XOR_MAPPED_ADDRESS, self.mapped)
        for type, value in self.extra.get(request.method, ()):
            answer.add(type, value)
        return answer

    def _bind(self, request: Message) -> None:
        channel, peer = request.find(CHANNEL_NUMBER), request.find(XOR_PEER_ADDRESS)
        assert channel is not None
        assert peer is not None
        self.channels[int.from_bytes(channel.value[:2], "big")] = peer.value

    @property
    def channel(self) -> int:
        """The channel that was bound last."""
        return list(self.channels)[-1]


class Relays:
    """An agent between TURN servers that answer at once, over UDP or over streams."""

    def __init__(self, *servers: TurnServer, seed: int = 1) -> None:
        self.agent = seeded(seed)
        self.now = 0
        self.servers = {server.address: server for server in servers}
        self.streams: dict[tuple[Address, Address], int] = {}
        self.piece = 1500
        """Streams are cut into pieces of so many bytes."""
        self.events: list[Event] = []
        self.data: list[PeerData] = []

    @property
    def server(self) -> TurnServer:
        """The first server."""
        return next(iter(self.servers.values()))

    def allocate(self, config: AllocationConfig | None = None) -> int:
        """A relay that is there; its event is taken."""
        id = self.agent.start_allocation(config or AllocationConfig(SERVER, local=CLIENT, socket_id=7), self.now)
        self.serve()
        return id

    def open(self, local: Address, remote: Address = SERVER) -> int:
        """A stream of the host's."""
        id = self.agent.open_stream(Path(remote, local=local, transport=Transport.TCP, socket_id=7), self.now)
        self.streams[local, remote] = id
        return id

    def serve(self) -> int:
        """Answers everything that is asked, and what is asked thereupon; how many packets there were."""
        count = 0
        while (transmit := self.agent.poll_transmit()) is not None:
            count += 1
            answer = self.servers[transmit.remote].answer(transmit.data)
            if answer is not None:
                self.arrive(answer, transmit.path)
        return count

    def arrive(self, data: bytes, path: Path) -> None:
        """Bytes of a server's for the agent."""
        if path.transport == Transport.UDP:
            taken = self.agent.handle_input(data, path, self.now)
            if isinstance(taken, PeerData):
                self.data.append(taken)
            return
        stream = self.streams[path.local, path.remote]
        for at in range(0, len(data), self.piece):
            self.data.extend(self.agent.handle_stream(stream, data[at : at + self.piece], self.now))

    def next(self, kind: type[E]) -> E:
        """The next event, which is of that kind."""
        self.events.extend(self.agent.poll_events())
        assert self.events, f"nothing has happened, not even {kind.__name__}"
        happened = self.events.pop(0)
        assert isinstance(happened, kind), f"{happened!r} is no {kind.__name__}"
        return happened

    def skip(self) -> None:
        """Forgets all events up to now."""
        self.events.clear()
        self.agent.poll_events()

    def until(self, kind: type[E], end_ns: int) -> E:
        """Lets time pass until an event of that kind, which comes before `end_ns`."""
        for _ in range(10_000):
            self.events.extend(self.agent.poll_events())
            while self.events:
                happened = self.events.pop(0)
                if isinstance(happened, kind):
                    return happened
            timeout = self.agent.poll_timeout()
            assert timeout is not None, f"there will be no {kind.__name__}"
            assert timeout <= end_ns, f"no {kind.__name__} by {end_ns}"
            self.now = max(self.now, timeout)
            self.agent.handle_timeout(self.now)
            self.serve()
        raise AssertionError(f"no {kind.__name__} in 10 000 wake-ups")


def indication(method: int, *attributes: tuple[int, bytes | Address]) -> bytes:
    """An indication of a server's."""
    message = MessageBuilder(MessageClass.INDICATION, method, bytes(12))
    for type, value in attributes:
        if isinstance(value, bytes):
            message.add(type, value)
        else:
            message.add_address(type, value)
    return bytes(message)
