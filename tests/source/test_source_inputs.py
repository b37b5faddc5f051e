"""Which files a job reads, in which order, and what is said when there are none."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from etl.errors import Exit, InputError, JobError
from etl.source import SourceSettings, find_inputs, open_source
from etl.source.formats import format_of_name


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a\n1\n")


def shown(paths: list[str], folder: Path) -> list[str]:
    return [item.shown for item in find_inputs(paths, folder)]


def test_a_folder_gives_all_below_it_in_natural_order_without_hidden_files_and_markers(tmp_path: Path) -> None:
    names = ["x/a1.csv", "x/a2.csv", "x/a10.csv", "x/d9/b.csv", "x/d10/b.csv", "x/_orders.csv"]
    make(tmp_path, *random.Random(1).sample(names, len(names)))
    make(tmp_path, "x/.hidden.csv", "x/_SUCCESS", "x/.part.crc", "x/d9/.git/c.csv", "x/_temporary/t.csv", "x/_metadata")
    assert shown(["x"], tmp_path) == ["x/_orders.csv", "x/a1.csv", "x/a2.csv", "x/a10.csv", "x/d9/b.csv", "x/d10/b.csv"]


def test_globs_reach_down_and_lists_keep_their_order(tmp_path: Path) -> None:
    make(tmp_path, "e/2/a.csv", "e/10/a.csv", "e/1/a.txt", "z.csv")
    assert shown(["z.csv", "e/**/*.csv"], tmp_path) == ["z.csv", "e/2/a.csv", "e/10/a.csv"]
    assert shown(["e/?"], tmp_path) == ["e/1/a.txt", "e/2/a.csv"]
    assert shown(["e/[12]/a.*"], tmp_path) == ["e/1/a.txt", "e/2/a.csv"]


def test_a_file_found_twice_counts_once(tmp_path: Path) -> None:
    make(tmp_path, "a.csv", "b.csv")
    (tmp_path / "link.csv").symlink_to("a.csv")
    (tmp_path / "loop").symlink_to(".")
    assert shown(["a.csv", "*.csv", str(tmp_path / "a.csv"), "."], tmp_path) == ["a.csv", "b.csv"]


def test_a_name_with_the_signs_of_a_glob_is_a_name_first(tmp_path: Path) -> None:
    make(tmp_path, "a[1].csv", "a1.csv")
    assert shown(["a[1].csv"], tmp_path) == ["a[1].csv"]


def test_size_and_time_are_the_files_own_and_what_lies_beside_the_job_is_shown_from_there(tmp_path: Path) -> None:
    make(tmp_path, "in/a.csv", "far/job/x")
    (tmp_path / "job").mkdir()
    (item,) = find_inputs(["../in/a.csv"], tmp_path / "job")
    info = (tmp_path / "in/a.csv").stat()
    assert (item.stamp.size, item.stamp.version) == (info.st_size, info.st_mtime_ns)
    assert item.shown == "../in/a.csv"
    assert shown(["../../in/a.csv"], tmp_path / "far" / "job") == [str(tmp_path / "in/a.csv")]


def test_nothing_found_says_what_was_looked_for_and_what_is_near(tmp_path: Path) -> None:
    make(tmp_path, "exports/2026-01-01.csv", "exports/2026-01-02.csv")
    with pytest.raises(InputError, match=r"nothing found at exports/2026-01-03\.csv") as caught:
        find_inputs(["exports/2026-01-03.csv"], tmp_path)
    assert caught.value.exit == Exit.INPUT
    assert "2026-01-02.csv" in str(caught.value)
    with pytest.raises(InputError, match=r"(?s)nothing found at export/\*\.csv.*has exports"):
        find_inputs(["export/*.csv"], tmp_path)
    with pytest.raises(InputError, match=r"(?s)exports/\*\.gz.*exports has 2026-01-01\.csv"):
        find_inputs(["exports/*.gz"], tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="the folder empty has no files"):
        find_inputs(["empty"], tmp_path)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "gone.csv").symlink_to("nowhere")
    with pytest.raises(InputError, match=r"cannot read gone\.csv"):
        find_inputs(["gone.csv"], tmp_path)
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(InputError, match=r"pipe\.csv: it is not a regular file"):
        find_inputs(["pipe.csv"], tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    make(tmp_path, "a.csv")
    (tmp_path / "a.csv").chmod(0)
    with pytest.raises(InputError, match=r"a\.csv: Permission denied"):
        find_inputs(["a.csv"], tmp_path)


@pytest.mark.parametrize(
    ("name", "fmt"),
    [
        ("a.csv", "csv"), ("A.CSV.GZ", "csv"), ("a.tsv.zst", "csv"), ("a.txt.bz2", "csv"),
        ("p.snappy.parquet", "parquet"),
        ("a.pq", "parquet"), ("a.ndjson", "ndjson"), ("a.jsonl.gz", "ndjson"), ("a.json", "ndjson"), ("a.log", None),
        ("part-00000", None), ("a.gz", None),
    ],
)  # fmt: skip
def test_the_name_tells_the_format(name: str, fmt: str | None) -> None:
    assert format_of_name(name) == fmt


def test_formats_that_are_unknown_or_mixed_are_mistakes_in_the_job(tmp_path: Path) -> None:
    make(tmp_path, "a.csv", "b.ndjson", "c.dat")
    with pytest.raises(JobError, match=r"source\.format: the name of c\.dat does not tell"):
        open_source(SourceSettings(paths=("c.dat",)), tmp_path)
    with pytest.raises(JobError, match=r"more than one format: csv \(a\.csv\), ndjson \(b\.ndjson\)"):
        open_source(SourceSettings(paths=("a.csv", "b.ndjson")), tmp_path)
    assert open_source(SourceSettings(paths=("c.dat",), format="csv"), tmp_path).schema.names == ["a"]


@pytest.mark.parametrize(
    ("marker", "name"),
    [("_delta_log/0.json", "Delta"), ("metadata/v1.metadata.json", "Iceberg"), (".hoodie/hoodie.properties", "Hudi")],
)
@pytest.mark.parametrize("path", ["lake/table", "lake", "lake/table/d=1/*.parquet", "lake/table/d=1/a.parquet"])
def test_a_table_format_is_refused_however_it_is_named(tmp_path: Path, marker: str, name: str, path: str) -> None:
    for file in (f"lake/table/{marker}", "lake/table/d=1/a.parquet"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(b"")
    with pytest.raises(InputError, match=f"is a {name} table") as caught:
        find_inputs([path], tmp_path)
    assert "write.parquet" in (caught.value.hint or "")
