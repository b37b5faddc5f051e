"""What a job reads beside its source: the files of its lookups and of its lists of contacts, opened for one date."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa

from etl.errors import ClickreplayError, GoneInputError, InputError, JobError
from etl.flow.contacts import find_contacts
from etl.job.models import Job, Lookup
from etl.job.models import Source as SourceSection
from etl.job.template import fill
from etl.mapping.lookup_table import LookupInput
from etl.source.formats import format_of
from etl.source.inputs import Input, find_inputs
from etl.source.mended import MendedSource
from etl.source.reader import Batch, Source, open_source
from etl.source.settings import SourceSettings


@dataclass(frozen=True, slots=True)
class Beside:
    """The lookups of a job, open, by name, and the files of its lists of contacts."""

    lookups: Mapping[str, Source] = field(default_factory=dict)
    contacts: Mapping[str, Sequence[Input]] = field(default_factory=dict)

    @property
    def inputs(self) -> list[tuple[str, Input]]:
        """Every file, with what it is to the job: a changed one makes another plan (RULES §2)."""
        tables = [(f"lookups.{name}", found) for name, source in self.lookups.items() for found in source.inputs]
        return tables + [(f"contacts.{name}", found) for name, files in self.contacts.items() for found in files]

    def tables(self, job: Source | MendedSource) -> dict[str, LookupInput]:
        """Return the lookups as the mapping takes them, beside the source of the job."""
        return {name: _table(name, source, _own(job, source)) for name, source in self.lookups.items()}


def open_beside(job: Job, day: date | None) -> Beside:
    """Open the files beside the source; raise InputError where one is missing or cannot be read."""
    contacts = find_contacts(job, day)
    return Beside({name: open_lookup(job, name, day) for name in job.lookups}, contacts)


def open_lookup(job: Job, name: str, day: date | None) -> Source:
    """Open the files of one lookup, by the source's own room: text stays text."""
    try:
        source = open_source(file_settings(job.lookups[name], day), job.folder)
    except (InputError, JobError) as error:
        raise _named(error, name) from error
    # JSON without rows has no columns, and that is right on a night without any.
    if not source.schema.names and source.format != "ndjson":
        shown = ", ".join(found.shown for found in source.inputs[:3])
        raise InputError(f"lookup {name}: {shown}: empty, without even a header", hint="was the export cut off?")
    return source


def is_ndjson(job: Job, name: str, day: date | None) -> bool:
    """Say whether a lookup's files are NDJSON."""
    settings = file_settings(job.lookups[name], day)
    try:
        return format_of(find_inputs(settings.paths, job.folder), settings) == "ndjson"
    except (InputError, JobError) as error:
        raise _named(error, name) from error


def file_settings(files: Lookup | SourceSection, day: date | None) -> SourceSettings:
    """Return what the source room must know of a section's files, its templates filled.

    Raises JobError where a date is missing.
    """
    return SourceSettings(
        paths=tuple(fill(path, day) for path in files.path),
        format=files.format,
        delimiter=files.delimiter,
        encoding=files.encoding,
        decimal=files.decimal,
        columns=files.columns,
        quote=files.quote,
        escape=files.escape,
        null=files.null,
        skip=files.skip,
    )


def _table(name: str, source: Source, own: frozenset[int]) -> LookupInput:
    files = [found.shown for found in source.inputs]
    return LookupInput(source.schema, files, lambda columns: _rows(name, source, files, own, columns))


def _own(job: Source | MendedSource, lookup: Source) -> frozenset[int]:
    """The numbers of a lookup's files that the job itself reads, and reads alike: its books have their rows."""
    if lookup.format != job.format or _reading(lookup.settings) != _reading(job.settings):
        return frozenset()
    own = {found.identity for found in job.inputs}
    return frozenset(
        number for number, found in enumerate(lookup.inputs) if found.identity in own or found.shown in job.files
    )


def _reading(settings: SourceSettings) -> tuple[object, ...]:
    """What decides where a file's rows begin and end."""
    return (settings.delimiter, settings.encoding, settings.columns, settings.quote, settings.escape, settings.skip)


def _rows(
    name: str, source: Source, files: Sequence[str], own: frozenset[int], columns: Sequence[str]
) -> Iterator[pa.Table]:
    """Yield the rows of a lookup, its columns that are asked for and their places."""
    try:
        for batch in source.batches(columns):
            _refuse_unread(batch, files, own)
            yield batch.table
    except InputError as error:
        raise _named(error, name) from error


def _refuse_unread(batch: Batch, files: Sequence[str], own: frozenset[int]) -> None:
    """A row that cannot be read is an error: passed over, it would be a partner that is missing in silence.

    In a file of the job itself it is passed over: there it is told as an invalid row, and `max_invalid` says how many are too many.
    """
    for row in (row for row in batch.unread if row.file not in own):
        raise InputError(
            f"{files[row.file]}:{row.row}: this row cannot be read ({row.reason})",
            hint="mend the row; docs/books.md has what the word means",
        )


def _named(error: ClickreplayError, name: str) -> ClickreplayError:
    """Return an error of the source room that speaks of a lookup."""

    def told(text: str) -> str:
        return text.replace("`source:`", f"`lookups.{name}:`").replace("source.", f"lookups.{name}.")

    # A lookup that is missing is no day without input (`source.missing`).
    kind = GoneInputError if isinstance(error, GoneInputError) else type(error)
    return kind(f"lookup {name}: {told(error.message)}", hint=told(error.hint) if error.hint else None)
