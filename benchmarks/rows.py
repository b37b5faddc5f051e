"""A shop's export of any size, made by columns: the same seed gives the same rows. `python -m benchmarks.rows FILE ROWS`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv
import pyarrow.parquet as pq

_CHUNK = 250_000
_START = np.datetime64("2026-01-01T00:00:00")  # 50 million rows end in May


def write_rows(path: Path, rows: int, seed: int = 1) -> None:
    """Write a CSV or Parquet file, by its name, of five kinds of rows; a chunk at a time, so in bounded memory.

    5% are duplicates, 1% bad; carts of three lines are a third of the rows; times grow. All columns are text.
    """
    rng = np.random.default_rng(seed)
    starts = range(0, rows, _CHUNK)
    tables = (_chunk(rng, start, min(_CHUNK, rows - start)) for start in starts)
    if path.suffix == ".parquet":
        first = next(tables)
        with pq.ParquetWriter(path, first.schema) as writer:
            writer.write_table(first)
            for table in tables:
                writer.write_table(table)
        return
    with path.open("wb") as file:
        for start, table in zip(starts, tables, strict=True):
            pv.write_csv(table, file, pv.WriteOptions(include_header=start == 0, quoting_style="needed"))


def _chunk(rng: np.random.Generator, start: int, count: int) -> pa.Table:
    number = np.arange(start, start + count)
    # 5% repeat the row before them, bytes and all.
    again = (rng.random(count) < 0.05) & (number > start)
    group = number - number % 9
    source = np.where(again, np.maximum(number - 1, start), number)
    kinds = pa.array(["page", "page", "view_item", "view_item", "category", "cart", "cart", "cart", "search"])
    kind = kinds.take(pa.array(source % 9))
    cart = np.isin(source % 9, (5, 6, 7))
    # The lines of a cart share its time and owner.
    moment = np.where(cart, group, source)
    user = (moment * 2_654_435_761) % max(1000, (start + count) // 20)
    time = _START + (moment // 4).astype("timedelta64[s]")
    sku = (source * 7919) % 20_000
    cents = (source * 37) % 100_000
    bad = rng.random(count) < 0.01
    price = pc.binary_join_element_wise(text(cents // 100), pc.utf8_lpad(text(cents % 100), 2, "0"), ".")
    return pa.table({
        "event": kind,
        "event_time": pc.cast(pa.array(time), pa.string()),
        "customer_id": pc.utf8_lpad(text(user), 8, "0"),
        "email": joined("user", text(user), "@example.com"),
        "phone": joined("+38050", pc.utf8_lpad(text(user % 10_000_000), 7, "0")),
        "url": joined("https://shop.example/p/", text(sku)),
        "sku": pc.utf8_lpad(text(sku), 6, "0"),
        "price": pc.if_else(bad, "n/a", price),
        "in_stock": pc.if_else(source % 3 == 0, "true", "false"),
        "colour": pa.array(["red", "червоний", "crème, brûlée", ""]).take(pa.array(source % 4)),
        "currency": pc.if_else(source % 2 == 0, "UAH", ""),
        "category": joined("c", text(source % 50)),
        "cart_id": pc.if_else(cart, joined("cart", text(group)), ""),
        "qty": pc.if_else(cart, text(source % 3 + 1), ""),
        "query": joined("query ", text(source % 1000)),
        "hits": pc.if_else(bad, "many", text(source % 5)),
    })  # fmt: skip


def text(numbers: np.ndarray) -> pa.Array:
    """Return whole numbers as texts."""
    return pa.array(numbers).cast(pa.string())


def joined(*parts: pa.Array | str) -> pa.Array:
    """Return the texts of columns and constants, one behind the other."""
    return pc.binary_join_element_wise(*parts, "")


if __name__ == "__main__":
    write_rows(Path(sys.argv[1]), int(sys.argv[2]))
