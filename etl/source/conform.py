"""Types of columns over files: what unites them, and how an array becomes that type."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.source.names import Names

# Decimal digits that an integer of so many bits may have.
_DIGITS = {8: 3, 16: 5, 32: 10, 64: 20}


def plain(kind: pa.DataType) -> pa.DataType:
    """Return the plain form of a type, inside too: dictionaries decoded, one kind of string, binary, list and float, µs at most."""
    if pa.types.is_dictionary(kind):
        return plain(kind.value_type)
    if pa.types.is_run_end_encoded(kind):
        return plain(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind) or pa.types.is_fixed_size_binary(kind):
        return pa.binary()
    if pa.types.is_floating(kind):
        return pa.float64()
    if pa.types.is_decimal(kind):
        # DuckDB has 38 digits at most; more are text.
        return pa.string() if kind.precision > 38 else pa.decimal128(kind.precision, kind.scale)
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        # An instant is one in µs (RULES §1), and of TIMESTAMPTZ_NS DuckDB's functions know nothing.
        return pa.timestamp("us", kind.tz)
    if is_list(kind):
        return pa.list_(plain(kind.value_type))
    if pa.types.is_map(kind):
        return pa.map_(plain(kind.key_type), plain(kind.item_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(name, plain(field.type)) for name, field in zip(_names(kind), kind, strict=True)])
    if isinstance(kind, pa.BaseExtensionType):
        return pa.string() if str(kind.extension_name) == "arrow.uuid" else plain(kind.storage_type)
    return kind


def _names(kind: pa.DataType) -> list[str]:
    """Return the names of a struct's fields, unique without regard to case: SQL tells them apart no other way."""
    return Names(reserved=()).of_file([field.name or "column" for field in kind])


def is_list(kind: pa.DataType) -> bool:
    """Return whether a type is a list of any sort; a map is none."""
    return bool(
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
        or pa.types.is_list_view(kind)
        or pa.types.is_large_list_view(kind)
    )


