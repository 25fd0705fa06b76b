"""What the calls of the sans-IO surface cost, in nanoseconds; the least of five rounds.

python python/benches/calls.py
"""

from __future__ import annotations

import timeit
from collections.abc import Callable

import libstun

SERVER = ("192.0.2.1", 3478)
CLIENT = ("203.0.113.7", 50000)
ROUNDS = 5


def report(name: str, call: Callable[[], object], number: int = 100_000) -> None:
    """Times a call, and prints a line."""
    least = min(timeit.repeat(call, number=number, repeat=ROUNDS)) / number * 1e9
    print(f"{name:48} {least:8.0f}")


def polls(agent: libstun.Agent) -> None:
    """Calls that have nothing to do."""
    report("poll_transmit, nothing there", agent.poll_transmit)
    report("poll_event, nothing there", agent.poll_event)
    report("poll_timeout", agent.poll_timeout)
    report("handle_timeout, early", lambda: agent.handle_timeout(0))


def input_of_others(agent: libstun.Agent) -> None:
    """A datagram of another protocol, refused."""
    media, path = b"\x80" * 1200, libstun.Path(CLIENT)
    copy = bytearray(media)
    report("handle_input, 1200 bytes of another protocol", lambda: agent.handle_input(media, path, 0))
    report("the same, from an address", lambda: agent.handle_input(media, CLIENT, 0))
    report("the same, of a bytearray", lambda: agent.handle_input(copy, path, 0))


def a_server(request: bytes) -> bytes:
    """A request in, a response out."""
    agent, path = libstun.Agent(0), libstun.Path(CLIENT)
    agent.start_server(libstun.ServerConfig(budget=False), 0)

    def serve() -> libstun.Transmit | None:
        agent.handle_input(request, path, 0)
        return agent.poll_transmit()

    report("server: request in, response out", serve)
    answer = serve()
    assert answer is not None
    return answer.data


def a_client(config: libstun.BindingConfig, seed: bytes, response: bytes) -> None:
    """An agent's whole life: a request out, a response in, an event."""
    path = libstun.Path(SERVER)

    def ask() -> object:
        agent = libstun.Agent(0, seed=seed)
        agent.start_binding(config, 0)
        agent.poll_transmit()
        agent.handle_input(response, path, 0)
        return agent.poll_event()

    assert isinstance(ask(), libstun.events.Mapped)
    report("agent, binding, request, response, event", ask, 20_000)


def main() -> None:
    """All of them."""
    print(f"{'ns':>57}")
    seed, config = bytes(range(32)), libstun.BindingConfig(SERVER, refresh_ns=None)
    agent = libstun.Agent(0, seed=seed)
    agent.start_binding(config, 0)
    request = agent.poll_transmit()
    assert request is not None
    polls(agent)
    input_of_others(agent)
    a_client(config, seed, a_server(request.data))


if __name__ == "__main__":
    main()
