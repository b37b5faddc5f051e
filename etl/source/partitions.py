"""Columns that stand in the names of folders (`country=UA/`), as Hive, Spark and Athena write them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from urllib.parse import unquote

import pyarrow as pa

from etl.tables import PLACE

_NULL = "__HIVE_DEFAULT_PARTITION__"


def partition_of(shown: str) -> dict[str, str | None]:
    """Return the columns in the folders of a file as it is shown: names and values decoded; of equal names the last counts."""
    path = shown
    if is_web := shown.startswith(("https://", "http://")):
        path = shown.partition("?")[0]
    found: dict[str, str | None] = {}
    for part in path.split("/")[:-1]:
        name, sign, value = (unquote(part) if is_web else part).partition("=")
        if sign and name.strip():
            found[unquote(name)] = None if value == _NULL else unquote(value)
    return found


class Partitions:
    """The columns in the folders of some files, beside those that the files themselves have.

    `names` are the ones in use, all of text. `hidden` are those that the files have too: then the file's own column is read.
    """

    def __init__(self, files: Sequence[str], own: Collection[str]) -> None:
        self._of_files = [partition_of(shown) for shown in files]
        taken = {name.casefold() for name in (*own, *PLACE.names)}
        names: dict[str, str] = {}
        hidden: dict[str, str] = {}
        for name in (name for found in self._of_files for name in found):
            (hidden if name.casefold() in taken else names).setdefault(name.casefold(), name)
        # A file without columns has no rows that could stand in a folder.
        self.names = tuple(names.values()) if own else ()
        self.hidden = tuple(hidden.values())

    def value(self, file: int, name: str) -> str | None:
        """Return what the folders of a file say of a column."""
        found = {own.casefold(): value for own, value in self._of_files[file].items()}
        return found.get(name.casefold())

    def column(self, file: int, name: str, rows: int) -> pa.Array:
        """Return the column for so many rows of a file."""
        return pa.repeat(pa.scalar(self.value(file, name), pa.string()), rows)

    def notes(self) -> tuple[str, ...]:
        """Lines for people: which folders are not read."""
        return tuple(
            f"the folders `{name}=…` are not read: the files have a column of that name" for name in self.hidden
        )
