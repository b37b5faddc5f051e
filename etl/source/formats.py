"""Which format an input has, by its name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from etl.errors import JobError
from etl.source.inputs import Input
from etl.source.settings import Format

_PACKED = frozenset({".gz", ".gzip", ".zst", ".zstd", ".bz2"})
_BY_SUFFIX: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".parq": "parquet",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
}


def format_of_name(name: str) -> Format | None:
    """Return the format that a file's name tells (`a.csv.gz`, `b.snappy.parquet`), None when it tells none."""
    suffixes = [s.lower() for s in PurePath(name).suffixes]
    while suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    return _BY_SUFFIX.get(suffixes[-1]) if suffixes else None


def format_of(inputs: Sequence[Input], given: Format | None) -> Format:
    """Return the one format of all inputs; `given` (the job's `source.format`) decides when it is there.

    Raises JobError where names tell no format, or more than one.
    """
    if given is not None:
        return given
    found: dict[Format, str] = {}
    for item in inputs:
        fmt = format_of_name(item.path.name)
        if fmt is None:
            raise JobError(
                f"source.format: the name of {item.shown} does not tell its format",
                hint="Write `format: csv`, `format: parquet` or `format: ndjson` under `source:`, or narrow `path`.",
            )
        found.setdefault(fmt, item.shown)
    if len(found) > 1:
        listed = ", ".join(f"{fmt} ({shown})" for fmt, shown in found.items())
        raise JobError(
            f"source.format: the inputs have more than one format: {listed}",
            hint="A job reads one format: narrow `source.path` (`exports/*.csv`), or write a job for each.",
        )
    return next(iter(found))
