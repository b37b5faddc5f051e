"""Mistakes in a job file: where they are, what was found and what was expected; all of them are told at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from etl.errors import JobError

#: The way to a key from the top of the file: names of mappings and positions in lists.
Where = tuple[str | int, ...]


def dotted(where: Where) -> str:
    """Return a key's way as people write it, for example `events[2].product.price`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where)
    return text.removeprefix(".")


def near(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return "; did you mean `x`?" for the known word closest to `word`; where none is close, `otherwise`."""
    by_lower = {name.lower(): name for name in known}
    found = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    if not found and len(word) > 2:  # `loc` for `location`, `qty_price` for `price`
        found = [name for name in by_lower if name.startswith(word.lower()) or (len(name) > 2 and name in word.lower())]
    if found:
        return f"; did you mean `{by_lower[found[0]]}`?"
    return f"; {otherwise}" if otherwise else ""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake. `line` counts from 1, None for a value of `--set`; `key` is dotted, "" for the file as a whole."""

    line: int | None
    key: str
    message: str


class JobMistakes(JobError):  # noqa: N818 - it is named for what it holds
    """Every mistake of a job file (exit 2): those of the file by line, then those of `--set`."""

    def __init__(self, path: Path, mistakes: Iterable[Mistake]) -> None:
        def by_line(mistake: Mistake) -> tuple[bool, int]:
            return mistake.line is None, mistake.line or 0

        self.path = path
        self.mistakes = tuple(sorted(dict.fromkeys(mistakes), key=by_line))
        told = (f"{place(path, m.line, m.key)}: {m.message}".replace("\n", "\n  ") for m in self.mistakes)
        super().__init__("\n".join(told))

    def __str__(self) -> str:
        """Return each mistake at the start of its line, where editors look for it; then what to do."""
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


def place(path: Path, line: int | None, key: str) -> str:
    """Return a place as people and editors read it: `jobs/shop.yaml:31: events[1].where`, or `--set delivery.rate`."""
    if line is None:
        return f"--set {key}"
    return f"{path}:{line}: {key}" if key else f"{path}:{line}"
