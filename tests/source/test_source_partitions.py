"""Columns that stand in the names of folders, `country=UA/`, in every format."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl.source.mended import MendedSource, Origin
from etl.source.partitions import partition_of
from etl.source.reader import Source, open_source
from etl.source.settings import SourceSettings
from etl.tables import FILE, ROW

ROWS = {
    "csv": b"user\nu1\nu2\n",
    "ndjson": b'{"user": "u1"}\n{"user": "u2"}\n',
    "parquet": b"",
    "log": b'1.1.1.1 - u1 [20/Nov/2026:10:00:00 +0000] "GET /1 HTTP/1.1" 200 5\n' * 2,
}


def export(folder: Path, form: str, *parts: str) -> Source:
    for part in parts:
        (folder / "events" / part).mkdir(parents=True)
        file = folder / "events" / part / f"access.{form}"
        file.write_bytes(ROWS[form])
        if form == "parquet":
            pq.write_table(pa.table({"user": ["u1", "u2"]}), file)
    return open_source(SourceSettings(("events",)), folder)


@pytest.mark.parametrize("form", list(ROWS))
def test_a_folder_is_a_column_of_text_in_every_format(form: str, tmp_path: Path) -> None:
    opened = export(tmp_path, form, "dt=2026-11-20/country=UA", "dt=2026-11-20/country=__HIVE_DEFAULT_PARTITION__")
    rows = [row for batch in opened.batches(["dt", "country"]) for row in batch.table.to_pylist()]
    by_file = {name: number for number, name in enumerate(opened.files)}
    found = {(row[FILE], row["dt"], row["country"]) for row in rows}
    assert found == {(n, "2026-11-20", "UA" if "UA" in name else None) for name, n in by_file.items()}
    assert {row[ROW] for row in rows} == ({2, 3} if form == "csv" else {1, 2})
    assert opened.schema.field("country").type == pa.string()


@pytest.mark.parametrize(
    ("shown", "columns"),
    [
        ("a/country=C%C3%B4te%20d%27Ivoire/x.csv", {"country": "Côte d'Ivoire"}),
        ("a/b%3Dc=1/x=a=b/x.csv", {"b=c": "1", "x": "a=b"}),
        ("a/=x/y/q=1.csv", {}),
        ("a/zone=00123/empty=/x.csv", {"zone": "00123", "empty": ""}),
        ("s3://bucket/t/dt=1/h=02/x.parquet", {"dt": "1", "h": "02"}),
        ("https://h.example/t/dt=1/x.csv?k=/z=2/", {"dt": "1"}),
        ("a/k=1/k=2/x.csv", {"k": "2"}),
    ],
)
def test_names_and_values_are_decoded(shown: str, columns: dict[str, str]) -> None:
    assert partition_of(shown) == columns


def test_a_file_in_no_such_folder_has_null_there(tmp_path: Path) -> None:
    opened = export(tmp_path, "ndjson", "plain", "dt=1")
    assert [row["dt"] for batch in opened.batches() for row in batch.table.to_pylist()] == ["1", "1", None, None]


def test_a_column_of_the_file_comes_before_the_folder_and_that_is_said(tmp_path: Path) -> None:
    opened = export(tmp_path, "csv", "User=folder")
    assert {row["user"] for batch in opened.batches() for row in batch.table.to_pylist()} == {"u1", "u2"}
    assert opened.schema.names == ["user"]
    assert opened.notes == ("the folders `User=…` are not read: the files have a column of that name",)


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
def test_a_row_of_an_export_that_is_replayed_keeps_the_columns_of_its_folder(form: str, tmp_path: Path) -> None:
    rows = {
        "csv": "user,rejected_file,rejected_place,rejected_rule\nu1,t/c=PL/b.csv,run 000001-aaaaaa row 2,events[0] pageViewed: time\n",
        "ndjson": '{"rejected_file": "t/c=PL/b.ndjson", "rejected_place": "run 000001-aaaaaa row 2", '
        '"rejected_rule": "events[0] pageViewed: time", '
        '"user": "u1"}\n',
    }
    file = tmp_path / "c=wrong" / f"mended.{form}"
    file.parent.mkdir()
    if form == "parquet":
        marks = {
            "rejected_file": "t/c=PL/b.parquet",
            "rejected_place": "run 000001-aaaaaa row 2",
            "rejected_rule": "events[0] pageViewed: time",
        }
        pq.write_table(pa.Table.from_pylist([{"user": "u1", **marks}]), file)
    else:
        file.write_text(rows[form])
    schema = pa.schema([("user", pa.string()), ("c", pa.string())])
    files = (f"t/c=UA/a.{form}", f"t/c=PL/b.{form}")
    origin = Origin(files, (), schema, form, None)  # type: ignore[arg-type]
    mended = MendedSource(file, origin, SourceSettings(("unused",)), tmp_path)
    assert [row["c"] for batch in mended.batches() for row in batch.table.to_pylist()] == ["PL"]
