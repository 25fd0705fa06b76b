"""Misuse of any call raises ValueError, TypeError or StunError and changes nothing; what arrives never raises."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import libstun
from libstun import (
    Agent,
    AllocationConfig,
    BindingConfig,
    ChannelData,
    DiscoveryConfig,
    Key,
    LongTerm,
    Message,
    MessageBuilder,
    NaptrRecord,
    NatConfig,
    Path,
    PeerData,
    PeerRule,
    RelayPoolConfig,
    Retransmission,
    ServerConfig,
    ShortTerm,
    SrvRecord,
    StunError,
    SurveyConfig,
    SurveyTarget,
    Transmit,
    Transport,
    Uri,
    enums,
)
from support import BINDING, CLIENT, MAPPED, OTHER, PEER, SECOND, SERVER, Relays, TurnServer, mapped, only, seeded

ALLOWED = (ValueError, TypeError, StunError)
PATH = Path(SERVER, local=CLIENT, socket_id=7)
PROFILE = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)


class Hostile:
    """What behaves in no way: everything that could be asked of it raises an exception of its own kind."""

    def __index__(self) -> int:
        raise ValueError("no number")

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__

    def __len__(self) -> int:
        raise ValueError("no length")

    def __iter__(self) -> Iterator[object]:
        raise ValueError("no members")

    def __eq__(self, other: object) -> bool:
        raise ValueError("no comparison")

    def __hash__(self) -> int:
        raise ValueError("no hash")


class Number(int):
    """A number that is more than one."""


# Values --------------------------------------------------------------------------------------------------------------

NUMBERS = st.one_of(
    st.integers(),
    st.sampled_from([0, 1, -1, 2**16 - 1, 2**16, 2**32 - 1, 2**32, 2**63, 2**64 - 2, 2**64 - 1, 2**64, 10**400]),
    st.builds(Number, st.integers(0, 9)),
)
TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            "",
            "\0",
            "a\0b",
            "\ud800",
            "a" * 600,
            "udp",
            "follow",
            "192.0.2.1",
            "::1%eth0",
            "::1%4294967296",
            "example.org",
        ]
    ),
    st.text(st.characters(categories=["Cs"]), min_size=1, max_size=3),
    st.sampled_from([word for name in enums.__all__ for word in getattr(enums, name)]),
)
BYTES = st.one_of(
    st.binary(max_size=64),
    st.builds(bytearray, st.binary(max_size=64)),
    st.binary(max_size=64).map(lambda data: memoryview(data)),  # noqa: PLW0108
    st.builds(lambda: memoryview(b"abcdefgh")[::2]),
    st.builds(lambda: memoryview(b"abcdefgh").cast("H")),
)
SCALARS = st.one_of(
    NUMBERS,
    TEXTS,
    BYTES,
    st.none(),
    st.booleans(),
    st.floats(),
    st.complex_numbers(),
    st.sampled_from([Decimal("1.5"), Fraction(1, 3), object(), int, Agent, len, ...]),
    st.builds(Hostile),
    st.sampled_from([IPv4Address("192.0.2.1"), IPv6Address("::1%3"), IPv6Address("::ffff:192.0.2.1")]),
)
ADDRESSES = st.one_of(
    st.tuples(SCALARS, SCALARS),
    st.tuples(st.sampled_from(["192.0.2.1", "0.0.0.0", "224.0.0.1", "2001:db8::1", "::"]), NUMBERS),
    st.tuples(SCALARS, NUMBERS, NUMBERS, NUMBERS),
    st.lists(SCALARS, max_size=5).map(tuple),
    st.sampled_from([SERVER, CLIENT, PEER, OTHER]),
)
PATHS = st.builds(Path, st.sampled_from([SERVER, OTHER]), transport=st.sampled_from(list(Transport)))


def made(kind: type[Any], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Instances of a configuration with some fields of anything; dataclasses check nothing."""
    good: dict[type[Any], Any] = {
        BindingConfig: BindingConfig(SERVER),
        ServerConfig: ServerConfig(),
        SurveyConfig: SurveyConfig([SurveyTarget(SERVER)]),
        SurveyTarget: SurveyTarget(SERVER),
        DiscoveryConfig: DiscoveryConfig(host="example.org"),
        NatConfig: NatConfig(SERVER, local=CLIENT),
        AllocationConfig: AllocationConfig(SERVER),
        RelayPoolConfig: RelayPoolConfig([AllocationConfig(SERVER)]),
        PeerRule: PeerRule("10.0.0.1", allows=True),
        ShortTerm: ShortTerm("alice", "s3cret"),
        LongTerm: LongTerm("alice", "s3cret"),
        Retransmission: Retransmission(),
        SrvRecord: SrvRecord(priority=0, weight=0, port=1, target="example.org"),
        NaptrRecord: NaptrRecord(order=0, preference=0, flags="", services="", regexp="", replacement="."),
    }
    names = [field.name for field in fields(kind)]
    changes = st.dictionaries(st.sampled_from(names), values, max_size=3)
    return changes.map(lambda change: replace(good[kind], **change))


