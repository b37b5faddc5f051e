"""Names of columns over all files: unique without regard to case, as SQL wants them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from etl.tables import PLACE


class Names:
    """Gives each column of each file its name in the job.

    Equal names in two files are one column; names that differ only in case are one too, unless one file has both: then
    the second gets the suffix `_2` (`_3`, ...), as does a name that occurs twice in a file, or one that the place
    columns use.
    """

    def __init__(self, reserved: Iterable[str] = PLACE.names) -> None:
        self._taken = {name.casefold() for name in reserved}
        self._known: dict[tuple[str, int], str] = {}
        self._folded: dict[tuple[str, int], str] = {}

    def of_file(self, originals: Sequence[str]) -> list[str]:
        """Return the job's names for a file's columns, in their order."""
        seen: Counter[str] = Counter()
        given: set[str] = set()
        names: list[str | None] = []
        keys = []
        for original in originals:
            seen[original] += 1
            key = (original, seen[original])
            keys.append(key)
            name = self._known.get(key)
            names.append(name)
            if name is not None:
                given.add(name)
        # What is known exactly goes first, so that a name known in another case is only taken when it is free.
        for index, key in enumerate(keys):
            if names[index] is None:
                names[index] = self._new(key, given)
        return [name for name in names if name is not None]

    def _new(self, key: tuple[str, int], given: set[str]) -> str:
        folded = (key[0].casefold(), key[1])
        name = self._folded.get(folded)
        if name is None or name in given:
            name = self._free(key[0])
            self._taken.add(name.casefold())
            self._folded.setdefault(folded, name)
        self._known[key] = name
        given.add(name)
        return name

    def _free(self, original: str) -> str:
        name, number = original, 1
        while name.casefold() in self._taken:
            number += 1
            name = f"{original}_{number}"
        return name


def header_names(fields: Sequence[str]) -> list[str]:
    """Return a CSV header's names, without blanks around them; a missing one is `column_N`, N counted from 1."""
    return [field.strip() or f"column_{position}" for position, field in enumerate(fields, 1)]
