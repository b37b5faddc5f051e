"""What one writes first for a log: `re`, a line at a time: `python -m benchmarks.planning.log_loop LOG PRICES OUTPUT`.

It gives the bodies of `benchmarks.planning.log_job`, by a few words for bots instead of a kept list, without times, order and books.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlencode

_dumps = partial(json.dumps, ensure_ascii=False, separators=(",", ":"))
_LINE = re.compile(
    r'(?P<host>\S+) \S+ (?P<user>\S+) \[(?P<time>[^]]+)\] "(?P<method>\S+) (?P<target>\S+) [^"]*" (?P<status>\d+) (?P<bytes>\S+) '
    r'"(?P<referrer>[^"]*)" "(?P<agent>[^"]*)"'
)
_STATIC = re.compile(r"\.(png|jpe?g|gif|webp|svg|ico|js|css|map|woff2?|ttf)$")
_BOT = re.compile("bot|crawl|spider|facebookexternalhit", re.IGNORECASE)
_PRODUCT = re.compile(r"/product/([^/]+)$")


def main() -> None:
    """Read LOG and PRICES (CSV), write OUTPUT (a body a line)."""
    log, prices_file, output = map(Path, sys.argv[1:])
    with prices_file.open(newline="") as file:
        prices = {row["sku"]: float(row["price"]) for row in csv.DictReader(file)}
    seen: set[tuple[str, str]] = set()
    with log.open(encoding="utf-8", errors="replace") as read, output.open("w", encoding="utf-8") as written:
        for line in read:
            found = _LINE.match(line)
            if (
                found is None
                or found["method"] != "GET"
                or found["status"] not in ("200", "304")
                or found["user"] == "-"
            ):
                continue
            path, _, query = found["target"].partition("?")
            if _STATIC.search(path) or _BOT.search(found["agent"]):
                continue
            for kind, params in _events(path, query, prices):
                body = _body(found["user"], kind, params)
                if (found["time"], body) not in seen:
                    seen.add((found["time"], body))
                    written.write(body + "\n")


def _events(path: str, query: str, prices: dict[str, float]) -> list[tuple[str, list[dict[str, object]]]]:
    kept = urlencode([(name, value) for name, value in parse_qsl(query) if name == "utm_source"])
    location = f"https://shop.example{path}" + (f"?{kept}" if kept else "")
    events = [("pageViewed", [{"name": "page", "value": _dumps({"location": location})}])]
    product = _PRODUCT.match(path)
    if product:
        part = {"productId": product[1], "price": prices[product[1]]}
        events.append(("productViewed", [{"name": "product", "value": _dumps(part)}]))
    if path == "/search":
        search = {"name": "search", "value": parse_qs(query)["q"][0]}
        events.append(("searchRequest", [search, {"name": "isFound", "value": 1}]))
    return events


def _body(user: str, kind: str, params: list[dict[str, object]]) -> str:
    contact = {"name": "externalCustomerId", "value": user}
    return _dumps({"eventTypeKey": kind, "keyValue": user, "params": [contact, *params]})


if __name__ == "__main__":
    main()
