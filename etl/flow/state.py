"""The state folder of a job: a folder a destination, with its lock, its checkpoint, its ledger and its runs (RULES §2).

<state>/<destination>/lock              held by the operating system while a call plans or posts
                      checkpoint.sqlite progress of the runs; checkpoint.serial beside it tells an older copy of it
                      ledger/2026-11/   ids that finished runs have sent, by month of the events; Parquet
                      runs/000001-ab12cd/outbox.parquet, quarantine.parquet; of a replay lines-N.parquet too, by rule;
                                         receipts.parquet once it is closed; purged.json once contact data was taken away
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import duckdb
import pyarrow as pa

from etl.delivery.serial import OLDER
from etl.errors import BusyError, GuardError, JobError, StateError
from etl.files import replaced, sync
from etl.job.models import Job

SANDBOX = "sandbox"
#: In a run's folder: when its contact data was taken away.
PURGED = "purged.json"
_ONE_API = frozenset({"esputnik.com", "yespo.io", "api.yespo.io"})


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a run posts to: the API's address (as one for all of its names) and the job's account, or the sandbox."""

    address: str
    account: str | None = None

    def __str__(self) -> str:
        return self.address if self.account is None else f"{self.address} ({self.account})"

    @property
    def folder(self) -> str:
        """The name of its folder."""
        slug = re.sub(r"[^A-Za-z0-9.]+", "-", re.sub(r"^https?://", "", self.address)).strip("-")
        return slug if self.account is None else f"{slug}@{sha256(self.account.encode()).hexdigest()[:8]}"


def destination_of(job: Job) -> Destination:
    """Return the destination of a job."""
    if job.delivery.sandbox:
        return Destination(SANDBOX)
    parts = urlsplit(job.delivery.api)
    host = parts.hostname or ""
    if host in _ONE_API:
        return Destination("esputnik.com", job.delivery.account)
    port = f":{parts.port}" if parts.port else ""
    return Destination(f"{parts.scheme}://{host}{port}{parts.path}", job.delivery.account)


