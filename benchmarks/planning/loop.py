"""What one writes first: csv.DictReader and json.dumps, a row at a time: `python -m benchmarks.planning.loop INPUT OUTPUT`.

It gives the bodies of `benchmarks.planning.job`, one a line, in the order of the rows; bad rows fall out unseen.
"""

from __future__ import annotations

import csv
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

_dumps = partial(json.dumps, ensure_ascii=False, separators=(",", ":"))


def main() -> None:
    """Read INPUT (CSV), write OUTPUT (a body a line)."""
    source, output = map(Path, sys.argv[1:])
    seen: set[tuple[str, str]] = set()
    carts: dict[tuple[str, str, str], list[dict[str, Any] | None]] = {}
    first: dict[tuple[str, str, str], dict[str, str]] = {}
    with source.open(encoding="utf-8", newline="") as read, output.open("w", encoding="utf-8") as written:
        for row in csv.DictReader(read):
            if row["event"] == "cart":
                key = (row["cart_id"], row["event_time"], row["customer_id"])
                first.setdefault(key, row)
                line = _line(row)
                if line not in carts.setdefault(key, []):
                    carts[key].append(line)
                continue
            own = _own(row)
            if own is None:
                continue
            body = _body(row, *own)
            if (row["event_time"], body) not in seen:
                seen.add((row["event_time"], body))
                written.write(body + "\n")
        for key, lines in carts.items():
            if None not in lines:
                params = [_param("products", _dumps(lines)), _param("recycleStateId", key[0])]
                written.write(_body(first[key], "cartUpdated", params) + "\n")


def _own(row: dict[str, str]) -> tuple[str, list[dict[str, Any]]] | None:
    match row["event"]:
        case "page":
            return "pageViewed", [_param("page", _dumps({"location": row["url"]}))]
        case "view_item":
            price = _number(row["price"])
            if price is None:
                return None
            product = {"productId": row["sku"], "price": price, "isInStock": int(row["in_stock"] == "true")}
            if row["colour"]:
                product["colour"] = [row["colour"]]
            currency = [_param("currencyCode", row["currency"])] if row["currency"] else []
            return "productViewed", [_param("product", _dumps(product)), *currency]
        case "category":
            return "productCategoryViewed", [_param("category", _dumps({"productCategoryId": row["category"]}))]
        case "search":
            hits = _number(row["hits"])
            found = None if hits is None else int(hits > 0)
            return (
                None if found is None else ("searchRequest", [_param("search", row["query"]), _param("isFound", found)])
            )
    return None


def _line(row: dict[str, str]) -> dict[str, Any] | None:
    price = _number(row["price"])
    return None if price is None else {"productId": row["sku"], "quantity": int(row["qty"]), "price": price}


def _body(row: dict[str, str], kind: str, params: list[dict[str, Any]]) -> str:
    contact = [
        _param("externalCustomerId", row["customer_id"]),
        _param("phone", row["phone"].lstrip("+")),
        _param("email", row["email"].strip().lower()),
    ]
    return _dumps({"eventTypeKey": kind, "keyValue": row["customer_id"], "params": contact + params})


def _param(name: str, value: Any) -> dict[str, Any]:
    return {"name": name, "value": value}


def _number(text: str) -> float | int | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if number.is_integer() else number


if __name__ == "__main__":
    main()
