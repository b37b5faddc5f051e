"""Makes the sample data of this folder: `python data/sample/generate.py`. The same seed gives the same bytes.

The exports of the ready jobs have a module each beside this one; they tell a story (`story.py`) in their own forms. Here are the
shop's and the app's.

It is small and dirty on purpose, as real exports are: duplicates, bad rows, carts of several lines, unicode, quotes and newlines inside
fields, several time zones, a header that differs from file to file, and shapes that differ from line to line.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import ga4
import nginx
import orders
import segment
import snowplow

SEED = 20261122
START = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
HERE = Path(__file__).parent
EXPORTS = (ga4, snowplow, segment, orders, nginx)

COLUMNS = [
    "event", "event_time", "customer_id", "email", "phone", "url", "sku", "price", "in_stock", "colour", "currency",
    "category", "cart_id", "qty", "query", "hits", "block_id", "variant", "coupon_code",
]  # fmt: skip
COLOURS = ["червоний", "grün", "blue", "crème brûlée", 'the "real" red', "white, matt"]
CATEGORIES = ["Mugs", "Taschen & Rucksäcke", "Кухоль", "Bags, small", "Home"]
QUERIES = ["mug", "кухоль синій", 'cup 12"', "bag, leather", "日本茶", "gift\nfor dad", "noodle bowl"]
SPOILT = ["price", "time", "email", "ragged", "utf8"]
ZONES = [None, UTC, timezone(timedelta(hours=2)), timezone(timedelta(hours=-5))]


def main() -> None:
    """Write the files of all jobs."""
    rng = random.Random(SEED)
    rows = shop_rows(rng)
    half = len(rows) // 2
    write_csv(HERE / "shop" / "events-2026-11-20.csv", COLUMNS, rows[:half])
    # The second day's export has its columns in another order and one that nobody needs.
    write_csv(HERE / "shop" / "events-2026-11-21.csv.gz", [*reversed(COLUMNS), "session"], rows[half:])
    (HERE / "app" / "events.ndjson").write_text("".join(app_lines(rng)), "utf-8")
    for export in EXPORTS:
        folder = HERE / export.__name__
        folder.mkdir(exist_ok=True)
        export.write(folder)


def shop_rows(rng: random.Random) -> list[dict[str, str]]:
    """Return the rows of the shop's export in the order of their times, with 5% duplicates and about 1% bad rows."""
    rows: list[dict[str, str]] = []
    time = START
    for _ in range(900):
        time += timedelta(seconds=rng.randint(1, 180))
        rows += visit(rng, time, customer(rng))
    for _ in range(len(rows) // 20):
        at = rng.randrange(len(rows))
        rows.insert(min(len(rows), at + rng.randint(1, 40)), dict(rows[at]))
    for number, row in enumerate(rng.sample(rows, len(rows) // 80)):
        spoil(rng, row, SPOILT[number % len(SPOILT)])
    spoil(rng, next(row for row in rows if row["event"] == "cart"), "price")  # a cart is not sent short
    return rows


def customer(rng: random.Random) -> dict[str, str]:
    """Return a customer; some have no id, some no e-mail address, a few nothing at all."""
    number = rng.randint(1, 220)
    kind = rng.random()
    return {
        "customer_id": f"{number:05d}" if kind < 0.75 else "",
        "email": f" Visitor{number}@Example.com " if 0.4 < kind < 0.97 else "",
        "phone": f"+380 (50) {number:03d}-45-67" if number % 3 == 0 and kind < 0.97 else "",
    }


def visit(rng: random.Random, time: datetime, who: dict[str, str]) -> list[dict[str, str]]:
    """Return the one or more rows of one thing that a customer does."""
    sku = f"{rng.randint(1, 400):06d}"
    base = {**who, "event_time": stamp(rng, time), "url": f"https://shop.example/p/{sku}?utm_source=mail&q=a,b"}
    product = {
        "sku": sku,
        "price": f"{rng.randint(100, 99999) / 100:g}",
        "currency": rng.choice(["UAH", "USD", "EUR", ""]),
    }
    what = rng.random()
    if what < 0.30:
        return [{**base, "event": "page", "url": f"https://shop.example/{rng.choice(['', 'delivery', 'контакти'])}"}]
    if what < 0.60:
        details = {"in_stock": rng.choice(["true", "false", "1", "0", ""]), "colour": rng.choice([*COLOURS, ""])}
        return [{**base, **product, **details, "event": "view_item"}]
    if what < 0.68:
        return [{**base, "event": "category", "category": rng.choice(CATEGORIES)}]
    if what < 0.80:
        return cart(rng, base, "cart")
    if what < 0.84:
        return cart(rng, base, "purchase")
    if what < 0.89:
        return [{**base, **product, "event": "wish"}]
    if what < 0.96:
        return [{**base, "event": "search", "query": rng.choice(QUERIES), "hits": str(rng.choice([0, 0, 1, 7, 120]))}]
    if what < 0.98:
        block = {
            "event": "recom",
            "block_id": f"b{rng.randint(1, 10**9)}",
            "variant": f"r{rng.randint(1, 9)}v{rng.randint(1, 3)}",
        }
        return [{**base, **block, "sku": f"{rng.randint(1, 400):06d}"} for _ in range(rng.randint(1, 5))]
    if what < 0.99:
        return [{**base, "event": "coupon", "coupon_code": rng.choice(["BLACK-FRIDAY", "знижка10"])}]
    return [{**base, "event": "heartbeat"}]


def cart(rng: random.Random, base: dict[str, str], event: str) -> list[dict[str, str]]:
    """Return the lines of a cart: one row a product."""
    cart_id = f"c{rng.getrandbits(48):012x}"
    skus = rng.sample(range(1, 400), rng.randint(1, 4))
    return [
        {
            **base,
            "event": event,
            "cart_id": cart_id,
            "sku": f"{sku:06d}",
            "qty": str(rng.choice([1, 1, 2, 0.5])),
            "price": f"{sku * 7 % 977 + 0.5:g}",
            "currency": "UAH",
        }
        for sku in skus
    ]


def stamp(rng: random.Random, time: datetime) -> str:
    """Return a time as one of the exporters writes it: with an offset, in UTC, or local time in Kyiv without a word."""
    zone = rng.choice(ZONES)
    if zone is None:
        return (time + timedelta(hours=2)).strftime("%Y-%m-%d %H:%M:%S")
    return time.astimezone(zone).isoformat(sep=rng.choice("T ")).replace("+00:00", "Z")


def spoil(rng: random.Random, row: dict[str, str], how: str) -> None:
    """Make a row bad in one of the ways in which exports are."""
    if how == "price" and row.get("sku"):
        row["price"] = rng.choice(["N/A", "12,50", ""])
    elif how == "email":
        row |= {"customer_id": "", "email": "visitor at example.com", "phone": ""}
    elif how in ("ragged", "utf8"):
        row["_"] = how
    else:
        row["event_time"] = rng.choice(["", "yesterday", "2026-13-41 00:00:00"])


def write_csv(path: Path, columns: list[str], rows: list[dict[str, str]]) -> None:
    """Write rows as CSV, the ragged and the badly encoded ones as exporters do."""
    data = io.BytesIO()
    for row in [dict(zip(columns, columns, strict=True)), *rows]:
        text = io.StringIO()
        cells = [row.get(column, "") for column in columns]
        csv.writer(text, lineterminator="\n").writerow(cells if row.get("_") != "ragged" else cells[:-4])
        line = text.getvalue().encode()
        data.write(line if row.get("_") != "utf8" else line.replace(b"https", b"htt\xff\xfeps", 1))
    path.write_bytes(gzip.compress(data.getvalue(), mtime=0) if path.suffix == ".gz" else data.getvalue())


def app_lines(rng: random.Random) -> list[str]:
    """Return the lines of an app's export: nested, with a list of items in each cart, and of different shapes."""
    lines = []
    time = START
    for number in range(400):
        time += timedelta(seconds=rng.randint(1, 300))
        user: dict[str, object] = (
            {"id": rng.randint(1, 90)} if rng.random() < 0.8 else {"email": f"app{rng.randint(1, 90)}@example.com"}
        )
        event: dict[str, object] = {"message_id": f"m{number}", "ts": int(time.timestamp() * 1000), "user": user}
        what = rng.random()
        if what < 0.5:
            event |= {"name": "screen", "screen": {"link": f"shop://{rng.choice(['home', 'sale', 'профіль'])}"}}
        elif what < 0.8:
            items = [
                {"sku": str(rng.randint(1, 400)), "qty": rng.randint(1, 3), "price": rng.randint(100, 9999) / 100}
                for _ in range(rng.randint(0, 3))
            ]
            event |= {"name": "cart", "cart": {"id": f"a{rng.randint(1, 60)}", "items": items}}
        else:
            event |= {"name": "search", "text": rng.choice(QUERIES), "results": rng.choice([0, 3, "none"])}
        lines.append(json.dumps(event, ensure_ascii=rng.random() < 0.5) + "\n")
        if rng.random() < 0.05:
            lines.append(lines[-1])
    lines.insert(100, '{"message_id": "cut", "ts": 17636\n')
    return lines


if __name__ == "__main__":
    main()
