"""What the asyncio tests share: loops that watch what is left behind, and servers."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SAFETY = 30.0
"""Seconds after which a test is taken for hung. No test waits for so long."""

try:
    import uvloop
except ImportError:
    uvloop = None  # type: ignore[assignment]

LOOPS = [
    "asyncio",
    pytest.param("uvloop", marks=pytest.mark.skipif(uvloop is None, reason="uvloop is not installed")),
]

both_loops = pytest.mark.parametrize("loop", LOOPS)


def run(main: Callable[[], Awaitable[Any]], loop: str = "asyncio") -> None:
    """Runs a test in debug mode, and fails if it leaves behind a task, a socket, or an exception in a callback."""
    gc.collect()
    sockets = open_sockets()
    complaints: list[dict[str, Any]] = []

    async def watched() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        async with asyncio.timeout(SAFETY):
            await main()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"tasks are left behind: {left}"

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        factory = uvloop.new_event_loop if loop == "uvloop" else None
        with asyncio.Runner(debug=True, loop_factory=factory) as runner:
            runner.run(watched())
        gc.collect()
    assert not complaints, f"callbacks raised: {complaints}"
    leaks = [str(warning.message) for warning in caught if issubclass(warning.category, ResourceWarning)]
    assert not leaks, f"resources are left behind: {leaks}"
    assert open_sockets() == sockets, "sockets are left behind"


def open_sockets() -> int:
    """Sockets of this process; 0 where that is not known."""
    if sys.platform != "linux":
        return 0
    count = 0
    for entry in os.scandir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            count += os.readlink(entry.path).startswith("socket:")
    return count


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
needs_coturn = pytest.mark.skipif(shutil.which("turnserver") is None, reason="turnserver (Debian: coturn) is missing")
needs_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux says which datagram an ICMP error is about"
)


@contextlib.contextmanager
def silent_socket(host: str = "127.0.0.1") -> Iterator[tuple[str, int]]:
    """A server that never answers."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        yield sock.getsockname()[:2]


async def received(sock: socket.socket) -> tuple[bytes, Any]:
    """A datagram, read from a socket that does not block; uvloop has no `loop.sock_recvfrom()`."""
    while True:
        with contextlib.suppress(BlockingIOError):
            return sock.recvfrom(2048)
        await asyncio.sleep(0.005)


def closed_port(host: str = "127.0.0.1") -> tuple[str, int]:
    """An address where nobody listens, and the host says so."""
    with silent_socket(host) as address:
        return address


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody has now, for UDP and TCP."""
    with contextlib.ExitStack() as stack:
        ports: list[int] = []
        while len(ports) < count:
            datagrams = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            stream = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            datagrams.bind(("127.0.0.1", 0))
            with contextlib.suppress(OSError):
                stream.bind(("127.0.0.1", datagrams.getsockname()[1]))
                ports.append(datagrams.getsockname()[1])
        return ports


@contextlib.contextmanager
def coturn(directory: Path, *lines: str, port: int | None = None, host: str = "127.0.0.1") -> Iterator[int]:
    """A coturn with those lines of configuration, for a block. Gives its port."""
    port = port or free_ports(1)[0]
    first = 20000 + (os.getpid() * 64 + port) % 10000
    configuration = [
        f"listening-ip={host}",
        f"relay-ip={host}",
        f"listening-port={port}",
        f"min-port={first}",
        f"max-port={first + 199}",
        "no-tls",
        "no-dtls",
        "no-cli",
        "fingerprint",
        "log-file=stdout",
        f"userdb={directory}/turndb",
        f"pidfile={directory}/turnserver.pid",
        *lines,
    ]
    path = directory / "turnserver.conf"
    path.write_text("\n".join(configuration) + "\n")
    with open(directory / "turnserver.log", "wb") as log:
        process = subprocess.Popen(["turnserver", "-c", str(path)], stdout=log, stderr=subprocess.STDOUT, cwd=directory)
    try:
        _wait_until_it_answers(process, (host, port))
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


LONG_TERM = ("lt-cred-mech", "user=alice:s3cret", "realm=example.test", "stale-nonce=30")


def _wait_until_it_answers(process: subprocess.Popen[bytes], address: tuple[str, int]) -> None:
    request = bytes.fromhex("000100002112a442000102030405060708090a0b")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.2)
        end = time.monotonic() + SAFETY
        while time.monotonic() < end:
            assert process.poll() is None, "turnserver has ended"
            with contextlib.suppress(OSError):
                sock.sendto(request, address)
                sock.recv(2048)
                return
    raise AssertionError("turnserver does not answer")
