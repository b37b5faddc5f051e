"""A CSV file whose header has not the expected columns: what was seen there, and which key of the job would help."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.errors import InputError
from etl.source import SourceSettings, open_source
from etl.source.csv_file import CsvFile
from etl.source.csv_guess import likely

ROWS = 'name{d}price{d}page\nmug{d}"1{d}5"{d}/a\ncup{d}2{d}/b\npot{d}3{d}/c\n'


def rows(delimiter: str) -> str:
    return ROWS.format(d=delimiter)


def seen(folder: Path, text: str, **said: object) -> str:
    (folder / "a.csv").write_text(text)
    source = open_source(SourceSettings(paths=("a.csv",), **said), folder)  # type: ignore[arg-type]
    assert isinstance(source.readers[0], CsvFile)
    return source.readers[0].seen()


@pytest.mark.parametrize(("delimiter", "key"), [(";", '";"'), ("\t", '"\\t"'), ("|", '"|"'), ("^", '"^"')])
def test_a_file_cut_at_another_character_is_told_with_the_key_to_write(
    tmp_path: Path, delimiter: str, key: str
) -> None:
    said = seen(tmp_path, rows(delimiter), delimiter=",")
    assert f"Write `source.delimiter: {key}`: then the columns are `name`, `price`, `page`." in said


def test_lines_above_the_header_are_told_with_their_number(tmp_path: Path) -> None:
    said = seen(tmp_path, "Sales report\nShop, all countries\n\n" + rows(";"), delimiter=";")
    assert "Is the header line 4? Write `source.skip: 3`: then the columns are `name`, `price`, `page`." in said


def test_comments_above_the_header_are_told_as_comments(tmp_path: Path) -> None:
    said = seen(tmp_path, "# report\n# of today\n\n" + rows(","))
    assert 'line 4? Write `source.skip: {comment: "#"}`' in said


def test_both_may_be_wrong(tmp_path: Path) -> None:
    said = seen(tmp_path, "Report\nof today\n" + rows(";"))
    assert 'Write `source.delimiter: ";"` and `source.skip: 2`' in said


def test_what_the_job_skips_already_counts_on(tmp_path: Path) -> None:
    assert "line 4? Write `source.skip: 3`" in seen(tmp_path, "a\nb\nc\n" + rows(","), skip=1)


@pytest.mark.parametrize("text", [rows(","), "name\nmug\ncup\n", "name,price\n", "", "a,b\n1,2,3\n4,5\n6,7\n"])
def test_nothing_is_guessed_of_a_file_that_is_read_well(text: str) -> None:
    assert likely(text, ",", 0) is None


def test_many_and_long_columns_are_cut(tmp_path: Path) -> None:
    said = seen(tmp_path, ",".join([*(f"c{i}" for i in range(5_000)), "x" * 100_000]) + "\n")
    assert "(5,001 in all)" in said
    assert len(said) < 500


def test_a_header_over_the_limit_is_no_header(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 1: the header is longer than 1 MB"):
        seen(tmp_path, "user," + "x" * 3_000_000 + "\nu1,1\n")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_told_by_its_kind(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.csv").write_bytes(rows(",").encode(encoding))
    with pytest.raises(InputError) as told:
        open_source(SourceSettings(paths=("a.csv",)), tmp_path)
    assert f"encoding: {encoding}" in str(told.value)


def test_bytes_of_another_kind_are_no_utf_16(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(bytes([8, 1, 0, 0, 0, 18, 7, 200, 0, 0, 1, 0, 0, 0, 0, 0]) * 20)
    with pytest.raises(InputError) as told:
        open_source(SourceSettings(paths=("a.csv",)), tmp_path)
    assert "it is no CSV file" in str(told.value)
    assert "utf-16" not in str(told.value).lower()