def state_folder(job: Job, given: Path | None) -> Path:
    """Return the state folder: `--state`, else CLICKREPLAY_STATE (a folder for all jobs), else `.clickreplay/` beside the job file."""
    if given is not None:
        return given
    if os.environ.get("CLICKREPLAY_STATE"):
        return Path(os.environ["CLICKREPLAY_STATE"]) / job.job
    return job.folder / ".clickreplay" / job.job


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of one destination of a job."""

    job: str
    folder: Path
    destination: Destination
    file: str | None = None  # the name of the job file

    @property
    def checkpoint(self) -> Path:
        """The checkpoint file."""
        return self.folder / "checkpoint.sqlite"

    @property
    def ledger(self) -> Path:
        """The folder of the ledger."""
        return self.folder / "ledger"

    @property
    def planning(self) -> Path:
        """Where a plan is being made; what lies here was never finished."""
        return self.folder / "planning"

    @property
    def passing(self) -> str:
        """How the names of folders begin that a call uses and takes away again."""
        return "passing-"

    @property
    def runs(self) -> Path:
        """Where the runs lie."""
        return self.folder / "runs"

    def run(self, name: str) -> Path:
        """The folder of a run."""
        return self.runs / name

    def has_outbox(self, name: str) -> bool:
        """True where the outbox of a run is there."""
        return (self.run(name) / "outbox.parquet").exists()

    def purged(self, name: str) -> str | None:
        """When the contact data of a run was taken away, in ISO 8601; None where it was not."""
        try:
            return str(json.loads((self.run(name) / PURGED).read_text("utf-8"))["at"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError) as error:
            raise StateError(
                f"{self.run(name) / PURGED} cannot be read: {error}", hint="restore the state folder from a backup"
            ) from error

    def require_contact_data(self, name: str) -> None:
        """Raise JobError where the contact data of a run was taken away: what asks for it asks for what is kept no more."""
        if at := self.purged(name):
            raise JobError(
                f"the contact data of run {name} was removed on {at[:10]}: its events and its refused rows are not kept any more",
                hint="its counts are in `clickreplay status`; `keep` in the job file says for how long contact data is kept",
            )

    def outbox(self, name: str) -> Path:
        """The outbox of a run; StateError where it is gone: only it knows what the run's events are. JobError where it was purged."""
        path = self.run(name) / "outbox.parquet"
        if not self.has_outbox(name):
            self.require_contact_data(name)
            raise StateError(
                f"the outbox of run {name} is gone: {path}",
                hint="restore the state folder from a backup: without it nobody knows what was sent, and it would be sent again",
            )
        return path

    @property
    def exists(self) -> bool:
        """True where a run of this destination has been planned; StateError where that cannot be seen."""
        try:
            return self.checkpoint.exists()
        except OSError as error:
            raise StateError(
                f"the state folder {self.folder} cannot be read: {_words(error)}",
                hint="give its owner the right to read there, and run the same command again",
            ) from error

    def create(self) -> None:
        """Make the folders, for their owner alone; a file system that keeps no rights may refuse the second part."""
        try:
            for folder in (self.folder, self.ledger, self.folder / "runs"):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for folder in (self.folder.parent, self.folder):
                with suppress(OSError):
                    folder.chmod(0o700)
        except OSError as error:
            raise StateError(
                f"the state folder {self.folder} cannot be written: {_words(error)}",
                hint="give its owner the right to write there, and run the same command again: what was sent stays known"
                if self.exists
                else "give another place with --state or CLICKREPLAY_STATE; it must last between runs",
            ) from error

    def record(self) -> None:
        """Write down whose folder this is, under the lock: the file appears whole or not at all."""
        file = self.folder / "destination.json"
        known = {"job": self.job, "address": self.destination.address, "account": self.destination.account}
        known |= {"file": self.file} if self.file else {}
        with storing(self):
            if not file.exists() or json.loads(file.read_text("utf-8")) != known:
                write_private(file, json.dumps(known))

    def require_checkpoint(self) -> None:
        """Raise StateError where runs lie here and no checkpoint: nobody knows then what was sent."""
        if not self.exists and (any(self.folder.glob("runs/*/*")) or any(self.folder.glob("ledger/*/*.parquet"))):
            raise StateError(
                f"the checkpoint {self.checkpoint} is gone, and runs lie beside it",
                hint="restore the state folder from a backup; move it away to start anew, and all that was sent is sent again",
            )

    def require_known(self, known: Collection[str]) -> None:
        """Raise StateError where a run's folder or a file of the ledger lies here that the checkpoint does not know.

        Each such name is committed before it appears on the disk, so no kill and no power cut leaves another: the checkpoint is older.
        """
        runs = [path for path in self.folder.glob("runs/*") if number_of(path.name)]
        files = self.folder.glob("ledger/*/*.parquet")
        names = [*(path.name for path in runs), *(str(path.relative_to(self.ledger)) for path in files)]
        if strange := sorted(name for name in names if name not in known):
            more = f" (and {len(strange) - 1:,} more)" if len(strange) > 1 else ""
            raise StateError(
                f"the checkpoint {self.checkpoint} is older than what lies beside it: it does not know {strange[0]}{more}",
                hint=OLDER,
            )

    def clear(self, announced: Collection[str], known: Collection[str]) -> None:
        """Remove what calls that were cut have left: what was announced and never recorded, a plan half made, tables on their way."""
        for name in announced:
            if name not in known:
                path = self.ledger / name if "/" in name else self.run(name)
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
                if path.parent.is_dir():
                    sync(path.parent)
        for folder in (*self.folder.glob(f"{self.passing}*"), self.planning):
            if folder.is_dir():
                shutil.rmtree(folder)

    def clear_planning(self) -> Path:
        """Return an empty folder to make a plan in."""
        shutil.rmtree(self.planning, ignore_errors=True)
        self.planning.mkdir(mode=0o700)
        return self.planning


def number_of(name: str) -> int:
    """Return the number of a run by its name, such as 000001-ab12cd; 0 where it has none."""
    digits = name.partition("-")[0]
    return int(digits) if digits.isdecimal() else 0


def place_of(job: Job, state: Path) -> Place:
    """Return the folder of the job's destination.

    A pin (`account`) that is added or taken away later does not make a new destination where there is only one: what was sent to this
    address stays sent.
    """
    return replace(_place_of(job, state), file=job.path.name)


def _place_of(job: Job, state: Path) -> Place:
    wanted = destination_of(job)
    found = places_of(job, state)
    known = [place for place in found if place.destination.address == wanted.address]
    for place in known:
        if place.destination == wanted:
            return place
    organisations = {place.folder: organisation(place) for place in known}
    if wanted.account is not None:
        for place in known:
            # An unpinned folder whose organisation nobody has named is this one's too: the account check guards the rest.
            if place.destination.account is None and organisations[place.folder] in (wanted.account, None):
                return place
    elif len(known) == 1:
        return known[0]
    elif known:
        names = ", ".join(sorted(p.destination.account or "(none)" for p in known))
        raise JobError(
            f"{wanted.address} has been posted to under several accounts: {names}",
            hint="say which by `delivery.account`",
        )
    return Place(job.job, state / wanted.folder, wanted)


def _require_usable(state: Path) -> None:
    """Raise StateError where a state folder is no folder, or may not be looked into: nothing would be found there, and all sent again."""
    try:
        next(state.iterdir(), None)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StateError(
            f"the state folder {state} cannot be read: {error.strerror}",
            hint="is --state (or CLICKREPLAY_STATE) a folder of this job, and may this user read it?",
        ) from error


