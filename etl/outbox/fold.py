"""Lines become events: the lines of one cart, in the order of their places, as one event (RULES §4).

The tables given here hold whole groups only; sorting them, out of core, is `staging`'s work. Sorted, a cart is a stretch of lines, and all
that is asked of carts is asked of stretches.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from etl.outbox.shape import PRODUCTS, PRODUCTS_CONTENT, Shape
from etl.tables import ELEMENT, FILE, LOCATORS, ORDINAL, ROW

GROUP = "_group"
LOST = "_lost"  # why a line is in no event: INVALID, or the filter that took it out; null for a good one. Its cart is not sent short.
INVALID = "cart_line"
CLEARED = "cleared"
JSON, CONTENT = "_json", "_content"
LINES = "_lines"  # how many lines an event was folded from

_ORDER_BYTES = 16
_PLACE = (FILE, ROW, ELEMENT, ORDINAL, "_item")

_Flags = NDArray[np.bool_]
_Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Folded:
    """Whole events with the columns of a match, and the lines that are in none."""

    events: pa.Table  # one row an event: as a match, with `products`, `_products`, `_products_count`, `_lines`
    lines: pa.Table  # the lines of those events: `_group`, `_json` and place
    repeats: int  # lines equal to another of their cart
    invalid: pa.Table  # lines in no event: as `lines`, and `reason` (cart_line, lines_differ)
    filtered: Counter[str]  # good lines of carts of which a filter took a line, by filter
    short_carts: Counter[str]  # the number of those carts


def fold(shape: Shape, lines: pa.Table) -> Folded:
    """Fold lines into events, `lines` being sorted by group and place.

    Columns: place, `_group`, `_lost`, `key`, `instant`, locators, event columns, `id` where the job gives one, `cleared`,
    `_json`, `_content`.
    """
    lines = lines.combine_chunks()
    cart = _stretches(lines[GROUP])
    good = _flags(lines[LOST].is_null())
    why, reasons = _why_short(lines, cart)
    short = why >= 0
    repeat = np.zeros(len(cart), dtype=bool) if shape.keeps_repeats else _repeats(shape, lines, cart)
    kept = np.flatnonzero(~repeat & ~short)
    events, differ = _carts(shape, lines.take(pa.array(kept)), _renumbered(cart[kept]))
    apart = np.zeros(len(cart), dtype=bool)
    apart[kept] = differ
    filtered, short_carts = Counter[str](), Counter[str]()
    withheld = good & short & (why != reasons.index(INVALID))
    for number, reason in enumerate(reasons):
        if number != reasons.index(INVALID) and (own := withheld & (why == number)).any():
            filtered[reason] = int(own.sum())
            short_carts[reason] = len(np.unique(cart[own]))
    refused = np.flatnonzero(good & ~withheld & (short | apart))
    known = lines.select([*_PLACE, GROUP, JSON])
    reason = pa.array(np.where(short[refused], INVALID, "lines_differ"), pa.string())
    return Folded(
        events=events,
        lines=known.take(pa.array(kept[~differ])),
        repeats=int((repeat & ~short).sum()),
        invalid=known.take(pa.array(refused)).append_column("reason", reason),
        filtered=filtered,
        short_carts=short_carts,
    )


def _why_short(lines: pa.Table, cart: _Numbers) -> tuple[_Numbers, list[str]]:
    """Return for each line why its cart is short, as a number of the reasons, -1 where it is whole; and the reasons.

    A cart is short by a lost line of its own, and by a lost line without a contact that has the values of its `lines`: exports name the
    contact on the first line of an order only. Where several contacts share those values, nobody can say whose line it is: then none.
    """
    codes, values = _codes(lines[LOST])
    found = values.to_pylist()
    reasons = [INVALID, *(text for text in found if text != INVALID)]
    whole = len(reasons)
    number = np.array([*(reasons.index(text) for text in found), whole], dtype=np.int64)[codes]
    if len(cart) == 0:
        return number, reasons
    first = np.flatnonzero(np.diff(cart, prepend=-1))
    why = np.minimum.reduceat(number, first)
    order = _stretches(_order(lines[GROUP]))[first]
    keyed = lines["key"].is_valid().to_numpy()[first]
    beside = np.full(order[-1] + 1, whole)
    np.minimum.at(beside, order[~keyed], why[~keyed])
    alone = keyed & (np.bincount(order, weights=keyed)[order] == 1)
    why[alone] = np.minimum(why[alone], beside[order[alone]])
    why[why == whole] = -1
    return why[cart], reasons


def whole_groups(lines: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Cut a table that is sorted by group before the last carts that share their `lines` values: (whole groups, what may go on)."""
    orders = _order(lines[GROUP])
    last = pc.index(orders, orders[-1]).as_py()
    return lines.slice(0, last), lines.slice(last)


