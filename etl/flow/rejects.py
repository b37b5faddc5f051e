"""`clickreplay rejects`: look at what a run refused, and write it out to be mended. It takes no lock: a run that is at work goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from etl.delivery.checkpoint import Checkpoint, RunRow
from etl.errors import JobError, StateError
from etl.flow import state
from etl.flow.contact_data import ContactData
from etl.flow.export import export
from etl.flow.mended import still_open
from etl.flow.origin import read_origin
from etl.flow.rejected import Reason, rejected, run_of
from etl.flow.replay import run_in
from etl.flow.state import Place
from etl.job.models import Job
from etl.report.rejects import Example, Open, Rejects


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a run is asked for: the `quarantine`, the `dead` letters, the `unknown` events; the `run` by name or number."""

    run: str | None = None
    day: date | None = None  # instead of a name: the newest run of this date, replays apart
    quarantine: bool = True
    dead: bool = True
    unknown: bool = False


def look(job: Job, folder: Path | None, asked: Asked, file: Path | None) -> Rejects:
    """Return what a run refused; write its rows to `file` where one is given. Raises JobError, InputError, StateError."""
    with known(job, folder) as (place, checkpoint):
        run = run_of(checkpoint, asked.run, place, asked.day)
        counts = checkpoint.counts(run.run)
        try:
            origin = read_origin(place.run(run.name)).origin
            files: Sequence[str] = origin.files
            columns = origin.schema.names
        except StateError:
            files, columns = (), []  # planned by an older version: what it refused can still be looked at
        dead = checkpoint.dead_letters(run.run) if asked.dead else None
        with rejected(job, place, run, files, dead, quarantine=asked.quarantine) as found:
            reasons, answers, (invalid, rows) = found.reasons(), found.answers(), found.counts()
        doubts: list[Reason] = []
        if asked.unknown:
            with rejected(job, place, run, files, checkpoint.unknowns(run.run), quarantine=False) as found:
                doubts = found.answers()
        exported, notes = None, [] if file is None else ["nothing was refused: no file was written"]
        if file is not None:
            done = export(job, place, checkpoint, run, file, quarantine=asked.quarantine, dead=asked.dead)
            if done.file is not None:
                exported, notes = (str(done.file), done.rows), [*_formulas(done.formulas), *_left_out(done.purged)]
        contacts = ContactData(job, columns)
        return Rejects(
            job=job.job,
            run=run.name,
            of=checkpoint.run(run.of).name if run.of is not None else None,
            date=run.date or None,
            destination=str(place.destination),
            invalid=invalid,
            rows=rows,
            rejected=counts.rejected,
            unknown=counts.unknown + counts.sent,
            reasons=[_example(one, contacts) for one in reasons],
            answers=[_example(one, contacts) for one in answers],
            doubts=[_example(one, contacts) for one in doubts],
            notes=[*notes, *_others(checkpoint, run)],
            exported=exported,
            open=_open(place, checkpoint, run, invalid),
        )


def run_to_replay(job: Job, folder: Path | None, file: Path, name: str | None) -> RunRow:
    """Return the run whose rejects a file holds, or the one whose replay goes on although the file is gone.

    Raises JobError where that is another than the one named, InputError where the file does not say.
    """
    with known(job, folder) as (place, checkpoint):
        runs = checkpoint.runs()
        if not file.exists():
            left = [run for run in runs if run.kind == "replay" and run.state == "open" and run.of is not None]
            if len(left) == 1 and left[0].of is not None:
                return checkpoint.run(left[0].of)
            raise JobError(f"no file {file}", hint="--replay takes the file that --export wrote, its rows mended")
        newest = run_of(checkpoint, name, place)
        marked = run_in(job, newest, place.run(newest.name), file)
        if name is not None and newest.name != marked:
            raise JobError(f"{file} has rejects of run {marked}, not of {newest.name}", hint="leave --run out")
        return run_of(checkpoint, marked, place)


def run_named(job: Job, folder: Path | None, name: str | None, day: date | None = None) -> RunRow:
    """Return a run by its name or number, or by its date, the newest where none is named; raise JobError."""
    with known(job, folder) as (place, checkpoint):
        return run_of(checkpoint, name, place, day)


@contextmanager
def known(job: Job, folder: Path | None) -> Iterator[tuple[Place, Checkpoint]]:
    """Give the job's place and its checkpoint, to be read only."""
    place = state.place_of(job, state.state_folder(job, folder))
    if not place.exists:
        raise JobError(f"nothing has been planned yet for {place.destination}", hint="see `clickreplay plan`")
    with Checkpoint.open(place.checkpoint, job.job, place.destination.address, read_only=True) as checkpoint:
        yield place, checkpoint


def _open(place: Place, checkpoint: Checkpoint, run: RunRow, invalid: int) -> Open:
    counts = checkpoint.counts(run.run)
    if not any(other.of == run.run for other in checkpoint.runs()) or not place.has_outbox(run.name):
        return Open(invalid, counts.rejected, counts.unknown + counts.sent)
    return still_open(place, checkpoint, run)


def _example(one: Reason, contacts: ContactData) -> Example:
    element = "" if one.element is None else f" element {one.element}"
    rule = "no rule has seen it" if one.rule is None else f"events[{one.rule}] {one.type or ''}".strip()
    return Example(
        one.reason, one.count, f"{one.file}:{one.row}{element}", rule, one.original and contacts.hidden(one.original)
    )


def _left_out(count: int) -> list[str]:
    if not count:
        return []
    return [f"{count:,} row{' is' if count == 1 else 's are'} left out: a purge has taken their person away"]


def _formulas(count: int) -> list[str]:
    """Say where a spreadsheet would run what stands in an export. It is not quoted: a mended row holds what its cells hold."""
    if not count:
        return []
    cells = "1 cell begins" if count == 1 else f"{count:,} cells begin"
    return [f"{cells} with =, +, -, @ or a tab: a spreadsheet may run that as a formula; import the columns as text"]


def _others(checkpoint: Checkpoint, run: RunRow) -> list[str]:
    """Lines that name the replays of a run, and other runs with dead letters or unknown events."""
    lines = []
    for other in checkpoint.runs():
        if other.run == run.run:
            continue
        if other.of == run.run:
            lines.append(f"run {other.name} is a replay of it: {other.state}")
        counts = checkpoint.counts(other.run)
        if counts.rejected or counts.unknown:
            lines.append(
                f"run {other.name} has {counts.rejected:,} rejected and {counts.unknown:,} unknown events: --run {other.run}"
            )
    return lines
