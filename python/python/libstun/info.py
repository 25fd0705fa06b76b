"""What is known of a relay now: snapshots that an agent gives."""

from __future__ import annotations

from dataclasses import dataclass

from .aliases import Address
from .enums import Transport

__all__ = ["AllocationInfo", "RelayPoolInfo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationInfo:
    """What is known of an allocation now."""

    is_allocated: bool
    """Whether the server relays, so that `Agent.send_to_peer()` can work."""
    relayed: Address | None
    """The relayed address, of two the IPv4 one."""
    additional: Address | None
    """The other one, of the other family."""
    mapped: Address | None
    server: Address
    """Another than the host named, if it has redirected."""
    local: Address
    transport: Transport
    expires_ns: int | None
    """When the server takes the relay back unless it is refreshed, which happens long before."""
    rtt_ns: int | None
    """The smoothed round trip to the server."""
    dropped_events: int
    """Events that were dropped because nobody polled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayPoolInfo:
    """What is known of a pool now."""

    selected: int | None
    """The relay through which data goes."""
    relay_count: int
    """How many there are, spares and those that have failed among them."""
    ready_count: int
    """How many of them have a relayed address now."""
    relayed: Address | None
    additional: Address | None
    dropped_events: int
