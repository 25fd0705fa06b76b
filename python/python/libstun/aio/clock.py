"""The clock that an agent is told the time of."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Clock", "default_clock"]

Clock: TypeAlias = Callable[[], int]
"""Gives nanoseconds, never fewer than before."""


def default_clock() -> Clock:
    """A monotonic clock that runs on while the host is suspended, where the system has one.

    NATs and relays do not sleep when the host does: with a clock that stands still meanwhile, an agent would take a
    binding for fresh that is long gone.

    >>> clock = default_clock()
    >>> clock() <= clock()
    True
    """
    # CLOCK_MONOTONIC stands still in suspend on Linux, and runs on on macOS.
    name = "CLOCK_MONOTONIC" if sys.platform == "darwin" else "CLOCK_BOOTTIME"
    number = getattr(time, name, None)
    if number is None:
        return time.monotonic_ns
    try:
        time.clock_gettime_ns(number)
    except OSError:
        return time.monotonic_ns
    return lambda: time.clock_gettime_ns(number)
