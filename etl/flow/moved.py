"""A file that changed while it was read gives half of one state and half of another."""

from __future__ import annotations

from collections.abc import Iterable

from etl.errors import InputError
from etl.source.inputs import Input


def refuse_moved(files: Iterable[Input]) -> None:
    """Raise InputError where a file is no longer as it was when it was found."""
    for found in files:
        try:
            stat = found.path.stat()
        except OSError as error:
            raise InputError(
                f"{found.shown} went away while it was read", hint="plan again when it is there"
            ) from error
        if (stat.st_size, stat.st_mtime_ns) != (found.size, found.mtime_ns):
            raise InputError(
                f"{found.shown} changed while it was read", hint="plan again when the export has been written"
            )
