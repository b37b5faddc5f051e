"""The objects of a bucket that an address names: one, all below a folder, or a glob of them, as a local path would."""

from __future__ import annotations

import fnmatch
import glob
from collections.abc import Iterator, Sequence
from functools import partial

from pyarrow import fs

from etl.errors import InputError, MissingInputError
from etl.source.order import natural_key, skipped
from etl.source.remote.buckets import BucketFile, filesystem, told
from etl.source.remote.store import tried


def find_keys(scheme: str, bucket: str, key: str) -> list[BucketFile]:
    """Return the objects that an address names, in natural order; raise InputError where there is none."""
    shown = BucketFile(scheme, bucket, key).shown
    if "//" in key or key.startswith("/"):
        raise InputError(
            f"cannot read {shown}: a key with an empty part (`//`) cannot be read", hint="Rename the object."
        )
    kind = tried(partial(_kind, scheme, bucket, key), shown)
    if kind == "file":
        return [BucketFile(scheme, bucket, key)]
    if kind == "folder":
        folder = f"{key.rstrip('/')}/" if key else ""
        found = [name for name in _below(scheme, bucket, folder, shown) if _counts(name[len(folder) :].split("/"))]
        if not found:
            raise MissingInputError(
                f"no input: the folder {shown} has no files",
                hint="Hidden files, markers such as _SUCCESS and empty markers of folders do not count. Check the path.",
            )
    elif glob.has_magic(key):
        parts = key.split("/")
        fixed = next(at for at, part in enumerate(parts) if glob.has_magic(part))
        folder = "".join(f"{part}/" for part in parts[:fixed])
        pattern = parts[fixed:]
        found = [
            name for name in _below(scheme, bucket, folder, shown) if _fits(name[len(folder) :].split("/"), pattern)
        ]
        if not found:
            raise _nothing(shown)
    else:
        raise _nothing(shown)
    return [BucketFile(scheme, bucket, name) for name in sorted(found, key=natural_key)]


def _kind(scheme: str, bucket: str, key: str) -> str:
    """Return what is at a key: `file`, `folder` or nothing."""
    shown = f"{scheme}://{bucket}/{key}"
    try:
        kind = filesystem(scheme, bucket).get_file_info(f"{bucket}/{key}".rstrip("/")).type
    except OSError as error:
        wrong = told(error, scheme, shown)
        if isinstance(wrong, FileNotFoundError):
            return ""
        raise wrong from error
    return {fs.FileType.File: "file", fs.FileType.Directory: "folder"}.get(kind, "")


def _below(scheme: str, bucket: str, folder: str, shown: str) -> Iterator[str]:
    """Yield the keys of all objects below a folder; the empty markers of folders are none."""

    def ask() -> list[fs.FileInfo]:
        try:
            selector = fs.FileSelector(f"{bucket}/{folder}".rstrip("/"), allow_not_found=True, recursive=True)
            found: list[fs.FileInfo] = filesystem(scheme, bucket).get_file_info(selector)
        except OSError as error:
            wrong = told(error, scheme, shown)
            raise (_nothing(shown) if isinstance(wrong, FileNotFoundError) else wrong) from error
        return found

    for info in tried(ask, shown):
        if info.type == fs.FileType.File and not info.path.endswith("/"):
            yield info.path[len(bucket) + 1 :]


def _counts(parts: Sequence[str]) -> bool:
    return not any(map(skipped, parts))


def _fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Return whether a key fits a glob as a local path would: `*` takes no hidden name, a folder that fits gives all below it."""
    if not pattern:
        return _counts(parts)
    head, rest = pattern[0], pattern[1:]
    if head == "**":
        deeper = len(parts) > 1 and not parts[0].startswith(".") and _fits(parts[1:], pattern)
        return deeper or (_fits(parts, rest) if rest else _counts(parts))
    if not parts or (parts[0].startswith(".") and not head.startswith(".")):
        return False
    if not fnmatch.fnmatchcase(parts[0], head) or (not rest and skipped(parts[0])):
        return False
    if len(parts) == 1:
        return all(part == "**" for part in rest)
    return _fits(parts[1:], rest)


def _nothing(shown: str) -> MissingInputError:
    return MissingInputError(
        f"no input: nothing found at {shown}",
        hint="Check the bucket and the key: they are case-sensitive. Is the bucket at this endpoint and account?",
    )
