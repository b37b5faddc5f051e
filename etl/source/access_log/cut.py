"""Cuts the lines of a block into the fields of a layout: all at once, and the few odd ones by a pattern."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from etl.source.access_log.layout import Field, Layout
from etl.source.access_log.octets import Block, Flags
from etl.source.access_log.pattern import CAPTURES, ENDS_ANYHOW, MOST, TAIL, behind_ident, spans
from etl.source.access_log.strftime import time_form
from etl.source.access_log.times import CLF_WIDTH, is_clf
from etl.source.access_log.users import are_users
from etl.source.chunk import Ints

_SPACE, _BLANK, _COMMA, _COLON = b" ", ord(" "), ord(","), ord(":")
#: Kinds that end elsewhere than at the first blank.
_FREE_ENDS = frozenset({"words", "strftime", "captures", "clf", "list", "request"})
_TOLD_BY_TEXT = frozenset({"user", "words", "strftime", "captures"})
_MOST_VALUES = 32
_SYSLOG_MOST = 256


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
    if layout.prefixed:
        at = _behind_syslog(block, at)
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
        elif field.kind == "list":
            end = _list_ends(block, at)
            fits &= block.stands(literal, end)
        elif field.kind == "request" and field.around == "bare":
            end = _request_ends(block, at)
            fits &= block.stands(literal, end)
        elif field.kind == "strftime" and literal in (b"", _SPACE):
            end = at - 1
            for _ in range(time_form(field.form or "").blanks + 1):
                end = block.next(_SPACE, end + 1)
            end = np.minimum(end, block.ends)
        elif literal:
            end = block.next(literal, at, unescaped=field.quoted)
        else:
            end = np.minimum(block.next(_SPACE, at), block.ends)
        if field.around == "bare" and field.kind not in _FREE_ENDS and literal != _SPACE:
            fits &= block.next(_SPACE, at) >= end
        stop = end + len(literal)
        fits &= (end >= at) & (stop <= block.ends)
        fits &= _is_of_kind(block, field, at, end)
        if field.kind == "words" and behind_ident(layout, index):
            alone = block.trimmed(at, np.maximum(end, at))
            fits &= ~block.holds(_SPACE, *alone) | block.absent(starts[-1], ends[-1])
        if field.kind in _TOLD_BY_TEXT:
            _check_texts(block, field, at, end, fits)
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
            sound &= ~dash & (block.at(ends - 1) != _COMMA)
        case "peer":
            sound &= block.at(ends - 1) != _COMMA
        case "pair":
            sound = dash | (block.next(b":", starts) < ends)
        case "status":
            sound &= digit & (size <= 3)
            sound &= (size < 2) | _is_digit(block.at(starts + 1))
            sound = dash | (sound & _is_digit(block.at(ends - 1)))
        case "number" | "epoch":
            signed = ((first == ord("-")) | (first == ord("+"))) & (size > 1)
            sound = dash | (sound & (digit | signed) & _is_digit(block.at(ends - 1)))
        case "iso":
            sound = dash | ((size >= 19) & digit & (block.at(starts + 4) == ord("-")))
        case "text" | "list" | "vhost" if field.around == "bare" and field.column not in ENDS_ANYHOW:
            sound = (size <= 0) | ((block.at(ends - 1) != _COMMA) & ((first != _COLON) | (size > 1)))
            sound &= (field.kind != "list") | (block.at(ends - 1) != _BLANK)
        case _:
            sound = np.ones(len(starts), np.bool_)
    return sound


def _list_ends(block: Block, at: Ints) -> Ints:
    """Return where lists end: at the first blank that neither a comma nor a lone colon or comma stands beside."""
    end = np.minimum(block.next(_SPACE, at), block.ends)
    for _ in range(_MOST_VALUES):
        lone = block.stands(b" : ", end) | block.stands(b" , ", end)
        more = (end < block.ends) & (lone | (block.at(end - 1) == _COMMA))
        if not more.any():
            break
        further = np.minimum(block.next(_SPACE, np.minimum(end + np.where(lone, 3, 1), block.size)), block.ends)
        end = np.where(more, further, end)
    return end


def _request_ends(block: Block, at: Ints) -> Ints:
    """Return where requests without quotes end: behind their protocol; where there is none, nowhere that fits."""
    method = block.next(_SPACE, at)
    target = block.next(_SPACE, np.minimum(method + 1, block.size))
    protocol = np.minimum(block.next(_SPACE, np.minimum(target + 1, block.size)), block.ends)
    spoken = block.stands(b"HTTP/", target + 1) & (target < block.ends) & (target > method + 1)
    dash = block.stands(b"-", at) & (np.minimum(method, block.ends) == at + 1)
    return np.where(dash, at + 1, np.where(spoken, protocol, -1))


def _behind_syslog(block: Block, at: Ints) -> Ints:
    """Return where lines begin behind what syslog writes before them, which ends with `[14389]: `."""
    mark = block.next(b"]: ", at)
    mine = (mark < block.ends) & (mark - at <= _SYSLOG_MOST) & (block.next(b" [", at) > mark)
    return np.where(mine, mark + 3, at)


def _check_texts(block: Block, field: Field, starts: Ints, ends: Ints, fits: Flags) -> None:
    """Take back the lines whose value is none of the field's kind, for kinds that only the whole value tells."""
    rows = np.flatnonzero(fits)
    if field.kind == "captures":
        rows = rows[ends[rows] > starts[rows]]
    if not len(rows):
        return
    if field.kind in ("user", "words"):
        good = are_users(block, starts[rows], ends[rows])
    else:
        text = CAPTURES if field.kind == "captures" else time_form(field.form or "").text
        values = block.texts(starts[rows], ends[rows])
        good = np.asarray(pc.match_substring_regex(values, f"^(?:{text})$").to_numpy(zero_copy_only=False), np.bool_)
    fits[rows[~good]] = False


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
    for index in odd.tolist():
        fields = spans(layout, block.line(index))
        if fields is None:
            continue
        base = int(block.starts[index])
        for column, (start, end) in enumerate(fields):
            found.starts[column][index] = base + start
            found.ends[column][index] = base + end
        found.fits[index] = True
