"""Which files a job reads: files, folders, globs and lists of them, here and elsewhere, in natural order."""

from __future__ import annotations

import difflib
import glob
import os
import stat
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from etl.address import is_remote
from etl.errors import InputError, MissingInputError
from etl.source.order import natural_key, skipped
from etl.source.origin import LocalFile, Origin, Stamp
from etl.source.table_format import refuse_tables


@dataclass(frozen=True, slots=True)
class Input:
    """One file to read, as it was when it was found.

    `shown` is its path for people: relative to the job's folder when below it or beside it, an address without its secrets.
    `identity` is the same for one file, however it is spelled.
    """

    origin: Origin
    shown: str
    stamp: Stamp
    identity: Hashable

    @property
    def name(self) -> str:
        """Its name, without folders."""
        return self.origin.name

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self.stamp.size

    @property
    def mark(self) -> list[object]:
        """What a plan knows it by (RULES §2)."""
        return [self.shown, self.stamp.size, self.stamp.version]

    def prove(self) -> None:
        """Raise InputError where the file is no longer as it was: what was read may be half of one state and half of another."""
        try:
            now = self.origin.stamp()
        except OSError as error:
            raise InputError(f"{self.shown} went away while it was read", hint="plan again when it is there") from error
        if now != self.stamp:
            raise InputError(
                f"{self.shown} changed while it was read", hint="plan again when the export has been written"
            )

    def open(self) -> BinaryIO:
        """Open it to be read from its start; raise OSError or InputError, in reading too."""
        return self.origin.open(self.stamp)

    def arrow(self) -> pa.NativeFile:
        """Open it to be read at any place; raise OSError or InputError, in reading too."""
        return self.origin.arrow(self.stamp)


def find_inputs(paths: Sequence[str], folder: Path) -> list[Input]:
    """Return the files that `paths` name, relative ones from `folder`.

    A path is a file, a folder (with all below it; hidden files and markers like `_SUCCESS` are skipped) or a glob (`**`
    too), here, on s3:// or on gs://; or a file on https://. Paths keep their order; within one, files stand in natural
    order (a2 before a10). A file found twice counts once. Raises InputError (exit 4) where a path finds nothing, or a file cannot be read;
    MissingInputError where none of the paths finds anything.
    """
    # Not resolve(): it would follow links, and `shown` would not be what was written.
    folder = Path(os.path.abspath(folder))  # noqa: PTH100
    found: dict[Hashable, Input] = {}
    missing: list[MissingInputError] = []
    for text in paths:
        try:
            items = _remote(text) if is_remote(text) else _local(text, folder)
        except MissingInputError as error:
            missing.append(error)
            continue
        for item in items:
            found.setdefault(item.identity, item)
    if missing and found:
        raise InputError(missing[0].message, hint=missing[0].hint)
    if missing:
        raise missing[0]
    return list(_told_apart(found.values()))


def _told_apart(inputs: Iterable[Input]) -> Iterator[Input]:
    """Number the files that are shown alike, since addresses may differ in their secrets alone: places speak of files as they are shown."""
    seen: Counter[str] = Counter()
    for item in inputs:
        seen[item.shown] += 1
        yield replace(item, shown=f"{item.shown} ({seen[item.shown]})") if seen[item.shown] > 1 else item


def _remote(text: str) -> list[Input]:
    from etl.source.remote import find_remote  # what reaches out is loaded where something is out there

    return [Input(origin, shown, stamp, address) for address, origin, shown, stamp in find_remote(text)]


def _local(text: str, folder: Path) -> list[Input]:
    files = _expand(text, folder)
    refuse_tables(files)
    return [_input(path, folder) for path in files]


def _expand(text: str, folder: Path) -> list[Path]:
    """Return the files of one path of the job, in natural order."""
    path = folder / Path(text).expanduser()
    if path.is_dir():
        files = _below(path)
        if not files:
            raise MissingInputError(
                f"no input: the folder {_shown(path, folder)} has no files",
                hint="Hidden files and markers such as _SUCCESS do not count. Check `source.path`.",
            )
        return files
    if _exists(path):
        return [path]
    if glob.has_magic(text):
        hits = (Path(hit) for hit in glob.glob(str(path), recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
        files = [file for hit in hits if not skipped(hit.name) for file in (_below(hit) if hit.is_dir() else [hit])]
        if files:
            return sorted(set(files), key=lambda file: natural_key(str(file)))
    raise MissingInputError(f"no input: nothing found at {_shown(path, folder)}", hint=_nearby(path, folder))


def _below(top: Path) -> list[Path]:
    """Return all files below a folder, in natural order; links are followed, a loop of them once."""
    visited: set[str] = set()
    files: list[Path] = []

    def refuse(error: OSError) -> None:
        raise InputError(f"cannot read the folder {error.filename}: {error.strerror}") from error

    for base, folders, names in os.walk(top, followlinks=True, onerror=refuse):
        real = os.path.realpath(base)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        folders[:] = [name for name in folders if not skipped(name)]
        files.extend(Path(base, name) for name in names if not skipped(name))
    return sorted(files, key=lambda file: natural_key(str(file)))


def _exists(path: Path) -> bool:
    """Return whether something is there, be it a broken link; a glob such as `a[1].csv` may be a file's plain name."""
    return os.path.lexists(path)


def _input(path: Path, folder: Path) -> Input:
    shown = _shown(path, folder)
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):
            raise InputError(
                f"cannot read {shown}: it is not a regular file",
                hint="Inputs are read more than once, so a pipe will not do: write the export to a file first.",
            )
        with path.open("rb"):
            pass
    except OSError as error:
        raise InputError(
            f"cannot read {shown}: {error.strerror}", hint="Check the file and its permissions."
        ) from error
    return Input(LocalFile(path), shown, Stamp(info.st_size, info.st_mtime_ns), (info.st_dev, info.st_ino))


def _shown(path: Path, folder: Path) -> str:
    """Return a path for people; a name that is no text shows its bytes escaped."""
    full = os.path.normpath(path)
    below = os.path.relpath(full, folder) if Path(full).is_relative_to(folder.parent) else full
    return os.fsencode(below).decode("utf-8", "backslashreplace")


def _nearby(path: Path, folder: Path) -> str:
    """Say what there is near a path that is not there."""
    parent = path.parent
    while glob.has_magic(str(parent)) or not parent.is_dir():
        parent = parent.parent
    missing = path.relative_to(parent).parts[0]
    try:
        names = sorted((name for name in os.listdir(parent) if not skipped(name)), key=natural_key)  # noqa: PTH208
    except OSError:
        names = []
    place = _shown(parent, folder)
    where = "The job's folder" if place == "." else f"The folder {place}"
    if not names:
        return f"{where} is empty."
    near = difflib.get_close_matches(missing, names, n=3, cutoff=0.6)
    if near:
        return f"{where} has {', '.join(near)}. Relative paths start at the job file's folder."
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{where} has {', '.join(names[:5])}{more}. Relative paths start at the job file's folder."
