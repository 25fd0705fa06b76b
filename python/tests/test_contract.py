"""The contract of the README, held by random schedules: equal agents are driven differently, and must say the same.

| twin | treated differently | rule |
|---|---|---|
| `twin` | not at all | C8 |
| `reordered` | drained one by one, events first | C1 |
| `pestered` | early and repeated `handle_timeout()` | C4 |
| `clamped` | never told an earlier time | C5 |

Between the calls C2, C3, C6 and C10 are looked at. A failure names the seed of its schedule.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import pytest

from libstun import (
    Agent,
    AllocationConfig,
    BindingConfig,
    DiscoveryConfig,
    DnsFailure,
    DropReason,
    LongTerm,
    Message,
    MessageBuilder,
    MessageClass,
    NatConfig,
    Path,
    RelayPoolConfig,
    SendError,
    ServerConfig,
    StunError,
    SurveyConfig,
    SurveyTarget,
    Transmit,
    WakeReason,
    events,
)
from support import (
    BINDING,
    CLIENT,
    MAPPED,
    MS,
    OTHER,
    PEER,
    SECOND,
    SERVER,
    TurnServer,
    mapped,
    only,
    respond,
    seeded,
)

HOUR = 3600 * SECOND
NOBODY = Path(("192.0.2.99", 1), local=CLIENT)
NAMES = ("plain", "twin", "reordered", "pestered", "clamped")


@dataclass
class Told:
    """What an agent has put out, and when it wants to be woken."""

    transmits: list[tuple[bytes, Path]] = field(default_factory=list)
    events: list[object] = field(default_factory=list)
    timeouts: list[int | None] = field(default_factory=list)


class Rig:
    """Equal agents in step through one schedule."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.agents = {name: seeded(seed % 251) for name in NAMES}
        self.told = {name: Told() for name in NAMES}
        self.latest = 0
        self.is_drained = False
        self.requests: list[Transmit] = []
        self.questions: list[tuple[int, int]] = []
        self.turn = TurnServer()
        self.ids: list[int] = []
        for start in self.random.sample(range(8), 4):
            self.each(partial(start_one, start), 0)

    @property
    def plain(self) -> Agent:
        return self.agents["plain"]

    def each(self, call: Callable[[Agent, int], object], now: int) -> None:
        """Makes one call to each agent, at a time that may be an earlier one."""
        clamped = max(now, self.latest)
        results = {}
        for name, agent in self.agents.items():
            if name == "pestered":
                self.pester(agent, clamped)
            at = clamped if name == "clamped" else now
            agent.handle_input(b"", NOBODY, at)  # a call that is refused need not have looked at the time
            try:
                results[name] = call(agent, at)
            except StunError as error:
                results[name] = repr(error)
        self.latest = clamped
        self.is_drained = False
        if results["plain"] is not None and isinstance(results["plain"], int) and results["plain"] > 1:
            self.ids.append(results["plain"])
        for name in NAMES[1:]:
            assert results[name] == results["plain"], f"{name} answered differently"
        self.compare_timeouts()

    def pester(self, agent: Agent, until: int) -> None:
        """Calls that come too early, and once more: none of them may matter (C4)."""
        timeout = agent.poll_timeout()
        end = until if timeout is None else min(until, timeout - 1)
        if end < self.latest:
            return
        early = sorted(random.Random(end).randint(self.latest, end) for _ in range(3))
        for at in (*early, early[-1]):
            agent.handle_timeout(at)
        assert agent.poll_timeout() == timeout, "C4: an early call has moved the deadline"

    def compare_timeouts(self) -> None:
        timeout, reason = self.plain.poll_timeout(), self.plain.wake_reason()
        assert (timeout is None) == (reason is None), "C10: a wake-up without a reason"
        for name, agent in self.agents.items():
            assert agent.poll_timeout() == timeout, f"{name} wants to be woken at another time"
            assert agent.wake_reason() == reason, f"{name} wants to be woken for another reason"

    def drain(self) -> bool:
        """Takes everything; whether there was something."""
        was_due = self.plain.poll_timeout()
        reason = self.plain.wake_reason()
        before = {name: len(told.transmits) + len(told.events) for name, told in self.told.items()}
        for name, agent in self.agents.items():
            told = self.told[name]
            if name == "reordered":
                while (event := agent.poll_event()) is not None:
                    told.events.append(event)
                while (transmit := agent.poll_transmit()) is not None:
                    told.transmits.append((transmit.data, transmit.path))
            else:
                transmits = agent.poll_transmits()
                told.transmits += [(transmit.data, transmit.path) for transmit in transmits]
                happened = agent.poll_events()
                told.events += happened
                if name == "plain":
                    self.note(transmits, happened)
            told.timeouts.append(agent.poll_timeout())
        for name in NAMES[1:]:
            assert self.told[name] == self.told["plain"], f"{name} differs"
        had_output = len(self.told["plain"].transmits) + len(self.told["plain"].events) > before["plain"]
        if had_output:
            assert was_due is not None, "C2: output, and nobody would have been woken"
            assert was_due <= self.latest, "C2: output is queued, and the deadline lies ahead"
            assert reason is not None
        self.is_drained = True
        assert self.plain.wake_reason() != WakeReason.OUTPUT, "C2: there is no output any more"
        return had_output

    def note(self, transmits: list[Transmit], happened: list[events.Event]) -> None:
        asked = [one for one in transmits if one.data[0] < 0x40 and is_request(one.data)]
        self.requests = (self.requests + asked)[-6:]
        self.questions += [(one.id, one.question) for one in happened if isinstance(one, events.Resolve)]

    def step(self) -> None:
        """Time moves, something happens, and perhaps it is looked at what came of it."""
        now = self.time()
        kind = self.random.choices(("answer", "garbage", "ask", "error", "timeout", "command"), (6, 2, 2, 1, 8, 2))[0]
        if kind == "timeout":
            self.wake(now)
        elif kind == "answer" and self.requests:
            self.answer(self.random.choice(self.requests), now)
        elif kind == "garbage":
            data = self.random.randbytes(self.random.randrange(60))
            self.each(lambda agent, at: agent.handle_input(data, Path(SERVER, local=CLIENT), at), now)
        elif kind == "ask":
            data = bytes(MessageBuilder(MessageClass.REQUEST, BINDING, self.random.randbytes(12)))
            self.each(lambda agent, at: agent.handle_input(data, Path(MAPPED, local=SERVER), at), now)
        elif kind == "error" and self.requests:
            failed, error = self.random.choice(self.requests), self.random.choice(list(SendError))
            self.each(lambda agent, at: agent.handle_send_error(failed, error, at), now)
        elif kind == "command":
            self.command(now)
        if self.random.random() < 0.6:
            self.drain()

    def time(self) -> int:
        """Now: as before, ahead, exactly or late at the deadline, or a clock that went back."""
        deadline = self.plain.poll_timeout() or self.latest
        ahead = self.random.randrange(3 * SECOND)
        return self.random.choice(
            [
                self.latest,
                self.latest + ahead,
                deadline,
                deadline,
                deadline,
                deadline + ahead * 30,
                max(0, self.latest - ahead * 30),
                0,
            ]
        )

    def wake(self, now: int) -> None:
        """Time has come, or not: C3, C4 and C6."""
        before, was_drained = self.plain.poll_timeout(), self.is_drained
        self.each(lambda agent, at: agent.handle_timeout(at), now)
        self.agents["pestered"].handle_timeout(now)
        self.compare_timeouts()
        if not was_drained:
            return
        after = self.plain.poll_timeout()
        had_output = self.drain()
        if before is None or self.latest < before:
            assert not had_output, "C4, C6: a call that was not due has put something out"
            assert after == before, "C4, C6: a call that was not due has moved the deadline"
        else:
            assert had_output or after is None or after > self.latest, "C3: woken in vain, and to be woken at once"

    def answer(self, request: Transmit, now: int) -> None:
        """An answer of some kind; the same bytes for all."""
        kind = self.random.randrange(6)
        turned = self.turn.answer(request.data) if kind < 3 else None
        data = turned or (mapped(request.data) if kind < 4 else respond(request.data, error=500 if kind == 4 else 400))
        self.each(lambda agent, at: agent.handle_input(data, request.path, at), now)

    def command(self, now: int) -> None:
        choice, number = self.random.randrange(9), self.random.randrange(1, 60)
        id = self.random.choice(self.ids) if self.ids else 0
        if choice == 8:
            self.each(partial(start_one, number % 8), now)
            return
        question = self.random.choice(self.questions) if self.questions else (0, 0)
        calls: list[Callable[[Agent, int], object]] = [
            lambda agent, at: agent.cancel(id, at),
            lambda agent, at: agent.set_refresh(id, number * SECOND, at),
            lambda agent, at: agent.set_power(at, max_slack_ns=number * SECOND),
            lambda agent, _at: agent.set_pacing(number * MS),
            lambda agent, at: agent.network_changed(["10.9.0.2"] if number % 2 else ["10.0.0.2"], at),
            lambda agent, at: agent.permit(id, PEER, at),
            lambda agent, at: agent.answer_addresses(*question, ["192.0.2.9"], at),
            lambda agent, at: agent.answer_failed(*question, DnsFailure.FAILED, at),
        ]
        self.each(calls[choice], now)

    def finish(self) -> None:
        """Sleeps exactly to each deadline (C3), and when nothing is scheduled to the end of time (C6)."""
        self.drain()
        for _ in range(40):
            timeout = self.plain.poll_timeout()
            if timeout is None:
                break
            self.wake(timeout)
        if self.plain.poll_timeout() is None:
            self.wake(self.latest + 24 * 365 * HOUR)
            self.wake(2**64 - 2)


