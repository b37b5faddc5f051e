"""Files on s3:// and gs:// read as local ones are: in order, in a stream, and never half of two states."""

from __future__ import annotations

import bz2
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
import zstandard
from remote_servers import AWS, OWNER, Bucket, Web, between, gcs_server, s3_bucket, s3_server

from etl.errors import Exit, InputError
from etl.source import SourceSettings, find_inputs, open_source
from etl.source.remote import store

ROWS = [(n, f"имя {n}") for n in range(120_000)]
CSV = "id,name\n" + "".join(f"{n},{name}\n" for n, name in ROWS)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture(scope="module")
def emulator() -> Iterator[Bucket]:
    with gcs_server() as bucket:
        yield bucket


@pytest.fixture
def s3(moto: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    for name, value in (AWS | {"AWS_ENDPOINT_URL": moto}).items():
        monkeypatch.setenv(name, value)
    return s3_bucket(moto)


@pytest.fixture
def gs(emulator: Bucket, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
    return emulator


@pytest.fixture(params=["s3", "gs"])
def bucket(request: pytest.FixtureRequest) -> Bucket:
    found: Bucket = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other at once."""
    monkeypatch.setattr(store, "PAUSES", (0.0, 0.0, 0.0))


def rows(*paths: str, **settings: object) -> list[tuple[object, ...]]:
    """Every row that the paths give, without its place."""
    source = open_source(SourceSettings(paths=paths, **settings), Path("/"))  # type: ignore[arg-type]
    found: list[tuple[object, ...]] = []
    for batch in source.batches():
        assert not batch.unread
        columns = batch.table.select(source.schema.names).to_pydict()
        found += zip(*columns.values(), strict=True)
    return found


def shown(*paths: str) -> list[str]:
    return [item.shown for item in find_inputs(paths, Path("/"))]


def parquet(table: pa.Table, path: Path, **options: object) -> bytes:
    pq.write_table(table, path, **options)
    return path.read_bytes()


def test_text_is_read_the_same_packed_or_not(bucket: Bucket) -> None:
    raw = CSV.encode()
    packed = {"": raw, ".gz": gzip.compress(raw), ".zst": zstandard.compress(raw), ".bz2": bz2.compress(raw)}
    for suffix, data in packed.items():
        bucket.put(f"one/visits.csv{suffix}", data)
        found = rows(bucket.address(f"one/visits.csv{suffix}"))
        assert found == [(str(n), name) for n, name in ROWS], suffix


def test_gzip_of_several_members_is_read_whole(bucket: Bucket) -> None:
    bucket.put("m.csv.gz", gzip.compress(b"id\n1\n") + gzip.compress(b"2\n"))
    assert rows(bucket.address("m.csv.gz")) == [("1",), ("2",)]


def test_ndjson_and_parquet_are_read_with_their_types(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("a.ndjson", b"".join(json.dumps({"id": n, "name": name}).encode() + b"\n" for n, name in ROWS[:1000]))
    assert rows(bucket.address("a.ndjson")) == ROWS[:1000]
    table = pa.table({"id": [n for n, _ in ROWS], "name": [name for _, name in ROWS]})
    bucket.put("a.parquet", parquet(table, tmp_path / "a", row_group_size=10_000))
    assert rows(bucket.address("a.parquet")) == ROWS


def test_of_parquet_only_the_columns_that_are_asked_for_are_fetched(s3: Bucket, monkeypatch, tmp_path: Path) -> None:
    noise = [f"{hash((n, 1)):x}{hash((n, 2)):x}" for n in range(200_000)]
    data = parquet(pa.table({"id": range(200_000), "a": noise, "b": noise[::-1]}), tmp_path / "a", compression=None)
    s3.put("wide.parquet", data)
    with between(s3.url, Web()) as way:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", way.url)  # stands before AWS_ENDPOINT_URL
        source = open_source(SourceSettings(paths=(s3.address("wide.parquet"),)), Path("/"))
        assert sum(batch.table.num_rows for batch in source.batches(["id"])) == 200_000
        assert 0 < way.sent() < len(data) / 2


def test_a_folder_is_in_natural_order_without_hidden_files_and_markers(bucket: Bucket) -> None:
    kept = ["x/_orders.csv", "x/a1.csv", "x/a2.csv", "x/a10.csv", "x/d9/b 1+%41.csv", "x/d10/день.csv"]
    for key in [*reversed(kept), "x/.hidden.csv", "x/_SUCCESS", "x/_temporary/t.csv", "x/d9/.git/c.csv", "xx.csv"]:
        bucket.put(key, b"id\n1\n")
    assert shown(bucket.address("x")) == [bucket.address(key) for key in kept]
    assert shown(bucket.address("x/")) == [bucket.address(key) for key in kept]
    assert len(rows(bucket.address("x"))) == len(kept)


def test_empty_markers_of_folders_are_no_files(s3: Bucket) -> None:
    for key, data in {"x/": b"", "x/sub/": b"", "x/a.csv": b"id\n1\n"}.items():
        s3.put(key, data)
    assert shown(s3.address("x")) == [s3.address("x/a.csv")]
    assert shown(s3.address()) == [s3.address("x/a.csv")]
    assert shown(s3.address("x/**")) == [s3.address("x/a.csv")]


def test_globs_mean_what_they_mean_here(bucket: Bucket, tmp_path: Path) -> None:
    keys = [
        "e/2/a.csv",
        "e/10/a.csv",
        "e/1/a.txt",
        "e/z.csv",
        "e/.h/a.csv",
        "e/2/.h.csv",
        "e/2/_SUCCESS",
        "e/2/d/x.csv",
    ]
    for key in keys:
        bucket.put(f"glob/{key}", b"id\n1\n")
        (tmp_path / "glob" / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "glob" / key).write_bytes(b"id\n1\n")
    for glob in ("e/**/*.csv", "e/?", "e/*", "e/[12]/a.*", "**/a.csv", "*/*/*.csv", "e/**", "e/2/*", "e/**/d/*"):
        local = [item.shown for item in find_inputs([f"glob/{glob}"], tmp_path)]
        assert local
        assert shown(bucket.address(f"glob/{glob}")) == [bucket.address(key) for key in local], glob


def test_a_name_with_the_signs_of_a_glob_is_a_name_first_and_a_file_found_twice_counts_once(bucket: Bucket) -> None:
    for key in ("n/a[1].csv", "n/a1.csv"):
        bucket.put(key, b"id\n1\n")
    assert shown(bucket.address("n/a[1].csv"), bucket.address("n/a[1].csv")) == [bucket.address("n/a[1].csv")]


def test_more_than_a_thousand_keys_are_all_found(s3: Bucket) -> None:
    session = requests.Session()
    for n in range(1_101):
        session.put(s3.put_url(f"many/{n}.csv"), headers=OWNER, data=b"id\n1\n", timeout=30).raise_for_status()
    found = shown(s3.address("many/*.csv"))
    assert len(found) == 1_101
    assert found[:3] + found[-1:] == [s3.address(f"many/{n}.csv") for n in (0, 1, 2, 1_100)]


def test_what_is_not_there_is_said_so(bucket: Bucket) -> None:
    bucket.put("there/a.csv", b"id\n1\n")
    absent = [bucket.address(key) for key in ("gone.csv", "gone/", "there/*.gz", "gone/**/*.csv")]
    for path in [*absent, f"{bucket.scheme}://no-such-bucket-here/a.csv", f"{bucket.scheme}://no-such-bucket-here/*"]:
        with pytest.raises(InputError, match="no input: nothing found at") as caught:
            shown(path)
        assert caught.value.exit == Exit.INPUT
        assert path.rstrip("/") in str(caught.value)
        assert "bucket" in str(caught.value)


def test_access_refused_says_where_credentials_come_from_and_shows_none(s3: Bucket) -> None:
    s3.put("a.csv", b"id\n1\n")
    requests.post(f"{s3.url}/moto-api/reset-auth", data=b"0", timeout=30).raise_for_status()
    try:
        for path in ("a.csv", "*.csv", ""):
            with pytest.raises(InputError, match="access refused") as caught:
                shown(s3.address(path))
            assert caught.value.exit == Exit.INPUT
            assert "AWS_PROFILE" in str(caught.value)
            assert "AWS_NO_SIGN_REQUEST" in str(caught.value)
            assert AWS["AWS_SECRET_ACCESS_KEY"] not in str(caught.value)
    finally:
        requests.post(f"{s3.url}/moto-api/reset-auth", data=b"inf", timeout=30).raise_for_status()


def test_public_buckets_are_read_without_credentials(s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.put("a.csv", b"id\n1\n", **{"x-amz-acl": "public-read"})
    s3.put("private.csv", b"id\n1\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_NO_SIGN_REQUEST", "yes")
    with between(s3.url, Web()) as way:
        monkeypatch.setenv("AWS_ENDPOINT_URL", way.url)
        assert rows(s3.address("a.csv")) == [("1",)]
        assert way.asked
        assert not any("authorization" in asked.headers for asked in way.asked)
    with pytest.raises(InputError, match="access refused"):
        rows(s3.address("private.csv"))


def test_credentials_come_from_a_profile_too(s3: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    s3.put("a.csv", b"id\n1\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    (tmp_path / "credentials").write_text("[night]\naws_access_key_id = AKIANIGHT\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "night")
    with between(s3.url, Web()) as way:
        monkeypatch.setenv("AWS_ENDPOINT_URL", way.url)
        assert rows(s3.address("a.csv")) == [("1",)]
        assert all("AKIANIGHT" in asked.headers["authorization"] for asked in way.asked)


@pytest.mark.parametrize("after", [CSV.replace("0,", "9,"), CSV[:50], CSV * 3], ids=["same size", "shorter", "longer"])
def test_a_file_that_changes_while_it_is_read_is_an_error(s3: Bucket, monkeypatch, hasty: None, after: str) -> None:
    big = CSV * 2
    s3.put("a.csv", big.encode())
    source = open_source(SourceSettings(paths=(s3.address("a.csv"),)), Path("/"))

    def replace(path: str, start: int) -> None:
        if start >= 1 << 20:
            s3.put("a.csv", after.encode())

    with between(s3.url, Web(before=replace)) as way:
        monkeypatch.setenv("AWS_ENDPOINT_URL", way.url)
        with pytest.raises(InputError, match=r"s3://lake/a\.csv changed while it was read") as caught:
            list(source.batches())
    assert caught.value.exit == Exit.INPUT


def test_one_that_changed_between_the_look_and_the_reading_is_an_error(bucket: Bucket, tmp_path: Path) -> None:
    for name, data in {"a.csv": b"id\n1\n", "a.parquet": parquet(pa.table({"id": [1]}), tmp_path / "a")}.items():
        bucket.put(name, data)
        source = open_source(SourceSettings(paths=(bucket.address(name),)), Path("/"))
        bucket.put(name, data.replace(b"1", b"2"))
        with pytest.raises(InputError, match="changed while it was read"):
            list(source.batches())


def test_parquet_that_changes_while_it_is_read_is_an_error(s3: Bucket, monkeypatch, tmp_path: Path) -> None:
    table = pa.table({"id": list(range(300_000))})
    s3.put("a.parquet", parquet(table, tmp_path / "a", row_group_size=50_000, compression=None))
    source = open_source(SourceSettings(paths=(s3.address("a.parquet"),)), Path("/"))
    batches = source.batches()
    next(batches)
    other = pa.table({"id": list(range(1, 300_001))})
    s3.put("a.parquet", parquet(other, tmp_path / "a", row_group_size=50_000, compression=None))
    with pytest.raises(InputError, match="changed while it was read"):
        list(batches)


def test_one_that_goes_away_while_it_is_read_is_an_error(s3: Bucket, hasty: None) -> None:
    s3.put("a.csv", (CSV * 2).encode())
    source = open_source(SourceSettings(paths=(s3.address("a.csv"),)), Path("/"))
    requests.delete(s3.put_url("a.csv"), headers=OWNER, timeout=30).raise_for_status()
    with pytest.raises(InputError, match="went away while it was read"):
        list(source.batches())


def test_connections_that_are_cut_lose_no_byte_and_double_none(s3: Bucket, monkeypatch, hasty: None, tmp_path) -> None:
    s3.put("a.csv", CSV.encode())
    table = pa.table({"id": [str(n) for n, _ in ROWS], "name": [name for _, name in ROWS]})
    s3.put("a.parquet", parquet(table, tmp_path / "a", row_group_size=10_000))
    seen: dict[tuple[str, int], int] = {}

    def cut(path: str, start: int) -> int | None:
        seen[path, start] = seen.get((path, start), 0) + 1
        return 1000 if seen[path, start] <= 2 else None

    for name in ("a.csv", "a.parquet"):
        with between(s3.url, Web(cut=cut)) as way:
            monkeypatch.setenv("AWS_ENDPOINT_URL", way.url)
            assert rows(s3.address(name)) == [(str(n), text) for n, text in ROWS]
    assert max(seen.values()) > 2


@pytest.mark.parametrize("fault", [{"cut": lambda path, start: 1000}, {"status": lambda path: 503}], ids=["cut", "503"])
def test_connections_that_are_always_cut_end_in_words(s3: Bucket, monkeypatch, hasty: None, fault) -> None:
    s3.put("a.csv", CSV.encode())
    source = open_source(SourceSettings(paths=(s3.address("a.csv"),)), Path("/"))
    with between(s3.url, Web(**fault)) as way:
        monkeypatch.setenv("AWS_ENDPOINT_URL", way.url)
        with pytest.raises(InputError, match=r"cannot read s3://lake/a\.csv: .*\(4 tries\)"):
            list(source.batches())


def test_a_packed_object_that_is_cut_short_is_an_error(bucket: Bucket) -> None:
    for suffix, data in {"gz": gzip.compress(CSV.encode()), "zst": zstandard.compress(CSV.encode())}.items():
        bucket.put(f"cut.csv.{suffix}", data[: len(data) // 2])
        with pytest.raises(InputError, match="it is cut short"):
            rows(bucket.address(f"cut.csv.{suffix}"))


def test_no_store_at_the_endpoint_ends_in_words(s3: Bucket, monkeypatch, hasty: None) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"cannot read s3://lake/a\.csv: .*NETWORK_CONNECTION"):
        shown(s3.address("a.csv"))


def test_keys_with_empty_parts_are_refused_with_words(s3: Bucket) -> None:
    with pytest.raises(InputError, match="empty part"):
        shown("s3://lake/a//b.csv")
