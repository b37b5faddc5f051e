"""The job's source opened for one date, and the fingerprint of what it reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256

import pyarrow as pa

from etl.errors import InputError
from etl.flow.beside import Beside, file_settings, is_ndjson, open_beside, open_lookup
from etl.flow.transform import Transform
from etl.job.fingerprint import mapping_hash
from etl.job.models import Job
from etl.source.access_log import detect_log, require_fit
from etl.source.formats import format_of
from etl.source.inputs import Input, find_inputs
from etl.source.mended import MendedSource
from etl.source.reader import Source, open_source
from etl.source.settings import SourceSettings


def settings_of(job: Job, day: date | None) -> SourceSettings:
    """Return what the source room must know of a job, its templates filled; raise JobError where a date is missing."""
    source = job.source
    return replace(file_settings(source, day), explode=source.explode, log_format=source.log_format)


@dataclass(frozen=True, slots=True)
class JobInputs:
    """All that a plan reads: the source, and what stands beside it."""

    source: Source | MendedSource
    beside: Beside

    @property
    def files(self) -> list[Input]:
        """Every file."""
        return [*self.source.inputs, *(found for _, found in self.beside.inputs)]


def open_inputs(job: Job, day: date | None) -> JobInputs:
    """Open all that a plan reads, before any of it is read; raise InputError where something is missing."""
    return JobInputs(open_job_source(job, day), open_beside(job, day))


def open_job_source(job: Job, day: date | None) -> Source:
    """Open the job's inputs; raise InputError where one is missing or cannot be read."""
    source = open_source(settings_of(job, day), job.folder)
    if not source.schema.names and source.format != "ndjson":
        names = ", ".join(found.shown for found in source.inputs[:3])
        raise InputError(
            f"{names}: empty, without even a header", hint="was the export cut off? A night without rows has its header"
        )
    return source


def fingerprint(job: Job, destination: str, day: date | None, inputs: JobInputs, kept: Sequence[str] = ()) -> str:
    """Return the hash by which a plan is known as the present one (RULES §2): mapping, destination, date, inputs, and what a trial keeps.

    What in `delivery` decides which events go out is in it too: a plan made with `stale: drop` is not the plan of `stale: send`.
    """
    delivery = job.delivery
    # What is too old, or too late, is a matter of the live method only.
    live = (
        [delivery.stale, delivery.max_age.total_seconds(), delivery.late_carts] if delivery.method == "event" else None
    )
    chosen = [live, delivery.max_per_contact, job.changed, job.ledger.older]
    parts: list[object] = [
        mapping_hash(job),
        destination,
        day.isoformat() if day else "",
        [i.mark for i in inputs.source.inputs],
        chosen,
    ]
    if beside := [[role, *i.mark] for role, i in inputs.beside.inputs]:
        parts.append(beside)
    mark = sha256(json.dumps(parts).encode()).hexdigest()[:16]
    return f"{mark}-{trial_mark(kept)}" if kept else mark


def trial_mark(kept: Sequence[str]) -> str:
    """Return what a fingerprint says of a trial that keeps these."""
    return sha256(json.dumps(list(kept)).encode()).hexdigest()[:8]


def base(mark: str) -> str:
    """Return what a fingerprint says of everything but the trial."""
    return mark.partition("-")[0]


def trial(mark: str) -> str:
    """Return what a fingerprint says of the trial; nothing for a plan of the whole."""
    return mark.partition("-")[2]


@dataclass(frozen=True, slots=True)
class Described:
    """What is known of a job's inputs without reading their rows: the columns that expressions see, after the transform.

    None for JSON, which has none until it is read.

    `notes` are lines for people about what was found out.
    """

    columns: pa.Schema | None
    notes: tuple[str, ...] = ()
    source: Source | None = None


def describe(job: Job, day: date | None) -> Described:
    """Describe the job's inputs by their headers, footers and first lines. Raises InputError and JobError."""
    settings = settings_of(job, day)
    if settings.format == "ndjson":
        return Described(None)
    inputs = find_inputs(settings.paths, job.folder)
    fmt = format_of(inputs, settings)
    if fmt == "ndjson":
        return Described(None)
    if fmt == "access_log":
        found = detect_log(inputs, settings.encoding, settings.log_format)
        require_fit(found)
        if found.keyed:
            return Described(None, (found.note,))
    source = open_source(settings, job.folder)
    columns = source.schema
    return Described(
        Transform(job, columns).schema if job.transform and columns.names else columns, source.notes, source
    )


def lookup_columns_of(job: Job, day: date | None) -> dict[str, pa.Schema] | None:
    """Return the columns of each lookup, without reading data; None where one is NDJSON, which has none until it is read."""
    found: dict[str, pa.Schema] = {}
    for name in job.lookups:
        if is_ndjson(job, name, day):
            return None
        found[name] = open_lookup(job, name, day).schema
    return found
