"""What makes two events the same (RULES §1): SQL of the ids, over the columns of a table of matches.

An id is the first 128 bits of SHA-256 over version, type, keyValue, moment and mapped values, each with its length before it, so that no
two different lists of values give the same text. The form is pinned by a golden test: a change of it is a new version, and old ledgers
would know nothing of new ids.
"""

from __future__ import annotations

from collections.abc import Iterable

from etl.sql import literal, quote

VERSION = "clickreplay/1"


def prefixed(sql: str) -> str:
    """Return SQL of a text with its length in bytes before it; `-` where it is null."""
    return f"coalesce(strlen({sql}) || ':' || {sql}, '-')"


def content(values: Iterable[tuple[str, str]]) -> str:
    """Return SQL of a match's mapped values, given as (name, SQL of text): sorted by name, without those that are null."""
    parts = [
        f"coalesce({literal(f'{len(n.encode())}:{n}')} || {prefixed_present(sql)}, '')" for n, sql in sorted(values)
    ]
    return f"concat({', '.join(parts)})" if parts else "''"


def prefixed_present(sql: str) -> str:
    """Return SQL of a text with its length before it; null where it is null."""
    return f"(strlen({sql}) || ':' || {sql})"


def who(key: str, moment: str) -> str:
    """Return SQL of keyValue and moment, with their lengths: the column that `event_id` and `twin` call `whose`."""
    return f"concat({prefixed(key)}, {prefixed(moment)})"


def event_id(kind: str, whose: str, mapped: str, given: str | None) -> str:
    """Return SQL of an event's 16-byte id; `given` is the job's `id`, which then stands for all but the type.

    `whose` and `mapped` should be names of columns: SQL works out a text as often as it stands there.
    """
    full = f"concat({_head('event', kind)}, {whose}, strlen({mapped}), ':', {mapped})"
    if given is not None:
        full = f"CASE WHEN {given} IS NOT NULL THEN {_head('id', kind)} || {prefixed(given)} ELSE {full} END"
    return f"unhex(left(sha256({full}), 32))"


def twin(kind: str, whose: str, given: str | None) -> str:
    """Return SQL of the 64-bit hash of type, keyValue and moment, by which a changed event is known (RULES §2).

    With the job's `id` it is that of the id: then nothing but the type and the id says which event it is.
    """
    full = f"{_head('twin', kind)} || {whose}"
    if given is not None:
        full = f"CASE WHEN {given} IS NOT NULL THEN {_head('id', kind)} || {prefixed(given)} ELSE {full} END"
    return _hash64(full)


def content_hash(kind: str, mapped: str) -> str:
    """Return SQL of the 64-bit hash of type and mapped values: equal for an event that was mapped to another keyValue or time."""
    return _hash64(f"{_head('content', kind)} || {mapped}")


def lane(key: str) -> str:
    """Return SQL of the 64-bit hash of a keyValue: the lane in which its events go out."""
    return _hash64(f"{literal('lane')} || {key}")


def group(kind: str, key: str, mapped: str) -> str:
    """Return SQL of the 16-byte hash of type, keyValue and the fields of a key or window dedupe."""
    return f"unhex(md5({_head('group', kind)} || {prefixed(key)} || {prefixed(mapped)}))"


def _head(what: str, kind: str) -> str:
    return literal(f"{VERSION}/{what}{len(kind.encode())}:{kind}")


def _hash64(text: str) -> str:
    # What md5_number_lower gives, in a quarter of its time.
    return f"CAST(md5_number({text}) >> 64 AS UBIGINT)"


def column_text(name: str, kind: str) -> str:
    """Return SQL of a mapped column as text: numbers as JSON writes them, lists as JSON, the rest as it stands."""
    sql = quote(name)
    if kind == "number":
        whole = f"{sql} = trunc({sql}) AND abs({sql}) <= 9007199254740992"
        return f"CASE WHEN {whole} THEN CAST(CAST({sql} AS BIGINT) AS VARCHAR) ELSE CAST({sql} AS VARCHAR) END"
    if kind == "texts":
        return f"CAST(to_json({sql}) AS VARCHAR)"
    return f"CAST({sql} AS VARCHAR)"
