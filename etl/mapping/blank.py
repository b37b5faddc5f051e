"""Empty or blank text is null everywhere, in nested values too; NUL goes out of texts; identifiers lose the blanks around them.

Blank are the white spaces of Unicode: tabs, line ends and no-break spaces too, which the `trim` of SQL leaves.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from etl.sql import literal

_SPACES = r"\x09-\x0d\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
#: Marks that no screen shows: soft hyphen, zero-width signs, directions, the byte order mark. They come with text copied from a page.
_UNSEEN = r"\x{ad}\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2060}-\x{2064}\x{feff}"
# An escaped NUL in JSON; an escaped backslash before it is taken first, so that its second half begins no escape.
_JSON_NUL = r"(\\\\)|\\u0000"


def present(sql: str) -> str:
    """Return SQL of a text, null where it is empty or blank."""
    return f"CASE WHEN NOT regexp_full_match({sql}, {literal(f'[{_SPACES}]*')}) THEN {sql} END"


def stripped(sql: str) -> str:
    """Return SQL of a text without the blanks around it, null where nothing else is there."""
    return f"nullif({_without_ends(sql, _SPACES)}, '')"


def identifier(sql: str) -> str:
    """Return SQL of an identifier without the blanks and unseen marks around it, null where nothing else is there."""
    return f"nullif({_without_ends(sql, _SPACES + _UNSEEN)}, '')"


def without_nul(sql: str) -> str:
    """Return SQL of a text without NUL characters, null where nothing else is there. The API's JSON has no use for them."""
    cleaned = f"replace({sql}, chr(0), '')"
    return f"CASE WHEN contains({sql}, chr(0)) THEN {present(cleaned)} ELSE {sql} END"


def without_json_nul(sql: str) -> str:
    """Return SQL of a JSON text without the NUL characters that its strings hold as escapes."""
    cleaned = f"regexp_replace({sql}, {literal(_JSON_NUL)}, '\\1', 'g')"
    return f"CASE WHEN contains({sql}, '\\u0000') THEN {cleaned} ELSE {sql} END"


def _without_ends(sql: str, characters: str) -> str:
    return f"regexp_replace({sql}, {literal(f'^[{characters}]+|[{characters}]+$')}, '', 'g')"


def blank_to_null(table: pa.Table) -> pa.Table:
    """Return the table with every blank text, at any depth, as null."""
    for index, field in enumerate(table.schema):
        if _has_text(field.type):
            column = table.column(index)
            chunks = [_clean(chunk) for chunk in column.chunks]
            table = table.set_column(index, field.with_nullable(True), pa.chunked_array(chunks, field.type))
    return table


def _has_text(kind: pa.DataType) -> bool:
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return True
    if pa.types.is_struct(kind):
        return any(_has_text(field.type) for field in kind)
    if pa.types.is_map(kind):
        return _has_text(kind.item_type)
    return pa.types.is_list(kind) and _has_text(kind.value_type)


def _clean(array: pa.Array) -> pa.Array:
    kind = array.type
    if pa.types.is_struct(kind):
        children = [_clean(array.field(i)) if _has_text(f.type) else array.field(i) for i, f in enumerate(kind)]
        return pa.StructArray.from_arrays(children, fields=list(kind), mask=pc.is_null(array))
    if pa.types.is_map(kind):
        starts = pa.array(array.offsets.to_numpy())  # a copy: Arrow takes no mask beside the offsets of a slice
        return pa.MapArray.from_arrays(starts, array.keys, _clean(array.items), type=kind, mask=pc.is_null(array))
    if pa.types.is_list(kind):
        values = _clean(array.flatten())
        offsets = pc.cumulative_sum(pc.fill_null(pc.list_value_length(array), 0))
        starts = pa.concat_arrays([pa.array([0], pa.int32()), offsets.cast(pa.int32())])
        return pa.ListArray.from_arrays(starts, values, type=kind, mask=pc.is_null(array))
    return _clean_text(array)


def _clean_text(array: pa.Array) -> pa.Array:
    blank = pc.or_(pc.utf8_is_space(array), pc.equal(pc.binary_length(array), 0))
    if not pc.any(blank).as_py():
        return array
    return pc.if_else(pc.fill_null(blank, False), pa.scalar(None, array.type), array)
