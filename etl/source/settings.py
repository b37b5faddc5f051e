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

    Of CSV: `quote` is the character around fields, empty for none; `escape` the one before a character that is text, empty
    for none; None means that the job does not say. `null` are texts that mean null. `skip` is a number of lines above the
    header, or the text that such lines begin with.

    `folders`: names of folders such as `country=UA` are columns.
    """

    paths: tuple[str, ...]
    format: Format | None = None
    delimiter: str | None = None
    encoding: str = "utf-8"
    decimal: str = "."
    columns: tuple[str, ...] | None = None
    explode: str | None = None
    log_format: str | None = None
    quote: str | None = None
    escape: str | None = None
    null: tuple[str, ...] | None = None
    skip: int | str = 0
    folders: bool = True

    @property
    def nulls(self) -> tuple[str, ...]:
        r"""The texts that mean null; `\N` where there is an escape and the job names none."""
        if self.null is not None:
            return self.null
        return (f"{self.escape}N",) if self.escape else ()
