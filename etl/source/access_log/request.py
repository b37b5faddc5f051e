"""The request line and its target, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from etl.source.access_log.octets import Flags, Octets
from etl.source.chunk import Ints

_METHOD = re.compile(r"[A-Z][A-Z0-9_-]{0,39}")
#: A request line that is not just three words with `HTTP/` in the last: blanks in the target, another protocol, none.
_ODD = re.compile(
    rb"([A-Z][A-Z0-9_-]{0,39}) +(?:(\S(?:.*\S)?) +([A-Z]+/[0-9]\S*)|(\S+) +(HTTP[0-9.]*)|(/\S*)) *", re.DOTALL
)
_SPOKEN_TWICE = re.compile(rb" HTTP(?:/\S*|[0-9.]*)(?: |$)")
_SPACE, _SLASH = b" ", ord("/")


@dataclass(frozen=True, slots=True)
class Span:
    """A column in a block; where `absent` it has no value, and starts and ends there are of no meaning but in order."""

    starts: Ints
    ends: Ints
    absent: Flags


def span_of(octets: Octets, starts: Ints, ends: Ints) -> Span:
    """Return the column of values, `-` and nothing being absent."""
    return Span(starts, ends, octets.absent(starts, ends))


def _part(whole: Span, starts: Ints, ends: Ints, absent: Flags) -> Span:
    absent = absent | (ends <= starts)
    return Span(np.where(absent, whole.starts, starts), np.where(absent, whole.starts, ends), absent)


def split_request(octets: Octets, request: Span) -> dict[str, Span]:
    """Return method, target and protocol of request lines; garbage is all target, as is one without a method."""
    starts, ends = request.starts, request.ends
    first = octets.next(_SPACE, starts)
    last = octets.last(_SPACE, ends)
    second = octets.next(_SPACE, np.minimum(first + 1, octets.size))
    sound = ~request.absent & (last == second) & (last > first + 1) & octets.stands(b"HTTP/", last + 1)
    odd = np.flatnonzero(~sound & ~request.absent & (first < ends))
    sound &= _methods(octets, starts, first, sound)
    target_starts, target_ends = np.where(sound, first + 1, starts), np.where(sound, last, ends)
    protocol_starts, protocol_ends = np.where(sound, last + 1, ends), ends.copy()
    method_ends = np.where(sound, first, starts)
    for index in odd.tolist():
        base = int(starts[index])
        parts = _odd_request(bytes(octets.data[base : ends[index]]))
        if parts is not None:
            method_ends[index], (target_starts[index], target_ends[index]) = base + parts[0], base + np.array(parts[1])
            protocol_starts[index] = base + parts[2]
            protocol_ends[index] = base + parts[3]
    none = request.absent
    return {
        "method": _part(request, starts, method_ends, none),
        "target": _part(request, target_starts, target_ends, none),
        "protocol": _part(request, protocol_starts, protocol_ends, none),
    }


def _odd_request(line: bytes) -> tuple[int, tuple[int, int], int, int] | None:
    """Return where the method ends, where the target lies, and where the protocol starts and ends; None for garbage."""
    found = _ODD.fullmatch(line)
    if found is None:
        return None
    group = next(number for number in (2, 4, 6) if found[number] is not None)
    if _SPOKEN_TWICE.search(b" " + found[group]) is not None:
        return None  # words behind a protocol
    protocol = found.span(group + 1) if group < 6 else (found.end(), found.end())
    return found.end(1), found.span(group), *protocol


def _methods(octets: Octets, starts: Ints, ends: Ints, sound: Flags) -> Flags:
    """Mark the values that look like a method; there are few different ones."""
    coded = octets.texts(starts, np.where(sound, ends, starts), ~sound).dictionary_encode()
    good = [text is not None and _METHOD.fullmatch(text) is not None for text in coded.dictionary.to_pylist()]
    known = pa.array(good, pa.bool_()).take(coded.indices).fill_null(False)
    return np.asarray(known.to_numpy(zero_copy_only=False), np.bool_)


def split_target(octets: Octets, target: Span, methodless: Flags | None = None) -> dict[str, Span]:
    """Return path and query of targets as sent, absolute ones (`http://host/path?q`) too; `methodless` have neither."""
    starts, ends = target.starts, target.ends
    none = target.absent if methodless is None else target.absent | methodless
    question = np.minimum(octets.next(b"?", starts), ends)
    path_starts = starts
    rooted = octets.at(starts) == _SLASH
    path_ends = question
    if not (rooted | none).all():
        slash = octets.next(b"/", starts)
        absolute = ~rooted & octets.stands(b"//", slash) & (octets.at(slash - 1) == ord(":")) & (slash < question)
        within = octets.next(b"/", slash + 2)
        # `http://host?q` has the path `/`: the last slash of `://` says so as well as any other.
        bare = within >= question
        path_starts = np.where(absolute, np.where(bare, slash + 1, within), starts)
        path_ends = np.where(absolute & bare, slash + 2, question)
        none = none | ~(rooted | absolute)
    return {
        "path": _part(target, path_starts, path_ends, none),
        "query": _part(target, question + 1, ends, none | (question >= ends)),
    }