def united(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    """Return the type that holds both: numbers widen, structs join their fields, lists their elements; else it is text.

    Both are plain. Nothing is lost: where no number type holds both, they become text.
    """
    if left.equals(right):
        return left
    if pa.types.is_null(left) or pa.types.is_null(right):
        return right if pa.types.is_null(left) else left
    if pa.types.is_struct(left) and pa.types.is_struct(right):
        # Names that differ only in case are one field, as with columns; the first spelling stays.
        names: dict[str, str] = {}
        for field in (*left, *right):
            names.setdefault(field.name.casefold(), field.name)
        return pa.struct(
            [pa.field(name, reduce(united, _fields(folded, left, right))) for folded, name in names.items()]
        )
    if is_list(left) and is_list(right):
        return pa.list_(united(left.value_type, right.value_type))
    if (
        pa.types.is_uint64(left) != pa.types.is_uint64(right)
        and pa.types.is_integer(left)
        and pa.types.is_integer(right)
    ):
        other = right if pa.types.is_uint64(left) else left
        return pa.decimal128(20, 0) if pa.types.is_signed_integer(other) else pa.uint64()
    if _is_number(left) and _is_number(right):
        exact = not (pa.types.is_floating(left) or pa.types.is_floating(right))
        if exact and (pa.types.is_decimal(left) or pa.types.is_decimal(right)):
            return _decimal(left, right)
        return _joined(left, right)
    if pa.types.is_timestamp(left) and pa.types.is_timestamp(right):
        # Local times and instants are not one thing; two zones of instants are: the instant is the same.
        if (left.tz is None) != (right.tz is None):
            return pa.string()
        return (
            _joined(pa.timestamp(left.unit), pa.timestamp(right.unit))
            if left.tz is None
            else pa.timestamp(_joined(pa.timestamp(left.unit), pa.timestamp(right.unit)).unit, "UTC")
        )
    if pa.types.is_date(left) and pa.types.is_date(right):
        return pa.date32()
    return pa.string()


def _fields(name: str, *kinds: pa.DataType) -> list[pa.DataType]:
    return [field.type for kind in kinds for field in kind if field.name.casefold() == name]


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _decimal(*kinds: pa.DataType) -> pa.DataType:
    """Return the decimal that holds decimals and integers; text where it would need more than 38 digits."""
    scale = max(kind.scale if pa.types.is_decimal(kind) else 0 for kind in kinds)
    whole = max(kind.precision - kind.scale if pa.types.is_decimal(kind) else _DIGITS[kind.bit_width] for kind in kinds)
    return pa.decimal128(whole + scale, scale) if whole + scale <= 38 else pa.string()


def _joined(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    pair = [pa.schema([pa.field("x", kind)]) for kind in (left, right)]
    try:
        joined = pa.unify_schemas(pair, promote_options="permissive").field(0).type
    except pa.ArrowException:
        return pa.string()
    return plain(joined)


def conform(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return `array` as `kind`, a plain type that unites its own with others'. Raises ArrowInvalid on a misfit."""
    if array.type.equals(kind):
        return array
    if isinstance(array, pa.DictionaryArray):
        return conform(array.dictionary_decode(), kind)
    if isinstance(array, pa.ExtensionArray):
        return conform(_uuids(array) if pa.types.is_string(kind) and _is_uuid(array.type) else array.storage, kind)
    if pa.types.is_null(array.type) or pa.types.is_null(kind):
        return pa.nulls(len(array), kind)
    if pa.types.is_struct(kind):
        return _struct(array, kind)
    if is_list(kind):
        return _list(array, kind)
    if pa.types.is_map(kind):
        return _map(array, kind)
    if pa.types.is_string(kind):
        return _text(array)
    if pa.types.is_timestamp(kind) and pa.types.is_timestamp(array.type) and array.type.unit == "ns":
        return array.cast(kind, safe=False)  # what is below µs is cut off
    if pa.types.is_float32(array.type):
        # By the shortest text that means it: as a double, the price 19.99 would be 19.989999771118164.
        return array.cast(pa.string()).cast(kind)
    return array.cast(kind)  # safe: refuses an integer that a float cannot hold


def _is_uuid(kind: pa.DataType) -> bool:
    return str(kind.extension_name) == "arrow.uuid"


def _uuids(array: pa.Array) -> pa.Array:
    return _each(array, str)


def _struct(array: pa.Array, kind: pa.DataType) -> pa.Array:
    own = {name.casefold(): index for index, name in enumerate(_names(array.type))}
    parts = array.flatten()
    children = [
        conform(parts[own[folded]], field.type)
        if (folded := field.name.casefold()) in own
        else pa.nulls(len(array), field.type)
        for field in kind
    ]
    return pa.StructArray.from_arrays(children, fields=list(kind), mask=array.is_null())


def _list(array: pa.Array, kind: pa.DataType) -> pa.Array:
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)))
    values = conform(pc.list_flatten(array), kind.value_type)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, type=kind, mask=array.is_null())


def _map(array: pa.Array, kind: pa.DataType) -> pa.Array:
    names = [pa.field("key", array.type.key_type, nullable=False), pa.field("value", array.type.item_type)]
    lists = array.cast(pa.list_(pa.struct(names)))
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)))
    keys, values = pc.list_flatten(lists).flatten()
    parts = conform(keys, kind.key_type), conform(values, kind.item_type)
    return pa.MapArray.from_arrays(pa.array(offsets, pa.int32()), *parts, mask=array.is_null())


def _text(array: pa.Array) -> pa.Array:
    """Return values as text: nested ones as JSON, bytes as UTF-8 or escaped, others as Arrow writes them."""
    if pa.types.is_nested(array.type):
        return _each(array, lambda value: json.dumps(value, ensure_ascii=False, default=str, separators=(",", ":")))
    if (
        pa.types.is_binary(array.type)
        or pa.types.is_fixed_size_binary(array.type)
        or pa.types.is_large_binary(array.type)
    ):
        return _each(array, lambda value: value.decode("utf-8", "backslashreplace"))
    return array.cast(pa.string())


def _each(array: pa.Array, text: Callable[..., str]) -> pa.Array:
    """Turn values into text one by one: only for the rare columns whose files disagree."""
    return pa.array([None if value is None else text(value) for value in array.to_pylist()], pa.string())
