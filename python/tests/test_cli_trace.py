"""`libstun trace`: diagrams of simulations, golden traces and captures, as text, SVG and JSON."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli_support import ANSWER, CLIENT, REQUEST, SERVER, VECTORS, ethernet, pcap, read_terminal, tcp, udp
from libstun import MessageBuilder, MessageClass
from libstun.cli import main
from libstun.cli.diagram import MAX_STEPS, Diagram, Recorder
from libstun.cli.drawing_svg import CHAR, SMALL_CHAR, draw_svg
from libstun.cli.drawing_text import draw_text
from libstun.cli.keys import Keys
from libstun.cli.screen import cells
from libstun.cli.simulate import SCENARIOS, simulate
from libstun.cli.tracefile import diagram_of_trace

TRACES = sorted((VECTORS / "traces").glob("*.trace"))
SVG = "{http://www.w3.org/2000/svg}"


def trace(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["trace", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def trace_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in trace(capsys, "--json", *arguments).splitlines()]


def text_of(diagram: Diagram, **options: Any) -> list[str]:
    return [
        "".join(span if isinstance(span, str) else span[0] for span in line) for line in draw_text(diagram, **options)
    ]


def test_the_diagram_of_a_lost_answer_is_this(capsys: pytest.CaptureFixture[str]) -> None:
    assert trace(capsys, "--simulate", "loss") == LOSS


def test_a_lost_answer_is_asked_for_again(capsys: pytest.CaptureFixture[str]) -> None:
    steps = trace_json(capsys, "--simulate", "loss")
    messages = [step for step in steps if step["kind"] == "message"]
    assert [(step["time_ns"], step["lost"], step["sent_before"]) for step in messages] == [
        (0, False, 0),
        (20_000_000, True, 0),
        (500_000_000, False, 1),
        (520_000_000, True, 1),
        (1_500_000_000, False, 2),
        (1_520_000_000, False, 2),
    ]
    assert len({step["transaction_id"] for step in messages}) == 1
    assert steps[-1]["text"] == "mapped address 10.0.0.1:5000"


def test_a_challenge_is_answered_and_a_stale_nonce_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    steps = trace_json(capsys, "--simulate", "long-term")
    texts = [step["text"] for step in steps]
    assert [text for text in texts if "error" in text] == [
        "Binding error response 401 (Unauthenticated)",
        "Binding error response 438 (Stale Nonce)",
    ]
    assert sum("mapped address" in text for text in texts) == 2
    signed = [step for step in steps if "MESSAGE-INTEGRITY-SHA256 valid" in step["details"]]
    assert len(signed) == 5


def test_a_silent_server_is_asked_seven_times_and_given_up(capsys: pytest.CaptureFixture[str]) -> None:
    steps = trace_json(capsys, "--simulate", "server-silent")
    assert [step["sent_before"] for step in steps[:-1]] == list(range(7))
    assert steps[-1]["kind"] == "note"
    assert steps[-1]["time_ns"] == 39_500_000_000


def test_a_nat_that_reboots_gives_another_address(capsys: pytest.CaptureFixture[str]) -> None:
    steps = trace_json(capsys, "--simulate", "nat")
    assert steps[-1]["text"] == "mapped address 203.0.113.10:52000, no longer 203.0.113.9:41000"
    assert {step.get("source") for step in steps} >= {"203.0.113.9:41000", "203.0.113.10:52000"}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_is_the_same_every_time_in_another_process_too(name: str) -> None:
    command = [sys.executable, "-m", "libstun", "trace", "--simulate", name, "--svg", "-"]
    drawn = subprocess.run(command, capture_output=True, timeout=120, check=True).stdout
    assert drawn.decode() == draw_svg(simulate(name))


@pytest.mark.parametrize("file", TRACES, ids=lambda file: file.stem)
def test_golden_traces_are_drawn_with_all_their_packets(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = trace_json(capsys, str(file))
    content = file.read_text("ascii")
    packets = len(re.findall(r"^(> input|< transmit) ", content, re.MULTILINE))
    assert sum(step["kind"] == "message" for step in steps) == packets
    assert sum(step["kind"] == "section" for step in steps) == len(re.findall(r"^#", content, re.MULTILINE))
    events = len(re.findall(r"^< event ", content, re.MULTILINE))
    assert sum(step["kind"] == "note" for step in steps) >= events
    text = trace(capsys, str(file))
    assert "client" in text


def test_a_golden_trace_tells_its_story(capsys: pytest.CaptureFixture[str]) -> None:
    text = trace(capsys, str(VECTORS / "traces" / "binding.trace"))
    for part in (
        "Refresh, 25 s after the request. The first send is lost.",
        "Binding request, sent again",
        "● mapped: 203.0.113.9:4242, after 12 ms",
        "● drops it: unknown-transaction",
        "Binding error response 500",
        "● the call is refused",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"libstun-trace 2\n", "not a trace of version 1"),
        (b"libstun-trace 1\n> input x\n", "line 2 is not as the format wants it"),
        (b"libstun-trace 1\n> agent 0 00\n< event 1 mapped\n", "line 3 is not as the format wants it"),
        (b"libstun-trace 1\n# nothing\n", "nothing to draw"),
        (REQUEST, "neither a capture nor a trace"),
    ],
)
def test_what_is_no_trace_is_an_error_of_one_line(
    content: bytes, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.trace"
    file.write_bytes(content)
    assert main(["trace", str(file)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert complaint in err


def test_a_file_that_is_not_there_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "0001"]) == 1
    assert capsys.readouterr().err == "libstun: 0001: no such file\n"


def capture(folder: Path) -> str:
    file = folder / "call.pcap"
    packets = [udp(CLIENT, SERVER, REQUEST), udp(CLIENT, SERVER, REQUEST), udp(SERVER, CLIENT, ANSWER)]
    other = ("10.0.0.9", 1234)
    packets += [tcp(other, SERVER, 0, REQUEST[:10]), tcp(other, SERVER, 15, REQUEST)]
    file.write_bytes(pcap(map(ethernet, packets)))
    return str(file)


def test_a_capture_names_who_asks_and_who_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = trace(capsys, "--filter", "10.0.0.1", capture(tmp_path)).splitlines()
    assert lines[0].split() == ["client", "server"]
    assert lines[1].split() == ["10.0.0.1:5000", "192.0.2.1:3478"]
    assert any("Binding request, sent again" in line for line in lines)
    assert any("0.500 s" in line and "◀" in line for line in lines)


def test_packets_closer_than_a_millisecond_have_times_in_microseconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fast.pcap"
    file.write_bytes(pcap([udp(CLIENT, SERVER, REQUEST), udp(SERVER, CLIENT, ANSWER)], link_type=101, step=0.000223))
    assert "0.000223 s" in trace(capsys, str(file))


def test_what_is_missing_in_a_capture_is_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = trace_json(capsys, capture(tmp_path))
    notes = [step for step in steps if step["kind"] == "note"]
    assert len(notes) == 1
    assert notes[0]["text"].startswith("5 bytes of the stream missing")
    assert notes[0]["at"] == "192.0.2.1:3478"


def test_peers_that_ask_each_other_are_neither_client_nor_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "peers.pcap"
    file.write_bytes(pcap([udp(CLIENT, SERVER, REQUEST), udp(SERVER, CLIENT, REQUEST)], link_type=101))
    assert "client" not in trace(capsys, str(file))


def elements(svg: str, name: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(svg).iter(f"{SVG}{name}"))


def boxes(svg: str) -> list[tuple[float, float, float, float]]:
    """Where each text is: left, top, right, bottom, by the widths that the drawing reckons with."""
    found = []
    for text in elements(svg, "text"):
        kind = text.get("class", "")
        width = float(cells(text.text or ""))
        width *= SMALL_CHAR if any(word in kind for word in ("small", "time", "wait", "said", "lost")) else CHAR
        x, y = float(text.attrib["x"]), float(text.attrib["y"])
        left = x - {"middle": width / 2, "end": width}.get(text.get("text-anchor", ""), 0)
        found.append((left, y - 9, left + width, y + 1))
    return found


def diagrams() -> list[Diagram]:
    golden = [diagram_of_trace(file.name, file.read_bytes(), Keys()) for file in TRACES]
    return [simulate(name) for name in SCENARIOS] + golden


@pytest.mark.parametrize("diagram", diagrams(), ids=lambda diagram: diagram.title.split(":")[0])
def test_no_text_of_an_svg_overlaps_another_or_leaves_the_page(diagram: Diagram) -> None:
    svg = draw_svg(diagram)
    _, _, width, height = map(float, ElementTree.fromstring(svg).attrib["viewBox"].split())
    found = boxes(svg)
    for left, top, right, bottom in found:
        assert min(left, top) >= 0
        assert right <= width
        assert bottom <= height
    for number, (left, top, right, bottom) in enumerate(found):
        for other_left, other_top, other_right, other_bottom in found[:number]:
            apart = right <= other_left or other_right <= left or bottom <= other_top or other_bottom <= top
            assert apart, elements(svg, "text")[number].text


@pytest.mark.parametrize("diagram", diagrams(), ids=lambda diagram: diagram.title.split(":")[0])
def test_all_that_happens_is_in_the_svg_as_text(diagram: Diagram) -> None:
    shown = " ".join(text.text or "" for text in elements(draw_svg(diagram), "text"))
    for step in diagram.steps:
        assert step.title in shown
    for participant in diagram.participants:
        assert participant.address in shown


def test_an_svg_has_colours_for_dark_pages_and_a_view_box() -> None:
    svg = draw_svg(simulate("loss"))
    assert "prefers-color-scheme:dark" in svg
    root = ElementTree.fromstring(svg)
    assert root.attrib["viewBox"] == f"0 0 {root.attrib['width']} {root.attrib['height']}"
    assert root.find(f"{SVG}title") is not None


def test_hostile_text_in_a_message_is_only_text_in_the_svg(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "</text><script>alert(1)</script>&\"'\x00\x1b\ufffe"
    message = MessageBuilder(MessageClass.REQUEST, 1, bytes(12)).add(6, hostile).add(0x8022, hostile)
    error = MessageBuilder(MessageClass.ERROR_RESPONSE, 1, bytes(12)).add_error(400, "<script>x</script>")
    file, svg = tmp_path / "<script>.pcap", tmp_path / "out.svg"
    file.write_bytes(pcap([udp(CLIENT, SERVER, bytes(message)), udp(SERVER, CLIENT, bytes(error))], link_type=101))
    assert trace(capsys, "--svg", str(svg), str(file)) == ""
    drawn = svg.read_text("utf-8")
    names = {element.tag.removeprefix(SVG) for element in ElementTree.fromstring(drawn).iter()}
    assert names == {"svg", "title", "style", "rect", "text", "line", "polygon"}
    assert "<script" not in drawn
    assert any("<script>" in (text.text or "") for text in elements(drawn, "text"))


def test_svg_to_the_standard_output_is_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.svg"
    trace(capsys, "--simulate", "binding", "--svg", str(file))
    assert trace(capsys, "--simulate", "binding", "--svg", "-") == file.read_text("utf-8")


def test_lifelines_stay_in_their_columns() -> None:
    for diagram in diagrams():
        lines = text_of(diagram)
        columns = {column for column, char in enumerate(lines[-1]) if char == "│"}
        assert len(columns) == len(diagram.participants)
        for line in lines:
            assert {column for column, char in enumerate(line) if char in "│┊┼"} <= columns


def test_a_narrow_terminal_gets_a_narrow_diagram() -> None:
    wide, narrow = text_of(simulate("loss")), text_of(simulate("loss"), width=60)
    assert max(map(len, narrow)) <= 60 < max(map(len, wide))
    text = "\n".join(narrow)
    assert "…" not in text
    for part in ("XOR-MAPPED-ADDRESS", "10.0.0.1:5000", "Binding success", "sent again (2)"):
        assert part in text


@pytest.mark.parametrize("width", [1, 20, 40, 60, 80])
def test_however_narrow_the_terminal_no_value_is_cut(width: int) -> None:
    for name in SCENARIOS:
        diagram = simulate(name)
        drawn = re.sub(r"[│┊┼\s]|[0-9.]+ s ", "", "".join(f"{line[14:]}\n" for line in text_of(diagram, width=width)))
        for step in diagram.steps:
            if step.kind == "message":
                for text in (step.title, *step.details):
                    pieces = textwrap.wrap(text, 15, break_on_hyphens=False)
                    assert "".join(pieces[-1].split()) in drawn, (step, width)


def test_a_long_wait_is_told_from_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    lines = trace(capsys, "--simulate", "server-silent").splitlines()
    waits = [line for line in lines if " later" in line]
    assert [re.match(r" *… ([0-9.]+ s later) +┊ +┊$", line) is not None for line in waits] == [True] * len(waits)
    assert "… 16.000 s later" in "".join(waits)
    svg = draw_svg(simulate("server-silent"))
    shown = [text for text in elements(svg, "text") if text.get("class") == "wait"]
    assert [text.text for text in shown] == ["… " + line.split("… ")[1].replace("┊", "").strip() for line in waits]
    assert len([one for one in elements(svg, "rect") if one.get("class") == "gap"]) == len(waits)


def test_a_nonce_is_shortened_and_still_told_from_another(capsys: pytest.CaptureFixture[str]) -> None:
    steps = trace_json(capsys, "--simulate", "long-term")
    nonces = [detail for step in steps for detail in step["details"] if detail.startswith("NONCE")]
    assert all(re.fullmatch(r'NONCE "[^"]{4}…[^"]{8}"', nonce) for nonce in nonces)
    assert len(nonces) == 5
    assert len(set(nonces)) == 2, "the fresh nonce is to be told from the stale one"


def test_a_filter_for_one_exchange_shows_its_values_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nonce = "obMatJos2" + "0123456789" * 9
    file = tmp_path / "challenge.pcap"
    message = MessageBuilder(MessageClass.ERROR_RESPONSE, 1, b"\xab" * 12).add_error(401).add(0x15, nonce)
    file.write_bytes(pcap([udp(SERVER, CLIENT, bytes(message))], link_type=101))
    assert nonce in trace(capsys, "--filter", "abab", str(file))
    assert 'NONCE "obMa…23456789"' in trace(capsys, "--filter", "192.0.2.1", str(file))


def test_a_reason_without_end_does_not_make_the_drawing_wide(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "long.pcap"
    message = MessageBuilder(MessageClass.ERROR_RESPONSE, 1, bytes(12)).add_error(400, "no " * 42)
    file.write_bytes(pcap([udp(SERVER, CLIENT, bytes(message))], link_type=101))
    assert float(ElementTree.fromstring(trace(capsys, "--svg", "-", str(file))).attrib["width"]) < 1000
    assert max(map(len, trace(capsys, str(file)).splitlines())) < 120


def crowd(folder: Path, senders: int, packets: int = 1) -> str:
    file = folder / "crowd.pcap"
    crowd = [("10.1.0.1", 1000 + number) for number in range(senders)]
    sent = [udp(one, SERVER, REQUEST) for one in crowd for _ in range(packets)]
    file.write_bytes(pcap(sent + [udp(crowd[3], SERVER, REQUEST)] * 2, link_type=101))
    return str(file)


def test_a_crowd_is_refused_with_its_number_and_its_busiest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = crowd(tmp_path, 2000)
    for options in ([], ["--json"], ["--svg", "-"]):
        assert main(["trace", *options, file]) == 1
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert "crowd.pcap: 2001 participants are too many to draw, more than 20: try --filter" in err
        assert "are 192.0.2.1:3478 (2002), 10.1.0.1:1003 (3), 10.1.0.1:1000 (1)" in err
        assert len(re.findall(r"\([0-9]+\)", err)) == 5
    assert "Binding request" in trace(capsys, "--filter", "10.1.0.1:1003", file)
    assert "Binding request" in trace(capsys, crowd(tmp_path, 19))


def test_steps_that_are_too_many_are_left_out_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = crowd(tmp_path, 5, 400)
    steps = trace_json(capsys, file)
    assert sum(step["kind"] == "message" for step in steps) == MAX_STEPS
    assert steps[-1]["text"] == "1002 steps more left out: 1000 are drawn"
    assert trace(capsys, file).splitlines()[-2] == steps[-1]["text"]
    svg = trace(capsys, "--svg", "-", file)
    assert steps[-1]["text"] in svg
    assert len(svg) < 1_000_000


def test_drawing_shows_that_it_goes_on() -> None:
    script = (
        "import time; from libstun.cli import main, screen, trace; screen.STATUS_AFTER_S = 0\n"
        "real = trace.draw_svg\n"
        "trace.draw_svg = lambda diagram: (time.sleep(1), real(diagram))[1]\n"
        "main(['trace', '--simulate', 'loss', '--svg', '/dev/null'])"
    )
    assert "drawing 7 steps" in read_terminal([sys.executable, "-c", script])


def test_a_diagram_that_does_not_fit_the_terminal_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libstun.cli.Screen.width", 80)
    file = tmp_path / "many.pcap"
    file.write_bytes(pcap([udp(("10.0.0.1", port), SERVER, REQUEST) for port in range(9)], link_type=101))
    assert main(["trace", str(file)]) == 0
    assert re.search(r"^libstun: the diagram needs \d+ columns: try --filter, or --svg$", capsys.readouterr().err)


def test_without_unicode_the_diagram_is_ascii() -> None:
    assert all(line.isascii() for line in text_of(simulate("loss"), unicode=False))


texts = st.text(max_size=80)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 5), st.binary(max_size=60), st.booleans(), texts), max_size=12
    ),
    texts,
)
def test_any_exchange_can_be_drawn(steps: list[tuple[int, int, bytes, bool, str]], title: str) -> None:
    recorder = Recorder(title)
    for number, (source, destination, data, is_lost, note) in enumerate(steps):
        recorder.message(number * 700_000_000, f"host {source}", f"host {destination}", data, is_lost=is_lost)
        recorder.note(number, f"host {source}", note)
        recorder.section(number, note)
    ElementTree.fromstring(draw_svg(recorder.diagram))
    for width in (None, 80):
        for line in text_of(recorder.diagram, width=width):
            assert line.isprintable()


LOSS = """\
                 client                                                  server
              10.0.0.1:5000                                          192.0.2.1:3478
                    │                                                       │
     0.000 s        │─────────────────── Binding request ──────────────────▶│
                    │                                                       │
     0.020 s        │        lost ✕─────── Binding success response ────────│
                    │           XOR-MAPPED-ADDRESS 10.0.0.1:5000            │
                    │                                                       │
     0.500 s        │╌╌╌╌╌╌╌╌╌╌╌╌╌ Binding request, sent again ╌╌╌╌╌╌╌╌╌╌╌╌▶│
                    │                                                       │
     0.520 s        │        lost ✕╌ Binding success response, sent again ╌╌│
                    │           XOR-MAPPED-ADDRESS 10.0.0.1:5000            │
                    │                                                       │
     1.500 s        │╌╌╌╌╌╌╌╌╌╌╌ Binding request, sent again (2) ╌╌╌╌╌╌╌╌╌╌▶│
                    │                                                       │
     1.520 s        │◀╌╌╌╌╌ Binding success response, sent again (2) ╌╌╌╌╌╌╌│
                    │           XOR-MAPPED-ADDRESS 10.0.0.1:5000            │
                    │                                                       │
     1.540 s        ● mapped address 10.0.0.1:5000                          │
                    │                                                       │
"""
