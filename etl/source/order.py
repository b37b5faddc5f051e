"""The order of files, and which of those in a folder do not count."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath

# What Spark and its kin leave beside the data.
_MARKERS = re.compile(r"_(SUCCESS|metadata|common_metadata|started.*|committed.*|temporary|delta_log|spark_metadata)$")


def natural_key(path: str) -> tuple[tuple[tuple[int, int, str], ...], ...]:
    """Return a key that sorts paths as people do: by part, digits as numbers, `a2` before `a10`."""
    parts = PurePath(path).parts
    return tuple(
        tuple((0, int(piece), piece) if piece.isdigit() else (1, 0, piece) for piece in _pieces(part)) for part in parts
    )


def _pieces(part: str) -> Iterator[str]:
    return (piece for piece in re.split(r"([0-9]+)", part) if piece)


def skipped(name: str) -> bool:
    """Return whether a file or folder in a folder is no data: hidden, a checksum, a marker."""
    return name.startswith(".") or name.endswith(".crc") or _MARKERS.match(name) is not None
