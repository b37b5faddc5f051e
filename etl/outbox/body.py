"""The JSON of an event (API text, *Parameters*): SQL over the columns of a table of matches. Null fields are left out.

`page`, `product`, `category` and `products` are JSON inside a string, as the API text's examples have them.
"""

from __future__ import annotations

from collections.abc import Iterable

from etl.outbox.identity import column_text
from etl.sql import literal, quote

#: The API text's examples have the phone before the e-mail address.
LOCATOR_ORDER = ("contactId", "externalCustomerId", "phone", "email", "pushToken")


def string(sql: str) -> str:
    """Return SQL of a text as a JSON string."""
    return f"CAST(to_json({sql}) AS VARCHAR)"


def json_value(name: str, kind: str) -> str:
    """Return SQL of a column as a JSON value, by its kind: text, number, flag, texts, or json (already JSON)."""
    if kind == "text":
        return string(quote(name))
    return column_text(name, kind)


def json_object(fields: Iterable[tuple[str, str]]) -> str:
    """Return SQL of a JSON object of (name, SQL of JSON value)."""
    parts = (f"{literal(_name(name) + ':')} || {value}" for name, value in fields)
    return f"'{{' || {_joined(parts)} || '}}'"


def parameter(name: str, value: str) -> str:
    """Return SQL of one element of `params`; null where the value is null."""
    return f"{literal('{' + chr(34) + 'name' + chr(34) + ':' + _name(name) + ',' + chr(34) + 'value' + chr(34) + ':')} || {value} || '}}'"


def event(kind: str, parameters: Iterable[str]) -> str:
    """Return SQL of an event's body; `key` is the column with its keyValue."""
    start = literal('{"eventTypeKey":' + _name(kind) + ',"keyValue":')
    return f"""{start} || {string(quote("key"))} || ',"params":[' || {_joined(parameters)} || ']}}'"""


def _joined(parts: Iterable[str]) -> str:
    """Return SQL of the texts that are there, with commas between them; of no texts at all too, which concat_ws refuses."""
    listed = ", ".join(parts)
    return f"concat_ws(',', {listed})" if listed else "''"


def _name(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
