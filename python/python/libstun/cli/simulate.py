"""Exchanges in memory: real agents, a network that delays and loses as it is told, and virtual time.

Seeds, delays and losses are fixed, so a scenario is the same exchange every time.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from .. import Agent, BindingConfig, LongTerm, Path, ServerConfig, Transmit, events
from .diagram import Diagram, Recorder
from .keys import Keys
from .packets import address_text

__all__ = ["SCENARIOS", "Scenario", "simulate"]

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
CLIENT = ("10.0.0.1", 5000)
SERVER = ("192.0.2.1", 3478)
USER, PASSWORD, REALM = "alice", "s3cret", "example.org"
MAX_STEPS = 1000
"""No scenario takes nearly as many: a safeguard against one that never ends."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is shown, and how long."""

    summary: str
    binding: BindingConfig
    server: ServerConfig | None
    """`None` if nobody answers."""
    until_ns: int
    lost_answers: frozenset[int] = frozenset()
    """Which packets from the server are lost, counted from 0."""
    has_nat: bool = False
    reboots_at_ns: int | None = None
    """When the NAT forgets its bindings."""


@dataclass(slots=True)
class _Nat:
    """A NAT with one host behind it: what it maps to changes when it reboots."""

    outside: tuple[str, int] = ("203.0.113.9", 41000)
    after_reboot: tuple[str, int] = ("203.0.113.10", 52000)

    def reboot(self) -> None:
        self.outside = self.after_reboot


@dataclass(order=True, slots=True)
class _Delivery:
    at_ns: int
    number: int
    data: bytes = field(compare=False)
    source: tuple[str, int] = field(compare=False)
    destination: tuple[str, int] = field(compare=False)


def simulate(name: str) -> Diagram:
    """Runs the scenario of that name, and draws what happens."""
    return _Simulation(name, SCENARIOS[name]).run()


class _Simulation:
    """Two agents and the network between them."""

    def __init__(self, name: str, scenario: Scenario) -> None:
        self._scenario = scenario
        self._recorder = Recorder(f"{name}: {scenario.summary}", _keys(scenario))
        self._recorder.participant(address_text(CLIENT), "client")
        self._nat = _Nat() if scenario.has_nat else None
        self._reboots_at_ns = scenario.reboots_at_ns
        if self._nat is not None:
            self._recorder.participant(address_text(self._nat.outside), "NAT")
            if scenario.reboots_at_ns is not None:
                self._recorder.participant(address_text(self._nat.after_reboot), "NAT, rebooted")
        self._recorder.participant(address_text(SERVER), "server" if scenario.server is not None else "silent server")
        self._agents = {CLIENT: Agent(0, seed=bytes([1]) * 32), SERVER: Agent(0, seed=bytes([2]) * 32)}
        self._deliveries: list[_Delivery] = []
        self._sent = self._answers = 0

    def run(self) -> Diagram:
        self._agents[CLIENT].start_binding(self._scenario.binding, 0)
        if self._scenario.server is not None:
            self._agents[SERVER].start_server(self._scenario.server, 0)
        now: int | None = 0
        for _ in range(MAX_STEPS):
            if now is None or now > self._scenario.until_ns:
                break
            self._deliver(now)
            self._reboot(now)
            for address, agent in self._agents.items():
                agent.handle_timeout(now)
                self._drain(address, agent, now)
            now = self._next(now)
        return self._recorder.finish()

    def _drain(self, address: tuple[str, int], agent: Agent, now: int) -> None:
        for event in agent.poll_events():
            self._recorder.note(now, address_text(address), str(event), _event_style(event))
        for transmit in agent.poll_transmits():
            if address == CLIENT:
                self._from_client(transmit, now)
            else:
                self._from_server(transmit, now)

    def _from_client(self, transmit: Transmit, now: int) -> None:
        if self._nat is None:
            self._send(now, transmit.data, CLIENT, SERVER)
        else:
            self._hop(now, transmit.data, CLIENT, self._nat.outside)
            self._send(now, transmit.data, self._nat.outside, SERVER)

    def _from_server(self, transmit: Transmit, now: int) -> None:
        is_lost = self._answers in self._scenario.lost_answers
        self._answers += 1
        destination = (transmit.remote[0], transmit.remote[1])
        self._send(now, transmit.data, SERVER, destination, is_lost=is_lost)

    def _send(
        self,
        now: int,
        data: bytes,
        source: tuple[str, int],
        destination: tuple[str, int],
        *,
        is_lost: bool = False,
    ) -> None:
        """Sends over the Internet, where a packet takes 20 ms."""
        self._hop(now, data, source, destination, is_lost=is_lost)
        if not is_lost and (destination != SERVER or self._scenario.server is not None):
            self._sent += 1
            heapq.heappush(self._deliveries, _Delivery(now + 20 * MILLISECOND, self._sent, data, source, destination))

    def _hop(
        self, now: int, data: bytes, source: tuple[str, int], destination: tuple[str, int], *, is_lost: bool = False
    ) -> None:
        self._recorder.message(now, address_text(source), address_text(destination), data, is_lost=is_lost)

    def _deliver(self, now: int) -> None:
        while self._deliveries and self._deliveries[0].at_ns <= now:
            delivery = heapq.heappop(self._deliveries)
            destination = delivery.destination
            if self._nat is not None and destination == self._nat.outside:
                self._hop(now, delivery.data, destination, CLIENT)
                destination = CLIENT
            agent = self._agents.get(destination)
            if agent is not None:
                agent.handle_input(delivery.data, Path(delivery.source, local=destination), now)

    def _reboot(self, now: int) -> None:
        if self._nat is not None and self._reboots_at_ns is not None and now >= self._reboots_at_ns:
            self._recorder.note(now, address_text(self._nat.outside), "reboots, and forgets", "warning")
            self._nat.reboot()
            self._reboots_at_ns = None

    def _next(self, now: int) -> int | None:
        """When something happens next."""
        times = [time for agent in self._agents.values() if (time := agent.poll_timeout()) is not None]
        times += [delivery.at_ns for delivery in self._deliveries[:1]]
        times += [self._reboots_at_ns] if self._reboots_at_ns is not None else []
        return max(now, min(times)) if times else None


