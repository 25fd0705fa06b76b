"""Small things that the shell cannot do with sockets.

    net.py ports N          N ports that are free for UDP and TCP on loopback, in one line
    net.py range N          the first of N consecutive such ports, beyond those that the system gives away
    net.py has-ipv6         exit code 0 if this machine has ::1
    net.py ask HOST PORT    sends the hexadecimal datagram on standard input over UDP, and prints the answer in
                            hexadecimal, or "silence" after half a second
"""

import random
import socket
import sys


def free_ports(count):
    """All are held until the last one is found, so that no port comes twice."""
    held, ports = [], []
    while len(ports) < count:
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        tcp.bind(("127.0.0.1", 0))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        held += [tcp, udp]
        try:
            udp.bind(("127.0.0.1", tcp.getsockname()[1]))
        except OSError:
            continue
        ports.append(tcp.getsockname()[1])
    return ports


def free_range(count):
    """Somewhere at random, so that two who search at the same time find different ones."""
    while True:
        first = random.randrange(10000, 32000 - count, 2)
        if all(is_free(port) for port in range(first, first + count)):
            return first


def is_free(port):
    for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def ask(host, port, datagram):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asker:
        asker.settimeout(0.5)
        asker.sendto(datagram, (host, port))
        try:
            return asker.recvfrom(2000)[0].hex()
        except TimeoutError:
            return "silence"


def main(arguments):
    if arguments[:1] == ["ports"]:
        print(*free_ports(int(arguments[1])))
    elif arguments[:1] == ["range"]:
        print(free_range(int(arguments[1])))
    elif arguments[:1] == ["has-ipv6"]:
        return 0 if has_ipv6() else 1
    elif arguments[:1] == ["ask"]:
        print(ask(arguments[1], int(arguments[2]), bytes.fromhex(sys.stdin.read())))
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
