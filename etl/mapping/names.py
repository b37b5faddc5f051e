"""Which column a name in an expression means."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from etl.naming import snake_case


class Names:
    """The columns of a source, each by its own name (exactly, then without regard to case) and by its snake_case.

    A name that two columns would share belongs to the one that comes first in that order.
    """

    def __init__(self, columns: Iterable[str]) -> None:
        self.columns = tuple(columns)
        self._exact = {name: name for name in self.columns}
        self._others: dict[str, str] = {}
        for form in (str.lower, snake_case):
            for name in self.columns:
                self._others.setdefault(form(name), name)

    def find(self, name: str) -> str | None:
        """Return the column that `name` means, or None."""
        return self._exact.get(name) or self._others.get(name.lower())

    def near(self, name: str, also: Iterable[str] = ()) -> str:
        """Return ``; did you mean `x`?`` for the nearest name, or nothing."""
        known = {c.lower(): c for c in (*self._others, *also, *self.columns)}
        close = get_close_matches(name.lower(), known, n=1, cutoff=0.6)
        return f"; did you mean `{known[close[0]]}`?" if close else ""
