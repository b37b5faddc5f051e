"""Lines of NDJSON that are no object as they stand: objects without line ends, commas between them, lone surrogates."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import InputError
from etl.source.chunk import Limits
from etl.source.json_repair import split
from etl.source.marks import LINE
from etl.source.originals import originals
from etl.source.reader import Source, open_source
from etl.source.settings import SourceSettings
from etl.tables import ROW


def opened(folder: Path, data: bytes, name: str = "a.json", limits: Limits | None = None) -> Source:
    (folder / name).write_bytes(data)
    return open_source(SourceSettings((name,)), folder, limits)


def read(source: Source) -> tuple[list[tuple[int, object]], list[tuple[int, str]]]:
    batches = list(source.batches())
    rows = [(row[ROW], row["a"]) for batch in batches for row in batch.table.to_pylist()]
    return rows, [(item.row, item.reason) for batch in batches for item in batch.unread]


@pytest.mark.parametrize("between", [b"", b" ", b"\t", b"\\n", b", ", b",\\r\\n", b"\n", b"\r\n", b",\n"])
def test_objects_are_rows_whatever_stands_between_them(between: bytes, tmp_path: Path) -> None:
    rows, unread = read(opened(tmp_path, between.join(b'{"a": %d, "t": "}{ \\"}{"}' % n for n in range(1, 7))))
    assert rows == [(n, n) for n in range(1, 7)]
    assert not unread


@pytest.mark.parametrize("block", [1, 30, 1 << 20])
def test_each_object_has_a_number_of_its_own_and_those_below_count_on(block: int, tmp_path: Path) -> None:
    data = b'{"a":1}{"a":2}\n\n{"a":3}\nno\n{"a":4}{"a":5}{"a":6}'
    source = opened(tmp_path, data, limits=Limits(block=block))
    rows, unread = read(source)
    assert (rows, unread) == ([(1, 1), (2, 2), (4, 3), (6, 4), (7, 5), (8, 6)], [(5, "json")])
    assert source.doubts()[0].startswith("a.json: several objects stand on one line, the first at 1:")
    assert [chunk.table.to_pylist() for chunk in originals(source, 0, np.array([7])) if len(chunk.rows)] == [
        [{LINE: '{"a":5}\n'}]
    ]


def test_what_cannot_be_read_behind_objects_is_a_row_of_its_own(tmp_path: Path) -> None:
    rows, unread = read(opened(tmp_path, b'{"a":1}{"a":2}{"a":\n{"a":3}\n{"a":4}}\n'))
    assert rows == [(1, 1), (2, 2), (4, 3)]
    assert unread == [(3, "json"), (5, "json")]


def test_the_first_row_of_a_longer_file_on_one_line_is_the_same(tmp_path: Path) -> None:
    one, more = (
        opened(tmp_path, gzip.compress(data), f"{len(data)}.json.gz")
        for data in (b'{"a":1}{"a":2}', b'{"a":1}{"a":2}{"a":3}')
    )
    assert one.first_rows_hash(0) == more.first_rows_hash(0)


@pytest.mark.parametrize(
    "data", [b'[ {"a":1},\n{"a":2}]', b'{"events": [\n{"a":1}]}', b'{\n"a":1}\n', b"[\n", b'{"a": {\n"b":1}}']
)
def test_a_document_over_several_lines_is_refused_with_words(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one JSON document"):
        opened(tmp_path, data)


@pytest.mark.parametrize(
    ("written", "means"),
    [
        (rb"x\ud800y", "x\ufffdy"),
        (rb"\uDC00", "\ufffd"),
        (rb"\ud83d\ude00", "\U0001f600"),
        (rb"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (rb"\\ud800 \ud800", "\\ud800 \ufffd"),
        (rb"\ud800\n\u0041", "\ufffd\nA"),
    ],
)
def test_a_lone_surrogate_is_the_sign_of_what_is_no_character(written: bytes, means: str, tmp_path: Path) -> None:
    rows, unread = read(opened(tmp_path, b'{"a": "z"}\n{"a": "' + written + b'"}\n'))
    assert rows == [(1, "z"), (2, means)]
    assert not unread


def test_a_line_with_a_lone_surrogate_that_is_no_object_stays_as_it_is(tmp_path: Path) -> None:
    source = opened(tmp_path, b'{"a": "\\ud800"\n')
    (unread,) = (item for batch in source.batches() for item in batch.unread)
    assert unread.text == r'{"a": "\ud800"'


@given(st.lists(st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.text())), min_size=2, max_size=5))
def test_glued_objects_come_apart_as_they_were(items: list[dict[str, object]]) -> None:
    texts = [json.dumps(item) for item in items]
    assert split("".join(texts)) == texts
