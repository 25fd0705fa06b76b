"""The commands that talk to the network, as people run them, against servers on loopback."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from aio_support import (
    LONG_TERM,
    SAFETY,
    certificate,
    closed_port,
    coturn,
    free_ports,
    needs_coturn,
    needs_ipv6,
    silent_socket,
)
from libstun.cli import main

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
pytestmark = posix_only


def command(*words: str) -> list[str]:
    return [sys.executable, "-X", "dev", "-W", "error", "-m", "libstun", *words]


def libstun(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), capture_output=True, text=True, timeout=SAFETY, check=False)


def as_json(*words: str) -> Any:
    done = libstun(*words, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


@contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def line_of(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.stderr.read() if process.stderr else ""
    return json.loads(line)


@contextmanager
def a_server(*words: str) -> Iterator[str]:
    """Our own, with its address."""
    with started("serve", "--json", *(words or ("--listen", "127.0.0.1:0"))) as process:
        ready = line_of(process)
        assert ready["event"] == "ready"
        yield ready["addresses"][0]


def test_serve_counts_until_it_is_interrupted() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        with started("serve", "--json", "--listen", "127.0.0.1:0") as process:
            address = line_of(process)["addresses"][0]
            as_json("address", address)
            process.send_signal(number)
            assert line_of(process) == {"event": "ended", "received": 1, "answered": 1, "dropped": {}}
            assert process.wait(SAFETY) == 0


def test_serve_says_for_people_where_it_listens() -> None:
    with started("serve", "--listen", "127.0.0.1:0") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listening on 127.0.0.1:")
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "0 messages, 0 answers\n"
        assert process.wait(SAFETY) == 0


def test_serve_answers_a_realms_users_only() -> None:
    with a_server("--listen", "127.0.0.1:0", "--realm", "example.org", "--user", "alice:s3cret") as server:
        assert libstun("address", server).returncode == 1
        found = as_json("address", server, "--user", "alice", "--password", "s3cret")
        assert found["servers"][0]["address"].startswith("127.0.0.1:")


def test_passwords_need_not_stand_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users = tmp_path / "users"
    users.write_text("# who may ask\n\nalice:s3cret:with a colon\nbob:other\n", "utf-8")
    words = ("--listen", "127.0.0.1:0", "--realm", "example.org", "--users", str(users))
    with a_server(*words) as server:
        monkeypatch.setenv("LIBSTUN_PASSWORD", "s3cret:with a colon")
        assert as_json("address", server, "--user", "alice")["servers"][0]["address"]
        assert libstun("address", server, "--timeout", "2").returncode == 1, "the variable alone names no user"
        assert libstun("address", server, "--user", "bob").returncode == 1
        assert as_json("address", server, "--user", "bob", "--password", "other")["servers"][0]["address"]
    with a_server("--listen", "127.0.0.1:0", "--realm", "example.org", "--user", "alice") as server:
        assert as_json("address", server, "--user", "alice")["servers"][0]["address"]


def test_a_line_of_users_that_is_none_is_said_and_not_shown(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("alice:s3cret\nnot so s3cret\n", "utf-8")
    done = libstun("serve", "--realm", "example.org", "--users", str(users))
    assert (done.returncode, done.stderr) == (2, f"libstun: {users}: line 2 is not NAME:PASSWORD\n")


def test_serve_that_cannot_listen_says_where() -> None:
    with silent_socket() as (host, port):
        done = libstun("serve", "--listen", f"{host}:{port}")
    assert done.returncode == 1
    assert done.stderr == f"libstun: cannot bind {host} port {port}: Address already in use\n"


@pytest.mark.parametrize(
    "words",
    [
        ("serve", "--realm", "example.org"),
        ("serve", "--user", "alice:s3cret"),
        ("serve", "--realm", "example.org", "--user", "alice"),
        ("serve", "--listen", "localhost:3478"),
        ("serve", "--alternate", "127.0.0.2:3479"),
        ("serve", "--listen", "127.0.0.1:3478", "--alternate", "127.0.0.2:3478"),
        ("address", "--user", "alice"),
        ("address", "--password", "s3cret"),
        ("address", "--timeout", "never"),
        ("address", "--every", "5"),
        ("address", "--watch", "--tcp"),
        ("address", "--watch", "stuns:localhost"),
        ("address", "-4", "-6"),
        ("address", "-4", "--local", "127.0.0.1"),
        ("address", "[::1"),
        ("nat", "stun:"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(words: tuple[str, ...]) -> None:
    done = libstun(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("libstun: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["address", "nat", "serve"])
def test_the_help_has_examples(name: str) -> None:
    done = libstun(name, "--help")
    assert "LIBSTUN_PASSWORD" in done.stdout
    assert done.returncode == 0
    assert f"examples:\n  libstun {name}" in done.stdout
    assert "Exit code: 0" in done.stdout


def test_address_shows_every_server() -> None:
    with a_server() as server:
        host, port = closed_port()
        done = libstun("address", server, f"{host}:{port}", "--timeout", "2")
        assert done.returncode == 0
        lines = done.stdout.splitlines()
        assert lines[0].split() == ["server", "public", "address", "round", "trip"]
        assert server in lines[1] and "127.0.0.1:" in lines[1].replace(server, "") and lines[1].endswith(" ms")
        assert f"{host}:{port}" in lines[2] and "none" in lines[2]


def test_address_compares_what_servers_see() -> None:
    with a_server() as one, a_server("--listen", "127.0.0.2:0") as two:
        found = as_json("address", one, two, "--local", "127.0.0.1")
        assert found["mapping"] == "same-everywhere"
        assert len({entry["address"] for entry in found["servers"]}) == 1
        assert [entry["name"] for entry in found["servers"]] == [one, two]
        assert all(entry["rtt_ms"] > 0 and entry["error"] is None for entry in found["servers"])
        assert "peers can be told it" in libstun("address", one, two, "--local", "127.0.0.1").stdout


@needs_ipv6
def test_address_asks_both_families_or_one() -> None:
    port = free_ports(1)[0]
    with a_server("--listen", f"127.0.0.1:{port}", "--listen", f"[::1]:{port}"):
        names = (f"127.0.0.1:{port}", f"[::1]:{port}")
        for option, families in ([], ["ipv4", "ipv6"]), (["-4"], ["ipv4"]), (["-6"], ["ipv6"]):
            found = as_json("address", *names, *option)["servers"]
            answered = [entry for entry in found if entry["address"]]
            assert [entry["family"] for entry in answered] == families
            assert all(entry["address"].startswith(("127.0.0.1:", "[::1]:")) for entry in answered)
            assert [bool(entry["error"]) for entry in found].count(True) == 2 - len(families)


def test_address_that_finds_nothing_fails() -> None:
    with silent_socket() as (host, port):
        done = libstun("address", f"{host}:{port}", "--timeout", "0.2")
    assert done.returncode == 1
    assert "no answer within 0.2 s" in done.stdout
    done = libstun("address", "does-not-exist.invalid", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["servers"][0]["error"]


def test_address_watches_until_it_is_interrupted() -> None:
    with a_server() as server, started("address", "--watch", "--every", "1", "--json", server) as process:
        first, second = line_of(process), line_of(process)
        assert (first["event"], second["event"]) == ("found", "same")
        assert first["address"] == second["address"]
        process.send_signal(signal.SIGINT)
        assert process.wait(SAFETY) == 0
        assert process.stderr is not None and process.stderr.read() == ""


def test_address_tells_when_a_watched_server_falls_silent() -> None:
    with a_server() as server:
        watching = started("address", "--watch", "--every", "1", server)
        process = watching.__enter__()
        assert process.stdout is not None
        assert "found" in process.stdout.readline()
    # The server is gone, and the host says that nobody listens there.
    assert "lost" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(SAFETY) == 1, "there is no address now"
    watching.__exit__(None, None, None)


@needs_coturn
def test_address_asks_over_tcp(tmp_path: Path) -> None:
    with coturn(tmp_path, *LONG_TERM, "secure-stun") as port:
        server = f"127.0.0.1:{port}"
        alice = ("--user", "alice", "--password", "s3cret")
        found = as_json("address", "--tcp", *alice, server)
        assert found["servers"][0]["address"].startswith("127.0.0.1:")
        assert "s3cret" not in json.dumps(found)
        done = libstun("address", "--tcp", f"127.0.0.1:{free_ports(1)[0]}")
        assert done.returncode == 1
        assert "Connection refused" in done.stdout
        found = as_json("address", f"stun:127.0.0.1:{port}", f"turn:127.0.0.1:{port}?transport=tcp", *alice)["servers"]
        assert [entry["transport"] for entry in found] == ["udp", "tcp"]
        assert all(entry["address"] for entry in found)


@needs_coturn
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is missing")
def test_address_trusts_no_certificate_of_its_own_making(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    secure = free_ports(1)[0]
    with coturn(tmp_path, f"tls-listening-port={secure}", f"cert={cert}", f"pkey={key}", "no-auth"):
        done = libstun("address", f"stuns:localhost:{secure}")
        assert done.returncode == 1
        assert "certificate verify failed" in done.stdout
        trusting = subprocess.run(
            command("address", f"stuns:localhost:{secure}", "--json"),
            capture_output=True, text=True, timeout=SAFETY, check=True, env={**os.environ, "SSL_CERT_FILE": str(cert)},
        )  # fmt: skip
        assert json.loads(trusting.stdout)["servers"][0]["address"].startswith("127.0.0.1:")


def test_nat_reports_what_our_server_tells() -> None:
    one, two = free_ports(2)
    words = ("--listen", f"127.0.0.1:{one}", "--alternate", f"127.0.0.2:{two}")
    with a_server(*words) as server:
        report = as_json("nat", server, "--timeout", "10")
        assert report["server"] == server
        assert report["other_address"] == f"127.0.0.2:{two}"
        assert report["mapped"] == report["local"]
        assert report["filtering"]["value"] == "endpoint-independent"
        done = libstun("nat", server, "--timeout", "10")
    assert done.returncode == 0
    lines = {line.split("  ")[0]: line for line in done.stdout.splitlines() if not line.startswith(" ")}
    assert "open" in lines["connectivity"]
    assert "endpoint-independent" in lines["filtering"]
    assert "confidence" in lines["mapping"]


def test_nat_without_an_answer_fails() -> None:
    host, port = closed_port()
    done = libstun("nat", f"{host}:{port}", "--timeout", "1")
    assert done.returncode == 1
    assert done.stdout.startswith("server")
    done = libstun("nat", "does-not-exist.invalid")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "libstun: no server to ask"


def test_a_datagram_that_is_no_stun_is_not_answered() -> None:
    with a_server() as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        host, _, port = server.partition(":")
        sock.sendto(b"hello", (host, int(port)))
        as_json("address", server)  # that one is answered, after the other has been looked at
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(100)


def test_nat_refuses_servers_that_are_not_asked_over_udp(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nat", "stuns:stun.example.org"]) == 2
    assert "asked over TCP or TLS" in capsys.readouterr().err
