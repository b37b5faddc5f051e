"""What is said with expressions that name columns which a CSV file has not: its columns, and how else it may be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from etl.job.mistakes import JobMistakes
from etl.source.csv_file import CsvFile
from etl.source.mended import MendedSource
from etl.source.reader import Source


@contextmanager
def told_with_columns(source: Source | MendedSource | None) -> Iterator[None]:
    """Add the columns of the first CSV file to mistakes about columns that are not there."""
    try:
        yield
    except JobMistakes as mistakes:
        unknown = any("no column `" in one.message and " in lookup `" not in one.message for one in mistakes.mistakes)
        if unknown and isinstance(source, Source) and source.settings.columns is None:
            first = source.readers[0] if source.readers else None
            if isinstance(first, CsvFile):
                mistakes.hint = first.seen()
        raise
