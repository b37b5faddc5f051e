"""What a run has read, kept beside its outbox: by it the places of its rows can be read later, and replayed."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from etl.address import MASK, is_remote, masked_address
from etl.errors import InputError, StateError
from etl.flow.inputs import JobInputs
from etl.flow.state import write_private
from etl.source.digest import Digest
from etl.source.inputs import Input, find_inputs
from etl.source.mended import MendedSource, Origin
from etl.source.origin import LocalFile

_NAME = "inputs.json"


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that was read: where it is, how it is shown, and what it was known by."""

    address: str
    shown: str
    size: int
    version: int | str


@dataclass(frozen=True, slots=True)
class Read:
    """The files that a run has read: `source` and `beside` it (lookups, contacts) with their sizes and times; `origin` is for replays.

    `mended` is the run whose rejects the source holds, mended; None where it is the job's own.
    """

    source: tuple[Kept, ...]
    beside: tuple[Kept, ...]
    origin: Origin
    mended: str | None


@dataclass(frozen=True, slots=True)
class Marks:
    """By what a run's inputs are known again: how each file is shown and what it held, and the paths that the job named.

    `replay`: its files are those of the run that it replays, then the file of mended rows.
    """

    files: tuple[str, ...]
    digests: tuple[Digest, ...]
    paths: tuple[str, ...]
    replay: bool


def keep_origin(
    folder: Path, inputs: JobInputs, first_rows: list[bytes] | None, digests: Sequence[Digest], paths: Sequence[str]
) -> None:
    """Write down in a run's folder what it has read: `digests` of the source's files, the `paths` that the job names."""
    source = inputs.source
    known: dict[str, object] = {
        "mended": source.run if isinstance(source, MendedSource) else None,
        "files": source.files,
        "digests": [[digest.size, digest.hash] for digest in digests],
        "paths": [masked_address(path) for path in paths],
        "first_rows": [found.hex() for found in first_rows or ()],
        "schema": base64.b64encode(source.schema.serialize().to_pybytes()).decode(),
        "format": source.format,
        "log_format": source.log_format,
        "source": [_told(found) for found in source.inputs],
        "beside": [_told(found) for _, found in inputs.beside.inputs],
    }
    write_private(folder / _NAME, json.dumps(known))


def read_origin(folder: Path) -> Read:
    """Return what a run has read; raise StateError where its folder does not say: an older version has planned it."""
    try:
        known = json.loads((folder / _NAME).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise StateError(
            f"run {folder.name} does not say what it has read",
            hint="an older version has planned it, or its folder was purged: plan and run again, then look at that run",
        ) from error
    schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(known["schema"])))
    first_rows = tuple(bytes.fromhex(found) for found in known["first_rows"])
    origin = Origin(tuple(known["files"]), first_rows, schema, known["format"], known["log_format"])
    source, beside = ([Kept(*i) for i in known[part]] for part in ("source", "beside"))
    return Read(tuple(source), tuple(beside), origin, known["mended"])


def read_marks(folder: Path) -> Marks | None:
    """Return by what a run's inputs are known again; None where its folder does not say."""
    try:
        known = json.loads((folder / _NAME).read_text("utf-8"))
        digests = tuple(Digest(*one) for one in known["digests"])
        return Marks(tuple(known["files"]), digests, tuple(known["paths"]), known["mended"] is not None)
    except (OSError, ValueError, KeyError):
        return None


def copy_origin(before: Path, folder: Path) -> None:
    """Write down in a run's folder that it stands on what another run has read."""
    write_private(folder / _NAME, (before / _NAME).read_text("utf-8") if (before / _NAME).exists() else "")


def refuse_changed(run: str, files: tuple[Kept, ...]) -> None:
    """Raise InputError where a file is gone, or is not as it was when a run read it: its rows have other places then."""
    for kept in files:
        if is_remote(kept.address) and MASK in kept.address:
            raise InputError(
                f"{kept.shown} was read by a signed link, and its signature is not kept: run {run} cannot read its rows again",
                hint="mend the rows in the export itself and `clickreplay run`; or name the file by s3:// or gs://, with credentials",
            )
        try:
            (now,) = find_inputs([kept.address], Path("/"))
        except (InputError, ValueError) as error:
            raise InputError(
                f"{kept.shown} is gone: run {run} has read it, and its rows are read there again",
                hint="put the file back as it was; or plan again, and look at the rejects of that run",
            ) from error
        if (now.stamp.size, now.stamp.version) != (kept.size, kept.version):
            raise InputError(
                f"{kept.shown} has changed since run {run} read it: its rows may stand elsewhere now",
                hint="put the file back as it was; or plan again, and look at the rejects of that run",
            )


def _told(found: Input) -> list[object]:
    origin = found.origin
    # A signed link is a key to the data: what is kept of it opens nothing.
    address = str(origin.path) if isinstance(origin, LocalFile) else masked_address(origin.store.address)  # type: ignore[attr-defined]
    return [address, *found.mark]
