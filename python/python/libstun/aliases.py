"""The types of arguments and results that have no class of their own, for annotations."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

from . import _native

__all__ = ["Address", "AddressLike", "AttributeValue", "Host", "PathLike"]

Address: TypeAlias = tuple[str, int] | tuple[str, int, int, int]
"""What the library gives: `(host, port)` for IPv4 and `(host, port, 0, scope_id)` for IPv6, as sockets do."""

Host: TypeAlias = str | IPv4Address | IPv6Address
"""An IP address; never a name."""

AddressLike: TypeAlias = tuple[Host, int] | tuple[Host, int, int, int]
"""What the library takes: the host as text or from `ipaddress`, with two or four parts."""

PathLike: TypeAlias = _native.Path | AddressLike
"""A path, or the address of its other end, over UDP: see `Path` for when that is enough."""

AttributeValue: TypeAlias = (
    bool | int | str | bytes | Address | _native.ErrorCode | tuple[int, ...] | tuple[tuple[int, bytes], ...] | None
)
"""What `Attribute.decode()` gives."""