def is_request(data: bytes) -> bool:
    return Message.parse(data).message_class == MessageClass.REQUEST


def start_one(which: int, agent: Agent, now: int) -> int:
    """One of eight operations."""
    relay = AllocationConfig(SERVER, local=CLIENT)
    match which:
        case 0:
            return agent.start_binding(BindingConfig(SERVER, local=CLIENT), now)
        case 1:
            credentials = LongTerm("alice", "s3cret")
            return agent.start_binding(BindingConfig(OTHER, local=CLIENT, credentials=credentials), now)
        case 2:
            return agent.start_server(ServerConfig(realm="x", users={"alice": "s3cret"}), now)
        case 3:
            targets = [SurveyTarget((f"192.0.2.{place}", 3478), local=CLIENT) for place in range(1, 5)]
            return agent.start_survey(SurveyConfig(targets, attempt_delay_ns=200 * MS), now)
        case 4:
            return agent.start_discovery(DiscoveryConfig(uri="turn:example.org"), now)
        case 5:
            return agent.start_nat_probe(NatConfig(SERVER, local=CLIENT), now)
        case 6:
            return agent.start_allocation(relay, now)
        case _:
            second = AllocationConfig(OTHER, local=CLIENT)
            return agent.start_relay_pool(RelayPoolConfig([AllocationConfig(("192.0.2.7", 1)), second]), now)


