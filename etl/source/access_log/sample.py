"""The first lines of a log, by which its format is told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from etl.masking import masked
from etl.source.access_log.octets import Block
from etl.source.chunk import readable
from etl.source.inputs import Input
from etl.source.streams import filled, open_text

#: How many lines are looked at, and in how many bytes at most.
LINES = 1_000
_MOST = 4 << 20

_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|(?<![\w:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){3,7}(?![\w:])")
_VALUE = re.compile(r"=[^&\s\"';]+")
_USER = re.compile(r"^(\S+ \S+) (?!-|\[).*?(?= \[)")
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Sample:
    """Whole lines from the start of `item`; `rows` of them are not blank. `more`: the file goes on."""

    item: Input
    block: Block
    rows: int
    more: bool

    @property
    def first(self) -> bytes:
        """The first line that is not blank; nothing where there is none."""
        blank = self.block.blank()
        return next((self.block.line(index) for index in range(len(blank)) if not blank[index]), b"")


def sample_of(inputs: Sequence[Input], encoding: str, lines: int = LINES) -> Sample | None:
    """Return the first lines of the first input that has any; None where all are empty. Raises InputError."""
    for item in inputs:
        with open_text(item, encoding) as read:
            data = b""
            more = True
            while more and data.count(b"\n") <= lines and len(data) < _MOST:
                piece = filled(read, 1 << 18)
                more = len(piece) == 1 << 18
                data += piece
        if not data.strip():
            continue
        *whole, rest = data.split(b"\n")
        if rest and (not more or not whole):
            whole.append(rest)
        kept = whole[:lines]
        block = Block(b"".join(line + b"\n" for line in kept))
        return Sample(item, block, int((~block.blank()).sum()), more or len(kept) < len(whole))
    return None


def shown(line: bytes) -> str:
    """Return a line for people: cut, without addresses, users, and the values of parameters."""
    text = _VALUE.sub("=…", _ADDRESS.sub("…", _USER.sub(r"\1 …", readable(line))))
    text = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in masked(text))
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
