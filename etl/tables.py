"""The tables that the rooms hand to each other: the names of their columns, and the schema of the outbox.

Each room knows these and not the insides of another. `place` is where something came from: the file (its index in the run's list of
inputs), the row (a line number for text formats, counted from 1; a row number for Parquet), the element of an exploded list, and
`ordinal`, the running number of the row over all inputs, by which ties in time are ordered (RULES §5).
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

FILE = "_file"
ROW = "_row"
ELEMENT = "_element"
ORDINAL = "_ordinal"

#: What `source` adds to the columns of each batch.
PLACE = pa.schema(
    [
        pa.field(FILE, pa.int32(), nullable=False),
        pa.field(ROW, pa.int64(), nullable=False),
        pa.field(ELEMENT, pa.int32()),  # null unless the source explodes a list
        pa.field(ORDINAL, pa.int64(), nullable=False),
    ]
)

#: The column of a batch that says which rules may take a row (their indices; null: all of them), where only some may: a mended row.
RULES = "!rules"

#: Prefix of a column that holds, as JSON, what the row itself has in a column whose type other rows of the input settle too.
OWN = "!own:"
#: What its metadata holds: the way to each field of the column (null: the elements of a list) that has another name than its key.
RENAMED = b"renamed"
Renamed = Mapping[tuple[str | None, ...], str]

#: Prefix of the boolean columns by which a room says that a match is invalid; what follows is the reason.
FAULT = "fault:"

#: The locators, in the API's own order of priority (API text, table of `keyValue`).
LOCATORS = ("contactId", "externalCustomerId", "email", "phone", "pushToken")

#: Quarantine: one row for each invalid match and each unreadable row.
QUARANTINE = pa.schema(
    [
        pa.field("file", pa.string(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("element", pa.int32()),
        pa.field("rule", pa.int16()),  # index of the event rule; null for a row that no rule has seen
        pa.field("reasons", pa.list_(pa.string()), nullable=False),
        pa.field("original", pa.string()),  # the original text or values (JSON)
    ]
)

#: Outbox: one row an event, in the order in which they go out; `seq` counts from 0.
OUTBOX = pa.schema(
    [
        pa.field("seq", pa.int64(), nullable=False),
        pa.field("id", pa.binary(16), nullable=False),  # identity (RULES §1)
        pa.field("twin", pa.uint64(), nullable=False),  # hash of type, keyValue and instant (RULES §2, `changed`)
        pa.field("lane", pa.uint64(), nullable=False),  # hash of keyValue: events of one lane go out in order
        pa.field("type", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("instant", pa.timestamp("us", tz="UTC")),
        pa.field("file", pa.int32(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("element", pa.int32()),
        pa.field("item", pa.int32()),  # of the list that `each` names
        pa.field("rule", pa.int16(), nullable=False),
        pa.field("content", pa.uint64(), nullable=False),  # hash of type and mapped values, without keyValue and time
        pa.field("body", pa.string(), nullable=False),  # {"eventTypeKey":…,"keyValue":…,"params":[…]}
    ]
)

_HOLLOW = b"clickreplay.hollow"
_OPEN = b"clickreplay.open"


def hollow(name: str, *, null: bool) -> pa.Field:
    """Return a field of text below which no row has a key: it is `null` in every row, or an object without keys in some."""
    return pa.field(name, pa.string(), metadata={_HOLLOW: b"null" if null else b"object"})


def is_hollow(field: pa.Field) -> bool:
    """Say whether no row has a key below a field."""
    return bool(field.metadata) and _HOLLOW in field.metadata


def is_always_null(field: pa.Field) -> bool:
    """Say whether a field is null in every row."""
    return is_hollow(field) and field.metadata[_HOLLOW] == b"null"


def opened(schema: pa.Schema) -> pa.Schema:
    """Return the schema of rows that have keys of their own: a name that is not in it may stand in the rows of another day."""
    return schema.with_metadata({_OPEN: b"1"})


def is_open(schema: pa.Schema) -> bool:
    """Say whether the rows of a schema have keys of their own."""
    return bool(schema.metadata) and _OPEN in schema.metadata