def require_own_name(job: Job) -> None:
    """Raise StateError where the default state folder holds what this job file has sent under another `job:` name.

    The name is in the path of the folder: with a new one nothing would be known, and all would be sent again.
    """
    root = job.folder / ".clickreplay"
    if any(place.exists for place in places(root / job.job)):
        return
    wanted = (destination_of(job).address, job.path.name)
    for folder in sorted(path for path in root.glob("*") if path.is_dir()):
        try:
            found = [
                place for place in places(folder) if (place.destination.address, place.file) == wanted and place.exists
            ]
        except StateError:
            continue  # a folder of another job, for all that is known; its own calls say what is wrong
        for place in found:
            if place.job != job.job:
                raise StateError(
                    f"{job.path.name} has a state under another name: {folder} is of job {place.job!r}, this is {job.job!r}",
                    hint=f"write `job: {place.job}` again: with a new name all that was sent would go again. Where this is another job "
                    "that shall know nothing of it, say so by a folder of its own: --state FOLDER",
                )


def places_of(job: Job, state: Path) -> list[Place]:
    """Return the folders of all destinations of a job; raise StateError where the state folder is another job's."""
    found = places(state)
    for place in found:
        if place.job != job.job:
            raise StateError(
                f"the state folder {state} is of job {place.job!r}, not {job.job!r}",
                hint=f"what {place.job!r} has sent stands there: write `job: {place.job}` again where this is that job under a new name; "
                "a job of its own keeps a state folder of its own",
            )
    return found


def places(state: Path) -> list[Place]:
    """Return the folders of all destinations under a state folder."""
    _require_usable(state)
    found = []
    for file in sorted(state.glob("*/destination.json")):
        try:
            said = json.loads(file.read_text("utf-8"))
            destination = Destination(said["address"], said["account"])
            found.append(Place(str(said["job"]), file.parent, destination, said.get("file")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StateError(
                f"{file} cannot be read: {error}", hint="restore the state folder from a backup"
            ) from error
    return found


def organisation(place: Place) -> str | None:
    """Return the organisation that the API has named for this destination, if it has."""
    try:
        return (place.folder / "organisation").read_text("utf-8") or None
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StateError(
            f"{place.folder / 'organisation'} cannot be read: {error}", hint="restore the state folder from a backup"
        ) from error


def remember_organisation(place: Place, name: str) -> None:
    """Record the organisation that the API has named."""
    with storing(place):
        write_private(place.folder / "organisation", name)


def write_private(file: Path, text: str) -> None:
    """Write a small file for its owner alone; it appears whole or not at all."""
    with replaced(file) as part:
        part.write_text(text, "utf-8")


@contextmanager
def storing(place: Place) -> Iterator[None]:
    """Turn what the disk under a state folder says into a StateError. Another place is advised only where nothing is known here yet."""
    try:
        yield
    except (OSError, duckdb.IOException, duckdb.InvalidInputException, pa.ArrowInvalid) as error:
        words = getattr(error, "strerror", None) or str(error).split("\n", 1)[0]
        raise StateError(
            f"the state folder {place.folder} cannot be written or read: {words}",
            hint="free some space or give its owner the right to write there, and run the same command again: what was sent stays known"
            if place.exists
            else "free some space, or give another place with --state; nothing was sent",
        ) from error


@contextmanager
def locked(place: Place) -> Iterator[None]:
    """Hold the destination's lock; raise BusyError while another call holds it. The operating system frees it with the process.

    Raises StateError where there are no locks: two calls at once would send twice.
    """
    lock = place.folder / "lock"
    try:
        file = lock.open("a")
    except OSError as error:
        raise StateError(
            f"the lock {lock} cannot be opened: {_words(error)}",
            hint="give its owner the right to write there, and run again",
        ) from error
    with file:
        try:
            free = _lock(file)
        except OSError as error:
            raise StateError(
                f"the file system of the state folder {place.folder} gives no locks: {_words(error)}",
                hint="without a lock two calls at once would send twice. "
                + (
                    "Move the whole state folder, with all that lies in it, to a local disk, and name it there with --state"
                    if place.exists
                    else "Name a folder on a local disk with --state or CLICKREPLAY_STATE"
                ),
            ) from error
        if not free:
            raise BusyError(
                f"another call of this job is at work on {place.destination}",
                hint="`run --wait 5h` waits for it, or for its turn between two days of a range; see `clickreplay status`",
            )
        yield


def _lock(file: IO[str]) -> bool:
    """Take the lock; `status` holds it for a moment when it looks, so one refusal says nothing yet."""
    for _ in range(5):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return True
    return False


def _words(error: OSError) -> str:
    """What the system says, with the file that it says it of where that is told."""
    said = error.strerror or str(error)
    return f"{said} ({error.filename})" if error.filename else said


def require_ledger(place: Place) -> None:
    """Raise GuardError where nothing has been kept: `--require-state` is for schedulers whose checkouts come and go."""
    if not place.exists:
        raise GuardError(
            "require_state",
            f"no ledger at {place.folder}",
            hint="a state that moved would send everything twice: mend --state, or start one with --new-state",
        )
