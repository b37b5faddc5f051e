"""Cuts the lines of a block into the fields of a layout: all at once, and the few odd ones by a pattern."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from etl.source.access_log.layout import Field, Layout
from etl.source.access_log.octets import Block, Flags
from etl.source.access_log.pattern import MOST, MOST_QUOTES, TAIL, patterns
from etl.source.access_log.times import CLF_WIDTH, is_clf
from etl.source.chunk import Ints

_SPACE = b" "
_FREE = frozenset({"user", "list"})  # may hold blanks outside quotes


@dataclass(frozen=True, slots=True)
class Cut:
    """Where each field of each line starts and ends; the last pair is the tail's. Only lines that `fits` marks count."""

    starts: list[Ints]
    ends: list[Ints]
    fits: Flags

    def only(self, rows: Flags) -> Cut:
        """Return the marked lines alone."""
        if rows.all():
            return self
        starts = [column[rows] for column in self.starts]
        return Cut(starts, [column[rows] for column in self.ends], self.fits[rows])


def cut(block: Block, layout: Layout, wanted: Flags) -> Cut:
    """Cut the lines that `wanted` marks (all others do not fit)."""
    found = _fast(block, layout)
    found.fits[~wanted] = False
    odd = np.flatnonzero(~found.fits & wanted & (block.ends - block.starts <= MOST))
    if len(odd):
        _exact(block, layout, found, odd)
    return found


def _fast(block: Block, layout: Layout) -> Cut:
    """Cut field by field, each at the first place where the text that follows it stands."""
    starts: list[Ints] = []
    ends: list[Ints] = []
    first = layout.literals[0]
    fits = block.stands(first, block.starts) if first else np.ones(len(block.starts), np.bool_)
    fits &= block.at(block.starts) != 0  # the pattern knows of NUL bytes before a line
    at = block.starts + len(first)
    for index, field in enumerate(layout.fields):
        at = np.minimum(at, block.size)
        literal = layout.literals[index + 1]
        final = index == len(layout.fields) - 1
        if field.kind == "clf":
            end = at + CLF_WIDTH
            fits &= block.stands(literal, end)
        elif final and not layout.tail:
            end = block.ends - len(literal)
            fits &= block.stands(literal, end)
            if field.quoted:
                fits &= block.next(b'"', at, unescaped=True) == end
        elif literal:
            end = block.next(literal, at, unescaped=field.quoted)
        else:
            end = np.minimum(block.next(_SPACE, at), block.ends)
        if field.around == "bare" and field.kind not in _FREE and field.kind != "clf" and literal != _SPACE:
            fits &= block.next(_SPACE, at) >= end
        stop = end + len(literal)
        fits &= (end >= at) & (stop <= block.ends)
        fits &= _is_of_kind(block, field, at, end)
        starts.append(at)
        ends.append(end)
        at = end if index + 1 in layout.peeks else stop
    starts.append(np.minimum(at, block.size))
    ends.append(block.ends)
    if layout.tail:
        fits &= (at >= block.ends) | (block.at(at) == ord(" "))
        _check_tails(block, starts[-1], fits)
    return Cut(starts, ends, fits)


def _is_of_kind(block: Block, field: Field, starts: Ints, ends: Ints) -> Flags:
    """Mark the values that may be of the field's kind."""
    size = ends - starts
    first = block.at(starts)
    digit = _is_digit(first)
    dash: Flags = (size == 1) & (first == ord("-"))
    sound: Flags = size > 0
    match field.kind:
        case "clf":
            return is_clf(block.window(starts, CLF_WIDTH))
        case "host":
            sound &= ~dash
        case "pair":
            sound = dash | (block.next(b":", starts) < ends)
        case "user":
            sound &= dash | (first != ord("-")) | (block.at(starts + 1) != ord(" "))
        case "status":
            sound &= digit & (size <= 3)
            sound &= (size < 2) | _is_digit(block.at(starts + 1))
            sound = dash | (sound & _is_digit(block.at(ends - 1)))
        case "number" | "epoch":
            signed = ((first == ord("-")) | (first == ord("+"))) & (size > 1)
            sound = dash | (sound & (digit | signed) & _is_digit(block.at(ends - 1)))
        case "iso":
            sound = dash | ((size >= 19) & digit & (block.at(starts + 4) == ord("-")))
        case _:
            sound = np.ones(len(starts), np.bool_)
    return sound


def _is_digit(octets: npt.NDArray[np.uint8]) -> Flags:
    digit: Flags = (octets - np.uint8(0x30)) < 10
    return digit


def _check_tails(block: Block, starts: Ints, fits: Flags) -> None:
    """Take back the lines whose tail is no run of further fields: a line that was cut off within a quote."""
    rows = np.flatnonzero(fits & (starts < block.ends))
    if len(rows):
        tails = block.texts(starts[rows], block.ends[rows])
        good = pc.match_substring_regex(tails, f"^{TAIL}$").to_numpy(zero_copy_only=False)
        fits[rows[~good.astype(np.bool_)]] = False


def _exact(block: Block, layout: Layout, found: Cut, odd: Ints) -> None:
    """Match the odd lines one by one, and write the fields of those that fit."""
    strict, lenient = patterns(layout)
    columns = len(layout.fields) + layout.tail
    for index in odd.tolist():
        line = block.line(index)
        match = strict.fullmatch(line)
        if match is None and line.count(b'"') <= MOST_QUOTES:
            match = lenient.fullmatch(line)
        if match is None:
            continue
        base = int(block.starts[index])
        for column in range(columns):
            found.starts[column][index] = base + match.start(column + 1)
            found.ends[column][index] = base + match.end(column + 1)
        found.fits[index] = True
