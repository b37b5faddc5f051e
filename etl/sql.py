"""DuckDB as this project uses it: always in UTC, always locked, identifiers always quoted."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from weakref import WeakSet

import duckdb
import pyarrow as pa

_open: WeakSet[duckdb.DuckDBPyConnection] = WeakSet()
_opening = Lock()


def quote(name: str) -> str:
    """Return `name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def folded(name: str) -> str:
    """Return `name` so that names which are one to DuckDB are equal: it passes over the case of ASCII letters alone."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in name)


def literal(text: str) -> str:
    """Return `text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def connect(
    *, memory: str, threads: int = 2, folder: Path | None = None, reads: Sequence[Path] = ()
) -> duckdb.DuckDBPyConnection:
    """Open an in-memory DuckDB that runs in UTC, with its configuration locked.

    `memory` is DuckDB's limit ("400MB"). Without `folder` it can touch no file at all: that is the instance for users' expressions.
    With `folder` it reads, writes and spills there, reads in `reads`, and nowhere else: that is the instance for our own SQL.
    """
    connection = _known(duckdb.connect(":memory:", config={"threads": threads, "memory_limit": memory}))
    # RULES §1: with the host's zone the same text would be another instant.
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    connection.execute("SET autoinstall_known_extensions = false")
    connection.execute("SET autoload_known_extensions = false")
    if folder is not None:
        connection.execute(f"SET temp_directory = {literal(str(folder / 'spill'))}")
        allowed = ", ".join(literal(str(path)) for path in (folder, *reads))
        connection.execute(f"SET allowed_directories = [{allowed}]")
        # Row order is ours to state; keeping the order of insertion costs memory.
        connection.execute("SET preserve_insertion_order = false")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SET lock_configuration = true")
    return connection


def beside(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Open another connection to the same DuckDB, for another thread."""
    return _known(connection.cursor())


def interrupt_all() -> None:
    """Break off the statements that run now, in whatever thread; each raises duckdb.InterruptException. Any thread may call it."""
    with _opening:
        found = list(_open)
    for connection in found:
        with suppress(duckdb.Error):  # it was closed just now
            connection.interrupt()


def _known(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    with _opening:
        _open.add(connection)
    return connection


def fetch(connection: duckdb.DuckDBPyConnection, statement: str) -> pa.Table:
    """Run a query and return its rows as an Arrow table."""
    table: pa.Table = connection.sql(statement).to_arrow_table()
    return table
