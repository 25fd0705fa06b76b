"""The public address through a plain socket and `select`: the loop that `libstun.aio` runs for you.

    python sans_io.py SERVER [PORT]

This is the whole contract: what the agent wants sent is sent, what arrives is handed in, and nobody sleeps longer than
`poll_timeout()` says. The same works in any other event loop, for any number of operations of one agent.
"""

from __future__ import annotations

import select
import socket
import sys
import time

import libstun
from libstun import events


def find_address(sock: socket.socket, server: tuple[str, int]) -> events.Mapped | events.Failed:
    """Your public address as `server` sees it, through your own UDP socket."""
    agent = libstun.Agent(now_ns=time.monotonic_ns())
    agent.start_binding(libstun.BindingConfig(server, refresh_ns=None), now_ns=time.monotonic_ns())
    while True:
        for transmit in agent.poll_transmits():
            try:
                sock.sendto(transmit.data, transmit.remote)
            except OSError as error:
                agent.handle_send_error(transmit, error, time.monotonic_ns())
        for event in agent.poll_events():
            if isinstance(event, events.Mapped | events.Failed):
                return event
        if select.select([sock], [], [], seconds_until(agent.poll_timeout()))[0]:
            data, remote = sock.recvfrom(65536)
            agent.handle_input(data, remote, time.monotonic_ns())  # False: it is another protocol's
        agent.handle_timeout(time.monotonic_ns())


def seconds_until(deadline_ns: int | None) -> float | None:
    """How long `select` may sleep."""
    return None if deadline_ns is None else max(0, deadline_ns - time.monotonic_ns()) / 1e9


def main(host: str, port: int) -> int:
    family, kind, _, _, server = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as sock:
        sock.bind(("", 0))
        event = find_address(sock, server)  # type: ignore[arg-type]
    print(event)
    return 0 if isinstance(event, events.Mapped) else 1


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(f"usage: {sys.argv[0]} SERVER [PORT]")
    sys.exit(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) == 3 else 3478))
