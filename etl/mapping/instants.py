"""The time of a match: text, epochs or native times become instants in UTC (RULES §5).

SQL reads a value into `_utc` (it carries its zone) or `_local` (it does not), and says of which kind it is; Arrow then places local times
in the job's zone, where a local time that occurs twice is the earlier one and one that does not occur moves forward by the gap.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.mapping.blank import stripped
from etl.sql import literal

INSTANT = pa.timestamp("us", tz="UTC")
_FIRST = pa.scalar(datetime(1900, 1, 1, tzinfo=UTC), INSTANT)
_LAST = pa.scalar(datetime(2200, 1, 1, tzinfo=UTC), INSTANT)
UTC_COLUMN, LOCAL_COLUMN, KIND_COLUMN = "_utc", "_local", "_kind"

_CLOCK = r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?"
#: No clock is further from UTC than 18 hours, and no hour has 60 minutes: such an offset is a slip, and its text no time.
_OFFSET = r"[+-]((0[0-9]|1[0-7])(:?[0-5][0-9])?|18(:?00)?)"
_LOCAL = rf"[0-9]{{4}}-[0-9]{{1,2}}-[0-9]{{1,2}}([ T]{_CLOCK})?"
_ZONED = rf"[0-9]{{4}}-[0-9]{{1,2}}-[0-9]{{1,2}}[ T]{_CLOCK} ?(Z|z|UTC|GMT|{_OFFSET})"

_PLAIN = rf"[0-9]{{4}}[-/][0-9]{{1,2}}[-/][0-9]{{1,2}}([ T]{_CLOCK})?"

#: Kinds of a text's time. One column holds one kind of epoch or none (RULES §5); ISO 8601 is 0.
ISO, SECONDS, MILLIS, MICROS, DAY = 0, 1, 2, 3, 4
NO_KIND = 9


def columns(value: str, kind: str, form: str | None) -> dict[str, str]:
    """Return the SQL of `_utc`, `_local` and `_kind` for the value of a DuckDB type; `form` is the job's `format:`."""
    if kind == "TIMESTAMP WITH TIME ZONE":
        return _sql(utc=f"timezone('UTC', {value})")
    if kind.startswith("TIMESTAMP") or kind == "DATE":
        return _sql(local=f"TRY_CAST({value} AS TIMESTAMP)")
    if kind in ("DOUBLE", "FLOAT"):
        # NaN and infinity are null: an error here would cost the whole batch, down to the row.
        value = f"CAST(TRY_CAST({value} AS DECIMAL(38, 6)) AS VARCHAR)"
        value = f"regexp_replace({value}, '\\.0+$', '')"
    elif kind != "VARCHAR":
        value = f"CAST({value} AS VARCHAR)"
    value = stripped(value)
    if form is not None:
        parsed = f"try_strptime({value}, {literal(form)})"
        if "%z" in form or "%Z" in form:
            return _sql(utc=f"timezone('UTC', {parsed})")
        return _sql(local=parsed)
    return _text_columns(value)


def _sql(utc: str = "NULL", local: str = "NULL", kind: str = str(ISO)) -> dict[str, str]:
    return {
        UTC_COLUMN: f"CAST({utc} AS TIMESTAMP)",
        LOCAL_COLUMN: f"CAST({local} AS TIMESTAMP)",
        KIND_COLUMN: f"CAST({kind} AS TINYINT)",
    }


def zoned(text: str) -> str:
    """Return SQL of the time in UTC of an ISO 8601 text that carries a zone; null for any other."""
    # The cast reads an offset only without a blank before it, Z only in upper case, and no UTC right after the clock.
    offset = f"regexp_replace({text}, ' ?([+-][0-9:]+)$', '\\1')"
    plain = f"regexp_replace({offset}, ' ?(Z|z|UTC|GMT)$', 'Z')"
    return f"CASE WHEN regexp_full_match({text}, {literal(_ZONED)}) THEN timezone('UTC', TRY_CAST({plain} AS TIMESTAMPTZ)) END"


def local(text: str, zone: str) -> str:
    """Return SQL of a text as a local time of `zone`: as it stands where it carries no zone, else as clocks there showed it.

    The cast of SQL drops what follows the clock, be it an offset or PM: such a text is no time.
    """
    moved = f"timezone({literal(zone)}, timezone('UTC', {zoned(text)}))"
    plain = f"CASE WHEN regexp_full_match({text}, {literal(_PLAIN)}) THEN TRY_CAST({text} AS TIMESTAMP) END"
    return f"coalesce({moved}, {plain})"


def as_written(text: str, typed: str) -> str:
    """Return SQL of a text for `columns`, of which `typed` is the local time: an instant is none the less to be read."""
    return f"CASE WHEN {zoned(text)} IS NOT NULL THEN {text} ELSE CAST({typed} AS VARCHAR) END"


