"""Operations of an agent as objects that are awaited and iterated over."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from ..errors import StateError, UnknownOperationError
from ..events import Event, Failed, Retrying
from .driver import Driver
from .errors import OperationFailed

__all__ = ["EventStream", "Operation"]

MAX_EVENTS = 1024
"""Events that are kept for a reader. Of more, the oldest are dropped."""

Found = TypeVar("Found")


class EventStream(AsyncIterator[Event]):
    """Events in the order in which they happen: `async for event in stream`. Ends with the operation or the agent."""

    def __init__(self) -> None:
        self.dropped = 0
        """Events that nobody has read in time."""
        self._events: deque[Event] = deque()
        self._waiters: set[asyncio.Future[None]] = set()
        self._has_ended = False
        self._driver: Driver | None = None

    def push(self, event: Event) -> None:
        """Something has happened. For the driver."""
        if len(self._events) >= MAX_EVENTS:
            self._events.popleft()
            self.dropped += 1
        self._events.append(event)
        self.wake()

    def end(self) -> None:
        """Nothing will happen any more. For the driver."""
        self._has_ended = True
        self.wake()

    async def __anext__(self) -> Event:
        return await self.until(self._next)

    def _next(self) -> Event | None:
        if self._events:
            return self._events.popleft()
        if self._has_ended:
            raise StopAsyncIteration
        return None

    async def until(self, check: Callable[[], Found | None]) -> Found:
        """Waits until `check()`, which is asked whenever something has happened, gives something or raises.

        Raises StateError on another loop than the agent's.
        """
        if self._driver is not None and not self._driver.is_closed:
            self._driver.check_loop()
        while True:
            found = check()
            if found is not None:
                return found
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)

    def wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)


class SomeEvents(EventStream):
    """The events of one operation, or of all, for whoever asks."""

    def __init__(self, driver: Driver, id: int | None) -> None:
        super().__init__()
        self.id = id
        self._driver = driver
        driver.everything.add(self)

    def push(self, event: Event) -> None:
        if self.id is None or event.id == self.id:
            super().push(event)
            if self.id is not None and event.is_last:
                self.end()

    def end(self) -> None:
        super().end()
        assert self._driver is not None
        self._driver.everything.discard(self)


class Operation(EventStream):
    """An operation that runs: iterate over its events, or leave its `async with`, which cancels it."""

    def __init__(self, driver: Driver, id: int) -> None:
        super().__init__()
        self.id = id
        """Its number in the agent."""
        self.last: Event | None = None
        """The last event, once that has come."""
        self._driver: Driver = driver
        self._failure: Failed | Retrying | None = None
        self._work: set[asyncio.Task[None]] = set()
        driver.operations[id] = self

    @property
    def is_running(self) -> bool:
        """Whether events can still come."""
        return not self._has_ended

    def push(self, event: Event) -> None:
        self._notice(event)
        if event.is_last:
            self.last = event
            self._has_ended = True
            self._stop_work()
        super().push(event)

    def cancel(self) -> None:
        """Ends it without another event. Does nothing if it has ended."""
        driver = self._driver
        if not driver.is_closed:
            driver.check_loop()
        self._stop_work()
        driver.operations.pop(self.id, None)
        if not self._has_ended:
            self.end()
            if not driver.is_closed:
                with contextlib.suppress(UnknownOperationError):
                    driver.core.cancel(self.id, driver.now())
                driver.flush()

    async def finished(self) -> Event:
        """Waits for the last event. Raises OperationFailed if that is a failure, StateError if it was cancelled."""
        last = await self.until(self._final)
        if isinstance(last, Failed):
            raise OperationFailed(last.failure)
        return last

    def _notice(self, event: Event) -> None:
        """What a kind of operation wants to know itself."""
        if isinstance(event, Failed | Retrying):
            self._failure = event

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs something that ends with the operation."""
        task = self._driver.spawn(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    def _stop_work(self) -> None:
        for task in list(self._work):
            task.cancel()

    def _final(self) -> Event | None:
        if self.last is None and self._has_ended:
            raise StateError("the operation was cancelled")
        return self.last

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()
