"""A file elsewhere as an origin of an input, read in pieces: never held whole, never a byte lost or doubled."""

from __future__ import annotations

import io
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import pyarrow as pa

from etl.errors import InputError
from etl.source.origin import Stamp
from etl.source.remote.store import PassingError, Reading, Store, changed, gone, tried

#: Bytes asked for at once: the first piece is small, since headers and first lines are read of every file before any is read whole.
FIRST, MOST = 1 << 20, 8 << 20


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file elsewhere."""

    store: Store

    @property
    def name(self) -> str:
        """Its name, without folders."""
        return self.store.name

    @property
    def piece(self) -> int:
        """How many bytes are best asked for at once."""
        return MOST

    def stamp(self) -> Stamp:
        """Ask what it is known by now; raise FileNotFoundError or InputError."""
        return tried(self.store.stamp, self.store.shown)

    def open(self, stamp: Stamp) -> BinaryIO:
        """Open it to be read from its start, a piece ahead."""
        return cast("BinaryIO", RemoteStream(self.store, stamp, ahead=True))

    def arrow(self, stamp: Stamp) -> pa.NativeFile:
        """Open it to be read at any place, as much at a time as is asked for."""
        return pa.PythonFile(RemoteStream(self.store, stamp, ahead=False), mode="r")


class RemoteStream(io.RawIOBase):
    """The bytes of one stamp. A file that is no longer the same is an InputError, at the latest where it ends.

    With `ahead` one piece is read while the one before is worked on. What is read at any place has no end: `Input.prove` tells.
    """

    def __init__(self, store: Store, stamp: Stamp, *, ahead: bool) -> None:
        super().__init__()
        self._store, self._stamp = store, stamp
        self._reading: Reading | None = None
        self._pool = ThreadPoolExecutor(1) if ahead else None
        self._place = 0  # of the next byte given
        self._begin, self._piece = 0, b""
        self._next: tuple[int, Future[bytes]] | None = None
        self._size = FIRST
        self._proven = False  # that nothing changed up to the last byte read

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a place."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._stamp.size}[whence]
        self._place = base + offset
        return self._place

    def readinto(self, buffer: Any, /) -> int:
        """Read some bytes: as many as are at hand, or, without `ahead`, as many as are asked for."""
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), self._stamp.size - self._place)
        if wanted <= 0:
            if len(view) and self._pool is not None:
                self._prove()
            return 0
        if self._pool is None:
            data = memoryview(self._fetch(self._place, wanted))
        else:
            if not self._begin <= self._place < self._begin + len(self._piece):
                self._turn()
            start = self._place - self._begin
            data = memoryview(self._piece)[start : start + wanted]
        view[: len(data)] = data
        self._place += len(data)
        return len(data)

    def close(self) -> None:
        """Let go of everything."""
        super().close()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    def _turn(self) -> None:
        """Make the piece at the present place the one at hand, and begin to read the one after it."""
        pool = self._pool
        assert pool is not None  # noqa: S101 - only streams that read ahead turn pieces
        coming, self._next = self._next, None
        if coming is not None and coming[0] == self._place:
            data = coming[1].result()
        else:
            if coming is not None:
                coming[1].exception()  # one request at a time
            data = self._fetch(self._place, self._length(self._place))
        self._begin, self._piece = self._place, data
        following = self._begin + len(data)
        # The very first piece may be a look at the header only.
        if self._begin and following < self._stamp.size:
            self._size = min(self._size * 2, MOST)
            self._next = (following, pool.submit(self._fetch, following, self._length(following)))

    def _length(self, place: int) -> int:
        return min(self._size, self._stamp.size - place)

    def _fetch(self, offset: int, size: int) -> bytes:
        """Return these bytes; what fails in passing is asked for again from the same place."""
        self._proven = False
        return tried(lambda: self._once(offset, size), self._store.shown)

    def _once(self, offset: int, size: int) -> bytes:
        try:
            if self._reading is None:
                self._reading = self._store.reading(self._stamp, anywhere=self._pool is None)
            return self._reading.read(offset, size)
        except FileNotFoundError as error:
            raise gone(self._store.shown) from error
        except (PassingError, InputError):
            # A file that was replaced by a shorter one, say, fails in ways that do not tell.
            if self._reading is not None:
                self._reading.close()
                self._reading = None
            self._compare()
            raise

    def _compare(self) -> None:
        try:
            now = self._store.stamp()
        except FileNotFoundError as error:
            raise gone(self._store.shown) from error
        except (PassingError, InputError):
            return  # the failure itself says more
        if now != self._stamp:
            raise changed(self._store.shown)

    def _prove(self) -> None:
        """Raise InputError where the file is no longer the one that was read."""
        if self._proven:
            return
        try:
            now = tried(self._store.stamp, self._store.shown)
        except FileNotFoundError as error:
            raise gone(self._store.shown) from error
        if now != self._stamp:
            raise changed(self._store.shown)
        self._proven = True
