"""Events: every class is provoked, and each instance is frozen, comparable, hashable, matchable, and can be read.

`Unknown` alone cannot be provoked: it stands for what a newer core tells. It is made by hand here.
"""

from __future__ import annotations

import copy
import dataclasses
import ipaddress
import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, get_type_hints

import pytest

import libstun
from libstun import (
    AllocationConfig,
    BindingConfig,
    DiscoveryConfig,
    Event,
    Failure,
    FailureReason,
    LongTerm,
    MessageBuilder,
    MessageClass,
    NatConfig,
    Path,
    PeerRule,
    RedirectPolicy,
    RelayFamily,
    RelayPoolConfig,
    ServerConfig,
    SurveyConfig,
    SurveyTarget,
    Transport,
    events,
    nat,
)
from support import (
    ADDRESS_ERROR_CODE,
    ALLOCATE,
    CLIENT,
    CONNECT,
    CONNECTION_ATTEMPT,
    CONNECTION_ID,
    CREATE_PERMISSION,
    DATA,
    ICMP,
    MAPPED,
    MOBILITY_TICKET,
    MS,
    OTHER,
    PEER,
    REFRESH,
    SECOND,
    SERVER,
    XOR_PEER_ADDRESS,
    Network,
    Relays,
    TurnServer,
    indication,
    mapped,
    number,
    only,
    respond,
    seeded,
)

PATH = Path(SERVER, local=CLIENT)
BINDING = BindingConfig(SERVER, local=CLIENT)
RELAY = AllocationConfig(SERVER, local=CLIENT, socket_id=7)
CLASSES: list[type[Event]] = [
    getattr(events, name)
    for name in events.__all__
    if issubclass(getattr(events, name), Event) and getattr(events, name) is not Event
]


# What provokes them --------------------------------------------------------------------------------------------------


def of_a_binding() -> list[Event]:
    """Mapped, Refreshed, AddressChanged, Retrying or Failed."""
    agent, now, happened = seeded(), 0, []
    agent.start_binding(BINDING, 0)
    for address in (MAPPED, MAPPED, OTHER):
        request = only(agent)
        agent.handle_input(mapped(request.data, address), request.path, now)
        happened += agent.poll_events()
        now = agent.poll_timeout() or 0
        agent.handle_timeout(now)
    request = only(agent)
    agent.handle_input(respond(request.data, error=403), request.path, now)
    for _ in range(10):
        happened += agent.poll_events()
        now = agent.poll_timeout() or now
        agent.handle_timeout(now)
        agent.poll_transmits()
    return happened


def of_a_move() -> list[Event]:
    """Restarted, and Failed."""
    agent = seeded()
    agent.start_binding(BINDING, 0)
    agent.network_changed(["10.9.0.2"], 0)
    agent.network_changed(["2001:db8::1"], 0)
    return agent.poll_events()


def of_a_redirection() -> list[Event]:
    relays = Relays(TurnServer(refused={ALLOCATE: 300}, redirects_to=OTHER), TurnServer(OTHER))
    relays.allocate(replace(RELAY, redirects=RedirectPolicy.ASK))
    return relays.agent.poll_events()


def of_a_stream() -> list[Event]:
    """Close, and Reconnect."""
    relays = Relays(TurnServer())
    relays.open(CLIENT)
    relays.allocate(replace(RELAY, transport=Transport.TCP))
    relays.arrive(b"\xff" * 40, Path(SERVER, local=CLIENT, transport=Transport.TCP))
    return [*relays.agent.poll_events(), relays.until(events.Reconnect, 60 * SECOND)]


def of_a_survey() -> list[Event]:
    agent = seeded()
    targets = [SurveyTarget(server, local=CLIENT) for server in (SERVER, OTHER)]
    agent.start_survey(SurveyConfig(targets), 0)
    first, second = agent.poll_transmits()
    agent.handle_input(mapped(first.data), first.path, 0)
    agent.handle_send_error(second, ConnectionRefusedError(111, "refused"), 0)
    return agent.poll_events()


def of_a_discovery() -> list[Event]:
    agent = seeded()
    agent.start_discovery(DiscoveryConfig(host="example.org", port=1), 0)
    agent.start_discovery(DiscoveryConfig(host="192.0.2.9"), 0)
    return agent.poll_events()


