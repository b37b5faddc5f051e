"""Files on https:// (and http:// on loopback) read as local ones are: by ranges, in a stream, and never half of two states."""

from __future__ import annotations

import bz2
import gzip
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import trustme
import zstandard
from remote_servers import Web, web_server

from etl.errors import Exit, InputError
from etl.source import SourceSettings, find_inputs, open_source
from etl.source.remote import store

WANTED = [(str(n), f"имя {n}") for n in range(200_000)]
CSV = ("id,name\n" + "".join(f"{n},{name}\n" for n, name in WANTED)).encode()
TOKEN = "X-Amz-Credential=AKIA%2F20260101&X-Amz-Signature=5ecre7"


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server(Web(files={"/a.csv": CSV})) as server:
        yield server


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other at once."""
    monkeypatch.setattr(store, "PAUSES", (0.0, 0.0, 0.0))


def rows(*paths: str, **settings: object) -> list[tuple[object, ...]]:
    source = open_source(SourceSettings(paths=paths, **settings), Path("/"))  # type: ignore[arg-type]
    found: list[tuple[object, ...]] = []
    for batch in source.batches():
        assert not batch.unread
        found += zip(*batch.table.select(source.schema.names).to_pydict().values(), strict=True)
    return found


def refused(*paths: str, match: str) -> str:
    """Read; return the words of the error that comes, which is of exit code 4 and says no secret."""
    with pytest.raises(InputError, match=match) as caught:
        rows(*paths)
    assert caught.value.exit == Exit.INPUT
    assert "5ecre7" not in str(caught.value)
    return str(caught.value)


def test_text_is_read_the_same_packed_or_not(web: Web) -> None:
    packed = {".gz": gzip.compress(CSV), ".zst": zstandard.compress(CSV), ".bz2": bz2.compress(CSV)}
    web.files |= {f"/a.csv{suffix}": data for suffix, data in packed.items()}
    for suffix in ("", *packed):
        assert rows(f"{web.url}/a.csv{suffix}") == WANTED


def test_a_stored_gzip_that_the_server_calls_an_encoding_is_unpacked_once(web: Web) -> None:
    web.encoding, web.files["/b.csv"] = "gzip", gzip.compress(CSV)
    assert rows(f"{web.url}/b.csv") == WANTED


def test_every_part_is_asked_for_under_the_condition_that_nothing_changed(web: Web) -> None:
    rows(f"{web.url}/a.csv")
    parts = [asked for asked in web.asked if asked.headers["range"] != "bytes=0-0"]
    assert len(parts) > 2
    assert all(asked.headers["if-match"].startswith('"') for asked in parts)
    assert all(asked.headers["accept-encoding"] == "identity" for asked in web.asked)


def test_of_parquet_only_the_columns_that_are_asked_for_are_fetched(web: Web, tmp_path: Path) -> None:
    noise = [f"{hash((n, 1)):x}{hash((n, 2)):x}" for n in range(200_000)]
    table = pa.table({"id": range(200_000), "a": noise, "b": noise[::-1]})
    pq.write_table(table, tmp_path / "a", compression=None, row_group_size=60_000)
    web.files["/a.parquet"] = (tmp_path / "a").read_bytes()
    source = open_source(SourceSettings(paths=(f"{web.url}/a.parquet",)), Path("/"))
    ids = [n for batch in source.batches(["id"]) for n in batch.table["id"].to_pylist()]
    assert ids == list(range(200_000))
    assert web.sent() < len(web.files["/a.parquet"]) / 2


def test_a_server_without_ranges_gives_text_but_no_parquet(web: Web, tmp_path: Path) -> None:
    web.ranges = False
    assert rows(f"{web.url}/a.csv") == WANTED
    pq.write_table(pa.table({"id": range(100_000)}), tmp_path / "a", compression=None)
    web.files["/a.parquet"] = (tmp_path / "a").read_bytes()
    refused(f"{web.url}/a.parquet", match="gives no parts of a file")


@pytest.mark.parametrize("ranges", [True, False])
def test_connections_that_are_cut_lose_no_byte_and_double_none(web: Web, ranges: bool) -> None:
    web.ranges = ranges
    seen: dict[int, int] = {}

    def cut(path: str, start: int) -> int | None:
        seen[start] = seen.get(start, 0) + 1
        return 700_000 if seen[start] <= 2 else None

    source = open_source(SourceSettings(paths=(f"{web.url}/a.csv",)), Path("/"))
    web.cut = cut
    found = [
        row for b in source.batches() for row in zip(*b.table.select(["id", "name"]).to_pydict().values(), strict=True)
    ]
    assert found == WANTED
    assert max(seen.values()) > 2


@pytest.mark.parametrize("ranges", [True, False])
def test_connections_that_are_always_cut_end_in_words(web: Web, ranges: bool) -> None:
    source = open_source(SourceSettings(paths=(f"{web.url}/a.csv",)), Path("/"))
    web.ranges, web.cut = ranges, lambda path, start: 1000
    with pytest.raises(InputError, match=r"a\.csv: the connection was cut \(4 tries\)"):
        list(source.batches())


def test_a_busy_server_is_asked_again(web: Web) -> None:
    answers = iter([503, 429, None, 500, 502])
    web.status = lambda path: next(answers, None)
    assert rows(f"{web.url}/a.csv") == WANTED


@pytest.mark.parametrize("conditions", [True, False])
@pytest.mark.parametrize("weak", [True, False])
@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("after", [CSV.replace(b"1", b"2"), CSV[:50], CSV * 2], ids=["same size", "shorter", "longer"])
def test_a_file_that_changes_while_it_is_read_is_an_error(
    web: Web, after: bytes, ranges: bool, weak: bool, conditions: bool
) -> None:
    web.ranges, web.weak, web.conditions = ranges, weak, conditions
    source = open_source(SourceSettings(paths=(f"{web.url}/a.csv",)), Path("/"))

    def replace(path: str, start: int) -> None:
        if start >= 1 << 20 or not ranges:
            web.files[path] = after

    web.before = replace
    with pytest.raises(InputError, match=r"a\.csv changed while it was read"):
        list(source.batches())


def test_one_that_goes_away_while_it_is_read_is_an_error(web: Web) -> None:
    source = open_source(SourceSettings(paths=(f"{web.url}/a.csv",)), Path("/"))
    web.before = lambda path, start: None if start < 1 << 20 else web.files.clear()
    with pytest.raises(InputError, match="went away while it was read"):
        list(source.batches())


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"status": lambda path: 404}, "nothing found at"),
        ({"status": lambda path: 410}, "nothing found at"),
        ({"status": lambda path: 403}, r"access refused \(403\)"),
        ({"status": lambda path: 401}, r"access refused \(401\)"),
        ({"status": lambda path: 418}, "the server answers 418"),
        ({"status": lambda path: 503}, r"the server answers 503 \(4 tries\)"),
        ({"etags": False, "dated": False}, "neither ETag nor Last-Modified"),
        ({"ranges": False, "sized": False}, "does not say how large it is"),
        ({"redirects": {"/a.csv": "http://example.com/a.csv?sig=5ecre7"}}, "redirects to plain http"),
        ({"redirects": {"/a.csv": "/a.csv"}}, "TooManyRedirects"),
    ],
)
def test_what_cannot_be_read_is_named_without_its_secrets(fault: dict[str, object], words: str) -> None:
    with web_server(Web(files={"/a.csv": CSV}, **fault)) as web:  # type: ignore[arg-type]
        assert f"{web.url}/a.csv?X-Amz-Credential=…" in refused(f"{web.url}/a.csv?{TOKEN}", match=words)


def test_no_server_there_ends_in_words_without_secrets() -> None:
    refused(f"http://127.0.0.1:9/a.csv?{TOKEN}", match=r"no connection to the server \(4 tries\)")


def test_a_redirect_is_followed(web: Web) -> None:
    web.redirects["/latest.csv"] = "/a.csv"
    assert rows(f"{web.url}/latest.csv") == WANTED


def test_a_date_alone_is_enough_to_notice_a_change(web: Web) -> None:
    web.etags = False
    (before,) = find_inputs([f"{web.url}/a.csv"], Path("/"))
    assert rows(f"{web.url}/a.csv") == WANTED
    assert any("if-unmodified-since" in asked.headers for asked in web.asked)
    web.files["/a.csv"] = CSV.replace(b"1", b"2")
    with pytest.raises(InputError, match="changed while it was read"):
        before.prove()


def test_an_empty_file_is_one(web: Web) -> None:
    web.files["/empty.csv"] = b""
    (found,) = find_inputs([f"{web.url}/empty.csv"], Path("/"))
    assert found.size == 0
    assert rows(f"{web.url}/empty.csv") == []


def test_a_name_is_the_last_part_of_the_path_whatever_the_parameters(web: Web) -> None:
    web.files["/d/день 1.csv"] = web.files["/d/%D0%B4%D0%B5%D0%BD%D1%8C%201.csv"] = b"id\n1\n"
    (found,) = find_inputs([f"{web.url}/d/%D0%B4%D0%B5%D0%BD%D1%8C%201.csv?{TOKEN}"], Path("/"))
    assert found.name == "день 1.csv"
    assert rows(f"{web.url}/d/%D0%B4%D0%B5%D0%BD%D1%8C%201.csv?{TOKEN}") == [("1",)]


def test_logins_come_from_netrc(web: Web, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    web.login = "Basic YW5uOnB3"  # ann:pw
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password pw\n")
    refused(f"{web.url}/a.csv", match=r"access refused \(401\)")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert rows(f"{web.url}/a.csv") == WANTED


def test_https_is_read_with_a_certificate_that_the_environment_trusts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    (tmp_path / "chain.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    with web_server(Web(files={"/a.csv": CSV}), (tmp_path / "chain.pem", tmp_path / "key.pem")) as web:
        assert web.url.startswith("https://")
        assert "REQUESTS_CA_BUNDLE" in refused(f"{web.url}/a.csv?{TOKEN}", match="certificate is not trusted")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
        assert rows(f"{web.url}/a.csv") == WANTED


def test_nothing_that_reaches_out_is_loaded_before_a_job_names_an_address() -> None:
    code = (
        "import sys, etl.cli; print({'pyarrow', 'requests'} & set(sys.modules));"
        "import etl.source; print({'requests', 'etl.source.remote'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["set()", "set()"]


def test_addresses_that_differ_in_what_is_masked_are_shown_as_two_files(web: Web) -> None:
    """Places speak of files as they are shown: two alike would be one, and each row that is refused two."""
    found = find_inputs([f"{web.url}/a.csv?token={name}" for name in ("5ecre7one", "5ecre7two")], Path("/"))
    shown = [item.shown for item in found]
    assert len(set(shown)) == 2
    assert not any("5ecre7" in text for text in shown)
