"""Reads a column of times: each distinct value once, since many rows share a second, and plain ISO 8601 without SQL."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from etl.mapping import instants
from etl.mapping.instants import ISO, KIND_COLUMN, LOCAL_COLUMN, UTC_COLUMN
from etl.sql import fetch, quote

_TABLE, _VALUE = "times", "value"
_TIME = pa.timestamp("us")

#: Types of DuckDB that pass through Arrow as they are; any other is read by its text.
_AS_THEY_ARE = frozenset({"VARCHAR", "DATE", "DOUBLE", "FLOAT", "INTEGER", "BIGINT"})

_CLOCK = r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}(\.\d{1,6})?"
_PLAIN = rf"^{_CLOCK}$"
_ZONED = rf"^{_CLOCK}(Z|[+-]((0\d|1[0-7]):[0-5]\d|18:00))$"


@dataclass(frozen=True, slots=True)
class RawTimes:
    """Times as they were read: in UTC where they carry their zone, else local; and the kind of each."""

    utc: pa.Array  # timestamp[us]
    local: pa.Array  # timestamp[us]
    kinds: pa.Array  # int8, see `instants`


class TimeReader:
    """Reads the times of one rule: values of the DuckDB type `kind`, by the job's `format:` if it has one."""

    def __init__(self, kind: str, form: str | None) -> None:
        self._direct = kind in _AS_THEY_ARE or kind.startswith("TIMESTAMP")
        self._is_plain_text = form is None and (kind == "VARCHAR" or not self._direct)
        columns = instants.columns(quote(_VALUE), kind if self._direct else "VARCHAR", form)
        listed = ", ".join(f"{sql} AS {quote(name)}" for name, sql in columns.items())
        self._statement = f"SELECT {listed} FROM {_TABLE}"

    def raw(self, sql: str) -> str:
        """Return SQL of the values as `read` wants them."""
        return sql if self._direct else f"CAST({sql} AS VARCHAR)"

    def read(self, raw: pa.Array, connection: duckdb.DuckDBPyConnection) -> RawTimes:
        """Read the values of a column."""
        encoded = raw.dictionary_encode()
        values = encoded.dictionary
        found = (_iso(values) if self._is_plain_text else None) or self._by_sql(values, connection)
        return RawTimes(*(part.take(encoded.indices) for part in (found.utc, found.local, found.kinds)))

    def _by_sql(self, values: pa.Array, connection: duckdb.DuckDBPyConnection) -> RawTimes:
        connection.register(_TABLE, pa.table({_VALUE: values}))
        found = fetch(connection, self._statement)
        connection.unregister(_TABLE)
        return RawTimes(*(found[name].combine_chunks() for name in (UTC_COLUMN, LOCAL_COLUMN, KIND_COLUMN)))


def _iso(texts: pa.Array) -> RawTimes | None:
    """Read texts that are all ISO 8601 to the second or finer, all with a zone or all without; None for any others: SQL reads those."""
    absent = pa.nulls(len(texts), _TIME)
    kinds = pa.repeat(pa.scalar(ISO, pa.int8()), len(texts))
    try:
        if pc.all(pc.match_substring_regex(texts, _PLAIN)).as_py():
            return RawTimes(absent, texts.cast(_TIME), kinds)
        if pc.all(pc.match_substring_regex(texts, _ZONED)).as_py():
            return RawTimes(texts.cast(pa.timestamp("us", "UTC")).cast(_TIME), absent, kinds)
    except pa.ArrowInvalid:
        pass  # the thirteenth month, the 25th hour
    return None
