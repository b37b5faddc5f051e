"""What the source room must know of a job; the flow room fills it from the job file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Format = Literal["csv", "parquet", "ndjson", "access_log"]


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """How to read a job's inputs.

    `paths` are files, folders and globs, already without templates. `format` None means by name. `delimiter` None means
    that each CSV file's first line decides. `columns` are the names for a CSV without a header. `explode` names a list
    column, with dots into structs; each element becomes a row. `decimal` is carried for the mapping room: text stays
    text here. `log_format` is the name of an access log's format, or the server's own format string; None and `auto`
    mean by the first lines.
    """

    paths: tuple[str, ...]
    format: Format | None = None
    delimiter: str | None = None
    encoding: str = "utf-8"
    decimal: str = "."
    columns: tuple[str, ...] | None = None
    explode: str | None = None
    log_format: str | None = None
