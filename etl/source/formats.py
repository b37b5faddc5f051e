"""Which format an input has, by its name; of what may be a log, by its first line too."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath

from etl.errors import InputError, JobError
from etl.source.access_log import looks_like_log
from etl.source.inputs import Input
from etl.source.packing import UnfitError
from etl.source.settings import Format, SourceSettings
from etl.source.streams import open_text

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

# access.log, access.log.1, access_log-20260101, www.access.log, u_ex260101.log
_LOG = re.compile(r"access[._-]?log\b|access_log|\.log([.-]?[0-9]+)*$", re.IGNORECASE)


def format_of_name(name: str) -> Format | None:
    """Return the format that a file's name tells (`a.csv.gz`, `b.snappy.parquet`), None when it tells none."""
    suffixes = [s.lower() for s in PurePath(name).suffixes]
    while suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    return _BY_SUFFIX.get(suffixes[-1]) if suffixes else None


def may_be_log(name: str) -> bool:
    """Return whether a file is named as logs are (`access.log`, `access.log.2.gz`, `access_log-20260101`)."""
    path = PurePath(name)
    while path.suffix.lower() in _PACKED:
        path = path.with_suffix("")
    return _LOG.search(path.name) is not None


def format_of(inputs: Sequence[Input], settings: SourceSettings) -> Format:
    """Return the one format of all inputs; the job's `source.format` decides when it is there.

    A file whose name tells no format is an access log when it is named as one and its first line is of one. Raises
    JobError where names tell no format, or more than one.
    """
    if settings.format is not None:
        return settings.format
    if settings.log_format is not None:
        return "access_log"
    found: dict[Format, str] = {}
    empty: list[Input] = []
    for item in inputs:
        fmt = format_of_name(item.name)
        if fmt is None and may_be_log(item.name):
            if item.size == 0:
                empty.append(item)  # the first hour of a day: it is what the others are
                continue
            # One line of one file decides for all of them: a rotated set is of one server.
            fmt = "access_log" if "access_log" in found or looks_like_log(item, settings.encoding) else None
        if fmt is None:
            raise _untold(item, inputs)
        found.setdefault(fmt, item.shown)
    if empty and "access_log" not in found:
        raise _untold(empty[0], inputs)
    if len(found) > 1:
        listed = ", ".join(f"{fmt} ({shown})" for fmt, shown in found.items())
        raise JobError(
            f"source.format: the inputs have more than one format: {listed}",
            hint="A job reads one format: narrow `source.path` (`exports/*.csv`), or write a job for each.",
        )
    return next(iter(found))


def _untold(item: Input, inputs: Sequence[Input]) -> JobError | InputError:
    found = _unfit(item)
    if found is not None and not found.archive:
        return found
    sure = f"; {found.what}" if found is not None else ""
    hint = f"{found.hint} " if found is not None else ""
    return JobError(
        f"source.format: the name of {item.shown} does not tell its format{sure}",
        hint=f"{hint}Write `format: csv`, `parquet`, `ndjson` or `access_log` under `source:`, or narrow `path`{_narrower(inputs)}.",
    )


def _narrower(inputs: Sequence[Input]) -> str:
    """Return words with a pattern that leaves the other files out, where an input has a name that tells its format."""
    for item in inputs:
        if format_of_name(item.name) is not None:
            folder, slash, name = item.shown.rpartition("/")
            suffixes = PurePath(name).suffixes
            kept = suffixes[-2:] if suffixes[-1].lower() in (".gz", ".zst", ".bz2") else suffixes[-1:]
            return f": `{folder}{slash}*{''.join(kept)}`"
    return ""


def _unfit(item: Input) -> UnfitError | None:
    """Return what is wrong with a file that is no text at all; None for any other, and for one that cannot be read now."""
    try:
        with open_text(item, "utf-8"):
            return None
    except UnfitError as error:
        return error
    except InputError:
        return None
