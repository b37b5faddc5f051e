"""A shop's export of any size, made by columns: the same seed gives the same rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv

_CHUNK = 250_000

JOB = """\
job: bench
source: {path: PATH, types: {hits: int}}
let: {mail: lower(trim(email))}
time: {column: event_time, zone: Europe/Kyiv}
contact: {externalCustomerId: customer_id, email: mail, phone: phone}
filters: {anonymous: true}
events:
  - {type: pageViewed, where: event = 'page', page: {location: url}}
  - type: productViewed
    where: event = 'view_item'
    product: {productId: sku, price: price, isInStock: in_stock, colour: colour}
    currencyCode: currency
  - {type: productCategoryViewed, where: event = 'category', category: {productCategoryId: category}}
  - type: cartUpdated
    where: event = 'cart'
    lines: [cart_id, event_time]
    products: {productId: sku, quantity: qty, price: price}
    recycleStateId: cart_id
  - {type: searchRequest, where: event = 'search', search: query, isFound: hits > 0}
delivery: {api: API, stale: send, rate: 1000000/s, concurrency: 16}
max_invalid: 20%
"""


def write_rows(path: Path, rows: int, seed: int = 1) -> None:
    """Write a CSV of five kinds of rows: 5% duplicates, 1% bad, carts of three lines, a third of the rows; times grow."""
    rng = np.random.default_rng(seed)
    with path.open("wb") as file:
        for start in range(0, rows, _CHUNK):
            table = _chunk(rng, start, min(_CHUNK, rows - start))
            pv.write_csv(table, file, pv.WriteOptions(include_header=start == 0, quoting_style="needed"))


def _chunk(rng: np.random.Generator, start: int, count: int) -> pa.Table:
    number = np.arange(start, start + count)
    # 5% repeat the row before them, bytes and all.
    again = (rng.random(count) < 0.05) & (number > start)
    group = number - number % 9
    source = np.where(again, np.maximum(number - 1, start), number)
    kinds = np.array(["page", "page", "view_item", "view_item", "category", "cart", "cart", "cart", "search"])
    kind = kinds[source % 9]
    cart = kind == "cart"
    # The lines of a cart share its time and owner.
    moment = np.where(cart, group, source)
    user = (moment * 2_654_435_761) % max(1000, (start + count) // 20)
    time = np.datetime64("2026-11-01T00:00:00") + (moment // 4).astype("timedelta64[s]")
    sku = (source * 7919) % 20_000
    price = ((source * 37) % 100_000) / 100
    bad = rng.random(count) < 0.01
    return pa.table({
        "event": pa.array(kind),
        "event_time": pc.strftime(pa.array(time), "%Y-%m-%d %H:%M:%S"),
        "customer_id": pa.array(np.char.zfill(user.astype("U8"), 8)),
        "email": pa.array(np.char.add(np.char.add("user", user.astype("U8")), "@example.com")),
        "phone": pa.array(np.char.add("+38050", np.char.zfill((user % 10_000_000).astype("U7"), 7))),
        "url": pa.array(np.char.add("https://shop.example/p/", sku.astype("U8"))),
        "sku": pa.array(np.char.zfill(sku.astype("U6"), 6)),
        "price": pa.array(np.where(bad, "n/a", price.astype("U10"))),
        "in_stock": pa.array(np.where(source % 3 == 0, "true", "false")),
        "colour": pa.array(np.array(["red", "червоний", "crème, brûlée", ""])[source % 4]),
        "currency": pa.array(np.where(source % 2 == 0, "UAH", "")),
        "category": pa.array(np.char.add("c", (source % 50).astype("U3"))),
        "cart_id": pa.array(np.where(cart, np.char.add("cart", group.astype("U10")), "")),
        "qty": pa.array(np.where(cart, ((source % 3) + 1).astype("U2"), "")),
        "query": pa.array(np.char.add("query ", (source % 1000).astype("U4"))),
        "hits": pa.array(np.where(bad, "many", (source % 5).astype("U2"))),
    })  # fmt: skip
