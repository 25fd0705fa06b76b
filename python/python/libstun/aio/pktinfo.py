"""Which of the host's addresses a datagram has come to, on sockets that are bound to all of them.

A server has to answer from the address that was asked: clients believe no other. A socket that is bound to the wildcard
address sends from whichever one the system chooses. Linux says what a datagram came to, and takes what another is to be
sent from; elsewhere bind such sockets to one address each.
"""

from __future__ import annotations

import socket
import struct
import sys
from ipaddress import IPv4Address, IPv6Address

from ..aliases import Address

__all__ = ["ANCILLARY", "destination", "enable", "send_from"]

ANCILLARY = 128
"""Bytes of ancillary data to have room for."""


def enable(sock: socket.socket) -> bool:
    """Has the kernel tell. Says whether it does."""
    if sys.platform != "linux":
        return False
    try:
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    except OSError:
        return False
    return True


def destination(ancillary: list[tuple[int, int, bytes]], bound: Address) -> Address:
    """Where a datagram came to, which was received with `ancillary` on a socket that is bound to `bound`."""
    for level, kind, content in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO) and len(content) >= _PKTINFO.size:
            _, own, _ = _PKTINFO.unpack_from(content)
            return (str(IPv4Address(own)), bound[1])
        if (level, kind) == (socket.IPPROTO_IPV6, _IPV6_PKTINFO) and len(content) >= _PKTINFO6.size:
            own, interface = _PKTINFO6.unpack_from(content)
            ip = IPv6Address(own)
            return (str(ip), bound[1], 0, interface if ip.is_link_local else 0)
    return bound


def send_from(sock: socket.socket, data: bytes, remote: Address, local: Address) -> None:
    """Sends a datagram from one of the host's addresses. Raises OSError."""
    if len(local) == 4:
        content = _PKTINFO6.pack(IPv6Address(local[0]).packed, local[3])
        ancillary = (socket.IPPROTO_IPV6, _IPV6_PKTINFO, content)
    else:
        content = _PKTINFO.pack(0, IPv4Address(local[0]).packed, bytes(4))
        ancillary = (socket.IPPROTO_IP, _IP_PKTINFO, content)
    sock.sendmsg([data], [ancillary], 0, remote)


# The values of linux/in.h and linux/in6.h: the socket module has names for all of them only since Python 3.14.
_IP_PKTINFO = 8
_IPV6_RECVPKTINFO = 49
_IPV6_PKTINFO = 50

# struct in_pktinfo: interface, the host's own address, the address in the header; and struct in6_pktinfo.
_PKTINFO = struct.Struct("=i4s4s")
_PKTINFO6 = struct.Struct("=16si")
