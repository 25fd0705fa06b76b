"""ICMP errors of a UDP socket that is not connected: which datagram came back, and why.

`DatagramProtocol.error_received()` gives an errno and no destination. Linux keeps the whole story in the socket's error
queue, if asked with IP_RECVERR. Elsewhere nothing is reported, and timeouts tell.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from dataclasses import dataclass

from ..aliases import Address

__all__ = ["Bounce", "disable", "drain", "enable"]

MAX_DRAINED = 256
"""Errors read at a time, so that a flood of them does not hold up the loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounce:
    """A datagram that did not arrive."""

    destination: Address
    error: OSError
    data: bytes
    """The beginning of the datagram, as far as it was quoted."""
    is_hard: bool = True
    """Whether a request has failed by it (RFC 8489 s6.2.1, RFC 1122 s4.2.3.9): other errors may pass."""


def enable(sock: socket.socket) -> bool:
    """Has the kernel queue ICMP errors. Says whether it does."""
    return _set(sock, 1)


def disable(sock: socket.socket) -> None:
    """Undoes `enable()`, and forgets what is queued."""
    _set(sock, 0)


def drain(sock: socket.socket) -> tuple[int, list[Bounce]]:
    """Empties the error queue. Returns how many errors were queued, and what is known of them."""
    count, bounces = 0, []
    while sys.platform == "linux" and count < MAX_DRAINED:
        try:
            data, ancillary, _, destination = sock.recvmsg(_QUOTE, _ANCILLARY, socket.MSG_ERRQUEUE)
        except OSError:
            break  # EAGAIN: nothing more
        count += 1
        for level, kind, content in ancillary:
            found = _error(level, kind, content)
            if found is not None:
                bounces.append(Bounce(destination=destination, error=found[0], data=data, is_hard=found[1]))
    return count, bounces


def _set(sock: socket.socket, value: int) -> bool:
    if sys.platform != "linux":
        return False
    try:
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, value)
            if not sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
                sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, value)
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, value)
    except OSError:
        return False
    return True


def _error(level: int, kind: int, content: bytes) -> tuple[OSError, bool] | None:
    """An error, and whether it is a hard one."""
    is_ours = (level, kind) in ((socket.IPPROTO_IP, _IP_RECVERR), (socket.IPPROTO_IPV6, _IPV6_RECVERR))
    if not is_ours or len(content) < _EXTENDED_ERROR.size:
        return None
    number, origin, icmp_type, code, _, _, _ = _EXTENDED_ERROR.unpack_from(content)
    return OSError(number, os.strerror(number)), code in _HARD.get((origin, icmp_type), ())


# The values of linux/in.h and linux/in6.h: the socket module has names for them only since Python 3.14.
_IP_RECVERR = 11
_IPV6_RECVERR = 25

# struct sock_extended_err of linux/errqueue.h: errno, origin, type, code, padding, info, data.
_EXTENDED_ERROR = struct.Struct("=IBBBBII")
_ORIGIN_ICMP = 2
_ORIGIN_ICMP6 = 3

# By origin and ICMP type, the codes that are hard: what Linux takes for fatal to a connection as well. "Host
# unreachable" and its like are soft, and "fragmentation needed" is of the path's discovery of its MTU.
_HARD = {
    (_ORIGIN_ICMP, 3): frozenset({2, 3, 6, 7, 8, 9, 10, 13, 14, 15}),
    (_ORIGIN_ICMP6, 1): frozenset({1, 4, 5, 6}),
}

_QUOTE = 1500
_ANCILLARY = 512
