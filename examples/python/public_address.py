"""The public address of this host, over IPv4 and IPv6, with asyncio.

    python public_address.py [SERVER...]

Each server is a name or an address, with or without a port, or a stun: URI.
"""

from __future__ import annotations

import asyncio
import sys

from libstun import aio


async def main(servers: list[str]) -> int:
    async with aio.open_agent() as agent:
        result = await agent.survey(servers, timeout=5)
    for answer in result.answers:
        print(f"{answer.server[0]} sees {answer.address[0]} port {answer.address[1]}")
    for failure in result.failures:
        print(f"{failure.server[0]}: {failure.failure}", file=sys.stderr)
    for name, error in result.unresolved.items():
        print(f"{name}: {error}", file=sys.stderr)
    return 0 if result.answers else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:] or ["stun.l.google.com:19302", "stun.cloudflare.com:3478"])))
