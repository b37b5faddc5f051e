"""What a store must be able to do, and how a request to one is tried again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from etl.errors import InputError
from etl.source.origin import Stamp

#: Seconds before each further try of a request that failed in passing.
PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)

T = TypeVar("T")


class PassingError(Exception):
    """A failure that may be gone in a moment: a connection cut, a server too busy. Its words hold no secret."""


class Reading(Protocol):
    """A file opened at its store."""

    def read(self, offset: int, size: int) -> bytes:
        """Return exactly these bytes.

        Raises PassingError, fewer bytes among it; InputError for what will not pass; FileNotFoundError.
        """
        ...

    def close(self) -> None:
        """Let go of its connections."""
        ...


class Store(Protocol):
    """One file at its store."""

    @property
    def address(self) -> str:
        """Its full address, secrets and all: no message may show it."""
        ...

    @property
    def shown(self) -> str:
        """Its address for people."""
        ...

    @property
    def name(self) -> str:
        """Its name, without folders."""
        ...

    def stamp(self) -> Stamp:
        """Ask what the file is known by now. Raises what `Reading.read` raises."""
        ...

    def reading(self, stamp: Stamp, *, anywhere: bool) -> Reading:
        """Open the file, to be read from its start on, or `anywhere`. Raises what `Reading.read` raises."""
        ...


def changed(shown: str) -> InputError:
    """Return the error of a file that is no longer what it was."""
    return InputError(f"{shown} changed while it was read", hint="plan again when the export has been written")


def gone(shown: str) -> InputError:
    """Return the error of a file that is no longer there."""
    return InputError(f"{shown} went away while it was read", hint="plan again when it is there")


def tried(call: Callable[[], T], shown: str) -> T:
    """Return what `call` gives; what fails in passing is tried again a few times, then it is an InputError."""
    for pause in (*PAUSES, None):
        try:
            return call()
        except PassingError as error:
            if pause is None:
                raise InputError(
                    f"cannot read {shown}: {error} ({len(PAUSES) + 1} tries)",
                    hint="Is the server there, and the way to it? Run again when it is; nothing was half imported.",
                ) from error
            time.sleep(pause)
    raise AssertionError("the last try returns or raises")
