"""What a file holds, as a hash of its bytes: of all of them, and of its beginnings, by which a file that has grown is known."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from etl.source.inputs import Input
from etl.source.origin import LocalFile
from etl.source.streams import open_bytes

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Digest:
    """The size in bytes of what a file holds, unpacked, and its SHA-256 in hexadecimal digits."""

    size: int
    hash: str


@dataclass(frozen=True, slots=True)
class Digested:
    """The digest of a file, and those of some of its beginnings that are shorter."""

    whole: Digest
    beginnings: tuple[Digest, ...]


def digested(item: Input, sizes: Iterable[int], progress: Callable[[], None] = lambda: None) -> Digested:
    """Read a file once, unpacked, and return its digest and those of its beginnings of these sizes.

    A file elsewhere is not fetched a second time: what the store says of its version stands for its hash. `progress` is called now and
    then, and may end the reading by an error. Raises InputError.
    """
    if not isinstance(item.origin, LocalFile):
        return Digested(Digest(item.size, f"version:{item.stamp.version}"), ())
    beginnings: list[Digest] = []
    known, size = hashlib.sha256(), 0
    wanted = iter(sorted(set(sizes)))
    stop = next(wanted, None)
    with open_bytes(item) as read:
        while piece := read(_PIECE):
            view = memoryview(piece)
            while stop is not None and stop <= size + len(view):
                part, view = view[: stop - size], view[stop - size :]
                known.update(part)
                size = stop
                beginnings.append(Digest(size, known.hexdigest()))
                stop = next(wanted, None)
            known.update(view)
            size += len(view)
            progress()
    whole = Digest(size, known.hexdigest())
    return Digested(whole, tuple(one for one in beginnings if one != whole))
