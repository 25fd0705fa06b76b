"""The programs in examples/python run as they say."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from aio_support import SAFETY, received, run
from libstun import aio

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "python"

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the examples are not part of the package")


async def output_of(name: str, *words: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-X", "dev", "-W", "error", EXAMPLES / name, *words,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(SAFETY):
        output, _ = await process.communicate()
    return process.returncode, output.decode()


def test_public_address_asks_what_it_is_given() -> None:
    async def main() -> None:
        async with aio.open_agent("127.0.0.1:0") as server, server.serve():
            code, output = await output_of("public_address.py", f"127.0.0.1:{server.addresses[0][1]}")
            assert code == 0
            assert output.startswith("127.0.0.1 sees 127.0.0.1 port ")

    run(main)


def test_sans_io_asks_what_it_is_given() -> None:
    async def main() -> None:
        async with aio.open_agent("127.0.0.1:0") as server, server.serve():
            code, output = await output_of("sans_io.py", "127.0.0.1", str(server.addresses[0][1]))
            assert code == 0
            assert output.startswith("mapped address 127.0.0.1:")

    run(main)


def test_shared_socket_echoes_and_knows_its_address() -> None:
    async def main() -> None:
        async with aio.open_agent("127.0.0.1:0") as server, server.serve():
            process = await asyncio.create_subprocess_exec(
                sys.executable, EXAMPLES / "shared_socket.py", f"127.0.0.1:{server.addresses[0][1]}",
                stdout=subprocess.PIPE,
            )  # fmt: skip
            assert process.stdout is not None
            line = (await process.stdout.readline()).decode()
            port = int(line.split("port ")[1].split(",")[0])
            assert f"('127.0.0.1', {port})" in line
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                sock.sendto(b"hello", ("127.0.0.1", port))
                assert await received(sock) == (b"hello", ("127.0.0.1", port))
            process.kill()
            await process.communicate()

    run(main)