def of_a_server() -> list[Event]:
    """Throttled."""
    agent = seeded()
    agent.start_server(ServerConfig(error_bytes_per_second=100, error_burst=300), 0)
    asked = bytes(MessageBuilder(MessageClass.REQUEST, 1).add(0x7FFF, b""))
    for _ in range(1000):
        agent.handle_input(asked, Path(MAPPED, local=SERVER), 0)
    return agent.poll_events()


def of_a_realm() -> list[Event]:
    """AuthenticationFailures."""
    network = Network()
    server = network.add(seeded(), [SERVER])
    server.agent.start_server(ServerConfig(realm="example.org"), 0)
    wrong = BindingConfig(SERVER, local=CLIENT, credentials=LongTerm("alice", "wrong"), refresh_ns=None)
    client = network.add(seeded(2), [CLIENT])
    for _ in range(1000):
        client.agent.start_binding(wrong, network.now)
        network.pass_time(100 * MS)
        if server.events:
            break
    return server.events


def of_a_probe() -> list[Event]:
    """All three, of a probe that nobody answers."""
    network = Network()
    node = network.add(seeded(), [CLIENT])
    node.agent.start_nat_probe(NatConfig(SERVER, local=CLIENT), 0)
    network.run(lambda: bool(node.of(events.NatFinished)), 300 * SECOND)
    return node.events


def of_an_allocation() -> list[Event]:
    """From Allocated to Closed."""
    refusal = bytes([2, 0, 4, 40]) + b"no IPv6"
    extra = ((ADDRESS_ERROR_CODE, refusal), (MOBILITY_TICKET, b"ticket"))
    relays = Relays(TurnServer(extra={ALLOCATE: extra}))
    agent = relays.agent
    id = relays.allocate(
        replace(RELAY, family=RelayFamily.BOTH, credentials=LongTerm("a", "b"), credentials_expire_ns=100 * SECOND)
    )
    happened = agent.poll_events()
    agent.permit(id, PEER[0], 0)
    agent.bind_channel(id, PEER, 0)
    relays.serve()
    too_big = bytes([0, 0, 3, 4, 0, 0, 5, 0x78])
    relays.arrive(indication(DATA, (XOR_PEER_ADDRESS, PEER), (ICMP, too_big)), replace_local(CLIENT))
    relays.server.refused[CREATE_PERMISSION] = 403
    agent.permit(id, "198.51.100.10", 0)
    relays.serve()
    happened += agent.poll_events()
    happened.append(relays.until(events.CredentialsNeeded, 60 * SECOND))
    agent.network_changed(["10.9.0.2"], relays.now)
    relays.serve()
    relays.server.refused[REFRESH] = 437
    happened += [*relays.events, *agent.poll_events(), relays.until(events.Lost, 1000 * SECOND)]
    agent.close_relay(id, relays.now)
    relays.serve()
    return happened + agent.poll_events()


def replace_local(local: libstun.Address) -> Path:
    return Path(SERVER, local=local, socket_id=7)


def of_connections() -> list[Event]:
    """OpenConnection, ConnectionBound, ConnectionFailed."""
    relays = Relays(TurnServer())
    stream = relays.open(CLIENT)
    id = relays.allocate(replace(RELAY, transport=Transport.TCP, relay_transport=Transport.TCP))
    relays.agent.permit(id, PEER[0], 0)
    relays.serve()
    attempt = indication(CONNECTION_ATTEMPT, (XOR_PEER_ADDRESS, PEER), (CONNECTION_ID, number(99)))
    relays.agent.handle_stream(stream, attempt, 0)
    second: libstun.Address = ("10.0.0.2", 5003)
    relays.open(second)
    path = Path(SERVER, local=second, transport=Transport.TCP, socket_id=7)
    relays.agent.connection_opened(id, 99, path, 0)
    relays.server.refused[CONNECT] = 447
    relays.agent.connect_peer(id, PEER, 0)
    relays.serve()
    return relays.agent.poll_events()


