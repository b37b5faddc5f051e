"""Which files a job reads: files, folders, globs and lists of them, in natural order."""

from __future__ import annotations

import difflib
import glob
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from etl.errors import InputError

# What Spark and its kin leave beside the data.
_MARKERS = re.compile(r"_(SUCCESS|metadata|common_metadata|started.*|committed.*|temporary|delta_log|spark_metadata)$")


@dataclass(frozen=True, slots=True)
class Input:
    """One file to read.

    `shown` is its path for people: relative to the job's folder when below it or beside it. `size` is in bytes, `mtime_ns` in
    nanoseconds.
    """

    path: Path
    shown: str
    size: int
    mtime_ns: int


def find_inputs(paths: Sequence[str], folder: Path) -> list[Input]:
    """Return the files that `paths` name, relative ones from `folder`.

    A path is a file, a folder (with all below it; hidden files and markers like `_SUCCESS` are skipped) or a glob (`**`
    too). Paths keep their order; within one, files stand in natural order (a2 before a10). A file found twice counts
    once. Raises InputError (exit 4) where a path finds nothing, or a file cannot be read.
    """
    # Not resolve(): it would follow links, and `shown` would not be what was written.
    folder = Path(os.path.abspath(folder))  # noqa: PTH100
    seen: set[tuple[int, int]] = set()
    found: list[Input] = []
    for text in paths:
        for path in _expand(text, folder):
            item, identity = _input(path, folder)
            if identity not in seen:
                seen.add(identity)
                found.append(item)
    return found


def natural_key(path: str) -> tuple[tuple[tuple[int, int, str], ...], ...]:
    """Return a key that sorts paths as people do: by part, digits as numbers, `a2` before `a10`."""
    parts = PurePath(path).parts
    return tuple(
        tuple((0, int(piece), piece) if piece.isdigit() else (1, 0, piece) for piece in _pieces(part)) for part in parts
    )


def _pieces(part: str) -> Iterator[str]:
    return (piece for piece in re.split(r"([0-9]+)", part) if piece)


def _expand(text: str, folder: Path) -> list[Path]:
    """Return the files of one path of the job, in natural order."""
    path = folder / Path(text).expanduser()
    if path.is_dir():
        files = _below(path)
        if not files:
            raise InputError(
                f"no input: the folder {_shown(path, folder)} has no files",
                hint="Hidden files and markers such as _SUCCESS do not count. Check `source.path`.",
            )
        return files
    if _exists(path):
        return [path]
    if glob.has_magic(text):
        hits = (Path(hit) for hit in glob.glob(str(path), recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
        files = [file for hit in hits if not _skipped(hit.name) for file in (_below(hit) if hit.is_dir() else [hit])]
        if files:
            return sorted(set(files), key=lambda file: natural_key(str(file)))
    raise InputError(f"no input: nothing found at {_shown(path, folder)}", hint=_nearby(path, folder))


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
        folders[:] = [name for name in folders if not _skipped(name)]
        files.extend(Path(base, name) for name in names if not _skipped(name))
    return sorted(files, key=lambda file: natural_key(str(file)))


def _skipped(name: str) -> bool:
    return name.startswith(".") or name.endswith(".crc") or _MARKERS.match(name) is not None


def _exists(path: Path) -> bool:
    """Return whether something is there, be it a broken link; a glob such as `a[1].csv` may be a file's plain name."""
    return os.path.lexists(path)


def _input(path: Path, folder: Path) -> tuple[Input, tuple[int, int]]:
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
    return Input(path, shown, info.st_size, info.st_mtime_ns), (info.st_dev, info.st_ino)


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
        names = sorted((name for name in os.listdir(parent) if not _skipped(name)), key=natural_key)  # noqa: PTH208
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
