"""A shop's export of any size, dirty by measure, and what must come of each of its rows.

The same seed gives the same bytes. Times run in order, with noise; 5% of the rows are there twice, 1% are bad (no
price, no time, too many columns), 1% match no rule; a few customers do much, most do little; some bodies recur.
"""

from __future__ import annotations

import csv
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.crashing.bodies import canonical

COLUMNS = ("event", "event_time", "customer_id", "url", "sku", "price", "category", "cart_id", "qty", "query", "hits")
START = datetime(2025, 3, 3, 6, 0, tzinfo=UTC)

RULES = """\
events:
  - type: pageViewed
    where: event in ('page', 'view_item')
    page: {location: url}
  - type: productViewed
    where: event = 'view_item'
    product: {productId: sku, price: price}
  - type: productCategoryViewed
    where: event = 'category'
    category: {productCategoryId: category}
  - type: cartUpdated
    where: event in ('cart', 'purchase')
    cleared: event = 'purchase'
    lines: [cart_id, event_time]
    products: {productId: sku, quantity: qty, price: price}
    recycleStateId: cart_id
  - type: productAddedToWishlist
    where: event = 'wish'
    product: {productId: sku, price: price}
  - type: searchRequest
    where: event = 'search'
    search: query
    isFound: hits > 0
"""
#: The rules by their place in `RULES`.
_PAGE, _PRODUCT, _CATEGORY, _CART, _WISH, _SEARCH = range(6)
_TYPES = (
    "pageViewed",
    "productViewed",
    "productCategoryViewed",
    "cartUpdated",
    "productAddedToWishlist",
    "searchRequest",
)
_OF = {
    "page": (_PAGE,),
    "view_item": (_PAGE, _PRODUCT),
    "category": (_CATEGORY,),
    "cart": (_CART,),
    "purchase": (_CART,),
    "wish": (_WISH,),
    "search": (_SEARCH,),
    "ping": (),
}
_PRICED = (_PRODUCT, _CART, _WISH)
_CATEGORIES = ("Mugs", "Taschen & Rucksäcke", "Кухоль", "Bags, small", 'The "real" home')
_QUERIES = ("mug", "кухоль синій", 'cup 12"', "bag, leather", "日本茶", "gift\nfor dad")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the export; `time` is the instant that its text names, `bad` what was done to it."""

    event: str
    time: datetime
    customer: str
    values: dict[str, str]
    bad: str = ""

    def written(self) -> list[str]:
        """Return its fields as they stand in the file."""
        stamp = self.time.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        fields = {"event": self.event, "event_time": stamp, "customer_id": self.customer, **self.values}
        if self.bad == "price":
            fields["price"] = "n/a"
        if self.bad == "time":
            fields["event_time"] = "yesterday"
        return [fields.get(name, "") for name in COLUMNS] + (["one", "more"] if self.bad == "ragged" else [])


@dataclass(slots=True)
class Expected:
    """What must come of an export: the books (as in the JSON of a plan), and the bodies of each key in their order."""

    rows: int = 0
    extra: int = 0
    filtered: Counter[str] = field(default_factory=Counter)
    invalid: int = 0
    duplicate: Counter[str] = field(default_factory=Counter)
    folded: int = 0
    events: int = 0
    by_type: Counter[str] = field(default_factory=Counter)
    by_key: dict[str, list[str]] = field(default_factory=dict)

    def books(self) -> dict[str, Any]:
        """Return the part that the JSON of a plan must agree with."""
        return {
            "rows": self.rows,
            "extra": self.extra,
            "filtered": dict(self.filtered),
            "invalid": self.invalid,
            "duplicate": dict(self.duplicate),
            "folded": self.folded,
            "events": self.events,
            "by_type": dict(self.by_type),
        }


def make_rows(count: int, seed: int) -> list[Row]:
    """Return `count` rows in the order of the file."""
    rng = random.Random(seed)
    customers = max(20, count // 25)
    time, rows = START, list[Row]()
    while len(rows) < count - count // 20:
        time += timedelta(milliseconds=rng.randint(200, 4000))
        rows += _visit(rng, time + timedelta(milliseconds=rng.randint(-60_000, 60_000)), _customer(rng, customers))
    del rows[count - count // 20 :]
    places = [float(place) for place in range(len(rows))]
    for copied in rng.choices(range(len(rows)), k=count - len(rows)):
        rows.append(replace(rows[copied]))
        places.append(copied + rng.uniform(0.1, 40))
    rows = [rows[at] for at in sorted(range(count), key=places.__getitem__)]
    for at in rng.sample([at for at, row in enumerate(rows) if row.event != "ping"], count // 100):
        rows[at] = replace(rows[at], bad=rng.choice(_ways_to_spoil(rows[at])))
    return rows


def write_csv(path: Path, rows: list[Row]) -> None:
    """Write the export."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(row.written() for row in rows)