PARTS = st.one_of(
    *(
        made(kind, SCALARS)
        for kind in (SurveyTarget, PeerRule, ShortTerm, LongTerm, Retransmission, SrvRecord, NaptrRecord)
    ),
    made(AllocationConfig, SCALARS),
)
ANYTHING = st.one_of(
    SCALARS,
    ADDRESSES,
    PATHS,
    PARTS,
    st.lists(st.one_of(SCALARS, PARTS, ADDRESSES), max_size=4),
    st.dictionaries(st.text(max_size=4), SCALARS, max_size=3),
    st.builds(iter, st.lists(SCALARS, max_size=3)),
)
CONFIGS = st.one_of(
    *(
        made(kind, ANYTHING)
        for kind in (
            BindingConfig,
            ServerConfig,
            SurveyConfig,
            DiscoveryConfig,
            NatConfig,
            AllocationConfig,
            RelayPoolConfig,
        )
    )
)
ARGUMENTS = st.one_of(ANYTHING, CONFIGS, st.sampled_from([0, SERVER, PATH, b"", "192.0.2.1"]))


# Calls ---------------------------------------------------------------------------------------------------------------

METHODS = sorted(
    name
    for name in dir(Agent)
    if callable(getattr(Agent, name)) and (not name.startswith("__") or name == "__contains__")
)
OTHERS: list[Callable[..., Any]] = [
    Agent,
    Path,
    Transmit,
    PeerData,
    Key.short_term,
    Key.long_term_md5,
    Key.long_term_sha256,
    Message.parse,
    MessageBuilder,
    ChannelData,
    ChannelData.parse,
    Uri.parse,
    libstun.classify,
    libstun.frame_length,
    libstun.attribute_name,
    libstun.attribute_type,
    libstun.method_name,
]


@dataclass
class Rig:
    """An agent with an operation of each kind, which goes on answering."""

    agent: Agent
    ids: list[int]

    @classmethod
    def new(cls) -> Rig:
        relays = Relays(TurnServer())
        agent = relays.agent
        relay = relays.allocate(AllocationConfig(SERVER, local=CLIENT, socket_id=7))
        agent.permit(relay, PEER[0], 0)
        relays.serve()
        pool = agent.start_relay_pool(RelayPoolConfig([AllocationConfig(OTHER, local=CLIENT)]), 0)
        ids = [relay, pool, agent.start_server(ServerConfig(realm="x"), 0)]
        ids.append(agent.start_binding(BindingConfig(OTHER, local=CLIENT), 0))
        ids.append(agent.start_survey(SurveyConfig([SurveyTarget(OTHER)]), 0))
        ids.append(agent.start_discovery(DiscoveryConfig(host="example.org"), 0))
        ids.append(agent.start_nat_probe(NatConfig(OTHER, local=CLIENT), 0))
        ids.append(agent.open_stream(Path(OTHER, transport=Transport.TCP), 0))
        agent.poll_transmits()
        agent.poll_events()
        return cls(agent, ids)

    def answers(self, now: int = 0) -> bool:
        """Whether a binding of its own is asked for and answered as ever; an earlier time counts as the latest seen."""
        self.agent.poll_events()
        self.agent.poll_transmits()
        id = self.agent.start_binding(BindingConfig(MAPPED, local=CLIENT, refresh_ns=None), now)
        # What was started at one server before may hold it back, so this is another.
        requests = [request for request in self.agent.poll_transmits() if request.remote == MAPPED]
        self.agent.handle_input(mapped(requests[0].data), requests[0].path, now)
        return any(event.id == id and event.is_last for event in self.agent.poll_events())


