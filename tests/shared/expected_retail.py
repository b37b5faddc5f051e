"""Online Retail: an invoice's lines are a cart; credit notes and sales to nobody fall out; repeated lines count once."""

from __future__ import annotations

import csv
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from shared_exports import Event, Expected

LONDON = ZoneInfo("Europe/London")


def expected(path: Path) -> Expected:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    books = Expected(rows=len(rows))
    carts: dict[tuple[str, str], dict[tuple[str, ...], int]] = {}
    for number, row in enumerate(rows):
        if row["InvoiceNo"].startswith("C"):
            books.filtered["cancelled"] += 1
        elif not row["CustomerID"].strip():
            books.filtered["anonymous"] += 1
        else:
            cart = carts.setdefault((row["InvoiceNo"], row["CustomerID"]), {})
            line = tuple(row[name] for name in ("StockCode", "Quantity", "UnitPrice", "Description"))
            if line in cart:
                books.duplicate["exact"] += 1
            cart.setdefault(line, number)
    books.folded = sum(len(cart) - 1 for cart in carts.values())
    for (invoice, customer), cart in carts.items():
        last = max(cart.values())
        instant = datetime.strptime(rows[last]["InvoiceDate"], "%d/%m/%Y %H:%M").replace(tzinfo=LONDON)
        params = {
            "externalCustomerId": customer,
            "products": [_product(*line) for line in cart],
            "currencyCode": "GBP",
            "recycleStateId": invoice,
        }
        books.take([Event(instant, (last, 0), "cartUpdated", customer, params)])
    return books


def _product(code: str, quantity: str, price: str, name: str) -> dict[str, object]:
    product = {"productId": code, "quantity": Decimal(quantity), "price": Decimal(price.replace(",", "."))}
    return product | ({"name": name} if name.strip() else {})