def expect(rows: list[Row]) -> Expected:
    """Work out what must come of the rows, one by one."""
    found = Expected(rows=len(rows))
    events: list[tuple[datetime, int, int, str, str]] = []  # instant, place, rule, key, body: sorts as they go out
    carts: dict[tuple[str, datetime, str], list[tuple[int, Row]]] = {}
    for place, row in enumerate(rows):
        rules = _OF[row.event]
        if row.bad == "ragged":
            found.invalid += 1
            continue
        if not rules:
            found.filtered["no_rule"] += 1
            continue
        found.extra += len(rules) - 1
        if row.bad == "time":
            found.invalid += len(rules)
            continue
        for rule in rules:
            if rule == _CART:
                carts.setdefault((row.values["cart_id"], row.time, row.customer), []).append((place, row))
            elif row.bad == "price" and rule in _PRICED:
                found.invalid += 1
            else:
                events.append((row.time, place, rule, row.customer, _body(rule, row)))
    for lines in carts.values():
        _fold(lines, found, events)
    seen = set()
    for instant, _, rule, key, body in sorted(events):
        if (identity := (instant, body)) in seen:
            found.duplicate["exact"] += 1
            continue
        seen.add(identity)
        found.events += 1
        found.by_type[_TYPES[rule]] += 1
        found.by_key.setdefault(key, []).append(body)
    return found


def _fold(lines: list[tuple[int, Row]], found: Expected, events: list[tuple[datetime, int, int, str, str]]) -> None:
    """Make one event of the lines of a cart; none when one of them is bad."""
    if any(row.bad for _, row in lines):
        found.invalid += len(lines)
        return
    distinct: dict[str, tuple[int, Row]] = {}
    for place, row in lines:
        distinct.setdefault(row.values.get("sku", ""), (place, row))
    found.duplicate["exact"] += len(lines) - len(distinct)
    found.folded += len(distinct) - 1
    products = [
        _product(row) | {"quantity": float(row.values["qty"])} for _, row in distinct.values() if "sku" in row.values
    ]
    place, last = list(distinct.values())[-1]
    body = _event(_CART, last, {"products": products, "recycleStateId": last.values["cart_id"]})
    events.append((last.time, place, _CART, last.customer, body))


def _body(rule: int, row: Row) -> str:
    values = row.values
    if rule == _PAGE:
        return _event(rule, row, {"page": {"location": values["url"]}})
    if rule == _CATEGORY:
        return _event(rule, row, {"category": {"productCategoryId": values["category"]}})
    if rule == _SEARCH:
        return _event(rule, row, {"search": values["query"], "isFound": float(int(values["hits"]) > 0)})
    return _event(rule, row, {"product": _product(row)})


def _product(row: Row) -> dict[str, Any]:
    return {"productId": row.values["sku"], "price": float(row.values["price"])}


def _event(rule: int, row: Row, params: dict[str, Any]) -> str:
    return canonical(_TYPES[rule], row.customer, {"externalCustomerId": row.customer, **params})


def _customer(rng: random.Random, customers: int) -> str:
    return f"{rng.randint(1, 8) if rng.random() < 0.05 else rng.randint(1, customers):06d}"


def _visit(rng: random.Random, time: datetime, customer: str) -> list[Row]:
    """Return the rows of one thing that a customer does."""
    sku = f"{rng.randint(1, 5000):05d}"
    url = f"https://shop.example/p/{sku}?a=1,2" if rng.random() < 0.8 else "https://shop.example/"
    price = {"sku": sku, "price": _price(rng)}
    cart = f"c-{rng.getrandbits(40):010x}"
    what = rng.random()
    if what < 0.30:
        return [Row("page", time, customer, {"url": url})]
    if what < 0.55:
        return [Row("view_item", time, customer, {"url": url, **price})]
    if what < 0.68:
        return [Row("category", time, customer, {"category": rng.choice(_CATEGORIES)})]
    if what < 0.84:
        skus = rng.sample(range(5000), rng.randint(1, 5))
        return [
            Row(
                "cart",
                time,
                customer,
                {"cart_id": cart, "sku": f"{s:05d}", "qty": f"{rng.randint(1, 9)}", "price": _price(rng)},
            )
            for s in skus
        ]
    if what < 0.87:
        return [Row("purchase", time, customer, {"cart_id": cart})]
    if what < 0.93:
        return [Row("wish", time, customer, price)]
    if what < 0.99:
        return [Row("search", time, customer, {"query": rng.choice(_QUERIES), "hits": f"{rng.randint(0, 3)}"})]
    return [Row("ping", time, customer, {})]


def _price(rng: random.Random) -> str:
    return f"{rng.randint(100, 99_999) / 100:.2f}"


def _ways_to_spoil(row: Row) -> list[str]:
    """Return what can be done to a row.

    A cart's line keeps its place in its cart, so that the cart goes with it. A row of several lines is not made ragged:
    how many rows that is, is a matter of opinion (a quote may have been forgotten).
    """
    if row.event == "cart":
        return ["price"]
    if "\n" in row.values.get("query", ""):
        return ["time"]
    return ["price", "time", "ragged"] if "price" in row.values else ["time", "ragged"]