def state(agent: Agent) -> tuple[object, ...]:
    """What must be as before when a call was refused."""
    return len(agent), agent.poll_timeout(), agent.wake_reason(), agent.dropped()


def refuses(agent: Agent, call: Callable[[], object]) -> bool:
    """Makes a call, and says whether it was refused; then nothing has changed."""
    before = state(agent)
    try:
        call()
    except ALLOWED:
        assert state(agent) == before
        return True
    return False


@pytest.mark.parametrize("name", METHODS)
def test_arbitrary_arguments_raise_what_is_promised(name: str) -> None:
    @PROFILE
    @given(st.lists(ARGUMENTS, max_size=5), st.data())
    def check(arguments: list[Any], data: st.DataObject) -> None:
        rig = Rig.new()
        keywords = st.sampled_from([*parameters(name), "other"])
        chosen = data.draw(st.dictionaries(keywords, ARGUMENTS, max_size=3))
        refuses(rig.agent, lambda: getattr(rig.agent, name)(*arguments, **chosen))
        assert rig.answers()

    check()


@pytest.mark.parametrize("name", [name for name in METHODS if not name.startswith(("poll", "__"))])
def test_one_wrong_argument_among_right_ones_raises_what_is_promised(name: str) -> None:
    """Every argument fits but one, so that what is behind the first check is reached as well."""

    @PROFILE
    @given(st.data())
    def check(data: st.DataObject) -> None:
        rig = Rig.new()
        chosen = {known: data.draw(fitting(known, rig)) for known in parameters(name)}
        if chosen:
            wrong = data.draw(st.sampled_from(sorted(chosen)))
            chosen[wrong] = data.draw(ARGUMENTS)
        refuses(rig.agent, lambda: getattr(rig.agent, name)(**chosen))
        assert rig.answers()

    check()


@pytest.mark.parametrize("call", OTHERS, ids=lambda call: getattr(call, "__qualname__", str(call)))
def test_arbitrary_arguments_of_constructors_and_functions_raise_what_is_promised(call: Callable[..., Any]) -> None:
    names = [name for name, one in inspect.signature(call).parameters.items() if one.kind != one.POSITIONAL_ONLY]

    @PROFILE
    @given(st.lists(ARGUMENTS, max_size=4), st.dictionaries(st.sampled_from([*names, "other"]), ARGUMENTS, max_size=3))
    def check(arguments: list[Any], keywords: dict[str, Any]) -> None:
        with contextlib.suppress(*ALLOWED):
            call(*arguments, **keywords)

    check()


@PROFILE
@given(
    st.sampled_from(["start_binding", "start_server", "start_survey", "start_discovery", "start_nat_probe"]), CONFIGS
)
def test_arbitrary_configurations_raise_what_is_promised(name: str, config: Any) -> None:
    agent = seeded()
    refuses(agent, lambda: getattr(agent, name)(config, 0))


@pytest.mark.parametrize(
    "kind", [BindingConfig, ServerConfig, SurveyConfig, DiscoveryConfig, NatConfig, AllocationConfig, RelayPoolConfig]
)
def test_arbitrary_fields_of_a_configuration_raise_what_is_promised(kind: type[Any]) -> None:
    starts = dict(
        zip(
            [BindingConfig, ServerConfig, SurveyConfig, DiscoveryConfig, NatConfig, AllocationConfig, RelayPoolConfig],
            ["binding", "server", "survey", "discovery", "nat_probe", "allocation", "relay_pool"],
            strict=True,
        )
    )

    @settings(PROFILE, max_examples=500)
    @given(made(kind, ANYTHING))
    def check(config: Any) -> None:
        agent = seeded()
        if not refuses(agent, lambda: getattr(agent, f"start_{starts[kind]}")(config, 0)):
            agent.poll_transmits()
            agent.poll_events()
            agent.handle_timeout(SECOND)

    check()


def parameters(name: str) -> list[str]:
    return [known for known in inspect.signature(getattr(Agent, name)).parameters if known != "self"]


