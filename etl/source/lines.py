"""Cuts a stream into blocks of whole physical lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from etl.source.chunk import KEPT_TEXT
from etl.source.streams import Read, filled


@dataclass(frozen=True, slots=True)
class Lines:
    """Whole lines, each with its newline (the last one of a file gets one). `final`: the file ends here.

    With `too_long`, `data` is only the start of one line that is longer than the limit, without a newline.
    """

    data: bytes
    final: bool
    too_long: bool = False


def whole_lines(read: Read, block: int, limit: int) -> Iterator[Lines]:
    """Yield a stream as blocks of about `block` bytes; the last one is `final` (and may be empty).

    A line of more than `limit` bytes is not held in memory: its start comes alone, marked `too_long`.
    """
    carry: list[bytes] = []
    held = 0
    while True:
        piece = filled(read, block)
        if not piece:
            rest = b"".join(carry)
            yield Lines(rest + b"\n" if rest else b"", final=True)
            return
        cut = piece.rfind(b"\n") + 1
        if cut:
            yield Lines(b"".join((*carry, piece[:cut])), final=False)
            carry, held = [piece[cut:]], len(piece) - cut
            continue
        carry.append(piece)
        held += len(piece)
        if held > limit:
            yield Lines(b"".join(carry)[: KEPT_TEXT * 4], final=False, too_long=True)
            rest = _after_newline(read, block)
            # Whole lines go out at once: the line after them may be too long as well.
            cut = rest.rfind(b"\n") + 1
            if cut:
                yield Lines(rest[:cut], final=False)
            carry, held = [rest[cut:]], len(rest) - cut


def _after_newline(read: Read, block: int) -> bytes:
    """Skip to the end of the line; return what was read beyond it."""
    while piece := filled(read, block):
        cut = piece.find(b"\n") + 1
        if cut:
            return piece[cut:]
    return b""
