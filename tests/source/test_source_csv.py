"""CSV: any text comes back as it went in, with the right line numbers; a bad row costs itself alone."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from etl.errors import InputError, JobError
from etl.source import Source, SourceSettings, Unread, open_source
from etl.source.chunk import BATCH_ROWS, Limits

TINY = [Limits(block=size, record=4_000, line=5_000) for size in (1, 2, 3, 7, 64)]


def source(folder: Path, *blobs: bytes, limits: Limits | None = None, **options: Any) -> Source:
    names = []
    for number, blob in enumerate(blobs):
        (folder / f"{number}.csv").write_bytes(blob)
        names.append(f"{number}.csv")
    return open_source(SourceSettings(paths=tuple(names), **options), folder, limits)


def read(opened: Source, columns: list[str] | None = None) -> tuple[pa.Table, list[Unread]]:
    batches = list(opened.batches(columns))
    unread = [item for batch in batches for item in batch.unread]
    names = opened.schema.names if columns is None else columns
    empty = pa.schema([opened.schema.field(name) for name in names])
    if not batches:
        return empty.empty_table(), unread
    table = pa.concat_tables([batch.table for batch in batches])
    ordinals = sorted(table["_ordinal"].to_pylist())
    assert table["_ordinal"].to_pylist() == ordinals
    assert len(set(ordinals)) == table.num_rows
    assert table.num_rows + len(unread) == 0 or max(ordinals, default=0) < table.num_rows + len(unread)
    return table, unread


def rows(table: pa.Table) -> list[tuple[Any, ...]]:
    values = table.drop_columns(["_file", "_row", "_element", "_ordinal"]) if "_row" in table.column_names else table
    return [tuple(row.values()) for row in values.to_pylist()]


def wrote(records: Iterable[Iterable[str]], ends: str = "\n", quoting: Any = csv.QUOTE_MINIMAL) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=ends, quoting=quoting).writerows(records)
    return out.getvalue().encode()


CELLS = st.text(st.one_of(st.sampled_from(',;"\n\r\t \0é€😀'), st.characters(exclude_categories=["Cs"])), max_size=12)


@given(
    records=st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=12),
    ends=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    block=st.integers(1, 40),
    last_newline=st.booleans(),
)
@settings(max_examples=150, deadline=None)
@example(records=[["a", "b", '"']], ends="\n", quoting=csv.QUOTE_ALL, block=2, last_newline=False)
@example(records=[["", "", "\r"]], ends="\n", quoting=csv.QUOTE_MINIMAL, block=1, last_newline=False)
def test_what_the_standard_library_writes_is_read_back_with_its_line_numbers(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[list[str]],
    ends: str,
    quoting: Any,
    block: int,
    last_newline: bool,
) -> None:
    blob = wrote([["x", "y", "z"]], ends)
    lines, expected = [], []
    for record in records:
        # Some Pythons leave a last \r unquoted before \n: nobody could tell it from an end of line.
        text = wrote([record], ends, csv.QUOTE_ALL if record[-1].endswith("\r") else quoting)
        lines.append(blob.count(b"\n") + 1)
        expected.append(tuple(record))
        blob += text
    blob = blob if last_newline else blob.removesuffix(ends.encode())
    limits = Limits(block=block, record=100_000, line=100_000)
    table, unread = read(source(tmp_path_factory.mktemp("csv"), blob, limits=limits, delimiter=","))
    assert not unread
    assert rows(table) == expected
    if records:
        assert table["_row"].to_pylist() == lines


@given(
    lines=st.lists(st.text(st.sampled_from('ab,"\r \té'), max_size=10), min_size=1, max_size=10),
    ends=st.sampled_from(["\n", "\r\n"]),
)
@settings(max_examples=200, deadline=None)
def test_no_file_crashes_it_and_every_block_size_reads_the_same(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], ends: str
) -> None:
    folder = tmp_path_factory.mktemp("csv")
    blob = ("x,y\n" + ends.join(lines)).encode()
    results = []
    for limits in (Limits(), *(Limits(block=size, record=1_000, line=1_000) for size in (1, 5, 13))):
        table, unread = read(source(folder, blob, limits=limits, delimiter=","))
        results.append((rows(table), table.column("_row").to_pylist() if table.num_rows else [], unread))
    assert all(result == results[0] for result in results)


@given(
    st.lists(
        st.sampled_from([b"a,1\n", b'"b\nc",2\n', b"\xff,3\n", b"d\n", b"\n", b'e,"4\n', b'f5" x,5\n']), max_size=25
    )
)
@settings(max_examples=150, deadline=None)
def test_good_rows_survive_any_mixture_of_bad_ones_around_them(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("csv")
    table, unread = read(source(folder, b"x,y\n" + b"".join(pieces), limits=Limits(block=11, record=1_000)))
    text = {b"a,1\n": ("a", "1"), b'f5" x,5\n': ('f5" x', "5")}
    expected = [text[piece] for piece in pieces if piece in text]
    # A lone quote may meet the quote of a row that follows: that row's own two lines may then be lost, no other.
    assert [row for row in rows(table) if row[0] in ("a", 'f5" x')] == expected
    assert {item.reason for item in unread} <= {"ragged", "utf8"}


def test_text_stays_text(tmp_path: Path) -> None:
    blob = b"id,phone,n,when,blank\n00123,+380501234567,1e5,2026-01-02,\n , NULL,NA,true,\n"
    table, unread = read(source(tmp_path, blob))
    assert rows(table) == [("00123", "+380501234567", "1e5", "2026-01-02", ""), (" ", " NULL", "NA", "true", "")]
    assert not unread
    assert set(table.schema.types[:5]) == {pa.string()}


def test_a_row_with_too_many_or_too_few_fields_is_unread_with_its_line_and_text(tmp_path: Path) -> None:
    table, unread = read(source(tmp_path, b"a,b\n1,2\n1,2,3\n\n4\n5,6\n"))
    assert rows(table) == [("1", "2"), ("5", "6")]
    assert table["_row"].to_pylist() == [2, 6]
    assert table["_ordinal"].to_pylist() == [0, 3]
    assert unread == [Unread(0, 3, "ragged", "1,2,3"), Unread(0, 5, "ragged", "4")]


@pytest.mark.parametrize("limits", TINY)
def test_a_lone_quote_costs_one_row_not_the_file(tmp_path: Path, limits: Limits) -> None:
    blob = b'a,b\n1,2\n3,"lone\n4,5\n6,"seven, eight"\n9,10\n'
    table, unread = read(source(tmp_path, blob, limits=limits))
    assert rows(table) == [("1", "2"), ("4", "5"), ("6", "seven, eight"), ("9", "10")]
    assert unread == [Unread(0, 3, "ragged", '3,"lone')]


def test_a_lone_quote_far_from_any_other_costs_one_row(tmp_path: Path) -> None:
    blob = b'a,b\n1,"2\n' + b"3,4\n" * 20_003
    table, unread = read(source(tmp_path, blob, limits=Limits(block=4_096, record=8_192)))
    assert table.num_rows == 20_003
    assert table["_row"].to_pylist() == list(range(3, 20_006))
    assert [item.row for item in unread] == [2]


def test_quotes_inside_a_plain_field_are_text(tmp_path: Path) -> None:
    table, unread = read(source(tmp_path, b'a,b\n5" nail,6\n7,8"\n"x"y,9\n'))
    assert rows(table) == [('5" nail', "6"), ("7", '8"'), ("xy", "9")]
    assert not unread


def test_a_carriage_return_inside_a_field_is_text(tmp_path: Path) -> None:
    table, unread = read(source(tmp_path, b'a,b\r\nx\ry,1\r\n"p\rq",2\r\n"r\n\rs",3\r\n'))
    assert rows(table) == [("x\ry", "1"), ("p\rq", "2"), ("r\n\rs", "3")]
    assert table["_row"].to_pylist() == [2, 3, 4]
    assert not unread


def test_old_macintosh_line_ends_are_lines(tmp_path: Path) -> None:
    table, _ = read(source(tmp_path, b"a,b\r1,2\r3,4"))
    assert rows(table) == [("1", "2"), ("3", "4")]
    assert table["_row"].to_pylist() == [2, 3]


def test_a_row_that_is_not_utf8_is_unread_alone(tmp_path: Path) -> None:
    blob = "a,b\nпривет,1\n".encode() + b"caf\xe9,2\n" + b'"x\ny\xff",3\n4,5\n'
    table, unread = read(source(tmp_path, blob))
    assert rows(table) == [("привет", "1"), ("4", "5")]
    assert unread == [Unread(0, 3, "utf8", "caf\\xe9,2"), Unread(0, 4, "utf8", '"x\ny\\xff",3')]


@pytest.mark.parametrize(
    ("encoding", "blob"),
    [
        ("utf-8", b"\xef\xbb\xbf" + "a;б\n1;ї\n".encode()),
        ("utf-8", "a;б\n1;ї\n".encode("utf-16")),
        ("utf-16", "a;б\n1;ї\n".encode("utf-16")),
        ("utf-16-le", "\ufeffa;б\n1;ї\n".encode("utf-16-le")),
        ("utf-16-be", "a;б\n1;ї\n".encode("utf-16-be")),
        ("cp1251", "a;б\n1;ї\n".encode("cp1251")),
        ("utf-8", "a;б\n1;ї\n".encode("utf-32")),
    ],
)
def test_encodings_and_their_marks(tmp_path: Path, encoding: str, blob: bytes) -> None:
    opened = source(tmp_path, blob, encoding=encoding, limits=Limits(block=3))
    assert opened.schema.names == ["a", "б"]
    assert rows(read(opened)[0]) == [("1", "ї")]


def test_bytes_that_the_encoding_has_not_make_the_row_unread(tmp_path: Path) -> None:
    table, unread = read(source(tmp_path, "a,b\nї,1\n".encode("cp1251") + b"\x98,2\n3,4\n", encoding="cp1251"))
    assert rows(table) == [("ї", "1"), ("3", "4")]
    assert [(item.row, item.reason) for item in unread] == [(3, "utf8")]


def test_a_header_in_another_encoding_says_how_to_name_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"0\.csv, line 1: the header is not utf-8 text") as caught:
        source(tmp_path, "назва,b\n".encode("cp1251"))
    assert "encoding: cp1251" in (caught.value.hint or "")
    with pytest.raises(InputError, match="NUL bytes"):
        source(tmp_path, "a,b\n".encode("utf-16-le"))


@pytest.mark.parametrize("encoding", ["no-such", "base64"])
def test_an_unknown_encoding_is_a_mistake_in_the_job(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(JobError, match=r"source\.encoding"):
        source(tmp_path, b"a\n", encoding=encoding)


@pytest.mark.parametrize("pack", ["gz", "bz2", "zst"])
def test_packed_files_are_known_by_their_bytes_not_their_name(tmp_path: Path, pack: str) -> None:
    blob = wrote([["a", "b"], *([str(i), "текст " * (i % 7)] for i in range(3_001))])
    half = len(blob) // 2
    if pack == "zst":
        import zstandard

        packed = zstandard.compress(blob[:half]) + zstandard.compress(blob[half:])
    else:
        compress = gzip.compress if pack == "gz" else bz2.compress
        packed = compress(blob[:half]) + compress(blob[half:])  # several members
    assert read(source(tmp_path, packed, limits=Limits(block=999)))[0].num_rows == 3_001
    for cut in (len(packed) - 1, len(packed) - 20):
        with pytest.raises(InputError, match=r"0\.csv: it is cut short"):
            read(source(tmp_path, packed[:cut]))


def test_a_zip_archive_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="zip"):
        source(tmp_path, b"PK\x03\x04rest")


@pytest.mark.parametrize(
    ("header", "delimiter"), [(b"a,b", ","), (b"a;b", ";"), (b"a\tb", "\t"), (b"a|b", "|"), (b'"a,x,y";b', ";")]
)
def test_the_delimiter_is_found_in_the_header(tmp_path: Path, header: bytes, delimiter: str) -> None:
    opened = source(tmp_path, header + b"\n1" + delimiter.encode() + b"2\n")
    assert len(opened.schema) == 2
    assert rows(read(opened)[0]) == [("1", "2")]


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r"])
@pytest.mark.parametrize("delimiter", [b";", b"\t", b"|"])
def test_excels_own_line_names_the_delimiter(tmp_path: Path, end: bytes, delimiter: bytes) -> None:
    lines = b"sep=;", b"a;b,c", b"1;2,5", b""
    table, _ = read(source(tmp_path, end.join(lines).replace(b";", delimiter)))
    assert table.column_names[:2] == ["a", "b,c"]
    assert table["b,c"].to_pylist() == ["2,5"]
    assert table["_row"].to_pylist() == [3]


def test_a_delimiter_of_several_characters_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"source\.delimiter"):
        source(tmp_path, b"a\n", delimiter="||")


def test_headers_that_differ_are_united_by_name(tmp_path: Path) -> None:
    opened = source(tmp_path, b"a,b\n1,2\n", b"c,A\n3,4\n", b"", b"b\n", b"a,c,b\n5,6,7\n")
    assert opened.schema.names == ["a", "b", "c"]
    table, unread = read(opened)
    assert rows(table) == [("1", "2", None), ("4", None, "3"), ("5", "7", "6")]
    assert table["_file"].to_pylist() == [0, 1, 4]
    assert table["_ordinal"].to_pylist() == [0, 1, 2]
    assert not unread


def test_names_that_are_missing_or_occur_twice_get_names(tmp_path: Path) -> None:
    opened = source(tmp_path, b",a,a, b ,B,_row\n1,2,3,4,5,6\n", b"B,b\n7,8\n")
    assert opened.schema.names == ["column_1", "a", "a_2", "b", "B_2", "_row_2"]
    table, _ = read(opened, ["b", "B_2"])
    assert rows(table) == [("4", "5"), ("8", "7")]


def test_columns_name_the_fields_of_a_file_without_a_header(tmp_path: Path) -> None:
    table, unread = read(source(tmp_path, b"1,2\n3,4\n5\n", columns=("x", "y")))
    assert rows(table) == [("1", "2"), ("3", "4")]
    assert table["_row"].to_pylist() == [1, 2]
    assert [item.row for item in unread] == [3]


@pytest.mark.parametrize(
    ("blob", "names"), [(b"", []), (b"\n\n", []), (b"a,b", ["a", "b"]), (b"a,b\r\n\r\n", ["a", "b"])]
)
def test_an_empty_file_or_a_header_alone_has_no_rows(tmp_path: Path, blob: bytes, names: list[str]) -> None:
    opened = source(tmp_path, blob)
    assert opened.schema.names == names
    assert list(opened.batches()) == []


def test_a_line_beyond_the_limit_is_unread_and_the_rest_is_read(tmp_path: Path) -> None:
    blob = b"a,b\n1,2\n" + b"x" * 50_000 + b"\n3,4\n"
    table, unread = read(source(tmp_path, blob, limits=Limits(block=1_000, record=2_000, line=20_000)))
    assert rows(table) == [("1", "2"), ("3", "4")]
    assert table["_row"].to_pylist() == [2, 4]
    assert unread == [Unread(0, 3, "too_long", "x" * 10_000)]


def test_only_the_columns_asked_for_are_read(tmp_path: Path) -> None:
    opened = source(tmp_path, b"a,b,c\n1,2,3\n4,5\n6,7,8\n")
    table, unread = read(opened, ["c", "a"])
    assert table.column_names[:2] == ["a", "c"]
    assert rows(table) == [("1", "3"), ("6", "8")]
    assert len(unread) == 1
    none = pa.concat_tables([batch.table for batch in opened.batches([])])
    assert none["_row"].to_pylist() == [2, 4]
    with pytest.raises(KeyError):
        list(opened.batches(["nope"]))


def test_the_first_row_hash_knows_a_longer_renamed_or_recompressed_copy(tmp_path: Path) -> None:
    blob = b'a,b\n\n"x\ny",1\n2,3\n'
    opened = source(tmp_path, blob, gzip.compress(blob + b"4,5\n"), blob.replace(b"x", b"z"), b"a,b\n")
    hashes = [opened.first_rows_hash(number) for number in range(4)]
    assert hashes[0] == hashes[1]
    assert len({*hashes}) == 3
    assert len(hashes[0]) == 16


def test_batches_are_bounded_and_in_order(tmp_path: Path) -> None:
    blob = b"a\n" + b"".join(b"%d\n" % i for i in range(150_001))
    sizes, following = [], 0
    for batch in source(tmp_path, blob).batches():
        sizes.append(batch.table.num_rows)
        assert batch.table["_ordinal"][0].as_py() == following
        following += batch.table.num_rows
    assert following == 150_001
    assert max(sizes) <= BATCH_ROWS


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of one process is read from /proc")
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Compares the peak memory of a process that reads 60 MB with that of one that reads 160 MB."""
    line = b'2026-01-01T00:00:00Z,view,12345,https://shop.example/product/00123,"Some, title"\n'
    program = (
        "import re, sys; from pathlib import Path; from etl.source import *\n"
        "s = open_source(SourceSettings(paths=(sys.argv[1],)), Path('.'))\n"
        "n = sum(b.table.num_rows for b in s.batches())\n"
        "print(n, re.search(r'VmHWM:\\s*(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    peaks = []
    for size in (60, 160):
        path = tmp_path / f"{size}.csv"
        count = size * 1_000
        with path.open("wb") as file:
            file.write(b"time,event,id,url,title\n")
            for _ in range(size):
                file.write(line * 1_000 * 12)
        done = subprocess.run(
            [sys.executable, "-c", program, str(path)],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
        )
        read_rows, peak = map(int, done.stdout.split())
        assert read_rows == count * 12
        peaks.append(peak)
    # KiB. Both are larger than a few blocks. The larger file is 100 MB more of text, and several times that as columns.
    assert peaks[1] - peaks[0] < 40 * 1024
