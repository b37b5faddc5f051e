"""An nginx access log with the Cookie header at the end of each line; beside it who a visitor is, and what products cost."""

from __future__ import annotations

import csv
import gzip
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, quote_plus

from story import PRODUCTS, SHOP, Act, story

SEED = 8
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def write(folder: Path) -> None:
    """Write the log of two days' rotation and the tables; a few lines are broken."""
    rng = random.Random(SEED)
    lines = [line for act in story(SEED, 220) for line in _lines(rng, act)]
    lines.insert(77, lines[77][:70])
    half = len(lines) // 2
    (folder / "access.log.1.gz").write_bytes(
        gzip.compress("".join(f"{line}\n" for line in lines[:half]).encode(), mtime=0)
    )
    (folder / "access.log").write_text("".join(f"{line}\n" for line in lines[half:]), "utf-8")
    people = [[f"v{n:03d}", f"u{n:04d}", f"u{n:04d}@Example.com"] for n in range(1, 41) if n % 3]
    _table(folder / "crm.csv", ["visitor_id", "customer_id", "email"], [*people, ["bob", "u9001", "Bob@Example.com"]])
    priced = [[p.sku, str(p.price), str(int(p.price > 20))] for p in PRODUCTS.values() if p.sku != "00013"]
    _table(folder / "products.csv", ["sku", "price", "in_stock"], priced)


def _lines(rng: random.Random, act: Act) -> Iterator[str]:
    path = quote(act.path)
    if act.what == "search":
        path = f"/search?page=1&q={quote_plus(act.query or '')}"
    elif rng.random() < 0.3:
        path += "?utm_source=mail&reset=s3cret"
    agent = BOT if act.visitor % 10 == 0 else BROWSER
    status = 404 if act.what == "view" and rng.random() < 0.05 else 301 if rng.random() < 0.03 else 200
    yield _line(act, "GET", path, status, agent)
    if rng.random() < 0.1:
        yield _line(act, "GET", path, status, agent, later=7)  # the page again
    if act.what == "view":
        yield _line(act, "GET", f"/img/{act.products[0][0].sku}.jpg", 200, agent, later=1)
    if act.what in ("add", "login"):
        yield _line(act, "POST", "/api/cart" if act.what == "add" else "/login", 302, agent, later=2)


def _line(act: Act, method: str, target: str, status: int, agent: str, later: int = 0) -> str:
    cookie = f"lang=uk; uid=v{act.visitor:03d}" if act.visitor % 7 else "-"
    user = "bob" if act.visitor == 28 else "-"  # staff log in by HTTP; they have no cookie
    time = act.time + timedelta(hours=2, seconds=later)
    return (
        f'198.51.100.{act.visitor} - {user} [{time:%d/%b/%Y:%H:%M:%S} +0200] "{method} {target} HTTP/2.0" {status} 512 '
        f'"{SHOP}/" "{agent}" "{cookie}"'
    )


def _table(path: Path, names: list[str], rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([names, *rows])
