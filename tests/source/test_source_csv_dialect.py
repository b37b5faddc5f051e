"""Files that are not written as spreadsheets write CSV: the job says how, and places stay those of the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etl.source import SourceSettings, Unread, open_source
from etl.source.chunk import Limits

SIZES = [Limits(), *(Limits(block=size, record=2_000, line=2_000) for size in (1, 5, 13))]


def read(
    folder: Path, blob: bytes, limits: Limits | None = None, **options: Any
) -> tuple[dict[int, list[Any]], list[Unread]]:
    """Return the values by line, and what cannot be read."""
    (folder / "a.csv").write_bytes(blob)
    source = open_source(SourceSettings(paths=("a.csv",), **options), folder, limits)
    found, unread = {}, []
    for batch in source.batches():
        unread += batch.unread
        for row in batch.table.to_pylist():
            found[row["_row"]] = [row[name] for name in source.schema.names]
    return found, unread


@pytest.mark.parametrize("limits", SIZES)
def test_without_quotes_a_quote_is_text_and_each_line_a_row(tmp_path: Path, limits: Limits) -> None:
    blob = b'user\tquery\n1\t"27 monitor\n2\tmonitor 27"\n3\t"red mug"\n4\t""\n5\t"last\n6\n'
    found, unread = read(tmp_path, blob, limits, quote="")
    assert found == {
        2: ["1", '"27 monitor'],
        3: ["2", 'monitor 27"'],
        4: ["3", '"red mug"'],
        5: ["4", '""'],
        6: ["5", '"last'],
    }
    assert unread == [Unread(0, 7, "ragged", "6")]


@pytest.mark.parametrize("limits", SIZES)
def test_another_quote_does_what_quotes_do(tmp_path: Path, limits: Limits) -> None:
    found, unread = read(tmp_path, b"a,b\n'x,\ny',1\n'it''s',\"2\n3,4\n", limits, quote="'")
    assert found == {2: ["x,\ny", "1"], 4: ["it's", '"2'], 5: ["3", "4"]}
    assert not unread


@pytest.mark.parametrize("limits", SIZES)
def test_an_escaped_character_is_text_and_an_escaped_line_end_counts_as_a_line(tmp_path: Path, limits: Limits) -> None:
    blob = (
        b'a,b,c\n"27\\" monitor, black",\\N,1\n"C:\\\\temp","two\\\nlines",2\nplain\\, with comma,C:\\dir,3\n'
        b'"ends\\\\",\\\\N,4\nbad\\,row,5\n"doubled ""too""",x,6\n'
    )
    found, unread = read(tmp_path, blob, limits, escape="\\")
    assert found == {
        2: ['27" monitor, black', None, "1"],
        3: ["C:\\temp", "two\nlines", "2"],
        5: ["plain, with comma", "C:\\dir", "3"],
        6: ["ends\\", "\\N", "4"],
        8: ['doubled "too"', "x", "6"],
    }
    assert unread == [Unread(0, 7, "ragged", "bad\\,row,5")]


def test_an_escape_at_the_very_end_of_a_file_is_text(tmp_path: Path) -> None:
    assert read(tmp_path, b"a,b\n1,x\\", escape="\\")[0] == {2: ["1", "x\\"]}


@pytest.mark.parametrize("limits", SIZES)
def test_texts_that_mean_null_are_null_whole_fields_only(tmp_path: Path, limits: Limits) -> None:
    found, _ = read(tmp_path, b'a,b\n\\N,NULL\nNULLS,"NULL"\n', limits, null=("\\N", "NULL"))
    assert found == {2: [None, None], 3: ["NULLS", None]}


def test_lines_above_the_header_are_passed_over_by_number_or_by_mark(tmp_path: Path) -> None:
    blob = b"# report, of\n# shop\n\na,b\n1,2\n#3,4\n"
    assert read(tmp_path, blob, skip=2) == read(tmp_path, blob, skip="#") == ({5: ["1", "2"], 6: ["#3", "4"]}, [])
    assert read(tmp_path, blob, skip=3, columns=("x", "y"))[0] == {4: ["a", "b"], 5: ["1", "2"], 6: ["#3", "4"]}


@pytest.mark.parametrize("end", [b"", b"\r", b"\n"])
def test_carriage_returns_alone_end_lines_also_where_cells_hold_newlines(tmp_path: Path, end: bytes) -> None:
    found, unread = read(tmp_path, b'a,b\r1,"x\ny"\r2,z\r3,"p, q"' + end)
    assert found == {2: ["1", "x\ny"], 4: ["2", "z"], 5: ["3", "p, q"]}
    assert not unread


def test_what_may_be_meant_otherwise_is_said_with_its_line_and_key(tmp_path: Path) -> None:
    blob = b'a,b\n1,"x\ny,z"\n2,"q\\""\n3,\\N\n'
    (tmp_path / "a.csv").write_bytes(blob)

    def doubts(**options: Any) -> list[str]:
        source = open_source(SourceSettings(paths=("a.csv",), **options), tmp_path)
        assert sum(batch.table.num_rows + len(batch.unread) for batch in source.batches()) > 0
        return source.doubts()

    quote, escape, null = doubts()
    assert "a.csv:2" in quote and "`source.quote: none`" in quote  # noqa: PT018
    assert "a.csv:4" in escape and "`source.escape: \\`" in escape  # noqa: PT018
    assert "a.csv:5" in null and "`source.null: \\N`" in null  # noqa: PT018
    assert doubts(quote='"', escape="", null=()) == []
