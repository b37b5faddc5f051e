"""A typed value is exact, or does not fit; a fraction of a second is kept."""

from __future__ import annotations

import pytest

from etl.mapping import instants, kinds
from etl.sql import connect, fetch, literal


@pytest.mark.parametrize(
    ("to", "text", "value"),
    [
        ("decimal", "1.123456789", "1.123456789"),
        ("decimal", "1.1234567890", "1.123456789"),
        ("decimal", "1.1234567891", None),
        ("decimal", "1e-12", None),
        ("decimal", "1e3", "1000.000000000"),
        ("float", "1e400", None),
        ("float", "1.5", "1.5"),
        ("date", "2026-11-20", "2026-11-20"),
        ("date", "2026-11-20 23:30", None),
        ("date", "2026-11-20T23:30:00+02:00", None),
    ],
)
def test_a_typed_text_is_exact_or_does_not_fit(to: str, text: str, value: str | None) -> None:
    cast = kinds.typed(literal(text), "VARCHAR", to, ".", "UTC")
    with connect(memory="200MB", threads=1) as connection:
        row = fetch(connection, f"SELECT CAST({cast.value} AS VARCHAR) AS v, {cast.wrong} AS w").to_pylist()[0]
    assert row == {"v": value, "w": value is None}


@pytest.mark.parametrize(
    ("offset", "fits"),
    [("+18:00", True), ("-18:00", True), ("+0545", True), ("+18:30", False), ("+19:00", False), ("+05:75", False)],
)
def test_an_offset_beyond_what_clocks_have_is_no_time(offset: str, fits: bool) -> None:
    with connect(memory="200MB", threads=1) as connection:
        sql = instants.zoned(literal(f"2026-11-20 10:00:00{offset}"))
        assert fetch(connection, f"SELECT {sql} IS NOT NULL AS v")["v"].to_pylist() == [fits]


def test_a_local_time_as_json_keeps_its_fraction() -> None:
    with connect(memory="200MB", threads=1) as connection:
        for text, fraction in (("2026-11-20 10:00:00", ""), ("2026-11-20 10:00:00.250", ".250000")):
            sql = kinds.json(f"TIMESTAMP {literal(text)}", "TIMESTAMP")
            found = fetch(connection, f"SELECT {sql} AS v")["v"].to_pylist()
            assert found == [f'"2026-11-20T10:00:00{fraction}"']
