"""Files that appear whole or not at all, and that no link put in their way leads elsewhere."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: For its owner alone; and for all, where another user's program picks a file up.
PRIVATE, PUBLIC = 0o600, 0o644


@contextmanager
def replaced(file: Path, mode: int = PRIVATE) -> Iterator[Path]:
    """Give a new file beside `file`, with a random name; it takes the place of `file` when all went well.

    What was written is on the disk then. Otherwise the new file is removed and `file` stays as it was.
    """
    number, name = tempfile.mkstemp(prefix=f".{file.name[:100]}.", suffix=".part", dir=file.parent)
    os.close(number)
    part = Path(name)
    try:
        yield part
        sync(part)
        if mode != PRIVATE:  # that it is already, also on a volume that takes no modes
            part.chmod(mode)
        part.replace(file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def create_private(path: Path) -> None:
    """Create a file that its owner alone can read and write, before anything is in it; what stood there goes, a link too."""
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY, PRIVATE))


def sync(path: Path) -> None:
    """Put a file, or what a folder says of its files, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
