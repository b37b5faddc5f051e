"""An export of orders from a shop's database: one row a line of an order."""

from __future__ import annotations

import csv
import random
from datetime import timedelta
from pathlib import Path

from story import PRODUCTS, START

SEED = 7
COLUMNS = ["order_id", "line", "sku", "qty", "price", "email", "created_at"]


def write(folder: Path) -> None:
    """Write the orders; some by guests without an address, some lines given back, some rows twice, one price unreadable."""
    rng = random.Random(SEED)
    rows = []
    time = START
    for number in range(1, 121):
        time += timedelta(seconds=rng.randint(60, 900))
        buyer = rng.randint(1, 60)
        email = "" if rng.random() < 0.1 else f" Buyer{buyer}@Example.com"
        created = f"{time + timedelta(hours=2):%d.%m.%Y %H:%M:%S}"  # local time in Kyiv
        for line, sku in enumerate(rng.sample(list(PRODUCTS), rng.randint(1, 4)), 1):
            quantity = -1 if line > 1 and rng.random() < 0.05 else rng.randint(1, 3)
            price = f"{PRODUCTS[sku].price:.2f}".replace(".", ",")
            rows.append([f"{number:06d}", str(line), sku, str(quantity), price, email, created])
    rows[40][4] = "n/a"
    for at in sorted(rng.sample(range(len(rows)), 6), reverse=True):
        rows.insert(at + 1, rows[at])
    with (folder / "lines.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter=";", lineterminator="\n")
        table.writerows([COLUMNS, *rows])
