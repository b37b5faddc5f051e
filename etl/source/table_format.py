"""Folders of Delta, Iceberg and Hudi tables: their files hold deleted and older rows, and only the table's log says which count."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from etl.errors import InputError

_HINT = "Write the current version as plain files with the tool that keeps the table, and read those: "
_EXPORTS = {
    "Delta": "`spark.read.format('delta').load(TABLE).write.parquet(NEW_FOLDER)`.",
    "Iceberg": "`spark.table(TABLE).write.parquet(NEW_FOLDER)`.",
    "Hudi": "`spark.read.format('hudi').load(TABLE).write.parquet(NEW_FOLDER)`.",
}


def refuse_tables(files: Iterable[Path]) -> None:
    """Raise InputError where a Parquet file belongs to a table of Delta, Iceberg or Hudi, however it was found."""
    known: dict[Path, str | None] = {}
    for file in files:
        if not file.name.lower().endswith((".parquet", ".pq", ".parq")):
            continue
        folder = Path(os.path.realpath(file)).parent
        for above in (folder, *folder.parents):
            if above not in known:
                known[above] = _kind(above)
            kind = known[above]
            if kind is not None:
                raise InputError(
                    f"{above} is a {kind} table: its Parquet files also hold rows that were deleted or replaced",
                    hint=_HINT + _EXPORTS[kind],
                )


def _kind(folder: Path) -> str | None:
    """Return the format of the table that a folder is, None where it is a plain folder."""
    if (folder / "_delta_log").is_dir():
        return "Delta"
    if (folder / ".hoodie").is_dir():
        return "Hudi"
    try:
        found = any(name.endswith(".metadata.json") for name in os.listdir(folder / "metadata"))  # noqa: PTH208
    except OSError:
        return None
    return "Iceberg" if found else None