def _order(groups: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return of each group the part that tells the `lines` values, without the keyValue."""
    return pc.binary_slice(groups.cast(pa.binary()), 0, _ORDER_BYTES)


def _carts(shape: Shape, lines: pa.Table, cart: _Numbers) -> tuple[pa.Table, _Flags]:
    """Return one row a cart: the last line's time and place, values that must agree, products in row order.

    Carts whose lines differ where they must agree are left out; of which lines that holds is the second answer.
    """
    last = np.flatnonzero(np.diff(cart, append=-1))
    cleared = _flags(lines[CLEARED])
    emptied = cleared[last]  # the last line says whether the cart is cleared, whatever the lines before it hold
    sold = np.flatnonzero(~emptied[cart])
    agreed = [*(f"contact.{locator}" for locator in LOCATORS), *(c.column for c in shape.event_columns)]
    agreed += ["id"] if shape.given_id else []
    # A line after the one that clears the cart: nobody can tell from lines what the cart holds then.
    differ = _any_by(cart, cleared) & ~emptied
    columns = {name: lines[name].take(pa.array(last)) for name in (*_PLACE, GROUP, "key", "instant")}
    for name in agreed:
        columns[name], apart = _agreed(cart, lines[name])
        differ |= apart
    json, content = (lines[name].take(pa.array(sold)) for name in (JSON, CONTENT))
    count = np.bincount(cart[sold], minlength=len(last))
    prefixed = pc.binary_join_element_wise(pc.binary_length(content).cast(pa.string()), content, ":")
    columns[CLEARED] = pa.array(emptied)
    columns[PRODUCTS] = pc.binary_join_element_wise("[", _joined(json, count, ","), "]", "")
    columns[PRODUCTS_CONTENT] = _joined(prefixed, count, "")
    columns["_products_count"] = pa.array(count, pa.int64())
    columns[LINES] = pa.array(np.bincount(cart, minlength=len(last)), pa.int64())
    return pa.table(columns).filter(pa.array(~differ)), differ[cart]


def _repeats(shape: Shape, lines: pa.Table, cart: _Numbers) -> _Flags:
    """Say which lines are equal to an earlier line of their cart: in all mapped values, and in whether they clear it."""
    values = [_codes(lines[name])[0] for name in (CONTENT, CLEARED, *(c.column for c in shape.event_columns))]
    order = np.lexsort((*values, cart))  # stable: of equal lines the first stays first
    same = np.ones(max(len(cart) - 1, 0), dtype=bool)
    for numbers in (cart, *values):
        same &= np.diff(numbers[order]) == 0
    repeat = np.zeros(len(cart), dtype=bool)
    repeat[order[1:][same]] = True
    return repeat


def _agreed(cart: _Numbers, column: pa.ChunkedArray) -> tuple[pa.Array, _Flags]:
    """Return each cart's one value (null where no line has it), and the carts in which two values stand."""
    codes, values = _codes(column)
    starts = np.flatnonzero(np.diff(cart, prepend=-1))
    if len(starts) == 0:
        return values, np.zeros(0, dtype=bool)
    most = np.maximum.reduceat(codes, starts)
    least = np.minimum.reduceat(np.where(codes < 0, len(values), codes), starts)
    return values.take(pa.array(most, mask=most < 0)), (most >= 0) & (least != most)


def _codes(column: pa.ChunkedArray) -> tuple[_Numbers, pa.Array]:
    """Return a number for each value, -1 where it is null, and the values by their numbers."""
    encoded = column.combine_chunks().dictionary_encode()
    numbers: _Numbers = pc.fill_null(encoded.indices, -1).to_numpy().astype(np.int64)
    return numbers, encoded.dictionary


def _joined(texts: pa.ChunkedArray, count: _Numbers, separator: str) -> pa.Array:
    """Join the texts of each cart, of which `count` follow each other."""
    ends = pa.array(np.concatenate([[0], np.cumsum(count)]), pa.int32())
    return pc.binary_join(pa.ListArray.from_arrays(ends, texts.combine_chunks()), separator)


def _stretches(groups: pa.ChunkedArray) -> _Numbers:
    """Number the stretches of equal values from 0."""
    if len(groups) == 0:
        return np.zeros(0, dtype=np.int64)
    changes = pc.not_equal(groups.slice(1), groups.slice(0, len(groups) - 1))
    return np.concatenate([[0], np.cumsum(_flags(changes))])


def _renumbered(cart: _Numbers) -> _Numbers:
    """Number carts from 0 without gaps, where some have lost all their lines."""
    return np.cumsum(np.diff(cart, prepend=-1) != 0) - 1


def _any_by(cart: _Numbers, flags: _Flags) -> _Flags:
    """Say of each cart whether the flag is up in one of its lines."""
    found = np.zeros(int(cart[-1]) + 1 if len(cart) else 0, dtype=bool)
    found[cart[flags]] = True
    return found


def _flags(column: pa.ChunkedArray) -> _Flags:
    flags: _Flags = column.to_numpy()
    return flags