def of_a_pool() -> list[Event]:
    """RelayReady, RelaySelected, PeerUnserved, Migrated."""
    relays = Relays(TurnServer(), TurnServer(OTHER))
    second = replace(RELAY, server=OTHER, peer_rules=[PeerRule(PEER[0], allows=False)])
    id = relays.agent.start_relay_pool(RelayPoolConfig([RELAY, second]), 0)
    relays.serve()
    relays.agent.permit(id, PEER[0], 0)
    relays.serve()
    relays.server.refused[REFRESH] = 437
    happened = relays.agent.poll_events()
    happened.append(relays.until(events.Migrated, 600 * SECOND))
    return [*happened, *relays.events, *relays.agent.poll_events()]


def of_a_pool_on_one_path() -> list[Event]:
    """RelaySuperseded."""
    relays = Relays(TurnServer(refused={ALLOCATE: 300}, redirects_to=OTHER), TurnServer(OTHER))
    relays.agent.start_relay_pool(RelayPoolConfig([RELAY, replace(RELAY, server=OTHER)]), 0)
    relays.serve()
    return relays.agent.poll_events()


SCENES: list[Callable[[], list[Event]]] = [
    of_a_binding,
    of_a_move,
    of_a_redirection,
    of_a_stream,
    of_a_survey,
    of_a_discovery,
    of_a_server,
    of_a_realm,
    of_a_probe,
    of_an_allocation,
    of_connections,
    of_a_pool,
    of_a_pool_on_one_path,
]


@cache
def all_events() -> tuple[Event, ...]:
    """Everything that happened in all scenes, and what never does."""
    return (*(happened for scene in SCENES for happened in scene()), events.Unknown(id=1, text="something newer"))


def of_class(kind: type[Event]) -> list[Event]:
    return [event for event in all_events() if type(event) is kind]


# What they are -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_a_class_is_provoked_and_says_what_its_annotations_say(kind: type[Event]) -> None:
    assert of_class(kind), f"nothing provokes {kind.__name__}"
    hints = get_type_hints(kind)
    for event in of_class(kind):
        for field in dataclasses.fields(event):
            fits(getattr(event, field.name), hints[field.name], f"{kind.__name__}.{field.name}")


def fits(value: Any, hint: Any, where: str) -> None:
    """Whether a value is of a type that may be a union or a tuple."""
    parts: tuple[Any, ...] = getattr(hint, "__args__", ())
    origin = getattr(hint, "__origin__", None)
    if origin is tuple and parts[-1] is Ellipsis:
        assert all(isinstance(part, parts[0]) for part in value), where
    elif origin is tuple:
        assert isinstance(value, tuple), where
        assert len(value) == len(parts), where
        assert all(isinstance(part, kind) for part, kind in zip(value, parts, strict=True)), where
    elif parts:
        for part in parts:
            try:
                fits(value, part, where)
            except (AssertionError, TypeError):
                continue
            return
        raise AssertionError(f"{where} is {value!r}, no {hint}")
    else:
        assert type(value) is hint or (hint is not int and isinstance(value, hint)), f"{where}: {value!r}"


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_event_is_frozen_and_keyword_only(kind: type[Event]) -> None:
    event = of_class(kind)[0]
    for field in dataclasses.fields(event):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(event, field.name, None)
        with pytest.raises(dataclasses.FrozenInstanceError):
            delattr(event, field.name)
        assert field.kw_only
    with pytest.raises((AttributeError, TypeError)):
        event.another = 1  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        kind(1)  # type: ignore[call-arg]
    assert not hasattr(event, "__dict__")


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_event_is_compared_hashed_copied_and_pickled(kind: type[Event]) -> None:
    for event in of_class(kind):
        for again in (copy.copy(event), copy.deepcopy(event), replace(event), *pickles(event)):
            assert again == event
            assert type(again) is kind
            assert str(again) == str(event)
        assert event != replace(event, id=event.id + 1)
        assert event == replace(event, text="in other words")
        assert hash(event) == hash(copy.deepcopy(event))
        assert len({event, copy.deepcopy(event), replace(event, id=event.id + 1)}) == 2