def fitting(name: str, rig: Rig) -> st.SearchStrategy[Any]:
    """What fits an argument of that name."""
    records = [SrvRecord(priority=0, weight=0, port=1, target="example.org")]
    known: dict[str, st.SearchStrategy[Any]] = {
        "data": st.sampled_from([b"", b"hello", bytes(20)]),
        "path": st.sampled_from([PATH, SERVER, Path(SERVER, transport=Transport.TCP)]),
        "failed": st.just(PATH),
        "error": st.sampled_from(list(enums.SendError)),
        "reason": st.sampled_from(list(enums.DropReason)),
        "config": CONFIGS,
        "id": st.sampled_from(rig.ids),
        "accept": st.booleans(),
        "relay": st.sampled_from([None, 0, 1]),
        "hosts": st.just(["10.0.0.2"]),
        "records": st.sampled_from([records, []]),
        "failure": st.sampled_from(list(enums.DnsFailure)),
        "credentials": st.just(LongTerm("alice", "s3cret")),
        "host": st.sampled_from([PEER[0], PEER]),
        "peer": st.just(PEER),
        "name": st.just("alice"),
        "password": st.just("s3cret"),
        "refresh_ns": st.just(SECOND),
        "question": st.integers(0, 3),
        "connection": st.integers(0, 3),
    }
    return known.get(name, st.integers(0, 2**64 - 2))


# What arrives --------------------------------------------------------------------------------------------------------


def stunlike(tail: bytes) -> bytes:
    """A message with the right cookie and length, whatever else it says."""
    padded = tail[: len(tail) // 4 * 4]
    kind = 0x0101 if len(tail) % 2 else BINDING
    return kind.to_bytes(2, "big") + len(padded).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + bytes(12) + padded


@settings(PROFILE, max_examples=500)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.binary(max_size=200), st.binary(max_size=60).map(stunlike)),
            st.sampled_from([PATH, Path(OTHER, local=CLIENT), Path(SERVER), Path(MAPPED, local=CLIENT, ecn=3)]),
            st.integers(0, 3),
        ),
        max_size=10,
    )
)
@example([(bytes(20), PATH, 0)])
def test_arbitrary_bytes_never_raise(datagrams: list[tuple[bytes, Path, int]]) -> None:
    rig = Rig.new()
    now = 0
    for data, path, ahead in datagrams:
        now += ahead * SECOND
        before, total = rig.agent.poll_timeout(), rig.agent.dropped()
        taken = rig.agent.handle_input(data, path, now)
        assert taken is True or taken is False or isinstance(taken, PeerData)
        after = rig.agent.poll_timeout()
        if taken is False:
            assert rig.agent.dropped() == total
            # That time has gone by is all that may show.
            assert after == before or (after is not None and after <= now)
        # Nothing that arrives puts off what is due already.
        assert before is None or before > now or (after is not None and after <= now)
    assert rig.answers(now)


@settings(PROFILE, max_examples=300)
@given(st.lists(st.binary(max_size=100), max_size=8))
def test_arbitrary_bytes_of_a_stream_never_raise(pieces: list[bytes]) -> None:
    agent = seeded()
    path = Path(SERVER, local=CLIENT, transport=Transport.TCP)
    stream = agent.open_stream(path, 0)
    agent.start_binding(BindingConfig(SERVER, local=CLIENT, transport=Transport.TCP), 0)
    only(agent)
    timeout = agent.poll_timeout()
    for piece in pieces:
        if stream not in agent:
            break
        assert agent.handle_stream(stream, piece, 0) == []
        agent.poll_transmits()
        if stream in agent and not agent.poll_events():
            assert agent.poll_timeout() == timeout
    assert Rig(agent, []).answers(0)


@settings(PROFILE, max_examples=300)
@given(st.binary(max_size=60), st.sampled_from(list(enums.SendError)))
def test_arbitrary_bytes_that_icmp_quotes_never_raise(data: bytes, error: enums.SendError) -> None:
    agent = seeded()
    agent.start_binding(BindingConfig(SERVER, local=CLIENT), 0)
    only(agent)
    assert agent.handle_send_error(Path(SERVER, local=CLIENT), error, 0, data=data) in (True, False)
    assert Rig(agent, []).answers(0)
