"""What leaves for a terminal or a log: nothing in it steers, and no failure to write ends a call."""

import io
import json
import os
from pathlib import Path

import pytest

from etl.output import Outlet, one_line, outlets, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;owned\x07", r"\u001b[2J\u001b]0;owned\u0007"),
        ("a\rb", r"a\u000db"),
        ("\x9b31m\x85\x7f", r"\u009b31m\u0085\u007f"),
        ("invoice\u202efdp.csv", r"invoice\u202efdp.csv"),
        ("\u2066\u2069\u200f\u061c", r"\u2066\u2069\u200f\u061c"),
        ("\ufeff\udcff\u2028", r"\ufeff\udcff\u2028"),
    ],
)
def test_what_steers_a_terminal_or_hides_text_is_shown_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert json.loads(f'"{visible(text)}"') == text


def test_texts_of_people_stay_as_they_are() -> None:
    text = "Привіт, 世界 → naïve · 👩‍👩‍👧\tok\n"
    assert visible(text) == text


def test_a_line_end_in_a_name_adds_no_line() -> None:
    assert one_line("a\nerror: forged") == r"a\nerror: forged"


@pytest.mark.parametrize(
    ("encoding", "shown"), [("latin-1", "a -> é ?"), ("ascii", "a -> ? ?"), ("cp1251", "a -> ? ї")]
)
def test_a_character_that_the_terminal_lacks_has_a_stand_in(encoding: str, shown: str) -> None:
    read, write = os.pipe()
    with os.fdopen(write, "w", encoding=encoding) as stream:
        Outlet(stream).write("a → é ї")
    assert os.read(read, 100).decode(encoding) == shown
    os.close(read)


def test_a_stream_that_is_full_or_gone_is_noted_and_raises_nothing(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with Path("/dev/full").open("w", encoding="utf-8") as full, os.fdopen(write, "w", encoding="utf-8") as gone:
        for stream in (full, gone):
            outlet = Outlet(stream)
            outlet.write("lost")
            assert outlet.lost is not None
    Outlet(None).write("there is no stream")


def test_a_reader_who_does_not_read_does_not_hold_the_call() -> None:
    read, write = os.pipe()
    with os.fdopen(write, "w", encoding="utf-8") as stream:
        outlet = Outlet(stream, patience=0.05)
        for _ in range(200):
            outlet.write("x" * 1000)
        assert outlet.lost is not None
        while len(os.read(read, 65536)) == 65536:
            pass
        outlet.write("heard again")
        assert os.read(read, 65536).endswith(b"heard again")
    os.close(read)


def test_a_stream_in_memory_takes_texts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    with outlets():
        print("a\x1bb")
    assert out.getvalue() == "a\\u001bb\n"