def pickles(event: Event) -> list[Event]:
    return [pickle.loads(pickle.dumps(event, protocol)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_the_repr_of_an_event_evaluates_to_it(kind: type[Event]) -> None:
    names = {**vars(libstun), **vars(events), **vars(nat)}
    for event in of_class(kind):
        assert repr(event).startswith(f"{kind.__name__}(id=")
        if kind is events.NatFinished:
            continue  # the texts of its report are too long to be shown
        assert eval(repr_of_words(repr(event)), dict(names)) == event


def repr_of_words(text: str) -> str:
    """Members of enums show themselves as `<FailureReason.TIMEOUT: 'timeout'>`."""
    parts = text.split("<")
    for place, part in enumerate(parts[1:], 1):
        member, rest = part.split(": ", 1)
        parts[place] = member + rest.split(">", 1)[1]
    return "".join(parts)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_event_is_one_line_for_people(kind: type[Event]) -> None:
    for event in of_class(kind):
        assert str(event) == event.text
        assert event.text
        assert event.text.isprintable(), event.text
        assert not event.text.startswith(kind.__name__)
        assert "{" not in event.text


def test_every_event_can_be_matched_by_its_fields() -> None:
    for event in all_events():
        names = [field.name for field in dataclasses.fields(event)]
        source = f"match event:\n case events.{type(event).__name__}({', '.join(f'{n}={n}_' for n in names)}):\n"
        source += f"  got = ({', '.join(f'{n}_' for n in names)},)\n"
        space: dict[str, Any] = {"event": event, "events": events}
        exec(source, space)
        assert space["got"] == tuple(getattr(event, name) for name in names)


def test_a_match_tells_classes_and_words_apart() -> None:
    told = []
    for event in all_events():
        match event:
            case events.Mapped(address=(host, port)):
                told.append(("mapped", host, port))
            case events.Failed(failure=Failure(reason=FailureReason.NETWORK_CHANGED)):
                told.append(("network", "", 0))
            case events.Lost(failure=Failure(reason="error-response", code=437)):
                told.append(("lost", "", 437))
    assert told.count(("mapped", *MAPPED)) == 1
    assert ("network", "", 0) in told
    assert ("lost", "", 437) in told


def test_addresses_in_events_are_what_sockets_give() -> None:
    seen = 0
    for event in all_events():
        for field in dataclasses.fields(event):
            value = getattr(event, field.name)
            if isinstance(value, tuple) and value and isinstance(value[0], str):
                assert len(value) == (4 if ipaddress.ip_address(value[0]).version == 6 else 2)
                seen += 1
    assert seen > 20


def test_failures_say_which_detail_they_have() -> None:
    failures = [event.failure for event in all_events() if hasattr(event, "failure") and event.failure]
    assert {failure.reason for failure in failures} >= {
        FailureReason.ERROR_RESPONSE,
        FailureReason.NETWORK_CHANGED,
        FailureReason.SEND_FAILED,
    }
    for failure in failures:
        assert (failure.code is not None) == (failure.reason == FailureReason.ERROR_RESPONSE)
        assert (failure.detail is not None) == (failure.reason == FailureReason.SEND_FAILED)
        assert str(failure) == failure.text
        assert failure.text
        assert copy.deepcopy(failure) == failure
        assert hash(failure) == hash(pickle.loads(pickle.dumps(failure)))


class InterruptError(Exception):
    """What a signal handler may raise at any time."""


def test_an_event_that_could_not_be_made_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**_fields: object) -> None:
        raise InterruptError

    agent = seeded()
    ids = [agent.start_binding(replace(BINDING, server=server, refresh_ns=None), 0) for server in (SERVER, OTHER)]
    for request in agent.poll_transmits():
        agent.handle_input(mapped(request.data), request.path, SECOND)
    discovery = agent.start_discovery(DiscoveryConfig(host="192.0.2.9"), SECOND)
    with monkeypatch.context() as patched:
        patched.setattr(events, "Mapped", interrupted)
        for poll in (agent.poll_event, agent.poll_events, agent.poll_event):
            with pytest.raises(InterruptError):
                poll()
            timeout = agent.poll_timeout()
            assert timeout is not None
            assert timeout <= SECOND, "there is output still"
            assert agent.wake_reason() == libstun.WakeReason.OUTPUT
    happened = agent.poll_events()
    assert sorted(event.id for event in happened) == sorted([*ids, discovery])
    assert [event.id for event in happened if isinstance(event, events.Mapped)] == ids
    assert agent.poll_timeout() is None
