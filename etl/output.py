"""The one way by which text leaves for a terminal, a pipe or a log.

No data steers what shows it: control characters and marks of writing direction are written as escapes. No failure of telling ends or
changes a call: what an encoding lacks gets a plain stand-in, what cannot be written is left out.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import re
import select
import sys
from collections.abc import Iterator
from typing import TextIO

# Control characters but tab and newline, marks of direction, separators of lines and paragraphs, lone surrogates.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_PLAIN = {"→": "->", "←": "<-", "·": "-", "…": "...", "–": "-", "—": "-", "×": "x", "≤": "<=", "≥": ">=", "−": "-"}
_HANDLER = "clickreplay.plain"
_PIECE = 4096  # bytes that a pipe which is ready takes without a wait
_PATIENCE = 5.0  # seconds that a reader who does not read may hold a call


def visible(text: str) -> str:
    r"""Return `text` with what steers a terminal or hides text in it as escapes that JSON knows too: \u001b."""
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(text: str) -> str:
    r"""Return `text` as :func:`visible` does, its line ends as escapes too: a file's name does not add lines to a log."""
    return visible(text).replace("\n", "\\n")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(char, "?") for char in error.object[error.start : error.end]), error.end


codecs.register_error(_HANDLER, _plain)


class Outlet(io.TextIOBase):
    """A stream in the place of stdout or stderr. `lost` is the first failure to write; later texts are still tried.

    `patience` is how long a reader who does not read holds a call; None is for ever. `steers`: its texts may move the cursor.
    """

    def __init__(self, stream: TextIO | None, *, patience: float | None = None, steers: bool = False) -> None:
        self._stream, self._patience, self._steers = stream, patience, steers
        self._waits = patience
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._encoder = codecs.getincrementalencoder(self._encoding)(_HANDLER)
        self.lost: OSError | None = None
        try:
            self._descriptor = None if stream is None else stream.fileno()
        except (OSError, ValueError):
            self._descriptor = None  # a stream in memory

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of what is written; click looks for another stream below one of ASCII."""
        return "utf-8" if codecs.lookup(self._encoding).name == "ascii" else self._encoding

    @property
    def is_utf8(self) -> bool:
        """Whether every character can be written."""
        return codecs.lookup(self._encoding).name == "utf-8"

    def steering(self) -> Outlet:
        """Return the same stream for bars that move the cursor. What they show of data goes through :func:`visible`."""
        return Outlet(self._stream, patience=self._patience, steers=True)

    def writable(self) -> bool:
        """Say yes."""
        return True

    def isatty(self) -> bool:
        """Say whether a terminal shows it."""
        try:
            return self._stream is not None and self._stream.isatty()
        except (OSError, ValueError):
            return False

    def fileno(self) -> int:
        """Return the number of the open file below."""
        if self._descriptor is None:
            raise io.UnsupportedOperation("fileno")
        return self._descriptor

    def write(self, text: str) -> int:
        """Write a text as far as that can be done."""
        if not isinstance(text, str):
            raise TypeError("expected a text")
        shown = text if self._steers else visible(text)
        try:
            if self._descriptor is not None:
                self._put(self._encoder.encode(shown), self._descriptor)
            elif self._stream is not None:
                self._stream.write(shown)
        except OSError as error:
            self.lost = self.lost or error
        return len(text)

    def flush(self) -> None:
        """Do nothing: no text is kept back."""

    def _put(self, data: bytes, descriptor: int) -> None:
        while data:
            # Not by Python's own buffer: what that cannot write it tries again at the end, and ends the process with 120.
            _, ready, _ = select.select([], [descriptor], [], self._waits)
            if not ready:
                self._waits = 0.0
                raise BlockingIOError(errno.EAGAIN, "what reads it does not read")
            self._waits = self._patience
            with contextlib.suppress(BlockingIOError):
                data = data[os.write(descriptor, data[:_PIECE]) :]


@contextlib.contextmanager
def outlets() -> Iterator[None]:
    """Put outlets in the places of stdout and stderr; say on stderr at the end where stdout could not be written."""
    _fill_closed()
    before = sys.stdout, sys.stderr
    out, err = Outlet(sys.stdout), Outlet(sys.stderr, patience=_PATIENCE)
    sys.stdout, sys.stderr = out, err
    try:
        yield
    finally:
        if out.lost is not None and out.lost.errno != errno.EPIPE:
            err.write(
                f"warning: stdout cannot be written ({out.lost.strerror}): what was said there is lost, "
                "and nothing else has changed by that; `clickreplay status JOB` shows the runs\n"
            )
        sys.stdout, sys.stderr = before


def _fill_closed() -> None:
    """Give 0, 1 and 2 to nothing where they are closed: a file of the state that got such a number would take what is said."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it takes the lowest number that is free
