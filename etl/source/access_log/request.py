"""The request line and its target, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from etl.source.access_log.octets import Flags, Octets
from etl.source.chunk import Ints

_METHOD = re.compile(r"[A-Z][A-Z0-9_-]{0,39}")
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
    spoken = (last > first) & octets.stands(b"HTTP/", last + 1)
    # HTTP/0.9 names no protocol.
    bare = ~spoken & octets.stands(b"/", first + 1)
    sound = ~request.absent & (first < ends) & (spoken | bare)
    sound &= _methods(octets, starts, first, sound)
    target_starts = np.where(sound, first + 1, starts)
    target_ends = np.where(sound & spoken, last, ends)
    return {
        "method": _part(request, starts, first, ~sound),
        "target": _part(request, target_starts, target_ends, request.absent),
        "protocol": _part(request, last + 1, ends, ~(sound & spoken)),
    }


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
