"""Parquet whose small pages stand for far more than memory holds: a long value written once, and many rows that point at it."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from etl.source import SourceSettings, open_source
from etl.source.parquet_file import ParquetFile
from etl.source.parquet_pieces import pieces, repeating

LONG = "x" * 40_000


def dictionary(values: list[str | None], rows: list[int | None]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(rows, pa.int32()), pa.array(values))


def test_a_small_file_of_forty_gigabytes_is_read_in_bounded_memory(tmp_path: Path) -> None:
    file = tmp_path / "bomb.parquet"
    count = 1_000_000
    url = pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array([LONG]))
    parquet.write_table(pa.table({"url": url}), file, compression="zstd")
    assert file.stat().st_size < 1 << 20
    code = f"""
from pathlib import Path
from etl.source import SourceSettings, open_source
source = open_source(SourceSettings(paths=("bomb.parquet",)), Path({str(tmp_path)!r}))
for number, batch in enumerate(source.batches()):
    assert batch.table["url"][0].as_py() == "x" * 40_000
    assert batch.table.nbytes < 200 << 20
    if number == 8:
        break
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10 < 1 << 30


def test_values_are_those_of_the_file_at_any_depth(tmp_path: Path) -> None:
    rows = 300
    table = pa.table(
        {
            "text": [None if n % 7 == 0 else LONG if n % 3 else "" for n in range(rows)],
            "list": [None if n % 5 == 0 else [LONG] * (n % 3) for n in range(rows)],
            "inner": [{"a": LONG, "b": [{"c": "y" * n}]} for n in range(rows)],
            "map": pa.array([[("k", LONG)] * (n % 2) for n in range(rows)], pa.map_(pa.string(), pa.string())),
            "number": list(range(rows)),
        }
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    source = open_source(SourceSettings(paths=("a.parquet",)), tmp_path)
    batches = [batch.table for batch in source.batches()]
    read = pa.concat_tables(batches)
    assert [name for name in table.column_names if read[name].to_pylist() != table[name].to_pylist()] == []
    assert read["_row"].to_pylist() == list(range(1, rows + 1))
    whole = parquet.ParquetFile(tmp_path / "a.parquet")
    assert {"text", "list.list.element", "inner.a"} <= set(repeating(whole.metadata)), "they are read as dictionaries"


@pytest.mark.parametrize(("most", "sizes"), [(1, [1, 1, 1, 1]), (10, [2, 2]), (1_000, [4])])
def test_pieces_are_cut_by_what_dictionaries_stand_for(most: int, sizes: list[int]) -> None:
    batch = pa.record_batch({"a": dictionary(["12345"], [0, 0, 0, 0]), "n": pa.array([1, 2, 3, 4])})
    assert [piece.num_rows for piece in pieces(batch, most)] == sizes


def test_null_takes_no_bytes() -> None:
    batch = pa.record_batch({"a": dictionary(["12345", None], [None, 0, 1, None])})
    assert [piece.num_rows for piece in pieces(batch, 5)] == [4]


def test_rows_as_they_are_have_the_types_of_the_file(tmp_path: Path) -> None:
    table = pa.table(
        {
            "text": ["a", None, "b"],
            "list": [["a"], None, []],
            "inner": [{"a": "x", "b": [{"c": "y"}]}, None, {"a": None, "b": None}],
            "map": pa.array([[("k", "v")], [], None], pa.map_(pa.string(), pa.string())),
            "large": pa.array(["a", None, "b"], pa.large_string()),
            "own": pa.array(["a", None, "b"]).dictionary_encode(),
        }
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    source = open_source(SourceSettings(paths=("a.parquet",)), tmp_path)
    reader = source.readers[0]
    assert isinstance(reader, ParquetFile)
    chunks = list(reader.as_they_are(np.array([1, 2, 3])))
    whole = pa.concat_tables([chunk.table for chunk in chunks])
    assert whole.schema.equals(reader.own_schema)
    assert whole.to_pylist() == table.to_pylist()