def _text_columns(value: str) -> dict[str, str]:
    digits = f"regexp_full_match({value}, '[0-9]+')"
    kind = (
        f"CASE WHEN ({value}) IS NULL THEN NULL "
        f"WHEN {digits} THEN CASE length({value}) WHEN 10 THEN {SECONDS} WHEN 13 THEN {MILLIS} WHEN 16 THEN {MICROS} "
        f"WHEN 8 THEN {DAY} ELSE {NO_KIND} END "
        f"WHEN regexp_full_match({value}, '[0-9]{{10}}\\.[0-9]+') THEN {SECONDS} "
        f"ELSE {ISO} END"
    )
    micros = (
        f"CASE {kind} WHEN {SECONDS} THEN CAST(round(TRY_CAST({value} AS DECIMAL(38, 6)) * 1000000) AS BIGINT) "
        f"WHEN {MILLIS} THEN TRY_CAST({value} AS BIGINT) * 1000 WHEN {MICROS} THEN TRY_CAST({value} AS BIGINT) END"
    )
    local = (
        f"CASE WHEN {kind} = {DAY} THEN try_strptime({value}, '%Y%m%d') "
        f"WHEN regexp_full_match({value}, {literal(_LOCAL)}) THEN TRY_CAST({value} AS TIMESTAMP) END"
    )
    return _sql(utc=f"coalesce(make_timestamp({micros}), {zoned(value)})", local=local, kind=kind)


@dataclass(frozen=True, slots=True)
class Instants:
    """The instants of a column (null where there is none), and how many local times were moved."""

    values: pa.Array  # timestamp[us, UTC]; of a local time that occurs twice the earlier one
    later: pa.Array | None  # the later one of such a time, else as `values`; None where no value is a local time
    skipped: int  # local times that do not occur: moved forward by the gap


def settle(utc: pa.Array, local: pa.Array, kinds: pa.Array, zone: str, kind: int | None) -> Instants:
    """Turn the columns of SQL into instants; `kind` is the one kind of the column, other kinds give null."""
    placed, again, skipped = localise(local, zone)
    given = utc.cast(pa.timestamp("us")).cast(INSTANT)
    values = pc.coalesce(given, placed)
    # 0001-01-01 and 9999-12-31 are how exports write "never".
    sane = pc.and_(pc.greater_equal(values, _FIRST), pc.less(values, _LAST))
    values = pc.if_else(sane, values, pa.scalar(None, INSTANT))
    if kind is not None:
        values = pc.if_else(pc.fill_null(pc.equal(kinds, kind), False), values, pa.scalar(None, INSTANT))
    later = None if local.null_count == len(local) else pc.coalesce(given, again)
    return Instants(values, later, skipped)


def first_kind(utc: pa.Array, local: pa.Array, kinds: pa.Array) -> int | None:
    """Return the kind of the first value that gives an instant."""
    present = kinds.filter(pc.or_(pc.is_valid(utc), pc.is_valid(local)))
    return int(present[0].as_py()) if len(present) else None


def localise(local: pa.Array, zone: str) -> tuple[pa.Array, pa.Array, int]:
    """Place local times in `zone`: (the earlier instant of each, the later one where it occurs twice, how many do not occur)."""
    local = local.cast(pa.timestamp("us"))
    if local.null_count == len(local):
        return pa.nulls(len(local), INSTANT), pa.nulls(len(local), INSTANT), 0
    earlier = _assume(local, zone, "earliest", "earliest")
    later = _assume(local, zone, "latest", "earliest")
    missing = pc.not_equal(earlier, _assume(local, zone, "earliest", "latest"))
    skipped = pc.sum(missing).as_py() or 0
    if skipped:
        earlier = _move_forward(local, earlier, missing, zone)
        later = pc.if_else(missing, earlier, later)
    return earlier, later, skipped


def _assume(local: pa.Array, zone: str, ambiguous: str, nonexistent: str) -> pa.Array:
    return pc.assume_timezone(local, zone, ambiguous=ambiguous, nonexistent=nonexistent).cast(INSTANT)


def _move_forward(local: pa.Array, instants: pa.Array, missing: pa.Array, zone: str) -> pa.Array:
    """Read the times in a gap by the offset before it, as PEP 495 does with fold 0: only these few one by one."""
    at = np.flatnonzero(pc.fill_null(missing, False).to_numpy(zero_copy_only=False))
    info = ZoneInfo(zone)
    moved = [datetime.fromisoformat(str(local[int(i)].as_py())).replace(tzinfo=info).astimezone(UTC) for i in at]
    values = instants.to_numpy(zero_copy_only=False).copy()
    values[at] = np.array([m.replace(tzinfo=None) for m in moved], dtype="datetime64[us]")
    return pa.array(values, pa.timestamp("us"), from_pandas=True).cast(INSTANT)


def is_future(instants: pa.Array, now: datetime) -> pa.Array:
    """Say which instants lie more than 15 minutes ahead of `now` (RULES §5)."""
    return pc.fill_null(pc.greater(instants, pa.scalar(now + timedelta(minutes=15), INSTANT)), False)
