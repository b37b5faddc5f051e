"""The patterns of identifiers say the same in Python, in Arrow and in DuckDB."""

from __future__ import annotations

import re

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.contact import EMAIL, FORBIDDEN, PHONE

GOOD_EMAILS = [
    "example@email.com",
    "a@b.co",
    "first.last+tag@sub.example.co.uk",
    "o_k-x@xn--80ak6aa92e.com",
    "іван@пошта.укр",
    "1@1.museum",
    "a@b--c.xn--p1ai",
]
BAD_EMAILS = [
    "",
    "example",
    "example@",
    "@email.com",
    "example@email",
    "example@email.c",
    "a b@email.com",
    "a@b@email.com",
    "a..b@email.com",
    ".a@email.com",
    "a.@email.com",
    "a@-b.com",
    "a@b-.com",
    "a@b..com",
    "a@b.com.",
    "a@127.0.0.1",
    "a@email.com\n",
    " a@email.com",
    "a@email.com\u00a0",
    "\u200ba@email.com",
    "<a@email.com>",
    "a@b.com,c@d.com",
    "mailto:a@b.com",
]
GOOD_PHONES = ["380501234567", "411786452", "73456712", "1234567", "123456789012345"]
BAD_PHONES = [
    "",
    "123456",
    "1234567890123456",
    "0501234567",
    "+380501234567",
    "38 050 1234567",
    "38050123456x",
    "380501234567\n",
    "٣٨٠٥٠١٢٣٤٥٦٧",
]


def by_python(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern, text) is not None


def by_arrow(pattern: str, text: str) -> bool:
    return bool(pc.match_substring_regex(pa.scalar(text), pattern).as_py())


def by_duckdb(pattern: str, text: str) -> bool:
    found = duckdb.execute("SELECT regexp_matches($1, $2)", [text, pattern]).fetchall()
    return bool(found[0][0])


ENGINES = [by_python, by_arrow, by_duckdb]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [(EMAIL, GOOD_EMAILS, BAD_EMAILS), (PHONE, GOOD_PHONES, BAD_PHONES)],
    ids=["email", "phone"],
)
def test_a_pattern_takes_the_good_and_refuses_the_bad(engine, pattern: str, good: list[str], bad: list[str]) -> None:
    assert [text for text in good if not engine(pattern, text)] == []
    assert [text for text in bad if engine(pattern, text)] == []


def test_the_forbidden_characters_are_those_of_the_api_and_the_control_characters() -> None:
    control = {chr(c) for c in (*range(32), *range(0x7F, 0xA0))}
    forbidden = set("<;’\\/|\"`'^?!,>") | control
    everything = [chr(c) for c in range(0x2100)]
    assert {c for c in everything if re.search(FORBIDDEN, c)} == forbidden
    assert {c for c in everything if by_arrow(FORBIDDEN, c)} == forbidden
    assert {c for c in forbidden | {"a", "@", ".", ":", "_", "“"} if by_duckdb(FORBIDDEN, c)} == forbidden


@settings(max_examples=200)
@given(st.text(st.sampled_from('aZ9é.@-_+ \u00a0\t<>()"\\'), max_size=12))
def test_python_and_arrow_agree_on_every_text(text: str) -> None:
    assert by_python(EMAIL, text) == by_arrow(EMAIL, text)


@given(st.text(max_size=20), st.sampled_from([EMAIL, PHONE]))
def test_what_a_pattern_takes_has_no_white_space(text: str, pattern: str) -> None:
    assert not (by_arrow(pattern, text) and any(c.isspace() for c in text) and text.isascii())