@pytest.mark.parametrize("part", range(10))
def test_random_schedules_keep_the_contract(part: int) -> None:
    for seed in range(part * 40, part * 40 + 40):
        rig = Rig(seed)
        try:
            for _ in range(60):
                rig.step()
            rig.finish()
        except AssertionError as error:
            error.add_note(f"the schedule of seed {seed}")
            raise


def test_schedules_reach_events_of_most_operations() -> None:
    """The schedules above are of use: they make much happen."""
    seen: set[str] = set()
    for seed in range(120):
        rig = Rig(seed)
        for _ in range(60):
            rig.step()
        rig.drain()
        seen |= {type(event).__name__ for event in rig.told["plain"].events}
    assert seen >= {
        "Mapped",
        "Retrying",
        "Failed",
        "Unanswered",
        "Surveyed",
        "Resolve",
        "NatFound",
        "Allocated",
        "Restarted",
    }


def test_a_difference_between_agents_is_noticed() -> None:
    """The check itself: a twin of another seed differs as soon as it asks."""
    rig = Rig(1)
    rig.agents["twin"] = seeded(200)
    with pytest.raises(AssertionError, match="twin"):  # noqa: PT012
        start_one(0, rig.agents["twin"], 0)
        rig.each(lambda agent, at: agent.handle_timeout(at), 0)
        rig.drain()


def test_a_late_call_sends_one_datagram_for_all_that_was_missed() -> None:
    agent = seeded()
    agent.start_binding(BindingConfig(SERVER, local=CLIENT), 0)
    request = only(agent)
    agent.handle_input(mapped(request.data), request.path, 0)
    agent.poll_events()
    agent.handle_timeout(10 * HOUR)
    only(agent)
    timeout = agent.poll_timeout()
    assert timeout is not None
    assert timeout > 10 * HOUR


def test_times_go_up_to_the_end_of_time() -> None:
    agent = seeded()
    agent.start_binding(BindingConfig(SERVER, local=CLIENT), 2**64 - 2)
    assert len(agent.poll_transmits()) == 1
    agent.handle_timeout(2**64 - 2)
    timeout = agent.poll_timeout()
    assert timeout is None or timeout <= 2**64 - 1


def test_what_nobody_drains_is_bounded_and_its_drops_are_counted() -> None:
    agent = seeded()
    agent.start_server(ServerConfig(budget=False), 0)
    for number in range(20_000):
        request = MessageBuilder(MessageClass.REQUEST, BINDING, number.to_bytes(12, "big"))
        agent.handle_input(bytes(request), Path(MAPPED, local=SERVER), 0)
    assert agent.poll_timeout() == 0
    kept = len(agent.poll_transmits())
    assert 0 < kept <= 1024
    assert kept + agent.dropped(DropReason.QUEUE_FULL) == 20_000
    assert agent.poll_timeout() is None


def test_polls_only_drain() -> None:
    agent = seeded()
    agent.start_binding(BindingConfig(SERVER, local=CLIENT), 0)
    before = (agent.poll_timeout(), agent.wake_reason(), len(agent), agent.dropped(), repr(agent))
    for _ in range(3):
        assert (agent.poll_timeout(), agent.wake_reason(), len(agent), agent.dropped(), repr(agent)) == before
        assert agent.poll_event() is None
        assert agent.poll_events() == []
    assert before[0] == 0
    assert len(agent.poll_transmits()) == 1
    assert agent.poll_transmit() is None
    assert agent.poll_timeout() == 500 * MS
