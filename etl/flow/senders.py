"""Which earlier runs have sent events of the inputs that a plan reads: known by what the files hold, whatever they are called."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from etl.delivery.checkpoint import Checkpoint, RunRow
from etl.errors import StateError
from etl.flow.origin import Marks, read_marks
from etl.flow.receipts import is_whole, keep_receipts, receipts_of, write_receipts
from etl.flow.state import Place
from etl.masking import masked_id
from etl.outbox.reidentified import Example, Reidentified, Sender
from etl.report.books import Books, SentOtherwise
from etl.source.digest import Digest, Digested, digested
from etl.source.mended import MendedSource
from etl.source.reader import Source

_SECOND = timedelta(seconds=1)  # the books tell times to the second


@dataclass(frozen=True, slots=True)
class Plan:
    """What a plan says of itself when it asks: its date, its mapping, the paths that its job names, the run that it replays."""

    date: str
    mapping: str
    paths: tuple[str, ...]
    replayed: RunRow | None


class Earlier:
    """The runs of a destination that have sent something, and the files that they read."""

    def __init__(self, place: Place, checkpoint: Checkpoint, plan: Plan) -> None:
        self._place, self._checkpoint, self._plan = place, checkpoint, plan
        # What the ledger has forgotten has no receipts any more: its horizon is a guard of its own.
        known = {segment.run for segment in checkpoint.segments()}
        runs = [run for run in checkpoint.runs() if run.state != "planned" and checkpoint.remembers(run.run)]
        runs = [run for run in runs if not run.merged or run.run in known]
        read = [(run, read_marks(place.run(run.name))) for run in runs]
        self._runs: list[tuple[RunRow, Marks]] = [(run, marks) for run, marks in read if marks is not None]
        self._read: dict[Digest, list[int]] = defaultdict(list)  # what the plan's files are, or have grown from
        self._shown: list[str] = []

    def read(self, source: Source | MendedSource, progress: Callable[[], None]) -> list[Digest]:
        """Read what the files of a plan hold; return the digest of each. Raises InputError."""
        sizes = {digest.size for _, marks in self._runs for digest in marks.digests}
        files = [*self._of_replayed(), *(digested(item, sizes, progress) for item in source.inputs)]
        for number, file in enumerate(files):
            for digest in (file.whole, *file.beginnings):
                if digest.size:  # every file begins with an empty one
                    self._read[digest].append(number)
        self._shown = list(source.files)
        return [file.whole for file in files]

    def _of_replayed(self) -> Iterator[Digested]:
        """The files that a replayed run has read, as it read them: the places of mended rows speak of these."""
        if self._plan.replayed is not None:
            marks = read_marks(self._place.run(self._plan.replayed.name))
            for digest in marks.digests if marks else ():
                yield Digested(digest, ())

    def senders(self, folder: Path, first: datetime | None, last: datetime | None) -> list[Sender]:
        """Return the runs to ask, of events from `first` to `last`; receipts of runs that are not closed are written to `folder`.

        Raises StateError where a run's receipts are gone or damaged, and cannot be made again.
        """
        found = []
        for run, marks in self._runs:
            proven = tuple((was, now) for was, digest in enumerate(marks.digests) for now in self._read.get(digest, ()))
            versions = self._versions(run, marks, {was for was, _ in proven}, first, last)
            if proven or versions:
                same = run.mapping == self._plan.mapping
                exact = same or self._plan.replayed is not None
                found.append(Sender(run.name, self._receipts(run, folder), same, exact, proven, versions))
        return found

    def _versions(
        self, run: RunRow, marks: Marks, proven: set[int], first: datetime | None, last: datetime | None
    ) -> tuple[int, ...]:
        """The files of a run of which the plan may hold another version: of the same path and date, and not the same bytes."""
        if self._plan.replayed is not None or marks.replay or run.date != self._plan.date:
            return ()
        if not _overlap(Books.from_json(run.books), first, last):
            return ()
        same_paths = marks.paths == self._plan.paths
        return tuple(
            was for was, shown in enumerate(marks.files) if was not in proven and (same_paths or shown in self._shown)
        )

    def _receipts(self, run: RunRow, folder: Path) -> Path:
        if not run.merged:
            path = folder / f"sent-receipts-{run.name}.parquet"
            write_receipts(path, self._place, self._checkpoint, run)
            return path
        path = receipts_of(self._place, run.name)
        if not is_whole(path):
            keep_receipts(self._place, self._checkpoint, run)
            if not is_whole(path):
                raise StateError(
                    f"the receipts of run {run.name} are missing or damaged, and its outbox is gone: {path}",
                    hint="restore the state folder from a backup: without it events could be sent twice under another keyValue",
                )
        return path


def _overlap(books: Books, first: datetime | None, last: datetime | None) -> bool:
    """Say whether the events of a run may be of the times asked about; without times there is nothing to compare versions by."""
    if first is None or last is None or books.first is None or books.last is None:
        return False
    return datetime.fromisoformat(books.first) <= last and first <= datetime.fromisoformat(books.last) + _SECOND


def in_words(place: Place, found: Reidentified | None) -> SentOtherwise:
    """Tell of events that went out under other ids: how many, by which runs, and a few of them, contact data masked."""
    if found is None or not found.count:
        return SentOtherwise()
    return SentOtherwise(found.count, tuple(found.runs), tuple(_example(place, one) for one in found.examples))


def _example(place: Place, one: Example) -> str:
    time = one.instant.astimezone(UTC).strftime(" of %Y-%m-%dT%H:%M:%SZ") if one.instant else ""
    old = _key_in(place.run(one.run) / "outbox.parquet", one.seq)
    sent_to = f", sent to {masked_id(old)}" if old else ""
    return f"{one.type}{time} to {masked_id(one.key)}{sent_to} (id {one.id.hex()[:12]})"


def _key_in(outbox: Path, seq: int) -> str | None:
    """The keyValue of an event of an outbox; None where it is kept no more."""
    try:
        keys = pq.read_table(outbox, columns=["key"], filters=[("seq", "==", seq)])["key"].to_pylist()
    except (OSError, pa.ArrowException):
        return None
    return (keys[0] or None) if keys else None
