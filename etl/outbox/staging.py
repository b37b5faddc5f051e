"""Where events and lines wait for the end of the input: Parquet files in the plan's own folder, read back out of core."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from etl.files import create_private
from etl.outbox.fold import GROUP, whole_groups
from etl.sql import literal
from etl.tables import ORDINAL

_CHUNK = 100_000


class Staging:
    """Collects staged events, and the lines of each rule that folds; sorts the lines by cart and place."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, pq.ParquetWriter] = {}

    def __enter__(self) -> Staging:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def events(self) -> Path:
        """The file of the staged events."""
        return self._folder / "staged.parquet"

    def add_events(self, table: pa.Table) -> None:
        """Add STAGED rows."""
        self._write("staged", table)

    def add_lines(self, rule: int, table: pa.Table) -> None:
        """Add lines of a rule: its matches with `_group`, `_lost`, `_json`, `_content`."""
        self._write(f"lines-{rule}", table)

    def close(self) -> None:
        """Finish the files."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def has_lines(self, rule: int) -> bool:
        """Say whether there are lines of a rule."""
        return self.lines(rule).exists()

    def lines(self, rule: int) -> Path:
        """The file of a rule's lines, whole: none is added any more."""
        name = f"lines-{rule}"
        if name in self._writers:
            self._writers.pop(name).close()
        return self._folder / f"{name}.parquet"

    def replace_lines(self, rule: int, table: pa.Table) -> None:
        """Let other lines of a rule stand in place of those that were added."""
        schema = pq.read_schema(self.lines(rule))
        self._write(f"lines-{rule}", table.select(schema.names).cast(schema))
        self.lines(rule)

    def sorted_lines(self, rule: int, connection: duckdb.DuckDBPyConnection) -> Iterator[pa.Table]:
        """Yield a rule's lines in tables of whole carts, each cart in the order of its lines. Sorting spills, lists do not (RULES §11)."""
        path = self.lines(rule)
        if not path.exists():
            return
        statement = f"SELECT * FROM read_parquet({literal(str(path))}) ORDER BY {GROUP}, {ORDINAL}, _item"
        rest: pa.Table | None = None
        for batch in connection.sql(statement).to_arrow_reader(_CHUNK):
            table = pa.Table.from_batches([batch])
            table = pa.concat_tables([rest, table]) if rest is not None else table
            whole, rest = whole_groups(table)
            if whole.num_rows:
                yield whole.combine_chunks()
        if rest is not None and rest.num_rows:
            yield rest.combine_chunks()

    def _write(self, name: str, table: pa.Table) -> None:
        if name not in self._writers:
            path = self._folder / f"{name}.parquet"
            create_private(path)
            self._writers[name] = pq.ParquetWriter(path, table.schema, compression="lz4", use_dictionary=False)
        self._writers[name].write_table(table.cast(self._writers[name].schema))
