"""The serial: a number that grows with each wait for the disk. It stands in the checkpoint and in a small file beside it.

The checkpoint's number is on the disk before the file's is. So no kill and no power cut leaves the file ahead. Where it is ahead, the
checkpoint was put back from an older copy: events went out since then that it knows nothing of.
"""

from __future__ import annotations

import os
from pathlib import Path

from etl.errors import StateError
from etl.files import create_private


def beside(checkpoint: Path) -> Path:
    """Return where the file of a checkpoint lies."""
    return checkpoint.with_suffix(".serial")


def read(checkpoint: Path) -> int | None:
    """Return the number in the file beside a checkpoint, None where there is no file; raise StateError for one that says none."""
    file = beside(checkpoint)
    try:
        return int(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or "it holds no number"
        raise StateError(f"{file} cannot be read: {words}", hint=OLDER) from error


def write(checkpoint: Path, number: int) -> None:
    """Write the number, on the disk on return; the file appears whole or not at all, and its owner alone can read it."""
    file = beside(checkpoint)
    part = file.with_name(f"{file.name}.part")
    create_private(part)  # one name for all of them: what a kill leaves is the next one's to remove
    descriptor = os.open(part, os.O_WRONLY)
    try:
        os.write(descriptor, f"{number}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part.replace(file)


def require_present(checkpoint: Path, number: int) -> None:
    """Raise StateError where the number in a checkpoint says that it is older than the file beside it."""
    told = read(checkpoint)
    if told is None:
        raise StateError(
            f"{beside(checkpoint)} is gone: it tells whether the checkpoint beside it is the last one", hint=OLDER
        )
    if told > number:
        raise StateError(
            f"the checkpoint {checkpoint} is older than what was sent: it was put back from a copy (step {number:,}; "
            f"{beside(checkpoint).name} says {told:,})",
            hint=OLDER,
        )


#: What to do about a state folder in which something older was put back.
OLDER = (
    "nothing was taken away and nothing was sent; put the newest checkpoint.sqlite back. Where only a backup is left, restore the whole "
    "folder, all of one moment: what went out since the backup goes out again"
)
