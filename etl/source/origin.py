"""Where an input's bytes come from: a file of this machine, or one elsewhere (`etl.source.remote`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a file is known by (RULES §2): its size in bytes, and its mtime in ns or, elsewhere, its etag or generation."""

    size: int
    version: int | str


class Origin(Protocol):
    """One file. Reading it gives the bytes of the stamp, all of them, or an error.

    Errors: FileNotFoundError where it is not there, another OSError or InputError where it cannot be read.
    """

    @property
    def name(self) -> str:
        """Its name, without folders."""
        ...

    @property
    def piece(self) -> int:
        """How many bytes are best asked for at once, at most."""
        ...

    def stamp(self) -> Stamp:
        """Return what it is known by now."""
        ...

    def open(self, stamp: Stamp) -> BinaryIO:
        """Open it to be read from its start."""
        ...

    def arrow(self, stamp: Stamp) -> pa.NativeFile:
        """Open it to be read at any place."""
        ...


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of this machine."""

    path: Path

    @property
    def name(self) -> str:
        """Its name, without folders."""
        return self.path.name

    @property
    def piece(self) -> int:
        """How many bytes are best asked for at once."""
        return 1 << 20

    def stamp(self) -> Stamp:
        """Return its size and its mtime in nanoseconds."""
        info = self.path.stat()
        return Stamp(info.st_size, info.st_mtime_ns)

    def open(self, stamp: Stamp) -> BinaryIO:  # noqa: ARG002 - a change shows at the end of the plan
        """Open it to be read from its start."""
        return self.path.open("rb")

    def arrow(self, stamp: Stamp) -> pa.NativeFile:  # noqa: ARG002
        """Open it to be read at any place."""
        return pa.OSFile(str(self.path))