def _keys(scenario: Scenario) -> Keys:
    """A simulation knows the password, and whether what is signed with it is valid."""
    return Keys() if scenario.binding.credentials is None else Keys(PASSWORD, USER, REALM)


def _event_style(event: events.Event) -> str:
    match event:
        case events.Failed():
            return "error"
        case events.Retrying() | events.Throttled() | events.AuthenticationFailures():
            return "warning"
    return "response"


def _binding(*, refresh_ns: int | None = None, credentials: LongTerm | None = None) -> BindingConfig:
    return BindingConfig(SERVER, local=CLIENT, refresh_ns=refresh_ns, credentials=credentials)


SCENARIOS = {
    "binding": Scenario(
        summary="a client asks for its public address",
        binding=_binding(),
        server=ServerConfig(local=SERVER),
        until_ns=SECOND,
        has_nat=True,
    ),
    "loss": Scenario(
        summary="an answer is lost, and the request sent again",
        binding=_binding(),
        server=ServerConfig(local=SERVER),
        until_ns=5 * SECOND,
        lost_answers=frozenset((0, 1)),
    ),
    "long-term": Scenario(
        summary="a server asks who it is, and later for a fresh nonce",
        binding=_binding(refresh_ns=10 * SECOND, credentials=LongTerm(USER, PASSWORD)),
        server=ServerConfig(
            local=SERVER,
            realm=REALM,
            users={USER: PASSWORD},
            nonce_lifetime_ns=8 * SECOND,
            amplification_percent=None,  # else the challenge waits for a second request, which is another story
        ),
        until_ns=11 * SECOND,
    ),
    "server-silent": Scenario(
        summary="nobody answers, and the client gives up",
        binding=_binding(),
        server=None,
        until_ns=60 * SECOND,
    ),
    "nat": Scenario(
        summary="the NAT reboots, and the refresh finds another address",
        binding=_binding(refresh_ns=25 * SECOND),
        server=ServerConfig(local=SERVER),
        until_ns=26 * SECOND,
        has_nat=True,
        reboots_at_ns=20 * SECOND,
    ),
}
"""The scenarios by name, simplest first."""
