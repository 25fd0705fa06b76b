"""The loop of an agent on asyncio: its sockets, its one timer, and who is told what happens."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import weakref
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Protocol, TypeVar

from .._native import Agent, Path, PeerData, Transmit
from ..aliases import Address, AddressLike
from ..enums import SendError, Transport
from ..errors import StateError, UnknownOperationError
from ..events import Event, Restarted
from . import icmp
from .clock import Clock
from .names import Endpoint, is_ipv6, parse_local, plain
from .udp import UdpSocket, bound_socket

__all__ = ["Driver", "Link", "Listener", "Subscriber"]

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

    def send(self, data: bytes, remote: Address, local: Address) -> None:
        """Sends a packet from one of its local addresses, or raises OSError."""

    def release(self) -> None:
        """Lets go of it at once. Does nothing the second time."""

    async def close(self) -> None:
        """The same, and waits until the loop has nothing to do with it any more."""


class Subscriber(Protocol):
    """Who wants to know of events."""

    def push(self, event: Event) -> None:
        """Something has happened."""

    def end(self) -> None:
        """Nothing will happen any more."""


class Listener(Subscriber, Protocol):
    """Who wants to know of events beside whoever has started the operation."""

    id: int | None
    """Which operation's; `None` is all."""


Found = TypeVar("Found")


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
        self.everything: weakref.WeakSet[Listener] = weakref.WeakSet()
        self.is_closed = False
        self.received = 0
        """Datagrams that were the agent's."""
        self.sent = 0
        """Packets that went out."""
        self._next_socket_id = 1
        self._tasks: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._armed: int | None = None
        self._is_due = False
        self._is_flushing = False

    def new_socket_id(self) -> int:
        """A number that no other socket or connection has. 0 stays free for operations that name no socket."""
        number = self._next_socket_id
        self._next_socket_id += 1
        return number

    def add(self, link: Link) -> None:
        """Packets can go out on `link` from now on. Once the agent is closed it is let go of, with a StateError."""
        if self.is_closed:
            link.release()
            raise StateError("the agent is closed")
        self.links[link.socket_id] = link

    def release(self, link: Link) -> None:
        """Lets go of a link at once."""
        self.links.pop(link.socket_id, None)
        link.release()

    async def remove(self, link: Link) -> None:
        """The same, and waits until it is closed. Whoever is cancelled in that has let go of it all the same."""
        self.release(link)
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
        """The agent's time. Raises StateError once the agent is closed, and for other threads and loops."""
        if self.is_closed:
            raise StateError("the agent is closed")
        self.check_loop()
        return self.clock()

    def check_loop(self) -> None:
        """Raises StateError for whoever calls from another thread or another loop."""
        try:
            running: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is not self.loop and (running is not None or self.loop.is_running()):
            raise StateError("the agent belongs to another event loop: call it from there (`call_soon_threadsafe()`)")

    # What happens to it

    def receive(self, source: UdpSocket, data: bytes, remote: Address, local: Address) -> bool:
        """A datagram has arrived. False if it is another protocol's."""
        path = Path(remote, local=local, socket_id=source.socket_id)
        now = self.clock()
        with self.ending_at_bugs():
            outcome = self.core.handle_input(data, path, now)
        if outcome is False:
            if self._armed is not None and self._armed <= now:
                self._arm()  # the host was suspended meanwhile, and this is the first to tell
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
        with self.ending_at_bugs():
            is_ours = self.core.handle_send_error(path, error, self.clock(), data=bounce.data[:_HEADER])
        if is_ours:
            self.flush()
        return is_ours

    def closed(self, source: UdpSocket) -> None:
        """The application has closed the socket that it shares."""
        if not self.is_closed:
            self.release(source)

    # What it does

    def flush(self) -> None:
        """Sends what is to be sent, tells what has happened, and sets the timer. After every call on the agent."""
        if self._is_flushing or self.is_closed:
            return  # whoever flushes goes on until nothing is left
        self.check_loop()
        self._is_flushing = True
        try:
            with self.ending_at_bugs():
                self._drain()
        finally:
            self._is_flushing = False
        self._end_forgotten()
        self._arm()

    def _drain(self) -> None:
        while True:
            transmits, events = self.core.poll_transmits(), self.core.poll_events()
            if not transmits and not events:
                return
            for event in events:
                self.publish(event)
            for transmit in transmits:
                self.send(transmit)

    @contextlib.contextmanager
    def ending_at_bugs(self) -> Iterator[None]:
        """At an exception that cannot be, ends whoever waits: what they wait for cannot come."""
        try:
            yield
        except UnknownOperationError:
            raise  # an operation that has ended, which whoever calls knows of
        except Exception:
            self._end_all()
            raise

    def publish(self, event: Event) -> None:
        """Tells of an event whoever wants to know."""
        logger.debug("operation %d: %s", event.id, event)
        if isinstance(event, Restarted):
            self._move(event)
        operation = self.operations.get(event.id)
        if operation is not None:
            if event.is_last:
                del self.operations[event.id]
            operation.push(event)
        for listener in list(self.everything):
            listener.push(event)

    def send(self, transmit: Transmit) -> None:
        """Sends one packet, and tells the agent if that is not possible."""
        try:
            link = self._link_for(transmit)
            link.send(transmit.data, transmit.remote, transmit.local)
            self.sent += 1
        except OSError as error:
            logger.debug("cannot send to %s: %s", transmit.remote[0], error)
            self.core.handle_send_error(transmit, SendError.of(error), self.clock())

    def spawn(self, work: Coroutine[Any, Any, Found]) -> asyncio.Task[Found]:
        """Runs something that ends with the agent."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Ends everything: operations, timer, tasks, sockets.

        All of that before the first await: whoever closes may be cancelled there, once or again and again.
        """
        if self.is_closed:
            return
        tasks, links = list(self._tasks), list(self.links.values())
        try:
            self.flush()
            tasks, links = list(self._tasks), list(self.links.values())
        finally:
            self.is_closed = True
            self._disarm()
            self._end_all()
            for task in tasks:
                task.cancel()
            self.links.clear()
            with contextlib.ExitStack() as releases:  # each, even if one of them raises
                for link in links:
                    releases.callback(link.release)
        await asyncio.gather(*tasks, *(link.close() for link in links), return_exceptions=True)

    def _end_forgotten(self) -> None:
        """Ends streams of operations that the agent does not know any more, such as those that were cancelled."""
        for listener in list(self.everything):
            if listener.id is not None and listener.id not in self.core:
                listener.end()

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

    def _move(self, event: Restarted) -> None:
        """Has a socket at the address that an operation has moved to with the host, if it had one where it was."""
        locals_ = [found.local for found in self.links.values() if isinstance(found, UdpSocket)]
        if event.previous not in locals_ or event.local in locals_:
            return
        try:
            sock = bound_socket(event.local)
        except OSError as error:
            logger.debug("%s", error)  # its requests fail then, and it asks again later
            return
        try:
            self.add(UdpSocket.open_now(sock, self.new_socket_id(), self))
        except BaseException as error:
            sock.close()
            if not isinstance(error, NotImplementedError):
                raise

    # The timer

    def _arm(self) -> None:
        deadline = self.core.poll_timeout()
        now = self.clock()
        # A deadline may have passed with the timer still far off, when the host was suspended meanwhile. Once it is set
        # for that it stays: to set it again with each packet would put it off for as long as some arrive.
        is_in_time = deadline is not None and (deadline > now or self._is_due)
        if is_in_time and deadline == self._armed and self._timer is not None:
            return
        self._disarm()
        if deadline is None or self.is_closed:
            return
        # Relative, because the loop's clock is another one than the agent's.
        wait = min(max(deadline - now, 0), LONGEST_SLEEP_NS)
        self._armed, self._is_due = deadline, deadline <= now
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
        with self.ending_at_bugs():
            self.core.handle_timeout(now)
        self.flush()


def _is_bound_to(candidate: UdpSocket, wanted: Endpoint) -> bool:
    return candidate.local[0] == wanted.host and wanted.port in (0, candidate.local[1])


_HEADER = 20
"""Bytes of the header of a STUN message, with its transaction id."""
