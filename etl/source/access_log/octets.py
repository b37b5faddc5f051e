"""Bytes of a block, and columns cut out of them without a loop over rows.

A column is two arrays, where each row's value starts and where it ends; rows follow each other in the block.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from etl.source.chunk import Ints, is_text

Flags = npt.NDArray[np.bool_]

_BACKSLASH, _DASH, _NEWLINE, _RETURN, _BLANK, _QUOTE = 0x5C, 0x2D, 0x0A, 0x0D, 0x20, 0x22
_NOTHING = (b"", b"-", b'""')


class Octets:
    """Bytes that are UTF-8 where values are taken from, with the places of what is looked for in them."""

    def __init__(self, data: bytes | pa.Buffer) -> None:
        self.data = data
        self.octets = np.frombuffer(data, np.uint8) if len(data) else np.empty(0, np.uint8)
        self.size = len(self.octets)
        self._places: dict[tuple[bytes, bool], Ints] = {}

    def places(self, text: bytes, *, unescaped: bool = False) -> Ints:
        """Return where `text` stands, and the size at the end; `unescaped` leaves out those behind a backslash."""
        key = (text, unescaped)
        if key not in self._places:
            self._places[key] = self._find(text, unescaped=unescaped)
        return self._places[key]

    def _find(self, text: bytes, *, unescaped: bool) -> Ints:
        longer = len(text) > 1 or unescaped
        found = self.places(text[:1])[:-1] if longer else np.flatnonzero(self.octets == text[0])
        if len(text) > 1:
            found = found[found <= self.size - len(text)]
            for offset, sign in enumerate(text[1:], 1):
                found = found[self.octets[found + offset] == sign]
        if unescaped:
            found = found[~self._escaped(found)]
        return np.append(found, self.size)

    def _escaped(self, found: Ints) -> Flags:
        """Mark what an odd number of backslashes stands before."""
        odd = np.zeros(len(found), np.bool_)
        index, back = np.arange(len(found)), 1
        while len(index):
            at = found[index] - back
            index = index[(at >= 0) & (self.octets[np.maximum(at, 0)] == _BACKSLASH)]
            odd[index] = ~odd[index]
            back += 1
        return odd

    def next(self, text: bytes, at: Ints, *, unescaped: bool = False) -> Ints:
        """Return for each place of `at` the first place from there on where `text` stands; the size where none is."""
        places = self.places(text, unescaped=unescaped)
        return places[np.searchsorted(places[:-1], at)]

    def last(self, text: bytes, before: Ints) -> Ints:
        """Return for each place the last one before it where the one byte `text` stands; -1 where none is."""
        places = self.places(text)[:-1]
        index = np.searchsorted(places, before) - 1
        return np.where(index >= 0, places[index] if len(places) else -1, -1)

    def at(self, places: Ints) -> npt.NDArray[np.uint8]:
        """Return the bytes at places; for places outside, the first or the last byte."""
        if not self.size:
            return np.zeros(len(places), np.uint8)
        return self.octets.take(places, mode="clip")

    def stands(self, text: bytes, at: Ints) -> Flags:
        """Mark the places at which `text` stands."""
        found = np.ones(len(at), np.bool_)
        for offset, sign in enumerate(text):
            found &= self.at(at + offset) == sign
        return found

    def window(self, at: Ints, width: int) -> npt.NDArray[np.uint8]:
        """Return so many bytes from each place on, a row each; places too near the end give others."""
        if self.size < width:
            return np.zeros((len(at), width), np.uint8)
        windows = np.lib.stride_tricks.sliding_window_view(self.octets, width)
        return windows[np.clip(at, 0, self.size - width)]

    def absent(self, starts: Ints, ends: Ints) -> Flags:
        """Mark the values that say that there is none: nothing, `-` or `""`, with blanks around or without."""
        size = ends - starts
        first = self.at(starts)
        none: Flags = (size <= 0) | ((size == 1) & (first == _DASH))
        for index in np.flatnonzero(~none & ((first == _BLANK) | (first == _QUOTE))).tolist():
            none[index] = bytes(self.data[starts[index] : ends[index]]).strip() in _NOTHING
        return none

    def trimmed(self, starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
        """Return where values start and end without the blanks around them."""
        while len(more := np.flatnonzero((starts < ends) & (self.at(starts) == _BLANK))):
            starts = starts.copy()
            starts[more] += 1
        while len(more := np.flatnonzero((starts < ends) & (self.at(ends - 1) == _BLANK))):
            ends = ends.copy()
            ends[more] -= 1
        return starts, ends

    def holds(self, text: bytes, starts: Ints, ends: Ints) -> Flags:
        """Mark the values that hold `text`, one byte."""
        held: Flags = self.next(text, starts) < ends
        return held

    def texts(self, starts: Ints, ends: Ints, absent: Flags | None = None) -> pa.Array:
        """Return the values as text; null where `absent`."""
        count = len(starts)
        if not count:
            return pa.array([], pa.string())
        if absent is not None:
            # Arrow wants growing offsets, and an absent value may have none that are right.
            ends = np.where(absent, starts, ends)
        # Values and what lies between them are the pieces of one array: every other one is taken.
        offsets = np.empty(2 * count + 1, np.int32)
        offsets[:-1:2], offsets[1::2], offsets[-1] = starts, ends, ends[-1]
        pieces = pa.Array.from_buffers(pa.string(), 2 * count, [None, pa.py_buffer(offsets), pa.py_buffer(self.data)])
        return pieces.take(pa.array(np.arange(0, 2 * count, 2), mask=absent))


class Block(Octets):
    """Whole lines: `starts` and `ends` of each, without the line's end."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        newlines = self.places(b"\n")[:-1]
        self.starts: Ints = np.concatenate((np.zeros(1, np.int64), newlines[:-1] + 1))[: len(newlines)]
        returns = (newlines > self.starts) & (self.at(newlines - 1) == _RETURN)
        self.ends: Ints = newlines - returns

    def line(self, index: int) -> bytes:
        """Return one line without its end."""
        return bytes(self.data[self.starts[index] : self.ends[index]])

    def blank(self) -> Flags:
        """Mark the lines without anything but blanks."""
        blank: Flags = self.ends == self.starts
        odd = np.flatnonzero(~blank & np.isin(self.at(self.starts), (0x20, 0x09, _RETURN)))
        for index in odd.tolist():
            blank[index] = not self.line(index).strip()
        return blank

    def misread(self) -> Ints:
        """Return the lines that are no UTF-8."""
        if bytes(self.data).isascii() or is_text(bytes(self.data)):
            return np.empty(0, np.int64)
        high = np.concatenate((np.zeros(1, np.int64), np.cumsum(self.octets >= 0x80, dtype=np.int64)))
        suspects = np.flatnonzero(high[self.ends] > high[self.starts]).tolist()
        return np.array([index for index in suspects if not is_text(self.line(index))], np.int64)


def array_octets(array: pa.Array) -> tuple[Octets, Ints, Ints]:
    """Return the bytes of an array of texts, and where each one starts and ends."""
    offsets = np.frombuffer(array.buffers()[1], np.int32, len(array) + 1, array.offset * 4).astype(np.int64)
    return Octets(array.buffers()[2] or b""), offsets[:-1], offsets[1:]
