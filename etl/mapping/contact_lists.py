"""The job's lists of contacts: whom never to send for (`suppress`), and the only ones to send for (`known`).

A contact is compared by a mark, the first 64 bits of the SHA-256 of its normal text, so lists of plain locators and lists of hashes are
one to us, and neither is held as text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from etl.mapping.blank import identifier
from etl.sql import beside as sql_beside
from etl.sql import connect, fetch, quote
from etl.tables import LOCATORS

SUPPRESSED, UNKNOWN = "suppressed", "unknown_contact"

Mask = npt.NDArray[np.bool_]
Marks = npt.NDArray[np.uint64]

_PHONE = r"[+0-9()\s./-]+"
_HASH = "[0-9a-fA-F]{64}"


@dataclass(frozen=True, slots=True)
class ContactLists:
    """The lists at hand, as sorted marks; None where the job has no such list."""

    suppress: Marks | None
    known: Marks | None
    connection: duckdb.DuckDBPyConnection

    def beside(self) -> ContactLists:
        """Return these lists for another thread."""
        return replace(self, connection=sql_beside(self.connection))

    def judge(self, matches: pa.Table) -> dict[str, Mask]:
        """Say of matches (`key`, `contact.<locator>`) which may not go, by reason; none has two reasons."""
        marks = self._marks(matches)
        gone: dict[str, Mask] = {}
        none = np.zeros(matches.num_rows, dtype=bool)
        suppressed = none if self.suppress is None else _any_in(self.suppress, marks, none)
        if self.suppress is not None:
            gone[SUPPRESSED] = suppressed
        if self.known is not None:
            gone[UNKNOWN] = ~_any_in(self.known, marks, none) & ~suppressed
        return gone

    def _marks(self, matches: pa.Table) -> pa.Table:
        """The marks of each match: one of every locator, and those of its keyValue, whatever locator that is."""
        names = {f"contact.{locator}": locator for locator in LOCATORS if f"contact.{locator}" in matches.column_names}
        forms = {column: _normal(locator, quote(column)) for column, locator in names.items()}
        # A keyValue that is one of the locators has its mark already.
        own = " AND ".join(["key IS NOT NULL", *(f"key IS DISTINCT FROM {quote(column)}" for column in names)])
        forms |= {f"key.{n}": f"CASE WHEN {own} THEN {form} END" for n, form in enumerate(_any_normal("key"))}
        self.connection.register("contacts", matches.select(["key", *names]))
        found = fetch(
            self.connection, f"SELECT {', '.join(f'{_mark(f)} AS {quote(n)}' for n, f in forms.items())} FROM contacts"
        )
        self.connection.unregister("contacts")
        return found


def read_lists(suppress: Iterable[pa.Array] | None, known: Iterable[pa.Array] | None) -> ContactLists:
    """Make the lists of their entries, texts as they stand in the files."""
    connection = connect(memory="200MB")
    return ContactLists(_listed(suppress, connection), _listed(known, connection), connection)


def _listed(parts: Iterable[pa.Array] | None, connection: duckdb.DuckDBPyConnection) -> Marks | None:
    """The marks of a list: nobody says what an entry is, so each stands for every locator that it may be."""
    if parts is None:
        return None
    found = [np.empty(0, np.uint64)]
    hashed = f"regexp_full_match(entry, '{_HASH}')"
    plain = [f"CASE WHEN NOT {hashed} THEN {form} END" for form in _any_normal("entry")]
    marks = [f"CASE WHEN {hashed} THEN {_first_bits('entry')} END", *map(_mark, plain)]
    for part in parts:
        connection.register("entries", pa.table({"given": part}))
        listed = ", ".join(marks)
        statement = f"SELECT unnest([{listed}]) AS mark FROM (SELECT {identifier('given')} AS entry FROM entries)"
        table = fetch(connection, f"SELECT DISTINCT mark FROM ({statement}) WHERE mark IS NOT NULL")
        found.append(table["mark"].to_numpy())
        connection.unregister("entries")
    return np.unique(np.concatenate(found))


def _any_in(listed: Marks, marks: pa.Table, none: Mask) -> Mask:
    """Say which rows have a mark that is listed."""
    found = none.copy()
    for column in marks.columns:
        present = np.flatnonzero(column.is_valid().to_numpy())
        values = column.drop_null().to_numpy()
        at = np.searchsorted(listed, values)
        at[at == len(listed)] = 0
        if len(listed):
            found[present[listed[at] == values]] = True
    return found


def _normal(locator: str, sql: str) -> str:
    if locator == "email":
        return f"lower({identifier(sql)})"
    if locator == "phone":
        return _digits(sql)
    return identifier(sql)


def _any_normal(sql: str) -> list[str]:
    """The normal forms of a text that may be any locator: null where it cannot be that one."""
    mail = f"CASE WHEN contains({sql}, '@') AND lower({sql}) <> {sql} THEN lower({identifier(sql)}) END"
    phone = f"CASE WHEN regexp_full_match({sql}, '{_PHONE}') AND {_digits(sql)} <> {sql} THEN {_digits(sql)} END"
    return [identifier(sql), mail, phone]


def _digits(sql: str) -> str:
    return f"regexp_replace({sql}, '[^0-9]', '', 'g')"


def _mark(sql: str) -> str:
    return f"CASE WHEN ({sql}) <> '' THEN {_first_bits(f'sha256({sql})')} END"


def _first_bits(sql: str) -> str:
    return f"CAST('0x' || left({sql}, 16) AS UBIGINT)"
