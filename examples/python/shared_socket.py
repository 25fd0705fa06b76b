"""An echo service that knows its public address: one UDP socket for it and for the agent.

    python shared_socket.py SERVER [PORT]

Datagrams that are not the agent's come to `Echo`, which answers them from the same socket. The agent keeps the binding
of a NAT alive meanwhile, so that whoever is told the address reaches the service (as far as the NAT lets strangers in).
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from libstun import aio, events


class Echo(asyncio.DatagramProtocol):
    """Sends back whatever comes. It has never heard of STUN."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data, addr)


async def main(server: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    transport, shared = await loop.create_datagram_endpoint(
        lambda: aio.SharedProtocol(Echo()), local_addr=("0.0.0.0", port)
    )
    try:
        async with aio.open_agent(protocol=shared) as agent, agent.keep_binding(server, timeout=10) as binding:
            print(f"echoing on port {agent.addresses[0][1]}, publicly at {binding.address}", flush=True)
            async for event in binding:
                if isinstance(event, events.AddressChanged | events.Retrying):
                    print(event, flush=True)
    finally:
        transport.close()


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(f"usage: {sys.argv[0]} SERVER [PORT]")
    try:
        asyncio.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) == 3 else 0))
    except KeyboardInterrupt:
        pass
    except (aio.OperationFailed, OSError, ValueError) as error:
        sys.exit(f"error: {error}")
