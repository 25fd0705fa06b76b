"""The frame of the command line: options, exit codes, errors, and the screen."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import libstun
from cli_support import ANSWER, CLIENT, ENVIRONMENT, REQUEST, SERVER, ethernet, pcap, read_terminal, udp
from libstun.cli import COMMANDS, Screen, main
from libstun.cli.screen import Node, cells, printable


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Runs the command as a process of its own."""
    command = [sys.executable, "-m", "libstun", *arguments]
    return subprocess.run(command, capture_output=True, timeout=120, env={**ENVIRONMENT, **environment}, check=False)


def on_terminal(*arguments: str, **environment: str) -> str:
    """What the command prints on a terminal."""
    return read_terminal([sys.executable, "-m", "libstun", *arguments], **environment)


def test_help_names_every_command_that_is_there_and_gives_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for name in ("decode", "trace"):
        assert re.search(rf"^    {name} +{COMMANDS[name]}$", text, re.MULTILINE)
    assert "examples:" in text


@pytest.mark.parametrize("command", ["decode", "trace"])
def test_help_of_a_command_has_examples_and_the_common_options(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert "examples:" in text
    assert "--json" in text
    assert "--color {auto,always,never}" in text
    assert f"libstun {command} " in text


def test_help_imports_no_command_and_nothing_heavy() -> None:
    script = (
        "import sys; from libstun.cli import main; main(['--help']);"
        "print(sorted(set(sys.modules) & {'rich', 'asyncio', 'libstun.aio', 'libstun.cli.decode'}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.endswith("\n[]\n")


def test_version_is_the_library_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"libstun {libstun.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["nonsense"], "invalid choice: 'nonsense'"),
        (["decode"], "the following arguments are required: INPUT"),
        (["decode", "--color", "pink", "00"], "invalid choice: 'pink'"),
        (["decode", "--filter", "192.0.2.1", "0001"], "--filter is for captures, and the message is none"),
        (["trace", "--filter", "192.0.2.1", "--simulate", "loss"], "--filter is for captures"),
        (["trace"], "one of the arguments INPUT --simulate is required"),
        (["trace", "--simulate", "peace"], "invalid choice: 'peace'"),
        (["trace", "--simulate", "loss", "--json", "--svg", "-"], "would both write to the standard output"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("libstun: ")
    assert complaint in err


def test_an_error_of_the_system_is_one_line_with_the_name_of_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "missing" / "out.svg"
    assert main(["trace", "--simulate", "binding", "--svg", str(target)]) == 1
    assert capsys.readouterr().err == f"libstun: {target}: No such file or directory\n"


def test_a_hostile_argument_cannot_move_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "\x1b[2Jx\ny"]) == 1
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert "\\x1b[2Jx" in err


def test_ctrl_c_is_exit_code_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("libstun.cli.decode.describe", interrupted)
    assert main(["decode", REQUEST.hex()]) == 130


def test_a_broken_pipe_ends_quietly(tmp_path: Path) -> None:
    capture = tmp_path / "long.pcap"
    capture.write_bytes(pcap([ethernet(udp(CLIENT, SERVER, REQUEST))] * 20_000))
    process = subprocess.Popen(
        [sys.executable, "-m", "libstun", "decode", str(capture)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline().startswith(b"#1 ")
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(120) == 141
    process.stderr.close()


@pytest.mark.parametrize("arguments", [["decode", ANSWER.hex()], ["decode", "--json", ANSWER.hex()]])
def test_a_full_disk_is_an_error_of_one_line(arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "libstun", *arguments]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr == b"libstun: No space left on device\n"


@pytest.mark.parametrize(
    ("closed", "what", "expected"),
    [
        ("0<&-", "decode -", (1, b"", b"libstun: the standard input: empty\n")),
        ("0<&-", "trace -", (1, b"", b"libstun: the standard input: empty\n")),
        ("1>&-", f"decode {ANSWER.hex()}", (0, b"", b"")),
        ("1>&-", "trace --simulate loss --svg -", (0, b"", b"")),
        ("2>&-", "decode nonsense", (1, b"", b"")),
        ("2>&-", "trace nonsense", (1, b"", b"")),
        ("2>&-", "trace --nonsense", (2, b"", b"")),
        ("0<&- 1>&- 2>&-", "decode -", (1, b"", b"")),
    ],
)
def test_streams_may_be_closed(closed: str, what: str, expected: tuple[int, bytes, bytes]) -> None:
    command = ["bash", "-c", f'exec {closed}; "{sys.executable}" -X dev -W error -m libstun {what}']
    done = subprocess.run(command, capture_output=True, timeout=120, env=ENVIRONMENT, check=False)
    assert (done.returncode, done.stdout, done.stderr) == expected


def test_json_may_stand_before_and_after_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--json", "decode", REQUEST.hex()], ["decode", "--json", REQUEST.hex()]):
        assert main(arguments) == 0
        assert json.loads(capsys.readouterr().out)["method"] == "Binding"


def test_json_to_a_pipe_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "--json", ANSWER.hex()]) == 0
    assert capsys.readouterr().out.count("\n") == 1


def test_a_terminal_gets_colours_and_a_pipe_does_not() -> None:
    assert "\x1b[" in on_terminal("decode", REQUEST.hex())
    assert b"\x1b[" not in run("decode", REQUEST.hex()).stdout


def test_no_color_and_never_mean_no_colours() -> None:
    assert "\x1b[" not in on_terminal("decode", REQUEST.hex(), NO_COLOR="1")
    assert "\x1b[" not in on_terminal("decode", "--color", "never", REQUEST.hex())
    assert "\x1b[" not in on_terminal("decode", REQUEST.hex(), TERM="dumb")


def test_always_colours_pipes_too() -> None:
    done = run("decode", "--color", "always", REQUEST.hex(), NO_COLOR="1")
    assert b"\x1b[" in done.stdout


def test_with_and_without_colours_the_text_is_the_same() -> None:
    plain = run("decode", ANSWER.hex()).stdout.decode()
    colored = run("decode", "--color", "always", ANSWER.hex()).stdout.decode()
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain


def test_without_rich_everything_works_in_plain_text() -> None:
    script = (
        "import sys; sys.modules['rich'] = None; import importlib.util as util; real = util.find_spec;"
        "util.find_spec = lambda name, *rest: None if name == 'rich' else real(name, *rest);"
        "from libstun.cli import main; code = main(sys.argv[1:]); sys.exit(code)"
    )
    command = [sys.executable, "-c", script]
    arguments = ["decode", "--color", "always", ANSWER.hex()]
    done = subprocess.run([*command, *arguments], capture_output=True, timeout=120, env=ENVIRONMENT, check=True)
    assert done.stdout == run("decode", ANSWER.hex()).stdout
    assert done.stderr == b'libstun: colours need "rich": pip install "libstun[cli]"\n'
    shown = subprocess.run([*command, "--help"], capture_output=True, timeout=120, env=ENVIRONMENT, check=True)
    assert shown.stdout.count(b'pip install "libstun[cli]"') == 1


def test_an_encoding_without_lines_gets_ascii() -> None:
    done = run("decode", ANSWER.hex(), PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert b"`- XOR-MAPPED-ADDRESS" in done.stdout
    drawn = run("trace", "--simulate", "loss", PYTHONIOENCODING="ascii")
    assert drawn.returncode == 0
    assert drawn.stdout.isascii()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "utf-8"])
