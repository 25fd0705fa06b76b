"""The loop of an agent on asyncio: its sockets, its one timer, and who is told what happens."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from .._native import Agent, Path, PeerData, Transmit
from ..aliases import Address, AddressLike
from ..enums import SendError, Transport
from ..errors import StateError
from ..events import Event
from . import icmp
from .clock import Clock
from .names import Endpoint, is_ipv6, parse_local, plain
from .udp import UdpSocket

__all__ = ["Driver", "Link", "Subscriber"]

logger = logging.getLogger("libstun")

EARLY_NS = 2_000_000
"""How much too early a timer may be to count as in time: loops wake up by the resolution of their clock too early
(uvloop's is a millisecond), and to go to sleep again for the rest would be to spin."""

LONGEST_SLEEP_NS = 60_000_000_000
"""Timers of a loop stand still while the host is suspended, and the agent's time does not. Waking up so often is how
deadlines that have passed meanwhile are noticed."""


class Link(Protocol):
    """What packets go out on: a socket or a connection."""

    socket_id: int
    local: Address
    transport_kind: Transport

    def carries(self, transmit: Transmit) -> bool:
        """Whether a packet is for this link, by its addresses."""

    def send(self, data: bytes, remote: Address) -> None:
        """Sends a packet, or raises OSError."""

    async def close(self) -> None:
        """Closes it."""


class Subscriber(Protocol):
    """Who wants to know of events."""

    def push(self, event: Event) -> None:
        """Something has happened."""

    def end(self) -> None:
        """Nothing will happen any more."""


class Driver:
    """Everything that happens to an agent goes through here. For one loop, and used by its thread only."""

    def __init__(self, clock: Clock, *, seed: bytes | None = None, max_operations: int | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        self.clock = clock
        self.core = Agent(clock(), seed=seed, max_operations=max_operations)
        self.links: dict[int, Link] = {}
        self.relays: dict[tuple[str, int], Callable[[PeerData], None]] = {}
        """Who takes what peers send to a relayed address."""
        self.allocated_at: set[tuple[int, Address]] = set()
        """Sockets and servers that have had an allocation between them: a server may still know it."""
        self.operations: dict[int, Subscriber] = {}
        self.everything: weakref.WeakSet[Subscriber] = weakref.WeakSet()
        self.is_closed = False
        self.received = 0
        """Datagrams that were the agent's."""
        self.sent = 0
        """Packets that went out."""
        self._next_socket_id = 1
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._armed: int | None = None
        self._is_flushing = False

    def new_socket_id(self) -> int:
        """A number that no other socket or connection has. 0 stays free for operations that name no socket."""
        number = self._next_socket_id
        self._next_socket_id += 1
        return number

    def add(self, link: Link) -> None:
        """Packets can go out on `link` from now on."""
        self.links[link.socket_id] = link

    async def remove(self, link: Link) -> None:
        """Closes a link."""
        self.links.pop(link.socket_id, None)
        await link.close()

    def sockets(self) -> list[UdpSocket]:
        """The UDP sockets, in the order in which they were opened."""
        return [link for link in self.links.values() if isinstance(link, UdpSocket) and not link.is_private]

    def families(self) -> set[int]:
        """The families of addresses that can be reached."""
        self.now()  # a closed agent has none, and says so
        return {found.family for found in self.sockets()}

    def pick(self, remote: Address | AddressLike, local: str | AddressLike | None = None) -> UdpSocket:
        """The socket to reach `remote` from, which is the one that is bound to `local` where that is given.

        Raises OSError if there is none.
        """
        family = socket.AF_INET6 if is_ipv6(remote) else socket.AF_INET
        wanted = None if local is None else parse_local(local)
        for candidate in self.sockets():
            if candidate.family == family and (wanted is None or _is_bound_to(candidate, wanted)):
                return candidate
        where = "" if local is None else f" bound to {local}"
        raise OSError(errno.EADDRNOTAVAIL, f"no socket{where} of the family of {remote[0]}")

    def now(self) -> int:
        """The agent's time. Raises StateError once the agent is closed."""
        if self.is_closed:
            raise StateError("the agent is closed")
        return self.clock()

    # What happens to it

    def receive(self, source: UdpSocket, data: bytes, remote: Address) -> bool:
        """A datagram has arrived. False if it is another protocol's."""
        path = Path(remote, local=source.local, socket_id=source.socket_id)
        outcome = self.core.handle_input(data, path, self.clock())
        if outcome is False:
            return False
        self.received += 1
        if outcome is not True:
            self.deliver(outcome)
        self.flush()
        return True

    def deliver(self, data: PeerData) -> None:
        """Hands what a peer has sent to the relay that it has sent it to."""
        taker = self.relays.get((data.relayed[0], data.relayed[1]))
        if taker is None:
            logger.debug("%d bytes of %s dropped: nobody reads from the relay", len(data.data), data.peer[0])
        else:
            taker(data)

    def bounced(self, source: UdpSocket, bounce: icmp.Bounce) -> bool:
        """A datagram came back. False if it was another protocol's.

        Only one that quotes a request's transaction id counts: whoever is not on the path cannot know that, and could
        forge everything else.
        """
        if len(bounce.data) < _HEADER:
            return False
        path = Path(plain(bounce.destination), local=source.local, socket_id=source.socket_id)
        error = SendError.of(bounce.error)
        is_ours = self.core.handle_send_error(path, error, self.clock(), data=bounce.data[:_HEADER])
        if is_ours:
            self.flush()
        return is_ours

    def closed(self, source: UdpSocket) -> None:
        """The application has closed the socket that it shares."""
        self.spawn(self.remove(source))

    # What it does

    def flush(self) -> None:
        """Sends what is to be sent, tells what has happened, and sets the timer. After every call on the agent."""
        if self._is_flushing or self.is_closed:
            return  # whoever flushes goes on until nothing is left
        self._is_flushing = True
        try:
            while True:
                transmits, events = self.core.poll_transmits(), self.core.poll_events()
                if not transmits and not events:
                    break
                for transmit in transmits:
                    self.send(transmit)
                for event in events:
                    self._publish(event)
        except Exception:
            self._end_all()  # a bug somewhere: nobody shall wait for what cannot come
            raise
        finally:
            self._is_flushing = False
        self._arm()

    def send(self, transmit: Transmit) -> None:
        """Sends one packet, and tells the agent if that is not possible."""
        try:
            link = self._link_for(transmit)
            link.send(transmit.data, transmit.remote)
            self.sent += 1
        except OSError as error:
            logger.debug("cannot send to %s: %s", transmit.remote[0], error)
            self.core.handle_send_error(transmit, SendError.of(error), self.clock())

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs something that ends with the agent."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Ends everything: operations, timer, tasks, sockets."""
        if self.is_closed:
            return
        self.flush()
        self.is_closed = True
        self._disarm()
        self._end_all()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        links, self.links = list(self.links.values()), {}
        await asyncio.gather(*tasks, *(link.close() for link in links), return_exceptions=True)

    def _end_all(self) -> None:
        for subscriber in [*self.operations.values(), *self.everything]:
            subscriber.end()
        self.operations.clear()
        self.relays.clear()

    def _link_for(self, transmit: Transmit) -> Link:
        link = self.links.get(transmit.socket_id)
        if link is not None and link.carries(transmit):
            return link
        # After it was connected anew an operation keeps the number of its first link, and has another local address.
        for other in self.links.values():
            if other.carries(transmit):
                return other
        if transmit.transport == Transport.UDP and transmit.local[1] == 0:
            return self.pick(transmit.remote)  # an operation that was started on the agent itself
        raise BrokenPipeError(errno.EPIPE, "the socket is closed")

    def _publish(self, event: Event) -> None:
        logger.debug("operation %d: %s", event.id, event)
        operation = self.operations.get(event.id)
        if operation is not None:
            if event.is_last:
                del self.operations[event.id]
            operation.push(event)
        for subscriber in list(self.everything):
            subscriber.push(event)

    # The timer

    def _arm(self) -> None:
        deadline = self.core.poll_timeout()
        if deadline is not None and deadline == self._armed and self._timer is not None:
            return
        self._disarm()
        if deadline is None or self.is_closed:
            return
        # Relative, because the loop's clock is another one than the agent's.
        wait = min(max(deadline - self.clock(), 0), LONGEST_SLEEP_NS)
        self._armed = deadline
        self._timer = self.loop.call_later(wait / 1e9, self._fire)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._armed = None

    def _fire(self) -> None:
        deadline, now = self._armed, self.clock()
        self._timer = self._armed = None
        if deadline is not None and 0 < deadline - now <= EARLY_NS:
            now = deadline  # the agent takes time that runs ahead a little (C5), and has done its work then
        self.core.handle_timeout(now)
        self.flush()


def _is_bound_to(candidate: UdpSocket, wanted: Endpoint) -> bool:
    return candidate.local[0] == wanted.host and wanted.port in (0, candidate.local[1])


_HEADER = 20
"""Bytes of the header of a STUN message, with its transaction id."""
