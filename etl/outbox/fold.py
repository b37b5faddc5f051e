"""Lines become events: the lines of one cart, in the order of their places, as one event (RULES §4).

The tables given here hold whole groups only; sorting them, out of core, is `staging`'s work.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from etl.outbox import identity
from etl.outbox.shape import PRODUCTS, PRODUCTS_CONTENT, Shape
from etl.sql import fetch, quote
from etl.tables import ELEMENT, FILE, LOCATORS, ORDINAL, ROW

GROUP = "_group"
BAD = "_bad"  # a line that is invalid, or stands for one: its cart is not sent short
CLEARED = "cleared"
JSON, CONTENT = "_json", "_content"
LINES = "_lines"  # how many lines an event was folded from
POSITION = "_position"

_PLACE = (FILE, ROW, ELEMENT, ORDINAL, "_item")


@dataclass(frozen=True, slots=True)
class Folded:
    """Whole events with the columns of a match, and the lines that are in none."""

    events: pa.Table  # one row an event: as a match, with `products`, `_products`, `_lines`
    lines: pa.Table  # the lines of those events: `_group` and place
    repeats: int  # lines equal to another of their cart
    invalid: pa.Table  # lines in no event: place, `_json`, `reason` (cart_line, lines_differ)


def fold(shape: Shape, lines: pa.Table, connection: duckdb.DuckDBPyConnection) -> Folded:
    """Fold lines into events, `lines` being sorted by group and place.

    Columns: place, `_group`, `_bad`, `key`, `instant`, locators, event columns, `id` where the job gives one, `cleared`,
    `_json`, `_content`.
    """
    lines = lines.append_column(POSITION, pa.array(range(lines.num_rows), pa.int64()))
    connection.register("lines", lines)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE marked AS {_marked(shape)}")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE carts AS {_carts(shape)}")
    place = ", ".join(f"m.{quote(c)}" for c in (*_PLACE, GROUP, JSON))
    repeats = connection.execute("SELECT count(*) FROM marked WHERE repeat AND NOT poisoned").fetchall()[0][0]
    invalid = fetch(
        connection,
        f"SELECT {place}, CASE WHEN poisoned THEN 'cart_line' ELSE 'lines_differ' END AS reason "
        f"FROM marked m LEFT JOIN carts c ON m.{GROUP} = c.{GROUP} "
        f"WHERE NOT m.{BAD} AND (m.poisoned OR (NOT repeat AND differ)) ORDER BY m.{POSITION}",
    )
    events = fetch(connection, f"SELECT * EXCLUDE (differ) FROM carts WHERE NOT differ ORDER BY {POSITION}")
    kept = fetch(
        connection,
        f"SELECT {place} FROM marked m JOIN carts c ON m.{GROUP} = c.{GROUP} WHERE NOT repeat AND NOT differ ORDER BY m.{POSITION}",
    )
    connection.unregister("lines")
    return Folded(events.drop_columns([POSITION]), kept, repeats, invalid)


def _marked(shape: Shape) -> str:
    """Every line with: does its cart hold a bad line, is it equal to an earlier one of its cart."""
    values = [(CONTENT, quote(CONTENT))]
    values += [(c.column, identity.column_text(c.column, c.kind)) for c in shape.event_columns]
    same = f"row_number() OVER (PARTITION BY {GROUP}, md5({identity.content(values)}) ORDER BY {POSITION}) > 1"
    repeat = "false" if shape.keeps_repeats else same
    return f"SELECT *, {repeat} AS repeat, bool_or({BAD}) OVER (PARTITION BY {GROUP}) AS poisoned FROM lines"


def _carts(shape: Shape) -> str:
    """One row a cart: the last line's time and place, event-level values that must agree, products in row order."""
    agreed = [f"contact.{locator}" for locator in LOCATORS]
    agreed += [c.column for c in shape.event_columns]
    agreed += ["id"] if shape.given_id else []
    columns = [f"arg_max({quote(c)}, {POSITION}) AS {quote(c)}" for c in _PLACE if c != ELEMENT]
    # arg_max passes over nulls, and an element may be null.
    columns.append(f"arg_max(struct_pack(v := {ELEMENT}), {POSITION}).v AS {ELEMENT}")
    columns.append(f"arg_max(struct_pack(v := instant), {POSITION}).v AS instant")
    columns += [f"any_value({quote('key')}) AS {quote('key')}", f"max({POSITION}) AS {POSITION}"]
    columns += [f"min({quote(c)}) AS {quote(c)}" for c in agreed]
    different = " OR ".join(f"min({quote(c)}) IS DISTINCT FROM max({quote(c)})" for c in (*agreed, CLEARED))
    columns.append(f"({different}) AS differ")
    columns.append(f"bool_and({CLEARED}) AS {CLEARED}")
    listed = f"coalesce(string_agg({JSON}, ',' ORDER BY {POSITION}) FILTER (NOT {CLEARED}), '')"
    columns.append(f"'[' || {listed} || ']' AS {PRODUCTS}")
    content = identity.prefixed_present(CONTENT)
    columns.append(
        f"coalesce(string_agg({content}, '' ORDER BY {POSITION}) FILTER (NOT {CLEARED}), '') AS {PRODUCTS_CONTENT}"
    )
    columns.append(f"CAST(count(*) FILTER (NOT {CLEARED}) AS BIGINT) AS _products_count")
    columns.append(f"CAST(count(*) AS BIGINT) AS {LINES}")
    return f"SELECT {GROUP}, {', '.join(columns)} FROM marked WHERE NOT repeat AND NOT poisoned GROUP BY {GROUP}"


def whole_groups(lines: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Cut a table that is sorted by group before its last group: (whole groups, the group that may go on)."""
    groups = lines[GROUP]
    last = pc.index(groups, groups[-1]).as_py()
    return lines.slice(0, last), lines.slice(last)