def test_json_is_json_in_any_encoding_whatever_the_network_says(encoding: str) -> None:
    hostile = 'é マ 😀 \x9b2J\x1b[31m\u202etxt\x7f\x85"\\'
    message = libstun.MessageBuilder(libstun.MessageClass.REQUEST, 1, bytes(12))
    message.add(libstun.attribute_type("SOFTWARE"), hostile).add(libstun.attribute_type("USERNAME"), hostile)
    done = run("decode", "--json", bytes(message).hex(), PYTHONIOENCODING=encoding)
    assert done.stdout.rstrip().decode("ascii").isprintable()
    assert [one["value"] for one in json.loads(done.stdout)["attributes"]] == [hostile, hostile]


def test_long_lines_wrap_below_their_start_on_terminals() -> None:
    message = libstun.MessageBuilder(libstun.MessageClass.REQUEST, 1, bytes(12))
    message.add(libstun.attribute_type("SOFTWARE"), "a word and " * 20)
    lines = on_terminal("decode", bytes(message).hex(), NO_COLOR="1").splitlines()
    assert max(map(len, lines)) <= 80
    start = next(line.index('"') for line in lines if "SOFTWARE" in line)
    following = lines[lines.index(next(line for line in lines if "SOFTWARE" in line)) + 1]
    assert following[:start].strip() == ""
    assert following[start] != " "


@pytest.mark.parametrize("columns", ["1", "20", "0", "nonsense"])
def test_a_terminal_however_narrow_shows_every_value(columns: str) -> None:
    shown = on_terminal("decode", ANSWER.hex(), NO_COLOR="1", COLUMNS=columns)
    assert "203.0.113.9:4242" in shown
    drawn = on_terminal("trace", "--simulate", "loss", NO_COLOR="1", COLUMNS=columns)
    assert "10.0.0.1:5000" in drawn.split("lost", 1)[1]
    assert "Traceback" not in shown + drawn


def test_a_table_has_columns_as_wide_as_their_cells(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(color="never").table(["server", "ms"], [["a.example", "5"], [("マト", "value"), "120"]], right=[1])
    assert capsys.readouterr().out == "server      ms\na.example    5\nマト       120\n"


def test_with_json_only_data_prints(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(color="never", json=True)
    screen.line("text")
    screen.heading("text")
    screen.table(["text"], [["text"]])
    screen.tree(Node(["text"]))
    screen.data({"bytes": b"\x01\x02", "failure": libstun.Failure(reason=libstun.FailureReason.TIMEOUT)})
    record = json.loads(capsys.readouterr().out)
    assert record["bytes"] == "0102"
    assert record["failure"]["reason"] == "timeout"


def test_without_json_data_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(color="never").data({"a": 1})
    assert capsys.readouterr().out == ""


def test_a_status_shows_nothing_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(color="never")
    with screen.status("waiting") as status:
        status.update("still waiting")
        screen.line("result")
    assert capsys.readouterr() == ("result\n", "")


def test_work_that_takes_long_shows_a_status_on_a_terminal() -> None:
    script = (
        "import time; from libstun.cli import Screen; screen = Screen()\n"
        "with screen.status('asking'): time.sleep(1.5)\n"
        "screen.line('done')"
    )
    for color in ({}, {"NO_COLOR": "1"}):
        output = read_terminal([sys.executable, "-c", script], **color)
        assert "asking" in output
        assert "done" in output


def test_what_is_not_printable_becomes_an_escape() -> None:
    assert printable("a\x1b]0;title\x07\u202e\ud800") == "a\\x1b]0;title\\x07\\u202e\\ud800"
    assert printable("マトリックス") == "マトリックス"


def test_wide_letters_take_two_columns() -> None:
    assert cells("マ") == 2
    assert cells("e\u0301") == 1


def test_standard_output_that_is_no_file_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    assert main(["decode", REQUEST.hex()]) == 0
    assert output.getvalue().startswith("Binding request")
