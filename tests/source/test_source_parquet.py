"""Parquet: files of one folder need not agree; what can be united is, the rest is text."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import parquet

from etl.errors import InputError
from etl.source import Source, SourceSettings, open_source
from etl.source.chunk import BATCH_ROWS
from etl.sql import connect


def source(folder: Path, *tables: pa.Table, explode: str | None = None, **options: Any) -> Source:
    for number, table in enumerate(tables):
        parquet.write_table(table, folder / f"part-{number}.parquet", **options)
    return open_source(SourceSettings(paths=(".",), explode=explode), folder)


def read(opened: Source, columns: list[str] | None = None) -> list[dict[str, Any]]:
    return [row for batch in opened.batches(columns) for row in batch.table.to_pylist()]


def column(*arrays: pa.Array, folder: Path) -> tuple[pa.DataType, list[Any]]:
    opened = source(folder, *(pa.table({"a": array}) for array in arrays))
    return opened.schema.field("a").type, [row["a"] for row in read(opened)]


UTC = dt.UTC


@pytest.mark.parametrize(
    ("left", "right", "kind", "expected"),
    [
        (pa.array([1], pa.int8()), pa.array([2], pa.int64()), pa.int64(), [1, 2]),
        (pa.array([1], pa.int64()), pa.array([2.5], pa.float32()), pa.float64(), [1.0, 2.5]),
        (pa.array([-1], pa.int64()), pa.array([2**64 - 1], pa.uint64()), pa.decimal128(20, 0), [-1, 2**64 - 1]),
        (pa.array([Decimal("1.5")], pa.decimal128(5, 2)), pa.array([2], pa.int32()), pa.decimal128(12, 2),
         [Decimal("1.5"), 2]),
        (pa.array([1]), pa.array(["x"]), pa.string(), ["1", "x"]),
        (pa.array([True]), pa.array([2]), pa.string(), ["true", "2"]),
        (pa.array(["x"]).dictionary_encode(), pa.array(["y"], pa.large_string()), pa.string(), ["x", "y"]),
        (pa.array([None], pa.null()), pa.array([1]), pa.int64(), [None, 1]),
        (pa.array([{"x": 1}]), pa.array([{"y": "z"}]), pa.struct([("x", pa.int64()), ("y", pa.string())]),
         [{"x": 1, "y": None}, {"x": None, "y": "z"}]),
        (pa.array([[1], None]), pa.array([[2.5], []]), pa.list_(pa.float64()), [[1.0], None, [2.5], []]),
        (pa.array([[{"x": 1}]]), pa.array([[{"x": "s"}, None]]), pa.list_(pa.struct([("x", pa.string())])),
         [[{"x": "1"}], [{"x": "s"}, None]]),
        (pa.array([{"x": 1}]), pa.array(["t"]), pa.string(), ['{"x":1}', "t"]),
        (pa.array([dt.date(2026, 1, 2)]), pa.array(["x"]), pa.string(), ["2026-01-02", "x"]),
    ],
)  # fmt: skip
def test_types_of_two_files_are_united(
    tmp_path: Path, left: pa.Array, right: pa.Array, kind: pa.DataType, expected: list[Any]
) -> None:
    assert column(left, right, folder=tmp_path) == (kind, expected)


@pytest.mark.parametrize(
    "array",
    [
        pa.array([Decimal("1.10"), None], pa.decimal128(20, 2)),
        pa.array([dt.date(2026, 1, 2)], pa.date32()),
        pa.array([dt.datetime(2026, 1, 2, 3, 4, 5, 6)], pa.timestamp("us")),
        pa.array([dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)], pa.timestamp("us", "UTC")),
        pa.array([{"x": [{"y": "z"}]}]),
        pa.array([b"\xff\x00"], pa.binary()),
    ],
)
def test_types_are_kept(tmp_path: Path, array: pa.Array) -> None:
    kind, values = column(array, folder=tmp_path)
    assert kind == array.type
    assert values == array.to_pylist()


def test_short_floats_are_the_numbers_that_they_are_written_as_at_any_depth(tmp_path: Path) -> None:
    numbers = [19.99, 0.1, 16_777_216.0, -1e-30, float("inf"), None]
    short = pa.array(numbers, pa.float32())
    opened = source(tmp_path, pa.table({"a": short, "l": pa.array([[19.99]] * 6, pa.list_(pa.float32()))}))
    assert opened.schema.types == [pa.float64(), pa.list_(pa.float64())]
    assert [(row["a"], row["l"]) for row in read(opened)] == [(number, [19.99]) for number in numbers]
    (tmp_path / "both").mkdir()
    assert column(short, pa.array([0.5], pa.float16()), folder=tmp_path / "both") == (pa.float64(), [*numbers, 0.5])


NANOSECONDS = pa.array([1_795_514_400_123_456_789, None], pa.int64())
MICROSECONDS = dt.datetime(2026, 11, 24, 10, 0, 0, 123_456)


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Kyiv"])
def test_times_in_nanoseconds_are_times_in_microseconds_at_any_depth(tmp_path: Path, zone: str | None) -> None:
    times = NANOSECONDS.cast(pa.timestamp("ns", zone))
    nested = pa.StructArray.from_arrays([times], ["at"])
    listed = pa.ListArray.from_arrays(pa.array([0, 2, 2], pa.int32()), nested)
    mapped = pa.MapArray.from_arrays(pa.array([0, 1, 2], pa.int32()), pa.array(["x", "y"]), times)
    opened = source(tmp_path, pa.table({"t": times, "n": nested, "l": listed, "m": mapped}))
    kind = pa.timestamp("us", zone)
    inside = pa.struct([("at", kind)])
    assert opened.schema.types == [kind, inside, pa.list_(inside), pa.map_(pa.string(), kind)]
    when = MICROSECONDS if zone is None else MICROSECONDS.replace(tzinfo=UTC)
    assert [(row["t"], row["n"], row["l"], row["m"]) for row in read(opened)] == [
        (when, {"at": when}, [{"at": when}, {"at": None}], [("x", when)]), (None, {"at": None}, [], [("y", None)])
    ]  # fmt: skip


def test_a_file_in_nanoseconds_and_one_in_milliseconds_are_one_column_of_instants(tmp_path: Path) -> None:
    times = NANOSECONDS.cast(pa.timestamp("ns", "UTC"))
    kind, values = column(
        times, pc.floor_temporal(times, unit="second").cast(pa.timestamp("ms", "UTC")), folder=tmp_path
    )
    when = MICROSECONDS.replace(tzinfo=UTC)
    assert (kind, values) == (pa.timestamp("us", "UTC"), [when, None, when.replace(microsecond=0), None])


def test_instants_and_local_times_together_are_text(tmp_path: Path) -> None:
    when = dt.datetime(2026, 1, 2, 3, 4, 5)
    kind, values = column(
        pa.array([when], pa.timestamp("us")),
        pa.array([when.replace(tzinfo=UTC)], pa.timestamp("us", "UTC")),
        folder=tmp_path,
    )
    assert kind == pa.string()
    assert values == ["2026-01-02 03:04:05.000000", "2026-01-02 03:04:05.000000Z"]


def test_old_int96_times_beyond_nanoseconds_are_read(tmp_path: Path) -> None:
    when = dt.datetime(2026, 1, 2, 3, 4, 5, 6)
    opened = source(
        tmp_path, pa.table({"a": pa.array([when], pa.timestamp("us"))}), use_deprecated_int96_timestamps=True
    )
    assert [row["a"] for row in read(opened)] == [when.replace(tzinfo=dt.UTC)]


def test_columns_are_united_by_name_and_rows_numbered_from_1_in_each_file(tmp_path: Path) -> None:
    opened = source(
        tmp_path, pa.table({"a": [1, 2], "b": ["x", "y"]}), pa.table({"B": ["z"], "c": [True], "_row": [9]})
    )
    assert opened.schema.names == ["a", "b", "c", "_row_2"]
    rows = read(opened)
    assert [(row["a"], row["b"], row["c"], row["_row_2"]) for row in rows] == [
        (1, "x", None, None), (2, "y", None, None), (None, "z", True, 9)
    ]  # fmt: skip
    assert [(row["_file"], row["_row"], row["_ordinal"]) for row in rows] == [(0, 1, 0), (0, 2, 1), (1, 1, 2)]
    assert [row["b"] for row in read(opened, ["b"])] == ["x", "y", "z"]
    assert [row["_row"] for row in read(opened, [])] == [1, 2, 1]


def test_row_numbers_go_on_over_row_groups_and_batches(tmp_path: Path) -> None:
    opened = source(tmp_path, pa.table({"a": range(150_001)}), row_group_size=40_009)
    following = 0
    for batch in opened.batches():
        assert batch.table.num_rows <= BATCH_ROWS
        assert batch.table["_row"].to_pylist() == list(range(following + 1, following + 1 + batch.table.num_rows))
        assert batch.table["a"].to_pylist() == batch.table["_ordinal"].to_pylist()
        following += batch.table.num_rows
    assert following == 150_001


def test_explode_reaches_lists_of_structs(tmp_path: Path) -> None:
    opened = source(
        tmp_path, pa.table({"id": [1, 2, 3], "items": [[{"sku": "a"}, {"sku": "b"}], [], None]}), explode="items"
    )
    assert [(r["id"], r["items"] and r["items"]["sku"], r["_element"], r["_ordinal"]) for r in read(opened)] == [
        (1, "a", 0, 0), (1, "b", 1, 1), (2, None, None, 2), (3, None, None, 3)
    ]  # fmt: skip


def test_fields_that_differ_only_in_case_both_survive(tmp_path: Path) -> None:
    opened = source(tmp_path, pa.table({"s": [{"a": 1, "A": 2}], "S": [3]}), pa.table({"s": [{"A": 5}]}))
    assert [(row["s"], row["S_2"]) for row in read(opened)] == [
        ({"a": 1, "A_2": 2}, 3), ({"a": 5, "A_2": None}, None)
    ]  # fmt: skip


def test_columns_of_one_name_and_columns_without_one_are_read(tmp_path: Path) -> None:
    nested = pa.StructArray.from_arrays([pa.array(["n"]), pa.array(["m"])], ["", "b"])
    arrays = [pa.array([value]) for value in ("x", "y", "z")]
    opened = source(tmp_path, pa.table([*arrays, nested, arrays[0]], names=["a", "", "a", "s", "A"]))
    assert opened.schema.names == ["a", "column", "a_2", "s", "A_3"]
    (row,) = read(opened)
    assert [row[name] for name in opened.schema.names] == ["x", "y", "z", {"column": "n", "b": "m"}, "x"]
    assert [row["a_2"] for row in read(opened, ["a_2"])] == ["z"]
    assert [row["_row"] for row in read(opened, [])] == [1]
    assert len(opened.first_rows_hash(0)) == 16


def test_batches_can_be_queried_with_duckdb(tmp_path: Path) -> None:
    opened = source(
        tmp_path, pa.table({"s": [{"a": [1]}], "d": ["x"]}), pa.table({"s": [{"b": "y"}], "t": [dt.date(2026, 1, 2)]})
    )
    connection = connect(memory="200MB")
    got = []
    for batch in opened.batches():
        connection.register("batch", batch.table)
        got += connection.execute("SELECT s.a, s.b, d, t, _file, _row, _element, _ordinal FROM batch").fetchall()
    assert got == [([1], None, "x", None, 0, 1, None, 0), (None, "y", None, dt.date(2026, 1, 2), 1, 1, None, 1)]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    good = tmp_path / "part-0.parquet"
    parquet.write_table(pa.table({"a": range(5_000)}), good)
    data = good.read_bytes()
    for broken in (data[:-20], b"", b"PAR1 and nothing", data[:100] + b"\xff" * 3_000 + data[3_100:]):
        good.write_bytes(broken)
        with pytest.raises(InputError, match=r"part-0\.parquet"):
            read(open_source(SourceSettings(paths=("part-0.parquet",)), tmp_path))


def test_the_first_row_hash_knows_a_recompressed_and_longer_copy(tmp_path: Path) -> None:
    table = pa.table({"a": ["x", "y"], "t": pa.array([1, 2], pa.timestamp("ns")), "n": [{"k": b"\xff"}, None]})
    parquet.write_table(table, tmp_path / "a.parquet", compression="zstd")
    parquet.write_table(
        pa.concat_tables([table, table]), tmp_path / "b.parquet", compression="gzip", use_dictionary=False
    )
    parquet.write_table(table.slice(1), tmp_path / "c.parquet")
    opened = open_source(SourceSettings(paths=("*.parquet",)), tmp_path)
    assert opened.first_rows_hash(0) == opened.first_rows_hash(1) != opened.first_rows_hash(2)


def test_int96_is_an_instant_in_utc(tmp_path: Path) -> None:
    moment = dt.datetime(2026, 11, 20, 8, 0, 1)
    table = pa.table({"t": pa.array([moment, None], pa.timestamp("us"))})
    parquet.write_table(table, tmp_path / "a.parquet", use_deprecated_int96_timestamps=True)
    opened = open_source(SourceSettings(paths=("a.parquet",)), tmp_path)
    assert opened.schema.field("t").type == pa.timestamp("us", "UTC")
    found = [row["t"] for batch in opened.batches() for row in batch.table.to_pylist()]
    assert found == [moment.replace(tzinfo=dt.UTC), None]
