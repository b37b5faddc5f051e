"""What a file is, its bytes tell: packings of packings are read, what is no text is named."""

from __future__ import annotations

import bz2
import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard

from etl.errors import InputError, JobError
from etl.source import SourceSettings, open_source

TEXT = b"a,b\n1,2\n3,4\n"
SKIPPABLE = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"size"


def read(folder: Path, blob: bytes, name: str = "export.csv", **options: str) -> list[dict[str, str]]:
    (folder / name).write_bytes(blob)
    source = open_source(SourceSettings(paths=(name,), **options), folder)  # type: ignore[arg-type]
    return [row for batch in source.batches() for row in batch.table.select(["a", "b"]).to_pylist()]


def tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        info = tarfile.TarInfo("a.csv")
        info.size = len(TEXT)
        archive.addfile(info, io.BytesIO(TEXT))
    return out.getvalue()


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, TEXT)
    return out.getvalue()


def zstd(blob: bytes) -> bytes:
    return zstandard.compress(blob)


@pytest.mark.parametrize(
    "blob",
    [
        pytest.param(SKIPPABLE + zstd(TEXT[:6]) + SKIPPABLE + zstd(TEXT[6:]), id="pzstd"),
        pytest.param(zstd(TEXT) + SKIPPABLE, id="zstd with a skippable frame at its end"),
        pytest.param(gzip.compress(gzip.compress(TEXT)), id="gzip in gzip"),
        pytest.param(zstd(gzip.compress(TEXT)), id="gzip in zstd"),
        pytest.param(gzip.compress(bz2.compress(TEXT)), id="bzip2 in gzip"),
        pytest.param(gzip.compress(TEXT[:6]) + b"\0" * 900 + gzip.compress(TEXT[6:]) + b"\0" * 7, id="zeros"),
    ],
)
def test_packings_are_taken_off_layer_by_layer(tmp_path: Path, blob: bytes) -> None:
    assert read(tmp_path, blob) == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, zstd])
def test_bytes_behind_the_end_of_a_packed_file_are_said(tmp_path: Path, pack) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=r"export\.csv to its end: bytes stand behind the end"):
        read(tmp_path, pack(TEXT) + b"and some more bytes")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("blob", "what", "advice"),
    [
        (tar(), "a tar archive", "Unpack it"),
        (zipped("a.csv"), "a zip archive", "Unpack it"),
        (zipped("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook", "save it as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "an Excel workbook", "save it as CSV"),
        (b"\x04\x22\x4d\x18" + bytes(23), "packed with lz4", "gz, zst or bz2"),
        (SKIPPABLE + b"\x04\x22\x4d\x18" + bytes(23), "packed with lz4", "gz, zst or bz2"),
        (b"\xfd7zXZ\0" + bytes(23), "packed with xz", "gz, zst or bz2"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(23), "a 7z archive", "Unpack it"),
        (b"\n<!DOCTYPE HTML><html><body>Sign in</body></html>\n", "a web page", "Fetch the file again"),
    ],
)
def test_what_is_no_text_is_named(tmp_path: Path, blob: bytes, what: str, advice: str, packed: bool) -> None:
    with pytest.raises(InputError, match=what) as caught:
        read(tmp_path, gzip.compress(blob) if packed else blob)
    assert advice in (caught.value.hint or "")


def test_a_tar_archive_of_logs_is_named_whatever_the_job_says(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a tar archive"):
        read(tmp_path, gzip.compress(tar()), "Nov-2026.tar.gz", format="access_log", log_format="combined")
    with pytest.raises(JobError, match=r"does not tell its format; it is a tar archive"):
        read(tmp_path, gzip.compress(tar()), "Nov-2026.tar.gz")


def test_a_workbook_that_the_job_does_not_call_csv_is_named_too(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="an Excel workbook") as caught:
        read(tmp_path, zipped("[Content_Types].xml"), "export.xlsx")
    assert "save it as CSV" in (caught.value.hint or "")


def test_a_packing_that_is_cut_within_another_is_said(tmp_path: Path) -> None:
    inner = gzip.compress(TEXT)
    with pytest.raises(InputError, match="cut short"):
        read(tmp_path, gzip.compress(inner[:-5]))


def test_a_file_beside_the_export_is_named_with_a_pattern_that_leaves_it_out(tmp_path: Path) -> None:
    (tmp_path / "7f1c.csv.gz").write_bytes(gzip.compress(TEXT))
    (tmp_path / "7f1c.csv.metadata").write_bytes(b"\x08\x01\x12")
    settings = SourceSettings(paths=("*",))
    with pytest.raises(JobError, match=r"7f1c\.csv\.metadata does not tell its format") as caught:
        open_source(settings, tmp_path)
    assert "narrow `path`: `*.csv.gz`" in str(caught.value)
