"""What the documentation says is true: its examples run, and nothing public goes without a word."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType

import pytest

import libstun
from libstun import _native
from stubs import methods, read_stub

# The servers of the programs in the readmes, in whose place the tests put one on loopback.
NAMED_SERVER = '"stun.example.org:3478"'
NUMBERED_SERVER = '("192.0.2.1", 3478)'
PROJECT = Path(__file__).resolve().parents[2]


def modules() -> Iterator[ModuleType]:
    """The public modules of the package."""
    yield libstun
    for found in pkgutil.walk_packages(libstun.__path__, "libstun."):
        if not found.name.rpartition(".")[2].startswith("_"):
            yield importlib.import_module(found.name)


def native_docs() -> dict[str, str | None]:
    """The docstrings of what is compiled, under names such as `Agent.poll_event`."""
    stub = read_stub()
    found = {name: getattr(_native, name).__doc__ for name in [*stub.functions, *stub.classes]}
    for name, node in stub.classes.items():
        for member in methods(node):
            if not member.startswith("_"):
                found[f"{name}.{member}"] = inspect.getattr_static(getattr(_native, name), member).__doc__
    return found


def snippets() -> dict[str, str]:
    """The Python of the readmes, under names such as `README.md:42`."""
    found = {}
    for name in ("README.md", "python/README.md"):
        text = (PROJECT / name).read_text()
        for block in re.finditer(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            found[f"{name}:{text.count(chr(10), 0, block.start()) + 1}"] = block[1]
    return found


MODULES = {module.__name__: module for module in modules()}
NATIVE = native_docs()
SNIPPETS = snippets()


@pytest.mark.parametrize("name", sorted(MODULES))
def test_the_examples_of_a_module_work(name: str) -> None:
    for test in doctest.DocTestFinder(exclude_empty=True).find(MODULES[name]):
        assert_works(test)


@pytest.mark.parametrize("name", sorted(name for name, text in NATIVE.items() if ">>>" in (text or "")))
def test_the_examples_of_the_compiled_module_work(name: str) -> None:
    assert_works(doctest.DocTestParser().get_doctest(NATIVE[name] or "", {}, name, None, None))


@pytest.mark.parametrize("name", sorted(NATIVE))
def test_what_is_compiled_and_public_has_a_docstring(name: str) -> None:
    assert NATIVE[name]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_what_a_module_offers_has_a_docstring(name: str) -> None:
    module = MODULES[name]
    assert module.__doc__
    for each in getattr(module, "__all__", ()):
        offered = getattr(module, each)
        if inspect.isclass(offered) or inspect.isroutine(offered):
            # A dataclass without a docstring is given its signature as one.
            assert offered.__doc__, f"{name}.{each}"
            assert not offered.__doc__.startswith(f"{each}("), f"{name}.{each}"


@pytest.mark.parametrize(
    "name", ["Agent", "Key", "Message", "MessageBuilder", "ChannelData", "Path", "Transmit", "Uri"]
)
def test_the_classes_that_people_start_from_show_an_example(name: str) -> None:
    assert ">>>" in (NATIVE[name] or "")


@pytest.mark.parametrize("where", [each for each in SNIPPETS if ">>>" in SNIPPETS[each]])
def test_the_examples_of_a_readme_work(where: str) -> None:
    assert_works(doctest.DocTestParser().get_doctest(SNIPPETS[where], {}, where, None, None))


@pytest.mark.parametrize("where", [each for each in SNIPPETS if ">>>" not in SNIPPETS[each]])
def test_a_program_of_a_readme_finds_the_address(where: str, capsys: pytest.CaptureFixture[str]) -> None:
    program = SNIPPETS[where]
    assert NAMED_SERVER in program or NUMBERED_SERVER in program, "a program that needs another server needs a test"
    with a_server() as port:
        program = program.replace(NAMED_SERVER, f'"127.0.0.1:{port}"')
        program = program.replace(NUMBERED_SERVER, f'("127.0.0.1", {port})')
        exec(compile(program, where, "exec"), {"__name__": "__main__"})
    assert re.search(r"\('127\.0\.0\.1', \d+\)$", capsys.readouterr().out.strip())


@pytest.mark.parametrize("server", [NAMED_SERVER, NUMBERED_SERVER])
@pytest.mark.parametrize("readme", ["README.md", "python/README.md"])
def test_a_readme_shows_asyncio_and_the_form_without_sockets(readme: str, server: str) -> None:
    assert [where for where in SNIPPETS if where.startswith(f"{readme}:") and server in SNIPPETS[where]]


def test_examples_are_documented_programs() -> None:
    for path in (PROJECT / "examples/python").glob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text())), path.name


def assert_works(test: doctest.DocTest) -> None:
    """The examples of one docstring print what they say."""
    report: list[str] = []
    result = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS).run(test, out=report.append)
    assert result.failed == 0, "".join(report)


@contextmanager
def a_server() -> Iterator[int]:
    """A Binding server on loopback; its port."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(0.05)
        is_over = threading.Event()
        thread = threading.Thread(target=serve, args=(sock, is_over))
        thread.start()
        try:
            yield sock.getsockname()[1]
        finally:
            is_over.set()
            thread.join()


def serve(sock: socket.socket, is_over: threading.Event) -> None:
    """Answers what arrives until it is over."""
    agent = libstun.Agent(time.monotonic_ns())
    agent.start_server(libstun.ServerConfig(), time.monotonic_ns())
    while not is_over.is_set():
        try:
            data, client = sock.recvfrom(2048)
        except TimeoutError:
            continue
        agent.handle_input(data, client, time.monotonic_ns())
        for transmit in agent.poll_transmits():
            sock.sendto(transmit.data, transmit.remote)
