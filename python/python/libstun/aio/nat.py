"""Tests of the NAT, on sockets that nothing was sent from before."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from ..aliases import Address
from ..config import NatConfig
from ..errors import StateError
from ..events import Event, NatFinished
from ..nat import NatReport
from .driver import Driver
from .names import plain
from .operation import Operation
from .sockets import private_sockets

__all__ = ["NatProbe", "open_probe"]


class NatProbe(Operation):
    """A test of the NAT that runs. Iterate over it for what is found: `NatFound`, `NatUnanswered`, `NatFinished`."""

    _finished: NatReport | None = None

    @property
    def report(self) -> NatReport:
        """What is known now. Raises StateError after it was cancelled."""
        if self._finished is not None:
            return self._finished
        if self._has_ended:
            raise StateError("the test of the NAT was cancelled")
        return self._driver.core.nat_report(self.id)

    async def finished_report(self) -> NatReport:
        """Waits until everything is decided."""
        await self.finished()
        return self.report

    def _notice(self, event: Event) -> None:
        super()._notice(event)
        if isinstance(event, NatFinished):
            self._finished = event.report


@asynccontextmanager
async def open_probe(driver: Driver, config: NatConfig) -> AsyncIterator[NatProbe]:
    """Starts a test from two sockets of its own, for a block."""
    server = plain(config.server)
    async with private_sockets(driver, driver.pick(server).local[0], 2) as (first, second):
        config = replace(
            config,
            local=first.local,
            socket_id=first.socket_id,
            second=second.local,
            second_socket_id=second.socket_id,
            own=own_host(server),
        )
        async with NatProbe(driver, driver.core.start_nat_probe(config, driver.now())) as probe:
            driver.flush()
            yield probe


def own_host(server: Address) -> str | None:
    """The host's IP address on the way to a server, which the system says without sending anything."""
    with socket.socket(socket.AF_INET6 if ":" in server[0] else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(server)
        except OSError:
            return None
        return str(sock.getsockname()[0]).partition("%")[0]
