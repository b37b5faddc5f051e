"""Who may be a user: what stands where a log has its users, and is more than that, is refused."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.source.access_log.octets import Flags, Octets
from etl.source.chunk import Ints

_HEX = "[0-9A-Fa-f]"
_SIX = rf"{_HEX}{{1,4}}(?::{_HEX}{{1,4}}){{7}}|[0-9A-Fa-f:]*::[0-9A-Fa-f:.]*"
_ADDRESS = rf"(?:\d{{1,3}}(?:\.\d{{1,3}}){{3}}|\[?(?:{_SIX})\]?)(?::\d+)?"
#: Words of a line's other fields: an address, a sign for nothing, a list's comma or colon. Also two blanks in a row.
_STRANGE = rf'(?:^| )(?:{_ADDRESS}|-|:|"")(?: |$)|,(?: |$)|  '
_STRANGE_BYTES = re.compile(_STRANGE.encode())
_BLANK, _COMMA, _COLON = b" ", ord(","), ord(":")


def is_user(value: bytes) -> bool:
    """Return whether a value is a user, or says that there is none."""
    value = value.strip(b" ")
    return value in (b"", b"-", b'""') or _STRANGE_BYTES.search(value) is None


def are_users(octets: Octets, starts: Ints, ends: Ints) -> Flags:
    """Mark the values that are users, or say that there is none."""
    starts, ends = octets.trimmed(starts, ends)
    sound = np.ones(len(starts), np.bool_)
    named = ~octets.absent(starts, ends)
    first, last = octets.at(starts), octets.at(ends - 1)
    hexadecimal = ((first - np.uint8(0x30)) < 10) | (((first | 0x20) - np.uint8(0x61)) < 6)
    suspects = named & ((last == _COMMA) | (first == _COLON) | (first == ord("[")))
    suspects |= named & octets.holds(_BLANK, starts, ends)
    maybe = named & hexadecimal & ~suspects
    if maybe.any():
        suspects |= maybe & (octets.holds(b".", starts, ends) | octets.holds(b":", starts, ends))
    rows = np.flatnonzero(suspects)
    if len(rows):
        texts = octets.texts(starts[rows], ends[rows])
        strange = pc.match_substring_regex(texts, _STRANGE)
        sound[rows] = ~np.asarray(strange.cast(pa.bool_()).to_numpy(zero_copy_only=False), np.bool_)
    return sound
